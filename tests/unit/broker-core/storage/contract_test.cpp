// What the core may rely on of its Storage, whatever keeps it: the same suite runs against memory,
// against SQLite, and against SQLite on files that fail or lose power at the Nth operation, for
// every N.
#include "broker-core/storage/log_storage.hpp"
#include "tests/support/sim_disk.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/unit/broker-core/storage/faulty_vfs.hpp"
#include "tests/unit/broker-core/storage/store_harness.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

using Fault = FaultyVfs::Fault;

/// Something that two workers' storages can be attached to, as often as it is opened.
class Backend {
public:
    virtual ~Backend() = default;
    /// Null: it cannot be opened just now.
    virtual SubmissionStore* open(RestoreVisitor& visitor) = 0;
    virtual void close() = 0;

    /// Waits for the report on a ticket; true: stored.
    bool is_stored(std::uint32_t worker, StoreTicket ticket) {
        std::unique_lock lock{mutex_};
        const bool came = reported_.wait_for(lock, std::chrono::seconds{30}, [&] {
            return reports_.contains({worker, ticket});
        });
        REQUIRE(came);
        return reports_.at({worker, ticket});
    }
    std::set<std::pair<std::uint32_t, StoreTicket>> covered() {
        const std::scoped_lock lock{mutex_};
        return covered_;
    }

protected:
    void report(const ReportedSubmission& one, bool is_stored) {
        const std::scoped_lock lock{mutex_};
        reports_[{one.worker, one.ticket}] = is_stored;
        if (is_stored) {
            covered_.insert(one.covers.begin(), one.covers.end());
        }
        reported_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable reported_;
    std::map<std::pair<std::uint32_t, StoreTicket>, bool> reports_;
    std::set<std::pair<std::uint32_t, StoreTicket>> covered_;
};

class MemoryBackend final : public Backend {
public:
    MemoryBackend() {
        disk_.on_submit = [this] {
            bool has_orphans = false;
            Submission done = disk_.commit(has_orphans);
            CHECK_FALSE(has_orphans);
            report({done.worker, done.ticket, std::move(done.covers)}, true);
        };
        disk_.on_read = [](std::vector<LoadedMessage> messages, const StoreReader::Done& done) {
            done(std::move(messages));
        };
    }
    SubmissionStore* open(RestoreVisitor& visitor) override {
        disk_.restore(visitor);
        return &disk_;
    }
    void close() override {}

private:
    SimDisk disk_{[] {
        return MonotonicTime{};
    }};
};

class FileBackend final : public Backend {
public:
    explicit FileBackend(LogStoreOptions options) : options_(std::move(options)) {}

