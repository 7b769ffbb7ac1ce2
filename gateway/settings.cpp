#include "gateway/settings.hpp"

namespace gw {

namespace {

ShareStrategy share_strategy(config::ShareStrategy strategy) {
    switch (strategy) {
        case config::ShareStrategy::random:
            return ShareStrategy::random;
        case config::ShareStrategy::round_robin:
            return ShareStrategy::round_robin;
        case config::ShareStrategy::sticky:
            return ShareStrategy::sticky;
        case config::ShareStrategy::hash_clientid:
            return ShareStrategy::hash_clientid;
        case config::ShareStrategy::hash_topic:
            return ShareStrategy::hash_topic;
        case config::ShareStrategy::least_inflight:
            return ShareStrategy::least_inflight;
    }
    GW_UNREACHABLE();
}

DropPolicy drop_policy(config::DropPolicy policy) {
    switch (policy) {
        case config::DropPolicy::oldest:
            return DropPolicy::oldest;
        case config::DropPolicy::newest:
            return DropPolicy::newest;
        case config::DropPolicy::qos0_first:
            return DropPolicy::qos0_first;
    }
    GW_UNREACHABLE();
}

}  // namespace

TopicLimits topic_limits(const config::Config& config) {
    return {.bytes_max = config.mqtt.topic_bytes_max,
            .levels_max = config.mqtt.topic_level_count_max};
}

bool waits_for_store(const config::Config& config, const config::ListenerLimits& listener) {
    return listener.store_ack.value_or(config.store.ack) == config::StoreAck::local;
}

BrokerOptions broker_options(const config::Config& config) {
    BrokerOptions options;
    options.node_name = config.node.name;
    options.topic_limits = topic_limits(config);
    options.queue_limits = {.count_max = config.queue.message_count_max,
                            .bytes_max = config.queue.bytes_max,
                            .drop = drop_policy(config.queue.drop)};
    options.queue_qos0_offline = config.queue.store_qos0;
    options.inflight_max = config.session.inflight_count_max;
    options.subscriptions_max = config.session.subscription_count_max;
    options.sessions_max = config.session.session_count_max;
    options.expiry_interval_max = config.session.expiry_interval_max;
    options.retained_expiry = config.retainer.expiry_interval;
    options.auth_timeout = config.auth.timeout;
    options.takeover_by_strength = config.session.takeover == config::Takeover::strength;
    options.upgrade_qos = config.session.upgrade_qos;
    options.ignore_loop_deliver = config.mqtt.ignore_loop_deliver;
    options.retain_available = config.mqtt.retain_available;
    options.wildcard_subscriptions = config.mqtt.wildcard_subscription;
    options.shared_subscriptions = config.mqtt.shared_subscription;
    options.disconnect_revoked = config.acl.revoked == config::RevokeAction::disconnect;
    options.presence_events = config.presence.enabled;
    options.presence_qos = static_cast<Qos>(config.presence.qos);
    return options;
}

RouterOptions router_options(const config::Config& config, std::uint32_t worker_count,
                             std::uint64_t hash_key) {
    RouterOptions options;
    options.worker_count = worker_count;
    options.hash_key = hash_key;
    options.share_strategy = share_strategy(config.mqtt.share_strategy);
    return options;
}

RetainedOptions retained_options(const config::Config& config) {
    RetainedOptions options;
    options.count_max = config.retainer.message_count_max;
    options.bytes_max = config.retainer.bytes_max;
    options.payload_bytes_max = config.retainer.payload_bytes_max;
    return options;
}

std::shared_ptr<const mqtt::MachineOptions> machine_options(
    const config::Config& config, const config::ListenerLimits& listener) {
    auto options = std::make_shared<mqtt::MachineOptions>();
    const config::Mqtt& mqtt = config.mqtt;
    const config::Client& client = config.client;
    options->packet_bytes_max = mqtt.packet_bytes_max;
    options->unauthenticated_bytes_max = client.unauthenticated_bytes_max;
    options->connect_timeout = client.connect_timeout;
    options->client_id_bytes_max = client.client_id_bytes_max;
    options->keep_alive_backoff = mqtt.keep_alive_backoff;
    options->server_keep_alive = mqtt.server_keep_alive;
    options->session_expiry = config.session.expiry_interval;
    options->receive_maximum = mqtt.receive_maximum;
    options->awaiting_rel_max = config.session.awaiting_rel_count_max;
    options->topic_alias_maximum = mqtt.topic_alias_maximum;
    options->topic_limits = topic_limits(config);
    options->qos_max = static_cast<Qos>(mqtt.qos_max);
    options->retain_available = mqtt.retain_available;
    options->wildcard_subscriptions = mqtt.wildcard_subscription;
    options->shared_subscriptions = mqtt.shared_subscription;
    options->subscription_identifiers = mqtt.subscription_identifiers;
    options->user_properties_max = client.user_property_count_max;
    options->publish_rate_max = client.publish_rate_max;
    options->byte_rate_max = client.byte_rate_max;
    options->unsent_bytes_max = client.unsent_bytes_max;
    options->server_reference = mqtt.server_reference;
    options->response_information = mqtt.response_information;
    options->disconnects_denied = config.acl.deny_action == config::DenyAction::disconnect;
    options->waits_for_store = waits_for_store(config, listener);
    return options;
}

}  // namespace gw
