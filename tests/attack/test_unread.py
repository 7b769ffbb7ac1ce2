"""Who does not read the answers is not read from: a client of MQTT that sends requests and reads nothing
costs a bounded number of bytes, whatever it sends, and everybody else is served meanwhile. The same over
TLS and WebSocket by --tls and --ws."""

import sys
import threading

import attack
from attack import MB, harness, wire
from harness import MqttTest, ours_only
from mqtt_wire import V311, V5

# Kinds of requests: what is sent once, and then again and again; each has an answer that nobody reads.
SUBSCRIBE = wire.subscribe(1, [("unread/a", 0)])
KINDS = {
    "pingreq": (b"", b"\xc0\x00"),
    "subscribe": (b"", SUBSCRIBE),
    "unsubscribe": (b"", wire.unsubscribe(1, ["unread/a"])),
    "many_filters": (b"", wire.unsubscribe(1, ["u/%d" % i for i in range(8)])),
    "qos_1": (b"", wire.publish("unread/nobody", b"", 1, 1)),
    "qos_2": (b"", wire.publish("unread/nobody", b"", 2, 1, dup=True)),
    "pubrel": (b"", wire.ack(6, 1, flags=2)),
    "to_itself": (SUBSCRIBE, wire.publish("unread/a", b"x" * 50)),
    "retained": (wire.publish("unread/a", b"x" * 1000, retain=True), SUBSCRIBE),
}
UNANSWERED = {"to_itself"}  # at QoS 0 what a full queue has no room for is dropped
SENT_MAX = 200 * MB   # more than this is never taken from one who does not read
GROWTH_MAX = 16 * MB  # what is kept for one is 2 MB of answers, and room to add to them


class Unread(MqttTest):

    def attack(self, kind):
        broker = harness.Broker(**{"store.file": ""})
        self.addCleanup(broker.stop)
        bystander = self.client(V5, where=broker.address)
        bystander.ping()
        before = broker.memory()
        once, again = KINDS[kind]
        attacker = self.open(V311, broker.address)
        attacker.connect(self.name(kind), keep_alive=0)
        attacker.send(once)
        block = again * max(1, 65536 // len(again))
        sent, was_stopped = attack.flood(attacker, block, SENT_MAX)
        if kind not in UNANSWERED:
            self.assertTrue(was_stopped, f"{sent >> 20} MB were read from one who reads nothing")
        self.assertLess(broker.memory() - before, GROWTH_MAX)
        bystander.ping()
        self.client(V5, where=broker.address).ping()
        attacker.abort()
        harness.wait_until(lambda: self.client(V311, self.name(kind), broker.address),
                           "its id is free")


def add(kind):
    setattr(Unread, f"test_{kind}", ours_only("a bound of ours")(lambda self: self.attack(kind)))


for one in KINDS:
    add(one)


class Answered(MqttTest):

    def answered(self):
        """What was read is answered, and the rest is read when there is room: no answer is lost."""
        client = self.client(V311, keep_alive=0)
        client.socket.settimeout(30)
        count, block, sent = 8 << 20, 32768, [0]

        def send():
            for _ in range(count // block):
                client.socket.sendall(b"\xc0\x00" * block)
                sent[0] += block

        sender = threading.Thread(target=send)
        sender.start()
        seen = []

        def has_stopped():
            seen.append(sent[0])
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        harness.wait_until(has_stopped, "the broker has stopped reading", 30)
        self.assertLess(sent[0], count)
        answered = 0
        while answered < 2 * count:
            answered += len(client.socket.recv(1 << 20))
        sender.join()
        client.ping()


# A TLS socket of Python is not for two threads at once.
if "--tls" not in sys.argv:
    Answered.test_every_request_is_answered_when_the_client_reads_again = \
        ours_only("a bound of ours")(Answered.answered)


if __name__ == "__main__":
    harness.main(jobs=2)
