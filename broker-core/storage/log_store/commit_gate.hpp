#pragma once

#include <condition_variable>
#include <mutex>

namespace gw {

/// Lets one other thread hold the writer up between two transactions. A plain mutex would not do:
/// the writer takes it again before anybody waiting wakes.
class CommitGate {
public:
    /// Writer: before and after each transaction. enter() waits while somebody pauses.
    void enter() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return !is_paused_; });
        is_inside_ = true;
    }
    void leave() {
        const std::scoped_lock lock{mutex_};
        is_inside_ = false;
        changed_.notify_all();
    }
    /// The other: returns when no transaction runs; none starts until resume().
    void pause() {
        std::unique_lock lock{mutex_};
        is_paused_ = true;
        changed_.wait(lock, [this] { return !is_inside_; });
    }
    void resume() {
        const std::scoped_lock lock{mutex_};
        is_paused_ = false;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_inside_ = false;
    bool is_paused_ = false;
};

}  // namespace gw
