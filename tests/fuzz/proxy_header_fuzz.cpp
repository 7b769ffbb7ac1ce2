// Properties, for any bytes in front of a connection: how they are cut does not change what is
// decided, a decision is never taken back by more bytes, and what follows a header comes out whole.
#include "adapters/transport/proxy_layer.hpp"
#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw;
    using namespace gw::transport;
    const Bytes bytes{data, size};
    const ProxyOutcome whole = decode_proxy_header(bytes);
    auto rules = std::make_shared<ProxyRules>();
    rules->takes_common_name = true;
    ProxyLayer layer{rules};
    ByteBuffer up;
    ByteBuffer down;
    StreamLayer::Status status = StreamLayer::Status::opening;
    for (std::size_t at = 0; at < size && status != StreamLayer::Status::failed; ++at) {
        const ProxyOutcome part = decode_proxy_header(bytes.first(at + 1));
        if (part.status != ProxyStatus::need_more) {
            GW_ASSERT(part.status == whole.status);
            GW_ASSERT(part.header.header_bytes == whole.header.header_bytes);
        }
        if (status == StreamLayer::Status::opening) {
            GW_ASSERT(at < proxy_header_bytes_max);
        }
        status = layer.on_received(bytes.subspan(at, 1), up, down);
    }
    GW_ASSERT((status == StreamLayer::Status::open) == (whole.status == ProxyStatus::complete));
    GW_ASSERT((status == StreamLayer::Status::failed) == (whole.status == ProxyStatus::error));
    if (whole.status == ProxyStatus::complete) {
        GW_ASSERT(as_text(up.view()) == as_text(bytes.subspan(whole.header.header_bytes)));
        PeerInfo peer;
        layer.describe(peer);
        GW_ASSERT(peer.is_relayed);
    }
    return 0;
}
