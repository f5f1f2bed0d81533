"""The runner-up of each investment: what one block more or one block fewer would cost, all else funded as planned.

Operation, bills and make-whole payments adapt; the other investments and open sites do not. So a figure says how
sharp the plan's choice is, and is an upper limit on what the change would cost if all could be planned anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.decisions import hold, investments
from optimizer.explain.elastic import without_repeated_bounds
from optimizer.model.build import build
from optimizer.model.data import MILLION, Data
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.plan import Plan

COLUMNS = ["place", "option", "funding_mode", "year", "planned_blocks", "change_blocks", "change_mw", "usd", "outcome"]
#: Auxiliary whole numbers that only say whether something is in service.
INDICATORS = ("ever_built", "joint_built", "has_required")


@dataclass(frozen=True)
class Change:
    """One block more or fewer of a resource in a year."""

    column: int
    resource: str
    year: int
    planned: float
    blocks: int


def runner_up(plan: Plan, *, threads: int | None = None, gap: float = 1e-4) -> pd.DataFrame:
    """Cost of one block more and one block fewer of every investment, and of one block of every option left out.

    Parameters
    ----------
    plan
        A solved plan.
    threads
        Threads of the solver.
    gap
        Gap of the search for the whole numbers that the tables do not hold.

    Returns
    -------
    DataFrame
        place, option, funding_mode, year (of service), planned_blocks, change_blocks (+1 or -1), change_mw, usd (rise
        of the present value, NaN if not possible), outcome (``possible``, or why not); cheapest first.

    Raises
    ------
    ValueError
        If the plan's investments do not solve its own instance.
    """
    data = Data.of(plan.instance)
    matrix = hold(without_repeated_bounds(compile_matrix(build(plan.instance))), investments(plan))
    options = highs.Options(gap=gap, threads=threads)
    answer = highs.run(highs.hand_off(matrix, options), matrix, highs.Interrupt())
    if answer.x is None:
        raise ValueError("the plan's investments do not solve its own instance: was the run changed?")
    solver = highs.fixed_lp(matrix, answer.x, options)
    _free_indicators(solver, matrix)
    solver.run()
    base = solver.getInfo().objective_function_value
    rows = [_row(data, change, *_tried(solver, matrix, answer.x, change, base)) for change in _changes(matrix, data)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found.sort_values("usd", ignore_index=True, kind="stable")


def _free_indicators(solver: highspy.Highs, matrix: Matrix) -> None:
    for name in INDICATORS:
        for column in matrix.names.get(name, ()):
            solver.changeColBounds(int(column), 0.0, 1.0)


def _changes(matrix: Matrix, data: Data) -> Iterator[Change]:
    """A block more or fewer where the plan builds; one block, in its first year, of what it never builds."""
    columns = dict(zip(matrix.keys.get("build", []), matrix.names.get("build", []), strict=True))
    built = {resource for (resource, _), column in columns.items() if matrix.lower[column] > 0}
    first: set[str] = set()
    for (resource, year), column in columns.items():
        planned = float(matrix.lower[column])
        if resource not in built and resource not in first:
            first.add(resource)
            yield Change(int(column), resource, year, planned, 1)
        elif planned > 0:
            yield Change(int(column), resource, year, planned, 1)
            yield Change(int(column), resource, year, planned, -1)


def _tried(solver: highspy.Highs, matrix: Matrix, x: np.ndarray, change: Change, base: float) -> tuple[float, str]:
    """Rise of the cost in M$, and what came of it; the solver is left as it was."""
    value = max(0.0, change.planned + change.blocks)
    units = [
        (int(column), float(round(x[column])))
        for column, key in zip(matrix.names.get("has_unit", ()), matrix.keys.get("has_unit", ()), strict=True)
        if key[0] == change.resource and key[1] >= change.year
    ]
    solver.changeColBounds(change.column, value, value)
    for column, before in units:
        solver.changeColBounds(column, before if change.blocks < 0 else 1.0, 1.0)
    solver.run()
    status, cost = solver.getModelStatus(), solver.getInfo().objective_function_value
    solver.changeColBounds(change.column, change.planned, change.planned)
    for column, before in units:
        solver.changeColBounds(column, before, before)
    if status == highspy.HighsModelStatus.kOptimal:
        return cost - base, "possible"
    word = "a limit of the option or of the plan forbids it" if change.blocks > 0 else "the plan needs it"
    return float("nan"), f"not possible: {word}"


def _row(data: Data, change: Change, cost: float, outcome: str) -> dict[str, Any]:
    resource = data.resources[change.resource]
    assert resource.option is not None
    moved = max(0.0, change.planned + change.blocks) - change.planned
    return {
        "place": resource.place,
        "option": resource.option.option,
        "funding_mode": resource.mode,
        "year": change.year,
        "planned_blocks": change.planned,
        "change_blocks": moved,
        "change_mw": moved * resource.block_mw,
        "usd": cost * MILLION,
        "outcome": outcome,
    }
