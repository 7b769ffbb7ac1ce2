#pragma once

#include <cstdint>
#include <string>
#include <variant>

// Changes of the small tables beside the log. Operations take effect in the order of submission,
// in one transaction with the records that they came with.
namespace gw {

/// Creates the session's row or replaces its state. A client id belongs to one session: the old one
/// is removed before (the same submission will do).
struct PutSession {
    std::uint64_t sid = 0;
    std::string client_id{};
    std::string state{};  // opaque bytes
};
/// Removes the session and its subscriptions, inbound ids and released sequences, and lets its
/// deliveries die. Completing those that are known before gives their memory back sooner.
struct RemoveSession {
    std::uint64_t sid = 0;
};
struct PutSubscription {
    std::uint64_t sid = 0;
    std::string filter{};
    std::int64_t options = 0;  // opaque
};
struct RemoveSubscription {
    std::uint64_t sid = 0;
    std::string filter{};
};
/// Several workers may set one topic, and their submissions come in another order than their
/// messages did: with versions, one that is lower than what was committed is left out.
struct PutRetained {
    std::string topic{};
    std::string message{};      // append_message_body(); the topic inside may be empty
    std::uint64_t version = 0;  // ascending for each topic while the process lives; 0: none
};
struct RemoveRetained {
    std::string topic{};
    std::uint64_t version = 0;
};
/// A QoS 2 message of the client was taken in and not released yet (MQTT 5.0, 4.3.3).
struct PutInbound {
    std::uint64_t sid = 0;
    std::uint64_t unreleased = 0;  // Unreleased::to_stored()
};
struct RemoveInbound {
    std::uint64_t sid = 0;
    std::uint64_t unreleased = 0;  // Unreleased::to_stored()
};
/// The client has confirmed a QoS 2 delivery by PUBREC; PUBCOMP is missing. Its delivery is
/// completed in the same submission.
struct PutReleased {
    std::uint64_t sid = 0;
    std::uint64_t released = 0;  // stored_release()
};
struct RemoveReleased {
    std::uint64_t sid = 0;
    std::uint64_t released = 0;  // stored_release()
};

using TableOperation =
    std::variant<PutSession, RemoveSession, PutSubscription, RemoveSubscription, PutRetained,
                 RemoveRetained, PutInbound, RemoveInbound, PutReleased, RemoveReleased>;

}  // namespace gw
