"""What the history says of a session: for clients whose protocol wants subscriptions named again on each connection."""


def filters(events, client):
    """filter -> granted QoS of what this client id is subscribed to, as far as it was answered or may be."""
    found, asked, conns = {}, {}, set()
    for event in events:
        kind = event["e"]
        if kind == "connect" and event["client"] == client:
            conns.add(event["conn"])
            if event["clean"]:
                found.clear()
        elif event.get("conn") not in conns:
            continue
        elif kind == "connected" and event["present"] is False:
            found.clear()
        elif kind == "subscribe":
            asked[event["op"]] = event["filters"]
        elif kind == "subscribed":
            for one, code in zip(asked.pop(event["op"]), event["codes"]):
                if code is None:
                    found.pop(one["filter"], None)
                else:
                    found[one["filter"]] = code
        elif kind == "unsubscribe":
            for text in event["filters"]:
                found.pop(text, None)
    return found
