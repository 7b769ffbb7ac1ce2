"""A client of MQTT-SN 1.2 over UDP. Section numbers are those of the specification of 2013.

It keeps one exchange open at a time (6.5, 6.6, 6.9), repeats it after T_retry up to N_retry times (6.13), knows
repetitions of QoS 2 by their message id until PUBREL, and those of QoS 1 by DUP with the id and content of the one
before, and answers all of them. Without clean session its unfinished publication goes on with the next connection.

A client without clean session deletes or sets its will with each CONNECT, since it would else be the older one's (6.3).
`sleep` is DISCONNECT with a duration, PINGREQ with the client id after it, and CONNECT (6.14): for the history the
client is silent. The question whether all has come (`check_alive`) is asked in the same way, for PINGRESP to a sleeping
client comes after all that has waited.
"""

import time

import sn_wire as wire
from actors.datagrams import DatagramActor, Exchange

SLEEP_OF_CHECK = 600


class MqttSnActor(DatagramActor):

    PROTOCOL = "mqttsn"
    ACTIONS = DatagramActor.ACTIONS + ("sleep",)

    def __init__(self, setup):
        super().__init__(setup)
        self.ids = {}  # topic -> id, for publishing
        self.names = {}  # id -> topic, both by REGISTER and SUBACK
        self.message_ids = 0
        self.unreleased = {}  # message ids of QoS 2 that were taken and not released
        self.last_at_qos1 = None
        self.has_session = False
        self.wake_at = None
        self.slept = False  # PINGRESP ends a `sleep` step, and not `check_alive`
        self.unfinished = None  # the publication that goes on with the next connection

    # --- for the runner

    def busy(self):
        return super().busy() or bool(self.unreleased and self.conn) or self.wake_at is not None

    def may_have_session(self):
        return self.has_session

    def do_connect(self, clean=True, expiry=None, keep_alive=0, will=None, target=0, version=None, **_):
        del version
        self.target = self.setup.targets[target % len(self.setup.targets)]
        self.last_connect = {"clean": clean, "expiry": 0 if clean else None, "keep_alive": keep_alive, "will": will,
                             "target": target}
        del expiry  # MQTT-SN cannot say it
        link = self.open_link(self.target)
        self.begin_connection(link, clean, keep_alive)
        self.wake_at, self.slept = None, False
        if clean:
            self.forget_state()
        said = None
        if will:
            op = self.new_op()
            said = {"op": op, "topic": will["topic"], "qos": min(will["qos"], max(self.limits["qos"])),
                    "retain": will["retain"], "delay": 0, "empty": False}
        self.record("connect", conn=self.conn, client=self.setup.client_id, protocol=self.PROTOCOL, version="1.2",
                    clean=clean, expiry=0 if clean else None, keep_alive=keep_alive, will=said,
                    will_on_takeover=False)
        payload = self.make_payload(said["op"], will["topic"], will.get("size", 0)) if will else b""
        self.has_session = self.has_session or not clean
        self.begin(Exchange("connect", lambda _: wire.connect(self.setup.client_id, clean, bool(will) or not clean,
                                                              keep_alive),
                            with_={"will": said, "payload": payload}))

    def do_disconnect(self, expiry=None, will=False):
        del expiry, will
        if self.connected():
            self.todo.append(self.begin_disconnect)

    def do_sleep(self, seconds):
        """Asleep for so long, then everything that has waited, then active again."""
        if self.state == "active":
            self.todo.append(lambda: self.begin_sleep(seconds))

    def do_subscribe(self, filters):
        if self.connected():
            self.wake()
            for one in filters:
                self.todo.append(lambda one=one: self.begin_subscribe(one))

    def do_unsubscribe(self, filters):
        if self.connected():
            self.wake()
            for one in filters:
                self.todo.append(lambda one=one: self.begin_unsubscribe(one))

    def do_publish(self, topic, qos, retain=False, size=0, empty=False, count=1):
        if not self.connected():
            return
        self.wake()
        for _ in range(count):
            op = self.new_op()
            payload = b"" if empty else self.make_payload(op, topic, size)
            one = {"op": op, "topic": topic, "qos": min(qos, max(self.limits["qos"])), "retain": retain,
                   "payload": payload}
            self.todo.append(lambda one=one: self.begin_publish(one))

    def check_alive(self):
        if self.state == "asleep":
            self.todo.append(self.begin_awake)
        elif self.connected():
            self.todo.append(lambda: self.begin_sleep(0))

    def forget(self):
        target = self.target
        self.close()
        client = wire.Client(target.address, self.setup.client_id, timeout=1.0)
        try:
            for _ in range(3):
                try:
                    client.connect(clean=True)
                    client.disconnect()
                    break
                except wire.Timeout:
                    continue
        except (AssertionError, OSError):
            pass  # best effort
        finally:
            client.socket.close()
        self.has_session = False

    # --- beginning exchanges

    def next_id(self):
        self.message_ids = self.message_ids % 0xffff + 1
        return self.message_ids

    def forget_state(self):
        """Of a session that is dropped (6.3)."""
        self.ids, self.names, self.unreleased, self.last_at_qos1 = {}, {}, {}, None
        if self.unfinished:
            self.record("abandoned", op=self.unfinished["op"])
            self.unfinished = None

    def leave_exchanges(self):
        super().leave_exchanges()
        self.wake_at, self.slept = None, False
        left, self.exchange = self.exchange, None
        if left and left.with_.get("told"):
            self.unfinished = left.with_
        if self.clean:
            self.forget_state()

    def is_there(self, link):
        """SEARCHGW is answered by GWINFO (6.1)."""
        for _ in range(4):
            link.refused = False
            link.send(wire.message(wire.SEARCHGW, b"\0"))
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                datagram = link.receive()
                if datagram:
                    return True
                if link.refused:
                    return False
                time.sleep(0.002)
        return False

    def wake(self):
        """What is to be done needs an active client: the sleep of `check_alive` ends."""
        if self.state == "asleep":
            self.todo.append(self.begin_restore)

    def begin_restore(self):
        """CONNECT without clean session and will: both are kept (6.3)."""
        if self.state == "asleep":
            self.begin(Exchange("restore", lambda _: wire.connect(self.setup.client_id, False, False, self.keep_alive)))

    def may_begin(self):
        return self.state in ("active", "asleep")

    def begin_disconnect(self):
        self.record("disconnect", conn=self.conn)
        self.state = "leaving"
        self.begin(Exchange("disconnect", lambda _: wire.disconnect()))

    def begin_sleep(self, seconds):
        self.record("asleep", conn=self.conn)
        if seconds:
            self.record("silent", conn=self.conn, until=round(self.history.now() + seconds, 3))
        self.begin(Exchange("sleep", lambda _: wire.disconnect(int(seconds * 2) + 10 if seconds else SLEEP_OF_CHECK),
                            with_={"seconds": seconds}))

    def begin_awake(self):
        self.begin(Exchange("awake", lambda _: wire.message(wire.PINGREQ, self.setup.client_id.encode())))

    def begin_subscribe(self, one):
        op, number = self.new_op(), self.next_id()
        qos = min(one["qos"], max(self.limits["qos"]))
        told = {**one, "qos": qos, "nl": False, "rap": False, "rh": 0, "id": None}
        self.record("subscribe", conn=self.conn, op=op, filters=[told])
        self.begin(Exchange("subscribe", lambda dup: wire.subscribe(one["filter"], number, qos, dup=dup), number, op,
                            {"filter": one["filter"]}))

    def begin_unsubscribe(self, text):
        op, number = self.new_op(), self.next_id()
        self.record("unsubscribe", conn=self.conn, op=op, filters=[text])
        self.begin(Exchange("unsubscribe", lambda _: wire.subscribe(text, number, unsubscribe=True), number, op))

    def begin_publish(self, one):
        """REGISTER comes first where the topic has no id."""
        topic = one["topic"]
        if topic not in self.ids:
            number = self.next_id()
            self.begin(Exchange("register", lambda _: wire.register(topic, number), number, with_=one))
            return
        if not one.get("told"):
            one["told"] = one["qos"] > 0
            self.record("publish", conn=self.conn, op=one["op"], topic=topic, qos=one["qos"], retain=one["retain"],
                        empty=not one["payload"])
        topic_id = self.ids[topic]
        if one["qos"] == 0:
            self.say(wire.publish(topic_id, one["payload"], retain=one["retain"]))
            return
        number = one.setdefault("number", self.next_id())
        self.begin(Exchange("publish", lambda dup: wire.publish(
            self.ids.get(topic, topic_id), one["payload"], one["qos"], number, dup or one.get("again", False),
            one["retain"]), number, one["op"], one))

    def ask_older(self, link):
        """A message from an address that is nobody's is answered by DISCONNECT."""
        link.send(wire.message(wire.PINGREQ))

    def beat(self):
        self.say(wire.message(wire.PINGREQ))

    def unanswered(self, exchange):
        """6.13: the gateway is taken for lost."""
        if exchange.kind == "disconnect":
            self.record("closed", conn=self.conn, by="us", how="disconnect")
            self.lost()
        elif exchange.kind == "connect":
            self.record("closed", conn=self.conn, by="us", how="lost")
            self.lost()
        else:
            self.fall_silent()

    def work(self, now):
        if self.wake_at is not None and now >= self.wake_at and self.link and not self.exchange:
            self.wake_at = None
            self.begin_awake()
        super().work(now)

    def next_due(self):
        return min(super().next_due(), self.wake_at or 1e18)

    # --- what the gateway says

    def handle_older(self, _conn, datagram):
        return datagram[1:2] == bytes([wire.DISCONNECT])

    def handle(self, datagram):
        try:
            found = wire.decode(datagram)
            handler = getattr(self, f"on_{wire.NAMES[found.type].lower()}", None)
            if handler is None:
                raise wire.WireError(f"nobody asked for {found}")
            handler(found)
        except (wire.WireError, UnicodeDecodeError) as error:
            self.broke_rules(str(error))

    def answers(self, kind, found):
        """Whether it is the answer to the open exchange; late ones to a repetition are passed over."""
        return self.exchange is not None and self.exchange.kind == kind and \
            getattr(found, "message_id", 0) == self.exchange.message_id

    def on_advertise(self, _):
        pass

    def on_gwinfo(self, _):
        pass

    def on_willtopicreq(self, _):
        if self.exchange and self.exchange.kind == "connect":
            will = self.exchange.with_["will"]
            self.exchange.due = time.monotonic() + self.exchange.wait
            self.say(wire.will_topic(will["topic"], will["qos"], will["retain"]) if will else wire.will_topic(None))

    def on_willmsgreq(self, _):
        if self.exchange and self.exchange.kind == "connect":
            self.exchange.due = time.monotonic() + self.exchange.wait
            self.say(wire.message(wire.WILLMSG, self.exchange.with_["payload"]))

    def on_connack(self, found):
        if self.answers("restore", found):
            self.exchange = None
            self.state = "active"
            if self.clean:
                self.ids = {}  # a broker that was killed meanwhile has not kept them, and has no word for that
        elif self.answers("connect", found):
            self.exchange = None
            if found.code != wire.ACCEPTED:
                self.record("refused", conn=self.conn, reason=f"code {found.code}")
                self.record("closed", conn=self.conn, by="us", how="refused")
                self.lost()
                return
            self.state = "active"
            self.has_session = not self.clean
            self.record("connected", conn=self.conn, present=None)
            self.go_on()

    def go_on(self):
        """The publication that the last connection has left open, before all new ones."""
        one, self.unfinished = self.unfinished, None
        if one:
            self.record("resend", conn=self.conn, op=one["op"])
            one["again"] = True
            if one.get("released"):
                self.begin_release(one)
            else:
                self.begin_publish(one)

    def begin_release(self, one):
        self.begin(Exchange("publish", lambda _: wire.message_ack(wire.PUBREL, one["number"]), one["number"],
                            one["op"], one))

    def on_register(self, found):
        self.names[found.topic_id] = found.topic
        self.ids[found.topic] = found.topic_id
        self.say(wire.topic_ack(wire.REGACK, found.topic_id, found.message_id))

    def on_regack(self, found):
        if not self.answers("register", found):
            return
        one, self.exchange = self.exchange.with_, None
        if found.code == wire.ACCEPTED:
            self.ids[one["topic"]] = found.topic_id
            self.names[found.topic_id] = one["topic"]
            self.begin_publish(one)
        elif one.get("told"):
            self.record("abandoned", op=one["op"])

    def on_suback(self, found):
        if self.answers("subscribe", found):
            if found.topic_id:
                self.names[found.topic_id] = self.exchange.with_["filter"]
                self.ids[self.exchange.with_["filter"]] = found.topic_id
            self.record("subscribed", conn=self.conn, op=self.exchange.op,
                        codes=[found.flags >> 5 & 3 if found.code == wire.ACCEPTED else None])
            self.exchange = None

    def on_unsuback(self, found):
        if self.answers("unsubscribe", found):
            self.record("unsubscribed", conn=self.conn, op=self.exchange.op)
            self.exchange = None

    def on_puback(self, found):
        if not self.answers("publish", found):
            return
        one = self.exchange.with_
        if found.code == wire.INVALID_TOPIC_ID:
            self.ids.pop(one["topic"], None)
            self.exchange = None
            one["again"] = True
            self.record("resend", conn=self.conn, op=one["op"])
            self.begin_publish(one)
        elif found.code != wire.ACCEPTED:
            self.record("publish_refused", conn=self.conn, op=self.exchange.op, reason=f"code {found.code}")
            self.exchange = None
        elif one["qos"] == 1:
            self.record("completed", conn=self.conn, op=self.exchange.op)
            self.exchange = None

    def on_pubrec(self, found):
        if self.answers("publish", found) and not self.exchange.with_.get("released"):
            self.record("acknowledged", conn=self.conn, op=self.exchange.op)
            self.exchange.with_["released"] = True
            self.begin_release(self.exchange.with_)
        else:
            self.say(wire.message_ack(wire.PUBREL, found.message_id))  # it has not come, or this is a late copy

    def on_pubcomp(self, found):
        if self.answers("publish", found) and self.exchange.with_.get("released"):
            self.record("completed", conn=self.conn, op=self.exchange.op)
            self.exchange = None

    def on_publish(self, found):
        if self.state == "leaving" or self.state == "connecting":
            return
        topic = found.topic_id.to_bytes(2, "big").decode() if found.kind == wire.SHORT else \
            self.names.get(found.topic_id)
        if topic is None:
            self.say(wire.topic_ack(wire.PUBACK, found.topic_id, found.message_id, wire.INVALID_TOPIC_ID))
            return
        content = (found.message_id, found.topic_id, found.payload)
        is_copy = found.message_id in self.unreleased if found.qos == 2 else \
            (found.qos == 1 and found.dup and self.last_at_qos1 == content)
        if is_copy:
            self.record("repeat", conn=self.conn, topic=topic)
        else:
            self.record_message(self.conn, topic, found.payload, qos=found.qos, retain=found.retain, dup=found.dup,
                                ids=[])
        if found.qos == 1:
            self.last_at_qos1 = content
            self.say(wire.topic_ack(wire.PUBACK, found.topic_id, found.message_id))
        elif found.qos == 2:
            self.unreleased[found.message_id] = True
            self.say(wire.message_ack(wire.PUBREC, found.message_id))

    def on_pubrel(self, found):
        self.unreleased.pop(found.message_id, None)
        self.say(wire.message_ack(wire.PUBCOMP, found.message_id))

    def on_pingreq(self, _):
        self.say(wire.message(wire.PINGRESP))

    def on_pingresp(self, _):
        if self.exchange and self.exchange.kind == "awake":
            self.exchange = None
            if self.slept:
                self.slept = False
                self.begin_restore()

    def on_disconnect(self, _):
        if self.exchange and self.exchange.kind == "disconnect":
            self.exchange = None
            self.record("closed", conn=self.conn, by="us", how="disconnect")
            self.lost()
        elif self.exchange and self.exchange.kind == "sleep":
            seconds, self.exchange = self.exchange.with_["seconds"], None
            self.state, self.slept = "asleep", bool(seconds) and not self.clean
            self.wake_at = time.monotonic() + seconds
        elif self.exchange and self.exchange.kind == "connect":
            pass  # for what was at this address before
        else:
            self.ended_by_peer("lost")
