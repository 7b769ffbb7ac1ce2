#include "broker-core/base/random.hpp"
#include "broker-core/storage/log_store/delivery_runs.hpp"
#include "broker-core/storage/log_store/live_index.hpp"
#include "broker-core/storage/log_store/segment.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <vector>

using namespace gw;

namespace {

struct NumberEntry {
    std::uint64_t key;
    std::uint64_t value;
};

MonotonicTime at(int milliseconds) {
    return MonotonicTime{Milliseconds{milliseconds}};
}

/// A segment's bytes, and the index that gets it.
class Segments {
public:
    Segments() { begin_segment(out_); }
    Segments& message(std::uint64_t id, std::string_view payload = "payload") {
        MessageRecord record;
        record.id = id;
        record.payload = as_bytes(payload);
        append_message(out_, record);
        return *this;
    }
    Segments& delivery(std::uint64_t session, std::uint64_t sequence, std::uint64_t message) {
        append_delivery(out_, {.session = session, .sequence = sequence, .message = message});
        return *this;
    }
    Segments& completed(std::uint64_t session, std::uint64_t sequence, std::uint64_t message) {
        append_completed(out_, {.session = session, .sequence = sequence, .message = message});
        return *this;
    }
    /// Applies it as the next segment.
    void apply(LiveIndex& index, MonotonicTime now = {}) {
        index.apply(index.next_segment(), out_.view(), now, orphans);
        begin_segment(out_);
    }

    std::vector<OrphanDelivery> orphans;

private:
    ByteBuffer out_;
};

}  // namespace

