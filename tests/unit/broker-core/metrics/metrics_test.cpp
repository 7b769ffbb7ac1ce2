// Counters: added up over workers, with a name each, by reason.
#include "broker-core/metrics/metrics.hpp"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <memory>
#include <string>

using namespace gw;

TEST_CASE("metrics are added up over the workers, each under a name of its own") {
    const auto first = std::make_unique<Metrics>();
    const auto second = std::make_unique<Metrics>();
    first->packets_received_by_type[3].add(2);
    second->packets_received_by_type[3].add(3);
    first->drop(DropReason::queue_full);
    second->drop(DropReason::queue_full, 4);
    first->connections_closed_by_reason[0x8d].add();
    first->sessions.add(3);
    first->sessions.subtract();
    std::map<std::string, std::uint64_t> values;
    const std::array<const Metrics*, 2> workers = {first.get(), second.get()};
    for_each_metric(workers, [&](const MetricView& metric) {
        CHECK(values.emplace(metric.name, metric.value).second);
        CHECK_FALSE(metric.help.empty());
        CHECK(metric.name.find(' ') == std::string_view::npos);
    });
    CHECK(values["packets/publish/received"] == 5);
    CHECK(values["messages/dropped/queue_full"] == 5);
    CHECK(values["messages/dropped"] == 5);
    CHECK(values["sessions/count"] == 2);
    CHECK(values["connections/closed/keep_alive_timeout"] == 1);
    CHECK_FALSE(values.contains("connections/closed/banned"));  // never happened
}

TEST_CASE("every drop reason has a name") {
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
        CHECK_FALSE(drop_reason_name(static_cast<DropReason>(i)).empty());
    }
}
