"""Throw-away certificates for the servers that speak TLS, made by the openssl program."""
import os
import shutil
import subprocess
import tempfile

from .errors import BenchError

NEW_KEY = {
    "ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    "rsa": ("-newkey", "rsa:2048"),
}
SUBJECT = ("-subj", "/CN=bench.invalid", "-days", "2", "-nodes")


class Certificates:
    """Makes each on its first use, in a temporary folder that goes with this object."""

    def __init__(self):
        self.folder = None

    def arguments(self, key_kind):
        """Command line of a server for a certificate with that kind of key."""
        if self.folder is None:
            self.folder = tempfile.TemporaryDirectory(prefix="tcpkit-bench-")
        path = os.path.join(self.folder.name, key_kind)
        if not os.path.exists(path + ".pem"):
            self._make(key_kind, path)
        return ["--cert", path + ".pem", "--key", path + ".key"]

    @staticmethod
    def _make(key_kind, path):
        if shutil.which("openssl") is None:
            raise BenchError("the openssl program, which makes the certificates, is not installed")
        command = ["openssl", "req", "-x509", *NEW_KEY[key_kind], *SUBJECT]
        made = subprocess.run([*command, "-keyout", path + ".key", "-out", path + ".pem"],
                              check=False, capture_output=True, text=True)
        if made.returncode != 0:
            raise BenchError("openssl made no certificate: " + made.stderr.strip())
