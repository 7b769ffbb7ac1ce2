// Properties, for any bytes of a client:
//   1. how TCP cuts the stream does not change what comes out, up or down;
//   2. what goes up is never more than came in, and what is answered is bounded by it;
//   3. nothing follows a Close of ours.
// The first byte chooses the kind of layer, the second how the bytes are cut.
#include "adapters/websocket/websocket_layer.hpp"
#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gw::websocket {
namespace {

using Status = transport::StreamLayer::Status;

constexpr ReadRules binary_rules{
    .frame_bytes_max = 4096, .message_bytes_max = 0, .allows_text = false};
constexpr ReadRules text_rules{.frame_bytes_max = 4096, .message_bytes_max = 8192};

std::unique_ptr<transport::StreamLayer> make_layer(std::uint8_t kind) {
    switch (kind % 3) {
        case 0:
            return std::make_unique<WebSocketLayer>(binary_rules, WebSocketLayer::Content::binary);
        case 1:
            return std::make_unique<WebSocketLayer>(text_rules, WebSocketLayer::Content::text);
        default:
            return std::make_unique<EchoLayer>(text_rules);
    }
}

struct Told {
    std::string up, down;
    Status status = Status::open;
    bool operator==(const Told&) const = default;
};

Told feed(std::uint8_t kind, Bytes bytes, std::size_t step) {
    const auto layer = make_layer(kind);
    Told told;
    ByteBuffer up;
    ByteBuffer down;
    for (std::size_t at = 0; at < bytes.size() && told.status == Status::open; at += step) {
        told.status =
            layer->on_received(bytes.subspan(at, std::min(step, bytes.size() - at)), up, down);
    }
    if (told.status != Status::open) {
        const std::size_t before = down.size();
        layer->on_send(as_bytes("late"), down);
        layer->on_close(down);
        GW_ASSERT(down.size() == before);
    }
    told.up = as_text(up.view());
    told.down = as_text(down.view());
    return told;
}

}  // namespace
}  // namespace gw::websocket

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw;
    if (size < 2) {
        return 0;
    }
    const Bytes bytes{data + 2, size - 2};
    const websocket::Told whole = websocket::feed(data[0], bytes, std::max<std::size_t>(1, size));
    const websocket::Told cut = websocket::feed(data[0], bytes, data[1] % 16 + 1U);
    // A message that turns out to be wrong may have gone up in part, and how much of it depends on
    // the cuts; all else is the same.
    GW_ASSERT(whole.status == cut.status && whole.down == cut.down);
    GW_ASSERT(whole.status == transport::StreamLayer::Status::failed || whole.up == cut.up);
    GW_ASSERT(whole.up.size() <= bytes.size());
    GW_ASSERT(whole.down.size() <= bytes.size() + 128);
    return 0;
}
