"""What happened in one round: a list of events, and the payloads that say who wrote them.

An event is a dictionary with `t` (seconds since the round began), `e` (its kind), `actor`, and the fields below.
What a client does is recorded *before* its bytes leave, what it hears *after* they came, so that between the two
times the broker did its part.

    connect       conn, client, protocol, version, clean, expiry, keep_alive, will
                  `conn`: a name of this connection, unique in the round. `client`: the client id. `clean`: whether
                  an older session is to be dropped. `expiry`: seconds that the session outlives the connection;
                  0: it ends with it; None: for ever. `keep_alive`: seconds, 0 none. `will`: None or {op, topic, qos,
                  retain, delay, empty}. Optional: `will_on_takeover` False: the protocol does not say that the
                  will is published when the same client comes again
    connected     conn, present           `present`: True, False, or None where the protocol does not tell.
                  Optional: `expiry`, where the broker has set another one
    refused       conn, reason            instead of connected
    disconnect    conn                    the client is about to say goodbye. Optional: `expiry` (changed),
                  `will` True (MQTT 5, reason 0x04: the will is to be published all the same)
    closed        conn, by, how           the connection is gone; `by` "us" or "peer". `how`: disconnect (after
                  goodbye), cut (without), takeover, refused, lost, protocol (the peer sent what is not allowed;
                  `detail` says what). For `by: us` recorded just before the cut. Optional: `noticed` [earliest,
                  latest]: datagrams, when the broker may notice by itself; latest None: perhaps never
    subscribe     conn, op, filters       `filters`: list of {filter, qos, nl, rap, rh, id}: no local, retain as
                  published, retain handling, subscription identifier (None: none). Shared: `$share/<group>/<filter>`
                  Optional: `any_qos` True: the protocol grants none, so that another protocol which takes the
                  session over may be given any
    subscribed    conn, op, codes         one for each filter: granted QoS, or None: refused
    unsubscribe   conn, op, filters       `filters`: list of texts
    unsubscribed  conn, op
    publish       conn, op, topic, qos, retain, empty      `empty`: no payload (clears what is retained)
    resend        conn, op                the same exchange again, after a reconnect or (datagrams) a timeout
    acknowledged  conn, op                QoS 2 only, the middle of the exchange (PUBREC)
    completed     conn, op                the end: the broker says that it has it (PUBACK, PUBCOMP, RECEIPT, 2.04)
    publish_refused  conn, op, reason     it says that it has not
    abandoned     op                      the client gave the exchange up (its session is gone); it may have happened
    message       conn, topic, op, qos, retain, dup, ids, bad
                  `op`: whose payload it is, None for an empty one. `qos`, `retain`: None where the protocol does
                  not show them. `ids`: subscription identifiers (a list). `bad`: what is wrong with the payload, if
                  anything. A repetition that the client recognises (the same packet id before PUBREL) is no second
                  message; it is recorded as `repeat`. Optional: `stale` True: read from a connection
                  that the client had replaced by a newer one (nothing was acknowledged there); `returned`
                  True: the client had refused it before (STOMP's NACK), so that it comes out of order
    partial       conn, op                CoAP: the client had acknowledged the first block of a message, and asked for more,
                  when the connection was over: nobody can tell it from one that has the rest, or does not want it
    silent        conn, until             the client stops reading until then
    asleep        conn                    MQTT-SN: the client sleeps; a clean session may be kept for it from then on
    lapse         conn                    from here on the client sends nothing at all, not even its keep alive
    kill, up      (no actor)              the broker was killed (recorded before); it accepts connections again
    forbid, allow (no actor)              nobody may receive what the limits call switched (recorded after the command); the
                  end of that (recorded before it)
    drained       conn                    the client has read all that there is, with a last exchange behind it
"""

import json
import threading
import time
import zlib

MARK = "mgck"
PADDING = "the quick brown fox jumps over the lazy dog 0123456789 " * 1200


class History:
    """Collects the events of one round, from any thread."""

    def __init__(self, start=None):
        self.start = time.monotonic() if start is None else start
        self.events = []
        self._lock = threading.Lock()
        self._conns = 0

    def now(self):
        """Seconds since the round began."""
        return time.monotonic() - self.start

    def record(self, kind, actor=None, **fields):
        """Adds an event, with the time of this call; returns it."""
        event = {"t": 0.0, "e": kind, "actor": actor, **fields}
        with self._lock:
            event["t"] = round(self.now(), 6)
            self.events.append(event)
        return event

    def new_connection(self, actor):
        """A name for a connection."""
        with self._lock:
            self._conns += 1
            return f"{actor}#{self._conns}"

    def snapshot(self):
        with self._lock:
            return list(self.events)


def make_payload(round_name, op, topic, size):
    """A payload that names its publication and proves that it is whole: printable ASCII, at least `size` bytes."""
    head = f"{MARK} {round_name} {op} {size} "
    padding = PADDING[:max(0, size - len(head) - 9)]
    check = zlib.crc32(f"{head}{topic} {padding}".encode())
    return f"{head}{check:08x} {padding}".encode()


def read_payload(round_name, topic, payload):
    """(op, what is wrong): the op is None for an empty payload and where it cannot be told."""
    if not payload:
        return None, None
    try:
        mark, found_round, op, size, check, padding = payload.decode("ascii").split(" ", 5)
    except (UnicodeDecodeError, ValueError):
        return None, f"a payload that nobody published: {payload[:60]!r}"
    if mark != MARK:
        return None, f"a payload that nobody published: {payload[:60]!r}"
    if found_round != round_name:
        return op, f"a payload of another round ({found_round})"
    if f"{zlib.crc32(f'{mark} {found_round} {op} {size} {topic} {padding}'.encode()):08x}" != check:
        return op, f"a payload that was changed, or belongs to another topic: {payload[:60]!r}"
    return op, None


def op_of_part(round_name, part):
    """The op of a payload of which only the beginning is there; None where it cannot be told."""
    words = part.decode("ascii", "replace").split(" ", 3)
    return words[2] if words[:2] == [MARK, round_name] and len(words) == 4 else None


def dump(events, path):
    """Writes a history, an event a line."""
    with open(path, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event) + "\n")


def load(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]
