#include "adapters/transport/tls/tls_layer.hpp"

#include "adapters/transport/tls/certificate.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/transport/tls/tls_bench.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gw;
using namespace gw::transport;
using namespace gw::test;
using Status = StreamLayer::Status;

namespace {

/// An authority, a server's certificate, and a listener's settings that use them.
struct World {
    World() {
        const IssuedCertificate server =
            authority.issue({.common_names = {"broker"}, .alternative_names = "DNS:broker"});
        settings.certificate = {folder.write("cert.pem", server.certificate_pem()),
                                folder.write("key.pem", server.key_pem())};
        ca_file = folder.write("ca.pem", authority.certificate_pem());
    }

    TlsContextPtr context() {
        auto made = TlsContext::make(settings, tickets);
        if (!made) {
            FAIL(made.error().text());
        }
        return *made;
    }
    void verify_clients() {
        settings.verify = TlsSettings::Verify::peer;
        settings.ca_file = ca_file;
    }

    TempFolder folder;
    TestAuthority authority;
    std::string ca_file;
    TlsSettings settings;
    std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>();
};

TlsClient::Prepare with_certificate(const IssuedCertificate& issued) {
    return [&issued](SSL_CTX*, SSL* ssl) {
        SSL_use_certificate(ssl, issued.certificate.get());
        SSL_use_PrivateKey(ssl, issued.key.get());
    };
}

TlsClient::Prepare with_version(int version) {
    return [version](SSL_CTX*, SSL* ssl) {
        SSL_set_min_proto_version(ssl, version);
        SSL_set_max_proto_version(ssl, version);
    };
}

TransportIdentityPtr identity_of(const TlsServer& server) {
    PeerInfo peer;
    server.layer.describe(peer);
    return peer.identity;
}

/// A pre-shared key of the client's; OpenSSL's callback has no argument of its own.
thread_local std::string psk_identity, psk_key;

unsigned give_psk(SSL*, const char*, char* identity, unsigned identity_max, unsigned char* key,
                  unsigned) {
    REQUIRE(psk_identity.size() < identity_max);
    std::memcpy(identity, psk_identity.c_str(), psk_identity.size() + 1);
    std::memcpy(key, psk_key.data(), psk_key.size());
    return static_cast<unsigned>(psk_key.size());
}

TlsClient::Prepare with_psk(std::string identity, std::string key, int version) {
    psk_identity = std::move(identity);
    psk_key = std::move(key);
    return [version](SSL_CTX* context, SSL* ssl) {
        SSL_set_psk_client_callback(ssl, give_psk);
        SSL_set_cipher_list(ssl, "PSK");
        with_version(version)(context, ssl);
    };
}

}  // namespace

TEST_CASE("bytes go both ways, however the records are cut") {
    World world;
    const TlsContextPtr context = world.context();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
            CAPTURE(version);
            CAPTURE(piece);
            TlsClient client{with_version(version)};
            TlsServer server{context};
            talk(client, server, piece);
            REQUIRE(server.status == Status::open);
            CHECK(SSL_version(client.ssl()) == version);
            const std::string much(100000, 'x');
            client.write(much + "end");
            talk(client, server, piece);
            CHECK(as_text(server.up.view()) == much + "end");
            server.layer.on_send(as_bytes("answer " + much), server.down);
            client.give(server.down.view());
            CHECK(client.read() == "answer " + much);
            CHECK(identity_of(server) == nullptr);
        }
    }
}

TEST_CASE("goodbyes are understood and answered") {
    World world;
    TlsClient client;
    TlsServer server{world.context()};
    talk(client, server);
    client.write("last words");
    SSL_shutdown(client.ssl());
    server.receive(client.take_output());
    CHECK(server.status == Status::ended);
    CHECK(as_text(server.up.view()) == "last words");
    server.layer.on_close(server.down);
    client.give(server.down.view());
    client.read();
    CHECK(client.has_goodbye);
}

TEST_CASE("what is no TLS is refused with its first bytes, before OpenSSL is asked") {
    World world;
    const TlsContextPtr context = world.context();
    struct Row {
        std::string bytes;
        HandshakeFailure reason;
        std::uint8_t alert;
    };
    const Row rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", HandshakeFailure::not_the_protocol, 10},
        {"\x10", HandshakeFailure::not_the_protocol, 10},  // CONNECT of MQTT
        {"\x16\x02", HandshakeFailure::not_the_protocol, 10},
        {std::string{"\x80\x2e\x01\x03\x01", 5}, HandshakeFailure::not_the_protocol, 10},  // SSL 2
        {std::string{"\x17\x03\x03\x00\x01x", 6}, HandshakeFailure::not_the_protocol, 10},
        {"\x16\x03\x01\xff\xff", HandshakeFailure::other, 22},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes);
        const auto gate = std::make_shared<HandshakeGate>();
        TlsServer server{context, gate};
        server.receive(row.bytes);
        CHECK(server.status == Status::failed);
        CHECK(server.layer.failure().reason == row.reason);
        CHECK(as_text(server.down.view()) ==
              std::string{"\x15\x03\x01\x00\x02\x02", 6} + static_cast<char>(row.alert));
        CHECK(gate->count() == 0);
    }
}

