"""MQTT-SN 1.2: connecting, wills, topic ids, publishing, subscribing; MQTT clients on the other
side."""

import struct
import tempfile
import time

import harness
import mqtt_wire as wire
import sn_wire as sn
from harness import ours_only, wait_until, waits
from mqtt_wire import V5
from sn_support import SnTest, metric

FAST = {"listener.mqttsn.default": "127.0.0.1:0", "mqtt.sn.retry_interval": "300ms",
        "mqtt.sn.retry_backoff": "1", "mqtt.sn.retry_count": "3"}


class Connecting(SnTest):
    """Sections 6.2 and 6.3."""

    @ours_only("MQTT-SN")
    def test_connect_and_disconnect(self):
        client = self.connected()
        client.ping()
        client.disconnect()
        client.send(sn.message(sn.PINGREQ))
        client.expect(sn.DISCONNECT)  # not connected any more (5.4.21)

    @ours_only("MQTT-SN")
    def test_refused(self):
        for what, datagram, code in [
                ("protocol id", sn.connect(self.name(), protocol_id=2), sn.NOT_SUPPORTED),
                ("no client id", sn.connect(""), sn.NOT_SUPPORTED),
                ("client id not UTF-8", sn.connect(b"\xff\xfe"), sn.NOT_SUPPORTED),
                ("client id with NUL", sn.connect(b"a\x00b"), sn.NOT_SUPPORTED)]:
            with self.subTest(what):
                client = self.sensor()
                client.send(datagram)
                client.expect(sn.CONNACK, code=code)

    @ours_only("MQTT-SN")
    def test_repeated_connect(self):
        """CONNACK was lost: the same CONNECT is answered again and nothing else happens."""
        watcher = self.client(V5)
        topic = self.topic("will")
        watcher.subscribe(topic)
        client = self.connected(will=(topic, "gone", 0, False))
        client.send(sn.connect(client.client_id, will=True))
        client.expect(sn.CONNACK, code=sn.ACCEPTED)
        client.ping()
        self.assert_nothing_more(watcher)

    @ours_only("MQTT-SN")
    def test_repeated_will_dialogue(self):
        client = self.sensor()
        for _ in range(2):
            client.send(sn.connect(client.client_id, will=True))
            client.expect(sn.WILLTOPICREQ)
        for _ in range(2):
            client.send(sn.will_topic(self.topic()))
            client.expect(sn.WILLMSGREQ)
        client.send(sn.message(sn.WILLMSG, b"x"))
        client.expect(sn.CONNACK, code=sn.ACCEPTED)

    @ours_only("MQTT-SN")
    def test_gateway_repeats_its_questions(self):
        broker = harness.broker(**FAST)
        client = self.sensor(broker=broker)
        client.send(sn.connect(client.client_id, will=True))
        for _ in range(3):
            client.expect(sn.WILLTOPICREQ)
        client.send(sn.will_topic(self.topic()))
        for _ in range(2):
            client.expect(sn.WILLMSGREQ)

    @ours_only("MQTT-SN")
    def test_will_topic_refused(self):
        client = self.sensor()
        client.send(sn.connect(client.client_id, will=True))
        client.expect(sn.WILLTOPICREQ)
        client.send(sn.will_topic("no/#"))
        client.expect(sn.CONNACK, code=sn.NOT_SUPPORTED)

    @ours_only("MQTT-SN")
    def test_clean_session(self):
        """A session that is not clean keeps its subscriptions; one that is ends."""
        sender = self.client(V5)
        topic = self.topic()
        client = self.connected(clean=False)
        client.subscribe(topic, qos=1)
        client.disconnect()
        sender.publish(topic, b"meanwhile", 1)
        client.connect(clean=False)
        self.assertEqual(client.message().payload, b"meanwhile")
        client.disconnect()
        client.connect(clean=True)
        client.disconnect()
        client.connect(clean=False)
        sender.publish(topic, b"nobody", 1)
        client.ping()

    @ours_only("MQTT-SN")
    def test_topic_ids_stay_with_the_session(self):
        """The gateway tells them again before it uses them (6.10); the client may use them."""
        sender, receiver = self.client(V5), self.client(V5)
        topic, other = self.topic("a"), self.topic("b")
        receiver.subscribe(other)
        client = self.connected(clean=False)
        first = client.subscribe(topic, qos=1)
        second = client.register(other)
        client.disconnect()
        client.connect(clean=False)
        client.publish(second, "by the old id", 1)
        self.assertEqual(receiver.message().payload, b"by the old id")
        sender.publish(topic, b"x", 1)
        told = client.expect(sn.REGISTER, topic=topic, topic_id=first)
        client.send(sn.topic_ack(sn.REGACK, first, told.message_id))
        self.assertEqual(client.message().topic_id, first)
        self.assertEqual(client.register(topic), first)

    @ours_only("MQTT-SN")
    def test_one_peer_two_clients(self):
        """Another client id from the same address: the client before is gone."""
        watcher = self.client(V5)
        topic = self.topic("will")
        watcher.subscribe(topic)
        client = self.connected(will=(topic, "gone", 0, False))
        client.client_id = self.name("-other")
        client.connect()
        self.assertEqual(watcher.message().payload, b"gone")
        client.ping()

    @ours_only("MQTT-SN")
    def test_many_clients(self):
        """More than one worker and many peers: each gets its own."""
        broker = self.own(node__workers=4)
        clients = [self.connected(broker=broker) for _ in range(64)]
        mqtt = self.client(where=broker.address)
        for number, client in enumerate(clients):
            client.subscribe(self.topic(str(number)), qos=1)
        for number in range(len(clients)):
            mqtt.publish(self.topic(str(number)), b"%d" % number, 1)
        for number, client in enumerate(clients):
            self.assertEqual(client.message().payload, b"%d" % number)

    @ours_only("MQTT-SN")
    def test_limits(self):
        broker = self.own(listener__mqttsn__default__max_clients=2)
        clients = [self.connected(broker=broker) for _ in range(2)]
        third = self.sensor(broker=broker)
        third.connect(code=sn.CONGESTION)
        clients[0].disconnect()
        third.connect()

    @ours_only("MQTT-SN")
    def test_access_list(self):
        broker = self.own(listener__mqttsn__default__access__1="deny 127.0.0.0/8")
        client = self.sensor(broker=broker)
        client.send(sn.connect(client.client_id), sn.message(sn.SEARCHGW, b"\x00"))
        client.silent()
        wait_until(lambda: metric(broker, "datagrams/dropped/not_allowed") >= 1, "counted")


