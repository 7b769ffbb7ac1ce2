#include "broker-core/storage/log_store/log_store.hpp"

#include "broker-core/storage/log_store/database.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace gw;
using namespace gw::test;

namespace {

std::string file_in(const TempFolder& folder) {
    return (folder.path() / "mangrove.db").string();
}

Step session_step(std::uint64_t sid) {
    Step step;
    step.operation(PutSession{sid, "client-" + std::to_string(sid), "state"});
    return step;
}

void run_sql(const std::string& path, const std::string& sql) {
    auto database = Database::open(path, {.vfs = {}});
    REQUIRE(database.has_value());
    const auto done = database->execute(sql);
    REQUIRE_MESSAGE(done.has_value(), done.error().text());
}

}  // namespace

TEST_CASE("what was reported committed is there after a restart") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        REQUIRE(store.is_open());
        CHECK(store.restored().contents == StoreContents{});
        CHECK(store.commit(session_step(store.store().next_sid())));
        Step step;
        step.message(1, "one").delivery(1, 1, 1).message(2, "two").delivery(1, 2, 2);
        step.operation(PutSubscription{1, "a/+", 5}).operation(PutSubscription{1, "b/#", 6});
        step.operation(Step::retained("r/1", "kept")).operation(Step::retained("r/2", "gone"));
        step.operation(PutInbound{1, 77}).operation(PutInbound{1, 78});
        step.operation(PutReleased{1, 9}).operation(PutReleased{1, 2ULL << 50 | 11});
        CHECK(store.commit(step));
        Step second;
        second.completed(1, 1, 1).operation(RemoveRetained{"r/2"});
        second.operation(RemoveSubscription{1, "b/#"}).operation(RemoveInbound{1, 77});
        CHECK(store.commit(second));
        const auto loaded = store.read({2, 3});
        REQUIRE(loaded.size() == 2);
        CHECK(loaded[0].state == LoadedMessage::State::loaded);
        CHECK(as_text(loaded[0].record.payload) == "two");
        CHECK(loaded[0].record.topic == "some/topic");
        CHECK(loaded[1].state == LoadedMessage::State::missing);
    }
    // Closed in order, it is one file again.
    CHECK_FALSE(std::filesystem::exists(file_in(folder) + "-wal"));
    StoreHarness store{file_in(folder), small_options()};
    REQUIRE(store.is_open());
    const StoreContents expected{
        {{1, {"client-1", "state", {{"a/+", 5}}, {{2, 2}}, {78}, {9, 2ULL << 50 | 11}}}},
        {{"r/1", "kept"}}};
    CHECK(store.restored().contents == expected);
    CHECK(store.restored().sessions.at(1).next_sequence == 12);
    CHECK(store.store().restored().next_message_count == 3);
    CHECK(store.store().restored().delivery_count == 1);
    CHECK(store.store().next_sid() > 1);
    const auto loaded = store.read({2, 1});
    CHECK(as_text(loaded[0].record.payload) == "two");
    CHECK(loaded[1].state == LoadedMessage::State::missing);
}

TEST_CASE("identifiers, groups, QoS and the retain flag of a delivery come back") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        Submission submission;
        submission.ticket = 2;
        MessageRecord message;
        message.id = 1;
        append_message(submission.records, message);
        const std::vector<std::uint32_t> one{4};
        const std::vector<std::uint32_t> two{4, 5};
        append_delivery(submission.records, {.session = 1,
                                             .sequence = 1,
                                             .message = 1,
                                             .qos = Qos::exactly_once,
                                             .retain = true,
                                             .identifiers = one});
        append_delivery(submission.records,
                        {.session = 1, .sequence = 2, .message = 1, .identifiers = two});
        append_delivery(submission.records,
                        {.session = 1, .sequence = 3, .message = 1, .group = "$share/g"});
        store.store().submit(std::move(submission));
        store.wait_for(2);
    }
    StoreHarness store{file_in(folder), small_options()};
    const RestoredSession& session = store.restored().sessions.at(1);
    REQUIRE(session.deliveries.size() == 3);
    CHECK(session.deliveries[0].qos == Qos::exactly_once);
    CHECK(session.deliveries[0].retain);
    CHECK(session.deliveries[0].identifier == 4);
    CHECK_FALSE(session.deliveries[0].has_extra);
    CHECK(session.deliveries[1].has_extra);
    REQUIRE(session.extras.size() == 2);
    CHECK(session.extras[0].sequence == 2);
    CHECK(session.extras[0].identifiers == std::vector<std::uint32_t>{4, 5});
    CHECK(session.extras[1].sequence == 3);
    CHECK(session.extras[1].group == "$share/g");
}

