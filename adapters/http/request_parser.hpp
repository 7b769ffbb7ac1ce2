#pragma once

#include "adapters/http/message.hpp"
#include "broker-core/base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace gw::http {

struct ParserLimits {
    std::uint32_t head_bytes_max = 8192;  // request line and fields
    std::uint32_t body_bytes_max = 1 << 20;
};

/// Reads one HTTP/1.x request from bytes as they come; Boost.Beast reads the head. The head is
/// consumed whole once all of it is there, so that up to then nothing of the request is lost to
/// whoever wants to go on with it elsewhere. The body grows with what was received, whatever its
/// length was said to be. Pure.
class RequestParser {
public:
    enum class Status : std::uint8_t { head_incomplete, body_incomplete, complete, error };

    explicit RequestParser(const ParserLimits& limits);
    ~RequestParser();

    /// Takes bytes, the same ones again while the head is incomplete, and says how many it
    /// consumed.
    std::size_t put(Bytes bytes);

    Status status() const;
    /// Whole from body_incomplete on, but for its body.
    Request& request();
    /// The client waits to be told to send the body (RFC 9110, 10.1.1).
    bool expects_continue() const;
    /// HTTP status of an error, and what is wrong.
    unsigned error_status() const;
    std::string_view error_text() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace gw::http
