#include "adapters/sockjs/text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace gw::sockjs {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::uint32_t replacement = 0xfffd;

bool is_surrogate(std::uint32_t code) {
    return code >= 0xd800 && code <= 0xdfff;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void append_code(std::string& out, std::uint32_t code) {
    const auto byte = [&out](std::uint32_t value) {
        out += static_cast<char>(static_cast<unsigned char>(value));
    };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xc0 | code >> 6);
        byte(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        byte(0xe0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    }
}

struct Code {
    std::uint32_t code = replacement;
    std::size_t bytes = 1;
    bool is_valid = false;
};

/// The character at `at`. Surrogates count as characters here.
Code code_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    };
    const std::uint32_t first = byte(at);
    if (first < 0x80) {
        return {first, 1, true};
    }
    const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xc2 || first > 0xf4 || text.size() - at < bytes) {
        return {};
    }
    std::uint32_t code = first & (0xffU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) {
            return {};
        }
        code = code << 6 | (byte(at + i) & 0x3f);
    }
    if (code < least[bytes] || code > 0x10ffff) {
        return {};
    }
    return {code, bytes, true};
}

void append_escape(std::string& out, std::uint32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) {
        out += hex_digits[unit >> shift & 15];
    }
}

/// Reads JSON strings.
class JsonReader {
public:
    explicit JsonReader(std::string_view json) : json_(json) {}

    std::optional<std::vector<std::string>> read() {
        std::vector<std::string> messages;
        if (take('[')) {
            if (!take(']')) {
                do {
                    messages.emplace_back();
                    if (!read_string(messages.back())) {
                        return std::nullopt;
                    }
                } while (take(','));
                if (!take(']')) {
                    return std::nullopt;
                }
            }
        } else {
            messages.emplace_back();
            if (!read_string(messages.back())) {
                return std::nullopt;
            }
        }
        skip_space();
        return at_ == json_.size() ? std::optional{std::move(messages)} : std::nullopt;
    }

private:
    void skip_space() {
        while (at_ < json_.size() &&
               std::string_view{" \t\r\n"}.find(json_[at_]) != std::string_view::npos) {
            ++at_;
        }
    }

    bool take(char wanted) {
        skip_space();
        if (at_ < json_.size() && json_[at_] == wanted) {
            ++at_;
            return true;
        }
        return false;
    }

    bool read_string(std::string& out) {
        if (!take('"')) {
            return false;
        }
        while (at_ < json_.size()) {
            const char c = json_[at_];
            if (c == '"') {
                ++at_;
                return true;
            }
            if (c == '\\') {
                if (!read_escape(out)) {
                    return false;
                }
                continue;
            }
            const Code code = code_at(json_, at_);
            // Control characters must be escaped (RFC 8259, 7); some clients do not.
            if (!code.is_valid || is_surrogate(code.code)) {
                return false;
            }
            out += json_.substr(at_, code.bytes);
            at_ += code.bytes;
        }
        return false;
    }

    bool read_escape(std::string& out) {
        if (json_.size() - at_ < 2) {
            return false;
        }
        const char kind = json_[at_ + 1];
        if (kind == 'u') {
            return read_code(out);
        }
        constexpr std::string_view kinds = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const std::size_t found = kinds.find(kind);
        if (found == std::string_view::npos) {
            return false;
        }
        out += meanings[found];
        at_ += 2;
        return true;
    }

    bool read_code(std::string& out) {
        std::uint32_t code = 0;
        if (!read_unit(code)) {
            return false;
        }
        if (code >= 0xd800 && code <= 0xdbff) {
            const std::size_t before = at_;
            std::uint32_t low = 0;
            if (read_unit(low) && low >= 0xdc00 && low <= 0xdfff) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                at_ = before;  // it stands alone
            }
        }
        append_code(out, code);
        return true;
    }

    bool read_unit(std::uint32_t& unit) {
        constexpr std::size_t escape_bytes = 6;
        if (json_.size() - at_ < escape_bytes || json_.substr(at_, 2) != "\\u") {
            return false;
        }
        unit = 0;
        for (std::size_t i = 2; i < escape_bytes; ++i) {
            const int digit = hex_value(json_[at_ + i]);
            if (digit < 0) {
                return false;
            }
            unit = unit << 4 | static_cast<std::uint32_t>(digit);
        }
        at_ += escape_bytes;
        return true;
    }

    std::string_view json_;
    std::size_t at_ = 0;
};

