#include "gateway/program.hpp"

#include "gateway/control/control_server.hpp"
#include "gateway/control/messages.hpp"
#include "gateway/data_lock.hpp"
#include "gateway/log.hpp"
#include "gateway/reload.hpp"
#include "gateway/systemd_notify.hpp"
#include "gateway/version.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace gw {

namespace {

void print_error(const std::string& text) {
    std::fprintf(stderr, "mangrove: %s\n", text.c_str());
}

/// A connection is a descriptor; the usual soft limit of 1,024 is there for programs that use
/// select(), and every program may raise it to the hard one.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/// What `mangrove start` waits for.
class ReadyPipe {
public:
    explicit ReadyPipe(int descriptor) : descriptor_(descriptor) {}
    ReadyPipe(const ReadyPipe&) = delete;
    ReadyPipe& operator=(const ReadyPipe&) = delete;
    ~ReadyPipe() { close(); }

    /// Lets go of the starter's terminal and tells it that everything listens.
    void ready(const std::string& listeners) {
        if (descriptor_ < 0) {
            return;
        }
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0) {
            for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                ::dup2(null, standard);
            }
            ::close(null);
        }
        const std::string text = "ready\n" + listeners;
        // A starter that is gone is no reason to stop; SIGPIPE is ignored.
        static_cast<void>(!::write(descriptor_, text.data(), text.size()));
        close();
    }

private:
    void close() {
        if (descriptor_ >= 0) {
            ::close(std::exchange(descriptor_, -1));
        }
    }

    int descriptor_;
};

config::Log log_options(const config::Log& configured, RunMode mode) {
    config::Log options = configured;
    if (mode == RunMode::detached && options.target == config::LogTarget::console) {
        options.target = config::LogTarget::file;
    }
    return options;
}

/// The running program: everything between a service that started and one that stopped.
class Program {
public:
    Program(const RunOptions& options, config::Loaded loaded, ProgramLog& log)
        : options_(options),
          loaded_(std::move(loaded)),
          log_(log),
          notifier_(SystemdNotifier::from_environment()),
          ready_(options.ready_descriptor),
          signals_(io_, SIGTERM, SIGINT, SIGHUP) {}

    /// Throws std::runtime_error when something cannot start.
    void run(const ServiceFactory& make_service) {
        log_start();
        service_ = make_service(loaded_.config, log_);
        // Before the listeners: whoever got in may ask at once, and is answered when all runs.
        const ControlServer control{io_, loaded_.config.node.data_dir,
                                    [this](std::string_view line) {
                                        return answer(line);
                                    }};
        service_->start();
        try {
            wait_for_signal();
            notifier_.ready();
            log_.info("program.ready");
            ready_.ready(listener_lines(service_->status_json()));
            io_.run();
        } catch (...) {
            service_->stop();
            throw;
        }
        service_->stop();
        log_.info("program.stopped");
    }

private:
    void log_start() {
        log_.info("program.started", {{"version", version},
                                      {"pid", ::getpid()},
                                      {"node", loaded_.config.node.name},
                                      {"config", options_.sources.file.value_or("")},
                                      {"data", loaded_.config.node.data_dir}});
        for (const config::Diagnostic& warning : loaded_.warnings) {
            log_.warning("config.warning", {{"text", warning.line_text()}});
        }
    }

    void wait_for_signal() {
        signals_.async_wait([this](boost::system::error_code failure, int signal) {
            if (failure) {
                return;
            }
            if (signal == SIGHUP) {
                reload(ReloadMode::apply);
                wait_for_signal();
                return;
            }
            log_.info("program.stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
            notifier_.stopping();
            // From here on a second signal does what it does to any program: it ends us at once.
            boost::system::error_code ignored;
            signals_.clear(ignored);
            io_.stop();
        });
    }

    ReloadOutcome reload(ReloadMode mode) {
        if (mode == ReloadMode::apply) {
            notifier_.reloading();
        }
        ReloadOutcome outcome = reload_config(options_.sources, loaded_, *service_, mode);
        if (mode == ReloadMode::dry_run) {
            return outcome;
        }
        notifier_.ready();
        for (const std::string& error : outcome.errors) {
            log_.error("config.reload_refused", {{"text", error}});
        }
        if (outcome.accepted) {
            log_.set_level(loaded_.config.log.level);
            for (const config::Change& change : outcome.changes) {
                log_.info(
                    "config.changed",
                    {{"key", change.name}, {"old", change.value_old}, {"new", change.value_new}});
            }
            for (const std::string& note : outcome.notes) {
                log_.info("config.applied", {{"text", note}});
            }
            log_.info("config.reloaded", {{"changes", outcome.changes.size()}});
        }
        return outcome;
    }

    std::string answer(std::string_view line) {
        if (const auto question = parse_manage(line)) {
            return manage_reply(service_->manage(question->name, question->fields));
        }
        const auto request = parse_request(line);
        if (!request) {
            return failure_reply(request.error().text());
        }
        switch (request->command) {
            case Command::status:
                return status_reply(service_->status_json());
            case Command::reload:
                return reload_reply(reload(ReloadMode::apply), ReloadMode::apply);
            case Command::reload_dry_run:
                return reload_reply(reload(ReloadMode::dry_run), ReloadMode::dry_run);
            case Command::users_changed:
                service_->users_changed();
                return done_reply();
        }
        GW_UNREACHABLE();
    }

    const RunOptions& options_;
    config::Loaded loaded_;
    ProgramLog& log_;
    SystemdNotifier notifier_;
    ReadyPipe ready_;
    boost::asio::io_context io_{1};
    boost::asio::signal_set signals_;
    std::unique_ptr<Service> service_;
};

}  // namespace

ExitCode run_program(const RunOptions& options, const ServiceFactory& make_service) {
    if (options.ready_descriptor >= 0) {
        ::fcntl(options.ready_descriptor, F_SETFD, FD_CLOEXEC);
    }
    // A peer that is gone, a file above a limit: errors of write(), not our end.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    auto loaded = config::load(options.sources);
    if (!loaded) {
        for (const config::Diagnostic& one : loaded.error().diagnostics) {
            std::fprintf(stderr, "%s\n", one.line_text().c_str());
        }
        return ExitCode::bad_input;
    }
    const auto lock = DataLock::acquire(loaded->config.node.data_dir);
    if (!lock) {
        print_error(lock.error().text());
        return ExitCode::failure;
    }
    raise_descriptor_limit();
    try {
        ProgramLog log{log_options(loaded->config.log, options.mode)};
        try {
            Program{options, std::move(*loaded), log}.run(make_service);
        } catch (const std::exception& failure) {
            log.critical("program.failed", {{"text", failure.what()}});
            throw;
        }
    } catch (const std::exception& failure) {
        print_error(failure.what());
        return ExitCode::failure;
    }
    return ExitCode::success;
}

}  // namespace gw
