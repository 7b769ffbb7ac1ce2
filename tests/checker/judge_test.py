#!/usr/bin/python3
"""The judge: for each check a history in which it must find something, and a near neighbour in which it must not."""

import unittest

import judge
from limits import Limits
from story import Story

LIMITS = Limits({"forbidden": {"publish": ["nopub/#"], "receive": ["nosub/#"]}})


def pair(**connect):
    """A subscriber `s` with a persistent session, and a publisher `p`."""
    return Story().connect(0, "s#1", "s", **connect).connect(0, "p#1", "p", expiry=0)


class JudgeTest(unittest.TestCase):

    def kinds(self, story, limits=LIMITS):
        return {finding.kind for finding in judge.judge(story.history(), limits)}

    def assert_found(self, kind, story, limits=LIMITS):
        self.assertIn(kind, self.kinds(story, limits))

    def assert_clean(self, story, limits=LIMITS):
        self.assertEqual([str(one) for one in judge.judge(story.history(), limits)], [])


class Missing(JudgeTest):

    def story(self, qos=1, granted=1, answered=True):
        return pair().subscribe(1, "s#1", "t", granted).publish(2, "p#1", "p.1", qos=qos, answered=answered)

    def test_acknowledged_and_never_delivered(self):
        self.assert_found("missing", self.story().drained(5, "s#1"))

    def test_delivered(self):
        self.assert_clean(self.story().message(2.1, "s#1", "p.1").drained(5, "s#1"))

    def test_never_acknowledged_is_owed_to_nobody(self):
        self.assert_clean(self.story(answered=False).drained(5, "s#1"))

    def test_qos_0_on_either_side_is_owed_to_nobody(self):
        self.assert_clean(self.story(qos=0).drained(5, "s#1"))
        self.assert_clean(self.story(granted=0).drained(5, "s#1"))

    def test_published_while_the_subscriber_was_away(self):
        story = self.story().cut(1.5, "s#1").connect(3, "s#2", "s", clean=False, present=True)
        self.assert_found("missing", story.drained(5, "s#2"))
        self.assert_clean(story.message(3.2, "s#2", "p.1"))

    def test_a_subscription_without_its_answer_owes_nothing(self):
        story = pair().subscribe(1, "s#1", "t", answered=False).publish(2, "p#1", "p.1")
        self.assert_clean(story.drained(5, "s#1"))

    def test_a_subscription_answered_while_the_message_was_under_way_owes_nothing(self):
        story = pair().subscribe(1.95, "s#1", "t").publish(2, "p#1", "p.1")
        self.assert_clean(story.drained(5, "s#1"))

    def test_what_was_unsubscribed_before_the_end_may_be_dropped(self):
        self.assert_clean(self.story().unsubscribe(3, "s#1", "t").drained(5, "s#1"))

    def test_a_subscription_that_is_replaced_loses_nothing(self):
        story = pair().subscribe(1, "s#1", "t").subscribe(1.95, "s#1", "t").publish(2, "p#1", "p.1")
        self.assert_found("missing", story.drained(5, "s#1"))

    def test_own_messages_with_no_local(self):
        story = Story().connect(0, "s#1", "s").subscribe(1, "s#1", "t", nl=True).publish(2, "s#1", "s.1")
        self.assert_clean(story.drained(5, "s#1"))

    def test_a_session_that_was_given_up_is_owed_nothing(self):
        story = self.story().cut(2.5, "s#1").connect(3, "s#2", "s", clean=True)
        self.assert_clean(story.drained(5, "s#2"))

    def test_after_a_kill_too(self):
        story = self.story().kill(2.5).closed(2.5, "s#1").closed(2.5, "p#1")
        story.connect(3.5, "s#2", "s", clean=False, present=True).drained(5, "s#2")
        self.assert_found("missing", story)
        self.assert_clean(story, Limits({"survives_kill": False}))

    def test_blocks_that_were_being_fetched_may_count_as_received(self):
        story = self.story().cut(2.5, "s#1").connect(3, "s#2", "s", clean=False, present=True).drained(5, "s#2")
        self.assert_found("missing", story)
        self.assert_clean(story.add(2.5, "partial", "s#1", op="p.1"))

    def test_a_clean_session_of_a_sleeper_may_end_with_the_broker(self):
        for expiry, clean in ((None, False), (0, True)):
            story = pair(protocol="mqttsn", expiry=expiry, clean=clean).subscribe(1, "s#1", "t")
            story.add(1.5, "asleep", "s#1").kill(1.7).closed(1.7, "p#1").connect(2, "p#2", "p", expiry=0)
            story.publish(2.5, "p#2", "p.1").drained(5, "s#1")
            if clean:
                self.assert_clean(story)
            else:
                self.assert_found("missing", story)

    def test_what_a_session_had_when_the_broker_lost_it(self):
        story = self.story().cut(1.5, "s#1").kill(2.5).connect(3.5, "s#2", "s", clean=False, present=False)
        self.assert_found("missing", story.drained(5, "s#2"))

    def test_a_full_queue_may_drop(self):
        story = pair().subscribe(1, "s#1", "t").cut(1.5, "s#1")
        for number in range(6):
            story.publish(2 + number / 10, "p#1", f"p.{number}")
        story.connect(3, "s#2", "s", clean=False, present=True).message(3.2, "s#2", "p.5").drained(5, "s#2")
        self.assert_found("missing", story, Limits({"max_queued": 6}))
        self.assert_clean(story, Limits({"max_queued": 5}))

    def test_a_client_that_was_not_drained_says_nothing(self):
        self.assert_clean(self.story())


