#include "adapters/mqtt/codec/codec.hpp"
#include "adapters/mqtt/codec/translation.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/message/properties.hpp"
#include "tests/translation/peer.hpp"
#include "tests/translation/sockjs_pipe.hpp"

#include <utility>

namespace gw::test {

namespace {

using mqtt::PacketType;

class MqttPeer final : public Peer, private SimPeer {
public:
    MqttPeer(Gateways& gateways, std::string client_id, mqtt::Version version,
             std::unique_ptr<SockJsPipe> pipe = nullptr)
        : world_(gateways.world),
          client_id_(std::move(client_id)),
          version_(version),
          pipe_(std::move(pipe)) {
        connect();
    }
    ~MqttPeer() override { world_.forget_peer(link_); }
    MqttPeer(const MqttPeer&) = delete;
    MqttPeer& operator=(const MqttPeer&) = delete;

    void subscribe(const std::string& filter) override {
        const bool is_v5 = version_ == mqtt::Version::v5;
        const mqtt::SubscriptionEntry entry{
            .filter = filter, .qos = Qos::exactly_once, .retain_as_published = is_v5};
        ByteBuffer out;
        mqtt::encode_subscribe(out, version_,
                               {.packet_id = 1,
                                .subscription_identifier = is_v5 ? identifier : 0,
                                .subscriptions = {&entry, 1},
                                .user_properties = {}});
        send(out);
        pump();
    }

    void publish(const Content& content) override {
        ByteBuffer properties;
        write_properties(content, properties);
        mqtt::PublishOut packet;
        packet.topic = content.topic;
        packet.payload = as_bytes(content.payload);
        packet.properties = properties.view();
        if (content.expires_in) {
            packet.message_expiry_interval = static_cast<std::uint32_t>(
                std::chrono::duration_cast<Seconds>(*content.expires_in).count());
        }
        packet.qos = content.qos;
        packet.packet_id = content.qos == Qos::at_most_once ? std::uint16_t{0} : ++last_id_;
        packet.dup = content.qos != Qos::at_most_once;  // its own affair with the gateway
        packet.retain = content.retain;
        ByteBuffer out;
        mqtt::encode_publish(out, version_, packet);
        send(out);
        pump();
    }

    void miss() override {
        world_.close(link_);
        pump();
        world_.forget_peer(link_);
        input_.clear();
        connect();
    }

    std::string subscription() const override {
        return version_ == mqtt::Version::v5 ? std::to_string(identifier) : "";
    }

private:
    static constexpr std::uint32_t identifier = 77;

    static void write_properties(const Content& content, ByteBuffer& out) {
        PropertyWriter properties{out};
        if (content.payload_format) {
            properties.payload_format_indicator(static_cast<std::uint8_t>(*content.payload_format));
        }
        if (content.content_type) {
            properties.content_type(*content.content_type);
        }
        if (content.response_topic) {
            properties.response_topic(*content.response_topic);
        }
        if (content.correlation_data) {
            properties.correlation_data(as_bytes(*content.correlation_data));
        }
        for (const auto& [name, value] : content.user_properties) {
            properties.user_property(name, value);
        }
    }

    void connect() {
        link_ = world_.connect(*this);
        mqtt::ConnectPacket packet;
        packet.version = version_;
        packet.client_id = client_id_;
        packet.clean_start = false;
        packet.session_expiry_interval = 0xffffffff;
        ByteBuffer out;
        mqtt::encode_connect(out, packet);
        send(out);
        pump();
    }

    void send(const ByteBuffer& out) {
        if (pipe_) {
            world_.send(link_, as_bytes(pipe_->to_server(out.view())));
        } else {
            world_.send(link_, out.view());
        }
    }

    void on_bytes(Bytes bytes) override {
        heard_ += as_text(bytes);
        if (pipe_) {
            input_.append(as_bytes(pipe_->to_client(bytes)));
        } else {
            input_.append(bytes);
        }
    }
    void on_closed() override {}

    void pump() override {
        while (true) {
            world_.settle();
            const auto outcome =
                mqtt::read_frame(input_.view(), mqtt::protocol_packet_bytes_max, version_);
            GW_ASSERT(outcome.status != mqtt::FrameStatus::error);
            if (outcome.status == mqtt::FrameStatus::need_more) {
                return;
            }
            take(outcome.frame);
            input_.consume(outcome.frame.packet_bytes);
        }
    }

    void take(const mqtt::Frame& frame) {
        switch (frame.type()) {
            case PacketType::publish:
                take_publish(frame);
                return;
            case PacketType::pubrec:
                acknowledge(PacketType::pubrel, id_of(frame));
                return;
            case PacketType::pubrel:
                acknowledge(PacketType::pubcomp, id_of(frame));
                return;
            case PacketType::connack:
            case PacketType::suback:
            case PacketType::puback:
            case PacketType::pubcomp:
                return;
            default:
                GW_ASSERT(false);
        }
    }

    void take_publish(const mqtt::Frame& frame) {
        mqtt::PublishPacket packet;
        ByteBuffer scratch;
        GW_ASSERT(mqtt::decode_publish(frame, {version_, mqtt::Sender::server}, scratch, packet));
        Content content{.topic = std::string{packet.topic},
                        .payload = std::string{as_text(packet.payload)},
                        .qos = packet.qos,
                        .retain = packet.retain};
        if (packet.message_expiry_interval) {
            content.expires_in = Seconds{*packet.message_expiry_interval};
        }
        read_properties(packet.properties, content);
        packet.subscription_identifiers.for_each(
            [&content](std::uint32_t id) { content.subscription += std::to_string(id); });
        content.was_sent_before = packet.dup;
        received_.push_back(std::move(content));
        if (is_acknowledging_ && packet.qos != Qos::at_most_once) {
            acknowledge(packet.qos == Qos::at_least_once ? PacketType::puback : PacketType::pubrec,
                        packet.packet_id);
        }
    }

    std::uint16_t id_of(const mqtt::Frame& frame) const {
        const auto packet = mqtt::decode_ack(frame.type(), frame.body, version_);
        GW_ASSERT(packet.has_value());
        return packet->packet_id;
    }

    void acknowledge(PacketType type, std::uint16_t packet_id) {
        ByteBuffer out;
        mqtt::encode_ack(out, version_, type, packet_id, ReasonCode::success);
        send(out);
    }

    SimWorld& world_;
    std::string client_id_;
    mqtt::Version version_;
    std::unique_ptr<SockJsPipe> pipe_;
    ByteBuffer input_;
    std::uint16_t last_id_ = 0;
    LinkId link_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_mqtt_3_1(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<MqttPeer>(gateways, client_id, mqtt::Version::v3_1);
}
std::unique_ptr<Peer> make_mqtt_3_1_1(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<MqttPeer>(gateways, client_id, mqtt::Version::v3_1_1);
}
std::unique_ptr<Peer> make_mqtt_5(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<MqttPeer>(gateways, client_id, mqtt::Version::v5);
}
std::unique_ptr<Peer> make_mqtt_in_sockjs(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<MqttPeer>(gateways, client_id, mqtt::Version::v5,
                                      std::make_unique<SockJsPipe>(sockjs::Content::binary));
}

}  // namespace gw::test
