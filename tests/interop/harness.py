"""Starts brokers for the tests, runs the tests side by side, stops whatever was started.

Every test program here is run as `python3 test_x.py [--binary FILE] [--peer mosquitto] [--jobs N]
[-k TEXT] [-v] [--figures]`. Without `--binary` the program is $MANGROVE_BIN, else build/dev/mangrove or
build/release/mangrove. With `--peer mosquitto` the same tests run against Debian's mosquitto, to
tell a wrong expectation from a wrong broker; where that broker is known to deviate from the
specification a test says so with `@peer_deviates`.

Brokers listen on loopback ports that were free a moment before, have temporary folders, and are
shared by the tests of a program that ask for the same settings: `broker()`. Many programs may run
at the same time.
"""

import argparse
import atexit
import concurrent.futures
import fcntl
import functools
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

import mqtt_wire as wire
import pki
import ws_wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import skips  # pylint: disable=wrong-import-position
MOSQUITTO = "/usr/sbin/mosquitto"
OWN_VARIABLES = ("MANGROVE_BIN", "MANGROVE_PAHO_C", "MANGROVE_NODE_MODULES", "MANGROVE_TEST_CASE")
START_DEADLINE = 20.0
STOP_DEADLINE = 15.0

PEER = "mangrove"
TLS_FILES = None  # certificate and key, with --tls
BINARY = None


class StartError(RuntimeError):
    """The broker did not come up; the text holds what it wrote."""


def sanitized():
    """Whether the broker was built with a sanitizer, which makes figures of memory and time
    meaningless."""
    if PEER != "mangrove":
        return False
    program = pathlib.Path(BINARY).read_bytes()
    return b"__tsan_init" in program or b"__asan_init" in program


class PortReservations:
    """Ports that this process has asked for: no other test program is given them before it ends.
    Between a look at a port and the listening there is time for another to look at the same."""

    def __init__(self):
        path = os.path.join(tempfile.gettempdir(), f"mangrove-test-ports-{os.getuid()}")
        self.file = open(path, "ab")  # locks are the process's, as long as it is open
        self.given = set()
        self.lock = threading.Lock()

    def reserve(self, port):
        with self.lock:
            if port in self.given:
                return False
            try:
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
            self.given.add(port)
            return True


PORTS = PortReservations()


def free_port():
    """A loopback port that nobody listens on, of those that the system gives to no client: one of
    its own choice may be a client's by the time a broker wants it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first_of_clients = int(file.read().split()[0])
    chance = random.SystemRandom()
    first, end = (10000, first_of_clients) if first_of_clients > 12000 else (20000, 60000)
    while True:
        port = chance.randrange(first, end)
        if not PORTS.reserve(port):
            continue
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                probe.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


_class_ports = {}
_class_ports_lock = threading.Lock()


def class_port(test_class):
    """A port of this class's own, the same at every call: tests of one class run side by side. As a
    part of the settings it gives the class a broker of its own."""
    with _class_ports_lock:
        if test_class not in _class_ports:
            _class_ports[test_class] = free_port()
        return _class_ports[test_class]


def wait_until(condition, what, timeout=wire.DEFAULT_TIMEOUT):
    """Waits until `condition()` is true (its value is returned); fails with `what` at the
    deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def folder_for_brokers():
    """Where brokers keep their data: in memory, if there is room. A kill -9 loses nothing there
    either, and a sync costs nothing."""
    memory = pathlib.Path("/dev/shm")
    try:
        if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
            return str(memory)
    except OSError:
        pass
    return tempfile.gettempdir()


def default_listener(settings):
    """The listener at the broker's port: it speaks TLS if the settings say how."""
    return "listener.ssl.default" if "listener.ssl.default.handshake_timeout" in settings else \
        "listener.tcp.default"


