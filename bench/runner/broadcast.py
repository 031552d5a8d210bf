"""Broadcasts: 64 bytes to a thousand connections, one at a time and in bursts, and to ten thousand
of which some never read."""
import statistics

from .compare import Workload, per_cpu_second, per_second
from .processes import SERVER_KINDS, Server, run_load
from .sections import compare_noted, spread_of
from .table import Row, number

BARE = "bare-broadcast"
SUBJECT = "tcpkit-broadcast"
SENDS = "tcpkit-sends"
TARGETS = 1_000
MANY_TARGETS = 9_000
STALLED = 1_000
GOAL_ONE = 0.98
GOAL_BURST = 10.0
GOAL_STALLED = 1.10


def deliveries(context, name, in_flight, goal):
    arguments = ("--workload", "broadcast", "--connections", TARGETS, "--size", 64,
                 "--in-flight", in_flight)
    workload = Workload(name, "broadcast", arguments)
    comparison = compare_noted(context, workload, [BARE, SUBJECT, SENDS])
    for server in comparison.results:
        ratio = comparison.ratio(server, per_second)
        is_subject = server == SUBJECT
        context.table.add(
            Row(name, server, number(comparison.median(server, per_second), "/s"), ratio,
                spread_of(comparison.ratios(server, per_second)),
                comparison.ratio(server, per_cpu_second),
                f">= {goal:.2f}" if is_subject else "", ratio >= goal if is_subject else None))


def last_target_us(context, stalled):
    """How long the last healthy target waits for a broadcast, as the median of a run."""
    timing = ("--seconds", context.settings.seconds, "--warmup", context.settings.warmup)
    arguments = ("--workload", "broadcast", "--connections", MANY_TARGETS, "--size", 64)
    if stalled:
        arguments += ("--stalled", stalled)
    with Server(context.bench, SERVER_KINDS[SUBJECT], "broadcast") as server:
        return run_load(context.bench, server, (*arguments, *timing))["latency_us"]["p50"]


def with_stalled(context):
    ratios = []
    waits = []
    for _ in range(context.settings.rounds):
        undisturbed = last_target_us(context, 0)
        waits.append(last_target_us(context, STALLED))
        ratios.append(waits[-1] / undisturbed)
    ratio = statistics.median(ratios)
    name = f"last of {MANY_TARGETS:,}, {STALLED:,} more stalled"
    context.table.add(Row(name, SUBJECT, f"{statistics.median(waits):,.0f} us", ratio,
                          spread_of(ratios), goal=f"<= {GOAL_STALLED:.2f}",
                          reached=ratio <= GOAL_STALLED))


def broadcast(context):
    deliveries(context, f"64 B to {TARGETS:,}, one at a time", 1, GOAL_ONE)
    deliveries(context, f"64 B to {TARGETS:,}, bursts of 32", 32, GOAL_BURST)
    with_stalled(context)
