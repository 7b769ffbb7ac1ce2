// Point-to-point load by MQTT 3.1.1 and by STOMP 1.2 on the same broker, in turns: how much CPU the
// broker spends a message. Pairs of a publisher and a subscriber; each publisher has at most a
// window of messages that its subscriber has not got.
//
//   stomp_bench MQTT_PORT STOMP_PORT BROKER_PID [QOS [PAIRS [WINDOW [SECONDS [ROUNDS]]]]]
//
// QoS 1 by STOMP: every SEND has a receipt, every MESSAGE its own ACK.
#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t payload_bytes = 64;
constexpr auto pace = std::chrono::microseconds{1000};

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "stomp_bench: %s\n", what.c_str());
    std::exit(1);
}

/// A blocking connection that is read without waiting.
class Connection {
public:
    explicit Connection(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockaddr generic{};
        static_assert(sizeof generic == sizeof address);
        std::copy_n(reinterpret_cast<const char*>(&address), sizeof address,
                    reinterpret_cast<char*>(&generic));
        if (connect(fd_, &generic, sizeof generic) != 0) {
            die("no connection to port " + std::to_string(port));
        }
        const int on = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void flush() {
        while (!out.empty()) {
            const ssize_t sent = send(fd_, out.data(), out.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                die("the broker has closed a connection");
            }
            out.erase(0, static_cast<std::size_t>(sent));
        }
    }
    void read(int flags) {
        static char buffer[256 * 1024];
        const ssize_t got = recv(fd_, buffer, sizeof buffer, flags);
        if (got == 0) {
            die("the broker has closed a connection: " + in);
        }
        if (got > 0) {
            in.append(buffer, static_cast<std::size_t>(got));
        }
    }

    std::string in;
    std::string out;

private:
    int fd_;
};

class Pair {
public:
    virtual ~Pair() = default;
    /// Writes one message.
    virtual void publish() = 0;
    /// Takes what has come; answers are in the outputs.
    virtual void take() = 0;

    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t confirmed = 0;

    void turn(std::uint64_t window, bool is_confirmed) {
        publisher.read(MSG_DONTWAIT);
        subscriber.read(MSG_DONTWAIT);
        take();
        while (sent - received < window && (!is_confirmed || sent - confirmed < window)) {
            publish();
            ++sent;
        }
        publisher.flush();
        subscriber.flush();
    }

    Pair(std::uint16_t port, std::string topic)
        : publisher(port), subscriber(port), topic_(std::move(topic)) {}

    Connection publisher;
    Connection subscriber;

protected:
    const std::string topic_;
    const std::string payload_ = std::string(payload_bytes, 'x');
};

class MqttPair final : public Pair {
public:
    MqttPair(std::uint16_t port, const std::string& topic, int qos) : Pair(port, topic), qos_(qos) {
        for (Connection* one : {&publisher, &subscriber}) {
            one->out = packet(0x10, std::string{"\0\4MQTT\4\2\0\0\0\0", 12});
            one->flush();
            expect(*one, 4);
        }
        subscriber.out = packet(0x82, std::string{"\0\1", 2} + text(topic_) + char(qos_));
        subscriber.flush();
        expect(subscriber, 5);
    }

    void publish() override {
        std::string body = text(topic_);
        if (qos_ == 1) {
            next_id_ = static_cast<std::uint16_t>(next_id_ % 65535 + 1);
            body += {static_cast<char>(next_id_ >> 8), static_cast<char>(next_id_ & 255)};
        }
        publisher.out += packet(qos_ == 1 ? 0x32 : 0x30, body + payload_);
    }

    void take() override {
        confirmed += publisher.in.size() / 4;
        publisher.in.erase(0, publisher.in.size() / 4 * 4);
        const std::string& in = subscriber.in;
        std::size_t at = 0;
        // All packets are shorter than 128 octets.
        while (in.size() - at >= 2) {
            const std::size_t size = static_cast<std::size_t>(in[at + 1]) + 2;
            if (in.size() - at < size) {
                break;
            }
            if (qos_ == 1) {
                const std::size_t id = at + 4 + topic_.size();
                subscriber.out += packet(0x40, in.substr(id, 2));
            }
            ++received;
            at += size;
        }
        subscriber.in.erase(0, at);
    }

private:
    static std::string text(const std::string& value) {
        return std::string{'\0', static_cast<char>(value.size())} + value;
    }
    static std::string packet(int first, const std::string& body) {
        return std::string{static_cast<char>(first), static_cast<char>(body.size())} + body;
    }
    static void expect(Connection& one, std::size_t size) {
        while (one.in.size() < size) {
            one.read(0);
        }
        one.in.erase(0, size);
    }

