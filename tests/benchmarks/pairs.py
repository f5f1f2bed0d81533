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
from typing import Any

from benchmarks.cases import campuses

Run = dict[str, Any]
STAGES = ("read", "build", "hand-off", "solve", "between", "results", "total", "elapsed", "memory_mb")


def run(side: str, case: str, *options: str) -> Run:
    """One run; an empty one where it did not finish."""
    command = [sys.executable, str(Path(__file__).parent / "one_run.py"), side, case, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return {}
    found: Run = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextmanager
def instance_folder(count: int, hours: int) -> Iterator[str]:
    """A folder with an instance of so many campuses and hours."""
    from optimizer.instance import write_instance

    with tempfile.TemporaryDirectory() as folder:
        write_instance(campuses(count, hours), Path(folder) / "case")
        yield str(Path(folder) / "case")


def median(runs: list[Run], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]
