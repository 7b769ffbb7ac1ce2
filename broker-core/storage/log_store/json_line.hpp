#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// One JSON object a line, as `mangrove store export` writes it: its values are strings, whole
// numbers, true, false, or lists of whole numbers. Pure.
namespace gw {

/// Puts one object together. Names are ours, so they are written as they stand.
class JsonLineWriter {
public:
    explicit JsonLineWriter(std::string& out) : out_(out) { out_ += '{'; }

    JsonLineWriter& number(std::string_view name, std::uint64_t value);
    JsonLineWriter& signed_number(std::string_view name, std::int64_t value);
    JsonLineWriter& flag(std::string_view name, bool value);
    /// As a string; text that is not UTF-8 goes as `name`_base64.
    JsonLineWriter& text(std::string_view name, std::string_view value);
    JsonLineWriter& base64(std::string_view name, std::string_view bytes);
    JsonLineWriter& numbers(std::string_view name, const std::vector<std::uint32_t>& values);
    /// Closes the object and the line.
    void end() { out_ += "}\n"; }

private:
    void key(std::string_view name);

    std::string& out_;
    bool is_first_ = true;
};

/// One object that was read. The getters give a default where the member is missing or of another
/// type, and note that; so one look at problem() at the end is enough.
class JsonLine {
public:
    /// Errors: invalid_argument, with what is wrong and the column.
    static Result<JsonLine> parse(std::string_view line);

    std::uint64_t number(const std::string& name);
    std::int64_t signed_number(const std::string& name);
    bool flag(const std::string& name);
    /// Also from `name`_base64.
    std::string text(const std::string& name);
    std::string base64(const std::string& name);
    std::vector<std::uint32_t> numbers(const std::string& name);
    bool has(const std::string& name) const { return members_.contains(name); }

    /// Empty, or the first member that was asked for and is not there or not what it should be.
    const std::string& problem() const { return problem_; }
    void note_problem(const std::string& text);

private:
    struct Value {
        enum class Kind : std::uint8_t { text, number, flag, numbers } kind = Kind::text;
        std::string text;  // also a number's digits
        bool flag = false;
        std::vector<std::string> numbers;
    };

    const Value* find(const std::string& name, Value::Kind kind);

    std::map<std::string, Value> members_;
    std::string problem_;

    friend class JsonLineParser;
};

}  // namespace gw
