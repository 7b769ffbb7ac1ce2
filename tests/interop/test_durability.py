"""What was acknowledged is there after kill -9 (store.ack = local, the default)."""

import random
import subprocess

import harness
import mqtt_wire as wire
from harness import Broker, MqttTest, ours_only, wait_until
from mqtt_wire import V5

KEEP = {"clean": False, "properties": {"session_expiry": 3600}}


class Durability(MqttTest):

    def own(self, **keys):
        broker = Broker(**keys)
        self.addCleanup(broker.stop)
        return broker

    def crash(self, broker):
        """kill -9, and a new process on the same data."""
        broker.kill()
        broker._start()

    def absent(self, broker, name, topic, qos):
        client = self.client(V5, name, broker.address, **KEEP)
        client.subscribe(topic, qos=qos)
        client.disconnect()

    @ours_only("store")
    def test_random_kills(self):
        """Acknowledged and lost 0, QoS 2 doubled 0, misordered 0, over kills at random moments."""
        seed = 20240
        rng = random.Random(seed)
        broker = self.own()
        for attempt in range(12):
            qos = 1 + attempt % 2
            topic, name = self.topic(str(attempt)), self.name(f"keeper{attempt}")
            self.absent(broker, name, topic, qos)
            sender = self.client(V5, where=broker.address)
            count = 200
            sender.send(*[wire.publish(topic, b"%d" % number, qos, number + 1, version=V5)
                          for number in range(count)])
            wanted = rng.randrange(1, count)
            acked = set()
            while len(acked) < wanted:
                acked.add(sender.recv().id - 1)
            self.crash(broker)
            receiver = self.client(V5, name, broker.address, **KEEP)
            found = []
            while not acked <= set(found):
                found.append(int(receiver.messages(1)[0].payload))
            self.assertEqual(found, sorted(set(found)), f"seed {seed}, attempt {attempt}")
            receiver.disconnect()

    @ours_only("store")
    def test_state_survives(self):
        """Subscriptions with their identifiers, retained messages, expiry, after kill -9."""
        broker = self.own()
        topic, name = self.topic(), self.name("keeper")
        client = self.client(V5, name, broker.address, **KEEP)
        client.subscribe(topic, qos=1, properties=[("subscription_identifier", 77)])
        sender = self.client(V5, where=broker.address)
        sender.publish(topic + "/r", b"state", 1, retain=True)
        sender.publish(topic, b"sent", 1)
        client.message(acknowledge=False)
        self.crash(broker)
        client = self.client(V5, name, broker.address, **KEEP)
        self.assertTrue(client.connack.session_present)
        again = client.messages(1)[0]
        self.assertEqual((again.payload, again.dup), (b"sent", True))
        sender = self.client(V5, where=broker.address)
        sender.publish(topic, b"new", 1)
        found = client.messages(1)[0]
        self.assertEqual(found.payload, b"new")
        self.assertIn(("subscription_identifier", 77), list(found.properties))
        reader = self.client(V5, where=broker.address)
        reader.subscribe(topic + "/r", qos=1)
        self.assertEqual(reader.messages(1)[0].payload, b"state")

    @ours_only("store")
    def test_long_queue_pages_in(self):
        """A queue far longer than its head in memory comes back whole and in order."""
        broker = self.own()
        topic, name = self.topic(), self.name("keeper")
        self.absent(broker, name, topic, 1)
        sender = self.client(V5, where=broker.address)
        for number in range(3000):
            sender.publish(topic, b"%d" % number, 1)
        self.crash(broker)
        client = self.client(V5, name, broker.address, **KEEP)
        self.assertEqual([int(one.payload) for one in client.messages(3000)], list(range(3000)))

    @ours_only("store")
    def test_shared_messages_are_handed_on(self):
        """What waited for a member of a group is the group's still, after kill -9 too."""
        broker = self.own()
        topic, name = self.topic(), self.name("member")
        self.absent(broker, name, f"$share/g/{topic}", 1)
        sender = self.client(V5, where=broker.address)
        for number in range(300):
            sender.publish(topic, b"%d" % number, 1)
        self.crash(broker)
        other = self.client(V5, where=broker.address)
        other.subscribe(f"$share/g/{topic}", qos=1)
        self.client(V5, name, broker.address)  # a clean start: the old session ends
        self.assertEqual(sorted(int(one.payload) for one in other.messages(300)),
                         list(range(300)))
        self.crash(broker)
        again = self.client(V5, name, broker.address, **KEEP)
        self.assertFalse(again.connack.session_present)
        self.assert_nothing_more(again)

    @ours_only("store")
    def test_expired_retained_messages_leave_the_store(self):
        broker = self.own()
        topic = self.topic()
        sender = self.client(V5, where=broker.address)
        sender.publish(topic, b"short-lived", 1, retain=True,
                       properties={"message_expiry": 1})
        wait_until(lambda: broker.status()["retained"] == 0, "the message expires", 20)
        wait_until(lambda: topic not in self.export(broker), "its row goes", 20)

    def export(self, broker):
        """What the store of a running broker holds, as text."""
        folder = broker.data / "data"
        copy = folder / "copy.db"
        copy.unlink(missing_ok=True)
        subprocess.run([harness.BINARY, "store", "backup", "--data", folder, copy],
                       capture_output=True, timeout=60, check=True)
        return subprocess.run([harness.BINARY, "store", "export", "--data", folder, "--set",
                               f"store.file={copy.name}"], capture_output=True, timeout=60, check=True,
                              text=True).stdout

    @ours_only("store")
    def test_second_process_is_refused(self):
        """Two processes on one data folder: the second refuses to start, the first lives on."""
        broker = self.own()
        second = subprocess.run(broker.process.args, capture_output=True, timeout=20, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.client(V5, where=broker.address)

    @ours_only("store")
    def test_no_store(self):
        """store.file empty: nothing is kept over a restart."""
        broker = self.own(**{"store.file": ""})
        topic, name = self.topic(), self.name("keeper")
        self.absent(broker, name, topic, 1)
        self.crash(broker)
        self.assertFalse(self.client(V5, name, broker.address, **KEEP).connack.session_present)


if __name__ == "__main__":
    harness.main()
