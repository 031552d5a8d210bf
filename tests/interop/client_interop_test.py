#!/usr/bin/env python3
"""Talks with `tcpkit connect` to the TLS servers of others: openssl s_server, haproxy, nginx, socat.

Usage: client_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, if one of the programs is not installed.
"""

import re
import subprocess
import time

from support import TIMEOUT_S, Process, find_programs, free_ports, run_tests, start_proxy
from support import stream_module_line
from tls_support import HOST, LEAF, PROGRAM, TlsCase, clean_environment, run

LONGEST_RUN_S = 170
PACKAGES = "haproxy nginx-light libnginx-mod-stream socat openssl"
LINES = b"".join(b"line number %d\n" % number for number in range(2000))


class Openssl:
    """A running `openssl s_server`."""

    def __init__(self, *arguments, stdin=subprocess.DEVNULL):
        for _ in range(5):
            self.port = free_ports(1)[0]
            self.process = subprocess.Popen(
                ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", *arguments],
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
                env=clean_environment())
            output = b""
            while b"ACCEPT" not in output and (chunk := self.process.stdout.read(4096)):
                output += chunk
            if b"ACCEPT" in output:
                return
            self.kill()
        raise AssertionError(f"openssl s_server does not start: {output.decode()}")

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        if self.process.stdin:
            self.process.stdin.close()


class ClientCase(TlsCase):
    def connect(self, address, *arguments, sent=b"", check=True):
        """Runs `tcpkit connect` that trusts our authority; returns what it has done."""
        return run(PROGRAM, "connect", address, "--cacert", self.root, "--server-name", HOST,
                   *arguments, input=sent, check=check)

    def files(self, name="ecdsa"):
        return ["-cert", self.authority.path(f"{name}-chain.pem"), "-key",
                self.authority.path(f"{name}-key.pem"), "-cert_chain",
                self.authority.path(f"{name}-chain.pem")]

    def openssl(self, *arguments, name="ecdsa", **options):
        server = Openssl(*self.files(name), *arguments, **options)
        self.addCleanup(server.kill)
        return server

    def expect_refused(self, server, wanted, *arguments):
        done = self.connect(server.address, *arguments, check=False)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertRegex(done.stderr.decode(), wanted)
        self.assertEqual(b"", done.stdout)


