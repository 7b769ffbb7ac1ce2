#include "adapters/http/http_machine.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/support/fake_connection.hpp"

#include <string>

using namespace gw;
using namespace gw::http;

namespace {

class Hello final : public Handler {
public:
    void on_request(Exchange& exchange) const override {
        exchange.respond(text_response(200, exchange.request().body + exchange.peer().address));
    }
};

class Elsewhere final : public Handler {
public:
    void on_request(Exchange& exchange) const override {
        exchange.respond(text_response(200, "here"));
    }
    std::uint32_t worker_for(const Request&, std::uint32_t) const override { return 3; }
};

/// Streams what a test gives it.
struct Streaming final : Handler {
    struct Work final : Activity {
        explicit Work(bool& flag) : is_alive(flag) { is_alive = true; }
        ~Work() override { is_alive = false; }
        bool& is_alive;
    };
    void on_request(Exchange& exchange) const override {
        present = &exchange;
        exchange.attach(std::make_unique<Work>(is_alive));
        exchange.begin_stream(text_response(200, "first"));
    }
    mutable Exchange* present = nullptr;
    mutable bool is_alive = false;
};

struct Bench {
    Bench() {
        site->router.add("/hello", "GET, HEAD, POST", std::make_shared<Hello>());
        site->router.add("/far", "GET", std::make_shared<Elsewhere>());
        site->router.add("/stream", "GET", streaming);
        site->clock = [this](std::uint32_t) {
            return now;
        };
        site->on_refused = [this](std::uint32_t, unsigned status, const PeerInfo&) {
            refused = status;
        };
        site->limits.head_bytes_max = 300;
        PeerInfo peer;
        peer.address = "1.2.3.4:5";
        peer.ip = *IpAddress::parse("1.2.3.4");
        machine = std::make_unique<HttpMachine>(connection, site, peer, 0);
    }
    /// What is written for these bytes, without the Date line.
    std::string ask(std::string_view bytes) {
        connection.written.clear();
        kept += bytes;
        kept.erase(0, machine->on_bytes(as_bytes(kept)));
        return written();
    }
    std::string written() {
        std::string text{as_text(connection.written.view())};
        connection.written.clear();
        const std::size_t date = text.find("Date: ");
        if (date != text.npos) {
            text.erase(date, text.find('\n', date) - date + 1);
        }
        return text;
    }

    Now now{MonotonicTime{Milliseconds{1000}}, WallTime{Seconds{784111777}}};
    std::shared_ptr<Site> site = std::make_shared<Site>();
    std::shared_ptr<Streaming> streaming = std::make_shared<Streaming>();
    test::FakeConnection connection;
    std::unique_ptr<HttpMachine> machine;
    std::string kept;
    unsigned refused = 0;
};

}  // namespace

TEST_CASE("a request gets its answer, and the connection goes on") {
    Bench bench;
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 10\r\n\r\n"
        "1.2.3.4:5\n";
    CHECK(bench.ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n") == answer);
    CHECK(bench.ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n") == answer);
    CHECK_FALSE(bench.connection.closed);
    CHECK(bench.ask("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n") ==
          answer.substr(0, answer.size() - 10));
    CHECK(
        bench.ask("POST /hello HTTP/1.0\r\nContent-Length: 1\r\n\r\nA").ends_with("A1.2.3.4:5\n"));
    CHECK(bench.connection.closed == CloseMode::drain);
}

TEST_CASE("an answer has a date") {
    Bench bench;
    bench.machine->on_bytes(as_bytes("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(as_text(bench.connection.written.view()).find("Date: Sun, 06 Nov 1994 08:49:37 GMT") !=
          std::string_view::npos);
}

TEST_CASE("unknown paths and methods are refused, and counted") {
    Bench bench;
    CHECK(bench.ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
    CHECK(bench.refused == 404);
    const std::string answer = bench.ask("PUT /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 405 "));
    CHECK(answer.find("Allow: GET, HEAD, POST\r\n") != answer.npos);
    CHECK_FALSE(bench.connection.closed);
    CHECK(bench.ask("GET / HTTP/1.1\r\nHost: x\r\nY: " + std::string(300, 'x'))
              .starts_with("HTTP/1.1 431 "));
    CHECK(bench.connection.closed == CloseMode::drain);
}

TEST_CASE("a request that takes too long is refused, an idle connection closed") {
    Bench bench;
    CHECK(bench.connection.deadline == bench.now.monotonic + bench.site->request_timeout);
    bench.ask("GET /hel");
    bench.now.monotonic += Seconds{5};
    bench.ask("lo");  // dripping does not buy time
    CHECK(bench.connection.deadline ==
          MonotonicTime{Milliseconds{1000}} + bench.site->request_timeout);
    bench.machine->on_deadline();
    CHECK(bench.written().starts_with("HTTP/1.1 408 "));
    CHECK(bench.connection.closed == CloseMode::drain);

    Bench idle;
    idle.machine->on_deadline();
    CHECK(idle.written().empty());
    CHECK(idle.connection.closed == CloseMode::drain);
}

TEST_CASE("a request moves whole to the worker that answers it, after what was answered before") {
    Bench bench;
    bench.ask("GET /far HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(bench.connection.moved_to == 3U);
    CHECK(bench.kept.starts_with("GET /far"));

    Bench busy;
    CHECK_FALSE(busy.ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /far HTTP/1.1\r\nHost: x\r\n\r\n")
                    .empty());
    CHECK_FALSE(busy.connection.moved_to);
    CHECK(busy.connection.wants_drained);
    busy.machine->on_output_drained();
    CHECK(busy.connection.moved_to == 3U);
    CHECK(busy.kept.starts_with("GET /far"));
}

TEST_CASE("a streamed answer is chunked, and the next request waits for its end") {
    Bench bench;
    CHECK(bench.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
              .ends_with("Transfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n"));
    CHECK(bench.streaming->is_alive);
    bench.streaming->present->stream("more");
    CHECK(bench.written() == "4\r\nmore\r\n");
    CHECK(bench.ask("").empty());
    bench.streaming->present->end_stream();
    CHECK(bench.written() == "0\r\n\r\n");
    CHECK(bench.connection.is_resumed);
    CHECK(bench.ask("").ends_with("1.2.3.4:5\n"));
    CHECK_FALSE(bench.streaming->is_alive);

    Bench old;
    CHECK(old.ask("GET /stream HTTP/1.0\r\n\r\n").ends_with("Connection: close\r\n\r\nfirst\n"));
    old.streaming->present->end_stream();
    CHECK(old.connection.closed == CloseMode::drain);
}

TEST_CASE("what goes on behind an answer ends when the peer goes, or we do") {
    Bench bench;
    bench.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.machine->on_closed(ReasonCode::connection_lost);
    CHECK_FALSE(bench.streaming->is_alive);

    Bench stopped;
    stopped.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    stopped.machine->on_shutdown(ReasonCode::server_shutting_down);
    CHECK(stopped.connection.closed == CloseMode::drain);
}

TEST_CASE("requests that come while one is answered are kept within a bound") {
    Bench bench;
    bench.ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    bench.ask(std::string(300, 'x'));
    CHECK_FALSE(bench.connection.is_paused);
    bench.ask("x");
    CHECK(bench.connection.is_paused);
}

TEST_CASE("a client that waits to send its body is told to") {
    Bench bench;
    CHECK(bench.ask("POST /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 1\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(bench.ask("A").ends_with("A1.2.3.4:5\n"));
}
