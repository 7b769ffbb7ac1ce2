"""Plans: everything that is left to chance in a round is decided here, from a seed.

A plan is JSON: {"seed", "seconds", "actors": [{name, protocol, client_id}], "steps": [{at, actor, do, with}]}. `at` is in
milliseconds. `{R}` in texts stands for the name of the round, which every run of the plan has anew. Steps of the actor
"broker" are `kill` (with `down`, milliseconds), `forbid` and `allow`; a step `stand_down` tells that an actor must not connect
again by itself.
"""

import copy
import json
import random

FAULTS = {
    "cut": "connections break: reset, closed without a word, in the middle of a packet",
    "slow": "clients that read a few bytes at a time",
    "silent": "clients that stop reading for a while",
    "takeover": "a second connection of the same id, while the first does not read",
    "duplicate": "a second connection of the same id, while the first is active",
    "lapse": "clients that say nothing any more, not even their keep alive",
    "expire": "sessions that end by their expiry while the client is away",
    "clean": "clean starts over sessions that are there",
    "reload": "rules that come and go while the broker runs; needs commands for that",
    "kill": "the broker is killed (-9) and started again; needs a command for that",
}

RETAINED_TOPICS = 5
NEVER = None


def choose(rng, weighted):
    """One of [(weight, value)]."""
    return rng.choices([value for _, value in weighted], [weight for weight, _ in weighted])[0]


