#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::mqttsn {

/// The topic ids of one client: 1, 2, 3 ... in the order in which topics were named, whoever named
/// them (MQTT-SN 1.2, 6.5 and 6.10). An id stays its topic's for as long as the session lives. One
/// worker.
class TopicRegistry {
public:
    /// Ids 0x0000 and 0xffff are reserved (5.3.11).
    static constexpr std::uint16_t id_max = 0xfffe;

    /// The topic's id, or 0 when it has none.
    std::uint16_t find(std::string_view topic) const;
    /// The topic's name, empty when the id is nobody's.
    std::string_view name_of(std::uint16_t id) const;
    /// Whether one more topic may be added. `count_max` bounds the names' bytes too, by 256 for
    /// each on average: all are written to the store with each that is added.
    bool has_room_for(std::string_view topic, std::uint32_t count_max) const;
    /// Gives a topic that has none an id. The caller has checked that there is room.
    std::uint16_t add(std::string_view topic);
    std::size_t size() const { return entries_.size(); }

    /// Whether the client knows the id: it has asked for it, used it or acknowledged it since it
    /// connected. If not, it is told by REGISTER before it is used.
    bool is_known(std::uint16_t id) const { return entries_[id - 1U].is_known; }
    void set_known(std::uint16_t id, bool is_known) { entries_[id - 1U].is_known = is_known; }
    /// Clients forget ids when they connect anew.
    void forget_known();
    /// Whether messages to the client name the topic by this id, although a predefined id or a
    /// short name would do.
    bool is_preferred(std::uint16_t id) const { return entries_[id - 1U].is_preferred; }
    void prefer(std::uint16_t id, bool is_preferred) {
        entries_[id - 1U].is_preferred = is_preferred;
    }

private:
    struct Entry {
        std::string name;
        bool is_known = false;
        bool is_preferred = true;
    };

    std::size_t position(std::string_view topic) const;
    void rebuild(std::size_t capacity);

    std::vector<Entry> entries_;        // by id, from 1 on
    std::vector<std::uint16_t> index_;  // ids by hash of the name; a power of two, 0: empty
    std::size_t name_bytes_ = 0;        // of all names
};

}  // namespace gw::mqttsn
