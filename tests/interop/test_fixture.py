"""Data folders of earlier versions, tests/fixtures/store-*: this version opens each, and everything
that was in it is there.

The folders were made by tests/fixtures/make_store.py, which says what is in them and why it does not
come of age. Each test works on a copy of its own.
"""

import base64
import collections
import json
import pathlib
import shutil
import subprocess

import coap_wire as coap
import harness
import mqtt_wire as wire
import sn_wire as sn
import stomp_wire as stomp
from coap_support import coap_address
from harness import MqttTest, wait_until
from mqtt_wire import V31, V311, V5
from sn_support import sn_address

# The oldest comes first, and its contents are what is looked at; the others must open.
FOLDERS = sorted((harness.ROOT / "tests" / "fixtures").glob("store-*"))
FIXTURE = FOLDERS[0]
NEVER = 0xffffffff
CENTURY = 100 * 366 * 86400  # seconds

RETAINED_WILLS = {"wills/will-5", "wills/sensor"}

SETTINGS = {
    "node.workers": "2",
    "listener.mqttsn.default": "127.0.0.1:0",
    "listener.coap.default": "127.0.0.1:0",
    "listener.stomp.default": "127.0.0.1:{free_port}",
    "mqtt.session.expiry_interval": "0",
    "auth.timeout": "30s",
    "auth.client_id.file": "{data}/data/client_ids",
    "acl.file": "{data}/data/acl.conf",
}


