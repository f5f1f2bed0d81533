"""A first plan from the relaxation: every number of blocks is tried rounded up and rounded down, and keeps the cheaper.

The relaxation is solved once. Then, year by year and the largest blocks first, each funding decision that is not yet
whole is fixed above and below its value; where the LP that is left costs less, it stays. Such an LP differs from the
one before in one bound, so that the dual simplex needs few steps, and it is given up once it costs more than its
rival. Whatever is kept can be operated, as its LP shows. Where other numbers must be whole (full segments, units on
line), a small MILP with funding fixed then finds those that follow from it.

The relaxation bounds the cost of every plan from below. A first plan within the gap of it needs no branching.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import highspy
import numpy as np

from optimizer import highs
from optimizer.highs import Program
from optimizer.model.data import MILLION
from optimizer.model.matrix import Matrix

#: What is decided by rounding, in this order within a year; the year is the last part of their index.
FUNDING = ("opened", "retired", "common_order", "build", "build_energy")
#: Values this close to a whole number are whole.
WHOLE = 1e-6
#: The first plan may take this part of a time limit.
PART_OF_TIME = 1 / 3
#: The MILP with funding fixed is solved to this part of the gap.
PART_OF_GAP = 0.1


@dataclass(frozen=True)
class Point:
    """An optimum of the relaxation under the decisions so far."""

    x: np.ndarray
    cost: float
    basis: highspy.HighsBasis


class Relaxation:
    """The LP of a model, kept alive while decisions are fixed in it."""

    def __init__(self, matrix: Matrix, options: highs.Options, interrupt: highs.Interrupt) -> None:
        self._solver = highs.hand_off_program(Program.of(matrix), dataclasses.replace(options, parallel=False))
        highs.watch(self._solver, interrupt)

    def solve(self, below: float = np.inf) -> Point | None:
        """The optimum; None if there is none that costs less than ``below``, or no time for it."""
        self._solver.setOptionValue("objective_bound", below)
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        cost = float(self._solver.getInfo().objective_function_value)
        x = np.asarray(self._solver.getSolution().col_value)
        return Point(x, cost, self._solver.getBasis()) if cost < below else None

    def fix(self, columns: np.ndarray, values: np.ndarray) -> None:
        """Fix columns."""
        self._solver.changeColsBounds(len(columns), columns.astype(np.int32), values, values)

    def go_back_to(self, point: Point) -> None:
        """Go on from an earlier optimum."""
        self._solver.setBasis(point.basis)


def first_plan(
    matrix: Matrix, options: highs.Options, interrupt: highs.Interrupt, progress: highs.Progress | None = None
) -> highs.Answer | None:
    """Round the relaxation to a plan.

    Returns
    -------
    Answer
        A feasible plan, not always within the gap, and the relaxation's cost as its bound; None if this way finds none.
    """
    if not matrix.integer.any():
        return None
    with interrupt.listening():
        return _first_plan(matrix, options, interrupt, progress)


def _first_plan(
    matrix: Matrix, options: highs.Options, interrupt: highs.Interrupt, progress: highs.Progress | None
) -> highs.Answer | None:
    started = time.perf_counter()
    limit = None if options.time_limit is None else PART_OF_TIME * options.time_limit
    relaxation = Relaxation(matrix, dataclasses.replace(options, time_limit=limit), interrupt)
    root = relaxation.solve()
    if root is None:
        return None
    _report(progress, started, None, root.cost)
    rounded = _rounded(matrix, relaxation, root)
    if rounded is None:
        return None
    left = None if limit is None else max(0.0, limit - (time.perf_counter() - started))
    x, cost = _all_whole(matrix, *rounded, dataclasses.replace(options, time_limit=left), interrupt)
    if x is None:
        return None
    bound = min(root.cost, cost)
    _report(progress, started, cost, bound)
    closed = highs.relative_gap(cost, bound) <= highs.CLOSED_GAP
    return highs.Answer("optimal" if closed else "within gap", x, cost, bound)


def _all_whole(
    matrix: Matrix, point: Point, funded: Matrix, options: highs.Options, interrupt: highs.Interrupt
) -> tuple[np.ndarray | None, float]:
    """A plan and its cost: the rounded relaxation's, or a small MILP's where other numbers must be whole too."""
    if (_off_whole(point.x[matrix.integer]) <= WHOLE).all():
        return point.x, point.cost
    closer = dataclasses.replace(options, gap=PART_OF_GAP * options.gap)
    answer = highs.run(highs.hand_off(funded, closer), funded, interrupt)
    return answer.x, answer.objective


def _rounded(matrix: Matrix, relaxation: Relaxation, point: Point | None) -> tuple[Point, Matrix] | None:
    """The rounded relaxation, and the model with its funding fixed there; None if rounding led nowhere."""
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    for columns in _by_year(matrix):
        while point is not None and len(loose := columns[_off_whole(point.x[columns]) > WHOLE]):
            point = _cheaper(relaxation, point, loose[:1], matrix.upper)
        if point is None:
            return None
        values = np.round(point.x[columns])
        relaxation.fix(columns, values)
        lower[columns] = upper[columns] = values
    return None if point is None else (point, dataclasses.replace(matrix, lower=lower, upper=upper))


def _off_whole(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(values - np.round(values)))


def _cheaper(relaxation: Relaxation, point: Point, column: np.ndarray, most: np.ndarray) -> Point | None:
    """The better of a value rounded up and rounded down, fixed; None if neither can be."""
    below = np.floor(point.x[column])
    above = np.minimum(below + 1, np.floor(most[column]))
    relaxation.fix(column, above)
    up = relaxation.solve()
    relaxation.fix(column, below)
    if up is not None:
        relaxation.go_back_to(up)
    down = relaxation.solve(np.inf if up is None else up.cost)
    if down is not None or up is None:
        return down
    relaxation.fix(column, above)
    relaxation.go_back_to(up)
    return up


def _by_year(matrix: Matrix) -> list[np.ndarray]:
    """Whole funding decisions of each year, the largest blocks first."""
    largest = abs(matrix.a).max(axis=0).toarray().ravel()
    ranked: dict[int, list[tuple[int, float, int]]] = {}
    for rank, name in enumerate(FUNDING):
        columns = matrix.names.get(name, np.zeros(0, int))
        keys = matrix.keys.get(name) or [(0,)] * len(columns)
        for column, key in zip(columns.tolist(), keys, strict=True):
            if matrix.integer[column]:
                ranked.setdefault(int(key[-1]), []).append((rank, -float(largest[column]), column))
    return [np.array([column for _, _, column in sorted(ranked[year])]) for year in sorted(ranked)]


def _report(progress: highs.Progress | None, started: float, cost: float | None, bound: float) -> None:
    if progress is None:
        return
    progress(
        {
            "stage": "solve",
            "elapsed": time.perf_counter() - started,
            "objective_usd": None if cost is None else cost * MILLION,
            "bound_usd": bound * MILLION,
            "gap": None if cost is None else highs.relative_gap(cost, bound),
        }
    )
