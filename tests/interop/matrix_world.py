"""One broker with a listener of every kind, and the ways into it: which client speaks what."""

import atexit
import collections
import concurrent.futures
import pathlib
import shutil
import tempfile
import threading
import unittest

import harness
import matrix_clients as clients
import matrix_node as node
import pki
from auth_tools import QUICK, add_user

MQTT31, MQTT311, MQTT5 = "MQTT 3.1", "MQTT 3.1.1", "MQTT 5"
SN, COAP, STOMP, SOCKJS = "MQTT-SN", "CoAP", "STOMP", "STOMP over SockJS"
PROTOCOLS = (MQTT31, MQTT311, MQTT5, SN, COAP, STOMP, SOCKJS)
MQTT = (MQTT31, MQTT311, MQTT5)

PORTS = {"tcp": "tcp.default", "ws": "ws.default", "wss": "wss.default", "stomp": "stomp.default",
         "sockjs": "sockjs.default", "mqttsn": "mqttsn.default", "coap": "coap.default"}

RULES = "deny = client=eve-* pubsub secret/#\n"

Way = collections.namedtuple("Way", "slug protocol client make")


def mqtt_js(scheme, version):
    def where(world):
        host = "localhost" if scheme == "wss" else "127.0.0.1"
        path = "" if scheme == "tcp" else "/mqtt"
        more = {"ca": str(world.authority.certificate)} if scheme == "wss" else {}
        return {"url": f"{scheme if scheme != 'tcp' else 'mqtt'}://{host}:{world.port(scheme)}{path}",
                "version": version, **more}
    return {"kind": "mqtt", "where": where}


def at(kind):
    return {"kind": kind, "where": lambda world: {"host": "127.0.0.1", "port": world.port(kind)}}


def _ways():
    def way(slug, protocol, client, cls, **fixed):
        return Way(slug, protocol, client,
                   lambda *arguments, **more: cls(*arguments, **fixed, **more))
    mosquitto, paho = clients.Mosquitto, clients.Paho
    yield way("mosquitto-31", MQTT31, "mosquitto_pub and _sub", mosquitto, version="mqttv31")
    yield way("paho-31", MQTT31, "Paho for Python", paho, version=3)
    yield way("mosquitto-311", MQTT311, "mosquitto_pub and _sub", mosquitto, version="mqttv311")
    yield way("paho-311", MQTT311, "Paho for Python", paho, version=4)
    yield way("npm-311", MQTT311, "npm `mqtt`, TCP", node.NodeActor, **mqtt_js("tcp", 4))
    yield way("mosquitto-5", MQTT5, "mosquitto_pub and _sub", mosquitto, version="mqttv5")
    yield way("paho-5", MQTT5, "Paho for Python", paho, version=5)
    yield way("npm-ws", MQTT5, "npm `mqtt`, WebSocket", node.NodeActor, **mqtt_js("ws", 5))
    yield way("npm-wss", MQTT5, "npm `mqtt`, WebSocket over TLS", node.NodeActor,
              **mqtt_js("wss", 5))
    yield way("sn", SN, "the tests' own, at the level of datagrams", clients.Sensor)
    yield way("libcoap", COAP, "coap-client", clients.Libcoap)
    yield way("npm-coap", COAP, "npm `coap`", node.NodeActor, **at("coap"))
    yield way("stomp-py", STOMP, "stomp.py", clients.StompPy)
    yield way("stompjs", STOMP, "npm `@stomp/stompjs`, TCP", node.NodeActor, **at("stomp"))
    yield way("sockjs", SOCKJS, "sockjs-client with stompjs in Chromium", node.NodeActor,
              kind="page", where=lambda world: {
                  "url": f"http://127.0.0.1:{world.port('sockjs')}/stomp",
                  "transport": "websocket"})


WAYS = {one.slug: one for one in _ways()}


def missing():
    """The clients that are not there."""
    found = [] if shutil.which("node") else ["node"]
    found += [] if clients.paho else ["python3-paho-mqtt"]
    found += [] if clients.stomp else ["python3-stomp"]
    found += [] if clients.COAP_CLIENT else ["coap-client-openssl"]
    found += [one for one in ("mosquitto_pub", "mosquitto_sub") if not shutil.which(one)]
    return found + node.missing()


