#include "broker-core/retained/ordered_topics.hpp"

#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <utility>

namespace gw {

/// The first message for which `is_before(topic)` does not hold; it holds for all before it.
template <class IsBefore>
OrderedTopics::Position OrderedTopics::partition(IsBefore&& is_before) const {
    const auto block =
        std::partition_point(blocks_.begin(), blocks_.end(), [&](const auto& candidate) {
            return is_before(candidate->messages[candidate->count - 1]->topic());
        });
    if (block == blocks_.end()) {
        return {.block = blocks_.size(), .index = 0};
    }
    const auto first = (*block)->messages.begin();
    const auto last = first + static_cast<std::ptrdiff_t>((*block)->count);
    const auto place = std::partition_point(
        first, last, [&](const MessagePtr& message) { return is_before(message->topic()); });
    return {.block = static_cast<std::size_t>(block - blocks_.begin()),
            .index = static_cast<std::size_t>(place - first)};
}

OrderedTopics::Position OrderedTopics::find(const TopicBound& bound) const {
    return partition([&bound](std::string_view topic) { return bound.is_behind(topic); });
}

OrderedTopics::Position OrderedTopics::find(std::string_view topic) const {
    return partition(
        [topic](std::string_view other) { return std::is_lt(compare_topics(other, topic)); });
}

const Message* OrderedTopics::at(const Position& position) const {
    if (position.block == blocks_.size()) {
        return nullptr;
    }
    return blocks_[position.block]->messages[position.index].get();
}

OrderedTopics::Position OrderedTopics::next(Position position) const {
    ++position.index;
    return normalised(position);
}

OrderedTopics::Position OrderedTopics::normalised(Position position) const {
    if (position.block != blocks_.size() && position.index == blocks_[position.block]->count) {
        return {.block = position.block + 1, .index = 0};
    }
    return position;
}

void OrderedTopics::insert(const Position& position, MessagePtr message) {
    const Position place = make_room(position);
    Block& block = *blocks_[place.block];
    const auto first = block.messages.begin();
    const auto hole = first + static_cast<std::ptrdiff_t>(place.index);
    const auto end = first + static_cast<std::ptrdiff_t>(block.count);
    std::move_backward(hole, end, end + 1);
    *hole = std::move(message);
    ++block.count;
    ++size_;
}

/// A place in a block that is not full, where what belongs to `position` can go.
OrderedTopics::Position OrderedTopics::make_room(Position position) {
    if (position.block == blocks_.size()) {
        // Behind the last one. Its block is filled up before a new one is begun, so that topics
        // that come in order leave full blocks.
        if (blocks_.empty() || blocks_.back()->count == block_size) {
            blocks_.push_back(std::make_unique<Block>());
        }
        return {.block = blocks_.size() - 1, .index = blocks_.back()->count};
    }
    Block& block = *blocks_[position.block];
    if (block.count < block_size) {
        return position;
    }
    constexpr std::size_t half = block_size / 2;
    auto upper = std::make_unique<Block>();
    std::move(block.messages.begin() + half, block.messages.end(), upper->messages.begin());
    upper->count = block_size - half;
    block.count = half;
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(position.block + 1),
                   std::move(upper));
    if (position.index > half) {
        return {.block = position.block + 1, .index = position.index - half};
    }
    return position;
}

MessagePtr OrderedTopics::replace(const Position& position, MessagePtr message) {
    MessagePtr& place = blocks_[position.block]->messages[position.index];
    GW_ASSERT(place->topic() == message->topic());
    return std::exchange(place, std::move(message));
}

MessagePtr OrderedTopics::erase(Position& position) {
    Block& block = *blocks_[position.block];
    const auto place = block.messages.begin() + static_cast<std::ptrdiff_t>(position.index);
    MessagePtr message = std::move(*place);
    const auto end = block.messages.begin() + static_cast<std::ptrdiff_t>(block.count);
    std::move(place + 1, end, place);
    --block.count;
    --size_;
    if (block.count == 0) {
        blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(position.block));
        return message;
    }
    if (block.count < block_size / 4) {
        take_in_next(position.block);
    }
    position = normalised(position);
    return message;
}

/// Empties the block behind this one into it, if it leaves room for some more.
void OrderedTopics::take_in_next(std::size_t index) {
    if (index + 1 == blocks_.size()) {
        return;
    }
    Block& block = *blocks_[index];
    Block& upper = *blocks_[index + 1];
    if (block.count + upper.count > block_size / 4 * 3) {
        return;
    }
    std::move(upper.messages.begin(),
              upper.messages.begin() + static_cast<std::ptrdiff_t>(upper.count),
              block.messages.begin() + static_cast<std::ptrdiff_t>(block.count));
    block.count += upper.count;
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index + 1));
}

}  // namespace gw
