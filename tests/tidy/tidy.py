"""Checks of the tree that no compiler makes. `tidy.py CHECK [ROOT]` prints what is wrong, a line each.

layers   each folder includes only what stands below it (docs/architecture.md has the table)
door     adapters ask the core for what they want done: none asks for rights or makes a message itself;
         and the core names no protocol
names    tables of names hash them with a key of the process (NameTable), so that nobody can make them collide
length   no file is longer than a reader can hold
traces   no path of a developer's machine, no package registry, no conflict mark, in any file
links    relative links of documents lead somewhere
format   clang-format has nothing to change (it must be installed)
"""

import pathlib
import re
import shutil
import subprocess
import sys

LINES_MAX = 800
NOT_OURS = {".git", "build", "node_modules", "__pycache__", "data", "log", ".cache"}
SOURCE = {".cpp", ".hpp", ".c", ".h"}
TEXT = SOURCE | {".py", ".js", ".sh", ".cmake", ".md", ".txt", ".json", ".conf", ".service", ".yaml", ""}

CORE = "broker-core/"
BASIC = ("broker-core/base", "broker-core/message", "broker-core/topic")

# Folder -> the folders of ours it may include beside itself. The longest folder that fits counts.
# A name ending in `/` stands for everything below it.
LAYERS = {
    "broker-core/base": (),
    "broker-core/message": ("broker-core/base",),
    "broker-core/topic": ("broker-core/base",),
    "broker-core/metrics": BASIC,
    "broker-core/router": BASIC,
    "broker-core/retained": BASIC,
    "broker-core/access": BASIC,
    "broker-core/auth": (*BASIC, "broker-core/access", "broker-core/metrics"),
    "broker-core/door": (*BASIC, "broker-core/metrics"),
    "broker-core/session": (*BASIC, "broker-core/metrics", "broker-core/router",
                            "broker-core/retained"),
    "broker-core/storage": (*BASIC, "broker-core/session", "broker-core/storage/log_store"),
    "broker-core/storage/log_store": BASIC,
    "broker-core/hooks": (*BASIC, "broker-core/access", "broker-core/session",
                          "broker-core/storage"),
    "broker-core/broker": (CORE,),
    "adapters/machine": (CORE,),
    "adapters/mqtt/codec": ("broker-core/base", "broker-core/message"),
    "adapters/mqtt/machine": (CORE, "adapters/mqtt/codec", "adapters/machine"),
    "adapters/coap/codec": ("broker-core/base",),
    "adapters/coap/machine": (CORE, "adapters/coap/codec", "adapters/machine"),
    "adapters/mqttsn/codec": ("broker-core/base",),
    "adapters/mqttsn/machine": (CORE, "adapters/mqttsn/codec", "adapters/machine"),
    "adapters/stomp/codec": ("broker-core/base", "broker-core/message"),
    "adapters/stomp/machine": (CORE, "adapters/stomp/codec", "adapters/machine"),
    "adapters/transport": ("broker-core/base", "broker-core/message", "adapters/machine",
                           "adapters/transport/tls"),
    "adapters/transport/tls": ("broker-core/base", "broker-core/message", "adapters/machine",
                               "adapters/transport"),
    "adapters/http": ("broker-core/base", "broker-core/message", "adapters/machine",
                      "adapters/transport"),
    "adapters/websocket": ("broker-core/base", "broker-core/message", "adapters/machine",
                           "adapters/transport", "adapters/http"),
    "adapters/sockjs": ("broker-core/base", "broker-core/message", "adapters/machine",
                        "adapters/transport", "adapters/http", "adapters/websocket"),
    "config": ("broker-core/base", "config/"),
    "config/acl": (*BASIC, "broker-core/access", "config/parse"),
    "gateway": (CORE, "adapters/", "config/", "gateway/"),
    "bench": (CORE, "adapters/", "config/", "gateway/", "bench/", "tests/support"),
    "tests": (CORE, "adapters/", "config/", "gateway/", "tests/"),
}

