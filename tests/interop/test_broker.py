"""The program as a whole: $SYS, events, shutdown, listeners, and keys whose effect a client can
see."""

import json
import os
import signal
import socket
import stat
import time

import harness
import mqtt_wire as wire
from harness import Broker, MqttTest, ours_only, peer_deviates, versions, waits
from mqtt_wire import PUBLISH, V31, V311, V5


class Sys(MqttTest):
    """The tree $SYS/brokers (names of EMQ 2.x)."""

    def sys_broker(self, **more):
        return harness.broker(**{"mqtt.broker.sys_interval": "1s", "node.name": "one@127.0.0.1",
                                 **more})

    def gather(self, client, topics, timeout=10):
        """Reads $SYS messages until all of these topics came; returns topic -> packet."""
        found = {}
        deadline = time.monotonic() + timeout
        while not set(topics) <= set(found):
            left = deadline - time.monotonic()
            if left <= 0:
                self.fail(f"missing {sorted(set(topics) - set(found))}; have {sorted(found)}")
            try:
                one = client.message(left)
            except wire.Timeout:
                continue
            found[one.topic] = one
        return found

    @ours_only("another tree")
    @waits(3)
    def test_tree(self):
        broker = self.sys_broker()
        client = self.client(V311, where=broker.address)
        client.subscribe("$SYS/brokers", "$SYS/brokers/#")
        root = "$SYS/brokers/one@127.0.0.1"
        numbers = [f"{root}/stats/{name}/{part}" for name in
                   ("clients", "sessions", "topics", "subscribers", "subscriptions", "routes",
                    "retained")
                   for part in ("count", "max")]
        numbers += [f"{root}/metrics/{name}" for name in (
            "bytes/received", "bytes/sent", "packets/received", "packets/sent", "packets/connect",
            "packets/connack", "packets/publish/received", "packets/publish/sent",
            "packets/puback/received",
            "packets/puback/sent", "packets/pubrec/received", "packets/pubrec/sent",
            "packets/pubrel/received",
            "packets/pubrel/sent", "packets/pubcomp/received", "packets/pubcomp/sent",
            "packets/subscribe",
            "packets/suback", "packets/unsubscribe", "packets/unsuback", "packets/pingreq",
            "packets/pingresp",
            "packets/disconnect", "messages/received", "messages/sent", "messages/qos0/received",
            "messages/qos0/sent", "messages/qos1/received", "messages/qos1/sent",
            "messages/qos2/received",
            "messages/qos2/sent", "messages/retained", "messages/dropped")]
        texts = ["$SYS/brokers"] + [f"{root}/{name}"
                                    for name in ("version", "sysdescr", "uptime", "datetime")]
        found = self.gather(client, texts + numbers)
        for topic in numbers:
            self.assertTrue(found[topic].payload.isdigit(), found[topic])
        self.assertIn(b"one@127.0.0.1", found["$SYS/brokers"].payload)
        self.assertGreaterEqual(int(found[f"{root}/stats/clients/count"].payload), 1)
        self.assertTrue(found[f"{root}/version"].payload)

    @ours_only("another tree")
    def test_version_is_retained(self):
        broker = self.sys_broker()
        for _ in range(2):
            client = self.client(V311, where=broker.address)
            client.subscribe("$SYS/brokers/+/version")
            self.assertTrue(client.message().retain)

    @ours_only("another tree")
    def test_root_wildcard_sees_none_of_it(self):
        """[MQTT-4.7.2-1] for the broker's own messages."""
        broker = self.sys_broker()
        client = self.client(V311, where=broker.address)
        client.subscribe("#", "+/brokers/#")
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe("$SYS/brokers/+/uptime")
        for _ in range(2):
            watcher.message()
        for one in client.ping():
            self.assertFalse(one.topic.startswith("$"), one)

    @ours_only("another tree")
    def test_clients_can_not_publish_there(self):
        broker = self.sys_broker()
        watcher = self.client(V5, where=broker.address)
        watcher.subscribe("$SYS/brokers/one@127.0.0.1/version", retain_handling=2)
        client = self.client(V5, where=broker.address)
        client.send(wire.publish("$SYS/brokers/one@127.0.0.1/version", b"forged", 1, 1, version=V5,
                                 retain=True))
        try:
            self.assertGreaterEqual(client.recv().code, 0x80)
        except wire.Closed:
            pass
        late = self.client(V5, where=broker.address)
        late.subscribe("$SYS/brokers/+/version")
        self.assertNotEqual(late.message().payload, b"forged")

    @ours_only("another tree")
    @versions()
    def test_events(self, version):
        """Connected and disconnected, with JSON; reasons by the way in which it ended."""
        broker = self.sys_broker()
        root = "$SYS/brokers/one@127.0.0.1/clients"
        name = self.name("watched")
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe(f"{root}/{name}/connected", f"{root}/{name}/disconnected")

        def ending(end):
            client = self.client(version, name, broker.address, username="someone", password=b"x")
            found = watcher.message()
            self.assertEqual(found.topic, f"{root}/{name}/connected")
            event = json.loads(found.payload)
            self.assertEqual((event["clientid"], event["username"]), (name, "someone"))
            self.assertIn("127.0.0.1", event["ipaddress"])
            self.assertEqual(event["protocol"], version)
            self.assertIn("ts", event)
            end(client)
            found = watcher.message()
            self.assertEqual(found.topic, f"{root}/{name}/disconnected")
            event = json.loads(found.payload)
            self.assertEqual(event["clientid"], name)
            self.assertIn("ts", event)
            return event["reason"]

        reasons = [ending(lambda client: client.disconnect()),
                   ending(lambda client: client.close()),
                   ending(lambda client: client.send(b"\0\0"))]
        self.assertTrue(all(isinstance(one, str) and one for one in reasons), reasons)
        self.assertEqual(len(set(reasons)), 3, reasons)
        self.assertEqual(reasons[0], "normal")

    @ours_only("another tree")
    def test_events_of_a_takeover(self):
        broker = self.sys_broker()
        root = "$SYS/brokers/one@127.0.0.1/clients"
        name = self.name("twice")
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe(f"{root}/{name}/#")
        self.client(V5, name, broker.address)
        self.assertTrue(watcher.message().topic.endswith("/connected"))
        self.client(V5, name, broker.address)
        kinds = sorted(watcher.message().topic.rsplit("/", 1)[1] for _ in range(2))
        self.assertEqual(kinds, ["connected", "disconnected"])

    @ours_only("another tree")
    @waits(2)
    def test_events_of_a_keep_alive_timeout(self):
        broker = self.sys_broker()
        name = self.name("silent")
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe(f"$SYS/brokers/+/clients/{name}/disconnected")
        self.client(V311, name, broker.address, keep_alive=1)
        self.assertIn("keep", json.loads(watcher.message().payload)["reason"])

    @ours_only("another tree")
    def test_client_id_with_separators(self):
        """A client id with `/`, `+` or `#` makes no other topic of the event."""
        broker = self.sys_broker()
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe("$SYS/brokers/+/clients/+/connected")
        for tail in ("a/b", "a+b", "a#b"):
            name = self.name(tail)
            self.client(V311, name, broker.address)
            found = watcher.message()
            while json.loads(found.payload)["clientid"] != name:
                found = watcher.message()
            self.assertEqual(len(found.topic.split("/")), 6)

    @ours_only("another tree")
    def test_administrators_only(self):
        """With no administrators nobody reads $SYS: refused, and nothing arrives by other
        filters."""
        broker = self.sys_broker(**{"sys.administrators": "none"})
        client = self.client(V5, where=broker.address)
        number = client.next_id()
        client.send(wire.subscribe(number, [("$SYS/#", 0), ("$SYS/brokers/+/uptime", 0),
                                            ("+/brokers/#", 0)], V5))
        found = client.recv()
        self.assertEqual(found.codes[:2], [0x87, 0x87])
        with self.assertRaises(wire.Timeout):
            client.recv(2.2)  # two ticks of $SYS

    @ours_only("another tree")
    def test_counters_move(self):
        broker = self.sys_broker()
        root = "$SYS/brokers/one@127.0.0.1/metrics"
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe(f"{root}/messages/qos2/received")
        before = int(watcher.message().payload)
        client = self.client(V311, where=broker.address)
        for _ in range(10):
            client.publish(self.topic(), b"x", 2)
        for _ in range(5):
            now = int(watcher.message().payload)
            if now >= before + 10:
                return
        self.fail(f"{before} before, {now} after ten messages")


