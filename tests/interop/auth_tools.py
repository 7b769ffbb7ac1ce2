"""What clients need to prove who they are, written from the RFCs: tokens, cookies, SCRAM-SHA-256.
And the commands with which an operator looks after users."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

import harness

# Hashing that costs next to nothing, for tests that are about something else.
QUICK = {"auth.users.argon2.memory": "64KB", "auth.users.argon2.passes": "1",
         "auth.scram.iterations": "4096"}


def url64(data):
    """base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, secret="secret", header=None, algorithm="HS256"):
    """A token signed with HMAC (RFC 7515)."""
    head = {"alg": algorithm, "typ": "JWT"} if header is None else header
    text = ".".join(url64(json.dumps(part).encode()) for part in (head, claims))
    function = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return text + "." + url64(hmac.new(secret.encode(), text.encode(), function).digest())


def jwt_by_openssl(claims, key_file, algorithm="RS256", kid=None):
    """A token signed by the openssl program with an RSA key."""
    head = {"alg": algorithm} if kid is None else {"alg": algorithm, "kid": kid}
    text = ".".join(url64(json.dumps(part).encode()) for part in (head, claims))
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(key_file)],
                          input=text.encode(), capture_output=True, check=True, timeout=20)
    return text + "." + url64(made.stdout)


def cookie(name, secret, username, seconds):
    """A signed cookie as docs/authentication.md describes it; the whole Cookie header."""
    text = f"{url64(username.encode())}.{int(time.time()) + seconds}"
    signature = hmac.new(secret.encode(), f"{name}={text}".encode(), "sha256").digest()
    return f"{name}={text}.{url64(signature)}"


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, 7677)."""

    def __init__(self, username, password, header="n,,"):
        self.password, self.header = password, header
        name = username.replace("=", "=3D").replace(",", "=2C")
        self.nonce = url64(os.urandom(18))
        self.bare = f"n={name},r={self.nonce}"
        self.salt = self.iterations = None

    def first(self):
        return (self.header + self.bare).encode()

    def final(self, server_first):
        """The answer to the server's challenge."""
        self.server_first = server_first.decode()
        fields = dict(one.split("=", 1) for one in self.server_first.split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce) + 10
        self.salt, self.iterations = fields["s"], int(fields["i"])
        channel = base64.b64encode(self.header.encode()).decode()
        bare = f"c={channel},r={fields['r']}"
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                     base64.b64decode(self.salt), self.iterations)
        client_key = hmac.new(salted, b"Client Key", "sha256").digest()
        stored_key = hashlib.sha256(client_key).digest()
        signed = f"{self.bare},{self.server_first},{bare}".encode()
        signature = hmac.new(stored_key, signed, "sha256").digest()
        proof = bytes(one ^ other for one, other in zip(client_key, signature))
        server_key = hmac.new(salted, b"Server Key", "sha256").digest()
        self.expected = b"v=" + base64.b64encode(hmac.new(server_key, signed, "sha256").digest())
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()


def command(broker, *words, password=None, code=0):
    """A command of the program about this broker; returns its standard output."""
    settings = []
    for key, value in broker.settings.items():
        if key.startswith("auth."):
            settings += ["--set", f"{key}={str(value).replace('{data}', str(broker.data))}"]
    made = subprocess.run([harness.BINARY, *words, "--data", str(broker.data / "data"), *settings],
                          input=None if password is None else password + "\n",
                          stdin=subprocess.DEVNULL if password is None else None,
                          capture_output=True, text=True, timeout=30)
    if made.returncode != code:
        raise AssertionError(f"{words}: exit code {made.returncode}: {made.stdout}{made.stderr}")
    return made.stdout + (made.stderr if code else "")


def add_user(broker, name, password, *options):
    return command(broker, "passwd", "add", name, *options, password=password)


def metrics(broker):
    """Counters of the running broker."""
    return json.loads(command(broker, "status", "--json"))["status"]["metrics"]
