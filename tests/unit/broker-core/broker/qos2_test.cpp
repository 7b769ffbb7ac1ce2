// Exchanges at QoS 2 of one session whose client moves between protocols.
#include "broker-core/broker/broker.hpp"
#include "broker-core/storage/storage.hpp"
#include "gateway/protocols/known_protocols.hpp"
#include "tests/support/fake_access.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

using Texts = std::vector<std::string>;

struct QuietLink final : SessionLink {
    bool on_delivery(const DeliveryView& delivery) override {
        said.push_back("deliver " + std::string{as_text(delivery.message.payload())} + " " +
                       std::to_string(delivery.packet_id) + (delivery.is_resend ? " again" : ""));
        return true;
    }
    void on_release(std::uint16_t packet_id) override {
        said.push_back("release " + std::to_string(packet_id));
    }
    void on_session_lost(ReasonCode) override {}
    void on_stored(StoreTicket, StoreOutcome) override {}
    void on_access_decided() override {}
    void on_login_decided(LoginAnswer&) override {}
    Texts take() { return std::exchange(said, {}); }

    Texts said;
};

struct NoExchange final : Exchange {
    void post(std::uint32_t, std::uint32_t, CrossBatch& batch, StoreTicket) override {
        batch.clear();
    }
    void post_task(std::uint32_t, BrokerTask) override {}
};

/// One worker with the session "c", and a watcher of all that is published.
struct Moves {
    Moves() : shared({}, {}, 1), broker(shared, quiet_options(), 0, exchange, storage, Now{}, 1) {
        shared.access = std::make_shared<NoMatchPolicy>(AccessDecision::allow);
        shared.authenticator = std::make_shared<FakeAuthenticator>();
        shared.log = &log;
    }
    static BrokerOptions quiet_options() {
        BrokerOptions options;
        options.presence_events = false;
        return options;
    }
    Session& open(const ProtocolTraits* protocol, QuietLink& to, std::string_view id = "c",
                  std::uint16_t inflight_max = 0) {
        SessionTerms terms;
        terms.clean_start = false;
        terms.expiry_interval = 100;
        terms.inflight_max = inflight_max;
        const PeerInfo peer;
        const OpenedSession opened =
            broker
                .connect({.shown = {.client_id = id, .peer = peer, .protocol = protocol},
                          .terms = std::move(terms)},
                         to)
                .opened;
        REQUIRE(opened.session != nullptr);
        broker.start_delivery(*opened.session);
        return *opened.session;
    }
    void subscribe(Session& session, std::string_view text) {
        SubscriptionOptions options;
        options.qos = 2;
        CHECK(
            broker.subscribe(session, {.filter = *parse_topic_filter(text, {}), .options = options})
                .reason == ReasonCode::granted_qos_2);
        broker.send_retained(session);
    }
    void publish(Session& session, std::uint16_t id, std::string_view payload, bool dup = false) {
        broker.publish(session, {.topic = "t",
                                 .payload = as_bytes(payload),
                                 .qos = Qos::exactly_once,
                                 .dup = dup,
                                 .packet_id = id});
    }

    NullLog log;
    NoExchange exchange;
    MemoryStorage storage;  // what is published is delivered at once
    BrokerShared shared;
    Broker broker;
    QuietLink link;
};

constexpr const ProtocolTraits* every[] = {&mqtt::protocol_3_1, &mqtt::protocol_3_1_1,
                                           &mqtt::protocol_5,   &mqttsn::protocol,
                                           &coap::protocol,     &stomp::protocol};

bool has_packet_ids(const ProtocolTraits* protocol) {
    return protocol != &coap::protocol && protocol != &stomp::protocol;
}

/// What the unmoved watcher got, without the packet ids that are its own.
Texts payloads(QuietLink& watcher) {
    Texts found;
    for (const std::string& one : watcher.take()) {
        found.push_back(one.substr(8, one.rfind(' ') - 8));
    }
    return found;
}

}  // namespace

TEST_CASE("a message that is not released is doubled by no way there and back, and none is lost") {
    for (const ProtocolTraits* const home : every) {
        for (const ProtocolTraits* const away : every) {
            if (!has_packet_ids(home)) {
                continue;
            }
            CAPTURE(home->name);
            CAPTURE(away->name);
            for (const bool is_released : {false, true}) {
                CAPTURE(is_released);
                Moves f;
                QuietLink watcher;
                f.subscribe(f.open(&mqtt::protocol_5, watcher, "w"), "t");
                Session* session = &f.open(home, f.link);
                f.publish(*session, 7, "one");
                CHECK(payloads(watcher) == Texts{"one"});

                session = &f.open(away, f.link);
                const bool has_own_ids =
                    home->packet_ids != away->packet_ids && has_packet_ids(away);
                if (has_own_ids) {
                    f.publish(*session, 7, "other");
                    CHECK(payloads(watcher) == Texts{"other"});
                    CHECK(f.broker.release_inbound(*session, 7));
                }

                session = &f.open(home, f.link);
                CHECK(f.broker.inbound_qos2_count(*session) == 0);
                if (!is_released) {
                    f.publish(*session, 7, "one", true);
                    CHECK(payloads(watcher).empty());
                }
                CHECK(f.broker.release_inbound(*session, 7));
                CHECK_FALSE(f.broker.release_inbound(*session, 7));
                f.publish(*session, 7, "one");
                CHECK(payloads(watcher) == Texts{"one"});
            }
        }
    }
}

