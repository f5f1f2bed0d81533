"""A solved model as arrays and frames: the values of a variable by name, with its index as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.model.data import Data
from optimizer.model.matrix import Matrix


@dataclass(frozen=True)
class Solution:
    """Values of all columns of a matrix, found again by variable name."""

    data: Data
    matrix: Matrix
    x: np.ndarray

    def frame(self, name: str, *index: str, value: str = "value") -> pd.DataFrame:
        """Values of a variable: one column per index and one for the value (no rows if it is not in the model)."""
        if name not in self.matrix.names:
            return pd.DataFrame({**{column: [] for column in index}, value: np.array([], float)})
        keys = self.matrix.keys[name]
        columns = dict(zip(index, zip(*keys, strict=True), strict=True))
        return pd.DataFrame({**columns, value: self.x[self.matrix.names[name]]})

    def series(self, name: str, value: str = "value") -> dict[tuple[object, ...], float]:
        """Values of a (small) variable by index tuple."""
        if name not in self.matrix.names:
            return {}
        values = self.x[self.matrix.names[name]]
        return {key: float(v) for key, v in zip(self.matrix.keys[name], values, strict=True)}

    def costs(self) -> pd.DataFrame:
        """Present value of every cost term by name, place and year, M$."""
        names, places, years = zip(*self.matrix.cost_keys, strict=True)
        values = self.matrix.cost_rows @ self.x + self.matrix.cost_offset
        frame = pd.DataFrame({"name": names, "place": places, "year": years, "value": values})
        return frame.groupby(["name", "place", "year"], as_index=False, sort=False).sum()
