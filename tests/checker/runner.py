"""Runs one plan against the broker: a thread for each actor, faults, the drain, and the last look at what is retained."""

import threading
import time
import traceback

import judge as judges
import plan as plans
from actor import Setup, Unreachable
from actors import registry
from history import History

RETRY_SECONDS = 0.15
DRAIN_SECONDS = 40.0  # a drain ends by then whatever is missing
PATIENCE_SECONDS = 6.0  # without any news the rest will not come
SHRINK_PATIENCE_SECONDS = 3.0  # while a finding is shrunk, which was made with more
SETTLE_SECONDS = 0.3


class Worker(threading.Thread):
    """One actor's thread. Phases: "steps" (the plan's), "drain" (be connected and read), "stop"."""

    def __init__(self, one, steps, history, is_up):
        super().__init__(daemon=True)
        self.actor, self.steps, self.history, self.is_up = one, steps, history, is_up
        self.phase = "steps"
        self.wanted = False  # whether the plan wants it connected now
        self.retry_at = 0.0
        self.ping = threading.Event()
        self.trouble = None
        self.stood_down = False

    def run(self):
        try:
            while self.phase != "stop":
                self._turn()
            self.actor.forget()
        except Exception:  # pylint: disable=broad-except  (a fault of the checker must be seen as one)
            self.trouble = traceback.format_exc()
        finally:
            self.actor.close()

    def _turn(self):
        one = self.actor
        if one.connecting():
            one.pump(0.05)
            return
        now = self.history.now()
        if self.phase == "steps" and self.steps and self.steps[0]["at"] / 1000 <= now:
            self._step()
            return
        connect = self.wanted or (self.phase == "drain" and one.may_have_session() and not self.stood_down)
        if connect and not one.connected() and now >= self.retry_at and self.is_up():
            try:
                one.reconnect(last=self.phase == "drain")
            except Unreachable:
                self.retry_at = now + RETRY_SECONDS
                return
        if self.ping.is_set():
            self.ping.clear()
            one.check_alive()
        wait = 0.05
        if self.phase == "steps" and self.steps:
            wait = min(wait, max(0.0, self.steps[0]["at"] / 1000 - now))
        if one.connected():
            one.pump(wait)
        else:
            one.pump(0)
            time.sleep(min(wait, 0.02))

    def _step(self):
        step = self.steps.pop(0)
        do = step["do"]
        if self.stood_down:
            return  # another actor has its client id now
        if do == "stand_down":
            self.wanted, self.stood_down = False, True
            return
        if do not in self.actor.ACTIONS:
            return
        if do == "connect":
            self.wanted = True
        elif do in ("disconnect", "cut", "lapse"):
            self.wanted = False
        try:
            self.actor.perform(step)
        except Unreachable:
            # The broker is down: the same connect again, until it is back or the plan goes on.
            self.retry_at = self.history.now() + RETRY_SECONDS
            self.actor.last_connect = self.actor.last_connect or step["with"]

    def done(self):
        return not self.steps

    def quiet(self):
        """In the drain: connected if it has to be, and nothing of its own under way."""
        one = self.actor
        if self.stood_down:
            return not one.connected()  # what it has left open is never answered
        if one.may_have_session() and not one.connected():
            return False
        return not one.busy() and not self.ping.is_set()


