// The broker core by itself, with a link that is not MQTT.
#include "broker-core/broker/broker.hpp"

#include "tests/support/delayed_storage.hpp"
#include "tests/support/fake_access.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

using Texts = std::vector<std::string>;

/// Keeps what the broker says.
struct FakeLink final : SessionLink {
    bool on_delivery(const DeliveryView& delivery) override {
        if (delivery.message.payload().size() > payload_bytes_max) {
            return false;
        }
        said.push_back("deliver " + std::string{as_text(delivery.message.payload())} +
                       (delivery.packet_id != 0 ? " " + std::to_string(delivery.packet_id) : "") +
                       (delivery.is_resend ? " again" : ""));
        return true;
    }
    void on_release(std::uint16_t packet_id) override {
        said.push_back("release " + std::to_string(packet_id));
    }
    void on_session_lost(ReasonCode reason) override {
        said.push_back("lost: " + std::string{reason_text(reason)});
    }
    void on_stored(StoreTicket ticket, StoreOutcome outcome) override {
        said.push_back((outcome == StoreOutcome::stored ? "stored " : "failed ") +
                       std::to_string(ticket));
    }
    void on_access_decided() override { said.emplace_back("decided"); }
    void on_login_decided(LoginAnswer& answer) override {
        said.push_back("login " + std::to_string(answer.token));
        answers.push_back(std::move(answer));
    }
    Texts take() { return std::exchange(said, {}); }

    Texts said;
    std::vector<LoginAnswer> answers;
    std::size_t payload_bytes_max = 1000;
};

struct NoExchange final : Exchange {
    void post(std::uint32_t, std::uint32_t, CrossBatch& batch, StoreTicket) override {
        batch.clear();
    }
    void post_task(std::uint32_t, BrokerTask) override {}
};

struct Fixture {
    explicit Fixture(const BrokerOptions& options = quiet_options())
        : shared({}, {}, 1), broker(shared, options, 0, exchange, storage, Now{}, 1) {
        shared.access = std::make_shared<NoMatchPolicy>(AccessDecision::allow);
        shared.authenticator = authenticator;
        shared.log = &log;
    }
    static BrokerOptions quiet_options() {
        BrokerOptions options;
        options.presence_events = false;
        return options;
    }
    Session& open(std::string_view id, FakeLink& link, std::uint32_t expiry = 0) {
        SessionTerms terms;
        terms.clean_start = false;
        terms.expiry_interval = expiry;
        const OpenedSession opened = connect(id, {}, std::move(terms), link);
        REQUIRE(opened.session != nullptr);
        broker.start_delivery(*opened.session);
        return *opened.session;
    }
    /// A login as the authenticator of the test decides it, which must be at once.
    OpenedSession connect(std::string_view id, std::string_view username, SessionTerms&& terms,
                          FakeLink& link, const PeerInfo& peer = {}) {
        const LoginAnswer answer =
            broker.connect({.shown = {.client_id = id, .username = username, .peer = peer},
                            .terms = std::move(terms)},
                           link);
        REQUIRE(answer.kind != LoginAnswer::Kind::pending);
        return answer.opened;
    }
    void subscribe(Session& session, std::string_view text, Qos qos) {
        const auto filter = parse_topic_filter(text, {});
        SubscriptionOptions options;
        options.qos = static_cast<std::uint32_t>(qos) & 3U;
        CHECK(broker.subscribe(session, {.filter = *filter, .options = options}).reason ==
              static_cast<ReasonCode>(qos));
        broker.send_retained(session);
    }
    PublishOutcome publish(Session& session, std::string_view topic, std::string_view payload,
                           Qos qos, bool retain = false) {
        return broker.publish(
            session, {.topic = topic, .payload = as_bytes(payload), .qos = qos, .retain = retain});
    }

    NullLog log;
    NoExchange exchange;
    std::shared_ptr<FakeAuthenticator> authenticator = std::make_shared<FakeAuthenticator>();
    StoreTicket last_write = 0;
    DelayedStorage storage{[this](StoreTicket ticket, const DelayedStorage::Covers&) {
        last_write = ticket;
    }};
    BrokerShared shared;
    Broker broker;
};

}  // namespace

