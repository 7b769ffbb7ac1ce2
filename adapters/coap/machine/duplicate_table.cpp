#include "adapters/coap/machine/duplicate_table.hpp"

#include "broker-core/base/hash.hpp"

#include <cstring>
#include <string_view>
#include <utility>

namespace gw::coap {

namespace {

constexpr Seconds exchange_lifetime{247};  // RFC 7252, 4.8.2
constexpr std::uint64_t key_mask = ~std::uint64_t{0xff};
/// No answer has this code, and none is 0: an entry is never 0.
constexpr std::uint8_t unanswered = 0xff;

std::size_t place_of(std::uint64_t key) {
    return static_cast<std::size_t>((key >> 8) * 0x9e3779b97f4a7c15ULL >> 20);
}

}  // namespace

DuplicateTable::DuplicateTable(MonotonicTime start) : turns_at_(start + exchange_lifetime) {}

std::uint64_t DuplicateTable::key_of(const DatagramPeer& peer, std::uint64_t asker,
                                     std::uint16_t message_id) {
    char text[19];
    std::memcpy(text, peer.ip.bytes.data(), 16);
    std::memcpy(text + 16, &peer.port, 2);
    text[18] = peer.is_secure ? 1 : 0;
    const std::uint64_t hash = hash_text({text, sizeof text}, asker);
    return hash << 24 | static_cast<std::uint64_t>(message_id) << 8;
}

std::uint64_t* DuplicateTable::Generation::find(std::uint64_t key) {
    if (entries.empty()) {
        return nullptr;
    }
    const std::size_t mask = entries.size() - 1;
    for (std::size_t i = place_of(key) & mask; entries[i] != 0; i = (i + 1) & mask) {
        if ((entries[i] & key_mask) == key) {
            return &entries[i];
        }
    }
    return nullptr;
}

void DuplicateTable::Generation::add(std::uint64_t entry) {
    if ((count + 1) * 4 > entries.size() * 3) {
        grow();
    }
    const std::size_t mask = entries.size() - 1;
    std::size_t i = place_of(entry) & mask;
    while (entries[i] != 0) {
        i = (i + 1) & mask;
    }
    entries[i] = entry;
    ++count;
}

void DuplicateTable::Generation::grow() {
    std::vector<std::uint64_t> old(entries.empty() ? 64 : entries.size() * 2);
    old.swap(entries);
    count = 0;
    for (const std::uint64_t entry : old) {
        if (entry != 0) {
            add(entry);
        }
    }
}

std::optional<Code> DuplicateTable::look_up(const DatagramPeer& peer, std::uint64_t asker,
                                            std::uint16_t message_id, MonotonicTime now) {
    if (now >= turns_at_ || generations_[0].count >= count_max) {
        std::swap(generations_[0], generations_[1]);
        generations_[0] = {};
        if (now >= turns_at_ + exchange_lifetime) {
            generations_[1] = {};  // nobody looked for so long that both are old
        }
        turns_at_ = now + exchange_lifetime;
    }
    const std::uint64_t key = key_of(peer, asker, message_id);
    for (Generation& generation : generations_) {
        if (const std::uint64_t* const found = generation.find(key)) {
            const auto code = static_cast<std::uint8_t>(*found);
            return code == unanswered ? Code::empty : static_cast<Code>(code);
        }
    }
    generations_[0].add(key | unanswered);
    return std::nullopt;
}

void DuplicateTable::set_answer(const DatagramPeer& peer, std::uint64_t asker,
                                std::uint16_t message_id, Code code) {
    const std::uint64_t key = key_of(peer, asker, message_id);
    for (Generation& generation : generations_) {
        if (std::uint64_t* const found = generation.find(key)) {
            *found = key | static_cast<std::uint8_t>(code);
            return;
        }
    }
}

}  // namespace gw::coap
