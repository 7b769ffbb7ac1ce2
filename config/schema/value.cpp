#include "config/schema/value.hpp"

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/utf8.hpp"
#include "config/schema/schema.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace gw::config {

namespace {

using Parsed = Result<Value, std::string>;

struct Unit {
    std::string_view name;
    std::int64_t factor;
};

// Descending, so that the first that divides a value evenly is the one to print it with.
constexpr std::array<Unit, 5> size_units{
    {{"TB", 1LL << 40}, {"GB", 1LL << 30}, {"MB", 1LL << 20}, {"KB", 1LL << 10}, {"B", 1}}};
constexpr std::array<Unit, 6> duration_units{{{"w", 604'800'000},
                                              {"d", 86'400'000},
                                              {"h", 3'600'000},
                                              {"m", 60'000},
                                              {"s", 1000},
                                              {"ms", 1}}};

std::string quoted(std::string_view text) {
    return "`" + std::string{text} + "`";
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

/// Digits only; "too large" is told apart from "no number".
Result<std::int64_t, std::string> parse_digits(std::string_view digits, std::string_view written,
                                               int base = 10) {
    std::int64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, failure] = std::from_chars(digits.data(), end, number, base);
    if (failure == std::errc::result_out_of_range) {
        return quoted(written) + " is too large";
    }
    if (failure != std::errc{} || stop != end || digits.front() == '-') {
        return quoted(written) + " is not a whole number";
    }
    return number;
}

template <std::size_t Count>
std::string with_unit(std::int64_t number, const std::array<Unit, Count>& units,
                      std::size_t first) {
    for (std::size_t i = first; i < Count; ++i) {
        if (number % units[i].factor == 0) {
            return std::to_string(number / units[i].factor) + std::string{units[i].name};
        }
    }
    return std::to_string(number);
}

std::string size_text(std::int64_t bytes) {
    return bytes == 0 ? "0" : with_unit(bytes, size_units, 0);
}

std::string duration_text(std::int64_t milliseconds) {
    return milliseconds == 0 ? "0s" : with_unit(milliseconds, duration_units, 1);
}

/// A number with a unit behind it.
template <std::size_t Count>
Result<std::int64_t, std::string> parse_with_unit(std::string_view written,
                                                  const std::array<Unit, Count>& units,
                                                  std::int64_t factor_bare,
                                                  std::string_view expected) {
    const std::size_t digit_count =
        std::min(written.find_first_not_of("0123456789"), written.size());
    std::string_view name = written.substr(digit_count);
    const std::size_t gap = std::min(name.find_first_not_of(' '), name.size());
    name.remove_prefix(gap);
    std::int64_t factor = name.empty() && gap == 0 ? factor_bare : 0;
    for (const Unit& unit : units) {
        factor = equals_ignoring_case(name, unit.name) ? unit.factor : factor;
    }
    if (digit_count == 0 || factor == 0) {
        return quoted(written) + " is not a " + std::string{expected};
    }
    const auto number = parse_digits(written.substr(0, digit_count), written);
    if (!number) {
        return number.error();
    }
    if (*number > std::numeric_limits<std::int64_t>::max() / factor) {
        return quoted(written) + " is too large";
    }
    return *number * factor;
}

Parsed parse_number(ValueType type, std::string_view written) {
    Value value;
    Result<std::int64_t, std::string> number{std::int64_t{0}};
    switch (type) {
        case ValueType::byte_size:
            number = parse_with_unit(written, size_units, 1, "size such as 512, 64KB, 8MB or 1GB");
            break;
        case ValueType::duration:
        case ValueType::seconds:
            number = parse_with_unit(written, duration_units, 1000,
                                     "duration such as 500ms, 30s, 5m, 2h or 1d");
            break;
        case ValueType::percent:
            if (!written.ends_with('%')) {
                return quoted(written) + " is not a percentage such as 60%";
            }
            number = parse_digits(written.substr(0, written.size() - 1), written);
            break;
        default:
            number = parse_digits(written, written);
    }
    if (!number) {
        return number.error();
    }
    value.number = *number;
    if (type == ValueType::seconds && value.number % 1000 != 0) {
        return quoted(written) + " is not a whole number of seconds";
    }
    switch (type) {
        case ValueType::byte_size:
            value.canonical = size_text(value.number);
            break;
        case ValueType::duration:
        case ValueType::seconds:
            value.canonical = duration_text(value.number);
            break;
        case ValueType::percent:
            value.canonical = std::to_string(value.number) + "%";
            break;
        default:
            value.canonical = std::to_string(value.number);
    }
    return value;
}

Parsed parse_real(std::string_view written) {
    Value value;
    const char* end = written.data() + written.size();
    const auto [stop, failure] =
        std::from_chars(written.data(), end, value.real, std::chars_format::fixed);
    if (failure != std::errc{} || stop != end || !std::isfinite(value.real)) {
        return quoted(written) + " is not a number such as 0.75";
    }
    std::array<char, 64> shortest{};
    const auto printed =
        std::to_chars(shortest.data(), shortest.data() + shortest.size(), value.real);
    value.canonical.assign(shortest.data(), printed.ptr);
    return value;
}

Parsed parse_flag(std::string_view written) {
    Value value;
    if (written == "on" || written == "true") {
        value.number = 1;
    } else if (written != "off" && written != "false") {
        return quoted(written) + " is not a flag: on, off, true or false";
    }
    value.canonical = value.number == 1 ? "on" : "off";
    return value;
}

Parsed parse_word(const Key& key, std::string_view written) {
    Value value;
    std::string known;
    for (const std::string_view word : split(key.words, '|')) {
        if (word == written) {
            value.canonical = word;
            return value;
        }
        ++value.number;
        known += (known.empty() ? "" : ", ") + std::string{word};
    }
    return quoted(written) + " is none of: " + known;
}

Parsed parse_text(std::string_view written) {
    if (!is_valid_utf8(as_bytes(written))) {
        return std::string{"not valid UTF-8 text"};
    }
    Value value;
    value.text = written;
    value.canonical = written;
    return value;
}

bool is_host(std::string_view host) {
    if (IpAddress::parse(host)) {
        return true;
    }
    bool letters = false;
    for (const char c : host) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-') {
            return false;
        }
        letters = letters || letter;
    }
    return letters;  // digits and dots alone are a mistyped IPv4 address, not a name
}

