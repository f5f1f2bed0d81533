"""Matrices of parts of a problem as one: what has the same name in several parts is the same.

A column is known by its variable and index, a row by its constraint and index, a cost by name, place and year. A row
that several parts have is the union of what each has of it: the compute demand of the portfolio, say, has the IT of
every network, and its right-hand side once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from optimizer.model.matrix import Matrix


class JoinError(ValueError):
    """Two parts tell different things of the same column or row."""


def join(parts: Sequence[Matrix]) -> tuple[Matrix, list[np.ndarray]]:
    """Join matrices.

    Returns
    -------
    Matrix
        The whole.
    list of ndarray
        For each part, where its columns are in the whole.

    Raises
    ------
    JoinError
        If parts contradict each other.
    """
    columns, at = _union(_column_names(part) for part in parts)
    rows, row_at = _union(part.row_names for part in parts)
    costs, cost_at = _union(part.cost_keys for part in parts)
    positions: dict[str, list[int]] = {}
    for position, (name, _) in enumerate(columns):
        positions.setdefault(name, []).append(position)
    a = _merged([part.a for part in parts], row_at, at, (len(rows), len(columns)))
    cost_rows = _merged([part.cost_rows for part in parts], cost_at, at, (len(costs), len(columns)))
    whole = Matrix(
        a=sparse.csc_array(a),
        row_lower=_agreed([part.row_lower for part in parts], row_at, len(rows)),
        row_upper=_agreed([part.row_upper for part in parts], row_at, len(rows)),
        row_names=rows,
        cost_rows=sparse.csr_array(cost_rows),
        cost_offset=_agreed([_sums(part.cost_offset, place) for part, place in zip(parts, cost_at, strict=True)],
                            [np.unique(place) for place in cost_at], len(costs)),
        cost_keys=costs,
        lower=_agreed([part.lower for part in parts], at, len(columns)),
        upper=_agreed([part.upper for part in parts], at, len(columns)),
        integer=_agreed([part.integer.astype(float) for part in parts], at, len(columns)).astype(bool),
        names={name: np.array(found) for name, found in positions.items()},
        keys={name: [columns[position][1] for position in found] for name, found in positions.items()},
    )  # fmt: skip
    return whole, at


def _column_names(matrix: Matrix) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("", None)] * matrix.a.shape[1]
    for name, positions in matrix.names.items():
        for position, key in zip(positions.tolist(), matrix.keys[name], strict=True):
            found[position] = (name, key)
    return found


def _union(parts: Iterable[Sequence[Hashable]]) -> tuple[list[Any], list[np.ndarray]]:
    """All names in order of appearance, and where each part's are."""
    place: dict[Hashable, int] = {}
    at = [np.array([place.setdefault(name, len(place)) for name in part], int) for part in parts]
    return list(place), at


def _sums(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Sum of the values at each place, places ascending."""
    return np.bincount(np.unique(at, return_inverse=True)[1], values)


def _agreed(parts: Sequence[np.ndarray], at: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Values in the whole, on which all parts that have one agree."""
    values = np.full(count, np.nan)
    for part, place in zip(parts, at, strict=True):
        known = values[place]
        _refuse_differences(part[~np.isnan(known)], known[~np.isnan(known)])
        values[place] = part
    return values


def _merged(
    parts: Sequence[Any], row_at: Sequence[np.ndarray], column_at: Sequence[np.ndarray], shape: tuple[int, int]
) -> sparse.coo_array:
    """Entries of all parts, those that several have once."""
    places, values = [], []
    for part, rows, columns in zip(parts, row_at, column_at, strict=True):
        entries = sparse.coo_array(part)
        moved = sparse.coo_array((entries.data, (rows[entries.row], columns[entries.col])), shape=shape)
        moved.sum_duplicates()
        places.append(moved.row.astype(np.int64) * shape[1] + moved.col)
        values.append(moved.data)
    place, value = np.concatenate(places), np.concatenate(values)
    known, first, again = np.unique(place, return_index=True, return_inverse=True)
    _refuse_differences(value, value[first][again])
    return sparse.coo_array((value[first], np.divmod(known, shape[1])), shape=shape)


def _refuse_differences(one: np.ndarray, other: np.ndarray) -> None:
    if not np.allclose(one, other, rtol=1e-9, atol=1e-12):
        raise JoinError("parts of the problem differ in a figure that they share")
