"""A small MQTT client at the level of bytes, for tests: protocol 3.1, 3.1.1 and 5.0.

Written from the specifications alone, so that a mistake of the broker's own codec is not repeated
here. It encodes whatever it is told to, right or wrong, and reads packets against a deadline. It
answers nothing by itself: a test that wants a PUBACK sent sends it.

Times are seconds. Every read has a deadline; `Timeout` says that nothing came, `Closed` that the
peer closed.
"""

import socket
import struct
import time

# Packet types (section 2.1.2).
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT, AUTH = 12, 13, 14, 15

NAMES = {
    1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP",
    8: "SUBSCRIBE", 9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 13: "PINGRESP",
    14: "DISCONNECT", 15: "AUTH",
}

V31, V311, V5 = 3, 4, 5
VERSIONS = (V31, V311, V5)
VERSION_NAMES = {V31: "3.1", V311: "3.1.1", V5: "5.0"}

DEFAULT_TIMEOUT = 10.0

# Property name -> (identifier, kind) (MQTT 5.0, table 2-4).
PROPERTIES = {
    "payload_format": (0x01, "byte"),
    "message_expiry": (0x02, "u32"),
    "content_type": (0x03, "utf8"),
    "response_topic": (0x08, "utf8"),
    "correlation_data": (0x09, "binary"),
    "subscription_identifier": (0x0B, "varint"),
    "session_expiry": (0x11, "u32"),
    "assigned_client_id": (0x12, "utf8"),
    "server_keep_alive": (0x13, "u16"),
    "authentication_method": (0x15, "utf8"),
    "authentication_data": (0x16, "binary"),
    "request_problem_information": (0x17, "byte"),
    "will_delay": (0x18, "u32"),
    "request_response_information": (0x19, "byte"),
    "response_information": (0x1A, "utf8"),
    "server_reference": (0x1C, "utf8"),
    "reason_string": (0x1F, "utf8"),
    "receive_maximum": (0x21, "u16"),
    "topic_alias_maximum": (0x22, "u16"),
    "topic_alias": (0x23, "u16"),
    "maximum_qos": (0x24, "byte"),
    "retain_available": (0x25, "byte"),
    "user_property": (0x26, "pair"),
    "maximum_packet_size": (0x27, "u32"),
    "wildcard_available": (0x28, "byte"),
    "subscription_identifiers_available": (0x29, "byte"),
    "shared_available": (0x2A, "byte"),
}
PROPERTY_BY_ID = {number: (name, kind) for name, (number, kind) in PROPERTIES.items()}

# Which properties a server may put into which packet (table 2-4), to check what the broker sends.
SERVER_MAY_SEND = {
    CONNACK: {
        "session_expiry", "assigned_client_id", "server_keep_alive", "authentication_method",
        "authentication_data", "response_information", "server_reference", "reason_string",
        "receive_maximum", "topic_alias_maximum", "maximum_qos", "retain_available",
        "user_property",
        "maximum_packet_size", "wildcard_available", "subscription_identifiers_available",
        "shared_available",
    },
    PUBLISH: {
        "payload_format", "message_expiry", "content_type", "response_topic", "correlation_data",
        "subscription_identifier", "topic_alias", "user_property",
    },
    PUBACK: {"reason_string", "user_property"},
    PUBREC: {"reason_string", "user_property"},
    PUBREL: {"reason_string", "user_property"},
    PUBCOMP: {"reason_string", "user_property"},
    SUBACK: {"reason_string", "user_property"},
    UNSUBACK: {"reason_string", "user_property"},
    DISCONNECT: {"server_reference", "reason_string", "user_property"},
    AUTH: {"authentication_method", "authentication_data", "reason_string", "user_property"},
}

# Reason codes that a server may send in which packet (section 2.4).
SERVER_REASONS = {
    CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
              0x95,
              0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
                 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1,
                 0xA2},
    AUTH: {0x00, 0x18},
}


class WireError(AssertionError):
    """The broker sent bytes that the specification does not allow."""


