"""Shared subscriptions (5.0: 4.8.2) and the prefixes $queue/ and $local/ of EMQ."""

import collections

import harness
import mqtt_wire as wire
from harness import MqttTest, ours_only, peer_deviates, versions
from mqtt_wire import PUBACK, PUBLISH, PUBREC, V31, V311, V5


class SharedTest(MqttTest):

    def drain(self, members, count, acknowledge=True):
        """Reads `count` messages in all from the members; returns a list of (member index,
        packet)."""
        found = []

        def collect():
            for index, member in enumerate(members):
                while True:
                    try:
                        one = member.recv(0.005)
                    except wire.Timeout:
                        break
                    self.assertEqual(one.type, PUBLISH, one)
                    if acknowledge:
                        member.complete(one)
                    found.append((index, one))
            return len(found) >= count
        harness.wait_until(collect, f"{count} messages for the group")
        return found


class Share(SharedTest):

    @versions()
    def test_each_message_goes_to_one_member(self, version):
        """4.8.2: one of the group, whatever the QoS; ordinary subscribers get it too; 3.x clients
        may share."""
        topic = self.topic()
        members = [self.client(version) for _ in range(3)]
        for one in members:
            one.subscribe(f"$share/group/{topic}/+", qos=2)
        plain, sender = self.client(version), self.client(version)
        plain.subscribe(topic + "/#", qos=0)
        for number in range(30):
            sender.publish(f"{topic}/{number}", b"%d" % number, number % 3)
        found = self.drain(members, 30)
        self.assertEqual(sorted(int(one.payload) for _, one in found), list(range(30)))
        self.assertEqual({int(one.payload): one.qos for _, one in found},
                         {n: n % 3 for n in range(30)})
        self.assertTrue(all(count
                            for count in collections.Counter(index for index, _ in found).values()))
        self.assertEqual(len({index for index, _ in found}), 3)
        self.assertEqual([int(plain.message().payload) for _ in range(30)], list(range(30)))
        for one in members:
            self.assert_nothing_more(one, sender, window=0.02)

    def test_groups_are_apart(self):
        """Each group gets its copy; the same name with another filter is another subscription."""
        topic = self.topic()
        one, two, three = self.client(V5), self.client(V5), self.client(V5)
        one.subscribe(f"$share/a/{topic}", qos=1)
        two.subscribe(f"$share/b/{topic}", qos=1)
        three.subscribe(f"$share/a/{topic}/#", qos=1)
        self.client(V5).publish(topic, b"x", 1)
        for client in (one, two, three):
            self.assertEqual(client.message().payload, b"x")

    def test_share_and_plain_of_one_client(self):
        """4.8.2: a client with both gets both, each with its identifier."""
        topic = self.topic()
        client = self.client(V5)
        client.subscribe(f"$share/g/{topic}", qos=1, properties={"subscription_identifier": 1})
        client.subscribe(topic, qos=1, properties={"subscription_identifier": 2})
        client.publish(topic, b"x", 1)
        found = client.messages(2) if harness.PEER == "mangrove" else [client.message()]
        if harness.PEER == "mangrove":
            self.assertEqual(sorted(one.properties.all("subscription_identifier") for one in found),
                             [[1], [2]])

    @peer_deviates("sends retained messages to shared subscriptions")
    def test_no_retained(self):
        """4.8.2: no retained messages for a shared subscription, whatever the retain handling."""
        topic = self.topic()
        client = self.client(V5)
        client.publish(topic, b"kept", 1, retain=True)
        for handling in (0, 1):
            client.subscribe(f"$share/g/{topic}", retain_handling=handling)
        self.assert_nothing_more(client)

    def test_own_qos_of_each_member(self):
        """4.8.2: the QoS is that of the member that was chosen."""
        topic = self.topic()
        members = [self.client(V5) for _ in range(3)]
        for qos, one in enumerate(members):
            one.subscribe(f"$share/g/{topic}", qos=qos)
        sender = self.client(V5)
        for _ in range(30):
            sender.publish(topic, b"x", 2)
        for index, one in self.drain(members, 30):
            self.assertEqual(one.qos, index)

    def test_unsubscribe(self):
        """[MQTT-4.8.2-6] and UNSUBACK codes: the whole text names the subscription."""
        topic = self.topic()
        one, two = self.client(V5), self.client(V5)
        one.subscribe(f"$share/g/{topic}", qos=1)
        two.subscribe(f"$share/g/{topic}", qos=1)
        self.assertEqual(one.unsubscribe(topic, f"$share/h/{topic}", f"$share/g/{topic}").codes,
                         [0x11, 0x11, 0])
        sender = self.client(V5)
        for _ in range(5):
            sender.publish(topic, b"x", 1)
        two.messages(5)
        self.assert_nothing_more(one, sender)

    @peer_deviates("queues for offline members")
    def test_offline_members_are_passed_over(self):
        """A member with a stored session gets nothing while another is connected."""
        topic, name = self.topic(), self.name("off")
        away = self.client(V5, name, properties={"session_expiry": 60})
        away.subscribe(f"$share/g/{topic}", qos=1)
        here = self.client(V5)
        here.subscribe(f"$share/g/{topic}", qos=1)
        away.disconnect()
        sender = self.client(V5)
        for number in range(10):
            sender.publish(topic, b"%d" % number, 1)
        self.assertEqual([int(one.payload) for one in here.messages(10)], list(range(10)))
        away = self.client(V5, name, clean=False)
        self.assertTrue(away.connack.session_present)
        self.assert_nothing_more(away, sender)

    @peer_deviates("drops them")
    def test_all_members_offline(self):
        """A group whose members are all away keeps QoS 1 for one of them."""
        topic, name = self.topic(), self.name("off")
        away = self.client(V5, name, properties={"session_expiry": 60})
        away.subscribe(f"$share/g/{topic}", qos=1)
        away.disconnect()
        sender = self.client(V5)
        for number in range(5):
            sender.publish(topic, b"%d" % number, 1)
        away = self.client(V5, name, clean=False)
        self.assertEqual([int(one.payload) for one in away.messages(5)], list(range(5)))

    @peer_deviates("loses them with the session")
    def test_unacknowledged_goes_to_another_member(self):
        """[MQTT-4.8.2-5] of QoS 1: what a member that went for good did not acknowledge is
        dispatched again."""
        topic = self.topic()
        leaving, staying, sender = self.client(V5), self.client(V5), self.client(V5)
        leaving.subscribe(f"$share/g/{topic}", qos=1)
        for number in range(5):
            sender.publish(topic, b"%d" % number, 1)
        for _ in range(5):
            leaving.expect(PUBLISH)
        staying.subscribe(f"$share/g/{topic}", qos=1)
        leaving.abort()
        self.assertEqual(sorted(int(one.payload) for one in staying.messages(5)), list(range(5)))

    @ours_only("the peer has none of it")
    def test_unacknowledged_of_a_stored_session(self):
        """A member that is away but may come back: its unacknowledged QoS 1 messages are not
        lost."""
        topic, name = self.topic(), self.name("away")
        leaving, sender = self.client(V5, name, properties={"session_expiry": 60}), self.client(V5)
        staying = self.client(V5)
        leaving.subscribe(f"$share/g/{topic}", qos=1)
        for number in range(5):
            sender.publish(topic, b"%d" % number, 1)
        for _ in range(5):
            leaving.expect(PUBLISH)
        staying.subscribe(f"$share/g/{topic}", qos=1)
        leaving.abort()
        back = None
        seen = set()
        for _ in range(5):
            try:
                seen.add(int(staying.message(1).payload))
            except wire.Timeout:
                back = back or self.client(V5, name, clean=False)
                seen.add(int(back.message().payload))
        self.assertEqual(seen, set(range(5)))

    def test_qos_2_delivery_is_completed_to_the_chosen_one(self):
        """[MQTT-4.8.2-4]: a QoS 2 exchange that was begun stays with its member until it comes
        back."""
        topic, name = self.topic(), self.name("chosen")
        chosen = self.client(V5, name, properties={"session_expiry": 60})
        chosen.subscribe(f"$share/g/{topic}", qos=2)
        sender, other = self.client(V5), self.client(V5)
        sender.publish(topic, b"x", 2)
        found = chosen.expect(PUBLISH)
        chosen.send(wire.ack(PUBREC, found.id))
        chosen.expect(wire.PUBREL)
        other.subscribe(f"$share/g/{topic}", qos=2)
        chosen.abort()
        self.assert_nothing_more(other, sender)
        chosen = self.client(V5, name, clean=False)
        self.assertEqual(chosen.expect(wire.PUBREL).id, found.id)
        chosen.send(wire.ack(wire.PUBCOMP, found.id))
        self.assert_nothing_more(chosen, sender)

    @peer_deviates("drops it")
    def test_rejected_message_is_not_given_to_another(self):
        """[MQTT-4.8.2-6]: a negative PUBACK discards the message."""
        topic = self.topic()
        one, two, sender = self.client(V5), self.client(V5), self.client(V5)
        one.subscribe(f"$share/g/{topic}", qos=1)
        sender.publish(topic, b"x", 1)
        found = one.expect(PUBLISH)
        two.subscribe(f"$share/g/{topic}", qos=1)
        one.send(wire.ack(PUBACK, found.id, 0x83))
        self.assert_nothing_more(two, sender)
        self.assert_nothing_more(one, sender)

    def test_wildcards_and_dollar(self):
        """The filter behind the group follows the usual rules."""
        where = harness.broker(**{"mqtt.broker.sys_interval": "0s"}).address
        one, two = self.client(V5, where=where), self.client(V5, where=where)
        one.subscribe("$share/all/#", qos=1)
        two.publish("$x/y", b"hidden", 1)
        two.publish("a/b", b"seen", 1)
        self.assertEqual(one.message().payload, b"seen")
        one.unsubscribe("$share/all/#")

    def test_publish_to_share_is_a_plain_topic(self):
        """A topic name that looks like a shared filter reaches nobody of the group."""
        topic = self.topic()
        one = self.client(V5)
        one.subscribe(f"$share/g/{topic}", qos=1)
        sender = self.client(V5)
        sender.send(wire.publish(f"$share/g/{topic}", b"x", 1, 1, version=V5),
                    wire.packet(wire.PINGREQ, 0))
        sender.recv()
        self.assert_nothing_more(one)


