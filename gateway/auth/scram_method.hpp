#pragma once

#include "broker-core/access/access.hpp"
#include "gateway/auth/auth_pool.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gw::auth {

/// SCRAM-SHA-256 over the built-in users, for MQTT 5 clients (MQTT 5.0, 4.12; RFC 7677). A user
/// that does not exist, or whose password came as a hash, gets the same challenge each time and is
/// refused with the proof, so that names cannot be told apart. Whose account changes during an
/// exchange is refused.
class ScramMethod {
public:
    /// Takes an answer to the worker that awaits it. Any thread.
    using PostStep =
        std::function<void(std::uint32_t worker, AuthToken token, std::function<AuthStep()> step)>;

    ScramMethod(AuthPool& pool, const std::atomic<std::uint64_t>& generation, PostStep post)
        : pool_(pool), generation_(generation), post_(std::move(post)) {}

    static constexpr std::string_view name = "SCRAM-SHA-256";

    std::unique_ptr<AuthExchange> begin(std::uint32_t fake_iterations);

private:
    class Exchange;
    struct State;

    AuthPool& pool_;
    const std::atomic<std::uint64_t>& generation_;
    const PostStep post_;
};

}  // namespace gw::auth
