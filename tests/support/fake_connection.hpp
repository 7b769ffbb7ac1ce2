#pragma once

#include "adapters/machine/stream_machine.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace gw::test {

/// A connection without a socket: keeps what the machine asked for, for a test or SimWorld to act
/// upon.
class FakeConnection final : public StreamConnection {
public:
    ByteBuffer& output() override { return written; }
    void gather(const MessagePtr&, Bytes bytes) override { written.append(bytes); }
    std::size_t unsent_bytes() const override { return written.size(); }
    void set_deadline(MonotonicTime when) override { deadline = when; }
    void pause_reading() override { is_paused = true; }
    void resume_reading() override {
        is_paused = false;
        is_resumed = true;
    }
    void close(CloseMode mode) override {
        if (!closed) {
            closed = mode;
        }
    }
    void move_to(std::uint32_t worker) override { moved_to = worker; }
    void upgrade(std::shared_ptr<const transport::StreamUpgrade> successor) override {
        upgraded = std::move(successor);
    }

    ByteBuffer written;  // not yet taken by anybody
    MonotonicTime deadline = never;
    bool is_paused = false;
    bool is_resumed = false;
    std::optional<CloseMode> closed;
    std::optional<std::uint32_t> moved_to;
    std::shared_ptr<const transport::StreamUpgrade> upgraded;
};

}  // namespace gw::test
