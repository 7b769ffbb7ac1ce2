#include "broker-core/storage/log_store/store_lock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

namespace gw {

Result<StoreLock> StoreLock::acquire(const std::string& store_path) {
    const std::string path = store_path + ".lock";
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return Error{Errc::io, path + ": " + std::generic_category().message(errno)};
    }
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
        const int reason = errno;
        ::close(file);
        if (reason == EWOULDBLOCK) {
            return Error{Errc::unavailable, store_path + " is in use by another process"};
        }
        return Error{Errc::io, path + ": " + std::generic_category().message(reason)};
    }
    return StoreLock{file};
}

StoreLock::~StoreLock() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

}  // namespace gw
