"""PUBLISH and its acknowledgements: sections 3.3 to 3.7, 4.3, 4.5, 4.6; properties of PUBLISH
(5.0)."""

import harness
import mqtt_wire as wire
from harness import MqttTest, peer_deviates, versions, waits
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V31, V311, V5


class Delivery(MqttTest):
    """QoS both ways (4.3)."""

    @versions()
    def test_every_pair_of_qos(self, version):
        """The lower of publish and subscribe QoS; content and topic unchanged; RETAIN and DUP
        clear."""
        topic = self.topic()
        sender = self.client(version)
        for granted in (0, 1, 2):
            receiver = self.client(version)
            receiver.subscribe(f"{topic}/{granted}", qos=granted)
            for qos in (0, 1, 2):
                with self.subTest(granted=granted, qos=qos):
                    payload = b"%d-%d\0\xff" % (granted, qos)
                    sender.publish(f"{topic}/{granted}", payload, qos)
                    found = receiver.message()
                    self.assertEqual((found.topic, found.payload, found.qos, found.retain,
                                      found.dup),
                                     (f"{topic}/{granted}", payload, min(granted, qos), False,
                                      False))

    def test_every_pair_of_versions(self):
        """Clients of all versions talk to each other."""
        for one in wire.VERSIONS:
            for other in wire.VERSIONS:
                topic = self.topic(f"{one}{other}")
                sender, receiver = self.client(one), self.client(other)
                receiver.subscribe(topic, qos=2)
                for qos in (0, 1, 2):
                    sender.publish(topic, b"x", qos)
                    self.assertEqual(receiver.message().qos, qos)

    @versions(V311, V5)
    def test_dup_is_not_passed_on(self, version):
        """[MQTT-3.3.1-3]: DUP of the outgoing packet says only whether that one is sent again."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        for qos in (1, 2):
            sender.send(wire.publish(topic, b"x", qos, 5, dup=True, version=version))
            sender.recv()
            if qos == 2:
                sender.send(wire.ack(PUBREL, 5))
            self.assertFalse(receiver.message().dup)

    @versions()
    def test_own_messages_come_back(self, version):
        """A subscriber gets what it publishes itself."""
        topic = self.topic()
        client = self.client(version)
        client.subscribe(topic, qos=2)
        for qos in (0, 1, 2):
            client.publish(topic, b"%d" % qos, qos)
            self.assertEqual(client.message().payload, b"%d" % qos)

    @versions()
    def test_empty_and_large_payloads(self, version):
        """Payloads of 0, 1 and 300,000 bytes, and around each step of the remaining length."""
        topic = self.topic()
        client = self.client(version)
        client.subscribe(topic, qos=1)
        for size in (0, 1, 127 - len(topic), 128, 16383, 16384, 65535, 65536, 300_000):
            payload = bytes(number % 251 for number in range(size))
            client.publish(topic, payload, 1)
            self.assertEqual(client.message().payload, payload)

    @versions()
    def test_order(self, version):
        """[MQTT-4.6.0-5], [MQTT-4.6.0-6]: order of one publisher and topic is kept, for each
        QoS."""
        for qos in (0, 1, 2):
            topic = self.topic(f"order{qos}")
            receiver, sender = self.client(version), self.client(version)
            receiver.subscribe(topic, qos=qos)
            # Not more than 20 open exchanges, which every receive maximum in use here allows.
            for start in range(0, 200, 20):
                sender.send(b"".join(wire.publish(topic, b"%d" % number, qos, number + 1 if qos
                                                  else None,
                                                  version=version)
                                                  for number in range(start, start + 20)))
                acks = [sender.recv() for _ in range(20 if qos else 0)]
                self.assertEqual([one.id for one in acks], list(range(start + 1, start + 21))
                                 if qos else [])
                if qos == 2:
                    sender.send(*[wire.ack(PUBREL, one.id) for one in acks])
                    self.assertEqual([sender.expect(PUBCOMP).id for _ in acks],
                                     [one.id for one in acks])
                self.assertEqual([receiver.message().payload for _ in range(20)],
                                 [b"%d" % number for number in range(start, start + 20)])

    @versions()
    def test_packet_ids_of_the_two_directions_are_apart(self, version):
        """Section 2.3.1 / 2.2.1: both sides may use the same id at once."""
        topic = self.topic()
        client = self.client(version)
        client.subscribe(topic, qos=2)
        client.send(wire.publish(topic, b"a", 2, 1, version=version))
        # The broker may route before PUBREC, or at PUBREL: both are good (figure 4.3).
        found = [client.recv()]
        if found[0].type == PUBLISH:
            found.append(client.recv())
        client.send(wire.ack(PUBREL, 1))
        while len(found) < 3:
            found.append(client.recv())
        message = next(one for one in found if one.type == PUBLISH)
        self.assertEqual(sorted((one.type, one.id) for one in found),
                         sorted([(PUBREC, 1), (PUBCOMP, 1), (PUBLISH, message.id)]))
        client.send(wire.publish(topic + "/else", b"b", 2, message.id, version=version))
        client.send(wire.ack(PUBREC, message.id))
        found = sorted((client.recv(), client.recv()), key=lambda one: one.type)
        self.assertEqual([(one.type, one.id) for one in found],
                         [(PUBREC, message.id), (PUBREL, message.id)])

    @versions()
    def test_all_packet_ids_can_be_used(self, version):
        """65,535 is an id like any other; ids come free again."""
        client = self.client(version)
        for number in (65535, 1, 65535, 256, 255, 1):
            client.send(wire.publish(self.topic(), b"", 1, number, version=version))
            self.assertEqual(client.expect(PUBACK).id, number)
            client.send(wire.publish(self.topic(), b"", 2, number, version=version))
            self.assertEqual(client.expect(PUBREC).id, number)
            client.send(wire.ack(PUBREL, number))
            self.assertEqual(client.expect(PUBCOMP).id, number)

    @versions()
    def test_server_ids_are_unique_and_not_zero(self, version):
        """[MQTT-2.2.1-4]: ids in flight to a client differ; the decoder refuses 0."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        for number in range(15):
            sender.publish(topic, b"%d" % number, 1 + number % 2)
        found = [receiver.message(acknowledge=False) for _ in range(15)]
        self.assertEqual(len({one.id for one in found}), 15)
        for one in found:
            receiver.complete(one)


