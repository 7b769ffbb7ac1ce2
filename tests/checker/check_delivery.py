"""Checks of what was delivered: see judge.py. Each yields (text, ops, connections)."""

import collections

from timeline import INF, matches, split_shared

NAMING_PROTOCOLS = ("stomp",)  # a connection gets only what it has itself subscribed to, whatever its session has


def _title(publication):
    if publication.will:
        return f"the will {publication.op} ({publication.topic}, QoS {publication.qos})"
    return f"{publication.op} ({publication.topic}, QoS {publication.qos})"


def _owed_versions(timeline, life, publication):
    """Of each filter by which the message is surely owed to this life: the versions that may have applied."""
    start, end = publication.t_sent, publication.t_end
    for text, group, operations in timeline.matching(life, publication.topic):
        if group is not None:
            continue
        versions = timeline.surely(operations, start, end)
        if versions and not (publication.client == life.client and any(one.nl for one in versions)):
            yield text, versions


def _backlogs(timeline, life):
    """Whether more may have waited for this life than the broker has to keep."""
    most = timeline.limits["max_queued"]
    waiting = sum(1 for one in timeline.publications.values() if one.qos and
                  any(True for _ in timeline.matching(life, one.topic)))
    if waiting <= most:
        return False
    marks = []
    for one in timeline.publications.values():
        if one.qos and any(True for _ in timeline.matching(life, one.topic)):
            marks.append((one.t_sent, 1))
    marks += [(event["t"], -1) for event in life.received if event["qos"] != 0]
    height = 0
    for _, step in sorted(marks):
        height = max(0, height + step)
        if height > most:
            return True
    return False


def missing(timeline):
    """Acknowledged => delivered to every session that was entitled all the time."""
    for life in timeline.lives:
        until = life.settled_by()
        if until is None:
            continue
        got = {event["op"] for event in life.received} | life.partial
        empties = {event["topic"] for event in life.received if event["op"] is None}
        overflow = None
        for one in timeline.publications.values():
            if not one.sure or one.refused or not one.qos or one.op in got or one.t_end < life.t_begin:
                continue
            if until < INF and (one.will or one.t_end > until):
                continue
            if one.empty and one.topic in empties:
                continue
            owed = [(text, versions) for text, versions in _owed_versions(timeline, life, one)
                    if min(version.qos for version in versions) > 0]
            if not owed or timeline.forbidden("publish", one.topic) or timeline.forbidden("receive", one.topic):
                continue
            overflow = _backlogs(timeline, life) if overflow is None else overflow
            if overflow:
                break
            when = f"due by {one.due_by:.3f} s" if one.will else f"acknowledged at {one.t_completed:.3f} s"
            yield (f"not delivered: {_title(one)}, {when}, never reached session {life.name}, subscribed to "
                   f"{owed[0][0]} since {owed[0][1][0].t_answered:.3f} s"
                   + ("" if until == INF else ", which the broker has lost"), [one.op],
                   [each.name for each in life.conns])


def _copies_allowed(timeline, life, publication, qos):
    """How many copies of a message may have reached this life with this QoS: one for each subscription that
    matches (3.3.5), and one for each time that it was sent as a retained message."""
    live = retained = 0
    for _, group, operations in timeline.matching(life, publication.topic):
        # A member of a group may be chosen later, in the place of one whose session has ended (4.8.2).
        end = publication.t_end if group is None else INF
        versions = timeline.possible(operations, publication.t_sent, end)
        if any(min(one.qos, publication.qos) >= qos for one in versions) or (versions and qos == 0):
            live += 1
        if publication.retain and group is None:
            retained += sum(1 for one in operations if one.kind == "sub" and not one.refused and one.rh != 2
                            and (one.t_superseded >= publication.t_sent))
    return live, retained


def duplicates(timeline):
    """QoS 2 exactly once, QoS 0 at most once (for each subscription that matches)."""
    for life in timeline.lives:
        copies = collections.Counter((event["op"], event["qos"]) for event in life.received
                                     if event["op"] is not None and event["qos"] in (0, 2))
        for (op, qos), count in copies.items():
            one = timeline.publications.get(op)
            if count < 2 or one is None or (life.broken and qos == 2):
                continue
            live, retained = _copies_allowed(timeline, life, one, qos)
            allowed = live + retained
            if qos == 0 and (one.qos == 1 or timeline.killed_between(one.t_sent, min(one.t_acknowledged,
                                                                                     one.t_end))):
                allowed *= len(one.sends)  # of what it had not acknowledged a killed broker need not know
            if qos == 0 and one.will:  # nor what it had published for those that are gone
                allowed += sum(1 for kill in timeline.kills if kill >= one.t_sent)
            elif allowed:
                allowed *= 1 + one.asked_again
            if allowed and count > allowed:
                names = [event["conn"] for event in life.received if event["op"] == op]
                yield (f"{_title(one)} came {count} times with QoS {qos} to session {life.name}, where "
                       f"{allowed} subscription{'s' if allowed > 1 else ''} may match", [op], names)


