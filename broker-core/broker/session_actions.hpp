#pragma once

#include "broker-core/broker/broker.hpp"

#include <functional>
#include <utility>

namespace gw {

/// By which whoever only watches has something done: on the worker that owns the session, between
/// its turns, if the session is still there. Any thread.
class SessionActions {
public:
    using Action = std::function<void(Broker&, Session&)>;

    explicit SessionActions(Exchange& exchange) : exchange_(exchange) {}

    void post(SessionRef ref, Action action) const {
        exchange_.post_task(ref.worker(), [ref, action = std::move(action)](Broker& broker) {
            if (Session* const session = broker.find_session(ref)) {
                action(broker, *session);
            }
        });
    }

private:
    Exchange& exchange_;
};

}  // namespace gw
