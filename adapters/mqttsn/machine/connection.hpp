#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "adapters/mqttsn/codec/codec.hpp"
#include "adapters/mqttsn/machine/client_state.hpp"
#include "adapters/mqttsn/machine/options.hpp"
#include "adapters/mqttsn/machine/recent_publishes.hpp"
#include "broker-core/base/rate_limit.hpp"
#include "broker-core/base/small_text.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/broker.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::mqttsn {

class Gateway;

/// The gateway's side of one client, from its CONNECT until it disconnects or is lost: the states
/// of MQTT-SN 1.2, 6.14. Owned by the Gateway of the worker that owns the client id. A client that
/// is connected and does nothing costs sizeof(Connection) and no more: the rest is made when
/// needed.
class Connection final : public SessionLink, public TimerNode {
public:
    enum class State : std::uint8_t {
        connecting,  // will or decision are awaited
        active,
        asleep,  // messages wait for its PINGREQ
        awake,   // gets what has waited, until PINGRESP
        gone,    // to be destroyed at the end of the turn
    };

    Connection(Gateway& gateway, std::uint32_t handle, const DatagramSource& source);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // --- connect.cpp

    /// The CONNECT that this object was made for.
    void on_connect(const Connect& packet, const DatagramSource& source);
    /// Whether a CONNECT from the same peer is the one that was answered, sent again; if so it is
    /// answered again.
    bool repeats_connect(const Connect& packet);
    /// Goes on with a session that slept when the gateway ended; it has no address. False: the
    /// broker does not give the session.
    bool restore(Session& session, ClientState&& state);
    const std::string& client_id() const;

    // --- connection.cpp

    /// A message from the peer, of any type but CONNECT and SEARCHGW.
    void on_frame(const Frame& frame);
    void on_deadline();
    /// The end of a turn in which something has happened that settle() may have to follow.
    void settle();
    /// Another client is at the peer's address now.
    void on_peer_lost();
    /// The program stops. Sleepers stay as they are, to be found again at the next start.
    void on_shutdown(ReasonCode reason);
    /// Before destruction: nobody may call it any more.
    void abandon();

    // --- sleep.cpp

    /// PINGREQ with this client's id, from a peer that may be a new one.
    void on_client_ping(const DatagramSource& source);
    /// Whether the client is now at another address, which the datagram's source proves at once.
    bool follow(const DatagramSource& source);

    State state() const { return state_; }
    const Gateway& gateway() const { return gateway_; }
    std::uint32_t handle() const { return handle_; }
    bool is_at(const DatagramSource& source) const;
    bool has_address_of(const DatagramPeer& peer) const { return has_address_ && peer_ == peer; }
    /// What the network may change without the client's doing.
    void refresh(const DatagramSource& source) {
        peer_.local = source.peer.local;
        peer_.arrival = source.peer.arrival;
    }
    /// A CONNECT of the same client, from the same peer, has taken its place there.
    void make_way() { is_replaced_ = true; }

