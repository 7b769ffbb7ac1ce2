"""What the attacks share: the harness of tests/interop, and floods that say when they were stopped."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import harness  # noqa: E402,F401
import mqtt_wire as wire  # noqa: E402,F401

MB = 1 << 20


def flood(client, bytes_of, bytes_max, quiet=1.0):
    """Sends `bytes_of` again and again, reading nothing, until the peer has taken nothing for `quiet`
    seconds; at most `bytes_max`. Returns how many bytes were sent, and whether the peer stopped reading
    or closed."""
    client.socket.settimeout(quiet)
    sent = 0
    try:
        while sent < bytes_max:
            client.socket.sendall(bytes_of)
            sent += len(bytes_of)
    except OSError:  # a time-out too
        return sent, True
    return sent, False
