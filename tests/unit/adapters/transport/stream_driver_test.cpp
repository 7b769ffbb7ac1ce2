#include "adapters/transport/stream_driver.hpp"

#include "adapters/transport/worker_loop.hpp"
#include "tests/unit/adapters/transport/toy_layer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace gw;
using namespace gw::transport;
using gw::test::breach;
using gw::test::flipped;
using gw::test::goodbye;
using gw::test::ToyLayer;

namespace {

struct NoTurns final : TurnHandler {
    void begin_turn(Now) override {}
    void take_inbox() override {}
    void on_deadline() override {}
    MonotonicTime next_deadline() const override { return never; }
    void before_output() override {}
    void end_turn() override {}
    bool is_ahead() override { return others_are_slow; }

    std::atomic<bool> others_are_slow{false};
};

/// Speaks lines: "echo TEXT", "close", "move", "pause", "upgrade KEY", "many N"; a line is
/// consumed whole.
class LineMachine final : public StreamMachine {
public:
    struct Events {
        std::mutex mutex;
        std::vector<std::string> list;
        void add(std::string event) {
            const std::lock_guard lock{mutex};
            list.push_back(std::move(event));
        }
        bool has(const std::string& event) {
            const std::lock_guard lock{mutex};
            return std::find(list.begin(), list.end(), event) != list.end();
        }
        std::size_t count(const std::string& event) {
            const std::lock_guard lock{mutex};
            return static_cast<std::size_t>(std::count(list.begin(), list.end(), event));
        }
    };

    LineMachine(Events& events, StreamConnection& connection, std::uint32_t worker,
                const PeerInfo& peer)
        : events_(events), connection_(connection), worker_(worker) {
        events_.add("made on " + std::to_string(worker) + " for " + peer.cookie);
    }

    std::size_t on_bytes(Bytes bytes) override {
        std::size_t consumed = 0;
        while (!is_done_) {
            const std::string_view rest = as_text(bytes.subspan(consumed));
            const std::size_t end = rest.find('\n');
            if (end == std::string_view::npos) {
                break;
            }
            consumed += end + 1;
            on_line(std::string{rest.substr(0, end)});
        }
        return consumed;
    }
    void on_deadline() override {
        connection_.resume_reading();
        is_done_ = false;
    }
    void on_closed(ReasonCode reason) override {
        events_.add(reason == ReasonCode::protocol_error ? "failed" : "closed");
    }
    void on_output_drained() override { connection_.output().append("drained\n"); }
    void on_shutdown(ReasonCode) override { connection_.close(CloseMode::drain); }

private:
    struct Upgrade final : StreamUpgrade {
        Upgrade(Events& all, std::uint8_t xor_key) : events(all), key(xor_key) {}
        std::unique_ptr<StreamLayer> make_layer() const override {
            return key == 0 ? nullptr : std::make_unique<ToyLayer>(key, true, "upgraded");
        }
        std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker,
                                                    StreamConnection& connection,
                                                    PeerInfo peer) const override {
            peer.cookie += "+";
            return std::make_unique<LineMachine>(events, connection, worker, peer);
        }
        Events& events;
        std::uint8_t key;
    };

    void on_line(const std::string& line) {
        events_.add(line);
        if (line.starts_with("echo ")) {
            connection_.output().append(line.substr(5) + "\n");
        } else if (line == "where") {
            connection_.output().append("worker " + std::to_string(worker_) + "\n");
        } else if (line == "close") {
            connection_.output().append("closing\n");
            connection_.close(CloseMode::drain);
            is_done_ = true;
        } else if (line == "move") {
            connection_.output().append("moving\n");
            connection_.move_to(1 - worker_);
            is_done_ = true;
        } else if (line == "pause") {
            connection_.pause_reading();
            connection_.set_deadline(read_clocks().monotonic + Milliseconds{50});
            is_done_ = true;
        } else if (line.starts_with("upgrade ")) {
            connection_.output().append("upgraded\n");
            connection_.upgrade(
                std::make_shared<Upgrade>(events_, static_cast<std::uint8_t>(line[8] - '0')));
            is_done_ = true;
        } else if (line.starts_with("many ")) {
            connection_.wants_drained = true;
            connection_.output().append(std::string(std::stoul(line.substr(5)), 'x') + "\n");
        }
    }

