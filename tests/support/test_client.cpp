#include "tests/support/test_client.hpp"

namespace gw::test {

void TestClient::connect(std::string_view client_id,
                         const std::function<void(mqtt::ConnectPacket&)>& change) {
    mqtt::ConnectPacket packet;
    packet.version = version_;
    packet.client_id = client_id;
    if (change) {
        change(packet);
    }
    ByteBuffer out;
    mqtt::encode_connect(out, packet);
    flush(out);
}

void TestClient::publish(std::string_view topic, std::string_view payload,
                         const PublishFields& fields) {
    mqtt::PublishOut packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = fields.qos;
    packet.packet_id = fields.packet_id;
    packet.dup = fields.dup;
    packet.retain = fields.retain;
    packet.topic_alias = fields.topic_alias;
    packet.alias_known = fields.topic_alias != 0 && topic.empty();
    packet.message_expiry_interval = fields.expiry;
    packet.properties = fields.properties;
    ByteBuffer out;
    mqtt::encode_publish(out, version_, packet);
    flush(out);
}

void TestClient::subscribe(std::string_view filter, const SubscribeFields& fields) {
    const mqtt::SubscriptionEntry entry{.filter = filter,
                                        .qos = fields.qos,
                                        .no_local = fields.no_local,
                                        .retain_as_published = fields.retain_as_published,
                                        .retain_handling = fields.retain_handling};
    ByteBuffer out;
    mqtt::encode_subscribe(out, version_,
                           {.packet_id = fields.packet_id,
                            .subscription_identifier = fields.identifier,
                            .subscriptions = {&entry, 1},
                            .user_properties = {}});
    flush(out);
}

void TestClient::unsubscribe(std::string_view filter, std::uint16_t packet_id) {
    ByteBuffer out;
    mqtt::encode_unsubscribe(
        out, version_, {.packet_id = packet_id, .filters = {&filter, 1}, .user_properties = {}});
    flush(out);
}

void TestClient::ack(mqtt::PacketType type, std::uint16_t packet_id, ReasonCode reason) {
    ByteBuffer out;
    mqtt::encode_ack(out, version_, type, packet_id, reason);
    flush(out);
}

void TestClient::disconnect(ReasonCode reason, std::optional<std::uint32_t> expiry) {
    mqtt::DisconnectPacket packet;
    packet.reason = reason;
    packet.session_expiry_interval = expiry;
    ByteBuffer out;
    mqtt::encode_disconnect(out, version_, packet);
    flush(out);
}

void TestClient::auth(ReasonCode reason, std::string_view method, std::string_view data) {
    mqtt::AuthPacket packet;
    packet.reason = reason;
    packet.authentication_method = method;
    packet.authentication_data = as_bytes(data);
    ByteBuffer out;
    mqtt::encode_auth(out, packet);
    flush(out);
}

void TestClient::on_bytes(Bytes bytes) {
    input_.append(bytes);
    while (true) {
        const auto outcome =
            mqtt::read_frame(input_.view(), mqtt::protocol_packet_bytes_max, version_);
        GW_ASSERT(outcome.status != mqtt::FrameStatus::error);
        if (outcome.status == mqtt::FrameStatus::need_more) {
            return;
        }
        packets_.push_back(
            mqtt::testing::describe(outcome.frame, {version_, mqtt::Sender::server}));
        input_.consume(outcome.frame.packet_bytes);
    }
}

std::string TestClient::next() {
    world_.settle();
    if (packets_.empty()) {
        return "";
    }
    const std::string first = packets_.front();
    packets_.erase(packets_.begin());
    return first;
}

std::vector<std::string> TestClient::take() {
    world_.settle();
    return std::exchange(packets_, {});
}

}  // namespace gw::test
