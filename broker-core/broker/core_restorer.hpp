#pragma once

#include "broker-core/base/log.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/storage/log_store/restore.hpp"
#include "broker-core/storage/log_store/store_reader.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace gw {

/// Gives the brokers what a store holds, at start: sessions to the workers that own them now,
/// retained messages to all. One thread, before the workers run.
class CoreRestorer final : public RestoreVisitor {
public:
    /// Gets messages of the store; blocks.
    using Fetch = std::function<std::vector<LoadedMessage>(std::vector<std::uint64_t> ids)>;

    /// The brokers stand in the order of their workers.
    CoreRestorer(std::span<Broker* const> brokers, BrokerShared& shared, Log& log, Now now);

    void on_session(RestoredSession& stored) override;
    void on_retained(std::string_view topic, const MessageRecord& record) override;
    /// After all was visited and the brokers' storages are attached: joins shared messages to their
    /// groups, and routes what was held between workers when the process ended.
    void finish(const Fetch& fetch);

private:
    void resume_publish(const LoadedMessage& body, std::string_view whom);
    static void add_deliveries(RestoredSession& stored, StoredSession& session);

    std::span<Broker* const> brokers_;
    BrokerShared& shared_;
    Log& log_;
    Now now_;
    std::vector<RestoredSession> held_;
};

}  // namespace gw
