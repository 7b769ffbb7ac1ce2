#include "config/parse/loader.hpp"
#include "config/parse/report.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

#include <string>

using gw::config::diff;
using gw::config::load;
using gw::config::parse_sleep_rule;
using gw::config::show_text;
using gw::config::Sources;
using gw::test::TempFolder;
using namespace std::chrono_literals;

namespace {

std::string wrong_file(const std::string& text) {
    const TempFolder folder;
    const auto loaded = load(Sources{.file = folder.write("x.conf", text),
                                     .environment = {{"MANGROVE_ALLOW_ANONYMOUS", "local"}}});
    std::string lines;
    for (const auto& one : loaded ? loaded->warnings : loaded.error().diagnostics) {
        const std::string line = one.line_text();
        lines += line.substr(line.find("x.conf")) + "\n";
    }
    return lines;
}

constexpr const char* everything = R"(
listener.mqttsn.a = 1884
listener.mqttsn.a.max_clients = 1
listener.mqttsn.a.max_conn_rate = 2
listener.mqttsn.a.mountpoint = m/
listener.mqttsn.a.access.1 = allow 10.0.0.0/8
listener.mqttsn.a.access.2 = deny all
listener.mqttsn.a.recbuf = 3KB
listener.mqttsn.a.sndbuf = 4KB
listener.mqttsn.a.max_packet_size = 500
listener.mqttsn.a.allow_anonymous = true
listener.mqttsn.a.store_ack = memory
listener.mqttsn.a.multicast = 239.1.2.3:1885
listener.mqttsn.a.multicast_interface = eth7
listener.mqttsn.a.multicast_ttl = 5
listener.mqttsn.a.dtls = on
listener.mqttsn.a.certfile = c.pem
listener.mqttsn.a.keyfile = k.pem
listener.mqttsn.a.cacertfile = ca.pem
listener.mqttsn.a.fail_if_no_peer_cert = on
listener.mqttsn.a.psk_file = psk
listener.mqttsn.a.ciphers = PSK
listener.mqttsn.a.handshake_timeout = 6s
mqtt.sn.gateway_id = 7
mqtt.sn.advertise_duration = 900
mqtt.sn.retry_interval = 8s
mqtt.sn.retry_count = 9
mqtt.sn.retry_backoff = 2.5
mqtt.sn.max_topics = 10
mqtt.sn.enable_qos3 = on
mqtt.sn.qos3_username = radio
mqtt.sn.predefined.topic.1 = one
mqtt.sn.predefined.topic.65534 = last
mqtt.sn.predefined_file = topics
mqtt.sn.sleep.keep.1 = a/# last
mqtt.sn.sleep.keep.10 = "# all"
mqtt.sn.address_change = proven
mqtt.sn.username = u
mqtt.sn.password = p
)";

}  // namespace

TEST_CASE("every value of an MQTT-SN listener arrives at its place") {
    const TempFolder folder;
    const auto loaded = load(Sources{.file = folder.write("x.conf", everything)});
    REQUIRE(loaded.has_value());
    REQUIRE(loaded->config.mqttsn_listeners.size() == 1);
    const auto& a = loaded->config.mqttsn_listeners[0];
    CHECK(a.name == "a");
    CHECK(a.address.text() == "0.0.0.0:1884");
    CHECK(a.limits.client_count_max == 1);
    CHECK(a.limits.connect_rate_max == 2);
    CHECK(a.limits.mountpoint == "m/");
    CHECK(a.limits.allow_anonymous == gw::config::Anonymous::yes);
    CHECK(a.limits.store_ack == gw::config::StoreAck::memory);
    REQUIRE(a.access.size() == 2);
    CHECK(a.access[0].allow);
    CHECK_FALSE(a.access[1].allow);
    CHECK(a.receive_buffer_bytes == 3072);
    CHECK(a.send_buffer_bytes == 4096);
    CHECK(a.datagram_bytes_max == 500);
    REQUIRE(a.multicast.has_value());
    CHECK(a.multicast->text() == "239.1.2.3:1885");
    CHECK(a.multicast_interface == "eth7");
    CHECK(a.multicast_hop_count_max == 5);
    CHECK(a.dtls.enabled);
    CHECK(a.dtls.certificate_file == "c.pem");
    CHECK(a.dtls.key_file == "k.pem");
    CHECK(a.dtls.ca_file == "ca.pem");
    CHECK(a.dtls.requires_certificate == true);
    CHECK(a.dtls.psk_file == "psk");
    CHECK(a.dtls.ciphers == "PSK");
    CHECK(a.dtls.handshake_timeout == 6s);
}

