#pragma once

#include "broker-core/base/hash.hpp"
#include "broker-core/base/result.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace gw::transport {

/// Pre-shared keys by identity, for TLS and DTLS. Never changed once made: a reload makes another.
/// Any thread.
class PskTable {
public:
    static constexpr std::size_t identity_bytes_max = 128;
    static constexpr std::size_t key_bytes_max = 256;

    /// Reads lines `identity:key`, as mosquitto's psk_file has them: the key in hexadecimal, an odd
    /// number of digits meaning a zero before the first; empty lines and lines that begin with `#`
    /// do not count. Errors name the line, never a key.
    static Result<std::shared_ptr<const PskTable>> parse(std::string_view text);
    /// As parse(), from a file; the error names it.
    static Result<std::shared_ptr<const PskTable>> read(const std::string& path);

    PskTable() = default;
    ~PskTable();
    PskTable(const PskTable&) = delete;
    PskTable& operator=(const PskTable&) = delete;

    /// The bytes of the key; empty when the identity is unknown. Good as long as the table.
    std::string_view find(std::string_view identity) const;
    std::size_t size() const { return keys_.size(); }

private:
    NameTable<std::string> keys_;
};

using PskTablePtr = std::shared_ptr<const PskTable>;

}  // namespace gw::transport
