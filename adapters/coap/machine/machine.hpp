#pragma once

#include "adapters/coap/codec/request.hpp"
#include "adapters/coap/codec/response.hpp"
#include "adapters/coap/codec/target.hpp"
#include "adapters/coap/machine/client.hpp"
#include "adapters/coap/machine/content.hpp"
#include "adapters/coap/machine/duplicate_table.hpp"
#include "adapters/coap/machine/endpoint_table.hpp"
#include "adapters/coap/machine/observation_index.hpp"
#include "adapters/coap/machine/options.hpp"
#include "adapters/coap/machine/state.hpp"
#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/slot_pool.hpp"
#include "broker-core/base/timer_wheel.hpp"
#include "broker-core/broker/broker.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gw::coap {

/// One worker's part of a CoAP listener: the message layer (RFC 7252), Observe (RFC 7641), block-
/// wise transfers (RFC 7959), and topics as resources. A request is handled by the worker that
/// owns the session of the client id it names, else by the one whose socket got it. Message ids of
/// what is sent say which worker has sent it, so acknowledgements find their way without a table.
/// Pure: datagrams and time come in, datagrams go to the DatagramPort. One worker's thread.
class Machine final : public DatagramMachine, private SessionLink {
public:
    Machine(Broker& broker, DatagramPort& port, MachineOptionsPtr options,
            std::shared_ptr<MachineShared> shared, Secrets& secrets);
    ~Machine() override;

    /// Settings from now on.
    void set_options(MachineOptionsPtr options) { options_ = std::move(options); }

    // DatagramMachine
    DatagramRoute route(Bytes datagram) override;
    void on_datagram(const DatagramSource& source, Bytes datagram) override;
    void on_peer_lost(const DatagramPeer& peer, std::uint32_t handle) override;
    void on_deadline() override;
    MonotonicTime next_deadline() const override { return timers_.next_deadline(); }
    void on_turn_end() override;
    void on_datagrams_lost(std::uint64_t too_long, std::uint64_t unsent) override;
    void on_shutdown(ReasonCode reason) override;

    std::size_t client_count() const { return clients_.size(); }
    std::size_t endpoint_count() const { return endpoints_.size(); }

private:
    friend class Client;

    /// A request that is being dealt with.
    struct Incoming {
        const DatagramSource& source;
        Bytes datagram;
        Request request;
        Target target{};
        Deferred* deferred = nullptr;              // when it comes again after having waited
        const OpenedSession* opened = nullptr;     // by the login that it has waited for
        std::uint64_t asker = 0;                   // a hash of who asks, see asker_of()
        bool is_repeat = false;                    // a copy of one that was answered
        bool is_proven = false;                    // the peer receives at its address
        std::optional<std::uint16_t> answer_id{};  // of an answer that is not confirmable
    };

    /// A login that is being decided, and the requests that wait for it.
    struct PendingLogin {
        std::vector<std::uint32_t> waiting;  // deferred; the first has asked for it
        Client* fresh = nullptr;             // whose login it is; null: of one that is there
        std::uint64_t hash = 0, key = 0;     // login_hash(), login_key()
        DatagramPeer peer;
        bool is_proven = false;
    };

    // SessionLink: of new proofs that are being judged
    bool on_delivery(const DeliveryView&) override { return true; }
    void on_release(std::uint16_t) override {}
    void on_session_lost(ReasonCode) override {}
    void on_stored(StoreTicket, StoreOutcome) override {}
    void on_access_decided() override {}
    void on_login_decided(LoginAnswer& answer) override;

    // machine.cpp: the message layer
    void on_message(const DatagramSource& source, const MessageView& message, Bytes datagram);
    void reject(const DatagramSource& source, Bytes datagram, DecodeError error);
    void on_request(const DatagramSource& source, const MessageView& message, Bytes datagram);
    bool on_duplicate(Incoming& in, Code answer);
    void repeat_answer(Incoming& in, Code answer);
    void process(Incoming& in);
    void respond(Incoming& in, const Response& response);
    void refuse(Incoming& in, Code code, std::string_view text);
    void send_empty(const DatagramPeer& to, Type type, std::uint16_t message_id);
    std::uint16_t next_message_id(Endpoint* endpoint);
    void settle();

    // deferred.cpp
    bool defer(Incoming& in, Deferred::Wait wait, Client* client);
    template <class Visit>
    void reopen(Deferred& deferred, const Visit& visit);
    void run(Deferred& deferred, const OpenedSession* opened);
    void refuse_deferred(Deferred& deferred, const LoginAnswer& answer, bool is_to_tell);
    void answer(Deferred& deferred, Code code);
    void answer(Incoming& in, Deferred& deferred, Code code);
    void drop(Deferred& deferred);
    void on_stored(Client& client, StoreTicket ticket, StoreOutcome outcome);
    void on_access_decided(Client& client);
    void on_deferred_deadline(Deferred& deferred);
    std::uint64_t deferred_key(const Incoming& in) const;

