#include "adapters/coap/codec/request.hpp"

#include "broker-core/base/hash.hpp"

#include <algorithm>

namespace gw::coap {

namespace {

void refuse(Request& request, Code code, std::string_view text) {
    if (request.refusal == Code::empty) {
        request.refusal = code;
        request.refusal_text = text;
    }
}

void take_block(Request& request, std::optional<Block>& place, Bytes value) {
    place = block_of(value);
    if (!place) {
        refuse(request, Code::bad_request, "reserved block size");
    }
}

void take(OptionValues& place, Bytes value) {
    if (place.count < OptionValues::count_max) {
        place.values[place.count++] = value;
    }
}

void take_option(Request& request, const OptionView& view) {
    switch (view.number) {
        case option::if_match:
            request.has_if_match = true;
            take(request.if_match, view.value);
            return;
        case option::etag:
            take(request.etags, view.value);
            return;
        case option::if_none_match:
            request.if_none_match = true;
            return;
        case option::observe:
            request.observe = uint_of(view.value);
            return;
        case option::content_format:
            request.content_format = static_cast<std::uint16_t>(uint_of(view.value));
            return;
        case option::max_age:
            request.max_age = uint_of(view.value);
            return;
        case option::accept:
            request.accept = static_cast<std::uint16_t>(uint_of(view.value));
            return;
        case option::block1:
            take_block(request, request.block1, view.value);
            return;
        case option::block2:
            take_block(request, request.block2, view.value);
            return;
        case option::size1:
            request.size1 = uint_of(view.value);
            return;
        case option::size2:
            request.wants_size2 = true;
            return;
        case option::no_response:
            request.no_response = static_cast<std::uint8_t>(uint_of(view.value));
            return;
        case option::echo:
            request.echo = view.value;
            return;
        case option::proxy_uri:
        case option::proxy_scheme:
            refuse(request, Code::proxying_not_supported, "no proxy");
            return;
        default:
            return;  // of the path and the query, or without meaning in a request
    }
}

}  // namespace

bool OptionValues::contains(Bytes value) const {
    return std::any_of(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count),
                       [&](Bytes one) { return std::ranges::equal(one, value); });
}

Request decode_request(const MessageView& message) {
    Request request;
    request.message = message;
    OptionReader options{message.options};
    std::uint32_t previous = 0;  // no option has the number 0
    while (const auto view = options.next()) {
        const OptionFormat* const format = find_option_format(view->number);
        // A wrong length, or an option once too often, counts as one that is not understood
        // (RFC 7252, 5.4.3 and 5.4.5).
        const bool understood = format != nullptr && view->value.size() >= format->bytes_min &&
                                view->value.size() <= format->bytes_max &&
                                (format->is_repeatable || view->number != previous);
        previous = view->number;
        if (understood) {
            take_option(request, *view);
        } else if (is_critical(view->number)) {
            request.has_bad_option = true;
            refuse(request, Code::bad_option, "unknown or malformed critical option");
        }
    }
    return request;
}

std::uint64_t queries_hash(const MessageView& message, std::uint64_t hash_key) {
    std::uint64_t hash = hash_key;
    OptionReader options{message.options};
    while (const auto view = options.next()) {
        if (view->number == option::uri_query) {
            hash = hash_text(as_text(view->value), hash);
        }
    }
    return hash;
}

std::uint64_t body_key_of(const MessageView& message, std::uint64_t hash_key) {
    std::uint64_t key = hash_key ^ static_cast<std::uint64_t>(message.code);
    OptionReader options{message.options};
    while (const auto view = options.next()) {
        if (view->number == option::uri_path || view->number == option::uri_query ||
            view->number == option::request_tag) {
            key = hash_text(as_text(view->value), key + view->number);
        }
    }
    return key;
}

}  // namespace gw::coap
