"""A mosquitto bridge to the broker, both directions: retain flag kept, no echo, QoS kept,
reconnection."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import harness
import mqtt_wire as wire
from harness import MqttTest, versions
from mqtt_wire import V31, V311, V5

PROTOCOLS = {V31: "mqttv31", V311: "mqttv311", V5: "mqttv50"}


class Remote:
    """A mosquitto of its own that bridges to `address`."""

    def __init__(self, address, protocol, name, more=""):
        self.folder = tempfile.TemporaryDirectory(prefix="mqtt-bridge-")
        self.port = harness.free_port()
        self.address = ("127.0.0.1", self.port)
        config = pathlib.Path(self.folder.name) / "bridge.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"connection {name}\naddress {address[0]}:{address[1]}\n"
            f"bridge_protocol_version {PROTOCOLS[protocol]}\n"
            f"try_private true\nremote_clientid {name}\nrestart_timeout 1\nnotifications false\n"
            f"topic shared/{name}/# both 2\ntopic out/{name}/# out 1\n"
            f"topic in/{name}/# in 1\n{more}")
        # pylint: disable=consider-using-with
        self.log = open(pathlib.Path(self.folder.name) / "log", "wb")
        self.process = subprocess.Popen([harness.MOSQUITTO, "-c", str(config), "-v"],
                                        stdout=self.log,
                                        stderr=subprocess.STDOUT)
        harness.wait_until(lambda: b"SUBACK" in self.text(),
                           "the bridge's subscriptions are acknowledged", 15)

    def text(self):
        return (pathlib.Path(self.folder.name) / "log").read_bytes()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.folder.cleanup()


@unittest.skipUnless(os.path.exists(harness.MOSQUITTO), "no mosquitto to bridge from")
class Bridge(MqttTest):

    def bridge(self, protocol):
        self.root = self.name("bridge")
        remote = Remote(self.broker().address, protocol, self.root)
        self.addCleanup(remote.close)
        # The bridge subscribes to several filters one by one: all are there when a message comes
        # through each.
        there, here = self.client(V5, where=remote.address), self.client(V5)
        for topic in (f"shared/{self.root}/ready", f"in/{self.root}/ready"):
            there.subscribe(topic, qos=1)

            def crossed(topic=topic):
                here.publish(topic, b"ready", 1)
                try:
                    there.message(0.3)
                    return True
                except wire.Timeout:
                    return False
            harness.wait_until(crossed, f"{topic} crosses the bridge", 15)
        there.close()
        here.close()
        return remote

    @versions()
    def test_both_directions(self, version):
        remote = self.bridge(version)
        there, here = self.client(V5, where=remote.address), self.client(V5)
        for client in (there, here):
            client.subscribe(f"+/{self.root}/#", qos=2)
        for qos in (0, 1, 2):
            here.publish(f"in/{self.root}/x", b"in %d" % qos, qos)
            there.publish(f"out/{self.root}/x", b"out %d" % qos, qos)
            here.publish(f"shared/{self.root}/x", b"from here %d" % qos, qos)
            there.publish(f"shared/{self.root}/x", b"from there %d" % qos, qos)
        # Each side sees its own messages and those of the other, once.
        seen_there = sorted(there.message().payload for _ in range(12))
        seen_here = sorted(here.message().payload for _ in range(12))
        expected = sorted(text % qos
                          for text in (b"in %d", b"out %d", b"from here %d", b"from there %d")
                          for qos in (0, 1, 2))
        self.assertEqual(seen_there, expected)
        self.assertEqual(seen_here, expected)
        for client in (here, there):
            with self.assertRaises(wire.Timeout):  # an echo would come at once, and for ever
                client.recv(0.5)

    @versions()
    def test_retain_flag_is_kept(self, version):
        """Live messages that cross the bridge keep RETAIN, so the other side stores them."""
        remote = self.bridge(version)
        there, here = self.client(V5, where=remote.address), self.client(V5)
        here.subscribe(f"shared/{self.root}/r", qos=1)
        there.subscribe(f"shared/{self.root}/r", qos=1)
        there.publish(f"shared/{self.root}/r", b"kept there", 1, retain=True)
        here.message()
        late = self.client(V5)
        late.subscribe(f"shared/{self.root}/r", qos=1)
        found = late.message()
        self.assertEqual((found.payload, found.retain), (b"kept there", True))
        there.message()
        here.publish(f"shared/{self.root}/r", b"kept here", 1, retain=True)
        self.assertEqual(there.message().payload, b"kept here")
        late = self.client(V5, where=remote.address)
        late.subscribe(f"shared/{self.root}/r", qos=1)
        found = late.message()
        self.assertEqual((found.payload, found.retain), (b"kept here", True))
        here.publish(f"shared/{self.root}/r", b"", 1, retain=True)
        self.assertEqual(there.message().payload, b"")
        late = self.client(V5, self.name("last"), remote.address)
        late.subscribe(f"shared/{self.root}/r", qos=1)
        with self.assertRaises(wire.Timeout):
            late.recv(0.3)

    @versions()
    def test_order_and_number(self, version):
        """A few hundred messages each way arrive once and in order."""
        remote = self.bridge(version)
        there, here = self.client(V5, where=remote.address), self.client(V5)
        there.subscribe(f"in/{self.root}/#", qos=1)
        here.subscribe(f"out/{self.root}/#", qos=1)
        for start in range(0, 200, 10):
            for number in range(start, start + 10):
                here.publish(f"in/{self.root}/n", b"%d" % number, 1)
                there.publish(f"out/{self.root}/n", b"%d" % number, 1)
            self.assertEqual([int(one.payload) for one in there.messages(10)],
                             list(range(start, start + 10)))
            self.assertEqual([int(one.payload) for one in here.messages(10)],
                             list(range(start, start + 10)))


class BridgeBit(MqttTest):
    """Protocol levels 0x83 and 0x84: what try_private asks for, seen on the wire."""

    @versions(V31, V311)
    def test_on_the_wire(self, version):
        topic = self.topic()
        bridge = self.open(version)
        bridge.send(wire.connect(self.name("b"), version=version, level=version | 0x80))
        self.assertEqual(bridge.expect(wire.CONNACK).code, 0)
        bridge.subscribe(topic, qos=1)
        self.client(V311).publish(topic, b"kept", 1, retain=True)
        found = bridge.message()
        self.assertEqual((found.payload, found.retain), (b"kept", True))
        bridge.publish(topic, b"own", 1)
        with self.assertRaises(wire.Timeout):
            bridge.recv(0.3)
        self.client(V311).publish(topic, b"live", 1)
        found = bridge.message()
        self.assertEqual((found.payload, found.retain), (b"live", False))


if __name__ == "__main__":
    harness.main(jobs=6)
