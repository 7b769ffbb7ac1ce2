"""MQTT-SN 1.2 at the level of bytes: encoders for every message, a strict decoder of what a gateway
may send, and a client over UDP that does what a test says and nothing by itself.

Written from the specification (protocol version 1.2, 2013), section numbers in comments.
"""

import collections
import select
import socket
import struct
import time

(ADVERTISE, SEARCHGW, GWINFO, _, CONNECT, CONNACK, WILLTOPICREQ, WILLTOPIC, WILLMSGREQ, WILLMSG,
 REGISTER, REGACK, PUBLISH, PUBACK, PUBCOMP, PUBREC, PUBREL, _, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, _, WILLTOPICUPD, WILLTOPICRESP, WILLMSGUPD,
 WILLMSGRESP) = range(0x1e)
ENCAPSULATED = 0xfe
NAMES = {value: name for name, value in list(globals().items())
         if name.isupper() and isinstance(value, int)}

ACCEPTED, CONGESTION, INVALID_TOPIC_ID, NOT_SUPPORTED = range(4)
NORMAL, PREDEFINED, SHORT = range(3)
DEFAULT_TIMEOUT = 15.0


class WireError(AssertionError):
    """The gateway has sent what the specification does not allow."""


class Timeout(AssertionError):
    """Nothing came."""


def message(kind, body=b"", long_form=False):
    """Section 5.2: one octet of length, or three."""
    if len(body) + 2 < 256 and not long_form:
        return bytes([len(body) + 2, kind]) + body
    return b"\x01" + struct.pack("!HB", len(body) + 4, kind) + body


def flags(dup=False, qos=0, retain=False, will=False, clean=False, kind=NORMAL):
    """Section 5.3.4; `qos` -1 is 0b11."""
    return (dup << 7 | (qos & 3) << 5 | retain << 4 | will << 3 | clean << 2 | kind)


def text(value):
    return value if isinstance(value, bytes) else value.encode()


def connect(client_id, clean=True, will=False, duration=60, protocol_id=1):
    return message(CONNECT, struct.pack("!BBH", flags(clean=clean, will=will), protocol_id,
                                        duration) + text(client_id))


def will_topic(topic, qos=0, retain=False, kind=WILLTOPIC):
    if topic is None:
        return message(kind)
    return message(kind, bytes([flags(qos=qos, retain=retain)]) + text(topic))


def register(topic, message_id):
    return message(REGISTER, struct.pack("!HH", 0, message_id) + text(topic))


def topic_field(topic):
    """A topic id, or the two characters of a short name, as a number."""
    return topic if isinstance(topic, int) else struct.unpack("!H", text(topic))[0]


def publish(topic, data, qos=0, message_id=0, dup=False, retain=False, kind=NORMAL):
    return message(PUBLISH, struct.pack("!BHH", flags(dup=dup, qos=qos, retain=retain, kind=kind),
                                        topic_field(topic), message_id) + text(data))


def topic_ack(kind, topic_id, message_id, code=ACCEPTED):
    return message(kind, struct.pack("!HHB", topic_id, message_id, code))


def message_ack(kind, message_id):
    return message(kind, struct.pack("!H", message_id))


def subscribe(topic, message_id, qos=0, kind=NORMAL, dup=False, unsubscribe=False):
    name = struct.pack("!H", topic) if isinstance(topic, int) else text(topic)
    return message(UNSUBSCRIBE if unsubscribe else SUBSCRIBE,
                   struct.pack("!BH", flags(qos=qos, kind=kind, dup=dup), message_id) + name)


def disconnect(duration=None):
    return message(DISCONNECT, b"" if duration is None else struct.pack("!H", duration))


def encapsulate(node, inner, ctrl=0):
    """Section 5.5: the length counts up to the end of the wireless node id."""
    return bytes([3 + len(node), ENCAPSULATED, ctrl]) + node + inner


class Packet:
    """A decoded message; fields by name."""

    def __init__(self, kind, **fields):
        self.type = kind
        self.__dict__.update(fields)

    def __repr__(self):
        shown = {key: value for key, value in vars(self).items() if key != "type"}
        return f"{NAMES.get(self.type, self.type)} {shown}"


