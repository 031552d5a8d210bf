"""Sections that compare rates: echo, framed echo, streams, connects, many connections, latency."""
from .compare import (Workload, bytes_per_cpu_second, bytes_per_second, compare, per_cpu_second,
                      per_second)
from .table import Row, number

YARDSTICK = "bare-epoll"
SUBJECT = "tcpkit"


def spread_of(ratios):
    return f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else ""


UNITS = {per_second: "/s", per_cpu_second: "/CPU-s", bytes_per_second: "B/s",
         bytes_per_cpu_second: "B/CPU-s"}


def rate_rows(context, workload, comparison, goal, judged=per_second, subject=SUBJECT):
    """One row per server; the goal, unless it is None, is judged for the subject only."""
    shown = judged
    if "stream" in workload.arguments:
        shown = bytes_per_second if judged is per_second else bytes_per_cpu_second
    for server in comparison.results:
        ratios = comparison.ratios(server, shown)
        ratio = comparison.ratio(server, shown)
        is_judged = server == subject and goal is not None
        context.table.add(
            Row(
                workload.name,
                server,
                number(comparison.median(server, shown), UNITS[shown]),
                ratio,
                spread_of(ratios),
                comparison.ratio(server, per_cpu_second),
                f">= {goal:.2f}" if is_judged else "",
                ratio >= goal if is_judged else None,
            )
        )


def compare_noted(context, workload, servers):
    """Compares, and says so when the machine was not quiet enough to believe the result."""
    comparison = compare(context.bench, context.settings, workload, servers)
    if comparison.disturbed:
        runs = context.settings.rounds * len(servers)
        context.table.note(f"NOTE: other programs held the cores in {comparison.disturbed} of "
                           f"{runs} runs of: {workload.name}")
    return comparison


def run_rates(context, workloads_and_goals, judged=per_second):
    for workload, goal in workloads_and_goals:
        comparison = compare_noted(context, workload, context.servers)
        rate_rows(context, workload, comparison, goal, judged)


def echo(context):
    arguments = ("--workload", "echo", "--connections", 50, "--size", 64)
    run_rates(context, [(Workload("echo 64 B, 50 conns", "echo", arguments), 0.98)])


def framed_workload(name, mode, in_flight):
    arguments = ("--workload", "framed", "--framing", mode, "--connections", 50, "--size", 64)
    return Workload(name, mode, (*arguments, "--in-flight", in_flight))


def framed(context):
    run_rates(context, [
        (framed_workload("4-byte prefix, 32 in flight", "len4be", 32), 0.95),
        (framed_workload("lines, 32 in flight", "line", 32), 0.95),
        (framed_workload("4-byte prefix, pipeline 1", "len4be", 1), 0.97),
        (framed_workload("lines, pipeline 1", "line", 1), 0.97),
    ])


def stream(context):
    """The yardstick is the better of the two buffers that a careful user would try."""
    arguments = ("--workload", "stream", "--connections", 4, "--size", 65536, "--in-flight", 64)
    workload = Workload("stream 64 KiB, 4 conns", "echo", arguments)
    others = ["libuv-512k" if name == "libuv" else name for name in context.servers[1:]]
    servers = ["bare-epoll-512k", YARDSTICK, *others]
    comparison = compare_noted(context, workload, servers)
    rate_rows(context, workload, comparison, 1.00)


def connect(context):
    arguments = ("--workload", "connect", "--connections", 50, "--size", 64)
    workload = Workload("connect, echo, close", "echo", arguments)
    run_rates(context, [(workload, 0.97)], per_cpu_second)


def connections(context):
    """Beyond the rates: what a message costs more at 10,000 connections than at 1,000, compared
    with what the yardstick itself loses there."""
    cpu_ratios = {}
    for count in (100, 1_000, 10_000):
        arguments = ("--workload", "echo", "--connections", count, "--size", 64)
        workload = Workload(f"echo 64 B, {count:,} conns", "echo", arguments)
        comparison = compare_noted(context, workload, context.servers)
        rate_rows(context, workload, comparison, 0.98)
        if SUBJECT in context.servers:
            cpu_ratios[count] = comparison.ratio(SUBJECT, per_cpu_second)
    if SUBJECT not in context.servers:
        return
    growth = cpu_ratios[1_000] / cpu_ratios[10_000]
    context.table.add(Row("cost at 10,000 against 1,000 conns", SUBJECT, "beyond bare epoll",
                          growth, goal="<= 1.10", reached=growth <= 1.10))


def latency_of(percentile):
    return lambda result: result["latency_us"][percentile]


def half_of_maximum(context):
    arguments = ("--workload", "echo", "--connections", 50, "--size", 64)
    settings = context.settings.with_rounds(3)
    workload = Workload("maximum", "echo", arguments)
    found = compare(context.bench, settings, workload, [YARDSTICK])
    return int(found.median(YARDSTICK, per_second) / 2)


def latency(context):
    rate = half_of_maximum(context)
    arguments = ("--workload", "latency", "--connections", 50, "--size", 64, "--rate", rate)
    workload = Workload(f"open loop at {rate:,}/s", "echo", arguments)
    comparison = compare_noted(context, workload, context.servers)
    for percentile in ("p50", "p99", "p99.9"):
        measure = latency_of(percentile)
        for server in context.servers:
            ratio = comparison.ratio(server, measure)
            is_subject = server == SUBJECT
            context.table.add(
                Row(
                    f"{workload.name}, {percentile}",
                    server,
                    f"{comparison.median(server, measure):.1f} us",
                    ratio,
                    spread_of(comparison.ratios(server, measure)),
                    goal="<= 1.05" if is_subject else "",
                    reached=ratio <= 1.05 if is_subject else None,
                )
            )
