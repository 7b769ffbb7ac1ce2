#include "adapters/transport/udp_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gw::transport {

namespace {

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(in6_pktinfo));

Error system_error(const std::string& what) {
    return {Errc::io, what + ": " + std::generic_category().message(errno)};
}

void set_option(int fd, int level, int name, int value) {
    // A tuning that the system refuses is no reason not to listen.
    ::setsockopt(fd, level, name, &value, sizeof value);
}

void tune(int fd, const UdpOptions& options) {
    // Beyond the system's maximum where the program may, which takes a privilege.
    if (options.receive_buffer_bytes != 0 &&
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &options.receive_buffer_bytes,
                     sizeof options.receive_buffer_bytes) != 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
    }
    if (options.send_buffer_bytes != 0 &&
        ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &options.send_buffer_bytes,
                     sizeof options.send_buffer_bytes) != 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
    }
}

IpAddress ip_of(const in_addr& v4) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4, bytes.size());
    return IpAddress::from_v4(bytes);
}

IpAddress ip_of(const in6_addr& v6) {
    IpAddress ip;
    std::memcpy(ip.bytes.data(), &v6, ip.bytes.size());
    return ip;
}

in_addr v4_of(const IpAddress& ip) {
    in_addr v4{};
    std::memcpy(&v4, &ip.bytes[12], sizeof v4);
    return v4;
}

in6_addr v6_of(const IpAddress& ip) {
    in6_addr v6{};
    std::memcpy(&v6, ip.bytes.data(), sizeof v6);
    return v6;
}

/// Address and port of what the system gave; false when it is neither IPv4 nor IPv6.
bool place_of(const sockaddr_storage& storage, IpAddress& ip, std::uint16_t& port) {
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        ip = ip_of(v4.sin_addr);
        port = ntohs(v4.sin_port);
        return true;
    }
    if (storage.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
        ip = ip_of(v6.sin6_addr);
        port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

bool is_unspecified(const IpAddress& ip) {
    const std::size_t first = ip.is_v4() ? 12 : 0;
    return std::all_of(ip.bytes.begin() + static_cast<long>(first), ip.bytes.end(),
                       [](std::uint8_t byte) { return byte == 0; });
}

/// Fills `storage` for a socket of that family. @return its length.
socklen_t address_for(int family, const IpAddress& ip, std::uint16_t port, std::uint32_t scope,
                      sockaddr_storage& storage) {
    if (family == AF_INET) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        v4.sin_addr = v4_of(ip);
        v4.sin_port = htons(port);
        return sizeof v4;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = v6_of(ip);
    v6.sin6_port = htons(port);
    v6.sin6_flowinfo = 0;
    v6.sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ? scope : 0;
    return sizeof v6;
}

}  // namespace

/// What recvmmsg() and sendmmsg() want to point at.
struct UdpSocket::Batch {
    std::array<mmsghdr, batch_count> headers{};
    std::array<iovec, batch_count> parts{};
    std::array<sockaddr_storage, batch_count> addresses{};
    alignas(cmsghdr) std::array<std::array<std::uint8_t, control_bytes>, batch_count> controls{};

    Batch() {
        for (std::size_t i = 0; i < batch_count; ++i) {
            msghdr& header = headers[i].msg_hdr;
            header.msg_iov = &parts[i];
            header.msg_iovlen = 1;
            header.msg_name = &addresses[i];
        }
    }
};

// ----------------------------------------------------------------------------------- opening

UdpSocket::UdpSocket(int fd, int family, const UdpOptions& options,
                     std::shared_ptr<LocalAddresses> locals)
    : fd_(fd),
      family_(family),
      options_(options),
      in_(std::make_unique<Batch>()),
      out_(std::make_unique<Batch>()),
      received_(std::make_unique_for_overwrite<std::uint8_t[]>(
          std::size_t{options.datagram_bytes_max} * batch_count)),
      locals_(std::move(locals)) {
    for (std::size_t i = 0; i < batch_count; ++i) {
        in_->parts[i] = {received_.get() + i * options_.datagram_bytes_max,
                         options_.datagram_bytes_max};
    }
}

UdpSocket::~UdpSocket() {
    ::close(fd_);
}