class Qos2(MqttTest):
    """The exchange of QoS 2 step by step (4.3.3)."""

    @peer_deviates("closes (Debian's fix for CVE-2023-28366)")
    @versions()
    def test_repeated_publish_is_delivered_once(self, version):
        """[MQTT-4.3.3-10], [MQTT-4.3.3-2]: a PUBLISH with an id in use is answered, not routed
        again."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        for dup in (False, True, True):
            sender.send(wire.publish(topic, b"once", 2, 9, dup=dup, version=version))
            found = sender.expect(PUBREC)
            self.assertEqual((found.id, found.code), (9, 0))
        for _ in range(3):
            sender.send(wire.ack(PUBREL, 9))
            found = sender.expect(PUBCOMP)
            self.assertEqual(found.id, 9)
        self.assertEqual(receiver.message().payload, b"once")
        self.assert_nothing_more(receiver, sender)

    @versions()
    def test_id_is_free_after_pubrel(self, version):
        """[MQTT-4.3.3-12]: after PUBREL the id is a new message."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        for payload in (b"first", b"second"):
            sender.send(wire.publish(topic, payload, 2, 3, version=version))
            sender.expect(PUBREC)
            sender.send(wire.ack(PUBREL, 3))
            sender.expect(PUBCOMP)
            self.assertEqual(receiver.message().payload, payload)

    def test_pubrel_for_an_unknown_id(self):
        """Section 3.6.2.1: PUBCOMP, in 5.0 with 0x92; never a close."""
        for version, code in ((V31, 0), (V311, 0), (V5, 0x92)):
            client = self.client(version)
            client.send(wire.ack(PUBREL, 77))
            found = client.expect(PUBCOMP)
            self.assertEqual(found.id, 77)
            if harness.PEER == "mangrove":
                self.assertEqual(found.code, code)
            client.ping()

    def test_pubrec_for_an_unknown_id(self):
        """Section 3.5.2.1, 4.4: PUBREL with 0x92 in 5.0; never a close."""
        for version, code in ((V31, 0), (V311, 0), (V5, 0x92)):
            client = self.client(version)
            client.send(wire.ack(PUBREC, 77))
            if harness.PEER == "mangrove":
                found = client.expect(PUBREL)
                self.assertEqual((found.id, found.code), (77, code))
            client.send(wire.packet(wire.PINGREQ, 0))
            self.assertIn(client.recv().type, (PUBREL, wire.PINGRESP))

    @versions()
    def test_stray_puback_and_pubcomp(self, version):
        """Acknowledgements for unknown ids are ignored."""
        client = self.client(version)
        client.send(wire.ack(PUBACK, 5), wire.ack(PUBCOMP, 6), wire.packet(wire.PINGREQ, 0))
        client.expect(wire.PINGRESP)

    @versions()
    def test_pubrec_twice(self, version):
        """A second PUBREC for the same id is answered by a second PUBREL."""
        topic = self.topic()
        client = self.client(version)
        client.subscribe(topic, qos=2)
        self.client(version).publish(topic, b"x", 2)
        found = client.expect(PUBLISH)
        for _ in range(2):
            client.send(wire.ack(PUBREC, found.id))
            again = client.expect(PUBREL)
            self.assertEqual((again.id, again.code), (found.id, 0))
        client.send(wire.ack(PUBCOMP, found.id))
        client.ping()

    @versions()
    def test_pubrel_in_order(self, version):
        """[MQTT-4.6.0-3], [MQTT-4.6.0-4]: PUBREC in the order of PUBLISH, PUBREL in the order of
        PUBREC."""
        topic = self.topic()
        receiver, sender = self.client(version), self.client(version)
        receiver.subscribe(topic, qos=2)
        for number in range(8):
            sender.publish(topic, b"%d" % number, 2)
        found = [receiver.expect(PUBLISH) for _ in range(8)]
        receiver.send(*[wire.ack(PUBREC, one.id) for one in found])
        self.assertEqual([receiver.expect(PUBREL).id for _ in found], [one.id for one in found])
        receiver.send(*[wire.ack(PUBCOMP, one.id) for one in found])
        receiver.ping()

    def test_negative_pubrec_ends_the_exchange(self):
        """[MQTT-4.3.3-4], 4.3.3: PUBREC of 0x80 or more: no PUBREL, id free, no more delivery of
        it."""
        topic, name = self.topic(), self.name("r")
        receiver = self.client(V5, name, clean=False,
                               properties={"session_expiry": 60, "receive_maximum": 1})
        receiver.subscribe(topic, qos=2)
        sender = self.client(V5)
        sender.publish(topic, b"refused", 2)
        sender.publish(topic, b"next", 2)
        found = receiver.expect(PUBLISH)
        receiver.send(wire.ack(PUBREC, found.id, 0x97))
        found = receiver.message()
        self.assertEqual(found.payload, b"next")
        receiver.disconnect()
        receiver = self.client(V5, name, clean=False)
        self.assertTrue(receiver.connack.session_present)
        self.assert_nothing_more(receiver)

    def test_negative_puback_ends_the_exchange(self):
        """4.4: a PUBACK of 0x80 or more: treated as acknowledged, not sent again."""
        topic, name = self.topic(), self.name("r")
        receiver = self.client(V5, name, clean=False,
                               properties={"session_expiry": 60, "receive_maximum": 1})
        receiver.subscribe(topic, qos=1)
        sender = self.client(V5)
        sender.publish(topic, b"refused", 1)
        sender.publish(topic, b"next", 1)
        receiver.send(wire.ack(PUBACK, receiver.expect(PUBLISH).id, 0x83))
        self.assertEqual(receiver.message().payload, b"next")
        receiver.disconnect()
        receiver = self.client(V5, name, clean=False)
        self.assert_nothing_more(receiver)


