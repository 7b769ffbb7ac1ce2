// CONNECT, CONNACK and AUTH (MQTT 5.0, 3.1, 3.2, 3.15 and 4.12).
#include "adapters/mqtt/machine/connection_machine.hpp"
#include "adapters/mqtt/machine/protocol.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::mqtt {

namespace {

std::unique_ptr<gw::Will> will_of(const Will& will) {
    auto kept = std::make_unique<gw::Will>();
    kept->topic = std::string{will.topic};
    kept->payload = std::string{as_text(will.payload)};
    kept->properties = std::string{as_text(will.properties)};
    kept->qos = will.qos;
    kept->retain = will.retain;
    kept->delay = Seconds{will.delay_interval};
    kept->has_expiry = will.message_expiry_interval.has_value();
    kept->expiry_interval = Seconds{will.message_expiry_interval.value_or(0)};
    return kept;
}

/// DISCONNECT does not know all reasons of CONNACK (MQTT 5.0, 3.14.2.1).
ReasonCode disconnect_reason(ReasonCode reason) {
    if (reason == ReasonCode::banned) {
        return ReasonCode::administrative_action;
    }
    if (reason == ReasonCode::bad_user_name_or_password) {
        return ReasonCode::not_authorized;
    }
    return reason == ReasonCode::server_unavailable ? ReasonCode::server_busy : reason;
}

}  // namespace

ConnectionMachine::Step ConnectionMachine::on_connect(Bytes body) {
    ByteBuffer scratch;
    const auto packet = decode_connect(body, scratch);
    if (!packet) {
        const ConnectError& error = packet.error();
        // An unknown level is told in the form of 3.x, which every client reads (MQTT 3.1.1,
        // 3.1.2.2). 3.x has no return code for what is malformed: closed without a word.
        const bool has_answer = error.error == DecodeError::protocol_version_unsupported ||
                                error.reply_version == Version::v5;
        if (has_answer) {
            broker_.metrics()
                .connects_refused_by_reason[static_cast<std::size_t>(reason_code(error.error))]
                .add();
        }
        if (error.error == DecodeError::protocol_version_unsupported) {
            refuse_connect(Version::v3_1_1, reason_code(error.error), {});
        } else if (error.reply_version == Version::v5) {
            refuse_connect(Version::v5, reason_code(error.error), decode_error_text(error.error));
        } else {
            fail(error.error);
        }
        return Step::done;
    }
    version_ = packet->version;
    has_version_ = true;
    if (packet->maximum_packet_size) {
        client_packet_bytes_max_ = *packet->maximum_packet_size;
    }
    wants_problem_information_ = packet->request_problem_information;
    return begin_connect(*packet);
}

ConnectionMachine::Step ConnectionMachine::begin_connect(const ConnectPacket& packet) {
    const OriginRules* const rules = connecting_->peer.rules.get();
    const bool may_be_empty = is_v5() || (packet.version == Version::v3_1_1 && packet.clean_start);
    if (packet.client_id.empty() && may_be_empty && connecting_->assigned_id.empty()) {
        const std::string& proven = connecting_->peer.client_id;
        connecting_->assigned_id =
            proven.empty() ? broker_.make_client_id(rules, protocol_of(packet.version)) : proven;
    }
    const std::string_view client_id = client_id_of(packet);
    std::string scratch;
    connecting_->core_id =
        broker_.core_client_id(rules, protocol_of(packet.version), client_id, scratch);
    if (!check_connect(packet, client_id)) {
        return Step::done;
    }
    const std::uint32_t owner = broker_.worker_of(connecting_->core_id);
    if (owner != broker_.worker()) {
        connection_.move_to(owner);
        return Step::wait;
    }
    keep_connection_settings(packet);
    ConnectRequest request{.shown = credentials_of(packet),
                           .terms = terms_of(packet),
                           .auth_method = packet.authentication_method,
                           .auth_data = packet.authentication_data.value_or(Bytes{})};
    LoginAnswer answer = broker_.connect(std::move(request), *this);
    take_answer(answer);
    return Step::done;
}

