#include "adapters/transport/tls/tls_layer.hpp"

#include "adapters/transport/tls/certificate.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace gw::transport {

namespace {

constexpr std::size_t header_bytes = 5;
/// The longest record that any version allows: 2^14 and 2,048 for what protects it (RFC 5246,
/// 6.2.3). OpenSSL knows the closer bounds.
constexpr std::size_t record_bytes_max = 16384 + 2048;
constexpr std::uint8_t first_content_type = 20;
constexpr std::uint8_t handshake_content_type = 22;
constexpr std::uint8_t last_content_type = 23;

enum class Header : std::uint8_t { good, too_long, not_tls };

struct Record {
    std::size_t bytes = 0;  // with its header; 0: the header is not there yet
    Header header = Header::good;
};

/// What the bytes begin with. The type and version are judged as soon as they are there, so that
/// somebody who speaks another protocol does not wait for an answer until the time is up.
Record look_at(Bytes bytes, bool is_first) {
    if (!bytes.empty()) {
        const std::uint8_t type = bytes[0];
        const bool is_known = is_first ? type == handshake_content_type
                                       : type >= first_content_type && type <= last_content_type;
        if (!is_known || (bytes.size() > 1 && bytes[1] != 3)) {
            return {0, Header::not_tls};
        }
    }
    if (bytes.size() < header_bytes) {
        return {};
    }
    const std::size_t size = static_cast<std::size_t>(bytes[3]) << 8 | bytes[4];
    if (size > record_bytes_max) {
        return {0, Header::too_long};
    }
    return {header_bytes + size, Header::good};
}

}  // namespace

// ------------------------------------------------------------------------------------------ BIO

/// Lets OpenSSL read from and write to the layer's present call.
struct TlsLayer::Bio {
    static TlsLayer& layer_of(BIO* bio) { return *static_cast<TlsLayer*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* to, std::size_t count, std::size_t* done) {
        TlsLayer& layer = layer_of(bio);
        BIO_clear_retry_flags(bio);
        if (layer.in_.empty()) {
            BIO_set_retry_read(bio);
            return 0;
        }
        *done = std::min(count, layer.in_.size());
        std::memcpy(to, layer.in_.data(), *done);
        layer.in_ = layer.in_.subspan(*done);
        return 1;
    }
    static int write(BIO* bio, const char* from, std::size_t count, std::size_t* done) {
        TlsLayer& layer = layer_of(bio);
        BIO_clear_retry_flags(bio);
        if (layer.out_ != nullptr) {
            layer.out_->append(std::string_view{from, count});
        }
        *done = count;
        return 1;
    }
    static long control(BIO*, int command, long, void*) {
        return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
    }
    static const BIO_METHOD* method() {
        static const auto made = [] {
            BIO_METHOD* const fresh =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gw");
            GW_ASSERT(fresh != nullptr);
            BIO_meth_set_read_ex(fresh, read);
            BIO_meth_set_write_ex(fresh, write);
            BIO_meth_set_ctrl(fresh, control);
            return fresh;
        }();
        return made;
    }
};

// ---------------------------------------------------------------------------------------- begin

TlsLayer::TlsLayer(TlsContextPtr context, std::shared_ptr<HandshakeGate> gate)
    : context_(std::move(context)), gate_(std::move(gate)) {}

TlsLayer::~TlsLayer() {
    leave_gate();
}

void TlsLayer::leave_gate() {
    if (is_in_gate_) {
        is_in_gate_ = false;
        gate_->leave();
    }
}

