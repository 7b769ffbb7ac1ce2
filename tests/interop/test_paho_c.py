"""The Paho C library: the program paho_c.cpp (in $MANGROVE_PAHO_C), each check a line of its
own."""

import os
import subprocess
import unittest

import harness
from harness import MqttTest

PROGRAM = os.environ.get("MANGROVE_PAHO_C", "")


@unittest.skipUnless(PROGRAM and os.path.exists(PROGRAM), "paho_c was not built (libpaho-mqtt-dev)")
class PahoC(MqttTest):

    def test_checks(self):
        host, port = self.broker().address
        found = subprocess.run([PROGRAM, host, str(port)], timeout=100, text=True,
                               capture_output=True)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertEqual(found.stdout.count("ok "), 19, found.stdout)


if __name__ == "__main__":
    harness.main()