    SubmissionStore* open(RestoreVisitor& visitor) override {
        LogStoreHandlers handlers;
        const auto tell = [this](const CommitReport& done, bool is_stored) {
            CHECK(done.orphans.empty());
            for (const ReportedSubmission& one : done.submissions) {
                report(one, is_stored);
            }
        };
        handlers.on_committed = [tell](CommitReport& done) {
            tell(done, true);
        };
        handlers.on_failed = [tell](CommitReport& done, const Error&) {
            tell(done, false);
        };
        auto opened = LogStore::open((folder_.path() / "mangrove.db").string(), options_,
                                     std::move(handlers), visitor);
        store_ = opened ? std::move(*opened) : nullptr;
        return store_.get();
    }
    void close() override { store_.reset(); }
    /// Waits until what failed was stored by a later try.
    void settle() {
        while (store_->waiting_bytes() != 0 || !store_->is_healthy()) {
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

private:
    TempFolder folder_;
    LogStoreOptions options_;
    std::unique_ptr<LogStore> store_;
};

MessagePtr message_with(std::string_view topic, std::string_view payload) {
    return Message::create({.topic = topic,
                            .payload = as_bytes(payload),
                            .properties = {},
                            .qos = Qos::exactly_once,
                            .retain = false,
                            .arrival = MonotonicTime{},
                            .expires_at = never,
                            .publisher = nullptr});
}

/// Two workers, and what their turns have to leave behind.
class Script {
public:
    static constexpr Now now{};

    explicit Script(SubmissionStore& store) {
        for (std::uint32_t worker = 0; worker < 2; ++worker) {
            storages_.push_back(std::make_unique<LogStorage>(
                worker, [this](SessionRef, std::vector<LoadedMessage> messages) {
                    loaded_.set_value(std::move(messages));
                }));
            storages_.back()->attach(store);
        }
        a_ = storages_[0]->new_session_id();
        b_ = storages_[1]->new_session_id();
        write();
    }

    std::size_t turn_count() const { return turns_.size(); }
    /// Does a turn and hands it over; returns who and under what ticket.
    std::pair<std::uint32_t, StoreTicket> run(std::size_t index) {
        const Turn& turn = turns_[index];
        turn.act(*storages_[turn.worker]);
        CHECK(storages_[turn.worker]->has_pending());
        CHECK(storages_[turn.worker]->submit(index + 1));
        CHECK_FALSE(storages_[turn.worker]->has_pending());
        return {turn.worker, index + 1};
    }
    /// What is there after the first `count` turns.
    StoreContents after(std::size_t count) const {
        StoreContents contents;
        for (std::size_t index = 0; index < count; ++index) {
            turns_[index].expect(contents);
        }
        return contents;
    }
    std::uint64_t a() const { return a_; }
    std::vector<LoadedMessage> load(std::vector<std::uint64_t> ids) {
        loaded_ = {};
        auto future = loaded_.get_future();
        storages_[1]->load(SessionRef{}, std::move(ids));
        return future.get();
    }

private:
    struct Turn {
        std::uint32_t worker;
        std::function<void(Storage&)> act;
        std::function<void(StoreContents&)> expect;
    };

    static StoredDelivery delivery(std::uint64_t sid, std::uint64_t sequence, std::uint64_t id) {
        return {.session_id = sid,
                .sequence = sequence,
                .message_id = id,
                .qos = Qos::exactly_once,
                .retain = true,
                .identifiers = {},
                .group = {}};
    }
    void turn(std::uint32_t worker, std::function<void(Storage&)> act,
              std::function<void(StoreContents&)> expect) {
        turns_.push_back({worker, std::move(act), std::move(expect)});
    }
    void write();
    void write_messages();
    void write_tables();

    std::vector<std::unique_ptr<LogStorage>> storages_;
    std::vector<Turn> turns_;
    std::promise<std::vector<LoadedMessage>> loaded_;
    std::uint64_t a_ = 0;
    std::uint64_t b_ = 0;
};

void Script::write() {
    turn(
        0,
        [this](Storage& s) {
            s.put_session(a_, "a", "state a");
            s.put_subscription(a_, "x/#", 1);
            s.put_subscription(a_, "y", 2);
        },
        [this](StoreContents& c) {
            c.sessions[a_] = {"a", "state a", {{"x/#", 1}, {"y", 2}}, {}, {}, {}};
        });
    turn(
        1, [this](Storage& s) { s.put_session(b_, "b", "state b"); },
        [this](StoreContents& c) { c.sessions[b_] = {"b", "state b", {}, {}, {}, {}}; });
    write_messages();
    write_tables();
    turn(
        1, [this](Storage& s) { s.remove_session(b_); },
        [this](StoreContents& c) { c.sessions.erase(b_); });
}

void Script::write_messages() {
    turn(
        0,
        [this](Storage& s) {
            s.put_message(11, *message_with("x/1", "eleven"), now);
            s.put_delivery(delivery(a_, 1, 11));
            s.put_message(12, *message_with("x/2", "twelve"), now);
            s.put_delivery(delivery(a_, 2, 12));
        },
        [this](StoreContents& c) {
            c.sessions[a_].deliveries = {{1, 11}, {2, 12}};
        });
    turn(  // the other worker's part of a message that is there, and the word that it is done
        1,
        [this](Storage& s) {
            s.put_delivery(delivery(b_, 1, 11));
            s.cover(0, 3);
        },
        [this](StoreContents& c) { c.sessions[b_].deliveries[1] = 11; });
    turn(
        0, [this](Storage& s) { s.complete(a_, 1, 11); },
        [this](StoreContents& c) { c.sessions[a_].deliveries.erase(1); });
    turn(  // of a shared group, with identifiers
        0,
        [this](Storage& s) {
            static constexpr std::uint32_t identifiers[] = {7, 8};
            StoredDelivery one = delivery(a_, 3, 13);
            one.identifiers = identifiers;
            one.group = "$share/g/x/#";
            s.put_message(13, *message_with("x/3", std::string(3000, 'x')), now);
            s.put_delivery(one);
        },
        [this](StoreContents& c) { c.sessions[a_].deliveries[3] = 13; });
    turn(  // one comes and goes within a turn
        1,
        [this](Storage& s) {
            s.put_message(14, *message_with("x/4", "fourteen"), now);
            s.put_delivery(delivery(b_, 2, 14));
            s.complete(b_, 2, 14);
        },
        [](StoreContents&) {});
}

void Script::write_tables() {
    turn(
        0,
        [this](Storage& s) {
            s.put_session(a_, "a", "other state");
            s.put_subscription(a_, "y", 3);
            s.remove_subscription(a_, "x/#");
            s.put_inbound(a_, 5);
            s.put_inbound(a_, 6);
            s.remove_inbound(a_, 5);
            s.put_released(a_, 2);
            s.put_released(a_, 9);
            s.remove_released(a_, 9);
        },
        [this](StoreContents& c) {
            StoreContents::Session& one = c.sessions[a_];
            one.state = "other state";
            one.subscriptions = {{"y", 3}};
            one.inbound = {6};
            one.released = {2};
        });
    // Two workers set a topic, and the later setting is submitted first.
    turn(
        1, [](Storage& s) { s.put_retained(*message_with("r", "new"), 2, now); },
        [](StoreContents& c) { c.retained["r"] = "new"; });
    turn(
        0,
        [](Storage& s) {
            s.put_retained(*message_with("r", "old"), 1, now);
            s.put_retained(*message_with("q", "kept"), 3, now);
        },
        [](StoreContents& c) { c.retained["q"] = "kept"; });
    turn(
        0, [](Storage& s) { s.put_retained(*message_with("q", ""), 5, now); },
        [](StoreContents& c) { c.retained.erase("q"); });
    turn(
        1,
        [](Storage& s) {
            s.put_retained(*message_with("q", "overtaken"), 4, now);
            s.put_retained(*message_with("p", "p"), 6, now);
        },
        [](StoreContents& c) { c.retained["p"] = "p"; });
}

StoreContents contents_of(Backend& backend) {
    CollectingVisitor visitor;
    REQUIRE(backend.open(visitor) != nullptr);
    backend.close();
    return visitor.contents;
}

/// The whole suite, for a backend that does not fail: looked at after each turn.
void run_contract(const std::function<std::unique_ptr<Backend>()>& make) {
    for (std::size_t count = 0;; ++count) {
        const std::unique_ptr<Backend> backend = make();
        CollectingVisitor nothing;
        SubmissionStore* const store = backend->open(nothing);
        REQUIRE(store != nullptr);
        CHECK(nothing.contents == StoreContents{});
        Script script{*store};
        for (std::size_t index = 0; index < count; ++index) {
            const auto [worker, ticket] = script.run(index);
            REQUIRE(backend->is_stored(worker, ticket));
        }
        const bool is_all = count == script.turn_count();
        if (is_all) {
            const std::vector<LoadedMessage> loaded = script.load({13, 99, 12});
            REQUIRE(loaded.size() == 3);
            CHECK(loaded[0].record.payload.size() == 3000);
            CHECK(loaded[1].state == LoadedMessage::State::missing);
            CHECK(as_text(loaded[2].record.payload) == "twelve");
            CHECK(backend->covered().contains({0, 3}));
        }
        const StoreContents expected = script.after(count);
        backend->close();
        CAPTURE(count);
        CHECK(difference(contents_of(*backend), expected) == "");
        if (is_all) {
            CollectingVisitor visitor;
            SubmissionStore* const again = backend->open(visitor);
            const RestoredExtra& extra = visitor.sessions.at(script.a()).extras.at(0);
            CHECK(extra.identifiers == std::vector<std::uint32_t>{7, 8});
            CHECK(extra.group == "$share/g/x/#");
            CHECK(again->next_sid() > script.a() + 1);
            backend->close();
            return;
        }
    }
}

LogStoreOptions faulty_options() {
    LogStoreOptions options = small_options();
    options.vfs = FaultyVfs::name;
    options.retry_after = Milliseconds{1};
    return options;
}

}  // namespace

TEST_CASE("the contract of a storage: memory") {
    run_contract([] { return std::make_unique<MemoryBackend>(); });
}

TEST_CASE("the contract of a storage: SQLite") {
    run_contract([] { return std::make_unique<FileBackend>(small_options()); });
}

TEST_CASE("the contract of a storage: an operation fails, any one") {
    for (const Fault fault : {Fault::io_error_once, Fault::disk_full_once}) {
        bool has_struck = true;
        for (std::uint64_t at = 1; has_struck; ++at) {
            CAPTURE(at);
            FaultyVfs::instance().reset(fault, at, at);
            FileBackend backend{faulty_options()};
            CollectingVisitor visitor;
            SubmissionStore* store = backend.open(visitor);
            if (store == nullptr) {
                store = backend.open(visitor);  // the fault met the start; the next one is well
                REQUIRE(store != nullptr);
            }
            Script script{*store};
            for (std::size_t index = 0; index < script.turn_count(); ++index) {
                const auto [worker, ticket] = script.run(index);
                (void)backend.is_stored(worker, ticket);
            }
            // What was refused has been stored by a later try: the core goes on with it.
            backend.settle();
            const StoreContents expected = script.after(script.turn_count());
            backend.close();
            has_struck = FaultyVfs::instance().has_struck();
            FaultyVfs::instance().reset(Fault::none, 0, 0);
            CHECK(difference(contents_of(backend), expected) == "");
        }
    }
}

TEST_CASE("the contract of a storage: power is lost, at any operation") {
    bool has_struck = true;
    for (std::uint64_t at = 1; has_struck; ++at) {
        CAPTURE(at);
        FaultyVfs::instance().reset(Fault::power_loss, at, at);
        FileBackend backend{faulty_options()};
        CollectingVisitor visitor;
        std::vector<StoreContents> possible{StoreContents{}};
        if (SubmissionStore* const store = backend.open(visitor)) {
            Script script{*store};
            std::size_t stored_count = 0;
            bool is_off = false;
            for (std::size_t index = 0; index < script.turn_count(); ++index) {
                const auto [worker, ticket] = script.run(index);
                is_off = !backend.is_stored(worker, ticket) || is_off;
                stored_count += is_off ? 0 : 1;
            }
            possible.clear();
            for (std::size_t count = stored_count; count <= script.turn_count(); ++count) {
                possible.push_back(script.after(count));
            }
            backend.close();
        }
        has_struck = FaultyVfs::instance().has_struck();
        FaultyVfs::instance().restore_disk();
        FaultyVfs::instance().reset(Fault::none, 0, 0);
        const StoreContents found = contents_of(backend);
        CHECK(std::find(possible.begin(), possible.end(), found) != possible.end());
    }
}
