"""CONNECT and CONNACK: sections 3.1 and 3.2 of 3.1.1 and 5.0, and MQTT 3.1 (MQIsdp)."""

import struct

import harness
import mqtt_wire as wire
from harness import MqttTest, peer_deviates, versions, waits
from mqtt_wire import V31, V311, V5, Will


class Protocol(MqttTest):
    """Protocol name and level."""

    @versions()
    def test_accepts(self, version):
        client = self.client(version)
        self.assertFalse(client.connack.session_present)
        client.ping()

    def test_unknown_level_is_answered_with_code_1(self):
        """[MQTT-3.1.2-2] of 3.1.1: return code 0x01, then close. Any version of client can read
        that form."""
        for level in (0, 1, 2, 3, 6, 9, 127):
            with self.subTest(level=level):
                client = self.open(V311)
                client.send(wire.connect(self.name(), level=level))
                if level in (0, 3) and harness.PEER != "mangrove":
                    continue
                self.assertEqual(client.expect(wire.CONNACK).code, 1)
                self.assertEqual(client.expect_closed(), [])

    def test_level_4_or_5_with_the_old_name(self):
        """MQIsdp belongs to level 3 alone."""
        for level in (4, 5):
            with self.subTest(level=level):
                client = self.open(V311)
                client.send(wire.connect(self.name(), name="MQIsdp", level=level))
                before = client.expect_closed()
                self.assertIn([one.code for one in before], ([], [1]))

    def test_wrong_name_is_refused(self):
        """[MQTT-3.1.2-1]: closed; a CONNACK with 0x84 (or 1) may be sent before."""
        for name in ("hj", "", "mqtt", "MQTTT", "MQTT\0", "HTTP", "MQTS"):
            with self.subTest(name=name):
                client = self.open(V311)
                client.send(wire.connect(self.name(), name=name))
                try:
                    before = client.expect_closed()
                except wire.WireError:
                    continue  # a 5.0 CONNACK with 0x84, seen as 3.1.1
                self.assertIn([one.code for one in before], ([], [1]))

    @versions()
    def test_reserved_connect_flag(self, version):
        """[MQTT-3.1.2-3]: bit 0 of the connect flags set: malformed, connection closed."""
        client = self.open(version)
        client.send(wire.connect(self.name(), version=version, flags=0x03))
        if version == V31:
            # 3.1 calls the bit reserved and says no more: to close or to go on are both sound.
            client.recv()
            return
        self.expect_refusal(client, {0x81, 0x82})

    @versions()
    def test_second_connect(self, version):
        """[MQTT-3.1.0-2]: a second CONNECT is a protocol error."""
        client = self.client(version)
        client.send(wire.connect(self.name(), version=version))
        self.expect_refusal(client, 0x82)

    @versions()
    def test_first_packet_is_not_connect(self, version):
        """[MQTT-3.1.0-1]: the first packet must be a CONNECT; nothing is routed before."""
        topic = self.topic()
        watcher = self.client(V311)
        watcher.subscribe(topic)
        for data in (wire.publish(topic, b"x", version=version),
                     wire.publish(topic, b"x", 1, 1, version=version),
                     wire.publish(topic, b"x", 2, 1, version=version),
                     wire.subscribe(1, [(topic, 0)], version),
                     wire.unsubscribe(1, [topic], version),
                     wire.packet(wire.PINGREQ, 0), wire.disconnect(), wire.auth(),
                     wire.ack(wire.PUBACK, 1), wire.ack(wire.PUBREL, 1), wire.packet(0, 0),
                     wire.packet(wire.CONNACK, 0, b"\0\0")):
            with self.subTest(data=data):
                client = self.open(V311)
                client.send(data)
                self.assertEqual(client.expect_closed(), [])
        self.assert_nothing_more(watcher)

    @versions()
    def test_packets_after_a_refused_connect_are_not_routed(self, version):
        """[MQTT-3.2.2-5]/[MQTT-3.2.2-7]: close after a refusal; what followed in the stream is
        dropped."""
        topic = self.topic()
        watcher = self.client(V311)
        watcher.subscribe(topic)
        client = self.open(version)
        client.send(wire.connect(self.name(), version=version, level=9),
                    wire.publish(topic, b"x", version=version))
        try:
            client.expect_closed()
        except wire.WireError:
            pass  # the refusal is in the form of another version
        self.assert_nothing_more(watcher)

    @versions()
    def test_pipelined(self, version):
        """Section 3.1.4: clients may send packets right after CONNECT, without waiting for
        CONNACK."""
        topic = self.topic()
        client = self.open(version)
        client.send(wire.connect(self.name(), version=version),
                    wire.subscribe(1, [(topic, 2)], version),
                    wire.publish(topic, b"one", 1, 2, version=version),
                    wire.publish(topic, b"two", version=version), wire.packet(wire.PINGREQ, 0))
        self.assertEqual(client.expect(wire.CONNACK).code, 0)
        found = [client.recv() for _ in range(5)]
        kinds = [one.type for one in found]
        self.assertEqual(sorted(kinds),
                         sorted([wire.SUBACK, wire.PUBACK, wire.PUBLISH, wire.PUBLISH,
                                                wire.PINGRESP]))
        self.assertEqual([one.payload for one in found if one.type == wire.PUBLISH],
                         [b"one", b"two"])
        self.assertEqual(kinds[0], wire.SUBACK)

    @versions()
    def test_pipelined_with_disconnect(self, version):
        """A whole short session in one segment is carried out."""
        topic = self.topic()
        watcher = self.client(version)
        watcher.subscribe(topic)
        client = self.open(version)
        client.send(wire.connect(self.name("x"), version=version),
                    wire.publish(topic, b"all", version=version),
                    wire.disconnect(version))
        self.assertEqual(watcher.message().payload, b"all")
        self.assertEqual([one.type for one in client.expect_closed()], [wire.CONNACK])

    @versions()
    def test_byte_by_byte(self, version):
        """Packets may be cut anywhere by TCP (section 4.2)."""
        topic = self.topic()
        client = self.open(version)
        client.send_slowly(wire.connect(self.name(), version=version, username="u", password=b"p",
                                        will=Will(topic + "/will", b"w", 1)))
        self.assertEqual(client.expect(wire.CONNACK).code, 0)
        client.send_slowly(wire.subscribe(1, [(topic, 1)], version))
        client.expect(wire.SUBACK)
        client.send_slowly(wire.publish(topic, b"x" * 200, 1, 7, version=version))
        found = {one.type: one for one in (client.recv(), client.recv())}
        self.assertEqual(found[wire.PUBACK].id, 7)
        self.assertEqual(found[wire.PUBLISH].payload, b"x" * 200)

    @versions(V31, V311)
    def test_bridge_bit(self, version):
        """Level with the bridge bit (0x83, 0x84), as bridges of EMQ and mosquitto send it."""
        client = self.open(version)
        client.send(wire.connect(self.name(), version=version, level=version | 0x80))
        self.assertEqual(client.expect(wire.CONNACK).code, 0)

    def test_unix_connection_may_close_at_once(self):
        """Connections without a byte, or with half a CONNECT, harm nobody."""
        whole = wire.connect(self.name())
        for length in (0, 1, 2, 5, len(whole) - 1):
            client = self.open()
            if length:
                client.send(whole[:length])
            client.close()
        self.client().ping()


