#include "adapters/coap/codec/option.hpp"

#include <algorithm>
#include <iterator>

namespace gw::coap {

namespace {

/// By number. Lengths are those of the RFCs that define the options.
constexpr OptionFormat formats[] = {
    {option::if_match, 0, 8, true},      {option::uri_host, 1, 255, false},
    {option::etag, 1, 8, true},          {option::if_none_match, 0, 0, false},
    {option::observe, 0, 3, false},      {option::uri_port, 0, 2, false},
    {option::uri_path, 0, 255, true},    {option::content_format, 0, 2, false},
    {option::max_age, 0, 4, false},      {option::uri_query, 0, 255, true},
    {option::accept, 0, 2, false},       {option::block2, 0, 3, false},
    {option::block1, 0, 3, false},       {option::size2, 0, 4, false},
    {option::proxy_uri, 1, 1034, false}, {option::proxy_scheme, 1, 255, false},
    {option::size1, 0, 4, false},        {option::echo, 1, 40, false},
    {option::no_response, 0, 1, false},  {option::request_tag, 0, 8, true},
};

}  // namespace

const OptionFormat* find_option_format(std::uint16_t number) {
    const auto* const found = std::lower_bound(
        std::begin(formats), std::end(formats), number,
        [](const OptionFormat& format, std::uint16_t wanted) { return format.number < wanted; });
    return found != std::end(formats) && found->number == number ? found : nullptr;
}

std::uint32_t uint_of(Bytes value) {
    GW_ASSERT(value.size() <= 4);
    std::uint32_t number = 0;
    for (const std::uint8_t byte : value) {
        number = number << 8 | byte;
    }
    return number;
}

std::optional<Block> block_of(Bytes value) {
    const std::uint32_t number = uint_of(value);
    Block block;
    block.number = number >> 4;
    block.has_more = (number & 8) != 0;
    block.size_exponent = number & 7;
    if (block.size_exponent > size_exponent_max) {
        return std::nullopt;
    }
    return block;
}

std::uint8_t size_exponent_of(std::size_t bytes) {
    std::uint8_t exponent = 0;
    while (exponent < size_exponent_max && (std::size_t{32} << exponent) <= bytes) {
        ++exponent;
    }
    return exponent;
}

}  // namespace gw::coap
