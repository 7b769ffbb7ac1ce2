#include "adapters/transport/output.hpp"

#include <algorithm>

namespace gw::transport {

namespace {

/// Adds the part of [begin, end) of the whole output that is still unsent.
void add_part(struct iovec* parts, std::size_t& used, const std::uint8_t* data, std::size_t size,
              std::size_t& skip) {
    const std::size_t skipped = std::min(skip, size);
    skip -= skipped;
    if (size != skipped) {
        parts[used].iov_base = const_cast<std::uint8_t*>(data + skipped);
        parts[used].iov_len = size - skipped;
        ++used;
    }
}

}  // namespace

std::size_t Output::fill(struct iovec* parts, std::size_t count) const {
    std::size_t used = 0;
    std::size_t skip = sent_;
    std::size_t at = 0;
    for (const Gathered& piece : gathered_) {
        if (used + 2 > count) {
            return used;
        }
        add_part(parts, used, bytes_.data() + at, piece.at - at, skip);
        add_part(parts, used, piece.bytes.data(), piece.bytes.size(), skip);
        at = piece.at;
    }
    if (used < count) {
        add_part(parts, used, bytes_.data() + at, bytes_.size() - at, skip);
    }
    return used;
}

void Output::advance(std::size_t count) {
    sent_ += count;
    if (unsent_bytes() == 0) {
        clear();
        return;
    }
    // What is written in front goes, so that a slow reader's output does not pile up behind it.
    constexpr std::size_t compact_bytes_min = 256 * 1024;
    if (sent_ < compact_bytes_min) {
        return;
    }
    std::size_t whole = 0;  // gathered pieces that are written whole
    std::size_t gone = 0;   // bytes of these
    for (const Gathered& piece : gathered_) {
        if (piece.at + gone + piece.bytes.size() > sent_) {
            break;
        }
        gone += piece.bytes.size();
        ++whole;
    }
    const std::size_t limit = whole < gathered_.size() ? gathered_[whole].at : bytes_.size();
    const std::size_t plain = std::min(sent_ - gone, limit);
    gathered_.erase(gathered_.begin(), gathered_.begin() + static_cast<std::ptrdiff_t>(whole));
    for (Gathered& piece : gathered_) {
        piece.at -= plain;
    }
    bytes_.consume(plain);
    gathered_bytes_ -= gone;
    sent_ -= plain + gone;
}

void Output::clear() {
    bytes_.clear();
    gathered_.clear();
    gathered_bytes_ = 0;
    sent_ = 0;
}

}  // namespace gw::transport
