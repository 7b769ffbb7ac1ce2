// What the durable store carries: messages a second at several sizes of commit, the latency of a
// commit with and without checkpoints beside it, memory a queued message, time to restore.
//
//     store_bench [FOLDER [SECONDS [PAGE_BYTES]]]
//
// FOLDER (default: the current one) says which disk is measured; its files are removed again.
#include "broker-core/storage/log_store/log_store.hpp"
#include "gateway/protocols/known_protocols.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <malloc.h>
#include <mutex>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace gw;
using Clock = std::chrono::steady_clock;

constexpr std::size_t payload_bytes = 64;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::size_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

class NoVisitor final : public RestoreVisitor {
public:
    void on_session(RestoredSession& session) override {
        ++sessions;
        deliveries += session.deliveries.size();
    }
    void on_retained(std::string_view, const MessageRecord&) override {}

    std::uint64_t sessions = 0;
    std::uint64_t deliveries = 0;
};

/// One worker that submits batches, never more than two ahead of the disk, and completes what was
/// delivered a while ago.
class Load {
public:
    Load(const std::filesystem::path& file, LogStoreOptions options) {
        LogStoreHandlers handlers;
        handlers.on_committed = [this](CommitReport& report) {
            on_committed(report);
        };
        handlers.on_failed = [](CommitReport&, const Error& error) {
            std::fprintf(stderr, "%s\n", error.text().c_str());
            std::exit(1);
        };
        NoVisitor visitor;
        auto opened = LogStore::open(file.string(), std::move(options), handlers, visitor);
        if (!opened) {
            std::fprintf(stderr, "%s\n", opened.error().text().c_str());
            std::exit(1);
        }
        store_ = std::move(*opened);
    }

    /// A batch of `count` messages, each for one session; `keep`: how many stay queued.
    void submit(std::size_t count, std::uint64_t keep, std::uint64_t session_count) {
        Submission submission;
        submission.ticket = ++ticket_;
        submission.records = store_->take_buffer();
        for (std::size_t index = 0; index < count; ++index) {
            append(submission.records, ++last_, session_count);
            if (last_ > keep) {
                const std::uint64_t done = last_ - keep;
                append_completed(submission.records,
                                 {1 + done % session_count, 1 + done / session_count, done});
            }
        }
        {
            const std::scoped_lock lock{mutex_};
            started_.push_back(Clock::now());
        }
        store_->submit(std::move(submission));
    }

    void submit(std::vector<TableOperation> operations) {
        Submission submission;
        submission.ticket = ++ticket_;
        submission.operations = std::move(operations);
        {
            const std::scoped_lock lock{mutex_};
            started_.push_back(Clock::now());
        }
        store_->submit(std::move(submission));
    }

    void wait_until_behind(std::uint64_t batches) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return ticket_ - done_ <= batches; });
    }

    LogStore& store() { return *store_; }
    std::vector<double> take_latencies() {
        const std::scoped_lock lock{mutex_};
        return std::move(latencies_);
    }

private:
    void append(ByteBuffer& out, std::uint64_t id, std::uint64_t session_count) {
        MessageRecord message;
        message.id = id;
        message.topic = topic_;
        message.payload = as_bytes(payload_);
        message.qos = Qos::at_least_once;
        message.arrival = WallTime{Milliseconds{1'700'000'000'000}};
        message.client_id = "publisher-0001";
        message.protocol = mqtt::protocol_3_1_1.number;
        append_message(out, message);
        append_delivery(out, {.session = 1 + id % session_count,
                              .sequence = 1 + id / session_count,
                              .message = id,
                              .qos = Qos::at_least_once});
    }

    void on_committed(CommitReport& report) {
        const auto now = Clock::now();
        const std::scoped_lock lock{mutex_};
        for (std::size_t index = 0; index < report.submissions.size(); ++index) {
            latencies_.push_back(
                std::chrono::duration<double, std::milli>(now - started_[done_]).count());
            ++done_;
        }
        changed_.notify_one();
    }

    const std::string topic_ = "site/7/device/1234/temperature";
    const std::string payload_ = std::string(payload_bytes, 'x');
    std::uint64_t last_ = 0;
    std::uint64_t ticket_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t done_ = 0;
    std::vector<Clock::time_point> started_;
    std::vector<double> latencies_;
    std::unique_ptr<LogStore> store_;
};