void UdpSocket::note_bound(bool is_wildcard) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &length);
    DatagramPeer here;
    place_of(bound, here.ip, here.port);
    address_ = here.text();
    port_ = here.port;
    is_loopback_ = here.ip.is_loopback();
    // Answers must come from the address that was asked; behind a wildcard the system says which.
    if (is_wildcard) {
        if (family_ == AF_INET6) {
            set_option(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        }
        set_option(fd_, IPPROTO_IP, IP_PKTINFO, 1);
    }
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::listen(const std::string& host, std::uint16_t port,
                                                     const UdpOptions& options,
                                                     std::shared_ptr<LocalAddresses> locals) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string where = (host.find(':') == std::string::npos ? host : "[" + host + "]") +
                              ":" + std::to_string(port);
    const int failure = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                      std::to_string(port).c_str(), &hints, &found);
    if (failure != 0) {
        return Error{Errc::not_found, "cannot listen on " + where + ": " + ::gai_strerror(failure)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses{found, &::freeaddrinfo};
    const int fd = ::socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return system_error("cannot make a socket");
    }
    std::unique_ptr<UdpSocket> socket{
        new UdpSocket{fd, found->ai_family, options, std::move(locals)}};
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (found->ai_family == AF_INET6) {
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    tune(fd, options);
    if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        return system_error("cannot listen on " + where);
    }
    sockaddr_storage asked{};
    std::memcpy(&asked, found->ai_addr, found->ai_addrlen);
    IpAddress ip;
    std::uint16_t asked_port = 0;
    socket->note_bound(place_of(asked, ip, asked_port) && is_unspecified(ip));
    return socket;
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::join(const MulticastGroup& group,
                                                   const UdpOptions& options) {
    const int family = group.address.is_v4() ? AF_INET : AF_INET6;
    const std::string where = DatagramPeer{group.address, group.port}.text();
    const int fd = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return system_error("cannot make a socket");
    }
    std::unique_ptr<UdpSocket> socket{
        new UdpSocket{fd, family, options, std::make_shared<LocalAddresses>()}};
    // Others on this machine may hear the same group.
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    sockaddr_storage place{};
    const unsigned interface_index =
        group.interface.empty() ? 0 : ::if_nametoindex(group.interface.c_str());
    if (!group.interface.empty() && interface_index == 0) {
        return Error{Errc::not_found, "no network interface is named " + group.interface};
    }
    const socklen_t length = address_for(family, group.address, group.port, interface_index, place);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&place), length) != 0) {
        return system_error("cannot listen on " + where);
    }
    int joined = 0;
    if (family == AF_INET) {
        ip_mreqn request{};
        request.imr_multiaddr = v4_of(group.address);
        request.imr_ifindex = static_cast<int>(interface_index);
        joined = ::setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
        // Only what comes to this group, not to others that someone on this machine has joined.
        set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    } else {
        ipv6_mreq request{};
        request.ipv6mr_multiaddr = v6_of(group.address);
        request.ipv6mr_interface = interface_index;
        joined = ::setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
    }
    if (joined != 0) {
        return system_error("cannot join the group " + where);
    }
    socket->note_bound(false);
    return socket;
}

// ---------------------------------------------------------------------------------- receiving

std::size_t UdpSocket::receive_batch() {
    for (mmsghdr& message : in_->headers) {
        message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    }
    for (std::size_t i = 0; i < batch_count; ++i) {
        in_->headers[i].msg_hdr.msg_control = in_->controls[i].data();
        in_->headers[i].msg_hdr.msg_controllen = control_bytes;
    }
    const int count = ::recvmmsg(fd_, in_->headers.data(), batch_count, MSG_DONTWAIT, nullptr);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::span<std::uint8_t> UdpSocket::received(std::size_t index, DatagramPeer& peer) {
    const mmsghdr& message = in_->headers[index];
    ++counters_.datagrams_received;
    counters_.bytes_received += message.msg_len;
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        ++counters_.too_long;
        return {};
    }
    // Port 0 cannot be answered.
    if (!place_of(in_->addresses[index], peer.ip, peer.port) || peer.port == 0) {
        return {};
    }
    peer.local = local_of(message.msg_hdr) & 127U;
    return {received_.get() + index * options_.datagram_bytes_max, message.msg_len};
}

std::uint8_t UdpSocket::local_of(const msghdr& header) {
    auto* const mutable_header = const_cast<msghdr*>(&header);  // CMSG_NXTHDR takes no const
    for (cmsghdr* control = CMSG_FIRSTHDR(mutable_header); control != nullptr;
         control = CMSG_NXTHDR(mutable_header, control)) {
        LocalAddresses::Entry local;
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof info);
            local.ip = ip_of(info.ipi_spec_dst);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof info);
            local.ip = ip_of(info.ipi6_addr);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
                local.interface_index = info.ipi6_ifindex;
            }
        } else {
            continue;
        }
        return locals_->number_of(local);
    }
    return 0;
}

std::uint8_t LocalAddresses::number_of(const Entry& address) {
    const auto look = [&](std::size_t first, std::size_t end) -> std::uint8_t {
        for (std::size_t i = first; i < end; ++i) {
            if (entries_[i] == address) {
                return static_cast<std::uint8_t>(i);
            }
        }
        return 0;
    };
    const std::size_t known = count_.load(std::memory_order_acquire);
    if (const std::uint8_t number = look(1, known); number != 0) {
        return number;
    }
    const std::lock_guard lock{mutex_};
    const std::size_t count = count_.load(std::memory_order_relaxed);
    if (const std::uint8_t number = look(known, count); number != 0) {
        return number;
    }
    if (count == count_max) {
        return 0;
    }
    entries_[count] = address;
    count_.store(count + 1, std::memory_order_release);
    return static_cast<std::uint8_t>(count);
}

