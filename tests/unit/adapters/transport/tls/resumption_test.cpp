#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/transport/tls/tls_bench.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace gw;
using namespace gw::transport;
using namespace gw::test;
using Status = StreamLayer::Status;

namespace {

struct Listener {
    Listener() {
        const IssuedCertificate server = authority.issue({.common_names = {"broker"}});
        settings.certificate = {folder.write("cert.pem", server.certificate_pem()),
                                folder.write("key.pem", server.key_pem())};
        settings.ca_file = folder.write("ca.pem", authority.certificate_pem());
        settings.verify = TlsSettings::Verify::peer;
    }

    /// One connection; gives the session for the next. `resumed` says whether it was one.
    SessionPtr connect(int version, SSL_SESSION* session = nullptr) {
        auto context = TlsContext::make(settings, tickets);
        REQUIRE(context);
        TlsClient client{[&](SSL_CTX*, SSL* ssl) {
            SSL_set_min_proto_version(ssl, version);
            SSL_set_max_proto_version(ssl, version);
            SSL_use_certificate(ssl, shown.certificate.get());
            SSL_use_PrivateKey(ssl, shown.key.get());
            if (session != nullptr) {
                SSL_set_session(ssl, session);
            }
        }};
        TlsServer server{*context};
        talk(client, server);
        client.read();  // the tickets
        status = server.status;
        resumed = SSL_session_reused(client.ssl()) == 1;
        PeerInfo peer;
        server.layer.describe(peer);
        name = peer.identity ? peer.identity->common_name : "";
        return client.session();
    }

    TempFolder folder;
    TestAuthority authority;
    TlsSettings settings;
    IssuedCertificate shown = authority.issue({.common_names = {"meter-7"}});
    TicketKeys::Clock::time_point now = TicketKeys::Clock::now();
    std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>([this] { return now; });
    Status status = Status::opening;
    bool resumed = false;
    std::string name;
};

}  // namespace

TEST_CASE("a session is resumed with the identity that was proven") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        Listener listener;
        const SessionPtr session = listener.connect(version);
        CHECK_FALSE(listener.resumed);
        CHECK(listener.name == "meter-7");
        // Each connection has a context of its own here, as after a reload.
        listener.connect(version, session.get());
        CHECK(listener.status == Status::open);
        CHECK(listener.resumed);
        CHECK(listener.name == "meter-7");
    }
}

TEST_CASE("who resumed gets a ticket for the next time, for TLS 1.3 wants each used once") {
    Listener listener;
    SessionPtr session = listener.connect(TLS1_3_VERSION);
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        session = listener.connect(TLS1_3_VERSION, session.get());
        CHECK(listener.resumed);
        CHECK(listener.name == "meter-7");
    }
}

TEST_CASE("a session does not outlive the rules that it began under") {
    int version = 0;
    SUBCASE("TLS 1.2") {
        version = TLS1_2_VERSION;
    }
    SUBCASE("TLS 1.3") {
        version = TLS1_3_VERSION;
    }
    Listener listener;
    const SessionPtr session = listener.connect(version);
    SUBCASE("its certificate is revoked") {
        listener.settings.crl_file = listener.folder.write(
            "crl.pem", listener.authority.revocation_list_pem({listener.shown.certificate.get()}));
        listener.connect(version, session.get());
        CHECK(listener.status == Status::failed);
    }
    SUBCASE("its authority is not trusted any more") {
        TestAuthority another;
        listener.settings.ca_file = listener.folder.write("ca.pem", another.certificate_pem());
        listener.connect(version, session.get());
        CHECK(listener.status == Status::failed);
    }
    SUBCASE("a listener without certificates gave it") {
        Listener open;
        open.tickets = listener.tickets;
        open.settings.verify = TlsSettings::Verify::none;
        const SessionPtr bare = open.connect(version);
        CHECK(open.status == Status::open);
        listener.connect(version, bare.get());
        CHECK_FALSE(listener.resumed);
        CHECK(listener.name == "meter-7");
    }
}

TEST_CASE("ticket keys change with time, and old ones are forgotten") {
    Listener listener;
    const SessionPtr session = listener.connect(TLS1_3_VERSION);
    SUBCASE("the generation before is still good") {
        listener.now += TicketKeys::generation + std::chrono::minutes{1};
        listener.connect(TLS1_3_VERSION, session.get());
        CHECK(listener.resumed);
    }
    SUBCASE("the one before that is not") {
        listener.now += 2 * TicketKeys::generation + std::chrono::minutes{1};
        listener.connect(TLS1_3_VERSION, session.get());
        CHECK_FALSE(listener.resumed);
        CHECK(listener.status == Status::open);
    }
}

TEST_CASE("without reuse_sessions there are no tickets") {
    Listener listener;
    listener.settings.resumes_sessions = false;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        const SessionPtr session = listener.connect(version);
        listener.connect(version, session.get());
        CHECK_FALSE(listener.resumed);
        CHECK(listener.status == Status::open);
    }
}
