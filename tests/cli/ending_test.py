#!/usr/bin/env python3
"""How servers of the program tcpkit end: signals, open connections, restarts.

Usage: ending_test.py PATH_OF_TCPKIT [unittest arguments]
"""

import signal
import socket
import threading
import unittest

from harness import Server, connect, exchange


class Ending(unittest.TestCase):
    def test_signals_end_the_server_with_status_0(self):
        for signal_number in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(signal=signal_number.name), Server("echo") as server:
                server.address()
                self.assertEqual(server.end(signal_number), 0)

    def test_signal_ends_open_connections(self):
        with Server("echo") as server, connect(server.address()) as client:
            client.sendall(b"open")
            self.assertEqual(client.recv(4), b"open")
            self.assertEqual(server.end(), 0)
            try:
                self.assertEqual(client.recv(1), b"")
            except ConnectionResetError:
                pass

    def test_a_restart_that_hands_the_listener_over_turns_nobody_away(self):
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            address = "tcp://127.0.0.1:%d" % listener.getsockname()[1]
            inherited = {"listen": [f"fd://{listener.fileno()}"], "pass_fds": [listener.fileno()]}
            outcomes = []
            stop = threading.Event()

            def visit():
                while not stop.is_set():
                    try:
                        outcomes.append(exchange(address, b"x\n") == b"x\n")
                    except OSError:
                        outcomes.append(False)

            with Server("echo", "--framing", "line", **inherited) as old_server:
                old_server.address()
                visitors = [threading.Thread(target=visit) for _ in range(200)]
                for visitor in visitors:
                    visitor.start()
                with Server("echo", "--framing", "line", **inherited) as new_server:
                    new_server.address()
                    self.assertEqual(old_server.end(), 0)
                    before = len(outcomes)
                    while len(outcomes) < before + 1000:
                        stop.wait(0.01)
                    stop.set()
                    for visitor in visitors:
                        visitor.join()
            self.assertEqual(outcomes.count(False), 0, f"of {len(outcomes)}")

    def test_signal_right_after_the_address_ends_with_status_0(self):
        for _ in range(20):
            with Server("echo", "--loops", "1") as server:
                server.address()
                self.assertEqual(server.end(), 0)

    def test_reader_of_stdout_that_went_away_does_not_end_the_server(self):
        with Server("echo") as server:
            address = server.address()
            server.process.stdout.close()
            self.assertEqual(exchange(address, b"alive"), b"alive")
            self.assertEqual(server.end(), 0)


if __name__ == "__main__":
    unittest.main()
