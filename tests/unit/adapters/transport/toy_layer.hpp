#pragma once

#include "adapters/transport/stream_layer.hpp"

#include <string>

namespace gw::test {

inline const std::string goodbye = "\x11";
inline const std::string breach = "\x12";

/// A layer that anybody can follow: the peer says "hello;", gets "welcome;", and from then on each
/// byte has its bits of `key` flipped. '.' means goodbye, '!' is forbidden, before `key` is
/// applied.
class ToyLayer final : public transport::StreamLayer {
public:
    explicit ToyLayer(std::uint8_t key, bool is_open = false, std::string name = "toy")
        : name_(std::move(name)), key_(key), is_open_(is_open) {}

    Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) override {
        for (const std::uint8_t byte : bytes) {
            if (byte == breach[0]) {
                down.append("bad;");
                return Status::failed;
            }
            if (!is_open_) {
                greeting_ += static_cast<char>(byte);
                is_open_ = greeting_ == "hello;";
                if (is_open_) {
                    down.append("welcome;");
                }
            } else if (byte == goodbye[0]) {
                return Status::ended;
            } else {
                up.u8(byte ^ key_);
            }
        }
        return is_open_ ? Status::open : Status::opening;
    }
    void on_send(Bytes bytes, ByteBuffer& down) override {
        for (const std::uint8_t byte : bytes) {
            down.u8(byte ^ key_);
        }
    }
    void on_close(ByteBuffer& down) override { down.append("bye;"); }
    MonotonicTime next_deadline() const override { return deadline; }
    void on_deadline(MonotonicTime, ByteBuffer& down) override {
        deadline = never;
        down.append("tick;");
    }
    void describe(PeerInfo& peer) const override { peer.cookie += name_; }
    Failure failure() const override { return {HandshakeFailure::bad_certificate, "toy"}; }

    MonotonicTime deadline = never;

private:
    std::string name_;
    std::string greeting_;
    std::uint8_t key_;
    bool is_open_;
};

/// What the peer of a ToyLayer would write.
inline std::string flipped(std::string text, char key) {
    for (char& letter : text) {
        letter = static_cast<char>(letter ^ key);
    }
    return text;
}

}  // namespace gw::test
