"""Every protocol publishes to every protocol, by clients of others: quality of service, retained
messages, payloads, topics. docs/matrix.md has what came of it; see matrix_table.py."""

import harness
import matrix_table
from matrix_table import Table
from matrix_world import PROTOCOLS, SN, SOCKJS, WAYS, MatrixTest

BODIES = {
    "all 256 octets": bytes(range(256)),
    "UTF-8": "größe 溫度 🌳 \0 end\n".encode(),
    "empty": b"",
}
LARGE = b"0123456789abcdef" * 62_500  # a million

# Column: the filter and the topic that it matches.
TOPICS = {
    "UTF-8 topic": ("odd/größe/+", "odd/größe/溫度 🌳"),
    "empty levels": ("/odd//+//", "/odd//e//"),
    "spaces": ("odd/two words/+", "odd/two words/ x "),
    "percent signs": ("odd/50%/+", "odd/50%/%41%2F"),
    "`:` and `\\`": ("odd/a:b\\/+", "odd/a:b\\/c:\\"),
}


def one_of_each_protocol():
    """The first client of each protocol, by slug."""
    return {next(slug for slug, way in WAYS.items() if way.protocol == protocol)
            for protocol in PROTOCOLS}


class Matrix(MatrixTest):

    def test_clients(self):
        """Which client speaks what: the first table of the file."""
        by_protocol = {}
        for way in WAYS.values():
            by_protocol.setdefault(way.protocol, []).append(way.client)
        matrix_table.check("clients", "\n".join(
            ["| protocol | clients |", "| --- | --- |"] +
            [f"| {protocol} | {'; '.join(found)} |" for protocol, found in by_protocol.items()]))

    def test_qos(self):
        table = Table("qos", {f"QoS {qos}": str(qos) for qos in range(3)})
        self.subscribe("qos/#")
        self.world.each(self.actors, lambda slug, one: [
            one.publish(f"qos/{qos}/{slug}", b"x", qos) for qos in (0, 1, 2)] +
            [one.publish(f"qos/end/{slug}", b"behind copies, if there are any", 1)])
        came = self.wait("qos/", 4 * len(WAYS))
        for publisher in WAYS:
            for subscriber in WAYS:
                for qos in range(3):
                    found = came[subscriber].get(f"qos/{qos}/{publisher}", [])
                    table.record(publisher, subscriber, f"QoS {qos}",
                                 self.once(found, lambda seen: str(seen.qos)))
        matrix_table.check("qos", table.text())

    def test_retained(self):
        """Who subscribes afterwards gets it; after an empty one, whoever it comes from, nobody."""
        table = Table("retained", {"retained": "marked", "live": "not marked", "cleared": "gone"})
        self.world.each(self.actors, lambda slug, one: one.publish(
            f"kept/{slug}", b"kept", 1, retain=True))
        self.subscribe("kept/+")
        kept = self.wait("kept/", len(WAYS))
        self.world.each(self.actors, lambda slug, one: one.publish(
            f"kept/{slug}", b"", 1, retain=True))
        cleared = self.wait("kept/", 2 * len(WAYS))
        late = self.world.actors("late")
        self.subscribe("kept/#", late)
        self.actors["npm-311"].publish("kept/end", b"end")
        for publisher in WAYS:
            for subscriber in WAYS:
                topic = f"kept/{publisher}"
                table.record(publisher, subscriber, "retained", self.once(
                    [one for one in kept[subscriber].get(topic, []) if one.payload],
                    lambda seen: self.mark(seen, "marked", "not marked")))
                table.record(publisher, subscriber, "live", self.once(
                    [one for one in cleared[subscriber].get(topic, []) if not one.payload],
                    lambda seen: self.mark(seen, "marked", "not marked")))
        for subscriber, actor in late.items():
            self.assertTrue(actor.inbox.wait(lambda seen: seen.topic == "kept/end"), subscriber)
            before = {seen.topic for seen in actor.inbox.matching(lambda _: True)}
            for publisher in WAYS:
                is_there = f"kept/{publisher}" in before
                table.record(publisher, subscriber, "cleared", "still there" if is_there else "gone")
        matrix_table.check("retained", table.text())

    @staticmethod
    def mark(seen, yes, no):
        return "there" if seen.retain is None else yes if seen.retain else no

    @harness.waits(20)
    def test_payloads(self):
        table = Table("payloads", {name: "whole" for name in [*BODIES, "1 MB"]})
        self.subscribe("body/#")
        large = one_of_each_protocol()

        def publish(slug, one):
            for number, (name, body) in enumerate(BODIES.items()):
                if WAYS[slug].protocol == SOCKJS and name == "all 256 octets":
                    # What it sends is no frame: this ends the connection.
                    lost = self.world.actor(WAYS[slug], f"octets-{slug}")
                    self.assertEqual(lost.publish(f"body/{number}/{slug}", body), "ERROR, closed")
                else:
                    one.publish(f"body/{number}/{slug}", body)
            if slug in large and WAYS[slug].protocol != SN:
                one.publish(f"body/{len(BODIES)}/{slug}", LARGE)
            one.publish(f"body/end/{slug}", b"end")  # behind it all, for who gets no large one
        self.world.each(self.actors, publish)
        sent = {**BODIES, "1 MB": LARGE}
        came = self.wait("body/", self.bodies_expected)
        for publisher in WAYS:
            for subscriber in WAYS:
                for number, (name, body) in enumerate(sent.items()):
                    if name != "1 MB" or publisher in large:
                        found = came[subscriber].get(f"body/{number}/{publisher}", [])
                        table.record(publisher, subscriber, name,
                                     self.once(found, lambda seen: self.compare(seen, body)))
        matrix_table.check("payloads", table.text())

    @staticmethod
    def bodies_expected(slug):
        """How many messages of test_payloads reach that subscriber."""
        from_sockjs = sum(way.protocol == SOCKJS for way in WAYS.values())
        large = 0 if slug in ("sn", "npm-coap") else len(PROTOCOLS) - 1
        return (len(BODIES) + 1) * len(WAYS) - from_sockjs + large

    @staticmethod
    def compare(seen, body):
        if seen.payload == body:
            return "whole"
        if seen.payload == body.decode("ascii", "replace").replace("\ufffd", "?").encode():
            return "`?` for some"
        return f"changed: {len(seen.payload)} octets, {seen.payload[:40]!r}"

    def test_topics(self):
        table = Table("topics", {name: "same" for name in TOPICS})
        for topic, _ in TOPICS.values():
            self.subscribe(topic)
        self.world.each(self.actors, lambda slug, one: [
            one.publish(topic, f"odd {slug}".encode()) for _, topic in TOPICS.values()])

        def come(_, one):
            return one.inbox.wait(lambda seen: seen.payload.startswith(b"odd "),
                                  len(TOPICS) * len(WAYS))
        came = self.world.each(self.actors, come)
        for publisher in WAYS:
            for subscriber in WAYS:
                found = [seen.topic for seen in came[subscriber]
                         if seen.payload == f"odd {publisher}".encode()]
                for name, (_, topic) in TOPICS.items():
                    count = found.count(topic)
                    is_trimmed = count == 0 and found.count(topic.strip()) == 1
                    table.record(publisher, subscriber, name, "same" if count == 1 else
                                 "without its last space" if is_trimmed else f"not among {found}")
        matrix_table.check("topics", table.text())


if __name__ == "__main__":
    harness.main(jobs=2)
