"""MQTT-SN 1.2: sleeping clients, forwarders, changes of address, takeovers, restarts, discovery,
bad input."""

import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import harness
import sn_wire as sn
from harness import ours_only, wait_until, waits
from mqtt_wire import V5
from sn_support import SnTest, free_udp_port, metric, sn_address
from test_mqttsn import FAST


class Sleeping(SnTest):
    """Section 6.14."""

    @ours_only("MQTT-SN")
    def test_messages_wait(self):
        """All that has waited comes, acknowledged, before PINGRESP; in order, once."""
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic("#"), qos=2)
        client.sleep(60)
        for number in range(12):
            mqtt.publish(self.topic(str(number % 2)), b"%d" % number, number % 3)
        client.silent()
        self.assertEqual([int(one.payload) for one in client.wake()], list(range(12)))
        self.assertEqual(client.wake(), [])
        mqtt.publish(self.topic("0"), b"later", 1)
        client.silent()
        self.assertEqual([one.payload for one in client.wake()], [b"later"])

    @ours_only("MQTT-SN")
    def test_pingresp_waits_for_acknowledgements(self):
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        mqtt.publish(self.topic(), b"1", 1)
        mqtt.publish(self.topic(), b"2", 0)
        client.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        found = client.expect(sn.PUBLISH, payload=b"1")
        client.silent()
        client.complete(found)
        client.expect(sn.PUBLISH, payload=b"2")
        client.expect(sn.PINGRESP)

    @ours_only("MQTT-SN")
    def test_wakes_from_another_address(self):
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=1)
        for number in range(3):
            client.sleep(60)
            mqtt.publish(self.topic(), b"%d" % number, 1)
            client.move()
            self.assertEqual([one.payload for one in client.wake()], [b"%d" % number])

    @ours_only("MQTT-SN")
    def test_acknowledged_is_there(self):
        """What was acknowledged to its publisher waits for whoever wakes up after that, though
        the two are on different workers."""
        mqtt = self.client(V5)
        sleepers = [self.connected() for _ in range(4)]
        for client in sleepers:
            client.subscribe(self.topic(), qos=1)
        for number in range(60):
            for client in sleepers:
                client.sleep(60)
            mqtt.publish(self.topic(), b"%d" % number, 1)
            for client in sleepers:
                self.assertEqual([one.payload for one in client.wake()], [b"%d" % number])

    @ours_only("MQTT-SN")
    def test_answers_at_once(self):
        """A sleeper that connects, and answers the REGISTER that comes at once, is not taken for a
        stranger by the worker that hears it, though another one has its session."""
        broker = self.own(node__workers=4)
        mqtt = self.client(V5, where=broker.address)
        for number in range(40):
            client = self.connected(broker=broker)
            client.subscribe(self.topic(), qos=1)
            client.sleep(60)
            mqtt.publish(self.topic(), b"%d" % number, 1)
            client.connect(clean=False)
            self.assertEqual(client.message().payload, b"%d" % number)
            client.disconnect()

    @ours_only("MQTT-SN")
    def test_connects_instead(self):
        """CONNECT without the clean session flag: what waits is delivered; whatever the session."""
        for clean in (True, False):
            with self.subTest(clean=clean):
                mqtt, client = self.client(V5), self.connected(clean=clean)
                topic = self.topic(str(clean))
                client.subscribe(topic, qos=1)
                client.sleep(60)
                mqtt.publish(topic, b"waited", 1)
                client.move()
                client.connect(clean=False)
                self.assertEqual(client.message().payload, b"waited")
                mqtt.publish(topic, b"live", 1)
                self.assertEqual(client.message().payload, b"live")

    @ours_only("MQTT-SN")
    def test_repeated_disconnect(self):
        """The answer to DISCONNECT was lost: it is given again, and the client sleeps."""
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        client.sleep(60)
        mqtt.publish(self.topic(), b"x", 1)
        client.silent()
        self.assertEqual(len(client.wake()), 1)

    @ours_only("MQTT-SN")
    @waits(4)
    def test_overslept(self):
        """Silent for longer than announced: lost, with its will."""
        watcher = self.client(V5)
        watcher.subscribe(self.topic("will"))
        client = self.connected(will=(self.topic("will"), "overslept", 0, False), duration=1)
        start = time.monotonic()
        client.sleep(2)
        self.assertEqual(watcher.message().payload, b"overslept")
        self.assertGreater(time.monotonic() - start, 2.5)
        client.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        client.expect(sn.DISCONNECT)

    @ours_only("MQTT-SN")
    @waits(5)
    def test_keep_alive_does_not_count(self):
        """While it sleeps only the time that it has announced counts, from each PINGREQ anew."""
        watcher = self.client(V5)
        watcher.subscribe(self.topic("will"))
        client = self.connected(will=(self.topic("will"), "lost", 0, False), duration=1)
        client.sleep(3)
        for _ in range(2):
            time.sleep(2.5)
            client.wake()
        self.assert_nothing_more(watcher)
        client.sleep(60)  # another time, without waking up

    @ours_only("MQTT-SN")
    def test_no_answer_while_awake(self):
        """A client that does not acknowledge is taken to sleep again; the message waits."""
        broker = self.own(**FAST)
        mqtt, client = self.client(V5, where=broker.address), self.connected(broker=broker)
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        mqtt.publish(self.topic(), b"x", 1)
        client.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        for number in range(4):
            client.expect(sn.PUBLISH, dup=number != 0)
        client.silent(0.6)
        found = client.wake()
        self.assertEqual([(one.payload, one.dup) for one in found], [(b"x", True)])

    @ours_only("MQTT-SN")
    def test_registers_while_awake(self):
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic("+"))
        client.sleep(60)
        mqtt.publish(self.topic("a"), b"x", 1)
        client.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        told = client.expect(sn.REGISTER)
        client.send(sn.topic_ack(sn.REGACK, told.topic_id, told.message_id))
        client.expect(sn.PUBLISH, payload=b"x")
        client.expect(sn.PINGRESP)

    @ours_only("MQTT-SN")
    def test_keeps_what_the_rules_say(self):
        broker = self.own(**{"mqtt.sn.sleep.keep.1": "state/# last", "mqtt.sn.sleep.keep.2":
                             "log/+ 3", "mqtt.sn.sleep.keep.3": '"# all"'})
        mqtt, client = self.client(V5, where=broker.address), self.connected(broker=broker)
        for topic in ("state/#", "log/a", "all"):
            client.subscribe(topic, qos=1)
        client.sleep(60)
        for number in range(10):
            for topic in ("all", "state/a", "state/b", "log/a"):
                mqtt.publish(topic, b"%d" % number, 1)
        wait_until(lambda: metric(broker, "messages/dropped/superseded") == 9 + 9 + 7, "superseded")
        found = {}
        for one in client.wake():
            found.setdefault(one.name, []).append(int(one.payload))
        self.assertEqual(found, {"state/a": [9], "state/b": [9], "log/a": [7, 8, 9],
                                 "all": list(range(10))})

    @ours_only("MQTT-SN")
    def test_rule_without_a_filter(self):
        """A rule that could never match is an error, not silence."""
        for rule in ("a/#/b last", "$share/g/a 3"):
            with self.subTest(rule), tempfile.TemporaryDirectory() as data:
                ended = subprocess.run(
                    [harness.BINARY, "run", "--data", data, "--set", "log.console=off",
                     "--set", "listener.mqttsn.a=127.0.0.1:0",
                     "--set", f"mqtt.sn.sleep.keep.7={rule}"],
                    capture_output=True, text=True, timeout=20, check=False)
                self.assertEqual(ended.returncode, 1)
                self.assertIn("mqtt.sn.sleep.keep.7", ended.stderr + ended.stdout)
                self.assertIn("is no topic filter", ended.stderr + ended.stdout)

    @ours_only("MQTT-SN")
    def test_bounds(self):
        """What waits is bounded by the queue of any session."""
        broker = self.own(mqtt__mqueue__max_length=5)
        mqtt, client = self.client(V5, where=broker.address), self.connected(broker=broker)
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        for number in range(20):
            mqtt.publish(self.topic(), b"%d" % number, 1)
        wait_until(lambda: metric(broker, "messages/dropped/queue_full") == 15, "dropped")
        self.assertEqual([int(one.payload) for one in client.wake()], list(range(15, 20)))

    @ours_only("MQTT-SN")
    def test_expired(self):
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        mqtt.publish(self.topic(), b"old", 1, properties=[("message_expiry", 1)])
        mqtt.publish(self.topic(), b"new", 1, properties=[("message_expiry", 60)])
        time.sleep(1.1)
        self.assertEqual([one.payload for one in client.wake()], [b"new"])


