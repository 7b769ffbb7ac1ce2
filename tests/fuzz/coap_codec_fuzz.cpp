// Any datagram: what is taken apart can be put together again and is the same; what its path names
// is UTF-8, and as a Location-Path names the same topic again; no value reads past the datagram.
#include "adapters/coap/codec/content_format.hpp"
#include "adapters/coap/codec/request.hpp"
#include "adapters/coap/codec/response.hpp"
#include "adapters/coap/codec/target.hpp"
#include "adapters/coap/codec/writer.hpp"
#include "broker-core/base/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

using namespace gw;
using namespace gw::coap;

void check_copy(const MessageView& message) {
    ByteBuffer copy;
    MessageWriter writer{copy, message.type, message.code, message.message_id, message.token};
    OptionReader options{message.options};
    std::uint16_t last = 0;
    while (const auto view = options.next()) {
        GW_ASSERT(view->number >= last);
        last = view->number;
        writer.add(view->number, view->value);
    }
    GW_ASSERT(!options.failed() && !options.has_payload());
    writer.payload(message.payload);
    const auto again = decode_message(copy.view());
    GW_ASSERT(again.has_value() && again->token == message.token &&
              again->message_id == message.message_id && again->code == message.code &&
              as_text(again->payload) == as_text(message.payload));
}

void check_location(const Target& target) {
    if (!fits_location(target.topic)) {
        return;
    }
    Response response;
    response.location_root = target.root;
    response.location = target.topic;
    ByteBuffer written;
    write_response(written, Type::non_confirmable, 1, {}, response);
    const auto message = decode_message(written.view());
    GW_ASSERT(message.has_value());
    // What a client makes of it: the same path in a request.
    ByteBuffer request;
    MessageWriter writer{request, Type::confirmable, Code::get, 1, {}};
    OptionReader options{message->options};
    while (const auto view = options.next()) {
        GW_ASSERT(view->number == option::location_path);
        writer.add(option::uri_path, view->value);
    }
    const auto back = decode_message(request.view());
    GW_ASSERT(back.has_value());
    const auto found = decode_target(*back);
    GW_ASSERT(found.has_value() && found->root == target.root && found->topic == target.topic);
    std::string link;
    append_link_target(link, target.root, target.topic);
    GW_ASSERT(link.front() == '<' && link.find_first_of("<> \"", 1) == link.size() - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input{data, size};
    const auto header = peek_header(input);
    const auto message = decode_message(input);
    if (!message) {
        GW_ASSERT(header.has_value() || message.error() == DecodeError::not_coap);
        return 0;
    }
    GW_ASSERT(header->message_id == message->message_id && header->code == message->code);
    check_copy(*message);
    const Request request = decode_request(*message);
    GW_ASSERT(!request.has_bad_option || request.refusal != Code::empty);
    if (request.content_format) {
        const auto back = content_format_of(content_type_of(*request.content_format));
        GW_ASSERT(back == request.content_format);
    }
    body_key_of(*message, 1);
    std::string scratch;
    const RouteHint hint = decode_route_hint(*message, scratch);
    const auto target = decode_target(*message);
    if (!target) {
        return 0;
    }
    GW_ASSERT(is_valid_utf8(as_bytes(target->topic)));
    if (target->query.client_id) {
        GW_ASSERT(hint.client_id == *target->query.client_id);
    }
    if (target->place == Place::topic) {
        check_location(*target);
    }
    return 0;
}
