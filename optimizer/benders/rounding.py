"""Whole decisions by rounding the relaxation of a master with its cuts: good ones soon, without a proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from optimizer import highs, start
from optimizer.benders.block import Cut
from optimizer.benders.master import with_cuts
from optimizer.model.matrix import Matrix

#: Of decisions that are as good, those that use less of a limited cost: all of its room is worth this part of
#: what may be gained.
TIE = 0.1


def rounded(
    matrix: Matrix,
    floors: np.ndarray,
    costs: np.ndarray,
    cuts: Sequence[Cut],
    margin: np.ndarray,
    best: np.ndarray,
    hoped: float,
    options: highs.Options,
    interrupt: highs.Interrupt,
) -> np.ndarray | None:
    """Round the relaxation.

    Parameters
    ----------
    matrix
        The master.
    floors, costs
        What blocks cost at the least, M$, and the columns of their costs.
    cuts
        All that are known.
    margin
        Upper limits of the rows to keep.
    best
        Decisions that are known: how much room they leave in rows with a margin.
    hoped
        What the aim may still improve by.

    Returns
    -------
    Columns of the master; None if rounding led nowhere.
    """
    limited = dataclasses.replace(
        matrix,
        row_upper=margin,
        cost_rows=sparse.csr_array((matrix.objective + _tie_break(matrix, margin, best, hoped))[None, :]),
        cost_offset=np.zeros(1),
    )
    answer = start.first_plan(with_cuts(limited, costs, floors, cuts), options, interrupt)
    return None if answer is None else answer.x


def _tie_break(matrix: Matrix, margin: np.ndarray, best: np.ndarray, hoped: float) -> np.ndarray:
    """Weights on the rows with a margin: their room is worth a part of what the aim may improve by."""
    rows = np.flatnonzero(margin < matrix.row_upper)
    limited = sparse.csr_array(matrix.a)[rows]
    room = np.maximum(matrix.row_upper[rows] - limited @ best, matrix.row_upper[rows] - margin[rows])
    return np.asarray((TIE * hoped / room) @ limited)
