"""The same planning problem through this project and through PyPSA with linopy, side by side.

``make bench`` runs pairs in turn, each run in a process of its own with one solver thread and the same gap, checks that
the optima agree within the gap, and prints medians and their ratios. It tests nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

FIGURES = ("seconds", "solver", "around", "memory_mb")


def run(side: str, hours: int) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).parent / "one_run.py"), side, str(hours)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def main(count: int = 5, *sizes: int) -> None:
    print(f"{'hours':>6} {'figure':>10} {'ours':>10} {'PyPSA':>10} {'ratio':>7}   medians of {count} pairs")
    for hours in sizes or (1000, 5000):
        pairs = [(run("ours", hours), run("pypsa", hours)) for _ in range(count)]
        for mine, theirs in pairs:
            assert abs(mine["objective"] - theirs["objective"]) <= 2e-4 * abs(theirs["objective"]), (mine, theirs)
        print(f"{hours:>6} {'columns':>10} {pairs[0][0]['columns']:>10,} {pairs[0][1]['columns']:>10,}")
        print(f"{hours:>6} {'rows':>10} {pairs[0][0]['rows']:>10,} {pairs[0][1]['rows']:>10,}")
        for name in FIGURES:
            mine, theirs = (statistics.median(pair[side][name] for pair in pairs) for side in (0, 1))
            print(f"{hours:>6} {name:>10} {mine:>10.2f} {theirs:>10.2f} {mine / theirs:>7.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
