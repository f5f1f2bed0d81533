"""The same decomposition with one worker and with two, in turn: processes of a cluster, and threads of one process."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pairs import Run, agree, median, run, spread, table

WORKERS = (1, 2)
KINDS = ("processes", "threads")
FIGURES = {"elapsed": "elapsed", "processor": "of all processors", "memory_mb": "largest process, MB"}


def main(sites: int, grid: Sequence[int], pairs: int) -> list[str]:
    """Lines of the section; ``grid`` is years, hours of a period, and periods."""
    taken = [
        {kind: [run("one_synthetic.py", sites, *grid, n, kind) for n in WORKERS] for kind in KINDS}
        for _ in range(pairs)
    ]  # fmt: skip
    return [line for kind in KINDS for line in _lines(sites, kind, [turn[kind] for turn in taken])]


def _lines(sites: int, kind: str, found: list[list[Run]]) -> list[str]:
    whole = [pair for pair in found if all(pair)]
    if not whole:
        return [f"{kind}: a side did not finish.", ""]
    for one, two in whole:
        assert agree(one, two), (one, two)
    rows = [
        [
            title, *(f"{median([pair[side] for pair in whole], name):.1f}" for side in (0, 1)),
            spread([two[name] / one[name] for one, two in whole]),
        ]
        for name, title in FIGURES.items()
    ]  # fmt: skip
    head = f"{kind}: {sites} sites, {whole[0][0]['columns']:,} columns, {len(whole)} of {len(found)} pairs"
    return [head, "", *table(["", "1 worker", "2 workers", "ratio"], rows), ""]
