#!/usr/bin/env python3
"""Runs `tcpkit serve` with TLS as its users do: flags, files, clients of OpenSSL.

Usage: tls_cli_test.py PATH_OF_TCPKIT [unittest arguments]
"""

import os
import shutil
import ssl
import subprocess
import tempfile
import unittest

from harness import (TIMEOUT_S, Server, connect, exchange, flags_of_help, groups_of_help,
                     is_tls_flag, run)

LISTEN = ["--listen", "tcp://127.0.0.1:0"]


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                          timeout=TIMEOUT_S, **options).stdout


class Authority:
    """Makes certificates in a folder, all signed by its own one, ca.pem."""

    def __init__(self, folder):
        self.folder = folder
        openssl("req", "-x509", *self._new_key("ca-key.pem"), "-subj", "/CN=Test CA", "-days", "2",
                "-out", self.path("ca.pem"), "-addext", "keyUsage=critical,keyCertSign")

    def _new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.path(name)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, host="localhost"):
        """Makes NAME.pem and NAME-key.pem, and returns their paths."""
        chain, key = self.path(f"{name}.pem"), self.path(f"{name}-key.pem")
        request = openssl("req", "-new", *self._new_key(f"{name}-key.pem"), "-subj", f"/CN={name}")
        extensions = self.path("extensions")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{host},IP:127.0.0.1\n")
        signed = openssl("x509", "-req", "-CA", self.path("ca.pem"), "-CAkey",
                         self.path("ca-key.pem"), "-CAcreateserial", "-days", "2", "-extfile",
                         extensions, input=request)
        with open(chain, "wb") as file:
            file.write(signed)
        return chain, key


class TlsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.authority = Authority(cls.folder)
        cls.chain, cls.key = cls.authority.issue("server")
        cls.with_certificate = ["--tls-cert", cls.chain, "--tls-key", cls.key]

    def path(self, name):
        return os.path.join(self.folder, name)

    def context(self, certificate=None):
        """Settings of a client that trusts the authority, and may have a certificate of its own."""
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def wrap(self, address, context):
        client = connect(address)
        try:
            return context.wrap_socket(client, server_hostname="localhost")
        except BaseException:
            client.close()
            raise

    def echo(self, address, context=None, sent=b"hello\n"):
        """What the server answers, and the version and certificate that it showed."""
        with self.wrap(address, context or self.context()) as client:
            client.sendall(sent)
            return client.recv(len(sent)), client.version(), client.getpeercert()


class Help(unittest.TestCase):
    def test_flags_of_tls_have_their_group(self):
        promised = {"tls-cert", "tls-key", "tls-client-ca", "tls-client-auth", "alpn", "tls-min",
                    "tls-max", "tls-tickets", "tls-self-signed", "tls-watch", "tls-key-log",
                    "tls-passphrase-file", "tls-or-plain", "handshake-timeout-ms",
                    "max-handshakes", "handshake-quantum-ms"}
        group = groups_of_help()["TLS"]
        self.assertLessEqual(promised, group)
        self.assertLessEqual(set(filter(is_tls_flag, flags_of_help())), group)

    def test_what_only_clients_have_is_not_offered(self):
        self.assertNotIn("insecure", run("serve", "--help").stdout)


