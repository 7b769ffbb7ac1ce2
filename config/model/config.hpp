#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/base/log.hpp"
#include "config/model/address.hpp"
#include "config/model/auth.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the rest of the program sees of the configuration: plain values, already checked against
/// their bounds. Each member names its key; meaning, default and bounds are declared once, in
/// config/schema/, and printed in docs/config-reference.md. A default-constructed Config is not
/// the default configuration: load() or defaults() makes one.
namespace gw::config {

enum class LogTarget { off, file, console, both };
/// local: loopback and Unix socket listeners only; automatic: those of Unix sockets, and the one
/// that is there when none is configured.
enum class Anonymous { no, yes, local, automatic };
enum class NoMatch { allow, deny };
enum class DenyAction { ignore, disconnect };
enum class RevokeAction { unsubscribe, disconnect };
enum class Takeover { strength, principal };  ///< who may have a session that is there
enum class StoreAck { memory, local };        ///< when an acknowledgement may leave
enum class DropPolicy { oldest, newest, qos0_first };
enum class ShareStrategy {
    random,
    round_robin,
    sticky,
    hash_clientid,
    hash_topic,
    least_inflight,
};

struct Node {
    std::string name;                         ///< node.name
    std::uint32_t worker_count = 0;           ///< node.workers; 0: one a core
    std::string data_dir;                     ///< node.data_dir
    std::uint32_t connection_count_max = 0;   ///< node.max_connections; 0: what the fd limit allows
    std::uint64_t memory_budget_bytes = 0;    ///< node.memory_budget; 0: 3/4 of machine or cgroup
    std::uint32_t shed_qos0_percent = 0;      ///< node.memory.shed_qos0, of the budget
    std::uint32_t pause_reading_percent = 0;  ///< node.memory.pause_reading
    std::uint32_t refuse_connect_percent = 0;  ///< node.memory.refuse_connect
};

struct Log {
    LogTarget target = LogTarget::console;  ///< log.console
    LogLevel level = LogLevel::info;        ///< log.console.level
    std::string file;                       ///< log.console.file
    std::uint64_t file_bytes_max = 0;       ///< log.console.size
    std::uint32_t file_count = 0;           ///< log.console.count
};

/// Who may do what before the access rules proper.
struct Access {
    Anonymous allow_anonymous = Anonymous::automatic;  ///< allow_anonymous
    NoMatch acl_nomatch = NoMatch::allow;              ///< acl_nomatch
};

/// The access rules.
struct Acl {
    std::string file;                                  ///< acl.file; empty: see Config::folder
    DenyAction deny_action = DenyAction::ignore;       ///< acl.deny_action
    RevokeAction revoked = RevokeAction::unsubscribe;  ///< acl.revoked
};

/// Who may read $SYS: clients whose address lies in a range, or that came by a Unix socket.
struct Administrators {
    std::vector<IpRange> ranges;
    bool unix_sockets = false;
    bool is_automatic =
        false;  ///< Unix sockets, and this machine where nobody configured a listener
};

/// Limits on who may come how often, and on those who have not said who they are.
struct Door {
    Administrators exempt;                        ///< door.exempt
    std::uint32_t address_rate = 0;               ///< door.address.connect_rate; 0: none
    std::uint32_t address_burst = 0;              ///< door.address.connect_burst
    std::uint32_t network_rate = 0;               ///< door.network.connect_rate; 0: none
    std::uint32_t network_burst = 0;              ///< door.network.connect_burst
    std::uint32_t unauthenticated_count_max = 0;  ///< door.max_unauthenticated; 0: none
    Milliseconds loop_lag_max{0};                 ///< door.max_loop_lag; 0: none
    std::uint32_t free_failure_count = 0;         ///< door.login.free_failures; 0: no back-off
    std::uint32_t address_failure_count = 0;      ///< door.login.address_failures
    Milliseconds login_delay{0};                  ///< door.login.delay
    Milliseconds login_delay_max{0};              ///< door.login.max_delay
    std::uint32_t flapping_count = 0;             ///< door.flapping.count; 0: none
    Milliseconds flapping_window{0};              ///< door.flapping.window
    Milliseconds flapping_ban{0};                 ///< door.flapping.ban
    std::uint32_t table_count = 0;                ///< door.table_size
    std::uint32_t ban_count_max = 0;              ///< door.max_bans
};

struct Sys {
    Administrators administrators;  ///< sys.administrators
    Milliseconds interval{0};       ///< mqtt.broker.sys_interval; 0: no $SYS ticks
};

/// What one client may cost.
struct Client {
    std::uint32_t client_id_bytes_max = 0;        ///< mqtt.max_clientid_len
    Milliseconds connect_timeout{0};              ///< mqtt.client.idle_timeout
    std::uint32_t unauthenticated_bytes_max = 0;  ///< mqtt.client.unauthenticated_bytes
    std::uint32_t publish_rate_max = 0;  ///< mqtt.client.max_publish_rate, messages/s; 0: none
    std::uint64_t byte_rate_max = 0;     ///< mqtt.client.max_byte_rate, bytes/s; 0: none
    std::uint32_t user_property_count_max = 0;  ///< mqtt.client.max_user_properties
    std::uint64_t unsent_bytes_max = 0;         ///< mqtt.client.max_unsent_bytes
};

/// What the server tells or demands of every MQTT client.
struct Mqtt {
    std::uint32_t packet_bytes_max = 0;  ///< mqtt.max_packet_size
    double keep_alive_backoff =
        0.75;                      ///< mqtt.keepalive_backoff; closed after 2 x this x keep alive
    Seconds server_keep_alive{0};  ///< mqtt.server_keepalive; 0: the client's own
    std::uint16_t receive_maximum = 0;        ///< mqtt.receive_maximum
    std::uint16_t topic_alias_maximum = 0;    ///< mqtt.topic_alias_maximum
    std::uint32_t topic_level_count_max = 0;  ///< mqtt.max_topic_levels
    std::uint32_t topic_bytes_max = 0;        ///< mqtt.max_topic_length
    std::uint8_t qos_max = 2;                 ///< mqtt.max_qos_allowed
    bool retain_available = true;             ///< mqtt.retain_available
    bool wildcard_subscription = true;        ///< mqtt.wildcard_subscription
    bool shared_subscription = true;          ///< mqtt.shared_subscription
    bool subscription_identifiers = true;     ///< mqtt.subscription_identifiers
    std::string server_reference;             ///< mqtt.server_reference; empty: none
    bool requires_websocket_protocol = true;  ///< mqtt.websocket_protocol_header
    bool ignore_loop_deliver = false;         ///< mqtt.ignore_loop_deliver
    std::string response_information;         ///< mqtt.response_information; empty: none
    ShareStrategy share_strategy =
        ShareStrategy::round_robin;  ///< mqtt.shared_subscription.strategy
};

struct Session {
    std::uint16_t inflight_count_max = 0;  ///< mqtt.session.max_inflight
    Seconds expiry_interval{0};            ///< mqtt.session.expiry_interval; 3.x; 0: never expires
    Seconds expiry_interval_max{0};        ///< mqtt.session.max_expiry_interval; 5.0; 0: no cap
    std::uint32_t subscription_count_max = 0;  ///< mqtt.session.max_subscriptions
    std::uint16_t awaiting_rel_count_max = 0;  ///< mqtt.session.max_awaiting_rel; 0: 65,535
    Takeover takeover = Takeover::strength;    ///< mqtt.session.takeover
    bool upgrade_qos = false;                  ///< mqtt.session.upgrade_qos
    std::uint64_t session_count_max = 0;       ///< mqtt.session.max_count; 0: no limit
};

struct Queue {
    std::uint32_t message_count_max = 0;       ///< mqtt.mqueue.max_length; 0: bytes only
    std::uint64_t bytes_max = 0;               ///< mqtt.mqueue.max_bytes; 0: count only
    bool store_qos0 = true;                    ///< mqtt.mqueue.store_qos0
    DropPolicy drop = DropPolicy::qos0_first;  ///< mqtt.mqueue.drop
};

struct Retainer {
    std::uint64_t message_count_max = 0;  ///< retainer.max_message_num; 0: no limit
    std::uint64_t payload_bytes_max = 0;  ///< retainer.max_payload_size; 0: no limit
    std::uint64_t bytes_max = 0;          ///< retainer.max_bytes; 0: no limit
    Seconds expiry_interval{0};           ///< retainer.expiry_interval; 0: never
};

struct Store {
    StoreAck ack = StoreAck::local;  ///< store.ack
    std::string file;                ///< store.file, within the data folder; empty: no store
};

struct Stomp {
    std::uint32_t header_count_max = 0;             ///< stomp.frame.max_headers
    std::uint32_t line_bytes_max = 0;               ///< stomp.frame.max_header_length
    std::uint32_t body_bytes_max = 0;               ///< stomp.frame.max_body_length
    Milliseconds heart_beat_min{0};                 ///< stomp.heartbeat.min; 0: none
    std::uint16_t unacked_count_max = 0;            ///< stomp.max_unacked
    std::uint32_t subscription_count_max = 0;       ///< stomp.max_subscriptions; 0: any number
    std::string destination_alias;                  ///< stomp.destination.alias; empty: none
    std::uint32_t transaction_count_max = 0;        ///< stomp.transaction.max_open
    std::uint32_t transaction_frame_count_max = 0;  ///< stomp.transaction.max_frames
    std::uint64_t transaction_bytes_max = 0;        ///< stomp.transaction.max_bytes
    Milliseconds transaction_timeout{0};            ///< stomp.transaction.timeout
};

struct Presence {
    bool enabled = true;   ///< module.presence
    std::uint8_t qos = 0;  ///< module.presence.qos
};

/// One line of listener.*.<name>.access.<N>; rules are kept in ascending order of N.
struct AccessRule {
    bool allow = true;
    std::optional<IpRange> range;  ///< none: `all`
};

/// Whether a listener's rules let this address in: the first rule that matches decides, and an
/// address that none matches is let in.
bool access_allows(const std::vector<AccessRule>& rules, const IpAddress& address);

/// What listeners of every kind share.
struct ListenerLimits {
    std::uint32_t client_count_max = 0;  ///< .max_clients; 0: no limit
    std::uint32_t connect_rate_max = 0;  ///< .max_conn_rate, connections/s; 0: no limit
    std::string mountpoint;              ///< .mountpoint, put before every topic; empty: none
    std::uint32_t unauthenticated_count_max = 0;  ///< .max_unauthenticated; 0: no limit
    std::uint32_t backlog_count = 0;              ///< .backlog
    std::optional<Anonymous> allow_anonymous;     ///< .allow_anonymous; none: the global one
    std::optional<StoreAck> store_ack;            ///< .store_ack; none: the global one
};

/// What a listener believes of proxies that speak the PROXY protocol.
struct ProxyProtocol {
    bool is_on = false;              ///< .proxy_protocol
    Milliseconds timeout{0};         ///< .proxy_protocol_timeout
    std::vector<IpRange> trusted;    ///< .proxy_protocol.trusted
    bool takes_common_name = false;  ///< .proxy_protocol.common_name
};

/// A listener at a TCP port, of any protocol.
struct TcpListener {
    std::string name;          ///< the <name> of listener.tcp.<name> or listener.stomp.<name>
    bool is_built_in = false;  ///< there since no listener is configured
    ListenAddress address;
    ListenerLimits limits;
    std::vector<AccessRule> access;          ///< .access.<N>
    std::uint32_t receive_buffer_bytes = 0;  ///< .recbuf; 0: the system's
    std::uint32_t send_buffer_bytes = 0;     ///< .sndbuf; 0: the system's
    ProxyProtocol proxy;
};

enum class TlsVerify { none, peer };
enum class TlsCrlCheck { leaf, chain };
enum class TlsVersions { tls_1_2_and_1_3, tls_1_3, tls_1_2 };
enum class TlsAlpnMismatch { accept, refuse };
/// Which name of a client's certificate is meant.
enum class CertificateField { off, cn, dn, san_dns, san_uri, san_email, fingerprint };

/// How a listener speaks TLS; file names may be empty.
struct Tls {
    /// .sni.<N>
    struct NamedCertificate {
        std::uint32_t number = 0;
        std::string certificate_file;  ///< .certfile
        std::string key_file;          ///< .keyfile
    };

