"""A store that fails, seen by the clients of MQTT-SN, STOMP and CoAP.

As in test_store_faults.py, in the words of each protocol: what is not stored is not acknowledged,
what needs no store goes on, and once the store works again so does everything else.
"""

import subprocess

import coap_wire as coap
import harness
import sn_wire as sn
import stomp_wire as stomp
from coap_support import coap_address
from harness import MqttTest, ours_only, wait_until
from mqtt_wire import V5
from sn_support import sn_address, status
from store_support import FileLimit

SETTINGS = {
    "listener.mqttsn.default": "127.0.0.1:0",
    "listener.stomp.default": "127.0.0.1:{free_port}",
    "listener.coap.default": "127.0.0.1:0",
    "mqtt.sn.retry_interval": "1s",
    "mqtt.sn.retry_count": "60",
    "mqtt.sn.retry_backoff": "1",
}


class FailingStore(MqttTest):

    def setUp(self):
        super().setUp()
        self.fault = FileLimit(self)
        self.own = harness.Broker(**SETTINGS)
        self.addCleanup(lambda: self.assertIsNone(self.own.stop()))
        self.mqtt = self.client(V5, where=self.own.address)
        self.mqtt.subscribe(self.topic("live/#"), qos=1)
        self.addresses = {"sn": sn_address(self.own), "coap": coap_address(self.own)}

    def begin(self):
        """The store fails from here on."""
        self.fault.begin(self.own)

        def is_refused():
            return self.mqtt.publish(self.topic("probe"), b"x", 1, retain=True,
                                     code=None).code & 0x80
        wait_until(is_refused, "the store fails")

    def end(self):
        self.fault.end(self.own)
        wait_until(lambda: not status(self.own)["alarms"], "the store works again")

    def crash(self):
        """kill -9, a look at the file, and a new start."""
        self.own.kill()
        done = subprocess.run([harness.BINARY, "store", "check", "--data", self.own.data / "data"],
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.own._start()
        self.addresses = {"sn": sn_address(self.own), "coap": coap_address(self.own)}

    def keep(self, client):
        """Closes it with the test."""
        self._clients.append(client)
        return client

    def sensor(self, suffix="sensor"):
        return self.keep(sn.Client(self.addresses["sn"], self.name(suffix)))

    def stomp(self, **headers):
        where = ("127.0.0.1", int(self.own.started_with["listener.stomp.default"].split(":")[1]))
        found = self.keep(stomp.Client(where))
        if headers.pop("connect", True):
            found.connect("1.2", **headers)
        return found

    def device(self):
        return self.keep(coap.Client(self.addresses["coap"]))

    def retained(self, *suffixes):
        reader = self.client(V5, where=self.own.address)
        for suffix in suffixes:
            reader.subscribe(self.topic(suffix))
            self.assertEqual(reader.message().topic, self.topic(suffix))

    # --- MQTT-SN

    @ours_only("store")
    def test_sn_refusals(self):
        sensor = self.sensor().connect(clean=False)
        live, kept = sensor.register(self.topic("live/sn")), sensor.register(self.topic("kept"))
        sensor.subscribe(self.topic("old"), qos=1)
        self.begin()
        for qos in (1, 2):
            sensor.publish(kept, b"x", qos, retain=True, code=sn.CONGESTION)
        sensor.subscribe(self.topic("new"), qos=1, code=sn.CONGESTION)
        number = sensor.next_id()
        sensor.send(sn.register(self.topic("registered"), number))
        sensor.expect(sn.REGACK, message_id=number, code=sn.CONGESTION)
        for _ in range(2):  # has no word for a refusal: it is not answered, however often asked
            sensor.send(sn.subscribe(self.topic("old"), 77, unsubscribe=True))
            sensor.silent()
        # What needs no store goes on.
        sensor.publish(live, b"quick", 0)
        self.assertEqual(self.mqtt.message().payload, b"quick")
        sensor.publish(live, b"sure", 1)
        self.assertEqual(self.mqtt.message().payload, b"sure")
        sensor.ping()
        self.end()
        sensor.publish(kept, b"y", 2, retain=True)
        sensor.send(sn.subscribe(self.topic("old"), 77, unsubscribe=True))
        sensor.expect(sn.UNSUBACK, message_id=77)
        self.crash()
        self.retained("kept")

    @ours_only("store")
    def test_sn_connack(self):
        """CONNACK promises a session, or that an older one is gone."""
        resumed = self.sensor("resumed").connect(clean=False)
        resumed.subscribe(self.topic("q"), qos=1)
        resumed.disconnect()
        self.begin()
        self.sensor("fresh").connect(clean=False, code=sn.CONGESTION)
        self.sensor("will").connect(clean=False, will=(self.topic("live/will"), b"gone", 1, False),
                                    code=sn.CONGESTION)
        self.sensor("passing").connect(clean=True)
        # Nothing changes for this one: a restart would find it as it is.
        resumed = self.sensor("resumed").connect(clean=False)
        resumed.disconnect()
        resumed.connect(clean=True, code=sn.CONGESTION)
        self.end()
        fresh = self.sensor("fresh").connect(clean=False)
        fresh.subscribe(self.topic("q"), qos=1)
        self.crash()
        self.mqtt = self.client(V5, where=self.own.address)
        self.mqtt.publish(self.topic("q"), b"for the fresh one", 1)
        fresh = self.sensor("fresh").connect(clean=False)
        self.assertEqual(fresh.message().payload, b"for the fresh one")

    @ours_only("store")
    def test_sn_will_updates(self):
        """The will of a session that is kept is a promise too."""
        sensor = self.sensor().connect(clean=False, will=(self.topic("live/will"), b"old", 1, False))
        self.begin()
        sensor.send(sn.message(sn.WILLMSGUPD, b"new"))
        sensor.expect(sn.WILLMSGRESP, code=sn.CONGESTION)
        sensor.send(sn.will_topic(self.topic("live/other"), 1, kind=sn.WILLTOPICUPD))
        sensor.expect(sn.WILLTOPICRESP, code=sn.CONGESTION)
        self.end()
        sensor.send(sn.message(sn.WILLMSGUPD, b"newest"))
        sensor.expect(sn.WILLMSGRESP, code=sn.ACCEPTED)

    @ours_only("store")
    def test_sn_pubrel_is_answered_later(self):
        """What a PUBREL does could not be stored: asked again, it is answered once it could."""
        sensor = self.sensor().connect(clean=False)
        sensor.send(sn.publish(sensor.register(self.topic("live/sn")), b"x", 2, 9))
        sensor.expect(sn.PUBREC, message_id=9)
        self.assertEqual(self.mqtt.message().payload, b"x")
        self.begin()
        for _ in range(3):
            sensor.send(sn.message_ack(sn.PUBREL, 9))
            sensor.silent()
        self.end()
        sensor.send(sn.message_ack(sn.PUBREL, 9))
        sensor.expect(sn.PUBCOMP, message_id=9)

    @ours_only("store")
    @harness.waits(4)
    def test_sn_pubrel_waits(self):
        """A PUBREC that was not stored would be forgotten in a crash, and the message come again as
        another one: PUBREL must not leave before, nor by T_retry."""
        sensor = self.sensor().connect(clean=False)
        sensor.subscribe(self.topic("q"), qos=2)
        self.mqtt.publish(self.topic("q"), b"once", 2)
        found = sensor.message(acknowledge=False)
        self.begin()
        for _ in range(2):
            sensor.send(sn.message_ack(sn.PUBREC, found.message_id))
            sensor.silent(1.7)
        self.end()
        sensor.expect(sn.PUBREL, message_id=found.message_id)
        self.crash()
        sensor.move()
        sensor.address = self.addresses["sn"]
        sensor.move()
        sensor.connect(clean=False)
        sensor.expect(sn.PUBREL, message_id=found.message_id)
        sensor.send(sn.message_ack(sn.PUBCOMP, found.message_id))

    @ours_only("store")
    def test_sn_repeated_after_reconnect(self):
        """What was refused before a connection ended is not acknowledged on the next."""
        for qos in (1, 2):
            with self.subTest(qos=qos):
                sensor = self.sensor(f"sensor{qos}").connect(clean=False)
                kept = sensor.register(self.topic(f"kept{qos}"))
                self.begin()
                sensor.send(sn.publish(kept, b"x", qos, 5, retain=True),
                            sn.connect(sensor.client_id, clean=False, duration=61))
                sensor.await_type(sn.CONNACK)
                sensor.pending.clear()
                sensor.send(sn.publish(kept, b"x", qos, 5, retain=True, dup=True))
                sensor.expect(sn.PUBACK, message_id=5, code=sn.CONGESTION)
                self.end()

    # --- STOMP

    @ours_only("store")
    def test_stomp_refusals(self):
        durable = self.stomp(client_id=self.name("durable"))
        durable.subscribe(self.topic("q"), durable="true", ack="client")
        passing = self.stomp()
        self.begin()
        # What needs no store goes on, on a connection that stays.
        passing.send("SEND", {"destination": self.topic("live/stomp")}, b"quick")
        self.assertEqual(self.mqtt.message().payload, b"quick")
        passing.receipt("SEND", {"destination": self.topic("live/stomp")}, b"sure")
        self.assertEqual(self.mqtt.message().payload, b"sure")
        refused = {
            "SEND": ("SEND", {"destination": self.topic("q")}, b"x"),
            "retained": ("SEND", {"destination": self.topic("r"), "retain": "true"}, b"x"),
        }
        for what, (command, headers, body) in refused.items():
            with self.subTest(what):
                client = self.stomp()
                client.send(command, {**headers, "receipt": "7"}, body)
                self.assertEqual(client.expect_error()["receipt-id"], "7")
        client = self.stomp()
        client.send("BEGIN", {"transaction": "t"})
        client.send("SEND", {"destination": self.topic("q"), "transaction": "t"}, b"x")
        client.send("COMMIT", {"transaction": "t", "receipt": "8"})
        self.assertEqual(client.expect_error()["receipt-id"], "8")
        durable.send("SUBSCRIBE", {"destination": self.topic("more"), "id": "1", "durable": "true",
                                   "receipt": "9"})
        found = [one for one in durable.expect_closed() if one.command != "MESSAGE"]
        self.assertEqual([(one.command, one["receipt-id"]) for one in found], [("ERROR", "9")])
        self.end()
        client = self.stomp()
        client.receipt("SEND", {"destination": self.topic("r"), "retain": "true"}, b"y")
        self.crash()
        self.mqtt = self.client(V5, where=self.own.address)
        self.retained("r")

    @ours_only("store")
    def test_stomp_connected(self):
        """CONNECTED to a client with a client-id promises a session."""
        self.begin()
        fresh = self.stomp(connect=False)
        fresh.send("CONNECT", {"host": "localhost", "accept-version": "1.2",
                               "client-id": self.name("fresh")})
        # What a client sends without waiting for CONNECTED is as lost as the login.
        fresh.send("SEND", {"destination": self.topic("live/early")}, b"x")
        self.assertEqual(fresh.expect_error()["message"], "could not be stored")
        self.assertEqual(self.stomp().connected.command, "CONNECTED")
        self.end()
        fresh = self.stomp(client_id=self.name("fresh"))
        self.assertEqual(fresh.connected["session-present"], "false")
        fresh.subscribe(self.topic("q"), durable="true")
        self.crash()
        fresh = self.stomp(client_id=self.name("fresh"))
        self.assertEqual(fresh.connected["session-present"], "true")
        self.mqtt = self.client(V5, where=self.own.address)
        self.mqtt.publish(self.topic("live/early"), b"end", 1)

    @ours_only("store")
    def test_stomp_pipelined_login(self):
        """Frames behind CONNECT wait with it, and none is lost."""
        client = self.stomp(connect=False)
        frames = [stomp.encode("CONNECT", {"host": "localhost", "accept-version": "1.2",
                                           "client-id": self.name("fast")})]
        frames += [stomp.encode("SEND", {"destination": self.topic("live/fast")}, b"%d" % number)
                   for number in range(20)]
        frames.append(stomp.encode("DISCONNECT", {"receipt": "bye"}))
        client.raw(b"".join(frames))
        client.expect("CONNECTED")
        self.assertEqual([one.payload for one in self.mqtt.messages(20)],
                         [b"%d" % number for number in range(20)])
        self.assertEqual(client.expect("RECEIPT")["receipt-id"], "bye")

    # --- CoAP

    @ours_only("store")
    def test_coap_refusals(self):
        keeper = self.client(V5, self.name("keeper"), self.own.address, clean=False,
                             properties={"session_expiry": 3600})
        keeper.subscribe(self.topic("q"), qos=1)
        keeper.disconnect()
        device = self.device()
        self.begin()
        for query in ((), ("qos=2",)):
            self.assertEqual(device.put("ps/" + self.topic("q"), b"x", query=query).code, "5.03")
        self.assertEqual(device.put("ps/" + self.topic("r"), b"x", query="retain=1").code,
                         "5.03")
        unsure = device.request(coap.PUT, "ps/" + self.topic("r"), kind=coap.NON,
                                query=("retain=1", "qos=1"), payload=b"x")
        self.assertEqual(device.answer_to(unsure).code, "5.03")
        # What needs no store goes on.
        self.assertEqual(device.put("ps/" + self.topic("live/coap"), b"quick",
                                    query="qos=0").code, "2.04")
        self.assertEqual(self.mqtt.message().payload, b"quick")
        self.assertEqual(device.put("ps/" + self.topic("live/coap"), b"sure").code, "2.04")
        self.assertEqual(self.mqtt.message().payload, b"sure")
        self.assertEqual(device.get("ps/" + self.topic("first")).code, "4.04")
        connection = device.ask(coap.POST, "mqtt/connection", query="clientid=" + self.name("fresh"))
        self.assertEqual(connection.code, "5.03")
        self.end()
        self.assertEqual(device.put("ps/" + self.topic("r"), b"y", query="retain=1").code[:2],
                         "2.")
        connection = device.ask(coap.POST, "mqtt/connection", query="clientid=" + self.name("fresh"))
        self.assertEqual(connection.code, "2.01")
        self.crash()
        self.retained("r")


if __name__ == "__main__":
    harness.main()
