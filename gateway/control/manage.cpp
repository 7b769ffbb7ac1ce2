#include "gateway/control/manage.hpp"

#include "gateway/control/messages.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace gw {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 7> names{
    "acl_test", "ban_add", "ban_del", "ban_list", "clients_list", "clients_show", "clients_kick"};

std::string text_of(const json::string& text) {
    return {text.data(), text.size()};
}

json::value parse(std::string_view text) {
    boost::system::error_code failure;
    json::value value = json::parse(json::string_view{text.data(), text.size()}, failure);
    return failure ? json::value{} : value;
}

}  // namespace

std::string manage_line(std::string_view name, const ManageFields& fields) {
    json::object object;
    object["command"] = json::string_view{name.data(), name.size()};
    for (const auto& [key, value] : fields) {
        object[key] = value;
    }
    return json::serialize(object);
}

std::optional<ManageRequest> parse_manage(std::string_view line) {
    const json::value parsed = parse(line);
    const json::object* const object = parsed.if_object();
    const json::value* const command = object == nullptr ? nullptr : object->if_contains("command");
    if (command == nullptr || !command->is_string()) {
        return std::nullopt;
    }
    ManageRequest request;
    request.name = text_of(command->get_string());
    if (std::find(names.begin(), names.end(), request.name) == names.end()) {
        return std::nullopt;
    }
    for (const auto& member : *object) {
        if (const json::string* const text = member.value().if_string()) {
            request.fields[std::string{member.key().data(), member.key().size()}] = text_of(*text);
        }
    }
    return request;
}

std::string manage_reply(const Result<std::string>& answer) {
    if (!answer) {
        return failure_reply(answer.error().text());
    }
    json::object reply;
    reply["ok"] = true;
    reply["text"] = *answer;
    return json::serialize(reply);
}

Result<std::string> manage_text(const std::string& reply) {
    const json::value parsed = parse(reply);
    const json::object* const object = parsed.if_object();
    if (object != nullptr) {
        if (const json::value* const text = object->if_contains("text");
            text && text->is_string()) {
            return text_of(text->get_string());
        }
        if (const json::value* const error = object->if_contains("error");
            error && error->is_string()) {
            return Error{Errc::unavailable, text_of(error->get_string())};
        }
    }
    return Error{Errc::corrupt, "the running program answered: " + reply};
}

}  // namespace gw
