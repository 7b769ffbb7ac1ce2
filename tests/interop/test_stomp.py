"""STOMP 1.0, 1.1 and 1.2 over raw sockets: every frame, every rule of the specification, and what a
client may cost. Sections are those of STOMP 1.2 unless another version is named."""

import threading
import time
import unittest

import harness
import mqtt_wire
import stomp_wire as stomp
from harness import waits
from stomp_harness import StompTest, versions


class Connecting(StompTest):
    """Connecting, Protocol Negotiation."""

    @versions()
    def test_connected_has_the_headers_of_its_version(self, version):
        client = self.stomp(version)
        self.assertEqual(client.connected["version"], version)
        self.assertTrue(client.connected["session"])
        self.assertTrue(client.connected["server"].startswith("mangrove/"))
        self.assertEqual("heart-beat" in client.connected.headers, version != "1.0")

    def test_without_accept_version_it_is_1_0(self):
        self.assertEqual(self.stomp(None).connected["version"], "1.0")

    def test_the_stomp_command_connects(self):
        client = self.raw()
        self.assertEqual(client.connect("1.0,1.1,1.2", "STOMP")["version"], "1.2")

    def test_the_highest_common_version_is_chosen(self):
        for offered, chosen in (("1.0,1.1", "1.1"), ("1.1", "1.1"), ("1.2,1.1,1.0", "1.2"),
                                ("1.0,2.1", "1.0")):
            self.assertEqual(self.stomp(offered).connected["version"], chosen)

    def test_no_common_version_is_an_error_that_names_ours(self):
        client = self.raw()
        client.raw("CONNECT\naccept-version:2.0,9.9\nhost:h\n\n\0")
        error = client.expect_error()
        self.assertEqual(error["version"], "1.0,1.1,1.2")
        self.assertTrue(error["message"])
        self.assertTrue(error.body)

    def test_host_is_not_looked_at(self):
        self.stomp("1.2", host="anything.example")
        client = self.raw()
        client.raw("CONNECT\naccept-version:1.2\n\n\0")
        client.expect("CONNECTED")

    def test_nothing_before_connect(self):
        for frame in ("SEND\ndestination:a\n\nx\0", "SUBSCRIBE\nid:1\ndestination:a\n\n\0",
                      "UNSUBSCRIBE\nid:1\n\n\0", "ACK\nid:1\n\n\0", "NACK\nid:1\n\n\0",
                      "BEGIN\ntransaction:t\n\n\0", "COMMIT\ntransaction:t\n\n\0",
                      "ABORT\ntransaction:t\n\n\0", "DISCONNECT\nreceipt:1\n\n\0",
                      "MESSAGE\n\n\0", "GET / HTTP/1.1\r\n\r\n", "\x10\x0c\0\x04MQTT", "nonsense\n"):
            with self.subTest(frame=frame):
                client = self.raw()
                client.raw(frame)
                client.expect_error()

    def test_a_second_connect_is_an_error(self):
        client = self.stomp()
        client.send("CONNECT", {"accept-version": "1.2", "host": "h"})
        client.expect_error()

    def test_empty_lines_may_stand_before_and_between_frames(self):
        client = self.raw()
        client.raw("\n\r\n\nCONNECT\naccept-version:1.2\nhost:h\n\n\0\n\n\r\n")
        client.expect("CONNECTED")
        client.raw("\r\n\nSEND\ndestination:a\nreceipt:1\n\n\0\n\n\nSEND\ndestination:a\nreceipt:2\n\n\0")
        self.assertEqual(client.expect("RECEIPT")["receipt-id"], "1")
        self.assertEqual(client.expect("RECEIPT")["receipt-id"], "2")

    def test_connect_is_not_escaped(self):
        client = self.stomp("1.2", client_id=self.name("\\c:x"), passcode="a\\tb:c")
        self.assertEqual(client.connected["session"], self.name("\\c:x"))

    def test_1_0_is_written_with_spaces(self):
        client = self.raw()
        client.raw("CONNECT\nlogin: \npasscode: \n\n\0")
        client.expect("CONNECTED")
        client.version = "1.0"
        topic = self.topic()
        client.raw(f"SUBSCRIBE\ndestination: {topic}\nack: client\n\n\0")
        client.raw(f"SEND\ndestination: {topic}\n\nx\0")
        self.assertEqual(client.message()["destination"], topic)

    def test_anonymous_clients_are_refused_where_they_must_not_be(self):
        broker = self.stomp_broker(listener__stomp__default__allow_anonymous="false")
        client = self.raw(broker)
        client.raw("CONNECT\naccept-version:1.2\nhost:h\nlogin:guest\npasscode:guest\n\n\0")
        # Not even what comes with it in one piece is heard.
        client.raw("SEND\ndestination:a\nretain:true\n\nx\0")
        self.assertTrue(client.expect_error()["message"])

    def test_disconnect_with_a_receipt(self):
        client = self.stomp()
        client.send("DISCONNECT", {"receipt": "77"})
        self.assertEqual(client.expect("RECEIPT")["receipt-id"], "77")
        self.assertEqual(client.expect_closed(), [])

    def test_a_client_id_is_one_client(self):
        first = self.stomp("1.2", client_id=self.name())
        self.stomp("1.1", client_id=self.name())
        self.assertEqual(first.expect_error()["message"], "session taken over")

    def test_clients_are_seen_as_all_others(self):
        broker = self.stomp_broker(sys__administrators="127.0.0.1/32")
        watcher = self.client(where=broker.address)
        watcher.subscribe("$SYS/brokers/+/clients/+/+")
        client = self.stomp("1.2", broker, client_id=self.name())
        found = watcher.message()
        self.assertTrue(found.topic.endswith(f"/clients/{self.name()}/connected"), found.topic)
        self.assertIn(b'"protocol":"STOMP"', found.payload)
        client.close()
        self.assertTrue(watcher.message().topic.endswith("/disconnected"))


