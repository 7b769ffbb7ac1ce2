// The message layer: RFC 7252, 4.
#include "adapters/coap/machine/machine.hpp"

#include "adapters/coap/codec/writer.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gw::coap {

namespace {

DatagramDrop drop_reason_of(DecodeError error) {
    switch (error) {
        case DecodeError::not_coap:
        case DecodeError::reserved_code:
            return DatagramDrop::unknown_type;
        case DecodeError::token_too_long:
        case DecodeError::option_number:
            return DatagramDrop::length_mismatch;
        case DecodeError::not_empty:
            return DatagramDrop::overlong;
        case DecodeError::option_malformed:
        case DecodeError::payload_missing:
            return DatagramDrop::truncated;
    }
    GW_UNREACHABLE();
}

bool is_request(Code code) {
    return class_of(code) == 0 && code != Code::empty;
}

}  // namespace

Machine::Machine(Broker& broker, DatagramPort& port, MachineOptionsPtr options,
                 std::shared_ptr<MachineShared> shared, Secrets& secrets)
    : broker_(broker),
      port_(port),
      options_(std::move(options)),
      shared_(std::move(shared)),
      secrets_(secrets),
      hash_key_(broker.shared().hash_key),
      timers_(broker.now().monotonic),
      duplicates_(broker.now().monotonic),
      endpoint_table_(endpoints_, hash_key_),
      observation_index_(hash_key_) {}

Machine::~Machine() {
    is_stopping_ = true;
    const auto cancel = [this](Timed& timed) {
        timers_.cancel(timed);
    };
    for (const auto& [token, login] : logins_) {
        broker_.forget_login(token);
    }
    deferred_.for_each([&](Deferred& deferred, std::uint32_t) { cancel(deferred); });
    for (const auto& [key, upload] : uploads_) {
        cancel(*upload);
    }
    clients_.for_each([this](Client& client, std::uint32_t) {
        if (client.session != nullptr) {
            end_client(client, {.reason = ReasonCode::connection_lost,
                                .discard_will = false,
                                .expiry_interval = {}});
        }
    });
    clients_.for_each([&](Client& client, std::uint32_t) { cancel(client); });
    endpoints_.for_each([&](Endpoint& endpoint, std::uint32_t) {
        if (endpoint.sending) {
            cancel(*endpoint.sending);
        }
    });
}

// --------------------------------------------------------------------------------------- input

DatagramRoute Machine::route(Bytes datagram) {
    DatagramRoute route;
    route.datagram = datagram;
    route.kind = DatagramRoute::Kind::owner;
    route.worker = broker_.worker();
    const auto header = peek_header(datagram);
    if (!header) {
        metrics().drop(DatagramDrop::unknown_type);
        route.kind = DatagramRoute::Kind::drop;
        return route;
    }
    const std::uint32_t worker_count = broker_.shared().worker_count;
    if (worker_count == 1) {
        return route;
    }
    if (header->type == Type::acknowledgement || header->type == Type::reset) {
        route.worker = header->message_id % worker_count;
        return route;
    }
    if (!is_request(header->code)) {
        return route;
    }
    const auto message = decode_message(datagram);
    if (!message) {
        return route;
    }
    const RouteHint hint = decode_route_hint(*message, route_scratch_);
    if (!hint.client_id.empty()) {
        route.worker = broker_.worker_of(core_id(hint.client_id));
    } else if (hint.token.size() > 2) {
        // A connection's token says first which worker has it.
        std::uint32_t worker = 0;
        const auto parsed = std::from_chars(hint.token.data(), hint.token.data() + 2, worker, 16);
        if (parsed.ec == std::errc{} && worker < worker_count) {
            route.worker = worker;
        }
    }
    return route;
}

void Machine::on_datagram(const DatagramSource& source, Bytes datagram) {
    if (is_stopping_ || source.is_multicast) {
        return;
    }
    if (!broker_.lets_in(origin_of(source.peer), {})) {
        return;
    }
    const auto message = decode_message(datagram);
    if (!message) {
        reject(source, datagram, message.error());
        return;
    }
    metrics().packets_received.add();
    on_message(source, *message, datagram);
    settle();
}

/// What is no message is ignored, or reset when its sender waits for an answer (RFC 7252, 4.2 and
/// 4.3).
void Machine::reject(const DatagramSource& source, Bytes datagram, DecodeError error) {
    metrics().drop(drop_reason_of(error));
    const auto header = peek_header(datagram);
    if (header && header->type == Type::confirmable) {
        send_empty(source.peer, Type::reset, header->message_id);
    }
}

