// Time of one decode and one encode of a small PUBLISH, the two hot paths of the codec, and of
// other packets, in nanoseconds. Prints the best of several rounds, since other work on the machine
// only ever adds.
#include "adapters/mqtt/codec/codec.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>

namespace gw::mqtt {
namespace {

constexpr int rounds = 10;
constexpr int packets_per_round = 1'000'000;

/// Keeps the compiler from seeing that nobody uses a result.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "g"(&value) : "memory");
}

template <class Work>
void measure(const char* name, const Work& work) {
    double best = std::numeric_limits<double>::max();
    for (int round = 0; round < rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < packets_per_round; ++i) {
            work();
        }
        const std::chrono::duration<double, std::nano> taken =
            std::chrono::steady_clock::now() - start;
        best = std::min(best, taken.count() / packets_per_round);
    }
    std::printf("%-52s %7.1f ns\n", name, best);
}

void measure_decode(const char* name, Version version, const PublishOut& fields) {
    ByteBuffer packet;
    encode_publish(packet, version, fields);
    ByteBuffer scratch;
    PublishPacket decoded;
    measure(name, [&] {
        const FrameOutcome outcome = read_frame(packet.view(), 1'048'576, version);
        const auto result =
            decode_publish(outcome.frame, {version, Sender::client}, scratch, decoded);
        keep(result);
        keep(decoded);
    });
}

void measure_encode(const char* name, Version version, const PublishOut& fields) {
    ByteBuffer out;
    measure(name, [&] {
        out.clear();
        if (publish_size(version, fields) <= protocol_packet_bytes_max) {
            encode_publish(out, version, fields);
        }
        keep(out);
    });
}

void run() {
    const std::string payload(64, 'x');
    PublishOut qos_0;
    qos_0.topic = "plant/line7/oven3/temp";
    qos_0.payload = as_bytes(payload);
    PublishOut qos_1 = qos_0;
    qos_1.qos = Qos::at_least_once;
    qos_1.packet_id = 1;
    ByteBuffer block;
    PropertyWriter writer{block};
    writer.content_type("application/json");
    writer.user_property("unit", "celsius");
    writer.user_property("trace", "0123456789abcdef");
    PublishOut rich = qos_1;
    rich.properties = block.view();
    rich.message_expiry_interval = 60;

    measure_decode("decode PUBLISH 3.1.1, QoS 0, 64 bytes", Version::v3_1_1, qos_0);
    measure_decode("decode PUBLISH 5, QoS 0, 64 bytes", Version::v5, qos_0);
    measure_decode("decode PUBLISH 5, QoS 1, 64 bytes, 4 properties", Version::v5, rich);
    measure_encode("encode PUBLISH 3.1.1, QoS 0, 64 bytes", Version::v3_1_1, qos_0);
    measure_encode("encode PUBLISH 5, QoS 1, 64 bytes", Version::v5, qos_1);
    measure_encode("encode PUBLISH 5, QoS 1, 64 bytes, 4 properties", Version::v5, rich);

    ByteBuffer ack;
    encode_ack(ack, Version::v5, PacketType::puback, 1);
    // What a connection that moves to another worker costs twice.
    ConnectPacket connect;
    connect.version = Version::v5;
    connect.client_id = "plant-line7-oven3";
    connect.username = "oven";
    connect.password = as_bytes("secret password");
    connect.session_expiry_interval = 3600;
    ByteBuffer connect_bytes;
    encode_connect(connect_bytes, connect);
    ByteBuffer connect_scratch;
    measure("decode CONNECT 5, id, user, password", [&] {
        const FrameOutcome outcome = read_frame(connect_bytes.view(), 1'048'576, Version::v5);
        const auto packet = decode_connect(outcome.frame.body, connect_scratch);
        keep(packet);
    });
    measure("decode PUBACK 5", [&] {
        const FrameOutcome outcome = read_frame(ack.view(), 1'048'576, Version::v5);
        const auto packet = decode_ack(outcome.frame.type(), outcome.frame.body, Version::v5);
        keep(packet);
    });
    ByteBuffer out;
    measure("encode PUBACK 5", [&] {
        out.clear();
        encode_ack(out, Version::v5, PacketType::puback, 1);
        keep(out);
    });
}

}  // namespace
}  // namespace gw::mqtt

int main() {
    gw::mqtt::run();
    return 0;
}
