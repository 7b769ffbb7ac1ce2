#include "config/parse/loader.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

using gw::config::Config;
using gw::config::Diagnostics;
using gw::config::diff;
using gw::config::load;
using gw::config::Loaded;
using gw::config::Reload;
using gw::config::Sources;
using gw::test::TempFolder;

namespace {

Loaded load_good(const Sources& sources) {
    auto loaded = load(sources);
    for (const auto& one : loaded ? Diagnostics{} : loaded.error().diagnostics) {
        FAIL_CHECK(one.line_text());
    }
    REQUIRE(loaded.has_value());
    return std::move(*loaded);
}

/// All that is wrong, a line each, without the folder of the files.
std::string wrong(const Sources& sources, const TempFolder& folder) {
    const auto loaded = load(sources);
    std::string text;
    const std::string prefix = folder.path().string() + "/";
    for (const auto& one : loaded ? loaded->warnings : loaded.error().diagnostics) {
        std::string line = one.line_text();
        for (std::size_t at = line.find(prefix); at != std::string::npos; at = line.find(prefix)) {
            line.erase(at, prefix.size());
        }
        text += line + "\n";
    }
    return text;
}

/// So that not every listener on loopback is warned of.
const std::vector<std::pair<std::string, std::string>> lets_in_local = {
    {"MANGROVE_ALLOW_ANONYMOUS", "local"}};

std::string wrong_file(std::string_view text) {
    const TempFolder folder;
    return wrong(Sources{.file = folder.write("x.conf", text), .environment = lets_in_local},
                 folder);
}

std::string wrong_settings(std::vector<std::string> settings) {
    const TempFolder folder;
    return wrong(Sources{.environment = lets_in_local, .settings = std::move(settings)}, folder);
}

std::string origin_of(const Loaded& loaded, std::string_view name) {
    for (const auto& setting : loaded.settings) {
        if (setting.name == name) {
            return setting.origin.text();
        }
    }
    return "not there";
}

}  // namespace

TEST_CASE("with nothing given the defaults hold, and one listener on loopback") {
    const Config config = gw::config::defaults();
    CHECK(config.node.name == "mangrove@127.0.0.1");
    CHECK(config.node.data_dir == "data");
    CHECK(config.node.shed_qos0_percent == 80);
    CHECK(config.access.allow_anonymous == gw::config::Anonymous::automatic);
    CHECK(config.access.acl_nomatch == gw::config::NoMatch::allow);
    CHECK(config.sys.administrators.is_automatic);
    CHECK(config.sys.interval == std::chrono::seconds{60});
    CHECK(config.client.connect_timeout == std::chrono::seconds{30});
    CHECK(config.client.unauthenticated_bytes_max == 128 * 1024);
    CHECK(config.mqtt.packet_bytes_max == 1024 * 1024);
    CHECK(config.mqtt.receive_maximum == 1024);
    CHECK(config.mqtt.topic_alias_maximum == 64);
    CHECK(config.mqtt.server_keep_alive == std::chrono::seconds{0});
    CHECK(config.mqtt.keep_alive_backoff == doctest::Approx(0.75));
    CHECK(config.mqtt.share_strategy == gw::config::ShareStrategy::round_robin);
    CHECK(config.session.expiry_interval == std::chrono::hours{7 * 24});
    CHECK(config.queue.message_count_max == 10000);
    CHECK(config.queue.drop == gw::config::DropPolicy::qos0_first);
    CHECK(config.retainer.message_count_max == 1000000);
    CHECK(config.presence.enabled);
    CHECK(config.log.level == gw::LogLevel::info);
    REQUIRE(config.tcp_listeners.size() == 1);
    CHECK(config.tcp_listeners[0].name == "default");
    CHECK(config.tcp_listeners[0].address.text() == "127.0.0.1:1883");
    CHECK(config.tcp_listeners[0].limits.backlog_count == 1024);
    CHECK_FALSE(config.tcp_listeners[0].limits.allow_anonymous);
    CHECK(config.unix_listeners.empty());
}

