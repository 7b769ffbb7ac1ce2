"""MQTT 3.1.1 and 5.0 over TCP, TLS and WebSocket."""

import collections
import select
import time

import link as links
import mqtt_wire as wire
import web_link
from actor import Actor, Unreachable

VERSIONS = {"3.1": wire.V31, "3.1.1": wire.V311, "5": wire.V5}
NEVER = 0xFFFFFFFF
ANSWER_SECONDS = 15.0  # a CONNECT without an answer is given up after that
GOODBYE_SECONDS = 3.0


class Connection:
    """A link with what was read from it and what belongs to this connection alone."""

    def __init__(self, name, link, version, keep_alive):
        self.name, self.link, self.version, self.keep_alive = name, link, version, keep_alive
        self.kept = bytearray()
        self.began = self.last_sent = time.monotonic()
        self.accepted = False
        self.lapsed = False
        self.window = 65535
        self.silent_until, self.trickle = 0.0, 0

    def reading(self):
        return time.monotonic() >= self.silent_until or self.trickle > 0

    def packets(self):
        """Decoded packets of what was read. Raises WireError."""
        while True:
            data, length = self.kept, 0
            for index in range(1, 5):
                if len(data) <= index:
                    return
                length |= (data[index] & 0x7F) << 7 * (index - 1)
                if not data[index] & 0x80:
                    break
            else:
                raise wire.WireError("remaining length of more than four bytes")
            end = index + 1 + length
            if len(data) < end:
                return
            first, body = data[0], bytes(data[index + 1:end])
            del data[:end]
            yield wire.decode(first >> 4, first & 15, body, self.version)


class Exchange:
    """A publication on its way to the broker: `released` once PUBREC has come."""

    def __init__(self, op, topic, payload, qos, retain):
        self.op, self.topic, self.payload, self.qos, self.retain = op, topic, payload, qos, retain
        self.released = False


