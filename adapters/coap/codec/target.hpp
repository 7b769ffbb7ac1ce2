#pragma once

#include "adapters/coap/codec/message.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw::coap {

/// What a request's path names.
enum class Place : std::uint8_t {
    unknown,
    well_known_core,  // /.well-known/core (RFC 6690)
    root,             // /ps or /mqtt, no topic behind it
    topic,            // /ps/{topic} or /mqtt/{topic}
    connection,       // /mqtt/connection
};

/// The two roots below which topics stand.
enum class Root : std::uint8_t { ps, mqtt };

inline std::string_view root_name(Root root) {
    return root == Root::ps ? "ps" : "mqtt";
}

/// The queries of a request. Those of other names are left aside.
struct Query {
    std::optional<std::string> client_id;  // c, clientid
    std::optional<std::string> username;   // u, username
    std::optional<std::string> password;   // p, password
    std::optional<std::string> token;      // of a connection
    std::optional<std::uint8_t> qos;       // 0 to 2
    std::optional<bool> retain;
    std::optional<std::uint32_t> expiry;  // seconds, of the message
    // POST /mqtt/connection
    std::optional<bool> clean_start;
    std::optional<std::uint32_t> session_expiry;  // seconds
    std::optional<std::uint32_t> keep_alive;      // seconds
    std::optional<std::string> will_topic;
    std::optional<std::uint8_t> will_qos;
    std::optional<bool> will_retain;
    // GET /.well-known/core
    std::optional<std::string> href;            // RFC 6690, 4.1; may end in '*'
    std::optional<std::string> resource_type;   // rt
    std::optional<std::uint32_t> page;          // from 0
    std::optional<std::uint32_t> count;         // links on a page
    std::optional<std::string> content_format;  // ct
    std::optional<std::string> observable;      // obs
    bool has_unknown = false;                   // an attribute that no link has
};

struct Target {
    Place place = Place::unknown;
    Root root = Root::ps;
    std::string topic;  // or filter; as the client wrote it, UTF-8
    Query query;
};

/// Why path or query make no sense: answered 4.00.
enum class TargetError : std::uint8_t {
    not_utf8,
    repeated_query,
    malformed_query,  // a value that its name does not take
};

std::string_view target_error_text(TargetError error);

/// Reads path and query. Each path option is one segment or several with slashes in them; what
/// still is percent-encoded in an option is decoded, since many clients leave it so: `%` that is
/// followed by two hex digits stands for a byte, any other for itself.
Result<Target, TargetError> decode_target(const MessageView& message);

/// The client id that a request names, else the connection's token, for finding the worker that
/// owns them; cheaper than decode_target(). `scratch` holds what had to be decoded.
struct RouteHint {
    std::string_view client_id;
    std::string_view token;
};
RouteHint decode_route_hint(const MessageView& message, std::string& scratch);

/// Appends `text` with what percent_decode() would take for an encoding encoded, so that
/// decoding gives it back: for Location-Path.
void append_segment(std::string& out, std::string_view text);
/// Appends `text` decoded.
void percent_decode(std::string& out, std::string_view text);

/// Whether each level fits the 255 bytes of an option (RFC 7252, 5.10.7), encoded if need be, and
/// all of them into a packet: what is longer is lost on the way, or no client's buffer holds it.
bool fits_location(std::string_view topic);

/// Calls `visit(std::string_view segment)` for each path option that names `topic` below a root.
template <class Visit>
void for_each_segment(std::string_view topic, const Visit& visit) {
    std::string segment;
    for (;;) {
        const std::size_t slash = topic.find('/');
        segment.clear();
        append_segment(segment, topic.substr(0, slash));
        visit(std::string_view{segment});
        if (slash == std::string_view::npos) {
            return;
        }
        topic.remove_prefix(slash + 1);
    }
}

}  // namespace gw::coap
