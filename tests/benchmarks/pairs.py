"""Runs that take turns, each in a process of its own, and their medians as lines of a table."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cases import campuses

from optimizer import Plan

Run = dict[str, Any]
STAGES = ("read", "build", "hand-off", "solve", "between", "results", "total", "elapsed", "memory_mb")


class Size(NamedTuple):
    """Campuses, hours, and how often the sides take turns."""

    count: int
    hours: int
    pairs: int

    def __str__(self) -> str:
        return f"{self.count} campuses of {self.hours} hours"


def run(script: str, *arguments: object) -> Run:
    """One run of a script of this folder; an empty one where it did not finish."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return {}
    found: Run = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextmanager
def instance_folder(size: Size) -> Iterator[str]:
    """A folder with an instance of a size."""
    from optimizer.instance import write_instance

    with tempfile.TemporaryDirectory() as folder:
        write_instance(campuses(size.count, size.hours), Path(folder) / "case")
        yield str(Path(folder) / "case")


def of_plan(plan: Plan) -> Run:
    """What a plan costs and is known to cost at the least, as a run states it."""
    return {"objective": plan.objective_usd, "bound": plan.bound_usd}


def agree(one: Run, other: Run, slack: float = 1e-6) -> bool:
    """No cost of one side may lie below the bound that the other has proven, but for a part of it."""
    room = slack * abs(one["objective"])
    return bool(one["bound"] <= other["objective"] + room and other["bound"] <= one["objective"] + room)


def median(runs: list[Run], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]
