#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/base/timer_wheel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace gw::transport {

/// How a listener speaks DTLS 1.2 (RFC 6347).
struct DtlsOptions {
    std::string certificate_file;  // chain in PEM; empty: pre-shared keys only
    std::string key_file;
    std::string ca_file;  // who signs clients' certificates; empty: they are not asked
    bool requires_certificate = false;
    std::string ciphers;  // OpenSSL's notation; empty: the default list
    /// The key of a pre-shared identity, empty when it is not known. Any thread.
    std::function<std::string(const std::string& identity)> psk;
    Milliseconds handshake_timeout{30000};
    Milliseconds idle_timeout{300000};             // of associations that nobody has bound
    std::uint32_t association_count_max = 100000;  // of one worker
    int mtu_bytes = 1400;
};

/// Keys and settings of a DTLS listener, shared by its workers.
class DtlsContext {
public:
    /// @error invalid_argument: a file cannot be read, or holds no certificate or key
    static Result<std::shared_ptr<const DtlsContext>> make(const DtlsOptions& options);
    ~DtlsContext();
    DtlsContext(const DtlsContext&) = delete;
    DtlsContext& operator=(const DtlsContext&) = delete;

    const DtlsOptions& options() const { return options_; }

private:
    friend class DtlsPeers;
    struct Handle;

    explicit DtlsContext(const DtlsOptions& options);
    Result<void> load();
    std::uint64_t hash_key() const;

    DtlsOptions options_;
    std::unique_ptr<Handle> handle_;
};

/// The DTLS associations of one worker's socket. What has not shown that it receives at its address
/// (by returning a cookie) leaves no state. One thread.
class DtlsPeers {
public:
    class Sink {
    public:
        virtual ~Sink() = default;
        /// A datagram for the socket.
        virtual void send_raw(const DatagramPeer& to, Bytes datagram) = 0;
        /// What a peer sent, decrypted.
        virtual void on_plain(const DatagramPeer& peer, const TransportIdentityPtr& identity,
                              Bytes datagram) = 0;
        /// The association is gone, or is another identity's now.
        virtual void on_association_ended(const DatagramPeer& peer) = 0;
        /// Whether somebody handles the peer's datagrams: if not, an idle association may go.
        virtual bool is_bound(const DatagramPeer& peer) = 0;
    };

    DtlsPeers(std::shared_ptr<const DtlsContext> context, Sink& sink, MonotonicTime start);
    ~DtlsPeers();

    void on_datagram(const DatagramPeer& peer, std::span<std::uint8_t> datagram);
    /// Encrypts and sends. False: there is no association.
    bool send(const DatagramPeer& to, Bytes datagram);
    /// Says goodbye to a peer and forgets it.
    void close(const DatagramPeer& peer);
    void close_all();

    void set_now(MonotonicTime now) { now_ = now; }
    void on_deadline();
    MonotonicTime next_deadline() const { return ended_.empty() ? timers_.next_deadline() : now_; }
    std::size_t association_count() const { return peers_.size(); }

    struct Counters {
        std::uint64_t handshakes_completed = 0;
        std::uint64_t handshakes_failed = 0;
        std::uint64_t refused = 0;  // no room for another association
    };
    const Counters& counters() const { return counters_; }

    /// What OpenSSL reads from and writes to.
    struct Bio;

private:
    struct Association;
    struct Entry;
    struct Key {
        IpAddress ip;
        std::uint16_t port;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::uint64_t key;
        std::size_t operator()(const Key& place) const;
    };

    std::unique_ptr<Association> make_association();
    void listen(const DatagramPeer& peer, std::span<std::uint8_t> datagram);
    void feed(Association& association, std::span<std::uint8_t> datagram);
    void advance(Association& association);
    void complete(Association& association);
    void schedule(Association& association);
    void end(const Key& key);
    void drop_next(Entry& entry);

    std::shared_ptr<const DtlsContext> context_;
    Sink& sink_;
    MonotonicTime now_;
    TimerWheel timers_;
    std::unordered_map<Key, std::unique_ptr<Entry>, KeyHash> peers_;
    std::unique_ptr<Association> listening_;
    std::vector<Key> ended_;  // associations to end once nothing is on the stack
    Counters counters_;
};

}  // namespace gw::transport
