#pragma once

#include "broker-core/message/protocol_traits.hpp"
#include "broker-core/session/delivery.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace gw {

/// What a client publishes at QoS 2, as far as it tells whether that is new.
struct InboundPublish {
    std::uint16_t packet_id = 0;
    bool dup = false;
    std::string_view topic;
    std::string_view payload;
    bool retain = false;
};

/// A message at QoS 2 that a client has sent and not released. 8 bytes.
struct Unreleased {
    /// How near the exchange is to the connection that there is now.
    enum class Age : std::uint8_t {
        current,  // belongs to it
        earlier,  // to one before it
        parked,   // to one before the client came by another protocol, or used the id anew
    };

    std::uint32_t fingerprint = 0;  // of topic, payload and retain flag; 0: not known
    std::uint16_t packet_id = 0;
    PacketIdSpace space = PacketIdSpace::none;
    Age age = Age::current;

    /// As the store keeps it: what is not parked is of an earlier connection when it is read.
    std::uint64_t to_stored() const;
    static Unreleased from_stored(std::uint64_t stored);
};

/// The messages at QoS 2 that the client of one session has sent and not released (MQTT 5.0, 4.3.3;
/// MQTT-SN 1.2, 6.6), by whatever protocol. What repeats one of them is known by its packet id on
/// the connection that it came by; afterwards by its content too, and by the DUP flag once the
/// client has been there by another protocol: it may have begun to count anew. So nothing new is
/// taken for a repetition unless it looks the same to the bit.
class UnreleasedSet {
public:
    /// Told of each change that the store must see.
    enum class Change : std::uint8_t { put, remove };
    using OnChange = std::function<void(Change change, std::uint64_t stored)>;

    /// A connection begins: what there is belongs to earlier ones.
    void begin_connection(PacketIdSpace space, const OnChange& on_change);
    /// Whether the client repeats what is not released. If so, it belongs to this connection now.
    bool take_repeated(PacketIdSpace space, const InboundPublish& publish,
                       const OnChange& on_change);
    /// A new message; nothing, and nothing done, when one of this connection has the id. Others
    /// with the id are parked.
    std::optional<Unreleased> insert(PacketIdSpace space, const InboundPublish& publish,
                                     const OnChange& on_change);
    /// PUBREL: ends what this connection has with the id; if it has nothing, all of earlier ones.
    /// False: nothing was known.
    bool release(PacketIdSpace space, std::uint16_t packet_id, const OnChange& on_change);
    /// What insert() gave could not be stored: it was never taken in.
    void forget(const Unreleased& inserted, const OnChange& on_change);
    /// Puts back what the store has of a session that came by a protocol of `space`.
    void restore(std::uint64_t stored, PacketIdSpace space, const OnChange& on_change);

    /// Whether this connection has a message with the id.
    bool is_current(PacketIdSpace space, std::uint16_t packet_id) const;
    /// How many this connection has.
    std::size_t current_count() const { return current_count_; }
    std::size_t size() const { return all_.size(); }
    template <class Visit>
    void for_each(const Visit& visit) const {
        for (const Unreleased& one : all_) {
            visit(one);
        }
    }

private:
    /// Of those that may never be released, the first ones go.
    static constexpr std::size_t parked_count_max = 1024;

    struct Range {
        std::size_t begin;
        std::size_t end;
    };
    Range find(PacketIdSpace space, std::uint16_t packet_id) const;
    void set_age(Unreleased& one, Unreleased::Age age, const OnChange& on_change);
    void remove(std::size_t index, const OnChange& on_change);
    void bound_parked(const OnChange& on_change);

    std::vector<Unreleased> all_;  // by space and packet id
    std::size_t current_count_ = 0;
};

/// A delivery whose PUBREL belongs to a protocol by which the client is not there now.
struct ParkedRelease {
    PacketIdSpace space = PacketIdSpace::none;
    Delivery delivery;
};

/// The stored form of a delivery that was received and not completed: its sequence, and whose
/// PUBREC it was.
std::uint64_t stored_release(std::uint64_t sequence, PacketIdSpace space);

/// What few sessions have: exchanges at QoS 2 that are not over.
struct ExactlyOnce {
    UnreleasedSet inbound;
    std::vector<ParkedRelease> parked;
};

}  // namespace gw
