// What threads may rely on; most of all a program for ThreadSanitizer.
#include "broker-core/base/random.hpp"
#include "broker-core/router/router.hpp"
#include "tests/unit/broker-core/router/router_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>

namespace {

using gw::Router;
using gw::test::TestSession;

constexpr std::uint32_t worker_count = 4;

#if defined(__SANITIZE_THREAD__)
constexpr int round_count = 2'000;
#else
constexpr int round_count = 20'000;
#endif

}  // namespace

TEST_CASE("workers match while all of them change subscriptions") {
    Router router{{.worker_count = worker_count, .hash_key = 1, .cache_slot_count = 64}};
    // Subscribed from beginning to end: every match must show it, whatever goes on beside.
    TestSession constant{router, 0, 1'000'000};
    constant.subscribe("a/+/c", 77);
    gw::SessionLoadPtr load{new gw::SessionLoad};
    load->online = true;
    constant.subscribe("$share/g/a/#", 0, load);

    std::atomic<int> failure_count{0};
    const auto work = [&](std::uint32_t worker) {
        gw::Random random{worker};
        const auto message = gw::Message::create(
            {.topic = "a/b/c", .payload = {}, .properties = {}, .publisher = {}});
        std::vector<TestSession> sessions;
        for (std::uint32_t i = 0; i < 20; ++i) {
            sessions.emplace_back(router, worker, i);
        }
        static const std::string filters[] = {"a/b/c", "a/+/c",        "a/#",          "#",
                                              "x/y",   "$share/g/a/#", "$queue/a/b/c", "+/b/+",
                                              "a/b/d", "$local/a/b/c"};
        for (int round = 0; round < round_count; ++round) {
            TestSession& session = sessions[random.below(sessions.size())];
            const std::string& filter = filters[random.below(10)];
            switch (random.below(8)) {
                case 0:
                    session.subscribe(filter, 1);
                    // Its own change is there at once.
                    if (!router.find_subscription(session.ref, gw::test::filter_of(filter))) {
                        ++failure_count;
                    }
                    break;
                case 1:
                    session.unsubscribe(filter);
                    break;
                case 2:
                    session.unsubscribe_all();
                    break;
                default:
                    break;
            }
            const gw::MatchPtr result = router.match(worker, "a/b/c");
            int constant_seen = 0;
            for (const gw::RouteTarget& target : result->targets()) {
                constant_seen += target.options.identifier == 77 ? 1 : 0;
            }
            if (constant_seen != 1 || result->groups().empty()) {
                ++failure_count;
            }
            for (const auto& group : result->groups()) {
                group->pick(*message, random);
            }
        }
        for (TestSession& session : sessions) {
            session.unsubscribe_all();
        }
    };
    std::vector<std::thread> threads;
    for (std::uint32_t worker = 0; worker < worker_count; ++worker) {
        threads.emplace_back(work, worker);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failure_count == 0);
    CHECK(router.subscription_count() == 2);
    constant.unsubscribe_all();
    CHECK(router.filter_count() == 0);
}

TEST_CASE("a writer gets its turn among readers that never pause") {
    Router router{{.worker_count = worker_count, .hash_key = 1, .cache_slot_count = 0}};
    std::atomic<bool> is_over{false};
    std::atomic<std::uint32_t> running{0};
    std::vector<std::thread> readers;
    for (std::uint32_t worker = 0; worker < worker_count; ++worker) {
        readers.emplace_back([&, worker] {
            ++running;
            while (!is_over) {
                router.match(worker, "a/b/c");
            }
        });
    }
    while (running != worker_count) {
        std::this_thread::yield();
    }
    TestSession session{router, 0, 1};
    for (int i = 0; i < round_count / 10; ++i) {
        session.subscribe("a/" + std::to_string(i));
    }
    is_over = true;  // reached at all: that is the test
    for (std::thread& reader : readers) {
        reader.join();
    }
    CHECK(router.subscription_count() == static_cast<std::size_t>(round_count / 10));
    session.unsubscribe_all();
}

TEST_CASE("the locks keep each of many threads out of what another changes") {
    gw::WorkerLocks locks{3};
    std::uint64_t value = 0;  // plain: torn or lost when the locks fail
    std::uint64_t copy = 0;
    std::atomic<int> torn_count{0};
    std::vector<std::thread> threads;
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        threads.emplace_back([&, worker] {
            for (int i = 0; i < round_count; ++i) {
                const std::lock_guard lock{locks.of(worker)};
                torn_count += value == copy ? 0 : 1;
            }
        });
        threads.emplace_back([&] {
            for (int i = 0; i < round_count / 4; ++i) {
                const std::lock_guard lock{locks};
                ++value;
                ++copy;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(torn_count == 0);
    CHECK(value == 3ULL * (round_count / 4));
}
