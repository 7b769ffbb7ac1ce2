#include "adapters/sockjs/hub.hpp"

#include "tests/support/doctest_strings.hpp"

#include <deque>
#include <optional>

using namespace gw;
using namespace gw::sockjs;

namespace {

/// Speaks in lines: gives each back in capitals; `move N` goes to that worker, `quit` closes,
/// `pause` stops reading.
class LineMachine final : public StreamMachine {
public:
    LineMachine(std::uint32_t worker, StreamConnection& connection, std::vector<std::string>& log)
        : worker_(worker), connection_(connection), log_(log) {
        log_.push_back("made on " + std::to_string(worker));
    }
    std::size_t on_bytes(Bytes bytes) override {
        const std::string_view text = as_text(bytes);
        std::size_t at = 0;
        for (std::size_t end = text.find('\n'); end != std::string_view::npos && !is_done_;
             end = text.find('\n', at)) {
            const std::string line{text.substr(at, end - at)};
            const auto target = line.starts_with("move ") ? std::stoul(line.substr(5)) : worker_;
            if (target != worker_) {
                is_done_ = true;
                connection_.move_to(static_cast<std::uint32_t>(target));
                break;
            }
            take(line);
            at = end + 1;
        }
        return at;
    }
    void on_deadline() override { log_.push_back("deadline"); }
    void on_closed(ReasonCode) override { log_.push_back("closed"); }
    void on_output_drained() override { log_.push_back("drained"); }
    void on_shutdown(ReasonCode) override {
        connection_.output().append("stop\n");
        connection_.close(CloseMode::drain);
    }

private:
    void take(const std::string& line) {
        if (line == "pause") {
            connection_.pause_reading();
        } else if (line == "quit") {
            is_done_ = true;
            connection_.output().append("bye\n");
            connection_.close(CloseMode::drain);
        } else {
            connection_.output().append(line + " on " + std::to_string(worker_) + "\n");
        }
    }

    std::uint32_t worker_;
    StreamConnection& connection_;
    std::vector<std::string>& log_;
    bool is_done_ = false;
};

/// One response: takes so many frames.
class Frames final : public Receiver {
public:
    explicit Frames(std::size_t room = 1) : room_(room) {}
    bool send(std::string_view frame) override {
        sent.emplace_back(frame);
        return sent.size() < room_;
    }
    void end() override { is_ended = true; }
    bool is_congested() const override { return is_slow; }
    void on_released() override { is_released = true; }

    std::vector<std::string> sent;
    bool is_ended = false, is_released = false, is_slow = false;

private:
    std::size_t room_;
};

/// Three workers without threads: posted tasks run when the test says so.
struct World {
    World() {
        for (std::uint32_t worker = 0; worker < 3; ++worker) {
            hubs.push_back(std::make_unique<Hub>(
                Hub::Port{.worker = worker,
                          .worker_count = 3,
                          .post =
                              [this](std::uint32_t to, std::function<void(Hub&)> task) {
                                  posted.emplace_back(to, std::move(task));
                              },
                          .now =
                              [this] {
                                  return now;
                              }}));
        }
        Endpoint made;
        made.scope = made.path = "/x";
        made.make_machine = [this](std::uint32_t worker, StreamConnection& connection, PeerInfo) {
            return std::make_unique<LineMachine>(worker, connection, log);
        };
        made.session_count_max = 2;
        endpoint = std::make_shared<const Endpoint>(made);
    }

    /// Until nothing is on its way.
    void run() {
        do {
            while (!posted.empty()) {
                const auto [to, task] = std::move(posted.front());
                posted.pop_front();
                task(*hubs[to]);
            }
            for (const auto& hub : hubs) {
                hub->on_deadline();
                hub->settle();
            }
        } while (!posted.empty());
    }
    void wait(Milliseconds time) {
        now += time;
        run();
    }
    Session& open(std::string_view id = "id") {
        Session* const session = hubs[0]->open(endpoint, id, "owner", {});
        REQUIRE(session != nullptr);
        Frames first;
        session->attach(first);
        CHECK(first.sent == std::vector<std::string>{"o"});
        CHECK(first.is_released);
        return *session;
    }
    std::vector<std::string> poll(Session& session) {
        Frames frames;
        session.attach(frames);
        run();
        if (!frames.is_released) {
            session.on_receiver_lost(frames);
        }
        return frames.sent;
    }
    Session::Taken send(Session& session, std::string line) {
        const auto taken = session.take({std::move(line)});
        run();
        return taken;
    }