def mangrove_command(settings, port, data):
    """Command line of our own broker: everything as --set, so that no file is read but the empty
    one."""
    config = data / "gateway.conf"
    config.write_text("# Everything is set on the command line.\n")
    merged = {
        default_listener(settings): f"127.0.0.1:{port}",
        "allow_anonymous": "true",
        "sys.administrators": "127.0.0.0/8,::1,unix",
        "log.console.level": "warning",
    }
    merged.update(settings)
    if wire.TLS is not None:
        merged = {key.replace("listener.tcp.default", "listener.ssl.default"): value
                  for key, value in merged.items()}
        certificate, key_file = TLS_FILES
        merged |= {"listener.ssl.default.certfile": certificate,
                   "listener.ssl.default.keyfile": key_file}
    if wire.WRAP is not None:
        merged = {key.replace("listener.tcp.default", "listener.ws.default"): value
                  for key, value in merged.items()}
    merged = {key: str(value).replace("{data}", str(data)) for key, value in merged.items()}
    command = [BINARY, "run", "--config", str(config), "--data", str(data / "data")]
    for key, value in merged.items():
        command += ["--set", f"{key}={value}"]
    return command


def mosquitto_command(settings, port, data):
    """Command line and file of the peer, with the settings that it has too."""
    lines = [f"listener {port} 127.0.0.1"]
    after = ["allow_anonymous true", "persistence false", "log_type error", "log_type warning"]
    for key, value in settings.items():
        if key == "mqtt.max_packet_size":
            after.append(f"max_packet_size {value}")
        elif key == "mqtt.receive_maximum" or key == "mqtt.session.max_inflight":
            after.append(f"max_inflight_messages {value}")
        elif key == "mqtt.server_keepalive":
            raise unittest.SkipTest("the peer's max_keepalive is 10 s at least")
        elif key == "mqtt.mqueue.max_length":
            after.append(f"max_queued_messages {value}")
        elif key == "mqtt.broker.sys_interval":
            after.append(f"sys_interval {str(value).rstrip('s')}")
        elif key == "mqtt.topic_alias_maximum":
            lines.append(f"max_topic_alias {value}")
        elif key == "listener.tcp.default.mountpoint":
            lines.append(f"mount_point {value}")
        else:
            raise unittest.SkipTest(f"the peer has no key like {key}")
    config = data / "mosquitto.conf"
    config.write_text("\n".join(lines + after) + "\n")
    return [MOSQUITTO, "-c", str(config)]


