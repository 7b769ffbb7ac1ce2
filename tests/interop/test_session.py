"""Session state: clean start, session present, expiry, takeover, retransmission (3.1.2.4, 4.1, 4.4,
3.14)."""

import time

import harness
import mqtt_wire as wire
from harness import MqttTest, peer_deviates, versions, waits
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V31, V311, V5


class SessionTest(MqttTest):
    """Helpers for clients whose session outlives them."""

    def lasting(self, version, name, clean=False, expiry=60, **more):
        """A client with a persistent session, in each version's way."""
        if version == V5:
            properties = dict(more.pop("properties", None) or {})
            properties.setdefault("session_expiry", expiry)
            more["properties"] = properties
        return self.client(version, name, clean=clean, **more)

    def expect_present(self, client, present):
        # 3.1 has no such flag (the byte is reserved).
        if client.version != V31:
            self.assertEqual(client.connack.session_present, present)


class Start(SessionTest):

    @versions()
    def test_session_present(self, version):
        """[MQTT-3.1.2-4] to -6, [MQTT-3.2.2-1] to -3."""
        name, topic = self.name(), self.topic()
        client = self.lasting(version, name)
        self.expect_present(client, False)
        client.subscribe(topic, qos=1)
        client.disconnect()
        client = self.lasting(version, name)
        self.expect_present(client, True)
        client.publish(topic, b"still subscribed", 1)
        self.assertEqual(client.message().payload, b"still subscribed")
        client.disconnect()
        client = self.lasting(version, name, clean=True)
        self.expect_present(client, False)
        self.assert_nothing_more(client)
        client.disconnect()

    @versions(V31, V311)
    def test_clean_session_ends_with_the_connection(self, version):
        """[MQTT-3.1.2-6]: nothing of a clean session is used again."""
        name, topic = self.name(), self.topic()
        client = self.client(version, name)
        client.subscribe(topic, qos=2)
        client.disconnect()
        self.client(version).publish(topic, b"x", 1)
        client = self.client(version, name, clean=False)
        self.expect_present(client, False)
        self.assert_nothing_more(client)

    @versions(V31, V311)
    def test_clean_session_discards_the_old_one(self, version):
        name, topic = self.name(), self.topic()
        client = self.client(version, name, clean=False)
        client.subscribe(topic, qos=1)
        client.disconnect()
        self.client(version).publish(topic, b"x", 1)
        client = self.client(version, name, clean=True)
        self.assert_nothing_more(client)
        client.disconnect()
        client = self.client(version, name, clean=False)
        self.expect_present(client, False)
        self.assert_nothing_more(client)

    @versions()
    def test_queue_while_offline(self, version):
        """4.1, [MQTT-3.1.2-5]: QoS 1 and 2 are kept in order; QoS 0 may be."""
        name, topic = self.name(), self.topic()
        client = self.lasting(version, name)
        client.subscribe(topic + "/+", qos=2)
        client.disconnect()
        sender = self.client(version)
        for number in range(30):
            sender.publish(f"{topic}/{number}", b"%d" % number, number % 3)
        client = self.lasting(version, name)
        found = []
        while len([one for one in found if one.qos]) < 20:
            found.append(client.message())
        self.assertEqual([one.payload for one in found if one.qos],
                         [b"%d" % number for number in range(30) if number % 3])
        self.assertEqual([one.qos for one in found if one.qos],
                         [number % 3 for number in range(30) if number % 3])
        self.assertFalse(any(one.dup for one in found))

    @versions()
    def test_subscriptions_of_all_kinds_survive(self, version):
        name, topic = self.name(), self.topic()
        client = self.lasting(version, name)
        client.subscribe((topic + "/a", 0), (topic + "/+/b", 1), (topic + "/c/#", 2))
        client.disconnect()
        client = self.lasting(version, name)
        for tail, qos in (("a", 0), ("x/b", 1), ("c/y/z", 2)):
            client.publish(f"{topic}/{tail}", b"x", 2)
            self.assertEqual(client.message().qos, qos)

    def test_version_change(self):
        """A session is addressed by its client id: a client may come back with another version."""
        name, topic = self.name(), self.topic()
        client = self.client(V311, name, clean=False)
        client.subscribe(topic, qos=1)
        client.disconnect()
        self.client(V5).publish(topic, b"x", 1, properties={"content_type": "t"})
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        self.assertTrue(client.connack.session_present)
        self.assertEqual(client.message().payload, b"x")
        client.disconnect()
        client = self.client(V311, name, clean=False)
        self.assertTrue(client.connack.session_present)


