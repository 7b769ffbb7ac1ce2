"""STOMP over TLS (listener.stomps.<name>): who a certificate says that a client is. That all else is
as over TCP is what `test_stomp.py --tls` shows."""

import shutil
import ssl
import threading
import unittest

import harness
import pki
import stomp_wire as stomp
from stomp_harness import StompTest

KEY = "listener.stomps.default"
_lock = threading.Lock()
_authority = None


def authority():
    """The one that all tests here trust."""
    global _authority
    with _lock:
        if _authority is None:
            _authority = pki.Authority()
            _authority.files = _authority.server()
        return _authority


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Certificates(StompTest):

    def own(self, **more):
        """A broker that asks clients for a certificate."""
        if harness.PEER != "mangrove":
            self.skipTest("the peer speaks no STOMP")
        certificate, key = authority().files
        settings = {KEY: "127.0.0.1:{free_port}", f"{KEY}.certfile": certificate,
                    f"{KEY}.keyfile": key, f"{KEY}.cacertfile": str(authority().certificate),
                    f"{KEY}.verify": "verify_peer"}
        settings.update({f"{KEY}.{name}": value for name, value in more.items()})
        broker = harness.Broker(**settings)
        self.addCleanup(broker.stop)
        self.address = ("127.0.0.1", int(broker.started_with[KEY].rsplit(":", 1)[1]))

    def connect(self, certificate, **headers):
        context = ssl.create_default_context(cafile=authority().certificate)
        if certificate:
            context.load_cert_chain(*certificate)
        client = stomp.Client(self.address, tls=context)
        self._clients.append(client)
        client.raw(stomp.encode("CONNECT", {"accept-version": "1.2", "host": "h", **headers}))
        return client

    def test_the_certificate_names_the_client(self):
        self.own(peer_cert_as_clientid="cn")
        client = self.connect(authority().issue("/O=Works/CN=meter-7"), **{"client-id": "other"})
        self.assertEqual(client.expect("CONNECTED")["session"], "meter-7")
        # The name is one to keep subscriptions under.
        client.subscribe(self.topic(), "1", "client", durable="true")

    def test_a_certificate_without_the_name_is_refused(self):
        self.own(peer_cert_as_username="san_dns")
        client = self.connect(authority().issue("/O=Works/CN=meter-7"))
        self.assertIn("certificate", client.expect_error()["message"])
        named = self.connect(authority().issue("/O=Works/CN=meter-7", "DNS:m7.example"))
        named.expect("CONNECTED")

    def test_no_certificate_no_connection(self):
        self.own()
        with self.assertRaises((stomp.Closed, OSError)):
            self.connect(None).recv()

    def test_plain_stomp_is_not_heard(self):
        self.own()
        client = stomp.Client(self.address)
        self._clients.append(client)
        client.raw("CONNECT\naccept-version:1.2\nhost:h\n\n\0")
        with self.assertRaises((stomp.Closed, OSError)):
            found = client.recv()
            self.fail(found)


if __name__ == "__main__":
    harness.main()
