"""Makes a plan that shows a finding as short as it gets: delta debugging over its actors, then over its steps.

`run(plan)` gives (history, findings). Since what broke may be a race, a smaller plan gets several tries before it is held
for harmless; a plan that shows a finding of the same kind once is kept.
"""

import math
import time

import plan as plans

TRIES = 3


class Shrinker:

    def __init__(self, plan, result, run, seconds, say=None, clock=time.monotonic):
        self.best, self.result, self.run = plan, result, run
        self.kinds = {finding.kind for finding in result[1]}
        self.clock, self.deadline = clock, clock() + seconds
        self.say = say or (lambda text: None)
        self.runs = 0

    def over(self):
        return self.clock() >= self.deadline

    def shows(self, plan, tries=TRIES):
        """Whether the plan still shows a finding of a kind seen at first; then it is the best."""
        for _ in range(tries):
            if self.over():
                return False
            self.runs += 1
            events, findings = self.run(plan)
            same = [finding for finding in findings if finding.kind in self.kinds]
            if same:
                self.best, self.result = plan, (events, same)
                self.kinds = {finding.kind for finding in same}
                self.say(f"  shrunk to {len(plan['steps'])} steps of {len(plan['actors'])} clients")
                return True
        return False

    def _reduce(self, pieces, build):
        """ddmin: takes away ever smaller parts of `pieces` while the finding stays. `build(pieces)` is a plan."""
        size = math.ceil(len(pieces) / 2)
        while size >= 1 and len(pieces) > 1 and not self.over():
            at, removed = 0, False
            while at < len(pieces) and not self.over():
                rest = pieces[:at] + pieces[at + size:]
                if rest and self.shows(build(rest)):
                    pieces, removed = rest, True
                else:
                    at += size
            if size == 1 and not removed:
                break
            size = max(1, size // 2) if not removed or size > 1 else 1
        return pieces

    def _guess(self):
        """First try what the finding itself names: its connections' actors, and those of its messages."""
        finding = self.result[1][0]
        names = {name.split("#")[0] for name in finding.conns} | {op.split(".")[0] for op in finding.ops}
        for keep in (names, names | {"broker", "watcher"}):
            steps = [step for step in self.best["steps"] if step["actor"] in keep]
            if steps and len(steps) < len(self.best["steps"]) and self.shows(plans.without(self.best, steps)):
                return

    def _by_actor(self):
        names = sorted({step["actor"] for step in self.best["steps"]})
        source = self.best

        def build(kept):
            return plans.without(source, [step for step in source["steps"] if step["actor"] in kept])
        self._reduce(names, build)

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

    def shrink(self):
        self._guess()
        self._by_actor()
        self._by_step()
        self._counts()
        return (self.best, *self.result)


def shrink(plan, result, run, seconds, say=None):
    """(plan, history, findings), the shortest found within the time."""
    return Shrinker(plan, result, run, seconds, say).shrink()
