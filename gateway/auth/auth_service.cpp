#include "gateway/auth/auth_service.hpp"

#include "gateway/auth/crypto.hpp"
#include "gateway/auth/modules.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <set>
#include <sys/stat.h>
#include <utility>

namespace gw::auth {

namespace {

constexpr std::chrono::seconds watch_interval{1};

std::uint32_t hashing_threads(std::uint32_t wanted) {
    return wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency() / 2);
}

void append_part(std::string& text, std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
}

std::uint64_t inode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

/// Whether the client is in by the word of the built-in users. Of a session that the store gave
/// back it is not known who vouched for it: then too.
bool is_vouched_for_by_users(const ClientIdentity& client) {
    return client.source == AuthSource::users || client.source == AuthSource::scram ||
           client.source == AuthSource::none;
}

/// Whether clients could prove something that is theirs, and not their connection's.
bool can_prove(const AuthModuleSet& set) {
    return std::any_of(set.modules.begin(), set.modules.end(), [](const auto& module) {
        return module->source() != AuthSource::certificate && module->source() != AuthSource::psk;
    });
}

const KnownSecrets* list_of(const AuthModuleSet& set, AuthSource source) {
    for (const auto& module : set.modules) {
        if (module->source() == source) {
            const auto* const list = dynamic_cast<const ListModule*>(module.get());
            return list == nullptr ? nullptr : &list->known();
        }
    }
    return nullptr;
}

/// The names in the list of one module that are not in the next one, or with another secret.
std::set<std::string, std::less<>> lost_names(const AuthModuleSet& before,
                                              const AuthModuleSet& after, AuthSource source) {
    std::set<std::string, std::less<>> lost;
    const KnownSecrets* const had = list_of(before, source);
    const KnownSecrets* const has = list_of(after, source);
    if (had == nullptr) {
        return lost;
    }
    for (const auto& [name, secret] : *had) {
        const auto found = has == nullptr ? KnownSecrets::const_iterator{} : has->find(name);
        if (has == nullptr || found == has->end() || !(found->second == secret)) {
            lost.insert(name);
        }
    }
    return lost;
}

}  // namespace

AuthService::AuthService(Options options)
    : options_(std::move(options)),
      key_(random_bytes(32)),
      hashing_({.name = "auth-hash",
                .thread_count = hashing_threads(options_.thread_count),
                .waiting_count_max = options_.waiting_count_max,
                .users_path = options_.users_path}),
      // Looking at a token or a user takes a hundredth of the time of a hash.
      tokens_({.name = "auth-token",
               .thread_count = 1,
               .waiting_count_max = std::size_t{options_.waiting_count_max} * 20,
               .users_path = options_.users_path}),
      scram_(tokens_, generation_,
             [this](std::uint32_t worker, AuthToken token, std::function<AuthStep()> step) {
                 options_.post(worker, [token, step = std::move(step)](Broker& broker) {
                     broker.on_auth_step(token, step());
                 });
             }),
      workers_(options_.worker_count),
      present_(std::make_shared<const Present>(
          Present{.modules = std::make_shared<const AuthModuleSet>()})) {}

AuthService::~AuthService() {
    stop();
}

void AuthService::attach(std::uint32_t worker, Broker& broker) {
    WorkerPart& part = workers_[worker];
    part.broker = &broker;
    part.chain = std::make_unique<AuthChain>(worker, broker.metrics(), *options_.log, 0,
                                             broker.random().next());
}

// ------------------------------------------------------------------------------------- settings

std::shared_ptr<const AuthService::Present> AuthService::present() const {
    const std::lock_guard lock{present_mutex_};
    return present_;
}

Result<AuthModuleSetPtr> AuthService::prepare(const config::Auth& config) {
    const std::lock_guard lock{users_mutex_};
    // Once there were users, there are: a file that has gone lets nobody in.
    have_users_existed_ = have_users_existed_ || inode_of(options_.users_path) != 0;
    return build_modules(config, {.hashing = hashing_, .tokens = tokens_, .answers = *this},
                         have_users_existed_);
}

void AuthService::apply(const config::Auth& config, AuthModuleSetPtr modules) {
    const std::lock_guard lock{users_mutex_};
    config_ = config;
    const AuthModuleSetPtr before = present()->modules;
    put_in_place(config, modules);
    end_unlisted(*before, *modules);
}

