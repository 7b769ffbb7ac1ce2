#pragma once

#include "broker-core/base/result.hpp"
#include "gateway/auth/user_store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gw::auth {

/// Why a SCRAM message was refused. The client is only told that it was.
enum class ScramError : std::uint8_t {
    malformed,
    channel_binding,  // it demands what SCRAM-SHA-256 without -PLUS has not
    extension,        // a mandatory one, which nobody knows
    other_identity,   // it wants to act as somebody else
    wrong_nonce,
    wrong_proof,
};

/// Derives what the server keeps of a password (RFC 5802, 3). Slow by intent.
ScramKeys derive_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations);

/// The server's side of one SCRAM-SHA-256 exchange (RFC 5802 and 7677): messages in, messages out,
/// no I/O. Channel binding is not offered: "n" and "y" are taken, "p" is refused. User names are
/// compared byte for byte, as MQTT does, without SASLprep.
class ScramServer {
public:
    /// `nonce`: printable characters without a comma, at least 18 random bytes' worth.
    explicit ScramServer(std::string nonce) : server_nonce_(std::move(nonce)) {}

    /// The client's first message. Gives the user name.
    Result<std::string, ScramError> on_first(std::string_view message);
    /// The answer to it, for a user with these keys; once after on_first().
    std::string challenge(const ScramKeys& keys);
    /// The client's final message. Gives the server's final message, which proves that the server
    /// knows the user too.
    Result<std::string, ScramError> on_final(std::string_view message) const;

private:
    const std::string server_nonce_;
    std::string gs2_header_;
    std::string client_first_bare_;
    std::string nonce_;  // both parts
    std::string server_first_;
    ScramKeys keys_;
};

/// Keys for a user that does not exist, always the same ones for a name: nobody who tries names
/// can tell. No proof fits them.
ScramKeys fake_scram_keys(std::string_view secret, std::string_view username,
                          std::uint32_t iterations);

}  // namespace gw::auth
