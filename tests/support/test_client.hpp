#pragma once

#include "tests/support/mqtt_packet_text.hpp"
#include "tests/support/sim_world.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// What a test's SUBSCRIBE asks for.
struct SubscribeFields {
    Qos qos = Qos::at_most_once;
    std::uint16_t packet_id = 1;
    std::uint32_t identifier = 0;
    bool no_local = false;
    bool retain_as_published = false;
    mqtt::RetainHandling retain_handling = mqtt::RetainHandling::send;
};

/// What a test's PUBLISH says.
struct PublishFields {
    Qos qos = Qos::at_most_once;
    std::uint16_t packet_id = 0;
    bool dup = false;
    bool retain = false;
    std::uint16_t topic_alias = 0;
    std::optional<std::uint32_t> expiry{};
    Bytes properties{};
};

/// A client that knows no rules: sends exactly what the test says and keeps what comes, as text
/// (tests/support/mqtt_packet_text.hpp). It answers nothing by itself.
class TestClient final : public SimPeer {
public:
    TestClient(SimWorld& world, mqtt::Version version, std::uint32_t worker = 0,
               std::shared_ptr<const mqtt::MachineOptions> listener = nullptr,
               bool is_administrator = false)
        : world_(world),
          version_(version),
          link_(world.connect(*this, worker, std::move(listener), is_administrator)) {}
    ~TestClient() override { world_.forget_peer(link_); }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;

    /// Sends CONNECT for a client id, after `change` has had its say about the packet.
    void connect(std::string_view client_id,
                 const std::function<void(mqtt::ConnectPacket&)>& change = nullptr);
    void publish(std::string_view topic, std::string_view payload,
                 const PublishFields& fields = {});
    void subscribe(std::string_view filter, const SubscribeFields& fields = {});
    void unsubscribe(std::string_view filter, std::uint16_t packet_id = 1);
    void ack(mqtt::PacketType type, std::uint16_t packet_id,
             ReasonCode reason = ReasonCode::success);
    void disconnect(ReasonCode reason = ReasonCode::success,
                    std::optional<std::uint32_t> expiry = std::nullopt);
    void auth(ReasonCode reason, std::string_view method, std::string_view data);
    void ping() { send_wire("c0 00"); }
    /// Bytes in the notation of mqtt::testing::wire().
    void send_wire(std::string_view text) { send(mqtt::testing::wire(text)); }
    void send(Bytes bytes) {
        world_.send(link_, bytes);
        world_.settle();
    }
    void close() {
        world_.close(link_);
        world_.settle();
    }

    /// The next packet that has come, "" when there is none.
    std::string next();
    /// All packets that have come and were not asked for.
    std::vector<std::string> take();
    bool is_closed() const { return is_closed_; }
    LinkId link() const { return link_; }
    FakeConnection& connection() { return world_.connection(link_); }

private:
    void on_bytes(Bytes bytes) override;
    void on_closed() override { is_closed_ = true; }
    void flush(ByteBuffer& out) { send(out.view()); }

    SimWorld& world_;
    mqtt::Version version_;
    ByteBuffer input_;
    std::vector<std::string> packets_;
    bool is_closed_ = false;
    LinkId link_;
};

}  // namespace gw::test
