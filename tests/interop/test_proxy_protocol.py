"""The PROXY protocol in front of MQTT, TLS and WebSocket: who may send it, what is refused, and
that nobody becomes local by it."""

import socket
import ssl
import struct
import time

import harness
import mqtt_wire as wire
import pki
import ws_wire
from harness import MqttTest, free_port, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ACCEPTED = b"\x20\x02\x00\x00"


def v1(client="203.0.113.9", port=4711):
    return f"PROXY TCP4 {client} 10.0.0.1 {port} 1883\r\n".encode()


def v2(rest, command=1, family=0x11):
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(rest)) + rest


def v2_address(client="203.0.113.9", port=4711):
    return socket.inet_aton(client) + socket.inet_aton("10.0.0.1") + struct.pack(">HH", port, 1883)


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_checksum(address):
    blank = v2(address + tlv(3, bytes(4)))
    return blank[:-4] + struct.pack(">I", crc32c(blank))


class Proxied(MqttTest):
    """A proxied listener for tests, beside one of the usual kind to look on from."""

    settings = {
        "listener.tcp.proxied": "127.0.0.1:{proxied}",
        "listener.tcp.proxied.proxy_protocol": "on",
        "listener.tcp.proxied.proxy_protocol.trusted": "127.0.0.1/32",
        "listener.tcp.proxied.proxy_protocol_timeout": "1s",
        "listener.tcp.proxied.access.1": "deny 203.0.113.66",
        "mqtt.broker.sys_interval": "1s",
    }
    port = free_port()

    def setUp(self):
        super().setUp()
        self.settings = {key: value.replace("{proxied}", str(self.port))
                         for key, value in self.settings.items()}
        self.broker()

    def connect(self, header, source=None, name=None):
        client = self.open(where=("127.0.0.1", self.port), source=source)
        client.send(header + wire.connect(name or self.name(f"-{len(self._clients)}")))
        return client

    def address_seen(self, header):
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/clients/#")
        name = self.name("-seen")
        client = self.connect(header, name=name)
        self.assertEqual(client.recv().type, wire.CONNACK)
        while True:
            message = watcher.message()
            if f"/{name}/connected" in message.topic:
                return message.payload.decode()


