#include "gateway/control/messages.hpp"

#include "gateway/version.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <unistd.h>

namespace gw {

namespace json = boost::json;

namespace {

json::value parse_json(std::string_view text, bool& good) {
    boost::system::error_code failure;
    json::value parsed = json::parse(json::string_view{text.data(), text.size()}, failure);
    good = !failure;
    return parsed;
}

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

/// What the service told, as a value; a string of it when it is no JSON, which is a mistake there
/// that must not take the answer away.
json::value service_value(const std::string& text) {
    bool good = false;
    json::value parsed = parse_json(text, good);
    return good ? parsed : json::value(json::string(text));
}

std::string plain(const json::value& value) {
    if (const auto* text = value.if_string()) {
        return std::string{view(*text)};
    }
    return json::serialize(value);
}

std::string_view effect_text(config::Reload reload) {
    switch (reload) {
        case config::Reload::live:
            return "at once";
        case config::Reload::new_connections:
            return "for new connections";
        case config::Reload::restart:
            return "after a restart";
    }
    GW_UNREACHABLE();
}

/// "90061" seconds -> "1 day 1 h 1 min 1 s".
std::string uptime_text(std::int64_t seconds) {
    std::string text;
    if (seconds >= 86400) {
        text += std::to_string(seconds / 86400) + (seconds >= 172800 ? " days " : " day ");
    }
    if (seconds >= 3600) {
        text += std::to_string(seconds / 3600 % 24) + " h ";
    }
    if (seconds >= 60) {
        text += std::to_string(seconds / 60 % 60) + " min ";
    }
    return text + std::to_string(seconds % 60) + " s";
}

void append_line(std::string& page, std::string_view name, const std::string& value) {
    std::string label{name};
    std::replace(label.begin(), label.end(), '_', ' ');
    label.resize(std::max<std::size_t>(label.size() + 1, 16), ' ');
    page += label + value + "\n";
}

/// An object in one line: "tcp.default  127.0.0.1:1883  clients 3".
std::string object_line(const json::object& object) {
    std::string line;
    for (const auto& [name, value] : object) {
        const std::string_view key{name.data(), name.size()};
        line += line.empty() ? "" : "  ";
        line += key == "name" || key == "address" ? plain(value)
                                                  : std::string{key} + " " + plain(value);
    }
    return line;
}

void append_member(std::string& page, std::string_view name, const json::value& value) {
    if (name == "uptime_seconds" && value.is_int64()) {
        append_line(page, "uptime", uptime_text(value.get_int64()));
    } else if (const auto* list = value.if_array()) {
        std::string_view label = name;
        for (const json::value& one : *list) {
            append_line(page, label, one.is_object() ? object_line(one.get_object()) : plain(one));
            label = "";
        }
        if (list->empty()) {
            append_line(page, name, "none");
        }
    } else if (const auto* counters = value.if_object()) {
        // A table of counters: most are zero and would hide the others.
        page += std::string{name} + "\n";
        for (const auto& [counter, count] : *counters) {
            if (count != json::value(0)) {
                page +=
                    "  " + std::string{counter.data(), counter.size()} + " " + plain(count) + "\n";
            }
        }
    } else {
        append_line(page, name, plain(value));
    }
}

}  // namespace

std::string request_line(Command command) {
    switch (command) {
        case Command::status:
            return R"({"command":"status"})";
        case Command::reload:
            return R"({"command":"reload"})";
        case Command::reload_dry_run:
            return R"({"command":"reload","dry_run":true})";
        case Command::users_changed:
            return R"({"command":"users_changed"})";
    }
    GW_UNREACHABLE();
}

Result<Request> parse_request(std::string_view line) {
    bool good = false;
    const json::value parsed = parse_json(line, good);
    const json::object* object = good ? parsed.if_object() : nullptr;
    const json::value* command = object == nullptr ? nullptr : object->if_contains("command");
    if (command == nullptr || !command->is_string()) {
        return Error{Errc::invalid_argument, "not a request: a JSON object with \"command\""};
    }
    if (command->get_string() == "status") {
        return Request{Command::status};
    }
    if (command->get_string() == "reload") {
        const json::value* dry = object->if_contains("dry_run");
        return Request{dry != nullptr && *dry == json::value(true) ? Command::reload_dry_run
                                                                   : Command::reload};
    }
    if (command->get_string() == "users_changed") {
        return Request{Command::users_changed};
    }
    return Error{Errc::invalid_argument,
                 "unknown command " + std::string{view(command->get_string())}};
}

std::string done_reply() {
    return R"({"ok":true})";
}

std::string failure_reply(std::string_view text) {
    json::object reply;
    reply["ok"] = false;
    reply["error"] = json::string_view{text.data(), text.size()};
    return json::serialize(reply);
}

std::string status_reply(const std::string& service_status) {
    json::object reply;
    reply["ok"] = true;
    reply["version"] = json::string_view{version.data(), version.size()};
    reply["pid"] = static_cast<std::int64_t>(::getpid());
    reply["status"] = service_value(service_status);
    return json::serialize(reply);
}

std::string reload_reply(const ReloadOutcome& outcome, ReloadMode mode) {
    json::object reply;
    reply["ok"] = outcome.accepted;
    reply["dry_run"] = mode == ReloadMode::dry_run;
    json::array changes;
    for (const config::Change& change : outcome.changes) {
        const std::string_view effect = effect_text(change.on_reload);
        changes.push_back(
            json::object{{"key", change.name},
                         {"old", change.value_old},
                         {"new", change.value_new},
                         {"effect", json::string_view{effect.data(), effect.size()}}});
    }
    reply["changes"] = std::move(changes);
    reply["notes"] = json::value_from(outcome.notes);
    reply["errors"] = json::value_from(outcome.errors);
    return json::serialize(reply);
}

std::string listener_lines(const std::string& service_status) {
    std::string lines;
    const json::value status = service_value(service_status);
    const json::object* object = status.if_object();
    const json::value* listeners = object == nullptr ? nullptr : object->if_contains("listeners");
    if (listeners != nullptr && listeners->is_array()) {
        for (const json::value& one : listeners->get_array()) {
            const json::object* listener = one.if_object();
            if (listener != nullptr && listener->contains("name") &&
                listener->contains("address")) {
                lines += plain(listener->at("name")) + " " + plain(listener->at("address")) + "\n";
            }
        }
    }
    return lines;
}

Result<std::string> status_page(const std::string& reply) {
    bool good = false;
    const json::value parsed = parse_json(reply, good);
    const json::object* object = good ? parsed.if_object() : nullptr;
    const json::value* status = object == nullptr ? nullptr : object->if_contains("status");
    if (status == nullptr || !status->is_object()) {
        return Error{Errc::corrupt, "the running program answered: " + reply};
    }
    std::string page;
    for (const std::string_view name : {"version", "pid"}) {
        if (const auto* value = object->if_contains(json::string_view{name.data(), name.size()})) {
            append_line(page, name, plain(*value));
        }
    }
    for (const auto& [name, value] : status->get_object()) {
        const std::string_view key{name.data(), name.size()};
        if (key != "version" && key != "pid") {
            append_member(page, key, value);
        }
    }
    return page;
}

Result<std::string> reload_page(const std::string& reply, bool& accepted) {
    bool good = false;
    const json::value parsed = parse_json(reply, good);
    const json::object* object = good ? parsed.if_object() : nullptr;
    if (object == nullptr || !object->contains("ok") || !object->contains("changes")) {
        return Error{Errc::corrupt, "the running program answered: " + reply};
    }
    accepted = object->at("ok") == json::value(true);
    std::string page;
    for (const json::value& one : object->at("changes").as_array()) {
        const json::object& change = one.as_object();
        page += plain(change.at("key")) + ": " + plain(change.at("old")) + " -> " +
                plain(change.at("new")) + " (" + plain(change.at("effect")) + ")\n";
    }
    for (const std::string_view list : {"notes", "errors"}) {
        if (const auto* lines = object->if_contains(json::string_view{list.data(), list.size()})) {
            for (const json::value& one : lines->as_array()) {
                page += (list == "errors" ? "error: " : "") + plain(one) + "\n";
            }
        }
    }
    if (!accepted) {
        page += "Nothing was changed.\n";
    } else if (object->at("changes").as_array().empty()) {
        page += "No key has changed.\n";
    }
    return page;
}

}  // namespace gw