TEST_CASE("a session's life: made, resumed, ended") {
    Fixture f;
    FakeLink first;
    Session& session = f.open("c", first, 100);
    CHECK(f.shared.session_count == 1);
    f.subscribe(session, "t", Qos::at_least_once);
    f.broker.close_connection(session, {});
    FakeLink publisher;
    f.publish(f.open("p", publisher), "t", "one", Qos::at_least_once);
    FakeLink second;
    CHECK(&f.open("c", second, 100) == &session);
    CHECK(second.take() == Texts{"deliver one 1"});
    CHECK(f.broker.kick("c", ReasonCode::administrative_action));
    CHECK(second.take() == Texts{"lost: administrative action"});
    CHECK_FALSE(f.broker.kick("c", ReasonCode::administrative_action));
    f.broker.set_now({MonotonicTime{Seconds{100}}, {}});
    f.broker.on_deadline();
    CHECK(f.broker.find_session("c") == nullptr);
    CHECK(f.shared.session_count == 1);
    CHECK(f.broker.metrics()
              .messages_dropped_by_reason[static_cast<std::size_t>(DropReason::session_ended)]
              .value() == 1);
}

TEST_CASE("output that is blocked holds deliveries back, in order, and lets them go") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link);
    f.subscribe(session, "t", Qos::at_least_once);
    link.is_output_blocked = true;
    f.publish(session, "t", "1", Qos::at_least_once);
    f.publish(session, "t", "2", Qos::at_most_once);
    CHECK(link.take().empty());
    CHECK(session.queue.count() == 2);
    link.is_output_blocked = false;
    f.publish(session, "t", "3", Qos::at_most_once);  // may not overtake
    CHECK(link.take().empty());
    f.broker.on_writable(session);
    CHECK(link.take() == Texts{"deliver 1 1", "deliver 2", "deliver 3"});
}

TEST_CASE("nothing goes out between the opening of a session and the start of delivery") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link, 100);
    f.subscribe(session, "t", Qos::at_least_once);
    f.broker.close_connection(session, {});
    FakeLink publisher;
    Session& other = f.open("p", publisher);
    FakeLink back;
    SessionTerms terms;
    terms.clean_start = false;
    terms.expiry_interval = 100;
    CHECK(f.connect("c", {}, std::move(terms), back).session_present);
    f.publish(other, "t", "1", Qos::at_most_once);
    CHECK(back.take().empty());
    f.broker.start_delivery(session);
    CHECK(back.take() == Texts{"deliver 1"});
}

TEST_CASE("tickets: one call for all that a session waits for, and none for one that has gone") {
    Fixture f;
    FakeLink keeper_link;
    Session& keeper = f.open("keeper", keeper_link, 100);
    f.subscribe(keeper, "t", Qos::at_least_once);
    FakeLink a_link;
    FakeLink b_link;
    Session& a = f.open("a", a_link);
    Session& b = f.open("b", b_link);
    const StoreTicket first = f.publish(a, "t", "1", Qos::at_least_once).ticket;
    CHECK(first != 0);
    CHECK(f.publish(a, "t", "2", Qos::at_least_once).ticket == first);  // the same turn
    f.broker.flush();
    CHECK(f.last_write == first);
    const StoreTicket second = f.publish(a, "t", "3", Qos::at_least_once).ticket;
    CHECK(first < second);
    CHECK(f.publish(b, "t", "4", Qos::at_least_once).ticket == second);
    CHECK(f.publish(a, "t", "5", Qos::at_most_once).ticket == 0);
    CHECK(f.publish(a, "nobody", "6", Qos::at_least_once).ticket == 0);
    f.broker.flush();
    const StoreTicket third = f.publish(a, "t", "7", Qos::at_least_once).ticket;
    f.broker.flush();
    f.broker.close_connection(b, {});
    const auto report = [&](StoreTicket ticket, StoreOutcome outcome) {
        f.broker.on_store_progress({.own_ticket = ticket, .outcome = outcome, .covers = {}});
    };
    report(first, StoreOutcome::stored);
    CHECK(a_link.take() == Texts{"stored " + std::to_string(first)});
    report(third, StoreOutcome::failed);  // waits for the one before
    CHECK(a_link.take().empty());
    report(second, StoreOutcome::stored);
    CHECK(a_link.take() ==
          Texts{"stored " + std::to_string(second), "failed " + std::to_string(third)});
    CHECK(b_link.take().empty());
}