class HeartBeats(StompTest):
    """Heart-beating."""

    def test_the_server_has_a_minimum(self):
        client = self.stomp("1.2", heart_beat="1,1")
        self.assertEqual(client.connected["heart-beat"], "1000,1000")
        time.sleep(0.5)
        with self.assertRaises(stomp.Timeout):
            client.recv(0.01)
        self.assertEqual(client.beats, 0)

    @waits(14)
    def test_both_ways(self):
        broker = self.stomp_broker(stomp__heartbeat__min="100ms")
        client = self.stomp("1.2", broker, heart_beat="2500,400")
        start = time.monotonic()
        while time.monotonic() < start + 7:
            client.raw("\n")
            client.expect_silence(0.5)
        self.assertGreaterEqual(client.beats, 12)
        self.assertLessEqual(client.beats, 18)
        # Silence from here on: closed after twice the interval.
        start = time.monotonic()
        client.expect_error(20)
        self.assertGreater(time.monotonic() - start, 4)
        self.assertLess(time.monotonic() - start, 12)

    def test_none_when_one_side_says_0(self):
        broker = self.stomp_broker(stomp__heartbeat__min="100ms")
        client = self.stomp("1.1", broker, heart_beat="0,0")
        with self.assertRaises(stomp.Timeout):
            client.recv(0.7)
        self.assertEqual(client.beats, 0)

    def test_a_malformed_header_is_an_error(self):
        for wrong in ("5", "a,b", "-1,0", "1,2,3"):
            client = self.raw()
            client.raw(f"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:{wrong}\n\n\0")
            client.expect_error()


