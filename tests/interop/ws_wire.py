"""HTTP and WebSocket (RFC 6455) at the level of bytes, from the client's side; strict in what a
server may send."""

import base64
import hashlib
import os
import random
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DEADLINE = 15.0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HttpError(AssertionError):
    """The server answered an upgrade with this instead of 101."""

    def __init__(self, response):
        super().__init__(f"{response.status} {response.body[:200]!r}")
        self.response = response


class Response:
    """`fields` has lower-case names; of a repeated field the values are joined by commas."""

    def __init__(self, status, fields, body, version):
        self.status, self.fields, self.body, self.version = status, fields, body, version


class Stream:
    """A socket with what was read from it and not yet taken."""

    def __init__(self, connected):
        self.socket = connected
        self.kept = b""

    def fill(self, deadline):
        """Reads some more; False at the end of the stream."""
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        piece = self.socket.recv(65536)
        self.kept += piece
        return bool(piece)

    def take(self, count, deadline):
        while len(self.kept) < count:
            if not self.fill(deadline):
                raise ConnectionError(f"closed with {self.kept!r} of {count} bytes")
        found, self.kept = self.kept[:count], self.kept[count:]
        return found

    def take_until(self, mark, deadline):
        while mark not in self.kept:
            if not self.fill(deadline):
                raise ConnectionError(f"closed after {self.kept!r}")
        found, self.kept = self.kept.split(mark, 1)
        return found

    def take_rest(self, deadline):
        while self.fill(deadline):
            pass
        found, self.kept = self.kept, b""
        return found


def read_head(stream, timeout=DEADLINE):
    """Status, fields and HTTP version of a response."""
    head = stream.take_until(b"\r\n\r\n", time.monotonic() + timeout).decode("latin-1")
    first, *lines = head.split("\r\n")
    version, status, _ = first.split(" ", 2)
    fields = {}
    for line in lines:
        name, value = line.split(":", 1)
        name = name.lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return int(status), fields, version


def read_chunk(stream, timeout=DEADLINE):
    """The next chunk of a chunked body; empty at its end."""
    deadline = time.monotonic() + timeout
    size = int(stream.take_until(b"\r\n", deadline), 16)
    data = stream.take(size, deadline)
    assert stream.take(2, deadline) == b"\r\n"
    return data


def read_response(stream, method="GET", timeout=DEADLINE):
    deadline = time.monotonic() + timeout
    status, fields, version = read_head(stream, timeout)
    if method == "HEAD" or status in (101, 204, 304):
        body = b""
    elif fields.get("transfer-encoding") == "chunked":
        body = b""
        while chunk := read_chunk(stream, deadline - time.monotonic()):
            body += chunk
    elif "content-length" in fields:
        body = stream.take(int(fields["content-length"]), deadline)
    else:
        body = stream.take_rest(deadline)
    return Response(status, fields, body, version)


def connect(address, timeout=DEADLINE, source=None):
    connected = socket.create_connection(address, timeout, source and (source, 0))
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def request(address, method, path, headers=None, body=None, version="1.1", stream=None):
    """One request and its response; on a connection of its own unless `stream` is given."""
    own = stream is None
    stream = stream or Stream(connect(address))
    fields = {"Host": f"{address[0]}:{address[1]}", **(headers or {})}
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/{version}"] + [f"{name}: {value}" for name, value in
                                                   fields.items() if value is not None]
    stream.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
    try:
        return read_response(stream, method)
    finally:
        if own:
            stream.socket.close()


class Streaming:
    """A response that goes on: `read()` gives the next chunk, empty at the end."""

    def __init__(self, address, method, path, headers=None, version="1.1"):
        self.stream = Stream(connect(address))
        fields = {"Host": "x", "Content-Length": "0", **(headers or {})}
        lines = [f"{method} {path} HTTP/{version}"] + [f"{k}: {v}" for k, v in fields.items()]
        self.stream.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        self.status, self.fields, _ = read_head(self.stream)

    def read(self):
        return read_chunk(self.stream)

    def close(self):
        self.stream.socket.close()