class Wills(SnTest):
    """Sections 6.3, 6.4, 6.11."""

    @ours_only("MQTT-SN")
    @waits(4)
    def test_keep_alive(self):
        """Lost after one and a half keep alives of silence, and not while it pings."""
        topic = self.topic("will")
        watcher = self.client(V5)
        watcher.subscribe(topic, qos=2)
        client = self.connected(will=(topic, "lost", 1, True), duration=1)
        for _ in range(4):
            time.sleep(0.5)
            start = time.monotonic()
            client.ping()
        found = watcher.message()
        self.assertEqual((found.payload, found.qos), (b"lost", 1))
        self.assertGreater(time.monotonic() - start, 1.3)
        client.expect(sn.DISCONNECT)
        later = self.client(V5)
        later.subscribe(topic)
        self.assertTrue(later.message().retain)

    @ours_only("MQTT-SN")
    def test_disconnect_discards(self):
        topic = self.topic("will")
        watcher = self.client(V5)
        watcher.subscribe(topic)
        self.connected(will=(topic, "lost", 0, False)).disconnect()
        self.assert_nothing_more(watcher)

    def lose(self, client):
        """The client's session is taken over by MQTT, which publishes its will."""
        taker = self.client(V5, client.client_id)
        client.expect(sn.DISCONNECT)
        taker.disconnect()

    @ours_only("MQTT-SN")
    def test_updates(self):
        topic, other = self.topic("a"), self.topic("b")
        watcher = self.client(V5)
        watcher.subscribe(topic)
        watcher.subscribe(other)
        client = self.connected(will=(topic, "first", 0, False))
        client.send(sn.will_topic(other, 1, False, sn.WILLTOPICUPD))
        client.expect(sn.WILLTOPICRESP, code=sn.ACCEPTED)
        client.send(sn.message(sn.WILLMSGUPD, b"second"))
        client.expect(sn.WILLMSGRESP, code=sn.ACCEPTED)
        self.lose(client)
        found = watcher.message()
        self.assertEqual((found.topic, found.payload), (other, b"second"))
        self.assert_nothing_more(watcher)

    @ours_only("MQTT-SN")
    def test_deleted_by_update(self):
        topic = self.topic()
        watcher = self.client(V5)
        watcher.subscribe(topic)
        client = self.connected(will=(topic, "x", 0, False))
        client.send(sn.will_topic(None, kind=sn.WILLTOPICUPD))
        client.expect(sn.WILLTOPICRESP, code=sn.ACCEPTED)
        self.lose(client)
        self.assert_nothing_more(watcher)

    @ours_only("MQTT-SN")
    def test_wrong_update(self):
        client = self.connected()
        client.send(sn.will_topic("a/+", kind=sn.WILLTOPICUPD))
        client.expect(sn.WILLTOPICRESP, code=sn.NOT_SUPPORTED)

    @ours_only("MQTT-SN")
    def test_kept_without_clean_session(self):
        """Will data stay with a session that is not clean, over DISCONNECT too (6.3, 6.12)."""
        topic = self.topic()
        watcher = self.client(V5)
        watcher.subscribe(topic)
        client = self.connected(clean=False, will=(topic, "kept", 0, False))
        client.disconnect()
        client.connect(clean=False)
        self.lose(client)
        self.assertEqual(watcher.message().payload, b"kept")
        client.connect(clean=False, will=())  # with an empty WILLTOPIC: deleted
        self.lose(client)
        self.assert_nothing_more(watcher)