    const int qos_;
    std::uint16_t next_id_ = 0;
};

class StompPair final : public Pair {
public:
    StompPair(std::uint16_t port, const std::string& topic, int qos)
        : Pair(port, topic), qos_(qos) {
        for (Connection* one : {&publisher, &subscriber}) {
            one->out = std::string{"CONNECT\naccept-version:1.2\nhost:h\n\n"} + '\0';
            one->flush();
            expect(*one);
        }
        subscriber.out = "SUBSCRIBE\nid:0\ndestination:" + topic_ +
                         "\nreceipt:1\nack:" + (qos_ == 1 ? "client-individual" : "auto") + "\n\n" +
                         '\0';
        subscriber.flush();
        expect(subscriber);
    }

    void publish() override {
        publisher.out += "SEND\ndestination:" + topic_ + "\ncontent-length:64\n";
        if (qos_ == 1) {
            publisher.out += "receipt:" + std::to_string(sent) + "\n";
        }
        publisher.out += "\n" + payload_ + '\0';
    }

    void take() override {
        const auto receipts = std::count(publisher.in.begin(), publisher.in.end(), '\0');
        confirmed += static_cast<std::uint64_t>(receipts);
        const std::size_t last = publisher.in.rfind('\0');
        if (last != std::string::npos) {
            publisher.in.erase(0, last + 1);
        }
        const std::string_view in = subscriber.in;
        std::size_t at = 0;
        for (std::size_t end = in.find('\0'); end != std::string_view::npos;
             end = in.find('\0', at)) {
            const std::string_view frame = in.substr(at, end - at);
            if (!frame.starts_with("MESSAGE\n")) {
                die("what is this? " + std::string{frame});
            }
            if (qos_ == 1) {
                constexpr std::string_view header = "\nack:";
                const std::size_t id = frame.find(header) + header.size();
                subscriber.out += "ACK\nid:";
                subscriber.out += frame.substr(id, frame.find('\n', id) - id);
                subscriber.out += std::string{"\n\n"} + '\0';
            }
            ++received;
            at = end + 1;
        }
        subscriber.in.erase(0, at);
    }

private:
    static void expect(Connection& one) {
        while (one.in.find('\0') == std::string::npos) {
            one.read(0);
        }
        one.in.clear();
    }

    const int qos_;
};

/// CPU time of all threads of a process.
double cpu_seconds(int pid) {
    double nanoseconds = 0;
    for (const auto& task :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/task"}) {
        std::ifstream in{task.path() / "schedstat"};
        double one = 0;
        in >> one;
        nanoseconds += one;
    }
    return nanoseconds / 1e9;
}

struct Load {
    int pid = 0;
    int qos = 0;
    int pairs = 1;
    std::uint64_t window = 100;
    double seconds = 2;
};

/// Microseconds of broker CPU a message.
template <typename PairType>
double measure(std::uint16_t port, const Load& load) {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < load.pairs; ++i) {
        pairs.push_back(std::make_unique<PairType>(port, "bench/" + std::to_string(i), load.qos));
    }
    const auto run_for = [&](double seconds) {
        const auto end = Clock::now() + std::chrono::duration<double>{seconds};
        auto next = Clock::now();
        while (Clock::now() < end) {
            for (const auto& pair : pairs) {
                pair->turn(load.window, load.qos == 1);
            }
            next += pace;
            std::this_thread::sleep_until(next);
        }
    };
    const auto received = [&] {
        std::uint64_t sum = 0;
        for (const auto& pair : pairs) {
            sum += pair->received;
        }
        return sum;
    };
    run_for(0.3);
    const double cpu_before = cpu_seconds(load.pid);
    const std::uint64_t before = received();
    run_for(load.seconds);
    const auto count = static_cast<double>(received() - before);
    return (cpu_seconds(load.pid) - cpu_before) * 1e6 / count;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        die("usage: stomp_bench MQTT_PORT STOMP_PORT BROKER_PID "
            "[QOS [PAIRS [WINDOW [SECONDS [ROUNDS]]]]]");
    }
    const auto argument = [&](int index, double value_default) {
        return argc > index ? std::atof(argv[index]) : value_default;
    };
    const auto mqtt_port = static_cast<std::uint16_t>(argument(1, 0));
    const auto stomp_port = static_cast<std::uint16_t>(argument(2, 0));
    const Load load{.pid = static_cast<int>(argument(3, 0)),
                    .qos = static_cast<int>(argument(4, 0)),
                    .pairs = static_cast<int>(argument(5, 10)),
                    .window = static_cast<std::uint64_t>(argument(6, 100)),
                    .seconds = argument(7, 2)};
    std::vector<double> ratios;
    for (int round = 0; round < static_cast<int>(argument(8, 5)); ++round) {
        const double mqtt = measure<MqttPair>(mqtt_port, load);
        const double stomp = measure<StompPair>(stomp_port, load);
        ratios.push_back(stomp / mqtt);
        std::printf("QoS %d: MQTT %.3f us, STOMP %.3f us a message, ratio %.2f\n", load.qos, mqtt,
                    stomp, ratios.back());
        std::fflush(stdout);
    }
    std::printf("median ratio %.2f\n", median(ratios));
}