TEST_CASE("a delivery the link finds too large is as good as acknowledged") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link);
    f.subscribe(session, "t", Qos::exactly_once);
    link.payload_bytes_max = 3;
    f.publish(session, "t", "large", Qos::exactly_once);
    f.publish(session, "t", "ok", Qos::exactly_once);
    CHECK(link.take() == Texts{"deliver ok 2"});
    CHECK(session.inflight.count() == 1);
}

TEST_CASE("a message larger than the new connection takes is dropped when it is sent again") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link, 100);
    f.subscribe(session, "t", Qos::at_least_once);
    for (const char* payload : {"1", "large", "3"}) {
        f.publish(session, "t", payload, Qos::at_least_once);
    }
    f.broker.close_connection(session, {});
    FakeLink back;
    back.payload_bytes_max = 3;
    f.open("c", back, 100);
    CHECK(back.take() == Texts{"deliver 1 1 again", "deliver 3 3 again"});
    CHECK(session.inflight.count() == 2);
    CHECK(session.unsent_resends == 0);
}

TEST_CASE("a client id that no event can name does no harm") {
    BrokerOptions options;  // with events
    Fixture f{options};
    FakeLink link;
    const std::string id(65535, 'x');
    Session& session = f.open(id, link);
    f.broker.close_connection(session, {});
    const std::string odd(30000, '/');  // three times as long when encoded
    f.broker.close_connection(f.open(odd, link), {});
    CHECK(f.shared.session_count == 0);
}

TEST_CASE("client ids that are made are this worker's and new") {
    Fixture f;
    const std::string a = f.broker.make_client_id(nullptr, internal_protocol);
    const std::string b = f.broker.make_client_id(nullptr, internal_protocol);
    CHECK(a != b);
    CHECK(a.starts_with("mangrove-"));
    CHECK(f.broker.worker_of(a) == f.broker.worker());
}

TEST_CASE("pending logins: answered once, forgotten, unknown") {
    Fixture f;
    FakeLink link;
    const PeerInfo peer;
    const auto connect = [&] {
        const std::string id = "c";  // gone when the answer comes
        const LoginAnswer answer =
            f.broker.connect({.shown = {.client_id = id, .username = "later", .peer = peer}}, link);
        CHECK(answer.kind == LoginAnswer::Kind::pending);
        return answer.token;
    };
    const AuthToken token = connect();
    const AuthDecision ann = FakeAuthenticator::decision_for("ann");
    f.broker.on_auth_decided(token + 1, ann);
    f.broker.on_auth_step(token, {AuthStep::Kind::accepted, "", ann});
    CHECK(link.take().empty());
    f.broker.on_auth_decided(token, ann);
    CHECK(link.take() == Texts{"login " + std::to_string(token)});
    REQUIRE(link.answers.size() == 1);
    CHECK(link.answers[0].kind == LoginAnswer::Kind::opened);
    CHECK(link.answers[0].opened.session == f.broker.find_session("c"));
    CHECK(f.broker.find_session("c")->identity->username == "ann");
    f.broker.on_auth_decided(token, ann);
    CHECK(link.take().empty());
    const AuthToken other = connect();
    f.broker.forget_login(other);
    CHECK(f.authenticator->cancelled == std::vector<AuthToken>{other});
    f.broker.on_auth_decided(other, ann);
    CHECK(link.take().empty());
}

TEST_CASE("the same filter again and again without reading what is retained is bounded") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link);
    f.publish(session, "t", "kept", Qos::at_least_once, true);
    link.is_output_blocked = true;
    const auto filter = parse_topic_filter("t", {});
    int granted_count = 0;
    while (f.broker.subscribe(session, {.filter = *filter, .options = {}}).reason ==
           ReasonCode::success) {
        REQUIRE(++granted_count < 1000);
    }
    CHECK(f.broker.subscribe(session, {.filter = *filter, .options = {}}).reason ==
          ReasonCode::quota_exceeded);
}

