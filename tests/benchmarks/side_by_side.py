"""The same planning problem here and through PyPSA, linopy and HiGHS: seconds by stage, peak memory, ratios.

No cost of one side may lie below the bound that the other has proven.
"""

from __future__ import annotations

from benchmarks.pairs import STAGES, Run, instance_folder, median, run, spread, table


def agree(one: Run, other: Run) -> bool:
    slack = 1e-6 * abs(one["objective"])
    return bool(one["bound"] <= other["objective"] + slack and other["bound"] <= one["objective"] + slack)


def main(
    sizes: list[tuple[int, int]], pairs: int, one: str = "monolithic", other: str = "pypsa", limit: float = 1800
) -> list[str]:
    """Lines of the section; ``sizes`` are campuses and hours."""
    lines = []
    for count, hours in sizes:
        with instance_folder(count, hours) as case:
            options = ("--limit", str(limit))
            found = [(run(one, case, *options), run(other, case, *options)) for _ in range(pairs)]
        whole = [(mine, theirs) for mine, theirs in found if mine and theirs]
        lines += ["", f"{count} campuses of {hours} hours, {one} against {other}: {len(whole)} of {pairs} pairs", ""]
        if not whole:
            lines.append("A side did not finish.")
            continue
        for mine, theirs in whole:
            assert agree(mine, theirs), (mine, theirs)
        lines += _stages(whole, one, other)
    return lines


def _stages(pairs: list[tuple[Run, Run]], one: str, other: str) -> list[str]:
    mine, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    rows = [[name, f"{mine[0][name]:,}", f"{theirs[0][name]:,}", ""] for name in ("columns", "rows")]
    rows.append(["method", mine[0]["method"], theirs[0]["method"], ""])
    for name in STAGES:
        ratios = [a[name] / b[name] for a, b in pairs if b[name] > 0.005]
        figures = [f"{median(side, name):.2f}" for side in (mine, theirs)]
        rows.append([name, *figures, spread(ratios) if ratios else ""])
    return table(["seconds", one, other, "ratio"], rows)
