#include "tests/unit/broker-core/storage/random_steps.hpp"

#include <iterator>

namespace gw::test {

std::uint64_t RandomSteps::any_session() {
    auto one = sessions_.begin();
    std::advance(one, static_cast<std::ptrdiff_t>(random_.below(sessions_.size())));
    return one->first;
}

void RandomSteps::change_sessions(Step& step) {
    if (sessions_.size() < 2 || (sessions_.size() < 8 && random_.below(4) == 0)) {
        const std::uint64_t sid = next_sid_++;
        sessions_[sid] = {};
        step.operation(PutSession{sid, "client-" + std::to_string(sid), "fresh"});
    } else if (random_.below(30) == 0) {
        const std::uint64_t sid = any_session();
        // Some of its deliveries are completed first, some are left to the store.
        for (const auto& [sequence, message] : sessions_[sid].owed) {
            if (random_.below(2) == 0) {
                step.completed(sid, sequence, message);
            }
        }
        step.operation(RemoveSession{sid});
        sessions_.erase(sid);
    } else if (random_.below(4) == 0) {
        const std::uint64_t sid = any_session();
        step.operation(PutSession{sid, "client-" + std::to_string(sid),
                                  "state-" + std::to_string(random_.below(100))});
    }
}

void RandomSteps::deliver(Step& step, std::uint64_t sid, std::uint64_t message) {
    Session& session = sessions_[sid];
    const std::uint64_t sequence = session.next_sequence++;
    session.owed[sequence] = message;
    step.delivery(sid, sequence, message);
}

void RandomSteps::publish(Step& step) {
    if (!early_.empty() && random_.below(2) == 0) {
        const std::uint64_t id = early_.back();
        early_.pop_back();
        step.message(id, "early-" + std::to_string(id));
    }
    if (sessions_.empty()) {
        return;
    }
    for (std::uint64_t count = random_.below(5); count > 0; --count) {
        const std::uint64_t id = next_message_++;
        if (random_.below(20) == 0) {
            deliver(step, any_session(), id);
            early_.push_back(id);
            continue;
        }
        step.message(id, std::string(random_.below(400), 'x') + std::to_string(id));
        const std::uint64_t first = any_session();
        deliver(step, first, id);
        if (random_.below(3) == 0) {
            deliver(step, any_session(), id);
        }
    }
    if (random_.below(4) == 0) {
        // Another worker's session gets a message that is there already.
        const Session& session = sessions_[any_session()];
        if (!session.owed.empty()) {
            deliver(step, any_session(), session.owed.rbegin()->second);
        }
    }
}

void RandomSteps::complete(Step& step) {
    for (auto& [sid, session] : sessions_) {
        // Some sessions are away and never complete anything.
        if (sid % 3 == 0 || random_.below(2) == 0) {
            continue;
        }
        for (std::uint64_t count = random_.below(6); count > 0 && !session.owed.empty(); --count) {
            auto one = session.owed.begin();
            if (random_.below(4) == 0) {
                std::advance(one, static_cast<std::ptrdiff_t>(random_.below(session.owed.size())));
            }
            step.completed(sid, one->first, one->second);
            session.owed.erase(one);
        }
    }
}

void RandomSteps::change_tables(Step& step) {
    if (sessions_.empty()) {
        return;
    }
    const std::uint64_t sid = any_session();
    const std::string filter = "f/" + std::to_string(random_.below(5));
    const auto packet_id = static_cast<std::uint16_t>(1 + random_.below(5));
    const std::uint64_t sequence = 1 + random_.below(5);
    switch (random_.below(8)) {
        case 0:
            step.operation(PutSubscription{sid, filter, static_cast<std::int64_t>(sequence)});
            break;
        case 1:
            step.operation(RemoveSubscription{sid, filter});
            break;
        case 2:
            step.operation(Step::retained(filter, std::to_string(random_.below(1000))));
            break;
        case 3:
            step.operation(RemoveRetained{filter});
            break;
        case 4:
            step.operation(PutInbound{sid, packet_id});
            break;
        case 5:
            step.operation(RemoveInbound{sid, packet_id});
            break;
        case 6:
            step.operation(PutReleased{sid, sequence});
            break;
        default:
            step.operation(RemoveReleased{sid, sequence});
            break;
    }
}

Step RandomSteps::next() {
    Step step;
    change_sessions(step);
    publish(step);
    complete(step);
    for (std::uint64_t count = random_.below(3); count > 0; --count) {
        change_tables(step);
    }
    return step;
}

}  // namespace gw::test
