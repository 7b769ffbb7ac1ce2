"""SUBSCRIBE, UNSUBSCRIBE and their answers (3.8 to 3.11), topic names and filters (4.7), retained
messages (3.3.1.3)."""

import harness
import mqtt_wire as wire
from harness import MqttTest, peer_deviates, versions
from mqtt_wire import PUBLISH, SUBACK, V31, V311, V5, options


class Suback(MqttTest):
    """Requests and their answers."""

    @versions()
    def test_many_filters_in_one_packet(self, version):
        """[MQTT-3.8.4-5], [MQTT-3.9.3-1]: one code a filter, in their order."""
        client = self.client(version)
        filters = [(self.topic(f"{number}"), number % 3) for number in range(300)]
        client.subscribe(*filters)

    @versions()
    def test_packet_id_comes_back(self, version):
        """[MQTT-3.8.4-2], [MQTT-3.10.4-4]."""
        client = self.client(version)
        for number in (1, 2, 255, 256, 65535):
            client.send(wire.subscribe(number, [(self.topic(), 0)], version))
            self.assertEqual(client.expect(SUBACK).id, number)
            client.send(wire.unsubscribe(number, [self.topic()], version))
            self.assertEqual(client.expect(wire.UNSUBACK).id, number)

    @versions()
    def test_granted_qos(self, version):
        """[MQTT-3.8.4-7], [MQTT-3.9.3-2]."""
        client = self.client(version)
        for qos in (0, 1, 2):
            self.assertEqual(client.subscribe(self.topic(), qos=qos).codes, [qos])

    @versions(V311, V5)
    def test_no_filter(self, version):
        """[MQTT-3.8.3-3]/[MQTT-3.8.3-2], [MQTT-3.10.3-2]: a packet without a filter is a protocol
        error."""
        for make in (wire.subscribe, wire.unsubscribe):
            client = self.client(version)
            client.send(make(1, [], version))
            self.expect_refusal(client, {0x81, 0x82})

    @versions(V311, V5)
    def test_reserved_bits_of_options(self, version):
        """[MQTT-3-8.3-4]/[MQTT-3.8.3-5]: reserved bits, QoS 3, retain handling 3."""
        bad = (3, 0x40, 0x80, 0xC0) + ((0x30,) if version == V5 else (0x04, 0x08, 0x10))
        for bits in bad:
            with self.subTest(bits=bits):
                client = self.client(version)
                client.send(wire.subscribe(1, [(self.topic(), bits)], version))
                self.expect_refusal(client, {0x81, 0x82})

    @versions(V311, V5)
    def test_fixed_header_flags(self, version):
        """[MQTT-3.8.1-1], [MQTT-3.10.1-1]."""
        for flags in (0, 1, 3, 6, 10):
            with self.subTest(flags=flags):
                client = self.client(version)
                client.send(wire.subscribe(1, [(self.topic(), 0)], version, flags=flags))
                self.expect_refusal(client, 0x81)
                client = self.client(version)
                client.send(wire.unsubscribe(1, [self.topic()], version, flags=flags))
                self.expect_refusal(client, 0x81)

    @versions(V311, V5)
    def test_packet_id_zero(self, version):
        """[MQTT-2.3.1-1]/[MQTT-2.2.1-3]."""
        for make, filters in ((wire.subscribe, [(self.topic(), 0)]),
                              (wire.unsubscribe, [self.topic()])):
            client = self.client(version)
            client.send(make(0, filters, version))
            self.expect_refusal(client, {0x81, 0x82})

    @versions()
    def test_cut(self, version):
        """Lengths that run past the packet."""
        empty = b"\0" if version == V5 else b""
        for kind in (wire.SUBSCRIBE, wire.UNSUBSCRIBE):
            for body in (b"", b"\0", b"\0\1" + empty + b"\0", b"\0\1" + empty + b"\0\5abc",
                         b"\0\1" + empty + b"\0\1a\0"
                         + (b"" if kind == wire.SUBSCRIBE else b"\2x")):
                with self.subTest(kind=wire.NAMES[kind], body=body):
                    client = self.client(version)
                    client.send(wire.packet(kind, 2, body))
                    if body.endswith(b"a\0") and kind == wire.SUBSCRIBE:
                        # this one is whole: the guard that the others are not refused for all
                        client.expect(SUBACK)
                    else:
                        self.expect_refusal(client, {0x81, 0x82})

    @versions()
    def test_filter_not_utf8(self, version):
        """[MQTT-3.8.3-1], [MQTT-3.10.3-1]."""
        for raw in (b"\xff", b"a\0b", b"\xed\xa0\x80", b"\xc0\x80"):
            for data in (wire.subscribe(1, [(raw, 0)], version),
                         wire.unsubscribe(1, [raw], version)):
                with self.subTest(data=data):
                    client = self.client(version)
                    client.send(data)
                    self.expect_refusal(client, {0x81, 0x82, 0x8F})

    @peer_deviates("takes $share filters without a group or filter")
    def test_bad_filters_are_refused(self):
        """[MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1], [MQTT-4.8.2-1], -2: refused in SUBACK or
        by closing.

        Our broker answers a 5.0 client with 0x8F, a 3.1.1 one with 0x80, and goes on: the rest of
        the packet is sound.
        """
        bad = ["a/#/b", "#/a", "a#", "a/b#", "+a", "a+", "a/+b/c", "##", "$share/g", "$share//a",
               "$share/a+b/t", "$share/a#/t", "$share/g/"]
        for text in bad + [""]:
            for version in (V311, V5):
                with self.subTest(filter=text, version=version):
                    if version == V311 and text.startswith("$share"):
                        continue
                    client = self.client(version)
                    client.send(wire.subscribe(1, [(text, 0), (self.topic("good"), 1)], version))
                    try:
                        found = client.recv()
                    except wire.Closed:
                        continue
                    if found.type == wire.DISCONNECT:
                        self.assertIn(found.code, (0x81, 0x82, 0x8F))
                    else:
                        self.assertEqual(found.codes, [0x8F if version == V5 else 0x80, 1])

    def test_bad_subscribe_properties(self):
        """Subscription identifier 0, twice, too large; properties of other packets."""
        for properties in ([("subscription_identifier", 0)], [("subscription_identifier", 1)] * 2,
                           [("raw", b"\x0b\xff\xff\xff\xff\x01")],
                           [("raw", b"\x0b\x80\x80\x80\x80\x01")],
                           [("session_expiry", 1)], [("message_expiry", 1)],
                           [("reason_string", "x")],
                           [("user_property", (b"\xff", "a"))]):
            with self.subTest(properties=properties):
                client = self.client(V5)
                client.send(wire.subscribe(1, [(self.topic(), 0)], V5, properties))
                self.expect_refusal(client, {0x81, 0x82})
        client = self.client(V5)
        client.send(wire.unsubscribe(1, [self.topic()], V5, {"subscription_identifier": 1}))
        self.expect_refusal(client, {0x81, 0x82})

    def test_user_properties_in_requests(self):
        client = self.client(V5)
        pairs = [("user_property", ("a", "1")), ("user_property", ("a", "1"))]
        client.subscribe(self.topic(), properties=pairs)
        self.assertEqual(client.unsubscribe(self.topic(), properties=pairs).codes, [0])

    @peer_deviates("takes it")
    def test_shared_with_no_local(self):
        """[MQTT-3.8.3-4]: No Local on a shared subscription is a protocol error."""
        client = self.client(V5)
        client.send(wire.subscribe(1, [("$share/g/" + self.topic(), options(0, no_local=True))],
                                   V5))
        self.expect_refusal(client, 0x82)