TEST_CASE("garbage in the middle ends the connection with an alert and nothing else") {
    World world;
    TlsClient client;
    TlsServer server{world.context()};
    talk(client, server);
    SUBCASE("a record that is not of this connection") {
        server.receive(std::string{"\x17\x03\x03\x00\x20", 5} + std::string(32, 'g'));
        CHECK(server.status == Status::failed);
        client.give(server.down.view());
        client.read();
        CHECK(client.alert == SSL_AD_BAD_RECORD_MAC);
    }
    SUBCASE("no record at all") {
        server.receive("garbage");
        CHECK(server.status == Status::failed);
        CHECK(server.down.empty());
    }
    CHECK(server.up.empty());
    server.layer.on_send(as_bytes("secret"), server.down);
    ByteBuffer nothing;
    server.layer.on_send(as_bytes("secret"), nothing);
    server.layer.on_close(nothing);
    CHECK(nothing.empty());
}

TEST_CASE("a handshake that stops in the middle waits, and gives its place back in the end") {
    World world;
    const auto gate = std::make_shared<HandshakeGate>();
    TlsClient client;
    client.shake();
    const std::string hello = client.take_output();
    {
        TlsServer server{world.context(), gate};
        server.receive(hello.substr(0, hello.size() - 1));
        CHECK(server.status == Status::opening);
        CHECK(gate->count() == 0);  // nothing that costs has happened
        CHECK(server.down.empty());
        server.receive(hello.substr(hello.size() - 1));
        CHECK(server.status == Status::opening);
        CHECK(gate->count() == 1);
        CHECK_FALSE(server.down.empty());
    }
    CHECK(gate->count() == 0);
}

TEST_CASE("handshakes over the limits are shed before they cost anything") {
    World world;
    const TlsContextPtr context = world.context();
    const auto gate = std::make_shared<HandshakeGate>();
    TlsClient client;
    client.shake();
    const std::string hello = client.take_output();
    SUBCASE("at once") {
        gate->set_limits(1, 0);
        TlsServer first{context, gate};
        first.receive(hello);
        TlsServer second{context, gate};
        second.receive(hello);
        CHECK(second.status == Status::failed);
        CHECK(second.layer.failure().reason == HandshakeFailure::count);
        CHECK(second.down.empty());
        CHECK(first.status == Status::opening);
    }
    SUBCASE("a second") {
        gate->set_limits(0, 3);
        int admitted = 0;
        for (int i = 0; i < 10; ++i) {
            TlsServer server{context, gate};
            server.receive(hello);
            admitted += server.status == Status::opening ? 1 : 0;
            if (server.status == Status::failed) {
                CHECK(server.layer.failure().reason == HandshakeFailure::rate);
            }
        }
        CHECK(admitted >= 3);
        CHECK(admitted < 10);
    }
}

TEST_CASE("the gate's rate holds one second's worth and fills with time") {
    HandshakeGate gate;
    gate.set_limits(0, 10);
    const auto start = HandshakeGate::Clock::now();
    const auto admitted = [&](std::chrono::milliseconds after) {
        int count = 0;
        while (!gate.enter(start + after)) {
            ++count;
        }
        return count;
    };
    CHECK(admitted(std::chrono::milliseconds{0}) == 10);
    CHECK(admitted(std::chrono::milliseconds{500}) == 5);
    CHECK(admitted(std::chrono::seconds{100}) == 10);
}

TEST_CASE("old versions and old ciphers are refused with the alert that says so") {
    World world;
    const TlsContextPtr context = world.context();
    SUBCASE("TLS 1.1") {
        TlsClient client{[](SSL_CTX*, SSL* ssl) {
            SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0");
            SSL_set_min_proto_version(ssl, TLS1_VERSION);
            SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
        }};
        TlsServer server{context};
        talk(client, server);
        CHECK(server.layer.failure().reason == HandshakeFailure::version);
        CHECK(client.alert == SSL_AD_PROTOCOL_VERSION);
    }
    SUBCASE("a cipher without forward secrecy") {
        TlsClient client{[](SSL_CTX*, SSL* ssl) {
            SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
            SSL_set_cipher_list(ssl, "AES128-SHA");
        }};
        TlsServer server{context};
        talk(client, server);
        CHECK(server.layer.failure().reason == HandshakeFailure::cipher);
        CHECK(client.alert == SSL_AD_HANDSHAKE_FAILURE);
    }
    SUBCASE("a version that the listener does not have") {
        world.settings.versions = TlsSettings::Versions::tls_1_3;
        TlsClient client{with_version(TLS1_2_VERSION)};
        TlsServer server{world.context()};
        talk(client, server);
        CHECK(client.alert == SSL_AD_PROTOCOL_VERSION);
    }
}

