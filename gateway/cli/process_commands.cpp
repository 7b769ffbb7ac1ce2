#include "gateway/cli/commands.hpp"
#include "gateway/cli/data_folder.hpp"
#include "gateway/control/control_client.hpp"
#include "gateway/control/messages.hpp"
#include "gateway/data_lock.hpp"
#include "gateway/tls_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace gw::cli {

namespace {

/// In the child; above the standard ones, below anything else it opens.
constexpr int ready_descriptor = 3;

int fail(const char* what, int code) {
    std::fprintf(stderr, "mangrove: %s: %s\n", what, std::strerror(code));
    return -1;
}

/// Runs this program again as `run --detached`, in a session of its own. Returns its pid, or -1
/// after telling why.
pid_t spawn_detached(const CommonOptions& options, int ready_write_end) {
    std::vector<std::string> list{"mangrove", "run", "--detached"};
    const auto common = options.arguments();
    list.insert(list.end(), common.begin(), common.end());
    std::vector<char*> arguments;
    for (std::string& one : list) {
        arguments.push_back(one.data());
    }
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ready_write_end, ready_descriptor);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t pid = -1;
    const int code =
        posix_spawn(&pid, "/proc/self/exe", &files, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return code == 0 ? pid : fail("cannot start", code);
}

/// Everything the child writes until it closes its end.
std::string read_all(int descriptor) {
    std::string text;
    std::array<char, 1024> chunk{};
    while (true) {
        const ssize_t count = ::read(descriptor, chunk.data(), chunk.size());
        if (count > 0) {
            text.append(chunk.data(), static_cast<std::size_t>(count));
        } else if (count == 0 || errno != EINTR) {
            return text;
        }
    }
}

/// What the child said in its exit code; a child killed by a signal has failed.
ExitCode exit_code_of(pid_t pid) {
    int state = 0;
    while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(state)) {
        std::fprintf(stderr, "mangrove: ended by signal %d\n", WTERMSIG(state));
        return ExitCode::failure;
    }
    return WEXITSTATUS(state) == static_cast<int>(ExitCode::bad_input) ? ExitCode::bad_input
                                                                       : ExitCode::failure;
}

}  // namespace

ExitCode start(const CommonOptions& options) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        fail("pipe", errno);
        return ExitCode::failure;
    }
    // posix_spawn clears close-on-exec when it copies a descriptor onto another number, or onto
    // itself; nothing else of ours is open above it in the child.
    const pid_t pid = spawn_detached(options, ends[1]);
    ::close(ends[1]);
    const std::string told = pid < 0 ? std::string{} : read_all(ends[0]);
    ::close(ends[0]);
    if (pid < 0) {
        return ExitCode::failure;
    }
    constexpr std::string_view ready = "ready\n";
    if (!told.starts_with(ready)) {
        return exit_code_of(pid);  // it has printed why to our standard error
    }
    std::printf("mangrove is running, pid %d.\n", pid);
    std::string_view listeners = std::string_view{told}.substr(ready.size());
    while (!listeners.empty()) {
        const std::size_t end = std::min(listeners.find('\n'), listeners.size() - 1);
        std::printf("  %.*s\n", static_cast<int>(end), listeners.data());
        listeners.remove_prefix(end + 1);
    }
    return ExitCode::success;
}

ExitCode stop(const CommonOptions& options, std::chrono::seconds timeout) {
    const auto data_dir = data_folder(options);
    if (!data_dir) {
        return ExitCode::bad_input;
    }
    const auto running = RunningProgram::find(*data_dir);
    if (!running) {
        std::printf("mangrove is not running on %s.\n", data_dir->c_str());
        return ExitCode::success;
    }
    if (!running->send_signal(SIGTERM) && errno != ESRCH) {
        fail("cannot signal the running program", errno);
        return ExitCode::failure;
    }
    const auto milliseconds = std::chrono::milliseconds{timeout}.count();
    if (!running->wait_for_end(static_cast<int>(milliseconds))) {
        std::fprintf(stderr, "mangrove: pid %d has not ended within %lld s; it is still running.\n",
                     running->pid(), static_cast<long long>(timeout.count()));
        return ExitCode::failure;
    }
    std::printf("mangrove has stopped, pid %d.\n", running->pid());
    return ExitCode::success;
}

ExitCode restart(const CommonOptions& options, std::chrono::seconds timeout) {
    // Checked first: a broken file must not turn a restart into a stop.
    const auto loaded = config::load(options.sources());
    if (!loaded) {
        print_diagnostics(loaded.error().diagnostics);
        return ExitCode::bad_input;
    }
    if (const auto errors = tls_file_errors(loaded->config); !errors.empty()) {
        std::fprintf(stderr, "mangrove: %s\n", errors.front().c_str());
        return ExitCode::bad_input;
    }
    const ExitCode stopped = stop(options, timeout);
    return stopped == ExitCode::success ? start(options) : stopped;
}

ExitCode status(const CommonOptions& options, StatusForm form) {
    const auto data_dir = data_folder(options);
    if (!data_dir) {
        return ExitCode::bad_input;
    }
    if (!RunningProgram::find(*data_dir)) {
        if (form == StatusForm::json) {
            std::puts(R"({"ok":false,"error":"not running"})");
        } else {
            std::printf("mangrove is not running on %s.\n", data_dir->c_str());
        }
        return ExitCode::not_running;
    }
    const auto reply = ask_running_program(*data_dir, request_line(Command::status));
    if (!reply) {
        std::fprintf(stderr, "mangrove: %s\n", reply.error().text().c_str());
        return ExitCode::failure;
    }
    if (form == StatusForm::json) {
        std::puts(reply->c_str());
        return ExitCode::success;
    }
    const auto page = status_page(*reply);
    if (!page) {
        std::fprintf(stderr, "mangrove: %s\n", page.error().text().c_str());
        return ExitCode::failure;
    }
    std::fputs(page->c_str(), stdout);
    return ExitCode::success;
}

}  // namespace gw::cli
