"""Whose a session is, proven by a key or a certificate, for every ordered pair of protocols. The
same principal has it by whatever protocol; another one, and one without a name, never. The tables
are in docs/matrix-identity.md."""

import os
import shutil
import ssl
import subprocess
import threading
import unittest

import coap_wire as coap
import harness
import identity_matrix
import mqtt_wire as wire
import pki
import sn_wire as sn
import stomp_wire as stomp
import ws_wire
from coap_support import coap_address
from harness import ours_only
from identity_ways import (WAYS, Coap, IdentityTest, Mqtt, Mqtt5, MqttWeb, Sensor, SockJsAsSocket,
                           SockStomp, Stomp, address_of, for_each, port_of)
from sn_support import sn_address
from test_mqttsn_dtls import DtlsClient

KEYS = {"alice": "00112233445566778899aabbccddeeff", "bob": "a1b2c3d4e5f60718"}
REFUSALS = ("0x02", "0x85", "CONNACK 3", "4.03", "ERROR client identifier not valid")
_lock = threading.Lock()
_files = {}


def files():
    """Keys and certificates, made once."""
    with _lock:
        if not _files:
            authority = pki.Authority()
            _files["ca"] = authority.certificate
            _files["server"] = authority.server()
            for name in KEYS:
                _files[name] = authority.issue(f"/CN={name}")
            _files["psk"] = authority.folder / "psk"
            _files["psk"].write_text("".join(f"{name}:{key}\n" for name, key in KEYS.items()))
        return _files


def context(user):
    found = ssl.create_default_context(cafile=files()["ca"])
    found.load_cert_chain(*files()[user])
    return found


class ByCertificate(Mqtt):
    """`user` is the name in a certificate."""

    listener = "ssl"

    def open(self):
        return wire.Client(port_of(self.test.broker(), self.listener), self.version,
                           tls=context(self.user))

    def fields(self):
        return {"clean": False, "properties": self.properties}


class Mqtt5Certificate(ByCertificate, Mqtt5):
    properties = Mqtt5.properties


class WebCertificate(Mqtt5Certificate):

    label = MqttWeb.label

    def open(self):
        address = port_of(self.test.broker(), "wss")
        found = wire.Client(address, self.version, tls=context(self.user))
        found.socket = ws_wire.WebSocketAsSocket(found.socket, address)
        return found


class SensorKey(Sensor):

    def open(self):
        return DtlsClient(address_of(self.test.broker(), sn_address), self.client_id,
                          "-psk_identity", self.user, "-psk", KEYS[self.user])


class DtlsSocket:
    """What coap_wire.Client needs of a socket, through `openssl s_client`."""

    def __init__(self, address, user):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-dtls1_2", "-quiet", "-connect", f"{address[0]}:{address[1]}",
             "-psk_identity", user, "-psk", KEYS[user]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)

    def send(self, datagram):
        self.process.stdin.write(datagram)

    def recv(self, _count):
        return os.read(self.process.stdout.fileno(), 65536)

    def fileno(self):
        return self.process.stdout.fileno()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class CoapKey(Coap):
    """By its key. What it observed would come in datagrams that s_client joins."""

    def open(self):
        address = address_of(self.test.broker(), coaps_address)
        client = coap.Client(address)
        client.socket.close()
        client.socket = DtlsSocket(address, self.user)
        return client

    def login(self):
        return []


def coaps_address(broker):
    return coap_address(broker, "coaps")


class StompCertificate(Stomp):

    def open(self):
        return stomp.Client(port_of(self.test.broker(), "stomps"), tls=context(self.user))

    def login(self):
        return {}


class SockStompCertificate(StompCertificate):

    label = SockStomp.label

    def open(self):
        address = port_of(self.test.broker(), "sockjs")
        found = stomp.Client(address, tls=context(self.user))
        found.socket = SockJsAsSocket(address, found.socket)
        return found


PROVEN = (ByCertificate, Mqtt5Certificate, WebCertificate, SensorKey, CoapKey, StompCertificate,
          SockStompCertificate)


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Principals(IdentityTest):

    def setUp(self):
        super().setUp()
        one = files()
        by_certificate = {"certfile": one["server"][0], "keyfile": one["server"][1],
                          "cacertfile": one["ca"], "verify": "verify_peer",
                          "fail_if_no_peer_cert": "true", "peer_cert_as_username": "cn"}
        self.settings = {"listener.mqttsn.default": "127.0.0.1:0",
                         "listener.mqttsn.default.dtls": "on",
                         "listener.mqttsn.default.psk_file": one["psk"],
                         "listener.coaps.default": "127.0.0.1:0",
                         "listener.coaps.default.psk_file": one["psk"]}
        for kind in ("ssl", "wss", "stomps", "sockjs"):
            self.settings[f"listener.{kind}.default"] = "127.0.0.1:{free_port}"
            self.settings |= {f"listener.{kind}.default.{key}": value
                              for key, value in by_certificate.items()}
        self.settings["listener.sockjs.default.tls"] = "on"

    @ours_only("protocols")
    @harness.waits(30)
    @for_each(*PROVEN)
    def test_same_and_other_principal(self, first):
        """Another principal is refused and changes nothing; the same one has the session."""
        for second, name, topic in self.pairs(first, PROVEN):
            one = first(self, name, user="alice")
            told = second.refusal(self, name, "bob")
            self.assertIn(told, REFUSALS, name)
            one.publish(topic, b"still there")
            two = second(self, name, user="alice")
            if two.knows_present:
                self.assertTrue(two.has_session or first in (StompCertificate,
                                                             SockStompCertificate), name)
            identity_matrix.cell("principal-other", first.label, second.label, told)
            identity_matrix.cell("principal-same", first.label, second.label, one.was_told())
            two.close()


class Names(IdentityTest):
    """By user and password, where the protocol has one, and without a name."""

    settings = IdentityTest.settings | {"auth.user.1.username": "alice",
                                        "auth.user.1.password": "secret"}

    @ours_only("protocols")
    @harness.waits(20)
    @for_each(*WAYS)
    def test_with_a_name_and_without(self, first):
        """Who shows no name has nobody's session, and nobody has his."""
        alice = ("alice", "secret")
        for second in WAYS:
            for one_user, other_user in ((alice, None), (None, alice)):
                if (one_user and first is Sensor) or (other_user and second is Sensor):
                    continue  # MQTT-SN has no name to show but by DTLS
                row = first.label + (", named" if one_user else "")
                name = self.name(f"{first.__name__}-{second.__name__}-{bool(one_user)}")
                one = first(self, name, user=one_user)
                told = second.refusal(self, name, other_user)
                self.assertIn(told, REFUSALS, name)
                one.publish(self.topic(name), b"still there")
                identity_matrix.cell("principal-name", row, second.label, told)
                one.close()


if __name__ == "__main__":
    identity_matrix.main([way.label + named for way in WAYS for named in ("", ", named")])