LAYOUT = {
    ADVERTISE: ("!BH", "gateway_id duration", False),
    GWINFO: ("!B", "gateway_id", True),
    CONNACK: ("!B", "code", False),
    WILLTOPICREQ: ("", "", False),
    WILLMSGREQ: ("", "", False),
    REGISTER: ("!HH", "topic_id message_id", True),
    REGACK: ("!HHB", "topic_id message_id code", False),
    PUBLISH: ("!BHH", "flags topic_id message_id", True),
    PUBACK: ("!HHB", "topic_id message_id code", False),
    PUBCOMP: ("!H", "message_id", False),
    PUBREC: ("!H", "message_id", False),
    PUBREL: ("!H", "message_id", False),
    SUBACK: ("!BHHB", "flags topic_id message_id code", False),
    UNSUBACK: ("!H", "message_id", False),
    PINGREQ: ("", "", True),
    PINGRESP: ("", "", False),
    DISCONNECT: ("", "", False),
    WILLTOPICRESP: ("!B", "code", False),
    WILLMSGRESP: ("!B", "code", False),
}


def decode(datagram):
    """A datagram from a gateway. Anything else raises WireError."""
    if len(datagram) < 2:
        raise WireError(f"too short: {datagram.hex()}")
    length, at = datagram[0], 1
    if length == 1:
        length, at = struct.unpack("!H", datagram[1:3])[0], 3
    if length != len(datagram):
        raise WireError(f"length {length} of {len(datagram)}: {datagram.hex()}")
    kind, body = datagram[at], datagram[at + 1:]
    if kind not in LAYOUT:
        raise WireError(f"a gateway does not send type {kind:#x}: {datagram.hex()}")
    layout, names, has_rest = LAYOUT[kind]
    size = struct.calcsize(layout) if layout else 0
    if len(body) < size or (len(body) > size and not has_rest):
        raise WireError(f"wrong size: {datagram.hex()}")
    found = Packet(kind, **dict(zip(names.split(), struct.unpack(layout, body[:size])
                                    if layout else ())))
    if has_rest:
        found.rest = body[size:]
    if kind == PUBLISH:
        found.dup, found.qos = bool(found.flags & 0x80), found.flags >> 5 & 3
        found.retain, found.kind = bool(found.flags & 0x10), found.flags & 3
        found.payload = found.rest
        if found.qos == 3 or found.kind == 3 or (found.qos == 0 and found.message_id != 0):
            raise WireError(f"flags or message id: {found}")
        if found.flags & 0x0c:
            raise WireError(f"will or clean session set: {found}")
    if kind == REGISTER:
        found.topic = found.rest.decode()
        if not found.topic or found.topic_id in (0, 0xffff):
            raise WireError(f"topic: {found}")
    return found


