"""MQTT over WebSocket: the upgrade, each rule of RFC 6455, limits, and what proxies may tell."""

import socket
import struct
import threading
import time

import auth_tools
import harness
import mqtt_wire as wire
import ws_wire
from harness import MqttTest, class_port, free_port, wait_until
from ws_wire import BINARY, CLOSE, PING, PONG, TEXT, WebSocket, frame


class WsTest(MqttTest):
    """Beside the TCP listener of every test there is one for WebSocket, at `self.where`."""

    more = {}

    def setUp(self):
        super().setUp()
        port = class_port(type(self))
        self.where = ("127.0.0.1", port)
        self.settings = {"listener.ws.default": f"127.0.0.1:{port}", **self.more}
        self.broker()

    def web(self, **more):
        found = WebSocket(self.where, **more)
        self._clients.append(found)
        return found

    def mqtt(self, **more):
        """A connected MQTT client in a WebSocket."""
        link = self.web(**more)
        link.send(wire.connect(self.name(f"-{len(self._clients)}")))
        self.assertEqual(link.recv(), (BINARY, b"\x20\x02\x00\x00"))
        return link

    def status_of(self, raw):
        """The status that the bytes of a request get."""
        stream = ws_wire.Stream(ws_wire.connect(self.where))
        try:
            stream.socket.sendall(raw)
            return ws_wire.read_response(stream)
        finally:
            stream.socket.close()


