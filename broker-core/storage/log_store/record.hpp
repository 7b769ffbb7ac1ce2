#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/base/clock.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/qos.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

// What stands in the segments of the log, byte by byte: docs/storage-format.md, "Records". Pure.
namespace gw {

inline constexpr WallTime never_expires = WallTime::max();

/// A message as it is stored. Texts and bytes are borrowed.
struct MessageRecord {
    std::uint64_t id = 0;  // unique, not 0; worker in the upper 8 bits, ascending count below
    std::string_view topic{};
    Bytes properties{};  // block of broker-core/message/properties.hpp
    Bytes payload{};
    Qos qos = Qos::at_most_once;
    bool retain = false;
    WallTime arrival{};
    WallTime expires_at = never_expires;
    std::string_view
        client_id;  // of the publisher; it and what follows: empty for the broker's own
    std::string_view username{};
    std::uint8_t protocol = 0;  // of the publisher: ProtocolTraits::number
    bool is_anonymous = true;
    bool is_bridge = false;
};

/// A session has to get a message.
struct DeliveryRecord {
    std::uint64_t session = 0;   // LogStore::next_sid(), not 0
    std::uint64_t sequence = 0;  // ascending within the session
    std::uint64_t message = 0;
    Qos qos = Qos::at_most_once;  // what the subscription left of the message's
    bool retain = false;
    std::span<const std::uint32_t> identifiers{};  // subscription identifiers, borrowed
    std::string_view group{};  // shared group that chose the session; opaque to the store
};

/// A delivery is over: acknowledged, dropped, expired.
struct CompletedRecord {
    std::uint64_t session = 0;
    std::uint64_t sequence = 0;
    std::uint64_t message = 0;
};

/// Append one record to a segment's or a submission's bytes.
void append_message(ByteBuffer& out, const MessageRecord& record);
void append_delivery(ByteBuffer& out, const DeliveryRecord& record);
void append_completed(ByteBuffer& out, const CompletedRecord& record);

/// Appends a message without the frame that makes it a record: what a row of `retained` holds.
void append_message_body(ByteBuffer& out, const MessageRecord& record);
/// The message in `body`, borrowing from it; nothing when the bytes are not exactly one.
std::optional<MessageRecord> decode_message_body(Bytes body);

/// Walks over records. What it gives borrows from the bytes, and from the scanner until next().
class RecordScanner {
public:
    enum class Kind : std::uint8_t { message, delivery, completed, end, damaged };

    explicit RecordScanner(Bytes records) : all_(records), at_(0) {}

    /// Goes to the next record and says what it is. After `end` or `damaged` it stays there.
    Kind next();

    const MessageRecord& message() const { return message_; }
    const DeliveryRecord& delivery() const { return delivery_; }
    const CompletedRecord& completed() const { return completed_; }

    /// The current record with its frame: where it starts and its bytes.
    std::size_t offset() const { return start_; }
    Bytes record() const { return all_.subspan(start_, at_ - start_); }
    /// The current message without its frame: decode_message_body() takes it.
    std::size_t body_offset() const { return body_start_; }
    std::size_t body_size() const { return at_ - body_start_; }

private:
    bool read_message();
    bool read_delivery();
    bool read_completed();
    std::uint64_t varint();
    std::uint64_t u64();

    Bytes all_;
    std::size_t at_;
    std::size_t start_ = 0;
    std::size_t body_start_ = 0;
    bool failed_ = false;
    MessageRecord message_;
    DeliveryRecord delivery_;
    CompletedRecord completed_;
    std::vector<std::uint32_t> identifiers_;
};

}  // namespace gw
