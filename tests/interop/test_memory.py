"""The memory budget (node.memory_budget): pressure falls on those who cause it."""

import harness
import mqtt_wire as wire
from harness import MqttTest, ours_only
from mqtt_wire import V5


class Memory(MqttTest):

    @ours_only("keys")
    def test_pressure(self):
        """A publisher fills an absent client's queue: others live on, and its owner can come and empty it."""
        broker = harness.broker(**{"node.memory_budget": "64MB", "mqtt.mqueue.max_bytes": "1GB",
                                   "mqtt.mqueue.max_length": 1_000_000,
                                   # With a store the queue would lie on the disk, and nothing be short.
                                   "store.file": ""})
        topic, owner = self.topic(), self.name("owner")
        more = {"clean": False, "properties": {"session_expiry": 600}}
        client = self.client(V5, owner, broker.address, **more)
        client.subscribe(topic, qos=1)
        client.disconnect()
        bystander = self.client(V5, where=broker.address, keep_alive=2)
        sender = self.open(V5, broker.address, timeout=2)
        sender.connect(self.name("sender"))
        count = 0
        try:
            while count < 3000 and sender.publish(topic, bytes(100_000), 1, code=None).code < 0x80:
                count += 1
                if count % 50 == 0:
                    bystander.ping()
        except wire.Timeout:
            pass  # the broker reads no more from this one
        self.assertLess(count, 3000)
        bystander.ping()
        self.assertLess(broker.memory(), 128 << 20)
        client = self.client(V5, owner, broker.address, **more)
        client.messages(count)
        harness.wait_until(lambda: self.client(V5, where=broker.address), "new clients are let in")


if __name__ == "__main__":
    harness.main()
