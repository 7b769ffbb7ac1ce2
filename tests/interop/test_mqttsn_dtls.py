"""MQTT-SN over DTLS 1.2, with OpenSSL's s_client: pre-shared keys, certificates, cookies, addresses."""

import atexit
import functools
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import sn_wire as sn
from harness import ours_only, wait_until
from mqtt_wire import V5
from sn_support import SnTest, metric

KEYS = {"meter-1": "00112233445566778899aabbccddeeff", "meter-2": "a1b2c3d4e5f60718"}


class DtlsClient(sn.Client):
    """Speaks through `openssl s_client`: each write is a datagram."""

    def __init__(self, address, client_id, *arguments):
        self.arguments = arguments
        self.process = None
        self.bytes = b""
        super().__init__(address, client_id)

    def move(self, source=None):
        """A new process, hence another port and a handshake."""
        self.close()
        self.bytes = b""
        host, port = self.address
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-dtls1_2", "-quiet", "-connect", f"{host}:{port}",
             *self.arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()

    def send(self, *datagrams):
        for one in datagrams:
            self.process.stdin.write(sn.encapsulate(self.node, one) if self.node else one)
            time.sleep(0.02)  # s_client joins what it reads at once

    def recv(self, timeout=None):
        if self.pending:
            return self.pending.popleft()
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.bytes) >= 3:
                size = (struct.unpack("!H", self.bytes[1:3])[0] if self.bytes[0] == 1
                        else self.bytes[0])
            else:
                size = self.bytes[0] if self.bytes and self.bytes[0] != 1 else 1 << 30
            if len(self.bytes) >= size:
                found, self.bytes = self.bytes[:size], self.bytes[size:]
                return sn.decode(found)
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise sn.Timeout("nothing came")
            more = self.process.stdout.read(65536)
            if not more:
                raise sn.Timeout("s_client has ended")
            self.bytes += more


_lock = threading.Lock()


@functools.cache
def _make_credentials():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mqtt-interop-"))
    atexit.register(shutil.rmtree, folder)

    def openssl(*command):
        subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=60,
                       cwd=folder)
    (folder / "psk").write_text("# identity:key\n" + "".join(
        f"{name}:{key}\n" for name, key in KEYS.items()))
    for name in ("ca", "server", "device"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test ca", "-days", "2", "-out",
            "ca.pem")
    for name in ("server", "device"):
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/O=works/CN={name}", "-out",
                f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-out", f"{name}.pem")
    return folder


