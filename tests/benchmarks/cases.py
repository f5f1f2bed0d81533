"""What is measured: stargate-us, and campuses that share demand, each with plant, storage, a POI and a second zone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from toy import asset, plant, toy

from optimizer.instance import Instance, make_instance
from optimizer.schema import TABLES

STARGATE = Path(__file__).parents[2] / "instances" / "stargate-us"
YEARS = (2026, 2027, 2028)
#: Tables whose rows every further campus has too, under names of its own.
COPIED = ("zones", "sites", "site_years", "funding_options", "existing_assets", "corridors")
NAMES = ("valley", "hill", "campus", "path", "engine", "sun", "store", "poi", "circuit", "old")


def campuses(count: int, hours: int) -> Instance:
    """An instance of ``count`` campuses over three years of ``hours`` hours.

    The first is that of all benchmarks; each further one has dearer power than the one before.
    """
    first = _campus(hours)
    tables: dict[str, list[Any]] = {name: list(first.rows(name)) for name in TABLES}
    for number in range(1, count):
        for table in COPIED:
            tables[table] += [_renamed(row.model_dump(), number, table) for row in first.rows(table)]
        tables["zone_years"] += [
            {"zone": f"{zone} {number}", "year": year, "price_factor": round(1 + 0.3 * number / count, 4)}
            for zone in ("valley", "hill")
            for year in YEARS
        ]
    tables["compute_demand"] = [{"year": row.year, "it_mw": count * row.it_mw} for row in first.compute_demand]
    return make_instance(first.manifest, tables, first.hourly)


def _renamed(row: dict[str, Any], number: int, table: str) -> dict[str, Any]:
    """A row of the first campus as one of another; technologies and series are shared."""
    shared = {"technology", "price_series", "availability_series"}
    return {
        column: f"{value} {number}" if column not in shared and value in NAMES else value
        for column, value in row.items()
        if value is not None
    }


def _campus(hours: int) -> Instance:
    hour = np.arange(hours)
    day = 2 * np.pi * hour / 24
    price = np.round(50 + 30 * np.sin(day) + 10 * np.sin(hour / 97.0), 3)
    sun = np.round(np.clip(np.sin(day - 1.5), 0, None), 3)
    return toy(
        plant("engine", block_mw=20, max_blocks=10, capex_usd_per_kw=700, variable_om_usd_per_mwh=55.0, life_years=20),
        plant("sun", block_mw=25, max_blocks=4, capex_usd_per_kw=900, availability_series="sun", life_years=25),
        plant(
            "store", kind="storage", block_mw=10, max_blocks=10, capex_usd_per_kw=300, min_duration_hours=4,
            max_duration_hours=4, charge_efficiency=0.92, discharge_efficiency=0.92, life_years=15,
        ),
        plant("poi", kind="wires", block_mw=50, max_blocks=4, capex_usd_per_kw=100, life_years=30),
        plant("circuit", kind="wires", corridor="path", block_mw=50, max_blocks=3, capex_usd_per_kw=300, life_years=40),
        asset("old", units=2, variable_om_usd_per_mwh=40.0),
        years=YEARS, hours=hours, it_mw=[60.0, 120.0, 180.0], price=list(price),
        series={"sun": ("availability", list(sun)), "hill price": ("price", list(np.round(price[::-1], 3)))},
        site={"existing_poi_mw": 60.0, "availability_target": 0.99}, finance={"discount_rate": 0.05},
        manifest={"last_year_represents": 5}, zones=[{"zone": "hill", "supply": "price", "price_series": "hill price"}],
        corridors=[
            {"corridor": "path", "from_zone": "hill", "to_zone": "valley", "existing_mw": 40.0, "loss_share": 0.04}
        ],
    )  # fmt: skip