void AuthService::put_in_place(const config::Auth& config, AuthModuleSetPtr modules) {
    const bool has_proofs = can_prove(*modules);
    const bool has_users =
        std::any_of(modules->modules.begin(), modules->modules.end(),
                    [](const auto& module) { return module->source() == AuthSource::users; });
    auto next = std::make_shared<const Present>(
        Present{.modules = std::move(modules),
                .cache_count_max =
                    (config.cache_count_max + options_.worker_count - 1) / options_.worker_count,
                .scram_iterations = config.users.scram_iterations,
                .has_scram = config.users.scram && has_users && have_users_existed_});
    {
        const std::lock_guard lock{present_mutex_};
        present_ = std::move(next);
    }
    generation_.fetch_add(1, std::memory_order_acq_rel);
    if (has_proofs_.exchange(has_proofs) || !has_proofs) {
        return;
    }
    // From now on nobody is an administrator who has proven nothing.
    for (std::uint32_t worker = 0; worker < options_.worker_count; ++worker) {
        options_.post(worker, [](Broker& broker) { broker.revise_administrators(); });
    }
}

// ---------------------------------------------------------------------------------- the workers

AuthKey AuthService::key_of(const AuthRequest& request, bool with_client_id) const {
    std::string text;
    append_part(text, with_client_id ? request.client_id : std::string{});
    for (const auto& one : {request.username, request.password}) {
        text += one ? '+' : '-';
        append_part(text, one.value_or(std::string{}));
    }
    const PeerInfo& peer = request.peer;
    append_part(text, peer.cookie);
    append_part(text, peer.identity ? peer.identity->fingerprint : std::string{});
    append_part(text, peer.identity ? peer.identity->psk_identity : std::string{});
    append_part(text, peer.identity ? peer.identity->common_name : std::string{});
    text += request.allow_anonymous ? '+' : '-';
    const std::string digest = hmac(HashKind::sha256, key_, text);
    OPENSSL_cleanse(text.data(), text.size());
    AuthKey key{};
    std::copy(digest.begin(), digest.end(), key.begin());
    return key;
}

std::optional<AuthDecision> AuthService::authenticate(const Credentials& credentials,
                                                      std::uint32_t worker, AuthToken token) {
    WorkerPart& part = workers_[worker];
    const std::shared_ptr<const Present> now = present();
    if (std::exchange(part.cache_count_max, now->cache_count_max) != now->cache_count_max) {
        part.chain->cache().set_count_max(now->cache_count_max);
    }
    auto request = std::make_shared<AuthRequest>();
    request->client_id = std::string{credentials.client_id};
    if (credentials.username) {
        request->username = std::string{*credentials.username};
    }
    if (credentials.password) {
        request->password = std::string{as_text(*credentials.password)};
    }
    request->peer = credentials.peer;
    request->protocol = credentials.protocol;
    request->allow_anonymous = credentials.allow_anonymous;
    request->at = part.broker->now().wall;
    request->generation = generation_.load(std::memory_order_acquire);
    request->key = key_of(*request, now->modules->looks_at_client_id());
    return part.chain->begin(std::move(request), now->modules, token, part.broker->now().monotonic);
}

void AuthService::cancel(std::uint32_t worker, AuthToken token) {
    workers_[worker].chain->cancel(token);
}

void AuthService::post(const AuthTicket& ticket, AuthVerdict verdict) {
    options_.post(ticket.worker, [this, ticket, verdict = std::move(verdict)](Broker& broker) {
        const auto decision = workers_[ticket.worker].chain->on_verdict(
            ticket, verdict, generation_.load(std::memory_order_acquire), broker.now().monotonic);
        if (decision) {
            broker.on_auth_decided(ticket.token, *decision);
        }
    });
}

std::unique_ptr<AuthExchange> AuthService::begin(std::string_view method, const Credentials&) {
    const std::shared_ptr<const Present> now = present();
    if (method != ScramMethod::name || !now->has_scram) {
        return nullptr;
    }
    return scram_.begin(now->scram_iterations);
}

std::size_t AuthService::waiting_count() const {
    return hashing_.waiting_count() + tokens_.waiting_count();
}

// ------------------------------------------------------------------------------------ the users

void AuthService::start() {
    look_at_users();
    watcher_ = std::thread{[this] {
        watch();
    }};
}

void AuthService::stop() {
    {
        const std::lock_guard lock{watch_mutex_};
        is_stopping_ = true;
    }
    watch_wake_.notify_all();
    if (watcher_.joinable()) {
        watcher_.join();
    }
    hashing_.stop();
    tokens_.stop();
}