class Refusals(TlsCase):
    """Each prints nothing to stdout and names what is wrong."""

    def refuse(self, status, named, *arguments, **variables):
        result = run("serve", "echo", *LISTEN, *arguments, **variables)
        self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
        for text in named:
            self.assertIn(text, result.stderr)

    def test_a_missing_file_is_named(self):
        for flag in ["--tls-cert", "--tls-key", "--tls-ocsp-file", "--tls-client-ca",
                     "--tls-passphrase-file"]:
            with self.subTest(flag=flag):
                missing = self.path("missing.pem")
                self.refuse(1, [missing, "No such file"], *self.with_certificate, flag, missing)

    def test_a_file_that_is_no_certificate_is_named(self):
        garbage = self.path("garbage.pem")
        with open(garbage, "w", encoding="utf-8") as file:
            file.write("this is no certificate\n")
        self.refuse(1, [garbage], "--tls-cert", garbage)

    def test_the_key_of_another_certificate_is_named(self):
        _, other_key = self.authority.issue("other")
        self.refuse(1, [other_key], "--tls-cert", self.chain, "--tls-key", other_key)

    def test_a_bad_value_names_flag_and_value(self):
        for flag, value in [("--tls-min", "1.4"), ("--tls-max", "ssl3"),
                            ("--tls-client-auth", "maybe"), ("--tls-tickets", "17"),
                            ("--tls-resumption", "never"), ("--tls-session-lifetime-ms", "0"),
                            ("--tls-system-trust", "maybe"), ("--tls-session-cache-size", "-1"),
                            ("--tls-ticket-rotation-ms", "often"), ("--tls-watch=", "maybe")]:
            with self.subTest(flag=flag):
                given = [flag + value] if flag.endswith("=") else [flag, value]
                self.refuse(2, [flag.rstrip("="), value], "--tls-self-signed", *given)

    def test_settings_that_openssl_does_not_know_are_named(self):
        for flag in ["--tls-ciphers", "--tls-cipher-suites", "--tls-groups"]:
            with self.subTest(flag=flag):
                self.refuse(1, ["NO-SUCH"], "--tls-self-signed", flag, "NO-SUCH")

    def test_a_least_version_above_the_newest(self):
        self.refuse(1, ["min_version", "max_version"], "--tls-self-signed", "--tls-min", "1.3",
                    "--tls-max", "1.2")

    def test_client_auth_without_anybody_to_trust(self):
        self.refuse(1, ["client_auth"], "--tls-self-signed", "--tls-client-auth", "required")

    def test_every_flag_of_tls_needs_a_certificate(self):
        for flag in filter(is_tls_flag, flags_of_help()):
            if flag in ("tls-cert", "tls-self-signed"):
                continue
            with self.subTest(flag=flag):
                self.refuse(2, [f"--{flag}", "--tls-cert FILE"], f"--{flag}=on")

    def test_a_bad_value_in_the_environment_names_the_variable(self):
        self.refuse(2, ["TCPKIT_TLS_MIN", "1.4"], "--tls-self-signed", TCPKIT_TLS_MIN="1.4")

    def test_a_key_log_that_cannot_be_opened(self):
        path = self.path("missing/keys")
        self.refuse(1, [path], "--tls-self-signed", "--tls-key-log", path)


