#include "broker-core/router/bucket_table.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <map>

namespace {

using Table = gw::BucketTable<std::uint32_t, std::uint64_t*>;

}  // namespace

TEST_CASE("a bucket table agrees with a map while it grows and shrinks") {
    constexpr std::uint64_t seed = 11;
    CAPTURE(seed);
    gw::Random random{seed};
    Table table;
    std::map<std::uint64_t, std::uint64_t> model;  // value by hash; the values live here
    for (int round = 0; round < 60'000; ++round) {
        // Few parts and few low bits, so that buckets overflow and parts grow.
        const std::uint64_t hash = (random.below(3) << 56) | (random.below(5000) * 0x9e3779b1U);
        const auto same = [&](const std::uint64_t* value) {
            return *value == hash;
        };
        const bool is_growing = (round / 15'000) % 2 == 0;
        if (random.below(10) < (is_growing ? 7U : 2U)) {
            const auto [place, is_new] = model.emplace(hash, hash);
            CHECK((table.find(hash, same) == nullptr) == is_new);
            if (is_new) {
                table.insert(hash, &place->second);
            }
        } else {
            CHECK(table.erase(hash, same) == model.contains(hash));
            model.erase(hash);
        }
        REQUIRE(table.size() == model.size());
    }
    for (auto& entry : model) {
        const std::uint64_t hash = entry.first;
        std::uint64_t** found =
            table.find(hash, [&](const std::uint64_t* candidate) { return *candidate == hash; });
        REQUIRE(found != nullptr);
        CHECK(*found == &entry.second);
    }
    std::size_t visited = 0;
    for (std::size_t part = 0; part < Table::part_count; ++part) {
        table.for_each(part, [&](const std::uint64_t*) { ++visited; });
    }
    CHECK(visited == model.size());
}

TEST_CASE("values of equal hash are told apart by the predicate") {
    Table table;
    std::uint64_t values[40];
    for (std::uint64_t i = 0; i < 40; ++i) {
        values[i] = i;
        table.insert(77, &values[i]);
    }
    for (std::uint64_t i = 0; i < 40; ++i) {
        const auto is_i = [i](const std::uint64_t* value) {
            return *value == i;
        };
        REQUIRE(table.find(77, is_i) != nullptr);
        CHECK(table.erase(77, is_i));
        CHECK(table.find(77, is_i) == nullptr);
    }
    CHECK(table.size() == 0);
}
