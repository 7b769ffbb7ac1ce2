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
