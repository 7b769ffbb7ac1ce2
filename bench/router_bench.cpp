// Memory a subscription and nanoseconds a match, by number of filters and of threads; and what the
// router's locks cost against others. Prints tables; the options are in usage().
#include "broker-core/base/random.hpp"
#include "broker-core/retained/retained_store.hpp"
#include "broker-core/router/router.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <malloc.h>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

std::size_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::size_t total = 0;
    std::size_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// Filters as a fleet has them: one in ten with a wildcard, each of its own.
struct Fleet {
    std::uint32_t filter_count;
    static constexpr std::uint32_t session_count = 100;

    static std::string device(std::uint32_t i) {
        return "site/" + std::to_string(i / 80) + "/dev/" + std::to_string(i % 80);
    }
    static std::string filter(std::uint32_t i) {
        if (i % 10 == 7) {
            return device(i) + "/+/state";
        }
        return device(i) + (i % 20 == 13 ? "/#" : "/temp/state");
    }
    static std::string topic(std::uint32_t i) { return device(i) + "/temp/state"; }
};

struct Loaded {
    explicit Loaded(Fleet fleet_of, std::uint32_t worker_count, std::size_t cache_slot_count)
        : fleet(fleet_of),
          router({.worker_count = worker_count,
                  .hash_key = 0x1234567,
                  .cache_slot_count = cache_slot_count}),
          lists(Fleet::session_count) {
        const auto start = Clock::now();
        const std::size_t before = resident_bytes();
        for (std::uint32_t i = 0; i < fleet.filter_count; ++i) {
            const auto filter = gw::parse_topic_filter(Fleet::filter(i), {});
            router.subscribe(lists[i % Fleet::session_count], session(i), *filter, {});
        }
        resident = resident_bytes() - before;
        subscribe_ns = nanoseconds_since(start) / fleet.filter_count;
    }
    ~Loaded() {
        for (std::uint32_t i = 0; i < Fleet::session_count; ++i) {
            router.unsubscribe_all(lists[i], session(i));
        }
    }
    gw::SessionRef session(std::uint32_t i) const {
        const std::uint32_t number = i % Fleet::session_count;
        return {number % router.worker_count(), number, 1};
    }

    Fleet fleet;
    gw::Router router;
    std::vector<gw::SubscriptionList> lists;
    std::size_t resident = 0;
    double subscribe_ns = 0;
};

/// Mean time of a match of topics drawn at random; the topics' text is made before.
double match_ns(Loaded& loaded, std::uint32_t worker, std::uint32_t topic_count, int count) {
    gw::Random random{worker + 1};
    std::vector<std::string> topics;
    for (std::uint32_t i = 0; i < topic_count; ++i) {
        topics.push_back(
            Fleet::topic(static_cast<std::uint32_t>(random.below(loaded.fleet.filter_count))));
    }
    std::size_t found = 0;
    const auto start = Clock::now();
    for (int i = 0; i < count; ++i) {
        found += loaded.router.match(worker, topics[static_cast<std::size_t>(i) % topic_count])
                     ->targets()
                     .size();
    }
    const double each = nanoseconds_since(start) / count;
    if (found == 0) {
        std::puts("nothing matched");
    }
    return each;
}

