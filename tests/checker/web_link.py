"""Links of STOMP over WebSocket, and of MQTT and STOMP in SockJS (sockjs-protocol 0.3.3).

A target says how: `stomp+ws://host:port/stomp/websocket`, `sockjs://host:port/mqtt?transport=xhr`,
`sockjs+stomp://host:port/stomp`; transports are websocket (the default), xhr, xhr_streaming.

SockJS needs several HTTP requests at once, so that threads of the link's own speak it, and the actor has one end of a
pair of sockets. MQTT's bytes are characters from U+0000 to U+00FF (docs/protocols/sockjs.md), STOMP's are UTF-8.
"""

import itertools
import json
import os
import socket
import struct
import threading
import time

import link as links
import ws_wire

SOCKJS = ("sockjs", "sockjs+stomp")
STOMP_WEBSOCKET = "stomp+ws"
SUBPROTOCOLS = "v12.stomp, v11.stomp, v10.stomp"
GOODBYE_SECONDS = 3.0
_sessions = itertools.count(1)


class StompWebSocketLink(links.Link):
    """Text frames, one for each STOMP frame or part of one."""

    def _open(self, target, tls_context, receive_buffer):
        del tls_context, receive_buffer
        opened = ws_wire.WebSocket(target.address, target.path or "/stomp/websocket", SUBPROTOCOLS,
                                   timeout=links.CONNECT_SECONDS)
        self.frames = links.FrameReader()
        self.frames.kept += opened.stream.kept
        opened.socket.setblocking(False)
        return opened.socket

    def send(self, data):
        self.out += ws_wire.frame(ws_wire.TEXT, data)
        self.flush()


class SockJsLink(links.Link):
    """One end of a pair of sockets, whose other end a `Bridge` has."""

    def _open(self, target, tls_context, receive_buffer):
        del tls_context, receive_buffer
        ours, theirs = socket.socketpair()
        kind = target.options.get("transport", "websocket")
        try:
            self.bridge = {"websocket": WebSocketBridge, "xhr": PollingBridge,
                           "xhr_streaming": StreamingBridge}[kind](target, theirs)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        ours.setblocking(False)
        return ours

    def cut(self, how="fin"):
        self.bridge.broken = True
        super().cut(how)


class Bridge:
    """Moves bytes between the actor's pair and a SockJS session. A thread for each direction."""

    def __init__(self, target, pair):
        self.target, self.pair = target, pair
        self.encoding = "utf-8" if target.scheme == "sockjs+stomp" else "latin-1"
        base = target.path or ("/stomp" if target.scheme == "sockjs+stomp" else "/mqtt")
        self.path = f"{base}/{next(_sessions) % 1000:03}/{os.urandom(8).hex()}"
        self.broken = False
        self.open()
        for act in (self.carry_out, self.carry_in):
            threading.Thread(target=self.guarded, args=(act,), daemon=True).start()

    def guarded(self, act):
        """Whatever breaks, the actor sees the end of its connection."""
        try:
            act()
        except (OSError, AssertionError, ValueError, struct.error):
            pass
        finally:
            if act == self.carry_in:
                self.end()

    def end(self):
        for act in (lambda: self.pair.shutdown(socket.SHUT_RDWR), self.pair.close, self.drop):
            try:
                act()
            except OSError:
                pass

    def carry_out(self):
        while data := self.pair.recv(65536):
            self.say(json.dumps([data.decode(self.encoding)]).encode())
        if self.broken:
            self.drop()
        else:
            time.sleep(GOODBYE_SECONDS)  # the broker ends the session when it has read the last
            self.drop()

    def on_frame(self, text):
        """A frame of SockJS; False when the session is over."""
        if text[:1] == "a":
            for one in json.loads(text[1:]):
                self.pair.sendall(one.encode(self.encoding))
        return text[:1] != "c"

    def open(self):
        raise NotImplementedError

    def say(self, body):
        raise NotImplementedError

    def carry_in(self):
        raise NotImplementedError

    def drop(self):
        """Breaks the connections to the broker."""
        raise NotImplementedError


class WebSocketBridge(Bridge):

    def open(self):
        self.socket = ws_wire.WebSocket(self.target.address, self.path + "/websocket", None,
                                        timeout=links.CONNECT_SECONDS)
        _, first = self.socket.recv()
        assert first == b"o", first

    def say(self, body):
        self.socket.send(body, ws_wire.TEXT)

    def carry_in(self):
        while True:
            opcode, payload = self.socket.recv(3600)
            if opcode == ws_wire.PING:
                self.socket.send(payload, ws_wire.PONG)
            elif opcode == ws_wire.CLOSE or not self.on_frame(payload.decode()):
                return

    def drop(self):
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class HttpBridge(Bridge):
    """`receiver` has the request that waits, `sender` sends; each on a connection of its own."""

    def open(self):
        self.receiver = ws_wire.Stream(ws_wire.connect(self.target.address, links.CONNECT_SECONDS))
        self.sender = ws_wire.Stream(ws_wire.connect(self.target.address, links.CONNECT_SECONDS))
        self.sessions_first()

    def say(self, body):
        found = ws_wire.request(self.target.address, "POST", self.path + "/xhr_send",
                                {"Content-Type": "text/plain"}, body, stream=self.sender)
        assert found.status == 204, found.status

    def drop(self):
        for one in (self.receiver, self.sender):
            try:
                one.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.socket.close()


class PollingBridge(HttpBridge):

    def poll(self):
        """One answer to `xhr`, however long it takes."""
        self.receiver.socket.sendall(f"POST {self.path}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        found = ws_wire.read_response(self.receiver, "POST", 3600)
        assert found.status == 200, found.status
        return found.body.decode().rstrip("\n")

    def sessions_first(self):
        assert self.poll() == "o"

    def carry_in(self):
        while self.on_frame(self.poll()):
            pass


class StreamingBridge(HttpBridge):

    def begin(self):
        self.receiver.socket.sendall(
            f"POST {self.path}/xhr_streaming HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        status, _, _ = ws_wire.read_head(self.receiver, 3600)
        assert status == 200, status
        self.text = b""

    def next_frame(self):
        """The next line; None at the end of a response."""
        while b"\n" not in self.text:
            chunk = ws_wire.read_chunk(self.receiver, 3600)
            if not chunk:
                return None
            self.text += chunk
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()

    def sessions_first(self):
        self.begin()
        assert set(self.next_frame()) == {"h"}  # the prelude that browsers need
        assert self.next_frame() == "o"

    def carry_in(self):
        while True:
            frame = self.next_frame()
            if frame is None:
                self.begin()
            elif frame and not set(frame) == {"h"} and not self.on_frame(frame):
                return


def open_link(target, tls_context=None):
    """The link that the target's scheme wants. Raises Unreachable."""
    cls = SockJsLink if target.scheme in SOCKJS else \
        StompWebSocketLink if target.scheme == STOMP_WEBSOCKET else links.Link
    return cls(target, tls_context)
