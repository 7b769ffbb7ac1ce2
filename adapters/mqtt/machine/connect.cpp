// CONNECT, CONNACK and AUTH (MQTT 5.0, 3.1, 3.2, 3.15 and 4.12).
#include "adapters/mqtt/machine/connection_machine.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::mqtt {

namespace {

Protocol protocol_of(Version version) {
    switch (version) {
        case Version::v3_1:
            return Protocol::mqtt_3_1;
        case Version::v3_1_1:
            return Protocol::mqtt_3_1_1;
        case Version::v5:
            return Protocol::mqtt_5;
    }
    GW_UNREACHABLE();
}

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
    if (connecting_->is_waiting) {
        return Step::wait;
    }
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
    return begin_connect(*packet, body);
}

ConnectionMachine::Step ConnectionMachine::begin_connect(const ConnectPacket& packet, Bytes body) {
    const bool may_be_empty = is_v5() || (packet.version == Version::v3_1_1 && packet.clean_start);
    if (packet.client_id.empty() && may_be_empty && connecting_->assigned_id.empty()) {
        const std::string& proven = connecting_->peer.client_id;
        connecting_->assigned_id =
            proven.empty() ? broker_.make_client_id(connecting_->peer.rules.get()) : proven;
    }
    const std::string_view client_id = client_id_of(packet);
    if (!check_connect(packet, client_id)) {
        return Step::done;
    }
    connecting_->core_id = core_client_id(connecting_->peer.rules.get(), client_id);
    const std::uint32_t owner = broker_.worker_of(connecting_->core_id);
    if (owner != broker_.worker()) {
        connection_.move_to(owner);
        return Step::wait;
    }
    if (packet.authentication_method) {
        start_enhanced_auth(packet, client_id, body);
        return Step::done;
    }
    return authenticate(packet);
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
        refuse_connect(packet, client_id, ReasonCode::client_identifier_not_valid,
                       client_id.empty() ? "client id missing" : "client id too long");
        return false;
    }
    if (connecting_->peer.lacks_name) {
        refuse_connect(packet, client_id, ReasonCode::not_authorized,
                       "the certificate lacks the name wanted");
        return false;
    }
    if (packet.user_properties.count() > options_->user_properties_max) {
        refuse_connect(packet, client_id, ReasonCode::quota_exceeded, "too many user properties");
        return false;
    }
    return !packet.will || check_will(packet);
}

bool ConnectionMachine::check_will(const ConnectPacket& packet) {
    const Will& will = *packet.will;
    const std::string_view id = client_id_of(packet);
    if (will.qos > options_->qos_max) {
        refuse_connect(packet, id, ReasonCode::qos_not_supported, "will QoS");
        return false;
    }
    if (will.retain && !options_->retain_available) {
        refuse_connect(packet, id, ReasonCode::retain_not_supported, "will retain");
        return false;
    }
    if (will.user_property_count > options_->user_properties_max) {
        refuse_connect(packet, id, ReasonCode::quota_exceeded, "too many user properties");
        return false;
    }
    if (!check_topic_name(will.topic, options_->topic_limits)) {
        refuse_connect(packet, id, ReasonCode::topic_name_invalid, "will topic");
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
            .protocol = protocol_of(packet.version)};
}

ConnectionMachine::Step ConnectionMachine::authenticate(const ConnectPacket& packet) {
    std::optional<AuthDecision> decision = std::move(connecting_->decision);
    if (!decision) {
        decision = broker_.authenticate(credentials_of(packet), *this, connecting_->token);
    }
    if (!decision) {
        // The packet is given again once the answer is there; what follows it waits unread.
        connecting_->is_waiting = true;
        connection_.pause_reading();
        return Step::wait;
    }
    finish_connect(packet, *decision, {});
    return Step::done;
}

void ConnectionMachine::on_auth_decided(AuthToken token, const AuthDecision& decision) {
    if (!connecting_ || token != connecting_->token) {
        return;
    }
    connecting_->is_waiting = false;
    connecting_->decision = decision;
    connection_.resume_reading();
}

OpenSession ConnectionMachine::open_request(const ConnectPacket& packet) const {
    OpenSession request;
    request.client_id = connecting_->core_id;
    request.peer = connecting_->peer.address;
    request.origin = connecting_->peer.origin();
    request.shown_username = shown_name(packet);
    request.protocol = protocol_of(packet.version);
    request.is_bridge = packet.is_bridge;
    request.clean_start = packet.clean_start;
    request.receive_maximum = packet.receive_maximum;
    request.waits_for_store = options_->waits_for_store;
    if (is_v5()) {
        request.expiry_interval = packet.session_expiry_interval;
    } else if (!packet.clean_start) {
        // 3.x knows no interval: a session that is not clean stays as long as the server lets it.
        const auto seconds = options_->session_expiry.count();
        request.expiry_interval = seconds == 0 ? session_never_expires
                                               : static_cast<std::uint32_t>(std::min<std::int64_t>(
                                                     seconds, session_never_expires));
    }
    if (packet.will) {
        request.will = will_of(*packet.will);
    }
    return request;
}

