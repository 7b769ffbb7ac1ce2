#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gw {

/// How many bytes at the front of a text are not to be shown to a person as they are; 0: its first
/// character may be. Not to be shown are control characters (C0, DEL, C1), characters that change
/// the direction or the place of what stands beside them (U+061C, 200E, 200F, 2028 to 202E, 2066 to
/// 2069), those that are not to be seen (U+200B to 200D, 2060 to 2065, 206A to 206F, FEFF), and
/// bytes that are no UTF-8. Who chooses a name could else write another one into what a person
/// reads, or have a terminal obey him.
std::size_t unprintable_bytes(std::string_view text);

/// Bytes of the first character of a text that is printable there.
std::size_t character_bytes(std::string_view text);

/// Appends the text with `\xNN` for each byte that is not to be shown; nothing else is changed.
void append_printable(std::string& out, std::string_view text);

}  // namespace gw
