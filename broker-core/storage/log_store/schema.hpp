#pragma once

#include "broker-core/base/result.hpp"
#include "broker-core/storage/log_store/database.hpp"

#include <cstdint>

namespace gw {

/// `PRAGMA user_version` of files that this program writes. Older ones are brought up to it.
inline constexpr std::int64_t schema_version = 2;
/// `PRAGMA application_id`: "MGRV", so that file(1) and we know whose file it is.
inline constexpr std::int64_t schema_application_id = 0x4d475256;

/// Sets what a connection that writes needs: write-ahead log, a flush with every commit. A file
/// without any table becomes an empty store with pages of `page_bytes`; an older one is migrated.
/// Errors: newer_format, corrupt (no store of ours, or damaged), io. Nothing is changed then.
Result<void> prepare_schema(Database& database, std::uint32_t page_bytes);

/// Whether the file is a store that this program can read; changes nothing. Errors as above.
Result<void> check_schema(Database& database);

}  // namespace gw
