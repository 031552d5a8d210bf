#!/usr/bin/env python3
"""Speaks to examples/zlib_filter.c with the zlib module of Python.

Usage: zlib_filter_interop_test.py PATH_OF_ZLIB_FILTER [unittest arguments]
"""

import sys
import threading
import zlib

import filter_support
from support import run_tests

BOMB_BYTES = 128 << 20
MEMORY_KIB = 64 << 10  # far less than any bomb


def bomb(unit):
    """BOMB_BYTES of a repeated byte, compressed to a thousandth of that."""
    packer, piece = zlib.compressobj(6), unit * (1 << 20)
    return b"".join([packer.compress(piece) for _ in range(BOMB_BYTES >> 20)] + [packer.flush()])


class ZlibFilter(filter_support.FilterTest):
    def test_each_line_is_answered_at_once(self):
        client, packer, unpacker = self.connect(), zlib.compressobj(), zlib.decompressobj()
        for line in (b"hello\n", b"\n", b"again\n"):
            client.sendall(packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH))
            answer = b""
            while len(answer) < len(line):
                answer += unpacker.decompress(client.recv(4096))
            self.assertEqual(line, answer)

    def test_a_stream_in_single_bytes_is_answered_and_ended(self):
        client, sent = self.connect(), filter_support.lines(20)
        for byte in zlib.compress(sent):
            client.sendall(bytes([byte]))
        client.shutdown(1)
        unpacker = zlib.decompressobj()
        self.assertEqual(sent, unpacker.decompress(filter_support.receive_all(client)))
        self.assertTrue(unpacker.eof)
        self.assertEqual("closed: PEER_FIN", self.next_close())

    def test_mebibytes_of_lines_come_back(self):
        client, sent = self.connect(), filter_support.lines(300_000)
        writer = threading.Thread(target=lambda: (client.sendall(zlib.compress(sent)),
                                                  client.shutdown(1)))
        writer.start()
        received = filter_support.receive_all(client)
        writer.join()
        self.assertEqual(sent, zlib.decompress(received))

    def test_a_stream_without_its_end_is_told(self):
        client = self.connect()
        client.sendall(zlib.compress(b"hello\n" * 1000)[:-4])
        client.shutdown(1)
        filter_support.receive_all(client)
        self.assertEqual("closed: FILTER_ERROR filter zlib: decode_end: the stream ended too early",
                         self.next_close())

    def test_bytes_that_are_not_zlib_are_refused(self):
        client = self.connect()
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        unpacker = zlib.decompressobj()
        self.assertEqual(b"", unpacker.decompress(filter_support.receive_all(client)))
        self.assertTrue(unpacker.eof)
        client.close()
        self.assertEqual("closed: FILTER_ERROR filter zlib: decode: a filter refused the bytes",
                         self.next_close())

    def test_a_bomb_that_is_one_packet_meets_the_limit_of_packets(self):
        client = self.connect()
        try:
            client.sendall(bomb(b"\0"))
        except OSError:
            pass  # it has been closed before that
        client.close()
        self.assertEqual("closed: FRAME_TOO_BIG", self.next_close())
        self.assertLess(self.most_memory(), MEMORY_KIB)

    def test_a_bomb_of_many_packets_waits_while_nobody_takes_the_answers(self):
        client, sent = self.connect(), bomb(b"\n")
        writer = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(1)))
        writer.start()
        unpacker, received = zlib.decompressobj(), 0
        while chunk := client.recv(1 << 16):
            while chunk:
                received += len(unpacker.decompress(chunk, 1 << 22))
                chunk = unpacker.unconsumed_tail
        received += len(unpacker.flush())
        writer.join()
        self.assertEqual(BOMB_BYTES, received)
        self.assertLess(self.most_memory(), MEMORY_KIB)


if __name__ == "__main__":
    filter_support.FilterTest.PROGRAM = sys.argv.pop(1)
    run_tests(170)