class Expiry(SessionTest):
    """Session expiry interval (5.0: 3.1.2.11.2)."""

    def test_zero_or_absent_ends_with_the_connection(self):
        """[MQTT-3.1.2-23]."""
        for properties in (None, {"session_expiry": 0}):
            name, topic = self.name(str(properties)), self.topic()
            client = self.client(V5, name, clean=False, properties=properties)
            client.subscribe(topic, qos=1)
            client.disconnect()
            client = self.client(V5, name, clean=False)
            self.assertFalse(client.connack.session_present)

    @waits(4)
    def test_over(self):
        name = self.name()
        client = self.client(V5, name, properties={"session_expiry": 1})
        client.subscribe(self.topic(), qos=1)
        client.disconnect()
        time.sleep(2.5)  # the interval is the behaviour under test
        client = self.client(V5, name, clean=False, properties={"session_expiry": 3})
        self.assertFalse(client.connack.session_present)

    @waits(4)
    def test_counts_from_the_disconnect(self):
        """The interval starts when the connection closes, also when the network broke."""
        name = self.name()
        client = self.client(V5, name, properties={"session_expiry": 2})
        client.subscribe(self.topic())
        self.assertFalse(client.is_closed(2.5))
        client.abort()
        time.sleep(0.5)
        client = self.client(V5, name, clean=False, properties={"session_expiry": 1})
        self.assertTrue(client.connack.session_present)
        client.close()
        harness.wait_until(lambda: not self.probe(name), "the session is gone", 6)

    def probe(self, name):
        """Whether the session is there; leaves its expiry interval at one second."""
        client = self.client(V5, name, clean=False, properties={"session_expiry": 1})
        present = client.connack.session_present
        client.disconnect()
        if present:
            time.sleep(2.2)
        return present

    def test_changed_by_disconnect(self):
        """3.14.2.2.2: DISCONNECT may change the interval, both ways."""
        name = self.name()
        client = self.client(V5, name, properties={"session_expiry": 1})
        client.disconnect(properties={"session_expiry": 60})
        time.sleep(2.2)  # longer than the first interval
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        self.assertTrue(client.connack.session_present)
        client.disconnect(properties={"session_expiry": 0})
        client = self.client(V5, name, clean=False)
        self.assertFalse(client.connack.session_present)

    def test_not_from_zero(self):
        """3.14.2.2.2: an interval of 0 in CONNECT can't be made another in DISCONNECT: protocol
        error."""
        for properties in (None, {"session_expiry": 0}):
            client = self.client(V5, properties=properties)
            client.send(wire.disconnect(V5, 0, {"session_expiry": 10}))
            found = client.expect_closed()
            if harness.PEER == "mangrove":
                self.assertEqual([one.code for one in found], [0x82])

    def test_for_ever(self):
        """0xFFFFFFFF doesn't expire; the server may shorten it and says so in CONNACK."""
        name = self.name()
        client = self.client(V5, name, properties={"session_expiry": 0xFFFFFFFF})
        client.disconnect()
        client = self.client(V5, name, clean=False)
        self.assertTrue(client.connack.session_present)

    @harness.ours_only("keys")
    def test_server_limit_is_told(self):
        """[MQTT-3.2.2.3.2]: a server that uses another value says so."""
        where = self.broker(**{"mqtt.session.max_expiry_interval": "30s"}).address
        client = self.client(V5, where=where, properties={"session_expiry": 3600})
        self.assertEqual(client.connack.properties.get("session_expiry"), 30)
        client = self.client(V5, where=where, properties={"session_expiry": 20})
        self.assertIn(client.connack.properties.get("session_expiry"), (None, 20))

    @waits(4)
    @harness.ours_only("keys")
    def test_key_for_old_clients(self):
        """mqtt.session.expiry_interval ends sessions of 3.x clients."""
        where = self.broker(**{"mqtt.session.expiry_interval": "1s"}).address
        name = self.name()
        self.client(V311, name, where, clean=False).disconnect()
        time.sleep(2.5)
        self.assertFalse(self.client(V311, name, where, clean=False).connack.session_present)


