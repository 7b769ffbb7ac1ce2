#include "gateway/log.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

#include <fstream>
#include <iterator>
#include <vector>

using gw::format_event;
using gw::Log;
using gw::LogField;
using gw::LogLevel;
using gw::ProgramLog;
using gw::test::TempFolder;

namespace {

std::string line(std::string_view event, std::initializer_list<LogField> fields) {
    return format_event(event, std::vector<LogField>{fields});
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
}

gw::config::Log file_options(const TempFolder& folder) {
    return {.target = gw::config::LogTarget::file,
            .level = LogLevel::info,
            .file = (folder.path() / "deep/er/x.log").string(),
            .file_bytes_max = 1 << 20,
            .file_count = 2};
}

}  // namespace

TEST_CASE("an event is its name and its fields") {
    CHECK(line("a.b", {}) == "a.b");
    CHECK(line("a.b",
               {{"text", "x"}, {"signed", -1}, {"unsigned", 7U}, {"real", 0.5}, {"flag", true}}) ==
          "a.b text=x signed=-1 unsigned=7 real=0.5 flag=true");
}

TEST_CASE("no value can forge a line or a field") {
    struct Row {
        std::string_view value, written;
    };
    static constexpr Row rows[] = {
        {"plain/topic+#", "plain/topic+#"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"a\nb", "a\\nb"},
        {"a\r\n2026 info x", "\"a\\x0d\\n2026 info x\""},
        {"\x1b[31m", "\\x1b[31m"},
        {"\x7f", "\\x7f"},
        {"\xC2\x9B"
         "1m",
         "\\xc2\\x9b1m"},  // U+009B, a control sequence of its own
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {"\xFF\xFE", "\\xff\\xfe"},
        {"\xC3\xBC\xFF", "\xC3\xBC\\xff"},
        {"a\u202Eb", "a\\xe2\\x80\\xaeb"},  // what follows would be read from right to left
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        CHECK(line("e", {{"v", row.value}}) == "e v=" + std::string{row.written});
    }
    CHECK(line("e", {{"v", std::string_view{"a\0b", 3}}}) == "e v=a\\x00b");
}

TEST_CASE("events of the level and above reach the file, made with its folder") {
    const TempFolder folder;
    const auto options = file_options(folder);
    {
        ProgramLog log{options};
        log.debug("too.fine");
        log.info("first", {{"n", 1}});
        log.set_level(LogLevel::error);
        CHECK_FALSE(log.enabled(LogLevel::warning));
        CHECK(log.enabled(LogLevel::critical));
        log.warning("not.now");
        log.error("second");
    }
    const std::string text = read_file(options.file);
    CHECK(text.find("Z info first n=1\n") != std::string::npos);
    CHECK(text.find("Z error second\n") != std::string::npos);
    CHECK(text.find("too.fine") == std::string::npos);
    CHECK(text.find("not.now") == std::string::npos);
    CHECK(text.size() > 24);
    CHECK(text[10] == 'T');
}

TEST_CASE("a full file is put aside, and only so many are kept") {
    const TempFolder folder;
    auto options = file_options(folder);
    options.file_bytes_max = 1000;
    {
        ProgramLog log{options};
        for (int i = 0; i < 100; ++i) {
            log.info("event.with.a.long.name", {{"number", i}});
        }
    }
    std::size_t count = 0;
    for (const auto& item : std::filesystem::directory_iterator{folder.path() / "deep/er"}) {
        CHECK(item.file_size() <= 1000);
        ++count;
    }
    CHECK(count == 3);
    CHECK(read_file(options.file).find("number=99") != std::string::npos);
}

TEST_CASE("a log file that cannot be made is told") {
    auto options = file_options(TempFolder{});
    options.file = "/proc/none/x.log";
    CHECK_THROWS_AS(ProgramLog{options}, std::runtime_error);
}

TEST_CASE("off writes nothing and makes no file") {
    const TempFolder folder;
    auto options = file_options(folder);
    options.target = gw::config::LogTarget::off;
    {
        ProgramLog log{options};
        log.error("nobody.reads.this");
    }
    CHECK_FALSE(std::filesystem::exists(options.file));
}
