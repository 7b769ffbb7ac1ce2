// Rights under random sequences of all that changes them: whatever has happened before, nobody gets
// a message, and nobody's message is taken, against what the present rules say of who somebody is
// and where from.
#include "broker-core/access/acl_policy.hpp"
#include "broker-core/base/random.hpp"
#include "broker-core/broker/broker.hpp"
#include "broker-core/door/door.hpp"
#include "broker-core/topic/topic.hpp"
#include "config/acl/acl_parser.hpp"
#include "tests/sim/sim_support.hpp"
#include "tests/support/fake_access.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

constexpr std::array<std::string_view, 3> users{"", "ann", "bob"};
constexpr std::array<std::string_view, 3> addresses{"10.0.0.1", "10.0.0.2", "10.0.0.3"};
constexpr std::array<std::string_view, 4> topics{"a", "a/x", "b", "b/x"};
constexpr std::array<std::string_view, 5> filters{"a/#", "b/#", "a", "+/x", "$share/g/b/#"};
constexpr std::array<std::string_view, 4> ids{"c1", "c2", "c3", "c4"};

/// One line of the rules, and what it means.
struct Rule {
    bool is_allow;
    std::string_view user, address;  // empty: any
    bool is_publish;
    std::string_view filter;

    bool decides(std::string_view who, std::string_view where, bool publishes,
                 std::string_view topic) const {
        return (user.empty() || user == who) && (address.empty() || address == where) &&
               is_publish == publishes && filter_matches(filter, topic);
    }
    std::string text() const {
        std::string who;
        who += user.empty() ? "" : "user=" + std::string{user} + " ";
        who += address.empty() ? "" : "ip=" + std::string{address} + " ";
        return std::string{is_allow ? "allow" : "deny"} + " = " + (who.empty() ? "all " : who) +
               (is_publish ? "publish " : "subscribe ") + std::string{filter} + "\n";
    }
};

class RightsSimulation {
public:
    explicit RightsSimulation(std::uint64_t seed)
        : random_(seed),
          shared_({}, {}, 1),
          policy_(std::make_shared<AclPolicy>(1, table())),
          broker_(shared_, quiet_options(), 0, exchange_, storage_, Now{}, seed) {
        shared_.access = policy_;
        shared_.authenticator = std::make_shared<Believing>();
        shared_.door = std::make_shared<Door>(DoorOptions{}, seed);
        shared_.log = &log_;
        listener_.allows_anonymous = true;
    }
    ~RightsSimulation() {
        for (const auto& link : links_) {
            if (link->session != nullptr) {
                broker_.close_connection(*link->session, {});
            }
        }
    }

    /// Empty when all is well.
    std::vector<std::string> run() {
        for (int step = 0; step < 400 && failures_.empty(); ++step) {
            take_step();
        }
        return std::move(failures_);
    }

    std::size_t delivered_count = 0, refused_count = 0, taken_count = 0, moved_count = 0;

private:
    struct Link final : SessionLink {
        RightsSimulation& world;
        Session* session = nullptr;  // null: over
        std::string_view user, address;

        explicit Link(RightsSimulation& owner) : world(owner) {}
        bool on_delivery(const DeliveryView& delivery) override {
            world.on_delivery(*this, delivery);
            return true;
        }
        void on_release(std::uint16_t) override {}
        void on_session_lost(ReasonCode) override { session = nullptr; }
        void on_stored(StoreTicket, StoreOutcome) override {}
        void on_access_decided() override {}
        void on_login_decided(LoginAnswer&) override {}
    };
    /// Everybody is who he says he is.
    struct Believing final : Authenticator {
        std::optional<AuthDecision> authenticate(const Credentials& shown, std::uint32_t,
                                                 AuthToken) override {
            AuthDecision decision;
            decision.reason = ReasonCode::success;
            decision.username = shown.username.value_or("");
            decision.is_anonymous = decision.username.empty();
            decision.strength = decision.is_anonymous ? ProofStrength::none : ProofStrength::secret;
            return decision;
        }
    };
    struct NoExchange final : Exchange {
        void post(std::uint32_t, std::uint32_t, CrossBatch& batch, StoreTicket) override {
            batch.clear();
        }
        void post_task(std::uint32_t, BrokerTask) override {}
    };

