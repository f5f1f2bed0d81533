"""All plans of an instance, searched for other things than the least cost.

The model is built once. A limit on a figure of the plan is one more row, another aim is another objective:

    min or max  figure(x)    subject to  the model,  other figure(x) <= limit

A figure is a weighted sum of columns: the cost, emissions, MW of an option. The solution of a search says what is
funded and whole; how it is run is then settled at least cost, and the plan is read and checked as after any solve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.data import MILLION, Data
from optimizer.model.matrix import Matrix, Size, compile_matrix
from optimizer.model.solution import Solution
from optimizer.plan import Plan
from optimizer.solve import Interrupted, SolveError, Stopwatch, checked_plan, find, refusals, refuse_no_answer

Progress = Callable[[dict[str, Any]], None]

#: Rows and bounds of a start may be missed by this, relative to their size: what HiGHS itself tolerates.
FEASIBILITY = 1e-6
#: A limit is placed this part above the figure of the plan that it comes from, so that rounding does not exclude it.
SLACK = 1e-7
#: What is funded: fixed when a plan found by a search is settled.
FUNDING = ("build", "build_energy")


@dataclass(frozen=True)
class Figure:
    """A weighted sum of columns and a constant, in units near those of the model (M$, MW, GWh, kt)."""

    weights: np.ndarray
    constant: float = 0.0

    def of(self, x: np.ndarray) -> float:
        """Its value at column values; columns added later count nothing."""
        return float(self.weights @ x[: len(self.weights)]) + self.constant

    def negative(self) -> Figure:
        """The figure to minimise where this one is to be maximised."""
        return Figure(-self.weights, -self.constant)


@dataclass(frozen=True)
class Space:
    """The plans of an instance: its model as a matrix, to which limits and aims are added."""

    instance: Instance
    data: Data
    matrix: Matrix

    @staticmethod
    def of(instance: Instance) -> Space:
        """Build the model of an instance.

        Raises
        ------
        Infeasible, SolverFailure
            When its limits contradict the data, or its coefficients cannot be trusted.
        """
        with refusals():
            model = build(instance)
            return Space(instance, model.data, compile_matrix(model))

    @property
    def cost(self) -> Figure:
        """Present value of the sponsor's cost, M$."""
        return Figure(self.matrix.objective, float(self.matrix.cost_offset.sum()))

    def cost_named(self, name: str) -> Figure:
        """Present value of one cost by name, M$."""
        rows = [at for at, key in enumerate(self.matrix.cost_keys) if key[0] == name]
        weights = np.asarray(self.matrix.cost_rows[rows].sum(axis=0)).ravel()
        return Figure(weights, float(self.matrix.cost_offset[rows].sum()))

    def funded_mw(self, chosen: Iterable[str]) -> Figure:
        """MW that enter service over the years, of resources by name."""
        names, weights = set(chosen), np.zeros(self.matrix.a.shape[1])
        keys = self.matrix.keys.get("build", [])
        for column, (name, _) in zip(self.matrix.names.get("build", ()), keys, strict=True):
            if name in names:
                weights[column] = self.data.resources[name].block_mw
        return Figure(weights)

    def within(self, figure: Figure, limit: float, name: str) -> Space:
        """The plans whose figure is at most a limit (in the figure's units)."""
        row = np.zeros(self.matrix.a.shape[1])
        row[: len(figure.weights)] = figure.weights
        return self.with_rows(row[None, :], np.array([limit - figure.constant]), name)

    def with_rows(self, rows: Any, upper: np.ndarray, name: str) -> Space:
        """The plans that keep rows @ x <= upper too."""
        matrix = self.matrix
        more = dataclasses.replace(
            matrix,
            a=sparse.csc_array(sparse.vstack([matrix.a, sparse.csc_array(rows)])),
            row_lower=np.concatenate([matrix.row_lower, np.full(len(upper), -np.inf)]),
            row_upper=np.concatenate([matrix.row_upper, upper]),
            row_names=[*matrix.row_names, *[(name, at) for at in range(len(upper))]],
        )
        return dataclasses.replace(self, matrix=more)

    def with_columns(
        self, name: str, upper: np.ndarray, *, whole: bool = False, entries: np.ndarray | None = None
    ) -> Space:
        """The plans with more columns, from 0 to ``upper``, at no cost; ``entries`` are theirs in the rows there
        are."""
        matrix, count = self.matrix, len(upper)
        (height, width), costs = matrix.a.shape, matrix.cost_rows.shape[0]
        block = sparse.csc_array((height, count)) if entries is None else sparse.csc_array(entries)
        more = dataclasses.replace(
            matrix,
            a=sparse.csc_array(sparse.hstack([matrix.a, block])),
            cost_rows=sparse.csr_array(sparse.hstack([matrix.cost_rows, sparse.csr_array((costs, count))])),
            lower=np.concatenate([matrix.lower, np.zeros(count)]),
            upper=np.concatenate([matrix.upper, upper]),
            integer=np.concatenate([matrix.integer, np.full(count, whole)]),
            names=matrix.names | {name: np.arange(width, width + count)},
            keys=matrix.keys | {name: [(at,) for at in range(count)]},
        )
        return dataclasses.replace(self, matrix=more)


