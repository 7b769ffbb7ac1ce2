#include "adapters/stomp/codec/header_text.hpp"

#include "broker-core/base/utf8.hpp"

namespace gw::stomp {

namespace {

/// The letter behind the backslash, or 0 when the octet goes as it is.
char escape_of(char c, Version version) {
    switch (c) {
        case '\\':
            return '\\';
        case '\n':
            return 'n';
        case ':':
            return 'c';
        case '\r':
            return version == Version::v1_2 ? 'r' : '\0';
        default:
            return '\0';
    }
}

}  // namespace

bool Unescaper::unescape(std::string_view& text) {
    if (text.find('\\') == std::string_view::npos) {
        return true;
    }
    std::uint8_t* const start = out_;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '\\') {
            if (++i == text.size()) {
                return false;
            }
            switch (text[i]) {
                case '\\':
                    break;
                case 'n':
                    c = '\n';
                    break;
                case 'c':
                    c = ':';
                    break;
                case 'r':
                    if (version_ != Version::v1_2) {
                        return false;
                    }
                    c = '\r';
                    break;
                default:
                    return false;
            }
        }
        *out_++ = static_cast<std::uint8_t>(c);
    }
    text = as_text({start, static_cast<std::size_t>(out_ - start)});
    return true;
}

bool is_readable(Version version, std::string_view raw) {
    if (!is_valid_utf8(as_bytes(raw))) {
        return false;
    }
    for (std::size_t i = 0; i < raw.size() && version != Version::v1_0; ++i) {
        if (raw[i] != '\\') {
            continue;
        }
        ++i;
        const std::string_view letters = version == Version::v1_2 ? "\\ncr" : "\\nc";
        if (i == raw.size() || letters.find(raw[i]) == std::string_view::npos) {
            return false;
        }
    }
    return true;
}

void append_escaped(ByteBuffer& out, Version version, std::string_view text) {
    if (version == Version::v1_0) {
        out.append(text);
        return;
    }
    std::size_t done = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (const char letter = escape_of(text[i], version); letter != '\0') {
            out.append(text.substr(done, i - done));
            out.u8('\\');
            out.u8(static_cast<std::uint8_t>(letter));
            done = i + 1;
        }
    }
    out.append(text.substr(done));
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace gw::stomp
