#include "adapters/websocket/handshake.hpp"

#include "broker-core/base/bytes.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace gw::websocket {

namespace {

http::Response upgrade_required(std::string_view why) {
    return http::text_response(426, why)
        .with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Version", "13");
}

/// 16 bytes in base64: 22 characters and "==".
bool is_key(std::string_view key) {
    const auto is_base64 = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/';
    };
    return key.size() == 24 && key.ends_with("==") &&
           std::all_of(key.begin(), key.begin() + 22, is_base64);
}

bool is_token(std::string_view text) {
    static constexpr std::string_view separators = "()<>@,;:\\\"/[]?={} \t";
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7f && separators.find(c) == std::string_view::npos;
    });
}

bool is_known_version(const http::Request& request, const HandshakeRules& rules) {
    if (request.count("Sec-WebSocket-Version") != 1) {
        return false;
    }
    const std::string_view version = http::trim(*request.find("Sec-WebSocket-Version"));
    return version == "13" || (rules.takes_drafts && (version == "7" || version == "8"));
}

http::OriginVerdict origin_verdict(const http::Request& request, const HandshakeRules& rules) {
    const auto draft_origin = request.find("Sec-WebSocket-Origin");
    if (!rules.takes_drafts || !draft_origin || request.find("Origin")) {
        return http::check_origin(request, rules.origins);
    }
    http::Request renamed = request;
    renamed.fields.push_back({"Origin", std::string{*draft_origin}});
    return http::check_origin(renamed, rules.origins);
}

}  // namespace

std::string accept_value(std::string_view key) {
    const std::string joined = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned digest_bytes = 0;
    const int is_done =
        EVP_Digest(joined.data(), joined.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr);
    GW_ASSERT(is_done == 1);
    std::array<unsigned char, 64> text{};
    const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest_bytes));
    return std::string{as_text({text.data(), static_cast<std::size_t>(size)})};
}

Result<Handshake, http::Response> answer_handshake(const http::Request& request,
                                                   const HandshakeRules& rules) {
    if (!request.has_token("Upgrade", "websocket")) {
        return upgrade_required("this path is for WebSocket clients");
    }
    if (request.minor_version < 1 || !request.has_token("Connection", "upgrade") ||
        !request.body.empty()) {
        return http::text_response(400, "the upgrade request is malformed");
    }
    if (!is_known_version(request, rules)) {
        return upgrade_required("only version 13 of WebSocket is spoken here");
    }
    if (request.count("Sec-WebSocket-Key") != 1 ||
        !is_key(http::trim(*request.find("Sec-WebSocket-Key")))) {
        return http::text_response(400, "Sec-WebSocket-Key is missing or malformed");
    }
    const http::OriginVerdict verdict = origin_verdict(request, rules);
    if (verdict == http::OriginVerdict::refused) {
        return http::text_response(403, "pages of this origin may not connect");
    }
    Handshake handshake;
    const std::string offered_text = request.joined("Sec-WebSocket-Protocol");
    const auto offered = http::split_list(offered_text);
    for (const std::string_view protocol : offered) {
        if (!is_token(protocol)) {
            return http::text_response(400, "Sec-WebSocket-Protocol is malformed");
        }
        // The client's order is its preference.
        if (handshake.protocol.empty() && std::find(rules.protocols.begin(), rules.protocols.end(),
                                                    protocol) != rules.protocols.end()) {
            handshake.protocol = protocol;
        }
    }
    if (handshake.protocol.empty() && rules.requires_protocol) {
        return http::text_response(400, "none of the offered subprotocols is spoken here");
    }
    if (verdict != http::OriginVerdict::stranger) {
        handshake.cookie = request.joined("Cookie");
        // Several Cookie fields are one with semicolons (RFC 9113, 8.2.3).
        if (request.count("Cookie") > 1) {
            std::replace(handshake.cookie.begin(), handshake.cookie.end(), ',', ';');
        }
    }
    handshake.response.status = 101;
    handshake.response.with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Accept", accept_value(http::trim(*request.find("Sec-WebSocket-Key"))));
    if (!handshake.protocol.empty()) {
        handshake.response.with("Sec-WebSocket-Protocol", handshake.protocol);
    }
    return handshake;
}

}  // namespace gw::websocket
