"""What every protocol's actor is: one client identity, which does the steps of a plan and records what happens.

An actor belongs to one thread, which calls `perform` for each step when it is due and `pump` in between. It never
decides anything by chance: everything random is in the plan. It does its protocol's duties exactly (acknowledges, keeps
alive, keeps the state of its session over connections, repeats what the specification says is to be repeated),
because the judge blames the broker for every difference.

To add a protocol: a module in `actors/` with a class derived from `Actor`, and a line in `actors/registry.py`.
"""

import abc
import dataclasses
import urllib.parse

import history as histories


@dataclasses.dataclass
class Target:
    """One address of the broker: `mqtt://host:port`, `mqtts://`, `ws://host:port/mqtt`, `wss://`, `mqttsn://`,
    `coap://`, `stomp://`, `stomps://`, `sockjs://host:port/path` ..."""

    scheme: str
    host: str
    port: int
    path: str = ""
    username: str | None = None
    password: str | None = None
    options: dict = dataclasses.field(default_factory=dict)  # of the query part: ?a=b

    @classmethod
    def parse(cls, text):
        parts = urllib.parse.urlsplit(text)
        if not parts.scheme or parts.hostname is None or parts.port is None:
            raise ValueError(f"{text!r} is not scheme://host:port")
        return cls(parts.scheme, parts.hostname, parts.port, parts.path, parts.username, parts.password,
                   dict(urllib.parse.parse_qsl(parts.query)))

    @property
    def address(self):
        return self.host, self.port


@dataclasses.dataclass
class Setup:
    """What an actor is made of."""

    name: str  # in the plan and in the history
    client_id: str  # unique for the round; two actors of protocols that share sessions may have the same
    targets: list  # of this actor's protocol; a connect step says which (its `target`, an index)
    history: histories.History
    limits: object  # limits.Limits
    round_name: str
    tls_context: object = None  # ssl.SSLContext, for schemes that need one


class Unreachable(OSError):
    """The broker does not take connections (it is down). The caller tries again."""


class Actor(abc.ABC):
    """See the module. `perform(step)` calls the method `do_<action>(**arguments)`.

    Actions that the plan uses (an actor leaves out what its protocol cannot do; the plan looks at `ACTIONS`):

    connect      version, clean, expiry, keep_alive, will, target. `expiry`: see history. `will`: None or {topic,
                 qos, retain, delay, size}. A connect while connected is a duplicate: the older connection is left
                 open and, unless the step `hold`s it unread, read on, so that one sees it closed, without any answer on it
    disconnect   expiry (None: unchanged), will (True: MQTT 5, reason 0x04)
    cut          how: "rst", "fin", "inside" (in the middle of a packet). Datagrams: the actor falls silent and forgets
                 its socket
    subscribe    filters: list of {filter, qos, nl, rap, rh, id}
    unsubscribe  filters: list of texts
    publish      topic, qos, retain, size, empty, count: so many messages one after the other, each an op of its own
    silent       seconds, trickle: stops reading (and so acknowledging), goes on after that. `trickle`: reads so many
                 bytes each 20 ms instead of none
    lapse        nothing is sent any more, not even keep alive; it goes on reading, so as to see that it is closed
    """

    PROTOCOL = ""  # "mqtt", "mqttsn", "coap", "stomp", "sockjs"
    ACTIONS = ("connect", "disconnect", "cut", "subscribe", "unsubscribe", "publish", "silent", "lapse")

    def __init__(self, setup):
        self.setup = setup
        self.name = setup.name
        self.history = setup.history
        self.limits = setup.limits.protocol(self.PROTOCOL)
        self.last_connect = None  # arguments of the last connect step, for `reconnect`
        self._ops = 0

    # what the runner calls

    def perform(self, step):
        """Does one step. Steps that make no sense now (publish while not connected) are passed over without a
        trace: after a step was taken out of a plan the rest must still run. Raises `Unreachable` from connect."""
        getattr(self, f"do_{step['do']}")(**step.get("with", {}))

    @abc.abstractmethod
    def pump(self, seconds):
        """Waits at most so long for input, and handles it: acknowledges, records messages, sends what was waiting
        for room in the window, sends keep alives. Returns early when something came."""

    @abc.abstractmethod
    def connected(self):
        """Whether there is a connection that the broker has accepted and that has not ended, as far as we know."""

    @abc.abstractmethod
    def connecting(self):
        """Whether a connection was begun whose answer has not come yet."""

    @abc.abstractmethod
    def busy(self):
        """Whether an exchange of this side is open (publish, subscribe, unsubscribe without its answer; a QoS 2
        message taken and not yet released), or a message waits to be sent, or reading is held off."""

    @abc.abstractmethod
    def may_have_session(self):
        """Whether the broker may hold a session for this client now (so that the drain has to connect it)."""

    def reconnect(self, last=False):
        """After the connection was lost without our doing, and with `last` in the drain: connects again so that a
        session that outlives connections goes on, whatever the last connect said. Raises `Unreachable`. With
        `last` the session must outlive everything until `forget`: no will, no short expiry."""
        if self.last_connect is None:
            return
        again = dict(self.last_connect)
        if again.get("expiry") != 0:
            again["clean"] = False
        if last:
            again.update(will=None)
            if again.get("expiry"):
                again["expiry"] = max(again["expiry"], 120)
        self.do_connect(**again)

    @abc.abstractmethod
    def check_alive(self):
        """Begins an exchange whose answer comes after all that the broker had sent before (PINGREQ): `busy()` until
        it is there."""

    @abc.abstractmethod
    def forget(self):
        """After the round: removes the session from the broker (clean connect, disconnect), best effort, recording
        nothing; closes everything. Must return within a few seconds."""

    @abc.abstractmethod
    def close(self):
        """Closes all sockets at once, recording nothing."""

    # what actors use

    def record(self, kind, **fields):
        return self.history.record(kind, self.name, **fields)

    def new_op(self):
        """A name for a publication or request; they count up in the order of this actor's publications, which the
        judge relies on."""
        self._ops += 1
        return f"{self.name}.{self._ops}"

    def make_payload(self, op, topic, size):
        return histories.make_payload(self.setup.round_name, op, topic, size)

    def record_message(self, conn, topic, payload, **fields):
        """Records `message` with the payload read; fields: qos, retain, dup, ids (and stale)."""
        op, bad = histories.read_payload(self.setup.round_name, topic, payload)
        return self.record("message", conn=conn, topic=topic, op=op, bad=bad, **fields)
