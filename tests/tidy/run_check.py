"""Judges a finished run of ctest: what was skipped, what was left out, what took too long.

    run_check.py --build FOLDER --junit FILE [--label LABEL] [--partial]

`FILE` is what `ctest --output-junit` wrote (with --test-output-size-passed, so that nothing is cut off).
Wrong are
- a test that was skipped, disabled or could not be run, or a part of it, unless tests/skips.txt says so;
- an entry of tests/skips.txt whose test was run and not skipped, or does not exist;
- a test of the label that was not run at all (but with --partial: the caller chose some);
- a source of tests that belongs to no test: something in CMake left it out;
- a test, or all tests of a label together, that took longer than tests/budgets.txt allows.
With CI=true that ends with 1; without, it is told and ends with 0: a laptop lacks packages, and is busy.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import skips  # pylint: disable=wrong-import-position

Registered = collections.namedtuple("Registered", "labels command")
Run = collections.namedtuple("Run", "status seconds output message")

SKIPPED = re.compile(r"^skipped (.+?): (.*)$", re.MULTILINE)
# How doctest and unittest count what they skipped, whoever's main() it was.
COUNTS = (re.compile(r"\[doctest\] test cases:.*\|\s*(\d+) skipped"),
          re.compile(r"^(?:OK|FAILED) \(.*?skipped=(\d+)", re.MULTILINE))
SIMULATED = re.compile(r"^simulated (\d+) seeds from (\d+) on in (\S+) s: (.*)$", re.MULTILINE)


def registered(build):
    """All tests that ctest knows in this build folder, by name."""
    done = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True,
                          text=True, check=True)
    found = {}
    for test in json.loads(done.stdout)["tests"]:
        labels = [one["value"] for one in test.get("properties", []) if one["name"] == "LABELS"]
        found[test["name"]] = Registered(labels[0] if labels else [], test.get("command", []))
    return found


def runs(junit):
    """What the run says of each test, by name."""
    found = {}
    for case in xml.etree.ElementTree.parse(junit).getroot().iter("testcase"):
        skipped = case.find("skipped")
        found[case.get("name")] = Run(case.get("status"), float(case.get("time")),
                                      case.findtext("system-out") or "",
                                      skipped.get("message") if skipped is not None else "")
    return found


def skipped_in(run):
    """The names of what a test skipped, "-" for the test itself."""
    if run.status in ("notrun", "disabled"):
        return ["-"]
    names = [found.group(1) for found in SKIPPED.finditer(run.output)]
    count = sum(int(found.group(1)) for pattern in COUNTS for found in pattern.finditer(run.output))
    # More than it named: its main() is not ours.
    return names + ["(unnamed)"] * (count - len(names))


def check_skips(tests, done, entries):
    wrong = []
    for name, run in done.items():
        skipped = skipped_in(run)
        for one in skips.unlisted(name, skipped, entries):
            what = f"was not run ({run.message or run.status})" if one == "-" else f"skipped {one}"
            wrong.append(f"{name}: {what}; tests/skips.txt does not allow it")
        for entry in entries:
            if entry.program == name and entry.test not in skipped:
                wrong.append(f"skips.txt:{entry.line}: {name} no longer skips {entry.test}")
    return wrong + [f"skips.txt:{entry.line}: there is no test {entry.program}" for entry in entries
                    if entry.program not in tests]


def check_complete(tests, done, label, partial):
    wrong = [f"{name} has neither the label ci nor full" for name, test in tests.items()
             if not {"ci", "full"} & set(test.labels)]
    if not done:
        wrong.append("no test was run")
    if not partial:
        wrong += [f"{name} was not run" for name, test in tests.items()
                  if name not in done and (label is None or label in test.labels)]
    return wrong


def check_left_out(root, build, tests):
    """Each source of tests is compiled into a program, or run by a test."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    used = {one["file"] for one in commands}
    used.update(part for test in tests.values() for part in test.command)
    tree = root / "tests"
    wanted = [*tree.rglob("*_test.cpp"), *tree.rglob("*_test.py"), *tree.rglob("test_*.py")]
    return [f"{path.relative_to(root)} belongs to no test: CMake left it out" for path in sorted(wanted)
            if str(path) not in used and "node_modules" not in path.parts]


def load_budgets(file):
    """Seconds for each label, for each single test under `test`, and for tests with a line of their own."""
    budgets = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            label, seconds = line.split("|")
            budgets[label.strip()] = float(seconds)
    return budgets


def check_budgets(tests, done, label, budgets):
    allowed = {name: budgets.get(name, budgets["test"]) for name in done}
    wrong = [f"{name} took {run.seconds:.1f} s; it may not take more than {allowed[name]:g} s"
             for name, run in done.items() if run.seconds > allowed[name]]
    passed = sum(run.seconds for name, run in done.items()
                 if name in tests and (label is None or label in tests[name].labels))
    if label in budgets:
        print(f"label {label}: {passed:.1f} s of tests, {budgets[label]:g} allowed")
        if passed > budgets[label]:
            wrong.append(f"label {label}: {passed:.1f} s, {budgets[label]:g} allowed")
    return wrong


def print_simulations(done):
    for name, run in sorted(done.items()):
        for found in SIMULATED.finditer(run.output):
            count, first, seconds, case = found.groups()
            print(f"{name}: {count} seeds from {first} on in {float(seconds):.1f} s: {case}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--junit", type=pathlib.Path, required=True)
    parser.add_argument("--label")
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--no-budget", action="store_true", help="a sanitizer's run has none")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the tree (default: this one)")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    tests, done = registered(arguments.build), runs(arguments.junit)
    print_simulations(done)
    try:
        entries = skips.load(root / "tests" / "skips.txt")
        wrong = check_skips(tests, done, entries)
    except skips.BadEntry as error:
        wrong = [str(error)]
    wrong += check_complete(tests, done, arguments.label, arguments.partial)
    wrong += check_left_out(root, arguments.build, tests)
    if not arguments.no_budget:
        wrong += check_budgets(tests, done, arguments.label, load_budgets(root / "tests" / "budgets.txt"))
    for line in wrong:
        print(f"run_check: {line}")
    if wrong and not skips.is_ci():
        print("run_check: with CI=true that would be a failure")
    return 1 if wrong and skips.is_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
