// The tables of MQTT 5.0 written down a second time, the other way round than in the source.
#include "adapters/mqtt/codec/reason_rules.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/mqtt_packet_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace gw::mqtt {
namespace {

using testing::ByteVector;
using testing::Link;
using testing::wire;
using enum PacketType;

TEST_CASE("each packet takes the reason codes of its own table") {
    struct Row {
        PacketType type;
        Sender sender;
        std::string_view codes;
    };
    static constexpr Row rows[] = {
        {connack, Sender::server,  // 3.2.2.2
         "00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f"},
        {puback, Sender::client, "00 10 80 83 87 90 91 97 99"},  // 3.4.2.1
        {puback, Sender::server, "00 10 80 83 87 90 91 97 99"},
        {pubrec, Sender::client, "00 10 80 83 87 90 91 97 99"},  // 3.5.2.1
        {pubrec, Sender::server, "00 10 80 83 87 90 91 97 99"},
        {pubrel, Sender::client, "00 92"},  // 3.6.2.1
        {pubrel, Sender::server, "00 92"},
        {pubcomp, Sender::client, "00 92"},  // 3.7.2.1
        {pubcomp, Sender::server, "00 92"},
        {suback, Sender::server, "00 01 02 80 83 87 8f 91 97 9e a1 a2"},  // 3.9.3
        {unsuback, Sender::server, "00 11 80 83 87 8f 91"},               // 3.11.3
        // 3.14.2.1, and 0x8c, which 2.4 gives to DISCONNECT too.
        {disconnect, Sender::client, "00 04 80 81 82 83 90 93 94 95 96 97 98 99"},
        {disconnect, Sender::server,
         "00 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2"},
        {auth, Sender::client, "18 19"},  // 3.15.2.1
        {auth, Sender::server, "00 18"},
    };
    for (const Row& row : rows) {
        CAPTURE(packet_type_name(row.type));
        std::string allowed;
        for (int code = 0; code < 256; ++code) {
            if (is_reason_allowed(row.type, row.sender, static_cast<ReasonCode>(code))) {
                const auto byte = static_cast<std::uint8_t>(code);
                allowed += (allowed.empty() ? "" : " ") + testing::to_hex({&byte, 1});
            }
        }
        CHECK(std::string_view{allowed} == row.codes);
    }
}

/// A packet with room for one property block: what stands before and behind it.
struct Place {
    std::string_view name;
    Sender sender;
    std::uint8_t first_byte;
    std::string_view before;
    std::string_view behind;
};

constexpr Place places[] = {
    {"CONNECT", Sender::client, 0x10, "0004'MQTT' 05 02 0000", "0000"},
    {"will", Sender::client, 0x10, "0004'MQTT' 05 06 0000 00 0000", "0001't' 0000"},
    {"CONNACK", Sender::server, 0x20, "0000", ""},
    {"PUBLISH", Sender::server, 0x30, "0001't'", ""},
    {"PUBACK", Sender::client, 0x40, "0001 00", ""},
    {"PUBREC", Sender::client, 0x50, "0001 00", ""},
    {"PUBREL", Sender::client, 0x62, "0001 00", ""},
    {"PUBCOMP", Sender::client, 0x70, "0001 00", ""},
    {"SUBSCRIBE", Sender::client, 0x82, "0001", "0001'a' 00"},
    {"SUBACK", Sender::server, 0x90, "0001", "00"},
    {"UNSUBSCRIBE", Sender::client, 0xa2, "0001", "0001'a'"},
    {"UNSUBACK", Sender::server, 0xb0, "0001", "00"},
    {"DISCONNECT", Sender::client, 0xe0, "00", ""},
    {"AUTH", Sender::client, 0xf0, "18", ""},
};

std::optional<DecodeError> failure_with(const Place& place, const ByteVector& block) {
    ByteVector body = wire(place.before);
    body.push_back(static_cast<std::uint8_t>(block.size()));
    body.insert(body.end(), block.begin(), block.end());
    const ByteVector behind = wire(place.behind);
    body.insert(body.end(), behind.begin(), behind.end());
    const Frame frame{place.first_byte, body, body.size() + 2};
    return testing::decode_failure(frame, Link{Version::v5, place.sender});
}

/// The table of MQTT 5.0, 2.2.2.2, by property: one good value of each, and where it belongs.
struct PropertyRow {
    std::string_view bytes;
    std::string_view owners;
};

constexpr PropertyRow property_rows[] = {
    {"01 01", "PUBLISH will "},
    {"02 00000001", "PUBLISH will "},
    {"03 0001'c'", "PUBLISH will "},
    {"08 0001'r'", "PUBLISH will "},
    {"09 0001'd'", "PUBLISH will "},
    {"0b 01", "PUBLISH SUBSCRIBE "},
    {"11 00000001", "CONNECT CONNACK DISCONNECT "},
    {"12 0001'c'", "CONNACK "},
    {"13 0001", "CONNACK "},
    {"15 0001'm'", "CONNECT CONNACK AUTH "},
    {"16 0001'd'", "CONNECT CONNACK AUTH "},
    {"17 01", "CONNECT "},
    {"18 00000001", "will "},
    {"19 01", "CONNECT "},
    {"1a 0001'r'", "CONNACK "},
    {"1c 0001's'", "CONNACK DISCONNECT "},
    {"1f 0001'r'", "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH "},
    {"21 0001", "CONNECT CONNACK "},
    {"22 0001", "CONNECT CONNACK "},
    {"23 0001", "PUBLISH "},
    {"24 01", "CONNACK "},
    {"25 01", "CONNACK "},
    {"26 0001'k' 0001'v'",
     "CONNECT CONNACK PUBLISH will PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
     "UNSUBACK DISCONNECT AUTH "},
    {"27 00000001", "CONNECT CONNACK "},
    {"28 01", "CONNACK "},
    {"29 01", "CONNACK "},
    {"2a 01", "CONNACK "},
};

bool belongs_in(const PropertyRow& row, const Place& place) {
    const std::string owners = " " + std::string{row.owners};
    return owners.find(" " + std::string{place.name} + " ") != std::string::npos;
}

/// AUTH without a method, and authentication data without one, are refused for another reason.
bool is_refused_for_method(const std::optional<DecodeError>& failure) {
    return failure == DecodeError::authentication_method_missing;
}

TEST_CASE("each property is taken in its packets and refused in all others") {
    for (const PropertyRow& row : property_rows) {
        for (const Place& place : places) {
            CAPTURE(row.bytes);
            CAPTURE(place.name);
            const bool belongs = belongs_in(row, place);
            const auto failure = failure_with(place, wire(row.bytes));
            if (belongs) {
                CHECK((!failure || is_refused_for_method(failure)));
            } else {
                CHECK((failure == DecodeError::property_not_allowed));
            }
        }
    }
}

TEST_CASE("a property twice is a protocol error, but for two that may repeat") {
    for (const PropertyRow& row : property_rows) {
        for (const Place& place : places) {
            if (!belongs_in(row, place)) {
                continue;
            }
            CAPTURE(row.bytes);
            CAPTURE(place.name);
            ByteVector twice = wire(row.bytes);
            const ByteVector once = twice;
            twice.insert(twice.end(), once.begin(), once.end());
            const bool may_repeat = once[0] == 0x26 || (once[0] == 0x0b && place.name == "PUBLISH");
            const auto failure = failure_with(place, twice);
            if (may_repeat) {
                CHECK((!failure || is_refused_for_method(failure)));
            } else {
                CHECK((failure == DecodeError::property_repeated));
            }
        }
    }
}

TEST_CASE("identifiers that the specification does not give out are unknown everywhere") {
    for (int id = 0; id < 256; ++id) {
        bool is_known = false;
        for (const PropertyRow& row : property_rows) {
            is_known = is_known || wire(row.bytes)[0] == id;
        }
        if (is_known) {
            continue;
        }
        for (const Place& place : places) {
            CAPTURE(id);
            CAPTURE(place.name);
            const ByteVector block{static_cast<std::uint8_t>(id), 0, 0, 0, 0};
            CHECK((failure_with(place, block) == DecodeError::property_unknown));
        }
    }
}

TEST_CASE("each property cut at every byte is refused") {
    for (const PropertyRow& row : property_rows) {
        const ByteVector whole = wire(row.bytes);
        for (const Place& place : places) {
            if (!belongs_in(row, place)) {
                continue;
            }
            for (std::size_t count = 1; count < whole.size(); ++count) {
                CAPTURE(row.bytes);
                CAPTURE(place.name);
                CAPTURE(count);
                const ByteVector cut{whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(count)};
                CHECK((failure_with(place, cut) == DecodeError::truncated));
            }
        }
    }
}

}  // namespace
}  // namespace gw::mqtt
