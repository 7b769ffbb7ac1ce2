#pragma once

#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/router/shared_group.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace gw {

class MatchResult;
using MatchPtr = IntrusivePtr<const MatchResult>;
class RouteNode;

/// Who gets a topic: subscriptions of sessions, grouped by the worker that owns the session, and
/// shared groups. Immutable, in one allocation; may be cached and shared by workers.
class alignas(8) MatchResult final : public RefCounted<MatchResult> {
public:
    /// The targets of one worker: [begin, end) in targets().
    struct WorkerRun {
        std::uint32_t worker = 0;
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
    };

    /// Collects what is subscribed to these filters. Under the router's lock.
    static MatchPtr create(std::span<const RouteNode* const> nodes);
    /// A result with nobody in it.
    static MatchPtr create_empty() { return create({}); }

    /// Whether a session that outlives its connections gets it by a plain subscription at QoS 1 or
    /// 2: then the message has to be stored.
    bool has_stored_target() const { return has_stored_target_; }
    bool empty() const { return target_count_ == 0 && group_count_ == 0; }

    /// All targets, by ascending worker. The entries of one session (its overlapping filters) stand
    /// side by side.
    std::span<const RouteTarget> targets() const { return {targets_at(), target_count_}; }
    /// The workers that have targets, ascending.
    std::span<const WorkerRun> runs() const { return {runs_at(), run_count_}; }
    std::span<const RouteTarget> targets(const WorkerRun& run) const {
        return targets().subspan(run.begin, run.end - run.begin);
    }
    /// The targets of one worker, perhaps none.
    std::span<const RouteTarget> targets(std::uint32_t worker) const {
        for (const WorkerRun& run : runs()) {
            if (run.worker == worker) {
                return targets(run);
            }
        }
        return {};
    }
    /// Groups of which one member gets the message; pick() says who.
    std::span<const SharedGroupPtr> groups() const { return {groups_at(), group_count_}; }

    static void dispose(const MatchResult* result);

private:
    MatchResult(std::uint32_t target_count, std::uint32_t run_count, std::uint32_t group_count)
        : target_count_(target_count), run_count_(run_count), group_count_(group_count) {}
    ~MatchResult() = default;

    static MatchResult* allocate(std::size_t target_count, std::size_t run_count,
                                 std::size_t group_count);
    void fill_runs();

    // Behind the object: groups, targets, runs.
    const SharedGroupPtr* groups_at() const {
        return reinterpret_cast<const SharedGroupPtr*>(this + 1);
    }
    const RouteTarget* targets_at() const {
        return reinterpret_cast<const RouteTarget*>(groups_at() + group_count_);
    }
    const WorkerRun* runs_at() const {
        return reinterpret_cast<const WorkerRun*>(targets_at() + target_count_);
    }

    std::uint32_t target_count_;
    std::uint32_t run_count_;
    std::uint32_t group_count_;
    bool has_stored_target_ = false;
};

}  // namespace gw
