"""A first plan for a large model: solve it with longer steps, keep what it funds, and let the fine model run it.

What is funded hardly depends on the length of a time step, while the time to solve does. So the same instance is
solved first with steps several times as long; its whole-number decisions are then fixed in the fine model and the LP
that is left gives a feasible plan, handed to HiGHS as its start. The bound is proven on the fine model alone.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from optimizer import highs
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.periods import time_grid

#: Step-years above which a start is worth its time, and the number the coarser model aims at.
LARGE, AIM = 1000, 400
#: The coarser model is solved to this part of the gap, so that most of the gap is left for what it cannot see.
PART_OF_GAP = 0.2


def longer_steps(instance: Instance) -> Instance | None:
    """The instance with longer steps; None if it is small already or its periods cannot be divided."""
    grid = time_grid(instance)
    size = len(grid.steps) * len(grid.years)
    name = instance.manifest.options.resolution
    resolution = instance.manifest.resolutions[name]
    lengths = [row.hours for row in instance.periods if row.resolution == name]
    factors = [
        factor
        for factor in range(2, max(lengths) + 1)
        if all(hours % (factor * resolution.step_hours) == 0 for hours in lengths)
    ]
    if size <= LARGE or not factors:
        return None
    factor = min((f for f in factors if size / f <= AIM), default=factors[-1])
    longer = resolution.model_copy(update={"step_hours": factor * resolution.step_hours})
    manifest = instance.manifest.model_copy(update={"resolutions": {**instance.manifest.resolutions, name: longer}})
    return dataclasses.replace(instance, manifest=manifest)


def first_plan(
    instance: Instance,
    matrix: Matrix,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: highs.Progress | None,
) -> np.ndarray | None:
    """Column values of a feasible plan of ``matrix``, or None if this way finds none."""
    coarse = longer_steps(instance)
    if coarse is None or not matrix.integer.any():
        return None
    limit = None if options.time_limit is None else options.time_limit / 3
    small = compile_matrix(build(coarse))
    tighter = dataclasses.replace(options, time_limit=limit, gap=PART_OF_GAP * options.gap)
    answer = highs.run(highs.hand_off(small, tighter), small, interrupt, progress)
    if answer.x is None or interrupt.asked:
        return None
    fixed = _with_decisions(matrix, small, answer.x)
    return highs.run(highs.hand_off(fixed, dataclasses.replace(options, time_limit=limit)), fixed, interrupt).x


def _with_decisions(matrix: Matrix, small: Matrix, x: np.ndarray) -> Matrix:
    """The fine model with the coarser one's whole-number decisions fixed (those that are not made step by step)."""
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    for name, columns in matrix.names.items():
        if name not in small.names or len(small.names[name]) != len(columns):
            continue
        values = dict(zip(small.keys[name], x[small.names[name]], strict=True))
        for column, key in zip(columns, matrix.keys[name], strict=True):
            if matrix.integer[column] and key in values:
                lower[column] = upper[column] = np.round(values[key])
    return dataclasses.replace(matrix, lower=lower, upper=upper)
