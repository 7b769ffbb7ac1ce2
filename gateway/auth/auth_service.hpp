#pragma once

#include "broker-core/auth/auth_chain.hpp"
#include "broker-core/broker/broker.hpp"
#include "config/model/auth.hpp"
#include "gateway/auth/auth_pool.hpp"
#include "gateway/auth/auth_settings.hpp"
#include "gateway/auth/scram_method.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gw::auth {

/// Joins the authentication chains of the workers with the modules, the threads that do their slow
/// work, and the file of users. A watching thread looks once a second whether somebody has changed
/// users; look_at_users() looks at once.
class AuthService final : public Authenticator, public AuthMethods, private AuthAnswers {
public:
    struct Options {
        std::uint32_t worker_count = 1;
        std::string users_path;
        std::uint32_t thread_count = 0;  // 0: half the cores
        std::uint32_t waiting_count_max = 500;
        /// Runs a task on a worker. Any thread.
        std::function<void(std::uint32_t worker, BrokerTask task)> post;
        Log* log = nullptr;
    };
    explicit AuthService(Options options);
    ~AuthService() override;

    // --- the main thread

    /// Before start(): whose metrics and clock worker `worker`'s chain uses.
    void attach(std::uint32_t worker, Broker& broker);
    /// A configuration's modules, to be put in place by apply(). Blocks on files.
    Result<AuthModuleSetPtr> prepare(const config::Auth& config);
    /// Counts for logins from now on; what was decided before is forgotten, and connections end
    /// that an entry of the configuration has let in which is gone or has another password.
    void apply(const config::Auth& config, AuthModuleSetPtr modules);
    /// Begins to watch the users, after it has ended the sessions of those that were removed while
    /// nobody did.
    void start();
    /// Ends all threads; logins that wait are not answered any more.
    void stop();
    /// Acts upon what was changed in the file of users: ends the sessions of removed users and the
    /// connections of changed ones. When it returns, new logins see the change. Any thread; blocks.
    void look_at_users();

    /// Logins that wait for a thread. Any thread.
    std::size_t waiting_count() const;

    // --- Authenticator and AuthMethods; the workers' threads

    std::optional<AuthDecision> authenticate(const Credentials& credentials, std::uint32_t worker,
                                             AuthToken token) override;
    void cancel(std::uint32_t worker, AuthToken token) override;
    bool has_proofs() const override { return has_proofs_.load(std::memory_order_relaxed); }
    std::unique_ptr<AuthExchange> begin(std::string_view method,
                                        const Credentials& credentials) override;

private:
    struct WorkerPart {
        Broker* broker = nullptr;
        std::unique_ptr<AuthChain> chain;
        std::size_t cache_count_max = 0;  // that the chain's cache was told
    };
    /// What a configuration gives; replaced as a whole.
    struct Present {
        AuthModuleSetPtr modules;
        std::size_t cache_count_max = 0;
        std::uint32_t scram_iterations = 0;
        bool has_scram = false;
    };

    void post(const AuthTicket& ticket, AuthVerdict verdict) override;
    std::shared_ptr<const Present> present() const;
    void put_in_place(const config::Auth& config, AuthModuleSetPtr modules);
    AuthKey key_of(const AuthRequest& request, bool with_client_id) const;
    void watch();
    void open_users();
    void act_upon_changes();
    void end_clients(const std::vector<UserChange>& changes);
    void end_unlisted(const AuthModuleSet& before, const AuthModuleSet& after);

    const Options options_;
    const std::string key_;  // of the hashes under which decisions are remembered
    AuthPool hashing_;
    AuthPool tokens_;
    std::atomic<std::uint64_t> generation_{1};  // of the accounts
    std::atomic<bool> has_proofs_{false};
    ScramMethod scram_;
    std::vector<WorkerPart> workers_;

    mutable std::mutex present_mutex_;  // guards the pointer below
    std::shared_ptr<const Present> present_;

    std::mutex users_mutex_;  // guards what follows
    config::Auth config_;
    std::optional<UserStore> users_;
    std::uint64_t users_inode_ = 0;
    std::int64_t users_version_ = 0;
    bool have_users_existed_ = false;
    bool is_users_failure_logged_ = false;

    std::mutex watch_mutex_;  // guards is_stopping_
    std::condition_variable watch_wake_;
    bool is_stopping_ = false;
    std::thread watcher_;
};

}  // namespace gw::auth
