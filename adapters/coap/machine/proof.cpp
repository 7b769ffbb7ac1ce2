// Whether a peer receives at the address it sends from (RFC 9175, 2).
#include "adapters/coap/machine/machine.hpp"

#include <cstring>

namespace gw::coap {

namespace {

/// A challenge that is older is asked anew: who has changed the address since must prove it.
constexpr std::uint32_t challenge_seconds_max = 120;

}  // namespace

std::uint64_t Machine::seal_of(const DatagramPeer& peer, std::uint32_t seconds) const {
    std::uint8_t text[22];
    std::memcpy(text, peer.ip.bytes.data(), 16);
    std::memcpy(text + 16, &peer.port, 2);
    std::memcpy(text + 18, &seconds, 4);
    return secrets_.seal({text, sizeof text});
}

bool Machine::is_proven(const DatagramSource& source, const Request& request) {
    if (source.peer.is_secure || options_->echo == EchoRule::never) {
        return true;
    }
    Endpoint* const endpoint = find_endpoint(source.peer);
    if (endpoint != nullptr && endpoint->is_proven) {
        return true;
    }
    Reader in{request.echo};
    const std::uint32_t seconds = in.u32_be();
    const std::uint64_t high = in.u32_be();
    const std::uint64_t seal = high << 32 | in.u32_be();
    const auto present = static_cast<std::uint32_t>(now().time_since_epoch().count() / 1000);
    if (in.failed() || !in.at_end() || present - seconds > challenge_seconds_max ||
        seal != seal_of(source.peer, seconds)) {
        return false;
    }
    if (endpoint != nullptr) {
        endpoint->is_proven = true;
    }
    return true;
}

void Machine::challenge(Incoming& in) {
    const auto seconds = static_cast<std::uint32_t>(now().time_since_epoch().count() / 1000);
    const std::uint64_t seal = seal_of(in.source.peer, seconds);
    ByteBuffer echo;
    echo.u32_be(seconds);
    echo.u32_be(static_cast<std::uint32_t>(seal >> 32));
    echo.u32_be(static_cast<std::uint32_t>(seal));
    Response response{.code = Code::unauthorized};
    response.echo = echo.view();
    respond(in, response);
}

}  // namespace gw::coap