def upgrade_request(address, path="/mqtt", protocols="mqtt", key=None, **changes):
    """The bytes of an upgrade; a field is changed by its name with `_` for `-`, or left out with
    None."""
    fields = {"Host": f"{address[0]}:{address[1]}", "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode(),
              "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": protocols}
    for name, value in changes.items():
        wanted = name.replace("_", "-").lower()
        known = next((one for one in fields if one.lower() == wanted), name.replace("_", "-"))
        fields[known] = value
    lines = [f"GET {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(opcode, payload=b"", final=True, mask=None, reserved=0, length=None):
    """A client's frame. `mask=b""` leaves the mask out; `length` lies about the payload."""
    mask = os.urandom(4) if mask is None else mask
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if mask:
        whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
        payload = mixed.to_bytes(len(payload), "big")
    return head + mask + payload


def close_frame(code=1000, reason=""):
    return frame(CLOSE, struct.pack(">H", code) + reason.encode())


class WebSocket:
    """A client's end. `recv()` gives (opcode, payload) of whole messages and control frames."""

    def __init__(self, address, path="/mqtt", protocols="mqtt", connected=None, timeout=DEADLINE,
                 before=b"", **changes):
        """`before`: bytes in front of the request, such as a PROXY header."""
        self.stream = Stream(connected or connect(address, timeout))
        self.socket = self.stream.socket
        self.timeout = timeout
        key = base64.b64encode(os.urandom(16)).decode()
        try:
            self.socket.sendall(before + upgrade_request(address, path, protocols, key, **changes))
            status, fields, version = read_head(self.stream, timeout)
            if status != 101:
                size = int(fields.get("content-length", 0))
                body = self.stream.take(size, time.monotonic() + timeout)
                raise HttpError(Response(status, fields, body, version))
            accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            assert fields["sec-websocket-accept"] == accept, fields
            assert fields["upgrade"].lower() == "websocket", fields
            assert fields["connection"].lower() == "upgrade", fields
            assert "sec-websocket-extensions" not in fields, fields
            self.protocol = fields.get("sec-websocket-protocol")
        except BaseException:
            self.socket.close()
            raise

    def send_raw(self, data):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def send(self, payload, opcode=BINARY):
        self.send_raw(frame(opcode, payload))

    def recv(self, timeout=None):
        """The next message or control frame. Raises ConnectionError at the end of the stream."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        first, second = self.stream.take(2, deadline)
        assert first & 0x80, "servers here send whole messages"
        assert not first & 0x70, "reserved bits"
        assert not second & 0x80, "a server must not mask"
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.stream.take(2, deadline))[0]
            assert size >= 126
        elif size == 127:
            size = struct.unpack(">Q", self.stream.take(8, deadline))[0]
            assert size >= 65536
        opcode = first & 15
        assert opcode in (TEXT, BINARY) or (opcode in (CLOSE, PING, PONG) and size <= 125)
        payload = self.stream.take(size, deadline)
        if opcode == TEXT:
            payload.decode()
        return opcode, payload

    def expect_close(self, code=None, timeout=None):
        """The server closes with this code, and then the connection; returns what came before."""
        before = []
        while True:
            opcode, payload = self.recv(timeout)
            if opcode == CLOSE:
                break
            before.append((opcode, payload))
        found = struct.unpack(">H", payload[:2])[0] if payload else None
        assert code is None or found == code, f"closed with {found}: {payload[2:]!r}"
        payload[2:].decode()
        rest = self.stream.take_rest(time.monotonic() + (timeout or self.timeout))
        assert rest == b"", f"after Close: {rest!r}"
        return before

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class WebSocketAsSocket:
    """What mqtt_wire.Client needs of a socket, over a WebSocket: what is sent goes out in frames
    cut at random places, some in fragments, with pings in between."""

    def __init__(self, connected, address, path="/mqtt"):
        self.inner = WebSocket(address, path, connected=connected)
        self.random = random.Random(hash(connected.getsockname()))
        self.timeout = None

    def settimeout(self, seconds):
        self.timeout = seconds

    def sendall(self, data):
        self.inner.socket.settimeout(self.timeout)
        out = b""
        while data:
            size = self.random.choice((1, 2, 5, 100, len(data), len(data), len(data)))
            piece, data = data[:size], data[size:]
            if len(piece) > 1 and self.random.random() < 0.2:
                out += frame(BINARY, piece[:1], final=False) + frame(PING, b"x") + frame(0, piece[1:])
            else:
                out += frame(BINARY, piece)
        self.inner.socket.sendall(out)

    def recv(self, _count):
        deadline = time.monotonic() + (self.timeout or DEADLINE)
        while True:
            try:
                opcode, payload = self.inner.recv(max(0.001, deadline - time.monotonic()))
            except ConnectionError:
                return b""
            if opcode == CLOSE:
                return b""
            if opcode == BINARY and payload:
                return payload

    def setsockopt(self, *arguments):
        self.inner.socket.setsockopt(*arguments)

    def shutdown(self, how):
        self.inner.socket.shutdown(how)

    def fileno(self):
        return self.inner.socket.fileno()

    def close(self):
        self.inner.close()
