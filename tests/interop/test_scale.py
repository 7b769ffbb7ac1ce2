"""Many connections at once, and readers that are slow."""

import multiprocessing
import resource
import select
import socket
import time

import harness
import mqtt_wire as wire
from harness import Broker, MqttTest
from mqtt_wire import V311, V5

CONNECTIONS = 10_000
PROCESSES = 2
IP_BIND_ADDRESS_NO_PORT = 24  # Python 3.12 has a name for it


def crowd(pipe, address, base, count, topic):
    """A process of its own: `count` clients that connect, subscribe, take one message each, ping
    and leave."""
    poll = select.epoll()
    clients = {}
    try:
        for number in range(count):
            one = socket.socket()
            one.setblocking(False)
            # Several source addresses, so that the ports of one never run out; the port is chosen
            # when it connects, from all that are free for this broker.
            one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            one.bind((f"127.0.0.{2 + number // 2500}", 0))
            one.connect_ex(address)
            clients[one.fileno()] = [one, b"", 0, base + number]
            poll.register(one, select.EPOLLOUT | select.EPOLLIN)
            # All processes together stay below the listener's backlog: what comes while it is full
            # the kernel answers with SYN cookies, and some of those connections it resets later.
            if number % 200 == 199:
                wait(poll, clients, topic,
                     lambda: sum(entry[2] < 2 for entry in clients.values()) <= 200, 90)
        wait(poll, clients, topic,
             lambda: sum(entry[2] >= 2 for entry in clients.values()) == count, 90)
        pipe.send("subscribed")
        pipe.recv()
        wait(poll, clients, topic, lambda: all(entry[2] >= 3 for entry in clients.values()), 60)
        pipe.send("received")
        pipe.recv()
        for entry in clients.values():
            entry[0].send(wire.packet(wire.PINGREQ, 0))
        wait(poll, clients, topic, lambda: all(entry[2] >= 4 for entry in clients.values()), 60)
        pipe.send("done")
    except Exception as error:  # pylint: disable=broad-except
        states = {}
        for entry in clients.values():
            states[entry[2]] = states.get(entry[2], 0) + 1
        pipe.send(f"failed: {error!r}; clients by state: {states}")
    finally:
        for entry in clients.values():
            entry[0].close()


