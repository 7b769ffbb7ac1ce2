"""The mutants: patches of this program's own sources, a copy of the sources that they are applied to, and its build.

A mutant is a file `mutants/NN-name.patch`: lines `Key: value` (a value goes on in lines that are indented), an empty
line, and a patch for `git apply` or `patch -p1`. The keys are in mutants/README.md.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATCHES = HERE / "mutants"
# What the program is built from; tests and benchmarks are not needed.
SOURCES = ("CMakeLists.txt", "CMakePresets.json", "adapters", "broker-core", "cmake", "config", "gateway")
KEYS = ("Breaks", "Promise", "Found by", "Protocols", "Faults", "Disk", "Options")
NEEDED = KEYS[:5]


class Broken(RuntimeError):
    """A patch that cannot be read, does not apply or does not build."""


class Mutant:
    """One patch file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.stem
        self.keys = {}
        text = self.path.read_text(encoding="utf-8")
        key = None
        for line in text.split("\n\n", 1)[0].splitlines():
            if line.startswith("  ") and key is not None:
                self.keys[key] += " " + line.strip()
                continue
            key, colon, value = line.partition(":")
            if not colon or key not in KEYS:
                raise Broken(f"{self.path.name}: {line!r} is not one of {', '.join(KEYS)}")
            self.keys[key] = value.strip()
        missing = [one for one in NEEDED if not self.keys.get(one)]
        if missing:
            raise Broken(f"{self.path.name}: says nothing of {', '.join(missing)}")
        self.files = [line[len("+++ b/"):] for line in text.splitlines() if line.startswith("+++ b/")]
        if not self.files:
            raise Broken(f"{self.path.name}: changes no file")

    def listed(self, key):
        """The value of a key that is a list."""
        return [one.strip() for one in self.keys.get(key, "").split(",") if one.strip() not in ("", "-")]


def load_all(wanted=()):
    """All mutants in order, or those whose name begins with one of `wanted`."""
    found = [Mutant(path) for path in sorted(PATCHES.glob("*.patch"))]
    for name in wanted:
        if not any(mutant.name.startswith(name) for mutant in found):
            raise Broken(f"there is no mutant {name}")
    return [mutant for mutant in found if not wanted or mutant.name.startswith(tuple(wanted))]


def apply(mutant, folder, check_only=False):
    """Applies a patch to the sources in `folder`; no line of context may differ."""
    if shutil.which("git"):
        command = ["git", "apply", *(["--check"] if check_only else []), str(mutant.path)]
    else:
        command = ["patch", "-p1", "-s", "-f", "-F0", *(["--dry-run"] if check_only else []), "-i", str(mutant.path)]
    # In a folder of a repository git would take the paths for those of the repository.
    outside = dict(os.environ, GIT_CEILING_DIRECTORIES=str(pathlib.Path(folder).parent), LC_ALL="C")
    outside.pop("GIT_DIR", None)
    if check_only and (pathlib.Path(folder) / ".git").exists():
        outside.pop("GIT_CEILING_DIRECTORIES")
    done = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"{mutant.path.name} does not apply:\n{done.stdout}{done.stderr}".rstrip())


class Tree:
    """A copy of the sources and its build folder, used for one mutant after the other: only what differs from the
    last one is compiled."""

    def __init__(self, folder, jobs):
        self.folder = pathlib.Path(folder).resolve()
        self.sources = self.folder / "src"
        self.build_folder = self.sources / "build" / "release"  # the preset's: so that ccache knows its objects
        self.jobs = jobs
        self.touched = set()
        self.lock = None

    def prepare(self):
        """Makes the copy what the sources are now; files that are the same keep their time. Another call waits with
        this folder until we have ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / "lock", "wb")  # pylint: disable=consider-using-with  (held to the end)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        wanted = set()
        for name in SOURCES:
            top = ROOT / name
            for path in [top] if top.is_file() else sorted(top.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    wanted.add(path.relative_to(ROOT))
        for path in sorted(self.sources.rglob("*")):
            name = path.relative_to(self.sources)
            if path.is_file() and name not in wanted and name.parts[0] != "build":
                path.unlink()
        for name in sorted(wanted):
            self._copy(name)

    def _copy(self, name):
        """Also where the time is the same: a mutant may have been left behind."""
        old, new = self.sources / name, ROOT / name
        content = new.read_bytes()
        if not old.is_file() or old.read_bytes() != content:
            old.parent.mkdir(parents=True, exist_ok=True)
            old.write_bytes(content)

    def build(self, mutant, target):
        """Builds the program with one mutant (None: as it is) into the file `target`."""
        for name in sorted(self.touched):
            self._copy(name)
        self.touched.clear()
        if mutant is not None:
            self.touched.update(mutant.files)
            apply(mutant, self.sources)
        if not (self.build_folder / "build.ninja").is_file():
            # Linking all that is known for a debugger would be most of the time.
            self._run(["cmake", "--preset", "release", "-DGW_TESTS=OFF", "-DGW_BENCH=OFF",
                       "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--strip-debug"])
        self._run(["cmake", "--build", "--preset", "release", "-j", str(self.jobs), "--target", "mangrove"])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self.build_folder / "mangrove", target)

    def build_slow_disk(self):
        """The library that makes the disk slow; its path."""
        library = self.folder / "slow_disk.so"
        self._run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(HERE / "slow_disk.c"), "-ldl"])
        return library

    def _run(self, command):
        done = subprocess.run(command, cwd=self.sources, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-4000:]}")
