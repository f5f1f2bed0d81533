"""What differs between runs: inputs, funding, cost by name, rates. Every table has one column a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.instance import Instance
from optimizer.plan import Plan
from optimizer.schema import TABLES

#: Differences below this are rounding: MW, US$ and cents per kWh alike.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Differences between runs; only rows that differ.

    Attributes
    ----------
    inputs
        Figures that are not the same in all runs: table, key, column, one column a run. A series by its mean and a
        checksum of its hours.
    funding
        MW by place, technology, funding mode and year of service, one column a run.
    costs
        Present value by cost name, US$, and the total.
    rates
        Highest change by utility and class over the years, cents per kWh.
    rates_by_year
        Change by utility, class and year, cents per kWh.
    """

    inputs: pd.DataFrame
    funding: pd.DataFrame
    costs: pd.DataFrame
    rates: pd.DataFrame
    rates_by_year: pd.DataFrame


def compare(runs: Mapping[str, Plan]) -> Comparison:
    """Compare two or more runs by name; `against_first` reads them against the first.

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
    yearly = {name: _rates(plan) for name, plan in runs.items()}
    return Comparison(
        inputs=inputs[changed].reset_index() if len(inputs) else inputs.reset_index(),
        funding=_side_by_side({name: _funding(plan) for name, plan in runs.items()}),
        costs=_side_by_side({name: _costs(plan) for name, plan in runs.items()}),
        rates=_side_by_side({name: rates.groupby(level=[0, 1]).max() for name, rates in yearly.items()}),
        rates_by_year=_side_by_side(yearly),
    )


def unlike_money(runs: Mapping[str, Plan]) -> dict[str, str]:
    """Money of each run, if not all have the same: differences of costs are then no savings."""
    money = {name: _money(plan.instance) for name, plan in runs.items()}
    return money if len(set(money.values())) > 1 else {}


def _money(instance: Instance) -> str:
    manifest = instance.manifest
    rate = manifest.finance.discount_rate
    return (
        f"real {manifest.currency} of {manifest.price_year}, present value of {manifest.base_year} at {rate:.4g} a year"
    )


def against_first(table: pd.DataFrame, runs: Sequence[str]) -> pd.DataFrame:
    """A table with, behind each run but the first, what it has more than the first.

    >>> table = pd.DataFrame({"name": ["fuel"], "base": [2.0], "dear": [5.0]})
    >>> against_first(table, ["base", "dear"]).to_dict("list")
    {'name': ['fuel'], 'base': [2.0], 'dear': [5.0], 'change': [3.0]}
    """
    columns = [column for column in table.columns if column not in runs]
    found = table[[*columns, runs[0]]]
    for run in runs[1:]:
        title = "change" if len(runs) == 2 else f"change, {run}"
        found = found.assign(**{run: table[run], title: table[run] - table[runs[0]]})
    return found


def _figures(instance: Instance) -> pd.Series[str]:
    """Every figure of an instance as text, by table, key and column."""
    found: dict[tuple[str, str, str], str] = {}
    for name, table in TABLES.items():
        for row in instance.rows(name):
            values = row.model_dump()
            key = ", ".join(str(values[column]) for column in table.key)
            found |= {(name, key, column): str(value) for column, value in values.items() if column not in table.key}
    for path, value in _entries(instance.manifest.model_dump(exclude={"files"})):
        found["instance.toml", *path] = str(value)
    for series, hours in instance.hourly.items():
        found["hourly", str(series), "mean"] = f"{hours.mean():.9g}"
        found["hourly", str(series), "checksum"] = hashlib.sha256(hours.to_numpy(float).tobytes()).hexdigest()[:8]
    return pd.Series(found, dtype=object)


def _entries(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[tuple[str, str], Any]]:
    """Entries of a manifest: their section and name, and the value."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _entries(value, f"{above}.{name}" if above else name)
        else:
            yield (above, name), value


def _side_by_side(columns: Mapping[str, pd.Series[float]]) -> pd.DataFrame:
    """Rows that differ by more than rounding in any run; missing ones count as 0."""
    table = pd.DataFrame(columns).fillna(0.0)
    return table[(table.max(axis=1) - table.min(axis=1)) > ROUNDING].reset_index()


def _funding(plan: Plan) -> pd.Series[float]:
    rows = plan.allocation.assign(place=plan.allocation[["site", "zone", "corridor"]].max(axis=1))
    return rows.groupby(["place", "technology", "funding_mode", "year"])["mw"].sum()


def _costs(plan: Plan) -> pd.Series[float]:
    values = plan.costs.groupby("name")["present_value_usd"].sum()
    values["total"] = values.sum()
    return values


def _rates(plan: Plan) -> pd.Series[float]:
    return plan.rates.set_index(["utility", "customer_class", "year"])["change_cents_per_kwh"]