class Broker:
    """A broker process of our own. `address` is where its TCP listener accepts. `prepare` is called
    with its folder before the first start. `{free_port}` in a setting is another port at each
    start; `started_with` has what it became."""

    def __init__(self, prepare=None, **settings):
        self.settings = settings
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="mqtt-interop-", dir=folder_for_brokers()))
        self.process = None
        if prepare:
            prepare(self.data)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        for attempt in itertools.count(1):
            self.port = free_port()
            self.address = ("127.0.0.1", self.port)
            self.started_with = {name: str(value).replace("{free_port}", str(free_port()))
                                 for name, value in self.settings.items()}
            # Our own variables are no keys of the broker; overrides such as MANGROVE_NODE__WORKERS
            # are passed on.
            environment = {name: value for name, value in os.environ.items()
                           if name not in OWN_VARIABLES}
            make = mangrove_command if PEER == "mangrove" else mosquitto_command
            self.log = self.data / f"broker-{attempt}.log"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
                # An abstract name, never used again: a reload says READY=1, too.
                name = f"mangrove-test-{uuid.uuid4()}"
                ready.bind("\0" + name)
                environment["NOTIFY_SOCKET"] = "@" + name
                with self.log.open("wb") as log:
                    self.process = subprocess.Popen(make(self.started_with, self.port, self.data),
                                                    stdout=log, stderr=subprocess.STDOUT,
                                                    stdin=subprocess.DEVNULL,
                                                    cwd=self.data, env=environment)
                started = self._told(ready) if PEER == "mangrove" else self._accepts()
            if started:
                return
            text = self.log.read_text(errors="replace")
            taken = "in use" in text
            self.kill()
            if attempt == 5 or not taken:
                raise StartError(f"{self.process.args[0]} did not start:\n{text[-4000:]}")

    def _told(self, ready):
        """Waits until the broker says that everything listens, as it would to systemd: one port
        that accepts says nothing of the others."""
        ready.settimeout(0.01)
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline:
            is_gone = self.process.poll() is not None
            try:
                if "READY=1" in ready.recv(4096).decode().splitlines():
                    return True
            except TimeoutError:
                if is_gone:
                    return False
        return False

    def _accepts(self):
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(self.address, timeout=1).close()
                # Somebody else may have got the port first: our process must still be there.
                return self.process.poll() is None
            except OSError:
                time.sleep(0.01)
        return False

    def restart(self):
        """Stops it gracefully and starts it again on the same data (and a new port)."""
        self.terminate()
        self._start()

    def terminate(self, wait=True):
        """Graceful shutdown; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE) if wait else None

    def kill(self):
        """SIGKILL to this process, and waits for its end."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Ends it if it still runs and removes its folder.

        Returns what went wrong: it had died, did not stop in time, or its exit code (a sanitizer's,
        say) is not 0.
        """
        trouble = None
        if self.process is not None:
            trouble = None if self.process.poll() in (None,
                                                      0) else f"died with {self.process.returncode}"
            if self.process.poll() is None:
                try:
                    code = self.terminate()
                    trouble = f"exit code {code}" if code else None
                except subprocess.TimeoutExpired:
                    trouble = f"did not stop within {STOP_DEADLINE} s"
                    self.kill()
            if trouble:
                trouble += "\n" + self.log.read_text(errors="replace")[:20000]
        shutil.rmtree(self.data, ignore_errors=True)
        return trouble

    def status(self):
        """What `mangrove status --json` says."""
        done = subprocess.run([BINARY, "status", "--json", "--data", str(self.data / "data")],
                              capture_output=True, timeout=START_DEADLINE, check=True)
        return json.loads(done.stdout)["status"]

    def refuses_to_start(self):
        """Starts it on the present data, which must fail at once; returns what it wrote."""
        config = mangrove_command(self.settings, free_port(), self.data)
        done = subprocess.run(config, capture_output=True, timeout=START_DEADLINE, cwd=self.data,
                              check=False)
        if done.returncode != 1:
            raise AssertionError(f"exit code {done.returncode}: {done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).decode(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def memory(self):
        """Resident memory in bytes."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


_shared = {}
_shared_lock = threading.Lock()


def broker(**settings):
    """The broker with these settings, shared by all tests of this program; started at the first
    call."""
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    key = tuple(sorted((name, str(value)) for name, value in settings.items()))
    with _shared_lock:
        entry = _shared.setdefault(key, {"lock": threading.Lock(), "broker": None, "error": None})
    with entry["lock"]:
        if entry["error"]:
            raise entry["error"]
        if entry["broker"] is None:
            try:
                entry["broker"] = Broker(**settings)
            except (StartError, unittest.SkipTest) as error:
                entry["error"] = error
                raise
        return entry["broker"]


def stop_all():
    """Stops the shared brokers; returns what was wrong with them."""
    troubles = []
    with _shared_lock:
        entries = [entry["broker"] for entry in _shared.values() if entry["broker"]]
        _shared.clear()
    for one in entries:
        died = "" if one.alive() else "the broker was gone before the tests were over; "
        trouble = one.stop()
        if died or trouble:
            troubles.append(died + (trouble or ""))
    return troubles


atexit.register(stop_all)


def peer_deviates(reason):
    """The peer is known not to do what this test wants; our own broker must."""
    def mark(test):
        test.deviation = reason
        return test
    return mark


def ours_only(reason):
    """Nothing that the peer could be asked."""
    def wrap(test):
        @functools.wraps(test)
        def run(self, *arguments):
            if PEER != "mangrove":
                raise unittest.SkipTest(f"only for our broker: {reason}")
            return test(self, *arguments)
        return run
    return wrap


_numbers = itertools.count(1)


def versions(*wanted):
    """Makes a test `test_x(self, version)` one test for each of these protocol versions (default:
    all)."""
    def mark(test):
        test.versions = wanted or wire.VERSIONS
        return test
    return mark


