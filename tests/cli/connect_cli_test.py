#!/usr/bin/env python3
"""Tests of `tcpkit connect`, mostly against `tcpkit serve`."""

import re
import socket
import subprocess
import threading
import unittest

from harness import PROGRAM, TIMEOUT_S, Server, clean_environment, run


def connect_to(address, *arguments, sent=b"", **variables):
    """Runs `tcpkit connect` to its end, with these bytes on stdin."""
    return subprocess.run([PROGRAM, "connect", address, *arguments], input=sent,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S,
                          env=clean_environment(**variables), check=False)


class Listener:
    """A socket that listens on a free port, for one client at a time."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(TIMEOUT_S)
        self.address = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"

    def accept(self):
        client = self.socket.accept()[0]
        client.settimeout(TIMEOUT_S)
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Carrying(unittest.TestCase):
    def test_bytes_go_as_they_are(self):
        sent = bytes(range(256)) * 4096
        with Server("echo") as server:
            done = connect_to(server.address(), sent=sent)
        self.assertEqual((0, sent), (done.returncode, done.stdout))
        self.assertRegex(done.stderr.decode(), r"^connected to 127\.0\.0\.1:\d+\n$")

    def test_lines_are_packets_in_any_framing(self):
        for framing in ("line", "crlf", "len4be", "varint"):
            with Server("echo", "--framing", framing) as server:
                done = connect_to(server.address(), "--framing", framing, sent=b"one\n\ntwo")
            self.assertEqual((0, b"one\n\ntwo\n"), (done.returncode, done.stdout), framing)

    def test_quiet_prints_what_arrives_and_nothing_else(self):
        with Server("echo") as server:
            done = connect_to(server.address(), "-q", sent=b"x")
        self.assertEqual((b"x", b""), (done.stdout, done.stderr))

    def test_the_end_of_stdin_is_the_end_of_our_stream_only(self):
        with Listener() as listener:
            received = []

            def answer_at_the_end():
                with listener.accept() as client:
                    while chunk := client.recv(100):
                        received.append(chunk)
                    client.sendall(b"goodbye")

            thread = threading.Thread(target=answer_at_the_end)
            thread.start()
            done = connect_to(listener.address, sent=b"hello")
            thread.join()
        self.assertEqual((0, b"goodbye", [b"hello"]), (done.returncode, done.stdout, received))

    def test_it_ends_when_the_peer_does_though_stdin_is_open(self):
        with Listener() as listener:
            process = subprocess.Popen([PROGRAM, "connect", listener.address],
                                       stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       env=clean_environment())
            listener.accept().close()
            self.assertEqual(0, process.wait(TIMEOUT_S))
            process.stdin.close()

    def test_over_tls_between_our_two_ends(self):
        with Server("echo", "--tls-self-signed", "--framing", "line") as server:
            address = server.address()
            done = connect_to(address, "--insecure", "--framing", "line", sent=b"sealed\n")
            refused = connect_to(address, "--tls")
        self.assertEqual((0, b"sealed\n"), (done.returncode, done.stdout))
        self.assertIn(b"TLS 1.3", done.stderr)
        self.assertEqual(1, refused.returncode)
        self.assertIn(b"self-signed certificate", refused.stderr)

    def test_a_proxy_header_names_whom_it_is_told_to(self):
        with Listener() as listener:
            process = subprocess.Popen(
                [PROGRAM, "connect", listener.address, "--proxy-header", "v1", "--proxy-source",
                 "192.0.2.7:5000", "--proxy-destination", "192.0.2.1:80"],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
            with listener.accept() as client:
                line = client.makefile("rb").readline()
            self.assertEqual(0, process.wait(TIMEOUT_S))
        self.assertEqual(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n", line)


class Failing(unittest.TestCase):
    def test_a_refused_port_is_status_1_with_what_was_tried(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            done = connect_to(f"tcp://127.0.0.1:{port}")
        self.assertEqual(1, done.returncode)
        self.assertEqual(f'tcpkit: cannot connect to "tcp://127.0.0.1:{port}": 127.0.0.1:{port}: '
                         "Connection refused\n", done.stderr.decode())

    def test_a_reset_is_status_1(self):
        with Listener() as listener:
            process = subprocess.Popen([PROGRAM, "connect", listener.address],
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=clean_environment())
            client = listener.accept()
            self.assertIn(b"connected to", process.stderr.readline())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(1, process.returncode)
        self.assertIn(b"the connection ended: PEER_RESET", errors)

    def test_what_does_not_exist_is_status_2(self):
        for arguments in (["tcp://127.0.0.1"], ["tcp://127.0.0.1:1", "--no-such-flag"], [],
                          ["tcp://127.0.0.1:1", "--framing", "nonsense"],
                          ["tcp://127.0.0.1:1", "--proxy-source", "192.0.2.1:1"]):
            self.assertEqual(2, run("connect", *arguments).returncode, arguments)

    def test_attempts_follow_until_the_last(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            done = connect_to(f"tcp://127.0.0.1:{bound.getsockname()[1]}", "--reconnect",
                              "--reconnect-min-ms", "1", "--max-attempts", "3")
        self.assertEqual(1, done.returncode)
        self.assertEqual(2, done.stderr.count(b"next attempt in"))


class Reconnecting(unittest.TestCase):
    def test_it_comes_back_and_ends_with_stdin(self):
        with Listener() as listener:
            process = subprocess.Popen([PROGRAM, "connect", listener.address, "--reconnect",
                                        "--reconnect-min-ms", "1"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       env=clean_environment())
            for _ in range(3):
                listener.accept().close()
            with listener.accept() as client:
                process.stdin.write(b"still here")
                process.stdin.close()
                received = b""
                while chunk := client.recv(100):
                    received += chunk
            self.assertEqual(b"still here", received)
            self.assertEqual(0, process.wait(TIMEOUT_S))
            process.stdout.close()


class Flags(unittest.TestCase):
    def test_every_flag_can_come_from_the_environment(self):
        with Server("echo", "--framing", "line") as server:
            done = connect_to(server.address(), sent=b"a\n", TCPKIT_FRAMING="line")
        self.assertEqual((0, b"a\n"), (done.returncode, done.stdout))

    def test_the_help_has_a_heading_for_every_flag(self):
        text = run("connect", "--help").stdout
        self.assertNotIn("Other client options", text)
        for flag in ("--cacert", "--insecure", "--source", "--proxy-header", "--server-name"):
            self.assertTrue(re.search(rf"^\s+{flag}\b", text, re.M), flag)


if __name__ == "__main__":
    unittest.main()
