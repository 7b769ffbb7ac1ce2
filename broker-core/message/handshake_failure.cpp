#include "broker-core/message/handshake_failure.hpp"

#include "broker-core/base/assert.hpp"

namespace gw {

std::string_view handshake_failure_name(HandshakeFailure failure) {
    switch (failure) {
        case HandshakeFailure::timeout:
            return "timeout";
        case HandshakeFailure::too_many_bytes:
            return "too_many_bytes";
        case HandshakeFailure::peer_closed:
            return "peer_closed";
        case HandshakeFailure::not_the_protocol:
            return "not_the_protocol";
        case HandshakeFailure::version:
            return "version";
        case HandshakeFailure::cipher:
            return "cipher";
        case HandshakeFailure::no_certificate:
            return "no_certificate";
        case HandshakeFailure::bad_certificate:
            return "bad_certificate";
        case HandshakeFailure::unknown_identity:
            return "unknown_identity";
        case HandshakeFailure::no_application:
            return "no_application";
        case HandshakeFailure::alert:
            return "alert";
        case HandshakeFailure::rate:
            return "rate";
        case HandshakeFailure::count:
            return "count";
        case HandshakeFailure::untrusted_proxy:
            return "untrusted_proxy";
        case HandshakeFailure::other:
            return "other";
    }
    GW_UNREACHABLE();
}

}  // namespace gw
