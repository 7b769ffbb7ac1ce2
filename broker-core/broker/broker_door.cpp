// Who is kept out before anything is proven, and what the door learns from logins.
#include "broker-core/broker/broker.hpp"

namespace gw {

std::optional<ReasonCode> Broker::refuse_at_door(const Credentials& credentials) {
    if (!shared_.door) {
        return std::nullopt;
    }
    const Visitor visitor{credentials.peer.ip, credentials.client_id,
                          credentials.username.value_or(std::string_view{})};
    const auto why = shared_.door->check_login(visitor, now_);
    if (!why) {
        return std::nullopt;
    }
    metrics_.door_refused_by_reason[static_cast<std::size_t>(*why)].add();
    return *why == DoorReason::banned ? ReasonCode::banned : ReasonCode::connection_rate_exceeded;
}

void Broker::note_failed_login(const Credentials& credentials) {
    if (shared_.door) {
        shared_.door->on_login_failed({credentials.peer.ip, credentials.client_id,
                                       credentials.username.value_or(std::string_view{})},
                                      now_);
    }
}

bool Broker::is_banned(const OpenSession& request, const AuthDecision& auth) {
    if (!shared_.door ||
        !shared_.door->is_banned({request.ip, request.client_id, auth.username}, now_)) {
        return false;
    }
    metrics_.door_refused_by_reason[static_cast<std::size_t>(DoorReason::banned)].add();
    return true;
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
bool Broker::is_refusal_logged(ReasonCode reason, std::uint64_t& passed_over) {
    const bool is_of_door =
        reason == ReasonCode::banned || reason == ReasonCode::connection_rate_exceeded;
    if (!is_of_door || !shared_.door) {
        return true;
    }
    const auto noted = shared_.door->note(
        reason == ReasonCode::banned ? DoorReason::banned : DoorReason::login_delay, now_);
    passed_over = noted.value_or(0);
    return noted.has_value();
}

}  // namespace gw
