// Who clients are: logins from their first word to the answer, and proofs that come later.
#include "broker-core/broker/broker.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// The user that a listener has for all its clients says little of any of them, whatever proves it.
AuthDecision weighed(const AuthDecision& decision, bool is_fixed_user) {
    AuthDecision weighed = decision;
    if (is_fixed_user) {
        weighed.strength = std::min(weighed.strength, ProofStrength::listed);
    }
    return weighed;
}

/// As it is judged: `terms` beside what the client shows.
OpenSession open_request(const Credentials& shown, SessionTerms&& terms = {}) {
    OpenSession request{std::move(terms)};
    request.client_id = shown.client_id;
    // Most peers of datagrams are an address and a port, which take less room than their text.
    request.peer = shown.peer.port != 0 ? std::string_view{} : shown.peer.address;
    request.origin = shown.peer.origin();
    request.shown_username = shown.username.value_or(std::string_view{});
    request.is_fixed_user = shown.is_fixed_user;
    request.protocol = shown.protocol;
    return request;
}

LoginAnswer refusal(ReasonCode reason, std::string_view detail = {}) {
    LoginAnswer answer;
    answer.opened.reason = reason;
    answer.detail = detail;
    return answer;
}

LoginAnswer answer_of(const OpenedSession& opened) {
    LoginAnswer answer;
    answer.kind =
        opened.session != nullptr ? LoginAnswer::Kind::opened : LoginAnswer::Kind::refused;
    answer.opened = opened;
    return answer;
}

LoginAnswer pending(AuthToken token) {
    LoginAnswer answer;
    answer.kind = LoginAnswer::Kind::pending;
    answer.token = token;
    return answer;
}

}  // namespace

// ----------------------------------------------------------------------------- for adapters

LoginAnswer Broker::connect(ConnectRequest&& request, SessionLink& link) {
    Credentials& shown = request.shown;
    std::string filtered_name;
    if (const auto reason = filter_login(shown, filtered_name)) {
        return answer_of(refuse(open_request(shown), *reason));
    }
    const AuthToken token = logins_.next_token();
    if (request.auth_method && !shown.peer.lacks_name) {
        return begin_exchange(token, std::move(request), link);
    }
    const auto decision = decide_login(shown, token);
    if (!decision) {
        Login login = Login::of(shown, link);
        login.terms = std::move(request.terms);
        login.waits_until = now_.monotonic + options_.auth_timeout;
        logins_.keep(token, std::move(login));
        return pending(token);
    }
    LoginAnswer answer =
        answer_of(open_session(open_request(shown, std::move(request.terms)), *decision, link));
    if (shown.peer.lacks_name && answer.opened.reason == ReasonCode::not_authorized) {
        answer.detail = "the certificate lacks the name wanted";
    }
    return answer;
}

LoginAnswer Broker::prove_again(Session& session, const Credentials& again, SessionLink& link) {
    Credentials shown = again;
    std::string filtered_name;
    if (const auto reason = filter_login(shown, filtered_name)) {
        return refusal(*reason);
    }
    const AuthToken token = logins_.next_token();
    const auto decision = decide_login(shown, token);
    if (!decision) {
        Login login = Login::of(shown, link);
        login.purpose = Login::Purpose::prove_again;
        login.is_moving = true;
        login.session = session.ref();
        login.waits_until = now_.monotonic + options_.auth_timeout;
        logins_.keep(token, std::move(login));
        return pending(token);
    }
    return proven_again(&session, open_request(shown), *decision, true);
}

LoginAnswer Broker::begin_reauthentication(Session& session, std::string_view method, Bytes data,
                                           SessionLink& link) {
    const ClientIdentity& client = *session.identity;
    Login login;
    login.purpose = Login::Purpose::prove_again;
    login.link = &link;
    login.session = session.ref();
    login.client_id = client.client_id;
    login.username = client.username.str();
    login.peer = {.address = client.peer(), .ip = client.ip};
    login.protocol = client.protocol;
    login.exchange = begin_enhanced_auth(method, login.credentials());
    if (!login.exchange) {
        return refusal(ReasonCode::bad_authentication_method);
    }
    const AuthToken token = logins_.next_token();
    login.username.reset();  // what counts is whom this exchange is about
    return step_exchange(token, logins_.keep(token, std::move(login)), data);
}

