"""Makes a plan that shows a finding as short as it gets: delta debugging over its actors, then over its steps.

`run(plan)` gives (history, findings). What broke may be a race, so a plan that is to be given up gets several tries,
unless the finding has shown itself at every attempt; a plan that shows a finding of the same kind once is kept.
"""

import math
import time

import plan as plans

TRIES = 3


class Shrinker:
    """One finding's way down. `best` and `result` are the shortest plan so far and what it showed."""

    def __init__(self, plan, result, run, seconds, say=None, clock=time.monotonic):
        self.best, self.result, self.run = plan, result, run
        self.kind = ""
        self.clock, self.seconds, self.deadline = clock, seconds, math.inf
        self.say = say or (lambda text: None)
        self.tries, self.runs = TRIES, 0

    def over(self):
        return self.clock() >= self.deadline

    def _run_once(self, plan):
        """Whether it shows the kind of finding that is looked for; then it is the best."""
        self.runs += 1
        events, findings = self.run(plan)
        same = [finding for finding in findings if finding.kind == self.kind]
        if same:
            self.best, self.result = plan, (events, same)
        return bool(same)

    def shows(self, plan):
        for _ in range(self.tries):
            if self.over():
                return False
            if self._run_once(plan):
                self.say(f"  shrunk to {len(plan['steps'])} steps of {len(plan['actors'])} clients, "
                         f"{plan_seconds(plan):.1f} s")
                return True
        return False

    def _reduce(self, pieces, build):
        """ddmin: takes away ever smaller parts of `pieces` while the finding stays. `build(pieces)` is a plan."""
        size = math.ceil(len(pieces) / 2)
        while len(pieces) > 1 and not self.over():
            at, removed = 0, False
            while at < len(pieces) and not self.over():
                rest = pieces[:at] + pieces[at + size:]
                if rest and self.shows(build(rest)):
                    pieces, removed = rest, True
                else:
                    at += size
            if size == 1 and not removed:
                return
            if not removed:
                size = max(1, size // 2)
            size = min(size, max(1, len(pieces) // 2))

    def _named(self):
        """First what the finding itself names: the actors of its connections and messages."""
        finding = self.result[1][0]
        names = {name.split("#")[0] for name in finding.conns} | {op.split(".")[0] for op in finding.ops}
        for keep in (names, names | {"broker", "watcher"}):
            steps = [step for step in self.best["steps"] if step["actor"] in keep]
            if steps and len(steps) < len(self.best["steps"]) and self.shows(plans.without(self.best, steps)):
                return

    def _faster(self):
        """Shorter pauses, so that every further run is shorter."""
        for longest in (20, 200, 1000):
            quick = compressed(self.best, longest)
            if plan_seconds(quick) < 0.8 * plan_seconds(self.best) and self.shows(quick):
                return

    def _by_actor(self):
        source = self.best
        self._reduce(sorted({step["actor"] for step in source["steps"]}), lambda kept: plans.without(
            source, [step for step in source["steps"] if step["actor"] in kept]))

    def _by_step(self):
        source = self.best
        self._reduce(list(source["steps"]), lambda steps: plans.without(source, steps))

    def _counts(self):
        """One message where a step publishes several."""
        for index in range(len(self.best["steps"]) - 1, -1, -1):
            step = self.best["steps"][index]
            if step["do"] == "publish" and step["with"].get("count", 1) > 1 and not self.over():
                steps = list(self.best["steps"])
                steps[index] = dict(step, **{"with": {**step["with"], "count": 1}})
                self.shows(plans.without(self.best, steps))

    def _again(self):
        """Runs the whole plan twice more; of the kinds of findings takes one that comes again, if one does."""
        first = self.result[1]
        results = []
        for _ in range(2):
            self.runs += 1
            results.append(self.run(self.best))
        kinds = list(dict.fromkeys(finding.kind for finding in first))
        often = {kind: sum(any(finding.kind == kind for finding in findings) for _, findings in results)
                 for kind in kinds}
        self.kind = max(kinds, key=lambda kind: often[kind])  # of equals the first, which is the gravest
        self.result = (self.result[0], [finding for finding in first if finding.kind == self.kind])
        self.tries = 1 if often[self.kind] == len(results) else TRIES
        self.say(f"  {self.kind}: shown again in {often[self.kind]} of {len(results)} further runs")

    def shrink(self):
        self._again()
        self.deadline = self.clock() + self.seconds
        for part in (self._named, self._faster, self._by_actor, self._faster, self._by_step, self._counts,
                     self._faster):
            if not self.over():
                part()
        return (self.best, *self.result)


def plan_seconds(plan):
    return max((step["at"] for step in plan["steps"]), default=0) / 1000


def compressed(plan, longest):
    """The same steps with pauses of at most `longest` milliseconds between one and the next."""
    steps, now, before = [], 0, 0
    for step in plan["steps"]:
        now += min(longest, step["at"] - before)
        before = step["at"]
        steps.append(dict(step, at=now))
    return plans.without(plan, steps)


def shrink(plan, result, run, seconds, say=None):
    """(plan, history, findings), the shortest found within the time."""
    return Shrinker(plan, result, run, seconds, say).shrink()
