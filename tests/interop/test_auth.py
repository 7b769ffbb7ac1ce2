"""Who gets in: built-in users, client ids, tokens, SCRAM-SHA-256; what is refused, with which code,
and that a refused CONNECT always closes. The holes of EMQ 2 are tests here."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import auth_tools
import harness
import mqtt_wire as wire
from auth_tools import QUICK, Scram, add_user, command, jwt, metrics
from harness import Broker, MqttTest, versions, wait_until, waits
from mqtt_wire import V311, V5

BAD_PASSWORD = {V311: 4, V5: 0x86, wire.V31: 4}
NOT_AUTHORIZED = {V311: 5, V5: 0x87, wire.V31: 5}


class AuthTest(MqttTest):
    """Tests that have a broker to themselves, since they change its users or settings."""

    def own(self, **settings):
        started = Broker(**{**QUICK, **{key.replace("__", "."): value
                                        for key, value in settings.items()}})
        self.addCleanup(self._stop, started)
        return started

    def _stop(self, started):
        trouble = started.stop()
        self.assertIsNone(trouble)

    def refused(self, where, version, code, **shown):
        """CONNECT is answered with this code, and the connection closed."""
        client = self.open(version, where.address)
        client.connect(shown.pop("client_id", self.name()), code=code, **shown)
        self.assertEqual(client.expect_closed(), [])

    def accepted(self, where, version=V311, client_id=None, **shown):
        return self.client(version, client_id, where.address, **shown)


class Users(AuthTest):
    """Built-in users."""

    @versions()
    def test_codes(self, version):
        """Wrong and unknown: 4 (3.x) and 0x86 (5.0). Shows nothing, and may not: 5 and 0x87."""
        broker = self.broker(allow_anonymous="false", **QUICK, **{
            "auth.user.1.username": "ann", "auth.user.1.password": "secret"})
        self.accepted(broker, version, username="ann", password="secret").ping()
        for shown in ({"username": "ann", "password": "wrong"}, {"username": "ann"},
                      {"username": "ann", "password": ""}, {"username": "eve", "password": "x"},
                      {"username": "eve"}, {"username": "Ann", "password": "secret"}):
            with self.subTest(shown=shown):
                self.refused(broker, version, BAD_PASSWORD[version], **shown)
        self.refused(broker, version, NOT_AUTHORIZED[version])
        if version == V5:  # 3.x has no password without a name
            self.refused(broker, version, 0x86, password="secret")

    @versions(V311, V5)
    def test_an_unknown_user_is_never_anonymous(self, version):
        """EMQ 2.2 let him in (#1577, #2256): anonymous is on, and a user is known."""
        broker = self.broker(allow_anonymous="true", **QUICK, **{
            "auth.user.1.username": "ann", "auth.user.1.password": "secret"})
        self.accepted(broker, version).ping()
        self.refused(broker, version, BAD_PASSWORD[version], username="eve", password="x")
        self.refused(broker, version, BAD_PASSWORD[version], username="eve")
        self.refused(broker, version, BAD_PASSWORD[version], username="ann", password="x")

    @versions(V311, V5)
    def test_nothing_counts_that_follows_a_refused_connect(self, version):
        """EMQ 2 routed it when CONNECT was refused for its client id."""
        broker = self.broker(allow_anonymous="true", **QUICK, **{
            "auth.user.1.username": "ann", "auth.user.1.password": "secret"})
        watcher = self.accepted(broker, username="ann", password="secret")
        watcher.subscribe("#")
        for shown in ({"client_id": self.name(), "username": "ann", "password": "x"},
                      {"client_id": "x" * 2000, "username": "ann", "password": "secret"},
                      {"client_id": "", "username": "ann", "password": "secret",
                       "clean": version == V5}):
            if version == V5 and shown["client_id"] == "":
                continue  # 5.0 lets the server choose a name
            client = self.open(version, broker.address)
            client.send(wire.connect(version=version, **shown),
                        wire.publish("from/nobody", b"x", version=version))
            self.assertNotEqual(client.expect(wire.CONNACK).code, 0)
            self.assertEqual(client.expect_closed(), [])
        watcher.publish("marker", b"")
        self.assertEqual(watcher.message().topic, "marker")

    def test_users_come_and_go_while_the_program_runs(self):
        """No users: a name that is shown means nothing. The first one makes all names count."""
        broker = self.own()
        self.accepted(broker, username="eve", password="x").close()
        add_user(broker, "ann", "secret", "--group", "ops")
        self.refused(broker, V311, 4, username="eve", password="x")
        self.accepted(broker, username="ann", password="secret").close()
        self.accepted(broker).close()
        self.assertEqual(command(broker, "passwd", "list"),
                         "ann  argon2id  scram  groups ops\n")
        command(broker, "passwd", "check", "ann", password="secret")
        command(broker, "passwd", "check", "ann", password="wrong", code=1)
        command(broker, "passwd", "check", "eve", password="wrong", code=1)
        add_user(broker, "ann", "another")
        self.refused(broker, V311, 4, username="ann", password="secret")
        self.accepted(broker, username="ann", password="another").close()
        self.assertIn("groups ops", command(broker, "passwd", "list"))
        command(broker, "passwd", "del", "ann")
        command(broker, "passwd", "del", "ann", code=1)
        self.refused(broker, V311, 4, username="ann", password="another")
        # The last user has gone: names still count.
        self.refused(broker, V311, 4, username="eve", password="x")

    def test_the_password_is_no_argument(self):
        broker = self.own()
        command(broker, "passwd", "add", "ann", "secret", password="secret", code=2)
        command(broker, "passwd", "add", "ann", password="", code=1)
        command(broker, "passwd", "add", "a\nb", password="x", code=1)
        command(broker, "passwd", "add", "ann", "--group", "a,b", password="x", code=1)
        self.assertEqual(command(broker, "passwd", "list"), "")

    @versions(V311, V5)
    def test_sessions_of_a_removed_user_end(self, version):
        broker = self.own(**{"allow_anonymous": "false"})
        for name in ("ann", "bob"):
            add_user(broker, name, "secret")
        keep = {"clean": False}
        if version == V5:
            keep["properties"] = {"session_expiry": 1000}
        shown = {"username": "ann", "password": "secret", **keep}
        live = self.accepted(broker, version, "live", **shown)
        away = self.accepted(broker, version, "away", **shown)
        away.subscribe("t", qos=1)
        away.close()
        bob = self.accepted(broker, version, "bob", username="bob", password="secret")
        command(broker, "passwd", "del", "ann")
        before = live.expect_closed()
        self.assertEqual([one.code for one in before], [0x87] if version == V5 else [])
        bob.ping()
        # A new user of that name is somebody else: nothing is left for him.
        add_user(broker, "ann", "new")
        shown["password"] = "new"
        for client_id in ("live", "away"):
            client = self.accepted(broker, version, client_id, **shown)
            self.assertFalse(client.connack.session_present)

    def test_a_user_removed_while_nothing_runs(self):
        broker = self.own(**{"allow_anonymous": "false"})
        add_user(broker, "ann", "secret")
        shown = {"username": "ann", "password": "secret", "clean": False}
        self.accepted(broker, client_id="c", **shown).close()
        broker.terminate()
        command(broker, "passwd", "del", "ann")
        add_user(broker, "ann", "secret")
        broker._start()
        self.assertFalse(self.accepted(broker, client_id="c", **shown).connack.session_present)

    def test_connections_of_a_changed_user_end_and_the_session_stays(self):
        broker = self.own()
        add_user(broker, "ann", "secret")
        shown = {"username": "ann", "clean": False, "properties": {"session_expiry": 1000}}
        client = self.accepted(broker, V5, "c", password="secret", **shown)
        add_user(broker, "ann", "another", "--superuser")
        self.assertEqual([one.code for one in client.expect_closed()], [0x87])
        self.refused(broker, V5, 0x86, password="secret", **shown)
        again = self.accepted(broker, V5, "c", password="another", **shown)
        self.assertTrue(again.connack.session_present)

    @unittest.skipUnless(shutil.which("mosquitto_passwd"), "mosquitto_passwd is not installed")
    def test_import_of_mosquitto_password_files(self):
        broker = self.own()
        file = broker.data / "passwd"
        file.touch()
        for kind, name in (("sha512", "six"), ("sha512-pbkdf2", "seven")):
            subprocess.run(["mosquitto_passwd", "-H", kind, "-b", str(file), name, "secret"],
                           check=True, timeout=20, capture_output=True)
        self.assertEqual(command(broker, "passwd", "import", str(file)),
                         "imported: 2, existing and kept: 0\n")
        for name in ("six", "seven"):
            self.accepted(broker, username=name, password="secret").close()
            self.refused(broker, V311, 4, username=name, password="wrong")
        self.assertEqual(command(broker, "passwd", "import", str(file)),
                         "imported: 0, existing and kept: 2\n")
        file.write_text(file.read_text() + "eight:plain\n")
        command(broker, "passwd", "import", str(file), "--replace", code=1)

    def test_every_kind_of_hash(self):
        for kind in ("argon2id", "bcrypt", "pbkdf2-sha256", "pbkdf2-sha512"):
            with self.subTest(kind=kind):
                broker = self.own(**{"auth.users.hash": kind, "auth.users.bcrypt.cost": "4",
                                     "auth.users.pbkdf2.iterations": "1000"})
                add_user(broker, "ann", "s\u00e4cret")
                self.assertIn(kind, command(broker, "passwd", "list"))
                self.accepted(broker, username="ann", password="s\u00e4cret").close()
                self.refused(broker, V311, 4, username="ann", password="secret")

    def test_a_session_belongs_to_its_user(self):
        broker = self.own()
        for name in ("ann", "bob"):
            add_user(broker, name, "secret")
        ann = self.accepted(broker, V5, "c", username="ann", password="secret", clean=False,
                            properties={"session_expiry": 1000})
        self.refused(broker, V5, 0x85, client_id="c", username="bob", password="secret")
        self.refused(broker, V5, 0x85, client_id="c")
        self.refused(broker, V311, 2, client_id="c", username="bob", password="secret")
        ann.ping()
        again = self.accepted(broker, V5, "c", username="ann", password="secret", clean=False,
                              properties={"session_expiry": 1000})
        self.assertTrue(again.connack.session_present)
        self.assertEqual([one.code for one in ann.expect_closed()], [0x8E])
        nobody = self.accepted(broker, V5, "n", clean=False, properties={"session_expiry": 1000})
        self.refused(broker, V5, 0x85, client_id="n", username="ann", password="secret")
        nobody.ping()

    def test_answers_are_remembered_until_something_changes(self):
        broker = self.own()
        add_user(broker, "ann", "secret")
        for _ in range(5):
            self.accepted(broker, username="ann", password="secret").close()
            self.refused(broker, V311, 4, username="ann", password="wrong")
        found = metrics(broker)
        self.assertEqual(found["auth/allowed/users"], 5)
        self.assertEqual(found["auth/denied/users"], 5)
        # Each worker has its own memory, and ids go to any worker.
        self.assertGreaterEqual(found["auth/cache/hits"], 1)
        add_user(broker, "ann", "another")
        self.refused(broker, V311, 4, username="ann", password="secret")
        self.accepted(broker, username="ann", password="another").close()

    @versions(V311, V5)
    def test_what_a_reload_takes_away_ends_connections(self, version):
        broker = self.own(allow_anonymous="false")
        folder = broker.data

        def configure(ann, dev, listed):
            (folder / "ids").write_text(listed)
            (folder / "gateway.conf").write_text(
                f"auth.user.1.username = ann\nauth.user.1.password = {ann}\n"
                "auth.user.2.username = bob\nauth.user.2.password = secret\n"
                f"auth.client_id.file = {folder}/ids\n{dev}")
            command(broker, "config", "reload")

        configure("old", "auth.client.1.clientid = dev\n", "one\ntwo\n")
        kept = [self.accepted(broker, version, "c-bob", username="bob", password="secret"),
                self.accepted(broker, version, "two")]
        ended = [self.accepted(broker, version, "c-ann", username="ann", password="old"),
                 self.accepted(broker, version, "dev"), self.accepted(broker, version, "one")]
        configure("new", "", "# one is gone\ntwo\n")
        for client in ended:
            self.assertEqual([one.code for one in client.expect_closed()],
                             [0x87] if version == V5 else [])
        for client in kept:
            client.ping()
        self.accepted(broker, version, "c-ann", username="ann", password="new").close()

    def test_client_ids(self):
        broker = self.own(allow_anonymous="false", **{
            "auth.client.1.clientid": "free", "auth.client.2.clientid": "meter",
            "auth.client.2.password": "secret"})
        self.accepted(broker, client_id="free").close()
        self.accepted(broker, V5, "meter", password="secret").close()
        self.accepted(broker, client_id="meter", username="any", password="secret").close()
        self.refused(broker, V5, 0x86, client_id="meter", password="wrong")
        self.refused(broker, V311, 4, client_id="meter", username="meter", password="wrong")
        self.refused(broker, V311, 5, client_id="other")


class Slow(AuthTest):
    """When deciding takes long."""

    # 2^13 rounds of bcrypt take a third of a second at least.
    slow_hash = "$2b$13$abcdefghijklmnopqrstuuxLa0AkDDSrQ9VwNnETzOsObiucpMYgC"

    def slow(self, **settings):
        return self.own(**{"auth.user.1.username": "slow", "auth.user.1.password": self.slow_hash,
                           "auth.threads": "1", "node.workers": "1", **settings})

    @versions(V311, V5)
    def test_no_answer_in_time_is_a_refusal(self, version):
        broker = self.slow(**{"auth.timeout": "100ms"})
        client = self.open(version, broker.address)
        client.send(wire.connect(self.name(), version=version, username="slow", password="x"))
        self.assertEqual(client.expect(wire.CONNACK).code, 0x88 if version == V5 else 3)
        self.assertEqual(client.expect_closed(), [])
        self.assertEqual(metrics(broker)["auth/timeouts"], 1)

    @versions(V311, V5)
    def test_too_many_that_wait_are_told_busy(self, version):
        broker = self.slow(**{"auth.queue": "2", "auth.timeout": "150ms"})
        waiting = []
        codes = []
        for number in range(6):
            client = self.open(version, broker.address)
            client.send(wire.connect(self.name(f"-{number}"), version=version, username="slow",
                                     password=str(number)))
            waiting.append(client)
        for client in waiting:
            codes.append(client.expect(wire.CONNACK).code)
            client.expect_closed()
        busy, late = (0x89, 0x88) if version == V5 else (3, 3)
        self.assertTrue(set(codes) <= {busy, late}, codes)
        self.assertGreaterEqual(metrics(broker)["auth/busy"], 3)
        # Whoever does not need the thread is served.
        self.accepted(broker, version).ping()

    def test_a_client_that_leaves_costs_nothing_more(self):
        broker = self.slow(**{"auth.queue": "50"})
        for number in range(20):
            client = self.open(V311, broker.address)
            client.send(wire.connect(self.name(f"-{number}"), username="slow",
                                     password=str(number)))
            client.abort()
        add_user(broker, "ann", "secret")
        # Behind at most one hash that had begun, not behind twenty.
        start = time.monotonic()
        wait_until(lambda: self._gets_in(broker), "ann gets in", 30)
        self.assertLess(time.monotonic() - start, 25)

    def _gets_in(self, broker):
        client = self.open(V311, broker.address)
        return client.connect(self.name(), code=None, username="ann", password="secret").code == 0

    @waits(6)
    @harness.measures("how long a PING waits")
    def test_a_flood_of_wrong_logins_does_not_delay_who_is_in(self):
        broker = self.own(**{"auth.users.argon2.memory": "19MB", "auth.users.argon2.passes": "2",
                             "auth.cache.failure_ttl": "0"})
        add_user(broker, "ann", "secret")
        client = self.accepted(broker, username="ann", password="secret")
        flood = subprocess.Popen([sys.executable, "-B", str(pathlib.Path(__file__)), "--flood",
                                  str(broker.port)], stdout=subprocess.PIPE)
        self.addCleanup(flood.stdout.close)
        try:
            self.assertEqual(flood.stdout.readline(), b"begun\n")
            delays = []
            end = time.monotonic() + 3
            while time.monotonic() < end:
                start = time.monotonic()
                client.ping()
                delays.append(time.monotonic() - start)
                time.sleep(0.002)
        finally:
            flood.kill()
            flood.wait()
        delays.sort()
        found = metrics(broker)
        tried = found["auth/denied/users"] + found["auth/denied/none"]
        self.assertGreater(tried, 700)
        self.assertLess(delays[len(delays) // 2], 0.05, f"median of {len(delays)}")
        self.assertLess(delays[-1], 1.0, f"{tried} logins tried")


class Tokens(AuthTest):
    """JSON Web Tokens."""

    def test_good_and_bad_tokens(self):
        broker = self.broker(allow_anonymous="true", **{"auth.jwt.secret": "secret"})
        later = int(time.time()) + 1000
        for version in (V311, V5):
            self.accepted(broker, version, username="ann",
                          password=jwt({"sub": "ann", "exp": later})).close()
        self.accepted(broker, V5, password=jwt({"sub": "ann"})).close()
        good = jwt({"sub": "ann", "exp": later})
        head, body, signature = good.split(".")
        none = auth_tools.url64(b'{"alg":"none"}')
        for bad in (jwt({"sub": "ann", "exp": int(time.time()) - 1}),
                    jwt({"sub": "ann", "nbf": later}), jwt({"sub": "ann"}, "guess"),
                    f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}.",
                    f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
                    jwt({"name": "ann"}), jwt({"sub": "ann"}, algorithm="HS256",
                                              header={"alg": "RS256"})):
            with self.subTest(token=bad):
                self.refused(broker, V5, 0x86, username="ann", password=bad)
                self.refused(broker, V311, 4, username="ann", password=bad)
        self.refused(broker, V5, 0x86, username="ann", password="no token")

    @versions(V311, V5)
    @waits(3)
    def test_a_connection_ends_with_its_token(self, version):
        broker = self.broker(allow_anonymous="false", **{"auth.jwt.secret": "secret"})
        expires = time.time() + 2.5
        client = self.accepted(broker, version, username="ann",
                               password=jwt({"sub": "ann", "exp": expires}))
        client.ping()
        before = client.expect_closed(10)
        late = time.time() - expires
        self.assertEqual([one.code for one in before], [0xA0] if version == V5 else [])
        self.assertGreaterEqual(late, -0.05)
        self.assertLess(late, 2)
        self.assertGreaterEqual(metrics(broker)["auth/expired"], 1)

    def test_a_session_comes_back_with_the_rights_of_another_token(self):
        """Where no rule of the file refuses anything, too."""
        def allow_all(folder):
            (folder / "acl.conf").write_text("allow = all\n")
        broker = Broker(prepare=allow_all, **QUICK, **{
            "allow_anonymous": "false", "auth.jwt.secret": "secret", "acl.file": "{data}/acl.conf"})
        self.addCleanup(lambda: self.assertIsNone(broker.stop()))

        def login(filters):
            token = jwt({"sub": "ann", "acl": {"sub": filters}})
            return self.client(V5, "c", broker.address, clean=False, password=token,
                               properties={"session_expiry": 100})
        client = login(["a/#", "b/#"])
        client.subscribe("a/x", "b/x")
        client.disconnect()
        client = login(["b/#"])
        self.assertEqual(metrics(broker)["subscriptions/revoked"], 1)
        self.assertEqual(client.unsubscribe("a/x", "b/x").codes, [0x11, 0])

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_public_keys_and_what_a_reload_does_with_them(self):
        """A new key counts at once; a file that is wrong changes nothing."""
        folder = pathlib.Path(self.enterContext(_folder()))
        public = folder / "public.pem"
        for number in (1, 2):
            subprocess.run(["openssl", "genrsa", "-out", str(folder / f"{number}.pem"), "2048"],
                           check=True, capture_output=True, timeout=60)
            subprocess.run(["openssl", "rsa", "-in", str(folder / f"{number}.pem"), "-pubout",
                            "-out", str(folder / f"public-{number}.pem")],
                           check=True, capture_output=True, timeout=60)
        public.write_text((folder / "public-1.pem").read_text())
        broker = self.own(allow_anonymous="false", **{"auth.jwt.pubkey": str(public)})
        tokens = {number: auth_tools.jwt_by_openssl({"sub": "ann"}, folder / f"{number}.pem")
                  for number in (1, 2)}
        confused = jwt({"sub": "ann"}, public.read_text())
        self.accepted(broker, username="ann", password=tokens[1]).close()
        self.refused(broker, V311, 4, username="ann", password=tokens[2])
        self.refused(broker, V311, 4, username="ann", password=confused)
        public.write_text("no key at all")
        command(broker, "config", "reload", "--dry-run", code=1)
        command(broker, "config", "reload", code=1)
        self.accepted(broker, username="ann", password=tokens[1]).close()
        public.write_text((folder / "public-2.pem").read_text())
        command(broker, "config", "reload")
        self.refused(broker, V311, 4, username="ann", password=tokens[1])
        self.accepted(broker, username="ann", password=tokens[2]).close()

    def test_claims_by_key(self):
        broker = self.broker(allow_anonymous="false", **{
            "auth.jwt.secret": "secret", "auth.jwt.audience": "gateway",
            "auth.jwt.issuer": "me", "auth.jwt.clientid_claim": "device",
            "auth.jwt.from": "username", "auth.jwt.require_exp": "true"})
        good = {"sub": "ann", "aud": ["gateway"], "iss": "me", "device": "d1",
                "exp": int(time.time()) + 1000}
        self.accepted(broker, client_id="d1", username=jwt(good)).close()
        self.refused(broker, V311, 4, client_id="d2", username=jwt(good))
        self.refused(broker, V311, 4, client_id="d1", username="ann", password=jwt(good))
        for name in ("aud", "iss", "device", "exp", "sub"):
            bad = {key: value for key, value in good.items() if key != name}
            self.refused(broker, V311, 4, client_id="d1", username=jwt(bad))

    def test_users_before_tokens(self):
        broker = self.own(**{"auth.jwt.secret": "secret"})
        add_user(broker, "ann", "password")
        token = jwt({"sub": "dev"})
        self.accepted(broker, username="dev", password=token).close()
        self.accepted(broker, username="ann", password="password").close()
        # A user of ours has to show his password.
        self.refused(broker, V311, 4, username="ann", password=token)
        self.refused(broker, V311, 4, username="dev", password="password")


class EnhancedScram(AuthTest):
    """SCRAM-SHA-256 as enhanced authentication (5.0, 4.12)."""

    def users(self):
        broker = self.own(allow_anonymous="false")
        for name in ("ann", "bob", "a,b=c"):
            add_user(broker, name, "pencil")
        return broker

    def begin(self, broker, scram, client_id=None, method="SCRAM-SHA-256"):
        client = self.open(V5, broker.address)
        if client_id is None:
            client_id = self.name(f"-{len(self._clients)}")
        client.send(wire.connect(client_id, version=V5,
                                 properties={"authentication_method": method,
                                             "authentication_data": scram.first()}))
        return client

    def challenge(self, client, scram):
        """Answers the challenge; returns the packet that comes then."""
        found = client.expect(wire.AUTH)
        self.assertEqual(found.code, 0x18)
        self.assertEqual(found.properties.get("authentication_method"), "SCRAM-SHA-256")
        final = scram.final(found.properties.get("authentication_data"))
        client.send(wire.auth(0x18, {"authentication_method": "SCRAM-SHA-256",
                                     "authentication_data": final}))
        return client.recv()

    def login(self, broker, name, password="pencil", header="n,,"):
        scram = Scram(name, password, header)
        client = self.begin(broker, scram)
        return client, scram, self.challenge(client, scram)

    def test_login(self):
        broker = self.users()
        for name in ("ann", "a,b=c"):
            for header in ("n,,", "y,,"):
                client, scram, found = self.login(broker, name, header=header)
                self.assertEqual((found.type, found.code), (wire.CONNACK, 0))
                self.assertEqual(found.properties.get("authentication_method"), "SCRAM-SHA-256")
                self.assertEqual(found.properties.get("authentication_data"), scram.expected)
                client.ping()
        self.assertEqual(metrics(broker)["auth/allowed/scram"], 4)

    def test_refusals(self):
        broker = self.users()
        client, _, found = self.login(broker, "ann", "pencils")
        self.assertEqual((found.type, found.code), (wire.CONNACK, 0x86))
        self.assertEqual(client.expect_closed(), [])
        for header in ("p=tls-unique,,", "x,,", "n,a=bob,"):
            scram = Scram("ann", "pencil", header)
            client = self.begin(broker, scram)
            self.assertEqual(client.expect(wire.CONNACK).code, 0x87)
            client.expect_closed()
        client = self.begin(broker, Scram("ann", "pencil"), method="SCRAM-SHA-1")
        self.assertEqual(client.expect(wire.CONNACK).code, 0x8C)
        client.expect_closed()
        # Bytes that are no SCRAM, and far too many of them.
        for data in (b"", b"\xff\xfe", b"n,,n=ann,r=" + b"x" * 60000):
            client = self.open(V5, broker.address)
            client.send(wire.connect(self.name(), version=V5, properties={
                "authentication_method": "SCRAM-SHA-256", "authentication_data": data}))
            self.assertEqual(client.expect(wire.CONNACK).code, 0x87)
            client.expect_closed()

    def test_who_does_not_exist_cannot_be_told_from_a_wrong_password(self):
        broker = self.users()
        seen = []
        for name in ("eve", "eve", "ann", "ann", "mal"):
            client, scram, found = self.login(broker, name, "wrong")
            self.assertEqual((found.type, found.code), (wire.CONNACK, 0x86))
            seen.append((scram.salt, scram.iterations, len(scram.server_first)))
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[2], seen[3])
        self.assertNotEqual(seen[0][0], seen[4][0])
        self.assertEqual(seen[0][1:], seen[2][1:])

    def test_replays(self):
        """A proof is good for one exchange."""
        broker = self.users()
        scram = Scram("ann", "pencil")
        client = self.begin(broker, scram)
        final = scram.final(client.expect(wire.AUTH).properties.get("authentication_data"))
        other = self.begin(broker, scram)
        other.expect(wire.AUTH)
        other.send(wire.auth(0x18, {"authentication_method": "SCRAM-SHA-256",
                                    "authentication_data": final}))
        self.assertEqual(other.expect(wire.CONNACK).code, 0x86)

    def test_again_on_a_live_connection(self):
        broker = self.users()
        client, _, found = self.login(broker, "ann")
        self.assertEqual(found.code, 0)

        def again(name, password="pencil"):
            scram = Scram(name, password)
            client.send(wire.auth(0x19, {"authentication_method": "SCRAM-SHA-256",
                                         "authentication_data": scram.first()}))
            return scram, self.challenge(client, scram)
        scram, found = again("ann")
        self.assertEqual((found.type, found.code), (wire.AUTH, 0))
        self.assertEqual(found.properties.get("authentication_data"), scram.expected)
        client.ping()
        _, found = again("bob")
        self.assertEqual((found.type, found.code), (wire.DISCONNECT, 0x87))
        client.expect_closed()
        client, _, found = self.login(broker, "ann")
        _, found = again("ann", "wrong")
        self.assertEqual((found.type, found.code), (wire.DISCONNECT, 0x87))
        client.expect_closed()

    def test_a_removed_user(self):
        broker = self.users()
        client, _, found = self.login(broker, "ann")
        self.assertEqual(found.code, 0)
        command(broker, "passwd", "del", "ann")
        self.assertEqual([one.code for one in client.expect_closed()], [0x87])
        _, _, found = self.login(broker, "ann")
        self.assertEqual((found.type, found.code), (wire.CONNACK, 0x86))

    def test_without_users_the_method_is_not_there(self):
        for settings in ({}, {"auth.scram": "off"}):
            broker = self.own(**settings)
            if settings:
                add_user(broker, "ann", "pencil")
            client = self.begin(broker, Scram("ann", "pencil"))
            self.assertEqual(client.expect(wire.CONNACK).code, 0x8C)


class RealClients(AuthTest):
    """Clients of others."""

    @unittest.skipUnless(shutil.which("mosquitto_pub"), "mosquitto-clients are not installed")
    def test_mosquitto_pub(self):
        broker = self.broker(allow_anonymous="false", **QUICK, **{
            "auth.user.1.username": "ann", "auth.user.1.password": "secret",
            "auth.jwt.secret": "secret"})

        def publish(*shown):
            return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port),
                                   "-t", "t", "-m", "x", *shown], timeout=20,
                                  capture_output=True).returncode
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            self.assertEqual(publish("-V", version, "-u", "ann", "-P", "secret"), 0)
            self.assertNotEqual(publish("-V", version, "-u", "ann", "-P", "wrong"), 0)
            self.assertNotEqual(publish("-V", version), 0)
            self.assertEqual(publish("-V", version, "-u", "x", "-P", jwt({"sub": "x"})), 0)

    def test_paho(self):
        try:
            import paho.mqtt.client as paho
        except ImportError:
            self.skipTest("python3-paho-mqtt is not installed")
        broker = self.broker(allow_anonymous="false", **QUICK, **{
            "auth.user.1.username": "ann", "auth.user.1.password": "secret",
            "auth.jwt.secret": "secret"})
        for password, wanted in (("secret", 0), ("wrong", 4)):
            codes = []
            client = paho.Client(client_id=self.name())
            client.username_pw_set("ann", password)
            client.on_connect = lambda _client, _data, _flags, code: codes.append(code)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            wait_until(lambda: codes, "CONNACK")
            client.disconnect()
            client.loop_stop()
            self.assertEqual(codes[0], wanted)


def _folder():
    return tempfile.TemporaryDirectory(prefix="mqtt-interop-")


def flood(port):
    """Logs in with a wrong password, again and again, over as many connections as it can."""
    import selectors
    import socket
    chosen = selectors.DefaultSelector()
    number = 0

    def open_one():
        nonlocal number
        number += 1
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(wire.connect(f"flood-{number}", username="ann", password=f"wrong-{number}"))
        chosen.register(one, selectors.EVENT_READ)
    # More than may wait for a hash, so that most are answered at once.
    for _ in range(700):
        open_one()
    print("begun", flush=True)
    while True:
        for key, _ in chosen.select():
            chosen.unregister(key.fileobj)
            key.fileobj.close()
            open_one()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--flood"]:
        flood(int(sys.argv[2]))
    harness.main()