LoginAnswer Broker::continue_login(AuthToken token, Bytes data) {
    Login* const login = logins_.find_asked(token);
    GW_ASSERT(login != nullptr);
    return step_exchange(token, *login, data);
}

void Broker::forget_login(AuthToken token) {
    const auto login = logins_.take(token);
    if (login && !login->exchange) {
        shared_.authenticator->cancel(worker_, token);
    }
}

void Broker::refuse_connect(const Credentials& shown, ReasonCode reason) {
    tell_refusal(open_request(shown), reason, std::nullopt);
}

// ------------------------------------------------------------------------- names and passwords

/// What filters make of a login: a reason to refuse it, or nothing, with another name in `name`
/// where they have changed it.
std::optional<ReasonCode> Broker::filter_login(Credentials& shown, std::string& name) const {
    if (!hooks_->wants(HookPoint::filter_connect)) [[likely]] {
        return std::nullopt;
    }
    ConnectDraft draft{.client_id = own_id(shown.peer.rules.get(), shown.client_id),
                       .peer = shown.peer,
                       .protocol = *shown.protocol,
                       .username = {}};
    if (shown.username) {
        draft.username = std::string{*shown.username};
    }
    std::optional<ReasonCode> refused;
    hooks_->ask(HookPoint::filter_connect, [&](MessageFilter& filter) {
        const FilterAnswer answer = filter.on_connect(draft);
        if (answer.kind != FilterAnswer::Kind::pass) {
            refused = answer.error();
        }
        return !refused;
    });
    if (refused || !shown.peer.username.empty() || shown.is_fixed_user) {
        return refused;
    }
    shown.username.reset();
    if (draft.username) {
        name = std::move(*draft.username);
        shown.username = name;
    }
    return std::nullopt;
}

/// What the door, the transport or the authenticator says at once; nothing: the authenticator
/// answers later.
std::optional<AuthDecision> Broker::decide_login(const Credentials& shown, AuthToken token) {
    if (const auto reason = refuse_at_door(shown)) {
        AuthDecision refusal;
        refusal.reason = *reason;
        return refusal;
    }
    if (shown.peer.lacks_name) {
        return AuthDecision{};  // its certificate says nothing of what the listener wants to know
    }
    const CountTicketPtr& unauthenticated = shown.peer.unauthenticated;
    if (!shown.peer.username.empty()) {
        AuthDecision proven;
        proven.reason = ReasonCode::success;
        proven.username = shown.peer.username;
        proven.is_anonymous = false;
        proven.source = shown.peer.identity && !shown.peer.identity->psk_identity.empty()
                            ? AuthSource::psk
                            : AuthSource::certificate;
        proven.strength = strength_of(proven.source);
        if (unauthenticated) {
            unauthenticated->release();
        }
        return proven;
    }
    Credentials judged = shown;
    // Who decides knows the client by its own id.
    judged.client_id = own_id(shown.peer.rules.get(), shown.client_id);
    judged.allow_anonymous =
        judge_origin(shown.peer.origin(), {.client_id = shown.client_id}).allows_anonymous;
    const auto decision = shared_.authenticator->authenticate(judged, worker_, token);
    if (!decision) {
        return std::nullopt;
    }
    if (decision->reason == ReasonCode::success && unauthenticated) {
        unauthenticated->release();
    }
    return weighed(*decision, shown.is_fixed_user);
}

void Broker::on_auth_decided(AuthToken token, const AuthDecision& decision) {
    if (logins_.find_awaiting(token, false) == nullptr) {
        return;  // the client has gone meanwhile, or the answer came too late
    }
    Login login = *logins_.take(token);
    if (decision.reason == ReasonCode::success && login.peer.unauthenticated) {
        login.peer.unauthenticated->release();
    }
    const AuthDecision judged = weighed(decision, login.is_fixed_user);
    LoginAnswer answer = finish_login(login, judged);
    answer.token = token;
    login.link->on_login_decided(answer);
}