TEST_CASE("every value of a file arrives at its place") {
    const TempFolder folder;
    const auto file = folder.write("x.conf", R"(
node.name = edge-7
node.workers = 3
node.max_connections = 1000
node.memory_budget = 2GB
node.memory.shed_qos0 = 50%
node.memory.pause_reading = 60%
node.memory.refuse_connect = 70%
log.console = both
log.console.level = alert
log.console.file = /tmp/x.log
log.console.size = 1MB
log.console.count = 9
mqtt.allow_anonymous = true
acl_nomatch = deny
sys.administrators = 10.0.0.0/8
mqtt.broker.sys_interval = 1500ms
mqtt.max_clientid_len = 64
mqtt.client_idle_timeout = 5
mqtt.client.unauthenticated_bytes = 2KB
mqtt.client.max_publish_rate = 10
mqtt.client.max_byte_rate = 20KB
mqtt.client.max_user_properties = 7
mqtt.client.max_unsent_bytes = 32KB
mqtt.max_packet_size = 256MB
mqtt.keepalive_backoff = 1.5
mqtt.server_keepalive = 2m
mqtt.receive_maximum = 65535
mqtt.topic_alias_maximum = 65535
mqtt.max_topic_levels = 8
mqtt.max_topic_length = 100
mqtt.max_qos_allowed = 1
mqtt.retain_available = off
mqtt.wildcard_subscription = off
mqtt.shared_subscription = off
mqtt.subscription_identifiers = off
mqtt.server_reference = other.example:1883
mqtt.ignore_loop_deliver = on
mqtt.response_information = "reply/ # not a comment"
mqtt.shared_subscription.strategy = least_inflight
mqtt.session.max_inflight = 65535
mqtt.session.expired_after = 2h
mqtt.session.max_expiry_interval = 1d
mqtt.session.max_subscriptions = 5
mqtt.session.max_awaiting_rel = 6
mqtt.session.upgrade_qos = on
mqtt.session.takeover = principal
mqtt.session.max_count = 100
mqtt.queue.max_length = infinity
mqtt.mqueue.max_bytes = 1MB
mqtt.queue.qos0 = false
mqtt.mqueue.drop = newest
retainer.max_message_num = 11
module.retainer.max_payload_size = 12KB
retainer.max_bytes = 13MB
retainer.expiry_interval = 1w
module.presence = off
module.presence.qos = 2
listener.tcp.b = 0.0.0.0:1884
listener.tcp.b.max_clients = 21
listener.tcp.b.max_conn_rate = 22
listener.tcp.b.mountpoint = site/b/
listener.tcp.b.access.10 = deny all
listener.tcp.b.access.2 = allow 10.0.0.0/8
listener.tcp.b.backlog = 23
listener.tcp.b.recbuf = 24KB
listener.tcp.b.sndbuf = 25KB
listener.tcp.b.allow_anonymous = false
listener.tcp.a = [::1]:1885
listener.unix.c = /tmp/c.sock
listener.unix.c.max_clients = 31
listener.unix.c.max_conn_rate = 32
listener.unix.c.mountpoint = site/c/
listener.unix.c.backlog = 33
listener.unix.c.allow_anonymous = local
listener.unix.c.mode = 0600
)");
    const Loaded loaded = load_good(Sources{.file = file});
    const Config& config = loaded.config;
    using namespace std::chrono_literals;
    CHECK(config.node.name == "edge-7");
    CHECK(config.node.worker_count == 3);
    CHECK(config.node.connection_count_max == 1000);
    CHECK(config.node.memory_budget_bytes == 2ULL << 30);
    CHECK(config.node.shed_qos0_percent == 50);
    CHECK(config.node.pause_reading_percent == 60);
    CHECK(config.node.refuse_connect_percent == 70);
    CHECK(config.log.target == gw::config::LogTarget::both);
    CHECK(config.log.level == gw::LogLevel::critical);
    CHECK(config.log.file == "/tmp/x.log");
    CHECK(config.log.file_bytes_max == 1 << 20);
    CHECK(config.log.file_count == 9);
    CHECK(config.access.allow_anonymous == gw::config::Anonymous::yes);
    CHECK(config.access.acl_nomatch == gw::config::NoMatch::deny);
    CHECK(config.sys.administrators.ranges.size() == 1);
    CHECK_FALSE(config.sys.administrators.unix_sockets);
    CHECK(config.sys.interval == 1500ms);
    CHECK(config.client.client_id_bytes_max == 64);
    CHECK(config.client.connect_timeout == 5s);
    CHECK(config.client.unauthenticated_bytes_max == 2048);
    CHECK(config.client.publish_rate_max == 10);
    CHECK(config.client.byte_rate_max == 20480);
    CHECK(config.client.user_property_count_max == 7);
    CHECK(config.client.unsent_bytes_max == 32768);
    CHECK(config.mqtt.packet_bytes_max == 256U << 20);
    CHECK(config.mqtt.keep_alive_backoff == doctest::Approx(1.5));
    CHECK(config.mqtt.server_keep_alive == 120s);
    CHECK(config.mqtt.receive_maximum == 65535);
    CHECK(config.mqtt.topic_alias_maximum == 65535);
    CHECK(config.mqtt.topic_level_count_max == 8);
    CHECK(config.mqtt.topic_bytes_max == 100);
    CHECK(config.mqtt.qos_max == 1);
    CHECK_FALSE(config.mqtt.retain_available);
    CHECK_FALSE(config.mqtt.wildcard_subscription);
    CHECK_FALSE(config.mqtt.shared_subscription);
    CHECK_FALSE(config.mqtt.subscription_identifiers);
    CHECK(config.mqtt.server_reference == "other.example:1883");
    CHECK(config.mqtt.ignore_loop_deliver);
    CHECK(config.mqtt.response_information == "reply/ # not a comment");
    CHECK(config.mqtt.share_strategy == gw::config::ShareStrategy::least_inflight);
    CHECK(config.session.inflight_count_max == 65535);
    CHECK(config.session.expiry_interval == 2h);
    CHECK(config.session.expiry_interval_max == 24h);
    CHECK(config.session.subscription_count_max == 5);
    CHECK(config.session.awaiting_rel_count_max == 6);
    CHECK(config.session.upgrade_qos);
    CHECK(config.session.takeover == gw::config::Takeover::principal);
    CHECK(config.session.session_count_max == 100);
    CHECK(config.queue.message_count_max == 0);
    CHECK(config.queue.bytes_max == 1 << 20);
    CHECK_FALSE(config.queue.store_qos0);
    CHECK(config.queue.drop == gw::config::DropPolicy::newest);
    CHECK(config.retainer.message_count_max == 11);
    CHECK(config.retainer.payload_bytes_max == 12288);
    CHECK(config.retainer.bytes_max == 13 << 20);
    CHECK(config.retainer.expiry_interval == 7 * 24h);
    CHECK_FALSE(config.presence.enabled);
    CHECK(config.presence.qos == 2);

    REQUIRE(config.tcp_listeners.size() == 2);
    CHECK(config.tcp_listeners[0].name == "a");
    CHECK(config.tcp_listeners[0].address.text() == "[::1]:1885");
    const auto& b = config.tcp_listeners[1];
    CHECK(b.name == "b");
    CHECK(b.limits.client_count_max == 21);
    CHECK(b.limits.connect_rate_max == 22);
    CHECK(b.limits.mountpoint == "site/b/");
    CHECK(b.limits.backlog_count == 23);
    CHECK(b.limits.allow_anonymous == gw::config::Anonymous::no);
    CHECK(b.receive_buffer_bytes == 24576);
    CHECK(b.send_buffer_bytes == 25600);
    REQUIRE(b.access.size() == 2);
    CHECK(b.access[0].allow);  // rule 2 comes before rule 10
    CHECK_FALSE(b.access[1].allow);
    CHECK_FALSE(b.access[1].range);
    REQUIRE(config.unix_listeners.size() == 1);
    const auto& c = config.unix_listeners[0];
    CHECK(c.path == "/tmp/c.sock");
    CHECK(c.limits.client_count_max == 31);
    CHECK(c.limits.connect_rate_max == 32);
    CHECK(c.limits.mountpoint == "site/c/");
    CHECK(c.limits.backlog_count == 33);
    CHECK(c.limits.allow_anonymous == gw::config::Anonymous::local);
    CHECK(c.mode == 0600);
}