class Flags(MqttTest):
    """Connect flags against the payload (3.1.2, 3.1.3)."""

    def malformed(self, version, flags, tail, properties=b""):
        name = "MQIsdp" if version == V31 else "MQTT"
        body = wire.utf8(name) + bytes([version, flags]) + struct.pack("!H", 60)
        if version == V5:
            body += wire.varint(len(properties)) + properties
        client = self.open(version)
        client.send(wire.packet(wire.CONNECT, 0, body + tail))
        return client

    @versions(V311, V5)
    def test_will_qos_3(self, version):
        """[MQTT-3.1.2-12]/[MQTT-3.1.2-14]."""
        tail = wire.utf8(self.name()) + (b"\0" if version == V5
                                         else b"") + wire.utf8("w") + wire.utf8("x")
        self.expect_refusal(self.malformed(version, 0x02 | 0x04 | 0x18, tail), {0x81, 0x82})

    @versions(V311, V5)
    def test_will_qos_without_will_flag(self, version):
        """[MQTT-3.1.2-13]/[MQTT-3.1.2-11]."""
        for bits in (0x08, 0x10):
            self.expect_refusal(self.malformed(version, 0x02 | bits, wire.utf8(self.name())),
                                {0x81, 0x82})

    @versions(V311, V5)
    def test_will_retain_without_will_flag(self, version):
        """[MQTT-3.1.2-15]/[MQTT-3.1.2-13]."""
        self.expect_refusal(self.malformed(version, 0x02 | 0x20, wire.utf8(self.name())),
                            {0x81, 0x82})

    def test_password_without_username(self):
        """[MQTT-3.1.2-22] of 3.1.1 forbids it; 5.0 (3.1.2.9) allows it."""
        client = self.open(V311)
        client.send(wire.connect(self.name(), password=b"secret"))
        self.expect_refusal(client, 0x82)
        self.client(V5, password=b"secret").ping()

    @versions()
    def test_username_and_password(self, version):
        """Both, user name only, empty ones, binary password (3.1.3.4, 3.1.3.5)."""
        for username, password in (("user", b"\0\xff\xfe"), ("user", None), ("", b""),
                                   ("\u00e4\u6f22\U0001f600", b"x" * 65535)):
            with self.subTest(username=username):
                self.client(version, self.name("p"), username=username, password=password).ping()

    def test_31_allows_flags_without_fields(self):
        """3.1, CONNECT, user name: the remaining length wins over the user name and password
        flags."""
        for flags, tail in ((0x82, b""), (0xC2, wire.utf8("user")), (0xC2, b"")):
            client = self.malformed(V31, flags, wire.utf8(self.name(str(flags))) + tail)
            self.assertEqual(client.expect(wire.CONNACK).code, 0)

    @versions(V311, V5)
    def test_fields_missing(self, version):
        """Flags announce fields that the payload does not have; or the payload has more than
        announced."""
        for flags, tail in ((0x02, b""), (0x06, wire.utf8("c")), (0x82, wire.utf8("c")),
                            (0xC2, wire.utf8("c") + wire.utf8("u")), (0x02, b"\0\x05abc"),
                            (0x02, wire.utf8("c") + b"rest")):
            with self.subTest(flags=flags, tail=tail):
                self.expect_refusal(self.malformed(version, flags, tail), {0x81, 0x82})

    @versions()
    def test_cut_connect(self, version):
        """A CONNECT whose length says less than its fields need, at every length."""
        whole = wire.connect("abc", version=version, username="user", password=b"word",
                             will=Will("topic", b"bytes", 1))
        body = whole[2:]
        # 3.1 lets user name and password be missing whatever the flags say.
        for length in range(len(body) if version != V31 else body.index(b"user") - 2):
            with self.subTest(length=length):
                client = self.open(version)
                client.send(wire.packet(wire.CONNECT, 0, body[:length]))
                if version == V5:
                    try:
                        before = client.expect_closed()
                    except wire.WireError:
                        continue  # the version was not known yet: the refusal has another form
                    self.assertTrue(all(one.type == wire.CONNACK and one.code for one in before),
                                    before)
                else:
                    self.expect_refusal(client, 0x81)

    @versions()
    def test_fixed_header_flags(self, version):
        """[MQTT-2.2.2-2]/[MQTT-2.1.3-1]: reserved flags of CONNECT."""
        whole = wire.connect(self.name(), version=version)
        if version == V31:
            return
        for flags in (1, 2, 4, 8):
            client = self.open(version)
            client.send(bytes([wire.CONNECT << 4 | flags]) + whole[1:])
            try:
                client.expect_closed()
            except wire.WireError:
                pass

    @versions(V311, V5)
    def test_bad_will_topic(self, version):
        """A will topic with wildcards, empty, or with U+0000 is no topic name."""
        for topic in ("a/+", "#", "a/#", "", "a\0b"):
            with self.subTest(topic=topic):
                client = self.open(version)
                client.send(wire.connect(self.name(), version=version, will=Will(topic, b"x")))
                # well formed, but no topic: a refusal will do as well
                if version == V311 and "\0" not in topic:
                    self.assertIn([one.code for one in client.expect_closed()], ([], [5]))
                else:
                    self.expect_refusal(client, {0x81, 0x82, 0x90})


