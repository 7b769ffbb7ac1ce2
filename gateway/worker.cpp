#include "gateway/worker.hpp"

#include <pthread.h>
#include <string>

namespace gw {

Worker::Worker(transport::WorkerLoop& loop, BrokerShared& shared, const BrokerOptions& options,
               ThreadExchange& exchange, Storage& storage, std::uint64_t seed,
               std::function<void()> on_turn)
    : loop_(loop),
      exchange_(exchange),
      broker_(shared, options, loop.index(), exchange, storage, transport::read_clocks(), seed),
      on_turn_(std::move(on_turn)) {
    loop_.set_handler(*this);
}

Worker::~Worker() {
    stop();
}

void Worker::start() {
    thread_ = std::thread{[this] {
        const std::string name = "worker-" + std::to_string(loop_.index());
        ::pthread_setname_np(::pthread_self(), name.c_str());
        loop_.run();
    }};
}

void Worker::stop() {
    if (thread_.joinable()) {
        loop_.stop();
        thread_.join();
    }
}

void Worker::end_turn() {
    broker_.flush();
    const transport::WorkerLoop::Counters& now = loop_.counters();
    broker_.metrics().bytes_received.add(now.bytes_received - counted_.bytes_received);
    broker_.metrics().bytes_sent.add(now.bytes_sent - counted_.bytes_sent);
    counted_ = now;
    on_turn_();
}

}  // namespace gw
