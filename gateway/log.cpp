#include "gateway/log.hpp"

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/printable.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <stdexcept>

namespace gw {

namespace {

constexpr std::size_t waiting_lines_max = 8192;

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
        case LogLevel::critical:
            return spdlog::level::critical;
    }
    GW_UNREACHABLE();
}

void append_text(std::string& out, std::string_view text) {
    const bool quotes = text.empty() || text.find_first_of(" \"=\\") != std::string_view::npos;
    out += quotes ? "\"" : "";
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t unprintable = unprintable_bytes(text);
        const std::size_t bytes = unprintable != 0 ? unprintable : character_bytes(text);
        if (c == '\n') {
            out += "\\n";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else {
            append_printable(out, text.substr(0, bytes));
        }
        text.remove_prefix(bytes);
    }
    out += quotes ? "\"" : "";
}

template <class Number>
void append_number(std::string& out, Number number) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    out.append(digits.data(), end.ptr);
}

void append_value(std::string& out, const LogField::Value& value) {
    if (const auto* text = std::get_if<std::string_view>(&value)) {
        append_text(out, *text);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
        out += *flag ? "true" : "false";
    } else if (const auto* negative = std::get_if<std::int64_t>(&value)) {
        append_number(out, *negative);
    } else if (const auto* positive = std::get_if<std::uint64_t>(&value)) {
        append_number(out, *positive);
    } else {
        append_number(out, std::get<double>(value));
    }
}

std::vector<spdlog::sink_ptr> make_sinks(const config::Log& options) {
    using config::LogTarget;
    std::vector<spdlog::sink_ptr> sinks;
    if (options.target == LogTarget::console || options.target == LogTarget::both) {
        sinks.push_back(std::make_shared<spdlog::sinks::stdout_sink_mt>());
    }
    if (options.target == LogTarget::file || options.target == LogTarget::both) {
        try {
            const auto folder = std::filesystem::path{options.file}.parent_path();
            if (!folder.empty()) {
                std::filesystem::create_directories(folder);
            }
            sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
                options.file, options.file_bytes_max, options.file_count));
        } catch (const std::exception& failure) {
            throw std::runtime_error("log.console.file: " + std::string{failure.what()});
        }
    }
    return sinks;
}

}  // namespace

std::string format_event(std::string_view event, std::span<const LogField> fields) {
    std::string line{event};
    for (const LogField& field : fields) {
        line += ' ';
        line += field.name;
        line += '=';
        append_value(line, field.value);
    }
    return line;
}

ProgramLog::ProgramLog(const config::Log& options) {
    const auto sinks = make_sinks(options);
    writer_ = std::make_shared<spdlog::details::thread_pool>(waiting_lines_max, 1);
    logger_ =
        std::make_shared<spdlog::async_logger>("mangrove", sinks.begin(), sinks.end(), writer_,
                                               spdlog::async_overflow_policy::overrun_oldest);
    logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    logger_->set_error_handler([](const std::string&) {});  // a full disk loses lines, no more
    logger_->flush_on(spdlog::level::debug);
    set_level(options.target == config::LogTarget::off ? LogLevel::critical : options.level);
}

ProgramLog::~ProgramLog() {
    // First the pool: its destructor writes what waits and joins the thread, so that nobody holds
    // the logger and its sinks any more when they go. The logger only borrows the pool.
    writer_.reset();
    logger_.reset();
}

bool ProgramLog::enabled(LogLevel level) const {
    return logger_->should_log(to_spdlog(level));
}

void ProgramLog::write(LogLevel level, std::string_view event,
                       std::span<const LogField> fields) noexcept {
    try {
        logger_->log(to_spdlog(level), spdlog::string_view_t{format_event(event, fields)});
    } catch (...) {
        // Out of memory: the line is lost, as the contract says.
    }
}

void ProgramLog::set_level(LogLevel level) {
    logger_->set_level(to_spdlog(level));
}

}  // namespace gw
