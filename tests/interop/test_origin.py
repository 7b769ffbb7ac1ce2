"""Who somebody is, and where from: what a session, a right and a ban are about, in every protocol.
Other addresses of this machine (127.0.0.0/8) stand for other hosts."""

import json
import os
import shutil
import ssl
import unittest

import coap_wire as coap
import harness
import mqtt_wire as wire
import pki
import sn_wire as sn
import ws_wire
from auth_tools import add_user, command, metrics
from coap_support import coap_address
from harness import MqttTest, free_port
from mqtt_wire import V5, V311
from sn_support import sn_address

NEAR, FAR = "127.0.0.1", "127.0.0.9"


class OriginTest(MqttTest):

    def setUp(self):
        super().setUp()
        if harness.PEER != "mangrove":
            self.skipTest("only for our broker: keys")

    def own(self, **keys):
        """A broker of this test alone; `keys` with __ for dots."""
        broker = harness.Broker(**{key.replace("__", "."): value for key, value in keys.items()})
        self.addCleanup(broker.stop)
        return broker

    def device(self, broker, source=NEAR):
        found = coap.Client(coap_address(broker), source=source)
        self._clients.append(found)
        return found

    def sensor(self, broker, client_id, source=NEAR):
        found = sn.Client(sn_address(broker), client_id, source=(source, 0))
        self._clients.append(found)
        return found


class Datagrams(OriginTest):
    """Administrators are those of one address."""

    def own(self, **keys):
        return super().own(**{"listener.coap.default": "127.0.0.1:0",
                              "listener.mqttsn.default": "127.0.0.1:0", "mqtt.sn.enable_qos3": "on",
                              "sys.administrators": NEAR + "/32", **keys})

    def test_coap_by_client_id(self):
        broker = self.own(mqtt__broker__sys_interval="0")
        near, far = self.device(broker), self.device(broker, FAR)
        path = "ps/$SYS/brokers/x"
        self.assertEqual(near.ask(coap.GET, path, query="c=dev").code, "4.04", "may, nothing there")
        self.assertEqual(far.ask(coap.GET, path, query="c=dev").code, "4.03")
        self.assertEqual(far.ask(coap.PUT, "ps/a", query="c=dev", payload="x").code, "2.04")
        self.assertEqual(near.ask(coap.GET, path, query="c=dev").code, "4.04")

    def test_coap_by_token(self):
        broker = self.own(mqtt__broker__sys_interval="0")
        device = self.device(broker)
        made = device.ask(coap.POST, "mqtt/connection", query=["clientid=dev", "keepalive=60"])
        query = ["c=dev", "token=" + made.payload.decode()]
        path = "ps/$SYS/brokers/x"
        self.assertEqual(device.ask(coap.GET, path, query=query).code, "4.04")
        device.move(FAR)
        self.assertEqual(device.ask(coap.GET, path, query=query).code, "4.03")
        self.assertEqual(device.ask(coap.PUT, "ps/a", query=query, payload="x").code, "2.04")
        command(broker, "ban", "add", "--address", FAR)
        device.raw(device.request(coap.PUT, "ps/a", query=query, payload="x"))
        with self.assertRaises(coap.Timeout):
            device.recv(0.3)
        self.assertGreaterEqual(metrics(broker)["door/refused/banned"], 1)

    def test_coap_message_id_of_another_user(self):
        broker = self.own()
        for name in ("ann", "bob"):
            add_user(broker, name, "secret")
        device = self.device(broker)

        def connect(name):
            return device.ask(coap.POST, "mqtt/connection", message_id=7,
                              query=["clientid=dev", "u=" + name, "p=secret"])

        token = connect("ann").payload
        self.assertEqual(len(token), 18)
        self.assertEqual(connect("bob").code, "4.03")
        self.assertEqual(connect("ann").payload, token)

    def test_mqttsn_ping(self):
        broker = self.own(mqtt__broker__sys_interval="0")
        sleeper = self.sensor(broker, "s").connect()
        sleeper.subscribe("$SYS/brokers/+/clients/#", qos=1)
        other = self.sensor(broker, "s", FAR)
        other.send(sn.message(sn.PINGREQ, b"s"))
        other.expect(sn.DISCONNECT)
        sleeper.sleep(60)
        self.client(where=broker.address, client_id="somebody").close()
        other.send(sn.message(sn.PINGREQ, b"s"))
        other.expect(sn.PINGRESP)
        sleeper.expect(sn.DISCONNECT)

    def test_mqttsn_without_a_connection(self):
        broker = self.own()
        watcher = self.client(where=broker.address)
        watcher.subscribe("ab")
        near, far = self.sensor(broker, "n"), self.sensor(broker, "f", FAR)
        command(broker, "ban", "add", "--address", FAR)
        for one in (far, near):
            one.send(sn.publish("ab", one.client_id, qos=3, kind=sn.SHORT))
        self.assertEqual(watcher.message().payload, b"n")
        self.assertEqual(metrics(broker)["datagrams/dropped/not_allowed"], 1)


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Strength(OriginTest):

    def test_a_password_is_less_than_a_certificate(self):
        authority = pki.Authority()
        certificate, key = authority.server()
        port = free_port()
        prefix = "listener.ssl.device"
        shown = {"username": "meter-7", "password": "secret", "clean": False}

        def run(takeover):
            broker = self.own(**{
                prefix: f"127.0.0.1:{port}", f"{prefix}.certfile": certificate,
                f"{prefix}.keyfile": key, f"{prefix}.cacertfile": str(authority.certificate),
                f"{prefix}.verify": "verify_peer", f"{prefix}.peer_cert_as_username": "cn",
                "mqtt.session.takeover": takeover})
            add_user(broker, "meter-7", "secret")
            context = ssl.create_default_context(cafile=authority.certificate)
            context.load_cert_chain(*authority.issue("/CN=meter-7"))
            secure = self.open(V5, ("127.0.0.1", port), tls=context)
            secure.connect("m", clean=False, properties={"session_expiry": 1000})
            return broker, secure

        broker, secure = run("strength")
        for clean in (False, True):
            self.open(V5, broker.address).connect("m", code=0x85, **{**shown, "clean": clean})
            self.open(V311, broker.address).connect("m", code=2, **{**shown, "clean": clean})
        secure.ping()
        self.assertEqual(metrics(broker)["door/refused/weaker_proof"], 4)
        # Nor when nobody is there, also after a restart.
        secure.close()
        broker.restart()
        self.open(V5, broker.address).connect("m", code=0x85, **shown)
        broker.stop()
        broker, secure = run("principal")
        self.assertTrue(self.open(V5, broker.address).connect("m", **shown).session_present)

    def test_names_of_the_gateway(self):
        broker = self.own()
        for name in ("console:ann", "local:0"):
            self.open(V5, broker.address).connect(name, code=0x85)
            self.open(V5, broker.address).connect("c", code=0x85, username=name, password="x")
            self.open(V311, broker.address).connect(name, code=2)
        self.assertEqual(metrics(broker)["door/refused/reserved_name"], 6)
        command(broker, "passwd", "add", "local:0", password="secret", code=1)

    def test_a_listed_id_is_no_password(self):
        broker = self.own(auth__client__1__clientid="ann", allow_anonymous="false")
        self.open(V311, broker.address).connect("ann", username="ann", password="any")
        add_user(broker, "ann", "secret")
        self.open(V311, broker.address).connect("ann", code=4, username="ann", password="any")
        self.open(V311, broker.address).connect("ann", username="ann", password="secret")


