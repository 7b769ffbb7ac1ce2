"""The link is cut at every packet boundary and inside every packet: QoS 1 at least once, QoS 2
exactly once."""

import itertools
import random

import harness
import link
import mqtt_wire as wire
from harness import MqttTest, versions
from mqtt_wire import V311, V5

MESSAGES = 4


def collapse(payloads):
    """Payloads without immediate or later repeats, in order of first arrival."""
    return list(dict.fromkeys(payloads))


class Cut(MqttTest):

    def check(self, receiver, expected, qos):
        if qos == 2:
            self.assertEqual(receiver.got, expected, "QoS 2 is exactly once, in order")
        else:
            self.assertEqual(collapse(receiver.got), expected, "QoS 1 is at least once, in order")

    def finish_receiver(self, receiver, address, expected):
        """Reads the rest; with QoS 2 then looks on a fresh connection whether anything comes that
        should not."""
        for _ in range(10):
            if receiver.run(address, len(expected)):
                break
        else:
            self.fail(f"not finished after ten connections; got {receiver.got}")
        if receiver.qos == 1:
            return  # a repeat may still wait
        properties = {"session_expiry": 600} if receiver.version == V5 else None
        client = self.client(receiver.version, receiver.name, clean=False, properties=properties)
        for found in client.ping():  # a PUBCOMP may have been lost
            self.assertEqual(found.type, wire.PUBREL, found)
            client.send(wire.ack(wire.PUBCOMP, found.id))
        self.assert_nothing_more(client, window=0.02)
        client.close()

    def subscribe_first(self, receiver, address):
        """Lets the receiver make its session and subscription."""
        self.assertTrue(receiver.run(address, 0))

    def positions(self, run):
        """Calls `run(position, inside, hard)` for position 1, 2, ... as long as a cut happens."""
        for position in itertools.count(1):
            results = []
            for inside, hard in ((False, False), (True, False), (False, True)):
                with self.subTest(cut_after=position, inside=inside, hard=hard):
                    self.unique = f"{self.base}-{position}-{inside:d}{hard:d}"
                    results.append(run(position, inside, hard))
            if not any(results):
                return position - 1
            self.assertLess(position, 100)

    def setUp(self):
        super().setUp()
        self.base = self.unique

    def from_client(self, version, qos):
        """The publisher's link is cut."""
        address = self.broker().address
        expected = [b"%d" % number for number in range(MESSAGES)]

        def run(position, inside, hard):
            receiver = link.Receiver(self.name("r"), version, self.topic(), qos)
            self.subscribe_first(receiver, address)
            sender = link.Sender(self.name("s"), version, self.topic(), expected, qos)
            with link.CutProxy(address, position, inside, hard) as proxy:
                for _ in range(5):
                    if sender.run(proxy.address):
                        break
                self.assertTrue(sender.done())
                self.finish_receiver(receiver, address, expected)
                self.check(receiver, expected, qos)
                return proxy.cut
        count = self.positions(run)
        # CONNECT, CONNACK and the whole exchange of each message (DISCONNECT may be one more).
        self.assertGreaterEqual(count, 2 + MESSAGES * (2 if qos == 1 else 4))

    def to_client(self, version, qos):
        """The subscriber's link is cut."""
        address = self.broker().address
        expected = [b"%d" % number for number in range(MESSAGES)]

        def run(position, inside, hard):
            receiver = link.Receiver(self.name("r"), version, self.topic(), qos)
            self.subscribe_first(receiver, address)
            sender = link.Sender(self.name("s"), version, self.topic(), expected, qos)
            self.assertTrue(sender.run(address))
            with link.CutProxy(address, position, inside, hard) as proxy:
                receiver.run(proxy.address, MESSAGES)
                self.finish_receiver(receiver, address, expected)
                self.check(receiver, expected, qos)
                return proxy.cut
        count = self.positions(run)
        self.assertGreaterEqual(count, 2 + MESSAGES * (2 if qos == 1 else 4))

    @versions(V311, V5)
    def test_from_client_qos_1(self, version):
        self.from_client(version, 1)

    @versions(V311, V5)
    def test_from_client_qos_2(self, version):
        self.from_client(version, 2)

    @versions(V311, V5)
    def test_to_client_qos_1(self, version):
        self.to_client(version, 1)

    @versions(V311, V5)
    def test_to_client_qos_2(self, version):
        self.to_client(version, 2)

    def many_cuts(self, version, qos):
        """Both links are cut again and again, at places drawn from a seed that a failure shows."""
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        address = self.broker().address
        expected = [b"%d" % number for number in range(150)]
        receiver = link.Receiver(self.name("r"), version, self.topic(), qos)
        self.subscribe_first(receiver, address)
        sender = link.Sender(self.name("s"), version, self.topic(), expected, qos)
        with self.subTest(seed=seed):
            for _ in range(400):
                if sender.done():
                    break
                with link.CutProxy(address, dice.randint(3, 40), dice.random() < 0.5,
                                   dice.random() < 0.5) as proxy:
                    sender.run(proxy.address)
                with link.CutProxy(address, dice.randint(3, 40), dice.random() < 0.5,
                                   dice.random() < 0.5) as proxy:
                    receiver.run(proxy.address,
                                 min(len(set(receiver.got)) + dice.randint(0, 5), sender.finished))
            self.assertTrue(sender.done())
            self.finish_receiver(receiver, address, expected)
            self.check(receiver, expected, qos)

    @versions(V311, V5)
    def test_many_cuts_qos_1(self, version):
        self.many_cuts(version, 1)

    @harness.peer_deviates("sends a PUBLISH again whose PUBREL it had sent already")
    @versions(V311, V5)
    def test_many_cuts_qos_2(self, version):
        self.many_cuts(version, 2)


if __name__ == "__main__":
    harness.main()
