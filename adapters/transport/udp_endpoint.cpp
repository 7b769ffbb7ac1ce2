#include "adapters/transport/udp_endpoint.hpp"

#include <algorithm>
#include <sys/epoll.h>
#include <utility>

namespace gw::transport {

UdpEndpoint::UdpEndpoint(WorkerLoop& loop, std::unique_ptr<UdpSocket> socket, UdpGroup& group,
                         UdpEndpointOptions options)
    : loop_(loop),
      worker_(loop.index()),
      socket_(std::move(socket)),
      group_(group),
      options_(std::move(options)),
      peers_(options_.hash_key) {
    if (options_.dtls) {
        dtls_ = std::make_unique<DtlsPeers>(options_.dtls, *this, loop.now());
    }
}

UdpEndpoint::~UdpEndpoint() = default;

void UdpEndpoint::start() {
    for (std::size_t i = 0; i < group_.endpoints.size(); ++i) {
        boxes_.push_back(std::make_unique<Box>());
    }
    outgoing_.resize(group_.endpoints.size());
    loop_.add_member(*this);
    interest_ = EPOLLIN;
    loop_.watch(*this, socket_->fd(), EPOLL_CTL_ADD, EPOLLIN);
    if (group_socket_) {
        loop_.watch(*this, group_socket_->fd(), EPOLL_CTL_ADD, EPOLLIN);
    }
    is_started_ = true;
}

void UdpEndpoint::close() {
    if (!std::exchange(is_started_, false)) {
        return;
    }
    loop_.unwatch(socket_->fd());
    if (group_socket_) {
        loop_.unwatch(group_socket_->fd());
    }
    loop_.remove_member(*this);
}

UdpEndpoint::Counters UdpEndpoint::counters() const {
    Counters all;
    all.socket = socket_->counters();
    if (dtls_) {
        all.dtls = dtls_->counters();
    }
    return all;
}

// ------------------------------------------------------------------------------------ the loop

void UdpEndpoint::on_events(std::uint32_t) {
    // Bounded, so that streams and timers get their turn; the loop comes again at once.
    constexpr int round_count = 8;
    bool is_first = true;
    const auto take = [this, &is_first](DatagramPeer& peer, std::span<std::uint8_t> bytes) {
        if (std::exchange(is_first, false)) {
            // What these datagrams answer was sent after its sender had posted whose they are.
            loop_.take_inbox();
            take_inbox();
        }
        on_received(peer, bytes);
    };
    for (int round = 0; round < round_count && socket_->receive(take); ++round) {
        is_first = true;
    }
    if (group_socket_) {
        group_socket_->receive([this](DatagramPeer& peer, std::span<std::uint8_t> bytes) {
            peer.local = 0;  // the group is no address of ours
            peer.arrival = static_cast<std::uint8_t>(worker_);
            machine_->on_datagram({.peer = peer, .node = {}, .is_multicast = true}, bytes);
        });
    }
}

void UdpEndpoint::take_inbox() {
    if (dtls_) {
        dtls_->set_now(loop_.now());
    }
    for (std::uint32_t from = 0; from < boxes_.size(); ++from) {
        if (boxes_[from]->has_items.load(std::memory_order_acquire)) {
            take_from(from);
        }
    }
}

void UdpEndpoint::on_deadline() {
    machine_->on_deadline();
    if (dtls_) {
        dtls_->on_deadline();
    }
}

MonotonicTime UdpEndpoint::next_deadline() const {
    const MonotonicTime next = machine_->next_deadline();
    return dtls_ ? std::min(next, dtls_->next_deadline()) : next;
}

void UdpEndpoint::settle() {
    // What the machine does about a lost peer may lose another.
    while (!lost_.empty()) {
        const Lost one = lost_.back();
        lost_.pop_back();
        machine_->on_peer_lost(one.peer, one.handle);
    }
    machine_->on_turn_end();
}

void UdpEndpoint::flush() {
    settle();
    send_all();
    update_interest();
    count();
}

void UdpEndpoint::count() {
    const UdpSocket::Counters& now = socket_->counters();
    loop_.counters().bytes_received += now.bytes_received - counted_.bytes_received;
    loop_.counters().bytes_sent += now.bytes_sent - counted_.bytes_sent;
    const std::uint64_t too_long = now.too_long - counted_.too_long;
    const std::uint64_t unsent = now.unsent + now.failed - counted_.unsent - counted_.failed;
    if (too_long != 0 || unsent != 0) {
        machine_->on_datagrams_lost(too_long, unsent);
    }
    counted_ = now;
}

/// What other workers must know before a peer can answer is posted before anything is sent.
void UdpEndpoint::send_all() {
    post_outgoing();
    socket_->flush();
}

void UdpEndpoint::post_outgoing() {
    for (std::uint32_t to = 0; to < outgoing_.size(); ++to) {
        Batch& batch = outgoing_[to];
        if (batch.items.empty()) {
            continue;
        }
        Box& box = *group_.endpoints[to]->boxes_[worker_];
        {
            const std::lock_guard lock{box.mutex};
            if (box.batch.items.empty()) {
                std::swap(box.batch, batch);
            } else {
                std::move(batch.items.begin(), batch.items.end(),
                          std::back_inserter(box.batch.items));
                box.batch.bytes.append(batch.bytes.view());
            }
            box.has_items.store(true, std::memory_order_release);
        }
        batch.clear();
        group_.endpoints[to]->loop_.wake();
    }
}

void UdpEndpoint::update_interest() {
    const std::uint32_t wanted = socket_->has_unsent() ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (is_started_ && wanted != interest_) {
        interest_ = wanted;
        loop_.watch(*this, socket_->fd(), EPOLL_CTL_MOD, wanted);
    }
}

void UdpEndpoint::shut_down(ReasonCode reason) {
    machine_->on_shutdown(reason);
    if (dtls_) {
        dtls_->close_all();
    }
}

// ----------------------------------------------------------------------------------- receiving

void UdpEndpoint::on_received(DatagramPeer& peer, std::span<std::uint8_t> bytes) {
    peer.arrival = static_cast<std::uint8_t>(worker_);
    if (dtls_) {
        peer.is_secure = true;
        dtls_->set_now(loop_.now());
        dtls_->on_datagram(peer, bytes);
        return;
    }
    dispatch(peer, nullptr, bytes);
}

void UdpEndpoint::dispatch(const DatagramPeer& peer, const TransportIdentityPtr& identity,
                           Bytes bytes) {
    const DatagramRoute route = machine_->route(bytes);
    if (route.kind == DatagramRoute::Kind::drop) {
        return;
    }
    std::optional<PeerOwner> owner = find(peer, route.node);
    if (route.kind == DatagramRoute::Kind::owner && (!owner || owner->worker != route.worker)) {
        owner = PeerOwner{static_cast<std::uint8_t>(route.worker), no_handle};
    }
    if (!owner || owner->worker == worker_) {
        machine_->on_datagram({.peer = peer,
                               .node = route.node,
                               .handle = owner ? owner->handle : no_handle,
                               .identity = identity},
                              route.datagram);
        return;
    }
    post(
        owner->worker,
        {.kind = Mail::Kind::datagram, .peer = peer, .handle = owner->handle, .identity = identity},
        route.node, route.datagram);
}

void UdpEndpoint::on_plain(const DatagramPeer& peer, const TransportIdentityPtr& identity,
                           Bytes datagram) {
    dispatch(peer, identity, datagram);
}

void UdpEndpoint::take_from(std::uint32_t from) {
    Box& box = *boxes_[from];
    Batch batch = std::move(taken_);
    {
        const std::lock_guard lock{box.mutex};
        std::swap(batch, box.batch);
        box.has_items.store(false, std::memory_order_release);
    }
    std::size_t at = 0;
    for (const Mail& mail : batch.items) {
        const Bytes all = batch.bytes.view();
        const NodePrefix node = all.subspan(at, mail.node_bytes);
        const Bytes datagram = all.subspan(at + mail.node_bytes, mail.datagram_bytes);
        at += mail.node_bytes + mail.datagram_bytes;
        handle(from, mail, node, datagram);
    }
    batch.clear();
    taken_ = std::move(batch);
}

void UdpEndpoint::handle(std::uint32_t from, const Mail& mail, NodePrefix node, Bytes datagram) {
    const PeerOwner sender{static_cast<std::uint8_t>(from), mail.handle};
    switch (mail.kind) {
        case Mail::Kind::datagram:
            machine_->on_datagram(
                {.peer = mail.peer, .node = node, .handle = mail.handle, .identity = mail.identity},
                datagram);
            return;
        case Mail::Kind::bind:
            put(mail.peer, node, sender);
            return;
        case Mail::Kind::unbind:
            remove(mail.peer, node, sender);
            return;
        case Mail::Kind::lost:
            lost_.push_back({mail.peer, mail.handle});
            return;
        case Mail::Kind::send:
            if (dtls_) {
                dtls_->send(mail.peer, datagram);
            }
            return;
    }
}

// -------------------------------------------------------------------------------------- peers

std::string UdpEndpoint::node_key(const DatagramPeer& peer, NodePrefix node) {
    std::string key;
    key.reserve(18 + node.size());
    key.append(as_text(peer.ip.bytes));
    key += static_cast<char>(peer.port >> 8);
    key += static_cast<char>(peer.port & 255);
    key.append(as_text(node));
    return key;
}

std::optional<PeerOwner> UdpEndpoint::find(const DatagramPeer& peer, NodePrefix node) const {
    if (node.empty()) {
        return peers_.find(peer);
    }
    const auto found = nodes_.find(node_key(peer, node));
    return found != nodes_.end() ? std::optional{found->second.owner} : std::nullopt;
}

void UdpEndpoint::put(const DatagramPeer& peer, NodePrefix node, PeerOwner owner) {
    std::optional<PeerOwner> before;
    if (node.empty()) {
        before = peers_.put(peer, owner);
    } else {
        const auto [place, is_new] =
            nodes_.try_emplace(node_key(peer, node), NodeOwner{peer, owner});
        if (!is_new) {
            before = std::exchange(place->second, NodeOwner{peer, owner}).owner;
        }
    }
    if (before && *before != owner) {
        tell_lost(peer, *before);
    }
}

void UdpEndpoint::remove(const DatagramPeer& peer, NodePrefix node, PeerOwner owner) {
    if (find(peer, node) != owner) {
        return;
    }
    if (node.empty()) {
        peers_.erase(peer);
    } else {
        nodes_.erase(node_key(peer, node));
    }
}

void UdpEndpoint::tell_lost(const DatagramPeer& peer, PeerOwner owner) {
    if (owner.worker == worker_) {
        lost_.push_back({peer, owner.handle});
    } else {
        post(owner.worker, {.kind = Mail::Kind::lost, .peer = peer, .handle = owner.handle}, {},
             {});
    }
}

void UdpEndpoint::bind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) {
    if (peer.arrival == worker_) {
        put(peer, node, {static_cast<std::uint8_t>(worker_), handle});
    } else {
        post(peer.arrival, {.kind = Mail::Kind::bind, .peer = peer, .handle = handle}, node, {});
    }
}

