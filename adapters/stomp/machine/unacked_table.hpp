#pragma once

#include "broker-core/base/ring.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/qos.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace gw::stomp {

/// A MESSAGE that was sent to a subscription with ack:client or ack:client-individual.
struct UnackedMessage {
    std::uint64_t number = 0;  // of the MESSAGE; grows from frame to frame
    MessagePtr message;
    std::uint32_t subscription = 0;  // its number
    std::uint16_t packet_id = 0;     // of the core's delivery
    Qos qos = Qos::at_least_once;
    bool is_retained = false;  // came as retained, for just this subscription
    bool is_over = false;
    bool is_refused = false;  // by NACK; goes out again
};

/// What waits for ACK or NACK on one connection, in the order of sending. Several subscriptions may
/// have got one delivery of the core: it is over when all of them are done with it. At most as many
/// deliveries as the session's window holds.
class UnackedTable {
public:
    /// `sharers`: how many MESSAGEs of the same delivery there are, all added with the same number
    /// of them.
    void add(UnackedMessage message, std::uint32_t sharers);
    /// Null when it is over or never was.
    UnackedMessage* find(std::uint64_t number);
    /// All of a subscription up to and with a number, oldest first.
    void collect(std::uint32_t subscription, std::uint64_t up_to,
                 std::vector<std::uint64_t>& numbers);
    /// Marks one as refused.
    void refuse(UnackedMessage& message);
    /// The oldest that was refused, or null.
    UnackedMessage* find_refused();
    /// Takes one out. True when its delivery is over with it.
    bool complete(UnackedMessage& message);
    /// Gives one that was refused a new number, that of the MESSAGE in which it goes out again.
    void renumber(UnackedMessage& message, std::uint64_t number);

    bool empty() const { return entries_.empty(); }
    /// MESSAGEs that are not over.
    std::size_t count() const { return entries_.size() - over_count_; }
    /// Entries held, with holes.
    std::size_t size() const { return entries_.size(); }

private:
    UnackedMessage drop(UnackedMessage& message);
    void compact();

    Ring<UnackedMessage> entries_;  // by ascending number
    /// How many of a delivery are not over, where it is more than one.
    std::unordered_map<std::uint16_t, std::uint32_t> counts_;
    std::size_t over_count_ = 0;  // entries that are only holes
    std::size_t refused_count_ = 0;
};

}  // namespace gw::stomp
