#include "broker-core/router/subscriber_set.hpp"

#include "broker-core/base/assert.hpp"

#include <cstdlib>
#include <new>

namespace gw {

SubscriberSet::~SubscriberSet() {
    if (is_many()) {
        std::free(many_of());
    }
}

std::size_t SubscriberSet::size() const {
    if (is_many()) {
        return many_of()->count;
    }
    return empty() ? 0 : 1;
}

Subscriber* SubscriberSet::find(SessionRef session) {
    if (!is_many()) {
        return !empty() && one_.session == session ? &one_ : nullptr;
    }
    Many& many = *many_of();
    if (!many.is_hashed()) {
        for (std::uint32_t i = 0; i < many.count; ++i) {
            if (many.slots()[i].session == session) {
                return &many.slots()[i];
            }
        }
        return nullptr;
    }
    const std::uint32_t mask = many.capacity - 1;
    for (std::uint32_t at = home(many, session);; at = (at + 1) & mask) {
        Subscriber& slot = many.slots()[at];
        if (slot.position == mark_empty) {
            return nullptr;
        }
        if (slot.session == session) {
            return &slot;
        }
    }
}

void SubscriberSet::add(const Subscriber& subscriber) {
    GW_ASSERT(subscriber.position < mark_many);
    if (empty()) {
        one_ = subscriber;
        return;
    }
    if (!is_many()) {
        Many* many = create(2);
        insert(*many, one_);
        set_many(many);
    }
    const Many& many = *many_of();
    const std::uint32_t room = many.is_hashed() ? many.capacity / 4 * 3 : many.capacity;
    if (many.count == room) {
        rebuild(many.capacity * 2);
    }
    insert(*many_of(), subscriber);
}

void SubscriberSet::remove(SessionRef session) {
    Subscriber* entry = find(session);
    GW_ASSERT(entry != nullptr);
    if (!is_many()) {
        one_.position = mark_empty;
        return;
    }
    Many& many = *many_of();
    if (many.is_hashed()) {
        erase_hashed(many, static_cast<std::uint32_t>(entry - many.slots()));
    } else {
        *entry = many.slots()[many.count - 1];
    }
    --many.count;
    if (many.count == 1) {
        Subscriber last;
        for_each([&last](const Subscriber& subscriber) { last = subscriber; });
        std::free(&many);
        one_ = last;
    } else if (many.count <= many.capacity / 8) {
        rebuild(many.capacity / 4);
    }
}

SubscriberSet::Many* SubscriberSet::create(std::uint32_t capacity) {
    GW_ASSERT(capacity != 0);  // 2^31 sessions: the process ran out of memory long before
    void* memory = std::malloc(sizeof(Many) + capacity * sizeof(Subscriber));
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    Many* many = new (memory) Many{.count = 0, .capacity = capacity, .unused = 0};
    for (std::uint32_t i = 0; i < capacity; ++i) {
        new (&many->slots()[i]) Subscriber{};
        many->slots()[i].position = mark_empty;
    }
    return many;
}

std::uint32_t SubscriberSet::home(const Many& many, SessionRef session) {
    // Sessions are numbered by us, nobody chooses them, so the hash needs no key; a fixed one keeps
    // a simulation repeatable.
    const std::uint64_t spread = (session.key() ^ session.key() >> 32) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::uint32_t>(spread >> 32) & (many.capacity - 1);
}

void SubscriberSet::insert(Many& many, const Subscriber& subscriber) {
    std::uint32_t at = many.count;
    if (many.is_hashed()) {
        at = home(many, subscriber.session);
        while (many.slots()[at].position != mark_empty) {
            at = (at + 1) & (many.capacity - 1);
        }
    }
    many.slots()[at] = subscriber;
    ++many.count;
}

void SubscriberSet::rebuild(std::uint32_t capacity) {
    Many* old = many_of();
    Many* many = create(capacity);
    for_each([many](const Subscriber& subscriber) { insert(*many, subscriber); });
    std::free(old);
    set_many(many);
}

void SubscriberSet::erase_hashed(Many& many, std::uint32_t hole) {
    // Moves later entries of the run up, so that no look-up meets a hole before its entry.
    const std::uint32_t mask = many.capacity - 1;
    for (std::uint32_t at = (hole + 1) & mask; many.slots()[at].position != mark_empty;
         at = (at + 1) & mask) {
        const std::uint32_t wanted = home(many, many.slots()[at].session);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            many.slots()[hole] = many.slots()[at];
            hole = at;
        }
    }
    many.slots()[hole].position = mark_empty;
}

}  // namespace gw
