#pragma once

#include "broker-core/router/bucket_table.hpp"
#include "broker-core/router/route_node.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gw {

/// Filters by the hash of their text; exact_hash() or WildcardIndex::filter_hash() of it.
using FilterTable = BucketTable<std::uint32_t, RouteNode*>;

/// What one worker's matching needs besides the index; kept so that a match allocates nothing.
struct MatchScratch {
    struct Level {
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
        std::uint64_t text_hash = 0;
        std::uint64_t path_hash = 0;  // of the levels up to this one, all taken literally
    };
    /// A node of the trie that the walk has still to visit.
    struct Visit {
        std::uint64_t hash = 0;
        std::uint32_t depth = 0;  // levels behind it
        bool by_plus = false;     // the last of them was taken as '+'
    };
    std::string_view topic;     // what is being matched
    std::vector<Level> levels;  // as many as were needed so far
    bool is_split = false;      // they are all of the topic's
    std::vector<std::uint8_t> by_plus;
    std::vector<Visit> pending;
    std::vector<const RouteNode*> nodes;
    std::size_t visit_count = 0;  // of the last match
};

/// The trie of the filters with wildcards, as a flat table: a node is the hash of the levels that
/// lead to it, an edge is one more hash step, so that a step costs one cache line and a node 12
/// bytes. It begins where a filter's first wildcard stands: the literal levels before it are one
/// step, tried only for the lengths that are in use.
///
/// Two paths of equal hash would share a node. That costs a vain step and nothing else: what a walk
/// ends at is looked up in the table of filters and compared level by level.
///
/// A walk visits at most the nodes that exist and match, whatever the filters. Not thread-safe.
class WildcardIndex {
public:
    explicit WildcardIndex(std::uint64_t hash_key);

    /// Key of a filter with wildcards in the FilterTable.
    std::uint64_t filter_hash(std::string_view filter) const;

    /// Adds or removes a filter with wildcards; each one once.
    void add(std::string_view filter);
    void remove(std::string_view filter);

    /// Readies the scratch for a topic and begins to load what match() will read first.
    void prepare(std::string_view topic, MatchScratch& scratch) const;
    /// Appends the nodes of all filters with wildcards that match the topic to `scratch.nodes`
    /// (MQTT 5.0, 4.7). The topic is the one of prepare(), and still there.
    void match(const FilterTable& filters, MatchScratch& scratch) const;

    /// Nodes of the trie.
    std::size_t size() const { return trie_.size(); }

private:
    /// A node of the trie: how many filters lead through it, and what continues there. The mark for
    /// literal levels stays until the node goes.
    struct TrieNode {
        std::uint32_t filter_count : 28 = 0;
        std::uint32_t has_plus : 1 = 0;
        std::uint32_t has_literal : 1 = 0;
        std::uint32_t has_hash : 1 = 0;  // a filter ends here with '#'
        std::uint32_t is_end : 1 = 0;    // a filter ends here
        bool operator==(const TrieNode&) const = default;
    };
    static_assert(sizeof(TrieNode) == 4);

    /// One filter's way through the trie, from its first wildcard on.
    struct Path {
        std::uint32_t literal_levels = 0;
        struct Step {
            std::uint64_t hash;     // of the node
            std::string_view next;  // the level that leads on; unset in the last one
        };
        std::vector<Step> steps;
        bool ends_with_hash = false;
    };

    std::uint64_t level_hash(std::string_view level) const;
    Path path_of(std::string_view filter) const;
    TrieNode* find(std::uint64_t hash);
    bool split(std::size_t level_count, MatchScratch& scratch) const;
    std::uint64_t literal_hash(std::size_t level_count, const MatchScratch& scratch) const;
    void walk(const FilterTable& filters, MatchScratch& scratch) const;
    void prefetch_behind(std::uint64_t hash, std::uint32_t depth, const FilterTable& filters,
                         MatchScratch& scratch) const;
    void collect(std::uint64_t hash, std::uint32_t depth, bool with_hash,
                 const FilterTable& filters, MatchScratch& scratch) const;

    const std::uint64_t key_;
    const std::uint64_t plus_hash_;  // of the level "+"
    const std::uint64_t hash_hash_;  // of the level "#"
    BucketTable<std::uint64_t, TrieNode> trie_;
    std::vector<std::uint32_t> filters_by_literal_levels_;
    std::vector<std::uint32_t> literal_levels_in_use_;  // ascending
};

}  // namespace gw
