"""What the actors of MQTT-SN and CoAP have in common: sockets of datagrams (which may lose some), one exchange at a
time with its repetitions, being silent, older connections that are still read.

A target may say `?loss=0.1`: so many of the datagrams are lost, each way, the same ones in each run of the plan.
`?retry=1.5` is the first wait for an answer (T_retry, ACK_TIMEOUT) in seconds.
"""

import collections
import dataclasses
import random
import select
import socket
import time
import types
import typing

import actor

BEAT_SECONDS = 2.0
ASK_OLDER_SECONDS = 0.5


class Link:
    """A connected UDP socket. A port that nobody listens on is told by `refused` after a send."""

    def __init__(self, address, loss, seed):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.loss = loss
        self.random = random.Random(seed)
        self.refused = False
        self.token, self.asked_at = None, 0.0  # of an older connection

    def send(self, datagram):
        if self.loss and self.random.random() < self.loss:
            return
        try:
            self.socket.send(datagram)
        except ConnectionRefusedError:  # of one that was sent before
            self.refused = True
        except BlockingIOError:
            pass  # lost, as datagrams are

    def receive(self):
        """The next datagram, or None."""
        while True:
            try:
                datagram = self.socket.recv(70000)
            except BlockingIOError:
                return None
            except ConnectionRefusedError:
                self.refused = True
                return None
            if not (self.loss and self.random.random() < self.loss):
                return datagram

    def close(self):
        self.socket.close()


@dataclasses.dataclass
class Exchange:
    """Something that is said until it is answered. `datagram(repetition)` makes it."""

    kind: str
    datagram: typing.Callable
    message_id: int = 0
    op: str | None = None
    with_: dict = dataclasses.field(default_factory=dict)  # what else the protocol wants to know of it
    tries: int = 0
    due: float = 0.0  # when it is said again
    wait: float = 0.0


