#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::http {

struct Field {
    std::string name;
    std::string value;
};

/// A request as a handler sees it.
struct Request {
    std::string method;
    std::string target;  // as it was sent
    std::string path;    // of the target, not percent-decoded; always starts with '/', but for "*"
    std::string query;   // of the target, without '?'
    unsigned minor_version = 1;  // HTTP/1.x
    bool keeps_alive = true;
    std::vector<Field> fields;
    std::string body;

    /// The first field of that name, in any case; none when there is none.
    std::optional<std::string_view> find(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    /// All fields of that name as one list (RFC 9110, 5.3); empty when there is none.
    std::string joined(std::string_view name) const;
    /// Whether the comma-separated list in the fields of that name holds `token`, in any case.
    bool has_token(std::string_view name, std::string_view token) const;
};

struct Response {
    unsigned status = 200;
    std::vector<Field> fields{};
    std::string body{};
    /// Ends the connection after this response, whatever the client wishes.
    bool closes = false;

    Response& with(std::string name, std::string value) & {
        fields.push_back({std::move(name), std::move(value)});
        return *this;
    }
    Response&& with(std::string name, std::string value) && {
        fields.push_back({std::move(name), std::move(value)});
        return std::move(*this);
    }
};

/// A response with a line of text.
Response text_response(unsigned status, std::string_view text);

/// "Not Found"; "Unknown" for a status that we never send.
std::string_view status_text(unsigned status);

bool equals_ignoring_case(std::string_view a, std::string_view b);
/// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);
/// The parts between commas, trimmed, without empty ones (RFC 9110, 5.6.1).
std::vector<std::string_view> split_list(std::string_view text);

}  // namespace gw::http
