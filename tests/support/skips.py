"""Which tests may be skipped: the entries of tests/skips.txt.

With CI=true a skipped test is a failure unless it is listed. The programs of tests/interop look here
themselves (harness.py), unittest programs by `main()`, and tests/tidy/run_check.py looks at a whole
run: only there it shows that an entry is no longer needed.
"""

import collections
import os
import pathlib
import sys
import unittest

FILE = pathlib.Path(__file__).resolve().parents[1] / "skips.txt"

# `program` is the name of the ctest case, `test` of the test in it ("-": the whole case).
Entry = collections.namedtuple("Entry", "program test reason line")


class BadEntry(ValueError):
    """A line of the file that says too little."""


def load(file=None):
    """The entries of the file: `ctest case | test in it | reason`, a line each."""
    entries = []
    for number, line in enumerate((file or FILE).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|", 2)]
        if len(fields) != 3 or not all(fields):
            raise BadEntry(f"{(file or FILE).name}:{number}: case | test | reason expected")
        entries.append(Entry(*fields, number))
    return entries


def is_ci():
    """Whether a skip is a failure."""
    return os.environ.get("CI") == "true"


def unlisted(program, tests, entries=None):
    """Those of the skipped `tests` of a ctest case that no entry allows."""
    allowed = {entry.test for entry in (load() if entries is None else entries)
               if entry.program == program}
    return [test for test in tests if test not in allowed]


def told(test, reason):
    """The line by which a program says that it skipped a test; run_check.py reads it."""
    return f"skipped {test}: {reason}"


def main(program):
    """unittest.main() for the ctest case `program`: says what was skipped, and fails for it in CI."""
    outcome = unittest.main(exit=False).result
    skipped = [(".".join(test.id().split(".")[-2:]), reason) for test, reason in outcome.skipped]
    for name, reason in skipped:
        print(told(name, reason))
    wrong = unlisted(program, [name for name, _ in skipped]) if is_ci() else []
    for name in wrong:
        print(f"{name} was skipped, which tests/skips.txt does not allow")
    sys.exit(0 if outcome.wasSuccessful() and not wrong else 1)
