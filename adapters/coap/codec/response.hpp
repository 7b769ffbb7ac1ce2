#pragma once

#include "adapters/coap/codec/message.hpp"
#include "adapters/coap/codec/option.hpp"
#include "adapters/coap/codec/target.hpp"
#include "broker-core/base/bytes.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw::coap {

/// Names one state of a topic (RFC 7252, 5.10.6).
using Etag = std::array<std::uint8_t, 8>;

/// What is answered, or told to an observer; borrowed for the call that writes it.
struct Response {
    Code code = Code::content;
    std::optional<Etag> etag{};
    std::optional<std::uint32_t> observe{};
    std::optional<Root> location_root{};  // with `location`: Location-Path
    std::string_view location{};          // a topic
    std::optional<std::uint16_t> content_format{};
    std::optional<std::uint32_t> max_age{};  // seconds
    std::optional<Block> block2{};
    std::optional<Block> block1{};
    std::optional<std::uint32_t> size2{};
    std::optional<std::uint32_t> size1{};
    Bytes echo{};  // empty: none
    Bytes payload{};
};

void write_response(ByteBuffer& out, Type type, std::uint16_t message_id, const Token& token,
                    const Response& response);

/// Part of a body that `wanted` names, for a response that carries it in blocks.
struct BlockSlice {
    Bytes bytes;
    Block block;
};
/// Nothing when the block lies behind the end of the body.
std::optional<BlockSlice> slice(Bytes body, const Block& wanted);

/// Appends `</ps/a/b>` and the like: the topic as a URI reference (RFC 6690, 2; RFC 3986, 2.1).
void append_link_target(std::string& out, Root root, std::string_view topic);

}  // namespace gw::coap
