"""Wills and options of subscriptions when a client goes from one protocol to another as the same
client. The tables are in docs/matrix-identity.md."""

import harness
import identity_matrix
import mqtt_wire as wire
from harness import ours_only
from identity_ways import (END, WAYS, Coap, IdentityTest, Mqtt, Mqtt5, MqttWeb, Sensor, Stomp,
                           for_each)

WITH_WILL = [way for way in WAYS if not issubclass(way, Stomp)]  # STOMP has none
WITH_OPTIONS = (Mqtt5, MqttWeb)


class BriefSensor(Sensor):
    duration = 1  # a datagram protocol has no cut: its client falls silent


class BriefCoap(Coap):
    keepalive = 1


class Wills(IdentityTest):

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WITH_WILL)
    def test_taken_over(self, first):
        """The will of the older connection, when the newer one has none: published once where the
        protocol says so of a connection that ends without goodbye (MQTT 5.0, 3.1.4), and never
        again when the newer one is cut."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            watcher = self.client(wire.V5)
            watcher.subscribe(topic, qos=1)
            one = first(self, name, will=(topic, b"gone"))
            two = second(self, name)
            one.was_told()
            at_takeover = self.seen(watcher, sender, topic)
            two.close()
            third = Mqtt5(self, name)  # ends the second for sure
            # MQTT-SN keeps the will with the session (6.3), and the same client is alive.
            is_kept = first is Sensor and second is Sensor
            gone = [b"gone"]
            self.assertEqual(at_takeover, [] if is_kept else gone, name)
            self.assertEqual(self.seen(watcher, sender, topic), gone if is_kept else [], name)
            identity_matrix.cell("will-takeover", first.label, second.label,
                                 "kept, once at the next end" if is_kept else "once")
            third.close()
            watcher.close()

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(Mqtt, Mqtt5, MqttWeb, BriefSensor, BriefCoap)
    def test_cut(self, first):
        """The connection is cut: its will is published once, and not again when the client comes
        back by another protocol and is cut there."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            watcher = self.client(wire.V5)
            watcher.subscribe(topic, qos=1)
            first(self, name, will=(topic, b"gone")).close()
            self.assertEqual(watcher.message().payload, b"gone", name)
            second(self, name).close()
            third = Mqtt5(self, name)
            is_kept = first is BriefSensor and second is Sensor  # MQTT-SN 1.2, 6.3
            self.assertEqual(self.seen(watcher, sender, topic), [b"gone"] if is_kept else [], name)
            identity_matrix.cell("will-cut", first.label, second.label,
                                 "once at each end" if is_kept else "once")
            third.close()
            watcher.close()

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WITH_WILL)
    def test_replaced(self, first):
        """The newer connection brings a will of its own: that one is published when it is cut."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first, WITH_WILL):
            watcher = self.client(wire.V5)
            watcher.subscribe(topic, qos=1)
            one = first(self, name, will=(topic, b"older"))
            second(self, name, will=(topic, b"newer"))
            one.was_told()
            is_kept = first is Sensor and second is Sensor
            self.assertEqual(self.seen(watcher, sender, topic), [] if is_kept else [b"older"], name)
            third = Mqtt5(self, name)
            self.assertEqual(self.seen(watcher, sender, topic), [b"newer"], name)
            identity_matrix.cell("will-replaced", first.label, second.label, "the newer, once")
            third.close()
            watcher.close()


class Options(IdentityTest):
    """A subscription with every option of MQTT 5, before and after another protocol was there."""

    def has_options(self, way, topic, sender):
        """No local, retain as published, subscription identifier, QoS."""
        way.wire.publish(topic, b"own", 1)
        sender.publish(topic, b"kept", 2, retain=True)
        sender.publish(topic, b"", 1, retain=True)  # lest it comes as a retained message later
        found = way.wire.message()
        while found.payload == b"":
            found = way.wire.message()
        self.assertEqual((found.payload, found.retain, found.qos), (b"kept", True, 1))
        self.assertEqual(found.properties.all("subscription_identifier"), [7])
        way.settle()

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WITH_OPTIONS)
    def test_untouched(self, first):
        """The other protocol was there and has not named the subscription: it is as it was."""
        sender = self.client(wire.V5)
        for second, name, topic in self.pairs(first):
            one = first(self, name)
            one.wire.subscribe(topic, qos=1, no_local=True, retain_as_published=True,
                               retain_handling=1, properties={"subscription_identifier": 7})
            self.has_options(one, topic, sender)
            two = second(self, name)
            two.publish(topic, b"own too")  # the same client, hence not for itself
            if second.packet_ids:
                sender.publish(topic, END, 1)
                self.assertEqual([one for one in two.until_end() if one], [], name)
            two.close()
            one = first(self, name)
            self.has_options_after(one, topic, sender)
            identity_matrix.cell("options", first.label, second.label, "unchanged")

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WITH_OPTIONS)
    def test_named_again(self, first):
        """The other protocol has subscribed to the same filter: its options are in force, which are
        none, and no identifier is told that MQTT 5 has not given to this subscription."""
        sender = self.client(wire.V5)
        for second in (way for way in WAYS if way not in WITH_OPTIONS):
            both = f"{first.__name__}-{second.__name__}"
            name, topic = self.name(both), self.topic(both)
            one = first(self, name)
            one.wire.subscribe(topic, qos=1, no_local=True, retain_as_published=True,
                               properties={"subscription_identifier": 7})
            two = second(self, name)
            two.subscribe(topic)
            two.close()
            one = first(self, name)
            one.wire.publish(topic, b"own", 1)
            found = one.wire.message()
            self.assertEqual(found.payload, b"own", name)
            self.assertEqual(found.properties.all("subscription_identifier"), [], name)
            sender.publish(topic, b"kept", 1, retain=True)
            found = one.wire.message()
            self.assertEqual((found.payload, found.retain), (b"kept", False), name)
            identity_matrix.cell("options-named", first.label, second.label, "of the other")

    def has_options_after(self, way, topic, sender):
        """The same, with what has waited left out: END, too, whose acknowledgement may have come too late."""
        sender.publish(topic, b"after", 1)
        while way.wire.message().payload != b"after":
            pass
        self.has_options(way, topic, sender)


if __name__ == "__main__":
    identity_matrix.main([way.label for way in WAYS])
