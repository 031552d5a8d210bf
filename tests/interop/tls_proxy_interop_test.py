#!/usr/bin/env python3
"""Puts haproxy, nginx, curl and socat before `tcpkit serve echo` with TLS.

Usage: tls_proxy_interop_test.py PATH_OF_TCPKIT [unittest arguments]
Ends with status 77, which ctest shows as skipped, if one of them is not installed.
"""

import os
import socket
import ssl
import threading
import time
import unittest

from support import (TIMEOUT_S, connect, exchange, find_programs, run_tests, start_proxy,
                     stream_module_line)
from tls_support import HOST, TlsCase, run

LONGEST_RUN_S = 170
BLOCK = os.urandom(1024 * 1024)
TRUSTED_PROXY = ["--proxy-protocol", "required", "--proxy-trusted", "127.0.0.0/8"]
PACKAGES = "haproxy nginx-light libnginx-mod-stream curl socat openssl"

# {verified} is TLS to the server, whose certificate must be valid for the host.
HAPROXY = """\
global
  ssl-server-verify required
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
listen to_tls
  bind 127.0.0.1:{to_tls}
  server echo 127.0.0.1:{ecdsa} {verified}
listen to_tls_1_2
  bind 127.0.0.1:{to_tls_1_2}
  server echo 127.0.0.1:{rsa} {verified} ssl-max-ver TLSv1.2
listen resuming
  bind 127.0.0.1:{resuming}
  server echo 127.0.0.1:{counted} {verified} ssl-max-ver TLSv1.2
listen to_tls_after_a_header
  bind 127.0.0.1:{to_tls_after_a_header}
  server echo 127.0.0.1:{behind_proxies} {verified} send-proxy-v2
listen to_tls_with_a_certificate
  bind 127.0.0.1:{to_tls_with_a_certificate}
  server echo 127.0.0.1:{client_auth} {verified} crt {client}
listen to_tls_without_a_certificate
  bind 127.0.0.1:{to_tls_without_a_certificate}
  server echo 127.0.0.1:{client_auth} {verified}
listen to_tls_of_another_name
  bind 127.0.0.1:{to_tls_of_another_name}
  server echo 127.0.0.1:{other} {verified}
listen checked
  bind 127.0.0.1:{checked}
  server echo 127.0.0.1:{ecdsa} {verified} check check-ssl inter 100ms
listen from_tls_to_tls
  bind 127.0.0.1:{from_tls_to_tls} ssl crt {own}
  server echo 127.0.0.1:{ecdsa} {verified}
listen from_tls
  bind 127.0.0.1:{from_tls} ssl crt {own} alpn http/1.1
  server echo 127.0.0.1:{plain} send-proxy-v2-ssl-cn proxy-v2-options authority,crc32c
frontend passed_through
  bind 127.0.0.1:{passed_through}
  tcp-request inspect-delay 10s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  use_backend others if {{ req.ssl_sni -i other.example }}
  default_backend ours
backend ours
  server echo 127.0.0.1:{behind_proxies} send-proxy-v2
backend others
  server echo 127.0.0.1:{other_behind_proxies} send-proxy-v2
"""
HAPROXY_LISTENERS = ["to_tls", "to_tls_1_2", "resuming", "to_tls_after_a_header",
                     "to_tls_with_a_certificate", "to_tls_without_a_certificate",
                     "to_tls_of_another_name", "checked", "from_tls_to_tls", "from_tls",
                     "passed_through"]

