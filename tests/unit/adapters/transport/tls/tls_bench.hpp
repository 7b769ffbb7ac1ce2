#pragma once

#include "adapters/transport/tls/tls_layer.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/support/test_pki.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

/// A TLS client of OpenSSL's own and our layer back to back, without sockets.
namespace gw::test {

using SessionPtr = std::unique_ptr<SSL_SESSION, transport::OpensslDeleter<SSL_SESSION_free>>;

/// The client's side; what it writes and reads goes through memory.
class TlsClient {
public:
    using Prepare = std::function<void(SSL_CTX*, SSL*)>;

    explicit TlsClient(const Prepare& prepare = {})
        : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
        if (prepare) {
            prepare(context_.get(), ssl_.get());
        }
    }

    /// As after a clean end: a session of a connection that broke is not resumed.
    ~TlsClient() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    SSL* ssl() { return ssl_.get(); }
    bool shake() {
        const int result = SSL_do_handshake(ssl_.get());
        is_failed_ = result != 1 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ;
        if (is_failed_) {
            const unsigned long error = ERR_peek_last_error();
            alert = ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET
                        ? ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET
                        : -1;
        }
        ERR_clear_error();
        return result == 1;
    }
    void write(std::string_view text) {
        SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    }
    /// All that can be decrypted; notes the alert that ends it.
    std::string read() {
        std::string text;
        char buffer[16384];
        int count = 0;
        while ((count = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) {
            text.append(buffer, static_cast<std::size_t>(count));
        }
        const int error = SSL_get_error(ssl_.get(), count);
        has_goodbye = error == SSL_ERROR_ZERO_RETURN;
        if (error == SSL_ERROR_SSL) {
            alert = ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET;
        }
        ERR_clear_error();
        return text;
    }
    std::string take_output() {
        char* data = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
        std::string text{data, static_cast<std::size_t>(size)};
        static_cast<void>(BIO_reset(SSL_get_wbio(ssl_.get())));
        return text;
    }
    void give(Bytes bytes) {
        BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }
    /// For resumption; empty until the client has read the ticket.
    SessionPtr session() { return SessionPtr{SSL_get1_session(ssl_.get())}; }

    int alert = 0;  // received, by its number
    bool has_goodbye = false;

private:
    transport::SslContextPtr context_;
    transport::SslPtr ssl_;
    bool is_failed_ = false;
};

/// The server's side: a layer and what came out of it.
struct TlsServer {
    explicit TlsServer(transport::TlsContextPtr context,
                       std::shared_ptr<transport::HandshakeGate> gate =
                           std::make_shared<transport::HandshakeGate>())
        : layer(std::move(context), std::move(gate)) {}

    void receive(std::string_view bytes) { status = layer.on_received(as_bytes(bytes), up, down); }

    transport::TlsLayer layer;
    transport::StreamLayer::Status status = transport::StreamLayer::Status::opening;
    ByteBuffer up, down;
};

/// Lets both talk until neither has more to say; `piece` bytes at a time towards the server.
inline void talk(TlsClient& client, TlsServer& server, std::size_t piece = 1 << 20) {
    using Status = transport::StreamLayer::Status;
    for (int round = 0; round < 20; ++round) {
        client.shake();
        const std::string out = client.take_output();
        for (std::size_t at = 0; at < out.size(); at += piece) {
            if (server.status == Status::failed || server.status == Status::ended) {
                break;
            }
            server.receive(std::string_view{out}.substr(at, piece));
        }
        if (out.empty() && server.down.empty()) {
            return;
        }
        client.give(server.down.view());
        server.down.clear();
    }
}

}  // namespace gw::test
