#include "broker-core/router/wildcard_index.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

/// An index with the table that it looks its finds up in.
class Fixture {
public:
    ~Fixture() {
        for (gw::RouteNode* node : nodes_) {
            gw::RouteNode::destroy(node);
        }
    }
    void add(const std::string& filter) {
        nodes_.push_back(gw::RouteNode::create(filter, true));
        filters_.insert(index.filter_hash(filter), nodes_.back());
        index.add(filter);
    }
    std::size_t match_count(const std::string& topic) {
        scratch.nodes.clear();
        index.prepare(topic, scratch);
        index.match(filters_, scratch);
        return scratch.nodes.size();
    }

    gw::WildcardIndex index{17};
    gw::MatchScratch scratch;

private:
    gw::FilterTable filters_;
    std::vector<gw::RouteNode*> nodes_;
};

}  // namespace

TEST_CASE("a walk visits no more nodes than there are, whatever the filters") {
    // All of {+, a} at 12 levels but those of a alone. The topics that match none of them in the
    // end are the dear ones.
    Fixture f;
    constexpr int depth = 12;
    std::vector<std::string> filters;
    for (std::uint32_t bits = 1; bits < 1U << depth; ++bits) {
        std::string text;
        for (int i = 0; i < depth; ++i) {
            text += i == 0 ? "" : "/";
            text += (bits >> i & 1U) != 0 ? "+" : "a";
        }
        f.add(text);
        filters.push_back(text);
    }
    std::string topic = "a";
    for (int level = 1; level < 4 * depth; ++level) {
        CAPTURE(level);
        CHECK(f.match_count(topic) == (level == depth ? (1U << depth) - 1 : 0U));
        // A vain step beyond an edge for each, at most.
        CHECK(f.scratch.visit_count <= 2 * f.index.size());
        topic += "/a";
    }
    for (const std::string& filter : filters) {
        f.index.remove(filter);
    }
    CHECK(f.index.size() == 0);
}

TEST_CASE("a topic that no filter's first levels fit costs one look for each of their lengths") {
    Fixture f;
    for (int i = 0; i < 1000; ++i) {
        f.add("site/" + std::to_string(i) + "/+/state");
        f.add("site/" + std::to_string(i) + "/dev/1/#");
    }
    CHECK(f.match_count("other/1/x") == 0);
    CHECK(f.scratch.visit_count == 1);  // it has not enough levels for the second
    CHECK(f.match_count("other/1/x/state") == 0);
    CHECK(f.scratch.visit_count == 2);
    CHECK(f.match_count("site/999/dev/1") == 1);
    CHECK(f.match_count("site/999/dev/state") == 1);
}
