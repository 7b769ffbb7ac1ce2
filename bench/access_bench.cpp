// What access rules cost on the way of a message: nanoseconds a question, with 20 rules as a plant
// may have them and with the shipped ones, beside what a message costs in all
// (docs/performance.md).
#include "broker-core/access/acl_policy.hpp"
#include "config/acl/acl_parser.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>

namespace {

constexpr std::string_view plant =
    "deny = user=user0 subscribe area0/secret/#\n"
    "deny = user=user1 subscribe area1/secret/#\n"
    "deny = user=user2 subscribe area2/secret/#\n"
    "deny = user=user3 subscribe area3/secret/#\n"
    "deny = user=user4 subscribe area4/secret/#\n"
    "deny = user=user5 subscribe area5/secret/#\n"
    "deny = ip=10.0.0.0/16 publish commands0/#\n"
    "deny = ip=10.1.0.0/16 publish commands1/#\n"
    "deny = ip=10.2.0.0/16 publish commands2/#\n"
    "deny = ip=10.3.0.0/16 publish commands3/#\n"
    "deny = group=g0 pubsub plant0/+/locked\n"
    "deny = group=g1 pubsub plant1/+/locked\n"
    "deny = group=g2 pubsub plant2/+/locked\n"
    "deny = group=g3 pubsub plant3/+/locked\n"
    "allow = all pubsub own/%u/#\n"
    "allow = user=admin* pubsub #\n"
    "deny = all subscribe secret, +/secret/x\n"
    "deny = client=bad* pubsub all/#\n"
    "deny = !administrator subscribe $SYS/#\n"
    "allow = all pubsub lg/#\n";

/// Of this process, so that others on the machine are not in it.
double cpu_nanoseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

template <class Question>
double nanoseconds(const Question& question) {
    constexpr int count = 2'000'000;
    double best = 1e9;
    for (int round = 0; round < 5; ++round) {
        const double start = cpu_nanoseconds();
        std::uint64_t yes = 0;
        for (int i = 0; i < count; ++i) {
            yes += question(i) ? 1 : 0;
        }
        const double taken = cpu_nanoseconds() - start;
        if (yes == ~std::uint64_t{0}) {
            std::puts("");  // so that the work is not left out
        }
        best = std::min(best, taken / count);
    }
    return best;
}

void measure(const char* name, std::string_view rules) {
    auto parsed = gw::config::parse_acl("bench", rules);
    gw::AclPolicy policy{1,
                         gw::AclTable::create(std::move(parsed.rules), gw::AccessDecision::allow)};
    gw::ClientIdentity client;
    client.username = "ann";
    client.is_anonymous = false;
    client.client_id = "client-1";
    client.ip = *gw::IpAddress::parse("192.168.0.1");
    static constexpr std::string_view topics[] = {"lg/p/1", "area7/open/temperature",
                                                  "plant1/line/state", "fleet/17/position"};
    const auto topic = [](int i) {
        return topics[i & 3];
    };
    const auto ask = [&](gw::AccessAction action, std::string_view text) {
        return policy.check({.client = client, .action = action, .topic = text}) ==
               gw::AccessDecision::allow;
    };
    std::printf("%-12s is delivery checked? %5.1f ns   publish %5.1f ns   deliver %5.1f ns\n", name,
                nanoseconds([&](int i) { return policy.checks_delivery(0, topic(i)); }),
                nanoseconds([&](int i) { return ask(gw::AccessAction::publish, topic(i)); }),
                nanoseconds([&](int i) { return ask(gw::AccessAction::deliver, topic(i)); }));
}

}  // namespace

int main() {
    measure("shipped", gw::config::default_acl_text());
    measure("20 rules", plant);
    return 0;
}
