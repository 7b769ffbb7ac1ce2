// Publishers and observers over a network that loses, doubles and reorders datagrams: what was
// answered with 2.04 reaches each observer at QoS 1 once and in order, whole when it comes in
// blocks; and nothing else does.
#include "tests/sim/sim_support.hpp"
#include "tests/support/coap_net.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;
using namespace std::chrono_literals;
using coap::Code;
using coap::Type;
namespace option = coap::option;

namespace {

/// A client that keeps to RFC 7252: one request at a time, sent again until it is answered;
/// confirmable messages acknowledged each time and taken once.
class LossyClient {
public:
    LossyClient(CoapNet& net, std::uint16_t port) : net_(net), port_(port) {
        net_.attach(port_, [this](Bytes datagram) { receive(datagram); });
    }
    ~LossyClient() { net_.detach(port_); }
    LossyClient(const LossyClient&) = delete;
    LossyClient& operator=(const LossyClient&) = delete;

    void observe(const std::string& path) {
        path_ = path;
        request({.token = "o", .path = path_, .options = {{option::observe, ""}}});
    }
    /// Publishes bodies in order, each in blocks when it is longer than one.
    void publish(const std::string& path, const std::string& body) {
        constexpr std::size_t block_bytes = 64;
        const std::size_t count = std::max<std::size_t>(1, (body.size() + 63) / block_bytes);
        for (std::size_t i = 0; i < count; ++i) {
            CoapRequest put{.code = Code::put, .token = "p", .path = path};
            const std::string part = body.substr(i * block_bytes, block_bytes);
            if (count > 1) {
                put.options = {
                    {option::block1, coap_block(static_cast<std::uint32_t>(i), i + 1 < count, 2)}};
            }
            put.payload = part;
            request(put);
        }
    }
    bool is_idle() const { return outstanding_.empty(); }

    std::vector<std::string> bodies;  // of notifications, whole, in the order of their coming
    std::vector<std::string> refusals;

private:
    void request(CoapRequest request) {
        request.message_id = ++message_id_;
        outstanding_.push_back({request.message_id, coap_bytes(request)});
        if (outstanding_.size() == 1) {
            transmit();
        }
    }
    void transmit() {
        if (outstanding_.empty()) {
            return;
        }
        net_.send(port_, outstanding_.front().bytes);
        net_.world().after(1s, [this, id = outstanding_.front().id, alive = alive_] {
            if (*alive && !outstanding_.empty() && outstanding_.front().id == id) {
                transmit();
            }
        });
    }
    void receive(Bytes datagram) {
        const auto message = coap::decode_message(datagram);
        GW_ASSERT(message.has_value());
        if (message->type == Type::acknowledgement) {
            if (!outstanding_.empty() && outstanding_.front().id == message->message_id &&
                message->code != Code::empty) {
                answer(*message);
            }
            return;
        }
        if (message->type == Type::confirmable) {
            net_.send(port_, coap_bytes({.type = Type::acknowledgement,
                                         .code = Code::empty,
                                         .message_id = message->message_id}));
        }
        if (!seen_.insert(message->message_id).second) {
            return;
        }
        if (message->token == coap::Token::from(as_bytes("o"))) {
            notified(*message);
        } else if (message->token == coap::Token::from(as_bytes("p"))) {
            answer(*message);
        }
    }
    void answer(const coap::MessageView& message) {
        outstanding_.pop_front();
        if (!coap::is_success(message.code)) {
            refusals.push_back(std::string{as_text(message.payload)});
        }
        if (message.token == coap::Token::from(as_bytes("b"))) {
            more(message);
        }
        transmit();
    }
    static std::optional<coap::Block> block2_of(Bytes from) {
        coap::OptionReader options{from};
        while (const auto view = options.next()) {
            if (view->number == option::block2) {
                return coap::block_of(view->value);
            }
        }
        return std::nullopt;
    }
    void notified(const coap::MessageView& message) {
        if (is_fetching_) {
            waiting_.push_back({block2_of(message.options), std::string{as_text(message.payload)}});
            return;
        }
        begin(block2_of(message.options), message.payload);
    }
    void begin(const std::optional<coap::Block>& block, Bytes payload) {
        body_ = std::string{as_text(payload)};
        go_on(block);
    }
    void more(const coap::MessageView& message) {
        body_ += as_text(message.payload);
        go_on(block2_of(message.options));
    }
    void go_on(const std::optional<coap::Block>& block) {
        is_fetching_ = block && block->has_more;
        if (is_fetching_) {
            request({.token = "b",
                     .path = path_,
                     .options = {{option::block2,
                                  coap_block(block->number + 1, false, block->size_exponent)}}});
            return;
        }
        bodies.push_back(body_);
        if (!waiting_.empty()) {
            const Notification next = std::move(waiting_.front());
            waiting_.pop_front();
            begin(next.block, as_bytes(next.payload));
        }
    }

