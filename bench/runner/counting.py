"""Sections that count: memory per idle connection, system calls and allocations per message."""
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from .processes import SERVER_KINDS, Load, Server, run_load
from .sections import SUBJECT
from .table import Row

IDLE_CONNECTIONS = 10_000
IDLE_GOAL_BYTES = 400
RECEIVES = {"recvfrom", "recvmsg", "read", "readv"}
SENDS = {"sendto", "sendmsg", "write", "writev"}
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
FRAMED = ("--workload", "framed", "--connections", 50, "--size", 64, "--in-flight", 32, "--framing")


def idle_bytes(context, name, connections, tls=()):
    """User bytes per idle connection. A few connections come and go first, so that only the growth
    with their number counts."""
    first = ("--seconds", 0.2, "--warmup", 0, "--connections", 10)
    with Server(context.bench, SERVER_KINDS[name]) as server:
        run_load(context.bench, server, (*first, *tls))
        before = server.private_bytes()
        arguments = ("--workload", "idle", "--connections", connections, *tls)
        with Load(context.bench, server, arguments) as load:
            load.wait_until_ready()
            after = server.private_bytes()
            load.result()
    return (after - before) / connections


def idle_row(context, name, connections, each, goal):
    """The goal, if there is one, is that of this server."""
    context.table.add(
        Row(
            f"idle memory, {connections:,} conns",
            name,
            f"{each:,.0f} bytes/conn",
            goal="" if goal is None else f"<= {goal:,}",
            reached=None if goal is None else each <= goal,
        )
    )


def idle(context):
    for name in context.servers:
        each = idle_bytes(context, name, IDLE_CONNECTIONS)
        goal = IDLE_GOAL_BYTES if name == SUBJECT else None
        idle_row(context, name, IDLE_CONNECTIONS, each, goal)


def parse_strace(path):
    """Calls by name from the table of `strace -c`."""
    calls = {}
    with open(path, encoding="utf-8") as table:
        for line in table:
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
    return calls


def trace(context, name, mode, arguments):
    """Calls by name, and messages, of a short run under strace."""
    with tempfile.NamedTemporaryFile() as output:
        with Server(context.bench, SERVER_KINDS[name], mode) as server:
            command = ["strace", "-f", "-c", "-q", "-o", output.name, "-p", str(server.pid)]
            tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                wait_until_traced(server.pid)
                timing = ("--seconds", 1.0, "--warmup", 0)
                result = run_load(context.bench, server, (*arguments, *timing))
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait()
        # Each connection echoes one message before the interval; connects have none of those.
        extra = 0 if result["workload"] == "connect" else result["connections"]
        return parse_strace(output.name), result["messages"] + extra


def wait_until_traced(pid):
    for _ in range(200):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            if "TracerPid:\t0\n" not in status.read():
                return
        time.sleep(0.01)


def calls_text(calls, messages):
    common = sorted(calls.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count / messages:.3f}" for name, count in common
                     if count / messages >= 0.001)


def system_calls(context):
    """Goal: nothing on the way of a message but a receive and a send, and the waits; and not more
    of them than bare epoll makes."""
    if shutil.which("strace") is None:
        context.table.note("NOTE: strace is not installed; system calls were not counted.")
        return
    echo_arguments = ("--workload", "echo", "--connections", 50, "--size", 64)
    connect_arguments = ("--workload", "connect", "--connections", 50, "--size", 64)
    for workload, mode, arguments, most_others in (
        ("calls per echo 64 B", "echo", echo_arguments, 0.01),
        ("calls per frame, 32 in flight", "len4be", (*FRAMED, "len4be"), 0.001),
        ("calls per connect, echo, close", "echo", connect_arguments, None),
    ):
        base = None
        for name in context.servers:
            calls, messages = trace(context, name, mode, arguments)
            total = sum(calls.values()) / messages
            base = base or total
            others = sum(count for call, count in calls.items()
                         if call not in RECEIVES | SENDS | WAITS) / messages
            judged = name == SUBJECT and most_others is not None
            clean = total <= 1.05 * base and (most_others is None or others <= most_others)
            context.table.add(
                Row(workload, name, f"{total:.3f}", total / base,
                    goal="<= 1.05" if judged else "", reached=clean if judged else None)
            )
            context.table.note("    " + calls_text(calls, messages))


def read_count(path):
    with open(path, "rb") as file:
        return struct.unpack("=Q", file.read(8))[0]


def allocations_per_message(context, name, mode, arguments):
    """Counts between two moments of steady state."""
    with tempfile.NamedTemporaryFile() as shared:
        shared.write(bytes(8))
        shared.flush()
        environment = {
            "LD_PRELOAD": context.bench.path("malloc_count.so"),
            "TCPKIT_MALLOC_COUNT": shared.name,
        }
        with Server(context.bench, SERVER_KINDS[name], mode, environment) as server:
            timing = ("--seconds", 2.0, "--warmup", 0.2)
            with Load(context.bench, server, (*arguments, *timing)) as load:
                time.sleep(1.0)
                before, began = read_count(shared.name), time.monotonic()
                time.sleep(0.8)
                after, ended = read_count(shared.name), time.monotonic()
                result = load.result()
        if after == 0:
            return float("nan")
        return (after - before) / (result["messages_per_second"] * (ended - began))


def allocations(context):
    """Goal 0: what a tick or a log line allocates per second vanishes in 100,000 messages."""
    if not os.path.exists(context.bench.path("malloc_count.so")):
        context.table.note("NOTE: malloc_count.so is not built; allocations were not counted.")
        return
    for workload, mode, arguments in (
        ("allocations per echo 64 B", "echo", ("--workload", "echo")),
        ("allocations per prefixed frame", "len4be", (*FRAMED, "len4be")),
        ("allocations per line", "line", (*FRAMED, "line")),
    ):
        for name in context.servers:
            each = allocations_per_message(context, name, mode, arguments)
            is_subject = name == SUBJECT
            context.table.add(
                Row(workload, name, f"{each:.6f}", goal="0" if is_subject else "",
                    reached=each < 0.0005 if is_subject else None)
            )
