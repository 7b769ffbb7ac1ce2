#include "broker-core/storage/log_store/table_writer.hpp"

#include "broker-core/base/hash.hpp"

#include <string_view>
#include <utility>

namespace gw {

namespace {

constexpr std::string_view next_sid_key = "next_sid";

std::int64_t number(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

/// The row that an operation decides alone: which table, the session and what else names it.
struct Row {
    int table = 0;  // 0: more than one row
    std::uint64_t number = 0;
    std::uint64_t second = 0;
    std::string_view text;
    bool operator==(const Row&) const = default;
};

struct RowOf {
    Row operator()(const PutSession& put) const { return {1, put.sid, 0, {}}; }
    Row operator()(const RemoveSession&) const { return {}; }
    Row operator()(const PutSubscription& put) const { return {2, put.sid, 0, put.filter}; }
    Row operator()(const RemoveSubscription& remove) const {
        return {2, remove.sid, 0, remove.filter};
    }
    Row operator()(const PutRetained& put) const { return {3, 0, 0, put.topic}; }
    Row operator()(const RemoveRetained& remove) const { return {3, 0, 0, remove.topic}; }
    Row operator()(const PutInbound& put) const { return {4, put.sid, put.unreleased, {}}; }
    Row operator()(const RemoveInbound& remove) const {
        return {4, remove.sid, remove.unreleased, {}};
    }
    Row operator()(const PutReleased& put) const { return {5, put.sid, put.released, {}}; }
    Row operator()(const RemoveReleased& remove) const {
        return {5, remove.sid, remove.released, {}};
    }
};

/// Takes the place of the row: two that were equal would undo each other's operations, so `key` is
/// the process's own.
std::uint64_t hash_of(const Row& row, std::uint64_t key) {
    const std::uint64_t head = key ^ static_cast<std::uint64_t>(row.table) * 0x9e3779b97f4a7c15ULL ^
                               row.number * 0xe7037ed1a0b428dbULL ^ row.second;
    return hash_text(row.text, head);
}

std::uint64_t version_of(const TableOperation& operation) {
    if (const auto* put = std::get_if<PutRetained>(&operation)) {
        return put->version;
    }
    const auto* remove = std::get_if<RemoveRetained>(&operation);
    return remove != nullptr ? remove->version : 0;
}

/// Rows whose versions are kept: some tenths of a second of writing at full speed.
constexpr std::size_t version_count = 65536;

}  // namespace

Result<TableWriter> TableWriter::create(Database& database, std::uint64_t sid_reserved) {
    TableWriter writer;
    writer.sid_reserved_ = sid_reserved;
    writer.sid_reserved_next_ = sid_reserved;
    Statements& to = writer.do_;
    const std::pair<Statement*, const char*> all[] = {
        {&to.put_session, "INSERT OR REPLACE INTO sessions(sid, client_id, state) VALUES(?,?,?)"},
        {&to.remove_session, "DELETE FROM sessions WHERE sid=?"},
        {&to.remove_session_subscriptions, "DELETE FROM subscriptions WHERE sid=?"},
        {&to.remove_session_inbound, "DELETE FROM inbound_qos2 WHERE sid=?"},
        {&to.remove_session_released, "DELETE FROM released WHERE sid=?"},
        {&to.put_subscription,
         "INSERT OR REPLACE INTO subscriptions(sid, filter, options) VALUES(?,?,?)"},
        {&to.remove_subscription, "DELETE FROM subscriptions WHERE sid=? AND filter=?"},
        {&to.put_retained, "INSERT OR REPLACE INTO retained(topic, message) VALUES(?,?)"},
        {&to.remove_retained, "DELETE FROM retained WHERE topic=?"},
        {&to.put_inbound, "INSERT OR IGNORE INTO inbound_qos2(sid, packet_id) VALUES(?,?)"},
        {&to.remove_inbound, "DELETE FROM inbound_qos2 WHERE sid=? AND packet_id=?"},
        {&to.put_released, "INSERT OR IGNORE INTO released(sid, sequence) VALUES(?,?)"},
        {&to.remove_released, "DELETE FROM released WHERE sid=? AND sequence=?"},
        {&to.put_meta, "INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)"},
    };
    for (const auto& [statement, sql] : all) {
        auto prepared = database.prepare(sql);
        if (!prepared) {
            return prepared.error();
        }
        *statement = std::move(*prepared);
    }
    return writer;
}

Result<std::uint64_t> TableWriter::read_reserved_sid(Database& database) {
    const auto value = database.integer("SELECT value FROM meta WHERE key='next_sid'");
    if (value) {
        return static_cast<std::uint64_t>(*value);
    }
    if (value.error().code() == Errc::not_found) {
        return std::uint64_t{1};
    }
    return value.error();
}

void TableWriter::find_superseded(const std::vector<const TableOperation*>& operations) {
    is_superseded_.assign(operations.size(), false);
    versions_next_.clear();
    last_.clear();
    for (std::size_t index = operations.size(); index-- > 0;) {
        const Row row = std::visit(RowOf{}, *operations[index]);
        if (row.table == 0) {
            continue;
        }
        const std::uint64_t hash = hash_of(row, hash_key_);
        const std::uint64_t version = version_of(*operations[index]);
        if (version != 0 && !versions_.empty()) {
            const Version& newest = versions_[hash % version_count];
            if (newest.row_hash == hash && newest.version > version) {
                is_superseded_[index] = true;
                continue;
            }
        }
        const auto [found, is_first] = last_.try_emplace(hash, index);
        if (is_first) {
            continue;
        }
        const TableOperation& other = *operations[found->second];
        if (!(std::visit(RowOf{}, other) == row)) {
            continue;
        }
        if (version > version_of(other)) {
            is_superseded_[std::exchange(found->second, index)] = true;
        } else {
            is_superseded_[index] = true;
        }
    }
    for (const auto& [hash, index] : last_) {
        if (const std::uint64_t version = version_of(*operations[index]); version != 0) {
            versions_next_.push_back({hash, version});
        }
    }
}

void TableWriter::on_committed() {
    sid_reserved_ = sid_reserved_next_;
    if (!versions_next_.empty()) {
        versions_.resize(version_count);
    }
    for (const Version& version : versions_next_) {
        versions_[version.row_hash % version_count] = version;
    }
    versions_next_.clear();
}

Result<void> TableWriter::apply(const std::vector<const TableOperation*>& operations) {
    sid_reserved_next_ = sid_reserved_;
    find_superseded(operations);
    for (std::size_t index = 0; index < operations.size(); ++index) {
        if (!is_superseded_[index]) {
            auto done = run(*operations[index]);
            if (!done) {
                return done;
            }
        }
    }
    return {};
}

Result<void> TableWriter::run(const TableOperation& operation) {
    return std::visit([this](const auto& one) { return run(one); }, operation);
}

Result<void> TableWriter::run(const PutSession& operation) {
    if (operation.sid >= sid_reserved_next_) {
        sid_reserved_next_ = operation.sid + sid_reserve_count;
        auto done = do_.put_meta.bind(1, next_sid_key).bind(2, number(sid_reserved_next_)).run();
        if (!done) {
            return done;
        }
    }
    return do_.put_session.bind(1, number(operation.sid))
        .bind(2, std::string_view{operation.client_id})
        .bind(3, as_bytes(operation.state))
        .run();
}

Result<void> TableWriter::run(const RemoveSession& operation) {
    for (Statement* statement : {&do_.remove_session, &do_.remove_session_subscriptions,
                                 &do_.remove_session_inbound, &do_.remove_session_released}) {
        auto done = statement->bind(1, number(operation.sid)).run();
        if (!done) {
            return done;
        }
    }
    return {};
}

Result<void> TableWriter::run(const PutSubscription& operation) {
    return do_.put_subscription.bind(1, number(operation.sid))
        .bind(2, std::string_view{operation.filter})
        .bind(3, operation.options)
        .run();
}

Result<void> TableWriter::run(const RemoveSubscription& operation) {
    return do_.remove_subscription.bind(1, number(operation.sid))
        .bind(2, std::string_view{operation.filter})
        .run();
}

Result<void> TableWriter::run(const PutRetained& operation) {
    return do_.put_retained.bind(1, std::string_view{operation.topic})
        .bind(2, as_bytes(operation.message))
        .run();
}

Result<void> TableWriter::run(const RemoveRetained& operation) {
    return do_.remove_retained.bind(1, std::string_view{operation.topic}).run();
}

Result<void> TableWriter::run(const PutInbound& operation) {
    return do_.put_inbound.bind(1, number(operation.sid))
        .bind(2, number(operation.unreleased))
        .run();
}

Result<void> TableWriter::run(const RemoveInbound& operation) {
    return do_.remove_inbound.bind(1, number(operation.sid))
        .bind(2, number(operation.unreleased))
        .run();
}

Result<void> TableWriter::run(const PutReleased& operation) {
    return do_.put_released.bind(1, number(operation.sid))
        .bind(2, number(operation.released))
        .run();
}

Result<void> TableWriter::run(const RemoveReleased& operation) {
    return do_.remove_released.bind(1, number(operation.sid))
        .bind(2, number(operation.released))
        .run();
}

}  // namespace gw
