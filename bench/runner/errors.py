"""What ends a run of the benchmarks."""


class BenchError(Exception):
    """A server, the load generator or another program did not do its part."""
