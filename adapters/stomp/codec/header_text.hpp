#pragma once

#include "adapters/stomp/codec/frame.hpp"

#include <cstdint>
#include <string_view>

namespace gw::stomp {

/// Undoes the escapes of header names and values (STOMP 1.2, "Value Encoding"; 1.1 has no \r).
class Unescaper {
public:
    /// `out` has room for everything that is given to unescape() in all.
    Unescaper(Version version, std::uint8_t* out) : version_(version), out_(out) {}

    /// Replaces `text` by what it stands for. False: a sequence that the version does not define,
    /// which is fatal there.
    bool unescape(std::string_view& text);

private:
    Version version_;
    std::uint8_t* out_;
};

/// Whether a value as it stands in a frame can be read: UTF-8, and no undefined escapes.
bool is_readable(Version version, std::string_view raw);

/// Appends a header's name or value as the version wants it written.
void append_escaped(ByteBuffer& out, Version version, std::string_view text);

/// Without the spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace gw::stomp
