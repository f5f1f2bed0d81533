"""A matrix with a step of its tight formulation taken back. What plans it allows, and what they cost, stays the same.

Columns and rows are found by name: a matrix that has none of a step's names has nothing to take back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from optimizer.model.matrix import Matrix

#: Rows that follow from others and only tighten the relaxation.
TIGHTENING = ("open_sites_carry_demand",)
#: Rows ``x <= big-M * binary``, with the name of the binary. Where it is 1, other rows and bounds limit x as far.
SWITCHED_ON = {
    "it_below_ceiling_if_open": "opened",
    "capacity_needs_unit": "has_unit",
    "built_needs_ever": "ever_built",
    "option_needs_required": "has_required",
    "next_capacity_segment_needs_full": "capacity_full",
    "next_network_segment_needs_full": "network_full",
    "next_rise_segment_needs_full": "rise_full",
}
#: Rows ``x <= y + big-M * (1 - binary)``.
SWITCHED_OFF = {
    "no_more_capacity_than_owed": "capacity_full",
    "peak_is_an_import": "peak_at",
    "annual_peak_is_a_peak": "annual_at",
    "billing_is_a_peak": "billing_at_peak",
    "billing_is_the_minimum": "billing_at_minimum",
    "billing_is_the_ratchet": "billing_at_ratchet",
}
TIMES = 10.0
#: What a whole number may be off by.
WHOLE = 1e-6
#: Columns with bounds from data, and the rows by which those bounds follow from what may be built.
DERIVED = {
    "capacity_mw": ("capacity_in_service",),
    "energy_mwh": ("energy_in_service", "energy_follows_power"),
    "poi_mw": ("poi_capacity",),
    "import_mw": ("import_within_poi",),
    "export_mw": ("export_within_poi",),
    "online": ("online_within_capacity",),
}
#: Columns whose bound follows where it is what such a row allows; it may be the only limit of a year.
BUILDS = {"build": ("build_within_total", "build_within_year"), "build_energy": ("energy_build_within_total",)}


def without_rows(matrix: Matrix) -> Matrix:
    """Without the rows that only tighten."""
    kept = ~matrix.rows_named(*TIGHTENING)
    return replace(
        matrix,
        a=matrix.a.tocsr()[kept].tocsc(),
        row_lower=matrix.row_lower[kept],
        row_upper=matrix.row_upper[kept],
        row_names=[row for row, keep in zip(matrix.row_names, kept, strict=True) if keep],
    )


def large_big_m(matrix: Matrix) -> Matrix:
    """With every big-M ten times what was derived from data."""
    a, upper = matrix.a.tocoo(), matrix.row_upper.copy()
    for rows, binary in (SWITCHED_ON | SWITCHED_OFF).items():
        big = np.flatnonzero(matrix.rows_named(rows)[a.row] & np.isin(a.col, _columns(matrix, binary)))
        if rows in SWITCHED_OFF:
            upper[a.row[big]] += (TIMES - 1) * a.data[big]
        a.data[big] *= TIMES
    return replace(matrix, a=a.tocsc(), row_upper=upper)


def unbounded(matrix: Matrix) -> Matrix:
    """Without the upper bounds of columns that follow from other rows."""
    upper = matrix.upper.copy()
    upper[_derived(matrix)] = np.inf
    return replace(matrix, upper=upper)


def with_redundant_rows(matrix: Matrix) -> Matrix:
    """With rows where the model has only a bound: limits of a year on one funding mode, POIs without an upgrade."""
    limited = np.concatenate([_columns(matrix, name) for name in (*BUILDS, "import_mw", "export_mw")])
    columns = np.setdiff1d(limited, _derived(matrix))
    rows = sparse.csr_array(
        (np.ones(len(columns)), (np.arange(len(columns)), columns)), shape=(len(columns), matrix.a.shape[1])
    )
    return replace(
        matrix,
        a=sparse.vstack([matrix.a, rows], format="csc"),
        row_lower=np.append(matrix.row_lower, np.full(len(columns), -np.inf)),
        row_upper=np.append(matrix.row_upper, matrix.upper[columns]),
        row_names=[*matrix.row_names, *(("bound", int(j)) for j in columns)],
    )


def block_by_block(matrix: Matrix) -> Matrix:
    """With a binary for every block instead of a count of blocks. Its columns have no names."""
    at, _, several = _blocks(matrix)
    return replace(
        matrix,
        a=matrix.a[:, at],
        cost_rows=matrix.cost_rows[:, at],
        lower=matrix.lower[at],
        upper=np.where(several, 1.0, matrix.upper[at]),
        integer=matrix.integer[at],
        names={},
        keys={},
    )


def plan_block_by_block(matrix: Matrix, x: np.ndarray) -> np.ndarray:
    """The plan of a matrix as one of its matrix `block_by_block`."""
    at, number, several = _blocks(matrix)
    return np.where(several, np.clip(x[at] - number, 0.0, 1.0), x[at])


#: What is taken back, by title.
STEPS: dict[str, Callable[[Matrix], Matrix]] = {
    "no open_sites_carry_demand": without_rows,
    "big-M ten times as large": large_big_m,
    "both": lambda matrix: large_big_m(without_rows(matrix)),
    "no bounds from data": unbounded,
    "redundant rows kept": with_redundant_rows,
    "all of the above": lambda matrix: unbounded(with_redundant_rows(large_big_m(without_rows(matrix)))),
    "a binary for every block": block_by_block,
}


def same(one: Matrix, other: Matrix) -> bool:
    """Had a step nothing to take back."""
    return one.a.shape == other.a.shape and np.array_equal(one.upper, other.upper) and abs(one.a - other.a).nnz == 0


def _columns(matrix: Matrix, name: str) -> np.ndarray:
    return np.asarray(matrix.names.get(name, []), int)


def _within(matrix: Matrix, name: str, rows: tuple[str, ...]) -> np.ndarray:
    """Columns of a name that stand in rows of these names."""
    columns = _columns(matrix, name)
    return columns[np.diff(matrix.a.tocsr()[matrix.rows_named(*rows)].tocsc()[:, columns].indptr) > 0]


def _derived(matrix: Matrix) -> np.ndarray:
    """Columns whose upper bounds follow from other rows."""
    derived = [_within(matrix, name, rows) for name, rows in DERIVED.items()]
    for name, rows in BUILDS.items():
        allowed = np.full(matrix.a.shape[1], np.inf)
        named = np.flatnonzero(matrix.rows_named(*rows))
        of_rows = matrix.a.tocsr()[named].tocoo()
        np.minimum.at(allowed, of_rows.col, matrix.row_upper[named[of_rows.row]])
        columns = _columns(matrix, name)
        derived.append(columns[matrix.upper[columns] >= allowed[columns]])
    return np.concatenate(derived)


def _blocks(matrix: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column of every block, its number there, and whether there are several."""
    most = np.where(matrix.integer, np.floor(matrix.upper + WHOLE), 1)
    count = np.maximum(most, 1).astype(int)
    at = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    return at, number, count[at] > 1
