#include "adapters/transport/tls/psk_file.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace gw;
using namespace gw::transport;

TEST_CASE("pre-shared keys are read as mosquitto writes them") {
    const auto table = PskTable::parse(
        "# devices\n"
        "meter-7:00ff10\r\n"
        "\n"
        "gate:ABCdef0\n"
        "urn:dev:7:0c\n"
        "a:b");
    REQUIRE(table);
    CHECK((*table)->size() == 4);
    CHECK((*table)->find("meter-7") == std::string_view{"\x00\xff\x10", 3});
    CHECK((*table)->find("gate") == "\x0a\xbc\xde\xf0");
    CHECK((*table)->find("urn:dev:7") == "\x0c");
    CHECK((*table)->find("a") == "\x0b");
    CHECK((*table)->find("nobody").empty());
    CHECK((*table)->find("").empty());
}

TEST_CASE("a wrong line is named, its key is not") {
    struct Row {
        std::string text;
        std::string error;
    };
    const Row rows[] = {
        {"a:00\nnothing\n", "line 2: not of the form identity:key"},
        {":00\n", "line 1: the identity is not 1 to 128 bytes of UTF-8"},
        {std::string(129, 'x') + ":00", "line 1: the identity is not 1 to 128 bytes of UTF-8"},
        {"a\xff:00", "line 1: the identity is not 1 to 128 bytes of UTF-8"},
        {"a:0g", "line 1: the key is not hexadecimal"},
        {"a:", "line 1: the key is not of 1 to 256 bytes"},
        {"a:" + std::string(514, '0'), "line 1: the key is not of 1 to 256 bytes"},
        {"a:00\na:11", "line 2: the identity is given twice"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.error);
        const auto table = PskTable::parse(row.text);
        REQUIRE_FALSE(table);
        CHECK(table.error().text() == row.error);
    }
}

TEST_CASE("errors of a file name it") {
    const test::TempFolder folder;
    const std::string path = (folder.path() / "psk").string();
    const auto missing = PskTable::read(path);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().text() == path + ": No such file or directory");
    std::ofstream{path} << "broken";
    const auto broken = PskTable::read(path);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().text() == path + ": line 1: not of the form identity:key");
    std::ofstream{path} << "a:01";
    const auto good = PskTable::read(path);
    REQUIRE(good);
    CHECK((*good)->find("a") == "\x01");
}
