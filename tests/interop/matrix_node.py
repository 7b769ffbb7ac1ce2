"""The npm clients of the matrix, and those in a page of Chromium: proxies for the actors of
node/matrix_driver.js."""

import base64
import itertools
import json
import os
import subprocess
import tempfile
import threading

import browser
from matrix_clients import DEADLINE, PASSWORD, USER, Actor, Seen

NEEDED = {"npm mqtt": "mqtt", "npm coap": "coap", "npm @stomp/stompjs": "@stomp/stompjs",
          "npm sockjs-client": "sockjs-client", "npm ws": "ws"}


def missing():
    """What is not there of what these clients need."""
    return [name for name, module in NEEDED.items() if not (browser.MODULES / module).exists()] + \
        ([] if browser.CHROMIUM else ["chromium"])


class Driver:
    """The process, and the page that it opens."""

    def __init__(self):
        modules = browser.MODULES
        self.pages = browser.Pages({
            "page.html": browser.NODE_FOLDER / "matrix_page.html",
            "matrix_stomp.js": browser.NODE_FOLDER / "matrix_stomp.js",
            "sockjs.min.js": modules / "sockjs-client/dist/sockjs.min.js",
            "stomp.umd.min.js": modules / "@stomp/stompjs/bundles/stomp.umd.min.js"})
        self.folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            ["node", str(browser.NODE_FOLDER / "matrix_driver.js"), browser.CHROMIUM,
             self.folder.name, self.pages.url + "/page.html"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "NODE_PATH": str(modules), "HOME": self.folder.name})
        self.numbers, self.actors, self.answers = itertools.count(1), {}, {}
        self.writing, self.changed = threading.Lock(), threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            found = json.loads(line)
            if "message" in found:
                message = found["message"]
                message["payload"] = base64.b64decode(message["payload"])
                self.actors[found["actor"]].inbox.add(Seen(**message))
                continue
            with self.changed:
                self.answers[found["id"]] = found
                self.changed.notify_all()
        with self.changed:
            self.answers = None
            self.changed.notify_all()

    def ask(self, actor, op, **more):
        number = next(self.numbers)
        request = {"id": number, "actor": actor.number, "op": op, **more}
        with self.writing:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        with self.changed:
            has_come = self.changed.wait_for(
                lambda: self.answers is None or number in self.answers, DEADLINE)
            if not has_come or self.answers is None:
                raise AssertionError(f"{actor.client_id}: no answer to {op}")
            found = self.answers.pop(number)
        if "error" in found:
            raise AssertionError(f"{actor.client_id}: {op}: {found['error']}")
        return found.get("answer")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.pages.close()
        self.folder.cleanup()


class NodeActor(Actor):
    """An actor there; `kind` is its class, `where(world)` gives what `open` needs to know."""

    def __init__(self, world, *arguments, kind, where, **more):
        super().__init__(world, *arguments, **more)
        self.kind, self.where = kind, where
        self.number = next(world.driver.numbers)
        world.driver.actors[self.number] = self

    def open(self):
        will = self.will and {"topic": self.will.topic, "qos": self.will.qos,
                              "payload": base64.b64encode(self.will.payload).decode()}
        self.world.driver.ask(self, "open", kind=self.kind, clientId=self.client_id, user=USER,
                              password=PASSWORD, session=self.session, will=will,
                              keepalive=self.keepalive, **self.where(self.world))
        return self

    def subscribe(self, topic, qos=2):
        return self.world.driver.ask(self, "subscribe", topic=topic, qos=qos)

    def publish(self, topic, payload, qos=1, retain=False):
        return self.world.driver.ask(self, "publish", topic=topic, qos=qos, retain=retain,
                                     payload=base64.b64encode(payload).decode())

    def drop(self):
        self.world.driver.ask(self, "drop")

    def close(self):
        self.world.driver.ask(self, "close")
