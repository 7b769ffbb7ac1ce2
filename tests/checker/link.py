"""A byte stream to the broker without waiting: TCP, TLS, WebSocket, and WebSocket over TLS, with ways to break it."""

import os
import select
import socket
import ssl
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))

import ws_wire  # noqa: E402

from actor import Unreachable  # noqa: E402

CONNECT_SECONDS = 8.0
SECURE = ("mqtts", "wss", "stomps")
WEBSOCKET = ("ws", "wss")


class Ended(Exception):
    """The peer has closed, or the connection broke."""


class FrameReader:
    """Takes the payloads of data frames out of a WebSocket's bytes (RFC 6455, 5.2)."""

    def __init__(self):
        self.kept = bytearray()

    def feed(self, data):
        """(data of binary frames, bytes to answer with, whether Close came)."""
        self.kept += data
        out, answer, closed = bytearray(), b"", False
        while not closed:
            frame = self._take()
            if frame is None:
                break
            opcode, payload = frame
            if opcode == ws_wire.CLOSE:
                closed = True
            elif opcode == ws_wire.PING:
                answer += ws_wire.frame(ws_wire.PONG, payload)
            elif opcode in (0, ws_wire.TEXT, ws_wire.BINARY):
                out += payload
        return bytes(out), answer, closed

    def _take(self):
        kept = self.kept
        if len(kept) < 2:
            return None
        size, at = kept[1] & 0x7F, 2
        if size == 126:
            if len(kept) < 4:
                return None
            size, at = struct.unpack_from(">H", kept, 2)[0], 4
        elif size == 127:
            if len(kept) < 10:
                return None
            size, at = struct.unpack_from(">Q", kept, 2)[0], 10
        if len(kept) < at + size:
            return None
        opcode, payload = kept[0] & 15, bytes(kept[at:at + size])
        del kept[:at + size]
        return opcode, payload


def ready(connections, seconds):
    """(those that can be written, those that have something to read), of connections with a `link` and `reading()`:
    after `seconds` at the most, none when nothing can happen."""
    waiting = [one for one in connections if one.reading() and one.link.pending()]
    readers = [one.link for one in connections if one.reading()]
    writers = [one.link for one in connections if one.link.out]
    if not readers and not writers:
        time.sleep(min(seconds, 0.05))
    found = select.select(readers, writers, [], 0 if waiting else seconds)
    return ([one for one in connections if one.link in found[1]],
            [one for one in connections if one.link in found[0] or one in waiting])


class Link:
    """One connection. Made ready by the constructor, which waits; after that nothing waits but `finish`."""

    def __init__(self, target, tls_context=None, receive_buffer=None):
        self.out = bytearray()
        self.frames = None
        try:
            self.socket = self._open(target, tls_context, receive_buffer)
        except (OSError, ssl.SSLError, AssertionError, ValueError) as error:
            raise Unreachable(str(error)) from error

    def _open(self, target, tls_context, receive_buffer):
        plain = socket.socket(socket.AF_INET6 if ":" in target.host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.settimeout(CONNECT_SECONDS)
            plain.connect(target.address)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if target.scheme in SECURE:
                plain = tls_context.wrap_socket(plain, server_hostname=target.host)
            if target.scheme in WEBSOCKET:
                opened = ws_wire.WebSocket(target.address, target.path or "/mqtt", connected=plain,
                                           timeout=CONNECT_SECONDS)
                self.frames = FrameReader()
                self.frames.kept += opened.stream.kept
            plain.setblocking(False)
        except BaseException:
            plain.close()
            raise
        return plain

    def fileno(self):
        return self.socket.fileno()

    def send(self, data):
        """Queues bytes and sends what the socket takes. Raises `Ended`."""
        self.out += ws_wire.frame(ws_wire.BINARY, data) if self.frames is not None else data
        self.flush()

    def flush(self):
        while self.out:
            try:
                del self.out[:self.socket.send(self.out)]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except (OSError, ssl.SSLError) as error:
                raise Ended(str(error)) from error

    def receive(self, most=65536):
        """What there is, perhaps nothing. Raises `Ended`."""
        try:
            data = self.socket.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Ended(str(error)) from error
        if not data:
            raise Ended("closed")
        if self.frames is None:
            return data
        data, answer, closed = self.frames.feed(data)
        if answer:
            self.out += answer
            self.flush()
        if closed and not data:
            raise Ended("WebSocket closed")
        return data

    def pending(self):
        """Whether TLS holds bytes that select does not show."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def finish(self, seconds):
        """Sends what is left, ends our direction, waits for the peer to end its own; whether it did in time."""
        deadline = time.monotonic() + seconds
        try:
            while self.out and time.monotonic() < deadline:
                self.flush()
                select.select([], [self.socket], [], 0.01)
            self.socket.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                if select.select([self.socket], [], [], left)[0]:
                    try:
                        if not self.socket.recv(65536):
                            return True
                    except (BlockingIOError, ssl.SSLWantReadError):
                        continue
        except Ended:
            return False
        except (OSError, ssl.SSLError, ValueError):
            return True  # the peer was faster
        finally:
            self.socket.close()
        return False

    def cut(self, how="fin"):
        """Breaks the connection: "rst" as a machine that crashed, "fin" without a word."""
        if how == "rst":
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.socket.close()
