#include "broker-core/router/wildcard_index.hpp"

#include "broker-core/base/assert.hpp"
#include "broker-core/base/hash.hpp"

#include <algorithm>
#include <bit>

namespace gw {

namespace {

std::uint64_t chain(std::uint64_t path_hash, std::uint64_t level_hash) {
    // Not symmetric: the order of the levels counts.
    return detail::fold(std::rotl(path_hash, 23) ^ 0x8ebc6af09c88c6e3ULL,
                        level_hash ^ 0x589965cc75374cc3ULL);
}

/// Calls `visit(level)` for each level of a filter or topic.
template <class Visitor>
void for_each_level(std::string_view text, Visitor&& visit) {
    for (std::size_t begin = 0;;) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        visit(text.substr(begin, end - begin));
        if (end == text.size()) {
            return;
        }
        begin = end + 1;
    }
}

/// Whether `filter` is exactly the topic's first `depth` levels, with '+' where `by_plus` says, and
/// with '#' behind them or not.
bool is_path(std::string_view filter, const MatchScratch& scratch, std::uint32_t depth,
             bool with_hash) {
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < depth; ++i) {
        const MatchScratch::Level& level = scratch.levels[i];
        const std::string_view expected =
            scratch.by_plus[i] != 0 ? std::string_view{"+"}
                                    : scratch.topic.substr(level.begin, level.end - level.begin);
        if (i != 0) {
            if (at == filter.size() || filter[at] != '/') {
                return false;
            }
            ++at;
        }
        if (filter.substr(at, expected.size()) != expected) {
            return false;
        }
        at += expected.size();
    }
    const std::string_view rest = filter.substr(at);
    if (!with_hash) {
        return rest.empty();
    }
    return rest == (depth == 0 ? std::string_view{"#"} : std::string_view{"/#"});
}

}  // namespace

WildcardIndex::WildcardIndex(std::uint64_t hash_key)
    : key_(hash_key), plus_hash_(level_hash("+")), hash_hash_(level_hash("#")) {}

std::uint64_t WildcardIndex::level_hash(std::string_view level) const {
    return hash_text(level, key_);
}

std::uint64_t WildcardIndex::filter_hash(std::string_view filter) const {
    std::uint64_t hash = key_;
    for_each_level(filter, [&](std::string_view level) { hash = chain(hash, level_hash(level)); });
    return hash;
}

WildcardIndex::Path WildcardIndex::path_of(std::string_view filter) const {
    Path path;
    std::uint64_t hash = key_;
    bool in_trie = false;
    for_each_level(filter, [&](std::string_view level) {
        if (!in_trie && level != "+" && level != "#") {
            ++path.literal_levels;
        } else {
            in_trie = true;
            path.steps.push_back({.hash = hash, .next = level});
        }
        hash = chain(hash, level_hash(level));
    });
    path.ends_with_hash = !path.steps.empty() && path.steps.back().next == "#";
    if (!path.ends_with_hash) {
        path.steps.push_back({.hash = hash, .next = {}});
    }
    return path;
}

WildcardIndex::TrieNode* WildcardIndex::find(std::uint64_t hash) {
    return trie_.find(hash, [](const TrieNode&) { return true; });
}

void WildcardIndex::add(std::string_view filter) {
    const Path path = path_of(filter);
    for (std::size_t i = 0; i < path.steps.size(); ++i) {
        const bool is_last = i + 1 == path.steps.size();
        const Path::Step& step = path.steps[i];
        TrieNode* found = find(step.hash);
        TrieNode node = found != nullptr ? *found : TrieNode{};
        GW_ASSERT(node.filter_count < (1U << 28) - 1);
        node.filter_count = (node.filter_count + 1) & ((1U << 28) - 1);
        if (is_last) {
            node.has_hash |= path.ends_with_hash ? 1U : 0U;
            node.is_end |= path.ends_with_hash ? 0U : 1U;
        } else if (step.next == "+") {
            node.has_plus = 1;
        } else {
            node.has_literal = 1;
        }
        if (found != nullptr) {
            *found = node;
        } else {
            trie_.insert(step.hash, node);
        }
    }
    if (filters_by_literal_levels_.size() <= path.literal_levels) {
        filters_by_literal_levels_.resize(path.literal_levels + 1);
    }
    if (filters_by_literal_levels_[path.literal_levels]++ == 0) {
        literal_levels_in_use_.insert(
            std::lower_bound(literal_levels_in_use_.begin(), literal_levels_in_use_.end(),
                             path.literal_levels),
            path.literal_levels);
    }
}

void WildcardIndex::remove(std::string_view filter) {
    const Path path = path_of(filter);
    bool child_is_gone = false;
    for (std::size_t i = path.steps.size(); i-- > 0;) {
        const bool is_last = i + 1 == path.steps.size();
        const Path::Step& step = path.steps[i];
        TrieNode* node = find(step.hash);
        GW_ASSERT(node != nullptr);
        if (node->filter_count == 1) {
            trie_.erase(step.hash, [](const TrieNode&) { return true; });
            child_is_gone = true;
            continue;
        }
        node->filter_count = (node->filter_count - 1) & ((1U << 28) - 1);
        if (is_last && path.ends_with_hash) {
            node->has_hash = 0;
        } else if (is_last) {
            node->is_end = 0;
        } else if (child_is_gone && step.next == "+") {
            node->has_plus = 0;
        }
        child_is_gone = false;
    }
    if (--filters_by_literal_levels_[path.literal_levels] == 0) {
        std::erase(literal_levels_in_use_, path.literal_levels);
    }
}

