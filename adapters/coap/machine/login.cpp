// Who sends a request, and the session behind it.
#include "adapters/coap/machine/machine.hpp"
#include "adapters/coap/machine/protocol.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

/// What a refusal at the door becomes (RFC 7252, 5.9.2).
Code code_of(ReasonCode reason) {
    switch (reason) {
        case ReasonCode::server_unavailable:
        case ReasonCode::server_busy:
        case ReasonCode::quota_exceeded:
        case ReasonCode::connection_rate_exceeded:
        case ReasonCode::server_shutting_down:
            return Code::service_unavailable;
        case ReasonCode::banned:
        case ReasonCode::client_identifier_not_valid:  // it is another user's
            return Code::forbidden;
        default:
            return Code::unauthorized;
    }
}

}  // namespace

PeerInfo Machine::peer_info(const DatagramSource& source) const {
    PeerInfo peer;
    peer.address = source.peer.text();
    peer.ip = source.peer.ip;
    peer.port = source.peer.port;
    peer.listener = options_->listener;
    peer.identity = source.identity;
    peer.rules = options_->origin;
    return peer;
}

Origin Machine::origin_of(const DatagramPeer& peer) const {
    return {.ip = peer.ip, .port = peer.port, .rules = options_->origin.get()};
}

/// Two requests with the same hash show the same credentials from the same host: what was decided
/// about one holds for the other.
std::uint64_t Machine::login_hash(const Incoming& in) const {
    const Query& query = in.target.query;
    std::uint64_t hash = hash_key_ + (query.username ? 1 : 0) + (query.password ? 2 : 0);
    hash = hash_text(query.username.value_or(std::string{}), hash);
    hash = hash_text(query.password.value_or(std::string{}), hash);
    hash = hash_text(as_text(Bytes{in.source.peer.ip.bytes}), hash);
    return hash_identity(in.source, hash);
}

std::uint64_t Machine::hash_identity(const DatagramSource& source, std::uint64_t hash) {
    if (const TransportIdentity* const identity = source.identity.get()) {
        hash = hash_text(identity->psk_identity, hash);
        hash = hash_text(identity->fingerprint, hash);
    }
    return hash;
}

/// Who asks, as far as the request says it before anything is looked up: several users may be
/// behind one endpoint (a proxy's), and what was begun or answered for one of them is not
/// another's.
std::uint64_t Machine::asker_of(const DatagramSource& source, const MessageView& message) const {
    return queries_hash(message, hash_identity(source, hash_key_));
}

/// The core's id of who calls himself so here; until the next call.
std::string_view Machine::core_id(std::string_view client_id) {
    return broker_.core_client_id(options_->origin.get(), protocol, client_id, id_scratch_);
}

std::string Machine::new_id() {
    const std::string own = broker_.make_client_id(options_->origin.get(), protocol);
    const std::string_view id = core_id(own);
    if (broker_.worker_of(id) == broker_.worker()) {
        return std::string{id};
    }
    // Filters leave none that is this worker's, and a datagram has no connection that could move.
    std::string scratch;
    return std::string{mounted_client_id(options_->origin.get(), own, scratch)};
}

Client* Machine::find_client(std::string_view client_id) {
    Session* const session = broker_.find_session(client_id);
    if (session == nullptr || session->link == nullptr ||
        session->identity->protocol != &protocol) {
        return nullptr;
    }
    auto* const client = static_cast<Client*>(session->link);
    return &client->machine() == this ? client : nullptr;
}

/// The client that the request is from, with its session. Null: the request was answered, or waits
/// for a decision.
Client* Machine::login(Incoming& in) {
    const Query& query = in.target.query;
    if (query.token) {
        return login_by_token(in);
    }
    Client* present = nullptr;
    if (query.client_id) {
        if (query.client_id->empty() || query.client_id->size() > options_->client_id_bytes_max) {
            refuse(in, Code::bad_request, "client id");
            return nullptr;
        }
        present = find_client(core_id(*query.client_id));
    } else if (const Endpoint* const endpoint = find_endpoint(in.source.peer)) {
        present = endpoint->own_client;
    }
    const std::uint64_t hash = login_hash(in);
    // Rights may rest on the address: what was decided holds where it was decided.
    if (present != nullptr && present->login_hash == hash &&
        present->session->identity->ip == in.source.peer.ip) {
        touch(*present);
        return present;
    }
    if (join_login(in, login_key(in))) {
        return nullptr;
    }
    // At one endpoint another user is another client, if the request names none.
    if (query.client_id && present != nullptr) {
        return prove_again(in, *present);
    }
    OpenedSession opened;
    return open(in, query.client_id ? std::string{core_id(*query.client_id)} : new_id(),
                plain_terms(), opened, true);
}

