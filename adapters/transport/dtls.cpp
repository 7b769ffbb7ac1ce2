#include "adapters/transport/dtls.hpp"

#include "adapters/transport/tls/certificate.hpp"
#include "adapters/transport/tls/openssl.hpp"
#include "broker-core/base/hash.hpp"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <sys/time.h>
#include <utility>

namespace gw::transport {

namespace {

/// With forward secrecy first; the short tag of CCM_8 is what small devices often have alone.
constexpr const char* default_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:ECDHE-PSK-CHACHA20-POLY1305:"
    "PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:PSK-CHACHA20-POLY1305:PSK-AES256-CCM:"
    "PSK-AES128-CCM:PSK-AES128-CCM8:PSK-AES256-CCM8";

TransportIdentityPtr proven_identity(SSL* ssl) {
    if (const char* const name = SSL_get_psk_identity(ssl)) {
        return identity_of_psk(name);
    }
    const X509* const certificate = SSL_get0_peer_certificate(ssl);
    return certificate != nullptr ? identity_of(*certificate) : nullptr;
}

bool is_same(const TransportIdentityPtr& a, const TransportIdentityPtr& b) {
    if (!a || !b) {
        return a == b;
    }
    return a->psk_identity == b->psk_identity && a->fingerprint == b->fingerprint;
}

/// Whether a datagram begins a handshake anew: a handshake record of epoch 0 with a ClientHello.
bool is_client_hello(std::span<const std::uint8_t> datagram) {
    constexpr std::size_t record_header_bytes = 13;
    return datagram.size() > record_header_bytes && datagram[0] == SSL3_RT_HANDSHAKE &&
           datagram[3] == 0 && datagram[4] == 0 &&
           datagram[record_header_bytes] == SSL3_MT_CLIENT_HELLO;
}

}  // namespace

// ----------------------------------------------------------------------------------- context

struct DtlsContext::Handle {
    SSL_CTX* context = nullptr;
    std::array<unsigned char, 32> cookie_key{};

    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { SSL_CTX_free(context); }
};

/// What an association reads from and writes to: one datagram in, datagrams out.
struct DtlsPeers::Bio {
    DtlsPeers* owner = nullptr;
    DatagramPeer peer;
    std::span<const std::uint8_t> input;

    static const BIO_METHOD* method();
    static int read(BIO* bio, char* out, int size);
    static int write(BIO* bio, const char* bytes, int size);
    static long control(BIO* bio, int command, long number, void* pointer);
    static int cookie(SSL* ssl, unsigned char* out, unsigned* size);
    static int check_cookie(SSL* ssl, const unsigned char* cookie, unsigned size);
    static unsigned psk(SSL* ssl, const char* name, unsigned char* out, unsigned size_max);
};

struct DtlsPeers::Association : TimerNode {
    SslPtr ssl;
    Bio bio;
    TransportIdentityPtr identity;
    MonotonicTime started{};
    MonotonicTime last_used{};
    bool is_established = false;
    bool has_ended = false;
};

/// What is known of one address. While a peer shakes hands anew, the old association stays: a
/// ClientHello alone proves nothing (RFC 6347, 4.2.8).
struct DtlsPeers::Entry {
    std::unique_ptr<Association> present;
    std::unique_ptr<Association> next;
};

DtlsContext::DtlsContext(const DtlsOptions& options)
    : options_(options), handle_(std::make_unique<Handle>()) {}

DtlsContext::~DtlsContext() = default;

Result<std::shared_ptr<const DtlsContext>> DtlsContext::make(const DtlsOptions& options) {
    std::shared_ptr<DtlsContext> made{new DtlsContext{options}};
    if (auto loaded = made->load(); !loaded) {
        return std::move(loaded).error();
    }
    return std::shared_ptr<const DtlsContext>{std::move(made)};
}

std::uint64_t DtlsContext::hash_key() const {
    std::uint64_t key = 0;
    std::memcpy(&key, handle_->cookie_key.data(), sizeof key);
    return key;
}

Result<void> DtlsContext::load() {
    const auto refuse = [](const std::string& what) {
        return Error{Errc::invalid_argument, what + ": " + take_openssl_error()};
    };
    SSL_CTX* const context = SSL_CTX_new(DTLS_server_method());
    handle_->context = context;
    if (context == nullptr ||
        RAND_bytes(handle_->cookie_key.data(), static_cast<int>(handle_->cookie_key.size())) != 1) {
        return refuse("DTLS cannot be used");
    }
    SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_app_data(context, this);
    SSL_CTX_set_cookie_generate_cb(context, &DtlsPeers::Bio::cookie);
    SSL_CTX_set_cookie_verify_cb(context, &DtlsPeers::Bio::check_cookie);
    const char* const ciphers =
        options_.ciphers.empty() ? default_ciphers : options_.ciphers.c_str();
    if (SSL_CTX_set_cipher_list(context, ciphers) != 1) {
        return refuse("ciphers");
    }
    if (options_.psk) {
        SSL_CTX_set_psk_server_callback(context, &DtlsPeers::Bio::psk);
    }
    if (!options_.certificate_file.empty()) {
        if (SSL_CTX_use_certificate_chain_file(context, options_.certificate_file.c_str()) != 1) {
            return refuse(options_.certificate_file);
        }
        if (SSL_CTX_use_PrivateKey_file(context, options_.key_file.c_str(), SSL_FILETYPE_PEM) !=
                1 ||
            SSL_CTX_check_private_key(context) != 1) {
            return refuse(options_.key_file);
        }
    }
    if (!options_.ca_file.empty()) {
        if (SSL_CTX_load_verify_locations(context, options_.ca_file.c_str(), nullptr) != 1) {
            return refuse(options_.ca_file);
        }
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options_.ca_file.c_str()));
        SSL_CTX_set_verify(
            context,
            SSL_VERIFY_PEER | (options_.requires_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            nullptr);
    }
    return {};
}

