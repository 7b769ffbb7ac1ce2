// Properties, for any bytes of a client:
//   1. messages that are read and written again are read as the same;
//   2. what is written is ASCII-safe UTF-8: reading it never fails;
//   3. payloads come back as they went, those of texts at least as long as they were; forms, paths
//   and frames of a WebSocket session, in each version, crash nothing;
//   4. how TCP cuts the frames of draft 76 does not change what comes out.
#include "adapters/sockjs/handler.hpp"
#include "adapters/sockjs/payload.hpp"
#include "adapters/sockjs/sockjs_layer.hpp"
#include "adapters/sockjs/text.hpp"
#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace gw::sockjs {
namespace {

void check_messages(std::string_view input) {
    const auto messages = decode_messages(input);
    if (!messages) {
        return;
    }
    std::string again = "[";
    for (const std::string& message : *messages) {
        again += again.size() == 1 ? "" : ",";
        append_json(again, message);
    }
    GW_ASSERT(decode_messages(again + "]") == messages);
}

void check_payload(std::string_view input) {
    std::string json;
    append_json(json, input);
    GW_ASSERT(decode_messages(json).has_value());
    std::string script;
    append_script_string(script, json);
    GW_ASSERT(script.find('<') == std::string::npos);

    for (const bool is_base64 : {false, true}) {
        Payload sender{Content::binary};
        ByteBuffer ignored;
        GW_ASSERT(sender.take(is_base64 ? "EA==" : "\x10", ignored));
        std::string sent;
        sender.give(as_bytes(input), sent);
        const auto texts = decode_messages(sent);
        GW_ASSERT(texts && texts->size() == 1);
        ByteBuffer bytes;
        GW_ASSERT(sender.take(texts->front(), bytes));
        GW_ASSERT(as_text(bytes.view()) == input);
    }
    Payload text{Content::text};
    std::size_t given_bytes = 0;
    for (std::size_t at = 0; at < input.size(); at += 3) {
        std::string piece;
        if (text.give(as_bytes(input.substr(at, 3)), piece)) {
            const auto messages = decode_messages(piece);
            GW_ASSERT(messages && messages->size() == 1);
            given_bytes += messages->front().size();
        }
    }
    // What a frame says of its length stays right; the begin of a character may still wait.
    GW_ASSERT(given_bytes <= input.size() && input.size() - given_bytes <= 3);
}

EndpointPtr endpoint_for(Bytes input) {
    Endpoint endpoint;
    endpoint.content = !input.empty() && input[0] % 2 == 0 ? Content::binary : Content::text;
    endpoint.service = !input.empty() && input[0] % 3 == 0 ? Service::echo : Service::protocol;
    endpoint.read_rules = {
        .frame_bytes_max = 4096, .message_bytes_max = 8192, .allows_binary = false};
    return std::make_shared<const Endpoint>(std::move(endpoint));
}

void check_layer(Bytes input) {
    SockJsLayer layer{endpoint_for(input), {}};
    ByteBuffer up;
    ByteBuffer down;
    if (layer.on_received(input, up, down) == transport::StreamLayer::Status::open) {
        layer.on_send(input, down);
        layer.on_close(down);
    }
    GW_ASSERT(up.size() <= input.size());
}

struct Told {
    std::string up, down;
    transport::StreamLayer::Status status = transport::StreamLayer::Status::open;
    bool operator==(const Told&) const = default;
};

Told feed_hixie76(Bytes input, std::size_t step) {
    Hixie76Layer layer{endpoint_for(input), {}};
    Told told;
    ByteBuffer up;
    ByteBuffer down;
    for (std::size_t at = 0;
         at < input.size() && told.status == transport::StreamLayer::Status::open; at += step) {
        told.status =
            layer.on_received(input.subspan(at, std::min(step, input.size() - at)), up, down);
    }
    layer.on_close(down);
    told.up = as_text(up.view());
    told.down = as_text(down.view());
    return told;
}

void check_hixie76(Bytes input) {
    const Told whole = feed_hixie76(input, std::max<std::size_t>(1, input.size()));
    GW_ASSERT(whole == feed_hixie76(input, input.empty() ? 1 : input[0] % 16 + 1U));
    GW_ASSERT(whole.up.size() <= input.size());
    GW_ASSERT(whole.down.ends_with(std::string_view{"\xff\0", 2}));
    websocket::hixie76_number(as_text(input));
}

}  // namespace
}  // namespace gw::sockjs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw;
    const Bytes bytes{data, size};
    const std::string_view text = as_text(bytes);
    sockjs::check_messages(text);
    sockjs::check_payload(text);
    sockjs::check_layer(bytes);
    sockjs::check_hixie76(bytes);
    sockjs::parse_path(text);
    sockjs::form_field(text, "d", sockjs::Plus::is_space);
    return 0;
}
