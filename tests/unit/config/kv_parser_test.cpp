#include "config/parse/kv_parser.hpp"

#include "tests/support/doctest_strings.hpp"

using gw::config::parse_key_values;

TEST_CASE("a line is empty, a comment, or key = value") {
    const auto parsed = parse_key_values("a.conf",
                                         "\xEF\xBB\xBF# a comment\n"
                                         "\n"
                                         "   \t\n"
                                         "a.b=1\r\n"
                                         "  c.d \t=\t two words  # a comment\n"
                                         "e = with#hash\n"
                                         "f =\n"
                                         "g = # a comment behind nothing\n"
                                         "h = \"  # not a comment \\\" \\\\ \"  # but this\n"
                                         "i = \"\"\n"
                                         "j = a = b");
    CHECK(parsed.diagnostics.empty());
    struct Row {
        std::string_view key, value;
        std::size_t line, key_column, value_column;
    };
    static constexpr Row rows[] = {
        {"a.b", "1", 4, 1, 5},       {"c.d", "two words", 5, 3, 11},
        {"e", "with#hash", 6, 1, 5}, {"f", "", 7, 1, 4},
        {"g", "", 8, 1, 5},          {"h", "  # not a comment \" \\ ", 9, 1, 5},
        {"i", "", 10, 1, 5},         {"j", "a = b", 11, 1, 5},
    };
    REQUIRE(parsed.entries.size() == std::size(rows));
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        CAPTURE(i);
        CHECK(parsed.entries[i].key == rows[i].key);
        CHECK(parsed.entries[i].value == rows[i].value);
        CHECK(parsed.entries[i].line == rows[i].line);
        CHECK(parsed.entries[i].key_column == rows[i].key_column);
        CHECK(parsed.entries[i].value_column == rows[i].value_column);
    }
}

TEST_CASE("a bad line is told with file, line and column, and the next one is read") {
    struct Row {
        std::string_view line, told;
    };
    static constexpr Row rows[] = {
        {"just words", "x.conf:2:1: error: expected `key = value`"},
        {"  node.name", "x.conf:2:3: error: expected `key = value`"},
        {"two words = 1", "x.conf:2:1: error: expected `key = value`"},
        {" = 1", "x.conf:2:2: error: the key before `=` is missing"},
        {"a = \"open", "x.conf:2:5: error: the closing quote is missing"},
        {"a = \"x\\",
         "x.conf:2:7: error: only \\\" and \\\\ are known after a backslash in quotes"},
        {"a = \"x\\n\"",
         "x.conf:2:7: error: only \\\" and \\\\ are known after a backslash in quotes"},
        {"a = \"x\" y", "x.conf:2:9: error: text behind the closing quote"},
        {"a = x\x01y", "x.conf:2:6: error: a control character is not allowed here"},
        {"\xC3\xA4 = \x7F", "x.conf:2:5: error: a control character is not allowed here"},
        {"a = \xFF", "x.conf:2:1: error: not valid UTF-8 text"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const auto parsed =
            parse_key_values("x.conf", "first = 1\n" + std::string{row.line} + "\nlast = 3\n");
        REQUIRE(parsed.diagnostics.size() == 1);
        CHECK(parsed.diagnostics[0].line_text() == row.told);
        REQUIRE(parsed.entries.size() == 2);
        CHECK(parsed.entries[1].key == "last");
        CHECK(parsed.entries[1].line == 3);
    }
}

TEST_CASE("no text is no error") {
    CHECK(parse_key_values("x", "").entries.empty());
    CHECK(parse_key_values("x", "").diagnostics.empty());
    CHECK(parse_key_values("x", "\n\n").diagnostics.empty());
}
