#include "gateway/protocols/mqttsn.hpp"

#include "gateway/origin_rules.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

namespace gw {

namespace {

constexpr std::size_t udp_receive_bytes_min = 2048;  // handshakes need more than small messages

Result<std::shared_ptr<const mqttsn::PredefinedTopics>> predefined_topics(
    const config::MqttSn& settings) {
    auto topics = std::make_shared<mqttsn::PredefinedTopics>();
    for (const auto& [id, topic] : settings.predefined_topics) {
        if (!check_topic_name(topic, {}) || !topics->add(id, topic)) {
            return Error{Errc::invalid_argument,
                         "mqtt.sn.predefined.topic." + std::to_string(id) +
                             ": the id is reserved, or the topic is no topic name"};
        }
    }
    if (!settings.predefined_file.empty()) {
        if (auto read = read_predefined_topics(settings.predefined_file, *topics); !read) {
            return std::move(read).error();
        }
    }
    return std::shared_ptr<const mqttsn::PredefinedTopics>{std::move(topics)};
}

void set_login(mqttsn::GatewayOptions& options, const config::MqttSn& settings) {
    if (!settings.username.empty()) {
        options.username = settings.username;
    }
    if (!settings.password.empty()) {
        options.password = settings.password;
    }
    if (settings.connectionless_publish) {
        options.connectionless_username = settings.connectionless_username;
    }
}

Result<std::vector<mqttsn::SleepRule>> sleep_rules(const config::MqttSn& settings) {
    std::vector<mqttsn::SleepRule> rules;
    for (const auto& [number, text] : settings.sleep_rules) {
        const auto rule = config::parse_sleep_rule(text);
        GW_ASSERT(rule.has_value());  // the loader has checked it
        const auto filter = parse_topic_filter(rule->filter, {});
        if (!filter || filter->kind != FilterKind::plain) {
            return Error{Errc::invalid_argument, "mqtt.sn.sleep.keep." + std::to_string(number) +
                                                     ": " + rule->filter + " is no topic filter"};
        }
        rules.push_back({rule->filter, rule->count_max});
    }
    return rules;
}

Result<mqttsn::GatewayOptionsPtr> gateway_options(const config::Config& config,
                                                  const config::MqttSnListener& listener,
                                                  bool is_local, std::size_t worker_count) {
    auto predefined = predefined_topics(config.mqttsn);
    if (!predefined) {
        return std::move(predefined).error();
    }
    auto rules = sleep_rules(config.mqttsn);
    if (!rules) {
        return std::move(rules).error();
    }
    const config::MqttSn& settings = config.mqttsn;
    const config::ListenerLimits& limits = listener.limits;
    auto options = std::make_shared<mqttsn::GatewayOptions>();
    options->listener = "mqttsn." + listener.name;
    options->gateway_id = settings.gateway_id;
    options->advertise_interval = listener.multicast ? settings.advertise_interval : Seconds{0};
    options->retry_interval = settings.retry_interval;
    options->retry_count_max = settings.retry_count_max;
    options->retry_backoff = settings.retry_backoff;
    options->connect_timeout = config.client.connect_timeout;
    options->client_id_bytes_max = config.client.client_id_bytes_max;
    options->topic_count_max = settings.topic_count_max;
    options->topic_limits = {.bytes_max = config.mqtt.topic_bytes_max,
                             .levels_max = config.mqtt.topic_level_count_max};
    options->keep_alive_backoff = config.mqtt.keep_alive_backoff;
    options->session_expiry = config.session.expiry_interval;
    options->qos_max = static_cast<Qos>(config.mqtt.qos_max);
    options->retain_available = config.mqtt.retain_available;
    options->datagram_bytes_max = listener.datagram_bytes_max;
    options->publish_rate_max = config.client.publish_rate_max;
    options->client_count_max = limits.client_count_max;
    if (limits.connect_rate_max != 0) {
        // Each worker lets in its part: clients are spread evenly over them.
        const auto workers = static_cast<std::uint32_t>(worker_count);
        options->connect_rate_max = std::max(1U, limits.connect_rate_max / workers);
    }
    options->waits_for_store =
        limits.store_ack.value_or(config.store.ack) == config::StoreAck::local;
    options->follows_proven_clients = settings.follows_proven_clients;
    options->predefined = std::move(*predefined);
    options->sleep_rules = std::move(*rules);
    set_login(*options, settings);
    options->origin = origin_rules(config, limits, listener.access, {.is_loopback = is_local});
    return mqttsn::GatewayOptionsPtr{std::move(options)};
}

Result<std::optional<transport::MulticastGroup>> multicast_group(
    const config::MqttSnListener& listener) {
    if (!listener.multicast) {
        return std::optional<transport::MulticastGroup>{};
    }
    const auto address = IpAddress::parse(listener.multicast->host);
    const bool is_group = address && (address->is_v4() ? (address->bytes[12] & 0xf0) == 0xe0
                                                       : address->bytes[0] == 0xff);
    if (!is_group || listener.multicast->port == 0) {
        return Error{Errc::invalid_argument,
                     ".multicast: " + listener.multicast->text() + " is no multicast group"};
    }
    transport::MulticastGroup group;
    group.address = *address;
    group.port = listener.multicast->port;
    group.interface = listener.multicast_interface;
    group.hop_count_max = listener.multicast_hop_count_max;
    return std::optional{group};
}

}  // namespace

Result<void> read_predefined_topics(const std::string& file, mqttsn::PredefinedTopics& topics) {
    std::ifstream in{file};
    if (!in) {
        return Error{Errc::io, file + ": cannot be read"};
    }
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        std::istringstream fields{line};
        std::string client_id;
        std::string topic;
        std::uint32_t id = 0;
        if (!(fields >> client_id) || client_id.front() == '#') {
            continue;
        }
        const bool is_whole = fields >> id && fields >> std::ws && std::getline(fields, topic);
        while (!topic.empty() && (topic.back() == '\r' || topic.back() == ' ')) {
            topic.pop_back();
        }
        const bool is_valid = is_whole && id != 0 && id < 0xffff && check_topic_name(topic, {});
        const auto short_id = static_cast<std::uint16_t>(id);
        const bool is_added =
            is_valid && (client_id == "*" ? topics.add(short_id, topic)
                                          : topics.add(client_id, short_id, topic));
        if (!is_added) {
            return Error{Errc::invalid_argument,
                         file + ":" + std::to_string(number) +
                             ": expected a client id, an id from 1 to 65534 that is not taken, "
                             "and a topic name"};
        }
    }
    return {};
}