class Duplicate(JudgeTest):

    def story(self, qos=2, copies=2, filters=("t",)):
        story = pair().publish(2, "p#1", "p.1", qos=qos)
        for text in filters:
            story.subscribe(1, "s#1", text)
        for number in range(copies):
            story.message(2.05 + number, "s#1", "p.1", qos=qos)
        return story.drained(9, "s#1")

    def test_qos_2_twice(self):
        self.assert_found("duplicate", self.story())

    def test_qos_1_twice(self):
        self.assert_clean(self.story(qos=1))

    def test_qos_0_twice(self):
        self.assert_found("duplicate", self.story(qos=0))

    def test_of_what_was_not_acknowledged_a_killed_broker_need_not_know(self):
        def story(**acknowledged):
            found = pair().subscribe(1, "s#1", "t", 0).publish(2, "p#1", "p.1", qos=2, takes=4)
            found.message(2.1, "s#1", "p.1", qos=0).kill(2.5).closed(2.5, "s#1").closed(2.5, "p#1")
            found.connect(3.5, "s#2", "s", clean=False, present=True).connect(4, "p#2", "p", expiry=0)
            found.add(4.5, "resend", "p#2", op="p.1").message(4.6, "s#2", "p.1", qos=0).drained(9, "s#2")
            return found.add(2.2, "acknowledged", "p#1", op="p.1") if acknowledged else found
        self.assert_clean(story())
        self.assert_found("duplicate", story(acknowledged=True))

    def test_a_copy_for_each_subscription_that_matches(self):
        self.assert_clean(self.story(filters=("t", "+")))
        self.assert_found("duplicate", self.story(copies=3, filters=("t", "+")))

    def test_over_a_reconnect(self):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1", qos=2).message(2.1, "s#1", "p.1", qos=2)
        story.cut(3, "s#1").connect(4, "s#2", "s", clean=False, present=True)
        self.assert_clean(story.drained(9, "s#2"))
        self.assert_found("duplicate", story.message(4.2, "s#2", "p.1", qos=2))

    def test_a_retained_message_once_more_for_each_subscribe(self):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1", qos=2, retain=True)
        story.message(2.1, "s#1", "p.1", qos=2).drained(9, "s#1").subscribe(3, "s#1", "t")
        self.assert_clean(story.message(3.1, "s#1", "p.1", qos=2, retain=True))
        self.assert_found("duplicate", story.message(3.2, "s#1", "p.1", qos=2, retain=True)
                          .message(3.3, "s#1", "p.1", qos=2, retain=True))


