#pragma once

#include "config/schema/key.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::config {

std::span<const Key> node_keys();
std::span<const Key> access_keys();
std::span<const Key> client_keys();
std::span<const Key> mqtt_keys();
std::span<const Key> session_keys();
std::span<const Key> listener_keys();
std::span<const Key> mqttsn_keys();
std::span<const Key> auth_keys();
std::span<const Key> stomp_keys();
std::span<const Key> coap_keys();
std::span<const Key> sockjs_keys();

/// A chapter of the reference page.
struct KeyGroup {
    std::string_view title;
    std::span<const Key> keys;
};

/// Every key there is, in the order of the reference page.
std::span<const KeyGroup> key_groups();

/// A key found under a written name.
struct FoundKey {
    const Key* key = nullptr;
    std::string name;       ///< the key's own name with the placeholders filled in; no alias
    Placeholders where;     ///< what stood for the placeholders
    std::size_t order = 0;  ///< position in the schema: the order in which values are stored
};

/// Finds the key that `written` names, directly, by an alias or by EMQ 2.0's single-listener form.
/// Empty when there is none. A listener may not be named like an option: `listener.tcp.backlog`
/// is a forgotten name, not a listener.
std::optional<FoundKey> find_key(std::string_view written);

/// The name under which a listener of `kind` ("tcp") named `name` is declared.
std::string instance_name(std::string_view pattern, std::string_view name);

/// Why `written` is refused although EMQ 2.x or a later version of this program knows it: a whole
/// sentence without a full stop. Empty for names nobody knows.
std::string refusal(std::string_view written);

/// The known name that `written` was probably meant to be; empty when nothing is near.
std::string suggest_key(std::string_view written);

/// Splits at `separator`; an empty text has no parts.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace gw::config
