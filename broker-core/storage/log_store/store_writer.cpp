#include "broker-core/storage/log_store/store_writer.hpp"

#include "broker-core/storage/log_store/record.hpp"
#include "broker-core/storage/log_store/schema.hpp"
#include "broker-core/storage/log_store/segment.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace gw {

namespace {

constexpr std::size_t spare_buffer_count_max = 64;
constexpr std::size_t spare_buffer_bytes_max = 1024 * 1024;
constexpr std::size_t spare_segment_count_max = 8;
/// Commits between two looks at how much of the file is unused, and pages that one then gives back.
constexpr std::uint64_t look_commit_count = 256;
constexpr int vacuum_slice_pages = 64;
/// What an operation counts in waiting_bytes(), beside its texts: about what it takes in memory.
constexpr std::size_t operation_bytes = sizeof(TableOperation);

std::size_t text_bytes(const TableOperation& operation) {
    struct Count {
        std::size_t operator()(const PutSession& one) const {
            return one.client_id.size() + one.state.size();
        }
        std::size_t operator()(const PutSubscription& one) const { return one.filter.size(); }
        std::size_t operator()(const RemoveSubscription& one) const { return one.filter.size(); }
        std::size_t operator()(const PutRetained& one) const {
            return one.topic.size() + one.message.size();
        }
        std::size_t operator()(const RemoveRetained& one) const { return one.topic.size(); }
        std::size_t operator()(const RemoveSession&) const { return 0; }
        std::size_t operator()(const PutInbound&) const { return 0; }
        std::size_t operator()(const RemoveInbound&) const { return 0; }
        std::size_t operator()(const PutReleased&) const { return 0; }
        std::size_t operator()(const RemoveReleased&) const { return 0; }
    };
    return std::visit(Count{}, operation);
}

std::size_t size_of(const Submission& submission) {
    std::size_t bytes = submission.records.size();
    for (const TableOperation& operation : submission.operations) {
        bytes += operation_bytes + text_bytes(operation);
    }
    return bytes;
}

/// Leaves only the completions in a submission's records.
void drop_deliveries(ByteBuffer& records) {
    ByteBuffer kept;
    RecordScanner in{records.view()};
    for (auto kind = in.next(); kind != RecordScanner::Kind::end; kind = in.next()) {
        GW_ASSERT(kind != RecordScanner::Kind::damaged);
        if (kind == RecordScanner::Kind::completed) {
            kept.append(in.record());
        }
    }
    records = std::move(kept);
}

}  // namespace

StoreWriter::StoreWriter(Parts parts, Database database, std::uint64_t sid_reserved)
    : parts_(std::move(parts)), database_(std::move(database)), sid_reserved_(sid_reserved) {}

StoreWriter::~StoreWriter() {
    stop();
}

MonotonicTime StoreWriter::now() const {
    return MonotonicTime{std::chrono::duration_cast<Milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch())};
}

Result<void> StoreWriter::prepare_statements() {
    auto tables = TableWriter::create(database_, sid_reserved_);
    if (!tables) {
        return tables.error();
    }
    auto compactor =
        Compactor::create(database_, parts_.shared,
                          {parts_.options.compact_slack_bytes, parts_.options.compact_slice_bytes});
    if (!compactor) {
        return compactor.error();
    }
    const std::pair<Statement*, const char*> all[] = {
        {&begin_, "BEGIN IMMEDIATE"},
        {&insert_segment_, "INSERT INTO segment(id, body) VALUES(?,?)"},
        {&delete_segment_, "DELETE FROM segment WHERE id=?"},
        {&commit_, "COMMIT"},
        {&free_pages_, "PRAGMA freelist_count"},
        {&pages_, "PRAGMA page_count"},
    };
    for (const auto& [statement, sql] : all) {
        auto prepared = database_.prepare(sql);
        if (!prepared) {
            return prepared.error();
        }
        *statement = std::move(*prepared);
    }
    tables_ = std::move(*tables);
    compactor_ = std::move(*compactor);
    return {};
}

Result<void> StoreWriter::start() {
    auto done = prepare_statements();
    if (done) {
        thread_ = std::thread{[this] {
            run();
        }};
    }
    return done;
}

