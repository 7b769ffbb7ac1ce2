"""The judge: a pure function from a history and a broker's declared limits to findings.

It knows the specifications and nothing else. Where they leave freedom it takes whatever the broker does; where the
evidence is unsure (no answer came) it takes both. `CHECKS` has a name, a section and a function for each check;
README.md says what each means.
"""

import collections
import dataclasses

import check_delivery
import check_retained
import check_sessions
import timeline as timelines
import wills


@dataclasses.dataclass
class Finding:
    """One fault. `kind`: the check's name. `ops`, `conns`: whose events show it."""

    kind: str
    section: str
    text: str
    ops: list
    conns: list

    def __str__(self):
        return f"{self.kind}: {self.text} [{self.section}]"


CHECKS = [
    ("missing", "MQTT 4.3, 4.4, 3.1.2.4", check_delivery.missing),
    ("duplicate", "MQTT 4.3.1, 4.3.3, 3.3.5", check_delivery.duplicates),
    ("order", "MQTT 4.6", check_delivery.order),
    ("leak", "MQTT 3.1.2.4, 3.8.4, 3.10.4", check_delivery.leaks),
    ("future", "causality", check_delivery.future),
    ("payload", "MQTT 3.3.3", check_delivery.payloads),
    ("qos", "MQTT 3.8.4", check_delivery.granted_qos),
    ("identifier", "MQTT 5.0, 3.3.4", check_delivery.identifiers),
    ("forbidden", "the target's rules", check_delivery.forbidden),
    ("shared", "MQTT 5.0, 4.8.2", check_delivery.shared),
    ("retained", "MQTT 3.3.1.3, 3.8.4", check_retained.retained),
    ("flag", "MQTT 3.3.1.3, 3.8.3.1", check_retained.flags),
    ("present", "MQTT 3.2.2.2, 3.1.2.4, 3.1.2.11.2", check_sessions.present),
    ("takeover", "MQTT 3.1.4", check_sessions.takeover),
    ("keep_alive", "MQTT 3.1.2.10", check_sessions.keep_alive),
    ("will", "MQTT 3.1.2.5, 3.1.3.2", check_sessions.wills),
    ("protocol", "MQTT 2, 3", check_sessions.protocol),
]


def build(events, limits, assume_drained=False):
    timeline = timelines.Timeline(events, limits, assume_drained)
    wills.add_wills(timeline)
    return timeline


def judge(events, limits):
    """All findings of a history. Each check reports at most some of a kind: the first are enough."""
    timeline = build(events, limits)
    findings = []
    for kind, section, check in CHECKS:
        if kind in limits["exempt"]:
            continue
        for text, ops, conns in check(timeline):
            findings.append(Finding(kind, section, text, list(ops), list(conns)))
    return findings


def owed(events, limits):
    """How much has not come yet that must, if what is connected now stays so: 0 when a drain may end. What a lost
    session had will never come, and is not waited for."""
    timeline = build(events, limits, assume_drained=True)
    for life in timeline.lives:
        life.t_lost = None
    return sum(1 for check in (check_delivery.missing, check_delivery.shared, check_retained.retained)
               for finding in check(timeline) if finding[0].startswith("not delivered"))


def counts(events):
    """Figures for the summary."""
    found = collections.Counter(event["e"] for event in events)
    found["operations"] = sum(found[kind] for kind in ("connect", "publish", "subscribe", "unsubscribe"))
    return found