    static BrokerOptions quiet_options() {
        BrokerOptions options;
        options.presence_events = false;
        return options;
    }
    template <class Choices>
    std::string_view one_of(const Choices& choices) {
        return choices[random_.below(choices.size())];
    }
    bool is_banned(std::string_view address) const {
        return banned_[static_cast<std::size_t>(address.back() - '1')];
    }
    /// The rules, asked afresh.
    bool allows(const Link& link, bool publishes, std::string_view topic) const {
        for (const Rule& rule : rules_) {
            if (rule.decides(link.user, link.address, publishes, topic)) {
                return rule.is_allow;
            }
        }
        return true;
    }
    AclTablePtr table() const {
        std::string text;
        for (const Rule& rule : rules_) {
            text += rule.text();
        }
        auto parsed = config::parse_acl("acl", text);
        REQUIRE(parsed.diagnostics.empty());
        return AclTable::create(std::move(parsed.rules), AccessDecision::allow);
    }
    Origin origin_of(std::string_view address) const {
        Origin origin;
        origin.ip = *IpAddress::parse(address);
        origin.port = 1000;
        origin.rules = &listener_;
        return origin;
    }
    void fail(const Link& link, const std::string& what) {
        failures_.push_back(what + " of '" + std::string{link.user} + "' at " +
                            std::string{link.address});
    }
    void on_delivery(const Link& link, const DeliveryView& delivery) {
        ++delivered_count;
        if (!allows(link, false, delivery.message.topic())) {
            fail(link, "got " + std::string{delivery.message.topic()});
        }
        if (is_banned(link.address)) {
            fail(link, "banned, and got something");
        }
    }
    Link* any_link() {
        std::vector<Link*> present;
        for (const auto& link : links_) {
            if (link->session != nullptr) {
                present.push_back(link.get());
            }
        }
        return present.empty() ? nullptr : present[random_.below(present.size())];
    }