void Machine::on_message(const DatagramSource& source, const MessageView& message, Bytes datagram) {
    Endpoint* const endpoint = find_endpoint(source.peer);
    if (endpoint != nullptr) {
        endpoint->heard_at = now();
        if (endpoint->peer.arrival != source.peer.arrival) {
            release_association(*endpoint);
        }
        endpoint->peer = source.peer;  // the worker and local address may be others than before
        hold_association(*endpoint);
    }
    if (message.type == Type::acknowledgement || message.type == Type::reset) {
        // Nothing but an empty message can answer us: we send no requests.
        if (message.code != Code::empty || endpoint == nullptr) {
            return;
        }
        if (message.type == Type::reset) {
            on_reset(*endpoint, message.message_id);
        } else {
            on_acknowledged(*endpoint, message.message_id);
        }
        return;
    }
    if (is_request(message.code)) {
        on_request(source, message, datagram);
        return;
    }
    // A ping (RFC 7252, 4.3), or a response to a request that we have not made.
    if (message.code != Code::empty) {
        metrics().drop(DatagramDrop::unexpected);
    }
    if (message.type == Type::confirmable) {
        send_empty(source.peer, Type::reset, message.message_id);
    }
}

void Machine::on_request(const DatagramSource& source, const MessageView& message, Bytes datagram) {
    metrics().coap_requests.add();
    Incoming in{.source = source,
                .datagram = datagram,
                .request = decode_request(message),
                .asker = asker_of(source, message)};
    const auto answer = duplicates_.look_up(source.peer, in.asker, message.message_id, now());
    if (answer && on_duplicate(in, *answer)) {
        return;
    }
    process(in);
}

/// A copy of a request that came before (RFC 7252, 4.5). False: it is to be done once more, which
/// changes nothing.
bool Machine::on_duplicate(Incoming& in, Code answer) {
    metrics().coap_duplicates.add();
    const MessageView& message = in.request.message;
    if (message.type == Type::non_confirmable) {
        return true;
    }
    if (answer == Code::empty) {
        // Being dealt with: the client need not send it again.
        const auto found = deferred_by_key_.find(deferred_key(in));
        if (found != deferred_by_key_.end()) {
            deferred_.find(found->second)->is_acknowledged = true;
            send_empty(in.source.peer, Type::acknowledgement, message.message_id);
        }
        return true;
    }
    if (message.code == Code::get) {
        in.is_repeat = true;
        return false;
    }
    repeat_answer(in, answer);
    return true;
}

/// Makes the answer to a copy from the copy itself.
void Machine::repeat_answer(Incoming& in, Code code) {
    if (code == Code::unauthorized && options_->echo != EchoRule::never) {
        challenge(in);
        return;
    }
    Response response{.code = code};
    std::string token;
    if (in.request.block1 && (is_success(code) || code == Code::request_entity_incomplete)) {
        response.block1 = in.request.block1;
        response.block1->size_exponent =
            std::min(response.block1->size_exponent, options_->size_exponent);
    }
    if (code == Code::created) {
        auto target = decode_target(in.request.message);
        if (target && target->place == Place::connection && target->query.client_id) {
            Client* const client = find_client(core_id(*target->query.client_id));
            const Client::Connection* const connection =
                client != nullptr ? client->connection() : nullptr;
            if (connection != nullptr && connection->made_from == in.source.peer &&
                connection->made_by == in.request.message.message_id) {
                token = token_text(connection->token);
                response.payload = as_bytes(token);
                response.content_format = 0;
            }
        }
    }
    if (code == Code::service_unavailable || code == Code::too_many_requests) {
        response.max_age = 1;
    }
    respond(in, response);
}

