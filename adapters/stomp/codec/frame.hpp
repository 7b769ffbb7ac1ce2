#pragma once

#include "adapters/stomp/codec/decode_error.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace gw::stomp {

/// Protocol versions in the order in which the newest common one is chosen.
enum class Version : std::uint8_t { v1_0, v1_1, v1_2 };
std::string_view version_text(Version version);

/// The commands of STOMP 1.2, "Augmented BNF": first the client's, then the server's.
enum class Command : std::uint8_t {
    connect,
    stomp,
    send,
    subscribe,
    unsubscribe,
    ack,
    nack,
    begin,
    commit,
    abort,
    disconnect,
    connected,
    message,
    receipt,
    error,
};
std::string_view command_text(Command command);
std::optional<Command> find_command(std::string_view text);
inline bool is_from_client(Command command) {
    return command <= Command::disconnect;
}
/// CONNECT, its other name STOMP, and CONNECTED are exchanged before there is a version to escape
/// by (STOMP 1.2, "Value Encoding").
inline bool is_escaped(Command command) {
    return command != Command::connect && command != Command::stomp &&
           command != Command::connected;
}

struct Header {
    std::string_view name;
    std::string_view value;
};

/// One frame; borrows from the bytes and from the scratch that decode_head() was given.
struct Frame {
    Command command = Command::connect;
    std::span<const Header> headers;
    Bytes body;

    /// The value of the first header of this name: later ones do not count (STOMP 1.2, "Repeated
    /// Header Entries").
    std::optional<std::string_view> find(std::string_view name) const;
};

/// What a frame may cost; each is checked as soon as the bytes show it.
struct FrameLimits {
    std::uint32_t header_count_max = 50;
    std::uint32_t line_bytes_max = 8192;  // the command's or one header's, without its end
    std::uint32_t body_bytes_max = 1 << 20;
    bool connect_only = false;  // nothing but CONNECT and STOMP is a command
};

enum class FrameStatus : std::uint8_t { frame, need_more, error };

/// Finds where a frame ends, however its bytes come: what was looked at once is not looked at
/// again, so that a frame that drips in costs no more than one that comes whole. Nothing is
/// copied. One frame of one stream.
class FrameReader {
public:
    /// `bytes` begins where the frame does: what the last call got, and what came since. After
    /// `frame` or `error` call reset().
    FrameStatus read(Bytes bytes, const FrameLimits& limits);
    void reset() { *this = FrameReader{}; }

    /// Nothing of the frame was looked at so far.
    bool is_fresh() const { return scanned_ == 0; }
    DecodeError error() const { return error_; }
    bool has_command() const { return has_command_; }
    Command command() const { return command_; }
    /// With `frame`: the lines up to and with the empty one, the body, and the NUL behind it.
    std::size_t head_bytes() const { return head_bytes_; }
    std::size_t body_bytes() const { return body_bytes_; }
    std::size_t frame_bytes() const { return std::size_t{head_bytes_} + body_bytes_ + 1; }
    /// How much of the head is made of whole lines that were found good.
    std::size_t known_bytes() const { return line_start_; }

private:
    FrameStatus fail(DecodeError error);
    FrameStatus read_head(Bytes bytes, const FrameLimits& limits);
    FrameStatus take_line(std::string_view line, const FrameLimits& limits);
    FrameStatus take_command(std::string_view line, const FrameLimits& limits);
    FrameStatus end_head(const FrameLimits& limits);
    FrameStatus read_body(Bytes bytes, const FrameLimits& limits);

    std::uint32_t scanned_ = 0;     // bytes looked at
    std::uint32_t line_start_ = 0;  // of the line that is not complete
    std::uint32_t head_bytes_ = 0;  // 0: the head is not complete
    std::uint32_t body_bytes_ = 0;  // announced, or found
    std::uint32_t header_count_ = 0;
    Command command_ = Command::connect;
    DecodeError error_ = DecodeError::command_unknown;
    bool has_command_ = false;
    bool has_length_ = false;
};

/// Where the headers of one frame are kept while it is handled.
struct FrameScratch {
    std::vector<Header> headers;
    ByteBuffer text;  // values that were escaped
};

/// Splits the head that FrameReader has found into headers, unescaped as the version says.
Result<std::span<const Header>, DecodeError> decode_head(Command command, Version version,
                                                         Bytes head, FrameScratch& scratch);

/// The value of a header in the whole lines of a head, as it stands there: for the answer to a
/// frame that is broken elsewhere. Empty when there is none.
std::string_view find_raw(Bytes head, std::string_view name);

/// How many of the bytes are ends of lines: what may stand between frames, and heart-beats.
std::size_t count_line_ends(Bytes bytes);

}  // namespace gw::stomp
