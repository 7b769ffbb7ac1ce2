// Connections: a client that keeps its session over changes of address, and proves itself by a
// token. POST /mqtt/connection makes one, PUT keeps it, DELETE ends it.
#include "adapters/coap/codec/content_format.hpp"
#include "adapters/coap/machine/machine.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gw::coap {

std::string Machine::token_text(std::uint64_t token) const {
    constexpr std::string_view digits = "0123456789abcdef";
    const std::uint32_t worker = broker_.worker();
    std::string text{digits[worker >> 4 & 15], digits[worker & 15]};
    for (int shift = 60; shift >= 0; shift -= 4) {
        text += digits[token >> shift & 15];
    }
    return text;
}

/// The client whose connection has this token; null: none of this worker's.
Client* Machine::find_by_token(std::string_view text) const {
    constexpr std::size_t worker_digits = 2;
    std::uint64_t token = 0;
    if (text.size() <= worker_digits) {
        return nullptr;
    }
    std::from_chars(text.data() + worker_digits, text.data() + text.size(), token, 16);
    const auto found = by_token_.find(token);
    const bool is_same = found != by_token_.end() && token_text(token) == text;
    return is_same && found->second->session != nullptr ? found->second : nullptr;
}

void Machine::manage_connection(Incoming& in) {
    switch (in.request.message.code) {
        case Code::post:
            connect(in);
            return;
        case Code::put:
            keep_connection(in);
            return;
        case Code::delete_:
            disconnect(in);
            return;
        default:
            refuse(in, Code::method_not_allowed, {});
    }
}

void Machine::connect(Incoming& in) {
    const Query& query = in.target.query;
    if (!query.client_id || query.client_id->empty() ||
        query.client_id->size() > options_->client_id_bytes_max) {
        refuse(in, Code::bad_request, "client id");
        return;
    }
    const bool has_bad_will =
        query.will_topic && !check_topic_name(*query.will_topic, options_->topic_limits);
    if (has_bad_will || in.request.block1) {
        refuse(in, Code::bad_request, "will");
        return;
    }
    OpenedSession opened;
    Client* client = nullptr;
    if (in.opened != nullptr) {
        opened = *in.opened;
        client = static_cast<Client*>(opened.session->link);
    } else {
        client =
            open(in, std::string{core_id(*query.client_id)}, connection_terms(in), opened, false);
    }
    if (client != nullptr) {
        begin_connection(in, *client, opened);
    }
}

/// What the client wants its session to be.
SessionTerms Machine::connection_terms(const Incoming& in) const {
    const Query& query = in.target.query;
    SessionTerms terms = plain_terms();
    terms.clean_start = query.clean_start.value_or(false);
    const auto expiry = options_->session_expiry.count();
    terms.expiry_interval = query.session_expiry.value_or(
        expiry == 0 ? session_never_expires : static_cast<std::uint32_t>(expiry));
    if (query.will_topic) {
        auto will = std::make_unique<Will>();
        will->topic = *query.will_topic;
        will->payload = std::string{as_text(in.request.message.payload)};
        will->qos = std::min(static_cast<Qos>(query.will_qos.value_or(0)), options_->qos_max);
        will->retain = query.will_retain.value_or(false) && options_->retain_available;
        if (in.request.content_format) {
            ByteBuffer properties;
            PropertyWriter{properties}.content_type(content_type_of(*in.request.content_format));
            will->properties = std::string{as_text(properties.view())};
        }
        terms.will = std::move(will);
    }
    return terms;
}

void Machine::begin_connection(Incoming& in, Client& client, const OpenedSession& opened) {
    const Query& query = in.target.query;
    Client::Connection connection;
    connection.token = secrets_.random();
    connection.keep_alive =
        query.keep_alive ? Seconds{std::max(1U, *query.keep_alive)} : options_->idle_time;
    connection.made_from = in.source.peer;
    connection.made_by = in.request.message.message_id;
    client.extra().connection = connection;
    client.was_persistent = false;
    client.home = &endpoint_of(in.source.peer);
    ++client.home->home_count;
    by_token_[connection.token] = &client;
    arm(client);
    if (opened.ticket == 0 || !options_->waits_for_store) {
        answer_connect(in, client);
    } else if (defer(in, Deferred::Wait::connection, &client)) {
        // What is answered promises a session, or that an older one is gone.
        in.deferred->ticket = opened.ticket;
        in.deferred->code = Code::created;
        in.deferred->must_be_stored = opened.must_be_stored;
        in.deferred->has_resumed = opened.session_present;
    } else {
        end_client(
            client,
            {.reason = ReasonCode::server_busy, .discard_will = true, .expiry_interval = {}});
    }
}

void Machine::answer_connect(Incoming& in, const Client& client) {
    const std::string token = token_text(client.find_connection()->token);
    Response response{.code = Code::created};
    response.content_format = text_plain;
    response.payload = as_bytes(token);
    respond(in, response);
}

/// Its session could not be stored.
void Machine::refuse_connection(Client& client, Deferred& deferred) {
    if (!deferred.must_be_stored) {
        answer(deferred, Code::created);
        return;
    }
    // A session that was there stays as it was stored. Whoever waits is answered with 5.03.
    const auto expiry = deferred.has_resumed ? std::nullopt : std::optional{0U};
    end_client(client, {.reason = ReasonCode::implementation_specific_error,
                        .discard_will = true,
                        .expiry_interval = expiry});
}

void Machine::keep_connection(Incoming& in) {
    if (!in.target.query.token) {
        refuse(in, Code::unauthorized, "token");
        return;
    }
    if (login_by_token(in) != nullptr) {
        respond(in, {.code = Code::changed});
    }
}

void Machine::disconnect(Incoming& in) {
    if (!in.target.query.token) {
        refuse(in, Code::unauthorized, "token");
        return;
    }
    Client* const client = login_by_token(in);
    if (client == nullptr) {
        return;
    }
    ConnectionEnd end{.reason = ReasonCode::success, .discard_will = true, .expiry_interval = {}};
    if (in.target.query.clean_start.value_or(false)) {
        end.expiry_interval = 0;
    }
    // What is answered promises that the will, or the session, is gone.
    const StoreTicket ticket = broker_.begin_close(*client->session, end);
    if (ticket == 0 || !options_->waits_for_store) {
        end_client(*client, end);
        respond(in, {.code = Code::deleted});
    } else if (defer(in, Deferred::Wait::goodbye, client)) {
        in.deferred->ticket = ticket;
        in.deferred->code = Code::deleted;
    }
}

}  // namespace gw::coap
