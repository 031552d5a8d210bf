#!/usr/bin/env python3
"""Drives the servers of examples/ways/ with the same steps, whatever way each is written in.

Usage: five_ways_test.py FOLDER_OF_THE_PROGRAMS [unittest arguments]
"""

import os
import random
import signal
import socket
import struct
import sys
import threading
import time
import unittest

from support import TIMEOUT_S, Process, connect, exchange, run_tests

WAYS = ("callbacks", "blocking", "workers", "coroutine", "strategy")
CONNECTIONS = 50
MAX_PACKET = 64 * 1024  # of the prefixed servers
LONGEST_STOP_S = 8  # close_timeout_ms is 5 s
FOLDER = ""


def receive_all(client):
    """What comes until the peer ends its stream."""
    received = bytearray()
    while chunk := client.recv(1 << 16):
        received += chunk
    return bytes(received)


def receive_exactly(client, size):
    received = bytearray()
    while len(received) < size:
        if not (chunk := client.recv(size - len(received))):
            break
        received += chunk
    return bytes(received)


def frame(packet):
    return struct.pack(">I", len(packet)) + packet


def send_in_pieces(client, data, random_sizes, longest):
    """Cuts data at odd places; each piece is a segment of its own."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data:
        size = random_sizes.randint(1, longest)
        client.sendall(data[:size])
        data = data[size:]


class Ways:
    """The tests of one server; each way is a subclass, and each test has a process of its own."""

    SERVER = ""
    WAY = ""

    def setUp(self):
        program = os.path.join(FOLDER, f"{self.SERVER}_{self.WAY}")
        self.server = Process([program, "tcp://127.0.0.1:0"])
        self.addCleanup(self.server.kill)
        line = self.server.first_line()
        self.assertTrue(line.startswith("listening on tcp://127.0.0.1:"), self.server.errors())
        self.port = int(line.rsplit(":", 1)[1])
        self.random = random.Random(7)

    def connect(self):
        client = connect(self.port)
        self.addCleanup(client.close)
        return client

    def serve_all(self, clients):
        raise NotImplementedError

    def assert_ends(self, client):
        """The server answers what came before the end of our stream, and then ends its own."""
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", receive_all(client))

    def assert_stops(self):
        self.server.process.send_signal(signal.SIGTERM)
        self.assert_stops_by_itself()

    def assert_stops_by_itself(self):
        self.assertEqual(0, self.server.process.wait(LONGEST_STOP_S), self.server.errors())
        self.assertEqual("", self.server.errors())

    def test_fifty_connections_are_served_at_once(self):
        clients = [self.connect() for _ in range(CONNECTIONS)]
        self.serve_all(clients)
        for client in clients:
            self.assert_ends(client)
        self.assert_stops()

    def test_a_reset_ends_one_connection_and_the_server_goes_on(self):
        client = self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.serve_all([self.connect(), self.connect()])

    def test_sigterm_ends_it_once_all_connections_have_ended(self):
        clients = [self.connect(), self.connect()]
        self.serve_all(clients)
        for client in clients:
            self.assert_ends(client)
            client.close()
        self.assert_stops()

    def test_sigterm_closes_connections_that_are_open_and_ends_it(self):
        clients = [self.connect() for _ in range(5)]
        self.serve_all(clients)
        self.server.process.send_signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual(b"", receive_all(client))
            client.close()
        self.assert_stops_by_itself()

    def test_a_second_server_on_the_address_fails_with_a_message(self):
        program = os.path.join(FOLDER, f"{self.SERVER}_{self.WAY}")
        second = Process([program, f"tcp://127.0.0.1:{self.port}"])
        self.addCleanup(second.kill)
        self.assertEqual(1, second.process.wait(TIMEOUT_S))
        self.assertRegex(second.errors(), f"127.0.0.1:{self.port}.*in use")


class Echo(Ways):
    SERVER = "echo"

    def serve_all(self, clients):
        for number, client in enumerate(clients):
            client.sendall(b"bytes of %d" % number)
        for number, client in enumerate(clients):
            wanted = b"bytes of %d" % number
            self.assertEqual(wanted, receive_exactly(client, len(wanted)))

    def test_sigterm_ends_it_with_connections_whose_peers_never_close(self):
        self.serve_all([self.connect() for _ in range(5)])
        self.assert_stops()

    def test_bytes_come_back_as_they_come(self):
        client = self.connect()
        for byte in b"no line, no length":
            client.sendall(bytes([byte]))
            self.assertEqual(bytes([byte]), client.recv(100))
        self.assert_ends(client)

    def test_a_mebibyte_comes_back(self):
        client, sent = self.connect(), self.random.randbytes(1 << 20)
        self.assertEqual(sent, exchange(client, sent))
        self.assert_ends(client)

    def test_a_mebibyte_comes_back_after_the_end_of_our_stream(self):
        client, sent = self.connect(), self.random.randbytes(1 << 20)
        writer = threading.Thread(target=lambda: (client.sendall(sent),
                                                  client.shutdown(socket.SHUT_WR)))
        writer.start()
        received = receive_all(client)
        writer.join()
        self.assertEqual(sent, received)


class Chat(Ways):
    SERVER = "chat"

    def wait_until_members(self, clients):
        """A member may join a moment after its connect: the first one asks until all hear it."""
        first, others = clients[0], clients[1:]
        for number, client in enumerate(others):
            word, heard = b"hello %d" % number, b""
            client.settimeout(0.05)
            deadline = time.monotonic() + TIMEOUT_S
            while word not in heard:
                self.assertLess(time.monotonic(), deadline)
                first.sendall(word + b"\n")
                try:
                    heard += client.recv(4096)
                except socket.timeout:
                    pass
        first.sendall(b"all here\n")
        for client in others:
            client.settimeout(TIMEOUT_S)
            heard = b""
            while not heard.endswith(b"all here\n"):
                heard += client.recv(4096)

    def serve_all(self, clients):
        self.wait_until_members(clients)
        clients[-1].sendall(b"from the last\n")
        for client in clients[:-1]:
            self.assertEqual(b"from the last\n", receive_exactly(client, 14))

    def test_lines_reach_the_other_in_order(self):
        one, other = self.connect(), self.connect()
        self.wait_until_members([one, other])
        for speaker, listener in ((one, other), (other, one)):
            said = b"".join(b"line %d\n" % number for number in range(500)) + b"\nlast\n"
            send_in_pieces(speaker, said, self.random, 700)
            self.assertEqual(said, receive_exactly(listener, len(said)))
        one.sendall(b"bye\n")
        self.assert_ends(one)
        self.assertEqual(b"bye\n", receive_exactly(other, 4))
        self.assert_ends(other)

    def test_two_who_talk_at_once_hear_only_each_other(self):
        one, other = self.connect(), self.connect()
        self.wait_until_members([one, other])
        ones = b"".join(b"one %d\n" % number for number in range(500))
        others = b"".join(b"other %d\n" % number for number in range(500))
        one.sendall(ones)
        other.sendall(others)
        self.assertEqual(others, receive_exactly(one, len(others)))
        self.assertEqual(ones, receive_exactly(other, len(ones)))


class Prefixed(Ways):
    SERVER = "prefixed"

    def serve_all(self, clients):
        for number, client in enumerate(clients):
            client.sendall(frame(b"packet %d" % number))
        for number, client in enumerate(clients):
            wanted = frame((b"packet %d" % number)[::-1])
            self.assertEqual(wanted, receive_exactly(client, len(wanted)))

    def assert_answers(self, client, packets):
        wanted = b"".join(frame(packet[::-1]) for packet in packets)
        self.assertEqual(wanted, receive_exactly(client, len(wanted)))

    def test_packets_in_single_bytes_are_answered(self):
        client, packets = self.connect(), [b"abc", b"", b"d"]
        send_in_pieces(client, b"".join(map(frame, packets)), self.random, 1)
        self.assert_answers(client, packets)
        self.assert_ends(client)

    def test_packets_cut_at_odd_places_are_answered(self):
        client = self.connect()
        packets = [self.random.randbytes(self.random.randint(0, 3000)) for _ in range(50)]
        send_in_pieces(client, b"".join(map(frame, packets)), self.random, 2000)
        self.assert_answers(client, packets)

    def test_many_packets_in_one_write_are_answered_in_order_before_the_end(self):
        client, packets = self.connect(), [b"packet %d" % number for number in range(1000)]
        client.sendall(b"".join(map(frame, packets)))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"".join(frame(packet[::-1]) for packet in packets), receive_all(client))

    def test_the_largest_packet_is_answered_and_a_larger_one_ends_the_connection(self):
        client, largest = self.connect(), self.random.randbytes(MAX_PACKET)
        client.sendall(frame(largest))
        self.assert_answers(client, [largest])
        client.sendall(struct.pack(">I", MAX_PACKET + 1))
        try:
            self.assertEqual(b"", client.recv(100))
        except ConnectionResetError:
            pass
        self.serve_all([self.connect()])


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for base in (Echo, Chat, Prefixed):
        for way in WAYS:
            name = f"{base.__name__}{way.capitalize()}"
            case = type(name, (base, unittest.TestCase), {"WAY": way, "__module__": __name__})
            suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    FOLDER = sys.argv.pop(1)
    run_tests(280)
