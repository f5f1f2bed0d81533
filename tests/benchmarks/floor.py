"""Everything outside ``Highs.run()`` over what is inside, on one matrix solved whole."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cases import STARGATE
from benchmarks.pairs import Run, Size, instance_folder, median, run, spread, table

OUTSIDE = ("read", "build", "hand-off", "between", "results")


def main(sizes: Sequence[Size], runs: int, limit: float = 1800) -> list[str]:
    """Lines of the section: stargate-us at standard resolution, then campuses."""
    rows = [_row("stargate-us, standard", f"{STARGATE}:standard", runs, limit)]
    for size in sizes:
        with instance_folder(size) as case:
            rows.append(_row(str(size), case, size.pairs, limit))
    return table(["case", "runs", "status", "columns", *OUTSIDE, "outside", "Highs.run()", "ratio"], rows)


def _row(name: str, case: str, runs: int, limit: float) -> list[str]:
    found: list[Run] = [f for f in (run("one_run.py", "monolithic", case, "--limit", limit) for _ in range(runs)) if f]
    if not found:
        return [name, "0", f"no plan within {limit:.0f} s", "", *[""] * len(OUTSIDE), "", "", ""]
    for one in found:
        one["outside"] = one["total"] - one["solve"]
    ratios = [one["outside"] / one["solve"] for one in found]
    figures = [f"{median(found, figure):.2f}" for figure in (*OUTSIDE, "outside", "solve")]
    return [name, str(len(found)), found[0]["status"], f"{found[0]['columns']:,}", *figures, spread(ratios)]
