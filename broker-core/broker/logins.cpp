#include "broker-core/broker/logins.hpp"

namespace gw {

Login Login::of(const Credentials& shown, SessionLink& link) {
    Login login;
    login.link = &link;
    login.client_id = std::string{shown.client_id};
    if (shown.username) {
        login.username = std::string{*shown.username};
    }
    login.peer = shown.peer;
    login.protocol = shown.protocol;
    login.is_fixed_user = shown.is_fixed_user;
    return login;
}

Credentials Login::credentials() const {
    Credentials shown{
        .client_id = client_id, .peer = peer, .protocol = protocol, .is_fixed_user = is_fixed_user};
    if (!exchange_name.empty()) {
        shown.username = exchange_name;
    } else if (username) {
        shown.username = *username;
    }
    return shown;
}

Login& Logins::keep(AuthToken token, Login&& login) {
    Login& kept = logins_.insert_or_assign(token, std::move(login)).first->second;
    if (kept.waits_until != never) {
        deadlines_.push_back({kept.waits_until, token});
    }
    return kept;
}

void Logins::await(AuthToken token, Login& login, MonotonicTime until) {
    login.waits_until = until;
    deadlines_.push_back({until, token});
}

Login* Logins::find_awaiting(AuthToken token, bool of_exchange) {
    const auto found = logins_.find(token);
    const bool is_it = found != logins_.end() && found->second.waits_until != never &&
                       (found->second.exchange != nullptr) == of_exchange;
    return is_it ? &found->second : nullptr;
}

Login* Logins::find_asked(AuthToken token) {
    const auto found = logins_.find(token);
    return found != logins_.end() && found->second.waits_until == never ? &found->second : nullptr;
}

std::optional<Login> Logins::take(AuthToken token) {
    auto node = logins_.extract(token);
    return node ? std::optional{std::move(node.mapped())} : std::nullopt;
}

std::optional<AuthToken> Logins::expired(MonotonicTime now) {
    while (!deadlines_.empty() && deadlines_.front().at <= now) {
        const Deadline due = deadlines_.front();
        deadlines_.pop_front();
        const auto found = logins_.find(due.token);
        if (found != logins_.end() && found->second.waits_until == due.at) {
            return due.token;
        }
    }
    return std::nullopt;
}

}  // namespace gw
