#include "broker-core/router/match_result.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/router/route_node.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace gw {

static_assert(sizeof(MatchResult) % alignof(SharedGroupPtr) == 0);
static_assert(alignof(RouteTarget) <= alignof(SharedGroupPtr));
static_assert(alignof(MatchResult::WorkerRun) <= alignof(RouteTarget));

namespace {

constexpr std::size_t worker_max = 256;  // SessionRef keeps the worker in eight bits

template <class Visitor>
void for_each_subscriber(std::span<const RouteNode* const> nodes, Visitor&& visit) {
    for (const RouteNode* node : nodes) {
        node->plain().for_each(visit);
        if (const RouteExtension* extension = node->extension()) {
            extension->local.for_each(visit);
        }
    }
}

struct Counts {
    std::size_t targets = 0;
    std::size_t groups = 0;
    std::size_t sets = 0;  // that are not empty
};

Counts count(std::span<const RouteNode* const> nodes) {
    Counts counts;
    const auto add = [&counts](const SubscriberSet& set) {
        counts.targets += set.size();
        counts.sets += set.empty() ? 0 : 1;
    };
    for (const RouteNode* node : nodes) {
        add(node->plain());
        if (const RouteExtension* extension = node->extension()) {
            add(extension->local);
            counts.groups += extension->groups.size();
        }
    }
    return counts;
}

}  // namespace

MatchResult* MatchResult::allocate(std::size_t target_count, std::size_t run_count,
                                   std::size_t group_count) {
    GW_ASSERT(target_count <= 0xffffffff && group_count <= 0xffffffff);
    void* memory = std::malloc(sizeof(MatchResult) + group_count * sizeof(SharedGroupPtr) +
                               target_count * sizeof(RouteTarget) + run_count * sizeof(WorkerRun));
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    return new (memory)
        MatchResult(static_cast<std::uint32_t>(target_count), static_cast<std::uint32_t>(run_count),
                    static_cast<std::uint32_t>(group_count));
}

MatchPtr MatchResult::create(std::span<const RouteNode* const> nodes) {
    const Counts counts = count(nodes);
    // Where the targets of each worker begin; 1 KiB, so only when there is something to order.
    std::array<std::uint32_t, worker_max> next;
    std::size_t run_count = counts.targets;
    if (counts.targets > 1) {
        next.fill(0);
        for_each_subscriber(
            nodes, [&next](const Subscriber& subscriber) { ++next[subscriber.session.worker()]; });
        run_count = 0;
        std::uint32_t begin = 0;
        for (std::uint32_t& entry : next) {
            run_count += entry != 0 ? 1 : 0;
            begin += std::exchange(entry, begin);
        }
    }

    MatchResult* result = allocate(counts.targets, run_count, counts.groups);
    MatchPtr owner{result};
    auto* groups = const_cast<SharedGroupPtr*>(result->groups_at());
    for (const RouteNode* node : nodes) {
        if (const RouteExtension* extension = node->extension()) {
            for (const auto& [prefix, group] : extension->groups) {
                new (groups++) SharedGroupPtr(group);
            }
        }
    }
    auto* targets = const_cast<RouteTarget*>(result->targets_at());
    for_each_subscriber(nodes, [&](const Subscriber& subscriber) {
        const std::size_t at = counts.targets > 1 ? next[subscriber.session.worker()]++ : 0;
        new (&targets[at])
            RouteTarget{.session = subscriber.session, .options = subscriber.options};
    });
    result->fill_runs();
    result->has_stored_target_ =
        std::any_of(targets, targets + counts.targets, [](const RouteTarget& target) {
            return target.session.is_persistent() && target.options.max_qos() != Qos::at_most_once;
        });
    if (counts.sets > 1) {
        // Only then can a session occur twice. By session alone would not keep the order of its
        // entries repeatable.
        std::sort(targets, targets + counts.targets,
                  [](const RouteTarget& a, const RouteTarget& b) {
                      return a.session.key() != b.session.key()
                                 ? a.session.key() < b.session.key()
                                 : a.options.identifier < b.options.identifier;
                  });
    }
    return owner;
}

void MatchResult::fill_runs() {
    auto* run = const_cast<WorkerRun*>(runs_at());
    const std::span<const RouteTarget> all = targets();
    for (std::uint32_t i = 0; i < all.size(); ++i) {
        const std::uint32_t worker = all[i].session.worker();
        if (i == 0 || (run - 1)->worker != worker) {
            new (run++) WorkerRun{.worker = worker, .begin = i, .end = i};
        }
        (run - 1)->end = i + 1;
    }
    GW_ASSERT(run == runs_at() + run_count_);
}

void MatchResult::dispose(const MatchResult* result) {
    std::destroy(result->groups().begin(), result->groups().end());
    result->~MatchResult();
    std::free(const_cast<MatchResult*>(result));
}

}  // namespace gw
