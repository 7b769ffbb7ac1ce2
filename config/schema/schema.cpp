#include "config/schema/schema.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gw::config {

namespace {

bool is_lower_or_digit(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
}

/// Lower-case letters, digits, `-` and single `_`, a letter or digit at both ends. Two underscores
/// stand for a dot in environment variables, hence no name may hold or border them.
bool is_instance_name(std::string_view name) {
    if (name.empty() || name.size() > 64 || !is_lower_or_digit(name.front()) ||
        !is_lower_or_digit(name.back())) {
        return false;
    }
    return name.find("__") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [](char letter) {
               return is_lower_or_digit(letter) || letter == '-' || letter == '_';
           });
}

std::optional<std::uint32_t> rule_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = failure == std::errc{} && end == text.data() + text.size();
    if (!whole || text.front() == '0' || number > 65535) {
        return std::nullopt;
    }
    return number;
}

/// Whether `name` is the last level of some option of `<kind>` listeners.
bool is_option_of(std::string_view pattern, std::string_view name) {
    const std::string prefix = std::string{pattern} + ".";
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            if (key.name.starts_with(prefix) &&
                split(key.name.substr(prefix.size()), '.')[0] == name) {
                return true;
            }
        }
    }
    return false;
}

std::optional<Placeholders> match_pattern(std::string_view pattern, std::string_view written) {
    const auto want = split(pattern, '.');
    const auto have = split(written, '.');
    if (want.size() != have.size()) {
        return std::nullopt;
    }
    Placeholders where;
    for (std::size_t level = 0; level < want.size(); ++level) {
        if (want[level] == "<name>") {
            if (!is_instance_name(have[level])) {
                return std::nullopt;
            }
            where.name = have[level];
        } else if (want[level] == "<N>") {
            const auto number = rule_number(have[level]);
            if (!number) {
                return std::nullopt;
            }
            where.number = *number;
        } else if (want[level] != have[level]) {
            return std::nullopt;
        }
    }
    return where;
}

/// EMQ 2.0 had one listener of a kind: mqtt.listener.tcp is listener.tcp.external since 2.2.
std::string without_alias(std::string_view written) {
    constexpr std::pair<std::string_view, std::string_view> singles[] = {
        {"mqtt.listener.tcp", "listener.tcp.external"},
        {"mqtt.listener.ssl", "listener.ssl.external"},
        {"mqtt.listener.https", "listener.wss.external"},
        {"mqtt.listener.http", "listener.ws.external"},
        {"stomp.listener", "listener.stomp.external"}};
    for (const auto& [single, named] : singles) {
        if (written == single || written.starts_with(std::string{single} + ".")) {
            return std::string{named}.append(written.substr(single.size()));
        }
    }
    if (written == "mqtt.sn.port") {  // of EMQ's only one
        return "listener.mqttsn.external";
    }
    if (written == "coap.port" || written == "coap.server") {
        return "listener.coap.external";
    }
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            for (const std::string_view alias : split(key.aliases, '|')) {
                if (alias == written) {
                    return std::string{key.name};
                }
            }
        }
    }
    return std::string{written};
}

/// Edit distance in which swapping two neighbours counts one; lists of a few hundred short names.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        last[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

/// The pattern with the writer's own levels in the place of its placeholders.
std::string filled_in(std::string_view pattern, std::string_view written) {
    const auto have = split(written, '.');
    std::string filled;
    std::size_t level = 0;
    for (const std::string_view part : split(pattern, '.')) {
        const bool placeholder = part == "<name>" || part == "<N>";
        filled += level == 0 ? "" : ".";
        filled += placeholder && level < have.size() ? have[level] : part;
        ++level;
    }
    return filled;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    if (text.empty()) {
        return parts;
    }
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

std::span<const KeyGroup> key_groups() {
    static const KeyGroup groups[] = {
        {"Program, log, access, $SYS", node_keys()},
        {"Access rules, and who is let in", access_keys()},
        {"Listeners", listener_keys()},
        {"Authentication", auth_keys()},
        {"One client", client_keys()},
        {"MQTT", mqtt_keys()},
        {"STOMP", stomp_keys()},
        {"Sessions, queues, retained messages, events", session_keys()},
        {"MQTT-SN", mqttsn_keys()},
        {"CoAP", coap_keys()},
        {"SockJS", sockjs_keys()},
    };
    return groups;
}

std::string instance_name(std::string_view pattern, std::string_view name) {
    constexpr std::string_view placeholder = "<name>";
    const std::size_t at = pattern.find(placeholder);
    return std::string{pattern.substr(0, at)}.append(name).append(
        pattern.substr(at + placeholder.size()));
}

std::optional<FoundKey> find_key(std::string_view written) {
    const std::string name = without_alias(written);
    std::size_t order = 0;
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            auto where = match_pattern(key.name, name);
            if (where && !(key.names_instance && is_option_of(key.name, where->name))) {
                return FoundKey{.key = &key, .name = name, .where = *where, .order = order};
            }
            ++order;
        }
    }
    return std::nullopt;
}

std::string suggest_key(std::string_view written) {
    constexpr std::size_t longest = 200;  // beyond it nothing is near, and comparing takes long
    std::string nearest;
    if (written.size() > longest) {
        return nearest;
    }
    std::size_t best = std::max<std::size_t>(2, written.size() / 4) + 1;
    for (const KeyGroup& group : key_groups()) {
        for (const Key& key : group.keys) {
            const std::string known = filled_in(key.name, written);
            // The right last levels with the first ones forgotten are always worth naming.
            const bool tail = known.ends_with("." + std::string{written});
            const std::size_t distance = tail ? 1 : edit_distance(written, known);
            if (distance < best) {
                best = distance;
                nearest = known;
            }
        }
    }
    return nearest;
}

}  // namespace gw::config