bool must_be_escaped(std::uint32_t code) {
    return code < 0x20 || (code >= 0x200c && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202f) || (code >= 0x2060 && code <= 0x206f) ||
           (code >= 0xfff0 && code <= 0xffff) || is_surrogate(code);
}

}  // namespace

std::optional<std::vector<std::string>> decode_messages(std::string_view json) {
    return JsonReader{json}.read();
}

void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t at = 0; at < text.size();) {
        const Code found = code_at(text, at);
        constexpr std::string_view short_codes = "\"\\\b\f\n\r\t";
        constexpr std::string_view short_names = "\"\\bfnrt";
        const std::size_t name =
            found.code < 0x80 ? short_codes.find(text[at]) : std::string_view::npos;
        if (name != std::string_view::npos) {
            out += '\\';
            out += short_names[name];
        } else if (found.code >= 0x10000) {
            append_escape(out, 0xd800 + ((found.code - 0x10000) >> 10));
            append_escape(out, 0xdc00 + ((found.code - 0x10000) & 0x3ff));
        } else if (must_be_escaped(found.code)) {
            append_escape(out, found.code);
        } else {
            out += text.substr(at, found.bytes);
        }
        at += found.bytes;
    }
    out += '"';
}

void append_script_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '<' || static_cast<unsigned char>(c) < 0x20) {
            append_escape(out, static_cast<unsigned char>(c));  // "</script>" would end the script
        } else {
            out += c;
        }
    }
    out += '"';
}

void mask_broken_bytes(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const Code found = code_at(text, at);
        if (!found.is_valid) {
            text[at] = '?';
        }
        at += found.bytes;
    }
}

void replace_surrogates(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const Code found = code_at(text, at);
        if (is_surrogate(found.code)) {
            std::string mark;
            append_code(mark, replacement);
            text.replace(at, found.bytes, mark);
        }
        at += found.bytes;
    }
}

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '+' && plus == Plus::is_space) {
            out += ' ';
        } else if (text[at] == '%') {
            const int high = at + 2 < text.size() ? hex_value(text[at + 1]) : -1;
            const int low = at + 2 < text.size() ? hex_value(text[at + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            out += static_cast<char>(static_cast<unsigned char>(high << 4 | low));
            at += 2;
        } else {
            out += text[at];
        }
    }
    return out;
}

std::optional<std::string> form_field(std::string_view form, std::string_view name, Plus plus) {
    while (!form.empty()) {
        const std::string_view field = form.substr(0, form.find('&'));
        form.remove_prefix(std::min(form.size(), field.size() + 1));
        const std::size_t equals = field.find('=');
        if (equals != std::string_view::npos && field.substr(0, equals) == name) {
            return percent_decode(field.substr(equals + 1), plus);
        }
    }
    return std::nullopt;
}

namespace {
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

void append_base64(std::string& out, std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const auto byte =
                at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
            group = group << 8 | byte;
        }
        for (std::size_t i = 0; i < 4; ++i) {
            const bool is_there = i <= bytes.size() - at;
            out += is_there ? base64_digits[group >> (18 - 6 * i) & 63] : '=';
        }
    }
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += 4) {
        const std::string_view group = text.substr(at, 4);
        const std::size_t padding = group.ends_with("==") ? 2 : group.ends_with('=') ? 1 : 0;
        if (padding != 0 && at + 4 != text.size()) {
            return std::nullopt;
        }
        std::uint32_t bits = 0;
        for (const char c : group.substr(0, 4 - padding)) {
            const std::size_t digit = base64_digits.find(c);
            if (digit == std::string_view::npos) {
                return std::nullopt;
            }
            bits = bits << 6 | static_cast<std::uint32_t>(digit);
        }
        bits <<= 6 * padding;
        for (std::size_t i = 0; i < 3 - padding; ++i) {
            out += static_cast<char>(static_cast<unsigned char>(bits >> (16 - 8 * i) & 0xff));
        }
    }
    return out;
}

}  // namespace gw::sockjs
