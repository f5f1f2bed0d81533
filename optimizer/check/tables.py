"""The tables themselves: all there, whole, no key twice, nothing named that the instance does not have.

All other checks read the tables by key, so they are made only when these hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from optimizer.check.report import Comparison, equal
from optimizer.instance import Instance
from optimizer.periods import TimeGrid
from optimizer.plan import TABLES, TEXT
from optimizer.schema import FUNDING_MODES, POOLS

#: Columns that no two rows of a table share.
KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "allocation": ("option", "funding_mode", "year"),
        "retirements": ("asset", "year"),
        "capacity": ("resource", "year"),
        "sites": ("site", "year"),
        "operation": ("site", "year", "step"),
        "resource_operation": ("resource", "year", "step"),
        "slot_levels": ("resource", "year", "slot"),
        "corridor_operation": ("corridor", "year", "step"),
        "zone_operation": ("zone", "year", "step"),
        "supply_operation": ("zone", "block", "year", "step"),
        "compute": ("year",),
        "costs": ("name", "place", "year"),
        "cash_flow": ("name", "calendar_year"),
        "revenue_requirement": ("utility", "pool", "component", "year"),
        "tariff_bills": ("site", "year", "billing_month"),
        "bills": ("site", "year"),
        "network_charges": ("utility", "year"),
        "rates": ("utility", "customer_class", "year"),
        "make_whole": ("utility", "customer_class", "year"),
        "stranding": ("utility", "exit_year"),
        "capacity_obligation": ("zone", "year"),
        "adequacy": ("site", "year"),
        "emissions": ("place", "year", "source"),
        "credited_energy": ("resource", "year"),
    }
)
COMPONENTS = ("plant", "fixed_om", "variable", "purchases", "supply", "capacity")
COST_NAMES = (
    *("own_capital", "tax_effects", "salvage", "contribution", "contribution_gross_up", "fixed_om", "variable_om"),
    *("startup", "fuel", "carbon", "tariff_bills", "market_purchases", "market_revenue", "market_price_rise"),
    *("capacity_purchases", "shared_network_charges", "make_whole", "collateral_carry", "site_opening"),
    *("unserved_penalty", "curtailment_penalty", "unmet_compute_penalty", "production_tax_credits", "tie_break"),
)
PORTFOLIO = "portfolio"


def clean_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with blanks as empty text, truth values as 0 and 1, and what is no number as NaN."""
    return {name: _clean(tables[name], columns) for name, columns in TABLES.items() if name in tables}


def _clean(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    found = [column for column in columns if column in table.columns]
    return pd.DataFrame({column: _clean_column(table[column]) for column in found})


def _clean_column(column: pd.Series[Any]) -> pd.Series[Any]:
    if column.name in TEXT:
        return column.astype(object).where(column.notna(), "").reset_index(drop=True)
    return pd.to_numeric(column, errors="coerce").astype(float).reset_index(drop=True)


def check_columns(tables: Mapping[str, pd.DataFrame]) -> Iterator[Comparison]:
    """Every table and column of the contract is there."""
    lacking = [len(set(columns) - set(tables.get(name, pd.DataFrame()).columns)) for name, columns in TABLES.items()]
    yield equal("table_columns", lacking, 0, list(TABLES))


def check_content(tables: Mapping[str, pd.DataFrame], instance: Instance, grid: TimeGrid) -> Iterator[Comparison]:
    """Numbers are finite, keys stand once, names are known, and no row of a full table is missing."""
    columns = [(name, column) for name in TABLES for column in TABLES[name] if column not in TEXT]
    broken = [int((~np.isfinite(tables[name][column].to_numpy())).sum()) for name, column in columns]
    yield equal("finite_numbers", broken, 0, columns)
    repeated = [int(tables[name].duplicated(list(key)).sum()) for name, key in KEYS.items()]
    yield equal("unique_keys", repeated, 0, list(KEYS))
    known = _known(instance, grid)
    named = [(name, column) for name in TABLES for column in TABLES[name] if column in known]
    unknown = [int((~tables[name][column].isin(known[column] | {""})).sum()) for name, column in named]
    yield equal("known_names", unknown, 0, named)
    yield from _rows(tables, instance, grid)
    yield from _steps(tables, grid)


def _known(instance: Instance, grid: TimeGrid) -> dict[str, set[Any]]:
    """Values that a column may take, by column."""
    sites, zones = {row.site for row in instance.sites}, {row.zone for row in instance.zones}
    corridors = {row.corridor for row in instance.corridors}
    utilities = {row.utility for row in instance.utilities}
    options = {row.option for row in instance.funding_options}
    assets = {row.asset for row in instance.existing_assets}
    return {
        "site": sites,
        "zone": zones,
        "corridor": corridors,
        "utility": utilities,
        "option": options,
        "asset": assets,
        "resource": {f"{option} [{mode}]" for option in options for mode in FUNDING_MODES} | assets,
        "technology": {row.technology for row in instance.technologies},
        "customer_class": {row.customer_class for row in instance.customer_classes},
        "block": {row.block for row in instance.supply_blocks},
        "period": set(grid.steps["period"]),
        "step": set(map(float, grid.steps.index)),
        "slot": set(map(float, range(len(grid.slots)))),
        "year": set(map(float, grid.years)),
        "exit_year": set(map(float, grid.years)),
        "pool": set(POOLS),
        "component": set(COMPONENTS),
        "name": set(COST_NAMES),
        "place": sites | zones | corridors | utilities | {PORTFOLIO},
        "billing_month": set(map(float, grid.billing["billing_month"])),
    }


def _rows(tables: Mapping[str, pd.DataFrame], instance: Instance, grid: TimeGrid) -> Iterator[Comparison]:
    """Tables that have a row for every place, year and step."""
    years, steps = list(map(float, grid.years)), list(map(float, grid.steps.index))
    sites, zones = [row.site for row in instance.sites], [row.zone for row in instance.zones]
    classes = [(row.utility, row.customer_class) for row in instance.customer_classes]
    firm = [row.site for row in instance.sites if row.adequacy_margin is not None or row.n_minus_1]
    expected = {
        "sites": product(sites, years),
        "operation": product(sites, years, steps),
        "zone_operation": product(zones, years, steps),
        "compute": product(years),
        "rates": ((*names, year) for names in classes for year in years),
        "capacity_obligation": product((row.zone for row in instance.zones if row.capacity_obligation), years),
        "adequacy": product(firm, years),
    }
    missing = [len(set(rows) - set(_keys(tables[name], KEYS[name]))) for name, rows in expected.items()]
    yield equal("complete_rows", missing, 0, list(expected))


def _keys(table: pd.DataFrame, key: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].tolist() for column in key), strict=True)


def _steps(tables: Mapping[str, pd.DataFrame], grid: TimeGrid) -> Iterator[Comparison]:
    """Rows of a step name its period and carry its weight."""
    names = [name for name, columns in TABLES.items() if {"period", "step"} <= set(columns)]
    periods = grid.steps["period"].to_dict()
    strayed = [
        int((tables[name]["step"].map(periods).astype(object) != tables[name]["period"]).sum()) for name in names
    ]
    yield equal("periods_of_steps", strayed, 0, names)
    operation = tables["operation"]
    weights = operation["step"].map(grid.steps["weight_hours"].to_dict()).fillna(math.nan)
    yield equal("weights", operation["weight_hours"], weights, list(_keys(operation, KEYS["operation"])))