class Shutdown(MqttTest):

    def own(self, **settings):
        broker = Broker(**settings)
        self.addCleanup(broker.stop)
        return broker

    @ours_only("the peer says nothing of it")
    def test_graceful(self):
        """SIGTERM: 5.0 clients read 0x8B, all are closed, the exit code is 0, soon."""
        broker = self.own()
        clients = [self.client(version, where=broker.address) for version in wire.VERSIONS
                   for _ in range(20)]
        start = time.monotonic()
        broker.terminate(wait=False)
        for one in clients:
            self.expect_refusal(one, 0x8B)
        self.assertEqual(broker.process.wait(10), 0)
        self.assertLess(time.monotonic() - start, 8)

    @ours_only("the same")
    def test_sigint(self):
        broker = self.own()
        client = self.client(V5, where=broker.address)
        broker.process.send_signal(signal.SIGINT)
        self.expect_refusal(client, 0x8B)
        self.assertEqual(broker.process.wait(10), 0)

    def test_with_clients_that_do_not_read(self):
        """A client that reads nothing does not hold the shutdown up."""
        broker = self.own()
        topic = self.topic()
        stuck = self.open(V311, broker.address, receive_buffer=4096)
        stuck.connect(self.name("stuck"))
        stuck.subscribe(topic)
        sender = self.client(V311, where=broker.address)
        for _ in range(50):
            sender.publish(topic, b"x" * 100_000)
        sender.ping()
        broker.terminate(wait=False)
        self.assertEqual(broker.process.wait(12), 0)

    @ours_only("second signal")
    def test_twice(self):
        """A second signal changes nothing for the worse."""
        broker = self.own()
        self.client(V5, where=broker.address)
        broker.terminate(wait=False)
        broker.process.send_signal(signal.SIGTERM)
        broker.process.wait(10)

    @ours_only("reload keys")
    def test_sighup_keeps_clients(self):
        broker = self.own()
        client = self.client(V5, where=broker.address)
        broker.process.send_signal(signal.SIGHUP)
        self.assertFalse(client.is_closed(0.5))
        client.ping()
        self.client(V5, where=broker.address).ping()

    @ours_only("data folder")
    def test_second_process_on_the_same_data(self):
        """The data folder belongs to one process."""
        broker = self.own()
        command = [part.replace(str(broker.port), str(harness.free_port()))
                   for part in broker.process.args]
        found = harness.subprocess.run(command, capture_output=True, timeout=20, text=True)
        self.assertNotEqual(found.returncode, 0)
        self.client(where=broker.address).ping()

    @ours_only("wording")
    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            broker = self.own()
            command = [part.replace(f":{broker.port}", f":{port}") for part in broker.process.args]
            command[command.index("--data") + 1] += "-other"
            found = harness.subprocess.run(command, capture_output=True, timeout=20, text=True)
        self.assertNotEqual(found.returncode, 0)
        self.assertIn(str(port), found.stdout + found.stderr)