class Takeover(SessionTest):
    """Two connections with one client id (3.1.4)."""

    def test_old_connection_is_told_and_closed(self):
        """[MQTT-3.1.4-2]/[MQTT-3.1.4-3]: 0x8E for a 5.0 client, a plain close for an old one; all
        pairs."""
        for old in wire.VERSIONS:
            for new in wire.VERSIONS:
                with self.subTest(old=old, new=new):
                    name = self.name(f"{old}{new}")
                    first = self.client(old, name)
                    second = self.client(new, name)
                    self.expect_refusal(first, 0x8E)
                    second.ping()

    @versions()
    def test_session_goes_over(self, version):
        name, topic = self.name(), self.topic()
        first = self.lasting(version, name)
        first.subscribe(topic, qos=1)
        second = self.lasting(version, name)
        self.expect_present(second, True)
        first.expect_closed()
        self.client(version).publish(topic, b"x", 1)
        self.assertEqual(second.message().payload, b"x")

    @versions()
    def test_clean_takeover_ends_the_session(self, version):
        name, topic = self.name(), self.topic()
        first = self.lasting(version, name)
        first.subscribe(topic, qos=1)
        second = self.lasting(version, name, clean=True)
        self.expect_present(second, False)
        self.client(version).publish(topic, b"x", 1)
        self.assert_nothing_more(second)

    @versions()
    def test_unacknowledged_messages_go_over(self, version):
        """[MQTT-4.4.0-1]: the new connection gets them, with DUP and the same ids, in order."""
        name, topic = self.name(), self.topic()
        first = self.lasting(version, name)
        first.subscribe(topic, qos=1)
        sender = self.client(version)
        for number in range(5):
            sender.publish(topic, b"%d" % number, 1)
        before = [first.expect(PUBLISH) for _ in range(5)]
        second = self.lasting(version, name)
        after = [second.expect(PUBLISH) for _ in range(5)]
        self.assertEqual([(one.payload, one.id, one.dup) for one in after],
                         [(one.payload, one.id, True) for one in before])

    @versions()
    def test_many_at_once(self, version):
        """Forty connections with one id, one after the other: one lives."""
        name = self.name()
        clients = [self.lasting(version, name) for _ in range(40)]
        for one in clients[:-1]:
            one.expect_closed()
        clients[-1].ping()


