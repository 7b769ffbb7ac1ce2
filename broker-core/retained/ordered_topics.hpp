#pragma once

#include "broker-core/message/message.hpp"
#include "broker-core/retained/topic_order.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gw {

/// Messages in the order of their topics, one for each topic: the trie of the topics written down
/// flat. A pointer a message in blocks of up to 64, 9 to 13 bytes; a search reads topics in the
/// messages themselves. Not thread-safe.
class OrderedTopics {
public:
    /// Where a message stands; valid until the next change.
    struct Position {
        std::size_t block = 0;
        std::size_t index = 0;
    };

    /// The first message that is not before `bound`.
    Position find(const TopicBound& bound) const;
    /// The message of a topic; at() of it may be that of a later one, or null.
    Position find(std::string_view topic) const;
    /// The message there, or null at the end.
    const Message* at(const Position& position) const;
    Position next(Position position) const;

    /// Puts a message before `position`, which is where its topic belongs.
    void insert(const Position& position, MessagePtr message);
    /// Puts a message in the place of one with the same topic; gives the old one.
    MessagePtr replace(const Position& position, MessagePtr message);
    /// Takes a message out; gives it, and sets `position` to the one behind it.
    MessagePtr erase(Position& position);

    std::size_t size() const { return size_; }

private:
    static constexpr std::size_t block_size = 64;

    struct Block {
        std::array<MessagePtr, block_size> messages;
        std::size_t count = 0;
    };

    template <class IsBefore>
    Position partition(IsBefore&& is_before) const;
    Position normalised(Position position) const;
    Position make_room(Position position);
    void take_in_next(std::size_t index);

    std::vector<std::unique_ptr<Block>> blocks_;  // none is empty
    std::size_t size_ = 0;
};

}  // namespace gw
