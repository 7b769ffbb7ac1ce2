#pragma once

#include "broker-core/session/session.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace gw {

/// The sessions of one worker: slots with generations, so that a SessionRef to an ended session is
/// recognised, and an open-addressing index by client id of 8 bytes an entry. One thread.
class SessionTable {
public:
    SessionTable(std::uint32_t worker, std::uint64_t hash_key)
        : worker_(worker), hash_key_(hash_key) {}
    ~SessionTable();
    SessionTable(const SessionTable&) = delete;
    SessionTable& operator=(const SessionTable&) = delete;

    Session* find(std::string_view client_id) const;
    Session* find(SessionRef ref) const {
        if (ref.slot >= slots_.size()) {
            return nullptr;
        }
        const Slot& slot = slots_[ref.slot];
        // Whatever it says of persistence: that may have changed on the way.
        const bool is_same = slot.ref.generation() == ref.generation() && ref.worker() == worker_;
        return slot.session && is_same ? slot.session.get() : nullptr;
    }
    /// The reference that the next add() will give.
    SessionRef next_ref(bool persistent) const;
    /// Adds a session whose identity holds what next_ref() gave; its client id must be new.
    Session& add(std::unique_ptr<Session> session);
    /// Destroys the session.
    void remove(Session& session);
    std::size_t size() const { return count_; }

    template <class Visit>
    void for_each(const Visit& visit) {
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (slots_[i].session) {
                visit(*slots_[i].session);
            }
        }
    }

private:
    struct Slot {
        std::unique_ptr<Session> session;
        SessionRef ref;  // of the present or the last session
    };
    struct Entry {
        std::uint32_t hash = 0;
        std::uint32_t slot_plus_one = 0;  // 0: empty
    };

    std::uint32_t hash(std::string_view client_id) const;
    void insert_entry(Entry entry);
    void erase_entry(std::uint32_t hash, std::uint32_t slot);
    void resize(std::size_t capacity);

    std::uint32_t worker_;
    std::uint64_t hash_key_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<Entry> entries_;  // power of two
    std::size_t count_ = 0;
};

}  // namespace gw