// -------------------------------------------------------------------------------------- BIO

const BIO_METHOD* DtlsPeers::Bio::method() {
    static BIO_METHOD* const made = [] {
        BIO_METHOD* const fresh =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams of one peer");
        BIO_meth_set_read(fresh, &read);
        BIO_meth_set_write(fresh, &write);
        BIO_meth_set_ctrl(fresh, &control);
        return fresh;
    }();
    return made;
}

int DtlsPeers::Bio::read(BIO* bio, char* out, int size) {
    auto& self = *static_cast<Bio*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (self.input.empty()) {
        BIO_set_retry_read(bio);
        return -1;
    }
    // As a datagram socket: what does not fit is gone.
    const std::size_t count = std::min(self.input.size(), static_cast<std::size_t>(size));
    std::memcpy(out, self.input.data(), count);
    self.input = {};
    return static_cast<int>(count);
}

int DtlsPeers::Bio::write(BIO* bio, const char* bytes, int size) {
    auto& self = *static_cast<Bio*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    self.owner->sink_.send_raw(self.peer,
                               as_bytes({bytes, static_cast<std::size_t>(std::max(size, 0))}));
    return size;
}

long DtlsPeers::Bio::control(BIO* bio, int command, long, void*) {
    const auto& self = *static_cast<Bio*>(BIO_get_data(bio));
    switch (command) {
        case BIO_CTRL_FLUSH:
        case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
            return 1;
        case BIO_CTRL_DGRAM_QUERY_MTU:
        case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
            return self.owner->context_->options().mtu_bytes;
        case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
            return self.peer.ip.is_v4() ? 28 : 48;  // IP and UDP headers
        case BIO_CTRL_PENDING:
            return static_cast<long>(self.input.size());
        default:
            return 0;
    }
}

int DtlsPeers::Bio::cookie(SSL* ssl, unsigned char* out, unsigned* size) {
    const auto& self = *static_cast<const Bio*>(SSL_get_app_data(ssl));
    const auto& key = self.owner->context_->handle_->cookie_key;
    std::array<std::uint8_t, 18> place{};
    std::copy(self.peer.ip.bytes.begin(), self.peer.ip.bytes.end(), place.begin());
    place[16] = static_cast<std::uint8_t>(self.peer.port >> 8);
    place[17] = static_cast<std::uint8_t>(self.peer.port);
    return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), place.data(), place.size(),
                out, size) != nullptr
               ? 1
               : 0;
}

int DtlsPeers::Bio::check_cookie(SSL* ssl, const unsigned char* cookie_bytes, unsigned size) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
    unsigned expected_size = 0;
    return cookie(ssl, expected.data(), &expected_size) == 1 && size == expected_size &&
                   CRYPTO_memcmp(expected.data(), cookie_bytes, size) == 0
               ? 1
               : 0;
}

unsigned DtlsPeers::Bio::psk(SSL* ssl, const char* name, unsigned char* out, unsigned size_max) {
    const auto& context =
        *static_cast<const DtlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const std::string key = name != nullptr ? context.options_.psk(name) : std::string{};
    if (key.empty() || key.size() > size_max) {
        return 0;
    }
    std::memcpy(out, key.data(), key.size());
    return static_cast<unsigned>(key.size());
}

