"""A server of an example with a filter, and what it says."""

import select
import unittest

from support import TIMEOUT_S, Process, connect


def receive_all(client):
    received = bytearray()
    while chunk := client.recv(1 << 20):
        received += chunk
    return bytes(received)


def lines(count):
    return b"".join(b"line %d with some text in it\n" % number for number in range(count))


class FilterTest(unittest.TestCase):
    """Each test has a server of its own."""

    PROGRAM = ""

    def setUp(self):
        self.server = Process([self.PROGRAM, "tcp://127.0.0.1:0"])
        self.addCleanup(self.server.kill)
        line = self.server.first_line()
        self.assertTrue(line.startswith("listening on "), self.server.errors())
        self.port = int(line.rsplit(":", 1)[1])

    def connect(self):
        client = connect(self.port)
        self.addCleanup(client.close)
        return client

    def next_close(self):
        ready, _, _ = select.select([self.server.process.stdout], [], [], TIMEOUT_S)
        return self.server.process.stdout.readline().decode().strip() if ready else ""

    def most_memory(self):
        """The most memory that the server has had, in KiB."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
