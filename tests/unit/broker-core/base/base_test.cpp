// Ring, UTF-8, JSON strings, rate limit, random numbers, text hash.
#include "broker-core/base/hash.hpp"
#include "broker-core/base/json.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/base/rate_limit.hpp"
#include "broker-core/base/ring.hpp"
#include "broker-core/base/utf8.hpp"
#include "tests/support/doctest_strings.hpp"

#include <deque>
#include <memory>
#include <set>
#include <string>

using namespace gw;

TEST_CASE("the ring agrees with a deque") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        Ring<std::unique_ptr<std::uint64_t>> ring;
        std::deque<std::uint64_t> model;
        for (int round = 0; round < 2000; ++round) {
            const std::uint64_t value = random.next();
            const bool is_growing = round / 200 % 2 == 0;
            const std::uint64_t action = random.below(is_growing ? 6 : 10);
            if (action < 3) {
                CHECK(*ring.push_back(std::make_unique<std::uint64_t>(value)) == value);
                model.push_back(value);
            } else if (action < 5) {
                ring.push_front(std::make_unique<std::uint64_t>(value));
                model.push_front(value);
            } else if (!model.empty() && action % 2 == 0) {
                REQUIRE(*ring.pop_front() == model.front());
                model.pop_front();
            } else if (!model.empty()) {
                REQUIRE(*ring.pop_back() == model.back());
                model.pop_back();
            }
            ring.shrink_when_empty(8);
            REQUIRE(ring.size() == model.size());
            for (std::size_t i = 0; i < model.size(); ++i) {
                REQUIRE(*ring[i] == model[i]);
            }
        }
        Ring<std::unique_ptr<std::uint64_t>> other{std::move(ring)};
        REQUIRE(other.size() == model.size());
        other.release();
        CHECK(other.capacity() == 0);
    }
}

