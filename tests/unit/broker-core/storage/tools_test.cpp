#include "broker-core/base/base64.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/json_line.hpp"
#include "broker-core/storage/log_store/store_tools.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/unit/broker-core/storage/random_steps.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>
#include <string>

using namespace gw;
using namespace gw::test;

namespace {

std::string file_in(const TempFolder& folder, const std::string& name = "mangrove.db") {
    return (folder.path() / name).string();
}

/// Fills a store with some random content; returns what it holds.
StoreContents fill(StoreHarness& store, std::uint64_t seed) {
    RandomSteps steps{seed};
    StoreModel model;
    for (int count = 0; count < 60; ++count) {
        const Step step = steps.next();
        model.apply(step);
        CHECK(store.commit(step));
    }
    model.restart();
    return model.contents();
}

StoreContents contents_of(const std::string& path) {
    StoreHarness store{path, small_options()};
    REQUIRE_MESSAGE(store.is_open(), store.open_error().text());
    return store.restored().contents;
}

void run_sql(const std::string& path, const std::string& sql) {
    auto database = Database::open(path, {.vfs = {}});
    REQUIRE(database.has_value());
    const auto done = database->execute(sql);
    REQUIRE_MESSAGE(done.has_value(), done.error().text());
}

}  // namespace

TEST_CASE("base64 has the forms of RFC 4648, and no others are read") {
    const std::pair<const char*, const char*> rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : rows) {
        CHECK(to_base64(bytes) == text);
        const auto back = from_base64(text);
        REQUIRE(back.has_value());
        CHECK(*back == bytes);
    }
    for (const char* wrong :
         {"Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm9*", "Z=8=", "=m8="}) {
        CAPTURE(wrong);
        CHECK_FALSE(from_base64(wrong).has_value());
    }
    Random random{3};
    for (int count = 0; count < 200; ++count) {
        std::string bytes;
        for (std::uint64_t left = random.below(20); left > 0; --left) {
            bytes += static_cast<char>(random.below(256));
        }
        CHECK(from_base64(to_base64(bytes)).value() == bytes);
    }
}

TEST_CASE("JSON lines are read as they were written") {
    std::string text;
    JsonLineWriter{text}
        .text("plain", "a\"b\\c\n\x01")
        .text("bytes", "\xff\xfe")
        .number("large", 18446744073709551615U)
        .signed_number("negative", -5)
        .flag("yes", true)
        .flag("no", false)
        .numbers("list", {1, 4294967295})
        .numbers("none", {})
        .end();
    auto line = JsonLine::parse(text);
    REQUIRE_MESSAGE(line.has_value(), line.error().text());
    CHECK(line->text("plain") == "a\"b\\c\n\x01");
    CHECK(line->text("bytes") == "\xff\xfe");
    CHECK(line->number("large") == 18446744073709551615U);
    CHECK(line->signed_number("negative") == -5);
    CHECK(line->flag("yes"));
    CHECK_FALSE(line->flag("no"));
    CHECK(line->numbers("list") == std::vector<std::uint32_t>{1, 4294967295});
    CHECK(line->numbers("none").empty());
    CHECK(line->problem() == "");
    CHECK(line->number("missing") == 0);
    CHECK(line->problem() == "\"missing\" is missing");

    auto other = JsonLine::parse(R"( { "u" : "\u00e9\ud83d\ude00\/" , "n":-1 } )");
    REQUIRE(other.has_value());
    CHECK(other->text("u") == "\xc3\xa9\xf0\x9f\x98\x80/");
    CHECK(other->number("n") == 0);
    CHECK(other->problem() == "\"n\" is out of range");
    for (const char* wrong :
         {"", "{", "}", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}",
          "{\"a\":\"", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}",
          "{\"a\":tru}", "{\"a\":[1,]}", "{\"a\":[\"b\"]}", "{\"a\":1,\"a\":2}", "{\"a\":-}",
          "{\"a\":{}}"}) {
        CAPTURE(wrong);
        CHECK_FALSE(JsonLine::parse(wrong).has_value());
    }
}

TEST_CASE("an export imported elsewhere is the same store") {
    const TempFolder folder;
    StoreContents contents;
    std::ostringstream out;
    {
        StoreHarness store{file_in(folder), small_options()};
        contents = fill(store, 5);
        // Beside the running store.
        const auto count = export_store(file_in(folder), out);
        REQUIRE_MESSAGE(count.has_value(), count.error().text());
        CHECK(*count > 50);
    }
    std::istringstream in{out.str()};
    const auto count = import_store(file_in(folder, "other.db"), in);
    REQUIRE_MESSAGE(count.has_value(), count.error().text());
    CHECK(difference(contents_of(file_in(folder, "other.db")), contents) == "");
    CHECK(difference(contents_of(file_in(folder)), contents) == "");
    std::ostringstream again;
    REQUIRE(export_store(file_in(folder, "other.db"), again).has_value());
    CHECK(again.str() == out.str());
    const auto check = check_store(file_in(folder, "other.db"));
    REQUIRE(check.has_value());
    CHECK(check->problems.empty());
}

