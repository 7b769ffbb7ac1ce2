#pragma once

#include "broker-core/message/translation.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace gw::stomp {

/// Names of headers that SEND and MESSAGE have, STOMP's and this server's.
namespace header_name {
inline constexpr std::string_view ack = "ack";
inline constexpr std::string_view content_length = "content-length";
inline constexpr std::string_view content_type = "content-type";
inline constexpr std::string_view correlation_id = "correlation-id";
inline constexpr std::string_view correlation_id_base64 = "correlation-id-base64";
inline constexpr std::string_view destination = "destination";
inline constexpr std::string_view expires = "expires";
inline constexpr std::string_view message_id = "message-id";
inline constexpr std::string_view payload_format = "payload-format-indicator";
inline constexpr std::string_view qos = "qos";
inline constexpr std::string_view receipt = "receipt";
inline constexpr std::string_view receipt_id = "receipt-id";
inline constexpr std::string_view redelivered = "redelivered";
inline constexpr std::string_view reply_to = "reply-to";
inline constexpr std::string_view retain = "retain";
inline constexpr std::string_view subscription = "subscription";
inline constexpr std::string_view transaction = "transaction";
}  // namespace header_name

/// Headers that are never a user property: nobody can forge a `message-id`. By length.
inline constexpr std::array reserved_headers = {
    header_name::ack,
    header_name::qos,
    header_name::retain,
    header_name::expires,
    header_name::receipt,
    header_name::reply_to,
    header_name::message_id,
    header_name::receipt_id,
    header_name::destination,
    header_name::redelivered,
    header_name::transaction,
    header_name::content_type,
    header_name::subscription,
    header_name::content_length,
    header_name::correlation_id,
    header_name::correlation_id_base64,
    header_name::payload_format,
};

/// Whether a header is STOMP's own or this server's, and so can be no user property.
constexpr bool is_reserved_header(std::string_view name) {
    // Sorted by length, so that most names cost the comparison of a few numbers.
    for (const std::string_view one : reserved_headers) {
        if (one.size() >= name.size()) {
            if (one.size() > name.size()) {
                return false;
            }
            if (one == name) {
                return true;
            }
        }
    }
    return false;
}
static_assert(std::is_sorted(reserved_headers.begin(), reserved_headers.end(),
                             [](std::string_view a, std::string_view b) {
                                 return a.size() < b.size();
                             }));

/// What SEND says of a message, and MESSAGE: read_send() reads it, write_message_headers() writes
/// it.
inline constexpr FieldTranslation field_table[] = {
    {MessageField::topic,
     {Fate::kept, header_name::destination},
     {Fate::kept, header_name::destination}},
    {MessageField::payload, {Fate::kept, "body"}, {Fate::kept, "body"}},
    {MessageField::qos, {Fate::kept, header_name::qos}, {Fate::kept, header_name::qos}},
    {MessageField::retain,
     {Fate::kept, header_name::retain},
     {Fate::of_retained, header_name::retain}},
    {MessageField::expiry,
     {Fate::kept, header_name::expires},
     {Fate::rounded_up, header_name::expires}},
    {MessageField::payload_format,
     {Fate::kept, header_name::payload_format},
     {Fate::kept, header_name::payload_format}},
    {MessageField::content_type,
     {Fate::kept, header_name::content_type},
     {Fate::kept, header_name::content_type}},
    {MessageField::response_topic,
     {Fate::kept, header_name::reply_to},
     {Fate::kept, header_name::reply_to}},
    {MessageField::correlation_data,
     {Fate::kept, header_name::correlation_id},
     {Fate::kept, header_name::correlation_id}},
    {MessageField::user_property,
     {Fate::named_once, "any other header"},
     {Fate::named, "the property's name"}},
    {MessageField::publisher, {Fate::by_gateway}, {}},
    {MessageField::arrival, {Fate::by_gateway}, {}},
    {MessageField::subscription, {}, {Fate::by_receiver, header_name::subscription}},
    {MessageField::redelivered, {}, {Fate::kept, header_name::redelivered}},
};

inline constexpr ProtocolTranslation translation{"STOMP", field_table};

}  // namespace gw::stomp
