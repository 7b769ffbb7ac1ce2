#include "config/schema/value.hpp"

#include "tests/support/doctest_strings.hpp"

using gw::config::Key;
using gw::config::parse_value;
using gw::config::ValueType;

namespace {

/// What a value of the type becomes: its one spelling, or the error.
std::string spelled(const Key& key, std::string_view written) {
    const auto value = parse_value(key, written);
    return value ? value->canonical : "error: " + value.error();
}

struct Row {
    ValueType type;
    std::string_view written, result;
};

}  // namespace

TEST_CASE("a value is read by its type and has one spelling") {
    using enum ValueType;
    static constexpr Row rows[] = {
        {integer, "0", "0"},
        {integer, "0042", "42"},
        {real, "0.750", "0.75"},
        {real, "2", "2"},
        {flag, "on", "on"},
        {flag, "true", "on"},
        {flag, "off", "off"},
        {flag, "false", "off"},
        {byte_size, "0", "0"},
        {byte_size, "512", "512B"},
        {byte_size, "65536", "64KB"},
        {byte_size, "64KB", "64KB"},
        {byte_size, "64 kb", "64KB"},
        {byte_size, "1024MB", "1GB"},
        {byte_size, "1TB", "1TB"},
        {duration, "500ms", "500ms"},
        {duration, "30", "30s"},
        {duration, "90s", "90s"},
        {duration, "120s", "2m"},
        {duration, "24h", "1d"},
        {duration, "1w", "7d"},
        {duration, "0", "0s"},
        {seconds, "2000ms", "2s"},
        {percent, "60%", "60%"},
        {text, "", ""},
        {text, "any thing", "any thing"},
        {path, "log/x.log", "log/x.log"},
        {listen_address, "1883", "0.0.0.0:1883"},
        {listen_address, "127.0.0.1:1883", "127.0.0.1:1883"},
        {listen_address, "0.0.0.0:1883", "0.0.0.0:1883"},
        {listen_address, "[::1]:1883", "[::1]:1883"},
        {listen_address, "::1:1883", "[::1]:1883"},
        {listen_address, "[::]:0", "[::]:0"},
        {listen_address, "localhost:0", "localhost:0"},
        {listen_address, "my-host.example:65535", "my-host.example:65535"},
        {administrators, "none", "none"},
        {administrators, "unix", "unix"},
        {administrators, "127.0.0.0/8, ::1 ,unix", "127.0.0.0/8,::1,unix"},
        {access_rule, "allow all", "allow all"},
        {access_rule, "deny   10.0.0.0/8", "deny 10.0.0.0/8"},
        {file_mode, "660", "0660"},
        {file_mode, "0777", "0777"},
        {file_mode, "0", "0000"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        CHECK(spelled(Key{.name = "k", .type = row.type}, row.written) == row.result);
    }
}

TEST_CASE("what is no value of its type is refused with a sentence that says what is expected") {
    using enum ValueType;
    constexpr std::string_view no_size = "error: `1XB` is not a size such as 512, 64KB, 8MB or 1GB";
    constexpr std::string_view no_duration =
        "error: `soon` is not a duration such as 500ms, 30s, 5m, 2h or 1d";
    static constexpr Row rows[] = {
        {integer, "", "error: the value is missing: a whole number is expected"},
        {integer, "ten", "error: `ten` is not a whole number"},
        {integer, "-1", "error: `-1` is not a whole number"},
        {integer, "1.5", "error: `1.5` is not a whole number"},
        {integer, "9223372036854775808", "error: `9223372036854775808` is too large"},
        {real, "x", "error: `x` is not a number such as 0.75"},
        {real, "1e5", "error: `1e5` is not a number such as 0.75"},
        {real, "inf", "error: `inf` is not a number such as 0.75"},
        {flag, "yes", "error: `yes` is not a flag: on, off, true or false"},
        {byte_size, "1XB", no_size},
        {byte_size, "KB", "error: `KB` is not a size such as 512, 64KB, 8MB or 1GB"},
        {byte_size, "-1KB", "error: `-1KB` is not a size such as 512, 64KB, 8MB or 1GB"},
        {byte_size, "9999999999999TB", "error: `9999999999999TB` is too large"},
        {duration, "soon", no_duration},
        {duration, "9223372036854775807d", "error: `9223372036854775807d` is too large"},
        {seconds, "1500ms", "error: `1500ms` is not a whole number of seconds"},
        {percent, "60", "error: `60` is not a percentage such as 60%"},
        {percent, "%", "error: `%` is not a whole number"},
        {text, "\xFF", "error: not valid UTF-8 text"},
        {path, "", "error: the value is missing: a file name is expected"},
        {listen_address, "localhost:65536", "error: `65536` is not a port: 0 to 65535"},
        {listen_address, "1.2.3.4:99999999999", "error: `99999999999` is not a port: 0 to 65535"},
        {administrators, "10.0.0.0/8,me",
         "error: `me` is neither an address range such as 10.0.0.0/8 nor `unix`"},
        {administrators, "unix,",
         "error: `` is neither an address range such as 10.0.0.0/8 nor `unix`"},
        {access_rule, "allow",
         "error: `` is neither an address range such as 10.0.0.0/8 nor `all`"},
        {access_rule, "permit all",
         "error: `permit all` is not a rule such as `allow 10.0.0.0/8` or `deny all`"},
        {access_rule, "deny 10.0.0.1/8",
         "error: `10.0.0.1/8` is neither an address range such as 10.0.0.0/8 nor `all`"},
        {file_mode, "0888", "error: `0888` is not a file mode: octal, 0000 to 0777"},
        {file_mode, "1777", "error: `1777` is not a file mode: octal, 0000 to 0777"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        CHECK(spelled(Key{.name = "k", .type = row.type}, row.written) == row.result);
    }
    for (const std::string_view bad :
         {"localhost", "1.2.3.4", ":1883", "1.2.3:1883", "[1.2.3.4]:1", "[::1]", "::1",
          "[::1]:", "a b:1", "host:", "host:x", "[]:1"}) {
        CAPTURE(bad);
        CHECK(spelled(Key{.name = "k", .type = listen_address}, bad) ==
              "error: `" + std::string{bad} +
                  "` is not a listen address such as 1883, 127.0.0.1:1883 or [::1]:1883");
    }
}

TEST_CASE("bounds, words and synonyms come from the declaration") {
    const Key size{
        .name = "k", .type = ValueType::byte_size, .value_min = "1KB", .value_max = "2MB"};
    CHECK(spelled(size, "1KB") == "1KB");
    CHECK(spelled(size, "2MB") == "2MB");
    CHECK(spelled(size, "1023") == "error: `1023` is less than the least allowed, 1KB");
    CHECK(spelled(size, "2097153") == "error: `2097153` is more than the most allowed, 2MB");

    const Key word{.name = "k",
                   .type = ValueType::word,
                   .words = "debug|info|critical",
                   .synonyms = "notice=info|alert=critical"};
    CHECK(parse_value(word, "critical")->number == 2);
    CHECK(spelled(word, "notice") == "info");
    CHECK(spelled(word, "loud") == "error: `loud` is none of: debug, info, critical");

    const Key text{.name = "k", .type = ValueType::text, .value_min = "1", .value_max = "3"};
    CHECK(spelled(text, "abc") == "abc");
    CHECK(spelled(text, "abcd") == "error: `abcd` is more than the most allowed, 3 bytes");
    CHECK(spelled(text, "") == "error: `` is less than the least allowed, 1 bytes");

    const Key real{.name = "k", .type = ValueType::real, .value_min = "0.5", .value_max = "10"};
    CHECK(spelled(real, "0.49") == "error: `0.49` is less than the least allowed, 0.5");

    const Key unlimited{.name = "k", .type = ValueType::integer, .synonyms = "infinity=0"};
    CHECK(spelled(unlimited, "infinity") == "0");
}
