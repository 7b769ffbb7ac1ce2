#include "gateway/auth/scram.hpp"

#include "gateway/auth/crypto.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace gw::auth {

namespace {

constexpr std::size_t message_bytes_max = 4096;

/// Takes the text before the next comma off `rest`; the comma too.
std::string_view take_part(std::string_view& rest) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

/// "=2C" is a comma and "=3D" an equals sign; no other "=" may stand in a name (RFC 5802, 5.1).
std::optional<std::string> decode_name(std::string_view text) {
    std::string name;
    while (!text.empty()) {
        if (text.front() != '=') {
            name += text.front();
            text.remove_prefix(1);
        } else if (text.starts_with("=2C") || text.starts_with("=3D")) {
            name += text[1] == '2' ? ',' : '=';
            text.remove_prefix(3);
        } else {
            return std::nullopt;
        }
    }
    return name;
}

bool is_nonce(std::string_view text) {
    return !text.empty() && text.size() <= 512 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string exclusive_or(std::string one, std::string_view other) {
    for (std::size_t i = 0; i < one.size(); ++i) {
        one[i] = static_cast<char>(one[i] ^ other[i]);
    }
    return one;
}

}  // namespace

ScramKeys derive_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations) {
    ScramKeys keys;
    const std::string salted = pbkdf2(HashKind::sha256, password, salt, iterations, 32);
    keys.stored_key = digest(HashKind::sha256, hmac(HashKind::sha256, salted, "Client Key"));
    keys.server_key = hmac(HashKind::sha256, salted, "Server Key");
    keys.salt = std::move(salt);
    keys.iterations = iterations;
    return keys;
}

ScramKeys fake_scram_keys(std::string_view secret, std::string_view username,
                          std::uint32_t iterations) {
    ScramKeys keys;
    keys.salt = hmac(HashKind::sha256, secret, "salt " + std::string{username}).substr(0, 16);
    keys.stored_key = random_bytes(32);
    keys.server_key = random_bytes(32);
    keys.iterations = iterations;
    return keys;
}

Result<std::string, ScramError> ScramServer::on_first(std::string_view message) {
    if (message.size() > message_bytes_max) {
        return ScramError::malformed;
    }
    std::string_view rest = message;
    const std::string_view binding = take_part(rest);
    if (binding.starts_with("p=")) {
        return ScramError::channel_binding;
    }
    if ((binding != "n" && binding != "y") || rest.empty()) {
        return ScramError::malformed;
    }
    const std::string_view identity = take_part(rest);
    if (!identity.empty() && !identity.starts_with("a=")) {
        return ScramError::malformed;
    }
    gs2_header_ = std::string{message.substr(0, message.size() - rest.size())};
    client_first_bare_ = std::string{rest};
    const std::string_view user = take_part(rest);
    if (user.starts_with("m=")) {
        return ScramError::extension;
    }
    const std::string_view nonce = take_part(rest);
    if (!user.starts_with("n=") || !nonce.starts_with("r=") || !is_nonce(nonce.substr(2))) {
        return ScramError::malformed;
    }
    auto name = decode_name(user.substr(2));
    if (!name || !is_user_name(*name)) {
        return ScramError::malformed;
    }
    if (!identity.empty() && decode_name(identity.substr(2)) != name) {
        return ScramError::other_identity;
    }
    nonce_ = std::string{nonce.substr(2)} + server_nonce_;
    return std::move(*name);
}

std::string ScramServer::challenge(const ScramKeys& keys) {
    keys_ = keys;
    server_first_ =
        "r=" + nonce_ + ",s=" + base64_encode(keys.salt) + ",i=" + std::to_string(keys.iterations);
    return server_first_;
}

Result<std::string, ScramError> ScramServer::on_final(std::string_view message) const {
    if (message.size() > message_bytes_max) {
        return ScramError::malformed;
    }
    // The proof stands last, and signs what stands before it.
    const std::size_t proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos) {
        return ScramError::malformed;
    }
    const std::string_view without_proof = message.substr(0, proof_at);
    const auto proof = base64_decode(message.substr(proof_at + 3));
    std::string_view rest = without_proof;
    const std::string_view binding = take_part(rest);
    const std::string_view nonce = take_part(rest);
    if (!proof || proof->size() != 32 || !binding.starts_with("c=") || !nonce.starts_with("r=")) {
        return ScramError::malformed;
    }
    if (base64_decode(binding.substr(2)) != gs2_header_) {
        return ScramError::channel_binding;
    }
    if (!equal_in_constant_time(nonce.substr(2), nonce_)) {
        return ScramError::wrong_nonce;
    }
    const std::string signed_text =
        client_first_bare_ + "," + server_first_ + "," + std::string{without_proof};
    const std::string client_signature = hmac(HashKind::sha256, keys_.stored_key, signed_text);
    const std::string client_key = exclusive_or(*proof, client_signature);
    if (!equal_in_constant_time(digest(HashKind::sha256, client_key), keys_.stored_key)) {
        return ScramError::wrong_proof;
    }
    return "v=" + base64_encode(hmac(HashKind::sha256, keys_.server_key, signed_text));
}

}  // namespace gw::auth
