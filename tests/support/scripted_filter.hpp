#pragma once

#include "broker-core/hooks/message_filter.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

/// A filter that does what the test says.
class ScriptedFilter final : public MessageFilter {
public:
    HookMask points() const override {
        return {HookPoint::rewrite_client_id, HookPoint::filter_connect,
                HookPoint::rewrite_publish,   HookPoint::rewrite_subscribe,
                HookPoint::filter_subscribe,  HookPoint::filter_publish};
    }
    std::optional<std::string> rewrite_client_id(const OriginRules*, const ProtocolTraits&,
                                                 std::string_view own_id) override {
        return client_id ? client_id(own_id) : std::nullopt;
    }
    FilterAnswer on_connect(ConnectDraft& draft) override {
        return connect ? connect(draft) : FilterAnswer{};
    }
    std::optional<std::string> rewrite(const ClientIdentity&, HookPoint,
                                       std::string_view text) override {
        const auto found = rewritten.find(std::string{text});
        return found != rewritten.end() ? std::optional{found->second} : std::nullopt;
    }
    FilterAnswer on_publish(const ClientIdentity&, PublishDraft& draft) override {
        return publish ? publish(draft) : FilterAnswer{};
    }
    FilterAnswer on_subscribe(const ClientIdentity&, SubscribeDraft& draft) override {
        return subscribe ? subscribe(draft) : FilterAnswer{};
    }
    bool take(const MessagePtr& message, Storage& store) override {
        taken.emplace_back(as_text(message->payload()));
        if (stores_taken) {
            store.put_message(1000 + taken.size(), *message, Now{});
        }
        return stores_taken;
    }

    std::function<std::optional<std::string>(std::string_view)> client_id;
    std::function<FilterAnswer(ConnectDraft&)> connect;
    std::map<std::string, std::string> rewritten;
    std::function<FilterAnswer(PublishDraft&)> publish;
    std::function<FilterAnswer(SubscribeDraft&)> subscribe;
    std::vector<std::string> taken;  // payloads
    bool stores_taken = false;
};

}  // namespace gw::test