def credentials():
    """A folder with keys and certificates, made once."""
    with _lock:
        return _make_credentials()


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Dtls(SnTest):

    def setUp(self):
        super().setUp()
        self.folder = credentials()

    def gateway(self, **more):
        settings = {"listener.mqttsn.default.dtls": "on",
                    "listener.mqttsn.default.psk_file": str(self.folder / "psk"),
                    "allow_anonymous": "true"}
        settings.update(more)
        return self.own(**settings)

    def device(self, broker, client_id=None, identity="meter-1", key=None, cipher=None):
        one = DtlsClient(self.address(broker), client_id or self.name(), "-psk_identity", identity,
                         "-psk", key or KEYS[identity], *(["-cipher", cipher] if cipher else []))
        self._clients.append(one)
        return one

    @ours_only("MQTT-SN")
    def test_psk(self):
        broker = self.gateway()
        mqtt = self.client(V5, where=broker.address)
        for cipher in (None, "PSK-AES128-CCM8:@SECLEVEL=0", "ECDHE-PSK-CHACHA20-POLY1305"):
            with self.subTest(cipher):
                client = self.device(broker, cipher=cipher).connect()
                topic = self.topic("x")
                client.subscribe(topic, qos=2)
                mqtt.publish(topic, b"down" * 100, 2)
                self.assertEqual(client.message().payload, b"down" * 100)
                client.ping()
                client.disconnect()
                client.close()

    @ours_only("MQTT-SN")
    def test_larger_than_a_record(self):
        """A DTLS record carries 16,384 bytes: more cannot be delivered, and stops nothing."""
        broker = self.gateway()
        mqtt = self.client(V5, where=broker.address)
        client = self.device(broker).connect()
        topic = self.topic("x")
        client.subscribe(topic, qos=1)
        mqtt.publish(topic, b"x" * 16376, 1)
        mqtt.publish(topic, b"y" * 16375, 1)
        self.assertEqual(client.message().payload, b"y" * 16375)

    @ours_only("MQTT-SN")
    def test_wrong_key(self):
        broker = self.gateway()
        for identity, key in (("meter-1", "ff" * 16), ("nobody", "00" * 16)):
            with self.subTest(identity):
                client = self.device(broker, identity=identity, key=key)
                with self.assertRaises((sn.Timeout, BrokenPipeError)):
                    client.send(sn.connect("x"))
                    client.recv(2)

    @ours_only("MQTT-SN")
    def test_plain_datagrams_are_not_heard(self):
        client = self.sensor(broker=self.gateway())
        client.send(sn.connect(client.client_id), sn.message(sn.SEARCHGW, b"\x00"))
        client.silent()

    @ours_only("MQTT-SN")
    def test_cookie_before_state(self):
        """A ClientHello without cookie is answered by HelloVerifyRequest and forgotten."""
        broker = self.gateway()
        body = (b"\xfe\xfd" + bytes(32) + b"\x00\x00" + b"\x00\x02\xc0\xa8" + b"\x01\x00")
        hello = b"\x01" + len(body).to_bytes(3, "big") + bytes(5) + len(body).to_bytes(3, "big") + body
        record = b"\x16\xfe\xfd" + bytes(8) + len(hello).to_bytes(2, "big") + hello
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.connect(self.address(broker))
            peer.settimeout(sn.DEFAULT_TIMEOUT)
            for _ in range(3):
                peer.send(record)
                answer = peer.recv(2000)
                self.assertEqual((answer[0], answer[13]), (0x16, 3))  # HelloVerifyRequest
                self.assertLess(len(answer), 2 * len(record))

    @ours_only("MQTT-SN")
    def test_certificates(self):
        """Who says whose certificates count refuses those without one, as with TLS."""
        settings = {
            "listener.mqttsn.default.psk_file": "",
            "listener.mqttsn.default.certfile": str(self.folder / "server.pem"),
            "listener.mqttsn.default.keyfile": str(self.folder / "server.key"),
            "listener.mqttsn.default.cacertfile": str(self.folder / "ca.pem")}
        broker = self.gateway(**settings)
        good = DtlsClient(self.address(broker), self.name("-good"), "-CAfile",
                          str(self.folder / "ca.pem"), "-verify_return_error", "-cert",
                          str(self.folder / "device.pem"), "-key", str(self.folder / "device.key"))
        bare = DtlsClient(self.address(broker), self.name("-bare"))
        self._clients += [good, bare]
        good.connect().ping()
        with self.assertRaises((sn.Timeout, BrokenPipeError)):
            bare.send(sn.connect("x"))
            bare.recv(2)
        lax = self.gateway(**settings, **{"listener.mqttsn.default.fail_if_no_peer_cert": "off"})
        bare = DtlsClient(self.address(lax), self.name("-bare"))
        self._clients.append(bare)
        bare.connect().ping()

    @ours_only("MQTT-SN")
    def test_sleeps_and_wakes_at_another_address(self):
        """The identity is proven anew there; another identity does not get the messages."""
        broker = self.gateway(**{"mqtt.sn.address_change": "proven"})
        mqtt = self.client(V5, where=broker.address)
        client = self.device(broker).connect()
        client.subscribe(self.topic(), qos=1)
        client.sleep(600)
        mqtt.publish(self.topic(), b"waited", 1)
        thief = self.device(broker, client.client_id, "meter-2")
        thief.send(sn.message(sn.PINGREQ, client.client_id.encode()))
        thief.expect(sn.DISCONNECT)
        client.move()
        self.assertEqual([one.payload for one in client.wake()], [b"waited"])

    @ours_only("MQTT-SN")
    def test_followed_by_its_identity(self):
        broker = self.gateway(**{"mqtt.sn.address_change": "proven", "node.workers": 3})
        client = self.device(broker).connect()
        topic_id = client.register(self.topic())
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe(self.topic(), qos=1)
        for number in range(3):
            client.move()
            client.publish(topic_id, f"{number}", 1)
            self.assertEqual(mqtt.message().payload, b"%d" % number)

    @ours_only("MQTT-SN")
    def test_forwarder_over_dtls(self):
        """Several nodes over one association, on any worker."""
        broker = self.gateway(**{"node.workers": 4})
        link = self.device(broker)
        for number in range(6):
            link.node, link.client_id = bytes([number + 1]), self.name(f"-{number}")
            link.send(sn.connect(link.client_id))
            answer = link.process.stdout.read(100)
            self.assertEqual(answer, sn.encapsulate(link.node, sn.message(sn.CONNACK, b"\x00")))

    @ours_only("MQTT-SN")
    def test_garbage(self):
        broker = self.gateway()
        client = self.device(broker).connect()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.connect(self.address(broker))
            for size in range(0, 300, 7):
                peer.send(bytes([22, 0xfe, 0xfd]) + os.urandom(size))
                peer.send(os.urandom(size + 1))
        client.ping()
        wait_until(lambda: metric(broker, "clients/count") == 1, "still there")


if __name__ == "__main__":
    harness.main(jobs=4)
