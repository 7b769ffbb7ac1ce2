#include "broker-core/storage/log_storage.hpp"

#include <utility>

namespace gw {

namespace {

WallTime wall_of(MonotonicTime time, Now now) {
    return now.wall + (time - now.monotonic);
}

MessageRecord record_of(std::uint64_t id, const Message& message, Now now) {
    MessageRecord record;
    record.id = id;
    record.topic = message.topic();
    record.properties = message.properties();
    record.payload = message.payload();
    record.qos = message.qos();
    record.retain = message.retain();
    record.arrival = wall_of(message.arrival(), now);
    record.expires_at =
        message.expires_at() == never ? never_expires : wall_of(message.expires_at(), now);
    if (const ClientIdentity* const publisher = message.publisher().get()) {
        record.client_id = publisher->client_id;
        record.username = publisher->username;
        record.protocol = publisher->protocol->number;
        record.is_anonymous = publisher->is_anonymous;
        record.is_bridge = publisher->is_bridge;
    }
    return record;
}

}  // namespace

MessagePtr message_of(const MessageRecord& record, const ProtocolList& protocols, Now now) {
    const auto monotonic = [now](WallTime time) {
        return now.monotonic + (time - now.wall);
    };
    IdentityPtr publisher;
    if (!record.client_id.empty()) {
        auto identity = std::make_unique<ClientIdentity>();
        identity->client_id = std::string{record.client_id};
        identity->username = record.username;
        identity->protocol = &protocols.by_number(record.protocol);
        identity->is_anonymous = record.is_anonymous;
        identity->is_bridge = record.is_bridge;
        publisher = IdentityPtr{identity.release()};
    }
    return Message::create(
        {.topic = record.topic,
         .payload = record.payload,
         .properties = record.properties,
         .qos = record.qos,
         .retain = record.retain,
         .arrival = monotonic(record.arrival),
         .expires_at = record.expires_at == never_expires ? never : monotonic(record.expires_at),
         .publisher = publisher});
}

LogStorage::LogStorage(std::uint32_t worker, OnLoaded on_loaded)
    : worker_(worker), on_loaded_(std::move(on_loaded)) {}

void LogStorage::put_message(std::uint64_t id, const Message& message, Now now) {
    append_message(pending_.records, record_of(id, message, now));
}

void LogStorage::put_delivery(const StoredDelivery& delivery) {
    append_delivery(pending_.records, {.session = delivery.session_id,
                                       .sequence = delivery.sequence,
                                       .message = delivery.message_id,
                                       .qos = delivery.qos,
                                       .retain = delivery.retain,
                                       .identifiers = delivery.identifiers,
                                       .group = delivery.group});
}

void LogStorage::complete(std::uint64_t session_id, std::uint64_t sequence,
                          std::uint64_t message_id) {
    append_completed(pending_.records,
                     {.session = session_id, .sequence = sequence, .message = message_id});
}

void LogStorage::put_session(std::uint64_t session_id, std::string_view client_id,
                             std::string_view state) {
    pending_.operations.emplace_back(
        PutSession{session_id, std::string{client_id}, std::string{state}});
}

void LogStorage::remove_session(std::uint64_t session_id) {
    pending_.operations.emplace_back(RemoveSession{session_id});
}

void LogStorage::put_subscription(std::uint64_t session_id, std::string_view filter,
                                  std::uint64_t options) {
    pending_.operations.emplace_back(
        PutSubscription{session_id, std::string{filter}, static_cast<std::int64_t>(options)});
}

void LogStorage::remove_subscription(std::uint64_t session_id, std::string_view filter) {
    pending_.operations.emplace_back(RemoveSubscription{session_id, std::string{filter}});
}

void LogStorage::put_retained(const Message& message, std::uint64_t version, Now now) {
    if (message.payload().empty()) {
        pending_.operations.emplace_back(RemoveRetained{std::string{message.topic()}, version});
        return;
    }
    ByteBuffer body;
    append_message_body(body, record_of(1, message, now));
    pending_.operations.emplace_back(
        PutRetained{std::string{message.topic()}, std::string{as_text(body.view())}, version});
}

void LogStorage::put_inbound(std::uint64_t session_id, std::uint64_t unreleased) {
    pending_.operations.emplace_back(PutInbound{session_id, unreleased});
}

void LogStorage::remove_inbound(std::uint64_t session_id, std::uint64_t unreleased) {
    pending_.operations.emplace_back(RemoveInbound{session_id, unreleased});
}

void LogStorage::put_released(std::uint64_t session_id, std::uint64_t released) {
    pending_.operations.emplace_back(PutReleased{session_id, released});
}

void LogStorage::remove_released(std::uint64_t session_id, std::uint64_t released) {
    pending_.operations.emplace_back(RemoveReleased{session_id, released});
}

void LogStorage::cover(std::uint32_t worker, StoreTicket ticket) {
    pending_.covers.emplace_back(worker, ticket);
}

bool LogStorage::has_pending() const {
    return !pending_.records.empty() || !pending_.operations.empty();
}

bool LogStorage::submit(StoreTicket ticket) {
    const bool has_own = has_pending();
    if (!has_own && pending_.covers.empty()) {
        return false;
    }
    pending_.worker = worker_;
    pending_.ticket = has_own ? ticket : 0;
    store_->submit(std::exchange(pending_, Submission{}));
    pending_.records = store_->take_buffer();
    return has_own;
}

void LogStorage::load(SessionRef session, std::vector<std::uint64_t> message_ids) {
    store_->read(std::move(message_ids), [this, session](std::vector<LoadedMessage> messages) {
        on_loaded_(session, std::move(messages));
    });
}

}  // namespace gw