class Unsubscribe(MqttTest):

    def test_codes(self):
        """[MQTT-3.11.3-1], [MQTT-3.11.3-2]: a code a filter in order, 0x11 where there was none."""
        client = self.client(V5)
        one, two = self.topic("1"), self.topic("2/+")
        client.subscribe(one, two)
        self.assertEqual(client.unsubscribe(two, self.topic("never"), one, one).codes,
                         [0, 0x11, 0, 0x11])

    @versions()
    def test_stops_new_messages(self, version):
        """[MQTT-3.10.4-1], -2, -3: exact comparison of the filter; then nothing new."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic + "/+", topic + "/a", qos=1)
        receiver.unsubscribe(topic + "/a")
        sender.publish(topic + "/a", b"still", 1)
        self.assertEqual(receiver.message().payload, b"still")
        receiver.unsubscribe(topic + "/#")  # another filter, though it matches the same
        sender.publish(topic + "/a", b"still", 1)
        self.assertEqual(receiver.message().payload, b"still")
        receiver.unsubscribe(topic + "/+")
        sender.publish(topic + "/a", b"gone", 1)
        self.assert_nothing_more(receiver, sender)

    @versions()
    def test_one_of_three(self, version):
        topics = [self.topic(str(number)) for number in range(3)]
        receiver, sender = self.client(version), self.client(version)
        for one in topics:
            receiver.subscribe(one, qos=2)
        receiver.unsubscribe(topics[0])
        for one in topics:
            sender.publish(one, one, 1)
        self.assertEqual([one.topic for one in receiver.messages(2)], topics[1:])
        self.assert_nothing_more(receiver, sender)

    @versions(V311, V5)
    def test_exchanges_in_flight_are_finished(self, version):
        """[MQTT-3.10.4-3]/[MQTT-3.10.4-6]: a QoS 2 delivery that was begun is finished."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        sender.publish(topic, b"x", 2)
        found = receiver.expect(PUBLISH)
        receiver.unsubscribe(topic)
        receiver.complete(found)
        receiver.ping()

    @versions()
    def test_unsubscribe_of_nothing(self, version):
        """[MQTT-3.10.4-5]: always answered."""
        self.client(version).unsubscribe(self.topic(), "a/#", "+")


