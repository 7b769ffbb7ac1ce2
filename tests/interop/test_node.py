"""The npm mqtt client: node/checks.js, each check a line of its own.

The module is looked for beside checks.js (`npm ci` in tests/interop/node) and in
$MANGROVE_NODE_MODULES.
"""

import os
import pathlib
import shutil
import subprocess
import unittest

import harness
from harness import MqttTest

HERE = pathlib.Path(__file__).resolve().parent / "node"
MODULES = pathlib.Path(os.environ.get("MANGROVE_NODE_MODULES", HERE / "node_modules"))


@unittest.skipUnless(shutil.which("node"), "no node")
@unittest.skipUnless((MODULES / "mqtt").exists(), "no npm mqtt: run `npm ci` in tests/interop/node")
class Node(MqttTest):

    def test_checks(self):
        host, port = self.broker().address
        found = subprocess.run(["node", str(HERE / "checks.js"), host, str(port)], timeout=150,
                               text=True,
                               capture_output=True, env={**os.environ, "NODE_PATH": str(MODULES)})
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertGreaterEqual(found.stdout.count("ok "), 30, found.stdout)


if __name__ == "__main__":
    harness.main()
