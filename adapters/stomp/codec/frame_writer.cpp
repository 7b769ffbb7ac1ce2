#include "adapters/stomp/codec/frame_writer.hpp"

#include "adapters/stomp/codec/header_text.hpp"

#include <charconv>

namespace gw::stomp {

void FrameWriter::header(std::string_view name, std::string_view value) {
    if (name.empty()) {
        return;
    }
    if (version_ == Version::v1_0 && (name.find_first_of(":\n") != std::string_view::npos ||
                                      value.find('\n') != std::string_view::npos)) {
        return;
    }
    append_escaped(out_, version_, name);
    out_.u8(':');
    append_escaped(out_, version_, value);
    out_.u8('\n');
}

void FrameWriter::number(std::string_view name, std::uint64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    plain(name, {digits, static_cast<std::size_t>(end.ptr - digits)});
}

}  // namespace gw::stomp
