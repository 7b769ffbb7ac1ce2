#include "adapters/http/message.hpp"

#include <algorithm>

namespace gw::http {

namespace {
char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char one, char other) { return lower(one) == lower(other); });
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split_list(std::string_view text) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view part = trim(text.substr(0, comma));
        if (!part.empty()) {
            parts.push_back(part);
        }
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    return parts;
}

std::optional<std::string_view> Request::find(std::string_view name) const {
    for (const Field& field : fields) {
        if (equals_ignoring_case(field.name, name)) {
            return field.value;
        }
    }
    return std::nullopt;
}

std::size_t Request::count(std::string_view name) const {
    return static_cast<std::size_t>(std::count_if(
        fields.begin(), fields.end(),
        [name](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

std::string Request::joined(std::string_view name) const {
    std::string all;
    for (const Field& field : fields) {
        if (equals_ignoring_case(field.name, name)) {
            all += all.empty() ? "" : ", ";
            all += field.value;
        }
    }
    return all;
}

bool Request::has_token(std::string_view name, std::string_view token) const {
    const std::string all = joined(name);
    const auto parts = split_list(all);
    return std::any_of(parts.begin(), parts.end(), [token](std::string_view part) {
        return equals_ignoring_case(part, token);
    });
}

Response text_response(unsigned status, std::string_view text) {
    Response response{.status = status, .fields = {}, .body = std::string{text} + "\n"};
    response.with("Content-Type", "text/plain; charset=UTF-8");
    return response;
}

std::string_view status_text(unsigned status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 413:
            return "Content Too Large";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Unknown";
    }
}

}  // namespace gw::http
