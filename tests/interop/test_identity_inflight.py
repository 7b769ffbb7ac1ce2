"""A message at QoS 2 in each state of its exchange, while its client goes to another protocol and
comes back as the same client: never doubled, never swallowed. The tables are in
docs/matrix-identity.md."""

import harness
import identity_matrix
import mqtt_wire as wire
from harness import ours_only
from identity_ways import END, WAYS, IdentityTest, Mqtt5, for_each

HOMES = [way for way in WAYS if way.packet_ids]
PACKET_ID = 7  # what every program uses, which makes it hard


class InFlight(IdentityTest):

    def watch(self, topic):
        found = self.client(wire.V5)
        found.subscribe(topic, qos=2)
        return found

    def visit(self, second, name, topic, home):
        """Goes by the other protocol meanwhile, and uses the same packet id there."""
        away = second(self, name)
        if second.packet_ids not in (None, home.packet_ids):
            away.begin(topic, b"other", PACKET_ID)
            away.received(PACKET_ID)
            away.release(PACKET_ID)
            away.completed(PACKET_ID)
            return [b"other"]
        return []


class FromClient(InFlight):

    def begun(self, first, name, topic, state):
        """A client whose message is in a state of its exchange."""
        home = first(self, name)
        home.begin(topic, b"one", PACKET_ID)
        home.received(PACKET_ID)  # what a client has read of it makes no difference to the broker
        if state == "PUBREL":
            home.release(PACKET_ID)
            home.completed(PACKET_ID)
        return home

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*HOMES)
    def test_continued(self, first):
        """The client comes back with its state: PUBLISH with DUP, or PUBREL."""
        for second, name, topic in self.pairs(first):
            copies = []
            for state in ("PUBLISH", "PUBREC", "PUBREL"):
                sub = f"{topic}/{state}"
                watcher = self.watch(sub)
                self.begun(first, name + state, sub, state)
                others = self.visit(second, name + state, sub, first)
                home = first(self, name + state)
                if state == "PUBLISH":
                    home.begin(sub, b"one", PACKET_ID, dup=True)
                    home.received(PACKET_ID)
                home.release(PACKET_ID)
                home.completed(PACKET_ID)
                home.begin(sub, b"next", PACKET_ID)
                home.received(PACKET_ID)
                home.release(PACKET_ID)
                home.completed(PACKET_ID)
                found = self.seen(watcher, home, sub)
                self.assertEqual(found, [b"one"] + others + [b"next"], f"{sub} {state}")
                copies.append(f"{found.count(b'one')}")
                watcher.close()
            identity_matrix.cell("qos2-continued", first.label, second.label, ", ".join(copies))

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*HOMES)
    def test_begun_anew(self, first):
        """The program has lost its state: its next message has the same id, and must arrive."""
        for second, name, topic in self.pairs(first):
            told = []
            for row, dup in (("two", False), ("two", True), ("one", False)):
                sub = f"{topic}/{row}-{dup}"
                client_id = f"{name}-{row}-{dup}"
                watcher = self.watch(sub)
                self.begun(first, client_id, sub, "PUBLISH")
                others = self.visit(second, client_id, sub, first)
                home = first(self, client_id)
                home.begin(sub, row.encode(), PACKET_ID, dup=dup)
                home.received(PACKET_ID)
                home.release(PACKET_ID)
                home.completed(PACKET_ID)
                found = self.seen(watcher, home, sub)
                is_same_program = second.packet_ids == first.packet_ids
                expected = [b"one"] + others
                if row == "two" or not is_same_program:
                    expected.append(row.encode())  # else MQTT 5.0, 4.3.3: a repetition
                self.assertEqual(found, expected, sub)
                told.append("arrives" if found[1 + len(others):] else "repeated (4.3.3)")
                watcher.close()
            identity_matrix.cell("qos2-anew", first.label, second.label, ", ".join(told))


