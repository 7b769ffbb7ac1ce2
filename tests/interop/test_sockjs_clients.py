"""sockjs-client and @stomp/stompjs, from npm, through each transport it can reach: in Node, in a
page of headless Chromium, behind nginx; and the example page."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import browser
import harness
import ws_wire
from harness import MqttTest, class_port, free_port, wait_until

CLIENT = browser.MODULES / "sockjs-client/dist/sockjs.min.js"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# htmlfile is for Internet Explorer's ActiveX alone, and jsonp for what knows no CORS.
IN_PAGES = ("websocket", "xhr-streaming", "eventsource", "iframe-eventsource", "xhr-polling",
            "iframe-xhr-polling", "jsonp-polling")
IN_NODE = ("websocket", "xhr-streaming", "xhr-polling")


@unittest.skipUnless(CLIENT.exists() and (browser.MODULES / "@stomp/stompjs").exists() and
                     shutil.which("node"), "no npm sockjs-client")
class Clients(MqttTest):

    lock = threading.Lock()

    def setUp(self):
        super().setUp()
        with type(self).lock:  # tests run beside each other
            if "pages" not in type(self).__dict__:
                type(self).pages = browser.Pages(
                    {"page.html": browser.NODE_FOLDER / "sockjs_page.html", "sockjs.min.js": CLIENT,
                     "stomp.umd.min.js": browser.MODULES / "@stomp/stompjs/bundles/stomp.umd.min.js",
                     "sockjs_checks.js": browser.NODE_FOLDER / "sockjs_checks.js"})
        self.port = class_port(type(self))
        self.settings = {"listener.sockjs.default": f"127.0.0.1:{self.port}",
                         "sockjs.test_services": "on", "sockjs.demo_page": "on", "node.workers": "3",
                         "sockjs.client_url": self.pages.url + "/sockjs.min.js"}
        self.base = f"http://127.0.0.1:{self.port}"
        self.broker()

    def check(self, outcome, transports):
        for one in transports:
            self.assertEqual(outcome[one],
                             {"used": one, "goAway": "3000 Go away!", "end": 1000}, (one, outcome))
            self.assertEqual(outcome[f"stomp {one}"], "ok", (one, outcome))
        self.assertEqual(outcome["stomp plain"], "ok")

    def in_node(self, base, transports):
        done = subprocess.run(["node", str(browser.NODE_FOLDER / "sockjs_checks.js"), base,
                               *transports], timeout=150, text=True, capture_output=True,
                              env={**os.environ, "NODE_PATH": str(browser.MODULES)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.check(json.loads(done.stdout), transports)

    @harness.waits(20)
    def test_node(self):
        self.in_node(self.base, IN_NODE)

    @unittest.skipIf(browser.missing(), browser.missing())
    @harness.waits(30)
    def test_page(self):
        outcome, log = browser.visit(f"{self.pages.url}/page.html?base={self.base}"
                                     f"&transports={','.join(IN_PAGES)}", 120)
        self.check(outcome, IN_PAGES)

    @unittest.skipIf(browser.missing(), browser.missing())
    @harness.waits(20)
    def test_demo_page(self):
        """The example connects by each of its ways, subscribes, publishes and shows what came."""
        for way in ("websocket", "sockjs", "xhr"):
            outcome, log = browser.visit(self.base, 60, script=f"""
                (async () => {{
                  const until = async (found) => {{
                    while (!found()) await new Promise((go) => setTimeout(go, 20))
                  }}
                  const press = (form) => document.querySelector(`#${{form}} button`).click()
                  document.getElementById('transport').value = '{way}'
                  press('connect')
                  await until(() => document.getElementById('state').textContent === 'connected')
                  press('subscribe')
                  document.getElementById('text').value = 'hello \\u20ac'
                  press('publish')
                  await until(() => document.querySelector('#log li'))
                  window.outcome = document.querySelector('#log li').textContent
                }})()""")
            self.assertEqual(outcome, "demo/hello hello \u20ac", (way, log))

    @unittest.skipUnless(os.access(NGINX, os.X_OK), "no nginx")
    @harness.waits(20)
    def test_behind_nginx(self):
        """Nothing has to be sticky: the worker that has the session answers."""
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
            config = pathlib.Path(folder, "nginx.conf")
            config.write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream mangrove {{ server 127.0.0.1:{self.port}; keepalive 4; }}
  map $http_upgrade $link {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://mangrove;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $link;
      proxy_set_header Host $http_host;
    }}
  }}
}}
""")
            nginx = subprocess.Popen([NGINX, "-p", folder, "-c", str(config)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_until(lambda: self.answers(port), "nginx answers")
                self.in_node(f"http://127.0.0.1:{port}", IN_NODE)
            finally:
                nginx.terminate()
                nginx.wait(10)

    @staticmethod
    def answers(port):
        try:
            return ws_wire.request(("127.0.0.1", port), "GET", "/echo").status == 200
        except OSError:
            return False


if __name__ == "__main__":
    harness.main()
