"""Every protocol as a way into the session of one client id: what the test_identity_* programs and
test_one_session.py share."""

import json
import socket
import threading
import time
import uuid

import coap_wire as coap
import mqtt_wire as wire
import sn_wire as sn
import stomp_wire as stomp
import ws_wire
from coap_support import coap_address
from harness import MqttTest
from sn_support import sn_address

END = b"end"
_addresses = {}
_lock = threading.Lock()


def address_of(broker, find):
    """Where a listener is whose port was the system's choice; asked once for each start."""
    key = (id(broker), broker.process.pid, find)
    with _lock:
        if key not in _addresses:
            _addresses[key] = find(broker)
        return _addresses[key]


def port_of(broker, listener):
    """The address of a listener whose port the test has chosen."""
    return "127.0.0.1", int(broker.started_with[f"listener.{listener}.default"].rsplit(":", 1)[1])


class Way:
    """A client that has come. `user`: (name, password), or None for one without a name."""

    label = ""         # as the tables have it
    packet_ids = None  # whose: two programs of one device count apart
    version = wire.V311
    knows_present = False  # whether the answer to a connect says that there was a session

    def __init__(self, test, client_id, user=None, will=None):
        """`will` is (topic, payload)."""
        self.test, self.client_id, self.user, self.will = test, client_id, user, will
        self.wire = None
        self.has_session = None
        self.connect()

    def name(self, topic):
        """Says that it is there for a subscription which the session has."""

    def settle(self):
        """Waits until the gateway has heard what this client has acknowledged: it answers in order."""
        self.publish(self.test.topic("after"), b"")

    def close(self):
        """Goes without a word."""
        self.wire.close()

    @classmethod
    def refusal(cls, test, client_id, user=None):
        """How a client is refused that may not have the session."""
        found = cls.__new__(cls)
        found.test, found.client_id, found.user, found.will = test, client_id, user, None
        found.wire = test.keep(found.open())
        return found.try_connect()

    def until_end(self, acknowledge=True):
        """The payloads up to the message that says END."""
        found = []
        while not found or found[-1] != END:
            found.append(self.receive(acknowledge=acknowledge))
        return found[:-1]


class Mqtt(Way):

    label, packet_ids, knows_present = "MQTT 3.1.1", "MQTT", True
    properties = None

    def open(self):
        return wire.Client(self.test.broker().address, self.version)

    def fields(self):
        found = {"clean": False, "properties": self.properties}
        if self.user:
            found["username"], found["password"] = self.user
        if self.will:
            found["will"] = wire.Will(*self.will, qos=1)
        return found

    def connect(self):
        self.wire = self.test.keep(self.open())
        self.has_session = self.wire.connect(self.client_id, **self.fields()).session_present

    def try_connect(self):
        """As connect(), of one who may not: how it is refused."""
        return f"{self.wire.connect(self.client_id, code=None, **self.fields()).code:#04x}"

    def subscribe(self, topic):
        self.wire.subscribe(topic, qos=2)

    def publish(self, topic, payload, qos=1):
        self.wire.publish(topic, payload, qos)

    def receive(self, timeout=None, acknowledge=True):
        return self.wire.message(timeout, acknowledge).payload

    def was_told(self):
        """How it has heard that another has its session; it is closed then."""
        before = self.wire.expect_closed()
        return f"DISCONNECT {before[-1].code:#04x}" if before else "closed"

    # --- exchanges at QoS 2, step by step

    def begin(self, topic, payload, number, dup=False):
        """PUBLISH at QoS 2; PUBREC is left unread."""
        self.wire.send(wire.publish(topic, payload, 2, number, dup=dup, version=self.version))

    def received(self, number):
        self.test.assertEqual(self.wire.expect(wire.PUBREC).id, number)

    def release(self, number):
        self.wire.send(wire.ack(wire.PUBREL, number))

    def completed(self, number):
        self.test.assertEqual(self.wire.expect(wire.PUBCOMP).id, number)

    def take(self):
        """The next message at QoS 2, not acknowledged: (payload, packet id, DUP)."""
        found = self.wire.message(acknowledge=False)
        return found.payload, found.id, found.dup

    def acknowledge(self, number):
        self.wire.send(wire.ack(wire.PUBREC, number))

    def released(self):
        """The packet id of the PUBREL that comes."""
        return self.wire.expect(wire.PUBREL).id

    def complete(self, number):
        self.wire.send(wire.ack(wire.PUBCOMP, number))


