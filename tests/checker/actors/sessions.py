"""What the history says of a session: for clients whose protocol wants subscriptions named again on each connection."""


def filters(events, client):
    """filter -> QoS of what this client id is, or may be, subscribed to: what was granted, and what it asked for, or
    wanted to end, and had no answer. A gateway holds back what is for a filter that is not named again."""
    found, asked, ended, conns = {}, {}, {}, set()
    for event in events:
        kind = event["e"]
        if kind == "connect" and event["client"] == client:
            conns.add(event["conn"])
        elif event.get("conn") not in conns:
            continue
        if (kind == "connect" and event["clean"]) or (kind == "connected" and event["present"] is False):
            found, asked, ended = {}, {}, {}
        elif kind == "subscribe":
            asked[event["op"]] = list(event["filters"])
        elif kind == "subscribed":
            for one, code in zip(asked.pop(event["op"], ()), event["codes"]):
                if code is None:
                    found.pop(one["filter"], None)
                else:
                    found[one["filter"]] = code
                # The newest answer counts, whatever became of what was asked before.
                for older in asked.values():
                    older[:] = [each for each in older if each["filter"] != one["filter"]]
        elif kind == "unsubscribe":
            ended[event["op"]] = event["filters"]
        elif kind == "unsubscribed":
            for text in ended.pop(event["op"], ()):
                found.pop(text, None)
    for each in asked.values():
        for one in each:
            found.setdefault(one["filter"], one["qos"])
    return found
