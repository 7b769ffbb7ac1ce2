#pragma once

#include "adapters/coap/machine/client.hpp"
#include "broker-core/base/hash.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace gw::coap {

/// Finds what a request or an answer names without looking through all that its endpoint or client
/// has: observations by token and by the message id of their last notification, subscriptions by
/// filter. Owns nothing. One thread.
class ObservationIndex {
public:
    explicit ObservationIndex(std::uint64_t hash_key)
        : by_token_(0, TokenHash{hash_key}),
          by_message_id_(0, IdHash{hash_key}),
          by_filter_(0, FilterHash{hash_key}) {}

    /// Null: none.
    Observation* find(const Endpoint& endpoint, const Token& token) const {
        return found(by_token_, TokenKey{endpoint.index, token});
    }
    /// The one whose last notification had this message id; null: none.
    Observation* find_notified(const Endpoint& endpoint, std::uint16_t message_id) const {
        return found(by_message_id_, id_key(endpoint, message_id));
    }
    void add(Observation& one) {
        by_token_[{one.endpoint->index, one.token}] = &one;
        if (one.was_notified) {
            by_message_id_[id_key(*one.endpoint, one.last_message_id)] = &one;
        }
    }
    void remove(const Observation& one) {
        erase(by_token_, TokenKey{one.endpoint->index, one.token}, one);
        if (one.was_notified) {
            erase(by_message_id_, id_key(*one.endpoint, one.last_message_id), one);
        }
    }
    /// The observation was told of something by this message.
    void note_notified(Observation& one, std::uint16_t message_id) {
        if (one.was_notified) {
            erase(by_message_id_, id_key(*one.endpoint, one.last_message_id), one);
        }
        one.was_notified = true;
        one.last_message_id = message_id;
        by_message_id_[id_key(*one.endpoint, message_id)] = &one;
    }

    Subscription* find(const Client& client, std::string_view filter) const {
        return found(by_filter_, FilterKey{&client, filter});
    }
    void add(Subscription& one) { by_filter_[{one.client, one.filter}] = &one; }
    void remove(const Subscription& one) { by_filter_.erase({one.client, one.filter}); }

private:
    struct TokenKey {
        std::uint32_t endpoint;
        Token token;
        bool operator==(const TokenKey&) const = default;
    };
    struct TokenHash {
        std::uint64_t key;
        std::size_t operator()(const TokenKey& one) const {
            return hash_text(as_text(one.token.view()), key + one.endpoint);
        }
    };
    struct IdHash {
        std::uint64_t key;
        std::size_t operator()(std::uint64_t id) const {
            return hash_text({reinterpret_cast<const char*>(&id), sizeof id}, key);
        }
    };
    struct FilterKey {
        const Client* client;
        std::string_view filter;
        bool operator==(const FilterKey&) const = default;
    };
    struct FilterHash {
        std::uint64_t key;
        std::size_t operator()(const FilterKey& one) const {
            return hash_text(one.filter, key + one.client->index());
        }
    };

    static std::uint64_t id_key(const Endpoint& endpoint, std::uint16_t message_id) {
        return static_cast<std::uint64_t>(endpoint.index) << 16 | message_id;
    }
    template <class Map>
    static typename Map::mapped_type found(const Map& map, const typename Map::key_type& key) {
        const auto at = map.find(key);
        return at != map.end() ? at->second : nullptr;
    }
    /// Unless the place is another's by now: message ids come round.
    template <class Map>
    static void erase(Map& map, const typename Map::key_type& key, const Observation& one) {
        const auto at = map.find(key);
        if (at != map.end() && at->second == &one) {
            map.erase(at);
        }
    }

    std::unordered_map<TokenKey, Observation*, TokenHash> by_token_;
    std::unordered_map<std::uint64_t, Observation*, IdHash> by_message_id_;
    std::unordered_map<FilterKey, Subscription*, FilterHash> by_filter_;
};

/// Puts an observation at the front of one of the lists that it is in, or takes it out.
template <Observation* Observation::*Next, Observation* Observation::*Previous>
struct ObservationList {
    static void push_front(Observation*& first, Observation& one) {
        one.*Next = first;
        one.*Previous = nullptr;
        if (first != nullptr) {
            first->*Previous = &one;
        }
        first = &one;
    }
    static void remove(Observation*& first, Observation& one) {
        if (one.*Previous != nullptr) {
            one.*Previous->*Next = one.*Next;
        } else {
            first = one.*Next;
        }
        if (one.*Next != nullptr) {
            one.*Next->*Previous = one.*Previous;
        }
    }
};
using EndpointObservations =
    ObservationList<&Observation::next_at_endpoint, &Observation::previous_at_endpoint>;
using SubscriptionObservations =
    ObservationList<&Observation::next_of_subscription, &Observation::previous_of_subscription>;

}  // namespace gw::coap
