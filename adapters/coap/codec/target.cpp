#include "adapters/coap/codec/target.hpp"

#include "adapters/coap/codec/option.hpp"
#include "broker-core/base/utf8.hpp"

#include <charconv>
#include <utility>

namespace gw::coap {

namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Whether a percent sign stands at `at` that encodes a byte.
bool is_encoded(std::string_view text, std::size_t at) {
    return text[at] == '%' && at + 2 < text.size() && hex_value(text[at + 1]) >= 0 &&
           hex_value(text[at + 2]) >= 0;
}

std::optional<std::uint32_t> number_of(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

std::optional<std::uint8_t> qos_of(std::string_view text) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '2') {
        return std::nullopt;
    }
    return static_cast<std::uint8_t>(text[0] - '0');
}

/// A name alone ("?retain") says yes.
std::optional<bool> flag_of(std::string_view text) {
    if (text.empty() || text == "1" || text == "true" || text == "on") {
        return true;
    }
    if (text == "0" || text == "false" || text == "off") {
        return false;
    }
    return std::nullopt;
}

std::optional<std::string> text_of(std::string_view text) {
    return std::string{text};
}

class QueryReader {
public:
    explicit QueryReader(Query& query) : query_(query) {}

    std::optional<TargetError> take(std::string_view written) {
        const std::size_t equals = written.find('=');
        name_ = written.substr(0, equals);
        value_.clear();
        if (equals != std::string_view::npos) {
            percent_decode(value_, written.substr(equals + 1));
        }
        is_known_ = false;
        error_.reset();
        fields();
        query_.has_unknown = query_.has_unknown || (!is_known_ && !name_.empty());
        if (is_known_ && !is_valid_utf8(as_bytes(value_)) && name_ != "p" && name_ != "password") {
            return TargetError::not_utf8;
        }
        return error_;
    }

private:
    void fields() {
        field(query_.client_id, "c", "clientid", text_of);
        field(query_.username, "u", "username", text_of);
        field(query_.password, "p", "password", text_of);
        field(query_.token, "token", "token", text_of);
        field(query_.qos, "qos", "qos", qos_of);
        field(query_.retain, "retain", "retain", flag_of);
        field(query_.expiry, "expiry", "expiry", number_of);
        field(query_.clean_start, "clean_start", "clean", flag_of);
        field(query_.session_expiry, "session_expiry", "session_expiry", number_of);
        field(query_.keep_alive, "keepalive", "keep_alive", number_of);
        field(query_.will_topic, "will_topic", "will_topic", text_of);
        field(query_.will_qos, "will_qos", "will_qos", qos_of);
        field(query_.will_retain, "will_retain", "will_retain", flag_of);
        field(query_.href, "href", "href", text_of);
        field(query_.resource_type, "rt", "rt", text_of);
        field(query_.page, "page", "page", number_of);
        field(query_.count, "count", "count", number_of);
        field(query_.content_format, "ct", "ct", text_of);
        field(query_.observable, "obs", "obs", text_of);
    }

    template <class T, class Parse>
    void field(std::optional<T>& place, std::string_view name, std::string_view other,
               const Parse& parse) {
        if (name_ != name && name_ != other) {
            return;
        }
        is_known_ = true;
        if (place) {
            error_ = TargetError::repeated_query;
            return;
        }
        place = parse(value_);
        if (!place) {
            error_ = TargetError::malformed_query;
        }
    }

    Query& query_;
    std::string_view name_;
    std::string value_;
    bool is_known_ = false;
    std::optional<TargetError> error_;
};

/// Reads the path, segment by segment.
class PathReader {
public:
    explicit PathReader(Target& target) : target_(target) {}

    void take(std::string_view segment) {
        switch (count_++) {
            case 0:
                is_well_known_ = segment == ".well-known";
                if (segment == "ps" || segment == "mqtt") {
                    target_.place = Place::root;
                    target_.root = segment == "ps" ? Root::ps : Root::mqtt;
                }
                return;
            case 1:
                if (is_well_known_) {
                    target_.place = segment == "core" ? Place::well_known_core : Place::unknown;
                    return;
                }
                percent_decode(target_.topic, segment);
                return;
            default:
                if (target_.place == Place::well_known_core) {
                    target_.place = Place::unknown;
                    return;
                }
                target_.topic += '/';
                percent_decode(target_.topic, segment);
        }
    }

    void finish() {
        if (target_.place != Place::root) {
            target_.topic.clear();
            return;
        }
        if (count_ == 2 && target_.root == Root::mqtt && target_.topic == "connection") {
            target_.place = Place::connection;
            target_.topic.clear();
        } else if (count_ > 2 || !target_.topic.empty()) {
            target_.place = Place::topic;
        }
    }

private:
    Target& target_;
    std::size_t count_ = 0;
    bool is_well_known_ = false;
};

}  // namespace

std::string_view target_error_text(TargetError error) {
    switch (error) {
        case TargetError::not_utf8:
            return "path or query is not UTF-8";
        case TargetError::repeated_query:
            return "query repeated";
        case TargetError::malformed_query:
            return "malformed query";
    }
    GW_UNREACHABLE();
}

void percent_decode(std::string& out, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_encoded(text, i)) {
            out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
}

void append_segment(std::string& out, std::string_view text) {
    if (text == "." || text == "..") {  // a client would resolve them (RFC 7252, 5.10.7)
        for (std::size_t i = 0; i < text.size(); ++i) {
            out += "%2E";
        }
        return;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += is_encoded(text, i) ? std::string_view{"%25"} : text.substr(i, 1);
    }
}

bool fits_location(std::string_view topic) {
    constexpr std::size_t bytes_max = 255;
    constexpr std::size_t growth_max = 3;  // of a percent sign
    constexpr std::size_t all_bytes_max = 1024;
    if (topic.size() * growth_max <= bytes_max) {
        return true;
    }
    bool fits = topic.size() <= all_bytes_max;
    for_each_segment(
        topic, [&fits](std::string_view segment) { fits = fits && segment.size() <= bytes_max; });
    return fits;
}

Result<Target, TargetError> decode_target(const MessageView& message) {
    Target target;
    PathReader path{target};
    QueryReader query{target.query};
    OptionReader options{message.options};
    while (const auto view = options.next()) {
        if (view->number == option::uri_path) {
            path.take(as_text(view->value));
        } else if (view->number == option::uri_query) {
            if (const auto error = query.take(as_text(view->value))) {
                return *error;
            }
        } else if (view->number > option::uri_query) {
            break;
        }
    }
    path.finish();
    if (!is_valid_utf8(as_bytes(target.topic))) {
        return TargetError::not_utf8;
    }
    return target;
}

RouteHint decode_route_hint(const MessageView& message, std::string& scratch) {
    RouteHint hint;
    OptionReader options{message.options};
    while (const auto view = options.next()) {
        if (view->number < option::uri_query) {
            continue;
        }
        if (view->number > option::uri_query) {
            break;
        }
        const std::string_view text = as_text(view->value);
        if (text.starts_with("c=") || text.starts_with("clientid=")) {
            hint.client_id = text.substr(text.find('=') + 1);
        } else if (text.starts_with("token=")) {
            hint.token = text.substr(6);
        }
    }
    if (hint.client_id.find('%') != std::string_view::npos) {
        scratch.clear();
        percent_decode(scratch, hint.client_id);
        hint.client_id = scratch;
    }
    return hint;
}

}  // namespace gw::coap
