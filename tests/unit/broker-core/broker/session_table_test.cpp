// The table of sessions against a map.
#include "broker-core/broker/session_table.hpp"

#include "broker-core/base/random.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

using namespace gw;

namespace {

std::unique_ptr<Session> session_named(const std::string& client_id, SessionRef ref) {
    auto identity = std::make_unique<ClientIdentity>();
    identity->client_id = client_id;
    identity->session = ref;
    auto session = std::make_unique<Session>();
    session->identity = IdentityPtr{identity.release()};
    return session;
}

}  // namespace

TEST_CASE("the session table agrees with a map") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        SessionTable table{3, seed};
        std::map<std::string, SessionRef> model;
        std::vector<SessionRef> ended;
        for (int round = 0; round < 6000; ++round) {
            const std::string id = "client" + std::to_string(random.below(600));
            const bool is_growing = round / 1500 % 2 == 0;
            const auto known = model.find(id);
            REQUIRE((table.find(id) != nullptr) == (known != model.end()));
            if (known == model.end()) {
                if (random.below(10) < (is_growing ? 9U : 2U)) {
                    const bool persistent = random.below(2) == 0;
                    const SessionRef ref = table.next_ref(persistent);
                    CHECK(ref.is_persistent() == persistent);
                    CHECK(ref.worker() == 3);
                    const Session& added = table.add(session_named(id, ref));
                    REQUIRE(&added == table.find(ref));
                    model.emplace(id, ref);
                }
            } else if (random.below(10) < (is_growing ? 2U : 8U)) {
                ended.push_back(known->second);
                table.remove(*table.find(id));
                model.erase(known);
            } else {
                REQUIRE(table.find(id)->ref() == known->second);
                REQUIRE(table.find(known->second)->client_id() == id);
            }
            REQUIRE(table.size() == model.size());
            if (!ended.empty()) {
                // A reference to a session that has ended finds nothing, nor its successor.
                REQUIRE(table.find(ended[random.below(ended.size())]) == nullptr);
            }
        }
        std::set<std::string> visited;
        table.for_each([&](Session& session) { visited.insert(session.client_id()); });
        CHECK(visited.size() == model.size());
        CHECK(table.find(SessionRef{3, 1'000'000, 1, false}) == nullptr);
    }
}
