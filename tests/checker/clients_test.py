#!/usr/bin/python3
"""What the clients of the protocols know without a broker: spellings, sessions out of a history, limits, broken links."""

import os
import pathlib
import sys
import types
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "interop")]

import history as histories  # noqa: E402
import judge  # noqa: E402
import limits as limit_files  # noqa: E402
import plan as plans  # noqa: E402
from actor import Setup, Target  # noqa: E402
from actors import registry, sessions  # noqa: E402
from story import Story  # noqa: E402


def made(protocol, limits):
    """An actor that has not connected."""
    target = Target.parse(f"{protocol}://127.0.0.1:1")
    return registry.actor_class(protocol)(Setup("a", "me", [target], histories.History(), limits, "r"))


class Payloads(unittest.TestCase):

    def test_the_first_block_names_its_publication(self):
        whole = histories.make_payload("r", "a1.2", "t", 3000)
        self.assertEqual(histories.op_of_part("r", whole[:64]), "a1.2")
        self.assertIsNone(histories.op_of_part("other", whole[:64]))
        self.assertIsNone(histories.op_of_part("r", b"\xff" * 64))
        self.assertIsNone(histories.op_of_part("r", whole[:8]))


class Files(unittest.TestCase):

    def test_every_limits_file_is_read_and_makes_a_plan(self):
        for path in sorted(pathlib.Path(HERE, "targets").glob("*.json")):
            with self.subTest(path=path.name):
                limits = limit_files.load(path)
                names = sorted(limits["protocols"]) or ["mqtt"]
                options = {"protocols": [(name, 1) for name in names], "faults": list(plans.FAULTS), "seconds": 4,
                           "actors": 8, "rate": 40}
                plan = plans.make("1:0", options, limits)
                self.assertEqual({one["protocol"] for one in plan["actors"]} - set(names), set())
                allowed = {name: limits.protocol(name)["qos"] for name in names}
                protocol_of = {one["name"]: one["protocol"] for one in plan["actors"]}
                for step in plan["steps"]:
                    if step["do"] == "publish":
                        self.assertIn(step["with"].get("qos", 0), allowed[protocol_of[step["actor"]]])


class Stomp(unittest.TestCase):

    def test_destinations_of_a_broker_that_has_them_as_topics(self):
        one = made("stomp", limit_files.load(pathlib.Path(HERE, "targets", "mangrove.json")))
        for text in ("check/r/t/1", "check/r/+/#", "$share/g/check/#"):
            self.assertEqual(one.destination(text), text)
        self.assertEqual(one.topic("check/r/t/1"), "check/r/t/1")

    def test_destinations_of_rabbitmq(self):
        one = made("stomp", limit_files.load(pathlib.Path(HERE, "targets", "rabbitmq.json")))
        self.assertEqual(one.destination("check/r/t/1"), "/topic/check.r.t.1")
        self.assertEqual(one.destination("check/+/t/#"), "/topic/check.*.t.#")
        self.assertEqual(one.topic("/topic/check.r.t.1"), "check/r/t/1")


class Sessions(unittest.TestCase):

    EVENTS = [
        {"e": "connect", "conn": "a#1", "client": "me", "clean": False},
        {"e": "connected", "conn": "a#1", "present": False},
        {"e": "subscribe", "conn": "a#1", "op": "1", "filters": [
            {"filter": "x", "qos": 2}, {"filter": "no", "qos": 2}]},
        {"e": "subscribed", "conn": "a#1", "op": "1", "codes": [1, None]},
        {"e": "connect", "conn": "b#1", "client": "other", "clean": True},
        {"e": "connect", "conn": "t#1", "client": "me", "clean": False},
        {"e": "subscribe", "conn": "t#1", "op": "2", "filters": [{"filter": "y", "qos": 1}]},
        {"e": "subscribed", "conn": "t#1", "op": "2", "codes": [0]},
    ]

    def test_what_is_refused_now_was_not_granted_by_an_older_answer_that_never_came(self):
        def asked(op):
            return {"e": "subscribe", "conn": "c#1", "op": op, "filters": [{"filter": "no", "qos": 1}]}
        events = [{"e": "connect", "conn": "c#1", "client": "me", "clean": True}, asked("1"), asked("2"),
                  {"e": "subscribed", "conn": "c#1", "op": "2", "codes": [None]}]
        self.assertEqual(sessions.filters(events[:3], "me"), {"no": 1})
        self.assertEqual(sessions.filters(events, "me"), {})

    def test_what_any_protocol_has_subscribed_and_the_broker_granted(self):
        self.assertEqual(sessions.filters(self.EVENTS, "me"), {"x": 1, "y": 0})
        self.assertEqual(sessions.filters(self.EVENTS, "other"), {})

    def test_what_was_not_answered_may_be_there(self):
        self.assertEqual(sessions.filters(self.EVENTS[:-1], "me"), {"x": 1, "y": 1})
        end = {"e": "unsubscribe", "conn": "t#1", "op": "3", "filters": ["x"]}
        self.assertEqual(sessions.filters([*self.EVENTS, end], "me"), {"x": 1, "y": 0})

    def test_it_ends_with_unsubscribe_a_clean_connection_and_a_lost_session(self):
        end = {"e": "unsubscribe", "conn": "t#1", "op": "3", "filters": ["x"]}
        for events, left in (([end, {"e": "unsubscribed", "conn": "t#1", "op": "3"}], {"y": 0}),
                             ([{"e": "connect", "conn": "a#2", "client": "me", "clean": True}], {}),
                             ([{"e": "connected", "conn": "t#1", "present": False}], {})):
            self.assertEqual(sessions.filters([*self.EVENTS, *events], "me"), left)


