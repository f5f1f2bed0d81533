"""The same decomposition with one process and with two, in turn."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pairs import agree, median, run, spread, table

WORKERS = (1, 2)
FIGURES = {"elapsed": "elapsed", "processor": "of all processors", "memory_mb": "largest process, MB"}


def main(sites: int, grid: Sequence[int], pairs: int) -> list[str]:
    """Lines of the section; ``grid`` is years, hours of a period, and periods."""
    found = [[run("one_synthetic.py", sites, *grid, workers) for workers in WORKERS] for _ in range(pairs)]
    whole = [pair for pair in found if all(pair)]
    if not whole:
        return ["A side did not finish."]
    for one, two in whole:
        assert agree(one, two), (one, two)
    rows = [
        [
            title, *(f"{median([pair[side] for pair in whole], name):.1f}" for side in (0, 1)),
            spread([two[name] / one[name] for one, two in whole]),
        ]
        for name, title in FIGURES.items()
    ]  # fmt: skip
    head = f"{sites} sites, {whole[0][0]['columns']:,} columns, {len(whole)} of {pairs} pairs"
    return [head, "", *table(["", "1 process", "2 processes", "ratio"], rows)]
