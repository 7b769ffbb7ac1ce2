#pragma once

#include "adapters/coap/codec/message.hpp"
#include "adapters/coap/codec/option.hpp"
#include "broker-core/base/bytes.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::coap {

/// Few values of one repeatable option; borrowed.
struct OptionValues {
    static constexpr std::size_t count_max = 8;

    std::array<Bytes, count_max> values;
    std::size_t count = 0;

    bool contains(Bytes value) const;
};

/// The options of one request that bear on how it is answered, read and judged; borrowed from its
/// datagram. Path and query are in Target.
struct Request {
    MessageView message;
    std::optional<std::uint32_t> observe;
    std::optional<Block> block1;
    std::optional<Block> block2;
    std::optional<std::uint32_t> size1;
    std::optional<std::uint16_t> content_format;
    std::optional<std::uint16_t> accept;
    std::optional<std::uint32_t> max_age;
    OptionValues etags;
    OptionValues if_match;
    bool has_if_match = false;
    bool if_none_match = false;
    bool wants_size2 = false;      // how long the body is (RFC 7959, 4)
    std::uint8_t no_response = 0;  // RFC 7967, 2: classes of which the client wants no answer
    Bytes echo;                    // empty: none

    /// What the options alone make of the request; `empty`: nothing is wrong with them.
    Code refusal = Code::empty;
    std::string_view refusal_text;
    /// A critical option that is not understood. Of a non-confirmable request nothing is answered
    /// then (RFC 7252, 5.4.1).
    bool has_bad_option = false;

    /// Whether the client has said that it wants no answer of this class (RFC 7967, 2.1).
    bool suppresses(Code code) const { return (no_response >> (class_of(code) - 1) & 1) != 0; }
};

Request decode_request(const MessageView& message);

/// A hash of the request's query, which holds whatever its client shows of itself.
std::uint64_t queries_hash(const MessageView& message, std::uint64_t hash_key);

/// Names what a request is about, whichever block of it this is: method, path, query, Request-Tag
/// (RFC 7959, 2.5; RFC 9175, 3). For the parts of one body.
std::uint64_t body_key_of(const MessageView& message, std::uint64_t hash_key);

}  // namespace gw::coap
