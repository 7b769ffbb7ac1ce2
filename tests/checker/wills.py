"""When wills are due (MQTT 3.1.1, 3.1.2.5; MQTT 5.0, 3.1.2.5, 3.1.3.2.2, 3.14.4).

Each will becomes a publication whose time is when it may be published: from when, by when, whether it must be, or why
it must not.
"""

import dataclasses

from timeline import INF, Publication


@dataclasses.dataclass
class Due:
    """`earliest`: not before that. `latest`: by then it was due. `must`: it has to come. `never`: why it must not."""

    earliest: float
    latest: float = INF
    must: bool = False
    never: str = ""


def add_wills(timeline):
    """Puts the wills of all connections among the publications."""
    for conns in timeline.by_client.values():
        for index, one in enumerate(conns):
            if one.will is None or (one.refused and not _was_overtaken(conns, one)):
                continue
            newer = next((each for each in conns[index + 1:] if not each.refused), None)
            due = judge_will(timeline, one, newer)
            will = one.will
            found = Publication(will["op"], one.actor, one.client, len(timeline.publications), will["topic"],
                                will["qos"], will["retain"], will.get("empty", False), one.name,
                                due.earliest - timeline.limits["early_seconds"], [(due.earliest, one.name)])
            found.will, found.never, found.sure, found.due_by = True, due.never, due.must, due.latest
            if one.protocol in ("coap", "mqttsn"):
                # A request in a datagram is sent again until it is answered, and a broker that was killed in between
                # does not know that it has heard it: the will is there anew.
                answered = one.t_connected if one.t_connected is not None else one.t_closed
                found.asked_again = timeline.kills_between(one.t_connect, INF if answered is None else answered)
            timeline.publications[found.op] = found


def _was_overtaken(conns, one):
    """Whether a connection that was refused may have been accepted and have lost its session to another one of its id
    before it could be told so: a request in a datagram has one answer, and that is a refusal then."""
    return one.protocol in ("coap", "mqttsn") and any(
        each is not one and one.t_connect <= each.t_connect <= (INF if one.t_closed is None else one.t_closed)
        for each in conns)


def judge_will(timeline, one, newer):
    """When the will of connection `one` is due; `newer`: the client's next connection, or None."""
    if one.t_connected is None:
        return Due(one.t_connect)  # nobody knows whether the broker has heard of it
    if one.unordered or (newer is not None and newer.unordered):
        return Due(one.t_connect)  # nor which of two connections was the newer one
    delay = one.will["delay"]
    wait = delay if one.expiry is None else min(delay, one.expiry)
    earliest, latest = timeline.close_bounds(one, newer)
    if timeline.killed_between(one.t_connect, min(latest, timeline.end)):
        return Due(one.t_connect)
    if one.t_disconnect is not None:
        return _after_goodbye(timeline, one, newer, wait)
    if one.t_closed is None and newer is None:
        return Due(INF, never="its connection was still open")
    if one.by == "us" and one.how != "cut":
        return Due(one.t_connected)
    if one.t_lapse is not None and one.by == "peer":
        earliest = max(one.t_lapse, min(earliest, latest))
    if not one.will_on_takeover and newer is not None and newer.t_connect <= latest:
        return Due(earliest)  # the client is alive, so that its will may be dropped
    if one.noticed is not None and latest + timeline.limits["late_seconds"] > timeline.end:
        return Due(earliest)  # the broker may not have noticed yet
    return _after_loss(timeline, one, newer, (earliest, latest), wait)


def _after_goodbye(timeline, one, newer, wait):
    if one.how != "disconnect" or (newer is not None and one.t_closed is not None
                                   and newer.t_connect < one.t_closed):
        return Due(one.t_connected)
    if not one.with_will:
        return Due(INF, never="its client had said DISCONNECT")
    return _after_loss(timeline, one, newer, (one.t_disconnect, one.t_closed), wait)


def _after_loss(timeline, one, newer, closed, wait):
    """The network connection ended within `closed`, without a goodbye (or with one that asks for the will)."""
    late = timeline.limits["late_seconds"]
    due = Due(closed[0] + wait, closed[1] + wait, must=True)
    ended = newer is not None and (newer.clean or one.expiry == 0)
    if timeline.killed_between(closed[0], min(due.latest + late, timeline.end)):
        return Due(closed[0] if ended else due.earliest)
    if one.will["delay"] == 0:
        due.must = newer is None or newer.t_connected is not None or newer.t_connect > due.latest + late
        return due
    if newer is None:
        return due if due.latest + late < timeline.end else Due(due.earliest, due.latest)
    if newer.t_connect > due.latest + late:
        return due
    in_time = newer.t_connected is not None and newer.t_connected < due.earliest - timeline.limits["early_seconds"]
    if in_time and not ended:
        return Due(INF, never="its session went on before the will delay was over")
    # With a clean start the session ends, and with it the delay; the text asks for both (3.1.3.2.2, 3.1.2.5).
    return Due(closed[0] if ended else due.earliest)
