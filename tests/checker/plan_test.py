#!/usr/bin/python3
"""Plans come from their seed alone, keep to the limits, and are made shorter without losing what they show."""

import collections
import json
import unittest

import plan as plans
import shrink
from actor import Target
from history import make_payload, read_payload
from judge import Finding
from limits import Limits
from timeline import matches

OPTIONS = {"protocols": [("mqtt", 2)], "faults": list(plans.FAULTS), "actors": 12, "seconds": 6.0, "rate": 200.0}


def make(seed, limits=None, **options):
    return plans.make(seed, {**OPTIONS, **options}, Limits(limits))


def steps_of(plan, do):
    return [step for step in plan["steps"] if step["do"] == do]


class Plans(unittest.TestCase):

    def test_the_same_seed_is_the_same_plan(self):
        self.assertEqual(json.dumps(make("1:2")), json.dumps(make("1:2")))
        self.assertNotEqual(json.dumps(make("1:2")), json.dumps(make("1:3")))

    def test_a_plan_survives_json(self):
        plan = make(5)
        self.assertEqual(json.loads(json.dumps(plan)), plan)

    def test_every_fault_comes_within_a_few_seeds_and_none_without_it(self):
        marks = {"cut": "cut", "silent": "silent", "lapse": "lapse", "kill": "kill"}
        for fault, do in marks.items():
            self.assertTrue(any(steps_of(make(seed, faults=[fault]), do) for seed in range(5)), fault)
        for do in marks.values():
            self.assertFalse(any(steps_of(make(seed, faults=[]), do) for seed in range(5)), do)

    def test_the_limits_bound_what_is_used(self):
        part = {"mqtt": {"versions": ["3.1.1"], "qos": [0, 1], "shared": False, "retain": False, "wills": False}}
        for seed in range(10):
            text = json.dumps(make(seed, {"protocols": part}))
            for word in ('"qos": 2', "$share", '"retain": true', '"version": "5"', "nosub", "nopub"):
                self.assertNotIn(word, text)
            for step in steps_of(make(seed, {"protocols": part}), "connect"):
                self.assertIsNone(step["with"]["will"])

    def test_forbidden_topics_come_where_the_target_has_rules(self):
        limits = {"forbidden": {"publish": ["check/+/nopub/#"], "receive": ["check/+/nosub/#"]}}
        text = "".join(json.dumps(make(seed, limits)) for seed in range(5))
        self.assertIn("check/{R}/nopub/0", text)
        self.assertIn("check/{R}/nosub/0", text)

    def test_rules_change_where_the_target_has_such(self):
        limits = {"forbidden": {"switched": ["check/+/late/#"]}}
        plan = make(1, limits, faults=["reload"])
        forbidden, allowed = ([step["at"] for step in steps_of(plan, do)] for do in ("forbid", "allow"))
        self.assertTrue(forbidden)
        self.assertEqual(len(forbidden), len(allowed))
        for begin, end in zip(forbidden, allowed):
            self.assertTrue(any(begin < step["at"] < end and "/late/" in step["with"]["topic"]
                                for step in steps_of(plan, "publish")))
        self.assertEqual(steps_of(make(1, limits, faults=["kill"]), "forbid"), [])
        self.assertEqual(steps_of(make(1, faults=["reload"]), "forbid"), [])

    def test_a_round_gives_its_name_to_everything(self):
        text = json.dumps(plans.for_round(make(1), "r7"))
        self.assertNotIn("{R}", text)
        self.assertIn("check/r7/", text)

    def test_filters_match_as_the_specification_says(self):
        for pattern, topic, wanted in (
                ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b", True), ("a/+", "a", False),
                ("a/+", "a/b/c", False), ("+", "a/b", False), ("#", "$SYS/x", False), ("+/x", "$SYS/x", False),
                ("$SYS/#", "$SYS/x", True), ("+/+", "/a", True), ("a", "A", False), ("a/b", "a", False)):
            self.assertEqual(matches(pattern, topic), wanted, (pattern, topic))

    def test_payloads_name_their_publication_and_show_changes(self):
        payload = make_payload("r1", "a.1", "t/x", 300)
        self.assertEqual(len(payload), 300)
        self.assertEqual(read_payload("r1", "t/x", payload), ("a.1", None))
        self.assertEqual(read_payload("r1", "t/x", make_payload("r1", "a.1", "t/x", 0)), ("a.1", None))
        self.assertEqual(read_payload("r1", "t/x", b""), (None, None))
        for changed in (payload[:-1], payload + b"x", payload.replace(b"a.1", b"a.2"), b"other", b"\xff"):
            self.assertIsNotNone(read_payload("r1", "t/x", changed)[1], changed[:40])
        self.assertIsNotNone(read_payload("r2", "t/x", payload)[1])
        self.assertIsNotNone(read_payload("r1", "t/y", payload)[1])

    def test_targets(self):
        one = Target.parse("ws://me:secret@127.0.0.1:80/mqtt?a=b")
        self.assertEqual((one.scheme, one.address, one.path, one.username, one.password, one.options),
                         ("ws", ("127.0.0.1", 80), "/mqtt", "me", "secret", {"a": "b"}))
        for wrong in ("127.0.0.1:1883", "mqtt://127.0.0.1", "mqtt:"):
            with self.assertRaises(ValueError):
                Target.parse(wrong)