class Mqtt5(Mqtt):

    label, version = "MQTT 5", wire.V5
    properties = {"session_expiry": 3600}


class MqttWeb(Mqtt5):

    label = "MQTT 5, WebSocket"

    def open(self):
        address = port_of(self.test.broker(), "ws")
        found = wire.Client(address, self.version)
        found.socket = ws_wire.WebSocketAsSocket(found.socket, address)
        return found


class Sensor(Mqtt):

    label, packet_ids, knows_present = "MQTT-SN", "MQTT-SN", False
    duration = 60

    def open(self):
        return sn.Client(address_of(self.test.broker(), sn_address), self.client_id)

    def try_connect(self):
        self.wire.send(sn.connect(self.client_id, False))
        return f"CONNACK {self.wire.expect(sn.CONNACK).code}"

    def connect(self):
        self.wire = self.test.keep(self.open())
        self.wire.connect(clean=False, will=self.will and (*self.will, 1, False),
                          duration=self.duration)

    def publish(self, topic, payload, qos=1):
        number = self.wire.next_id()
        self.wire.send(sn.publish(self.id_of(topic), payload, qos, number))
        self.test.assertEqual(self.wire.await_type(sn.PUBACK).message_id, number)

    def id_of(self, topic):
        """What waits for the client may come while it asks."""
        known = {name: number for number, name in self.wire.topics.items()}
        if topic not in known:
            self.wire.send(sn.register(topic, self.wire.next_id()))
            known[topic] = self.wire.await_type(sn.REGACK).topic_id
            self.wire.topics[known[topic]] = topic
        return known[topic]

    def was_told(self):
        self.wire.await_type(sn.DISCONNECT)
        return "DISCONNECT"

    def begin(self, topic, payload, number, dup=False):
        self.wire.send(sn.publish(self.id_of(topic), payload, 2, number, dup=dup))

    def received(self, number):
        self.wire.expect(sn.PUBREC, message_id=number)

    def release(self, number):
        self.wire.send(sn.message_ack(sn.PUBREL, number))

    def completed(self, number):
        self.wire.expect(sn.PUBCOMP, message_id=number)

    def take(self):
        found = self.wire.message(acknowledge=False)
        return found.payload, found.message_id, found.dup

    def acknowledge(self, number):
        self.wire.send(sn.message_ack(sn.PUBREC, number))

    def released(self):
        return self.wire.expect(sn.PUBREL).message_id

    def complete(self, number):
        self.wire.send(sn.message_ack(sn.PUBCOMP, number))


class Stomp(Way):

    label, knows_present = "STOMP", True

    def open(self):
        return stomp.Client(port_of(self.test.broker(), "stomp"))

    def connect(self):
        self.wire = self.test.keep(self.open())
        self.early = []
        found = self.wire.connect(client_id=self.client_id, **self.login())
        self.has_session = found["session-present"] == "true"

    def login(self):
        return dict(zip(("login", "passcode"), self.user)) if self.user else {}

    def try_connect(self):
        headers = {"host": "localhost", "accept-version": "1.2", "client-id": self.client_id}
        self.wire.raw(stomp.encode("CONNECT", headers | self.login()))
        return f"ERROR {self.wire.expect_error()['message']}"

    def subscribe(self, topic):
        self.early += self.wire.subscribe(topic, topic, "client-individual", durable="true")

    name = subscribe

    def publish(self, topic, payload, qos=1):
        self.early += self.wire.receipt("SEND", {"destination": topic, "qos": qos}, payload)

    def receive(self, timeout=None, acknowledge=True):
        found = self.early.pop(0) if self.early else self.wire.message(timeout)
        if acknowledge:
            self.wire.send("ACK", {"id": found["ack"]})
        return found.body

    def was_told(self):
        return f"ERROR {self.wire.expect_error()['message']}"


class SockJsAsSocket:
    """What stomp_wire.Client needs of a socket, over SockJS's own WebSocket transport."""

    def __init__(self, address, connected=None):
        self.web = ws_wire.WebSocket(address, f"/stomp/000/{uuid.uuid4()}/websocket", None,
                                     connected)
        self.timeout = None
        if self.web.recv() != (ws_wire.TEXT, b"o"):
            raise AssertionError("no session was opened")

    def settimeout(self, seconds):
        self.timeout = seconds

    def sendall(self, data):
        self.web.send(json.dumps([data.decode()]).encode(), ws_wire.TEXT)

    def recv(self, _count):
        deadline = time.monotonic() + (self.timeout or stomp.DEFAULT_TIMEOUT)
        while True:
            opcode, payload = self.web.recv(max(0.001, deadline - time.monotonic()))
            if opcode == ws_wire.CLOSE or payload[:1] == b"c":
                return b""
            if payload[:1] == b"a":
                return "".join(json.loads(payload[1:])).encode()

    def close(self):
        self.web.socket.close()


