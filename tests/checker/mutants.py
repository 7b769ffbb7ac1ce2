#!/usr/bin/python3
"""Checks the checker: faults are built into Mangrove one after the other, and mangrove-check has to find each.

    mutants.py                  all of them, after the program as it is, which must show nothing
    mutants.py 07 23            those, by the beginning of their names
    mutants.py --applies        only whether every patch still applies to the sources
    mutants.py --build-only     only whether they can be built

For each patch of mutants/ the sources are copied, patched and built (in build/mutants, where only what a patch touches
is compiled), and the checker runs against the result with the faults that the patch names. It has found the mutant when
it reports a finding of an expected kind within the time. Exit status: 0 all as it should be, 1 not, 2 could not run.
"""

import argparse
import dataclasses
import os
import pathlib
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import mutant_tree as trees  # noqa: E402

sys.path.append(str(trees.ROOT / "tests" / "interop"))

import harness  # noqa: E402  (only the ports)

CHECKER = trees.HERE / "mangrove-check"
LIMITS = trees.HERE / "targets" / "mangrove.json"
# Schemes and the listeners that serve them.
LISTENERS = {"mqtt": "tcp", "mqttsn": "mqttsn", "coap": "coap", "stomp": "stomp"}
# What targets/mangrove.json says of forbidden topics.
RULES = "deny = all publish check/+/nopub/#\ndeny = all receive check/+/nosub/#\n"
SWITCHED_RULE = "deny = all receive check/+/late/#\n"
FINDING = re.compile(r"^  (\w+): (.*)$")


@dataclasses.dataclass(frozen=True, order=True)
class Way:
    """How a mutant is looked for."""

    protocols: tuple
    faults: tuple
    slow_disk: bool
    options: str

    @classmethod
    def of(cls, mutant):
        return cls(tuple(mutant.listed("Protocols")), tuple(mutant.listed("Faults")),
                   mutant.keys.get("Disk") == "slow", mutant.keys.get("Options", ""))

    def __str__(self):
        parts = [",".join(self.protocols), ",".join(self.faults) or "no faults", "slow disk" if self.slow_disk else "",
                 self.options]
        return ", ".join(part for part in parts if part)


@dataclasses.dataclass
class Outcome:
    """What a run of the checker has shown."""

    seconds: float | None = None  # to the first finding of an expected kind
    kinds: tuple = ()  # of all findings
    text: str = ""
    seed: int = 0
    trouble: str = ""  # why the run is no proof of anything
    rounds: int = 0


def start_command(binary, folder, ports, preload=None):
    """Runs the program with its data in `folder`; `preload`: a library to be loaded before all others."""
    rules = folder / "acl.conf"
    rules.write_text(RULES, encoding="utf-8")
    (folder / "gateway.conf").write_text("# Everything is set on the command line.\n", encoding="utf-8")
    settings = {"allow_anonymous": "true", "log.console.level": "error", "acl.file": rules}
    settings |= {f"listener.{LISTENERS[scheme]}.default": f"127.0.0.1:{port}" for scheme, port in ports.items()}
    command = ["env", f"LD_PRELOAD={preload}"] if preload else []
    command += [binary, "run", "--config", folder / "gateway.conf", "--data", folder / "data"]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    return shlex.join(map(str, command))


def rule_commands(binary, folder):
    """Arguments for the fault `reload`."""
    # The program's own socket may be there a moment after its listeners.
    reload = f"until {shlex.quote(str(binary))} reload --data {folder}/data > {folder}/reload.log 2>&1; do sleep 0.05; done"
    reload = f"timeout 10 sh -c {shlex.quote(reload)}"
    return [part for option, rules in (("--forbid-command", SWITCHED_RULE + RULES), ("--allow-command", RULES))
            for part in (option, f"printf %s {shlex.quote(rules)} > {folder}/acl.conf && {reload}")]


def check(binary, way, preload, seed, seconds):
    """Runs the checker against a program for at most so many seconds, or to its first finding."""
    outcome = Outcome(seed=seed)
    with tempfile.TemporaryDirectory(prefix="mangrove-mutant-") as folder:
        folder = pathlib.Path(folder)
        ports = {scheme: harness.free_port() for scheme in way.protocols}
        command = [sys.executable, "-B", str(CHECKER), "--start-command", start_command(binary, folder, ports, preload if way.slow_disk else None),
                   "--limits", str(LIMITS), "--seed", str(seed), "--minutes", f"{seconds / 60:.3f}",
                   "--faults", ",".join(way.faults) or "none", "--findings", "1", "--no-shrink", "-v",
                   *shlex.split(way.options), *(rule_commands(binary, folder) if "reload" in way.faults else [])]
        for scheme, port in ports.items():
            command += ["--target", f"{scheme}://127.0.0.1:{port}"]
        begin = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              start_new_session=True) as process:
            # A round that was begun in time may end later, but not at any time.
            timer = threading.Timer(seconds + 120, os.killpg, (process.pid, signal.SIGTERM))
            timer.start()
            lines = []
            for line in process.stdout:
                lines.append(line)
                outcome.rounds += line.startswith("round ")
                found = FINDING.match(line)
                if found and found[1] not in outcome.kinds:
                    outcome.kinds += (found[1],)
                    outcome.text = outcome.text or found[0].strip()
                    outcome.seconds = outcome.seconds or time.monotonic() - begin
            timer.cancel()
            process.wait()
        if process.returncode not in (0, 1) or (process.returncode == 1) != bool(outcome.kinds):
            outcome.trouble = f"the checker ended with code {process.returncode}: {''.join(lines)[-1500:]}"
    return outcome


