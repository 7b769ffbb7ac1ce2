#include "gateway/clients.hpp"

#include "gateway/log.hpp"

#include <charconv>
#include <chrono>
#include <future>
#include <memory>
#include <utility>
#include <vector>

namespace gw {

namespace {

constexpr std::uint64_t limit_default = 1000;

std::string field(const ManageFields& fields, const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string{} : found->second;
}

/// One line for a session, as the log would write it.
std::string line_of(const Session& session) {
    const ClientIdentity& client = *session.identity;
    // The address of a session that was found in the store is not known.
    const bool has_peer = client.port != 0 || !client.peer_name.empty();
    const std::string peer = has_peer ? client.peer() : std::string{};
    const LogField fields[] = {{"client_id", client.client_id},
                               {"protocol", client.protocol->name},
                               {"address", peer},
                               {"username", client.username.view()},
                               {"proven_by", auth_source_name(client.source)},
                               {"state", session.link != nullptr ? "online" : "offline"},
                               {"subscriptions", session.subscriptions.size()},
                               {"inflight", session.inflight.count()},
                               {"queued", session.queue.count()},
                               {"dropped", session.dropped_count},
                               {"expiry_interval", session.expiry_interval}};
    return format_event("client", fields) + "\n";
}

/// The session's line, and one for each of its subscriptions.
std::string page_of(Broker& broker, const Session& session) {
    constexpr std::size_t shown_max = 1000;
    std::string page = line_of(session);
    std::vector<SubscriptionInfo> subscriptions;
    broker.shared().router.list_subscriptions(session.subscriptions, session.ref(), 0, shown_max,
                                              subscriptions);
    for (const SubscriptionInfo& one : subscriptions) {
        const LogField fields[] = {{"filter", one.filter},
                                   {"qos", static_cast<unsigned>(one.options.max_qos())}};
        page += format_event("subscription", fields) + "\n";
    }
    if (session.subscriptions.size() > shown_max) {
        page += "and " + std::to_string(session.subscriptions.size() - shown_max) + " more\n";
    }
    return page;
}

}  // namespace

Result<std::string> Clients::ask(std::uint32_t worker, Ask question) const {
    // Shared: the answer may come when nobody waits any more.
    const auto promise = std::make_shared<std::promise<std::string>>();
    auto future = promise->get_future();
    post_(worker, [promise, question = std::move(question)](Broker& broker) {
        promise->set_value(question(broker));
    });
    if (future.wait_for(std::chrono::seconds{5}) != std::future_status::ready) {
        return Error{Errc::unavailable, "a worker did not answer within 5 s"};
    }
    return future.get();
}

Result<std::string> Clients::list(const ManageFields& fields) const {
    std::uint64_t limit = limit_default;
    if (const std::string text = field(fields, "limit"); !text.empty()) {
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
        if (failure != std::errc{} || end != text.data() + text.size()) {
            return Error{Errc::invalid_argument, "--limit: a whole number is expected"};
        }
    }
    const std::string state = field(fields, "state");
    std::string all;
    std::uint64_t shown = 0;
    std::uint64_t passed_over = 0;
    for (std::uint32_t worker = 0; worker < shared_.worker_count; ++worker) {
        const auto counts = std::make_shared<std::pair<std::uint64_t, std::uint64_t>>();
        const std::uint64_t room = limit == 0 ? UINT64_MAX : limit - shown;
        auto answer = ask(worker, [state, room, counts](Broker& broker) {
            std::string lines;
            broker.for_each_session([&](const Session& session) {
                const bool is_online = session.link != nullptr;
                if (state == "online" ? !is_online : state == "offline" && is_online) {
                    return;
                }
                if (counts->first == room) {
                    ++counts->second;
                    return;
                }
                ++counts->first;
                lines += line_of(session);
            });
            return lines;
        });
        if (!answer) {
            return answer;
        }
        all += *answer;
        shown += counts->first;
        passed_over += counts->second;
    }
    if (passed_over != 0) {
        all += "and " + std::to_string(passed_over) + " more: see --limit\n";
    }
    return all.empty() ? std::string{"There are no clients.\n"} : all;
}

Result<std::string> Clients::manage(const std::string& name, const ManageFields& fields) const {
    if (name == "clients_list") {
        return list(fields);
    }
    const std::string client_id = field(fields, "client");
    const bool is_kick = name == "clients_kick";
    auto answer = ask(shared_.worker_of(client_id), [client_id, is_kick](Broker& broker) {
        Session* const session = broker.find_session(client_id);
        if (session == nullptr) {
            return std::string{};
        }
        if (!is_kick) {
            return page_of(broker, *session);
        }
        return std::string{broker.kick(client_id, ReasonCode::administrative_action)
                               ? "The connection is ended.\n"
                               : "The client is not connected.\n"};
    });
    if (answer && answer->empty()) {
        return Error{Errc::not_found, "there is no such client"};
    }
    return answer;
}

}  // namespace gw
