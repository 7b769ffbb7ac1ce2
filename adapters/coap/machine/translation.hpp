#pragma once

#include "adapters/coap/codec/option.hpp"
#include "broker-core/message/translation.hpp"

namespace gw::coap {

/// What a PUT or POST says of a message, and a notification (docs/protocols/coap.md): publish()
/// reads it, notification_of() and answer_message() write it.
inline constexpr FieldTranslation field_table[] = {
    {MessageField::topic,
     {Fate::kept, "Uri-Path", option::uri_path},
     {Fate::kept, "Location-Path, or the path that is observed", option::location_path}},
    {MessageField::payload,
     {Fate::kept, "payload, Block1", option::block1},
     {Fate::kept, "payload, Block2", option::block2}},
    {MessageField::qos,
     {Fate::kept, "query `qos`, else 1 if confirmable"},
     {Fate::capped_at_1, "1 is confirmable"}},
    {MessageField::retain, {Fate::kept, "query `retain`"}, {}},
    {MessageField::expiry,
     {Fate::kept, "query `expiry`, else Max-Age", option::max_age},
     {Fate::rounded_down, "Max-Age", option::max_age}},
    {MessageField::content_type,
     {Fate::numbered, "Content-Format", option::content_format},
     {Fate::numbered, "Content-Format", option::content_format}},
    {MessageField::publisher, {Fate::by_gateway}, {}},
    {MessageField::arrival, {Fate::by_gateway}, {}},
    {MessageField::subscription, {}, {Fate::by_receiver, "Token"}},
};

inline constexpr ProtocolTranslation translation{"CoAP", field_table};

}  // namespace gw::coap