struct Figures {
    double per_second = 0;
    double p50_ms = 0;
    double p99_ms = 0;
    double max_ms = 0;
    LogStoreStats stats;
};

/// `per_second`: 0 for as many as the store takes, with one batch waiting behind the disk.
Figures run_load(const std::filesystem::path& file, const LogStoreOptions& options,
                 std::size_t batch, double seconds, double per_second = 0) {
    std::filesystem::remove(file);
    Load load{file, options};
    const auto start = Clock::now();
    std::uint64_t count = 0;
    while (seconds_since(start) < seconds) {
        if (per_second > 0) {
            std::this_thread::sleep_until(
                start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                            static_cast<double>(count) / per_second)));
        } else {
            load.wait_until_behind(1);
        }
        load.submit(batch, 10'000, 1'000);
        count += batch;
    }
    load.wait_until_behind(0);
    Figures figures;
    figures.per_second = static_cast<double>(count) / seconds_since(start);
    std::vector<double> latencies = load.take_latencies();
    std::sort(latencies.begin(), latencies.end());
    figures.p50_ms = latencies[latencies.size() / 2];
    figures.p99_ms = latencies[latencies.size() * 99 / 100];
    figures.max_ms = latencies.back();
    figures.stats = load.store().stats();
    return figures;
}

void measure_throughput(const std::filesystem::path& file, const LogStoreOptions& options,
                        double seconds) {
    std::printf("%9s %12s %9s %9s %9s %11s %9s %9s %9s\n", "a commit", "messages/s", "p50 ms",
                "p99 ms", "max ms", "checkpoints", "pause ms", "log MB", "file MB");
    for (const std::size_t batch : {1U, 10U, 100U, 1000U}) {
        const Figures figures = run_load(file, options, batch, seconds);
        std::printf("%9zu %12.0f %9.2f %9.2f %9.2f %11llu %9.2f %9.1f %9.1f\n", batch,
                    figures.per_second, figures.p50_ms, figures.p99_ms, figures.max_ms,
                    static_cast<unsigned long long>(figures.stats.checkpoints),
                    static_cast<double>(figures.stats.longest_checkpoint_pause_us) / 1000,
                    static_cast<double>(figures.stats.log_bytes) / 1e6,
                    static_cast<double>(std::filesystem::file_size(file)) / 1e6);
        std::fflush(stdout);
    }
}

void measure_checkpoints(const std::filesystem::path& file, LogStoreOptions options,
                         double seconds) {
    options.checkpoint_bytes = 512 * 1024 * 1024;
    const Figures without = run_load(file, options, 100, seconds);
    options.checkpoint_bytes = 4 * 1024 * 1024;
    const Figures often = run_load(file, options, 100, seconds);
    std::printf("100 a commit without checkpoints: %.0f/s, p50 %.2f, p99 %.2f, max %.2f ms\n",
                without.per_second, without.p50_ms, without.p99_ms, without.max_ms);
    std::printf(
        "             with one each 4 MB: %.0f/s, p50 %.2f, p99 %.2f, max %.2f ms, "
        "%llu of them, longest pause %.2f ms\n",
        often.per_second, often.p50_ms, often.p99_ms, often.max_ms,
        static_cast<unsigned long long>(often.stats.checkpoints),
        static_cast<double>(often.stats.longest_checkpoint_pause_us) / 1000);
}

void measure_steady(const std::filesystem::path& file, const LogStoreOptions& options,
                    double seconds) {
    for (const double per_second : {60'000.0, 100'000.0}) {
        const Figures figures = run_load(file, options, 50, seconds, per_second);
        std::printf(
            "steady %.0f/s: p50 %.2f, p99 %.2f, max %.2f ms, %llu checkpoints, longest "
            "pause %.2f ms\n",
            figures.per_second, figures.p50_ms, figures.p99_ms, figures.max_ms,
            static_cast<unsigned long long>(figures.stats.checkpoints),
            static_cast<double>(figures.stats.longest_checkpoint_pause_us) / 1000);
    }
}

