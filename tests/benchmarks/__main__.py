"""All benchmarks in turn: ``python tests/benchmarks -o results/bench.md``. Nothing here is a test.

``--only`` names sections. ``--sizes 2x800 8x1000x3`` are campuses, hours and, if not ``--pairs``, how often the sides
take turns. ``--sites`` and ``--grid`` (years, hours of a period, periods) are of the sections ``Scaling`` and
``Workers``, the latter for the first number of sites.
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

from benchmarks import building, floor, scaling, side_by_side, solver_steps, sweeping, warm, workers
from benchmarks.pairs import Size

#: About 50,000, 250,000 and 1,000,000 columns here.
SIZES = ("2x800x5", "8x1000x3", "32x1000x1")
#: Campuses times hours up to which a matrix is solved whole.
WHOLE = 10_000
PACKAGES = ("pyomo", "highspy", "pypsa", "linopy", "pandas", "numpy", "distributed")
SECTIONS = {
    "Side by side, one matrix each": lambda g: side_by_side.main(_whole(g), "monolithic", limit=g.limit),
    "Side by side, our own choice of method": lambda g: side_by_side.main(_sizes(g), "ours", limit=g.limit),
    "Floor": lambda g: floor.main(_whole(g), g.pairs, g.limit),
    "Build and hand-off": lambda g: building.main(_sizes(g)),
    "Scaling": lambda g: scaling.main(g.sites, g.grid, g.workers, g.pairs),
    "Workers": lambda g: workers.main(g.sites[0], g.grid, g.pairs),
    "Warm starts": lambda _: warm.main(),
    "Sweep": lambda g: sweeping.main(g.workers, g.pairs),
    "Solver, step by step": lambda g: solver_steps.main(g.pairs),
}


def _sizes(given: argparse.Namespace) -> list[Size]:
    numbers = [[int(number) for number in size.split("x")] for size in given.sizes]
    return [Size(*size[:2], size[2] if size[2:] else given.pairs) for size in numbers]


def _whole(given: argparse.Namespace) -> list[Size]:
    return [size for size in _sizes(given) if size.count * size.hours <= WHOLE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--pairs", type=int, default=5, help="how often what is compared takes turns")
    parser.add_argument("--sites", nargs="+", type=int, default=[5, 10, 20])
    parser.add_argument("--grid", nargs=3, type=int, default=[10, 168, 8])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of Scaling and Sweep")
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
        "Seconds are of the processor, those called elapsed of the wall.",
    ]  # fmt: skip
    given.output.parent.mkdir(parents=True, exist_ok=True)
    for title, section in SECTIONS.items():
        if any(title.startswith(start) for start in given.only):
            lines += ["", f"## {title}", "", *section(given)]
            given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(given.output.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
