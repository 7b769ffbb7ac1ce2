#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw::coap {

/// Content-Format numbers (RFC 7252, 12.3 and the IANA registry) as content types and back. A
/// number without a known name becomes "application/x-coap-format; ct=<number>", so that it comes
/// back unchanged.
inline constexpr std::uint16_t text_plain = 0;
inline constexpr std::uint16_t link_format = 40;

std::string content_type_of(std::uint16_t format);
/// Nothing for a content type that has no number: CoAP cannot say it. Case, and blanks around a
/// parameter, do not count; "text/plain" alone is text in UTF-8.
std::optional<std::uint16_t> content_format_of(std::string_view content_type);

}  // namespace gw::coap
