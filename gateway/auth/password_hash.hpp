#pragma once

#include "broker-core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gw::auth {

/// Ways in which new passwords are hashed.
enum class HashScheme : std::uint8_t { argon2id, bcrypt, pbkdf2_sha256, pbkdf2_sha512 };

/// What a new hash may cost whoever guesses, and us at each login.
struct HashParameters {
    HashScheme scheme = HashScheme::argon2id;
    std::uint32_t argon2_memory_kib = 19456;  // 19 MiB and two passes: what OWASP recommends
    std::uint32_t argon2_passes = 2;
    std::uint32_t bcrypt_cost = 10;  // 2^cost rounds
    std::uint32_t pbkdf2_iterations = 100000;
};

/// The password's hash as text that says how it was made, with a fresh salt. Slow by intent: not
/// on a worker's thread.
///
/// @error  invalid_argument  bcrypt only: the password holds a zero byte or more than 72 bytes
/// @error  unavailable       no memory for it
Result<std::string> hash_password(std::string_view password, const HashParameters& parameters);

/// Whether `encoded` is a hash that verify_password() can tell, at a cost that is bearable:
///   $argon2id$v=19$m=..,t=..,p=..$salt$hash   up to 256 MiB, 64 passes, 2 GiB in all, 16 lanes
///   $2a$ $2b$ $2y$                            bcrypt, cost 4 to 14
///   $pbkdf2-sha256$iterations$salt$hash       also -sha512; up to 2 million
///   $7$iterations$salt$hash                   PBKDF2 with SHA-512, of mosquitto 2
///   $6$salt$hash                              SHA-512 of password and salt, of mosquitto 1
///   $6$[rounds=..$]salt$hash                  crypt(3) with SHA-512, up to 2 million rounds
///
/// @error  invalid_argument  it is not; the text says why
Result<void> check_password_hash(std::string_view encoded);

/// Whether the hash is of this password. False for what check_password_hash() refuses. Slow by
/// intent; takes as long when the password is wrong.
bool verify_password(std::string_view encoded, std::string_view password);

}  // namespace gw::auth
