"""A solved model as values by name: of variables that vary by time step, as arrays over the steps, and of all others.

A solution is that of one matrix (`of`), or put together from what was decided and how each part then operates.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.model.data import Data
from optimizer.model.matrix import Matrix

Key = tuple[Hashable, ...]
#: Name, place and year of a cost, and its present value, M$.
Cost = tuple[tuple[str, str, int], float]


class Solution:
    """Values of a solved model, found by variable name.

    Attributes
    ----------
    data
        What it was built from.
    """

    data: Data

    def series(self, name: str) -> dict[Key, float]:
        """Values of a variable that does not vary by step, by index."""
        raise NotImplementedError

    def by_step(self, name: str) -> dict[Key, np.ndarray]:
        """Values of a variable that varies by step: index without the step -> array over all steps."""
        raise NotImplementedError

    def costs(self) -> list[Cost]:
        """Present values of costs; those of one name, place and year are to be added."""
        raise NotImplementedError

    @staticmethod
    def of(data: Data, matrix: Matrix, x: np.ndarray) -> Solution:
        """The solution of one matrix: values of all of its columns."""
        return _OfMatrix(data, matrix, x)


@dataclass(frozen=True)
class _OfMatrix(Solution):
    data: Data
    matrix: Matrix
    x: np.ndarray

    def series(self, name: str) -> dict[Key, float]:
        if name not in self.matrix.names:
            return {}
        values = self.x[self.matrix.names[name]].tolist()
        return dict(zip(self.matrix.keys[name], values, strict=True))

    def by_step(self, name: str) -> dict[Key, np.ndarray]:
        if name not in self.matrix.names:
            return {}
        return by_step(self.matrix.keys[name], self.x[self.matrix.names[name]], len(self.data.steps))

    def costs(self) -> list[Cost]:
        values = self.matrix.cost_rows @ self.x + self.matrix.cost_offset
        return list(zip(self.matrix.cost_keys, values.tolist(), strict=True))


@dataclass(frozen=True)
class Operation:
    """How a part operates: values by variable and index, those that vary by step as arrays, and costs by key, M$."""

    values: Mapping[str, Mapping[Key, float]]
    steps: Mapping[str, Mapping[Key, np.ndarray]]
    costs: Mapping[tuple[str, str, int], float]


@dataclass(frozen=True)
class Assembled(Solution):
    """What was decided, as the columns of a matrix of decisions, and how each part operates."""

    data: Data
    decided: Solution
    operations: tuple[Operation, ...]

    def series(self, name: str) -> dict[Key, float]:
        found = self.decided.series(name)
        for operation in self.operations:
            found.update(operation.values.get(name, {}))
        return found

    def by_step(self, name: str) -> dict[Key, np.ndarray]:
        found = self.decided.by_step(name)
        for operation in self.operations:
            for key, values in operation.steps.get(name, {}).items():
                found[key] = found[key] + values if key in found else values
        return found

    def costs(self) -> list[Cost]:
        return [*self.decided.costs(), *(cost for operation in self.operations for cost in operation.costs.items())]


def by_step(keys: Any, values: np.ndarray, count: int) -> dict[Key, np.ndarray]:
    """Values whose index ends with the step: index without it -> array over ``count`` steps.

    >>> by_step([("a", 0), ("a", 1), ("b", 1)], np.array([1.0, 2.0, 3.0]), 2)
    {('a',): array([1., 2.]), ('b',): array([0., 3.])}
    """
    arrays: dict[Key, np.ndarray] = {}
    for key, value in zip(keys, values.tolist(), strict=True):
        array = arrays.get(key[:-1])
        if array is None:
            array = arrays[key[:-1]] = np.zeros(count)
        array[key[-1]] = value
    return arrays