/// What the transport has proven comes first, then the client's own word, then ours.
std::string_view ConnectionMachine::client_id_of(const ConnectPacket& packet) const {
    if (!connecting_->peer.client_id.empty()) {
        return connecting_->peer.client_id;
    }
    return packet.client_id.empty() ? std::string_view{connecting_->assigned_id} : packet.client_id;
}

bool ConnectionMachine::check_connect(const ConnectPacket& packet, std::string_view client_id) {
    if (client_id.empty() || client_id.size() > options_->client_id_bytes_max) {
        refuse_connect(packet, ReasonCode::client_identifier_not_valid,
                       client_id.empty() ? "client id missing" : "client id too long");
        return false;
    }
    if (packet.user_properties.count() > options_->user_properties_max) {
        refuse_connect(packet, ReasonCode::quota_exceeded, "too many user properties");
        return false;
    }
    return !packet.will || check_will(packet);
}

bool ConnectionMachine::check_will(const ConnectPacket& packet) {
    const Will& will = *packet.will;
    if (will.qos > options_->qos_max) {
        refuse_connect(packet, ReasonCode::qos_not_supported, "will QoS");
        return false;
    }
    if (will.retain && !options_->retain_available) {
        refuse_connect(packet, ReasonCode::retain_not_supported, "will retain");
        return false;
    }
    if (will.user_property_count > options_->user_properties_max) {
        refuse_connect(packet, ReasonCode::quota_exceeded, "too many user properties");
        return false;
    }
    if (!check_topic_name(will.topic, options_->topic_limits)) {
        refuse_connect(packet, ReasonCode::topic_name_invalid, "will topic");
        return false;
    }
    return true;
}

Credentials ConnectionMachine::credentials_of(const ConnectPacket& packet) const {
    const PeerInfo& peer = connecting_->peer;
    return {.client_id = connecting_->core_id,
            .username = peer.username.empty() ? packet.username
                                              : std::optional<std::string_view>{peer.username},
            .password = packet.password,
            .peer = peer,
            .protocol = &protocol_of(packet.version)};
}

SessionTerms ConnectionMachine::terms_of(const ConnectPacket& packet) const {
    SessionTerms terms;
    terms.is_bridge = packet.is_bridge;
    terms.clean_start = packet.clean_start;
    terms.receive_maximum = packet.receive_maximum;
    terms.waits_for_store = options_->waits_for_store;
    if (is_v5()) {
        terms.expiry_interval = packet.session_expiry_interval;
    } else if (!packet.clean_start) {
        // 3.x knows no interval: a session that is not clean stays as long as the server lets it.
        const auto seconds = options_->session_expiry.count();
        terms.expiry_interval = seconds == 0 ? session_never_expires
                                             : static_cast<std::uint32_t>(std::min<std::int64_t>(
                                                   seconds, session_never_expires));
    }
    if (packet.will) {
        terms.will = will_of(*packet.will);
    }
    return terms;
}

/// What the core says to CONNECT, or to AUTH before CONNACK.
void ConnectionMachine::take_answer(LoginAnswer& answer) {
    connecting_->token = answer.token;
    connecting_->is_waiting = answer.kind == LoginAnswer::Kind::pending;
    switch (answer.kind) {
        case LoginAnswer::Kind::pending:
            pause(pause_for_login);  // what follows waits unread
            return;
        case LoginAnswer::Kind::asked:
            state_ = State::authenticating;
            send_auth(ReasonCode::continue_authentication, rare_->authentication_method,
                      answer.data);
            return;
        case LoginAnswer::Kind::refused:
            refuse_connect(version_, answer.opened.reason, answer.detail);
            return;
        case LoginAnswer::Kind::opened:
            finish_connect(answer);
            return;
    }
}

void ConnectionMachine::on_login_decided(LoginAnswer& answer) {
    if (connecting_ && connecting_->is_waiting && answer.token == connecting_->token) {
        take_answer(answer);
        if (state_ != State::closed && !connecting_is_waiting()) {
            unpause(pause_for_login);
        }
    } else if (rare_ && answer.token == rare_->reauthentication) {
        take_reauthentication_answer(answer);
    }
}

