#include "adapters/http/origin.hpp"

#include "broker-core/base/ip_address.hpp"

namespace gw::http {

namespace {

/// "host", "host:port", "[v6]:port" -> host without brackets.
std::string_view host_of(std::string_view authority) {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return end == std::string_view::npos ? std::string_view{} : authority.substr(1, end - 1);
    }
    return authority.substr(0, authority.find(':'));
}

bool is_loopback_name(std::string_view host) {
    if (equals_ignoring_case(host, "localhost")) {
        return true;
    }
    const auto ip = IpAddress::parse(host);
    return ip && ip->is_loopback();
}

bool is_same_host(std::string_view a, std::string_view b) {
    return !a.empty() &&
           (equals_ignoring_case(a, b) || (is_loopback_name(a) && is_loopback_name(b)));
}

/// What follows the scheme of an origin; empty: it has none.
std::string_view authority_of(std::string_view origin) {
    const std::size_t scheme_end = origin.find("://");
    return scheme_end == std::string_view::npos ? std::string_view{}
                                                : origin.substr(scheme_end + 3);
}

bool fits(std::string_view entry, std::string_view origin, std::string_view authority) {
    const std::size_t scheme_end = entry.find("://");
    if (scheme_end == std::string_view::npos) {
        return equals_ignoring_case(entry, origin) ||
               equals_ignoring_case(entry, host_of(authority));
    }
    const std::string_view host = entry.substr(scheme_end + 3);
    if (!host.starts_with("*.")) {
        return equals_ignoring_case(entry, origin);
    }
    const std::string_view start = entry.substr(0, scheme_end + 3);
    const std::string_view end = host.substr(1);
    return origin.size() > start.size() + end.size() &&
           equals_ignoring_case(origin.substr(0, start.size()), start) &&
           equals_ignoring_case(origin.substr(origin.size() - end.size()), end);
}

/// Of which page the request is, as far as it says so.
struct Page {
    enum class Kind : std::uint8_t {
        none,     // a program, or a page of the same origin
        named,    // `origin`, which may be malformed
        unknown,  // there is one, of another origin
    } kind = Kind::none;
    std::string_view origin{};
};

/// "https://a.example:1/b?c" -> "https://a.example:1".
std::string_view origin_of(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    return scheme_end == std::string_view::npos
               ? url
               : url.substr(0, url.find_first_of("/?#", scheme_end + 3));
}

Page page_of(const Request& request) {
    if (const std::size_t count = request.count("Origin"); count != 0) {
        return count == 1 ? Page{Page::Kind::named, trim(*request.find("Origin"))}
                          : Page{Page::Kind::unknown};
    }
    if (const std::string site = request.joined("Sec-Fetch-Site");
        site == "same-origin" || site == "none") {
        return {};
    } else if (const auto referer = request.find("Referer"); referer && !trim(*referer).empty()) {
        return request.count("Referer") == 1 ? Page{Page::Kind::named, origin_of(trim(*referer))}
                                             : Page{Page::Kind::unknown};
    } else {
        return {site.empty() ? Page::Kind::none : Page::Kind::unknown};
    }
}

}  // namespace

OriginVerdict check_origin(const Request& request, const OriginPolicy& policy) {
    const Page page = page_of(request);
    if (page.kind == Page::Kind::none) {
        return OriginVerdict::trusted;
    }
    const bool is_named = page.kind == Page::Kind::named;
    const std::string_view authority = authority_of(page.origin);
    bool allows_all = false;
    for (const std::string& entry : policy.allowed) {
        if (entry == "*") {
            allows_all = true;
        } else if (is_named && fits(entry, page.origin, authority)) {
            return OriginVerdict::trusted;
        }
    }
    const auto host = request.find("Host");
    if (is_named && host && is_same_host(host_of(authority), host_of(trim(*host)))) {
        return OriginVerdict::trusted;
    }
    return allows_all ? OriginVerdict::stranger : OriginVerdict::refused;
}

bool is_of_this_host(const Request& request) {
    const auto field = request.find("Host");
    const std::string_view host = field ? host_of(trim(*field)) : std::string_view{};
    if (request.count("Host") > 1 ||
        (!host.empty() && !is_loopback_name(host) && !IpAddress::parse(host))) {
        return false;
    }
    const auto is_here = [host](std::string_view origin) {
        return is_same_host(host_of(authority_of(trim(origin))), host);
    };
    const Page page = page_of(request);
    if (page.kind != Page::Kind::none &&
        (page.kind != Page::Kind::named || !is_here(page.origin))) {
        return false;
    }
    const auto draft = request.find("Sec-WebSocket-Origin");
    return !draft || (request.count("Sec-WebSocket-Origin") == 1 && is_here(*draft));
}

}  // namespace gw::http