/// What follows from the last word about who the client is.
LoginAnswer Broker::finish_login(Login& login, const AuthDecision& decision) {
    OpenSession request = open_request(login.credentials(), std::move(login.terms));
    if (login.purpose == Login::Purpose::connect) {
        return answer_of(open_session(std::move(request), decision, *login.link));
    }
    return proven_again(sessions_.find(login.session), std::move(request), decision,
                        login.is_moving);
}

/// On a connection that is in, a wrong proof and a right one of another user's look alike to the
/// client and count alike at the door: who is in must not find out others' passwords faster than a
/// stranger could.
LoginAnswer Broker::proven_again(Session* session, const OpenSession& here,
                                 const AuthDecision& decision, bool is_moving) {
    if (session == nullptr) {
        return refusal(ReasonCode::client_identifier_not_valid);  // it has ended meanwhile
    }
    if (decision.reason != ReasonCode::success) {
        metrics_.auth_denied_by_source[static_cast<std::size_t>(decision.source)].add();
        note_login(here, decision.reason);
        return refusal(decision.reason);
    }
    if (!reauthenticate(*session, decision, is_moving ? &here : nullptr)) {
        if (is_moving) {
            return refusal(ReasonCode::client_identifier_not_valid);
        }
        note_login(here, ReasonCode::not_authorized);
        return refusal(ReasonCode::not_authorized);
    }
    OpenedSession opened;
    opened.session = session;
    opened.session_present = true;
    return answer_of(opened);
}

// ------------------------------------------------------------------------------- exchanges

LoginAnswer Broker::begin_exchange(AuthToken token, ConnectRequest&& request, SessionLink& link) {
    const Credentials& shown = request.shown;
    if (const auto reason = refuse_at_door(shown)) {
        return answer_of(refuse(open_request(shown), *reason));
    }
    auto exchange = begin_enhanced_auth(*request.auth_method, shown);
    if (!exchange) {
        return answer_of(refuse(open_request(shown), ReasonCode::bad_authentication_method));
    }
    Login login = Login::of(shown, link);
    login.exchange = std::move(exchange);
    login.terms = std::move(request.terms);
    return step_exchange(token, logins_.keep(token, std::move(login)), request.auth_data);
}

LoginAnswer Broker::step_exchange(AuthToken token, Login& login, Bytes data) {
    const auto step = login.exchange->step(data, worker_, token);
    if (!step) {
        logins_.await(token, login, now_.monotonic + options_.auth_timeout);
        return pending(token);
    }
    return take_step(token, *step);
}

LoginAnswer Broker::take_step(AuthToken token, const AuthStep& step) {
    Login login = *logins_.take(token);
    login.waits_until = never;
    if (!step.decision.username.empty()) {
        login.exchange_name = step.decision.username;
    }
    const bool is_connect = login.purpose == Login::Purpose::connect;
    switch (step.kind) {
        case AuthStep::Kind::continue_exchange: {
            if (const auto reason = refuse_at_door(login.credentials())) {
                return is_connect ? answer_of(refuse(open_request(login.credentials()), *reason))
                                  : refusal(*reason);
            }
            LoginAnswer answer;
            answer.kind = LoginAnswer::Kind::asked;
            answer.token = token;
            answer.data = step.data;
            logins_.keep(token, std::move(login));
            return answer;
        }
        case AuthStep::Kind::accepted: {
            const std::string& proven = login.peer.username;
            if (is_connect && !proven.empty() && proven != step.decision.username) {
                const OpenSession request = open_request(login.credentials());
                note_login(request, ReasonCode::not_authorized);
                LoginAnswer answer = answer_of(refuse(request, ReasonCode::not_authorized));
                answer.detail = "the transport has proven another user";
                return answer;
            }
            if (login.peer.unauthenticated) {
                login.peer.unauthenticated->release();
            }
            LoginAnswer answer = finish_login(login, step.decision);
            answer.data = step.data;
            return answer;
        }
        case AuthStep::Kind::refused:
            break;
    }
    return finish_login(login, step.decision);
}

