#include "broker-core/session/exactly_once.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <tuple>

namespace gw {

namespace {

// The stored forms, from the lowest bit on: packet id, space, whether it is parked, fingerprint;
// and sequence, space. Both below 2^53, which is what readers of an export in JSON can keep.
constexpr unsigned space_shift = 16;
constexpr std::uint64_t space_mask = 3;
constexpr std::uint64_t parked_bit = 1ULL << 18;
constexpr unsigned fingerprint_shift = 19;
constexpr unsigned release_space_shift = 50;

/// The only one that there was when none was written.
constexpr PacketIdSpace first_space{1};

/// The same in every process: it is stored. Never 0.
std::uint32_t fingerprint_of(const InboundPublish& publish) {
    const std::uint64_t topic = stored_hash(publish.topic, publish.retain ? 1 : 2);
    const std::uint64_t all = stored_hash(publish.payload, topic);
    const auto folded = static_cast<std::uint32_t>(all ^ all >> 32);
    return folded != 0 ? folded : 1;
}

}  // namespace

std::uint64_t stored_release(std::uint64_t sequence, PacketIdSpace space) {
    return sequence | static_cast<std::uint64_t>(space) << release_space_shift;
}

// ------------------------------------------------------------------------------------- stored form

std::uint64_t Unreleased::to_stored() const {
    return static_cast<std::uint64_t>(fingerprint) << fingerprint_shift |
           (age == Age::parked ? parked_bit : 0) |
           static_cast<std::uint64_t>(space) << space_shift | packet_id;
}

Unreleased Unreleased::from_stored(std::uint64_t stored) {
    Unreleased one;
    one.fingerprint = static_cast<std::uint32_t>(stored >> fingerprint_shift);
    one.packet_id = static_cast<std::uint16_t>(stored);
    const std::uint64_t space = stored >> space_shift & space_mask;
    one.space = static_cast<PacketIdSpace>(space <= packet_id_space_max ? space : 0);
    one.age = (stored & parked_bit) != 0 ? Age::parked : Age::earlier;
    return one;
}

// --------------------------------------------------------------------------------------- the set

UnreleasedSet::Range UnreleasedSet::find(PacketIdSpace space, std::uint16_t packet_id) const {
    const auto is_before = [](const Unreleased& one,
                              const std::pair<PacketIdSpace, unsigned>& key) {
        return std::tuple{one.space, unsigned{one.packet_id}} < std::tuple{key.first, key.second};
    };
    const auto first = std::lower_bound(all_.begin(), all_.end(),
                                        std::pair{space, unsigned{packet_id}}, is_before);
    auto last = first;
    while (last != all_.end() && last->space == space && last->packet_id == packet_id) {
        ++last;
    }
    return {static_cast<std::size_t>(first - all_.begin()),
            static_cast<std::size_t>(last - all_.begin())};
}

void UnreleasedSet::set_age(Unreleased& one, Unreleased::Age age, const OnChange& on_change) {
    const std::uint64_t before = one.to_stored();
    current_count_ -= one.age == Unreleased::Age::current ? 1 : 0;
    one.age = age;
    current_count_ += one.age == Unreleased::Age::current ? 1 : 0;
    if (const std::uint64_t after = one.to_stored(); after != before) {
        on_change(Change::remove, before);
        on_change(Change::put, after);
    }
}

void UnreleasedSet::remove(std::size_t index, const OnChange& on_change) {
    const auto at = all_.begin() + static_cast<std::ptrdiff_t>(index);
    current_count_ -= at->age == Unreleased::Age::current ? 1 : 0;
    on_change(Change::remove, at->to_stored());
    all_.erase(at);
}

void UnreleasedSet::bound_parked(const OnChange& on_change) {
    std::size_t count = 0;
    for (std::size_t index = all_.size(); index-- > 0;) {
        if (all_[index].age == Unreleased::Age::parked && ++count > parked_count_max) {
            remove(index, on_change);
        }
    }
}

void UnreleasedSet::begin_connection(PacketIdSpace space, const OnChange& on_change) {
    for (Unreleased& one : all_) {
        if (one.space != space) {
            set_age(one, Unreleased::Age::parked, on_change);
        } else if (one.age == Unreleased::Age::current) {
            set_age(one, Unreleased::Age::earlier, on_change);
        }
    }
    bound_parked(on_change);
}

bool UnreleasedSet::take_repeated(PacketIdSpace space, const InboundPublish& publish,
                                  const OnChange& on_change) {
    const Range known = find(space, publish.packet_id);
    if (known.begin == known.end) {
        return false;
    }
    if (is_current(space, publish.packet_id)) {
        return true;  // until PUBREL, whatever it says (MQTT 5.0, 4.3.3)
    }
    const std::uint32_t fingerprint = fingerprint_of(publish);
    for (std::size_t index = known.begin; index < known.end; ++index) {
        Unreleased& one = all_[index];
        const bool is_same = one.fingerprint == 0 || one.fingerprint == fingerprint;
        if (is_same && (publish.dup || one.age == Unreleased::Age::earlier)) {
            set_age(one, Unreleased::Age::current, on_change);
            return true;
        }
    }
    return false;
}

std::optional<Unreleased> UnreleasedSet::insert(PacketIdSpace space, const InboundPublish& publish,
                                                const OnChange& on_change) {
    const Range known = find(space, publish.packet_id);
    if (is_current(space, publish.packet_id)) {
        return std::nullopt;
    }
    Unreleased made;
    made.fingerprint = fingerprint_of(publish);
    made.packet_id = publish.packet_id;
    made.space = space;
    // The same once more, which is known not to be a repetition: one entry is enough for both.
    for (std::size_t index = known.begin; index < known.end; ++index) {
        Unreleased& one = all_[index];
        if (one.fingerprint == made.fingerprint) {
            set_age(one, Unreleased::Age::current, on_change);
            return made;
        }
    }
    for (std::size_t index = known.begin; index < known.end; ++index) {
        set_age(all_[index], Unreleased::Age::parked, on_change);
    }
    all_.insert(all_.begin() + static_cast<std::ptrdiff_t>(known.end), made);
    ++current_count_;
    on_change(Change::put, made.to_stored());
    if (known.begin != known.end) {
        bound_parked(on_change);
    }
    return made;
}

bool UnreleasedSet::release(PacketIdSpace space, std::uint16_t packet_id,
                            const OnChange& on_change) {
    const Range known = find(space, packet_id);
    for (std::size_t index = known.begin; index < known.end; ++index) {
        if (all_[index].age == Unreleased::Age::current) {
            remove(index, on_change);
            return true;
        }
    }
    for (std::size_t index = known.end; index-- > known.begin;) {
        remove(index, on_change);
    }
    return known.begin != known.end;
}

void UnreleasedSet::forget(const Unreleased& inserted, const OnChange& on_change) {
    const Range known = find(inserted.space, inserted.packet_id);
    for (std::size_t index = known.begin; index < known.end; ++index) {
        if (all_[index].fingerprint == inserted.fingerprint) {
            remove(index, on_change);
            return;
        }
    }
}

void UnreleasedSet::restore(std::uint64_t stored, PacketIdSpace space, const OnChange& on_change) {
    Unreleased one = Unreleased::from_stored(stored);
    if (one.space == PacketIdSpace::none) {
        one.space = space != PacketIdSpace::none ? space : first_space;
    }
    if (one.space != space) {
        one.age = Unreleased::Age::parked;
    }
    if (one.to_stored() != stored) {
        on_change(Change::remove, stored);
        on_change(Change::put, one.to_stored());
    }
    all_.insert(all_.begin() + static_cast<std::ptrdiff_t>(find(one.space, one.packet_id).end),
                one);
}

bool UnreleasedSet::is_current(PacketIdSpace space, std::uint16_t packet_id) const {
    const Range known = find(space, packet_id);
    for (std::size_t index = known.begin; index < known.end; ++index) {
        if (all_[index].age == Unreleased::Age::current) {
            return true;
        }
    }
    return false;
}

}  // namespace gw
