"""The command line: rounds until the time is over, findings, the summary."""

import argparse
import collections
import json
import os
import random
import signal
import ssl
import sys
import time

import history as histories
import judge as judges
import limits as limit_files
import plan as plans
import report
import runner
import shrink
from actor import Target
from actors import registry
from target import Broker, CannotRun


def arguments(description):
    parser = argparse.ArgumentParser(
        prog="mangrove-check", description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + "\n".join(f"  {name:10}{text}" for name, text in plans.FAULTS.items()) +
        "\n\nexit status: 0 nothing found, 1 findings, 2 could not run\n\nexample:\n"
        "  mangrove-check --target mqtt://127.0.0.1:1883 --seed 7 --minutes 5 \\\n"
        "      --start-command 'mangrove run --config my.conf' --limits limits/mangrove.json -v")
    add = parser.add_argument
    add("--target", action="append", default=[], metavar="URL",
        help="an address of the broker, scheme://[user:password@]host:port[/path]; schemes: "
             f"{', '.join(registry.SCHEMES)}; several mix their clients")
    add("--seed", type=int, help="where all chance comes from (default: a new one, printed)")
    add("--minutes", type=float, default=1.0, help="how long new rounds are begun (default 1)")
    add("--rounds", type=int, help="instead of --minutes: so many rounds")
    add("--first", type=int, default=0, metavar="N", help="begin with this round of the seed")
    add("--faults", default=None, metavar="A,B,...",
        help="which faults (default: all, kill only with a command for it); none: no faults")
    add("--limits", metavar="FILE", help="what the broker declares about itself (README.md)")
    add("--start-command", metavar="CMD", help="starts the broker in the foreground; the checker runs, kills and stops it")
    add("--kill-command", metavar="CMD", help="kills the broker at once (-9), where somebody else runs it")
    add("--restart-command", metavar="CMD", help="starts it again, and returns")
    add("--forbid-command", metavar="CMD",
        help="from its end on nobody may receive the topics that the limits call switched; the broker runs on")
    add("--allow-command", metavar="CMD", help="takes that back")
    add("--ca", metavar="FILE", help="trusted certificates for mqtts, wss, stomps (default: nothing is verified)")
    add("--actors", type=int, default=20, help="clients in a round (default 20)")
    add("--round-seconds", type=float, default=8.0,
        help="length of a round without its drain (default 8)")
    add("--patience", type=float, default=runner.PATIENCE_SECONDS, metavar="SECONDS",
        help="what is owed and has not come when nothing at all has come for so long, is missing (default "
             f"{runner.PATIENCE_SECONDS:.0f})")
    add("--rate", type=float, default=250.0, help="publications a second, about (default 250)")
    add("--kills", type=int, help="kills in a round, where that is a fault (default: mostly one)")
    add("--plan", metavar="FILE", help="replay one plan, as written by --out, instead of rounds from a seed")
    add("--judge", metavar="FILE", help="judge a history, as written by --out, and do nothing else")
    add("--repeat", type=int, default=1, help="with --plan: at most so many times, until it shows something")
    add("--out", metavar="FOLDER", help="where findings, plans and histories are written")
    add("--no-shrink", action="store_true", help="print findings as they are")
    add("--shrink-seconds", type=float, default=120.0, help="bound of shrinking one finding (default 120)")
    add("--findings", type=int, default=1, metavar="N", help="stop after N rounds with findings (default 1; 0: never)")
    add("-v", "--verbose", action="store_true", help="a line for each round")
    return parser.parse_args()


def chosen_faults(wanted, broker):
    if wanted is None:
        return [name for name in plans.FAULTS if broker.can(name)]
    names = [name for name in wanted.split(",") if name and name != "none"]
    for name in names:
        if name not in plans.FAULTS:
            raise CannotRun(f"unknown fault {name!r}; known: {', '.join(plans.FAULTS)}")
    if "kill" in names and not broker.can("kill"):
        raise CannotRun("the fault 'kill' needs --start-command, or --kill-command and --restart-command")
    if "reload" in names and not broker.can("reload"):
        raise CannotRun("the fault 'reload' needs --forbid-command and --allow-command")
    return names


def say(text):
    print(text, flush=True)