/// Takes a place among those that shake hands; before that nothing costs more than some bytes.
bool TlsLayer::begin() {
    if (const auto refusal = gate_->enter(HandshakeGate::Clock::now())) {
        failure_ = {*refusal, *refusal == HandshakeFailure::rate ? "too many handshakes a second"
                                                                 : "too many handshakes at once"};
        return false;
    }
    is_in_gate_ = true;
    ssl_ = context_->make_ssl(session_);
    BIO* const bio = ssl_ ? BIO_new(Bio::method()) : nullptr;
    if (bio == nullptr) {
        failure_ = {HandshakeFailure::other, take_openssl_error()};
        return false;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    return true;
}

// ------------------------------------------------------------------------------------- receiving

StreamLayer::Status TlsLayer::on_received(Bytes bytes, ByteBuffer& up, ByteBuffer& down) {
    out_ = &down;
    while (!bytes.empty() && (status_ == Status::opening || status_ == Status::open)) {
        const bool is_kept = !partial_.empty();
        if (is_kept) {
            // Completes the record that is kept: its header first, which says how much is missing.
            const Record kept = look_at(partial_.view(), !ssl_);
            const std::size_t wanted = kept.bytes != 0 ? kept.bytes : header_bytes;
            const std::size_t count = std::min(wanted - partial_.size(), bytes.size());
            partial_.append(bytes.first(count));
            bytes = bytes.subspan(count);
        }
        // All whole records that are there go to OpenSSL at once, where they lie.
        const Bytes lying = is_kept ? partial_.view() : bytes;
        std::size_t whole = 0;
        Record next = look_at(lying, !ssl_);
        while (next.bytes != 0 && whole + next.bytes <= lying.size()) {
            whole += next.bytes;
            next = look_at(lying.subspan(whole), false);
        }
        if (whole != 0) {
            status_ = feed(lying.first(whole), up);
        }
        if (next.header != Header::good &&
            (status_ == Status::opening || status_ == Status::open)) {
            constexpr std::uint8_t unexpected_message = 10;
            constexpr std::uint8_t record_overflow = 22;
            status_ = next.header == Header::too_long
                          ? fail_plainly(HandshakeFailure::other, "a record that is too long",
                                         record_overflow)
                          : fail_plainly(HandshakeFailure::not_the_protocol, "no TLS",
                                         unexpected_message);
        }
        if (!is_kept) {
            partial_.append(bytes.subspan(whole));
            bytes = {};
        } else if (whole != 0) {
            partial_.release();
        }
    }
    out_ = nullptr;
    return status_;
}

/// An error in a record's header, met before OpenSSL sees it. Unencrypted alerts are understood
/// while there are no keys; later they would only confuse.
StreamLayer::Status TlsLayer::fail_plainly(HandshakeFailure reason, const char* text,
                                           std::uint8_t alert) {
    failure_ = {reason, text};
    is_broken_ = true;
    if (!ssl_) {
        constexpr std::uint8_t alert_type = 21;
        constexpr std::uint8_t fatal = 2;
        const std::uint8_t record[] = {alert_type, 3, 1, 0, 2, fatal, alert};
        out_->append(Bytes{record});
    }
    return Status::failed;
}

StreamLayer::Status TlsLayer::feed(Bytes records, ByteBuffer& up) {
    if (!ssl_ && !begin()) {
        is_broken_ = true;
        return Status::failed;  // without a word: words cost
    }
    in_ = records;
    ERR_clear_error();  // of others on this thread
    if (status_ == Status::opening) {
        const Status shaken = shake_hands();
        if (shaken != Status::open) {
            in_ = {};
            return shaken;
        }
    }
    const Status after = read(up);
    in_ = {};
    return after;
}

StreamLayer::Status TlsLayer::shake_hands() {
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
        leave_gate();
        learn_identity();
        return Status::open;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) {
        return Status::opening;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        failure_ = {HandshakeFailure::alert, "the peer said goodbye"};
        leave_gate();
        return Status::ended;
    }
    leave_gate();
    return fail_by_openssl();
}

StreamLayer::Status TlsLayer::read(ByteBuffer& up) {
    constexpr std::size_t plain_bytes_max = 16384;  // of one record
    while (true) {
        const std::size_t before = up.size();
        std::size_t count = 0;
        const int result =
            SSL_read_ex(ssl_.get(), up.extend(plain_bytes_max), plain_bytes_max, &count);
        up.truncate(before + (result == 1 ? count : 0));
        if (result == 1) {
            continue;
        }
        const int error = SSL_get_error(ssl_.get(), result);
        if (error == SSL_ERROR_WANT_READ) {
            return Status::open;
        }
        if (error == SSL_ERROR_ZERO_RETURN) {
            return Status::ended;
        }
        return fail_by_openssl();
    }
}

