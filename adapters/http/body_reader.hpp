#pragma once

#include "broker-core/base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace gw::http {

/// Reads the body of a request whose head was read: so many bytes, or chunks (RFC 9112, 6 and 7).
/// Chunk extensions and trailers mean nothing here and are passed over, within a bound. The body
/// grows with what was received. Pure.
class BodyReader {
public:
    enum class Status : std::uint8_t { incomplete, complete, malformed, too_large };

    /// `line_bytes_max` bounds each line between chunks, and all trailers together.
    struct Limits {
        std::uint64_t body_bytes_max = 0;
        std::size_t line_bytes_max = 0;
    };

    static BodyReader of_length(std::uint64_t bytes, const Limits& limits);
    static BodyReader chunked(const Limits& limits);

    /// Takes what belongs to the body, and says how many bytes that were.
    std::size_t put(Bytes bytes);
    Status status() const { return status_; }
    std::string& body() { return body_; }

private:
    enum class State : std::uint8_t { data, after_data, size_line, trailer_line };

    explicit BodyReader(const Limits& limits) : limits_(limits) {}
    std::size_t put_data(Bytes bytes);
    std::size_t put_line(Bytes bytes);
    void end_line();
    bool read_size();

    Limits limits_;
    std::string body_;
    std::string line_;
    std::uint64_t left_ = 0;  // of the body, or of the present chunk
    std::size_t trailer_bytes_ = 0;
    Status status_ = Status::incomplete;
    State state_ = State::data;
    bool is_chunked_ = false;
};

}  // namespace gw::http
