#pragma once

#include "broker-core/message/translation.hpp"

namespace gw::sockjs {

/// What SockJS does to messages of a protocol whose bytes are text, as STOMP's (Content::text).
inline constexpr FieldTranslation text_fields[] = {
    {MessageField::payload, {Fate::kept, "text"}, {Fate::text, "text"}},
};
inline constexpr ProtocolTranslation text_translation{"STOMP in SockJS", text_fields, true};

/// And to those whose bytes are not, as MQTT's (Content::binary).
inline constexpr FieldTranslation binary_fields[] = {
    {MessageField::payload,
     {Fate::kept, "a character a byte, or base64"},
     {Fate::kept, "a character a byte, or base64"}},
};
inline constexpr ProtocolTranslation binary_translation{"MQTT in SockJS", binary_fields, true};

}  // namespace gw::sockjs
