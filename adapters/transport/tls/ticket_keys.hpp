#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

namespace gw::transport {

/// One generation of keys for session tickets (RFC 5077, 4).
struct TicketKey {
    std::array<std::uint8_t, 16> name;
    std::array<std::uint8_t, 32> cipher;
    std::array<std::uint8_t, 32> mac;
};

/// The ticket keys of one listener: made from random bytes, replaced by time, good for one
/// generation more, forgotten then, never stored. They outlive a reload. Any thread.
class TicketKeys {
public:
    using Clock = std::chrono::steady_clock;

    /// How long tickets are made with one key.
    static constexpr std::chrono::hours generation{4};

    explicit TicketKeys(std::function<Clock::time_point()> now = Clock::now);
    ~TicketKeys();
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;

    /// The key for new tickets.
    TicketKey current();
    /// The key that made a ticket, while it is still good.
    std::optional<TicketKey> find(const std::uint8_t* name);
    /// Whether new tickets are still made with it.
    bool is_current(const TicketKey& key);

private:
    void rotate();

    const std::function<Clock::time_point()> now_;
    std::mutex mutex_;  // guards the rest
    TicketKey current_;
    std::optional<TicketKey> previous_;
    Clock::time_point made_at_;
};

}  // namespace gw::transport
