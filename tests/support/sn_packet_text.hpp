#pragma once

#include "broker-core/base/bytes.hpp"

#include <string>

namespace gw::test {

/// A datagram of MQTT-SN in one line: the type, then every field that is not its default, in the
/// order of the specification: "PUBLISH qos=1 topic=7 id=3 'data'".
std::string sn_text(Bytes datagram);

}  // namespace gw::test
