#pragma once

#include "broker-core/message/identity.hpp"
#include "broker-core/router/route_types.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace gw {

/// One subscription as the router keeps it.
struct Subscriber {
    SessionRef session;
    SubscriptionOptions options;
    std::uint32_t position = 0;  // of its handle in the session's SubscriptionList
};
static_assert(sizeof(Subscriber) == 16);

/// The sessions subscribed to one filter, each at most once. 16 bytes while there is one; beyond
/// that a list, and from 17 on a hash table, so that adding and removing cost the same at a million
/// subscribers. The order of for_each() depends only on the calls made. Not thread-safe.
class SubscriberSet {
public:
    SubscriberSet() { one_.position = mark_empty; }
    SubscriberSet(SubscriberSet&& other) noexcept : one_(other.one_) {
        other.one_.position = mark_empty;
    }
    SubscriberSet& operator=(SubscriberSet&&) = delete;
    ~SubscriberSet();

    /// The session's entry or null; valid until the next add() or remove().
    Subscriber* find(SessionRef session);
    /// Adds an entry; its session must not have one. Positions are below 2^32 - 2.
    void add(const Subscriber& subscriber);
    /// Removes the session's entry; it must be there.
    void remove(SessionRef session);

    std::size_t size() const;
    bool empty() const { return one_.position == mark_empty; }

    /// Calls `visit(const Subscriber&)` for each.
    template <class Visitor>
    void for_each(Visitor&& visit) const {
        if (!is_many()) {
            if (!empty()) {
                visit(one_);
            }
            return;
        }
        const Many* many = many_of();
        const std::uint32_t slots = many->is_hashed() ? many->capacity : many->count;
        for (std::uint32_t i = 0; i < slots; ++i) {
            if (many->slots()[i].position != mark_empty) {
                visit(many->slots()[i]);
            }
        }
    }

private:
    static constexpr std::uint32_t mark_empty = 0xffffffff;
    static constexpr std::uint32_t mark_many = 0xfffffffe;
    static constexpr std::uint32_t listed_max = 16;

    /// Two to 16 entries in a row, or a table with linear probing whose empty slots are marked.
    struct Many {
        std::uint32_t count;
        std::uint32_t capacity;
        std::uint64_t unused;

        bool is_hashed() const { return capacity > listed_max; }
        Subscriber* slots() { return reinterpret_cast<Subscriber*>(this + 1); }
        const Subscriber* slots() const { return reinterpret_cast<const Subscriber*>(this + 1); }
    };

    bool is_many() const { return one_.position == mark_many; }
    Many* many_of() const { return std::bit_cast<Many*>(one_.session); }
    void set_many(Many* many) {
        one_.session = std::bit_cast<SessionRef>(many);
        one_.position = mark_many;
    }

    static Many* create(std::uint32_t capacity);
    static std::uint32_t home(const Many& many, SessionRef session);
    static void insert(Many& many, const Subscriber& subscriber);
    void rebuild(std::uint32_t capacity);
    static void erase_hashed(Many& many, std::uint32_t hole);

    /// The only subscriber; or, marked by `position`, nothing; or with the address of a Many where
    /// the session would be.
    Subscriber one_;
};
static_assert(sizeof(SubscriberSet) == 16 && sizeof(void*) == sizeof(SessionRef));

}  // namespace gw
