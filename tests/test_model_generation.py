"""Generation: availability, running costs, ramps, and on-line units."""

from __future__ import annotations

import pytest
from toy import Row, asset, cost, plant, solved, toy

#: Each of the four hours of the toy year stands for 2190.
N = 2190
GRID_USD = 100 * 8760 * 50


def test_output_within_the_hourly_availability() -> None:
    # 10 MW * (1 + 0.5 + 0 + 1); the series already holds the outages
    sun = plant("sun", availability_series="sun", forced_outage_rate=0.2)
    plan = solved(toy(sun, series={"sun": ("availability", [1, 0.5, 0, 1])}))
    assert plan.objective_usd == pytest.approx(GRID_USD - 25 * N * 50)


def test_availability_is_averaged_over_the_step() -> None:
    # steps of two hours: 0.75 at 100 US$/MWh on average, 0.5 at 0
    sun = plant("sun", availability_series="sun")
    shape = {"sun": ("availability", [1, 0.5, 0, 1])}
    plan = solved(toy(sun, price=[50, 150, 0, 0], series=shape, step_hours=2))
    assert plan.objective_usd == pytest.approx((100 - 7.5) * 2 * N * 100)


def test_without_a_series_outages_lower_the_output() -> None:
    plan = solved(toy(plant("gas", forced_outage_rate=0.2)))
    assert plan.objective_usd == pytest.approx(GRID_USD - 8 * 8760 * 50)


def test_running_costs() -> None:
    # fuel 7 MMBtu/MWh * 4 US$/MMBtu, variable 2 US$/MWh, fixed 10 US$/kW on 10 MW
    gas = plant(
        "gas", fuel="methane", heat_rate_mmbtu_per_mwh=7, variable_om_usd_per_mwh=2, fixed_om_usd_per_kw_year=10
    )
    prices = [{"fuel": "methane", "zone": "valley", "year": 2026, "usd_per_mmbtu": 4.0}]
    plan = solved(toy(gas, fuels=[{"fuel": "methane"}], fuel_prices=prices))
    assert plan.objective_usd == pytest.approx(GRID_USD - 87_600 * (50 - 28 - 2) + 100_000)
    assert cost(plan, "fuel") == pytest.approx(87_600 * 28)


# -- ramps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ramp", "step_hours", "mw"),
    [(1.0, 1, 100), (0.25, 1, 25), (0.25, 2, 50)],
)
def test_ramps(ramp: float, step_hours: int, mw: float) -> None:
    # A unit at 60 US$/MWh earns 40 in the two dear steps and loses 60 in the two free ones around them, so it starts
    # from nothing and reaches one ramp: 25 MW an hour. The free steps pay nothing to a buyer: 100 MW * 100 US$/MWh.
    price = [0.0] * step_hours + [100.0] * 2 * step_hours + [0.0] * step_hours
    gas = plant("gas", block_mw=100, variable_om_usd_per_mwh=60, ramp_share_per_hour=ramp)
    plan = solved(toy(gas, hours=4 * step_hours, step_hours=step_hours, price=price))
    assert plan.objective_usd == pytest.approx(2 * N * (100 * 100 - mw * 40))


def test_the_ramp_from_the_last_step_to_the_first() -> None:
    # dear first, free after: the way down is free of a limit only around the end of the period
    # g0 <= g3 + 25 and g0 <= g1 + 25: 75 US$/MWh earned once, 25 lost twice at most: full output, 75 MW beside it,
    # 50 MW opposite: 100 * 75 - 25 * (75 + 50 + 75) = 2500, more than 25 * 75 = 1875
    gas = plant("gas", block_mw=100, variable_om_usd_per_mwh=25, ramp_share_per_hour=0.25)
    plan = solved(toy(gas, price=[100, 0, 0, 0]))
    assert plan.objective_usd == pytest.approx(N * (100 * 100 - 2500))


# -- on-line units ----------------------------------------------------------------------------------------


def committed(commitment: str, *, share: float = 0.5, startup: float = 0.0, **values: object) -> float:
    """Cost per round of the hours of an island with 100, 100, 20, 20 MW of load, US$.

    A unit of 100 MW at 50 US$/MWh, and reserve at 200 US$/MWh.
    """
    gas = plant(
        "gas",
        block_mw=100,
        variable_om_usd_per_mwh=50,
        commitment=commitment,
        min_stable_share=share,
        startup_cost_usd_per_mw=startup,
        **values,
    )
    reserve = plant("reserve", block_mw=100, variable_om_usd_per_mwh=200)
    site: Row = {"existing_poi_mw": 0.0, "utilisation_series": "use"}
    case = toy(gas, reserve, site=site, series={"use": ("utilisation", [1, 1, 0.2, 0.2])})
    return solved(case).objective_usd / N


ALL_GAS = (100 + 100 + 20 + 20) * 50


def test_minimum_stable_output_is_ignored_without_commitment() -> None:
    assert committed("none", startup=10) == pytest.approx(ALL_GAS)


def test_a_whole_unit_stops_below_its_minimum_stable_output() -> None:
    # 20 MW are below 50 MW: the reserve runs for two hours
    assert committed("integer") == pytest.approx(200 * 50 + 40 * 200)


def test_a_whole_unit_stays_on_at_its_minimum_stable_output() -> None:
    assert committed("integer", share=0.2, startup=10) == pytest.approx(ALL_GAS)


def test_a_relaxed_unit_is_on_line_in_part() -> None:
    assert committed("relaxed") == pytest.approx(ALL_GAS)


def test_start_ups_of_a_whole_unit() -> None:
    # once a round, 100 MW * 10 US$/MW
    assert committed("integer", startup=10) == pytest.approx(200 * 50 + 40 * 200 + 1000)


def test_start_ups_of_a_relaxed_unit() -> None:
    # 20 MW keep at most 20 / 0.5 = 40 MW on line: 60 MW start each round
    assert committed("relaxed", startup=10) == pytest.approx(ALL_GAS + 600)


def test_on_line_units_follow_from_output_and_availability() -> None:
    # the unit can give 80 MW when it is on line; the reserve gives the other 20 MW
    assert committed("integer", forced_outage_rate=0.2) == pytest.approx((80 * 50 + 20 * 200) * 2 + 40 * 200)


def test_units_of_an_existing_asset_are_on_line_one_by_one() -> None:
    # two units of 50 MW: both in the first hours, and one at 20 MW, its minimum, in the others; one starts a round
    old = asset(
        "old",
        unit_mw=50,
        units=2,
        variable_om_usd_per_mwh=50,
        commitment="integer",
        min_stable_share=0.4,
        startup_cost_usd_per_mw=10,
    )
    site: Row = {"existing_poi_mw": 0.0, "utilisation_series": "use"}
    plan = solved(toy(old, site=site, series={"use": ("utilisation", [1, 1, 0.2, 0.2])}))
    assert plan.objective_usd == pytest.approx(N * (ALL_GAS + 500))
