// Clients that say anything, against CoAP machines and brokers in simulated time. The input is a
// list of steps: datagrams from one of several ports, time that passes, decisions that come,
// messages that others publish. Properties, for any input:
//   1. no assertion, no memory error;
//   2. what is sent is CoAP, and nothing but responses, acknowledgements, resets and pings;
//   3. when everybody has been silent for long, no client and no endpoint is left, and nobody
//      observes.
#include "tests/support/coap_net.hpp"
#include "tests/support/slow_decisions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gw::test {
namespace {

constexpr std::uint16_t first_port = 40000;
constexpr std::uint16_t port_count = 3;

coap::MachineOptions options_for(std::uint8_t settings) {
    coap::MachineOptions options = open_coap();
    options.body_bytes_max = 300;
    options.upload_bytes_max = 500;
    options.observation_count_max = 5;
    options.size_exponent = (settings & 1) != 0 ? 1 : 6;
    options.idle_time = Seconds{10};
    options.confirm_interval = Seconds{60};
    options.session_expiry = Seconds{60};
    options.client_count_max = (settings & 2) != 0 ? 2 : 0;
    options.echo = static_cast<coap::EchoRule>(settings / 4U % 3U);
    options.tells_created = true;
    options.lists_topics = true;
    options.origin = open_origin(false, (settings & 32) != 0 ? "m/" : "");
    return options;
}

SimOptions world_for(std::uint8_t settings) {
    SimOptions options;
    options.worker_count = (settings & 64) != 0 ? 3 : 1;
    options.storage_delay_max = Milliseconds{(settings & 128) != 0 ? 20 : 0};
    options.broker.queue_limits.count_max = 20;
    return options;
}

class MachineFuzz {
public:
    explicit MachineFuzz(std::uint8_t settings) : world_(world_for(settings)), decisions_(world_) {
        decisions_.slow_answer = AccessDecision::allow;
        net_ = std::make_unique<CoapNet>(world_, options_for(settings));
        for (std::uint16_t port = first_port; port < first_port + port_count; ++port) {
            net_->attach(port, [this, port](Bytes datagram) { receive(port, datagram); });
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
                answer(argument);
                return;
            default: {
                const auto port = static_cast<std::uint16_t>(first_port + step % port_count);
                net_->send(port, in.take(std::min<std::size_t>(argument % 96U, in.remaining())));
                world_.settle();
            }
        }
    }
    void receive(std::uint16_t port, Bytes datagram) {
        const auto message = coap::decode_message(datagram);
        GW_ASSERT(message.has_value());
        const int code_class = coap::class_of(message->code);
        GW_ASSERT(message->code == coap::Code::empty || code_class == 2 || code_class == 4 ||
                  code_class == 5);
        if (message->type == coap::Type::confirmable) {
            last_confirmable_ = {port, message->message_id};
        }
        if (message->code == coap::Code::created && !message->payload.empty()) {
            token_ = std::string{as_text(message->payload)};
        }
    }
    /// To the last confirmable message, or with the token that a connection was given.
    void answer(std::uint8_t argument) {
        if (argument % 4 == 3 && !token_.empty()) {
            const coap::Code codes[] = {coap::Code::put, coap::Code::delete_, coap::Code::get};
            const std::string query = "clientid=c&token=" + token_;
            net_->send(static_cast<std::uint16_t>(first_port + argument / 4U % port_count),
                       coap_bytes({.code = codes[argument / 16U % 3U],
                                   .message_id = ++message_id_,
                                   .path = argument >= 128 ? "ps/a/b" : "mqtt/connection",
                                   .query = query}));
        } else {
            net_->send(last_confirmable_.first,
                       coap_bytes({.type = argument % 4 == 2 ? coap::Type::reset
                                                             : coap::Type::acknowledgement,
                                   .code = coap::Code::empty,
                                   .message_id = last_confirmable_.second}));
        }
        world_.settle();
    }
    void decide(std::uint8_t argument) {
        decisions_.decide_logins(argument % 4 == 0 ? "wrong" : "later");
        decisions_.decide_access();
        world_.settle();
    }
    void say(std::uint8_t argument) {
        constexpr std::string_view topics[] = {"a/b", "m/a/b", "a", "a/c", "slow", "no"};
        const std::string payload((argument & 0x40) != 0 ? 200 : 3, 'x');
        world_.turn(0, [&](Broker& broker) {
            broker.publish_internal(topics[argument % 6U], payload, argument % 7U == 0,
                                    static_cast<Qos>(argument / 6U % 3U));
        });
        world_.settle();
    }
    void finish() {
        decisions_.slow_answer = AccessDecision::deny;
        decide(0);
        world_.run_for(std::chrono::hours{1});
        decide(0);
        world_.run_for(std::chrono::hours{24});
        GW_ASSERT(net_->client_count() == 0);
        GW_ASSERT(net_->endpoint_count() == 0);
        GW_ASSERT(world_.sum([](const Metrics& m) { return m.coap_observations.value(); }) == 0);
    }

    SimWorld world_;
    SlowDecisions decisions_;
    std::pair<std::uint16_t, std::uint16_t> last_confirmable_{first_port, 0};
    std::string token_;
    std::uint16_t message_id_ = 60000;
    std::unique_ptr<CoapNet> net_;
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
