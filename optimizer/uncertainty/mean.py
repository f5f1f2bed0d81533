"""The instance of average futures: every number the weighted mean of its values, whole numbers rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizer.instance import Instance, make_instance
from optimizer.schema import TABLES


def mean_instance(futures: Sequence[Instance], weights: np.ndarray) -> Instance:
    """What a planner looks at who puts averages in the place of futures.

    Text, dates and cells that are blank in one future are those of the likeliest.

    Raises
    ------
    ValueError
        If the futures have other rows.
    InstanceError
        If averages break a rule of the schema.
    """
    likeliest = int(np.argmax(weights))
    tables = {}
    for name in TABLES:
        rows = [future.rows(name) for future in futures]
        if len({len(found) for found in rows}) > 1:
            raise ValueError(f"the futures have other rows in {name}: there is no average of them")
        tables[name] = [
            _mean([row.model_dump() for row in same], weights, likeliest) for same in zip(*rows, strict=True)
        ]
    manifest = _mean([future.manifest.model_dump() for future in futures], weights, likeliest)
    hourly = sum(p * future.hourly for p, future in zip(weights, futures, strict=True))
    return make_instance(manifest, tables, hourly)


def _mean(values: Sequence[Any], weights: np.ndarray, likeliest: int) -> Any:
    """Weighted mean of numbers, entry by entry of tables and lists."""
    first = values[likeliest]
    if all(value == first for value in values):
        return first
    if isinstance(first, dict) and all(isinstance(value, dict) and value.keys() == first.keys() for value in values):
        return {key: _mean([value[key] for value in values], weights, likeliest) for key in first}
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return first
    mean = float(weights @ np.array(values, float))
    return round(mean) if all(isinstance(value, int) for value in values) else mean