// ------------------------------------------------------------------------------------ sending

ByteBuffer& UdpSocket::begin(const DatagramPeer& to) {
    queue_.push_back({to, sending_.size(), sending_.size()});
    return sending_;
}

void UdpSocket::finish() {
    Unsent& last = queue_.back();
    last.end = sending_.size();
    if (sending_.size() > options_.unsent_bytes_max) {
        ++counters_.unsent;
        sending_.truncate(last.begin);
        queue_.pop_back();
    }
}

std::size_t UdpSocket::control_for(std::size_t slot, const LocalAddresses::Entry& local) {
    auto* const control = reinterpret_cast<cmsghdr*>(out_->controls[slot].data());
    if (local.ip.is_v4()) {
        in_pktinfo info{};
        info.ipi_spec_dst = v4_of(local.ip);
        control->cmsg_level = IPPROTO_IP;
        control->cmsg_type = IP_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof info);
        std::memcpy(CMSG_DATA(control), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    in6_pktinfo info{};
    info.ipi6_addr = v6_of(local.ip);
    info.ipi6_ifindex = local.interface_index;
    control->cmsg_level = IPPROTO_IPV6;
    control->cmsg_type = IPV6_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(control), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

void UdpSocket::fill(std::size_t slot, const Unsent& unsent) {
    const LocalAddresses::Entry& local = locals_->find(unsent.to.local);
    msghdr& header = out_->headers[slot].msg_hdr;
    header.msg_namelen = address_for(family_, unsent.to.ip, unsent.to.port, local.interface_index,
                                     out_->addresses[slot]);
    out_->parts[slot] = {sending_.data() + unsent.begin, unsent.end - unsent.begin};
    const bool has_local = unsent.to.local != 0;
    header.msg_control = has_local ? out_->controls[slot].data() : nullptr;
    header.msg_controllen = has_local ? control_for(slot, local) : 0;
}

bool UdpSocket::flush() {
    while (has_unsent()) {
        const std::size_t count = std::min(batch_count, queue_.size() - next_unsent_);
        for (std::size_t i = 0; i < count; ++i) {
            fill(i, queue_[next_unsent_ + i]);
        }
        const int sent =
            ::sendmmsg(fd_, out_->headers.data(), static_cast<unsigned>(count), MSG_NOSIGNAL);
        if (sent > 0) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) {
                counters_.bytes_sent += out_->parts[i].iov_len;
            }
            counters_.datagrams_sent += static_cast<std::uint64_t>(sent);
            next_unsent_ += static_cast<std::size_t>(sent);
            continue;
        }
        if (errno == EAGAIN || errno == ENOBUFS) {
            forget_sent();
            is_blocked_ = true;
            return false;
        }
        if (errno != EINTR) {
            ++counters_.failed;  // this one datagram: no route, too long, forbidden
            ++next_unsent_;
        }
    }
    queue_.clear();
    sending_.clear();
    next_unsent_ = 0;
    is_blocked_ = false;
    return true;
}

/// Gives the room of what was sent to what comes.
void UdpSocket::forget_sent() {
    if (next_unsent_ == 0) {
        return;
    }
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(next_unsent_));
    next_unsent_ = 0;
    const std::size_t gone = queue_.front().begin;
    sending_.consume(gone);
    for (Unsent& unsent : queue_) {
        unsent.begin -= gone;
        unsent.end -= gone;
    }
}

void UdpSocket::send_to_group(const MulticastGroup& group, Bytes datagram, std::uint8_t radius) {
    const int hops = radius == 0 ? group.hop_count_max : std::min<int>(radius, group.hop_count_max);
    const unsigned interface_index =
        group.interface.empty() ? 0 : ::if_nametoindex(group.interface.c_str());
    if (group.address.is_v4()) {
        set_option(fd_, IPPROTO_IP, IP_MULTICAST_TTL, hops);
        ip_mreqn request{};
        request.imr_ifindex = static_cast<int>(interface_index);
        ::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
    }
    if (family_ == AF_INET6) {
        set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
        set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(interface_index));
    } else if (!group.address.is_v4()) {
        ++counters_.failed;  // an IPv4 socket reaches no IPv6 group
        return;
    }
    sockaddr_storage to{};
    const socklen_t length = address_for(family_, group.address, group.port, interface_index, to);
    const ssize_t sent = ::sendto(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&to), length);
    if (sent < 0) {
        ++counters_.failed;
        return;
    }
    ++counters_.datagrams_sent;
    counters_.bytes_sent += datagram.size();
}

}  // namespace gw::transport