    Events& events_;
    StreamConnection& connection_;
    std::uint32_t worker_;
    bool is_done_ = false;
};

/// Two workers, and connections made of socket pairs.
class Workers final : public MachineSource {
public:
    using MakeLayers = std::function<LayerStack::Layers()>;

    explicit Workers(MakeLayers make) : make_layers_(std::move(make)) {
        for (std::uint32_t i = 0; i < 2; ++i) {
            loops_.push_back(std::make_unique<WorkerLoop>(i));
            loops_.back()->set_handler(turns_);
        }
        for (const auto& loop : loops_) {
            loop->set_peers(loops_);
            threads_.emplace_back([&loop] { loop->run(); });
        }
    }
    ~Workers() override {
        for (const auto& loop : loops_) {
            loop->stop();
        }
        for (std::thread& thread : threads_) {
            thread.join();
        }
        for (const auto& loop : loops_) {
            loop->close_all();
        }
    }

    /// The peer's end.
    int connect() {
        int pair[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        REQUIRE(::fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
        loops_[0]->post_socket(pair[0], *this);
        return pair[1];
    }

    /// From now on little is read at once.
    void shorten_reading() {
        loops_[0]->post([&loop = *loops_[0]] { loop.judge_reading(std::chrono::hours{1}); });
    }
    /// Whether the other workers cannot keep up with the first.
    void set_others_slow(bool is_slow) {
        turns_.others_are_slow = is_slow;
        loops_[0]->wake();
    }

    LayerSetup make_layers(std::uint32_t) override { return {make_layers_(), timeout, 64}; }
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t worker, StreamConnection& connection,
                                                PeerInfo peer) override {
        return std::make_unique<LineMachine>(events, connection, worker, peer);
    }
    void on_opened(std::uint32_t) override { events.add("opened"); }
    void on_open_failed(std::uint32_t, const StreamLayer::Failure& failure,
                        const PeerInfo&) override {
        events.add("failed: " + std::string{handshake_failure_name(failure.reason)});
    }
    void on_connection_closed(std::uint32_t) override { closed.fetch_add(1); }

    LineMachine::Events events;
    std::atomic<int> closed{0};
    Milliseconds timeout{20000};

private:
    const MakeLayers make_layers_;
    NoTurns turns_;
    std::vector<std::unique_ptr<WorkerLoop>> loops_;
    std::vector<std::thread> threads_;
};

LayerStack::Layers no_layers() {
    return {};
}

LayerStack::Layers one_layer() {
    LayerStack::Layers layers;
    layers.push_back(std::make_unique<ToyLayer>(std::uint8_t{1}));
    return layers;
}

/// The peer's end of a connection; all waiting has a deadline.
class Client {
public:
    explicit Client(int fd) : fd_(fd) {}
    ~Client() { ::close(fd_); }