    void take_step() {
        const std::uint64_t kind = random_.below(20);
        if (kind < 4) {
            connect();
            return;
        }
        if (kind == 4) {
            change_rules();
            return;
        }
        if (kind == 5) {
            change_bans();
            return;
        }
        Link* const link = any_link();
        if (link == nullptr) {
            return;
        }
        if (kind < 12) {
            publish(*link);
        } else if (kind < 15) {
            subscribe(*link);
        } else if (kind < 17) {
            move(*link);
        } else if (kind == 17) {
            Session& session = *std::exchange(link->session, nullptr);
            broker_.close_connection(session, {});
        } else {
            link->is_output_blocked = !link->is_output_blocked;
            if (!link->is_output_blocked) {
                broker_.on_writable(*link->session);
            }
        }
    }
    void connect() {
        Link& link = *links_.emplace_back(std::make_unique<Link>(*this));
        link.user = one_of(users);
        link.address = one_of(addresses);
        PeerInfo peer;
        peer.ip = origin_of(link.address).ip;
        peer.rules = OriginRulesPtr{std::shared_ptr<void>{}, &listener_};
        SessionTerms terms;
        terms.clean_start = random_.below(3) == 0;
        terms.expiry_interval = random_.below(3) == 0 ? 0 : 100;
        const Credentials shown{.client_id = one_of(ids), .username = link.user, .peer = peer};
        link.session =
            broker_.connect({.shown = shown, .terms = std::move(terms)}, link).opened.session;
        if (link.session != nullptr && is_banned(link.address)) {
            fail(link, "a login was taken");
        }
        if (link.session != nullptr) {
            broker_.start_delivery(*link.session);
        }
    }
    void publish(Link& link) {
        const std::string_view topic = one_of(topics);
        const Qos qos = random_.below(2) == 0 ? Qos::at_most_once : Qos::at_least_once;
        const PublishRequest request{
            .topic = topic, .payload = as_bytes("x"), .qos = qos, .retain = random_.below(3) == 0};
        const bool is_allowed = allows(link, true, topic);
        const PublishOutcome checked = broker_.check_publish(*link.session, request);
        const PublishOutcome outcome = broker_.publish(*link.session, request);
        ++(is_allowed ? taken_count : refused_count);
        if (is_error(outcome.reason) == is_allowed || is_error(checked.reason) == is_allowed) {
            fail(link, "wrong answer to a publish to " + std::string{topic});
        }
    }
    void subscribe(Link& link) {
        const auto filter = parse_topic_filter(one_of(filters), {});
        SubscriptionOptions options;
        options.qos = static_cast<std::uint32_t>(random_.below(2)) & 3U;
        broker_.subscribe(*link.session, {.filter = *filter, .options = options});
        broker_.send_retained(*link.session);
    }
    void move(Link& link) {
        const std::string_view address = one_of(addresses);
        const std::string_view before = std::exchange(link.address, address);
        const bool has_moved = broker_.move_session(*link.session, origin_of(address));
        if (has_moved == is_banned(address)) {
            fail(link, "wrong answer to a move");
        }
        moved_count += has_moved ? 1 : 0;
        link.address = has_moved ? address : before;
    }
    void change_rules() {
        rules_.clear();
        for (std::uint64_t left = random_.below(5); left != 0; --left) {
            rules_.push_back({.is_allow = random_.below(3) == 0,
                              .user = one_of(users),
                              .address = random_.below(2) == 0 ? "" : one_of(addresses),
                              .is_publish = random_.below(2) == 0,
                              .filter = one_of(std::array<std::string_view, 5>{"a/#", "b/#", "a/x",
                                                                               "+/x", "b"})});
        }
        policy_->install(0, table());
        broker_.revise_access();
    }
    void change_bans() {
        const std::string_view address = one_of(addresses);
        const IpRange range = prefix_of(*IpAddress::parse(address), 128);
        const auto number = static_cast<std::size_t>(address.back() - '1');
        banned_[number] = !banned_[number];
        if (!banned_[number]) {
            CHECK(shared_.door->remove_ban(BanKind::address, {}, range));
            return;
        }
        Ban ban;
        ban.kind = BanKind::address;
        ban.range = range;
        REQUIRE(shared_.door->add_ban(ban, Now{}).has_value());
        broker_.end_clients([&](const ClientIdentity& client) { return ban.fits(client); },
                            Broker::EndOf::connection, ReasonCode::banned);
    }

    Random random_;
    NullLog log_;
    NoExchange exchange_;
    MemoryStorage storage_;
    BrokerShared shared_;
    OriginRules listener_;
    std::vector<Rule> rules_;
    std::array<bool, 3> banned_{};
    std::vector<std::string> failures_;
    std::shared_ptr<AclPolicy> policy_;
    std::vector<std::unique_ptr<Link>> links_;
    Broker broker_;
};

}  // namespace

TEST_CASE("rights hold whatever comes, goes, moves, is banned or changes") {
    std::size_t delivered = 0, refused = 0, taken = 0, moved = 0;
    for (const std::uint64_t seed : SimSeeds{50}) {
        RightsSimulation simulation{seed};
        for (const std::string& failure : simulation.run()) {
            INFO(sim_repeat("rights hold whatever comes, goes, moves, is banned or changes", seed));
            FAIL_CHECK(failure);
        }
        delivered += simulation.delivered_count;
        refused += simulation.refused_count;
        taken += simulation.taken_count;
        moved += simulation.moved_count;
    }
    CHECK(delivered > 500);
    CHECK(refused > 200);
    CHECK(taken > 500);
    CHECK(moved > 100);
}
