// Who is kept out before anything is proven, and what the door learns from logins.
#include "broker-core/broker/broker.hpp"

namespace gw {

ReasonCode Broker::reason_of(DoorReason why) {
    switch (why) {
        case DoorReason::banned:
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
    if (is_reserved_name(credentials.client_id) || is_reserved_name(username)) {
        why = DoorReason::reserved_name;
    } else if (shared_.door) {
        why =
            shared_.door->check_login({credentials.peer.ip, credentials.client_id, username}, now_);
    }
    if (!why) {
        return std::nullopt;
    }
    count(*why);
    return reason_of(*why);
}

void Broker::note_failed_login(const Credentials& credentials) {
    if (shared_.door) {
        shared_.door->on_login_failed({credentials.peer.ip, credentials.client_id,
                                       credentials.username.value_or(std::string_view{})},
                                      now_);
    }
}

/// What speaks against a client whose name is proven.
std::optional<DoorReason> Broker::refuse_login(const OpenSession& request,
                                               const AuthDecision& auth) {
    // A session that the store has kept was judged when it was made.
    const bool is_reserved = is_reserved_name(request.client_id) || is_reserved_name(auth.username);
    if (is_reserved && !request.is_restored) {
        return DoorReason::reserved_name;
    }
    if (shared_.door &&
        shared_.door->is_banned({request.ip, request.client_id, auth.username}, now_)) {
        return DoorReason::banned;
    }
    return std::nullopt;
}

std::optional<DoorReason> Broker::refuse_takeover(const Session& session,
                                                  const AuthDecision& decision) const {
    const ClientIdentity& owner = *session.identity;
    if (owner.is_anonymous != decision.is_anonymous ||
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
    const Visitor visitor{request.ip, request.client_id, request.shown_username};
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
