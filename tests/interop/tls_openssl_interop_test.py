#!/usr/bin/env python3
"""Talks to `tcpkit serve echo` with the client of the program openssl: versions, ciphers, groups,
signatures, names, protocols, resumption, client certificates, and what must be refused.

Usage: tls_openssl_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, if openssl is not installed.
"""

import os
import re
import select
import subprocess
import time
import unittest

from support import TIMEOUT_S, connect, exchange, find_programs, run_tests
from tls_support import AUTHORITY, HOST, TlsCase, clean_environment, run

LONGEST_RUN_S = 170
VERSIONS = ["-tls1_2", "-tls1_3"]
SUITES = {"-tls1_3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                      "TLS_CHACHA20_POLY1305_SHA256"],
          "-tls1_2": ["{key}-AES128-GCM-SHA256", "{key}-AES256-GCM-SHA384",
                      "{key}-CHACHA20-POLY1305"]}
# So that openssl sends what tcpkit has to refuse.
INSECURE = "@SECLEVEL=0"


class Client:
    """A running `openssl s_client`; output is all that it has written."""

    def __init__(self, server, root, *arguments):
        self.output = ""
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", server.address, "-CAfile", root, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
            env=clean_environment())

    def send(self, line):
        """Sends a line, or gives a command: one letter, such as R, at the start of what is sent at
        once."""
        self.process.stdin.write(f"{line}\n".encode())

    def read_until(self, wanted):
        """Reads until what was written since the last call matches the expression."""
        seen = ""
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(wanted, seen):
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536).decode() if ready else ""
            seen += chunk
            self.output += chunk
            if not chunk:
                raise AssertionError(f"no {wanted!r} in {self.output!r}")

    def talk(self, line):
        self.send(line)
        self.read_until(re.escape(line))

    def finish(self):
        """Everything that it has written, once it has ended by itself."""
        self.output += self.process.communicate(timeout=TIMEOUT_S)[0].decode()
        return self.output

    def quit(self):
        self.send("Q")
        return self.finish()

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT_S)
        self.process.stdin.close()
        self.process.stdout.close()


class OpensslCase(TlsCase):
    def client(self, server, *arguments, host=HOST):
        """One that wants a valid certificate for the host."""
        name = ["-servername", host, "-verify_hostname", host] if host else ["-noservername"]
        client = Client(server, self.root, "-verify_return_error", *name, *arguments)
        self.addCleanup(client.kill)
        return client

    def expect_echo(self, server, *arguments, **options):
        """Returns what the client tells about a connection over which a line came back."""
        client = self.client(server, *arguments, **options)
        client.talk("one line of text")
        output = client.quit()
        self.assertIn("Verify return code: 0 (ok)", output)
        return output

    def expect_refused(self, server, alert, *arguments):
        """The client must be sent the alert; the server goes on for others."""
        client = self.client(server, *arguments)
        output = client.finish()
        self.assertRegex(output, f"SSL alert number {alert}\\b")
        self.assertNotIn("one line", output)
        self.expect_echo(server)


