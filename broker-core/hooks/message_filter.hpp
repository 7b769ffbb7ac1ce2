#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/hooks/hook_point.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/origin.hpp"
#include "broker-core/message/peer_info.hpp"
#include "broker-core/message/qos.hpp"
#include "broker-core/message/reason.hpp"
#include "broker-core/storage/storage.hpp"

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gw {

/// What a filter says of what it was asked.
struct FilterAnswer {
    enum class Kind : std::uint8_t {
        pass,     // as it is now: perhaps the filter has changed it
        take,     // publish only: the filter's own from here on; MessageFilter::take() follows
        drop,     // publish only: nobody gets it, and the client is told that all is well
        refuse,   // the client is told `reason`
        pending,  // the answer comes by Broker::on_access_decided() of the session's worker, and
                  // the filter, asked again, then knows it
    };
    Kind kind = Kind::pass;
    ReasonCode reason = ReasonCode::success;

    /// Of a refusal, which must be one whatever reason the filter gives.
    ReasonCode error() const {
        return is_error(reason) ? reason : ReasonCode::implementation_specific_error;
    }
    static FilterAnswer refuse(ReasonCode reason) { return {Kind::refuse, reason}; }
};

/// A message on its way through the filters: each sees what the one before it has left.
class PublishDraft {
public:
    std::string_view topic;  // as the broker has it: with the mount point
    Bytes payload;
    Bytes properties;  // as Message::properties()
    Qos qos = Qos::at_most_once;
    bool retain = false;
    MonotonicTime expires_at = never;

    void set_topic(std::string text) { topic = keep(std::move(text)); }
    void set_payload(std::string bytes) { payload = as_bytes(keep(std::move(bytes))); }
    void set_properties(std::string block) { properties = as_bytes(keep(std::move(block))); }

private:
    std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
    std::list<std::string> texts_;  // which stay where they are
};

/// A subscription on its way through the filters.
struct SubscribeDraft {
    std::string filter;  // with the mount point, without `$share/<group>/` and the like
    Qos qos = Qos::at_most_once;
};

/// A client on its way in, before anybody has looked at what it shows; borrowed for the call.
struct ConnectDraft {
    std::string_view client_id;  // its own, as rewrite_client_id() has left it
    const PeerInfo& peer;
    const ProtocolTraits& protocol;
    /// The name that it shows, or that the filter before has put there: this one is judged. What a
    /// certificate, a key or an exchange proves, and a listener's fixed user, is not the filter's.
    std::optional<std::string> username;
};

/// What stands in the way of all that clients connect with, publish and subscribe to, and may
/// change, take or refuse it. Called by all workers at once; must not block, nor call the broker.
/// All but take() is without effect: it may be asked again for the same, or for what then does not
/// happen.
class MessageFilter {
public:
    virtual ~MessageFilter() = default;

    /// What it wants to be asked. Asked once, when it is put into a HookSet.
    virtual HookMask points() const = 0;

    /// Another client id in the place of the one that the client gives, before its mount point is
    /// put on; nothing, or an empty one: as it is. Asked where the connection was accepted,
    /// whenever somebody says such an id, so it must have one answer for one id: the client's
    /// session, its wake-up and its requests are found by it. `rules` are of the place; null: it
    /// has none.
    virtual std::optional<std::string> rewrite_client_id(const OriginRules* /*rules*/,
                                                         const ProtocolTraits& /*protocol*/,
                                                         std::string_view /*own_id*/) {
        return std::nullopt;
    }
    /// A client connects, or shows a proof anew: on the worker that owns its id. Answers pass or
    /// refuse.
    virtual FilterAnswer on_connect(ConnectDraft& /*draft*/) { return {}; }
    /// Another topic or filter in the place of what the client wrote, before its mount point is put
    /// on; nothing: as it is. Of a filter, the part behind `$share/<group>/` and the like.
    virtual std::optional<std::string> rewrite(const ClientIdentity& /*client*/,
                                               HookPoint /*point*/, std::string_view /*text*/) {
        return std::nullopt;
    }
    /// The publisher has the right to it. A topic that comes out changed is asked a right for.
    virtual FilterAnswer on_publish(const ClientIdentity& /*publisher*/, PublishDraft& /*draft*/) {
        return {};
    }
    /// Before the right is asked for; for what comes out.
    virtual FilterAnswer on_subscribe(const ClientIdentity& /*client*/, SubscribeDraft& /*draft*/) {
        return {};
    }
    /// The message that it wanted to take is its own now. True: it was given to `store` in this
    /// call, and the publisher may be told only when it is stored.
    virtual bool take(const MessagePtr& /*message*/, Storage& /*store*/) { return false; }
};

}  // namespace gw
