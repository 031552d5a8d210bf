#!/usr/bin/env python3
"""Tests of `tcpkit serve chat`: what people in a room get to read."""

import time
import unittest

from harness import TIMEOUT_S, Server, connect, run


class Person:
    """One client of the chat, which reads line by line."""

    def __init__(self, address):
        self.socket = connect(address)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.name = self.read().removeprefix("* you are ")
        self.read()  # the commands
        self.read()  # who is here

    def read(self):
        return self.lines.readline().rstrip("\n")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def ask(self, line):
        self.say(line)
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()


class Chat(unittest.TestCase):
    """Each test has a chat of its own, on two loops."""

    def setUp(self):
        self.server = self.enter(Server("chat", "--loops", "2"))
        self.address = self.server.address()

    def enter(self, context):
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def person(self, name):
        person = self.enter(Person(self.address))
        self.assertEqual(f"* {person.name} is now {name}", person.ask(f"/nick {name}"))
        person.name = name
        return person

    def test_a_line_reaches_the_others_in_the_room_and_not_its_author(self):
        anna = self.person("anna")
        ben = self.person("ben")
        self.assertEqual("* guest2 is here", anna.read())
        self.assertEqual("* guest2 is now ben", anna.read())
        anna.say("hello")
        self.assertEqual("anna: hello", ben.read())
        ben.say("hi")
        self.assertEqual("ben: hi", anna.read())

    def test_rooms_do_not_hear_each_other(self):
        anna = self.person("anna")
        ben = self.person("ben")
        anna.say("/join green")
        self.assertEqual("* in green: anna", self.skip_to(anna, "* in green: anna"))
        anna.say("anybody?")
        self.assertEqual("* anna has gone to green", ben.read())
        self.assertEqual("* in lobby: ben", ben.ask("/who"))
        self.assertEqual("* in green: anna ben", ben.ask("/join green"))
        self.assertEqual("* ben is here", self.skip_to(anna, "* ben is here"))

    def skip_to(self, person, wanted):
        line = person.read()
        while line and line != wanted:
            line = person.read()
        return line

    def test_a_name_that_is_taken_or_odd_is_refused(self):
        anna = self.person("anna")
        with Person(self.address) as other:
            self.assertEqual("* that name is taken", other.ask("/nick anna"))
            self.assertIn("no spaces", other.ask("/nick an na"))
            self.assertIn("no spaces", other.ask("/nick " + "x" * 25))
            self.assertIn("no spaces", other.ask("/nick"))
        self.assertEqual("* guest2 has left", self.skip_to(anna, "* guest2 has left"))
        with Person(self.address) as again:
            self.assertEqual("* guest3 is now ben", again.ask("/nick ben"))

    def test_a_name_is_free_again_once_its_owner_has_left(self):
        with Person(self.address) as first:
            first.ask("/nick anna")
            self.assertEqual("", first.ask("/quit"))
        with Person(self.address) as second:
            deadline = time.monotonic() + TIMEOUT_S
            while (answer := second.ask("/nick anna")) == "* that name is taken":
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual("* guest2 is now anna", answer)

    def test_what_a_terminal_would_obey_is_not_passed_on(self):
        anna = self.person("anna")
        ben = self.person("ben")
        anna.say("\x1b[2Jboo\r")
        self.assertEqual("anna: ?[2Jboo", ben.read())

    def test_other_commands_show_those_there_are(self):
        self.assertIn("/nick NAME", self.person("anna").ask("/dance"))


class Arguments(unittest.TestCase):
    """Command lines."""

    def test_a_chat_without_packets_is_refused(self):
        result = run("serve", "chat", "--framing", "none", "--listen", "tcp://127.0.0.1:0")
        self.assertEqual(2, result.returncode)
        self.assertIn("framing", result.stderr)

    def test_another_framing_is_taken(self):
        with Server("chat", "--framing", "crlf") as server:
            with connect(server.address()) as client:
                self.assertTrue(client.makefile("rb").readline().endswith(b"\r\n"))


if __name__ == "__main__":
    unittest.main()
