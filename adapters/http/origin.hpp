#pragma once

#include "adapters/http/message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gw::http {

/// Which web pages may use a browser's connection to us. A browser sends its cookies, and reaches
/// what its machine reaches, on behalf of any page; the Origin field says of which (RFC 6454).
/// Where it is missing, as in what a page loads as a script, a frame or a picture, the Referer
/// field names the page, and Sec-Fetch-Site (W3C Fetch Metadata) says at least that there is one.
/// Requests without any of them come from programs, and from pages of the very same origin.
struct OriginPolicy {
    /// Beside pages of the same host, whatever their port: "https://app.example",
    /// "https://*.example:8443", "app.example" (any scheme and port), "null", or "*" for all.
    std::vector<std::string> allowed{};
};

enum class OriginVerdict {
    trusted,   // none was given, or the same host, or one that is listed
    stranger,  // allowed by "*" alone: whatever the browser adds to prove who its user is
               // (cookies) does not count
    refused,
};

OriginVerdict check_origin(const Request& request, const OriginPolicy& policy);

/// Whether the request shows nothing but this host: an address or localhost in Host, and no page of
/// another host in Origin or what stands for it, or in the name that drafts of WebSocket have for
/// it. Anybody can let a name of his stand for this machine's address (DNS rebinding), and a page
/// that is allowed is still not near.
bool is_of_this_host(const Request& request);

}  // namespace gw::http
