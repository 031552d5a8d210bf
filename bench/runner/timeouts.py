"""What armed timeouts cost: tcpkit with idle, read and write timeouts against itself without any,
busy and idle."""
import time

from .compare import Workload, per_cpu_second, per_second
from .processes import SERVER_KINDS, Load, Server
from .sections import compare_noted, rate_rows
from .table import Row

CONNECTIONS = 10_000
WITHOUT = "tcpkit-no-times"
ARMED = "tcpkit-all-times"
GOAL = 0.98
SETTLE_SECONDS = 0.5
WATCHED_SECONDS = 3.0
# An idle server has nothing to do but its tick; one wake-up per connection and minute would already
# be 170 per second.
MAX_CPU_MICROSECONDS = 1_000
MAX_WAKE_UPS = 3


def busy(context):
    """Both goals, by the clock and by CPU time, come from the same runs."""
    arguments = ("--workload", "echo", "--connections", CONNECTIONS, "--size", 64)
    workload = Workload(f"echo 64 B, {CONNECTIONS:,} conns", "echo", arguments)
    comparison = compare_noted(context, workload, [WITHOUT, ARMED])
    for judged in (per_second, per_cpu_second):
        rate_rows(context, workload, comparison, GOAL, judged, ARMED)


def watch_idle(context, name):
    """CPU microseconds and wake-ups per second of a server whose connections are all silent."""
    arguments = ("--workload", "idle", "--connections", CONNECTIONS)
    with Server(context.bench, SERVER_KINDS[name]) as server:
        with Load(context.bench, server, arguments) as load:
            load.wait_until_ready()
            time.sleep(SETTLE_SECONDS)
            cpu, sleeps, began = server.cpu_seconds(), server.sleeps(), time.monotonic()
            time.sleep(WATCHED_SECONDS)
            cpu, sleeps = server.cpu_seconds() - cpu, server.sleeps() - sleeps
            elapsed = time.monotonic() - began
            load.result()
    return cpu * 1e6 / elapsed, sleeps / elapsed


def idle(context):
    for name in (WITHOUT, ARMED):
        microseconds, wake_ups = watch_idle(context, name)
        for what, measured, value, most in (
            ("CPU", f"{microseconds:.0f} us/s", microseconds, MAX_CPU_MICROSECONDS),
            ("wake-ups", f"{wake_ups:.1f} /s", wake_ups, MAX_WAKE_UPS),
        ):
            context.table.add(Row(f"idle {what}, {CONNECTIONS:,} conns", name, measured,
                                  goal=f"<= {most:,}", reached=value <= most))


def timeouts(context):
    if not context.bench.has(SERVER_KINDS[ARMED].program):
        context.table.note("NOTE: tcpkit_server is not built; its timeouts were not measured.")
        return
    busy(context)
    idle(context)
