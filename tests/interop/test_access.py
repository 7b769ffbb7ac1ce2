"""Access rules with real clients: what each rule refuses or keeps back on each path, in the way of
each protocol version; changes of rules while clients are connected; files of mosquitto, compared
with mosquitto itself; the commands. The holes of EMQ 2 are tests here."""

import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import auth_tools
import harness
import mqtt_wire as wire
from auth_tools import QUICK, add_user, command, metrics
from harness import Broker, MqttTest, versions, wait_until
from mqtt_wire import V311, V5
from test_paho_python import Peer, paho

DENIED_FILTER = {wire.V31: 0x80, V311: 0x80, V5: 0x87}
NOT_AUTHORIZED = {wire.V31: 5, V311: 5, V5: 0x87}
HAVE_CLIENTS = shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub")


class AccessTest(MqttTest):
    """Tests that have a broker, and a file of rules, to themselves."""

    def own(self, rules, **settings):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mqtt-acl-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.file = folder / "acl.conf"
        self.file.write_text(rules)
        started = Broker(**{"acl.file": str(self.file), **QUICK,
                            **{key.replace("__", "."): value for key, value in settings.items()}})
        self.addCleanup(lambda: self.assertIsNone(started.stop()))
        return started

    def change(self, broker, rules, code=0):
        self.file.write_text(rules)
        return self.run_command(broker, "reload", code=code)

    def run_command(self, broker, *words, code=0):
        made = subprocess.run([harness.BINARY, *words, "--data", str(broker.data / "data"),
                               "--set", f"acl.file={self.file}"],
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(made.returncode, code, made.stdout + made.stderr)
        return made.stdout + made.stderr

    def nothing(self, client):
        """Everything that was published before has had its chance: a ping comes back alone."""
        self.assertEqual(client.ping(), [])

    def keeper(self, version, client_id, where):
        """A client whose session stays; again the same one when it comes back."""
        more = {"clean": False}
        if version == V5:
            more["properties"] = [("session_expiry", 3600)]
        return self.client(version, client_id, where.address, **more)


class Rules(AccessTest):

    @versions()
    def test_one_filter_alone_is_refused(self, version):
        """EMQ 2 answered every filter of the SUBSCRIBE with 0x80."""
        broker = self.broker_with("deny = all subscribe no/#, eq #\n")
        client = self.client(version, where=broker.address)
        code = DENIED_FILTER[version]
        if version == wire.V31:
            code = 0x80
        client.subscribe("yes", "no", "no/x", "#", "also", codes=[0, code, code, code, 0])
        client.publish("also", b"x")
        self.assertEqual(client.message().topic, "also")

    def broker_with(self, rules):
        return self.own(rules)

    @versions()
    def test_narrow_deny_wide_subscription(self, version):
        """A deny on a/secret holds for who subscribes a/# and a/+: live and retained (EMQ 2 let it
        be passed by)."""
        broker = self.own("deny = client=curious* subscribe a/secret\n")
        publisher = self.client(V5, where=broker.address)
        publisher.publish("a/secret", b"kept", 1, retain=True)
        publisher.publish("a/open", b"kept", 1, retain=True)
        for number, text in enumerate(("a/#", "a/+", "+/+", "#")):
            client = self.client(version, f"curious{number}", broker.address)
            client.subscribe(text, qos=1)
            self.assertEqual(client.message().topic, "a/open")
            publisher.publish("a/secret", b"live", 1)
            publisher.publish("a/open", b"live", 1)
            self.assertEqual(client.message().topic, "a/open")
            self.nothing(client)
            client.subscribe("a/secret", codes=[DENIED_FILTER[version]])
        other = self.client(version, "other", broker.address)
        other.subscribe("a/#", qos=1)
        self.assertEqual({one.topic for one in other.messages(2)}, {"a/secret", "a/open"})
        self.assertGreaterEqual(metrics(broker)["messages/dropped/not_authorized_delivery"], 8)

    @versions(V311, V5)
    def test_will(self, version):
        """A will is judged at CONNECT, and the deny holds for its readers too (EMQ 2.0 asked
        neither)."""
        broker = self.own("deny = client=mute* publish w/#\n"
                          "deny = client=deaf* subscribe w/secret\n")
        refused = self.open(version, broker.address)
        refused.connect("mute", code=NOT_AUTHORIZED[version], will=wire.Will("w/x", b"x"))
        refused.expect_closed()
        deaf = self.client(version, "deaf", broker.address)
        deaf.subscribe("w/#")
        good = self.client(version, "good", broker.address)
        good.subscribe("w/#")
        dying = self.client(version, "dying", broker.address, will=wire.Will("w/secret", b"x"))
        dying.close()
        self.assertEqual(good.message().topic, "w/secret")
        self.nothing(deaf)

    def test_denied_publish(self):
        """5.0 is told in PUBACK and PUBREC; 3.x is acknowledged (EMQ 2 gave no PUBACK, so that the
        client sent it for ever) and nobody gets it."""
        broker = self.own("deny = client=mute* publish no/#\n")
        reader = self.client(V5, where=broker.address)
        reader.subscribe("no/#")
        new = self.client(V5, "mute5", broker.address)
        self.assertEqual(new.publish("no/x", b"x", 1, code=None).code, 0x87)
        self.assertEqual(new.publish("no/x", b"x", 2, code=None).code, 0x87)
        for version in (wire.V31, V311):
            old = self.client(version, f"mute{version}", broker.address)
            old.publish("no/x", b"x", 1)
            old.publish("no/x", b"x", 2)
            old.publish("no/x", b"x")
            old.publish("no/x", b"x", 1, retain=True)
            old.ping()
        self.nothing(reader)
        late = self.client(V5, where=broker.address)
        late.subscribe("no/#")
        self.nothing(late)

    def test_denied_publish_disconnects(self):
        broker = self.own("deny = all publish no\n", acl__deny_action="disconnect")
        for version in (wire.V31, V311):
            for qos in (0, 1, 2):
                client = self.client(version, where=broker.address)
                client.send(wire.publish("no", b"x", qos, 1 if qos else None, version=version))
                self.assertEqual(client.expect_closed(), [])
        client = self.client(V5, where=broker.address)
        self.assertEqual(client.publish("no", b"x", 1, code=None).code, 0x87)
        client.publish("no", b"x")
        self.assertEqual(client.expect_closed()[-1].code, 0x87)

    def test_shared(self):
        """Of a shared group a member without the right is passed over."""
        broker = self.own("deny = client=poor* subscribe job/secret\n")
        poor = [self.client(V5, f"poor{number}", broker.address) for number in range(4)]
        rich = self.client(V5, "rich", broker.address)
        for one in (*poor, rich):
            one.subscribe("$share/g/job/#", qos=1)
        publisher = self.client(V5, where=broker.address)
        for number in range(20):
            publisher.publish("job/secret", b"%d" % number, 1)
        # Those that go round by other workers may come later: a group promises no order.
        self.assertEqual({one.payload for one in rich.messages(20)},
                         {b"%d" % number for number in range(20)})
        for one in poor:
            self.nothing(one)

    def test_sys(self):
        """Only administrators read $SYS, `allow = all` or not; a rule that names it opens it."""
        broker = self.own("allow = client=watcher subscribe $SYS/#\nallow = all\n",
                          sys__administrators="none", mqtt__broker__sys_interval="1s")
        nosy = self.client(V5, "nosy", broker.address)
        nosy.subscribe("$SYS/#", "$SYS/brokers/+/version", "$share/g/$SYS/#", "#",
                       codes=[0x87, 0x87, 0x87, 0])
        watcher = self.client(V5, "watcher", broker.address)
        watcher.subscribe("$SYS/#")
        self.assertTrue(watcher.message().topic.startswith("$SYS/"))
        self.assertEqual(watcher.publish("$SYS/x", b"x", 1, code=None).code, 0x87)
        self.nothing(nosy)

    def test_names_with_wildcards(self):
        """A client id of `#` or `+`, or with a slash, does not widen a rule with %c (EMQ 2's Redis
        and Mongo templates were widened)."""
        broker = self.own("allow = all pubsub own/%c/#\ndeny = all\n")
        for name in ("#", "+", "a/b", "+/+"):
            client = self.client(V5, name, broker.address)
            client.subscribe("own/#", "own/+/#", "own/a/#", f"own/{name.replace('#', 'x')}/#",
                             "own/victim/#", codes=[0x87] * 5)
        good = self.client(V5, "victim", broker.address)
        good.subscribe("own/victim/#", "own/+/x", "own/#", codes=[0, 0x87, 0x87])
        good.publish("own/victim/x", b"x", 1)
        self.assertEqual(good.publish("own/other/x", b"x", 1, code=None).code, 0x87)

    def test_users_and_groups(self):
        """Rules by proven user and group; a name that is only shown counts for nothing."""
        broker = self.own("allow = user=ann pubsub u/%u/#\n"
                          "allow = group=ops pubsub ops/#\n"
                          "deny = all\n", allow_anonymous="true")
        add_user(broker, "ann", "secret")
        add_user(broker, "bob", "secret", "--group", "ops")
        add_user(broker, "boss", "secret", "--superuser")
        ann = self.client(V5, where=broker.address, username="ann", password="secret")
        ann.subscribe("u/ann/#", "u/bob/#", "ops/x", codes=[0, 0x87, 0x87])
        bob = self.client(V5, where=broker.address, username="bob", password="secret")
        bob.subscribe("u/ann/#", "u/bob/#", "ops/x", codes=[0x87, 0x87, 0])
        boss = self.client(V5, where=broker.address, username="boss", password="secret")
        boss.subscribe("#", "$SYS/#")
        stranger = self.client(V5, where=broker.address)
        stranger.subscribe("u/ann/#", "ops/x", codes=[0x87, 0x87])

    def test_mountpoint(self):
        """Rules name topics as the core has them, mount point included."""
        broker = self.own("deny = all subscribe m/no\n",
                          **{"listener.tcp.default.mountpoint": "m/"})
        client = self.client(V5, where=broker.address)
        client.subscribe("no", "#", codes=[0x87, 0])
        client.publish("no", b"x")
        client.publish("yes", b"x")
        self.assertEqual(client.message().topic, "yes")


class Reload(AccessTest):

    @versions(V311, V5)
    def test_subscriptions_end(self, version):
        """EMQ 2 left what was subscribed as it was."""
        broker = self.own("allow = all\n")
        loser = self.client(version, "loser", broker.address)
        other = self.client(version, "other", broker.address)
        for one in (loser, other):
            one.subscribe("a/#", "b", qos=1)
        publisher = self.client(V5, where=broker.address)
        self.change(broker, "deny = client=loser subscribe a/#\n")
        # The command returns when it is so: no message gets through any more.
        publisher.publish("a/1", b"x", 1)
        publisher.publish("b", b"x", 1)
        self.assertEqual(loser.message().topic, "b")
        self.nothing(loser)
        self.assertEqual({one.topic for one in other.messages(2)}, {"a/1", "b"})
        self.assertEqual(metrics(broker)["subscriptions/revoked"], 1)

    @versions(V311, V5)
    def test_narrow_rule_comes_later(self, version):
        broker = self.own("allow = all\n")
        client = self.client(version, "c", broker.address)
        client.subscribe("a/#", qos=1)
        publisher = self.client(V5, where=broker.address)
        self.change(broker, "deny = all subscribe a/secret\n")
        publisher.publish("a/secret", b"x", 1)
        publisher.publish("a/open", b"x", 1)
        self.assertEqual(client.message().topic, "a/open")
        self.nothing(client)
        self.assertIn(f"access rules: 1, of {self.file}\n", self.change(broker, "allow = all\n"))
        publisher.publish("a/secret", b"x", 1)
        self.assertEqual(client.message().topic, "a/secret")

    @versions(V311, V5)
    def test_absent_client(self, version):
        """What waits for an absent client is not delivered when the right is gone, nor is what
        comes later; also over a restart with other rules."""
        broker = self.own("allow = all\n")
        away = self.keeper(version, "away", broker)
        away.subscribe("a/#", "b/#", qos=1)
        away.disconnect()
        publisher = self.client(V5, where=broker.address)
        for number in range(600):  # more than stays in memory
            publisher.publish("a/secret", b"%d" % number, 1)
        publisher.publish("b/1", b"x", 1)
        publisher.publish("a/open", b"x", 1)
        self.change(broker, "deny = client=away subscribe a/secret, b/#\n")
        publisher.publish("b/2", b"x", 1)
        away = self.keeper(version, "away", broker)
        self.assertEqual(away.message().topic, "a/open")
        self.nothing(away)
        away.disconnect()
        publisher.publish("a/2", b"x", 1)
        publisher.publish("a/3", b"x", 1)
        publisher.close()
        self.file.write_text("deny = client=away subscribe a/2\n")
        broker.restart()
        away = self.keeper(version, "away", broker)
        self.assertEqual(away.message().topic, "a/3")
        self.nothing(away)

    def test_broken_file_changes_nothing(self):
        broker = self.own("deny = all subscribe no\n")
        client = self.client(V5, where=broker.address)
        text = self.change(broker, "allow = all\nalow = all\ndeny = all subscribe a/#/b\n", code=1)
        self.assertIn("acl.conf:2:1: error: ", text)
        self.assertIn("acl.conf:3:22: error: ", text)
        self.assertIn("Nothing was changed.", text)
        self.run_command(broker, "reload", "--dry-run", code=1)
        client.subscribe("no", "yes", codes=[0x87, 0])
        # And with a signal: the log says why.
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: broker.log.read_text().count("config.reload_refused") >= 2,
                   "the refused reload in the log")
        client.subscribe("no", codes=[0x87])
        self.file.write_text("deny = all subscribe yes\n")
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: metrics(broker)["subscriptions/revoked"] == 1, "the revoked subscription")
        client.subscribe("no", "yes", codes=[0, 0x87])

    def test_disconnect(self):
        broker = self.own("allow = all\n", acl__revoked="disconnect")
        loser = self.client(V5, "loser", broker.address)
        old = self.client(V311, "old", broker.address)
        other = self.client(V5, "other", broker.address)
        for one in (loser, old):
            one.subscribe("a")
        other.subscribe("b")
        self.change(broker, "deny = all subscribe a\n")
        self.assertEqual(loser.expect_closed()[-1].code, 0x87)
        old.expect_closed()
        other.ping()

    def test_start_with_a_broken_file(self):
        with self.assertRaises(harness.StartError) as caught:
            self.own("allow = al\nnothing\n")
        self.assertIn("acl.conf:1:9: error", str(caught.exception))
        self.assertIn("acl.conf:2:1: error", str(caught.exception))


