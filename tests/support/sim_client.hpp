#pragma once

#include "adapters/mqtt/codec/codec.hpp"
#include "tests/support/sim_world.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gw::test {

/// Who a SimClient is.
struct SimClientOptions {
    std::string client_id;
    mqtt::Version version = mqtt::Version::v5;
    bool clean_start = false;
    std::uint32_t session_expiry = 3600;  // MQTT 5
    std::uint16_t receive_maximum = 20;   // MQTT 5
    std::uint16_t keep_alive = 0;
    std::optional<mqtt::Will> will;
    std::size_t unacknowledged_max = 8;  // of its own messages
};

/// One message as it reached a SimClient; a QoS 2 message once, when it is complete for the client.
struct SimArrival {
    std::string topic;
    std::string payload;
    Qos qos = Qos::at_most_once;
    bool dup = false;
    bool retain = false;
};

/// A correct MQTT client: keeps its session's state over connections, sends again with DUP what was
/// not acknowledged, and checks the rules that the server has towards it. A broken rule is
/// a text in `violations`.
class SimClient final {
public:
    SimClient(SimWorld& world, SimClientOptions options)
        : world_(world), options_(std::move(options)) {}

    /// Opens a link to a worker. An older one is left as it is: the broker has to end it.
    void connect(std::uint32_t worker);
    /// Breaks the link without a word.
    void cut();
    /// Says DISCONNECT and closes.
    void disconnect(ReasonCode reason = ReasonCode::success);
    bool is_online() const { return is_online_; }
    bool has_link() const { return current_ != nullptr; }
    /// Of the present connection; there must be one.
    LinkId link() const { return current_->link; }

    /// Publishes as soon as there is a connection and room; in order.
    void publish(std::string topic, std::string payload, Qos qos, bool retain = false);
    /// Subscribes, again after each reconnection until it was acknowledged.
    void subscribe(std::string filter, Qos qos);
    bool is_subscribed(const std::string& filter) const;
    /// Nothing waits to be sent or acknowledged.
    bool is_idle() const { return is_online_ && outgoing_.empty() && in_flight_.empty(); }

    const SimClientOptions& options() const { return options_; }
    SimClientOptions& options() { return options_; }

    std::vector<SimArrival> arrivals;
    std::vector<std::string> violations;
    std::set<std::string> resent;        // payloads of its own that it had to send again
    std::size_t session_lost_count = 0;  // CONNACK said that there is no session
    std::size_t connect_count = 0;
    /// Called at PUBACK, or at PUBREC: the broker has taken the responsibility.
    std::function<void(const std::string& payload)> on_acknowledged;

private:
    /// One connection; an old one goes on to hear what the broker says to it, until it is closed.
    struct Connection final : SimPeer {
        explicit Connection(SimClient& owner) : client(owner) {}
        ~Connection() override { client.world_.forget_peer(link); }
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;
        void on_bytes(Bytes bytes) override { client.receive(*this, bytes); }
        void on_closed() override { client.closed(*this); }
        SimClient& client;
        LinkId link = 0;
        ByteBuffer input;
        bool is_accepted = false;
        bool is_over = false;
        std::deque<std::uint16_t> expected_pubacks;  // in the order of PUBLISH
        std::deque<std::uint16_t> expected_pubrecs;
        std::map<std::uint16_t, std::string> aliases;  // what the broker has set
        std::set<std::uint16_t> unacknowledged;        // deliveries, against our receive maximum
    };
    struct InFlight {
        std::string topic;
        std::string payload;
        Qos qos = Qos::at_least_once;
        bool retain = false;
        bool is_released = false;  // QoS 2: PUBREC has come
        std::uint16_t packet_id = 0;
    };
    struct Subscription {
        Qos qos = Qos::at_most_once;
        bool is_done = false;
        std::uint16_t packet_id = 0;
    };

    void receive(Connection& connection, Bytes bytes);
    void closed(Connection& connection);
    void on_frame(Connection& connection, const mqtt::Frame& frame);
    void on_connack(Connection& connection, const mqtt::Frame& frame);
    void on_publish(Connection& connection, const mqtt::Frame& frame);
    void on_ack(Connection& connection, const mqtt::Frame& frame);
    void on_suback(const mqtt::Frame& frame);
    void resume();
    void pump();
    void send_publish(InFlight& message, bool dup);
    void send_subscribe(const std::string& filter, Subscription& subscription);
    void send_ack(mqtt::PacketType type, std::uint16_t packet_id);
    void transmit(Connection& connection, const ByteBuffer& out) {
        world_.send(connection.link, out.view());
    }
    std::uint16_t next_id();
    void violation(const std::string& text) {
        violations.push_back(options_.client_id + ": " + text);
    }
    InFlight* find(std::uint16_t packet_id);

    SimWorld& world_;
    SimClientOptions options_;
    std::vector<std::unique_ptr<Connection>> connections_;
    Connection* current_ = nullptr;
    bool is_online_ = false;
    std::uint16_t last_id_ = 0;
    std::deque<InFlight> outgoing_;   // not sent yet
    std::deque<InFlight> in_flight_;  // in order
    std::set<std::uint16_t> inbound_qos2_;
    std::map<std::string, Subscription> subscriptions_;
};

}  // namespace gw::test