class Places(SnTest):
    """Forwarders (5.5) and addresses."""

    @ours_only("MQTT-SN")
    def test_forwarder(self):
        """Several nodes behind one address, and one that is the forwarder itself."""
        mqtt = self.client(V5)
        nodes = []
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(link.close)
        link.connect(self.address())
        for node in (b"\x01", b"\x02", b"\x01\x02\x03\x04\x05\x06\x07\x08", None):
            one = sn.Client.__new__(sn.Client)
            one.__dict__.update(sn.Client(self.address()).__dict__)
            one.socket.close()
            one.socket, one.node, one.client_id = link, node, self.name(f"-{node}")
            nodes.append(one)
        for number, one in enumerate(nodes):
            one.connect()
            one.subscribe(self.topic(str(number)), qos=1)
        for number, one in enumerate(nodes):
            mqtt.publish(self.topic(str(number)), b"%d" % number, 1)
            self.assertEqual(one.message().payload, b"%d" % number)
            one.ping()

    @ours_only("MQTT-SN")
    def test_nested(self):
        """A forwarder behind a forwarder: answers have both headers."""
        outer, inner = b"\x0a", b"\x0b\x0c"
        client = self.sensor()
        client.socket.send(sn.encapsulate(outer, sn.encapsulate(
            inner, sn.connect(client.client_id), 1), 3))
        answer = client.socket.recv(1000)
        self.assertEqual(answer, sn.encapsulate(outer, sn.encapsulate(
            inner, sn.message(sn.CONNACK, b"\x00"))))

    @ours_only("MQTT-SN")
    def test_node_sleeps_and_moves_to_another_forwarder(self):
        mqtt, client = self.client(V5), self.connected(node=b"\x07")
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        mqtt.publish(self.topic(), b"x", 1)
        client.move()
        client.node = b"\x99\x98"
        self.assertEqual(len(client.wake()), 1)

    @ours_only("MQTT-SN")
    def test_malformed_encapsulation(self):
        client = self.sensor()
        inside = sn.connect(client.client_id)
        for datagram in (b"\x03\xfe\x00" + inside, b"\x09\xfe\x00\x01", b"\xff\xfe\x00\x01" + inside,
                         sn.encapsulate(b"\x01", b""), sn.encapsulate(b"\x01", b"\x00"),
                         *[nested(5, inside)]):
            client.socket.send(datagram)
        client.silent()
        client.connect()

    @ours_only("MQTT-SN")
    def test_connect_moves(self):
        """CONNECT from another address: the session goes on there, without its will."""
        watcher = self.client(V5)
        watcher.subscribe(self.topic("will"))
        client = self.connected(clean=False, will=(self.topic("will"), "x", 0, False))
        client.subscribe(self.topic(), qos=1)
        client.move()
        client.connect(clean=False)
        watcher.publish(self.topic(), b"there", 1)
        self.assertEqual(client.message().payload, b"there")
        self.assert_nothing_more(watcher)

    @ours_only("MQTT-SN")
    def test_ping_moves(self):
        """One that sleeps; one that is active says so by CONNECT."""
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=1)
        client.move()
        client.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        client.expect(sn.DISCONNECT)
        client.connect(clean=False)
        client.subscribe(self.topic(), qos=1)
        client.sleep(60)
        client.move()
        mqtt.publish(self.topic(), b"there", 1)
        self.assertEqual([one.payload for one in client.wake()], [b"there"])

    @ours_only("MQTT-SN")
    def test_other_messages_do_not_move(self):
        """From an unknown address anything else is answered with DISCONNECT."""
        client = self.connected()
        topic_id = client.register(self.topic())
        client.move()
        for datagram in (sn.publish(topic_id, "x", 1, 1), sn.message(sn.PINGREQ),
                         sn.subscribe("a", 2), sn.register("a", 3), sn.disconnect(),
                         sn.topic_ack(sn.PUBACK, 1, 1), sn.message_ack(sn.PUBREL, 1)):
            client.send(datagram)
            client.expect(sn.DISCONNECT)
        client.send(sn.message(sn.CONNACK, b"\x00"), sn.message(sn.PINGRESP),
                    sn.message(sn.ADVERTISE, b"\x01\x00\x05"), sn.message(sn.GWINFO, b"\x01"))
        client.silent()  # what only gateways send is not answered

    @ours_only("MQTT-SN")
    def test_ipv6(self):
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        broker = self.own(**{"listener.mqttsn.default": "[::]:0"})
        port = sn_address(broker)[1]
        for host in ("127.0.0.1", "::1", "127.0.0.9"):
            client = sn.Client((host, port), self.name(host.replace(":", "-")))
            self._clients.append(client)
            client.connect()  # a connected socket hears the address that it has asked only
            client.ping()
            client.disconnect()