class Timeout(AssertionError):
    """Nothing (or not enough) came before the deadline."""


class Closed(AssertionError):
    """The peer closed the connection while a packet was expected."""


# --- encoding
# ------------------------------------------------------------------------------------------------

def varint(value):
    """Variable byte integer (section 1.5.5 of 5.0, 2.2.3 of 3.1.1), shortest form."""
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def utf8(text):
    """UTF-8 string with its two-byte length; `bytes` are taken as they are (to send what is not
    UTF-8)."""
    raw = text if isinstance(text, (bytes, bytearray)) else text.encode()
    return struct.pack("!H", len(raw)) + raw


def encode_property(name, value):
    """One property by name; a whole `bytes` under the name "raw" goes in unchanged."""
    if name == "raw":
        return value
    number, kind = PROPERTIES[name]
    head = varint(number)
    if kind == "byte":
        return head + struct.pack("!B", value)
    if kind == "u16":
        return head + struct.pack("!H", value)
    if kind == "u32":
        return head + struct.pack("!I", value)
    if kind == "varint":
        return head + varint(value)
    if kind == "pair":
        return head + utf8(value[0]) + utf8(value[1])
    return head + utf8(value)


def encode_properties(properties):
    """Property block with its length. `properties`: mapping, list of (name, value), or None."""
    items = list(properties.items()) if isinstance(properties, dict) else list(properties or [])
    body = b"".join(encode_property(name, value) for name, value in items)
    return varint(len(body)) + body


def packet(kind, flags, body=b""):
    """A whole control packet: fixed header and body."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


class Will:
    """What CONNECT says about the will; `properties` only travel with 5.0."""

    def __init__(self, topic, payload=b"", qos=0, retain=False, properties=None):
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.properties = properties


def connect(client_id="", version=V311, clean=True, keep_alive=60, will=None, username=None,
            password=None,
            properties=None, name=None, level=None, flags=None):
    """CONNECT. `name`, `level` and `flags` override what the version would give."""
    if name is None:
        name = "MQIsdp" if version == V31 else "MQTT"
    bits = 0x02 if clean else 0
    if will is not None:
        bits |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
    if password is not None:
        bits |= 0x40
    if username is not None:
        bits |= 0x80
    body = utf8(name) + bytes([version if level is None else level, bits if flags is None
                               else flags])
    body += struct.pack("!H", keep_alive)
    if version == V5:
        body += encode_properties(properties)
    body += utf8(client_id)
    if will is not None:
        if version == V5:
            body += encode_properties(will.properties)
        body += utf8(will.topic) + utf8(will.payload)
    if username is not None:
        body += utf8(username)
    if password is not None:
        body += utf8(password)
    return packet(CONNECT, 0, body)


def publish(topic, payload=b"", qos=0, packet_id=None, retain=False, dup=False, version=V311,
            properties=None, flags=None):
    """PUBLISH. A packet id is written when given or when the QoS asks for one (default 1)."""
    if isinstance(payload, str):
        payload = payload.encode()
    body = utf8(topic)
    if packet_id is None and qos > 0:
        packet_id = 1
    if packet_id is not None:
        body += struct.pack("!H", packet_id)
    if version == V5:
        body += encode_properties(properties)
    bits = (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    return packet(PUBLISH, bits if flags is None else flags, body + payload)


def ack(kind, packet_id, reason=None, properties=None, flags=None):
    """PUBACK, PUBREC, PUBREL or PUBCOMP; reason and properties are of 5.0 and may be left out."""
    body = struct.pack("!H", packet_id)
    if reason is not None:
        body += bytes([reason])
    if properties is not None:
        body += encode_properties(properties)
    if flags is None:
        flags = 2 if kind == PUBREL else 0
    return packet(kind, flags, body)


def subscribe(packet_id, filters, version=V311, properties=None, flags=2):
    """SUBSCRIBE. `filters`: list of (filter, options byte)."""
    body = struct.pack("!H", packet_id)
    if version == V5:
        body += encode_properties(properties)
    body += b"".join(utf8(text) + bytes([options]) for text, options in filters)
    return packet(SUBSCRIBE, flags, body)


def unsubscribe(packet_id, filters, version=V311, properties=None, flags=2):
    """UNSUBSCRIBE of a list of filters."""
    body = struct.pack("!H", packet_id)
    if version == V5:
        body += encode_properties(properties)
    return packet(UNSUBSCRIBE, flags, body + b"".join(utf8(text) for text in filters))


def disconnect(version=V311, reason=None, properties=None):
    """DISCONNECT; with neither reason nor properties the two-byte form."""
    if version != V5 or (reason is None and properties is None):
        return packet(DISCONNECT, 0)
    body = bytes([reason or 0])
    if properties is not None:
        body += encode_properties(properties)
    return packet(DISCONNECT, 0, body)


def auth(reason=0x18, properties=None):
    """AUTH (5.0)."""
    return packet(AUTH, 0, bytes([reason]) + encode_properties(properties))


def options(qos=0, no_local=False, retain_as_published=False, retain_handling=0):
    """Subscription options byte (5.0, section 3.8.3.1)."""
    return qos | (4 if no_local else 0) | (8 if retain_as_published else 0) | retain_handling << 4


# --- decoding
# ------------------------------------------------------------------------------------------------

class Fields:
    """Reads the body of one packet and never past it."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def left(self):
        return len(self.raw) - self.at

    def take(self, count):
        if count > self.left():
            raise WireError(
                f"packet cut short: {count} bytes wanted, {self.left()} left in {self.raw!r}")
        piece = self.raw[self.at:self.at + count]
        self.at += count
        return piece

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("!H", self.take(2))[0]

    def u32(self):
        return struct.unpack("!I", self.take(4))[0]

    def varint(self):
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                if shift and not byte:
                    raise WireError("variable byte integer not in its shortest form [MQTT-1.5.5-1]")
                return value
        raise WireError("variable byte integer of more than four bytes")

    def binary(self):
        return bytes(self.take(self.u16()))

    def text(self):
        raw = self.binary()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError(f"not UTF-8: {raw!r} [MQTT-1.5.4-1]") from error
        if "\0" in text:
            raise WireError("U+0000 in a string [MQTT-1.5.4-2]")
        return text