NGINX = """\
{module}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
stream {{
  proxy_ssl_server_name on;
  proxy_ssl_name {host};
  proxy_ssl_verify on;
  proxy_ssl_verify_depth 3;
  proxy_ssl_trusted_certificate {root};
  map $ssl_preread_server_name $passed {{
    other.example 127.0.0.1:{other_behind_proxies};
    default 127.0.0.1:{behind_proxies};
  }}
  server {{
    listen 127.0.0.1:{nginx_to_tls};
    proxy_ssl on;
    proxy_ssl_protocols TLSv1.3;
    proxy_pass 127.0.0.1:{ecdsa};
  }}
  server {{
    listen 127.0.0.1:{nginx_to_tls_1_2};
    proxy_ssl on;
    proxy_ssl_protocols TLSv1.2;
    proxy_pass 127.0.0.1:{rsa};
  }}
  server {{
    listen 127.0.0.1:{nginx_to_tls_after_a_header};
    proxy_ssl on;
    proxy_protocol on;
    proxy_pass 127.0.0.1:{behind_proxies};
  }}
  server {{
    listen 127.0.0.1:{nginx_to_tls_with_a_certificate};
    proxy_ssl on;
    proxy_ssl_certificate {client};
    proxy_ssl_certificate_key {client};
    proxy_pass 127.0.0.1:{client_auth};
  }}
  server {{
    listen 127.0.0.1:{nginx_to_tls_of_another_name};
    proxy_ssl on;
    proxy_pass 127.0.0.1:{other};
  }}
  server {{
    listen 127.0.0.1:{nginx_from_tls} ssl;
    ssl_certificate {own};
    ssl_certificate_key {own};
    proxy_protocol on;
    proxy_pass 127.0.0.1:{plain};
  }}
  server {{
    listen 127.0.0.1:{nginx_passed_through};
    ssl_preread on;
    proxy_protocol on;
    proxy_pass $passed;
  }}
}}
"""
NGINX_LISTENERS = ["nginx_to_tls", "nginx_to_tls_1_2", "nginx_to_tls_after_a_header",
                   "nginx_to_tls_with_a_certificate", "nginx_to_tls_of_another_name",
                   "nginx_from_tls", "nginx_passed_through"]


