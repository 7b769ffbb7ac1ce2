#include "adapters/transport/proxy_layer.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/transport/proxy_v2.hpp"

using namespace gw;
using namespace gw::transport;
using namespace gw::test;
using Status = StreamLayer::Status;

namespace {

struct Bench {
    Status receive(std::string_view bytes) { return layer.on_received(as_bytes(bytes), up, down); }
    PeerInfo described() const {
        PeerInfo peer;
        peer.address = "127.0.0.1:9";
        peer.ip = *IpAddress::parse("127.0.0.1");
        layer.describe(peer);
        return peer;
    }
    std::shared_ptr<ProxyRules> rules = std::make_shared<ProxyRules>();
    ProxyLayer layer{rules};
    ByteBuffer up, down;
};

}  // namespace

TEST_CASE("the header is taken off, wherever it is cut, and the rest goes through") {
    const std::string bytes = "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\nABC";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        Bench bench;
        CAPTURE(cut);
        if (cut != 0) {
            CHECK(bench.receive(bytes.substr(0, cut)) ==
                  (cut < bytes.size() - 3 ? Status::opening : Status::open));
        }
        if (cut != bytes.size()) {
            CHECK(bench.receive(bytes.substr(cut)) == Status::open);
        }
        CHECK(as_text(bench.up.view()) == "ABC");
        CHECK(bench.described().address == "192.0.2.1:56324");
        CHECK(bench.described().is_relayed);
    }
    Bench bench;
    bench.layer.on_send(as_bytes("out"), bench.down);
    CHECK(as_text(bench.down.view()) == "out");
}

TEST_CASE("a proxy's own connection has its address, but is no local one") {
    Bench bench;
    CHECK(bench.receive(proxy_v2(0x20, 0x00, "")) == Status::open);
    CHECK(bench.described().address == "127.0.0.1:9");
    CHECK(bench.described().is_relayed);
}

TEST_CASE("the client's address is asked for, and may be refused") {
    Bench bench;
    std::string asked;
    bench.rules->lets_in = [&](const IpAddress* client) {
        asked = client != nullptr ? client->text() : "none";
        return client == nullptr;
    };
    CHECK(bench.receive("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n") == Status::failed);
    CHECK(asked == "192.0.2.1");

    Bench own;
    own.rules->lets_in = bench.rules->lets_in;
    CHECK(own.receive("PROXY UNKNOWN\r\n") == Status::open);
    CHECK(asked == "none");
}

TEST_CASE("no header, no connection") {
    Bench bench;
    CHECK(bench.receive("\x10\x0e") == Status::failed);
    CHECK(bench.layer.failure().reason == HandshakeFailure::not_the_protocol);
    CHECK_FALSE(bench.layer.failure().text.empty());
}

TEST_CASE("a certificate's name stands for the client only where the rules say so") {
    const std::string ssl = std::string("\x03\0\0\0\0", 5) + tlv(0x22, "meter-7");
    const std::string header = proxy_v2(0x21, 0x11, v2_addresses + tlv(0x20, ssl));
    Bench careful;
    CHECK(careful.receive(header) == Status::open);
    CHECK(careful.described().identity == nullptr);

    Bench trusting;
    trusting.rules->takes_common_name = true;
    CHECK(trusting.receive(header) == Status::open);
    REQUIRE(trusting.described().identity != nullptr);
    CHECK(trusting.described().identity->common_name == "meter-7");
    CHECK(trusting.described().identity->subject.empty());
}