class Frames(StompTest):
    """STOMP Frames: value encoding, body, standard headers, repeated headers."""

    @versions("1.1", "1.2")
    def test_headers_are_escaped(self, version):
        client, topic = self.stomp(version), self.topic("a:b\\c")
        client.subscribe(topic, "i:d\\1")
        name, value = "na:me\\", "line\nend: \\ ü"
        client.send("SEND", {"destination": topic, name: value})
        found = client.message()
        self.assertEqual(found["destination"], topic)
        self.assertEqual(found["subscription"], "i:d\\1")
        self.assertEqual(found[name], value)

    def test_1_2_escapes_carriage_returns(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        client.send("SEND", {"destination": topic, "x": "a\r"})
        self.assertEqual(client.message()["x"], "a\r")

    def test_undefined_escapes_are_fatal(self):
        for version, wrong in (("1.2", "\\t"), ("1.2", "\\"), ("1.1", "\\r"), ("1.1", "\\t")):
            with self.subTest(version=version, wrong=wrong):
                client = self.stomp(version)
                client.raw(f"SEND\ndestination:a\nx:{wrong}\n\n\0")
                client.expect_error()

    def test_1_0_has_no_escapes(self):
        client, topic = self.stomp("1.0"), self.topic()
        client.subscribe(topic)
        client.raw(f"SEND\ndestination:{topic}\nx:a\\tb\\c\n\n\0")
        self.assertEqual(client.message()["x"], "a\\tb\\c")

    def test_the_first_of_repeated_headers_counts(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        client.send("SEND", [("destination", topic), ("destination", "elsewhere"), ("foo", "World"),
                             ("foo", "Hello")])
        found = client.message()
        self.assertEqual(found["destination"], topic)
        self.assertEqual(found["foo"], "World")

    def test_spaces_belong_to_headers(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        client.raw(f"SEND\ndestination:{topic}\nx: a \n\n\0")
        self.assertEqual(client.message()["x"], " a ")

    def test_nul_and_empty_bodies(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        for body in (b"a\0b\0", b"\0", b"", b"\n\n", bytes(range(256)) * 100):
            client.send("SEND", {"destination": topic}, body, length=len(body))
            found = client.message()
            self.assertEqual(found.body, body)
            self.assertEqual(found["content-length"], str(len(body)))

    def test_crlf_ends_lines(self):
        client = self.raw()
        client.raw("CONNECT\r\naccept-version:1.2\r\nhost:h\r\n\r\n\0\r\n")
        client.expect("CONNECTED")
        topic = self.topic()
        client.raw(f"SUBSCRIBE\r\nid:0\r\ndestination:{topic}\r\n\r\n\0\r\n")
        client.raw(f"SEND\r\ndestination:{topic}\r\ncontent-length:3\r\n\r\na\r\n\0")
        self.assertEqual(client.message().body, b"a\r\n")

    def test_content_type_is_handed_on(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        client.send("SEND", {"destination": topic, "content-type": "application/json;charset=utf-8"},
                    '{"ä":1}')
        found = client.message()
        self.assertEqual(found["content-type"], "application/json;charset=utf-8")
        self.assertEqual(found.body.decode(), '{"ä":1}')
        client.send("SEND", {"destination": topic}, "x")
        self.assertNotIn("content-type", client.message().headers)

    def test_broken_frames_are_errors_with_the_receipt(self):
        for frame in ("HELLO\nreceipt:7\n\n\0", "SEND\nreceipt:7\nabc\n\n\0",
                      "SEND\nreceipt:7\n:abc\n\n\0", "SEND\nreceipt:7\ncontent-length:x\n\n\0",
                      "SEND\nreceipt:7\ndestination:a\ncontent-length:1\n\nabc\0",
                      "SEND\nreceipt:7\ndestination:a\0", "send\nreceipt:7\n\n\0",
                      "SUBSCRIBE\nreceipt:7\nid:1\ndestination:a\n\nbody\0",
                      "DISCONNECT\nreceipt:7\ncontent-length:1\n\nx\0"):
            with self.subTest(frame=frame):
                client = self.stomp()
                client.raw(frame)
                error = client.expect_error()
                self.assertTrue(error["message"])
                self.assertTrue(error.body)
                if not frame.startswith(("HELLO", "send")):
                    self.assertEqual(error["receipt-id"], "7")

    def test_headers_must_be_utf8(self):
        client = self.stomp()
        client.raw(b"SEND\ndestination:a\nx:\xff\xfe\n\n\0")
        client.expect_error()

    def test_frames_come_in_any_pieces(self):
        client, topic = self.raw(), self.topic()
        stream = (b"CONNECT\naccept-version:1.1\nhost:h\n\n\0" +
                  f"SUBSCRIBE\nid:0\ndestination:{topic}\n\n\0\n\n".encode() +
                  f"SEND\ndestination:{topic}\ncontent-length:4\n\na\0b\n\0".encode())
        for octet in stream:
            client.raw(bytes([octet]))
        client.expect("CONNECTED")
        self.assertEqual(client.message().body, b"a\0b\n")


class Sending(StompTest):
    """SEND, SUBSCRIBE, UNSUBSCRIBE, MESSAGE."""

    @versions()
    def test_send_and_message(self, version):
        client, topic = self.stomp(version), self.topic()
        client.subscribe(topic, "sub-0")
        client.send("SEND", {"destination": topic, "foo": "bar", "content-type": "text/plain"}, "hello")
        found = client.message()
        self.assertEqual(found.body, b"hello")
        self.assertEqual((found["subscription"], found["destination"], found["foo"]),
                         ("sub-0", topic, "bar"))
        self.assertTrue(found["message-id"])
        self.assertNotIn("ack", found.headers)
        self.assertNotIn("receipt", found.headers)
        client.send("SEND", {"destination": topic}, "hello")
        self.assertNotEqual(client.message()["message-id"], found["message-id"])

    def test_wildcards_subscribe_and_are_refused_in_send(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(f"{topic}/+/x", "w")
        client.send("SEND", {"destination": f"{topic}/a/x"}, "1")
        found = client.message()
        self.assertEqual((found["destination"], found["subscription"]), (f"{topic}/a/x", "w"))
        for wrong in ("a/+", "#", "a/#/b", "+"):
            other = self.stomp()
            other.send("SEND", {"destination": wrong, "receipt": "1"}, "x")
            self.assertEqual(other.expect_error()["receipt-id"], "1")

    def test_each_matching_subscription_gets_its_message(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(f"{topic}/#", "1")
        client.subscribe(f"{topic}/a", "2")
        client.subscribe(f"{topic}/a", "3", "client")
        client.send("SEND", {"destination": f"{topic}/a"}, "x")
        found = [client.message() for _ in range(3)]
        self.assertEqual(sorted(one["subscription"] for one in found), ["1", "2", "3"])
        self.assertEqual(len({one["message-id"] for one in found}), 3)

    def test_unsubscribe_ends_one(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic, "1")
        client.subscribe(topic, "2")
        client.receipt("UNSUBSCRIBE", {"id": "1"})
        client.send("SEND", {"destination": topic}, "x")
        self.assertEqual(client.message()["subscription"], "2")
        client.expect_silence()
        client.send("UNSUBSCRIBE", {"id": "1"})
        client.expect_error()

    def test_missing_headers_are_errors(self):
        for command, headers in (("SEND", {}), ("SUBSCRIBE", {"id": "1"}),
                                 ("SUBSCRIBE", {"destination": "a"}), ("UNSUBSCRIBE", {}),
                                 ("ACK", {}), ("NACK", {}), ("BEGIN", {}), ("COMMIT", {}),
                                 ("ABORT", {}),
                                 ("SUBSCRIBE", {"id": "1", "destination": "a", "ack": "maybe"}),
                                 ("SUBSCRIBE", {"id": "1", "destination": "a/#/b"})):
            with self.subTest(command=command, headers=headers):
                client = self.stomp()
                client.send(command, {**headers, "receipt": "r"})
                self.assertEqual(client.expect_error()["receipt-id"], "r")

    def test_1_0_needs_no_id(self):
        client, topic = self.stomp("1.0"), self.topic()
        client.receipt("SUBSCRIBE", {"destination": topic})
        client.send("SEND", {"destination": topic}, "x")
        self.assertNotIn("subscription", client.message().headers)
        client.receipt("UNSUBSCRIBE", {"destination": topic})
        client.send("SEND", {"destination": topic}, "x")
        client.expect_silence()

    def test_retained(self):
        client, topic = self.stomp(), self.topic()
        client.receipt("SEND", {"destination": topic, "retain": "true"}, "kept")
        other = self.stomp("1.1")
        found = [one for one in other.subscribe(topic)] or [other.message()]
        self.assertEqual((found[0].body, found[0]["retain"]), (b"kept", "true"))
        client.receipt("SEND", {"destination": topic, "retain": "true"}, "")
        self.stomp().subscribe(topic)
        last = self.stomp()
        self.assertEqual(last.subscribe(topic), [])
        last.expect_silence()

    def test_shared_subscriptions_share(self):
        topic = self.topic()
        members = [self.stomp(), self.stomp("1.1")]
        for member in members:
            member.subscribe(f"$share/g/{topic}")
        sender = self.stomp()
        for number in range(10):
            sender.send("SEND", {"destination": topic}, str(number))
        got = [member.message().body for member in members for _ in range(5)]
        self.assertEqual(sorted(got), [b"%d" % number for number in range(10)])

    def test_the_alias_of_destinations(self):
        broker = self.stomp_broker(stomp__destination__alias="/topic/")
        client, topic = self.stomp("1.2", broker), self.topic()
        mqtt = self.client(where=broker.address)
        mqtt.subscribe(topic)
        client.subscribe(f"/topic/{topic}", "1")
        client.send("SEND", {"destination": f"/topic/{topic}"}, "x")
        self.assertEqual(client.message()["destination"], topic)
        self.assertEqual(mqtt.message().payload, b"x")


class WithMqtt(StompTest):
    """Messages to and from MQTT; docs/protocols/translation.md."""

    def test_to_mqtt_5(self):
        broker = self.stomp_broker()
        mqtt, topic = self.client(mqtt_wire.V5, where=broker.address), self.topic()
        mqtt.subscribe(topic, qos=2)
        client = self.stomp()
        client.send("SEND", {"destination": topic, "content-type": "text/plain",
                             "reply-to": "answers/1", "correlation-id": "42", "expires": "100",
                             "qos": "1", "payload-format-indicator": "1", "color": "red"}, "hello")
        found = mqtt.message()
        self.assertEqual((found.payload, found.qos), (b"hello", 1))
        properties = dict(found.properties)
        self.assertEqual(properties["content_type"], "text/plain")
        self.assertEqual(properties["response_topic"], "answers/1")
        self.assertEqual(properties["correlation_data"], b"42")
        self.assertEqual(properties["payload_format"], 1)
        self.assertIn(properties["message_expiry"], (99, 100))
        self.assertEqual([value for name, value in found.properties if name == "user_property"],
                         [("color", "red")])

    def test_from_mqtt_5(self):
        broker = self.stomp_broker()
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic, "1")
        mqtt = self.client(mqtt_wire.V5, where=broker.address)
        mqtt.publish(topic, b"\xff\0", 1, properties=[
            ("content_type", "image/png"), ("response_topic", "r"), ("correlation_data", b"\xff"),
            ("message_expiry", 50), ("user_property", ("k", "v")), ("user_property", ("k", "w"))])
        found = client.message()
        self.assertEqual(found.body, b"\xff\0")
        self.assertEqual(found["content-type"], "image/png")
        self.assertEqual(found["reply-to"], "r")
        self.assertEqual(found["correlation-id-base64"], "/w==")
        self.assertIn(found["expires"], ("49", "50"))
        self.assertEqual(found["qos"], "1")
        self.assertEqual([value for name, value in found.all if name == "k"], ["v", "w"])

    def test_one_queue_for_both(self):
        broker, name, topic = self.stomp_broker(), self.name(), self.topic()
        client = self.stomp("1.2", client_id=name)
        client.subscribe(topic, "1", "client", durable="true")
        client.receipt("DISCONNECT")
        sender = self.client(where=broker.address)
        sender.publish(topic, b"1", 1)
        mqtt = self.open(mqtt_wire.V311, where=broker.address)
        connack = mqtt.connect(name, clean=False)
        self.assertTrue(connack.session_present)
        self.assertEqual(mqtt.message().payload, b"1")


class Acknowledging(StompTest):
    """ACK, NACK, and SUBSCRIBE's ack header."""

    def ack(self, client, message, command="ACK", **more):
        if client.version == "1.2":
            return client.receipt(command, {"id": message["ack"], **more})
        headers = {"message-id": message["message-id"], **more}
        if client.version == "1.1":
            headers["subscription"] = message["subscription"]
        return client.receipt(command, headers)

    @versions("1.1", "1.2")
    def test_nack_brings_it_again(self, version):
        client, topic = self.stomp(version), self.topic()
        client.subscribe(topic, "1", "client-individual")
        client.send("SEND", {"destination": topic}, "x")
        first = client.message()
        self.assertEqual("ack" in first.headers, version == "1.2")
        again = (self.ack(client, first, "NACK") or [client.message()])[0]
        self.assertEqual((again.body, again["redelivered"]), (b"x", "true"))
        self.assertEqual(self.ack(client, again), [])
        client.expect_silence()

    @versions("1.1", "1.2")
    def test_individual_and_cumulative(self, version):
        for mode, left in (("client-individual", [b"0", b"1", b"3"]), ("client", [b"3"])):
            name, topic = self.name(mode), self.topic(mode)
            client = self.stomp(version, client_id=name)
            client.subscribe(topic, "1", mode, durable="true")
            for number in range(4):
                client.send("SEND", {"destination": topic}, str(number))
            got = [client.message() for _ in range(4)]
            self.ack(client, got[2])
            client.close()
            again = self.stomp(version, client_id=name)
            found = again.subscribe(topic, "1", mode, durable="true")
            while len(found) < len(left):
                found.append(again.message())
            self.assertEqual([one.body for one in found], left)
            self.assertTrue(all(one["redelivered"] == "true" for one in found))

    def test_a_lost_consumer_of_a_group_gives_its_messages_to_others(self):
        topic = self.topic()
        first = self.stomp()
        first.subscribe(f"$queue/{topic}", "1", "client")
        sender = self.stomp()
        for number in range(5):
            sender.send("SEND", {"destination": topic}, str(number))
        for _ in range(5):
            first.message()
        second = self.stomp()
        second.subscribe(f"$queue/{topic}", "1", "client")
        first.close()
        self.assertEqual(sorted(second.message().body for _ in range(5)),
                         [b"%d" % number for number in range(5)])

    def test_unknown_ids_are_errors(self):
        for version, headers in (("1.2", {"id": "nonsense"}), ("1.2", {"message-id": "1"}),
                                 ("1.1", {"message-id": "1", "subscription": "1"}),
                                 ("1.1", {"message-id": "1"}), ("1.0", {"message-id": "1"})):
            client = self.stomp(version)
            client.send("ACK", {**headers, "receipt": "9"})
            self.assertEqual(client.expect_error()["receipt-id"], "9")

    def test_1_0_has_no_nack(self):
        client = self.stomp("1.0")
        client.send("NACK", {"message-id": "1"})
        client.expect_error()

    def test_an_old_connections_id_is_refused(self):
        name, topic = self.name(), self.topic()
        client = self.stomp("1.2", client_id=name)
        client.subscribe(topic, "1", "client", durable="true")
        client.send("SEND", {"destination": topic}, "x")
        old = client.message()
        client.close()
        again = self.stomp("1.2", client_id=name)
        found = again.subscribe(topic, "1", "client", durable="true") or [again.message()]
        self.assertNotEqual(found[0]["ack"], old["ack"])
        again.send("ACK", {"id": old["ack"]})
        again.expect_error()


class Transactions(StompTest):
    """BEGIN, COMMIT, ABORT."""

    def test_commit(self):
        client, reader, topic = self.stomp(), self.stomp("1.1"), self.topic()
        reader.subscribe(topic)
        client.receipt("BEGIN", {"transaction": "t:1"})
        for number in range(10):
            client.receipt("SEND", {"destination": topic, "transaction": "t:1"}, str(number))
        reader.expect_silence(0.1)
        client.receipt("COMMIT", {"transaction": "t:1"})
        self.assertEqual([reader.message().body for _ in range(10)],
                         [b"%d" % number for number in range(10)])

    def test_abort_and_loss(self):
        client, reader, topic = self.stomp(), self.stomp(), self.topic()
        reader.subscribe(topic)
        client.receipt("BEGIN", {"transaction": "t"})
        client.receipt("SEND", {"destination": topic, "transaction": "t"}, "no")
        client.receipt("ABORT", {"transaction": "t"})
        client.receipt("BEGIN", {"transaction": "t"})
        client.receipt("SEND", {"destination": topic, "transaction": "t"}, "no")
        client.close()
        reader.expect_silence()

    def test_acks_in_a_transaction(self):
        client, topic = self.stomp("1.2", client_id=self.name()), self.topic()
        client.subscribe(topic, "1", "client-individual", durable="true")
        client.send("SEND", {"destination": topic}, "x")
        found = client.message()
        client.receipt("BEGIN", {"transaction": "t"})
        client.receipt("ACK", {"id": found["ack"], "transaction": "t"})
        client.receipt("ABORT", {"transaction": "t"})
        client.close()
        again = self.stomp("1.2", client_id=self.name())
        found = (again.subscribe(topic, "1", "client", durable="true") or [again.message()])[0]
        again.receipt("BEGIN", {"transaction": "t"})
        again.receipt("ACK", {"id": found["ack"], "transaction": "t"})
        again.receipt("COMMIT", {"transaction": "t"})
        again.close()
        last = self.stomp("1.2", client_id=self.name())
        self.assertEqual(last.subscribe(topic, "1", "client", durable="true"), [])
        last.expect_silence()

    def test_wrong_use(self):
        for frames in ([("BEGIN", "t"), ("BEGIN", "t")], [("COMMIT", "t")], [("ABORT", "t")],
                       [("BEGIN", "t"), ("COMMIT", "t"), ("COMMIT", "t")]):
            client = self.stomp()
            for command, name in frames:
                client.send(command, {"transaction": name})
            client.expect_error()
        client = self.stomp()
        client.send("SEND", {"destination": "a", "transaction": "t"})
        client.expect_error()

    def test_bounds(self):
        broker = self.stomp_broker(stomp__transaction__max_open=2, stomp__transaction__timeout="1s",
                                   stomp__transaction__max_bytes="64KB")
        client = self.stomp("1.2", broker)
        for number in range(3):
            client.send("BEGIN", {"transaction": number})
        client.expect_error()
        client = self.stomp("1.2", broker)
        client.send("BEGIN", {"transaction": "t"})
        for _ in range(3):
            client.send("SEND", {"destination": "a", "transaction": "t"}, "x" * 30000)
        client.expect_error()
        client = self.stomp("1.2", broker)
        client.receipt("BEGIN", {"transaction": "t"})
        client.expect_error(5)


class Durable(StompTest):
    """RECEIPT is what PUBACK is, and COMMIT all or nothing: kill -9 is survived."""

    def test_kill_loses_nothing_that_was_receipted(self):
        broker, name, topic = self.own_broker(), self.name(), self.topic()
        client = self.stomp("1.2", broker, client_id=name)
        client.subscribe(topic, "1", "client", durable="true")
        client.subscribe(topic + "/passing", "2", "client")
        client.receipt("DISCONNECT")
        sender = self.stomp("1.2", broker)
        for number in range(20):
            sender.receipt("SEND", {"destination": topic}, str(number))
        sender.receipt("BEGIN", {"transaction": "a"})
        for number in range(20, 30):
            sender.receipt("SEND", {"destination": topic, "transaction": "a"}, str(number))
        sender.receipt("COMMIT", {"transaction": "a"})
        sender.receipt("BEGIN", {"transaction": "b"})
        sender.receipt("SEND", {"destination": topic, "transaction": "b"}, "never")
        broker.kill()
        broker._start()
        client = self.stomp("1.2", broker, client_id=name)
        self.assertEqual(client.connected["session-present"], "true")
        found = client.subscribe(topic, "new", "client", durable="true")
        while len(found) < 30:
            found.append(client.message())
        self.assertEqual([one.body for one in found], [b"%d" % number for number in range(30)])
        client.receipt("ACK", {"id": found[-1]["ack"]})
        client.receipt("DISCONNECT")
        client = self.stomp("1.2", broker, client_id=name)
        self.assertEqual(client.subscribe(topic, "new", "client", durable="true"), [])
        client.expect_silence()


class Costs(StompTest):
    """What a client may cost before and after its login."""

    def refused(self, client, pieces):
        """Sends until the server refuses; how many bytes it took, and the ERROR."""
        sent = 0
        try:
            for piece in pieces:
                client.raw(piece)
                sent += len(piece)
        except OSError:
            pass
        return sent, client.expect_closed()

    def test_50_000_headers_before_the_login(self):
        start = time.monotonic()
        sent, frames = self.refused(self.raw(), ["CONNECT\n"] + ["a:b\n" * 100] * 500)
        self.assertEqual([one.command for one in frames], ["ERROR"])
        self.assertLess(time.monotonic() - start, 5)

    def test_50_000_headers_after_it(self):
        client = self.stomp()
        _, frames = self.refused(client, ["SEND\nreceipt:1\n"] + ["a:b\n" * 100] * 500)
        self.assertEqual([one.command for one in frames], ["ERROR"])
        self.assertEqual(frames[0]["receipt-id"], "1")

    def test_a_gigabyte_that_is_announced(self):
        broker = self.stomp_broker()
        for login in (True, False):
            client = self.stomp() if login else self.raw()
            before = broker.memory()
            client.raw(f"{'SEND' if login else 'CONNECT'}\ndestination:a\nreceipt:1\n"
                       "content-length:1000000000\n\n")
            self.assertEqual(client.expect_error()["receipt-id"], "1")
            self.assertLess(broker.memory() - before, 20 << 20)

    def test_lines_and_bodies_without_end(self):
        for start, piece in (("SEND\nx:", "y" * 1000), ("SEND\ndestination:a\n\n", "y" * 10000)):
            client = self.stomp()
            sent, frames = self.refused(client, [start] + [piece] * 1000)
            self.assertEqual([one.command for one in frames], ["ERROR"])
        sent, frames = self.refused(self.raw(), ["CONNECT\npasscode:", *["y" * 1000] * 1000])
        self.assertEqual([one.command for one in frames], ["ERROR"])

    def test_exact_limits(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        body = b"x" * (1 << 20)
        client.send("SEND", {"destination": topic}, body)
        self.assertEqual(len(client.message().body), 1 << 20)
        client.send("SEND", {"destination": topic, "x" * 4095: "y" * 4096})
        self.assertEqual(client.message()["x" * 4095], "y" * 4096)
        client.send("SEND", [("destination", topic)] + [(f"h{n}", n) for n in range(49)])
        self.assertEqual(client.message()["h48"], "48")
        for wrong in (stomp.encode("SEND", {"destination": topic}, body + b"y"),
                      stomp.encode("SEND", {"destination": topic, "x" * 4096: "y" * 4096}),
                      stomp.encode("SEND", [("destination", topic)] + [(f"h{n}", n) for n in range(50)])):
            other = self.stomp()
            other.raw(wrong)
            other.expect_error()

    def test_a_slow_drip_ends_with_the_time_for_the_login(self):
        broker = self.stomp_broker(mqtt__client__idle_timeout="1s")
        client = self.raw(broker)
        start = time.monotonic()
        octets = iter("CONNECT\n" + "a:b\n" * 10000)
        with self.assertRaises((stomp.Closed, OSError)):
            while time.monotonic() < start + 10:
                client.raw(next(octets))
                try:
                    found = client.recv(0.05)
                    self.assertEqual(found.command, "ERROR")
                except stomp.Timeout:
                    pass
        self.assertLess(time.monotonic() - start, 5)

    def test_a_large_frame_in_small_pieces_costs_no_more_than_a_whole_one(self):
        client, topic = self.stomp(), self.topic()
        client.subscribe(topic)
        start = time.monotonic()
        client.raw(f"SEND\ndestination:{topic}\n\n")
        for _ in range(10000):
            client.raw("0123456789" * 10)
        client.raw("\0")
        self.assertEqual(len(client.message(60).body), 1000000)
        self.assertLess(time.monotonic() - start, 20)

    def test_many_half_frames_hold_only_what_they_sent(self):
        broker = self.stomp_broker()
        before = broker.memory()
        clients = [self.raw() for _ in range(200)]
        for client in clients:
            client.raw("CONNECT\nlogin:" + "x" * 100)
        self.stomp().receipt("SEND", {"destination": "a"})
        self.assertLess(broker.memory() - before, 20 << 20)

    def test_receipts_that_nobody_reads_stop_the_client(self):
        broker = self.stomp_broker()
        client = self.stomp()
        before = broker.memory()
        client.socket.settimeout(1)
        frame = stomp.encode("SEND", {"destination": "a", "receipt": "r" * 4000}) * 50
        sent = 0
        try:
            while sent < 500 << 20:
                sent += client.socket.send(frame)
        except TimeoutError:
            pass
        self.assertLess(sent, 200 << 20)
        if not harness.sanitized():
            self.assertLess(broker.memory() - before, 50 << 20)


class Stopping(StompTest):

    def test_clients_are_told(self):
        broker = self.own_broker()
        client = self.stomp("1.2", broker)
        code = []
        thread = threading.Thread(target=lambda: code.append(broker.terminate()))
        thread.start()
        self.assertEqual(client.expect_error()["message"], "server shutting down")
        client.close()
        thread.join()
        self.assertEqual(code, [0])


if __name__ == "__main__":
    harness.main()