TEST_CASE("later sources win value by value, and each value knows where it came from") {
    const TempFolder folder;
    const auto file = folder.write("x.conf",
                                   "mqtt.receive_maximum = 1\n"
                                   "mqtt.topic_alias_maximum = 1\n"
                                   "mqtt.max_topic_levels = 1\n"
                                   "node.workers = 1\n"
                                   "node.data_dir = from_file\n");
    folder.write("plugins/b.conf", "mqtt.max_topic_levels = 3\nnode.workers = 3\n");
    folder.write("plugins/a.conf", "mqtt.topic_alias_maximum = 2\nmqtt.max_topic_levels = 2\n");
    folder.write("plugins/not_read.txt", "nonsense\n");
    const Loaded loaded =
        load_good(Sources{.file = file,
                          .environment = {{"MANGROVE_NODE__WORKERS", "4"},
                                          {"MANGROVE_MQTT__MAX_QOS_ALLOWED", "0"},
                                          {"MANGROVE_CONFIG", "x"},
                                          {"MANGROVE_DATA", "y"}},
                          .settings = {"mqtt.max_qos_allowed=1", "node.data_dir=from_set"},
                          .data_dir = "from_data"});
    CHECK(loaded.config.mqtt.receive_maximum == 1);
    CHECK(loaded.config.mqtt.topic_alias_maximum == 2);
    CHECK(loaded.config.mqtt.topic_level_count_max == 3);
    CHECK(loaded.config.node.worker_count == 4);
    CHECK(loaded.config.mqtt.qos_max == 1);
    CHECK(loaded.config.node.data_dir == "from_data");
    CHECK(origin_of(loaded, "mqtt.receive_maximum") == file + ":1");
    CHECK(origin_of(loaded, "mqtt.topic_alias_maximum") ==
          (folder.path() / "plugins/a.conf").string() + ":1");
    CHECK(origin_of(loaded, "node.workers") == "environment variable MANGROVE_NODE__WORKERS");
    CHECK(origin_of(loaded, "mqtt.max_qos_allowed") == "--set");
    CHECK(origin_of(loaded, "node.data_dir") == "--data");
    CHECK(origin_of(loaded, "mqtt.max_packet_size") == "default");
    CHECK(loaded.warnings.empty());
}