class Acknowledgements(MqttTest):
    """Forms and orders of acknowledgements (3.4 to 3.7, 4.6)."""

    def test_forms_of_acknowledgement(self):
        """3.4.2: reason and properties may be left out, or be there with a reason string."""
        topic = self.topic()
        receiver, sender = self.client(V5), self.client(V5)
        receiver.subscribe(topic, qos=2)
        text = [("reason_string", "why"), ("user_property", ("a", "b"))]
        for reason, properties in ((None, None), (0, None), (0, []), (0x10, None), (0, text),
                                   (0x10, text)):
            with self.subTest(reason=reason, properties=properties):
                sender.publish(topic, b"1", 1)
                receiver.send(wire.ack(PUBACK, receiver.expect(PUBLISH).id, reason, properties))
                sender.publish(topic, b"2", 2)
                number = receiver.expect(PUBLISH).id
                receiver.send(wire.ack(PUBREC, number, reason, properties))
                self.assertEqual(receiver.expect(PUBREL).id, number)
                receiver.send(wire.ack(PUBCOMP, number, 0 if reason == 0x10 else reason,
                                       properties))
                receiver.ping()

    @peer_deviates(
        "does not check the reason codes or property sets of acknowledgements so closely")
    def test_bad_acknowledgements(self):
        """Reason codes and properties that these packets may not carry; bytes too many; too few."""
        for data in (wire.ack(PUBACK, 1, 0x01), wire.ack(PUBREC, 1, 0x92),
                     wire.ack(PUBREL, 1, 0x10),
                     wire.ack(PUBCOMP, 1, 0x80), wire.ack(PUBACK, 1, 0, {"topic_alias": 1}),
                     wire.ack(PUBACK, 1, 0, [("reason_string", "a"), ("reason_string", "b")]),
                     wire.packet(PUBACK, 0, b"\0\1\0\5"), wire.packet(PUBACK, 0, b"\0\1\0\0x"),
                     wire.packet(PUBACK, 0, b"\0"), wire.packet(PUBREL, 2, b""),
                     wire.packet(PUBACK, 0, b"")):
            with self.subTest(data=data):
                client = self.client(V5)
                client.send(data)
                self.expect_refusal(client, {0x81, 0x82})

    @versions(V31, V311)
    def test_bad_acknowledgements_3(self, version):
        for data in (wire.packet(PUBACK, 0, b"\0\1\0"), wire.packet(PUBACK, 0, b"\0"),
                     wire.packet(PUBREC, 0, b""),
                     wire.packet(PUBREL, 2, b"\0\1\0"), wire.packet(PUBCOMP, 0, b"\0\1\0\0")):
            with self.subTest(data=data):
                client = self.client(version)
                client.send(data)
                if harness.PEER == "mangrove":
                    client.expect_closed()

    @versions(V311, V5)
    def test_acknowledgement_with_id_zero(self, version):
        """[MQTT-2.3.1-1]/[MQTT-2.2.1-3]."""
        for kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            with self.subTest(kind=wire.NAMES[kind]):
                client = self.client(version)
                client.send(wire.ack(kind, 0))
                if harness.PEER == "mangrove":
                    self.expect_refusal(client, {0x81, 0x82})

    @peer_deviates("looks at the flags of PUBREL alone")
    @versions(V311, V5)
    def test_fixed_header_flags(self, version):
        """[MQTT-3.6.1-1], [MQTT-2.1.3-1]: reserved flags."""
        for data in (wire.ack(PUBREL, 1, flags=0), wire.ack(PUBREL, 1, flags=3),
                     wire.ack(PUBACK, 1, flags=2),
                     wire.ack(PUBREC, 1, flags=8), wire.ack(PUBCOMP, 1, flags=1)):
            with self.subTest(data=data):
                client = self.client(version)
                client.send(data)
                self.expect_refusal(client, {0x81})

    @versions()
    def test_pubacks_in_order(self, version):
        """[MQTT-4.6.0-2]: PUBACKs leave in the order in which the PUBLISH packets came."""
        client = self.client(version)
        ids = [5, 4, 9, 1, 300, 2]
        client.send(*[wire.publish(self.topic(), b"", 1, number, version=version)
                      for number in ids])
        self.assertEqual([client.expect(PUBACK).id for _ in ids], ids)

    def test_no_matching_subscribers(self):
        """0x10 in PUBACK and PUBREC only when nobody subscribed; then success."""
        topic = self.topic()
        client = self.client(V5)
        self.assertIn(client.publish(topic, b"", 1, code=None).code, (0, 0x10))
        if harness.PEER == "mangrove":
            self.assertEqual(client.publish(topic, b"", 2, code=None).code, 0x10)
            self.assertEqual(client.publish(topic, b"", 1, code=None).code, 0x10)
        self.client(V5).subscribe(topic)
        self.assertEqual(client.publish(topic, b"", 1, code=None).code, 0)
        self.assertEqual(client.publish(topic, b"", 2, code=None).code, 0)