/// Whom the request names, else whom the key of DTLS does; empty: nobody.
std::string_view Machine::shown_username(const Incoming& in) {
    if (in.target.query.username) {
        return *in.target.query.username;
    }
    const TransportIdentity* const identity = in.source.identity.get();
    return identity != nullptr ? std::string_view{identity->psk_identity} : std::string_view{};
}

Credentials Machine::shown(const Incoming& in, std::string_view client_id, const PeerInfo& peer) {
    const Query& query = in.target.query;
    Credentials shown{.client_id = client_id, .peer = peer, .protocol = &protocol};
    if (const std::string_view name = shown_username(in); query.username || !name.empty()) {
        shown.username = name;
    }
    if (query.password) {
        shown.password = as_bytes(*query.password);
    }
    return shown;
}

/// Requests with the same key are of the same client, with the same credentials: what is decided
/// about one login holds for the other.
std::uint64_t Machine::login_key(const Incoming& in) const {
    const DatagramPeer& peer = in.source.peer;
    const Query& query = in.target.query;
    const std::uint64_t hash = login_hash(in) + (query.client_id ? 0U : peer.port + 1U);
    return hash_text(query.client_id.value_or(std::string{}), hash);
}

/// Whether the request waits for a login that is being decided for another one.
bool Machine::join_login(Incoming& in, std::uint64_t key) {
    const auto found = login_by_key_.find(key);
    if (found == login_by_key_.end()) {
        return false;
    }
    if (defer(in, Deferred::Wait::login, nullptr)) {
        logins_.at(found->second).waiting.push_back(in.deferred->index);
    }
    return true;
}

/// The request waits for the decision, which comes to on_login_decided().
void Machine::await_login(Incoming& in, AuthToken token, Client* fresh) {
    if (!defer(in, Deferred::Wait::login, nullptr)) {
        broker_.forget_login(token);
        if (fresh != nullptr) {
            clients_.erase(fresh->index());
        }
        return;
    }
    PendingLogin& login = logins_[token];
    login.waiting.push_back(in.deferred->index);
    login.fresh = fresh;
    login.hash = login_hash(in);
    login.key = login_key(in);
    login.is_proven = in.is_proven;
    login.peer = in.source.peer;
    login_by_key_[login.key] = token;
}

void Machine::on_login_decided(LoginAnswer& answer) {
    auto node = logins_.extract(answer.token);
    if (!node) {
        return;
    }
    const PendingLogin login = std::move(node.mapped());
    if (const auto found = login_by_key_.find(login.key);
        found != login_by_key_.end() && found->second == answer.token) {
        login_by_key_.erase(found);
    }
    const bool is_opened = answer.kind == LoginAnswer::Kind::opened;
    if (!is_opened && login.fresh != nullptr) {
        clients_.erase(login.fresh->index());
    } else if (is_opened && login.fresh != nullptr) {
        settle_in(*login.fresh, answer.opened, login.peer, login.is_proven);
    } else if (is_opened) {
        if (Client* const client = find_client(answer.opened.session->client_id())) {
            keep_proof(*client, login.hash, login.peer.ip);
        }
    }
    for (const std::uint32_t index : login.waiting) {
        Deferred* const deferred = deferred_.find(index);
        if (deferred == nullptr || deferred->wait != Deferred::Wait::login) {
            continue;
        }
        if (is_opened) {
            run(*deferred, index == login.waiting.front() ? &answer.opened : nullptr);
        } else {
            deferred->wait = Deferred::Wait::nothing;
            refuse_deferred(*deferred, answer, login.fresh == nullptr);
        }
    }
    settle();
}

/// What a request is told whose login is refused.
void Machine::refuse_login(Incoming& in, const OpenedSession& refused) {
    refuse(in, refused.lacks_right ? Code::forbidden : code_of(refused.reason),
           reason_text(refused.reason));
}

SessionTerms Machine::plain_terms() const {
    SessionTerms terms;
    terms.clean_start = false;
    terms.receive_maximum = 64;
    terms.waits_for_store = options_->waits_for_store;
    return terms;
}

/// Credentials that the client has not shown so far, or from another host: other rights may come
/// with the proof, and with the place.
Client* Machine::prove_again(Incoming& in, Client& present) {
    const ClientIdentity& client = *present.session->identity;
    if (client.ip != in.source.peer.ip && client.is_anonymous && present.connection() != nullptr) {
        refuse(in, Code::unauthorized, "the client has a connection: token");
        return nullptr;
    }
    const std::string client_id = client.client_id;
    const PeerInfo peer = peer_info(in.source);
    const LoginAnswer answer =
        broker_.prove_again(*present.session, shown(in, client_id, peer), *this);
    if (answer.kind == LoginAnswer::Kind::pending) {
        await_login(in, answer.token, nullptr);
        return nullptr;
    }
    if (answer.kind == LoginAnswer::Kind::refused) {
        broker_.refuse_connect(shown(in, client_id, peer), answer.opened.reason);
        refuse_login(in, answer.opened);
        return nullptr;
    }
    keep_proof(present, login_hash(in), in.source.peer.ip);
    return &present;
}