void Machine::process(Incoming& in) {
    const Request& request = in.request;
    if (request.refusal != Code::empty) {
        if (request.has_bad_option && request.message.type == Type::non_confirmable) {
            // Rejected, not answered (RFC 7252, 5.4.1).
            send_empty(in.source.peer, Type::reset, request.message.message_id);
            return;
        }
        refuse(in, request.refusal, request.refusal_text);
        return;
    }
    in.is_proven = is_proven(in.source, request);
    if (options_->echo == EchoRule::always && !in.is_proven) {
        challenge(in);
        return;
    }
    auto target = decode_target(request.message);
    if (!target) {
        refuse(in, Code::bad_request, target_error_text(target.error()));
        return;
    }
    in.target = std::move(*target);
    const Code method = request.message.code;
    if (method != Code::get && method != Code::put && method != Code::post &&
        method != Code::delete_) {
        refuse(in, Code::method_not_allowed, {});  // wherever (RFC 7252, 5.8)
        return;
    }
    switch (in.target.place) {
        case Place::unknown:
            refuse(in, Code::not_found, "no such resource");
            return;
        case Place::well_known_core:
        case Place::root:
            if (method == Code::get) {
                discover(in);
            } else {
                refuse(in, Code::method_not_allowed, {});
            }
            return;
        case Place::connection:
            manage_connection(in);
            return;
        case Place::topic:
            break;
    }
    if (method == Code::get) {
        if (!request.observe || *request.observe > 1) {
            read(in);
        } else if (*request.observe == 0) {
            observe(in);
        } else {
            stop_observing(in);
        }
    } else {
        publish(in);
    }
}

// -------------------------------------------------------------------------------------- output

std::uint16_t Machine::next_message_id(Endpoint* endpoint) {
    const std::uint32_t worker_count = broker_.shared().worker_count;
    std::uint16_t& last =
        endpoint != nullptr ? endpoint->last_message_number : last_message_number_;
    const std::uint32_t next = (last + 1U) % (65536U / worker_count);
    last = static_cast<std::uint16_t>(next);
    return static_cast<std::uint16_t>(next * worker_count + broker_.worker());
}

void Machine::send_empty(const DatagramPeer& to, Type type, std::uint16_t message_id) {
    write_empty(port_.begin(to), type, message_id);
    port_.finish();
    metrics().packets_sent.add();
}

void Machine::respond(Incoming& in, const Response& response) {
    const MessageView& message = in.request.message;
    duplicates_.set_answer(in.source.peer, in.asker, message.message_id, response.code);
    if (!is_success(response.code) && response.code != Code::continue_) {
        metrics().coap_requests_refused.add();
    }
    const bool is_wanted = !in.request.suppresses(response.code);
    if (message.type == Type::confirmable && in.deferred != nullptr &&
        in.deferred->is_acknowledged) {
        if (is_wanted) {
            send_separate(in.source.peer, message.token, response);
        }
        return;
    }
    if (message.type == Type::confirmable) {
        if (is_wanted) {
            write_response(port_.begin(in.source.peer), Type::acknowledgement, message.message_id,
                           message.token, response);
        } else {
            write_empty(port_.begin(in.source.peer), Type::acknowledgement, message.message_id);
        }
    } else if (is_wanted) {
        in.answer_id = next_message_id(find_endpoint(in.source.peer));
        write_response(port_.begin(in.source.peer), Type::non_confirmable, *in.answer_id,
                       message.token, response);
    } else {
        return;
    }
    port_.finish();
    metrics().packets_sent.add();
}

/// An error with a few words for a person (RFC 7252, 5.5.2).
void Machine::refuse(Incoming& in, Code code, std::string_view text) {
    Response response{.code = code};
    response.payload = as_bytes(text);
    if (code == Code::service_unavailable || code == Code::too_many_requests) {
        response.max_age = 1;  // then it may be tried again (RFC 7252, 5.9.3.4; RFC 8516)
    }
    if (code == Code::request_entity_too_large) {
        response.size1 = options_->body_bytes_max;
    }
    if (in.request.block1 && code == Code::request_entity_incomplete) {
        response.block1 = in.request.block1;
    }
    respond(in, response);
}

// ----------------------------------------------------------------------------------- endpoints

Endpoint* Machine::find_endpoint(const DatagramPeer& peer) {
    return endpoint_table_.find(peer);
}

Endpoint& Machine::endpoint_of(const DatagramPeer& peer) {
    if (Endpoint* const found = find_endpoint(peer); found != nullptr) {
        return *found;
    }
    Endpoint& endpoint = endpoints_.emplace(peer, endpoints_.next_index());
    endpoint_table_.add(endpoint);
    endpoint.heard_at = now();
    endpoint.last_message_number = static_cast<std::uint16_t>(broker_.random().next());
    check_needed(endpoint);  // should nothing come of it
    hold_association(endpoint);
    return endpoint;
}