def least_cost(
    space: Space, options: highs.Options, progress: Progress | None = None, known: np.ndarray | None = None
) -> highs.Answer:
    """The plan of least cost, as `solve` finds it.

    Parameters
    ----------
    known
        Column values of a plan of the space: the answer where none as cheap is found in time.

    Raises
    ------
    SolveError
        If there is none.
    """
    answer = find(space.instance, space.matrix, options, progress=progress)
    if known is None or answer.status in ("infeasible", "interrupted"):
        return taken(answer)
    cost = space.cost.of(known)
    if answer.x is None or cost < answer.objective:
        status = "feasible at time limit" if answer.x is None else answer.status
        return dataclasses.replace(answer, status=status, x=known, objective=cost)
    return answer


def least(
    space: Space,
    figure: Figure,
    options: highs.Options,
    start: np.ndarray | None = None,
    progress: Progress | None = None,
) -> highs.Answer:
    """The plan with the least of a figure; objective and bound of the answer are in its units.

    Parameters
    ----------
    start
        Column values of a known plan to begin with; left out where they do not keep every limit.
    progress
        Called with events as in `solve`; where the figure is not the cost, as `told_of` has them.

    Raises
    ------
    SolveError
        If there is none.
    """
    aimed = aimed_at(space.matrix, figure)
    solver = highs.hand_off(aimed, options)
    if start is not None and keeps(space.matrix, start):
        highs.set_start(solver, start)
    return taken(highs.run(solver, aimed, highs.Interrupt(), told_of(progress, space, figure)))


def aimed_at(matrix: Matrix, figure: Figure) -> Matrix:
    """The matrix with a figure as what is to be least."""
    weights = np.zeros(matrix.a.shape[1])
    weights[: len(figure.weights)] = figure.weights
    return dataclasses.replace(
        matrix,
        cost_rows=sparse.csr_array(weights[None, :]),
        cost_offset=np.array([figure.constant]),
        cost_keys=[("aim", "", 0)],
    )


def told_of(progress: Progress | None, space: Space, figure: Figure) -> Progress | None:
    """Progress of a search for a figure: where that is not the cost, ``value`` and ``value_bound`` in its units."""
    cost = space.matrix.objective[: len(figure.weights)]
    if progress is None or np.array_equal(figure.weights, cost):
        return progress
    names = {"objective_usd": "value", "bound_usd": "value_bound"}

    def told(event: dict[str, Any]) -> None:
        found = {names[name]: value for name, value in event.items() if name in names and value is not None}
        others = {name: value for name, value in event.items() if name not in names}
        progress(others | {name: value / MILLION for name, value in found.items()})

    return told


def named(progress: Progress | None, stage: str) -> Progress | None:
    """Progress of a search that is called by its name."""
    return None if progress is None else lambda event: progress({**event, "stage": stage})


