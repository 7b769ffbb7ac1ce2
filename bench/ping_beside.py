#!/usr/bin/env python3
"""How long a client's PINGREQ waits for its PINGRESP while a command loads the broker.

    bench/ping_beside.py HOST PORT -- COMMAND ...     one line: number of pings, p50, p90, largest

The command has to load it for 6 s at least.
"""

import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "interop"))
import mqtt_wire as wire

AFTER_START = 1.5  # s: connecting and subscribing are no part of it
DURATION = 4.0     # s
INTERVAL = 0.01    # s


def main():
    host, port, separator, *command = sys.argv[1:]
    if separator != "--" or not command:
        sys.exit(__doc__)
    client = wire.Client((host, int(port)), wire.V311)
    client.connect("ping-beside")
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(AFTER_START)
    waited = []
    end = time.monotonic() + DURATION
    while (start := time.monotonic()) < end:
        client.ping()
        waited.append((time.monotonic() - start) * 1000)
        time.sleep(INTERVAL)
    if load.poll() is not None:
        sys.exit("the load ended too early")
    waited.sort()
    print(f"{len(waited)} pings, p50 {waited[len(waited) // 2]:.1f} ms, "
          f"p90 {waited[len(waited) * 9 // 10]:.1f} ms, largest {waited[-1]:.1f} ms")
    sys.exit(load.wait())


main()
