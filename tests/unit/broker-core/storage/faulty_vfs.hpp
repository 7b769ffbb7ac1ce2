#pragma once

#include "broker-core/base/random.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gw::test {

/// A file layer for SQLite that goes on to the usual one, counts what changes files (writes,
/// flushes, cuts), and at a chosen operation fails or loses power. It knows of every file what a
/// disk would surely have: what was written before the last flush that went well. Any thread.
class FaultyVfs {
public:
    enum class Fault {
        none,
        io_error_once,   // that operation fails, the next works
        disk_full_once,  // that write finds no room
        io_error_on,     // it and all after it fail
        power_loss,      // nothing reaches the disk any more; what was not flushed may be lost
    };

    static constexpr const char* name = "gw-faulty";
    /// Registers itself with SQLite on first use.
    static FaultyVfs& instance();

    /// Forgets all files and counts from here; the `at`-th operation (from 1) meets the fault.
    void reset(Fault fault, std::uint64_t at, std::uint64_t seed);
    /// No fault from here on, but for a power that is off already.
    void heal();
    std::uint64_t operation_count() const;
    bool has_struck() const;

    /// Makes the files what a disk could hold after the power loss: what was flushed, and of what
    /// was not, any sectors of 512 bytes. To be called when all connections are closed.
    void restore_disk();

    // For the file layer itself.
    enum class Verdict { proceed, io_error, disk_full };
    Verdict on_operation(bool is_write);
    void on_open(const std::string& path);
    void on_write(const std::string& path, const void* bytes, std::uint64_t count,
                  std::uint64_t offset);
    void on_truncate(const std::string& path, std::uint64_t size);
    void on_sync(const std::string& path);
    void on_delete(const std::string& path);

private:
    struct Change {
        bool is_truncate;
        std::uint64_t offset;  // or the new size
        std::vector<std::uint8_t> bytes;
    };
    struct File {
        std::vector<std::uint8_t> flushed;
        std::vector<Change> pending;
    };

    static void apply(std::vector<std::uint8_t>& to, const Change& change);
    bool is_off() const { return fault_ == Fault::power_loss && has_struck_; }

    mutable std::mutex mutex_;
    Fault fault_ = Fault::none;
    std::uint64_t at_ = 0;
    std::uint64_t count_ = 0;
    bool has_struck_ = false;
    Random random_{0};
    std::map<std::string, File> files_;
};

}  // namespace gw::test