TEST_CASE("a session that was removed is gone with all that belonged to it") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        Step step;
        step.operation(PutSession{1, "a", "old"}).operation(PutSubscription{1, "f", 1});
        step.operation(PutInbound{1, 1}).operation(PutReleased{1, 1});
        step.message(1, "x").delivery(1, 2, 1);
        CHECK(store.commit(step));
        Step second;
        second.operation(RemoveSession{1}).operation(PutSession{2, "a", "new"});
        CHECK(store.commit(second));
    }
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.restored().contents == StoreContents{{{2, {"a", "new", {}, {}, {}, {}}}}, {}});
    CHECK(store.store().stats().message_count == 0);
}

TEST_CASE("session ids are never given twice, also after the last session was removed") {
    const TempFolder folder;
    std::uint64_t sid = 0;
    {
        StoreHarness store{file_in(folder), small_options()};
        for (int count = 0; count < 3; ++count) {
            sid = store.store().next_sid();
            CHECK(store.commit(session_step(sid)));
            CHECK(store.commit(Step{}.operation(RemoveSession{sid})));
        }
    }
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.store().next_sid() > sid);
}

TEST_CASE("of several operations on one row the last decides") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        Step step;
        step.operation(PutSession{1, "a", "first"}).operation(PutSession{1, "a", "last"});
        step.operation(PutInbound{1, 5}).operation(RemoveInbound{1, 5});
        step.operation(RemoveInbound{1, 6}).operation(PutInbound{1, 6});
        step.operation(PutSubscription{1, "x", 1});
        step.operation(RemoveSession{1});
        step.operation(PutSession{1, "a", "again"});
        step.operation(Step::retained("t", "1")).operation(Step::retained("t", "2"));
        step.operation(PutSubscription{1, "y", 2});
        CHECK(store.commit(step));
    }
    StoreHarness store{file_in(folder), small_options()};
    const StoreContents expected{{{1, {"a", "again", {{"y", 2}}, {}, {}, {}}}}, {{"t", "2"}}};
    CHECK(store.restored().contents == expected);
}

TEST_CASE("a delivery whose message never came is not restored") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        CHECK(store.commit(Step{}.delivery(1, 1, 5).delivery(1, 2, 6)));
        CHECK(store.commit(Step{}.message(6, "six")));
    }
    StoreHarness store{file_in(folder), small_options()};
    using Deliveries = std::map<std::uint64_t, std::uint64_t>;
    CHECK(store.restored().contents.sessions.at(1).deliveries == Deliveries{{2, 6}});
    CHECK(store.store().stats().delivery_count == 1);
}

TEST_CASE("a delivery that comes after its message was given up is reported") {
    const TempFolder folder;
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.commit(session_step(1)));
    CHECK(store.commit(Step{}.message(1, "one")));
    CHECK(store.wait_until([&] { return store.store().stats().message_count == 0; }));
    CHECK(store.commit(Step{}.delivery(1, 1, 1)));
    REQUIRE(store.orphans().size() == 1);
    CHECK(store.orphans().front().message == 1);
    CHECK(store.commit(Step{}.message(1, "one")));
    CHECK(as_text(store.read({1})[0].record.payload) == "one");
}

TEST_CASE("messages larger than a segment are cut between records") {
    const TempFolder folder;
    const std::string large(10'000, 'L');
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        Step step;
        for (std::uint64_t id = 1; id <= 20; ++id) {
            step.message(id, large + std::to_string(id)).delivery(1, id, id);
        }
        CHECK(store.commit(step));
        CHECK(store.store().stats().segment_count > 10);
        CHECK(as_text(store.read({20})[0].record.payload) == large + "20");
    }
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.restored().contents.sessions.at(1).deliveries.size() == 20);
    CHECK(as_text(store.read({7})[0].record.payload) == large + "7");
}