void Machine::keep_proof(Client& client, std::uint64_t hash, const IpAddress& here) {
    leave_places(client, here);
    client.login_hash = hash;
    touch(client);
}

/// Whether what one of two clients at an endpoint was told of is the other's too: they are the
/// same, or the same user who names no client id, and has become another when somebody else asked.
bool Machine::is_same_asker(const Client& one, const Client& other) {
    const ClientIdentity& mine = *one.session->identity;
    const ClientIdentity& yours = *other.session->identity;
    const bool is_same_user =
        mine.is_anonymous == yours.is_anonymous && mine.principal() == yours.principal();
    return &one == &other ||
           (is_same_user && (!mine.is_anonymous || (one.is_by_endpoint && other.is_by_endpoint)));
}

/// A client speaks from one host at a time, since its rights may rest on that: what it observes
/// from others ends, for what it may have here is not meant for there.
void Machine::leave_places(Client& client, const IpAddress& here) {
    std::vector<Observation*> elsewhere;
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        const Subscription* const subscription = client.subscriptions[i];
        for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
             one != nullptr; one = one->next_of_subscription) {
            if (one->endpoint->peer.ip != here) {
                elsewhere.push_back(one);
            }
        }
    }
    for (Observation* const one : elsewhere) {
        tell_end(*one, Code::service_unavailable);
        remove_observation(*one, ReasonCode::session_taken_over, Then::unsubscribe);
    }
}

/// Another user speaks from the client's endpoint: it is another client. What the one before
/// observes goes on.
void Machine::leave_endpoint(Client& client) {
    if (client.observation_count == 0) {
        end_client(client,
                   {.reason = ReasonCode::success, .discard_will = false, .expiry_interval = {}});
        return;
    }
    client.home->own_client = nullptr;
    check_needed(*client.home);
    client.home = nullptr;
}

Client* Machine::open(Incoming& in, std::string_view client_id, SessionTerms&& terms,
                      OpenedSession& opened, bool keeps_expiry) {
    const PeerInfo peer = peer_info(in.source);
    if (options_->client_count_max != 0 &&
        shared_->client_count.load(std::memory_order_relaxed) >= options_->client_count_max) {
        broker_.refuse_connect(shown(in, client_id, peer), ReasonCode::quota_exceeded);
        refuse(in, code_of(ReasonCode::quota_exceeded), reason_text(ReasonCode::quota_exceeded));
        return nullptr;
    }
    Client& client = clients_.emplace(*this, clients_.next_index());
    client.login_hash = login_hash(in);
    client.keeps_expiry = keeps_expiry;
    client.is_by_endpoint = !in.target.query.client_id;
    const LoginAnswer answer =
        broker_.connect({.shown = shown(in, client_id, peer), .terms = std::move(terms)}, client);
    if (answer.kind == LoginAnswer::Kind::pending) {
        await_login(in, answer.token, &client);
        return nullptr;
    }
    opened = answer.opened;
    if (opened.session == nullptr) {
        clients_.erase(client.index());
        refuse_login(in, opened);
        return nullptr;
    }
    settle_in(client, opened, in.source.peer, in.is_proven);
    return &client;
}

/// The client has got its session.
void Machine::settle_in(Client& client, const OpenedSession& opened, const DatagramPeer& peer,
                        bool is_proven) {
    shared_->client_count.fetch_add(1, std::memory_order_relaxed);
    client.session = opened.session;
    client.was_persistent = opened.session_present;
    Endpoint& endpoint = endpoint_of(peer);
    endpoint.is_proven = endpoint.is_proven || is_proven;
    if (client.is_by_endpoint) {
        if (endpoint.own_client != nullptr) {
            leave_endpoint(*endpoint.own_client);
        }
        client.home = &endpoint;
        endpoint.own_client = &client;
    }
    client.seen_at = now();
    arm(client);
}

/// A client with a connection shows its token; wherever it does, there it is.
Client* Machine::login_by_token(Incoming& in) {
    const Query& query = in.target.query;
    Client* const client = find_by_token(*query.token);
    if (client == nullptr ||
        (query.client_id && client->session->client_id() != core_id(*query.client_id))) {
        refuse(in, Code::unauthorized, "no connection has this token");
        return nullptr;
    }
    if (!in.is_proven) {
        challenge(in);  // what waits for the client is about to go to this address
        return nullptr;
    }
    if (client->session->identity->ip != in.source.peer.ip &&
        !broker_.move_session(*client->session, origin_of(in.source.peer))) {
        refuse(in, Code::forbidden, "not from here");
        return nullptr;
    }
    touch(*client);
    resuming_.push_back({client, in.source.peer});
    return client;
}

