// PUT, POST and DELETE on topics, and bodies that come in blocks (RFC 7959, 2.5).
#include "adapters/coap/codec/content_format.hpp"
#include "adapters/coap/machine/machine.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

/// Within which the next block must come: MAX_TRANSMIT_WAIT (RFC 7252, 4.8.2), a client may try
/// that long.
constexpr Seconds upload_time{93};

/// What an upload takes besides its bytes, about; else first blocks of 16 bytes would take many
/// times what coap.max_uploads allows.
constexpr std::size_t upload_cost_bytes = 256;

}  // namespace

bool Machine::check_topic(Incoming& in) {
    if (!check_topic_name(in.target.topic, options_->topic_limits)) {
        refuse(in, Code::bad_request, "invalid topic");
        return false;
    }
    return true;
}

void Machine::publish(Incoming& in) {
    const Request& request = in.request;
    const Query& query = in.target.query;
    const bool is_delete = request.message.code == Code::delete_;
    Client* const client = login(in);
    if (client == nullptr || !check_topic(in)) {
        return;
    }
    // As reliable as the client's own message, unless it says how.
    const std::uint8_t by_type = request.message.type == Type::confirmable ? 1 : 0;
    const auto qos = static_cast<Qos>(query.qos.value_or(by_type));
    const bool retain = is_delete || query.retain.value_or(false);
    if ((query.qos && qos > options_->qos_max) || (retain && !options_->retain_available)) {
        refuse(in, Code::bad_request, "QoS or retain not available");
        return;
    }
    const auto expiry = query.expiry ? query.expiry : request.max_age;
    ByteBuffer properties;
    if (request.content_format) {
        PropertyWriter{properties}.content_type(content_type_of(*request.content_format));
    }
    PublishRequest wanted{.topic = in.target.topic,
                          .properties = properties.view(),
                          .qos = std::min(qos, options_->qos_max),
                          .retain = retain,
                          .expires_at = expiry && !is_delete ? now() + Seconds{*expiry} : never};
    if (!may_publish(in, *client, wanted)) {
        return;
    }
    const auto body = is_delete ? std::optional{Bytes{}} : body_of(in);
    if (!body) {
        return;
    }
    MessagePtr retained;
    if (request.has_if_match || request.if_none_match || (retain && options_->tells_created)) {
        retained = broker_.find_retained_before(*client->session, wanted);
    }
    if (!meets_conditions(in, retained)) {
        return;
    }
    const bool is_created = options_->tells_created && retain && !retained && !body->empty();
    wanted.payload = *body;
    const PublishOutcome outcome = broker_.publish(*client->session, wanted);
    if (outcome.is_pending) {
        defer(in, Deferred::Wait::access, client);
        return;
    }
    forget_upload(upload_key(in));
    const Code code = is_delete ? Code::deleted : is_created ? Code::created : Code::changed;
    if (is_error(outcome.reason)) {
        refuse_publish(in, outcome);
        return;
    }
    if (outcome.ticket != 0 && options_->waits_for_store) {
        if (defer(in, Deferred::Wait::store, client)) {
            in.deferred->ticket = outcome.ticket;
            in.deferred->code = code;
        }
        return;
    }
    Response response{.code = code};
    response.block1 = request.block1;
    if (response.block1) {
        response.block1->has_more = false;
    }
    respond(in, response);
}

/// Everything that may refuse or hold up a publish before its body is taken.
bool Machine::may_publish(Incoming& in, Client& client, const PublishRequest& wanted) {
    if (broker_.shared().memory_grade.load(std::memory_order_relaxed) >=
        MemoryGrade::pause_reading) {
        refuse(in, Code::service_unavailable, "out of memory");
        return false;
    }
    // Requests behind one that waits keep their place.
    const Client::Extra* const extra = client.find_extra();
    const bool is_behind =
        in.deferred == nullptr && extra != nullptr &&
        std::any_of(extra->waiting.begin(), extra->waiting.end(), [this](std::uint32_t index) {
            return deferred_.find(index)->wait == Deferred::Wait::access;
        });
    PublishRequest checked = wanted;
    checked.is_body_complete = false;
    const PublishOutcome outcome = is_behind ? PublishOutcome{.is_pending = true}
                                             : broker_.check_publish(*client.session, checked);
    if (outcome.is_pending) {
        defer(in, Deferred::Wait::access, &client);
        return false;
    }
    if (outcome.reason == ReasonCode::not_authorized) {
        metrics().drop(DropReason::not_authorized_publish);
    }
    if (is_error(outcome.reason)) {
        refuse_publish(in, outcome);
        return false;
    }
    // A body in blocks is one message.
    const std::optional<Block>& block = in.request.block1;
    if (!(block && block->has_more) && is_over_rate(client)) {
        metrics().drop(DatagramDrop::rate);
        refuse(in, Code::too_many_requests, {});
        return false;
    }
    return true;
}

