#include "tests/support/coap_net.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <utility>

namespace gw::test {

namespace {

const IpAddress client_ip = IpAddress::from_v4({10, 0, 0, 1});

std::string printable(Bytes value) {
    const bool is_text = std::all_of(value.begin(), value.end(),
                                     [](std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
    if (is_text) {
        return std::string{as_text(value)};
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "0x";
    for (const std::uint8_t byte : value) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

bool is_number(std::uint16_t option) {
    using namespace coap;
    return option == option::observe || option == option::content_format ||
           option == option::max_age || option == option::size1 || option == option::size2 ||
           option == option::accept;
}

}  // namespace

std::string coap_text(Bytes datagram) {
    const auto message = coap::decode_message(datagram);
    if (!message) {
        return "malformed: " + std::string{coap::decode_error_text(message.error())};
    }
    constexpr const char* types[] = {"CON", "NON", "ACK", "RST"};
    std::string text = types[static_cast<int>(message->type)];
    const int code = static_cast<int>(message->code);
    text += " " + std::to_string(code >> 5) + "." + (code % 32 < 10 ? "0" : "") +
            std::to_string(code & 31) + " #" + std::to_string(message->message_id);
    if (message->token.size != 0) {
        text += " [" + printable(message->token.view()) + "]";
    }
    coap::OptionReader options{message->options};
    while (const auto option = options.next()) {
        text += " " + std::to_string(option->number) + "=";
        if (option->number == coap::option::block1 || option->number == coap::option::block2) {
            const auto block = coap::block_of(option->value);
            text += std::to_string(block->number) + "/" + (block->has_more ? "1" : "0") + "/" +
                    std::to_string(block->bytes());
        } else if (is_number(option->number)) {
            text += std::to_string(coap::uint_of(option->value));
        } else {
            text += printable(option->value);
        }
    }
    if (!message->payload.empty()) {
        text += " | " + (message->payload.size() > 100
                             ? std::to_string(message->payload.size()) + " bytes"
                             : printable(message->payload));
    }
    return text;
}

std::string coap_uint(std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) {
        const auto byte = static_cast<char>(value >> shift);
        if (!bytes.empty() || byte != 0) {
            bytes += byte;
        }
    }
    return bytes;
}

std::string coap_block(std::uint32_t number, bool has_more, std::uint8_t size_exponent) {
    return coap_uint(coap::Block{number, has_more, size_exponent}.encoded());
}

std::vector<std::uint8_t> coap_bytes(const CoapRequest& request) {
    std::vector<std::pair<std::uint16_t, std::string>> options = request.options;
    const auto split = [&options](std::string_view text, char separator, std::uint16_t number) {
        while (text.data() != nullptr) {
            const std::size_t end = text.find(separator);
            options.emplace_back(number, std::string{text.substr(0, end)});
            text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        }
    };
    split(request.path, '/', coap::option::uri_path);
    split(request.query, '&', coap::option::uri_query);
    std::stable_sort(options.begin(), options.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    ByteBuffer out;
    coap::MessageWriter writer{out, request.type, request.code, request.message_id,
                               coap::Token::from(as_bytes(request.token))};
    for (const auto& [number, value] : options) {
        writer.add(number, value);
    }
    writer.payload(as_bytes(request.payload));
    return {out.view().begin(), out.view().end()};
}

// ----------------------------------------------------------------------------------- the network

CoapNet::CoapNet(SimWorld& world, const coap::MachineOptions& options, DatagramLink link)
    : world_(world),
      link_(link),
      options_(std::make_shared<coap::MachineOptions>(options)),
      watched_(world.worker_count(), never) {
    for (std::uint32_t i = 0; i < world_.worker_count(); ++i) {
        workers_.push_back(std::make_unique<Worker>(*this));
        world_.broker(i).set_now(world_.clocks());
        workers_.back()->machine = std::make_unique<coap::Machine>(
            world_.broker(i), *workers_.back(), options_, shared_, secrets_);
    }
    settle_number_ = world_.add_on_settle([this](std::uint32_t worker) {
        workers_[worker]->machine->on_turn_end();
        watch_deadline(worker);
    });
}

CoapNet::~CoapNet() {
    *exists_ = false;
    world_.remove_on_settle(settle_number_);
}

std::uint64_t CoapNet::Secrets::seal(Bytes text) {
    return hash_text(as_text(text), 4711);
}

void CoapNet::set_options(const coap::MachineOptions& options) {
    options_ = std::make_shared<coap::MachineOptions>(options);
    for (const auto& worker : workers_) {
        worker->machine->set_options(options_);
    }
}

std::size_t CoapNet::client_count() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) {
        count += worker->machine->client_count();
    }
    return count;
}

std::size_t CoapNet::endpoint_count() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) {
        count += worker->machine->endpoint_count();
    }
    return count;
}

TransportIdentityPtr CoapNet::identity_of(std::uint16_t port) const {
    const auto found = identities_.find(port);
    return found != identities_.end() ? found->second : nullptr;
}

void CoapNet::Worker::bind(const DatagramPeer& peer, NodePrefix, std::uint32_t) {
    bound.insert(peer.port);
}

void CoapNet::Worker::unbind(const DatagramPeer& peer, NodePrefix, std::uint32_t) {
    bound.erase(peer.port);
}

void CoapNet::end_association(std::uint16_t port) {
    DatagramPeer peer{.ip = ip_of(port), .port = port};
    peer.is_secure = true;
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i]->bound.erase(port) != 0) {
            world_.turn(i, [&](Broker&) { workers_[i]->machine->on_peer_lost(peer, 0); });
        }
    }
    identities_.erase(port);
    world_.settle();
}