void ConnectionMachine::finish_connect(const LoginAnswer& answer) {
    const OpenedSession& opened = answer.opened;
    session_ = opened.session;
    connecting_->token = 0;
    if (opened.ticket != 0 && options_->waits_for_store) {
        // CONNACK promises a session, or that an older one is gone (MQTT 5.0, 3.2.2.1.1).
        state_ = State::opening;
        connecting_->connack_ticket = opened.ticket;
        connecting_->has_resumed = opened.session_present;
        connecting_->must_be_stored = opened.must_be_stored;
        encode_connack_to(connecting_->connack, opened, answer.data);
        pause(pause_for_session);
        return;
    }
    state_ = State::connected;
    encode_connack_to(connection_.output(), opened, answer.data);
    count_sent(PacketType::connect);
    connecting_.reset();
    last_received_ = now();
    arm_deadline();
    broker_.start_delivery(*session_);
}

void ConnectionMachine::on_connack_stored(StoreOutcome outcome) {
    if (outcome != StoreOutcome::stored && connecting_->must_be_stored) {
        broker_.metrics().replies_refused_store.add();
        const ReasonCode reason = reason_of(outcome);
        // A session that was there stays as it was stored.
        const auto expiry = connecting_->has_resumed ? std::nullopt : std::optional{0U};
        Session& session = *std::exchange(session_, nullptr);
        broker_.close_connection(
            session, {.reason = reason, .discard_will = true, .expiry_interval = expiry});
        refuse_connect(version_, reason, "the session cannot be stored");
        return;
    }
    state_ = State::connected;
    connection_.output().append(connecting_->connack.view());
    count_sent(PacketType::connack);
    connecting_.reset();
    last_received_ = now();  // the silence was ours
    arm_deadline();
    unpause(pause_for_session);
    broker_.start_delivery(*session_);
}

void ConnectionMachine::keep_connection_settings(const ConnectPacket& packet) {
    connecting_->session_expiry_interval = packet.session_expiry_interval;
    connecting_->wants_response_information = packet.request_response_information;
    client_topic_alias_maximum_ = packet.topic_alias_maximum;
    had_session_expiry_ = packet.session_expiry_interval != 0;
    const std::int64_t keep_alive = is_v5() && options_->server_keep_alive != Seconds{0}
                                        ? options_->server_keep_alive.count()
                                        : packet.keep_alive;
    keep_alive_ms_ = static_cast<std::uint32_t>(static_cast<double>(keep_alive) * 2000.0 *
                                                options_->keep_alive_backoff);
    if (packet.authentication_method) {
        rare().authentication_method = std::string{*packet.authentication_method};
    }
}

void ConnectionMachine::encode_connack_to(ByteBuffer& out, const OpenedSession& opened,
                                          std::string_view auth_data) {
    ConnackPacket connack;
    connack.session_present = opened.session_present;
    if (is_v5()) {
        if (opened.expiry_interval != connecting_->session_expiry_interval) {
            connack.session_expiry_interval = opened.expiry_interval;
        }
        connack.receive_maximum = options_->receive_maximum;
        connack.maximum_qos = options_->qos_max;
        connack.retain_available = options_->retain_available;
        connack.maximum_packet_size = options_->packet_bytes_max;
        connack.topic_alias_maximum = options_->topic_alias_maximum;
        connack.wildcard_subscription_available = options_->wildcard_subscriptions;
        connack.subscription_identifier_available = options_->subscription_identifiers;
        connack.shared_subscription_available = options_->shared_subscriptions;
        if (!connecting_->assigned_id.empty()) {
            connack.assigned_client_identifier = connecting_->assigned_id;
        }
        if (options_->server_keep_alive != Seconds{0}) {
            connack.server_keep_alive =
                static_cast<std::uint16_t>(options_->server_keep_alive.count());
        }
        if (connecting_->wants_response_information && !options_->response_information.empty()) {
            connack.response_information = options_->response_information;
        }
        if (rare_ && !rare_->authentication_method.empty()) {
            connack.authentication_method = rare_->authentication_method;
            if (!auth_data.empty()) {
                connack.authentication_data = as_bytes(auth_data);
            }
        }
    }
    encode_connack(out, version_, connack);
}

void ConnectionMachine::refuse_connect(const ConnectPacket& packet, ReasonCode reason,
                                       std::string_view text) {
    broker_.refuse_connect(credentials_of(packet), reason);
    refuse_connect(packet.version, reason, text);
}