// ------------------------------------------------------------------------------- associations

std::size_t DtlsPeers::KeyHash::operator()(const Key& place) const {
    std::array<char, 18> text{};
    std::memcpy(text.data(), place.ip.bytes.data(), 16);
    std::memcpy(text.data() + 16, &place.port, 2);
    return hash_text({text.data(), text.size()}, key);
}

DtlsPeers::DtlsPeers(std::shared_ptr<const DtlsContext> context, Sink& sink, MonotonicTime start)
    : context_(std::move(context)),
      sink_(sink),
      now_(start),
      timers_(start),
      peers_(16, KeyHash{context_->hash_key()}) {}

DtlsPeers::~DtlsPeers() {
    for (const auto& [key, entry] : peers_) {
        for (const auto& association : {entry->present.get(), entry->next.get()}) {
            if (association != nullptr) {
                timers_.cancel(*association);
            }
        }
    }
}

std::unique_ptr<DtlsPeers::Association> DtlsPeers::make_association() {
    auto made = std::make_unique<Association>();
    made->bio.owner = this;
    made->ssl.reset(SSL_new(context_->handle_->context));
    BIO* const bio = BIO_new(Bio::method());
    if (!made->ssl || bio == nullptr) {
        BIO_free(bio);
        return nullptr;
    }
    BIO_set_data(bio, &made->bio);
    BIO_set_init(bio, 1);
    SSL* const ssl = made->ssl.get();
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, &made->bio);
    SSL_set_accept_state(ssl);
    DTLS_set_link_mtu(ssl, context_->options().mtu_bytes);
    return made;
}

void DtlsPeers::on_datagram(const DatagramPeer& peer, std::span<std::uint8_t> datagram) {
    const Key key{peer.ip, peer.port};
    const auto found = peers_.find(key);
    if (found == peers_.end()) {
        listen(peer, datagram);
        return;
    }
    Entry& entry = *found->second;
    const bool is_established = entry.present && entry.present->is_established;
    if (is_established && !entry.next && is_client_hello(datagram)) {
        listen(peer, datagram);
        return;
    }
    // Records that are not an association's own fail its check and are dropped by it.
    if (entry.next) {
        entry.next->bio.peer = peer;
        feed(*entry.next, datagram);
    }
    if (entry.present) {
        entry.present->bio.peer = peer;
        feed(*entry.present, datagram);
    }
    if (entry.next && entry.next->is_established) {
        const bool is_other = !is_same(entry.present->identity, entry.next->identity);
        timers_.cancel(*entry.present);
        entry.present = std::move(entry.next);
        if (is_other) {
            sink_.on_association_ended(peer);
        }
    }
    if (entry.next && entry.next->has_ended) {
        drop_next(entry);
    }
    if (entry.present->has_ended) {
        end(key);
    }
}

void DtlsPeers::drop_next(Entry& entry) {
    timers_.cancel(*entry.next);
    entry.next.reset();
}

/// Answers a ClientHello without keeping anything, or takes a peer in that has returned its cookie.
void DtlsPeers::listen(const DatagramPeer& peer, std::span<std::uint8_t> datagram) {
    if (!listening_) {
        listening_ = make_association();
        if (!listening_) {
            return;
        }
    }
    Association& candidate = *listening_;
    candidate.bio.peer = peer;
    candidate.bio.input = datagram;
    ERR_clear_error();
    BIO_ADDR* const nobody = BIO_ADDR_new();
    const int verdict = DTLSv1_listen(candidate.ssl.get(), nobody);
    BIO_ADDR_free(nobody);
    candidate.bio.input = {};
    if (verdict < 0) {
        listening_.reset();  // not usable any more
        return;
    }
    if (verdict == 0) {
        return;
    }
    if (peers_.size() >= context_->options().association_count_max) {
        ++counters_.refused;
        listening_.reset();
        return;
    }
    auto& entry = peers_[Key{peer.ip, peer.port}];
    if (!entry) {
        entry = std::make_unique<Entry>();
    }
    auto& place = entry->present ? entry->next : entry->present;
    place = std::move(listening_);
    place->started = place->last_used = now_;
    advance(*place);
    schedule(*place);
}

void DtlsPeers::feed(Association& association, std::span<std::uint8_t> datagram) {
    if (association.has_ended) {
        return;
    }
    association.bio.input = datagram;
    advance(association);
    association.bio.input = {};
    schedule(association);
}

