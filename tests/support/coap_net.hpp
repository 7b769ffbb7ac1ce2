#pragma once

#include "adapters/coap/codec/writer.hpp"
#include "adapters/coap/machine/machine.hpp"
#include "tests/support/datagram_link.hpp"
#include "tests/support/open_origin.hpp"
#include "tests/support/sim_world.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// Settings of a CoAP listener that lets everybody in.
inline coap::MachineOptions open_coap() {
    coap::MachineOptions options;
    options.listener = "coap.sim";
    options.origin = open_origin();
    return options;
}

/// A datagram in words: "CON 0.01 #7 [a1] 6= 11=ps 11=a | payload". Options by their numbers, text
/// as it is where it can be printed, else in hex.
std::string coap_text(Bytes datagram);

/// CoAP machines on the brokers of a simulated world, and a network of datagrams between them and
/// their clients, which are ports of 10.0.0.1. Which worker's socket gets a port's datagrams
/// depends on its number alone.
class CoapNet {
public:
    using OnDatagram = std::function<void(Bytes)>;

    CoapNet(SimWorld& world, const coap::MachineOptions& options, DatagramLink link = {});
    ~CoapNet();
    CoapNet(const CoapNet&) = delete;
    CoapNet& operator=(const CoapNet&) = delete;

    void send(std::uint16_t port, Bytes datagram);
    /// What comes to a port; without a handler it is kept for next().
    void attach(std::uint16_t port, OnDatagram handler) { handlers_[port] = std::move(handler); }
    void detach(std::uint16_t port) { handlers_.erase(port); }
    /// The oldest datagram that came to a port, or nothing, after all that is due is done.
    std::vector<std::uint8_t> take(std::uint16_t port);
    /// As take(), in words; "" when there is none.
    std::string next(std::uint16_t port);
    /// From which address a port sends; else from 10.0.0.1.
    void place(std::uint16_t port, const IpAddress& ip) { places_[port] = ip; }
    /// What DTLS has proven of a port from now on.
    void prove(std::uint16_t port, TransportIdentityPtr identity) {
        identities_[port] = std::move(identity);
    }
    /// Whether the port's DTLS association is kept although it is idle.
    bool is_bound(std::uint16_t port, std::uint32_t worker = 0) const {
        return workers_[worker]->bound.contains(port);
    }
    /// The port's DTLS association ends.
    void end_association(std::uint16_t port);
    void set_link(DatagramLink link) { link_ = link; }
    void set_options(const coap::MachineOptions& options);
    coap::Machine& machine(std::uint32_t worker = 0) { return *workers_[worker]->machine; }
    std::size_t client_count() const;
    std::size_t endpoint_count() const;
    SimWorld& world() { return world_; }

private:
    struct Worker final : DatagramPort {
        explicit Worker(CoapNet& net) : net_(net) {}
        ByteBuffer& begin(const DatagramPeer& to) override;
        void finish() override;
        void multicast(Bytes, std::uint8_t) override {}
        void bind(const DatagramPeer& peer, NodePrefix, std::uint32_t) override;
        void unbind(const DatagramPeer& peer, NodePrefix, std::uint32_t) override;
        void hand_over(const DatagramSource&, Bytes, std::uint32_t) override {}

        std::unique_ptr<coap::Machine> machine;
        std::set<std::uint16_t> bound;  // ports

    private:
        CoapNet& net_;
        DatagramPeer to_;
        ByteBuffer output_;
    };
    /// Numbers that repeat with the seed.
    struct Secrets final : coap::Secrets {
        std::uint64_t random() override { return ++last; }
        std::uint64_t seal(Bytes text) override;
        std::uint64_t last = 0x0123456789abcdef;
    };

    void arrive(std::uint16_t port, const std::vector<std::uint8_t>& datagram);
    void watch_deadline(std::uint32_t worker);
    TransportIdentityPtr identity_of(std::uint16_t port) const;
    IpAddress ip_of(std::uint16_t port) const;

    SimWorld& world_;
    std::size_t settle_number_ = 0;
    DatagramLink link_;
    coap::MachineOptionsPtr options_;
    std::shared_ptr<coap::MachineShared> shared_ = std::make_shared<coap::MachineShared>();
    Secrets secrets_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<MonotonicTime> watched_;  // by worker: when its deadline is looked at
    std::map<std::uint16_t, OnDatagram> handlers_;
    std::map<std::uint16_t, std::deque<std::vector<std::uint8_t>>> received_;
    std::map<std::uint16_t, TransportIdentityPtr> identities_;
    std::map<std::uint16_t, IpAddress> places_;
    std::shared_ptr<bool> exists_ = std::make_shared<bool>(true);
};

/// A request as a client writes it.
struct CoapRequest {
    coap::Type type = coap::Type::confirmable;
    coap::Code code = coap::Code::get;
    std::uint16_t message_id = 0;
    std::string_view token = {};
    std::string_view path = {};   // "ps/a/b"; each part an option
    std::string_view query = {};  // "c=x&u=y"
    std::vector<std::pair<std::uint16_t, std::string>> options = {};  // others, in order
    std::string_view payload = {};
};
std::vector<std::uint8_t> coap_bytes(const CoapRequest& request);
/// The value of an unsigned integer option.
std::string coap_uint(std::uint32_t value);
std::string coap_block(std::uint32_t number, bool has_more, std::uint8_t size_exponent);

}  // namespace gw::test
