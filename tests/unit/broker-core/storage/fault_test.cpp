#include "tests/support/temp_folder.hpp"
#include "tests/unit/broker-core/storage/faulty_vfs.hpp"
#include "tests/unit/broker-core/storage/random_steps.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

using Fault = FaultyVfs::Fault;

constexpr int step_count = 30;

LogStoreOptions faulty_options() {
    LogStoreOptions options = small_options();
    options.vfs = FaultyVfs::name;
    options.checkpoint_bytes = 32 * 1024;  // some checkpoints within each run
    options.compact_slack_bytes = 2 * 1024;
    return options;
}

/// What a run leaves behind for the one that looks at the file afterwards.
struct Outcome {
    std::vector<StoreContents> after;  // after[n]: with the first n steps applied
    std::size_t committed = 0;         // so many steps were reported stored
    bool has_failed = false;
    bool has_struck = false;
};

/// Submits steps one by one. A step that fails is submitted again when the fault is over; with
/// `gives_up` the first failure ends the run.
Outcome run_steps(const std::string& path, std::uint64_t seed, bool gives_up) {
    FaultyVfs& vfs = FaultyVfs::instance();
    Outcome outcome;
    RandomSteps steps{seed};
    StoreModel model;
    outcome.after.push_back(model.contents());
    StoreHarness store{path, faulty_options()};
    if (!store.is_open()) {
        outcome.has_failed = true;
        outcome.has_struck = vfs.has_struck();
        return outcome;
    }
    for (int count = 0; count < step_count; ++count) {
        const Step step = steps.next();
        model.apply(step);
        outcome.after.push_back(model.contents());
        bool is_stored = store.commit(step);
        if (!is_stored) {
            outcome.has_failed = true;
            CHECK(store.tells_failures());
            if (gives_up) {
                break;
            }
            vfs.heal();
            is_stored = store.commit(step);
            CHECK(is_stored);
            CHECK(store.store().is_healthy());
        }
        ++outcome.committed;
    }
    outcome.has_struck = vfs.has_struck();
    return outcome;
}

/// Submits steps without waiting for each, so that transactions hold several. What counts is how
/// many from the front were stored: without power, only a step that changes nothing succeeds.
Outcome run_batches(const std::string& path, std::uint64_t seed) {
    Outcome outcome;
    RandomSteps steps{seed};
    StoreModel model;
    outcome.after.push_back(model.contents());
    StoreHarness store{path, faulty_options()};
    if (store.is_open()) {
        std::uint64_t last = 0;
        for (int count = 0; count < 2 * step_count; ++count) {
            const Step step = steps.next();
            model.apply(step);
            outcome.after.push_back(model.contents());
            last = store.submit(step);
            if (steps.random().below(4) == 0) {
                store.wait_for(last);
            }
        }
        store.wait_for(last);
        const std::vector<std::uint64_t> committed = store.committed();
        while (outcome.committed < committed.size() &&
               committed[outcome.committed] == outcome.committed + 1) {
            ++outcome.committed;
        }
        CHECK(committed.size() + store.failed().size() == last);
    }
    outcome.has_struck = FaultyVfs::instance().has_struck();
    return outcome;
}

void check_restored(const std::string& path, const Outcome& outcome) {
    FaultyVfs::instance().reset(Fault::none, 0, 0);
    LogStoreOptions options = small_options();
    options.vfs = FaultyVfs::name;  // for speed: it does not wait for the disk
    StoreHarness store{path, options};
    REQUIRE_MESSAGE(store.is_open(), store.open_error().text());
    // Every step that was reported is there, the rest from the front, none by halves.
    bool is_one_of_them = false;
    for (std::size_t count = outcome.committed; count < outcome.after.size(); ++count) {
        is_one_of_them = is_one_of_them || store.restored().contents == outcome.after[count];
    }
    CHECK(is_one_of_them);
    // And the store is usable.
    CHECK(store.commit(Step{}.operation(PutSession{1'000'000, "new", ""})));
}

}  // namespace

TEST_CASE("a write that fails, anywhere, loses nothing that was reported stored") {
    for (const Fault fault : {Fault::io_error_once, Fault::disk_full_once}) {
        bool has_struck = true;
        int failure_count = 0;
        for (std::uint64_t at = 1; has_struck; ++at) {
            CAPTURE(at);
            const TempFolder folder;
            const std::string path = (folder.path() / "mangrove.db").string();
            FaultyVfs::instance().reset(fault, at, at);
            const Outcome outcome = run_steps(path, 7, false);
            has_struck = outcome.has_struck;
            failure_count += outcome.has_failed ? 1 : 0;
            FaultyVfs::instance().reset(Fault::none, 0, 0);
            check_restored(path, outcome);
        }
        CHECK(failure_count > step_count);  // most commits were hit
    }
}

TEST_CASE("a disk that fails from some moment on keeps what was reported stored") {
    bool has_struck = true;
    for (std::uint64_t at = 1; has_struck; at += 3) {
        CAPTURE(at);
        const TempFolder folder;
        const std::string path = (folder.path() / "mangrove.db").string();
        FaultyVfs::instance().reset(Fault::io_error_on, at, at);
        const Outcome outcome = run_steps(path, 8, true);
        has_struck = outcome.has_struck;
        FaultyVfs::instance().reset(Fault::none, 0, 0);
        check_restored(path, outcome);
    }
}

TEST_CASE("after a power loss at any moment, all that was reported stored is there") {
    int quiet_count = 0;  // the two ways of running do not take the same number of operations
    for (std::uint64_t at = 1; quiet_count < 2; ++at) {
        CAPTURE(at);
        const TempFolder folder;
        const std::string path = (folder.path() / "mangrove.db").string();
        FaultyVfs::instance().reset(Fault::power_loss, at, at);
        const Outcome outcome =
            at % 2 == 0 ? run_steps(path, 100 + at % 5, true) : run_batches(path, 100 + at % 5);
        quiet_count = outcome.has_struck ? 0 : quiet_count + 1;
        FaultyVfs::instance().restore_disk();
        check_restored(path, outcome);
    }
}