def nested(depth, inside):
    for number in range(depth):
        inside = sn.encapsulate(bytes([number + 1]), inside)
    return inside


class Takeover(SnTest):
    """One client id, one session, whatever the protocol."""

    @ours_only("MQTT-SN")
    def test_by_mqtt_and_back(self):
        sender = self.client(V5)
        name = self.name("both")
        client = self.connected(name, clean=False)
        client.subscribe(self.topic(), qos=1)
        mqtt = self.client(V5, name, clean=False, properties=[("session_expiry", 600)])
        self.assertTrue(mqtt.connack.session_present)
        client.expect(sn.DISCONNECT)
        sender.publish(self.topic(), b"to mqtt", 1)
        self.assertEqual(mqtt.message().payload, b"to mqtt")
        client.connect(clean=False)
        self.assertEqual(mqtt.recv().code, 0x8e)  # session taken over
        sender.publish(self.topic(), b"to sensor", 1)
        self.assertEqual(client.message().payload, b"to sensor")

    @ours_only("MQTT-SN")
    def test_queue_is_shared(self):
        """What waited for one is delivered to the other; in flight too, each once."""
        sender = self.client(V5)
        name = self.name("both")
        mqtt = self.client(V5, name, clean=False, properties=[("session_expiry", 600)])
        mqtt.subscribe(self.topic(), qos=2)
        for number in range(3):
            sender.publish(self.topic(), b"%d" % number, 1 + number % 2)
        for _ in range(3):
            mqtt.message(acknowledge=False)
        mqtt.disconnect()
        for number in range(3, 6):
            sender.publish(self.topic(), b"%d" % number, 1 + number % 2)
        client = self.connected(name, clean=False)
        self.assertEqual([int(client.message().payload) for _ in range(6)], list(range(6)))

    @ours_only("MQTT-SN")
    def test_by_another_sensor(self):
        client = self.connected()
        other = self.connected(client.client_id)
        client.expect(sn.DISCONNECT)
        other.ping()

    @ours_only("MQTT-SN")
    def test_sleeper_taken_over(self):
        name = self.name("both")
        client = self.connected(name, clean=False)
        client.sleep(60)
        self.client(V5, name, clean=False).disconnect()
        client.socket.recv(100)
        client.send(sn.message(sn.PINGREQ, name.encode()))
        client.expect(sn.DISCONNECT)


