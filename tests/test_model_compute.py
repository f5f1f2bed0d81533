"""Compute: where IT is placed, when optional sites open, and what load may be curtailed, deferred or unserved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from toy import Row, cost, plant, solved, toy

from optimizer import check, highs
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import compile_matrix
from optimizer.plan import NOT_CASH
from optimizer.solve import Infeasible

#: Each of the four hours of the toy year stands for 2190.
N = 2190


def two_sites(
    *, ceiling: float, floor: float = 0.0, years: tuple[int, ...] = (2026,), hill: Row | None = None, **more: object
) -> Instance:
    """100 MW of compute for the campus (50 US$/MWh, at least 20 MW) and the hill (30 US$/MWh)."""
    site = {"site": "hill", "zone": "high", "existing_poi_mw": 100.0, "availability_target": 1.0}
    return toy(
        years=years,
        site_years=[
            *({"site": "campus", "year": y, "floor_mw": 20.0, "ceiling_mw": 100.0} for y in years),
            *({"site": "hill", "year": y, "floor_mw": floor, "ceiling_mw": ceiling} for y in years),
        ],
        series={"hill price": ("price", [30.0] * 4)},
        zones=[{"zone": "high", "supply": "price", "price_series": "hill price"}],
        sites=[site | (hill or {})],
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("ceiling", "hill_mw"), [(60, 60), (100, 80)])
def test_compute_goes_where_power_is_cheap_between_floors_and_ceilings(ceiling: float, hill_mw: float) -> None:
    # the hill takes its ceiling, or what the campus' floor of 20 MW leaves
    plan = solved(two_sites(ceiling=ceiling))
    assert plan.objective_usd == pytest.approx((hill_mw * 30 + (100 - hill_mw) * 50) * 8760)


@pytest.mark.parametrize(("opening", "usd"), [(10e6, 43.8e6 - 10.512e6 + 10e6), (11e6, 43.8e6)])
def test_an_optional_site_opens_if_it_pays(opening: float, usd: float) -> None:
    # 60 MW at 20 US$/MWh less: 10.512 M$
    plan = solved(two_sites(ceiling=60, hill={"required": False, "opening_cost_usd": opening}))
    assert plan.objective_usd == pytest.approx(usd)


def test_the_relaxation_does_not_open_half_a_site_that_demand_needs() -> None:
    # the hill is dear and takes the 30 MW that the campus cannot, half of its ceiling; it opens as a whole
    dear = [{"zone": "high", "year": 2026, "price_factor": 80 / 30}]
    hill = {"required": False, "opening_cost_usd": 10e6}
    matrix = compile_matrix(build(two_sites(ceiling=60, hill=hill, zone_years=dear, it_mw=130.0)))
    relaxed = dataclasses.replace(matrix, integer=np.zeros(len(matrix.integer), bool))
    answer = highs.run(highs.hand_off(relaxed, highs.Options()), relaxed, highs.Interrupt())
    assert answer.objective == pytest.approx((100 * 50 + 30 * 80) * 8760 / 1e6 + 10)


def test_the_floor_of_an_optional_site_holds_only_if_it_opens() -> None:
    # at 80 US$/MWh no one would go to the hill; a required site must take its 10 MW
    dear = [{"zone": "high", "year": 2026, "price_factor": 80 / 30}]
    optional, required = (
        solved(two_sites(ceiling=60, floor=10, hill={"required": required}, zone_years=dear))
        for required in (False, True)
    )
    assert optional.objective_usd == pytest.approx(43.8e6)
    assert required.objective_usd == pytest.approx((10 * 80 + 90 * 50) * 8760)


def test_the_opening_cost_falls_due_once_in_the_first_open_year() -> None:
    # dear in 2026, so the hill opens in 2027: 10 M$ * 0.8, for 60 MW * 20 US$/MWh * 8760 * (0.8 + 0.64)
    first_dear = [{"zone": "high", "year": 2026, "price_factor": 10.0}]
    hill = {"required": False, "opening_cost_usd": 10e6}
    plan = solved(
        two_sites(
            ceiling=60,
            years=(2026, 2027, 2028),
            hill=hill,
            zone_years=first_dear,
            finance={"discount_rate": 0.25},
            compute={"energised_it_stays": False},
        )
    )
    bought = 43.8e6 * (1 + 0.8 + 0.64)
    assert plan.objective_usd == pytest.approx(bought + 8e6 - 10.512e6 * (0.8 + 0.64))
    assert cost(plan, "site_opening") == pytest.approx(8e6)


def test_a_required_site_pays_its_opening_in_its_first_year() -> None:
    plan = solved(two_sites(ceiling=60, hill={"opening_cost_usd": 10e6}, years=(2026, 2027)))
    assert plan.objective_usd == pytest.approx(2 * (43.8e6 - 10.512e6) + 10e6)


CHEAP_THEN_DEAR = [{"zone": "high", "year": 2026}, {"zone": "high", "year": 2027, "price_factor": 100 / 30}]


def test_an_open_site_stays_open() -> None:
    # 60 MW save 10.512 M$ in 2026; then the floor of 50 MW costs 50 * 50 * 8760 = 21.9 M$ more in 2027
    plan = solved(
        two_sites(
            ceiling=60,
            floor=50,
            years=(2026, 2027),
            hill={"required": False},
            zone_years=CHEAP_THEN_DEAR,
            compute={"energised_it_stays": False},
        )
    )
    assert plan.objective_usd == pytest.approx(2 * 43.8e6)


@pytest.mark.parametrize(("stays", "usd"), [(True, 2 * 43.8e6), (False, 2 * 43.8e6 - 10.512e6)])
def test_energised_it_stays(stays: bool, usd: float) -> None:
    # IT on the hill would save 20 US$/MWh in 2026 and cost 50 US$/MWh in 2027
    compute = {"energised_it_stays": stays}
    plan = solved(two_sites(ceiling=60, years=(2026, 2027), zone_years=CHEAP_THEN_DEAR, compute=compute))
    assert plan.objective_usd == pytest.approx(usd)


def test_demand_without_a_site_up_to_its_share() -> None:
    # a tenth at 20 US$/MWh all year, the rest at 50
    compute = {"max_unmet_share": 0.1, "unmet_usd_per_mwh": 20.0}
    plan = solved(toy(site_year={"floor_mw": 0.0}, compute=compute))
    assert plan.objective_usd == pytest.approx((90 * 50 + 10 * 20) * 8760)


def test_compute_beyond_the_ceilings_is_infeasible() -> None:
    with pytest.raises(Infeasible, match="no plan meets all limits"):
        solved(toy(site_year={"floor_mw": 0.0, "ceiling_mw": 99.0}))


# -- load -------------------------------------------------------------------------------------------------


def test_load_is_the_average_of_utilisation_times_pue() -> None:
    # in steps of two hours: (0.5 * 1 + 1 * 1.5) / 2 = 1, not the product of the averages 0.75 * 1.25
    plan = solved(
        toy(
            site={"utilisation_series": "use", "pue_series": "cooling"},
            series={"use": ("utilisation", [0.5, 1, 0.5, 1]), "cooling": ("pue", [1, 1.5, 1, 1.5])},
            step_hours=2,
        )
    )
    assert plan.objective_usd == pytest.approx(100 * 50 * 8760)


#: Three cheap hours and a dear one, and what 100 MW pay in them.
PRICES = [10.0, 10.0, 10.0, 1000.0]
BOUGHT_USD = 100 * N * (3 * 10 + 1000)


def test_unserved_load_is_bounded_by_the_availability_target() -> None:
    # a tenth of the year's 876,000 MWh, all in the dear hour at a penalty of 200 US$/MWh
    plan = solved(toy(price=PRICES, site={"availability_target": 0.9}, compute={"unserved_usd_per_mwh": 200.0}))
    assert plan.objective_usd == pytest.approx(BOUGHT_USD - 87_600 * (1000 - 200))


@pytest.mark.parametrize(("energy_share", "mwh"), [(0.05, 43_800), (0.5, 30 * N)])
def test_curtailment_within_its_shares_of_energy_and_load(energy_share: float, mwh: float) -> None:
    # 5 % of 876,000 MWh, or 30 MW in the dear hour; 100 US$/MWh of lost compute
    site = {
        "curtailable_share": 0.3,
        "curtailable_energy_share": energy_share,
        "curtailment_cost_usd_per_mwh": 100.0,
    }
    plan = solved(toy(price=PRICES, site=site))
    assert plan.objective_usd == pytest.approx(BOUGHT_USD - mwh * (1000 - 100))
    assert cost(plan, "curtailment_penalty") == pytest.approx(mwh * 100)


def test_penalties_are_costs_and_no_cash() -> None:
    """Load unserved and curtailed weighs on the plan; nobody is paid for it."""
    site = {"availability_target": 0.9, "curtailable_share": 0.1, "curtailable_energy_share": 0.05}
    plan = solved(
        toy(
            price=PRICES, years=(2026, 2028), finance={"discount_rate": 0.1},
            site={**site, "curtailment_cost_usd_per_mwh": 100.0}, compute={"unserved_usd_per_mwh": 200.0},
        )
    )  # fmt: skip
    weighed = plan.costs[plan.costs["name"].isin(NOT_CASH)]
    assert {"unserved_penalty", "curtailment_penalty"} <= set(weighed["name"])
    assert not set(plan.cash_flow["name"]) & set(NOT_CASH)
    paid = plan.cash_flow["usd"] / 1.1 ** (plan.cash_flow["calendar_year"].astype(float) - 2026)
    assert paid.sum() + weighed["present_value_usd"].sum() == pytest.approx(plan.objective_usd)
    weight = weighed[["usd"]].assign(calendar_year=2026, name=weighed["name"]).head(1)
    wrong = {**plan.tables, "cash_flow": pd.concat([plan.cash_flow, weight], ignore_index=True)}
    report = check(dataclasses.replace(plan, tables=wrong))
    assert {"cash_flow", "cash_flow_value"} <= {finding.name for finding in report.findings}


def deferral_saves(price: list[float], *, use: float, window: float, step_hours: int = 1) -> float:
    """MWh moved from hours at 100 US$/MWh to hours at 10, per round of the hours, of 100 MW of IT in use ``use``."""
    hours = len(price)
    plan = solved(
        toy(
            hours=hours,
            price=price,
            step_hours=step_hours,
            site={"utilisation_series": "use", "deferrable_share": 0.4, "deferral_window_hours": window},
            series={"use": ("utilisation", [use] * hours)},
        )
    )
    rounds = 8760 / hours
    return (100 * use * sum(price) * rounds - plan.objective_usd) / (90 * rounds)


@pytest.mark.parametrize(("window", "mwh"), [(1, 20), (2, 40), (24, 40)])
def test_deferred_load_is_recovered_within_the_window(window: float, mwh: float) -> None:
    # 50 MW of load, 20 of them deferrable: within an hour only the second dear hour reaches a cheap one
    assert deferral_saves([100, 100, 10, 10], use=0.5, window=window) == pytest.approx(mwh)


def test_deferral_runs_around_the_period() -> None:
    # the dear hour is the last, the cheap one that follows is the first
    assert deferral_saves([10, 10, 10, 100], use=0.5, window=1) == pytest.approx(20)


def test_recovery_needs_room_in_the_halls() -> None:
    # 36 of 90 MW could be put off; 10 MW of idle IT make up for it in three hours
    assert deferral_saves([100, 10, 10, 10], use=0.9, window=3) == pytest.approx(30)


@pytest.mark.parametrize(("window", "mwh"), [(2, 40), (3, 80), (4, 80)])
def test_deferral_in_steps_of_two_hours(window: float, mwh: float) -> None:
    # 20 MW over a step are 40 MWh; a window of three hours takes two steps
    prices = [100.0, 100, 100, 100, 10, 10, 10, 10]
    assert deferral_saves(prices, use=0.5, window=window, step_hours=2) == pytest.approx(mwh)


def test_an_island_without_enough_plant_is_infeasible() -> None:
    with pytest.raises(Infeasible):
        solved(toy(plant("gas", max_blocks=9), site={"existing_poi_mw": 0.0}))
