"""Everything outside ``Highs.run()`` over what is inside, on one matrix solved whole."""

from __future__ import annotations

from pathlib import Path

from benchmarks.pairs import Run, instance_folder, median, run, spread, table

STARGATE = Path(__file__).parents[2] / "instances" / "stargate-us"


def main(sizes: list[tuple[int, int]], runs: int, limit: float = 1800) -> list[str]:
    """Lines of the section: stargate-us at standard resolution, then campuses and hours."""
    rows = [_row("stargate-us, standard", f"{STARGATE}:standard", runs, limit)]
    for count, hours in sizes:
        with instance_folder(count, hours) as case:
            rows.append(_row(f"{count} campuses of {hours} hours", case, runs, limit))
    return table(["case", "runs", "status", "columns", "outside, s", "Highs.run(), s", "ratio"], rows)


def _row(name: str, case: str, runs: int, limit: float) -> list[str]:
    found: list[Run] = [f for f in (run("monolithic", case, "--limit", str(limit)) for _ in range(runs)) if f]
    if not found:
        return [name, "0", f"no plan within {limit:.0f} s", "", "", "", ""]
    for one in found:
        one["outside"] = one["total"] - one["solve"]
    ratios = [one["outside"] / one["solve"] for one in found]
    figures = [f"{median(found, figure):.2f}" for figure in ("outside", "solve")]
    return [name, str(len(found)), found[0]["status"], f"{found[0]['columns']:,}", *figures, spread(ratios)]