class Restart(SnTest):
    """What is kept when the gateway ends."""

    def check(self, end):
        broker = self.own()
        mqtt = self.client(V5, where=broker.address)
        active = self.connected(broker=broker, clean=False)
        asleep = self.connected(broker=broker, clean=False, will=(self.topic("will"), "x", 1, False))
        ids = [active.register(self.topic(str(number))) for number in range(20)]
        asleep_id = asleep.subscribe(self.topic("a"), qos=2)
        active.subscribe(self.topic("b"), qos=1)
        asleep.sleep(600)
        active.disconnect()
        for number in range(10):
            mqtt.publish(self.topic("a"), b"%d" % number, 1 + number % 2)
            mqtt.publish(self.topic("b"), b"%d" % number, 1)
        # Hears of what happens before anybody can connect again, too.
        lasting = {"client_id": self.name("watcher"), "clean": False,
                   "properties": {"session_expiry": 600}}
        with self.client(V5, where=broker.address, **lasting) as watcher:
            watcher.subscribe(self.topic("will"), qos=1)
        end(broker)
        watcher = self.client(V5, where=broker.address, **lasting)
        address = sn_address(broker)
        for client in (active, asleep):
            client.address = address
            client.move()
        found = asleep.wake()
        self.assertEqual([int(one.payload) for one in found], list(range(10)))
        self.assertEqual({one.topic_id for one in found}, {asleep_id})
        active.connect(clean=False)
        self.assertEqual([int(active.message().payload) for _ in range(10)], list(range(10)))
        watcher.subscribe(self.topic("3"), qos=1)
        active.publish(ids[3], "by the old id", 1)
        self.assertEqual(watcher.message().payload, b"by the old id")
        self.assertEqual([active.register(self.topic(str(number))) for number in range(20)], ids)
        self.assert_nothing_more(watcher)  # no will: the sleeper was never lost
        self.client(V5, asleep.client_id, where=broker.address)
        self.assertEqual(watcher.message().payload, b"x")  # but it has one

    @ours_only("store")
    def test_orderly(self):
        self.check(harness.Broker.restart)

    @ours_only("store")
    def test_killed(self):
        def crash(broker):
            broker.kill()
            broker._start()
        self.check(crash)

    @ours_only("store")
    def test_sleeper_that_gave_up_its_clean_session(self):
        """Its session lasts from the CONNECT on, with what it had before."""
        broker = self.own()
        mqtt = self.client(V5, where=broker.address)
        client = self.connected(broker=broker, clean=True)
        topic, other = self.topic("a"), self.topic("b")
        client.subscribe(topic, qos=1)
        kept = client.register(other)
        client.sleep(60)
        for number in range(2):
            mqtt.publish(topic, b"%d" % number, 1 + number)
        client.connect(clean=False)
        self.assertEqual(client.message(acknowledge=False).payload, b"0")
        mqtt.publish(topic, b"2", 1)
        broker.kill()
        broker._start()
        client.address = sn_address(broker)
        client.move()
        client.connect(clean=False)
        self.assertEqual([client.message().payload for _ in range(3)], [b"0", b"1", b"2"])
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe(other)
        client.publish(kept, "by the old id", 1)
        self.assertEqual(mqtt.message().payload, b"by the old id")
        client.disconnect()
        mqtt.publish(topic, b"3", 1)
        client.connect(clean=False)
        self.assertEqual(client.message().payload, b"3")

    @ours_only("store")
    @waits(4)
    def test_overslept_meanwhile(self):
        """The time of a sleep goes on while no gateway runs."""
        broker = self.own()
        client = self.connected(broker=broker, clean=False,
                                will=(self.topic("will"), "overslept", 1, True))
        client.sleep(2)
        broker.terminate()
        time.sleep(2.5)
        broker._start()
        watcher = self.client(V5, where=broker.address)
        watcher.subscribe(self.topic("will"))
        self.assertEqual(watcher.message().payload, b"overslept")

    @ours_only("MQTT-SN")
    def test_clients_are_told(self):
        broker = self.own()
        client, sleeper = self.connected(broker=broker), self.connected(broker=broker, clean=False)
        sleeper.sleep(60)
        broker.terminate()
        client.expect(sn.DISCONNECT)
        sleeper.silent()


