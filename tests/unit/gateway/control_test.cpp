#include "gateway/control/control_client.hpp"
#include "gateway/control/control_server.hpp"
#include "gateway/control/messages.hpp"
#include "gateway/data_lock.hpp"
#include "gateway/systemd_notify.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

#include <cstring>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using gw::test::TempFolder;

TEST_CASE("requests are read as they are written, and nothing else is") {
    using gw::Command;
    for (const Command command : {Command::status, Command::reload, Command::reload_dry_run}) {
        const auto request = gw::parse_request(gw::request_line(command));
        REQUIRE(request);
        CHECK((request->command == command));
    }
    for (const std::string_view bad :
         {"", "status", "{", "[]", "{}", R"({"command":1})", R"({"command":"shoot"})",
          R"({"command":"status"} {"command":"status"})"}) {
        CAPTURE(bad);
        CHECK_FALSE(gw::parse_request(bad));
    }
    CHECK(gw::parse_request(R"({"command":"reload","dry_run":false})")->command == Command::reload);
}

TEST_CASE("a status is printed with whatever the service tells") {
    const std::string reply = gw::status_reply(
        R"({"uptime_seconds":3725,"listeners":[{"name":"tcp.a","address":"[::1]:1","clients":2},)"
        R"({"name":"tcp.b","address":"1.2.3.4:5","clients":0}],"messages_in":7,"alarms":[],)"
        R"("metrics":{"packets/received":3,"packets/sent":0}})");
    const auto page = gw::status_page(reply);
    REQUIRE(page);
    CHECK(page->find("uptime          1 h 2 min 5 s\n") != std::string::npos);
    CHECK(page->find("listeners       tcp.a  [::1]:1  clients 2\n"
                     "                tcp.b  1.2.3.4:5  clients 0\n") != std::string::npos);
    CHECK(page->find("messages in     7\n") != std::string::npos);
    CHECK(page->find("alarms          none\n") != std::string::npos);
    CHECK(page->ends_with("metrics\n  packets/received 3\n"));
    CHECK_FALSE(gw::status_page("nonsense"));
    CHECK_FALSE(gw::status_page(gw::failure_reply("no")));
    CHECK_FALSE(gw::status_page(gw::status_reply("no json")));
    CHECK(gw::listener_lines(R"({"listeners":[{"name":"tcp.a","address":"[::1]:1"},{},3]})") ==
          "tcp.a [::1]:1\n");
    CHECK(gw::listener_lines("no json").empty());
}

TEST_CASE("a reload is printed with its changes, its errors and its outcome") {
    gw::ReloadOutcome outcome;
    outcome.changes.push_back({.name = "node.workers",
                               .value_old = "1",
                               .value_new = "2",
                               .on_reload = gw::config::Reload::restart});
    outcome.errors.push_back("node.workers: a change needs a restart");
    bool accepted = true;
    const auto refused =
        gw::reload_page(gw::reload_reply(outcome, gw::ReloadMode::apply), accepted);
    REQUIRE(refused);
    CHECK_FALSE(accepted);
    CHECK(*refused ==
          "node.workers: 1 -> 2 (after a restart)\n"
          "error: node.workers: a change needs a restart\n"
          "Nothing was changed.\n");
    outcome = {};
    outcome.accepted = true;
    CHECK(*gw::reload_page(gw::reload_reply(outcome, gw::ReloadMode::apply), accepted) ==
          "No key has changed.\n");
    CHECK(accepted);
    CHECK_FALSE(gw::reload_page("{}", accepted));
}