def measures(what):
    """This test judges a figure: time, or memory for each of many. It says something only on a
    machine with nothing else to do, so it is left to runs with --figures (ctest label `full`)."""
    def mark(test):
        test.measures = what
        return test
    return mark


def waits(seconds):
    """Marks a test that has to wait about so long, so that it is started early."""
    def mark(test):
        test.seconds = seconds
        return test
    return mark


def _for_version(test, version):
    @functools.wraps(test)
    def run(self):
        return test(self, version)
    return run


class MqttTest(unittest.TestCase):
    """A test with clients that are closed at its end, and names that no other test uses."""

    settings = {}

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name, test in list(vars(cls).items()):
            if hasattr(test, "versions"):
                delattr(cls, name)
                for version in test.versions:
                    label = wire.VERSION_NAMES[version].replace(".", "")
                    setattr(cls, f"{name}_v{label}", _for_version(test, version))

    def setUp(self):
        self._clients = []
        self.unique = f"{os.getpid()}-{next(_numbers)}"

    def tearDown(self):
        for one in self._clients:
            one.close()

    def broker(self, **settings):
        return broker(**(settings or self.settings))

    def name(self, suffix=""):
        """A client id of this test's own."""
        return f"c{self.unique}{suffix}"

    def topic(self, suffix=""):
        """A topic of this test's own."""
        return f"t/{self.unique}/{suffix}" if suffix else f"t/{self.unique}"

    def open(self, version=wire.V311, where=None, **more):
        """A TCP connection without CONNECT."""
        found = wire.Client(where or self.broker().address, version, **more)
        self._clients.append(found)
        return found

    def client(self, version=wire.V311, client_id=None, where=None, **connect_fields):
        """A connected client with its own client id. Its CONNACK is `client.connack`."""
        found = self.open(version, where)
        found.connack = found.connect(self.name(f"-{len(self._clients)}") if client_id is None
                                      else client_id,
                                      **connect_fields)
        return found

    def assert_nothing_more(self, receiver, sender=None, window=0.15):
        """No packet reaches `receiver`, though `sender` (default: itself) and the broker had their
        chance.

        A marker published by the sender is seen to arrive first, so that what the sender published
        before it was routed; then a short window for stragglers.
        """
        marker = f"marker/{self.unique}/{next(_numbers)}"
        receiver.subscribe(marker)
        (sender or receiver).publish(marker, b"marker")
        found = receiver.recv()
        self.assertTrue(found.type == wire.PUBLISH and found.topic == marker, f"unexpected {found}")
        try:
            found = receiver.recv(window)
        except wire.Timeout:
            receiver.unsubscribe(marker)
            return
        self.fail(f"unexpected {found}")

    def expect_refusal(self, client, codes, timeout=None):
        """The broker closes, and tells a 5.0 client one of these reason codes before.

        A 3.x client gets no packet at all: not even a CONNACK, if it was a malformed CONNECT
        ([MQTT-3.1.4-1]). The peer in a comparison run may close without a word, which the
        specification allows.
        """
        before = client.expect_closed(timeout)
        if client.version != wire.V5:
            self.assertEqual(before, [])
            return None
        codes = {codes} if isinstance(codes, int) else set(codes)
        last = before[-1] if before else None
        if last is None and PEER != "mangrove":
            return None
        wanted = f"one of {[hex(code) for code in codes]} expected"
        self.assertIsNotNone(last, f"closed without a DISCONNECT; {wanted}")
        self.assertIn(last.type, (wire.DISCONNECT, wire.CONNACK))
        self.assertIn(last.code, codes, f"{last}; {wanted}")
        return last


