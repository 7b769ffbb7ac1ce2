#include "adapters/coap/codec/content_format.hpp"

#include <algorithm>
#include <charconv>

namespace gw::coap {

namespace {

struct Named {
    std::uint16_t number;
    std::string_view name;
};

constexpr Named known[] = {
    {0, "text/plain;charset=utf-8"},
    {16, "application/cose; cose-type=\"cose-encrypt0\""},
    {17, "application/cose; cose-type=\"cose-mac0\""},
    {18, "application/cose; cose-type=\"cose-sign1\""},
    {40, "application/link-format"},
    {41, "application/xml"},
    {42, "application/octet-stream"},
    {47, "application/exi"},
    {50, "application/json"},
    {51, "application/json-patch+json"},
    {52, "application/merge-patch+json"},
    {60, "application/cbor"},
    {61, "application/cwt"},
    {62, "application/multipart-core"},
    {63, "application/cbor-seq"},
    {110, "application/senml+json"},
    {111, "application/sensml+json"},
    {112, "application/senml+cbor"},
    {113, "application/sensml+cbor"},
    {114, "application/senml-exi"},
    {115, "application/sensml-exi"},
    {256, "application/coap-group+json"},
    {280, "application/pkcs7-mime; smime-type=server-generated-key"},
    {281, "application/pkcs7-mime; smime-type=certs-only"},
    {284, "application/pkcs8"},
    {285, "application/csrattrs"},
    {286, "application/pkcs10"},
    {287, "application/pkix-cert"},
    {310, "application/senml+xml"},
    {311, "application/sensml+xml"},
    {10000, "application/vnd.ocf+cbor"},
    {11050, "application/json; deflate"},
    {11060, "application/cbor; deflate"},
    {11542, "application/vnd.oma.lwm2m+tlv"},
    {11543, "application/vnd.oma.lwm2m+json"},
    {11544, "application/vnd.oma.lwm2m+cbor"},
};

constexpr std::string_view unknown_prefix = "application/x-coap-format; ct=";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Compares without case and blanks.
bool same_type(std::string_view a, std::string_view b) {
    std::size_t i = 0;
    std::size_t k = 0;
    for (;;) {
        while (i < a.size() && a[i] == ' ') {
            ++i;
        }
        while (k < b.size() && b[k] == ' ') {
            ++k;
        }
        if (i == a.size() || k == b.size()) {
            return i == a.size() && k == b.size();
        }
        if (lower(a[i++]) != lower(b[k++])) {
            return false;
        }
    }
}

}  // namespace

std::string content_type_of(std::uint16_t format) {
    for (const Named& one : known) {
        if (one.number == format) {
            return std::string{one.name};
        }
    }
    return std::string{unknown_prefix} + std::to_string(format);
}

std::optional<std::uint16_t> content_format_of(std::string_view content_type) {
    if (content_type.starts_with(unknown_prefix)) {
        const std::string_view digits = content_type.substr(unknown_prefix.size());
        std::uint16_t number = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error == std::errc{} && end == digits.data() + digits.size()) {
            return number;
        }
        return std::nullopt;
    }
    for (const Named& one : known) {
        if (same_type(one.name, content_type)) {
            return one.number;
        }
    }
    if (same_type(content_type, "text/plain")) {
        return text_plain;
    }
    return std::nullopt;
}

}  // namespace gw::coap