class Fixture(MqttTest):

    def setUp(self):
        super().setUp()
        if harness.PEER != "mangrove":
            self.skipTest("the peer has other files")
        self.contents = json.loads((FIXTURE / "contents.json").read_text())

    def start(self, **more):
        """A broker on a copy of the folder, of this test alone."""
        def copy(folder):
            shutil.copytree(FIXTURE, folder / "data")
        self.own = harness.Broker(prepare=copy, **{**SETTINGS, **more})
        self.addCleanup(lambda: self.assertIsNone(self.own.stop()))

    def run_program(self, *arguments, data=None, **more):
        done = subprocess.run([harness.BINARY, *arguments, "--data",
                               str(data or self.own.data / "data")], capture_output=True, text=True,
                              check=False, timeout=60, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def link(self, version=V5):
        """A connection; a hash of a password may take its time beside other tests."""
        return self.open(version, self.own.address, timeout=40)

    def resume(self, client_id, version=V5, properties=(), **more):
        """A client whose session must be there."""
        found = self.link(version)
        if version == V5:
            more["properties"] = [("session_expiry", NEVER), *properties]
        found.connack = found.connect(client_id, clean=False, **more)
        if version != V31:  # 3.1 does not say
            self.assertTrue(found.connack.session_present, client_id)
        return found

    def sender(self):
        found = self.link()
        found.connect(self.name())
        return found

    def properties(self, wanted):
        """Name and value, as contents.json has them."""
        if isinstance(wanted, str):
            wanted = self.contents["properties"][wanted]
        return [(name, base64.b64decode(value) if name == "correlation_data" else
                 tuple(value) if isinstance(value, list) else value) for name, value in wanted]

    def assert_same(self, packet, entry, identifiers=(), properties=True):
        """A PUBLISH is the message that contents.json has."""
        self.assertEqual(packet.topic, entry["topic"])
        self.assertEqual(packet.payload, base64.b64decode(entry["payload"]))
        self.assertEqual(packet.qos, entry["qos"], packet)
        if not properties:
            return
        wanted = self.properties(entry["properties"])
        found = [one for one in packet.properties if one[0] not in (
            "subscription_identifier", "message_expiry")]
        self.assertEqual(found, [one for one in wanted if one[0] != "message_expiry"])
        self.assertEqual(sorted(packet.properties.all("subscription_identifier")),
                         sorted(identifiers))
        left, given = packet.properties.get("message_expiry"), dict(wanted).get("message_expiry")
        self.assertEqual(left is None, given is None, packet)
        if given:
            self.assertTrue(given - CENTURY < left <= given, left)

    # --- the file

    def test_check_and_export(self):
        with harness.tempfile.TemporaryDirectory() as folder:
            data = pathlib.Path(folder) / "data"
            shutil.copytree(FIXTURE, data)
            self.run_program("store", "check", data=data)
            lines = [json.loads(line)
                     for line in self.run_program("store", "export", data=data).splitlines()]
            self.assertEqual(collections.Counter(line["type"] for line in lines),
                             self.contents["records"])
            topics = {line["topic"] for line in lines if line["type"] == "retained"}
            self.assertEqual(topics, set(self.contents["retained"]))

    def test_opens_twice(self):
        """What this version writes into it at its start, it reads again."""
        self.start()
        self.own.restart()
        self.own.kill()
        self.run_program("store", "check")
        self.own._start()
        self.retained()

    def test_every_folder_opens(self):
        for folder in FOLDERS:
            with self.subTest(folder=folder.name):
                broker = harness.Broker(prepare=lambda to: shutil.copytree(folder, to / "data"),
                                        **SETTINGS)
                self.addCleanup(broker.stop)
                self.assertEqual(broker.status()["alarms"], [])

    # --- messages

    def retained(self):
        """By topic; with the wills that are published and retained at the start."""
        reader = self.sender()
        reader.subscribe("retained/#", "wills/#", qos=2)
        found = {}
        while len(found) < len(self.contents["retained"]) + len(RETAINED_WILLS):
            packet = reader.message()
            self.assertTrue(packet.retain)
            found[packet.topic] = packet
        self.assert_nothing_more(reader)
        return found

    def test_retained(self):
        self.start()
        found = self.retained()
        for topic, entry in self.contents["retained"].items():
            with self.subTest(topic=topic):
                self.assert_same(found.pop(topic), {"topic": topic, **entry})
        self.assertEqual(set(found), RETAINED_WILLS)

    def test_every_state_of_a_delivery(self):
        self.start()
        entries = self.contents["queues"]["flight"]
        sent = [entry for entry in entries if entry.get("sent")]
        client = self.resume("flight", properties=[("receive_maximum", len(sent))])
        packets = [client.recv() for _ in sent]
        released = [packet.id for packet in packets if packet.type == wire.PUBREL]
        self.assertEqual(released, [entry["id"] for entry in sent if entry.get("released")])
        published = [packet for packet in packets if packet.type == wire.PUBLISH]
        again = [entry for entry in sent if not entry.get("released")]
        for packet, entry in zip(published, again, strict=True):
            self.assertEqual((packet.id, packet.dup), (entry["id"], True))
            self.assert_same(packet, entry, [5])
        client.send(*[wire.ack(wire.PUBCOMP, number) for number in released])
        for entry in again:
            client.send(wire.ack(wire.PUBACK if entry["qos"] == 1 else wire.PUBREC, entry["id"]))
        waiting = [entry for entry in entries if not entry.get("sent")]
        unreleased = sum(entry["qos"] == 2 for entry in again + waiting)
        while waiting or unreleased:
            packet = client.recv()
            if packet.type == wire.PUBREL:
                client.send(wire.ack(wire.PUBCOMP, packet.id))
                unreleased -= 1
                continue
            self.assertTrue(packet.dup)  # it was online, and might have been sent them by then
            self.assert_same(packet, waiting.pop(0), [5])
            client.send(wire.ack(wire.PUBACK if packet.qos == 1 else wire.PUBREC, packet.id))
        self.assert_nothing_more(client, self.sender())

    def test_ids_of_messages_that_came_in(self):
        self.start()
        reader = self.sender()
        reader.subscribe("flight/#", qos=2)
        client = self.resume("sender", username="carol", password="secret of carol")
        known, other = self.contents["inbound"]["sender"]
        client.send(wire.publish("flight/inbound", b"inbound", 2, known, dup=True, version=V5))
        self.assertEqual(client.expect(wire.PUBREC).id, known)
        for number, code in ((known, 0), (other, 0), (other, 0x92)):
            client.send(wire.ack(wire.PUBREL, number))
            self.assertEqual(client.expect(wire.PUBCOMP).code, code)
        self.assert_nothing_more(reader, client)

    def test_queues_of_mqtt_3(self):
        self.start()
        for name, version in (("plain", V311), ("old", V31)):
            client = self.resume(name, version)
            for entry in self.contents["queues"][name]:
                self.assert_same(client.message(), entry, properties=False)
            self.sender().publish(f"{name}/again", b"x", 1)
            self.assertEqual(client.message().topic, f"{name}/again")

    def test_shared_group(self):
        self.start()
        members = [self.resume("share-1"), self.resume("share-2")]
        wanted = {entry["topic"]: entry for entry in self.contents["queues"]["share"]}

        def come():
            for member in members:
                for packet in member.ping():
                    member.complete(packet)
                    self.assert_same(packet, wanted.pop(packet.topic))
            return not wanted
        wait_until(come, "what waited for the group")
        self.sender().publish("jobs/again", b"", 1, properties=self.properties("expiring"))
        wanted["jobs/again"] = {"topic": "jobs/again", "payload": "", "qos": 1,
                                "properties": "expiring"}
        wait_until(come, "another one, once")
        self.assertEqual([member.ping() for member in members], [[], []])

    # --- subscriptions

    def test_options_of_subscriptions(self):
        self.start()
        stranger = self.link()
        stranger.connect("options", code=0x85)  # it is bob's
        client = self.resume("options", username="bob", password="secret of bob")
        sender = self.sender()
        for topic, qos in (("plain", 0), ("shared", 1), ("queue", 1), ("local", 1)):
            sender.publish(f"options/{topic}", b"x", 2)
            packet = client.message()
            self.assertEqual((packet.topic, packet.qos), (f"options/{topic}", qos))
        sender.publish("options/all/one", b"x", 2, retain=True)
        packet = client.message()
        self.assertEqual((packet.qos, packet.retain), (2, True))
        self.assertEqual(sorted(packet.properties.all("subscription_identifier")), [2, 268435455])
        sender.publish("options/all/one/deep", b"x", 2, retain=True)
        packet = client.message()
        self.assertEqual((packet.qos, packet.retain), (1, False))
        self.assertEqual(packet.properties.all("subscription_identifier"), [2])
        client.publish("options/all/own", b"x", 2)  # not to itself by the first of the two
        packet = client.message()
        self.assertEqual(packet.properties.all("subscription_identifier"), [2])
        text = self.run_program("clients", "show", "options")
        for name in ("$share/group/options/shared", "$queue/options/queue", "$local/options/local"):
            self.assertIn(name, text)

    # --- other protocols

    def test_sensor(self):
        self.start()
        sensor = sn.Client(sn_address(self.own), "sensor")
        self._clients.append(sensor)
        sensor.connect(clean=False)
        for entry in self.contents["queues"]["sensor"]:
            packet = sensor.message()
            self.assertEqual((packet.name, packet.payload, packet.qos, packet.dup),
                             (entry["topic"], base64.b64decode(entry["payload"]), entry["qos"],
                              True))
        reader = self.sender()
        reader.subscribe("sensor/registered")
        sensor.send(sn.publish(self.contents["topic_id"], b"by its id", 1, 99))
        self.assertEqual(reader.message().payload, b"by its id")
        sleeper = sn.Client(sn_address(self.own), "sleeper")
        self._clients.append(sleeper)
        sleeper.connect(clean=False)
        (entry,) = self.contents["queues"]["sleeper"]
        self.assertEqual(sleeper.message().payload, base64.b64decode(entry["payload"]))

    def test_stomp(self):
        self.start()
        port = int(self.own.started_with["listener.stomp.default"].rsplit(":", 1)[1])
        client = stomp.Client(("127.0.0.1", port))
        self._clients.append(client)
        connected = client.connect("1.2", client_id="frames", login="dave",
                                   passcode="secret of dave")
        self.assertEqual(connected["session-present"], "true")
        early = client.subscribe("frames/+", "7", "client-individual", durable="true")
        for entry in self.contents["queues"]["frames"]:
            frame = early.pop(0) if early else client.message()
            self.assertEqual((frame["destination"], frame.body, frame["content-type"]),
                             (entry["topic"], base64.b64decode(entry["payload"]),
                              "application/json"))
            self.assertEqual(frame.get("redelivered"), "true")  # all of them were on their way
            client.send("ACK", {"id": frame["ack"]})

    def test_coap(self):
        self.start()
        device = coap.Client(coap_address(self.own))
        self._clients.append(device)
        found = device.ask(coap.POST, "mqtt/connection",
                           query=["clientid=device", f"session_expiry={NEVER}"])
        self.assertEqual(found.code, "2.01")
        found = device.observe("ps/device/%2B", query=[
            "clientid=device", "token=" + found.payload.decode()])
        self.assertEqual(found.code, "2.05")
        for entry in self.contents["queues"]["device"]:
            found = device.notification()
            self.assertEqual((found.location, found.payload, found.number(coap.CONTENT_FORMAT)),
                             ("ps/" + entry["topic"], base64.b64decode(entry["payload"]), 50))

    # --- wills

    def test_wills(self):
        self.start()
        reader = self.resume("wills")

        def expect(wills):
            wanted = {will["topic"]: will for will in wills}
            while wanted:
                packet = reader.message()
                will = dict(wanted.pop(packet.topic))
                will["payload"] = base64.b64encode(will["payload"].encode())
                self.assert_same(packet, will)
        expect(self.contents["wills"])
        self.assert_nothing_more(reader, self.sender())  # others are due in 136 years
        for name, will in self.contents["delayed_wills"].items():
            client = self.link()
            client.connect(name, clean=True)  # the end of the session that the will belongs to
            expect([will])

    # --- who is let in

    def test_users(self):
        self.start()
        for name in ("alice", "bob", "carol", "dave"):
            self.run_program("passwd", "check", name, input=f"secret of {name}\n")
            for password, code in ((f"secret of {name}", 0), ("wrong", 0x86)):
                client = self.link()
                client.connect(self.name(name), code, username=name, password=password)
        text = self.run_program("passwd", "list")
        self.assertRegex(text, r"alice.*superuser")
        self.assertRegex(text, r"bob.*readers")

    def test_bans(self):
        self.start()
        text = self.run_program("ban", "list")
        for part in ("203.0.113.0/24", "2001:db8::/32", "eve", "evil-client", "scans", "flood"):
            self.assertIn(part, text)
        for fields in ({"client_id": "evil-client"}, {"client_id": self.name(), "username": "eve"}):
            self.link().connect(code=0x8A, **fields)

    def test_client_ids_and_rules(self):
        self.start(allow_anonymous="false")
        client = self.link()
        client.connect("meter-7")
        client.subscribe("secret/x", codes=[0x87])
        client.subscribe("open/x")
        self.link().connect("meter-9", code=0x87)
        for password, code in (("secret of meter-8", 0), ("wrong", 0x86)):
            self.link().connect("meter-8", code, username="any",
                                                    password=password)


if __name__ == "__main__":
    harness.main(jobs=4)