TEST_CASE("segments go when nothing in them lives, and only then") {
    const TempFolder folder;
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.commit(session_step(1)));
    for (std::uint64_t id = 1; id <= 50; ++id) {
        CHECK(store.commit(Step{}.message(id, "x").delivery(1, id, id)));
    }
    CHECK(store.store().stats().segment_count == 50);
    for (std::uint64_t id = 2; id <= 50; ++id) {
        CHECK(store.commit(Step{}.completed(1, id, id)));
    }
    // The first still lives, so everything behind it stays: the completions must not go before
    // the deliveries that they end.
    CHECK(store.store().stats().segment_count == 99);
    CHECK(store.commit(Step{}.completed(1, 1, 1)));
    CHECK(store.wait_until([&] { return store.store().stats().segment_count == 0; }));
    CHECK(store.store().stats().log_bytes == 0);
}

TEST_CASE("a log of mostly dead records is rewritten while it runs") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        const std::string payload(200, 'x');
        for (std::uint64_t id = 1; id <= 600; ++id) {
            Step step;
            step.message(id, payload + std::to_string(id)).delivery(1, id, id);
            if (id > 10 && (id - 10) % 20 != 0) {
                step.completed(1, id - 10, id - 10);
            }
            CHECK(store.commit(step));
        }
        const auto is_small = [&] {
            const LogStoreStats stats = store.store().stats();
            return stats.log_bytes <= 2 * stats.live_bytes + 8 * 1024;
        };
        CHECK(store.wait_until(is_small));
        CHECK(store.store().stats().compacted_bytes > 0);
        CHECK(store.wait_until([&] { return store.store().stats().message_count == 39; }));
        CHECK(as_text(store.read({20})[0].record.payload) == payload + "20");
        CHECK(store.read({21})[0].state == LoadedMessage::State::missing);
    }
    StoreHarness store{file_in(folder), small_options()};
    const auto& deliveries = store.restored().contents.sessions.at(1).deliveries;
    CHECK(deliveries.size() == 39);
    CHECK(deliveries.contains(20));
    CHECK_FALSE(deliveries.contains(21));
}

TEST_CASE("the deliveries of a removed session leave the log") {
    const TempFolder folder;
    StoreHarness store{file_in(folder), small_options()};
    CHECK(store.commit(session_step(1)));
    CHECK(store.commit(session_step(2)));
    const std::string payload(200, 'x');
    for (std::uint64_t id = 1; id <= 300; ++id) {
        CHECK(store.commit(Step{}.message(id, payload).delivery(id % 4 == 0 ? 2 : 1, id, id)));
    }
    CHECK(store.commit(Step{}.operation(RemoveSession{1})));
    CHECK(store.wait_until([&] {
        const LogStoreStats stats = store.store().stats();
        return stats.message_count < 150 &&
               stats.log_bytes <= 2 * stats.live_bytes + small_options().compact_slack_bytes;
    }));
    CHECK(as_text(store.read({300})[0].record.payload) == payload);
    CHECK(store.read({1})[0].state == LoadedMessage::State::missing);
}

