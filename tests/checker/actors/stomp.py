"""A client of STOMP 1.0, 1.1 and 1.2 over TCP, TLS, WebSocket and SockJS.

What a broker calls things is in its limits file: how a topic becomes a destination, which headers make a subscription
durable, whether a header names the session. With such a header (`client-id` here) a client holds its session by a
durable subscription of its own that nobody publishes to, and is connected for the history when that one is stored;
without a session that goes on it comes without the header, and has a name of its own in the history.

Durable subscriptions are named again on each connection, under the same ids, as docs/protocols/stomp.md and RabbitMQ
want it. QoS 0 is a subscription with `ack:auto` and a SEND without receipt; QoS 1 and 2 are `client-individual` and
`client` and a SEND with receipt. Two or more messages of one step with receipts go in a transaction, after another one
that is aborted: none of its messages may ever arrive. A SEND whose receipt did not come is made again at QoS 1, and
given up at QoS 2, since STOMP has no way to repeat it.
"""

import collections
import select
import time

import link as links
import stomp_wire as wire
import web_link
from actor import Actor, Unreachable
from actors import sessions

ANSWER_SECONDS = 15.0
QUIET = 0.5
ACK_EVERY = 5  # of `client`, one ACK for so many messages


class Connection:
    """A link with what was read from it, and what belongs to this connection alone."""

    def __init__(self, name, link, keep_alive, holds_session):
        self.name, self.link, self.keep_alive, self.holds_session = name, link, keep_alive, holds_session
        self.version = "1.0"  # until CONNECTED tells
        self.kept = b""
        self.began = self.last_sent = time.monotonic()
        self.present = None
        self.state = "connecting"  # then "active", "leaving"
        self.lapsed = False
        self.silent_until = 0.0
        self.subscriptions = {}  # filter -> (id, ack mode)
        self.by_id = {}  # id -> (filter, ack mode), those that were given up too
        self.receipts = {}  # receipt -> function
        self.refusable = {}  # receipt -> function, when an ERROR names it
        self.unacked = {}  # id -> [last MESSAGE, how many], of `client`

    def reading(self):
        return time.monotonic() >= self.silent_until

    def frames(self):
        """Frames of what was read. Raises ValueError."""
        while True:
            self.kept = self.kept.lstrip(b"\r\n")
            end = self.kept.find(b"\n\n")
            if end < 0:
                return
            lines = self.kept[:end].decode().split("\n")
            found = wire.Frame(lines[0], lines[1:], b"", self.version)
            start, size = end + 2, found.get("content-length")
            stop = start + int(size) if size is not None else self.kept.find(b"\0", start)
            if stop < 0 or len(self.kept) <= stop:
                return
            if self.kept[stop] != 0:
                raise ValueError("no NUL behind the body")
            found.body = self.kept[start:stop]
            self.kept = self.kept[stop + 1:]
            yield found


