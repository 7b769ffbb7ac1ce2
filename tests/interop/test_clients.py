"""`mangrove clients`: who is there, by whatever protocol, and how an operator ends a connection."""

import shlex

import coap_wire as coap
import harness
import sn_wire as sn
from auth_tools import command
from coap_support import CoapTest, coap_address
from harness import wait_until
from mqtt_wire import V5, V311
from sn_support import SnTest


def lines(text):
    """What `clients list` printed, by client id: the fields as text."""
    found = {}
    for line in text.splitlines():
        fields = dict(part.split("=", 1) for part in shlex.split(line)[1:])
        found[fields["client_id"]] = fields
    return found


class Clients(SnTest):

    settings = {**SnTest.settings, **CoapTest.settings}

    def test_lists_all_protocols(self):
        broker = self.own()
        mqtt = self.client(V311, "mqtt-one", broker.address)
        mqtt.subscribe("a/#", qos=1)
        self.client(V5, "gone", broker.address,
                    properties=[("session_expiry", 100)]).disconnect()
        sensor = self.connected("sensor-one", broker=broker)
        device = coap.Client(coap_address(broker))
        self.addCleanup(device.close)
        device.observe("ps/a/b", query=["clientid=device-one"])
        found = lines(command(broker, "clients", "list"))
        self.assertEqual(set(found), {"mqtt-one", "gone", "sensor-one", "device-one"})
        self.assertEqual(found["device-one"]["protocol"], "CoAP")
        self.assertEqual((found["mqtt-one"]["protocol"], found["mqtt-one"]["state"]),
                         ("MQTT 3.1.1", "online"))
        self.assertEqual(found["gone"]["state"], "offline")
        self.assertEqual(found["sensor-one"]["protocol"], "MQTT-SN")
        self.assertEqual(set(lines(command(broker, "clients", "list", "--online"))),
                         {"mqtt-one", "sensor-one", "device-one"})
        self.assertEqual(set(lines(command(broker, "clients", "list", "--offline"))), {"gone"})
        self.assertIn("and 3 more", command(broker, "clients", "list", "--limit", "1"))
        self.assertIn("subscription filter=a/# qos=1",
                      command(broker, "clients", "show", "mqtt-one"))
        command(broker, "clients", "show", "nobody", code=1)
        command(broker, "clients", "list", "--limit", "x", code=1)
        sensor.disconnect()

    def test_kick(self):
        broker = self.own()
        victim = self.client(V5, "victim", broker.address)
        other = self.client(V5, "other", broker.address)
        sensor = self.connected("sensor-one", broker=broker)
        command(broker, "clients", "kick", "victim")
        self.assertEqual([one.code for one in victim.expect_closed()], [0x98])
        command(broker, "clients", "kick", "sensor-one")
        sensor.expect(sn.DISCONNECT)
        other.ping()
        command(broker, "clients", "kick", "victim", code=1)
        wait_until(lambda: set(lines(command(broker, "clients", "list"))) == {"other"}, "gone")

    def test_found_in_the_store(self):
        """Nobody knows where a client was before a restart."""
        broker = self.own()
        self.client(V5, "kept", broker.address,
                    properties=[("session_expiry", 100)]).disconnect()
        broker.restart()
        found = lines(command(broker, "clients", "list"))["kept"]
        self.assertEqual((found["address"], found["state"]), ("", "offline"))

    def test_nothing_runs(self):
        broker = self.own()
        broker.terminate()
        for words in (["list"], ["show", "x"], ["kick", "x"]):
            command(broker, "clients", *words, code=3)


if __name__ == "__main__":
    harness.main()
