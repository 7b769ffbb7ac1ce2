"""Will messages (3.1.2.5, 3.1.3.2 of 5.0): when they are sent, with what, and when not."""

import time

import harness
import mqtt_wire as wire
from harness import MqttTest, peer_deviates, versions, waits
from mqtt_wire import V31, V311, V5, Will


class WillTest(MqttTest):

    def watch(self, topic, version=V5):
        watcher = self.client(version)
        watcher.subscribe(topic, qos=2, **({"retain_as_published": True} if version == V5 else {}))
        return watcher

    def expect_none(self, watcher, seconds=0.4):
        self.assert_nothing_more(watcher, window=seconds)


class WhenSent(WillTest):

    @versions()
    def test_network_failure(self, version):
        """[MQTT-3.1.2-8]: closed without DISCONNECT, by FIN and by RST; each QoS and retain
        flag."""
        for qos in (0, 1, 2):
            for retain in (False, True):
                for hard in (False, True):
                    topic = self.topic(f"{qos}{retain}{hard}")
                    watcher = self.watch(topic)
                    client = self.client(version, self.name(topic[-6:]),
                                         will=Will(topic, b"gone", qos, retain))
                    (client.abort if hard else client.close)()
                    found = watcher.message()
                    self.assertEqual((found.topic, found.payload, found.qos, found.retain),
                                     (topic, b"gone", qos, retain))

    @versions()
    def test_not_after_disconnect(self, version):
        """[MQTT-3.1.2-10], [MQTT-3.14.4-3]: DISCONNECT discards it."""
        topic = self.topic()
        watcher = self.watch(topic)
        self.client(version, will=Will(topic, b"gone", 1)).disconnect()
        self.expect_none(watcher)

    @peer_deviates("does not send it after a second CONNECT")
    @versions()
    def test_protocol_error(self, version):
        """[MQTT-3.1.2-8]: the server closes because of a protocol error."""
        topic = self.topic()
        watcher = self.watch(topic)
        client = self.client(version, will=Will(topic, b"gone", 1))
        client.send(wire.connect("again", version=version))
        self.assertEqual(watcher.message().payload, b"gone")

    @versions()
    def test_malformed_packet(self, version):
        topic = self.topic()
        watcher = self.watch(topic)
        client = self.client(version, will=Will(topic, b"gone", 1))
        client.send(wire.publish("a/#", b"", version=version))
        self.assertEqual(watcher.message().payload, b"gone")

    @waits(3)
    @versions()
    def test_keep_alive(self, version):
        topic = self.topic()
        watcher = self.watch(topic)
        start = time.monotonic()
        client = self.client(version, keep_alive=1, will=Will(topic, b"gone", 1))
        self.assertEqual(watcher.message().payload, b"gone")
        self.assertGreater(time.monotonic() - start, 1.3)
        client.expect_closed()

    @peer_deviates("sends it for 0x04 alone")
    def test_disconnect_with_will(self):
        """3.14.2.1: DISCONNECT with 0x04 sends it; so does any other code than 0x00."""
        for code in (0x04, 0x81, 0x97):
            topic = self.topic(str(code))
            watcher = self.watch(topic)
            self.client(V5, will=Will(topic, b"gone", 1)).disconnect(code)
            self.assertEqual(watcher.message().payload, b"gone")

    @versions()
    def test_takeover(self, version):
        """3.1.4 with [MQTT-3.1.2-8]: the old connection was closed without its DISCONNECT: the will
        is sent.

        A 5.0 session that goes on keeps a delayed will back ([MQTT-3.1.3-9]); here the delay is 0.
        """
        topic = self.topic()
        watcher = self.watch(topic)
        name = self.name()
        self.client(version, name, will=Will(topic, b"gone", 1))
        self.client(version, name)
        self.assertEqual(watcher.message().payload, b"gone")

    @versions()
    def test_only_once(self, version):
        """[MQTT-3.1.2-10] of 5.0: sent once, then removed from the session."""
        topic = self.topic()
        watcher = self.watch(topic)
        name = self.name()
        properties = {"session_expiry": 60} if version == V5 else None
        self.client(version, name, clean=False, will=Will(topic, b"gone", 1),
                    properties=properties).abort()
        self.assertEqual(watcher.message().payload, b"gone")
        self.client(version, name, clean=False, properties=properties).abort()
        self.expect_none(watcher)

    @versions()
    def test_refused_connect_has_no_will(self, version):
        """A will of a CONNECT that was refused is nobody's."""
        topic = self.topic()
        watcher = self.watch(topic)
        client = self.open(version)
        client.send(wire.connect("", version=version, clean=False, will=Will(topic, b"gone", 1),
                                 level=9))
        try:
            client.expect_closed()
        except wire.WireError:
            pass
        self.expect_none(watcher)

    @versions()
    def test_reaches_nobody_with_its_own_session(self, version):
        """The will is routed like any message; the dead client's own persistent session gets it
        too."""
        topic, name = self.topic(), self.name()
        properties = {"session_expiry": 60} if version == V5 else None
        client = self.client(version, name, clean=False, will=Will(topic, b"gone", 1),
                             properties=properties)
        client.subscribe(topic, qos=1)
        watcher = self.watch(topic)
        client.abort()
        watcher.message()
        client = self.client(version, name, clean=False, properties=properties)
        self.assertEqual(client.message().payload, b"gone")


