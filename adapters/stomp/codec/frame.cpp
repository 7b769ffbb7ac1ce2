#include "adapters/stomp/codec/frame.hpp"

#include "adapters/stomp/codec/header_text.hpp"
#include "adapters/stomp/codec/values.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace gw::stomp {

namespace {

constexpr std::array<std::string_view, 15> commands = {
    "CONNECT", "STOMP", "SEND",       "SUBSCRIBE", "UNSUBSCRIBE", "ACK",     "NACK", "BEGIN",
    "COMMIT",  "ABORT", "DISCONNECT", "CONNECTED", "MESSAGE",     "RECEIPT", "ERROR"};
constexpr std::size_t command_bytes_max = 11;
constexpr std::string_view content_length = "content-length:";

bool may_have_body(Command command) {
    return command == Command::send || command == Command::message || command == Command::error;
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

/// Lines of a head, without their ends; ends at the empty one or where the bytes do.
class Lines {
public:
    explicit Lines(Bytes head) : rest_(as_text(head)) {}

    /// False at the empty line, and when no whole line is left.
    bool next(std::string_view& line) {
        const std::size_t end = rest_.find('\n');
        if (end == std::string_view::npos) {
            return false;
        }
        line = without_line_end(rest_.substr(0, end));
        rest_.remove_prefix(end + 1);
        return !line.empty();
    }

private:
    std::string_view rest_;
};

}  // namespace

std::string_view version_text(Version version) {
    switch (version) {
        case Version::v1_0:
            return "1.0";
        case Version::v1_1:
            return "1.1";
        case Version::v1_2:
            return "1.2";
    }
    GW_UNREACHABLE();
}

std::string_view command_text(Command command) {
    return commands[static_cast<std::size_t>(command)];
}

std::optional<Command> find_command(std::string_view text) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
        if (commands[i] == text) {
            return static_cast<Command>(i);
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> Frame::find(std::string_view name) const {
    for (const Header& header : headers) {
        if (header.name == name) {
            return header.value;
        }
    }
    return std::nullopt;
}

// ------------------------------------------------------------------------------------ reading

FrameStatus FrameReader::fail(DecodeError error) {
    error_ = error;
    return FrameStatus::error;
}

FrameStatus FrameReader::read(Bytes bytes, const FrameLimits& limits) {
    if (head_bytes_ == 0) {
        if (const FrameStatus status = read_head(bytes, limits); status != FrameStatus::frame) {
            return status;
        }
    }
    return read_body(bytes, limits);
}

FrameStatus FrameReader::read_head(Bytes bytes, const FrameLimits& limits) {
    while (head_bytes_ == 0) {
        const Bytes fresh = bytes.subspan(scanned_);
        if (fresh.empty()) {
            return FrameStatus::need_more;
        }
        const void* const line_end = std::memchr(fresh.data(), '\n', fresh.size());
        const std::size_t line_bytes =
            line_end == nullptr ? fresh.size()
                                : static_cast<std::size_t>(
                                      static_cast<const std::uint8_t*>(line_end) - fresh.data());
        if (std::memchr(fresh.data(), 0, line_bytes) != nullptr) {
            return fail(DecodeError::nul_in_head);
        }
        const std::string_view line =
            as_text(bytes.subspan(line_start_, scanned_ - line_start_ + line_bytes));
        if (!has_command_ && line.size() > command_bytes_max + 1) {
            return fail(limits.connect_only ? DecodeError::connect_expected
                                            : DecodeError::command_unknown);
        }
        if (without_line_end(line).size() > limits.line_bytes_max) {
            return fail(DecodeError::line_too_long);
        }
        scanned_ += static_cast<std::uint32_t>(line_bytes);
        if (line_end == nullptr) {
            return FrameStatus::need_more;
        }
        ++scanned_;
        const FrameStatus status = take_line(without_line_end(line), limits);
        if (status == FrameStatus::error) {
            return status;
        }
        line_start_ = scanned_;
    }
    return FrameStatus::frame;
}

FrameStatus FrameReader::take_line(std::string_view line, const FrameLimits& limits) {
    if (!has_command_) {
        return take_command(line, limits);
    }
    if (line.empty()) {
        return end_head(limits);
    }
    if (++header_count_ > limits.header_count_max) {
        return fail(DecodeError::too_many_headers);
    }
    if (!has_length_ && line.starts_with(content_length)) {
        const auto length = parse_number(trimmed(line.substr(content_length.size())));
        if (!length) {
            return fail(DecodeError::content_length_invalid);
        }
        has_length_ = true;
        // More than any limit allows is as good as the number itself.
        body_bytes_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(*length, 0xffffffffU));
    }
    return FrameStatus::need_more;
}

FrameStatus FrameReader::take_command(std::string_view line, const FrameLimits& limits) {
    const auto found = find_command(line);
    if (limits.connect_only && found != Command::connect && found != Command::stomp) {
        // The rest of it is not waited for: whoever speaks another protocol is told at once.
        if (!found || !is_from_client(*found)) {
            return fail(DecodeError::connect_expected);
        }
    }
    if (!found) {
        return fail(DecodeError::command_unknown);
    }
    command_ = *found;
    has_command_ = true;
    return FrameStatus::need_more;
}

FrameStatus FrameReader::end_head(const FrameLimits& limits) {
    head_bytes_ = scanned_;
    // Here, and not at the command, so that the answer can name the frame's receipt.
    if (limits.connect_only && command_ != Command::connect && command_ != Command::stomp) {
        return fail(DecodeError::connect_expected);
    }
    if (has_length_ && body_bytes_ != 0 && !may_have_body(command_)) {
        return fail(DecodeError::body_not_allowed);
    }
    if (has_length_ && body_bytes_ > limits.body_bytes_max) {
        return fail(DecodeError::body_too_large);
    }
    return FrameStatus::frame;
}

FrameStatus FrameReader::read_body(Bytes bytes, const FrameLimits& limits) {
    if (has_length_) {
        const std::size_t end = std::size_t{head_bytes_} + body_bytes_;
        if (bytes.size() <= end) {
            return FrameStatus::need_more;
        }
        return bytes[end] == 0 ? FrameStatus::frame : fail(DecodeError::body_not_terminated);
    }
    const Bytes fresh = bytes.subspan(scanned_);
    if (fresh.empty()) {
        return FrameStatus::need_more;
    }
    const void* const nul = std::memchr(fresh.data(), 0, fresh.size());
    const std::size_t fresh_bytes =
        nul == nullptr
            ? fresh.size()
            : static_cast<std::size_t>(static_cast<const std::uint8_t*>(nul) - fresh.data());
    const std::size_t body_bytes = scanned_ - head_bytes_ + fresh_bytes;
    if (body_bytes != 0 && !may_have_body(command_)) {
        return fail(DecodeError::body_not_allowed);
    }
    if (body_bytes > limits.body_bytes_max) {
        return fail(DecodeError::body_too_large);
    }
    scanned_ += static_cast<std::uint32_t>(fresh_bytes);
    body_bytes_ = static_cast<std::uint32_t>(body_bytes);
    return nul == nullptr ? FrameStatus::need_more : FrameStatus::frame;
}

// ----------------------------------------------------------------------------------- decoding

Result<std::span<const Header>, DecodeError> decode_head(Command command, Version version,
                                                         Bytes head, FrameScratch& scratch) {
    if (!is_valid_utf8(head)) {
        return DecodeError::header_not_utf8;
    }
    scratch.headers.clear();
    scratch.text.clear();
    const bool has_escapes = version != Version::v1_0 && is_escaped(command) &&
                             std::memchr(head.data(), '\\', head.size()) != nullptr;
    // What is unescaped is not longer than before, so the views below stay good.
    Unescaper unescaper{version, has_escapes ? scratch.text.extend(head.size()) : nullptr};
    Lines lines{head};
    std::string_view line;
    lines.next(line);  // the command
    while (lines.next(line)) {
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos) {
            return DecodeError::header_malformed;
        }
        Header header{line.substr(0, colon), line.substr(colon + 1)};
        if (version == Version::v1_0) {
            // 1.0 says nothing of spaces and has them after the colon in its own examples; from
            // 1.1 on they belong to the value.
            header = {trimmed(header.name), trimmed(header.value)};
            if (header.name.empty()) {
                return DecodeError::header_malformed;
            }
        }
        if (has_escapes && !(unescaper.unescape(header.name) && unescaper.unescape(header.value))) {
            return DecodeError::header_escape_invalid;
        }
        scratch.headers.push_back(header);
    }
    return std::span<const Header>{scratch.headers};
}

std::string_view find_raw(Bytes head, std::string_view name) {
    Lines lines{head};
    std::string_view line;
    while (lines.next(line)) {
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
            return line.substr(name.size() + 1);
        }
    }
    return {};
}

std::size_t count_line_ends(Bytes bytes) {
    std::size_t count = 0;
    while (count < bytes.size()) {
        if (bytes[count] == '\n') {
            ++count;
        } else if (bytes[count] == '\r' && count + 1 < bytes.size() && bytes[count + 1] == '\n') {
            count += 2;
        } else {
            break;
        }
    }
    return count;
}

}  // namespace gw::stomp
