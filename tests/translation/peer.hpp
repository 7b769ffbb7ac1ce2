#pragma once

#include "tests/support/coap_net.hpp"
#include "tests/support/sim_world.hpp"
#include "tests/support/sn_net.hpp"
#include "tests/translation/content.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gw::test {

/// A gateway that everybody reaches.
struct Gateways {
    SimWorld world{SimOptions{}};
    SnNet sn{world, open_gateway()};
    CoapNet coap{world, open_coap()};
    std::uint16_t last_port = 1000;
};

/// A client of any protocol. It says all that its protocol can, whatever the tables have, and hears
/// everything; it acknowledges what it gets, unless it is told not to.
class Peer {
public:
    virtual ~Peer() = default;
    virtual void subscribe(const std::string& filter) = 0;
    virtual void publish(const Content& content) = 0;
    /// Lets the gateway send again what was not acknowledged.
    virtual void miss() = 0;
    /// What it has called its subscription; empty: there is no word for it.
    virtual std::string subscription() const = 0;

    /// The next message that has come.
    std::optional<Content> receive() {
        pump();
        if (received_.empty()) {
            return std::nullopt;
        }
        Content first = std::move(received_.front());
        received_.pop_front();
        return first;
    }
    void set_acknowledging(bool is_acknowledging) { is_acknowledging_ = is_acknowledging; }
    /// All bytes that have come.
    const std::string& heard() const { return heard_; }

protected:
    /// Works on what has come, until nothing more comes.
    virtual void pump() = 0;

    std::deque<Content> received_;
    std::string heard_;
    bool is_acknowledging_ = true;
};

/// One protocol of the document: its tables, and who speaks it.
struct Speaker {
    Language language;
    bool speaks_text = false;  // payloads are UTF-8
    std::unique_ptr<Peer> (*make)(Gateways& gateways, const std::string& client_id);
};
const std::vector<Speaker>& speakers();

std::unique_ptr<Peer> make_mqtt_3_1(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_mqtt_3_1_1(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_mqtt_5(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_mqtt_in_sockjs(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_mqttsn(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_coap(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_stomp(Gateways& gateways, const std::string& client_id);
std::unique_ptr<Peer> make_stomp_in_sockjs(Gateways& gateways, const std::string& client_id);

}  // namespace gw::test