TEST_CASE("all errors of all sources are told at once, each with its place") {
    const TempFolder folder;
    const auto file = folder.write("x.conf",
                                   "mqtt.max_paket_size = 1MB\n"
                                   "mqtt.receive_maximum = 0\n"
                                   "nonsense\n"
                                   "  mqtt.max_qos_allowed =   high\n"
                                   "bridge.a.address = x\n"
                                   "node.cookie = secret\n");
    folder.write("plugins/p.conf", "retainer.max_bytes =\n");
    CHECK(
        wrong(Sources{.file = file,
                      .environment = {{"MANGROVE_MQTT__NO_SUCH", "1"},
                                      {"MANGROVE_ALLOW_ANONYMUS", "false"},
                                      {"MANGROVE_MQTT__MAX_TOPIC_LEVELS", "x"}},
                      .settings = {"mqtt.server_keepalive", "a.b=1", "node.workers=999"}},
              folder) ==
        "x.conf:3:1: error: expected `key = value`\n"
        "--set mqtt.server_keepalive: error: expected key=value\n"
        "x.conf:1:1: error: unknown key mqtt.max_paket_size; did you mean mqtt.max_packet_size?\n"
        "x.conf:2:24: error: mqtt.receive_maximum: `0` is less than the least allowed, 1\n"
        "x.conf:4:28: error: mqtt.max_qos_allowed: `high` is not a whole number\n"
        "x.conf:5:1: error: bridge.a.address: not available in this version: bridges\n"
        "x.conf:6:1: error: node.cookie: EMQ key without meaning here: there is no Erlang "
        "distribution to protect\n"
        "plugins/p.conf:1:21: error: retainer.max_bytes: the value is missing: a byte size is "
        "expected\n"
        "environment variable MANGROVE_ALLOW_ANONYMUS: error: unknown key allow_anonymus; did you "
        "mean allow_anonymous?\n"
        "environment variable MANGROVE_MQTT__MAX_TOPIC_LEVELS: error: mqtt.max_topic_levels: `x` "
        "is not a whole number\n"
        "environment variable MANGROVE_MQTT__NO_SUCH: error: unknown key mqtt.no_such\n"
        "--set: error: unknown key a.b\n"
        "--set: error: node.workers: `999` is more than the most allowed, 256\n");
}

TEST_CASE("a key twice in one file is an error that names both lines, under any name") {
    CHECK(wrong_file("mqtt.receive_maximum = 1\n\nmqtt.receive_maximum = 2\n") ==
          "x.conf:3:1: error: mqtt.receive_maximum: given twice in this file, first in line 1\n");
    CHECK(wrong_file("mqtt.queue.qos0 = on\n mqtt.mqueue.store_qos0 = on\n") ==
          "x.conf:2:2: error: mqtt.mqueue.store_qos0: given twice in this file, first in line 1\n");
    CHECK(wrong_file("mqtt.listener.tcp = 127.0.0.1:1\nlistener.tcp.external = 127.0.0.1:1\n") ==
          "x.conf:2:1: error: listener.tcp.external: given twice in this file, first in line 1\n");
}

