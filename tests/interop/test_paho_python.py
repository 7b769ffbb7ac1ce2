"""paho-mqtt 1.6 (Python) as a client: 3.1, 3.1.1, 5.0."""

import queue
import unittest

import harness
from harness import MqttTest, versions
from mqtt_wire import V5, V31, V311

try:
    import paho.mqtt.client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    paho = None

PROTOCOLS = {V31: 3, V311: 4, V5: 5}


def collect(into, *positions):
    """A callback that puts its arguments at these positions into a queue."""
    def callback(*arguments):
        picked = tuple(arguments[position] for position in positions)
        into.put(picked if len(picked) > 1 else picked[0])
    return callback


class Peer:
    """A paho client with queues instead of callbacks."""

    def __init__(self, version, name, address, will=None, clean=True, user=None, **connect):
        self.version = version
        more = {} if version == V5 else {"clean_session": clean}
        self.client = paho.Client(client_id=name, protocol=PROTOCOLS[version], **more)
        self.messages, self.connects, self.disconnects = queue.Queue(), queue.Queue(), queue.Queue()
        self.subacks, self.unsubacks = queue.Queue(), queue.Queue()
        self.client.on_message = collect(self.messages, 2)
        self.client.on_connect = collect(self.connects, *((2, 3, 4) if version == V5 else (2, 3)))
        self.client.on_subscribe = collect(self.subacks, 2, 3)
        self.client.on_unsubscribe = collect(self.unsubacks, 2)
        self.client.on_disconnect = collect(self.disconnects, 2)
        if version == V5:
            connect.setdefault("clean_start", clean)
        if will:
            self.client.will_set(*will[:4], properties=will[4] if len(will) > 4 else None)
        if user:
            self.client.username_pw_set(*user)
        self.client.connect(*address, **connect)
        self.client.loop_start()
        self.flags, self.reason, *rest = self.connects.get(timeout=10)
        self.properties = rest[0] if rest else None

    def subscribe(self, topic, qos=0, **more):
        result, number = self.client.subscribe(topic, qos, **more)
        assert result == 0, result
        found, codes = self.subacks.get(timeout=10)
        assert found == number
        return codes

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        info = self.client.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(10)
        assert info.is_published()

    def message(self):
        return self.messages.get(timeout=10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self):
        """Breaks the connection without DISCONNECT."""
        self.client.loop_stop()
        self.client._sock_close()  # pylint: disable=protected-access