class FakeBroker:
    """Shows a finding when a plan has all of some steps; perhaps not at each run."""

    def __init__(self, needed, fails=lambda run: False):
        self.needed, self.fails, self.runs = needed, fails, 0

    def run(self, plan):
        self.runs += 1
        have = collections.Counter((step["actor"], step["with"].get("key")) for step in plan["steps"])
        shown = all(have[each] for each in self.needed) and not self.fails(self.runs)
        return [], [Finding("order", "4.6", "x", ["a0.1"], ["a1#1"])] if shown else []


def long_plan():
    steps = [{"at": 100 * number, "actor": f"a{number % 6}", "do": "publish",
              "with": {"key": number, "count": 8, "topic": "t"}} for number in range(120)]
    return {"seed": 1, "seconds": 12, "steps": steps,
            "actors": [{"name": f"a{number}", "protocol": "mqtt", "client_id": "x"} for number in range(6)]}


class Shrinking(unittest.TestCase):

    NEEDED = [("a0", 12), ("a1", 31), ("a3", 99)]

    def shrink(self, broker, seconds=1e9, clock=lambda: 0.0):
        first = ([], [Finding("order", "4.6", "x", ["a0.1"], ["a1#1"]), Finding("leak", "", "y", [], [])])
        plan, _, findings = shrink.Shrinker(long_plan(), first, broker.run, seconds, clock=clock).shrink()
        self.assertEqual([finding.kind for finding in findings], ["order"])
        return plan

    def test_only_what_is_needed_is_left(self):
        plan = self.shrink(FakeBroker(self.NEEDED))
        self.assertEqual([(step["actor"], step["with"]["key"]) for step in plan["steps"]], self.NEEDED)
        self.assertEqual([actor["name"] for actor in plan["actors"]], ["a0", "a1", "a3"])
        self.assertTrue(all(step["with"]["count"] == 1 for step in plan["steps"]))
        self.assertLess(shrink.plan_seconds(plan), 0.1)

    def test_a_race_is_shrunk_too(self):
        plan = self.shrink(FakeBroker(self.NEEDED, fails=lambda run: run % 3 == 1))
        self.assertEqual(len(plan["steps"]), len(self.NEEDED))

    def test_a_kind_that_comes_again_is_preferred(self):
        broker = FakeBroker(self.NEEDED)
        first = ([], [Finding("missing", "", "once", [], []), Finding("order", "4.6", "x", ["a0.1"], ["a1#1"])])
        plan, _, findings = shrink.Shrinker(long_plan(), first, broker.run, 1e9, clock=lambda: 0.0).shrink()
        self.assertEqual(([finding.kind for finding in findings], len(plan["steps"])), (["order"], 3))

    def test_it_ends_in_time_with_a_plan_that_shows_it(self):
        ticks = iter(range(10**6))
        broker = FakeBroker(self.NEEDED)
        plan = self.shrink(broker, seconds=12, clock=lambda: float(next(ticks)))
        self.assertLess(broker.runs, 14)
        self.assertTrue(broker.run(plan)[1])

    def test_pauses_are_cut_and_the_order_is_kept(self):
        quick = shrink.compressed(long_plan(), 20)
        self.assertEqual([step["with"]["key"] for step in quick["steps"]], list(range(120)))
        self.assertEqual(shrink.plan_seconds(quick), 119 * 0.02)


if __name__ == "__main__":
    unittest.main()