void ConnectionMachine::refuse_connect(Version version, ReasonCode reason, std::string_view text) {
    ConnackPacket connack;
    connack.reason = reason;
    if (version == Version::v5) {
        if (!text.empty()) {
            connack.reason_string = text;
        }
        // What is wrong with this CONNECT (then there is a text) is wrong everywhere.
        const bool elsewhere = text.empty() && (reason == ReasonCode::server_busy ||
                                                reason == ReasonCode::quota_exceeded);
        if (elsewhere && !options_->server_reference.empty()) {
            connack.reason = ReasonCode::use_another_server;
            connack.server_reference = options_->server_reference;
        }
        if (!fits(connack_size(version, connack))) {
            connack.reason_string.reset();
            connack.server_reference.reset();
        }
    }
    encode_connack(connection_.output(), version, connack);
    count_sent(PacketType::connack);
    shut(CloseMode::drain);
}

// --------------------------------------------------------------------- enhanced authentication

void ConnectionMachine::on_auth(const Frame& frame) {
    const auto packet = decode_auth(frame.body, version_, Sender::client);
    if (!packet) {
        fail(packet.error());
        return;
    }
    if (state_ == State::authenticating) {
        if (packet->reason != ReasonCode::continue_authentication) {
            fail(ReasonCode::protocol_error, "AUTH is not a continuation");
            return;
        }
        on_connect_auth(*packet);
        return;
    }
    on_reauthentication(*packet);
}

void ConnectionMachine::on_connect_auth(const AuthPacket& auth) {
    if (auth.authentication_method != std::string_view{rare_->authentication_method}) {
        fail(ReasonCode::bad_authentication_method, "the method has changed");
        return;
    }
    LoginAnswer answer =
        broker_.continue_login(connecting_->token, auth.authentication_data.value_or(Bytes{}));
    take_answer(answer);
}

void ConnectionMachine::on_reauthentication(const AuthPacket& packet) {
    // Only the method of CONNECT, and only the client begins (MQTT 5.0, 4.12.1).
    if (!rare_ || rare_->authentication_method.empty()) {
        fail(ReasonCode::protocol_error, "AUTH without an authentication method in CONNECT");
        return;
    }
    if (packet.authentication_method != std::string_view{rare_->authentication_method}) {
        fail(ReasonCode::bad_authentication_method, "the method has changed");
        return;
    }
    if (rare_->is_reauthentication_pending) {
        fail(ReasonCode::protocol_error, "AUTH before the answer to the last one");
        return;
    }
    const Bytes data = packet.authentication_data.value_or(Bytes{});
    LoginAnswer answer;
    if (packet.reason == ReasonCode::re_authenticate) {
        broker_.forget_login(rare_->reauthentication);
        answer =
            broker_.begin_reauthentication(*session_, rare_->authentication_method, data, *this);
    } else if (rare_->reauthentication != 0) {
        answer = broker_.continue_login(rare_->reauthentication, data);
    } else {
        fail(ReasonCode::protocol_error, "AUTH outside of an exchange");
        return;
    }
    take_reauthentication_answer(answer);
}

void ConnectionMachine::take_reauthentication_answer(const LoginAnswer& answer) {
    // While it is pending the client goes on.
    rare_->is_reauthentication_pending = answer.kind == LoginAnswer::Kind::pending;
    const bool is_over =
        answer.kind == LoginAnswer::Kind::opened || answer.kind == LoginAnswer::Kind::refused;
    rare_->reauthentication = is_over ? 0 : answer.token;
    if (answer.kind == LoginAnswer::Kind::refused) {
        fail(disconnect_reason(answer.opened.reason), {});
    } else if (answer.kind != LoginAnswer::Kind::pending) {
        send_auth(is_over ? ReasonCode::success : ReasonCode::continue_authentication,
                  rare_->authentication_method, answer.data);
    }
}

void ConnectionMachine::send_auth(ReasonCode reason, std::string_view method,
                                  std::string_view data) {
    AuthPacket packet;
    packet.reason = reason;
    packet.authentication_method = method;
    if (!data.empty()) {
        packet.authentication_data = as_bytes(data);
    }
    encode_auth(connection_.output(), packet);
    count_sent(PacketType::auth);
}

}  // namespace gw::mqtt
