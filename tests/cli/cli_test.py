#!/usr/bin/env python3
"""Runs the program tcpkit as its users do: command lines, real sockets, signals, exit statuses.

Usage: cli_test.py PATH_OF_TCPKIT [unittest arguments]
"""

import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

from harness import (PROGRAM, TIMEOUT_S, Server, clean_environment, connect, exchange,
                     flags_of_help, groups_of_help, is_tls_flag, read_to_end, run, runs_as)


def varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def prefixed(packets, prefix):
    return b"".join(prefix(len(packet)) + packet for packet in packets)


SMALL_PACKETS = [b"", b"one", b"x" * 200]
LARGE_PACKETS = SMALL_PACKETS + [bytes(range(1, 9)) * 5000]
FRAMED_STREAMS = {
    "none": b"any\0bytes\r\n",
    "line": b"one\n\nthree \r\n",
    "crlf": b"one\r\n\r\nthree\n \r\n",
    "nul": b"one\0\0three\n\0",
    "len1": prefixed(SMALL_PACKETS, lambda size: struct.pack("B", size)),
    "len2be": prefixed(LARGE_PACKETS, lambda size: struct.pack(">H", size)),
    "len2le": prefixed(LARGE_PACKETS, lambda size: struct.pack("<H", size)),
    "len3be": prefixed(LARGE_PACKETS, lambda size: struct.pack(">I", size)[1:]),
    "len3le": prefixed(LARGE_PACKETS, lambda size: struct.pack("<I", size)[:3]),
    "len4be": prefixed(LARGE_PACKETS, lambda size: struct.pack(">I", size)),
    "len4le": prefixed(LARGE_PACKETS, lambda size: struct.pack("<I", size)),
    "len8be": prefixed(LARGE_PACKETS, lambda size: struct.pack(">Q", size)),
    "len8le": prefixed(LARGE_PACKETS, lambda size: struct.pack("<Q", size)),
    "varint": prefixed(LARGE_PACKETS, varint),
    "varlong": prefixed(LARGE_PACKETS, varint),
    "kafka": prefixed(LARGE_PACKETS, lambda size: struct.pack(">I", size)),
    "minecraft": prefixed(LARGE_PACKETS, varint),
    "mqtt": b"\xc0\x00" + b"\x30" + varint(300) + b"p" * 300,
    "fixed:5": b"abcdefghij",
    "separator:--": b"one----three-\n--",
    r"separator:\r\x00": b"one\r\0\r\0three\r\0",
}


