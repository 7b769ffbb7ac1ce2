"""Drives the whole program as a process, around a service that serves nobody (stand_in_main.cpp).

Every wait is for a condition with a deadline. STAND_IN names the program.
"""

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import skips  # pylint: disable=wrong-import-position

PROGRAM = os.environ["STAND_IN"]
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
DEADLINE = 60


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mangrove-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("MANGROVE_") and name != "NOTIFY_SOCKET"}
        self.addCleanup(self.end_background)

    def end_background(self):
        pid_file = self.data / "mangrove.pid"
        if pid_file.exists():
            try:
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass

    def call(self, *arguments, data=True, environment=None):
        """Runs a command to its end: (exit code, standard output, standard error)."""
        place = ["--data", str(self.data)] if data else []
        done = subprocess.run([PROGRAM, *arguments, *place], cwd=self.folder, text=True,
                              capture_output=True, timeout=DEADLINE, stdin=subprocess.DEVNULL,
                              env={**self.environment, **(environment or {})})
        return done.returncode, done.stdout, done.stderr

    def run_in_foreground(self, *arguments, environment=None):
        process = subprocess.Popen([PROGRAM, "run", "--data", str(self.data), *arguments],
                                   cwd=self.folder, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                   env={**self.environment, **(environment or {})})
        self.addCleanup(self.end, process)
        self.read_until(process, "program.ready")
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def read_until(self, process, wanted):
        """The lines up to the one that holds `wanted`."""
        until = time.monotonic() + DEADLINE
        lines = []
        line = b""
        descriptor = process.stdout.fileno()
        # Read byte by byte past Python's buffers: select() knows nothing of what they hold.
        while select.select([descriptor], [], [], max(0, until - time.monotonic()))[0]:
            byte = os.read(descriptor, 1)
            if not byte:
                break
            line += byte
            if byte == b"\n":
                lines.append(line.decode())
                line = b""
                if wanted in lines[-1]:
                    return lines
        self.fail(f"no {wanted} in {lines} {process.stderr.read() if process.poll() else ''}")

    def test_start_status_stop(self):
        code, out, err = self.call("start")
        self.assertEqual((code, err), (0, ""))
        pid = int((self.data / "mangrove.pid").read_text())
        self.assertEqual(out, f"mangrove is running, pid {pid}.\n  tcp.default 127.0.0.1:1883\n")
        self.assertEqual(os.getsid(pid), pid)

        code, out, _ = self.call("status")
        self.assertEqual(code, 0)
        self.assertIn("uptime          1 day 1 h 1 min 1 s\n", out)
        self.assertIn("listeners       tcp.default  127.0.0.1:1883  clients 0\n", out)
        code, out, _ = self.call("status", "--json")
        answer = json.loads(out)
        self.assertEqual((code, answer["ok"], answer["pid"]), (0, True, pid))

        code, out, _ = self.call("stop")
        self.assertEqual((code, out), (0, f"mangrove has stopped, pid {pid}.\n"))
        self.assertFalse((self.data / "mangrove.pid").exists())
        self.assertFalse((self.data / "control.sock").exists())
        log = (self.folder / "log/console.log").read_text()
        self.assertIn("info program.stopped\n", log)

        code, out, _ = self.call("status")
        self.assertEqual((code, out), (3, f"mangrove is not running on {self.data}.\n"))
        self.assertEqual(self.call("stop")[0], 0)

    def test_the_background_program_holds_nothing_of_its_starter(self):
        self.call("start")
        pid = int((self.data / "mangrove.pid").read_text())
        for number in (0, 1, 2):
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/{number}"), "/dev/null")

    def test_a_second_one_is_refused(self):
        self.assertEqual(self.call("start")[0], 0)
        pid = (self.data / "mangrove.pid").read_text().strip()
        for command in ("start", "run"):
            code, out, err = self.call(command)
            self.assertEqual((code, out), (1, ""))
            self.assertEqual(err, f"mangrove: another mangrove (pid {pid}) runs on the data folder "
                                  f"{self.data}\n")
        self.assertEqual(self.call("status")[0], 0)

    def test_what_it_makes_is_not_for_others(self):
        log = self.folder / "log" / "mangrove.log"
        self.run_in_foreground("--set", "log.console=both", "--set", f"log.console.file={log}",
                               environment={"LC_ALL": "C"})
        made = [self.data, log.parent, log, *self.data.rglob("*")]
        self.assertGreater(len(made), 4)
        for one in made:
            self.assertEqual(one.stat().st_mode & 0o007, 0, one)

    def test_a_link_in_the_place_of_the_pid_file_is_not_followed(self):
        self.data.mkdir()
        victim = self.folder / "victim"
        victim.write_text("precious")
        (self.data / "mangrove.pid").symlink_to(victim)
        code, _, error = self.call("run")
        self.assertEqual(code, 1)
        self.assertIn("mangrove.pid", error)
        self.assertEqual(victim.read_text(), "precious")

    def test_a_killed_one_leaves_no_obstacle(self):
        self.assertEqual(self.call("start")[0], 0)
        process = self.data / "mangrove.pid"
        pid = int(process.read_text())
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(select.select([handle], [], [], DEADLINE)[0])
        os.close(handle)
        self.assertTrue(process.exists())
        self.assertEqual(self.call("status")[0], 3)
        self.assertEqual(self.call("stop")[0], 0)
        self.assertEqual(self.call("start")[0], 0)

    def test_a_start_that_fails_says_why(self):
        code, out, err = self.call("start", "--set", "node.name=fails@start")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(err, "mangrove: listener.tcp.default: cannot listen on 127.0.0.1:1: no\n")
        self.assertEqual(self.call("status")[0], 3)
        code, _, err = self.call("start", "--set", "mqtt.receive_maximum=0")
        self.assertEqual(code, 2)
        self.assertEqual(err, "--set: error: mqtt.receive_maximum: `0` is less than the least "
                              "allowed, 1\n")

    def test_restart_keeps_running_when_the_configuration_is_broken(self):
        self.assertEqual(self.call("start")[0], 0)
        pid = (self.data / "mangrove.pid").read_text()
        self.assertEqual(self.call("restart", "--set", "nonsense=1")[0], 2)
        self.assertEqual((self.data / "mangrove.pid").read_text(), pid)
        self.assertEqual(self.call("restart")[0], 0)
        self.assertNotEqual((self.data / "mangrove.pid").read_text(), pid)
        self.assertEqual(self.call("status")[0], 0)

    def test_restart_starts_what_did_not_run(self):
        self.assertEqual(self.call("restart")[0], 0)
        self.assertEqual(self.call("status")[0], 0)

    def test_stop_gives_up_after_its_time(self):
        self.assertEqual(self.call("start", "--set", "node.name=hangs@stop")[0], 0)
        pid = int((self.data / "mangrove.pid").read_text())
        code, _, err = self.call("stop", "--timeout", "1")
        self.assertEqual(code, 1)
        self.assertEqual(err, f"mangrove: pid {pid} has not ended within 1 s; it is still "
                              "running.\n")
        # The first signal put the default back: a second one ends it, however it hangs.
        self.assertEqual(self.call("stop")[0], 0)

    def test_stop_needs_no_configuration_when_it_has_the_data_folder(self):
        broken = self.folder / "broken.conf"
        broken.write_text("nonsense\n")
        self.assertEqual(self.call("start")[0], 0)
        self.assertEqual(self.call("stop", "--config", str(broken))[0], 0)
        self.assertEqual(self.call("stop", "--config", str(broken), data=False)[0], 2)

    def test_signals_end_it_gracefully(self):
        for name in (signal.SIGTERM, signal.SIGINT):
            process = self.run_in_foreground()
            process.send_signal(name)
            out, err = process.communicate(timeout=DEADLINE)
            self.assertEqual((process.returncode, err), (0, ""))
            self.assertIn(f"info program.stopping signal={name.name}\n", out)
            self.assertIn("info stand_in.stopped\n", out)

    def test_a_reload_is_applied_whole(self):
        conf = self.folder / "x.conf"
        conf.write_text("mqtt.max_packet_size = 64KB\n")
        process = self.run_in_foreground("--config", str(conf))

        conf.write_text("mqtt.max_packet_size = 2MB\nlog.console.level = debug\n")
        code, out, err = self.call("config", "reload", "--dry-run")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, "log.console.level: info -> debug (at once)\n"
                              "mqtt.max_packet_size: 64KB -> 2MB (for new connections)\n")
        process.send_signal(signal.SIGHUP)
        lines = self.read_until(process, "config.reloaded")
        self.assertIn("config.changed key=mqtt.max_packet_size old=64KB new=2MB\n",
                      "".join(lines))
        self.assertIn('config.applied text="packets up to 2097152"\n', "".join(lines))
        self.assertIn("config.reloaded changes=2\n", lines[-1])
        self.assertEqual(self.call("config", "reload"),
                         (0, "packets up to 2097152\nNo key has changed.\n", ""))

    def test_a_reload_with_a_mistake_or_a_restart_key_changes_nothing(self):
        conf = self.folder / "x.conf"
        conf.write_text("mqtt.max_packet_size = 64KB\n")
        process = self.run_in_foreground("--config", str(conf))
        for text, error in (
                ("mqtt.max_packet_size = 2MB\nnode.workers = 2\n",
                 "node.workers: a change needs a restart"),
                ("mqtt.max_packet_size = 2MB\nmqtt.max_qos_allowed = 3\n",
                 f"{conf}:2:24: error: mqtt.max_qos_allowed: `3` is more than the most allowed, 2"),
                ("mqtt.max_packet_size = 2MB\nlistener.tcp.default = 127.0.0.1:1\n",
                 "listener.tcp.default: a change needs a restart")):
            conf.write_text(text)
            process.send_signal(signal.SIGHUP)
            self.assertIn(f'config.reload_refused text="{error}"\n',
                          self.read_until(process, "config.reload_refused")[-1])
            code, _, err = self.call("config", "reload")
            self.assertEqual(code, 1)
            self.assertIn(f"error: {error}\nNothing was changed.\n", err)
            self.read_until(process, "config.reload_refused")
        conf.write_text("mqtt.max_packet_size = 64KB\n")
        self.assertEqual(self.call("config", "reload"),
                         (0, "packets up to 65536\nNo key has changed.\n", ""))

    def test_a_reload_that_the_service_refuses_changes_nothing(self):
        conf = self.folder / "x.conf"
        conf.write_text("node.name = fails@reload\n")
        self.run_in_foreground("--config", str(conf))
        conf.write_text("node.name = fails@reload\nmqtt.max_packet_size = 2MB\n")
        for _ in range(2):
            code, _, err = self.call("config", "reload")
            self.assertEqual(code, 1)
            self.assertEqual(err, "mqtt.max_packet_size: 1MB -> 2MB (for new connections)\n"
                                  "error: the stand-in refuses\nNothing was changed.\n")

    def test_systemd_is_told(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.settimeout(DEADLINE)
        address = str(self.folder / "notify")
        notify.bind(address)
        process = self.run_in_foreground(environment={"NOTIFY_SOCKET": address})
        self.assertEqual(notify.recv(256), b"READY=1")
        process.send_signal(signal.SIGHUP)
        self.assertTrue(notify.recv(256).startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        self.assertEqual(notify.recv(256), b"READY=1")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(notify.recv(256), b"STOPPING=1")
        process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 0)

    def test_the_control_socket_survives_nonsense(self):
        self.run_in_foreground()
        for request in (b"nonsense\n", b"{}\n", b'{"command":"x"}\n', b"\xff\n"):
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(DEADLINE)
            link.connect(str(self.data / "control.sock"))
            link.sendall(request)
            self.assertFalse(json.loads(link.makefile().readline())["ok"])
            link.close()
        link = socket.socket(socket.AF_UNIX)  # a line without end: cut off, not collected
        link.settimeout(DEADLINE)
        link.connect(str(self.data / "control.sock"))
        try:
            link.sendall(b"x" * 100_000)
            self.assertEqual(link.recv(1), b"")
        except (BrokenPipeError, ConnectionResetError):
            pass
        link.close()
        self.assertEqual(self.call("status")[0], 0)

    def test_config_commands(self):
        conf = self.folder / "x.conf"
        conf.write_text("mqtt.max_paket_size = 1MB\nmqtt.max_qos_allowed = 9\n")
        code, out, err = self.call("config", "check", "--config", str(conf))
        self.assertEqual((code, out), (2, ""))
        self.assertEqual(err.splitlines(), [
            f"{conf}:1:1: error: unknown key mqtt.max_paket_size; did you mean "
            "mqtt.max_packet_size?",
            f"{conf}:2:24: error: mqtt.max_qos_allowed: `9` is more than the most allowed, 2"])
        conf.write_text("mqtt.max_qos_allowed = 1\n")
        code, out, _ = self.call("config", "check", environment={"MANGROVE_CONFIG": str(conf)})
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith("The configuration is right: "))
        code, out, _ = self.call("config", "show", "--config", str(conf),
                                 "--set", "node.workers=2", "--set", "node.workers=3",
                                 environment={"MANGROVE_MQTT__RECEIVE_MAXIMUM": "7"})
        self.assertEqual(code, 0)
        lines = {line.split(" = ")[0]: line for line in out.splitlines()}
        self.assertTrue(lines["mqtt.max_qos_allowed"].endswith(f"# {conf}:1"))
        self.assertTrue(lines["node.workers"].startswith("node.workers = 3 "))
        self.assertTrue(lines["node.workers"].endswith("# --set"))
        self.assertTrue(lines["mqtt.receive_maximum"].endswith(
            "# environment variable MANGROVE_MQTT__RECEIVE_MAXIMUM"))
        self.assertTrue(lines["node.data_dir"].endswith("# --data"))

    def test_config_doc(self):
        code, out, _ = self.call("config", "doc")
        self.assertEqual(code, 0)
        self.assertEqual(out, (SOURCE / "docs/config-reference.md").read_text())
        code, out, _ = self.call("config", "doc", "listener.tcp.lan.access.1")
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith("listener.tcp.<name>.access.<N>\n"))
        self.assertEqual(self.call("config", "doc", "node.cookie")[2],
                         "node.cookie: EMQ key without meaning here: there is no Erlang "
                         "distribution to protect\n")
        code, _, err = self.call("config", "doc", "mqtt.recieve_maximum")
        self.assertEqual((code, err), (2, "mqtt.recieve_maximum: unknown key; did you mean "
                                          "mqtt.receive_maximum?\n"))

    def test_help_everywhere_with_an_example(self):
        for command in ([], ["run"], ["start"], ["stop"], ["restart"], ["status"], ["config"],
                        ["config", "check"], ["config", "show"], ["config", "doc"],
                        ["config", "reload"]):
            code, out, err = self.call(*command, "--help", data=False)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("Example", out)
            self.assertIn("mangrove " + " ".join(command), out)
        code, out, _ = self.call("--version", data=False)
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^mangrove \d+\.\d+\.\d+\n$")

    def test_wrong_arguments(self):
        for arguments in ([], ["fly"], ["run", "--fly"], ["config"], ["stop", "--timeout", "x"]):
            code, out, err = self.call(*arguments, data=False)
            self.assertEqual((code, out), (2, ""))
            self.assertNotEqual(err, "")
        for arguments in (["fly"], ["clients", "fly"]):
            self.assertIn("unknown command fly\n", self.call(*arguments, data=False)[2])


if __name__ == "__main__":
    skips.main("program_test")
