#include "gateway/sys_topics.hpp"

#include "gateway/version.hpp"

#include <algorithm>
#include <ctime>

namespace gw {

namespace {

std::string date_text(WallTime time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    char text[32] = {};
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    return text;
}

}  // namespace

SysTopics::SysTopics(std::string node_name, WallTime started)
    : node_name_(std::move(node_name)),
      prefix_("$SYS/brokers/" + node_name_ + "/"),
      started_(started) {}

void SysTopics::publish_stat(Broker& broker, std::string_view name, std::uint64_t count) {
    std::uint64_t& highest = highest_[std::string{name}];
    highest = std::max(highest, count);
    const std::string topic = prefix_ + "stats/" + std::string{name};
    broker.publish_internal(topic + "/count", std::to_string(count), false);
    broker.publish_internal(topic + "/max", std::to_string(highest), false);
}

void SysTopics::tick(Broker& broker, const InstanceStats& stats,
                     const std::function<void(const VisitMetric&)>& metrics) {
    broker.publish_internal("$SYS/brokers", node_name_, true);
    broker.publish_internal(prefix_ + "version", version, true);
    broker.publish_internal(prefix_ + "sysdescr", "Mangrove multi-protocol IoT gateway", true);
    const auto uptime = std::chrono::duration_cast<Seconds>(broker.now().wall - started_);
    broker.publish_internal(prefix_ + "uptime", std::to_string(uptime.count()) + " seconds", false);
    broker.publish_internal(prefix_ + "datetime", date_text(broker.now().wall), false);
    publish_stat(broker, "clients", stats.clients);
    publish_stat(broker, "sessions", stats.sessions);
    publish_stat(broker, "topics", stats.topics);
    publish_stat(broker, "subscribers", stats.subscriptions);
    publish_stat(broker, "subscriptions", stats.subscriptions);
    publish_stat(broker, "routes", stats.topics);
    publish_stat(broker, "shared", stats.shared_groups);
    publish_stat(broker, "retained", stats.retained);
    broker.publish_internal(prefix_ + "metrics/messages/retained", std::to_string(stats.retained),
                            false);
    metrics([&](const MetricView& metric) {
        broker.publish_internal(prefix_ + "metrics/" + std::string{metric.name},
                                std::to_string(metric.value), false);
    });
}

}  // namespace gw
