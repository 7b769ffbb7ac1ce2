#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace gw::mqttsn {

/// Of a request without its DUP flag, which is the first bit of its body.
inline std::uint32_t request_hash(Bytes body) {
    if (body.empty()) {
        return 0;
    }
    const std::uint64_t flags = body[0] & 0x7fU;
    return static_cast<std::uint32_t>(stored_hash(as_text(body.subspan(1)), flags) >> 32);
}

/// The last messages that a client has published at QoS 1 and 2, to know them when the network
/// brings them again, late or twice.
///
/// A message id may be used again as soon as its message is acknowledged, and there are clients
/// that always use the same one. So a copy without DUP is taken for one only of clients that count
/// their ids up: eight in a row, which is as much as is remembered, hence no client whose ids go
/// round in a circle can lose a message by this.
class RecentPublishes {
public:
    void add(std::uint16_t message_id, std::uint32_t hash) {
        const auto step = static_cast<std::uint16_t>(message_id - newest_id_);
        if (newest_id_ == 0 || step == 0 || step > step_max) {
            counted_up_ = 0;
        } else if (counted_up_ < count_max) {
            ++counted_up_;
        }
        has_doubt_ = false;
        newest_id_ = message_id;
        entries_[next_] = {hash, message_id, true};
        next_ = (next_ + 1) % count_max;
    }
    bool contains(std::uint16_t message_id, std::uint32_t hash) const {
        for (const Entry& entry : entries_) {
            if (entry.is_used && entry.message_id == message_id && entry.hash == hash) {
                return true;
            }
        }
        return false;
    }
    /// Whether a message without DUP is one that the network has delayed or doubled. Should it come
    /// from a client that has stopped to count, the next one counts.
    bool is_late_copy(std::uint16_t message_id, std::uint32_t hash) {
        if (counted_up_ < count_max || has_doubt_ || !contains(message_id, hash)) {
            return false;
        }
        has_doubt_ = true;
        return true;
    }
    /// The client has connected anew, and perhaps begins to count anew: its next message counts.
    void on_reconnect() { has_doubt_ = true; }
    /// It goes on with a message from before.
    void on_continued() { has_doubt_ = false; }
    /// The message was not taken after all: its next copy counts.
    void forget(std::uint16_t message_id) {
        for (Entry& entry : entries_) {
            if (entry.message_id == message_id) {
                entry.is_used = false;
            }
        }
    }

private:
    static constexpr std::size_t count_max = 8;
    static constexpr std::uint16_t step_max = 64;  // requests of other kinds take ids too

    struct Entry {
        std::uint32_t hash = 0;
        std::uint16_t message_id = 0;
        bool is_used = false;
    };

    std::array<Entry, count_max> entries_{};
    std::size_t next_ = 0;
    std::size_t counted_up_ = 0;
    std::uint16_t newest_id_ = 0;
    bool has_doubt_ = false;  // a late copy came since the last message
};

}  // namespace gw::mqttsn
