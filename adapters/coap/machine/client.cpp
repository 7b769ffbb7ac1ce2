#include "adapters/coap/machine/client.hpp"

#include "adapters/coap/machine/machine.hpp"

namespace gw::coap {

bool Client::on_delivery(const DeliveryView& delivery) {
    return machine_.deliver(*this, delivery);
}

/// PUBREL of a delivery that another protocol had begun, as an older version has stored it, without
/// whose it is: this one has no word for it, and the message was received.
void Client::on_release(std::uint16_t packet_id) {
    machine_.finish(*this, packet_id, ReasonCode::success);
}

void Client::on_session_lost(ReasonCode reason) {
    machine_.lose_session(*this, reason);
}

void Client::on_subscription_lost(std::string_view filter) {
    machine_.lose_subscription(*this, filter);
}

void Client::on_stored(StoreTicket ticket, StoreOutcome outcome) {
    machine_.on_stored(*this, ticket, outcome);
}

void Client::on_access_decided() {
    machine_.on_access_decided(*this);
}

void Client::on_login_decided(LoginAnswer& answer) {
    machine_.on_login_decided(answer);
}

void Client::on_session_found(Session& found, SessionTerms& terms) {
    if (keeps_expiry) {
        terms.expiry_interval = found.expiry_interval;  // what its owner has asked for
    }
}

}  // namespace gw::coap
