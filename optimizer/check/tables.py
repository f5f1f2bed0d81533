"""The tables themselves: all there, whole, no key twice, nothing named that the instance does not have.

All other checks read the tables by key, so they are made only when these hold.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from optimizer.check.reading import Key, Rows, Table
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


def check_columns(tables: Mapping[str, Table]) -> Iterator[Comparison]:
    """Every table and column of the contract is there."""
    found = {name: table.columns for name, table in tables.items()}
    lacking = [len(set(columns) - set(found.get(name, {}))) for name, columns in TABLES.items()]
    yield equal("table_columns", lacking, 0, list(TABLES))


def check_content(tables: Mapping[str, Table], instance: Instance, grid: TimeGrid) -> Iterator[Comparison]:
    """Numbers are finite, keys stand once, names are known, and no row of a full table is missing."""
    columns = [(name, column) for name in TABLES for column in TABLES[name] if column not in TEXT]
    broken = [np.count_nonzero(~np.isfinite(tables[name][column])) for name, column in columns]
    yield equal("finite_numbers", broken, 0, columns)
    yield equal("unique_keys", [tables[name].repeated(key) for name, key in KEYS.items()], 0, list(KEYS))
    known = _known(instance, grid)
    named = [(name, column) for name in TABLES for column in TABLES[name] if column in known]
    unknown = [_unknown(tables[name], column, known[column]) for name, column in named]
    yield equal("known_names", unknown, 0, named)
    yield from _rows(tables, instance, grid)
    yield from _steps(tables, grid)


def _unknown(table: Table, column: str, known: set[Any]) -> int:
    """How many rows name what is not known."""
    numbers, distinct = table.numbered(column)
    strange = np.array([value not in known and value != "" for value in distinct], dtype=bool)
    return int(np.count_nonzero(strange[numbers]))


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


def _rows(tables: Mapping[str, Table], instance: Instance, grid: TimeGrid) -> Iterator[Comparison]:
    """Tables that have a row for every place, year and step."""
    year, step = ("year", grid.years), ("step", range(len(grid.steps)))
    site, zone = ("site", [row.site for row in instance.sites]), ("zone", [row.zone for row in instance.zones])
    classes = [(row.utility, row.customer_class) for row in instance.customer_classes]
    firm = [row.site for row in instance.sites if row.adequacy_margin is not None or row.n_minus_1]
    expected: dict[str, tuple[tuple[Key, Collection[Any]], ...]] = {
        "sites": (site, year),
        "operation": (site, year, step),
        "zone_operation": (zone, year, step),
        "compute": (year,),
        "rates": ((("utility", "customer_class"), classes), year),
        "capacity_obligation": (("zone", [row.zone for row in instance.zones if row.capacity_obligation]), year),
        "adequacy": (("site", firm), year),
    }
    missing = [tables[name].lacking(*axes) for name, axes in expected.items()]
    yield equal("complete_rows", missing, 0, list(expected))


def _steps(tables: Mapping[str, Table], grid: TimeGrid) -> Iterator[Comparison]:
    """Rows of a step name its period and carry its weight."""
    names = [name for name, columns in TABLES.items() if {"period", "step"} <= set(columns)]
    yield equal("periods_of_steps", [_strayed(tables[name], grid) for name in names], 0, names)
    operation = tables["operation"]
    step = operation.positions("step", range(len(grid.steps)))
    weights = np.where(step < 0, math.nan, grid.steps["weight_hours"].to_numpy(float)[step])
    yield equal("weights", operation["weight_hours"], weights, Rows(operation, KEYS["operation"]))


def _strayed(table: Table, grid: TimeGrid) -> int:
    """How many rows name another period than that of their step."""
    numbers, periods = pd.factorize(grid.steps["period"])
    step, period = table.positions("step", range(len(grid.steps))), table.positions("period", list(periods))
    return int(np.count_nonzero((step < 0) | (numbers[step] != period)))
