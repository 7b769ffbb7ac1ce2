#include "broker-core/base/hash.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

using namespace gw;

namespace {

/// Texts that all have one stored_hash(): the word that it masks with cancels what stands before
/// it.
std::vector<std::string> colliding_texts(std::size_t count) {
    std::string mask(8, 0);
    for (std::size_t i = 0; i < 8; ++i) {
        mask[i] = static_cast<char>(detail::known_mask >> (8 * i));
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
        std::string text = std::to_string(100'000 + i);
        text.resize(16, '.');
        texts.push_back(text + mask + "any word" + "the end, 16 long");
    }
    return texts;
}

}  // namespace

TEST_CASE("a hash has its key in it, whatever the text") {
    for (const std::string& text : {std::string{}, std::string{"a"}, std::string(5, 'b'),
                                    std::string(12, 'c'), std::string(100, 'd')}) {
        CAPTURE(text);
        CHECK(hash_text(text, 1) == hash_text(text, 1));
        CHECK(hash_text(text, 1) != hash_text(text, 2));
        CHECK(hash_text(text, 1) != hash_text(text + "x", 1));
    }
    CHECK(draw_hash_key() != draw_hash_key());
}

TEST_CASE("texts made to collide without knowing the key do not") {
    const auto texts = colliding_texts(1000);
    std::set<std::uint64_t> known, keyed, other;
    for (const std::string& text : texts) {
        known.insert(stored_hash(text, 7));
        keyed.insert(hash_text(text, 7));
        other.insert(hash_text(text, draw_hash_key()));
    }
    CHECK(known.size() == 1);
    CHECK(keyed.size() == texts.size());
    CHECK(other.size() == texts.size());
}

TEST_CASE("what is stored is the same in every version") {
    CHECK(stored_hash("", 1) == 0x82735577a3de080cULL);
    CHECK(stored_hash("plant/line7/oven3/temp", 1) == 0x4cb15bb925407b2bULL);
}

TEST_CASE("names are found without being copied") {
    NameTable<int> names;
    names.emplace("a", 1);
    CHECK(names.find(std::string_view{"a"})->second == 1);
    CHECK(names.find(std::string_view{"b"}) == names.end());
}
