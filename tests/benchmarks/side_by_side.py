"""The same planning problem in two ways, side by side: ``side_by_side.py ONE OTHER [PAIRS [CAMPUSES HOURS]...]``.

Runs take turns, each in a process of its own with one solver thread and the same gap. No cost of one side may lie below
the bound that the other has proven. Medians and their ratios are printed; nothing is tested.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

FIGURES = {"seconds": "total, s", "solver": "solver, s", "around": "around it, s", "memory_mb": "memory, MB"}
#: Campuses and hours: about 50,000 and 250,000 columns here.
SIZES = (2, 800, 8, 1000)


def run(side: str, campuses: int, hours: int) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).parent / "one_run.py"), side, str(campuses), str(hours)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def agree(one: dict[str, float], other: dict[str, float]) -> bool:
    slack = 1e-6 * abs(one["objective"])
    return one["bound"] <= other["objective"] + slack and other["bound"] <= one["objective"] + slack


def main(one: str = "ours", other: str = "pypsa", pairs: str = "5", *sizes: str) -> None:
    numbers = list(map(int, sizes)) or list(SIZES)
    print(f"{'campuses':>8} {'hours':>6} {'figure':>14} {one:>12} {other:>12} {'ratio':>7}   medians of {pairs} pairs")
    for campuses, hours in zip(numbers[::2], numbers[1::2], strict=True):
        found = [(run(one, campuses, hours), run(other, campuses, hours)) for _ in range(int(pairs))]
        for mine, theirs in found:
            assert agree(mine, theirs), (mine, theirs)
        for name in ("columns", "rows"):
            print(f"{campuses:>8} {hours:>6} {name:>14} {found[0][0][name]:>12,} {found[0][1][name]:>12,}")
        for name, title in FIGURES.items():
            mine, theirs = (statistics.median(pair[side][name] for pair in found) for side in (0, 1))
            figures = f"{mine:>12.2f} {theirs:>12.2f} {mine / theirs:>7.2f}"
            print(f"{campuses:>8} {hours:>6} {title:>14} {figures}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
