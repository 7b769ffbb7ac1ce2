"""A TCP proxy that cuts, and clients that keep their promises over cuts: for the delivery
guarantees.

`CutProxy` forwards one connection and cuts it at a chosen packet, whichever direction that packet
goes in. `Sender` and `Receiver` follow the specification's rules for a client with a persistent
session.
"""

import select
import socket
import struct
import threading

import mqtt_wire as wire


def packet_end(data):
    """Length of the first whole packet in `data`, or 0."""
    length = 0
    for index in range(1, 5):
        if len(data) <= index:
            return 0
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if not data[index] & 0x80:
            return index + 1 + length if len(data) >= index + 1 + length else 0
    raise AssertionError("bad length")


class CutProxy:
    """Forwards connections to `target`; the first is cut after packet number `cut_after` (both
    directions counted).

    `inside`: only the first half of that packet is forwarded. `hard`: the sides are closed with
    RST. `cut_after=None` never cuts. Later connections go through whole. `cut` tells whether the
    cut happened.
    """

    def __init__(self, target, cut_after, inside=False, hard=False):
        self.target, self.cut_after, self.inside, self.hard = target, cut_after, inside, hard
        self.cut = False
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._threads = [self._thread]
        self._thread.start()

    def close(self):
        self._stop.set()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self):
        first = True
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except socket.timeout:
                continue
            thread = threading.Thread(target=self._forward,
                                      args=(client, self.cut_after if first else None),
                                      daemon=True)
            first = False
            self._threads.append(thread)
            thread.start()

    def _forward(self, client, cut_after):
        server = socket.create_connection(self.target)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._pump(client, server, cut_after)
        except OSError:
            pass
        finally:
            for one in (client, server):
                if self.hard:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()

    def _pump(self, client, server, cut_after):
        waiting = {client: bytearray(), server: bytearray()}
        other = {client: server, server: client}
        packets = 0
        while not self._stop.is_set():
            for source in select.select([client, server], [], [], 0.2)[0]:
                data = source.recv(65536)
                if not data:
                    return
                waiting[source] += data
                while True:
                    end = packet_end(waiting[source])
                    if not end:
                        break
                    whole = bytes(waiting[source][:end])
                    del waiting[source][:end]
                    packets += 1
                    last = packets == cut_after
                    other[source].sendall(whole[:end // 2] if last and self.inside else whole)
                    if last:
                        self.cut = True
                        return


class Sender:
    """Publishes messages with QoS 1 or 2 and brings each to its end, over as many connections as it
    takes."""

    def __init__(self, name, version, topic, payloads, qos, window=10):
        self.name, self.version, self.topic = name, version, topic
        self.qos, self.window = qos, window
        self._left = list(payloads)
        self._open = {}  # packet id -> payload, or None once only PUBREL is to be sent
        self._next = 0
        self.connections = 0
        self.finished = 0  # messages whose exchange is over

    def done(self):
        return not self._left and not self._open

    def run(self, address):
        """One connection: until all is done (True) or the link breaks (False)."""
        self.connections += 1
        try:
            with wire.Client(address, self.version) as client:
                self._converse(client)
            return True
        except (wire.Closed, OSError):
            return False

    def _converse(self, client):
        properties = {"session_expiry": 600} if self.version == wire.V5 else None
        connack = client.connect(self.name, clean=False, properties=properties)
        again = self.connections > 1 and self._open
        if again and self.version != wire.V31 and not connack.session_present:
            raise AssertionError("the broker lost the sender's session")
        for number, payload in self._open.items():
            if payload is None:
                client.send(wire.ack(wire.PUBREL, number))
            else:
                client.send(wire.publish(self.topic, payload, self.qos, number, dup=True,
                                         version=self.version))
        while True:
            while self._left and len(self._open) < self.window:
                self._next = self._next % 65535 + 1
                payload = self._left.pop(0)
                self._open[self._next] = payload
                client.send(wire.publish(self.topic, payload, self.qos, self._next,
                                         version=self.version))
            if self.done():
                client.disconnect()
                return
            self._answer(client, client.recv())

    def _answer(self, client, found):
        if found.type == wire.PUBREC and self.qos == 2:
            if found.code >= 0x80:
                raise AssertionError(f"refused: {found}")
            if found.id in self._open:
                self._open[found.id] = None
            client.send(wire.ack(wire.PUBREL, found.id))
        elif found.type == (wire.PUBACK if self.qos == 1 else wire.PUBCOMP):
            self.finished += found.id in self._open
            self._open.pop(found.id, None)
        elif found.type == wire.DISCONNECT and found.code == 0x8E and self.connections > 1:
            # The link before was cut behind its CONNECT, which the broker has read only now: the older one is the
            # newer one there. MQTT 3 has no word for it, and is closed.
            raise wire.Closed("taken over by a connection of before")
        else:
            raise AssertionError(f"unexpected {found}")


class Receiver:
    """Takes messages with QoS 1 or 2; what the application was given is in `got`."""

    def __init__(self, name, version, topic, qos):
        self.name, self.version, self.topic, self.qos = name, version, topic, qos
        self.got = []
        self._held = set()  # ids of QoS 2 messages that were handed on and not yet released
        self._subscribed = False

    def run(self, address, count):
        """One connection, until `count` messages were taken and no exchange is open, or the link
        breaks."""
        try:
            with wire.Client(address, self.version) as client:
                self._converse(client, count)
            return True
        except (wire.Closed, OSError):
            return False

    def complete(self, count):
        return len(set(self.got)) >= count and not self._held

    def _converse(self, client, count):
        properties = {"session_expiry": 600} if self.version == wire.V5 else None
        connack = client.connect(self.name, clean=False, properties=properties)
        if self._subscribed and self.version != wire.V31 and not connack.session_present:
            raise AssertionError("the broker lost the receiver's session")
        if not self._subscribed:
            client.subscribe(self.topic, qos=self.qos)
            self._subscribed = True
        while not self.complete(count):
            found = client.recv()
            if found.type == wire.PUBLISH:
                if found.qos == 1:
                    self.got.append(found.payload)
                    client.send(wire.ack(wire.PUBACK, found.id))
                else:
                    if found.id not in self._held:
                        self._held.add(found.id)
                        self.got.append(found.payload)
                    client.send(wire.ack(wire.PUBREC, found.id))
            elif found.type == wire.PUBREL:
                self._held.discard(found.id)
                client.send(wire.ack(wire.PUBCOMP, found.id))
            else:
                raise AssertionError(f"unexpected {found}")
        client.ping()
        client.disconnect()