class DatagramActor(actor.Actor):
    """One exchange at a time (MQTT-SN 1.2, 6.5, 6.6, 6.9; RFC 7252, 4.7: NSTART is 1), the others wait in `todo`."""

    ACTIONS = actor.Actor.ACTIONS
    TRIES = 5  # the first and its repetitions
    BACKOFF = 1.5
    RETRY = 2.0

    def __init__(self, setup):
        super().__init__(setup)
        self.link = None
        self.conn = None
        self.state = None  # None, "connecting", "active", "leaving", and what the protocol has
        self.clean = True
        self.keep_alive = 0
        self.target = setup.targets[0]
        self.todo = collections.deque()  # functions that begin an exchange, or do without one
        self.exchange = None
        self.older = []  # (conn, link): replaced by a newer connection, and read
        self.silent_until = None
        self.lapsed, self.lapsed_at = False, None
        self.sent_at = 0.0
        self.links = 0

    # --- what the protocol says

    def is_there(self, link):
        """Whether the broker answers there; asked before anything that it would remember."""
        raise NotImplementedError

    def handle(self, datagram):
        """A datagram for the present connection."""
        raise NotImplementedError

    def handle_older(self, conn, datagram):
        """A datagram for a replaced connection; True when it says that the connection has ended."""
        raise NotImplementedError

    def ask_older(self, link):
        """The client of a replaced connection asks whether it still has one: it is not always told."""
        raise NotImplementedError

    def beat(self):
        """The keep alive is due."""
        raise NotImplementedError

    def unanswered(self, exchange):
        """Nothing came after all repetitions."""
        raise NotImplementedError

    # --- for the runner

    @property
    def current(self):
        """The present connection, by its name."""
        return types.SimpleNamespace(name=self.conn) if self.conn else None

    def connected(self):
        return self.state not in (None, "connecting", "leaving")

    def connecting(self):
        return self.state == "connecting"

    def busy(self):
        return bool(self.exchange or self.todo or self.silent_until is not None)

    def pump(self, seconds):
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if self.silent_until is not None and now >= self.silent_until:
                self.silent_until = None
            came = self.read()
            self.work(time.monotonic())
            left = end - time.monotonic()
            if came or left <= 0:
                return
            sockets = [] if self.silent_until is not None else [
                link.socket for link in [self.link, *(one for _, one in self.older)] if link]
            select.select(sockets, [], [], max(0.0, min(left, self.next_due() - time.monotonic())))

    def close(self):
        for link in [self.link, *(one for _, one in self.older)]:
            if link:
                link.close()
        self.link, self.older, self.conn, self.state = None, [], None, None
        self.todo.clear()
        self.exchange = None

    def do_cut(self, how="rst"):
        """Falls silent and forgets the socket; the broker finds out by itself."""
        del how
        if self.conn:
            self.fall_silent()

    def fall_silent(self, how="cut", **more):
        """The connection is over for us, and the broker finds out by the keep alive, or earlier."""
        now = self.history.now()
        since = now if self.lapsed_at is None else self.lapsed_at
        noticed = [since, now + 1.5 * self.keep_alive if self.keep_alive else None]
        self.record("closed", conn=self.conn, by="us", how=how, noticed=noticed, **more)
        self.lost()

    def do_silent(self, seconds, trickle=0):
        del trickle  # a datagram is read whole
        if self.connected():
            self.silent_until = time.monotonic() + seconds
            self.record("silent", conn=self.conn, until=round(self.history.now() + seconds, 3))

    def do_lapse(self):
        if self.connected() and self.keep_alive and not self.lapsed:
            self.lapsed, self.lapsed_at = True, self.history.now()
            self.record("lapse", conn=self.conn)

    # --- links and time

    def open_link(self, target):
        """A new socket to where the broker is; raises Unreachable."""
        self.links += 1
        link = Link(target.address, float(target.options.get("loss", 0)), f"{self.name} {self.links}")
        self.RETRY = float(target.options.get("retry", type(self).RETRY))
        lossless, link.loss = link.loss, 0.0
        if not self.is_there(link):
            link.close()
            raise actor.Unreachable(f"nobody answers at {target.host}:{target.port}")
        link.loss = lossless
        link.refused = False
        return link

    def begin_connection(self, link, clean, keep_alive):
        """An older connection that still stands is left open and read on."""
        if self.conn:
            self.older.append((self.conn, self.link))
            self.leave_exchanges()
        self.link, self.clean, self.keep_alive = link, clean, keep_alive
        self.conn = self.history.new_connection(self.name)
        self.state, self.lapsed, self.lapsed_at, self.silent_until = "connecting", False, None, None

    def lost(self):
        """The present connection is no more; what is to be repeated on the next one stays in `exchange`."""
        if self.link:
            self.link.close()
        self.link, self.conn, self.state, self.silent_until = None, None, None, None
        self.leave_exchanges()

    def leave_exchanges(self):
        """What was not sent yet never happens; what becomes of `exchange` the protocol says."""
        self.todo.clear()

    def ended_by_peer(self, how, **more):
        if self.conn:
            self.record("closed", conn=self.conn, by="peer", how=how, **more)
            self.lost()

    def broke_rules(self, detail):
        """What the broker sends is not allowed: the client is gone, as if it had fallen silent."""
        if self.conn:
            self.fall_silent("protocol", detail=detail)

    def say(self, datagram):
        if not self.lapsed and self.link:
            self.link.send(datagram)
            self.sent_at = time.monotonic()

    def begin(self, exchange):
        self.exchange = exchange
        exchange.wait = exchange.wait or self.RETRY
        self.repeat(exchange)

    def repeat(self, exchange):
        exchange.tries += 1
        exchange.due = time.monotonic() + exchange.wait
        exchange.wait *= self.BACKOFF
        self.say(exchange.datagram(exchange.tries > 1))

    def next_due(self):
        times = [time.monotonic() + 60]
        if self.silent_until is not None:
            times.append(self.silent_until)
        elif self.exchange and self.link:
            times.append(self.exchange.due)
        if self.beats():
            times.append(self.beat_due())
        return min(times)

    def beats(self):
        return self.state == "active" and not self.lapsed

    def beat_due(self):
        """Datagrams do not tell that the broker was restarted: the question comes early."""
        return self.sent_at + min(BEAT_SECONDS, (self.keep_alive or 60) * 0.6)

    def read(self):
        """Takes what has come; True if something had."""
        if self.silent_until is not None:
            return False
        came = False
        for conn, link in list(self.older):
            while (datagram := link.receive()) is not None:
                came = True
                if self.handle_older(conn, datagram):
                    self.record("closed", conn=conn, by="peer", how="takeover")
                    self.older.remove((conn, link))
                    link.close()
                    break
        while self.link and self.silent_until is None:
            link = self.link
            datagram = link.receive()
            if datagram is None:
                if link.refused:
                    self.ended_by_peer("lost")
                break
            came = True
            self.handle(datagram)
        return came

    def work(self, now):
        """Repetitions, keep alive, and the next of what waits."""
        if not self.link:
            return
        for _, link in self.older:
            if self.state not in (None, "connecting") and now >= link.asked_at + ASK_OLDER_SECONDS:
                link.asked_at = now
                self.ask_older(link)
        if self.beats() and now >= self.beat_due():
            self.beat()
        if self.lapsed or self.silent_until is not None:
            return
        if self.exchange and now >= self.exchange.due:
            if self.exchange.tries >= self.TRIES:
                self.unanswered(self.exchange)
            else:
                self.note_repetition(self.exchange)
                self.repeat(self.exchange)
        while self.link and self.todo and not self.exchange and self.may_begin():
            self.todo.popleft()()

    def may_begin(self):
        return self.state == "active"

    def note_repetition(self, exchange):
        if exchange.kind == "publish":
            self.record("resend", conn=self.conn, op=exchange.op)