class Retransmission(SessionTest):
    """[MQTT-4.4.0-1] and 4.3: what was open is sent again when a session is resumed, and only
    then."""

    def reconnect(self, client, hard):
        if hard:
            client.abort()
        else:
            client.disconnect()
        return self.lasting(client.version, client.client_id)

    @versions()
    def test_publish(self, version):
        """QoS 1 and 2 without an acknowledgement: same ids, same order, DUP set."""
        for hard in (False, True):
            name, topic = self.name(str(hard)), self.topic(str(hard))
            client = self.lasting(version, name)
            client.subscribe(topic, qos=2)
            sender = self.client(version)
            for number in range(8):
                sender.publish(topic, b"%d" % number, 1 + number % 2)
            before = [client.expect(PUBLISH) for _ in range(8)]
            client.send(wire.ack(PUBACK, before[0].id))
            client.complete(before[3])
            client.ping()
            client = self.reconnect(client, hard)
            open_ones = [one for one in before if one.id not in (before[0].id, before[3].id)]
            after = [client.expect(PUBLISH) for _ in open_ones]
            self.assertEqual([(one.payload, one.qos, one.id, one.dup) for one in after],
                             [(one.payload, one.qos, one.id, True) for one in open_ones])
            for one in after:
                client.complete(one)
            client = self.reconnect(client, hard)
            self.assert_nothing_more(client)

    @versions()
    def test_pubrel(self, version):
        """After PUBREC it is the PUBREL that comes again, never the PUBLISH."""
        name, topic = self.name(), self.topic()
        client = self.lasting(version, name)
        client.subscribe(topic, qos=2)
        sender = self.client(version)
        sender.publish(topic, b"1", 2)
        sender.publish(topic, b"2", 2)
        one, two = client.expect(PUBLISH), client.expect(PUBLISH)
        client.send(wire.ack(PUBREC, one.id))
        self.assertEqual(client.expect(PUBREL).id, one.id)
        client = self.reconnect(client, True)
        found = [client.recv(), client.recv()]
        self.assertEqual([(entry.type, entry.id) for entry in found],
                         [(PUBREL, one.id), (PUBLISH, two.id)])
        self.assertTrue(found[1].dup)
        client.send(wire.ack(PUBCOMP, one.id))
        client.complete(found[1])
        client = self.reconnect(client, True)
        self.assert_nothing_more(client)

    @versions()
    def test_incoming_qos_2_state(self, version):
        """4.1: ids of received QoS 2 messages are part of the session: a repeat is no new
        message."""
        name, topic = self.name(), self.topic()
        receiver = self.client(version)
        receiver.subscribe(topic, qos=2)
        client = self.lasting(version, name)
        client.send(wire.publish(topic, b"once", 2, 11, version=version))
        client.expect(PUBREC)
        for _ in range(2):
            client = self.reconnect(client, True)
            client.send(wire.publish(topic, b"once", 2, 11, dup=True, version=version))
            self.assertEqual(client.expect(PUBREC).code, 0)
        client.send(wire.ack(PUBREL, 11))
        self.assertEqual(client.expect(PUBCOMP).id, 11)
        self.assertEqual(receiver.message().payload, b"once")
        self.assert_nothing_more(receiver, client)

    @versions()
    def test_incoming_state_ends_with_a_clean_start(self, version):
        """A new session knows no old ids."""
        name, topic = self.name(), self.topic()
        receiver = self.client(version)
        receiver.subscribe(topic, qos=2)
        client = self.lasting(version, name)
        client.send(wire.publish(topic, b"first", 2, 11, version=version))
        client.expect(PUBREC)
        client.abort()
        client = self.lasting(version, name, clean=True)
        client.send(wire.publish(topic, b"second", 2, 11, version=version))
        client.expect(PUBREC)
        client.send(wire.ack(PUBREL, 11))
        client.expect(PUBCOMP)
        found = receiver.message()
        if found.payload == b"first":  # routed at PUBREC
            found = receiver.message()
        self.assertEqual(found.payload, b"second")

    def test_no_retransmission_while_connected(self):
        """[MQTT-4.4.0-1] of 5.0: not at any other time. Our broker keeps to it for 3.1.1 too."""
        for version in (V311, V5):
            topic = self.topic(str(version))
            client = self.client(version)
            client.subscribe(topic, qos=1)
            self.client(version).publish(topic, b"x", 1)
            found = client.expect(PUBLISH)
            self.assertFalse(found.dup)
            with self.assertRaises(wire.Timeout):
                client.recv(1.5)

    @versions()
    def test_new_messages_come_after_the_old(self, version):
        """[MQTT-4.6.0-1]: order across the break: resent first, then queued, then new."""
        name, topic = self.name(), self.topic()
        client = self.lasting(version, name)
        client.subscribe(topic, qos=1)
        sender = self.client(version)
        for number in range(3):
            sender.publish(topic, b"%d" % number, 1)
        for _ in range(3):
            client.expect(PUBLISH)
        client.abort()
        for number in range(3, 6):
            sender.publish(topic, b"%d" % number, 1)
        client = self.lasting(version, name)
        sender.publish(topic, b"6", 1)
        found = client.messages(7)
        self.assertEqual([one.payload for one in found], [b"%d" % number for number in range(7)])
        self.assertEqual([one.dup for one in found][:3], [True] * 3)

    def test_receive_maximum_limits_what_comes_again(self):
        """4.9: a smaller receive maximum of the new connection holds for resent messages too."""
        name, topic = self.name(), self.topic()
        client = self.lasting(V5, name)
        client.subscribe(topic, qos=1)
        sender = self.client(V5)
        for number in range(6):
            sender.publish(topic, b"%d" % number, 1)
        for _ in range(6):
            client.expect(PUBLISH)
        client.abort()
        client = self.lasting(V5, name, properties={"receive_maximum": 2})
        found = [client.expect(PUBLISH), client.expect(PUBLISH)]
        if harness.PEER == "mangrove":
            with self.assertRaises(wire.Timeout):
                client.recv(0.3)
        for one in found:
            client.complete(one)
        self.assertEqual([one.payload for one in found + client.messages(4)],
                         [b"%d" % n for n in range(6)])


