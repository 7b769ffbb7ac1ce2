#pragma once

#include "broker-core/base/random.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gw::test {

/// Makes up what a broker might store: sessions come and go, messages go to some of them, now and
/// then late or early, and are completed in about the order of delivery. From a seed.
class RandomSteps {
public:
    explicit RandomSteps(std::uint64_t seed) : random_(seed) {}

    Step next();
    /// Message ids of an earlier life are not used any more.
    void restart() { early_.clear(); }
    Random& random() { return random_; }

private:
    struct Session {
        std::uint64_t next_sequence = 1;
        std::map<std::uint64_t, std::uint64_t> owed;  // sequence -> message
    };

    void change_sessions(Step& step);
    void publish(Step& step);
    void complete(Step& step);
    void change_tables(Step& step);
    void deliver(Step& step, std::uint64_t sid, std::uint64_t message);
    std::uint64_t any_session();

    Random random_;
    std::uint64_t next_sid_ = 1;
    std::uint64_t next_message_ = 1;
    std::map<std::uint64_t, Session> sessions_;
    std::vector<std::uint64_t> early_;  // messages that were delivered before they came
};

}  // namespace gw::test
