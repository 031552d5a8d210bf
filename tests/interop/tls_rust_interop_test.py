#!/usr/bin/env python3
"""Talks to `tcpkit serve echo` with rustls.

Usage: tls_rust_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, without openssl or cargo, and if crates would
have to be downloaded: they are with TCPKIT_TEST_RUST=1 in the environment. TCPKIT_RUST_TARGET is a
folder that keeps what was built.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import SEARCH_PATH, SKIPPED, TIMEOUT_S, find_programs, run_tests
from tls_support import HOST, TlsCase, clean_environment, run

LONGEST_RUN_S = 170  # without the build
BUILD_S = 400  # half a minute where nothing else runs
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rustls_client")
VERSIONS = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}


def cargo_build(cargo, target, *flags):
    return subprocess.run([cargo, "build", "--quiet", "--locked", *flags, "--manifest-path",
                           os.path.join(FOLDER, "Cargo.toml"), "--target-dir", target],
                          check=False, capture_output=True, text=True, timeout=BUILD_S,
                          env=clean_environment())


def build(target):
    """Path of the client; ends the test as skipped if it cannot be built here."""
    cargo = shutil.which("cargo", path=SEARCH_PATH + ":" + os.path.expanduser("~/.cargo/bin"))
    if cargo is None:
        print("skipped: not installed: cargo (apt install cargo)")
        sys.exit(SKIPPED)
    built = cargo_build(cargo, target, "--offline")
    if built.returncode != 0 and TEST_RUST == "1":
        built = cargo_build(cargo, target)
    if built.returncode != 0:
        print(f"the client of rustls is not built: {built.stderr[-2000:]}")
        sys.exit(1 if TEST_RUST == "1" else SKIPPED)
    return os.path.join(target, "debug", "rustls_client")


class Rustls(TlsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ["client", "rsa-client"]:
            cls.authority.issue_client(name, key="rsa" if name == "rsa-client" else "ecdsa")
        cls.authority.issue_client("alone", issuer=None)
        cls.servers = {"ecdsa": cls.start_for_all(*cls.ecdsa), "rsa": cls.start_for_all(*cls.rsa)}

    def client(self, server, check=True, **settings):
        settings = {"address": server.address, "host": HOST, "root": self.root, **settings}
        return run(CLIENT, *(f"{key}={text}" for key, text in settings.items()), check=check,
                   timeout_s=3 * TIMEOUT_S)

    def talk(self, server, **settings):
        return self.client(server, **settings).stdout.decode().splitlines()

    def refusal(self, server, **settings):
        done = self.client(server, check=False, **settings)
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode()

    def certificate(self, name):
        return {"cert": self.authority.path(f"{name}-chain.pem"),
                "key": self.authority.path(f"{name}-key.pem")}

    def test_a_block_with_key_updates(self):
        for version, told in VERSIONS.items():
            for name, server in self.servers.items():
                with self.subTest(version=version, name=name):
                    self.assertRegex(self.talk(server, version=version, bytes=1 << 20)[0],
                                     f"^{told} .* Full$")

    def test_small_records(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.talk(self.servers["rsa"], version=version, bytes=100000, fragment=100)

    def test_resumption(self):
        for version in VERSIONS:
            for flags in [[], ["--tls-tickets", "3"], ["--tls-resumption", "cache"]]:
                with self.subTest(version=version, flags=flags):
                    told = self.talk(self.start(*self.ecdsa, *flags), version=version, count=4)
                    self.assertEqual([line.rpartition(" ")[2] for line in told],
                                     ["Full", "Resumed", "Resumed", "Resumed"])

    def test_protocol(self):
        server = self.start(*self.ecdsa, "--alpn", "echo/2,echo/1")
        for version in VERSIONS:
            with self.subTest(version=version):
                told = self.talk(server, version=version, alpn="other,echo/1,echo/2")
                self.assertIn(" alpn=echo/2 ", told[0])
                self.assertIn("NoApplicationProtocol",
                              self.refusal(server, version=version, alpn="other"))

    def test_client_certificates(self):
        server = self.start(*self.ecdsa, "--tls-client-ca", self.root, "--tls-client-auth",
                            "required")
        for version in VERSIONS:
            for name in ["client", "rsa-client"]:
                with self.subTest(version=version, name=name):
                    told = self.talk(server, version=version, count=2, **self.certificate(name))
                    self.assertRegex(told[1], "Resumed$")
            with self.subTest(version=version):
                self.assertRegex(self.refusal(server, version=version),
                                 "HandshakeFailure|CertificateRequired")
                self.assertIn("UnknownCA", self.refusal(server, version=version,
                                                        **self.certificate("alone")))

    def test_another_name_is_refused_by_the_client(self):
        self.assertIn("NotValidForName", self.refusal(self.servers["ecdsa"], host="other.example"))


if __name__ == "__main__":
    find_programs(["openssl"], "openssl")
    TEST_RUST = os.environ.get("TCPKIT_TEST_RUST", "")
    with tempfile.TemporaryDirectory() as temporary:
        CLIENT = build(os.environ.get("TCPKIT_RUST_TARGET", temporary))
        run_tests(LONGEST_RUN_S)