TEST_CASE("a program that counts anew loses no message to an id of the one before it") {
    for (const ProtocolTraits* const home : every) {
        for (const ProtocolTraits* const away : every) {
            if (!has_packet_ids(home)) {
                continue;
            }
            CAPTURE(home->name);
            CAPTURE(away->name);
            for (const bool dup : {false, true}) {  // true: its first try was lost on the way
                Moves f;
                QuietLink watcher;
                f.subscribe(f.open(&mqtt::protocol_5, watcher, "w"), "t");
                f.publish(f.open(home, f.link), 7, "one");
                f.open(away, f.link);
                f.publish(f.open(home, f.link), 7, "two", dup);
                CHECK(payloads(watcher) == Texts{"one", "two"});
            }
        }
    }
}

TEST_CASE("PUBREL goes to the protocol whose PUBREC has come, however the client moves meanwhile") {
    for (const ProtocolTraits* const home : every) {
        for (const ProtocolTraits* const away : every) {
            if (!has_packet_ids(home)) {
                continue;
            }
            CAPTURE(home->name);
            CAPTURE(away->name);
            Moves f;
            QuietLink sender;
            Session& other = f.open(&mqtt::protocol_5, sender, "p");
            Session* session = &f.open(home, f.link, "c", 1);
            f.subscribe(*session, "t");
            f.publish(other, 1, "one");
            CHECK(f.link.take() == Texts{"deliver one 1"});
            CHECK(f.broker.on_pubrec(*session, 1, ReasonCode::success));

            session = &f.open(away, f.link, "c", 1);
            const bool is_same = home->packet_ids == away->packet_ids;
            CHECK(f.link.take() == (is_same ? Texts{"release 1"} : Texts{}));
            if (!is_same) {
                CHECK_FALSE(f.broker.on_pubcomp(*session, 1));
                // And nothing waits for it: another client stack has nothing to complete.
                f.publish(other, 2, "two");
                CHECK(f.link.take() == Texts{"deliver two 2"});
                CHECK(f.broker.on_pubrec(*session, 2, ReasonCode::success));
                CHECK(f.broker.on_pubcomp(*session, 2));
            }

            session = &f.open(home, f.link, "c", 1);
            CHECK(f.link.take() == Texts{"release 1"});
            CHECK(f.broker.on_pubcomp(*session, 1));
            CHECK_FALSE(f.broker.on_pubcomp(*session, 1));
            f.open(away, f.link, "c", 1);
            CHECK(f.link.take().empty());
        }
    }
}

TEST_CASE("what was sent and not received goes out again by each protocol, under its packet id") {
    for (const ProtocolTraits* const home : every) {
        for (const ProtocolTraits* const away : every) {
            CAPTURE(home->name);
            CAPTURE(away->name);
            Moves f;
            QuietLink sender;
            Session& other = f.open(&mqtt::protocol_5, sender, "p");
            f.subscribe(f.open(home, f.link), "t");
            f.publish(other, 1, "one");
            f.open(away, f.link);
            Session& back = f.open(home, f.link);
            CHECK(f.link.take() ==
                  Texts{"deliver one 1", "deliver one 1 again", "deliver one 1 again"});
            CHECK(f.broker.on_pubrec(back, 1, ReasonCode::success));
            CHECK(f.broker.on_pubcomp(back, 1));
        }
    }
}

TEST_CASE("a PUBREL that has waited while packet ids came round is given up") {
    Moves f;
    QuietLink sender;
    Session& other = f.open(&mqtt::protocol_5, sender, "p");
    Session* session = &f.open(&mqtt::protocol_5, f.link);
    f.subscribe(*session, "t");
    f.publish(other, 1, "one");
    CHECK(f.broker.on_pubrec(*session, 1, ReasonCode::success));
    session = &f.open(&mqttsn::protocol, f.link);
    for (std::uint32_t id = 2; id <= 60'001; ++id) {
        f.publish(other, 0, "x");
        REQUIRE(f.broker.on_pubrec(*session, static_cast<std::uint16_t>(id), ReasonCode::success));
        REQUIRE(f.broker.on_pubcomp(*session, static_cast<std::uint16_t>(id)));
    }
    f.link.take();
    f.open(&mqtt::protocol_5, f.link);
    CHECK(f.link.take().empty());
}

TEST_CASE("a restart leaves each PUBREL and each packet id with its protocol") {
    for (const bool was_sensor : {false, true}) {
        CAPTURE(was_sensor);
        Moves f;
        StoredSession stored;
        stored.store_id = 1;
        stored.client_id = "c";
        stored.state.protocol = was_sensor ? mqttsn::protocol.number : mqtt::protocol_5.number;
        stored.state.expiry_interval = 100;
        stored.state.last_sequence = 2;
        for (std::uint64_t sequence : {1, 2}) {
            Delivery delivery;
            delivery.sequence = sequence;
            delivery.message_id = 10 + sequence;
            delivery.qos = Qos::exactly_once;
            stored.deliveries.push_back(std::move(delivery));
        }
        stored.released = {stored_release(1, mqtt::protocol_5.packet_ids),
                           stored_release(2, mqttsn::protocol.packet_ids)};
        stored.unreleased = {1ULL << 16 | 7, 2ULL << 16 | 8};  // with any content
        f.broker.restore_session(std::move(stored));
        f.broker.finish_restore();
        QuietLink watcher;
        f.subscribe(f.open(&mqtt::protocol_5, watcher, "w"), "t");

        Session* session = &f.open(&mqtt::protocol_5, f.link);
        CHECK(f.link.take() == Texts{"release 1"});
        f.publish(*session, 7, "seven", true);
        f.publish(*session, 8, "eight", true);
        CHECK(payloads(watcher) == Texts{"eight"});
        session = &f.open(&mqttsn::protocol, f.link);
        CHECK(f.link.take() == Texts{"release 2"});
        f.publish(*session, 7, "seven", true);
        f.publish(*session, 8, "eight", true);
        CHECK(payloads(watcher) == Texts{"seven"});
    }
}
