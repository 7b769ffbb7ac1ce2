"""A client of CoAP (RFC 7252, 7641, 7959) with a connection of the gateway's `/mqtt/connection` (docs/protocols/coap.md).

One confirmable request at a time (NSTART 1), repeated with the same message id (4.2); notifications are known by their
message id for EXCHANGE_LIFETIME, their copies acknowledged and not taken twice (4.5). A body in blocks is fetched before
the next notification. A connection that goes on names its observations again, since messages wait for an observer; which
filters the session has, the history says, whatever protocol has subscribed them.

QoS 0 is non-confirmable, QoS 1 what a confirmable request has, QoS 2 asked for by the query. A publication without an
answer when its connection ends is made again at QoS 1, and given up at QoS 2: as a new request it would be a second one.
"""

import collections
import os
import time

import coap_wire as wire
import history as histories
from actors import sessions
from actors.datagrams import DatagramActor, Exchange

EXCHANGE_LIFETIME = 247.0
BLOCK = 1024
QUIET = 0.5
FOR_EVER = 86400  # CoAP has no session without an end; no round lasts so long


class CoapActor(DatagramActor):

    PROTOCOL = "coap"
    ACTIONS = DatagramActor.ACTIONS + ("move",)
    BACKOFF = 2.0

    def __init__(self, setup):
        super().__init__(setup)
        self.message_ids = int.from_bytes(os.urandom(2), "big")
        self.tokens = 0
        self.token = None  # of the connection
        self.observed = {}  # token of an observation -> filter
        self.seen = {}  # message ids of notifications -> when
        self.unconfirmed = collections.deque(maxlen=100)  # tokens of such requests
        self.fetched = {}  # by filter: ETag and body of what was fetched last
        self.fetching = collections.deque()  # notifications whose blocks are asked for, one after the other
        self.unfinished = None
        self.session_until = 0.0
        self.expiry = 0
        self.ping_at = None  # `check_alive` goes on
        self.heard_at = 0.0  # when the last notification came

    # --- for the runner

    def may_have_session(self):
        return bool(self.conn) or time.monotonic() < self.session_until

    def do_connect(self, clean=True, expiry=0, keep_alive=0, will=None, target=0, version=None, **_):
        del version
        self.target = self.setup.targets[target % len(self.setup.targets)]
        self.last_connect = {"clean": clean, "expiry": expiry, "keep_alive": keep_alive, "will": will, "target": target}
        link = self.open_link(self.target)
        if self.link:
            self.link.token = self.token
        self.begin_connection(link, clean, keep_alive)
        self.token, self.expiry = None, expiry
        self.observed, self.seen = {}, {}
        self.fetching.clear()
        if clean:
            self.abandon()
        filters = {} if clean else sessions.filters(self.history.snapshot(), self.setup.client_id)
        query = [f"clientid={self.setup.client_id}", f"clean_start={int(clean)}",
                 f"session_expiry={FOR_EVER if expiry is None else expiry}", f"keepalive={keep_alive or FOR_EVER}"]
        said, payload = None, b""
        if will:
            op = self.new_op()
            said = {"op": op, "topic": will["topic"], "qos": will["qos"], "retain": will["retain"], "delay": 0,
                    "empty": False}
            payload = self.make_payload(op, will["topic"], will.get("size", 0))
            query += [f"will_topic={will['topic']}", f"will_qos={will['qos']}", f"will_retain={int(will['retain'])}"]
        self.record("connect", conn=self.conn, client=self.setup.client_id, protocol=self.PROTOCOL, version="1",
                    clean=clean, expiry=expiry, keep_alive=keep_alive, will=said)
        self.session_until = float("inf")
        self.ask("connect", wire.POST, "mqtt/connection", query, payload=payload, with_={"filters": filters})

    def do_disconnect(self, expiry=None, will=False):
        del expiry, will
        if self.connected():
            self.todo.append(self.begin_disconnect)

    def do_move(self):
        """Another address; the connection's token says who it is."""
        if self.state == "active":
            self.todo.append(self.begin_move)

    def do_subscribe(self, filters):
        if self.connected():
            for one in filters:
                self.todo.append(lambda one=one: self.begin_subscribe(one["filter"], one["qos"]))

    def do_unsubscribe(self, filters):
        if self.connected():
            for one in filters:
                self.todo.append(lambda one=one: self.begin_unsubscribe(one))

    def do_publish(self, topic, qos, retain=False, size=0, empty=False, count=1):
        if not self.connected():
            return
        for _ in range(count):
            op = self.new_op()
            payload = b"" if empty else self.make_payload(op, topic, size)
            one = {"op": op, "topic": topic, "qos": qos, "retain": retain, "payload": payload}
            self.todo.append(lambda one=one: self.begin_publish(one))

    def check_alive(self):
        """Pings until there was no notification for `QUIET`: a ping may be answered while some are on their way."""
        if self.connected():
            self.heard_at = max(self.heard_at, time.monotonic() - QUIET + 0.1)
            self.ping_at = time.monotonic()

    def busy(self):
        return super().busy() or bool(self.fetching) or self.ping_at is not None or bool(self.older)

    def work(self, now):
        if self.ping_at is not None and now >= self.ping_at and self.state == "active" and not self.exchange:
            self.ping_at = now + QUIET
            self.begin_ping()
        super().work(now)

    def next_due(self):
        return min(super().next_due(), self.ping_at or 1e18)

    def forget(self):
        target, session = self.target, self.may_have_session()
        self.close()
        if not session:
            return
        client = wire.Client(target.address, timeout=1.0)
        try:
            found = client.ask(wire.POST, "mqtt/connection", query=[f"clientid={self.setup.client_id}",
                                                                   "clean_start=1", "session_expiry=0"])
            client.ask(wire.DELETE, "mqtt/connection", query=["token=" + found.payload.decode()])
        except (AssertionError, OSError):
            pass  # best effort
        finally:
            client.close()
        self.session_until = 0.0

    # --- beginning exchanges

    def next_id(self):
        self.message_ids = (self.message_ids + 1) & 0xffff
        return self.message_ids

    def new_token(self):
        self.tokens += 1
        return b"%x" % self.tokens

    def who(self):
        return [f"clientid={self.setup.client_id}", f"token={self.token}"]

    def request(self, method, path, query, options=(), payload=b"", token=None, kind=wire.CON):
        """(datagram, message id, token)"""
        number, token = self.next_id(), token or self.new_token()
        every = [(wire.URI_PATH, part.encode()) for part in path.split("/")]
        every += [(wire.URI_QUERY, part.encode()) for part in query] + list(options)
        return wire.encode(kind, method, number, token, every, payload), number, token

    def ask(self, exchange_kind, method, path, query, options=(), payload=b"", token=None, op=None, with_=None):
        """A confirmable request, in blocks when it is long."""
        more = {"method": method, "path": path, "query": query, "options": list(options), "body": payload,
                "block": 0, "tag": os.urandom(4), **(with_ or {})}
        self.begin(self.make_exchange(exchange_kind, more, token, op))

    def make_exchange(self, exchange_kind, more, token=None, op=None):
        body, options = more["body"], more["options"]
        if len(body) > BLOCK:
            at = more["block"] * BLOCK
            options = options + [(wire.BLOCK1, wire.block(more["block"], at + BLOCK < len(body), BLOCK)),
                                 (wire.REQUEST_TAG, more["tag"])]
            body = body[at:at + BLOCK]
        datagram, number, token = self.request(more["method"], more["path"], more["query"], options, body, token)
        return Exchange(exchange_kind, lambda _: datagram, number, op, {**more, "token": token})

    def leave_exchanges(self):
        super().leave_exchanges()
        left, self.exchange = self.exchange, None
        if left and left.kind == "fetch" and self.fetching:
            op = histories.op_of_part(self.setup.round_name, self.fetching[0][1].payload)
            self.record("partial", conn=left.with_["conn"], op=op)
        self.fetching.clear()
        self.ping_at = None
        if left and left.kind == "publish":
            self.unfinished = left.with_["publication"]
            if self.unfinished["qos"] == 2:
                self.abandon()
        self.session_until = float("inf") if self.expiry is None else time.monotonic() + self.expiry + 1

    def abandon(self):
        if self.unfinished:
            self.record("abandoned", op=self.unfinished["op"])
            self.unfinished = None

    def is_there(self, link):
        """A ping is answered by a reset (4.3)."""
        for _ in range(4):
            link.refused = False
            link.send(wire.encode(wire.CON, wire.EMPTY, self.next_id()))
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                if link.receive():
                    return True
                if link.refused:
                    return False
                time.sleep(0.002)
        return False

    def begin_disconnect(self):
        self.record("disconnect", conn=self.conn)
        self.state = "leaving"
        self.ask("disconnect", wire.DELETE, "mqtt/connection", self.who())

    def begin_move(self):
        link = self.open_link(self.target)
        self.link.close()
        self.link, self.seen = link, {}
        self.ask("move", wire.PUT, "mqtt/connection", self.who())

    def begin_ping(self):
        number = self.next_id()
        self.begin(Exchange("ping", lambda _: wire.encode(wire.CON, wire.EMPTY, number), number))

    def ask_older(self, link):
        """Only who observes is told; others learn by 4.01 that their token is no more."""
        link.send(self.request(wire.PUT, "mqtt/connection", [f"clientid={self.setup.client_id}",
                                                             f"token={link.token}"], kind=wire.NON)[0])

    def beat(self):
        if not self.exchange and not self.todo:
            self.ask("beat", wire.PUT, "mqtt/connection", self.who())

    def begin_subscribe(self, text, qos):
        if text in self.observed.values():
            return  # by the same token it would only be renewed, by another one be told of everything twice
        qos = min(qos, 1)  # what it is delivered with
        op = self.new_op()
        self.record("subscribe", conn=self.conn, op=op, filters=[
            {"filter": text, "qos": qos, "nl": False, "rap": False, "rh": 0, "id": None}])
        token = self.new_token()
        self.observed[token] = text
        self.ask("subscribe", wire.GET, f"ps/{text}", [*self.who(), f"qos={qos}"], [(wire.OBSERVE, b"")], token=token,
                 op=op, with_={"filter": text, "qos": qos})

    def begin_unsubscribe(self, text):
        op = self.new_op()
        self.record("unsubscribe", conn=self.conn, op=op, filters=[text])
        token = next((one for one, known in self.observed.items() if known == text), None)
        self.ask("unsubscribe", wire.GET, f"ps/{text}", self.who(), [(wire.OBSERVE, b"\1")], token=token, op=op,
                 with_={"observation": token})

    def begin_publish(self, one):
        if not one.get("told"):
            one["told"] = True
            self.record("publish", conn=self.conn, op=one["op"], topic=one["topic"], qos=one["qos"],
                        retain=one["retain"], empty=not one["payload"])
        query = self.who() + ([f"qos={one['qos']}"] if one["qos"] != 1 else []) + (["retain=1"] if one["retain"] else [])
        method = wire.PUT if len(one["op"]) % 2 else wire.POST
        if one["qos"] == 0 and len(one["payload"]) <= BLOCK:
            datagram, _, token = self.request(method, f"ps/{one['topic']}", query, payload=one["payload"],
                                              kind=wire.NON)
            self.unconfirmed.append(token)
            self.say(datagram)
            return
        self.ask("publish", method, f"ps/{one['topic']}", query, payload=one["payload"], op=one["op"],
                 with_={"publication": one})

    def unanswered(self, exchange):
        how = {"disconnect": "disconnect", "connect": "lost"}.get(exchange.kind)
        if how:
            self.record("closed", conn=self.conn, by="us", how=how)
            self.lost()
        else:
            self.fall_silent()

    # --- what the gateway says

    def handle_older(self, _conn, datagram):
        try:
            found = wire.Message(datagram)
        except (wire.WireError, IndexError):
            return False
        return found.code in ("5.03", "4.01")

    def handle(self, datagram):
        try:
            found = wire.Message(datagram)
        except (wire.WireError, IndexError) as error:
            self.broke_rules(str(error))
            return
        exchange = self.exchange
        if exchange and found.kind in (wire.ACK, wire.RST) and found.id == exchange.message_id:
            if found.code == "0.00" and found.kind == wire.ACK:
                exchange.due = time.monotonic() + 30  # the answer follows by itself
                exchange.with_["separate"] = True
            else:
                self.answered(exchange, found)
        elif found.kind in (wire.ACK, wire.RST) or found.token in self.unconfirmed:
            self.confirm(found)  # late, or of a non-confirmable request
        elif exchange and found.token == exchange.with_.get("token") and found.token not in self.observed:
            self.confirm(found)
            self.answered(exchange, found)
        elif exchange and exchange.kind == "subscribe" and found.token == exchange.with_["token"] and \
                exchange.with_.get("separate") and not self.is_copy(found):
            self.confirm(found)  # or a notification that was faster: then the answer is taken for one
            self.answered(exchange, found)
        else:
            self.on_notification(found)

    def confirm(self, found):
        """Acknowledges what wants it."""
        if found.kind == wire.CON:
            self.say(wire.encode(wire.ACK, wire.EMPTY, found.id))

    def is_copy(self, found):
        now = time.monotonic()
        if now - self.seen.get(found.id, -EXCHANGE_LIFETIME) < EXCHANGE_LIFETIME:
            return True
        self.seen[found.id] = now
        return False

    def on_notification(self, found):
        text = self.observed.get(found.token)
        if text is None:
            if found.kind == wire.CON:
                self.say(wire.encode(wire.RST, wire.EMPTY, found.id))
            return
        self.confirm(found)
        self.heard_at = time.monotonic()
        if self.is_copy(found):
            self.record("repeat", conn=self.conn, topic=text)
        elif found.code in ("5.03", "4.03"):
            self.ended_by_peer("takeover" if found.code == "5.03" else "lost")
        elif found.code != "2.05" or found.observe is None:
            self.broke_rules(f"no notification: {found}")
        else:
            self.on_body(text, found, None)

    def on_body(self, text, found, retain):
        """A message, or the first block of one."""
        if found.block(wire.BLOCK2) and found.block(wire.BLOCK2)[1]:
            self.fetching.append((text, found, found.payload, retain))
            if len(self.fetching) == 1:
                self.todo.appendleft(self.begin_fetch)
        else:
            self.on_message(text, found, found.payload, retain)

    def begin_fetch(self):
        """The next block of a notification (RFC 7959, 3.3)."""
        if not self.fetching:
            return
        text, first, body, _ = self.fetching[0]
        size = first.block(wire.BLOCK2)[2]
        self.ask("fetch", wire.GET, f"ps/{text}", self.who(),
                 [(wire.BLOCK2, wire.block(len(body) // size, False, size))], with_={"conn": self.conn})

    def on_message(self, text, found, payload, retain):
        topic = found.location or text
        for root in ("ps/", "mqtt/"):
            if found.location and topic.startswith(root):
                topic = topic[len(root):]
        self.record_message(self.conn, topic, payload, qos={wire.CON: 1, wire.NON: 0}.get(found.kind), retain=retain,
                            dup=False, ids=[])

    def answered(self, exchange, found):
        if exchange.kind != "ping" and found.kind == wire.RST:
            self.broke_rules(f"a reset for {exchange.kind}")
            return
        if found.code == "2.31":
            more = {**exchange.with_, "block": exchange.with_["block"] + 1}
            self.begin(self.make_exchange(exchange.kind, more, None, exchange.op))
            return
        self.exchange = None
        getattr(self, f"on_{exchange.kind}")(exchange, found)

    def is_unknown(self, found):
        """4.01: the connection is no more."""
        if found.code != "4.01":
            return False
        self.ended_by_peer("lost")
        return True

    def on_connect(self, exchange, found):
        if found.code != "2.01":
            self.record("refused", conn=self.conn, reason=found.code)
            self.record("closed", conn=self.conn, by="us", how="refused")
            self.lost()
            return
        self.token = found.payload.decode()
        self.state = "active"
        self.record("connected", conn=self.conn, present=None)
        for text, qos in exchange.with_["filters"].items():
            self.todo.append(lambda text=text, qos=qos: self.begin_subscribe(text, qos))
        one, self.unfinished = self.unfinished, None
        if one:
            self.record("resend", conn=self.conn, op=one["op"])
            self.begin_publish(one)

    def on_disconnect(self, _exchange, _found):
        self.record("closed", conn=self.conn, by="us", how="disconnect")
        self.lost()

    def on_move(self, exchange, found):
        if not self.is_unknown(found) and found.code != "2.04":
            self.broke_rules(f"{exchange.kind}: {found}")

    on_beat = on_move

    def on_ping(self, _exchange, _found):
        quiet = QUIET if not self.link.loss else 4 * self.RETRY
        if time.monotonic() - self.heard_at >= quiet:
            self.ping_at = None

    def on_subscribe(self, exchange, found):
        if found.code == "4.01":
            self.ended_by_peer("lost")
            return
        granted = found.code == "2.05" and found.observe is not None
        if granted and found.payload:
            self.on_body(exchange.with_["filter"], found, True if found.kind == wire.ACK else None)
        if not granted:
            self.observed.pop(exchange.with_["token"], None)
        self.record("subscribed", conn=self.conn, op=exchange.op, codes=[exchange.with_["qos"] if granted else None])

    def on_unsubscribe(self, exchange, found):
        if self.is_unknown(found):
            return
        self.observed.pop(exchange.with_["observation"], None)
        self.record("unsubscribed", conn=self.conn, op=exchange.op)

    def on_publish(self, exchange, found):
        one = exchange.with_["publication"]
        if found.code == "4.01":
            self.unfinished = one if one["qos"] == 1 else None
            if one["qos"] == 2:
                self.record("abandoned", op=one["op"])
            self.ended_by_peer("lost")
        elif found.code.startswith("2."):
            self.record("completed", conn=self.conn, op=one["op"])
        else:
            self.record("publish_refused", conn=self.conn, op=one["op"], reason=found.code)

    def on_fetch(self, _exchange, found):
        if self.is_unknown(found) or not self.fetching:
            return
        text, first, body, retain = self.fetching[0]
        if found.code != "2.05" or found.one(wire.ETAG) != first.one(wire.ETAG):
            if first.kind == wire.NON:  # another message has come in between, as may be at QoS 0
                self.fetching.popleft()
                self.begin_fetch()
                return
            tag, whole = self.fetched.get(text, (None, None))
            if tag is not None and tag == first.one(wire.ETAG):
                # The same body had been told of at QoS 0 just before, and was fetched: the broker, which cannot know
                # for which of the two, has taken it for this one, and gone on.
                self.fetching.popleft()
                self.on_message(text, first, whole, retain)
                self.begin_fetch()
                return
            self.broke_rules(f"not the body that was announced: {found}")
            return
        body += found.payload
        if found.block(wire.BLOCK2) and found.block(wire.BLOCK2)[1]:
            self.fetching[0] = (text, first, body, retain)
            self.begin_fetch()
        else:
            self.fetching.popleft()
            self.fetched[text] = (first.one(wire.ETAG), body)
            self.on_message(text, first, body, retain)
            self.begin_fetch()
