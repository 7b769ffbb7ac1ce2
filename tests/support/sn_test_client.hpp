#pragma once

#include "adapters/mqttsn/codec/codec.hpp"
#include "tests/support/sn_net.hpp"
#include "tests/support/sn_packet_text.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// A client that knows no rules: sends what the test says and keeps what comes, as text.
class SnTestClient final : public SnPeer {
public:
    SnTestClient(SimWorld& world, SnNet& net, std::uint16_t port)
        : world_(world), net_(net), port_(port) {
        net_.attach(port_, *this);
    }
    ~SnTestClient() override { net_.detach(port_); }
    SnTestClient(const SnTestClient&) = delete;
    SnTestClient& operator=(const SnTestClient&) = delete;

    /// From now on from another port.
    void move(std::uint16_t port) {
        net_.detach(port_);
        port_ = port;
        net_.attach(port_, *this);
    }

    template <class Message>
    void send(const Message& packet) {
        ByteBuffer bytes;
        encode(bytes, packet);
        send_bytes(bytes.view());
    }
    void send_bytes(Bytes bytes) {
        net_.send(port_, bytes);
        world_.settle();
    }
    void connect(std::string_view client_id, std::uint16_t duration = 60, bool is_clean = true,
                 bool has_will = false) {
        mqttsn::Flags flags;
        flags.set_clean_session(is_clean).set_will(has_will);
        send(mqttsn::Connect{flags, 1, duration, client_id});
    }
    void subscribe(std::string_view filter, unsigned qos, std::uint16_t id = 1, bool dup = false) {
        mqttsn::Flags flags;
        flags.set_qos(static_cast<mqttsn::WireQos>(qos)).set_dup(dup);
        send(mqttsn::Subscribe{flags, id, {filter, 0}});
    }
    void publish(std::uint16_t topic, std::string_view data, unsigned qos, std::uint16_t id = 0,
                 bool dup = false) {
        mqttsn::Flags flags;
        flags.set_qos(static_cast<mqttsn::WireQos>(qos)).set_dup(dup);
        send(mqttsn::Publish{flags, topic, id, as_bytes(data)});
    }
    void ping(std::string_view client_id = {}) { send(mqttsn::Pingreq{client_id}); }
    void disconnect(std::optional<std::uint16_t> duration = std::nullopt) {
        send(mqttsn::Disconnect{duration});
    }

    /// The next datagram that has come, "" when there is none.
    std::string next() {
        if (received_.empty()) {
            return "";
        }
        std::string first = std::move(received_.front());
        received_.pop_front();
        return first;
    }
    /// All that has come and was not asked for.
    std::vector<std::string> take() {
        std::vector<std::string> all{received_.begin(), received_.end()};
        received_.clear();
        return all;
    }

    void on_datagram(Bytes datagram) override { received_.push_back(sn_text(datagram)); }

private:
    SimWorld& world_;
    SnNet& net_;
    std::uint16_t port_;
    std::deque<std::string> received_;
};

}  // namespace gw::test