    // SessionLink
    bool on_delivery(const DeliveryView& delivery) override;
    void on_release(std::uint16_t packet_id) override;
    void on_session_lost(ReasonCode reason) override;
    void on_stored(StoreTicket ticket, StoreOutcome outcome) override;
    void on_access_decided() override;
    void on_login_decided(LoginAnswer& answer) override;
    void on_session_found(Session& session, SessionTerms& terms) override;
    std::uint32_t queued_count_max(std::string_view topic) const override;

private:
    /// What is kept only while a CONNECT is being decided.
    struct Connecting {
        enum class Step : std::uint8_t {
            deciding,
            will_topic,
            will_message,
            storing,  // there is a session; CONNACK leaves when it is stored
        } step = Step::deciding;
        std::string client_id;
        Flags flags;
        std::uint16_t duration = 0;
        PeerInfo peer;
        WillData will;
        AuthToken token = 0;
        bool is_waiting = false;  // for on_login_decided()
        std::uint8_t try_count = 0;
        MonotonicTime retry_at = never;
        MonotonicTime timeout_at = never;
        StoreTicket ticket = 0;       // in step `storing`, as the next two
        bool must_be_stored = false;  // see OpenedSession
        bool has_resumed = false;
        bool is_leaving = false;  // DISCONNECT came meanwhile, and is answered instead
    };
    /// One message to the client that it has to answer; one at a time (6.10).
    struct Outgoing {
        enum class Step : std::uint8_t {
            none,
            registering,  // REGISTER, then the message behind it
            publishing,   // PUBLISH at QoS 1 or 2
            releasing,    // PUBREL
        } step = Step::none;
        TopicIdType topic_id_type = TopicIdType::normal;
        Qos qos = Qos::at_most_once;
        bool retain = false;
        bool is_resend = false;
        bool is_unstored = false;          // the PUBREC that PUBREL answers is not stored yet
        std::uint8_t try_count = 0;        // times it was sent, in this step
        std::uint8_t rejection_count = 0;  // times the client did not know the topic id
        std::uint16_t topic_id = 0;
        std::uint16_t packet_id = 0;    // of the delivery
        std::uint16_t register_id = 0;  // of REGISTER
        MessagePtr message;             // null in step `releasing`
        MonotonicTime retry_at = never;

        /// It goes out once more: with DUP, if it is PUBLISH at QoS 1 or 2.
        void mark_resent() { is_resend = is_resend || step == Step::publishing; }
    };
    /// A reply that waits until what it promises is stored.
    struct PendingReply {
        StoreTicket ticket = 0;
        MessageType type = MessageType::puback;
        ReturnCode code = ReturnCode::accepted;
        Flags flags{};
        std::uint16_t topic_id = 0;
        std::uint16_t message_id = 0;
        std::string added{};  // filter that SUBSCRIBE has made
        bool ends = false;    // with DISCONNECT: it is the client's last
    };
    /// A SUBSCRIBE that was answered, to know its repetition (6.13).
    struct LastSubscribe {
        std::uint32_t hash = 0;  // of all but the DUP flag
        bool is_set = false;
        PendingReply reply;
    };
    /// A new address whose right to the client is being judged.
    struct Move {
        DatagramPeer peer;
        std::string node;
        AuthToken token = 0;
    };
    /// What a client needs that does more than being connected.
    struct Work {
        ClientState client;
        Outgoing outgoing;
        std::vector<PendingReply> replies;
        std::vector<std::string> waiting_input;  // behind a request that is being judged
        LastSubscribe last_subscribe;
        std::unique_ptr<RecentPublishes> recent_publishes;  // of a client that publishes
        std::unique_ptr<RateLimit> rate;
        std::unique_ptr<Move> move;
        std::uint32_t deliveries_left = 0;  // of an awake client, before its PINGRESP
        std::uint16_t next_register_id = 0;
        SmallText node;   // forwarder headers in front of each datagram
        SmallText proof;  // under which GatewayShared::proven knows the client
    };

    // connect.cpp
    void ask_for_will_topic();
    void ask_for_will_message();
    void ask_again();
    bool repeats_will(const Frame& frame) const;
    void log_in();
    void take_answer(LoginAnswer& answer);
    void on_will_topic(const WillTopic& packet);
    void on_will_message(const WillMessage& packet);
    void finish_connect(const OpenedSession& opened);
    void refuse_connect(ReasonCode reason, ReturnCode code);
    void keep_sleeper(Session& present);
    void prepare_takeover(Session& present);
    SessionTerms terms() const;
    void load_state(const Session& session);
    void forget_connection();
    void on_session_stored(StoreOutcome outcome);
    void begin();
    void become_active();
    void note_proof(const PeerInfo& peer);
    void on_connecting_frame(const Frame& frame);
    void on_connecting_deadline();
    Credentials credentials(std::string_view client_id, const PeerInfo& peer) const;

    // publish.cpp
    void on_publish(const Publish& packet, Bytes body);
    std::string_view topic_of(const Publish& packet, std::array<char, 2>& short_name);
    bool answer_repeated_publish(const Publish& packet, const PublishRequest& request, Bytes body);
    bool is_reply_pending(MessageType type, std::uint16_t message_id) const;
    ReturnCode judge_publish(const Publish& packet, std::string_view topic);
    void answer_publish(const Publish& packet, const PublishOutcome& outcome, Bytes body);
    void refuse_publish(const Publish& packet, ReturnCode code);
    bool is_over_rate();
    void on_pubrel(std::uint16_t message_id);

