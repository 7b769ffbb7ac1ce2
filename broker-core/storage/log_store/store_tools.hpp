#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/restore.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

// What `mangrove store ...` does with a store's file from outside. All block; none but
// import_store() changes the file, and all but it work beside a running broker, on the moment's
// picture.
namespace gw {

/// What check_store() found.
struct StoreCheck {
    std::vector<std::string> problems;  // one sentence each; none: the store is sound
    std::vector<std::string> remarks;   // what is odd but harmless
    std::int64_t version = 0;
    std::uint64_t file_bytes = 0;
    RestoreSummary counts;  // without what stands in damaged segments
};

/// Looks at everything: SQLite's own check of the file, each segment's check value and records,
/// each retained message, whether rows and records refer to what is there. Errors: io,
/// newer_format, corrupt, when the file cannot be looked at as a store at all.
Result<StoreCheck> check_store(const std::string& path);

/// Writes all that would be restored as JSON lines (docs/storage-format.md, "Export"); returns how
/// many. Errors: as check_store(), and corrupt for a damaged segment.
Result<std::uint64_t> export_store(const std::string& path, std::ostream& out);

/// Makes a store from such lines, in one transaction; returns how many there were. The file must
/// not hold a store with anything in it. Errors: already_exists, unavailable (a broker runs on it),
/// invalid_argument with the line's number, io.
Result<std::uint64_t> import_store(const std::string& path, std::istream& in);

/// Copies the store, as it is at this moment, to `target`, packed and flushed, for its owner only.
/// A copy that fails leaves nothing. Errors: already_exists, io.
Result<void> backup_store(const std::string& path, const std::string& target);

}  // namespace gw