class Topics(SnTest):
    """Sections 6.5 and 6.7."""

    predefined = dict(SnTest.settings, **{"mqtt.sn.predefined.topic.1": "pre/one",
                                          "mqtt.sn.predefined.topic.300": "pre/threehundred"})

    @ours_only("MQTT-SN")
    def test_register(self):
        client, other = self.connected(), self.connected()
        first, second = client.register(self.topic("a")), client.register(self.topic("b"))
        self.assertNotEqual(first, second)
        self.assertNotIn(first, (0, 0xffff))
        client.send(sn.register(self.topic("a"), 77))
        client.expect(sn.REGACK, topic_id=first, message_id=77, code=sn.ACCEPTED)
        self.assertEqual(other.register(self.topic("b")), first)  # ids are each client's own

    @ours_only("MQTT-SN")
    def test_register_refused(self):
        client = self.connected()
        for topic in ("a/+", "#", "", b"\xff", b"a\x00"):
            with self.subTest(topic):
                client.send(sn.register(topic, 5))
                client.expect(sn.REGACK, message_id=5, code=sn.NOT_SUPPORTED)

    @ours_only("MQTT-SN")
    def test_no_more_ids(self):
        broker = self.own(mqtt__sn__max_topics=3)
        client = self.connected(broker=broker)
        for number in range(3):
            client.register(self.topic(str(number)))
        client.send(sn.register(self.topic("x"), 9))
        client.expect(sn.REGACK, message_id=9, code=sn.CONGESTION)
        client.subscribe(self.topic("y"), code=sn.CONGESTION)

    @ours_only("MQTT-SN")
    def test_gateway_registers(self):
        """A subscriber with a wildcard is told the id first; PUBLISH follows REGACK (6.10)."""
        sender = self.client(V5)
        client = self.connected()
        self.assertEqual(client.subscribe(self.topic("#"), qos=1), 0)
        sender.publish(self.topic("a"), b"1", 1)
        sender.publish(self.topic("b"), b"2", 1)
        first = client.expect(sn.REGISTER, topic=self.topic("a"))
        client.silent()
        client.send(sn.topic_ack(sn.REGACK, first.topic_id, first.message_id))
        found = client.expect(sn.PUBLISH, topic_id=first.topic_id, payload=b"1")
        client.silent()  # one message at a time
        client.complete(found)
        client.expect(sn.REGISTER, topic=self.topic("b"))

    @ours_only("MQTT-SN")
    def test_client_rejects_registration(self):
        sender = self.client(V5)
        client = self.connected()
        client.subscribe(self.topic("#"), qos=1)
        sender.publish(self.topic("a"), b"1", 1)
        sender.publish(self.topic("b"), b"2", 0)
        told = client.expect(sn.REGISTER, topic=self.topic("a"))
        client.send(sn.topic_ack(sn.REGACK, told.topic_id, told.message_id, sn.NOT_SUPPORTED))
        self.assertEqual(client.message().payload, b"2")

    @ours_only("MQTT-SN")
    def test_client_has_forgotten_an_id(self):
        """PUBACK with 'invalid topic id': told again, sent again."""
        sender = self.client(V5)
        client = self.connected()
        topic_id = client.subscribe(self.topic("a"), qos=1)
        sender.publish(self.topic("a"), b"1", 1)
        found = client.expect(sn.PUBLISH, topic_id=topic_id)
        client.send(sn.topic_ack(sn.PUBACK, topic_id, found.message_id, sn.INVALID_TOPIC_ID))
        told = client.expect(sn.REGISTER, topic=self.topic("a"))
        client.send(sn.topic_ack(sn.REGACK, told.topic_id, told.message_id))
        self.assertEqual(client.message().payload, b"1")

    @ours_only("MQTT-SN")
    def test_predefined(self):
        broker = harness.broker(**self.predefined)
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe("pre/#", qos=1)
        client, listener = self.connected(broker=broker), self.connected(broker=broker)
        self.assertEqual(listener.subscribe(300, qos=1, kind=sn.PREDEFINED), 300)
        client.publish(300, "x", 1, kind=sn.PREDEFINED)
        self.assertEqual(mqtt.message().topic, "pre/threehundred")
        found = listener.message()
        self.assertEqual((found.kind, found.name), (sn.PREDEFINED, 300))
        client.publish(2, "x", 1, kind=sn.PREDEFINED, code=sn.INVALID_TOPIC_ID)
        client.publish(2, "x", 2, kind=sn.PREDEFINED, code=sn.INVALID_TOPIC_ID)
        client.subscribe(2, kind=sn.PREDEFINED, code=sn.INVALID_TOPIC_ID)
        listener.unsubscribe(300, kind=sn.PREDEFINED)

    @ours_only("MQTT-SN")
    def test_predefined_for_one_client(self):
        name = self.name("-known")
        with tempfile.NamedTemporaryFile("w", suffix=".topics") as file:
            file.write(f"# client, id, topic\n{name} 7 own/topic\n*\t8 common/topic\n")
            file.flush()
            broker = self.own(mqtt__sn__predefined_file=file.name)
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe("#", qos=1)
        known, other = self.connected(name, broker), self.connected(broker=broker)
        known.publish(7, "own", 1, kind=sn.PREDEFINED)
        other.publish(8, "common", 1, kind=sn.PREDEFINED)
        other.publish(7, "refused", 1, kind=sn.PREDEFINED, code=sn.INVALID_TOPIC_ID)
        self.assertEqual({(one.topic, one.payload) for one in mqtt.messages(2)},
                         {("own/topic", b"own"), ("common/topic", b"common")})

    @ours_only("MQTT-SN")
    def test_short_names(self):
        client, listener = self.connected(), self.connected()
        self.assertEqual(listener.subscribe("ab", qos=1, kind=sn.SHORT), 0)
        client.publish("ab", "x", 1, kind=sn.SHORT)
        found = listener.message()
        self.assertEqual((found.kind, found.name), (sn.SHORT, "ab"))
        client.publish("a+", "x", 1, kind=sn.SHORT, code=sn.INVALID_TOPIC_ID)
        listener.unsubscribe("ab", kind=sn.SHORT)
        client.publish("ab", "y", 1, kind=sn.SHORT)
        listener.ping()

    @ours_only("MQTT-SN")
    def test_name_of_two_characters(self):
        """Subscribed to by its name, a short topic has an id like any other."""
        client, listener = self.connected(), self.connected()
        topic_id = listener.subscribe("xy", qos=1)
        self.assertNotEqual(topic_id, 0)
        client.publish("xy", "x", 1, kind=sn.SHORT)
        found = listener.message()
        self.assertEqual((found.kind, found.topic_id), (sn.NORMAL, topic_id))


