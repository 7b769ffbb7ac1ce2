"""Checks of connections, sessions and wills: see judge.py. Each yields (text, ops, connections)."""

import math


def present(timeline):
    """Session present exactly when it should be."""
    for conns in timeline.by_client.values():
        for one in conns:
            if one.t_connected is None or one.present is None:
                continue
            expected = timeline.expected_present(one)
            if expected is not None and expected != one.present:
                says = "says that it has no session" if expected else "says that it has a session"
                why = ("but the client had one, which had not ended" if expected
                       else "but there can be none" if not one.clean else "though the client asked for a clean one")
                older = [each.name for each in conns if each.t_connect < one.t_connect][-2:]
                yield f"CONNACK of {one.name} {says}, {why}", [], [*older, one.name]


def takeover(timeline):
    """One live connection for a client id."""
    bound = timeline.limits["takeover_seconds"]
    newer_of = {}
    for conns in timeline.by_client.values():
        for older, newer in zip(conns, conns[1:]):
            if older.t_connected is None or newer.t_connected is None or older.unordered or newer.unordered:
                continue
            closed = math.inf if older.t_closed is None else older.t_closed
            if closed < newer.t_connect or timeline.killed_between(older.t_connected, newer.t_connected):
                continue  # a broker that was killed knows nothing of the older one, which datagrams may not tell
            newer_of[older.name] = newer
            free = max([newer.t_connected] + [until for _, until in older.silent])
            if closed > free + bound and timeline.end > free + bound:
                yield (f"connection {older.name} was still open {bound:.0f} s after {newer.name} had taken over "
                       f"the client id {older.client}", [], [older.name, newer.name])
    for event in timeline.stale:
        newer = newer_of.get(event["conn"])
        one = timeline.publications.get(event["op"])
        if newer is not None and one is not None and one.t_sent > newer.t_connected:
            yield (f"{one.op} was sent to connection {event['conn']} after {newer.name} had taken over its client "
                   "id", [one.op], [event["conn"], newer.name])


def keep_alive(timeline):
    """A client that says nothing for one and a half keep alives is disconnected."""
    for one in timeline.conns.values():
        if one.t_lapse is None or not one.keep_alive or one.t_connected is None:
            continue
        if (one.protocol, one.version) == ("stomp", "1.0"):
            continue  # it has no heart-beats, so that silence says nothing
        bound = one.t_lapse + 1.5 * one.keep_alive + 3 * timeline.limits["late_seconds"]
        closed = math.inf if one.t_closed is None else one.t_closed
        if timeline.killed_between(one.t_connected, bound):
            continue  # it knows nothing of a client that says nothing, and datagrams do not tell that one
        if closed > bound and timeline.end > bound:
            yield (f"connection {one.name} was open {bound - one.t_lapse:.1f} s after its client had fallen silent "
                   f"(keep alive {one.keep_alive} s)", [], [one.name])


def wills(timeline):
    """Wills not when they must not, not before they are due, once."""
    for life in timeline.lives:
        copies = {}
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None or not one.will:
                continue
            names = [one.conn, event["conn"]]
            if one.never:
                yield f"the will {one.op} of {one.conn} was published, though {one.never}", [one.op], names
            elif event["t"] < one.t_sent:
                yield (f"the will {one.op} of {one.conn} came at {event['t']:.3f} s, not due before "
                       f"{one.t_sent:.3f} s", [one.op], names)
            elif event["retain"] is not True:
                copies.setdefault(one.op, event)
        for op, event in copies.items():
            yield from _late(timeline, life, timeline.publications[op], event)


def _late(timeline, life, one, event):
    """A will later than three times the slack, to a reader that was there all the time."""
    reader = timeline.conns[event["conn"]]
    slack = 3 * timeline.limits["late_seconds"]
    if one.sure and event["t"] > one.due_by + slack and reader.t_connected < one.t_sent and not reader.silent \
            and len(life.conns) == 1:
        yield (f"the will {one.op} of {one.conn} came at {event['t']:.3f} s, due by {one.due_by:.3f} s", [one.op],
               [one.conn, event["conn"]])


def protocol(timeline):
    """What the broker sent is allowed where it was sent."""
    for event in timeline.events:
        if event["e"] == "strange" or (event["e"] == "closed" and event["how"] == "protocol"):
            yield f"connection {event['conn']}: {event.get('detail', '')}", [], [event["conn"]]
