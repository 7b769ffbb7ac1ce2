// What listeners say of the places that their clients speak from, by the configuration.
#include "gateway/origin_rules.hpp"

#include "config/parse/loader.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gw;

namespace {

/// "anonymous local unix 2": what the rules allow, and the number of administrators' ranges.
std::string rules_of(const std::vector<std::string>& settings, ListenerPlace place) {
    config::Sources sources;
    sources.settings = settings;
    const auto loaded = config::load(sources);
    REQUIRE(loaded.has_value());
    const config::Config& config = loaded->config;
    config::ListenerLimits limits;
    if (!config.tcp_listeners.empty()) {
        limits = config.tcp_listeners.front().limits;
        place.is_built_in = place.is_built_in && config.tcp_listeners.front().is_built_in;
    }
    const OriginRulesPtr rules = origin_rules(config, limits, {}, place);
    std::string text = rules->allows_anonymous ? "anonymous " : "";
    text += rules->allows_local_anonymous ? "local " : "";
    text += rules->has_unix_administrators ? "unix " : "";
    return text + std::to_string(rules->administrators.size());
}

constexpr ListenerPlace default_listener{.is_loopback = true, .is_built_in = true};
constexpr ListenerPlace loopback{.is_loopback = true};
constexpr ListenerPlace network{};
constexpr ListenerPlace unix_socket{.is_loopback = true, .is_unix = true};

}  // namespace

TEST_CASE("who may come without a name, and who is an administrator") {
    struct Row {
        std::vector<std::string> settings;
        ListenerPlace place;
        const char* expected;
        const char* because;
    };
    const std::string tcp = "listener.tcp.a=127.0.0.1:1";
    const Row rows[] = {
        {{}, default_listener, "local unix 2", "nobody has configured anything"},
        {{"mqtt.max_packet_size=2MB"}, default_listener, "local unix 2", "nor a listener"},
        {{"listener.tcp.default.max_clients=9"}, default_listener, "unix 0", "somebody has"},
        {{"listener.tcp.default=127.0.0.1:1883"}, default_listener, "unix 0", "somebody has"},
        {{tcp}, loopback, "unix 0", "who forwards to it, nobody knows"},
        {{tcp}, network, "unix 0", "closed until somebody says otherwise"},
        {{tcp}, unix_socket, "local unix 0", "its file has a mode"},
        {{tcp, "allow_anonymous=local"}, loopback, "local unix 0", "as he says"},
        {{tcp, "allow_anonymous=local"}, network, "unix 0", "a network is not local"},
        {{tcp, "allow_anonymous=true"}, network, "anonymous unix 0", "as he says"},
        {{tcp, "allow_anonymous=false"}, unix_socket, "unix 0", "as he says"},
        {{tcp, "listener.tcp.a.allow_anonymous=true"}, network, "anonymous unix 0", "of this one"},
        {{tcp, "sys.administrators=10.0.0.0/8"}, network, "1", "as he says"},
        {{tcp, "sys.administrators=none"}, unix_socket, "local 0", "nobody"},
        {{tcp, "sys.administrators=127.0.0.0/8,::1,unix"}, network, "unix 2", "as it used to be"},
        {{"sys.administrators=none"}, default_listener, "local 0", "nobody"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        CAPTURE(row.settings.empty() ? std::string{} : row.settings.back());
        CHECK(rules_of(row.settings, row.place) == row.expected);
    }
}

TEST_CASE("the access list of a listener: the first entry that matches decides") {
    const std::vector<config::AccessRule> access = {{true, IpRange::parse("10.0.0.0/8")},
                                                    {false, std::nullopt}};
    const OriginRulesPtr rules = origin_rules(config::defaults(), {}, access, loopback);
    CHECK(rules->lets_in(*IpAddress::parse("10.1.2.3")));
    CHECK_FALSE(rules->lets_in(*IpAddress::parse("192.0.2.1")));
    CHECK(origin_rules(config::defaults(), {}, {}, loopback)
              ->lets_in(*IpAddress::parse("192.0.2.1")));
}