def _follows(one, other):
    """Whether `other` was surely given to the broker after `one` by the same client."""
    if one.conn == other.conn or one.t_end <= other.t_sent:
        return True
    return any(conn == other.conn and when < other.t_sent for when, conn in one.sends)


def _first_counts(timeline, life, one, event):
    """Whether what came first of a message must be its first sending. Of one that its publisher has sent again that
    may have been before the subscription, or not kept with QoS 0."""
    if len(one.sends) == 1:
        return True
    return event["qos"] != 0 and any(True for _ in _owed_versions(timeline, life, one))


def _was_replaced(timeline, life, event):
    """Whether the session had gone to a newer connection: what its reader, who did not know, then read had come before."""
    begun = timeline.conns[event["conn"]].t_connect
    return any(each.t_connect > begun and each.t_connected <= event["t"] for each in life.conns)


def order(timeline):
    """First deliveries in the order of publication, for each session, publisher, topic and QoS."""
    for life in timeline.lives:
        shared = [split_shared(text)[1] for text in life.filters if split_shared(text)[0] is not None]
        seen, highest = set(), {}
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None or one.will or one.op in seen or (one.retain and event["retain"] is not False):
                continue
            if any(matches(pattern, one.topic) for pattern in shared):
                continue
            seen.add(one.op)
            if event.get("returned") or _was_replaced(timeline, life, event):
                continue
            key = (one.actor, one.topic, one.qos, event["qos"])
            before = highest.get(key)
            if before is not None and before[0].seq > one.seq:
                if _follows(one, before[0]) and _first_counts(timeline, life, one, event):
                    yield (f"{_title(one)} came to session {life.name} at {event['t']:.3f} s, after "
                           f"{before[0].op}, which was published later", [one.op, before[0].op],
                           [event["conn"], before[1]["conn"]])
                continue
            highest[key] = (one, event)


def leaks(timeline):
    """Nothing to a session that had no subscription for it when it was published."""
    for life in timeline.lives:
        if life.unknown():
            continue
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if event["bad"] or (event["op"] is not None and one is None):
                continue
            if one is None:
                if not any(timeline.possible(operations, 0, event["t"])
                           for _, _, operations in timeline.matching(life, event["topic"])):
                    yield (f"an empty message for {event['topic']} came to session {life.name}, which had no "
                           "subscription for it", [], [event["conn"]])
                continue
            if not _entitled(timeline, life, one, event):
                yield (f"{_title(one)} came to session {life.name} at {event['t']:.3f} s, which had no "
                       "subscription for it" + (" when it was published" if life.filters else ""), [one.op],
                       [event["conn"]])


def _entitled(timeline, life, one, event):
    for _, group, operations in timeline.matching(life, one.topic):
        versions = timeline.possible(operations, one.t_sent, min(one.t_end, event["t"]))
        if any(not (version.nl and one.client == life.client) for version in versions):
            return True
        if group is not None and timeline.possible(operations, one.t_sent, event["t"]):
            return True  # chosen in the place of a member whose session has ended (4.8.2)
        if one.retain and group is None and any(version.kind == "sub" and version.t_sent <= event["t"]
                                                for version in operations):
            return True
    return False


def future(timeline):
    """Nothing that had not been published yet; wills not before they are due."""
    for life in timeline.lives:
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is not None and not one.will and event["t"] < one.t_sent:
                yield (f"{_title(one)} came to session {life.name} before it was published", [one.op],
                       [event["conn"]])


def payloads(timeline):
    """Payloads arrive whole, on their topic, and only those that somebody published."""
    for life in timeline.lives:
        for event in life.received:
            one = timeline.publications.get(event["op"])
            trouble = event["bad"]
            if not trouble and event["op"] is not None and one is None:
                trouble = f"payload {event['op']}, which nobody published whole"
            if not trouble and one is not None and one.topic != event["topic"]:
                trouble = f"payload {one.op} under the topic {event['topic']} instead of {one.topic}"
            if trouble:
                yield f"session {life.name} got {trouble}", [event["op"]] if event["op"] else [], [event["conn"]]


def granted_qos(timeline):
    """A message's QoS is the lower one of its own and what was granted."""
    for life in timeline.lives:
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None or event["qos"] is None:
                continue
            possible, is_open = set(), False
            for _, _, operations in timeline.matching(life, one.topic):
                is_open = is_open or any(version.any_qos for version in operations)
                possible |= {min(one.qos, version.qos) for version in operations
                             if version.kind == "sub" and not version.refused}
            if possible and not is_open and event["qos"] not in possible:
                yield (f"{_title(one)} came to session {life.name} with QoS {event['qos']}, where "
                       f"{' or '.join(map(str, sorted(possible)))} was granted", [one.op], [event["conn"]])


