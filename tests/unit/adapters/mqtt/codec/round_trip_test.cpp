// Random packets: the fields go in, bytes come out, the same fields come back. A failure names the
// seed; seeds are numbered from 1, so that it can be run alone.
#include "broker-core/base/random.hpp"
#include "broker-core/message/properties.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace gw::mqtt {
namespace {

constexpr Version versions[] = {Version::v3_1, Version::v3_1_1, Version::v5};

/// Draws fields; owns the texts that the packets borrow.
class Draw {
public:
    explicit Draw(std::uint64_t seed) : random_(seed) {}

    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(random_.below(bound));
    }
    bool coin() { return below(2) == 1; }
    std::uint16_t u16() { return static_cast<std::uint16_t>(below(65'536)); }
    std::uint16_t nonzero_u16() { return static_cast<std::uint16_t>(1 + below(65'535)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(random_.next()); }
    Qos qos() { return static_cast<Qos>(below(3)); }

    std::string_view text(std::size_t bytes_min = 0) {
        static constexpr std::string_view letters[] = {
            "a", "Z", "/", "$", " ", "\x01", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
        std::string out;
        const std::size_t bytes = bytes_min + below(coin() ? 4 : 200);
        while (out.size() < bytes) {
            out += letters[below(std::size(letters))];
        }
        return keep(std::move(out));
    }
    std::optional<std::string_view> maybe_text() {
        return coin() ? std::optional{text()} : std::nullopt;
    }
    Bytes binary() {
        std::string out(below(coin() ? 4 : 3000), '\0');
        for (char& c : out) {
            c = static_cast<char>(below(256));
        }
        return as_bytes(keep(std::move(out)));
    }
    std::optional<std::uint32_t> maybe_u32() {
        return coin() ? std::optional{u32()} : std::nullopt;
    }

    UserProperties user_properties() {
        ByteBuffer& block = buffers_.emplace_back();
        PropertyWriter writer{block};
        for (std::uint32_t count = below(4); count > 0; --count) {
            writer.user_property(text(), text());
        }
        return UserProperties{block.view()};
    }
    /// Properties that travel with a message, in any order.
    Bytes message_properties() {
        ByteBuffer& block = buffers_.emplace_back();
        PropertyWriter writer{block};
        for (std::uint32_t step = 0; step < 6; ++step) {
            if (step == 2 && coin()) {
                writer.payload_format_indicator(coin() ? 1 : 0);
            } else if (step == 3 && coin()) {
                writer.content_type(text());
            } else if (step == 4 && coin()) {
                writer.response_topic(text(1));
            } else if (step == 5 && coin()) {
                writer.correlation_data(binary());
            } else if (coin()) {
                writer.user_property(text(), text());
            }
        }
        return block.view();
    }

private:
    std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

    Random random_;
    std::deque<std::string> texts_;
    std::deque<ByteBuffer> buffers_;
};

/// Runs `check(draw, version)` with 300 seeds in each version.
template <class Check>
void with_seeds(const Check& check) {
    for (const Version version : versions) {
        for (std::uint64_t seed = 1; seed <= 300; ++seed) {
            CAPTURE(static_cast<int>(version));
            CAPTURE(seed);
            Draw draw{seed};
            check(draw, version);
        }
    }
}

Frame frame_of(const ByteBuffer& out, Version version) {
    return testing::whole_frame(out.view(), version);
}

bool equal(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
    return a.has_value() == b.has_value() && (!a || as_text(*a) == as_text(*b));
}

void check_will(const Will& will, const Will& again, Version version) {
    CHECK(again.topic == will.topic);
    CHECK(as_text(again.payload) == as_text(will.payload));
    CHECK(again.qos == will.qos);
    CHECK(again.retain == will.retain);
    if (version == Version::v5) {
        CHECK(again.delay_interval == will.delay_interval);
        CHECK(again.message_expiry_interval == will.message_expiry_interval);
        CHECK(as_text(again.properties) == as_text(will.properties));
        CHECK(again.user_property_count == UserProperties{will.properties}.count());
    }
}

TEST_CASE("CONNECT comes back") {
    with_seeds([](Draw& draw, Version version) {
        ConnectPacket packet;
        packet.version = version;
        packet.is_bridge = version != Version::v5 && draw.coin();
        packet.clean_start = draw.coin();
        packet.keep_alive = draw.u16();
        packet.client_id = draw.text();
        if (draw.coin()) {
            packet.will = Will{.topic = draw.text(1),
                               .payload = draw.binary(),
                               .qos = draw.qos(),
                               .retain = draw.coin(),
                               .delay_interval = draw.u32(),
                               .message_expiry_interval = draw.maybe_u32(),
                               .properties = draw.message_properties()};
        }
        packet.username = draw.maybe_text();
        if (draw.coin() && (packet.username || version == Version::v5)) {
            packet.password = draw.binary();
        }
        if (version == Version::v5) {
            packet.session_expiry_interval = draw.u32();
            packet.receive_maximum = draw.nonzero_u16();
            packet.maximum_packet_size = draw.maybe_u32();
            packet.topic_alias_maximum = draw.u16();
            packet.request_response_information = draw.coin();
            packet.request_problem_information = draw.coin();
            packet.authentication_method = draw.maybe_text();
            if (packet.authentication_method && draw.coin()) {
                packet.authentication_data = draw.binary();
            }
            packet.user_properties = draw.user_properties();
        }
        ByteBuffer out;
        encode_connect(out, packet);
        REQUIRE(out.size() == connect_size(packet));
        ByteBuffer scratch;
        const auto again = decode_connect(frame_of(out, version).body, scratch);
        REQUIRE(again);
        CHECK(again->version == version);
        CHECK(again->is_bridge == packet.is_bridge);
        CHECK(again->clean_start == packet.clean_start);
        CHECK(again->keep_alive == packet.keep_alive);
        CHECK(again->client_id == packet.client_id);
        REQUIRE(again->will.has_value() == packet.will.has_value());
        if (packet.will) {
            check_will(*packet.will, *again->will, version);
        }
        CHECK((again->username == packet.username));
        CHECK(equal(again->password, packet.password));
        CHECK(again->session_expiry_interval == packet.session_expiry_interval);
        CHECK(again->receive_maximum == packet.receive_maximum);
        CHECK(again->maximum_packet_size == packet.maximum_packet_size);
        CHECK(again->topic_alias_maximum == packet.topic_alias_maximum);
        CHECK(again->request_response_information == packet.request_response_information);
        CHECK(again->request_problem_information == packet.request_problem_information);
        CHECK((again->authentication_method == packet.authentication_method));
        CHECK(equal(again->authentication_data, packet.authentication_data));
        CHECK((again->user_properties == packet.user_properties));
    });
}

TEST_CASE("CONNACK comes back") {
    with_seeds([](Draw& draw, Version version) {
        ConnackPacket packet;
        packet.reason = draw.coin() ? ReasonCode::success : ReasonCode::not_authorized;
        packet.session_present = draw.coin();
        packet.session_expiry_interval = draw.maybe_u32();
        packet.receive_maximum = draw.nonzero_u16();
        packet.maximum_qos = draw.qos();
        packet.retain_available = draw.coin();
        packet.maximum_packet_size = 1 + draw.below(1000);
        packet.assigned_client_identifier = draw.maybe_text();
        packet.topic_alias_maximum = draw.u16();
        packet.reason_string = draw.maybe_text();
        packet.user_properties = draw.user_properties();
        packet.wildcard_subscription_available = draw.coin();
        packet.subscription_identifier_available = draw.coin();
        packet.shared_subscription_available = draw.coin();
        packet.server_keep_alive = draw.u16();
        packet.response_information = draw.maybe_text();
        packet.server_reference = draw.maybe_text();
        packet.authentication_method = draw.maybe_text();
        packet.authentication_data = draw.binary();
        ByteBuffer out;
        encode_connack(out, version, packet);
        REQUIRE(out.size() == connack_size(version, packet));
        const auto again = decode_connack(frame_of(out, version).body, version);
        REQUIRE(again);
        CHECK(again->reason == packet.reason);
        CHECK(again->session_present == (packet.session_present && version != Version::v3_1 &&
                                         packet.reason == ReasonCode::success));
        if (version != Version::v5) {
            CHECK(out.size() == 4);
            return;
        }
        CHECK(again->session_expiry_interval == packet.session_expiry_interval);
        CHECK(again->receive_maximum == packet.receive_maximum);
        CHECK(again->maximum_qos == packet.maximum_qos);
        CHECK(again->retain_available == packet.retain_available);
        CHECK(again->maximum_packet_size == packet.maximum_packet_size);
        CHECK((again->assigned_client_identifier == packet.assigned_client_identifier));
        CHECK(again->topic_alias_maximum == packet.topic_alias_maximum);
        CHECK((again->reason_string == packet.reason_string));
        CHECK((again->user_properties == packet.user_properties));
        CHECK(again->wildcard_subscription_available == packet.wildcard_subscription_available);
        CHECK(again->subscription_identifier_available == packet.subscription_identifier_available);
        CHECK(again->shared_subscription_available == packet.shared_subscription_available);
        CHECK(again->server_keep_alive == packet.server_keep_alive);
        CHECK((again->response_information == packet.response_information));
        CHECK((again->server_reference == packet.server_reference));
        CHECK((again->authentication_method == packet.authentication_method));
        CHECK(equal(again->authentication_data, packet.authentication_data));
    });
}

TEST_CASE("PUBLISH comes back") {
    with_seeds([](Draw& draw, Version version) {
        std::vector<std::uint32_t> ids;
        for (std::uint32_t count = draw.below(4); count > 0; --count) {
            ids.push_back(1 + draw.below(draw.coin() ? 127 : remaining_length_max));
        }
        PublishOut packet;
        packet.topic = draw.text(1);
        packet.payload = draw.binary();
        packet.properties = draw.message_properties();
        packet.subscription_identifiers = ids;
        packet.message_expiry_interval = draw.maybe_u32();
        packet.qos = draw.qos();
        packet.packet_id = packet.qos == Qos::at_most_once ? std::uint16_t{0} : draw.nonzero_u16();
        packet.topic_alias = draw.coin() ? draw.nonzero_u16() : std::uint16_t{0};
        packet.alias_known = version == Version::v5 && packet.topic_alias != 0 && draw.coin();
        packet.dup = packet.qos != Qos::at_most_once && draw.coin();
        packet.retain = draw.coin();
        ByteBuffer out;
        encode_publish(out, version, packet);
        REQUIRE(out.size() == publish_size(version, packet));

        ByteBuffer scratch;
        PublishPacket again;
        REQUIRE(decode_publish(frame_of(out, version), {version, Sender::server}, scratch, again));
        CHECK(again.topic == (packet.alias_known ? std::string_view{} : packet.topic));
        CHECK(as_text(again.payload) == as_text(packet.payload));
        CHECK(again.qos == packet.qos);
        CHECK(again.packet_id == packet.packet_id);
        CHECK(again.dup == packet.dup);
        CHECK(again.retain == packet.retain);
        if (version != Version::v5) {
            CHECK(again.properties.empty());
            return;
        }
        CHECK(as_text(again.properties) == as_text(packet.properties));
        CHECK(again.message_expiry_interval == packet.message_expiry_interval);
        CHECK(again.topic_alias == packet.topic_alias);
        std::vector<std::uint32_t> ids_again;
        again.subscription_identifiers.for_each(
            [&ids_again](std::uint32_t id) { ids_again.push_back(id); });
        CHECK(ids_again == ids);
        CHECK(again.subscription_identifiers.count() == ids.size());
    });
}

TEST_CASE("acknowledgements come back") {
    constexpr PacketType types[] = {PacketType::puback, PacketType::pubrec, PacketType::pubrel,
                                    PacketType::pubcomp};
    with_seeds([&types](Draw& draw, Version version) {
        const PacketType type = types[draw.below(4)];
        const bool is_release = type == PacketType::pubrel || type == PacketType::pubcomp;
        AckPacket packet;
        packet.packet_id = draw.nonzero_u16();
        if (version == Version::v5 && draw.coin()) {
            packet.reason =
                is_release ? ReasonCode::packet_identifier_not_found : ReasonCode::quota_exceeded;
        }
        if (version == Version::v5 && draw.coin()) {
            packet.reason_string = draw.text();
            packet.user_properties = draw.user_properties();
        }
        ByteBuffer out;
        encode_ack(out, version, type, packet);
        REQUIRE(out.size() == ack_size(version, packet));
        const auto again = decode_ack(type, frame_of(out, version).body, version);
        REQUIRE(again);
        CHECK(again->packet_id == packet.packet_id);
        CHECK(again->reason == packet.reason);
        CHECK((again->reason_string == packet.reason_string));
        CHECK((again->user_properties == packet.user_properties));
    });
}

TEST_CASE("SUBSCRIBE and UNSUBSCRIBE come back") {
    with_seeds([](Draw& draw, Version version) {
        std::vector<SubscriptionEntry> entries;
        std::vector<std::string_view> filters;
        for (std::uint32_t count = 1 + draw.below(5); count > 0; --count) {
            SubscriptionEntry entry;
            entry.filter = draw.text();
            entry.qos = draw.qos();
            if (version == Version::v5) {
                entry.no_local = draw.coin() && !entry.filter.starts_with("$share/");
                entry.retain_as_published = draw.coin();
                entry.retain_handling = static_cast<RetainHandling>(draw.below(3));
            }
            entries.push_back(entry);
            filters.push_back(entry.filter);
        }
        SubscribeOut subscribe;
        subscribe.packet_id = draw.nonzero_u16();
        subscribe.subscriptions = entries;
        UnsubscribeOut unsubscribe;
        unsubscribe.packet_id = draw.nonzero_u16();
        unsubscribe.filters = filters;
        if (version == Version::v5) {
            subscribe.subscription_identifier = draw.below(remaining_length_max + 1);
            subscribe.user_properties = draw.user_properties();
            unsubscribe.user_properties = draw.user_properties();
        }

        ByteBuffer out;
        encode_subscribe(out, version, subscribe);
        REQUIRE(out.size() == subscribe_size(version, subscribe));
        const auto again = decode_subscribe(frame_of(out, version).body, version);
        REQUIRE(again);
        CHECK(again->packet_id == subscribe.packet_id);
        CHECK(again->subscription_identifier == subscribe.subscription_identifier);
        CHECK((again->user_properties == subscribe.user_properties));
        std::vector<SubscriptionEntry> entries_again;
        for (const SubscriptionEntry& entry : again->subscriptions) {
            entries_again.push_back(entry);
        }
        CHECK((entries_again == entries));
        CHECK(again->subscriptions.count() == entries.size());

        ByteBuffer other;
        encode_unsubscribe(other, version, unsubscribe);
        REQUIRE(other.size() == unsubscribe_size(version, unsubscribe));
        const auto less = decode_unsubscribe(frame_of(other, version).body, version);
        REQUIRE(less);
        CHECK(less->packet_id == unsubscribe.packet_id);
        CHECK((less->user_properties == unsubscribe.user_properties));
        std::vector<std::string_view> filters_again;
        for (const std::string_view filter : less->filters) {
            filters_again.push_back(filter);
        }
        CHECK((filters_again == filters));
    });
}

TEST_CASE("SUBACK and UNSUBACK come back") {
    with_seeds([](Draw& draw, Version version) {
        constexpr ReasonCode granted[] = {ReasonCode::success, ReasonCode::granted_qos_1,
                                          ReasonCode::granted_qos_2,
                                          ReasonCode::topic_filter_invalid};
        std::vector<ReasonCode> reasons;
        std::vector<ReasonCode> below_5;
        for (std::uint32_t count = 1 + draw.below(300); count > 0; --count) {
            reasons.push_back(granted[draw.below(4)]);
            below_5.push_back(is_error(reasons.back()) ? ReasonCode::unspecified_error
                                                       : reasons.back());
        }
        SubackPacket packet;
        packet.packet_id = draw.nonzero_u16();
        packet.reasons = as_reason_bytes(reasons);
        packet.reason_string = draw.maybe_text();
        packet.user_properties = draw.user_properties();
        ByteBuffer out;
        encode_suback(out, version, packet);
        REQUIRE(out.size() == suback_size(version, packet));
        const auto again = decode_suback(frame_of(out, version).body, version);
        REQUIRE(again);
        CHECK(again->packet_id == packet.packet_id);
        CHECK(testing::to_hex(again->reasons) ==
              testing::to_hex(as_reason_bytes(version == Version::v5 ? reasons : below_5)));
        CHECK(again->reason(0) == (version == Version::v5 ? reasons : below_5).front());
        CHECK((again->reason_string == packet.reason_string) ==
              (version == Version::v5 || !packet.reason_string));

        std::vector<ReasonCode> gone(reasons.size(), ReasonCode::no_subscription_existed);
        packet.reasons = as_reason_bytes(gone);
        ByteBuffer other;
        encode_unsuback(other, version, packet);
        REQUIRE(other.size() == unsuback_size(version, packet));
        const auto less = decode_unsuback(frame_of(other, version).body, version);
        REQUIRE(less);
        CHECK(less->packet_id == packet.packet_id);
        CHECK(less->reasons.size() == (version == Version::v5 ? gone.size() : 0));
    });
}

TEST_CASE("DISCONNECT and AUTH come back") {
    with_seeds([](Draw& draw, Version version) {
        DisconnectPacket packet;
        packet.reason = draw.coin() ? ReasonCode::success : ReasonCode::protocol_error;
        packet.session_expiry_interval = draw.maybe_u32();
        packet.reason_string = draw.maybe_text();
        packet.server_reference = draw.maybe_text();
        packet.user_properties = draw.user_properties();
        ByteBuffer out;
        encode_disconnect(out, version, packet);
        REQUIRE(out.size() == disconnect_size(version, packet));
        const auto again = decode_disconnect(frame_of(out, version).body, version, Sender::client);
        REQUIRE(again);
        if (version != Version::v5) {
            CHECK(out.size() == 2);
            return;
        }
        CHECK(again->reason == packet.reason);
        CHECK(again->session_expiry_interval == packet.session_expiry_interval);
        CHECK((again->reason_string == packet.reason_string));
        CHECK((again->server_reference == packet.server_reference));
        CHECK((again->user_properties == packet.user_properties));

        AuthPacket auth;
        auth.reason = ReasonCode::continue_authentication;
        auth.authentication_method = draw.text();
        if (draw.coin()) {
            auth.authentication_data = draw.binary();
        }
        auth.reason_string = draw.maybe_text();
        auth.user_properties = draw.user_properties();
        ByteBuffer other;
        encode_auth(other, auth);
        REQUIRE(other.size() == auth_size(auth));
        const auto auth_again = decode_auth(frame_of(other, version).body, version, Sender::server);
        REQUIRE(auth_again);
        CHECK(auth_again->reason == auth.reason);
        CHECK((auth_again->authentication_method == auth.authentication_method));
        CHECK(equal(auth_again->authentication_data, auth.authentication_data));
        CHECK((auth_again->reason_string == auth.reason_string));
        CHECK((auth_again->user_properties == auth.user_properties));
    });
}

TEST_CASE("every reason code has a return code for versions below 5") {
    for (int value = 0; value < 256; ++value) {
        CAPTURE(value);
        const auto reason = static_cast<ReasonCode>(value);
        const std::uint8_t code = connack_return_code(reason);
        CHECK(code <= 5);
        if (is_error(reason)) {
            CHECK(code != 0);
        }
    }
    struct Row {
        ReasonCode reason;
        int code;
    };
    constexpr Row rows[] = {
        {ReasonCode::success, 0},
        {ReasonCode::unsupported_protocol_version, 1},
        {ReasonCode::client_identifier_not_valid, 2},
        {ReasonCode::server_unavailable, 3},
        {ReasonCode::server_busy, 3},
        {ReasonCode::quota_exceeded, 3},
        {ReasonCode::connection_rate_exceeded, 3},
        {ReasonCode::use_another_server, 3},
        {ReasonCode::bad_user_name_or_password, 4},
        {ReasonCode::not_authorized, 5},
        {ReasonCode::banned, 5},
    };
    for (const Row& row : rows) {
        CAPTURE(reason_text(row.reason));
        CHECK(connack_return_code(row.reason) == row.code);
    }
}

}  // namespace
}  // namespace gw::mqtt
