#pragma once

#include "adapters/machine/reading_pause.hpp"
#include "adapters/machine/reading_rates.hpp"
#include "adapters/machine/stream_machine.hpp"
#include "adapters/stomp/codec/frame_writer.hpp"
#include "adapters/stomp/codec/values.hpp"
#include "adapters/stomp/machine/options.hpp"
#include "adapters/stomp/machine/subscription_table.hpp"
#include "adapters/stomp/machine/transactions.hpp"
#include "adapters/stomp/machine/unacked_table.hpp"
#include "broker-core/broker/broker.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::stomp {

/// The server's side of one STOMP connection, versions 1.0 to 1.2: turns frames into calls of the
/// broker core and deliveries into MESSAGE frames. Pure: bytes and time come in, bytes go to the
/// StreamConnection. One worker's thread. docs/protocols/stomp.md has the rules one by one.
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
        opening,  // has a session; CONNECTED leaves when it is stored
        connected,
        disconnecting,  // after DISCONNECT: receipts that wait for the store leave before the end
        closed,         // says and hears nothing more
    };

    /// Whether a frame was dealt with, or must be given again later.
    enum class Step : std::uint8_t { done, wait };

    /// Why nothing is read; bits.
    enum Pause : std::uint8_t {
        pause_for_rate = 1,
        pause_for_access = 2,
        pause_for_login = 4,
        pause_for_output = 8,     // the client does not read what it causes
        pause_for_receipts = 16,  // the store is slower than the client
        pause_for_session = 32,   // CONNECTED waits for the store
    };

    /// What is kept only while a CONNECT is being decided.
    struct Connecting {
        PeerInfo peer;
        std::string assigned_id;
        AuthToken token = 0;
        bool is_waiting = false;  // for on_login_decided()
        std::string receipt;      // that CONNECT asked for, as it was written, while it waits
        std::size_t bytes_taken = 0;
        MonotonicTime timeout_at = never;
        StoreTicket ticket = 0;       // of the session, while State::opening; as the next two
        bool must_be_stored = false;  // see OpenedSession
        bool has_resumed = false;
    };

    /// A RECEIPT that waits until what it promises is stored, or for one before it.
    struct PendingReceipt {
        StoreTicket ticket;
        std::string id;  // empty: none was asked for, yet DISCONNECT must wait
    };

    /// A delivery that came before the client has named the subscription again.
    struct ParkedDelivery {
        MessagePtr message;
        std::vector<std::uint32_t> identifiers;
        std::uint16_t packet_id;
        Qos qos;
        bool retain;
        bool is_resend;
        std::vector<std::uint32_t> given;  // numbers of subscriptions that have got it
    };

    /// What few connections need, made when first needed.
    struct Rare {
        explicit Rare(const MachineOptions& options) : transactions(options) {}
        Transactions transactions;
        std::deque<PendingReceipt> receipts;
        std::size_t receipt_bytes = 0;
        std::set<std::string> unnamed;  // filters of the session, not subscribed here yet
        std::deque<ParkedDelivery> parked;
        ReadingRates rates;
        MonotonicTime paused_until = never;  // by a rate
    };

    // SessionLink
    bool on_delivery(const DeliveryView& delivery) override;
    void on_release(std::uint16_t packet_id) override;
    void on_session_lost(ReasonCode reason) override;
    void on_stored(StoreTicket ticket, StoreOutcome outcome) override;
    void on_access_decided() override;
    void on_login_decided(LoginAnswer& answer) override;

    Step on_frame(Bytes bytes);
    Step on_connected_frame(const Frame& frame);
    bool is_listening() const {
        return state_ == State::awaiting_connect || state_ == State::opening ||
               state_ == State::connected;
    }
    bool is_over_budget(std::size_t bytes);
    FrameLimits limits() const;

    // connect.cpp
    Step on_connect(const Frame& frame, Bytes head);
    bool check_heart_beat(const Frame& frame);
    Step begin_connect(const Frame& frame);
    SessionTerms terms() const;
    void take_answer(LoginAnswer& answer);
    void forget_login();
    void finish_connect(const OpenedSession& opened);
    void on_session_stored(StoreOutcome outcome);
    void welcome(bool session_present);
    void collect_unnamed();
    void send_connected(bool session_present);

    // send.cpp
    Step on_send(const Frame& frame);
    bool is_memory_scarce();
    bool resolve_destination(const Frame& frame, std::string_view& topic);
    void on_begin(const Frame& frame);
    Step on_commit(const Frame& frame);
    void on_abort(const Frame& frame);
    /// The transaction that the frame names; null with `is_named` when it is not open.
    Transaction* transaction_of(const Frame& frame, bool& is_named);
    bool add_to(Transaction& transaction, TransactionStep step);
    bool has_published(const PublishOutcome& outcome, std::string_view no_right);

    // subscribe.cpp
    Step on_subscribe(const Frame& frame);
    bool read_subscription(const Frame& frame, Subscription& fields);
    void on_unsubscribe(const Frame& frame);
    ReasonCode subscribe_core(const FilterEntry& entry, std::uint32_t number,
                              SubscribeRequest::Retained retained);
    void settle_subscriptions();
    void send_parked();

    // deliver.cpp
    bool deliver(const DeliveryView& delivery, std::span<const std::uint32_t> given = {});
    void park(const DeliveryView& delivery, std::vector<std::uint32_t> given = {});
    bool is_to_hold(const DeliveryView& delivery, std::string_view topic);
    bool may_be_named_later(std::string_view topic);
    std::uint64_t write_message(const Message& message, const Subscription& subscription,
                                bool is_retained, bool is_redelivered, bool is_one_of_many);
    void on_ack(const Frame& frame);
    std::optional<std::uint64_t> read_ack_number(const Frame& frame);
    void acknowledge(std::uint64_t number, bool is_refusal);
    void acknowledge_one(std::uint64_t number);
    void refuse_one(std::uint64_t number, FilterKind kind);
    void release_unacked(const Subscription& subscription, FilterKind kind);
    void park_again(std::uint64_t number);
    void send_refused();
    void settle(std::uint16_t packet_id, Qos qos);
    void settle_written();
    void note_output();
    void note_acknowledged();

    void on_disconnect(const Frame& frame);
    void finish_disconnect();
    ConnectionEnd end_for(ReasonCode reason) const;
    /// Answers the frame's receipt header, if it has one, when `ticket` is stored.
    void acknowledge_frame(const Frame& frame, StoreTicket ticket);
    void write_receipt(std::string_view id);
    void check_receipts();
    /// Ends the connection for what the client did, or for what befell it, with an ERROR frame.
    void fail(ReasonCode reason, std::string_view text);
    void fail_frame(DecodeError error) { fail(reason_code(error), decode_error_text(error)); }
    void refuse_unstored(StoreOutcome outcome, std::string_view receipt);
    void write_error(ReasonCode reason, std::string_view text, std::string_view raw_receipt);
    void say_goodbye(ReasonCode reason, std::string_view text);
    void end_session(ReasonCode reason);

    void pause(Pause why) { pauses_.add(why, connection_); }
    void unpause(Pause why);
    bool is_over_rate(Command command);
    void note_bytes(std::size_t bytes);
    bool pause_until(MonotonicTime when, Counter& pauses);
    void arm_deadline();
    void count_sent(Command command);
    ByteBuffer& output();
    Rare& rare();
    MonotonicTime now() const { return broker_.now().monotonic; }

    Broker& broker_;
    StreamConnection& connection_;
    std::shared_ptr<const MachineOptions> options_;
    Session* session_ = nullptr;
    std::unique_ptr<Connecting> connecting_;
    std::unique_ptr<Rare> rare_;
    std::unique_ptr<SubscriptionTable> subscriptions_;
    std::unique_ptr<UnackedTable> unacked_;
    std::vector<std::pair<std::uint16_t, Qos>> to_settle_;  // over once they are written
    FrameReader reader_;
    Bytes head_;  // of the frame that is being dealt with
    MonotonicTime last_received_;
    MonotonicTime last_sent_;
    std::uint64_t message_count_ = 0;        // MESSAGE frames sent
    std::uint32_t receive_interval_ms_ = 0;  // the client promised to send so often; 0: nothing
    std::uint32_t send_interval_ms_ = 0;     // we promised to
    std::uint32_t id_prefix_ = 0;            // of this connection's message ids
    State state_ = State::awaiting_connect;
    Version version_ = Version::v1_2;
    ReadingPause pauses_;
    bool is_window_full_ = false;   // more MESSAGEs are unacknowledged than may be
    bool is_named_client_ = false;  // brought a client-id: its session may outlive the connection
    bool has_started_ = false;      // deliveries flow
    bool has_new_subscription_ = false;
};

}  // namespace gw::stomp