class Datagrams(unittest.TestCase):

    def test_who_falls_silent_is_noticed_by_the_keep_alive_or_never(self):
        for keep_alive in (4, 0):
            one = made("mqttsn", limit_files.Limits())
            one.conn, one.keep_alive, one.link = "a#1", keep_alive, types.SimpleNamespace(close=lambda: None)
            one.do_cut()
            closed = one.history.events[-1]
            self.assertEqual((closed["e"], closed["how"], one.connected()), ("closed", "cut", False))
            earliest, latest = closed["noticed"]
            if keep_alive:
                self.assertAlmostEqual(latest - earliest, 6.0)
            else:
                self.assertIsNone(latest)


class Judged(unittest.TestCase):
    """What the events of these protocols say beside those of MQTT."""

    def found(self, story):
        return {one.kind for one in judge.judge(story.history(), limit_files.Limits())}

    @staticmethod
    def will(noticed, came=None, back=None, on_takeover=True):
        story = Story().connect(0, "o#1", "o").subscribe(0.5, "o#1", "w").connect(1, "s#1", "s", will={}, present=None)
        story.events[-2]["will_on_takeover"] = on_takeover
        story.add(2, "closed", "s#1", by="us", how="cut", noticed=noticed)
        if came is not None:
            story.message(came, "o#1", "w.s#1", "w")
        if back is not None:
            story.connect(back, "s#2", "s", present=None)
        return story.drained(60, "o#1")

    def test_a_silent_client_s_will_comes_when_the_broker_notices(self):
        self.assertEqual(self.found(self.will([2, 11], came=11)), set())
        self.assertEqual(self.found(self.will([2, 11])), {"missing"})
        self.assertEqual(self.found(self.will([2, 11], came=1.5)), {"will"})
        self.assertEqual(self.found(self.will([2, None])), set())

    def test_a_client_that_is_back_may_have_no_will(self):
        self.assertEqual(self.found(self.will([2, 11], back=5, on_takeover=False)), set())
        self.assertEqual(self.found(self.will([2, 11], back=5)), {"missing"})
        self.assertEqual(self.found(self.will([2, 11], back=20, on_takeover=False)), {"missing"})

    def test_what_nack_sent_back_comes_out_of_order(self):
        for returned, kinds in ((True, set()), (False, {"order"})):
            story = Story().connect(0, "r#1", "r").subscribe(0.5, "r#1", "t", 1).connect(0, "p#1", "p")
            story.publish(1, "p#1", "p.1").publish(2, "p#1", "p.2").message(3, "r#1", "p.2")
            story.message(4, "r#1", "p.1", **({"returned": True} if returned else {}))
            self.assertEqual(self.found(story.drained(60, "r#1")), kinds)

    def test_a_subscription_without_a_qos_may_have_any(self):
        for options, kinds in (({"any_qos": True}, set()), ({}, {"qos"})):
            story = Story().connect(0, "r#1", "r").subscribe(0.5, "r#1", "t", 0, **options).connect(0, "p#1", "p")
            story.publish(1, "p#1", "p.1").message(3, "r#1", "p.1", qos=1)
            self.assertEqual(self.found(story.drained(60, "r#1")), kinds)


if __name__ == "__main__":
    unittest.main()