class ClientId(MqttTest):
    """Client identifiers (3.1.3.1)."""

    @versions()
    def test_takes_what_it_must(self, version):
        """[MQTT-3.1.3-5]: 1 to 23 bytes of 0-9a-zA-Z must be accepted; longer and other ones may
        be."""
        for client_id in ("0", "abcXYZ0189", "aB3" * 7 + "z", "with space", "sl/ash",
                          "\u6f22\u5b57", "a-b_c.d:e"):
            with self.subTest(client_id=client_id):
                self.client(version, f"{client_id}{version}").ping()

    @versions(V311)
    def test_empty_with_clean_session(self, version):
        """[MQTT-3.1.3-6], [MQTT-3.1.3-7]: the server invents an id."""
        one, two = self.client(version, ""), self.client(version, "")
        one.ping()
        two.ping()

    def test_empty_without_clean_session(self):
        """[MQTT-3.1.3-8], [MQTT-3.1.3-9]: return code 2, then close."""
        client = self.open(V311)
        client.connect("", clean=False, code=2)
        self.assertEqual(client.expect_closed(), [])

    def test_empty_in_31(self):
        """3.1: the client id has 1 to 23 characters: return code 2."""
        client = self.open(V31)
        client.send(wire.connect("", version=V31))
        before = client.expect_closed()
        self.assertIn([one.code for one in before], ([2], []))
        if harness.PEER == "mangrove":
            self.assertEqual([one.code for one in before], [2])

    def test_assigned(self):
        """[MQTT-3.2.2-16], [MQTT-3.1.3-6]: a 5.0 client is told its unique id, which then is its
        own."""
        one, two = self.client(V5, "", properties={"session_expiry": 60}), self.client(V5, "")
        first = one.connack.properties.get("assigned_client_id")
        second = two.connack.properties.get("assigned_client_id")
        self.assertTrue(first and second and first != second, (first, second))
        one.disconnect()
        again = self.client(V5, first, clean=False)
        self.assertTrue(again.connack.session_present)
        self.assertFalse(again.connack.properties.has("assigned_client_id"))

    def test_empty_id_without_clean_start(self):
        """5.0, 3.1.3.1: an empty id is taken whatever Clean Start says, or refused with 0x85."""
        client = self.open(V5)
        connack = client.connect("", clean=False, code=None)
        self.assertIn(connack.code, (0, 0x85))
        if connack.code == 0:
            self.assertTrue(connack.properties.has("assigned_client_id"))

    @versions()
    def test_bad_utf8(self, version):
        """[MQTT-3.1.3-4], [MQTT-1.5.4-1]: client id that is not UTF-8."""
        for raw in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\0b", b"\xf5\x80\x80\x80",
                    b"\xe2\x82"):
            with self.subTest(raw=raw):
                client = self.open(version)
                client.send(wire.connect(raw, version=version))
                if version == V5:
                    self.expect_refusal(client, {0x81, 0x82, 0x85})
                else:  # closed without a CONNACK, or with the code for a bad client id
                    before = client.expect_closed()
                    self.assertTrue(all(one.code == 2 for one in before), before)