def identifiers(timeline):
    """The subscription identifiers of a message are those of subscriptions that match it."""
    for life in timeline.lives:
        if any(one.version != "5" for one in life.conns):
            continue
        copies = collections.Counter(event["op"] for event in life.received)
        for event in life.received:
            one = timeline.publications.get(event["op"])
            if one is None:
                continue
            possible, sure, quiet = set(), set(), False
            for _, group, operations in timeline.matching(life, one.topic):
                possible |= {version.id for version in operations if version.kind == "sub"}
                if group is not None:
                    continue  # another member may have got the group's copy
                versions = timeline.surely(operations, one.t_sent, one.t_end)
                quiet = quiet or any(min(version.qos, one.qos) == 0 for version in operations)
                if len(versions) == 1 and versions[0].id and not (versions[0].nl and one.client == life.client):
                    sure.add(versions[0].id)
            names = [event["conn"]]
            extra = set(event["ids"] or ()) - possible
            if extra:
                yield (f"{_title(one)} came to session {life.name} with the subscription identifier "
                       f"{sorted(extra)}, of no subscription that matches", [one.op], names)
            lacking = sure - set(event["ids"] or ())
            # As a live message, in a single copy, it carries those of all subscriptions that match (3.3.4).
            if (lacking and copies[one.op] == 1 and not one.retain and not quiet and one.sure and
                    event["t"] > one.t_sent):
                yield (f"{_title(one)} came to session {life.name} without the subscription identifier "
                       f"{sorted(lacking)}", [one.op], names)


def forbidden(timeline):
    """Nothing that the target's rules forbid, to anybody."""
    for life in timeline.lives:
        for event in life.received:
            texts = [text for direction, text in (("publish", "nobody may publish"), ("receive", "nobody may receive"))
                     if any(matches(pattern, event["topic"]) for pattern in timeline.limits["forbidden"][direction])]
            one = timeline.publications.get(event["op"])
            since = timeline.forbidden_since(event["topic"], one.t_sent, event["t"]) if one else None
            if since is not None:
                texts.append(f"nobody may receive since {since:.3f} s")
            for text in texts:
                yield (f"session {life.name} got {event['op']} on {event['topic']}, which {text}",
                       [event["op"]] if event["op"] else [], [event["conn"]])


def shared(timeline):
    """A message for a shared group reaches one member at least, and at QoS 2 one at most."""
    groups = collections.defaultdict(list)
    for life in timeline.lives:
        for text in life.filters:
            if split_shared(text)[0] is not None:
                groups[text].append(life)
    if not groups:
        return
    got = collections.defaultdict(list)
    for life in timeline.lives:
        for event in life.received:
            got[event["op"]].append((life, event))
    for one in timeline.publications.values():
        if one.refused or one.empty:
            continue
        found = [text for text in groups if matches(split_shared(text)[1], one.topic)]
        if found:
            yield from _shared_lost(timeline, one, {text: groups[text] for text in found}, got)
            yield from _shared_twice(timeline, one, found, got)


def _reads_all(life, text):
    """Whether whatever this member of the group is given comes to its client. One that has to name its subscriptions
    on each connection does not name one that nobody has confirmed, which the session may have all the same."""
    return not any(one.kind == "unsub" or not one.qos or (
        one.t_answered is None and any(conn.protocol in NAMING_PROTOCOLS for conn in life.conns))
        for one in life.filters[text])


def _shared_lost(timeline, one, groups, got):
    if not one.sure or not one.qos or timeline.forbidden("publish", one.topic) or \
            timeline.forbidden("receive", one.topic):
        return
    for text, lives in groups.items():
        members = [life for life in lives if life.t_end >= one.t_sent and
                   timeline.possible(life.filters[text], one.t_sent, one.t_end)]
        owing = [life for life in members if timeline.surely(life.filters[text], one.t_sent, one.t_end)]
        whole = all(life.drained() and _reads_all(life, text) for life in members)
        # It may have gone to who joined later, in the place of a member that was cut off (4.8.2).
        if owing and whole and not any(life in lives for life, _ in got[one.op]) and \
                not any(_backlogs(timeline, life) for life in members):
            yield (f"not delivered: {_title(one)}, acknowledged, reached none of the members of {text} "
                   f"({', '.join(life.name for life in members)})", [one.op],
                   [each.name for life in members for each in life.conns])


def _shared_twice(timeline, one, groups, got):
    # What it had given to a session that died with it, and had not acknowledged, a killed broker need not know.
    copies = [(life, event) for life, event in got[one.op] if event["qos"] == 2 and not (
        life.conns[-1].expiry == 0 and timeline.killed_between(event["t"], min(one.t_acknowledged, one.t_end)))]
    if len(copies) < 2 or any(life.broken for life, _ in copies):
        return
    allowed = len(groups)
    for life in {id(life): life for life, _ in copies}.values():
        for text, group, operations in timeline.matching(life, one.topic):
            if group is None:
                allowed += bool(timeline.possible(operations, one.t_sent, one.t_end))
                if one.retain:
                    allowed += sum(1 for version in operations if version.kind == "sub")
    if len(copies) > allowed:
        yield (f"{_title(one)} came {len(copies)} times with QoS 2 to members of {', '.join(groups)}: "
               f"{', '.join(life.name for life, _ in copies)}", [one.op],
               [event["conn"] for _, event in copies])


__all__ = ["INF", "missing", "duplicates", "order", "leaks", "future", "payloads", "granted_qos", "identifiers",
           "forbidden", "shared"]
