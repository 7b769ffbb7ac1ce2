#include "adapters/transport/proxy_header.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/transport/proxy_v2.hpp"

#include <string>

using namespace gw;
using namespace gw::transport;
using namespace gw::test;

namespace {

std::string outcome(std::string_view bytes) {
    const ProxyOutcome told = decode_proxy_header(as_bytes(bytes));
    switch (told.status) {
        case ProxyStatus::need_more:
            return "more";
        case ProxyStatus::error:
            return "error";
        case ProxyStatus::complete:
            break;
    }
    const std::string end = " " + std::to_string(told.header.header_bytes);
    return told.header.source
               ? told.header.source->text() + " " + told.header.destination->text() + end
               : "own" + end;
}

}  // namespace

TEST_CASE("version 1 is read") {
    CHECK(outcome("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\nGET") ==
          "192.0.2.1:56324 10.0.0.1:443 41");
    CHECK(outcome("PROXY TCP6 2001:db8::1 fd00::1 1 2\r\n") == "[2001:db8::1]:1 [fd00::1]:2 36");
    CHECK(outcome("PROXY UNKNOWN\r\n") == "own 15");
    CHECK(outcome("PROXY UNKNOWN ffff::1 anything at all\r\n") == "own 39");
}

TEST_CASE("version 1 is refused where it is wrong") {
    for (const std::string_view bad : {
             "PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n",
             "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 1\r\n",
             "PROXY TCP4 192.0.2.1  10.0.0.1 56324 443\r\n",
             "PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n",
             "PROXY TCP4 192.0.2.1 10.0.0.1 +1 443\r\n",
             "PROXY TCP4 192.0.2.1 10.0.0.1 01 443\r\n",
             "PROXY TCP4 192.0.2.1 10.0.0.1  443\r\n",
             "PROXY TCP4 ::1 ::1 1 2\r\n",
             "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
             "PROXY TCP4 host 10.0.0.1 1 2\r\n",
             "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n",
             "PROXY \r\n",
             "PROXYTCP4",
             "proxy TCP4",
             "\x10",
             "GET / HTTP/1.1",
         }) {
        CAPTURE(bad);
        CHECK(outcome(bad) == "error");
    }
    CHECK(outcome("PROXY UNKNOWN " + std::string(92, 'x')) == "more");
    CHECK(outcome("PROXY UNKNOWN " + std::string(93, 'x')) == "error");
    CHECK(outcome("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == "own 107");
    CHECK(outcome("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") == "error");
}

TEST_CASE("version 2 is read") {
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses) + "rest") == "192.0.2.1:5 10.0.0.1:6 28");
    const std::string v6 = std::string(15, '\0') + "\x01" + std::string(15, '\0') + "\x02" +
                           std::string("\0\5\0\6", 4);
    CHECK(outcome(proxy_v2(0x21, 0x21, v6)) == "[::1]:5 [::2]:6 52");
    CHECK(outcome(proxy_v2(0x20, 0x00, "")) == "own 16");
    CHECK(outcome(proxy_v2(0x20, 0x11, v2_addresses)) == "own 28");
    CHECK(outcome(proxy_v2(0x21, 0x00, "anything")) == "own 24");
    CHECK(outcome(proxy_v2(0x21, 0x31, std::string(216, 'x'))) == "own 232");
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses + tlv(0x04, "noop"))) ==
          "192.0.2.1:5 10.0.0.1:6 35");
}

TEST_CASE("version 2 is refused where it is wrong") {
    CHECK(outcome(proxy_v2(0x11, 0x11, v2_addresses)) == "error");
    CHECK(outcome(proxy_v2(0x22, 0x11, v2_addresses)) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x12, v2_addresses)) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x41, v2_addresses)) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses.substr(0, 11))) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x31, std::string(215, 'x'))) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses + "\x04")) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses + std::string("\x04\0\2x", 4))) == "error");
    // Refused when it is announced.
    CHECK(outcome(proxy_v2(0x21, 0x11, std::string(4081, 'x')).substr(0, 16)) == "error");
    CHECK(outcome(proxy_v2(0x21, 0x00, std::string(4080, 'x'))) == "own 4096");
}

TEST_CASE("each prefix of a header needs more") {
    for (const std::string& whole : {std::string{"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n"},
                                     proxy_v2(0x21, 0x11, v2_addresses + tlv(0x04, "abc"))}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(size);
            CHECK(outcome(whole.substr(0, size)) == "more");
        }
        CHECK(outcome(whole) != "more");
    }
}

TEST_CASE("a checksum must be right when there is one") {
    const std::string empty = proxy_v2(0x21, 0x11, v2_addresses + tlv(0x03, std::string(4, '\0')));
    CHECK(outcome(empty) == "error");
    const std::string right = with_checksum(empty, empty.size() - 4);
    CHECK(outcome(right) == "192.0.2.1:5 10.0.0.1:6 35");
    constexpr std::size_t type_of_field = 28;  // with another there is no checksum
    for (std::size_t i = 12; i < right.size(); ++i) {
        if (i == type_of_field) {
            continue;
        }
        std::string wrong = right;
        wrong[i] = static_cast<char>(wrong[i] ^ 1);
        CAPTURE(i);
        CHECK(outcome(wrong) != "192.0.2.1:5 10.0.0.1:6 35");
    }
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses + tlv(0x03, "abc"))) == "error");
}

TEST_CASE("the certificate's name counts only when the proxy verified it") {
    const auto header = [](std::uint8_t client, std::uint8_t verify) {
        const std::string ssl = std::string{static_cast<char>(client)} + std::string(3, '\0') +
                                static_cast<char>(verify) + tlv(0x21, "TLSv1.3") +
                                tlv(0x22, "meter-7");
        return decode_proxy_header(
                   as_bytes(
                       proxy_v2(0x21, 0x11, v2_addresses + tlv(0x02, "host") + tlv(0x20, ssl))))
            .header;
    };
    CHECK(header(0x03, 0).common_name == "meter-7");
    CHECK(header(0x05, 0).common_name == "meter-7");
    CHECK(header(0x03, 0).server_name == "host");
    CHECK(header(0x03, 1).common_name.empty());
    CHECK(header(0x01, 0).common_name.empty());
    CHECK(header(0x02, 0).common_name.empty());
    const std::string cut = std::string("\x03\0\0\0\0\x22\0\x09short", 13);
    CHECK(outcome(proxy_v2(0x21, 0x11, v2_addresses + tlv(0x20, cut))) == "error");
}