def wait(poll, clients, topic, condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("deadline")
        step(poll, clients, topic, 0.2)


def step(poll, clients, topic, timeout):
    """State of a client: 0 new, 1 CONNECT sent, 2 subscribed, 3 got the message, 4 got PINGRESP."""
    for descriptor, events in poll.poll(timeout):
        entry = clients[descriptor]
        one = entry[0]
        if entry[2] == 0 and events & select.EPOLLOUT:
            one.send(wire.connect(f"crowd-{entry[3]}", keep_alive=600)
                     + wire.subscribe(1, [(topic, 0), (f"{topic}/{entry[3]}", 0)]))
            entry[2] = 1
            poll.modify(descriptor, select.EPOLLIN)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            data = one.recv(4096)
            if not data:
                raise ConnectionError(f"client {entry[3]} was closed in state {entry[2]}")
            entry[1] += data
            advance(entry, topic)


def advance(entry, topic):
    connack, suback = b"\x20\x02\0\0", b"\x90\x04\0\1\0\0"
    if entry[2] == 1 and len(entry[1]) >= len(connack + suback):
        if not entry[1].startswith(connack + suback):
            raise AssertionError(f"unexpected {entry[1]!r}")
        entry[1] = entry[1][len(connack + suback):]
        entry[2] = 2
    message = wire.publish(topic, b"to all of you")
    if entry[2] == 2 and len(entry[1]) >= len(message):
        if not entry[1].startswith(message):
            raise AssertionError(f"unexpected {entry[1]!r}")
        entry[1] = entry[1][len(message):]
        entry[2] = 3
    if entry[2] == 3 and len(entry[1]) >= 2:
        if entry[1] != wire.packet(wire.PINGRESP, 0):
            raise AssertionError(f"unexpected {entry[1]!r}")
        entry[2] = 4


class Crowd(MqttTest):

    def test_ten_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = CONNECTIONS + 500
        if hard < needed:
            self.skipTest(f"at most {hard} open files here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        broker = Broker()
        self.addCleanup(broker.stop)
        before = broker.memory()
        topic = self.topic()
        context = multiprocessing.get_context("fork")
        share = CONNECTIONS // PROCESSES
        workers = []
        for index in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(target=crowd,
                                      args=(theirs, broker.address, index * share, share, topic))
            process.start()
            self.addCleanup(process.join)
            self.addCleanup(process.kill)
            workers.append(ours)

        def expect(word, seconds):
            for one in workers:
                self.assertTrue(one.poll(seconds), f"no word of {word}")
                self.assertEqual(one.recv(), word)
        start = time.monotonic()
        expect("subscribed", 100)
        print(f"  {CONNECTIONS} connected and subscribed in {time.monotonic() - start:.1f} s, "
              f"{(broker.memory() - before) / CONNECTIONS:.0f} bytes of memory each", flush=True)
        sender = self.client(V5, where=broker.address)
        sender.publish(topic, b"to all of you", 1)
        for one in workers:
            one.send("go")
        expect("received", 70)
        sender.publish(f"{topic}/none", b"nobody", 1)
        for one in workers:
            one.send("go")
        expect("done", 70)
        sender.ping()
        self.assertIsNone(broker.stop())


class SlowReader(MqttTest):
    """A reader that stops costs its queue and no more; others go on."""

    LIMIT = 48 << 20  # 16 MB of queue, the unsent output, socket buffers and the allocator's share

    def assert_bounded(self, grown):
        """The broker's memory grew by no more than the limit."""
        if not harness.sanitized():
            self.assertLess(grown, self.LIMIT, f"{grown >> 20} MB more")

    def stuck(self, broker, qos, topic, clean=True):
        client = self.open(V311, broker.address, receive_buffer=4096)
        client.connect(self.name("stuck"), clean=clean)
        client.subscribe(topic, qos=qos)
        return client

    def flood(self, broker, qos):
        topic = self.topic()
        self.stuck(broker, qos, topic)
        reader = self.client(V311, where=broker.address)
        sender = self.client(V311, where=broker.address)
        reader.subscribe(topic, qos=1)
        before = broker.memory()
        payload = bytes(100_000)
        for number in range(1500):  # 150 MB
            sender.publish(topic, b"%d" % number + payload, 1)
            found = reader.message()
            self.assertTrue(found.payload.startswith(b"%d\0" % number))
        grown = broker.memory() - before
        self.assert_bounded(grown)
        sender.ping()

    @harness.peer_deviates("bounds the queue by the number of messages alone")
    def test_qos_0(self):
        broker = Broker()
        self.addCleanup(broker.stop)
        self.flood(broker, 0)

    @harness.peer_deviates("bounds the queue by the number of messages alone")
    def test_qos_1(self):
        broker = Broker()
        self.addCleanup(broker.stop)
        self.flood(broker, 1)

    def test_reads_again(self):
        """A slow reader that wakes up gets what its queue held, in order, and lives on."""
        broker = Broker()
        self.addCleanup(broker.stop)
        topic = self.topic()
        slow = self.stuck(broker, 1, topic)
        sender = self.client(V311, where=broker.address)
        for number in range(90):
            sender.publish(topic, b"%d" % number + bytes(50_000), 1)
        got = [int(slow.message().payload.split(b"\0")[0]) for _ in range(90)]
        self.assertEqual(got, list(range(90)))
        slow.ping()

    def test_many_clients_that_never_read_acknowledgements(self):
        """A client that sends pings and publishes for ever and reads nothing is held back or
        closed."""
        broker = Broker()
        self.addCleanup(broker.stop)
        client = self.open(V311, broker.address, receive_buffer=4096)
        client.connect(self.name())
        before = broker.memory()
        client.socket.settimeout(1)
        data = wire.packet(wire.PINGREQ, 0) * 30_000
        try:
            for _ in range(600):  # 36 MB of requests, as many bytes of answers
                client.socket.sendall(data)
        except OSError:
            pass  # the broker stopped reading, or closed: both are sound
        self.assert_bounded(broker.memory() - before)
        self.client(V311, where=broker.address).ping()


if __name__ == "__main__":
    harness.main(jobs=2)
