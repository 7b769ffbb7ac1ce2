"""CoAP over UDP: messages, publishing, reading, observing, blocks, sessions; crossing with MQTT."""

import json
import os
import time

import harness
import coap_wire as coap
from coap_support import CoapTest
from coap_wire import ACK, CON, DELETE, GET, NON, POST, PUT, RST
from harness import ours_only, wait_until
from mqtt_wire import V5
from sn_support import metric


class Messages(CoapTest):

    @ours_only("CoAP")
    def test_piggybacked_and_non_confirmable(self):
        device = self.device()
        path = self.ps("a")
        found = device.put(path, "22.3 C", query="retain=1")
        self.assertEqual((found.kind, found.code), (ACK, "2.04"))
        found = device.get(path, token=b"\x20")
        self.assertEqual((found.kind, found.code, found.token, found.payload),
                         (ACK, "2.05", b"\x20", b"22.3 C"))
        found = device.get(path, kind=NON, token=b"")
        self.assertEqual((found.kind, found.code, found.payload), (NON, "2.05", b"22.3 C"))

    @ours_only("CoAP")
    def test_a_copy_is_done_once_and_answered_again(self):
        device = self.device()
        watcher = self.client(V5)
        watcher.subscribe(self.topic("#"), qos=1)
        request = device.request(PUT, self.ps("once"), payload=b"1")
        first = device.answer_to(request)
        second = device.answer_to(request)
        self.assertEqual((first.code, first.id), (second.code, second.id))
        self.assertEqual(watcher.recv().payload, b"1")
        self.assert_nothing_more(watcher)

    @ours_only("CoAP")
    def test_format_errors(self):
        device = self.device()
        for datagram in (b"\x40\x01\x00\x07\xff", b"\x49\x01\x00\x07" + b"x" * 9,
                         b"\x40\x20\x00\x07", b"\x40\xe0\x00\x07", b"\x40\x01\x00\x07\xf0",
                         b"\x40\x01\x00\x07\xb5ab", b"\x40\x00\x00\x07x", b"\x48\x01\x00\x07abc"):
            device.raw(datagram)
            found = device.recv()
            self.assertEqual((found.kind, found.code, found.id), (RST, "0.00", 7), datagram)
        for datagram in (b"", b"\x40", b"\x80\x01\x00\x07", b"\x50\x01\x00\x07\xff",
                         b"\x60\x00\x00\x07", b"\x70\x00\x00\x07", b"\x60\x01\x00\x07"):
            device.raw(datagram)
        self.assert_silent(device)

    @ours_only("CoAP")
    def test_options(self):
        device = self.device()
        path = self.ps("x")
        self.assertEqual(device.get(path, options=[(9, b"")]).code, "4.02")
        self.assertEqual(device.get(path, options=[(2049, b"1")]).code, "4.02")
        self.assertEqual(device.get(path, options=[(2050, b"1")]).code, "4.04")  # elective
        self.assertEqual(device.get(path, options=[(coap.ACCEPT, b"\0\0\0")]).code, "4.02")
        self.assertEqual(device.get(path, options=[(coap.PROXY_URI, b"coap://x/")]).code, "5.05")
        self.assertEqual(device.get(path, options=[(coap.URI_HOST, b"gateway"),
                                                   (coap.URI_PORT, b"\x16\x33")]).code, "4.04")
        self.assertEqual(device.ask(GET, path, kind=NON, options=[(9, b"")], message_id=99).id, 99)
        self.assertEqual(device.ask(coap.FETCH, path).code, "4.05")
        self.assertEqual(device.get("nothing/here").code, "4.04")
        self.assertEqual(device.get(path, query="qos=3").code, "4.00")
        self.assertEqual(device.put("ps/a/+", "x").code, "4.00")

    @ours_only("CoAP")
    def test_no_response(self):
        device = self.device()
        watcher = self.client(V5)
        watcher.subscribe(self.topic("#"))
        for mask, comes in ((b"\x02", False), (b"\x08", True), (b"", True)):
            device.raw(device.request(PUT, self.ps("n"), kind=NON, payload=b"x", token=b"n",
                                      options=[(coap.NO_RESPONSE, mask)]))
            watcher.recv()
            if comes:
                self.assertEqual(device.recv().code, "2.04")
            else:
                self.assert_silent(device)


