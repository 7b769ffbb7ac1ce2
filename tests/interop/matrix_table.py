"""docs/matrix.md: what the tests of the matrix saw, cell by cell. A test compares its tables with the
file, and fails where they differ; with `--write` it writes them there.

A table stands between `<!-- name -->` and `<!-- end of name -->`. A cell that is not what the
column's head promises needs an entry in EXPLAINED, which becomes a letter in the cell and a note
below the table.
"""

import collections
import fcntl
import sys

import harness
import matrix_notes as notes
from matrix_world import PROTOCOLS, WAYS

FILE = harness.ROOT / "docs" / "matrix.md"
WRITE = "--write" in sys.argv
if WRITE:
    sys.argv.remove("--write")


class Table:
    """Cells by publisher, subscriber and column: values by the clients with which they were seen."""

    def __init__(self, name, columns):
        """`columns`: {head: the plain value}."""
        self.name, self.columns = name, columns
        self.cells = collections.defaultdict(lambda: collections.defaultdict(list))

    def record(self, publisher, subscriber, column, value):
        """What `subscriber` saw of `publisher`, both by slug."""
        key = (WAYS[publisher].protocol, WAYS[subscriber].protocol, column)
        self.cells[key][value].append(f"{publisher} to {subscriber}")

    def cell(self, column, publisher, subscriber, values, used, troubles):
        """The text of one cell: where clients of a protocol differ, what each sees."""
        parts = []
        for value in sorted(values, key=lambda one: (one != self.columns[column], one)):
            note = notes.find(column, publisher, subscriber, value)
            if value == self.columns[column]:
                parts.append(value)
            elif note is None:
                troubles.append(f"{column}, {publisher} to {subscriber}: {value}, without an "
                                f"explanation {values[value][:4]}")
            else:
                used.add(note)
                parts.append(f"{value} ({note})")
        return " or ".join(parts)

    def text(self):
        """The table as Markdown; raises AssertionError when a cell has no explanation."""
        used, troubles, lines = set(), [], []
        lines.append("| from | to | " + " | ".join(self.columns) + " |")
        lines.append("| --- | --- |" + " --- |" * len(self.columns))
        for publisher in PROTOCOLS:
            for subscriber in PROTOCOLS:
                row = []
                for column in self.columns:
                    values = self.cells.get((publisher, subscriber, column), {"not done": []})
                    row.append(self.cell(column, publisher, subscriber, values, used, troubles))
                lines.append(f"| {publisher} | {subscriber} | " + " | ".join(row) + " |")
        if troubles:
            raise AssertionError("\n".join(troubles))
        lines.append("")
        lines += [f"- ({letter}) {notes.NOTES[letter]}" for letter in sorted(used)]
        return "\n".join(lines)


def check(name, text):
    """Compares with, or writes, the table of this name in the file."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    with FILE.open("r+" if WRITE else "r", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX if WRITE else fcntl.LOCK_SH)  # all tests write their tables there
        before, found = file.read().split(start)
        committed, after = found.split(end)
        if WRITE:
            file.seek(0)
            file.truncate()
            file.write(f"{before}{start}{text}\n{end}{after}")
            return
    if committed == text + "\n":
        return
    saw, said = text.splitlines(), committed.splitlines()
    differ = [line for line in saw if line not in said] + \
        [f"instead of: {line}" for line in said if line not in saw]
    raise AssertionError(f"docs/matrix.md says otherwise (table {name}; --write):\n" +
                         "\n".join(differ))
