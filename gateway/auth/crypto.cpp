#include "gateway/auth/crypto.hpp"

#include "broker-core/base/assert.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace gw::auth {

namespace {

const EVP_MD* function_of(HashKind kind) {
    switch (kind) {
        case HashKind::sha256:
            return EVP_sha256();
        case HashKind::sha384:
            return EVP_sha384();
        case HashKind::sha512:
            return EVP_sha512();
    }
    GW_UNREACHABLE();
}

std::uint8_t* writable(std::string& text) {
    return reinterpret_cast<std::uint8_t*>(text.data());
}

constexpr std::string_view standard_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string_view letters_of(Base64 alphabet) {
    return alphabet == Base64::standard ? standard_letters : url_letters;
}

}  // namespace

std::size_t digest_bytes(HashKind kind) {
    return static_cast<std::size_t>(EVP_MD_get_size(function_of(kind)));
}

std::string digest(HashKind kind, std::string_view data) {
    std::string out(digest_bytes(kind), '\0');
    const int done =
        EVP_Digest(data.data(), data.size(), writable(out), nullptr, function_of(kind), nullptr);
    GW_ASSERT(done == 1);
    return out;
}

std::string hmac(HashKind kind, std::string_view key, std::string_view data) {
    std::string out(digest_bytes(kind), '\0');
    // A null key would mean "the key of last time".
    const char* const key_bytes = key.empty() ? "" : key.data();
    const unsigned char* const done =
        HMAC(function_of(kind), key_bytes, static_cast<int>(key.size()), as_bytes(data).data(),
             data.size(), writable(out), nullptr);
    GW_ASSERT(done != nullptr);
    return out;
}

std::string pbkdf2(HashKind kind, std::string_view password, std::string_view salt,
                   std::uint32_t iterations, std::size_t bytes) {
    std::string out(bytes, '\0');
    const char* const secret = password.empty() ? "" : password.data();
    const int done =
        PKCS5_PBKDF2_HMAC(secret, static_cast<int>(password.size()), as_bytes(salt).data(),
                          static_cast<int>(salt.size()), static_cast<int>(iterations),
                          function_of(kind), static_cast<int>(bytes), writable(out));
    GW_ASSERT(done == 1);
    return out;
}

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    const int done = RAND_bytes(writable(out), static_cast<int>(count));
    GW_ASSERT(done == 1);
    return out;
}

bool equal_in_constant_time(std::string_view one, std::string_view other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string base64_encode(std::string_view data, Base64 alphabet) {
    const std::string_view letters = letters_of(alphabet);
    std::string out;
    out.reserve((data.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : data) {
        bits = bits << 8 | static_cast<std::uint8_t>(c);
        count += 8;
        while (count >= 6) {
            count -= 6;
            out += letters[bits >> count & 63U];
        }
    }
    if (count != 0) {
        out += letters[bits << (6 - count) & 63U];
    }
    while (alphabet == Base64::standard && out.size() % 4 != 0) {
        out += '=';
    }
    return out;
}

std::optional<std::string> base64_decode(std::string_view text, Base64 alphabet) {
    if (alphabet == Base64::standard) {
        if (text.size() % 4 != 0) {
            return std::nullopt;
        }
        for (int i = 0; i < 2 && text.ends_with('='); ++i) {
            text.remove_suffix(1);
        }
    }
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    const std::string_view letters = letters_of(alphabet);
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::size_t value = letters.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 255U);
        }
    }
    if ((bits & ((1U << count) - 1U)) != 0) {
        return std::nullopt;
    }
    return out;
}

}  // namespace gw::auth
