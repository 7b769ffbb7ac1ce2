"""Bytes that are no MQTT: tables, cuts and seeded mutations. The sender is closed, nobody else
notices."""

import random
import struct

import harness
import mqtt_wire as wire
from harness import MqttTest, ours_only, peer_deviates, versions
from mqtt_wire import V31, V311, V5


class Table(MqttTest):
    """One entry for each way in which a packet of a connected client can be wrong (4.13, 4.8 of
    3.1.1)."""

    # name, bytes for a 3.1.1 client (or None), bytes for a 5.0 client (or None), reason codes
    ENTRIES = [
        ("type 0", b"\x00\x00", b"\x00\x00", {0x81, 0x82}),
        ("type 15 in 3.1.1", b"\xf0\x00", None, {0x81}),
        ("PUBLISH QoS 3", b"\x36\x05\0\1a\0\1", b"\x36\x06\0\1a\0\1\0", {0x81}),
        ("PUBLISH without topic", b"\x30\x00", b"\x30\x00", {0x81}),
        ("PUBLISH topic past the end", b"\x30\x04\0\7ab", b"\x30\x04\0\7ab", {0x81}),
        ("PUBLISH QoS 1 without id", b"\x32\x03\0\1a", b"\x32\x03\0\1a", {0x81}),
        ("PUBLISH without properties", None, b"\x30\x03\0\1a", {0x81}),
        ("PUBLISH property length past the end", None, b"\x30\x04\0\1a\x05", {0x81}),
        ("PUBLISH property length of five bytes", None, b"\x30\x08\0\1a\x80\x80\x80\x80\x01",
         {0x81}),
        ("PUBLISH property cut by the length", None, b"\x30\x06\0\1a\x01\x02\0", {0x81}),
        ("PUBACK without id", b"\x40\x00", b"\x40\x00", {0x81}),
        ("PUBACK half an id", b"\x40\x01\0", b"\x40\x01\0", {0x81}),
        ("PUBREL flags", b"\x60\x02\0\1", b"\x60\x02\0\1", {0x81}),
        ("SUBSCRIBE flags", b"\x80\x06\0\1\0\1a\0", b"\x80\x07\0\1\0\0\1a\0", {0x81}),
        ("SUBSCRIBE without filters", b"\x82\x02\0\1", b"\x82\x03\0\1\0", {0x81, 0x82}),
        ("SUBSCRIBE without id", b"\x82\x00", b"\x82\x00", {0x81}),
        ("SUBSCRIBE filter without options", b"\x82\x05\0\1\0\1a", b"\x82\x06\0\1\0\0\1a", {0x81}),
        ("SUBSCRIBE QoS 3", b"\x82\x06\0\1\0\1a\3", b"\x82\x07\0\1\0\0\1a\3", {0x81, 0x82}),
        ("SUBSCRIBE retain handling 3", None, b"\x82\x07\0\1\0\0\1a\x30", {0x81, 0x82}),
        ("SUBSCRIBE reserved option bits", b"\x82\x06\0\1\0\1a\x80", b"\x82\x07\0\1\0\0\1a\xc0",
         {0x81, 0x82}),
        ("SUBSCRIBE id 0", b"\x82\x06\0\0\0\1a\0", b"\x82\x07\0\0\0\0\1a\0", {0x81, 0x82}),
        ("UNSUBSCRIBE flags", b"\xa0\x05\0\1\0\1a", b"\xa0\x06\0\1\0\0\1a", {0x81}),
        ("UNSUBSCRIBE without filters", b"\xa2\x02\0\1", b"\xa2\x03\0\1\0", {0x81, 0x82}),
        ("UNSUBSCRIBE id 0", b"\xa2\x05\0\0\0\1a", b"\xa2\x06\0\0\0\0\1a", {0x81, 0x82}),
        ("CONNACK from a client", b"\x20\x02\0\0", b"\x20\x03\0\0\0", {0x81, 0x82}),
        ("second CONNECT", b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a", b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1a",
         {0x82}),
        ("DISCONNECT flags", b"\xe1\x00", b"\xe1\x00", {0x81}),
        ("remaining length of five bytes", b"\x30\xff\xff\xff\xff\x7f", b"\x30\xff\xff\xff\xff\x7f",
         {0x81, 0x95}),
        ("AUTH without a method", None, b"\xf0\x00", {0x82, 0x8C}),
        ("AUTH with flags", None, b"\xf1\x02\x18\0", {0x81}),
    ]

    def check(self, version, column):
        other = self.client(version)
        for entry in self.ENTRIES:
            data = entry[column]
            if data is None:
                continue
            with self.subTest(entry[0]):
                client = self.client(version, self.name(entry[0]))
                client.send(data)
                self.expect_refusal(client, entry[3])
        other.ping()

    def test_311(self):
        self.check(V311, 1)

    def test_50(self):
        self.check(V5, 2)


