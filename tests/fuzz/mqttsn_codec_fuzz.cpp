// Any datagram: what decodes encodes to a datagram that decodes to the same; what was taken off as
// forwarder headers is a way back that is read as the same way; and what is kept with a session
// never reads past its end.
#include "adapters/mqttsn/codec/codec.hpp"
#include "adapters/mqttsn/machine/client_state.hpp"

#include <cstddef>
#include <cstdint>

namespace {

using namespace gw;
using namespace gw::mqttsn;

void check_datagram(Bytes datagram) {
    const auto packet = decode(datagram);
    if (!packet) {
        return;
    }
    ByteBuffer once;
    encode(once, *packet);
    GW_ASSERT(once.size() <= datagram.size());
    const auto again = decode(once.view());
    GW_ASSERT(again.has_value() && type_of(*again) == type_of(*packet));
    ByteBuffer twice;
    encode(twice, *again);
    GW_ASSERT(as_text(once.view()) == as_text(twice.view()));
}

void check_state(Bytes bytes) {
    const auto state = decode_client_state(bytes);
    if (!state) {
        return;
    }
    ByteBuffer encoded;
    encode_client_state(encoded, *state);
    const auto again = decode_client_state(encoded.view());
    GW_ASSERT(again.has_value() && again->topics.size() == state->topics.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input{data, size};
    check_datagram(input);
    check_state(input);
    ByteBuffer node;
    const auto inside = unwrap(input, node);
    if (inside) {
        check_datagram(*inside);
        ByteBuffer answer;
        answer.append(node.view());
        encode(answer, Pingresp{});
        ByteBuffer way;
        const auto back = unwrap(answer.view(), way);
        GW_ASSERT(back.has_value() && as_text(way.view()) == as_text(node.view()));
    }
    return 0;
}