class Order(JudgeTest):

    def story(self, second="p#1"):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1", takes=2 if second != "p#1" else 0.1)
        if second != "p#1":
            story.connect(2.2, second, "p", expiry=0)
        return story.publish(2.5, second, "p.2")

    def test_the_later_one_first(self):
        self.assert_found("order", self.story().message(2.6, "s#1", "p.2").message(2.7, "s#1", "p.1")
                          .drained(5, "s#1"))

    def test_in_order_and_repeated(self):
        self.assert_clean(self.story().message(2.1, "s#1", "p.1").message(2.6, "s#1", "p.2")
                          .message(2.7, "s#1", "p.1").drained(5, "s#1"))

    def test_what_is_read_late_had_come_before_the_session_went_elsewhere(self):
        story = self.story().connect(2.2, "s#2", "s", clean=False, present=True).message(2.6, "s#2", "p.2")
        self.assert_found("order", story.message(2.7, "s#2", "p.1").drained(5, "s#2"))
        story = self.story().connect(2.2, "s#2", "s", clean=False, present=True).message(2.6, "s#2", "p.2")
        self.assertNotIn("order", self.kinds(story.message(2.7, "s#1", "p.1").drained(5, "s#2")))

    def test_another_topic(self):
        story = pair().subscribe(1, "s#1", "#").publish(2, "p#1", "p.1", "a").publish(2.5, "p#1", "p.2", "b")
        self.assert_clean(story.message(2.6, "s#1", "p.2", "b").message(2.7, "s#1", "p.1", "a").drained(5, "s#1"))

    def test_begun_on_an_older_connection_and_open(self):
        story = self.story("p#2").message(2.6, "s#1", "p.2").message(2.7, "s#1", "p.1").drained(5, "s#1")
        self.assertNotIn("order", self.kinds(story))
        self.assert_found("order", story.add(2.4, "resend", "p#2", op="p.1"))

    def test_sent_again_since_the_first_was_before_the_subscription(self):
        def story(subscribed):
            found = pair().subscribe(subscribed, "s#1", "t").publish(2, "p#1", "p.1", takes=4).publish(
                4, "p#1", "p.2", takes=2).cut(4.5, "p#1").connect(5, "p#2", "p", expiry=0)
            found.add(5.2, "resend", "p#2", op="p.1").add(5.3, "resend", "p#2", op="p.2")
            return found.message(4.1, "s#1", "p.2").message(5.3, "s#1", "p.1").drained(9, "s#1")
        self.assert_clean(story(3))
        self.assert_found("order", story(1))

    def test_another_qos(self):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1", qos=2).publish(2.5, "p#1", "p.2")
        self.assert_clean(story.message(2.6, "s#1", "p.2").message(2.7, "s#1", "p.1", qos=2).drained(5, "s#1"))

    def test_of_a_shared_group_one_may_have_come_back_from_another_member(self):
        story = pair().subscribe(1, "s#1", "$share/g/t").publish(2, "p#1", "p.1").publish(2.5, "p#1", "p.2")
        self.assert_clean(story.message(2.6, "s#1", "p.2").message(2.7, "s#1", "p.1").drained(5, "s#1"))


class Leak(JudgeTest):

    def test_never_subscribed(self):
        story = pair().subscribe(1, "s#1", "a/#").publish(2, "p#1", "p.1", "ab").message(2.1, "s#1", "p.1", "ab")
        self.assert_found("leak", story)

    def test_the_parent_level_of_a_wildcard(self):
        story = pair().subscribe(1, "s#1", "a/#").publish(2, "p#1", "p.1", "a").message(2.1, "s#1", "p.1", "a")
        self.assert_clean(story)

    def test_subscribed_after_the_message_was_over(self):
        story = pair().publish(1, "p#1", "p.1").message(2.2, "s#1", "p.1")
        self.assert_found("leak", story.subscribe(2, "s#1", "t"))

    def test_subscribed_while_it_was_under_way(self):
        self.assert_clean(pair().publish(1, "p#1", "p.1", takes=1.5).subscribe(2, "s#1", "t")
                          .message(2.2, "s#1", "p.1"))

    def test_published_after_unsuback(self):
        story = pair().subscribe(1, "s#1", "t").unsubscribe(2, "s#1", "t")
        self.assert_found("leak", story.publish(3, "p#1", "p.1").message(3.1, "s#1", "p.1"))

    def test_published_before_unsuback(self):
        story = pair().subscribe(1, "s#1", "t").unsubscribe(2, "s#1", "t")
        self.assert_clean(story.publish(2.05, "p#1", "p.1").message(3.1, "s#1", "p.1"))

    def test_of_a_session_that_had_ended(self):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1").cut(1.5, "s#1")
        story.connect(3, "s#2", "s", clean=True).message(3.2, "s#2", "p.1")
        self.assert_found("leak", story)

    def test_own_message_with_no_local(self):
        story = Story().connect(0, "s#1", "s").subscribe(1, "s#1", "t", nl=True)
        self.assert_found("leak", story.publish(2, "s#1", "s.1").message(2.1, "s#1", "s.1"))

    def test_own_message_by_a_second_subscription(self):
        story = Story().connect(0, "s#1", "s").subscribe(1, "s#1", "t", nl=True).subscribe(1, "s#1", "+")
        self.assert_clean(story.publish(2, "s#1", "s.1").message(2.1, "s#1", "s.1"))

    def test_to_a_new_member_of_a_shared_group(self):
        story = pair().publish(1, "p#1", "p.1").subscribe(2, "s#1", "$share/g/t").message(2.2, "s#1", "p.1")
        self.assert_clean(story)