TEST_CASE("renegotiation is refused, the connection lives on") {
    World world;
    TlsClient client{with_version(TLS1_2_VERSION)};
    TlsServer server{world.context()};
    talk(client, server);
    REQUIRE(server.status == Status::open);
    SSL_renegotiate(client.ssl());
    client.shake();
    server.receive(client.take_output());
    CHECK(server.status == Status::open);
    CHECK_FALSE(server.down.empty());  // the warning no_renegotiation (RFC 5246, 7.2.2)
    CHECK(server.up.empty());
}

TEST_CASE("a client's certificate is verified and becomes its identity") {
    World world;
    world.verify_clients();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        const auto issued = world.authority.issue({.common_names = {"meter-7"}});
        TlsClient client{[&](SSL_CTX* context, SSL* ssl) {
            with_certificate(issued)(context, ssl);
            with_version(version)(context, ssl);
        }};
        TlsServer server{world.context()};
        talk(client, server);
        REQUIRE(server.status == Status::open);
        REQUIRE(identity_of(server) != nullptr);
        CHECK(identity_of(server)->common_name == "meter-7");
    }
}

TEST_CASE("certificates that prove nothing are refused, each with its own alert") {
    World world;
    world.verify_clients();
    TestAuthority stranger{"Stranger"};
    const auto revoked = world.authority.issue({.common_names = {"revoked"}});
    const auto expired = world.authority.issue({.valid_from_days = -9, .valid_until_days = -2});
    const auto unknown = stranger.issue({});
    const auto good = world.authority.issue({});
    world.settings.crl_file = world.folder.write(
        "crl.pem", world.authority.revocation_list_pem({revoked.certificate.get()}));
    const TlsContextPtr context = world.context();
    struct Row {
        const IssuedCertificate* shown;
        HandshakeFailure reason;
        int alert;
        std::string text;
    };
    const Row rows[] = {
        {&revoked, HandshakeFailure::bad_certificate, SSL_AD_CERTIFICATE_REVOKED,
         "certificate revoked"},
        {&expired, HandshakeFailure::bad_certificate, SSL_AD_CERTIFICATE_EXPIRED,
         "certificate has expired"},
        {&unknown, HandshakeFailure::bad_certificate, SSL_AD_UNKNOWN_CA,
         "unable to get local issuer certificate"},
        {nullptr, HandshakeFailure::no_certificate, SSL_AD_CERTIFICATE_REQUIRED,
         "peer did not return a certificate"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        TlsClient client{row.shown ? with_certificate(*row.shown) : TlsClient::Prepare{}};
        TlsServer server{context};
        talk(client, server);
        client.read();
        CHECK(server.status == Status::failed);
        CHECK(server.layer.failure().reason == row.reason);
        CHECK(server.layer.failure().text == row.text);
        CHECK(client.alert == row.alert);
        CHECK(identity_of(server) == nullptr);
    }
    TlsClient client{with_certificate(good)};
    TlsServer server{context};
    talk(client, server);
    CHECK(server.status == Status::open);
}

TEST_CASE("without fail_if_no_peer_cert a client may come without one, not with a wrong one") {
    World world;
    world.verify_clients();
    world.settings.requires_certificate = false;
    TlsClient without;
    TlsServer server{world.context()};
    talk(without, server);
    CHECK(server.status == Status::open);
    CHECK(identity_of(server) == nullptr);
    TestAuthority stranger;
    const auto unknown = stranger.issue({});
    TlsClient wrong{with_certificate(unknown)};
    TlsServer other{world.context()};
    talk(wrong, other);
    CHECK(other.status == Status::failed);
}

TEST_CASE("a pre-shared key proves its identity") {
    World world;
    world.settings.psk_file = world.folder.write("psk", "meter-7:0011223344\ngate:55\n");
    SUBCASE("beside a certificate") {}
    SUBCASE("without any certificate") {
        world.settings.certificate = {};
    }
    const TlsContextPtr context = world.context();
    const std::string key{"\x00\x11\x22\x33\x44", 5};
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        {
            TlsClient client{with_psk("meter-7", key, version)};
            TlsServer server{context};
            talk(client, server);
            REQUIRE(server.status == Status::open);
            REQUIRE(identity_of(server) != nullptr);
            CHECK(identity_of(server)->psk_identity == "meter-7");
            CHECK(identity_of(server)->common_name.empty());
        }
        {
            TlsClient client{with_psk("meter-7", "wrong", version)};
            TlsServer server{context};
            talk(client, server);
            CHECK(server.status == Status::failed);
            CHECK(server.layer.failure().reason == HandshakeFailure::unknown_identity);
            CHECK(server.layer.failure().text == "wrong pre-shared key");
        }
    }
    int alerts[2];
    int i = 0;
    for (const std::string identity : {"meter-7", "nobody"}) {
        TlsClient client{with_psk(identity, "wrong", TLS1_2_VERSION)};
        TlsServer server{context};
        talk(client, server);
        CHECK(server.status == Status::failed);
        CHECK(server.layer.failure().reason == HandshakeFailure::unknown_identity);
        alerts[i++] = client.alert;
    }
    CHECK(alerts[0] == alerts[1]);  // nobody learns which identities there are
}