class Values(CoapTest):

    @ours_only("CoAP")
    def test_etag_formats_and_conditions(self):
        device = self.device()
        path = self.ps("v")
        device.put(path, b"{}", query="retain=1", options=[(coap.CONTENT_FORMAT, b"\x32")])
        found = device.get(path)
        etag = found.one(coap.ETAG)
        self.assertEqual(found.number(coap.CONTENT_FORMAT), 50)
        self.assertEqual(found.number(coap.MAX_AGE), 60)
        valid = device.get(path, options=[(coap.ETAG, etag)])
        self.assertEqual((valid.code, valid.payload, valid.one(coap.ETAG)), ("2.03", b"", etag))
        self.assertEqual(device.get(path, options=[(coap.ACCEPT, b"")]).code, "4.06")
        self.assertEqual(device.get(path, options=[(coap.ACCEPT, b"\x32")]).code, "2.05")
        self.assertEqual(device.put(path, b"2", query="retain=1",
                                    options=[(coap.IF_NONE_MATCH, b"")]).code, "4.12")
        self.assertEqual(device.put(path, b"2", query="retain=1",
                                    options=[(coap.IF_MATCH, b"wrong")]).code, "4.12")
        self.assertEqual(device.put(path, b"2", query="retain=1",
                                    options=[(coap.IF_MATCH, etag)]).code, "2.04")
        self.assertEqual(device.ask(DELETE, path).code, "2.02")
        self.assertEqual(device.get(path).code, "4.04")

    @ours_only("CoAP")
    def test_crossing_with_mqtt(self):
        device = self.device()
        mqtt = self.client(V5)
        mqtt.subscribe(self.topic("#"), qos=2)
        device.put(self.ps("up"), b"<x/>", query=["qos=2", "retain=1", "expiry=100"],
                   options=[(coap.CONTENT_FORMAT, b"\x29")])
        found = mqtt.recv()
        self.assertEqual((found.topic, found.payload, found.qos),
                         (self.topic("up"), b"<x/>", 2))
        self.assertIn("application/xml", str(vars(found)))
        mqtt.publish(self.topic("down"), b"v", 1, retain=True)
        self.assertEqual(device.get("mqtt/" + self.topic("down").replace("/", "%2F")).payload, b"v")
        self.assertEqual(device.get("mqtt/" + self.topic("down")).payload, b"v")
        expiring = device.get(self.ps("up"))
        self.assertTrue(90 <= expiring.number(coap.MAX_AGE) <= 100)

    @ours_only("CoAP")
    def test_discovery(self):
        broker = self.own(coap__list_topics="on")
        device = self.device(broker)
        self.assertEqual(device.get(".well-known/core").number(coap.CONTENT_FORMAT), 40)
        for number in range(5):
            device.put(f"ps/d/{number}", "x", query="retain=1")
        links = device.get(".well-known/core").payload.decode()
        for wanted in ('</ps>;rt="core.ps"', '</mqtt>;rt="core.ps"', "</ps/d/4>"):
            self.assertIn(wanted, links)
        self.assertEqual(device.get(".well-known/core", query=["page=1", "count=2"]).payload.count(
            b"</ps/d/"), 2)
        self.assertNotIn(b"</ps/d", device.get(".well-known/core", query="rt=core.ps").payload)

    @ours_only("CoAP")
    def test_blocks_both_ways(self):
        body = os.urandom(65536)
        device = self.device()
        for size in (1024, 256, 64):
            with self.subTest(size):
                path = self.ps(f"b{size}")
                self.assertEqual(device.put_blocks(path, body, size, query="retain=1").code, "2.04")
                self.assertEqual(device.get_blocks(path, size), body)
        found = device.ask(PUT, self.ps("late"), payload=b"x" * 64,
                           options=[(coap.BLOCK1, coap.block(3, False, 64))])
        self.assertEqual(found.code, "4.08")

    @ours_only("CoAP")
    def test_too_large(self):
        broker = self.own(mqtt__max_packet_size="1KB")
        device = self.device(broker)
        found = device.put_blocks("ps/x", b"x" * 2000, 256)
        self.assertEqual((found.code, found.number(coap.SIZE1)), ("4.13", 1024))
        found = device.ask(PUT, "ps/x", payload=b"x" * 64, options=[
            (coap.BLOCK1, coap.block(0, True, 64)), (coap.SIZE1, coap.uint(5000))])
        self.assertEqual((found.code, found.number(coap.SIZE1)), ("4.13", 1024))