    /// Came while the blocks of the one before were being fetched.
    struct Notification {
        std::optional<coap::Block> block;
        std::string payload;
    };
    struct Outstanding {
        std::uint16_t id;
        std::vector<std::uint8_t> bytes;
    };

    CoapNet& net_;
    const std::uint16_t port_;
    std::uint16_t message_id_ = 0;
    std::deque<Outstanding> outstanding_;
    std::set<std::uint16_t> seen_;
    std::string path_, body_;
    bool is_fetching_ = false;
    std::deque<Notification> waiting_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

struct Network {
    Network(std::uint64_t seed, std::uint32_t workers)
        : world(world_options(seed, workers)), net(world, machine_options()) {}

    static SimOptions world_options(std::uint64_t seed, std::uint32_t workers) {
        SimOptions options;
        options.seed = seed;
        options.worker_count = workers;
        options.exchange_delay_max = 2ms;
        options.storage_delay_max = seed % 2 == 0 ? 10ms : 0ms;
        return options;
    }
    static coap::MachineOptions machine_options() {
        coap::MachineOptions options = open_coap();
        options.retransmit_count_max = 30;  // nobody is given up
        options.size_exponent = 2;
        return options;
    }
    void wait_until_idle(const std::vector<const LossyClient*>& clients) {
        for (int i = 0; i < 10000; ++i) {
            bool is_idle = true;
            for (const LossyClient* const one : clients) {
                is_idle = is_idle && one->is_idle();
            }
            if (is_idle) {
                return;
            }
            world.run_for(1s);
        }
        FAIL("requests are never answered");
    }

    SimWorld world;
    CoapNet net;
};

constexpr DatagramLink bad_link{.loss = 25, .duplication = 20, .delay_max = 300ms};
constexpr int message_count = 60;

/// Every third one goes in blocks.
std::string body_of(int number) {
    const std::string text = std::to_string(number);
    return number % 3 == 0 ? text + std::string(200, '.') + text : text;
}

bool has_all(const LossyClient& observer) {
    return observer.bodies.size() >= static_cast<std::size_t>(message_count);
}

/// "0+203 1 2 3+200": how a body begins, and how many bytes follow.
std::string text_of(const std::vector<std::string>& bodies) {
    std::string text;
    for (const std::string& body : bodies) {
        const std::size_t end = std::min(body.find('.'), body.size());
        text += body.substr(0, end) + (end < body.size() ? "+" : " ");
        text += end < body.size() ? std::to_string(body.size() - end) + " " : "";
    }
    return text;
}

}  // namespace

TEST_CASE("exactly the promised notifications over a lossy network") {
    for (const std::uint64_t seed : SimSeeds{}) {
        INFO(sim_repeat("exactly the promised notifications over a lossy network", seed,
                        "coap_sim_test"));
        Network t{seed, seed % 3 == 0 ? 3U : 1U};
        LossyClient observer{t.net, 1000};
        LossyClient other{t.net, 1001};
        LossyClient publisher{t.net, 1002};
        t.net.set_link(bad_link);
        observer.observe("ps/a/b");
        other.observe("ps/a/b");
        t.wait_until_idle({&observer, &other});
        observer.bodies.clear();  // of the registration: the topic's state, which is none
        other.bodies.clear();
        for (int i = 0; i < message_count; ++i) {
            publisher.publish("ps/a/b", body_of(i));
        }
        t.wait_until_idle({&publisher});
        // The pause before a repetition doubles each time (RFC 7252, 4.2): what is lost eleven
        // times comes after more than an hour.
        for (int hour = 0; hour < 20000 && !(has_all(observer) && has_all(other)); ++hour) {
            t.world.run_for(1h);
        }
        t.world.run_for(1h);  // nothing comes twice
        t.wait_until_idle({&observer, &other});
        CHECK(publisher.refusals.empty());
        std::vector<std::string> expected;
        for (int i = 0; i < message_count; ++i) {
            expected.push_back(body_of(i));
        }
        CHECK(text_of(observer.bodies) == text_of(expected));
        CHECK(text_of(other.bodies) == text_of(expected));
    }
}
