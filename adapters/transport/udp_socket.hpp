#pragma once

#include "adapters/machine/datagram_machine.hpp"
#include "broker-core/base/result.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace gw::transport {

/// How to listen for datagrams. Sizes 0: the system's.
struct UdpOptions {
    int receive_buffer_bytes = 0;
    int send_buffer_bytes = 0;
    std::uint32_t datagram_bytes_max = 65507;  // longer ones are dropped
    std::size_t unsent_bytes_max = 8 << 20;    // waiting for room in the socket; more is dropped
};

/// A multicast group to join and to send to.
struct MulticastGroup {
    IpAddress address;
    std::uint16_t port = 0;
    std::string interface;  // name; empty: the system's choice
    int hop_count_max = 1;  // TTL
};

/// The addresses of this machine that datagrams came to, numbered for DatagramPeer::local. Shared
/// by the sockets of one listener, since one may answer what came to another. Any thread.
class LocalAddresses {
public:
    struct Entry {
        IpAddress ip;
        std::uint32_t interface_index = 0;  // of link-local addresses
        bool operator==(const Entry&) const = default;
    };

    /// The number of an address; 0, "whatever the system takes", when there are too many.
    std::uint8_t number_of(const Entry& address);
    const Entry& find(std::uint8_t number) const { return entries_[number]; }

private:
    static constexpr std::size_t count_max = 128;

    std::array<Entry, count_max> entries_;  // those below count_ never change
    std::atomic<std::size_t> count_{1};
    std::mutex mutex_;  // guards adding
};

/// A bound, non-blocking UDP socket that reads and writes in batches of 64. One thread.
class UdpSocket {
public:
    /// One of several sockets at the same place (SO_REUSEPORT); the system spreads peers over them.
    /// The port may be 0: a free one. May block for the name of the host.
    static Result<std::unique_ptr<UdpSocket>> listen(const std::string& host, std::uint16_t port,
                                                     const UdpOptions& options,
                                                     std::shared_ptr<LocalAddresses> locals);
    /// A socket that hears what is sent to the group.
    static Result<std::unique_ptr<UdpSocket>> join(const MulticastGroup& group,
                                                   const UdpOptions& options);
    ~UdpSocket();
    UdpSocket(const UdpSocket&) = delete;
    UdpSocket& operator=(const UdpSocket&) = delete;

    int fd() const { return fd_; }
    /// Where it listens: "127.0.0.1:1884".
    const std::string& address() const { return address_; }
    std::uint16_t port() const { return port_; }
    bool is_loopback() const { return is_loopback_; }

    /// Reads one batch. Calls `on_datagram(DatagramPeer, std::span<std::uint8_t>)` for each; the
    /// bytes are good until the next batch. @return whether there may be more.
    template <class OnDatagram>
    bool receive(const OnDatagram& on_datagram) {
        const std::size_t count = receive_batch();
        for (std::size_t i = 0; i < count; ++i) {
            DatagramPeer peer;
            const std::span<std::uint8_t> bytes = received(i, peer);
            if (bytes.data() != nullptr) {
                on_datagram(peer, bytes);
            }
        }
        return count == batch_count;
    }

    /// Begins and ends a datagram; see DatagramPort. Nothing is sent before flush().
    ByteBuffer& begin(const DatagramPeer& to);
    void finish();
    /// Whether a whole batch waits and the socket would take it.
    bool is_full() const { return !is_blocked_ && queue_.size() - next_unsent_ >= batch_count; }
    /// Sends what waits. False: the socket takes no more; try again when it is writable.
    bool flush();
    bool has_unsent() const { return next_unsent_ < queue_.size(); }
    /// Sends one datagram to a group at once.
    void send_to_group(const MulticastGroup& group, Bytes datagram, std::uint8_t radius);

    struct Counters {
        std::uint64_t datagrams_received = 0;
        std::uint64_t datagrams_sent = 0;
        std::uint64_t bytes_received = 0;
        std::uint64_t bytes_sent = 0;
        std::uint64_t too_long = 0;  // received, above datagram_bytes_max
        std::uint64_t unsent = 0;    // dropped, since the socket took no more
        std::uint64_t failed = 0;    // refused by the system
    };
    const Counters& counters() const { return counters_; }

private:
    static constexpr std::size_t batch_count = 64;
    struct Batch;
    struct Unsent {
        DatagramPeer to;
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    UdpSocket(int fd, int family, const UdpOptions& options,
              std::shared_ptr<LocalAddresses> locals);
    void note_bound(bool is_wildcard);
    std::size_t receive_batch();
    std::span<std::uint8_t> received(std::size_t index, DatagramPeer& peer);
    std::uint8_t local_of(const msghdr& header);
    void fill(std::size_t slot, const Unsent& unsent);
    void forget_sent();
    std::size_t control_for(std::size_t slot, const LocalAddresses::Entry& local);

    const int fd_;
    const int family_;
    const UdpOptions options_;
    std::string address_;
    std::uint16_t port_ = 0;
    bool is_loopback_ = false;
    std::unique_ptr<Batch> in_, out_;
    std::unique_ptr<std::uint8_t[]> received_;  // batch_count times datagram_bytes_max
    const std::shared_ptr<LocalAddresses> locals_;
    ByteBuffer sending_;
    std::vector<Unsent> queue_;
    std::size_t next_unsent_ = 0;
    bool is_blocked_ = false;  // the socket took no more
    Counters counters_;
};

}  // namespace gw::transport
