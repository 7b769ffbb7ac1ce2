"""Flow control (4.9), maximum packet size (3.1.2.11.4, 3.2.2.3.6), topic aliases (3.3.2.3.4): both
directions."""

import time

import harness
import mqtt_wire as wire
from harness import MqttTest, ours_only, peer_deviates, versions
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V31, V311, V5


class ReceiveMaximumOfClient(MqttTest):
    """The server keeps to what the client can take ([MQTT-3.3.4-9], [MQTT-4.9.0-1], -2)."""

    @peer_deviates("sends more once the first acknowledgements came")
    def test_never_more_than_that(self):
        for limit in (1, 2, 7):
            for qos in (1, 2):
                with self.subTest(limit=limit, qos=qos):
                    topic = self.topic(f"{limit}{qos}")
                    receiver = self.client(V5, properties={"receive_maximum": limit})
                    sender = self.client(V5)
                    receiver.subscribe(topic, qos=qos)
                    for number in range(20):
                        sender.publish(topic, b"%d" % number, qos)
                    got = []
                    while len(got) < 20:
                        batch = [receiver.expect(PUBLISH) for _ in range(min(limit, 20 - len(got)))]
                        with self.assertRaises(wire.Timeout):
                            receiver.recv(0.02)
                        got += [one.payload for one in batch]
                        for one in batch:
                            receiver.complete(one)
                    self.assertEqual(got, [b"%d" % number for number in range(20)])

    def test_pubrec_frees_nothing(self):
        """The quota comes back with PUBCOMP, not with PUBREC."""
        topic = self.topic()
        receiver, sender = self.client(V5, properties={"receive_maximum": 1}), self.client(V5)
        receiver.subscribe(topic, qos=2)
        sender.publish(topic, b"1", 2)
        sender.publish(topic, b"2", 2)
        found = receiver.expect(PUBLISH)
        receiver.send(wire.ack(PUBREC, found.id))
        receiver.expect(PUBREL)
        with self.assertRaises(wire.Timeout):
            receiver.recv(0.2)
        receiver.send(wire.ack(PUBCOMP, found.id))
        self.assertEqual(receiver.message().payload, b"2")

    def test_a_negative_pubrec_frees(self):
        topic = self.topic()
        receiver, sender = self.client(V5, properties={"receive_maximum": 1}), self.client(V5)
        receiver.subscribe(topic, qos=2)
        for number in range(3):
            sender.publish(topic, b"%d" % number, 2)
        for number in range(3):
            found = receiver.expect(PUBLISH)
            self.assertEqual(found.payload, b"%d" % number)
            receiver.send(wire.ack(PUBREC, found.id, 0x80))
        receiver.ping()

    def test_qos_0_and_other_packets_pass(self):
        """[MQTT-4.9.0-3]: SUBSCRIBE, PINGREQ and the like go on at quota 0; QoS 0 may, and is not
        counted."""
        topic = self.topic()
        receiver, sender = self.client(V5, properties={"receive_maximum": 1}), self.client(V5)
        receiver.subscribe((topic, 1), (topic + "/0", 0))
        sender.publish(topic, b"1", 1)
        sender.publish(topic, b"2", 1)
        first = receiver.expect(PUBLISH)
        receiver.send(wire.packet(wire.PINGREQ, 0))
        receiver.expect(wire.PINGRESP)
        receiver.subscribe(topic + "/more")
        receiver.publish(topic + "/elsewhere", b"", 2)
        sender.publish(topic + "/0", b"zero")
        receiver.complete(first)
        self.assertEqual(sorted(one.payload for one in receiver.messages(2)), [b"2", b"zero"])


