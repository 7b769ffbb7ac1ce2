"""What a broker declares about itself: the file given by `--limits`, and the defaults where it is silent.

The judge holds a broker to its specification; the file says which parts of it the broker does not claim to have,
and which rules (forbidden topics) it was configured with. Nothing in it excuses a fault of what is claimed.
"""

import json

ALL_QOS = (0, 1, 2)

# One protocol's part. A file needs to name only what differs.
PROTOCOL_DEFAULTS = {
    "versions": [],  # e.g. ["3.1.1", "5"] for mqtt, ["1.0", "1.1", "1.2"] for stomp; [] is the actor's choice
    "qos": [0, 1, 2],  # which QoS may be published and granted
    "retain": True,
    "wildcards": True,
    "overlapping": True,  # one session may hold several filters that match one topic
    "shared": True,  # $share/<group>/<filter>
    "subscription_ids": True,
    "wills": True,
    "will_delay": True,
    "persistent": True,  # sessions that outlive their connection
    "session_expiry": True,  # sessions that end some seconds after their connection
    "payload_bytes_max": 65536,
    "window": 20,  # exchanges that a publisher keeps open
    # STOMP: how a topic is written as a destination, and what a broker has of its own.
    "destination": "{}",
    "separator": "/",
    "one_level": "+",
    "rest": "#",
    "session_header": None,  # the header of CONNECT that names a client, whose session may go on
    "durable": {},  # headers of SUBSCRIBE and UNSUBSCRIBE for subscriptions that outlive connections
    "persistent_message": {},  # headers of a SEND that has to outlive a restart
    "qos_header": False,  # whether SEND may say `qos`
}

DEFAULTS = {
    "name": "a broker",
    "protocols": {},
    # Groups of protocols in which one client id is one session: [["mqtt", "mqttsn"]].
    "shared_sessions": [],
    # Messages that wait for one session before the broker may drop some.
    "max_queued": 1000,
    # What is still there after kill -9, if it was acknowledged before: sessions with their subscriptions and
    # queues, retained messages. What a broker declares here it is held to.
    "survives_kill": True,
    # Topic filters (with wildcards) of what nobody may publish to, and of what nobody may receive. The plan names
    # such topics only where the filters are here; `check/+/...` because every topic begins `check/<round>/`.
    # `switched`: what nobody may receive between --forbid-command and --allow-command.
    "forbidden": {"publish": [], "receive": [], "switched": []},
    # How much earlier than due (a clock of whole seconds) and how much later a timed event may happen: what is
    # within may be so or so, what is three times later than that is a finding.
    "early_seconds": 0.1,
    "late_seconds": 2.0,
    # How long an older connection may stay after a newer one with its client id was accepted.
    "takeover_seconds": 5.0,
    # Names of checks (see judge.py) that are not made, each with a reason: {"order": "documented as ..."}.
    "exempt": {},
}


class Limits:
    """A limits file, read. `limits["max_queued"]`, `limits.protocol("mqtt")["qos"]`."""

    def __init__(self, values=None):
        self.values = dict(DEFAULTS)
        for name, value in (values or {}).items():
            if name not in DEFAULTS:
                raise ValueError(f"unknown limit {name!r}; known: {', '.join(DEFAULTS)}")
            self.values[name] = value
        self.values["forbidden"] = DEFAULTS["forbidden"] | self.values["forbidden"]
        for name, part in self.values["protocols"].items():
            for key in part:
                if key not in PROTOCOL_DEFAULTS:
                    raise ValueError(f"unknown limit {key!r} of protocol {name!r}; known: "
                                     f"{', '.join(PROTOCOL_DEFAULTS)}")

    def __getitem__(self, name):
        return self.values[name]

    def protocol(self, name):
        """The part about one protocol, with defaults filled in."""
        return {**PROTOCOL_DEFAULTS, **self.values["protocols"].get(name, {})}

    def share_sessions(self, one, other):
        """Whether the same client id is the same session in these two protocols."""
        return one == other or any(one in group and other in group
                                   for group in self.values["shared_sessions"])


def load(path):
    """Reads a limits file; without a path everything is as the specification has it."""
    if path is None:
        return Limits()
    with open(path, encoding="utf-8") as file:
        return Limits(json.load(file))
