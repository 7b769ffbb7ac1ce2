"""The clients of the matrix, each with the same methods: `subscribe`, `publish` (both give what the
gateway said), `drop` (the connection is lost without a goodbye), `close`. What comes is in `inbox`.

`WAYS` has all of them, by a short name that is a topic level, too.
"""

import collections
import dataclasses
import itertools
import re
import select
import shutil
import subprocess
import threading
import time
import urllib.parse

import sn_wire as sn

try:
    import paho.mqtt.client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    paho = None
try:
    import stomp
except ImportError:
    stomp = None

COAP_CLIENT = shutil.which("coap-client-openssl")
USER, PASSWORD = "matrix", "secret"
DEADLINE = 60.0


@dataclasses.dataclass(frozen=True)
class Seen:
    """A message as a subscriber has it; None is what its protocol does not say."""

    topic: str | None
    payload: bytes
    qos: int
    retain: bool | None = None


@dataclasses.dataclass(frozen=True)
class Will:
    topic: str
    payload: bytes
    qos: int = 1


class Inbox:
    """What has come to a client, in order."""

    def __init__(self):
        self.changed = threading.Condition()
        self.all = []

    def add(self, seen):
        with self.changed:
            self.all.append(seen)
            self.changed.notify_all()

    def matching(self, wanted):
        with self.changed:
            return [one for one in self.all if wanted(one)]

    def wait(self, wanted, count=1, timeout=DEADLINE):
        """The messages that `wanted(seen)` is true of, as soon as there are `count`; fewer when
        nothing at all has come for so long."""
        with self.changed:
            while True:
                found = [one for one in self.all if wanted(one)]
                before = len(self.all)
                if len(found) >= count or not self.changed.wait_for(
                        lambda: len(self.all) > before, timeout):
                    return found


class Actor:
    """A client with a client id. `session`: its session outlives it, and `resume` gets what waits.
    `will` is left when it is lost, which its keep alive of a second tells where nothing else does."""

    def __init__(self, world, client_id, session=False, will=None):
        self.world, self.client_id, self.session, self.will = world, client_id, session, will
        self.keepalive = 1 if will else 300
        self.inbox = Inbox()
        self.numbers = itertools.count(1)

    def open(self):
        return self

    def resume(self, topic, qos=1):
        """Comes back for what has waited for its subscription."""
        self.open()
        self.subscribe(topic, qos)

    def publish_numbers(self, topic, count):
        """So many messages at QoS 1, each with its number."""
        for number in range(count):
            self.publish(topic, str(number).encode())

    def next_name(self):
        """A client id for one more process of this client."""
        return f"{self.client_id}-{next(self.numbers)}"


class Process:
    """A program that runs until it is dropped, whose output is read line by line."""

    def __init__(self, command, on_line):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.told, self.changed = None, threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self.thread.start()

    def _read(self, on_line):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            told = on_line(line)
            if told is not None:
                self.say(told)
        self.say(f"ended: {b''.join(lines)[-400:]}")

    def say(self, told):
        with self.changed:
            self.told = self.told or told
            self.changed.notify_all()

    def answer(self):
        with self.changed:
            self.changed.wait_for(lambda: self.told, DEADLINE)
        return self.told or "no answer"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


