#pragma once

#include "broker-core/base/result.hpp"
#include "gateway/reload.hpp"

#include <string>
#include <string_view>

namespace gw {

/// What can be asked over the control socket. One JSON object a line each way:
///   {"command":"status"}                   -> {"ok":true,"version":..,"pid":..,"status":{..}}
///   {"command":"reload"}                   ->
///   {"ok":..,"dry_run":false,"changes":[..],"errors":[..]}
///   {"command":"reload","dry_run":true}    -> the same, with nothing changed
///   {"command":"users_changed"}            -> {"ok":true}
///   anything else                          -> {"ok":false,"error":".."}
enum class Command { status, reload, reload_dry_run, users_changed };

struct Request {
    Command command = Command::status;
};

/// The line that asks for it.
std::string request_line(Command command);
/// @error  invalid_argument  no JSON, or nothing we know
Result<Request> parse_request(std::string_view line);

/// Nothing to tell but that it is done.
std::string done_reply();
std::string failure_reply(std::string_view text);
/// `service_status` is what Service::status_json() gave.
std::string status_reply(const std::string& service_status);
std::string reload_reply(const ReloadOutcome& outcome, ReloadMode mode);

/// "tcp.default 127.0.0.1:1883\n" for each listener in what Service::status_json() gave.
std::string listener_lines(const std::string& service_status);

/// A status reply as a page for a terminal.
///
/// @error  corrupt  not a status reply; the text says what the program answered
Result<std::string> status_page(const std::string& reply);
/// A reload reply as a page for a terminal; sets `accepted`.
Result<std::string> reload_page(const std::string& reply, bool& accepted);

}  // namespace gw