class Strategies(SharedTest):
    """mqtt.shared_subscription.strategy."""

    def run_group(self, strategy, topics=1, publishers=1, count=60):
        where = self.broker(**{"mqtt.shared_subscription.strategy": strategy}).address
        root = self.topic(strategy)
        members = [self.client(V5, where=where) for _ in range(3)]
        for one in members:
            one.subscribe(f"$share/g/{root}/+", qos=1)
        senders = [self.client(V5, where=where) for _ in range(publishers)]
        for number in range(count):
            senders[number % publishers].publish(f"{root}/{number % topics}",
                                                 b"%d" % (number % publishers), 1)
        return self.drain(members, count)

    @ours_only("key")
    def test_round_robin(self):
        found = self.run_group("round_robin")
        self.assertEqual(sorted(collections.Counter(index for index, _ in found).values()),
                         [20, 20, 20])

    @ours_only("key")
    def test_random(self):
        found = self.run_group("random", count=200)
        counts = collections.Counter(index for index, _ in found)
        self.assertEqual(len(counts), 3)
        self.assertGreater(min(counts.values()), 30)

    @ours_only("key")
    def test_sticky(self):
        found = self.run_group("sticky")
        self.assertEqual(len({index for index, _ in found}), 1)

    @ours_only("key")
    def test_hash_topic(self):
        found = self.run_group("hash_topic", topics=20, publishers=2, count=120)
        homes = collections.defaultdict(set)
        for index, one in found:
            homes[one.topic].add(index)
        self.assertTrue(all(len(home) == 1 for home in homes.values()))
        self.assertGreater(len(set().union(*homes.values())), 1)

    @ours_only("key")
    def test_hash_clientid(self):
        found = self.run_group("hash_clientid", topics=5, publishers=20, count=120)
        homes = collections.defaultdict(set)
        for index, one in found:
            homes[one.payload].add(index)
        self.assertTrue(all(len(home) == 1 for home in homes.values()))
        self.assertGreater(len(set().union(*homes.values())), 1)

    @ours_only("key")
    def test_least_inflight(self):
        """The member that does not acknowledge gets less than those that do."""
        where = self.broker(**{"mqtt.shared_subscription.strategy": "least_inflight"}).address
        topic = self.topic()
        lazy, busy, sender = (self.client(V5, where=where) for _ in range(3))
        for one in (lazy, busy):
            one.subscribe(f"$share/g/{topic}", qos=1)
        got = 0
        for _ in range(20):
            sender.publish(topic, b"x", 1)
            try:
                busy.message(0.2)
                got += 1
            except wire.Timeout:
                pass
        self.assertGreaterEqual(got, 17)


