#pragma once

#include "broker-core/broker/broker.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace gw {

/// A snapshot of the instance's sizes.
struct InstanceStats {
    std::uint64_t clients = 0;
    std::uint64_t sessions = 0;
    std::uint64_t topics = 0;  // distinct filters
    std::uint64_t subscriptions = 0;
    std::uint64_t shared_groups = 0;
    std::uint64_t retained = 0;
};

/// Publishes the `$SYS/brokers/...` tree at every tick: version, sysdescr, uptime, datetime,
/// stats/<name>/count and /max, metrics/<name>. Runs on one worker.
class SysTopics {
public:
    SysTopics(std::string node_name, WallTime started);

    /// `metrics(visit)` calls `visit` for each metric of the instance.
    using VisitMetric = std::function<void(const MetricView&)>;
    void tick(Broker& broker, const InstanceStats& stats,
              const std::function<void(const VisitMetric&)>& metrics);

private:
    void publish_stat(Broker& broker, std::string_view name, std::uint64_t count);

    std::string node_name_;
    std::string prefix_;
    WallTime started_;
    std::map<std::string, std::uint64_t, std::less<>> highest_;
};

}  // namespace gw