TEST_CASE("a session is given to its own user, by a proof as strong as its own") {
    using enum ProofStrength;
    struct Row {
        const char* owner;  // "": anonymous
        ProofStrength made_with;
        const char* newcomer;
        ProofStrength shown;
        const char* refused;               // by strength
        const char* refused_by_principal;  // with mqtt.session.takeover = principal
    };
    constexpr Row rows[] = {
        {"", none, "", none, "", ""},
        {"", none, "ann", key, "other_principal", "other_principal"},
        {"ann", listed, "", none, "other_principal", "other_principal"},
        {"ann", key, "bob", key, "other_principal", "other_principal"},
        {"ann", key, "ann", secret, "weaker_proof", ""},
        {"ann", key, "ann", listed, "weaker_proof", ""},
        {"ann", secret, "ann", listed, "weaker_proof", ""},
        {"ann", secret, "ann", secret, "", ""},
        {"ann", listed, "ann", key, "", ""},
        {"ann", key, "ann", key, "", ""},
    };
    struct Strong final : Authenticator {
        std::optional<AuthDecision> authenticate(const Credentials& shown, std::uint32_t,
                                                 AuthToken) override {
            AuthDecision decision = FakeAuthenticator::decision_for(*shown.username);
            decision.strength = strength;
            return decision;
        }
        ProofStrength strength = ProofStrength::none;
    };
    for (const Row& row : rows) {
        for (const bool by_strength : {true, false}) {
            for (const bool clean_start : {true, false}) {
                CAPTURE(row.made_with);
                CAPTURE(row.shown);
                CAPTURE(by_strength);
                BrokerOptions options = Fixture::quiet_options();
                options.takeover_by_strength = by_strength;
                Fixture f{options};
                const auto strong = std::make_shared<Strong>();
                f.shared.authenticator = strong;
                const auto open = [&](FakeLink& link, const char* name, ProofStrength strength) {
                    SessionTerms terms;
                    terms.clean_start = clean_start;
                    terms.expiry_interval = 100;
                    strong->strength = strength;
                    return f.connect("c", name, std::move(terms), link);
                };
                FakeLink owner;
                REQUIRE(open(owner, row.owner, row.made_with).session != nullptr);
                FakeLink newcomer;
                const auto opened = open(newcomer, row.newcomer, row.shown);
                const std::string refused = by_strength ? row.refused : row.refused_by_principal;
                CHECK((opened.session == nullptr) == !refused.empty());
                std::string counted;
                for (std::size_t i = 0; i < door_reason_count; ++i) {
                    if (f.broker.metrics().door_refused_by_reason[i].value() != 0) {
                        counted += door_reason_name(static_cast<DoorReason>(i));
                    }
                }
                CHECK(counted == refused);
                if (!refused.empty()) {
                    CHECK(opened.reason == ReasonCode::client_identifier_not_valid);
                    CHECK(owner.take().empty());  // it is left alone
                }
            }
        }
    }
}

TEST_CASE("a user that a listener has for all its clients is a weak proof, whatever proves him") {
    Fixture f;
    FakeLink link;
    const PeerInfo peer;
    for (const bool is_fixed_user : {false, true}) {
        const std::string id = is_fixed_user ? "fixed" : "own";
        const LoginAnswer answer = f.broker.connect({.shown = {.client_id = id,
                                                               .username = "ann",
                                                               .peer = peer,
                                                               .is_fixed_user = is_fixed_user}},
                                                    link);
        REQUIRE(answer.kind == LoginAnswer::Kind::opened);
        CHECK(answer.opened.session->identity->strength ==
              (is_fixed_user ? ProofStrength::listed : ProofStrength::secret));
    }
}

