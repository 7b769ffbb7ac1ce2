"""What the STOMP test programs share: brokers with a STOMP listener, clients that are closed."""

import harness
import mqtt_wire
import stomp_wire as stomp
from harness import MqttTest


def listener_key():
    """The one of the two kinds of listeners that is tested: see --tls."""
    return "listener.stomp.default" if mqtt_wire.TLS is None else "listener.stomps.default"


def listener(broker):
    """Where the broker's STOMP listener accepts."""
    return ("127.0.0.1", int(broker.started_with[listener_key()].rsplit(":", 1)[1]))


class StompTest(MqttTest):
    """A test with STOMP and MQTT clients, on brokers that this program's tests share."""

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name, test in list(vars(cls).items()):
            if hasattr(test, "stomp_versions"):
                delattr(cls, name)
                for version in test.stomp_versions:
                    setattr(cls, f"{name}_v{version.replace('.', '')}", _for_version(test, version))

    def stomp_broker(self, **settings):
        """The broker with these settings beside its STOMP listener; dots are `__`."""
        if harness.PEER != "mangrove":
            self.skipTest("the peer speaks no STOMP")
        return harness.broker(**_with_listener(settings))

    def own_broker(self, **settings):
        """A broker of this test's own, to be restarted or killed."""
        if harness.PEER != "mangrove":
            self.skipTest("the peer speaks no STOMP")
        found = harness.Broker(**{key.replace("__", "."): value
                                  for key, value in _with_listener(settings).items()})
        self.addCleanup(found.stop)
        return found

    def raw(self, broker=None):
        """A STOMP connection without CONNECT."""
        found = stomp.Client(listener(broker or self.stomp_broker()))
        self._clients.append(found)
        return found

    def stomp(self, version="1.2", broker=None, **headers):
        """A connected STOMP client; CONNECTED is its `connected`."""
        found = self.raw(broker)
        found.connect(version, **headers)
        return found


def _with_listener(settings):
    made = {"listener__stomp__default": "127.0.0.1:{free_port}", **settings}
    if mqtt_wire.TLS is not None:
        made = {name.replace("listener__stomp__", "listener__stomps__"): value
                for name, value in made.items()}
        made["listener__stomps__default__certfile"] = harness.TLS_FILES[0]
        made["listener__stomps__default__keyfile"] = harness.TLS_FILES[1]
    return made


def versions(*wanted):
    """Makes a test `test_x(self, version)` one test for each of these versions (default: all)."""
    def mark(test):
        test.stomp_versions = wanted or stomp.VERSIONS
        return test
    return mark


def _for_version(test, version):
    def run(self):
        return test(self, version)
    run.__doc__ = test.__doc__
    run.__name__ = f"{test.__name__}_v{version.replace('.', '')}"
    return run
