#include "broker-core/storage/log_store/json_line.hpp"

#include "broker-core/base/base64.hpp"
#include "broker-core/base/json.hpp"
#include "broker-core/base/utf8.hpp"

#include <charconv>
#include <utility>

namespace gw {

namespace {

template <class Number>
bool parse_number(const std::string& text, Number& value) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && at == end;
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&out](std::uint32_t byte) {
        out += static_cast<char>(byte);
    };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

}  // namespace

void JsonLineWriter::key(std::string_view name) {
    if (!std::exchange(is_first_, false)) {
        out_ += ',';
    }
    out_ += '"';
    out_ += name;
    out_ += "\":";
}

JsonLineWriter& JsonLineWriter::number(std::string_view name, std::uint64_t value) {
    key(name);
    out_ += std::to_string(value);
    return *this;
}

JsonLineWriter& JsonLineWriter::signed_number(std::string_view name, std::int64_t value) {
    key(name);
    out_ += std::to_string(value);
    return *this;
}

JsonLineWriter& JsonLineWriter::flag(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
    return *this;
}

JsonLineWriter& JsonLineWriter::text(std::string_view name, std::string_view value) {
    if (!is_valid_utf8(as_bytes(value))) {
        return base64(std::string{name} + "_base64", value);
    }
    key(name);
    append_json_string(out_, value);
    return *this;
}

JsonLineWriter& JsonLineWriter::base64(std::string_view name, std::string_view bytes) {
    key(name);
    out_ += '"' + to_base64(bytes) + '"';
    return *this;
}

JsonLineWriter& JsonLineWriter::numbers(std::string_view name,
                                        const std::vector<std::uint32_t>& values) {
    key(name);
    out_ += '[';
    for (std::size_t index = 0; index < values.size(); ++index) {
        out_ += (index != 0 ? "," : "") + std::to_string(values[index]);
    }
    out_ += ']';
    return *this;
}

/// Walks over one line (RFC 8259, without nested objects and fractions).
class JsonLineParser {
public:
    explicit JsonLineParser(std::string_view line) : line_(line) {}

    Result<JsonLine> run() {
        JsonLine object;
        if (!take('{')) {
            return wrong("an object is expected");
        }
        if (!take('}')) {
            do {
                std::string name;
                if (!string(name) || !take(':')) {
                    return wrong("a name and a colon are expected");
                }
                JsonLine::Value value;
                if (!read_value(value)) {
                    return wrong("no value that can stand here");
                }
                if (!object.members_.try_emplace(std::move(name), std::move(value)).second) {
                    return wrong("a name stands twice");
                }
            } while (take(','));
            if (!take('}')) {
                return wrong("a comma or a closing brace is expected");
            }
        }
        skip_space();
        if (at_ != line_.size()) {
            return wrong("more follows the object");
        }
        return object;
    }

private:
    Error wrong(const char* what) const {
        return Error{Errc::invalid_argument, "column " + std::to_string(at_ + 1) + ": " + what};
    }

