"""TLS 1.3: tcpkit against bare OpenSSL on the socket (SSL_set_fd), side by side in one run."""
import shutil
from collections import Counter

from .compare import Workload, per_cpu_second, per_second
from .counting import calls_text, idle_bytes, idle_row, trace
from .processes import SERVER_KINDS
from .sections import compare_noted, rate_rows
from .table import Row

YARDSTICK = "openssl"
SUBJECT = "tcpkit-tls"
RSA = {YARDSTICK: "openssl-rsa", SUBJECT: "tcpkit-tls-rsa"}
PAIR_EACH = "pair-each"
PAIR_SHARED = "pair-shared"
TERMINATORS = ("haproxy", YARDSTICK, SUBJECT)
RELEASED = "openssl-released"  # with SSL_MODE_RELEASE_BUFFERS
IDLE_CONNECTIONS = 5_000
IDLE_GOAL_BYTES = 14_300
HANDSHAKES = ("--workload", "connect", "--connections", 50, "--size", 64, "--tls")
# Few at a time, for those that the end of the trace cuts short are not counted.
TRACED_HANDSHAKES = ("--workload", "connect", "--connections", 8, "--size", 64, "--tls")
ECHO = ("--workload", "echo", "--connections", 50, "--size", 64, "--tls", "full")
STREAM = ("--workload", "stream", "--connections", 4, "--size", 16384, "--in-flight", 64,
          "--tls", "full")


def rates(context, name, arguments, goal, judged, servers=(YARDSTICK, SUBJECT)):
    workload = Workload(name, "echo", arguments)
    comparison = compare_noted(context, workload, servers)
    rate_rows(context, workload, comparison, goal, judged, servers[-1])


def idle_of(context, name, goal=None):
    each = idle_bytes(context, name, IDLE_CONNECTIONS, ("--tls", "full"))
    idle_row(context, name, IDLE_CONNECTIONS, each, goal)


def idle(context):
    for name in (YARDSTICK, RELEASED, SUBJECT):
        idle_of(context, name, IDLE_GOAL_BYTES if name == SUBJECT else None)


def handshake_calls(context, name, kind):
    """Calls by name per connect, handshake, echo and close."""
    calls, handshakes = trace(context, name, "echo", (*TRACED_HANDSHAKES, kind))
    return {call: count / handshakes for call, count in calls.items()}


def echo_calls(context, name, per_handshake):
    """Calls by name per message; those of opening the connections are taken away."""
    calls, messages = trace(context, name, "echo", ECHO)
    connections = ECHO[ECHO.index("--connections") + 1]
    opening = {call: each * connections for call, each in per_handshake.items()}
    rest = Counter(calls)
    rest.subtract(opening)
    return {call: count / (messages - connections) for call, count in rest.items()}


def system_calls(context):
    if shutil.which("strace") is None:
        context.table.note("NOTE: strace is not installed; system calls were not counted.")
        return
    base = {}
    for name in (YARDSTICK, SUBJECT):
        full = handshake_calls(context, name, "full")
        for workload, calls in (
            ("calls per full handshake", full),
            ("calls per resumed handshake", handshake_calls(context, name, "resumed")),
            ("calls per echo 64 B", echo_calls(context, name, full)),
        ):
            total = sum(calls.values())
            base.setdefault(workload, total)
            context.table.add(Row(workload, name, f"{total:.3f}", total / base[workload]))
            context.table.note("    " + calls_text(calls, 1))


def engine(context):
    """Where the sealed bytes go: a BIO pair for each connection is the yardstick."""
    servers = (PAIR_EACH, PAIR_SHARED, SUBJECT)
    for workload, arguments, judged in (
        ("TLS handshakes", (*HANDSHAKES, "full"), per_cpu_second),
        ("TLS echo 64 B, 50 conns", ECHO, per_cpu_second),
        ("TLS stream 16 KiB, 4 conns", STREAM, per_cpu_second),
    ):
        rates(context, workload, arguments, None, judged, servers)
    for name in servers:
        idle_of(context, name)


def terminators(context):
    """haproxy hands what it opens to an echo server, whose CPU time does not count."""
    if shutil.which("haproxy") is None:
        context.table.note("NOTE: haproxy is not installed; nothing was compared with it.")
        return
    for workload, arguments in (
        ("TLS handshakes", (*HANDSHAKES, "full")),
        ("TLS handshakes, resumed", (*HANDSHAKES, "resumed")),
        ("TLS echo 64 B, 50 conns", ECHO),
        ("TLS stream 16 KiB, 4 conns", STREAM),
    ):
        rates(context, workload, arguments, None, per_cpu_second, TERMINATORS)
    for name in TERMINATORS:
        idle_of(context, name)


def tls(context):
    for name in (YARDSTICK, SUBJECT):
        if not context.bench.has(SERVER_KINDS[name].program):
            context.table.note(f"NOTE: {SERVER_KINDS[name].program} is not built; TLS was not "
                               "measured.")
            return
    rates(context, "full handshakes, ECDSA P-256", (*HANDSHAKES, "full"), 1.15, per_cpu_second)
    rates(context, "full handshakes, RSA 2048", (*HANDSHAKES, "full"), None, per_cpu_second,
          tuple(RSA.values()))
    rates(context, "resumed handshakes", (*HANDSHAKES, "resumed"), 1.10, per_cpu_second)
    rates(context, "TLS echo 64 B, 50 conns", ECHO, 1.12, per_second)
    rates(context, "TLS stream 16 KiB, 4 conns", STREAM, 1.50, per_cpu_second)
    idle(context)
    system_calls(context)
