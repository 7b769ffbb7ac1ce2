#pragma once

#include "adapters/machine/reading_pause.hpp"
#include "adapters/machine/reading_rates.hpp"
#include "adapters/machine/stream_machine.hpp"
#include "adapters/mqtt/codec/codec.hpp"
#include "adapters/mqtt/machine/options.hpp"
#include "adapters/mqtt/machine/topic_aliases.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/message/peer_info.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::mqtt {

/// The server's side of one MQTT connection, versions 3.1, 3.1.1 and 5.0: turns packets into calls
/// of the broker core and deliveries into packets. Pure: bytes and time come in, bytes go to the
/// StreamConnection. One worker's thread.
class ConnectionMachine final : public StreamMachine, private SessionLink {
public:
    ConnectionMachine(Broker& broker, StreamConnection& connection,
                      std::shared_ptr<const MachineOptions> options, PeerInfo peer);
    ~ConnectionMachine() override;

    std::size_t on_bytes(Bytes bytes) override;
    void on_deadline() override;
    void on_closed(ReasonCode reason) override;
    void on_output_drained() override;
    void on_shutdown(ReasonCode reason) override;

private:
    enum class State : std::uint8_t {
        awaiting_connect,
        authenticating,  // AUTH packets go to and fro
        opening,         // has its session; CONNACK waits for the store
        connected,
        closing,  // after DISCONNECT: what that asks for is being stored
        closed,   // says and hears nothing more
    };

    /// What is kept only while a CONNECT is being decided.
    struct Connecting {
        PeerInfo peer;
        std::string assigned_id;  // the client has shown none
        std::string core_id;      // core_client_id() of the id that counts
        AuthToken token = 0;      // of the login, until it is decided
        bool is_waiting = false;  // for on_login_decided()
        bool wants_response_information = false;
        std::uint32_t session_expiry_interval = 0;  // asked for
        MonotonicTime timeout_at = never;
        // While `opening`:
        ByteBuffer connack;
        StoreTicket connack_ticket = 0;
        bool has_resumed = false;     // there was a session before
        bool must_be_stored = false;  // else CONNACK leaves though the store fails
    };

    /// What SUBACK and UNSUBACK say.
    struct FilterReply {
        std::vector<ReasonCode> reasons;
        std::vector<TopicFilter> added;  // new subscriptions: they go if they cannot be stored
        std::size_t bytes() const;
    };

    /// A reply that waits until what it promises is stored.
    struct PendingReply {
        StoreTicket ticket;
        std::uint16_t packet_id;
        ReasonCode reason;
        PacketType type;
        std::unique_ptr<FilterReply> filters;  // of SUBACK and UNSUBACK
        std::size_t bytes() const { return sizeof(*this) + (filters ? filters->bytes() : 0); }
    };

    /// What few connections need, made when first needed.
    struct Rare {
        std::unique_ptr<InboundAliases> inbound_aliases;
        std::unique_ptr<OutboundAliases> outbound_aliases;
        std::deque<PendingReply> pending_replies;
        std::size_t pending_reply_bytes = 0;
        std::size_t unsent_bytes = 0;  // while pause_for_output, when it was last looked at
        std::size_t pending_puback_count = 0;
        AuthToken reauthentication = 0;  // that is going on; 0: none
        bool is_reauthentication_pending = false;
        std::string authentication_method;
        ReadingRates rates;
        MonotonicTime paused_until = never;  // by a rate
        MonotonicTime gives_up_at = never;   // something could not be stored nor be said
        ReasonCode gives_up_reason = ReasonCode::success;
        ConnectionEnd goodbye;  // while `closing`, as the next
        StoreTicket goodbye_ticket = 0;
    };

    /// Why nothing is read; bits.
    enum Pause : std::uint8_t {
        pause_for_rate = 1,
        pause_for_access = 2,
        pause_for_login = 4,
        pause_for_session = 8,   // CONNACK waits for the store
        pause_for_output = 16,   // the client does not read what it causes
        pause_for_replies = 32,  // the store is slower than the client
    };

    /// Whether a packet was dealt with, or must be given again later.
    enum class Step : std::uint8_t { done, wait };

    // SessionLink
    bool on_delivery(const DeliveryView& delivery) override;
    void on_release(std::uint16_t packet_id) override;
    void on_session_lost(ReasonCode reason) override;
    void on_stored(StoreTicket ticket, StoreOutcome outcome) override;
    void on_access_decided() override;
    void on_login_decided(LoginAnswer& answer) override;

    Step on_frame(const Frame& frame);
    Step on_connected_frame(const Frame& frame);