TEST_CASE("the table holds what a map would hold") {
    const std::uint64_t seed = 11;
    CAPTURE(seed);
    Random random{seed};
    FlatTable<NumberEntry, 4> table;
    std::map<std::uint64_t, std::uint64_t> expected;
    for (int step = 0; step < 200'000; ++step) {
        // The number of keys waxes and wanes, so that the parts grow and shrink.
        const bool grows = step / 20'000 % 2 == 0;
        const std::uint64_t key = 1 + random.below(grows ? 20'000 : 5'000);
        if (random.below(10) < (grows ? 7U : 2U)) {
            const auto [entry, is_new] = table.insert(key);
            CHECK(is_new == expected.insert({key, 0}).second);
            entry->value = random.next();
            expected[key] = entry->value;
        } else {
            table.erase(key);
            expected.erase(key);
        }
        const std::uint64_t other = 1 + random.below(20'000);
        const NumberEntry* found = table.find(other);
        const auto wanted = expected.find(other);
        REQUIRE((found != nullptr) == (wanted != expected.end()));
        if (found != nullptr) {
            CHECK(found->value == wanted->second);
        }
    }
    CHECK(table.size() == expected.size());
    std::size_t visited = 0;
    table.for_each([&](const NumberEntry& entry) {
        ++visited;
        CHECK(expected.at(entry.key) == entry.value);
    });
    CHECK(visited == expected.size());
    for (const auto& [key, value] : expected) {
        table.erase(key);
    }
    CHECK(table.size() == 0);
    CHECK(table.memory_bytes() == sizeof(table));
}

TEST_CASE("the set of sequences holds what a set would hold") {
    for (const std::uint64_t spread : {3U, 100U, 100'000U}) {
        Random random{spread};
        SequenceSet set{};
        std::set<std::uint64_t> expected;
        std::uint64_t last = 0;
        for (int step = 0; step < 50'000; ++step) {
            if (random.below(2) == 0) {
                last += random.below(8) == 0 ? 1 + random.below(spread) : 1;
                CHECK(set.insert(last) == expected.insert(last).second);
            } else if (random.below(20) == 0) {
                const std::uint64_t any = random.below(last + 2);
                CHECK(set.insert(any) == expected.insert(any).second);
            } else if (!expected.empty()) {
                // Mostly the oldest, as acknowledgements go.
                auto one = random.below(4) != 0 ? expected.begin()
                                                : expected.lower_bound(random.below(last + 1));
                one = one == expected.end() ? expected.begin() : one;
                CHECK(set.erase(*one));
                CHECK_FALSE(set.erase(*one));
                expected.erase(one);
            }
            CHECK(set.size() == expected.size());
            const std::uint64_t any = random.below(last + 2);
            CHECK(set.contains(any) == expected.contains(any));
        }
        for (const std::uint64_t one : expected) {
            CHECK(set.erase(one));
        }
        CHECK(set.empty());
        CHECK(set.heap_bytes() == 0);
        set.clear();
    }
}

TEST_CASE("one sequence that lives for ever costs no bitmap up to the newest") {
    SequenceSet set{};
    set.insert(1);
    for (std::uint64_t sequence = 2; sequence < 1'000'000; ++sequence) {
        set.insert(sequence);
        if (sequence > 100) {
            set.erase(sequence - 98);
        }
    }
    CHECK(set.contains(1));
    CHECK(set.heap_bytes() < 500);
    set.clear();
}

TEST_CASE("runs of deliveries give back what is left, in order") {
    Random random{5};
    DeliveryRuns runs;
    std::set<std::uint64_t> expected;
    std::uint64_t first = 1'000;
    std::uint64_t again = 1;  // those that a compaction wrote again, in between
    for (int step = 0; step < 5'000; ++step) {
        std::uint64_t& next = random.below(3) == 0 && again < 1'000 ? again : first;
        runs.add({.sequence = next, .message = next});
        expected.insert(next++);
        if (random.below(2) == 0) {
            const auto one = expected.begin();
            CHECK(runs.complete(*one));
            CHECK_FALSE(runs.complete(*one));
            expected.erase(one);
        }
    }
    runs.drop_if([&](const RestoredDelivery& one) { return one.sequence % 7 == 0; });
    std::erase_if(expected, [](std::uint64_t one) { return one % 7 == 0; });
    const std::vector<RestoredDelivery> left = runs.take();
    REQUIRE(left.size() == expected.size());
    auto wanted = expected.begin();
    for (const RestoredDelivery& one : left) {
        CHECK(one.sequence == *wanted++);
    }
}

TEST_CASE("a message lives until its last delivery is completed and the grace is over") {
    LiveIndex index;
    Segments segment;
    segment.message(1).delivery(7, 1, 1).delivery(8, 1, 1).apply(index, at(0));
    CHECK(index.message_count() == 1);
    CHECK(index.delivery_count() == 2);
    REQUIRE(index.find(1).has_value());
    CHECK(index.find(1)->segment == 1);
    segment.completed(7, 1, 1).apply(index, at(1));
    CHECK(index.find(1).has_value());
    segment.completed(8, 1, 1).apply(index, at(2));
    CHECK(index.delivery_count() == 0);
    index.expire_unreferenced(at(1));
    CHECK(index.find(1).has_value());  // somebody may still come for it
    CHECK(index.dead_prefix(10, 1'000) == 0);
    index.expire_unreferenced(at(2));
    CHECK_FALSE(index.find(1).has_value());
    CHECK(index.dead_prefix(10, 1'000) == 3);
    CHECK_FALSE(index.has_unreferenced());
    for (int count = 0; count < 3; ++count) {
        index.drop_oldest_segment();
    }
    CHECK(index.log_bytes() == 0);
    CHECK(index.live_bytes() == 0);
}

TEST_CASE("a delivery may come before or long after its message") {
    LiveIndex index;
    Segments segment;
    segment.delivery(7, 1, 5).apply(index);  // before
    CHECK_FALSE(index.find(5).has_value());
    CHECK(segment.orphans.empty());
    segment.message(5).apply(index);
    CHECK(index.find(5).has_value());
    index.expire_unreferenced(at(10));
    CHECK(index.find(5).has_value());

    segment.message(6).apply(index, at(20));
    index.expire_unreferenced(at(19));
    segment.delivery(7, 2, 6).apply(index, at(21));  // within the grace
    index.expire_unreferenced(at(100));
    CHECK(index.find(6).has_value());
    CHECK(segment.orphans.empty());

    segment.message(8).apply(index, at(101));
    index.expire_unreferenced(at(101));
    CHECK_FALSE(index.find(8).has_value());
    segment.delivery(9, 1, 8).apply(index, at(102));  // after it
    REQUIRE(segment.orphans.size() == 1);
    CHECK(segment.orphans.front().session == 9);
    CHECK(segment.orphans.front().message == 8);
    segment.message(8).apply(index, at(103));  // submitted again
    CHECK(index.find(8).has_value());
}

TEST_CASE("a segment whose deliveries need a message elsewhere is not dead without a look") {
    LiveIndex index;
    Segments segment;
    segment.message(1).delivery(7, 1, 1).apply(index);
    segment.delivery(8, 1, 1).apply(index);
    segment.message(1).apply(index);  // written again further on
    CHECK(index.find(1)->segment == 3);
    CHECK(index.segment(1).live_count == 0);
    CHECK(index.segment(1).foreign_count != 0);
    CHECK(index.segment(2).foreign_count != 0);
    CHECK(index.dead_prefix(10, 1'000) == 0);
}

TEST_CASE("a removed session's deliveries count as dead but wait for the compaction") {
    LiveIndex index;
    Segments segment;
    segment.message(1).delivery(7, 1, 1).message(2).delivery(8, 1, 2).apply(index);
    const std::uint64_t before = index.live_bytes();
    index.remove_session(7);
    CHECK(index.is_removed(7));
    CHECK(index.live_bytes() < before);
    CHECK(index.find(1).has_value());
    index.complete({7, 1, 1}, at(1));
    CHECK_FALSE(index.is_removed(7));  // nothing left to wait for
    index.expire_unreferenced(at(1));
    CHECK_FALSE(index.find(1).has_value());
    CHECK(index.find(2).has_value());
}
