"""mosquitto_pub and mosquitto_sub as clients: 3.1, 3.1.1, 5.0."""

import itertools
import shutil
import subprocess
import time
import unittest

import harness
import mqtt_wire as wire
from harness import MqttTest, versions
from mqtt_wire import V311, V5

NAMES = {wire.V31: "mqttv31", wire.V311: "mqttv311", wire.V5: "mqttv5"}


@unittest.skipUnless(shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub"),
                     "no mosquitto clients")
class Clients(MqttTest):

    def where(self):
        host, port = self.broker().address
        return ["-h", host, "-p", str(port)]

    def publish(self, version, *arguments):
        found = subprocess.run(["mosquitto_pub", *self.where(), "-V", NAMES[version], *arguments],
                               timeout=20,
                               capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stderr)

    def subscriber(self, version, *arguments, topic=None):
        """Starts mosquitto_sub and waits for its SUBACK (seen in its debug output)."""
        process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *self.where(), "-V",
                                    NAMES[version], "-W", "20",
                                    "-d", "-F", "message: %t|%q|%r|%p|%P|%C|%R|%D|%E|%F",
                                    *(["-t", topic] if topic else []), *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.early = []  # lines before the SUBACK: messages of a resumed session
        for line in process.stdout:
            process.early.append(line)
            if "Subscribed (mid" in line:
                return process
        if not any(line.startswith("message: ") for line in process.early):
            self.fail(f"no SUBACK: {process.early}")
        return process

    def lines(self, process, count):
        """So many messages, as lists of their fields."""
        found = []
        for line in itertools.chain(process.early, process.stdout):
            if line.startswith("message: "):
                found.append(line[len("message: "):].rstrip("\n").split("|"))
                if len(found) == count:
                    return found
        self.fail(f"{count} messages expected, have {found}")

    @versions()
    def test_qos(self, version):
        for qos in "012":
            topic = self.topic(qos)
            process = self.subscriber(version, "-q", qos, topic=topic)
            self.publish(version, "-t", topic, "-q", qos, "-m", f"hello {qos}")
            self.assertEqual(self.lines(process, 1)[0][:4], [topic, qos, "0", f"hello {qos}"])

    @versions()
    def test_retain(self, version):
        topic = self.topic()
        self.publish(version, "-t", topic, "-q", "1", "-r", "-m", "kept")
        process = self.subscriber(version, "-C", "1", topic=topic)
        self.assertEqual(self.lines(process, 1)[0][:4], [topic, "0", "1", "kept"])
        self.publish(version, "-t", topic, "-q", "1", "-r", "-n")
        client = self.client(V311)
        client.subscribe(topic)
        self.assert_nothing_more(client)

    @versions()
    def test_will(self, version):
        topic = self.topic()
        watcher = self.client(V5)
        watcher.subscribe(topic, qos=1)
        process = self.subscriber(version, "--will-topic", topic, "--will-payload", "gone",
                                  "--will-qos", "1",
                                  topic=self.topic("other"))
        process.kill()
        found = watcher.message()
        self.assertEqual((found.payload, found.qos), (b"gone", 1))

    @versions()
    def test_persistent_session(self, version):
        topic, name = self.topic(), self.name("s")
        process = self.subscriber(version, "-c", "-i", name, "-q", "1", "-E", topic=topic)
        process.stdout.read()
        self.assertEqual(process.wait(10), 0)
        for number in range(3):
            self.publish(version, "-t", topic, "-q", "1", "-m", str(number))
        process = self.subscriber(version, "-c", "-i", name, "-q", "1", "-C", "3", topic=topic)
        self.assertEqual([one[3] for one in self.lines(process, 3)], ["0", "1", "2"])

    @harness.peer_deviates("overruns the receive maximum of a 5.0 client, which then leaves")
    @versions()
    def test_many_lines_and_user(self, version):
        """-l: a connection with many messages; user name and password."""
        topic = self.topic()
        process = self.subscriber(version, "-q", "2", topic=topic)
        subprocess.run(["mosquitto_pub", *self.where(), "-V", NAMES[version], "-t", topic, "-q",
                        "2", "-l", "-u", "me",
                        "-P", "secret"], input="".join(f"{number}\n" for number in range(200)),
                        text=True, timeout=20,
                       check=True)
        self.assertEqual([one[3] for one in self.lines(process, 200)],
                         [str(number) for number in range(200)])

    @versions()
    def test_unsubscribe(self, version):
        topic = self.topic()
        process = self.subscriber(version, "-t", topic + "/a", "-t", topic + "/b", "-U", topic
                                  + "/a")
        self.publish(version, "-t", topic + "/b", "-m", "still")
        found = self.lines(process, 1)
        self.assertEqual(found[0][3], "still")

    def test_large_file(self):
        """A message of 900 KB."""
        topic = self.topic()
        client = self.client(V311)
        client.subscribe(topic, qos=1)
        path = self.broker().data / f"large-{self.unique}"
        path.write_bytes(bytes(range(256)) * 3600)
        self.publish(V311, "-t", topic, "-q", "1", "-f", str(path))
        self.assertEqual(client.message().payload, path.read_bytes())

    def test_properties(self):
        """5.0 properties both ways."""
        topic = self.topic()
        process = self.subscriber(V5, "-q", "1", "-D", "subscribe", "subscription-identifier", "5",
                                  topic=topic)
        watcher = self.client(V5)
        watcher.subscribe(topic, qos=1)
        self.publish(V5, "-t", topic, "-q", "1", "-m", "x", "-D", "publish", "content-type",
                     "text/plain",
                     "-D", "publish", "response-topic", "answer", "-D", "publish",
                     "correlation-data", "abc",
                     "-D", "publish", "message-expiry-interval", "300", "-D", "publish",
                     "payload-format-indicator", "1",
                     "-D", "publish", "user-property", "k", "v", "-D", "publish", "user-property",
                     "k", "w")
        found = watcher.message().properties
        self.assertEqual(found.all("user_property"), [("k", "v"), ("k", "w")])
        self.assertEqual((found.get("content_type"), found.get("response_topic"),
                          found.get("correlation_data"),
                          found.get("payload_format")), ("text/plain", "answer", b"abc", 1))
        line = self.lines(process, 1)[0]
        self.assertEqual(line[5:8], ["text/plain", "answer", "abc"])
        self.assertIn(line[8], ("300", "299"))
        self.assertEqual(line[9], "1")

    def test_will_with_properties(self):
        topic = self.topic()
        watcher = self.client(V5)
        watcher.subscribe(topic, qos=1)
        process = self.subscriber(V5, "--will-topic", topic, "--will-payload", "gone", "--will-qos",
                                  "1",
                                  "-D", "will", "content-type", "obituary", "-D", "will",
                                  "user-property", "a", "b",
                                  topic=self.topic("other"))
        process.kill()
        found = watcher.message().properties
        self.assertEqual((found.get("content_type"), found.all("user_property")),
                         ("obituary", [("a", "b")]))

    @versions(V311, V5)
    def test_shared(self, version):
        topic = self.topic()
        members = [self.subscriber(version, "-q", "1", topic=f"$share/g/{topic}") for _ in range(2)]
        sender = self.client(V5)
        for number in range(10):
            sender.publish(topic, b"%d" % number, 1)
        watched = [line for member in members for line in self.until_quiet(member)]
        self.assertEqual(sorted(int(line[3]) for line in watched), list(range(10)))

    def until_quiet(self, process):
        """Ends the subscriber and returns the messages that it had printed."""
        time.sleep(0.5)  # it prints at once; the pipe is read when it is dead
        process.terminate()
        return [line[len("message: "):].rstrip("\n").split("|") for line in process.stdout
                if line.startswith("message: ")]

    @versions(V311, V5)
    def test_no_local_and_handling(self, version):
        """Retained messages only, with mosquitto_sub's own switches."""
        topic = self.topic()
        self.publish(version, "-t", topic + "/a", "-q", "1", "-r", "-m", "one")
        self.publish(version, "-t", topic + "/b", "-q", "1", "-r", "-m", "two")
        process = self.subscriber(version, "--retained-only", topic=topic + "/+")
        self.assertEqual(sorted(line[3] for line in self.lines(process, 2)), ["one", "two"])


if __name__ == "__main__":
    harness.main(jobs=6)
