#pragma once

#include "adapters/stomp/codec/frame.hpp"

#include <cstdint>
#include <string_view>

namespace gw::stomp {

/// Appends one frame to an output: the command, then headers, then end() or its two halves.
class FrameWriter {
public:
    FrameWriter(ByteBuffer& out, Version version, Command command)
        : out_(out), version_(is_escaped(command) ? version : Version::v1_0) {
        out_.append(command_text(command));
        out_.u8('\n');
    }

    /// A header that the version has no way to write is left out: a line end in 1.0, and a name
    /// that is empty.
    void header(std::string_view name, std::string_view value);
    /// A header whose name and value hold nothing that would have to be escaped.
    void plain(std::string_view name, std::string_view value) {
        out_.append(name);
        out_.u8(':');
        out_.append(value);
        out_.u8('\n');
    }
    void number(std::string_view name, std::uint64_t value);

    /// Ends the head; the body and end_frame() follow.
    void end_head() { out_.u8('\n'); }
    void end_frame() { out_.u8(0); }
    void end() {
        end_head();
        end_frame();
    }

private:
    ByteBuffer& out_;
    Version version_;
};

}  // namespace gw::stomp
