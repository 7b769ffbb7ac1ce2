#include "adapters/transport/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace gw::transport {

namespace {

constexpr std::string_view v1_start = "PROXY ";
constexpr std::size_t v1_line_bytes_max = 107;  // with CR LF (specification, 2.1)
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_fixed_bytes = 16;

ProxyOutcome broken(std::string_view why) {
    return {.status = ProxyStatus::error, .header = {}, .error = why};
}

bool is_prefix(Bytes bytes, std::string_view wanted) {
    return as_text(bytes.first(std::min(bytes.size(), wanted.size()))) ==
           wanted.substr(0, bytes.size());
}

// ----------------------------------------------------------------------------------- version 1

std::string_view take_word(std::string_view& line) {
    const std::size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    return word;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool has_extra_zero = text.size() > 1 && text.front() == '0';
    if (failure != std::errc{} || stop != text.data() + text.size() || has_extra_zero) {
        return std::nullopt;
    }
    return port;
}

ProxyOutcome decode_v1(Bytes bytes) {
    const std::string_view text = as_text(bytes.first(std::min(bytes.size(), v1_line_bytes_max)));
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) {
        return bytes.size() >= v1_line_bytes_max ? broken("line without end") : ProxyOutcome{};
    }
    ProxyOutcome outcome{.status = ProxyStatus::complete, .header = {}, .error = {}};
    outcome.header.header_bytes = end + 2;
    std::string_view line = text.substr(v1_start.size(), end - v1_start.size());
    const std::string_view family = take_word(line);
    if (family == "UNKNOWN") {
        return outcome;  // the rest of the line means nothing
    }
    if (family != "TCP4" && family != "TCP6") {
        return broken("unknown address family");
    }
    const bool is_dotted = family == "TCP4";
    const std::string_view source_text = take_word(line);
    const std::string_view destination_text = take_word(line);
    const auto source = IpAddress::parse(source_text);
    const auto destination = IpAddress::parse(destination_text);
    const bool ends_there = line.find(' ') != std::string_view::npos;
    const auto source_port = parse_port(take_word(line));
    const auto destination_port = parse_port(line);
    const auto has_colon = [](std::string_view word) {
        return word.find(':') != word.npos;
    };
    if (!source || !destination || !source_port || !destination_port || !ends_there ||
        has_colon(source_text) == is_dotted || has_colon(destination_text) == is_dotted) {
        return broken("malformed address or port");
    }
    outcome.header.source = {*source, *source_port};
    outcome.header.destination = {*destination, *destination_port};
    return outcome;
}

// ----------------------------------------------------------------------------------- version 2

enum TlvType : std::uint8_t {
    tlv_authority = 0x02,
    tlv_crc32c = 0x03,
    tlv_ssl = 0x20,
    tlv_ssl_common_name = 0x22,
};

/// CRC-32C (Castagnoli), bit by bit: headers are short and come once a connection.
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
        }
    }
    return crc;
}

/// Whether the checksum that stands at `place` is that of the header with zeros in its place.
bool is_checksum_right(Bytes whole, std::size_t place) {
    constexpr std::array<std::uint8_t, 4> zeros{};
    std::uint32_t crc = 0xffffffffU;
    crc = crc32c(crc, whole.first(place));
    crc = crc32c(crc, zeros);
    crc = crc32c(crc, whole.subspan(place + zeros.size()));
    Reader told{whole.subspan(place)};
    return told.u32_be() == ~crc;
}

/// The value of PP2_TYPE_SSL: flags, the proxy's verdict, further TLVs (specification, 2.2.5).
bool read_ssl(Bytes value, ProxyHeader& header) {
    constexpr std::uint8_t client_ssl = 0x01;
    constexpr std::uint8_t client_cert_connection = 0x02;
    constexpr std::uint8_t client_cert_session = 0x04;
    Reader in{value};
    const std::uint8_t client = in.u8();
    const std::uint32_t verify = in.u32_be();
    header.is_tls = (client & client_ssl) != 0;
    header.is_cert_verified = header.is_tls && verify == 0 &&
                              (client & (client_cert_connection | client_cert_session)) != 0;
    while (!in.at_end()) {
        const std::uint8_t type = in.u8();
        const Bytes inner = in.take(in.u16_be());
        if (!in.failed() && type == tlv_ssl_common_name && header.is_cert_verified) {
            header.common_name = as_text(inner);
        }
    }
    return !in.failed();
}