class Discovery(SnTest):
    """Section 6.1."""

    @ours_only("MQTT-SN")
    def test_unicast(self):
        broker = self.own(mqtt__sn__gateway_id=42)
        client = self.sensor(broker=broker)
        client.send(sn.message(sn.SEARCHGW, b"\x01"))
        client.expect(sn.GWINFO, gateway_id=42, rest=b"")

    @ours_only("MQTT-SN")
    def test_multicast(self):
        group, port = "239.255.18.84", free_udp_port()
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((group, port))
        loopback = socket.if_nametoindex("lo")
        member = socket.inet_aton(group) + socket.inet_aton("127.0.0.1") + loopback.to_bytes(
            4, "little")
        try:
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except OSError as error:
            self.skipTest(f"no multicast: {error}")
        listener.settimeout(sn.DEFAULT_TIMEOUT)
        broker = self.own(mqtt__sn__advertise_duration="1s", mqtt__sn__gateway_id=7,
                          listener__mqttsn__default__multicast=f"{group}:{port}",
                          listener__mqttsn__default__multicast_interface="lo")

        def heard(kind):
            while True:
                datagram, source = listener.recvfrom(1000)
                found = sn.decode(datagram) if datagram[1] != sn.SEARCHGW else None
                if found is not None and found.type == kind:
                    return found, source
        for _ in range(2):
            found, source = heard(sn.ADVERTISE)
            self.assertEqual((found.gateway_id, found.duration), (7, 1))
            self.assertEqual(source[1], sn_address(broker)[1])  # where the gateway is
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(asker.close)
        asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        asker.settimeout(sn.DEFAULT_TIMEOUT)
        asker.sendto(sn.message(sn.SEARCHGW, b"\x01"), (group, port))
        self.assertEqual(heard(sn.GWINFO)[0].gateway_id, 7)
        self.assertEqual(sn.decode(asker.recv(1000)).gateway_id, 7)
        # A group is for nothing else: what comes to it has no address to be trusted.
        asker.sendto(sn.connect(self.name()), (group, port))
        wait_until(lambda: metric(broker, "datagrams/dropped/unexpected") == 1, "dropped")