class KeepAlive(MqttTest):
    """Keep alive (3.1.2.10) and server keep alive (3.2.2.3.14)."""

    @versions()
    @waits(3)
    def test_closed_after_one_and_a_half(self, version):
        """[MQTT-3.1.2-24]/[MQTT-3.1.2-22]: silence for 1.5 times the keep alive closes the
        connection."""
        client = self.client(version, keep_alive=2)
        start = harness.time.monotonic()
        before = client.expect_closed(6)
        passed = harness.time.monotonic() - start
        # mosquitto looks at its timers only every so often.
        self.assertGreater(passed, 2.8)
        self.assertLess(passed, 4.0 if harness.PEER == "mangrove" else 6)
        if version == V5 and harness.PEER == "mangrove":
            self.assertEqual([(one.type, one.code) for one in before], [(wire.DISCONNECT, 0x8D)])

    @waits(4)
    @versions()
    def test_any_packet_counts(self, version):
        """Each packet of the client starts the time anew; packets of the server do not."""
        topic = self.topic()
        client = self.client(version, keep_alive=1)
        client.subscribe(topic)
        feeder = self.client(version)
        for data in (wire.packet(wire.PINGREQ, 0), wire.publish(topic, b"", version=version),
                     wire.publish(topic, b"", 1, 3, version=version), wire.packet(wire.PINGREQ, 0)):
            self.assertFalse(client.is_closed(0.9))
            client.send(data)
        feeder.publish(topic, b"late")
        self.assertFalse(client.is_closed(0.5))
        feeder.publish(topic, b"later")
        self.assertTrue(client.is_closed(4))

    @waits(3)
    @versions()
    def test_part_of_a_packet_is_no_packet(self, version):
        """Section 3.1.2.10 speaks of control packets: a byte now and then keeps nothing alive for
        ever."""
        client = self.client(version, keep_alive=1)
        data = wire.publish(self.topic(), b"x" * 100, version=version)
        for at in range(40):
            try:
                client.send(data[at:at + 1])
            except OSError:
                return
            if client.is_closed(0.2):
                return
        self.fail("still open after 8 s without a whole packet")

    @waits(3)
    @versions()
    def test_zero_is_none(self, version):
        """Keep alive 0 turns the mechanism off."""
        client = self.client(version, keep_alive=0)
        self.assertFalse(client.is_closed(3))
        client.ping()

    def test_server_keep_alive(self):
        """[MQTT-3.1.2-21], [MQTT-3.2.2-21]: the server's value is told and used."""
        where = self.broker(**{"mqtt.server_keepalive": "2s"}).address
        start = harness.time.monotonic()
        client = self.client(V5, where=where, keep_alive=600)
        self.assertEqual(client.connack.properties.get("server_keep_alive"), 2)
        client.expect_closed(8)
        self.assertGreater(harness.time.monotonic() - start, 2.8)

    @versions(V31, V311)
    def test_server_keep_alive_refuses_no_old_client(self, version):
        """A 3.x client can't be told: it is served with its own value."""
        where = self.broker(**{"mqtt.server_keepalive": "2s"}).address
        client = self.client(version, where=where, keep_alive=600)
        self.assertFalse(client.is_closed(3.5))
        client.ping()

    @waits(2)
    @harness.ours_only("the peer has no such key")
    @versions()
    def test_idle_before_connect(self, version):
        """Section 3.1.4: no CONNECT within a reasonable time: closed. Also with half of one."""
        where = self.broker(**{"mqtt.client.idle_timeout": "1s"}).address
        start = harness.time.monotonic()
        silent, half = self.open(version, where), self.open(version, where)
        half.send(wire.connect(self.name(), version=version)[:9])
        self.assertEqual(silent.expect_closed(5), [])
        half.expect_closed(5)
        self.assertGreater(harness.time.monotonic() - start, 0.8)
        self.client(version, where=where).ping()