TEST_CASE("checkpoints keep the write-ahead log near its bound") {
    const TempFolder folder;
    LogStoreOptions options = small_options();
    options.tidy_after = Milliseconds{60'000};
    StoreHarness store{file_in(folder), options};
    CHECK(store.commit(session_step(1)));
    const std::string payload(2'000, 'x');
    const auto wal_bytes = [&] {
        return std::filesystem::file_size(file_in(folder) + "-wal");
    };
    CHECK(wal_bytes() >= options.checkpoint_bytes / 4096 * 4096);  // its length from the start
    std::uint64_t id = 0;
    for (std::uint64_t round = 0; round < 20; ++round) {
        const std::uint64_t before = store.store().stats().checkpoints;
        for (int count = 0; count < 20; ++count) {  // some pages each: more than 64 KiB
            ++id;
            CHECK(store.commit(Step{}.message(id, payload).delivery(1, id, id)));
        }
        CHECK(store.wait_until([&] { return store.store().stats().checkpoints > before; }));
    }
    // What was written is many times as much, but each round began the log anew.
    CHECK(wal_bytes() < 600'000);
    CHECK(std::filesystem::file_size(file_in(folder)) > 600'000);
}

TEST_CASE("a second store on the same file is refused while the first runs") {
    const TempFolder folder;
    StoreHarness first{file_in(folder), small_options()};
    REQUIRE(first.is_open());
    StoreHarness second{file_in(folder), small_options()};
    REQUIRE_FALSE(second.is_open());
    CHECK(second.open_error().code() == Errc::unavailable);
    first.close();
    StoreHarness third{file_in(folder), small_options()};
    CHECK(third.is_open());
}

TEST_CASE("files that are no store of this version are refused and left alone") {
    const TempFolder folder;
    const auto refused = [&](const std::string& path) {
        StoreHarness store{path, small_options()};
        REQUIRE_FALSE(store.is_open());
        return store.open_error();
    };
    SUBCASE("a text file") {
        const std::string path = folder.write("mangrove.db", std::string(5'000, 'z'));
        CHECK(refused(path).code() == Errc::corrupt);
        CHECK(std::filesystem::file_size(path) == 5'000);
    }
    SUBCASE("somebody else's database") {
        auto database = Database::open(file_in(folder), {.may_create = true, .vfs = {}});
        CHECK(database->execute("CREATE TABLE cats(name)").has_value());
        database->close();
        const Error error = refused(file_in(folder));
        CHECK(error.code() == Errc::corrupt);
        CHECK(error.text().find("not a store of Mangrove") != std::string::npos);
    }
    SUBCASE("a store of a newer version") {
        StoreHarness{file_in(folder), small_options()}.close();
        run_sql(file_in(folder), "PRAGMA user_version=99");
        const Error error = refused(file_in(folder));
        CHECK(error.code() == Errc::newer_format);
        CHECK(error.text().find("version 99") != std::string::npos);
    }
    SUBCASE("a folder that does not exist") {
        CHECK(refused((folder.path() / "none" / "mangrove.db").string()).code() == Errc::io);
    }
}

TEST_CASE("a store of an older version is brought up to date, and holds what it held") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        CHECK(store.commit(Step{}.operation(PutInbound{1, 77}).operation(PutReleased{1, 9})));
    }
    run_sql(file_in(folder), "PRAGMA user_version=1");
    {
        StoreHarness store{file_in(folder), small_options()};
        REQUIRE(store.is_open());
        CHECK(store.restored().sessions.at(1).inbound == std::vector<std::uint64_t>{77});
        CHECK(store.restored().sessions.at(1).released == std::vector<std::uint64_t>{9});
    }
    auto database = Database::open(file_in(folder), {.may_create = false, .vfs = {}});
    CHECK(database->integer("PRAGMA user_version").value() == 2);
}

TEST_CASE("a damaged segment is named, and can be skipped on demand") {
    const TempFolder folder;
    {
        StoreHarness store{file_in(folder), small_options()};
        CHECK(store.commit(session_step(1)));
        for (std::uint64_t id = 1; id <= 3; ++id) {
            CHECK(store.commit(Step{}.message(id, "x").delivery(1, id, id)));
        }
    }
    SUBCASE("a changed byte") {
        run_sql(file_in(folder),
                "UPDATE segment SET body=CAST(substr(body,1,20)||x'ff'||substr(body,22) AS BLOB) "
                "WHERE id=2");
    }
    SUBCASE("a lost row") {
        run_sql(file_in(folder), "DELETE FROM segment WHERE id=2");
    }
    {
        StoreHarness store{file_in(folder), small_options()};
        REQUIRE_FALSE(store.is_open());
        CHECK(store.open_error().code() == Errc::corrupt);
        CHECK(store.open_error().text().find("segment 2") != std::string::npos);
    }
    LogStoreOptions options = small_options();
    options.skip_damaged_segments = true;
    StoreHarness store{file_in(folder), options};
    REQUIRE(store.is_open());
    using Deliveries = std::map<std::uint64_t, std::uint64_t>;
    CHECK(store.restored().contents.sessions.at(1).deliveries == Deliveries{{1, 1}, {3, 3}});
    CHECK(store.store().restored().skipped_segments == std::vector<std::uint64_t>{2});
    CHECK(store.commit(Step{}.message(4, "y").delivery(1, 4, 4)));
}

TEST_CASE("many threads submit and read at once") {
    const TempFolder folder;
    constexpr std::uint64_t worker_count = 4;
    constexpr std::uint64_t step_count = 150;
    {
        StoreHarness store{file_in(folder), small_options()};
        std::atomic<std::uint64_t> bad_reads{0};
        std::atomic<std::uint64_t> reads_done{0};
        std::vector<std::thread> workers;
        for (std::uint64_t worker = 1; worker <= worker_count; ++worker) {
            workers.emplace_back([&, worker] {
                store.store().submit(session_step(worker).submission(0));
                for (std::uint64_t count = 1; count <= step_count; ++count) {
                    const std::uint64_t id = worker << 56 | count;
                    Step step;
                    step.message(id, std::to_string(id)).delivery(worker, count, id);
                    if (count > 20) {
                        step.completed(worker, count - 20, worker << 56 | (count - 20));
                    }
                    Submission submission = step.submission(count);
                    ByteBuffer recycled = store.store().take_buffer();
                    recycled.append(submission.records.view());
                    submission.records = std::move(recycled);
                    store.store().submit(std::move(submission));
                    store.store().read({id}, [&, id](std::vector<LoadedMessage> loaded) {
                        // It may not be committed yet; if it is, it is the right one.
                        if (loaded[0].state == LoadedMessage::State::failed ||
                            (loaded[0].state == LoadedMessage::State::loaded &&
                             as_text(loaded[0].record.payload) != std::to_string(id))) {
                            ++bad_reads;
                        }
                        ++reads_done;
                    });
                }
            });
        }
        for (std::thread& worker : workers) {
            worker.join();
        }
        store.wait_for(worker_count * (step_count + 1));
        CHECK(store.wait_until([&] { return reads_done == worker_count * step_count; }));
        CHECK(bad_reads == 0);
        CHECK(store.failed().empty());
        CHECK(store.store().waiting_bytes() == 0);
    }
    StoreHarness store{file_in(folder), small_options()};
    for (std::uint64_t worker = 1; worker <= worker_count; ++worker) {
        const auto& deliveries = store.restored().contents.sessions.at(worker).deliveries;
        REQUIRE(deliveries.size() == 20);
        CHECK(deliveries.begin()->first == step_count - 19);
    }
}

TEST_CASE("a file that has become mostly empty is made smaller") {
    const TempFolder folder;
    LogStoreOptions options = small_options();
    options.vacuum_slack_bytes = 64 * 1024;
    StoreHarness store{file_in(folder), options};
    CHECK(store.commit(session_step(1)));
    const std::string payload(20'000, 'x');
    for (std::uint64_t id = 1; id <= 100; ++id) {
        CHECK(store.commit(Step{}.message(id, payload).delivery(1, id, id)));
    }
    const auto file_bytes = [&] {
        return std::filesystem::file_size(file_in(folder));
    };
    CHECK(store.wait_until([&] { return file_bytes() > 2'000'000; }));
    Step all;
    for (std::uint64_t id = 1; id <= 100; ++id) {
        all.completed(1, id, id);
    }
    CHECK(store.commit(all));
    CHECK(store.wait_until([&] { return file_bytes() < 300'000; }));
}

TEST_CASE("messages are found at every moment while the compaction moves them") {
    const TempFolder folder;
    LogStoreOptions options = small_options();
    options.compact_slack_bytes = 0;
    options.compact_slice_bytes = 64 * 1024;
    StoreHarness store{file_in(folder), options};
    CHECK(store.commit(session_step(1)));
    constexpr std::uint64_t kept = 20;
    std::vector<std::uint64_t> ids;
    Step first;
    for (std::uint64_t id = 1; id <= kept; ++id) {
        first.message(id, "kept-" + std::to_string(id)).delivery(1, id, id);
        ids.push_back(id);
    }
    CHECK(store.commit(first));

    std::atomic<bool> is_over{false};
    std::uint64_t read_count = 0;
    std::uint64_t bad_count = 0;
    std::thread reader{[&] {
        while (!is_over) {
            for (const LoadedMessage& message : store.read(ids)) {
                const bool is_good =
                    message.state == LoadedMessage::State::loaded &&
                    as_text(message.record.payload) == "kept-" + std::to_string(message.id);
                bad_count += is_good ? 0U : 1U;
            }
            ++read_count;
        }
    }};
    const std::string payload(1'000, 'x');
    for (std::uint64_t id = kept + 1; id <= kept + 600; ++id) {
        store.commit(Step{}.message(id, payload).delivery(1, id, id).completed(1, id, id));
    }
    is_over = true;
    reader.join();
    CHECK(read_count > 10);
    CHECK(bad_count == 0);
    CHECK(store.store().stats().compacted_bytes > 10'000);
}
