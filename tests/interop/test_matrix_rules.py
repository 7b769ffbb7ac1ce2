"""Every protocol to every protocol: wills, shared groups, denied rights, events. docs/matrix.md has
what came of it; see matrix_table.py."""

import json

import harness
import matrix_table
from harness import wait_until
from matrix_clients import USER, Will
from matrix_table import Table
from matrix_world import MQTT5, MQTT31, MQTT311, PROTOCOLS, SOCKJS, STOMP, WAYS, MatrixTest

EVENTS = ("connected", "disconnected")
IN_EVENTS = {MQTT31: 3, MQTT311: 4, MQTT5: 5, SOCKJS: STOMP}  # the others by their names


class Rules(MatrixTest):

    def test_wills(self):
        table = Table("wills", {"will": "QoS 1"})
        self.subscribe("will/+")
        with_will = [way for way in WAYS.values() if way.protocol not in (STOMP, SOCKJS)]
        lost = self.world.actors("lost", with_will,
                                 will=lambda way: Will(f"will/{way.slug}", b"lost"))
        self.world.each(lost, lambda _, one: one.drop())
        came = self.wait("will/", len(with_will))
        for publisher, way in WAYS.items():
            for subscriber in WAYS:
                found = came[subscriber].get(f"will/{publisher}", [])
                table.record(publisher, subscriber, "will",
                             self.once(found, lambda seen: f"QoS {seen.qos}")
                             if way in with_will else "none")
        matrix_table.check("wills", table.text())

    def test_groups(self):
        """A group with all of them as members, and a publisher after the other: the members take
        turns, so two messages for each reach all, on whichever worker they come in."""
        table = Table("groups", {"shared": "some, once"})
        self.subscribe("$share/all/shared/+", qos=1)
        count = 2 * len(WAYS)
        for publisher, actor in self.actors.items():
            actor.publish_numbers(f"shared/{publisher}", count)

            def shares(topic=f"shared/{publisher}"):
                return {slug: [seen.payload for seen in one.inbox.matching(
                    lambda seen: seen.topic == topic)] for slug, one in self.actors.items()}
            wait_until(lambda: sum(map(len, shares().values())) >= count, publisher, 40)
            found = shares()
            every = sorted(int(body) for part in found.values() for body in part)
            for subscriber in WAYS:
                table.record(publisher, subscriber, "shared", "some, once" if
                             every == list(range(count)) and found[subscriber] else f"{found}")
        matrix_table.check("groups", table.text())

    def test_rights(self):
        """What is told to a client without the right, and that nothing gets through."""
        self.subscribe("secret/#")
        told = {way.slug: self.refusals(way) for way in WAYS.values()}
        deaf = self.world.actors("eve-deaf")
        refused = self.world.each(deaf, lambda _, one: one.subscribe("secret/#"))
        self.world.each(self.actors, lambda slug, one: one.publish(f"secret/end/{slug}", b"end"))
        came = self.wait("secret/end/", len(WAYS))
        self.subscribe("free/+", {slug: one for slug, one in deaf.items()
                                  if refused[slug] != "ERROR, closed"})
        self.actors["npm-311"].publish("free/end", b"end")
        table = Table("rights", {"may not publish": "nothing", "may not subscribe": "nothing"})
        for subscriber, actor in self.actors.items():
            if refused[subscriber] != "ERROR, closed":
                self.assertTrue(deaf[subscriber].inbox.wait(lambda seen: seen.topic == "free/end"))
            for publisher in WAYS:
                self.assertIn(f"secret/end/{publisher}", came[subscriber])
                for column, inbox, topic in (
                        ("may not publish", actor.inbox, f"secret/eve-{publisher}"),
                        ("may not subscribe", deaf[subscriber].inbox, f"secret/end/{publisher}")):
                    found = inbox.matching(lambda seen, topic=topic: seen.topic == topic)
                    table.record(publisher, subscriber, column, "a message" if found else "nothing")
        matrix_table.check("told", self.told(told, refused))
        matrix_table.check("rights", table.text())

    def refusals(self, way):
        """The answers to messages at each QoS; each by another client, since STOMP ends it."""
        found = []
        for qos in range(3):
            eve = self.world.actor(way, f"eve-{way.slug}-{qos}")
            found.append(eve.publish(f"secret/eve-{way.slug}", b"secret", qos))
            if found[-1] != "ERROR, closed":
                eve.close()
        return found

    @staticmethod
    def told(published, subscribed):
        lines = ["| | QoS 0 | QoS 1 | QoS 2 | filter |", "| --- | --- | --- | --- | --- |"]
        for protocol in PROTOCOLS:
            rows = {tuple([*published[slug], subscribed[slug]]) for slug, way in WAYS.items()
                    if way.protocol == protocol}
            columns = [sorted({row[column] for row in rows if row[column] is not None})
                       for column in range(4)]
            assert all(len(one) == 1 for one in columns), (protocol, rows)
            lines.append(f"| {protocol} | " + " | ".join(one[0] for one in columns) + " |")
        return "\n".join(lines)

    def test_events(self):
        table = Table("events", {name: "right" for name in EVENTS})
        watchers = self.world.actors("watcher")
        for name in EVENTS:
            self.subscribe(f"$SYS/brokers/+/clients/+/{name}", watchers)
        guests = self.world.actors("guest", session=True)
        self.subscribe("guests/nothing", guests, qos=1)
        self.world.each(guests, lambda _, one: one.close())

        def come(_, one):
            found = one.inbox.wait(lambda seen: "/clients/guest-" in seen.topic,
                                   len(EVENTS) * len(WAYS))
            return {tuple(seen.topic.split("/")[-2:]): seen.payload for seen in found}
        came = self.world.each(watchers, come)
        for publisher, way in WAYS.items():
            wanted = {"clientid": f"guest-{publisher}", "username": USER}
            for subscriber in WAYS:
                for name in EVENTS:
                    found = came[subscriber].get((f"guest-{publisher}", name))
                    fields = json.loads(found) if found else {}
                    if name == "connected":
                        wanted["protocol"] = IN_EVENTS.get(way.protocol, way.protocol)
                    else:
                        wanted.pop("protocol")
                    is_right = wanted == {key: fields.get(key) for key in wanted}
                    table.record(publisher, subscriber, name, "right" if is_right else f"{fields}")
        self.world.each(watchers, lambda _, one: one.drop())
        matrix_table.check("events", table.text())


if __name__ == "__main__":
    harness.main(jobs=2)