class Content(JudgeTest):

    def story(self, **message):
        return pair().subscribe(1, "s#1", "#").publish(2, "p#1", "p.1").message(2.1, "s#1", **{"op": "p.1", **message})

    def test_from_the_future(self):
        story = pair().subscribe(1, "s#1", "t").message(1.9, "s#1", "p.1").publish(2, "p#1", "p.1")
        self.assert_found("future", story)

    def test_payloads(self):
        self.assert_clean(self.story())
        self.assert_found("payload", self.story(bad="a payload that nobody published"))
        self.assert_found("payload", self.story(op="p.half"))
        self.assert_found("payload", self.story(topic="u"))

    def test_qos(self):
        self.assert_found("qos", self.story(qos=2))
        self.assert_found("qos", self.story(qos=0))

    def test_qos_of_either_subscription(self):
        story = self.story(qos=1).subscribe(1, "s#1", "t", 0)
        self.assert_clean(story.message(2.2, "s#1", "p.1", qos=0))

    def test_identifiers(self):
        def story(ids, sub_id=7):
            return pair().subscribe(1, "s#1", "t", id=sub_id).publish(2, "p#1", "p.1").message(
                2.1, "s#1", "p.1", ids=ids)
        self.assert_clean(story([7]))
        self.assert_found("identifier", story([]))
        self.assert_found("identifier", story([7, 8]))
        self.assert_clean(story([], None))

    def test_identifiers_of_all_subscriptions_in_a_single_copy(self):
        def story(*copies):
            found = pair().subscribe(1, "s#1", "t", id=1).subscribe(1, "s#1", "+", id=2).publish(2, "p#1", "p.1")
            for ids in copies:
                found.message(2.1, "s#1", "p.1", ids=ids)
            return found
        self.assert_clean(story([1, 2]))
        self.assert_found("identifier", story([1]))
        self.assert_clean(story([1], [2]))

    def test_forbidden(self):
        for topic in ("nopub/x", "nosub/x"):
            story = pair().subscribe(1, "s#1", "#").publish(2, "p#1", "p.1", topic)
            self.assert_clean(story.drained(5, "s#1"))
            self.assert_found("forbidden", story.message(2.1, "s#1", "p.1", topic))

    def test_forbidden_while_the_rules_say_so(self):
        limits = Limits({"forbidden": {"switched": ["late/#"]}})

        def story(published, received, topic="late/x"):
            found = pair().subscribe(1, "s#1", "#").add(2, "forbid").add(4, "allow").publish(
                published, "p#1", "p.1", topic)
            return found.message(received, "s#1", "p.1", topic)
        self.assert_found("forbidden", story(2.5, 2.6), limits)
        self.assert_clean(story(1.5, 1.6), limits)
        self.assert_clean(story(1.5, 2.6), limits)  # on its way when the rules came
        self.assert_clean(story(2.5, 4.1), limits)  # kept, and allowed again
        self.assert_clean(story(4.5, 4.6), limits)
        self.assert_clean(story(2.5, 2.6, "t"), limits)

    def test_what_rules_forbid_now_and_then_is_owed_to_nobody(self):
        limits = Limits({"forbidden": {"switched": ["late/#"]}})
        story = pair().subscribe(1, "s#1", "#").add(2, "forbid").publish(2.5, "p#1", "p.1", "late/x")
        self.assert_clean(story.drained(5, "s#1"), limits)

    def test_flags(self):
        def story(retain, message_retain, rap=False):
            return pair().subscribe(1, "s#1", "t", rap=rap).publish(2, "p#1", "p.1", retain=retain).message(
                2.1, "s#1", "p.1", retain=message_retain)
        self.assert_clean(story(False, False))
        self.assert_clean(story(True, False))
        self.assert_clean(story(True, True, rap=True))
        self.assert_found("flag", story(False, True))
        self.assert_found("flag", story(True, False, rap=True))

    def test_a_single_copy_that_is_owed_live_has_no_flag(self):
        story = pair().subscribe(1, "s#1", "t").publish(2, "p#1", "p.1", retain=True).drained(5, "s#1")
        story.message(2.1, "s#1", "p.1", retain=True)
        self.assert_found("flag", story)
        self.assert_clean(story.message(2.2, "s#1", "p.1"))

    def test_what_the_broker_must_not_send(self):
        self.assert_found("protocol", self.story().add(3, "strange", "s#1", detail="PUBACK for nothing"))


