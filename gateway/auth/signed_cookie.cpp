#include "gateway/auth/signed_cookie.hpp"

#include "gateway/auth/crypto.hpp"
#include "gateway/auth/user_store.hpp"

#include <algorithm>
#include <charconv>

namespace gw::auth {

namespace {

constexpr std::string_view white = " \t";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(white);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(white) - first + 1);
}

std::string signature(std::string_view secret, std::string_view name, std::string_view text) {
    return hmac(HashKind::sha256, secret, std::string{name} + "=" + std::string{text});
}

}  // namespace

std::optional<std::string_view> find_cookie(std::string_view header, std::string_view name) {
    while (!header.empty()) {
        const std::size_t end = std::min(header.find(';'), header.size());
        const std::string_view pair = header.substr(0, end);
        header.remove_prefix(std::min(end + 1, header.size()));
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != name) {
            continue;
        }
        std::string_view value = trimmed(pair.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
        }
        return value;
    }
    return std::nullopt;
}

std::string make_signed_cookie(std::string_view secret, std::string_view name,
                               const SignedCookie& cookie) {
    const auto seconds =
        std::chrono::duration_cast<Seconds>(cookie.expires_at.time_since_epoch()).count();
    const std::string text =
        base64_encode(cookie.username, Base64::url) + "." + std::to_string(seconds);
    return text + "." + base64_encode(signature(secret, name, text), Base64::url);
}

Result<SignedCookie> read_signed_cookie(std::string_view secret, std::string_view name,
                                        std::string_view value, WallTime now) {
    const std::size_t last = value.rfind('.');
    const std::size_t first = value.find('.');
    if (last == std::string_view::npos || first == last || value.size() > 8192) {
        return Error{Errc::invalid_argument, "malformed"};
    }
    const std::string_view text = value.substr(0, last);
    const auto shown = base64_decode(value.substr(last + 1), Base64::url);
    // Nothing is believed, not even looked at, before it is known who wrote it.
    if (!shown || !equal_in_constant_time(signature(secret, name, text), *shown)) {
        return Error{Errc::invalid_argument, "signature"};
    }
    const std::string_view time = text.substr(first + 1);
    std::int64_t seconds = 0;
    const auto [end, failure] = std::from_chars(time.data(), time.data() + time.size(), seconds);
    auto username = base64_decode(text.substr(0, first), Base64::url);
    constexpr std::int64_t far = 253402300800;  // the year 10000
    if (failure != std::errc{} || end != time.data() + time.size() || seconds < 0 ||
        seconds > far || !username || !is_user_name(*username)) {
        return Error{Errc::invalid_argument, "malformed"};
    }
    const WallTime expires_at{Seconds{seconds}};
    if (expires_at <= now) {
        return Error{Errc::invalid_argument, "expired"};
    }
    return SignedCookie{.username = std::move(*username), .expires_at = expires_at};
}

}  // namespace gw::auth