class Publishing(SnTest):
    """Sections 6.6, 6.8 and 6.10."""

    @ours_only("MQTT-SN")
    def test_to_and_from_mqtt(self):
        mqtt, client = self.client(V5), self.connected()
        topic, back = self.topic("up"), self.topic("down")
        mqtt.subscribe(topic, qos=2)
        client.subscribe(back, qos=2)
        topic_id = client.register(topic)
        for qos in range(3):
            client.publish(topic_id, f"up {qos}", qos)
            found = mqtt.message()
            self.assertEqual((found.payload, found.qos), (b"up %d" % qos, qos))
            mqtt.publish(back, b"down %d" % qos, qos)
            found = client.message()
            self.assertEqual((found.payload, found.qos, found.name), (b"down %d" % qos, qos, back))

    @ours_only("MQTT-SN")
    def test_large(self):
        """Lengths that need one octet, and three."""
        mqtt, client = self.client(V5), self.connected()
        topic = self.topic()
        mqtt.subscribe(topic, qos=1)
        topic_id = client.subscribe(topic, qos=1)
        for size in (0, 1, 247, 248, 249, 250, 251, 1000, 10000, 60000):
            payload = bytes(number % 251 for number in range(size))
            client.send(sn.publish(topic_id, payload, 1, 7))
            self.assertEqual(client.await_type(sn.PUBACK).code, sn.ACCEPTED)
            self.assertEqual(client.message().payload, payload)
            self.assertEqual(mqtt.message().payload, payload)

    @ours_only("MQTT-SN")
    def test_long_form_of_a_short_message(self):
        client = self.sensor()
        client.send(sn.message(sn.CONNECT, struct.pack("!BBH", 4, 1, 60) +
                               client.client_id.encode(), long_form=True))
        client.expect(sn.CONNACK, code=sn.ACCEPTED)

    @ours_only("MQTT-SN")
    def test_unknown_topic_id(self):
        client = self.connected()
        for qos in (0, 1, 2):
            client.send(sn.publish(999, "x", qos, 3 if qos else 0))
            client.expect(sn.PUBACK, topic_id=999, message_id=3 if qos else 0,
                          code=sn.INVALID_TOPIC_ID)

    @ours_only("MQTT-SN")
    def test_reserved_topic_id_type(self):
        client = self.connected()
        client.send(sn.publish(1, "x", 1, 3, kind=3))
        client.expect(sn.PUBACK, message_id=3, code=sn.NOT_SUPPORTED)
        client.send(sn.subscribe("a", 4, kind=3))
        client.expect(sn.SUBACK, message_id=4, code=sn.NOT_SUPPORTED)

    @ours_only("MQTT-SN")
    def test_repeated_qos_1(self):
        """PUBACK was lost: answered again, delivered once."""
        mqtt, client = self.client(V5), self.connected()
        mqtt.subscribe(self.topic(), qos=1)
        topic_id = client.register(self.topic())
        client.send(sn.publish(topic_id, "x", 1, 5))
        client.expect(sn.PUBACK, message_id=5, code=sn.ACCEPTED)
        client.send(sn.publish(topic_id, "x", 1, 5, dup=True))
        client.expect(sn.PUBACK, message_id=5, code=sn.ACCEPTED)
        client.send(sn.publish(topic_id, "y", 1, 5))  # the same id for another message
        client.expect(sn.PUBACK, message_id=5, code=sn.ACCEPTED)
        self.assertEqual([found.payload for found in mqtt.messages(2)], [b"x", b"y"])
        self.assert_nothing_more(mqtt)

    @ours_only("MQTT-SN")
    def test_repeated_qos_2(self):
        mqtt, client = self.client(V5), self.connected()
        mqtt.subscribe(self.topic(), qos=2)
        topic_id = client.register(self.topic())
        for dup in (False, True, True):
            client.send(sn.publish(topic_id, "x", 2, 5, dup=dup))
            client.expect(sn.PUBREC, message_id=5)
        for _ in range(2):
            client.send(sn.message_ack(sn.PUBREL, 5))
            client.expect(sn.PUBCOMP, message_id=5)
        self.assertEqual(mqtt.message().payload, b"x")
        self.assert_nothing_more(mqtt)

    @ours_only("MQTT-SN")
    @waits(2)
    def test_gateway_repeats(self):
        """T_retry and N_retry: PUBLISH with DUP, PUBREL, REGISTER; then the client is lost."""
        broker = harness.broker(**FAST)
        mqtt, client = self.client(V5, where=broker.address), self.connected(broker=broker)
        client.subscribe(self.topic(), qos=2)
        mqtt.publish(self.topic(), b"x", 2)
        first = client.expect(sn.PUBLISH, dup=False, qos=2)
        again = client.expect(sn.PUBLISH, dup=True, qos=2)
        self.assertEqual(again.message_id, first.message_id)
        client.send(sn.message_ack(sn.PUBREC, first.message_id))
        client.expect(sn.PUBREL)
        client.expect(sn.PUBREL)
        client.send(sn.message_ack(sn.PUBCOMP, first.message_id))
        client.silent(0.5)
        mqtt.publish(self.topic(), b"y", 1)
        for number in range(4):
            client.expect(sn.PUBLISH, dup=number != 0)
        client.expect(sn.DISCONNECT)

    @ours_only("MQTT-SN")
    def test_register_repeated(self):
        broker = harness.broker(**FAST)
        mqtt, client = self.client(V5, where=broker.address), self.connected(broker=broker)
        client.subscribe(self.topic("+"))
        mqtt.publish(self.topic("a"), b"x")
        first = client.expect(sn.REGISTER)
        again = client.expect(sn.REGISTER, topic_id=first.topic_id, message_id=first.message_id)
        client.send(sn.topic_ack(sn.REGACK, again.topic_id, again.message_id))
        client.expect(sn.PUBLISH, payload=b"x")

    @ours_only("MQTT-SN")
    def test_retained(self):
        client, later = self.connected(), self.connected()
        topic_id = client.register(self.topic())
        client.publish(topic_id, "kept", 1, retain=True)
        later.subscribe(self.topic(), qos=1)
        found = later.message()
        self.assertEqual((found.payload, found.retain), (b"kept", True))
        later.unsubscribe(self.topic())
        # SUBACK was lost: the repetition brings the retained message no second time.
        number = later.next_id()
        later.send(sn.subscribe(self.topic(), number))
        later.expect(sn.SUBACK, message_id=number)
        self.assertTrue(later.message().retain)
        later.send(sn.subscribe(self.topic(), number, dup=True))
        later.expect(sn.SUBACK, message_id=number)
        later.ping()

    @ours_only("MQTT-SN")
    def test_order(self):
        """Messages keep their order, whatever their QoS."""
        mqtt, client = self.client(V5), self.connected()
        client.subscribe(self.topic(), qos=2)
        for number in range(60):
            mqtt.publish(self.topic(), b"%d" % number, number % 3)
        self.assertEqual([int(client.message().payload) for _ in range(60)], list(range(60)))

    @ours_only("MQTT-SN")
    def test_connectionless(self):
        """QoS -1 (6.8): predefined ids and short names, without CONNECT; no answer ever."""
        broker = harness.broker(**dict(Topics.predefined, **{"mqtt.sn.enable_qos3": "on"}))
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe("pre/one", qos=1)
        mqtt.subscribe("s1")
        client = self.sensor(broker=broker)
        client.send(sn.publish(1, "p", -1, kind=sn.PREDEFINED), sn.publish("s1", "s", -1,
                                                                        kind=sn.SHORT))
        self.assertEqual({(one.topic, one.payload, one.qos) for one in mqtt.messages(2)},
                         {("pre/one", b"p", 0), ("s1", b"s", 0)})
        client.send(sn.publish(1, "n", -1), sn.publish(7, "n", -1, kind=sn.PREDEFINED))
        client.silent()
        client.connect().send(sn.publish("s1", "connected", -1, kind=sn.SHORT))
        self.assertEqual(mqtt.message().payload, b"connected")

    @ours_only("MQTT-SN")
    def test_connectionless_refused(self):
        """Off by default; and no more than the listener lets anybody do."""
        for settings in ({}, {"mqtt.sn.enable_qos3": "on", "allow_anonymous": "false",
                              "listener.tcp.default.allow_anonymous": "true"},
                         {"mqtt.sn.enable_qos3": "on", "mqtt.sn.qos3_username": "radio",
                          "acl_nomatch": "deny"}):
            with self.subTest(settings):
                broker = self.own(**settings)
                client = self.sensor(broker=broker)
                client.send(sn.publish("s1", "s", -1, kind=sn.SHORT))
                client.silent()
                wait_until(lambda: metric(broker, "datagrams/dropped/refused_publish") == 1,
                           "counted")

    @ours_only("MQTT-SN")
    def test_denied(self):
        """No right: told, and not delivered."""
        broker = self.own(acl_nomatch="deny")
        client = self.connected(broker=broker)
        topic_id = client.register(self.topic())
        for qos in (1, 2):
            client.publish(topic_id, "x", qos, code=sn.NOT_SUPPORTED)
        client.subscribe(self.topic(), code=sn.NOT_SUPPORTED)