/// Goes on with the handshake, then reads what was sent.
void DtlsPeers::advance(Association& association) {
    SSL* const ssl = association.ssl.get();
    ERR_clear_error();
    if (!association.is_established) {
        const int done = SSL_do_handshake(ssl);
        if (done != 1) {
            const int error = SSL_get_error(ssl, done);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                association.has_ended = true;
                ++counters_.handshakes_failed;
            }
            return;
        }
        complete(association);
    }
    std::array<std::uint8_t, SSL3_RT_MAX_PLAIN_LENGTH> plain;
    while (!association.has_ended) {
        const int count = SSL_read(ssl, plain.data(), static_cast<int>(plain.size()));
        if (count <= 0) {
            const int error = SSL_get_error(ssl, count);
            association.has_ended = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
            return;
        }
        association.last_used = now_;
        sink_.on_plain(association.bio.peer, association.identity,
                       {plain.data(), static_cast<std::size_t>(count)});
    }
}

void DtlsPeers::complete(Association& association) {
    association.is_established = true;
    association.identity = proven_identity(association.ssl.get());
    association.last_used = now_;
    ++counters_.handshakes_completed;
}

bool DtlsPeers::send(const DatagramPeer& to, Bytes datagram) {
    const auto found = peers_.find(Key{to.ip, to.port});
    if (found == peers_.end() || !found->second->present->is_established) {
        return false;
    }
    Association& association = *found->second->present;
    if (association.has_ended) {
        return false;
    }
    ERR_clear_error();
    return SSL_write(association.ssl.get(), datagram.data(), static_cast<int>(datagram.size())) > 0;
}

void DtlsPeers::close(const DatagramPeer& peer) {
    const auto found = peers_.find(Key{peer.ip, peer.port});
    if (found != peers_.end() && found->second->present->is_established) {
        ERR_clear_error();
        SSL_shutdown(found->second->present->ssl.get());
        ended_.push_back(found->first);
    }
}

void DtlsPeers::close_all() {
    for (const auto& [key, entry] : peers_) {
        if (entry->present->is_established) {
            ERR_clear_error();
            SSL_shutdown(entry->present->ssl.get());
        }
    }
}

void DtlsPeers::end(const Key& key) {
    const auto found = peers_.find(key);
    if (found == peers_.end()) {
        return;
    }
    const std::unique_ptr<Entry> entry = std::move(found->second);
    peers_.erase(found);
    timers_.cancel(*entry->present);
    if (entry->next) {
        timers_.cancel(*entry->next);
    }
    if (entry->present->is_established) {
        sink_.on_association_ended(entry->present->bio.peer);
    }
}

// -------------------------------------------------------------------------------------- time

void DtlsPeers::schedule(Association& association) {
    if (association.has_ended) {
        return;
    }
    if (association.is_established) {
        if (!association.is_scheduled() || association.deadline < now_) {
            timers_.schedule(association, now_ + context_->options().idle_timeout);
        }
        return;
    }
    MonotonicTime deadline = association.started + context_->options().handshake_timeout;
    timeval left{};
    if (DTLSv1_get_timeout(association.ssl.get(), &left) == 1) {
        deadline =
            std::min(deadline, now_ + Milliseconds{left.tv_sec * 1000 + left.tv_usec / 1000 + 1});
    }
    timers_.schedule(association, deadline);
}

void DtlsPeers::on_deadline() {
    for (const Key& key : std::exchange(ended_, {})) {
        end(key);
    }
    while (TimerNode* const node = timers_.pop_expired(now_)) {
        auto& association = static_cast<Association&>(*node);
        const DtlsOptions& options = context_->options();
        if (association.is_established) {
            const MonotonicTime idle_at = association.last_used + options.idle_timeout;
            if (sink_.is_bound(association.bio.peer)) {
                timers_.schedule(association, now_ + options.idle_timeout);
                continue;
            }
            if (idle_at > now_) {
                timers_.schedule(association, idle_at);
                continue;
            }
            ERR_clear_error();
            SSL_shutdown(association.ssl.get());
        } else if (association.started + options.handshake_timeout > now_) {
            ERR_clear_error();
            if (DTLSv1_handle_timeout(association.ssl.get()) >= 0) {
                schedule(association);
                continue;
            }
            ++counters_.handshakes_failed;
        } else {
            ++counters_.handshakes_failed;
        }
        const Key key{association.bio.peer.ip, association.bio.peer.port};
        const auto found = peers_.find(key);
        GW_ASSERT(found != peers_.end());
        if (found->second->next.get() == &association) {
            found->second->next.reset();
        } else {
            end(key);
        }
    }
}

}  // namespace gw::transport
