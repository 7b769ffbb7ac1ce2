#include "gateway/auth/password_hash.hpp"

#include "broker-core/base/assert.hpp"
#include "gateway/auth/crypto.hpp"

#include <argon2.h>
#include <charconv>
#include <crypt.h>
#include <memory>
#include <optional>
#include <vector>

namespace gw::auth {

namespace {

// Some seconds at most, at the low priority of the threads that hash: the program waits for a hash
// that has begun when it stops.
constexpr std::uint32_t argon2_memory_kib_max = 256 << 10;
constexpr std::uint64_t argon2_work_kib_max = 2 << 20;  // memory times passes
constexpr std::uint32_t iterations_max = 2'000'000;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t encoded_bytes_max = 512;

enum class Kind : std::uint8_t { argon2id, crypt, pbkdf2, salted_sha512 };

/// A hash taken apart. Views point into the encoded text.
struct Parts {
    Kind kind = Kind::crypt;
    HashKind function = HashKind::sha512;
    std::uint32_t iterations = 1;
    std::string salt{};  // of PBKDF2 and salted SHA-512; decoded
    std::string hash{};
};

std::vector<std::string_view> fields_of(std::string_view text) {
    std::vector<std::string_view> fields;
    for (;;) {
        const std::size_t end = text.find('$');
        fields.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return fields;
        }
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint32_t> number_of(std::string_view text, std::uint32_t max) {
    std::uint32_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value == 0 || value > max) {
        return std::nullopt;
    }
    return value;
}

Error bad(const char* what) {
    return {Errc::invalid_argument, std::string{"not a password hash: "} + what};
}

/// The base64 of passlib: "." for "+" and no padding.
std::optional<std::string> adapted_base64_decode(std::string_view text) {
    std::string standard{text};
    for (char& c : standard) {
        c = c == '.' ? '+' : c;
    }
    while (standard.size() % 4 != 0) {
        standard += '=';
    }
    return base64_decode(standard);
}

std::string adapted_base64_encode(std::string_view data) {
    std::string text = base64_encode(data);
    while (text.ends_with('=')) {
        text.pop_back();
    }
    for (char& c : text) {
        c = c == '+' ? '.' : c;
    }
    return text;
}

/// "m=19456,t=2,p=1".
bool is_bearable_argon2(std::string_view parameters) {
    const std::size_t first = parameters.find(',');
    const std::size_t second =
        parameters.find(',', first == std::string_view::npos ? 0 : first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) {
        return false;
    }
    const std::string_view memory = parameters.substr(0, first);
    const std::string_view passes = parameters.substr(first + 1, second - first - 1);
    const std::string_view lanes = parameters.substr(second + 1);
    if (!memory.starts_with("m=") || !passes.starts_with("t=") || !lanes.starts_with("p=")) {
        return false;
    }
    const auto kib = number_of(memory.substr(2), argon2_memory_kib_max);
    const auto count = number_of(passes.substr(2), 64);
    return kib && count && std::uint64_t{*kib} * *count <= argon2_work_kib_max &&
           number_of(lanes.substr(2), 16);
}

Result<Parts> parse_pbkdf2(HashKind function, std::string_view iterations,
                           std::optional<std::string> salt, std::optional<std::string> hash) {
    const auto count = number_of(iterations, iterations_max);
    if (!count) {
        return bad("number of iterations");
    }
    if (!salt || salt->empty() || !hash || hash->size() < 16 || hash->size() > 64) {
        return bad("salt or hash");
    }
    return Parts{.kind = Kind::pbkdf2,
                 .function = function,
                 .iterations = *count,
                 .salt = std::move(*salt),
                 .hash = std::move(*hash)};
}

Result<Parts> parse_sha512(const std::vector<std::string_view>& fields) {
    // mosquitto and crypt(3) use the same sign; the hash's length tells them apart.
    if (fields.size() == 4 && fields[3].size() == 88) {
        auto salt = base64_decode(fields[2]);
        auto hash = base64_decode(fields[3]);
        if (!salt || !hash) {
            return bad("salt or hash");
        }
        return Parts{
            .kind = Kind::salted_sha512, .salt = std::move(*salt), .hash = std::move(*hash)};
    }
    const bool has_rounds = fields.size() == 5 && fields[2].starts_with("rounds=");
    if (has_rounds && !number_of(fields[2].substr(7), iterations_max)) {
        return bad("number of rounds");
    }
    if ((fields.size() != 4 && !has_rounds) || fields.back().size() != 86) {
        return bad("length of the hash");
    }
    return Parts{};
}

Result<Parts> parse(std::string_view encoded) {
    const auto fields = fields_of(encoded);
    if (encoded.size() > encoded_bytes_max || fields.size() < 4 || !fields[0].empty() ||
        encoded.find('\0') != std::string_view::npos) {
        return bad("no $scheme$... of a known kind");
    }
    const std::string_view scheme = fields[1];
    if (scheme == "argon2id") {
        if (fields.size() != 6 || !is_bearable_argon2(fields[3])) {
            return bad("parameters of argon2id");
        }
        return Parts{.kind = Kind::argon2id};
    }
    if (scheme == "2a" || scheme == "2b" || scheme == "2y") {
        const bool is_bearable = fields[2].size() == 2 && fields[2] >= "04" && fields[2] <= "14";
        if (fields.size() != 4 || !is_bearable || fields[3].size() != 53) {
            return bad("cost or length of bcrypt");
        }
        return Parts{};
    }
    if (scheme == "6") {
        return parse_sha512(fields);
    }
    if (fields.size() != 5) {
        return bad("no $scheme$... of a known kind");
    }
    if (scheme == "7") {
        return parse_pbkdf2(HashKind::sha512, fields[2], base64_decode(fields[3]),
                            base64_decode(fields[4]));
    }
    if (scheme == "pbkdf2-sha256" || scheme == "pbkdf2-sha512") {
        return parse_pbkdf2(scheme.ends_with("256") ? HashKind::sha256 : HashKind::sha512,
                            fields[2], adapted_base64_decode(fields[3]),
                            adapted_base64_decode(fields[4]));
    }
    return bad("no $scheme$... of a known kind");
}

/// What crypt(3) makes of it; empty when it refuses.
std::string crypt_of(const std::string& password, const std::string& setting) {
    // Some 32 KB, which is much for a stack.
    const auto memory = std::make_unique<crypt_data>();
    const char* const made =
        ::crypt_rn(password.c_str(), setting.c_str(), memory.get(), sizeof(crypt_data));
    return made == nullptr ? std::string{} : std::string{made};
}

Result<std::string> hash_with_argon2(std::string_view password, const HashParameters& parameters) {
    const std::string salt = random_bytes(salt_bytes);
    std::string encoded(encoded_bytes_max, '\0');
    const int failure = ::argon2id_hash_encoded(
        parameters.argon2_passes, parameters.argon2_memory_kib, 1, password.data(), password.size(),
        salt.data(), salt.size(), 32, encoded.data(), encoded.size());
    if (failure != ARGON2_OK) {
        return Error{Errc::unavailable,
                     std::string{"argon2id: "} + ::argon2_error_message(failure)};
    }
    encoded.resize(encoded.find('\0'));
    return encoded;
}

Result<std::string> hash_with_bcrypt(std::string_view password, std::uint32_t cost) {
    constexpr std::size_t bcrypt_bytes_max = 72;  // what follows would not count
    if (password.size() > bcrypt_bytes_max || password.find('\0') != std::string_view::npos) {
        return Error{Errc::invalid_argument,
                     "bcrypt takes passwords of at most 72 bytes without a zero byte"};
    }
    const std::string salt = random_bytes(salt_bytes);
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (::crypt_gensalt_rn("$2b$", cost, salt.data(), static_cast<int>(salt.size()), setting,
                           sizeof setting) == nullptr) {
        return Error{Errc::unavailable, "bcrypt: this system's libcrypt does not know it"};
    }
    std::string made = crypt_of(std::string{password}, setting);
    if (made.empty() || made.starts_with('*')) {
        return Error{Errc::unavailable, "bcrypt: libcrypt failed"};
    }
    return made;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, const HashParameters& parameters) {
    switch (parameters.scheme) {
        case HashScheme::argon2id:
            return hash_with_argon2(password, parameters);
        case HashScheme::bcrypt:
            return hash_with_bcrypt(password, parameters.bcrypt_cost);
        case HashScheme::pbkdf2_sha256:
        case HashScheme::pbkdf2_sha512:
            break;
    }
    const bool is_256 = parameters.scheme == HashScheme::pbkdf2_sha256;
    const HashKind function = is_256 ? HashKind::sha256 : HashKind::sha512;
    const std::string salt = random_bytes(salt_bytes);
    const std::string hash =
        pbkdf2(function, password, salt, parameters.pbkdf2_iterations, digest_bytes(function));
    return std::string{is_256 ? "$pbkdf2-sha256$" : "$pbkdf2-sha512$"} +
           std::to_string(parameters.pbkdf2_iterations) + "$" + adapted_base64_encode(salt) + "$" +
           adapted_base64_encode(hash);
}

Result<void> check_password_hash(std::string_view encoded) {
    const auto parts = parse(encoded);
    if (!parts) {
        return parts.error();
    }
    return {};
}

bool verify_password(std::string_view encoded, std::string_view password) {
    const auto parts = parse(encoded);
    if (!parts) {
        return false;
    }
    switch (parts->kind) {
        case Kind::argon2id:
            return ::argon2id_verify(std::string{encoded}.c_str(), password.data(),
                                     password.size()) == ARGON2_OK;
        case Kind::crypt:
            // crypt(3) would take what stands before the zero byte for the whole.
            return password.find('\0') == std::string_view::npos &&
                   equal_in_constant_time(crypt_of(std::string{password}, std::string{encoded}),
                                          encoded);
        case Kind::pbkdf2:
            // HMAC fills its key up with zero bytes: those at the end would make no difference.
            return !password.ends_with('\0') &&
                   equal_in_constant_time(pbkdf2(parts->function, password, parts->salt,
                                                 parts->iterations, parts->hash.size()),
                                          parts->hash);
        case Kind::salted_sha512:
            return equal_in_constant_time(
                digest(HashKind::sha512, std::string{password} + parts->salt), parts->hash);
    }
    GW_UNREACHABLE();
}

}  // namespace gw::auth