class ServedCase(TlsCase):
    """Has a server of each kind; cls.ports has the numbers of their ports."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority.issue_client("client")
        other = cls.authority.issue_server("other", host="other.example")
        demand = ["--tls-client-ca", cls.root, "--tls-client-auth", "required"]
        cls.servers = {
            "ecdsa": cls.start_for_all(*cls.ecdsa, "--alpn", "http/1.1"),
            "rsa": cls.start_for_all(*cls.rsa),
            "counted": cls.start_for_all(*cls.rsa),
            "other": cls.start_for_all(*other),
            "client_auth": cls.start_for_all(*cls.ecdsa, *demand),
            "behind_proxies": cls.start_for_all(*cls.ecdsa, *TRUSTED_PROXY),
            "other_behind_proxies": cls.start_for_all(*other, *TRUSTED_PROXY),
            "plain": cls.start_for_all(*TRUSTED_PROXY)}
        cls.ports = {name: server.port for name, server in cls.servers.items()}

    @classmethod
    def server_files(cls):
        return {"root": cls.root, "own": cls.authority.path("ecdsa-all.pem"),
                "client": cls.authority.path("client-all.pem")}


class ProxyCase(ServedCase):
    """Has a proxy before the servers; cls.ports has those of its listeners too."""

    @classmethod
    def start_before_all(cls, configuration, listeners, command, **settings):
        proxy, ports = start_proxy(
            cls.folder, lambda ports: configuration.format(**settings, **cls.server_files(),
                                                           **cls.ports, **ports),
            listeners, command)
        cls.addClassCleanup(proxy.kill)
        cls.ports.update(ports)

    def tls(self, listener, host=HOST, client=None):
        context = self.context()
        return context.wrap_socket(client or connect(self.ports[listener]), server_hostname=host)

    def expect_echo(self, client):
        with client:
            self.assertEqual(exchange(client, b"who?\n"), b"who?\n")
            self.assertEqual(exchange(client, BLOCK), BLOCK)

    def expect_plain_echo(self, *listeners):
        for listener in listeners:
            with self.subTest(listener=listener):
                self.expect_echo(connect(self.ports[listener]))

    def expect_nothing(self, listener):
        """The connection must end without an answer."""
        with connect(self.ports[listener]) as client:
            try:
                client.sendall(b"who?\n")
                self.assertEqual(client.recv(1), b"")
            except (ConnectionResetError, BrokenPipeError):
                pass

    def expect_passed_through(self, listener):
        """Which server is reached depends on the name; the certificate tells which it was."""
        for host in [HOST, "other.example"]:
            for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
                with self.subTest(listener=listener, host=host, version=version):
                    context = self.context()
                    context.minimum_version = context.maximum_version = version
                    self.expect_echo(context.wrap_socket(connect(self.ports[listener]),
                                                         server_hostname=host))

    def expect_many_at_once(self, *listeners):
        for listener in listeners:
            with self.subTest(listener=listener):
                clients = [connect(self.ports[listener]) for _ in range(50)]
                try:
                    for number, client in enumerate(clients):
                        client.sendall(f"this is {number:2}\n".encode())
                    for number, client in enumerate(clients):
                        self.assertEqual(client.recv(11, socket.MSG_WAITALL),
                                         f"this is {number:2}\n".encode())
                finally:
                    for client in clients:
                        client.close()


class Haproxy(ProxyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        verified = f"ssl verify required ca-file {cls.root} verifyhost {HOST} sni str({HOST})"
        cls.start_before_all(HAPROXY, HAPROXY_LISTENERS,
                             lambda config: [PROGRAMS["haproxy"], "-db", "-q", "-f", config],
                             verified=verified)

    def test_to_tls(self):
        self.expect_plain_echo("to_tls", "to_tls_1_2")

    def test_to_tls_after_a_header(self):
        self.expect_plain_echo("to_tls_after_a_header")

    def test_client_certificate(self):
        self.expect_plain_echo("to_tls_with_a_certificate")
        self.expect_nothing("to_tls_without_a_certificate")

    def test_it_sees_that_a_certificate_is_for_another_name(self):
        self.expect_nothing("to_tls_of_another_name")

    def test_checks(self):
        time.sleep(0.5)  # some checks; were they refused, haproxy would take the server away
        self.expect_plain_echo("checked")

    def test_tls_on_both_sides(self):
        self.expect_echo(self.tls("from_tls_to_tls"))

    def test_ending_tls_before_the_server(self):
        self.expect_echo(self.tls("from_tls"))

    def test_passing_tls_through(self):
        self.expect_passed_through("passed_through")

    def test_many_at_once(self):
        self.expect_many_at_once("to_tls", "to_tls_1_2", "to_tls_after_a_header")

    def test_sessions_are_resumed(self):
        server = self.servers["counted"]
        for _ in range(5):
            self.expect_plain_echo("resuming")
        status, _ = server.end()
        self.assertEqual(status, 0)
        self.assertRegex(server.process.process.stdout.read().decode() + server.process.errors(),
                         r"\([1-9]\d* resumed\)")


class Nginx(ProxyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_before_all(NGINX, NGINX_LISTENERS,
                             lambda config: [PROGRAMS["nginx"], "-e", "stderr", "-p", cls.folder,
                                             "-c", config],
                             module=stream_module_line(PROGRAMS["nginx"]), folder=cls.folder,
                             host=HOST)

    def test_to_tls(self):
        for _ in range(3):  # the second one resumes the session of the first
            self.expect_plain_echo("nginx_to_tls", "nginx_to_tls_1_2")

    def test_to_tls_after_a_header(self):
        self.expect_plain_echo("nginx_to_tls_after_a_header")

    def test_client_certificate(self):
        self.expect_plain_echo("nginx_to_tls_with_a_certificate")

    def test_it_sees_that_a_certificate_is_for_another_name(self):
        self.expect_nothing("nginx_to_tls_of_another_name")

    def test_ending_tls_before_the_server(self):
        self.expect_echo(self.tls("nginx_from_tls"))

    def test_passing_tls_through(self):
        self.expect_passed_through("nginx_passed_through")

    def test_many_at_once(self):
        self.expect_many_at_once("nginx_to_tls", "nginx_to_tls_1_2", "nginx_to_tls_after_a_header")


class Headers(ServedCase):
    """What proxies do not do: a header of version 2 and a handshake cut anywhere."""

    HEADER = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 1]) +
              b"\x13\x88\0\x50")

    def handshake(self, first_write):
        """Sends the header and the hello of the client, first_write bytes of them in one write;
        returns what a line is answered with."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context().wrap_bio(incoming, outgoing, server_hostname=HOST)
        with connect(self.ports["behind_proxies"]) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def run_to_end(action, *arguments):
                while True:
                    try:
                        return action(*arguments)
                    except ssl.SSLWantReadError:
                        client.sendall(outgoing.read())
                        incoming.write(client.recv(65536))

            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                hello = self.HEADER + outgoing.read()
            client.sendall(hello[:first_write])
            time.sleep(0.02)
            client.sendall(hello[first_write:])
            incoming.write(client.recv(65536))
            run_to_end(tls.do_handshake)
            tls.write(b"who?\n")
            client.sendall(outgoing.read())
            return run_to_end(tls.read, 100)

    def test_cut_anywhere(self):
        for first_write in [1, 15, 16, 27, 28, 29, 33, 34, 100, 10000]:
            with self.subTest(first_write=first_write):
                self.assertEqual(self.handshake(first_write), b"who?\n")


