#pragma once

#include "adapters/transport/stream_layer.hpp"
#include "adapters/transport/tls/handshake_gate.hpp"
#include "adapters/transport/tls/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gw::transport {

/// The server's side of one TLS connection (RFC 8446, RFC 5246). OpenSSL sees whole records only,
/// straight from the worker's buffers; it is not even asked before a whole first record has come.
/// So a connection that says little costs little.
class TlsLayer final : public StreamLayer {
public:
    TlsLayer(TlsContextPtr context, std::shared_ptr<HandshakeGate> gate);
    ~TlsLayer() override;
    TlsLayer(const TlsLayer&) = delete;
    TlsLayer& operator=(const TlsLayer&) = delete;

    Status on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) override;
    void on_send(Bytes bytes, ByteBuffer& down) override;
    void on_close(ByteBuffer& down) override;
    /// The certificate that was verified, or the pre-shared key that was proven.
    void describe(PeerInfo& peer) const override { peer.identity = identity_; }
    Failure failure() const override { return failure_; }

private:
    struct Bio;

    Status feed(Bytes records, ByteBuffer& up);
    bool begin();
    Status shake_hands();
    Status read(ByteBuffer& up);
    void learn_identity();
    Status fail_plainly(HandshakeFailure reason, const char* text, std::uint8_t alert);
    Status fail_by_openssl();
    HandshakeFailure reason_of(unsigned long error) const;
    void leave_gate();

    // In this order: the SSL object refers to the two before it.
    TlsContextPtr context_;
    TlsSession session_;
    SslPtr ssl_;  // null until a whole record has come
    std::shared_ptr<HandshakeGate> gate_;
    TransportIdentityPtr identity_;
    Failure failure_;
    ByteBuffer partial_;         // the beginning of a record
    Bytes in_;                   // during a call: whole records that OpenSSL has not read
    ByteBuffer* out_ = nullptr;  // during a call
    Status status_ = Status::opening;
    bool is_in_gate_ = false;
    bool is_broken_ = false;  // OpenSSL has met an error: it must not be asked again
};

}  // namespace gw::transport
