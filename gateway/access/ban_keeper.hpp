#pragma once

#include "broker-core/base/log.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/door/ban_list.hpp"

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gw {

/// Writes the bans down, on a thread of its own: the only one that does, and nobody who serves
/// clients waits for the disk. What cannot be written is tried again at the next look().
class BanKeeper {
public:
    /// Both asked by the keeper's thread; the version first, so that what changes in between is
    /// written again.
    struct Source {
        std::function<std::uint64_t()> version;
        std::function<std::vector<Ban>()> bans;
    };

    BanKeeper(std::filesystem::path data_dir, Source source, Log& log);
    /// Writes what is not kept yet.
    ~BanKeeper();
    BanKeeper(const BanKeeper&) = delete;
    BanKeeper& operator=(const BanKeeper&) = delete;

    /// What there is now is what the file has.
    void note_kept();
    /// Something may have changed. Any thread; does not wait.
    void look();
    /// Waits until what there is now is kept. Not for workers.
    ///
    /// @error  io  it cannot be written
    Result<void> keep();

private:
    void run();
    void write(std::unique_lock<std::mutex>& lock);
    void tell_failure(const std::string& text);

    const std::filesystem::path data_dir_;
    const Source source_;
    Log& log_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable wanted_, written_;
    std::uint64_t asked_ = 0;  // look() and keep() so far; answered_ of them are done with
    std::uint64_t answered_ = 0;
    std::optional<std::uint64_t> version_kept_;
    std::string failure_;  // of the last writing; empty: none
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace gw
