#pragma once

#include "adapters/coap/codec/message.hpp"
#include "adapters/coap/codec/option.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstdint>
#include <string_view>

namespace gw::coap {

/// Appends one message to a buffer: header and token, then options in ascending order, then the
/// payload. Lengths are the caller's care: a token has at most 8 bytes, an option at most 65,804.
class MessageWriter {
public:
    MessageWriter(ByteBuffer& out, Type type, Code code, std::uint16_t message_id,
                  const Token& token = {});

    /// `number` is not below the one before.
    MessageWriter& add(std::uint16_t number, Bytes value);
    MessageWriter& add(std::uint16_t number, std::string_view text) {
        return add(number, as_bytes(text));
    }
    /// As few bytes as hold the value (RFC 7252, 3.2).
    MessageWriter& add_uint(std::uint16_t number, std::uint32_t value);
    MessageWriter& add_block(std::uint16_t number, const Block& block) {
        return add_uint(number, block.encoded());
    }
    /// Last, and once. Nothing is written for an empty payload.
    void payload(Bytes bytes);

private:
    ByteBuffer& out_;
    std::uint16_t number_ = 0;
};

/// An empty message: ping, ACK or RST.
void write_empty(ByteBuffer& out, Type type, std::uint16_t message_id);

}  // namespace gw::coap