TEST_CASE("an import is refused whole: a full store, a wrong line, a running broker") {
    const TempFolder folder;
    std::ostringstream out;
    {
        StoreHarness store{file_in(folder), small_options()};
        fill(store, 6);
        std::istringstream nothing;
        const auto running = import_store(file_in(folder), nothing);
        REQUIRE_FALSE(running.has_value());
        CHECK(running.error().code() == Errc::unavailable);
    }
    REQUIRE(export_store(file_in(folder), out).has_value());
    std::istringstream all{out.str()};
    const auto full = import_store(file_in(folder), all);
    REQUIRE_FALSE(full.has_value());
    CHECK(full.error().code() == Errc::already_exists);

    for (const char* wrong :
         {"{\"type\":\"cat\"}", "no json",
          "{\"type\":\"session\",\"sid\":0,\"client_id\":\"a\",\"state\":\"\"}",
          "{\"type\":\"inbound\",\"sid\":1,\"packet_id\":65536}", "{\"type\":\"session\"}",
          "{\"type\":\"delivery\",\"sid\":1,\"sequence\":1,\"message\":\"x\",\"qos\":0,\"retain\":"
          "false}",
          "{\"type\":\"store\",\"format\":2}"}) {
        CAPTURE(wrong);
        std::istringstream lines{out.str() + wrong + "\n"};
        const std::string path = file_in(folder, "other.db");
        const auto refused = import_store(path, lines);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code() == Errc::invalid_argument);
        CHECK(refused.error().text().find("line ") == 0);
        CHECK(contents_of(path) == StoreContents{});
    }
}

TEST_CASE("an export that was cut between two lines is refused whole") {
    const TempFolder folder;
    std::ostringstream out;
    {
        StoreHarness store{file_in(folder), small_options()};
        fill(store, 7);
        REQUIRE(export_store(file_in(folder), out).has_value());
    }
    std::string cut = out.str();
    cut.pop_back();
    cut.erase(cut.rfind('\n') + 1);
    std::istringstream lines{cut};
    const std::string path = file_in(folder, "other.db");
    const auto refused = import_store(path, lines);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code() == Errc::invalid_argument);
    CHECK(refused.error().text().find("cut") != std::string::npos);
    CHECK(contents_of(path) == StoreContents{});
}

TEST_CASE("a backup taken while the store runs is a whole store") {
    const TempFolder folder;
    StoreHarness store{file_in(folder), small_options()};
    const StoreContents contents = fill(store, 8);
    const std::string target = file_in(folder, "copy.db");
    const auto done = backup_store(file_in(folder), target);
    REQUIRE_MESSAGE(done.has_value(), done.error().text());
    CHECK(store.commit(Step{}.operation(PutSession{999, "later", ""})));
    CHECK(difference(contents_of(target), contents) == "");
    const auto again = backup_store(file_in(folder), target);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code() == Errc::already_exists);
    CHECK_FALSE(backup_store(file_in(folder, "none.db"), file_in(folder, "x.db")).has_value());
}

TEST_CASE("the check finds each kind of damage and names it") {
    const TempFolder folder;
    const std::string path = file_in(folder);
    {
        StoreHarness store{path, small_options()};
        for (std::uint64_t id = 1; id <= 5; ++id) {
            Step step;
            step.operation(PutSession{id, "c" + std::to_string(id), ""});
            CHECK(store.commit(step.message(id, "x").delivery(id, 1, id)));
        }
        const auto sound = check_store(path);
        REQUIRE_MESSAGE(sound.has_value(), sound.error().text());
        CHECK(sound->problems.empty());
        CHECK(sound->remarks.empty());
        CHECK(sound->version == 2);
        CHECK(sound->counts.session_count == 5);
        CHECK(sound->counts.message_count == 5);
    }
    const char* expected = nullptr;
    SUBCASE("a segment with a wrong byte") {
        run_sql(path, "UPDATE segment SET body=CAST(substr(body,1,9)||x'00' AS BLOB) WHERE id=3");
        expected = "segment 3 is damaged";
    }
    SUBCASE("a lost segment") {
        run_sql(path, "DELETE FROM segment WHERE id IN (3, 4)");
        expected = "segments 3 to 4 are missing";
    }
    SUBCASE("a retained message that cannot be read") {
        run_sql(path, "INSERT INTO retained VALUES('t', x'01')");
        expected = "retained message of topic \"t\"";
    }
    SUBCASE("a damaged page") {
        run_sql(path,
                "PRAGMA writable_schema=ON;UPDATE sqlite_schema SET rootpage=4 WHERE "
                "name='meta'");
        expected = "";  // in SQLite's words
    }
    const auto check = check_store(path);
    REQUIRE_MESSAGE(check.has_value(), check.error().text());
    REQUIRE_FALSE(check->problems.empty());
    CHECK(check->problems.front().find(expected) != std::string::npos);
}

TEST_CASE("the check remarks what is odd but harmless") {
    const TempFolder folder;
    const std::string path = file_in(folder);
    {
        StoreHarness store{path, small_options()};
        Step step;
        step.operation(PutSession{1, "c", ""}).operation(PutSubscription{7, "of nobody", 0});
        CHECK(store.commit(step.delivery(1, 1, 5)));
    }
    const auto check = check_store(path);
    REQUIRE(check.has_value());
    CHECK(check->problems.empty());
    CHECK(check->remarks.size() == 2);
}

TEST_CASE("the tools refuse what is no store") {
    const TempFolder folder;
    CHECK(check_store(file_in(folder)).error().code() == Errc::io);
    const std::string text = folder.write("text.db", std::string(4'000, 'x'));
    CHECK(check_store(text).error().code() == Errc::corrupt);
    std::ostringstream out;
    CHECK(export_store(text, out).error().code() == Errc::corrupt);
    CHECK(backup_store(text, file_in(folder, "copy.db")).error().code() == Errc::corrupt);
}
