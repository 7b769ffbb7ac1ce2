#pragma once

#include "broker-core/base/hash.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::mqtt {

/// Topic aliases that the client has set (MQTT 5.0, 3.3.2.3.4). One connection.
class InboundAliases {
public:
    /// `alias` is 1 to the topic alias maximum told to the client.
    void set(std::uint16_t alias, std::string_view topic) {
        if (topics_.size() < alias) {
            topics_.resize(alias);
        }
        topics_[alias - 1U] = topic;
    }
    /// Empty when the alias was never set.
    std::string_view find(std::uint16_t alias) const {
        return alias <= topics_.size() ? std::string_view{topics_[alias - 1U]} : std::string_view{};
    }

private:
    std::vector<std::string> topics_;
};

/// Topic aliases that we have given to topics on their way to the client: the first topics get
/// them, up to the client's maximum and our own bound on memory.
class OutboundAliases {
public:
    explicit OutboundAliases(std::uint16_t maximum)
        : maximum_(maximum < count_max ? maximum : count_max) {}

    struct Use {
        std::uint16_t alias = 0;  // 0: none for this topic
        bool is_known = false;    // the client has seen it: the topic may be left out
    };
    /// The alias for a topic that is about to be sent; call confirm() when it was.
    Use use(std::string_view topic) {
        if (const auto found = aliases_.find(topic); found != aliases_.end()) {
            return {found->second, true};
        }
        if (aliases_.size() < maximum_ && topic.size() > 2) {
            return {static_cast<std::uint16_t>(aliases_.size() + 1), false};
        }
        return {};
    }
    void confirm(std::string_view topic, Use use) {
        if (use.alias != 0 && !use.is_known) {
            aliases_.emplace(topic, use.alias);
        }
    }

private:
    static constexpr std::uint16_t count_max = 64;
    NameTable<std::uint16_t> aliases_;
    std::uint16_t maximum_;
};

}  // namespace gw::mqtt