class Flags(TlsCase):
    def test_every_flag_of_the_help_is_taken(self):
        ca = self.path("ca.pem")
        authorities = self.path("authorities")
        os.mkdir(authorities)
        shutil.copy(ca, authorities)
        openssl("rehash", authorities)
        passphrase = self.path("passphrase")
        with open(passphrase, "w", encoding="utf-8") as file:
            file.write("unused\n")
        values = {
            "tls-cert": self.chain, "tls-key": self.key, "tls-client-ca": ca,
            "tls-client-ca-dir": authorities, "tls-system-trust": "off", "tls-min": "1.2",
            "tls-max": "1.3", "tls-client-auth": "off", "tls-resumption": "cache",
            "tls-tickets": "2", "tls-ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256",
            "tls-cipher-suites": "TLS_AES_128_GCM_SHA256", "tls-groups": "P-256", "alpn": "a,b",
            "tls-session-lifetime-ms": "60000", "tls-session-cache-size": "100",
            "tls-ticket-rotation-ms": "unlimited", "tls-passphrase-file": passphrase,
            "tls-watch": "on", "tls-key-log": self.path("keys-of-flags"),
        }
        for flag in filter(is_tls_flag, flags_of_help()):
            if flag in ("tls-self-signed", "tls-ocsp-file"):
                continue
            with self.subTest(flag=flag):
                self.assertIn(flag, values, "add a legal value for the new flag here")
                with Server("echo", *self.with_certificate, f"--{flag}={values[flag]}") as server:
                    self.assertEqual(self.echo(server.address())[0], b"hello\n")
                    self.assertEqual(server.end(), 0)

    def test_environment_gives_certificate_and_settings(self):
        with Server("echo", TCPKIT_TLS_CERT=self.chain, TCPKIT_TLS_KEY=self.key,
                    TCPKIT_TLS_MAX="1.2", TCPKIT_ALPN="h9") as server:
            self.assertEqual(self.echo(server.address())[:2], (b"hello\n", "TLSv1.2"))

    def test_flag_wins_over_environment(self):
        with Server("echo", *self.with_certificate, TCPKIT_TLS_CERT="missing.pem") as server:
            self.assertEqual(self.echo(server.address())[0], b"hello\n")

    def test_the_least_version_is_held(self):
        with Server("echo", *self.with_certificate, "--tls-min", "1.3") as server:
            old = self.context()
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            address = server.address()
            with self.assertRaises(ssl.SSLError):
                self.echo(address, old)
            self.assertEqual(self.echo(address)[1], "TLSv1.3")

    def test_alpn_takes_what_the_server_prefers(self):
        with Server("echo", *self.with_certificate, "--alpn", "first,second") as server:
            context = self.context()
            context.set_alpn_protocols(["second", "first"])
            with self.wrap(server.address(), context) as client:
                self.assertEqual(client.selected_alpn_protocol(), "first")

    def test_an_encrypted_key_takes_its_passphrase_from_a_file(self):
        encrypted, passphrase = self.path("encrypted.pem"), self.path("secret")
        openssl("pkey", "-in", self.key, "-aes256", "-passout", "pass:open sesame", "-out",
                encrypted)
        with open(passphrase, "w", encoding="utf-8") as file:
            file.write("open sesame\r\nsecond line\n")
        command = ["--tls-cert", self.chain, "--tls-key", encrypted]
        with Server("echo", *command, "--tls-passphrase-file", passphrase) as server:
            self.assertEqual(self.echo(server.address())[0], b"hello\n")
        with open(passphrase, "w", encoding="utf-8") as file:
            file.write("wrong\n")
        for more in [], ["--tls-passphrase-file", passphrase]:
            result = run("serve", "echo", *LISTEN, *command, *more)
            self.assertEqual(result.returncode, 1)
            self.assertIn(encrypted, result.stderr)
            self.assertIn("passphrase", result.stderr)


class SelfSigned(TlsCase):
    def test_openssl_s_client_talks_to_it(self):
        with Server("echo", "--framing", "line", "--tls-self-signed") as server:
            address = server.address().removeprefix("tcp://")
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect", address, "-servername", "localhost"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            client.stdin.write("from openssl\n")
            client.stdin.flush()
            shown = []
            while "from openssl\n" not in shown:
                line = client.stdout.readline()
                self.assertTrue(line, "".join(shown))
                shown.append(line)
            client.communicate(timeout=TIMEOUT_S)  # the end of stdin ends the client
            self.assertIn("self-signed", "".join(shown))
            self.assertEqual(server.end(), 0)
            self.assertIn("1 handshake", server.errors())

    def names_of(self, *arguments, **variables):
        with Server("echo", *arguments, **variables) as server:
            host, port = server.address().removeprefix("tcp://").split(":")
            certificate = ssl.get_server_certificate((host, int(port)))
            return openssl("x509", "-noout", "-ext", "subjectAltName",
                           input=certificate.encode()).decode()

    def test_its_names_are_those_of_this_machine_unless_given(self):
        for name in ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"]:
            self.assertIn(name, self.names_of("--tls-self-signed"))
        self.assertIn("DNS:a.example, DNS:b.example",
                      self.names_of("--tls-self-signed=a.example,b.example"))
        self.assertIn("DNS:c.example", self.names_of(TCPKIT_TLS_SELF_SIGNED="c.example"))

    def test_the_service_behind_the_flag_is_not_taken_for_a_host(self):
        result = run("serve", "--tls-self-signed", "echo")
        self.assertIn("no address to listen on", result.stderr)