class ToClient(InFlight):

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*HOMES)
    def test_not_received(self, first):
        """PUBLISH sent, no PUBREC: the other protocol gets it, once, and the first one no more."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            home = first(self, name)
            home.subscribe(topic)
            sender.publish(topic, b"one", 2)
            self.assertEqual(home.take()[0], b"one")
            sender.publish(topic, b"two", 2)
            away = second(self, name)
            away.name(topic)
            self.assertEqual(away.receive(), b"one", name)
            self.assertEqual(away.receive(), b"two", name)
            sender.publish(topic, END, 1)
            self.assertEqual(away.until_end(), [], name)
            away.close()
            home = first(self, name)
            sender.publish(topic, END, 1)
            self.assertEqual(home.until_end(), [], name)
            identity_matrix.cell("qos2-not-received", first.label, second.label, "once, in order")

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*HOMES)
    def test_received(self, first):
        """PUBREC sent: the message comes no more, and PUBREL goes to the program that waits."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            home = first(self, name)
            home.subscribe(topic)
            sender.publish(topic, b"one", 2)
            _, number, _ = home.take()
            home.acknowledge(number)
            self.assertEqual(home.released(), number)
            away = second(self, name)
            is_same = second.packet_ids == first.packet_ids
            if is_same:
                self.assertEqual(away.released(), number)
                away.complete(number)
            away.name(topic)
            sender.publish(topic, END, 1)
            self.assertEqual(away.until_end(), [], name)
            home = first(self, name)
            if not is_same:
                self.assertEqual(home.released(), number)
                home.complete(number)
            sender.publish(topic, END, 1)
            self.assertEqual(home.until_end(), [], name)
            identity_matrix.cell("qos2-received", first.label, second.label,
                                 "PUBREL at once" if is_same else "PUBREL on return")


class OverRestart(InFlight):

    @ours_only("protocols")
    @harness.waits(30)
    def test_killed_while_away(self):
        """Both directions at once, and kill -9 while the client is there by the other protocol."""
        broker = harness.Broker(**self.settings)
        self.addCleanup(broker.stop)
        self.broker = lambda: broker
        sender = Mqtt5(self, self.name("sender"))
        watcher = Mqtt5(self, self.name("watcher"))
        watcher.subscribe(self.topic("#"))
        numbers = {}
        for first in HOMES:
            for second, name, topic in self.pairs(first):
                home = first(self, name)
                home.subscribe(f"down/{topic}")
                sender.publish(f"down/{topic}", b"down", 2)
                payload, number, _ = home.take()
                self.assertEqual(payload, b"down")
                home.acknowledge(number)
                self.assertEqual(home.released(), number)
                numbers[name] = number
                home.begin(topic, b"one", PACKET_ID)
                home.received(PACKET_ID)
                self.visit(second, name, topic, first)
        broker.kill()
        broker._start()
        for first in HOMES:
            for second, name, topic in self.pairs(first):
                home = first(self, name)
                self.assertEqual(home.released(), numbers[name], name)
                home.complete(numbers[name])
                for payload, dup in ((b"one", True), (b"next", False)):
                    home.begin(topic, payload, PACKET_ID, dup=dup)
                    home.received(PACKET_ID)
                    home.release(PACKET_ID)
                    home.completed(PACKET_ID)
        watcher = Mqtt5(self, self.name("watcher"))
        sender = Mqtt5(self, self.name("sender"))
        sender.publish(self.topic("end"), END, 1)
        found = {}
        while True:
            message = watcher.wire.message()
            if message.payload == END:
                break
            found.setdefault(message.topic, []).append(message.payload)
        for first in HOMES:
            for second, name, topic in self.pairs(first):
                is_other = second.packet_ids not in (None, first.packet_ids)
                self.assertEqual(found[topic], [b"one"] + [b"other"] * is_other + [b"next"], name)
                identity_matrix.cell("qos2-restart", first.label, second.label, "once, and PUBREL")


if __name__ == "__main__":
    identity_matrix.main([way.label for way in WAYS])