# Folder -> what it may include from outside, beside the standard library. Only these know sockets.
OUTSIDE = {
    "broker-core": (),
    "broker-core/base": ("arpa/inet.h",),
    "broker-core/router": ("linux/futex.h", "sys/syscall.h", "unistd.h"),  # a lock that sleeps
    "broker-core/storage/log_store": ("sqlite3.h", "fcntl.h", "sys/", "unistd.h"),
    "adapters/machine": (),
    "adapters/mqtt": (),
    "adapters/coap": (),
    "adapters/mqttsn": (),
    "adapters/stomp": (),
    "adapters/transport": ("boost/", "openssl/", "sys/", "netinet/", "arpa/", "unistd.h", "fcntl.h",
                           "net/if.h",
                           "netdb.h", "poll.h"),
    "adapters/http": ("boost/beast/http/",),  # reads requests; sockets are the transport's
    "adapters/websocket": ("openssl/",),
    "adapters/sockjs": (),
    "config": ("arpa/inet.h",),
    "gateway": None,  # anything
    "bench": None,
    "tests": None,
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def files(root):
    """Every file of ours below `root`, as a relative path, in order."""
    found = []
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if path.is_file() and not NOT_OURS.intersection(place.parts):
            found.append(place)
    return found


def read(root, place):
    return (root / place).read_text(encoding="utf-8", errors="replace")


def rule_for(rules, folder):
    """The value of the longest key that is `folder` or stands above it."""
    fitting = [key for key in rules if folder == key or folder.startswith(key + "/")]
    return rules[max(fitting, key=len)] if fitting else None


def is_standard(header):
    """C++ headers have no dot and no slash; of C's, those that C++ took over count too."""
    return "." not in header and "/" not in header or header in ("stdlib.h", "stdint.h")


def check_layers(root):
    wrong = []
    for place in files(root):
        folder = place.parent.as_posix()
        if place.suffix not in SOURCE or folder.split("/")[0] not in (
                "broker-core", "adapters", "config", "gateway", "bench", "tests"):
            continue
        allowed = rule_for(LAYERS, folder)
        outside = rule_for(OUTSIDE, folder)
        if allowed is None or not any(folder == key or folder.startswith(key + "/") for key in OUTSIDE):
            wrong.append(f"{place}: the folder stands in no layer; name it in tests/tidy/tidy.py")
            continue
        for number, line in enumerate(read(root, place).splitlines(), 1):
            include = INCLUDE.match(line)
            if not include:
                continue
            header = include.group(2)
            if include.group(1) == '"':
                if "/" not in header:
                    wrong.append(f"{place}:{number}: {header}: paths start at the repository root")
                    continue
                target = header.rsplit("/", 1)[0]
                if target != folder and not any(
                        target == one or one.endswith("/") and (target + "/").startswith(one)
                        for one in allowed):
                    wrong.append(f"{place}:{number}: {folder} must not include {target}")
            elif outside is not None and not is_standard(header) and not header.startswith(outside):
                wrong.append(f"{place}:{number}: {folder} must not include <{header}>")
    return wrong


# What adapters, and whatever else is for somebody outside, leave to the core: it alone keeps the order of questions.
DOOR_FOLDERS = {"adapters", "integrations", "pages", "console"}
DOOR = re.compile(r'#\s*include\s+"broker-core/(?:access|auth)/|\bMessage::create\b|\bauthorize\s*\(|\bAuthDecision\b')
# A protocol's name among the core's identifiers. The metrics have some: they are the adapters' counters.
PROTOCOL = re.compile(r"\b\w*(?:mqtt|stomp|coap|sockjs)\w*\b", re.IGNORECASE)
TEXT_IN_CODE = re.compile(r'"(?:[^"\\]|\\.)*"')


def check_door(root):
    wrong = []
    for place in files(root):
        if place.suffix not in SOURCE or place.parts[0] == "tests":
            continue
        if place.parts[0] == "broker-core" and place.parts[1] != "metrics":
            for number, line in enumerate(read(root, place).splitlines(), 1):
                found = PROTOCOL.search(TEXT_IN_CODE.sub("", line.split("//")[0]))
                if found:
                    wrong.append(f"{place}:{number}: {found.group(0)}: the core names no protocol; ask ProtocolTraits")
        if not DOOR_FOLDERS & set(place.parts[:-1]):
            continue
        for number, line in enumerate(read(root, place).splitlines(), 1):
            found = DOOR.search(line.split("//")[0])
            if found:
                wrong.append(f"{place}:{number}: {found.group(0)} is the core's; ask Broker to publish or subscribe")
    return wrong


NAME_KEYS = re.compile(r"\bunordered_(?:multi)?(?:map|set)\s*<\s*(?:const\s+)?std::(?:string|string_view)\b")


def check_names(root):
    wrong = []
    for place in files(root):
        if place.suffix not in SOURCE or place.parts[0] in ("tests", "bench"):
            continue
        if place.as_posix() == "broker-core/base/hash.hpp":
            continue
        for number, line in enumerate(read(root, place).splitlines(), 1):
            if NAME_KEYS.search(line.split("//")[0]):
                wrong.append(f"{place}:{number}: a table of names is a NameTable (base/hash.hpp), or ordered")
    return wrong


def check_length(root):
    wrong = []
    for place in files(root):
        if place.suffix in SOURCE | {".py", ".js", ".sh", ".cmake"} or place.name == "CMakeLists.txt":
            count = read(root, place).count("\n")
            if count > LINES_MAX:
                wrong.append(f"{place}: {count} lines, at most {LINES_MAX}")
    return wrong


# Put together here, so that this file does not hold what it looks for.
TRACES = re.compile("|".join((
    r"(?<![\w.])/" + r"work/", r"(?<![\w.])/" + r"home/\w", r"(?<![\w.])/" + r"root/\w",
    r"registry\." + r"npmjs", r"files\." + r"pythonhosted", r"\bpypi\." + r"org",
    r"^<<<<" + r"<<< ", r"^>>>>" + r">>> ")), re.MULTILINE)


def check_traces(root):
    wrong = []
    for place in files(root):
        if place.suffix not in TEXT:
            continue
        text = read(root, place)
        for found in TRACES.finditer(text):
            number = text.count("\n", 0, found.start()) + 1
            wrong.append(f"{place}:{number}: {found.group(0).strip()} has no place here")
    return wrong


def check_links(root):
    wrong = []
    for place in files(root):
        if place.suffix != ".md":
            continue
        text = re.sub(r"```.*?```", lambda block: "\n" * block.group(0).count("\n"), read(root, place),
                      flags=re.DOTALL)
        for found in re.finditer(r"\]\(([^)\s]+)\)", text):
            target = found.group(1).split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            if not (root / place.parent / target).exists():
                number = text.count("\n", 0, found.start()) + 1
                wrong.append(f"{place}:{number}: {found.group(1)} leads nowhere")
    return wrong


def check_format(root):
    sources = [str(root / place) for place in files(root) if place.suffix in SOURCE]
    wrong = []
    if sources and not shutil.which("clang-format"):
        return ["clang-format is not installed"]
    if sources:
        done = subprocess.run(["clang-format", "--dry-run", "--style=file", *sources],
                              capture_output=True, text=True, check=False, cwd=root)
        for line in done.stderr.splitlines():
            found = re.match(r"(.*?):(\d+):\d+: (?:warning|error): code should be clang-formatted", line)
            if found:
                place = pathlib.Path(found.group(1)).relative_to(root)
                wrong.append(f"{place}:{found.group(2)}: not as clang-format writes it")
    return wrong


CHECKS = {"layers": check_layers, "door": check_door, "names": check_names, "length": check_length, "traces": check_traces,
          "links": check_links, "format": check_format}


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else pathlib.Path(__file__).parents[2]).resolve()
    wrong = CHECKS[sys.argv[1]](root)
    print("\n".join(wrong) if wrong else f"{sys.argv[1]}: nothing is wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
