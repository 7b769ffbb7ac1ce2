"""Checks of retained messages and the retain flag: see judge.py. Each yields (text, ops, connections)."""

import collections

from timeline import INF


class Register:
    """What a topic's retained message may be at some time: a linearisable register with unsure writes."""

    def __init__(self, writes):
        self.writes = sorted(writes, key=lambda one: one.t_sent)

    def _certain(self, one):
        """Whether this write surely took effect, and by when."""
        return one.t_completed if one.sure and not one.will and one.qos and not one.refused else None

    def overwritten_before(self, one, when):
        """A write that surely came after `one` and was surely done before `when`; or None."""
        for later in self.writes:
            done = self._certain(later)
            if later is not one and done is not None and done < when and self._after(one, later):
                return later
        return None

    @staticmethod
    def _after(one, later):
        if one is None or later.t_sent > one.t_end:
            return True
        return later.conn == one.conn and later.seq > one.seq and len(one.sends) == 1 and not one.will

    def possible(self, start, end):
        """Writes (and None: nothing was ever written) that may have been the value at some time in [start, end]."""
        found = [one for one in self.writes if one.t_sent <= end and not one.refused
                 and not self.overwritten_before(one, start)]
        if self.overwritten_before(None, start) is None:
            found.append(None)
        return found


def registers(timeline):
    """Topic -> Register."""
    writes = collections.defaultdict(list)
    for one in timeline.publications.values():
        if one.retain and not one.never and not timeline.forbidden("publish", one.topic):
            writes[one.topic].append(one)
    return {topic: Register(found) for topic, found in writes.items()}


def retained(timeline):
    """A subscription gets the retained message that the topic has then, nothing where there is none."""
    found = registers(timeline)
    yield from _wrong_values(timeline, found)
    for life in timeline.lives:
        if life.drained():
            yield from _lacking(timeline, found, life)


def _subscribes(timeline, life, topic, until=INF):
    """The subscribe operations of a life that may bring a retained message of a topic."""
    for _, group, operations in timeline.matching(life, topic):
        if group is None:
            yield from (one for one in operations if one.kind == "sub" and not one.refused and one.rh != 2
                        and one.t_sent <= until)


def _may_be_live(timeline, life, one, flag):
    """Whether the message may have come live with this retain flag."""
    for _, _, operations in timeline.matching(life, one.topic):
        for version in timeline.possible(operations, one.t_sent, one.t_end):
            if flag is None or flag == (version.rap and one.retain):
                return True
    return False


def _wrong_values(timeline, found):
    for life in timeline.lives:
        if life.unknown():
            continue
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None or not one.retain or event["retain"] is False or one.topic not in found:
                continue
            if _may_be_live(timeline, life, one, event["retain"]):
                continue
            register = found[one.topic]
            causes = list(_subscribes(timeline, life, one.topic, event["t"]))
            if not causes:
                yield (f"{one.op} came to session {life.name} as a retained message of {one.topic}, which no "
                       "subscription had asked for", [one.op], [event["conn"]])
            elif all(register.overwritten_before(one, cause.t_sent) for cause in causes):
                later = register.overwritten_before(one, causes[-1].t_sent)
                what = "cleared" if later.empty else "replaced"
                yield (f"{one.op} came to session {life.name} as the retained message of {one.topic}, which "
                       f"{later.op} had {what} at {later.t_completed:.3f} s, before the subscription",
                       [one.op, later.op], [event["conn"]])


def _lacking(timeline, found, life):
    for topic, register in found.items():
        if timeline.forbidden("receive", topic):
            continue
        for _, group, operations in timeline.matching(life, topic):
            if group is not None or any(one.kind == "unsub" for one in operations):
                continue
            subscribes = [one for one in operations if one.kind == "sub"]
            for index, one in enumerate(subscribes):
                if not one.sure() or not one.qos or one.rh == 2 or (one.rh == 1 and index):
                    continue
                values = register.possible(one.t_sent, one.t_answered)
                if any(value is None or value.empty or not value.qos for value in values) or not values:
                    continue
                ops = {value.op for value in values}
                if any(event["topic"] == topic and event["t"] >= one.t_sent
                       and (event["op"] in ops or event["retain"] is not False) for event in life.received):
                    continue
                yield (f"not delivered: the retained message of {topic} ({' or '.join(sorted(ops))}) never came "
                       f"to session {life.name}, which subscribed at {one.t_sent:.3f} s", sorted(ops), [one.conn])


def flags(timeline):
    """A live message has no retain flag, unless the subscription asks for it as published."""
    for life in timeline.lives:
        copies = collections.Counter(event["op"] for event in life.received)
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None or event["retain"] is None:
                continue
            if event["retain"] and not one.retain:
                yield (f"{one.op} came to session {life.name} with the retain flag, and was not published as "
                       "retained", [one.op], [event["conn"]])
            elif not event["retain"] and one.retain and not _may_be_live(timeline, life, one, False):
                yield (f"{one.op}, a retained message of {one.topic}, came to session {life.name} without the "
                       "retain flag, and not live", [one.op], [event["conn"]])
            elif event["retain"] and copies[one.op] == 1 and life.drained() and _live_without_flag(timeline, life, one):
                yield (f"{one.op} came to session {life.name} with the retain flag, where it was owed as a live "
                       "message", [one.op], [event["conn"]])


def _live_without_flag(timeline, life, one):
    """Whether the message must have come live, and without the flag: then a single copy is that one."""
    if not one.sure or not one.qos or one.will or _may_be_live(timeline, life, one, True):
        return False
    for _, group, operations in timeline.matching(life, one.topic):
        versions = [] if group else timeline.surely(operations, one.t_sent, one.t_end)
        if versions and all(version.qos and not (version.nl and one.client == life.client) for version in versions):
            return True
    return False
