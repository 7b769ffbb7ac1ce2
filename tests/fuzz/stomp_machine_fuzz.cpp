// Clients that say anything by STOMP, against a real broker and real connection machines, in
// simulated time. The input is a list of steps: bytes on one of several links, time that passes,
// decisions that come, links that close. Properties, for any input:
//   1. no assertion, no memory error, no end without an end;
//   2. no bound of a queue is exceeded;
//   3. what the broker writes is frames, CONNECTED first, and nothing follows ERROR;
//   4. when all links are gone, every session ends in its time and leaves nothing behind.
#include "tests/support/slow_decisions.hpp"
#include "tests/support/stomp_client.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gw::test {
namespace {

class MachineFuzz {
public:
    explicit MachineFuzz(std::uint8_t settings)
        : options_(machine_options(settings)),
          world_(world_options(settings)),
          decisions_(world_, true) {
        world_.set_mountpoint((settings & 64) != 0 ? "m/" : "");
        watch_queue_limits(world_);
        links_.resize(link_count);
        for (std::size_t i = 0; i < link_count; ++i) {
            reopen(i);
        }
    }

    void run(Bytes input) {
        Reader in{input};
        while (in.remaining() >= 2) {
            const std::uint8_t step = in.u8();
            const std::uint8_t argument = in.u8();
            take_step(step, argument, in);
            judge();
        }
        finish();
    }

private:
    static constexpr std::size_t link_count = 3;
    struct Link {
        std::unique_ptr<StompClient> client;
        bool is_accepted = false;
        bool is_over = false;
    };

    static stomp::MachineOptions machine_options(std::uint8_t settings) {
        stomp::MachineOptions options = open_stomp_listener();
        options.header_count_max = 12;
        options.line_bytes_max = 300;
        options.body_bytes_max = 4000;
        options.unauthenticated_bytes_max = 2000;
        options.unacked_max = 4;
        options.transaction_count_max = 2;
        options.transaction_frame_count_max = 5;
        options.transaction_bytes_max = 4000;
        options.session_expiry = Seconds{1000};
        options.user_properties_max = 4;
        options.unsent_bytes_max = 300;
        options.publish_rate_max = (settings & 32) != 0 ? 5 : 0;
        options.byte_rate_max = (settings & 32) != 0 ? 500 : 0;
        options.destination_alias = (settings & 128) != 0 ? "/topic/" : "";
        return options;
    }

    static SimOptions world_options(std::uint8_t settings) {
        SimOptions options;
        options.worker_count = (settings & 1) != 0 ? 2 : 1;
        options.storage_delay_max = Milliseconds{(settings & 2) != 0 ? 20 : 0};
        options.broker.queue_limits = {
            .count_max = 8, .bytes_max = 4000, .drop = static_cast<DropPolicy>(settings / 4 % 3)};
        options.broker.upgrade_qos = (settings & 16) != 0;
        options.broker.expiry_interval_max = Seconds{2000};
        return options;
    }

    void reopen(std::size_t index) {
        Link& link = links_[index];
        if (link.client) {
            link.client->close();
        }
        link = {};
        link.client = std::make_unique<StompClient>(
            world_, static_cast<std::uint32_t>(index) % world_.worker_count(), options_);
    }

    void take_step(std::uint8_t step, std::uint8_t argument, Reader& in) {
        const std::size_t index = step / 16 % link_count;
        Link& link = links_[index];
        switch (step % 16) {
            default:
                // Most steps are bytes.
                link.client->raw(as_text(in.take(std::min<std::size_t>(argument, in.remaining()))));
                break;
            case 7:
                acknowledge(*link.client, argument);
                break;
            case 8:
                world_.run_for(Milliseconds{argument});
                break;
            case 9:
                world_.run_for(Seconds{argument});
                break;
            case 10:
                reopen(index);
                break;
            case 11:
                decisions_.decide_last_login(argument % 2 == 0 ? "later" : "wrong");
                break;
            case 12:
                decisions_.slow_answer = static_cast<AccessDecision>(argument % 3);
                decisions_.decide_access();
                break;
            case 13:
                world_.set_reading(link.client->link(), argument % 2 == 0);
                break;
            case 14:
                world_.shared().memory_grade = static_cast<MemoryGrade>(argument % 4);
                break;
        }
        world_.settle();
    }

    /// ACK or NACK of the last message, which no bytes of the input can name.
    void acknowledge(StompClient& client, std::uint8_t argument) {
        if (last_message_.command.empty()) {
            return;
        }
        StompHeaders more;
        if ((argument & 2) != 0) {
            more.emplace_back("transaction", "t");
        }
        client.ack(last_message_, (argument & 1) != 0 ? stomp::Command::nack : stomp::Command::ack,
                   more);
    }

    void judge() {
        for (Link& link : links_) {
            while (true) {
                StompFrame frame = link.client->next_frame();
                if (frame.command.empty()) {
                    break;
                }
                GW_ASSERT(!link.is_over);
                const bool is_greeting = frame.command == "CONNECTED";
                link.is_over = frame.command == "ERROR";
                GW_ASSERT(link.is_over || is_greeting != link.is_accepted);
                link.is_accepted = link.is_accepted || is_greeting;
                GW_ASSERT(link.is_over || is_greeting || frame.command == "MESSAGE" ||
                          frame.command == "RECEIPT");
                if (frame.command == "MESSAGE") {
                    GW_ASSERT(!frame.get("message-id").empty());
                    last_message_ = std::move(frame);
                }
            }
        }
    }

    void finish() {
        for (Link& link : links_) {
            link.client->close();
            link.client.reset();
        }
        world_.run_for(Seconds{2001});
        expect_nothing_left(world_);
    }

    const stomp::MachineOptions options_;
    SimWorld world_;
    SlowDecisions decisions_;
    std::vector<Link> links_;
    StompFrame last_message_;
};

}  // namespace
}  // namespace gw::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    gw::test::MachineFuzz fuzz{data[0]};
    fuzz.run({data + 1, size - 1});
    return 0;
}
