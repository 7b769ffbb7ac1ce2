"""HTTP: requests whose end is not clear, pages of other origins that say nothing of it, and SockJS sessions of others whose id is known."""

import socket

from attack import harness
import ws_wire
from test_sockjs import SockJsTest


class OtherPages(SockJsTest):

    def test_pages_that_the_browser_does_not_name(self):
        """A script, a frame, a form of another page may come without Origin; then Referer and
        Sec-Fetch-Site tell."""
        refused = ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                   {"Sec_Fetch_Site": "later"}, {"Referer": "https://evil.example/a?b"},
                   {"Sec_Fetch_Site": "cross-site", "Referer": "https://evil.example/"})
        for fields in refused:
            for method, path in (("POST", "/a/a/jsonp_send"), ("POST", "/a/a/xhr_send"),
                                 ("GET", "/a/a/jsonp?c=f"), ("GET", "/a/a/htmlfile?c=f"),
                                 ("GET", "/a/a/eventsource"), ("POST", "/a/a/xhr")):
                self.assertEqual(self.ask(method, "/mqtt" + path, **fields).status, 403,
                                 (path, fields))
        here = f"http://127.0.0.1:{self.where[1]}/"
        for fields in ({"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}, {"Referer": here},
                       {"Sec_Fetch_Site": "same-site", "Referer": here}, {}):
            url = self.session("/mqtt")
            self.assertEqual(self.post(url + "/xhr", **fields).body, b"o\n", fields)


class Owners(SockJsTest):
    more = {"auth.cookie.name": "sid", "auth.cookie.secret": "s" * 16}

    def from_address(self, source, method, path, body=b"", **fields):
        link = socket.create_connection(self.where, timeout=10, source_address=(source, 0))
        self.addCleanup(link.close)
        return ws_wire.request(self.where, method, path, fields, body, stream=ws_wire.Stream(link))

    def test_a_session_is_that_address_own(self):
        url = self.opened()
        for path, body in (("/xhr_send", b'["theirs"]'), ("/jsonp_send", b'["theirs"]')):
            self.assertEqual(self.from_address("127.0.0.2", "POST", url + path, body).status, 404)
        # Whoever else asks for messages by this id gets a session of his own.
        other = self.from_address("127.0.0.2", "POST", url + "/xhr")
        self.assertEqual((other.status, other.body), (200, b"o\n"))
        self.assertEqual(self.post(url + "/xhr_send", '["mine"]').status, 204)
        self.assertEqual(self.post(url + "/xhr").body, b'a["mine"]\n')

    def test_a_session_is_that_login_s_own(self):
        url = self.session()
        mine, theirs = {"Cookie": "a=b; sid=one"}, {"Cookie": "sid=two"}
        self.assertEqual(self.from_address("127.0.0.1", "POST", url + "/xhr", **mine).body, b"o\n")
        send = ("POST", url + "/xhr_send", b'["x"]')
        self.assertEqual(self.from_address("127.0.0.1", *send, **theirs).status, 404)
        self.assertEqual(self.from_address("127.0.0.1", *send).status, 404)
        # The same login from elsewhere: a telephone that has changed its network.
        self.assertEqual(self.from_address("127.0.0.2", *send, **mine).status, 204)
        self.assertEqual(self.from_address("127.0.0.1", "POST", url + "/xhr", **mine).body,
                         b'a["x"]\n')


class Smuggling(SockJsTest):

    def test_a_request_whose_end_is_not_clear_is_the_last_one(self):
        smuggled = b"GET /echo/info HTTP/1.1\r\nHost: x\r\n\r\n"
        for fields in ("Transfer-Encoding: identity", "Transfer-Encoding: gzip",
                       "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity",
                       "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip, chunked",
                       "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                       "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                       "Transfer-Encoding:", "Transfer-Encoding: chunked;q=1",
                       "Transfer-Encoding: \x0bchunked",
                       "Content-Length: 4\r\nTransfer-Encoding: chunked",
                       "Transfer-Encoding: chunked\r\nContent-Length: 4",
                       "Content-Length: 4\r\nContent-Length: 4",
                       "Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4, 4",
                       "Content-Length: +4", "Content-Length: -4", "Content-Length: 4 4",
                       "Content-Length: 0x4", "Content-Length:",
                       "Content-Length: 99999999999999999999999",
                       "Content-Length : 4", "Content\x00-Length: 4", "Content-Length: 4\x00"):
            for method in (b"POST", b"GET"):
                link = socket.create_connection(self.where, timeout=10)
                self.addCleanup(link.close)
                link.sendall(method + b" /echo/a/b/xhr HTTP/1.1\r\nHost: x\r\n" + fields.encode() +
                             b"\r\n\r\n" + smuggled)
                said = b""
                while more := link.recv(65536):
                    said += more
                self.assertRegex(said, rb"^HTTP/1.1 (400|413) ", (method, fields))
                self.assertIn(b"Connection: close", said, fields)
                self.assertEqual(said.count(b"HTTP/1.1 "), 1, (method, fields))


if __name__ == "__main__":
    harness.main()