class BadInput(SnTest):

    @ours_only("MQTT-SN")
    def test_table(self):
        broker = self.own()
        client = self.sensor(broker=broker)
        for what, datagram, reason in [
                ("nothing", b"", "truncated"),
                ("one octet", b"\x02", "truncated"),
                ("cut long header", b"\x01\x00", "truncated"),
                ("length too small", b"\x02\x04\x04\x01\x00\x3ca", "length_mismatch"),
                ("length too large", b"\x20\x04\x04\x01\x00\x3ca", "length_mismatch"),
                ("length 0", b"\x00\x04", "length_mismatch"),
                ("long length too large", b"\x01\xff\xff\x04\x04\x01\x00\x3ca", "length_mismatch"),
                ("reserved type 0x03", b"\x02\x03", "unknown_type"),
                ("reserved type 0x11", b"\x02\x11", "unknown_type"),
                ("reserved type 0x19", b"\x02\x19", "unknown_type"),
                ("reserved type 0x1e", b"\x02\x1e", "unknown_type"),
                ("reserved type 0xff", b"\x02\xff", "unknown_type"),
                ("CONNECT without fields", b"\x03\x04\x04", "truncated"),
                ("SEARCHGW too long", b"\x04\x01\x00\x00", "overlong"),
                ("PUBLISH without topic", b"\x04\x0c\x00\x00", "truncated")]:
            with self.subTest(what):
                before = metric(broker, f"datagrams/dropped/{reason}")
                client.send(datagram)
                wait_until(lambda: metric(broker, f"datagrams/dropped/{reason}") == before + 1,
                           reason)
        client.silent()
        client.connect()
        before = metric(broker, "datagrams/dropped/overlong")
        client.send(sn.message(sn.REGACK, bytes(6)), sn.message(sn.PINGRESP, b"x"),
                    sn.message(sn.DISCONNECT, bytes(3)), sn.message(sn.SUBSCRIBE, b"\x01\0\1\0\1\0"))
        wait_until(lambda: metric(broker, "datagrams/dropped/overlong") == before + 4, "counted")
        client.ping()

    @ours_only("MQTT-SN")
    def test_random_bytes(self):
        """Random datagrams, and mutations of good ones: the gateway goes on."""
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        client = self.connected()
        good = [sn.connect(self.name("-r"), will=True), sn.publish(1, "x" * 20, 1, 1),
                sn.subscribe("a/#", 1, 1), sn.register("a/b", 2), sn.disconnect(5),
                sn.will_topic("a", kind=sn.WILLTOPICUPD), sn.message_ack(sn.PUBREC, 3),
                sn.encapsulate(b"\x01\x02", sn.connect(self.name("-e"))),
                sn.message(sn.PINGREQ, b"nobody"), sn.topic_ack(sn.REGACK, 1, 1)]
        sender = self.sensor()
        for _ in range(3000):
            data = bytearray(rng.choice(good) if rng.random() < 0.8 else
                             rng.randbytes(rng.randrange(1, 40)))
            for _ in range(rng.randrange(4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            if rng.random() < 0.2:
                data = data[:rng.randrange(1, len(data) + 1)]
            sender.socket.send(bytes(data))
        self.assertTrue(self.broker().alive(), f"seed {seed}")
        client.move()
        client.connect()
        client.ping()

    @ours_only("MQTT-SN")
    def test_unknown_peers_cost_nothing(self):
        """A flood from many ports leaves no memory and few answers."""
        broker = self.own()

        def flood():
            for _ in range(300):
                peer = sn.Client(self.address(broker))
                peer.send(*[sn.publish(1, "x", 1, number) for number in range(1, 20)])
                peer.close()
            self.sensor(broker=broker).connect()
        flood()  # the buffers of all workers are in use now
        before = broker.memory()
        flood()
        if not harness.sanitized():
            self.assertLess(broker.memory() - before, 256 << 10)


@unittest.skipUnless(shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub"),
                     "no mosquitto clients")
class Crossing(SnTest):
    """Real MQTT clients on the other side."""

    @ours_only("MQTT-SN")
    def test_mosquitto_pub(self):
        host, port = self.broker().address
        client = self.connected()
        client.subscribe(self.topic("#"), qos=2)
        for qos in range(3):
            subprocess.run(["mosquitto_pub", "-h", host, "-p", str(port), "-t", self.topic(str(qos)),
                            "-m", f"hello {qos}", "-q", str(qos)], check=True, timeout=20)
            found = client.message()
            self.assertEqual((found.name, found.payload, found.qos),
                             (self.topic(str(qos)), b"hello %d" % qos, qos))

    @ours_only("MQTT-SN")
    def test_mosquitto_sub(self):
        host, port = self.broker().address
        process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", host, "-p", str(port),
                                    "-t", self.topic("#"), "-q", "2", "-W", "20", "-d", "-C", "3",
                                    "-F", "message: %t %q %p"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if "Subscribed (mid" in line:
                break
        client = self.connected()
        topic_id = client.register(self.topic("up"))
        for qos in range(3):
            client.publish(topic_id, f"value-{qos}", qos)
        found = [line.split()[1:] for line in process.stdout if line.startswith("message: ")]
        self.assertEqual(found, [[self.topic("up"), str(qos), f"value-{qos}"] for qos in range(3)])


if __name__ == "__main__":
    harness.main()