TEST_CASE("a file that cannot be read is told") {
    const TempFolder folder;
    CHECK(wrong(Sources{.file = (folder.path() / "none.conf").string()}, folder) ==
          "none.conf: error: there is no such file\n");
    CHECK(wrong(Sources{.file = folder.path().string() + "/."}, folder) ==
          ".: error: a folder, not a file\n");
    CHECK(wrong(Sources{.file = folder.write("big.conf", std::string(5 << 20, '\n'))}, folder) ==
          "big.conf: error: larger than 4MB: not a configuration\n");
}

TEST_CASE("an option needs its listener") {
    CHECK(wrong_file("listener.tcp.a = 127.0.0.1:1\nlistener.tcp.b.max_clients = 1\n") ==
          "x.conf:2:30: error: listener.tcp.b.max_clients: there is no listener.tcp.b\n");
    CHECK(wrong_file("listener.unix.a = s\nlistener.tcp.a.access.1 = deny all\n") ==
          "x.conf:2:27: error: listener.tcp.a.access.1: there is no listener.tcp.a\n");
    // A listener with a wrong address is told once, not once more for each option.
    CHECK(wrong_file("listener.tcp.a = here\nlistener.tcp.a.max_clients = 1\n") ==
          "x.conf:1:18: error: listener.tcp.a: `here` is not a listen address such as 1883, "
          "127.0.0.1:1883 or [::1]:1883\n");
    // The built-in listener is there to have options, as long as no other replaces it.
    const Loaded loaded = load_good(Sources{.settings = {"listener.tcp.default.max_clients=5"}});
    REQUIRE(loaded.config.tcp_listeners.size() == 1);
    CHECK(loaded.config.tcp_listeners[0].limits.client_count_max == 5);
    CHECK(loaded.config.tcp_listeners[0].address.text() == "127.0.0.1:1883");
}

TEST_CASE("values that do not fit together are told where they were given") {
    CHECK(
        wrong_file("auth.order = users, ldap,users\n") ==
        "x.conf:1:14: error: auth.order: `ldap` is not one of client_id, users, certificate, psk, "
        "jwt, cookie\n"
        "x.conf:1:14: error: auth.order: `users` stands twice\n");
    CHECK(wrong_file("auth.user.1.username = ann\nauth.user.2.password = x\n") ==
          "x.conf:1:24: error: auth.user.1.username: auth.user.1.password must be given too\n"
          "x.conf:2:24: error: auth.user.2.password: auth.user.2.username must be given too\n");
    CHECK(wrong_file("node.memory.pause_reading = 70%\n") ==
          "x.conf:1:29: error: node.memory.pause_reading: must not be less than "
          "node.memory.shed_qos0\n");
    CHECK(wrong_settings({"node.memory.refuse_connect=85%"}) ==
          "--set: error: node.memory.refuse_connect: must not be less than "
          "node.memory.pause_reading\n");
    CHECK(wrong_settings({"node.memory.shed_qos0=91%"}) ==
          "configuration: error: node.memory.pause_reading: must not be less than "
          "node.memory.shed_qos0\n");
    CHECK(wrong_settings({"node.name=a/b"}) ==
          "--set: error: node.name: must not hold `/`, `+`, `#` or a space: it is a level of $SYS "
          "topics\n");
    CHECK(wrong_file("listener.tcp.a = 127.0.0.1:1\nlistener.tcp.a.mountpoint = x/+/\n") ==
          "x.conf:2:29: error: listener.tcp.a.mountpoint: must not hold the wildcards `+` and "
          "`#`\n");
    CHECK(wrong_file("listener.tcp.a = 127.0.0.1:1\nlistener.tcp.b = 127.0.0.1:1\n") ==
          "x.conf:2:18: error: listener.tcp.b: listens at 127.0.0.1:1, like listener.tcp.a\n");
    CHECK(wrong_file("listener.unix.a = s\nlistener.unix.b = s\n") ==
          "x.conf:2:19: error: listener.unix.b: listens at s, like listener.unix.a\n");
    CHECK(wrong_file("listener.tcp.a = 127.0.0.1:0\nlistener.tcp.b = 127.0.0.1:0\n") == "");
}

