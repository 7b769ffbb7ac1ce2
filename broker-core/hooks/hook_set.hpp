#pragma once

#include "broker-core/hooks/message_filter.hpp"
#include "broker-core/hooks/observer.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace gw {

/// All that watches and filters, in the order in which it is called. Never changed: another one is
/// put in its place (Broker::set_hooks()). What nobody wants costs the test of a bit.
class HookSet {
public:
    using Filters = std::vector<std::shared_ptr<MessageFilter>>;
    using Observers = std::vector<std::shared_ptr<Observer>>;

    HookSet() = default;
    HookSet(const Filters& filters, const Observers& observers) {
        for (const auto& filter : filters) {
            filters_.push_back({filter, filter->points()});
            wanted_.add(filters_.back().points);
        }
        for (const auto& observer : observers) {
            observers_.push_back({observer, observer->points()});
            wanted_.add(observers_.back().points);
        }
    }

    bool wants(HookPoint point) const { return wanted_.has(point); }
    /// Calls `visit` with every observer that wants the point.
    template <class Visit>
    void tell(HookPoint point, const Visit& visit) const {
        for (const auto& one : observers_) {
            if (one.points.has(point)) {
                visit(*one.hook);
            }
        }
    }
    /// Calls `visit` with every filter that wants the point, until it says false.
    template <class Visit>
    void ask(HookPoint point, const Visit& visit) const {
        for (const auto& one : filters_) {
            if (one.points.has(point) && !visit(*one.hook)) {
                return;
            }
        }
    }

private:
    template <class Hook>
    struct Entry {
        std::shared_ptr<Hook> hook;
        HookMask points;
    };
    std::vector<Entry<MessageFilter>> filters_;
    std::vector<Entry<Observer>> observers_;
    HookMask wanted_;
};

using HookSetPtr = std::shared_ptr<const HookSet>;

}  // namespace gw
