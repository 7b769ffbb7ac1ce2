#include "broker-core/router/subscriber_set.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <map>
#include <vector>

namespace {

using gw::SessionRef;
using gw::Subscriber;
using gw::SubscriberSet;

SessionRef session_of(std::uint64_t number) {
    return SessionRef{static_cast<std::uint32_t>(number % 5),
                      static_cast<std::uint32_t>(number / 5), 1};
}

Subscriber subscriber_of(std::uint64_t number) {
    return {.session = session_of(number),
            .options = {.identifier = static_cast<std::uint32_t>(number & 0xfffffff)},
            .position = static_cast<std::uint32_t>(number)};
}

}  // namespace

TEST_CASE("a subscriber set agrees with a map at every size") {
    constexpr std::uint64_t seed = 3;
    CAPTURE(seed);
    gw::Random random{seed};
    for (const std::uint64_t population : {2U, 5U, 20U, 60U, 3000U}) {
        CAPTURE(population);
        SubscriberSet set;
        std::map<std::uint64_t, std::uint32_t> model;
        for (int round = 0; round < 20'000; ++round) {
            const std::uint64_t number = random.below(population);
            Subscriber* found = set.find(session_of(number));
            REQUIRE((found != nullptr) == model.contains(number));
            const bool is_growing = (round / 4000) % 2 == 0;
            if (found == nullptr && random.below(10) < (is_growing ? 9U : 3U)) {
                set.add(subscriber_of(number));
                model[number] = static_cast<std::uint32_t>(number);
            } else if (found != nullptr && random.below(10) < (is_growing ? 2U : 8U)) {
                set.remove(session_of(number));
                model.erase(number);
            } else if (found != nullptr) {
                CHECK(found->position == model[number]);
                found->position = model[number] = static_cast<std::uint32_t>(round);
            }
            REQUIRE(set.size() == model.size());
            REQUIRE(set.empty() == model.empty());
        }
        std::map<std::uint64_t, std::uint32_t> seen;
        set.for_each([&](const Subscriber& subscriber) {
            seen[subscriber.session.slot * 5ULL + subscriber.session.worker()] =
                subscriber.position;
        });
        CHECK(seen == model);
    }
}

TEST_CASE("two sets that saw the same calls list their subscribers in the same order") {
    const auto order = [] {
        SubscriberSet set;
        for (std::uint64_t number = 0; number < 100; ++number) {
            set.add(subscriber_of(number));
        }
        for (std::uint64_t number = 0; number < 100; number += 3) {
            set.remove(session_of(number));
        }
        std::vector<std::uint32_t> positions;
        set.for_each([&](const Subscriber& entry) { positions.push_back(entry.position); });
        return positions;
    };
    CHECK(order() == order());
    CHECK(order().size() == 66);
}