class Agreement(OpensslCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = {"ECDHE-ECDSA": cls.start_for_all(*cls.ecdsa),
                       "ECDHE-RSA": cls.start_for_all(*cls.rsa)}
        cls.server = cls.servers["ECDHE-ECDSA"]

    def test_cipher_suites(self):
        for version in VERSIONS:
            flag = "-cipher" if version == "-tls1_2" else "-ciphersuites"
            for key, server in self.servers.items():
                for suite in [suite.format(key=key) for suite in SUITES[version]]:
                    with self.subTest(version=version, suite=suite, key=key):
                        told = self.expect_echo(server, version, flag, suite)
                        self.assertIn(f"Cipher is {suite}\n", told)

    def test_groups(self):
        # An ECDSA certificate would need its own group too with TLS 1.2.
        server = self.servers["ECDHE-RSA"]
        for version in VERSIONS:
            for group, told in [("X25519", "X25519"), ("P-256", "ECDH, prime256v1"),
                                ("P-384", "ECDH, secp384r1")]:
                with self.subTest(version=version, group=group):
                    self.assertIn(f"Server Temp Key: {told}, ",
                                  self.expect_echo(server, version, "-groups", group))

    def test_a_key_share_of_another_group_is_asked_for(self):
        told = self.expect_echo(self.server, "-tls1_3", "-groups", "P-521:P-256", "-msg")
        self.assertEqual(told.count(", ClientHello"), 2)
        self.assertIn("Server Temp Key: ECDH, prime256v1, ", told)

    def test_no_common_group_is_refused(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.expect_refused(self.server, 40, version, "-groups", "P-521")

    def test_signatures(self):
        for version in VERSIONS:
            for key, algorithm, told in [
                    ("ECDHE-ECDSA", "ecdsa_secp256r1_sha256", "ECDSA"),
                    ("ECDHE-RSA", "rsa_pss_rsae_sha256", "RSA-PSS"),
                    ("ECDHE-RSA", "rsa_pss_rsae_sha512", "RSA-PSS")]:
                with self.subTest(version=version, algorithm=algorithm):
                    # The certificates themselves are signed with the first one.
                    algorithms = dict.fromkeys(["ecdsa_secp256r1_sha256", algorithm])
                    output = self.expect_echo(self.servers[key], version, "-sigalgs",
                                              ":".join(algorithms))
                    self.assertIn(f"Peer signature type: {told}\n", output)

    def test_a_signature_that_the_certificate_cannot_make_is_refused(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.expect_refused(self.server, 40, version, "-sigalgs", "rsa_pss_rsae_sha256")

    def test_names(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.expect_echo(self.server, version, host=None)
        # The only certificate is shown for every name, and the client decides.
        output = self.client(self.server, host="other.example").finish()
        self.assertIn("hostname mismatch", output)

    def test_an_ip_address_instead_of_a_name(self):
        self.expect_echo(self.server, "-verify_ip", "127.0.0.1", host=None)

    def test_small_records_are_agreed_on(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                client = self.client(self.server, version, "-maxfraglen", "512")
                client.talk("x" * 4000)
                client.quit()

    def test_no_early_data_is_offered(self):
        self.assertRegex(self.expect_echo(self.server, "-tls1_3"), r"Max Early Data: 0\b")


class Protocols(OpensslCase):
    def test_alpn(self):
        server = self.start(*self.ecdsa, "--alpn", "echo/2,echo/1")
        for version in VERSIONS:
            for offered, agreed in [("echo/1", "echo/1"), ("echo/1,echo/2", "echo/2"),
                                    ("other,echo/1", "echo/1")]:
                with self.subTest(version=version, offered=offered):
                    output = self.expect_echo(server, version, "-alpn", offered)
                    self.assertIn(f"ALPN protocol: {agreed}\n", output)
            with self.subTest(version=version, offered=None):
                self.assertIn("No ALPN negotiated", self.expect_echo(server, version))
            with self.subTest(version=version, offered="other"):
                self.expect_refused(server, 120, version, "-alpn", "other")

    def test_alpn_is_left_alone_without_the_flag(self):
        server = self.start(*self.ecdsa)
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertIn("No ALPN negotiated",
                              self.expect_echo(server, version, "-alpn", "h2"))

    def test_stapled_response(self):
        serial = run("openssl", "x509", "-in", self.authority.path("ecdsa.pem"), "-noout",
                     "-serial").stdout.decode().strip().partition("=")[2]
        index = self.authority.write("index", f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=ecdsa\n")
        issuer = self.authority.path("intermediate.pem")
        response = self.authority.path("response.der")
        run("openssl", "ocsp", "-index", index, "-CA", issuer, "-issuer", issuer, "-cert",
            self.authority.path("ecdsa.pem"), "-rsigner", issuer, "-rkey",
            self.authority.path("intermediate-key.pem"), "-ndays", "1", "-respout", response)
        server = self.start(*self.ecdsa, "--tls-ocsp-file", response)
        for version in VERSIONS:
            with self.subTest(version=version):
                output = self.expect_echo(server, version, "-status")
                self.assertIn("OCSP Response Status: successful", output)
                self.assertIn("Cert Status: good", output)
                self.assertNotIn("OCSP Response", self.expect_echo(server, version))

    def test_no_stapled_response_without_the_file(self):
        self.assertIn("OCSP response: no response sent",
                      self.expect_echo(self.start(*self.ecdsa), "-status"))

    def test_plain_clients_beside_those_with_tls(self):
        server = self.start(*self.ecdsa, "--tls-or-plain", "on")
        for version in VERSIONS:
            self.expect_echo(server, version)
            with connect(server.port) as client:
                self.assertEqual(exchange(client, b"plain"), b"plain")

    def test_key_log_is_that_of_the_client(self):
        ours, theirs = self.authority.path("ours.log"), self.authority.path("theirs.log")
        server = self.start(*self.ecdsa, "--tls-key-log", ours)
        for version in VERSIONS:
            self.expect_echo(server, version, "-keylogfile", theirs)
        self.assertEqual(server.end()[0], 0)
        logs = [sorted(line for line in self.authority.read(name).splitlines()
                       if not line.startswith("#")) for name in ["ours.log", "theirs.log"]]
        self.assertEqual(*logs)
        self.assertEqual({line.split()[0] for line in logs[0]},
                         {"CLIENT_RANDOM", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "EXPORTER_SECRET",
                          "CLIENT_TRAFFIC_SECRET_0", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                          "SERVER_TRAFFIC_SECRET_0"})


class Resumption(OpensslCase):
    def resume(self, server, version, *arguments, into=None):
        """Saves the session of one connection, and tells whether the next is new or reused."""
        session = self.authority.path("session.pem")
        first = self.expect_echo(server, version, *arguments, "-sess_out", session)
        self.assertIn("\nNew, TLSv1.", first)
        second = self.expect_echo(into or server, version, *arguments, "-sess_in", session)
        return re.search(r"^(New|Reused), TLSv1\.", second, re.M).group(1)

    def test_tickets(self):
        server = self.start(*self.ecdsa)
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.resume(server, version), "Reused")
        self.assertIn("(2 resumed)", self.totals(server))

    def totals(self, server):
        """The last line that the server prints."""
        server.process.process.terminate()
        return server.process.process.stdout.read().decode() + server.process.errors()

    def test_tickets_without_a_key_exchange(self):
        self.assertEqual(self.resume(self.start(*self.ecdsa), "-tls1_3", "-allow_no_dhe_kex"),
                         "Reused")

    def test_cache(self):
        server = self.start(*self.ecdsa, "--tls-resumption", "cache")
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.resume(server, version), "Reused")

    def test_no_tickets_taken_by_the_client(self):
        self.assertEqual(self.resume(self.start(*self.ecdsa), "-tls1_2", "-no_ticket"), "New")

    def test_off(self):
        server = self.start(*self.ecdsa, "--tls-resumption", "off")
        session = self.authority.path("none.pem")
        for version in VERSIONS:
            with self.subTest(version=version):
                output = self.expect_echo(server, version, "-sess_out", session)
                self.assertNotIn("Session Ticket arrived", output)
                self.assertNotIn("TLS session ticket:", output)

    def test_tickets_of_another_server_are_not_taken(self):
        one, other = self.start(*self.ecdsa), self.start(*self.ecdsa)
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.resume(one, version, into=other), "New")

    def test_number_of_tickets(self):
        for flags, count in [([], 1), (["--tls-tickets", "3"], 3), (["--tls-tickets", "none"], 0)]:
            with self.subTest(flags=flags):
                output = self.expect_echo(self.start(*self.ecdsa, *flags), "-tls1_3")
                self.assertEqual(output.count("New Session Ticket arrived"), count)


class OpenConnections(OpensslCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_for_all(*cls.ecdsa)

    def test_key_update(self):
        client = self.client(self.server, "-tls1_3")
        client.talk("before")
        for round_number in range(5):
            for command in ["K", "k"]:  # K asks the server for new keys too
                client.send(command)
                client.read_until("KEYUPDATE")
                client.talk(f"line {round_number} after {command}")
        client.quit()

    def test_renegotiation_is_refused(self):
        client = self.client(self.server, "-tls1_2")
        client.talk("before")
        client.send("R")
        self.assertRegex(client.finish(), "no renegotiation")
        self.expect_echo(self.server)

    def test_the_client_ends_with_close_notify(self):
        server = self.start(*self.ecdsa)
        for version in VERSIONS:
            self.expect_echo(server, version)
        status, log = server.end()
        self.assertEqual(status, 0)
        self.assertNotIn("TLS", log)

    def test_the_server_ends_with_close_notify(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server = self.start(*self.ecdsa)
                client = self.client(server, version)
                client.talk("before")
                self.assertEqual(server.end()[0], 0)
                self.assertTrue(client.finish().endswith("closed\n"), client.output[-100:])

    def test_a_client_that_is_killed_is_no_harm(self):
        for version in VERSIONS:
            client = self.client(self.server, version)
            client.talk("before")
            client.kill()
        self.expect_echo(self.server)


class Refusals(OpensslCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_for_all(*cls.rsa)

    def test_old_versions(self):
        for version in ["-tls1", "-tls1_1"]:
            with self.subTest(version=version):
                self.expect_refused(self.server, 70, version, "-cipher", f"DEFAULT{INSECURE}")

    def test_weak_ciphers(self):
        for cipher in ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA",
                       "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-SHA", "ECDHE-RSA-NULL-SHA",
                       "AECDH-AES128-SHA", "NULL-SHA256"]:
            with self.subTest(cipher=cipher):
                self.expect_refused(self.server, 40, "-tls1_2", "-cipher", f"{cipher}{INSECURE}")

    def test_versions_outside_of_the_settings(self):
        for *flags, version in [("--tls-min", "1.3", "-tls1_2"), ("--tls-max", "1.2", "-tls1_3")]:
            with self.subTest(version=version):
                self.expect_refused(self.start(*self.rsa, *flags), 70, version)

    def test_suites_outside_of_the_settings(self):
        server = self.start(*self.rsa, "--tls-cipher-suites", "TLS_AES_256_GCM_SHA384",
                            "--tls-ciphers", "ECDHE-RSA-AES256-GCM-SHA384")
        self.expect_refused(server, 40, "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256")
        self.expect_refused(server, 40, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")


class ClientCertificates(OpensslCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority.issue_client("client")
        cls.authority.issue_client("rsa-client", key="rsa")
        cls.authority.issue_client("expired", days=-1)
        cls.authority.issue_client("alone", issuer=None)
        cls.authority.issue("other-root", None, AUTHORITY)
        cls.authority.issue_client("stranger", issuer="other-root")
        cls.servers = {demand: cls.start_for_all(*cls.ecdsa, "--tls-client-ca", cls.root,
                                                 "--tls-client-auth", demand)
                       for demand in ["required", "optional"]}

    def certificate(self, name, chain=None):
        flags = ["-cert", self.authority.path(f"{name}.pem"),
                 "-key", self.authority.path(f"{name}-key.pem")]
        return flags + (["-cert_chain", self.authority.path(chain)] if chain else [])

    def expect_bad(self, server, alert, *arguments):
        """With TLS 1.3 the client learns of it after its handshake."""
        output = self.client(server, *arguments, "-ign_eof").finish()
        self.assertRegex(output, f"SSL alert number {alert}\\b")

    def test_right_ones(self):
        for demand, server in self.servers.items():
            for version in VERSIONS:
                for name in ["client", "rsa-client"]:
                    with self.subTest(demand=demand, version=version, name=name):
                        self.expect_echo(server, version,
                                         *self.certificate(name, "intermediate.pem"))

    def test_resumption_after_one(self):
        session = self.authority.path("session.pem")
        certificate = self.certificate("client", "intermediate.pem")
        for version in VERSIONS:
            with self.subTest(version=version):
                server = self.servers["required"]
                self.expect_echo(server, version, *certificate, "-sess_out", session)
                self.assertIn("\nReused, ", self.expect_echo(server, version, *certificate,
                                                             "-sess_in", session))

    def test_none(self):
        self.expect_bad(self.servers["required"], 40, "-tls1_2")
        self.expect_bad(self.servers["required"], 116, "-tls1_3")
        for version in VERSIONS:
            self.expect_echo(self.servers["optional"], version)

    def test_bad_ones(self):
        bad = [("stranger", "other-root.pem", 48), ("stranger", None, 48), ("alone", None, 48),
               ("client", None, 48), ("expired", "intermediate.pem", 45),
               ("ecdsa", "intermediate.pem", 43)]
        for demand, server in self.servers.items():
            for version in VERSIONS:
                for name, chain, alert in bad:
                    with self.subTest(demand=demand, version=version, name=name, chain=chain):
                        self.expect_bad(server, alert, version,
                                        *self.certificate(name, chain))

    def test_the_authorities_are_named(self):
        for version in VERSIONS:
            output = self.expect_echo(self.servers["optional"], version)
            self.assertRegex(output, r"Acceptable client certificate CA names\n.*CN ?= ?root\n")

    def test_not_asked_for_without_the_flag(self):
        output = self.expect_echo(self.start(*self.ecdsa),
                                  *self.certificate("client", "intermediate.pem"))
        self.assertIn("No client certificate CA names sent", output)


if __name__ == "__main__":
    find_programs(["openssl"], "openssl")
    run_tests(LONGEST_RUN_S)