TEST_CASE("warnings do not stop a load") {
    CHECK(wrong_settings({"listener.tcp.a=0.0.0.0:1883"}) ==
          "--set: warning: listener.tcp.a: clients without credentials are refused at "
          "0.0.0.0:1883 (allow_anonymous = local)\n");
    CHECK(wrong_settings({"listener.tcp.a=0.0.0.0:1883", "allow_anonymous=true"}) == "");
    CHECK(wrong_settings({"listener.tcp.a=0.0.0.0:1883", "listener.tcp.a.allow_anonymous=no"}) ==
          "--set: error: listener.tcp.a.allow_anonymous: `no` is none of: false, true, local, "
          "inherit\n");
    CHECK(wrong_settings({"listener.tcp.a=localhost:1883"}) == "");
    const TempFolder folder;
    CHECK(wrong(Sources{.settings = {"listener.tcp.a=localhost:1883"}}, folder) ==
          "--set: warning: listener.tcp.a: clients without credentials are refused at "
          "localhost:1883 (allow_anonymous = auto)\n");
    CHECK(wrong(Sources{.settings = {"mqtt.max_packet_size=2MB"}}, folder) == "");
    CHECK(wrong(Sources{.environment = {{"MANGROVE_BIN", "/bin/true"}}}, folder) ==
          "environment variable MANGROVE_BIN: warning: no key has this name; ignored\n");
}

TEST_CASE("the difference of two configurations says what a reload may do") {
    const Loaded before = load_good(Sources{.settings = {
                                                "listener.tcp.a=127.0.0.1:1",
                                                "listener.tcp.a.access.1=deny all",
                                                "mqtt.max_packet_size=64KB",
                                            }});
    CHECK(diff(before, before).empty());
    const Loaded same = load_good(Sources{.settings = {
                                              "listener.tcp.a=127.0.0.1:1",
                                              "listener.tcp.a.access.1=deny all",
                                              "mqtt.max_packet_size=65536",
                                          }});
    CHECK(diff(before, same).empty());
    const Loaded after = load_good(Sources{.settings = {
                                               "listener.tcp.a=127.0.0.1:1",
                                               "listener.unix.b=sock",
                                               "mqtt.max_packet_size=2MB",
                                               "log.console.level=debug",
                                               "node.workers=2",
                                           }});
    std::string text;
    for (const auto& change : diff(before, after)) {
        const std::string_view effect = change.on_reload == Reload::live      ? "live"
                                        : change.on_reload == Reload::restart ? "restart"
                                                                              : "new_connections";
        text += change.name + ": " + change.value_old + " -> " + change.value_new + " " +
                std::string{effect} + "\n";
    }
    CHECK(text ==
          "node.workers: 0 -> 2 restart\n"
          "log.console.level: info -> debug live\n"
          "listener.unix.b:  -> sock restart\n"
          "mqtt.max_packet_size: 64KB -> 2MB new_connections\n"
          "listener.tcp.a.access.1: deny all ->  new_connections\n");
}

TEST_CASE("a TLS listener is read with EMQ's names, its further certificates in order") {
    const auto loaded = load(Sources{.settings = {
                                         "mqtt.listener.ssl = 127.0.0.1:8883",
                                         "mqtt.listener.ssl.handshake_timeout = 20",
                                         "listener.ssl.external.keyfile = key.pem",
                                         "listener.ssl.external.certfile = cert.pem",
                                         "listener.ssl.external.cacertfile = ca.pem",
                                         "listener.ssl.external.verify = verify_peer",
                                         "listener.ssl.external.fail_if_no_peer_cert = true",
                                         "listener.ssl.external.tls_versions = tlsv1.2,tlsv1.3",
                                         "listener.ssl.external.peer_cert_as_username = cn",
                                         "listener.ssl.external.sni.10.certfile = b.pem",
                                         "listener.ssl.external.sni.10.keyfile = b.key",
                                         "listener.ssl.external.sni.2.certfile = a.pem",
                                         "listener.ssl.external.sni.2.keyfile = a.key",
                                     }});
    REQUIRE(loaded.has_value());
    REQUIRE(loaded->config.ssl_listeners.size() == 1);
    const gw::config::SslListener& listener = loaded->config.ssl_listeners[0];
    CHECK(listener.name == "external");
    CHECK(listener.address.port == 8883);
    CHECK(listener.limits.backlog_count == 1024);
    CHECK(listener.tls.certificate_file == "cert.pem");
    CHECK(listener.tls.verify == gw::config::TlsVerify::peer);
    CHECK(listener.tls.requires_certificate);
    CHECK(listener.tls.versions == gw::config::TlsVersions::tls_1_2_and_1_3);
    CHECK(listener.tls.handshake_timeout == gw::Milliseconds{20000});
    CHECK(listener.tls.username_from == gw::config::CertificateField::cn);
    REQUIRE(listener.tls.named_certificates.size() == 2);
    CHECK(listener.tls.named_certificates[0].key_file == "a.key");
    CHECK(listener.tls.named_certificates[1].certificate_file == "b.pem");
}