    // connect.cpp
    Step on_connect(Bytes body);
    std::string_view client_id_of(const ConnectPacket& packet) const;
    bool check_connect(const ConnectPacket& packet, std::string_view client_id);
    bool check_will(const ConnectPacket& packet);
    Step begin_connect(const ConnectPacket& packet);
    Credentials credentials_of(const ConnectPacket& packet) const;
    SessionTerms terms_of(const ConnectPacket& packet) const;
    void take_answer(LoginAnswer& answer);
    void finish_connect(const LoginAnswer& answer);
    void keep_connection_settings(const ConnectPacket& packet);
    void on_connack_stored(StoreOutcome outcome);
    void encode_connack_to(ByteBuffer& out, const OpenedSession& opened,
                           std::string_view auth_data);
    void refuse_connect(Version version, ReasonCode reason, std::string_view text);
    void refuse_connect(const ConnectPacket& packet, ReasonCode reason, std::string_view text);
    void on_auth(const Frame& frame);
    void on_connect_auth(const AuthPacket& packet);
    void on_reauthentication(const AuthPacket& packet);
    void take_reauthentication_answer(const LoginAnswer& answer);
    void send_auth(ReasonCode reason, std::string_view method, std::string_view data);

    // publish.cpp
    Step on_publish(const Frame& frame);
    bool is_memory_scarce();
    bool resolve_topic(const PublishPacket& packet, std::string_view& topic);
    ReasonCode judge_publish(const PublishPacket& packet);
    void answer_publish(const PublishPacket& packet, const PublishOutcome& outcome);
    bool exceeds_receive_maximum(const PublishPacket& packet) const;
    void on_ack(const Frame& frame);
    void reply(PacketType type, std::uint16_t packet_id, ReasonCode reason, StoreTicket ticket);
    bool is_held_back(StoreTicket ticket) const;
    void hold(PendingReply&& reply);
    void refuse_unstored(const PendingReply& reply, StoreOutcome outcome);
    void refuse_unstored(PacketType type, std::uint16_t packet_id, FilterReply& reply,
                         StoreOutcome outcome);
    void give_up_later(ReasonCode reason);
    void send_ack(PacketType type, std::uint16_t packet_id, ReasonCode reason);

    // subscribe.cpp
    Step on_subscribe(const Frame& frame);
    Step on_unsubscribe(const Frame& frame);
    SubscribeAnswer subscribe_one(const SubscribePacket& packet, const SubscriptionEntry& entry,
                                  const TopicFilter& filter);
    void reply(PacketType type, std::uint16_t packet_id, FilterReply&& filters, StoreTicket ticket);
    void send_filter_reply(PacketType type, std::uint16_t packet_id, const FilterReply& filters);

    void on_disconnect(const Frame& frame);
    bool waits_to_close(const ConnectionEnd& end);
    void finish_disconnect(StoreOutcome outcome);
    /// Ends the connection for what the peer did: tells it where the version can, and the session.
    void fail(ReasonCode reason, std::string_view text);
    void fail(DecodeError error) { fail(reason_code(error), decode_error_text(error)); }
    /// Says DISCONNECT where the version has it, and closes; the session is told by the caller.
    void say_goodbye(ReasonCode reason, std::string_view text);
    /// Nothing is said or heard any more, and no login goes on.
    void shut(CloseMode mode);
    void forget_logins();
    void end_session(const ConnectionEnd& end);
    void count_sent(PacketType type);
    bool fits(std::size_t bytes) const { return bytes <= client_packet_bytes_max_; }
    Rare& rare();
    void note_output();
    bool is_over_rate(PacketType type);
    void note_bytes(std::size_t bytes);
    bool pause_until(MonotonicTime when, Counter& pauses);
    void arm_deadline();
    void pause(Pause why) { pauses_.add(why, connection_); }
    void unpause(Pause why);
    void check_replies();
    bool has_read_meanwhile();
    bool connecting_is_waiting() const { return connecting_ && connecting_->is_waiting; }
    bool is_v5() const { return version_ == Version::v5; }
    MonotonicTime now() const { return broker_.now().monotonic; }

    Broker& broker_;
    StreamConnection& connection_;
    std::shared_ptr<const MachineOptions> options_;
    Session* session_ = nullptr;
    std::unique_ptr<Connecting> connecting_;
    std::unique_ptr<Rare> rare_;
    MonotonicTime last_received_;
    std::uint32_t keep_alive_ms_ = 0;  // after which silence is too long; 0: never
    std::uint32_t client_packet_bytes_max_ = protocol_packet_bytes_max;
    std::uint16_t client_topic_alias_maximum_ = 0;
    State state_ = State::awaiting_connect;
    Version version_ = Version::v5;
    bool has_version_ = false;
    bool wants_problem_information_ = true;
    bool had_session_expiry_ = false;
    ReadingPause pauses_;
};

}  // namespace gw::mqtt
