#!/usr/bin/env python3
"""Puts a real haproxy and a real nginx before examples/whoami.c, which must tell who connected.

Usage: proxy_interop_test.py PATH_OF_WHOAMI [unittest arguments]
Ends with status 77, which ctest shows as skipped, if one of the proxies is not installed.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
import unittest

from support import Process, connect, find_programs, run_tests, start_proxy, stream_module_line

LONGEST_RUN_S = 90  # of everything, then the processes are killed

HAPROXY = """\
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
listen version_1
  bind 127.0.0.1:{version_1}
  server whoami 127.0.0.1:{whoami} send-proxy
listen version_2
  bind 127.0.0.1:{version_2}
  server whoami 127.0.0.1:{whoami} send-proxy-v2
listen version_2_with_tlvs
  bind 127.0.0.1:{version_2_with_tlvs}
  server whoami 127.0.0.1:{whoami} send-proxy-v2 proxy-v2-options unique-id,crc32c
  unique-id-format interop-%rt
# These connect when the client has sent something, so that header and line leave in one write.
listen version_1_together
  bind 127.0.0.1:{version_1_together}
  tcp-request inspect-delay 10s
  tcp-request content accept if {{ req.len gt 0 }}
  server whoami 127.0.0.1:{whoami} send-proxy
listen version_2_together
  bind 127.0.0.1:{version_2_together}
  tcp-request inspect-delay 10s
  tcp-request content accept if {{ req.len gt 0 }}
  server whoami 127.0.0.1:{whoami} send-proxy-v2
# Its header says LOCAL, so that haproxy itself is the peer.
listen checked
  bind 127.0.0.1:{checked}
  server whoami 127.0.0.1:{whoami} send-proxy-v2 check inter 100ms
"""
HAPROXY_LISTENERS = ["version_1", "version_2", "version_2_with_tlvs", "version_1_together",
                     "version_2_together", "checked"]

NGINX = """\
{module}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
stream {{
  server {{
    listen 127.0.0.1:{nginx};
    proxy_pass 127.0.0.1:{whoami};
    proxy_protocol on;
  }}
}}
"""


def read_line(client):
    """The next line; what came of it if the stream ends before."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := client.recv(1)):
            break
        line += byte
    return line.decode()


def name_of(address):
    return f"{address[0]}:{address[1]}"


class Proxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        whoami = Process([WHOAMI, "tcp://127.0.0.1:0", "required", "127.0.0.0/8"])
        cls.addClassCleanup(whoami.kill)
        line = whoami.first_line()
        if not line.startswith("listening on "):
            raise AssertionError(f"whoami does not start: {whoami.errors()}")
        cls.ports = {"whoami": int(line.rsplit(":", 1)[1])}
        cls.start(HAPROXY, HAPROXY_LISTENERS,
                  lambda config: [PROGRAMS["haproxy"], "-db", "-q", "-f", config])
        cls.start(NGINX, ["nginx"], lambda config: [PROGRAMS["nginx"], "-e", "stderr", "-p",
                                                    cls.folder, "-c", config])

    @classmethod
    def start(cls, configuration, listeners, command):
        """Starts a proxy with a free port for each listener; cls.ports has the numbers then."""
        proxy, ports = start_proxy(
            cls.folder,
            lambda ports: configuration.format(folder=cls.folder, module=MODULE_LINE,
                                               whoami=cls.ports["whoami"], **ports),
            listeners, command)
        cls.addClassCleanup(proxy.kill)
        cls.ports.update(ports)

    def expect_client_via_proxy(self, client, line):
        peer, _, proxy = line.partition(" via ")
        self.assertEqual(peer, name_of(client.getsockname()))
        self.assertRegex(proxy, r"^127\.0\.0\.1:[1-9]\d*\n$")
        self.assertNotEqual(proxy.strip(), peer)

    def ask_through(self, name):
        """Two questions, so that the answer does not depend on what came with the header."""
        with connect(self.ports[name]) as client:
            client.sendall(b"who?\n")
            first = read_line(client)
            self.expect_client_via_proxy(client, first)
            client.sendall(b"and now?\n")
            self.assertEqual(read_line(client), first)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")

    def test_haproxy_with_version_1(self):
        self.ask_through("version_1")

    def test_haproxy_with_version_2(self):
        self.ask_through("version_2")

    def test_haproxy_with_version_2_and_tlvs(self):
        self.ask_through("version_2_with_tlvs")

    def test_haproxy_that_sends_header_and_line_together(self):
        for name in ["version_1_together", "version_2_together"]:
            with self.subTest(listener=name):
                self.ask_through(name)

    def test_haproxy_whose_checks_say_local(self):
        time.sleep(0.5)  # some checks; were they refused, haproxy would take the server away
        self.ask_through("checked")

    def test_nginx(self):
        self.ask_through("nginx")

    def test_lines_that_are_sent_at_once_come_back_in_order(self):
        for name in ["version_1", "version_2", "nginx"]:
            with self.subTest(listener=name), connect(self.ports[name]) as client:
                client.sendall(b"?\n" * 1000)
                for _ in range(1000):
                    self.expect_client_via_proxy(client, read_line(client))

    def test_many_clients_at_once_are_not_mixed_up(self):
        for name in ["version_1", "version_2", "nginx"]:
            with self.subTest(listener=name):
                clients = [connect(self.ports[name]) for _ in range(50)]
                try:
                    for client in clients:
                        client.sendall(b"who?\n")
                    for client in clients:
                        self.expect_client_via_proxy(client, read_line(client))
                finally:
                    for client in clients:
                        client.close()

    def test_header_and_line_in_one_write(self):
        address = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + (5000).to_bytes(2, "big") + b"\0\x50"
        for header in [b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n",
                       b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + address]:
            with self.subTest(header=header), connect(self.ports["whoami"]) as client:
                client.sendall(header + b"who?\n")
                self.assertEqual(read_line(client),
                                 f"192.0.2.7:5000 via {name_of(client.getsockname())}\n")

    def test_line_without_a_header_is_not_answered(self):
        with connect(self.ports["whoami"]) as client:
            client.sendall(b"who?\n")
            try:
                self.assertEqual(client.recv(1), b"")
            except ConnectionResetError:
                pass


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WHOAMI = os.path.abspath(sys.argv.pop(1))
    PROGRAMS = find_programs(["haproxy", "nginx"], "haproxy nginx-light libnginx-mod-stream")
    MODULE_LINE = stream_module_line(PROGRAMS["nginx"])
    run_tests(LONGEST_RUN_S)
