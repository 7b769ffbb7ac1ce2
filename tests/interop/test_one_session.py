"""One client id, one session, every protocol: what a session has when another protocol takes it
over, or comes for what has waited, for each pair of protocols."""

import itertools

import coap_wire as coap
import harness
import mqtt_wire as wire
import sn_wire as sn
import stomp_wire as stomp
from coap_support import coap_address
from harness import MqttTest, ours_only
from sn_support import sn_address

TIMEOUTS = (wire.Timeout, sn.Timeout, stomp.Timeout, coap.Timeout)


class Mqtt:
    """MQTT as a way into a session; the others have the same methods."""

    version = wire.V311
    properties = None

    def __init__(self, test, client_id):
        self.wire = test.open(self.version)
        self.connack = self.wire.connect(client_id, clean=False, properties=self.properties)
        self.has_session = self.connack.session_present

    def subscribe(self, topic):
        self.wire.subscribe(topic, qos=2)

    def name(self, topic):
        """Says that it is there for a subscription which the session has."""

    def receive(self, timeout, acknowledge=True):
        return self.wire.message(timeout, acknowledge).payload

    def was_told(self):
        self.wire.expect_closed()

    def close(self):
        self.wire.close()


class Mqtt5(Mqtt):

    version = wire.V5
    properties = {"session_expiry": 3600}


class Sensor(Mqtt):

    def __init__(self, test, client_id):
        self.wire = test.keep(sn.Client(sn_address(test.broker()), client_id))
        self.wire.connect(clean=False)
        self.has_session = True  # CONNACK does not say

    def was_told(self):
        self.wire.await_type(sn.DISCONNECT)


class Stomp(Mqtt):

    def __init__(self, test, client_id):
        port = test.broker().started_with["listener.stomp.default"].rsplit(":", 1)[1]
        self.wire = test.keep(stomp.Client(("127.0.0.1", int(port))))
        self.has_session = self.wire.connect(client_id=client_id)["session-present"] == "true"
        self.early = []

    def subscribe(self, topic):
        self.early += self.wire.subscribe(topic, topic, "client-individual", durable="true")

    name = subscribe

    def receive(self, timeout, acknowledge=True):
        found = self.early.pop(0) if self.early else self.wire.message(timeout)
        if acknowledge:
            self.wire.send("ACK", {"id": found["ack"]})
        return found.body

    def was_told(self):
        self.wire.expect_error()


class Coap(Mqtt):

    def __init__(self, test, client_id):
        self.wire = test.keep(coap.Client(coap_address(test.broker())))
        found = self.wire.ask(coap.POST, "mqtt/connection",
                              query=["clientid=" + client_id, "session_expiry=3600"])
        self.query = ["token=" + found.payload.decode(), "qos=1"]
        self.has_session = True  # the answer does not say
        self.seen = set()

    def subscribe(self, topic):
        assert self.wire.observe("ps/" + topic, query=self.query).code == "2.05"

    name = subscribe

    def receive(self, timeout, acknowledge=True):
        while True:
            found = self.wire.recv(timeout)
            is_copy, _ = found.id in self.seen, self.seen.add(found.id)
            if acknowledge:
                self.wire.ack(found)
            if not is_copy:
                return found.payload

    def was_told(self):
        assert self.wire.notification().code == "5.03"


WAYS = (Mqtt, Mqtt5, Sensor, Stomp, Coap)


class OneSession(MqttTest):

    settings = {"listener.mqttsn.default": "127.0.0.1:0", "listener.coap.default": "127.0.0.1:0",
                "listener.stomp.default": "127.0.0.1:{free_port}"}

    def keep(self, client):
        """Closes it with the test."""
        self._clients.append(client)
        return client

    def rest(self, client, acknowledge=True):
        """All that comes for a client."""
        found = []
        try:
            while True:
                found.append(client.receive(0.5, acknowledge))
        except TIMEOUTS:
            return found

    def pairs(self):
        """Two ways, and a client id and a topic for them."""
        for first, second in itertools.product(WAYS, WAYS):
            both = f"{first.__name__}-{second.__name__}"
            yield first, second, self.name(both), self.topic(both)

    @ours_only("protocols")
    @harness.waits(40)
    def test_takeover_and_queue(self):
        """The older connection is told, nothing is lost or doubled, and the first protocol finds
        what has come since."""
        sender = self.client(wire.V5)
        for first, second, name, topic in self.pairs():
            one = first(self, name)
            one.subscribe(topic)
            two = second(self, name)
            self.assertTrue(two.has_session, name)
            one.was_told()
            texts = [b"%d" % number for number in range(5)]
            for number, text in enumerate(texts):
                sender.publish(topic, text, 1 + number % 2)
            two.name(topic)
            self.assertEqual(self.rest(two), texts, name)
            two.close()
            sender.publish(topic, b"back", 1)
            one = first(self, name)
            one.name(topic)
            self.assertEqual(self.rest(one), [b"back"], name)

    @ours_only("protocols")
    @harness.waits(40)
    def test_unacknowledged(self):
        """What one has not acknowledged the other gets, in order, and what it has, never."""
        sender = self.client(wire.V5)
        for first, second, name, topic in self.pairs():
            one = first(self, name)
            one.subscribe(topic)
            texts = [b"%d" % number for number in range(6)]
            for text in texts:
                sender.publish(topic, text, 1)
            self.assertEqual(one.receive(None), texts[0], name)
            self.assertEqual(one.receive(None, acknowledge=False), texts[1], name)
            two = second(self, name)
            two.name(topic)
            self.assertEqual(self.rest(two), texts[1:], name)

    @ours_only("protocols")
    def test_packet_ids_are_those_of_the_protocol(self):
        """A message at QoS 2 that MQTT has not released swallows none of MQTT-SN with the same id,
        nor the other way."""
        watcher, name = self.client(wire.V5), self.name("both")
        watcher.subscribe(self.topic("#"), qos=2)
        for number in range(2):
            mqtt = Mqtt(self, name).wire
            mqtt.send(wire.publish(self.topic("mqtt"), b"by mqtt", 2, 7, version=wire.V311))
            self.assertEqual(mqtt.expect(wire.PUBREC).id, 7)
            self.assertEqual(watcher.message().payload, b"by mqtt", number)
            sensor = Sensor(self, name).wire
            sensor.send(sn.publish(sensor.register(self.topic("sn")), b"by sn", 2, 7))
            sensor.expect(sn.PUBREC, message_id=7)
            self.assertEqual(watcher.message().payload, b"by sn", number)

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
    harness.main()
