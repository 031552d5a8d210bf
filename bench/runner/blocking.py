"""What blocking calls cost: a handler of tcpkit against a bare thread per connection, by the clock
and by the CPU time of the server."""
from .compare import Workload, bytes_per_cpu_second, bytes_per_second, per_cpu_second, per_second
from .sections import compare_noted, rate_rows

SERVERS = ("bare-threads", "tcpkit-blocking")
GOAL = 0.95


def blocking(context):
    """Both goals of each workload come from the same runs."""
    for name, arguments, measures in (
        ("blocking echo 64 B, 50 conns",
         ("--workload", "echo", "--connections", 50, "--size", 64), (per_second, per_cpu_second)),
        ("blocking echo 64 B, 500 conns",
         ("--workload", "echo", "--connections", 500, "--size", 64), (per_second, per_cpu_second)),
        ("blocking stream 64 KiB, 4 conns",
         ("--workload", "stream", "--connections", 4, "--size", 65536, "--in-flight", 4),
         (bytes_per_second, bytes_per_cpu_second)),
    ):
        comparison = compare_noted(context, Workload(name, "echo", arguments), list(SERVERS))
        for measure in measures:
            rate_rows(context, Workload(name, "echo", arguments), comparison, GOAL, measure,
                      SERVERS[1])
