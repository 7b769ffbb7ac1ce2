"""What the programs of CoAP tests share: a gateway with a CoAP listener, and its clients."""

import harness
import coap_wire as coap
from harness import MqttTest
from sn_support import status


def coap_address(broker, kind="coap"):
    """Where a broker's CoAP listener is: its port was the system's choice."""
    for listener in status(broker)["listeners"]:
        if listener["name"].startswith(kind + "."):
            host, port = listener["address"].rsplit(":", 1)
            return host.strip("[]"), int(port)
    raise AssertionError("no CoAP listener")


class CoapTest(MqttTest):
    """A test with CoAP clients, and MQTT clients beside them."""

    settings = {"listener.coap.default": "127.0.0.1:0"}

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
            self._addresses[key] = coap_address(broker)
        return self._addresses[key]

    def device(self, broker=None):
        found = coap.Client(self.address(broker))
        self._clients.append(found)
        return found

    def ps(self, suffix=""):
        """The path of a topic of this test's own."""
        return "ps/" + self.topic(suffix)

    def assert_silent(self, device, window=0.15):
        """Nothing comes to the device, though the gateway had its chance."""
        self.assertEqual(device.ping().kind, coap.RST)
        try:
            found = device.recv(window)
        except coap.Timeout:
            return
        self.fail(f"unexpected {found}")
