#include "adapters/transport/layer_stack.hpp"

#include "tests/unit/adapters/transport/toy_layer.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::transport;
using gw::test::breach;
using gw::test::flipped;
using gw::test::goodbye;
using gw::test::ToyLayer;
using Status = StreamLayer::Status;

namespace {

/// A stack, and what came out of it on both sides.
struct Bench {
    explicit Bench(LayerStack::Layers layers) : stack(std::move(layers)) {}

    Status receive(std::string_view text) {
        const auto received = stack.receive(as_bytes(text), scratch, wire);
        up += as_text(received.up);
        return received.status;
    }
    void send(std::string_view text) { stack.send(as_bytes(text), scratch, wire); }
    std::string sent() {
        std::string text{as_text(wire.view())};
        wire.clear();
        return text;
    }

    LayerStack stack;
    LayerScratch scratch;
    ByteBuffer wire;
    std::string up;
};

LayerStack::Layers two_layers() {
    LayerStack::Layers layers;
    layers.push_back(std::make_unique<ToyLayer>(std::uint8_t{1}, false, "below,"));
    layers.push_back(std::make_unique<ToyLayer>(std::uint8_t{2}, false, "above"));
    return layers;
}

Bench opened() {
    Bench bench{two_layers()};
    bench.receive("hello;" + flipped("hello;", 1));
    bench.sent();
    return bench;
}

}  // namespace

TEST_CASE("layers open from the socket up, however the bytes are cut") {
    const std::string all = "hello;" + flipped("hello;", 1) + flipped("abc", 1 ^ 2);
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        CAPTURE(cut);
        Bench bench{two_layers()};
        bench.receive(all.substr(0, cut));
        if (cut < 12) {
            CHECK_FALSE(bench.stack.is_open());
            CHECK(bench.up.empty());
        }
        CHECK(bench.receive(all.substr(cut)) == Status::open);
        CHECK(bench.up == "abc");
        CHECK(bench.sent() == "welcome;" + flipped("welcome;", 1));
    }
}

TEST_CASE("what is sent passes each layer, the topmost first") {
    Bench bench = opened();
    bench.send("abc");
    CHECK(bench.sent() == flipped("abc", 1 ^ 2));
    PeerInfo peer;
    bench.stack.describe(peer);
    CHECK(peer.cookie == "below,above");
}

TEST_CASE("without layers bytes go through as they are") {
    Bench bench{{}};
    CHECK(bench.stack.is_open());
    CHECK(bench.receive("abc") == Status::open);
    CHECK(bench.up == "abc");
    bench.send("def");
    CHECK(bench.sent() == "def");
}

TEST_CASE("goodbyes come from the top, each wrapped by the layers below, once") {
    Bench bench = opened();
    bench.stack.say_goodbye(bench.scratch, bench.wire);
    CHECK(bench.sent() == flipped("bye;", 1) + "bye;");
    bench.stack.say_goodbye(bench.scratch, bench.wire);
    CHECK(bench.sent().empty());
}

TEST_CASE("a layer that ended answers the goodbye, those above are silent") {
    Bench bench = opened();
    CHECK(bench.receive(flipped("abc", 1 ^ 2) + goodbye) == Status::ended);
    CHECK(bench.up == "abc");
    CHECK(bench.stack.has_ended());
    CHECK_FALSE(bench.stack.has_failed());
    bench.send("nobody listens");
    bench.stack.say_goodbye(bench.scratch, bench.wire);
    CHECK(bench.sent() == "bye;");
}

TEST_CASE("what came before a breach of the rules is still received") {
    Bench bench = opened();
    CHECK(bench.receive(flipped("ab", 1 ^ 2) + flipped(breach, 1)) == Status::failed);
    CHECK(bench.up == "ab");
    CHECK(bench.stack.failure().reason == HandshakeFailure::bad_certificate);
    CHECK(bench.sent() == flipped("bad;", 1));
    bench.stack.say_goodbye(bench.scratch, bench.wire);
    CHECK(bench.sent() == "bye;");  // the layer below has done nothing wrong
}

TEST_CASE("a stack whose layer fails while opening never opens") {
    Bench bench{two_layers()};
    CHECK(bench.receive("hello;" + flipped("hel" + breach, 1)) == Status::failed);
    CHECK_FALSE(bench.stack.is_open());
    bench.stack.say_goodbye(bench.scratch, bench.wire);
    CHECK(bench.sent() == "welcome;" + flipped("bad;", 1) + "bye;");
}

TEST_CASE("a layer pushed later gets what came together with the request for it") {
    Bench bench{{}};
    bench.stack.push(std::make_unique<ToyLayer>(std::uint8_t{4}, true));
    const auto received =
        bench.stack.receive_at_top(as_bytes(flipped("abc", 4)), bench.scratch, bench.wire);
    CHECK(as_text(received.up) == "abc");
    CHECK(received.status == Status::open);
    bench.send("x");
    CHECK(bench.sent() == flipped("x", 4));
}

TEST_CASE("a layer speaks when its time has come, through those below") {
    LayerStack::Layers layers = two_layers();
    auto& below = static_cast<ToyLayer&>(*layers[0]);
    auto& above = static_cast<ToyLayer&>(*layers[1]);
    Bench bench{std::move(layers)};
    bench.receive("hello;" + flipped("hello;", 1));
    bench.sent();
    CHECK(bench.stack.next_deadline() == never);
    const MonotonicTime start{Milliseconds{1000}};
    below.deadline = start + Milliseconds{20};
    above.deadline = start + Milliseconds{10};
    CHECK(bench.stack.next_deadline() == start + Milliseconds{10});
    bench.stack.on_deadline(start + Milliseconds{10}, bench.scratch, bench.wire);
    CHECK(bench.sent() == flipped("tick;", 1));
    CHECK(bench.stack.next_deadline() == start + Milliseconds{20});
    bench.stack.on_deadline(start + Milliseconds{20}, bench.scratch, bench.wire);
    CHECK(bench.sent() == "tick;");
    below.deadline = start;
    bench.receive(goodbye);
    CHECK(bench.stack.next_deadline() == never);
}
