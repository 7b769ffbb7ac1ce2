#include "broker-core/router/route_node.hpp"

#include "broker-core/base/assert.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace gw {

RouteNode::RouteNode(std::string_view filter, bool has_wildcard)
    : plain_(),
      text_bytes_(static_cast<std::uint16_t>(filter.size())),
      has_wildcard_(has_wildcard) {
    static_assert(offsetof(RouteNode, is_extended_) + sizeof(is_extended_) <= text_offset);
    std::memcpy(reinterpret_cast<char*>(this) + text_offset, filter.data(), filter.size());
}

RouteNode::~RouteNode() {
    if (is_extended_) {
        extension_.~unique_ptr();
    } else {
        plain_.~SubscriberSet();
    }
}

RouteNode* RouteNode::create(std::string_view filter, bool has_wildcard) {
    GW_ASSERT(filter.size() <= 0xffff);
    void* memory = std::malloc(std::max(text_offset + filter.size(), sizeof(RouteNode)));
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    return new (memory) RouteNode(filter, has_wildcard);
}

void RouteNode::destroy(RouteNode* node) {
    node->~RouteNode();
    std::free(node);
}

RouteExtension& RouteNode::extend() {
    if (!is_extended_) {
        auto extension = std::make_unique<RouteExtension>(
            RouteExtension{.plain = std::move(plain_), .local = SubscriberSet{}, .groups = {}});
        plain_.~SubscriberSet();
        new (&extension_) std::unique_ptr<RouteExtension>(std::move(extension));
        is_extended_ = true;
    }
    return *extension_;
}

}  // namespace gw
