"""Rounds that alternate between servers, ratios within a round, medians of the ratios.

Processors have slow phases and neighbours; two runs that follow each other see about the same
machine, so only their ratio is worth anything.
"""
import statistics
from dataclasses import dataclass, field

from .processes import SERVER_KINDS, Server, run_load


# A run in which other programs held the two cores for longer than this share says nothing.
MAX_WAITED_SHARE = 0.03
MAX_ATTEMPTS = 3
GIVE_UP_AFTER = 3  # disturbed runs of one comparison


@dataclass(frozen=True)
class Workload:
    """One line of load; every server answers it in the same round."""

    name: str
    mode: str
    arguments: tuple


@dataclass
class Comparison:
    """Results per server, one per round; results with the same index are of the same round."""

    base: str
    results: dict = field(default_factory=dict)
    disturbed: int = 0  # runs that were kept although other programs held the cores

    def median(self, server, measure):
        return statistics.median(measure(result) for result in self.results[server])

    def ratios(self, server, measure):
        pairs = zip(self.results[server], self.results[self.base])
        return [measure(own) / measure(base) for own, base in pairs if measure(base) > 0]

    def ratio(self, server, measure):
        ratios = self.ratios(server, measure)
        return statistics.median(ratios) if ratios else float("nan")


def per_second(result):
    return result["messages_per_second"]


def bytes_per_second(result):
    return result["bytes_per_second"]


def per_cpu_second(result):
    return result.get("messages_per_server_cpu_second", 0.0)


def bytes_per_cpu_second(result):
    return result.get("bytes_per_server_cpu_second", 0.0)


def rotated(names, round_number):
    """Another server begins each round, so that none always follows the same one."""
    start = round_number % len(names)
    return names[start:] + names[:start]


def measure_once(bench, workload, name, timing):
    with Server(bench, SERVER_KINDS[name], workload.mode) as server:
        return run_load(bench, server, (*workload.arguments, *timing))


def is_disturbed(result):
    return result["waited_seconds"] > MAX_WAITED_SHARE * result["seconds"]


def measure_undisturbed(bench, workload, name, timing):
    """Returns the least disturbed of a few attempts."""
    attempts = []
    while len(attempts) < MAX_ATTEMPTS and all(map(is_disturbed, attempts)):
        attempts.append(measure_once(bench, workload, name, timing))
    return min(attempts, key=lambda result: result["waited_seconds"])


def compare(bench, settings, workload, servers):
    """Runs the rounds; the first server is the one that the others are compared with."""
    comparison = Comparison(servers[0], {name: [] for name in servers})
    timing = ("--seconds", settings.seconds, "--warmup", settings.warmup)
    for round_number in range(settings.rounds):
        for name in rotated(list(servers), round_number):
            # On a machine that is busy all the time, trying again only takes time.
            give_up = comparison.disturbed >= GIVE_UP_AFTER
            measure = measure_once if give_up else measure_undisturbed
            result = measure(bench, workload, name, timing)
            comparison.disturbed += is_disturbed(result)
            comparison.results[name].append(result)
    return comparison
