#pragma once

#include "broker-core/base/hash.hpp"
#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/table_operation.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace gw {

/// Carries out table operations inside the transaction that the caller has open. The writer
/// thread's own.
class TableWriter {
public:
    /// Session ids are reserved in the file by this many, so that most new sessions cost no write.
    static constexpr std::uint64_t sid_reserve_count = 4096;

    /// `sid_reserved`: the first session id that no earlier run can have used, as
    /// read_reserved_sid() gives it.
    static Result<TableWriter> create(Database& database, std::uint64_t sid_reserved);
    static Result<std::uint64_t> read_reserved_sid(Database& database);

    /// All operations of one transaction, in order. Of several single-row operations on the same
    /// row only the last is carried out, or the one of the highest version: it decides alone.
    Result<void> apply(const std::vector<const TableOperation*>& operations);
    /// Call after the commit.
    void on_committed();

private:
    struct Statements {
        Statement put_session, remove_session, remove_session_subscriptions, remove_session_inbound,
            remove_session_released, put_subscription, remove_subscription, put_retained,
            remove_retained, put_inbound, remove_inbound, put_released, remove_released, put_meta;
    };

    struct Version {
        std::uint64_t row_hash = 0;
        std::uint64_t version = 0;
    };

    void find_superseded(const std::vector<const TableOperation*>& operations);
    Result<void> run(const TableOperation& operation);
    Result<void> run(const PutSession& operation);
    Result<void> run(const RemoveSession& operation);
    Result<void> run(const PutSubscription& operation);
    Result<void> run(const RemoveSubscription& operation);
    Result<void> run(const PutRetained& operation);
    Result<void> run(const RemoveRetained& operation);
    Result<void> run(const PutInbound& operation);
    Result<void> run(const RemoveInbound& operation);
    Result<void> run(const PutReleased& operation);
    Result<void> run(const RemoveReleased& operation);

    Statements do_;
    std::uint64_t sid_reserved_ = 1;
    std::uint64_t sid_reserved_next_ = 1;
    std::unordered_map<std::uint64_t, std::size_t> last_;  // row's hash -> its deciding operation
    std::uint64_t hash_key_ = draw_hash_key();
    std::vector<bool> is_superseded_;
    std::vector<Version> versions_next_;  // of this transaction
    // Of rows written lately, by their hash; what is older cannot meet an operation that was
    // overtaken: that one would be a whole turn of a worker late.
    std::vector<Version> versions_;
};

}  // namespace gw
