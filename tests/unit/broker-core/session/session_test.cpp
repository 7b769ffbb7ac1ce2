// In-flight window and outbound queue against plain models.
#include "broker-core/base/random.hpp"
#include "broker-core/session/inflight_window.hpp"
#include "broker-core/session/outbound_queue.hpp"
#include "broker-core/session/session_state.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace gw;

namespace {

Delivery delivery(std::string_view payload, Qos qos = Qos::at_least_once,
                  std::uint64_t sequence = 0) {
    Delivery made;
    made.sequence = sequence;
    made.message = Message::create({.topic = "t",
                                    .payload = as_bytes(payload),
                                    .properties = {},
                                    .qos = qos,
                                    .retain = false,
                                    .arrival = {},
                                    .expires_at = never,
                                    .publisher = {}});
    made.qos = qos;
    made.footprint = static_cast<std::uint32_t>(made.message->footprint());
    return made;
}

std::string payload_of(const Delivery& made) {
    return std::string{as_text(made.message->payload())};
}

std::vector<std::string> payloads(const OutboundQueue& queue) {
    std::vector<std::string> all;
    queue.for_each([&](const Delivery& made) { all.push_back(payload_of(made)); });
    return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the in-flight window agrees with a map over several rounds of packet ids") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        InflightWindow window;
        std::deque<std::uint16_t> model;  // ids in flight, in the order of sending
        const std::size_t limit = 1 + random.below(30);
        std::uint64_t sequence = 0;
        for (int round = 0; round < 200'000; ++round) {
            // Gaps: what expired or was dropped before it was sent has used up its place.
            const std::uint64_t next = sequence + 1 + (random.below(8) == 0 ? random.below(3) : 0);
            if (window.has_room(limit, next) && (model.empty() || random.below(2) == 0)) {
                sequence = next;
                const std::uint16_t id =
                    window.add(delivery("x", Qos::at_least_once, sequence)).packet_id();
                REQUIRE(id == (sequence - 1) % 65535 + 1);
                model.push_back(id);
            } else if (!model.empty()) {
                const std::size_t index = random.below(std::min<std::size_t>(model.size(), 4));
                Delivery* const found = window.find(model[index]);
                REQUIRE(found != nullptr);
                REQUIRE(found->packet_id() == model[index]);
                window.complete(*found);
                REQUIRE(window.find(model[index]) == nullptr);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(index));
            }
            REQUIRE(window.count() == model.size());
            REQUIRE(window.find(0) == nullptr);
        }
        std::vector<std::uint16_t> visited;
        window.for_each([&](const Delivery& made) { visited.push_back(made.packet_id()); });
        CHECK(std::equal(visited.begin(), visited.end(), model.begin(), model.end()));
        CHECK(sequence > 65535);
        window.clear();
        CHECK(window.empty());
        CHECK(window.add(delivery("x", Qos::at_least_once, 1)).packet_id() == 1);
    }
}

