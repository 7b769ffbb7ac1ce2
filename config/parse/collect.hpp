#pragma once

#include "config/parse/diagnostic.hpp"
#include "config/parse/loader.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::config {

/// A key and its value as somebody wrote them, before they are looked up.
struct Given {
    std::string name;
    std::string value;
    Origin origin;  ///< line and column of the value
    std::size_t key_column = 0;
};

/// Everything given in all sources, weakest first. Adds what cannot be read to `diagnostics`.
std::vector<Given> collect(const Sources& sources, Diagnostics& diagnostics);

/// "MANGROVE_MQTT__MAX_PACKET_SIZE" -> "mqtt.max_packet_size".
std::string key_of_variable(std::string_view variable);

}  // namespace gw::config