class Content(WillTest):

    def test_properties(self):
        """3.1.3.2: all will properties but the delay travel with the message, user properties in
        order."""
        topic = self.topic()
        watcher = self.watch(topic)
        sent = [("payload_format", 1), ("content_type", "text"), ("response_topic", "back"),
                ("correlation_data", b"\0\1"), ("user_property", ("b", "1")),
                ("user_property", ("a", "2")),
                ("user_property", ("b", "1"))]
        self.client(V5, will=Will(topic, b"gone", 1, properties=sent + [("will_delay", 0)])).abort()
        found = watcher.message()
        self.assertEqual(sorted(found.properties), sorted(sent))
        self.assertEqual(found.properties.all("user_property"),
                         [value for name, value in sent if name == "user_property"])

    def test_message_expiry(self):
        topic = self.topic()
        watcher = self.watch(topic)
        self.client(V5, will=Will(topic, b"x", 1, properties={"message_expiry": 100})).abort()
        self.assertIn(watcher.message().properties.get("message_expiry"), (99, 100))

    @versions()
    def test_empty_payload(self, version):
        """A will may have no bytes; with retain it clears the topic."""
        topic = self.topic()
        self.client(version).publish(topic, b"kept", 1, retain=True)
        watcher = self.watch(topic)
        watcher.message()
        self.client(version, self.name("w"), will=Will(topic, b"", 1, True)).abort()
        self.assertEqual(watcher.message().payload, b"")
        late = self.client(version, self.name("l"))
        late.subscribe(topic)
        self.assert_nothing_more(late)

    @versions()
    def test_retained(self, version):
        """[MQTT-3.1.2-16], -17 / -14, -15: stored when its retain flag is set, only then."""
        for retain in (True, False):
            topic = self.topic(str(retain))
            watcher = self.watch(topic)
            self.client(version, self.name(str(retain)),
                        will=Will(topic, b"gone", 1, retain)).abort()
            watcher.message()
            late = self.client(version, self.name(f"l{retain}"))
            late.subscribe(topic, qos=1)
            if retain:
                self.assertEqual(late.message().payload, b"gone")
            self.assert_nothing_more(late)


class Delay(WillTest):
    """Will delay interval (5.0: 3.1.3.2.2)."""

    @waits(3)
    def test_delayed(self):
        """[MQTT-3.1.2-8]: not before the delay is over."""
        topic = self.topic()
        watcher = self.watch(topic)
        start = time.monotonic()
        self.client(V5, properties={"session_expiry": 60},
                    will=Will(topic, b"gone", 1, properties={"will_delay": 2})).abort()
        self.assertEqual(watcher.message().payload, b"gone")
        self.assertGreater(time.monotonic() - start, 1.9)
        self.assertLess(time.monotonic() - start, 4.5)

    @waits(3)
    def test_not_sent_when_the_client_is_back_in_time(self):
        """[MQTT-3.1.3-9]."""
        topic, name = self.topic(), self.name()
        watcher = self.watch(topic)
        will = Will(topic, b"gone", 1, properties={"will_delay": 2})
        self.client(V5, name, properties={"session_expiry": 60}, will=will).abort()
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        self.assertTrue(client.connack.session_present)
        self.expect_none(watcher, 2.8)

    @waits(2)
    def test_session_ends_first(self):
        """[MQTT-3.1.2-8]: sent when the session ends, if that is earlier than the delay."""
        topic = self.topic()
        watcher = self.watch(topic)
        will = Will(topic, b"gone", 1, properties={"will_delay": 60})
        self.client(V5, properties={"session_expiry": 1}, will=will).abort()
        self.assertEqual(watcher.message(6).payload, b"gone")

    @peer_deviates("delays it all the same")
    def test_no_session_no_delay(self):
        """A session that ends with its connection sends the will at once."""
        topic = self.topic()
        watcher = self.watch(topic)
        self.client(V5, will=Will(topic, b"gone", 1, properties={"will_delay": 60})).abort()
        self.assertEqual(watcher.message(4).payload, b"gone")

    @peer_deviates("never sends it")
    def test_clean_start_ends_the_session(self):
        """3.1.2.5: a new connection with Clean Start ends the old session, so its delayed will is
        sent."""
        topic, name = self.topic(), self.name()
        watcher = self.watch(topic)
        will = Will(topic, b"gone", 1, properties={"will_delay": 60})
        self.client(V5, name, properties={"session_expiry": 60}, will=will).abort()
        self.client(V5, name, clean=True)
        self.assertEqual(watcher.message(4).payload, b"gone")

    @peer_deviates("sends the will at a takeover in spite of its delay")
    @waits(2)
    def test_takeover_keeps_a_delayed_will_back(self):
        """[MQTT-3.1.3-9]: the session goes on before the delay is over: no will."""
        topic, name = self.topic(), self.name()
        watcher = self.watch(topic)
        will = Will(topic, b"gone", 1, properties={"will_delay": 1})
        self.client(V5, name, properties={"session_expiry": 60}, will=will)
        self.client(V5, name, clean=False, properties={"session_expiry": 60})
        self.expect_none(watcher, 2.2)

    @waits(3)
    def test_disconnect_with_will_is_delayed_too(self):
        topic = self.topic()
        watcher = self.watch(topic)
        will = Will(topic, b"gone", 1, properties={"will_delay": 1})
        start = time.monotonic()
        self.client(V5, properties={"session_expiry": 60}, will=will).disconnect(0x04)
        self.assertEqual(watcher.message().payload, b"gone")
        self.assertGreater(time.monotonic() - start, 0.5)


if __name__ == "__main__":
    harness.main()