class Matching(MqttTest):
    """Topic names and filters (4.7)."""

    TABLE = [  # filter, topics that match, topics that don't
        ("a/b", ["a/b"], ["a", "a/b/", "/a/b", "a/B", "a/b/c", "a//b"]),
        ("a/+", ["a/b", "a/"], ["a", "a/b/c", "/a/b"]),
        ("a/#", ["a", "a/", "a/b", "a/b/c"], ["ab", "/a", "b/a"]),
        ("+/+", ["a/b", "/", "/b", "a/"], ["a", "a/b/c", "//"]),
        ("/+", ["/a", "/"], ["a", "/a/b"]),
        ("+/a/#", ["x/a", "x/a/b/c", "/a"], ["x/b", "a", "a/a2"]),
        ("+/+/#", ["a/b", "a/b/c", "/", "//"], ["a"]),
        ("a/+/c", ["a/b/c", "a//c"], ["a/b", "a/b/b/c", "a/b/c/d"]),
        ("//", ["//"], ["/", "///"]),
        ("a/+/+/d", ["a/b/c/d", "a///d"], ["a/b/d"]),
        ("\u00e5/+", ["\u00e5/b"], ["a\u030a/b"]),
        ("sp ace/#", ["sp ace/x", "sp ace"], ["space"]),
    ]

    @versions()
    def test_table(self, version):
        """[MQTT-4.7.1-1] to [MQTT-4.7.3-4], below a root of this test's own."""
        root = self.topic()
        sender = self.client(version)
        for text, good, bad in self.TABLE:
            with self.subTest(filter=text):
                receiver = self.client(version)
                receiver.subscribe(f"{root}/{text}")
                for one in bad + good:
                    sender.publish(f"{root}/{one}", b"")
                self.assertEqual([receiver.message().topic for _ in good],
                                 [f"{root}/{one}" for one in good])
                self.assert_nothing_more(receiver, sender, window=0.02)
                receiver.close()

    def test_root(self):
        """Filters and topics that begin at the root: no level is special but `$`."""
        where = harness.broker(**{"mqtt.broker.sys_interval": "0s"}).address
        sender = self.client(V5, where=where)
        for text, good, bad in self.TABLE + [
                ("#", ["a", "/", "/a/b"], ["$a", "$SYSx/a"]), ("+", ["a", " "], ["$a", "/", "a/b"]),
                ("+/x", ["a/x", "/x"], ["$a/x"]), ("/#", ["/", "/a"], ["a"]),
                ("$own/#", ["$own", "$own/a"], ["own/a"]),
                ("$own/+", ["$own/a"], ["$own"]), ("/", ["/"], ["//", "a"])]:
            with self.subTest(filter=text):
                receiver = self.client(V5, where=where)
                receiver.subscribe(text, "the end/of/all/topics")
                for one in bad + good:
                    sender.publish(one, b"")
                self.assertEqual([receiver.message().topic for _ in good], good)
                sender.publish("the end/of/all/topics", b"end")
                self.assertEqual(receiver.message().payload, b"end")
                receiver.close()

    @versions(V311, V5)
    def test_dollar_topics(self, version):
        """[MQTT-4.7.2-1]: a leading wildcard matches no topic that begins with `$`; retained ones
        neither."""
        sender, receiver = self.client(version), self.client(version)
        first = self.unique
        sender.publish(f"${first}/kept", b"x", 1, retain=True)
        receiver.subscribe(f"+/{first}/#", "+/kept", "#")
        sender.publish(f"${first}/{first}/live", b"x", 1)
        sender.publish(f"{first}/end", b"end", 1)
        while True:  # messages of other tests pass by
            found = receiver.message()
            self.assertFalse(found.topic.startswith("$"), found)
            if found.topic == f"{first}/end":
                break
        receiver.unsubscribe(f"+/{first}/#", "+/kept", "#")
        late = self.client(version)
        late.subscribe(f"${first}/#")
        self.assertEqual(late.message().topic, f"${first}/kept")

    @versions()
    def test_longest_topic(self, version):
        """4.7.3: 65,535 bytes are a topic."""
        topic = self.topic() + "/"
        topic += "x" * (65535 - len(topic))
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=1)
        sender.publish(topic, b"far", 1)
        self.assertEqual(receiver.message().topic, topic)

    @versions()
    def test_thousands_of_levels(self, version):
        """Depth is limited: refused in the way the version has, and nobody else notices."""
        other = self.client(version)
        deep = "/".join("x" * 20_000)
        for text in (deep, "/" * 65535, "+/" * 20000 + "#"):
            for data in (wire.subscribe(1, [(text, 0)], version),
                         wire.publish(text.replace("+", "y").replace("#", "z"), b"x", 1, 1,
                                      version=version),
                         wire.publish(text.replace("+", "y").replace("#", "z"), b"x", 1, 1,
                                      retain=True,
                                      version=version)):
                client = self.client(version)
                client.send(data)
                try:
                    found = client.recv()
                except wire.Closed:
                    found = None
                if version == V5 and harness.PEER == "mangrove":
                    self.assertTrue(found is not None
                                    and (found.codes[0] if found.type == SUBACK else found.code)
                                    in (0x80, 0x8F, 0x90, 0x97, 0), found)
                other.ping()

    @versions()
    def test_filters_that_agree_in_everything_but_one_level(self, version):
        """Thousands of filters beside each other: each finds its own."""
        root = self.topic()
        client = self.client(version)
        for start in range(0, 2000, 500):
            client.subscribe(*[f"{root}/{number}/+" for number in range(start, start + 500)])
        for number in (0, 1, 999, 1999):
            client.publish(f"{root}/{number}/x", b"")
            self.assertEqual(client.message().topic, f"{root}/{number}/x")
        self.assert_nothing_more(client)