class Shared(JudgeTest):

    def story(self, qos=1):
        story = pair().connect(0, "r#1", "r").subscribe(1, "s#1", "$share/g/t").subscribe(1, "r#1", "$share/g/t")
        return story.publish(2, "p#1", "p.1", qos=qos).drained(5, "s#1", "r#1")

    def test_to_no_member(self):
        self.assert_found("shared", self.story())

    def test_to_one_member(self):
        self.assert_clean(self.story().message(2.1, "r#1", "p.1"))

    def test_to_no_member_when_the_chosen_one_may_have_ended(self):
        story = self.story().connect(0, "q#1", "q", expiry=0).subscribe(1, "q#1", "$share/g/t").cut(2.5, "q#1")
        self.assert_clean(story)

    def test_to_one_that_joined_later(self):
        story = self.story().connect(3, "q#1", "q", expiry=0).subscribe(3.5, "q#1", "$share/g/t")
        self.assert_clean(story.message(4, "q#1", "p.1"))

    def test_to_a_member_that_does_not_know_of_its_subscription(self):
        for protocol, kinds in (("stomp", set()), ("mqtt", {"shared"})):
            story = self.story().connect(0, "q#1", "q", protocol=protocol)
            story.subscribe(1, "q#1", "$share/g/t", answered=False).drained(5, "q#1")
            self.assertEqual(kinds, self.kinds(story))

    def test_to_two_members_with_qos_2(self):
        story = self.story(2).message(2.1, "r#1", "p.1", qos=2).message(2.1, "s#1", "p.1", qos=2)
        self.assert_found("shared", story)
        self.assert_clean(story.subscribe(1, "s#1", "t"))

    def test_again_after_a_kill_that_took_the_first_member_with_it(self):
        def story(expiry):
            found = pair().connect(0, "r#1", "r", expiry=expiry).subscribe(1, "s#1", "$share/g/t")
            found.subscribe(1, "r#1", "$share/g/t").publish(2, "p#1", "p.1", qos=2, takes=4)
            found.message(2.1, "r#1", "p.1", qos=2).kill(2.5)
            for conn in ("s#1", "p#1", "r#1"):
                found.closed(2.5, conn)
            found.connect(3.5, "s#2", "s", clean=False, present=True).connect(4, "p#2", "p", expiry=0)
            return found.add(4.5, "resend", "p#2", op="p.1").message(4.6, "s#2", "p.1", qos=2).drained(9, "s#2")
        self.assert_clean(story(0))
        self.assert_found("shared", story(None))

    def test_to_two_members_with_qos_1(self):
        self.assert_clean(self.story().message(2.1, "r#1", "p.1").message(2.1, "s#1", "p.1"))


class Retained(JudgeTest):

    def story(self):
        """p.1, then p.2 is retained; then somebody subscribes."""
        story = pair().publish(1, "p#1", "p.1", retain=True).publish(2, "p#1", "p.2", retain=True)
        return story.subscribe(3, "s#1", "#").drained(9, "s#1")

    def test_the_last_value(self):
        self.assert_clean(self.story().message(3.1, "s#1", "p.2", retain=True))

    def test_an_older_value(self):
        self.assert_found("retained", self.story().message(3.1, "s#1", "p.1", retain=True))

    def test_no_value(self):
        self.assert_found("retained", self.story())

    def test_no_value_after_a_kill(self):
        story = pair().publish(1, "p#1", "p.1", retain=True).kill(2).closed(2, "p#1").closed(2, "s#1")
        story.connect(3, "s#2", "s").subscribe(4, "s#2", "#").drained(9, "s#2")
        self.assert_found("retained", story)

    def test_concurrent_writers(self):
        story = pair().connect(0, "q#1", "q", expiry=0).publish(1, "p#1", "p.1", retain=True, takes=1)
        story.publish(1.5, "q#1", "q.1", retain=True, takes=1).subscribe(3, "s#1", "#").drained(9, "s#1")
        self.assert_found("retained", story)
        self.assert_clean(told_on(story).message(3.1, "s#1", "p.1", retain=True))
        self.assert_clean(told_on(story).message(3.1, "s#1", "q.1", retain=True))

    def test_cleared(self):
        story = self.story().publish(2.5, "p#1", "p.3", retain=True, empty=True)
        self.assert_clean(story)
        self.assert_found("retained", story.message(3.1, "s#1", "p.2", retain=True))

    def test_cleared_perhaps(self):
        story = self.story().publish(2.5, "p#1", "p.3", retain=True, empty=True, answered=False)
        self.assert_clean(story)
        self.assert_clean(story.message(3.1, "s#1", "p.2", retain=True))

    def test_with_qos_0_it_may_be_dropped(self):
        story = pair().publish(1, "p#1", "p.1", qos=0, retain=True).subscribe(3, "s#1", "#").drained(9, "s#1")
        self.assert_clean(story)
        self.assert_clean(story.message(3.1, "s#1", "p.1", qos=0, retain=True))

    def test_retain_handling(self):
        def story(rh, again):
            found = pair().subscribe(1, "s#1", "t", rh=rh).publish(2, "p#1", "p.1", retain=True).message(
                2.1, "s#1", "p.1")
            if again:
                found.subscribe(3, "s#1", "t", rh=rh).message(3.1, "s#1", "p.1", retain=True)
            return found.drained(9, "s#1")
        self.assert_clean(story(2, False))
        self.assert_found("retained", story(2, True))
        self.assert_clean(story(0, True))

    def test_a_shared_subscription_gets_none(self):
        story = pair().publish(1, "p#1", "p.1", retain=True).subscribe(3, "s#1", "$share/g/t").drained(9, "s#1")
        self.assert_clean(story)
        self.assert_found("retained", story.message(3.1, "s#1", "p.1", retain=True))

    def test_nothing_of_it_when_publishing_is_forbidden(self):
        story = pair().publish(1, "p#1", "p.1", "nopub/x", retain=True).subscribe(3, "s#1", "#").drained(9, "s#1")
        self.assert_clean(story)


