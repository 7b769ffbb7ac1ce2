"""The broker under test as a thing that runs: started, killed and started again by the caller's commands."""

import os
import signal
import socket
import subprocess
import time

DATAGRAM = ("mqttsn", "coap")
READY_SECONDS = 40.0


class CannotRun(Exception):
    """The checker itself has no way to go on."""


class Broker:
    """`start`: a command that the checker runs and kills. Or `kill` and `restart`: commands that do it. `forbid` and
    `allow` change its rules while it runs."""

    def __init__(self, targets, start=None, kill=None, restart=None, forbid=None, allow=None):
        self.targets = targets
        self.start_command, self.kill_command, self.restart_command = start, kill, restart
        self.rule_commands = {"forbid": forbid, "allow": allow}
        self.process = None

    def can(self, fault):
        """Whether there are commands for what it takes."""
        if fault == "reload":
            return all(self.rule_commands.values())
        return fault != "kill" or self.can_be_killed()

    def change_rules(self, how):
        """`forbid` or `allow`; returns when they are in force."""
        self._run(self.rule_commands[how])

    def can_be_killed(self):
        return bool(self.start_command or (self.kill_command and self.restart_command))

    def start(self):
        """Starts it where that is ours to do; returns when it takes connections."""
        if self.start_command:
            for one in self._streams():
                if self._accepts(one):
                    raise CannotRun(f"something else listens at {one.host}:{one.port} already")
            self.process = subprocess.Popen(["/bin/sh", "-c", "exec " + self.start_command], start_new_session=True,
                                            stdin=subprocess.DEVNULL)
        self.wait()

    def _streams(self):
        return [one for one in self.targets if one.scheme not in DATAGRAM]

    @staticmethod
    def _accepts(one):
        try:
            socket.create_connection(one.address, 5).close()
            return True
        except OSError:
            return False

    def wait(self):
        """Until all stream addresses take connections."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise CannotRun(f"the broker ended with code {self.process.returncode}")
            silent = [one for one in self._streams() if not self._accepts(one)]
            if not silent:
                return
            time.sleep(0.02)
        raise CannotRun(f"nothing takes connections at {silent[0].host}:{silent[0].port}")

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
        else:
            self._run(self.kill_command)

    def restart(self):
        if self.start_command:
            self.start()
        else:
            self._run(self.restart_command)
            self.wait()

    @staticmethod
    def _run(command):
        done = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise CannotRun(f"{command!r} ended with code {done.returncode}")

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        """Ends what we have started."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def alive(self):
        return self.process is None or self.process.poll() is None
