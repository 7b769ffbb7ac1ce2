#include "config/schema/schema.hpp"

#include "config/parse/collect.hpp"
#include "config/schema/value.hpp"
#include "tests/support/doctest_strings.hpp"

#include <set>

using gw::config::find_key;
using gw::config::Key;
using gw::config::key_groups;
using gw::config::key_of_variable;
using gw::config::KeyGroup;
using gw::config::refusal;
using gw::config::suggest_key;

namespace {

std::string found(std::string_view written) {
    const auto key = find_key(written);
    return key ? key->name : "none";
}

}  // namespace

TEST_CASE("every declaration is complete and keeps its own rules") {
    std::set<std::string_view> names;
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            CAPTURE(key.name);
            CHECK(names.insert(key.name).second);
            CHECK_FALSE(key.summary.empty());
            CHECK_FALSE(key.why.empty());
            CHECK(key.summary.ends_with('.'));
            CHECK(key.why.ends_with('.'));
            CHECK((key.store != nullptr));
            CHECK(key.name.find("__") == std::string_view::npos);
            CHECK(refusal(key.name).empty());
            CHECK((key.type == gw::config::ValueType::word) == !key.words.empty());
            if (!key.names_instance && !key.optional) {
                const auto value = gw::config::parse_value(key, key.value_default);
                const std::string failure = value ? "" : value.error();
                CHECK(failure == "");
            }
        }
    }
    CHECK(names.size() > 60);
}

TEST_CASE("an alias names one key, and no key is also an alias") {
    std::set<std::string_view> seen;
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            for (const std::string_view alias : gw::config::split(key.aliases, '|')) {
                CAPTURE(alias);
                CHECK(seen.insert(alias).second);
                CHECK(found(alias) == key.name);
                CHECK(refusal(alias).empty());
            }
        }
    }
    CHECK(seen.size() >= 10);
}

TEST_CASE("keys are found by name, alias and pattern") {
    CHECK(found("mqtt.max_packet_size") == "mqtt.max_packet_size");
    CHECK(found("mqtt.queue.max_length") == "mqtt.mqueue.max_length");
    CHECK(found("listener.tcp.lan") == "listener.tcp.lan");
    CHECK(found("listener.tcp.lan-2_b.max_clients") == "listener.tcp.lan-2_b.max_clients");
    CHECK(found("mqtt.listener.tcp") == "listener.tcp.external");
    CHECK(found("mqtt.listener.tcp.backlog") == "listener.tcp.external.backlog");
    CHECK(found("stomp.listener") == "listener.stomp.external");
    CHECK(found("stomp.listener.max_clients") == "listener.stomp.external.max_clients");
    const auto rule = find_key("listener.tcp.lan.access.17");
    REQUIRE(rule);
    CHECK(rule->key->name == "listener.tcp.<name>.access.<N>");
    CHECK(rule->where.name == "lan");
    CHECK(rule->where.number == 17);
}

TEST_CASE("what only looks like a key is none") {
    for (const std::string_view written : {"",
                                           ".",
                                           "mqtt",
                                           "mqtt.",
                                           "mqtt.max_packet_size.",
                                           "Mqtt.max_packet_size",
                                           "listener.tcp",
                                           "listener.tcp.",
                                           "listener.tcp.A",
                                           "listener.tcp.a__b",
                                           "listener.tcp._a",
                                           "listener.tcp.a-",
                                           "listener.tcp.a.access.0",
                                           "listener.tcp.a.access.01",
                                           "listener.tcp.a.access.65536",
                                           "listener.tcp.a.access.x",
                                           "listener.tcp.<name>",
                                           "listener.tcp.max_clients",
                                           "listener.tcp.access",
                                           "listener.unix.mode"}) {
        CAPTURE(written);
        CHECK(found(written) == "none");
    }
    CHECK(found("listener.tcp.mode") == "listener.tcp.mode");  // an option of Unix sockets only
    CHECK(found("listener.tcp." + std::string(64, 'a')) != "none");
    CHECK(found("listener.tcp." + std::string(65, 'a')) == "none");
}

TEST_CASE("the nearest known key is suggested, and nothing far away") {
    struct Row {
        std::string_view written, near;
    };
    static constexpr Row rows[] = {
        {"mqtt.max_paket_size", "mqtt.max_packet_size"},
        {"mqtt.recieve_maximum", "mqtt.receive_maximum"},
        {"Mqtt.Max_packet_size", "mqtt.max_packet_size"},
        {"max_packet_size", "mqtt.max_packet_size"},
        {"alow_anonymous", "allow_anonymous"},
        {"listener.tcp.lan.max_client", "listener.tcp.lan.max_clients"},
        {"listener.tpc.lan", "listener.tcp.lan"},
        {"listener.tcp.lan.acess.1", "listener.tcp.lan.access.1"},
        {"nonsense", ""},
        {"a.b.c.d", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        CHECK(suggest_key(row.written) == row.near);
    }
}

TEST_CASE("EMQ's keys without meaning and those of later versions are refused with a reason") {
    struct Row {
        std::string_view written, reason;
    };
    static constexpr Row rows[] = {
        {"node.cookie", "EMQ key without meaning here: there is no Erlang distribution to protect"},
        {"sysmon.long_gc", "EMQ key without meaning here: it watches the Erlang VM"},
        {"listener.tcp.external.acceptors",
         "EMQ key without meaning here: every worker accepts; see node.workers"},
        {"listener.ssl.external.secure_renegotiate",
         "EMQ key without meaning here: TLS is never renegotiated"},
        {"stomp.default_user.login",
         "EMQ key without meaning here: STOMP clients log in as all others do"},
        {"listener.stomp.a", ""},
        {"coap.certfile",
         "EMQ key without meaning here: a listener of its own speaks DTLS: see "
         "listener.coaps.<name>.certfile"},
        {"auth.mysql.server", "not available in this version: authentication by MySQL"},
        {"mqtt.max_packet_size", ""},
        {"log.error",
         "EMQ key without meaning here: there is one log; log.console.level sets what "
         "it holds"},
        {"nonsense", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        CHECK(refusal(row.written) == row.reason);
    }
}

TEST_CASE("an environment variable names exactly one key") {
    CHECK(key_of_variable("MANGROVE_MQTT__MAX_PACKET_SIZE") == "mqtt.max_packet_size");
    CHECK(key_of_variable("MANGROVE_ALLOW_ANONYMOUS") == "allow_anonymous");
    CHECK(key_of_variable("MANGROVE_LISTENER__TCP__LAN__ACCESS__1") == "listener.tcp.lan.access.1");
    CHECK(key_of_variable("MANGROVE_") == "");
}
