"""A history made into what the judge reasons about: connections, lives of sessions, subscriptions, publications.

A *life* is one session of a client id from its beginning to its end, over all its connections. Times come in pairs: an
operation took effect in the broker between its sending and its answer, or, without an answer, at any time
after its sending or never. `surely` below means: whatever the broker did within these bounds.
"""

import bisect
import collections
import dataclasses
import functools
import math

INF = math.inf
WILDCARDS = ("+", "#")


@functools.lru_cache(maxsize=100000)
def matches(pattern, topic):
    """Whether a topic filter matches a topic name (MQTT 5.0, 4.7)."""
    wanted, have = pattern.split("/"), topic.split("/")
    if wanted[0] in WILDCARDS and have[0].startswith("$"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(have) or level not in ("+", have[index]):
            return False
    return len(wanted) == len(have)


def split_shared(text):
    """(group or None, filter) of a subscription (4.8.2)."""
    if text.startswith("$share/"):
        _, group, rest = text.split("/", 2)
        return group, rest
    return None, text


@dataclasses.dataclass
class Connection:
    """Times of one connection. `t_closed` is when the client knew; `t_alive` its last sign of life from the broker."""

    name: str
    client: str
    actor: str
    t_connect: float
    clean: bool
    expiry: float | None
    protocol: str = "mqtt"
    version: str = ""
    keep_alive: int = 0
    will: dict | None = None
    t_connected: float | None = None
    present: bool | None = None
    refused: bool = False
    t_disconnect: float | None = None
    with_will: bool = False
    t_closed: float | None = None
    by: str = ""
    how: str = ""
    detail: str = ""
    t_lapse: float | None = None
    t_alive: float = 0.0
    t_drained: float | None = None
    silent: list = dataclasses.field(default_factory=list)
    noticed: tuple | None = None  # when the broker may notice by itself that a client without a stream is gone
    will_on_takeover: bool = True
    life: "Life | None" = None
    slept: bool = False  # a gateway has to keep what is for a sleeper (MQTT-SN, 6.14): its clean session may last
    unordered: bool = False  # another connection of the id was asked for before this one was answered, or the reverse


@dataclasses.dataclass
class Operation:
    """A subscribe or unsubscribe of one filter within a life."""

    kind: str  # "sub" or "unsub"
    t_sent: float
    t_answered: float | None
    conn: str
    qos: int = 0  # granted, or asked for while there is no answer
    nl: bool = False
    rap: bool = False
    rh: int = 0
    id: int | None = None
    any_qos: bool = False
    refused: bool = False
    t_superseded: float = INF  # when surely replaced by a later operation

    def sure(self):
        return self.t_answered is not None and not self.refused


@dataclasses.dataclass
class Life:
    """A session."""

    client: str
    number: int
    conns: list = dataclasses.field(default_factory=list)
    doubtful: bool = False  # it may have ended, and begun anew, without a word: nothing is owed to it
    broken: bool = False  # the client could not keep its half (QoS 2 may be doubled)
    filters: dict = dataclasses.field(default_factory=dict)  # filter -> [Operation], in order
    received: list = dataclasses.field(default_factory=list)  # message events, not stale, in order
    partial: set = dataclasses.field(default_factory=set)  # ops of messages that may count as received
    t_end: float = INF  # it had surely ended by then
    last: bool = False
    t_lost: float | None = None  # when the broker said that it has no such session, though it must

    @property
    def name(self):
        return f"{self.client}/{self.number}"

    @property
    def t_begin(self):
        return self.conns[0].t_connect

    def unknown(self):
        """Whether it may have subscriptions that nobody here has seen it make."""
        return self.doubtful and (self.conns[0].present or any(one.unordered for one in self.conns))

    def drained(self):
        """Whether all that was owed to it must have come."""
        return self.last and not self.doubtful and self.conns[-1].t_drained is not None

    def settled_by(self):
        """What was acknowledged before this time and has not come never will; None: nothing can be said."""
        if self.drained():
            return INF
        return None if self.doubtful else self.t_lost


@dataclasses.dataclass
class Publication:
    """An application message, or a will. It took effect in [t_sent, t_end]."""

    op: str
    actor: str
    client: str
    seq: int
    topic: str
    qos: int
    retain: bool
    empty: bool
    conn: str
    t_sent: float
    sends: list  # (time, connection) of each sending
    t_completed: float | None = None
    t_acknowledged: float = INF  # QoS 2: PUBREC
    refused: bool = False
    will: bool = False
    never: str = ""  # wills: why it must not be published
    sure: bool = False  # acknowledged, or a will that was due
    due_by: float = INF  # wills
    asked_again: int = 0  # wills: so often a broker that came back may have heard their connect anew

    @property
    def t_end(self):
        return INF if self.t_completed is None else self.t_completed


class Timeline:
    """Everything of one history. `assume_drained`: take connections that are still open for drained (while the
    drain is still going on)."""

    def __init__(self, events, limits, assume_drained=False):
        self.events, self.limits = events, limits
        self.conns = {}
        self.lives = []
        self.by_client = collections.defaultdict(list)
        self.publications = {}
        self.kills = [event["t"] for event in events if event["e"] == "kill"]
        self.rule_changes = [event for event in events if event["e"] in ("forbid", "allow")]
        self.ups = [event["t"] for event in events if event["e"] == "up"]
        self.end = events[-1]["t"] if events else 0.0
        self.protocol_faults = []
        self._read_connections(assume_drained)
        self._read_lives()
        self._read_subscriptions()
        self._read_publications()
        self._read_messages()

    # --- times of kills

    def killed_between(self, start, end):
        """Whether a kill falls in that time. A command that kills takes its time: it may have died until it was up."""
        return self.kills_between(start, end) != 0

    def kills_between(self, start, end):
        return sum(1 for kill in self.kills if kill <= end and start <= self.up_after(kill))

    def up_after(self, kill):
        index = bisect.bisect_left(self.ups, kill)
        return self.ups[index] if index < len(self.ups) else self.end

    # --- connections

    def _read_connections(self, assume_drained):
        for event in self.events:
            kind, name = event["e"], event.get("conn")
            if kind == "connect":
                one = Connection(name, event["client"], event["actor"], event["t"], event["clean"], event["expiry"],
                                 event.get("protocol", "mqtt"), event.get("version", ""),
                                 event.get("keep_alive", 0), event.get("will"))
                one.t_alive = event["t"]
                one.will_on_takeover = event.get("will_on_takeover", True)
                self.conns[name] = one
                self.by_client[one.client].append(one)
            elif name in self.conns:
                self._read_event_of(self.conns[name], kind, event)
        if assume_drained:
            for one in self.conns.values():
                if one.t_connected is not None and one.t_closed is None:
                    one.t_drained = self.end

    def _read_event_of(self, one, kind, event):
        now = event["t"]
        if kind == "connected":
            one.t_connected, one.present = now, event["present"]
            one.expiry = event.get("expiry", one.expiry)
        elif kind == "refused":
            one.refused = True
        elif kind == "disconnect":
            one.t_disconnect, one.with_will = now, event.get("will", False)
            one.expiry = event.get("expiry", one.expiry)
        elif kind == "closed" and one.t_closed is None:
            one.t_closed, one.by, one.how = now, event["by"], event["how"]
            one.detail = event.get("detail", "")
            if "noticed" in event:
                one.noticed = (event["noticed"][0], INF if event["noticed"][1] is None else event["noticed"][1])
        elif kind == "lapse":
            one.t_lapse = now
        elif kind == "asleep":
            one.slept = True
        elif kind == "silent":
            one.silent.append((now, event["until"]))
        elif kind == "drained":
            one.t_drained = now
        if kind in ("connected", "message", "completed", "acknowledged", "subscribed", "unsubscribed", "repeat"):
            one.t_alive = now

    def close_bounds(self, one, newer=None):
        """Earliest and latest time at which the broker saw the connection end. A client that does not read, or
        writes to a broker that was killed, knows of it late."""
        earliest, latest = self._close_bounds(one, newer)
        for kill in self.kills:
            if kill <= latest and one.t_connect <= self.up_after(kill):
                earliest = min(earliest, max(kill, one.t_connect))
        return earliest, latest

    def _close_bounds(self, one, newer):
        if one.t_closed is None or (newer is not None and newer.t_connect < one.t_closed):
            if newer is None:
                return INF, INF
            return newer.t_connect, INF if newer.t_connected is None else newer.t_connected
        if one.noticed is not None:
            earliest, latest = one.noticed
            if newer is not None and newer.t_connect < latest:
                return min(earliest, newer.t_connect), INF if newer.t_connected is None else newer.t_connected
            return earliest, latest
        if one.by == "us" and one.how == "cut":
            return one.t_closed, one.t_closed
        if one.by == "us" and one.t_disconnect is not None:
            return one.t_disconnect, one.t_closed
        return min([one.t_alive, one.t_closed] + [start for start, _ in one.silent]), one.t_closed

    # --- lives

    def _read_lives(self):
        for client, conns in self.by_client.items():
            conns.sort(key=lambda one: one.t_connect)
            self._find_unordered(conns)
            life, number = None, 0
            for index, one in enumerate(conns):
                if one.t_connected is None:
                    self._read_unanswered(one, life)
                    continue
                fresh = life is None or one.present is False or (one.present is None and one.clean)
                if fresh:
                    if life is not None:
                        life.t_end = one.t_connected
                        if one.present is False and self.expected_present(one):
                            life.t_lost = one.t_connect
                    number += 1
                    life = Life(client, number, doubtful=one.present is True)
                    self.lives.append(life)
                elif one.present is None and self.expected_present(one) is None:
                    life.doubtful = True
                elif one.present is None and self.expected_present(one) is False:
                    life.t_end = one.t_connected
                    number += 1
                    life = Life(client, number)
                    self.lives.append(life)
                life.conns.append(one)
                one.life = life
                if one.unordered:
                    life.doubtful = life.broken = True
            for each in self.lives:
                # What one protocol's client holds of a QoS 2 exchange another's does not know.
                each.broken = each.broken or len({one.protocol for one in each.conns}) > 1
            if life is not None:
                life.last = True
                last = life.conns[-1]
                if not any(one.t_connected is None and one.t_connect > last.t_connect for one in conns):
                    _, latest = self.close_bounds(last)
                    if last.expiry is not None:
                        life.t_end = latest + last.expiry + self.limits["late_seconds"]
        for life in self.lives:
            if not self.limits["survives_kill"] and self.killed_between(life.t_begin, INF):
                life.doubtful = True
            if any(self._slept_over_a_kill(one) for one in life.conns):
                life.doubtful = True

    def _slept_over_a_kill(self, one):
        """Whether a clean session may have ended with the broker (3.1.2.4) without a word: who sleeps hears of nothing."""
        return one.slept and one.expiry == 0 and self.killed_between(one.t_connect,
                                                                     INF if one.t_closed is None else one.t_closed)

    @staticmethod
    def _find_unordered(conns):
        """Two that were asked for at once (by two clients of one id, or by datagrams, which are repeated) may have
        been heard in either order: nobody knows which of them had the session last."""
        latest = None
        for one in conns:
            if one.t_connected is None:
                continue
            if latest is not None and latest.t_connected > one.t_connect:
                latest.unordered = one.unordered = True
            if latest is None or latest.t_connected < one.t_connected:
                latest = one

    @staticmethod
    def _read_unanswered(one, life):
        """A connection whose CONNECT may or may not have been heard."""
        if life is not None and not one.refused:
            life.doubtful = life.doubtful or one.clean or one.expiry != life.conns[-1].expiry
            life.broken = life.broken or one.clean

    def expected_present(self, one):
        """Whether the broker must say that it has a session (True, False), or may say either (None)."""
        if one.clean:
            return False
        before = [each for each in self.by_client[one.client]
                  if each.t_connect < one.t_connect and not each.refused]
        answered = [each for each in before if each.t_connected is not None]
        unanswered = [each for each in before if each.t_connected is None
                      and (not answered or each.t_connect > answered[-1].t_connect)]
        if not answered:
            return False if all(each.expiry == 0 for each in unanswered) else None
        last = answered[-1]
        if one.unordered or last.unordered or (last.slept and last.expiry == 0):
            return None
        if unanswered:
            if all(each.expiry == last.expiry and (not each.clean or last.expiry == 0) for each in unanswered):
                if last.expiry not in (None, 0):
                    return None
            else:
                return None
        verdict = self._expected_after(last, one)
        if verdict is not False and self.killed_between(last.t_connect, one.t_connected or INF):
            if not self.limits["survives_kill"] or not self._stored_before_kill(last):
                return None
        if verdict is False and last.expiry == 0 and self._expiry_changed(last):
            if self.killed_between(last.t_connect, one.t_connected or INF):
                return None
        return verdict

    def _expected_after(self, last, one):
        if last.expiry is None:
            return True
        if last.expiry == 0:
            return False
        earliest, latest = self.close_bounds(last, one)
        for kill in self.kills:  # the countdown may begin anew when the broker is back
            if kill <= one.t_connect and last.t_connect <= self.up_after(kill):
                latest = max(latest, self.up_after(kill))
        if one.t_connected < earliest + last.expiry - self.limits["early_seconds"]:
            return True
        if one.t_connect > latest + last.expiry + self.limits["late_seconds"]:
            return False
        return None

    def _stored_before_kill(self, last):
        """Whether something acknowledged within this session shows that it had been stored before the kill. That
        a bare CONNACK outlives a kill is nowhere promised."""
        life = last.life
        if life is None:
            return False
        names = {each.name for each in life.conns}
        kill = max((kill for kill in self.kills if kill >= life.t_begin), default=INF)
        stored = any(event["e"] == "subscribed" and event["conn"] in names and event["t"] < kill
                     for event in self.events if event["e"] == "subscribed")
        return stored and not self._expiry_changed(last)

    @staticmethod
    def _expiry_changed(last):
        """Whether the last connection (or its DISCONNECT) gave the session another expiry than it had before."""
        life = last.life
        if life is None or last.t_disconnect is not None:
            return True
        return any(each.expiry != last.expiry for each in life.conns if each.t_connect <= last.t_connect)

    # --- subscriptions

    def _read_subscriptions(self):
        answers = {event["op"]: event for event in self.events if event["e"] in ("subscribed", "unsubscribed")}
        for event in self.events:
            if event["e"] not in ("subscribe", "unsubscribe"):
                continue
            life = self.conns[event["conn"]].life
            if life is None:
                continue
            answer = answers.get(event["op"])
            for index, each in enumerate(event["filters"]):
                self._add_operation(life, event, answer, each, index)

    @staticmethod
    def _add_operation(life, event, answer, each, index):
        answered = None if answer is None else answer["t"]
        if event["e"] == "unsubscribe":
            text, one = each, Operation("unsub", event["t"], answered, event["conn"])
        else:
            text = each["filter"]
            one = Operation("sub", event["t"], answered, event["conn"], each["qos"], each.get("nl", False),
                            each.get("rap", False), each.get("rh", 0), each.get("id"), each.get("any_qos", False))
            if answer is not None:
                code = answer["codes"][index]
                one.refused = code is None
                one.qos = one.qos if code is None else code
        operations = life.filters.setdefault(text, [])
        if one.t_answered is not None and not one.refused:
            for earlier in operations:
                earlier.t_superseded = min(earlier.t_superseded, one.t_answered)
        operations.append(one)

    @staticmethod
    def possible(operations, start, end):
        """Subscribe operations of one filter that may have been in force at some time in [start, end]."""
        return [one for one in operations if one.kind == "sub" and not one.refused and one.t_sent <= end
                and one.t_superseded >= start]

    def surely(self, operations, start, end):
        """The subscribe operations that may have been in force in [start, end], if the filter surely was all the
        time and was not given up later (so that what is owed must still come); else []."""
        held = [one for one in operations if one.kind == "sub" and one.sure() and one.t_answered <= start]
        if not held:
            return []
        if any(one.kind == "unsub" and one.t_sent > held[-1].t_sent for one in operations):
            return []
        return [held[-1]] + [one for one in operations if one.kind == "sub" and not one.refused
                             and one.t_sent > held[-1].t_sent and one.t_sent <= end]

    # --- publications

    def _read_publications(self):
        for event in self.events:
            kind = event["e"]
            if kind == "publish":
                one = self.conns.get(event["conn"])
                self.publications[event["op"]] = Publication(
                    event["op"], event["actor"], one.client if one else event["actor"], len(self.publications),
                    event["topic"], event["qos"], event["retain"], event.get("empty", False), event["conn"],
                    event["t"], [(event["t"], event["conn"])])
            elif event.get("op") in self.publications:
                found = self.publications[event["op"]]
                if kind == "resend":
                    found.sends.append((event["t"], event["conn"]))
                elif kind == "acknowledged":
                    found.t_acknowledged = event["t"]
                elif kind == "completed":
                    found.t_completed, found.sure = event["t"], True
                elif kind == "publish_refused":
                    found.refused, found.t_completed = True, event["t"]

    # --- messages

    def _read_messages(self):
        self.stale = []
        for event in self.events:
            one = self.conns.get(event.get("conn"))
            if event["e"] == "partial" and one is not None and one.life is not None:
                one.life.partial.add(event["op"])
            if event["e"] != "message":
                continue
            if event.get("stale"):
                self.stale.append(event)
            elif one is not None and one.life is not None:
                one.life.received.append(event)

    def matching(self, life, topic):
        """(filter, group, operations) of all subscriptions of a life that may match a topic."""
        for text, operations in life.filters.items():
            group, pattern = split_shared(text)
            if matches(pattern, topic):
                yield text, group, operations

    def forbidden(self, direction, topic):
        """Whether the rules forbid it, always or at times: nobody is owed it."""
        patterns = self.limits["forbidden"][direction]
        if direction == "receive":
            patterns = patterns + self.limits["forbidden"]["switched"]
        return any(matches(pattern, topic) for pattern in patterns)

    def forbidden_since(self, topic, published, received):
        """When rules came that have forbidden to receive it, from before it was published until it was received. None:
        they were not always there."""
        if not any(matches(pattern, topic) for pattern in self.limits["forbidden"]["switched"]):
            return None
        since = None
        for event in self.rule_changes:
            if event["t"] >= published:
                if event["e"] == "allow" and event["t"] <= received:
                    return None
                continue
            since = event["t"] if event["e"] == "forbid" else None
        return since