class ReceiveMaximumOfServer(MqttTest):
    """A client that overruns the server's limit ([MQTT-3.3.4-7], 4.9)."""

    def limit(self, client):
        return client.connack.properties.get("receive_maximum", 65535)

    @ours_only("the peer does not enforce it")
    def test_overrun_is_0x93_that_the_client_can_read(self):
        """Even if the client goes on writing, the DISCONNECT arrives before the close."""
        where = self.broker(**{"mqtt.receive_maximum": 5}).address
        for extra in (1, 1000, 20_000):
            with self.subTest(extra=extra):
                client = self.client(V5, where=where)
                self.assertEqual(self.limit(client), 5)
                # Without PUBREL the exchanges stay open.
                data = b"".join(wire.publish(self.topic(), b"x" * 50, 2, number % 65535 + 1,
                                             version=V5)
                                for number in range(5 + extra))
                try:
                    client.send(data)
                except OSError:
                    pass
                found = client.expect_closed()
                self.assertEqual([one.id for one in found[:-1] if one.type == PUBREC],
                                 [1, 2, 3, 4, 5])
                self.assertEqual((found[-1].type, found[-1].code), (wire.DISCONNECT, 0x93))

    @ours_only("the key has another meaning there")
    def test_up_to_the_limit_is_fine(self):
        where = self.broker(**{"mqtt.receive_maximum": 5}).address
        client = self.client(V5, where=where)
        for start in range(1, 40, 5):
            ids = range(start, start + 5)
            client.send(*[wire.publish(self.topic(), b"", 2, number, version=V5) for number in ids])
            self.assertEqual([client.expect(PUBREC).id for _ in ids], list(ids))
            client.send(*[wire.ack(PUBREL, number) for number in ids])
            self.assertEqual([client.expect(PUBCOMP).id for _ in ids], list(ids))

    @ours_only("the key has another meaning there")
    def test_repeated_publish_is_not_counted_twice(self):
        where = self.broker(**{"mqtt.receive_maximum": 5}).address
        client = self.client(V5, where=where)
        for number in (1, 2, 3, 4, 5, 5, 4, 3, 2, 1):
            client.send(wire.publish(self.topic(), b"", 2, number, version=V5))
            self.assertEqual(client.expect(PUBREC).id, number)

    def test_quota_comes_back(self):
        """A publisher with many more messages than the limit, never too many open."""
        client = self.client(V5)
        for _ in range(3000):
            client.send(wire.publish(self.topic(), b"", 1, 1, version=V5))
            client.expect(PUBACK)

    @versions(V31, V311)
    def test_old_clients_know_no_limit(self, version):
        """3.x has no receive maximum: hundreds of open QoS 2 exchanges are fine."""
        client = self.client(version)
        if harness.PEER != "mangrove":
            self.skipTest("the peer acknowledges and drops")
        receiver = self.client(version)
        topic = self.topic()
        receiver.subscribe(topic, qos=0)
        client.send(*[wire.publish(topic, b"", 2, number, version=version)
                      for number in range(1, 2001)])
        self.assertEqual([client.expect(PUBREC).id for _ in range(2000)], list(range(1, 2001)))
        client.send(*[wire.ack(PUBREL, number) for number in range(1, 2001)])
        self.assertEqual([client.expect(PUBCOMP).id for _ in range(2000)], list(range(1, 2001)))
        for _ in range(2000):
            receiver.message()


