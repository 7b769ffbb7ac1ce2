"""Short histories for the judge's tests, written down event by event.

A `Story` has methods for whole exchanges; each takes the time of its beginning, and its answer comes 0.1 s later.
"""

ANSWER = 0.1


class Story:
    """Events in the order of their times."""

    def __init__(self):
        self.events = []
        self.client_of = {}

    def add(self, t, kind, conn=None, **fields):
        actor = self.client_of.get(conn, conn)
        event = {"t": t, "e": kind, "actor": actor, **fields}
        if conn is not None:
            event["conn"] = conn
        self.events.append(event)
        return self

    def connect(self, t, conn, client, *, version="5", clean=True, expiry=None, present=False, answered=True,
                keep_alive=60, will=None, protocol="mqtt", takes=ANSWER):
        self.client_of[conn] = client
        if will is not None:
            will = {"op": "w." + conn, "topic": "w", "qos": 1, "retain": False, "delay": 0, "empty": False, **will}
        self.add(t, "connect", conn, client=client, protocol=protocol, version=version, clean=clean, expiry=expiry,
                 keep_alive=keep_alive, will=will)
        if answered:
            self.add(t + takes, "connected", conn, present=present)
        return self

    def subscribe(self, t, conn, text, qos=2, *, answered=True, code=-1, **options):
        one = {"filter": text, "qos": qos, "nl": False, "rap": False, "rh": 0, "id": None, **options}
        op = f"s.{conn}.{len(self.events)}"
        self.add(t, "subscribe", conn, op=op, filters=[one])
        if answered:
            self.add(t + ANSWER, "subscribed", conn, op=op, codes=[qos if code == -1 else code])
        return self

    def unsubscribe(self, t, conn, text, *, answered=True):
        op = f"u.{conn}.{len(self.events)}"
        self.add(t, "unsubscribe", conn, op=op, filters=[text])
        if answered:
            self.add(t + ANSWER, "unsubscribed", conn, op=op)
        return self

    def publish(self, t, conn, op, topic="t", qos=1, *, retain=False, empty=False, answered=True, takes=ANSWER):
        self.add(t, "publish", conn, op=op, topic=topic, qos=qos, retain=retain, empty=empty)
        if answered and qos:
            self.add(t + takes, "completed", conn, op=op)
        return self

    def message(self, t, conn, op, topic="t", qos=1, *, retain=False, ids=(), bad=None, **more):
        return self.add(t, "message", conn, op=op, topic=topic, qos=qos, retain=retain, dup=False, ids=list(ids),
                        bad=bad, **more)

    def cut(self, t, conn):
        return self.add(t, "closed", conn, by="us", how="cut")

    def closed(self, t, conn, how="lost"):
        return self.add(t, "closed", conn, by="peer", how=how)

    def goodbye(self, t, conn, **fields):
        self.add(t, "disconnect", conn, **fields)
        return self.add(t + ANSWER, "closed", conn, by="us", how="disconnect")

    def kill(self, t, down=0.5):
        self.add(t, "kill")
        return self.add(t + down, "up")

    def drained(self, t, *conns):
        for conn in conns:
            self.add(t, "drained", conn)
        return self

    def history(self):
        return sorted(self.events, key=lambda event: event["t"])
