"""A matrix solved by decomposition in this process."""

from __future__ import annotations

import numpy as np

from optimizer import highs
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.memory import Memory
from optimizer.benders.rounds import Found, Progress, search
from optimizer.benders.split import Split
from optimizer.model.matrix import Matrix


def search_matrix(
    matrix: Matrix,
    parts: Split,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None = None,
    workers: int = 1,
    memory: Memory | None = None,
) -> highs.Answer:
    """Solve a matrix by decomposition.

    Parameters
    ----------
    matrix
        A compiled model.
    parts
        The same, taken apart.
    workers
        Blocks solved side by side.
    options, interrupt, progress, memory
        As in `search`.

    Returns
    -------
    Answer
        Columns of the whole matrix, as a solve of it would give, within the same gap.

    Raises
    ------
    BlockError
        If a block cannot operate whatever is decided, or its LP cannot be solved.
    """
    blocks = LocalBlocks(parts.blocks, workers)
    with blocks.at_work(), interrupt.listening():
        found = search(parts.master, blocks, options, interrupt, progress, memory)
    if found.decisions is None:
        return highs.Answer(found.status, None, np.nan, found.bound)
    return highs.Answer(found.status, columns_of(matrix, parts, found), found.cost, found.bound, method="benders")


def columns_of(matrix: Matrix, parts: Split, found: Found) -> np.ndarray:
    """The decisions and their operation as columns of the whole matrix."""
    assert found.decisions is not None
    x = np.empty(matrix.a.shape[1])
    x[parts.columns] = found.decisions[: len(parts.columns)]
    for block, cut in zip(parts.blocks, found.operation, strict=True):
        assert cut.x is not None
        x[block.own] = cut.x
    return x
