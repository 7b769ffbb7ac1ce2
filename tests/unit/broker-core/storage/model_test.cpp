#include "tests/support/temp_folder.hpp"
#include "tests/unit/broker-core/storage/faulty_vfs.hpp"
#include "tests/unit/broker-core/storage/random_steps.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

/// Reads some needed messages and some that may be gone, and compares them with the model.
void check_reads(StoreHarness& store, const StoreModel& model, Random& random) {
    const std::set<std::uint64_t> needed = model.needed_messages();
    std::vector<std::uint64_t> ids;
    for (const std::uint64_t id : needed) {
        if (random.below(3) == 0) {
            ids.push_back(id);
        }
    }
    for (int count = 0; count < 5; ++count) {
        ids.push_back(1 + random.below(1'000));
    }
    const std::vector<LoadedMessage> loaded = store.read(ids);
    REQUIRE(loaded.size() == ids.size());
    for (std::size_t index = 0; index < ids.size(); ++index) {
        CAPTURE(ids[index]);
        CHECK(loaded[index].id == ids[index]);
        CHECK(loaded[index].state != LoadedMessage::State::failed);
        if (needed.contains(ids[index])) {
            REQUIRE(loaded[index].state == LoadedMessage::State::loaded);
        }
        if (loaded[index].state == LoadedMessage::State::loaded) {
            CHECK(as_text(loaded[index].record.payload) == model.payload(ids[index]));
        }
    }
}

void run(std::uint64_t seed) {
    CAPTURE(seed);
    const TempFolder folder;
    const std::string path = (folder.path() / "mangrove.db").string();
    RandomSteps steps{seed};
    Random& random = steps.random();
    StoreModel model;
    LogStoreOptions options = small_options();
    FaultyVfs::instance().reset(FaultyVfs::Fault::none, 0, 0);
    options.vfs = FaultyVfs::name;  // for speed: it does not wait for the disk
    // A message completed by one session may still be taken up by another in this test.
    options.unreferenced_grace = Milliseconds{seed % 2 == 0 ? 60'000 : 0};
    options.segment_bytes_max = 256 << random.below(6);
    options.transaction_bytes_max = options.segment_bytes_max << random.below(4);
    options.compact_slack_bytes = 1024 << random.below(4);
    options.compact_slice_bytes = 128 << random.below(6);
    std::uint64_t compacted_bytes = 0;
    for (int life = 0; life < 6; ++life) {
        CAPTURE(life);
        model.restart();
        steps.restart();
        StoreHarness store{path, options};
        REQUIRE_MESSAGE(store.is_open(), store.open_error().text());
        REQUIRE(difference(store.restored().contents, model.contents()) == "");
        std::uint64_t last = 0;
        for (std::uint64_t count = 20 + random.below(120); count > 0; --count) {
            const Step step = steps.next();
            model.apply(step);
            last = store.submit(step);
            if (random.below(3) != 0) {
                store.wait_for(last);
            }
            if (random.below(25) == 0) {
                store.wait_for(last);
                check_reads(store, model, random);
            }
        }
        store.wait_for(last);
        check_reads(store, model, random);
        CHECK(store.failed().empty());
        CHECK(store.store().last_error() == "");
        compacted_bytes += store.store().stats().compacted_bytes;
    }
    CHECK(compacted_bytes > 0);
}

}  // namespace

TEST_CASE("a store holds what a naive model holds, through compactions and restarts") {
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        run(seed);
    }
}
