#!/usr/bin/python3
"""Starts, kills and restarts the brokers that mangrove-check judges, each in a folder of its own, on
free loopback ports, without systemd and as whoever calls it:

    peers.py start BROKER FOLDER [--binary FILE] [--set KEY=VALUE ...]
                                    starts it; prints the targets, one a line (mqtt://127.0.0.1:...)
    peers.py kill FOLDER            kill -9
    peers.py terminate FOLDER       the orderly end
    peers.py restart FOLDER         starts it again: same ports, same data
    peers.py crash FOLDER           kill and restart in one
    peers.py targets FOLDER         what `start` has printed
    peers.py stop FOLDER            kill -9, and the folder is removed

BROKER is mangrove, mosquitto, rabbitmq or nats. What it writes is in FOLDER/broker.log. Each command
returns when it has happened: after `start` and `restart` every port accepts.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

CHECKER = pathlib.Path(__file__).resolve().parent
ROOT = CHECKER.parents[1]
sys.path.append(str(ROOT / "tests" / "interop"))

import harness  # noqa: E402  (only the ports)

START_DEADLINE = 90.0  # RabbitMQ on a busy machine
STOP_DEADLINE = 30.0
RABBITMQ = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class PeerError(RuntimeError):
    """It is not installed, did not start, or did not stop; the text says what it wrote."""


class Broker:
    """What a broker needs: the schemes that it serves and the command that serves them. A scheme
    of datagrams cannot be asked whether it accepts; then another one's port shows that it is up."""

    schemes = ()
    program = ""

    def environment(self, _folder, _ports):
        return dict(os.environ)

    def command(self, folder, ports, options):
        raise NotImplementedError

    def helpers(self, _folder, _ports):
        """Command lines of programs that have to run beside it."""
        return []


class Mangrove(Broker):
    schemes = ("mqtt", "ws", "mqttsn", "coap", "stomp", "sockjs")
    listeners = {"mqtt": "tcp", "ws": "ws", "mqttsn": "mqttsn", "coap": "coap", "stomp": "stomp",
                 "sockjs": "sockjs"}

    def command(self, folder, ports, options):
        config = folder / "gateway.conf"
        config.write_text("# Everything is set on the command line.\n", encoding="utf-8")
        settings = {f"listener.{self.listeners[scheme]}.default": f"127.0.0.1:{port}"
                    for scheme, port in ports.items()}
        rules = folder / "acl.conf"
        rules.write_text("deny = all publish check/+/nopub/#\ndeny = all subscribe check/+/nosub/#\n", encoding="utf-8")
        settings |= {"allow_anonymous": "true", "log.console.level": "warning", "acl.file": str(rules)}
        settings |= options["settings"]
        command = [options["binary"] or self.binary(), "run", "--config", str(config), "--data",
                   str(folder / "data")]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        return command

    @staticmethod
    def binary():
        for path in (os.environ.get("MANGROVE_BIN"), ROOT / "build/release/mangrove",
                     ROOT / "build/dev/mangrove"):
            if path and os.access(path, os.X_OK):
                return str(path)
        raise PeerError("no mangrove: build it, or name it by --binary or MANGROVE_BIN")


class Mosquitto(Broker):
    """With persistence, as Debian ships it: autosave_interval is the default of 1800 s."""

    schemes = ("mqtt", "ws")
    program = "/usr/sbin/mosquitto"

    def command(self, folder, ports, options):
        lines = [f"listener {ports['mqtt']} 127.0.0.1", f"listener {ports['ws']} 127.0.0.1",
                 "protocol websockets", "allow_anonymous true", "persistence true",
                 f"persistence_location {folder}/", "log_type error", "log_type warning",
                 f"acl_file {folder}/acl"]
        (folder / "acl").write_text("topic readwrite #\ntopic deny check/+/nopub/#\ntopic deny check/+/nosub/#\n",
                                    encoding="utf-8")
        if os.getuid() == 0:
            lines.append("user root")  # the folder is ours
        lines += [f"{key} {value}" for key, value in options["settings"].items()]
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [options["binary"] or self.program, "-c", str(config)]