class Properties(list):
    """Decoded properties in their order: a list of (name, value)."""

    def get(self, name, default=None):
        """The value of a property that is there at most once."""
        found = [value for key, value in self if key == name]
        return found[0] if found else default

    def all(self, name):
        """Every value of a property, in order."""
        return [value for key, value in self if key == name]

    def has(self, name):
        return any(key == name for key, _ in self)


def decode_properties(fields, kind):
    """Reads a property block and checks that this packet type may carry each of them, once."""
    block = Fields(fields.take(fields.varint()))
    found = Properties()
    while block.left():
        number = block.varint()
        if number not in PROPERTY_BY_ID:
            raise WireError(f"unknown property 0x{number:02x}")
        name, form = PROPERTY_BY_ID[number]
        if name not in SERVER_MAY_SEND.get(kind, ()):
            raise WireError(f"{NAMES[kind]} may not carry {name}")
        repeatable = name == "user_property" or (name == "subscription_identifier"
                                                 and kind == PUBLISH)
        if found.has(name) and not repeatable:
            raise WireError(f"{name} twice in {NAMES[kind]}")
        if form == "byte":
            value = block.u8()
        elif form == "u16":
            value = block.u16()
        elif form == "u32":
            value = block.u32()
        elif form == "varint":
            value = block.varint()
        elif form == "pair":
            value = (block.text(), block.text())
        elif form == "utf8":
            value = block.text()
        else:
            value = block.binary()
        found.append((name, value))
    return found


