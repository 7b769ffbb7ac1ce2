#pragma once

#include "adapters/coap/codec/message.hpp"
#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace gw::coap {

/// Requests of the last EXCHANGE_LIFETIME and how they were answered, so that one that comes twice
/// is done once (RFC 7252, 4.5). What made the answer can be read from the copy, so a code is all
/// that is kept: 8 bytes a request, in two generations, of which the older is dropped whole.
/// A request is taken for another one with its message id at a chance of one in 2^40.
/// Bounded: under a flood generations change early. One thread.
class DuplicateTable {
public:
    explicit DuplicateTable(MonotonicTime start);

    /// The code that the request was answered with; Code::empty: not yet. Nothing: a new request,
    /// which is entered as not answered.
    /// `asker` is a hash of who asks at this peer: a copy is his alone.
    std::optional<Code> look_up(const DatagramPeer& peer, std::uint64_t asker,
                                std::uint16_t message_id, MonotonicTime now);
    /// Nothing happens when the request has been forgotten.
    void set_answer(const DatagramPeer& peer, std::uint64_t asker, std::uint16_t message_id,
                    Code code);
    std::size_t size() const { return generations_[0].count + generations_[1].count; }

private:
    static constexpr std::size_t count_max = 1 << 20;  // of a generation

    /// Open addressing; an entry is its key in the upper 56 bits and the code; 0: none.
    struct Generation {
        std::vector<std::uint64_t> entries;
        std::size_t count = 0;

        std::uint64_t* find(std::uint64_t key);
        void add(std::uint64_t entry);
        void grow();
    };

    static std::uint64_t key_of(const DatagramPeer& peer, std::uint64_t asker,
                                std::uint16_t message_id);

    std::array<Generation, 2> generations_;  // the present one first
    MonotonicTime turns_at_;
};

}  // namespace gw::coap