void measure_restore(const std::filesystem::path& file, const LogStoreOptions& options,
                     std::uint64_t message_count, std::uint64_t session_count) {
    std::filesystem::remove(file);
    {
        Load load{file, options};
        std::vector<TableOperation> sessions;
        for (std::uint64_t sid = 1; sid <= session_count; ++sid) {
            sessions.push_back(
                PutSession{sid, "device-" + std::to_string(sid), std::string(24, 's')});
            sessions.push_back(
                PutSubscription{sid, "site/7/device/" + std::to_string(sid) + "/#", 1});
        }
        load.submit(std::move(sessions));
        const std::size_t before = heap_bytes();
        for (std::uint64_t count = 0; count < message_count; count += 1000) {
            load.wait_until_behind(4);
            load.submit(1000, message_count, session_count);
        }
        load.wait_until_behind(0);
        const LogStoreStats stats = load.store().stats();
        std::printf(
            "%llu queued in %llu sessions: index %.1f bytes a message, heap %.1f\n",
            static_cast<unsigned long long>(stats.message_count),
            static_cast<unsigned long long>(session_count),
            static_cast<double>(stats.index_bytes) / static_cast<double>(message_count),
            static_cast<double>(heap_bytes() - before) / static_cast<double>(message_count));
    }
    const auto start = Clock::now();
    NoVisitor visitor;
    {
        auto store = LogStore::open(file.string(), options, {}, visitor);
        std::printf("restored %llu deliveries of %llu sessions in %.2f s, file %.1f MB\n",
                    static_cast<unsigned long long>(visitor.deliveries),
                    static_cast<unsigned long long>(visitor.sessions), seconds_since(start),
                    static_cast<double>(std::filesystem::file_size(file)) / 1e6);
        std::atomic<bool> is_done{false};
        std::vector<std::uint64_t> ids;
        for (std::uint64_t index = 0; index < 1000; ++index) {
            ids.push_back(1 + index * 997 % message_count);
        }
        const auto asked = Clock::now();
        (*store)->read(ids, [&is_done](std::vector<LoadedMessage>) {
            is_done = true;
            is_done.notify_one();
        });
        is_done.wait(false);
        std::printf("1000 scattered messages read in %.2f ms\n", seconds_since(asked) * 1000);
    }
}

void measure_flush(const std::filesystem::path& file) {
    std::FILE* out = std::fopen(file.c_str(), "wb");
    const std::vector<char> bytes(16 * 1024, 'x');
    const auto start = Clock::now();
    constexpr int count = 200;
    for (int index = 0; index < count; ++index) {
        if (std::fwrite(bytes.data(), 1, bytes.size(), out) != bytes.size() ||
            std::fflush(out) != 0 || fdatasync(fileno(out)) != 0) {
            std::perror("write");
            std::exit(1);
        }
    }
    std::printf("fdatasync after 16 KB appended: %.2f ms\n", seconds_since(start) * 1000 / count);
    std::fclose(out);
    std::filesystem::remove(file);
}

}  // namespace

int main(int argc, char** argv) {
    const std::filesystem::path folder = argc > 1 ? argv[1] : ".";
    const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
    LogStoreOptions options;
    if (argc > 3) {
        options.page_bytes = static_cast<std::uint32_t>(std::atoi(argv[3]));
    }
    const std::filesystem::path file = folder / ("store_bench." + std::to_string(getpid()) + ".db");
    measure_flush(file);
    measure_throughput(file, options, seconds);
    measure_steady(file, options, 2 * seconds);
    measure_checkpoints(file, options, seconds);
    measure_restore(file, options, 1'000'000, 100'000);
    std::filesystem::remove(file);
    std::filesystem::remove(file.string() + ".lock");
    return 0;
}
