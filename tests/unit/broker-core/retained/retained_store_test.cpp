#include "broker-core/retained/retained_store.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/broker-core/retained/retained_support.hpp"

namespace {

using gw::RetainedCursor;
using gw::RetainedStore;
using gw::RetainOutcome;
using gw::test::at_ms;
using gw::test::retained;
using gw::test::topics_of;
using Topics = std::vector<std::string>;

}  // namespace

TEST_CASE("the last message of a topic is kept, an empty payload clears it") {
    RetainedStore store{{}};
    CHECK(store.set(retained("a/b", "1")) == RetainOutcome::stored);
    CHECK(store.set(retained("a/b", "22")) == RetainOutcome::replaced);
    CHECK(store.count() == 1);
    CHECK(store.bytes() == retained("a/b", "22")->footprint());
    REQUIRE(store.find("a/b", at_ms(0)));
    CHECK(gw::as_text(store.find("a/b", at_ms(0))->payload()) == "22");
    CHECK_FALSE(store.find("a", at_ms(0)));
    CHECK(store.set(retained("a/b", "")) == RetainOutcome::cleared);
    CHECK(store.set(retained("a/b", "")) == RetainOutcome::nothing_to_clear);
    CHECK_FALSE(store.find("a/b", at_ms(0)));
    CHECK(store.count() == 0);
    CHECK(store.bytes() == 0);
}

TEST_CASE("filters find the topics that they match") {
    RetainedStore store{{}};
    for (const std::string_view topic :
         {"a", "a/b", "a/b/c", "a/c", "a/c/c", "b/b/c", "/", "/a", "$SYS/a", "a-/b", "a/"}) {
        store.set(retained(topic, "x"));
    }
    const auto found = [&](std::string_view filter) {
        return topics_of(store, filter, at_ms(0));
    };
    CHECK(found("a/b") == Topics{"a/b"});
    CHECK(found("a/x").empty());
    CHECK(found("a/#") == Topics{"a", "a/", "a/b", "a/b/c", "a/c", "a/c/c"});
    CHECK(found("a/+") == Topics{"a/", "a/b", "a/c"});
    CHECK(found("a/+/c") == Topics{"a/b/c", "a/c/c"});
    CHECK(found("+/+/c") == Topics{"a/b/c", "a/c/c", "b/b/c"});
    CHECK(found("+") == Topics{"a"});
    CHECK(found("/+") == Topics{"/", "/a"});
    CHECK(found("+/a") == Topics{"/a"});
    CHECK(found("#").size() == 10);  // all but $SYS
    CHECK(found("$SYS/#") == Topics{"$SYS/a"});
    CHECK(found("$SYS/+") == Topics{"$SYS/a"});
}