class Packet:
    """A packet that the broker sent. Which attributes there are depends on `type`."""

    def __init__(self, kind, flags, version, raw):
        self.type, self.flags, self.version, self.raw = kind, flags, version, raw
        self.properties = Properties()

    def __repr__(self):
        shown = {key: value for key, value in vars(self).items()
                 if key not in ("type", "raw", "version")}
        text = ", ".join(f"{key}={value!r}" for key, value in shown.items())
        return f"{NAMES[self.type]}({text[:400]})"


def decode(kind, flags, body, version):
    """Reads a packet from a server, strictly; raises `WireError` where the specification forbids
    it."""
    fields = Fields(body)
    found = Packet(kind, flags, version, body)
    if kind not in (CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP,
                    DISCONNECT, AUTH):
        raise WireError(f"a server never sends packet type {kind}")
    if kind == PUBREL:
        if flags != 2 and version != V31:
            raise WireError(f"PUBREL with flags {flags:#x} [MQTT-3.6.1-1]")
    elif kind != PUBLISH and flags:
        raise WireError(f"{NAMES[kind]} with reserved flags {flags:#x} [MQTT-2.1.3-1]")
    if kind == CONNACK:
        bits = fields.u8()
        if bits & 0xFE:
            raise WireError("reserved bits in the acknowledge flags of CONNACK [MQTT-3.2.2-1]")
        found.session_present = bool(bits)
        found.code = fields.u8()
        if version == V5:
            found.properties = decode_properties(fields, kind)
            check_reason(found)
        elif found.code > 5:
            raise WireError(
                f"CONNACK return code {found.code} in protocol {VERSION_NAMES[version]}")
        if found.session_present and found.code:
            raise WireError("session present in a refusal [MQTT-3.2.2-6]")
    elif kind == PUBLISH:
        found.dup, found.qos, found.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
        if found.qos == 3:
            raise WireError("PUBLISH with QoS 3 [MQTT-3.3.1-4]")
        if found.dup and not found.qos:
            raise WireError("DUP with QoS 0 [MQTT-3.3.1-2]")
        found.topic = fields.text()
        if "+" in found.topic or "#" in found.topic:
            raise WireError("wildcard in a topic name [MQTT-3.3.2-2]")
        found.id = fields.u16() if found.qos else None
        if found.id == 0:
            raise WireError("packet id 0 [MQTT-2.2.1-3]")
        if version == V5:
            found.properties = decode_properties(fields, kind)
            if not found.topic and not found.properties.has("topic_alias"):
                raise WireError("neither topic nor alias")
        elif not found.topic:
            raise WireError("empty topic name [MQTT-4.7.3-1]")
        found.payload = bytes(fields.take(fields.left()))
    elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        found.id, found.code = fields.u16(), 0
        if version == V5 and fields.left():
            found.code = fields.u8()
            if fields.left():
                found.properties = decode_properties(fields, kind)
            check_reason(found)
    elif kind == SUBACK or (kind == UNSUBACK and version == V5):
        found.id = fields.u16()
        if version == V5:
            found.properties = decode_properties(fields, kind)
        found.codes = list(fields.take(fields.left()))
        for code in found.codes:
            allowed = SERVER_REASONS[kind] if version == V5 else {0, 1, 2, 0x80}
            if code not in allowed:
                raise WireError(f"{NAMES[kind]} with code {code:#x} [MQTT-3.9.3-2]")
    elif kind == UNSUBACK:
        found.id = fields.u16()
    elif kind in (DISCONNECT, AUTH):
        if version != V5:
            raise WireError(f"{NAMES[kind]} from the server in protocol {VERSION_NAMES[version]}")
        found.code = fields.u8() if fields.left() else 0
        if fields.left():
            found.properties = decode_properties(fields, kind)
        check_reason(found)
    if fields.left():
        raise WireError(f"{fields.left()} bytes too many in {NAMES[kind]}: {body!r}")
    return found


def check_reason(found):
    """A reason code that this packet type may carry."""
    if found.code not in SERVER_REASONS[found.type]:
        raise WireError(f"{NAMES[found.type]} with reason code {found.code:#04x}")


