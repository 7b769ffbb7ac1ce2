#include "gateway/data_lock.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace gw {

namespace {

constexpr std::string_view pid_file_name = "mangrove.pid";

// <sys/pidfd.h> of glibc 2.36 forgets extern "C", so the calls are made directly.
int open_process(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

int signal_process(int handle, int signal) {
    return static_cast<int>(::syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0));
}

/// Closes on the way out.
class File {
public:
    explicit File(int file) : file_(file) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (file_ >= 0) {
            ::close(file_);
        }
    }
    int get() const { return file_; }
    int release() { return std::exchange(file_, -1); }

private:
    int file_;
};

Error io_error(const std::filesystem::path& path, int code) {
    return Error{Errc::io, path.string() + ": " + std::strerror(code)};
}

std::optional<pid_t> read_pid(int file) {
    std::array<char, 24> text{};
    const ssize_t count = ::pread(file, text.data(), text.size(), 0);
    pid_t pid = 0;
    if (count <= 0) {
        return std::nullopt;
    }
    const auto [end, failure] = std::from_chars(text.data(), text.data() + count, pid);
    if (failure != std::errc{} || pid <= 0) {
        return std::nullopt;
    }
    return pid;
}

/// Whether the name still leads to the file that is open: another program may have removed it and
/// made a new one between our open and our lock.
bool is_same_file(int file, const std::filesystem::path& path) {
    struct stat open_file {};
    struct stat named {};
    return ::fstat(file, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
           open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

bool is_locked(int file) {
    if (::flock(file, LOCK_SH | LOCK_NB) == 0) {
        ::flock(file, LOCK_UN);
        return false;
    }
    return true;
}

/// Whether a process was killed and its main thread is gone already, while others still are in a
/// system call, such as a flush to a slow disk: they hold its files until they return.
bool is_ending(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(')');
    const char state = name_end + 2 < text.size() ? text[name_end + 2] : '?';
    return name_end != std::string::npos && (state == 'Z' || state == 'X');
}

}  // namespace

Result<DataLock> DataLock::acquire(const std::filesystem::path& data_dir) {
    std::error_code failure;
    std::filesystem::create_directories(data_dir, failure);
    if (failure) {
        return Error{Errc::io, data_dir.string() + ": " + failure.message()};
    }
    const auto path = data_dir / pid_file_name;
    constexpr int end_timeout_ms = 10'000;
    bool has_waited = false;
    while (true) {
        File file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)};
        if (file.get() < 0) {
            return io_error(path, errno);
        }
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            const auto pid = read_pid(file.get());
            if (pid && is_ending(*pid) && !std::exchange(has_waited, true)) {
                const auto ending = RunningProgram::find(data_dir);
                if (!ending || ending->wait_for_end(end_timeout_ms)) {
                    continue;
                }
            }
            return Error{Errc::already_exists,
                         "another mangrove" + (pid ? " (pid " + std::to_string(*pid) + ")" : "") +
                             " runs on the data folder " + data_dir.string()};
        }
        if (!is_same_file(file.get(), path)) {
            continue;
        }
        const std::string text = std::to_string(::getpid()) + "\n";
        if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), text.data(), text.size(), 0) !=
                                                   static_cast<ssize_t>(text.size())) {
            return io_error(path, errno);
        }
        return DataLock{file.release(), path};
    }
}

DataLock::DataLock(DataLock&& other) noexcept
    : file_(std::exchange(other.file_, -1)), path_(std::move(other.path_)) {}

DataLock::~DataLock() {
    if (file_ >= 0) {
        ::unlink(path_.c_str());  // before the lock falls, so that it is ours for sure
        ::close(file_);
    }
}

std::optional<RunningProgram> RunningProgram::find(const std::filesystem::path& data_dir) {
    const File file{::open((data_dir / pid_file_name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (file.get() < 0) {
        return std::nullopt;
    }
    const auto pid = read_pid(file.get());
    if (!pid) {
        return std::nullopt;
    }
    const int handle = open_process(*pid);
    // Asked after the handle is taken: who holds the lock now is the process of the handle.
    if (handle < 0 || !is_locked(file.get())) {
        if (handle >= 0) {
            ::close(handle);
        }
        return std::nullopt;
    }
    return RunningProgram{*pid, handle};
}

RunningProgram::RunningProgram(RunningProgram&& other) noexcept
    : pid_(other.pid_), handle_(std::exchange(other.handle_, -1)) {}

RunningProgram::~RunningProgram() {
    if (handle_ >= 0) {
        ::close(handle_);
    }
}

bool RunningProgram::send_signal(int signal) const {
    return signal_process(handle_, signal) == 0;
}

bool RunningProgram::wait_for_end(int timeout_ms) const {
    pollfd ended{.fd = handle_, .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        ready = ::poll(&ended, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return ready == 1;
}

}  // namespace gw