    void write(std::string_view text) const {
        REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
    }
    /// Exactly so many bytes; fewer when the other side closes.
    std::string read(std::size_t count) const {
        std::string text;
        while (text.size() < count) {
            char buffer[65536];
            pollfd poll_fd{fd_, POLLIN, 0};
            REQUIRE(::poll(&poll_fd, 1, 10000) == 1);
            const ssize_t got = ::read(fd_, buffer, std::min(sizeof buffer, count - text.size()));
            if (got <= 0) {
                break;
            }
            text.append(buffer, static_cast<std::size_t>(got));
        }
        return text;
    }
    std::string read_all() const { return read(~std::size_t{0}); }
    int fd() const { return fd_; }

private:
    int fd_;
};

template <class Condition>
bool within_deadline(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

std::string layered(const std::string& text) {
    return flipped(text, 1);
}

}  // namespace

TEST_CASE("a connection without layers begins with its machine") {
    Workers workers{no_layers};
    const Client client{workers.connect()};
    client.write("echo hi\nclose\n");
    CHECK(client.read_all() == "hi\nclosing\n");
    CHECK_FALSE(workers.events.has("opened"));
}

TEST_CASE("the machine is made when the layers are open, with what they know of the peer") {
    Workers workers{one_layer};
    const Client client{workers.connect()};
    client.write("hel");
    client.write("lo;" + layered("echo hi\n"));
    CHECK(client.read(11) == "welcome;" + layered("hi\n"));
    CHECK(workers.events.has("opened"));
    CHECK(workers.events.has("made on 0 for toy"));
    client.write(layered("close\n"));
    CHECK(client.read_all() == layered("closing\n") + "bye;");
}

TEST_CASE("layers move between workers with their connection") {
    Workers workers{one_layer};
    const Client client{workers.connect()};
    client.write("hello;" + layered("move\nwhere\nmo"));
    CHECK(client.read(24) == "welcome;" + layered("moving\nworker 1\n"));
    client.write(layered("ve\nwhere\n"));
    CHECK(client.read(16) == layered("moving\nworker 0\n"));
    CHECK(workers.events.count("opened") == 1);
    CHECK(workers.events.count("made on 0 for toy") == 2);
}

TEST_CASE("a handshake that fails is told to the peer and counted by its reason") {
    Workers workers{one_layer};
    const Client client{workers.connect()};
    client.write(breach);
    CHECK(client.read_all() == "bad;");
    CHECK(workers.events.has("failed: bad_certificate"));
}

TEST_CASE("a handshake has a deadline, a budget of bytes, and may be given up") {
    Workers workers{one_layer};
    SUBCASE("too long") {
        workers.timeout = Milliseconds{30};
        const Client client{workers.connect()};
        CHECK(client.read_all().empty());
        CHECK(workers.events.has("failed: timeout"));
    }
    SUBCASE("too many bytes") {
        const Client client{workers.connect()};
        client.write(std::string(65, 'h'));
        CHECK(client.read_all().empty());
        CHECK(workers.events.has("failed: too_many_bytes"));
    }
    SUBCASE("given up in the middle") {
        {
            const Client client{workers.connect()};
            client.write("hel");
        }
        CHECK(within_deadline([&] { return workers.events.has("failed: peer_closed"); }));
    }
    SUBCASE("nothing was said: somebody looked whether the port is open") {
        { const Client client{workers.connect()}; }
        CHECK(within_deadline([&] { return workers.closed == 1; }));
        CHECK(workers.events.list.empty());
    }
}

TEST_CASE("the machine sees all that came before a layer's end") {
    Workers workers{one_layer};
    SUBCASE("at once") {
        const Client client{workers.connect()};
        client.write("hello;" + layered("echo one\n") + goodbye);
        CHECK(client.read_all() == "welcome;" + std::string{"bye;"});
    }
    SUBCASE("though it had paused reading") {
        const Client client{workers.connect()};
        client.write("hello;" + layered("pause\nlate\n") + goodbye);
        CHECK(client.read_all() == "welcome;bye;");
        CHECK(workers.events.has("late"));
        CHECK(workers.events.list.back() == "closed");
    }
    SUBCASE("a breach of rules") {
        const Client client{workers.connect()};
        client.write("hello;" + layered("last\n") + breach);
        CHECK(client.read_all() == "welcome;bad;");
        CHECK(workers.events.has("last"));
        CHECK(workers.events.list.back() == "failed");
    }
}

TEST_CASE(
    "much output passes a slow reader's layers in steps, and the machine hears the end of it") {
    Workers workers{one_layer};
    const Client client{workers.connect()};
    client.write("hello;" + layered("many 3000000\n"));
    const std::string text = client.read(8 + 3000001 + 8);
    CHECK(text.substr(0, 8) == "welcome;");
    const bool is_whole = text.substr(8) == layered(std::string(3000000, 'x') + "\ndrained\n");
    CHECK(is_whole);
}

TEST_CASE("a machine hands over to another on top of one more layer") {
    for (const bool below : {false, true}) {
        CAPTURE(below);
        Workers workers{below ? one_layer : no_layers};
        const Client client{workers.connect()};
        const auto outer = [&](const std::string& text) {
            return below ? layered(text) : text;
        };
        const std::string greeting = below ? "hello;" : "";
        const std::string answer = below ? "welcome;" : "";
        // What follows the request at once is for the new layer already.
        client.write(greeting + outer("upgrade 4\n" + flipped("echo a\nmove\nwhere\n", 4)));
        const std::string expected =
            answer + outer("upgraded\n" + flipped("a\nmoving\nworker 1\n", 4));
        CHECK(client.read(expected.size()) == expected);
        const std::string toy = below ? "toy" : "";
        CHECK(workers.events.has("made on 0 for " + toy + "upgraded+"));
        CHECK(workers.events.has("made on 1 for " + toy + "upgraded+"));
        client.write(outer(flipped("close\n", 4)));
        CHECK(client.read_all() == outer(flipped("closing\n", 4) + "bye;") + (below ? "bye;" : ""));
    }
}

TEST_CASE("an upgrade may change the machine alone") {
    Workers workers{no_layers};
    const Client client{workers.connect()};
    client.write("upgrade 0\necho a\nclose\n");
    CHECK(client.read_all() == "upgraded\na\nclosing\n");
}

TEST_CASE("after a full buffer that took long to work on less is read at once, until it is quick") {
    WorkerLoop loop{0};
    const std::size_t longest = loop.read_buffer().size();
    CHECK(longest == 256 * 1024);
    loop.judge_reading(Milliseconds{16});
    CHECK(loop.read_buffer().size() == longest / 4);
    loop.judge_reading(Milliseconds{3});
    CHECK(loop.read_buffer().size() == longest / 4);
    loop.judge_reading(Milliseconds{1});
    CHECK(loop.read_buffer().size() == longest / 2);
    loop.judge_reading(std::chrono::hours{1});
    CHECK(loop.read_buffer().size() == 8 * 1024);
    for (int i = 0; i < 10; ++i) {
        loop.judge_reading(Milliseconds{0});
    }
    CHECK(loop.read_buffer().size() == longest);
}

TEST_CASE("who sends more than is read at once waits for other workers, nobody else does") {
    Workers workers{no_layers};
    workers.set_others_slow(true);
    workers.shorten_reading();
    const Client flooder{workers.connect()};
    const Client other{workers.connect()};
    std::string flood;
    for (int i = 0; i < 20000; ++i) {
        flood += "x\n";
    }
    flooder.write(flood + "echo last\n");
    while (workers.events.count("x") == 0) {
        other.write("echo a\n");
        CHECK(other.read(2) == "a\n");
    }
    // The flooder's next bytes would have been read before these are answered.
    for (int i = 0; i < 10; ++i) {
        other.write("echo b\n");
        CHECK(other.read(2) == "b\n");
    }
    CHECK(!workers.events.has("echo last"));
    workers.set_others_slow(false);
    CHECK(flooder.read(5) == "last\n");
    CHECK(workers.events.count("x") == 20000);
}

TEST_CASE("a connection that waits for other workers may end meanwhile, and what it sent is read") {
    Workers workers{no_layers};
    workers.set_others_slow(true);
    workers.shorten_reading();
    const Client other{workers.connect()};
    {
        const Client flooder{workers.connect()};
        std::string flood;
        for (int i = 0; i < 20000; ++i) {
            flood += "x\n";
        }
        flooder.write(flood);
        while (workers.events.count("x") == 0) {
            other.write("echo a\n");
            CHECK(other.read(2) == "a\n");
        }
    }
    while (workers.closed == 0) {
        other.write("echo b\n");
        CHECK(other.read(2) == "b\n");
    }
    CHECK(workers.events.count("x") == 20000);
    workers.set_others_slow(false);
    other.write("echo c\n");
    CHECK(other.read(2) == "c\n");
}
