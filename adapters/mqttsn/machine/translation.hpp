#pragma once

#include "broker-core/message/translation.hpp"

namespace gw::mqttsn {

/// What PUBLISH of MQTT-SN says of a message (MQTT-SN 1.2, 5.4.12): on_publish() reads it,
/// send_publish() writes it.
inline constexpr FieldTranslation field_table[] = {
    {MessageField::topic, {Fate::kept, "TopicId"}, {Fate::kept, "TopicId"}},
    {MessageField::payload, {Fate::kept, "Data"}, {Fate::kept, "Data"}},
    {MessageField::qos, {Fate::kept, "QoS, -1 as 0"}, {Fate::kept, "QoS"}},
    {MessageField::retain, {Fate::kept, "Retain"}, {Fate::of_retained, "Retain"}},
    {MessageField::publisher, {Fate::by_gateway}, {}},
    {MessageField::arrival, {Fate::by_gateway}, {}},
    {MessageField::redelivered, {Fate::lost, "DUP"}, {Fate::kept, "DUP"}},
};

inline constexpr ProtocolTranslation translation{"MQTT-SN", field_table};

}  // namespace gw::mqttsn
