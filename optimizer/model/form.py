"""What both ways of compiling a model give: its rows, its cost terms and its columns as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse


class Contradiction(ValueError):
    """A limit that no value of any variable can meet."""


@dataclass(frozen=True)
class Form:
    """row_lower <= A x <= row_upper, lower <= x <= upper, and cost terms that are not discounted yet.

    ``row_names`` and ``cost_names`` are (component, index) of every row; ``names`` maps a variable to its columns,
    ``keys`` to their index tuples.
    """

    a: sparse.csc_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    row_names: Sequence[tuple[str, Any]]
    costs: sparse.csc_array
    cost_offset: np.ndarray
    cost_names: Sequence[tuple[str, Any]]
    lower: np.ndarray
    upper: np.ndarray
    integer: np.ndarray
    names: dict[str, np.ndarray]
    keys: dict[str, Sequence[tuple[Any, ...]]]