void AuthService::watch() {
    ::pthread_setname_np(::pthread_self(), "auth-watch");
    std::unique_lock lock{watch_mutex_};
    while (!watch_wake_.wait_for(lock, watch_interval, [this] { return is_stopping_; })) {
        lock.unlock();
        look_at_users();
        lock.lock();
    }
}

void AuthService::look_at_users() {
    const std::lock_guard lock{users_mutex_};
    const std::uint64_t inode = inode_of(options_.users_path);
    if (inode != users_inode_) {
        users_inode_ = inode;
        users_.reset();
        hashing_.reopen_users();
        tokens_.reopen_users();
        generation_.fetch_add(1, std::memory_order_acq_rel);
    }
    if (inode == 0) {
        return;
    }
    if (!users_) {
        open_users();
    }
    if (users_) {
        act_upon_changes();
    }
}

void AuthService::open_users() {
    auto opened = UserStore::open(options_.users_path, UserStore::Mode::existing);
    if (!opened) {
        if (!std::exchange(is_users_failure_logged_, true)) {
            options_.log->error("auth.users_unreadable", {{"error", opened.error().text()}});
        }
        return;
    }
    is_users_failure_logged_ = false;
    users_.emplace(std::move(*opened));
    users_version_ = -1;
    if (!std::exchange(have_users_existed_, true)) {
        // The first user was added while the program runs: from now on the module takes part.
        auto modules = build_modules(
            config_, {.hashing = hashing_, .tokens = tokens_, .answers = *this}, true);
        if (modules) {
            put_in_place(config_, std::move(*modules));
            options_.log->info("auth.users_found", {{"file", options_.users_path}});
        } else {
            options_.log->error("auth.users_not_used", {{"error", modules.error().text()}});
            have_users_existed_ = false;
            users_.reset();
        }
    }
}

void AuthService::act_upon_changes() {
    const auto version = users_->data_version();
    if (!version) {
        users_.reset();
        return;
    }
    if (std::exchange(users_version_, *version) == *version) {
        return;
    }
    // First nobody gets in by what was true before, then those leave who are in by it.
    generation_.fetch_add(1, std::memory_order_acq_rel);
    const auto changes = users_->changes();
    if (!changes) {
        options_.log->error("auth.users_unreadable", {{"error", changes.error().text()}});
        users_.reset();
        return;
    }
    if (changes->empty()) {
        return;
    }
    end_clients(*changes);
    options_.log->info("auth.users_changed", {{"count", changes->size()}});
    if (const auto done = users_->forget_changes(changes->back().sequence); !done) {
        options_.log->warning("auth.changes_kept", {{"error", done.error().text()}});
    }
}

void AuthService::end_unlisted(const AuthModuleSet& before, const AuthModuleSet& after) {
    for (const AuthSource source : {AuthSource::users, AuthSource::client_id}) {
        const auto lost = std::make_shared<const std::set<std::string, std::less<>>>(
            lost_names(before, after, source));
        if (lost->empty()) {
            continue;
        }
        for (std::uint32_t worker = 0; worker < options_.worker_count; ++worker) {
            options_.post(worker, [lost, source, log = options_.log](Broker& broker) {
                const std::size_t count = broker.end_clients(
                    [&](const ClientIdentity& client) {
                        return client.source == source && lost->contains(client.principal());
                    },
                    Broker::EndOf::connection, ReasonCode::not_authorized);
                if (count != 0) {
                    log->info("auth.clients_ended", {{"count", count}});
                }
            });
        }
    }
}

void AuthService::end_clients(const std::vector<UserChange>& changes) {
    auto removed = std::make_shared<std::set<std::string, std::less<>>>();
    auto changed = std::make_shared<std::set<std::string, std::less<>>>();
    for (const UserChange& change : changes) {
        (change.is_removed ? removed : changed)->insert(change.username);
    }
    for (std::uint32_t worker = 0; worker < options_.worker_count; ++worker) {
        options_.post(worker, [removed, changed, log = options_.log](Broker& broker) {
            const auto is_one_of = [](const auto& names) {
                return [&names](const ClientIdentity& client) {
                    return !client.is_anonymous && is_vouched_for_by_users(client) &&
                           names.contains(client.principal());
                };
            };
            std::size_t count = broker.end_clients(is_one_of(*removed), Broker::EndOf::session,
                                                   ReasonCode::not_authorized);
            count += broker.end_clients(is_one_of(*changed), Broker::EndOf::connection,
                                        ReasonCode::not_authorized);
            if (count != 0) {
                log->info("auth.clients_ended", {{"count", count}});
            }
        });
    }
}

}  // namespace gw::auth
