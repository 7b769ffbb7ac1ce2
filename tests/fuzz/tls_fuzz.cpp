// What strangers and files can make the TLS code of our own read, chosen by the first byte: bytes
// of a connection, certificates, files of pre-shared keys. Properties:
//   1. a connection comes to the same end however its bytes are cut, and nothing gets up before
//      the handshake is done;
//   2. names of a certificate are UTF-8 without U+0000;
//   3. a key that is found has 1 to 256 bytes;
// and the sanitizers see to it that no byte outside the input is touched.
#include "adapters/transport/tls/certificate.hpp"
#include "adapters/transport/tls/psk_file.hpp"
#include "adapters/transport/tls/tls_layer.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/base/utf8.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/support/test_pki.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

namespace {

using namespace gw;
using namespace gw::transport;
using Status = StreamLayer::Status;

/// A listener with a certificate, which asks clients for theirs, and a pre-shared key.
const TlsContextPtr& listener() {
    static const TlsContextPtr made = [] {
        const test::TempFolder folder;
        const auto write = [&](const char* name, const std::string& text) {
            const std::string path = (folder.path() / name).string();
            std::ofstream{path} << text;
            return path;
        };
        test::TestAuthority authority;
        const auto own = authority.issue({.common_names = {"localhost"}});
        TlsSettings settings;
        settings.certificate = {write("own.pem", own.certificate_pem()),
                                write("own.key", own.key_pem())};
        settings.ca_file = write("ca.pem", authority.certificate_pem());
        settings.verify = TlsSettings::Verify::peer;
        settings.requires_certificate = false;
        settings.psk_file = write("psk", "device:00112233\n");
        settings.alpn = {"mqtt"};
        auto context = TlsContext::make(settings, std::make_shared<TicketKeys>());
        GW_ASSERT(context.has_value());
        return std::move(*context);
    }();
    return made;
}

struct End {
    Status status = Status::opening;
    HandshakeFailure reason = HandshakeFailure::other;
};

End run(Bytes bytes, std::size_t piece) {
    TlsLayer layer{listener(), std::make_shared<HandshakeGate>()};
    End end;
    ByteBuffer up;
    ByteBuffer down;
    while (!bytes.empty() && (end.status == Status::opening || end.status == Status::open)) {
        const Bytes next = bytes.first(std::min(piece, bytes.size()));
        bytes = bytes.subspan(next.size());
        end.status = layer.on_received(next, up, down);
        GW_ASSERT(end.status != Status::opening || up.empty());
        down.clear();
    }
    if (end.status == Status::failed || end.status == Status::ended) {
        end.reason = layer.failure().reason;
    }
    if (end.status != Status::opening && end.status != Status::failed) {
        layer.on_close(down);
    }
    return end;
}

void check_connection(Bytes bytes) {
    if (bytes.empty()) {
        return;
    }
    const std::size_t piece = 1 + bytes[0];
    bytes = bytes.subspan(1);
    const End whole = run(bytes, bytes.size() + 1);
    const End cut = run(bytes, piece);
    GW_ASSERT(whole.status == cut.status && whole.reason == cut.reason);
}

void check_name(const std::string& name) {
    GW_ASSERT(is_valid_utf8(as_bytes(name)));
    GW_ASSERT(name.find('\0') == std::string::npos);
}

void check_certificate(Bytes bytes) {
    const unsigned char* at = bytes.data();
    const X509Ptr certificate{d2i_X509(nullptr, &at, static_cast<long>(bytes.size()))};
    ERR_clear_error();
    if (!certificate) {
        return;
    }
    const TransportIdentityPtr identity = identity_of(*certificate);
    check_name(identity->common_name);
    check_name(identity->subject);
    for (const std::string& name : identity->alternative_names) {
        check_name(name);
    }
    static_cast<void>(expiry_of(*certificate));
    ERR_clear_error();
}

void check_keys(std::string_view text) {
    const auto table = PskTable::parse(text);
    if (!table) {
        return;
    }
    const std::string_view name = text.substr(0, text.find(':'));
    const std::string_view key = (*table)->find(name);
    GW_ASSERT(key.size() <= PskTable::key_bytes_max);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Bytes rest{data + 1, size - 1};
    switch (data[0] % 3) {
        case 0:
            check_connection(rest);
            break;
        case 1:
            check_certificate(rest);
            break;
        default:
            check_keys(as_text(rest));
            break;
    }
    return 0;
}