Parsed parse_listen_address(std::string_view written) {
    const std::string failure =
        quoted(written) + " is not a listen address such as 1883, 127.0.0.1:1883 or [::1]:1883";
    const std::size_t colon = written.rfind(':');
    std::string_view host = colon == std::string_view::npos ? "0.0.0.0" : written.substr(0, colon);
    const std::string_view port =
        colon == std::string_view::npos ? written : written.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const bool v6 = host.find(':') != std::string_view::npos;
    // Without brackets the last colon parts the port from an IPv6 address (EMQ wrote ::1:1883).
    if (!is_host(host) || (bracketed && !v6) || port.empty()) {
        return failure;
    }
    std::uint32_t number = 0;
    const auto [stop, code] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (code == std::errc::invalid_argument || stop != port.data() + port.size()) {
        return failure;
    }
    if (code != std::errc{} || number > 65535) {
        return quoted(port) + " is not a port: 0 to 65535";
    }
    Value value;
    value.address = {.host = std::string{host}, .port = static_cast<std::uint16_t>(number)};
    value.canonical = value.address.text();
    return value;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Of administrators and of address_ranges, which have no `unix`.
Parsed parse_ranges(ValueType type, std::string_view written) {
    Value value;
    if (written == "none") {
        value.canonical = "none";
        return value;
    }
    if (type == ValueType::administrators && written == "auto") {
        value.administrators.is_automatic = true;
        value.canonical = "auto";
        return value;
    }
    for (const std::string_view part : split(written, ',')) {
        const std::string_view one = trimmed(part);
        const bool takes_unix = type == ValueType::administrators;
        if (takes_unix && one == "unix") {
            value.administrators.unix_sockets = true;
        } else if (const auto range = IpRange::parse(one)) {
            value.administrators.ranges.push_back(*range);
        } else {
            return quoted(one) + (takes_unix
                                      ? " is neither an address range such as 10.0.0.0/8 nor `unix`"
                                      : " is not an address range such as 10.0.0.0/8");
        }
        value.canonical += (value.canonical.empty() ? "" : ",") + std::string{one};
    }
    return value;
}

Parsed parse_access_rule(std::string_view written) {
    const std::size_t gap = std::min(written.find_first_of(" \t"), written.size());
    const std::string_view verb = written.substr(0, gap);
    const std::string_view whom = trimmed(written.substr(gap));
    Value value;
    if (verb != "allow" && verb != "deny") {
        return quoted(written) + " is not a rule such as `allow 10.0.0.0/8` or `deny all`";
    }
    value.rule.allow = verb == "allow";
    if (whom != "all") {
        value.rule.range = IpRange::parse(whom);
        if (!value.rule.range) {
            return quoted(whom) + " is neither an address range such as 10.0.0.0/8 nor `all`";
        }
    }
    value.canonical = std::string{verb} + " " + std::string{whom};
    return value;
}

Parsed parse_file_mode(std::string_view written) {
    const auto number = parse_digits(written, written, 8);
    if (!number || *number > 0777) {
        return quoted(written) + " is not a file mode: octal, 0000 to 0777";
    }
    Value value;
    value.number = *number;
    value.canonical = "0000";
    for (std::size_t digit = 3; digit > 0; --digit) {
        const auto shift = static_cast<unsigned>(3 * (3 - digit));
        value.canonical[digit] = static_cast<char>('0' + ((*number >> shift) & 7));
    }
    return value;
}

Parsed parse_type(const Key& key, std::string_view written) {
    switch (key.type) {
        case ValueType::integer:
        case ValueType::byte_size:
        case ValueType::duration:
        case ValueType::seconds:
        case ValueType::percent:
            return parse_number(key.type, written);
        case ValueType::real:
            return parse_real(written);
        case ValueType::flag:
            return parse_flag(written);
        case ValueType::word:
            return parse_word(key, written);
        case ValueType::text:
        case ValueType::path:
            return parse_text(written);
        case ValueType::listen_address:
            return parse_listen_address(written);
        case ValueType::administrators:
        case ValueType::address_ranges:
            return parse_ranges(key.type, written);
        case ValueType::access_rule:
            return parse_access_rule(written);
        case ValueType::file_mode:
            return parse_file_mode(written);
    }
    GW_UNREACHABLE();
}

/// What is compared with the bounds: of a text its length in bytes.
double measure(ValueType type, const Value& value) {
    switch (type) {
        case ValueType::real:
            return value.real;
        case ValueType::text:
            return static_cast<double>(value.text.size());
        default:
            return static_cast<double>(value.number);
    }
}

double bound(const Key& key, std::string_view written) {
    if (key.type == ValueType::text) {
        const auto length = parse_digits(written, written);
        GW_ASSERT(length.has_value());
        return static_cast<double>(*length);
    }
    const Parsed parsed = parse_type(key, written);
    GW_ASSERT(parsed.has_value());
    return measure(key.type, *parsed);
}

}  // namespace