class Subscribing(SnTest):
    """Section 6.9."""

    @ours_only("MQTT-SN")
    def test_kinds(self):
        mqtt, client = self.client(V5), self.connected()
        self.assertNotEqual(client.subscribe(self.topic("a"), qos=2), 0)
        self.assertEqual(client.subscribe(self.topic("+/b"), qos=1), 0)
        mqtt.publish(self.topic("a"), b"1", 2)
        mqtt.publish(self.topic("x/b"), b"2", 2)
        self.assertEqual([(one.name, one.qos) for one in (client.message(), client.message())],
                         [(self.topic("a"), 2), (self.topic("x/b"), 1)])
        client.unsubscribe(self.topic("a"))
        client.unsubscribe(self.topic("+/b"))
        client.unsubscribe("never/subscribed")
        mqtt.publish(self.topic("a"), b"3", 2)
        mqtt.publish(self.topic("x/b"), b"4", 2)
        client.ping()

    @ours_only("MQTT-SN")
    def test_refused(self):
        client = self.connected()
        for topic in ("a/#/b", "a+", "", b"\xff\xff"):
            with self.subTest(topic):
                client.subscribe(topic, code=sn.NOT_SUPPORTED)
        client.send(sn.subscribe("a", 3, qos=-1))
        client.expect(sn.SUBACK, message_id=3, code=sn.NOT_SUPPORTED)

    @ours_only("MQTT-SN")
    def test_shared(self):
        """A shared subscription works as over MQTT: one member gets each message."""
        mqtt = self.client(V5)
        clients = [self.connected(), self.connected()]
        group = f"$share/g{self.unique}/{self.topic('#')}"
        for client in clients:
            self.assertEqual(client.subscribe(group, qos=1), 0)
        for number in range(10):
            mqtt.publish(self.topic("x"), b"%d" % number, 1)
        found = sorted(int(client.message().payload) for client in clients for _ in range(5))
        self.assertEqual(found, list(range(10)))


if __name__ == "__main__":
    harness.main()
