"""CoAP observations at one endpoint: there is an end of them, and neither a request there nor the end of all of
them at once keeps others waiting."""

import time

from attack import harness
import coap_support
import coap_wire as wire
from harness import ours_only
from mqtt_wire import V5

CLIENTS = 4
EACH = 10000  # coap.max_observations, of a client and of an endpoint


class Observers(coap_support.CoapTest):

    def observe_all(self, device):
        """EACH observations for each client, of 100 filters; how many were taken."""
        taken, waiting, number = 0, 0, 0
        device.socket.settimeout(10)
        for number in range(CLIENTS * EACH):
            device.socket.send(wire.encode(
                wire.CON, wire.GET, number & 0xffff, number.to_bytes(4, "big"),
                [(wire.OBSERVE, b""), (wire.URI_PATH, b"ps"), (wire.URI_PATH, b"t%d" % (number % 100)),
                 (wire.URI_QUERY, b"c=a%d" % (number // EACH))]))
            waiting += 1
            while waiting > 100 or (number == CLIENTS * EACH - 1 and waiting):
                taken += wire.Message(device.socket.recv(2048)).observe is not None
                waiting -= 1
        return taken

    @ours_only("a bound of ours")
    def test_many_at_one_endpoint(self):
        broker = self.own(**{"store.file": "", "node.workers": 1})
        device = self.device(broker)
        bystander = self.client(V5, where=broker.address)
        taken = self.observe_all(device)
        self.assertEqual(taken, EACH)
        # A message for all the observations of a filter, and then all of them end at once.
        bystander.publish("t1", b"x", 1)
        start = time.monotonic()
        bystander.ping()
        newcomer = self.client(V5, client_id="a0", where=broker.address)
        bystander.ping()
        newcomer.ping()
        self.assertLess(time.monotonic() - start, 2.0)


if __name__ == "__main__":
    harness.main(jobs=1)
