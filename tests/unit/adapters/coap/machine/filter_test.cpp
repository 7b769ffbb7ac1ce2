// Filters, as CoAP clients see what they do.
#include "tests/support/coap_test.hpp"
#include "tests/support/scripted_filter.hpp"

namespace gw::test {

namespace {

struct FilteredTest : CoapTest {
    FilteredTest() { world.add_filter(filter); }
    std::string put(std::string_view path, std::string_view payload, std::uint16_t id) {
        return ask({.code = Code::put,
                    .message_id = id,
                    .path = path,
                    .query = "c=me",
                    .payload = payload});
    }
    std::shared_ptr<ScriptedFilter> filter = std::make_shared<ScriptedFilter>();
};

}  // namespace

TEST_CASE("what a filter refuses has a code; what it holds up is answered later, once") {
    FilteredTest t;
    FilterAnswer answer = FilterAnswer::refuse(ReasonCode::administrative_action);
    t.filter->publish = [&](PublishDraft&) {
        return answer;
    };
    CHECK(t.put("ps/a", "1", 1).substr(4, 4) == "4.03");
    answer = FilterAnswer::refuse(ReasonCode::quota_exceeded);
    CHECK(t.put("ps/a", "1", 2).substr(4, 4) == "4.29");
    answer = {FilterAnswer::Kind::pending};
    CHECK(t.put("ps/a", "1", 3) == "");
    answer = {};
    t.world.turn(
        0, [](Broker& broker) { broker.on_access_decided(broker.find_session("me")->ref()); });
    t.world.settle();
    CHECK(t.next() == "ACK 2.04 #3");
    t.filter->subscribe = [](SubscribeDraft&) {
        return FilterAnswer::refuse(ReasonCode::administrative_action);
    };
    CHECK(
        t.ask({.code = Code::get, .message_id = 4, .path = "ps/a", .query = "c=me"}).substr(4, 4) ==
        "4.03");
}

TEST_CASE("a topic that is rewritten is read under what the client calls it") {
    FilteredTest t;
    t.filter->rewritten = {{"old", "new"}};
    CHECK(t.ask({.code = Code::put,
                 .message_id = 1,
                 .path = "ps/old",
                 .query = "c=me&retain=1",
                 .payload = "x"})
              .substr(4, 2) == "2.");
    const std::string read =
        t.ask({.code = Code::get, .message_id = 2, .path = "ps/old", .query = "c=me"});
    CHECK(read.substr(4, 4) == "2.05");
    CHECK(t.world.shared().retained.find("new", MonotonicTime{}) != nullptr);
    CHECK(t.world.shared().retained.find("old", MonotonicTime{}) == nullptr);
}

TEST_CASE("who observes what was rewritten is told of it") {
    FilteredTest t;
    t.filter->rewritten = {{"old", "new"}};
    const std::string first = t.ask({.code = Code::get,
                                     .message_id = 1,
                                     .token = "t",
                                     .path = "ps/old",
                                     .query = "c=me",
                                     .options = {{option::observe, ""}}});
    CHECK(first.substr(4, 4) == "2.05");
    t.publish("new", "x");
    CHECK(t.take().find("| x") != std::string::npos);
}

TEST_CASE("a retained message for which there is no room is refused with 4.29") {
    SimOptions sim;
    sim.retained = {.count_max = 1};
    CoapTest t{sim};
    const auto put = [&](std::string_view path, std::uint16_t id) {
        return t.ask({.code = Code::put,
                      .message_id = id,
                      .path = path,
                      .query = "retain=1",
                      .payload = "x"});
    };
    CHECK(put("ps/one", 1).substr(4, 2) == "2.");
    CHECK(put("ps/two", 2).substr(4, 4) == "4.29");
    CHECK(put("ps/one", 3).substr(4, 2) == "2.");
}

TEST_CASE("a client id that is rewritten names the client in each request") {
    FilteredTest t;
    t.filter->client_id = [](std::string_view own) {
        return std::optional{"tenant-" + std::string{own}};
    };
    CHECK(t.put("ps/a", "1", 1).substr(4, 2) == "2.");
    const Session* const session = t.world.broker().find_session("tenant-me");
    REQUIRE(session != nullptr);
    CHECK(t.world.broker().find_session("me") == nullptr);
    CHECK(t.put("ps/a", "2", 2).substr(4, 2) == "2.");
    CHECK(t.world.broker().find_session("tenant-me") == session);
    // One without an id has one that is rewritten too.
    CHECK(t.ask({.code = Code::put, .message_id = 3, .path = "ps/a", .payload = "3"}, 1001)
              .substr(4, 2) == "2.");
    std::vector<std::string> ids;
    t.world.broker().for_each_session([&](Session& one) { ids.emplace_back(one.client_id()); });
    for (const std::string& id : ids) {
        CHECK(id.starts_with("tenant-"));
    }
    CHECK(ids.size() == 2);
}

TEST_CASE("what a connect filter refuses has a code; the name that it leaves is judged") {
    FilteredTest t;
    t.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    FilterAnswer answer = FilterAnswer::refuse(ReasonCode::not_authorized);
    t.filter->connect = [&](ConnectDraft& draft) {
        CHECK(draft.protocol.family == "coap");
        draft.username = "ann";
        return answer;
    };
    const std::string refused = t.put("ps/a", "1", 1);
    CHECK(refused.substr(4, 2) == "4.");
    answer = {};
    CHECK(t.put("ps/a", "1", 2).substr(4, 2) == "2.");
    CHECK(t.world.broker().find_session("me")->identity->principal() == "ann");
}

}  // namespace gw::test