void ConnectionMachine::finish_connect(const ConnectPacket& packet, const AuthDecision& decision,
                                       std::string_view auth_data) {
    const std::string assigned_id = connecting_->assigned_id;
    const OpenedSession opened = broker_.open_session(open_request(packet), decision, *this);
    if (opened.session == nullptr) {
        // The broker has counted the refusal.
        refuse_connect(packet.version, opened.reason, {});
        return;
    }
    session_ = opened.session;
    keep_connection_settings(packet);
    const std::string told_id = packet.client_id.empty() ? assigned_id : std::string{};
    if (opened.ticket != 0 && options_->waits_for_store) {
        // CONNACK promises a session, or that an older one is gone (MQTT 5.0, 3.2.2.1.1).
        state_ = State::opening;
        connecting_->connack_ticket = opened.ticket;
        connecting_->has_resumed = opened.session_present;
        connecting_->must_be_stored = opened.must_be_stored;
        encode_connack_to(connecting_->connack, packet, opened, told_id, auth_data);
        connection_.pause_reading();
        return;
    }
    state_ = State::connected;
    encode_connack_to(connection_.output(), packet, opened, told_id, auth_data);
    count_sent(PacketType::connack);
    connecting_.reset();
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
    connection_.resume_reading();
    broker_.start_delivery(*session_);
}

