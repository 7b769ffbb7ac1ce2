"""A STOMP client over a raw socket: says exactly what a test wants, right or wrong."""

import re
import socket
import ssl
import time

import mqtt_wire

DEFAULT_TIMEOUT = 10.0
VERSIONS = ("1.0", "1.1", "1.2")

ESCAPES = {"1.0": {}, "1.1": {"\\": "\\\\", "\n": "\\n", ":": "\\c"},
           "1.2": {"\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r"}}


class Timeout(AssertionError):
    pass


class Closed(AssertionError):
    pass


def escape(text, version):
    return "".join(ESCAPES[version].get(c, c) for c in text)


def unescape(text, version):
    if version == "1.0":
        return text
    known = {escaped: plain for plain, escaped in ESCAPES[version].items()}
    return re.sub(r"\\.", lambda found: known[found.group()], text)


class Frame:
    """A frame that came. `headers` keeps the first of each name, `all` every one in order."""

    def __init__(self, command, lines, body, version):
        self.command = command
        self.body = body
        self.all = []
        for line in lines:
            name, value = line.split(":", 1)
            if command not in ("CONNECTED",):
                name, value = unescape(name, version), unescape(value, version)
            self.all.append((name, value))
        self.headers = dict(reversed(self.all))

    def __getitem__(self, name):
        return self.headers[name]

    def get(self, name, default=None):
        return self.headers.get(name, default)

    def __repr__(self):
        return f"{self.command} {self.all} {self.body[:200]!r}"


def encode(command, headers=(), body=b"", version="1.2", length=None):
    """A frame as bytes. `headers` is a dict or a list of pairs; with `length` content-length is
    added."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    plain = command in ("CONNECT", "STOMP")
    lines = [command]
    for name, value in pairs:
        value = str(value)
        lines.append(f"{name}:{value}" if plain
                     else f"{escape(name, version)}:{escape(value, version)}")
    if length is not None:
        lines.append(f"content-length:{length}")
    body = body.encode() if isinstance(body, str) else body
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


class Client:

    def __init__(self, address, timeout=DEFAULT_TIMEOUT, tls=None):
        """`tls`: an ssl.SSLContext; without it, what mqtt_wire.TLS says."""
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = tls or mqtt_wire.TLS
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.timeout = timeout
        self.version = "1.2"
        self.input = b""
        self.beats = 0  # line ends that came between frames
        self.receipts = 0
        self.connected = None

    def close(self):
        self.socket.close()

    def raw(self, data):
        """Sends octets."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def send(self, command, headers=(), body=b"", length=None):
        self.raw(encode(command, headers, body, self.version, length))

    def connect(self, version="1.2", command="CONNECT", **headers):
        """Logs in; underscores in the names of headers stand for dashes. Returns CONNECTED."""
        fields = {"host": "localhost"}
        if version is not None:
            fields["accept-version"] = version
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.raw(encode(command, fields))
        found = self.expect("CONNECTED")
        self.version = found.get("version", "1.0")
        self.connected = found
        return found

    def _read(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout("nothing more came in time")
        self.socket.settimeout(left)
        try:
            more = self.socket.recv(1 << 20)
        except TimeoutError as error:
            raise Timeout("nothing more came in time") from error
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error)) from error
        if not more:
            raise Closed(f"closed; left over: {self.input[:200]!r}")
        self.input += more

    def _take(self):
        """One frame of what was read, or None."""
        while self.input[:1] == b"\n":
            self.input = self.input[1:]
            self.beats += 1
        end = self.input.find(b"\n\n")
        if end < 0:
            return None
        lines = self.input[:end].decode().split("\n")
        found = Frame(lines[0], lines[1:], b"", self.version)
        start = end + 2
        if "content-length" in found.headers:
            stop = start + int(found["content-length"])
            if len(self.input) <= stop:
                return None
            assert self.input[stop] == 0, "no NUL behind the body"
        else:
            stop = self.input.find(b"\0", start)
            if stop < 0:
                return None
        found.body = self.input[start:stop]
        self.input = self.input[stop + 1:]
        return found

    def recv(self, timeout=None):
        """The next frame."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            found = self._take()
            if found:
                return found
            self._read(deadline)

    def expect(self, command, timeout=None):
        found = self.recv(timeout)
        assert found.command == command, f"{command} expected, not {found}"
        return found

    def receipt(self, command, headers=(), body=b"", **more):
        """Sends with a receipt header and waits for the RECEIPT; what came before it is returned."""
        self.receipts += 1
        name = f"r{self.receipts}"
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        self.send(command, pairs + [("receipt", name)], body, **more)
        before = []
        while True:
            found = self.recv()
            if found.command == "RECEIPT":
                assert found["receipt-id"] == name, found
                return before
            before.append(found)

    def subscribe(self, destination, id="0", ack=None, **more):
        headers = {"destination": destination, "id": id}
        if ack:
            headers["ack"] = ack
        headers.update(more)
        return self.receipt("SUBSCRIBE", headers)

    def message(self, timeout=None):
        return self.expect("MESSAGE", timeout)

    def expect_error(self, timeout=None):
        """An ERROR as the next frame, and then the end of the connection."""
        found = self.expect("ERROR", timeout)
        self.expect_closed(timeout)
        return found

    def expect_closed(self, timeout=None):
        """The connection ends; frames before that are returned."""
        frames = []
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            try:
                frames.append(self.recv(max(0.001, deadline - time.monotonic())))
            except Closed:
                return frames

    def expect_silence(self, seconds=0.2):
        try:
            found = self.recv(seconds)
        except Timeout:
            return
        raise AssertionError(f"unexpected {found}")