    // login.cpp
    PeerInfo peer_info(const DatagramSource& source) const;
    Origin origin_of(const DatagramPeer& peer) const;
    std::uint64_t login_hash(const Incoming& in) const;
    static std::uint64_t hash_identity(const DatagramSource& source, std::uint64_t hash);
    std::uint64_t asker_of(const DatagramSource& source, const MessageView& message) const;
    Client* login(Incoming& in);
    Client* login_by_token(Incoming& in);
    static std::string_view shown_username(const Incoming& in);
    static Credentials shown(const Incoming& in, std::string_view client_id, const PeerInfo& peer);
    std::uint64_t login_key(const Incoming& in) const;
    bool join_login(Incoming& in, std::uint64_t key);
    void await_login(Incoming& in, AuthToken token, Client* fresh);
    void refuse_login(Incoming& in, const OpenedSession& refused);
    SessionTerms plain_terms() const;
    Client* prove_again(Incoming& in, Client& present);
    void keep_proof(Client& client, std::uint64_t hash, const IpAddress& here);
    void settle_in(Client& client, const OpenedSession& opened, const DatagramPeer& peer,
                   bool is_proven);
    void leave_endpoint(Client& client);
    void leave_places(Client& client, const IpAddress& here);
    static bool is_same_asker(const Client& one, const Client& other);
    Client* open(Incoming& in, std::string_view client_id, SessionTerms&& terms,
                 OpenedSession& opened, bool keeps_expiry);
    std::string_view core_id(std::string_view client_id);
    std::string new_id();
    Client* find_client(std::string_view client_id);
    void touch(Client& client);
    void arm(Client& client);
    void on_client_deadline(Client& client);
    void ask_silent_observers(Client& client);
    void end_client(Client& client, const ConnectionEnd& end);
    void release_client(Client& client);
    void lose_session(Client& client, ReasonCode reason);

    // proof.cpp: Echo
    bool is_proven(const DatagramSource& source, const Request& request);
    void challenge(Incoming& in);
    std::uint64_t seal_of(const DatagramPeer& peer, std::uint32_t seconds) const;

    // publish.cpp
    void publish(Incoming& in);
    bool check_topic(Incoming& in);
    bool may_publish(Incoming& in, Client& client, const PublishRequest& wanted);
    void refuse_publish(Incoming& in, const PublishOutcome& outcome);
    bool is_over_rate(Client& client);
    bool meets_conditions(Incoming& in, const MessagePtr& retained);
    std::optional<Bytes> body_of(Incoming& in);
    std::optional<Bytes> add_block(Incoming& in, const Block& block, std::uint64_t key);
    void forget_upload(std::uint64_t key);
    std::uint64_t upload_key(const Incoming& in) const;

    // read.cpp
    void read(Incoming& in);
    void read_topic(Incoming& in, Client& client, bool is_lenient);
    bool may_read(Incoming& in, Client& client, std::string_view filter);
    bool serve_notified_block(Incoming& in, const Client& client);
    void on_block_fetched(Observation& observation, const Block& block);
    /// With a message's content, or with none. @return the code of the answer
    Code answer_message(Incoming& in, const Message* message, std::optional<std::uint32_t> observe);
    Code answer_content(Incoming& in, const Content& content, std::optional<std::uint32_t> observe);
    Etag etag_of(const Message& message) const;
    static Etag etag_of(Bytes payload, Bytes properties);
    void discover(Incoming& in);
    void answer_links(Incoming& in, const std::string& links);
    void append_topics(Incoming& in, Client& client, std::string& links);

    // observe.cpp
    void observe(Incoming& in);
    void let_flow(Client& client);
    void stop_observing(Incoming& in);
    Subscription* subscribe(Incoming& in, Client& client, const TopicFilter& filter);
    void answer_observation(Incoming& in, Observation& observation);
    Observation* find_observation(const Endpoint* endpoint, const Token& token) const;
    Observation& add_observation(Endpoint& endpoint, Subscription& subscription,
                                 const Incoming& in);
    /// What becomes of the subscription of an observation that ends.
    enum class Then : std::uint8_t { unsubscribe, keep };
    void remove_observation(Observation& observation, ReasonCode reason, Then then);
    void end_subscription(Subscription& subscription, Then then);
    void remove_all(Client& client, Then then);
    void lose_subscription(Client& client, std::string_view filter);
    void move_observations(Client& client, Endpoint& to);