@unittest.skipUnless(paho, "no python3-paho-mqtt")
class Paho(MqttTest):

    def peer(self, version, suffix="", **more):
        found = Peer(version, more.pop("name", self.name(suffix)), self.broker().address, **more)
        self.addCleanup(found.close)
        return found

    @versions()
    def test_qos(self, version):
        topic = self.topic()
        one, two = self.peer(version, "a"), self.peer(version, "b")
        two.subscribe(topic, 2)
        for qos in (0, 1, 2):
            one.publish(topic, b"%d" % qos, qos)
            found = two.message()
            self.assertEqual((found.topic, found.payload, found.qos, found.retain),
                             (topic, b"%d" % qos, qos, False))

    @versions()
    def test_many(self, version):
        topic = self.topic()
        one, two = self.peer(version, "a"), self.peer(version, "b")
        two.subscribe(topic, 2)
        for number in range(300):
            one.client.publish(topic, b"%d" % number, 2)
        self.assertEqual([int(two.message().payload) for _ in range(300)], list(range(300)))

    @versions()
    def test_retain_and_clear(self, version):
        topic = self.topic()
        one, two = self.peer(version, "a"), self.peer(version, "b")
        one.publish(topic, b"kept", 1, True)
        two.subscribe(topic, 1)
        found = two.message()
        self.assertEqual((found.payload, found.retain), (b"kept", True))
        one.publish(topic, b"", 1, True)
        self.assertEqual(two.message().payload, b"")

    @versions()
    def test_will(self, version):
        topic = self.topic()
        one = self.peer(version, "a")
        one.subscribe(topic, 1)
        self.peer(version, "b", will=(topic, b"gone", 1, False), user=("me", "secret")).drop()
        self.assertEqual(one.message().payload, b"gone")

    @versions()
    def test_session(self, version):
        topic = self.topic()
        more = {}
        if version == V5:
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = 60
        one = self.peer(version, "s", clean=False, **more)
        one.subscribe(topic, 1)
        one.close()
        self.peer(version, "p").publish(topic, b"waiting", 1)
        one = self.peer(version, "s", clean=False, **more)
        if version != V31:
            self.assertEqual(one.flags["session present"], 1)
        self.assertEqual(one.message().payload, b"waiting")

    @versions()
    def test_unsubscribe(self, version):
        topic = self.topic()
        one = self.peer(version, "a")
        self.assertEqual([getattr(code, "value", code) for code in one.subscribe(topic, 1)], [1])
        one.client.unsubscribe(topic)
        one.unsubacks.get(timeout=10)
        one.publish(topic, b"x", 1)
        with self.assertRaises(queue.Empty):
            one.messages.get(timeout=0.2)

    def test_properties(self):
        topic = self.topic()
        one, two = self.peer(V5, "a"), self.peer(V5, "b")
        options = Properties(PacketTypes.SUBSCRIBE)
        options.SubscriptionIdentifier = 12
        two.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True),
                      properties=options)
        sent = Properties(PacketTypes.PUBLISH)
        sent.PayloadFormatIndicator = 1
        sent.ContentType = "text"
        sent.ResponseTopic = "back"
        sent.CorrelationData = b"\1\2"
        sent.MessageExpiryInterval = 100
        sent.UserProperty = [("a", "1"), ("b", "2"), ("a", "1")]
        one.publish(topic, "text", 1, True, sent)
        found = two.message()
        self.assertEqual((found.properties.ContentType, found.properties.ResponseTopic,
                          found.properties.CorrelationData, found.properties.PayloadFormatIndicator,
                          found.properties.UserProperty, found.properties.SubscriptionIdentifier,
                          found.retain),
                         ("text", "back", b"\1\2", 1, [("a", "1"), ("b", "2"), ("a", "1")], [12],
                          True))
        self.assertIn(found.properties.MessageExpiryInterval, (99, 100))

    def test_options(self):
        """No local, retain handling."""
        topic = self.topic()
        one, two = self.peer(V5, "a"), self.peer(V5, "b")
        two.publish(topic, b"kept", 1, True)
        one.subscribe(topic, options=SubscribeOptions(qos=1, noLocal=True, retainHandling=2))
        one.publish(topic, b"own", 1)
        two.publish(topic, b"other", 1)
        self.assertEqual(one.message().payload, b"other")

    def test_will_properties(self):
        topic = self.topic()
        one = self.peer(V5, "a")
        one.subscribe(topic, 1)
        sent = Properties(PacketTypes.WILLMESSAGE)
        sent.ContentType = "obituary"
        sent.UserProperty = [("x", "y")]
        self.peer(V5, "b", will=(topic, b"gone", 1, False, sent)).drop()
        found = one.message()
        self.assertEqual((found.properties.ContentType, found.properties.UserProperty),
                         ("obituary", [("x", "y")]))

    @versions()
    def test_keep_alive(self, version):
        """The client's own pings keep a quiet connection open."""
        one = self.peer(version, "a", keepalive=1)
        with self.assertRaises(queue.Empty):
            one.disconnects.get(timeout=3)
        self.assertEqual(one.disconnects.qsize(), 0)

    @versions(V311, V5)
    def test_shared(self, version):
        topic = self.topic()
        members = [self.peer(version, f"m{index}") for index in range(2)]
        both = queue.Queue()
        for one in members:
            one.client.on_message = lambda _client, _data, message: both.put(int(message.payload))
            one.subscribe(f"$share/g/{topic}", 1)
        sender = self.peer(version, "s")
        for number in range(20):
            sender.publish(topic, b"%d" % number, 1)
        self.assertEqual(sorted(both.get(timeout=10) for _ in range(20)), list(range(20)))

    @versions(V311, V5)
    def test_refused(self, version):
        """An empty client id without a clean session."""
        if version == V5:
            self.assertTrue(self.peer(V5, name="", clean=True).properties.AssignedClientIdentifier)
        else:
            one = self.client(V311, "")
            one.ping()

    @versions()
    def test_takeover(self, version):
        one = self.peer(version, "same")
        one.client.on_connect = None
        two = self.client(V311, self.name("same"))
        # (this library does not read the reason of a DISCONNECT of two bytes)
        one.disconnects.get(timeout=10)
        one.client.loop_stop()
        two.ping()


if __name__ == "__main__":
    harness.main(jobs=6)
