#include "adapters/mqttsn/machine/gateway.hpp"

#include "adapters/mqttsn/machine/protocol.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/base/utf8.hpp"

#include <algorithm>
#include <utility>

namespace gw::mqttsn {

namespace {

/// Replies a second to peers that are nobody's: enough for clients after a restart, too few for
/// two gateways that answer each other, or for a flood with borrowed addresses.
constexpr std::uint64_t unknown_replies_per_second = 2000;

/// What only gateways send. It is never answered: two gateways would answer each other for ever
/// (and see may_answer_disconnect()).
bool is_from_gateway(MessageType type) {
    switch (type) {
        case MessageType::advertise:
        case MessageType::gwinfo:
        case MessageType::connack:
        case MessageType::willtopicreq:
        case MessageType::willmsgreq:
        case MessageType::suback:
        case MessageType::unsuback:
        case MessageType::pingresp:
        case MessageType::willtopicresp:
        case MessageType::willmsgresp:
        case MessageType::encapsulated:
            return true;
        default:
            return false;
    }
}

constexpr std::size_t connect_fixed_bytes = 4;

}  // namespace

// ---------------------------------------------------------------------------- proven clients

void GatewayShared::ProvenClients::add(const std::string& proof, const std::string& client_id) {
    const std::lock_guard lock{mutex_};
    Entry& entry = clients_[proof];
    entry.client_id = client_id;
    ++entry.count;
}

void GatewayShared::ProvenClients::remove(const std::string& proof) {
    const std::lock_guard lock{mutex_};
    const auto found = clients_.find(proof);
    if (found != clients_.end() && --found->second.count == 0) {
        clients_.erase(found);
    }
}

std::string GatewayShared::ProvenClients::find(const std::string& proof) const {
    const std::lock_guard lock{mutex_};
    const auto found = clients_.find(proof);
    return found != clients_.end() && found->second.count == 1 ? found->second.client_id
                                                               : std::string{};
}

// ------------------------------------------------------------------------------------- gateway

Gateway::Gateway(Broker& broker, DatagramPort& port, GatewayOptionsPtr options,
                 std::shared_ptr<GatewayShared> shared)
    : broker_(broker),
      port_(port),
      options_(std::move(options)),
      shared_(std::move(shared)),
      timers_(broker.now().monotonic),
      unknown_replies_(unknown_replies_per_second, broker.now().monotonic) {
    if (broker_.worker() == 0 && options_->advertise_interval != Seconds{0}) {
        advertise_at_ = broker.now().monotonic;
    }
}

Gateway::~Gateway() {
    connections_.for_each([](Connection& connection, std::uint32_t) { connection.abandon(); });
}

void Gateway::restore_sleepers() {
    std::vector<Session*> sleepers;
    broker_.for_each_session([&sleepers](Session& session) {
        if (session.link == nullptr && session.adapter_state &&
            session.identity->protocol == &protocol) {
            sleepers.push_back(&session);
        }
    });
    for (Session* const session : sleepers) {
        auto state = decode_client_state(as_bytes(*session->adapter_state));
        if (state && state->sleep) {
            Connection& connection =
                connections_.emplace(*this, connections_.next_index(), DatagramSource{});
            connection.restore(*session, std::move(*state));
        }
    }
    on_turn_end();
}

Connection* Gateway::connection_of(const Session* session) {
    const bool is_ours =
        session != nullptr && session->link != nullptr && session->identity->protocol == &protocol;
    return is_ours ? static_cast<Connection*>(session->link) : nullptr;
}

// --------------------------------------------------------------------------------------- input

DatagramRoute Gateway::route(Bytes datagram) {
    DatagramRoute route;
    route.datagram = datagram;
    std::uint8_t type = peek_type(datagram);
    if (type == static_cast<std::uint8_t>(MessageType::encapsulated)) {
        node_.clear();
        const auto inside = unwrap(datagram, node_);
        if (!inside) {
            drop(inside.error());
            route.kind = DatagramRoute::Kind::drop;
            return route;
        }
        route.datagram = *inside;
        route.node = node_.view();
        type = peek_type(*inside);
    }
    const bool is_connect = type == static_cast<std::uint8_t>(MessageType::connect);
    if (!is_connect && type != static_cast<std::uint8_t>(MessageType::pingreq)) {
        return route;
    }
    const auto frame = read_frame(route.datagram);
    const std::size_t fixed_bytes = is_connect ? connect_fixed_bytes : 0;
    if (frame && frame->body.size() > fixed_bytes) {
        // The session's owner, wherever the client is now.
        route.kind = DatagramRoute::Kind::owner;
        route.worker = broker_.worker_of(core_id(as_text(frame->body.subspan(fixed_bytes))));
    }
    return route;
}

Connection* Gateway::find(const DatagramSource& source) {
    Connection* const connection =
        source.handle != no_handle ? connections_.find(source.handle) : nullptr;
    if (connection == nullptr || !connection->is_at(source)) {
        return nullptr;
    }
    connection->refresh(source);
    return connection;
}

void Gateway::on_datagram(const DatagramSource& source, Bytes datagram) {
    if (is_stopping_) {
        return;  // as if the program had ended already
    }
    if (!broker_.lets_in(origin_of(source.peer), {})) {
        return;  // whatever it is: PINGREQ would move a client there
    }
    const auto frame = read_frame(datagram);
    if (!frame) {
        drop(frame.error());
        return;
    }
    if (source.is_multicast && frame->type != MessageType::searchgw) {
        if (!is_from_gateway(frame->type)) {
            drop(DatagramDrop::unexpected);  // a group is for finding a gateway only
        }
        return;
    }
    switch (frame->type) {
        case MessageType::connect:
            on_connect(source, *frame);
            return;
        case MessageType::searchgw:
            on_search(source, *frame);
            return;
        case MessageType::advertise:
        case MessageType::gwinfo:
            return;  // of other gateways, or a client that helps them
        case MessageType::pingreq:
            if (!frame->body.empty()) {
                on_client_ping(source, as_text(frame->body));
                return;
            }
            break;
        default:
            break;
    }
    if (Connection* const connection = find(source); connection != nullptr) {
        connection->on_frame(*frame);
        return;
    }
    on_unknown_peer(source, *frame, datagram);
}

void Gateway::on_peer_lost(const DatagramPeer& peer, std::uint32_t handle) {
    Connection* const connection = connections_.find(handle);
    if (connection != nullptr && connection->has_address_of(peer)) {
        connection->on_peer_lost();
    }
}

DatagramDrop Gateway::drop_reason_of(DecodeError error) {
    switch (error) {
        case DecodeError::truncated:
            return DatagramDrop::truncated;
        case DecodeError::length_mismatch:
            return DatagramDrop::length_mismatch;
        case DecodeError::unknown_type:
            return DatagramDrop::unknown_type;
        case DecodeError::overlong:
            return DatagramDrop::overlong;
        case DecodeError::nested_too_deep:
            return DatagramDrop::nested_too_deep;
    }
    GW_UNREACHABLE();
}

// ------------------------------------------------------------------------------------- connect

void Gateway::on_connect(const DatagramSource& source, const Frame& frame) {
    const auto decoded = decode_body(frame);
    if (!decoded) {
        drop(decoded.error());
        return;
    }
    const auto& packet = std::get<Connect>(*decoded);
    Connection* const present = find(source);
    const bool is_same = present != nullptr && present->client_id() == core_id(packet.client_id) &&
                         !packet.client_id.empty();
    if (is_same && present->repeats_connect(packet)) {
        broker_.metrics().packets_received.add();
        return;
    }
    if (!may_connect(source, packet)) {
        return;
    }
    if (is_same) {
        present->make_way();
    }
    Connection& connection = connections_.emplace(*this, connections_.next_index(), source);
    connection.on_connect(packet, source);
}

bool Gateway::may_connect(const DatagramSource& source, const Connect& packet) {
    const auto refuse = [&](ReasonCode reason, ReturnCode code) {
        const PeerInfo peer = peer_info(source);
        broker_.refuse_connect(
            {.client_id = core_id(packet.client_id), .peer = peer, .protocol = &protocol}, reason);
        send(source.peer, source.node, Connack{code});
        return false;
    };
    if (packet.protocol_id != 1) {
        return refuse(ReasonCode::unsupported_protocol_version, ReturnCode::not_supported);
    }
    const std::string_view id = packet.client_id;
    if (id.empty() || id.size() > options_->client_id_bytes_max || !is_valid_utf8(as_bytes(id)) ||
        id.find('\0') != std::string_view::npos) {
        return refuse(ReasonCode::client_identifier_not_valid, ReturnCode::not_supported);
    }
    if (options_->client_count_max != 0 &&
        shared_->client_count.load(std::memory_order_relaxed) >= options_->client_count_max) {
        return refuse(ReasonCode::quota_exceeded, ReturnCode::congestion);
    }
    if (options_->connect_rate_max != connect_rate_max_ || !connect_rate_) {
        connect_rate_max_ = options_->connect_rate_max;
        connect_rate_ = std::make_unique<RateLimit>(connect_rate_max_, now());
    }
    if (connect_rate_max_ != 0 && !connect_rate_->try_take(now())) {
        return refuse(ReasonCode::connection_rate_exceeded, ReturnCode::congestion);
    }
    return true;
}

std::string_view Gateway::core_id(std::string_view client_id) {
    return broker_.core_client_id(options_->origin.get(), protocol, client_id, id_scratch_);
}

void Gateway::on_client_ping(const DatagramSource& source, std::string_view client_id) {
    Connection* const connection = connection_of(broker_.find_session(core_id(client_id)));
    if (connection != nullptr && &connection->gateway() == this) {
        connection->on_client_ping(source);
        return;
    }
    drop(DatagramDrop::unknown_peer);
    say_unknown(source);
}

PeerInfo Gateway::peer_info(const DatagramSource& source) const {
    PeerInfo peer;
    peer.address = source.peer.text();
    if (!source.node.empty()) {
        constexpr std::string_view digits = "0123456789abcdef";
        peer.address += '/';  // and the way from there to the node
        for (const std::uint8_t byte : source.node) {
            peer.address += digits[byte >> 4];
            peer.address += digits[byte & 15];
        }
    }
    peer.ip = source.peer.ip;
    peer.port = source.node.empty() ? source.peer.port : 0;
    peer.listener = options_->listener;
    peer.identity = source.identity;
    peer.rules = options_->origin;
    return peer;
}

Origin Gateway::origin_of(const DatagramPeer& peer) const {
    return {.ip = peer.ip, .port = peer.port, .rules = options_->origin.get()};
}

std::string Gateway::proof_of(const PeerInfo& peer, bool is_anonymous) {
    if (peer.identity && !peer.identity->psk_identity.empty()) {
        return "psk " + peer.identity->psk_identity;
    }
    if (peer.identity) {
        return "certificate " + peer.identity->fingerprint;
    }
    return is_anonymous ? std::string{} : "address " + peer.ip.text();
}

// ------------------------------------------------------------------------------- unknown peers

void Gateway::on_unknown_peer(const DatagramSource& source, const Frame& frame, Bytes datagram) {
    if (is_from_gateway(frame.type)) {
        drop(DatagramDrop::unexpected);
        return;
    }
    if (frame.type == MessageType::publish) {
        const auto packet = decode_publish(frame.body);
        if (!packet) {
            drop(DatagramDrop::truncated);
            return;
        }
        if (packet->flags.qos() == WireQos::qos_minus_1) {
            on_connectionless_publish(source, *packet);
            return;
        }
    }
    if (follow_proven(source, datagram)) {
        return;
    }
    drop(DatagramDrop::unknown_peer);
    if (frame.type != MessageType::disconnect || may_answer_disconnect(source)) {
        say_unknown(source);
    }
}

/// A client that has not heard the answer to its DISCONNECT asks again, after T_retry. What comes
/// at once is another gateway's answer to ours: the two would go on for ever.
bool Gateway::may_answer_disconnect(const DatagramSource& source) {
    constexpr Milliseconds apart{200};
    std::string peer = source.peer.text();
    peer += as_text(source.node);
    const std::uint64_t hash = hash_text(peer, hash_key_) | 1U;
    Answered& last = answered_disconnects_[hash / 2 % answered_disconnects_.size()];
    if (last.peer_hash == hash && now() - last.at < apart) {
        return false;
    }
    last = {hash, now()};
    return true;
}

void Gateway::say_unknown(const DatagramSource& source) {
    if (unknown_replies_.try_take(now())) {
        send(source.peer, source.node, Disconnect{});
    }
}

/// A client that is proven whatever its address is, and has changed it without a word.
bool Gateway::follow_proven(const DatagramSource& source, Bytes datagram) {
    if (!options_->follows_proven_clients) {
        return false;
    }
    const std::string client_id = shared_->proven.find(proof_of(peer_info(source), false));
    if (client_id.empty()) {
        return false;
    }
    const std::uint32_t owner = broker_.worker_of(client_id);
    if (owner != broker_.worker()) {
        port_.hand_over(source, datagram, owner);
        return true;
    }
    Connection* const connection = connection_of(broker_.find_session(client_id));
    const auto frame = read_frame(datagram);
    if (connection == nullptr || &connection->gateway() != this || !frame ||
        !connection->follow(source)) {
        return false;
    }
    connection->on_frame(*frame);
    return true;
}

/// PUBLISH at QoS -1 (6.8): as the client that the configuration names, and by its rights.
void Gateway::on_connectionless_publish(const DatagramSource& source, const Publish& packet) {
    const TopicIdType type = packet.flags.topic_id_type();
    const char characters[2] = {static_cast<char>(packet.topic_id >> 8),
                                static_cast<char>(packet.topic_id & 255)};
    std::string_view name;
    if (type == TopicIdType::predefined) {
        name = options_->predefined->name_of(packet.topic_id);
    } else if (type == TopicIdType::short_name && is_valid_utf8(as_bytes({characters, 2}))) {
        name = {characters, 2};
    }
    const bool is_possible =
        options_->connectionless_username && !name.empty() && may_be_nameless(source) &&
        check_topic_name(name, {.bytes_max = 65535, .levels_max = 65535}).has_value() &&
        (!packet.flags.retain() || options_->retain_available) &&
        broker_.shared().memory_grade.load(std::memory_order_relaxed) < MemoryGrade::pause_reading;
    if (!is_possible) {
        drop(DatagramDrop::refused_publish);
        return;
    }
    broker_.metrics().packets_received.add();
    const IdentityPtr publisher = connectionless_identity(source);
    if (!publisher) {
        return;  // told already
    }
    const PublishOutcome outcome = broker_.publish_unowned(
        publisher, {.topic = name, .payload = packet.data, .retain = packet.flags.retain()});
    if (is_error(outcome.reason)) {
        drop(DatagramDrop::refused_publish);
    }
}

/// Whether the user of these publishes has a name, or may do without one where they come from.
bool Gateway::may_be_nameless(const DatagramSource& source) const {
    return !options_->connectionless_username->empty() ||
           broker_.judge_origin(origin_of(source.peer), {}).allows_anonymous;
}

/// Null: kept out.
IdentityPtr Gateway::connectionless_identity(const DatagramSource& source) {
    constexpr std::string_view client_id = "mqtt-sn-connectionless";
    const std::string& username = *options_->connectionless_username;
    const Origin origin = origin_of(source.peer);
    if (!broker_.lets_in(origin, {client_id, username, username.empty()})) {
        return {};
    }
    const bool is_current = connectionless_ && connectionless_->ip == origin.ip &&
                            connectionless_->username == std::string_view{username};
    if (!is_current) {
        PeerInfo peer = peer_info(source);
        peer.port = source.peer.port;  // not by which node
        connectionless_ = broker_.unowned_identity(
            {.client_id = client_id, .username = username, .peer = peer, .protocol = &protocol});
    }
    return connectionless_;
}

// ----------------------------------------------------------------------------------- discovery

void Gateway::on_search(const DatagramSource& source, const Frame& frame) {
    const auto packet = decode_body(frame);
    if (!packet) {
        drop(packet.error());
        return;
    }
    if (!unknown_replies_.try_take(now())) {
        drop(DatagramDrop::rate);
        return;
    }
    broker_.metrics().packets_received.add();
    const GatewayInfo info{.gateway_id = options_->gateway_id, .address = {}};
    ByteBuffer bytes;
    encode(bytes, info);
    // To all, so that others need not ask (6.1); and to the one that asks, which may be further
    // away than the group.
    port_.multicast(bytes.view(), std::get<SearchGateway>(*packet).radius);
    send(source.peer, source.node, info);
}

void Gateway::advertise() {
    const auto seconds = std::clamp<std::int64_t>(options_->advertise_interval.count(), 0, 65535);
    if (seconds == 0) {
        advertise_at_ = never;
        return;
    }
    ByteBuffer bytes;
    encode(bytes, Advertise{.gateway_id = options_->gateway_id,
                            .duration = static_cast<std::uint16_t>(seconds)});
    port_.multicast(bytes.view(), 0);
    advertise_at_ = now() + Seconds{seconds};
}

// ---------------------------------------------------------------------------------------- time

void Gateway::on_deadline() {
    if (advertise_at_ <= now()) {
        advertise();
    }
    while (TimerNode* const node = timers_.pop_expired(now())) {
        static_cast<Connection&>(*node).on_deadline();
    }
}

MonotonicTime Gateway::next_deadline() const {
    return std::min(timers_.next_deadline(), advertise_at_);
}

void Gateway::on_turn_end() {
    scratch_.swap(to_settle_);
    for (const std::uint32_t handle : scratch_) {
        if (Connection* const connection = connections_.find(handle); connection != nullptr) {
            connection->settle();
        }
    }
    scratch_.clear();
    for (std::size_t i = 0; i < gone_.size(); ++i) {
        connections_.erase(gone_[i]);
    }
    gone_.clear();
}

void Gateway::on_shutdown(ReasonCode reason) {
    is_stopping_ = true;
    connections_.for_each(
        [reason](Connection& connection, std::uint32_t) { connection.on_shutdown(reason); });
}

}  // namespace gw::mqttsn
