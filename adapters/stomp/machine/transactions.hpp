#pragma once

#include "adapters/stomp/machine/options.hpp"
#include "broker-core/broker/publish_request.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::stomp {

/// A SEND that waits in a transaction, with what it had borrowed from its frame.
class KeptSend {
public:
    explicit KeptSend(const PublishRequest& request);
    PublishRequest request() const;
    std::size_t bytes() const { return sizeof(KeptSend) + text_.capacity(); }

private:
    std::string text_;  // topic, payload, properties
    std::uint32_t topic_bytes_;
    std::uint32_t payload_bytes_;
    Qos qos_;
    bool retain_;
    MonotonicTime expires_at_;
};

/// One frame that waits in a transaction for COMMIT.
struct TransactionStep {
    std::unique_ptr<const KeptSend> send{};  // null: an acknowledgement
    std::uint64_t number = 0;                // of the MESSAGE that is acknowledged
    bool is_refusal = false;                 // NACK
};

struct Transaction {
    std::string name;
    std::vector<TransactionStep> steps;
    std::size_t bytes = 0;
    MonotonicTime ends_at = never;
};

/// The open transactions of one connection, with bounds on their number, frames, bytes and time
/// (STOMP 1.2, "BEGIN", "COMMIT" and "ABORT").
class Transactions {
public:
    explicit Transactions(const MachineOptions& options) : options_(options) {}

    enum class Outcome : std::uint8_t { done, exists, too_many, too_large };
    Outcome begin(std::string_view name, MonotonicTime now);
    Transaction* find(std::string_view name);
    Outcome add(Transaction& transaction, TransactionStep step);
    /// Forgets one, with all that is in it.
    void end(Transaction& transaction);
    /// As end(), but gives what is in it.
    std::vector<TransactionStep> take(Transaction& transaction);

    /// When the first of them is too old; `never` without any.
    MonotonicTime next_end() const;
    bool empty() const { return open_.empty(); }

private:
    const MachineOptions& options_;
    std::vector<Transaction> open_;  // by age
    std::size_t bytes_ = 0;
    std::size_t step_count_ = 0;
};

}  // namespace gw::stomp
