"""From Pyomo to arrays: the MILP as a sparse matrix, its columns found again by variable name.

The cost terms of the model are compiled together as the rows of ``cost_rows``; the objective is their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from scipy import sparse

from optimizer.model.form import Contradiction
from optimizer.model.index import RowNames
from optimizer.model.row_by_row import row_by_row
from optimizer.model.templates import expand, is_template

__all__ = ["Contradiction", "Matrix", "ScalingError", "compile_matrix"]

#: Cost terms that are present values as they stand; all others are yearly and discounted here.
CAPITAL_COSTS = frozenset(
    {"own_capital", "tax_effects", "salvage", "contribution", "contribution_gross_up", "site_opening"}
)


class ScalingError(ValueError):
    """The matrix holds numbers that a solver cannot be trusted with."""


@dataclass(frozen=True)
class Matrix:
    """min sum(cost_rows) @ x + offset, row_lower <= A x <= row_upper, lower <= x <= upper, some x whole.

    ``names`` maps a variable's name to the positions of its members, ``keys`` to their index tuples. ``row_names``
    names the constraint of every row; ``cost_keys`` is (name, place, year) of every cost row, a present value in M$.
    """

    a: sparse.csc_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    row_names: Sequence[tuple[str, Any]]
    cost_rows: sparse.csr_array
    cost_offset: np.ndarray
    cost_keys: list[tuple[str, str, int]]
    lower: np.ndarray
    upper: np.ndarray
    integer: np.ndarray
    names: dict[str, np.ndarray]
    keys: dict[str, Sequence[tuple[Any, ...]]]

    @property
    def objective(self) -> np.ndarray:
        return np.asarray(self.cost_rows.sum(axis=0)).ravel()

    def rows_named(self, *names: str) -> np.ndarray:
        """Which rows are of constraints of these names."""
        if isinstance(self.row_names, RowNames):
            return self.row_names.named(names)
        return np.array([name in names for name, _ in self.row_names], bool)

    def coefficient_range(self) -> tuple[float, float]:
        """Smallest and largest absolute coefficient of the rows."""
        values = np.abs(self.a.data[self.a.data != 0])
        return (float(values.min()), float(values.max())) if len(values) else (1.0, 1.0)


@dataclass(frozen=True)
class Size:
    """How large a matrix is, and how far its coefficients lie apart."""

    rows: int
    columns: int
    integers: int
    nonzeros: int
    coefficient_range: tuple[float, float]

    @staticmethod
    def of(matrix: Matrix) -> Size:
        rows, columns = matrix.a.shape
        return Size(rows, columns, int(matrix.integer.sum()), int(matrix.a.nnz), matrix.coefficient_range())

    def __add__(self, other: Size) -> Size:
        (least, most), (lesser, greater) = self.coefficient_range, other.coefficient_range
        return Size(
            self.rows + other.rows,
            self.columns + other.columns,
            self.integers + other.integers,
            self.nonzeros + other.nonzeros,
            (min(least, lesser), max(most, greater)),
        )


def compile_matrix(model: pyo.ConcreteModel) -> Matrix:
    """Compile a built model.

    Raises
    ------
    Contradiction
        If a row cannot hold whatever the variables are.
    ScalingError
        If a coefficient is not finite or the range of coefficients is beyond what HiGHS solves reliably.
    """
    form = expand(model) if is_template(model) else row_by_row(model)
    cost_keys = [_cost_key(*name) for name in form.cost_names]
    discount = np.array([1.0 if name in CAPITAL_COSTS else model.data.discount[year] for name, _, year in cost_keys])
    _refuse_not_finite(form.a.data, form.costs.data, form.cost_offset)
    form.a.data[np.abs(form.a.data) < NEGLIGIBLE] = 0.0
    form.a.eliminate_zeros()
    matrix = Matrix(
        a=form.a,
        row_lower=form.row_lower,
        row_upper=form.row_upper,
        row_names=form.row_names,
        cost_rows=sparse.csr_array(sparse.diags_array(discount) @ form.costs),
        cost_offset=form.cost_offset * discount,
        cost_keys=cost_keys,
        lower=form.lower,
        upper=form.upper,
        integer=form.integer,
        names=form.names,
        keys=form.keys,
    )
    _refuse_wide_range(matrix)
    return matrix


def _cost_key(name: str, index: tuple[str, int]) -> tuple[str, str, int]:
    return name.removeprefix("cost_").split("__")[0], *index


#: HiGHS takes smaller coefficients for zero: they are noise of the input's arithmetic (the sine of pi, say).
NEGLIGIBLE = 1e-9
#: With feasibility tolerances near 1e-7, coefficients further apart than this cannot be told from noise.
WIDEST_RANGE = 1e12


def _refuse_not_finite(*arrays: np.ndarray) -> None:
    """HiGHS would silently drop such a number and call the rest optimal."""
    if not all(np.isfinite(values).all() for values in arrays):
        raise ScalingError("the model holds a coefficient that is not a finite number")


def _refuse_wide_range(matrix: Matrix) -> None:
    least, most = matrix.coefficient_range()
    if most / least > WIDEST_RANGE:
        raise ScalingError(
            f"coefficients range from {least:.1e} to {most:.1e}, too far apart to solve reliably: "
            "look for a figure in the wrong unit (kW for MW, $ for M$), or drop tiny shares and efficiencies"
        )
