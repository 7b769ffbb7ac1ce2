#include "adapters/mqttsn/codec/frame.hpp"

namespace gw::mqttsn {

namespace {

constexpr std::uint8_t long_length = 0x01;  // two octets of length follow

bool is_known(std::uint8_t type) {
    return type <= 0x1d && type != 0x03 && type != 0x11 && type != 0x19;
}

}  // namespace

std::string_view decode_error_text(DecodeError error) {
    switch (error) {
        case DecodeError::truncated:
            return "the datagram ends within the message";
        case DecodeError::length_mismatch:
            return "the length field is not the datagram's size";
        case DecodeError::unknown_type:
            return "the message type is reserved";
        case DecodeError::overlong:
            return "more follows than the message has fields";
        case DecodeError::nested_too_deep:
            return "too many forwarders behind each other";
    }
    GW_UNREACHABLE();
}

Result<Frame, DecodeError> read_frame(Bytes datagram) {
    Reader in{datagram};
    std::size_t length = in.u8();
    if (length == long_length) {
        length = in.u16_be();
    }
    const std::uint8_t type = in.u8();
    if (in.failed()) {
        return DecodeError::truncated;
    }
    if (length != datagram.size()) {
        return DecodeError::length_mismatch;
    }
    if (!is_known(type)) {
        return DecodeError::unknown_type;
    }
    return Frame{static_cast<MessageType>(type), in.rest()};
}

std::uint8_t peek_type(Bytes datagram) {
    Reader in{datagram};
    if (in.u8() == long_length) {
        in.u16_be();
    }
    const std::uint8_t type = in.u8();
    return in.failed() ? std::uint8_t{0xff} : type;
}

Result<Bytes, DecodeError> unwrap(Bytes datagram, ByteBuffer& node) {
    constexpr std::size_t fixed_bytes = 3;  // length, type, Ctrl
    for (int depth = 0;; ++depth) {
        const bool is_wrapped = datagram.size() >= 2 && datagram[0] != long_length &&
                                datagram[1] == static_cast<std::uint8_t>(MessageType::encapsulated);
        if (!is_wrapped) {
            return datagram;
        }
        if (depth == encapsulation_depth_max) {
            return DecodeError::nested_too_deep;
        }
        Reader in{datagram};
        const std::uint8_t length = in.u8();  // up to the end of the wireless node id
        in.take(fixed_bytes - 1);
        if (in.failed() || length <= fixed_bytes) {
            return DecodeError::truncated;  // no wireless node id
        }
        const Bytes id = in.take(length - fixed_bytes);
        if (in.failed()) {
            return DecodeError::truncated;
        }
        node.u8(length);
        node.u8(static_cast<std::uint8_t>(MessageType::encapsulated));
        node.u8(0);
        node.append(id);
        datagram = in.rest();
    }
}

}  // namespace gw::mqttsn
