"""Reading, refusing and writing instances: one case per rule, several problems in one run, lossless round trips."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from optimizer import tables
from optimizer.instance import Instance, InstanceError, Problem, make_instance, read_instance, write_instance
from optimizer.problems import summarise
from optimizer.schema import TABLES, Row, Site, Tariff
from tests.small_instance import Change, hourly_text, small_instance_folder

Edit = Callable[[str], str]


def edit(old: str, new: str) -> Edit:
    """Replace the first of what must be there."""

    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return change


def edits(*pairs: tuple[str, str]) -> Edit:
    def change(text: str) -> str:
        for old, new in pairs:
            text = edit(old, new)(text)
        return text

    return change


def add(*lines: str) -> Edit:
    return lambda text: text + "".join(f"{line}\n" for line in lines)


def drop(start: str) -> Edit:
    """Leave out the lines that begin so."""

    def change(text: str) -> str:
        kept = [line for line in text.splitlines(keepends=True) if not line.startswith(start)]
        assert len(kept) < len(text.splitlines()), start
        return "".join(kept)

    return change


def column_edit(row: int, column: str, value: str) -> Edit:
    """Change one cell, by the line of its row."""

    def change(text: str) -> str:
        lines = text.splitlines()
        cells = lines[row - 1].split(",")
        cells[lines[0].split(",").index(column)] = value
        lines[row - 1] = ",".join(cells)
        return "\n".join(lines) + "\n"

    return change


def cells(*changes: tuple[int, str, str]) -> Edit:
    def change(text: str) -> str:
        for row, column, value in changes:
            text = column_edit(row, column, value)(text)
        return text

    return change


def problems_of(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(InstanceError) as caught:
        read_instance(folder)
    return caught.value.problems


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return read_instance(small_instance_folder(tmp_path_factory.mktemp("valid")))


# (change, file, row, column, value, words of rule and fix)
CASES: dict[str, tuple[dict[str, Change], str, int | None, str | None, str | None, str]] = {
    # cells
    "negative": (
        {"sites": column_edit(2, "existing_poi_mw", "-40")},
        "sites.csv",
        2,
        "existing_poi_mw",
        "-40",
        "must be >= 0 MW. existing_poi_mw: firm import capacity",
    ),
    "not finite": (
        {"sites": column_edit(2, "existing_poi_mw", "nan")},
        "sites.csv",
        2,
        "existing_poi_mw",
        "nan",
        "must be a finite number (MW). Write the figure",
    ),
    "infinite": (
        {"sites": column_edit(3, "existing_poi_mw", "inf")},
        "sites.csv",
        3,
        "existing_poi_mw",
        "inf",
        "must be a finite number",
    ),
    "overflow": (
        {"sites": column_edit(3, "existing_poi_mw", "1e999")},
        "sites.csv",
        3,
        "existing_poi_mw",
        "1e999",
        "must be ",
    ),
    "thousands separator": (
        {"supply_blocks": edit("hydro,500", 'hydro,"1,500"')},
        "supply_blocks.csv",
        2,
        "capacity_mw",
        "1,500",
        "must be a finite number (MW). Write 1500, without a thousands separator",
    ),
    "decimal comma": (
        {"supply_blocks": edit("hydro,500", 'hydro,"500,5"')},
        "supply_blocks.csv",
        2,
        "capacity_mw",
        "500,5",
        "Write 500.5",
    ),
    "per cent": (
        {"corridors": edit("0.02", "2%")},
        "corridors.csv",
        2,
        "loss_share",
        "2%",
        "Write 0.02, a share",
    ),
    "underscore": (
        {"corridors": edit("100", "1_000")},
        "corridors.csv",
        2,
        "existing_mw",
        "1_000",
        "must be a finite number",
    ),
    "unit mistake": (
        {"tariffs": edit("large load,Wires Co,6", "large load,Wires Co,72000")},
        "tariffs.csv",
        2,
        "demand_usd_per_kw_month",
        "72000",
        "must be <= 10000 US$/kW-month. Check the unit.",
    ),
    "text for a whole number": (
        {"technologies": column_edit(2, "life_years", "thirty")},
        "technologies.csv",
        2,
        "life_years",
        "thirty",
        "must be a whole number (years)",
    ),
    "fraction for a whole number": (
        {"technologies": column_edit(2, "life_years", "30.5")},
        "technologies.csv",
        2,
        "life_years",
        "30.5",
        "must be a whole number (years)",
    ),
    "truth value": (
        {"sites": column_edit(2, "required", "yes")},
        "sites.csv",
        2,
        "required",
        "yes",
        "must be true or false",
    ),
    "choice": (
        {"zones": edit("pool,price", "pool,prices")},
        "zones.csv",
        2,
        "supply",
        "prices",
        "must be one of price, stack, none. Did you mean 'price'?",
    ),
    "choice of numbers": (
        {"technologies": column_edit(2, "macrs_years", "12")},
        "technologies.csv",
        2,
        "macrs_years",
        "12",
        "must be one of 3, 5, 7, 10, 15, 20",
    ),
    "blank": (
        {"site_years": edit("Lima,2028,50,150", "Lima,2028,50,")},
        "site_years.csv",
        2,
        "ceiling_mw",
        "",
        "must be filled (MW)",
    ),
    "space in a name": (
        {"fuels": edit("gas,", "gas ,")},
        "fuels.csv",
        2,
        "fuel",
        "gas ",
        "must be a name without line breaks",
    ),
    "long name": (
        {"fuels": add("x" * 81 + ",0")},
        "fuels.csv",
        3,
        "fuel",
        "x" * 77 + "...",
        "must have at most 80 characters",
    ),
    "funding modes": (
        {"funding_options": column_edit(2, "funding_modes", "own,utility".replace(",", "/"))},
        "funding_options.csv",
        2,
        "funding_modes",
        "own/utility",
        "must be own, contribution, utility, or several",
    ),
    # layout of files
    "unknown column": (
        {"fuels": edit("co2_t_per_mmbtu", "co2_t_per_mmbtus")},
        "fuels.csv",
        1,
        "co2_t_per_mmbtus",
        None,
        "is not a column of this table. Did you mean 'co2_t_per_mmbtu'?",
    ),
    "missing column": (
        {"compute_demand": edit("it_mw", "source")},
        "compute_demand.csv",
        1,
        "it_mw",
        None,
        "column is missing and has no default",
    ),
    "repeated column": ({"policy": edit("co2_cap_t", "year")}, "policy.csv", 1, None, None, "column year stands twice"),
    "nameless column": ({"policy": edit("co2_cap_t", "")}, "policy.csv", 1, None, None, "column 3 has no name"),
    "ragged row": ({"fuels": add("oil,0.07,x,y")}, "fuels.csv", 3, None, None, "row has 4 cells, the header has 2"),
    "blank row": ({"fuels": add(",")}, "fuels.csv", 3, None, None, "row is blank"),
    "empty line": ({"fuels": add("")}, "fuels.csv", 3, None, None, "row is blank"),
    "empty file": ({"policy": ""}, "policy.csv", None, None, None, "is empty"),
    "semicolons": (
        {"policy": lambda text: text.replace(",", ";")},
        "policy.csv",
        1,
        None,
        None,
        "columns must be separated by commas",
    ),
    "broken quoting": ({"fuels": add('"oil"x,0.07')}, "fuels.csv", 3, None, None, "cannot be read as CSV"),
    "unclosed quote": ({"fuels": add('"oil,0.07')}, "fuels.csv", 3, None, None, "cannot be read as CSV"),
    "long line": ({"fuels": add("x" * 100_001)}, "fuels.csv", 3, None, None, "must have at most 100,000 characters"),
    "missing table": ({"compute_demand": None}, "compute_demand.csv", None, None, None, "is missing. Add it with"),
    # keys and references
    "duplicate key": (
        {"fuels": add("gas,0.05")},
        "fuels.csv",
        3,
        "fuel",
        "gas",
        "stands already in row 2: fuel gas",
    ),
    "duplicate compound key": (
        {"site_years": add("Lima,2028,1,2,3")},
        "site_years.csv",
        6,
        "site",
        "Lima",
        "stands already in row 2: site Lima, year 2028",
    ),
    "unknown key": (
        {"site_years": edit("Lima,2028", "Lina,2028")},
        "site_years.csv",
        2,
        "site",
        "Lina",
        "must be a site in sites.csv. Did you mean 'Lima'?",
    ),
    "unknown class of the utility": (
        {"class_years": edit("Wires Co,trade,2028", "Wires Co,industry,2028")},
        "class_years.csv",
        4,
        "customer_class",
        "industry",
        "must be a customer_class of utility Wires Co in customer_classes.csv",
    ),
    "unknown period of the resolution": (
        {"calendar": edit("coarse,1,second day", "coarse,1,both days")},
        "calendar.csv",
        4,
        "period",
        "both days",
        "must be a period of resolution coarse in periods.csv",
    ),
    "year that is not planned": (
        {"policy": edit("2030,20", "2031,20")},
        "policy.csv",
        3,
        "year",
        "2031",
        "must be a planning year. Planning years in instance.toml: 2028, 2030.",
    ),
    "resolution of a period": (
        {"periods": edit("full,both", "ful,both"), "calendar": drop("full")},
        "periods.csv",
        2,
        "resolution",
        "ful",
        "must be a resolution of instance.toml. Did you mean 'full'?",
    ),
    "budget scope": (
        {"budgets": edit("portfolio,", "portfolo,")},
        "budgets.csv",
        2,
        "scope",
        "portfolo",
        "must be 'portfolio' or a site of sites.csv. Did you mean 'portfolio'?",
    ),
    "asset named like a resource": (
        {"existing_assets": edit("old turbine", "lima solar [own]")},
        "existing_assets.csv",
        2,
        "asset",
        "lima solar [own]",
        "is the name of a funding option with its mode",
    ),
    # manifest
    "missing manifest": ({"manifest": None}, "instance.toml", None, None, None, "is missing"),
    "broken manifest": ({"manifest": edit("= 1\n", "= \n")}, "instance.toml", 1, None, None, "is not valid TOML"),
    "manifest figure": (
        {"manifest": edit("discount_rate = 0.05", "discount_rate = 5")},
        "instance.toml",
        None,
        "finance.discount_rate",
        "5",
        "must be < 0.5. discount_rate: sponsor's real discount rate",
    ),
    "manifest not a number": (
        {"manifest": edit("discount_rate = 0.05", "discount_rate = nan")},
        "instance.toml",
        None,
        "finance.discount_rate",
        "nan",
        "must be a finite number",
    ),
    "manifest type": (
        {"manifest": edit("enforce = true", 'enforce = "true"')},
        "instance.toml",
        None,
        "rates.enforce",
        "true",
        "must be true or false",
    ),
    "manifest entry": (
        {"manifest": edit("step_hours = 6", "step_hour = 6")},
        "instance.toml",
        None,
        "resolutions.coarse.step_hour",
        "6",
        "is not known here. Did you mean 'step_hours'?",
    ),
    "manifest gap": (
        {"manifest": edit("price_year = 2025\n", "")},
        "instance.toml",
        None,
        "price_year",
        None,
        "must be given. price_year: year of the real dollars",
    ),
    "currency": (
        {"manifest": edit('"USD"', '"EUR"')},
        "instance.toml",
        None,
        "currency",
        "EUR",
        "must be one of 'USD'",
    ),
    "planning years descend": (
        {"manifest": edit("planning_years = [2028, 2030]", "planning_years = [2030, 2028]")},
        "instance.toml",
        None,
        "planning_years",
        "[2030, 2028]",
        "must ascend, each year once. Write [2028, 2030]",
    ),
    "planning year twice": (
        {"manifest": edit("planning_years = [2028, 2030]", "planning_years = [2028, 2028, 2030]")},
        "instance.toml",
        None,
        "planning_years",
        "[2028, 2028, 2030]",
        "must ascend, each year once",
    ),
    "planning before the base year": (
        {"manifest": edit("base_year = 2026", "base_year = 2029")},
        "instance.toml",
        None,
        "planning_years",
        "[2028, 2030]",
        "must not begin before base_year 2029",
    ),
    "no planning year": (
        {"manifest": edit("planning_years = [2028, 2030]", "planning_years = []")},
        "instance.toml",
        None,
        "planning_years",
        "[]",
        "must not be empty",
    ),
    "resolution with another year": (
        {
            "manifest": edits(
                ("step_hours = 6\nplanning_years = [2028, 2030]", "step_hours = 6\nplanning_years = [2029]")
            )
        },
        "instance.toml",
        None,
        "resolutions.coarse.planning_years",
        "[2029]",
        "must be planning years; 2029 is not",
    ),
    "unknown resolution": (
        {"manifest": edit('resolution = "coarse"', 'resolution = "corse"')},
        "instance.toml",
        None,
        "options.resolution",
        "corse",
        "must be one of the resolutions. Did you mean 'coarse'?",
    ),
    "resolution without periods": (
        {"manifest": edit("[resolutions.full]", "[resolutions.fine]\n[resolutions.full]")},
        "instance.toml",
        None,
        "resolutions.fine",
        None,
        "has no periods in periods.csv",
    ),
    "file without a note": (
        {"manifest": edit('[files."fuels.csv"]\nsource = "invented"\nlicence = "CC0-1.0"\n', "")},
        "instance.toml",
        None,
        'files."fuels.csv"',
        None,
        'must say where this file comes from. Add [files."fuels.csv"] with source and licence.',
    ),
    "note without licence": (
        {
            "manifest": edit(
                '[files."fuels.csv"]\nsource = "invented"\nlicence = "CC0-1.0"\n', '[files."fuels.csv"]\nsource = "x"\n'
            )
        },
        "instance.toml",
        None,
        'files."fuels.csv".licence',
        None,
        "must be given",
    ),
    "note without a file": (
        {"policy": None, "manifest": add('[files."policy.csv"]', 'source = "x"', 'licence = "y"')},
        "instance.toml",
        None,
        'files."policy.csv"',
        None,
        "names a file that is not in the folder",
    ),
    "note on an unknown file": (
        {"manifest": add('[files."polici.csv"]', 'source = "x"', 'licence = "y"')},
        "instance.toml",
        None,
        'files."polici.csv"',
        None,
        "is not a file of an instance. Did you mean 'policy.csv'?",
    ),
    "absolute path": (
        {"manifest": add('[files."/etc/passwd"]', 'source = "x"', 'licence = "y"')},
        "instance.toml",
        None,
        'files."/etc/passwd"',
        None,
        "must be the name of a file of this folder, without a path",
    ),
    "escaping path": (
        {"manifest": add('[files."../sites.csv"]', 'source = "x"', 'licence = "y"')},
        "instance.toml",
        None,
        'files."../sites.csv"',
        None,
        "without a path",
    ),
    "windows path": (
        {"manifest": add("[files.'C:\\sites.csv']", 'source = "x"', 'licence = "y"')},
        "instance.toml",
        None,
        'files."C:\\sites.csv"',
        None,
        "without a path",
    ),
    # years that must be there
    "class year": (
        {"class_years": drop("Wires Co,trade,2030")},
        "class_years.csv",
        None,
        None,
        None,
        "must have a row for utility Wires Co, customer_class trade in 2030",
    ),
    "site year": ({"site_years": drop("Lima,2030")}, "site_years.csv", None, None, None, "a row for site Lima in 2030"),
    "compute year": (
        {"compute_demand": drop("2030")},
        "compute_demand.csv",
        None,
        None,
        None,
        "must have a row for 2030",
    ),
    "network year": (
        {"shared_network_costs": drop("Wires Co,2030")},
        "shared_network_costs.csv",
        None,
        None,
        None,
        "a row for utility Wires Co in 2030",
    ),
    "fuel price": (
        {"fuel_prices": drop("gas,home,2030")},
        "fuel_prices.csv",
        None,
        None,
        None,
        "a row for fuel gas, zone home in 2030, burnt by old turbine",
    ),
    # sites
    "no tariff": ({"sites": column_edit(2, "tariff", "")}, "sites.csv", 2, "tariff", "", "must be filled for a site"),
    "tariff of another utility": (
        {"sites": column_edit(2, "tariff", "contract")},
        "sites.csv",
        2,
        "tariff",
        "contract",
        "must be a tariff of Wires Co, is one of Home Power",
    ),
    "tariff of an island": (
        {"sites": column_edit(2, "utility", "")},
        "sites.csv",
        2,
        "tariff",
        "large load",
        "needs a utility",
    ),
    "utility of another zone": (
        {"sites": cells((2, "utility", "Home Power"), (2, "tariff", "contract"))},
        "sites.csv",
        2,
        "utility",
        "Home Power",
        "must lie in the site's zone pool, lies in home",
    ),
    "no end of contract": (
        {"sites": column_edit(2, "contract_end_year", "")},
        "sites.csv",
        2,
        "contract_end_year",
        "",
        "must be filled, because the tariff has an exit fee",
    ),
    "floor above ceiling": (
        {"site_years": edit("Lima,2028,50", "Lima,2028,151")},
        "site_years.csv",
        2,
        "floor_mw",
        "151",
        "must be <= ceiling_mw 150 MW",
    ),
    "no window": (
        {"sites": column_edit(2, "deferral_window_hours", "0")},
        "sites.csv",
        2,
        "deferral_window_hours",
        "0",
        "must be > 0 hours where deferrable_share > 0",
    ),
    "stack served by no one": (
        {"sites": cells((3, "utility", ""), (3, "tariff", ""))},
        "sites.csv",
        3,
        "utility",
        "",
        "must be Home Power, which owns the stack of zone home",
    ),
    "reserved name": (
        {"sites": add("portfolio,pool" + "," * 15)},
        "sites.csv",
        4,
        "site",
        "portfolio",
        "is reserved",
    ),
    # zones and corridors
    "price zone without price": (
        {"zones": column_edit(2, "price_series", "")},
        "zones.csv",
        2,
        "price_series",
        "",
        "must be filled for a price zone",
    ),
    "stack without load": (
        {"zones": column_edit(3, "local_load_series", "")},
        "zones.csv",
        3,
        "local_load_series",
        "",
        "must be filled for a stack zone",
    ),
    "stack without utility": (
        {"zones": column_edit(3, "utility", "")},
        "zones.csv",
        3,
        "utility",
        "",
        "must be filled for a stack zone",
    ),
    "stack without blocks": (
        {"supply_blocks": "zone,block,capacity_mw,marginal_cost_usd_per_mwh\n"},
        "supply_blocks.csv",
        None,
        None,
        None,
        "must have blocks for stack zone home",
    ),
    "stack of a market utility": (
        {"utilities": edit("cost_of_service", "market")},
        "zones.csv",
        3,
        "utility",
        "Home Power",
        "must be a cost_of_service utility",
    ),
    "stack of a utility elsewhere": (
        {"zones": column_edit(3, "utility", "Wires Co")},
        "zones.csv",
        3,
        "utility",
        "Wires Co",
        "must lie in zone home, lies in pool",
    ),
    "blocks of a price zone": (
        {"supply_blocks": add("pool,wind,10,0,0")},
        "supply_blocks.csv",
        5,
        "zone",
        "pool",
        "must be a stack zone; its supply is price",
    ),
    "stack too small": (
        {"supply_blocks": edit("coal,900", "coal,90"), "zone_years": edit("home,2030,1,1.01", "home,2030,1,1.5")},
        "supply_blocks.csv",
        None,
        None,
        None,
        "blocks of zone home sum to 1290 MW, its local load peaks at 1597.5 MW in 2030",
    ),
    "corridor to itself": (
        {"corridors": edit("pool,home", "pool,pool")},
        "corridors.csv",
        2,
        "to_zone",
        "pool",
        "must differ from from_zone",
    ),
    "corridor of two stacks": (
        {
            "zones": add("east,stack,East Power,,home load,0,false,0,25"),
            "utilities": add("East Power,east,cost_of_service,0,0,0,0"),
            "corridors": add("seam,home,east,10,0"),
        },
        "corridors.csv",
        3,
        "to_zone",
        "east",
        "joins two stack zones of different utilities (Home Power, East Power)",
    ),
    "curve start": (
        {"price_response": edit("pool,0,0", "pool,10,0")},
        "price_response.csv",
        2,
        "net_purchase_mw",
        "10",
        "must be 0 MW at the first point of zone pool",
    ),
    "curve start of the price": (
        {"capacity_price_curve": edit("pool,0,0", "pool,0,1")},
        "capacity_price_curve.csv",
        2,
        "price_change_usd_per_kw_year",
        "1",
        "must be 0 at the first point of zone pool",
    ),
    "curve order": (
        {"price_response": edits(("pool,300", "pool,1300"))},
        "price_response.csv",
        4,
        "net_purchase_mw",
        "900",
        "must be above the point before, 1300 MW",
    ),
    "curve falls": (
        {"price_response": edit("900,6", "900,1")},
        "price_response.csv",
        4,
        "price_change_usd_per_mwh",
        "1",
        "must not be below the point before, 1.5",
    ),
    "curve of one point": (
        {"capacity_price_curve": drop("pool,500")},
        "capacity_price_curve.csv",
        2,
        None,
        None,
        "curve of zone pool has one point",
    ),
    "curve of a stack zone": (
        {"price_response": add("home,0,0", "home,5,1")},
        "price_response.csv",
        5,
        "zone",
        "home",
        "must be a price zone",
    ),
    "two regimes under a curve": (
        {"utilities": add("Third Co,pool,cost_of_service,0,0,0,0")},
        "utilities.csv",
        4,
        "regime",
        "cost_of_service",
        "must be the same for all utilities of zone pool",
    ),
    "two cost-of-service utilities under a curve": (
        {
            "utilities": lambda text: (
                text.replace(",market,", ",cost_of_service,") + "Third Co,pool,cost_of_service,0,0,0,0\n"
            )
        },
        "utilities.csv",
        4,
        "regime",
        "cost_of_service",
        "it can have one cost_of_service utility, has 2",
    ),
    # utilities, classes, tariffs
    "no class": (
        {"utilities": add("Third Co,home,market,0,0,0,0")},
        "customer_classes.csv",
        None,
        None,
        None,
        "must have a class for utility Third Co",
    ),
    "pool sum": (
        {"cost_allocators": edit("Wires Co,trade,fuel,0.58", "Wires Co,trade,fuel,0.57")},
        "cost_allocators.csv",
        None,
        None,
        None,
        "shares of utility Wires Co, pool fuel sum to 0.99, must sum to 1",
    ),
    "pool missing": (
        {"cost_allocators": drop("Home Power,homes,distribution")},
        "cost_allocators.csv",
        None,
        None,
        None,
        "shares of utility Home Power, pool distribution are missing",
    ),
    "credits": (
        {"customer_classes": edit("homes,0,0.3", "homes,0,0.7")},
        "customer_classes.csv",
        None,
        None,
        None,
        "bill_credit_share of utility Wires Co sums to 1.1, must be <= 1",
    ),
    "local load shared twice": (
        {"customer_classes": edit("0.9,0.4", "0.9,0.6")},
        "customer_classes.csv",
        None,
        None,
        None,
        "local_load_share of the classes in zone pool sums to 1.1",
    ),
    "exposed class without load": (
        {"customer_classes": edit("0.9,0.4", "0.9,0")},
        "customer_classes.csv",
        2,
        "local_load_share",
        "0",
        "must be > 0 for a class that is not fully hedged",
    ),
    "exposed zone without load": (
        {"zones": column_edit(2, "local_load_series", "")},
        "zones.csv",
        2,
        "local_load_series",
        "",
        "must be filled where the zone has a price response",
    ),
    "shared network without load": (
        {"zones": column_edit(2, "local_load_series", "")},
        "zones.csv",
        2,
        "local_load_series",
        "",
        "must be filled, because utility Wires Co has shared network costs",
    ),
    "market energy in a stack": (
        {"tariffs": edit("contract,Home Power,11,33,0,", "contract,Home Power,11,33,0.5,")},
        "tariffs.csv",
        3,
        "market_energy_share",
        "0.5",
        "must be 0: zone home of Home Power has no market price (supply stack)",
    ),
    # technologies
    "fuel without heat rate": (
        {"technologies": column_edit(2, "heat_rate_mmbtu_per_mwh", "0")},
        "technologies.csv",
        2,
        "heat_rate_mmbtu_per_mwh",
        "0",
        "must be > 0 MMBtu/MWh for a technology with a fuel",
    ),
    "durations": (
        {"technologies": column_edit(4, "min_duration_hours", "9")},
        "technologies.csv",
        4,
        "min_duration_hours",
        "9",
        "must be <= max_duration_hours 8",
    ),
    "no duration": (
        {"technologies": cells((4, "min_duration_hours", "0"), (4, "max_duration_hours", "0"))},
        "technologies.csv",
        4,
        "max_duration_hours",
        "0",
        "must be > 0 hours for storage",
    ),
    "spend curve": (
        {"spend_curves": edit("0.4", "0.3")},
        "spend_curves.csv",
        None,
        None,
        None,
        "shares of two years sum to 0.9, must sum to 1",
    ),
    "credit years": (
        {"tax_credits": edit("solar,2026,2029", "solar,2026,2025")},
        "tax_credits.csv",
        2,
        "first_year",
        "2026",
        "must be <= last_year 2025",
    ),
    "credits overlap": (
        {"tax_credits": add("solar,2028,2031,0,20,10")},
        "tax_credits.csv",
        4,
        "first_year",
        "2028",
        "overlaps the credit of solar for 2026 to 2029",
    ),
    "storage without calendar": (
        {"calendar": drop("coarse")},
        "technologies.csv",
        4,
        "storage_linking",
        "calendar",
        "calendar needs rows in calendar.csv for resolution coarse",
    ),
    # options and assets
    "no place": (
        {"funding_options": column_edit(2, "site", "")},
        "funding_options.csv",
        2,
        None,
        None,
        "must fill exactly one of site, zone, corridor; none filled",
    ),
    "two places": (
        {"existing_assets": column_edit(2, "zone", "home")},
        "existing_assets.csv",
        2,
        None,
        None,
        "must fill exactly one of site, zone; site and zone filled",
    ),
    "wires in a zone": (
        {"funding_options": cells((8, "site", ""), (8, "zone", "pool"))},
        "funding_options.csv",
        8,
        "zone",
        "pool",
        "must be blank for wires: it stands at a site or corridor",
    ),
    "generator on a corridor": (
        {"funding_options": cells((2, "site", ""), (2, "corridor", "tie"))},
        "funding_options.csv",
        2,
        "corridor",
        "tie",
        "must be blank for generator: it stands at a site or zone",
    ),
    "wires as an asset": (
        {"existing_assets": column_edit(2, "technology", "line")},
        "existing_assets.csv",
        2,
        "technology",
        "line",
        "must be a generator or storage",
    ),
    "utility plant behind the meter": (
        {"funding_options": cells((3, "funding_modes", "own;utility"), (3, "utility", "Wires Co"))},
        "funding_options.csv",
        3,
        "funding_modes",
        "own;utility",
        "must be own for generator at a site",
    ),
    "mode twice": (
        {"funding_options": column_edit(2, "funding_modes", "own;own")},
        "funding_options.csv",
        2,
        "funding_modes",
        "own;own",
        "must name each mode once",
    ),
    "mode without utility": (
        {"funding_options": column_edit(8, "utility", "")},
        "funding_options.csv",
        8,
        "utility",
        "",
        "must be filled for the modes contribution, utility",
    ),
    "plant of a market utility": (
        {"funding_options": cells((7, "funding_modes", "utility"), (7, "utility", "Wires Co"))},
        "funding_options.csv",
        7,
        "utility",
        "Wires Co",
        "must be a cost_of_service utility to hold a generator (utility)",
    ),
    "corridor of two price zones": (
        {
            "zones": add("east,price,,price,,0,false,0,0"),
            "corridors": edit("pool,home", "pool,east"),
        },
        "funding_options.csv",
        10,
        "funding_modes",
        "own;utility",
        "must be own for a corridor between two price zones",
    ),
    "planned and shared": (
        {
            "funding_options": lambda text: (
                edit("contract_share", "planned_without_project")(text)
                .replace("Saline,0.5", "Saline,true")
                .replace(",0\n", ",false\n")
            )
        },
        "funding_options.csv",
        5,
        "funding_modes",
        "own;contribution;utility",
        "must be own for an option that is planned without the project",
    ),
    "storage without energy": (
        {"funding_options": cells((4, "energy_block_mwh", ""), (4, "max_energy_blocks", ""))},
        "funding_options.csv",
        4,
        "energy_block_mwh",
        "",
        "must be filled, because battery has no fixed duration (2 to 8 hours)",
    ),
    "energy blocks without size": (
        {"funding_options": column_edit(6, "max_energy_blocks", "4")},
        "funding_options.csv",
        6,
        "max_energy_blocks",
        "4",
        "must be blank where energy_block_mwh is blank",
    ),
    "energy of a generator": (
        {"funding_options": column_edit(2, "energy_block_mwh", "5")},
        "funding_options.csv",
        2,
        "energy_block_mwh",
        "5",
        "must be blank for generator",
    ),
    "asset without energy": (
        {"existing_assets": column_edit(3, "energy_mwh", "0")},
        "existing_assets.csv",
        3,
        "energy_mwh",
        "0",
        "must be > 0 MWh for storage",
    ),
    "generator with energy": (
        {"existing_assets": column_edit(2, "energy_mwh", "7")},
        "existing_assets.csv",
        2,
        "energy_mwh",
        "7",
        "must be 0 MWh for a generator",
    ),
    "asset years": (
        {"existing_assets": edit("2015,2040", "2041,2040")},
        "existing_assets.csv",
        2,
        "first_year",
        "2041",
        "must be <= last_year 2040",
    ),
    "contract without site": (
        {"funding_options": column_edit(5, "contract_site", "")},
        "funding_options.csv",
        5,
        "contract_site",
        "",
        "must be filled where contract_share > 0",
    ),
    "contract site elsewhere": (
        {"funding_options": column_edit(5, "contract_site", "Lima")},
        "funding_options.csv",
        5,
        "contract_site",
        "Lima",
        "must be a site served by Home Power, is served by Wires Co",
    ),
    "requires nothing": (
        {"option_rules": edit("home store,home solar", "home store,")},
        "option_rules.csv",
        4,
        "requires_option",
        "",
        "must be filled for the rule requires",
    ),
    "requires itself": (
        {"option_rules": edit("home store,home solar", "home store,home store")},
        "option_rules.csv",
        4,
        "requires_option",
        "home store",
        "must be another option",
    ),
    "required by another rule": (
        {"option_rules": edit("lima turbine,", "lima turbine,lima solar")},
        "option_rules.csv",
        2,
        "requires_option",
        "lima solar",
        "must be blank for the rule at_most_one",
    ),
    # series, periods, calendar
    "series without column": (
        {"series": add("wind,availability,true")},
        "series.csv",
        8,
        "series",
        "wind",
        "must be a column of hourly.csv",
    ),
    "column without series": (
        {"series": drop("cooling"), "sites": cells((2, "pue_series", ""), (3, "pue_series", ""))},
        "hourly.csv",
        1,
        "cooling",
        None,
        "must be a series of series.csv. Add it to series.csv with its kind",
    ),
    "kind of series": (
        {"sites": column_edit(2, "pue_series", "use")},
        "sites.csv",
        2,
        "pue_series",
        "use",
        "must be a series of kind pue, is of kind utilisation. Series of this kind: cooling.",
    ),
    "series called hour": (
        {"series": add("hour,price,true")},
        "series.csv",
        8,
        "series",
        "hour",
        "is the name of the counting column",
    ),
    "out of bounds": (
        {"hourly": lambda text: text.replace("\n3,0.", "\n3,1.")},
        "hourly.csv",
        5,
        "use",
        "1.8787868",
        "must be a finite number between 0 and 1 (kind utilisation)",
    ),
    "hourly text": (
        {"hourly": column_edit(4, "price", "high")},
        "hourly.csv",
        4,
        "price",
        "high",
        "must be a finite number",
    ),
    "hourly nan": (
        {"hourly": column_edit(4, "price", "nan")},
        "hourly.csv",
        4,
        "price",
        "nan",
        "must be a finite number",
    ),
    "hourly inf": (
        {"hourly": column_edit(4, "price", "-inf")},
        "hourly.csv",
        4,
        "price",
        "-inf",
        "must be a finite number",
    ),
    "hourly underscore": (
        {"hourly": column_edit(4, "price", "1_0")},
        "hourly.csv",
        4,
        "price",
        "1_0",
        "must be a finite number",
    ),
    "hourly blank": ({"hourly": column_edit(4, "price", "")}, "hourly.csv", 4, "price", "", "must be filled"),
    "hourly ragged": (
        {"hourly": edit("\n4,", "\n4,0,")},
        "hourly.csv",
        6,
        None,
        None,
        "row has 8 cells, the header has 7",
    ),
    "hours do not count": (
        {"hourly": column_edit(6, "hour", "5")},
        "hourly.csv",
        6,
        "hour",
        "5",
        "must count 0, 1, 2, ... without gap. Expected 4 here.",
    ),
    "no hour": ({"hourly": edit("hour,", "hours,")}, "hourly.csv", 1, None, None, "column hour is missing"),
    "hourly length": (
        {"hourly": drop("47,")},
        "hourly.csv",
        None,
        None,
        None,
        "must have 48 hours (series_hours in instance.toml), has 47",
    ),
    "periods overlap": (
        {"periods": edit("second day,24", "second day,23")},
        "periods.csv",
        4,
        "start_hour",
        "23",
        "overlaps period first day of the same resolution (hours 0 to 23)",
    ),
    "period beyond the series": (
        {"periods": edit("second day,24,24", "second day,30,24")},
        "periods.csv",
        4,
        "hours",
        "24",
        "ends at hour 54, beyond the series of 48 hours",
    ),
    "period and step": (
        {"manifest": edit("step_hours = 6", "step_hours = 7")},
        "periods.csv",
        3,
        "hours",
        "24",
        "must be a multiple of step_hours 7 of resolution coarse",
    ),
    "occurrences": (
        {"periods": edit("0,48,182.5", "0,48,182"), "calendar": drop("full")},
        "periods.csv",
        None,
        None,
        None,
        "of resolution full sum to 8736, must sum to 8760. Multiply the occurrences by 1.0027473.",
    ),
    "calendar gap": (
        {"calendar": edit("coarse,1", "coarse,2")},
        "calendar.csv",
        None,
        None,
        None,
        "slots of resolution coarse must count 0 to 1 without gap",
    ),
    "calendar hours": (
        {"calendar": add("coarse,2,first day")},
        "calendar.csv",
        None,
        None,
        None,
        "periods of resolution coarse last 72 hours together, the series has 48",
    ),
    "calendar counts": (
        {"calendar": edit("coarse,1,second day", "coarse,1,first day")},
        "periods.csv",
        3,
        "occurrences_per_year",
        "182.5",
        "must be 365: the period stands 2 times in the calendar",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_says_where_what_and_what_to_do(case: str, tmp_path: Path) -> None:
    changes, file, row, column, value, words = CASES[case]
    problems = problems_of(small_instance_folder(tmp_path, **changes))
    fitting = [p for p in problems if (p.file, p.row, p.column) == (file, row, column) and words in str(p)]
    assert fitting, "\n".join(map(str, problems))
    found = fitting[0].value
    assert found == value or (value is not None and len(value) > 6 and (found or "").startswith(value))
    assert str(fitting[0]) in str(InstanceError(problems))


def test_a_broken_cell_alone_is_reported_alone(tmp_path: Path) -> None:
    """Nothing that only follows from another problem is reported with it."""
    changes: list[dict[str, Change]] = [
        {"sites": column_edit(2, "existing_poi_mw", "-40")},
        {"technologies": column_edit(2, "life_years", "x")},
        {"series": column_edit(2, "synthetic", "perhaps")},
        {"periods": column_edit(3, "hours", "many")},
        {"utilities": column_edit(3, "regime", "coop")},
        {"customer_classes": column_edit(2, "hedged_share", "2")},
        {"zones": add('home2,"')},
        {"fuels": edit("co2_t_per_mmbtu", "co2")},
        {"manifest": edit("discount_rate = 0.05", "discount_rate = 5")},
        {"manifest": edit("planning_years = [2028, 2030]\nlast", "planning_years = [1]\nlast")},
        {"manifest": edit("step_hours = 6", "step_hours = 0")},
        {"hourly": edit("hour,", "hours,")},
        {"hourly": column_edit(4, "price", "high")},
    ]
    for position, change in enumerate(changes):
        folder = tmp_path / str(position)
        folder.mkdir()
        assert len(problems_of(small_instance_folder(folder, **change))) == 1, change


def test_all_files_are_reported_in_one_run(tmp_path: Path) -> None:
    folder = small_instance_folder(
        tmp_path,
        manifest=edit("discount_rate = 0.05", "discount_rate = 5"),
        sites=cells((2, "existing_poi_mw", "-40"), (3, "opening_cost_usd", "much")),
        fuels=lambda text: '"' + text,
        site_years=edit("Lima,2028,50", "Lima,2028,151"),
        hourly=column_edit(4, "price", "high"),
        policy="",
    )
    problems = problems_of(folder)
    assert {p.file for p in problems} == {
        "instance.toml",
        "sites.csv",
        "fuels.csv",
        "site_years.csv",
        "hourly.csv",
        "policy.csv",
    }
    assert len([p for p in problems if p.file == "sites.csv"]) == 2


def test_alike_problems_are_counted_not_listed(tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path, hourly=lambda text: text.replace("\n", "\n-", 48).replace(",0.", ",7."))
    problems = [str(p) for p in problems_of(folder)]
    assert sum("kind utilisation" in p for p in problems) == 21
    assert (
        "hourly.csv: ... and 28 more like it: must be a finite number between 0 and 1 (kind utilisation)." in problems
    )


def test_summary_counts_what_it_leaves_out() -> None:
    many = [Problem("a.csv", row, "x", "1", "must be 2") for row in range(2, 32)]
    found = summarise([*many, Problem("a.csv", None, "y", None, "must be 2", count=302)])
    assert len(found) == 21
    assert found[-1].rule == "... and 312 more like it: must be 2"


def test_files_with_too_many_problems_are_not_read_to_the_end(tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path, fuels=add(*["x,-1"] * 5000), hourly=add(*["x,x,x,x,x,x,x"] * 5000))
    problems = [p for p in problems_of(folder) if "is not read from here on" in p.rule]
    assert {p.file for p in problems} == {"fuels.csv", "hourly.csv"}


def test_error_travels_between_processes(tmp_path: Path) -> None:
    error = InstanceError([Problem("a.csv", 2, "x", "1", "must be 2", "Write 2.")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


# Files


def test_not_a_folder(tmp_path: Path) -> None:
    assert "is not a folder" in str(problems_of(tmp_path / "nowhere")[0])


def test_a_mistyped_table_name_is_refused(tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path)
    (folder / "polcy.csv").write_text("year\n")
    (folder / "README.md").write_text("notes are welcome")
    (problem,) = problems_of(folder)
    assert str(problem) == "polcy.csv: is not a table of an instance. Did you mean 'policy.csv'?"


@pytest.mark.parametrize("name", ["sites.csv", "hourly.csv", "instance.toml"])
def test_links_are_refused(name: str, tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    (problem,) = problems_of(folder)
    assert (problem.file, problem.rule) == (name, "must be a file of the folder, not a link")


def test_dangling_link_is_refused(tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path, policy=None)
    (folder / "policy.csv").symlink_to(tmp_path / "nowhere")
    assert "not a link" in str(problems_of(folder))


@pytest.mark.parametrize(
    ("content", "row"), [("fuel\ngas\n\xe9t\xe9\n".encode("latin-1"), 3), ("fuel\ngas\n".encode("utf-16"), 1)]
)
def test_other_encodings_are_refused(content: bytes, row: int, tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path)
    (folder / "fuels.csv").write_bytes(content)
    (problem,) = problems_of(folder)
    assert (problem.file, problem.row) == ("fuels.csv", row)
    assert "must be UTF-8 text" in problem.rule and "CSV UTF-8" in problem.fix


def test_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path, small: Instance) -> None:
    def windows(text: str) -> str:
        return "\ufeff" + text.replace("\n", "\r\n")

    folder = small_instance_folder(tmp_path, sites=windows, manifest=windows, hourly=windows)
    assert read_instance(folder) == small


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_instance_folder(tmp_path, manifest=add("#" * 2**20))
    assert str(problems_of(folder)[0]).startswith("instance.toml: must be at most 1 MB, is 1.0 MB")
    monkeypatch.setattr(tables, "MAX_TABLE_ROWS", 1)
    assert any("sites.csv row 3: must have at most 1 rows" in str(p) for p in problems_of(folder))


def test_rows_are_named_by_their_line_even_behind_line_breaks(tmp_path: Path) -> None:
    folder = small_instance_folder(tmp_path, sites=edits((",invented\n", ',"two\nlines"\n'), ("260", "-260")))
    (problem,) = problems_of(folder)
    assert problem.row == 4


def test_an_island_needs_no_series(tmp_path: Path) -> None:
    """No hourly file, no utilities: a site of its own."""
    keep = {"sites", "site_years", "zones", "technologies", "funding_options", "compute_demand", "periods"}
    gone: dict[str, Change] = {name: None for name in [*TABLES, "hourly"] if name not in keep}
    folder = small_instance_folder(
        tmp_path,
        **gone
        | {
            "sites": "site,zone\nisle,sea\n",
            "site_years": "site,year,ceiling_mw\nisle,2028,5\nisle,2030,6\n",
            "zones": "zone,supply\nsea,none\n",
            "technologies": "technology,kind,capex_usd_per_kw,life_years\nwave,generator,9000,20\n",
            "funding_options": "option,technology,site,block_mw,max_blocks\nwaves,wave,isle,3,4\n",
        },
    )
    instance = read_instance(folder)
    assert instance.hourly.shape == (48, 0)
    assert instance.sites[0].utilisation_series is None
    write_instance(instance, tmp_path / "copy")
    assert read_instance(tmp_path / "copy") == instance


# What an instance is


def test_rows_are_typed_and_defaults_filled(small: Instance) -> None:
    lima = small.sites[0]
    assert isinstance(lima, Site)
    assert (lima.site, lima.existing_poi_mw, lima.required, lima.export_allowed) == ("Lima", 310.0, True, False)
    assert small.tariffs[0] == Tariff(
        tariff="large load",
        utility="Wires Co",
        demand_usd_per_kw_month=6,
        energy_usd_per_mwh=2,
        fixed_usd_per_month=1000,
        minimum_demand_share=0.8,
        ratchet_share=0.6,
        change_per_year=0.01,
        exit_fee_years=10,
    )
    assert small.manifest.planning_years == (2028, 2030)
    assert small.path is not None and small.path.name == "small"


def test_every_table_has_an_attribute_and_rows(small: Instance) -> None:
    for name in TABLES:
        assert small.rows(name) and small.rows(name) is getattr(small, name)
        assert list(small.frame(name).columns) == list(TABLES[name].columns())
        assert len(small.frame(name)) == len(small.rows(name))


def test_an_instance_cannot_be_changed(small: Instance) -> None:
    with pytest.raises(ValidationError):
        small.sites[0].existing_poi_mw = 1.0
    with pytest.raises(AttributeError):
        small.sites = ()  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        small.hourly["use"].to_numpy()[0] = 2.0


def test_hourly_frame(small: Instance) -> None:
    assert small.hourly.index.name == "hour" and list(small.hourly.index) == list(range(48))
    assert list(small.hourly.columns) == ["use", "cooling", "sun", "price", "pool load", "home load"]
    assert set(small.hourly.dtypes) == {np.dtype("float64")}
    assert small.hourly["price"].iloc[30] == 36.75  # six in the morning of the second day: 35*1.05 + 10*sin(0)


def test_hash_knows_content_not_place(small: Instance, tmp_path: Path) -> None:
    def reorder(text: str) -> str:
        """Put the last column first."""
        return "".join(",".join([*line.split(",")[-1:], *line.split(",")[:-1]]) + "\n" for line in text.splitlines())

    other = read_instance(small_instance_folder(tmp_path, tariffs=reorder, hourly=reorder))
    assert other.path != small.path
    assert other.content_hash == small.content_hash and other == small and hash(other) == hash(small)


def test_hash_sees_a_changed_hour_and_cell(small: Instance, tmp_path: Path) -> None:
    for name, change in {"hourly": column_edit(9, "price", "12.5"), "fuels": edit("0.053", "0.054")}.items():
        (tmp_path / name).mkdir()
        changes: dict[str, Change] = {name: change}
        assert read_instance(small_instance_folder(tmp_path / name, **changes)) != small


def test_making_in_memory_gives_the_same(small: Instance) -> None:
    made = make_instance(small.manifest, {name: small.rows(name) for name in TABLES}, small.hourly)
    assert made == small and made.path is None


def test_making_in_memory_obeys_the_same_rules(small: Instance) -> None:
    rows: dict[str, list[Row | Mapping[str, Any]]] = {name: list(small.rows(name)) for name in TABLES}
    rows["sites"][0] = small.sites[0].model_copy(update={"existing_poi_mw": -1.0})
    rows["site_years"][1] = small.site_years[1].model_dump() | {"floor_mw": 1e5}
    hourly = small.hourly.copy()
    hourly.loc[7, "use"] = np.nan
    with pytest.raises(InstanceError) as caught:
        make_instance(small.manifest, {**rows, "sits": []}, hourly)
    found = {(p.file, p.row, p.column) for p in caught.value.problems}
    assert found == {
        ("sits", None, None),
        ("sites.csv", 2, "existing_poi_mw"),
        ("site_years.csv", 3, "floor_mw"),
        ("hourly.csv", 9, "use"),
    }


def test_hourly_in_memory_must_be_numbers_with_distinct_names(small: Instance) -> None:
    tables_in = {name: small.rows(name) for name in TABLES}
    text = small.hourly.astype(object)
    text.loc[0, "use"] = "high"
    twice = pd.concat([small.hourly, small.hourly[["use"]]], axis=1)
    for hourly, words in ((text, "must hold numbers"), (twice, "stands twice")):
        with pytest.raises(InstanceError, match=words):
            make_instance(small.manifest, tables_in, hourly)


# Writing


def test_folder_to_instance_to_folder_is_lossless(small: Instance, tmp_path: Path) -> None:
    write_instance(small, tmp_path / "deep" / "copy")
    copy = read_instance(tmp_path / "deep" / "copy")
    assert copy == small
    for name in TABLES:
        assert copy.rows(name) == small.rows(name)
    pd.testing.assert_frame_equal(copy.hourly, small.hourly, check_exact=True)
    write_instance(copy, tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / "deep" / "copy" / path.name).read_bytes()


def test_a_full_folder_is_never_overwritten(small: Instance, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_instance(small, tmp_path / "empty")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write_instance(small, tmp_path / "empty")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_write_leaves_nothing(small: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        write_instance(small, tmp_path / "copy")
    assert not list(tmp_path.iterdir())


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
amounts = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asset=names,
    source=texts,
    title=texts,
    poi=amounts,
    hours=st.lists(st.floats(-1000, 10_000), min_size=48, max_size=48),
)
def test_any_accepted_content_survives_the_files(
    small: Instance,
    tmp_path_factory: pytest.TempPathFactory,
    asset: str,
    source: str,
    title: str,
    poi: float,
    hours: list[float],
) -> None:
    rows = {name: list(small.rows(name)) for name in TABLES}
    rows["sites"][0] = small.sites[0].model_copy(update={"existing_poi_mw": poi, "source": source})
    rows["existing_assets"][0] = small.existing_assets[0].model_copy(update={"asset": asset})
    made = make_instance(
        small.manifest.model_copy(update={"title": title}), rows, small.hourly.assign(price=np.array(hours))
    )
    folder = tmp_path_factory.mktemp("round") / "trip"
    write_instance(made, folder)
    assert read_instance(folder) == made


def test_a_year_of_thirty_series_is_read_fast(tmp_path: Path) -> None:
    names_of = [f"s{k}" for k in range(30)]
    values = np.random.default_rng(1).random((8760, 30))
    frame = pd.DataFrame(values, columns=names_of, index=pd.RangeIndex(8760, name="hour"))
    folder = small_instance_folder(
        tmp_path,
        hourly=lambda _: frame.join(_year_of(hourly_text())).to_csv(lineterminator="\n"),
        series=add(*[f"{name},availability,true" for name in names_of]),
        manifest=edit("series_hours = 48", "series_hours = 8760"),
        periods="resolution,period,start_hour,hours,occurrences_per_year\n"
        "full,both days,0,8760,1\ncoarse,first day,0,24,182.5\ncoarse,second day,24,24,182.5\n",
        calendar="resolution,slot,period\nfull,0,both days\n",
        technologies=edit("calendar", "period"),
    )
    start = time.process_time()
    instance = read_instance(folder)
    assert time.process_time() - start < 2.0  # about 0.3 s on an ordinary machine
    np.testing.assert_array_equal(instance.hourly[names_of].to_numpy(), values)


def _year_of(text: str) -> pd.DataFrame:
    """Two days of series repeated over a year."""
    rows = [line.split(",") for line in text.splitlines()]
    days = np.array(rows[1:], dtype=float)[:, 1:]
    return pd.DataFrame(np.tile(days, (183, 1))[:8760], columns=rows[0][1:])
