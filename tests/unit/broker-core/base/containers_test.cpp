#include "broker-core/base/random.hpp"
#include "broker-core/base/ring.hpp"
#include "broker-core/base/slim_vector.hpp"
#include "broker-core/base/slot_pool.hpp"
#include "broker-core/base/small_text.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>

using namespace gw;

TEST_CASE("a ring behaves as a deque, and owns what is inside") {
    Random random{3};
    Ring<std::unique_ptr<int>> ring;
    std::deque<int> model;
    for (int step = 0; step < 100'000; ++step) {
        switch (random.below(6)) {
            case 0:
            case 1:
                ring.push_back(std::make_unique<int>(step));
                model.push_back(step);
                break;
            case 2:
                ring.push_front(std::make_unique<int>(step));
                model.push_front(step);
                break;
            case 3:
                if (!model.empty()) {
                    CHECK(*ring.pop_front() == model.front());
                    model.pop_front();
                }
                break;
            case 4:
                if (!model.empty()) {
                    CHECK(*ring.pop_back() == model.back());
                    model.pop_back();
                }
                break;
            default:
                ring.shrink_when_empty(8);
                if (random.below(100) == 0) {
                    Ring<std::unique_ptr<int>> other = std::move(ring);
                    ring = std::move(other);
                }
        }
        REQUIRE(ring.size() == model.size());
        if (!model.empty()) {
            const auto index = static_cast<std::size_t>(random.below(model.size()));
            REQUIRE(*ring[index] == model[index]);
        }
    }
    static_assert(sizeof(ring) == sizeof(void*));
}

TEST_CASE("a slim vector is one pointer, grows and shrinks") {
    SlimVector<std::uint64_t> list;
    static_assert(sizeof(list) == sizeof(void*));
    CHECK(list.empty());
    for (std::uint64_t i = 0; i < 1000; ++i) {
        list.push_back(i);
    }
    CHECK(list.size() == 1000);
    CHECK(list[999] == 999);
    CHECK(list.back() == 999);
    SlimVector<std::uint64_t> moved = std::move(list);
    CHECK(moved.size() == 1000);
    while (moved.size() > 1) {
        moved.pop_back();
    }
    moved.shrink_to_fit();
    CHECK(moved[0] == 0);
    moved.pop_back();
    moved.shrink_to_fit();
    CHECK(moved.empty());
}

TEST_CASE("a small text holds any bytes") {
    SmallText text;
    static_assert(sizeof(text) == sizeof(void*));
    CHECK(text.empty());
    CHECK(text.view().empty());
    text = std::string_view{"a\0b", 3};
    CHECK(text.view().size() == 3);
    const SmallText copy = text;
    text = std::string_view{};
    CHECK(text.empty());
    CHECK((copy == std::string_view{"a\0b", 3}));
}

TEST_CASE("slots are used again, and objects stay where they are") {
    struct Counted {
        explicit Counted(int& count) : count_(count) { ++count_; }
        ~Counted() { --count_; }
        int& count_;
    };
    int alive = 0;
    {
        SlotPool<Counted> pool;
        std::map<std::uint32_t, Counted*> places;
        for (int i = 0; i < 1000; ++i) {
            const std::uint32_t index = pool.next_index();
            places[index] = &pool.emplace(alive);
        }
        CHECK(alive == 1000);
        for (std::uint32_t index = 0; index < 1000; index += 2) {
            pool.erase(index);
            CHECK(pool.find(index) == nullptr);
        }
        CHECK(pool.size() == 500);
        for (std::uint32_t index = 1; index < 1000; index += 2) {
            CHECK(pool.find(index) == places[index]);
        }
        CHECK(pool.next_index() < 1000);
        for (int i = 0; i < 500; ++i) {
            pool.emplace(alive);
        }
        CHECK(pool.next_index() == 1000);
        CHECK(pool.find(1000) == nullptr);
        CHECK(alive == 1000);
    }
    CHECK(alive == 0);
}
