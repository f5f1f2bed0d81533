"""A plan's tables as arrays: every column is read once, and the values of every key are numbered once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimizer.check.report import Array
from optimizer.plan import TABLES, TEXT

#: A column, or several whose values stand together for one key.
Key = str | tuple[str, ...]


class Table:
    """Columns of a table as arrays, and where its rows stand on an axis.

    Parameters
    ----------
    columns
        Arrays of shape (rows,) by name: text as objects, numbers as floats.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self.columns = columns
        self._numbered: dict[Key, tuple[NDArray[np.intp], list[Any]]] = {}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    def rows(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Rows of some columns; years, months and steps as whole numbers."""
        return zip(*(_whole(name, self[name]).tolist() for name in columns), strict=True)

    def numbered(self, key: Key) -> tuple[NDArray[np.intp], list[Any]]:
        """Number of the value of every row, and the value of every number."""
        if key not in self._numbered:
            values = self[key] if isinstance(key, str) else np.fromiter(self.rows(*key), object, len(self))
            numbers, distinct = pd.factorize(values, use_na_sentinel=False)
            self._numbered[key] = numbers, distinct.tolist()
        return self._numbered[key]

    def positions(self, key: Key, axis: Collection[Any]) -> NDArray[np.intp]:
        """Position of the value of every row on an axis; -1 where it is not there."""
        place = {value: position for position, value in enumerate(axis)}
        numbers, distinct = self.numbered(key)
        return np.array([place.get(value, -1) for value in distinct], dtype=np.intp)[numbers]

    def array(self, column: str, *axes: tuple[Key, Collection[Any]]) -> Array:
        """A column as an array over the values of its keys; 0 where there is no row."""
        return self.arrays([column], *axes)[column]

    def arrays(self, columns: Collection[str], *axes: tuple[Key, Collection[Any]]) -> dict[str, Array]:
        """Columns as arrays over the values of their keys; 0 where there is no row."""
        places, known = self._places(axes)
        dense = {column: np.zeros([len(axis) for _, axis in axes]) for column in columns}
        for column, values in dense.items():
            values[places] = self[column][known]
        return dense

    def lacking(self, *axes: tuple[Key, Collection[Any]]) -> int:
        """How many combinations of the values on the axes have no row."""
        places, _ = self._places(axes)
        there = np.zeros([len(axis) for _, axis in axes], dtype=bool)
        there[places] = True
        return int(there.size - np.count_nonzero(there))

    def repeated(self, keys: Sequence[str]) -> int:
        """How many rows have the keys of an earlier one."""
        combined = np.zeros(len(self), dtype=np.int64)
        for key in keys:
            numbers, distinct = self.numbered(key)
            combined = combined * len(distinct) + numbers
        return len(self) - len(pd.unique(combined))

    def _places(
        self, axes: tuple[tuple[Key, Collection[Any]], ...]
    ) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.bool_]]:
        """Positions on every axis of the rows that are on all of them, and which rows these are."""
        places = [self.positions(key, axis) for key, axis in axes]
        known = np.logical_and.reduce([place >= 0 for place in places])
        return tuple(place[known] for place in places), known


@dataclass(frozen=True)
class Rows(Sequence[tuple[Any, ...]]):
    """Keys of a table's rows, made when they are asked for."""

    table: Table
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: Any) -> Any:
        return tuple(_whole(name, self.table[name][row : row + 1])[0] for name in self.columns)


def _whole(name: str, values: NDArray[Any]) -> NDArray[Any]:
    whole = name.endswith("year") or name in ("billing_month", "step", "slot")
    if whole and np.isfinite(values).all() and np.array_equal(values, np.floor(values)):
        return values.astype(int)
    return values


def clean_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, Table]:
    """The tables with blanks as empty text, truth values as 0 and 1, and what is no number as NaN."""
    return {name: _clean(tables[name], columns) for name, columns in TABLES.items() if name in tables}


def _clean(table: pd.DataFrame, columns: tuple[str, ...]) -> Table:
    found = set(table.columns)
    return Table({name: _column(table[name], name) for name in columns if name in found})


def _column(column: pd.Series[Any], name: str) -> NDArray[Any]:
    if name in TEXT:
        text = column.to_numpy(object)
        return np.where(pd.isna(text), "", text)
    numeric = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"
    return (column if numeric else pd.to_numeric(column, errors="coerce")).to_numpy(float)
