#include "broker-core/storage/log_store/compactor.hpp"

#include "broker-core/storage/log_store/segment.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw {

namespace {

/// Segments that one transaction deletes at most, and their bytes: freeing pages takes time.
constexpr std::size_t drop_count_max = 256;
constexpr std::size_t drop_bytes_max = 4 * 1024 * 1024;
/// A log smaller than this isn't looked through for the sake of a few dead bytes.
constexpr std::uint64_t scan_slack_bytes = 1024 * 1024;

}  // namespace

Result<Compactor> Compactor::create(Database& database, SharedIndex& shared, Limits limits) {
    Compactor compactor;
    compactor.shared_ = &shared;
    compactor.limits_ = limits;
    auto select = database.prepare("SELECT body FROM segment WHERE id=?");
    if (!select) {
        return select.error();
    }
    compactor.select_ = std::move(*select);
    return compactor;
}

bool Compactor::wants_to_rewrite() const {
    const LiveIndex& index = shared_->index;
    if (!index.has_segments()) {
        return false;
    }
    if (index.first_segment() < pass_end_) {
        return index.log_bytes() > index.live_bytes() + limits_.slack_bytes / 2;
    }
    // live_bytes() is an estimate: a log that the last pass left too large is not worth another one
    // before something has changed.
    const bool has_changed = index.log_bytes() > log_bytes_then_ + log_bytes_then_ / 4 ||
                             index.live_bytes() < live_bytes_then_ - live_bytes_then_ / 4;
    return has_changed && index.log_bytes() > 2 * index.live_bytes() + limits_.slack_bytes;
}

/// Whether the oldest segment, in which no message lives, is read for the deliveries that may.
bool Compactor::wants_to_scan() const {
    const LiveIndex& index = shared_->index;
    return has_submissions_since_scan_ && index.segment(index.first_segment()).live_count == 0 &&
           index.log_bytes() > index.live_bytes() + index.live_bytes() / 4 + scan_slack_bytes;
}

bool Compactor::has_work() const {
    const LiveIndex& index = shared_->index;
    if (!index.has_segments()) {
        return false;
    }
    if (index.dead_prefix(1, drop_bytes_max) != 0) {
        return true;
    }
    return !is_blocked_ && (cursor_.segment != 0 || wants_to_rewrite() || wants_to_scan());
}

Result<void> Compactor::load(std::uint64_t segment) {
    if (body_segment_ == segment) {
        return {};
    }
    body_segment_ = 0;
    const auto row = select_.bind(1, static_cast<std::int64_t>(segment)).step();
    if (!row) {
        return row.error();
    }
    if (!*row || !open_segment(select_.bytes(0), segment)) {
        select_.reset();
        return Error{Errc::corrupt,
                     "segment " + std::to_string(segment) +
                         (*row ? " is damaged: its check value is wrong" : " is missing")};
    }
    body_.clear();
    body_.append(select_.bytes(0));
    select_.reset();
    body_segment_ = segment;
    return {};
}

/// Before anything of the segment is copied: only here does the index learn which messages the
/// removed sessions' deliveries needed.
void Compactor::drop_removed_deliveries() {
    if (!shared_->index.has_removed_sessions()) {
        return;
    }
    const std::scoped_lock lock{shared_->mutex};
    RecordScanner in{body_.view().subspan(segment_header_bytes)};
    for (RecordScanner::Kind kind = in.next();
         kind != RecordScanner::Kind::end && kind != RecordScanner::Kind::damaged;
         kind = in.next()) {
        if (kind == RecordScanner::Kind::delivery &&
            shared_->index.is_removed(in.delivery().session)) {
            shared_->index.drop_removed(in.delivery());
        }
    }
}

Result<bool> Compactor::copy_records(std::size_t bytes_max, ByteBuffer& out) {
    LiveIndex& index = shared_->index;
    RecordScanner in{body_.view().subspan(cursor_.offset)};
    const std::size_t start = cursor_.offset;
    while (cursor_.offset - start < bytes_max) {
        switch (in.next()) {
            case RecordScanner::Kind::message:
                if (index.is_live_at(in.message().id, cursor_.segment, start + in.body_offset())) {
                    out.append(in.record());
                }
                break;
            case RecordScanner::Kind::delivery: {
                const DeliveryRecord& one = in.delivery();
                if (index.is_live(one.session, one.sequence)) {
                    out.append(in.record());
                }
                break;
            }
            case RecordScanner::Kind::completed:
                break;  // what it ended went before it, or goes with it
            case RecordScanner::Kind::end:
                return true;
            case RecordScanner::Kind::damaged:
                return Error{Errc::corrupt, "segment " + std::to_string(cursor_.segment) +
                                                " holds a record that cannot be read"};
        }
        cursor_.offset = start + in.offset() + in.record().size();
    }
    return false;
}

Result<Compactor::Slice> Compactor::next_slice(std::size_t commit_bytes, ByteBuffer& out) {
    cursor_before_ = cursor_;
    has_submissions_since_scan_ = has_submissions_since_scan_ || commit_bytes != 0;
    const LiveIndex& index = shared_->index;
    Slice slice;
    if (cursor_.segment == 0) {
        slice.dropped_count = index.dead_prefix(drop_count_max, drop_bytes_max);
    }
    if (is_blocked_ || !index.has_segments() ||
        (cursor_.segment == 0 && !wants_to_rewrite() && !wants_to_scan())) {
        return slice;
    }
    const bool rewrites = wants_to_rewrite();
    const bool scans = wants_to_scan();
    if (rewrites && index.first_segment() >= pass_end_) {
        pass_end_ = index.next_segment();
    }
    has_submissions_since_scan_ = commit_bytes != 0;
    std::size_t budget = limits_.slice_bytes + 4 * commit_bytes;
    const std::size_t size_before = out.size();
    while (budget > 0 && slice.dropped_count < drop_count_max) {
        const std::uint64_t id = index.first_segment() + slice.dropped_count;
        if (id == index.next_segment()) {
            break;
        }
        const LiveIndex::Segment& oldest = index.segment(id);
        if (cursor_.segment == 0) {
            if (oldest.live_count == 0 && oldest.foreign_count == 0) {
                budget -= std::min<std::size_t>(budget, oldest.bytes / 4);
                ++slice.dropped_count;
                continue;
            }
            if (!(rewrites && id < pass_end_) && !(scans && oldest.live_count == 0)) {
                break;
            }
            cursor_ = {id, segment_header_bytes};
        }
        auto loaded = load(id);
        if (loaded && cursor_.offset == segment_header_bytes) {
            drop_removed_deliveries();
        }
        const std::size_t before = cursor_.offset;
        auto done = loaded ? copy_records(budget, out) : Result<bool>{loaded.error()};
        if (!done) {
            out.truncate(size_before);
            on_failed();
            is_blocked_ = true;
            return done.error();
        }
        budget -= std::min(budget, cursor_.offset - before);
        if (!*done) {
            break;
        }
        ++slice.dropped_count;
        slice.moves_messages = true;
        cursor_ = {};
    }
    return slice;
}

void Compactor::on_committed() {
    const LiveIndex& index = shared_->index;
    if (pass_end_ != 0 && index.first_segment() >= pass_end_) {
        pass_end_ = 0;
        log_bytes_then_ = index.log_bytes();
        live_bytes_then_ = index.live_bytes();
    }
    if (cursor_.segment == 0) {
        body_segment_ = 0;
        if (body_.capacity() > drop_bytes_max) {
            body_.release();  // one that held a large message
        }
    }
}

void Compactor::on_failed() {
    cursor_ = cursor_before_;
}

}  // namespace gw
