// What gives way under load: rates, memory, slow readers.
#include "tests/unit/adapters/mqtt/machine/machine_support.hpp"

using namespace gw;
using namespace gw::test;

TEST_CASE("a client above its message rate is not read for a while") {
    SimOptions options;
    options.machine.publish_rate_max = 10;
    SimWorld world{options};
    const auto client = connected(world, "c", Version::v5,
                                  [](mqtt::ConnectPacket& packet) { packet.keep_alive = 1; });
    const auto other = connected(world, "other");
    for (int i = 0; i < 10; ++i) {
        client->publish("t", "x");
    }
    CHECK_FALSE(client->connection().is_paused);
    for (int i = 0; i < 40; ++i) {
        client->publish("t", "x");
    }
    CHECK(client->connection().is_paused);
    other->ping();
    CHECK(other->next() == "PINGRESP");
    const auto received = [&] {
        return world.sum([](const Metrics& m) { return m.messages_received.value(); });
    };
    CHECK(received() == 10);
    world.run_for(99ms);
    CHECK(received() == 10);
    world.run_for(1ms);
    CHECK(received() == 11);
    world.run_for(3'899ms);
    CHECK(received() == 49);
    world.run_for(1ms);
    CHECK(received() == 50);
    CHECK_FALSE(client->is_closed());  // the silence was ours
    CHECK(world.sum([](const Metrics& m) { return m.reading_paused_rate.value(); }) == 40);
}

TEST_CASE("a client above its byte rate is not read for a while") {
    SimOptions options;
    options.machine.byte_rate_max = 1000;
    SimWorld world{options};
    const auto client = connected(world, "c");
    client->publish("t", std::string(3000, 'x'));
    CHECK(client->connection().is_paused);
    world.run_for(2'000ms);
    CHECK(client->connection().is_paused);
    world.run_for(100ms);
    CHECK_FALSE(client->connection().is_paused);
}

TEST_CASE("while memory is scarce PUBLISH stays unread; all else goes on") {
    SimWorld world{SimOptions{}};
    const auto watcher = subscribed(world, "w", "#", Qos::at_most_once);
    const auto client = connected(world, "c");
    world.shared().memory_grade = MemoryGrade::pause_reading;
    client->ping();
    CHECK(client->next() == "PINGRESP");
    client->publish("t", "x", {.qos = Qos::at_least_once, .packet_id = 1});
    client->ping();
    CHECK(client->next() == "");
    CHECK(watcher->next() == "");
    world.run_for(1s);
    CHECK(watcher->next() == "");
    CHECK(world.sum([](const Metrics& m) { return m.reading_paused_memory.value(); }) == 21);
    world.shared().memory_grade = MemoryGrade::shed_qos0;
    world.run_for(49ms);
    CHECK(client->next() == "");
    world.run_for(1ms);
    CHECK(client->take() == Lines{"PUBACK id=1", "PINGRESP"});
    CHECK(watcher->next() == "PUBLISH topic='t' payload='x'");
}

TEST_CASE("while memory is scarce QoS 0 is not queued") {
    SimWorld world{SimOptions{}};
    auto client = connected(world, "c", Version::v5, keep_session);
    client->subscribe("t", {.qos = Qos::at_least_once});
    client->close();
    const auto publisher = connected(world, "p");
    world.shared().memory_grade = MemoryGrade::shed_qos0;
    publisher->publish("t", "0");
    publisher->publish("t", "1", {.qos = Qos::at_least_once, .packet_id = 1});
    world.shared().memory_grade = MemoryGrade::normal;
    publisher->publish("t", "2");
    CHECK(dropped(world, DropReason::memory_shed) == 1);
    client = connected(world, "c", Version::v5, keep_session);
    CHECK(client->take() ==
          Lines{"PUBLISH topic='t' payload='1' qos=1 id=1", "PUBLISH topic='t' payload='2'"});
}

TEST_CASE("a slow reader costs its queue and no more") {
    SimOptions options;
    options.machine.unsent_bytes_max = 1000;
    options.broker.queue_limits = {
        .count_max = 10, .bytes_max = 1 << 20, .drop = DropPolicy::oldest};
    SimWorld world{options};
    const auto client = subscribed(world, "c", "t", Qos::at_most_once);
    const auto publisher = connected(world, "p");
    world.set_reading(client->link(), false);
    for (int i = 0; i < 1000; ++i) {
        publisher->publish("t", std::to_string(i) + std::string(95, '.'));
    }
    CHECK(client->connection().written.size() < 1200);
    CHECK(world.broker().find_session("c")->queue.count() == 10);
    world.set_reading(client->link(), true);
    const Lines heard = client->take();
    CHECK(heard.size() > 10);
    CHECK(heard.size() < 30);
    CHECK(heard.back().find("payload='999.") != std::string::npos);
    CHECK(dropped(world, DropReason::queue_full) + heard.size() == 1000);
}

TEST_CASE("who does not read the answers is not read from, whatever he asks") {
    struct Row {
        const char* name;
        std::function<void(TestClient&)> ask;
        std::string answer;
    };
    const PublishFields qos_1{.qos = Qos::at_least_once, .packet_id = 1};
    const PublishFields qos_2{.qos = Qos::exactly_once, .packet_id = 1, .dup = true};
    const Row rows[] = {
        {"PINGREQ", [](TestClient& c) { c.ping(); }, "PINGRESP"},
        {"SUBSCRIBE", [](TestClient& c) { c.subscribe("t"); }, "SUBACK"},
        {"UNSUBSCRIBE", [](TestClient& c) { c.unsubscribe("t"); }, "UNSUBACK"},
        {"PUBLISH, QoS 1", [&](TestClient& c) { c.publish("u", "", qos_1); }, "PUBACK"},
        {"PUBLISH, QoS 2", [&](TestClient& c) { c.publish("u", "", qos_2); }, "PUBREC"},
        {"PUBREL", [](TestClient& c) { c.ack(PacketType::pubrel, 1); }, "PUBCOMP"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        SimOptions options;
        options.machine.unsent_bytes_max = 1000;
        SimWorld world{options};
        const auto client = connected(world, "c");
        world.set_reading(client->link(), false);
        constexpr std::size_t count = 3000;
        for (std::size_t i = 0; i < count; ++i) {
            row.ask(*client);
        }
        CHECK(client->connection().is_paused);
        CHECK(client->connection().written.size() < 2100);
        const auto other = connected(world, "other");
        other->ping();
        CHECK(other->next() == "PINGRESP");
        world.set_reading(client->link(), true);
        world.run_for(1ms);
        const Lines heard = client->take();
        CHECK(heard.size() == count);
        for (const std::string& line : heard) {
            REQUIRE(line.starts_with(row.answer));
        }
        CHECK_FALSE(client->connection().is_paused);
    }
}

TEST_CASE("who reads slowly is alive, though his PINGREQ is not read; who reads nothing is not") {
    SimOptions options;
    options.machine.unsent_bytes_max = 1000;
    SimWorld world{options};
    const auto client = connected(world, "c", Version::v5,
                                  [](mqtt::ConnectPacket& packet) { packet.keep_alive = 10; });
    world.set_reading(client->link(), false);
    while (!client->connection().is_paused) {
        client->ping();
    }
    ByteBuffer& unread = client->connection().written;
    for (int i = 0; i < 10; ++i) {
        const std::string rest{as_text(unread.view().subspan(2))};
        unread.clear();
        unread.append(as_bytes(rest));
        world.run_for(15s);
        REQUIRE_FALSE(client->connection().closed);
    }
    world.run_for(16s);
    CHECK(client->connection().closed);
}

TEST_CASE("who sends on while his answers wait for the store is not read from") {
    SimOptions options;
    options.machine.unsent_bytes_max = 10'000;
    options.storage_delay_max = 100ms;
    SimWorld world{options};
    const auto client = std::make_unique<TestClient>(world, Version::v5);
    client->connect("c", keep_session);
    world.run_for(200ms);
    CHECK(client->next().starts_with("CONNACK"));
    constexpr std::size_t count = 1000;
    for (std::size_t i = 0; i < count; ++i) {
        client->subscribe("t" + std::to_string(i));
    }
    CHECK(client->connection().is_paused);
    CHECK(client->take().empty());
    std::size_t heard = 0;
    for (int i = 0; i < 200 && heard < count; ++i) {
        world.run_for(100ms);
        heard += client->take().size();
    }
    CHECK(heard == count);
    CHECK_FALSE(client->connection().is_paused);
}

TEST_CASE("a retained message for which there is no room is refused where its client hears of it") {
    SimOptions options;
    options.retained = {.count_max = 1};
    SimWorld world{options};
    const auto watcher = subscribed(world, "w", "#", Qos::at_most_once);
    const auto retained = [&](std::string_view topic) {
        return world.shared().retained.find(topic, MonotonicTime{}) != nullptr;
    };
    const auto client = connected(world, "c");
    const PublishFields qos_1{.qos = Qos::at_least_once, .packet_id = 1, .retain = true};
    const PublishFields qos_2{.qos = Qos::exactly_once, .packet_id = 2, .retain = true};
    client->publish("a", "1", qos_1);
    CHECK(client->next() == "PUBACK id=1");
    client->publish("b", "1", qos_1);
    CHECK(client->next() == "PUBACK id=1 reason=97 reason_string='quota exceeded'");
    client->publish("b", "1", qos_2);
    CHECK(client->next() == "PUBREC id=2 reason=97 reason_string='quota exceeded'");
    CHECK(world.broker().inbound_qos2_count(*world.broker().find_session("c")) == 0);
    CHECK(watcher->take().size() == 1);
    client->publish("a", "2", qos_2);  // in the place of what is there
    CHECK(client->next() == "PUBREC id=2");
    client->publish("b", "", qos_1);  // takes nothing
    CHECK(client->next() == "PUBACK id=1");
    watcher->take();
    // Nobody would hear of a refusal: delivered, and not kept.
    client->publish("b", "1", {.retain = true});
    const auto old = connected(world, "old", Version::v3_1_1);
    old->publish("c", "1", qos_1);
    CHECK(old->next() == "PUBACK id=1");
    CHECK(watcher->take().size() == 2);
    CHECK(retained("a"));
    CHECK_FALSE(retained("b"));
    CHECK_FALSE(retained("c"));
    CHECK(world.sum([](const Metrics& m) { return m.retained_refused.value(); }) == 4);
    // After the older one is gone there is room again.
    client->publish("a", "", qos_1);
    client->publish("b", "1", {.qos = Qos::at_least_once, .packet_id = 3, .retain = true});
    CHECK(retained("b"));
}

TEST_CASE("a large payload is gathered, not copied, and whole") {
    SimWorld world{SimOptions{}};
    const auto client = subscribed(world, "c", "t", Qos::at_most_once);
    const auto publisher = connected(world, "p");
    const std::string payload(100'000, 'p');
    publisher->publish("t", payload);
    publisher->publish("t", "small");
    CHECK(client->take() == Lines{"PUBLISH topic='t' payload='" + payload + "'",
                                  "PUBLISH topic='t' payload='small'"});
}