class Local(OriginTest):
    """What is from this machine, for every protocol above TCP."""

    def test_a_configured_listener_lets_in_by_a_unix_socket_alone(self):
        broker = self.own(allow_anonymous="auto", sys__administrators="auto",
                          listener__unix__here="{data}/here.sock")
        self.open(V311, broker.address).connect("c", code=5)
        near = self.open(V5, os.path.join(str(broker.data), "here.sock"))
        near.connect("c")
        self.assertEqual(near.subscribe("$SYS/#").codes, [0])

    def test_the_first_user_takes_administrators_without_a_name(self):
        broker = self.own(mqtt__broker__sys_interval="0")
        nameless = self.client(V5, where=broker.address)
        self.assertEqual(nameless.subscribe("$SYS/#").codes, [0])
        add_user(broker, "ann", "secret")

        def is_refused():
            try:
                return nameless.subscribe("$SYS/#", codes=[0x87]) is not None
            except AssertionError:
                return False
        harness.wait_until(is_refused, "no more")
        ann = self.client(V5, where=broker.address, username="ann", password="secret")
        self.assertEqual(ann.subscribe("$SYS/#").codes, [0])

    def test_stomp_behind_a_proxy(self):
        """Over WebSocket as over everything."""
        port = free_port()
        broker = self.own(listener__sockjs__web=f"127.0.0.1:{port}", allow_anonymous="local")
        self.assertTrue(broker.alive())
        frame = "CONNECT\naccept-version:1.2\nhost:h\n\n\0"

        def answer(**fields):
            link = ws_wire.WebSocket(("127.0.0.1", port), path="/stomp/000/s/websocket",
                                     protocols=None, **fields)
            self._clients.append(link)
            self.assertEqual(link.recv()[1], b"o")
            link.send(json.dumps([frame]).encode(), opcode=ws_wire.TEXT)
            return link.recv()[1].decode()

        self.assertIn("CONNECTED", answer())
        for fields in ({"X_Forwarded_For": "203.0.113.9"}, {"Via": "1.1 proxy"},
                       {"Host": "evil.example"}):
            self.assertIn("ERROR", answer(**fields), fields)

    def test_stomp_by_the_proxy_protocol(self):
        port = free_port()
        prefix = "listener.stomp.proxied"
        self.own(**{prefix: f"127.0.0.1:{port}", f"{prefix}.proxy_protocol": "on",
                    f"{prefix}.proxy_protocol.trusted": "127.0.0.1/32", "allow_anonymous": "local"})
        link = wire.socket.create_connection(("127.0.0.1", port), timeout=10)
        self._clients.append(link)
        link.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
                     b"CONNECT\naccept-version:1.2\nhost:h\n\n\0")
        self.assertTrue(link.recv(4096).startswith(b"ERROR"))


if __name__ == "__main__":
    harness.main()
