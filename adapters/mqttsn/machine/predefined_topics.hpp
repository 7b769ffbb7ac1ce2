#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace gw::mqttsn {

/// Topic ids that both sides know beforehand (MQTT-SN 1.2, 6.7): those of all clients, and those of
/// single ones, which come first. Filled from the configuration, then shared and never changed.
class PredefinedTopics {
public:
    /// Adds a topic of all clients. False: the id is reserved, or has another topic already.
    bool add(std::uint16_t id, std::string_view topic) { return common_.add(id, topic); }
    /// Adds a topic of one client.
    bool add(std::string_view client_id, std::uint16_t id, std::string_view topic) {
        return own_[std::string{client_id}].add(id, topic);
    }

    /// The topic's name, empty when the id is not predefined for the client.
    std::string_view name_of(std::string_view client_id, std::uint16_t id) const {
        const Table* const own = find_own(client_id);
        const std::string_view name = own != nullptr ? own->name_of(id) : std::string_view{};
        return name.empty() ? common_.name_of(id) : name;
    }
    /// Of a client that is not connected.
    std::string_view name_of(std::uint16_t id) const { return common_.name_of(id); }
    /// The topic's id, 0 when it is not predefined for the client.
    std::uint16_t id_of(std::string_view client_id, std::string_view topic) const {
        const Table* const own = find_own(client_id);
        if (own == nullptr) {
            return common_.id_of(topic);
        }
        const std::uint16_t id = own->id_of(topic);
        if (id != 0) {
            return id;
        }
        // Not when the client has another topic under the number.
        const std::uint16_t common = common_.id_of(topic);
        return own->name_of(common).empty() ? common : std::uint16_t{0};
    }

private:
    struct Table {
        bool add(std::uint16_t id, std::string_view topic) {
            if (id == 0 || id == 0xffff || !names.emplace(id, topic).second) {
                return false;
            }
            ids.emplace(topic, id);
            return true;
        }
        std::string_view name_of(std::uint16_t id) const {
            const auto found = names.find(id);
            return found != names.end() ? std::string_view{found->second} : std::string_view{};
        }
        std::uint16_t id_of(std::string_view topic) const {
            const auto found = ids.find(topic);
            return found != ids.end() ? found->second : std::uint16_t{0};
        }

        std::map<std::uint16_t, std::string> names;
        std::map<std::string, std::uint16_t, std::less<>> ids;
    };

    const Table* find_own(std::string_view client_id) const {
        if (own_.empty()) {
            return nullptr;
        }
        const auto found = own_.find(client_id);
        return found != own_.end() ? &found->second : nullptr;
    }

    Table common_;
    std::map<std::string, Table, std::less<>> own_;
};

}  // namespace gw::mqttsn
