"""What the programs of MQTT-SN tests share: a gateway with a UDP listener, and its clients."""

import json
import socket
import subprocess

import harness
import sn_wire as sn
from harness import MqttTest


def free_udp_port(host="127.0.0.1"):
    """A UDP port that nobody had bound a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def status(broker):
    """What `mangrove status` says of a running broker, as JSON. A broker that has just been started
    may not answer yet."""
    def ask():
        return subprocess.run([harness.BINARY, "status", "--json", "--data",
                               str(broker.data / "data")],
                              capture_output=True, text=True, timeout=20, check=False).stdout
    return json.loads(harness.wait_until(ask, "status"))["status"]


def sn_address(broker):
    """Where the broker's MQTT-SN listener is: its port was the system's choice."""
    for listener in status(broker)["listeners"]:
        if listener["name"].startswith("mqttsn."):
            host, port = listener["address"].rsplit(":", 1)
            return host.strip("[]"), int(port)
    raise AssertionError("no MQTT-SN listener")


def metric(broker, name):
    return status(broker)["metrics"].get(name, 0)


class SnTest(MqttTest):
    """A test with MQTT-SN clients, and MQTT clients beside them."""

    settings = {"listener.mqttsn.default": "127.0.0.1:0"}

    def setUp(self):
        super().setUp()
        self._addresses = {}

    def own(self, **keys):
        """A broker of this test alone; `keys` with __ for dots."""
        settings = dict(self.settings)
        settings.update({key.replace("__", "."): value for key, value in keys.items()})
        broker = harness.Broker(**settings)
        self.addCleanup(broker.stop)
        return broker

    def address(self, broker=None):
        broker = broker or self.broker()
        key = (id(broker), broker.process.pid)
        if key not in self._addresses:
            self._addresses[key] = sn_address(broker)
        return self._addresses[key]

    def sensor(self, client_id=None, broker=None, **more):
        """A client that has not connected."""
        found = sn.Client(self.address(broker),
                          self.name(f"-s{len(self._clients)}") if client_id is None else client_id,
                          **more)
        self._clients.append(found)
        return found

    def connected(self, client_id=None, broker=None, node=None, **fields):
        return self.sensor(client_id, broker, node=node).connect(**fields)
