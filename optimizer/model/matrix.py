"""From Pyomo to arrays: the MILP as a sparse matrix, its columns found again by variable name.

The cost terms of the model are compiled together as the rows of ``cost_rows``; the objective is their sum.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.errors import InfeasibleConstraintException
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

#: Cost terms that are present values as they stand; all others are yearly and discounted here.
CAPITAL_COSTS = frozenset(
    {"own_capital", "tax_effects", "salvage", "contribution", "contribution_gross_up", "site_opening"}
)


class Contradiction(ValueError):
    """A limit that no value of any variable can meet."""


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
    row_names: list[tuple[str, Any]]
    cost_rows: sparse.csr_array
    cost_offset: np.ndarray
    cost_keys: list[tuple[str, str, int]]
    lower: np.ndarray
    upper: np.ndarray
    integer: np.ndarray
    names: dict[str, np.ndarray]
    keys: dict[str, list[tuple[Any, ...]]]

    @property
    def objective(self) -> np.ndarray:
        return np.asarray(self.cost_rows.sum(axis=0)).ravel()

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
    logging.getLogger("pyomo").setLevel(logging.ERROR)  # a deprecation note inside Pyomo's own compiler
    try:
        form = LinearStandardFormCompiler().write(model, mixed_form=True)
    except InfeasibleConstraintException as error:
        raise Contradiction(str(error)) from None
    rhs = np.asarray(form.rhs, float)
    kind = np.fromiter((row.bound_type for row in form.rows), np.int8, len(form.rows))
    names, keys = _columns(form.columns)
    cost_keys = [_cost_key(term) for term in form.objectives]
    discount = np.array([1.0 if name in CAPITAL_COSTS else model.data.discount[year] for name, _, year in cost_keys])
    a = sparse.csc_array(form.A)
    _refuse_not_finite(a.data, form.c.data, np.asarray(form.c_offset, float))
    a.data[np.abs(a.data) < NEGLIGIBLE] = 0.0
    a.eliminate_zeros()
    matrix = Matrix(
        a=a,
        row_lower=np.where(kind == 1, -np.inf, rhs),
        row_upper=np.where(kind == -1, np.inf, rhs),
        row_names=[(row.constraint.parent_component().name, row.constraint.index()) for row in form.rows],
        cost_rows=sparse.csr_array(sparse.diags_array(discount) @ form.c),
        cost_offset=np.asarray(form.c_offset, float) * discount,
        cost_keys=cost_keys,
        lower=np.array([-np.inf if v.lb is None else v.lb for v in form.columns], float),
        upper=np.array([np.inf if v.ub is None else v.ub for v in form.columns], float),
        integer=np.array([v.is_integer() or v.is_binary() for v in form.columns], bool),
        names=names,
        keys=keys,
    )
    _refuse_wide_range(matrix)
    return matrix


def _columns(columns: list[Any]) -> tuple[dict[str, np.ndarray], dict[str, list[tuple[Any, ...]]]]:
    positions: dict[int, list[int]] = {}
    keys: dict[int, list[tuple[Any, ...]]] = {}
    components: dict[int, Any] = {}
    for position, column in enumerate(columns):
        component = column.parent_component()
        components[id(component)] = component
        positions.setdefault(id(component), []).append(position)
        index = column.index()
        keys.setdefault(id(component), []).append(index if isinstance(index, tuple) else (index,))
    named = {i: component.name for i, component in components.items()}
    return {named[i]: np.array(p) for i, p in positions.items()}, {named[i]: k for i, k in keys.items()}


def _cost_key(term: Any) -> tuple[str, str, int]:
    place, year = term.index()
    return term.parent_component().name.removeprefix("cost_").split("__")[0], place, year


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