/// Splits the topic as far as its first `level_count` levels. False: it has fewer.
bool WildcardIndex::split(std::size_t level_count, MatchScratch& scratch) const {
    const std::string_view topic = scratch.topic;
    std::vector<MatchScratch::Level>& levels = scratch.levels;
    while (levels.size() < level_count && !scratch.is_split) {
        const std::uint32_t begin = levels.empty() ? 0 : levels.back().end + 1;
        const std::uint64_t path_hash = literal_hash(levels.size(), scratch);
        std::uint32_t end = begin;
        while (end != topic.size() && topic[end] != '/') {
            ++end;
        }
        const std::uint64_t text_hash = level_hash(topic.substr(begin, end - begin));
        levels.push_back({.begin = begin,
                          .end = end,
                          .text_hash = text_hash,
                          .path_hash = chain(path_hash, text_hash)});
        scratch.is_split = end == topic.size();
    }
    return levels.size() >= level_count;
}

/// Hash of the topic's first levels, which are split already.
std::uint64_t WildcardIndex::literal_hash(std::size_t level_count,
                                          const MatchScratch& scratch) const {
    return level_count == 0 ? key_ : scratch.levels[level_count - 1].path_hash;
}

void WildcardIndex::prepare(std::string_view topic, MatchScratch& scratch) const {
    scratch.topic = topic;
    scratch.levels.clear();
    scratch.is_split = false;
    scratch.visit_count = 0;
    for (const std::uint32_t start : literal_levels_in_use_) {
        if (!split(start, scratch)) {
            return;
        }
        trie_.prefetch(literal_hash(start, scratch));
    }
}

void WildcardIndex::match(const FilterTable& filters, MatchScratch& scratch) const {
    // Wildcards at the root match no topic that begins with '$' (MQTT 5.0, 4.7.2).
    const bool skip_root = scratch.topic.starts_with('$');
    for (const std::uint32_t start : literal_levels_in_use_) {
        if (start == 0 && skip_root) {
            continue;
        }
        if (!split(start, scratch)) {
            return;
        }
        scratch.by_plus.assign(start, 0);
        scratch.pending.push_back({.hash = literal_hash(start, scratch), .depth = start});
        walk(filters, scratch);
    }
}

void WildcardIndex::walk(const FilterTable& filters, MatchScratch& scratch) const {
    while (!scratch.pending.empty()) {
        const MatchScratch::Visit visit = scratch.pending.back();
        scratch.pending.pop_back();
        ++scratch.visit_count;
        const TrieNode* node = trie_.find(visit.hash, [](const TrieNode&) { return true; });
        if (node == nullptr) {
            continue;
        }
        if (scratch.by_plus.size() < visit.depth) {
            scratch.by_plus.push_back(0);
        }
        if (visit.depth != 0) {
            // Depth first, so what is noted for the levels before this one still holds.
            scratch.by_plus[visit.depth - 1] = visit.by_plus ? 1 : 0;
        }
        if (node->has_hash != 0) {
            collect(chain(visit.hash, hash_hash_), visit.depth, true, filters, scratch);
        }
        if (!split(visit.depth + 1, scratch)) {
            if (node->is_end != 0) {
                collect(visit.hash, visit.depth, false, filters, scratch);
            }
            continue;
        }
        if (node->has_literal != 0) {
            const std::uint64_t next = scratch.levels[visit.depth].text_hash;
            scratch.pending.push_back(
                {.hash = chain(visit.hash, next), .depth = visit.depth + 1, .by_plus = false});
        }
        if (node->has_plus != 0) {
            const std::uint64_t next = chain(visit.hash, plus_hash_);
            scratch.pending.push_back({.hash = next, .depth = visit.depth + 1, .by_plus = true});
            prefetch_behind(next, visit.depth + 1, filters, scratch);
        }
    }
}

/// Begins to load what the walk reads next when the levels behind a '+' are literal, as they mostly
/// are: waiting for each in turn is what a walk's time goes into.
void WildcardIndex::prefetch_behind(std::uint64_t hash, std::uint32_t depth,
                                    const FilterTable& filters, MatchScratch& scratch) const {
    trie_.prefetch(hash);
    for (std::uint32_t i = depth; i < depth + 2; ++i) {
        if (!split(i + 1, scratch)) {
            filters.prefetch(hash);
            return;
        }
        hash = chain(hash, scratch.levels[i].text_hash);
        trie_.prefetch(hash);
    }
}

void WildcardIndex::collect(std::uint64_t hash, std::uint32_t depth, bool with_hash,
                            const FilterTable& filters, MatchScratch& scratch) const {
    RouteNode* const* node = filters.find(hash, [&](const RouteNode* candidate) {
        return is_path(candidate->filter(), scratch, depth, with_hash);
    });
    if (node != nullptr) {
        scratch.nodes.push_back(*node);
    }
}

}  // namespace gw