TEST_CASE("a further certificate needs its key, and old versions of TLS are no values") {
    const auto half = load(Sources{
        .settings = {"listener.ssl.a = 127.0.0.1:0", "listener.ssl.a.sni.3.certfile = b.pem"}});
    REQUIRE_FALSE(half.has_value());
    CHECK(half.error().diagnostics[0].text ==
          "listener.ssl.a: sni.3 needs both certfile and keyfile");
    const auto old = load(Sources{
        .settings = {"listener.ssl.a = 127.0.0.1:0", "listener.ssl.a.tls_versions = tlsv1.1"}});
    CHECK_FALSE(old.has_value());
}

TEST_CASE("WebSocket listeners are read, also by EMQ 2.0's names") {
    const auto loaded = load(Sources{.settings = {
                                         "mqtt.listener.http = 127.0.0.1:8083",
                                         "mqtt.listener.http.max_clients = 64",
                                         "mqtt.listener.https = 127.0.0.1:8084",
                                         "listener.ws.external.path = /ws",
                                         "listener.ws.external.origins = https://a, null",
                                         "listener.ws.external.trusted_proxies = 10.0.0.0/8, ::1",
                                         "mqtt.websocket_protocol_header = off",
                                     }});
    REQUIRE(loaded.has_value());
    REQUIRE(loaded->config.ws_listeners.size() == 1);
    const gw::config::WsListener& listener = loaded->config.ws_listeners[0];
    CHECK(listener.name == "external");
    CHECK(listener.address.port == 8083);
    CHECK(listener.limits.client_count_max == 64);
    CHECK(listener.http.path == "/ws");
    CHECK(listener.http.origins == "https://a, null");
    CHECK(listener.http.trusted_proxies.size() == 2);
    CHECK(listener.http.address_header == "X-Forwarded-For");
    CHECK_FALSE(loaded->config.mqtt.requires_websocket_protocol);
    REQUIRE(loaded->config.wss_listeners.size() == 1);
    CHECK(loaded->config.wss_listeners[0].http.path == "/mqtt");
    CHECK(loaded->config.tcp_listeners.empty());
}

TEST_CASE("a proxy is believed only when it is named, and a path is a path") {
    const auto refused = [](const std::string& setting) {
        const auto loaded = load(Sources{.settings = {"listener.ws.a = 127.0.0.1:0", setting}});
        return loaded ? std::string{} : loaded.error().diagnostics[0].text;
    };
    CHECK(refused("listener.ws.a.proxy_protocol = on") ==
          "listener.ws.a.proxy_protocol: needs proxy_protocol.trusted: who may tell a client's "
          "address");
    CHECK(refused("listener.ws.a.path = mqtt") ==
          "listener.ws.a.path: must begin with `/`, and must not hold `?`, `#` or a space");
    CHECK(refused("listener.ws.a.trusted_proxies = unix") ==
          "listener.ws.a.trusted_proxies: `unix` is not an address range such as 10.0.0.0/8");
    const auto loaded = load(Sources{.settings = {
                                         "listener.tcp.a = 127.0.0.1:0",
                                         "listener.tcp.a.proxy_protocol = on",
                                         "listener.tcp.a.proxy_protocol.trusted = 10.0.0.0/8",
                                     }});
    REQUIRE(loaded.has_value());
    const gw::config::ProxyProtocol& proxy = loaded->config.tcp_listeners[0].proxy;
    CHECK(proxy.is_on);
    CHECK(proxy.timeout == gw::Milliseconds{3000});
    CHECK(proxy.trusted.size() == 1);
    CHECK_FALSE(proxy.takes_common_name);
}
