#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace gw {

enum class LogLevel { debug, info, warning, error, critical };

/// One named value of a log event. Borrows its text: build it in the call.
struct LogField {
    using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;

    LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
    LogField(std::string_view field_name, const std::string& text)
        : name(field_name), value(std::string_view{text}) {}
    LogField(std::string_view field_name, const char* text)
        : name(field_name), value(std::string_view{text}) {}
    LogField(std::string_view field_name, bool flag) : name(field_name), value(flag) {}
    LogField(std::string_view field_name, double number) : name(field_name), value(number) {}
    template <class Integer>
    requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>)
        LogField(std::string_view field_name, Integer number)
        : name(field_name) {
        if constexpr (std::is_signed_v<Integer>) {
            value = static_cast<std::int64_t>(number);
        } else {
            value = static_cast<std::uint64_t>(number);
        }
    }

    std::string_view name;
    Value value;
};

/// Where events go. An event has a stable name ("client.connected") and fields; never a payload,
/// never a password. Writers escape control characters in values, so that what a client sends
/// cannot forge a line. Any thread.
class Log {
public:
    using Fields = std::initializer_list<LogField>;

    virtual ~Log() = default;

    /// Whether an event of this level would be written; ask before building costly fields.
    virtual bool enabled(LogLevel level) const = 0;
    /// Writes one event. Does not throw; a full disk loses the line, never the program.
    virtual void write(LogLevel level, std::string_view event,
                       std::span<const LogField> fields) noexcept = 0;

    void debug(std::string_view event, Fields fields = {}) {
        write_if(LogLevel::debug, event, fields);
    }
    void info(std::string_view event, Fields fields = {}) {
        write_if(LogLevel::info, event, fields);
    }
    void warning(std::string_view event, Fields fields = {}) {
        write_if(LogLevel::warning, event, fields);
    }
    void error(std::string_view event, Fields fields = {}) {
        write_if(LogLevel::error, event, fields);
    }
    void critical(std::string_view event, Fields fields = {}) {
        write_if(LogLevel::critical, event, fields);
    }

private:
    void write_if(LogLevel level, std::string_view event, Fields fields) {
        if (enabled(level)) {
            write(level, event, std::span<const LogField>{fields.begin(), fields.size()});
        }
    }
};

/// Writes nothing: for tests and for parts that run without a log.
class NullLog final : public Log {
public:
    bool enabled(LogLevel) const override { return false; }
    void write(LogLevel, std::string_view, std::span<const LogField>) noexcept override {}
};

}  // namespace gw
