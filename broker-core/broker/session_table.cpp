#include "broker-core/broker/session_table.hpp"

#include "broker-core/base/hash.hpp"

namespace gw {

SessionTable::~SessionTable() = default;

std::uint32_t SessionTable::hash(std::string_view client_id) const {
    return static_cast<std::uint32_t>(hash_text(client_id, hash_key_) >> 32);
}

Session* SessionTable::find(std::string_view client_id) const {
    if (entries_.empty()) {
        return nullptr;
    }
    const std::uint32_t wanted = hash(client_id);
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t i = wanted & mask; entries_[i].slot_plus_one != 0; i = (i + 1) & mask) {
        if (entries_[i].hash == wanted) {
            Session* const session = slots_[entries_[i].slot_plus_one - 1].session.get();
            if (session->client_id() == client_id) {
                return session;
            }
        }
    }
    return nullptr;
}

SessionRef SessionTable::next_ref(bool persistent) const {
    if (free_slots_.empty()) {
        return SessionRef{worker_, static_cast<std::uint32_t>(slots_.size()), 1, persistent};
    }
    const Slot& slot = slots_[free_slots_.back()];
    return SessionRef{worker_, slot.ref.slot, slot.ref.generation() + 1, persistent};
}

Session& SessionTable::add(std::unique_ptr<Session> session) {
    const SessionRef ref = session->ref();
    GW_ASSERT(ref == next_ref(ref.is_persistent()));
    if (free_slots_.empty()) {
        slots_.emplace_back();
    } else {
        free_slots_.pop_back();
    }
    if ((count_ + 1) * 4 > entries_.size() * 3) {
        resize(entries_.empty() ? 64 : entries_.size() * 2);
    }
    insert_entry({hash(session->client_id()), ref.slot + 1});
    ++count_;
    Slot& slot = slots_[ref.slot];
    slot.ref = ref;
    slot.session = std::move(session);
    return *slot.session;
}

void SessionTable::insert_entry(Entry entry) {
    const std::size_t mask = entries_.size() - 1;
    std::size_t i = entry.hash & mask;
    while (entries_[i].slot_plus_one != 0) {
        i = (i + 1) & mask;
    }
    entries_[i] = entry;
}

void SessionTable::resize(std::size_t capacity) {
    std::vector<Entry> old(capacity);
    old.swap(entries_);
    for (const Entry& entry : old) {
        if (entry.slot_plus_one != 0) {
            insert_entry(entry);
        }
    }
}

void SessionTable::erase_entry(std::uint32_t wanted, std::uint32_t slot) {
    const std::size_t mask = entries_.size() - 1;
    std::size_t hole = wanted & mask;
    while (entries_[hole].slot_plus_one != slot + 1) {
        hole = (hole + 1) & mask;
    }
    // Entries behind move up, so that no search stops at the hole (linear probing).
    for (std::size_t i = (hole + 1) & mask; entries_[i].slot_plus_one != 0; i = (i + 1) & mask) {
        const std::size_t home = entries_[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            entries_[hole] = entries_[i];
            hole = i;
        }
    }
    entries_[hole] = {};
}

void SessionTable::remove(Session& session) {
    const SessionRef ref = session.ref();
    erase_entry(hash(session.client_id()), ref.slot);
    slots_[ref.slot].session.reset();
    free_slots_.push_back(ref.slot);
    --count_;
}

}  // namespace gw