class StompActor(Actor):
    """One client id. What it is subscribed to is read from the history, which other protocols may have written."""

    PROTOCOL = "stomp"
    ACTIONS = Actor.ACTIONS + ("nack",)

    def __init__(self, setup):
        super().__init__(setup)
        self.current = None
        self.old = []
        self.waiting = collections.deque()  # lists of publications, one a transaction
        self.open = {}  # receipt -> list of publications
        self.unfinished = []
        self.names = {}  # filter -> id, for as long as the client lives
        self.receipts = 0
        self.clean_connections = 0
        self.session = False
        self.nacks = 0  # so many of the next messages are refused
        self.refused = set()  # payloads that were
        self.checking = None  # when the last message came, while `check_alive` goes on

    # --- steps

    def do_connect(self, version=None, clean=True, expiry=None, keep_alive=60, will=None, target=0):
        del will, expiry  # STOMP has neither
        version = version or (self.limits["versions"] or list(wire.VERSIONS))[-1]
        self.last_connect = {"version": version, "clean": clean, "keep_alive": keep_alive, "target": target}
        if self.current is not None and (clean or not self.current.holds_session or not self.limits["session_header"]):
            self.do_cut()  # without a name the newer connection takes nothing over
        where = self.setup.targets[target % len(self.setup.targets)]
        link = web_link.open_link(where, self.setup.tls_context)
        name, client = self.history.new_connection(self.name), self.setup.client_id
        if clean:
            self.clean_connections += 1
            client = f"{client}~{self.clean_connections}"
        self.record("connect", conn=name, client=client, protocol=self.PROTOCOL, version=version, clean=clean,
                    expiry=0 if clean else None, keep_alive=keep_alive, will=None)
        if self.current is not None:
            self.old.append(self.current)
        self._leave()
        self.current = Connection(name, link, keep_alive, not clean)
        fields = {"accept-version": version, "host": "/", "heart-beat": f"{keep_alive * 1000},0"}
        if not clean and self.limits["session_header"]:
            fields[self.limits["session_header"]] = self.setup.client_id
        if where.username:
            fields.update(login=where.username, passcode=where.password or "")
        self._send_raw(self.current, wire.encode("CONNECT", fields))

    def do_disconnect(self, expiry=None, will=False):
        del expiry, will
        one = self.current
        if one is None or one.state != "active" or one.lapsed:
            return
        self._flush_acks(one)
        self.record("disconnect", conn=one.name)
        one.state = "leaving"
        self._send(one, "DISCONNECT", {}, then=lambda _: self._ended(one, "us", "disconnect"))

    def do_cut(self, how="rst"):
        one = self.current
        if one is None:
            return
        self.record("closed", conn=one.name, by="us", how="cut")
        self.current = None
        if how == "inside" and one.state == "active" and not one.lapsed:
            topic = f"check/{self.setup.round_name}/t/0/0"
            whole = wire.encode("SEND", self._send_headers({"topic": topic, "qos": 1, "retain": False}),
                                self.make_payload(self.name + ".half", topic, 200), one.version, 200)
            try:
                one.link.send(whole[:len(whole) // 2])
            except links.Ended:
                pass
        one.link.cut("rst" if how == "rst" else "fin")
        self._leave()

    def do_subscribe(self, filters):
        one = self.current
        if one is None or one.state != "active" or one.lapsed:
            return
        for each in filters:
            if each["filter"] not in one.subscriptions:
                self._subscribe(one, each["filter"], ("auto", "client-individual", "client")[each["qos"]])

    def do_unsubscribe(self, filters):
        one = self.current
        if one is None or one.state != "active" or one.lapsed:
            return
        for text in filters:
            if text not in one.subscriptions:
                continue
            number, _ = one.subscriptions.pop(text)
            op = self.new_op()
            self._flush_acks(one)
            headers = {"id": number, "destination": self.destination(text), **self._durable(one)}
            self.record("unsubscribe", conn=one.name, op=op, filters=[text])
            self._send(one, "UNSUBSCRIBE", headers,
                       then=lambda _, op=op: self.record("unsubscribed", conn=one.name, op=op))

    def do_publish(self, topic, qos=0, retain=False, size=0, empty=False, count=1):
        one = self.current
        if one is None or one.state != "active" or one.lapsed:
            return
        qos = min(qos, max(self.limits["qos"]))
        each = {"topic": topic, "qos": qos, "retain": retain, "size": size, "empty": empty}
        if qos and count > 1:
            self.waiting.append([dict(each) for _ in range(count)])
        else:
            self.waiting.extend([dict(each)] for _ in range(count))
        self._send_waiting()

    def do_nack(self, count=1):
        """Refuses so many of the next messages of `client-individual` subscriptions; they must come again."""
        if self.connected():
            self.nacks += count

    def do_silent(self, seconds, trickle=0):
        del trickle
        one = self.current
        if one is not None:
            self.record("silent", conn=one.name, until=self.history.now() + seconds)
            one.silent_until = time.monotonic() + seconds

    def do_lapse(self):
        if self.current is not None and self.current.state == "active" and self.current.keep_alive:
            self.record("lapse", conn=self.current.name)
            self.current.lapsed = True

    # --- what the runner asks

    def connected(self):
        return self.current is not None and self.current.state == "active"

    def connecting(self):
        return self.current is not None and self.current.state == "connecting"

    def busy(self):
        one = self.current
        return bool(self.open or self.waiting or self.old or self.checking is not None or (one is not None and (
            one.state != "active" or one.receipts or not one.reading())))

    def may_have_session(self):
        return self.session

    def reconnect(self, last=False):
        """A client without a name has nothing to come back to."""
        if self.last_connect is not None:
            self.do_connect(**dict(self.last_connect, **({"keep_alive": 0} if last else {}),
                                   clean=self.last_connect["clean"] and not (last and self.session)))

    def check_alive(self):
        if self.connected() and not self.current.lapsed:
            self.checking = time.monotonic() - QUIET + 0.1
            self._check(self.current)

    def _check(self, one):
        """An empty transaction; again until no message came for `QUIET`."""
        self._send(one, "BEGIN", {"transaction": "check"})
        self._send(one, "ABORT", {"transaction": "check"}, then=lambda _: self._checked(one))

    def _checked(self, one):
        if self.checking is None or one is not self.current:
            return
        if time.monotonic() - self.checking >= QUIET:
            self.checking = None
        else:
            one.check_at = time.monotonic() + 0.1

    def forget(self):
        """Takes the durable subscriptions away, by the last connection or one more."""
        had, version = self.may_have_session(), (self.last_connect or {}).get("version")
        texts = sessions.filters(self.history.snapshot(), self.setup.client_id)
        self.close()
        if not had:
            return
        where = self.setup.targets[0]
        try:
            link = web_link.open_link(where, self.setup.tls_context)
            one = Connection("", link, 0, True)
            fields = {"accept-version": version, "host": "/"}
            if self.limits["session_header"]:
                fields[self.limits["session_header"]] = self.setup.client_id
            link.send(wire.encode("CONNECT", fields))
            deadline = time.monotonic() + 3.0
            while time.monotonic() < deadline and not link.receive():
                select.select([link], [], [], 0.2)
            one.version = version
            for text in [*texts, *([self._holder()] if self.limits["session_header"] else [])]:
                headers = {"destination": self.destination(text), "id": self._id(text), **self._durable(one)}
                link.send(wire.encode("SUBSCRIBE", headers, version=version))
                link.send(wire.encode("UNSUBSCRIBE", headers, version=version))
            link.send(wire.encode("DISCONNECT", {"receipt": "bye"}, version=version))
            while time.monotonic() < deadline and b"bye" not in one.kept:
                one.kept += link.receive()
                select.select([link], [], [], 0.2)
            link.cut()
        except (links.Ended, Unreachable):
            pass  # best effort
        self.session = False

    def close(self):
        for one in [*self.old, *([self.current] if self.current else [])]:
            one.link.cut("fin")
        self.old, self.current = [], None

    # --- what the broker calls things

    def destination(self, text):
        """The destination of a topic or filter."""
        group = ""
        if text.startswith("$share/"):
            _, name, text = text.split("/", 2)
            group = f"$share/{name}/"
        spelling = {"+": self.limits["one_level"], "#": self.limits["rest"]}
        levels = [spelling.get(level, level) for level in text.split("/")]
        return group + self.limits["destination"].replace("{}", self.limits["separator"].join(levels))

    def topic(self, destination):
        """The topic of a MESSAGE's destination."""
        before, after = self.limits["destination"].split("{}")
        inner = destination[len(before):len(destination) - len(after)]
        return inner.replace(self.limits["separator"], "/")

    def _durable(self, one):
        return self.limits["durable"] if one.holds_session else {}

    def _holder(self):
        return f"check/{self.setup.round_name}/holder/{self.setup.client_id}"

    def _id(self, text):
        """Durable subscriptions are known by it, so that it has to be the same after another protocol's visit."""
        return self.names.setdefault(text, f"{self.setup.client_id}-{text}".replace("/", "."))

    def _send_headers(self, each):
        headers = {"destination": self.destination(each["topic"])}
        if self.limits["qos_header"]:
            headers["qos"] = each["qos"]
        if each["retain"]:
            headers["retain"] = "true"
        if each["qos"]:
            headers.update(self.limits["persistent_message"])
        return headers

    # --- frames out

    def _send(self, one, command, headers, body=b"", then=None, length=None, refused=None):
        """Sends a frame; with `then` with a receipt, whose coming calls it. `refused` is called by an ERROR."""
        headers = dict(headers)
        if then is not None:
            self.receipts += 1
            headers["receipt"] = f"r{self.receipts}"
            one.receipts[headers["receipt"]] = then
            one.refusable[headers["receipt"]] = refused
        self._send_raw(one, wire.encode(command, headers, body, one.version, length))

    def _send_raw(self, one, data):
        if one.lapsed:
            return
        one.last_sent = time.monotonic()
        self._guard(one, lambda: one.link.send(data))

    def _subscribe(self, one, text, ack):
        number = self._id(text)
        one.subscriptions[text] = one.by_id[number] = (number, ack)
        one.by_id[number] = (text, ack)
        op, qos = self.new_op(), 0 if ack == "auto" else 1
        self.record("subscribe", conn=one.name, op=op, filters=[
            {"filter": text, "qos": qos, "nl": False, "rap": False, "rh": 1, "id": None, "any_qos": True}])
        if one.version == "1.0" and ack == "client-individual":
            ack = "client"  # 1.0 has no other; every message is acknowledged there by its own id
        self._send(one, "SUBSCRIBE", {"destination": self.destination(text), "id": number, "ack": ack,
                                      **self._durable(one)},
                   then=lambda _: self.record("subscribed", conn=one.name, op=op, codes=[qos]),
                   refused=lambda _: self.record("subscribed", conn=one.name, op=op, codes=[None]))

    def _send_waiting(self):
        one = self.current
        while self.waiting and one is self.current and one is not None and one.state == "active" and not one.lapsed:
            if self.waiting[0][0]["qos"] and len(self.open) >= self.limits["window"]:
                return
            self._send_publications(one, self.waiting.popleft())

    def _send_publications(self, one, each):
        """One message, or several in a transaction: those are published by COMMIT, and not before."""
        again = "op" in each[0]
        if not again:
            for message in each:
                message["op"] = self.new_op()
                message["payload"] = b"" if message["empty"] else \
                    self.make_payload(message["op"], message["topic"], message["size"])
        if len(each) == 1:
            self._told(one, each, again)
            then = self._receipt(one, each) if each[0]["qos"] else None
            self._send(one, "SEND", self._send_headers(each[0]), each[0]["payload"], then, len(each[0]["payload"]),
                       self._refusal(one, each))
            return
        name = each[0]["op"]
        aborted = self.new_op()
        self._send(one, "BEGIN", {"transaction": aborted})
        self._send(one, "SEND", {**self._send_headers(each[0]), "transaction": aborted},
                   self.make_payload(aborted, each[0]["topic"], 0))
        self._send(one, "ABORT", {"transaction": aborted})
        self._send(one, "BEGIN", {"transaction": name})
        for message in each:
            self._send(one, "SEND", {**self._send_headers(message), "transaction": name}, message["payload"],
                       length=len(message["payload"]))
        self._told(one, each, again)
        self._send(one, "COMMIT", {"transaction": name}, then=self._receipt(one, each),
                   refused=self._refusal(one, each))

    def _told(self, one, each, again):
        for message in each:
            if again:
                self.record("resend", conn=one.name, op=message["op"])
            else:
                self.record("publish", conn=one.name, op=message["op"], topic=message["topic"], qos=message["qos"],
                            retain=message["retain"], empty=message["empty"])

    def _receipt(self, one, each):
        name = each[0]["op"]
        self.open[name] = each

        def then(_):
            self.open.pop(name, None)
            for message in each:
                self.record("completed", conn=one.name, op=message["op"])
            self._send_waiting()
        return then

    def _refusal(self, one, each):
        def then(frame):
            self.open.pop(each[0]["op"], None)
            for message in each:
                self.record("publish_refused", conn=one.name, op=message["op"], reason=frame.get("message"))
        return then

    # --- the link

    def pump(self, seconds):
        all_of_them = [*self.old, *([self.current] if self.current else [])]
        writers, readers = links.ready(all_of_them, seconds)
        for one in all_of_them:
            if one in writers:
                self._guard(one, one.link.flush)
            if one in readers:
                self._read(one)
        self._keep_alive()

    def _keep_alive(self):
        one, now = self.current, time.monotonic()
        if one is None or one.lapsed:
            return
        if one.state != "active":
            if now - one.began > ANSWER_SECONDS and one.state == "connecting":
                self._ended(one, "us", "lost", "no CONNECTED")
            return
        self._flush_acks(one)
        if self.checking is not None and now >= getattr(one, "check_at", now + 1):
            del one.check_at
            self._check(one)
        elif one.keep_alive and now - one.last_sent > one.keep_alive * 0.4:
            self._send_raw(one, b"\n")

    def _guard(self, one, act):
        try:
            return act()
        except links.Ended as end:
            self._ended(one, "us" if one.state == "leaving" else "peer",
                        "disconnect" if one.state == "leaving" else "lost", str(end))
        return None

    def _ended(self, one, by, how, detail=""):
        if one is self.current:
            self.current = None
            self._leave()
        elif one in self.old:
            self.old.remove(one)
        else:
            return
        one.link.cut("fin")
        self.record("closed", conn=one.name, by=by, how=how, detail=detail)

    def _leave(self):
        """What becomes of this side's open exchanges when a connection is over or replaced."""
        self.waiting.clear()
        self.checking = None
        for each in self.open.values():
            if each[0]["qos"] == 1:
                self.unfinished.append(each)
            else:
                for message in each:
                    self.record("abandoned", op=message["op"])
        self.open = {}

    def _read(self, one):
        data = self._guard(one, lambda: one.link.receive())
        if not data:
            return
        one.kept += data
        try:
            for frame in one.frames():
                if one not in self.old and one is not self.current:
                    return
                self._on_frame(one, frame)
        except (ValueError, KeyError, IndexError, AssertionError) as error:
            self._ended(one, "us", "protocol", f"{type(error).__name__}: {error}")

    # --- frames in

    def _on_frame(self, one, frame):
        if frame.command == "MESSAGE":
            self._on_message(one, frame)
        elif frame.command == "RECEIPT":
            then = one.receipts.pop(frame["receipt-id"], None)
            one.refusable.pop(frame["receipt-id"], None)
            if then is None:
                self.record("strange", conn=one.name, detail=f"a receipt that was not asked for: {frame}")
            elif one is self.current:
                then(frame)
        elif frame.command == "ERROR":
            if one.state == "connecting":
                self.record("refused", conn=one.name, reason=frame.get("message"))
                self._ended(one, "us", "refused", frame.get("message", ""))
            else:
                refused = one.refusable.get(frame.get("receipt-id"))
                if refused and one is self.current:
                    refused(frame)
                self._ended(one, "peer", "error", f"{frame.get('message')} {frame.body[:200]!r}")
        elif frame.command == "CONNECTED" and one.state == "connecting" and one is self.current:
            self._on_connected(one, frame)
        else:
            self.record("strange", conn=one.name, detail=f"out of place: {frame}")

    def _on_connected(self, one, frame):
        one.version = frame.get("version", "1.0")
        told = frame.get("session-present")
        one.present = None if told is None else told == "true"
        if one.holds_session and self.limits["session_header"]:
            self.session = True
            text = self._holder()
            self._send(one, "SUBSCRIBE", {"destination": self.destination(text), "id": self._id(text),
                                          **self._durable(one)}, then=lambda _: self._accepted(one))
        else:
            self._accepted(one)

    def _accepted(self, one):
        one.state = "active"
        self.session = self.session or one.holds_session
        self.record("connected", conn=one.name, present=one.present if one.holds_session else False)
        if one.holds_session:
            texts = sessions.filters(self.history.snapshot(), self.setup.client_id)
            for text, qos in texts.items():
                self._subscribe(one, text, "client-individual" if qos else "auto")
        again, self.unfinished = self.unfinished, []
        for each in again:
            self._send_publications(one, each)

    def _on_message(self, one, frame):
        number = frame.get("subscription")
        topic = self.topic(frame["destination"])
        if number is None and one.version != "1.0":
            raise ValueError(f"MESSAGE without subscription: {frame}")
        text, ack = one.by_id.get(number, (None, "auto"))
        if one is not self.current or one.state != "active":
            if one is not self.current:
                self._record_message(one, frame, topic, stale=True)
            return  # not acknowledged: it comes again
        if self.checking is not None:
            self.checking = time.monotonic()
        if ack == "client-individual" and self.nacks and one.version != "1.0" and frame.body and \
                frame.body not in self.refused:
            self.nacks -= 1
            self.refused.add(frame.body)
            self._answer(one, "NACK", frame)
            return
        self._record_message(one, frame, topic)
        if ack == "client-individual" or (ack != "auto" and one.version == "1.0"):
            self._answer(one, "ACK", frame)
        elif ack == "client":
            last = one.unacked.setdefault(number, [frame, 0])
            last[0], last[1] = frame, last[1] + 1
            if last[1] >= ACK_EVERY:
                self._flush_acks(one)

    def _record_message(self, one, frame, topic, **more):
        if frame.body in self.refused:
            more["returned"] = True
        self.record_message(one.name, topic, frame.body, qos=None, retain=frame.get("retain") == "true",
                            dup=frame.get("redelivered") == "true", ids=[], **more)

    def _flush_acks(self, one):
        """The cumulative ACKs that are due."""
        unacked, one.unacked = one.unacked, {}
        for frame, _ in unacked.values():
            self._answer(one, "ACK", frame)

    def _answer(self, one, command, frame):
        headers = {"1.2": lambda: {"id": frame["ack"]},
                   "1.1": lambda: {"message-id": frame["message-id"], "subscription": frame["subscription"]},
                   "1.0": lambda: {"message-id": frame["message-id"]}}[one.version]()
        self._send(one, command, headers)