def told_on(story):
    """A copy that can be told on."""
    copy = Story()
    copy.events, copy.client_of = list(story.events), dict(story.client_of)
    return copy


class Present(JudgeTest):

    def story(self, present, clean=False, before=None, t=3, **first):
        story = Story().connect(0, "s#1", "s", **first).subscribe(0.5, "s#1", "t")
        (before or (lambda one: one.cut(2, "s#1")))(story)
        return story.connect(t, "s#2", "s", clean=clean, present=present)

    def test_a_session_that_lasts(self):
        self.assert_clean(self.story(True))
        self.assert_found("present", self.story(False))

    def test_a_clean_start(self):
        self.assert_clean(self.story(False, clean=True))
        self.assert_found("present", self.story(True, clean=True))

    def test_a_session_that_ended_with_its_connection(self):
        self.assert_clean(self.story(False, expiry=0))
        self.assert_found("present", self.story(True, expiry=0))

    def test_nobody_was_ever_there(self):
        self.assert_found("present", Story().connect(0, "s#1", "s", clean=False, present=True))
        self.assert_clean(Story().connect(0, "s#1", "s", clean=False, present=False))

    def test_expiry(self):
        self.assert_found("present", self.story(False, expiry=5, t=4))
        self.assert_clean(self.story(True, expiry=5, t=4))
        self.assert_found("present", self.story(True, expiry=5, t=12))
        self.assert_clean(self.story(False, expiry=5, t=12))
        for present in (True, False):
            self.assert_clean(self.story(present, expiry=5, t=7))

    def test_the_expiry_that_disconnect_says(self):
        def goodbye(story):
            story.goodbye(2, "s#1", expiry=0)
        self.assert_found("present", self.story(True, before=goodbye, expiry=100))
        self.assert_clean(self.story(False, before=goodbye, expiry=100))

    def test_over_a_takeover(self):
        self.assert_found("present", self.story(False, before=lambda story: story.closed(3.2, "s#1")))

    def test_after_an_unanswered_clean_start_either_is_right(self):
        def unanswered(story):
            story.cut(1, "s#1").connect(1.5, "s#u", "s", answered=False).cut(2, "s#u")
        for present in (True, False):
            self.assertNotIn("present", self.kinds(self.story(present, before=unanswered)))

    def test_after_a_kill(self):
        def kill(story):
            story.kill(1.5).closed(1.5, "s#1")
        self.assert_found("present", self.story(False, before=kill))
        self.assert_found("present", self.story(True, before=kill, expiry=0))
        self.assertEqual(set(), {finding.kind for finding in judge.judge(
            self.story(False, before=kill).history(), Limits({"survives_kill": False}))})

    def test_expiry_after_a_kill_that_the_client_noticed_late(self):
        def story(killed):
            found = Story().connect(0, "s#1", "s", expiry=2).subscribe(0.5, "s#1", "t")
            found.add(1, "silent", "s#1", until=5)
            if killed:
                found.kill(2)
            found.closed(5, "s#1")
            return found.connect(5.5, "s#2", "s", clean=False, expiry=2, present=False)
        self.assert_clean(story(True))
        self.assert_clean(story(False))  # closed by the broker some time after the last that was read

    def test_after_a_kill_of_a_session_in_which_nothing_was_acknowledged(self):
        story = Story().connect(0, "s#1", "s").kill(1).closed(1, "s#1")
        self.assert_clean(story.connect(2, "s#2", "s", clean=False, present=False))


    def test_the_countdown_of_an_expiry_begins_anew_when_a_kill_that_took_long_is_over(self):
        def killed(story):
            story.add(-1, "kill").closed(2, "s#1").add(9, "up")
        for present in (True, False):
            self.assertNotIn("present", self.kinds(self.story(present, before=killed, expiry=1, t=10)))
        self.assert_found("present", self.story(True, before=killed, expiry=1, t=25))

    def test_a_clean_session_may_last_for_a_sleeper(self):
        def asleep(story):
            story.add(1, "asleep", "s#1")
        for present in (True, False):
            self.assert_clean(self.story(present, before=asleep, expiry=0))
        self.assert_found("present", self.story(False, before=asleep))

    def test_of_two_that_connect_at_once_nobody_knows_which_was_first(self):
        for present in (True, False):
            story = Story().connect(0, "s#1", "s", expiry=0, takes=3).connect(1, "s#2", "s", clean=False)
            story.subscribe(2, "s#2", "t").closed(4, "s#2")
            story.connect(5, "s#3", "s", clean=False, present=present)
            self.assert_clean(story)
        story = Story().connect(0, "s#1", "s", expiry=0).connect(1, "s#2", "s", clean=False, takes=3)
        self.assert_found("present", story.connect(5, "s#3", "s", clean=False, present=False))