class Client:
    """A client that a test drives. Topic ids that the gateway tells are in `topics`."""

    def __init__(self, address, client_id=None, node=None, source=None, timeout=DEFAULT_TIMEOUT):
        self.address, self.client_id, self.node, self.timeout = address, client_id, node, timeout
        self.pending = collections.deque()
        self.topics = {}
        self.numbers = 0
        self.socket = None
        self.move(source)

    def move(self, source=None):
        """From now on from another port."""
        old = self.socket
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        if source:
            self.socket.bind(source)
        self.socket.connect(self.address)
        if old:
            old.close()

    def close(self):
        self.socket.close()

    def next_id(self):
        self.numbers = self.numbers % 65535 + 1
        return self.numbers

    def send(self, *datagrams):
        for one in datagrams:
            self.socket.send(encapsulate(self.node, one) if self.node else one)

    def recv(self, timeout=None):
        """The next message; forwarder headers must be those of this client's node."""
        if self.pending:
            return self.pending.popleft()
        timeout = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.socket], [], [], left)[0]:
                raise Timeout(f"nothing within {timeout} s")
            try:
                datagram = self.socket.recv(70000)
                break
            except ConnectionRefusedError:
                continue  # the gateway was not there for what was sent before
        if self.node:
            head = bytes([3 + len(self.node), ENCAPSULATED])
            if datagram[:2] != head or datagram[3:3 + len(self.node)] != self.node:
                raise WireError(f"not for node {self.node.hex()}: {datagram.hex()}")
            datagram = datagram[3 + len(self.node):]
        return decode(datagram)

    def expect(self, kind, timeout=None, **fields):
        found = self.recv(timeout)
        if found.type != kind:
            raise AssertionError(f"{NAMES[kind]} expected, got {found}")
        for name, value in fields.items():
            if getattr(found, name) != value:
                raise AssertionError(f"{name}={value} expected, got {found}")
        return found

    def silent(self, within=0.3):
        """Nothing comes."""
        try:
            raise AssertionError(f"unexpected {self.recv(within)}")
        except Timeout:
            pass

    def await_type(self, kind, timeout=None):
        """The next message of that type; others stay for later."""
        kept = []
        try:
            while True:
                found = self.recv(timeout)
                if found.type == kind:
                    return found
                kept.append(found)
        finally:
            self.pending.extendleft(reversed(kept))

    # --- dialogues

    def connect(self, clean=True, will=None, duration=60, code=ACCEPTED, client_id=None):
        """`will` is (topic, message, qos, retain), or () for one that is deleted."""
        self.send(connect(self.client_id if client_id is None else client_id, clean,
                          will is not None, duration))
        if will is not None:
            self.expect(WILLTOPICREQ)
            self.send(will_topic(will[0], *will[2:]) if will else will_topic(None))
            if will:
                self.expect(WILLMSGREQ)
                self.send(message(WILLMSG, text(will[1])))
        self.expect(CONNACK, code=code)
        return self

    def register(self, topic):
        number = self.next_id()
        self.send(register(topic, number))
        topic_id = self.expect(REGACK, message_id=number, code=ACCEPTED).topic_id
        self.topics[topic_id] = topic
        return topic_id

    def subscribe(self, topic, qos=0, kind=NORMAL, code=ACCEPTED):
        number = self.next_id()
        self.send(subscribe(topic, number, qos, kind))
        found = self.await_type(SUBACK)
        if found.message_id != number or found.code != code:
            raise AssertionError(f"code {code} expected, got {found}")
        if code == ACCEPTED and (found.flags >> 5 & 3) != qos:
            raise AssertionError(f"QoS {qos} expected, got {found}")
        if found.topic_id and kind == NORMAL:
            self.topics[found.topic_id] = topic
        return found.topic_id

    def unsubscribe(self, topic, kind=NORMAL):
        number = self.next_id()
        self.send(subscribe(topic, number, kind=kind, unsubscribe=True))
        self.expect(UNSUBACK, message_id=number)

    def publish(self, topic, data, qos=0, retain=False, kind=NORMAL, code=ACCEPTED):
        number = self.next_id() if qos > 0 else 0
        self.send(publish(topic, data, qos, number, retain=retain, kind=kind))
        if qos == 1 or (qos > 0 and code != ACCEPTED):
            self.expect(PUBACK, message_id=number, topic_id=topic_field(topic), code=code)
        elif qos == 2:
            self.expect(PUBREC, message_id=number)
            self.send(message_ack(PUBREL, number))
            self.expect(PUBCOMP, message_id=number)

    def message(self, timeout=None, acknowledge=True):
        """The next message for this client, after the REGISTER that may come before it. `name` is
        its topic."""
        found = self.recv(timeout)
        while found.type == REGISTER:
            self.topics[found.topic_id] = found.topic
            self.send(topic_ack(REGACK, found.topic_id, found.message_id))
            found = self.recv(timeout)
        if found.type != PUBLISH:
            raise AssertionError(f"PUBLISH expected, got {found}")
        if found.kind == SHORT:
            found.name = struct.pack("!H", found.topic_id).decode()
        elif found.kind == PREDEFINED:
            found.name = found.topic_id
        else:
            found.name = self.topics[found.topic_id]
        if acknowledge:
            self.complete(found)
        return found

    def complete(self, found):
        if found.qos == 1:
            self.send(topic_ack(PUBACK, found.topic_id, found.message_id))
        elif found.qos == 2:
            self.send(message_ack(PUBREC, found.message_id))
            self.expect(PUBREL, message_id=found.message_id)
            self.send(message_ack(PUBCOMP, found.message_id))

    def ping(self, with_id=False):
        self.send(message(PINGREQ, text(self.client_id) if with_id else b""))
        self.expect(PINGRESP)

    def sleep(self, duration):
        self.send(disconnect(duration))
        self.expect(DISCONNECT)

    def wake(self, timeout=None):
        """PINGREQ with the client id; the messages that wait, up to PINGRESP."""
        self.send(message(PINGREQ, text(self.client_id)))
        found = []
        while True:
            self.pending.appendleft(self.recv(timeout))
            if self.pending[0].type == PINGRESP:
                self.pending.popleft()
                return found
            found.append(self.message(timeout))

    def disconnect(self):
        self.send(disconnect())
        self.expect(DISCONNECT)
