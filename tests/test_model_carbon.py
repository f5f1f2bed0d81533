"""Carbon and clean energy: a price, a cap, and clean energy matched to load by year or by hour."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, cost, plant, solved, toy

from optimizer.instance import Instance
from optimizer.solve import Infeasible

#: The grid emits 0.5 t/MWh: 50 t in an hour of 100 MW.
GRID = {"grid_co2_t_per_mwh": 0.5}
METHANE: dict[str, Any] = {
    "fuels": [{"fuel": "methane", "co2_t_per_mmbtu": 0.05}],
    "fuel_prices": [{"fuel": "methane", "zone": "valley", "year": 2026, "usd_per_mmbtu": 6.0}],
}


def policy(**values: float) -> list[Row]:
    return [{"year": 2026, **values}]


def per_hour(instance: Instance) -> float:
    return solved(instance).objective_usd / 8760


# -- price and cap ----------------------------------------------------------------------------------------


def gas(**values: Any) -> tuple[str, Row, Row]:
    """7 MMBtu/MWh: 0.35 t/MWh and 42 US$/MWh of fuel."""
    return plant("gas", block_mw=100, fuel="methane", heat_rate_mmbtu_per_mwh=7, **values)


@pytest.mark.parametrize(("price", "usd", "emitted"), [(40, 100 * 70, 50), (100, 100 * 92, 35)])
def test_a_carbon_price_on_grid_and_plant(price: float, usd: float, emitted: float) -> None:
    # per MWh the grid costs 50 + 0.5 * price, gas 42 + 15 + 0.35 * price: 70 and 71 US$ at 40 US$/t, 100 and 92 at 100
    case = toy(gas(variable_om_usd_per_mwh=15), zone=GRID, policy=policy(carbon_price_usd_per_t=price), **METHANE)
    plan = solved(case)
    assert plan.objective_usd / 8760 == pytest.approx(usd)
    assert cost(plan, "carbon") / 8760 == pytest.approx(emitted * price)


def test_a_cap_on_emissions() -> None:
    # half of the grid's 438,000 t: half of the load from clean plant at 100 US$/MWh
    wind = plant("wind", block_mw=100, variable_om_usd_per_mwh=100)
    case = toy(wind, zone=GRID, policy=policy(co2_cap_t=219_000.0))
    assert per_hour(case) == pytest.approx(50 * 50 + 50 * 100)


def test_the_cap_is_on_the_whole_portfolio() -> None:
    # the hill's grid emits nothing: it takes 60 MW at 80 US$/MWh so that 40 MW at the campus meet a cap of 20 t an hour
    hill = {"site": "hill", "zone": "high", "existing_poi_mw": 100.0, "availability_target": 1.0}
    case = toy(
        zone=GRID,
        series={"hill price": ("price", [80.0] * 4)},
        zones=[{"zone": "high", "supply": "price", "price_series": "hill price"}],
        sites=[hill],
        site_years=[{"site": name, "year": 2026, "ceiling_mw": 100.0} for name in ("campus", "hill")],
        policy=policy(co2_cap_t=20.0 * 8760),
    )
    assert per_hour(case) == pytest.approx(40 * 50 + 60 * 80)


def test_emissions_of_energy_sent_to_a_zone_without_supply() -> None:
    # 125 MW sent through a corridor that loses a fifth: 62.5 t an hour at 10 US$/t
    case = toy(
        zone={"supply": "none", "price_series": None},
        series={"market price": ("price", [20.0] * 4)},
        zones=[{"zone": "market", "supply": "price", "price_series": "market price", **GRID}],
        corridors=[
            {"corridor": "path", "from_zone": "market", "to_zone": "valley", "existing_mw": 200.0, "loss_share": 0.2}
        ],
        policy=policy(carbon_price_usd_per_t=10.0),
    )
    assert per_hour(case) == pytest.approx(125 * 20 + 625)


def test_emissions_of_a_stack_are_those_with_the_project_less_without() -> None:
    # 30 MW of local peakers run anyway; the campus adds 80 MW at 0.8 t/MWh: 64 t an hour at 10 US$/t
    case = toy(
        it_mw=80,
        zone={"supply": "stack", "utility": "town", "local_load_series": "locals", "price_series": None},
        series={"locals": ("local_load", [130.0] * 4)},
        utility={},
        tariff={"energy_usd_per_mwh": 40.0},
        classes={"homes": {"bill_credit_share": 1.0}},
        supply_blocks=[
            {"zone": "valley", "block": "hydro", "capacity_mw": 100.0, "marginal_cost_usd_per_mwh": 10.0},
            {
                "zone": "valley",
                "block": "peaker",
                "capacity_mw": 200.0,
                "marginal_cost_usd_per_mwh": 40.0,
                "co2_t_per_mwh": 0.8,
            },
        ],
        policy=policy(carbon_price_usd_per_t=10.0),
    )
    assert per_hour(case) == pytest.approx(80 * 40 + 640)


# -- clean energy -----------------------------------------------------------------------------------------


def sun(**values: Any) -> tuple[str, Row, Row]:
    """Solar in the zone, full in one hour of four; lost in the year; worth nothing at the market."""
    usual = {"zone": "valley", "availability_series": "sun", "capex_usd_per_kw": 100, "clean": True}
    return sized("sun", **(usual | values))


def sized(name: str, **values: Any) -> tuple[str, Row, Row]:
    return plant(name, block_mw=100, max_blocks=10, integer=False, life_years=1, **values)


def matched(*plants: tuple[str, Row, Row], **shares: float) -> Instance:
    return toy(*plants, price=0, series={"sun": ("availability", [1.0, 0, 0, 0])}, policy=policy(**shares))


def test_clean_energy_over_the_year() -> None:
    # half of 4 * 100 MWh from one hour: 200 MW, sold where it is too much
    assert solved(matched(sun(), clean_share_annual=0.5)).objective_usd == pytest.approx(200_000 * 100)


def test_plant_that_is_not_clean_does_not_count() -> None:
    with pytest.raises(Infeasible):
        solved(matched(sun(clean=False), clean_share_annual=0.5))


def test_plant_planned_anyway_does_not_count() -> None:
    with pytest.raises(Infeasible):
        solved(matched(sun(planned_without_project=True), clean_share_annual=0.5))


@pytest.mark.parametrize(
    ("share", "wind_usd", "usd"),
    [
        (0.25, 500, 100_000 * 100),  # the sunny hour in full
        (0.5, 300, 50_000 * 300),  # wind alone in every hour: 50 MW
        (0.5, 500, 200_000 / 3 * 100 + 100_000 / 3 * 500),  # sun fills what wind of 33 MW leaves of the sunny hour
    ],
)
def test_clean_energy_hour_by_hour(share: float, wind_usd: float, usd: float) -> None:
    # At 0.25: 100 MW of sun for 10 M$, or 25 MW of wind for 12.5. At 0.5: 50 MW of wind for 15 or 25 M$, or 100 / 3 MW
    # of it and 200 / 3 MW of sun for 16.7 or 23.3 M$; more sun than load in its hour does not count.
    wind = sized("wind", zone="valley", capex_usd_per_kw=wind_usd, clean=True)
    assert solved(matched(sun(), wind, clean_share_hourly=share)).objective_usd == pytest.approx(usd)


def test_hourly_matching_is_within_a_zone() -> None:
    # the sun shines in another zone than the load
    far = sun(zone="high")
    zones = [{"zone": "high", "supply": "price", "price_series": "price"}]
    case = {"price": 0, "series": {"sun": ("availability", [1.0, 0, 0, 0])}, "zones": zones}
    assert solved(toy(far, policy=policy(clean_share_annual=0.25), **case)).objective_usd == pytest.approx(10_000_000)
    with pytest.raises(Infeasible):
        solved(toy(far, policy=policy(clean_share_hourly=0.25), **case))


def test_clean_plant_behind_the_meter() -> None:
    # without export its output is load of that hour: 100 MW for a quarter
    behind = sun(zone=None, site="campus")
    assert solved(matched(behind, clean_share_annual=0.25)).objective_usd == pytest.approx(10_000_000)
    with pytest.raises(Infeasible):
        solved(matched(behind, clean_share_annual=0.26))
