// Clients that say anything, against a real broker and real connection machines, in simulated time.
// The input is a list of steps: bytes on one of several links, time that passes, decisions that
// come, links that close. Properties, for any input:
//   1. no assertion, no memory error, no end without an end;
//   2. no bound of a queue is exceeded;
//   3. what the broker writes is packets of the version that the client spoke, and nothing follows
//      CONNACK with an error or DISCONNECT;
//   4. when all links are gone, every session ends in its time and leaves nothing behind.
#include "tests/support/mqtt_packet_text.hpp"
#include "tests/support/sim_world.hpp"
#include "tests/support/slow_decisions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gw::test {
namespace {

/// Reads what comes as a client of one version; the version is what its CONNECT said.
class Listener final : public SimPeer {
public:
    void on_bytes(Bytes bytes) override {
        input_.append(bytes);
        while (true) {
            const auto outcome =
                mqtt::read_frame(input_.view(), mqtt::protocol_packet_bytes_max, version);
            GW_ASSERT(outcome.status != mqtt::FrameStatus::error);
            if (outcome.status == mqtt::FrameStatus::need_more) {
                return;
            }
            GW_ASSERT(!is_over_);
            judge(outcome.frame);
            input_.consume(outcome.frame.packet_bytes);
        }
    }
    void on_closed() override {}

    mqtt::Version version = mqtt::Version::v5;

private:
    void judge(const mqtt::Frame& frame) {
        using mqtt::PacketType;
        if (frame.type() == PacketType::connack) {
            // An unknown protocol level is answered in the form of 3.1.1.
            const bool is_short = frame.body.size() == 2;
            const auto packet =
                mqtt::decode_connack(frame.body, is_short ? mqtt::Version::v3_1_1 : version);
            GW_ASSERT(packet.has_value() && !is_accepted_);
            is_accepted_ = packet->reason == ReasonCode::success;
            is_over_ = !is_accepted_;
            return;
        }
        GW_ASSERT(is_accepted_ || frame.type() == PacketType::auth);
        GW_ASSERT(!mqtt::testing::decode_failure(frame, {version, mqtt::Sender::server}));
        is_over_ = frame.type() == PacketType::disconnect;
    }

    ByteBuffer input_;
    bool is_accepted_ = false;
    bool is_over_ = false;
};

/// The version that the CONNECT in front of `sent` is answered in, as far as it is complete.
mqtt::Version version_in(Bytes sent) {
    const auto outcome = mqtt::read_frame(sent, mqtt::protocol_packet_bytes_max);
    if (outcome.status != mqtt::FrameStatus::frame ||
        outcome.frame.type() != mqtt::PacketType::connect) {
        return mqtt::Version::v5;
    }
    ByteBuffer scratch;
    const auto packet = mqtt::decode_connect(outcome.frame.body, scratch);
    return packet ? packet->version : packet.error().reply_version.value_or(mqtt::Version::v5);
}

class MachineFuzz {
public:
    explicit MachineFuzz(std::uint8_t settings)
        : world_(options_for(settings)), decisions_(world_, true) {
        world_.set_mountpoint((settings & 64) != 0 ? "m/" : "");
        world_.shared().auth_methods = std::make_shared<FakeAuthMethods>();
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
        }
        finish();
    }

private:
    static constexpr std::size_t link_count = 3;
    struct Link {
        std::unique_ptr<Listener> peer;
        LinkId id = 0;
        ByteBuffer sent;
    };

    static SimOptions options_for(std::uint8_t settings) {
        SimOptions options;
        options.worker_count = (settings & 1) != 0 ? 2 : 1;
        options.storage_delay_max = Milliseconds{(settings & 2) != 0 ? 20 : 0};
        options.broker.queue_limits = {
            .count_max = 8, .bytes_max = 4000, .drop = static_cast<DropPolicy>(settings / 4 % 3)};
        options.broker.inflight_max = 4;
        options.broker.upgrade_qos = (settings & 16) != 0;
        options.machine.packet_bytes_max = 64 * 1024;
        options.machine.receive_maximum = 5;
        options.machine.unsent_bytes_max = 300;
        options.machine.user_properties_max = 4;
        options.machine.publish_rate_max = (settings & 32) != 0 ? 5 : 0;
        options.machine.session_expiry = Seconds{1000};
        options.broker.expiry_interval_max = Seconds{2000};
        return options;
    }

    void reopen(std::size_t index) {
        Link& link = links_[index];
        if (link.peer) {
            world_.forget_peer(link.id);
            world_.close(link.id);
            world_.settle();
        }
        link.peer = std::make_unique<Listener>();
        link.sent.clear();
        link.id =
            world_.connect(*link.peer, static_cast<std::uint32_t>(index) % world_.worker_count());
    }

    void take_step(std::uint8_t step, std::uint8_t argument, Reader& in) {
        const std::size_t index = step / 16 % link_count;
        Link& link = links_[index];
        switch (step % 16) {
            default: {
                // Most steps are bytes.
                const Bytes bytes = in.take(std::min<std::size_t>(argument, in.remaining()));
                link.sent.append(bytes);
                link.peer->version = version_in(link.sent.view());
                world_.send(link.id, bytes);
                break;
            }
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
                world_.set_reading(link.id, argument % 2 == 0);
                break;
            case 14:
                world_.shared().memory_grade = static_cast<MemoryGrade>(argument % 4);
                break;
        }
        world_.settle();
    }

    void finish() {
        for (Link& link : links_) {
            world_.forget_peer(link.id);
            world_.close(link.id);
        }
        world_.run_for(Seconds{2001});
        expect_nothing_left(world_);
    }

    SimWorld world_;
    SlowDecisions decisions_;
    std::vector<Link> links_;
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