class Nats(Broker):
    """JetStream keeps MQTT's sessions and messages; MQTT wants a server's name for that. What is not acknowledged it
    sends again `ack_wait` later (30 s without the setting), which is longer than a round."""

    schemes = ("mqtt",)
    program = "/usr/sbin/nats-server"

    def command(self, folder, ports, options):
        settings = "".join(f"{key}: {value}\n" for key, value in options["settings"].items())
        config = folder / "nats.conf"
        config.write_text(
            f"listen: \"127.0.0.1:{ports['nats']}\"\nserver_name: \"peer\"\n"
            f"jetstream {{ store_dir: \"{folder}/jetstream\" }}\n"
            f"mqtt {{ listen: \"127.0.0.1:{ports['mqtt']}\", ack_wait: \"2s\" }}\n{settings}", encoding="utf-8")
        return [options["binary"] or self.program, "-c", str(config)]


class RabbitMq(Broker):
    """A node of its own with its own port mapper (epmd), so that it meets no other node."""

    schemes = ("mqtt", "ws", "stomp")
    program = str(RABBITMQ)
    plugins = ("rabbitmq_mqtt", "rabbitmq_stomp", "rabbitmq_web_mqtt")

    def environment(self, folder, ports):
        home = folder / "home"
        home.mkdir(exist_ok=True)
        return dict(
            os.environ, HOME=str(home), LANG="C.UTF-8", ERL_EPMD_PORT=str(ports["epmd"]),
            ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_NODENAME=f"peer{ports['mqtt']}@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1", RABBITMQ_NODE_PORT=str(ports["amqp"]),
            RABBITMQ_DIST_PORT=str(ports["dist"]), RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
            RABBITMQ_LOG_BASE=str(folder / "log"), RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}")

    def helpers(self, folder, ports):
        return [["/usr/bin/epmd", "-port", str(ports["epmd"]), "-address", "127.0.0.1"]]

    def command(self, folder, ports, options):
        (folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n", encoding="utf-8")
        settings = {f"{plugin}.{kind}.{number}": f"127.0.0.1:{ports[scheme]}"
                    for plugin, kind, number, scheme in (("mqtt", "listeners.tcp", 1, "mqtt"),
                                                         ("stomp", "listeners.tcp", 1, "stomp"))}
        settings |= {"web_mqtt.tcp.ip": "127.0.0.1", "web_mqtt.tcp.port": ports["ws"],
                     "web_mqtt.ws_path": "/mqtt", "mqtt.allow_anonymous": "true",
                     "stomp.default_user": "guest", "stomp.default_pass": "guest",
                     "log.console": "true", "log.console.level": "warning"}
        settings |= options["settings"]
        (folder / "rabbitmq.conf").write_text(
            "".join(f"{key} = {value}\n" for key, value in settings.items()), encoding="utf-8")
        return [options["binary"] or self.program]


BROKERS = {"mangrove": (Mangrove(), ()), "mosquitto": (Mosquitto(), ()), "nats": (Nats(), ("nats",)),
           "rabbitmq": (RabbitMq(), ("amqp", "dist", "epmd"))}
DATAGRAMS = ("mqttsn", "coap")
TRANSPORTS = ("websocket", "xhr", "xhr_streaming")
PATHS = {"ws": ("ws://ADDRESS/mqtt",),
         "sockjs": tuple(f"{scheme}://ADDRESS/{path}?transport={transport}" for transport in TRANSPORTS
                         for scheme, path in (("sockjs", "mqtt"), ("sockjs+stomp", "stomp")))
         + ("stomp+ws://ADDRESS/stomp/websocket",)}


def has_ended(pid):
    """Whether the process is gone, or a zombie that nobody has waited for."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rsplit(")", 1)[1].split()[0] in "ZX"


class Peer:
    """A broker in a folder. What has to be known of it stands in FOLDER/peer.json, so that each
    command may come from another process."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.file = self.folder / "peer.json"
        self.state = json.loads(self.file.read_text(encoding="utf-8"))
        self.broker = BROKERS[self.state["broker"]][0]
        self.children = []

    @classmethod
    def create(cls, name, folder, binary=None, settings=None):
        """The folder and the ports; nothing runs yet."""
        broker, own_ports = BROKERS[name]
        program = binary or broker.program
        if program and not os.access(program, os.X_OK):
            raise PeerError(f"{program} is not there: scripts/install-dependencies.sh --peers")
        folder = pathlib.Path(folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "peer.json").exists():
            raise PeerError(f"{folder} has a broker already")
        ports = {scheme: harness.free_port() for scheme in broker.schemes + own_ports}
        (folder / "peer.json").write_text(json.dumps(
            {"broker": name, "ports": ports, "pids": [],
             "options": {"binary": binary, "settings": settings or {}}}), encoding="utf-8")
        return cls(folder)

    def targets(self):
        """URLs of everything that it serves."""
        found = []
        for scheme in self.broker.schemes:
            address = f"127.0.0.1:{self.state['ports'][scheme]}"
            found += [text.replace("ADDRESS", address)
                      for text in PATHS.get(scheme, (f"{scheme}://ADDRESS",))]
        return found

    def running(self):
        return any(not has_ended(pid) for pid in self.state["pids"])

    def start(self):
        """Starts it and waits until every port accepts."""
        if self.running():
            raise PeerError("it runs already")
        ports = self.state["ports"]
        environment = self.broker.environment(self.folder, ports)
        commands = self.broker.helpers(self.folder, ports)
        commands.append(self.broker.command(self.folder, ports, self.state["options"]))
        self.children = []
        with (self.folder / "broker.log").open("ab") as log:
            for command in commands:
                self.children.append(subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                    cwd=self.folder, env=environment, start_new_session=True))
        self.state["pids"] = [child.pid for child in self.children]
        self._save()
        asked = [port for scheme, port in ports.items()
                 if scheme in self.broker.schemes and scheme not in DATAGRAMS]
        deadline = time.monotonic() + START_DEADLINE
        while asked:
            try:
                socket.create_connection(("127.0.0.1", asked[0]), timeout=1).close()
                del asked[0]
            except OSError:
                if has_ended(self.children[-1].pid) or time.monotonic() > deadline:
                    self.kill()
                    raise PeerError(f"{self.state['broker']} did not start:\n{self.log()}") from None
                time.sleep(0.02)

    def kill(self):
        """kill -9 to it and all that it has started, and waits for their end."""
        self._signal_all(signal.SIGKILL)
        self._wait_for_end(STOP_DEADLINE)

    def terminate(self):
        """The orderly end; what runs beside it goes after it."""
        main = self.state["pids"][-1:]
        for pid in main:
            self._signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_DEADLINE
        while not all(has_ended(pid) for pid in main):
            if time.monotonic() > deadline:
                raise PeerError(f"{self.state['broker']} did not stop:\n{self.log()}")
            time.sleep(0.01)
        self.kill()

    def stop(self):
        """kill -9, and the folder is removed."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def _save(self):
        self.file.write_text(json.dumps(self.state), encoding="utf-8")

    @staticmethod
    def _signal(pid, number):
        """To its group: what it has started belongs to it. A pid of ours leads its session."""
        try:
            if not has_ended(pid) and os.getsid(pid) == pid:
                os.killpg(pid, number)
        except ProcessLookupError:
            pass

    def _signal_all(self, number):
        for pid in reversed(self.state["pids"]):
            self._signal(pid, number)

    def _wait_for_end(self, seconds):
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                raise PeerError(f"{self.state['broker']} is still there:\n{self.log()}")
            time.sleep(0.01)
        for child in self.children:
            child.wait()
        self.children = []
        self.state["pids"] = []
        self._save()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start")
    start.add_argument("broker", choices=sorted(BROKERS))
    start.add_argument("folder")
    start.add_argument("--binary", help="this program, instead of the installed or built one")
    start.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                       help="a setting of the broker's own")
    for name in ("kill", "terminate", "restart", "crash", "targets", "stop"):
        commands.add_parser(name).add_argument("folder")
    arguments = parser.parse_args()
    try:
        if arguments.command == "start":
            peer = Peer.create(arguments.broker, arguments.folder, arguments.binary,
                               dict(one.split("=", 1) for one in arguments.set))
        else:
            peer = Peer(arguments.folder)
        if arguments.command == "crash":
            peer.kill()
        if arguments.command in ("start", "restart", "crash"):
            peer.start()
        elif arguments.command in ("kill", "terminate", "stop"):
            getattr(peer, arguments.command)()
    except (PeerError, FileNotFoundError) as error:
        sys.exit(f"peers: {error}")
    if arguments.command in ("start", "targets"):
        print("\n".join(peer.targets()))


if __name__ == "__main__":
    main()
