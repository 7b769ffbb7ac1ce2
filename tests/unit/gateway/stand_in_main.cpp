// The whole program around a service that serves nobody: for tests of `start`, `stop`, `status`,
// signals and reload with real processes. The configuration tells it how to behave:
//   node.name = fails@start    start() throws
//   node.name = fails@reload   reload() fails
//   node.name = hangs@stop     stop() never returns
#include "gateway/cli/cli.hpp"

#include <stdexcept>
#include <unistd.h>

namespace {

class StandIn final : public gw::Service {
public:
    StandIn(const gw::config::Config& config, gw::Log& log) : name_(config.node.name), log_(log) {}

    void start() override {
        if (name_ == "fails@start") {
            throw std::runtime_error("listener.tcp.default: cannot listen on 127.0.0.1:1: no");
        }
        log_.info("stand_in.listening");
    }
    std::string status_json() override {
        return R"({"uptime_seconds":90061,"listeners":[{"name":"tcp.default",)"
               R"("address":"127.0.0.1:1883","clients":0}],"clients":0,"alarms":[]})";
    }
    gw::Result<std::vector<std::string>> reload(const gw::config::Config& config) override {
        if (name_ == "fails@reload") {
            return gw::Error{gw::Errc::unavailable, "the stand-in refuses"};
        }
        return std::vector<std::string>{"packets up to " +
                                        std::to_string(config.mqtt.packet_bytes_max)};
    }
    void stop() override {
        while (name_ == "hangs@stop") {
            ::pause();
        }
        log_.info("stand_in.stopped");
    }

private:
    std::string name_;
    gw::Log& log_;
};

}  // namespace

int main(int argc, char** argv) {
    return gw::cli::run(argc, argv, [](const gw::config::Config& config, gw::Log& log) {
        return std::make_unique<StandIn>(config, log);
    });
}
