"""What must hold between the answers to two related questions, on small instances drawn at random.

Names and order do not matter; dearer inputs never make a plan cheaper; a wider limit never makes it dearer; money in
another unit scales it; time cut another way leaves it; what has nothing to do with each other adds up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import Row, plant, toy

from optimizer import apply_overrides, solve
from optimizer.instance import Instance, make_instance
from optimizer.schema import TABLES
from optimizer.solve import Infeasible

few = settings(max_examples=3, deadline=None, derandomize=True)
Draw = dict[str, Any]

#: What a case is drawn from: prices, sizes and rules of a campus with an engine, a battery, a POI and local customers.
CASE = st.fixed_dictionaries(
    {
        "price": st.lists(st.integers(5, 120), min_size=4, max_size=4),
        "capex": st.integers(100, 1500),
        "running": st.integers(10, 70),
        "poi_mw": st.integers(2, 12).map(lambda n: 10.0 * n),
        "charge": st.integers(0, 12),
        "credit": st.integers(0, 10).map(lambda n: n / 10),
        "modes": st.sampled_from(["own;contribution;utility", "own", "utility", "contribution"]),
        "discount": st.sampled_from([0.0, 0.07]),
        "demand": st.integers(60, 120),
    }
)


def campus(draw: Draw, **more: Any) -> Instance:
    engine = plant(
        "engine", block_mw=25, max_blocks=6, capex_usd_per_kw=draw["capex"], variable_om_usd_per_mwh=draw["running"]
    )
    battery = plant(
        "battery", kind="storage", block_mw=10, max_blocks=4, capex_usd_per_kw=150, min_duration_hours=2,
        max_duration_hours=2, charge_efficiency=0.9,
    )  # fmt: skip
    poi = plant(
        "poi", kind="wires", block_mw=30, max_blocks=5, capex_usd_per_kw=80, utility="town", funding_modes=draw["modes"]
    )
    usual: Row = {
        "years": (2027, 2028),
        "price": draw["price"],
        "it_mw": [draw["demand"] / 2, draw["demand"]],
        "site": {"existing_poi_mw": draw["poi_mw"], "availability_target": 0.98},
        "utility": {"equity_share": 0.5, "return_on_equity_nominal": 0.1, "contribution_tax_gross_up": 0.2},
        "tariff": {"demand_usd_per_kw_month": float(draw["charge"]), "energy_usd_per_mwh": 45.0},
        "classes": {"homes": {"bill_credit_share": draw["credit"]}},
        "finance": {"discount_rate": draw["discount"]},
        "compute": {"unserved_usd_per_mwh": 3000.0},
        "rates": {"enforce": True},
    }
    return toy(engine, battery, poi, *more.pop("plants", ()), **(usual | more))


def best(instance: Instance) -> float:
    """The least cost, US$; infinite where there is no plan."""
    try:
        return solve(instance, gap=1e-7).objective_usd
    except Infeasible:
        return float("inf")


def remade(instance: Instance, change: Callable[[str, list[Row]], list[Row]]) -> Instance:
    """The instance made again from its rows, changed table by table."""
    rows = {name: [row.model_dump() for row in instance.rows(name)] for name in TABLES if instance.rows(name)}
    return make_instance(
        instance.manifest.model_dump(),
        {name: change(name, table) for name, table in rows.items()},
        instance.hourly.copy(),
    )


def same(left: float, right: float) -> bool:
    return left == right or left == pytest.approx(right, rel=1e-6, abs=10.0)


def no_less(left: float, right: float) -> bool:
    return left >= right - 1e-6 * abs(right) - 10.0 if np.isfinite(right) else left == right


@few
@given(CASE)
def test_the_order_of_rows_does_not_matter(draw: Draw) -> None:
    case = campus(draw)
    assert same(best(remade(case, lambda _, rows: rows[::-1])), best(case))


@few
@given(CASE)
def test_names_do_not_matter(draw: Draw) -> None:
    case = campus(draw)
    new = {
        "engine": "zz [own]",
        "battery": "A",
        "campus": "<b>",
        "valley": "portfolios",
        "town": "Town & Co",
        "homes": "0",
    }

    def renamed(_: str, rows: list[Row]) -> list[Row]:
        return [
            {column: new.get(value, value) if isinstance(value, str) else value for column, value in row.items()}
            for row in rows
        ]

    assert same(best(remade(case, renamed)), best(case))


DEARER = [
    "technologies.engine.capex_usd_per_kw*=1.3",
    "technologies.engine.variable_om_usd_per_mwh*=1.3",
    "technologies.poi.capex_usd_per_kw*=1.5",
    "technologies.battery.capex_usd_per_kw*=2",
    "compute.unserved_usd_per_mwh*=2",
]
TIGHTER = [
    "funding_options.engine.max_blocks=2",
    "funding_options.poi.max_blocks=1",
    "sites.campus.existing_poi_mw*=0.5",
    "sites.campus.availability_target=1",
    "technologies.poi.lead_time_years=2",
    "technologies.engine.ramp_share_per_hour=0.2",
    "sites.campus.adequacy_margin=0.1",
]
WIDER = [
    "rates.enforce=false",
    "customer_classes.town.homes.rate_tolerance_share=0.05",
    "sites.campus.curtailable_share=0.2",
    "funding_options.engine.integer=false",
    "sites.campus.existing_poi_mw+=30",
]


@few
@given(CASE, st.sampled_from(DEARER + TIGHTER))
def test_dearer_or_tighter_never_costs_less(draw: Draw, change: str) -> None:
    case = campus(draw)
    assert no_less(best(apply_overrides(case, [change])), best(case))


@few
@given(CASE, st.sampled_from(WIDER))
def test_wider_never_costs_more(draw: Draw, change: str) -> None:
    case = campus(draw)
    assert no_less(best(case), best(apply_overrides(case, [change])))


@few
@given(CASE)
def test_one_more_option_never_costs_more(draw: Draw) -> None:
    case = campus(draw)
    sun = plant("sun", block_mw=10, max_blocks=3, capex_usd_per_kw=200)
    assert no_less(best(case), best(campus(draw, plants=[sun])))


@few
@given(CASE)
def test_an_option_cut_in_two_is_the_same_option(draw: Draw) -> None:
    case = campus(draw)

    def cut(name: str, rows: list[Row]) -> list[Row]:
        if name != "funding_options":
            return rows
        twin = next(row for row in rows if row["option"] == "engine")
        return [*rows, {**twin, "option": "twin", "max_blocks": 3.0}]

    halved = apply_overrides(remade(case, cut), ["funding_options.engine.max_blocks=3"])
    assert same(best(halved), best(case))


MONEY = {
    "technologies": ("capex_usd_per_kw", "capex_usd_per_kwh", "fixed_om_usd_per_kw_year", "variable_om_usd_per_mwh"),
    "tariffs": ("demand_usd_per_kw_month", "energy_usd_per_mwh", "fixed_usd_per_month"),
    "class_years": ("rate_usd_per_mwh",),
}


@few
@given(CASE)
def test_twice_all_prices_is_twice_the_cost(draw: Draw) -> None:
    case = campus(draw)

    def doubled(name: str, rows: list[Row]) -> list[Row]:
        return [{c: 2 * v if c in MONEY.get(name, ()) else v for c, v in row.items()} for row in rows]

    twice = apply_overrides(remade(case, doubled), ["series.price*=2", "compute.unserved_usd_per_mwh*=2"])
    assert same(best(twice), 2 * best(case))


@few
@given(CASE)
def test_a_day_told_twice_is_the_same_day(draw: Draw) -> None:
    days = [
        {"resolution": "all", "period": name, "start_hour": start, "hours": 4, "occurrences_per_year": 8760 / 8}
        for name, start in (("year", 0), ("again", 4))
    ]
    twice = campus(draw, price=draw["price"] * 2, hours=8, periods=days)
    assert same(best(twice), best(campus(draw)))


@few
@given(CASE)
def test_longer_steps_of_a_flat_day_are_the_same_day(draw: Draw) -> None:
    flat = campus(draw, price=[float(draw["price"][0])] * 4)
    longer = campus(draw, price=[float(draw["price"][0])] * 4, step_hours=2)
    assert same(best(longer), best(flat))


@few
@given(CASE, CASE)
def test_two_campuses_that_share_nothing_cost_their_sum(draw: Draw, other: Draw) -> None:
    other = {**other, "discount": draw["discount"]}
    first, second = campus(draw), campus(other)
    both = _side_by_side(first, second)
    assert same(best(both), best(first) + best(second))


#: Columns that name things of an instance, to be kept apart when two are put side by side.
NAMES = {
    "site", "zone", "utility", "tariff", "technology", "option", "series", "price_series", "customer_class", "scope",
    "group", "rule", "requires_option",
}  # fmt: skip


def _side_by_side(first: Instance, second: Instance) -> Instance:
    """One instance of two campuses in two zones with two utilities; compute demand is their sum."""
    tables: dict[str, list[Row]] = {}
    for mark, case in (("", first), (" 2", second)):
        for name in TABLES:
            rows = [row.model_dump() for row in case.rows(name)]
            marked = [
                {c: f"{v}{mark}" if c in NAMES and isinstance(v, str) else v for c, v in row.items()} for row in rows
            ]
            tables.setdefault(name, []).extend(marked)
    demand = [
        {**a.model_dump(), "it_mw": a.it_mw + b.it_mw}
        for a, b in zip(first.rows("compute_demand"), second.rows("compute_demand"), strict=True)
    ]
    tables |= {"compute_demand": demand, "periods": [row.model_dump() for row in first.rows("periods")]}
    hourly = first.hourly.join(second.hourly.add_suffix(" 2"))
    return make_instance(first.manifest.model_dump(), {n: r for n, r in tables.items() if r}, hourly)


@few
@given(CASE)
def test_the_content_hash_follows_the_content(draw: Draw) -> None:
    case = campus(draw)
    again = remade(case, lambda _, rows: rows)
    assert again.content_hash == case.content_hash
    dearer = apply_overrides(case, ["technologies.engine.capex_usd_per_kw*=1.1"])
    assert dearer.content_hash != case.content_hash
    assert dataclasses.replace(case).content_hash == case.content_hash
