#include "config/parse/kv_parser.hpp"

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>

namespace gw::config {

namespace {

constexpr std::string_view blanks = " \t";

/// Columns count characters, as editors do: continuation bytes of UTF-8 are not counted.
std::size_t column_of(std::string_view line, std::size_t offset) {
    const std::string_view before = line.substr(0, offset);
    const auto starts = std::count_if(before.begin(), before.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    return static_cast<std::size_t>(starts) + 1;
}

class LineParser {
public:
    LineParser(std::string_view source, std::size_t number, std::string_view line, ParsedText& out)
        : source_(source), number_(number), line_(line), out_(out) {}

    void parse() {
        if (!is_valid_utf8(as_bytes(line_))) {
            fail(0, "not valid UTF-8 text");
            return;
        }
        const std::size_t control = find_control();
        if (control != std::string_view::npos) {
            fail(control, "a control character is not allowed here");
            return;
        }
        const std::size_t start = line_.find_first_not_of(blanks);
        if (start == std::string_view::npos || line_[start] == '#') {
            return;
        }
        const std::size_t equals = line_.find('=', start);
        if (equals == start) {
            fail(start, "the key before `=` is missing");
            return;
        }
        const std::size_t key_end = std::min(line_.find_first_of(" \t=", start), line_.size());
        if (equals == std::string_view::npos ||
            line_.find_first_not_of(blanks, key_end) != equals) {
            fail(start, "expected `key = value`");
            return;
        }
        Entry entry{.key = std::string{line_.substr(start, key_end - start)},
                    .value = {},
                    .line = number_,
                    .key_column = column_of(line_, start),
                    .value_column = 0};
        if (read_value(equals + 1, entry)) {
            out_.entries.push_back(std::move(entry));
        }
    }

private:
    std::size_t find_control() const {
        for (std::size_t i = 0; i < line_.size(); ++i) {
            const auto byte = static_cast<unsigned char>(line_[i]);
            if ((byte < 0x20 && byte != '\t') || byte == 0x7F) {
                return i;
            }
        }
        return std::string_view::npos;
    }

    bool read_value(std::size_t from, Entry& entry) {
        std::size_t start = std::min(line_.find_first_not_of(blanks, from), line_.size());
        entry.value_column = column_of(line_, start);
        if (start < line_.size() && line_[start] == '"') {
            return read_quoted(start, entry);
        }
        if (start < line_.size() && line_[start] == '#') {
            return true;  // an empty value with a comment behind it
        }
        std::size_t end = start;
        while (end < line_.size() && !(line_[end] == '#' && is_blank(line_[end - 1]))) {
            ++end;
        }
        const std::string_view value = line_.substr(start, end - start);
        entry.value = value.substr(0, value.find_last_not_of(blanks) + 1);
        return true;
    }

    bool read_quoted(std::size_t start, Entry& entry) {
        std::size_t at = start + 1;
        while (at < line_.size() && line_[at] != '"') {
            if (line_[at] == '\\') {
                ++at;
                if (at == line_.size() || (line_[at] != '"' && line_[at] != '\\')) {
                    fail(at - 1, "only \\\" and \\\\ are known after a backslash in quotes");
                    return false;
                }
            }
            entry.value += line_[at];
            ++at;
        }
        if (at == line_.size()) {
            fail(start, "the closing quote is missing");
            return false;
        }
        const std::size_t rest = line_.find_first_not_of(blanks, at + 1);
        if (rest != std::string_view::npos && line_[rest] != '#') {
            fail(rest, "text behind the closing quote");
            return false;
        }
        return true;
    }

    static bool is_blank(char c) { return c == ' ' || c == '\t'; }

    void fail(std::size_t offset, std::string_view text) {
        out_.diagnostics.push_back({.severity = Severity::error,
                                    .source = std::string{source_},
                                    .line = number_,
                                    .column = column_of(line_, offset),
                                    .text = std::string{text}});
    }

    std::string_view source_;
    std::size_t number_;
    std::string_view line_;
    ParsedText& out_;
};

}  // namespace

std::string Diagnostic::line_text() const {
    std::string where = source;
    if (line != 0) {
        where += ":" + std::to_string(line);
        if (column != 0) {
            where += ":" + std::to_string(column);
        }
    }
    return where + (severity == Severity::error ? ": error: " : ": warning: ") + text;
}

ParsedText parse_key_values(std::string_view source, std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) {
        text.remove_prefix(byte_order_mark.size());
    }
    ParsedText parsed;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        LineParser{source, number, line, parsed}.parse();
    }
    return parsed;
}

}  // namespace gw::config
