#pragma once

#include "broker-core/base/result.hpp"

#include <string>
#include <utility>

namespace gw {

/// Keeps a second process, and a second LogStore of this one, off a store: an flock() on a file
/// beside it, which goes with the process however that ends.
class StoreLock {
public:
    /// Errors: unavailable when somebody else holds it, io when the file cannot be made.
    static Result<StoreLock> acquire(const std::string& store_path);

    StoreLock() = default;
    StoreLock(StoreLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
    StoreLock& operator=(StoreLock&& other) noexcept {
        std::swap(file_, other.file_);
        return *this;
    }
    ~StoreLock();

private:
    explicit StoreLock(int file) : file_(file) {}

    int file_ = -1;
};

}  // namespace gw