def _flatten(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from _flatten(one)
        else:
            yield one


def _run_one(test):
    result = unittest.TestResult()
    start = time.monotonic()
    test.run(result)
    return test, result, time.monotonic() - start


def speak_tls():
    """From now on brokers listen for TLS where they would for TCP, and clients speak it."""
    global TLS_FILES
    authority = pki.Authority()
    TLS_FILES = authority.server()
    wire.TLS = ssl.create_default_context(cafile=authority.certificate)


def speak_websocket():
    """From now on brokers listen for WebSocket where they would for TCP, and clients speak it."""
    wire.WRAP = ws_wire.WebSocketAsSocket


def main(module_name="__main__", jobs=8):
    """Runs the tests of a module, `jobs` at a time, and exits with the outcome."""
    global PEER, BINARY
    parser = argparse.ArgumentParser(description=sys.modules[module_name].__doc__)
    parser.add_argument("--binary", default=os.environ.get("MANGROVE_BIN"),
                        help="the mangrove program")
    parser.add_argument("--peer", choices=["mangrove", "mosquitto"], default="mangrove")
    parser.add_argument("--tls", action="store_true", help="every TCP connection speaks TLS")
    parser.add_argument("--ws", action="store_true", help="every TCP connection speaks WebSocket")
    parser.add_argument("--jobs", type=int, default=jobs, help="tests at a time")
    parser.add_argument("-k", dest="pattern", default="", help="only tests with this in their name")
    parser.add_argument("--figures", action="store_true", help="only tests that judge a figure")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    PEER, BINARY = arguments.peer, arguments.binary
    if BINARY is None:
        places = [ROOT / "build" / preset / "mangrove" for preset in ("dev", "release")]
        BINARY = next((str(place) for place in places if place.exists()), None)
    if PEER == "mangrove" and not (BINARY and os.access(BINARY, os.X_OK)):
        print("no mangrove program: give --binary FILE or MANGROVE_BIN", file=sys.stderr)
        sys.exit(2)
    BINARY = BINARY and os.path.abspath(BINARY)
    if arguments.figures and sanitized():
        print("figures of a sanitizer's build mean nothing", file=sys.stderr)
        sys.exit(2)
    if arguments.tls:
        speak_tls()
    if arguments.ws:
        speak_websocket()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module_name])
    tests = [one for one in _flatten(suite) if arguments.pattern in one.id() and
             arguments.figures == hasattr(getattr(one, one._testMethodName), "measures")]
    # Tests that wait (their class says so) start first, so that the whole run is as long as the
    # longest.
    tests.sort(key=lambda one: -getattr(getattr(one, one._testMethodName), "seconds", 0))
    failures, skipped, start = [], [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        for future in concurrent.futures.as_completed([pool.submit(_run_one, one)
                                                       for one in tests]):
            test, result, seconds = future.result()
            name = ".".join(test.id().split(".")[-2:])
            bad = result.failures + result.errors
            bad += [(one, "expected failure passed") for one in result.unexpectedSuccesses]
            skipped += [(name, reason) for _, reason in result.skipped]
            deviation = getattr(getattr(test, test._testMethodName), "deviation", None)
            if bad and deviation and PEER != "mangrove":
                bad = []
                skipped.append((name, f"peer deviates: {deviation}"))
            outcome = "FAILED" if bad else "skipped" if result.skipped else "ok"
            if arguments.verbose or bad:
                print(f"{outcome:8}{seconds:6.2f} s  {name}", flush=True)
            for one, text in bad:
                failures.append(name)
                print(f"  {one}\n    " + text.replace("\n", "\n    "), flush=True)
    for text in stop_all():
        failures.append("broker")
        print(text)
    for name, reason in skipped:
        print(skips.told(name, reason))
    if skips.is_ci():
        case = os.environ.get("MANGROVE_TEST_CASE") or \
            pathlib.Path(sys.argv[0]).stem.replace("test_", "interop_", 1)
        for name in skips.unlisted(case, [name for name, _ in skipped]):
            failures.append(name)
            print(f"{name} was skipped, which tests/skips.txt does not allow for {case}")
    count = len(tests)
    print(f"{count} tests, {len(set(failures))} failed, {len(skipped)} skipped, "
          f"{time.monotonic() - start:.1f} s, {PEER}")
    if not count:
        print("no test ran", file=sys.stderr)
    sys.exit(1 if failures or not count else 0)