Parsed parse_value(const Key& key, std::string_view written) {
    for (const std::string_view synonym : split(key.synonyms, '|')) {
        const auto parts = split(synonym, '=');
        if (parts[0] == written) {
            written = parts[1];
            break;
        }
    }
    if (written.empty() && key.type != ValueType::text) {
        return "the value is missing: a " + std::string{type_name(key.type)} + " is expected";
    }
    Parsed parsed = parse_type(key, written);
    if (!parsed) {
        return parsed;
    }
    const double size = measure(key.type, *parsed);
    const std::string_view what = key.type == ValueType::text ? " bytes" : "";
    if (!key.value_min.empty() && size < bound(key, key.value_min)) {
        return quoted(written) + " is less than the least allowed, " + std::string{key.value_min} +
               std::string{what};
    }
    if (!key.value_max.empty() && size > bound(key, key.value_max)) {
        return quoted(written) + " is more than the most allowed, " + std::string{key.value_max} +
               std::string{what};
    }
    return parsed;
}

std::string_view type_name(ValueType type) {
    switch (type) {
        case ValueType::integer:
            return "whole number";
        case ValueType::real:
            return "number";
        case ValueType::flag:
            return "flag";
        case ValueType::byte_size:
            return "byte size";
        case ValueType::duration:
            return "duration";
        case ValueType::seconds:
            return "duration in whole seconds";
        case ValueType::percent:
            return "percentage";
        case ValueType::word:
            return "word";
        case ValueType::text:
            return "text";
        case ValueType::path:
            return "file name";
        case ValueType::listen_address:
            return "listen address";
        case ValueType::administrators:
        case ValueType::address_ranges:
            return "list of address ranges";
        case ValueType::access_rule:
            return "access rule";
        case ValueType::file_mode:
            return "file mode";
    }
    GW_UNREACHABLE();
}

}  // namespace gw::config
