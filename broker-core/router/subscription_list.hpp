#pragma once

#include "broker-core/base/slim_vector.hpp"
#include "broker-core/router/route_node.hpp"

#include <cstddef>
#include <cstdint>

namespace gw {

/// The subscriptions of one session: a handle of 8 bytes for each. Owned by the session, changed
/// only through Router, by one thread at a time. Whoever destroys it calls
/// Router::unsubscribe_all() before, or the router goes on delivering to the session.
class SubscriptionList {
public:
    SubscriptionList() = default;
    SubscriptionList(SubscriptionList&&) = default;
    SubscriptionList& operator=(SubscriptionList&&) = default;

    std::size_t size() const { return handles_.size(); }
    bool empty() const { return handles_.empty(); }

private:
    friend class Router;

    /// The node or the shared group of a subscription; which, is in the lowest bits.
    class Handle {
    public:
        enum class Kind : std::uintptr_t { plain = 0, local = 1, shared = 2 };

        static Handle plain(RouteNode& node) { return Handle{address(node), Kind::plain}; }
        static Handle local(RouteNode& node) { return Handle{address(node), Kind::local}; }
        static Handle shared(SharedGroup& group) { return Handle{address(group), Kind::shared}; }

        Kind kind() const { return static_cast<Kind>(bits_ & kind_mask); }
        SharedGroup& group() const { return *pointer<SharedGroup>(); }
        RouteNode& node() const {
            return kind() == Kind::shared ? group().node() : *pointer<RouteNode>();
        }

    private:
        static constexpr std::uintptr_t kind_mask = 3;
        static_assert(alignof(RouteNode) > kind_mask && alignof(SharedGroup) > kind_mask);

        template <class T>
        static std::uintptr_t address(T& object) {
            return reinterpret_cast<std::uintptr_t>(&object);
        }
        template <class T>
        T* pointer() const {
            // The address came from a pointer to T; the kind was put in bits that it leaves free.
            return reinterpret_cast<T*>(bits_ & ~kind_mask);  // NOLINT(performance-no-int-to-ptr)
        }
        Handle(std::uintptr_t address, Kind kind)
            : bits_(address | static_cast<std::uintptr_t>(kind)) {}

        std::uintptr_t bits_;
    };

    SlimVector<Handle> handles_;
};

}  // namespace gw
