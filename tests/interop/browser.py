"""Headless Chromium on pages that a test serves."""

import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

NODE_FOLDER = pathlib.Path(__file__).resolve().parent / "node"
MODULES = pathlib.Path(os.environ.get("MANGROVE_NODE_MODULES", NODE_FOLDER / "node_modules"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def missing():
    """What a test with a browser lacks; empty when nothing."""
    if not CHROMIUM:
        return "no chromium"
    if not shutil.which("node") or not (MODULES / "ws").exists():
        return "no node, or no npm packages: run `npm ci` in tests/interop/node"
    return ""


class Pages:
    """Serves files by name on a loopback port: {"page.html": path}."""

    def __init__(self, files):
        files = {f"/{name}": pathlib.Path(path) for name, path in files.items()}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = files.get(self.path.split("?")[0])
                body = path.read_bytes() if path else b""
                kinds = {".html": "text/html; charset=utf-8", ".js": "text/javascript"}
                self.send_response(200 if path else 404)
                self.send_header("Content-Type", kinds.get(path.suffix if path else "", "text/plain"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=functools.partial(self.server.serve_forever, 0.05),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def visit(url, seconds=60, script=""):
    """What the page, or `script` run in it, leaves in window.outcome, and what it logged."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            ["node", str(NODE_FOLDER / "browser.js"), CHROMIUM, folder, url, str(seconds),
             script],
            text=True, capture_output=True, timeout=seconds + 30,
            env={**os.environ, "NODE_PATH": str(MODULES), "HOME": folder})
    if done.returncode != 0:
        raise AssertionError(f"{url}: {done.stdout}{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["outcome"], found["log"]