class PlainClients(TlsCase):
    def test_they_are_refused_and_the_log_says_why(self):
        with Server("echo", *self.with_certificate, "--log-level", "info") as server:
            with connect(server.address()) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                try:
                    while client.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
            server.wait_for_error("TLS")
            self.assertEqual(server.end(), 0)
            self.assertIn("1 failed handshake", server.errors())

    def test_they_are_served_beside_others_with_tls_or_plain(self):
        with Server("echo", *self.with_certificate, "--tls-or-plain", "on") as server:
            address = server.address()
            self.assertEqual(exchange(address, b"plain"), b"plain")
            self.assertEqual(self.echo(address)[0], b"hello\n")


class ClientAuth(TlsCase):
    def test_required_takes_only_clients_with_a_certificate_of_the_authority(self):
        own = self.authority.issue("client")
        with tempfile.TemporaryDirectory() as folder:
            stranger = Authority(folder).issue("stranger")
            with self.server("required") as server:
                address = server.address()
                self.assertEqual(self.echo(address, self.context(own))[0], b"hello\n")
                for certificate in [None, stranger]:
                    self.assert_refused(address, self.context(certificate))

    def test_optional_takes_clients_without_one_too(self):
        own = self.authority.issue("client")
        with self.server("optional") as server:
            address = server.address()
            for certificate in [None, own]:
                self.assertEqual(self.echo(address, self.context(certificate))[0], b"hello\n")

    def assert_refused(self, address, context):
        # With TLS 1.3 the client learns it after its own side of the handshake is done.
        try:
            answer = self.echo(address, context)[0]
        except (ssl.SSLError, ConnectionResetError):
            return
        self.assertEqual(answer, b"")

    def server(self, client_auth):
        return Server("echo", *self.with_certificate, "--tls-client-ca", self.path("ca.pem"),
                      "--tls-client-auth", client_auth)


class KeyLog(TlsCase):
    def test_lines_are_appended_to_a_file_of_the_owner(self):
        path = self.path("keys")
        for times in (1, 2):
            with Server("echo", *self.with_certificate, "--tls-key-log", path) as server:
                self.echo(server.address())
                self.assertEqual(server.end(), 0)
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
            traffic = [line for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")]
            self.assertEqual(len(traffic), times, lines)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)


class Watch(TlsCase):
    def setUp(self):
        self.live = [self.path("live.pem"), self.path("live-key.pem")]
        self.install(self.authority.issue("old"))

    def install(self, files):
        for source, target in zip(files, self.live):
            shutil.copyfile(source, target + ".new")
            os.replace(target + ".new", target)

    def common_name(self, address):
        _, _, certificate = self.echo(address)
        return dict(pair[0] for pair in certificate["subject"])["commonName"]

    def test_replaced_files_are_used_for_new_connections_and_open_ones_go_on(self):
        with self.server() as server:
            address = server.address()
            with self.wrap(address, self.context()) as open_before:
                self.assertEqual(self.common_name(address), "old")
                self.install(self.authority.issue("new"))
                server.wait_for_error("generation 2")
                self.assertEqual(self.common_name(address), "new")
                open_before.sendall(b"still")
                self.assertEqual(open_before.recv(5), b"still")
            self.assertEqual(server.end(), 0)

    def test_files_that_cannot_be_used_leave_the_old_ones_in_force(self):
        with self.server() as server:
            address = server.address()
            chain, _ = self.authority.issue("new")
            self.install([chain])
            shown = server.wait_for_error("generation 1 stays")
            self.assertIn("live", shown)
            self.assertEqual(self.common_name(address), "old")
            self.install(self.authority.issue("newer"))
            server.wait_for_error("generation 2")
            self.assertEqual(self.common_name(address), "newer")

    def test_a_file_that_vanishes_is_named(self):
        with self.server() as server:
            address = server.address()
            os.unlink(self.live[1])
            shown = server.wait_for_error("generation 1 stays")
            self.assertIn(self.live[1], shown)
            self.assertEqual(self.common_name(address), "old")

    def server(self):
        return Server("echo", "--tls-cert", self.live[0], "--tls-key", self.live[1],
                      "--tls-watch")


if __name__ == "__main__":
    unittest.main()
