#!/usr/bin/python3
"""mangrove-check against this gateway: nothing is found under all faults, and what a kill loses is found."""

import atexit
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "interop"))

import harness  # noqa: E402
import pki  # noqa: E402

BINARY = os.environ.get("MANGROVE_BIN", str(HERE.parents[1] / "build" / "release" / "mangrove"))
RULES = "".join(f"deny = all {action} check/+/{topic}/#\n" for action, topic in
                (("publish", "nopub"), ("subscribe", "nosub"), ("receive", "nosub")))


class Gateway:
    """A folder, ports, and the command that starts a gateway there."""

    def __init__(self, before=""):
        """`before`: shell commands in front of each start; {folder} is the gateway's."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mangrove-check-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        authority = pki.Authority()
        certificate, key = authority.server()
        (self.folder / "acl.conf").write_text(RULES, encoding="utf-8")
        (self.folder / "gateway.conf").write_text("# Everything is set on the command line.\n", encoding="utf-8")
        ports = {name: harness.free_port() for name in ("tcp", "ssl", "ws")}
        settings = {f"listener.{name}.default": f"127.0.0.1:{port}" for name, port in ports.items()}
        settings |= {"listener.ssl.default.certfile": certificate, "listener.ssl.default.keyfile": key,
                     "allow_anonymous": "true", "acl.file": self.folder / "acl.conf", "store.ack": "local",
                     "log.console.level": "error"}
        command = [BINARY, "run", "--config", self.folder / "gateway.conf", "--data", self.folder / "data"]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        script = self.folder / "start"
        script.write_text("#!/bin/sh\n" + before.format(folder=shlex.quote(str(self.folder))) + "\nexec " +
                          shlex.join(map(str, command)) + "\n", encoding="utf-8")
        self.arguments = ["--start-command", f"/bin/sh {shlex.quote(str(script))}", "--ca", authority.certificate,
                          "--limits", HERE / "targets" / "mangrove.json"]
        for scheme, name in (("mqtt", "tcp"), ("mqtts", "ssl"), ("ws", "ws")):
            self.arguments += ["--target", f"{scheme}://127.0.0.1:{ports[name]}" + ("/mqtt" if name == "ws" else "")]


def check(gateway, *arguments):
    """(exit status, what it printed)."""
    done = subprocess.run([sys.executable, "-B", HERE / "mangrove-check", *map(str, gateway.arguments),
                           *map(str, arguments)], capture_output=True, text=True, timeout=170, check=False)
    return done.returncode, done.stdout + done.stderr


def figure(text, name):
    """A figure of the summary."""
    return int(re.search(rf"(\d+) {name}", text).group(1))


class Run(unittest.TestCase):

    def test_nothing_is_found_under_all_faults(self):
        status, text = check(Gateway(), "--seed", 20, "--rounds", 3, "--round-seconds", 5, "--no-shrink",
                             "-v")
        self.assertEqual(status, 0, text)
        summary = text[text.index("3 rounds"):]
        for name, least in (("deliveries", 2000), ("kills", 1), ("cuts", 10), ("stalled readers", 5)):
            self.assertGreaterEqual(figure(summary, name), least, text)

    def test_what_a_kill_loses_is_found_and_shrunk(self):
        gateway = Gateway("rm -rf {folder}/data")
        found = gateway.folder / "found"
        status, text = check(gateway, "--seed", 5, "--rounds", 3, "--faults", "kill", "--round-seconds", 2,
                             "--actors", 6, "--patience", 2, "--shrink-seconds", 8, "--out", found, "-v")
        self.assertEqual(status, 1, text)
        self.assertIn("missing: not delivered: ", text)
        self.assertIn("shrunk to ", text)
        stem = next(found.glob("*.plan.json"))
        status, text = check(gateway, "--plan", stem, "--repeat", 5, "--patience", 2, "--no-shrink")
        self.assertEqual(status, 1, text)
        self.assertIn("missing: not delivered: ", text)

    def test_what_cannot_run_says_so(self):
        gateway = Gateway()
        for arguments, wanted in ((["--faults", "fire"], "unknown fault"), (["--limits", "/nowhere"], "nowhere"),
                                  (["--target", "gopher://127.0.0.1:70"], "unknown scheme")):
            status, text = check(gateway, *arguments)
            self.assertEqual(status, 2, text)
            self.assertIn(wanted, text)


if __name__ == "__main__":
    unittest.main()
