#!/usr/bin/env python3
"""Speaks to examples/zstd_filter.c with what the program zstd makes and reads.

Usage: zstd_filter_interop_test.py PATH_OF_ZSTD_FILTER [unittest arguments]
Ends with status 77, which ctest shows as skipped, if zstd is not installed.
"""

import subprocess
import sys
import threading

import filter_support
from support import TIMEOUT_S, find_programs, run_tests

MEMORY_KIB = 96 << 10


def zstd(options, data):
    return subprocess.run([PROGRAMS["zstd"], *options], input=data, capture_output=True, check=True,
                          timeout=TIMEOUT_S).stdout


class ZstdFilter(filter_support.FilterTest):
    def exchange(self, sent):
        client = self.connect()
        writer = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(1)))
        writer.start()
        received = filter_support.receive_all(client)
        writer.join()
        return received

    def test_lines_come_back_in_a_whole_frame(self):
        sent = filter_support.lines(1000)
        self.assertEqual(sent, zstd(["-dc"], self.exchange(zstd(["-c"], sent))))
        self.assertEqual("closed: PEER_FIN", self.next_close())

    def test_mebibytes_of_lines_come_back(self):
        sent = filter_support.lines(200_000)
        self.assertEqual(sent, zstd(["-dc"], self.exchange(zstd(["-c"], sent))))

    def test_two_frames_are_one_stream(self):
        sent = zstd(["-c"], b"one\n") + zstd(["-c"], b"two\n")
        self.assertEqual(b"one\ntwo\n", zstd(["-dc"], self.exchange(sent)))

    def test_a_frame_without_its_end_is_told(self):
        self.exchange(zstd(["-c"], filter_support.lines(1000))[:-10])
        self.assertEqual("closed: FILTER_ERROR filter zstd: decode_end: the stream ended too early",
                         self.next_close())

    def test_a_frame_that_explodes_is_a_long_stream(self):
        sent = zstd(["-c"], b"\n" * (64 << 20))
        self.assertLess(len(sent), 64 << 10)
        received = self.exchange(sent)
        self.assertEqual(64 << 20, len(zstd(["-dc"], received)))
        self.assertLess(self.most_memory(), MEMORY_KIB)


if __name__ == "__main__":
    filter_support.FilterTest.PROGRAM = sys.argv.pop(1)
    PROGRAMS = find_programs(["zstd"], "zstd")
    run_tests(170)