class PacketSize(MqttTest):

    @peer_deviates("is off by one byte")
    def test_of_the_client(self):
        """[MQTT-3.1.2-24], [MQTT-3.1.2-25]: what is too large is not sent, as if it had been
        delivered."""
        topic = self.topic()
        receiver, sender = self.client(V5, properties={"maximum_packet_size": 100}), self.client(V5)
        for qos in (0, 1, 2):
            where = f"{topic}/{qos}"
            receiver.subscribe(where, qos=qos)
            empty = wire.publish(where, b"", qos, version=V5)
            fits = 100 - len(empty)
            sender.publish(where, b"x" * (fits + 1), qos)
            sender.publish(where, b"y" * fits, qos)
            sender.publish(where, b"z" * 5000, qos)
            sender.publish(where, b"end", qos)
            self.assertEqual([one.payload for one in receiver.messages(2)], [b"y" * fits, b"end"])

    @peer_deviates("stops when a message is too large")
    def test_does_not_block_the_window(self):
        """A message that is too large takes no place in the receive window."""
        topic = self.topic()
        receiver = self.client(V5, properties={"maximum_packet_size": 60, "receive_maximum": 1})
        sender = self.client(V5)
        receiver.subscribe(topic, qos=2)
        for number in range(10):
            sender.publish(topic, b"x" * 100 if number % 2 else b"%d" % number, 1 + number // 5)
        self.assertEqual([one.payload for one in receiver.messages(5)],
                         [b"0", b"2", b"4", b"6", b"8"])

    def test_reason_strings_are_left_out(self):
        """[MQTT-3.2.2-19], -20 and the like: texts and user properties give way to the limit."""
        client = self.client(V5, properties={"maximum_packet_size": 20})
        client.subscribe("a/#/b", "+x", codes=[0x8F, 0x8F]) if harness.PEER == "mangrove" else None
        self.assertLessEqual(len(client.unsubscribe("no", "no2").raw), 18)

    @ours_only("the peer closes without a word")
    def test_of_the_server(self):
        """[MQTT-3.2.2-15]: 0x95; a packet of just the size passes. 3.x clients are closed."""
        where = self.broker(**{"mqtt.max_packet_size": 2000}).address
        for version in wire.VERSIONS:
            with self.subTest(version=version):
                topic = self.topic(str(version))
                client = self.client(version, where=where)
                if version == V5:
                    self.assertEqual(client.connack.properties.get("maximum_packet_size"), 2000)
                room = 2000 - len(wire.publish(topic, b"x" * 1000, version=version)) + 1000
                client.subscribe(topic)
                client.publish(topic, b"x" * room)
                self.assertEqual(len(client.message().payload), room)
                client.send(wire.publish(topic, b"x" * (room + 1), version=version))
                self.expect_refusal(client, 0x95)

    @versions()
    def test_five_bytes_that_announce_256_mb(self, version):
        """The limit is looked at as soon as the length is known; before CONNECT a smaller one
        holds."""
        broker = self.broker()
        before = broker.memory()
        clients = []
        for _ in range(20):
            client = self.open(version)
            client.send(b"\x10\xff\xff\xff\x7f")
            clients.append(client)
            client = self.client(version)
            client.send(b"\x32\xff\xff\xff\x7f")
            clients.append(client)
        if harness.PEER == "mangrove":
            for one in clients:
                if one.client_id is None:
                    one.expect_closed()
                else:
                    self.expect_refusal(one, 0x95)
        if not harness.sanitized():
            self.assertLess(broker.memory() - before, 64 << 20)
        self.client(version).ping()

    @versions()
    def test_length_of_five_bytes(self, version):
        """[MQTT-1.5.5-1], 2.1.4: a remaining length of more than four bytes is malformed."""
        client = self.client(version)
        client.send(b"\x30\x80\x80\x80\x80\x01")
        self.expect_refusal(client, {0x81, 0x95})
        client = self.open(version)
        client.send(b"\x10\xff\xff\xff\xff\x7f")
        self.assertEqual(client.expect_closed(), [])

    @versions()
    def test_length_longer_than_needed(self, version):
        """2.1.4 / [MQTT-1.5.5-1]: the shortest form is a must for senders; a padded PINGREQ harms
        nobody."""
        client = self.client(version)
        client.send(b"\xc0\x80\x00")
        try:
            self.assertEqual(client.recv(2).type in (wire.PINGRESP, wire.DISCONNECT), True)
        except wire.Closed:
            pass


class AliasOfClient(MqttTest):
    """Topic aliases that the client sets."""

    def setUp(self):
        super().setUp()
        self.receiver = self.client(V5)
        self.root = self.topic("alias")
        self.receiver.subscribe(self.root + "/#", qos=2)

    def alias(self, client, topic, number, payload=b"x", qos=0):
        client.publish(f"{self.root}/{topic}" if topic else "", payload, qos,
                       properties={"topic_alias": number})

    def expect_topics(self, *tails):
        found = [self.receiver.message() for _ in tails]
        self.assertEqual([one.topic for one in found], [f"{self.root}/{tail}" for tail in tails])
        self.assertFalse(any(one.properties.has("topic_alias") for one in found))

    def test_set_use_and_change(self):
        """3.3.2.3.4: an alias stands for its topic until it is set anew."""
        client = self.client(V5)
        limit = client.connack.properties.get("topic_alias_maximum", 0)
        self.assertGreater(limit, 1)
        for qos in (0, 1, 2):
            self.alias(client, "a", 1, qos=qos)
            self.alias(client, "b", limit, qos=qos)
            self.alias(client, "", 1, qos=qos)
            self.alias(client, "", limit, qos=qos)
            self.alias(client, "c", 1, qos=qos)
            self.alias(client, "", 1, qos=qos)
        self.expect_topics(*["a", "b", "a", "b", "c", "c"] * 3)

    def test_retained_and_will_are_stored_by_topic(self):
        client = self.client(V5)
        self.alias(client, "r", 2)
        client.publish("", b"kept", 1, retain=True, properties={"topic_alias": 2})
        self.expect_topics("r", "r")
        late = self.client(V5)
        late.subscribe(self.root + "/r")
        self.assertEqual(late.message().topic, self.root + "/r")

    def test_too_large_or_zero(self):
        """[MQTT-3.2.2-17], -18: 0x94."""
        client = self.client(V5)
        limit = client.connack.properties.get("topic_alias_maximum", 0)
        for number in (limit + 1, 65535):
            client = self.client(V5)
            client.send(wire.publish(self.root + "/x", b"", version=V5,
                                     properties={"topic_alias": number}))
            self.expect_refusal(client, 0x94)
        self.assert_nothing_more(self.receiver)

    def test_unknown(self):
        """An alias that was never set, with an empty topic: a protocol error."""
        client = self.client(V5)
        client.send(wire.publish("", b"", version=V5, properties={"topic_alias": 1}))
        self.expect_refusal(client, {0x82, 0x94})

    def test_ends_with_the_connection(self):
        """[MQTT-3.3.2-7]: no alias outlives its connection, even if the session does."""
        name = self.name("s")
        client = self.client(V5, name, properties={"session_expiry": 60})
        self.alias(client, "a", 1)
        client.disconnect()
        self.expect_topics("a")
        client = self.client(V5, name, clean=False)
        client.send(wire.publish("", b"", version=V5, properties={"topic_alias": 1}))
        self.expect_refusal(client, {0x82, 0x94})

    @ours_only("keys")
    def test_none_allowed(self):
        """A maximum of 0: CONNACK says so (or says nothing), any alias is 0x94."""
        where = self.broker(**{"mqtt.topic_alias_maximum": 0}).address
        client = self.client(V5, where=where)
        self.assertEqual(client.connack.properties.get("topic_alias_maximum", 0), 0)
        client.send(wire.publish("a", b"", version=V5, properties={"topic_alias": 1}))
        self.expect_refusal(client, 0x94)

    def test_from_the_first_message_on(self):
        """Aliases may be used before CONNACK is read; the server knows its own limit."""
        client = self.open(V5)
        client.send(wire.connect(self.name("p"), version=V5),
                    wire.publish(self.root + "/p", b"1", version=V5, properties={"topic_alias": 1}),
                    wire.publish("", b"2", version=V5, properties={"topic_alias": 1}))
        client.expect(wire.CONNACK)
        self.expect_topics("p", "p")


class AliasOfServer(MqttTest):
    """Topic aliases towards the client ([MQTT-3.1.2-26], -27)."""

    def read(self, receiver, count, aliases):
        topics = []
        for _ in range(count):
            found = receiver.message()
            number = found.properties.get("topic_alias")
            if number is not None:
                self.assertIn(number, range(1, receiver.alias_maximum + 1))
                if found.topic:
                    aliases[number] = found.topic
                topics.append(found.topic or aliases[number])
            else:
                topics.append(found.topic)
        return topics

    def test_within_the_clients_limit(self):
        for limit in (0, 1, 3):
            with self.subTest(limit=limit):
                root = self.topic(f"limit{limit}")
                receiver = self.client(V5, properties={"topic_alias_maximum": limit} if limit
                                       else None)
                receiver.alias_maximum = limit
                receiver.subscribe(root + "/+", qos=2)
                sender = self.client(V5)
                expected, aliases = [], {}
                for number in range(40):
                    topic = f"{root}/{number % 5}"
                    sender.publish(topic, b"x", 1)
                    expected.append(topic)
                self.assertEqual(self.read(receiver, 40, aliases), expected)
                if harness.PEER == "mangrove" and limit:
                    self.assertTrue(aliases, "the broker uses no alias")

    def test_sent_again_with_a_topic(self):
        """A resent PUBLISH on a new connection can't rely on an alias of the old one."""
        root, name = self.topic(), self.name("r")
        properties = {"topic_alias_maximum": 5, "session_expiry": 60}
        receiver = self.client(V5, name, clean=False, properties=properties)
        receiver.alias_maximum = 5
        receiver.subscribe(root, qos=1)
        sender = self.client(V5)
        for _ in range(4):
            sender.publish(root, b"x", 1)
        for _ in range(4):
            receiver.expect(PUBLISH)
        receiver.abort()
        receiver = self.client(V5, name, clean=False, properties=properties)
        receiver.alias_maximum = 5
        sender.publish(root, b"x", 1)
        self.assertEqual(self.read(receiver, 5, {}), [root] * 5)

    def test_not_lost_with_a_message_that_is_too_large(self):
        """An alias must not be set by a PUBLISH that is then not sent because of its size."""
        root = self.topic()
        receiver = self.client(V5,
                               properties={"topic_alias_maximum": 5, "maximum_packet_size": 120})
        receiver.alias_maximum = 5
        receiver.subscribe(root)
        sender = self.client(V5)
        for payload in (b"x" * 200, b"a", b"x" * 200, b"b"):
            sender.publish(root, payload)
        self.assertEqual(self.read(receiver, 2, {}), [root] * 2)


class Speed(MqttTest):

    @harness.measures("a round trip")
    def test_no_answer_waits_for_a_delayed_acknowledgement(self):
        """Nagle and friends: what is sent in two writes would come 40 ms later each time. Other
        load makes some exchanges slow, so the fastest counts."""
        client = self.client(V311)
        topic = self.topic()
        client.subscribe(topic)
        fastest = 1.0
        for _ in range(50):
            start = time.monotonic()
            client.publish(topic, b"x", 1)
            client.message()
            fastest = min(fastest, time.monotonic() - start)
        self.assertLess(fastest, 0.03)


if __name__ == "__main__":
    harness.main()
