"""How time and memory of a decomposition grow with the number of sites: slopes of their logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from benchmarks.pairs import Run, run, spread, table

FIGURES = ("elapsed", "processor", "memory_mb")


def main(sites: Sequence[int], grid: Sequence[int], workers: int, turns: int) -> list[str]:
    """Lines of the section; ``grid`` is years, hours of a period, and periods."""
    found = [{count: run("one_synthetic.py", count, *grid, workers) for count in sites} for _ in range(turns)]
    rows = [_row(count, [done for turn in found if (done := turn[count])]) for count in sites]
    whole = [turn for turn in found if all(turn.values())]
    if len(set(sites)) > 1:
        slopes = [spread([slope(turn, name) for turn in whole]) if whole else "no whole turn" for name in FIGURES]
        rows.append(["slope", str(len(whole)), "", "", *slopes])
    years, hours, periods = grid
    head = f"`synthetic(sites, years={years}, hours={hours}, periods={periods})`, {workers} processes, benders."
    names = ["sites", "runs", "columns", "status", "elapsed", "of all processors", "largest process, MB"]
    return [head, "", *table(names, rows)]


def _row(count: int, done: list[Run]) -> list[str]:
    if not done:
        return [str(count), "0", "", "did not finish", "", "", ""]
    figures = [spread([one[name] for one in done]) for name in FIGURES]
    statuses = ", ".join(sorted({one["status"] for one in done}))
    return [str(count), str(len(done)), f"{done[0]['columns']:,}", statuses, *figures]


def slope(turn: dict[int, Run], name: str) -> float:
    """Exponent of the number of sites by least squares: 1 is in proportion."""
    figures = [one[name] for one in turn.values()]
    return float(np.polyfit(np.log(list(turn)), np.log(figures), 1)[0])
