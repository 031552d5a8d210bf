"""Rows of the table: what was measured, how it stands to the yardstick, and whether the goal is
reached."""
from dataclasses import asdict, dataclass

HEADER = ("workload", "server", "measured", "ratio", "spread", "per CPU", "goal", "")
WIDTHS = (34, 16, 18, 8, 15, 8, 10, 11)


@dataclass
class Row:
    """One measurement; a number that was not taken is None."""

    workload: str
    server: str
    measured: str
    ratio: float | None = None  # to the yardstick in the same round, median
    spread: str = ""  # smallest and largest ratio
    cpu_ratio: float | None = None  # the same per CPU second of the server
    goal: str = ""
    reached: bool | None = None


def number(value, unit=""):
    for limit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.2f}{letter}{unit}"
    return f"{value:.2f} {unit}"


def ratio_text(value):
    return "" if value is None else f"{value:.3f}"


def verdict(row):
    if row.reached is None:
        return ""
    return "reached" if row.reached else "NOT REACHED"


def print_cells(cells):
    print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS)).rstrip())


class Table:
    """Prints rows as they come, so that a run that is cut short has said what it knew."""

    def __init__(self):
        self.rows = []

    def begin(self, title):
        print(f"\n== {title}", flush=True)
        print_cells(HEADER)

    def add(self, row):
        self.rows.append(row)
        print_cells((row.workload, row.server, row.measured, ratio_text(row.ratio), row.spread,
                     ratio_text(row.cpu_ratio), row.goal, verdict(row)))

    def note(self, text):
        print(text, flush=True)

    def print_summary(self):
        judged = [row for row in self.rows if row.reached is not None]
        missed = [row for row in judged if not row.reached]
        if not judged:
            return
        print(f"\n{len(judged) - len(missed)} of {len(judged)} goals reached")
        for row in missed:
            print(f"  not reached: {row.workload}: {row.measured.strip()} "
                  f"{ratio_text(row.ratio)} (goal {row.goal})")

    def as_data(self):
        return [asdict(row) for row in self.rows]
