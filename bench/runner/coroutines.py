"""What a coroutine per connection costs: tcpkit.hpp with coroutines against itself with callbacks."""
from .compare import Workload, per_cpu_second, per_second
from .processes import SERVER_KINDS
from .sections import compare_noted, framed_workload, rate_rows

CALLBACKS = "tcpkit-cpp"
COROUTINES = "tcpkit-coroutines"
GOAL = 0.95


def coroutines(context):
    if not context.bench.has(SERVER_KINDS[COROUTINES].program):
        context.table.note("NOTE: cpp_server is not built; coroutines were not measured.")
        return
    echo = ("--workload", "echo", "--connections", 50, "--size", 64)
    for workload in (
        Workload("echo 64 B, 50 conns", "echo", echo),
        framed_workload("4-byte prefix, 32 in flight", "len4be", 32),
        framed_workload("lines, 32 in flight", "line", 32),
        framed_workload("4-byte prefix, pipeline 1", "len4be", 1),
    ):
        comparison = compare_noted(context, workload, [CALLBACKS, COROUTINES])
        for judged in (per_second, per_cpu_second):
            rate_rows(context, workload, comparison, GOAL, judged, COROUTINES)
