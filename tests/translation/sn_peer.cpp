#include "adapters/mqttsn/codec/codec.hpp"
#include "broker-core/base/assert.hpp"
#include "tests/translation/peer.hpp"

#include <map>
#include <utility>

namespace gw::test {

namespace {

class SensorPeer final : public Peer, private SnPeer {
public:
    SensorPeer(Gateways& gateways, const std::string& client_id)
        : gateways_(gateways), port_(++gateways.last_port) {
        gateways_.sn.attach(port_, *this);
        mqttsn::Flags flags;
        send(mqttsn::Connect{flags, 1, 0, client_id});
        pump();
    }
    ~SensorPeer() override { gateways_.sn.detach(port_); }
    SensorPeer(const SensorPeer&) = delete;
    SensorPeer& operator=(const SensorPeer&) = delete;

    void subscribe(const std::string& filter) override {
        mqttsn::Flags flags;
        flags.set_qos(mqttsn::WireQos::qos_2);
        send(mqttsn::Subscribe{flags, 1, {filter, 0}});
        pump();
    }

    void publish(const Content& content) override {
        registered_ = 0;
        send(mqttsn::Register{0, ++last_id_, content.topic});
        pump();
        GW_ASSERT(registered_ != 0);
        mqttsn::Flags flags;
        flags.set_qos(static_cast<mqttsn::WireQos>(content.qos))
            .set_retain(content.retain)
            .set_dup(content.qos != Qos::at_most_once);
        const std::uint16_t id = content.qos == Qos::at_most_once ? std::uint16_t{0} : ++last_id_;
        send(mqttsn::Publish{flags, registered_, id, as_bytes(content.payload)});
        pump();
    }

    void miss() override {
        gateways_.world.run_for(mqttsn::GatewayOptions{}.retry_interval);
        pump();
    }

    std::string subscription() const override { return ""; }

private:
    template <class Packet>
    void send(const Packet& packet) {
        ByteBuffer bytes;
        encode(bytes, packet);
        gateways_.sn.send(port_, bytes.view());
    }

    void on_datagram(Bytes datagram) override {
        heard_ += as_text(datagram);
        datagrams_.emplace_back(as_text(datagram));
    }

    void pump() override {
        while (true) {
            gateways_.world.settle();
            if (datagrams_.empty()) {
                return;
            }
            const std::string datagram = std::move(datagrams_.front());
            datagrams_.pop_front();
            const auto packet = mqttsn::decode(as_bytes(datagram));
            GW_ASSERT(packet.has_value());
            std::visit([this](const auto& one) { take(one); }, *packet);
        }
    }

    void take(const mqttsn::Regack& packet) { registered_ = packet.topic_id; }
    void take(const mqttsn::Register& packet) {
        topics_[packet.topic_id] = packet.topic;
        send(mqttsn::Regack{packet.topic_id, packet.message_id, mqttsn::ReturnCode::accepted});
    }
    void take(const mqttsn::Pubrec& packet) { send(mqttsn::Pubrel{packet.message_id}); }
    void take(const mqttsn::Pubrel& packet) { send(mqttsn::Pubcomp{packet.message_id}); }
    void take(const mqttsn::Publish& packet) {
        received_.push_back({.topic = topics_.at(packet.topic_id),
                             .payload = std::string{as_text(packet.data)},
                             .qos = static_cast<Qos>(packet.flags.qos()),
                             .retain = packet.flags.retain(),
                             .was_sent_before = packet.flags.dup()});
        if (!is_acknowledging_ || packet.flags.qos() == mqttsn::WireQos::qos_0) {
            return;
        }
        if (packet.flags.qos() == mqttsn::WireQos::qos_1) {
            send(mqttsn::Puback{packet.topic_id, packet.message_id, mqttsn::ReturnCode::accepted});
        } else {
            send(mqttsn::Pubrec{packet.message_id});
        }
    }
    void take(const mqttsn::Puback& packet) {
        GW_ASSERT(packet.code == mqttsn::ReturnCode::accepted);
    }
    void take(const mqttsn::Connack& packet) {
        GW_ASSERT(packet.code == mqttsn::ReturnCode::accepted);
    }
    void take(const mqttsn::Suback& packet) {
        GW_ASSERT(packet.code == mqttsn::ReturnCode::accepted);
    }
    void take(const mqttsn::Pubcomp&) {}
    template <class Other>
    void take(const Other&) {
        GW_ASSERT(false);
    }

    Gateways& gateways_;
    std::uint16_t port_;
    std::deque<std::string> datagrams_;
    std::map<std::uint16_t, std::string> topics_;
    std::uint16_t registered_ = 0;
    std::uint16_t last_id_ = 1;
};

}  // namespace

std::unique_ptr<Peer> make_mqttsn(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<SensorPeer>(gateways, client_id);
}

}  // namespace gw::test