class Headers(Proxied):

    def test_addresses(self):
        self.assertIn('"203.0.113.9"', self.address_seen(v1()))
        self.assertIn('2001:db8::7',
                      self.address_seen(b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n"))
        self.assertIn('"203.0.113.9"', self.address_seen(v2(v2_address())))
        self.assertIn('"203.0.113.9"', self.address_seen(
            v2(v2_address() + tlv(4, b"noop") + tlv(0xEA, b"own") + tlv(5, b"id"))))
        self.assertIn('"203.0.113.9"', self.address_seen(with_checksum(v2_address())))
        self.assertIn('2001:db8::8', self.address_seen(
            v2(socket.inet_pton(socket.AF_INET6, "2001:db8::8") + bytes(16) + bytes(4),
               family=0x21)))

    def test_the_proxys_own_connections(self):
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN x y\r\n", v2(b"", 0, 0),
                       v2(v2_address(), 0), v2(b"anything", 1, 0), v2(bytes(216), 1, 0x31)):
            with self.subTest(header):
                self.assertIn('"127.0.0.1"', self.address_seen(header))

    def test_a_header_in_pieces(self):
        for header in (v1(), with_checksum(v2_address())):
            client = self.open(where=("127.0.0.1", self.port))
            client.send_slowly(header + wire.connect(self.name(str(len(header)))))
            self.assertEqual(client.recv().type, wire.CONNACK)

    def test_wrong_headers(self):
        broken = with_checksum(v2_address())
        for header in (b"", b"PROXY TCP4 1 2 3 4\r\n", b"PROXY " + b"x" * 200, b"\r\n\r\n\0\r\nQUOT\n",
                       v2(v2_address(), 2), v2(v2_address()[:11]), v2(v2_address(), 1, 0x12),
                       broken[:-1] + bytes([broken[-1] ^ 1]), v2(v2_address() + b"\x04\xff\xff"),
                       v2(bytes(65535), 1, 0x00)[:400]):
            with self.subTest(header[:40]):
                client = self.connect(header)
                self.assertEqual(client.expect_closed(), [])

    def test_time_limit(self):
        for begin in (b"", b"PROXY TC", SIGNATURE):
            start = time.monotonic()
            client = self.open(where=("127.0.0.1", self.port))
            if begin:
                client.send(begin)
            self.assertEqual(client.expect_closed(), [])
            self.assertLess(time.monotonic() - start, 5)

    def test_only_trusted_proxies(self):
        client = self.open(where=("127.0.0.1", self.port), source="127.0.0.2")
        self.assertTrue(client.is_closed(5))
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/metrics/connections/handshakes/failed/untrusted_proxy")
        wait_until(lambda: int(watcher.message().payload) >= 1, "counted")

    def test_access_rules_are_for_the_client(self):
        self.assertEqual(self.connect(v1("203.0.113.66")).expect_closed(), [])
        self.assertEqual(self.connect(v1("203.0.113.67")).recv().type, wire.CONNACK)

    def test_claimed_loopback_reads_no_sys(self):
        reader = self.connect(v1("127.0.0.1"))
        reader.recv()
        reader.send(wire.subscribe(1, [("$SYS/#", 0)]))
        found = reader.recv()
        self.assertEqual((found.type, list(found.codes)), (wire.SUBACK, [0x80]))


class NobodyIsLocal(Proxied):
    port = free_port()
    settings = {**Proxied.settings, "allow_anonymous": "local",
                "listener.tcp.default.allow_anonymous": "true"}

    def test_anonymous(self):
        for header in (v1(), v1("127.0.0.1"), b"PROXY UNKNOWN\r\n", v2(b"", 0, 0)):
            with self.subTest(header):
                found = self.connect(header).recv()
                self.assertEqual((found.type, found.code), (wire.CONNACK, 5))


class CommonName(Proxied):
    """The name that the proxy found in the client's certificate."""

    settings = {**Proxied.settings, "listener.tcp.proxied.proxy_protocol.common_name": "on",
                "listener.tcp.proxied.allow_anonymous": "false"}
    port = free_port()

    @staticmethod
    def header(name, verdict=0, flags=7):
        return v2(v2_address() + tlv(0x20, bytes([flags]) + struct.pack(">I", verdict) +
                                     tlv(0x21, b"TLSv1.3") + tlv(0x22, name)))

    def answer(self, header, **shown):
        client = self.open(where=("127.0.0.1", self.port))
        client.send(header + wire.connect(self.name(f"-{len(self._clients)}"), **shown))
        return client.recv().code

    def test_it_is_proven(self):
        self.assertIn('"ann"', self.address_seen(self.header(b"ann")))
        self.assertEqual(self.answer(self.header(b"ann"), username="ann"), 0)

    def test_what_is_not(self):
        self.assertEqual(self.answer(self.header(b"ann"), username="bob"), 4)
        for header in (v2(v2_address()), self.header(b"ann", verdict=1),
                       self.header(b"ann", flags=1), self.header(b""), self.header(b"a\nb"),
                       self.header(b"a\0b"), self.header(b"\xff")):
            self.assertEqual(self.answer(header), 5, header)


class Inside(MqttTest):
    """TLS and WebSocket behind the header."""

    def test_tls_and_websocket(self):
        authority = pki.Authority()
        certificate, key = authority.server()
        port = free_port()
        prefix = "listener.wss.proxied"
        broker = harness.Broker(**{
            prefix: f"127.0.0.1:{port}", f"{prefix}.certfile": certificate,
            f"{prefix}.keyfile": key, f"{prefix}.proxy_protocol": "on",
            f"{prefix}.proxy_protocol.trusted": "127.0.0.1"})
        try:
            connected = ws_wire.connect(("127.0.0.1", port))
            connected.sendall(v1())
            context = ssl.create_default_context(cafile=str(authority.certificate))
            secured = context.wrap_socket(connected, server_hostname="localhost")
            with ws_wire.WebSocket(("127.0.0.1", port), connected=secured) as link:
                with wire.Client(broker.address) as watcher:
                    watcher.connect(self.name("-w"))
                    watcher.subscribe("$SYS/brokers/+/clients/#")
                    link.send(wire.connect(self.name("-c")))
                    self.assertEqual(link.recv()[1], ACCEPTED)
                    while True:
                        message = watcher.message()
                        if self.name("-c") in message.topic:
                            self.assertIn('"203.0.113.9"', message.payload.decode())
                            break
        finally:
            self.assertFalse(broker.stop())


if __name__ == "__main__":
    harness.main()
