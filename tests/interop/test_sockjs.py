"""SockJS 0.3.3: each rule of the protocol by bytes, sessions that end in every way, MQTT inside."""

import base64
import json
import re
import time
import uuid

import harness
import mqtt_wire as wire
import ws_wire
from harness import MqttTest, class_port, wait_until
from ws_wire import CLOSE, TEXT, HttpError, WebSocket

NOT_CACHED = "no-store, no-cache, must-revalidate, max-age=0"
# The least that servers escape, as the protocol's description has it.
ESCAPED = [*range(0x200c, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2070),
           *range(0xfff0, 0x10000)]


class SockJsTest(MqttTest):

    more = {}

    def setUp(self):
        super().setUp()
        port = class_port(type(self))
        self.where = ("127.0.0.1", port)
        self.settings = {"listener.sockjs.default": f"127.0.0.1:{port}",
                         "sockjs.test_services": "on", "node.workers": "3", **self.more}
        self.broker()

    def ask(self, method, path, body=None, version="1.1", **fields):
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if method == "POST" and body is None:
            body = b""
        return ws_wire.request(self.where, method, path, headers, body, version)

    def get(self, path, **fields):
        return self.ask("GET", path, **fields)

    def post(self, path, body="", **fields):
        return self.ask("POST", path, body.encode(), **fields)

    def streaming(self, method, path, **more):
        found = ws_wire.Streaming(self.where, method, path, **more)
        self._clients.append(found)
        return found

    def web(self, path, protocols=None, **more):
        found = WebSocket(self.where, path, protocols, **more)
        self._clients.append(found)
        return found

    def session(self, service="/echo"):
        return f"{service}/000/{uuid.uuid4()}"

    def opened(self, service="/echo"):
        url = self.session(service)
        answer = self.post(url + "/xhr")
        self.assertEqual((answer.status, answer.body), (200, b"o\n"))
        return url

    def has_cors(self, answer, origin="*"):
        self.assertEqual(answer.fields["access-control-allow-origin"], origin)
        self.assertEqual(answer.fields["access-control-allow-credentials"], "true")

    def is_not_cached(self, fields):
        self.assertEqual(fields["cache-control"], NOT_CACHED)
        self.assertNotIn("expires", fields)
        self.assertNotIn("last-modified", fields)

    def is_405(self, answer, allowed):
        self.assertEqual((answer.status, answer.body), (405, b""))
        self.assertNotIn("content-type", answer.fields)
        self.assertEqual(answer.fields["allow"], allowed)

    def has_type(self, fields, kind):
        self.assertEqual(fields["content-type"].replace(" ", ""), kind)