TEST_CASE("what has expired is given to nobody and swept away") {
    RetainedStore store{{}};
    for (int i = 0; i < 1000; ++i) {
        const std::string topic = "t/" + std::to_string(i);
        store.set(retained(topic, "x", i % 2 == 0 ? at_ms(100 + i) : gw::never));
    }
    CHECK(store.find("t/0", at_ms(99)));
    CHECK_FALSE(store.find("t/0", at_ms(100)));
    CHECK(topics_of(store, "t/+", at_ms(599)).size() == 750);
    CHECK(store.count() == 1000);

    std::vector<gw::MessagePtr> removed;
    std::size_t removed_count = 0;
    for (int slice = 0; slice < 40; ++slice) {
        removed_count += store.expire(at_ms(599), 50, &removed);
    }
    CHECK(removed_count == 250);
    CHECK(removed.size() == 250);
    CHECK(store.count() == 750);
    CHECK(store.expire(at_ms(5000), 100'000) == 250);
    CHECK(store.count() == 500);
    CHECK(store.expire(at_ms(5000), 100'000) == 0);  // and none left that ever will
    CHECK(store.bytes() == 500 * retained("t/1", "x")->footprint() + 45 * 1 + 450 * 2);
}

TEST_CASE("limits hold, and a refused message takes the older one with it") {
    const std::size_t each = retained("t/1", "1")->footprint();
    RetainedStore store{{.count_max = 2, .bytes_max = 3 * each, .payload_bytes_max = 200}};
    CHECK(store.set(retained("t/1", "1")) == RetainOutcome::stored);
    CHECK(store.set(retained("t/2", "1")) == RetainOutcome::stored);
    CHECK(store.set(retained("t/3", "1")) == RetainOutcome::over_count);
    CHECK(store.set(retained("t/2", "2")) == RetainOutcome::replaced);  // no more than before
    CHECK(store.set(retained("t/4", "")) == RetainOutcome::nothing_to_clear);
    CHECK(store.count() == 2);

    CHECK(store.set(retained("t/2", std::string(2 * each, 'x'))) == RetainOutcome::over_bytes);
    CHECK_FALSE(store.find("t/2", at_ms(0)));
    CHECK(store.count() == 1);
    CHECK(store.bytes() == each);
    CHECK(store.set(retained("t/1", std::string(201, 'x'))) == RetainOutcome::payload_too_large);
    CHECK_FALSE(store.find("t/1", at_ms(0)));
    CHECK(store.count() == 0);
    CHECK(store.bytes() == 0);
}

TEST_CASE("room is what is left, and what the topic has already") {
    const std::size_t each = retained("t/1", "1")->footprint();
    RetainedStore store{{.count_max = 2, .bytes_max = 3 * each, .payload_bytes_max = 0}};
    CHECK(store.has_room("t/1", each));
    CHECK(store.has_room("t/1", 3 * each));
    CHECK_FALSE(store.has_room("t/1", 3 * each + 1));
    store.set(retained("t/1", "1"));
    CHECK(store.has_room("t/2", 2 * each));
    CHECK_FALSE(store.has_room("t/2", 2 * each + 1));
    CHECK(store.has_room("t/1", 3 * each));
    store.set(retained("t/2", "1"));
    CHECK_FALSE(store.has_room("t/3", each));
    CHECK(store.has_room("t/2", 2 * each));
    CHECK_FALSE(store.has_room("t/2", 2 * each + 1));
    CHECK(RetainedStore{{}}.has_room("t", std::size_t{1} << 40));
}

TEST_CASE("many topics are served in pages without looking at the others") {
    RetainedStore store{{}};
    for (int site = 0; site < 300; ++site) {
        for (int device = 0; device < 100; ++device) {
            const std::string stem = "site/" + std::to_string(site) + "/" + std::to_string(device);
            store.set(retained(stem + "/temp", "20"));
            store.set(retained(stem + "/humidity", "60"));
        }
    }
    CHECK(store.count() == 60'000);
    CHECK(topics_of(store, "#", at_ms(0), 100).size() == 60'000);
    CHECK(topics_of(store, "site/7/#", at_ms(0), 1).size() == 200);
    CHECK(topics_of(store, "site/7/+/temp", at_ms(0), 7).size() == 100);
    CHECK(topics_of(store, "site/+/7/temp", at_ms(0), 7).size() == 300);

    // Few matches in few calls: each call looks at a bounded number of topics.
    std::vector<gw::MessagePtr> found;
    RetainedCursor cursor;
    int calls = 1;
    while (store.next("site/7/+/temp", cursor, 1000, at_ms(0), found)) {
        ++calls;
    }
    CHECK(calls == 1);
    CHECK(found.size() == 100);

    // And a filter that matches nothing anywhere comes back in between.
    RetainedCursor vain;
    found.clear();
    CHECK(store.next("+/+/+/nothing", vain, 1000, at_ms(0), found));
    CHECK(found.empty());
    calls = 1;
    while (store.next("+/+/+/nothing", vain, 1000, at_ms(0), found)) {
        ++calls;
    }
    CHECK(found.empty());
    CHECK(calls < 40);
}
