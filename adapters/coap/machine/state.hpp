#pragma once

#include "adapters/coap/codec/message.hpp"
#include "adapters/coap/codec/target.hpp"
#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/bytes.hpp"
#include "broker-core/base/ring.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/session_link.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/router/route_types.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

/// What a Machine knows of its peers. Plain state: the Machine alone changes it.
namespace gw::coap {

class Client;
struct Endpoint;
struct Observation;

/// A timer of the machine's wheel that knows what it belongs to.
struct Timed : TimerNode {
    enum class Kind : std::uint8_t { client, sending, deferred, upload };

    explicit Timed(Kind what) : kind(what) {}
    const Kind kind;
};

/// One filter that a client's observations share; a subscription of its session.
struct Subscription {
    Client* client = nullptr;
    Observation* first = nullptr;  // of its observations
    std::string filter;            // whole, with `$share/<group>/` and the like
    std::uint32_t filter_offset = 0;
    std::uint32_t identifier = 0;  // place in the client's list, from 1 on
    /// What the session had before it was observed, when that is not the observer's to end.
    std::optional<SubscriptionOptions> before;
    Root root = Root::ps;
    Qos qos = Qos::at_most_once;
    bool has_wildcard = false;

    std::string_view filter_proper() const {
        return std::string_view{filter}.substr(filter_offset);
    }
};

/// What an observer fetches the further blocks of.
struct Large {
    MessagePtr present;  // what it was told of last, when that was in blocks
    /// Whose block was asked for last, by which request: the answer may have been lost, and the
    /// request may come again when the observer has been told of something newer.
    MessagePtr fetched;
    MonotonicTime fetched_at{};
    std::uint16_t fetched_by = 0;
};

/// One entry of the list of observers (RFC 7641, 4.1): an endpoint and a token.
struct Observation {
    Endpoint* endpoint = nullptr;
    Subscription* subscription = nullptr;
    Observation* next_at_endpoint = nullptr;
    Observation* previous_at_endpoint = nullptr;
    Observation* next_of_subscription = nullptr;
    Observation* previous_of_subscription = nullptr;
    std::unique_ptr<Large> large;
    MonotonicTime confirmed_at{};
    std::uint32_t notice_count = 0;     // that wait for their turn at the endpoint
    std::uint32_t sequence = 0;         // 24 bits, of the last notification
    std::uint16_t last_message_id = 0;  // of the last notification
    bool was_notified = false;
    bool is_answered = false;  // its registration: before that, QoS 1 waits
    Token token;
    std::uint8_t size_exponent = 6;  // of blocks
};

/// A notification that waits for its turn at an endpoint.
struct Notice {
    Observation* observation = nullptr;
    MessagePtr message;
    std::uint16_t packet_id = 0;  // of the delivery that it completes; 0: QoS 0
};

/// A separate response that waits for its turn.
struct Reply {
    ByteBuffer bytes;
    std::uint16_t message_id = 0;
};

/// What is on its way to an endpoint: one confirmable message at a time (NSTART, RFC 7252 4.7),
/// the others in order behind it. Made when first needed, gone when nothing is left.
struct Sending final : Timed {
    explicit Sending(Endpoint& to) : Timed(Kind::sending), endpoint(to) {}

    /// What is outstanding.
    enum class State : std::uint8_t {
        idle,
        notification,  // waits for its ACK
        fetching,      // acknowledged; its observer fetches the other blocks
        reply,
        ping,
    };

    Endpoint& endpoint;
    Ring<Notice> notices;
    Ring<Reply> replies;
    Notice present;    // of a notification
    ByteBuffer bytes;  // of what is outstanding, for sending it again
    Milliseconds timeout{0};
    std::uint32_t sent_count = 0;
    std::uint16_t message_id = 0;
    State state = State::idle;

    void push_notice(Notice notice);
    /// The next one; there must be one.
    Notice pop_notice();
    bool is_idle() const { return state == State::idle && notices.empty() && replies.empty(); }
    bool waits_for_ack() const { return state != State::idle && state != State::fetching; }
};

/// One peer that the machine keeps something about.
struct Endpoint {
    Endpoint(const DatagramPeer& at, std::uint32_t place) : peer(at), index(place) {}

    DatagramPeer peer;
    std::uint32_t index;
    Client* own_client = nullptr;  // of requests that name no client id
    Observation* first = nullptr;  // of the observations made from here
    std::uint32_t observation_count = 0;
    std::unique_ptr<Sending> sending;
    MonotonicTime heard_at{};
    std::uint32_t home_count = 0;  // clients with a connection whose place this is
    std::uint16_t last_message_number = 0;
    bool is_proven = false;  // has shown that it receives here
    bool is_held = false;    // its DTLS association is kept for it

    bool is_needed() const {
        return own_client != nullptr || first != nullptr || sending != nullptr || home_count != 0;
    }
};

/// A request whose answer has to wait.
struct Deferred final : Timed {
    explicit Deferred(std::uint32_t place) : Timed(Kind::deferred), index(place) {}

    enum class Wait : std::uint8_t {
        nothing,
        login,        // for on_login_decided()
        access,       // for on_access_decided(), or behind one that does
        store,        // for on_stored(): then `code` is the answer
        observation,  // for on_stored(): then the observation is answered
        connection,   // for on_stored(): then the connection is
        goodbye,      // for on_stored(): then the connection ends, and that is answered
    };

    const std::uint32_t index;
    Wait wait = Wait::nothing;
    bool is_acknowledged = false;  // the answer will be a separate response
    Code code = Code::empty;
    std::uint64_t key = 0;  // of peer and message id
    DatagramPeer peer;
    TransportIdentityPtr identity;
    ByteBuffer datagram;
    Client* client = nullptr;  // unless it waits for the login
    StoreTicket ticket = 0;
    bool must_be_stored = false;  // a connection's session: else it is there all the same
    bool has_resumed = false;     // it was there before
};

/// A body that comes in blocks (RFC 7959, 2.5).
struct Upload final : Timed {
    explicit Upload(std::uint64_t name) : Timed(Kind::upload), key(name) {}

    const std::uint64_t key;
    ByteBuffer bytes;
};

}  // namespace gw::coap