void StoreWriter::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    submitted_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void StoreWriter::submit(Submission&& submission) {
    waiting_bytes_.fetch_add(size_of(submission), std::memory_order_relaxed);
    bool was_empty = false;
    {
        const std::scoped_lock lock{mutex_};
        GW_ASSERT(!is_stopping_);
        was_empty = waiting_.empty();
        waiting_.push_back(std::move(submission));
    }
    if (was_empty) {
        submitted_.notify_one();
    }
}

ByteBuffer StoreWriter::take_buffer() {
    const std::scoped_lock lock{mutex_};
    if (spare_buffers_.empty()) {
        return {};
    }
    ByteBuffer buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

std::string StoreWriter::last_error() const {
    const std::scoped_lock lock{mutex_};
    return last_error_;
}

void StoreWriter::set_error(const std::string& text) {
    const std::scoped_lock lock{mutex_};
    last_error_ = text;
    is_healthy_.store(text.empty(), std::memory_order_relaxed);
}

bool StoreWriter::has_tidying_work() const {
    return database_ && (compactor_.has_work() || wants_vacuum_);
}

bool StoreWriter::has_work_when_idle() const {
    return parts_.shared.index.has_unreferenced() || has_tidying_work() ||
           (database_ && commits_since_look_ != 0);
}

/// Freed pages are used again; only a file that stays mostly empty is worth moving pages about.
void StoreWriter::look_at_free_pages() {
    commits_since_look_ = 0;
    const auto number = [](Statement& statement) {
        const auto row = statement.step();
        const std::int64_t value = row && *row ? statement.integer(0) : 0;
        statement.reset();
        return static_cast<std::uint64_t>(value);
    };
    const std::uint64_t free = number(free_pages_);
    wants_vacuum_ = free * parts_.options.page_bytes > parts_.options.vacuum_slack_bytes &&
                    free * 2 > number(pages_);
}

/// Fills batch_ with what was submitted, as much as one transaction takes. False: the end.
bool StoreWriter::take_batch() {
    const auto is_due = [this] {
        return !waiting_.empty() || is_stopping_;
    };
    const bool retries = !unstored_.records.empty() || !unstored_.operations.empty();
    std::unique_lock lock{mutex_};
    if (retries) {
        // Not at once with each new submission: a disk that is full stays so for a while.
        submitted_.wait_for(lock, parts_.options.retry_after, [this] { return is_stopping_; });
        has_unstored_ = !is_last_try_ || !waiting_.empty();
        is_last_try_ = is_stopping_;
        if (has_unstored_) {
            batch_.push_back(std::exchange(unstored_, Submission{}));
        }
    } else if (!is_due()) {
        if (has_work_when_idle()) {
            submitted_.wait_for(lock, parts_.options.idle_after, is_due);
        } else {
            submitted_.wait(lock, is_due);
        }
    }
    std::size_t bytes = 0;
    while (!waiting_.empty() && bytes < parts_.options.transaction_bytes_max) {
        bytes += size_of(waiting_.front());
        batch_.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return !(batch_.empty() && is_stopping_);
}

void StoreWriter::run() {
    while (take_batch()) {
        run_transaction();
        recycle();
    }
}

ByteBuffer& StoreWriter::open_segment(Transaction& transaction) {
    ByteBuffer segment;
    if (!spare_segments_.empty()) {
        segment = std::move(spare_segments_.back());
        spare_segments_.pop_back();
    }
    begin_segment(segment);
    transaction.segments.push_back(std::move(segment));
    return transaction.segments.back();
}

void StoreWriter::append_records(Transaction& transaction, Bytes records) {
    const std::size_t bytes_max = parts_.options.segment_bytes_max;
    ByteBuffer* segment = &transaction.segments.back();
    if (segment->size() >= bytes_max) {
        segment = &open_segment(transaction);
    }
    if (segment->size() + records.size() <= 2 * bytes_max) {
        segment->append(records);
        return;
    }
    // One worker's burst, or large messages: several segments, cut between records. SQLite takes
    // values up to a thousand million bytes only.
    RecordScanner in{records};
    while (in.next() != RecordScanner::Kind::end) {
        const Bytes record = in.record();
        GW_ASSERT(!record.empty());
        if (segment->size() > segment_header_bytes && segment->size() + record.size() > bytes_max) {
            segment = &open_segment(transaction);
        }
        segment->append(record);
    }
}

void StoreWriter::build(Transaction& transaction) {
    std::size_t commit_bytes = 0;
    for (const Submission& submission : batch_) {
        commit_bytes += submission.records.size();
        for (const TableOperation& operation : submission.operations) {
            transaction.operations.push_back(&operation);
        }
    }
    transaction.record_bytes = commit_bytes;
    ByteBuffer& first = open_segment(transaction);
    // What is kept of old segments stands in front of what is new: a completion among the new may
    // end a delivery among the old.
    const auto slice = compactor_.next_slice(commit_bytes, first);
    if (slice) {
        transaction.slice = *slice;
        counters_.compacted_bytes += first.size() - segment_header_bytes;
    } else {
        compaction_error_ = slice.error().text();
    }
    for (const Submission& submission : batch_) {
        append_records(transaction, submission.records.view());
    }
}

Result<void> StoreWriter::write(Transaction& transaction) {
    auto done = begin_.run();
    if (!done) {
        return done;
    }
    LiveIndex& index = parts_.shared.index;
    std::uint64_t id = index.next_segment();
    for (ByteBuffer& segment : transaction.segments) {
        if (segment.size() == segment_header_bytes) {
            continue;
        }
        seal_segment(segment, id);
        done = insert_segment_.bind(1, static_cast<std::int64_t>(id)).bind(2, segment.view()).run();
        if (!done) {
            return done;
        }
        ++id;
    }
    for (std::size_t count = 0; count < transaction.slice.dropped_count; ++count) {
        const std::uint64_t oldest = index.first_segment() + count;
        done = delete_segment_.bind(1, static_cast<std::int64_t>(oldest)).run();
        if (!done) {
            return done;
        }
    }
    done = tables_.apply(transaction.operations);
    if (done && wants_vacuum_) {
        done = database_.execute("PRAGMA incremental_vacuum(" + std::to_string(vacuum_slice_pages) +
                                 ")");
    }
    return done;
}

/// The index follows only what was committed. Called under its lock where readers could otherwise
/// see the new file with old places.
void StoreWriter::apply(const Transaction& transaction, CommitReport& report) {
    LiveIndex& index = parts_.shared.index;
    const MonotonicTime time = now();
    for (const ByteBuffer& segment : transaction.segments) {
        if (segment.size() > segment_header_bytes) {
            index.apply(index.next_segment(), segment.view(), time, report.orphans);
        }
    }
    for (const TableOperation* operation : transaction.operations) {
        if (const auto* removed = std::get_if<RemoveSession>(operation)) {
            index.remove_session(removed->sid);
        }
    }
    for (std::size_t count = 0; count < transaction.slice.dropped_count; ++count) {
        index.drop_oldest_segment();
    }
    tables_.on_committed();
    compactor_.on_committed();
}

void StoreWriter::run_transaction() {
    {
        const std::scoped_lock lock{parts_.shared.mutex};
        parts_.shared.index.expire_unreferenced(now() - parts_.options.unreferenced_grace);
    }
    if (database_ && (batch_.empty() || commits_since_look_ >= look_commit_count)) {
        look_at_free_pages();
    }
    if (batch_.empty() && !has_tidying_work()) {
        return;
    }
    parts_.gate.enter();
    const auto start = std::chrono::steady_clock::now();
    Transaction transaction;
    CommitReport report;
    auto done = database_ ? Result<void>{} : open_database();
    if (done) {
        build(transaction);
        done = write(transaction);
    }
    {
        // A reader looks places up and fixes its view of the file under this lock. When messages
        // move and their old segments go, both have to change as one for it.
        std::unique_lock lock{parts_.shared.mutex, std::defer_lock};
        if (transaction.slice.moves_messages) {
            lock.lock();
        }
        if (done) {
            done = commit_.run();
        }
        if (done) {
            if (!lock.owns_lock()) {
                lock.lock();
            }
            apply(transaction, report);
        }
    }
    if (!done) {
        if (database_) {
            compactor_.on_failed();
        }
        recover();
    }
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - start);
    parts_.gate.leave();
    const auto took_us = static_cast<std::uint64_t>(took.count());
    counters_.last_commit_us = took_us;
    counters_.longest_commit_us = std::max<std::uint64_t>(counters_.longest_commit_us, took_us);
    tell(transaction, done, report);
    for (ByteBuffer& segment : transaction.segments) {
        if (spare_segments_.size() < spare_segment_count_max &&
            segment.capacity() <= 3 * parts_.options.segment_bytes_max) {
            spare_segments_.push_back(std::move(segment));
        }
    }
}

/// After a failure: the transaction must be gone, whatever it takes.
void StoreWriter::recover() {
    if (database_ && database_.is_in_transaction()) {
        // SQLite rolls back by itself for some failures; is_in_transaction() knows.
        (void)database_.execute("ROLLBACK");
    }
    if (!database_ || database_.is_in_transaction()) {
        close_database();  // which forgets the transaction
    }
}

void StoreWriter::close_database() {
    begin_ = Statement{};
    insert_segment_ = Statement{};
    delete_segment_ = Statement{};
    commit_ = Statement{};
    free_pages_ = Statement{};
    pages_ = Statement{};
    tables_ = TableWriter{};
    compactor_ = Compactor{};
    database_.close();
}

Result<void> StoreWriter::open_database() {
    auto database = Database::open(parts_.path, {.vfs = parts_.options.vfs});
    if (!database) {
        return database.error();
    }
    auto done = prepare_schema(*database, parts_.options.page_bytes);
    if (!done) {
        return done;
    }
    const auto reserved = TableWriter::read_reserved_sid(*database);
    if (!reserved) {
        return reserved.error();
    }
    sid_reserved_ = *reserved;
    database_ = std::move(*database);
    done = prepare_statements();
    if (!done) {
        close_database();
    }
    return done;
}

void StoreWriter::tell(const Transaction& transaction, const Result<void>& done,
                       CommitReport& report) {
    std::size_t bytes = 0;
    for (Submission& submission : batch_) {
        bytes += size_of(submission);
        report.submissions.push_back(
            {submission.worker, submission.ticket, std::move(submission.covers)});
    }
    report.record_bytes = transaction.record_bytes;
    if (!done) {
        ++counters_.failed_commits;
        set_error(done.error().text());
        if (parts_.options.retry_after != Milliseconds{0}) {
            keep_unstored(done.error());
            bytes -= std::min(bytes, size_of(unstored_));
        }
        waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        has_unstored_ = false;
        if (!batch_.empty() && parts_.handlers.on_failed) {
            parts_.handlers.on_failed(report, done.error());
        }
        return;
    }
    waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    has_unstored_ = false;
    ++counters_.commits;
    ++commits_since_look_;
    counters_.submissions += batch_.size();
    counters_.record_bytes += transaction.record_bytes;
    counters_.wal_pages = static_cast<std::uint64_t>(database_.wal_pages());
    if (is_healthy() != compaction_error_.empty()) {
        set_error(compaction_error_);
    }
    parts_.on_wal_pages(counters_.wal_pages);
    if (!batch_.empty() && parts_.handlers.on_committed) {
        parts_.handlers.on_committed(report);
    }
}

/// Takes what the transaction was to store back for the next try. What no try can store, as a value
/// that is too large, is given up, but not what failed before it came.
void StoreWriter::keep_unstored(const Error& why) {
    const bool is_hopeless = why.code() == Errc::out_of_bounds || why.code() == Errc::corrupt;
    const std::size_t count = is_hopeless ? (has_unstored_ ? 1 : 0) : batch_.size();
    for (std::size_t index = 0; index < count; ++index) {
        Submission& submission = batch_[index];
        unstored_.records.append(submission.records.view());
        unstored_.operations.insert(unstored_.operations.end(),
                                    std::make_move_iterator(submission.operations.begin()),
                                    std::make_move_iterator(submission.operations.end()));
    }
    if (unstored_.records.size() > parts_.options.retry_bytes_max) {
        drop_deliveries(unstored_.records);
    }
}

void StoreWriter::recycle() {
    const std::scoped_lock lock{mutex_};
    for (Submission& submission : batch_) {
        if (submission.records.capacity() != 0 &&
            submission.records.capacity() <= spare_buffer_bytes_max &&
            spare_buffers_.size() < spare_buffer_count_max) {
            submission.records.clear();
            spare_buffers_.push_back(std::move(submission.records));
        }
    }
    batch_.clear();
}

}  // namespace gw
