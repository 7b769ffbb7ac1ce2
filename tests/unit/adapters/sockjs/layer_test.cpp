#include "adapters/sockjs/handler.hpp"
#include "adapters/sockjs/sockjs_layer.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/websocket/client_frames.hpp"

using namespace gw;
using namespace gw::sockjs;
using namespace gw::test;
using Status = transport::StreamLayer::Status;

namespace {

EndpointPtr endpoint(Service service, Content content = Content::text) {
    Endpoint made;
    made.service = service;
    made.content = content;
    made.read_rules = {.frame_bytes_max = 1000, .message_bytes_max = 1000, .allows_binary = false};
    return std::make_shared<const Endpoint>(std::move(made));
}

constexpr MonotonicTime start{Milliseconds{1000}};

template <class Layer>
struct LinkOf {
    Status receive(std::string_view bytes) {
        up.clear();
        down.clear();
        return layer.on_received(as_bytes(bytes), up, down);
    }
    Layer layer;
    ByteBuffer up{}, down{};
};
using Link = LinkOf<SockJsLayer>;
using Hixie76Link = LinkOf<Hixie76Layer>;

}  // namespace

TEST_CASE("messages are unwrapped, in fragments and many in one") {
    Link link{{endpoint(Service::protocol), start}};
    CHECK(link.receive(text_frame("[\"a\",\"b\"]") + text_frame("") + text_frame("[]") +
                       client_frame(0x01, "[\"") + client_frame(0x80, "c\"]")) == Status::open);
    CHECK(as_text(link.up.view()) == "abc");
    CHECK(link.down.empty());
    link.layer.on_send(as_bytes("x\n"), link.down);
    CHECK(as_text(link.down.view()) ==
          "\x81\x08"
          R"(a["x\n"])");
}

TEST_CASE("broken messages end the connection") {
    Link link{{endpoint(Service::protocol), start}};
    CHECK(link.receive(text_frame("[\"a")) == Status::failed);
    CHECK(link.layer.failure().code == 1002);
    Link binary{{endpoint(Service::protocol, Content::binary), start}};
    CHECK(binary.receive(text_frame("[\"\u20ac\"]")) == Status::failed);
    CHECK(binary.layer.failure().code == 1007);
}

TEST_CASE("an echo comes from the layer") {
    Link link{{endpoint(Service::echo), start}};
    CHECK(link.receive(text_frame("[\"a\",\"b\"]")) == Status::open);
    CHECK(as_text(link.down.view()) ==
          "\x81\x0a"
          R"(a["a","b"])");
    CHECK(link.up.empty());
}

TEST_CASE("heart-beats, and the reason of the end") {
    Link link{{endpoint(Service::protocol), start}};
    CHECK(link.layer.next_deadline() == start + Milliseconds{25'000});
    link.layer.on_deadline(start + Milliseconds{25'000}, link.down);
    CHECK(as_text(link.down.view()) == "\x81\x01h");
    CHECK(link.layer.next_deadline() == start + Milliseconds{50'000});
    link.down.clear();
    link.layer.on_shutdown();
    link.layer.on_close(link.down);
    CHECK(as_text(link.down.view()) ==
          "\x81\x14"
          R"(c[1001,"Going away"])"
          "\x88\x02\x03\xe9");
    CHECK(link.layer.next_deadline() == never);
}

TEST_CASE("the same session in the frames of draft 76") {
    using namespace std::string_literals;
    Hixie76Link link{{endpoint(Service::protocol), start}};
    CHECK(link.receive("\0[\"a\",\"b\"]\xff\0\xff\0[\"c\"]\xff\0[\"d"s) == Status::open);
    CHECK(as_text(link.up.view()) == "abc");
    CHECK(link.receive("\"]\xff"s) == Status::open);
    CHECK(as_text(link.up.view()) == "d");
    link.layer.on_send(as_bytes("x\n"), link.down);
    link.layer.on_deadline(start + Milliseconds{25'000}, link.down);
    CHECK(link.layer.next_deadline() == start + Milliseconds{50'000});
    link.layer.on_close(link.down);
    link.layer.on_send(as_bytes("late"), link.down);
    CHECK(as_text(link.down.view()) ==
          "\0a[\"x\\n\"]\xff\0h\xff\0c[1000,\"Normal closure\"]\xff\xff\0"s);

    Hixie76Link leaving{{endpoint(Service::echo), start}};
    CHECK(leaving.receive("\0[\"a\"]\xff\xff\0\0[\"b\"]\xff"s) == Status::ended);
    CHECK(as_text(leaving.down.view()) == "\0a[\"a\"]\xff\xff\0"s);
    leaving.layer.on_close(leaving.down);
    CHECK(leaving.down.size() == 10);

    for (const auto& [broken, code] : {std::pair{"\0[\"a\xff"s, 1002}, std::pair{"\x80"s, 1002},
                                       std::pair{"\0"s + std::string(1001, 'x'), 1009}}) {
        Hixie76Link wrong{{endpoint(Service::protocol), start}};
        CHECK(wrong.receive(broken) == Status::failed);
        CHECK(wrong.layer.failure().code == code);
    }
}

TEST_CASE("paths of an endpoint") {
    using Kind = SockJsPath::Kind;
    CHECK(parse_path("").kind == Kind::greeting);
    CHECK(parse_path("/").kind == Kind::greeting);
    CHECK(parse_path("/info").kind == Kind::info);
    CHECK(parse_path("/websocket").kind == Kind::raw_websocket);
    CHECK(parse_path("/iframe-1.2.html").kind == Kind::iframe);
    const SockJsPath path = parse_path("/000/abc/xhr_send");
    CHECK(path.kind == Kind::session);
    CHECK(path.session == "abc");
    CHECK(path.transport == "xhr_send");
    for (const std::string_view wrong : {"x", "//", "/a", "/a/b", "/a/b/c/d", "//b/xhr", "/a//xhr",
                                         "/a.b/c/xhr", "/a/b.c/xhr", "/iframe/.html", "/info/"}) {
        CAPTURE(wrong);
        CHECK(parse_path(wrong).kind == Kind::none);
    }
}
