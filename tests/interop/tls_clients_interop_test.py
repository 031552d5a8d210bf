#!/usr/bin/env python3
"""Talks to `tcpkit serve echo` with the TLS of Python and of Go.

Usage: tls_clients_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, if openssl is not installed; the tests with Go
are skipped without Go.
"""

import os
import socket
import ssl
import unittest

import go_client
from support import TIMEOUT_S, connect, exchange, find_programs, run_tests
from tls_support import HOST, TlsCase, run

LONGEST_RUN_S = 270
BLOCK = os.urandom(1024 * 1024)


class MemoryClient:
    """TLS in memory over a socket, so that the test decides how bytes leave and arrive. The last
    message of its handshake is not sent before flush."""

    def __init__(self, server, context, piece=65536):
        self.piece = piece
        self.socket = connect(server.port)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=HOST)
        self.run(self.tls.do_handshake)

    def flush(self):
        """Sends what is ready, a piece per write."""
        while piece := self.outgoing.read(self.piece):
            self.socket.sendall(piece)

    def receive(self):
        """Takes a piece off the socket; at its end TLS is told."""
        if piece := self.socket.recv(self.piece):
            self.incoming.write(piece)
        else:
            self.incoming.write_eof()

    def run(self, action, *arguments):
        while True:
            try:
                return action(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()

    def write(self, data):
        self.tls.write(data)

    def read(self, size):
        received = bytearray()
        while len(received) < size:
            chunk = self.run(self.tls.read, size - len(received))
            if not chunk:
                break
            received += chunk
        return bytes(received)

    def begin_end(self):
        """Sends close_notify, behind what was written."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def close(self):
        self.socket.close()


class Python:
    """The tests of the two classes below."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_for_all(*cls.ecdsa)

    def context(self):
        context = super().context()
        context.minimum_version = context.maximum_version = self.version
        return context

    def handshake(self, server, **options):
        client = MemoryClient(server, self.context(), **options)
        self.addCleanup(client.close)
        return client

    def client(self, **options):
        client = self.handshake(self.server, **options)
        client.flush()
        return client

    def test_a_block(self):
        plain = connect(self.server.port)
        with self.context().wrap_socket(plain, server_hostname=HOST) as client:
            self.assertEqual(exchange(client, BLOCK), BLOCK)
            client.settimeout(TIMEOUT_S)
            client.unwrap().close()  # fails without close_notify of the server

    def test_everything_byte_by_byte(self):
        client = self.client(piece=1)
        client.write(b"one line\n")
        client.flush()
        self.assertEqual(client.read(9), b"one line\n")
        client.run(client.tls.unwrap)

    def test_pieces_of_every_size(self):
        for piece in [2, 3, 5, 7, 50, 333, 1000, 1459]:
            client = self.client(piece=piece)
            client.write(BLOCK[:20000])
            self.assertEqual(client.read(20000), BLOCK[:20000])

    def test_many_small_records_in_one_write(self):
        client = self.client()
        for byte in BLOCK[:2000]:
            client.write(bytes([byte]))
        client.flush()
        self.assertEqual(client.read(2000), BLOCK[:2000])

    def test_a_record_whose_rest_comes_with_the_next_one(self):
        client = self.client()
        client.write(b"first")
        first = client.outgoing.read()
        client.write(b"second")
        second = client.outgoing.read()
        for part in [first[:7], first[7:] + second[:3], second[3:]]:
            client.socket.sendall(part)
        self.assertEqual(client.read(11), b"firstsecond")

    def test_data_with_the_last_message_of_the_handshake(self):
        client = self.handshake(self.server)
        client.write(b"at once")  # with TLS 1.3 the Finished of the client is not sent yet
        client.begin_end()
        self.assertEqual(client.read(7), b"at once")

    def test_close_notify_behind_the_data_is_answered_behind_the_echo(self):
        for size in [0, 1, 16384, 300000]:
            client = self.client()
            if size:
                client.write(BLOCK[:size])
            client.begin_end()
            self.assertEqual(client.read(size), BLOCK[:size])
            client.run(client.tls.unwrap)
            self.assertEqual(client.socket.recv(1), b"")

    def test_the_end_of_the_server_is_told_with_close_notify(self):
        server = self.start(*self.ecdsa)
        client = self.handshake(server)
        client.write(b"line")
        client.flush()
        self.assertEqual(client.read(4), b"line")
        self.assertEqual(server.end()[0], 0)
        client.run(client.tls.unwrap)

    def test_an_end_without_close_notify_ends_only_that_connection(self):
        client = self.client()
        client.write(b"line")
        client.flush()
        self.assertEqual(client.read(4), b"line")
        client.socket.shutdown(socket.SHUT_WR)
        try:
            while client.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        other = self.client()
        other.write(b"line")
        self.assertEqual(other.read(4), b"line")

    def test_changed_bytes_are_refused(self):
        client = self.client()
        client.write(b"line")
        record = bytearray(client.outgoing.read())
        record[-1] ^= 1
        client.socket.sendall(record)
        with self.assertRaisesRegex(ssl.SSLError, "(?i)alert bad record mac"):
            client.read(4)


class PythonWith12(Python, TlsCase):
    version = ssl.TLSVersion.TLSv1_2


class PythonWith13(Python, TlsCase):
    version = ssl.TLSVersion.TLSv1_3


@unittest.skipIf(go_client.missing(), go_client.missing())
class Go(TlsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = go_client.GoClient(cls.authority)
        for name in ["client", "rsa-client"]:
            cls.authority.issue_client(name, key="rsa" if name == "rsa-client" else "ecdsa")
        cls.authority.issue_client("alone", issuer=None)
        cls.authority.issue_client("expired", days=-1)
        cls.servers = {"ecdsa": cls.start_for_all(*cls.ecdsa, "--alpn", "echo/2,echo/1"),
                       "rsa": cls.start_for_all(*cls.rsa)}

    def run_go(self, server, *flags, host=HOST, **options):
        return run(*self.client.command(server, "-timeout", f"{3 * TIMEOUT_S}s", *flags, host=host),
                   timeout_s=4 * TIMEOUT_S, **options)

    def talk(self, server, *flags):
        """What the client tells of each connection."""
        return self.run_go(server, *flags).stdout.decode().splitlines()

    def refusal(self, server, *flags, **options):
        """What the client says when it was refused."""
        done = self.run_go(server, *flags, check=False, **options)
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode()

    def test_versions_and_suites(self):
        suites = {"ecdsa": ["ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                            "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                            "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
                  "rsa": ["ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                          "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]}
        for name, server in self.servers.items():
            for suite in [f"TLS_{suite}" for suite in suites[name]]:
                with self.subTest(suite=suite):
                    self.assertEqual(self.talk(server, "-version", "1.2", "-suite", suite),
                                     [f"TLS 1.2 {suite} alpn= resumed=false name={name}"])
            with self.subTest(name=name, version="1.3"):
                self.assertRegex(self.talk(server, "-version", "1.3")[0],
                                 rf"^TLS 1.3 TLS_\w+ alpn= resumed=false name={name}$")

    def test_ten_megabytes_and_close_write(self):
        for version in ["1.2", "1.3"]:
            for piece in ["1000", "16384", "10485760"]:
                with self.subTest(version=version, piece=piece):
                    self.talk(self.servers["rsa"], "-version", version, "-bytes", "10485760",
                              "-piece", piece)

    def test_nothing_but_close_write(self):
        for version in ["1.2", "1.3"]:
            self.talk(self.servers["ecdsa"], "-version", version, "-bytes", "0")

    def test_protocol(self):
        for version in ["1.2", "1.3"]:
            server = self.servers["ecdsa"]
            told = self.talk(server, "-version", version, "-alpn", "other,echo/1,echo/2")
            self.assertIn("alpn=echo/2 ", told[0])
            self.assertIn("no application protocol",
                          self.refusal(server, "-version", version, "-alpn", "other"))

    def test_resumption(self):
        for version in ["1.2", "1.3"]:
            for flags in [[], ["--tls-tickets", "4"], ["--tls-resumption", "cache"]]:
                if version == "1.2" and "cache" in flags:
                    continue  # crypto/tls resumes only with tickets there
                with self.subTest(version=version, flags=flags):
                    server = self.start(*self.ecdsa, *flags)
                    told = self.talk(server, "-version", version, "-resume", "-count", "5")
                    self.assertEqual(["resumed=true" in line for line in told],
                                     [False, True, True, True, True])

    def test_client_certificates(self):
        server = self.start(*self.ecdsa, "--tls-client-ca", self.root, "--tls-client-auth",
                            "required")
        for version in ["1.2", "1.3"]:
            for name in ["client", "rsa-client"]:
                told = self.talk(server, "-version", version, "-resume", "-count", "2",
                                 *self.client.certificate(name))
                self.assertIn("resumed=true", told[1])
            for name, wanted in [("alone", "handshake failure|certificate required"),
                                 ("expired", "expired certificate")]:
                with self.subTest(version=version, name=name):
                    # Go does not send a certificate of an authority that the server does not name.
                    self.assertRegex(self.refusal(server, "-version", version,
                                                  *self.client.certificate(name)), wanted)
            self.assertRegex(self.refusal(server, "-version", version),
                             "handshake failure|certificate required")

    def test_another_name_is_refused_by_the_client(self):
        self.assertIn("certificate is valid for",
                      self.refusal(self.servers["ecdsa"], host="other.example"))

    def test_many_at_once(self):
        told = self.talk(self.servers["ecdsa"], "-count", "200", "-parallel", "20", "-resume",
                         "-bytes", "20000")
        self.assertEqual(len(told), 200)


if __name__ == "__main__":
    find_programs(["openssl"], "openssl")
    run_tests(LONGEST_RUN_S)
