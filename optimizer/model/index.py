"""Index sets as arrays: a code for every label, the members of a set as columns of codes, and where each stands.

A set is a product of explicit parts, as (generators and years) x steps: a part is listed once, so that millions of
members are found again from a few hundred.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyomo.environ as pyo

Codes = np.ndarray
Key = tuple[Any, ...]


class Labels:
    """A number for every label of any set: equal labels have equal codes."""

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {}

    def code(self, labels: Iterable[Hashable]) -> Codes:
        """Code of each label; one that is new gets the next number."""
        known = self._codes
        return np.array([known.setdefault(label, len(known)) for label in labels], np.int32)

    def columns(self, keys: Sequence[Any], width: int) -> list[Codes]:
        """Codes of index tuples (or bare labels, where the width is 1), position by position."""
        if width == 1:
            return [self.code(key[0] if isinstance(key, tuple) else key for key in keys)]
        return [self.code(labels) for labels in zip(*keys, strict=True)] if keys else [np.zeros(0, np.int32)] * width

    def lists(self, columns: Sequence[Codes]) -> list[list[Any]]:
        """Labels of codes, position by position."""
        labels = np.empty(len(self._codes), object)
        labels[:] = list(self._codes)
        return [labels[column].tolist() for column in columns]


class Part:
    """Members that are listed one by one: ``columns`` of codes, each of shape (members,)."""

    def __init__(self, columns: list[Codes]) -> None:
        self.columns = columns
        self.size = len(columns[0])
        self._ranks = [_ranks(column) for column in columns]
        keys = self._keys(columns)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def positions(self, columns: Sequence[Codes]) -> np.ndarray:
        """Position of each wanted member; -1 where it is not one."""
        if not self.size:
            return np.full(len(columns[0]), -1)
        keys = self._keys(columns)
        at = np.minimum(np.searchsorted(self._sorted, keys), self.size - 1)
        return np.where((self._sorted[at] == keys) & (keys >= 0), self._order[at], -1)

    def _keys(self, columns: Sequence[Codes]) -> np.ndarray:
        """One number for a tuple of codes; negative where a code does not occur in its position."""
        keys = np.zeros(len(columns[0]), np.int64)
        missing = np.zeros(len(columns[0]), bool)
        for ranks, column in zip(self._ranks, columns, strict=True):
            rank = np.where(column < len(ranks), ranks[np.minimum(column, len(ranks) - 1)], -1)
            missing |= rank < 0
            keys = keys * (int(ranks.max()) + 1) + rank
        return np.where(missing, -1, keys)


def _ranks(column: Codes) -> np.ndarray:
    """Rank of every code among those that occur; -1 for the others."""
    present = np.unique(column)
    ranks = np.full(int(present[-1]) + 1 if len(present) else 1, -1, np.int64)
    ranks[present] = np.arange(len(present))
    return ranks


class Index:
    """Members of a Pyomo set, the last part varying fastest."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.size = math.prod(part.size for part in parts)
        self.width = sum(len(part.columns) for part in parts)

    @staticmethod
    def of(members: pyo.Set, labels: Labels) -> Index:
        """Index of a set, or of a product of sets."""
        return Index([Part(labels.columns(list(part), _width(part))) for part in members.subsets()])

    def columns(self) -> list[Codes]:
        """Codes of all members, position by position, each of shape (size,)."""
        found, before = [], 1
        for part in self.parts:
            after = self.size // (before * part.size) if part.size else 0
            found += [np.tile(np.repeat(column, after), before) for column in part.columns]
            before *= part.size
        return found

    def positions(self, columns: Sequence[Codes]) -> np.ndarray:
        """Position of each wanted member; negative where it is not one."""
        at = np.zeros(len(columns[0]), np.int64)
        missing = np.zeros(len(columns[0]), bool)
        first = 0
        for part in self.parts:
            width = len(part.columns)
            found = part.positions(columns[first : first + width])
            missing |= found < 0
            at, first = at * part.size + found, first + width
        return np.where(missing, -1, at)


def _width(part: pyo.Set) -> int:
    """Labels of a member; an empty set may not know."""
    return part.dimen if isinstance(part.dimen, int) else 1


class Keys(Sequence[Key]):
    """Index tuples of a component's members, made when they are asked for."""

    def __init__(self, columns: Sequence[Codes], labels: Labels) -> None:
        self._columns = columns
        self._labels = labels

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Key]:
        return zip(*self._labels.lists(self._columns), strict=True)

    @overload
    def __getitem__(self, at: int) -> Key: ...
    @overload
    def __getitem__(self, at: slice) -> Keys: ...
    def __getitem__(self, at: int | slice) -> Key | Keys:
        if isinstance(at, slice):
            return Keys([column[at] for column in self._columns], self._labels)
        return next(iter(Keys([column[[at]] for column in self._columns], self._labels)))


class RowNames(Sequence[tuple[str, Any]]):
    """Constraint and index of every row, made when they are asked for; an index of one label is that label."""

    def __init__(self, blocks: Sequence[tuple[str, Keys]]) -> None:
        self._blocks = blocks
        self._ends = np.cumsum([len(keys) for _, keys in blocks])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name, keys in self._blocks:
            for key in keys:
                yield name, key if len(key) > 1 else key[0]

    def named(self, names: Collection[str]) -> np.ndarray:
        """Which rows are of constraints of these names."""
        wanted = np.array([name in names for name, _ in self._blocks], bool)
        return np.repeat(wanted, np.array([len(keys) for _, keys in self._blocks], int))

    @overload
    def __getitem__(self, at: int) -> tuple[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> tuple[str, Any] | list[tuple[str, Any]]:
        if isinstance(at, slice):
            return list(self)[at]
        at = range(len(self))[at]
        block = int(np.searchsorted(self._ends, at, side="right"))
        name, keys = self._blocks[block]
        key = keys[at - int(self._ends[block])]  # counted from the block's end
        return name, key if len(key) > 1 else key[0]