class Disconnect(SessionTest):
    """DISCONNECT and AUTH from the client (3.14, 3.15)."""

    @versions()
    def test_nothing_after_it_is_handled(self, version):
        """[MQTT-3.14.4-1], -2: after DISCONNECT the connection is over."""
        topic = self.topic()
        receiver = self.client(version)
        receiver.subscribe(topic)
        client = self.client(version)
        client.send(wire.disconnect(version), wire.publish(topic, b"late", version=version))
        self.assertEqual(client.expect_closed(), [])
        self.assert_nothing_more(receiver)

    @versions()
    def test_server_closes(self, version):
        """[MQTT-3.14.4-3]: the server closes if the client has not."""
        client = self.client(version)
        client.send(wire.disconnect(version))
        self.assertEqual(client.expect_closed(), [])

    @peer_deviates("ignores the flags of PINGREQ")
    @versions(V311, V5)
    def test_fixed_header_flags(self, version):
        """[MQTT-3.14.1-1]; likewise PINGREQ."""
        for kind in (wire.DISCONNECT, wire.PINGREQ):
            for flags in (1, 2, 8):
                with self.subTest(kind=kind, flags=flags):
                    client = self.client(version)
                    client.send(wire.packet(kind, flags))
                    self.expect_refusal(client, 0x81)

    @peer_deviates("ignores the body of PINGREQ")
    @versions(V311)
    def test_with_a_body(self, version):
        for kind in (wire.DISCONNECT, wire.PINGREQ):
            client = self.client(version)
            client.send(wire.packet(kind, 0, b"\0"))
            client.expect_closed()

    @peer_deviates("does not look closely")
    def test_bad_disconnect(self):
        """Reason codes that a client may not use; properties of other packets or twice."""
        for data in (wire.disconnect(V5, 0x8E), wire.disconnect(V5, 0x01),
                     wire.disconnect(V5, 0x8B),
                     wire.disconnect(V5, 0, {"topic_alias": 1}),
                     wire.disconnect(V5, 0, {"response_topic": "x"}),
                     wire.disconnect(V5, 0, [("reason_string", "a"), ("reason_string", "b")]),
                     wire.packet(wire.DISCONNECT, 0, b"\0\0x"),
                     wire.packet(wire.DISCONNECT, 0, b"\0\x05")):
            with self.subTest(data=data):
                client = self.client(V5)
                client.send(data)
                self.expect_refusal(client, {0x81, 0x82})

    def test_reason_codes_of_clients(self):
        """All codes that a client may send."""
        for code in (0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
                     0x99):
            with self.subTest(code=code):
                client = self.client(V5)
                client.send(wire.disconnect(V5, code, {"reason_string": "because"}))
                self.assertEqual(client.expect_closed(), [])

    def test_auth_without_method(self):
        """4.12: AUTH from a client whose CONNECT had no method is a protocol error."""
        for data in (wire.auth(0x18), wire.auth(0x19, {"authentication_method": "x"}),
                     wire.packet(wire.AUTH, 0)):
            client = self.client(V5)
            client.send(data)
            self.expect_refusal(client, {0x82, 0x8C, 0x81})

    @versions(V31, V311)
    def test_packet_types_of_other_versions(self, version):
        """Types 0 and 15 do not exist in 3.x."""
        for kind in (0, 15):
            for body in (b"", b"\0"):
                client = self.client(version)
                client.send(wire.packet(kind, 0, body))
                self.assertEqual(client.expect_closed(), [])

    @peer_deviates("ignores SUBACK and UNSUBACK")
    @versions()
    def test_packets_that_only_a_server_sends(self, version):
        for data in (wire.packet(wire.CONNACK, 0, b"\0\0"), wire.packet(wire.SUBACK, 0, b"\0\1\0"),
                     wire.packet(wire.UNSUBACK, 0, b"\0\1"), wire.packet(wire.PINGRESP, 0)):
            with self.subTest(data=data):
                client = self.client(version)
                client.send(data)
                if harness.PEER == "mangrove" or data[0] >> 4 != wire.PINGRESP:
                    self.expect_refusal(client, {0x81, 0x82})


class Ping(SessionTest):

    @versions()
    def test_answered_in_order(self, version):
        """[MQTT-3.12.4-1]."""
        client = self.client(version)
        client.send(wire.packet(wire.PINGREQ, 0) * 100)
        for _ in range(100):
            client.expect(wire.PINGRESP)


if __name__ == "__main__":
    harness.main()