void ConnectionMachine::keep_connection_settings(const ConnectPacket& packet) {
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

void ConnectionMachine::encode_connack_to(ByteBuffer& out, const ConnectPacket& packet,
                                          const OpenedSession& opened, std::string_view assigned_id,
                                          std::string_view auth_data) {
    ConnackPacket connack;
    connack.session_present = opened.session_present;
    if (is_v5()) {
        if (opened.expiry_interval != packet.session_expiry_interval) {
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
        if (!assigned_id.empty()) {
            connack.assigned_client_identifier = assigned_id;
        }
        if (options_->server_keep_alive != Seconds{0}) {
            connack.server_keep_alive =
                static_cast<std::uint16_t>(options_->server_keep_alive.count());
        }
        if (packet.request_response_information && !options_->response_information.empty()) {
            connack.response_information = options_->response_information;
        }
        if (packet.authentication_method) {
            connack.authentication_method = packet.authentication_method;
            if (!auth_data.empty()) {
                connack.authentication_data = as_bytes(auth_data);
            }
        }
    }
    encode_connack(out, version_, connack);
}

void ConnectionMachine::refuse_connect(const ConnectPacket& packet, std::string_view client_id,
                                       ReasonCode reason, std::string_view text) {
    const std::string core_id = core_client_id(connecting_->peer.rules.get(), client_id);
    OpenSession request;
    request.client_id = core_id;
    request.peer = connecting_->peer.address;
    request.origin = connecting_->peer.origin();
    request.shown_username = shown_name(packet);
    request.protocol = protocol_of(packet.version);
    broker_.refuse_connect(request, reason);
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
    state_ = State::closed;
    connection_.close(CloseMode::drain);
}

// --------------------------------------------------------------------- enhanced authentication

void ConnectionMachine::start_enhanced_auth(const ConnectPacket& packet, std::string_view client_id,
                                            Bytes body) {
    const Credentials credentials = credentials_of(packet);
    if (const auto refused = broker_.refuse_at_door(credentials)) {
        refuse_connect(packet, client_id, *refused, {});
        return;
    }
    connecting_->exchange = broker_.begin_enhanced_auth(*packet.authentication_method, credentials);
    if (!connecting_->exchange) {
        refuse_connect(packet, client_id, ReasonCode::bad_authentication_method, {});
        return;
    }
    connecting_->connect_body.append(body);
    state_ = State::authenticating;
    AuthPacket first;
    first.authentication_method = packet.authentication_method;
    first.authentication_data = packet.authentication_data;
    on_connect_auth(first);
}

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
    ByteBuffer scratch;
    const auto decoded = decode_connect(connecting_->connect_body.view(), scratch);
    GW_ASSERT(decoded.has_value());  // it was, when it came
    const ConnectPacket& packet = *decoded;
    if (auth.authentication_method != packet.authentication_method) {
        fail(ReasonCode::bad_authentication_method, "the method has changed");
        return;
    }
    const auto step =
        broker_.step_auth(*connecting_->exchange, auth.authentication_data.value_or(Bytes{}), *this,
                          connecting_->token);
    if (!step) {
        connecting_->is_waiting = true;
        connection_.pause_reading();
        return;
    }
    take_connect_step(packet, *step);
}

/// What the door counts failures by: the name of an exchange where there is one, since the one in
/// CONNECT need not be there, or be the same.
std::string_view ConnectionMachine::shown_name(const ConnectPacket& packet) const {
    const std::string& name = connecting_->exchange_name;
    return name.empty() ? packet.username.value_or(std::string_view{}) : std::string_view{name};
}

void ConnectionMachine::take_connect_step(const ConnectPacket& packet, const AuthStep& step) {
    connecting_->exchange_name = step.decision.username;
    switch (step.kind) {
        case AuthStep::Kind::continue_exchange: {
            Credentials credentials = credentials_of(packet);
            credentials.username = shown_name(packet);
            if (const auto refused = broker_.refuse_at_door(credentials)) {
                refuse_connect(packet, client_id_of(packet), *refused, {});
                return;
            }
            send_auth(ReasonCode::continue_authentication, *packet.authentication_method,
                      step.data);
            return;
        }
        case AuthStep::Kind::accepted:
            if (const std::string& proven = connecting_->peer.username;
                !proven.empty() && proven != step.decision.username) {
                refuse_connect(packet, client_id_of(packet), ReasonCode::not_authorized,
                               "the transport has proven another user");
                return;
            }
            finish_connect(packet, step.decision, step.data);
            return;
        case AuthStep::Kind::refused:
            broker_.metrics()
                .auth_denied_by_source[static_cast<std::size_t>(step.decision.source)]
                .add();
            refuse_connect(packet, client_id_of(packet), step.decision.reason, {});
            return;
    }
}

void ConnectionMachine::on_auth_step(AuthToken token, const AuthStep& step) {
    if (state_ == State::authenticating && connecting_->is_waiting && token == connecting_->token) {
        connecting_->is_waiting = false;
        ByteBuffer scratch;
        const auto packet = decode_connect(connecting_->connect_body.view(), scratch);
        GW_ASSERT(packet.has_value());  // it was, when it came
        take_connect_step(*packet, step);
        if (state_ != State::closed && state_ != State::opening) {  // that waits for the store
            connection_.resume_reading();
        }
    } else if (state_ == State::connected && rare_ && token == rare_->reauthentication_token) {
        rare_->reauthentication_token = 0;
        take_reauthentication_step(step);
    }
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
    if (rare_->reauthentication_token != 0) {
        fail(ReasonCode::protocol_error, "AUTH before the answer to the last one");
        return;
    }
    if (packet.reason == ReasonCode::re_authenticate) {
        const PeerInfo peer = peer_of_session();
        rare_->reauthentication_name.clear();
        rare_->reauthentication = broker_.begin_enhanced_auth(
            rare_->authentication_method, {.client_id = session_->client_id(),
                                           .username = session_->identity->username,
                                           .password = {},
                                           .peer = peer,
                                           .protocol = Protocol::mqtt_5});
    }
    if (!rare_->reauthentication) {
        fail(ReasonCode::protocol_error, "AUTH outside of an exchange");
        return;
    }
    AuthToken token = 0;
    const auto step = broker_.step_auth(*rare_->reauthentication,
                                        packet.authentication_data.value_or(Bytes{}), *this, token);
    if (step) {
        take_reauthentication_step(*step);
    } else {
        rare_->reauthentication_token = token;  // the client goes on meanwhile
    }
}

PeerInfo ConnectionMachine::peer_of_session() const {
    const ClientIdentity& identity = *session_->identity;
    return {.address = identity.peer(), .ip = identity.ip};
}

/// A wrong proof, and a right one of another user's, look alike to the client and count alike at
/// the door: whoever is in must not find out others' passwords faster than a stranger could.
void ConnectionMachine::fail_reauthentication(ReasonCode reason) {
    const bool is_failed_login =
        reason == ReasonCode::not_authorized || reason == ReasonCode::bad_user_name_or_password;
    if (is_failed_login) {
        const PeerInfo peer = peer_of_session();
        broker_.note_failed_login({.client_id = session_->client_id(),
                                   .username = rare_->reauthentication_name,
                                   .peer = peer,
                                   .protocol = Protocol::mqtt_5});
    }
    fail(disconnect_reason(reason), {});
}

void ConnectionMachine::take_reauthentication_step(const AuthStep& step) {
    rare_->reauthentication_name = step.decision.username;
    switch (step.kind) {
        case AuthStep::Kind::continue_exchange: {
            const PeerInfo peer = peer_of_session();
            if (const auto refused =
                    broker_.refuse_at_door({.client_id = session_->client_id(),
                                            .username = rare_->reauthentication_name,
                                            .peer = peer,
                                            .protocol = Protocol::mqtt_5})) {
                fail(disconnect_reason(*refused), {});
                return;
            }
            send_auth(ReasonCode::continue_authentication, rare_->authentication_method, step.data);
            return;
        }
        case AuthStep::Kind::accepted:
            rare_->reauthentication.reset();
            if (!broker_.reauthenticate(*session_, step.decision)) {
                fail_reauthentication(ReasonCode::not_authorized);
                return;
            }
            send_auth(ReasonCode::success, rare_->authentication_method, step.data);
            return;
        case AuthStep::Kind::refused:
            fail_reauthentication(step.decision.reason);
            return;
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
