"""How time and memory of a decomposition grow with the number of sites: slopes of their logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from benchmarks.pairs import Run, run, table

FIGURES = ("elapsed", "processor", "memory_mb")


def main(sites: Sequence[int], grid: Sequence[int], workers: int) -> list[str]:
    """Lines of the section; ``grid`` is years, hours of a period, and periods."""
    found = [(count, run("one_synthetic.py", count, *grid, workers)) for count in sites]
    done = [(count, one) for count, one in found if one]
    rows = [
        [str(count), f"{one['columns']:,}", one["status"], *(f"{one[name]:.1f}" for name in FIGURES)] if one
        else [str(count), "", "did not finish", "", "", ""]
        for count, one in found
    ]  # fmt: skip
    slopes = [f"{slope([one for _, one in done], name):.2f}" for name in FIGURES] if len(done) > 1 else ["", "", ""]
    rows.append(["slope over columns", "", "", *slopes])
    years, hours, periods = grid
    head = f"`synthetic(sites, years={years}, hours={hours}, periods={periods})`, {workers} processes, benders."
    return [
        head,
        "",
        *table(["sites", "columns", "status", "elapsed", "of all processors", "largest process, MB"], rows),
    ]


def slope(runs: list[Run], name: str) -> float:
    """By least squares: 1 is in proportion."""
    columns, figures = (np.log([one[key] for one in runs]) for key in ("columns", name))
    return float(np.polyfit(columns, figures, 1)[0])