class Takeover(JudgeTest):

    def story(self, closed):
        story = pair().subscribe(0.5, "s#1", "t").connect(1, "s#2", "s", clean=False, present=True)
        story.closed(closed, "s#1").publish(2, "p#1", "p.1").message(2.1, "s#2", "p.1")
        return story.drained(20, "s#2")

    def test_the_older_connection_is_closed(self):
        self.assert_clean(self.story(1.3))
        self.assert_found("takeover", self.story(12))

    def test_a_killed_broker_knows_no_older_connection(self):
        story = self.story(12).kill(0.5, down=0.2)
        self.assertNotIn("takeover", self.kinds(story))

    def test_nothing_new_goes_to_the_older_one(self):
        story = self.story(2.5)
        self.assert_found("takeover", told_on(story).message(2.1, "s#1", "p.1", stale=True))
        story.publish(0.8, "p#1", "p.0").message(0.9, "s#2", "p.0").message(1.2, "s#1", "p.0", stale=True)
        self.assert_clean(story)

    def test_stomp_1_0_has_no_heart_beats(self):
        def story(version):
            return Story().connect(0, "s#1", "s", keep_alive=2, expiry=0, protocol="stomp", version=version).add(
                1, "lapse", "s#1").closed(30, "s#1")
        self.assert_found("keep_alive", story("1.1"))
        self.assertNotIn("keep_alive", self.kinds(story("1.0")))

    def test_keep_alive(self):
        def story(closed):
            return Story().connect(0, "s#1", "s", keep_alive=2, expiry=0).add(1, "lapse", "s#1").closed(
                closed, "s#1").drained(40, "x")
        self.assert_clean(story(4.5))
        self.assert_found("keep_alive", story(30))
        self.assert_clean(story(30).kill(2))


