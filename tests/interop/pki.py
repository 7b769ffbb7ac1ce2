"""Certificates for one test run, made by the openssl command."""

import atexit
import datetime
import itertools
import pathlib
import shutil
import subprocess
import tempfile
import threading

_numbers = itertools.count(1)


def openssl(*arguments, folder, text=None):
    """Runs the openssl command in a folder; its output."""
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, input=text, text=True,
                          capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
    return done.stdout


def _time(days):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return when.strftime("%Y%m%d%H%M%SZ")


class Authority:
    """A certificate authority with a folder of its own, which goes with the process. Any thread."""

    def __init__(self, name="Test authority"):
        self._lock = threading.Lock()  # the openssl command keeps its list in files
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mangrove-pki-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.certificate = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self._key, "-out", self.certificate, "-subj", f"/CN={name}", "-days",
                "30", folder=self.folder)
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "crlnumber").write_text("01\n")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\ncrlnumber=crlnumber\n"
            "new_certs_dir=.\ndefault_md=sha256\npolicy=any\ndefault_crl_days=30\n"
            "copy_extensions=copyall\nunique_subject=no\n[any]\ncommonName=optional\n"
            "organizationName=optional\n")

    def issue(self, subject="/CN=client", names="", days=(-1, 20), key="ec"):
        """A certificate and its key: two file names. `days`: from when until when it is good."""
        stem = self.folder / f"leaf-{next(_numbers)}"
        kind = (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else
                ["-newkey", "rsa:2048"])
        extensions = ["-addext", f"subjectAltName={names}"] if names else []
        openssl("req", "-new", *kind, "-nodes", "-keyout", f"{stem}.key", "-out", f"{stem}.csr",
                "-subj", subject, *extensions, folder=self.folder)
        self._ca("-batch", "-notext", "-preserveDN", "-in", f"{stem}.csr", "-out", f"{stem}.pem",
                 "-startdate", _time(days[0]), "-enddate", _time(days[1]))
        return f"{stem}.pem", f"{stem}.key"

    def server(self, name="localhost"):
        """For a broker on this machine."""
        return self.issue(f"/CN={name}", f"DNS:{name},IP:127.0.0.1")

    def revoke(self, certificate):
        self._ca("-revoke", certificate)

    def revocation_list(self):
        """A new list, in a file of its own."""
        place = self.folder / f"crl-{next(_numbers)}.pem"
        self._ca("-gencrl", "-out", place)
        return str(place)

    def _ca(self, *arguments):
        with self._lock:
            openssl("ca", "-config", "ca.conf", "-keyfile", self._key, "-cert", self.certificate,
                    *arguments, folder=self.folder)