class OpensslServer(ClientCase):
    def test_both_versions_with_both_keys(self):
        for version, told in (("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")):
            for key in ("ecdsa", "rsa"):
                with self.subTest(version=version, key=key):
                    server = self.openssl("-rev", version, name=key)
                    done = self.connect(server.address, "--framing", "line", sent=b"abc\nCLOSE\n")
                    self.assertEqual(b"cba\n", done.stdout)
                    self.assertIn(told, done.stderr.decode())

    def test_protocols(self):
        server = self.openssl("-rev", "-alpn", "other,echo")
        done = self.connect(server.address, "--alpn", "echo", "--framing", "line",
                            sent=b"abc\nCLOSE\n")
        self.assertEqual(b"cba\n", done.stdout)
        self.assertIn("ALPN echo", done.stderr.decode())

    def test_names(self):
        # The certificate that is only shown to who asks for its name; no chain can be given for it.
        self.authority.issue("named", "root", LEAF.format(purpose="serverAuth", host=HOST))
        self.authority.issue_server("unnamed", host="other.example")
        server = self.openssl("-rev", "-servername", HOST, "-servername_fatal", "-cert2",
                              self.authority.path("named.pem"), "-key2",
                              self.authority.path("named-key.pem"), name="unnamed")
        done = self.connect(server.address, "--framing", "line", sent=b"abc\nCLOSE\n")
        self.assertEqual(b"cba\n", done.stdout)

    def test_client_certificates(self):
        self.authority.issue_client("visitor")
        for version in ("-tls1_2", "-tls1_3"):
            server = self.openssl("-rev", version, "-Verify", "2", "-verify_return_error",
                                  "-CAfile", self.root)
            done = self.connect(server.address, "--tls-cert",
                                self.authority.path("visitor-chain.pem"), "--tls-key",
                                self.authority.path("visitor-key.pem"), "--framing", "line",
                                sent=b"abc\nCLOSE\n")
            self.assertEqual(b"cba\n", done.stdout)
            done = self.connect(server.address, sent=b"abc\n", check=False)
            self.assertEqual(1, done.returncode)
            self.assertRegex(done.stderr.decode(), "alert (116|40)")

    def test_sessions_are_resumed(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version=version):
                server = self.openssl("-rev", version)
                client = subprocess.Popen(
                    [PROGRAM, "connect", server.address, "--cacert", self.root, "--server-name",
                     HOST, "--framing", "line", "--reconnect", "--reconnect-min-ms", "1"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    bufsize=0, env=clean_environment())
                try:
                    client.stdin.write(b"abc\n")
                    self.assertEqual(b"cba\n", client.stdout.readline())
                    client.stdin.write(b"CLOSE\n")
                    told = b""
                    while b"resumed" not in told and (line := client.stderr.readline()):
                        told += line
                    self.assertIn(b"resumed", told)
                    client.stdin.write(b"abc\n")
                    self.assertEqual(b"cba\n", client.stdout.readline())
                finally:
                    client.kill()
                    client.communicate()

    def test_key_updates(self):
        server = self.openssl("-tls1_3", stdin=subprocess.PIPE)
        client = subprocess.Popen(
            [PROGRAM, "connect", server.address, "--cacert", self.root, "--server-name", HOST],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=clean_environment())
        try:
            self.assertIn(b"connected", client.stderr.readline())
            for command, text in ((b"k\n", b"after k\n"), (b"K\n", b"after K\n")):
                server.process.stdin.write(b"first\n")
                self.assertEqual(b"first\n", client.stdout.readline())
                time.sleep(0.3)
                server.process.stdin.write(command)
                time.sleep(0.3)  # a command is one only if it is read alone
                server.process.stdin.write(text)
                self.assertEqual(text, client.stdout.readline())
                client.stdin.write(b"answer " + text)
                self.read_until(server, b"answer " + text)
        finally:
            client.kill()
            client.communicate()

    def read_until(self, server, wanted):
        seen = b""
        while wanted not in seen:
            chunk = server.process.stdout.read(4096)
            self.assertTrue(chunk, seen)
            seen += chunk

    def test_each_wrong_certificate_is_told(self):
        self.authority.issue("selfsigned", None, LEAF.format(purpose="serverAuth", host=HOST))
        self.authority.issue("visitor2", "intermediate",
                             LEAF.format(purpose="clientAuth", host=HOST))
        self.authority.issue_server("elsewhere", host="other.example")
        for name, wanted in (("selfsigned", "self-signed certificate"),
                             ("elsewhere", "(?i)host ?name mismatch"),
                             ("visitor2", "(?i)purpose")):
            with self.subTest(name=name):
                self.expect_refused(self.openssl("-rev", name=name), wanted)
        unknown = run(PROGRAM, "connect", self.openssl("-rev").address, "--tls", "--server-name",
                      HOST, input=b"", check=False)
        self.assertEqual(1, unknown.returncode)
        self.assertRegex(unknown.stderr.decode(), "(issuer|unknown CA)")

    def test_no_version_in_common(self):
        self.expect_refused(self.openssl("-rev", "-tls1_2"), "alert 70", "--tls-min", "1.3")

    def test_a_server_that_is_killed_is_a_failure(self):
        server = self.openssl("-rev")
        client = subprocess.Popen(
            [PROGRAM, "connect", server.address, "--cacert", self.root, "--server-name", HOST],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=clean_environment())
        client.stdin.write(b"abc\n")
        self.assertEqual(b"cba\n", client.stdout.readline())
        server.process.kill()
        _, errors = client.communicate(timeout=TIMEOUT_S)
        self.assertEqual(1, client.returncode)
        self.assertRegex(errors.decode(), "TLS_TRUNCATED|PEER_RESET")


HAPROXY = """\
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
listen tls
  bind 127.0.0.1:{tls} ssl crt {own} alpn echo
  server echo 127.0.0.1:{echo}
listen tls_1_2
  bind 127.0.0.1:{tls_1_2} ssl crt {own} ssl-max-ver TLSv1.2
  server echo 127.0.0.1:{echo}
listen after_a_header
  bind 127.0.0.1:{after_a_header} accept-proxy ssl crt {own}
  server echo 127.0.0.1:{whole} send-proxy
"""

NGINX = """\
{module}
worker_processes 1;
daemon off;
pid {folder}/client-nginx.pid;
error_log stderr;
events {{}}
stream {{
  ssl_certificate {chain};
  ssl_certificate_key {key};
  server {{
    listen 127.0.0.1:{nginx_tls} ssl;
    proxy_pass 127.0.0.1:{echo};
  }}
  server {{
    listen 127.0.0.1:{nginx_after_a_header} ssl proxy_protocol;
    return "$proxy_protocol_addr:$proxy_protocol_port\\n";
  }}
}}
"""


class Proxies(ClientCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        echo = cls.start_for_all().port
        whole = cls.start_for_all("--proxy-protocol", "required", "--proxy-trusted",
                                  "127.0.0.0/8").port
        haproxy, cls.ports = start_proxy(
            cls.folder,
            lambda ports: HAPROXY.format(echo=echo, whole=whole, own=cls.authority.path(
                "ecdsa-all.pem"), **ports),
            ["tls", "tls_1_2", "after_a_header"],
            lambda config: [PROGRAMS["haproxy"], "-db", "-q", "-f", config])
        cls.addClassCleanup(haproxy.kill)
        nginx, ports = start_proxy(
            cls.folder,
            lambda ports: NGINX.format(module=stream_module_line(PROGRAMS["nginx"]),
                                       folder=cls.folder, echo=echo,
                                       chain=cls.authority.path("ecdsa-chain.pem"),
                                       key=cls.authority.path("ecdsa-key.pem"), **ports),
            ["nginx_tls", "nginx_after_a_header"],
            lambda config: [PROGRAMS["nginx"], "-e", "stderr", "-p", cls.folder, "-c", config])
        cls.addClassCleanup(nginx.kill)
        cls.ports.update(ports)

    def at(self, listener):
        return f"tcp://127.0.0.1:{self.ports[listener]}"

    def test_what_is_sent_comes_back(self):
        for listener in ("tls", "tls_1_2", "nginx_tls"):
            with self.subTest(listener=listener):
                client = subprocess.Popen(
                    [PROGRAM, "connect", self.at(listener), "--cacert", self.root,
                     "--server-name", HOST, "--framing", "line"], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
                client.stdin.write(LINES)
                client.stdin.flush()
                received = b"".join(client.stdout.readline() for _ in range(LINES.count(b"\n")))
                self.assertEqual(LINES, received)
                client.stdin.close()
                client.wait(2 * TIMEOUT_S)
                client.stdout.close()

    def test_haproxy_agrees_on_a_protocol(self):
        done = self.connect(self.at("tls"), "--alpn", "h2,echo", check=False)
        self.assertIn("ALPN echo", done.stderr.decode())

    def test_proxy_headers_before_tls(self):
        for version in ("v1", "v2"):
            done = self.connect(self.at("nginx_after_a_header"), "--proxy-header", version,
                                "--proxy-source", "192.0.2.7:5000", "--proxy-destination",
                                "192.0.2.1:80", check=False)
            self.assertEqual(b"192.0.2.7:5000\n", done.stdout, done.stderr)
            done = self.connect(self.at("after_a_header"), "--proxy-header", version,
                                "--framing", "line", sent=b"hello\n", check=False)
            self.assertEqual(b"hello\n", done.stdout, done.stderr)


class Socat(ClientCase):
    def test_over_tls_and_a_unix_path(self):
        own = self.authority.path("ecdsa-all.pem")
        path = self.authority.path("socket")
        port = free_ports(1)[0]
        for listen, address in ((f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,cert={own},"
                                 "verify=0", f"tcp://127.0.0.1:{port}"),
                                (f"UNIX-LISTEN:{path},fork", f"unix://{path}")):
            server = Process([PROGRAMS["socat"], listen, "PIPE"], clean_environment())
            self.addCleanup(server.kill)
            deadline = time.monotonic() + TIMEOUT_S
            flags = [] if address.startswith("unix") else ["--cacert", self.root,
                                                           "--server-name", HOST]
            done = None
            while time.monotonic() < deadline:
                done = run(PROGRAM, "connect", address, *flags, input=b"x" * 100_000, check=False)
                if done.returncode == 0 or not re.search(rb"refused|No such file", done.stderr):
                    break
                time.sleep(0.05)
            self.assertEqual(b"x" * 100_000, done.stdout, done.stderr)


if __name__ == "__main__":
    PROGRAMS = find_programs(["haproxy", "nginx", "socat", "openssl"], PACKAGES)
    run_tests(LONGEST_RUN_S)