TEST_CASE("one delivery that is never acknowledged does not let the window grow without end") {
    InflightWindow window;
    window.add(delivery("stuck", Qos::at_least_once, 1));
    std::uint64_t sent = 1;
    while (window.has_room(4, sent + 1)) {
        Delivery& made = window.add(delivery("x", Qos::at_least_once, ++sent));
        window.complete(made);
        REQUIRE(sent < 100);
    }
    CHECK(window.count() == 1);
    window.complete(*window.find(1));
    CHECK(window.has_room(4, sent + 1));
    CHECK(window.empty());
    window.add(delivery("stuck", Qos::at_least_once, sent + 1));
    CHECK(window.has_room(4, sent + 60'000));
    CHECK_FALSE(window.has_room(4, sent + 60'001));  // its packet id would come round
}

TEST_CASE("deliveries released before a restart stand among those sent after it") {
    InflightWindow window;
    Delivery released = delivery("r", Qos::exactly_once, 5);
    released.state = DeliveryState::released;
    window.add(std::move(released));
    window.add(delivery("a", Qos::at_least_once, 3));
    window.add(delivery("b", Qos::at_least_once, 8));
    std::vector<std::uint64_t> order;
    window.for_each([&](const Delivery& made) { order.push_back(made.sequence); });
    CHECK(order == std::vector<std::uint64_t>{3, 5, 8});
    CHECK((window.find(5)->state == DeliveryState::released));
    CHECK(window.find(4) == nullptr);
    window.complete(*window.find(3));
    CHECK(window.find(8)->sequence == 8);
}

TEST_CASE("what gives way in a full queue, by policy") {
    Texts dropped;
    const auto on_drop = [&](const Delivery& made) {
        dropped.push_back(payload_of(made));
    };
    OutboundQueue queue;
    const auto push = [&](const char* payload, Qos qos, DropPolicy policy) {
        queue.push(delivery(payload, qos), {.count_max = 3, .bytes_max = 0, .drop = policy},
                   on_drop);
    };
    constexpr Qos q0 = Qos::at_most_once;
    constexpr Qos q1 = Qos::at_least_once;
    push("a", q1, DropPolicy::oldest);
    push("b", q0, DropPolicy::oldest);
    push("c", q1, DropPolicy::oldest);
    CHECK(dropped.empty());
    SUBCASE("oldest") {
        push("d", q1, DropPolicy::oldest);
        CHECK(dropped == Texts{"a"});
        CHECK(payloads(queue) == Texts{"b", "c", "d"});
    }
    SUBCASE("newest") {
        push("d", q1, DropPolicy::newest);
        CHECK(dropped == Texts{"d"});
        CHECK(payloads(queue) == Texts{"a", "b", "c"});
    }
    SUBCASE("QoS 0 first, from the middle") {
        push("d", q1, DropPolicy::qos0_first);
        CHECK(dropped == Texts{"b"});
        CHECK(payloads(queue) == Texts{"a", "c", "d"});
        push("e", q0, DropPolicy::qos0_first);
        CHECK(dropped == Texts{"b", "e"});
        push("f", q1, DropPolicy::qos0_first);
        CHECK(dropped == Texts{"b", "e", "a"});
        CHECK(payloads(queue) == Texts{"c", "d", "f"});
    }
}

TEST_CASE("a queue bound by bytes makes room for the new, and none for what can never fit") {
    Texts dropped;
    const auto on_drop = [&](const Delivery& made) {
        dropped.push_back(payload_of(made));
    };
    const std::size_t one = delivery("12345678").message->footprint();
    const QueueLimits limits{.count_max = 0, .bytes_max = 3 * one, .drop = DropPolicy::oldest};
    OutboundQueue queue;
    for (const char* payload : {"aaaaaaaa", "bbbbbbbb", "cccccccc"}) {
        queue.push(delivery(payload), limits, on_drop);
    }
    CHECK(dropped.empty());
    queue.push(delivery("dddddddd+"), limits, on_drop);
    CHECK(dropped == Texts{"aaaaaaaa", "bbbbbbbb"});
    const std::string giant(4 * one, 'x');
    queue.push(delivery(giant), limits, on_drop);
    CHECK(dropped.back() == giant);
    CHECK(payloads(queue) == Texts{"cccccccc", "dddddddd+"});
}

TEST_CASE("the queue agrees with a list, under every policy") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        QueueLimits limits;
        limits.count_max = static_cast<std::uint32_t>(random.below(2) * (1 + random.below(20)));
        limits.bytes_max = limits.count_max == 0 || random.below(2) == 0 ? 1200 : 0;
        limits.drop = static_cast<DropPolicy>(seed % 3);
        OutboundQueue queue;
        std::deque<std::pair<std::string, Qos>> model;
        const auto bytes_of = [&] {
            std::size_t bytes = 0;
            for (const auto& [payload, qos] : model) {
                bytes += delivery(payload).message->footprint();
            }
            return bytes;
        };
        for (int round = 0; round < 2000; ++round) {
            if (random.below(3) != 0) {
                const auto qos = static_cast<Qos>(random.below(2));
                const std::string payload =
                    std::to_string(round) + std::string(random.below(30), '.');
                queue.push(delivery(payload, qos), limits, [&](const Delivery& made) {
                    // Whatever gives way is the new one or in the model.
                    const auto at = std::find_if(model.begin(), model.end(), [&](const auto& m) {
                        return m.first == payload_of(made);
                    });
                    if (at != model.end()) {
                        REQUIRE((limits.drop != DropPolicy::newest));
                        model.erase(at);
                    } else {
                        REQUIRE(payload_of(made) == payload);
                        REQUIRE((limits.drop != DropPolicy::oldest));
                    }
                });
                if (queue.count() == model.size() + 1) {
                    model.emplace_back(payload, qos);
                }
            } else if (!model.empty() && random.below(8) == 0) {
                const bool is_qos0 = random.below(2) == 0;
                queue.remove_if([&](const Delivery& made) {
                    return (made.qos == Qos::at_most_once) == is_qos0;
                });
                std::erase_if(model, [&](const auto& m) {
                    return (m.second == Qos::at_most_once) == is_qos0;
                });
            } else if (!model.empty()) {
                REQUIRE(payload_of(queue.front()) == model.front().first);
                queue.pop();
                model.pop_front();
            }
            REQUIRE(queue.count() == model.size());
            REQUIRE(queue.bytes() == bytes_of());
            REQUIRE((limits.count_max == 0 || queue.count() <= limits.count_max));
            REQUIRE((limits.bytes_max == 0 || queue.bytes() <= limits.bytes_max));
        }
        Texts expected;
        for (const auto& [payload, qos] : model) {
            expected.push_back(payload);
        }
        CHECK(payloads(queue) == expected);
        queue.clear();
        CHECK(queue.empty());
        CHECK(queue.bytes() == 0);
    }
}

TEST_CASE("a head that stays does not let holes pile up behind it") {
    OutboundQueue queue;
    const QueueLimits limits{.count_max = 2, .bytes_max = 0, .drop = DropPolicy::qos0_first};
    queue.push(delivery("head"), limits, [](const Delivery&) {});
    std::size_t dropped = 0;
    for (int i = 0; i < 10'000; ++i) {
        queue.push(delivery("x", Qos::at_most_once), limits, [&](const Delivery&) { ++dropped; });
    }
    CHECK(dropped == 9'999);
    CHECK(queue.count() == 2);
    CHECK(queue.place_count() < 64);
}

TEST_CASE("stored state: proof and retained messages to come are kept, older files read") {
    const auto bytes_of = [](const SessionState& state) {
        ByteBuffer out;
        encode_session_state(out, state);
        return std::vector<std::uint8_t>(out.view().begin(), out.view().end());
    };
    SessionState state;
    state.username = "ann";
    state.is_anonymous = false;
    for (const ProofStrength strength :
         {ProofStrength::listed, ProofStrength::secret, ProofStrength::key}) {
        state.strength = strength;
        const auto bytes = bytes_of(state);
        const auto read = decode_session_state(bytes);
        REQUIRE(read.has_value());
        CHECK(read->strength == strength);
    }
    auto older = bytes_of(state);
    CHECK(older[0] == 3);  // a version that 0.1.0 reads
    older[1] &= 0x3f;      // and as it wrote it
    const auto read = decode_session_state(older);
    REQUIRE(read.has_value());
    CHECK(read->username == "ann");
    CHECK(read->strength == ProofStrength::listed);
    state = {};
    CHECK(decode_session_state(bytes_of(state))->strength == ProofStrength::none);
    state.adapter_state = "own";
    state.rewritten = {{"a", "m/b"}, {"$share/g/a", "$share/g/m/b"}};
    for (const std::string_view mountpoint : {"", "m/"}) {
        state.mountpoint = mountpoint;
        const auto again = decode_session_state(bytes_of(state));
        REQUIRE(again.has_value());
        CHECK(again->rewritten == state.rewritten);
        CHECK(again->mountpoint == mountpoint);
        CHECK(again->adapter_state == "own");
    }
    state.rewritten = {};
    CHECK_FALSE(decode_session_state(bytes_of(state))->replay);
    // How far retained messages have come, with a mount point and without.
    for (const std::string mountpoint : {"", "m/"}) {
        state.mountpoint = mountpoint;
        state.replay = StoredReplay{"a/#", {7, {"a/b", TopicBound::Kind::after}}};
        auto bytes = bytes_of(state);
        const auto with_replay = decode_session_state(bytes);
        REQUIRE(with_replay.has_value());
        CHECK(with_replay->mountpoint == mountpoint);
        REQUIRE(with_replay->replay);
        CHECK(with_replay->replay->filter == "a/#");
        CHECK(with_replay->replay->given.shard == 7);
        CHECK(with_replay->replay->given.bound.text == "a/b");
        CHECK(with_replay->replay->given.bound.kind == TopicBound::Kind::after);
        bytes[bytes.size() - 8] = 3;  // of the kinds there are three
        CHECK_FALSE(decode_session_state(bytes).has_value());
        bytes.pop_back();
        CHECK_FALSE(decode_session_state(bytes).has_value());
    }
}
