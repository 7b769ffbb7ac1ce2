"""Real STOMP clients: python3-stomp (stomp.py), ruby-stomp, libnet-stomp-perl, npm @stomp/stompjs.

The first is used from here, the others have a program of checks each, which prints a line for each
check. A client that is not installed makes its tests be skipped, by name.
"""

import os
import pathlib
import queue
import shutil
import subprocess
import time
import unittest

import harness
from stomp_harness import StompTest, listener, versions

try:
    import stomp
except ImportError:
    stomp = None

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path(os.environ.get("MANGROVE_NODE_MODULES", HERE / "node" / "node_modules"))


def has(*command):
    return shutil.which(command[0]) is not None and subprocess.run(
        command, capture_output=True, timeout=60).returncode == 0


class Programs(StompTest):

    def checks(self, at_least, *command, **more):
        host, port = listener(self.stomp_broker())
        found = subprocess.run([*command, host, str(port)], timeout=170, text=True,
                               capture_output=True, env={**os.environ, **more})
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertGreaterEqual(found.stdout.count("ok "), at_least, found.stdout)

    @unittest.skipUnless(has("ruby", "-e", "require 'stomp'"), "no ruby-stomp")
    def test_ruby(self):
        self.checks(27, "ruby", str(HERE / "stomp_peers" / "checks.rb"))

    @unittest.skipUnless(has("perl", "-MNet::Stomp", "-e", "1"), "no libnet-stomp-perl")
    def test_perl(self):
        self.checks(12, "perl", str(HERE / "stomp_peers" / "checks.pl"))

    @unittest.skipUnless(shutil.which("node") and (MODULES / "@stomp" / "stompjs").exists(),
                         "no npm @stomp/stompjs: run `npm ci` in tests/interop/node")
    def test_stompjs(self):
        self.checks(33, "node", str(HERE / "node" / "stomp_checks.js"), NODE_PATH=str(MODULES))


class Inbox(stomp.ConnectionListener if stomp else object):
    """What a connection of stomp.py hears, one queue for each kind of frame."""

    def __init__(self):
        self.messages, self.receipts, self.errors = queue.Queue(), queue.Queue(), queue.Queue()
        self.connected, self.disconnected = queue.Queue(), queue.Queue()
        self.timeouts = 0

    def on_connected(self, frame):
        self.connected.put(frame)

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_disconnected(self):
        self.disconnected.put(True)

    def on_heartbeat_timeout(self):
        self.timeouts += 1


