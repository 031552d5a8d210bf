"""Certificates and servers for the tests of interoperation of TLS. The first argument of the test
script is the path of the program tcpkit."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

from support import TIMEOUT_S, Process

if len(sys.argv) < 2:
    sys.exit(f"usage: {sys.argv[0]} PATH_OF_TCPKIT [unittest arguments]")
PROGRAM = os.path.abspath(sys.argv.pop(1))

HOST = "server.example"  # that the certificates of the servers are for
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
LEAF = ("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage={purpose}\nsubjectAltName=DNS:{host},IP:127.0.0.1\n")
KEYS = {"ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}


def clean_environment():
    """Environment of the tests without the variables that programs of this test read."""
    dropped = ("TCPKIT_", "SSL_CERT", "SSLKEYLOG", "CURL_", "GODEBUG")
    kept = {key: text for key, text in os.environ.items() if not key.startswith(dropped)}
    return {key: text for key, text in kept.items() if not key.lower().endswith("_proxy")}


def run(*command, check=True, timeout_s=TIMEOUT_S, **options):
    """Runs a program to its end and returns what it wrote to stdout and stderr."""
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout_s, env=clean_environment(), **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{command[:2]} ended with {done.returncode}: "
                             f"{done.stderr[-2000:].decode()}")
    return done


class Authority:
    """Makes certificates in a folder: root.pem, below it intermediate.pem, below that the others.
    Each NAME has NAME.pem, NAME-key.pem, NAME-chain.pem with the intermediate certificate, and
    NAME-all.pem with the key too."""

    def __init__(self, folder):
        self.folder = folder
        self.issue("root", None, AUTHORITY)
        self.issue("intermediate", "root", AUTHORITY)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def issue(self, name, issuer, extensions, key="ecdsa", days=2):
        """Without an issuer the certificate is self-signed."""
        key_file = self.path(f"{name}-key.pem")
        run("openssl", "genpkey", *KEYS[key], "-out", key_file)
        request = run("openssl", "req", "-new", "-key", key_file, "-subj", f"/CN={name}").stdout
        signer = (["-CA", self.path(f"{issuer}.pem"), "-CAkey", self.path(f"{issuer}-key.pem"),
                   "-CAcreateserial"] if issuer else ["-signkey", key_file])
        run("openssl", "x509", "-req", *signer, "-days", str(days), "-sha256", "-extfile",
            self.write("extensions", extensions), "-out", self.path(f"{name}.pem"), input=request)
        chain = self.read(f"{name}.pem")
        if issuer == "intermediate":
            chain += self.read("intermediate.pem")
        self.write(f"{name}-chain.pem", chain)
        self.write(f"{name}-all.pem", self.read(f"{name}-key.pem") + chain)

    def issue_server(self, name, key="ecdsa", host=HOST):
        self.issue(name, "intermediate", LEAF.format(purpose="serverAuth", host=host), key)
        return self.flags(name)

    def issue_client(self, name, issuer="intermediate", **options):
        self.issue(name, issuer, LEAF.format(purpose="clientAuth", host="client.example"),
                   **options)

    def flags(self, name):
        """Of tcpkit, for a server with this certificate."""
        return ["--tls-cert", self.path(f"{name}-chain.pem"),
                "--tls-key", self.path(f"{name}-key.pem")]


class Server:
    """A running `tcpkit serve echo`."""

    def __init__(self, *arguments, service="echo"):
        self.process = Process([PROGRAM, "serve", service, "--listen", "tcp://127.0.0.1:0",
                                "--log-level", "info", *arguments], clean_environment())
        line = self.process.first_line()
        if not line.startswith("listening on "):
            raise AssertionError(f"tcpkit does not start: {self.process.errors()}")
        self.port = int(line.rsplit(":", 1)[1])
        self.address = f"127.0.0.1:{self.port}"

    def end(self):
        """Ends it with SIGTERM and returns its exit status and all it wrote to stderr."""
        self.process.process.terminate()
        return self.process.process.wait(2 * TIMEOUT_S), self.process.errors()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


class TlsCase(unittest.TestCase):
    """Has certificates of servers, ecdsa and rsa, and starts servers."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.authority = Authority(cls.folder)
        cls.root = cls.authority.path("root.pem")
        cls.ecdsa = cls.authority.issue_server("ecdsa")
        cls.rsa = cls.authority.issue_server("rsa", "rsa")

    @classmethod
    def start_for_all(cls, *arguments, **options):
        """Starts a server for all tests of the class."""
        server = Server(*arguments, **options)
        cls.addClassCleanup(server.process.kill)
        return server

    def start(self, *arguments, **options):
        """Starts a server for one test."""
        server = Server(*arguments, **options)
        self.addCleanup(server.process.kill)
        return server

    def context(self, certificate=None):
        """Settings of a client of Python that trusts the authority."""
        context = ssl.create_default_context(cafile=self.root)
        if certificate:
            context.load_cert_chain(self.authority.path(f"{certificate}-chain.pem"),
                                    self.authority.path(f"{certificate}-key.pem"))
        return context
