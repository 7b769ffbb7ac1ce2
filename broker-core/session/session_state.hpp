#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/retained/retained_store.hpp"
#include "broker-core/session/will.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gw {

/// How far the first of the subscriptions has come that bring retained messages.
struct StoredReplay {
    std::string filter;
    RetainedCursor given;
};

/// What is stored of a session beside its subscriptions and deliveries.
struct SessionState {
    std::string username;
    std::uint8_t protocol = 0;  // ProtocolTraits::number
    bool is_anonymous = true;
    /// By which its client was let in. Of a client with a name, from a store that did not keep it:
    /// the weakest that there is.
    ProofStrength strength = ProofStrength::none;
    bool is_online = false;             // had a connection when this was written
    std::uint32_t expiry_interval = 0;  // seconds, or session_never_expires
    WallTime disconnected_at{};         // while it is not online
    std::uint64_t last_sequence = 0;    // of its deliveries, at least
    std::uint64_t sent_sequence = 0;    // while offline: deliveries up to it may have been sent
    std::unique_ptr<Will> will;         // to be published after its delay, or when it was online
    std::string mountpoint;             // of its client; older stores do not say it
    /// Of filters that rules have changed: what the client wrote, and what is in force.
    std::vector<std::pair<std::string, std::string>> rewritten;
    std::string adapter_state;  // what the client's adapter keeps; its own format
    std::optional<StoredReplay> replay;
};

void encode_session_state(ByteBuffer& out, const SessionState& state);
/// @error corrupt, newer_format
Result<SessionState> decode_session_state(Bytes bytes);

}  // namespace gw
