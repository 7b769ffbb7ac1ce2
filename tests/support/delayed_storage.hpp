#pragma once

#include "broker-core/broker/broker.hpp"
#include "broker-core/storage/storage.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace gw::test {

/// A storage whose submissions are safe only some time later, as a disk's are. Whoever made it says
/// when: `on_submit` is called for each, and complete() at its time.
class DelayedStorage final : public Storage {
public:
    using Covers = std::vector<std::pair<std::uint32_t, StoreTicket>>;
    using OnSubmit = std::function<void(StoreTicket, Covers)>;
    using OnLoad = std::function<void(SessionRef, std::vector<LoadedBody>)>;

    /// Workers store bodies for each other, so their storages share them.
    using Bodies = std::shared_ptr<std::map<std::uint64_t, MessagePtr>>;

    explicit DelayedStorage(OnSubmit on_submit, OnLoad on_load = {},
                            Bodies bodies = std::make_shared<Bodies::element_type>())
        : on_submit_(std::move(on_submit)),
          on_load_(std::move(on_load)),
          bodies_(std::move(bodies)) {}

    bool is_durable() const override { return true; }
    void put_message(std::uint64_t id, const Message& message, Now) override {
        (*bodies_)[id] = MessagePtr{&message};
        has_pending_ = true;
    }
    void put_delivery(const StoredDelivery& delivery) override {
        deliveries_.emplace_back(delivery.session_id, delivery.sequence);
        has_pending_ = true;
    }
    void complete(std::uint64_t session_id, std::uint64_t sequence, std::uint64_t) override {
        std::erase(deliveries_, std::pair{session_id, sequence});
        has_pending_ = true;
    }
    std::uint64_t new_session_id() override { return ++last_session_id_; }
    void put_session(std::uint64_t, std::string_view, std::string_view) override {
        has_pending_ = true;
    }
    void remove_session(std::uint64_t) override { has_pending_ = true; }
    void put_subscription(std::uint64_t, std::string_view, std::uint64_t) override {
        has_pending_ = true;
    }
    void remove_subscription(std::uint64_t, std::string_view) override { has_pending_ = true; }
    void put_retained(const Message&, std::uint64_t, Now) override { has_pending_ = true; }
    void put_inbound(std::uint64_t, std::uint64_t) override { has_pending_ = true; }
    void remove_inbound(std::uint64_t, std::uint64_t) override { has_pending_ = true; }
    void put_released(std::uint64_t, std::uint64_t) override { has_pending_ = true; }
    void remove_released(std::uint64_t, std::uint64_t) override { has_pending_ = true; }
    void cover(std::uint32_t worker, StoreTicket ticket) override {
        covers_.emplace_back(worker, ticket);
    }
    bool submit(StoreTicket ticket) override {
        const bool has_own = std::exchange(has_pending_, false);
        if (has_own || !covers_.empty()) {
            written_ = has_own ? ticket : written_;
            on_submit_(has_own ? ticket : 0, std::exchange(covers_, {}));
        }
        return has_own;
    }
    bool has_pending() const override { return has_pending_; }
    void load(SessionRef session, std::vector<std::uint64_t> message_ids) override {
        std::vector<LoadedBody> loaded;
        for (const std::uint64_t id : message_ids) {
            const auto found = bodies_->find(id);
            loaded.push_back({id, found != bodies_->end() ? found->second : MessagePtr{}});
        }
        on_load_(session, std::move(loaded));
    }

    /// All up to this ticket is safe now.
    void complete(StoreTicket ticket) { completed_ = std::max(ticket, completed_); }
    StoreTicket written() const { return written_; }
    StoreTicket completed() const { return completed_; }
    /// Deliveries put and not completed.
    std::size_t delivery_count() const { return deliveries_.size(); }

private:
    OnSubmit on_submit_;
    OnLoad on_load_;
    Bodies bodies_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> deliveries_;  // session, sequence
    Covers covers_;
    bool has_pending_ = false;
    std::uint64_t last_session_id_ = 0;
    StoreTicket written_ = 0;
    StoreTicket completed_ = 0;
};

}  // namespace gw::test