class MqttActor(Actor):
    """One client id. Its session state (exchanges, held packet ids) outlives connections as section 4.1 asks."""

    PROTOCOL = "mqtt"

    def __init__(self, setup):
        super().__init__(setup)
        self.current = None
        self.old = []  # connections replaced by a newer one, watched until they are closed
        self.exchanges = {}  # packet id -> Exchange, in the order of their first sending
        self.waiting = collections.deque()  # publications that found the window full
        self.held = {}  # packet ids of QoS 2 messages taken and not released -> (topic, payload)
        self.requests = {}  # packet id -> (kind, op)
        self.session_expiry = self.asked_expiry = 0
        self.pinging = False
        self.discarded = False  # our half of the session is gone, and no CONNACK has said that theirs is
        self._last_id = 0

    # --- steps

    def do_connect(self, version="3.1.1", clean=True, expiry=0, keep_alive=60, will=None, target=0):
        self.last_connect = {"version": version, "clean": clean, "expiry": expiry, "keep_alive": keep_alive,
                             "will": will, "target": target}
        clean = clean or self.discarded
        if clean and VERSIONS[version] != wire.V5:
            expiry = 0  # 3.1.1, 3.1.2.4: a clean session lasts as long as its connection
        self.asked_expiry = expiry
        where = self.setup.targets[target % len(self.setup.targets)]
        link = web_link.open_link(where, self.setup.tls_context)
        name = self.history.new_connection(self.name)
        spoken = VERSIONS[version]
        packet, told = self._connect_packet(spoken, clean, expiry, keep_alive, will, where)
        self.record("connect", conn=name, client=self.setup.client_id, protocol="mqtt", version=version,
                    clean=clean, expiry=expiry, keep_alive=keep_alive, will=told)
        if self.current is not None:
            self.old.append(self.current)
        self.current = Connection(name, link, spoken, keep_alive)
        self.requests.clear()
        self.pinging = False
        if clean:
            self._lose_session()
            self.discarded = True
        self._send(self.current, packet)

    def _connect_packet(self, spoken, clean, expiry, keep_alive, will, where):
        five = spoken == wire.V5
        properties = []
        if five and expiry != 0:
            properties.append(("session_expiry", NEVER if expiry is None else expiry))
        sent_will = told = None
        if will is not None:
            op = self.new_op()
            topic, delay = will["topic"], will.get("delay", 0) if five else 0
            payload = self.make_payload(op, topic, will.get("size", 0))
            sent_will = wire.Will(topic, payload, will["qos"], will["retain"],
                                  [("will_delay", delay)] if delay else None)
            told = {"op": op, "topic": topic, "qos": will["qos"], "retain": will["retain"], "delay": delay,
                    "empty": False}
        return wire.connect(self.setup.client_id, spoken, clean, keep_alive, sent_will, where.username,
                            where.password, properties), told

    def do_disconnect(self, expiry=None, will=False):
        one = self.current
        if one is None or not one.accepted or one.lapsed:
            return
        five = one.version == wire.V5
        fields = {"conn": one.name}
        properties = None
        if five and expiry is not None and self.session_expiry != 0:  # 3.14.2.2.2: not from zero
            fields["expiry"] = self.session_expiry = expiry
            properties = [("session_expiry", expiry)]
        if five and will:
            fields["will"] = True
        self.record("disconnect", **fields)
        self.current = None
        heard = False
        try:
            one.link.send(wire.disconnect(one.version, 4 if five and will else 0, properties)
                          if properties or (five and will) else wire.disconnect(one.version))
            heard = one.link.finish(GOODBYE_SECONDS)
        except links.Ended:
            one.link.cut()
        self.record("closed", conn=one.name, by="us", how="disconnect" if heard else "lost")

    def do_cut(self, how="rst"):
        one = self.current
        if one is None:
            return
        self.current = None
        self.record("closed", conn=one.name, by="us", how="cut")
        if how == "inside" and one.accepted and not one.lapsed:
            topic = f"check/{self.setup.round_name}/t/0/0"
            whole = wire.publish(topic, self.make_payload(self.name + ".half", topic, 200), version=one.version)
            try:
                one.link.send(whole[:len(whole) // 2])
            except links.Ended:
                pass
        one.link.cut("rst" if how == "rst" else "fin")

    def do_subscribe(self, filters):
        self._request(wire.SUBSCRIBE, "subscribe", filters)

    def do_unsubscribe(self, filters):
        self._request(wire.UNSUBSCRIBE, "unsubscribe", filters)

    def _request(self, kind, name, filters):
        one = self.current
        if one is None or not one.accepted or one.lapsed:
            return
        number, op = self._new_id(), self.new_op()
        self.requests[number] = (wire.SUBACK if kind == wire.SUBSCRIBE else wire.UNSUBACK, op)
        if kind == wire.SUBSCRIBE:
            five = one.version == wire.V5
            if not five:
                filters = [{"filter": each["filter"], "qos": each["qos"]} for each in filters]
            told = [{"filter": each["filter"], "qos": each["qos"], "nl": each.get("nl", False),
                     "rap": each.get("rap", False), "rh": each.get("rh", 0), "id": each.get("id")}
                    for each in filters]
            pairs = [(each["filter"], wire.options(each["qos"], each["nl"], each["rap"], each["rh"]))
                     for each in told]
            # The identifier belongs to the packet (3.8.2.1.2), so all filters of one step share the first's.
            number_of_subscription = told[0]["id"]
            for each in told:
                each["id"] = number_of_subscription
            properties = [("subscription_identifier", number_of_subscription)] if number_of_subscription else None
            packet = wire.subscribe(number, pairs, one.version, properties)
            filters = told
        else:
            packet = wire.unsubscribe(number, filters, one.version)
        self.record(name, conn=one.name, op=op, filters=filters)
        self._send(one, packet)

    def do_publish(self, topic, qos=0, retain=False, size=0, empty=False, count=1):
        one = self.current
        if one is None or not one.accepted or one.lapsed:
            return
        for _ in range(count):
            self.waiting.append((topic, qos, retain, size, empty))
        self._send_waiting()

    def do_silent(self, seconds, trickle=0):
        one = self.current
        if one is not None:
            self.record("silent", conn=one.name, until=self.history.now() + seconds)
            one.silent_until, one.trickle = time.monotonic() + seconds, trickle

    def do_lapse(self):
        if self.current is not None and self.current.accepted:
            self.record("lapse", conn=self.current.name)
            self.current.lapsed = True

    # --- what the runner asks

    def connected(self):
        return self.current is not None and self.current.accepted

    def connecting(self):
        return self.current is not None and not self.current.accepted

    def busy(self):
        one = self.current
        return bool(self.exchanges or self.waiting or self.held or self.requests or self.pinging or self.old
                    or (one is not None and (not one.accepted or time.monotonic() < one.silent_until)))

    def may_have_session(self):
        return self.session_expiry != 0

    def check_alive(self):
        if self.connected() and not self.current.lapsed:
            self.pinging = True
            self._send(self.current, wire.packet(wire.PINGREQ, 0))

    def forget(self):
        had = self.may_have_session()
        if self.current is not None and self.current.accepted:
            try:
                self.current.link.send(wire.disconnect(self.current.version))
                self.current.link.finish(1.0)
            except links.Ended:
                pass
        self.close()
        if not had:
            return
        where = self.setup.targets[0]
        try:
            link = web_link.open_link(where, self.setup.tls_context)
            link.send(wire.connect(self.setup.client_id, wire.V311, True, 60, None, where.username, where.password))
            deadline = time.monotonic() + 3.0
            while time.monotonic() < deadline and not link.receive():
                select.select([link], [], [], 0.2)
            link.send(wire.disconnect())
            link.finish(1.0)
        except (links.Ended, Unreachable):
            pass

    def close(self):
        for one in [*self.old, *([self.current] if self.current else [])]:
            one.link.cut("fin")
        self.old, self.current = [], None

    # --- the link

    def pump(self, seconds):
        now = time.monotonic()
        all_of_them = [*self.old, *([self.current] if self.current else [])]
        if any(one.trickle and now < one.silent_until for one in all_of_them):
            time.sleep(0.02)
        writers, readers = links.ready(all_of_them, seconds)
        for one in all_of_them:
            if one in writers:
                self._guard(one, one.link.flush)
            if one in readers:
                self._read(one)
        self._keep_alive()

    def _keep_alive(self):
        one = self.current
        if one is None or one.lapsed:
            return
        now = time.monotonic()
        if not one.accepted:
            if now - one.began > ANSWER_SECONDS:
                self._lost(one, "us", "lost", "no CONNACK")
        elif one.keep_alive and now - one.last_sent > one.keep_alive * 0.4:
            self._send(one, wire.packet(wire.PINGREQ, 0))

    def _guard(self, one, act):
        try:
            return act()
        except links.Ended as end:
            self._lost(one, "peer", "lost", str(end))
        return None

    def _send(self, one, data):
        if one.lapsed:
            return
        one.last_sent = time.monotonic()
        self._guard(one, lambda: one.link.send(data))

    def _lost(self, one, by, how, detail):
        """The connection is over."""
        if one is self.current:
            self.current = None
            self.requests.clear()
            self.pinging = False
        elif one in self.old:
            self.old.remove(one)
        else:
            return
        one.link.cut("fin")
        self.record("closed", conn=one.name, by=by, how=how, detail=detail)

    def _read(self, one):
        most = one.trickle if time.monotonic() < one.silent_until else 65536
        data = self._guard(one, lambda: one.link.receive(most))
        if not data:
            return
        one.kept += data
        try:
            for packet in one.packets():
                if one is self.current:
                    self._on_packet(one, packet)
                elif one in self.old:
                    self._on_stale(one, packet)
                else:
                    return
        except wire.WireError as error:
            self._lost(one, "us", "protocol", str(error))

    def _on_stale(self, one, packet):
        """On a connection that a newer one has replaced: only looked at."""
        if packet.type == wire.PUBLISH:
            self.record_message(one.name, packet.topic, packet.payload, qos=packet.qos, retain=packet.retain,
                                dup=packet.dup, ids=packet.properties.all("subscription_identifier"), stale=True)
        elif packet.type == wire.DISCONNECT:
            one.reason = packet.code

    # --- packets

    def _on_packet(self, one, packet):
        handler = {wire.CONNACK: self._on_connack, wire.PUBLISH: self._on_publish, wire.PUBACK: self._on_puback,
                   wire.PUBREC: self._on_pubrec, wire.PUBREL: self._on_pubrel, wire.PUBCOMP: self._on_pubcomp,
                   wire.SUBACK: self._on_answer, wire.UNSUBACK: self._on_answer,
                   wire.PINGRESP: self._on_pingresp, wire.DISCONNECT: self._on_disconnect}.get(packet.type)
        if handler is None or (packet.type == wire.CONNACK) == one.accepted:
            self._lost(one, "us", "protocol", f"{packet!r} out of place")
        else:
            handler(one, packet)

    def _on_connack(self, one, packet):
        if packet.code:
            self.record("refused", conn=one.name, reason=packet.code)
            self._lost(one, "us", "refused", f"CONNACK {packet.code:#x}")
            return
        one.accepted, self.discarded = True, False
        present = packet.session_present if one.version != wire.V31 else None
        # 3.1 does not say it, but a session that was clean has ended with its connection.
        is_gone = present is False or (present is None and self.session_expiry == 0)
        expiry = self.asked_expiry
        told = packet.properties.get("session_expiry")
        fields = {}
        if told is not None:
            expiry = fields["expiry"] = None if told == NEVER else told
        self.session_expiry = expiry
        one.window = packet.properties.get("receive_maximum", 65535)
        one.keep_alive = packet.properties.get("server_keep_alive", one.keep_alive)
        self.record("connected", conn=one.name, present=present, **fields)
        if is_gone:
            self._lose_session()
        self._resend(one)
        self._send_waiting()

    def _lose_session(self):
        """3.2.2.2, 4.1: without a session on the other side ours is over, too."""
        for exchange in self.exchanges.values():
            self.record("abandoned", op=exchange.op)
        self.exchanges.clear()
        self.held.clear()

    def _resend(self, one):
        """4.4: unacknowledged PUBLISH and PUBREL packets, in their order, with their packet ids."""
        for number, exchange in list(self.exchanges.items()):
            self.record("resend", conn=one.name, op=exchange.op)
            self._send(one, self._packet_of(one, number, exchange, dup=True))

    @staticmethod
    def _packet_of(one, number, exchange, dup):
        if exchange.released:
            return wire.ack(wire.PUBREL, number)
        return wire.publish(exchange.topic, exchange.payload, exchange.qos, number, exchange.retain, dup,
                            one.version)

    def _send_waiting(self):
        one = self.current
        while self.waiting and one is self.current and one is not None and one.accepted and not one.lapsed:
            topic, qos, retain, size, empty = self.waiting[0]
            if qos and len(self.exchanges) >= min(one.window, self.limits["window"]):
                return
            self.waiting.popleft()
            op = self.new_op()
            payload = b"" if empty else self.make_payload(op, topic, size)
            self.record("publish", conn=one.name, op=op, topic=topic, qos=qos, retain=retain, empty=empty)
            exchange, number = Exchange(op, topic, payload, qos, retain), None
            if qos:
                number = self._new_id()
                self.exchanges[number] = exchange
            self._send(one, self._packet_of(one, number, exchange, dup=False))

    def _new_id(self):
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self.exchanges and self._last_id not in self.requests:
                return self._last_id

    def _strange(self, one, text):
        self.record("strange", conn=one.name, detail=text)

    def _end_exchange(self, one, packet):
        exchange = self.exchanges.pop(packet.id)
        if packet.code >= 0x80 and not exchange.released:
            self.record("publish_refused", conn=one.name, op=exchange.op, reason=packet.code)
        else:
            self.record("completed", conn=one.name, op=exchange.op)
        self._send_waiting()

    def _on_puback(self, one, packet):
        exchange = self.exchanges.get(packet.id)
        if exchange is None or exchange.qos != 1:
            self._strange(one, f"PUBACK for packet id {packet.id}, which no QoS 1 message has")
            return
        self._end_exchange(one, packet)

    def _on_pubrec(self, one, packet):
        exchange = self.exchanges.get(packet.id)
        if exchange is None or exchange.qos != 2:
            self._strange(one, f"PUBREC for packet id {packet.id}, which no QoS 2 message has")
            return
        if packet.code >= 0x80:
            self._end_exchange(one, packet)
            return
        if not exchange.released:
            exchange.released = True
            self.record("acknowledged", conn=one.name, op=exchange.op)
        self._send(one, wire.ack(wire.PUBREL, packet.id))

    def _on_pubcomp(self, one, packet):
        exchange = self.exchanges.get(packet.id)
        if exchange is None or not exchange.released:
            self._strange(one, f"PUBCOMP for packet id {packet.id}, which was not released")
            return
        self._end_exchange(one, packet)

    def _on_publish(self, one, packet):
        fields = {"qos": packet.qos, "retain": packet.retain, "dup": packet.dup,
                  "ids": packet.properties.all("subscription_identifier")}
        if packet.qos == 2 and packet.id in self.held:
            if self.held[packet.id] != (packet.topic, packet.payload):
                self._strange(one, f"packet id {packet.id} used again for another message before PUBREL")
            elif not packet.dup:
                self._strange(one, f"packet id {packet.id} repeated without DUP")
            self.record("repeat", conn=one.name, topic=packet.topic)
        else:
            self.record_message(one.name, packet.topic, packet.payload, pid=packet.id, **fields)
            if packet.qos == 2:
                self.held[packet.id] = (packet.topic, packet.payload)
        if packet.qos == 1:
            self._send(one, wire.ack(wire.PUBACK, packet.id))
        elif packet.qos == 2:
            self._send(one, wire.ack(wire.PUBREC, packet.id))

    def _on_pubrel(self, one, packet):
        known = self.held.pop(packet.id, None)
        reason = 0x92 if known is None and one.version == wire.V5 else None
        self._send(one, wire.ack(wire.PUBCOMP, packet.id, reason))

    def _on_answer(self, one, packet):
        kind, op = self.requests.pop(packet.id, (None, None))
        if kind != packet.type:
            self._strange(one, f"{wire.NAMES[packet.type]} for packet id {packet.id}, which was not asked for")
        elif kind == wire.SUBACK:
            self.record("subscribed", conn=one.name, op=op,
                        codes=[None if code >= 0x80 else code for code in packet.codes])
        else:
            self.record("unsubscribed", conn=one.name, op=op)

    def _on_pingresp(self, _one, _packet):
        self.pinging = False

    def _on_disconnect(self, one, packet):
        self._lost(one, "peer", "disconnect", f"DISCONNECT {packet.code:#x}")
