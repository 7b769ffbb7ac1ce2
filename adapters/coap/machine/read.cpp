// GET without Observe: a topic's retained message, and what there is (RFC 6690).
#include "adapters/coap/machine/content.hpp"
#include "adapters/coap/machine/machine.hpp"
#include "broker-core/base/hash.hpp"
#include "broker-core/message/properties.hpp"

#include <algorithm>
#include <utility>

namespace gw::coap {

namespace {

constexpr std::uint32_t max_age_default = 60;  // RFC 7252, 5.10.5
/// An answer to a peer that has proven nothing may be so much longer than its request (RFC 9175,
/// 2.4).
constexpr std::size_t amplification_max = 3;

/// Whether a link's attribute is what a query asks for; `*` at the end stands for any rest
/// (RFC 6690, 4.1).
bool matches(std::string_view value, const std::optional<std::string>& wanted) {
    if (!wanted) {
        return true;
    }
    if (wanted->ends_with('*')) {
        return value.starts_with(std::string_view{*wanted}.substr(0, wanted->size() - 1));
    }
    return value == *wanted;
}

}  // namespace

void Machine::read(Incoming& in) {
    Client* const client = login(in);
    if (client == nullptr) {
        return;
    }
    if (in.request.block2 && in.request.block2->number != 0 && serve_notified_block(in, *client)) {
        return;
    }
    read_topic(in, *client, false);
}

/// `is_lenient`: a topic without a retained message has an empty one.
void Machine::read_topic(Incoming& in, Client& client, bool is_lenient) {
    if (!check_topic(in) || !may_read(in, client, in.target.topic)) {
        return;
    }
    const MessagePtr message = broker_.find_retained(*client.session, in.target.topic);
    if (!message && !is_lenient) {
        refuse(in, Code::not_found, "no retained message");
        return;
    }
    if (message && !broker_.may_deliver(*client.session, *message)) {
        metrics().drop(DropReason::not_authorized_delivery);
        refuse(in, Code::forbidden, "not authorized");
        return;
    }
    answer_message(in, message.get(), std::nullopt);
}

/// False: the request was answered, or waits.
bool Machine::may_read(Incoming& in, Client& client, std::string_view filter) {
    const SubscribeAnswer answer = broker_.check_subscribe(*client.session, filter);
    if (answer.is_pending) {
        defer(in, Deferred::Wait::access, &client);
        return false;
    }
    if (is_error(answer.reason)) {
        metrics().subscribes_refused.add();
        refuse(in, Code::forbidden,
               answer.reason == ReasonCode::not_authorized ? std::string_view{"not authorized"}
                                                           : reason_text(answer.reason));
        return false;
    }
    return true;
}

Etag Machine::etag_of(const Message& message) const {
    return etag_of(message.payload(), message.properties());
}

/// Of the content alone, so that the same content read again has the same one.
Etag Machine::etag_of(Bytes payload, Bytes properties) {
    const std::uint64_t hash = stored_hash(as_text(payload), stored_hash(as_text(properties), 1));
    Etag etag;
    for (std::size_t i = 0; i < etag.size(); ++i) {
        etag[i] = static_cast<std::uint8_t>(hash >> (56 - 8 * i));
    }
    return etag;
}

/// The further blocks of a notification: the observer asks for them without Observe (RFC 7959,
/// 3.4). They are those of the message that it was told of, whatever is retained.
bool Machine::serve_notified_block(Incoming& in, const Client& client) {
    Endpoint* const endpoint = find_endpoint(in.source.peer);
    for (Observation* one = endpoint != nullptr ? endpoint->first : nullptr; one != nullptr;
         one = one->next_at_endpoint) {
        if (!one->large || !is_same_asker(*one->subscription->client, client) ||
            one->subscription->filter != in.target.topic) {
            continue;
        }
        Large& large = *one->large;
        const std::uint16_t message_id = in.request.message.message_id;
        if (in.is_repeat && large.fetched && large.fetched_by == message_id) {
            answer_message(in, large.fetched.get(), std::nullopt);
            return true;
        }
        if (!large.present) {
            continue;
        }
        if (!in.is_repeat) {
            large.fetched = large.present;
            large.fetched_at = now();
            large.fetched_by = message_id;
        }
        answer_message(in, large.present.get(), std::nullopt);
        if (!in.is_repeat) {  // a copy may be of a request for an earlier message's block
            on_block_fetched(*one, *in.request.block2);
        }
        return true;
    }
    return false;
}

/// The observer has been given a block of what is under way to it.
void Machine::on_block_fetched(Observation& observation, const Block& block) {
    Sending* const sending = observation.endpoint->sending.get();
    if (sending == nullptr || sending->state != Sending::State::fetching ||
        sending->present.observation != &observation) {
        return;
    }
    if (block.offset() + block.bytes() >= observation.large->present->payload().size()) {
        complete(*sending, ReasonCode::success);
    } else {
        ++sending->sent_count;
        wait_for_fetch(*sending);
    }
}

Code Machine::answer_message(Incoming& in, const Message* message,
                             std::optional<std::uint32_t> observe) {
    if (message == nullptr) {
        Response response{.code = Code::content};
        response.observe = observe;
        respond(in, response);
        return response.code;
    }
    return answer_content(in,
                          {.payload = message->payload(),
                           .format = format_of(*message),
                           .max_age = max_age_of(*message, now()).value_or(max_age_default),
                           .etag = etag_of(*message)},
                          observe);
}

/// @return the code of the answer
Code Machine::answer_content(Incoming& in, const Content& content,
                             std::optional<std::uint32_t> observe) {
    const Request& request = in.request;
    Response response{.code = Code::content};
    response.observe = observe;
    response.etag = content.etag;
    response.max_age = content.max_age;
    if (request.etags.contains(Bytes{*response.etag})) {
        response.code = Code::valid;
        respond(in, response);
        return response.code;
    }
    response.content_format = content.format;
    if (request.accept && response.content_format && *request.accept != *response.content_format) {
        refuse(in, Code::not_acceptable, {});
        return Code::not_acceptable;
    }
    Block wanted = request.block2.value_or(Block{0, false, options_->size_exponent});
    if (wanted.size_exponent > options_->size_exponent) {
        wanted.number <<= wanted.size_exponent - options_->size_exponent;
        wanted.size_exponent = options_->size_exponent;
    }
    response.payload = content.payload;
    if (request.wants_size2) {
        response.size2 = static_cast<std::uint32_t>(response.payload.size());
    }
    if (request.block2 || response.payload.size() > wanted.bytes()) {
        const auto part = slice(response.payload, wanted);
        if (!part) {
            refuse(in, Code::bad_request, "no such block");
            return Code::bad_request;
        }
        if (wanted.number == 0 && part->block.has_more) {
            response.size2 = static_cast<std::uint32_t>(response.payload.size());
        }
        response.block2 = part->block;
        response.payload = part->bytes;
    }
    if (!in.is_proven && response.payload.size() > amplification_max * in.datagram.size()) {
        challenge(in);
        return Code::unauthorized;
    }
    respond(in, response);
    return response.code;
}

// ----------------------------------------------------------------------------------- discovery

/// /.well-known/core, and a root alone: the roots, and topics that have a retained message.
void Machine::discover(Incoming& in) {
    const Query& query = in.target.query;
    std::string links;
    constexpr std::string_view type = "core.ps";
    const auto add = [&](Root root) {
        const bool is_wanted = in.target.place == Place::well_known_core || in.target.root == root;
        const std::string path = "/" + std::string{root_name(root)};
        if (is_wanted && !query.has_unknown && !query.observable && query.page.value_or(0) == 0 &&
            matches(path, query.href) && matches(type, query.resource_type) &&
            matches("40", query.content_format)) {
            links += links.empty() ? "<" : ",<";
            links += path;
            links += ">;rt=\"core.ps\";ct=40";
        }
    };
    add(Root::ps);
    add(Root::mqtt);
    // An attribute that no link has leaves none (RFC 6690, 4.1).
    if (options_->lists_topics && !query.resource_type && !query.has_unknown) {
        Client* const client = login(in);
        if (client == nullptr) {
            return;
        }
        append_topics(in, *client, links);
    }
    answer_links(in, links);
}

/// A page of the topics that the client may read.
void Machine::append_topics(Incoming& in, Client& client, std::string& links) {
    constexpr std::uint32_t page_count_max = 1000;
    constexpr std::size_t look_count_max = 20000;  // so that no request takes the worker for long
    const std::uint32_t count = std::clamp(in.target.query.count.value_or(100), 1U, page_count_max);
    std::uint64_t skip = std::uint64_t{in.target.query.page.value_or(0)} * count;
    std::uint32_t left = count;
    const Root root = in.target.place == Place::root ? in.target.root : Root::ps;
    std::string path = "/" + std::string{root_name(root)} + "/";
    const std::size_t root_bytes = path.size();
    RetainedCursor cursor;
    std::vector<MessagePtr> found;
    std::size_t looked = 0;
    bool has_more = true;
    while (has_more && left != 0 && looked < look_count_max) {
        found.clear();
        has_more = broker_.next_retained(*client.session, "#", cursor, 100, found);
        looked += found.size() + 1;
        for (const MessagePtr& message : found) {
            if (left == 0 || !broker_.may_deliver(*client.session, *message)) {
                continue;
            }
            const std::string_view topic = client.session->identity->own_topic(message->topic());
            // As decoded as the query is.
            path.resize(root_bytes);
            path += topic;
            const auto format = format_of(*message);
            const auto& wanted = in.target.query.content_format;
            if (!matches(path, in.target.query.href) ||
                (wanted && (!format || !matches(std::to_string(*format), wanted)))) {
                continue;
            }
            if (skip != 0) {
                --skip;
                continue;
            }
            --left;
            links += links.empty() ? "" : ",";
            append_link_target(links, root, topic);
            links += ";obs";
            if (format) {
                links += ";ct=" + std::to_string(*format);
            }
        }
    }
}

void Machine::answer_links(Incoming& in, const std::string& links) {
    answer_content(in,
                   {.payload = as_bytes(links),
                    .format = link_format,
                    .max_age = max_age_default,
                    .etag = etag_of(as_bytes(links), {})},
                   std::nullopt);
}

}  // namespace gw::coap
