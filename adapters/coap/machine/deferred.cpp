// Requests whose answer has to wait: for who the client is, what it may, or the disk.
#include "adapters/coap/machine/machine.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gw::coap {

namespace {

/// Of one worker. What is beyond it comes from a flood, or from a login that hangs.
constexpr std::size_t deferred_count_max = 10000;

}  // namespace

std::uint64_t Machine::deferred_key(const Incoming& in) const {
    const DatagramPeer& peer = in.source.peer;
    const std::uint16_t message_id = in.request.message.message_id;
    char text[21];
    std::memcpy(text, peer.ip.bytes.data(), 16);
    std::memcpy(text + 16, &peer.port, 2);
    std::memcpy(text + 18, &message_id, 2);
    text[20] = peer.is_secure ? 1 : 0;
    return hash_text({text, sizeof text}, in.asker);
}

/// Keeps the request until what it waits for is there. False: refused, since too many wait.
bool Machine::defer(Incoming& in, Deferred::Wait wait, Client* client) {
    Deferred* deferred = in.deferred;
    if (deferred == nullptr) {
        if (deferred_.size() >= deferred_count_max) {
            metrics().drop(DatagramDrop::busy);
            refuse(in, Code::service_unavailable, "busy");
            return false;
        }
        deferred = &deferred_.emplace(deferred_.next_index());
        deferred->peer = in.source.peer;
        deferred->identity = in.source.identity;
        deferred->datagram.append(in.datagram);
        deferred->key = deferred_key(in);
        deferred_by_key_[deferred->key] = deferred->index;
        if (in.request.message.type == Type::confirmable) {
            timers_.schedule(*deferred, now() + options_->piggyback_time);
        }
        in.deferred = deferred;
    }
    deferred->wait = wait;
    deferred->client = client;
    if (client != nullptr) {
        auto& waiting = client->extra().waiting;
        if (std::find(waiting.begin(), waiting.end(), deferred->index) == waiting.end()) {
            waiting.push_back(deferred->index);
        }
    }
    return true;
}

/// Reads a request that has waited once more, and calls `visit` with it.
template <class Visit>
void Machine::reopen(Deferred& deferred, const Visit& visit) {
    const auto message = decode_message(deferred.datagram.view());
    GW_ASSERT(message.has_value());  // it was one when it came
    const DatagramSource source{.peer = deferred.peer, .node = {}, .identity = deferred.identity};
    Incoming in{.source = source,
                .datagram = deferred.datagram.view(),
                .request = decode_request(*message),
                .deferred = &deferred,
                .asker = asker_of(source, *message)};
    visit(in);
}

/// Goes on with a request from its beginning; it may come to wait again.
void Machine::run(Deferred& deferred, const OpenedSession* opened) {
    deferred.wait = Deferred::Wait::nothing;
    reopen(deferred, [&](Incoming& in) {
        in.opened = opened;
        process(in);
    });
    if (deferred.wait == Deferred::Wait::nothing) {
        drop(deferred);
    }
}

/// Answers a request that is done.
void Machine::answer(Deferred& deferred, Code code) {
    reopen(deferred, [&](Incoming& in) { answer(in, deferred, code); });
    drop(deferred);
}

void Machine::answer(Incoming& in, Deferred& deferred, Code code) {
    Observation* const observation =
        deferred.wait == Deferred::Wait::observation
            ? find_observation(find_endpoint(deferred.peer), in.request.message.token)
            : nullptr;
    if (is_success(code) && deferred.wait == Deferred::Wait::connection) {
        answer_connect(in, *deferred.client);
    } else if (is_success(code) && deferred.wait == Deferred::Wait::goodbye) {
        deferred.wait = Deferred::Wait::nothing;  // this one is being answered
        end_client(*deferred.client,
                   {.reason = ReasonCode::success, .discard_will = true, .expiry_interval = {}});
        respond(in, {.code = code});
    } else if (observation != nullptr && is_success(code)) {
        in.is_proven = is_proven(in.source, in.request);
        in.target = std::move(*decode_target(in.request.message));
        Client& client = *deferred.client;
        observation->is_answered = true;
        answer_observation(in, *observation);
        let_flow(client);
    } else if (is_success(code)) {
        Response response{.code = code};
        response.block1 = in.request.block1;
        respond(in, response);
    } else {
        if (observation != nullptr) {
            remove_observation(*observation, ReasonCode::success, Then::unsubscribe);
        }
        refuse(in, code, "not stored");
    }
}

