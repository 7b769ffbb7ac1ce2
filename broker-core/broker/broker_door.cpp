// Who is kept out before anything is proven, and what the door learns from logins.
#include "broker-core/broker/broker.hpp"

#include <algorithm>

namespace gw {

std::string_view Broker::own_id(const OriginRules* rules, std::string_view client_id) {
    const std::size_t bytes = rules != nullptr ? rules->mountpoint.size() : 0;
    return client_id.substr(std::min(bytes, client_id.size()));
}

ReasonCode Broker::reason_of(DoorReason why) {
    switch (why) {
        case DoorReason::banned:
        case DoorReason::access_list:
            return ReasonCode::banned;
        case DoorReason::reserved_name:
        case DoorReason::other_principal:
        case DoorReason::weaker_proof:
            return ReasonCode::client_identifier_not_valid;
        default:
            return ReasonCode::connection_rate_exceeded;
    }
}

std::optional<ReasonCode> Broker::refuse_at_door(const Credentials& credentials) {
    const std::string_view username = credentials.username.value_or(std::string_view{});
    std::optional<DoorReason> why;
    if (is_reserved_name(own_id(credentials.peer.rules.get(), credentials.client_id)) ||
        is_reserved_name(username)) {
        why = DoorReason::reserved_name;
    } else {
        why = judge_origin(credentials.peer.origin(),
                           {.client_id = credentials.client_id, .username = username})
                  .refusal;
    }
    if (!why && shared_.door) {
        why = shared_.door->check_login({credentials.peer.ip, credentials.client_id,
                                         credentials.is_fixed_user ? std::string_view{} : username},
                                        now_);
    }
    if (!why) {
        return std::nullopt;
    }
    count(*why);
    return reason_of(*why);
}

/// What speaks against a client whose name is proven.
std::optional<DoorReason> Broker::refuse_login(const OpenSession& request,
                                               const AuthDecision& auth) {
    // A session that the store has kept was judged when it was made.
    const bool is_reserved = is_reserved_name(own_id(request.origin.rules, request.client_id)) ||
                             is_reserved_name(auth.username);
    if (is_reserved && !request.is_restored) {
        return DoorReason::reserved_name;
    }
    return judge_origin(request.origin, {.client_id = request.client_id,
                                         .username = auth.username,
                                         .is_anonymous = auth.is_anonymous})
        .refusal;
}

OriginVerdict Broker::judge_origin(const Origin& origin, const OriginSpeaker& who) const {
    OriginVerdict verdict;
    if (origin.rules && !origin.is_unix && !origin.rules->lets_in(origin.ip)) {
        verdict.refusal = DoorReason::access_list;
    } else if (shared_.door &&
               shared_.door->is_banned({origin.ip, who.client_id, who.username}, now_)) {
        verdict.refusal = DoorReason::banned;
    }
    if (verdict.refusal || !origin.rules) {
        return verdict;
    }
    const OriginRules& rules = *origin.rules;
    verdict.allows_anonymous =
        rules.allows_anonymous || (rules.allows_local_anonymous && !origin.is_relayed);
    const bool is_nameless =
        who.is_anonymous && shared_.authenticator && shared_.authenticator->has_proofs();
    if (!origin.is_relayed && !is_nameless) {
        verdict.is_administrator =
            origin.is_unix ? rules.has_unix_administrators
                           : std::any_of(rules.administrators.begin(), rules.administrators.end(),
                                         [&origin](const IpRange& range) {
                                             return range.contains(origin.ip);
                                         });
    }
    return verdict;
}

bool Broker::lets_in(const Origin& origin, const OriginSpeaker& who) {
    const auto why = judge_origin(origin, who).refusal;
    if (!why) {
        return true;
    }
    count(*why);
    metrics_.drop(DatagramDrop::not_allowed);
    std::uint64_t passed_over = 0;
    if (is_refusal_logged(why, passed_over)) {
        shared_.log->info("datagram.refused", {{"peer", origin.ip.text()},
                                               {"reason", door_reason_name(*why)},
                                               {"not_logged", passed_over}});
    }
    return false;
}

IdentityPtr Broker::unowned_identity(const Credentials& shown) const {
    OpenSession request;
    request.client_id = shown.client_id;
    request.peer = shown.peer.port != 0 ? std::string_view{} : shown.peer.address;
    request.origin = shown.peer.origin();
    request.protocol = shown.protocol;
    AuthDecision auth;
    auth.username = std::string{shown.username.value_or(std::string_view{})};
    auth.is_anonymous = auth.username.empty();
    auth.strength = auth.is_anonymous ? ProofStrength::none : ProofStrength::listed;
    // No session, but its worker's.
    return make_identity(request, auth, SessionRef{worker_, 0, 0});
}

/// Why a login does not give the session: another user's, or a weaker proof than its own was; or
/// nothing.
std::optional<DoorReason> Broker::refuse_takeover(const Session& session,
                                                  const AuthDecision& decision,
                                                  const OriginRules* rules) const {
    const ClientIdentity& owner = *session.identity;
    if ((rules != nullptr && owner.mountpoint.view() != rules->mountpoint) ||
        owner.is_anonymous != decision.is_anonymous ||
        (!decision.is_anonymous && owner.username != std::string_view{decision.username})) {
        return DoorReason::other_principal;
    }
    if (options_.takeover_by_strength && decision.strength < owner.strength) {
        return DoorReason::weaker_proof;
    }
    return std::nullopt;
}

void Broker::note_login(const OpenSession& request, ReasonCode outcome) {
    if (!shared_.door) {
        return;
    }
    // A name that stands for all clients of a listener is not what any of them has shown.
    const Visitor visitor{request.origin.ip, request.client_id,
                          request.is_fixed_user ? std::string_view{} : request.shown_username};
    if (outcome == ReasonCode::success) {
        shared_.door->on_login_succeeded(visitor, now_);
    } else if (outcome == ReasonCode::bad_user_name_or_password ||
               outcome == ReasonCode::not_authorized) {
        shared_.door->on_login_failed(visitor, now_);
    }
}

void Broker::note_disconnected(const ClientIdentity& client) {
    if (!shared_.door) {
        return;
    }
    if (const auto ban = shared_.door->on_disconnected(client, now_)) {
        metrics_.bans_by_flapping.add();
        shared_.log->warning("ban.added", {{"kind", ban_kind_name(ban->kind)},
                                           {"subject", ban->name},
                                           {"by", ban->by},
                                           {"reason", ban->reason}});
    }
}

/// Refusals of the door come in floods: then not each of them is logged.
bool Broker::is_refusal_logged(std::optional<DoorReason> why, std::uint64_t& passed_over) {
    if (!why || !shared_.door) {
        return true;
    }
    const auto noted = shared_.door->note(*why, now_);
    passed_over = noted.value_or(0);
    return noted.has_value();
}

}  // namespace gw