class Run:
    """One call of this program."""

    def __init__(self, options):
        self.options = options
        self.mutants = trees.load_all(options.names)
        self.tree = trees.Tree(options.folder, options.jobs)
        self.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
        self.preload = None
        self.bad = []
        self.lines = []

    def applies(self):
        for mutant in self.mutants:
            try:
                trees.apply(mutant, trees.ROOT, check_only=True)
            except trees.Broken as error:
                self.bad.append(mutant.name)
                print(error)
        print(f"{len(self.mutants) - len(self.bad)} of {len(self.mutants)} patches apply")

    def build(self, mutant):
        """The program, or None after the trouble was told."""
        name = mutant.name if mutant else "unmutated"
        binary = self.tree.folder / "bin" / name
        begin = time.monotonic()
        try:
            self.tree.build(mutant, binary)
        except trees.Broken as error:
            self.tell(name, "", "cannot be built", "", False)
            print(error)
            return None
        if self.options.verbose:
            print(f"built {name} in {time.monotonic() - begin:.0f} s", flush=True)
        return binary

    def tell(self, name, seconds, what, seed, good):
        line = f"{'ok ' if good else 'NOT'} {name:34} {seconds:>8}  {what:34} {seed}"
        self.lines.append(line)
        print(line, flush=True)
        if not good:
            self.bad.append(name)

    def judge_unmutated(self):
        """The program as it is, in every way in which the mutants are looked for, must show nothing."""
        binary = self.build(None)
        if binary is None or self.options.build_only:
            return
        for way in sorted({Way.of(mutant) for mutant in self.mutants}):
            outcome = check(binary, way, self.preload, self.seed, self.options.seconds)
            if self.options.verbose:
                print(f"unmutated: {way}")
            what = outcome.trouble or f"{outcome.text or 'nothing found'}, {outcome.rounds} rounds"
            self.tell("unmutated", f"{self.options.seconds:.0f} s", what, self.seed,
                      not outcome.kinds and not outcome.trouble and outcome.rounds)

    def judge_mutant(self, mutant):
        binary = self.build(mutant)
        if binary is None or self.options.build_only:
            return
        outcome = check(binary, Way.of(mutant), self.preload, self.seed, self.options.seconds)
        expected = [kind for kind in outcome.kinds if kind in mutant.listed("Found by")]
        good = bool(expected) and outcome.seconds <= self.options.seconds
        seconds = "" if outcome.seconds is None else f"{outcome.seconds:.1f} s"
        what = outcome.trouble or ", ".join(outcome.kinds) or f"not found in {outcome.rounds} rounds"
        self.tell(mutant.name, seconds, what, self.seed, good)
        if self.options.verbose and outcome.text:
            print(f"      {outcome.text}", flush=True)

    def run(self):
        if self.options.applies:
            self.applies()
            return 1 if self.bad else 0
        self.tree.prepare()
        self.preload = self.tree.build_slow_disk()
        print(f"seed {self.seed}, at most {self.options.seconds:.0f} s for each", flush=True)
        if not self.options.mutants_only:
            self.judge_unmutated()
        for mutant in self.mutants:
            self.judge_mutant(mutant)
        print(f"{len(self.lines) - len(self.bad)} of {len(self.lines)} as they should be")
        return 1 if self.bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="*", help="beginnings of names of mutants (default: all)")
    add("--applies", action="store_true", help="only see whether the patches apply")
    add("--build-only", action="store_true", help="build, and do not run the checker")
    add("--mutants-only", action="store_true", help="without the program as it is")
    add("--seconds", type=float, default=60.0, help="in which a mutant must be found (default 60)")
    add("--seed", type=int, help="for the checker (default: a new one, printed)")
    add("--jobs", type=int, default=os.cpu_count(), help="of the build")
    add("--folder", default=str(trees.ROOT / "build" / "mutants"), help="for the copy and its build")
    add("-v", "--verbose", action="store_true", help="tell what was found")
    options = parser.parse_args()
    try:
        return Run(options).run()
    except trees.Broken as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
