// From where a request comes, and who asks: rights by address, bans, and what endpoints share.
#include "broker-core/door/door.hpp"
#include "tests/support/coap_test.hpp"

namespace gw::test {

namespace {

const IpAddress near =
    IpAddress::from_v4({10, 0, 0, 1});  // of all ports but those placed elsewhere
const IpAddress far = IpAddress::from_v4({192, 0, 2, 9});
constexpr std::uint16_t far_port = 2000;

coap::MachineOptions with_administrators() {
    auto rules = std::make_shared<OriginRules>();
    rules->allows_anonymous = true;
    rules->administrators.push_back({near, 128});
    coap::MachineOptions options = open_coap();
    options.origin = std::move(rules);
    return options;
}

/// Administrators are at one address, and so are those who may publish to `secret`.
struct OriginTest : CoapTest {
    OriginTest() : CoapTest({}, with_administrators()) {
        net.place(far_port, far);
        world.shared().access = std::make_shared<FakeAccess>([](const AccessRequest& request) {
            return request.topic == "secret" && request.client.ip != near ? AccessDecision::deny
                                                                          : AccessDecision::allow;
        });
        publish("$SYS/x", "1", Qos::at_most_once, true);
    }
    std::string code(const CoapRequest& request, std::uint16_t port = 1000) {
        const std::string text = ask(request, port);
        return text.size() < 8 ? text : text.substr(4, 4);
    }
    std::string read_sys(std::string_view query, std::uint16_t port = 1000) {
        return code({.message_id = id++, .path = "ps/$SYS/x", .query = query}, port);
    }
    std::string write(std::string_view topic, std::string_view query, std::uint16_t port = 1000) {
        return code({.code = Code::put,
                     .message_id = id++,
                     .path = "ps/" + std::string{topic},
                     .query = query,
                     .payload = "x"},
                    port);
    }
    std::string connect(std::string_view query, std::uint16_t port = 1000) {
        const std::string text =
            ask({.code = Code::post, .message_id = id++, .path = "mqtt/connection", .query = query},
                port);
        return text.substr(text.find(" | ") + 3);
    }