@unittest.skipUnless(stomp, "no python3-stomp")
class StompPy(StompTest):

    CLASSES = {"1.0": "Connection10", "1.1": "Connection11", "1.2": "Connection12"}

    def connect(self, version, headers=None, **more):
        made = getattr(stomp, self.CLASSES[version])([listener(self.stomp_broker())],
                                                    reconnect_attempts_max=1, **more)
        made.inbox = Inbox()
        made.set_listener("inbox", made.inbox)
        self.addCleanup(lambda: made.is_connected() and made.disconnect())
        made.connect(wait=True, headers=headers or {}, with_connect_command=True)
        made.greeting = made.inbox.connected.get(timeout=10)
        return made

    def receipt(self, client, use):
        wanted = f"receipt-{time.monotonic_ns()}"
        use(wanted)
        self.assertEqual(client.inbox.receipts.get(timeout=10), wanted)

    def subscribe(self, client, topic, number=1, ack="auto", **headers):
        self.receipt(client, lambda receipt: client.subscribe(
            topic, number, ack, headers={"receipt": receipt, **headers}))

    def send(self, client, topic, body, **headers):
        self.receipt(client, lambda receipt: client.send(topic, body, receipt=receipt, **headers))

    @versions()
    def test_both_ways(self, version):
        client, topic = self.connect(version), self.topic()
        self.subscribe(client, topic + "/+")
        self.send(client, topic + "/a", "grüße\n", content_type="text/plain", color="red")
        found = client.inbox.messages.get(timeout=10)
        self.assertEqual(found.body, "grüße\n")
        self.assertEqual(found.headers["destination"], topic + "/a")
        self.assertEqual(found.headers["subscription"], "1")
        self.assertEqual(found.headers["color"], "red")

    @versions("1.1", "1.2")
    def test_escapes(self, version):
        client, topic = self.connect(version), self.topic("a:b\\")
        self.subscribe(client, topic)
        self.send(client, topic, "x", headers={"key": "v:\\ \n end"})
        found = client.inbox.messages.get(timeout=10)
        self.assertEqual(found.headers["destination"], topic)
        self.assertEqual(found.headers["key"], "v:\\ \n end")

    @versions()
    def test_binary(self, version):
        client, topic = self.connect(version, auto_decode=False), self.topic()
        self.subscribe(client, topic)
        body = bytes(range(256)) * 300
        client.send(topic, body)
        self.assertEqual(client.inbox.messages.get(timeout=10).body, body)

    def ack(self, client, version, found, method="ack", **more):
        if version == "1.2":
            getattr(client, method)(found.headers["ack"], **more)
        elif version == "1.1":
            getattr(client, method)(found.headers["message-id"], 1, **more)
        else:
            getattr(client, method)(found.headers["message-id"], **more)

    @versions()
    def test_durable_and_cumulative(self, version):
        name, topic = self.name(), self.topic()
        client = self.connect(version, {"client-id": name})
        self.subscribe(client, topic, ack="client", durable="true")
        for number in range(4):
            self.send(client, topic, str(number))
        found = [client.inbox.messages.get(timeout=10) for _ in range(4)]
        self.ack(client, version, found[2])
        # DISCONNECT's receipt says that ACK was heard, too.
        client.disconnect(receipt="end")
        self.assertEqual(client.inbox.receipts.get(timeout=10), "end")
        again = self.connect(version, {"client-id": name})
        self.subscribe(again, topic, ack="client", durable="true")
        found = again.inbox.messages.get(timeout=10)
        self.assertEqual((found.body, found.headers["redelivered"]), ("3", "true"))

    @versions("1.1", "1.2")
    def test_nack(self, version):
        client, topic = self.connect(version), self.topic()
        self.subscribe(client, topic, ack="client-individual")
        self.send(client, topic, "x")
        self.ack(client, version, client.inbox.messages.get(timeout=10), "nack")
        again = client.inbox.messages.get(timeout=10)
        self.assertEqual((again.body, again.headers["redelivered"]), ("x", "true"))
        self.ack(client, version, again)

    @versions()
    def test_transactions(self, version):
        client, topic = self.connect(version), self.topic()
        self.subscribe(client, topic)
        dropped = client.begin()
        self.send(client, topic, "dropped", transaction=dropped)
        client.abort(dropped)
        kept = client.begin()
        self.send(client, topic, "1", transaction=kept)
        self.send(client, topic, "outside")
        self.assertEqual(client.inbox.messages.get(timeout=10).body, "outside")
        client.commit(kept)
        self.assertEqual(client.inbox.messages.get(timeout=10).body, "1")

    @versions("1.1", "1.2")
    def test_heart_beats(self, version):
        client, topic = self.connect(version, heartbeats=(1000, 1000)), self.topic()
        self.assertEqual(client.greeting.headers["heart-beat"], "1000,1000")
        self.subscribe(client, topic)
        # Longer than either side would bear without them.
        with self.assertRaises(queue.Empty):
            client.inbox.disconnected.get(timeout=3.5)
        self.assertEqual(client.inbox.timeouts, 0)
        self.send(client, topic, "alive")
        self.assertEqual(client.inbox.messages.get(timeout=10).body, "alive")

    @versions()
    def test_errors(self, version):
        client = self.connect(version)
        client.send("not/#/valid", "x", receipt="bad")
        found = client.inbox.errors.get(timeout=10)
        self.assertEqual(found.headers["receipt-id"], "bad")
        self.assertTrue(found.headers["message"])
        client.inbox.disconnected.get(timeout=10)

    @versions()
    def test_unsubscribe(self, version):
        client, topic = self.connect(version), self.topic()
        self.subscribe(client, topic)
        client.unsubscribe(id=1)
        self.send(client, topic, "x")
        with self.assertRaises(queue.Empty):
            client.inbox.messages.get(timeout=0.3)


if __name__ == "__main__":
    harness.main()
