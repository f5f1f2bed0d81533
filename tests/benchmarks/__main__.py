"""All benchmarks in turn: ``python tests/benchmarks -o results/bench.md``. Nothing here is a test.

``--only`` names sections, ``--sizes 2x800 8x1000`` campuses and hours, ``--pairs`` how often the sides take turns.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import building, floor, side_by_side

#: About 50,000, 250,000 and 1,000,000 columns here.
SIZES = ("2x800", "8x1000", "32x1000")
PACKAGES = ("pyomo", "highspy", "pypsa", "linopy", "pandas", "numpy")
SECTIONS = {
    "Side by side, one matrix each": lambda g: side_by_side.main(g.sizes, g.pairs, "monolithic", limit=g.limit),
    "Side by side, our own choice of method": lambda g: side_by_side.main(g.sizes, g.pairs, "ours", limit=g.limit),
    "Floor": lambda g: floor.main(g.sizes, g.pairs, g.limit),
    "Build and hand-off": lambda g: building.main(g.sizes, g.pairs),
}


def _size(text: str) -> tuple[int, int]:
    count, _, hours = text.partition("x")
    return int(count), int(hours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=_size, default=[_size(size) for size in SIZES])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1800, help="seconds of solving")
    parser.add_argument("--only", nargs="+", help="sections whose title begins so", default=[""])
    parser.add_argument("-o", "--output", type=Path, default=Path("results/bench.md"))
    given = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}"
    lines = [
        "# Benchmarks", "", f"`{' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d %H:%M')}", "",
        f"{machine}, Python {platform.python_version()}, {packages}.",
        "Gap 0.5 %, one thread. Medians; ratios are of pairs that took turns, with least and greatest.",
    ]  # fmt: skip
    given.output.parent.mkdir(parents=True, exist_ok=True)
    for title, section in SECTIONS.items():
        if any(title.startswith(start) for start in given.only):
            lines += ["", f"## {title}", "", *section(given)]
            given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