class Commands(AccessTest):

    def test_acl_test(self):
        broker = self.own("deny = client=c1 subscribe a/secret\n"
                          "allow = user=ann publish p/%u/#\n"
                          "deny = all publish p/#\n")
        ask = ["acl", "test", "--client", "c1", "--ip", "10.0.0.1"]
        for more in ([], ["--running"]):
            with self.subTest(more=more):
                text = self.run_command(broker, *ask, *more, "subscribe", "a/#")
                self.assertTrue(text.startswith("allowed\n  by acl_nomatch = allow"), text)
                self.assertIn(f"{self.file}:1: deny = client=c1 subscribe a/secret", text)
                text = self.run_command(broker, *ask, *more, "subscribe", "a/secret", code=1)
                self.assertTrue(text.startswith(f"denied\n  by {self.file}:1: "), text)
                text = self.run_command(broker, *ask, *more, "--user", "ann", "publish", "p/ann/x")
                self.assertIn(f"{self.file}:2: ", text)
                self.run_command(broker, *ask, *more, "publish", "p/ann/x", code=1)
                self.run_command(broker, *ask, *more, "publish", "p/#", code=2)
        self.assertIn("right; rules: 3", self.run_command(broker, "acl", "check"))
        self.file.write_text("allow = nobody\n")
        self.assertIn(":1:9: error", self.run_command(broker, "acl", "check", code=2))
        # The running program still has the rules that were right.
        self.run_command(broker, *ask, "--running", "subscribe", "a/secret", code=1)

    @unittest.skipUnless(shutil.which(harness.MOSQUITTO), "no mosquitto")
    def test_import_compared_with_mosquitto(self):
        """The same file, in mosquitto and imported: the same messages reach the same readers."""
        text = ("topic read news/#\n"
                "topic deny news/secret\n"
                "topic write in/+\n"
                "topic both\n"
                "pattern readwrite own/%c/#\n"
                "pattern deny own/%c/locked\n")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mqtt-acl-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        peer_file = folder / "aclfile"
        peer_file.write_text(text)
        peer_file.chmod(0o600)
        imported = subprocess.run([harness.BINARY, "acl", "import", str(peer_file)],
                                  capture_output=True, text=True, timeout=20)
        self.assertEqual(imported.returncode, 0, imported.stderr)
        ours = self.own(imported.stdout)
        port = harness.free_port()
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n"
                          f"acl_file {peer_file}\npersistence false\n"
                          # One whom the file does not bind: it must not change its user.
                          "user root\n")
        process = subprocess.Popen([harness.MOSQUITTO, "-c", str(config)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def accepts():
            try:
                self.open(V311, ("127.0.0.1", port)).close()
                return True
            except OSError:
                return False

        wait_until(accepts, "mosquitto")
        topics = ["news/a", "news/secret", "in/a", "both", "own/r/a", "own/r/locked", "own/w/a",
                  "own/w/locked", "other"]
        heard = [self.who_hears(where, topics) for where in (("127.0.0.1", port), ours.address)]
        self.assertEqual(heard[0], heard[1])
        self.assertIn("own/w/a", heard[0]["w"])
        self.assertNotIn("own/w/locked", heard[0]["w"])

    def who_hears(self, where, topics):
        """What each of two clients hears of what both publish, with # subscribed."""
        clients = {name: self.client(V311, name, where) for name in ("r", "w")}
        for one in clients.values():
            one.subscribe("#")
        for one in clients.values():
            for topic in topics:
                one.publish(topic, b"x", 1)
        return {name: sorted({one.topic for one in client.ping()})
                for name, client in clients.items()}


@unittest.skipUnless(HAVE_CLIENTS, "no mosquitto clients")
class MosquittoClients(AccessTest):

    @versions(V311, V5)
    def test_clients(self, version):
        broker = self.own("deny = client=sub subscribe a/secret, no\n"
                          "deny = client=pub publish no\n")
        host, port = broker.address
        base = ["-h", host, "-p", str(port), "-V", "mqttv5" if version == V5 else "mqttv311"]
        denied = subprocess.run(["mosquitto_sub", *base, "-i", "sub", "-t", "no", "-C", "1", "-W", "10"],
                                capture_output=True, text=True, timeout=20)
        self.assertIn("denied", denied.stderr)
        reader = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", *base, "-i", "sub", "-d", "-F",
                                   "message %t", "-t", "a/#", "-q", "1", "-W", "15"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        for line in reader.stdout:
            if "Subscribed (mid" in line:
                break
        for topic in ("a/secret", "a/open"):
            subprocess.run(["mosquitto_pub", *base, "-t", topic, "-m", "x", "-q", "1"], check=True,
                           timeout=20)
        found = next(line for line in reader.stdout if line.startswith("message "))
        self.assertEqual(found, "message a/open\n")
        made = subprocess.run(["mosquitto_pub", *base, "-i", "pub", "-t", "no", "-m", "x", "-q", "1"],
                              capture_output=True, text=True, timeout=20)
        if version == V5:
            self.assertIn("Not authorized", made.stdout + made.stderr)
        else:
            self.assertEqual(made.returncode, 0)


@unittest.skipUnless(paho, "no python3-paho-mqtt")
class PahoClients(AccessTest):

    @versions()
    def test_clients(self, version):
        broker = self.own("deny = client=reader subscribe a/secret\n"
                          "deny = client=writer publish a/no\n")
        reader = Peer(version, "reader", broker.address)
        self.addCleanup(reader.close)
        writer = Peer(version, "writer", broker.address)
        self.addCleanup(writer.close)
        codes = [*reader.subscribe("a/secret", 1), *reader.subscribe("a/#", 1)]
        self.assertEqual([getattr(one, "value", one) for one in codes], [DENIED_FILTER[version], 1])
        for topic in ("a/secret", "a/no", "a/yes"):
            writer.publish(topic, b"x", 1)
            writer.publish(topic, b"x", 2)
        self.assertEqual([reader.message().topic for _ in range(2)], ["a/yes", "a/yes"])
        self.change(broker, "deny = client=reader subscribe a/#\n")
        writer.publish("a/yes", b"late", 1)
        reader.subscribe("b", 1)
        writer.publish("b", b"x", 1)
        self.assertEqual(reader.message().topic, "b")


if __name__ == "__main__":
    harness.main()
