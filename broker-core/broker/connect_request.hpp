#pragma once

#include "broker-core/access/access.hpp"
#include "broker-core/message/origin.hpp"
#include "broker-core/session/will.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gw {

struct Session;

/// What a client wants its session to be.
struct SessionTerms {
    bool is_bridge = false;
    bool clean_start = true;
    std::uint32_t expiry_interval = 0;  // seconds, or session_never_expires
    std::uint16_t receive_maximum = 65535;
    /// Deliveries in flight, where the protocol has a limit of its own; 0: BrokerOptions' one.
    std::uint16_t inflight_max = 0;
    bool waits_for_store = true;  // the client is told only of what is stored
    std::unique_ptr<Will> will;   // taken over when the session opens
};

/// What a client shows and asks for when it connects; what is borrowed is so for the call.
struct ConnectRequest {
    Credentials shown;
    SessionTerms terms{};
    /// The mechanism of an enhanced authentication (MQTT 5.0, 4.12), in the place of a password,
    /// and its first data.
    std::optional<std::string_view> auth_method{};
    Bytes auth_data{};
};

/// A request whose client id and user are about to be judged, or were; borrowed for the call.
struct OpenSession : SessionTerms {
    std::string_view client_id{};  // not empty; Broker::core_client_id() of the client's own
    std::string_view peer{};       // PeerInfo::address; empty: address and port of `origin` say all
    Origin origin{};
    std::string_view shown_username{};  // what the client calls itself, proven or not
    /// It shows nothing of its own: the name above is that of all clients of its listener.
    bool is_fixed_user = false;
    /// The adapter continues a session of the store whose client has not been heard yet: its rights
    /// are looked at when it proves again who it is.
    bool is_restored = false;
    /// Without rules of `origin`: the mount point that the session of the store has.
    std::string_view restored_mountpoint{};
    const ProtocolTraits* protocol = &internal_protocol;
};

struct OpenedSession {
    ReasonCode reason = ReasonCode::success;
    Session* session = nullptr;  // null when refused
    bool session_present = false;
    std::uint32_t expiry_interval = 0;  // granted; may be less than asked for
    /// When not 0, what the answer promises is not stored yet: the client may be told only after
    /// SessionLink::on_stored() named a ticket as high.
    StoreTicket ticket = 0;
    /// Whether the session cannot be opened if that fails; else a restart would find it as it is.
    bool must_be_stored = false;
    bool lacks_right = false;  // refused for its will, though who it is was proven
};

/// What the core says to a login: to the call that began it or went on with it, or, when that said
/// `pending`, by SessionLink::on_login_decided().
struct LoginAnswer {
    enum class Kind : std::uint8_t {
        opened,   // the client has its session
        refused,  // `opened.reason` says why; counted, logged and told to hooks
        pending,  // the answer comes to the link, at the latest after BrokerOptions::auth_timeout
        asked,    // the client is to answer `data`: Broker::continue_login()
    } kind = Kind::refused;
    AuthToken token = 0;  // names the login while it is pending or asked
    OpenedSession opened;
    std::string data;         // of an enhanced authentication, to be sent with this answer
    std::string_view detail;  // what a refusal may tell the client beyond its reason
};

}  // namespace gw
