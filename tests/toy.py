"""Tiny instances in memory for tests whose optimum is solved by hand.

The base is one campus of 100 MW flat load behind a 100 MW POI in a price zone at 50 US$/MWh, without a utility,
for one planning year of four hours (each standing for 2190), without discounting or inflation and with all load
served. Tests change what they are about. A utility, if asked for, has one class that pays every pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from optimizer import solve
from optimizer.instance import Instance, make_instance
from optimizer.plan import Plan
from optimizer.schema import POOLS, TABLES, ExistingAsset, FundingOption, Technology

YEAR_HOURS = 8760
Row = dict[str, Any]

#: A utility whose plant costs 1/life of its price a year and nothing else.
FREE_CAPITAL: Row = {
    "equity_share": 0.0,
    "return_on_equity_nominal": 0.0,
    "debt_rate_nominal": 0.0,
    "tax_rate": 0.0,
    "property_tax_and_insurance_share": 0.0,
    "stranding_limit": False,
}


def plant(name: str, here: Row | None = None, **values: Any) -> tuple[str, Row, Row]:
    """A funding option and its technology, both called ``name``; values go where the schema has the column.

    By default a generator behind the campus' meter: one block of 10 MW, free, with a life of 10 years. ``here``
    holds columns of the option that the technology has too; with another ``technology`` its own is left out.
    """
    technology = {"kind": "generator", "capex_usd_per_kw": 0.0, "life_years": 10}
    option: Row = {"block_mw": 10.0, "max_blocks": 1.0}
    if not {"site", "zone", "corridor"} & set(values):
        option["site"] = "campus"
    return "funding_options", *_split(name, "option", FundingOption, technology, option, values, here or {})


def asset(name: str, here: Row | None = None, **values: Any) -> tuple[str, Row, Row]:
    """An existing asset and its technology: by default one generating unit of 10 MW at the campus, from 2000 on."""
    technology = {"kind": "generator", "capex_usd_per_kw": 0.0, "life_years": 10}
    row: Row = {"unit_mw": 10.0, "units": 1, "first_year": 2000, "last_year": 2100}
    if not {"site", "zone"} & set(values):
        row["site"] = "campus"
    return "existing_assets", *_split(name, "asset", ExistingAsset, technology, row, values, here or {})


def _split(name: str, key: str, model: Any, technology: Row, row: Row, values: Row, here: Row) -> tuple[Row, Row]:
    technology = {"technology": name, **technology}
    row = {key: name, "technology": name, **row}
    for column, value in values.items():
        if column in Technology.model_fields:
            technology[column] = value
        elif column in model.model_fields:
            row[column] = value
        else:
            raise KeyError(column)
    return technology, row | here


def toy(
    *plants: tuple[str, Row, Row],
    years: Sequence[int] = (2026,),
    it_mw: float | Sequence[float] = 100.0,
    hours: int = 4,
    price: float | Sequence[float] = 50.0,
    series: Mapping[str, tuple[str, Sequence[float]]] | None = None,
    site: Row | None = None,
    site_year: Row | None = None,
    zone: Row | None = None,
    utility: Row | None = None,
    tariff: Row | None = None,
    classes: Mapping[str, Row] | None = None,
    manifest: Row | None = None,
    finance: Row | None = None,
    rates: Row | None = None,
    compute: Row | None = None,
    step_hours: int = 1,
    **tables: list[Row],
) -> Instance:
    """Make an instance from the base and what differs from it.

    Parameters
    ----------
    it_mw
        Energised IT that is both demanded and placed at the campus, MW, for all years or year by year.
    series
        Hourly series besides ``price``: name -> (kind, values).
    site, site_year, zone, utility, tariff
        Columns of the campus, its years, the zone ``valley``, the utility ``town``, the tariff ``large``; the last
        two are added when ``utility`` is given.
    classes
        Class -> columns of its rows in customer_classes and class_years, and ``pools``, its share of every pool (a
        number, or one by pool). By default ``homes`` pays everything, with 1000 MWh a year at 100 US$/MWh.
    tables
        Whole tables; rows that stand under a key of the base take their place, others are added.
    """
    powers = list(it_mw) if isinstance(it_mw, Sequence) else [it_mw] * len(years)
    named = {"price": ("price", np.broadcast_to(price, hours)), **(series or {})}
    base: dict[str, list[Row]] = {
        "zones": [{"zone": "valley", "supply": "price", "price_series": "price", **(zone or {})}],
        "sites": [
            {"site": "campus", "zone": "valley", "existing_poi_mw": 100.0, "availability_target": 1.0, **(site or {})}
        ],
        "site_years": [
            {"site": "campus", "year": y, "floor_mw": x, "ceiling_mw": x, **(site_year or {})}
            for y, x in zip(years, powers, strict=True)
        ],
        "compute_demand": [{"year": y, "it_mw": x} for y, x in zip(years, powers, strict=True)],
        "series": [{"series": name, "kind": kind, "synthetic": True} for name, (kind, _) in named.items()],
        "periods": [
            {
                "resolution": "all",
                "period": "year",
                "start_hour": 0,
                "hours": hours,
                "occurrences_per_year": YEAR_HOURS / hours,
            }
        ],
    }
    if utility is not None:
        _add_utility(base, years, utility, tariff or {}, classes or {"homes": {}})
    _add_plants(base, plants)
    for name, rows in tables.items():
        base[name] = rows if name == "periods" else _replaced(name, base.get(name, []), rows)
    return make_instance(
        _manifest(years, hours, step_hours, manifest or {}, finance or {}, rates or {}, compute or {}),
        base,
        pd.DataFrame({name: np.asarray(values, float) for name, (_, values) in named.items()}),
    )


def _add_utility(
    base: dict[str, list[Row]], years: Sequence[int], utility: Row, tariff: Row, classes: Mapping[str, Row]
) -> None:
    base["sites"][0] = {"utility": "town", "tariff": "large", **base["sites"][0]}
    base["utilities"] = [{"utility": "town", "zone": "valley", "regime": "cost_of_service", **FREE_CAPITAL, **utility}]
    base["tariffs"] = [{"tariff": "large", "utility": "town", **tariff}]
    base["customer_classes"], base["class_years"], base["cost_allocators"] = [], [], []
    for name, values in classes.items():
        key = {"utility": "town", "customer_class": name}
        case = {"sales_mwh": 1000.0, "rate_usd_per_mwh": 100.0}
        case = {column: values.get(column, usual) for column, usual in case.items()}
        pools = values.get("pools", 1.0)
        rest = {column: value for column, value in values.items() if column not in (*case, "pools")}
        base["customer_classes"].append({**key, **rest})
        base["class_years"] += [{**key, "year": y, **case} for y in years]
        shares = pools if isinstance(pools, dict) else dict.fromkeys(POOLS, pools)
        base["cost_allocators"] += [{**key, "pool": pool, "share": share} for pool, share in shares.items()]


def _add_plants(base: dict[str, list[Row]], plants: Sequence[tuple[str, Row, Row]]) -> None:
    base["technologies"], base["funding_options"] = [], []
    for table, technology, row in plants:
        if technology["technology"] == row["technology"]:
            base["technologies"].append(technology)
        base.setdefault(table, []).append(row)


def _replaced(table: str, usual: list[Row], rows: list[Row]) -> list[Row]:
    """Rows of a table, those of the base left out where a given row has the same key."""
    key = TABLES[table].key
    given = {tuple(row.get(column) for column in key) for row in rows}
    return [row for row in usual if tuple(row.get(column) for column in key) not in given] + rows


def _manifest(
    years: Sequence[int], hours: int, step_hours: int, top: Row, finance: Row, rates: Row, compute: Row
) -> Row:
    note = {"source": "invented", "licence": "CC0-1.0"}
    return {
        "schema_version": 1,
        "name": "toy",
        "currency": "USD",
        "price_year": 2026,
        "base_year": 2026,
        "planning_years": list(years),
        "series_hours": hours,
        "finance": {"discount_rate": 0.0, "inflation": 0.0, **finance},
        "rates": {"tie_break": 0.0, **rates},
        "compute": compute,
        "options": {"resolution": "all"},
        "resolutions": {"all": {"step_hours": step_hours}},
        "files": dict.fromkeys([*(table.file for table in TABLES.values()), "hourly.csv"], note),
        **top,
    }


def solved(instance: Instance) -> Plan:
    """The optimum, to the last digit that the solver can tell."""
    plan = solve(instance, gap=1e-9)
    assert plan.status == "optimal"
    return plan


def cost(plan: Plan, name: str) -> float:
    """Present value of a cost over all places and years, US$."""
    rows = plan.costs[plan.costs["name"] == name]
    return float(rows["present_value_usd"].sum())


def blocks(plan: Plan) -> dict[tuple[str, str, int], float]:
    """Blocks funded by (option, mode, year)."""
    rows = plan.allocation.itertuples(index=False)
    return {(row.option, row.funding_mode, row.year): row.blocks for row in rows}
