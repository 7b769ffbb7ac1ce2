// Measures what TLS costs a running broker on this machine, from outside: memory of idle clients,
// CPU of a handshake, CPU of a message. One client at a time, blocking; the broker's figures come
// from /proc.
//
//   tls_bench idle PORT PID COUNT tcp|tls
//   tls_bench handshakes PORT PID COUNT full|resumed
//   tls_bench messages PORT PID COUNT tcp|tls
//
// TLS_BENCH_CERTIFICATE and TLS_BENCH_KEY name files that the client shows, if set.
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct SessionFree {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SessionFree>;

SSL_CTX* context() {
    static const std::unique_ptr<SSL_CTX, ContextFree> made = [] {
        std::unique_ptr<SSL_CTX, ContextFree> fresh{SSL_CTX_new(TLS_client_method())};
        SSL_CTX_set_mode(fresh.get(), SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(fresh.get(), SSL_SESS_CACHE_CLIENT);
        const char* const certificate = std::getenv("TLS_BENCH_CERTIFICATE");
        const char* const key = std::getenv("TLS_BENCH_KEY");
        if (certificate != nullptr && key != nullptr &&
            (SSL_CTX_use_certificate_file(fresh.get(), certificate, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_use_PrivateKey_file(fresh.get(), key, SSL_FILETYPE_PEM) != 1)) {
            fail("certificate");
        }
        return fresh;
    }();
    return made.get();
}

/// A blocking connection, with or without TLS.
class Connection {
public:
    Connection(std::uint16_t port, bool is_tls, SSL_SESSION* session = nullptr)
        : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
            fail("connect");
        }
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (is_tls) {
            ssl_.reset(SSL_new(context()));
            SSL_set_fd(ssl_.get(), fd_);
            if (session != nullptr) {
                SSL_set_session(ssl_.get(), session);
            }
            if (SSL_connect(ssl_.get()) != 1) {
                fail("TLS handshake");
            }
        }
    }
    Connection(Connection&& other) noexcept
        : ssl_(std::move(other.ssl_)), fd_(std::exchange(other.fd_, -1)) {}
    Connection& operator=(Connection&&) = delete;
    ~Connection() {
        if (ssl_) {
            SSL_shutdown(ssl_.get());
        }
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto count =
                ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                     : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
            if (count <= 0) {
                fail("send");
            }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    void receive(std::size_t count) {
        std::array<char, 65536> buffer{};
        while (count != 0) {
            const std::size_t wanted = std::min(count, buffer.size());
            const auto got = ssl_ ? SSL_read(ssl_.get(), buffer.data(), static_cast<int>(wanted))
                                  : static_cast<int>(::recv(fd_, buffer.data(), wanted, 0));
            if (got <= 0) {
                fail("receive");
            }
            count -= static_cast<std::size_t>(got);
        }
    }
    /// CONNECT of MQTT 3.1.1, clean, without keep-alive.
    void log_in(const std::string& id) {
        std::string packet{"\x10", 1};
        packet += static_cast<char>(12 + id.size());
        packet += std::string_view{"\0\4MQTT\4\2\0\0", 10};
        packet += '\0';
        packet += static_cast<char>(id.size());
        send(packet + id);
        receive(4);
    }
    SessionPtr session() const { return SessionPtr{SSL_get1_session(ssl_.get())}; }
    bool is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    std::string description() const {
        return std::string{SSL_get_version(ssl_.get())} + " " + SSL_get_cipher(ssl_.get());
    }

private:
    std::unique_ptr<SSL, SslFree> ssl_;
    int fd_;
};

/// Anonymous memory of a process that is resident, in bytes.
long resident_bytes(const std::string& pid) {
    std::ifstream status{"/proc/" + pid + "/status"};
    for (std::string word; status >> word;) {
        if (word == "RssAnon:") {
            long kilobytes = 0;
            status >> kilobytes;
            return kilobytes * 1024;
        }
    }
    fail("status of the broker");
}

/// User and system time of a process, in microseconds; from the scheduler, exact.
double cpu_us(const std::string& pid) {
    std::ifstream stat{"/proc/" + pid + "/stat"};
    std::string text{std::istreambuf_iterator<char>{stat}, {}};
    const std::size_t after_name = text.rfind(')');
    if (after_name == std::string::npos) {
        fail("stat of the broker");
    }
    std::array<long, 2> ticks{};
    const char* at = text.c_str() + after_name + 2;
    for (int field = 3; field < 14; ++field) {
        at = std::strchr(at, ' ') + 1;
    }
    char* end = nullptr;
    ticks[0] = std::strtol(at, &end, 10);
    ticks[1] = std::strtol(end, nullptr, 10);
    return static_cast<double>(ticks[0] + ticks[1]) * 1e6 /
           static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void measure_idle(std::uint16_t port, const std::string& pid, int count, bool is_tls) {
    constexpr int first = 500;  // what they make grow, later ones use
    std::vector<Connection> clients;
    long before = 0;
    for (int i = 0; i < first + count; ++i) {
        if (i == first) {
            before = resident_bytes(pid);
        }
        clients.emplace_back(port, is_tls).log_in("idle-" + std::to_string(i));
    }
    std::printf("idle: %ld bytes a client, %d clients, %s\n",
                (resident_bytes(pid) - before) / count, count,
                is_tls ? clients.back().description().c_str() : "TCP");
}

void measure_handshakes(std::uint16_t port, const std::string& pid, int count, bool is_resumed) {
    SessionPtr session;
    if (is_resumed) {
        Connection first{port, true};
        first.log_in("first");  // the ticket has come with the answer
        session = first.session();
    }
    const double before = cpu_us(pid);
    const auto begin = std::chrono::steady_clock::now();
    int resumed_count = 0;
    std::string description;
    for (int i = 0; i < count; ++i) {
        Connection client{port, true, session.get()};
        resumed_count += client.is_resumed() ? 1 : 0;
        client.log_in("h");
        if (is_resumed) {
            session = client.session();  // each ticket is good for one visit
        }
        description = client.description();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf(
        "handshakes: %.0f us of broker CPU each (connection and login included), %.0f/s of "
        "one client, %d of %d resumed, %s\n",
        (cpu_us(pid) - before) / count, count / took.count(), resumed_count, count,
        description.c_str());
}

void measure_messages(std::uint16_t port, const std::string& pid, int count, bool is_tls) {
    Connection client{port, is_tls};
    client.log_in("messages");
    client.send(std::string_view{"\x82\6\0\1\0\1t\0", 8});
    client.receive(5);
    constexpr std::size_t payload_bytes = 64;
    const std::string one = std::string{"\x30", 1} + static_cast<char>(3 + payload_bytes) +
                            std::string{"\0\1t", 3} + std::string(payload_bytes, 'x');
    const auto run = [&](int window) {
        std::string batch;
        for (int i = 0; i < window; ++i) {
            batch += one;
        }
        const double before = cpu_us(pid);
        int sent = 0;
        for (; sent < count; sent += window) {
            client.send(batch);
            client.receive(batch.size());
        }
        std::printf("messages: %.2f us of broker CPU each, %d at a time, %s\n",
                    (cpu_us(pid) - before) / sent, window,
                    is_tls ? client.description().c_str() : "TCP");
    };
    run(100);
    run(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr,
                     "tls_bench idle|messages PORT PID COUNT tcp|tls\n"
                     "tls_bench handshakes PORT PID COUNT full|resumed\n");
        return 2;
    }
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const std::string_view what = argv[1];
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[2]));
    const int count = std::atoi(argv[4]);
    const std::string_view how = argv[5];
    if (what == "idle") {
        measure_idle(port, argv[3], count, how == "tls");
    } else if (what == "handshakes") {
        measure_handshakes(port, argv[3], count, how == "resumed");
    } else {
        measure_messages(port, argv[3], count, how == "tls");
    }
    return 0;
}
