"""CoAP at the level of bytes: encoder, strict decoder, and a client over UDP that does what a test
says and nothing by itself.

Written from RFC 7252, 7641, 7959, 7967 and 9175, section numbers in comments.
"""

import collections
import itertools
import os
import select
import socket
import struct
import time

CON, NON, ACK, RST = range(4)
EMPTY, GET, POST, PUT, DELETE, FETCH = range(6)
IF_MATCH, URI_HOST, ETAG, IF_NONE_MATCH, OBSERVE, URI_PORT, LOCATION_PATH = 1, 3, 4, 5, 6, 7, 8
URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, ACCEPT, LOCATION_QUERY = 11, 12, 14, 15, 17, 20
BLOCK2, BLOCK1, SIZE2, PROXY_URI, SIZE1, ECHO, NO_RESPONSE, REQUEST_TAG = \
    23, 27, 28, 35, 60, 252, 258, 292
DEFAULT_TIMEOUT = 10.0


class Timeout(AssertionError):
    """Nothing came."""


class WireError(AssertionError):
    """The gateway has sent what the specification does not allow."""


def code(text):
    """The byte of a code like "2.05" (RFC 7252, 12.1)."""
    kind, detail = text.split(".")
    return int(kind) << 5 | int(detail)


def uint(value):
    """3.2: without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block(number, more, size):
    """RFC 7959, 2.2."""
    return uint(number << 4 | more << 3 | (size.bit_length() - 5))


def option_bytes(options):
    """3.1; `options` are (number, bytes) in any order, equal numbers in theirs."""
    found = b""
    last = 0
    for number, value in sorted(options, key=lambda one: one[0]):
        halves, extended = 0, b""
        for amount in (number - last, len(value)):
            if amount < 13:
                nibble = amount
            elif amount < 269:
                nibble, extended = 13, extended + bytes([amount - 13])
            else:
                nibble, extended = 14, extended + struct.pack("!H", amount - 269)
            halves = halves << 4 | nibble
        found += bytes([halves]) + extended + value
        last = number
    return found


def encode(kind, method, message_id, token=b"", options=(), payload=b""):
    return (struct.pack("!BBH", 0x40 | kind << 4 | len(token), method, message_id) + token +
            option_bytes(options) + (b"\xff" + payload if payload else b""))


class Message:
    """A message as the gateway has sent it; decoding checks its format."""

    def __init__(self, datagram):
        if len(datagram) < 4 or datagram[0] >> 6 != 1:
            raise WireError(f"no CoAP message: {datagram.hex()}")
        self.kind = datagram[0] >> 4 & 3
        size = datagram[0] & 15
        value = datagram[1]
        self.code = f"{value >> 5}.{value & 31:02}"
        self.id = struct.unpack("!H", datagram[2:4])[0]
        self.token = datagram[4:4 + size]
        if size > 8 or len(self.token) != size or (value == 0 and len(datagram) != 4):
            raise WireError(datagram.hex())
        self.options, self.payload = [], b""
        at, number = 4 + size, 0
        while at < len(datagram):
            first = datagram[at]
            at += 1
            if first == 0xff:
                self.payload = datagram[at:]
                if not self.payload:
                    raise WireError("payload marker without payload")
                break
            amounts = []
            for nibble in (first >> 4, first & 15):
                if nibble == 13:
                    amounts.append(datagram[at] + 13)
                    at += 1
                elif nibble == 14:
                    amounts.append(struct.unpack("!H", datagram[at:at + 2])[0] + 269)
                    at += 2
                elif nibble == 15:
                    raise WireError("reserved nibble")
                else:
                    amounts.append(nibble)
            number += amounts[0]
            value = datagram[at:at + amounts[1]]
            at += amounts[1]
            if len(value) != amounts[1]:
                raise WireError("option past the end")
            self.options.append((number, value))

    def all(self, number):
        return [value for one, value in self.options if one == number]

    def one(self, number):
        found = self.all(number)
        if len(found) > 1:
            raise WireError(f"option {number} repeated")
        return found[0] if found else None

    def number(self, number):
        value = self.one(number)
        return None if value is None else int.from_bytes(value, "big")

    def block(self, number):
        """(number, more, size) or None."""
        value = self.number(number)
        return None if value is None else (value >> 4, bool(value & 8), 16 << (value & 7))

    @property
    def observe(self):
        return self.number(OBSERVE)

    @property
    def location(self):
        return "/".join(value.decode() for value in self.all(LOCATION_PATH))

    def __repr__(self):
        kinds = ("CON", "NON", "ACK", "RST")
        return (f"{kinds[self.kind]} {self.code} #{self.id} [{self.token.hex()}] {self.options} "
                f"{self.payload[:80]!r}")


class Client:
    """A socket, and numbers for messages. `ask` waits for the answer to what it sends, and keeps
    what else comes (notifications) for `recv`."""

    def __init__(self, address, timeout=DEFAULT_TIMEOUT, source=None):
        self.address = address
        self.source = source
        self.timeout = timeout
        self.pending = collections.deque()
        self.ids = itertools.count(int.from_bytes(os.urandom(2), "big"))
        self.tokens = itertools.count(1)
        self.socket = None
        self.move()

    def move(self, source=None):
        """Another port, and with `source` another address."""
        self.close()
        self.source = source or self.source
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        if self.source:
            self.socket.bind((self.source, 0))
        self.socket.connect(self.address)

    def close(self):
        if self.socket:
            self.socket.close()

    def next_id(self):
        return next(self.ids) & 0xffff

    def raw(self, datagram):
        self.socket.send(datagram)

    def request(self, method, path="", kind=CON, query=(), options=(), payload=b"", token=None,
                message_id=None):
        """The bytes of a request."""
        if isinstance(payload, str):
            payload = payload.encode()
        every = [(URI_PATH, part.encode()) for part in path.split("/")] if path else []
        every += [(URI_QUERY, part.encode()) for part in
                  ([query] if isinstance(query, str) else query)]
        every += list(options)
        if token is None:
            token = b"t%d" % next(self.tokens)
        if message_id is None:
            message_id = self.next_id()
        return encode(kind, method, message_id, token, every, payload)

    def recv(self, timeout=None):
        """The next message, whatever it is."""
        if self.pending:
            return self.pending.popleft()
        return self._read(timeout)

    def _read(self, timeout=None):
        timeout = self.timeout if timeout is None else timeout
        if not select.select([self.socket], [], [], timeout)[0]:
            raise Timeout(f"nothing came within {timeout} s")
        return Message(self.socket.recv(70000))

    def ask(self, method, path="", **more):
        """Sends a request and gives its answer: on the acknowledgement, or by itself, which is
        acknowledged."""
        return self.answer_to(self.request(method, path, **more))

    def answer_to(self, datagram):
        self.raw(datagram)
        sent = Message(datagram)
        deadline = time.monotonic() + self.timeout
        aside = []
        try:
            while True:
                found = self._read(max(0, deadline - time.monotonic()))
                same_id = found.kind in (ACK, RST) and found.id == sent.id
                if same_id and found.code == "0.00" and found.kind == ACK:
                    continue  # the answer follows
                if same_id:
                    return found
                if found.kind in (CON, NON) and found.token == sent.token:
                    if found.kind == CON:
                        self.ack(found)
                    return found
                aside.append(found)
        finally:
            self.pending.extend(aside)

    def ack(self, message):
        self.raw(encode(ACK, EMPTY, message.id))

    def reset(self, message):
        self.raw(encode(RST, EMPTY, message.id))

    def ping(self):
        """4.3: a confirmable empty message is answered with a reset; all before was handled."""
        return self.answer_to(encode(CON, EMPTY, self.next_id()))

    def notification(self, timeout=None):
        """The next notification, acknowledged when it is confirmable."""
        found = self.recv(timeout)
        if found.kind == CON:
            self.ack(found)
        elif found.kind != NON:
            raise WireError(f"no notification: {found}")
        return found

    def observe(self, path, token=b"obs", **more):
        more["options"] = list(more.get("options", ())) + [(OBSERVE, b"")]
        return self.ask(GET, path, token=token, **more)

    def put(self, path, payload, **more):
        return self.ask(PUT, path, payload=payload, **more)

    def get(self, path, **more):
        return self.ask(GET, path, **more)

    def put_blocks(self, path, body, size=1024, method=PUT, options=(), **more):
        """RFC 7959, 2.5; gives the last answer."""
        tag = [(REQUEST_TAG, os.urandom(4))]
        for number in range(max(1, -(-len(body) // size))):
            part = body[number * size:(number + 1) * size]
            found = self.ask(method, path, payload=part, options=list(options) + tag + [
                (BLOCK1, block(number, (number + 1) * size < len(body), size))], **more)
            if found.code != "2.31":
                return found
        return found

    def get_blocks(self, path, size=1024, first=None, **more):
        """RFC 7959, 2.4: the whole body. `first`: the notification that it begins with."""
        found = first or self.ask(GET, path, options=[(BLOCK2, block(0, False, size))], **more)
        body = found.payload
        etag = found.one(ETAG)
        while found.block(BLOCK2) and found.block(BLOCK2)[1]:
            number, _, given = found.block(BLOCK2)
            found = self.ask(GET, path, options=[(BLOCK2, block(number + 1, False, given))],
                             **more)
            if found.code != "2.05" or found.one(ETAG) != etag:
                raise WireError(f"not the same body: {found}")
            body += found.payload
        return body