void CoapNet::send(std::uint16_t port, Bytes datagram) {
    const std::vector<std::uint8_t> bytes{datagram.begin(), datagram.end()};
    travel(world_, link_, exists_, [this, port, bytes] { arrive(port, bytes); });
}

void CoapNet::arrive(std::uint16_t port, const std::vector<std::uint8_t>& datagram) {
    const std::uint32_t arrival = port % world_.worker_count();
    DatagramPeer peer{.ip = ip_of(port), .port = port};
    peer.arrival = static_cast<std::uint8_t>(arrival);
    peer.is_secure = identity_of(port) != nullptr;
    DatagramRoute route;
    world_.turn(arrival, [&](Broker&) { route = workers_[arrival]->machine->route(datagram); });
    if (route.kind == DatagramRoute::Kind::drop) {
        return;
    }
    GW_ASSERT(route.kind == DatagramRoute::Kind::owner);
    world_.turn(route.worker, [&](Broker&) {
        workers_[route.worker]->machine->on_datagram(
            {.peer = peer, .node = {}, .identity = identity_of(port)}, datagram);
    });
}

std::vector<std::uint8_t> CoapNet::take(std::uint16_t port) {
    world_.settle();
    auto& queue = received_[port];
    if (queue.empty()) {
        return {};
    }
    std::vector<std::uint8_t> datagram = std::move(queue.front());
    queue.pop_front();
    return datagram;
}

std::string CoapNet::next(std::uint16_t port) {
    const std::vector<std::uint8_t> datagram = take(port);
    return datagram.empty() ? std::string{} : coap_text(datagram);
}

/// Looks at a worker's next deadline when it comes.
void CoapNet::watch_deadline(std::uint32_t worker) {
    const MonotonicTime next = workers_[worker]->machine->next_deadline();
    if (next == never || watched_[worker] <= next) {
        return;
    }
    watched_[worker] = next;
    world_.at(std::max(next.time_since_epoch(), world_.now()), [this, worker, exists = exists_] {
        if (*exists) {
            watched_[worker] = never;
            world_.turn(worker,
                        [this, worker](Broker&) { workers_[worker]->machine->on_deadline(); });
        }
    });
}

ByteBuffer& CoapNet::Worker::begin(const DatagramPeer& to) {
    to_ = to;
    output_.clear();
    return output_;
}

void CoapNet::Worker::finish() {
    const std::vector<std::uint8_t> bytes{output_.view().begin(), output_.view().end()};
    travel(net_.world_, net_.link_, net_.exists_, [&net = net_, port = to_.port, bytes] {
        const auto found = net.handlers_.find(port);
        if (found != net.handlers_.end()) {
            found->second(bytes);
        } else {
            net.received_[port].push_back(bytes);
        }
    });
}

IpAddress CoapNet::ip_of(std::uint16_t port) const {
    const auto found = places_.find(port);
    return found == places_.end() ? client_ip : found->second;
}

}  // namespace gw::test
