"""A store that fails: disk full, a limit on files, read-only, damaged, of another version.

Nothing that was not stored is acknowledged, what needs no store goes on, what was stored is there
afterwards, and the broker says what is wrong. A full disk is a small tmpfs, which takes the right
to mount; where that is missing the test says so. The limit on the size of files needs no rights.
"""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile

import harness
import mqtt_wire as wire
from harness import Broker, MqttTest, ours_only, wait_until
from mqtt_wire import V5, V311
from store_support import IMPLEMENTATION, FileLimit, FullDisk, may_mount

KEEP = {"clean": False, "properties": {"session_expiry": 3600}}
BULK = b"x" * 60_000
ADMINISTRATORS = {"sys.administrators": "127.0.0.1"}


class FailingStore(MqttTest):

    def failing(self, kind):
        """A broker with clients and stored messages, whose store fails from here on."""
        fault = kind(self)
        broker = Broker(prepare=fault.prepare, **ADMINISTRATORS)
        self.broker_under_test = broker
        self.addCleanup(fault.leave)
        self.addCleanup(lambda: self.assertIsNone(broker.stop()))
        self.alarms = self.client(V5, where=broker.address)
        self.alarms.subscribe("$SYS/brokers/+/alarms/store/+")
        self.receiver = self.client(V5, where=broker.address)
        self.receiver.subscribe(self.topic("live"), qos=1)
        self.keepers = {version: self.client(version, self.name(f"keeper{version}"), broker.address,
                                             **(KEEP if version == V5 else {"clean": False}))
                        for version in (V311, V5)}
        self.sender = self.client(V5, where=broker.address)
        self.old = self.client(V311, self.name("old"), broker.address, clean=False)
        self.stored = [self.topic(f"first/{number}") for number in range(20)]
        for topic in self.stored:
            self.sender.publish(topic, BULK, 1, retain=True)
        fault.begin(broker)
        self.stored += self.fill(fault.reason)
        return fault, broker

    def fill(self, reason):
        """Publishes retained messages until one is refused; returns the topics of the others."""
        stored = []
        for number in range(4000):
            topic = self.topic(f"r/{number}")
            found = self.sender.publish(topic, b"%d-" % number + BULK, 1, retain=True, code=None)
            if found.code & 0x80:
                self.assertEqual(found.code, reason, self.broker_under_test.status()["alarms"])
                return stored
            stored.append(topic)
        self.fail("the store never failed")

    def alarm(self, kind):
        self.assertIn(f"/alarms/store/{kind}", self.alarms.message(timeout=15).topic)

    def check_refusals(self, broker, reason):
        """What is not stored is not acknowledged, in words where there are some."""
        topic = self.topic("refused")
        for qos in (1, 2):
            found = self.sender.publish(topic, b"x", qos, retain=True, code=None)
            self.assertEqual(found.code, reason, f"QoS {qos}")
        for version, code in ((V311, 0x80), (V5, reason)):
            self.keepers[version].subscribe(topic, qos=1, codes=[code])
        fresh = self.open(V5, broker.address)
        fresh.send(wire.connect(self.name("fresh5"), V5, **KEEP))
        self.assertEqual(fresh.recv().code, reason)
        fresh = self.open(V311, broker.address)
        fresh.send(wire.connect(self.name("fresh4"), V311, clean=False))
        self.assertEqual(fresh.recv().code, 3)

    def check_running_on(self):
        """What needs no store goes on, on the very connections that were refused something."""
        topic = self.topic("live")
        for sender in (self.sender, self.old):
            sender.publish(topic, b"quick", 0)
            self.assertEqual(self.receiver.message().payload, b"quick")
        self.sender.publish(topic, b"sure", 1)
        self.assertEqual(self.receiver.message().payload, b"sure")

    def run_through(self, kind):
        fault, broker = self.failing(kind)
        self.alarm("alert")
        wait_until(lambda: any(one.startswith("store: ") for one in broker.status()["alarms"]),
                   "an alarm in the status")
        # A 3.x client hears nothing of what was not stored.
        self.old.send(wire.publish(self.topic("old"), b"unheard", 1, 7, retain=True))
        self.check_refusals(broker, fault.reason)
        self.check_running_on()
        with self.assertRaises(wire.Timeout):
            self.old.recv(0.5)
        # After a while it loses the connection, since only on the next one it will send again.
        self.assertEqual(self.old.expect_closed(15), [])
        fault.end(broker)
        self.alarm("clear")
        self.assertEqual(broker.status()["alarms"], [])
        self.check_recovered(broker)

    def check_recovered(self, broker):
        again = self.client(V311, self.name("old"), broker.address, clean=False)
        self.assertTrue(again.connack.session_present)
        again.send(wire.publish(self.topic("old"), b"unheard", 1, 7, retain=True, dup=True))
        self.assertEqual(again.recv().id, 7)
        self.sender.publish(self.topic("after"), b"stored", 1, retain=True)
        self.stored += [self.topic("old"), self.topic("after")]
        broker.kill()
        done = subprocess.run([harness.BINARY, "store", "check", "--data", broker.data / "data"],
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        broker._start()
        reader = self.client(V5, where=broker.address)
        reader.subscribe(self.topic("#"), qos=0)
        missing = set(self.stored)
        while missing:
            missing.discard(reader.message(timeout=20).topic)

    @ours_only("store")
    @harness.waits(15)
    def test_disk_full(self):
        self.run_through(FullDisk)

    @ours_only("store")
    @harness.waits(15)
    def test_limit_on_files(self):
        self.run_through(FileLimit)


    def failing_for(self, *clients):
        """A broker whose store fails, and clients whose sessions it has."""
        broker = Broker()
        self.addCleanup(lambda: self.assertIsNone(broker.stop()))
        self.sender = self.client(V5, where=broker.address)
        found = [self.client(V5, name, broker.address, **KEEP) for name in clients]
        fault = FileLimit(self)

        def begin():
            fault.begin(broker)
            wait_until(lambda: self.sender.publish(self.topic("probe"), b"x", 1, retain=True,
                                                   code=None).code & 0x80, "the store fails")

        def end():
            fault.end(broker)
            wait_until(lambda: not broker.status()["alarms"], "the store works again")
        return broker, found, begin, end

    @ours_only("store")
    def test_refused_unheard(self):
        """A message at QoS 2 is refused when its connection is gone already: sent again on the
        next, it is taken as new."""
        broker, (keeper, sender), begin, end = self.failing_for("keeper", "sender")
        keeper.subscribe("q", qos=2)
        begin()
        sender.send(wire.publish("q", b"once", 2, 5, version=V5))
        sender.close()
        wait_until(lambda: broker.status()["metrics"]["messages/dropped/not_stored"] >= 1,
                   "the message is withdrawn")
        end()
        sender = self.client(V5, "sender", broker.address, **KEEP)
        sender.send(wire.publish("q", b"once", 2, 5, dup=True, version=V5))
        self.assertEqual(sender.expect(wire.PUBREC).code, 0)
        self.assertEqual(keeper.message().payload, b"once")
        sender.send(wire.ack(wire.PUBREL, 5))
        self.assertEqual(sender.expect(wire.PUBCOMP).code, 0)
        self.assert_nothing_more(keeper, self.sender)

    @ours_only("store")
    def test_asked_again(self):
        """UNSUBSCRIBE and SUBSCRIBE that were refused and would change nothing when they are
        repeated rest on what is not stored, all the same."""
        broker, (client,), begin, end = self.failing_for("client")
        client.subscribe("a", qos=1)
        begin()
        for _ in range(2):
            client.send(wire.unsubscribe(7, ["a"], V5))
            self.assertEqual(client.expect(wire.UNSUBACK).codes, [IMPLEMENTATION])
        end()
        client.unsubscribe("a")
        broker.kill()
        broker._start()
        client = self.client(V5, "client", broker.address, **KEEP)
        client.send(wire.unsubscribe(7, ["a"], V5))
        self.assertEqual(client.expect(wire.UNSUBACK).codes, [0x11])


class BadFile(MqttTest):

    def store(self):
        """A broker that has stored something and was stopped; its database."""
        broker = Broker()
        self.addCleanup(broker.stop)
        keeper = self.client(V5, self.name("keeper"), broker.address, **KEEP)
        keeper.subscribe("q", qos=1)
        keeper.disconnect()
        sender = self.client(V5, where=broker.address)
        for number in range(300):
            sender.publish("q", b"number-%d-" % number + BULK[:2000], 1)
        sender.publish("r", b"kept", 1, retain=True)
        self.assertEqual(broker.terminate(), 0)
        return broker, broker.data / "data" / "mangrove.db"

    def assert_refused(self, broker, path, *words):
        """Does not start, says why, and leaves the file as it is."""
        before = path.read_bytes()
        said = broker.refuses_to_start()
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(path.read_bytes(), before)

    def assert_whole(self, broker):
        broker._start()
        client = self.client(V5, self.name("keeper"), broker.address, **KEEP)
        found = [one.payload for one in client.messages(300)]
        self.assertTrue(all(one.startswith(b"number-%d-" % at) for at, one in enumerate(found)))

    @ours_only("store")
    def test_private(self):
        """Nobody but the owner may read what clients say to each other."""
        mask = os.umask(0o022)
        try:
            broker, path = self.store()
            broker._start()
            for command in (["backup", "copy.db"], ["export", "--file", "copy.jsonl"]):
                done = subprocess.run([harness.BINARY, "store", *command, "--data", path.parent],
                                      capture_output=True, timeout=60, check=False,
                                      cwd=path.parent)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        finally:
            os.umask(mask)
        for name in ("mangrove.db", "mangrove.db-wal", "mangrove.db-shm", "mangrove.db.lock",
                     "copy.db", "copy.jsonl"):
            self.assertEqual((path.parent / name).stat().st_mode & 0o777, 0o600, name)

    @ours_only("store")
    def test_flipped_bytes(self):
        broker, path = self.store()
        whole = path.read_bytes()
        at = whole.index(b"number-150-") + 100
        path.write_bytes(whole[:at] + bytes(byte ^ 0x55 for byte in whole[at:at + 8])
                         + whole[at + 8:])
        self.assert_refused(broker, path, "mangrove.db", "segment", "damaged")
        done = subprocess.run([harness.BINARY, "store", "check", "--data", path.parent],
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"damaged", done.stdout + done.stderr)
        path.write_bytes(whole)
        self.assert_whole(broker)

    @ours_only("store")
    def test_cut_file(self):
        broker, path = self.store()
        whole = path.read_bytes()
        path.write_bytes(whole[:len(whole) // 2])
        self.assert_refused(broker, path, "mangrove.db", "malformed")
        path.write_bytes(whole)
        self.assert_whole(broker)

    @ours_only("store")
    def test_no_database(self):
        broker, path = self.store()
        path.write_bytes(b"This is a letter, not a database.\n" * 200)
        self.assert_refused(broker, path, "mangrove.db", "not a database")

    @ours_only("store")
    def test_newer_version(self):
        broker, path = self.store()
        database = sqlite3.connect(path)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("PRAGMA user_version = 99")
        database.close()
        self.assert_refused(broker, path, "mangrove.db", "version 99")
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA user_version = {version}")
        database.close()
        self.assert_whole(broker)

    @ours_only("store")
    def test_foreign_database(self):
        broker, path = self.store()
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.commit()
        database.close()
        self.assert_refused(broker, path, "mangrove.db")

    @ours_only("store")
    def test_read_only(self):
        """File and folder cannot be written. For root that takes a read-only mount."""
        broker, path = self.store()
        if os.geteuid() != 0:
            for mode, change in ((0o400, path), (0o500, path.parent)):
                before = change.stat().st_mode
                change.chmod(mode)
                try:
                    self.assertRegex(broker.refuses_to_start(), "(?i)permission denied|read-?only")
                finally:
                    change.chmod(before)
        elif may_mount():
            folder = path.parent
            subprocess.run(["mount", "--bind", folder, folder], check=True)
            try:
                subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
                self.assertRegex(broker.refuses_to_start(), "(?i)read-?only")
            finally:
                subprocess.run(["umount", folder], check=True)
        else:
            self.skipTest("root without the right to mount: nothing is read-only for it")
        self.assert_whole(broker)

    @ours_only("store")
    def test_second_process(self):
        """Two processes on one data folder, and on one file: the second refuses to start."""
        broker, path = self.store()
        broker._start()
        self.assertIn(str(broker.process.pid), broker.refuses_to_start())
        other = pathlib.Path(tempfile.mkdtemp(prefix="mqtt-interop-",
                                              dir=path.parents[2]))
        self.addCleanup(shutil.rmtree, other, ignore_errors=True)
        (other / "data").mkdir(mode=0o700)
        for name in ("mangrove.db", "mangrove.db.lock"):
            os.link(path.parent / name, other / "data" / name)
        command = harness.mangrove_command({}, harness.free_port(), other)
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, cwd=other)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"in use", done.stdout + done.stderr)
        client = self.client(V5, self.name("keeper"), broker.address, **KEEP)
        self.assertEqual(len(client.messages(300)), 300)


if __name__ == "__main__":
    harness.main()
