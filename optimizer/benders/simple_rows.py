r"""Rows of a block that bound a single column once the decisions are known: output within capacity, say.

As rows they make every basis of the block's LP larger; more than half of its rows are of this kind. As bounds, which
follow the decisions y, they cost nothing. A row  l <= a x_j + T y <= u  with a > 0 is

    (l - T y) / a  <=  x_j  <=  (u - T y) / a

and a column has the tightest of its own bounds and those of its rows. The reduced cost d_j tells what moving the bound
costs, so that the row's part of the slope of the block's cost is  - d_j T / a.  That holds for whichever row is taken:
a bound is never looser than what one row says, and a cut from it never above the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import highspy
import numpy as np
from scipy import sparse

from optimizer.highs import Program

#: Bounds that cross by less are one.
CROSSED = 1e-6


@dataclass(frozen=True)
class Side:
    """Lower or upper bounds that rows set: constants + slopes @ y for ``columns``.

    Attributes
    ----------
    sign
        1 for upper bounds, of which the least counts; -1 for lower ones.
    own
        Bounds that the block's own columns have anyway.
    columns, constants, slopes
        Of every bound that a row sets: its column, and the bound at decisions of zero and its slope by each.
    row, at_upper
        The row, by its position in the whole LP, and whether it is at its upper limit where the column is at the bound.
    """

    sign: int
    own: np.ndarray
    columns: np.ndarray
    constants: np.ndarray
    slopes: sparse.csr_array
    row: np.ndarray
    at_upper: np.ndarray

    def at(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tightest bound of every column, and which entry of this side sets it; -1 where it is the column's own."""
        values = self.constants + self.slopes @ y
        tightest_last = np.argsort(-self.sign * values, kind="stable")
        columns = self.columns[tightest_last]
        bounds, setters = self.own.copy(), np.full(len(self.own), -1)
        by_rows = np.full(len(self.own), self.sign * np.inf)
        by_rows[columns] = values[tightest_last]
        setters[columns] = tightest_last
        tighter = self.sign * by_rows < self.sign * bounds
        bounds[tighter] = by_rows[tighter]
        return bounds, np.asarray(np.where(tighter, setters, -1))

    def slope(self, setters: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """How the weighted sum of the bounds moves with the decisions."""
        set_by_rows = setters >= 0
        sums = np.bincount(setters[set_by_rows], weights[set_by_rows], minlength=len(self.columns))
        return np.asarray(sums @ self.slopes)


@dataclass(frozen=True)
class Bounds:
    """Bounds of a block's own columns at given decisions, and what sets them."""

    lower: np.ndarray
    upper: np.ndarray
    sides: tuple[Side, Side]
    setters: tuple[np.ndarray, np.ndarray]

    def slope(self, of_lower: np.ndarray, of_upper: np.ndarray) -> np.ndarray:
        """How the sum of the lower and upper bounds with these weights moves with the decisions."""
        weights = (of_lower, of_upper)
        lower, upper = (side.slope(*of) for side, *of in zip(self.sides, self.setters, weights, strict=True))
        return np.asarray(lower + upper)

    @cached_property
    def crossing(self) -> int | None:
        """The column whose bounds cross most; None if none do."""
        by = self.lower - self.upper
        return int(np.argmax(by)) if by.max(initial=0.0) > CROSSED else None


class SimpleRows:
    """Rows taken out of a block's LP as bounds.

    Parameters
    ----------
    program
        First the block's own columns, then the decisions.
    own
        How many columns are its own.

    Attributes
    ----------
    rest
        The LP without these rows. Bounds of its own columns are to be set for every decision.
    """

    def __init__(self, program: Program, own: int) -> None:
        a = sparse.csr_array(program.a, copy=True)
        a.eliminate_zeros()
        mine, links = sparse.csr_array(a[:, :own]), sparse.csr_array(a[:, own:])
        simple = (np.diff(mine.indptr) == 1) & (np.diff(links.indptr) > 0)
        self._kept, rows = np.flatnonzero(~simple), np.flatnonzero(simple)
        self.rest = Program(
            sparse.csc_array(a[self._kept]), program.row_lower[self._kept], program.row_upper[self._kept],
            program.cost, program.lower, program.upper, program.offset,
        )  # fmt: skip
        one = mine[rows]
        columns, coefficients = one.indices, one.data
        slopes = sparse.csr_array(sparse.diags_array(-1 / coefficients) @ links[rows])
        below = np.where(coefficients > 0, program.row_lower[rows], program.row_upper[rows]) / coefficients
        above = np.where(coefficients > 0, program.row_upper[rows], program.row_lower[rows]) / coefficients
        self._height = len(simple)
        self.sides = (
            _side(-1, program.lower[:own], columns, below, slopes, rows, coefficients < 0),
            _side(1, program.upper[:own], columns, above, slopes, rows, coefficients > 0),
        )

    def at(self, y: np.ndarray) -> Bounds:
        """Bounds of the block's own columns at decisions."""
        (lower, by_lower), (upper, by_upper) = (side.at(y) for side in self.sides)
        return Bounds(lower, upper, self.sides, (by_lower, by_upper))

    def basis_with_rows(self, basis: highspy.HighsBasis, bounds: Bounds) -> highspy.HighsBasis:
        """A basis of the rest as one of the whole LP: a column at a bound that a row sets is basic, and the row not."""
        status = highspy.HighsBasisStatus
        columns, rows = list(basis.col_status), [status.kBasic] * self._height
        for row, one in zip(self._kept.tolist(), basis.row_status, strict=True):
            rows[row] = one
        ends = (status.kLower, status.kUpper)
        for side, setters, end in zip(bounds.sides, bounds.setters, ends, strict=True):
            for column in np.flatnonzero(setters >= 0).tolist():
                if columns[column] == end:
                    entry = setters[column]
                    columns[column] = status.kBasic
                    rows[side.row[entry]] = status.kUpper if side.at_upper[entry] else status.kLower
        return basis_of(columns, rows)


def basis_of(columns: list[highspy.HighsBasisStatus], rows: list[highspy.HighsBasisStatus]) -> highspy.HighsBasis:
    """A basis in which columns and rows have these places."""
    basis = highspy.HighsBasis()
    basis.col_status, basis.row_status, basis.valid = columns, rows, True
    return basis


def _side(
    sign: int,
    own: np.ndarray,
    columns: np.ndarray,
    constants: np.ndarray,
    slopes: sparse.csr_array,
    rows: np.ndarray,
    at_upper: np.ndarray,
) -> Side:
    there = np.isfinite(constants)
    return Side(
        sign, own, columns[there], constants[there], sparse.csr_array(slopes[there]), rows[there], at_upper[there]
    )
