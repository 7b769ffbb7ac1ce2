#include "broker-core/message/message.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace gw {

namespace {

/// Threads add up their own difference and pass it on in steps, so that the counter that all
/// share is touched once in some hundred messages.
constexpr std::int64_t footprint_step_bytes = 16 * 1024;
std::atomic<std::int64_t> shared_footprint{0};

struct LocalFootprint {
    std::int64_t bytes = 0;
    ~LocalFootprint() { shared_footprint.fetch_add(bytes, std::memory_order_relaxed); }
    void add(std::int64_t difference) {
        bytes += difference;
        if (bytes >= footprint_step_bytes || bytes <= -footprint_step_bytes) {
            shared_footprint.fetch_add(bytes, std::memory_order_relaxed);
            bytes = 0;
        }
    }
};
thread_local LocalFootprint local_footprint;

}  // namespace

Message::Message(const MessageFields& fields)
    : topic_bytes_(static_cast<std::uint16_t>(fields.topic.size())),
      qos_(static_cast<std::uint8_t>(fields.qos)),
      retain_(fields.retain),
      properties_bytes_(static_cast<std::uint32_t>(fields.properties.size())),
      payload_bytes_(static_cast<std::uint32_t>(fields.payload.size())),
      arrival_(fields.arrival),
      expires_at_(fields.expires_at),
      publisher_(fields.publisher) {
    char* out = body();
    std::memcpy(out, fields.topic.data(), fields.topic.size());
    out += fields.topic.size();
    if (!fields.properties.empty()) {
        std::memcpy(out, fields.properties.data(), fields.properties.size());
        out += fields.properties.size();
    }
    if (!fields.payload.empty()) {
        std::memcpy(out, fields.payload.data(), fields.payload.size());
    }
}

MessagePtr Message::create(const MessageFields& fields) {
    GW_ASSERT(fields.topic.size() <= 0xffff);
    GW_ASSERT(fields.properties.size() <= 0xffffffff && fields.payload.size() <= 0xffffffff);
    const std::size_t bytes =
        sizeof(Message) + fields.topic.size() + fields.properties.size() + fields.payload.size();
    void* memory = std::malloc(bytes);
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    const MessagePtr message{new (memory) Message(fields)};
    local_footprint.add(static_cast<std::int64_t>(bytes));
    return message;
}

MessagePtr Message::copy() const {
    return create({.topic = topic(),
                   .payload = payload(),
                   .properties = properties(),
                   .qos = qos(),
                   .retain = retain(),
                   .arrival = arrival(),
                   .expires_at = expires_at(),
                   .publisher = publisher()});
}

void Message::dispose(const Message* message) {
    local_footprint.add(-static_cast<std::int64_t>(message->footprint()));
    message->~Message();
    std::free(const_cast<Message*>(message));
}

std::size_t Message::total_footprint() {
    const std::int64_t bytes = shared_footprint.load(std::memory_order_relaxed);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

}  // namespace gw