class Upgrade(WsTest):

    def test_subprotocols(self):
        for offered, granted in (("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("x, mqtt", "mqtt"),
                                 ("mqttv3.1.1, mqtt", "mqttv3.1.1")):
            with self.subTest(offered):
                self.assertEqual(self.web(protocols=offered).protocol, granted)

    def test_statuses(self):
        request = lambda **more: ws_wire.upgrade_request(self.where, **more)
        rows = [
            (404, request(path="/other")),
            (404, request(path="/mqtt/x")),
            (405, request().replace(b"GET", b"POST")),
            (405, request().replace(b"GET", b"BREW")),
            (426, request(Upgrade=None, Connection=None)),
            (426, b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"),
            (426, request(Sec_WebSocket_Version="12")),
            (426, request(Sec_WebSocket_Version=None)),
            (400, request(Connection=None)),
            (400, request(Sec_WebSocket_Key=None)),
            (400, request(Sec_WebSocket_Key="short")),
            (400, request(protocols=None)),
            (400, request(protocols="soap")),
            (400, request().replace(b"HTTP/1.1", b"HTTP/1.0")),
            (400, request(Host=None)),
            (403, request(Origin="https://evil.example")),
            (431, request(Cookie="x" * 9000)),
            (505, request().replace(b"HTTP/1.1", b"HTTP/2.0")),
            (400, b"nonsense\r\n\r\n"),
            (400, wire.connect("x")),
        ]
        for status, raw in rows:
            with self.subTest(raw[:80]):
                response = self.status_of(raw)
                self.assertEqual(response.status, status)
                if status == 405:
                    self.assertEqual(response.fields["allow"], "GET")
                if status == 426:
                    self.assertEqual(response.fields["sec-websocket-version"], "13")
                    self.assertEqual(response.fields["upgrade"].lower(), "websocket")

    def test_query_and_case(self):
        self.web(path="/mqtt?token=a", Upgrade="WebSocket", Connection="keep-alive, UPGRADE")

    def test_connection_goes_on_after_an_error(self):
        stream = ws_wire.Stream(ws_wire.connect(self.where))
        for _ in range(3):
            self.assertEqual(ws_wire.request(self.where, "GET", "/x", stream=stream).status, 404)
        upgraded = ws_wire.upgrade_request(self.where)
        stream.socket.sendall(upgraded)
        self.assertEqual(ws_wire.read_head(stream)[0], 101)
        stream.socket.close()

    def test_frames_may_come_with_the_request(self):
        stream = ws_wire.Stream(ws_wire.connect(self.where))
        stream.socket.sendall(ws_wire.upgrade_request(self.where) + frame(PING, b"?") +
                              frame(BINARY, wire.connect(self.name())))
        self.assertEqual(ws_wire.read_head(stream)[0], 101)
        found = stream.take(3 + 6, time.monotonic() + 10)
        self.assertEqual(found, b"\x8a\x01?" + b"\x82\x04\x20\x02\x00\x00")
        stream.socket.close()

    def test_origins_of_the_same_host(self):
        for origin in ("http://127.0.0.1", "https://127.0.0.1:9999", "http://localhost:3000"):
            self.web(Origin=origin)
        for origin in ("null", "http://127.0.0.1.evil.example", "http://evil.example", "x"):
            with self.assertRaises(ws_wire.HttpError) as caught:
                self.web(Origin=origin)
            self.assertEqual(caught.exception.response.status, 403)


class Timeouts(WsTest):
    more = {"listener.ws.default.request_timeout": "1s", "mqtt.broker.sys_interval": "1s"}

    def test_refusals_are_counted(self):
        ws_wire.request(self.where, "GET", "/nothing")
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/metrics/http/refused/404")
        wait_until(lambda: int(watcher.message().payload) >= 1, "counted")

    def test_broken_rules_are_counted_by_code(self):
        link = self.web()
        link.send_raw(frame(TEXT, b"x"))
        self.assertEqual(link.expect_close(1003), [])
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/metrics/websocket/failed/1003")
        wait_until(lambda: int(watcher.message().payload) >= 1, "counted")

    def test_shutdown_says_1001(self):
        broker = harness.Broker(**dict(self.settings) | {
            "listener.ws.default": f"127.0.0.1:{(port := free_port())}"})
        self.addCleanup(broker.stop)
        link = WebSocket(("127.0.0.1", port))
        self._clients.append(link)
        link.send(wire.connect("stays", version=wire.V5))
        self.assertEqual(link.recv()[1][0], 0x20)
        broker.terminate(wait=False)
        self.assertEqual(link.expect_close(1001), [(BINARY, b"\xe0\x01\x8b")])

    def test_drip_is_cut_off(self):
        connected = ws_wire.connect(self.where)
        stream = ws_wire.Stream(connected)
        start = time.monotonic()
        done = threading.Event()
        first, *others = ws_wire.upgrade_request(self.where)
        connected.sendall(bytes([first]))  # who says nothing is closed without an answer

        def drip():
            for byte in others:
                if done.wait(0.05):
                    return
                try:
                    connected.sendall(bytes([byte]))
                except OSError:
                    return
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertEqual(ws_wire.read_response(stream).status, 408)
            self.assertLess(time.monotonic() - start, 5)
        finally:
            done.set()
            thread.join()
            connected.close()

    def test_silence_is_closed(self):
        connected = ws_wire.connect(self.where)
        self.assertEqual(ws_wire.Stream(connected).take_rest(time.monotonic() + 10), b"")
        connected.close()


class Frames(WsTest):
    more = {"listener.ws.default.max_frame_size": "64KB", "mqtt.max_packet_size": "1MB"}

    def test_packets_are_cut_and_joined_at_will(self):
        link = self.web()
        packet = wire.connect(self.name())
        for byte in packet:
            link.send(bytes([byte]))
        self.assertEqual(link.recv(), (BINARY, b"\x20\x02\x00\x00"))
        topic = self.topic()
        two = wire.subscribe(1, [(topic, 1)]) + wire.publish(topic, b"a") + wire.publish(topic, b"b")
        link.send_raw(frame(BINARY, two[:9], final=False) + frame(PING, b"p") +
                      frame(0, b"", final=False) + frame(0, two[9:]))
        data, pongs = b"", []
        wanted = len(wire.publish(topic, b"a")) * 2 + 5
        while len(data) < wanted:
            opcode, payload = link.recv()
            if opcode == PONG:
                pongs.append(payload)
            else:
                self.assertEqual(opcode, BINARY)
                data += payload
        self.assertEqual(pongs, [b"p"])
        self.assertTrue(data.startswith(b"\x90\x03\x00\x01"))

    def test_a_packet_larger_than_a_frame_may_be(self):
        link, topic = self.mqtt(), self.topic()
        packet = wire.publish(topic, b"x" * 300_000, qos=1, packet_id=7)
        for at in range(0, len(packet), 60_000):
            link.send(packet[at:at + 60_000])
        self.assertEqual(link.recv(), (BINARY, b"\x40\x02\x00\x07"))

    def test_broken_rules(self):
        rows = [
            (1002, frame(BINARY, b"x", mask=b""), "unmasked"),
            (1002, frame(BINARY, b"x", reserved=0x40), "RSV1"),
            (1002, frame(BINARY, b"x", reserved=0x20), "RSV2"),
            (1002, frame(BINARY, b"x", reserved=0x10), "RSV3"),
            (1002, frame(3, b"x"), "reserved opcode"),
            (1002, frame(11, b"x"), "reserved control opcode"),
            (1002, frame(PING, b"x", final=False), "fragmented ping"),
            (1002, frame(PING, b"x" * 126), "long ping"),
            (1002, frame(0, b"x"), "continuation of nothing"),
            (1002, frame(BINARY, b"", final=False) + frame(BINARY, b""), "message in a message"),
            (1002, frame(CLOSE, b"x"), "close code of one byte"),
            (1002, ws_wire.close_frame(1005), "close code not for the wire"),
            (1007, frame(CLOSE, b"\x03\xe8\xff"), "close reason not UTF-8"),
            (1003, frame(TEXT, b"x"), "text"),
            (1009, frame(BINARY, b"", length=65537), "frame too large"),
            (1009, frame(BINARY, b"", length=1 << 30), "1 GB is announced"),
            (1009, frame(BINARY, b"", length=(1 << 63) - 1), "8 EB are announced"),
            (1002, frame(BINARY, b"", length=1 << 63), "length with 64 bits"),
        ]
        for code, raw, why in rows:
            for established in (False, True):
                with self.subTest(why=why, established=established):
                    link = self.mqtt() if established else self.web()
                    link.send_raw(raw)
                    self.assertEqual(link.expect_close(code), [])
                    link.close()

    def test_close_is_answered(self):
        for code in (1000, 1001, 3000, 4999):
            link = self.mqtt()
            link.send_raw(ws_wire.close_frame(code, "bye"))
            self.assertEqual(link.expect_close(code), [])
        link = self.web()
        link.send_raw(frame(CLOSE))
        self.assertEqual(link.expect_close(), [])

    def test_our_close(self):
        link = self.mqtt()
        link.send(wire.disconnect())
        self.assertEqual(link.expect_close(1000), [])
        link = self.mqtt()
        link.send(b"\x00\x00")
        self.assertEqual(link.expect_close(1000), [])

    def test_pings(self):
        link = self.web()
        for payload in (b"", b"x", b"\x00\xff" * 62 + b"!"):
            link.send(payload, PING)
            self.assertEqual(link.recv(), (PONG, payload))
        link.send(b"unasked", PONG)
        link.send_raw(b"".join(frame(PING, bytes([i])) for i in range(50)))
        self.assertEqual([link.recv() for _ in range(50)],
                         [(PONG, bytes([i])) for i in range(50)])

    def test_a_close_is_a_lost_connection_to_mqtt(self):
        topic = self.topic()
        watcher = self.client()
        watcher.subscribe(topic)
        link = self.web()
        link.send(wire.connect(self.name("-w"), will=wire.Will(topic, b"gone")))
        link.recv()
        link.send_raw(ws_wire.close_frame(1000))
        self.assertEqual(watcher.message().payload, b"gone")

    def test_deliveries_of_a_turn_are_one_frame(self):
        link, topic = self.mqtt(), self.topic()
        link.send(wire.subscribe(1, [(topic, 0)]))
        link.recv()
        publisher = self.client()
        publisher.send(*[wire.publish(topic, b"%d" % i) for i in range(200)])
        got, frames = b"", 0
        while got.count(topic.encode()) < 200:
            got += link.recv()[1]
            frames += 1
        self.assertLess(frames, 100)


class Limits(WsTest):

    def test_announced_sizes_cost_nothing(self):
        self.broker()
        links = [self.web() for _ in range(50)]
        before = self.broker().memory()
        for link in links:
            link.send_raw(frame(BINARY, b"\x10\xff\xff\xff\x7f" + b"x" * 64, length=15 << 20))
        self.assertIn(1000, [self.closing_code(link) for link in links])
        self.assertLess(self.broker().memory() - before, 20 << 20)

    @staticmethod
    def closing_code(link):
        while True:
            opcode, payload = link.recv()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0]

    @harness.waits(20)
    @harness.measures("bytes an upgrade, and how long a PING waits")
    def test_many_half_open_upgrades_are_bounded_and_delay_nobody(self):
        with self.client() as regular:
            regular.ping()
            before = self.broker().memory()
            crowd = []
            try:
                for i in range(10_000):
                    one = ws_wire.connect(self.where, source=f"127.0.{1 + i // 5000}.1")
                    one.sendall(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200)
                    crowd.append(one)
                slowest = 0.0
                for _ in range(20):
                    start = time.monotonic()
                    regular.ping()
                    slowest = max(slowest, time.monotonic() - start)
                grown = self.broker().memory() - before
                self.assertLess(grown, 10_000 * 4096, "bytes for 10,000 half-open upgrades")
                self.assertLess(slowest, 1.0)
            finally:
                for one in crowd:
                    one.close()

    def test_pings_whose_pongs_nobody_reads(self):
        before = self.broker().memory()
        link = self.web()
        link.socket.settimeout(1)
        flood = frame(PING, b"x" * 125) * 1000
        try:
            for _ in range(400):  # 52 MB
                link.socket.sendall(flood)
        except socket.timeout:
            pass
        self.assertLess(self.broker().memory() - before, 20 << 20)


class WithoutProtocol(WsTest):
    more = {"mqtt.websocket_protocol_header": "off", "listener.ws.default.path": "/ws",
            "listener.ws.default.origins": "https://app.example, https://*.example.org"}

    def test_none_is_needed(self):
        link = self.web(path="/ws", protocols=None)
        self.assertIsNone(link.protocol)
        link.send(wire.connect(self.name()))
        self.assertEqual(link.recv()[1], b"\x20\x02\x00\x00")
        self.assertEqual(self.web(path="/ws", protocols="mqtt").protocol, "mqtt")

    def test_listed_origins(self):
        for origin in ("https://app.example", "https://a.example.org", "https://127.0.0.1"):
            self.web(path="/ws", Origin=origin)
        for origin in ("http://app.example", "https://example.org", "https://app.example:444"):
            with self.assertRaises(ws_wire.HttpError):
                self.web(path="/ws", Origin=origin)


class Near(WsTest):
    """Who is local, and may come in without a name."""
    more = {"allow_anonymous": "local"}

    def code(self, **fields):
        link = self.web(**fields)
        link.send(wire.connect(self.name()))
        return link.recv()[1][3]

    def test_a_page_by_name_is_not_local(self):
        """Anybody can let a name of his stand for 127.0.0.1, and his page is then of the same
        host (DNS rebinding)."""
        self.assertEqual(self.code(), 0)
        self.assertEqual(self.code(Host="broker.example"), 5, "whose name is that?")
        for origin in ("http://127.0.0.1:3000", "http://localhost"):
            self.assertEqual(self.code(Origin=origin), 0, origin)
        self.assertEqual(self.code(Host="evil.example:8083", Origin="http://evil.example:8083"), 5)


    def test_behind_a_proxy_nobody_is_local(self):
        """Also where nobody has told the gateway of the proxy."""
        for name in ("Forwarded", "X_Forwarded_For", "X_Forwarded_Proto", "X_Real_IP", "Via"):
            self.assertEqual(self.code(**{name: "127.0.0.1"}), 5, name)


class NearListed(Near):
    more = {**Near.more, "listener.ws.default.origins": "http://evil.example:8083"}

    def test_a_page_by_name_is_not_local(self):
        """A page that may connect is still not near."""
        self.assertEqual(self.code(Host="evil.example:8083", Origin="http://evil.example:8083"), 5)
        self.assertEqual(self.code(Origin="http://evil.example:8083"), 5)


class Forwarded(WsTest):
    more = {"listener.ws.default.trusted_proxies": "127.0.0.2/32,10.0.0.0/8",
            "allow_anonymous": "local", "listener.tcp.default.allow_anonymous": "true"}

    def peer_of(self, source, **fields):
        """The address that the broker sees, by its event; None when the client was refused."""
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/clients/#")
        connected = ws_wire.connect(self.where, source=source)
        link = self.web(connected=connected, **fields)
        name = self.name(source)
        link.send(wire.connect(name))
        answer = link.recv()[1]
        if answer != b"\x20\x02\x00\x00":
            return None
        while True:
            message = watcher.message()
            if f"/{name}/connected" in message.topic:
                return message.payload.decode()

    def test_a_stranger_is_not_believed(self):
        """But that somebody stands between is clear."""
        self.assertIsNone(self.peer_of("127.0.0.3", X_Forwarded_For="203.0.113.9"))

    def test_local_only_without_proxy(self):
        self.assertIn("127.0.0.1", self.peer_of("127.0.0.1"))
        self.assertIsNone(self.peer_of("127.0.0.2", X_Forwarded_For="203.0.113.9"))
        self.assertIsNone(self.peer_of("127.0.0.2", X_Forwarded_For="127.0.0.1"))
        self.assertIsNone(self.peer_of("127.0.0.2"))


class ForwardedAnonymous(Forwarded):
    more = {**Forwarded.more, "allow_anonymous": "true",
            "listener.ws.default.access.1": "deny 203.0.113.66"}

    def test_local_only_without_proxy(self):
        pass

    def test_a_stranger_is_not_believed(self):
        self.assertIn("127.0.0.3", self.peer_of("127.0.0.3", X_Forwarded_For="203.0.113.9"))

    def test_a_proxy_is_believed_as_far_as_it_sees(self):
        self.assertIn("203.0.113.9", self.peer_of("127.0.0.2", X_Forwarded_For="203.0.113.9"))
        self.assertIn("203.0.113.9", self.peer_of(
            "127.0.0.2", X_Forwarded_For="6.6.6.6, 203.0.113.9, 10.0.0.7"))
        self.assertIn("203.0.113.9", self.peer_of("127.0.0.2", X_Real_IP="203.0.113.9"))

    def test_access_rules_are_for_the_client(self):
        with self.assertRaises(ws_wire.HttpError) as caught:
            self.peer_of("127.0.0.2", X_Forwarded_For="203.0.113.66")
        self.assertEqual(caught.exception.response.status, 403)


class Cookies(WsTest):
    """Browsers prove by a cookie who their user is."""
    more = {"allow_anonymous": "false", "auth.cookie.name": "sid", "auth.cookie.secret": "s" * 16,
            "listener.ws.default.origins": "*"}

    def code(self, cookie, **fields):
        shown = fields.pop("shown", {})
        link = self.web(Cookie=cookie, **fields)
        link.send(wire.connect(self.name(f"-{len(self._clients)}"), **shown))
        return link.recv()[1][3], link

    def test_who_is_let_in(self):
        def cookie(seconds=100, secret="s" * 16):
            return auth_tools.cookie("sid", secret, "ann", seconds)
        self.assertEqual(self.code(cookie())[0], 0)
        self.assertEqual(self.code("a=b; " + cookie() + "; c=d")[0], 0)
        self.assertEqual(self.code(cookie(), Origin=f"http://127.0.0.1:{self.where[1]}")[0], 0)
        self.assertEqual(self.code(cookie(), shown={"username": "ann"})[0], 0)
        for wrong in (cookie(-1), cookie(secret="t" * 16), "sid="):
            self.assertEqual(self.code(wrong)[0], 4, wrong)
        self.assertEqual(self.code(cookie(), shown={"username": "bob"})[0], 4)
        # Of a page that anybody may have written the cookie is no proof.
        self.assertEqual(self.code(cookie(), Origin="https://evil.example")[0], 5)

    def test_the_connection_ends_with_it(self):
        code, link = self.code(auth_tools.cookie("sid", "s" * 16, "ann", 2))
        self.assertEqual(code, 0)
        link.expect_close(1000)


class ForwardedOften(WsTest):
    """How often somebody comes is counted by client, and not by the proxy."""
    more = {"listener.ws.default.trusted_proxies": "127.0.0.2/32", "door.exempt": "127.0.0.1/32",
            "door.address.connect_rate": "1", "door.address.connect_burst": "3"}

    def come(self, client, source="127.0.0.2"):
        fields = {"X_Forwarded_For": client} if client else {}
        return self.web(connected=ws_wire.connect(self.where, source=source), **fields)

    def test_rate(self):
        for number in range(8):
            self.come(f"203.0.{number}.9")
        for client in ("198.51.100.1", None):  # None: the proxy's own
            with self.assertRaises(ws_wire.HttpError) as caught:
                for _ in range(30):
                    self.come(client)
            self.assertEqual(caught.exception.response.status, 429)
        self.come("203.0.100.9")
        refused = auth_tools.metrics(self.broker())["door/refused/address_rate"]
        self.assertGreaterEqual(refused, 2)
        # Who is no proxy is counted when he connects, and not once more at his request.
        for _ in range(3):
            self.come("203.0.113.9", source="127.0.0.3")

    def test_bans(self):
        broker = self.broker()
        auth_tools.command(broker, "ban", "add", "--address", "203.0.113.77")
        with self.assertRaises(ws_wire.HttpError) as caught:
            self.come("203.0.113.77")
        self.assertEqual(caught.exception.response.status, 403)
        self.come("203.0.113.78")


if __name__ == "__main__":
    harness.main()