def taken(answer: highs.Answer) -> highs.Answer:
    """The answer if it holds a plan and the user did not ask to stop."""
    refuse_no_answer(answer)
    if answer.status == "interrupted":
        raise Interrupted("stopped before all plans were found")
    return answer


def keeps(matrix: Matrix, x: np.ndarray) -> bool:
    """Do column values keep every row, bound and whole number."""
    if len(x) != matrix.a.shape[1]:
        return False
    rows = matrix.a @ x
    size = FEASIBILITY * np.maximum(1.0, np.abs(rows))
    held = (rows >= matrix.row_lower - size) & (rows <= matrix.row_upper + size)
    room = FEASIBILITY * np.maximum(1.0, np.abs(x))
    bounded = (x >= matrix.lower - room) & (x <= matrix.upper + room)
    whole = np.abs(x[matrix.integer] - np.round(x[matrix.integer])) <= FEASIBILITY
    return bool(held.all() and bounded.all() and whole.all())


def settled(
    space: Space, x: np.ndarray, options: highs.Options, *, fixed: Iterable[str] = (), then: Figure | None = None
) -> np.ndarray:
    """The cheapest way to run what a search found: whole numbers as in ``x``, and columns named ``fixed`` too.

    Parameters
    ----------
    then
        Of the ways that cost the same, that with the least of this figure.

    Returns
    -------
    Column values; those given where the LP that is left cannot be solved (the checker decides then).
    """
    matrix = space.matrix
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    columns = np.concatenate([np.flatnonzero(matrix.integer), *(matrix.names.get(name, []) for name in fixed)])
    columns = columns.astype(int)
    values = np.clip(np.where(matrix.integer, np.round(x), x), lower, upper)
    lower[columns] = upper[columns] = values[columns]
    left = dataclasses.replace(matrix, lower=lower, upper=upper, integer=np.zeros(len(lower), bool))
    plain = highs.Options(threads=options.threads, seed=options.seed)
    cheapest = highs.run(highs.hand_off(left, plain), left, highs.Interrupt())
    if cheapest.x is None or then is None:
        return x if cheapest.x is None else cheapest.x
    no_dearer = dataclasses.replace(space, matrix=left).within(space.cost, above(cheapest.objective), "cost")
    try:
        best = least(no_dearer, then, plain).x
    except SolveError:
        return cheapest.x
    return cheapest.x if best is None else best


def above(value: float, share: float = SLACK) -> float:
    """A limit by a share above a figure, whatever its sign.

    >>> above(100.0, 0.02), above(-100.0, 0.02)
    (102.0, -98.0)
    """
    return value + share * abs(value)


def read(
    space: Space,
    instance: Instance,
    x: np.ndarray,
    bound: float,
    asked: float,
    threads: int | None,
    status: str = "optimal",
) -> Plan:
    """The checked plan of column values.

    Parameters
    ----------
    instance
        Instance that the plan is a plan of.
    bound
        No plan of ``instance`` costs less, M$.
    asked
        Gap that ``within gap`` stands for at least: the plan need not be the cheapest.
    status
        What the search said.

    Raises
    ------
    CheckError
        When the plan breaks a limit or its figures do not add up.
    """
    solution = Solution.of(Data.of(instance), space.matrix, x)
    return read_solution(instance, solution, Size.of(space.matrix), space.cost.of(x), bound, asked, threads, status)


def read_solution(
    instance: Instance,
    solution: Solution,
    size: Size,
    cost: float,
    bound: float,
    asked: float,
    threads: int | None,
    status: str = "optimal",
) -> Plan:
    """The checked plan of a solution that costs so much, M$; else as `read`."""
    gap = max(asked, highs.relative_gap(cost, bound) * (1 + 1e-6))
    word = "within gap" if status == "optimal" and gap > highs.CLOSED_GAP else status
    answer = highs.Answer(word, None, cost, min(bound, cost))
    return checked_plan(instance, solution, size, answer, highs.Options(gap=gap, threads=threads), Stopwatch(None))


def usd(value: float) -> float:
    """US$ from M$."""
    return value * MILLION
