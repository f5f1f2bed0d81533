"""Local rates: what the project costs each class, and what the sponsor pays so that none pays more."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, cost, plant, solved, toy

from optimizer.instance import Instance
from optimizer.plan import Plan
from optimizer.solve import Infeasible


def made_whole(plan: Plan) -> dict[tuple[str, int], float]:
    """Make-whole payments by class and year, US$, zeros left out."""
    rows = plan.tables["make_whole"].itertuples(index=False)
    return {(row.customer_class, row.year): row.usd for row in rows if row.usd > 1e-3}


#: The utility buys 100 MW at 50 US$/MWh: 5000 US$/h.
HOUR = 8760
TWO_CLASSES = {
    "homes": {"pools": 0.7, "bill_credit_share": 0.5},
    "shops": {"pools": 0.3, "bill_credit_share": 0.5},
}


def test_each_class_is_made_whole_by_itself() -> None:
    # A bill of 5000 US$/h, half to each class; homes bear 3500 and lose 1000, shops bear 1500 and gain 1000.
    plan = solved(toy(utility={}, tariff={"energy_usd_per_mwh": 50.0}, classes=TWO_CLASSES))
    assert plan.objective_usd == pytest.approx(6000 * HOUR)
    assert made_whole(plan) == pytest.approx({("homes", 2026): 1000 * HOUR})


def test_a_higher_tariff_instead_of_make_whole() -> None:
    # at 70 US$/MWh homes are credited the 3500 US$/h they bear
    plan = solved(toy(utility={}, tariff={"energy_usd_per_mwh": 70.0}, classes=TWO_CLASSES))
    assert plan.objective_usd == pytest.approx(7000 * HOUR)
    assert made_whole(plan) == {}


def test_a_tolerance_is_a_share_of_the_bills_without_the_project() -> None:
    # 3 US$ of 100 US$/MWh on 876,000 MWh: homes may lose 300 US$/h
    homes = {"rate_tolerance_share": 0.03, "sales_mwh": 876_000.0}
    classes = {**TWO_CLASSES, "homes": TWO_CLASSES["homes"] | homes}
    plan = solved(toy(utility={}, tariff={"energy_usd_per_mwh": 50.0}, classes=classes))
    assert plan.objective_usd == pytest.approx((6000 - 300) * HOUR)
    with_project = plan.rates.set_index("customer_class")["with_project_usd_per_mwh"]
    assert with_project["homes"] == pytest.approx(103)
    # 1000 US$/h less on 1000 MWh a year
    assert with_project["shops"] == pytest.approx(100 - 1000 * HOUR / 1000)


def test_a_good_year_does_not_pay_for_a_bad_one() -> None:
    # 60 and 40 US$/MWh against a tariff of 50: 1000 US$/h short, then 1000 US$/h over
    factors = [{"zone": "valley", "year": y, "price_factor": f} for y, f in ((2026, 1.2), (2027, 0.8))]
    plan = solved(
        toy(
            years=[2026, 2027],
            utility={},
            tariff={"energy_usd_per_mwh": 50.0},
            classes={"homes": {"bill_credit_share": 1.0}},
            zone_years=factors,
        )
    )
    assert plan.objective_usd == pytest.approx((5000 + 1000 + 5000) * HOUR)
    assert made_whole(plan) == pytest.approx({("homes", 2026): 1000 * HOUR})


def test_a_planning_year_stands_for_all_its_years() -> None:
    # 2026 stands for 2027, 2028 for two years: four years of 6000 US$/h, discounted at 25 %
    plan = solved(
        toy(
            years=[2026, 2028],
            manifest={"last_year_represents": 2},
            finance={"discount_rate": 0.25},
            utility={},
            tariff={"energy_usd_per_mwh": 50.0},
            classes=TWO_CLASSES,
        )
    )
    assert plan.objective_usd == pytest.approx(6000 * HOUR * (1 + 0.8 + 0.64 + 0.512))


def test_the_price_of_the_pledge() -> None:
    # without it the sponsor pays the bill alone, and homes pay 1000 US$/h more on 1000 MWh a year
    plan = solved(toy(utility={}, tariff={"energy_usd_per_mwh": 50.0}, classes=TWO_CLASSES, rates={"enforce": False}))
    assert plan.objective_usd == pytest.approx(5000 * HOUR)
    with_project = plan.rates.set_index("customer_class")["with_project_usd_per_mwh"]
    assert with_project.to_dict() == pytest.approx(
        {"homes": 100 + 1000 * HOUR / 1000, "shops": 100 - 1000 * HOUR / 1000}
    )


def test_where_nothing_keeps_the_rates_flat_there_is_no_plan() -> None:
    with pytest.raises(Infeasible):
        solved(toy(utility={"make_whole_allowed": False}, tariff={"energy_usd_per_mwh": 50.0}, classes=TWO_CLASSES))


def test_without_make_whole_own_plant_keeps_the_rates_flat() -> None:
    # A fifth of the energy at 90 US$/MWh would not be run: it only lowers what homes lose. Without make-whole it is:
    # homes lose 0.7 * 50 - 0.5 * 50 = 10 US$ for every MWh bought, so nothing may be bought.
    gas = plant("gas", block_mw=100, variable_om_usd_per_mwh=90)
    case = {"tariff": {"energy_usd_per_mwh": 50.0}, "classes": TWO_CLASSES}
    assert solved(toy(gas, utility={}, **case)).objective_usd == pytest.approx(6000 * HOUR)
    plan = solved(toy(gas, utility={"make_whole_allowed": False}, **case))
    assert plan.objective_usd == pytest.approx(9000 * HOUR)


# -- cost pools -------------------------------------------------------------------------------------------


def substation(modes: str = "utility", **values: Any) -> tuple[str, Row, Row]:
    """A POI of 10 M$ that costs its utility 1 M$ of depreciation a year."""
    usual = {"kind": "wires", "block_mw": 100, "capex_usd_per_kw": 100, "funding_modes": modes, "utility": "town"}
    return plant("poi", **(usual | values))


def wired(*plants: tuple[str, Row, Row], demand_usd: float = 0.0, **case: Any) -> Instance:
    """A campus without other costs than its POI and a demand charge, per year, US$."""
    usual: Row = {"price": 0.0, "site": {"existing_poi_mw": 0.0}, "utility": {"regime": "market"}}
    return toy(*plants, tariff={"demand_usd_per_kw_month": demand_usd / 1.2e6}, **(usual | case))


POOLS = {"generation": 0.8, "transmission": 0.9, "distribution": 0.6, "fuel": 0.3}


@pytest.mark.parametrize("pool", list(POOLS))
def test_a_pool_is_paid_by_its_allocators(pool: str) -> None:
    # 1 M$ in the pool, 0.8 M$ of bill, 0.4 to each class: homes lose their share less 0.4 M$, shops the rest less 0.4
    classes = {
        "homes": {"pools": POOLS, "bill_credit_share": 0.5},
        "shops": {"pools": {k: 1 - v for k, v in POOLS.items()}, "bill_credit_share": 0.5},
    }
    plan = solved(wired(substation(cost_pool=pool), demand_usd=800_000, classes=classes))
    losses = max(POOLS[pool] - 0.4, 0) + max(1 - POOLS[pool] - 0.4, 0)
    assert plan.objective_usd == pytest.approx(800_000 + losses * 1_000_000)


def test_upkeep_of_contributed_plant_is_paid_by_locals() -> None:
    # 10 M$ given, 0.5 M$ a year of upkeep in the utility's costs, made whole
    poi = substation("contribution", fixed_om_usd_per_kw_year=5)
    plan = solved(wired(poi))
    assert plan.objective_usd == pytest.approx(10_500_000)
    assert cost(plan, "fixed_om") == 0
    assert cost(plan, "make_whole") == pytest.approx(500_000)


def test_the_revenue_requirement_in_real_dollars() -> None:
    # Half equity at 10 % with a tax of 50 %, half debt at 6 %: 0.5 * 0.2 + 0.5 * 0.06 = 0.13 on the rate base; property
    # tax 0.02; life 2: first year 0.13 + 0.5 + 0.02 = 0.65, second (0.065 + 0.5 + 0.02) / 1.25 = 0.468 of 10 M$
    utility = {
        "regime": "market",
        "equity_share": 0.5,
        "return_on_equity_nominal": 0.1,
        "debt_rate_nominal": 0.06,
        "tax_rate": 0.5,
        "property_tax_and_insurance_share": 0.02,
    }
    poi = substation(life_years=2)
    plan = solved(wired(poi, years=[2026, 2027], utility=utility, finance={"inflation": 0.25}))
    assert made_whole(plan) == pytest.approx({("homes", 2026): 6_500_000, ("homes", 2027): 4_680_000})


def test_running_costs_of_plant_that_a_utility_runs() -> None:
    # 10 MW of the utility in the zone: fuel 20 and variable 5 US$/MWh, sold at 50; the market pays locals' share of the
    # campus' energy: 100 * 50 + 10 * 25 - 10 * 50 = 4750 US$/h, against a bill of 4000
    gas = plant(
        "gas",
        zone="valley",
        utility="town",
        funding_modes="utility",
        fuel="methane",
        heat_rate_mmbtu_per_mwh=5,
        variable_om_usd_per_mwh=5,
    )
    plan = solved(
        toy(
            gas,
            utility={},
            tariff={"energy_usd_per_mwh": 40.0},
            classes={"homes": {"bill_credit_share": 1.0}},
            fuels=[{"fuel": "methane"}],
            fuel_prices=[{"fuel": "methane", "zone": "valley", "year": 2026, "usd_per_mmbtu": 4.0}],
        )
    )
    assert plan.objective_usd == pytest.approx(4750 * HOUR)
    assert cost(plan, "tariff_bills") == pytest.approx(4000 * HOUR)


def test_start_ups_of_plant_that_a_utility_runs() -> None:
    # Dear for two hours: 10 MW at 50 US$/MWh gain 2 * 10 * 50 and a start costs 10 * 20; each round the utility buys
    # for 100 * 200, and the bill is 100 * 120. What remains after the plant is made whole: 8000 - 1000 + 200. To stay
    # on line at its minimum would cost 2 * 5 * 50.
    gas = plant(
        "gas",
        zone="valley",
        utility="town",
        funding_modes="utility",
        variable_om_usd_per_mwh=50,
        commitment="integer",
        min_stable_share=0.5,
        startup_cost_usd_per_mw=20,
    )
    plan = solved(
        toy(
            gas,
            price=[0, 0, 100, 100],
            utility={},
            tariff={"energy_usd_per_mwh": 30.0},
            classes={"homes": {"bill_credit_share": 1.0}},
        )
    )
    assert cost(plan, "make_whole") == pytest.approx(2190 * (8000 - 1000 + 200))


def test_storage_that_a_utility_runs() -> None:
    # 10 MW from the free hours to the dear ones earn 2 * 10 * 100, and cost 5 US$/MWh discharged
    store = plant(
        "store",
        kind="storage",
        min_duration_hours=2,
        max_duration_hours=2,
        zone="valley",
        utility="town",
        funding_modes="utility",
        variable_om_usd_per_mwh=5,
    )
    plan = solved(
        toy(
            store,
            price=[0, 0, 100, 100],
            utility={},
            tariff={"energy_usd_per_mwh": 30.0},
            classes={"homes": {"bill_credit_share": 1.0}},
        )
    )
    assert plan.objective_usd == pytest.approx(2190 * (20_000 - 2000 + 100))


def test_own_plant_in_the_zone_earns_the_market_price() -> None:
    # 10 MW at 20 US$/MWh; the utility and its locals see nothing of it
    gas = plant("gas", zone="valley", variable_om_usd_per_mwh=20)
    plan = solved(
        toy(gas, utility={}, tariff={"energy_usd_per_mwh": 50.0}, classes={"homes": {"bill_credit_share": 1.0}})
    )
    assert plan.objective_usd == pytest.approx((5000 - 300) * HOUR)


def test_exports_to_a_cost_of_service_utility() -> None:
    # The utility pays 30 and resells at 50: 40 MW of the campus' plant at 20 US$/MWh earn 10 each, and locals gain 20
    # each. The campus' own 10 MW come from the plant too.
    wind = plant("wind", block_mw=50, variable_om_usd_per_mwh=20)
    plan = solved(
        toy(
            wind,
            it_mw=10,
            site={"export_allowed": True},
            utility={},
            tariff={"energy_usd_per_mwh": 60.0, "export_usd_per_mwh": 30.0},
            classes={"homes": {"bill_credit_share": 1.0}},
        )
    )
    assert plan.objective_usd == pytest.approx((10 * 20 - 40 * 10) * HOUR)
    assert plan.rates["local_cost_change_usd"].sum() == pytest.approx(-40 * 20 * HOUR)


def two_campuses(second: Row, **case: Any) -> Instance:
    """Two campuses of one utility, the first behind a substation that costs locals 1 M$ a year."""
    other = {"site": "second", "zone": "valley", "existing_poi_mw": 100.0, "availability_target": 1.0, **second}
    return wired(
        substation(),
        demand_usd=600_000,
        classes={"homes": {"bill_credit_share": 1.0}},
        sites=[other],
        site_years=[{"site": "second", "year": 2026, "floor_mw": 100.0, "ceiling_mw": 100.0}],
        compute_demand=[{"year": 2026, "it_mw": 200.0}],
        **case,
    )


def test_the_bills_of_all_sites_of_a_utility_count() -> None:
    # each pays 0.6 M$, together more than the 1 M$; a second campus without utility pays no bill: 0.4 M$ are missing
    served = two_campuses({"utility": "town", "tariff": "large"})
    assert solved(served).objective_usd == pytest.approx(1_200_000)
    assert solved(two_campuses({})).objective_usd == pytest.approx(1_000_000)


def test_a_circuit_that_the_utility_finances_for_its_stack() -> None:
    # 10 MW from a market at 20 US$/MWh in place of supply at 50 spare 300 US$/h = 2.628 M$ a year, for a circuit of
    # 1 M$: 0.1 M$ of depreciation. Without it supply for 100 MW costs 5000 US$/h, against a bill of 4000.
    circuit = plant(
        "circuit", kind="wires", corridor="path", capex_usd_per_kw=100, funding_modes="utility", utility="town"
    )
    plan = solved(
        toy(
            circuit,
            zone={"supply": "stack", "utility": "town", "local_load_series": "locals", "price_series": None},
            series={"locals": ("local_load", [0.0] * 4), "market price": ("price", [20.0] * 4)},
            zones=[{"zone": "market", "supply": "price", "price_series": "market price"}],
            corridors=[{"corridor": "path", "from_zone": "market", "to_zone": "valley"}],
            supply_blocks=[{"zone": "valley", "block": "oil", "capacity_mw": 100.0, "marginal_cost_usd_per_mwh": 50.0}],
            utility={},
            tariff={"energy_usd_per_mwh": 40.0},
            classes={"homes": {"bill_credit_share": 1.0}},
        )
    )
    assert plan.objective_usd == pytest.approx((5000 - 300) * HOUR + 100_000)


# -- shared network costs ---------------------------------------------------------------------------------

#: 10 M$ a year shared by a local peak of 300 MW and the campus; the POI carries 100 MW at most.
NETWORK = [{"utility": "town", "year": 2026, "cost_usd": 10e6, "local_coincident_peak_mw": 300.0}]


def sharing(*plants: tuple[str, Row, Row], **case: Any) -> Instance:
    usual: Row = {
        "price": 0.0,
        "utility": {"regime": "market"},
        "zone": {"local_load_series": "locals"},
        "series": {"locals": ("local_load", [200.0, 300, 100, 300])},
        "shared_network_costs": NETWORK,
    }
    return toy(*plants, **(usual | case))


@pytest.mark.parametrize(
    ("it_mw", "usd"),
    [
        (100, 10e6 * 100 / 400),
        (50, 10e6 * 50 / 350),
        # between the points at 50 MW (10 / 7 M$) and 75 MW (2 M$)
        (60, 10e6 / 7 + 0.4 * (2e6 - 10e6 / 7)),
    ],
)
def test_a_postage_stamp_by_coincident_peak(it_mw: float, usd: float) -> None:
    assert solved(sharing(it_mw=it_mw)).objective_usd == pytest.approx(usd)


@pytest.mark.parametrize(("gas_price", "usd"), [(4, 100 * 2190 * 4), (12, 2_500_000)])
def test_the_peak_is_the_hour_of_highest_local_load(gas_price: float, usd: float) -> None:
    # The second hour is the first with 300 MW of local load. Plant behind the meter for 2190 hours costs 8760 US$ per
    # MW at 4 US$/MWh and spares all of the charge (25,000 US$ per MW); at 12 US$/MWh it costs 26,280 US$ per MW.
    gas = plant("gas", block_mw=100, variable_om_usd_per_mwh=gas_price)
    assert solved(sharing(gas)).objective_usd == pytest.approx(usd)


@pytest.mark.parametrize(("capex", "made_whole_usd"), [(200, 0), (300, 500_000)])
def test_the_charge_lowers_what_locals_pay_for_the_network(capex: float, made_whole_usd: float) -> None:
    # a POI with 2 or 3 M$ a year in the transmission pool, against 2.5 M$ of shared cost that the campus takes over
    poi = substation(capex_usd_per_kw=capex, cost_pool="transmission")
    plan = solved(sharing(poi, site={"existing_poi_mw": 0.0}))
    assert plan.objective_usd == pytest.approx(2_500_000 + made_whole_usd)


def test_the_charge_is_due_without_the_pledge() -> None:
    assert solved(sharing(rates={"enforce": False})).objective_usd == pytest.approx(2_500_000)


# -- tie-break --------------------------------------------------------------------------------------------


def test_the_tie_break_weighs_what_locals_bear_before_bills() -> None:
    # a tenth of 5000 US$/h, discounted like all costs of the year
    plan = solved(
        toy(
            years=[2027],
            finance={"discount_rate": 0.25},
            utility={},
            tariff={"energy_usd_per_mwh": 60.0},
            classes={"homes": {"bill_credit_share": 1.0}},
            rates={"tie_break": 0.1},
        )
    )
    assert plan.objective_usd == pytest.approx(0.8 * (6000 + 500) * HOUR)
    assert cost(plan, "tie_break") == pytest.approx(0.8 * 500 * HOUR)


def test_the_tie_break_keeps_dispatch_economic_where_the_pledge_is_slack() -> None:
    # the utility's plant at 20 US$/MWh is worth 50 at the market; bills cover all costs with and without it, so only
    # the tie-break asks for it: 0.1 * (5000 - 10 * 30)
    gas = plant("gas", zone="valley", utility="town", funding_modes="utility", variable_om_usd_per_mwh=20)
    plan = solved(
        toy(
            gas,
            utility={},
            tariff={"energy_usd_per_mwh": 60.0},
            classes={"homes": {"bill_credit_share": 1.0}},
            rates={"tie_break": 0.1},
        )
    )
    assert plan.objective_usd == pytest.approx((6000 + 470) * HOUR)
    assert plan.tables["resource_operation"]["generation_mw"].tolist() == pytest.approx([10] * 4)
