#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/message/message.hpp"

#include <cstddef>
#include <sys/uio.h>
#include <vector>

namespace gw::transport {

/// Bytes that wait for a socket: copied ones in one buffer, and between them large payloads that
/// are only referred to. Borrowed from the worker's pool while there is something to write.
class Output {
public:
    ByteBuffer& bytes() { return bytes_; }
    void gather(const MessagePtr& message, Bytes bytes) {
        gathered_.push_back({bytes_.size(), message, bytes});
        gathered_bytes_ += bytes.size();
    }
    std::size_t unsent_bytes() const { return bytes_.size() + gathered_bytes_ - sent_; }
    bool is_plain() const { return gathered_.empty(); }
    /// All that is unsent, when is_plain().
    Bytes plain() const { return bytes_.view().subspan(sent_); }
    /// Fills `parts` from the first unsent byte on; gives the number of parts used.
    std::size_t fill(struct iovec* parts, std::size_t count) const;
    /// The first `count` unsent bytes are written.
    void advance(std::size_t count);
    void clear();
    std::size_t capacity() const { return bytes_.capacity(); }

private:
    struct Gathered {
        std::size_t at;  // stands before this byte of bytes_
        MessagePtr message;
        Bytes bytes;
    };

    ByteBuffer bytes_;
    std::vector<Gathered> gathered_;
    std::size_t gathered_bytes_ = 0;
    std::size_t sent_ = 0;  // of the whole
};

}  // namespace gw::transport