class Curl(ServedCase):
    """The request is such that its echo is an answer of HTTP, with the body that was posted."""

    def curl(self, name, *arguments, data=b"hello", host=HOST, **options):
        port = self.ports[name]
        return run(PROGRAMS["curl"], "--silent", "--show-error", "--max-time", str(TIMEOUT_S),
                   "--resolve", f"{host}:{port}:127.0.0.1", "--cacert", self.root, "--http1.1",
                   "--request", "HTTP/1.1 200", "--header", "Expect:", "--data-binary", "@-",
                   *arguments, f"https://{host}:{port}/", input=data, **options)

    def test_versions(self):
        for version in [["--tls-max", "1.2"], ["--tlsv1.3"]]:
            for name in ["ecdsa", "rsa"]:
                with self.subTest(version=version, name=name):
                    done = self.curl(name, *version, "--write-out", "%{ssl_verify_result}")
                    self.assertEqual(done.stdout, b"hello0")

    def test_a_block(self):
        done = self.curl("ecdsa", "--no-buffer", data=BLOCK)
        self.assertEqual(done.stdout, BLOCK)

    def test_two_requests_on_one_connection(self):
        done = self.curl("ecdsa", "--write-out", "%{num_connects}\n",
                         f"https://{HOST}:{self.ports['ecdsa']}/again")
        self.assertEqual(done.stdout, b"hello1\nhello0\n")

    def test_the_protocol_is_agreed_on(self):
        self.assertIn(b"server accepted http/1.1", self.curl("ecdsa", "--verbose").stderr)

    def test_another_name_is_refused_by_the_client(self):
        done = self.curl("ecdsa", host="other.example", check=False)
        self.assertEqual(done.returncode, 60, done.stderr)

    def test_client_certificate(self):
        certificate = ["--cert", self.authority.path("client-all.pem")]
        self.assertEqual(self.curl("client_auth", *certificate).stdout, b"hello")
        self.assertNotEqual(self.curl("client_auth", check=False).returncode, 0)


class Socat(ServedCase):
    def socat(self, name, options, data=BLOCK, **more):
        """Sends data and close_notify, and returns all that comes back until the server ends."""
        address = f"OPENSSL:127.0.0.1:{self.ports[name]},cafile={self.root},verify=1,{options}"
        return run(PROGRAMS["socat"], f"-t{TIMEOUT_S}", "-", address, input=data, **more)

    def test_a_block_comes_back(self):
        for version in ["TLS1.2", "TLS1.3"]:
            for name in ["ecdsa", "rsa"]:
                with self.subTest(version=version, name=name):
                    done = self.socat(name, f"commonname={HOST},snihost={HOST},"
                                            f"openssl-min-proto-version={version},"
                                            f"openssl-max-proto-version={version}")
                    self.assertEqual(done.stdout, BLOCK)

    def test_client_certificate(self):
        done = self.socat("client_auth", f"commonname={HOST},"
                          f"cert={self.authority.path('client-all.pem')}")
        self.assertEqual(done.stdout, BLOCK)

    def test_another_name_is_refused_by_the_client(self):
        self.assertNotEqual(self.socat("other", f"commonname={HOST}", check=False).returncode, 0)

    def test_several_at_once(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.socat("ecdsa", f"commonname={HOST}").stdout)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [BLOCK] * 5)


if __name__ == "__main__":
    PROGRAMS = find_programs(["haproxy", "nginx", "curl", "socat", "openssl"], PACKAGES)
    run_tests(LONGEST_RUN_S)