TEST_CASE("UTF-8: what MQTT allows") {
    struct Row {
        std::string_view bytes;
        bool is_valid;
        const char* what;
    };
    using namespace std::string_view_literals;
    constexpr Row rows[] = {
        {""sv, true, "nothing"},
        {"plain"sv, true, "ASCII"},
        {"\x01\x1f\x7f"sv, true, "control characters may be refused, and are not"},
        {"\0"sv, false, "U+0000"},
        {"ab\0cdefgh"sv, false, "U+0000 among others"},
        {"\xc2\x80"sv, true, "U+0080, the first of two bytes"},
        {"\xc1\xbf"sv, false, "two bytes for one"},
        {"\xc0\x80"sv, false, "U+0000 in two bytes"},
        {"\xdf\xbf"sv, true, "U+07FF"},
        {"\xe0\xa0\x80"sv, true, "U+0800"},
        {"\xe0\x9f\xbf"sv, false, "three bytes for two"},
        {"\xed\x9f\xbf"sv, true, "U+D7FF"},
        {"\xed\xa0\x80"sv, false, "U+D800, a surrogate"},
        {"\xed\xbf\xbf"sv, false, "U+DFFF, a surrogate"},
        {"\xee\x80\x80"sv, true, "U+E000"},
        {"\xef\xbb\xbf"sv, true, "U+FEFF is never skipped"},
        {"\xef\xbf\xbf"sv, true, "U+FFFF"},
        {"\xf0\x90\x80\x80"sv, true, "U+10000"},
        {"\xf0\x8f\xbf\xbf"sv, false, "four bytes for three"},
        {"\xf4\x8f\xbf\xbf"sv, true, "U+10FFFF"},
        {"\xf4\x90\x80\x80"sv, false, "U+110000"},
        {"\xf5\x80\x80\x80"sv, false, "no such first byte"},
        {"\xff"sv, false, "no such byte"},
        {"\x80"sv, false, "a continuation alone"},
        {"\xc3"sv, false, "cut after the first of two"},
        {"\xe2\x82"sv, false, "cut after the second of three"},
        {"\xf0\x9f\x98"sv, false, "cut after the third of four"},
        {"\xc3\x28"sv, false, "no continuation"},
        {"\xe2\x28\xa1"sv, false, "no continuation in the middle"},
        {"\xf0\x9f\x98\x28"sv, false, "no continuation at the end"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        // At every distance from a word's start, behind and before other text.
        for (std::size_t before = 0; before < 20; ++before) {
            const std::string text =
                std::string(before, 'x') + std::string{row.bytes} + std::string(before % 3, 'y');
            CHECK(is_valid_utf8(as_bytes(text)) == row.is_valid);
        }
    }
}

TEST_CASE("a JSON string is escaped where it has to be") {
    using namespace std::string_literals;
    const auto json = [](const std::string& text) {
        std::string out;
        append_json_string(out, text);
        return out;
    };
    CHECK(json("") == "\"\"");
    CHECK(json("a\"b\\c/d") == "\"a\\\"b\\\\c/d\"");
    CHECK(json("\x01\n\x1f\x7f") == "\"\\u0001\\u000a\\u001f\\u007f\"");
    CHECK(json("\xc3\xa4") == "\"\xc3\xa4\"");
    CHECK(json("\0"s) == "\"\\u0000\"");
}

TEST_CASE("a rate limit lets a second's worth through at once, then its rate") {
    const auto at = [](std::int64_t ms) {
        return MonotonicTime{Milliseconds{ms}};
    };
    SUBCASE("one by one") {
        RateLimit limit{10, at(0)};
        for (int i = 0; i < 10; ++i) {
            CHECK(limit.try_take(at(0)));
        }
        CHECK_FALSE(limit.try_take(at(0)));
        CHECK_FALSE(limit.try_take(at(99)));
        CHECK(limit.try_take(at(100)));
        CHECK_FALSE(limit.try_take(at(100)));
        CHECK(limit.try_take(at(1'000'000)));
        for (int i = 0; i < 9; ++i) {
            CHECK(limit.try_take(at(1'000'000)));  // no more than the bucket holds
        }
        CHECK_FALSE(limit.try_take(at(1'000'000)));
    }
    SUBCASE("a debt is paid in its whole time, and once") {
        RateLimit limit{100, at(0)};
        limit.take(1100, at(0));
        CHECK(limit.ready_at(at(0)) == at(10'000));
        limit.take(0, at(10'000));
        CHECK(limit.ready_at(at(10'000)) == at(10'000));
        limit.take(1, at(10'000));
        CHECK(limit.ready_at(at(10'000)) == at(10'010));
    }
    SUBCASE("0 never limits") {
        RateLimit limit{0, at(0)};
        limit.take(1'000'000'000, at(0));
        CHECK(limit.ready_at(at(5)) == at(5));
        CHECK(limit.try_take(at(5)));
    }
    SUBCASE("a high rate after a long silence does not overflow") {
        RateLimit limit{1ULL << 50, at(0)};
        limit.take(1, at(0));
        limit.take(1, at(1'000'000'000'000));
        CHECK(limit.ready_at(at(1'000'000'000'000)) == at(1'000'000'000'000));
    }
}

TEST_CASE("random numbers repeat with their seed, keep their bound and meet every value") {
    Random a{5};
    Random b{5};
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t value = a.below(10);
        CHECK(value < 10);
        CHECK(value == b.below(10));
        seen.insert(value);
    }
    CHECK(seen.size() == 10);
    CHECK(a.below(1) == 0);
}

TEST_CASE("the text hash depends on every byte, the length and the key") {
    std::set<std::uint64_t> hashes;
    std::size_t count = 0;
    for (std::size_t size = 0; size <= 40; ++size) {
        const std::string text(size, 'a');
        hashes.insert(hash_text(text, 1));
        hashes.insert(hash_text(text, 2));
        count += 2;
        for (std::size_t i = 0; i < size; ++i) {
            std::string other = text;
            other[i] = 'b';
            hashes.insert(hash_text(other, 1));
            ++count;
        }
    }
    CHECK(hashes.size() == count);
}
