"""Tariffs: the billing demand exactly as the tariff defines it, and every charge on the bill."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, blocks, cost, plant, solved, toy

from optimizer.instance import Instance

#: Four periods of an hour each fall in January, April, July and October; each stands for three months.
SEASONS = [
    {"resolution": "all", "period": name, "start_hour": k, "hours": 1, "occurrences_per_year": 2190.0}
    for k, name in enumerate(["winter", "spring", "summer", "autumn"])
]


def billed(*plants: tuple[str, Row, Row], tariff: Row, use: list[float], **case: Any) -> Instance:
    """A campus of 100 MW of IT in use by season, energy for nothing, locals who get nothing of the bill."""
    usual: Row = {"utility": {"regime": "market"}, "price": 0.0, "periods": SEASONS}
    site = {"utilisation_series": "use", **case.pop("site", {})}
    return toy(*plants, tariff=tariff, site=site, series={"use": ("utilisation", use)}, **(usual | case))


USE = [1.0, 0.5, 0.25, 0.5]


@pytest.mark.parametrize(
    ("terms", "mw"),
    [
        ({}, 100 + 50 + 25 + 50),
        ({"ratchet_share": 0.6}, 100 + 60 + 60 + 60),
        ({"ratchet_share": 0.4}, 100 + 50 + 40 + 50),
        ({"minimum_demand_share": 0.5}, 100 + 60 + 60 + 60),
        ({"minimum_demand_share": 1.0}, 120 * 4),
        ({"minimum_demand_share": 0.5, "ratchet_share": 0.7}, 100 + 70 + 70 + 70),
    ],
)
def test_billing_demand(terms: Row, mw: float) -> None:
    # 10 US$/kW-month on the highest of the month's peak, the ratchet on 100 MW and the minimum of 120 MW of contract;
    # each season stands for three months
    case = billed(tariff={"demand_usd_per_kw_month": 10.0, **terms}, use=USE, site_year={"contract_mw": 120.0})
    plan = solved(case)
    assert plan.objective_usd == pytest.approx(3 * 10_000 * mw)
    assert plan.tables["tariff_bills"]["billing_demand_mw"].sum() == pytest.approx(mw)


def test_the_peak_of_a_month_is_its_highest_hour() -> None:
    # all four hours in one period: 12 months at 100 MW
    case = billed(tariff={"demand_usd_per_kw_month": 10.0}, use=USE, periods=[one_period()])
    assert solved(case).objective_usd == pytest.approx(12 * 10_000 * 100)


def one_period() -> Row:
    return {"resolution": "all", "period": "year", "start_hour": 0, "hours": 4, "occurrences_per_year": 2190.0}


def test_plant_behind_the_meter_shaves_the_peak() -> None:
    # a MW off the peak of a season spares 30,000 US$ and costs 2190 * 10: of 225 MW, 50 + 50 + 25 + 50 go
    gas = plant("gas", block_mw=50, variable_om_usd_per_mwh=10)
    plan = solved(billed(gas, tariff={"demand_usd_per_kw_month": 10.0}, use=USE))
    assert plan.objective_usd == pytest.approx(30_000 * 50 + 21_900 * 175)


def test_a_month_of_the_calendar_is_billed_on_all_its_periods() -> None:
    # day, night, day, night fill the year: each slot lasts three months, so a month is billed on one of them
    periods = [SEASONS[0] | {"period": "day", "occurrences_per_year": 4380.0}]
    periods += [SEASONS[1] | {"period": "night", "occurrences_per_year": 4380.0}]
    calendar = [
        {"resolution": "all", "slot": k, "period": name} for k, name in enumerate(["day", "night", "day", "night"])
    ]
    case = billed(tariff={"demand_usd_per_kw_month": 10.0}, use=USE, periods=periods, calendar=calendar)
    assert solved(case).objective_usd == pytest.approx(10_000 * (6 * 100 + 6 * 50))


def test_energy_and_fixed_charges_and_their_change() -> None:
    # 5 US$/MWh on 225 MW of 2190 hours and 12 * 1000 US$, a tenth more in 2027
    tariff = {"energy_usd_per_mwh": 5.0, "fixed_usd_per_month": 1000.0, "change_per_year": 0.1}
    plan = solved(billed(tariff=tariff, use=USE, years=[2026, 2027]))
    assert plan.objective_usd == pytest.approx(2.1 * (225 * 2190 * 5 + 12_000))


def test_demand_and_minimum_bills_change_with_the_charges() -> None:
    tariff = {"demand_usd_per_kw_month": 10.0, "minimum_demand_share": 1.0, "change_per_year": 0.1}
    plan = solved(billed(tariff=tariff, use=USE, years=[2027], site_year={"contract_mw": 200.0}))
    assert plan.objective_usd == pytest.approx(12 * 11_000 * 200)


def test_a_site_that_stays_closed_is_not_billed() -> None:
    tariff = {"demand_usd_per_kw_month": 10.0, "minimum_demand_share": 1.0, "fixed_usd_per_month": 1000.0}
    dear = {"max_unmet_share": 1.0, "unmet_usd_per_mwh": 1.0}
    closed = billed(tariff=tariff, use=USE, site={"required": False}, site_year={"contract_mw": 90.0}, compute=dear)
    assert solved(closed).objective_usd == pytest.approx(100 * 8760)
    # at 100 US$/MWh of unmet compute it opens: winter peak 100 MW, 90 MW of minimum in the other seasons
    opened = billed(
        tariff=tariff,
        use=USE,
        site={"required": False},
        site_year={"contract_mw": 90.0},
        compute=dear | {"unmet_usd_per_mwh": 100.0},
    )
    assert solved(opened).objective_usd == pytest.approx(3 * 10_000 * (100 + 3 * 90) + 12_000)


@pytest.mark.parametrize(("regime", "usd_per_mwh"), [("cost_of_service", 5 + 0.8 * 50), ("market", 5 + 50)])
def test_market_prices_are_passed_through_by_cost_of_service_utilities_only(regime: str, usd_per_mwh: float) -> None:
    # Cost of service: 45 US$/MWh on the bill, and 5 more to make locals whole of what the utility paid. Market: the
    # campus buys at the market, and the bill is 5 US$/MWh.
    tariff = {"energy_usd_per_mwh": 5.0, "market_energy_share": 0.8}
    classes = {"homes": {"bill_credit_share": 1.0}}
    plan = solved(toy(utility={"regime": regime}, tariff=tariff, classes=classes))
    made_whole = 5 if regime == "cost_of_service" else 0
    assert plan.objective_usd == pytest.approx(100 * 8760 * (usd_per_mwh + made_whole))
    assert cost(plan, "make_whole") == pytest.approx(100 * 8760 * made_whole)


# -- contract charges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "credit", "usd"),
    [(1.0, 1.0, 2_200_000), (0.5, 1.0, 2_200_000), (1.0, 0.5, 3_300_000), (0.0, 0.5, 2_200_000)],
)
def test_a_contract_charge_for_bespoke_plant(share: float, credit: float, usd: float) -> None:
    # A POI of 10 M$ costs its utility 1 M$ of depreciation, 1 M$ of interest and 0.2 M$ of upkeep. What the charge does
    # not recover is made whole; of a bill of which locals see half, the other half is paid again.
    poi = plant(
        "poi",
        kind="wires",
        block_mw=100,
        capex_usd_per_kw=100,
        fixed_om_usd_per_kw_year=2,
        funding_modes="utility",
        utility="town",
        contract_site="campus",
        contract_share=share,
    )
    case = toy(
        poi,
        price=0,
        site={"existing_poi_mw": 0.0},
        utility={"debt_rate_nominal": 0.1},
        classes={"homes": {"bill_credit_share": credit}},
    )
    plan = solved(case)
    assert plan.objective_usd == pytest.approx(usd)
    assert plan.tables["bills"]["contract_usd"].sum() == pytest.approx(share * 2_200_000)


# -- exact without make-whole -----------------------------------------------------------------------------


def substation(tariff: Row, **case: Any) -> Instance:
    """A POI of 10 M$ that costs locals 12 M$ in its one year, or the sponsor 13 M$ as a contribution."""
    poi = plant(
        "poi",
        kind="wires",
        block_mw=100,
        capex_usd_per_kw=100,
        life_years=1,
        funding_modes="contribution;utility",
        utility="town",
    )
    utility = {
        "regime": "market",
        "debt_rate_nominal": 0.2,
        "contribution_tax_gross_up": 0.3,
        "make_whole_allowed": case.pop("make_whole", False),
    }
    classes = {"homes": {"bill_credit_share": 1.0}}
    return billed(poi, tariff=tariff, utility=utility, classes=classes, use=USE, site={"existing_poi_mw": 0.0}, **case)


def test_with_make_whole_the_utility_finances() -> None:
    # 225 MW * 3 months * 10 US$/kW-month = 6.75 M$ of bill, and 5.25 M$ to make locals whole
    plan = solved(substation({"demand_usd_per_kw_month": 10.0}, make_whole=True))
    assert plan.objective_usd == pytest.approx(12_000_000)
    assert blocks(plan) == pytest.approx({("poi", "utility", 2026): 1})
    # a higher bill would be as good as make-whole for the sponsor; it is not what the tariff says
    assert plan.tables["bills"]["demand_usd"].sum() == pytest.approx(6_750_000)
    assert cost(plan, "make_whole") == pytest.approx(5_250_000)


@pytest.mark.parametrize(
    ("terms", "mw"),
    [
        ({}, 100 + 50 + 25 + 50),
        ({"ratchet_share": 0.6}, 100 + 60 + 60 + 60),
        ({"minimum_demand_share": 0.5}, 100 + 60 + 60 + 60),
        ({"minimum_demand_share": 0.5, "ratchet_share": 0.7}, 100 + 70 + 70 + 70),
    ],
)
def test_without_make_whole_a_bill_cannot_be_inflated(terms: Row, mw: float) -> None:
    # every bill is below 12 M$, so utility finance would raise local rates; inflated to 12 M$ it would not
    plan = solved(substation({"demand_usd_per_kw_month": 10.0, **terms}, site_year={"contract_mw": 120.0}))
    assert plan.objective_usd == pytest.approx(30_000 * mw + 13_000_000)
    assert blocks(plan) == pytest.approx({("poi", "contribution", 2026): 1})


@pytest.mark.parametrize("one", [False, True])
def test_a_bill_that_is_high_enough(one: bool) -> None:
    # 20 US$/kW-month: 13.5 M$ by season, 24 M$ in one period (its peak is that of one hour)
    periods = [one_period()] if one else SEASONS
    plan = solved(substation({"demand_usd_per_kw_month": 20.0}, periods=periods))
    assert plan.objective_usd == pytest.approx(24_000_000 if one else 13_500_000)
    assert blocks(plan) == pytest.approx({("poi", "utility", 2026): 1})