/// What the broker says no to, in the words of CoAP.
void Machine::refuse_publish(Incoming& in, const PublishOutcome& outcome) {
    switch (outcome.reason) {
        case ReasonCode::not_authorized:
            refuse(in, Code::forbidden, "not authorized");
            return;
        case ReasonCode::topic_name_invalid:
            refuse(in, Code::bad_request, "invalid topic");
            return;
        case ReasonCode::payload_format_invalid:
            refuse(in, Code::unsupported_content_format, {});
            return;
        case ReasonCode::packet_too_large:
            refuse(in, Code::request_entity_too_large, {});
            return;
        case ReasonCode::quota_exceeded:
        case ReasonCode::message_rate_too_high:
            refuse(in, Code::too_many_requests, {});
            return;
        case ReasonCode::server_busy:
        case ReasonCode::server_unavailable:
            refuse(in, Code::service_unavailable, {});
            return;
        default:
            refuse(in, Code::forbidden, reason_text(outcome.reason));
            return;
    }
}

bool Machine::is_over_rate(Client& client) {
    if (options_->publish_rate_max == 0) {
        return false;
    }
    auto& rate = client.extra().rate;
    if (!rate) {
        rate.emplace(options_->publish_rate_max, now());
    }
    return !rate->try_take(now());
}

/// If-Match and If-None-Match (RFC 7252, 5.10.8): what a topic has is its retained message.
bool Machine::meets_conditions(Incoming& in, const MessagePtr& retained) {
    const Request& request = in.request;
    bool is_met = !(request.if_none_match && retained);
    if (request.has_if_match) {
        is_met =
            is_met && retained &&
            (request.if_match.contains({}) || request.if_match.contains(Bytes{etag_of(*retained)}));
    }
    if (!is_met) {
        forget_upload(upload_key(in));
        refuse(in, Code::precondition_failed, {});
    }
    return is_met;
}

// -------------------------------------------------------------------------------------- blocks

std::uint64_t Machine::upload_key(const Incoming& in) const {
    const DatagramPeer& peer = in.source.peer;
    const std::uint64_t by_peer =
        hash_text(as_text(Bytes{peer.ip.bytes}), in.asker + peer.port * 2U + peer.is_secure);
    return body_key_of(in.request.message, by_peer);
}

void Machine::forget_upload(std::uint64_t key) {
    const auto found = uploads_.find(key);
    if (found != uploads_.end()) {
        upload_bytes_ -= found->second->bytes.size() + upload_cost_bytes;
        timers_.cancel(*found->second);
        uploads_.erase(found);
    }
}

/// The whole body of a request, or nothing: then the request was answered, more blocks come.
std::optional<Bytes> Machine::body_of(Incoming& in) {
    const Request& request = in.request;
    if (request.message.payload.size() > options_->body_bytes_max ||
        (request.block1 && request.size1.value_or(0) > options_->body_bytes_max)) {
        forget_upload(upload_key(in));
        refuse(in, Code::request_entity_too_large, {});
        return std::nullopt;
    }
    if (!request.block1 || (request.block1->number == 0 && !request.block1->has_more)) {
        return request.message.payload;
    }
    return add_block(in, *request.block1, upload_key(in));
}

std::optional<Bytes> Machine::add_block(Incoming& in, const Block& block, std::uint64_t key) {
    const Bytes payload = in.request.message.payload;
    const bool has_right_size =
        block.has_more ? payload.size() == block.bytes() : payload.size() <= block.bytes();
    if (!has_right_size) {
        refuse(in, Code::bad_request, "block size");
        return std::nullopt;
    }
    if (block.number == 0) {
        forget_upload(key);  // the client begins again
        uploads_.emplace(key, std::make_unique<Upload>(key));
        upload_bytes_ += upload_cost_bytes;
    }
    const auto found = uploads_.find(key);
    if (found == uploads_.end()) {
        refuse(in, Code::request_entity_incomplete, "the first block is missing");
        return std::nullopt;
    }
    Upload& upload = *found->second;
    const bool is_known = block.offset() + payload.size() <= upload.bytes.size();
    if (!is_known && block.offset() != upload.bytes.size()) {
        refuse(in, Code::request_entity_incomplete, "a block is missing");
        return std::nullopt;
    }
    if (!is_known) {
        if (upload.bytes.size() + payload.size() > options_->body_bytes_max) {
            forget_upload(key);
            refuse(in, Code::request_entity_too_large, {});
            return std::nullopt;
        }
        if (upload_bytes_ + payload.size() > options_->upload_bytes_max) {
            forget_upload(key);
            metrics().drop(DatagramDrop::busy);
            refuse(in, Code::service_unavailable, "too many uploads");
            return std::nullopt;
        }
        upload.bytes.append(payload);
        upload_bytes_ += payload.size();
    }
    timers_.schedule(upload, now() + upload_time);
    if (!block.has_more) {
        return upload.bytes.view();
    }
    Response response{.code = Code::continue_};
    response.block1 = block;
    response.block1->size_exponent = std::min(block.size_exponent, options_->size_exponent);
    respond(in, response);
    return std::nullopt;
}

}  // namespace gw::coap