class Listeners(MqttTest):

    @ours_only("keys")
    def test_unix_socket(self):
        broker = harness.broker(**{"listener.unix.local": "{data}/mqtt.sock",
                                   "listener.unix.local.mode": "0600"})
        path = str(broker.data / "mqtt.sock")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        topic = self.topic()
        one = self.client(V5, where=path)
        one.subscribe(topic, qos=1)
        self.client(V311, where=broker.address).publish(topic, b"x", 1)
        self.assertEqual(one.message().payload, b"x")

    @ours_only("keys")
    def test_several_and_ipv6(self):
        port = harness.free_port()
        broker = harness.broker(**{"listener.tcp.six": f"[::1]:{port}"})
        topic = self.topic()
        one = self.client(V5, where=("::1", port))
        one.subscribe(topic)
        self.client(V5, where=broker.address).publish(topic, b"x")
        self.assertEqual(one.message().payload, b"x")

    @peer_deviates("does not take the mount point off again for 5.0 clients")
    def test_mount_point(self):
        """Topics of a listener's clients live under its mount point and the clients never see
        it."""
        port = harness.free_port()
        settings = {"listener.tcp.default.mountpoint": "house/"}
        if harness.PEER == "mangrove":
            settings["listener.tcp.plain"] = f"127.0.0.1:{port}"
        broker = harness.broker(**settings)
        topic = self.topic()
        inside, other = self.client(V5, where=broker.address), self.client(V5, where=broker.address)
        inside.subscribe(topic + "/#", qos=1)
        other.publish(topic + "/a", b"x", 1, retain=True)
        self.assertEqual(inside.message().topic, topic + "/a")
        late = self.client(V5, where=broker.address)
        late.subscribe(topic + "/a")
        self.assertEqual(late.message().topic, topic + "/a")
        if harness.PEER == "mangrove":
            outside = self.client(V5, where=("127.0.0.1", port))
            outside.subscribe(f"house/{topic}/#", qos=1)
            self.assertEqual(outside.message().topic, f"house/{topic}/a")
            other.publish(topic + "/b", b"y", 1)
            self.assertEqual(outside.message().topic, f"house/{topic}/b")
            outside.publish(f"house/{topic}/c", b"z", 1)
            self.assertEqual(sorted(one.topic for one in inside.messages(2)),
                             [topic + "/b", topic + "/c"])
            self.client(V5, self.name("w"), broker.address,
                        will=wire.Will(topic + "/will", b"w", 1)).abort()
            self.assertEqual(sorted(one.topic for one in outside.messages(2)),
                             [f"house/{topic}/c", f"house/{topic}/will"])
            inside.unsubscribe(topic + "/#")
            inside.subscribe(f"$share/g/{topic}/#", qos=1)
            outside.publish(f"house/{topic}/d", b"shared", 1)
            found = inside.message()
            while found.payload != b"shared":
                found = inside.message()
            self.assertEqual(found.topic, topic + "/d")

    @ours_only("keys")
    def test_access_rules(self):
        """The first rule that matches the address decides."""
        broker = harness.broker(**{"listener.tcp.default.access.1": "deny 127.0.0.9/32",
                                   "listener.tcp.default.access.2": "allow 127.0.0.0/8",
                                   "listener.tcp.default.access.3": "deny all"})
        self.client(V311, where=broker.address).ping()
        try:
            client = self.open(V311, broker.address, source="127.0.0.9")
            client.send(wire.connect("c"))
            self.assertEqual(client.expect_closed(), [])
        except OSError:
            pass  # closed before the CONNECT was written

    @ours_only("keys")
    def test_max_clients(self):
        broker = harness.broker(**{"listener.tcp.default.max_clients": 5})
        clients = [self.client(V311, where=broker.address) for _ in range(5)]
        self.refused(broker)
        clients[0].disconnect()

        def again():
            try:
                return self.client(V311, where=broker.address)
            except (wire.Closed, OSError, AssertionError):
                return None
        harness.wait_until(again, "a place came free")

    def refused(self, broker):
        try:
            client = self.open(V311, broker.address)
            client.send(wire.connect("one-too-many"))
            found = client.expect_closed()
            self.assertTrue(all(one.code for one in found), found)
        except OSError:
            pass

    @ours_only("keys")
    def test_anonymous(self):
        """allow_anonymous = false: 0x86/0x87 or return code 4/5; another listener may differ."""
        port = harness.free_port()
        broker = harness.broker(**{"allow_anonymous": "false",
                                   "listener.tcp.open": f"127.0.0.1:{port}",
                                   "listener.tcp.open.allow_anonymous": "true"})
        for version in wire.VERSIONS:
            client = self.open(version, broker.address)
            code = client.connect(self.name(str(version)), code=None).code
            self.assertIn(code, (0x86, 0x87) if version == V5 else (4, 5))
            client.expect_closed()
            self.client(version, self.name(f"ok{version}"), ("127.0.0.1", port)).ping()


