"""Real clients over WebSocket: npm mqtt in Node and in a page of headless Chromium, Paho for
Python; nginx in between."""

import atexit
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import browser
import harness
import mqtt_wire as wire
import pki
import ws_wire
from harness import MqttTest, free_port, wait_until

try:
    import paho.mqtt.client as paho
except ImportError:
    paho = None

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Prepared(MqttTest):
    """Prepared once, by `prepare()`, when its first test begins."""

    _lock = threading.Lock()
    _done = {}

    def setUp(self):
        super().setUp()
        with Prepared._lock:
            if type(self) not in Prepared._done:
                Prepared._done[type(self)] = None
                try:
                    self.prepare()
                except BaseException as error:
                    Prepared._done[type(self)] = error
                    raise
        if Prepared._done[type(self)]:
            raise Prepared._done[type(self)]
        self.broker()


class Clients(Prepared):
    """One broker with a listener of each kind."""

    @classmethod
    def prepare(cls):
        cls.ws, cls.wss = free_port(), free_port()
        cls.authority = pki.Authority()
        certificate, key = cls.authority.server()
        cls.settings = {
            "listener.ws.default": f"127.0.0.1:{cls.ws}",
            "listener.wss.default": f"127.0.0.1:{cls.wss}",
            "listener.wss.default.certfile": certificate,
            "listener.wss.default.keyfile": key,
        }

    def node_checks(self, *arguments):
        done = subprocess.run(["node", str(browser.NODE_FOLDER / "checks.js"), *arguments],
                              timeout=150, text=True, capture_output=True,
                              env={**os.environ, "NODE_PATH": str(browser.MODULES)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreaterEqual(done.stdout.count("ok "), 30, done.stdout)

    @unittest.skipUnless(shutil.which("node") and (browser.MODULES / "mqtt").exists(), "no npm mqtt")
    @harness.waits(20)
    def test_node(self):
        self.node_checks("127.0.0.1", str(self.ws), "ws")

    @unittest.skipUnless(shutil.which("node") and (browser.MODULES / "mqtt").exists(), "no npm mqtt")
    @harness.waits(20)
    def test_node_over_tls(self):
        self.node_checks("localhost", str(self.wss), "wss", str(self.authority.certificate))

    @unittest.skipIf(browser.missing(), browser.missing())
    @harness.waits(15)
    def test_page(self):
        pages = browser.Pages({"page.html": browser.NODE_FOLDER / "mqtt_page.html",
                               "mqtt.min.js": browser.MODULES / "mqtt/dist/mqtt.min.js"})
        try:
            for url in (f"ws://127.0.0.1:{self.ws}/mqtt", f"wss://127.0.0.1:{self.wss}/mqtt"):
                outcome, log = browser.visit(f"{pages.url}/page.html?url={url}")
                self.assertEqual(outcome, {"4": [1, 2, 3, 200000], "5": [1, 2, 3, 200000]}, log)
            outcome, _ = browser.visit(
                f"{pages.url.replace('127.0.0.1', 'localtest.localhost')}/page.html"
                f"?refused=1&url=ws://127.0.0.1:{self.ws}/mqtt")
            self.assertEqual(outcome, {"opens": False}, "a page of another host must not get in")
        finally:
            pages.close()

    @unittest.skipUnless(paho, "no paho for Python")
    def test_paho(self):
        for port, tls in ((self.ws, False), (self.wss, True)):
            for version in (paho.MQTTv31, paho.MQTTv311, paho.MQTTv5):
                with self.subTest(tls=tls, version=version):
                    self.paho_round(port, tls, version)

    def paho_round(self, port, tls, version):
        topic, got, ready = self.topic("paho"), [], threading.Event()
        client = paho.Client(self.name(f"-{port}-{version}"), protocol=version,
                             transport="websockets")
        client.on_subscribe = lambda *_: ready.set()
        client.on_connect = lambda *_: client.subscribe(topic, 2)
        client.on_message = lambda _, __, message: got.append(message.payload)
        if tls:
            client.tls_set(str(self.authority.certificate))
        client.connect("localhost" if tls else "127.0.0.1", port)
        client.loop_start()
        try:
            self.assertTrue(ready.wait(15), "subscribed")
            sent = [b"x" * size for size in (0, 1, 125, 126, 65535, 65536, 300_000)]
            for number, payload in enumerate(sent):
                client.publish(topic, payload, qos=number % 3).wait_for_publish(15)
            wait_until(lambda: len(got) == len(sent), f"all of {len(sent)}, not {len(got)}")
            self.assertEqual(sorted(got), sorted(sent))
        finally:
            client.disconnect()
            client.loop_stop()


@unittest.skipUnless(os.access(NGINX, os.X_OK), "no nginx")
class Nginx(Prepared):
    """nginx as reverse proxy: PROXY protocol by its stream module, X-Forwarded-For by http."""

    @classmethod
    def prepare(cls):
        cls.ports = {name: free_port() for name in
                     ("tcp", "ws", "front", "front_ws", "front_http", "plain_ws")}
        cls.settings = {
            "listener.tcp.proxied": f"127.0.0.1:{cls.ports['tcp']}",
            "listener.tcp.proxied.proxy_protocol": "on",
            "listener.tcp.proxied.proxy_protocol.trusted": "127.0.0.1",
            "listener.ws.proxied": f"127.0.0.1:{cls.ports['ws']}",
            "listener.ws.proxied.proxy_protocol": "on",
            "listener.ws.proxied.proxy_protocol.trusted": "127.0.0.1",
            "listener.ws.plain": f"127.0.0.1:{cls.ports['plain_ws']}",
            "listener.ws.plain.trusted_proxies": "127.0.0.1",
        }
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="nginx-"))
        config = cls.folder / "nginx.conf"
        module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if not module.exists():
            raise unittest.SkipTest("no stream module of nginx")
        config.write_text(f"""
load_module {module};
daemon off; master_process off; pid {cls.folder}/pid; error_log {cls.folder}/error.log;
events {{ worker_connections 256; }}
stream {{
  server {{ listen 127.0.0.1:{cls.ports['front']}; proxy_pass 127.0.0.1:{cls.ports['tcp']};
            proxy_protocol on; }}
  server {{ listen 127.0.0.1:{cls.ports['front_ws']}; proxy_pass 127.0.0.1:{cls.ports['ws']};
            proxy_protocol on; }}
}}
http {{
  access_log off;
  client_body_temp_path {cls.folder}/b; proxy_temp_path {cls.folder}/p;
  fastcgi_temp_path {cls.folder}/f; uwsgi_temp_path {cls.folder}/u; scgi_temp_path {cls.folder}/s;
  server {{
    listen 127.0.0.1:{cls.ports['front_http']};
    location / {{
      proxy_pass http://127.0.0.1:{cls.ports['plain_ws']};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Port $remote_port;
    }}
  }}
}}
""")
        cls.nginx = subprocess.Popen([NGINX, "-p", str(cls.folder), "-c", str(config)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(cls.stop_nginx)
        for name in ("front", "front_ws", "front_http"):
            wait_until(lambda name=name: cls.accepts(cls.ports[name]), "nginx accepts")

    @classmethod
    def accepts(cls, port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    @classmethod
    def stop_nginx(cls):
        cls.nginx.terminate()
        cls.nginx.wait(10)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def address_seen(self, connect):
        """What the broker's event says of the client that `connect(client_id)` makes."""
        watcher = self.client()
        watcher.subscribe("$SYS/brokers/+/clients/#")
        name = self.name("-seen")
        connect(name)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            message = watcher.message()
            if f"/{name}/connected" in message.topic:
                return message.payload.decode()
        raise AssertionError("no event")

    def test_proxy_protocol(self):
        def connect(name):
            client = self.open(where=("127.0.0.1", self.ports["front"]), source="127.0.0.77")
            client.connect(name)
            self._clients.append(client)
        self.assertIn("127.0.0.77", self.address_seen(connect))

    def web(self, port, name, **fields):
        link = ws_wire.WebSocket(("127.0.0.1", port), **fields,
                                 connected=ws_wire.connect(("127.0.0.1", port), source="127.0.0.78"))
        self._clients.append(link)
        link.send(wire.connect(name))
        self.assertEqual(link.recv()[1], b"\x20\x02\x00\x00")

    def test_proxy_protocol_and_websocket(self):
        self.assertIn("127.0.0.78",
                      self.address_seen(lambda name: self.web(self.ports["front_ws"], name)))

    def test_x_forwarded_for(self):
        self.assertIn("127.0.0.78", self.address_seen(
            lambda name: self.web(self.ports["front_http"], name, X_Forwarded_For="6.6.6.6")))


if __name__ == "__main__":
    harness.main()