void measure_sizes(std::uint32_t largest) {
    std::puts("filters      B/subscription   subscribe ns   match ns   hot (cached) ns");
    for (const std::uint32_t count : {1'000U, 100'000U, 1'000'000U, 10'000'000U}) {
        if (count > largest) {
            break;
        }
        malloc_trim(0);
        double hot = 0;
        {
            Loaded cached{Fleet{1'000}, 1, 4096};
            match_ns(cached, 0, 16, 1'000);
            hot = match_ns(cached, 0, 16, 2'000'000);
        }
        Loaded loaded{Fleet{count}, 1, 0};
        match_ns(loaded, 0, 20'000, 40'000);  // warms up
        const double cold = match_ns(loaded, 0, 200'000, 600'000);
        std::printf("%-12u %-16.1f %-14.0f %-10.0f %.1f\n", count,
                    static_cast<double>(loaded.resident) / count, loaded.subscribe_ns, cold, hot);
    }
}

void measure_threads(std::uint32_t filter_count) {
    std::printf("\nmatches of %u filters, no cache, while one thread subscribes at full speed\n",
                filter_count);
    std::puts("threads   matches/s, no writer   matches/s with writer   subscribes/s   worst us");
    for (const std::uint32_t threads : {1U, 2U, 4U, 8U}) {
        Loaded loaded{Fleet{filter_count}, threads, 0};
        for (const bool with_writer : {false, true}) {
            std::atomic<bool> is_over{false};
            std::atomic<std::uint64_t> match_count{0};
            std::vector<std::thread> readers;
            for (std::uint32_t worker = 0; worker < threads; ++worker) {
                readers.emplace_back([&, worker] {
                    while (!is_over) {
                        match_ns(loaded, worker, 1'000, 5'000);
                        match_count += 5'000;
                    }
                });
            }
            const auto start = Clock::now();
            std::uint64_t change_count = 0;
            double worst_us = 0;
            gw::SubscriptionList list;
            const gw::SessionRef session{0, 5'000, 1};
            const auto filter = gw::parse_topic_filter("some/other/+/filter", {});
            while (nanoseconds_since(start) < 1e9) {
                if (!with_writer) {
                    std::this_thread::sleep_for(std::chrono::milliseconds{10});
                    continue;
                }
                const auto begin = Clock::now();
                loaded.router.subscribe(list, session, *filter, {});
                loaded.router.unsubscribe(list, session, *filter);
                worst_us = std::max(worst_us, nanoseconds_since(begin) / 1e3);
                change_count += 2;
            }
            const double seconds = nanoseconds_since(start) / 1e9;
            is_over = true;
            for (std::thread& reader : readers) {
                reader.join();
            }
            if (!with_writer) {
                std::printf("%-9u %-22.0f ", threads, static_cast<double>(match_count) / seconds);
            } else {
                std::printf("%-23.0f %-14.0f %.0f\n", static_cast<double>(match_count) / seconds,
                            static_cast<double>(change_count) / seconds, worst_us);
            }
        }
    }
}

// The candidates for the router's lock, behind one interface.

struct WorkerLocksCandidate {
    static constexpr const char* name = "lock a worker";
    explicit WorkerLocksCandidate(std::uint32_t workers) : locks(workers) {}
    void read(std::uint32_t worker) { locks.of(worker).lock(); }
    void read_done(std::uint32_t worker) { locks.of(worker).unlock(); }
    void write() { locks.lock(); }
    void write_done() { locks.unlock(); }
    gw::WorkerLocks locks;
};

struct SharedMutexCandidate {
    static constexpr const char* name = "shared_mutex";
    explicit SharedMutexCandidate(std::uint32_t) {}
    void read(std::uint32_t) { lock.lock_shared(); }
    void read_done(std::uint32_t) { lock.unlock_shared(); }
    void write() { lock.lock(); }
    void write_done() { lock.unlock(); }
    std::shared_mutex lock;
};

struct MutexPerWorkerCandidate {
    static constexpr const char* name = "std::mutex a worker";
    struct alignas(64) Line {
        std::mutex lock;
    };
    explicit MutexPerWorkerCandidate(std::uint32_t workers) : lines(workers) {}
    void read(std::uint32_t worker) { lines[worker].lock.lock(); }
    void read_done(std::uint32_t worker) { lines[worker].lock.unlock(); }
    void write() {
        writers.lock();
        for (Line& line : lines) {
            line.lock.lock();
        }
    }
    void write_done() {
        for (Line& line : lines) {
            line.lock.unlock();
        }
        writers.unlock();
    }
    std::mutex writers;
    std::vector<Line> lines;
};

/// Some 200 ns of work, as a match of many filters is.
void work_briefly(std::vector<std::uint64_t>& table, gw::Random& random) {
    for (int i = 0; i < 8; ++i) {
        table[random.below(table.size())] += 1;
    }
}

template <class Candidate>
void measure_lock(std::uint32_t threads, int writes_a_second) {
    Candidate candidate{threads};
    std::atomic<bool> is_over{false};
    std::atomic<std::uint64_t> read_count{0};
    std::vector<std::thread> readers;
    for (std::uint32_t worker = 0; worker < threads; ++worker) {
        readers.emplace_back([&, worker] {
            gw::Random random{worker};
            std::vector<std::uint64_t> table(1U << 16);
            std::uint64_t count = 0;
            while (!is_over.load(std::memory_order_relaxed)) {
                candidate.read(worker);
                work_briefly(table, random);
                candidate.read_done(worker);
                ++count;
            }
            read_count += count;
        });
    }
    std::vector<double> waits_us;
    gw::Random random{99};
    std::vector<std::uint64_t> table(1U << 16);
    const auto start = Clock::now();
    const auto pause = std::chrono::nanoseconds{1'000'000'000 / writes_a_second};
    for (auto next = start + pause; nanoseconds_since(start) < 1e9; next += pause) {
        std::this_thread::sleep_until(next);
        const auto begin = Clock::now();
        candidate.write();
        work_briefly(table, random);
        candidate.write_done();
        waits_us.push_back(nanoseconds_since(begin) / 1e3);
    }
    const double seconds = nanoseconds_since(start) / 1e9;
    is_over = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    std::sort(waits_us.begin(), waits_us.end());
    std::printf("%-20s %-8u %-12.2f %-8zu %-8.1f %-8.1f %.1f\n", Candidate::name, threads,
                static_cast<double>(read_count) / seconds / 1e6, waits_us.size(),
                waits_us[waits_us.size() / 2], waits_us[waits_us.size() * 99 / 100],
                waits_us.back());
}

void measure_locks() {
    std::puts("\nlocks alone: readers never pause, 1,000 writes a second wanted");
    std::puts("lock                 threads  M reads/s    writes   p50 us   p99 us   worst us");
    for (const std::uint32_t threads : {1U, 2U, 4U, 8U}) {
        measure_lock<WorkerLocksCandidate>(threads, 1000);
        measure_lock<MutexPerWorkerCandidate>(threads, 1000);
        measure_lock<SharedMutexCandidate>(threads, 1000);
    }
}

std::vector<gw::MessagePtr> shuffled_messages(std::uint32_t count) {
    std::vector<gw::MessagePtr> messages(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::string topic = Fleet::topic(i);
        messages[i] = gw::Message::create({.topic = topic,
                                           .payload = gw::as_bytes("21.5"),
                                           .properties = {},
                                           .retain = true,
                                           .publisher = {}});
    }
    gw::Random random{1};
    for (std::uint32_t i = count - 1; i > 0; --i) {
        std::swap(messages[i], messages[random.below(i + 1)]);
    }
    return messages;
}

void measure_retained_of(std::uint32_t count) {
    const auto now = gw::MonotonicTime{};
    const std::vector<gw::MessagePtr> messages = shuffled_messages(count);
    malloc_trim(0);
    const std::size_t before = resident_bytes();
    gw::RetainedStore store{{}};
    const auto set_all = [&] {
        const auto start = Clock::now();
        for (const gw::MessagePtr& message : messages) {
            store.set(message);
        }
        return nanoseconds_since(start) / count;
    };
    const double set_ns = set_all();
    const double each = static_cast<double>(resident_bytes() - before) / count;
    const double replace_ns = set_all();
    auto start = Clock::now();
    std::size_t found_count = 0;
    for (const gw::MessagePtr& message : messages) {
        found_count += store.find(message->topic(), now) ? 1U : 0U;
    }
    const double find_ns = nanoseconds_since(start) / count;
    const auto walk = [&](const std::string& filter) {
        std::vector<gw::MessagePtr> page;
        gw::RetainedCursor cursor;
        bool is_more = true;
        while (is_more) {
            page.clear();
            is_more = store.next(filter, cursor, 100, now, page);
            found_count += page.size();
        }
    };
    constexpr std::uint32_t walk_count = 1000;
    gw::Random random{2};
    start = Clock::now();
    for (std::uint32_t i = 0; i < walk_count; ++i) {
        walk("site/" + std::to_string(random.below(count / 80)) + "/dev/+/temp/state");
    }
    const double plus_ns = nanoseconds_since(start) / walk_count;
    start = Clock::now();
    walk("#");
    const double all_ns = nanoseconds_since(start) / count;
    std::printf("%-12u %-9.1f %-10.0f %-10.0f %-10.0f %-13.0f %.0f\n", count, each, set_ns,
                replace_ns, find_ns, plus_ns, all_ns);
    if (found_count != 2ULL * count + 80ULL * walk_count) {
        std::puts("not all were found");
    }
}

void measure_retained(std::uint32_t largest) {
    std::puts("\nretained messages: B each beside the message, ns");
    std::puts("messages     B         set        replace    find       a/+/b of 80   all, each");
    for (const std::uint32_t count : {1'000U, 100'000U, 1'000'000U}) {
        if (count > largest) {
            break;
        }
        measure_retained_of(count);
    }
}

int usage() {
    std::puts(
        "router_bench [--sizes] [--threads] [--locks] [--retained] [--largest COUNT]\n"
        "Without a choice: all of them. COUNT is the largest number of filters, 1000000.");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    bool sizes = false;
    bool threads = false;
    bool locks = false;
    bool retained = false;
    std::uint32_t largest = 1'000'000;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--sizes") == 0) {
            sizes = true;
        } else if (std::strcmp(argv[i], "--threads") == 0) {
            threads = true;
        } else if (std::strcmp(argv[i], "--locks") == 0) {
            locks = true;
        } else if (std::strcmp(argv[i], "--retained") == 0) {
            retained = true;
        } else if (std::strcmp(argv[i], "--largest") == 0 && i + 1 < argc) {
            largest = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
        } else {
            return usage();
        }
    }
    const bool all = !sizes && !threads && !locks && !retained;
    if (all || sizes) {
        measure_sizes(largest);
    }
    if (all || threads) {
        measure_threads(std::min(largest, 100'000U));
    }
    if (all || locks) {
        measure_locks();
    }
    if (all || retained) {
        measure_retained(largest);
    }
    return 0;
}