class Pages(SockJsTest):

    def test_greeting(self):
        for path in ("/echo", "/echo/"):
            answer = self.get(path)
            self.assertEqual((answer.status, answer.body), (200, b"Welcome to SockJS!\n"))
            self.has_type(answer.fields, "text/plain;charset=UTF-8")
            self.assertNotIn("set-cookie", answer.fields)

    def test_nothing_else(self):
        for path in ("/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "/a/a/nothing", "x"):
            self.assertEqual(self.get("/echo" + path).status, 404, path)

    def test_iframe(self):
        tags = set()
        for name in ("iframe.html", "iframe-a.html", "iframe-.html", "iframe-0.1.2.html",
                     "iframe-0.1.2abc-dirty.2144.html", "iframe-a.html?t=1234"):
            answer = self.get("/echo/" + name)
            self.assertEqual(answer.status, 200)
            self.has_type(answer.fields, "text/html;charset=UTF-8")
            self.assertRegex(answer.fields["cache-control"], "public, max-age=[1-9][0-9]{6}")
            self.assertIn("expires", answer.fields)
            self.assertNotIn("last-modified", answer.fields)
            self.assertIn(b"SockJS.bootstrap_iframe();", answer.body)
            self.assertRegex(answer.body, b'<script src="https?://[^"]+"></script>')
            tags.add(answer.fields["etag"])
        self.assertEqual(len(tags), 1)
        for known in (tags.pop(), "*"):
            answer = self.get("/echo/iframe.html", If_None_Match=known)
            self.assertEqual((answer.status, answer.body), (304, b""))
            self.assertNotIn("content-type", answer.fields)
        for name in ("iframe.htm", "iframe", "IFRAME.HTML", "IFRAME", "iframe.HTML", "iframe.xml",
                     "iframe-/.html"):
            self.assertEqual(self.get("/echo/" + name).status, 404, name)

    def test_info(self):
        entropies = set()
        for _ in range(3):
            answer = self.get("/echo/info")
            self.assertEqual(answer.status, 200)
            self.has_type(answer.fields, "application/json;charset=UTF-8")
            self.is_not_cached(answer.fields)
            self.has_cors(answer)
            info = json.loads(answer.body)
            self.assertEqual((info["websocket"], info["cookie_needed"], info["origins"]),
                             (True, False, ["*:*"]))
            entropies.add(info["entropy"])
        self.assertEqual(len(entropies), 3)
        self.assertTrue(all(0 <= one < 1 << 32 for one in entropies))
        self.assertIs(json.loads(self.get("/disabled_websocket_echo/info").body)["websocket"], False)
        answer = self.get("/cookie_needed_echo/info")
        self.assertIs(json.loads(answer.body)["cookie_needed"], True)
        self.assertNotIn("set-cookie", answer.fields)

    def test_options(self):
        rows = [("/info", "OPTIONS, GET"), ("/a/a/xhr", "OPTIONS, POST"),
                ("/a/a/xhr_send", "OPTIONS, POST"), ("/a/a/xhr_streaming", "OPTIONS, POST")]
        for path, methods in rows:
            for origin, told in ((None, "*"), ("test", "test"), ("null", "*")):
                with self.subTest(path=path, origin=origin):
                    answer = self.ask("OPTIONS", "/echo" + path, Origin=origin)
                    self.assertEqual((answer.status, answer.body), (204, b""))
                    self.assertRegex(answer.fields["cache-control"],
                                     "public, max-age=[1-9][0-9]{6}")
                    self.assertGreater(int(answer.fields["access-control-max-age"]), 1000000)
                    self.assertEqual(answer.fields["access-control-allow-methods"], methods)
                    self.assertIn("expires", answer.fields)
                    self.has_cors(answer, told)

    def test_wrong_methods(self):
        self.is_405(self.post("/echo/0/0/websocket"), "GET")
        self.is_405(self.post("/echo/0/0/websocket", Upgrade="WebSocket", Connection="Upgrade"),
                    "GET")
        self.is_405(self.get("/echo/0/0/xhr"), "OPTIONS, POST")
        for name in ("eventsource", "htmlfile?c=x", "jsonp?c=x"):
            for method in ("POST", "HEAD"):
                self.is_405(self.ask(method, "/echo/0/0/" + name), "OPTIONS, GET")
        self.is_405(self.post("/echo/info"), "OPTIONS, GET")

    def test_session_paths(self):
        for path in ("/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"):
            self.assertEqual(self.post("/echo" + path + str(uuid.uuid4()) + "/xhr").body, b"o\n")
        for path in ("//", "/a./a", "/a/a.", "/./.", "/", "///"):
            self.assertEqual(self.get("/echo" + path + "/xhr").status, 404)
            self.assertEqual(self.post("/echo" + path + "/xhr").status, 404)

    def test_http_1_0(self):
        answer = self.ask("GET", "/echo", version="1.0", Connection="Keep-Alive")
        self.assertEqual((answer.status, answer.body), (200, b"Welcome to SockJS!\n"))
        self.assertNotIn("transfer-encoding", answer.fields)
        answer = self.ask("POST", self.session("/close") + "/xhr_streaming", version="1.0",
                          Connection="Keep-Alive")
        self.assertNotIn("transfer-encoding", answer.fields)
        self.assertNotIn("content-length", answer.fields)
        self.assertEqual(answer.body, b"h" * 2048 + b'\no\nc[3000,"Go away!"]\n')

    def test_keep_alive(self):
        stream = ws_wire.Stream(ws_wire.connect(self.where))
        self._clients.append(stream.socket)
        for _ in range(3):
            answer = ws_wire.request(self.where, "GET", "/echo", stream=stream)
            self.assertEqual(answer.body, b"Welcome to SockJS!\n")


class Polling(SockJsTest):

    def test_xhr(self):
        url = self.session()
        answer = self.post(url + "/xhr")
        self.assertEqual((answer.status, answer.body), (200, b"o\n"))
        self.has_type(answer.fields, "application/javascript;charset=UTF-8")
        self.has_cors(answer)
        self.is_not_cached(answer.fields)
        answer = self.post(url + "/xhr_send", '["x"]')
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.has_type(answer.fields, "text/plain;charset=UTF-8")
        self.has_cors(answer)
        self.is_not_cached(answer.fields)
        self.assertEqual(self.post(url.replace("000", "999") + "/xhr").body, b'a["x"]\n')

    def polling(self):
        """A session, a connection whose poll waits, and one on the same worker: what the second
        sends comes after it."""
        url = self.session()
        first, second = (ws_wire.Stream(ws_wire.connect(self.where)) for _ in range(2))
        self._clients.extend([first.socket, second.socket])
        for stream in (first, second):
            ws_wire.request(self.where, "POST", url + "/xhr_send", body=b"[]", stream=stream)
        self.assertEqual(ws_wire.request(self.where, "POST", url + "/xhr", body=b"",
                                         stream=first).body, b"o\n")
        first.socket.sendall(f"POST {url}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        answer = ws_wire.request(self.where, "POST", url + "/xhr", body=b"", stream=second)
        self.assertEqual(answer.body, b'c[2010,"Another connection still open"]\n')
        return url, first

    def test_waits_for_messages(self):
        url, poll = self.polling()
        self.post(url + "/xhr_send", '["late"]')
        self.assertEqual(ws_wire.read_response(poll).body, b'a["late"]\n')

    def test_content_types(self):
        url = self.opened()
        kinds = ["text/plain", "T", "application/json", "application/xml", "",
                 "application/json; charset=utf-8", "text/xml; charset=utf-8", "text/xml"]
        for kind in kinds:
            self.assertEqual(self.post(url + "/xhr_send", '["a"]', Content_Type=kind).status, 204)
        self.assertEqual(self.post(url + "/xhr").body, b"a[" + b",".join([b'"a"'] * 8) + b"]\n")

    def test_broken_json(self):
        url = self.opened()
        for body in ('["x', "[1]", '{"a":"b"}', '["a"] x', '["\\q"]', '["\\u12g4"]', "[,]"):
            answer = self.post(url + "/xhr_send", body)
            self.assertEqual((answer.status, b"Broken JSON encoding." in answer.body), (500, True),
                             body)
        answer = self.ask("POST", url + "/xhr_send", b'["\xff"]')
        self.assertEqual(answer.status, 500)
        answer = self.post(url + "/xhr_send")
        self.assertEqual((answer.status, b"Payload expected." in answer.body), (500, True))
        self.assertEqual(self.post(url + "/xhr_send", '["a"]').status, 204)
        self.assertEqual(self.post(url + "/xhr").body, b'a["a"]\n')

    def test_unknown_session(self):
        self.assertEqual(self.post(self.session() + "/xhr_send", '["a"]').status, 404)
        self.assertEqual(self.post(self.session() + "/jsonp_send", "d=%5B%5D").status, 404)

    def test_request_headers(self):
        answer = self.post(self.session() + "/xhr", Access_Control_Request_Headers="a, b, c")
        self.assertEqual(answer.fields["access-control-allow-headers"], "a, b, c")
        for value in ("", None):
            answer = self.post(self.session() + "/xhr", Access_Control_Request_Headers=value)
            self.assertFalse(answer.fields.get("access-control-allow-headers"))

    def test_jsonp(self):
        url = self.session()
        answer = self.get(url + "/jsonp?c=%63allback")
        self.assertEqual((answer.status, answer.body), (200, b'callback("o");\r\n'))
        self.has_type(answer.fields, "application/javascript;charset=UTF-8")
        self.is_not_cached(answer.fields)
        form = "application/x-www-form-urlencoded"
        for body, kind in (("d=%5B%22x+y%22%5D", form), ('["%61bc"]', "text/plain")):
            answer = self.post(url + "/jsonp_send", body, Content_Type=kind)
            self.assertEqual((answer.status, answer.body), (200, b"ok"))
            self.has_type(answer.fields, "text/plain;charset=UTF-8")
            self.is_not_cached(answer.fields)
        self.assertEqual(self.get(url + "/jsonp?c=x.y").body,
                         b'x.y("a[\\"x y\\",\\"%61bc\\"]");\r\n')
        for body, told in (("d=%5B%22x", b"Broken JSON encoding."), ("", b"Payload expected."),
                           ("d=", b"Payload expected."), ("p=p", b"Payload expected.")):
            answer = self.post(url + "/jsonp_send", body, Content_Type=form)
            self.assertEqual((answer.status, told in answer.body), (500, True), body)

    def test_callbacks(self):
        for transport in ("jsonp", "htmlfile"):
            answer = self.get(f"/echo/a/{uuid.uuid4()}/{transport}")
            self.assertEqual(answer.status, 500)
            self.assertIn(b'"callback" parameter required', answer.body)
            for evil in ("alert(1)", "a%3Cb", "a;b", "a%0d%0ab"):
                answer = self.get(f"/echo/a/{uuid.uuid4()}/{transport}?c={evil}")
                self.assertEqual(answer.status, 500)
                self.assertIn(b"invalid", answer.body)

    def test_close_is_told_again(self):
        url = self.session("/close")
        self.assertEqual(self.post(url + "/xhr").body, b"o\n")
        for _ in range(3):
            self.assertEqual(self.post(url + "/xhr").body, b'c[3000,"Go away!"]\n')
        url = self.session("/close")
        self.assertEqual(self.get(url + "/jsonp?c=x").body, b'x("o");\r\n')
        for _ in range(2):
            self.assertEqual(self.get(url + "/jsonp?c=x").body, b'x("c[3000,\\"Go away!\\"]");\r\n')

    def test_an_aborted_poll_ends_the_session(self):
        url, poll = self.polling()
        poll.socket.close()
        wait_until(lambda: self.post(url + "/xhr").body in
                   (b"o\n", b'c[1002,"Connection interrupted"]\n'), "the session is over")

    def test_requests_count_in_their_order(self):
        # Each on a connection of its own, one right behind the other, whichever worker reads them.
        for _ in range(60):
            url = self.opened()
            poll = ws_wire.Stream(ws_wire.connect(self.where))
            poll.socket.sendall(f"POST {url}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                                .encode())
            self.assertEqual(self.post(url + "/xhr").body,
                             b'c[2010,"Another connection still open"]\n')
            poll.socket.close()

    def test_what_must_be_escaped(self):
        url = self.opened()
        text = "".join(map(chr, ESCAPED))
        self.post(url + "/xhr_send", json.dumps([text], ensure_ascii=False))
        self.assertEqual(self.post(url + "/xhr").body.strip()[2:-1].decode(),
                         '"' + "".join(f"\\u{code:04x}" for code in ESCAPED) + '"')
        # All that a browser can send comes back, lone halves of pairs too.
        text = "".join(chr(code) for code in range(0x10000)) + "\U0001f600"
        self.assertEqual(self.post(url + "/xhr_send", json.dumps([text])).status, 204)
        self.assertEqual(json.loads(self.post(url + "/xhr").body[1:]), json.loads(json.dumps([text])))


class Stream(SockJsTest):

    def test_xhr_streaming(self):
        url = self.session()
        answer = self.streaming("POST", url + "/xhr_streaming")
        self.assertEqual(answer.status, 200)
        self.has_type(answer.fields, "application/javascript;charset=UTF-8")
        self.is_not_cached(answer.fields)
        self.assertEqual(answer.fields["access-control-allow-origin"], "*")
        self.assertEqual(answer.read(), b"h" * 2048 + b"\n")
        self.assertEqual(answer.read(), b"o\n")
        self.assertEqual(self.post(url + "/xhr_send", '["x"]').status, 204)
        self.assertEqual(answer.read(), b'a["x"]\n')

    def test_eventsource(self):
        url = self.session()
        answer = self.streaming("GET", url + "/eventsource")
        self.has_type(answer.fields, "text/event-stream;charset=UTF-8")
        self.is_not_cached(answer.fields)
        self.assertEqual(answer.read(), b"\r\n")
        self.assertEqual(answer.read(), b"data: o\r\n\r\n")
        self.post(url + "/xhr_send", '["x"]')
        self.assertEqual(answer.read(), b'data: a["x"]\r\n\r\n')
        self.post(url + "/xhr_send", '["  \\u0000\\n\\r "]')
        self.assertEqual(answer.read(), b'data: a["  \\u0000\\n\\r "]\r\n\r\n')

        self.post(url + "/xhr_send", '["100% %41"]')
        self.assertEqual(answer.read(), b'data: a["100%25 %2541"]\r\n\r\n', "decoded like a URI")

    def test_htmlfile(self):
        url = self.session()
        answer = self.streaming("GET", url + "/htmlfile?c=%63allback")
        self.has_type(answer.fields, "text/html;charset=UTF-8")
        self.is_not_cached(answer.fields)
        page = answer.read()
        self.assertGreater(len(page), 1024)
        self.assertIn(b"var c = parent.callback;\n", page)
        self.assertTrue(page.strip().endswith(b"</script>"))
        self.assertEqual(answer.read(), b'<script>\np("o");\n</script>\r\n')
        self.post(url + "/xhr_send", '["x"]')
        self.assertEqual(answer.read(), b'<script>\np("a[\\"x\\"]");\n</script>\r\n')
        self.post(url + "/xhr_send", '["</script>"]')
        self.assertNotIn(b"</script>", answer.read()[:-13])

    def test_response_limit(self):
        url = self.session()
        answer = self.streaming("POST", url + "/xhr_streaming")
        answer.read(), answer.read()
        message = json.dumps(["x" * 128])
        for _ in range(31):
            self.assertEqual(self.post(url + "/xhr_send", message).status, 204)
            self.assertEqual(answer.read(), b"a" + message.encode() + b"\n")
        self.assertEqual(answer.read(), b"")
        # The session goes on in the next response.
        self.post(url + "/xhr_send", '["y"]')
        self.assertEqual(self.post(url + "/xhr").body, b'a["y"]\n')
        for transport in ("eventsource", "htmlfile?c=x"):
            url = self.session()
            answer = self.streaming("GET", f"{url}/{transport}")
            answer.read(), answer.read()
            self.post(url + "/xhr_send", json.dumps(["x" * 4096]))
            self.assertIn(b"x" * 4096, answer.read())
            self.assertEqual(answer.read(), b"")

    def test_closes(self):
        url = self.session("/close")
        first = self.streaming("POST", url + "/xhr_streaming")
        first.read()
        self.assertEqual([first.read() for _ in range(3)],
                         [b"o\n", b'c[3000,"Go away!"]\n', b""])
        second = self.streaming("POST", url + "/xhr_streaming")
        second.read()
        self.assertEqual([second.read() for _ in range(2)], [b'c[3000,"Go away!"]\n', b""])

    def test_second_and_aborted_response(self):
        url = self.session()
        first = self.streaming("POST", url + "/xhr_streaming")
        first.read(), first.read()
        second = self.streaming("POST", url + "/xhr_streaming")
        second.read()
        self.assertEqual([second.read() for _ in range(2)],
                         [b'c[2010,"Another connection still open"]\n', b""])
        first.close()

        def ended():
            third = self.streaming("POST", url + "/xhr_streaming")
            third.read()
            return third.read() in (b"o\n", b'c[1002,"Connection interrupted"]\n')
        wait_until(ended, "the session is over")


class Cookies(SockJsTest):

    def test_jsessionid(self):
        rows = [("POST", "/xhr"), ("POST", "/xhr_streaming"), ("GET", "/eventsource"),
                ("GET", "/htmlfile?c=x"), ("GET", "/jsonp?c=x")]
        for method, path in rows:
            for sent, back in ((None, "dummy"), ("JSESSIONID=abcdef", "abcdef"),
                               ("a=b; JSESSIONID=z9; c=d", "z9")):
                url = self.session("/cookie_needed_echo") + path
                answer = self.streaming(method, url, headers={"Cookie": sent} if sent else {})
                self.assertEqual(answer.status, 200)
                name, where = answer.fields["set-cookie"].split(";")[:2]
                self.assertEqual((name, where.strip()), (f"JSESSIONID={back}", "path=/"))
                answer.close()
        url = self.opened("/cookie_needed_echo")
        for path, body in (("/xhr_send", '["a"]'), ("/jsonp_send", '["a"]')):
            self.assertIn("JSESSIONID=dummy", self.post(url + path, body).fields["set-cookie"])


class WebSockets(SockJsTest):

    def test_transport(self):
        link = self.web(self.session() + "/websocket")
        self.assertEqual(link.recv(), (TEXT, b"o"))
        link.send(b"", TEXT)
        link.send(b"[]", TEXT)
        link.send(b'["a","b"]', TEXT)
        self.assertEqual(link.recv(), (TEXT, b'a["a","b"]'))
        link.send(b'"alone"', TEXT)
        self.assertEqual(link.recv(), (TEXT, b'a["alone"]'))

    def test_ids_are_no_matter(self):
        url = self.session() + "/websocket"
        links = [self.web(url) for _ in range(3)]
        for number, link in enumerate(links):
            self.assertEqual(link.recv(), (TEXT, b"o"))
            link.send(b'["%d"]' % number, TEXT)
            self.assertEqual(link.recv(), (TEXT, b'a["%d"]' % number))
            link.close()

    def test_close(self):
        link = self.web(self.session("/close") + "/websocket")
        self.assertEqual(link.expect_close(), [(TEXT, b"o"), (TEXT, b'c[3000,"Go away!"]')])

    def test_broken_messages(self):
        for broken in (b'["a', b"{}", b"x", b"[1]"):
            link = self.web(self.session() + "/websocket")
            link.send(broken, TEXT)
            self.assertEqual(link.expect_close(1002), [(TEXT, b"o")])
        link = self.web(self.session() + "/websocket")
        link.send(b'["a"]')
        self.assertEqual(link.expect_close(1003), [(TEXT, b"o")])
        link = self.web(self.session() + "/websocket")
        link.send_raw(ws_wire.frame(TEXT, b"", length=1 << 30))
        self.assertEqual(link.expect_close(1009), [(TEXT, b"o")])

    def test_refusals(self):
        answer = self.get("/echo/0/0/websocket")
        self.assertEqual(answer.status, 400)
        self.assertIn(b'Can "Upgrade" only to "WebSocket".', answer.body)
        answer = self.get("/echo/0/0/websocket", Upgrade="WebSocket", Connection="close")
        self.assertEqual(answer.status, 400)
        self.assertIn(b'"Connection" must be "Upgrade".', answer.body)
        for path in ("/0/0/websocket", "/websocket"):
            with self.assertRaises(HttpError) as caught:
                self.web("/disabled_websocket_echo" + path)
            self.assertEqual(caught.exception.response.status, 404)

    def test_versions(self):
        for version in ("7", "8", "13"):
            for connection in ("Upgrade", "keep-alive, Upgrade"):
                stream = ws_wire.Stream(ws_wire.connect(self.where))
                self._clients.append(stream.socket)
                stream.socket.sendall(ws_wire.upgrade_request(
                    self.where, self.session() + "/websocket", None, "x3JJHMbDL1EzLkh9GBhXDw==",
                    Sec_WebSocket_Version=version, Connection=connection,
                    Sec_WebSocket_Origin="http://asd"))
                status, fields, _ = ws_wire.read_head(stream)
                self.assertEqual(status, 101)
                self.assertEqual(fields["sec-websocket-accept"], "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")
                self.assertEqual(fields["connection"].lower(), "upgrade")
                self.assertNotIn("content-length", fields)
        answer = self.get("/echo/0/0/websocket", Upgrade="websocket", Connection="Upgrade",
                          Sec_WebSocket_Version="12", Sec_WebSocket_Key="x3JJHMbDL1EzLkh9GBhXDw==")
        self.assertEqual(answer.status, 426)

    def hixie76(self, path, **fields):
        """A connection by draft 76 up to the response's head; no byte of the nonce is sent."""
        stream = ws_wire.Stream(ws_wire.connect(self.where))
        self._clients.append(stream.socket)
        stream.socket.sendall(ws_wire.upgrade_request(
            self.where, path, None, Upgrade="WebSocket", Origin="http://127.0.0.1:80",
            Sec_WebSocket_Key=None, Sec_WebSocket_Version=None,
            Sec_WebSocket_Key1="4 @1  46546xW%0l 1 5", Sec_WebSocket_Key2="12998 5 Y3 1  .P00",
            **fields))
        return stream, *ws_wire.read_head(stream)[:2]

    def hixie76_opened(self, path):
        stream, status, _ = self.hixie76(path)
        self.assertEqual(status, 101)
        stream.socket.sendall(b"^n:ds[4U")
        self.assertEqual(stream.take(16 + 3, time.monotonic() + 5), b"8jKS'y:G*Co,Wxa-\0o\xff")
        return stream

    def test_draft_76(self):
        path = self.session() + "/websocket"
        stream, status, fields = self.hixie76(path + "?x=1")
        self.assertEqual(status, 101)
        self.assertEqual((fields["upgrade"], fields["connection"]), ("WebSocket", "Upgrade"))
        self.assertEqual(fields["sec-websocket-origin"], "http://127.0.0.1:80")
        self.assertEqual(fields["sec-websocket-location"],
                         f"ws://127.0.0.1:{self.where[1]}{path}?x=1")
        self.assertNotIn("content-length", fields)
        deadline = time.monotonic() + 10
        for byte in b"aaaaaaaa":  # a proxy holds them back until it has seen the head
            stream.socket.sendall(bytes([byte]))
        self.assertEqual(stream.take(16, deadline),
                         b"\xca4\x00\xd8\xa5\x08G\x97,\xd5qZ\xba\xbfC{")
        self.assertEqual(stream.take(3, deadline), b"\0o\xff")
        stream.socket.sendall(b'\0\xff\0["a","\xc3\xbc"]\xff')
        self.assertEqual(stream.take(13, deadline), b'\0a["a","\xc3\xbc"]\xff')
        stream.socket.sendall(b"\xff\0")
        self.assertEqual(stream.take_rest(deadline), b"\xff\0")

        closed = self.hixie76_opened(self.session("/close") + "/websocket")
        self.assertEqual(closed.take_rest(deadline), b'\0c[3000,"Go away!"]\xff\xff\0')
        broken = self.hixie76_opened(self.session() + "/websocket")
        broken.socket.sendall(b'\0["a\xff')
        self.assertEqual(broken.take_rest(deadline), b"\xff\0")
        for wrong in ({"Sec_WebSocket_Key1": "12"}, {"Sec_WebSocket_Key2": None}):
            fields = {"Sec_WebSocket_Key1": "1 2", "Sec_WebSocket_Key2": "1 2", **wrong}
            answer = self.get("/echo/0/0/websocket", Upgrade="WebSocket", Connection="Upgrade",
                              **fields)
            self.assertEqual(answer.status, 400)

    def test_stomp_over_draft_76(self):
        stream = self.hixie76_opened(self.session("/stomp") + "/websocket")
        stream.socket.sendall(b'\0["CONNECT\\naccept-version:1.2\\nhost:x\\n\\n\\u0000"]\xff')
        self.assertIn(b"CONNECTED", stream.take_until(b"\xff", time.monotonic() + 10))

    def test_raw(self):
        for path in ("/echo/websocket", "/echo"):
            link = self.web(path)
            for text in ("Hello world!\uffff", "", "x" * 70000):
                link.send(text.encode(), TEXT)
                self.assertEqual(link.recv(), (TEXT, text.encode()))
            link.send(b"\x00\xff")
            self.assertEqual(link.recv(), (ws_wire.BINARY, b"\x00\xff"))
        self.assertEqual(self.web("/close/websocket").expect_close(1000), [])


class Lifetimes(SockJsTest):
    more = {"sockjs.heartbeat": "1s", "sockjs.disconnect_delay": "1s"}

    def test_heartbeats(self):
        url = self.opened()
        start = time.monotonic()
        self.assertEqual(self.post(url + "/xhr").body, b"h\n")
        self.assertGreater(time.monotonic() - start, 0.8)
        stream = self.streaming("POST", url + "/xhr_streaming")
        stream.read()
        self.assertEqual([stream.read(), stream.read()], [b"h\n", b"h\n"])
        link = self.web(self.session() + "/websocket")
        self.assertEqual([link.recv() for _ in range(3)], [(TEXT, b"o"), (TEXT, b"h"), (TEXT, b"h")])

    def test_sessions_end_without_receiver(self):
        url = self.opened()
        wait_until(lambda: self.post(url + "/xhr_send", '["x"]').status == 404, "forgotten", 10)
        self.assertEqual(self.post(url + "/xhr").body, b"o\n")


class MqttInside(SockJsTest):
    """All ways lead to the same broker: a binary string or base64 a message."""

    more = {"sockjs.disconnect_delay": "1s"}

    @staticmethod
    def characters(data):
        return json.dumps([data.decode("latin-1")])

    @staticmethod
    def base64(data):
        return json.dumps([base64.b64encode(data).decode()])

    def received(self, frame, encoding):
        self.assertTrue(frame.startswith(b"a"), frame)
        texts = json.loads(frame[1:])
        if encoding == self.base64:
            return b"".join(map(base64.b64decode, texts))
        return "".join(texts).encode("latin-1")

    def test_websocket(self):
        for encoding in (self.characters, self.base64):
            link = self.web(self.session("/mqtt") + "/websocket")
            self.assertEqual(link.recv(), (TEXT, b"o"))
            packet = wire.connect(self.name(encoding.__name__))
            link.send(encoding(packet[:5]).encode(), TEXT)
            link.send(encoding(packet[5:]).encode(), TEXT)
            self.assertEqual(self.received(link.recv()[1], encoding), b"\x20\x02\x00\x00")
            link.send(encoding(wire.subscribe(1, [(self.topic(), 0)])).encode(), TEXT)
            self.assertEqual(self.received(link.recv()[1], encoding), b"\x90\x03\x00\x01\x00")
            self.client().publish(self.topic(), bytes(range(256)), 1)
            self.assertIn(bytes(range(256)), self.received(link.recv()[1], encoding))
            link.send(encoding(wire.disconnect()).encode(), TEXT)
            self.assertEqual(link.expect_close(), [(TEXT, b'c[1000,"Normal closure"]')])

    def test_polling_on_every_worker(self):
        """The session and the client's owner are often on different workers."""
        for number in range(12):
            encoding = (self.characters, self.base64)[number % 2]
            url = self.opened("/mqtt")
            name = self.name(f"-{number}")
            packet = wire.connect(name)
            self.assertEqual(self.post(url + "/xhr_send", encoding(packet[:9])).status, 204)
            self.assertEqual(self.post(url + "/xhr_send", encoding(packet[9:])).status, 204)
            self.assertEqual(self.received(self.post(url + "/xhr").body, encoding),
                             b"\x20\x02\x00\x00")
            topic = self.topic(f"/{number}")
            self.post(url + "/xhr_send", encoding(wire.subscribe(1, [(topic, 1)])))
            self.assertEqual(self.received(self.post(url + "/xhr").body, encoding),
                             b"\x90\x03\x00\x01\x01")
            payload = bytes(range(256)) * 300
            self.client().publish(topic, payload, 1)
            found = b""
            while payload not in found:
                found += self.received(self.post(url + "/xhr").body, encoding)
            self.post(url + "/xhr_send", encoding(wire.disconnect()))
            self.assertEqual(self.post(url + "/xhr").body, b'c[1000,"Normal closure"]\n')

    def test_a_lost_session_publishes_its_will(self):
        watcher = self.client()
        watcher.subscribe(self.topic())
        url = self.opened("/mqtt")
        self.post(url + "/xhr_send", self.characters(
            wire.connect(self.name("w"), will=wire.Will(self.topic(), b"gone"))))
        self.post(url + "/xhr")
        self.assertEqual(watcher.message().payload, b"gone")

    def test_not_the_bytes_of_mqtt(self):
        url = self.opened("/mqtt")
        self.post(url + "/xhr_send", '["\\u0010\\u20ac"]')
        self.assertEqual(self.post(url + "/xhr").body, b'c[1007,"Not the bytes of this protocol"]\n')
        link = self.web(self.session("/mqtt") + "/websocket")
        link.send('["€"]'.encode(), TEXT)
        self.assertEqual(link.expect_close(1007), [(TEXT, b"o")])

    def test_plain_websocket_at_the_same_path(self):
        for path in ("/mqtt", "/mqtt/websocket"):
            link = self.web(path, "mqtt")
            self.assertEqual(link.protocol, "mqtt")
            link.send(wire.connect(self.name(path)))
            self.assertEqual(link.recv()[1], b"\x20\x02\x00\x00")

    def test_floods_of_a_poller_are_bounded(self):
        """A subscriber that does not poll costs no more than any that does not read."""
        url = self.opened("/mqtt")
        self.post(url + "/xhr_send", self.characters(wire.connect(self.name("slow"))))
        self.post(url + "/xhr")
        self.post(url + "/xhr_send", self.characters(wire.subscribe(1, [(self.topic(), 0)])))
        self.post(url + "/xhr")
        publisher = self.client()
        for _ in range(60):
            publisher.publish(self.topic(), b"x" * 500_000, 1)
        frame = self.post(url + "/xhr").body
        self.assertLess(len(frame), 25_000_000)


class Door(SockJsTest):
    more = {"listener.sockjs.default.max_unauthenticated": "3"}

    def test_pollers_that_are_logged_in_are_no_strangers(self):
        for number in range(6):
            stream = ws_wire.Stream(ws_wire.connect(self.where))
            self._clients.append(stream.socket)
            url = self.session("/mqtt")

            def post(path, body=b"", stream=stream, url=url):
                return ws_wire.request(self.where, "POST", url + path, body=body, stream=stream).body
            self.assertEqual(post("/xhr"), b"o\n", number)
            post("/xhr_send", MqttInside.characters(wire.connect(self.name(str(number)))).encode())
            self.assertEqual(post("/xhr"), b'a[" \\u0002\\u0000\\u0000"]\n')
            stream.socket.sendall(
                f"POST {url}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())


class StompInside(SockJsTest):

    CONNECT = "CONNECT\naccept-version:1.2\nhost:x\n\n\0"

    def stomp(self, send, receive):
        """Subscribes, gets what MQTT and STOMP send, and leaves."""
        send(self.CONNECT)
        self.assertTrue(receive().startswith("CONNECTED\n"))
        topic = self.topic(str(uuid.uuid4()))
        send(f"SUBSCRIBE\nid:1\ndestination:{topic}\nreceipt:r\n\n\0")
        self.assertEqual(receive().split("\n")[:2], ["RECEIPT", "receipt-id:r"])
        self.client().publish(topic, "from MQTT \u20ac \U0001f600".encode(), 1)
        found = receive()
        self.assertTrue(found.startswith("MESSAGE\n"), found)
        self.assertIn("\n\nfrom MQTT \u20ac \U0001f600\0", found)
        send(f"SEND\ndestination:{topic}\n\n")
        send("cut in two \u20ac\0")
        self.assertIn("\n\ncut in two \u20ac\0", receive())
        big = "\u20ac" * 100_000
        send(f"SEND\ndestination:{topic}\n\n{big}\0")
        self.assertIn(big, receive())
        send("DISCONNECT\nreceipt:bye\n\n\0")
        self.assertEqual(receive().split("\n")[:2], ["RECEIPT", "receipt-id:bye"])

    @staticmethod
    def framed(pieces):
        """Whole STOMP frames of texts cut anywhere."""
        kept = [""]

        def receive():
            while "\0" not in kept[0]:
                kept[0] += next(pieces)
            found, kept[0] = kept[0].split("\0", 1)
            kept[0] = kept[0].lstrip("\n")
            return found + "\0"
        return receive

    def test_sockjs_websocket(self):
        link = self.web(self.session("/stomp") + "/websocket")
        self.assertEqual(link.recv(), (TEXT, b"o"))

        def pieces():
            while True:
                yield "".join(json.loads(link.recv()[1][1:]))
        self.stomp(lambda text: link.send(json.dumps([text]).encode(), TEXT), self.framed(pieces()))
        self.assertEqual(link.recv(), (TEXT, b'c[1000,"Normal closure"]'))

    def test_polling_on_every_worker(self):
        for _ in range(6):
            url = self.opened("/stomp")

            def pieces(url=url):
                while True:
                    yield "".join(json.loads(self.post(url + "/xhr").body[1:]))
            self.stomp(lambda text, url=url: self.post(url + "/xhr_send", json.dumps([text])),
                       self.framed(pieces()))
            self.assertEqual(self.post(url + "/xhr").body, b'c[1000,"Normal closure"]\n')

    def test_plain_websocket(self):
        for path in ("/stomp", "/stomp/websocket"):
            for protocols, told in (("v10.stomp, v12.stomp", "v10.stomp"), ("v12.stomp", "v12.stomp"),
                                    (None, None)):
                link = self.web(path, protocols)
                self.assertEqual(link.protocol, told)

                def pieces(link=link):
                    while True:
                        opcode, text = link.recv()
                        self.assertEqual(opcode, TEXT)
                        yield text.decode()
                self.stomp(lambda text, link=link: link.send(text.encode(), TEXT),
                           self.framed(pieces()))
                self.assertEqual(link.expect_close(1000), [])


class Origins(SockJsTest):
    more = {"sockjs.demo_page": "on"}

    def test_strange_pages(self):
        evil = "https://evil.example"
        for method, path in (("GET", "/info"), ("POST", "/a/a/xhr"), ("POST", "/a/a/xhr_send"),
                             ("POST", "/a/a/jsonp_send"), ("GET", "/a/a/eventsource"),
                             ("OPTIONS", "/a/a/xhr")):
            answer = self.ask(method, "/mqtt" + path, Origin=evil)
            self.assertEqual(answer.status, 403, path)
            self.assertNotIn("access-control-allow-origin", answer.fields)
        for path in ("/mqtt/a/a/websocket", "/mqtt/websocket", "/mqtt"):
            with self.assertRaises(HttpError) as caught:
                self.web(path, "mqtt", Origin=evil)
            self.assertEqual(caught.exception.response.status, 403)
        same = f"http://127.0.0.1:{self.where[1] + 1}"
        self.assertEqual(self.get("/mqtt/info", Origin=same).status, 200)

    def test_demo_page(self):
        answer = self.get("/")
        self.assertEqual(answer.status, 200)
        self.has_type(answer.fields, "text/html;charset=UTF-8")
        self.assertIsNone(re.search(rb"https?://", answer.body), "needs nothing from elsewhere")


if __name__ == "__main__":
    harness.main()
