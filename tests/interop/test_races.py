"""What one client was told is true for all others at once: acknowledgements against other workers
of the broker.

The broker runs with four workers, whatever the machine has, and each check is made often enough for
clients to land on all of them.
"""

import threading

import harness
import mqtt_wire as wire
from harness import MqttTest, versions
from mqtt_wire import PUBLISH, V311, V5, Will

ROUNDS = 150


class RaceTest(MqttTest):

    def broker(self, **settings):
        if harness.PEER == "mangrove":
            settings["node.workers"] = 4
        return harness.broker(**settings)


class AfterTheAcknowledgement(RaceTest):

    @versions(V311, V5)
    def test_suback_then_publish(self, version):
        """A message published after somebody's SUBACK reaches that somebody."""
        sender = self.client(version)
        for number in range(ROUNDS):
            topic = self.topic(str(number))
            receiver = self.client(version, self.name(f"r{number}"))
            receiver.subscribe(topic if number % 2 else topic + "/+", qos=number % 3)
            sender.publish(topic if number % 2 else topic + "/x", b"%d" % number, number // 3 % 3)
            self.assertEqual(receiver.message(5).payload, b"%d" % number)
            receiver.close()

    @versions(V311, V5)
    def test_unsuback_then_publish(self, version):
        """Nothing published after the UNSUBACK comes."""
        sender = self.client(version)
        for number in range(ROUNDS):
            topic = self.topic(str(number))
            receiver = self.client(version, self.name(f"r{number}"))
            receiver.subscribe(topic, topic + "/end", qos=1)
            receiver.unsubscribe(topic)
            sender.publish(topic, b"late", 1)
            sender.publish(topic + "/end", b"end", 1)
            self.assertEqual(receiver.message(5).payload, b"end")
            receiver.close()

    @versions(V311, V5)
    def test_retained_then_subscribe(self, version):
        """A retained message whose PUBACK came is there for whoever subscribes then, and the newest
        one."""
        sender = self.client(version)
        topic = self.topic()
        for number in range(ROUNDS):
            where = f"{topic}/{number % 5}"
            sender.publish(where, b"%d" % number, 1 + number % 2, retain=True)
            receiver = self.client(version, self.name(f"r{number}"))
            receiver.subscribe(where if number % 2 else f"{topic}/+/#", qos=1)
            found = receiver.message(5)
            while found.topic != where:
                found = receiver.message(5)
            self.assertEqual((found.payload, found.retain), (b"%d" % number, True))
            receiver.close()

    @versions(V311, V5)
    def test_cleared_then_subscribe(self, version):
        sender = self.client(version)
        for number in range(ROUNDS // 3):
            topic = self.topic(str(number))
            sender.publish(topic, b"x", 1, retain=True)
            sender.publish(topic, b"", 1, retain=True)
            receiver = self.client(version, self.name(f"r{number}"))
            receiver.subscribe(topic, qos=1)
            sender.publish(topic, b"end", 1)
            self.assertEqual(receiver.message(5).payload, b"end")
            receiver.close()

    @versions(V311, V5)
    def test_disconnect_then_connect(self, version):
        """The session is there for a client that comes back at once, on any worker, without waiting
        for the close."""
        more = {"properties": {"session_expiry": 60}} if version == V5 else {}
        for number in range(ROUNDS):
            name, topic = self.name(f"s{number}"), self.topic(str(number))
            client = self.client(version, name, clean=False, **more)
            client.subscribe(topic, qos=1)
            if number % 3 == 0:
                client.send(wire.disconnect(version))
            elif number % 3 == 1:
                client.close()
            client = self.client(version, name, clean=False, **more)
            self.assertTrue(client.connack.session_present)
            client.publish(topic, b"x", 1)
            self.assertEqual(client.message(5).payload, b"x")
            client.close()

    @versions(V311, V5)
    def test_published_while_away(self, version):
        """What was acknowledged to a publisher while the session was away, or going, is there on
        its return."""
        more = {"properties": {"session_expiry": 60}} if version == V5 else {}
        sender = self.client(version)
        for number in range(ROUNDS // 2):
            name, topic = self.name(f"s{number}"), self.topic(str(number))
            client = self.client(version, name, clean=False, **more)
            client.subscribe(topic, qos=2)
            client.close() if number % 2 else client.disconnect()
            for part in range(3):
                sender.publish(topic, b"%d" % part, 1 + part % 2)
            client = self.client(version, name, clean=False, **more)
            found = [client.message(5) for _ in range(3)]
            self.assertEqual([one.payload for one in found], [b"0", b"1", b"2"])
            client.close()


class Storms(RaceTest):

    def in_threads(self, count, work):
        """Runs `work(index)` in so many threads at once; the first failure is raised here."""
        failures = []

        def guarded(index):
            try:
                work(index)
            except BaseException as error:  # pylint: disable=broad-except
                failures.append(error)
        threads = [threading.Thread(target=guarded, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    @versions(V311, V5)
    def test_one_client_id_from_many_sides(self, version):
        """Eight threads connect with one id again and again: in the end one connection lives, with
        one session."""
        name, topic = self.name(), self.topic()
        more = {"properties": {"session_expiry": 60}} if version == V5 else {}
        self.client(version, name, clean=False, **more).subscribe(topic, qos=1)
        last = []

        def work(_index):
            for _ in range(15):
                client = wire.Client(self.broker().address, version)
                self._clients.append(client)
                client.send(wire.connect(name, version=version, clean=False, **more))
                try:
                    found = client.recv()
                    self.assertEqual(found.code, 0)
                    if version == V311:
                        self.assertTrue(found.session_present)
                except wire.Closed:
                    continue  # taken over before its CONNACK
            last.append(client)
        self.in_threads(8, work)
        sender = self.client(version)

        def alive():
            return [one for one in last if not one.is_closed(0.05)]
        survivor = harness.wait_until(lambda: alive() if len(alive()) == 1 else None,
                                      "one connection is left")[0]
        sender.publish(topic, b"x", 1)
        self.assertEqual(survivor.message().payload, b"x")

    @harness.peer_deviates("drops what is beyond its queue of 1,000 messages")
    @versions(V311, V5)
    def test_order_under_load(self, version):
        """Ten publishers, four subscribers, all QoS: each subscriber gets each publisher's messages
        once, in order."""
        topic, count = self.topic(), 200
        receivers = [self.client(version) for _ in range(4)]
        for index, one in enumerate(receivers):
            one.subscribe(topic + ("/#" if index % 2 else "/+"), qos=index % 3)

        def publish(index):
            sender = wire.Client(self.broker().address, version)
            with sender:
                sender.connect(self.name(f"p{index}"))
                for number in range(count):
                    sender.publish(f"{topic}/{index}", b"%d" % number, index % 3)
                sender.ping()

        def receive(index):
            one = receivers[index - 10]
            seen = {}
            for _ in range(10 * count):
                found = one.message(20)
                who = found.topic.rsplit("/", 1)[1]
                self.assertEqual(int(found.payload), seen.get(who, 0), f"order of publisher {who}")
                seen[who] = seen.get(who, 0) + 1
        self.in_threads(14, lambda index: publish(index) if index < 10 else receive(index))

    @versions(V311, V5)
    def test_subscriptions_come_and_go(self, version):
        """A steady subscriber misses nothing while others with the same filters come and go."""
        topic, count = self.topic(), 300
        steady = self.client(version)
        steady.subscribe(topic + "/+/x", topic + "/a/#", qos=1)
        done = threading.Event()

        def churn(index):
            while not done.is_set():
                with wire.Client(self.broker().address, version) as client:
                    client.connect(self.name(f"c{index}"))
                    client.subscribe(topic + "/+/x", topic + "/a/x", topic + "/#",
                                     f"$share/g/{topic}/a/x", qos=1)
                    client.unsubscribe(topic + "/+/x", topic + "/a/x")

        def publish(index):
            if index:
                return churn(index)
            try:
                sender = self.client(version, self.name("p"))
                for number in range(count):
                    sender.publish(topic + "/b/x", b"%d" % number, 1)
                    self.assertEqual(int(steady.message(10).payload), number)
            finally:
                done.set()
            return None
        self.in_threads(5, publish)

    def test_wills_of_a_crowd(self):
        """Two hundred clients that die at once: two hundred wills."""
        topic = self.topic()
        watcher = self.client(V5)
        watcher.subscribe(topic + "/+", qos=1)
        crowd = [self.client(V311, self.name(f"w{number}"),
                             will=Will(f"{topic}/{number}", b"gone", 1))
                 for number in range(200)]
        for one in crowd:
            one.abort()
        found = watcher.messages(200)
        self.assertEqual(len({one.topic for one in found}), 200)
        self.assertTrue(all(one.type == PUBLISH for one in found))


if __name__ == "__main__":
    harness.main(jobs=4)