class Programs(Actor):
    """Clients that are programs: a process for each subscription and for each publication."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.processes = []

    def drop(self):
        for one in self.processes:
            one.kill()
        self.processes.clear()

    close = drop

    def file(self, payload):
        """A file with this content."""
        made = self.world.folder / f"{self.next_name()}.payload"
        made.write_bytes(payload)
        return made

    @staticmethod
    def run(command):
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE + 20, check=False,
                              stdin=subprocess.DEVNULL)
        return (done.stdout + done.stderr).decode(errors="replace")


class Mosquitto(Programs):

    ACKNOWLEDGED = re.compile(r"received (PUBACK|PUBREC) \(Mid: \d+, RC:(\d+)\)|"
                              r"received (PUBACK|PUBREC) \(Mid: \d+\)")

    def __init__(self, *arguments, version, **more):
        super().__init__(*arguments, **more)
        self.version = version

    def command(self, program, client_id):
        return [program, "-h", "127.0.0.1", "-p", str(self.world.port("tcp")), "-V", self.version,
                "-i", client_id, "-u", USER, "-P", PASSWORD, "-k", str(max(5, self.keepalive)), "-d"]

    def subscribe(self, topic, qos=2):
        client_id = self.client_id if self.session else self.next_name()
        command = ["stdbuf", "-oL", *self.command("mosquitto_sub", client_id), "-q", str(qos),
                   "-t", topic, "-F", "message: %q %r %x %t", *(["-c"] if self.session else [])]
        self.processes.append(Process(command, self.on_line))
        return self.processes[-1].answer()

    def open(self):
        if self.will:  # mosquitto_sub wants something to subscribe to
            command = [*self.command("mosquitto_sub", self.client_id), "-t", "nothing",
                       "--will-topic", self.will.topic, "--will-payload",
                       self.will.payload.decode(), "--will-qos", str(self.will.qos)]
            self.processes.append(Process(["stdbuf", "-oL", *command], self.on_line))
            self.processes[-1].answer()
        return self

    def on_line(self, line):
        if line.startswith(b"message: "):
            qos, retain, payload, topic = line[9:].rstrip(b"\n").split(b" ", 3)
            self.inbox.add(Seen(topic.decode(), bytes.fromhex(payload.decode()), int(qos),
                                retain == b"1"))
        found = re.match(rb"Subscribed \(mid: \d+\): (\d+)", line)
        return f"SUBACK {int(found.group(1))}" if found else None

    def publish(self, topic, payload, qos=1, retain=False):
        command = [*self.command("mosquitto_pub", self.next_name()), "-q", str(qos), "-t", topic,
                   *(["-r"] if retain else []),
                   *(["-f", str(self.file(payload))] if payload else ["-n"])]
        said = self.run(command)
        if qos == 0:
            return "sent" if "sending PUBLISH" in said else said
        found = self.ACKNOWLEDGED.search(said)
        if not found:
            return said
        # It tells the number in PUBACK only, in PUBREC its meaning.
        code = 135 if "failed: Not authorized" in said else 0
        return f"{found.group(1) or found.group(3)} {found.group(2) or code}"


    def publish_numbers(self, topic, count):
        command = [*self.command("mosquitto_pub", self.next_name()), "-q", "1", "-t", topic, "-l"]
        lines = "".join(f"{number}\n" for number in range(count))
        subprocess.run(command, input=lines.encode(), stdout=subprocess.DEVNULL, check=True,
                       timeout=DEADLINE)


class Paho(Actor):

    def __init__(self, *arguments, version, **more):
        super().__init__(*arguments, **more)
        self.version = version
        self.client = None

    def open(self):
        is_new = self.version == paho.MQTTv5
        self.client = paho.Client(self.client_id, protocol=self.version,
                                  **({} if is_new else {"clean_session": not self.session}))
        self.client.username_pw_set(USER, PASSWORD)
        self.client.max_inflight_messages_set(1000)
        if self.will:
            self.client.will_set(self.will.topic, self.will.payload, self.will.qos)
        self.connected, self.subscribed = threading.Event(), threading.Event()
        self.client.on_connect = lambda *_: self.connected.set()
        self.client.on_subscribe = self.on_subscribe
        self.client.on_message = lambda _, __, found: self.inbox.add(
            Seen(found.topic, bytes(found.payload), found.qos, bool(found.retain)))
        more = {}
        if is_new and self.session:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600
            more = {"clean_start": False, "properties": properties}
        self.client.connect("127.0.0.1", self.world.port("tcp"), keepalive=300, **more)
        self.client.loop_start()
        if not self.connected.wait(DEADLINE):
            raise AssertionError(f"{self.client_id}: not connected")
        return self

    def on_subscribe(self, _, __, ___, codes, *____):
        code = codes[0]
        self.code = getattr(code, "value", code)
        self.subscribed.set()

    def subscribe(self, topic, qos=2):
        self.subscribed.clear()
        self.client.subscribe(topic, qos)
        self.subscribed.wait(DEADLINE)
        return f"SUBACK {self.code}"

    def publish(self, topic, payload, qos=1, retain=False):
        found = self.client.publish(topic, payload, qos, retain)
        found.wait_for_publish(DEADLINE)
        if not found.is_published():
            return "no answer"
        # It does not tell the reason code of MQTT 5.
        return "sent" if qos == 0 else None

    def drop(self):
        self.client.loop_stop()
        self.client._sock_close()  # pylint: disable=protected-access

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Sensor(Actor):
    """MQTT-SN by the wire client of the tests: Debian and npm have none."""

    def open(self):
        self.wire = sn.Client(("127.0.0.1", self.world.port("mqttsn")), self.client_id)
        self.lock = threading.Lock()
        self.ids, self.released = {}, collections.deque()
        will = self.will and (self.will.topic, self.will.payload, self.will.qos, False)
        self.wire.connect(clean=not self.session, will=will, duration=self.keepalive)
        self.reading = threading.Event()
        self.reading.set()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def read(self):
        while self.reading.is_set():
            if not self.wire.pending and not select.select([self.wire.socket], [], [], 0.02)[0]:
                continue
            with self.lock:
                try:
                    self.take(self.wire.recv(0.05))
                except sn.Timeout:
                    pass  # a dialogue was quicker

    def take(self, found):
        if found.type == sn.REGISTER:
            self.wire.topics[found.topic_id] = found.topic
            self.wire.send(sn.topic_ack(sn.REGACK, found.topic_id, found.message_id))
        elif found.type == sn.PUBREL:
            self.wire.send(sn.message_ack(sn.PUBCOMP, found.message_id))
            if found.message_id in self.released:
                self.released.remove(found.message_id)
        elif found.type == sn.PUBLISH:
            name = (found.topic_id.to_bytes(2, "big").decode() if found.kind == sn.SHORT
                    else self.wire.topics[found.topic_id])
            is_copy = found.qos == 2 and found.message_id in self.released
            if found.qos == 2 and not is_copy:
                self.released.append(found.message_id)
            if not is_copy:
                self.inbox.add(Seen(name, found.payload, found.qos, found.retain))
            if found.qos == 1:
                self.wire.send(sn.topic_ack(sn.PUBACK, found.topic_id, found.message_id))
            elif found.qos == 2:
                self.wire.send(sn.message_ack(sn.PUBREC, found.message_id))

    def subscribe(self, topic, qos=2):
        with self.lock:
            number = self.wire.next_id()
            self.wire.send(sn.subscribe(topic, number, qos))
            found = self.await_any(sn.SUBACK)
            if found.topic_id:
                self.wire.topics[found.topic_id] = topic
            return f"SUBACK {found.code}"

    def await_any(self, *kinds):
        """The next message of one of these types; the others are taken as they come."""
        while True:
            found = self.wire.recv()
            if found.type in kinds:
                return found
            self.take(found)

    def publish(self, topic, payload, qos=1, retain=False):
        with self.lock:
            if topic not in self.ids:
                self.wire.send(sn.register(topic, self.wire.next_id()))
                self.ids[topic] = self.await_any(sn.REGACK).topic_id
                self.wire.topics[self.ids[topic]] = topic
            number = self.wire.next_id() if qos else 0
            datagram = sn.publish(self.ids[topic], payload, qos, number, retain=retain)
            self.wire.send(datagram)
            if qos == 0:  # only a refusal is told, and that before the answer to a ping
                self.wire.send(sn.message(sn.PINGREQ))
                found = self.await_any(sn.PUBACK, sn.PINGRESP)
                if found.type == sn.PINGRESP:
                    return "sent"
                self.await_any(sn.PINGRESP)
                return f"PUBACK {found.code}"
            found = self.await_any(sn.PUBACK, sn.PUBREC)
            if found.type == sn.PUBACK:
                return f"PUBACK {found.code}"
            self.wire.send(sn.message_ack(sn.PUBREL, number))
            self.await_any(sn.PUBCOMP)
            return "PUBREC 0"

    def drop(self):
        self.reading.clear()
        self.thread.join(DEADLINE)
        self.wire.close()

    def close(self):
        self.reading.clear()
        self.thread.join(DEADLINE)
        self.wire.send(sn.disconnect())
        self.wire.close()


class Libcoap(Programs):
    """coap-client: what it received is in its log, the bodies in a file."""

    URL_SAFE = "-._~!$'()*;:@="  # of a path segment; `+`, `#` and `%` are not

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.token = None

    def url(self, path, *query):
        path = path.replace("%", "%25")  # in the option, where the URI's own encoding is gone
        levels = "/".join(urllib.parse.quote(one, safe=self.URL_SAFE) for one in path.split("/"))
        return (f"coap://127.0.0.1:{self.world.port('coap')}/{levels}?" +
                "&".join(urllib.parse.quote(one, safe="=/") for one in query))

    def who(self):
        if self.token:
            return [f"token={self.token}"]
        return [f"clientid={self.next_name()}", f"u={USER}", f"p={PASSWORD}"]

    def open(self):
        if not self.session and not self.will:
            return self
        query = [f"clientid={self.client_id}", f"u={USER}", f"p={PASSWORD}",
                 f"keepalive={self.keepalive}"]
        query += ["session_expiry=3600"] if self.session else []
        body = []
        if self.will:
            query += [f"will_topic={self.will.topic}", f"will_qos={self.will.qos}"]
            body = ["-f", str(self.file(self.will.payload))]
        found = self.run([COAP_CLIENT, "-m", "post", *body, self.url("mqtt/connection", *query)])
        self.token = found.strip()
        if not re.fullmatch(r"[\w-]+", self.token):
            raise AssertionError(f"{self.client_id}: {found}")
        return self

    def subscribe(self, topic, qos=2):
        bodies = self.world.folder / f"{self.next_name()}.bodies"
        url = self.url("ps/" + topic, f"qos={qos}", *self.who())
        watch = Observation(bodies, self.inbox)
        self.processes.append(Process(["stdbuf", "-oL", COAP_CLIENT, "-v", "7", "-s", "600", "-B",
                                       "600", "-o", str(bodies), url], watch.on_line))
        return self.processes[-1].answer()

    def close(self):
        super().close()
        if self.token:
            self.run([COAP_CLIENT, "-m", "delete", self.url("mqtt/connection",
                                                            f"token={self.token}")])

    def publish(self, topic, payload, qos=1, retain=False):
        query = [f"qos={qos}", *self.who()] + (["retain=1"] if retain else [])
        said = self.run([COAP_CLIENT, "-v", "7", "-m", "put", *(["-N"] if qos == 0 else []), "-b",
                         "1024", *(["-f", str(self.file(payload))] if payload else []),
                         self.url("ps/" + topic, *query)])
        found = [code for code in re.findall(r"^v:1 t:\w+ c:(\d\.\d\d)", said, re.MULTILINE)
                 if code not in ("0.00", "2.31")]
        return found[-1] if found else said


def topic_of(location):
    """The topic that a Location-Path names: it lies below one of the roots, and percent signs in it
    are encoded (docs/protocols/coap.md)."""
    return location[3:].replace("%25", "%") if location.startswith("ps/") else None


class Observation:
    """Reads the log of a coap-client that observes, and its bodies."""

    MESSAGE = re.compile(rb"v:1 t:(\w+) c:(\d\.\d\d) i:(\w+) \{\w*\} \[ (.*?) ?\](?: :: (.*))?\n")
    ESCAPED = re.compile(rb"\\x([0-9A-F]{2})")

    def __init__(self, bodies, inbox):
        self.bodies, self.inbox = bodies, inbox
        self.is_received, self.is_answered = False, False
        self.seen, self.file, self.current, self.size = set(), None, None, 0

    def plain(self, text):
        return self.ESCAPED.sub(lambda found: bytes([int(found.group(1), 16)]), text)

    def body_size(self, shown):
        """Of what the log shows of a body."""
        if shown is None:
            return 0
        found = re.match(rb"binary data length (\d+)", shown)
        return int(found.group(1)) if found else len(self.plain(shown[1:-1]))

    def on_line(self, line):
        if b" : received " in line or b" : sent " in line:
            self.is_received = b" : received " in line
            return None
        found = self.MESSAGE.match(line)
        if not found or not self.is_received or found.group(2) == b"0.00":
            return None
        kind, code, number, options, shown = found.groups()
        if not code.startswith(b"2."):
            return code.decode()
        if (kind == b"ACK", number) in self.seen:  # a copy, which the client passes over
            return None
        self.seen.add((kind == b"ACK", number))
        options = options.split(b", ")
        path = [self.plain(one[14:]) for one in options if one.startswith(b"Location-Path:")]
        if self.current is None:
            self.current = (topic_of(b"/".join(path).decode()), 1 if kind == b"CON" else 0)
        block = next((one for one in options if one.startswith(b"Block2:")), b"")
        self.size += 1024 if b"/M/1024" in block else self.body_size(shown)
        if b"/M/" in block:
            return None
        (topic, qos), size = self.current, self.size
        self.current, self.size = None, 0
        is_first, self.is_answered = not self.is_answered, True
        # What it answers with is no message, unless it has a value.
        if not is_first or size or topic is not None:
            self.inbox.add(Seen(topic, self.body(size), qos))
        return code.decode() if is_first else None

    def body(self, size):
        if size == 0:
            return b""
        deadline = time.monotonic() + DEADLINE
        while self.file is None and time.monotonic() < deadline:
            self.file = self.bodies.open("rb") if self.bodies.exists() else time.sleep(0.01)
        found = b""
        while len(found) < size and time.monotonic() < deadline:
            found += self.file.read(size - len(found)) or time.sleep(0.01) or b""
        return found


class Listener(stomp.ConnectionListener if stomp else object):
    """What stomp.py hears; answers by the receipt that they belong to."""

    def __init__(self, actor):
        self.actor = actor
        self.changed = threading.Condition()
        self.receipts, self.error, self.is_closed = set(), None, False

    def tell(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def on_message(self, frame):
        headers = frame.headers
        self.actor.inbox.add(Seen(headers["destination"], bytes(frame.body), int(headers["qos"]),
                                  headers.get("retain") == "true"))
        self.actor.client.ack(headers["ack"])

    def on_receipt(self, frame):
        self.tell(lambda: self.receipts.add(frame.headers["receipt-id"]))

    def on_error(self, frame):
        self.tell(lambda: setattr(self, "error", frame.headers["message"]))

    def on_disconnected(self):
        self.tell(lambda: setattr(self, "is_closed", True))

    def answer(self, receipt):
        with self.changed:
            self.changed.wait_for(lambda: receipt in self.receipts or self.is_closed, DEADLINE)
            if receipt in self.receipts:
                return "RECEIPT"
            return "ERROR, closed" if self.error and self.is_closed else f"{self.error}: no answer"


class StompPy(Actor):

    def open(self):
        self.client = stomp.Connection12([("127.0.0.1", self.world.port("stomp"))],
                                         reconnect_attempts_max=1, auto_decode=False)
        self.listener = Listener(self)
        self.client.set_listener("", self.listener)
        self.client.connect(USER, PASSWORD, wait=True, headers={"client-id": self.client_id},
                            with_connect_command=True)
        return self

    def subscribe(self, topic, qos=2):
        receipt = f"r{next(self.numbers)}"
        more = {"durable": "true"} if self.session else {}
        self.client.subscribe(topic, topic, "client-individual", {"receipt": receipt, **more})
        return self.listener.answer(receipt)

    def publish(self, topic, payload, qos=1, retain=False):
        receipt = f"r{next(self.numbers)}"
        more = {"retain": "true"} if retain else {}
        self.client.send(topic, payload, qos=qos, receipt=receipt, **more)
        return self.listener.answer(receipt)

    def drop(self):
        self.client.transport.disconnect_socket()

    def close(self):
        if self.client.is_connected():
            self.client.disconnect()
