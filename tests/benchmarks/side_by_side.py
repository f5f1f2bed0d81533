"""The same planning problem here and through PyPSA, linopy and HiGHS: seconds by stage, peak memory, ratios."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pairs import STAGES, Run, Size, agree, instance_folder, median, run, spread, table

STOPPED = ("feasible at time limit", "no incumbent")


def main(sizes: Sequence[Size], one: str = "monolithic", other: str = "pypsa", limit: float = 1800) -> list[str]:
    """Lines of the section."""
    lines = []
    for size in sizes:
        with instance_folder(size) as case:
            found = [
                [run("one_run.py", side, case, "--limit", limit) for side in (one, other)] for _ in range(size.pairs)
            ]
        whole = [(mine, theirs) for mine, theirs in found if mine and theirs]
        lines += ["", f"{size}, {one} against {other}: {len(whole)} of {size.pairs} pairs", ""]
        if not whole:
            lines.append("A side did not finish.")
            continue
        for mine, theirs in whole:
            assert agree(mine, theirs), (mine, theirs)
        lines += [*_stages(whole, one, other), *_stopped(whole, one, other, limit)]
    return lines


def _stages(pairs: list[tuple[Run, Run]], one: str, other: str) -> list[str]:
    mine, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    rows = [[name, f"{mine[0][name]:,}", f"{theirs[0][name]:,}", ""] for name in ("columns", "rows")]
    rows.append(["method", mine[0]["method"], theirs[0]["method"], ""])
    rows.append(["gap", *(f"{max(map(_gap, side)):.2%}" for side in (mine, theirs)), ""])
    for name in STAGES:
        ratios = [a[name] / b[name] for a, b in pairs if b[name] > 0.005]
        figures = [f"{median(side, name):.2f}" for side in (mine, theirs)]
        rows.append([name, *figures, spread(ratios) if ratios else ""])
    return table(["seconds", one, other, "ratio"], rows)


def _stopped(pairs: list[tuple[Run, Run]], one: str, other: str, limit: float) -> list[str]:
    """What to know of sides that the limit stopped."""
    lines = []
    for name, runs in zip((one, other), zip(*pairs, strict=True), strict=True):
        count = sum(run["status"] in STOPPED for run in runs)
        if count:
            lines += ["", f"{name}: {count} of {len(runs)} stopped after {limit:,.0f} s of solving; it needs more."]
    return lines


def _gap(run: Run) -> float:
    """Relative gap; infinite where no plan is known."""
    known = run["objective"] < float("inf")
    return float((run["objective"] - run["bound"]) / abs(run["objective"])) if known else float("inf")