class Limits(MqttTest):
    """Keys whose effect can be seen."""

    def queue_broker(self, policy):
        return harness.broker(**{"mqtt.mqueue.max_length": 5, "mqtt.mqueue.drop": policy,
                                 "mqtt.broker.sys_interval": "1s"})

    def wait_for_drops(self, broker, count):
        """Until the broker has counted so many dropped messages: an acknowledgement does not say
        that another worker's session has queued the message already."""
        watcher = self.client(V311, where=broker.address)
        watcher.subscribe("$SYS/brokers/+/metrics/messages/dropped")
        for _ in range(10):
            if int(watcher.message().payload) >= count:
                return
        self.fail("the drops are not counted")

    @ours_only("keys")
    def test_queue_length_and_drop(self):
        for policy, expected in (("oldest", range(15, 20)), ("newest", range(5))):
            with self.subTest(policy=policy):
                broker = self.queue_broker(policy)
                name, topic = self.name(policy), self.topic(policy)
                client = self.client(V311, name, broker.address, clean=False)
                client.subscribe(topic, qos=1)
                client.disconnect()
                sender = self.client(V311, where=broker.address)
                for number in range(20):
                    sender.publish(topic, b"%d" % number, 1)
                self.wait_for_drops(broker, 15)
                client = self.client(V311, name, broker.address, clean=False)
                self.assertEqual([int(one.payload) for one in client.messages(5)], list(expected))
                self.assert_nothing_more(client)

    @ours_only("keys")
    def test_qos0_first(self):
        broker = self.queue_broker("qos0_first")
        name, topic = self.name(), self.topic()
        client = self.client(V311, name, broker.address, clean=False)
        client.subscribe(topic, qos=1)
        client.disconnect()
        sender = self.client(V311, where=broker.address)
        for number in range(10):
            sender.publish(topic, b"%d" % number, number % 2)
        self.wait_for_drops(broker, 5)
        client = self.client(V311, name, broker.address, clean=False)
        self.assertEqual([int(one.payload) for one in client.messages(5)], [1, 3, 5, 7, 9])

    @ours_only("keys")
    def test_qos0_of_offline_clients(self):
        for kept in ("true", "false"):
            broker = harness.broker(**{"mqtt.mqueue.store_qos0": kept,
                                       "mqtt.broker.sys_interval": "1s"})
            name, topic = self.name(kept), self.topic(kept)
            client = self.client(V311, name, broker.address, clean=False)
            client.subscribe(topic, qos=1)
            client.disconnect()
            sender = self.client(V311, where=broker.address)
            sender.publish(topic, b"zero", 0)
            sender.publish(topic, b"one", 1)
            self.wait_for_drops(broker, 1 if kept == "false" else 0)
            client = self.client(V311, name, broker.address, clean=False)
            self.assertEqual([one.payload for one in client.messages(2 if kept == "true" else 1)],
                             [b"zero", b"one"] if kept == "true" else [b"one"])

    @ours_only("keys")
    @versions(V311, V5)
    def test_max_inflight(self, version):
        """mqtt.session.max_inflight bounds the window where the client does not."""
        broker = harness.broker(**{"mqtt.session.max_inflight": 3})
        topic = self.topic()
        receiver = self.client(version, where=broker.address)
        receiver.subscribe(topic, qos=1)
        sender = self.client(version, where=broker.address)
        for number in range(10):
            sender.publish(topic, b"%d" % number, 1)
        found = [receiver.expect(PUBLISH) for _ in range(3)]
        with self.assertRaises(wire.Timeout):
            receiver.recv(0.3)
        for one in found:
            receiver.complete(one)
        self.assertEqual(len(receiver.messages(7)), 7)

    @ours_only("keys")
    def test_topic_limits(self):
        broker = harness.broker(**{"mqtt.max_topic_levels": 4, "mqtt.max_topic_length": 30,
                                   "mqtt.max_clientid_len": 40,
                                   "mqtt.session.max_subscriptions": 2})
        client = self.client(V5, where=broker.address)
        self.assertGreaterEqual(client.subscribe("a/b/c/d/e", codes=[0x8F]).codes[0], 0x80)
        client.subscribe("x" * 31, codes=[0x8F])
        client.subscribe("a/b/c/d", "x" * 30)
        client.subscribe("third", codes=[0x97])
        client.subscribe("a/b/c/d", qos=1)  # one that is there can be changed
        for topic in ("a/b/c/d/e", "x" * 31):
            other = self.client(V5, where=broker.address)
            other.send(wire.publish(topic, b"", 1, 1, version=V5))
            self.assertIn(other.recv().code, (0x90,))
        for version, code in ((V31, 2), (V311, 2), (V5, 0x85)):
            self.client(version, f"{version}" * 40, broker.address)
            other = self.open(version, broker.address)
            other.connect("y" * 41, code=code)
            other.expect_closed()

    @ours_only("keys")
    def test_retained_limits(self):
        broker = harness.broker(**{"retainer.max_message_num": 3,
                                   "retainer.max_payload_size": "1KB"})
        topic = self.topic()
        client = self.client(V5, where=broker.address)
        for number in range(5):
            client.publish(f"{topic}/{number}", b"x", 1, code=None, retain=True)
        client.subscribe(topic + "/#", qos=1)
        self.assertEqual(len(client.messages(3)), 3)
        self.assert_nothing_more(client)
        # Replacing is no new one; what is too large is routed but not kept.
        client.publish(f"{topic}/0", b"y", 1, retain=True)
        client.publish(f"{topic}/1", b"z" * 2000, 1, code=None, retain=True)
        self.assertEqual([len(one.payload) for one in client.messages(2)], [1, 2000])
        late = self.client(V5, where=broker.address)
        late.subscribe(f"{topic}/0", f"{topic}/1")
        found = {one.topic: one.payload for one in late.ping()}
        self.assertEqual(found.get(f"{topic}/0"), b"y")
        self.assertNotEqual(found.get(f"{topic}/1"), b"z" * 2000)

    @ours_only("keys")
    @waits(2)
    def test_retained_expiry(self):
        broker = harness.broker(**{"retainer.expiry_interval": "1s"})
        topic = self.topic()
        client = self.client(V311, where=broker.address)
        client.publish(topic, b"x", 1, retain=True)
        time.sleep(2.2)  # the interval is the behaviour under test
        client.subscribe(topic)
        self.assert_nothing_more(client)

    @ours_only("keys")
    def test_upgrade_qos(self):
        broker = harness.broker(**{"mqtt.session.upgrade_qos": "on"})
        topic = self.topic()
        client = self.client(V311, where=broker.address)
        client.subscribe(topic, qos=2)
        for qos in (0, 1):
            client.publish(topic, b"x", qos)
            self.assertEqual(client.message().qos, 2)

    @ours_only("keys")
    def test_ignore_loop_deliver(self):
        broker = harness.broker(**{"mqtt.ignore_loop_deliver": "true"})
        topic = self.topic()
        one, two = self.client(V311, where=broker.address), self.client(V311, where=broker.address)
        one.subscribe(topic, qos=1)
        two.subscribe(topic, qos=1)
        one.publish(topic, b"x", 1)
        self.assertEqual(two.message().payload, b"x")
        with self.assertRaises(wire.Timeout):
            one.recv(0.3)

    @ours_only("keys")
    def test_publish_rate(self):
        """mqtt.client.max_publish_rate slows the publisher down and loses nothing."""
        broker = harness.broker(**{"mqtt.client.max_publish_rate": 50})
        topic = self.topic()
        receiver = self.client(V311, where=broker.address)
        sender = self.client(V311, where=broker.address)
        receiver.subscribe(topic, qos=1)
        start = time.monotonic()
        sender.send(*[wire.publish(topic, b"%d" % number, 1, number + 1) for number in range(150)])
        self.assertEqual([int(one.payload) for one in receiver.messages(150)], list(range(150)))
        self.assertGreater(time.monotonic() - start, 1.0)

    @ours_only("keys")
    def test_byte_rate(self):
        """mqtt.client.max_byte_rate likewise."""
        broker = harness.broker(**{"mqtt.client.max_byte_rate": "100KB"})
        topic = self.topic()
        receiver = self.client(V311, where=broker.address)
        sender = self.client(V311, where=broker.address)
        receiver.subscribe(topic)
        start = time.monotonic()
        for _ in range(30):
            sender.publish(topic, b"x" * 10_000)
        receiver.messages(30)
        self.assertGreater(time.monotonic() - start, 1.0)

    def connected(self, broker, count):
        """How many of so many connections at once are let in."""
        accepted = 0
        for number in range(count):
            try:
                client = self.open(V311, broker.address)
                accepted += client.connect(self.name(str(number)), code=None).code == 0
            except (wire.Closed, OSError):
                pass
        return accepted

    @ours_only("keys")
    def test_max_connections(self):
        self.assertEqual(self.connected(harness.broker(**{"node.max_connections": 5}), 9), 5)

    @ours_only("keys")
    def test_connect_rate(self):
        """listener.tcp.<name>.max_conn_rate: so many a second, the rest is closed."""
        broker = harness.broker(**{"listener.tcp.default.max_conn_rate": 10})
        self.assertLess(self.connected(broker, 60), 40)
        harness.wait_until(lambda: self.connected(broker, 1), "a later connection is let in")

    @ours_only("keys")
    def test_max_sessions(self):
        """mqtt.session.max_count: one more is refused with 0x97; a known one comes back."""
        broker = harness.broker(**{"mqtt.session.max_count": 3})
        more = {"clean": False, "properties": {"session_expiry": 60}}
        for number in range(3):
            self.client(V5, self.name(str(number)), broker.address, **more).disconnect()
        client = self.open(V5, broker.address)
        client.connect(self.name("more"), code=0x97, **more)
        client.expect_closed()
        again = self.client(V5, self.name("0"), broker.address, **more)
        self.assertTrue(again.connack.session_present)

    @ours_only("keys")
    def test_deny(self):
        """acl_nomatch = deny, no rule: refused in the way of each version, routed to nobody."""
        broker = harness.broker(**{"acl_nomatch": "deny"})
        new = self.client(V5, where=broker.address)
        new.subscribe("t", codes=[0x87])
        self.assertEqual(new.publish("t", b"x", 1, code=None).code, 0x87)
        self.assertEqual(new.publish("t", b"x", 2, code=None).code, 0x87)
        new.publish("t", b"x")
        self.assertEqual(new.ping(), [])
        old = self.client(V311, where=broker.address)
        old.subscribe("t", codes=[0x80])
        old.publish("t", b"x", 1)
        old.ping()

    @ours_only("keys")
    def test_bytes_before_connect(self):
        """mqtt.client.unauthenticated_bytes bounds what a stranger may send."""
        broker = harness.broker(**{"mqtt.client.unauthenticated_bytes": "1KB"})
        client = self.open(V5, broker.address)
        client.send(wire.connect(self.name(), version=V5,
                                 properties=[("user_property", ("k", "v" * 2000))]))
        found = client.expect_closed()
        self.assertTrue(all(one.code >= 0x80 for one in found))
        client = self.client(V5, self.name("ok"), broker.address)
        client.publish(self.topic(), b"x" * 5000, 1)


if __name__ == "__main__":
    harness.main()
