"""What people and programs read of a plan, on tables written by hand."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console, Group

from optimizer import Plan, apply_overrides, read_instance
from optimizer.cli.output import print_rich
from optimizer.plan import TABLES, TEXT
from optimizer.show import render, summary

ONE_SITE = Path(__file__).parents[1] / "instances" / "one-site"


def table(name: str, *rows: dict[str, object]) -> pd.DataFrame:
    """A table of a plan; columns that a row leaves out are blank or zero."""
    blank: dict[str, object] = {column: "" if column in TEXT else 0.0 for column in TABLES[name]}
    return pd.DataFrame([blank | row for row in rows], columns=list(TABLES[name]))


def plan_of(*overrides: str, manifest: dict[str, object] | None = None, **tables: pd.DataFrame) -> Plan:
    instance = apply_overrides(read_instance(ONE_SITE), overrides) if overrides else read_instance(ONE_SITE)
    every = {name: tables.get(name, table(name)) for name in TABLES}
    return Plan(instance, "within gap", 100e6, 99.5e6, 0.005, every, manifest or {})


def text(plan: Plan, width: int = 100, *, all_rates: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(plan, all_rates=all_rates))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line(page: str, start: str) -> list[str]:
    """Words of the first line that starts with a text."""
    return next(row for row in page.splitlines() if row.strip().startswith(start)).split()


BUILDS = table(
    "allocation",
    {"option": "gas", "site": "campus", "technology": "turbine", "kind": "generator", "funding_mode": "own"}
    | {"year": 2026, "mw": 10.0, "capex_usd": 1.5e6},
    {"option": "gas", "site": "campus", "technology": "turbine", "kind": "generator", "funding_mode": "own"}
    | {"year": 2028, "mw": 20.0, "capex_usd": 3e6},
    {"option": "store", "zone": "valley", "technology": "battery", "kind": "storage", "funding_mode": "utility"}
    | {"year": 2027, "mw": 1200.0, "mwh": 4800.0, "capex_usd": 1.9e9},
    {"option": "line", "corridor": "ridge", "technology": "circuit", "kind": "wires", "funding_mode": "contribution"}
    | {"year": 2027, "mw": 500.0, "capex_usd": 2e8},
)
COSTS = table(
    "costs",
    {"name": "own_capital", "place": "campus", "present_value_usd": 80e6},
    {"name": "own_capital", "place": "valley", "present_value_usd": 15e6},
    {"name": "salvage", "place": "campus", "present_value_usd": -5e6},
    {"name": "unserved_penalty", "place": "campus", "present_value_usd": 10e6},
)
SITES = table(
    "sites",
    {"site": "campus", "year": 2026, "it_mw": 50.0, "load_mwh": 400_000.0, "unserved_mwh": 1000.0},
    {"site": "campus", "year": 2027, "it_mw": 100.0, "load_mwh": 800_000.0, "curtailed_mwh": 2000.0},
)


def rate(year: int, change: float, cap: float = 0.0, name: str = "homes") -> dict[str, object]:
    with_project = 150 + 10 * change
    return {
        "utility": "Valley Power",
        "customer_class": name,
        "year": year,
        "without_project_usd_per_mwh": 150.0,
        "with_project_usd_per_mwh": with_project,
        "change_cents_per_kwh": change,
        "cap_cents_per_kwh": cap,
        "headroom_cents_per_kwh": cap - change,
        "binding": abs(cap - change) < 1e-9,
    }


def test_status_in_the_exact_words_and_cost_with_its_bound() -> None:
    page = text(plan_of())
    assert "within gap: " in page
    assert "100.000 million US$" in page
    assert "0.5 %: no plan costs less than 99.500 million US$" in page
    assert "present value of 2026 at 25 % a year real, real US$ of 2026" in page


def test_funding_by_place_technology_and_mode() -> None:
    page = text(plan_of(allocation=BUILDS))
    assert line(page, "campus   turbine") == ["campus", "turbine", "own", "30.0", "4.5", "2026-2028"]
    assert line(page, "valley   battery") == ["valley", "battery", "utility", "1,200.0", "4,800.0", "1,900.0", "2027"]
    assert line(page, "ridge    circuit") == ["ridge", "circuit", "contribution", "500.0", "200.0", "2027"]
    assert line(page, "total") == ["total", "2,104.5"]


def test_mw_by_year() -> None:
    page = text(plan_of(allocation=BUILDS))
    assert line(page, "campus   generator") == ["campus", "generator", "10", "20"]
    assert line(page, "place    kind") == ["place", "kind", "2026", "2027", "2028"]


def test_levelised_cost_leaves_penalties_out_and_discounts_energy() -> None:
    # 90 M$ over 399,000 MWh + 0.8 * 798,000 MWh = 1,037,400 MWh; over 100 MW of IT
    page = text(plan_of(costs=COSTS, sites=SITES))
    assert f"{90e6 / 1_037_400:.2f} US$ per MWh delivered" in page
    assert "900 US$ per kW of IT" in page


def test_costs_by_name_with_their_total() -> None:
    page = text(plan_of(costs=COSTS))
    assert line(page, "own_capital") == ["own_capital", "95.0"]
    assert line(page, "salvage") == ["salvage", "-5.0"]
    assert line(page, "unserved_penalty") == ["unserved_penalty", "(not", "cash)", "10.0"]
    assert line(page, "total") == ["total", "100.0"]


def test_rates_show_each_class_in_its_worst_year() -> None:
    rates = table("rates", rate(2026, -0.1), rate(2027, 0.0), rate(2028, 0.0), rate(2026, 0.02, 0.05, "mills"))
    page = text(plan_of(rates=rates))
    assert line(page, "Valley Power   homes")[2:] == [
        "homes",
        "2027",
        "15.000",
        "15.000",
        "0.000",
        "0.000",
        "2027-2028",
    ]
    assert line(page, "Valley Power   mills")[2:] == [
        "mills",
        "2026",
        "15.000",
        "15.020",
        "+0.020",
        "+0.050",
        "no",
        "year",
    ]
    assert "Pledge: kept" in page


def test_all_rates_on_request() -> None:
    page = text(plan_of(rates=table("rates", rate(2026, -0.1), rate(2027, 0.0))), all_rates=True)
    assert "2026    15.000   14.900   -0.100   0.000" in page
    assert "2027    15.000   15.000    0.000   0.000   yes" in page


def test_broken_pledge_is_said() -> None:
    page = text(plan_of("rates.enforce=false", rates=table("rates", rate(2026, 0.2), rate(2027, 0.0))))
    assert "Pledge: broken in 1 of 2 class-years. It was not enforced in this run." in page


def test_price_of_the_pledge() -> None:
    rates = table("rates", rate(2026, 0.0))
    assert "--price-pledge" in text(plan_of(rates=rates))
    payer = {"utility": "Valley Power", "customer_class": "homes", "year": 2026, "usd": 1.3e6}
    price = {"usd": 3.98e6, "least_usd": 3.5e6, "most_usd": 4.2e6, "payers": [payer, {**payer, "year": 2028}]}
    page = " ".join(text(plan_of(rates=rates, manifest={"price_of_pledge": price})).split())
    assert "Price of the pledge: 3.980 million US$ of present value (between 3.500 and 4.200" in page.replace(
        " million US$ and", " and"
    )
    assert "Valley Power 2.6 M$" in page
    nobody = text(plan_of(rates=rates, manifest={"price_of_pledge": {**price, "payers": []}}))
    assert "no class would pay more either" in " ".join(nobody.split())


def test_make_whole_by_utility_and_year() -> None:
    paid = table(
        "make_whole",
        {"utility": "Valley Power", "customer_class": "homes", "year": 2026, "usd": 1.3e6},
        {"utility": "Valley Power", "customer_class": "mills", "year": 2026, "usd": 0.2e6},
        {"utility": "Valley Power", "customer_class": "homes", "year": 2028, "usd": 0.4e6},
    )
    page = text(plan_of(make_whole=paid, rates=table("rates", rate(2026, 0.0))))
    assert line(page, "Valley Power    1.5") == ["Valley", "Power", "1.5", "0.4"]


def test_checks() -> None:
    page = text(plan_of(manifest={"checks": {"energy_balance": 2e-9, "objective": 1e-12}}))
    assert "Checks: 2 passed, recomputed from the tables; largest relative error 2.0e-09 (energy_balance)." in page


def test_nothing_to_show_is_said() -> None:
    page = text(plan_of())
    assert "Nothing is funded." in page
    assert "No local customers in this instance" in page


@pytest.mark.parametrize("width", [60, 80, 100])
def test_figures_are_never_cut(width: int) -> None:
    rates = table("rates", rate(2026, 0.02, 0.05))
    page = text(plan_of(allocation=BUILDS, costs=COSTS, rates=rates), width=width)
    assert max(map(len, page.splitlines())) <= width
    for figure in ("1,200.0", "4,800.0", "1,900.0", "2,104.5", "15.020"):
        assert figure in page


def test_many_years_are_split() -> None:
    plan = plan_of(allocation=BUILDS.assign(year=[2026, 2028, 2036, 2037]))
    manifest = plan.instance.manifest.model_copy(update={"planning_years": tuple(range(2026, 2038))})
    page = text(replace(plan, instance=replace(plan.instance, manifest=manifest)))
    assert page.count("MW entering service") == 2
    assert max(map(len, page.splitlines())) <= 100


def test_summary_is_plain_json() -> None:
    manifest = {"checks": {"objective": 1e-12}}
    plan = plan_of(allocation=BUILDS, costs=COSTS, rates=table("rates", rate(2026, math.nan)), manifest=manifest)
    found = json.loads(json.dumps(summary(plan), allow_nan=False))
    assert found["status"] == "within gap"
    assert found["costs"] == {"own_capital": 95e6, "salvage": -5e6, "unserved_penalty": 10e6}
    assert found["allocation"][0]["mw"] == 10.0
    assert found["allocation"][0]["zone"] is None
    assert found["rates"][0]["change_cents_per_kwh"] is None
    assert found["checks"] == {"objective": 1e-12}


def test_brackets_and_colons_in_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_rich(Group("site [north], [/x] :house:"))
    assert capsys.readouterr().out == "site [north], [/x] :house:\n"