class Program(unittest.TestCase):
    def test_version_is_printed(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^tcpkit \d+\.\d+\.\d+\n$")

    def test_help_succeeds_and_names_the_subcommand(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("serve", result.stdout)

    def test_help_of_serve_shows_every_promised_flag_and_the_environment(self):
        promised = ["listen", "framing", "max-packet-size", "oversize", "loops",
                    "read-buffer-size", "pool-size", "read-quantum-ms", "log-level"]
        self.assertLessEqual(set(promised), set(flags_of_help()))
        text = run("serve", "--help").stdout
        self.assertIn("--quiet", text)
        self.assertIn("TCPKIT_MAX_PACKET_SIZE", text)

    def test_help_of_serve_groups_the_server_options(self):
        groups = groups_of_help()
        for title, flags in {
                "Listening": {"listen", "reuse-port"},
                "Limits": {"max-connections", "max-connections-per-address",
                           "max-connections-per-prefix", "prefix-v4", "prefix-v6",
                           "max-accepts-per-second", "at-limit"},
                "PROXY protocol": {"proxy-protocol", "proxy-trusted", "proxy-timeout-ms"},
                "Framing": {"framing", "max-packet-size"},
                "Loops": {"loops", "pool-size"},
                "Flow control": {"high-watermark", "low-watermark", "max-queued-bytes",
                                 "max-buffered-bytes", "pause-above-high"},
                "Timeouts and endings": {"idle-timeout-ms", "read-timeout-ms",
                                         "write-timeout-ms", "drain-timeout-ms"},
                "Sockets": {"no-delay", "keep-alive-ms"},
                "Other server options": {"log-level"}}.items():
            with self.subTest(group=title):
                self.assertLessEqual(flags, groups.get(title, set()))

    def test_no_subcommand_is_a_usage_error(self):
        self.assertEqual(run().returncode, 2)


class UsageErrors(unittest.TestCase):
    """Each ends with status 2, prints nothing to stdout, and names what is wrong."""

    # What else is given, where the server itself looks at a value.
    NEEDED_TO_CHECK = {
        "proxy-trusted": ["--listen", "tcp://127.0.0.1:0", "--proxy-protocol", "required"]}

    def refuse(self, named, *arguments, **variables):
        result = run("serve", *arguments, **variables)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assertTrue(result.stderr.startswith("tcpkit: "), result.stderr)
        for text in named:
            self.assertIn(text, result.stderr)

    def test_missing_address(self):
        self.refuse(["--listen"], "echo")

    def test_missing_service(self):
        self.refuse(["SERVICE"], "--listen", "tcp://127.0.0.1:0")

    def test_unknown_service(self):
        self.refuse(["'talk'", "echo", "discard", "chat"], "talk", "--listen", "tcp://127.0.0.1:0")

    def test_unknown_flag(self):
        self.refuse(["--speed"], "echo", "--listen", "tcp://127.0.0.1:0", "--speed", "9")

    def test_flag_without_value(self):
        self.refuse(["--loops"], "echo", "--listen", "tcp://127.0.0.1:0", "--loops")

    def test_bad_values_name_flag_and_value(self):
        for flag, value in [("--framing", "len5be"), ("--framing", "separator:"), ("--framing", ""),
                            ("--max-packet-size", "0"), ("--max-packet-size", "-1"),
                            ("--max-packet-size", "12q"), ("--oversize", "keep"),
                            ("--loops", "0"), ("--loops", "many"), ("--pool-size", "0"),
                            ("--read-buffer-size", "0"), ("--read-quantum-ms", "soon"),
                            ("--log-level", "loud")]:
            with self.subTest(flag=flag, value=value):
                self.refuse([flag, value], "echo", "--listen", "tcp://127.0.0.1:0", flag, value)

    def test_proxy_protocol_without_trusted_networks(self):
        self.refuse(["proxy_trusted"], "echo", "--listen", "tcp://127.0.0.1:0",
                    "--proxy-protocol", "required")

    def test_fixed_size_of_0_is_refused(self):
        self.refuse(["--framing", "fixed", "0"], "echo", "--framing", "fixed:0")

    def test_every_flag_refuses_nonsense(self):
        for flag in filter(lambda flag: not is_tls_flag(flag), flags_of_help()):
            with self.subTest(flag=flag):
                self.refuse(["no-such-value"], "echo", f"--{flag}", "no-such-value",
                            *self.NEEDED_TO_CHECK.get(flag, []))

    def test_bad_value_in_the_environment_names_the_variable(self):
        self.refuse(["TCPKIT_MAX_PACKET_SIZE", "huge"], "echo", "--listen", "tcp://127.0.0.1:0",
                    TCPKIT_MAX_PACKET_SIZE="huge")

    def test_bad_addresses_are_named(self):
        for address in ["nowhere", "udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:99999",
                        "tcp://127.0.0.1:x", "unix://", ""]:
            with self.subTest(address=address):
                self.refuse([address], "echo", f"--listen={address}" if address else "--listen",
                            *([] if address else [""]))


class RuntimeFailures(unittest.TestCase):
    """Each ends with status 1 and a message with address and cause."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def fail_on(self, address, cause, **account):
        result = run("serve", "echo", "--listen", address, account=account)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertIn(address, result.stderr)
        self.assertRegex(result.stderr.lower(), cause)

    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.fail_on(f"tcp://127.0.0.1:{taken.getsockname()[1]}", "in use")

    def test_unix_path_that_is_taken(self):
        path = os.path.join(self.folder, "taken.sock")
        with Server("echo", listen=[f"unix://{path}"]) as server:
            server.address()
            self.fail_on(f"unix://{path}", "in use")

    def test_address_that_is_not_of_this_machine(self):
        self.fail_on("tcp://192.0.2.1:0", "assign|available")

    def test_unix_path_in_a_missing_folder(self):
        self.fail_on(f"unix://{self.folder}/missing/x.sock", "no such file")

    def test_unix_path_below_a_file(self):
        path = os.path.join(self.folder, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        self.fail_on(f"unix://{path}/x.sock", "not a directory|no such file")

    def test_unix_path_that_is_a_file_is_left_alone(self):
        path = os.path.join(self.folder, "precious")
        with open(path, "w", encoding="utf-8") as file:
            file.write("kept")
        self.fail_on(f"unix://{path}", "in use|exists|not a socket")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "kept")

    def test_unix_path_without_permission(self):
        account = {}
        if os.geteuid() == 0:  # root may write everywhere
            account = {"user": "nobody"}
            shutil.chown(self.folder, "nobody")
            if not runs_as(account):
                self.skipTest("nobody may not run the program where it is")
        os.chmod(self.folder, 0o500)
        self.fail_on(f"unix://{self.folder}/x.sock", "permission", **account)

    def test_addresses_that_cannot_be_printed(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = subprocess.Popen(
                [PROGRAM, "serve", "echo", "--listen", "tcp://127.0.0.1:0"], stdout=full,
                stderr=subprocess.PIPE, text=True, env=clean_environment())
            _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("stdout", errors)


class Listening(unittest.TestCase):
    def test_every_listener_prints_its_bound_address_and_serves(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"unix://{folder}/x.sock"
            listen = ["tcp://127.0.0.1:0", path, "tcp4://127.0.0.1:0"]
            with Server("echo", listen=listen) as server:
                addresses = [server.address() for _ in listen]
                self.assertRegex(addresses[0], r"^tcp://127\.0\.0\.1:[1-9]\d*$")
                self.assertEqual(addresses[1], path)
                self.assertRegex(addresses[2], r"^tcp4?://127\.0\.0\.1:[1-9]\d*$")
                for address in addresses:
                    self.assertEqual(exchange(address, b"hello"), b"hello")
                self.assertEqual(server.end(), 0)
            self.assertFalse(os.path.exists(f"{folder}/x.sock"))

    def test_addresses_may_be_separated_by_commas(self):
        with Server("echo", listen=["tcp://127.0.0.1:0,tcp://127.0.0.1:0"]) as server:
            self.assertNotEqual(server.address(), server.address())

    def test_ipv6_listener_prints_brackets(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        with Server("echo", listen=["tcp6://[::1]:0"]) as server:
            address = server.address()
            self.assertRegex(address, r"^tcp6?://\[::1\]:[1-9]\d*$")
            self.assertEqual(exchange(address, b"six"), b"six")


class Services(unittest.TestCase):
    def test_echo_returns_the_stream_with_every_framing(self):
        for framing, stream in FRAMED_STREAMS.items():
            with self.subTest(framing=framing), Server("echo", "--framing", framing) as server:
                self.assertEqual(exchange(server.address(), stream), stream)
                self.assertEqual(server.end(), 0)

    def test_echo_answers_a_line_that_comes_in_pieces(self):
        with Server("echo", "--framing", "line") as server, connect(server.address()) as client:
            for piece in [b"he", b"ll", b"o\nwor", b"ld\n"]:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(client), b"hello\nworld\n")

    def test_echo_answers_before_the_peer_ends_its_stream(self):
        with Server("echo") as server, connect(server.address()) as client:
            client.sendall(b"now")
            self.assertEqual(client.recv(3), b"now")

    def test_half_closed_peer_gets_a_large_reply(self):
        stream = os.urandom(1 << 16) * 8
        with Server("echo") as server:
            self.assertEqual(exchange(server.address(), stream), stream)

    def test_discard_answers_nothing_and_counts(self):
        with Server("discard", "--framing", "line") as server:
            self.assertEqual(exchange(server.address(), b"one\ntwo\n"), b"")
            self.assertEqual(server.end(), 0)
            self.assertRegex(server.errors(), r"served 1 connection: in 8 B, out 0 B, 2 packets")

    def test_discard_without_framing_counts_bytes(self):
        with Server("discard") as server:
            self.assertEqual(exchange(server.address(), b"x" * 2048), b"")
            self.assertEqual(server.end(), 0)
            self.assertIn("served 1 connection: in 2.0 KiB, out 0 B", server.errors())

    def test_oversize_packet_closes_by_default(self):
        with Server("echo", "--framing", "line", "--max-packet-size", "8") as server:
            with connect(server.address()) as client:
                client.sendall(b"12345678\n")
                self.assertEqual(client.recv(9), b"12345678\n")
                client.sendall(b"123456789\nnext\n")
                try:
                    self.assertEqual(read_to_end(client), b"")
                except ConnectionResetError:
                    pass
            self.assertEqual(server.end(), 0)
            self.assertIn("1 frame error", server.errors())

    def test_oversize_packet_is_skipped_with_discard(self):
        for framing, sent, expected in [
                ("line", b"12345678\n123456789\nnext\n", b"12345678\nnext\n"),
                ("len2be", b"\0\x09123456789\0\x04next", b"\0\x04next")]:
            with self.subTest(framing=framing), Server(
                    "echo", "--framing", framing, "--max-packet-size", "8",
                    "--oversize", "discard") as server:
                self.assertEqual(exchange(server.address(), sent), expected)
                self.assertEqual(server.end(), 0)
                self.assertIn("1 discarded", server.errors())

    def test_deliver_tail_gives_the_last_line_to_echo(self):
        with Server("echo", "--framing", "line", "--deliver-tail", "on") as server:
            self.assertEqual(exchange(server.address(), b"one\ntail"), b"one\ntail\n")


class Flags(unittest.TestCase):
    """Each flag is taken with a legal value, and the server still serves."""

    VALUES = {
        "loops": "2", "framing": "line", "max-packet-size": "64k", "oversize": "discard",
        "deliver-tail": "on", "read-buffer-size": "16k", "pool-size": "100",
        "read-quantum-ms": "unlimited", "max-connections": "10", "tick-interval-ms": "100",
        "close-timeout-ms": "1000", "keep-alive-ms": "60000", "backlog": "16",
        "reuse-port": "on", "dual-stack": "off", "no-delay": "off",
        "receive-buffer-size": "64k", "send-buffer-size": "64k", "handle-signals": "on",
        "log-level": "debug", "high-watermark": "256k", "low-watermark": "64k",
        "max-queued-bytes": "8m", "max-buffered-bytes": "64m", "pause-above-high": "off",
        "idle-timeout-ms": "60000", "read-timeout-ms": "60000", "write-timeout-ms": "5000",
        "max-handler-threads": "8", "max-waiting-connections": "16",
        "handler-stack-size": "256k", "workers": "2", "worker-queue-bytes": "64k",
        "drain-timeout-ms": "1000", "proxy-protocol": "optional",
        "proxy-trusted": "10.0.0.0/8,::1,unix", "proxy-timeout-ms": "1000",
        "max-connections-per-address": "10", "max-connections-per-prefix": "20",
        "max-accepts-per-second": "100", "prefix-v4": "16", "prefix-v6": "48",
        "at-limit": "wait",
        "min-receive-rate": "1k",
        "receive-rate-grace-ms": "2000",
        "tls-or-plain": "on", "handshake-timeout-ms": "1000", "max-handshakes": "100",
        "handshake-quantum-ms": "5",
    }
    # Flags that a flag needs beside it.
    COMPANIONS = {"proxy-protocol": ["--proxy-trusted=127.0.0.0/8"],
                  "tls-or-plain": ["--tls-self-signed"]}

    def test_every_flag_of_the_help_is_taken(self):
        for flag in flags_of_help():
            if flag == "listen" or is_tls_flag(flag):
                continue
            with self.subTest(flag=flag):
                self.assertIn(flag, self.VALUES, "add a legal value for the new flag here")
                with Server("echo", f"--{flag}={self.VALUES[flag]}",
                            *self.COMPANIONS.get(flag, [])) as server:
                    self.assertEqual(exchange(server.address(), b"line\n"), b"line\n")
                    self.assertEqual(server.end(), 0)

    def test_the_last_of_a_repeated_flag_wins(self):
        with Server("echo", "--framing", "len1", "--framing", "line") as server:
            self.assertEqual(exchange(server.address(), b"a\n"), b"a\n")

    def test_environment_gives_the_default_of_an_option(self):
        with Server("echo", "--oversize", "discard", TCPKIT_FRAMING="line",
                    TCPKIT_MAX_PACKET_SIZE="3") as server:
            self.assertEqual(exchange(server.address(), b"four\nsix\n"), b"six\n")

    def test_flag_wins_over_environment(self):
        with Server("echo", "--framing", "line", TCPKIT_FRAMING="len5be") as server:
            self.assertEqual(exchange(server.address(), b"a\n"), b"a\n")

    def test_environment_gives_addresses(self):
        with Server("echo", listen=[],
                    TCPKIT_LISTEN="tcp://127.0.0.1:0,tcp://127.0.0.1:0") as server:
            for address in [server.address(), server.address()]:
                self.assertEqual(exchange(address, b"env"), b"env")

    def test_max_connections_resets_the_connection_too_many(self):
        with Server("echo", "--max-connections", "1") as server:
            address = server.address()
            with connect(address) as first:
                first.sendall(b"a")
                self.assertEqual(first.recv(1), b"a")
                # Already connect() may see the reset.
                with self.assertRaises(ConnectionResetError), connect(address) as second:
                    second.recv(1)


class Output(unittest.TestCase):
    def test_quiet_prints_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"unix://{folder}/x.sock"
            with Server("echo", "--quiet", "--log-level", "debug", listen=[path]) as server:
                self.wait_for_listener(path)
                self.assertEqual(exchange(path, b"hush"), b"hush")
                self.assertEqual(server.end(), 0)
                self.assertEqual((server.process.stdout.read(), server.errors()), (b"", ""))

    def wait_for_listener(self, address):
        for _ in range(TIMEOUT_S * 50):
            try:
                connect(address).close()
                return
            except OSError:
                select.select([], [], [], 0.02)
        self.fail(f"nobody listens on {address}")

    def test_quiet_still_prints_why_it_failed(self):
        result = run("serve", "echo", "--quiet", "--listen", "tcp://192.0.2.1:0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("tcp://192.0.2.1:0", result.stderr)

    def test_totals_are_printed_at_the_end(self):
        with Server("echo", "--framing", "line") as server:
            exchange(server.address(), b"one\ntwo\n")
            self.assertEqual(server.end(), 0)
            self.assertEqual(server.errors(),
                             "served 1 connection: in 8 B, out 8 B, 2 packets\n")

    def test_terminal_gets_a_live_line(self):
        terminal, program_side = pty.openpty()
        try:
            with Server("echo", "--tick-interval-ms", "50", stderr=program_side) as server:
                server.address()
                shown = self.read_until(terminal, b"0 connections | in 0 B/s | out 0 B/s", 2)
                self.assertIn(b"\r\x1b[K", shown)
                self.assertEqual(server.end(), 0)
        finally:
            os.close(terminal)
            os.close(program_side)

    def test_quiet_terminal_gets_nothing(self):
        terminal, program_side = pty.openpty()
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = f"unix://{folder}/x.sock"
                with Server("echo", "--quiet", "--tick-interval-ms", "10", listen=[path],
                            stderr=program_side) as server:
                    self.wait_for_listener(path)
                    ready, _, _ = select.select([terminal], [], [], 0.2)
                    self.assertEqual(ready, [])
                    self.assertEqual(server.end(), 0)
        finally:
            os.close(terminal)
            os.close(program_side)

    def read_until(self, terminal, wanted, times):
        shown = b""
        while shown.count(wanted) < times:
            ready, _, _ = select.select([terminal], [], [], TIMEOUT_S)
            self.assertTrue(ready, shown)
            shown += os.read(terminal, 4096)
        return shown


if __name__ == "__main__":
    unittest.main()