class Queue(SharedTest):
    """$queue/<filter>: one unnamed group for each filter."""

    @ours_only("EMQ's prefix")
    @versions(V311, V5)
    def test_queue(self, version):
        topic = self.topic()
        members = [self.client(version) for _ in range(2)]
        for one in members:
            one.subscribe(f"$queue/{topic}/+", qos=1)
        named = self.client(version)
        named.subscribe(f"$share/g/{topic}/+", qos=1)
        sender = self.client(version)
        for number in range(20):
            sender.publish(f"{topic}/x", b"%d" % number, 1)
        found = self.drain(members, 20)
        self.assertEqual(sorted(int(one.payload) for _, one in found), list(range(20)))
        self.assertEqual({index for index, _ in found}, {0, 1})
        self.assertEqual(len(named.messages(20)), 20)
        members[0].unsubscribe(f"$queue/{topic}/+")
        sender.publish(f"{topic}/x", b"last", 1)
        self.assertEqual(members[1].message().payload, b"last")
        self.assert_nothing_more(members[0], sender)

    @ours_only("EMQ's prefix")
    def test_no_retained(self):
        topic = self.topic()
        client = self.client(V5)
        client.publish(topic, b"kept", 1, retain=True)
        client.subscribe(f"$queue/{topic}")
        self.assert_nothing_more(client)


class Local(MqttTest):
    """$local/<filter>: messages published on this node; on a single node all of them."""

    @ours_only("EMQ's prefix")
    @versions(V311, V5)
    def test_local(self, version):
        topic = self.topic()
        one, two = self.client(version), self.client(version)
        one.subscribe(f"$local/{topic}/+", qos=1)
        two.subscribe(f"$local/{topic}/#", qos=1)
        self.client(version).publish(topic + "/a", b"x", 1)
        for client in (one, two):
            found = client.message()
            self.assertEqual((found.topic, found.payload), (topic + "/a", b"x"))
        one.unsubscribe(f"$local/{topic}/+")
        two.publish(topic + "/a", b"y", 1)
        self.assertEqual(two.message().payload, b"y")
        self.assert_nothing_more(one, two)


if __name__ == "__main__":
    harness.main()
