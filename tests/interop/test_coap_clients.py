"""CoAP by clients of others: libcoap's coap-client over UDP and DTLS, and the npm coap module
(node/coap_checks.js)."""

import os
import pathlib
import shutil
import socket
import subprocess
import time
import unittest

import harness
from coap_support import CoapTest, coap_address
from harness import ours_only, wait_until
from mqtt_wire import V5
from sn_support import metric
from test_mqttsn_dtls import credentials

COAP_CLIENT = shutil.which("coap-client-openssl")
NODE = pathlib.Path(__file__).resolve().parent / "node"
MODULES = pathlib.Path(os.environ.get("MANGROVE_NODE_MODULES", NODE / "node_modules"))


def coap_client(url, *arguments, timeout=30):
    """Runs coap-client; gives what it wrote. An error response is on its second stream."""
    done = subprocess.run([COAP_CLIENT, "-B", str(timeout - 5), *arguments, url], capture_output=True,
                          timeout=timeout, check=False)
    return done.stdout + done.stderr


@unittest.skipUnless(COAP_CLIENT, "no coap-client-openssl")
class Libcoap(CoapTest):

    def url(self, path, broker=None, kind="coap"):
        host, port = coap_address(broker or self.broker(), kind)
        return f"{kind}://{host}:{port}/{path}"

    @ours_only("CoAP")
    def test_publish_read_delete(self):
        path = self.ps("a")
        self.assertEqual(coap_client(self.url(path + "?retain=1"), "-m", "put", "-t", "json", "-e",
                                     "{}"), b"")
        self.assertIn(b"{}", coap_client(self.url(path)))
        self.assertEqual(coap_client(self.url(path), "-m", "delete"), b"")
        self.assertIn(b"4.04", coap_client(self.url(path)))
        self.assertIn(b"</ps>", coap_client(self.url(".well-known/core")))

    @ours_only("CoAP")
    def test_large_bodies_over_a_bad_network(self):
        body = os.urandom(32768).hex().encode()  # it writes text
        file = self.broker().data / self.name()
        file.write_bytes(body)
        for arguments in ((), ("-b", "64"), ("-b", "256", "-l", "3%")):
            with self.subTest(arguments):
                path = self.ps("b" + "".join(arguments).strip("%"))
                said = coap_client(self.url(path + "?retain=1"), "-m", "put", "-f", str(file),
                                   *arguments, timeout=120)
                self.assertEqual(said, b"")
                self.assertEqual(coap_client(self.url(path), *arguments,
                                             timeout=120).rstrip(b"\n"), body)

    @ours_only("CoAP")
    def test_observe(self):
        mqtt = self.client(V5)
        path = "ps/" + self.topic("o").replace("/", "%2F") + "/%2B"
        process = subprocess.Popen([COAP_CLIENT, "-s", "20", "-w", self.url(path)],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            seen = b""
            for number in range(50):  # until it observes
                mqtt.publish(self.topic("o/x"), b"first", 1)
                os.set_blocking(process.stdout.fileno(), False)
                seen += process.stdout.read() or b""
                if b"first" in seen:
                    break
                time.sleep(0.1)
            mqtt.publish(self.topic("o/y"), b"z" * 5000, 1)
            mqtt.publish(self.topic("o/z"), b"last", 1)

            def has_last():
                nonlocal seen
                seen += process.stdout.read() or b""
                return b"last" in seen
            wait_until(has_last, "the last notification", timeout=20)
            self.assertIn(b"z" * 5000, seen)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def secure(self, **more):
        folder = credentials()
        keys = folder / "coap_psk"
        keys.write_text(f"meter-3:{b'printable'.hex()}\n")
        settings = {"listener.coaps.default": "127.0.0.1:0", "allow_anonymous": "true",
                    "listener.coaps.default.psk_file": str(keys),
                    "listener.coaps.default.certfile": str(folder / "server.pem"),
                    "listener.coaps.default.keyfile": str(folder / "server.key"),
                    "listener.coaps.default.cacertfile": str(folder / "ca.pem")}
        settings.update(more)
        return folder, self.own(**settings)

    @ours_only("CoAP")
    def test_psk(self):
        _, broker = self.secure()
        url = self.url("ps/s", broker, "coaps")
        mqtt = self.client(V5, where=broker.address)
        mqtt.subscribe("$SYS/brokers/+/clients/+/connected")
        mqtt.subscribe("s")
        coap_client(url, "-m", "put", "-e", "wrong", "-u", "meter-3", "-k", "another", timeout=60)
        self.assertEqual(coap_client(url, "-m", "put", "-e", "right", "-u", "meter-3", "-k",
                                     "printable"), b"")
        event = mqtt.recv()
        self.assertIn(b'"meter-3"', event.payload)
        self.assertEqual(mqtt.recv().payload, b"right")

    @ours_only("CoAP")
    def test_a_port_that_is_another_clients_now(self):
        keys = credentials() / "coap_psk_two"
        keys.write_text("".join(f"{name}:{b'printable'.hex()}\n" for name in ("one", "two")))
        broker = self.own(**{**self.settings, "listener.coaps.default": "127.0.0.1:0",
                             "listener.coaps.default.psk_file": str(keys)})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        url = self.url("ps/s", broker, "coaps")
        process = subprocess.Popen([COAP_CLIENT, "-s", "60", "-p", port, "-k", "printable", "-u",
                                    "one", url], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: metric(broker, "coap/observations") == 1, "it observes")
        finally:
            process.kill()  # without a goodbye
            process.wait()
        coap_client(url, "-p", port, "-k", "printable", "-u", "two")
        wait_until(lambda: metric(broker, "coap/observations") == 0, "nobody observes")
        self.assertEqual(metric(broker, "coap/observations/lost"), 1)

    @ours_only("CoAP")
    def test_certificate(self):
        folder, broker = self.secure()
        url = self.url("ps/s", broker, "coaps").replace("127.0.0.1", "localhost")
        mine = ("-c", str(folder / "device.pem"), "-j", str(folder / "device.key"),
                "-C", str(folder / "ca.pem"), "-n")
        watcher = self.client(V5, where=broker.address)
        watcher.subscribe("$SYS/brokers/+/clients/+/connected")
        self.assertEqual(coap_client(url + "?retain=1", "-m", "put", "-e", "value", *mine), b"")
        self.assertIn(b"value", coap_client(url, *mine))
        self.assertIn(b"CoAP", watcher.recv().payload)
        self.assertGreaterEqual(metric(broker, "coap/requests"), 2)


@unittest.skipUnless(shutil.which("node"), "no node")
@unittest.skipUnless((MODULES / "coap").exists(), "no npm coap: run `npm ci` in tests/interop/node")
class Node(CoapTest):

    @ours_only("CoAP")
    def test_checks(self):
        host, port = coap_address(self.broker())
        found = subprocess.run(["node", str(NODE / "coap_checks.js"), host, str(port)],
                               timeout=150, text=True, capture_output=True, check=False,
                               env={**os.environ, "NODE_PATH": str(MODULES)})
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertGreaterEqual(found.stdout.count("ok "), 7, found.stdout)


if __name__ == "__main__":
    harness.main()