    std::string certificate_file;  ///< .certfile
    std::string key_file;          ///< .keyfile
    std::string ca_file;           ///< .cacertfile
    TlsVerify verify = TlsVerify::none;
    bool requires_certificate = true;  ///< .fail_if_no_peer_cert
    std::uint32_t verify_depth = 0;    ///< .depth
    std::string crl_file;              ///< .crlfile
    TlsCrlCheck crl_check = TlsCrlCheck::leaf;
    std::vector<NamedCertificate> named_certificates;  ///< in ascending order of <N>
    std::string psk_file;
    std::string psk_hint;
    TlsVersions versions = TlsVersions::tls_1_2_and_1_3;  ///< .tls_versions
    std::string ciphers;
    std::string groups;
    bool honors_cipher_order = true;  ///< .honor_cipher_order
    std::string dh_file;              ///< .dhfile
    bool resumes_sessions = true;     ///< .reuse_sessions
    TlsAlpnMismatch alpn_mismatch = TlsAlpnMismatch::accept;
    Milliseconds handshake_timeout{0};
    std::uint32_t handshake_count_max = 0;                    ///< .max_handshakes; 0: no limit
    std::uint32_t handshake_rate_max = 0;                     ///< .max_handshake_rate; 0: no limit
    CertificateField username_from = CertificateField::off;   ///< .peer_cert_as_username
    CertificateField client_id_from = CertificateField::off;  ///< .peer_cert_as_clientid
    bool psk_as_username = false;
};

struct SslListener : TcpListener {
    Tls tls;
};

/// How a listener speaks HTTP.
struct Http {
    std::string path;                      ///< .path, of the upgrade to WebSocket
    std::string origins;                   ///< .origins, separated by commas
    std::vector<IpRange> trusted_proxies;  ///< .trusted_proxies
    std::string address_header;            ///< .proxy_address_header
    std::string port_header;               ///< .proxy_port_header
    std::uint32_t head_bytes_max = 0;      ///< .max_header_size
    Milliseconds request_timeout{0};       ///< .request_timeout
    std::uint64_t frame_bytes_max = 0;     ///< .max_frame_size
};

struct WsListener : TcpListener {
    Http http;
};

struct WssListener : WsListener {
    Tls tls;
};

struct SockJsListener : WssListener {
    bool speaks_tls = false;  ///< .tls
};

/// What all SockJS listeners have in common.
struct SockJs {
    std::string mqtt_path;   ///< sockjs.mqtt.path; empty: no such endpoint
    std::string stomp_path;  ///< sockjs.stomp.path; empty: no such endpoint
    Milliseconds heartbeat{0};
    Milliseconds disconnect_delay{0};
    std::uint32_t response_bytes_max = 0;  ///< sockjs.response_limit
    std::uint32_t session_count_max = 0;   ///< sockjs.max_sessions
    bool has_websocket = true;             ///< sockjs.websocket
    bool cookie_needed = false;
    std::string client_url;
    bool has_demo_page = false;      ///< sockjs.demo_page
    bool has_test_services = false;  ///< sockjs.test_services
};

struct UnixListener {
    std::string name;  ///< the <name> of listener.unix.<name>
    std::string path;
    ListenerLimits limits;
    std::uint32_t mode = 0;  ///< .mode: permission bits of the socket file
};

/// How a datagram listener speaks DTLS.
struct Dtls {
    bool enabled = false;          ///< .dtls
    std::string certificate_file;  ///< .certfile; empty: pre-shared keys only
    std::string key_file;          ///< .keyfile
    std::string ca_file;           ///< .cacertfile; empty: clients show no certificate
    /// .fail_if_no_peer_cert; none: where ca_file says whose count
    std::optional<bool> requires_certificate;
    std::string psk_file;               ///< .psk_file; empty: no pre-shared keys
    std::string ciphers;                ///< .ciphers; empty: the default list
    Milliseconds handshake_timeout{0};  ///< .handshake_timeout
};

struct MqttSnListener {
    std::string name;  ///< the <name> of listener.mqttsn.<name>
    ListenAddress address;
    ListenerLimits limits;
    std::vector<AccessRule> access;            ///< .access.<N>
    std::uint32_t receive_buffer_bytes = 0;    ///< .recbuf; 0: the system's
    std::uint32_t send_buffer_bytes = 0;       ///< .sndbuf; 0: the system's
    std::uint32_t datagram_bytes_max = 0;      ///< .max_packet_size
    std::optional<ListenAddress> multicast;    ///< .multicast; none: not announced
    std::string multicast_interface;           ///< .multicast_interface; empty: the system's choice
    std::uint8_t multicast_hop_count_max = 1;  ///< .multicast_ttl
    Dtls dtls;
};

/// What all MQTT-SN listeners share.
struct MqttSn {
    std::uint8_t gateway_id = 0;          ///< mqtt.sn.gateway_id
    Seconds advertise_interval{0};        ///< mqtt.sn.advertise_duration; 0: never
    Milliseconds retry_interval{0};       ///< mqtt.sn.retry_interval
    std::uint32_t retry_count_max = 0;    ///< mqtt.sn.retry_count
    double retry_backoff = 1.0;           ///< mqtt.sn.retry_backoff
    std::uint32_t topic_count_max = 0;    ///< mqtt.sn.max_topics
    bool connectionless_publish = false;  ///< mqtt.sn.enable_qos3
    std::string connectionless_username;  ///< mqtt.sn.qos3_username; empty: anonymous
    std::map<std::uint16_t, std::string> predefined_topics;  ///< mqtt.sn.predefined.topic.<N>
    std::string predefined_file;                       ///< mqtt.sn.predefined_file; empty: none
    std::map<std::uint32_t, std::string> sleep_rules;  ///< mqtt.sn.sleep.keep.<N>
    bool follows_proven_clients = false;               ///< mqtt.sn.address_change
    std::string username;                              ///< mqtt.sn.username; empty: none
    std::string password;                              ///< mqtt.sn.password; empty: none
};

/// A CoAP listener, over UDP or over DTLS.
struct CoapListener {
    std::string name;  ///< the <name> of listener.coap.<name> or listener.coaps.<name>
    ListenAddress address;
    ListenerLimits limits;
    std::vector<AccessRule> access;          ///< .access.<N>
    std::uint32_t receive_buffer_bytes = 0;  ///< .recbuf; 0: the system's
    std::uint32_t send_buffer_bytes = 0;     ///< .sndbuf; 0: the system's
    Dtls dtls;                               ///< of listener.coaps.<name>
};

enum class CoapEcho { never, large, always };

/// What all CoAP listeners share.
struct Coap {
    Seconds idle_time{0};                     ///< coap.keepalive
    Milliseconds ack_timeout{0};              ///< coap.ack_timeout
    std::uint32_t retransmit_count_max = 0;   ///< coap.max_retransmit
    Milliseconds piggyback_time{0};           ///< coap.piggyback_time
    std::uint32_t block_bytes = 0;            ///< coap.block_size
    Seconds confirm_interval{0};              ///< coap.observe_confirm
    std::uint32_t observation_count_max = 0;  ///< coap.max_observations
    std::uint64_t upload_bytes_max = 0;       ///< coap.max_uploads
    CoapEcho echo = CoapEcho::never;          ///< coap.echo
    bool tells_created = false;               ///< coap.created
    bool lists_topics = false;                ///< coap.list_topics
};

/// One line of mqtt.sn.sleep.keep.<N>.
struct SleepRule {
    std::string filter;
    std::uint32_t count_max = 0;  ///< messages of one topic; 0: all
};
/// Reads "filter all", "filter last" or "filter 5"; empty when it is none of these.
std::optional<SleepRule> parse_sleep_rule(std::string_view text);

struct Config {
    std::string folder;  ///< of the configuration file; empty: there is none
    Node node;
    Log log;
    Access access;
    Auth auth;
    Acl acl;
    Door door;
    Sys sys;
    Client client;
    Mqtt mqtt;
    Session session;
    Queue queue;
    Retainer retainer;
    Store store;
    Presence presence;
    MqttSn mqttsn;
    Stomp stomp;
    SockJs sockjs;
    std::vector<TcpListener> tcp_listeners;        ///< ordered by name
    std::vector<SslListener> ssl_listeners;        ///< ordered by name
    std::vector<TcpListener> stomp_listeners;      ///< ordered by name
    std::vector<SslListener> stomps_listeners;     ///< ordered by name; over TLS
    std::vector<WsListener> ws_listeners;          ///< ordered by name
    std::vector<WssListener> wss_listeners;        ///< ordered by name
    std::vector<SockJsListener> sockjs_listeners;  ///< ordered by name
    std::vector<UnixListener> unix_listeners;      ///< ordered by name
    std::vector<MqttSnListener> mqttsn_listeners;  ///< ordered by name
    Coap coap;
    std::vector<CoapListener> coap_listeners;   ///< ordered by name
    std::vector<CoapListener> coaps_listeners;  ///< over DTLS; ordered by name
};

}  // namespace gw::config