std::string_view read_tlvs(Bytes whole, Reader& in, ProxyHeader& header) {
    while (!in.at_end()) {
        const std::uint8_t type = in.u8();
        const Bytes value = in.take(in.u16_be());
        if (in.failed()) {
            return "additional field reaches beyond the header";
        }
        if (type == tlv_crc32c) {
            const auto place = static_cast<std::size_t>(value.data() - whole.data());
            if (value.size() != 4 || !is_checksum_right(whole, place)) {
                return "wrong checksum";
            }
        } else if (type == tlv_authority) {
            header.server_name = as_text(value);
        } else if (type == tlv_ssl && !read_ssl(value, header)) {
            return "malformed TLS field";
        }
    }
    return {};
}

IpAddress read_address(Reader& in, bool is_v4) {
    if (is_v4) {
        std::array<std::uint8_t, 4> v4{};
        const Bytes bytes = in.take(v4.size());
        std::copy(bytes.begin(), bytes.end(), v4.begin());
        return IpAddress::from_v4(v4);
    }
    std::array<std::uint8_t, 16> v6{};
    const Bytes bytes = in.take(v6.size());
    std::copy(bytes.begin(), bytes.end(), v6.begin());
    return IpAddress::from_v6(v6);
}

std::string_view read_addresses(std::uint8_t family, Reader& in, ProxyHeader& header) {
    constexpr std::uint8_t unspecified = 0x00;
    constexpr std::uint8_t tcp_v4 = 0x11;
    constexpr std::uint8_t tcp_v6 = 0x21;
    constexpr std::uint8_t unix_stream = 0x31;
    constexpr std::size_t unix_addresses_bytes = 216;
    switch (family) {
        case unspecified:
            in.rest();  // nothing in it can be understood
            return {};
        case unix_stream:
            in.take(unix_addresses_bytes);
            break;
        case tcp_v4:
        case tcp_v6: {
            const IpAddress source = read_address(in, family == tcp_v4);
            const IpAddress destination = read_address(in, family == tcp_v4);
            const std::uint16_t source_port = in.u16_be();
            const std::uint16_t destination_port = in.u16_be();
            header.source = {source, source_port};
            header.destination = {destination, destination_port};
            break;
        }
        default:
            return "address family or transport that is not of a stream";
    }
    return in.failed() ? "addresses reach beyond the header" : std::string_view{};
}

ProxyOutcome decode_v2(Bytes bytes) {
    if (bytes.size() < v2_fixed_bytes) {
        if (bytes.size() > v2_signature.size() && bytes[12] >> 4 != 2) {
            return broken("unknown version");
        }
        return {};
    }
    Reader fixed{bytes.subspan(v2_signature.size())};
    const std::uint8_t version_and_command = fixed.u8();
    const std::uint8_t family = fixed.u8();
    const std::size_t rest_bytes = fixed.u16_be();
    const std::uint8_t command = version_and_command & 0x0f;
    if (version_and_command >> 4 != 2 || command > 1) {
        return broken("unknown version or command");
    }
    if (v2_fixed_bytes + rest_bytes > proxy_header_bytes_max) {
        return broken("header longer than this server takes");
    }
    if (bytes.size() < v2_fixed_bytes + rest_bytes) {
        return {};
    }
    ProxyOutcome outcome{.status = ProxyStatus::complete, .header = {}, .error = {}};
    outcome.header.header_bytes = v2_fixed_bytes + rest_bytes;
    if (command == 0) {
        return outcome;  // LOCAL: the proxy's own, say a health check; the rest is to be skipped
    }
    const Bytes whole = bytes.first(outcome.header.header_bytes);
    Reader in{whole.subspan(v2_fixed_bytes)};
    std::string_view trouble = read_addresses(family, in, outcome.header);
    if (trouble.empty()) {
        trouble = read_tlvs(whole, in, outcome.header);
    }
    return trouble.empty() ? outcome : broken(trouble);
}

}  // namespace

std::string ProxyEndpoint::text() const {
    const std::string host = ip.is_v4() ? ip.text() : "[" + ip.text() + "]";
    return host + ":" + std::to_string(port);
}

ProxyOutcome decode_proxy_header(Bytes bytes) {
    if (!is_prefix(bytes, v1_start) && !is_prefix(bytes, v2_signature)) {
        return broken("no PROXY header");
    }
    if (bytes.size() >= v2_signature.size() && bytes.front() == '\r') {
        return decode_v2(bytes);
    }
    if (bytes.size() >= v1_start.size() && bytes.front() == 'P') {
        return decode_v1(bytes);
    }
    return {};
}

}  // namespace gw::transport