class Wills(JudgeTest):

    def story(self, end, came=None, delay=0, expiry=None, version="5", until=30):
        story = Story().connect(0, "o#1", "o").subscribe(0.5, "o#1", "w")
        story.connect(1, "s#1", "s", expiry=expiry, version=version, will={"delay": delay})
        end(story)
        if came is not None:
            story.message(came, "o#1", "w.s#1", "w")
        return story.drained(until, "o#1")

    def test_after_a_cut(self):
        self.assert_found("missing", self.story(lambda one: one.cut(2, "s#1")))
        self.assert_clean(self.story(lambda one: one.cut(2, "s#1"), 2.1))

    def test_not_after_disconnect(self):
        self.assert_clean(self.story(lambda one: one.goodbye(2, "s#1")))
        self.assert_found("will", self.story(lambda one: one.goodbye(2, "s#1"), 2.2))

    def test_after_disconnect_with_the_will(self):
        self.assert_clean(self.story(lambda one: one.goodbye(2, "s#1", will=True), 2.2))
        self.assert_found("missing", self.story(lambda one: one.goodbye(2, "s#1", will=True)))

    def test_not_while_its_connection_is_open(self):
        self.assert_clean(self.story(lambda one: None))
        self.assert_found("will", self.story(lambda one: None, 3))

    def test_not_before_the_delay_is_over(self):
        self.assert_found("will", self.story(lambda one: one.cut(2, "s#1"), 4, delay=5))
        self.assert_clean(self.story(lambda one: one.cut(2, "s#1"), 7.1, delay=5))

    def test_not_long_after_the_delay(self):
        self.assert_found("will", self.story(lambda one: one.cut(2, "s#1"), 27, delay=5))

    def test_a_session_that_ends_ends_the_delay(self):
        self.assert_clean(self.story(lambda one: one.cut(2, "s#1"), 3.1, delay=10, expiry=1))
        self.assert_found("missing", self.story(lambda one: one.cut(2, "s#1"), None, delay=1000, expiry=1))

    def test_a_session_that_goes_on_in_time_has_none(self):
        def back(story):
            story.cut(2, "s#1").connect(3, "s#2", "s", clean=False, present=True)
        self.assert_clean(self.story(back, None, delay=5))
        self.assert_found("will", self.story(back, 7.1, delay=5))

    def test_a_session_that_goes_on_too_late(self):
        def back(story):
            story.cut(2, "s#1").connect(20, "s#2", "s", clean=False, present=True)
        self.assert_found("missing", self.story(back, None, delay=5))
        self.assert_clean(self.story(back, 7.1, delay=5))

    def test_a_clean_start_within_the_delay_may_send_it_or_not(self):
        def back(story):
            story.cut(2, "s#1").connect(3, "s#2", "s", clean=True)
        for came in (None, 3.1):
            self.assert_clean(self.story(back, came, delay=5))

    def test_a_clean_start_within_the_delay_and_a_kill(self):
        def back(story):
            story.cut(2, "s#1").connect(3, "s#2", "s", clean=True).kill(4)
        for came in (None, 3.1):
            self.assert_clean(self.story(back, came, delay=5))
        self.assert_found("will", self.story(lambda one: one.cut(2, "s#1").kill(4), 3.1, delay=5))

    def test_takeover(self):
        def taken(story):
            story.connect(3, "s#2", "s", clean=False, present=True).closed(3.2, "s#1")
        self.assert_found("missing", self.story(taken))
        self.assert_clean(self.story(taken, 3.1))
        self.assert_found("will", self.story(taken, 8, delay=5))

    def test_after_a_kill_either_is_right(self):
        def killed(story):
            story.kill(2).closed(2, "s#1")
        for came in (None, 2.6):
            self.assertNotIn("will", self.kinds(self.story(killed, came)))
            self.assertNotIn("missing", self.kinds(self.story(killed, came)))

    def test_at_qos_0_only_a_kill_may_double_it(self):
        def story():
            one = Story().connect(0, "o#1", "o").subscribe(0.5, "o#1", "w")
            one.connect(1, "s#1", "s", will={"qos": 0}).cut(2, "s#1").message(2.1, "o#1", "w.s#1", "w", qos=0)
            return one.cut(2.2, "o#1").connect(4, "o#2", "o", clean=False, present=True).message(
                4.2, "o#2", "w.s#1", "w", qos=0)
        self.assert_found("duplicate", story())
        self.assertNotIn("duplicate", self.kinds(story().kill(3)))

    def test_of_one_that_was_refused_since_another_one_had_overtaken_it(self):
        def story(protocol="coap", other=1.05):
            one = Story().connect(0, "o#1", "o").subscribe(0.5, "o#1", "w")
            one.connect(1, "s#1", "s", will={"qos": 1}, protocol=protocol, answered=False)
            one.connect(other, "s#2", "s").add(1.1, "refused", "s#1", reason="5.03").add(
                1.1, "closed", "s#1", by="us", how="refused")
            return one.message(1.2, "o#1", "w.s#1", "w")
        self.assert_clean(story())
        self.assert_found("payload", story(other=1.3))
        self.assert_found("payload", story("mqtt"))

    def test_a_connect_by_datagram_that_a_kill_divides_may_be_heard_twice(self):
        def story(protocol, kill=1.05):
            one = Story().connect(0, "o#1", "o").subscribe(0.5, "o#1", "w", qos=2)
            one.connect(1, "s#1", "s", will={"qos": 2}, protocol=protocol, answered=False)
            one.kill(kill, down=0.3).closed(kill + 0.1, "o#1")
            one.connect(2, "o#2", "o", clean=False, present=True).message(2.2, "o#2", "w.s#1", "w", qos=2)
            return one.message(3, "o#2", "w.s#1", "w", qos=2)
        for protocol in ("coap", "mqttsn"):
            self.assertNotIn("duplicate", self.kinds(story(protocol)))
            self.assert_found("duplicate", story(protocol).message(3.5, "o#2", "w.s#1", "w", qos=2))
            self.assert_found("duplicate", story(protocol, kill=0.6))
        self.assert_found("duplicate", story("mqtt"))

    def test_of_a_connection_whose_connack_was_read_after_the_kill(self):
        def killed(story):
            story.kill(1.05, down=1).closed(1.2, "s#1")
        self.assert_clean(self.story(killed))

    def test_after_keep_alive(self):
        def lapse(story):
            story.add(2, "lapse", "s#1").closed(5, "s#1")
        self.assert_found("missing", self.story(lapse))
        self.assert_clean(self.story(lapse, 5.1))


if __name__ == "__main__":
    unittest.main()