void Broker::on_auth_step(AuthToken token, const AuthStep& step) {
    const Login* const login = logins_.find_awaiting(token, true);
    if (login == nullptr) {
        return;
    }
    SessionLink* const link = login->link;
    LoginAnswer answer = take_step(token, step);
    answer.token = token;
    link->on_login_decided(answer);
}

std::unique_ptr<AuthExchange> Broker::begin_enhanced_auth(std::string_view method,
                                                          const Credentials& credentials) {
    return shared_.auth_methods ? shared_.auth_methods->begin(method, credentials) : nullptr;
}

/// Whoever has not answered in time has refused: a broken backend lets nobody in.
void Broker::expire_logins() {
    while (const auto token = logins_.expired(now_.monotonic)) {
        metrics_.auth_timeouts.add();
        AuthDecision refusal;
        refusal.reason = ReasonCode::server_unavailable;
        if (logins_.find_awaiting(*token, true) != nullptr) {
            on_auth_step(*token, {AuthStep::Kind::refused, {}, refusal});
        } else {
            shared_.authenticator->cancel(worker_, *token);
            on_auth_decided(*token, refusal);
        }
    }
}

// ------------------------------------------------------------------ those who have a session

/// Whether subscriptions that another login has made must be looked at: there are rules that refuse
/// some, or the login brought rights of its own, beside which nothing is allowed.
bool Broker::may_have_lost_rights(const Session& session) const {
    const AuthGrantsPtr& grants = session.identity->grants;
    return shared_.access->refuses_subscriptions(worker_) ||
           (grants && (grants->has_rules || !grants->rules.empty()));
}

bool Broker::reauthenticate(Session& session, const AuthDecision& decision,
                            const OpenSession* here) {
    auto why = refuse_takeover(session, decision, here != nullptr ? here->origin.rules : nullptr);
    if (!why && here != nullptr) {
        why = judge_origin(here->origin, {.client_id = session.client_id(),
                                          .username = decision.username,
                                          .is_anonymous = decision.is_anonymous})
                  .refusal;
    }
    if (why) {
        count(*why);
        return false;
    }
    auto identity = std::make_unique<ClientIdentity>(*session.identity);
    identity->is_superuser = decision.is_superuser;
    identity->grants = decision.grants;
    identity->source = decision.source;
    identity->strength = decision.strength;
    session.is_identity_restored = false;
    put_identity(session, std::move(identity), here);
    schedule_login_end(session);
    return true;
}

bool Broker::move_session(Session& session, const Origin& origin) {
    const ClientIdentity& client = *session.identity;
    OpenSession here;
    here.origin = origin;
    if (!lets_in(origin, {client.client_id, client.principal(), client.is_anonymous})) {
        return false;
    }
    put_identity(session, std::make_unique<ClientIdentity>(client), &here);
    return true;
}

/// Puts a changed identity in the place of a session's, `here` the place that its client speaks
/// from now, and takes away what it has no right to any more.
void Broker::put_identity(Session& session, std::unique_ptr<ClientIdentity> identity,
                          const OpenSession* here) {
    const bool was_administrator = identity->is_administrator;
    if (here != nullptr) {
        identity->peer_name = here->peer;
        identity->ip = here->origin.ip;
        identity->port = here->origin.port;
        if (here->origin.rules != nullptr) {
            identity->mountpoint = here->origin.rules->mountpoint;
        }
        identity->is_administrator =
            judge_origin(here->origin,
                         {identity->client_id, identity->username.view(), identity->is_anonymous})
                .is_administrator;
    }
    const bool has_lost = was_administrator && !identity->is_administrator;
    session.identity = IdentityPtr{identity.release()};
    if (has_lost || may_have_lost_rights(session)) {
        revoke_subscriptions(session);
        drop_unauthorized(session);
    }
}

void Broker::revise_administrators() {
    sessions_.for_each([this](Session& session) {
        const ClientIdentity& client = *session.identity;
        if (client.is_administrator && client.is_anonymous && shared_.authenticator->has_proofs()) {
            auto identity = std::make_unique<ClientIdentity>(client);
            identity->is_administrator = false;
            session.identity = IdentityPtr{identity.release()};
            revise_session(session);
        }
    });
}

}  // namespace gw
