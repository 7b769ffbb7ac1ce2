#pragma once

#include "adapters/mqttsn/codec/codec.hpp"
#include "tests/support/sn_net.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gw::test {

/// A correct MQTT-SN client over a bad link: one request at a time, sent again until it is
/// answered, a new CONNECT when the gateway says that it does not know it or does not answer for
/// long; its session is not clean. Written from the specification, not from the gateway.
class SnSimClient final : public SnPeer {
public:
    SnSimClient(SimWorld& world, SnNet& net, std::string client_id, std::uint16_t port);
    ~SnSimClient() override;
    SnSimClient(const SnSimClient&) = delete;
    SnSimClient& operator=(const SnSimClient&) = delete;

    void start();
    void subscribe(std::string topic, Qos qos);
    /// Publishes after what was asked for before, in order.
    void publish(std::string topic, std::string payload, Qos qos);
    /// Sleeps from now on: wakes up at an interval to hear what has waited.
    void sleep(Seconds interval);
    /// All that was asked for is acknowledged.
    bool is_idle() const { return requests_.empty(); }

    struct Arrival {
        std::string topic;
        std::string payload;
        Qos qos = Qos::at_most_once;
    };
    std::vector<Arrival> arrivals;        // a message at QoS 2 once, as the specification says
    std::vector<std::string> violations;  // of the gateway
    std::size_t connect_count = 0;

    void on_datagram(Bytes datagram) override;

private:
    struct Request {
        enum class Kind : std::uint8_t { enrol, subscribe, publish } kind = Kind::publish;
        std::string topic;
        std::string payload;
        Qos qos = Qos::at_most_once;
        std::uint16_t message_id = 0;  // of the attempt under way; 0: none
        bool is_released = false;      // PUBREC has come
        bool was_sent = false;
    };
    enum class State : std::uint8_t { off, connecting, connected, falling_asleep, asleep, awake };

    template <class Message>
    void send(const Message& packet);
    void connect();
    void go_on();
    void send_request();
    void finish_request();
    void fall_asleep();
    void wake();
    void wait();
    void on_timer(std::uint64_t number);
    void on_publish(const mqttsn::Publish& packet);
    std::uint16_t next_id();

    void on(const mqttsn::Connack& packet);
    void on(const mqttsn::Regack& packet);
    void on(const mqttsn::Suback& packet);
    void on(const mqttsn::Puback& packet);

    SimWorld& world_;
    SnNet& net_;
    const std::string client_id_;
    const std::uint16_t port_;
    State state_ = State::off;
    std::deque<Request> requests_;
    std::map<std::string, std::uint16_t> ids_;     // as the gateway has told
    std::map<std::uint16_t, std::string> topics_;  // the other way round
    std::set<std::uint16_t> unreleased_;           // QoS 2 from the gateway
    std::deque<std::uint16_t> completed_;          // the last of them
    Seconds sleep_{0};
    std::uint16_t last_id_ = 0;
    unsigned tries_ = 0;
    std::uint64_t timer_ = 0;  // the newest; older ones mean nothing
    std::shared_ptr<bool> exists_ = std::make_shared<bool>(true);
};

}  // namespace gw::test
