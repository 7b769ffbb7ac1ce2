#include "adapters/websocket/websocket_layer.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/websocket/client_frames.hpp"

using namespace gw;
using namespace gw::websocket;
using namespace gw::test;
using Status = transport::StreamLayer::Status;

namespace {

constexpr ReadRules binary_rules{.frame_bytes_max = 1000, .allows_text = false};
constexpr ReadRules text_rules{.frame_bytes_max = 1000};

struct Link {
    Status receive(std::string_view bytes) {
        up.clear();
        down.clear();
        return layer.on_received(as_bytes(bytes), up, down);
    }
    transport::StreamLayer& layer;
    ByteBuffer up, down;
};

}  // namespace

TEST_CASE("packets may be cut and joined over frames as the client likes") {
    WebSocketLayer layer{binary_rules, WebSocketLayer::Content::binary};
    Link link{layer, {}, {}};
    CHECK(link.receive(binary_frame("ab") + client_frame(0x02, "c") + client_frame(0x80, "de")) ==
          Status::open);
    CHECK(as_text(link.up.view()) == "abcde");
    CHECK(link.down.empty());
    const std::string frame = binary_frame("fgh");
    CHECK(link.receive(frame.substr(0, 7)) == Status::open);
    CHECK(as_text(link.up.view()) == "f");
    CHECK(link.receive(frame.substr(7)) == Status::open);
    CHECK(as_text(link.up.view()) == "gh");
}

TEST_CASE("a turn's output is one frame") {
    WebSocketLayer layer{binary_rules, WebSocketLayer::Content::binary};
    ByteBuffer down;
    layer.on_send(as_bytes("\x20\x02"), down);
    CHECK(as_text(down.view()) == "\x82\x02\x20\x02");
    down.clear();
    layer.on_send({}, down);
    CHECK(down.empty());
}

TEST_CASE("text goes out as text where it is text") {
    WebSocketLayer layer{text_rules, WebSocketLayer::Content::text};
    ByteBuffer down;
    layer.on_send(as_bytes("CONNECTED"), down);
    CHECK(as_text(down.view()) ==
          "\x81\x09"
          "CONNECTED");
    down.clear();
    layer.on_send(as_bytes("\xff"), down);
    CHECK(as_text(down.view()) == "\x82\x01\xff");
}

TEST_CASE("texts are cut between characters, wherever the output was cut") {
    const std::string all = "a\u00e9\u20ac\U0001f600z";
    for (std::size_t cut = 1; cut < all.size(); ++cut) {
        CAPTURE(cut);
        WebSocketLayer layer{text_rules, WebSocketLayer::Content::text};
        ByteBuffer down;
        layer.on_send(as_bytes(all).first(cut), down);
        layer.on_send(as_bytes(all).subspan(cut), down);
        std::string text;
        std::string_view frames = as_text(down.view());
        while (!frames.empty()) {
            CHECK(frames[0] == '\x81');
            const auto size = static_cast<std::size_t>(frames[1]);
            Utf8Validator utf8;
            CHECK(utf8.add(as_bytes(frames.substr(2, size))));
            CHECK(utf8.is_complete());
            text += frames.substr(2, size);
            frames.remove_prefix(2 + size);
        }
        CHECK(text == all);
    }
    // What never becomes a character leaves as what it is.
    WebSocketLayer layer{text_rules, WebSocketLayer::Content::text};
    ByteBuffer down;
    layer.on_send(as_bytes("x\xc3"), down);
    CHECK(as_text(down.view()) == "\x81\x01x");
    down.clear();
    layer.on_close(down);
    CHECK(as_text(down.view()) ==
          "\x82\x01\xc3"
          "\x88\x02\x03\xe8");
}

TEST_CASE("pings are answered each, in their order, pongs are not") {
    WebSocketLayer layer{binary_rules, WebSocketLayer::Content::binary};
    Link link{layer, {}, {}};
    CHECK(link.receive(client_frame(0x89, "1") + client_frame(0x8a, "x") +
                       client_frame(0x89, "2")) == Status::open);
    CHECK(as_text(link.down.view()) ==
          "\x8a\x01"
          "1\x8a\x01"
          "2");
}

TEST_CASE("a client's Close gets its code back, once, and nothing after it") {
    WebSocketLayer layer{binary_rules, WebSocketLayer::Content::binary};
    Link link{layer, {}, {}};
    CHECK(link.receive(binary_frame("a") + close_frame(1001, "bye") + binary_frame("b")) ==
          Status::ended);
    CHECK(as_text(link.up.view()) == "a");
    CHECK(as_text(link.down.view()) == "\x88\x02\x03\xe9");
    link.down.clear();
    layer.on_send(as_bytes("x"), link.down);
    layer.on_close(link.down);
    CHECK(link.down.empty());

    WebSocketLayer other{binary_rules, WebSocketLayer::Content::binary};
    Link empty{other, {}, {}};
    CHECK(empty.receive(client_frame(0x88, "")) == Status::ended);
    CHECK(as_text(empty.down.view()) == std::string_view("\x88\x00", 2));
}

TEST_CASE("our own Close says 1000, a broken rule says which") {
    WebSocketLayer layer{binary_rules, WebSocketLayer::Content::binary};
    ByteBuffer down;
    layer.on_close(down);
    CHECK(as_text(down.view()) == "\x88\x02\x03\xe8");

    WebSocketLayer strict{binary_rules, WebSocketLayer::Content::binary};
    Link link{strict, {}, {}};
    CHECK(link.receive(text_frame("x")) == Status::failed);
    CHECK(as_text(link.down.view()).substr(2, 2) == "\x03\xeb");
    CHECK(strict.failure().code == 1003);
    CHECK_FALSE(strict.failure().text.empty());

    WebSocketLayer stopping{binary_rules, WebSocketLayer::Content::binary};
    down.clear();
    stopping.on_shutdown();
    stopping.on_close(down);
    CHECK(as_text(down.view()) == "\x88\x02\x03\xe9");
}

TEST_CASE("an echo keeps type and bounds of messages") {
    EchoLayer layer{text_rules};
    Link link{layer, {}, {}};
    CHECK(link.receive(client_frame(0x01, "a") + client_frame(0x89, "p") + client_frame(0x80, "b") +
                       binary_frame("")) == Status::open);
    CHECK(as_text(link.down.view()) == std::string_view("\x8a\x01p\x81\x02"
                                                        "ab\x82\x00",
                                                        9));
    CHECK(link.up.empty());
}

TEST_CASE("the upgrade tells the cookie, and the client behind a proxy") {
    PeerInfo client;
    client.address = "203.0.113.9:40";
    client.ip = *IpAddress::parse("203.0.113.9");
    client.is_relayed = true;
    Handshake handshake;
    handshake.cookie = "a=b";
    const UpgradeInfo info = upgrade_info(client, handshake);
    PeerInfo peer;
    peer.address = "127.0.0.1:9";
    describe_upgrade(info, peer);
    CHECK(peer.cookie == "a=b");
    CHECK(peer.address == "203.0.113.9:40");
    CHECK(peer.is_relayed);

    client.is_relayed = false;
    PeerInfo direct;
    direct.address = "127.0.0.1:9";
    describe_upgrade(upgrade_info(client, {}), direct);
    CHECK(direct.address == "127.0.0.1:9");
    CHECK_FALSE(direct.is_relayed);
}