class Streams(MqttTest):

    @versions()
    def test_cut_anywhere(self, version):
        """A session cut after each byte of its stream: the broker goes on."""
        topic = self.topic()
        stream = (wire.connect(self.name(), version=version)
                  + wire.subscribe(1, [(topic, 2)], version)
                  + wire.publish(topic, b"abc", 2, 2, version=version) + wire.ack(wire.PUBREL, 2)
                  + wire.unsubscribe(3, [topic], version) + wire.packet(wire.PINGREQ, 0))
        for length in range(len(stream)):
            client = self.open(version)
            client.send(stream[:length])
            client.close()
        self.client(version).ping()

    @versions()
    def test_packets_split_and_joined(self, version):
        """The same stream in segments of every size gives the same answers."""
        for step in (1, 2, 3, 5, 7, 11, 64, 1000):
            topic = self.topic(str(step))
            client = self.open(version)
            stream = wire.connect(self.name(str(step)),
                                  version=version) + wire.subscribe(1, [(topic, 0)], version)
            stream += b"".join(wire.publish(topic, bytes([number]) * number, 1, number + 1,
                                            version=version)
                               for number in range(20)) + wire.packet(wire.PINGREQ, 0)
            client.send_slowly(stream, step)
            found = []
            while not found or found[-1].type != wire.PINGRESP:
                found.append(client.recv())
            self.assertEqual([one.payload for one in found if one.type == wire.PUBLISH],
                             [bytes([number]) * number for number in range(20)])
            self.assertEqual([one.id for one in found if one.type == wire.PUBACK],
                             list(range(1, 21)))

    def mutated(self, dice, data):
        """One small change: a byte, a bit, a cut, an insertion, a length."""
        data = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            kind = dice.randrange(5)
            at = dice.randrange(len(data)) if data else 0
            if not data:
                break
            if kind == 0:
                data[at] = dice.randrange(256)
            elif kind == 1:
                data[at] ^= 1 << dice.randrange(8)
            elif kind == 2:
                del data[at:at + dice.randint(1, 4)]
            elif kind == 3:
                data[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 4)))
            elif len(data) > 1:
                data[1] = dice.choice((0, 1, 127, 128, 255))
        return bytes(data)

    @versions()
    def test_mutations(self, version):
        """Hundreds of sessions with mutated packets: the broker lives, a bystander's messages
        arrive whole."""
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        topic = self.topic()
        bystander = self.client(version)
        bystander.subscribe(topic + "/good", qos=1)
        will = wire.Will("w/" + topic, b"bye", 1,
                         properties=[("will_delay", 1), ("content_type", "x")])
        pairs = [("user_property", ("k", "v")), ("content_type", "t")] if version == V5 else None
        packets = [
            wire.connect(self.name("m"), version=version, username="u", password=b"p", will=will,
                         properties=[("session_expiry", 1), ("receive_maximum", 3)]),
            wire.subscribe(1, [(topic + "/m/#", 1), ("$share/g/x", 2)], version),
            wire.publish(topic + "/m/a", b"payload", 1, 2, version=version, properties=pairs),
            wire.publish(topic + "/m/b", b"payload", 2, 3, version=version, properties=pairs),
            wire.ack(wire.PUBREL, 3), wire.unsubscribe(4, [topic + "/m/#"], version),
            wire.packet(wire.PINGREQ, 0), wire.disconnect(version),
        ]
        with self.subTest(seed=seed):
            for turn in range(300):
                client = self.open(version)
                which = dice.randrange(len(packets))
                data = b"".join(self.mutated(dice, one) if index == which else one
                                for index, one in enumerate(packets))
                try:
                    client.send(data)
                    if turn % 2:
                        client.socket.shutdown(1)
                        while client.socket.recv(65536):
                            pass
                except OSError:
                    pass
                client.close()
                if turn % 50 == 0:
                    bystander.publish(topic + "/good", b"%d" % turn, 1)
                    self.assertEqual(bystander.message().payload, b"%d" % turn)
            self.assertEqual([one for one in bystander.ping() if one.topic != topic + "/good"], [])
            self.assertTrue(self.broker().alive())

    def test_noise(self):
        """Random bytes, and other protocols' greetings."""
        dice = random.Random(20)
        greetings = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00",
                     b"CONNECT\naccept-version:1.2\n\n\0", b"\0" * 100, b"\xff" * 100]
        for data in greetings + [bytes(dice.randrange(256) for _ in range(dice.randint(1, 300)))
                                 for _ in range(200)]:
            client = self.open()
            try:
                client.send(data)
                client.socket.shutdown(1)
                while client.socket.recv(65536):
                    pass
            except OSError:
                pass
        self.client(V311).ping()

    @ours_only("the peer waits for the whole packet")
    def test_refused_before_the_packet_is_whole(self):
        """A packet that is too large does not have to come whole, before CONNECT and after it."""
        client = self.open()
        client.send(b"\x10\xff\xff\x7f" + wire.utf8("MQTT") + b"\4\2")
        self.assertEqual(client.expect_closed(), [])
        client = self.client(V5)
        client.send(b"\x30\xff\xff\x7f" + wire.utf8("a"))
        self.expect_refusal(client, 0x95)

    @versions(V5)
    def test_too_many_user_properties(self, version):
        """mqtt.client.max_user_properties, 100: more are refused; the limit's own number passes."""
        client = self.client(version)
        pairs = [("user_property", ("k%d" % number, "v")) for number in range(100)]
        client.publish(self.topic(), b"", 1, properties=pairs)
        if harness.PEER == "mangrove":
            client.send(wire.publish(self.topic(), b"", 1, 1, version=V5, properties=pairs * 20))
            try:
                found = client.recv()
                self.assertIn(found.code, (0x97, 0x95, 0x81, 0x82, 0x80, 0x83))
            except wire.Closed:
                pass

    @versions()
    def test_lengths_of_strings(self, version):
        """A string's length at and past the end of its packet, for each string of a CONNECT."""
        whole = wire.connect("abcd", version=version, username="user", password=b"word",
                             will=wire.Will("top", b"bytes"))
        for text in (b"abcd", b"top", b"bytes"):
            at = whole.index(text) - 2
            for length in (len(whole), 0xFFFF):
                client = self.open(version)
                client.send(whole[:at] + struct.pack("!H", length) + whole[at + 2:])
                self.expect_refusal(client, {0x81, 0x82})


if __name__ == "__main__":
    harness.main()