class BadPublish(MqttTest):
    """PUBLISH packets that end the connection, and reach nobody."""

    def refused(self, version, data, codes):
        watcher_topic = self.topic() + "/#"
        watcher = self.client(V311)
        watcher.subscribe(watcher_topic)
        client = self.client(version)
        client.send(data)
        self.expect_refusal(client, codes)
        self.assert_nothing_more(watcher, window=0.02)

    @versions()
    def test_qos_3(self, version):
        """[MQTT-3.3.1-4]."""
        for flags in (6, 7, 14):
            self.refused(version,
                         wire.publish(self.topic(), b"", 3, 1, version=version, flags=flags), 0x81)

    @versions()
    def test_packet_id_zero(self, version):
        """[MQTT-2.3.1-1]/[MQTT-2.2.1-3]."""
        for qos in (1, 2):
            self.refused(version, wire.publish(self.topic(), b"", qos, 0, version=version),
                         {0x81, 0x82})

    @versions(V311, V5)
    @peer_deviates("lets DUP with QoS 0 pass")
    def test_dup_with_qos_0(self, version):
        """[MQTT-3.3.1-2]."""
        self.refused(version, wire.publish(self.topic(), b"", 0, dup=True, version=version),
                     {0x81, 0x82})

    @versions()
    def test_wildcards(self, version):
        """[MQTT-3.3.2-2]."""
        for tail in ("+", "#", "a/+/b", "a/#", "a+", "a#b"):
            with self.subTest(tail=tail):
                self.refused(version, wire.publish(self.topic(tail), b"x", 1, 1, version=version),
                             {0x81, 0x82, 0x90})

    @versions()
    def test_topic_not_utf8(self, version):
        """[MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-3.3.2-1]."""
        start = self.topic("").encode() + b"/"
        for raw in (b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
                    b"\xf4\x90\x80\x80",
                    b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\x80", b"\0", b"a\0b"):
            with self.subTest(raw=raw):
                self.refused(version, wire.publish(start + raw, b"", 0, version=version),
                             {0x81, 0x82, 0x90})

    @versions()
    def test_good_utf8(self, version):
        """[MQTT-1.5.4-3]: a BOM is kept; characters beyond the BMP and U+FFFF neighbours pass."""
        client = self.client(version)
        for text in ("\ufeffbom", "bom\ufeff", "\U0001f600", "\u6f22", "\ud7ff", "\ue000",
                     "\U0010fffd", "sp ace"):
            topic = self.topic(text)
            client.subscribe(topic)
            client.publish(topic, b"x")
            self.assertEqual(client.message().topic, topic)

    @versions(V31, V311)
    def test_empty_topic(self, version):
        """[MQTT-4.7.3-1]."""
        self.refused(version, wire.publish("", b"x", version=version), 0x81)

    def test_empty_topic_without_alias(self):
        """5.0, 3.3.2.1: an empty topic without an alias is a protocol error."""
        self.refused(V5, wire.publish("", b"x", version=V5), {0x82, 0x90})

    @versions()
    def test_cut(self, version):
        """Packets shorter than their topic, id or properties say."""
        for body in (b"", b"\0", b"\0\5abc", b"\0\1a", b"\0\1a\0", b"\0\1a\0\1"):
            if version != V5 and body == b"\0\1a\0\1":
                continue  # a whole packet with an empty payload
            with self.subTest(body=body):
                client = self.client(version)
                client.send(wire.packet(PUBLISH, 2, body))
                self.expect_refusal(client, {0x81, 0x82})

    @peer_deviates("takes a subscription identifier")
    def test_bad_properties(self):
        """Properties twice, of other packets, with values that are not allowed, or past their
        length."""
        for properties, codes in (
                ([("payload_format", 0), ("payload_format", 0)], {0x81, 0x82}),
                ([("message_expiry", 1), ("message_expiry", 1)], {0x81, 0x82}),
                ([("content_type", "a"), ("content_type", "a")], {0x81, 0x82}),
                ([("response_topic", "a"), ("response_topic", "a")], {0x81, 0x82}),
                ([("correlation_data", b""), ("correlation_data", b"")], {0x81, 0x82}),
                ([("topic_alias", 1), ("topic_alias", 1)], {0x81, 0x82}),
                ([("payload_format", 2)], {0x81, 0x82, 0x99}),
                # [MQTT-3.3.4-6]: server to client only
                ([("subscription_identifier", 1)], {0x81, 0x82}),
                ([("session_expiry", 1)], {0x81, 0x82}), ([("receive_maximum", 1)], {0x81, 0x82}),
                ([("will_delay", 1)], {0x81, 0x82}), ([("reason_string", "x")], {0x81, 0x82}),
                ([("content_type", b"\xff")], {0x81, 0x82}),
                ([("response_topic", b"a\0")], {0x81, 0x82}),
                ([("user_property", (b"\xff", "x"))], {0x81, 0x82}),
                ([("raw", b"\x01")], {0x81}), ([("raw", b"\x02\0\0")], {0x81}),
                ([("raw", b"\x26\0\1a")], {0x81}),
                ([("raw", b"\x09\0\5abc")], {0x81}), ([("raw", b"\x00")], {0x81, 0x82})):
            with self.subTest(properties=properties):
                self.refused(V5, wire.publish(self.topic(), b"x", 1, 1, version=V5,
                                              properties=properties), codes)

    @peer_deviates("does not look at it")
    def test_response_topic_with_wildcard(self):
        """[MQTT-3.3.2-14]."""
        for topic in ("a/+", "#"):
            self.refused(V5, wire.publish(self.topic(), b"x", version=V5,
                                          properties={"response_topic": topic}),
                         {0x81, 0x82, 0x90})

    @peer_deviates("does not look at it")
    def test_topic_alias_zero(self):
        """[MQTT-3.3.2-8], 3.3.2.3.4: alias 0 is 0x94."""
        self.refused(V5, wire.publish(self.topic(), b"x", version=V5,
                                      properties={"topic_alias": 0}), {0x94, 0x82})


class PublishProperties(MqttTest):
    """What travels with a message (5.0: 3.3.2.3)."""

    def test_all_arrive_unchanged(self):
        """[MQTT-3.3.2-4], -15, -16, -17, -18, -20: forwarded unaltered, user properties in
        order."""
        topic = self.topic()
        receiver, sender = self.client(V5), self.client(V5)
        receiver.subscribe(topic, qos=2)
        sent = [("payload_format", 1), ("content_type", "text/\u6f22"),
                ("response_topic", "answer/here"),
                ("correlation_data", bytes(range(256))), ("user_property", ("b", "2")),
                ("user_property", ("a", "1")), ("user_property", ("b", "2")),
                ("user_property", ("", "")),
                ("user_property", ("b", "1"))]
        for qos in (0, 1, 2):
            sender.publish(topic, "gr\u00fc\u00df".encode(), qos, properties=sent)
            found = receiver.message().properties
            self.assertEqual(sorted(found), sorted(sent))
            self.assertEqual(found.all("user_property"),
                             [value for name, value in sent if name == "user_property"])

    def test_none_are_invented(self):
        topic = self.topic()
        receiver, sender = self.client(V5), self.client(V311)
        receiver.subscribe(topic, qos=1)
        sender.publish(topic, b"x", 1)
        self.assertEqual(receiver.message().properties, [])
        self.client(V5).publish(topic, b"x", 1, properties={"payload_format": 0})
        self.assertIn(receiver.message().properties, ([("payload_format", 0)], []))

    def test_properties_reach_no_old_client(self):
        topic = self.topic()
        receiver = self.client(V311)
        receiver.subscribe(topic, qos=1)
        self.client(V5).publish(topic, b"x", 1,
                                properties=[("content_type", "t"), ("user_property", ("a", "b"))])
        self.assertEqual(receiver.message().payload, b"x")

    def test_retained_keeps_properties(self):
        topic = self.topic()
        sent = [("content_type", "t"), ("correlation_data", b"c"), ("user_property", ("a", "2")),
                ("user_property", ("c", "3"))]
        self.client(V5).publish(topic, b"x", 1, retain=True, properties=sent)
        receiver = self.client(V5)
        receiver.subscribe(topic, qos=2)
        self.assertEqual(sorted(receiver.message().properties), sorted(sent))

    def test_payload_that_is_not_utf8_as_said(self):
        """Section 3.3.2.3.2: the server MAY check (0x99); if it doesn't, it forwards. The link
        survives."""
        client = self.client(V5)
        found = client.publish(self.topic(), b"\xff", 1, code=None,
                               properties={"payload_format": 1})
        self.assertIn(found.code, (0, 0x10, 0x99))
        client.ping()

    @waits(3)
    def test_message_expiry(self):
        """[MQTT-3.3.2-5], [MQTT-3.3.2-6]: dropped when over; the remaining time is told."""
        topic, name = self.topic(), self.name("r")
        receiver = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        receiver.subscribe(topic, qos=2)
        receiver.disconnect()
        sender = self.client(V5)
        sender.publish(topic, b"short 1", 1, properties={"message_expiry": 1})
        sender.publish(topic, b"short 2", 2, properties={"message_expiry": 1})
        sender.publish(topic, b"long", 1, properties={"message_expiry": 60})
        sender.publish(topic, b"for ever", 1)
        harness.time.sleep(2.2)  # the interval is the behaviour under test
        receiver = self.client(V5, name, clean=False)
        found = receiver.messages(2)
        self.assertEqual([one.payload for one in found], [b"long", b"for ever"])
        self.assertLessEqual(found[0].properties.get("message_expiry"), 58)
        self.assertGreaterEqual(found[0].properties.get("message_expiry"), 50)
        self.assertFalse(found[1].properties.has("message_expiry"))
        self.assert_nothing_more(receiver)

    def test_message_expiry_live(self):
        """A message delivered at once carries (nearly) the whole interval."""
        topic = self.topic()
        receiver = self.client(V5)
        receiver.subscribe(topic)
        self.client(V5).publish(topic, b"x", properties={"message_expiry": 100})
        self.assertIn(receiver.message().properties.get("message_expiry"), (99, 100))

    @waits(3)
    def test_message_expiry_of_retained(self):
        topic = self.topic()
        sender = self.client(V5)
        sender.publish(topic + "/short", b"x", 1, retain=True, properties={"message_expiry": 1})
        sender.publish(topic + "/long", b"y", 1, retain=True, properties={"message_expiry": 100})
        harness.time.sleep(2.2)  # the interval is the behaviour under test
        receiver = self.client(V5)
        receiver.subscribe(topic + "/+", qos=1)
        found = receiver.message()
        self.assertEqual(found.payload, b"y")
        self.assertIn(found.properties.get("message_expiry"), range(90, 99))
        self.assert_nothing_more(receiver)

    @peer_deviates("takes 0 for none")
    def test_message_expiry_zero(self):
        """An interval of 0 is allowed: delivered at once or not at all, never kept."""
        topic, name = self.topic(), self.name("r")
        receiver = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        receiver.subscribe(topic, qos=1)
        receiver.disconnect()
        sender = self.client(V5)
        sender.publish(topic, b"x", 1, properties={"message_expiry": 0})
        harness.time.sleep(1.1)
        receiver = self.client(V5, name, clean=False)
        self.assert_nothing_more(receiver, sender)

    def test_request_and_response(self):
        """Section 4.10: the flow of a request and its response."""
        topic, answer = self.topic("request"), self.topic("answer")
        service, asker = self.client(V5), self.client(V5)
        service.subscribe(topic, qos=1)
        asker.subscribe(answer, qos=1)
        asker.publish(topic, b"question", 1,
                      properties=[("response_topic", answer), ("correlation_data", b"\0\7")])
        found = service.message()
        service.publish(found.properties.get("response_topic"), b"answer", 1,
                        properties={"correlation_data": found.properties.get("correlation_data")})
        found = asker.message()
        self.assertEqual((found.payload, found.properties.get("correlation_data")),
                         (b"answer", b"\0\7"))


if __name__ == "__main__":
    harness.main()
