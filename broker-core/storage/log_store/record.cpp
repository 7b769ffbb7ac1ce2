#include "broker-core/storage/log_store/record.hpp"

#include "broker-core/base/assert.hpp"

namespace gw {

namespace {

// First byte of a record.
constexpr std::uint8_t kind_message = 1;
constexpr std::uint8_t kind_delivery = 2;
constexpr std::uint8_t kind_completed = 3;

// Flags of a message; bits 0 and 1 are the QoS. Bits that are not named must be zero.
constexpr std::uint8_t qos_mask = 0x03;
constexpr std::uint8_t flag_retain = 0x04;
constexpr std::uint8_t flag_expires = 0x08;
constexpr std::uint8_t flag_anonymous = 0x10;
constexpr std::uint8_t flag_bridge = 0x20;
constexpr std::uint8_t message_flags =
    qos_mask | flag_retain | flag_expires | flag_anonymous | flag_bridge;

// Flags of a delivery; bits 0 to 2 as in a message.
constexpr std::uint8_t flag_identifiers = 0x08;
constexpr std::uint8_t flag_group = 0x10;
constexpr std::uint8_t delivery_flags = qos_mask | flag_retain | flag_identifiers | flag_group;

constexpr std::size_t varint_bytes_max = 10;

void put_u64(ByteBuffer& out, std::uint64_t value) {
    out.u32_be(static_cast<std::uint32_t>(value >> 32));
    out.u32_be(static_cast<std::uint32_t>(value));
}

/// Seven bits a byte, lowest first; the top bit says that more follow.
void put_varint(ByteBuffer& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.u8(static_cast<std::uint8_t>(value | 0x80));
        value >>= 7;
    }
    out.u8(static_cast<std::uint8_t>(value));
}

std::size_t varint_size(std::uint64_t value) {
    std::size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        ++size;
    }
    return size;
}

void put_text(ByteBuffer& out, std::string_view text) {
    put_varint(out, text.size());
    out.append(text);
}

std::uint64_t read_u64(Reader& in) {
    const std::uint64_t high = in.u32_be();
    return high << 32 | in.u32_be();
}

/// Sets `failed` for a number of more than 64 bits or with a needless last byte, so that each value
/// has one form.
std::uint64_t read_varint(Reader& in, bool& failed) {
    std::uint64_t value = 0;
    for (std::size_t index = 0; index < varint_bytes_max; ++index) {
        const std::uint8_t byte = in.u8();
        value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * index);
        if ((byte & 0x80) == 0) {
            const bool too_large = index == varint_bytes_max - 1 && byte > 1;
            failed = failed || in.failed() || too_large || (index > 0 && byte == 0);
            return value;
        }
    }
    failed = true;
    return 0;
}

std::string_view read_text(Reader& in, bool& failed) {
    const std::uint64_t size = read_varint(in, failed);
    if (size > in.remaining()) {
        failed = true;
        return {};
    }
    return as_text(in.take(static_cast<std::size_t>(size)));
}

std::size_t text_size(std::size_t size) {
    return varint_size(size) + size;
}

std::size_t message_body_size(const MessageRecord& record) {
    return 8 + 1 + 1 + 8 + (record.expires_at != never_expires ? 8U : 0U) +
           text_size(record.topic.size()) + text_size(record.client_id.size()) +
           text_size(record.username.size()) + text_size(record.properties.size()) +
           record.payload.size();
}

std::uint64_t to_number(WallTime time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

WallTime to_time(std::uint64_t number) {
    return WallTime{Milliseconds{static_cast<std::int64_t>(number)}};
}

}  // namespace

void append_message_body(ByteBuffer& out, const MessageRecord& record) {
    const bool expires = record.expires_at != never_expires;
    std::uint8_t flags = static_cast<std::uint8_t>(record.qos);
    flags = static_cast<std::uint8_t>(
        flags | (record.retain ? flag_retain : 0) | (expires ? flag_expires : 0) |
        (record.is_anonymous ? flag_anonymous : 0) | (record.is_bridge ? flag_bridge : 0));
    put_u64(out, record.id);
    out.u8(flags);
    out.u8(record.protocol);
    put_u64(out, to_number(record.arrival));
    if (expires) {
        put_u64(out, to_number(record.expires_at));
    }
    put_text(out, record.topic);
    put_text(out, record.client_id);
    put_text(out, record.username);
    put_text(out, as_text(record.properties));
    out.append(record.payload);
}

void append_message(ByteBuffer& out, const MessageRecord& record) {
    GW_ASSERT(record.id != 0);
    const std::size_t body_size = message_body_size(record);
    out.u8(kind_message);
    put_varint(out, body_size);
    const std::size_t before = out.size();
    append_message_body(out, record);
    GW_ASSERT(out.size() - before == body_size);
}