    // subscribe.cpp
    void on_register(const Register& packet);
    void on_subscribe(const Subscribe& packet, Bytes body);
    bool answer_repeated_subscribe(const Subscribe& packet, Bytes body);
    void on_unsubscribe(const Unsubscribe& packet);
    std::string_view name_of(const Flags& flags, const TopicReference& topic) const;
    std::optional<TopicFilter> filter_of(std::string_view name) const;
    std::uint16_t id_for_subscription(const Subscribe& packet, std::string_view name);
    void on_will_topic_update(const WillTopicUpdate& packet);
    void on_will_message_update(const WillMessageUpdate& packet);
    bool take_will_topic(WillData& will, Flags flags, std::string_view topic) const;
    std::unique_ptr<Will> make_will(const WillData& data) const;

    // delivery.cpp
    void start(Outgoing outgoing);
    void send_outgoing();
    void send_release();
    void send_outgoing_again();
    void retry_outgoing();
    void go_on();
    void update_blocked();
    bool is_id_untold() const;
    bool choose_topic_id(std::string_view topic, Outgoing& outgoing, bool& is_known);
    void send_publish(const Outgoing& outgoing);
    void on_regack(const Regack& packet);
    void on_puback(const Puback& packet);
    void on_pubrec(std::uint16_t message_id);
    void on_pubcomp(std::uint16_t message_id);
    void on_topic_rejected(const Puback& packet);
    void give_up(Outgoing outgoing, ReasonCode reason);

    // sleep.cpp
    void fall_asleep(std::uint16_t duration);
    void wake_up();
    void answer_ping();
    bool has_same_proof(const PeerInfo& peer) const;
    bool is_proven_by_dtls(const DatagramSource& source) const;
    void finish_ping_move(const DatagramSource& source, const LoginAnswer& answer);
    void move_to(const DatagramSource& source);

    // connection.cpp
    void on_connected_frame(const Frame& frame);
    void on_packet(const Packet& packet, Bytes body);
    void on_disconnect(const Disconnect& packet);
    void on_early_disconnect();
    void say_goodbye();
    void confirm_disconnect(StoreTicket ticket, bool ends);
    bool must_wait(const Frame& frame);
    void wait_for_access(MessageType type, Bytes body);
    void take_waiting_input();
    void reply(const PendingReply& reply);
    void send_reply(const PendingReply& reply);
    void refuse_unstored(PendingReply reply);
    void end_session(const ConnectionEnd& end);
    void leave();
    bool is_connected() const { return session_ != nullptr; }
    void lose(ReasonCode reason);
    void schedule();
    MonotonicTime silence_limit() const;
    void save_state();
    template <class Message>
    void send(const Message& packet);
    Work& work();
    MonotonicTime now() const;
    Broker& broker() const;
    const GatewayOptions& options() const;

    Gateway& gateway_;
    Session* session_ = nullptr;
    std::unique_ptr<Connecting> connecting_;
    std::unique_ptr<Work> work_;
    MonotonicTime last_received_;
    const std::uint32_t handle_;
    std::uint16_t keep_alive_ = 0;      // seconds, as CONNECT said; 0: never lost
    std::uint16_t sleep_duration_ = 0;  // seconds, as announced
    Flags connect_flags_;
    State state_ = State::connecting;
    bool has_address_ : 1 = true;
    bool is_replaced_ : 1 = false;        // see make_way()
    bool is_fresh_ : 1 = false;           // nothing came since CONNACK
    bool is_access_pending_ : 1 = false;  // a request waits for on_access_decided()
    bool is_to_settle_ : 1 = false;       // the gateway has it in its list
    bool is_counted_ : 1 = false;         // in GatewayShared::client_count
    DatagramPeer peer_;
};

}  // namespace gw::mqttsn