TEST_CASE("names of the gateway's own are nobody's from outside") {
    using namespace std::string_view_literals;
    struct Row {
        std::string_view name;
        bool is_refused;
    };
    constexpr Row rows[] = {
        {"\0held"sv, true}, {"\0"sv, true},       {"console:ann", true},
        {"local:0", true},  {"console", false},   {"localhost", false},
        {"a\0b"sv, false},  {"Console:x", false}, {" local:", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        Fixture f;
        FakeLink link;
        const auto reason_of = [&](std::string_view id, std::string_view username) {
            return f.connect(id, username, {}, link).reason;
        };
        const ReasonCode expected =
            row.is_refused ? ReasonCode::client_identifier_not_valid : ReasonCode::success;
        CHECK(reason_of(row.name, "ann") == expected);
        CHECK(reason_of("c", row.name) == expected);
        // And wherever the name comes from, at last when a session is to be made.
        const LoginAnswer pending = f.broker.connect(
            {.shown = {.client_id = "other", .username = "later", .peer = PeerInfo{}}}, link);
        f.broker.on_auth_decided(pending.token, FakeAuthenticator::decision_for(row.name));
        REQUIRE(link.answers.size() == 1);
        CHECK(link.answers[0].opened.reason == expected);
    }
}

TEST_CASE("what a place means is judged in one way") {
    struct Rules {
        bool anonymous, local_anonymous, unix_administrators;
        const char* administrators;  // a range, or nothing
        const char* denied;          // a range, or nothing
    };
    struct Row {
        Rules rules;
        const char* ip;  // nothing: a Unix socket
        bool is_relayed, has_proofs, is_anonymous;
        const char* expected;  // refusal, or the rights
        const char* because;
    };
    constexpr Rules built_in{false, true, true, "127.0.0.0/8", nullptr};
    constexpr Rules configured{false, false, true, nullptr, nullptr};
    constexpr Rules open{true, false, false, "0.0.0.0/0", "10.0.0.0/8"};
    constexpr Row rows[] = {
        {built_in, "127.0.0.1", false, false, true, "anonymous administrator", "the first try"},
        {built_in, "127.0.0.1", true, false, true, "", "a proxy, or a page of another host"},
        {built_in, "127.0.0.1", false, true, true, "anonymous", "others have proofs by now"},
        {built_in, "127.0.0.1", false, true, false, "anonymous administrator", "has a proof"},
        {built_in, nullptr, false, false, true, "anonymous administrator", "a Unix socket"},
        {built_in, nullptr, true, false, true, "", "a Unix socket that a proxy speaks to"},
        {configured, "127.0.0.1", false, false, true, "", "who forwards to it, nobody knows"},
        {configured, nullptr, false, false, true, "administrator", "its files have a mode"},
        {open, "192.0.2.1", true, false, true, "anonymous", "from everywhere, by a proxy too"},
        {open, "192.0.2.1", false, false, true, "anonymous administrator", "as it is said"},
        {open, "10.1.2.3", false, false, false, "access_list", "kept out, whoever it is"},
        {open, "203.0.113.7", false, false, false, "banned", "kept out everywhere"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        Fixture f;
        struct Proofs final : Authenticator {
            std::optional<AuthDecision> authenticate(const Credentials&, std::uint32_t,
                                                     AuthToken) override {
                return std::nullopt;
            }
            bool has_proofs() const override { return has; }
            bool has = false;
        };
        const auto proofs = std::make_shared<Proofs>();
        proofs->has = row.has_proofs;
        f.shared.authenticator = proofs;
        f.shared.door = std::make_shared<Door>(DoorOptions{}, 1);
        Ban ban;
        ban.kind = BanKind::address;
        ban.range = *IpRange::parse("203.0.113.0/24");
        REQUIRE(f.shared.door->add_ban(ban, {}).has_value());
        auto rules = std::make_shared<OriginRules>();
        rules->allows_anonymous = row.rules.anonymous;
        rules->allows_local_anonymous = row.rules.local_anonymous;
        rules->has_unix_administrators = row.rules.unix_administrators;
        if (row.rules.administrators != nullptr) {
            rules->administrators.push_back(*IpRange::parse(row.rules.administrators));
        }
        if (row.rules.denied != nullptr) {
            rules->access.push_back({false, IpRange::parse(row.rules.denied)});
        }
        const Origin origin{.ip = row.ip != nullptr ? *IpAddress::parse(row.ip) : IpAddress{},
                            .is_unix = row.ip == nullptr,
                            .is_relayed = row.is_relayed,
                            .rules = rules.get()};
        const OriginVerdict verdict =
            f.broker.judge_origin(origin, {.is_anonymous = row.is_anonymous});
        std::string found;
        if (verdict.refusal) {
            found = door_reason_name(*verdict.refusal);
        } else {
            found = verdict.allows_anonymous ? "anonymous" : "";
            found += verdict.allows_anonymous && verdict.is_administrator ? " " : "";
            found += verdict.is_administrator ? "administrator" : "";
        }
        CHECK(found == row.expected);
    }
}

TEST_CASE("nobody keeps the rights of an administrator without a proof, once there are proofs") {
    Fixture f;
    struct Proofs final : Authenticator {
        std::optional<AuthDecision> authenticate(const Credentials& shown, std::uint32_t,
                                                 AuthToken) override {
            return FakeAuthenticator::decision_for(*shown.username);
        }
        bool has_proofs() const override { return has; }
        bool has = false;
    };
    const auto proofs = std::make_shared<Proofs>();
    f.shared.authenticator = proofs;
    auto rules = std::make_shared<OriginRules>();
    rules->administrators.push_back(*IpRange::parse("127.0.0.0/8"));
    const PeerInfo peer{.ip = *IpAddress::parse("127.0.0.1"), .rules = rules};
    const auto open = [&](std::string_view id, std::string_view username, FakeLink& link) {
        Session* const session = f.connect(id, username, {}, link, peer).session;
        f.broker.start_delivery(*session);
        return session;
    };
    FakeLink nameless;
    FakeLink ann;
    Session* const one = open("n", "", nameless);
    Session* const two = open("a", "ann", ann);
    CHECK(one->identity->is_administrator);
    f.subscribe(*one, "$SYS/#", Qos::at_most_once);
    f.subscribe(*two, "$SYS/#", Qos::at_most_once);
    proofs->has = true;
    f.broker.revise_administrators();
    CHECK_FALSE(one->identity->is_administrator);
    CHECK(two->identity->is_administrator);
    f.broker.publish_internal("$SYS/x", "1", false);
    CHECK(nameless.take().empty());
    CHECK(ann.take() == Texts{"deliver 1"});
    CHECK_FALSE(open("m", "", nameless)->identity->is_administrator);
}

TEST_CASE("a message that the retained store refuses is delivered all the same, and counted") {
    NullLog log;
    NoExchange exchange;
    MemoryStorage storage;
    BrokerShared shared{{}, {.count_max = 1}, 1};
    shared.access = std::make_shared<NoMatchPolicy>(AccessDecision::allow);
    shared.log = &log;
    Broker broker{shared, Fixture::quiet_options(), 0, exchange, storage, Now{}, 1};
    broker.publish_internal("a", "1", true);
    broker.publish_internal("b", "1", true);
    CHECK(broker.metrics().retained_refused.value() == 1);
    CHECK(shared.retained.count() == 1);
}

TEST_CASE("a publisher without a session hears by a call that what it said is stored") {
    Fixture f;
    FakeLink link;
    Session& session = f.open("c", link, 100);
    f.subscribe(session, "t", Qos::exactly_once);
    f.broker.flush();
    f.broker.on_store_progress({.own_ticket = f.last_write, .covers = {}});
    link.take();
    const IdentityPtr nobody{new ClientIdentity};
    std::vector<StoreOutcome> heard;
    const auto publish = [&](std::string_view topic, Qos qos) {
        return f.broker.publish_unowned(
            nobody, {.topic = topic, .payload = as_bytes("x"), .qos = qos},
            [&heard](StoreOutcome outcome) { heard.push_back(outcome); });
    };
    CHECK(publish("t", Qos::at_most_once).ticket == 0);
    CHECK(publish("nobody", Qos::at_least_once).reason == ReasonCode::no_matching_subscribers);
    CHECK(publish("t", Qos::at_least_once).ticket != 0);
    CHECK(publish("t", Qos::exactly_once).ticket != 0);
    CHECK(heard.empty());
    f.broker.flush();
    CHECK(heard.empty());
    f.broker.on_store_progress({.own_ticket = f.last_write, .covers = {}});
    CHECK(heard == std::vector<StoreOutcome>{StoreOutcome::stored, StoreOutcome::stored});
    CHECK(publish("t", Qos::at_least_once).ticket != 0);
    f.broker.flush();
    f.broker.on_store_progress(
        {.own_ticket = f.last_write, .outcome = StoreOutcome::failed, .covers = {}});
    REQUIRE(heard.size() == 3);
    CHECK(heard[2] == StoreOutcome::failed);
}