void append_delivery(ByteBuffer& out, const DeliveryRecord& record) {
    GW_ASSERT(record.session != 0 && record.message != 0);
    const auto flags = static_cast<std::uint8_t>(
        static_cast<std::uint8_t>(record.qos) | (record.retain ? flag_retain : 0) |
        (record.identifiers.empty() ? 0 : flag_identifiers) |
        (record.group.empty() ? 0 : flag_group));
    out.u8(kind_delivery);
    put_varint(out, record.session);
    put_varint(out, record.sequence);
    put_u64(out, record.message);
    out.u8(flags);
    if (!record.identifiers.empty()) {
        put_varint(out, record.identifiers.size());
        for (const std::uint32_t identifier : record.identifiers) {
            put_varint(out, identifier);
        }
    }
    if (!record.group.empty()) {
        put_text(out, record.group);
    }
}

void append_completed(ByteBuffer& out, const CompletedRecord& record) {
    GW_ASSERT(record.session != 0 && record.message != 0);
    out.u8(kind_completed);
    put_varint(out, record.session);
    put_varint(out, record.sequence);
    put_u64(out, record.message);
}

std::optional<MessageRecord> decode_message_body(Bytes body) {
    Reader in{body};
    bool failed = false;
    MessageRecord record;
    record.id = read_u64(in);
    const std::uint8_t flags = in.u8();
    record.protocol = in.u8();
    record.arrival = to_time(read_u64(in));
    if ((flags & flag_expires) != 0) {
        record.expires_at = to_time(read_u64(in));
        failed = record.expires_at == never_expires;  // is written by leaving it out
    }
    record.topic = read_text(in, failed);
    record.client_id = read_text(in, failed);
    record.username = read_text(in, failed);
    record.properties = as_bytes(read_text(in, failed));
    record.payload = in.rest();
    if (failed || in.failed() || (flags & ~message_flags) != 0 || (flags & qos_mask) == 3) {
        return std::nullopt;
    }
    record.qos = static_cast<Qos>(flags & qos_mask);
    record.retain = (flags & flag_retain) != 0;
    record.is_anonymous = (flags & flag_anonymous) != 0;
    record.is_bridge = (flags & flag_bridge) != 0;
    return record;
}

std::uint64_t RecordScanner::varint() {
    Reader in{all_.subspan(at_)};
    const std::uint64_t value = read_varint(in, failed_);
    at_ = all_.size() - in.remaining();
    return value;
}

std::uint64_t RecordScanner::u64() {
    Reader in{all_.subspan(at_)};
    const std::uint64_t value = read_u64(in);
    failed_ = failed_ || in.failed();
    at_ = all_.size() - in.remaining();
    return value;
}

bool RecordScanner::read_message() {
    const std::uint64_t size = varint();
    if (failed_ || size > all_.size() - at_) {
        return false;
    }
    body_start_ = at_;
    at_ += static_cast<std::size_t>(size);
    const auto message = decode_message_body(all_.subspan(body_start_, at_ - body_start_));
    if (!message || message->id == 0) {
        return false;
    }
    message_ = *message;
    return true;
}

bool RecordScanner::read_delivery() {
    delivery_ = DeliveryRecord{};
    delivery_.session = varint();
    delivery_.sequence = varint();
    delivery_.message = u64();
    if (failed_ || at_ == all_.size()) {
        return false;
    }
    const std::uint8_t flags = all_[at_++];
    if ((flags & ~delivery_flags) != 0 || (flags & qos_mask) == 3 || delivery_.session == 0 ||
        delivery_.message == 0) {
        return false;
    }
    delivery_.qos = static_cast<Qos>(flags & qos_mask);
    delivery_.retain = (flags & flag_retain) != 0;
    identifiers_.clear();
    if ((flags & flag_identifiers) != 0) {
        const std::uint64_t count = varint();
        // Each takes a byte at least, so what is announced is bounded by what is there.
        if (failed_ || count == 0 || count > all_.size() - at_) {
            return false;
        }
        for (std::uint64_t index = 0; index < count; ++index) {
            const std::uint64_t identifier = varint();
            failed_ = failed_ || identifier > 0xffffffff;
            if (failed_) {
                return false;
            }
            identifiers_.push_back(static_cast<std::uint32_t>(identifier));
        }
    }
    delivery_.identifiers = identifiers_;
    if ((flags & flag_group) != 0) {
        const std::uint64_t size = varint();
        if (failed_ || size == 0 || size > all_.size() - at_) {
            return false;
        }
        delivery_.group = as_text(all_.subspan(at_, static_cast<std::size_t>(size)));
        at_ += static_cast<std::size_t>(size);
    }
    return true;
}

bool RecordScanner::read_completed() {
    completed_.session = varint();
    completed_.sequence = varint();
    completed_.message = u64();
    return !failed_ && completed_.session != 0 && completed_.message != 0;
}

RecordScanner::Kind RecordScanner::next() {
    if (failed_) {
        return Kind::damaged;
    }
    start_ = at_;
    if (at_ == all_.size()) {
        return Kind::end;
    }
    switch (all_[at_++]) {
        case kind_message:
            if (read_message()) {
                return Kind::message;
            }
            break;
        case kind_delivery:
            if (read_delivery()) {
                return Kind::delivery;
            }
            break;
        case kind_completed:
            if (read_completed()) {
                return Kind::completed;
            }
            break;
        default:
            break;
    }
    failed_ = true;
    return Kind::damaged;
}

}  // namespace gw