class ConnectProperties(MqttTest):
    """Properties of CONNECT and CONNACK (5.0: 3.1.2.11, 3.2.2.3)."""

    def refused(self, properties, codes, **more):
        client = self.open(V5)
        client.send(wire.connect(self.name(), version=V5, properties=properties, **more))
        return self.expect_refusal(client, codes)

    def test_all_at_once(self):
        """Every property that CONNECT and the will may carry."""
        will = Will(self.topic(), b"x", 1, True, [
            ("will_delay", 1), ("payload_format", 1), ("message_expiry", 5),
            ("content_type", "text"),
            ("response_topic", "r"), ("correlation_data", b"\0\1"), ("user_property", ("a", "b"))])
        client = self.client(V5, will=will, properties=[
            ("session_expiry", 10), ("receive_maximum", 5), ("maximum_packet_size", 1000),
            ("topic_alias_maximum", 3), ("request_response_information", 1),
            ("request_problem_information", 1), ("user_property", ("k", "v")),
            ("user_property", ("k", "v"))])
        self.assertEqual(client.connack.code, 0)
        client.disconnect()

    def test_defaults_in_connack(self):
        """Limits in CONNACK are within their bounds; nothing is said that equals nonsense."""
        properties = self.client(V5).connack.properties
        self.assertNotEqual(properties.get("receive_maximum", 65535), 0)
        self.assertIn(properties.get("maximum_qos", 1), (0, 1))
        for name in ("retain_available", "wildcard_available", "shared_available",
                     "subscription_identifiers_available"):
            self.assertEqual(properties.get(name, 1), 1)
        self.assertNotEqual(properties.get("maximum_packet_size", 1), 0)

    @harness.ours_only("names of keys")
    def test_limits_told(self):
        """Server limits set by keys appear in CONNACK."""
        where = self.broker(**{
            "mqtt.receive_maximum": 7, "mqtt.topic_alias_maximum": 9, "mqtt.max_packet_size": "4KB",
            "mqtt.max_qos_allowed": 1, "mqtt.retain_available": "false",
            "mqtt.wildcard_subscription": "false", "mqtt.shared_subscription": "false",
            "mqtt.subscription_identifiers": "false"}).address
        found = self.client(V5, where=where).connack.properties
        self.assertEqual({name: found.get(name) for name in (
            "receive_maximum", "topic_alias_maximum", "maximum_packet_size", "maximum_qos",
            "retain_available",
            "wildcard_available", "shared_available", "subscription_identifiers_available")}, {
                "receive_maximum": 7, "topic_alias_maximum": 9, "maximum_packet_size": 4096,
                "maximum_qos": 1, "retain_available": 0, "wildcard_available": 0,
                "shared_available": 0,
                "subscription_identifiers_available": 0})

    @harness.ours_only("names of keys")
    def test_limits_enforced(self):
        """[MQTT-3.2.2-11], [MQTT-3.2.2-12], [MQTT-3.2.2-14] and the subscription features turned
        off."""
        where = self.broker(**{
            "mqtt.receive_maximum": 7, "mqtt.topic_alias_maximum": 9, "mqtt.max_packet_size": "4KB",
            "mqtt.max_qos_allowed": 1, "mqtt.retain_available": "false",
            "mqtt.wildcard_subscription": "false", "mqtt.shared_subscription": "false",
            "mqtt.subscription_identifiers": "false"}).address
        client = self.client(V5, where=where)
        client.send(wire.publish("t", b"", 2, 1, version=V5))
        self.expect_refusal(client, 0x9B)
        client = self.client(V5, where=where)
        client.send(wire.publish("t", b"x", retain=True, version=V5))
        self.expect_refusal(client, 0x9A)
        client = self.client(V5, where=where)
        client.subscribe("q2", qos=2, codes=[1])  # granted with the highest QoS that there is
        client.subscribe("a/+", codes=[0xA2])
        client.subscribe("$share/g/a", codes=[0x9E])
        client.send(wire.subscribe(9, [("t", 0)], V5, {"subscription_identifier": 1}))
        found = client.recv()
        self.assertTrue((found.type == wire.SUBACK and found.codes == [0xA1])
                        or (found.type == wire.DISCONNECT and found.code == 0xA1), found)
        client = self.open(V5, where)
        client.connect(self.name("w2"), code=0x9B, will=Will("w", b"x", 2))
        client.expect_closed()
        client = self.open(V5, where)
        client.connect(self.name("wr"), code=0x9A, will=Will("w", b"x", 0, True))
        client.expect_closed()

    def test_twice(self):
        """A property (other than user property) more than once is a protocol error."""
        for name, value in (("session_expiry", 1), ("receive_maximum", 1),
                            ("maximum_packet_size", 100),
                            ("topic_alias_maximum", 1), ("request_response_information", 1),
                            ("request_problem_information", 1), ("authentication_method", "m"),
                            ("authentication_data", b"d")):
            with self.subTest(name=name):
                extra = [("authentication_method", "m")] if name == "authentication_data" else []
                self.refused(extra + [(name, value), (name, value)], {0x81, 0x82})

    def test_bad_values(self):
        """Values that are a protocol error."""
        for name, value in (("receive_maximum", 0), ("maximum_packet_size", 0),
                            ("request_response_information", 2),
                            ("request_problem_information", 2)):
            with self.subTest(name=name):
                self.refused([(name, value)], {0x81, 0x82})

    @peer_deviates("takes it")
    def test_authentication_data_without_method(self):
        """Section 3.1.2.11.10."""
        self.refused([("authentication_data", b"x")], {0x81, 0x82})

    def test_foreign_property(self):
        """Properties of other packets, and unknown numbers, are malformed."""
        for name, value in (("topic_alias", 1), ("message_expiry", 1), ("will_delay", 1),
                            ("reason_string", "x"),
                            ("assigned_client_id", "x"), ("subscription_identifier", 1),
                            ("content_type", "x"),
                            ("raw", b"\x00\x00"), ("raw", b"\x7f\x00"),
                            ("raw", b"\x91\x00\0\0\0\1")):
            with self.subTest(name=name, value=value):
                if name == "raw" and value[0] == 0x91 and harness.PEER != "mangrove":
                    continue
                self.refused([(name, value)], {0x81, 0x82})

    @peer_deviates("lets some foreign will properties pass")
    def test_bad_will_properties(self):
        for properties in ([("topic_alias", 1)], [("session_expiry", 1)],
                           [("will_delay", 1), ("will_delay", 1)],
                           [("payload_format", 2)], [("message_expiry", 1), ("message_expiry", 1)],
                           [("subscription_identifier", 1)], [("response_topic", "a/#")]):
            with self.subTest(properties=properties):
                self.refused(None, {0x81, 0x82, 0x90},
                             will=Will(self.topic(), b"x", properties=properties))

    def test_property_length_past_the_packet(self):
        body = wire.utf8("MQTT") + bytes([5, 2]) + b"\0\x3c" + b"\x7f" + wire.utf8("abc")
        client = self.open(V5)
        client.send(wire.packet(wire.CONNECT, 0, body))
        self.expect_refusal(client, 0x81)

    @peer_deviates("reason strings are never sent")
    def test_request_problem_information_off(self):
        """[MQTT-3.1.2-29]: no reason string, no user property but on PUBLISH, CONNACK,
        DISCONNECT."""
        client = self.client(V5, properties={"request_problem_information": 0})
        found = client.unsubscribe(self.topic())
        self.assertEqual(found.codes, [0x11])
        self.assertEqual(found.properties, [])
        found = client.subscribe("a/#/b", "ok", codes=[0x8F, 0])
        self.assertEqual(found.properties, [])
        found = client.publish(self.topic("nobody"), b"", 1, code=None)
        self.assertEqual(found.properties, [])

    def test_response_information_only_on_request(self):
        """[MQTT-3.1.2-28]."""
        for properties in (None, {"request_response_information": 0}):
            self.assertFalse(self.client(V5,
                                         properties=properties).connack.properties.has(
                                             "response_information"))

    @harness.ours_only("key")
    def test_response_information(self):
        where = self.broker(**{"mqtt.response_information": "answers/"}).address
        found = self.client(V5, where=where, properties={"request_response_information": 1})
        self.assertEqual(found.connack.properties.get("response_information"), "answers/")
        found = self.client(V5, where=where)
        self.assertFalse(found.connack.properties.has("response_information"))

    def test_unknown_authentication_method(self):
        """Section 3.1.2.11.9: a method that the server lacks: CONNACK 0x8C (or 0x87)."""
        self.refused([("authentication_method", "NO-SUCH-METHOD")], {0x8C, 0x87})
        self.refused([("authentication_method", "NO-SUCH-METHOD"), ("authentication_data", b"\0")],
                     {0x8C, 0x87})

    def test_connack_comes_first(self):
        """[MQTT-3.2.0-1]: CONNACK before any other packet, also when a queue waits."""
        topic, name = self.topic(), self.name()
        client = self.client(V5, name, clean=False, properties={"session_expiry": 60})
        client.subscribe(topic, qos=1)
        client.disconnect()
        self.client(V5, self.name("p")).publish(topic, b"waiting", 1)
        client = self.open(V5)
        client.send(wire.connect(name, version=V5, clean=False))
        self.assertTrue(client.expect(wire.CONNACK).session_present)
        self.assertEqual(client.message().payload, b"waiting")


if __name__ == "__main__":
    harness.main()
