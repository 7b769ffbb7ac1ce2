"""Many STOMP subscription ids on one destination: one message for all of them costs what its heads cost, and
stalls nobody."""

import socket
import time

from attack import MB, harness
from harness import MqttTest, ours_only
from mqtt_wire import V5

IDS = 10000   # as many as stomp.max_subscriptions lets in
BODY = 15000


class StompIds(MqttTest):

    def connect_stomp(self, address):
        client = socket.create_connection(address, timeout=20)
        self.addCleanup(client.close)
        client.sendall(b"CONNECT\naccept-version:1.2\nhost:x\n\n\0")
        self.assertTrue(client.recv(4096).startswith(b"CONNECTED"))
        return client

    @ours_only("a bound of ours")
    def test_one_message_for_all(self):
        port = harness.free_port()
        broker = harness.Broker(**{"store.file": "", "listener.stomp.a": f"127.0.0.1:{port}"})
        self.addCleanup(broker.stop)
        bystander = self.client(V5, where=broker.address)
        attacker = self.connect_stomp(("127.0.0.1", port))
        for at in range(0, IDS, 1000):
            attacker.sendall(b"".join(
                b"SUBSCRIBE\nid:%d\ndestination:many\n\n\0" % number for number in range(at, at + 1000)))
        attacker.sendall(b"SEND\ndestination:other\nreceipt:r\n\n\0")
        self.assertIn(b"receipt-id:r", attacker.recv(4096))
        bystander.ping()
        before = broker.memory()
        bystander.publish("many", b"x" * BODY, 1)
        start = time.monotonic()
        bystander.ping()
        self.assertLess(time.monotonic() - start, 5.0)
        self.assertLess(broker.memory() - before, 32 * MB)
        attacker.settimeout(30)
        heard = 0
        while heard < IDS * BODY:
            heard += len(attacker.recv(1 << 20))
        attacker.sendall(b"SUBSCRIBE\nid:one more\ndestination:many\n\n\0")
        rest = b""
        while b"too many subscriptions" not in rest:
            more = attacker.recv(1 << 20)
            self.assertTrue(more, rest[-200:])
            rest = rest[-1000:] + more


if __name__ == "__main__":
    harness.main(jobs=1)