// --------------------------------------------------------------------------------------- sending

void TlsLayer::on_send(Bytes bytes, ByteBuffer& down) {
    if (is_broken_ || bytes.empty()) {
        return;
    }
    out_ = &down;
    ERR_clear_error();
    std::size_t written = 0;
    // The BIO takes everything, so that a write is never partial.
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) {
        is_broken_ = true;
        ERR_clear_error();
    }
    out_ = nullptr;
}

void TlsLayer::on_close(ByteBuffer& down) {
    if (is_broken_) {
        return;
    }
    out_ = &down;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // close_notify; the peer's is not waited for (RFC 8446, 6.1)
    ERR_clear_error();
    out_ = nullptr;
}

// ------------------------------------------------------------------------- what the handshake says

void TlsLayer::learn_identity() {
    if (const X509* const certificate = SSL_get0_peer_certificate(ssl_.get())) {
        if (SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
            identity_ = identity_of(*certificate);
        }
        return;
    }
    // In TLS 1.3 a known identity may have been offered and a certificate used instead: only a
    // handshake that rests on the key proves it. TLS 1.2 keeps the name with the session.
    if (SSL_version(ssl_.get()) == TLS1_3_VERSION) {
        if (SSL_session_reused(ssl_.get()) == 1 && !session_.psk_identity.empty()) {
            identity_ = identity_of_psk(std::move(session_.psk_identity));
        }
    } else if (const char* const name = SSL_get_psk_identity(ssl_.get())) {
        identity_ = identity_of_psk(name);
    }
    session_.psk_identity = {};
}

StreamLayer::Status TlsLayer::fail_by_openssl() {
    is_broken_ = true;
    const unsigned long error = ERR_peek_last_error();
    failure_.reason = reason_of(error);
    failure_.text = take_openssl_error();
    if (failure_.reason == HandshakeFailure::bad_certificate) {
        const long verdict = SSL_get_verify_result(ssl_.get());
        if (verdict != X509_V_OK) {
            failure_.text = X509_verify_cert_error_string(verdict);
        }
    } else if (failure_.reason == HandshakeFailure::unknown_identity) {
        failure_.text = session_.is_psk_unknown ? "unknown identity" : "wrong pre-shared key";
    }
    return Status::failed;
}

HandshakeFailure TlsLayer::reason_of(unsigned long error) const {
    const int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
        return HandshakeFailure::other;
    }
    switch (reason) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return HandshakeFailure::no_certificate;
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
        case SSL_R_BAD_SIGNATURE:
            return HandshakeFailure::bad_certificate;
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SHARED_GROUPS:
        case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        case SSL_R_NO_SUITABLE_KEY_SHARE:
        case SSL_R_NO_SUITABLE_GROUPS:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return HandshakeFailure::cipher;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
        case SSL_R_UNKNOWN_PROTOCOL:
        case SSL_R_INAPPROPRIATE_FALLBACK:
            return HandshakeFailure::version;
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return HandshakeFailure::no_application;
        case SSL_R_PSK_IDENTITY_NOT_FOUND:
        case SSL_R_BINDER_DOES_NOT_VERIFY:
            return HandshakeFailure::unknown_identity;
        case SSL_R_DIGEST_CHECK_FAILED:
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
        case SSL_R_BAD_PSK:
            // How a wrong key shows in TLS 1.2.
            return session_.is_psk_unknown || !session_.psk_identity.empty()
                       ? HandshakeFailure::unknown_identity
                       : HandshakeFailure::other;
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_WRONG_VERSION_NUMBER:
            return HandshakeFailure::not_the_protocol;
        default:
            return reason >= SSL_AD_REASON_OFFSET ? HandshakeFailure::alert
                                                  : HandshakeFailure::other;
    }
}

}  // namespace gw::transport
