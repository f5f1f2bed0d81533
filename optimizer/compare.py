"""What differs between runs: inputs, funding, cost by name, rates. Every table has one column a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from optimizer.instance import Instance
from optimizer.plan import Plan
from optimizer.schema import TABLES

#: Differences below this are rounding: MW, US$ and cents per kWh alike.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Differences between runs.

    Attributes
    ----------
    inputs
        Figures that are not the same in all runs: table, key, column, one column a run. Series by their mean.
    funding
        MW by place, technology and funding mode, one column a run.
    costs
        Present value by cost name, US$, and the total.
    rates
        Highest change by utility and class over the years, cents per kWh.
    """

    inputs: pd.DataFrame
    funding: pd.DataFrame
    costs: pd.DataFrame
    rates: pd.DataFrame


def compare(runs: Mapping[str, Plan]) -> Comparison:
    """Compare runs by name; the first is what others are read against.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    if len(runs) < 2:
        raise ValueError("at least two runs are needed to compare")
    figures = {name: _figures(plan.instance) for name, plan in runs.items()}
    inputs = pd.DataFrame(figures).rename_axis(["table", "key", "column"])
    changed = inputs.apply(lambda row: row.nunique(dropna=False) > 1, axis=1)
    return Comparison(
        inputs=inputs[changed].reset_index() if len(inputs) else inputs.reset_index(),
        funding=_side_by_side({name: _funding(plan) for name, plan in runs.items()}),
        costs=_side_by_side({name: _costs(plan) for name, plan in runs.items()}),
        rates=_side_by_side({name: _rates(plan) for name, plan in runs.items()}),
    )


def _figures(instance: Instance) -> pd.Series[str]:
    """Every figure of an instance as text, by table, key and column."""
    found: dict[tuple[str, str, str], str] = {}
    for name, table in TABLES.items():
        for row in instance.rows(name):
            values = row.model_dump()
            key = ", ".join(str(values[column]) for column in table.key)
            found |= {(name, key, column): str(value) for column, value in values.items() if column not in table.key}
    manifest = instance.manifest.model_dump(exclude={"files"})
    found |= {("instance.toml", section, ""): str(value) for section, value in manifest.items()}
    found |= {("hourly", str(name), "mean"): f"{values.mean():.9g}" for name, values in instance.hourly.items()}
    return pd.Series(found, dtype=object)


def _side_by_side(columns: Mapping[str, pd.Series[float]]) -> pd.DataFrame:
    """Rows that differ by more than rounding in any run; missing ones count as 0."""
    table = pd.DataFrame(columns).fillna(0.0)
    return table[(table.max(axis=1) - table.min(axis=1)) > ROUNDING].reset_index()


def _funding(plan: Plan) -> pd.Series[float]:
    rows = plan.allocation.assign(place=plan.allocation[["site", "zone", "corridor"]].max(axis=1))
    return rows.groupby(["place", "technology", "funding_mode"])["mw"].sum()


def _costs(plan: Plan) -> pd.Series[float]:
    values = plan.costs.groupby("name")["present_value_usd"].sum()
    values["total"] = values.sum()
    return values


def _rates(plan: Plan) -> pd.Series[float]:
    rows = plan.rates.set_index(["utility", "customer_class"])["change_cents_per_kwh"]
    return rows.groupby(level=[0, 1]).max()