# --- a connection
# --------------------------------------------------------------------------------------------

# An ssl.SSLContext: all connections but those over Unix sockets speak TLS.
TLS = None
# Makes of a connected socket and its address what clients use in its place: WebSocket.
WRAP = None


class Client:
    """One connection. Not for use by several threads at once, except that one may send while one
    reads (not over TLS)."""

    def __init__(self, address, version=V311, source=None, receive_buffer=None,
                 timeout=DEFAULT_TIMEOUT, tls=None):
        """`address`: (host, port), or a path for a Unix socket. `source`: local address to bind
        to. `tls`: an ssl.SSLContext."""
        self.version, self.timeout = version, timeout
        self.client_id = None
        self._input = bytearray()
        self._next_id = 0
        self._closed = False
        family = socket.AF_UNIX if isinstance(address, str) else (
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.settimeout(timeout)
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                context = tls or TLS
                if context is not None:
                    self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
                if WRAP is not None:
                    self.socket = WRAP(self.socket, address)
        except OSError:
            self.socket.close()
            raise

    # sending

    def send(self, *pieces):
        """Sends bytes as they are, all pieces in one write."""
        self.socket.settimeout(self.timeout)
        self.socket.sendall(b"".join(pieces))

    def send_slowly(self, data, step=1):
        """Sends `step` bytes a segment."""
        for at in range(0, len(data), step):
            self.send(data[at:at + step])

    def next_id(self):
        self._next_id = self._next_id % 65535 + 1
        return self._next_id

    # reading

    def recv(self, timeout=None):
        """The next packet; raises `Timeout` or `Closed`."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            found = self._take_packet()
            if found is not None:
                return found
            self._fill(deadline)

    def _take_packet(self):
        data = self._input
        if len(data) < 2:
            return None
        length = 0
        for index in range(1, 5):
            if len(data) <= index:
                return None
            length |= (data[index] & 0x7F) << 7 * (index - 1)
            if not data[index] & 0x80:
                break
        else:
            raise WireError("remaining length of more than four bytes")
        head = index + 1
        if len(data) < head + length:
            return None
        body = bytes(data[head:head + length])
        first = data[0]
        del data[:head + length]
        return decode(first >> 4, first & 15, body, self.version)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if self._closed:
            raise Closed("connection closed")
        if left <= 0:
            raise Timeout(f"nothing more within the deadline (have {bytes(self._input[:64])!r})")
        self.socket.settimeout(left)
        try:
            piece = self.socket.recv(65536)
        except socket.timeout:
            raise Timeout(
                f"nothing more within the deadline (have {bytes(self._input[:64])!r})") from None
        except ConnectionError as error:
            self._closed = True
            raise Closed(str(error)) from None
        if not piece:
            self._closed = True
            raise Closed("connection closed")
        self._input += piece

    def expect(self, kind, timeout=None):
        """The next packet, which must be of this type."""
        found = self.recv(timeout)
        if found.type != kind:
            raise AssertionError(f"{NAMES[kind]} expected, {found} came")
        return found

    def expect_closed(self, timeout=None):
        """The peer closes; returns the packets that came before (a 5.0 DISCONNECT at most,
        usually)."""
        before = []
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            try:
                before.append(self.recv(max(0.001, deadline - time.monotonic())))
            except Closed:
                return before
            except Timeout:
                raise Timeout(f"connection still open; packets so far: {before}") from None

    def is_closed(self, within):
        """Whether the peer closes within so many seconds."""
        try:
            self.expect_closed(within)
            return True
        except Timeout:
            return False

    # whole exchanges

    def connect(self, client_id="", code=0, **fields):
        """CONNECT and CONNACK; `code` is the expected answer (None for any)."""
        self.client_id = client_id
        self.send(connect(client_id, version=self.version, **fields))
        found = self.expect(CONNACK)
        if code is not None and found.code != code:
            raise AssertionError(f"CONNACK {code:#x} expected, {found} came")
        return found

    def subscribe(self, *filters, qos=0, properties=None, codes=None, **more):
        """SUBSCRIBE and SUBACK. A filter is a text (with `qos` and options `more`) or (text,
        options byte).

        PUBLISH packets that come before the SUBACK (which 5.0 and 3.1.1 allow) are kept for later
        reads.
        """
        wanted = [one if isinstance(one, tuple) else (one, options(qos, **more)) for one in filters]
        number = self.next_id()
        self.send(subscribe(number, wanted, self.version, properties))
        found = self._answer(SUBACK, number)
        if codes is None:
            codes = [bits & 3 for _, bits in wanted]
        if found.codes != codes:
            raise AssertionError(f"SUBACK with {codes} expected, {found} came")
        return found

    def unsubscribe(self, *filters, properties=None):
        """UNSUBSCRIBE and UNSUBACK."""
        number = self.next_id()
        self.send(unsubscribe(number, filters, self.version, properties))
        return self._answer(UNSUBACK, number)

    def _answer(self, kind, number):
        early = []
        while True:
            found = self.recv()
            if found.type == kind:
                if found.id != number:
                    raise AssertionError(f"{NAMES[kind]} for id {number} expected, {found} came")
                break
            if found.type != PUBLISH:
                raise AssertionError(f"{NAMES[kind]} expected, {found} came")
            early.append(found)
        self._push_back(early)
        return found

    def _push_back(self, packets):
        rest = bytes(self._input)
        self._input[:] = b"".join(packet(one.type, one.flags, one.raw) for one in packets) + rest

    def publish(self, topic, payload=b"", qos=0, code="good", **fields):
        """PUBLISH and the whole exchange of its QoS; returns PUBACK or PUBREC (None with QoS 0).

        `code`: the expected reason code, "good" for any below 0x80, None for any at all.
        PUBLISH packets for this client that come in between are kept for later reads.
        """
        number = self.next_id() if qos else None
        self.send(publish(topic, payload, qos, number, version=self.version, **fields))
        if qos == 0:
            return None
        first = self._answer(PUBACK if qos == 1 else PUBREC, number)
        if (first.code >= 0x80) if code == "good" else (code is not None and first.code != code):
            raise AssertionError(f"reason {code} expected, {first} came")
        if qos == 2 and first.code < 0x80:
            self.send(ack(PUBREL, number))
            last = self._answer(PUBCOMP, number)
            if last.code:
                raise AssertionError(f"PUBCOMP with {last.code:#x}")
        return first

    def message(self, timeout=None, acknowledge=True):
        """The next PUBLISH, acknowledged through its whole exchange if so wished."""
        found = self.expect(PUBLISH, timeout)
        if acknowledge:
            self.complete(found)
        return found

    def complete(self, found):
        """Acknowledges a PUBLISH that came: PUBACK, or PUBREC, PUBREL, PUBCOMP."""
        if found.qos == 1:
            self.send(ack(PUBACK, found.id))
        elif found.qos == 2:
            self.send(ack(PUBREC, found.id))
            self._answer(PUBREL, found.id)
            self.send(ack(PUBCOMP, found.id))

    def messages(self, count, timeout=None):
        """So many PUBLISH packets, each acknowledged."""
        return [self.message(timeout) for _ in range(count)]

    def ping(self):
        """PINGREQ and PINGRESP; packets before the answer are returned."""
        self.send(packet(PINGREQ, 0))
        before = []
        while True:
            found = self.recv()
            if found.type == PINGRESP:
                return before
            before.append(found)

    def disconnect(self, reason=None, properties=None):
        """DISCONNECT, then waits for the server's close (so that its effects are done)."""
        self.send(disconnect(self.version, reason, properties))
        self.expect_closed()
        self.close()

    def close(self):
        """Closes without DISCONNECT."""
        self._closed = True
        self.socket.close()

    def abort(self):
        """Closes with RST, as a crashed machine does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
