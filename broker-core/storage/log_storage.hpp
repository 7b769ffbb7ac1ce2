#pragma once

#include "broker-core/base/bytes.hpp"
#include "broker-core/storage/log_store/submission_store.hpp"
#include "broker-core/storage/storage.hpp"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace gw {

/// One worker's way to the log store: gathers what a turn gives and submits it at its end.
class LogStorage final : public Storage {
public:
    /// Brings loaded bodies back to the worker; called by the store's reader thread.
    using OnLoaded = std::function<void(SessionRef ref, std::vector<LoadedMessage> messages)>;

    LogStorage(std::uint32_t worker, OnLoaded on_loaded);
    /// The store must be there before the first new_session_id(), load() and submit().
    void attach(SubmissionStore& store) { store_ = &store; }

    bool is_durable() const override { return true; }
    void put_message(std::uint64_t id, const Message& message, Now now) override;
    void put_delivery(const StoredDelivery& delivery) override;
    void complete(std::uint64_t session_id, std::uint64_t sequence,
                  std::uint64_t message_id) override;
    std::uint64_t new_session_id() override { return store_->next_sid(); }
    void put_session(std::uint64_t session_id, std::string_view client_id,
                     std::string_view state) override;
    void remove_session(std::uint64_t session_id) override;
    void put_subscription(std::uint64_t session_id, std::string_view filter,
                          std::uint64_t options) override;
    void remove_subscription(std::uint64_t session_id, std::string_view filter) override;
    void put_retained(const Message& message, std::uint64_t version, Now now) override;
    void put_inbound(std::uint64_t session_id, std::uint64_t unreleased) override;
    void remove_inbound(std::uint64_t session_id, std::uint64_t unreleased) override;
    void put_released(std::uint64_t session_id, std::uint64_t released) override;
    void remove_released(std::uint64_t session_id, std::uint64_t released) override;
    void cover(std::uint32_t worker, StoreTicket ticket) override;
    bool submit(StoreTicket ticket) override;
    bool has_pending() const override;
    void load(SessionRef session, std::vector<std::uint64_t> message_ids) override;

private:
    SubmissionStore* store_ = nullptr;
    const std::uint32_t worker_;
    OnLoaded on_loaded_;
    Submission pending_;
};

/// What a stored message is in memory, with times of this process's clock.
MessagePtr message_of(const MessageRecord& record, const ProtocolList& protocols, Now now);

}  // namespace gw
