#include "adapters/transport/tls/ticket_keys.hpp"

#include "broker-core/base/assert.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>
#include <utility>

namespace gw::transport {

namespace {

TicketKey random_key() {
    TicketKey key;
    const auto fill = [](auto& bytes) {
        // Without randomness no TLS is possible at all.
        GW_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    };
    fill(key.name);
    fill(key.cipher);
    fill(key.mac);
    return key;
}

bool has_name(const TicketKey& key, const std::uint8_t* name) {
    return std::memcmp(key.name.data(), name, key.name.size()) == 0;
}

}  // namespace

TicketKeys::TicketKeys(std::function<Clock::time_point()> now)
    : now_(std::move(now)), current_(random_key()), made_at_(now_()) {}

TicketKeys::~TicketKeys() {
    OPENSSL_cleanse(&current_, sizeof current_);
    if (previous_) {
        OPENSSL_cleanse(&*previous_, sizeof *previous_);
    }
}

void TicketKeys::rotate() {
    const auto age = now_() - made_at_;
    if (age < generation) {
        return;
    }
    if (age < 2 * generation) {
        previous_ = current_;
    } else {
        previous_.reset();
    }
    current_ = random_key();
    made_at_ = now_();
}

TicketKey TicketKeys::current() {
    const std::lock_guard lock{mutex_};
    rotate();
    return current_;
}

bool TicketKeys::is_current(const TicketKey& key) {
    const std::lock_guard lock{mutex_};
    rotate();
    return has_name(current_, key.name.data());
}

std::optional<TicketKey> TicketKeys::find(const std::uint8_t* name) {
    const std::lock_guard lock{mutex_};
    rotate();
    if (has_name(current_, name)) {
        return current_;
    }
    if (previous_ && has_name(*previous_, name)) {
        return previous_;
    }
    return std::nullopt;
}

}  // namespace gw::transport