void Machine::drop(Deferred& deferred) {
    timers_.cancel(deferred);
    if (deferred.client != nullptr && deferred.client->find_extra() != nullptr) {
        std::erase(deferred.client->extra().waiting, deferred.index);
    }
    const auto found = deferred_by_key_.find(deferred.key);
    if (found != deferred_by_key_.end() && found->second == deferred.index) {
        deferred_by_key_.erase(found);
    }
    deferred_.erase(deferred.index);
}

/// The answer takes too long to ride on the acknowledgement (RFC 7252, 5.2.2).
void Machine::on_deferred_deadline(Deferred& deferred) {
    const auto header = peek_header(deferred.datagram.view());
    if (!std::exchange(deferred.is_acknowledged, true)) {
        send_empty(deferred.peer, Type::acknowledgement, header->message_id);
    }
}

/// The login that the request waits for is refused.
void Machine::refuse_deferred(Deferred& deferred, const LoginAnswer& answer, bool is_to_tell) {
    reopen(deferred, [&](Incoming& in) {
        if (is_to_tell) {
            in.target = std::move(*decode_target(in.request.message));
            const PeerInfo peer = peer_info(in.source);
            const std::optional<std::string>& own = in.target.query.client_id;
            const std::string client_id{own ? core_id(*own) : std::string_view{}};
            broker_.refuse_connect(shown(in, client_id, peer), answer.opened.reason);
        }
        refuse_login(in, answer.opened);
    });
    drop(deferred);
}

void Machine::on_access_decided(Client& client) {
    Client::Extra* const extra = client.find_extra();
    if (extra == nullptr) {
        return;
    }
    // In the order in which they came; whoever has to wait again, those behind wait for.
    const std::vector<std::uint32_t> waiting = extra->waiting;
    for (const std::uint32_t index : waiting) {
        Deferred* const deferred = deferred_.find(index);
        if (deferred == nullptr || deferred->wait != Deferred::Wait::access) {
            continue;
        }
        run(*deferred, nullptr);
        const Deferred* const after = deferred_.find(index);
        if (after != nullptr && after->wait == Deferred::Wait::access) {
            break;
        }
    }
    settle();
}

void Machine::on_stored(Client& client, StoreTicket ticket, StoreOutcome outcome) {
    Client::Extra* const extra = client.find_extra();
    if (extra == nullptr) {
        return;
    }
    const std::vector<std::uint32_t> waiting = extra->waiting;
    for (const std::uint32_t index : waiting) {
        Deferred* const deferred = deferred_.find(index);
        const bool is_due = deferred != nullptr && deferred->ticket <= ticket &&
                            (deferred->wait == Deferred::Wait::store ||
                             deferred->wait == Deferred::Wait::observation ||
                             deferred->wait == Deferred::Wait::connection ||
                             deferred->wait == Deferred::Wait::goodbye);
        if (is_due) {
            const bool has_failed = outcome != StoreOutcome::stored && deferred->ticket == ticket;
            if (has_failed) {
                metrics().replies_refused_store.add();
            }
            if (has_failed && deferred->wait == Deferred::Wait::connection) {
                refuse_connection(client, *deferred);
                break;
            }
            answer(*deferred, has_failed ? Code::service_unavailable : deferred->code);
            if (client.session == nullptr) {
                break;  // it has said goodbye; whoever waited behind that is answered
            }
        }
    }
    settle();
}

}  // namespace gw::coap