    void skip_space() {
        while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' ||
                                      line_[at_] == '\r' || line_[at_] == '\n')) {
            ++at_;
        }
    }
    bool take(char wanted) {
        skip_space();
        if (at_ == line_.size() || line_[at_] != wanted) {
            return false;
        }
        ++at_;
        return true;
    }
    bool take_word(std::string_view word) {
        if (line_.substr(at_, word.size()) != word) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    bool hex4(std::uint32_t& code) {
        const std::string text{line_.substr(at_, 4)};
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, code, 16);
        at_ += text.size();
        return text.size() == 4 && error == std::errc{} && stop == end;
    }
    bool escaped_code(std::string& out) {
        std::uint32_t code = 0;
        if (!hex4(code)) {
            return false;
        }
        if (code >= 0xd800 && code < 0xdc00) {  // half of a pair
            std::uint32_t low = 0;
            if (!take_word("\\u") || !hex4(low) || low < 0xdc00 || low > 0xdfff) {
                return false;
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code < 0xe000) {
            return false;
        }
        append_utf8(out, code);
        return true;
    }
    bool string(std::string& out) {
        if (!take('"')) {
            return false;
        }
        while (at_ < line_.size()) {
            const char c = line_[at_++];
            if (c == '"') {
                return true;
            }
            if (c != '\\') {
                out += c;
                continue;
            }
            constexpr std::string_view escapes = "\"\\/bfnrt";
            constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
            const char escape = at_ < line_.size() ? line_[at_++] : '\0';
            const std::size_t found = escapes.find(escape);
            if (found != std::string_view::npos) {
                out += meanings[found];
            } else if (escape != 'u' || !escaped_code(out)) {
                return false;
            }
        }
        return false;
    }
    bool number(std::string& out) {
        skip_space();
        const std::size_t start = at_;
        at_ += at_ < line_.size() && line_[at_] == '-' ? 1U : 0U;
        while (at_ < line_.size() && line_[at_] >= '0' && line_[at_] <= '9') {
            ++at_;
        }
        out = line_.substr(start, at_ - start);
        return !out.empty() && out != "-";
    }
    bool read_value(JsonLine::Value& value) {
        using Kind = JsonLine::Value::Kind;
        skip_space();
        const char first = at_ < line_.size() ? line_[at_] : '\0';
        if (first == '"') {
            value.kind = Kind::text;
            return string(value.text);
        }
        if (first == 't' || first == 'f') {
            value.kind = Kind::flag;
            value.flag = first == 't';
            return take_word(value.flag ? "true" : "false");
        }
        if (first != '[') {
            value.kind = Kind::number;
            return number(value.text);
        }
        value.kind = Kind::numbers;
        ++at_;
        if (take(']')) {
            return true;
        }
        do {
            if (!number(value.numbers.emplace_back())) {
                return false;
            }
        } while (take(','));
        return take(']');
    }

    std::string_view line_;
    std::size_t at_ = 0;
};

Result<JsonLine> JsonLine::parse(std::string_view line) {
    return JsonLineParser{line}.run();
}

void JsonLine::note_problem(const std::string& text) {
    if (problem_.empty()) {
        problem_ = text;
    }
}

const JsonLine::Value* JsonLine::find(const std::string& name, Value::Kind kind) {
    const auto found = members_.find(name);
    if (found == members_.end()) {
        note_problem("\"" + name + "\" is missing");
        return nullptr;
    }
    if (found->second.kind != kind) {
        note_problem("\"" + name + "\" is of the wrong type");
        return nullptr;
    }
    return &found->second;
}

std::uint64_t JsonLine::number(const std::string& name) {
    const Value* value = find(name, Value::Kind::number);
    std::uint64_t number = 0;
    if (value != nullptr && !parse_number(value->text, number)) {
        note_problem("\"" + name + "\" is out of range");
    }
    return number;
}

std::int64_t JsonLine::signed_number(const std::string& name) {
    const Value* value = find(name, Value::Kind::number);
    std::int64_t number = 0;
    if (value != nullptr && !parse_number(value->text, number)) {
        note_problem("\"" + name + "\" is out of range");
    }
    return number;
}

bool JsonLine::flag(const std::string& name) {
    const Value* value = find(name, Value::Kind::flag);
    return value != nullptr && value->flag;
}

std::string JsonLine::text(const std::string& name) {
    if (!has(name) && has(name + "_base64")) {
        return base64(name + "_base64");
    }
    const Value* value = find(name, Value::Kind::text);
    return value != nullptr ? value->text : std::string{};
}

std::string JsonLine::base64(const std::string& name) {
    const Value* value = find(name, Value::Kind::text);
    if (value == nullptr) {
        return {};
    }
    auto bytes = from_base64(value->text);
    if (!bytes) {
        note_problem("\"" + name + "\" is no base64");
        return {};
    }
    return std::move(*bytes);
}

std::vector<std::uint32_t> JsonLine::numbers(const std::string& name) {
    const Value* value = find(name, Value::Kind::numbers);
    std::vector<std::uint32_t> numbers;
    if (value == nullptr) {
        return numbers;
    }
    for (const std::string& text : value->numbers) {
        if (!parse_number(text, numbers.emplace_back())) {
            note_problem("\"" + name + "\" holds a number out of range");
        }
    }
    return numbers;
}

}  // namespace gw