class SockStomp(Stomp):

    label = "STOMP, SockJS"

    def open(self):
        address = port_of(self.test.broker(), "sockjs")
        found = stomp.Client(address)
        found.socket.close()
        found.socket = SockJsAsSocket(address)
        return found


class Coap(Way):

    label = "CoAP"
    keepalive = None
    observes = False

    def open(self):
        return coap.Client(address_of(self.test.broker(), coap_address))

    def connect(self):
        self.wire = self.test.keep(self.open())
        found = self.ask()
        self.test.assertEqual(found.code, "2.01")
        self.query = ["token=" + found.payload.decode(), "qos=1"]
        self.seen = set()

    def ask(self):
        query = ["clientid=" + self.client_id, "session_expiry=3600"]
        if self.keepalive:
            query.append(f"keepalive={self.keepalive}")
        query += self.login()
        if self.will:
            query += ["will_topic=" + self.will[0], "will_qos=1"]
        return self.wire.ask(coap.POST, "mqtt/connection", query=query,
                             payload=self.will[1] if self.will else b"")

    def login(self):
        return [f"u={self.user[0]}", f"p={self.user[1]}"] if self.user else []

    def try_connect(self):
        return self.ask().code

    def subscribe(self, topic):
        self.test.assertEqual(self.wire.observe("ps/" + topic, query=self.query).code, "2.05")
        self.observes = True

    name = subscribe

    def publish(self, topic, payload, qos=1):
        query = [self.query[0], f"qos={qos}"]
        self.test.assertEqual(self.wire.put("ps/" + topic, payload, query=query).code, "2.04")

    def receive(self, timeout=None, acknowledge=True):
        while True:
            found = self.wire.recv(timeout)
            is_copy, _ = found.id in self.seen, self.seen.add(found.id)
            if acknowledge:
                self.wire.ack(found)
            if not is_copy:
                return found.payload

    def was_told(self):
        if self.observes:
            return self.wire.notification().code
        # Nothing is observed that could be told an end: its token is good no more.
        query = ["clientid=" + self.client_id, self.query[0]]
        return self.wire.ask(coap.PUT, "mqtt/connection", query=query).code


WAYS = (Mqtt, Mqtt5, MqttWeb, Sensor, Coap, Stomp, SockStomp)
TIMEOUTS = (wire.Timeout, sn.Timeout, stomp.Timeout, coap.Timeout, socket.timeout)


def for_each(*ways):
    """Makes a test `test_x(self, first)` one test for each of these ways, so that they run side by
    side."""
    def mark(test):
        test.ways = ways
        return test
    return mark


class IdentityTest(MqttTest):
    """A test whose clients come by several protocols to one broker."""

    settings = {"listener.mqttsn.default": "127.0.0.1:0", "listener.coap.default": "127.0.0.1:0",
                "listener.stomp.default": "127.0.0.1:{free_port}",
                "listener.ws.default": "127.0.0.1:{free_port}",
                "listener.sockjs.default": "127.0.0.1:{free_port}"}

    def __init_subclass__(cls, **more):
        for name, test in list(vars(cls).items()):
            for way in getattr(test, "ways", ()):
                setattr(cls, f"{name}_{way.__name__}",
                        lambda self, test=test, way=way: test(self, way))
            if hasattr(test, "ways"):
                delattr(cls, name)
        super().__init_subclass__(**more)

    def keep(self, client):
        """Closes it with the test."""
        self._clients.append(client)
        return client

    def pairs(self, first, others=WAYS):
        """Each way to come after `first`, with a client id and a topic of the pair's own."""
        for second in others:
            both = f"{first.__name__}-{second.__name__}"
            yield second, self.name(both), self.topic(both)

    def seen(self, watcher, sender, topic):
        """What has come for a watcher before a message that is sent now."""
        sender.publish(topic, END, 1)
        found = [watcher.message().payload]
        while found[-1] != END:
            found.append(watcher.message().payload)
        return found[:-1]
