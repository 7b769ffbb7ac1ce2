#pragma once

#include "tests/support/fake_access.hpp"
#include "tests/support/sim_world.hpp"

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::test {

/// Login and access of a simulated world whose answers come when the test says: a user "later..."
/// waits (FakeAuthenticator), what is done with a topic that has "slow" in it gets `slow_answer`,
/// and a topic that ends with "no" is denied.
class SlowDecisions {
public:
    explicit SlowDecisions(SimWorld& world, bool judges_delivery = false) : world_(world) {
        world_.shared().authenticator = authenticator_;
        world_.shared().access = std::make_shared<FakeAccess>(
            [this](const AccessRequest& request) { return judge(request); }, judges_delivery);
    }
    SlowDecisions(const SlowDecisions&) = delete;
    SlowDecisions& operator=(const SlowDecisions&) = delete;

    /// Whoever waits for a login is let in, or not, as the user `name` would be.
    void decide_logins(std::string_view name) {
        for (const auto& waiting : std::exchange(authenticator_->waiting, {})) {
            decide(waiting, name);
        }
    }
    /// As decide_logins(), but only for the one who came last.
    void decide_last_login(std::string_view name) {
        if (!authenticator_->waiting.empty()) {
            const auto waiting = authenticator_->waiting.back();
            authenticator_->waiting.pop_back();
            decide(waiting, name);
        }
    }
    /// Every session asks again about what waits for access.
    void decide_access() {
        for (std::uint32_t worker = 0; worker < world_.worker_count(); ++worker) {
            std::vector<SessionRef> sessions;
            world_.broker(worker).for_each_session(
                [&](Session& session) { sessions.push_back(session.ref()); });
            for (const SessionRef session : sessions) {
                world_.turn(worker,
                            [session](Broker& broker) { broker.on_access_decided(session); });
            }
        }
    }

    AccessDecision slow_answer = AccessDecision::pending;

private:
    AccessDecision judge(const AccessRequest& request) const {
        if (request.action != AccessAction::deliver &&
            request.topic.find("slow") != std::string_view::npos) {
            return slow_answer;
        }
        return request.topic.ends_with("no") ? AccessDecision::deny : AccessDecision::allow;
    }
    void decide(const FakeAuthenticator::Waiting& waiting, std::string_view name) {
        world_.turn(waiting.worker, [&](Broker& broker) {
            broker.on_auth_decided(waiting.token, FakeAuthenticator::decision_for(name));
        });
    }

    SimWorld& world_;
    std::shared_ptr<FakeAuthenticator> authenticator_ = std::make_shared<FakeAuthenticator>();
};

/// Asserts after each turn that no session's queue is larger than it may be.
inline void watch_queue_limits(SimWorld& world) {
    world.on_turn_end = [&world](std::uint32_t worker) {
        Broker& broker = world.broker(worker);
        broker.for_each_session([&](Session& session) {
            const QueueLimits& limits = broker.options().queue_limits;
            GW_ASSERT(session.queue.count() <= limits.count_max);
            GW_ASSERT(session.queue.bytes() <= limits.bytes_max);
        });
    };
}

/// Asserts, when everybody has gone, that no session is left.
inline void expect_nothing_left(SimWorld& world) {
    GW_ASSERT(world.sum([](const Metrics& m) { return m.clients_online.value(); }) == 0);
    GW_ASSERT(world.sum([](const Metrics& m) { return m.sessions.value(); }) == 0);
    GW_ASSERT(world.shared().session_count == 0);
}

}  // namespace gw::test
