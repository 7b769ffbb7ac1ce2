"""One client id, one session, every protocol: what a session has when another protocol takes it
over, or comes for what has waited, for each pair of protocols."""

import harness
import identity_matrix
import mqtt_wire as wire
from harness import ours_only
from identity_ways import END, WAYS, Coap, IdentityTest, Mqtt5, Sensor, Stomp, for_each


class OneSession(IdentityTest):

    def present(self, way, name):
        if way.knows_present:
            self.assertTrue(way.has_session, name)

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WAYS)
    def test_takeover_and_queue(self, first):
        """The older connection is told, nothing is lost or doubled, and the first protocol finds
        what has come since."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            one = first(self, name)
            one.subscribe(topic)
            two = second(self, name)
            self.present(two, name)
            told = one.was_told()
            texts = [b"%d" % number for number in range(5)]
            for number, text in enumerate([*texts, END]):
                sender.publish(topic, text, 1 + number % 2)
            two.name(topic)
            self.assertEqual(two.until_end(), texts, name)
            two.settle()
            two.close()
            sender.publish(topic, b"back", 1)
            sender.publish(topic, END, 1)
            one = first(self, name)
            self.present(one, name)
            one.name(topic)
            self.assertEqual(one.until_end(), [b"back"], name)
            identity_matrix.cell("takeover", first.label, second.label, told)

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WAYS)
    def test_back_after_a_cut(self, first):
        """The connection is cut with messages under way and others that come later."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            one = first(self, name)
            one.subscribe(topic)
            texts = [b"%d" % number for number in range(6)]
            for text in texts[:3]:
                sender.publish(topic, text, 1)
            self.assertEqual(one.receive(), texts[0], name)
            self.assertEqual(one.receive(acknowledge=False), texts[1], name)
            one.settle()
            one.close()
            for text in [*texts[3:], END]:
                sender.publish(topic, text, 2)
            two = second(self, name)
            self.present(two, name)
            two.name(topic)
            self.assertEqual(two.until_end(), texts[1:], name)
            identity_matrix.cell("cut", first.label, second.label, "all, once, in order")

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WAYS)
    def test_unacknowledged(self, first):
        """What one has not acknowledged the other gets, in order, and what it has, never."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            one = first(self, name)
            one.subscribe(topic)
            texts = [b"%d" % number for number in range(6)]
            for text in [*texts, END]:
                sender.publish(topic, text, 1)
            self.assertEqual(one.receive(), texts[0], name)
            self.assertEqual(one.receive(acknowledge=False), texts[1], name)
            one.settle()
            two = second(self, name)
            two.name(topic)
            self.assertEqual(two.until_end(), texts[1:], name)

    @ours_only("protocols")
    def test_packet_ids_are_those_of_the_protocol(self):
        """A message at QoS 2 that MQTT has not released swallows none of MQTT-SN with the same id,
        nor the other way."""
        watcher, name = self.client(wire.V5), self.name("both")
        watcher.subscribe(self.topic("#"), qos=2)
        for number in range(2):
            for way, text in ((WAYS[0], b"by mqtt"), (Sensor, b"by sn")):
                client = way(self, name)
                client.begin(self.topic(way.__name__), text, 7)
                client.received(7)
                self.assertEqual(watcher.message().payload, text, number)

    @ours_only("protocols")
    def test_identifiers_are_those_of_the_client(self):
        """A subscription that was made by a protocol without subscription identifiers has none, when
        MQTT 5 collects its messages, nor has one that such a protocol has named since."""
        sender = self.client(wire.V5)
        for way in (Sensor, Stomp, Coap):
            name, topic = self.name(way.__name__), self.topic(way.__name__)
            made = way(self, name)
            made.subscribe(topic)
            sender.publish(topic, b"while it is there", 1)
            made.close()
            sender.publish(topic, b"while it is away", 1)
            for again in (False, True):
                mqtt = Mqtt5(self, name)
                sender.publish(topic, b"now", 1)
                found = mqtt.wire.messages(1 if again else 3)
                self.assertEqual([one.properties.all("subscription_identifier") for one in found],
                                 [[]] * len(found), way.__name__)
                mqtt.wire.subscribe(topic, qos=1, properties={"subscription_identifier": 7})
                sender.publish(topic, b"with an identifier", 1)
                found = mqtt.wire.message()
                self.assertEqual(found.properties.all("subscription_identifier"), [7])
                mqtt.wire.disconnect()
                made = way(self, name)
                made.subscribe(topic)
                made.close()


if __name__ == "__main__":
    identity_matrix.main([way.label for way in WAYS])
