"""Build and hand-off, until HiGHS would start, against PyPSA's and linopy's for the same problem.

Theirs: the PyPSA network, in bulk; the linopy model of it and of what is added; linopy's way to HiGHS without files.
One ratio leaves the network out.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pairs import Run, Size, instance_folder, median, run, spread, table

SIDES = ("monolithic", "pypsa")
HEAD = ["case", "pairs", "build", "hand-off", "network", "linopy model", "linopy hand-off"]


def main(sizes: Sequence[Size]) -> list[str]:
    """Lines of the section."""
    rows = []
    for size in sizes:
        with instance_folder(size) as case:
            taken = [[run("one_run.py", side, case, "--until", "solve") for side in SIDES] for _ in range(size.pairs)]
        rows.append([str(size), *_figures([pair for pair in taken if all(pair)])])
    return table([*HEAD, "ratio", "ratio without network", "ratio of memory"], rows)


def _figures(pairs: list[list[Run]]) -> list[str]:
    if not pairs:
        return ["0", *[""] * 8]
    for _, theirs in pairs:
        theirs["model"] = theirs["build"] - theirs["network"]
    mine, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    seconds = [median(mine, name) for name in ("build", "hand-off")]
    seconds += [median(theirs, name) for name in ("network", "model", "hand-off")]
    ratios = [
        [(a["build"] + a["hand-off"]) / (b[name] + b["hand-off"]) for a, b in pairs] for name in ("build", "model")
    ]
    memory = [a["memory_mb"] / b["memory_mb"] for a, b in pairs]
    return [str(len(pairs)), *(f"{value:.2f}" for value in seconds), *map(spread, ratios), spread(memory)]