class Observing(CoapTest):

    @ours_only("CoAP")
    def test_sequence_and_reliability(self):
        device, mqtt = self.device(), self.client(V5)
        first = device.observe(self.ps("o"))
        self.assertEqual(first.code, "2.05")
        last = first.observe
        for number in range(20):
            mqtt.publish(self.topic("o"), b"%d" % number, number % 2)
        for number in range(20):
            found = device.notification()
            self.assertEqual((found.kind, found.payload, found.token),
                             (CON if number % 2 else NON, b"%d" % number, b"obs"))
            self.assertTrue(0 < (found.observe - last & 0xffffff) < 1 << 23)
            last = found.observe
        device.ask(GET, self.ps("o"), token=b"obs", options=[(coap.OBSERVE, b"\x01")])
        mqtt.publish(self.topic("o"), b"no more", 1)
        self.assert_silent(device)

    @ours_only("CoAP")
    def test_wildcards_name_their_topic(self):
        device, mqtt = self.device(), self.client(V5)
        mqtt.publish(self.topic("w/kept"), b"k", 1, retain=True)
        path = "ps/" + self.topic("w").replace("/", "%2F") + "/%23"
        self.assertEqual(device.observe(path).code, "2.05")
        found = device.notification()
        self.assertEqual((found.location, found.payload), (self.ps("w/kept"), b"k"))
        mqtt.publish(self.topic("w/a/b"), b"n", 1)
        self.assertEqual(device.notification().location, self.ps("w/a/b"))

    @ours_only("CoAP")
    def test_reset_ends_it(self):
        broker = self.own()
        device, mqtt = self.device(broker), self.client(V5, where=broker.address)
        for kind in (0, 1):
            with self.subTest(qos=kind):
                device.observe("ps/r")
                mqtt.publish("r", b"1", kind)
                device.reset(device.recv())
                device.ping()
                mqtt.publish("r", b"2", kind)
                self.assert_silent(device)
        self.assertEqual(metric(broker, "coap/observations/reset"), 2)
        self.assertEqual(metric(broker, "coap/observations"), 0)

    @ours_only("CoAP")
    def test_silence_ends_it_after_retransmissions(self):
        broker = self.own(coap__ack_timeout="100ms", coap__max_retransmit="2")
        device, mqtt = self.device(broker), self.client(V5, where=broker.address)
        device.observe("ps/s")
        mqtt.publish("s", b"1", 1)
        copies = [device.recv() for _ in range(3)]
        self.assertEqual(len({one.id for one in copies}), 1)
        wait_until(lambda: metric(broker, "coap/observations/lost") == 1, "given up")
        mqtt.publish("s", b"2", 1)
        self.assert_silent(device)
        self.assertEqual(metric(broker, "coap/observations"), 0)

    @ours_only("CoAP")
    def test_a_socket_that_vanishes(self):
        broker = self.own(coap__ack_timeout="100ms", coap__max_retransmit="2",
                          coap__keepalive="1s")
        gone, stays = self.device(broker), self.device(broker)
        mqtt = self.client(V5, where=broker.address)
        gone.observe("ps/v")
        stays.observe("ps/v")
        gone.close()
        for number in range(5):
            mqtt.publish("v", b"%d" % number, 1)
            self.assertEqual(stays.notification().payload, b"%d" % number)
        wait_until(lambda: metric(broker, "coap/observations") == 1, "the other one is gone")
        gone.move()

    @ours_only("CoAP")
    def test_notification_in_blocks(self):
        device, mqtt = self.device(), self.client(V5)
        body = os.urandom(20000)
        device.observe(self.ps("big"))
        mqtt.publish(self.topic("big"), body, 1)
        mqtt.publish(self.topic("big"), b"small", 1)
        first = device.notification()
        self.assertEqual(first.block(coap.BLOCK2), (0, True, 1024))
        self.assertEqual(device.get_blocks(self.ps("big"), first=first), body)
        self.assertEqual(device.notification().payload, b"small")


