"""What a plan has decided, and how to hold it fixed in a model of the same instance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from optimizer.model.data import MILLION
from optimizer.model.matrix import Matrix
from optimizer.plan import Plan
from optimizer.results import rows_of

#: Values by variable and index; what a variable's mapping does not name is zero.
Values = Mapping[str, Mapping[tuple[Any, ...], float]]


def investments(plan: Plan) -> Values:
    """Blocks, retirements and open sites of a plan."""
    rows = rows_of(plan.allocation)
    name = {row: f"{row.option} [{row.funding_mode}]" for row in rows}
    return {
        "build": {(name[row], row.year): row.blocks for row in rows},
        "build_energy": {(name[row], row.year): row.energy_blocks for row in rows},
        "retired": {(row.asset, row.year): row.units for row in rows_of(plan.tables["retirements"])},
        "opened": {(row.site, row.year): row.open for row in rows_of(plan.tables["sites"])},
    }


def commitments(plan: Plan) -> Values:
    """Investments, energised IT and posted collateral: all that stands before a year begins."""
    return {
        **investments(plan),
        "it_mw": {(row.site, row.year): row.it_mw for row in rows_of(plan.tables["sites"])},
        "unmet_mw": {(row.year,): row.unmet_mw for row in rows_of(plan.tables["compute"])},
        "collateral": {
            (row.utility, row.exit_year): row.collateral_usd / MILLION for row in rows_of(plan.tables["stranding"])
        },
    }


def hold(matrix: Matrix, values: Values) -> Matrix:
    """The matrix with the named variables fixed."""
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    for name, known in values.items():
        for column, key in zip(matrix.names.get(name, ()), matrix.keys.get(name, ()), strict=True):
            lower[column] = upper[column] = float(known.get(key, 0.0))
    return dataclasses.replace(matrix, lower=lower, upper=upper)
