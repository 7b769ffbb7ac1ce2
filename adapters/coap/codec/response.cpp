#include "adapters/coap/codec/response.hpp"

#include "adapters/coap/codec/writer.hpp"

#include <algorithm>

namespace gw::coap {

namespace {

/// What may stand in a path segment as it is (RFC 3986, 3.3).
bool is_path_character(char c) {
    constexpr std::string_view others = "-._~!$&'()*+;=:@";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
}

}  // namespace

void write_response(ByteBuffer& out, Type type, std::uint16_t message_id, const Token& token,
                    const Response& response) {
    MessageWriter writer{out, type, response.code, message_id, token};
    if (response.etag) {
        writer.add(option::etag, Bytes{*response.etag});
    }
    if (response.observe) {
        writer.add_uint(option::observe, *response.observe);
    }
    if (response.location_root) {
        writer.add(option::location_path, root_name(*response.location_root));
        for_each_segment(response.location, [&writer](std::string_view segment) {
            writer.add(option::location_path, segment);
        });
    }
    if (response.content_format) {
        writer.add_uint(option::content_format, *response.content_format);
    }
    if (response.max_age) {
        writer.add_uint(option::max_age, *response.max_age);
    }
    if (response.block2) {
        writer.add_block(option::block2, *response.block2);
    }
    if (response.block1) {
        writer.add_block(option::block1, *response.block1);
    }
    if (response.size2) {
        writer.add_uint(option::size2, *response.size2);
    }
    if (response.size1) {
        writer.add_uint(option::size1, *response.size1);
    }
    if (!response.echo.empty()) {
        writer.add(option::echo, response.echo);
    }
    writer.payload(response.payload);
}

std::optional<BlockSlice> slice(Bytes body, const Block& wanted) {
    const std::uint64_t offset = wanted.offset();
    if (offset >= body.size() && wanted.number != 0) {
        return std::nullopt;
    }
    BlockSlice part;
    part.block = wanted;
    part.bytes = body.subspan(static_cast<std::size_t>(offset));
    part.block.has_more = part.bytes.size() > wanted.bytes();
    part.bytes = part.bytes.first(std::min<std::size_t>(part.bytes.size(), wanted.bytes()));
    return part;
}

void append_link_target(std::string& out, Root root, std::string_view topic) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    out += "</";
    out += root_name(root);
    for_each_segment(topic, [&](std::string_view segment) {
        out += '/';
        for (const char c : segment) {
            if (is_path_character(c)) {
                out += c;
                continue;
            }
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    });
    out += '>';
}

}  // namespace gw::coap