    MonotonicTime now{Milliseconds{1000}};
    std::vector<std::string> log;
    std::deque<std::pair<std::uint32_t, std::function<void(Hub&)>>> posted;
    std::vector<std::unique_ptr<Hub>> hubs;
    EndpointPtr endpoint;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("messages reach the machine, and its output the next poll") {
    World world;
    Session& session = world.open();
    CHECK(world.send(session, "a\nb") == Session::Taken::yes);
    CHECK(world.poll(session) == Texts{R"(a["a on 0\n"])"});
    Frames waiting{10};
    session.attach(waiting);
    CHECK(waiting.sent.empty());
    world.send(session, "\n");
    world.send(session, "c\n");
    CHECK(waiting.sent == Texts{R"(a["b on 0\n"])", R"(a["c on 0\n"])"});
    session.on_receiver_lost(waiting);
}

TEST_CASE("a machine moves to another worker with all that was sent to it") {
    World world;
    Session& session = world.open();
    // All at once, so that the second message follows the machine.
    session.take({"move 2\n"});
    session.take({"x\n"});
    world.run();
    CHECK(world.log == Texts{"made on 0", "made on 2"});
    CHECK(world.send(session, "y\n") == Session::Taken::yes);
    CHECK(world.poll(session) == Texts{R"(a["move 2 on 2\nx on 2\n","y on 2\n"])"});
    world.send(session, "quit\n");
    CHECK(world.poll(session) == Texts{R"(a["bye\n"])"});
    CHECK(world.poll(session) == Texts{R"(c[1000,"Normal closure"])"});
    CHECK(world.send(session, "z\n") == Session::Taken::refused);
}

TEST_CASE("one receiver at a time") {
    World world;
    Session& session = world.open();
    Frames first{5};
    session.attach(first);
    Frames second{5};
    session.attach(second);
    CHECK(second.sent == Texts{R"(c[2010,"Another connection still open"])"});
    CHECK(second.is_ended);
    CHECK(second.is_released);
    world.send(session, "a\n");
    CHECK(first.sent == Texts{R"(a["a on 0\n"])"});
    session.on_receiver_lost(first);
    world.run();
    CHECK(world.log.back() == "closed");
    CHECK(world.poll(session) == Texts{R"(c[1002,"Connection interrupted"])"});
}

TEST_CASE("heart-beats while a response waits, the end without one") {
    World world;
    Session& session = world.open();
    Frames stream{3};
    session.attach(stream);
    world.wait(Milliseconds{24'999});
    CHECK(stream.sent.empty());
    world.wait(Milliseconds{1});
    world.wait(Milliseconds{25'000});
    CHECK(stream.sent == Texts{"h", "h"});
    world.wait(Milliseconds{25'000});
    CHECK(stream.is_released);
    world.wait(Milliseconds{4999});
    CHECK(world.hubs[0]->find(*world.endpoint, "id", "owner") == &session);
    world.wait(Milliseconds{1});
    CHECK(world.hubs[0]->find(*world.endpoint, "id", "owner") == nullptr);
    CHECK(world.log.back() == "closed");
}

TEST_CASE("a client that sends more than the machine reads has to wait") {
    World world;
    Session& session = world.open();
    world.send(session, "pause\n");
    CHECK(world.send(session, std::string(1 << 20, 'x')) == Session::Taken::yes);
    CHECK(world.send(session, "y\n") == Session::Taken::later);
    bool has_room = false;
    session.wait_for_room([&] { has_room = true; });
    world.run();
    CHECK_FALSE(has_room);
    session.on_shutdown();
    CHECK(has_room);
}

TEST_CASE("a slow reader gets no more until it has read") {
    World world;
    Session& session = world.open();
    Frames slow{10};
    slow.is_slow = true;
    session.attach(slow);
    world.send(session, "a\n");
    world.send(session, "b\n");
    CHECK(slow.sent.empty());
    slow.is_slow = false;
    session.on_receiver_drained();
    CHECK(slow.sent == Texts{R"(a["a on 0\n","b on 0\n"])"});
    session.on_receiver_lost(slow);
}

TEST_CASE("the end of the program is told") {
    World world;
    Session& session = world.open();
    Frames stream{10};
    session.attach(stream);
    for (const auto& hub : world.hubs) {
        hub->on_shutdown(ReasonCode::server_shutting_down);
    }
    CHECK(stream.sent == Texts{R"(a["stop\n"])", R"(c[1001,"Going away"])"});
    CHECK(stream.is_ended);
}

TEST_CASE("sessions have a bound") {
    World world;
    world.open("1");
    world.open("2");
    CHECK(world.hubs[0]->open(world.endpoint, "3", "owner", {}) == nullptr);
}