class Round:
    """One run of a plan."""

    def __init__(self, plan, round_name, broker, limits, tls_context=None, patience=PATIENCE_SECONDS):
        self.plan = plans.for_round(plan, round_name)
        self.name, self.broker, self.limits = round_name, broker, limits
        self.tls_context = tls_context
        self.history = History()
        self.up = threading.Event()
        self.up.set()
        self.patience = patience
        self.troubles = []

    def run(self):
        """The history."""
        workers = [self._worker(each) for each in self.plan["actors"] if each["name"] != "broker"]
        self.history.start = time.monotonic()
        for one in workers:
            one.start()
        try:
            self._play(workers)
            self._drain(workers)
            inspector = self._inspect(workers)
        finally:
            for one in workers:
                one.phase = "stop"
        for one in [*workers, inspector]:
            one.join(20)
            if one.trouble:
                self.troubles.append(f"{one.actor.name}: {one.trouble}")
        self._clear()
        return self.events

    def _worker(self, each, steps=None):
        cls = registry.actor_class(each["protocol"])
        targets = [one for one in self.broker.targets if registry.protocol_of(one.scheme) == each["protocol"]]
        setup = Setup(each["name"], each["client_id"], targets, self.history, self.limits, self.name,
                      self.tls_context)
        if steps is None:
            steps = [step for step in self.plan["steps"] if step["actor"] == each["name"]]
        return Worker(cls(setup), steps, self.history, self.up.is_set)

    def _play(self, workers):
        events = [step for step in self.plan["steps"] if step["actor"] == "broker"]
        while events or not all(one.done() or one.trouble for one in workers):
            if events and events[0]["at"] / 1000 <= self.history.now():
                event = events.pop(0)
                if event["do"] == "kill":
                    self._kill(event["with"].get("down", 0) / 1000)
                else:
                    self._change_rules(event["do"])
            time.sleep(0.02)
        self._change_rules("allow")  # as the next round expects it

    def _change_rules(self, how):
        if not self.broker.can("reload"):
            return
        if how == "allow":
            self.history.record("allow")
        self.broker.change_rules(how)
        if how == "forbid":
            self.history.record("forbid")

    def _kill(self, down):
        if not self.broker.can_be_killed():
            return
        self.up.clear()
        self.history.record("kill")
        self.broker.kill()
        time.sleep(down)
        self.broker.restart()
        self.history.record("up")
        self.up.set()

    def _wait(self, workers, good):
        """Until all workers are quiet and `good`, or nothing has happened for long; whether it was so."""
        begin = last = time.monotonic()
        size = 0
        while time.monotonic() < begin + DRAIN_SECONDS and time.monotonic() < last + self.patience:
            now_size = len(self.history.events)
            if now_size != size:
                size, last = now_size, time.monotonic()
            if all(one.quiet() or one.trouble for one in workers) and good():
                return True
            time.sleep(0.02)
        return False

    def _nothing_owed(self):
        return judges.owed(self.history.snapshot(), self.limits) == 0

    def _settle(self, workers):
        """A moment without messages, then a last exchange on each connection."""
        size, since = -1, time.monotonic()
        while time.monotonic() < since + SETTLE_SECONDS:
            if len(self.history.events) != size:
                size, since = len(self.history.events), time.monotonic()
            time.sleep(0.02)
        for one in workers:
            if one.actor.connected():
                one.ping.set()
        self._wait(workers, lambda: True)

    def _drain(self, workers):
        for one in workers:
            one.phase = "drain"
        self._wait(workers, self._nothing_owed)
        self._settle(workers)

    def _inspect(self, workers):
        """A fresh client that asks for all retained messages."""
        protocols = [each["protocol"] for each in self.plan["actors"]] or ["mqtt"]
        protocol = "mqtt" if "mqtt" in protocols else protocols[0]
        part = self.limits.protocol(protocol)
        text = f"check/{self.name}/" + ("#" if part["wildcards"] else "r/0")
        version = (part["versions"] or ["3.1.1" if protocol == "mqtt" else ""])[0]
        steps = [{"at": 0, "actor": "inspector", "do": "connect",
                  "with": {"version": version, "clean": True, "expiry": 0, "keep_alive": 60, "will": None}},
                 {"at": 1, "actor": "inspector", "do": "subscribe",
                  "with": {"filters": [{"filter": text, "qos": max(part["qos"])}]}}]
        inspector = self._worker({"name": "inspector", "protocol": protocol, "client_id": f"ck{self.name}-i"}, steps)
        inspector.start()
        self._wait([inspector], inspector.done)
        self._wait([inspector], self._nothing_owed)
        self._settle([inspector])
        for one in [*workers, inspector]:
            conn = getattr(one.actor, "current", None)
            if one.actor.connected() and conn is not None and one.quiet():
                self.history.record("drained", one.actor.name, conn=conn.name)
        self.events = self.history.snapshot()
        inspector.phase = "stop"
        return inspector

    def _clear(self):
        """Removes the retained messages of this round, unrecorded."""
        topics = {event["topic"] for event in self.events if event["e"] == "publish" and event["retain"]}
        topics |= {event["will"]["topic"] for event in self.events
                   if event["e"] == "connect" and event.get("will") and event["will"]["retain"]}
        if not topics:
            return
        self.history = History()
        steps = [{"at": 0, "do": "connect", "with": {"clean": True, "expiry": 0}}] + [
            {"at": 1, "do": "publish", "with": {"topic": topic, "qos": 1, "retain": True, "empty": True}}
            for topic in sorted(topics)]
        protocols = {each["protocol"] for each in self.plan["actors"]}
        protocol = "mqtt" if "mqtt" in protocols else sorted(protocols)[0]
        cleaner = self._worker({"name": "cleaner", "protocol": protocol, "client_id": f"ck{self.name}-c"}, steps)
        cleaner.start()
        self._wait([cleaner], cleaner.done)
        cleaner.phase = "stop"
        cleaner.join(20)
