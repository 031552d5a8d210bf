"""What hostile clients cost the well-behaved one: its throughput with them and without, in turn."""
import socket
import statistics
import struct
import threading
import time

from .processes import SERVER_KINDS, Server, run_load
from .sections import SUBJECT, spread_of
from .table import Row, number

SLOW_CLIENTS = 2_000
RESET_CLIENTS = 5_000
RESETS_PER_SECOND = 2_500
UNREAD_BYTES = 256 * 1024
STEP_SECONDS = 0.01
GOAL = 0.90
VICTIM = ("--workload", "framed", "--framing", "line", "--connections", 1, "--size", 64)
NO_LINGER = struct.pack("ii", 1, 0)


class Attack:
    """A thread that attacks a port from the load core until it is left."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.sockets = []
        self.left = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.prepare()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.left.set()
        self.thread.join()
        for client in self.sockets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            client.close()

    def prepare(self):
        for _ in range(SLOW_CLIENTS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(self.address)
            client.setblocking(False)
            self.sockets.append(client)

    def run(self):
        raise NotImplementedError


class OneBytePerSecond(Attack):
    """Each client sends one byte of a line each second."""

    name = f"{SLOW_CLIENTS:,} that send a byte per second"

    def run(self):
        each_step = int(SLOW_CLIENTS * STEP_SECONDS)
        turn = 0
        while not self.left.wait(STEP_SECONDS):
            for client in self.sockets[turn:turn + each_step]:
                client.send(b"a")
            turn = (turn + each_step) % SLOW_CLIENTS


class NeverRead(Attack):
    """Each client asks for what it does not take."""

    name = f"{SLOW_CLIENTS:,} that never read"

    def prepare(self):
        super().prepare()
        lines = (b"b" * 63 + b"\n") * (UNREAD_BYTES // 64)
        for client in self.sockets:
            rest = memoryview(lines)
            while rest:
                try:
                    rest = rest[client.send(rest):]
                except BlockingIOError:
                    break

    def run(self):
        self.left.wait()


class ConnectAndReset(Attack):
    """Clients that come and are gone."""

    name = f"{RESET_CLIENTS:,} that connect and reset"

    def prepare(self):
        """Nothing: they come one by one."""

    def run(self):
        each_step = int(RESETS_PER_SECOND * STEP_SECONDS)
        for _ in range(RESET_CLIENTS // each_step):
            for _ in range(each_step):
                with socket.socket() as client:
                    client.connect(self.address)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            if self.left.wait(STEP_SECONDS):
                return


def messages_per_second(context, attack):
    timing = ("--seconds", context.settings.seconds, "--warmup", context.settings.warmup)
    with Server(context.bench, SERVER_KINDS[SUBJECT], "line") as server:
        if attack is None:
            return run_load(context.bench, server, (*VICTIM, *timing))["messages_per_second"]
        with attack(server.port):
            return run_load(context.bench, server, (*VICTIM, *timing))["messages_per_second"]


def attacks(context):
    for attack in (OneBytePerSecond, NeverRead, ConnectAndReset):
        ratios = []
        disturbed = []
        for _ in range(context.settings.rounds):
            undisturbed = messages_per_second(context, None)
            disturbed.append(messages_per_second(context, attack))
            ratios.append(disturbed[-1] / undisturbed)
        ratio = statistics.median(ratios)
        context.table.add(Row(attack.name, SUBJECT, number(statistics.median(disturbed), "/s"),
                              ratio, spread_of(ratios), goal=f">= {GOAL:.2f}",
                              reached=ratio >= GOAL))
