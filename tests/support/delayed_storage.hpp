#pragma once

#include "broker-core/storage/storage.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace gw::test {

/// A storage whose writes are safe only some time later, as a disk's are. Whoever made it says
/// when: `on_write(ticket)` is called for each write, and complete() at its time.
class DelayedStorage final : public Storage {
public:
    explicit DelayedStorage(std::function<void(StoreTicket)> on_write)
        : on_write_(std::move(on_write)) {}

    void keep_delivery(std::string_view, const MessagePtr&) override { write(); }
    void keep_retained(const MessagePtr&) override { write(); }
    void keep_session(std::string_view) override { write(); }
    void forget_session(std::string_view) override { write(); }
    StoreTicket ticket() override { return written_ > completed_ ? written_ : 0; }

    /// All up to this ticket is safe now.
    void complete(StoreTicket ticket) { completed_ = ticket > completed_ ? ticket : completed_; }
    StoreTicket written() const { return written_; }
    StoreTicket completed() const { return completed_; }

private:
    void write() { on_write_(++written_); }

    std::function<void(StoreTicket)> on_write_;
    StoreTicket written_ = 0;
    StoreTicket completed_ = 0;
};

}  // namespace gw::test
