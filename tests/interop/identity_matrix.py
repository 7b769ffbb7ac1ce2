"""docs/matrix-identity.md: tables of what the test_identity_* programs have seen. Each program
compares its own sections with the document, or writes them with --write."""

import pathlib
import re
import sys
import threading

import harness

DOCUMENT = harness.ROOT / "docs" / "matrix-identity.md"

_sections = {}
_lock = threading.Lock()


def cell(section, row, column, text):
    """What a test has seen; more than one for the same cell must be the same."""
    with _lock:
        cells = _sections.setdefault(section, {})
        known = cells.setdefault((row, column), text)
    if known != text:
        raise AssertionError(f"{section}: {row} / {column} is {text}, was {known}")


def table(section, labels):
    """The cells as a table of Markdown. `labels` orders rows and columns; others follow by name."""
    def place(label):
        return (labels.index(label) if label in labels else len(labels), label)
    cells = _sections[section]
    rows = sorted({row for row, _ in cells}, key=place)
    columns = sorted({column for _, column in cells}, key=place)
    lines = ["| | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    lines += [f"| **{row}** | " + " | ".join(cells.get((row, column), "") for column in columns)
              + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _marks(section):
    return f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"


def _finish(labels, is_writing):
    """Compares each section with the document or puts it there; whether all is right."""
    text = DOCUMENT.read_text(encoding="utf-8")
    is_right = bool(_sections)
    for section in sorted(_sections):
        begin, end = _marks(section)
        found = re.search(re.escape(begin) + "(.*?)" + re.escape(end), text, re.S)
        if not found:
            print(f"{DOCUMENT.name} has no section {section}")
            is_right = False
            continue
        now = table(section, labels)
        if is_writing:
            text = text[:found.start(1)] + now + text[found.end(1):]
        elif found.group(1) != now:
            print(f"{DOCUMENT.name}, section {section}, is not what was seen; --write writes this:"
                  f"\n{now}")
            is_right = False
    if is_writing:
        pathlib.Path(DOCUMENT).write_text(text, encoding="utf-8")
    return is_right


def main(labels):
    """Runs the tests of the program, then looks at the document."""
    is_writing = "--write" in sys.argv
    if is_writing:
        sys.argv.remove("--write")
    is_whole = not any(one.startswith("-k") or one.startswith("--peer") for one in sys.argv)
    try:
        harness.main()
    except SystemExit as ended:
        if ended.code or not is_whole:
            raise
    sys.exit(0 if _finish(labels, is_writing) else 1)
