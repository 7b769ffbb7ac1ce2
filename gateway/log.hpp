#pragma once

#include "broker-core/base/log.hpp"
#include "config/model/config.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace gw {

/// One line for an event, without time and level: `client.connected client_id=a address="x y"`.
/// Values that hold a space, a quote, `=` or nothing stand in quotes; control characters and bytes
/// that are no UTF-8 are escaped (\n, \x1b), so that no value can forge a line or a field.
std::string format_event(std::string_view event, std::span<const LogField> fields);

/// The program's log, by spdlog. Lines are handed to one writing thread: no caller ever waits for
/// a disk or a terminal. When that thread cannot keep up the oldest waiting lines are lost.
class ProgramLog final : public Log {
public:
    /// Opens the sinks; makes the folder of the file. Throws std::runtime_error when the file
    /// cannot be opened.
    explicit ProgramLog(const config::Log& options);
    ~ProgramLog() override;
    ProgramLog(const ProgramLog&) = delete;
    ProgramLog& operator=(const ProgramLog&) = delete;

    bool enabled(LogLevel level) const override;
    void write(LogLevel level, std::string_view event,
               std::span<const LogField> fields) noexcept override;

    /// Any thread; takes effect at once.
    void set_level(LogLevel level);

private:
    std::shared_ptr<spdlog::details::thread_pool> writer_;
    std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace gw
