#pragma once

#include "broker-core/base/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Small pieces over OpenSSL that authentication needs. Any thread. A failure of OpenSSL itself
/// (out of memory, no random bytes) ends the program: there is no safe way on.
namespace gw::auth {

/// Hash functions of passwords, tokens and SCRAM.
enum class HashKind : std::uint8_t { sha256, sha384, sha512 };

std::size_t digest_bytes(HashKind kind);
std::string digest(HashKind kind, std::string_view data);
std::string hmac(HashKind kind, std::string_view key, std::string_view data);
/// PBKDF2 with HMAC (RFC 8018, 5.2). Iterations at least 1.
std::string pbkdf2(HashKind kind, std::string_view password, std::string_view salt,
                   std::uint32_t iterations, std::size_t bytes);

std::string random_bytes(std::size_t count);
/// Takes as long for a difference in the first byte as in the last. Lengths are no secret.
bool equal_in_constant_time(std::string_view one, std::string_view other);

/// The two alphabets of RFC 4648: with padding (section 4), and that of URLs without (section 5).
enum class Base64 : std::uint8_t { standard, url };

std::string base64_encode(std::string_view data, Base64 alphabet = Base64::standard);
/// Nothing unless `text` is exactly what base64_encode() gives: no white space, no missing or
/// superfluous padding, no bits set that are thrown away. So each value has one spelling.
std::optional<std::string> base64_decode(std::string_view text, Base64 alphabet = Base64::standard);

}  // namespace gw::auth
