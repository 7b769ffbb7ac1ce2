#pragma once

#include "broker-core/base/result.hpp"

#include <filesystem>
#include <optional>
#include <sys/types.h>

namespace gw {

/// Owns a data folder: one program at a time. The lock is on the pid file and falls with the
/// process, however it ends, so a pid file left behind never keeps the next one out.
class DataLock {
public:
    /// Makes the folder when it is missing, locks its pid file and writes this process's id. Waits
    /// some seconds for a process that was killed and has not quite gone.
    ///
    /// @error  already_exists  another program holds it; the text names its pid
    /// @error  io              the folder or file cannot be made
    static Result<DataLock> acquire(const std::filesystem::path& data_dir);

    DataLock(DataLock&& other) noexcept;
    DataLock& operator=(DataLock&&) = delete;
    /// Removes the pid file.
    ~DataLock();

private:
    DataLock(int file, std::filesystem::path path) : file_(file), path_(std::move(path)) {}

    int file_;
    std::filesystem::path path_;
};

/// The process that runs on a data folder.
class RunningProgram {
public:
    /// Empty when none runs there. What it finds stays the same process: its id cannot be used
    /// again for another one as long as this object lives.
    static std::optional<RunningProgram> find(const std::filesystem::path& data_dir);

    RunningProgram(RunningProgram&& other) noexcept;
    RunningProgram& operator=(RunningProgram&&) = delete;
    ~RunningProgram();

    pid_t pid() const { return pid_; }
    /// False when the process is gone or not ours to signal.
    bool send_signal(int signal) const;
    /// Waits until it has ended; false when it has not within the time.
    bool wait_for_end(int timeout_ms) const;

private:
    RunningProgram(pid_t pid, int handle) : pid_(pid), handle_(handle) {}

    pid_t pid_;
    int handle_;
};

}  // namespace gw