TEST_CASE("every value of MQTT-SN arrives at its place") {
    const TempFolder folder;
    const auto loaded = load(Sources{.file = folder.write("x.conf", everything)});
    REQUIRE(loaded.has_value());
    const auto& sn = loaded->config.mqttsn;
    CHECK(sn.gateway_id == 7);
    CHECK(sn.advertise_interval == 900s);
    CHECK(sn.retry_interval == 8s);
    CHECK(sn.retry_count_max == 9);
    CHECK(sn.retry_backoff == 2.5);
    CHECK(sn.topic_count_max == 10);
    CHECK(sn.connectionless_publish);
    CHECK(sn.connectionless_username == "radio");
    CHECK(sn.predefined_topics.at(1) == "one");
    CHECK(sn.predefined_topics.at(65534) == "last");
    CHECK(sn.predefined_file == "topics");
    CHECK(sn.sleep_rules.at(1) == "a/# last");
    CHECK(sn.sleep_rules.at(10) == "# all");
    CHECK(sn.follows_proven_clients);
    CHECK(sn.username == "u");
    CHECK(sn.password == "p");
}

TEST_CASE("EMQ's port is a listener, its reserved id and its statistics are explained") {
    const TempFolder folder;
    const auto loaded = load(Sources{.file = folder.write("x.conf", "mqtt.sn.port = 1884\n")});
    REQUIRE(loaded.has_value());
    REQUIRE(loaded->config.mqttsn_listeners.size() == 1);
    CHECK(loaded->config.mqttsn_listeners[0].name == "external");
    CHECK(wrong_file("mqtt.sn.predefined.topic.0 = reserved\n").find("the id 0 is reserved") !=
          std::string::npos);
    CHECK(wrong_file("mqtt.sn.enable_stats = off\n").find("always current") != std::string::npos);
}

TEST_CASE("the password of MQTT-SN is not shown") {
    const auto with = load(Sources{.settings = {"mqtt.sn.password=hidden"}});
    const auto without = load(Sources{});
    REQUIRE(with.has_value());
    CHECK(with->config.mqttsn.password == "hidden");
    CHECK(show_text(*with).find("hidden") == std::string::npos);
    const auto changes = diff(*without, *with);
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].value_new.find("hidden") == std::string::npos);
}

TEST_CASE("MQTT-SN values that do not fit together") {
    const std::string listener = "listener.mqttsn.a = 127.0.0.1:1884\n";
    CHECK(wrong_file(listener + "listener.mqttsn.a.dtls = on\n") ==
          "x.conf:2:26: error: listener.mqttsn.a.dtls: needs .certfile and .keyfile, or "
          ".psk_file, or both\n");
    CHECK(wrong_file(listener + "listener.mqttsn.a.certfile = c\n") ==
          "x.conf:2:30: error: listener.mqttsn.a.certfile: and .keyfile belong together\n");
    CHECK(wrong_file(listener + "listener.mqttsn.a.fail_if_no_peer_cert = on\n") ==
          "x.conf:2:42: error: listener.mqttsn.a.fail_if_no_peer_cert: needs .cacertfile, which "
          "says whose certificates count\n");
    CHECK(wrong_file(listener + "mqtt.sn.sleep.keep.1 = a/b\n") ==
          "x.conf:2:24: error: mqtt.sn.sleep.keep.1: a topic filter and `all`, `last` or a number "
          "of messages is expected\n");
    CHECK(wrong_file(listener + "listener.mqttsn.b = 127.0.0.1:1884\n") ==
          "x.conf:2:21: error: listener.mqttsn.b: listens at udp 127.0.0.1:1884, like "
          "listener.mqttsn.a\n");
    CHECK(wrong_file("listener.tcp.a = 127.0.0.1:1884\n" + listener) == "");
    CHECK(wrong_file("listener.mqttsn.a = 0.0.0.0:1884\n").find("clients without credentials") !=
          std::string::npos);
}

TEST_CASE("rules for sleepers") {
    CHECK(parse_sleep_rule("a/b last")->count_max == 1);
    CHECK(parse_sleep_rule("a/b  all")->count_max == 0);
    CHECK(parse_sleep_rule("a b 12")->filter == "a b");
    CHECK(parse_sleep_rule("a b 12")->count_max == 12);
    for (const char* const text : {"", "last", " last", "a", "a 0", "a -1", "a 1x", "a first"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_sleep_rule(text).has_value());
    }
}