class World:
    """The broker, its users and rules, the process of the npm clients, and all that was opened."""

    def __init__(self, **settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mangrove-matrix-"))
        self.authority = pki.Authority()
        certificate, key = self.authority.server()
        rules = self.folder / "acl.conf"
        rules.write_text(RULES)
        self.opened, self.driver, self.broker = [], None, None
        self.pool = concurrent.futures.ThreadPoolExecutor(2 * len(WAYS))
        try:
            self.driver = node.Driver()
            self.broker = harness.broker(**{
                **{f"listener.{name}": "127.0.0.1:{free_port}" for name in PORTS.values()
                   if name != "tcp.default"},
                "listener.wss.default.certfile": certificate,
                "listener.wss.default.keyfile": key, "acl.file": str(rules),
                "mqtt.sn.username": clients.USER, "mqtt.sn.password": clients.PASSWORD,
                "node.workers": "2", "mqtt.max_packet_size": "2MB",
                **QUICK, **settings})
            add_user(self.broker, clients.USER, clients.PASSWORD)
        except BaseException:
            self.close()
            raise

    def port(self, name):
        if name == "tcp":
            return self.broker.port
        return int(self.broker.started_with[f"listener.{PORTS[name]}"].rsplit(":", 1)[1])

    def actor(self, way, client_id=None, **more):
        """An open client of this way."""
        found = way.make(self, client_id or f"usual-{way.slug}", **more)
        self.opened.append(found)
        found.open()
        return found

    def actors(self, prefix="usual", ways=None, **more):
        """Clients of all ways, or of those, by slug; `more` may be a function of the way."""
        def one(way):
            given = {key: value(way) if callable(value) else value for key, value in more.items()}
            return self.actor(way, f"{prefix}-{way.slug}", **given)
        chosen = list(WAYS.values()) if ways is None else ways
        return dict(zip((way.slug for way in chosen), self.pool.map(one, chosen)))

    def each(self, actors, use):
        """`use(slug, actor)` for each at the same time; what it gives, by slug."""
        return dict(zip(actors, self.pool.map(use, actors.keys(), actors.values())))

    def restart_after_kill(self):
        self.broker.kill()
        self.broker._start()  # pylint: disable=protected-access

    def close(self):
        """Ends what was opened; the broker is the harness's."""
        for one in self.opened:
            if isinstance(one, clients.Programs):
                one.drop()
        if self.driver:
            self.driver.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class MatrixTest(unittest.TestCase):
    """Tests that share a world, made when the first of them begins."""

    settings = {}
    _lock = threading.Lock()
    _made = {}

    def setUp(self):
        if missing():
            self.skipTest("not there: " + ", ".join(missing()))
        with MatrixTest._lock:
            made = MatrixTest._made
            if type(self) not in made:
                made[type(self)] = None
                type(self).world = World(**self.settings)
                atexit.register(self.world.close)
                self.prepare()
                made[type(self)] = True
        self.assertTrue(made[type(self)], "the first test could not prepare")

    @classmethod
    def prepare(cls):
        """What the first test does for all: a client of each way."""
        cls.actors = cls.world.actors()

    def subscribe(self, topic, among=None, qos=2):
        """All subscribe, or those."""
        answers = self.world.each(among or self.actors, lambda _, one: one.subscribe(topic, qos))
        for slug, answer in answers.items():
            self.assertIn(answer, (f"SUBACK {qos}", "SUBACK 0", "2.05", "RECEIPT"), slug)

    def wait(self, prefix, count, among=None):
        """Waits until each has so many messages of such topics (a number, or a function of the
        slug); what each has, by topic."""
        def come(slug, one):
            found = one.inbox.wait(lambda seen: (seen.topic or "").startswith(prefix),
                                   count(slug) if callable(count) else count)
            by_topic = {}
            for seen in found:
                by_topic.setdefault(seen.topic, []).append(seen)
            return by_topic
        return self.world.each(among or self.actors, come)

    @staticmethod
    def once(found, show):
        """The value of a cell: `show(seen)` of the one message."""
        if len(found) != 1:
            return f"{len(found)} copies" if found else "nothing"
        return show(found[0])
