#!/usr/bin/env python3
"""Replaces the files of `tcpkit serve echo --tls-watch`: no handshake of many clients of Python and
of Go may fail meanwhile, and sessions must not outlive the trust that they began with.

Usage: tls_reload_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, if openssl is not installed; the test with Go is
skipped without Go.
"""

import os
import shutil
import ssl
import subprocess
import threading
import unittest

import go_client
from support import TIMEOUT_S, connect, exchange, find_programs, run_tests
from tls_support import AUTHORITY, HOST, TlsCase, clean_environment

LONGEST_RUN_S = 270
HANDSHAKES = 500  # at least
PARALLEL = 20
RELOADS = 4  # meanwhile, at least
PAUSE_S = 0.1  # of each client between two handshakes, for the other tests of this machine
RELOAD_S = 30  # for one of them; the files are looked at each second


class Load(TlsCase):
    """The files in use are live-chain.pem and live-key.pem."""

    def setUp(self):
        self.use("ecdsa")
        self.server = self.start("--tls-cert", self.authority.path("live-chain.pem"), "--tls-key",
                                 self.authority.path("live-key.pem"), "--tls-watch")

    def use(self, name):
        """Each file is replaced at once, but not both of them together."""
        for kind in ["chain", "key"]:
            fresh = shutil.copy(self.authority.path(f"{name}-{kind}.pem"),
                                self.authority.path("fresh.pem"))
            os.replace(fresh, self.authority.path(f"live-{kind}.pem"))

    def swap_until(self, is_enough):
        """Uses the certificates in turn; returns how often they were loaded again."""
        reloads = 0
        while reloads < RELOADS or not is_enough():
            self.use(["rsa", "ecdsa"][reloads % 2])
            reloads += 1
            self.server.process.wait_for_error(f"loaded again: generation {reloads + 1}\\b",
                                               RELOAD_S)
        return reloads

    def expect_served(self, names, reloads):
        self.assertGreaterEqual(len(names), HANDSHAKES)
        self.assertLessEqual(set(names), {"ecdsa", "rsa"})
        status, log = self.server.end()
        self.assertEqual(status, 0)
        self.assertEqual(log.count("loaded again"), reloads)
        self.assertNotIn("is closed: TLS", log)
        self.assertNotIn("error", log)

    def test_python(self):
        names, failures, ended = [], [], threading.Event()

        def one_connection(context):
            with context.wrap_socket(connect(self.server.port), server_hostname=HOST) as client:
                self.assertEqual(exchange(client, b"one line\n"), b"one line\n")
                client.settimeout(TIMEOUT_S)
                names.append(dict(client.getpeercert()["subject"][0])["commonName"])
                client.unwrap()

        def connect_again_and_again(version):
            context = self.context()
            context.minimum_version = context.maximum_version = version
            while not ended.wait(PAUSE_S):
                try:
                    one_connection(context)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(repr(error))
                    return

        versions = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3] * (PARALLEL // 2)
        threads = [threading.Thread(target=connect_again_and_again, args=[version], daemon=True)
                   for version in versions]
        for thread in threads:
            thread.start()
        try:
            reloads = self.swap_until(lambda: len(names) >= HANDSHAKES or failures)
        finally:
            ended.set()
        for thread in threads:
            thread.join(3 * TIMEOUT_S)
        self.assertEqual(failures, [])
        self.expect_served(names, reloads)
        self.assertEqual(set(names), {"ecdsa", "rsa"})

    @unittest.skipIf(go_client.missing(), go_client.missing())
    def test_go(self):
        client = go_client.GoClient(self.authority)
        self.expect_go_served(client, "ended")
        self.setUp()
        self.expect_go_served(client, "ended-too", "-resume")

    def expect_go_served(self, client, end_file, *flags):
        until, told_file = self.authority.path(end_file), self.authority.path("told")
        command = client.command(self.server, "-count", str(HANDSHAKES), "-parallel",
                                 str(PARALLEL), "-pause", f"{PAUSE_S}s", "-until", until, *flags,
                                 host=HOST)
        with open(told_file, "wb") as file, subprocess.Popen(
                command, stdout=file, stderr=subprocess.PIPE, env=clean_environment()) as process:
            try:
                reloads = self.swap_until(lambda: True)
                self.authority.write(end_file, "")
                errors = process.communicate(timeout=6 * TIMEOUT_S)[1].decode()
            finally:
                process.kill()
        self.assertEqual((errors, process.returncode), ("", 0))
        lines = self.authority.read("told").splitlines()
        names = [line.rpartition("name=")[2] for line in lines]
        self.expect_served(names, reloads)
        if flags:  # a resumed session keeps the certificate that it began with
            self.assertGreater(sum("resumed=true" in line for line in lines), HANDSHAKES // 2)
        else:
            self.assertEqual(set(names), {"ecdsa", "rsa"})


class Sessions(TlsCase):
    """A session of a client with a certificate, after the authorities were loaded again."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority.issue_client("client")
        cls.authority.issue("other-root", None, AUTHORITY)

    def setUp(self):
        self.generation = 1
        self.trust = self.authority.path("trust.pem")
        shutil.copy(self.root, self.trust)
        self.server = self.start(*self.ecdsa, "--tls-client-ca", self.trust, "--tls-client-auth",
                                 "required", "--tls-watch")

    def load_again(self, *names):
        fresh = self.authority.write("fresh.pem", "".join(map(self.authority.read, names)))
        os.replace(fresh, self.trust)
        self.generation += 1
        self.server.process.wait_for_error(f"loaded again: generation {self.generation}\\b",
                                           RELOAD_S)

    def connect(self, context, session=None):
        """Returns whether the session was resumed, and the new one."""
        with context.wrap_socket(connect(self.server.port), server_hostname=HOST,
                                 session=session) as client:
            self.assertEqual(exchange(client, b"one line\n"), b"one line\n")
            return client.session_reused, client.session

    def contexts(self):
        for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
            context = self.context("client")
            context.minimum_version = context.maximum_version = version
            yield context

    def test_the_same_authorities(self):
        sessions = [(context, self.connect(context)[1]) for context in self.contexts()]
        self.load_again("root.pem")
        for context, session in sessions:
            self.assertTrue(self.connect(context, session)[0])

    def test_an_authority_that_is_trusted_no_more(self):
        sessions = [(context, self.connect(context)[1]) for context in self.contexts()]
        self.load_again("other-root.pem")
        for context, session in sessions:
            with self.assertRaisesRegex(ssl.SSLError, "(?i)unknown ca"):
                self.connect(context, session)

    def test_one_more_authority(self):
        sessions = [(context, self.connect(context)[1]) for context in self.contexts()]
        self.load_again("root.pem", "other-root.pem")
        for context, session in sessions:
            self.connect(context, session)


if __name__ == "__main__":
    find_programs(["openssl"], "openssl")
    run_tests(LONGEST_RUN_S)
