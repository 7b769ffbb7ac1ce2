#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/base/intrusive_ptr.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/qos.hpp"

#include <atomic>
#include <cstdint>
#include <string_view>

namespace gw {

class Message;
using MessagePtr = IntrusivePtr<const Message>;

/// What a message is made of; borrowed by Message::create(), which copies.
struct MessageFields {
    std::string_view topic;  // a valid topic name, at most 65,535 bytes
    Bytes payload;
    Bytes properties;  // block of broker-core/message/properties.hpp
    Qos qos = Qos::at_most_once;
    bool retain = false;
    MonotonicTime arrival{};
    MonotonicTime expires_at = never;  // from the publisher's message expiry interval
    IdentityPtr publisher;             // null for what the broker itself publishes
};

/// One published message: immutable, shared by all who get it, in one allocation of
/// 64 bytes + topic + properties + payload. Any thread may read it and drop its reference.
class Message final : public RefCounted<Message> {
public:
    static MessagePtr create(const MessageFields& fields);
    /// The same message without a number in the store.
    MessagePtr copy() const;

    std::string_view topic() const { return {body(), topic_bytes_}; }
    Bytes properties() const { return as_bytes({body() + topic_bytes_, properties_bytes_}); }
    Bytes payload() const {
        return as_bytes({body() + topic_bytes_ + properties_bytes_, payload_bytes_});
    }
    Qos qos() const { return static_cast<Qos>(qos_); }
    bool retain() const { return retain_; }
    MonotonicTime arrival() const { return arrival_; }
    MonotonicTime expires_at() const { return expires_at_; }
    bool is_expired(MonotonicTime now) const { return expires_at_ <= now; }
    const IdentityPtr& publisher() const { return publisher_; }
    /// Under which number the body is in the store; 0: it is not.
    std::uint64_t store_id() const { return store_id_.load(std::memory_order_acquire); }
    /// Gives the message its number in the store. False: another worker was faster, and it is that
    /// one's to store the body.
    bool claim_store_id(std::uint64_t id) const {
        std::uint64_t none = 0;
        return store_id_.compare_exchange_strong(none, id, std::memory_order_acq_rel);
    }
    /// Memory that this message holds: what queues and the memory budget count. Bytes.
    std::size_t footprint() const {
        return footprint_of(topic_bytes_, properties_bytes_, payload_bytes_);
    }
    /// What one of parts of these sizes would hold.
    static std::size_t footprint_of(std::size_t topic_bytes, std::size_t properties_bytes,
                                    std::size_t payload_bytes) {
        return sizeof(Message) + topic_bytes + properties_bytes + payload_bytes;
    }

    /// Bytes held by all messages of the process, to within a few KiB for each thread.
    static std::size_t total_footprint();

    static void dispose(const Message* message);

private:
    explicit Message(const MessageFields& fields);
    ~Message() = default;

    char* body() { return reinterpret_cast<char*>(this + 1); }
    const char* body() const { return reinterpret_cast<const char*>(this + 1); }

    std::uint16_t topic_bytes_;
    std::uint8_t qos_;
    bool retain_;
    std::uint32_t properties_bytes_;
    std::uint32_t payload_bytes_;
    MonotonicTime arrival_;
    MonotonicTime expires_at_;
    IdentityPtr publisher_;
    mutable std::atomic<std::uint64_t> store_id_{0};
};

}  // namespace gw
