#pragma once

#include "broker-core/router/shared_group.hpp"
#include "broker-core/router/subscriber_set.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace gw {

/// What one filter has beside plain subscribers. Rare, so apart from the node.
struct RouteExtension {
    SubscriberSet plain;
    SubscriberSet local;                                        // of `$local/<filter>`
    std::map<std::string, SharedGroupPtr, std::less<>> groups;  // by prefix, so in a stable order
};

/// All that is subscribed to one filter, whatever the prefix: 20 bytes and the filter's text in one
/// allocation. Owned by Router, touched only under its lock.
class RouteNode {
public:
    /// Where the text stands.
    static constexpr std::size_t text_offset = 20;

    /// `filter` is without prefix and at most 65,535 bytes.
    static RouteNode* create(std::string_view filter, bool has_wildcard);
    static void destroy(RouteNode* node);

    RouteNode(const RouteNode&) = delete;
    RouteNode& operator=(const RouteNode&) = delete;

    std::string_view filter() const {
        return {reinterpret_cast<const char*>(this) + text_offset, text_bytes_};
    }
    bool has_wildcard() const { return has_wildcard_; }

    SubscriberSet& plain() { return is_extended_ ? extension_->plain : plain_; }
    const SubscriberSet& plain() const { return is_extended_ ? extension_->plain : plain_; }
    /// The extension or null.
    const RouteExtension* extension() const { return is_extended_ ? extension_.get() : nullptr; }
    RouteExtension* extension() { return is_extended_ ? extension_.get() : nullptr; }
    /// The extension, made when there is none.
    RouteExtension& extend();

    /// Nothing is subscribed here any more.
    bool empty() const {
        return plain().empty() &&
               (!is_extended_ || (extension_->local.empty() && extension_->groups.empty()));
    }

private:
    RouteNode(std::string_view filter, bool has_wildcard);
    ~RouteNode();

    union {
        SubscriberSet plain_;
        std::unique_ptr<RouteExtension> extension_;  // when is_extended_
    };
    std::uint16_t text_bytes_;
    bool has_wildcard_;
    bool is_extended_ = false;
};

}  // namespace gw