void UdpEndpoint::unbind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) {
    if (peer.arrival == worker_) {
        remove(peer, node, {static_cast<std::uint8_t>(worker_), handle});
    } else {
        post(peer.arrival, {.kind = Mail::Kind::unbind, .peer = peer, .handle = handle}, node, {});
    }
}

void UdpEndpoint::hand_over(const DatagramSource& source, Bytes datagram, std::uint32_t worker) {
    post(worker, {.kind = Mail::Kind::datagram, .peer = source.peer, .identity = source.identity},
         source.node, datagram);
}

bool UdpEndpoint::is_bound(const DatagramPeer& peer) {
    const auto node = nodes_.lower_bound(node_key(peer, {}));
    return peers_.find(peer).has_value() || (node != nodes_.end() && node->second.peer == peer);
}

void UdpEndpoint::on_association_ended(const DatagramPeer& peer) {
    if (const auto owner = peers_.find(peer)) {
        peers_.erase(peer);
        tell_lost(peer, *owner);
    }
    auto node = nodes_.lower_bound(node_key(peer, {}));
    while (node != nodes_.end() && node->second.peer == peer) {
        tell_lost(peer, node->second.owner);
        node = nodes_.erase(node);
    }
}

void UdpEndpoint::post(std::uint32_t to, Mail mail, NodePrefix node, Bytes datagram) {
    Batch& batch = outgoing_[to];
    mail.node_bytes = static_cast<std::uint32_t>(node.size());
    mail.datagram_bytes = static_cast<std::uint32_t>(datagram.size());
    batch.bytes.append(node);
    batch.bytes.append(datagram);
    batch.items.push_back(std::move(mail));
}

// ------------------------------------------------------------------------------------- sending

ByteBuffer& UdpEndpoint::begin(const DatagramPeer& to) {
    if (to.is_secure) {
        is_secure_pending_ = true;
        secure_to_ = to;
        secure_.clear();
        return secure_;
    }
    return socket_->begin(to);
}

void UdpEndpoint::finish() {
    if (!std::exchange(is_secure_pending_, false)) {
        socket_->finish();
        if (socket_->is_full()) {
            send_all();
        }
        return;
    }
    if (secure_to_.arrival == worker_) {
        if (dtls_) {
            dtls_->send(secure_to_, secure_.view());
        }
    } else {
        post(secure_to_.arrival, {.kind = Mail::Kind::send, .peer = secure_to_}, {},
             secure_.view());
    }
}

void UdpEndpoint::send_raw(const DatagramPeer& to, Bytes datagram) {
    socket_->begin(to).append(datagram);
    socket_->finish();
    if (socket_->is_full()) {
        send_all();
    }
}

void UdpEndpoint::multicast(Bytes datagram, std::uint8_t radius) {
    if (options_.multicast) {
        socket_->send_to_group(*options_.multicast, datagram, radius);
    }
}

}  // namespace gw::transport
