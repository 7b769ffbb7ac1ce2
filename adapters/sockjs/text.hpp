#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The texts of SockJS: JSON arrays of strings as clients send them, and strings escaped as
/// browsers need them. Pure. Texts are UTF-8 in which the halves of surrogate pairs may stand
/// alone, as they may in JavaScript (three bytes each, as if they were characters), so that an echo
/// gives back what it got.
namespace gw::sockjs {

/// An array of JSON strings or, as WebSocket clients may send it, one string alone. None: broken
/// JSON, something else, or not UTF-8.
std::optional<std::vector<std::string>> decode_messages(std::string_view json);

/// Appends a JSON string with its quotes; escapes also what browsers change on the way
/// (sockjs-protocol 0.3.3, "JSON Unicode Encoding"). Bytes that are no text become U+FFFD.
void append_json(std::string& out, std::string_view text);

/// Appends a JavaScript string with its quotes that may stand in a script of an HTML page.
void append_script_string(std::string& out, std::string_view text);

/// Replaces lone halves of surrogate pairs by U+FFFD: from then on the text is UTF-8.
void replace_surrogates(std::string& text);

/// Replaces each byte that is no part of a character by '?': the text becomes UTF-8 and stays as
/// long as it was, which counts where a protocol has said its length before.
void mask_broken_bytes(std::string& text);

/// %41 becomes A; `plus_is_space` as in forms. None: a broken escape.
enum class Plus : std::uint8_t { stays, is_space };
std::optional<std::string> percent_decode(std::string_view text, Plus plus);

/// The value of a field of a query or of a form, decoded; none when it is not there.
std::optional<std::string> form_field(std::string_view form, std::string_view name, Plus plus);

void append_base64(std::string& out, std::string_view bytes);
/// None when it is not base64 with its padding (RFC 4648, 4).
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace gw::sockjs