class Sessions(CoapTest):

    @ours_only("CoAP")
    def test_one_session_many_protocols(self):
        device = self.device()
        name = self.name()
        device.observe(self.ps("t"), query="c=" + name)
        taker = self.client(V5, client_id=name)  # takes the session over
        found = device.recv()
        self.assertEqual((found.code, found.token), ("5.03", b"obs"))
        taker.close()

    @ours_only("CoAP")
    def test_connection_moves(self):
        device, mqtt = self.device(), self.client(V5)
        name = self.name()
        found = device.ask(POST, "mqtt/connection", query=["clientid=" + name, "keepalive=60"])
        self.assertEqual(found.code, "2.01")
        who = ["clientid=" + name, "token=" + found.payload.decode()]
        self.assertEqual(device.observe(self.ps("m"), query=who).code, "2.05")
        mqtt.publish(self.topic("m"), b"1", 1)
        self.assertEqual(device.notification().payload, b"1")
        device.move()
        mqtt.publish(self.topic("m"), b"2", 1)  # goes to where it was
        self.assertEqual(device.ask(PUT, "mqtt/connection", query=who).code, "2.04")
        self.assertEqual(device.notification().payload, b"2")
        mqtt.publish(self.topic("m"), b"3", 1)
        self.assertEqual(device.notification().payload, b"3")
        self.assertEqual(device.ask(PUT, "mqtt/connection",
                                    query=["clientid=" + name, "token=00ff"]).code, "4.01")
        self.assertEqual(device.ask(DELETE, "mqtt/connection", query=who).code, "2.02")
        self.assertEqual(device.ask(PUT, "mqtt/connection", query=who).code, "4.01")

    @ours_only("CoAP")
    def test_queue_and_will_of_a_connection(self):
        broker = self.own(coap__ack_timeout="50ms", coap__max_retransmit="1")
        device, mqtt = self.device(broker), self.client(V5, where=broker.address)
        mqtt.subscribe("will/#", qos=1)
        query = ["clientid=q", "keepalive=1", "session_expiry=1000", "will_topic=will/q"]
        found = device.ask(POST, "mqtt/connection", query=query, payload=b"gone")
        who = ["clientid=q", "token=" + found.payload.decode()]
        device.observe("ps/q", query=who)
        self.assertEqual(mqtt.recv(timeout=20).payload, b"gone")
        for number in range(30):
            mqtt.publish("q", b"%d" % number, 1)
        broker.restart()
        device = self.device(broker)
        found = device.ask(POST, "mqtt/connection", query=query[:3])
        self.assertEqual(found.code, "2.01")
        who = ["clientid=q", "token=" + found.payload.decode()]
        device.observe("ps/q", query=who)
        self.assertEqual([device.notification().payload for _ in range(30)],
                         [b"%d" % number for number in range(30)])

    @ours_only("CoAP")
    def test_events_and_access(self):
        broker = self.own(**{"mqtt__broker__sys_interval": "1s"})
        watcher = self.client(V5, where=broker.address)
        watcher.subscribe("$SYS/brokers/+/clients/#")
        device = self.device(broker)
        device.put("ps/a", "1", query="c=dev-1")
        found = json.loads(watcher.recv().payload)
        self.assertEqual((found["clientid"], found.get("protocol")), ("dev-1", "CoAP"))
        self.assertEqual(device.put("ps/$SYS/x", "1").code, "4.03")

    @ours_only("CoAP")
    def test_login(self):
        broker = self.own(allow_anonymous="false")
        device = self.device(broker)
        self.assertEqual(device.put("ps/a", "1").code, "4.01")
        self.assertEqual(device.put("ps/a", "1", query=["c=x", "u=me", "p=bad"]).code, "4.01")
        self.assertEqual(device.observe("ps/a").code, "4.01")
        self.assertEqual(device.get("ps/a").code, "4.01")

    @ours_only("CoAP")
    def test_echo(self):
        broker = self.own(coap__echo="large")
        device = self.device(broker)
        self.assertEqual(device.put("ps/e", "x" * 1000, query="retain=1").code, "2.04")
        found = device.get("ps/e")
        self.assertEqual(found.code, "4.01")
        echo = found.one(coap.ECHO)
        self.assertEqual(device.get("ps/e", options=[(coap.ECHO, b"no")]).code, "4.01")
        self.assertEqual(device.get("ps/e", options=[(coap.ECHO, echo)]).payload, b"x" * 1000)
        other = self.device(broker)
        self.assertEqual(other.get("ps/e", options=[(coap.ECHO, echo)]).code, "4.01")


class Memory(CoapTest):

    @ours_only("CoAP")
    @harness.waits(10)
    @harness.measures("bytes an observer")
    def test_ten_thousand_observers(self):
        """On one topic: memory of each, and a notification that reaches them all."""
        broker = self.own(node__workers="1")
        device = self.device(broker)
        mqtt = self.client(V5, where=broker.address)
        count = 10000
        before = broker.memory()
        for number in range(count):
            token = number.to_bytes(4, "big")
            found = device.observe("ps/many", token=token, query=f"c=o{number}")
            self.assertEqual(found.code, "2.05")
        used = (broker.memory() - before) / count
        self.assertLess(used, 1024, "bytes an observer")
        mqtt.publish("many", b"x", 0)
        self.assertEqual(len({device.notification().token for _ in range(100)}), 100)


if __name__ == "__main__":
    harness.main()
