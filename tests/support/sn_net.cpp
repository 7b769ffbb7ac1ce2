#include "tests/support/sn_net.hpp"

#include "gateway/protocols/known_protocols.hpp"

namespace gw::test {

namespace {

const IpAddress client_ip = IpAddress::from_v4({10, 0, 0, 1});

}  // namespace

SnNet::SnNet(SimWorld& world, const mqttsn::GatewayOptions& options, DatagramLink link)
    : world_(world),
      link_(link),
      options_(std::make_shared<mqttsn::GatewayOptions>(options)),
      watched_(world.worker_count(), never) {
    make_gateways();
    settle_number_ = world_.add_on_settle([this](std::uint32_t worker) { settle(worker); });
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        watch_deadline(i);
    }
}

SnNet::~SnNet() {
    *exists_ = false;
    world_.remove_on_settle(settle_number_);
}

void SnNet::make_gateways() {
    shared_ = std::make_shared<mqttsn::GatewayShared>();
    workers_.clear();
    for (std::uint32_t i = 0; i < world_.worker_count(); ++i) {
        workers_.push_back(std::make_unique<Worker>(*this, i));
        world_.broker(i).set_now(world_.clocks());
        workers_.back()->gateway = std::make_unique<mqttsn::Gateway>(
            world_.broker(i), *workers_.back(), options_, shared_);
    }
}

void SnNet::set_options(const mqttsn::GatewayOptions& options) {
    options_ = std::make_shared<mqttsn::GatewayOptions>(options);
    for (const auto& worker : workers_) {
        worker->gateway->set_options(options_);
    }
}

void SnNet::restart(ReasonCode reason) {
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        world_.turn(i, [&](Broker&) { workers_[i]->gateway->on_shutdown(reason); });
    }
    // What the broker still has of sleepers is what it would have read from its store.
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        world_.broker(i).for_each_session([](Session& session) {
            if (session.identity->protocol == &mqttsn::protocol) {
                session.link = nullptr;
            }
        });
    }
    bound_.clear();
    make_gateways();
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        world_.turn(i, [&](Broker&) { workers_[i]->gateway->restore_sleepers(); });
    }
}

std::size_t SnNet::connection_count() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) {
        count += worker->gateway->connection_count();
    }
    return count;
}

TransportIdentityPtr SnNet::identity_of(std::uint16_t port) const {
    const auto found = identities_.find(port);
    return found != identities_.end() ? found->second : nullptr;
}

// ----------------------------------------------------------------------------------- the network

void SnNet::send(std::uint16_t port, Bytes datagram) {
    const std::vector<std::uint8_t> bytes{datagram.begin(), datagram.end()};
    travel(world_, link_, exists_, [this, port, bytes] { arrive(port, bytes); });
}

void SnNet::arrive(std::uint16_t port, const std::vector<std::uint8_t>& datagram) {
    const std::uint32_t arrival = port % world_.worker_count();
    DatagramPeer peer{.ip = ip_of(port), .port = port};
    peer.arrival = static_cast<std::uint8_t>(arrival);
    peer.is_secure = identity_of(port) != nullptr;
    world_.turn(arrival, [&](Broker&) {
        const DatagramRoute route = workers_[arrival]->gateway->route(datagram);
        if (route.kind == DatagramRoute::Kind::drop) {
            return;
        }
        const std::string node{as_text(route.node)};
        const auto found = bound_.find({port, node});
        Owner owner{arrival, no_handle};
        if (found != bound_.end()) {
            owner = found->second;
        }
        if (route.kind == DatagramRoute::Kind::owner && owner.worker != route.worker) {
            owner = {route.worker, no_handle};
        }
        hand_to(owner.worker, peer, node, owner.handle,
                {route.datagram.begin(), route.datagram.end()});
    });
}

void SnNet::hand_to(std::uint32_t worker, const DatagramPeer& peer, std::string node,
                    std::uint32_t handle, std::vector<std::uint8_t> datagram) {
    world_.after(Milliseconds{0}, [this, worker, peer, node = std::move(node), handle,
                                   datagram = std::move(datagram), exists = exists_] {
        if (!*exists) {
            return;
        }
        world_.turn(worker, [&](Broker&) {
            workers_[worker]->gateway->on_datagram({.peer = peer,
                                                    .node = as_bytes(node),
                                                    .handle = handle,
                                                    .identity = identity_of(peer.port)},
                                                   datagram);
        });
    });
}

void SnNet::settle(std::uint32_t worker) {
    workers_[worker]->gateway->on_turn_end();
    watch_deadline(worker);
}

/// Looks at a worker's next deadline when it comes.
void SnNet::watch_deadline(std::uint32_t worker) {
    const MonotonicTime next = workers_[worker]->gateway->next_deadline();
    if (next == never || watched_[worker] <= next) {
        return;
    }
    watched_[worker] = next;
    world_.at(std::max(next.time_since_epoch(), world_.now()), [this, worker, exists = exists_] {
        if (*exists) {
            watched_[worker] = never;
            world_.turn(worker,
                        [this, worker](Broker&) { workers_[worker]->gateway->on_deadline(); });
        }
    });
}

// ------------------------------------------------------------------------------------- the ports

ByteBuffer& SnNet::Worker::begin(const DatagramPeer& to) {
    to_ = to;
    output_.clear();
    return output_;
}

void SnNet::Worker::finish() {
    const std::vector<std::uint8_t> bytes{output_.view().begin(), output_.view().end()};
    travel(net_.world_, net_.link_, net_.exists_, [&net = net_, port = to_.port, bytes] {
        const auto found = net.peers_.find(port);
        if (found != net.peers_.end()) {
            found->second->on_datagram(bytes);
        }
    });
}

void SnNet::Worker::multicast(Bytes datagram, std::uint8_t radius) {
    net_.multicasts.emplace_back(radius, std::string{as_text(datagram)});
}

void SnNet::Worker::bind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) {
    const Key key{peer.port, std::string{as_text(node)}};
    const auto found = net_.bound_.find(key);
    if (found != net_.bound_.end() &&
        (found->second.worker != index_ || found->second.handle != handle)) {
        const Owner old = found->second;
        net_.world_.after(Milliseconds{0}, [&net = net_, old, peer, exists = net_.exists_] {
            if (*exists) {
                net.world_.turn(old.worker, [&](Broker&) {
                    net.workers_[old.worker]->gateway->on_peer_lost(peer, old.handle);
                });
            }
        });
    }
    net_.bound_[key] = {index_, handle};
}

void SnNet::Worker::unbind(const DatagramPeer& peer, NodePrefix node, std::uint32_t handle) {
    const auto found = net_.bound_.find({peer.port, std::string{as_text(node)}});
    if (found != net_.bound_.end() && found->second.worker == index_ &&
        found->second.handle == handle) {
        net_.bound_.erase(found);
    }
}

void SnNet::Worker::hand_over(const DatagramSource& source, Bytes datagram, std::uint32_t worker) {
    net_.hand_to(worker, source.peer, std::string{as_text(source.node)}, no_handle,
                 {datagram.begin(), datagram.end()});
}

IpAddress SnNet::ip_of(std::uint16_t port) const {
    const auto found = places_.find(port);
    return found == places_.end() ? client_ip : found->second;
}

}  // namespace gw::test