class Checker:
    """Everything of one call."""

    def __init__(self, options):
        self.options = options
        try:
            targets = [Target.parse(text) for text in options.target]
            self.limits = limit_files.load(options.limits)
            self.protocols = collections.Counter(registry.protocol_of(one.scheme) for one in targets)
        except (ValueError, OSError) as error:
            raise CannotRun(str(error)) from error
        if not targets:
            raise CannotRun("no --target")
        self.broker = Broker(targets, options.start_command, options.kill_command, options.restart_command,
                             options.forbid_command, options.allow_command)
        self.faults = chosen_faults(options.faults, self.broker)
        self.seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
        self.unique = f"{os.getpid() % 46656:x}"
        self.round_count = 0
        self.totals, self.found = collections.Counter(), collections.Counter()
        self.tls = ssl.create_default_context(cafile=options.ca)
        if not options.ca:
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def run_plan(self, plan, patience=None):
        """(history, findings) of one run of a plan."""
        self.round_count += 1
        one = runner.Round(plan, f"{self.unique}r{self.round_count}", self.broker, self.limits, self.tls,
                           patience or self.options.patience)
        events = one.run()
        if one.troubles:
            raise CannotRun("the checker itself failed:\n" + "\n".join(one.troubles))
        if not self.broker.alive():
            raise CannotRun("the broker ended by itself")
        return events, judges.judge(events, self.limits)

    def make_plan(self, seed):
        options = {"protocols": sorted(self.protocols.items()), "faults": self.faults, "actors": self.options.actors,
                   "seconds": self.options.round_seconds, "rate": self.options.rate, "kills": self.options.kills}
        return plans.make(seed, options, self.limits)

    def rounds(self):
        begin, bad = time.monotonic(), 0
        number = first = self.options.first
        while True:
            if self.options.rounds is not None:
                if number >= first + self.options.rounds:
                    return bad
            elif number > first and time.monotonic() - begin > self.options.minutes * 60:
                return bad
            bad += self.one_round(number, self.make_plan(f"{self.seed}:{number}"))
            number += 1
            if bad and bad == self.options.findings:
                return bad

    def one_round(self, number, plan):
        """Whether it showed something."""
        begin = time.monotonic()
        events, findings = self.run_plan(plan)
        figures = judges.counts(events)
        figures["resets"] = sum(1 for event in events if event["e"] == "closed" and event["by"] == "us"
                                and event["how"] == "cut")
        self.totals += figures
        self.totals["rounds"] += 1
        if self.options.verbose:
            print(report.round_line(number, plan["seed"], figures, findings, time.monotonic() - begin), flush=True)
        if not findings:
            return False
        self.found.update(finding.kind for finding in findings)
        self.show(plan, events, findings)
        return True

    def show(self, plan, events, findings):
        for kind, number in sorted(collections.Counter(finding.kind for finding in findings).items()):
            one = next(finding for finding in findings if finding.kind == kind)
            say(f"  {number} of {one}")
        if self.options.out:
            os.makedirs(self.options.out, exist_ok=True)
            histories.dump(events, os.path.join(self.options.out, self._stem(plan) + ".whole.jsonl"))
        if not self.options.no_shrink:
            plan, events, findings = shrink.shrink(
                plan, (events, findings), lambda one: self.run_plan(
                    one, min(runner.SHRINK_PATIENCE_SECONDS, self.options.patience)),
                self.options.shrink_seconds, say if self.options.verbose else None)
        text = report.findings_text(plan, events, findings, self.limits)
        print(text, flush=True)
        if self.options.out:
            os.makedirs(self.options.out, exist_ok=True)
            stem = os.path.join(self.options.out, self._stem(plan))
            with open(stem + ".txt", "w", encoding="utf-8") as file:
                file.write(text + "\n")
            with open(stem + ".plan.json", "w", encoding="utf-8") as file:
                json.dump(plan, file, indent=1)
            histories.dump(events, stem + ".history.jsonl")
            print(f"written: {stem}.txt, .plan.json (for --plan), .history.jsonl")

    @staticmethod
    def _stem(plan):
        return "finding-" + str(plan["seed"]).replace(":", "-")

    def replay(self):
        with open(self.options.plan, encoding="utf-8") as file:
            plan = json.load(file)
        return any(self.one_round(number, plan) for number in range(self.options.repeat))

    def run(self):
        self.broker.start()
        try:
            print(f"seed {self.seed}, faults: {', '.join(self.faults) or 'none'}", flush=True)
            bad = self.replay() if self.options.plan else self.rounds()
        finally:
            self.broker.stop()
        print(report.summary(self.totals, self.found))
        return 1 if bad else 0


def judge_file(options):
    try:
        events, limits = histories.load(options.judge), limit_files.load(options.limits)
    except (OSError, ValueError) as error:
        raise CannotRun(str(error)) from error
    findings = judges.judge(events, limits)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def main(description):
    options = arguments(description)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the broker is stopped
    try:
        return judge_file(options) if options.judge else Checker(options).run()
    except CannotRun as error:
        print(f"mangrove-check: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