    // notify.cpp
    bool deliver(Client& client, const DeliveryView& delivery);
    std::uint32_t notify(Client& client, const MessagePtr& message, std::uint16_t packet_id,
                         std::span<const std::uint32_t> identifiers);
    void wait_for_observer(Client& client, const MessagePtr& message, std::uint16_t packet_id);
    void park(Client& client, const MessagePtr& message, std::uint16_t packet_id);
    void unpark(Client& client);
    void finish(Client& client, std::uint16_t packet_id, ReasonCode reason);
    void suspend(Client& client);
    void resume(Client& client, Endpoint& at);
    void tell_end(Observation& observation, Code code);

    // sending.cpp
    Sending& sending_of(Endpoint& endpoint);
    void enqueue(Endpoint& endpoint, Notice notice);
    void send_separate(const DatagramPeer& to, const Token& token, const Response& response);
    void send_ping(Endpoint& endpoint);
    void go_on(Sending& sending);
    void send_notice(Endpoint& endpoint, Notice notice);
    void keep_large(Observation& observation, const MessagePtr& message);
    void send_confirmable(Sending& sending, Sending::State state, std::uint16_t message_id);
    Response notification_of(const Observation& observation, const Message& message) const;
    void on_acknowledged(Endpoint& endpoint, std::uint16_t message_id);
    void on_reset(Endpoint& endpoint, std::uint16_t message_id);
    void reject_reply(Sending& sending);
    void complete(Sending& sending, ReasonCode reason);
    void on_sending_deadline(Sending& sending);
    void wait_for_fetch(Sending& sending);
    void give_up(Endpoint& endpoint);
    void await_fetch(Observation& observation);
    Observation* observation_of_reply(const Sending& sending) const;
    void take_notices(Endpoint& at, const std::function<bool(const Observation&)>& is_meant,
                      std::vector<Notice>& out);
    void take_notices(Observation& observation, std::vector<Notice>& out);
    void take_notices(const Client& client, const Endpoint* except, std::vector<Notice>& out);
    void give_back(Client& client, const std::vector<Notice>& notices, ReasonCode reason);

    // connection.cpp
    void manage_connection(Incoming& in);
    void connect(Incoming& in);
    SessionTerms connection_terms(const Incoming& in) const;
    void begin_connection(Incoming& in, Client& client, const OpenedSession& opened);
    void answer_connect(Incoming& in, const Client& client);
    void refuse_connection(Client& client, Deferred& deferred);
    void keep_connection(Incoming& in);
    void disconnect(Incoming& in);
    std::string token_text(std::uint64_t token) const;
    Client* find_by_token(std::string_view text) const;

    Endpoint* find_endpoint(const DatagramPeer& peer);
    Endpoint& endpoint_of(const DatagramPeer& peer);
    void hold_association(Endpoint& endpoint);
    void release_association(Endpoint& endpoint);
    void check_needed(Endpoint& endpoint) { to_check_.push_back(endpoint.index); }
    MonotonicTime now() const { return broker_.now().monotonic; }
    Metrics& metrics() { return broker_.metrics(); }

    /// A delivery that is done with; told to the broker when control is not the broker's.
    struct Finished {
        Client* client;
        std::uint16_t packet_id;
        ReasonCode reason;
    };

    /// A client that has shown its connection's token, and from where.
    struct Resuming {
        Client* client;
        DatagramPeer peer;
    };

    Broker& broker_;
    DatagramPort& port_;
    MachineOptionsPtr options_;
    std::shared_ptr<MachineShared> shared_;
    Secrets& secrets_;
    const std::uint64_t hash_key_;
    TimerWheel timers_;
    DuplicateTable duplicates_;
    SlotPool<Endpoint> endpoints_;
    EndpointTable endpoint_table_;
    ObservationIndex observation_index_;
    SlotPool<Client> clients_;
    SlotPool<Deferred> deferred_;
    std::unordered_map<std::uint64_t, std::uint32_t> deferred_by_key_;
    std::unordered_map<AuthToken, PendingLogin> logins_;
    std::unordered_map<std::uint64_t, AuthToken> login_by_key_;
    std::unordered_map<std::uint64_t, Client*> by_token_;  // of clients with a connection
    std::unordered_map<std::uint64_t, std::unique_ptr<Upload>> uploads_;
    std::uint64_t upload_bytes_ = 0;
    std::vector<Finished> finished_;
    std::vector<Resuming> resuming_;
    std::vector<std::uint32_t> to_check_, gone_clients_;
    ByteBuffer scratch_;
    std::string route_scratch_;
    std::string id_scratch_;                 // of core_id()
    std::uint16_t last_message_number_ = 0;  // for peers without an endpoint
    bool is_settling_ = false;
    bool is_stopping_ = false;
};

}  // namespace gw::coap
