#!/usr/bin/env python3
"""Measures tcpkit against bare epoll, libuv and OpenSSL on loopback and prints how it stands to
its goals.

Everything runs inside a private network namespace, the server on one core and the load generator
on another, in short rounds that alternate between the servers; what counts is the median of the
ratios within a round. Needs the programs of bench/ in BUILD_DIR/bench.
"""
import argparse
import dataclasses
import json
import signal
import sys

from runner import (attacks, blocking, broadcast, coroutines, counting, sections, timeouts,
                    tls)
from runner.network import enter_private_network, prepare_network
from runner.errors import BenchError
from runner.processes import SERVER_KINDS, Bench
from runner.table import Table

SECTIONS = {
    "echo": ("Echo", sections.echo),
    "framed": ("Framed echo, 50 connections, 64 B", sections.framed),
    "stream": ("Streams; ratio to bare epoll with 512 KiB", sections.stream),
    "connect": ("Connects, per server-CPU-second", sections.connect),
    "connections": ("Many active connections", sections.connections),
    "blocking": ("Blocking calls; ratio to a bare thread per connection", blocking.blocking),
    "timeouts": ("10,000 connections with timeouts armed; ratio to the same without any",
                 timeouts.timeouts),
    "idle": ("User memory per idle connection", counting.idle),
    "syscalls": ("System calls per message", counting.system_calls),
    "engine": ("TLS in memory: a BIO pair per connection, one for all, and the engine of tcpkit",
               tls.engine),
    "terminators": ("TLS ended by tcpkit, by bare OpenSSL, and by haproxy, which is 1.00",
                    tls.terminators),
    "tls": ("TLS 1.3, AES-128-GCM, X25519; ratio to bare OpenSSL on the socket", tls.tls),
    "coroutines": ("Coroutines in C++; ratio to callbacks in C++", coroutines.coroutines),
    "latency": ("Latency, open loop at half of the maximum", sections.latency),
    "attacks": ("A well-behaved client among hostile ones; ratio to itself without them",
                attacks.attacks),
    "broadcast": ("Broadcasts, deliveries; ratio to a loop of writes", broadcast.broadcast),
    "allocations": ("Heap allocations per message", counting.allocations),
}
DEFAULT_SERVERS = "bare-epoll,libuv,tcpkit"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Length and number of the rounds."""

    rounds: int
    seconds: float
    warmup: float

    def with_rounds(self, rounds):
        return dataclasses.replace(self, rounds=rounds)


@dataclasses.dataclass
class Context:
    """What every section gets."""

    bench: Bench
    settings: Settings
    servers: list  # names; the yardstick comes first
    table: Table


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build-dir", default="build/release", help="default: %(default)s")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections: %(default)s")
    parser.add_argument("--servers", default=DEFAULT_SERVERS,
                        help=f"of {', '.join(SERVER_KINDS)}; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="default: %(default)s")
    parser.add_argument("--warmup", type=float, default=0.3, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.4 s, 0.1 s warm-up")
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE as well")
    return parser.parse_args()


def chosen(text, known, what):
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            sys.exit(f"run.py: no {what} is called {name}; there are {', '.join(known)}")
    return names


def available_servers(bench, text):
    """The chosen servers that are built, the yardstick first."""
    names = [sections.YARDSTICK]
    for name in chosen(text, SERVER_KINDS, "server"):
        if name in names:
            continue
        if bench.has(SERVER_KINDS[name].program):
            names.append(name)
        else:
            bench.notes.append(f"NOTE: {SERVER_KINDS[name].program} is not built; left out.")
    return names


def run_sections(context, names):
    for name in names:
        title, run = SECTIONS[name]
        context.table.begin(title)
        run(context)


def main():
    arguments = parse_arguments()
    names = chosen(arguments.only, SECTIONS, "section")
    enter_private_network()
    notes = prepare_network()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench(arguments.build_dir)
    if not bench.has("tcpkit-load") or not bench.has("bare_epoll_server"):
        sys.exit(f"run.py: {bench.folder} has no tcpkit-load or bare_epoll_server: build first, "
                 "or name the build folder with --build-dir")
    settings = Settings(arguments.rounds, arguments.seconds, arguments.warmup)
    if arguments.quick:
        settings = Settings(3, 0.4, 0.1)
    context = Context(bench, settings, available_servers(bench, arguments.servers), Table())
    for note in notes + bench.notes:
        print(note)
    print(f"{settings.rounds} rounds of {settings.seconds} s after {settings.warmup} s, "
          f"server on core {bench.server_core}, load on core {bench.load_core}; "
          f"ratios to {context.servers[0]}")
    try:
        run_sections(context, names)
    except BenchError as error:
        sys.exit(f"run.py: {error}")
    context.table.print_summary()
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(context.table.as_data(), file, indent=2)


if __name__ == "__main__":
    main()