// ---------------------------------------------------------------------------------------- time

void Machine::touch(Client& client) {
    client.seen_at = now();
}

void Machine::arm(Client& client) {
    MonotonicTime deadline = never;
    if (const Client::Connection* const connection = client.connection()) {
        deadline = client.seen_at + connection->keep_alive * 3 / 2;
    } else if (client.observation_count != 0) {
        deadline = now() + options_->confirm_interval;
    } else {
        deadline = client.seen_at + options_->idle_time;
    }
    timers_.schedule(client, std::max(deadline, now() + Milliseconds{1}));
}

void Machine::on_client_deadline(Client& client) {
    if (client.session == nullptr) {
        return;
    }
    const Client::Connection* const connection = client.connection();
    const bool is_silent =
        connection != nullptr
            ? client.seen_at + connection->keep_alive * 3 / 2 <= now()
            : client.observation_count == 0 && client.seen_at + options_->idle_time <= now();
    const bool is_waited_for =
        client.find_extra() != nullptr && !client.find_extra()->waiting.empty();
    if (is_silent && !is_waited_for) {
        end_client(client, {.reason = connection != nullptr ? ReasonCode::keep_alive_timeout
                                                            : ReasonCode::success,
                            .discard_will = false,
                            .expiry_interval = {}});
        return;
    }
    ask_silent_observers(client);
    arm(client);
    if (is_waited_for) {
        timers_.schedule(client, now() + Seconds{1});
    }
}

/// A peer that vanished says nothing: whoever was not heard for long is asked (RFC 7252, 4.3), and
/// loses its observations when it does not answer.
void Machine::ask_silent_observers(Client& client) {
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        const Subscription* const subscription = client.subscriptions[i];
        for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
             one != nullptr; one = one->next_of_subscription) {
            Endpoint& endpoint = *one->endpoint;
            if (endpoint.heard_at + options_->confirm_interval <= now() && !endpoint.sending) {
                send_ping(endpoint);
            }
        }
    }
}

// -------------------------------------------------------------------------------------- ending

/// The client's part of its session ends: told by whoever decides it, not by the broker.
void Machine::end_client(Client& client, const ConnectionEnd& end) {
    Session& session = *client.session;
    // A session that ends loses them anyway; that of a connection keeps them for the next one.
    const bool is_borrowed = session.is_persistent() && client.connection() == nullptr;
    remove_all(client, is_borrowed ? Then::unsubscribe : Then::keep);
    client.session = nullptr;
    metrics().connections_closed_by_reason[static_cast<std::size_t>(end.reason)].add();
    release_client(client);
    broker_.close_connection(session, end);
}

/// The broker has taken the session away.
void Machine::lose_session(Client& client, ReasonCode reason) {
    const Code code =
        reason == ReasonCode::server_shutting_down || reason == ReasonCode::session_taken_over
            ? Code::service_unavailable
            : Code::forbidden;
    metrics().connections_closed_by_reason[static_cast<std::size_t>(reason)].add();
    client.session = nullptr;
    for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
        const Subscription* const subscription = client.subscriptions[i];
        for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
             one != nullptr; one = one->next_of_subscription) {
            tell_end(*one, code);
        }
    }
    remove_all(client, Then::keep);
    release_client(client);
}

void Machine::release_client(Client& client) {
    timers_.cancel(client);
    if (const Client::Connection* const connection = client.connection()) {
        by_token_.erase(connection->token);
    }
    if (client.home != nullptr) {
        if (client.is_by_endpoint) {
            client.home->own_client = nullptr;
        }
        if (client.connection() != nullptr) {
            --client.home->home_count;
        }
        check_needed(*client.home);
        client.home = nullptr;
    }
    if (Client::Extra* const extra = client.find_extra()) {
        // Whoever waits for an answer gets one: it must not be sent to a client that is no more.
        const std::vector<std::uint32_t> waiting = std::exchange(extra->waiting, {});
        for (const std::uint32_t index : waiting) {
            Deferred* const deferred = deferred_.find(index);
            deferred->client = nullptr;
            if (deferred->wait != Deferred::Wait::nothing) {  // else it is being dealt with
                deferred->wait = Deferred::Wait::nothing;
                answer(*deferred, Code::service_unavailable);
            }
        }
    }
    shared_->client_count.fetch_sub(1, std::memory_order_relaxed);
    gone_clients_.push_back(client.index());
}

}  // namespace gw::coap