TEST_CASE("the control socket answers a line with a line, for its owner only") {
    const TempFolder folder;
    // A folder name longer than a socket address can be takes the other way there.
    for (const std::string& name : {std::string{"short"}, std::string(120, 'd')}) {
        CAPTURE(name);
        const auto data_dir = folder.path() / name;
        std::filesystem::create_directories(data_dir);
        boost::asio::io_context io;
        std::string asked;
        {
            const gw::ControlServer server{io, data_dir, [&](std::string_view request) {
                                               asked = request;
                                               return std::string(100'000, 'x');
                                           }};
            struct stat file {};
            REQUIRE(::stat((data_dir / "control.sock").c_str(), &file) == 0);
            CHECK((file.st_mode & 0777) == 0600);
            std::string reply;
            std::thread client{[&] {
                const auto answer = gw::ask_running_program(data_dir, "how are you?");
                reply = answer ? *answer : answer.error().text();
                io.stop();
            }};
            io.run();
            client.join();
            CHECK(reply.size() == 100'000);
            CHECK(asked == "how are you?");
        }
        CHECK_FALSE(std::filesystem::exists(data_dir / "control.sock"));
        const auto nobody = gw::ask_running_program(data_dir, "hello?");
        REQUIRE_FALSE(nobody);
        CHECK((nobody.error().code() == gw::Errc::unavailable));
    }
}

TEST_CASE("a data folder is waited for while its owner is ending") {
    const TempFolder folder;
    int started[2];
    REQUIRE(::pipe(started) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // As if it had been killed: the main thread is gone, another one is in a slow system call.
        const auto lock = gw::DataLock::acquire(folder.path());
        std::thread{[&] {
            (void)!::write(started[1], lock ? "l" : "-", 1);
            ::poll(nullptr, 0, 300);
            ::_exit(0);
        }}.detach();
        ::syscall(SYS_exit, 0);
    }
    char is_locked = 0;
    REQUIRE(::read(started[0], &is_locked, 1) == 1);
    CHECK(is_locked == 'l');
    const std::string stat = "/proc/" + std::to_string(child) + "/stat";
    std::string state;
    do {
        std::ifstream file{stat};
        std::string pid;
        std::string name;
        file >> pid >> name >> state;
    } while (state != "Z");
    CHECK(gw::DataLock::acquire(folder.path()));
    CHECK(::waitpid(child, nullptr, 0) == child);
    ::close(started[0]);
    ::close(started[1]);
}

TEST_CASE("a data folder has one owner, and an abandoned pid file keeps nobody out") {
    const TempFolder folder;
    const auto data_dir = folder.path() / "made/here";
    CHECK_FALSE(gw::RunningProgram::find(data_dir));
    {
        const auto first = gw::DataLock::acquire(data_dir);
        REQUIRE(first);
        const auto second = gw::DataLock::acquire(data_dir);
        REQUIRE_FALSE(second);
        CHECK((second.error().code() == gw::Errc::already_exists));
        CHECK(second.error().text() == "another mangrove (pid " + std::to_string(::getpid()) +
                                           ") runs on the data folder " + data_dir.string());
        const auto running = gw::RunningProgram::find(data_dir);
        REQUIRE(running);
        CHECK(running->pid() == ::getpid());
        CHECK(running->send_signal(0));
        CHECK_FALSE(running->wait_for_end(0));
    }
    CHECK_FALSE(std::filesystem::exists(data_dir / "mangrove.pid"));
    CHECK_FALSE(gw::RunningProgram::find(data_dir));
    folder.write("made/here/mangrove.pid", std::to_string(::getpid()) + "\n");
    CHECK_FALSE(gw::RunningProgram::find(data_dir));  // the process lives, but holds no lock
    CHECK(gw::DataLock::acquire(data_dir));
    const auto nowhere = gw::DataLock::acquire("/proc/none/data");
    REQUIRE_FALSE(nowhere);
    CHECK((nowhere.error().code() == gw::Errc::io));
}

TEST_CASE("systemd is told over the datagram socket it names") {
    const TempFolder folder;
    const std::string address = (folder.path() / "notify").string();
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, address.data(), address.size());
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    const auto received = [&] {
        char text[256] = {};
        const auto count = ::recv(socket, text, sizeof text, MSG_DONTWAIT);
        return count < 0 ? std::string{"nothing"}
                         : std::string(text, static_cast<std::size_t>(count));
    };
    const gw::SystemdNotifier notifier{address};
    notifier.ready();
    CHECK(received() == "READY=1");
    notifier.reloading();
    CHECK(received().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    notifier.stopping();
    CHECK(received() == "STOPPING=1");
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    gw::SystemdNotifier::from_environment().status("fine");
    CHECK(received() == "STATUS=fine");
    ::unsetenv("NOTIFY_SOCKET");
    gw::SystemdNotifier::from_environment().ready();
    gw::SystemdNotifier{std::string(200, 'x')}.ready();  // too long to be an address: nothing
    CHECK(received() == "nothing");
    ::close(socket);
}