class Overlap(MqttTest):
    """Several matching subscriptions of one client (3.3.4 / 3.3.5)."""

    def test_50_one_copy_with_all_identifiers(self):
        """[MQTT-3.3.4-2], -3, -4: highest QoS, all identifiers. Our broker sends one copy."""
        topic = self.topic()
        receiver, sender = self.client(V5), self.client(V5)
        receiver.subscribe(topic + "/#", qos=2, properties={"subscription_identifier": 1})
        receiver.subscribe(topic + "/+", qos=1, properties={"subscription_identifier": 268435455})
        receiver.subscribe(topic + "/a", qos=0)
        sender.publish(topic + "/a", b"x", 2)
        first = receiver.message()
        ids = first.properties.all("subscription_identifier")
        if harness.PEER == "mangrove":
            self.assertEqual((sorted(ids), first.qos), ([1, 268435455], 2))
            self.assert_nothing_more(receiver, sender)

    @peer_deviates("sends one copy with the QoS of whichever filter comes first")
    @versions(V31, V311)
    def test_highest_qos(self, version):
        """[MQTT-3.3.5-1]: at least the copy with the highest QoS arrives; at most one a
        subscription."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe((topic + "/#", 2), (topic + "/+", 1))
        sender.publish(topic + "/C", b"x", 2)
        found = [receiver.message()]
        marker = self.topic("end")
        receiver.subscribe(marker)
        sender.publish(marker, b"end")
        while found[-1].topic != marker:
            found.append(receiver.message())
        qos = [one.qos for one in found[:-1]]
        self.assertEqual(max(qos), 2)
        self.assertIn(sorted(qos), ([2], [1, 2]))

    @versions()
    def test_same_filter_again_replaces(self, version):
        """[MQTT-3.8.4-3]: one subscription; its QoS is that of the last request."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        for qos in (2, 0, 1):
            receiver.subscribe(topic, qos=qos)
            sender.publish(topic, b"x", 2)
            self.assertEqual(receiver.message().qos, qos)
        self.assert_nothing_more(receiver, sender)

    def test_identifier_is_replaced_and_dropped(self):
        """3.8.2.1.2: the identifier belongs to the subscription; a new SUBSCRIBE replaces or
        removes it."""
        topic = self.topic()
        client = self.client(V5)
        for properties, expected in (({"subscription_identifier": 5}, [5]),
                                     ({"subscription_identifier": 6}, [6]),
                                     (None, [])):
            client.subscribe(topic, properties=properties)
            client.publish(topic, b"x")
            self.assertEqual(client.message().properties.all("subscription_identifier"), expected)

    def test_identifier_of_several_filters(self):
        """One identifier for all filters of a packet; retained messages carry it too."""
        topic = self.topic()
        client = self.client(V5)
        client.publish(topic + "/b", b"kept", 1, retain=True)
        client.subscribe(topic + "/a", topic + "/b", properties={"subscription_identifier": 77})
        found = client.message()
        self.assertEqual((found.payload, found.properties.all("subscription_identifier")),
                         (b"kept", [77]))
        client.publish(topic + "/a", b"live")
        self.assertEqual(client.message().properties.all("subscription_identifier"), [77])

    def test_identifier_survives_reconnect(self):
        topic, name = self.topic(), self.name("s")
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        client.subscribe(topic, qos=1, properties={"subscription_identifier": 9})
        client.disconnect()
        self.client(V5).publish(topic, b"x", 1)
        client = self.client(V5, name, clean=False)
        self.assertEqual(client.message().properties.all("subscription_identifier"), [9])

    def test_no_local(self):
        """[MQTT-3.8.3-3]: own messages don't come back; others' do, also with the same client id of
        before."""
        topic = self.topic()
        one, two = self.client(V5), self.client(V5)
        one.subscribe(topic, qos=1, no_local=True)
        two.subscribe(topic, qos=1, no_local=True)
        one.publish(topic, b"from one", 1)
        self.assertEqual(two.message().payload, b"from one")
        two.publish(topic, b"from two", 1)
        self.assertEqual(one.message().payload, b"from two")
        self.assert_nothing_more(one)

    def test_no_local_beside_another_subscription(self):
        """An overlapping subscription without No Local still gets the message."""
        topic = self.topic()
        client = self.client(V5)
        client.subscribe(topic, qos=1, no_local=True)
        client.subscribe(topic + "/#", qos=0)
        client.publish(topic, b"x", 1)
        self.assertEqual(client.message().payload, b"x")


