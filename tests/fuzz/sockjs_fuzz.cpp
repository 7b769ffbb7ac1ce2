// Properties, for any bytes of a client:
//   1. messages that are read and written again are read as the same;
//   2. what is written is ASCII-safe UTF-8: reading it never fails;
//   3. payloads come back as they went; forms, paths and frames of a WebSocket session crash
//   nothing.
#include "adapters/sockjs/handler.hpp"
#include "adapters/sockjs/payload.hpp"
#include "adapters/sockjs/sockjs_layer.hpp"
#include "adapters/sockjs/text.hpp"
#include "broker-core/base/assert.hpp"

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
    std::string cut;
    for (std::size_t at = 0; at < input.size(); at += 3) {
        std::string piece;
        if (text.give(as_bytes(input.substr(at, 3)), piece)) {
            GW_ASSERT(decode_messages(piece).has_value());
        }
    }
}

void check_layer(Bytes input) {
    Endpoint endpoint;
    endpoint.content = !input.empty() && input[0] % 2 == 0 ? Content::binary : Content::text;
    endpoint.service = !input.empty() && input[0] % 3 == 0 ? Service::echo : Service::protocol;
    endpoint.read_rules = {
        .frame_bytes_max = 4096, .message_bytes_max = 8192, .allows_binary = false};
    SockJsLayer layer{std::make_shared<const Endpoint>(std::move(endpoint)), {}};
    ByteBuffer up;
    ByteBuffer down;
    if (layer.on_received(input, up, down) == transport::StreamLayer::Status::open) {
        layer.on_send(input, down);
        layer.on_close(down);
    }
    GW_ASSERT(up.size() <= input.size());
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
    sockjs::parse_path(text);
    sockjs::form_field(text, "d", sockjs::Plus::is_space);
    return 0;
}