TEST_CASE("an identity that was named and not used proves nothing") {
    World world;
    world.settings.psk_file = world.folder.write("psk", "meter-7:0011\n");
    // The key is good for SHA-256 only; with no cipher of that kind the certificate is used.
    psk_identity = "meter-7";
    psk_key = "wrong";
    TlsClient client{[](SSL_CTX*, SSL* ssl) {
        SSL_set_psk_client_callback(ssl, give_psk);
        SSL_set_ciphersuites(ssl, "TLS_AES_256_GCM_SHA384");
    }};
    TlsServer server{world.context()};
    talk(client, server);
    if (server.status == Status::open) {
        CHECK(identity_of(server) == nullptr);
    } else {
        CHECK(server.status == Status::failed);
    }
}

TEST_CASE("the certificate is chosen by the name that the client asks for") {
    World world;
    for (const std::string name : {"a.example", "*.b.example"}) {
        const auto issued = world.authority.issue({.common_names = {name},
                                                   .alternative_names = "DNS:" + name,
                                                   .uses_rsa = name[0] == '*'});
        world.settings.named_certificates.push_back(
            {world.folder.write(name.substr(2) + ".pem", issued.certificate_pem()),
             world.folder.write(name.substr(2) + ".key", issued.key_pem())});
    }
    const TlsContextPtr context = world.context();
    const std::pair<const char*, std::string> rows[] = {
        {"a.example", "CN=a.example"},     {"A.Example", "CN=a.example"},
        {"x.b.example", "CN=*.b.example"}, {"x.y.b.example", "CN=broker"},
        {"other.example", "CN=broker"},    {nullptr, "CN=broker"},
    };
    for (const auto& [name, subject] : rows) {
        CAPTURE(subject);
        TlsClient client{[&](SSL_CTX*, SSL* ssl) {
            if (name != nullptr) {
                SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         const_cast<char*>(name));
            }
        }};
        TlsServer server{context};
        talk(client, server);
        REQUIRE(server.status == Status::open);
        CHECK(subject_of(*SSL_get0_peer_certificate(client.ssl())) == subject);
    }
}

TEST_CASE("of the application protocols offered ours is chosen; others by key") {
    World world;
    world.settings.alpn = {"mqtt"};
    const auto offer = [](std::string list) {
        return [list](SSL_CTX*, SSL* ssl) {
            SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                                static_cast<unsigned>(list.size()));
        };
    };
    const auto chosen = [](TlsClient& client) {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(client.ssl(), &name, &size);
        return std::string{reinterpret_cast<const char*>(name), size};
    };
    {
        TlsClient client{offer("\x08http/1.1\x04mqtt")};
        TlsServer server{world.context()};
        talk(client, server);
        CHECK(server.status == Status::open);
        CHECK(chosen(client) == "mqtt");
    }
    {
        TlsClient client{offer("\x02h2")};
        TlsServer server{world.context()};
        talk(client, server);
        CHECK(server.status == Status::open);
        CHECK(chosen(client).empty());
    }
    world.settings.alpn_mismatch = TlsSettings::AlpnMismatch::refuse;
    {
        TlsClient client{offer("\x02h2")};
        TlsServer server{world.context()};
        talk(client, server);
        CHECK(server.layer.failure().reason == HandshakeFailure::no_application);
        CHECK(client.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
    }
    {
        TlsClient client;
        TlsServer server{world.context()};
        talk(client, server);
        CHECK(server.status == Status::open);
    }
}