class Retained(MqttTest):
    """Retained messages (3.3.1.3) and the subscription options about them (3.8.3.1)."""

    @versions()
    def test_kept_for_new_subscriptions(self, version):
        """[MQTT-3.3.1-5], -6, -8: the last one only, RETAIN set, QoS the lower of both."""
        topic = self.topic()
        sender = self.client(version)
        for qos in (0, 1, 2):
            sender.publish(f"{topic}/{qos}", b"old", qos, retain=True)
            sender.publish(f"{topic}/{qos}", b"new", qos, retain=True)
        for granted in (0, 1, 2):
            receiver = self.client(version)
            receiver.subscribe(topic + "/+", qos=granted)
            found = sorted(receiver.messages(3), key=lambda one: one.topic)
            self.assertEqual([(one.topic, one.payload, one.qos, one.retain, one.dup)
                              for one in found],
                             [(f"{topic}/{qos}", b"new", min(qos, granted), True, False)
                              for qos in (0, 1, 2)])
            self.assert_nothing_more(receiver, sender)

    @versions()
    def test_live_delivery_has_the_flag_clear(self, version):
        """[MQTT-3.3.1-9]/[MQTT-3.3.1-12]."""
        topic = self.topic()
        receiver = self.client(version)
        receiver.subscribe(topic, qos=2)
        for qos in (0, 1, 2):
            self.client(version).publish(topic, b"x", qos, retain=True)
            self.assertFalse(receiver.message().retain)

    @versions()
    def test_empty_clears_and_is_delivered(self, version):
        """[MQTT-3.3.1-6], -7, -10, -11: an empty payload removes; subscribers of now get it as
        usual."""
        for qos in (0, 1, 2):
            topic = self.topic(str(qos))
            sender, receiver = self.client(version), self.client(version)
            sender.publish(topic, b"kept", qos, retain=True)
            sender.ping()
            receiver.subscribe(topic, qos=2)
            self.assertTrue(receiver.message().retain)
            sender.publish(topic, b"", qos, retain=True)
            found = receiver.message()
            self.assertEqual((found.payload, found.retain, found.qos), (b"", False, qos))
            late = self.client(version)
            late.subscribe(topic, qos=2)
            self.assert_nothing_more(late, sender)

    @versions()
    def test_messages_without_the_flag_change_nothing(self, version):
        """[MQTT-3.3.1-12]/[MQTT-3.3.1-8]."""
        topic = self.topic()
        sender = self.client(version)
        sender.publish(topic, b"kept", 1, retain=True)
        sender.publish(topic, b"not kept", 1)
        sender.publish(topic, b"", 1)
        receiver = self.client(version)
        receiver.subscribe(topic)
        self.assertEqual(receiver.message().payload, b"kept")

    @versions()
    def test_subscribing_again_sends_them_again(self, version):
        """[MQTT-3.8.4-3]."""
        topic = self.topic()
        client = self.client(version)
        client.publish(topic, b"kept", 1, retain=True)
        for qos in (0, 1, 1):
            client.subscribe(topic, qos=qos)
            found = client.message()
            self.assertEqual((found.payload, found.retain, found.qos), (b"kept", True, qos))

    @versions()
    def test_wildcards_find_all(self, version):
        topic = self.topic()
        client = self.client(version)
        topics = sorted(f"{topic}/{one}" for one in ("a", "a/b", "a/b/c", "x", "x/y", ""))
        for one in topics:
            client.publish(one, one, 1, retain=True)
        for text, good in ((f"{topic}/#", topics),
                           (f"{topic}/+", [f"{topic}/{one}" for one in ("", "a", "x")]),
                           (f"{topic}/+/+", [f"{topic}/{one}" for one in ("a/b", "x/y")]),
                           (f"{topic}/a/#", [f"{topic}/{one}" for one in ("a", "a/b", "a/b/c")])):
            client.subscribe(text, qos=1)
            self.assertEqual(sorted(one.topic for one in client.messages(len(good))), sorted(good))
            self.assert_nothing_more(client)
            client.unsubscribe(text)

    @versions()
    def test_many(self, version):
        """More retained messages than the in-flight window: all arrive, as the window moves."""
        topic = self.topic()
        sender, receiver = self.client(version), self.client(version)
        for number in range(300):
            sender.publish(f"{topic}/{number}", b"x", 1, retain=True)
        receiver.subscribe(topic + "/+", qos=1)
        self.assertEqual(len({one.topic for one in receiver.messages(300)}), 300)

    @versions(V311, V5)
    def test_survive_their_publisher(self, version):
        """Retained messages belong to no session."""
        topic = self.topic()
        sender = self.client(version)
        sender.publish(topic, b"x", 1, retain=True)
        sender.disconnect()
        receiver = self.client(version)
        receiver.subscribe(topic)
        self.assertEqual(receiver.message().payload, b"x")

    def test_retain_handling(self):
        """[MQTT-3.3.1-9], -10, -11 (5.0): 0 always, 1 only for a new subscription, 2 never."""
        topic = self.topic()
        client = self.client(V5)
        client.publish(topic, b"kept", 1, retain=True)
        client.subscribe(topic, retain_handling=1)
        self.assertTrue(client.message().retain)
        client.subscribe(topic, retain_handling=1)
        self.assert_nothing_more(client)
        client.subscribe(topic, retain_handling=2)
        self.assert_nothing_more(client)
        client.subscribe(topic, retain_handling=0)
        self.assertTrue(client.message().retain)
        client.unsubscribe(topic)
        client.subscribe(topic, retain_handling=2)
        self.assert_nothing_more(client)
        client.unsubscribe(topic)
        client.subscribe(topic, retain_handling=1)
        self.assertTrue(client.message().retain)
        # Filters of one packet are apart.
        other = self.client(V5)
        other.publish(topic + "/2", b"two", 1, retain=True)
        other.subscribe((topic, options(retain_handling=2)),
                        (topic + "/2", options(retain_handling=0)), codes=[0, 0])
        self.assertEqual(other.message().payload, b"two")
        self.assert_nothing_more(other)

    def test_retain_handling_1_on_a_resumed_session(self):
        """A subscription of the stored session exists: with handling 1 nothing is sent."""
        topic, name = self.topic(), self.name("s")
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        client.publish(topic, b"kept", 1, retain=True)
        client.subscribe(topic, qos=1, retain_handling=1)
        client.message()
        client.disconnect()
        client = self.client(V5, name, clean=False)
        client.subscribe(topic, qos=1, retain_handling=1)
        self.assert_nothing_more(client)

    def test_retain_as_published(self):
        """[MQTT-3.3.1-12], [MQTT-3.3.1-13]."""
        topic = self.topic()
        keeps, drops, sender = self.client(V5), self.client(V5), self.client(V5)
        keeps.subscribe(topic, qos=1, retain_as_published=True)
        drops.subscribe(topic, qos=1)
        for retain in (False, True):
            sender.publish(topic, b"x", 1, retain=retain)
            self.assertEqual(keeps.message().retain, retain)
            self.assertFalse(drops.message().retain)
        late = self.client(V5)
        late.subscribe(topic, retain_as_published=False)
        self.assertTrue(late.message().retain)  # sent because of the subscription: always set

    @versions()
    def test_not_sent_on_reconnect(self, version):
        """Retained messages come for a SUBSCRIBE, not because a session is resumed."""
        topic, name = self.topic(), self.name("s")
        properties = {"session_expiry": 60} if version == V5 else None
        client = self.client(version, name, clean=False, properties=properties)
        client.publish(topic, b"kept", 1, retain=True)
        client.subscribe(topic, qos=1)
        client.message()
        client.disconnect()
        client = self.client(version, name, clean=False, properties=properties)
        self.assertTrue(client.connack.session_present or version == V31)
        self.assert_nothing_more(client)


if __name__ == "__main__":
    harness.main()