    std::uint16_t id = 100;
};

}  // namespace

TEST_CASE("a client id gives nobody the rights of the address that it was used at") {
    OriginTest t;
    CHECK(t.read_sys("c=dev") == "2.05");
    CHECK(t.write("secret", "c=dev") == "2.04");
    CHECK(t.read_sys("c=dev", far_port) == "4.03");
    CHECK(t.write("secret", "c=dev", far_port) == "4.03");
    CHECK(t.write("open", "c=dev", far_port) == "2.04");
    CHECK(t.read_sys("c=dev") == "2.05");  // and where it was, it has them again
    CHECK(t.net.client_count() == 1);
}

TEST_CASE("a client observes from one host at a time") {
    OriginTest t;
    const CoapRequest observe{.message_id = 1,
                              .token = "t",
                              .path = "ps/$SYS/x",
                              .query = "c=dev",
                              .options = {{option::observe, ""}}};
    CHECK(t.ask(observe).starts_with("ACK 2.05"));
    CHECK(t.write("open", "c=dev", far_port) == "2.04");
    CHECK(t.take() == "NON 4.03 [t]");  // the right to it has gone with the address
    CHECK(t.ask({.message_id = 2,
                 .token = "u",
                 .path = "ps/open",
                 .query = "c=dev",
                 .options = {{option::observe, ""}}},
                far_port)
              .starts_with("ACK 2.05"));
    CHECK(t.read_sys("c=dev") == "2.05");
    CHECK(t.take(far_port) == "NON 5.03 [u]");
    t.publish("open", "1");
    CHECK(t.take(far_port) == "");
}

TEST_CASE("a token moves a connection, and no right that rests on the address") {
    OriginTest t;
    const std::string token = "c=dev&token=" + t.connect("clientid=dev");
    CHECK(t.read_sys(token) == "2.05");
    CHECK(t.read_sys(token, far_port) == "4.03");
    CHECK(t.write("secret", token, far_port) == "4.03");
    CHECK(t.write("open", token, far_port) == "2.04");
    CHECK(t.count([](const Metrics& m) { return m.coap_connections_moved.value(); }) == 1);
    CHECK(t.read_sys(token) == "2.05");
}

TEST_CASE("a connection is not had from elsewhere by its client id alone") {
    OriginTest t;
    const std::string token = "c=dev&token=" + t.connect("clientid=dev");
    CHECK(t.write("open", "c=dev", far_port) == "4.01");
    CHECK(t.write("open", token) == "2.04");
}

TEST_CASE("a banned address is told nothing, whatever token it shows") {
    OriginTest t;
    const std::string token = "c=dev&token=" + t.connect("clientid=dev");
    t.world.shared().door = std::make_shared<Door>(DoorOptions{}, 1);
    Ban ban;
    ban.kind = BanKind::address;
    ban.range = IpRange{far, 128};
    REQUIRE(t.world.shared().door->add_ban(ban, {}).has_value());
    CHECK(t.write("open", token, far_port) == "");
    CHECK(t.write("open", "c=other", far_port) == "");
    CHECK(t.write("open", token) == "2.04");
    CHECK(t.count([](const Metrics& m) {
        return m.door_refused_by_reason[static_cast<std::size_t>(DoorReason::banned)].value();
    }) == 2);
    CHECK(t.count([](const Metrics& m) {
        return m.datagrams_dropped_by_reason[static_cast<std::size_t>(DatagramDrop::not_allowed)]
            .value();
    }) == 2);
}

TEST_CASE("what one user is told of at an endpoint, another there does not fetch") {
    CoapTest t;
    t.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    CHECK(t.ask({.message_id = 1,
                 .token = "t",
                 .path = "ps/a",
                 .query = "u=ann",
                 .options = {{option::observe, ""}}})
              .starts_with("ACK 2.05"));
    t.publish("a", std::string(2500, 'a'));
    const std::string notification = t.next();
    CHECK(notification.find(" 23=0/1/1024") != std::string::npos);
    t.answer(Type::acknowledgement, CoapTest::id_of(notification));
    const auto block = [&](std::uint16_t id, std::string_view query) {
        return t.ask({.message_id = id,
                      .token = "b",
                      .path = "ps/a",
                      .query = query,
                      .options = {{option::block2, coap_block(1, false, 6)}}});
    };
    CHECK(block(2, "u=bob").substr(4, 4) == "4.04");  // nothing is retained
    CHECK(block(3, "u=ann").substr(4, 4) == "2.05");
}

TEST_CASE("a message id that comes again is a copy only when the same one asks") {
    CoapTest t;
    t.world.shared().authenticator = std::make_shared<FakeAuthenticator>();
    const auto connect = [&](std::string_view query) {
        return t.ask(
            {.code = Code::post, .message_id = 7, .path = "mqtt/connection", .query = query});
    };
    const std::string token = connect("clientid=dev&u=ann");
    CHECK(token.starts_with("ACK 2.01 #7"));
    CHECK(connect("clientid=dev&u=ann") == token);
    CHECK(connect("clientid=dev&u=bob").starts_with("ACK 4.03 #7"));
    CHECK(connect("clientid=dev&u=wrong").starts_with("ACK 4.01 #7"));
    CHECK(connect("clientid=dev").starts_with("ACK 4.03 #7"));
    CHECK(connect("clientid=dev&u=ann") == token);
    // A body in blocks is its user's too, though the path is the same.
    const auto put = [&](std::uint16_t id, std::string_view query, std::uint32_t number,
                         bool has_more, std::string_view payload) {
        return t
            .ask({.code = Code::put,
                  .message_id = id,
                  .path = "ps/a",
                  .query = query,
                  .options = {{option::block1, coap_block(number, has_more, 0)}},
                  .payload = payload})
            .substr(4, 4);
    };
    CHECK(put(8, "u=ann", 0, true, "0123456789abcdef") == "2.31");
    CHECK(put(9, "u=bob", 1, false, "x") == "4.08");
    CHECK(put(10, "u=ann", 1, false, "x") == "2.04");
}

}  // namespace gw::test