Result<std::unique_ptr<MqttSnListener>> MqttSnListener::open(const config::Config& config,
                                                             const config::MqttSnListener& listener,
                                                             const Context& context) {
    std::unique_ptr<MqttSnListener> made{new MqttSnListener{context}};
    auto dtls = dtls_context(listener.dtls, made->keys_);
    if (!dtls) {
        return std::move(dtls).error();
    }
    auto group = multicast_group(listener);
    if (!group) {
        return std::move(group).error();
    }
    DatagramListener::Options options;
    options.address = listener.address;
    options.socket.receive_buffer_bytes = static_cast<int>(listener.receive_buffer_bytes);
    options.socket.send_buffer_bytes = static_cast<int>(listener.send_buffer_bytes);
    options.socket.datagram_bytes_max =
        listener.dtls.enabled
            ? std::max<std::uint32_t>(udp_receive_bytes_min, listener.datagram_bytes_max)
            : listener.datagram_bytes_max;
    options.endpoint.hash_key = context.hash_key;
    options.endpoint.dtls = std::move(*dtls);
    options.endpoint.multicast = *group;
    auto opened = DatagramListener::open("mqttsn." + listener.name, options, context.loops);
    if (!opened) {
        return std::move(opened).error();
    }
    made->listener_ = std::move(*opened);
    auto machine_options =
        gateway_options(config, listener, made->listener_->is_loopback(), context.loops.size());
    if (!machine_options) {
        return std::move(machine_options).error();
    }
    made->listener_->make_machines([&](std::uint32_t worker, DatagramPort& port) {
        auto gateway = std::make_unique<mqttsn::Gateway>(context.broker(worker), port,
                                                         *machine_options, made->shared_);
        made->gateways_.push_back(gateway.get());
        return gateway;
    });
    return made;
}

void MqttSnListener::start(bool restores_sleepers) {
    if (restores_sleepers) {
        for (mqttsn::Gateway* const gateway : gateways_) {
            gateway->restore_sleepers();
        }
    }
    listener_->start();
}

Result<std::function<void()>> MqttSnListener::prepare(const config::Config& config,
                                                      const config::MqttSnListener& listener) {
    auto options =
        gateway_options(config, listener, listener_->is_loopback(), context_.loops.size());
    if (!options) {
        return std::move(options).error();
    }
    transport::PskTablePtr keys;
    if (!listener.dtls.psk_file.empty()) {
        auto read = transport::PskTable::read(listener.dtls.psk_file);
        if (!read) {
            return std::move(read).error();
        }
        keys = std::move(*read);
    }
    return std::function<void()>{[this, fresh = std::move(*options), keys = std::move(keys)] {
        keys_->set(keys);
        for (std::size_t worker = 0; worker < gateways_.size(); ++worker) {
            context_.loops[worker]->post(
                [gateway = gateways_[worker], fresh] { gateway->set_options(fresh); });
        }
    }};
}

}  // namespace gw