/// An association that nobody has bound ends when it is idle; an observer may be silent for long.
/// Clients of several workers may share one: each worker is a node of the peer.
void Machine::hold_association(Endpoint& endpoint) {
    if (endpoint.peer.is_secure && !std::exchange(endpoint.is_held, true)) {
        const auto node = static_cast<std::uint8_t>(broker_.worker());
        port_.bind(endpoint.peer, {&node, 1}, 0);
    }
}

void Machine::release_association(Endpoint& endpoint) {
    if (std::exchange(endpoint.is_held, false)) {
        const auto node = static_cast<std::uint8_t>(broker_.worker());
        port_.unbind(endpoint.peer, {&node, 1}, 0);
    }
}

/// The DTLS association has ended, or is another's now: who observed by it is not there (RFC 7252,
/// 9.1: an endpoint is what has the keys).
void Machine::on_peer_lost(const DatagramPeer& peer, std::uint32_t /*handle*/) {
    Endpoint* const endpoint = find_endpoint(peer);
    if (endpoint == nullptr || is_stopping_) {
        return;
    }
    endpoint->is_held = false;
    sending_of(*endpoint);
    give_up(*endpoint);
}

void Machine::on_datagrams_lost(std::uint64_t too_long, std::uint64_t unsent) {
    metrics().drop(DatagramDrop::too_long, too_long);
    metrics().drop(DatagramDrop::unsent, unsent);
}

// ------------------------------------------------------------------------------ time, end of turn

void Machine::on_deadline() {
    while (TimerNode* const node = timers_.pop_expired(now())) {
        Timed& timed = static_cast<Timed&>(*node);
        switch (timed.kind) {
            case Timed::Kind::client:
                on_client_deadline(static_cast<Client&>(timed));
                break;
            case Timed::Kind::sending:
                on_sending_deadline(static_cast<Sending&>(timed));
                break;
            case Timed::Kind::deferred:
                on_deferred_deadline(static_cast<Deferred&>(timed));
                break;
            case Timed::Kind::upload:
                metrics().coap_uploads_abandoned.add();
                forget_upload(static_cast<Upload&>(timed).key);
                break;
        }
    }
    settle();
}

/// Tells the broker what deliveries are done with. It may hand over new ones meanwhile.
void Machine::settle() {
    if (std::exchange(is_settling_, true)) {
        return;
    }
    // What waits for a client goes behind the answer to the request that has shown its token.
    for (std::size_t i = 0; i < resuming_.size(); ++i) {
        const Resuming one = resuming_[i];
        if (one.client->session != nullptr && one.client->connection() != nullptr) {
            resume(*one.client, endpoint_of(one.peer));
        }
    }
    resuming_.clear();
    for (std::size_t i = 0; i < finished_.size(); ++i) {
        const Finished one = finished_[i];
        if (one.client->session == nullptr) {
            continue;
        }
        Session& session = *one.client->session;
        // At QoS 2 only what the session has from another protocol can come.
        if (!broker_.on_puback(session, one.packet_id, one.reason) &&
            broker_.on_pubrec(session, one.packet_id, one.reason)) {
            broker_.on_pubcomp(session, one.packet_id);
        }
    }
    finished_.clear();
    is_settling_ = false;
}

void Machine::on_turn_end() {
    settle();
    for (const std::uint32_t index : gone_clients_) {
        clients_.erase(index);
    }
    gone_clients_.clear();
    for (const std::uint32_t index : to_check_) {
        Endpoint* const endpoint = endpoints_.find(index);
        if (endpoint == nullptr) {
            continue;
        }
        if (endpoint->sending && endpoint->sending->is_idle()) {
            timers_.cancel(*endpoint->sending);
            endpoint->sending.reset();
        }
        if (!endpoint->is_needed()) {
            release_association(*endpoint);
            endpoint_table_.erase(endpoint->peer);
            endpoints_.erase(index);
        }
    }
    to_check_.clear();
}

void Machine::on_shutdown(ReasonCode reason) {
    clients_.for_each([this, reason](Client& client, std::uint32_t) {
        if (client.session == nullptr) {
            return;
        }
        for (std::size_t i = 0; i < client.subscriptions.size(); ++i) {
            const Subscription* const subscription = client.subscriptions[i];
            for (Observation* one = subscription != nullptr ? subscription->first : nullptr;
                 one != nullptr; one = one->next_of_subscription) {
                tell_end(*one, Code::service_unavailable);
            }
        }
        end_client(client, {.reason = reason, .discard_will = false, .expiry_interval = {}});
    });
    is_stopping_ = true;
}

}  // namespace gw::coap