class Planner:
    """Makes one plan."""

    def __init__(self, seed, options, limits):
        """`options`: {protocols: [(protocol, number of targets)], faults, seconds, actors, rate}."""
        self.rng = random.Random(seed)
        self.seed, self.options, self.limits = seed, options, limits
        self.length = int(options["seconds"] * 1000)
        self.faults = set(options["faults"])
        self.actors, self.steps = [], []
        self.groups = [f"g{number}" for number in range(2)]
        self.messages_left = int(min(options["rate"] * options["seconds"], limits["max_queued"] * 0.8))

    def plan(self):
        count = self.options["actors"]
        self._watcher()
        for number in range(count):
            protocol, targets = self.rng.choice(self.options["protocols"])
            Script(self, f"a{number}", protocol, targets).write(self.messages_left // count)
        self._twins()
        self._returns()
        self._kills()
        self._reloads()
        self.steps.sort(key=lambda step: step["at"])
        return {"seed": self.seed, "seconds": self.options["seconds"], "actors": self.actors, "steps": self.steps}

    def add(self, at, actor, do, **arguments):
        self.steps.append({"at": int(at), "actor": actor, "do": do, "with": arguments})

    def add_actor(self, name, protocol, client_id=None):
        self.actors.append({"name": name, "protocol": protocol, "client_id": client_id or "ck{R}-" + name})

    def _watcher(self):
        """A client that only listens to wills, and is never in trouble."""
        names = [protocol for protocol, _ in self.options["protocols"]]
        protocol = "mqtt" if "mqtt" in names else names[0]
        part = self.limits.protocol(protocol)
        self.add_actor("watcher", protocol)
        version = "5" if "5" in part["versions"] or (not part["versions"] and protocol == "mqtt") else \
            part["versions"][0] if part["versions"] else ""
        persistent = part["persistent"]
        self.add(0, "watcher", "connect", version=version, clean=not persistent, target=0,
                 expiry=NEVER if persistent else 0, keep_alive=60, will=None)
        self.add(1, "watcher", "subscribe", filters=[{"filter": "check/{R}/w/#" if part["wildcards"] else
                                                      "check/{R}/w/a0", "qos": max(part["qos"])}])

    def _twins(self):
        """The same client id in another protocol, where sessions are shared: it takes over for a while."""
        known = list(self.actors)
        for number, one in enumerate(known):
            others = [(protocol, targets) for protocol, targets in self.options["protocols"]
                      if protocol != one["protocol"] and self.limits.share_sessions(protocol, one["protocol"])]
            if one["name"] == "watcher" or not others or self.rng.random() > 0.25 or "takeover" not in self.faults:
                continue
            protocol, targets = self.rng.choice(others)
            name = f"{one['name']}t{number}"
            self.add_actor(name, protocol, one["client_id"])
            script = Script(self, name, protocol, targets)
            at = self.rng.randint(self.length // 3, 2 * self.length // 3)
            self.steps = [step for step in self.steps if step["actor"] != one["name"] or step["at"] < at]
            self.add(at - 1, one["name"], "stand_down")
            script.take_over(at)

    def _kills(self):
        if "kill" not in self.faults:
            return
        count = self.options.get("kills") or choose(self.rng, [(1, 0), (5, 1), (2, 2)])
        for number in range(count):
            # From a fifth to four fifths of the round, each in a part of its own.
            at = int(self.length * (0.2 + 0.6 * (number + self.rng.random()) / count))
            self.add(at, "broker", "kill", down=self.rng.choice([0, 50, 300]))
            self._be_away(at)
            if self.limits["forbidden"]["receive"]:
                # Who is away must not get this when he is back, at a broker that knows him from the store only.
                self._publish(at + self.rng.randint(500, 2000), 5, "nosub/0", 1)
            self._subscribe_before(at)
            self.rng.choice([self._bursts, self._single])(at)

    def _returns(self):
        """Clients with lasting sessions come back to a queue while others go on publishing: what is new must not come
        before what has waited, though that may have to be read first."""
        if "cut" not in self.faults:
            return
        for one in self.rng.sample(self.actors[1:], min(3, len(self.actors) - 1)):
            connects = [step for step in self.steps if step["actor"] == one["name"] and step["do"] == "connect"]
            away = self.rng.randint(self.length // 4, 3 * self.length // 4)
            last = max((step for step in connects if step["at"] < away - 200), key=lambda step: step["at"], default=None)
            part = self.limits.protocol(one["protocol"])
            if last is None or (last["with"]["expiry"] is not None and last["with"]["expiry"] <= 30) or \
                    not part["wildcards"] or not part["overlapping"]:
                continue
            back = away + self.rng.randint(200, 500)
            self.add(away - 100, one["name"], "subscribe",
                     filters=[{"filter": "check/{R}/t/#", "qos": max(part["qos"])}])
            self.add(away, one["name"], "cut", how="rst")
            self.add(back, one["name"], "connect", **dict(last["with"], clean=False))
            for early in (100, 10, 0):
                self._publish(back - early, 4, None, self._burst_count())

    def _reloads(self):
        """Now and then nobody may receive certain topics, to which some are subscribed."""
        if not self.switches():
            return
        at = self.rng.randint(300, 800)
        while at < self.length - 900:
            until = at + self.rng.randint(500, 900)
            self.add(at, "broker", "forbid")
            self.add(until, "broker", "allow")
            for when in (at - 150, (at + until) // 2, until - 100):
                self._publish(when, 3, "late/0", 1)
            at = until + self.rng.randint(300, 1500)

    def switches(self):
        return "reload" in self.faults and bool(self.limits["forbidden"]["switched"])

    def _subscribe_before(self, kill):
        """What SUBACK promises outlives the kill, too."""
        for one in self.rng.sample(self.actors[1:], min(6, len(self.actors) - 1)):
            part = self.limits.protocol(one["protocol"])
            if part["overlapping"]:
                topic = f"check/{{R}}/t/{self.rng.randrange(4)}/{self.rng.randrange(3)}"
                self.add(kill - self.rng.randint(0, 60), one["name"], "subscribe",
                         filters=[{"filter": topic, "qos": max(part["qos"])}])

    def _burst_count(self):
        return 25 if self.limits["max_queued"] > 3000 else 5

    def _bursts(self, kill):
        """Some clients publish as fast as they can when the broker dies: between an acknowledgement and what it
        promises there may be a millisecond only."""
        for early in (60, 30, 0, -30):
            self._publish(kill - early, 5, None, self._burst_count())

    def _single(self, kill):
        """A client with a session that lasts publishes once, to a store that is idle: then what other parts of the
        broker have to store for it comes a commit later."""
        lasting = []
        for one in self.actors[1:]:
            steps = [step for step in self.steps if step["actor"] == one["name"] and step["at"] < kill - 60
                     and step["do"] in ("connect", "disconnect", "cut", "lapse")]
            last = max(steps, key=lambda step: step["at"], default=None)
            if last and last["do"] == "connect" and last["with"]["expiry"] != 0:
                lasting.append(one)
        if lasting:
            one = self.rng.choice(lasting)
            at = kill - self.rng.randint(5, 40)
            qos = self.rng.choice([each for each in self.limits.protocol(one["protocol"])["qos"] if each] or [0])
            for topic in self.rng.sample([f"t/{a}/{b}" for a in range(4) for b in range(3)], 4):
                self.add(at, one["name"], "publish", qos=qos, topic="check/{R}/" + topic, count=1)

    def _publish(self, at, clients, topic, count):
        """So many clients publish at one time; without a topic each to one of its choice."""
        for one in self.rng.sample(self.actors[1:], min(clients, len(self.actors) - 1)):
            qos = [each for each in self.limits.protocol(one["protocol"])["qos"] if each]
            if qos:
                chosen = topic or self.rng.choice([f"t/{self.rng.randrange(4)}/{self.rng.randrange(3)}", "g/0"])
                self.add(at, one["name"], "publish", qos=self.rng.choice(qos), count=count, topic="check/{R}/" + chosen)

    def _be_away(self, kill):
        """Some clients with lasting sessions are away around a kill: what waits for them is in the store alone."""
        for one in self.actors:
            connects = [step for step in self.steps if step["actor"] == one["name"] and step["do"] == "connect"
                        and step["at"] < kill - 600]
            if not connects or self.rng.random() < 0.6 or one["name"] == "watcher":
                continue
            last = max(connects, key=lambda step: step["at"])["with"]
            if last["expiry"] is None or last["expiry"] > 30:
                self.add(kill - 500, one["name"], "cut", how="rst")
                self.add(kill + self.rng.randint(100, self.rng.choice([900, 2500])), one["name"], "connect",
                         **dict(last, clean=False))


class Script:
    """The steps of one actor."""

    def __init__(self, planner, name, protocol, targets):
        self.planner, self.rng = planner, planner.rng
        self.name, self.protocol, self.targets = name, protocol, targets
        self.part = planner.limits.protocol(protocol)
        rng = self.rng
        if protocol == "mqtt":
            self.versions = self.part["versions"] or ["3.1.1", "5"]
        else:
            self.versions = self.part["versions"] or [""]
        self.version = rng.choice(self.versions)
        self.five = self.version == "5"
        self.persistent = self.part["persistent"] and rng.random() < 0.65
        self.plain = rng.random() < 0.4  # uses nothing that 3.1.1 has not, and so may change its version
        if not self.five:
            self.expiry = NEVER if self.persistent else 0
        else:
            self.expiry = choose(rng, [(4, NEVER), (2, 300), (2, 60)]) if self.persistent else 0
            if self.persistent and self.plain:
                self.expiry = NEVER
        self.short = (self.five and self.persistent and not self.plain and self.part["session_expiry"]
                      and "expire" in planner.faults and rng.random() < 0.3)
        if self.short:
            self.expiry = rng.choice([1, 2])
        self.will = self.part["wills"] and rng.random() < 0.45
        self.lapses = "lapse" in planner.faults and rng.random() < 0.25
        self.filters = []
        self.at = 0

    def write(self, messages):
        """A whole life from the beginning of the round to its end."""
        rng = self.rng
        self.planner.add_actor(self.name, self.protocol)
        self.at = rng.randint(5, 400)
        self.connect(clean=True if rng.random() < 0.3 else not self.persistent)
        for _ in range(rng.randint(1, 3)):
            self.subscribe()
        eager = choose(rng, [(2, 0.4), (3, 1.0), (1, 2.2)])
        gap = max(30.0, self.planner.length / max(1.0, messages * eager / 2.5))
        table = self._table()
        while True:
            self.at += int(rng.expovariate(1 / gap)) + 1
            if self.at >= self.planner.length:
                return
            choose(rng, table)()

    def take_over(self, at):
        """From then on in the place of another actor with the same client id."""
        self.at = at
        self.connect(clean=not self.persistent)
        self.subscribe()
        while self.at < self.planner.length - 400:
            self.at += self.rng.randint(30, 500)
            choose(self.rng, [(6, self.publish), (1, self.subscribe)])()

    def _table(self):
        faults = self.planner.faults
        table = [(70, self.publish), (3, self.subscribe), (1.5, self.resubscribe), (2, self.unsubscribe),
                 (2, self.leave)]
        for fault, weight, act in (("cut", 4, self.cut), ("silent", 1.5, self.silent), ("slow", 1, self.slow),
                                   ("takeover", 1.5, self.takeover), ("duplicate", 1.5, self.duplicate),
                                   ("clean", 1, self.clean_start)):
            if fault in faults:
                table.append((weight, act))
        if self.protocol == "mqttsn":
            table.append((4, self.sleep))
        if self.five and not self.plain and self.part["retain"]:
            table.append((4, self.ask_for_retained))
        if self.lapses:
            table.append((2, self.lapse))
        if self.short:
            table.append((2, self.expire))
        return table

    def add(self, do, **arguments):
        self.planner.add(self.at, self.name, do, **arguments)

    # --- what a client does

    def connect(self, clean=None, keep_alive=None):
        rng = self.rng
        if self.plain and self.protocol == "mqtt" and len(self.versions) > 1 and rng.random() < 0.3:
            self.version = rng.choice(self.versions)
            self.five = self.version == "5"
        if clean is None:
            clean = not self.persistent
        expiry = self.expiry
        if not self.five and self.persistent and clean:
            expiry = 0  # 3.1.1: a clean session ends with its connection
        will = None
        if self.will:
            delay = rng.choice([0, 0, 1, 2, 30]) if self.five and self.part["will_delay"] else 0
            will = {"topic": "check/{R}/w/" + self.name, "qos": rng.choice(self.part["qos"]),
                    "retain": self.part["retain"] and rng.random() < 0.3, "delay": delay, "size": rng.choice([0, 200])}
        self.add("connect", version=self.version, clean=clean, expiry=expiry, will=will,
                 keep_alive=keep_alive or (2 if self.lapses else 60), target=rng.randrange(self.targets))
        if not self.five and self.persistent and clean:
            # Back to a session that lasts: what was the clean one's is gone with it.
            self.at += rng.randint(100, 300)
            self.add("disconnect")
            self.at += rng.randint(5, 100)
            self.add("connect", version=self.version, clean=False, expiry=NEVER, will=will,
                     keep_alive=keep_alive or (2 if self.lapses else 60), target=rng.randrange(self.targets))
            self.filters = []
        elif clean or self.expiry == 0:
            self.filters = []

    def _new_filter(self):
        rng, part = self.rng, self.part
        a, b = rng.randrange(4), rng.randrange(3)
        exact = f"check/{{R}}/t/{a}/{b}"
        choices = [(4, exact), (2, f"check/{{R}}/r/{rng.randrange(RETAINED_TOPICS)}")]
        if part["wildcards"]:
            choices += [(2, f"check/{{R}}/t/+/{b}"), (2, f"check/{{R}}/t/{a}/#"), (1, f"check/{{R}}/t/{a}/+"),
                        (1, "check/{R}/t/#"), (2, "check/{R}/r/+"), (1, "check/{R}/+/0/#"), (0.5, "check/{R}/#")]
        if part["shared"]:
            choices += [(2, "$share/" + rng.choice(self.planner.groups) + "/check/{R}/g/#")]
        if self.planner.limits["forbidden"]["receive"]:
            choices += [(0.7, "check/{R}/nosub/0")]
        if self.planner.switches():
            choices += [(3, "check/{R}/late/#")]
        return choose(rng, choices)

    def subscribe(self, text=None, handling=None):
        """`handling`: whether retained messages are asked for, as MQTT 5 says it; None: at random."""
        rng = self.rng
        text = text or self._new_filter()
        shared = text.startswith("$share/")
        if not self.part["overlapping"] and self.filters:
            return
        one = {"filter": text, "qos": choose(rng, [(1, 0), (3, 1), (3, 2)])}
        if one["qos"] not in self.part["qos"]:
            one["qos"] = max(self.part["qos"])
        if shared:
            one["qos"] = max(self.part["qos"]) if rng.random() < 0.8 else one["qos"]
        if self.five and not self.plain:
            one.update(rap=rng.random() < 0.25, rh=choose(rng, [(4, 0), (1, 1), (1, 2)]) if handling is None else handling,
                       nl=not shared and rng.random() < 0.15)
            if self.part["subscription_ids"] and rng.random() < 0.5:
                one["id"] = len(self.filters) + 1
        self.at += rng.randint(1, 20)
        self.add("subscribe", filters=[one])
        if text not in self.filters:
            self.filters.append(text)

    def ask_for_retained(self):
        """A new subscription where something is retained by now, with any retain handling."""
        text = f"check/{{R}}/r/{self.rng.randrange(RETAINED_TOPICS)}"
        if text in self.filters:
            self.filters.remove(text)
            self.add("unsubscribe", filters=[text])
        self.subscribe(text, self.rng.choice([0, 1, 2]))

    def resubscribe(self):
        if self.filters:
            self.subscribe(self.rng.choice(self.filters))

    def unsubscribe(self):
        # A shared filter is kept: one that leaves takes away what could be said of its group.
        own = [text for text in self.filters if not text.startswith("$share/")]
        if len(own) > 1:
            text = self.rng.choice(own)
            self.filters.remove(text)
            self.add("unsubscribe", filters=[text])

    def publish(self):
        rng = self.rng
        choices = [(12, f"check/{{R}}/t/{rng.randrange(4)}/{rng.randrange(3)}"), (4, "retained"),
                   (3, f"check/{{R}}/g/{rng.randrange(3)}")]
        forbidden = self.planner.limits["forbidden"]
        if forbidden["publish"]:
            choices.append((1, "check/{R}/nopub/0"))
        if forbidden["receive"]:
            choices.append((1, "check/{R}/nosub/0"))
        topic = choose(rng, choices)
        qos = choose(rng, [(1, 0), (3, 1), (3, 2)])
        qos = qos if qos in self.part["qos"] else max(self.part["qos"])
        count = choose(rng, [(4, 1), (2, 3), (1, 8)])
        size = min(choose(rng, [(6, 0), (4, 120), (1, 3000), (0.2, 40000)]), self.part["payload_bytes_max"])
        if topic != "retained" or not self.part["retain"]:
            if topic == "retained":
                return
            # What nobody may receive must not come as a retained message either.
            retain = "/nosub/" in topic and self.part["retain"] and rng.random() < 0.5
            self.add("publish", topic=topic, qos=qos, retain=retain, size=size, count=1 if retain else count)
            return
        number = rng.randrange(RETAINED_TOPICS)
        topic = f"check/{{R}}/r/{number}"
        if number and max(self.part["qos"]):
            # What was retained with QoS 0 may be dropped at any time, and nobody knows when it was written:
            # nothing can be said of such a topic, so only one sees it.
            qos = max(qos, min(each for each in self.part["qos"] if each))
        if rng.random() < 0.2:
            self.add("publish", topic=topic, qos=qos, retain=True, empty=True)
        else:
            self.add("publish", topic=topic, qos=qos, retain=rng.random() < 0.8, size=size)

    # --- and what goes wrong

    def _back(self, longest=1500):
        # Long enough sometimes for what waits to leave the broker's memory.
        self.at += int(choose(self.rng, [(3, 10), (3, 100), (3, self.rng.randint(10, longest)), (1, 4500)]))
        self.connect()
        if not self.persistent or not self.filters:
            self.at += 5
            self.subscribe()
            self.subscribe()

    def leave(self):
        will = self.five and self.will and self.rng.random() < 0.3
        if self.five and self.persistent and not self.plain and self.rng.random() < 0.25:
            self.add("disconnect", will=will, expiry=0)  # and the session ends
            self.filters = []
        else:
            self.add("disconnect", will=will)
        self._back()

    def cut(self):
        self.add("cut", how=self.rng.choice(["rst", "fin", "inside"]))
        self._back()

    def silent(self):
        self.add("silent", seconds=round(self.rng.uniform(0.2, 2.0), 2))

    def slow(self):
        self.add("silent", seconds=round(self.rng.uniform(0.2, 2.0), 2), trickle=self.rng.choice([16, 256]))

    def takeover(self):
        self.add("silent", seconds=1.5)
        self.at += self.rng.randint(50, 500)
        self.duplicate()

    def duplicate(self):
        self.connect()
        if not self.persistent or not self.filters:
            self.at += 5
            self.subscribe()

    def clean_start(self):
        if self.rng.random() < 0.6:
            self.add("cut", how=self.rng.choice(["rst", "fin"]))
            self.at += self.rng.randint(5, 300)
        self.connect(clean=True)
        for _ in range(2):
            self.subscribe()

    def sleep(self):
        seconds = round(self.rng.uniform(0.3, 2.5), 1)
        self.add("sleep", seconds=seconds)
        self.at += int(seconds * 1000)  # whatever it had to do would wake it

    def lapse(self):
        self.add("lapse")
        self.at += 3000 + self.rng.randint(300, 1500)
        self.add("cut", how="rst")
        self._back()

    def expire(self):
        self.add(*self.rng.choice([("disconnect",), ("cut",)]))
        late = self.planner.limits["late_seconds"]
        self.at += int(1000 * (self.expiry + late)) + 300 if self.rng.random() < 0.7 else self.rng.randint(50, 700)
        self.connect()
        self.at += 10
        self.subscribe()
        self.subscribe()


def make(seed, options, limits):
    """The plan of this seed."""
    return Planner(seed, options, limits).plan()


def for_round(plan, round_name):
    """A copy in which `{R}` is the round's name."""
    return json.loads(json.dumps(plan).replace("{R}", round_name))


def without(plan, steps):
    """A copy with only these steps, and only the actors that have some."""
    names = {step["actor"] for step in steps}
    return dict(copy.deepcopy({key: value for key, value in plan.items() if key not in ("steps", "actors")}),
                actors=[actor for actor in plan["actors"] if actor["name"] in names], steps=list(steps))
