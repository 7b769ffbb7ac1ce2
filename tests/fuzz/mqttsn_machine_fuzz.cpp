// Clients that say anything, against gateways and brokers in simulated time. The input is a list of
// steps: datagrams from one of several ports, time that passes, decisions that come, restarts.
// Properties, for any input:
//   1. no assertion, no memory error, no end without an end;
//   2. what a gateway sends is messages that a gateway may send;
//   3. when everybody has been silent for long, no client is left but those without a keep alive,
//      and nobody is bound who is not connected.
#include "tests/support/slow_decisions.hpp"
#include "tests/support/sn_net.hpp"
#include "tests/support/sn_packet_text.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gw::test {
namespace {

class Listener final : public SnPeer {
public:
    void on_datagram(Bytes datagram) override {
        ByteBuffer node;
        const auto inside = mqttsn::unwrap(datagram, node);
        GW_ASSERT(inside.has_value());
        const auto packet = mqttsn::decode(*inside);
        GW_ASSERT(packet.has_value());
        switch (mqttsn::type_of(*packet)) {
            case mqttsn::MessageType::connect:
            case mqttsn::MessageType::searchgw:
            case mqttsn::MessageType::willtopic:
            case mqttsn::MessageType::willmsg:
            case mqttsn::MessageType::subscribe:
            case mqttsn::MessageType::unsubscribe:
            case mqttsn::MessageType::willtopicupd:
            case mqttsn::MessageType::willmsgupd:
                GW_UNREACHABLE();  // a client's
            default:
                break;
        }
    }
};

mqttsn::GatewayOptions options_for(std::uint8_t settings) {
    mqttsn::GatewayOptions options = open_gateway();
    options.retry_interval = Milliseconds{1000};
    options.retry_count_max = 2;
    options.topic_count_max = 5;
    options.connect_timeout = Milliseconds{5000};
    options.follows_proven_clients = (settings & 1) != 0;
    options.connectionless_username = "radio";
    options.sleep_rules = {{"a/#", 1}};
    options.origin = open_origin(false, (settings & 2) != 0 ? "m/" : "");
    options.username = (settings & 4) != 0 ? "later" : "ann";
    options.session_expiry = Seconds{60};
    auto topics = std::make_shared<mqttsn::PredefinedTopics>();
    topics->add(1, "a/predefined");
    options.predefined = topics;
    return options;
}

SimOptions world_for(std::uint8_t settings) {
    SimOptions options;
    options.worker_count = (settings & 8) != 0 ? 3 : 1;
    options.storage_delay_max = Milliseconds{(settings & 16) != 0 ? 20 : 0};
    options.broker.queue_limits.count_max = 20;
    return options;
}

class MachineFuzz {
public:
    explicit MachineFuzz(std::uint8_t settings) : world_(world_for(settings)), decisions_(world_) {
        decisions_.slow_answer = AccessDecision::allow;
        net_ = std::make_unique<SnNet>(world_, options_for(settings));
        for (std::uint16_t port = first_port; port < first_port + port_count; ++port) {
            net_->attach(port, listener_);
        }
    }

    void run(Bytes input) {
        Reader in{input};
        while (in.remaining() >= 2) {
            const std::uint8_t step = in.u8();
            const std::uint8_t argument = in.u8();
            take_step(step, argument, in);
        }
        finish();
    }

private:
    static constexpr std::uint16_t first_port = 40000;
    static constexpr std::uint16_t port_count = 3;

    void take_step(std::uint8_t step, std::uint8_t argument, Reader& in) {
        switch (step % 8) {
            case 0:
                world_.run_for(Milliseconds{argument * 37});
                return;
            case 1:
                decide(argument);
                return;
            case 2:
                decisions_.slow_answer =
                    argument % 2 == 0 ? AccessDecision::pending : AccessDecision::allow;
                return;
            case 3:
                say(argument);
                return;
            case 4:
                if (argument % 16 == 0) {
                    net_->restart();
                    return;
                }
                [[fallthrough]];
            default: {
                const auto port = static_cast<std::uint16_t>(first_port + step % port_count);
                net_->send(port, in.take(std::min<std::size_t>(argument % 64U, in.remaining())));
                world_.settle();
            }
        }
    }
    void decide(std::uint8_t argument) {
        decisions_.decide_logins(argument % 4 == 0 ? "wrong" : "ann");
        decisions_.decide_access();
        world_.settle();
    }
    void say(std::uint8_t argument) {
        constexpr std::string_view topics[] = {"a/b", "m/a/b", "ab", "a/predefined", "slow", "no"};
        world_.turn(0, [&](Broker& broker) {
            broker.publish_internal(topics[argument % 6U], "payload", argument % 7U == 0,
                                    static_cast<Qos>(argument / 6U % 3U));
        });
        world_.settle();
    }
    void finish() {
        decisions_.slow_answer = AccessDecision::deny;
        decide(0);
        world_.run_for(std::chrono::hours{24});
        GW_ASSERT(net_->bound_count() <= net_->connection_count());
        GW_ASSERT(net_->client_count() == net_->connection_count());
    }

    SimWorld world_;
    SlowDecisions decisions_;
    Listener listener_;
    std::unique_ptr<SnNet> net_;
};

}  // namespace
}  // namespace gw::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 4096) {
        return 0;
    }
    gw::test::MachineFuzz{data[0]}.run({data + 1, size - 1});
    return 0;
}
