"""Investment: what may be built when, what joins options, what capital costs the sponsor and what budgets allow."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, asset, blocks, cost, plant, solved, toy

ISLAND = {"existing_poi_mw": 0.0}
#: 100 MW bought at 50 US$/MWh all year, and what 10 MW of that is: 87,600 MWh.
GRID_USD = 100 * 8760 * 50
TEN_MW_USD = 10 * 8760 * 50


def test_blocks_are_whole() -> None:
    # 25 MW need three blocks of 10 MW: 3 * 10,000 kW * 100 US$/kW, all written off in the year
    gas = plant("gas", capex_usd_per_kw=100, life_years=1, max_blocks=5)
    plan = solved(toy(gas, it_mw=25, site=ISLAND))
    assert plan.objective_usd == pytest.approx(3_000_000)
    assert blocks(plan) == pytest.approx({("gas", "own", 2026): 3})


def test_any_size_where_the_option_says_so() -> None:
    # 25 MW are two and a half blocks
    gas = plant("gas", capex_usd_per_kw=100, life_years=1, max_blocks=5, integer=False)
    assert solved(toy(gas, it_mw=25, site=ISLAND)).objective_usd == pytest.approx(2_500_000)


def test_capital_cost_of_a_block() -> None:
    # (100 * 1.1 * 1.1 * 2 + 8) US$/kW * 10,000 kW for service in 2028; the factor leaves interconnection alone
    gas = plant(
        "gas",
        capex_usd_per_kw=100,
        capex_change_per_year=0.1,
        capex_factor=2.0,
        interconnection_usd_per_kw=8,
        life_years=1,
    )
    assert solved(toy(gas, years=[2028], it_mw=10, site=ISLAND)).objective_usd == pytest.approx(2_500_000)


@pytest.mark.parametrize(("lead", "years_bought"), [(0, 0), (1, 1), (1.5, 2), (3, 3)])
def test_lead_time(lead: float, years_bought: int) -> None:
    # free energy once the plant is there; a year and a half after 2026 means 2028
    gas = plant("gas", lead_time_years=lead)
    plan = solved(toy(gas, years=[2026, 2027, 2028], it_mw=10))
    assert plan.objective_usd == pytest.approx(years_bought * TEN_MW_USD)


def test_lead_time_of_the_option_comes_before_the_technology() -> None:
    gas = plant("gas", lead_time_years=3, here={"lead_time_years": 1})
    assert solved(toy(gas, years=[2026, 2027, 2028], it_mw=10)).objective_usd == pytest.approx(TEN_MW_USD)


def test_first_and_last_year_of_service() -> None:
    # a life of one year: a new block is needed each year, but may come in 2027 only
    gas = plant("gas", life_years=1, max_blocks=3, first_year=2027, last_year=2027)
    assert solved(toy(gas, years=[2026, 2027, 2028], it_mw=10)).objective_usd == pytest.approx(2 * TEN_MW_USD)


def test_blocks_leave_at_the_end_of_their_life() -> None:
    # a block lives two of the three years, a second one is too many
    gas = plant("gas", life_years=2)
    assert solved(toy(gas, years=[2026, 2027, 2028], it_mw=10)).objective_usd == pytest.approx(TEN_MW_USD)


def test_blocks_per_year_count_all_funding_modes() -> None:
    # the POI grows by 10 MW a year though two modes are open; what it cannot carry comes from gas at 100 US$/MWh
    poi = plant(
        "poi", kind="wires", max_blocks=3, max_blocks_per_year=1, funding_modes="own;contribution", utility="town"
    )
    gas = plant("gas", variable_om_usd_per_mwh=100, max_blocks=3)
    case = toy(
        poi,
        gas,
        years=[2026, 2027, 2028],
        it_mw=30,
        site=ISLAND,
        utility={"regime": "market"},
    )
    grid_mwh, gas_mwh = (10 + 20 + 30) * 8760, (20 + 10 + 0) * 8760
    assert solved(case).objective_usd == pytest.approx(50 * grid_mwh + 100 * gas_mwh)


def test_blocks_in_total() -> None:
    # a block a year would be free, two in all are allowed
    gas = plant("gas", max_blocks=2, max_blocks_per_year=1)
    plan = solved(toy(gas, years=[2026, 2027, 2028], it_mw=30))
    assert plan.objective_usd == pytest.approx((20 + 10 + 10) * 8760 * 50)


# -- existing assets --------------------------------------------------------------------------------------


def dear_cheap_dear() -> list[Row]:
    """Prices of 100, 10 and 100 US$/MWh."""
    factors = {2026: 2.0, 2027: 0.2, 2028: 2.0}
    return [{"zone": "valley", "year": year, "price_factor": factor} for year, factor in factors.items()]


@pytest.mark.parametrize(("can_retire", "usd"), [(True, 46_164_000), (False, 49_140_000)])
def test_retired_units_never_return(can_retire: bool, usd: float) -> None:
    # Three units of 10 MW at 20 US$/MWh and 4 M$ a year each. A dear year is worth 80 * 87,600 = 7.008 M$ a unit:
    # one year's upkeep, not two. Retired before 2027: 3 * (1.752 + 4) + 30 MW * 8760 * (10 + 100).
    # Kept, because it cannot retire: 2 * 3 * 1.752 + 3 * 3 * 4 + 30 * 8760 * 10 (grid in the cheap year).
    # Were units to return in 2028: 2 * 3 * (1.752 + 4) + 2.628 = 37.14 M$.
    old = asset("old", units=3, variable_om_usd_per_mwh=20, fixed_om_usd_per_kw_year=400, can_retire=can_retire)
    plan = solved(toy(old, years=[2026, 2027, 2028], it_mw=30, zone_years=dear_cheap_dear()))
    assert plan.objective_usd == pytest.approx(usd)


def test_existing_assets_serve_in_their_years() -> None:
    old = asset("old", first_year=2027, last_year=2027, fixed_om_usd_per_kw_year=10)
    plan = solved(toy(old, years=[2026, 2027, 2028], it_mw=10))
    assert plan.objective_usd == pytest.approx(2 * TEN_MW_USD + 100_000)


# -- rules that join options ------------------------------------------------------------------------------


def rules(rule: str, *options: str) -> list[Row]:
    return [{"rule": rule, "group": "pair", "option": option} for option in options]


def pair(**second: Any) -> list[tuple[str, Row, Row]]:
    """Each makes 10 MW for nothing, worth 4.38 M$; the first costs 1 M$."""
    return [plant("a", capex_usd_per_kw=100, life_years=1), plant("b", **{"life_years": 1, **second})]


def test_at_most_one() -> None:
    both = pair(capex_usd_per_kw=200)
    # b costs 2 M$ and would pay for itself too
    assert solved(toy(*both)).objective_usd == pytest.approx(GRID_USD - 2 * TEN_MW_USD + 3_000_000)
    plan = solved(toy(*both, option_rules=rules("at_most_one", "a", "b")))
    assert plan.objective_usd == pytest.approx(GRID_USD - TEN_MW_USD + 1_000_000)


@pytest.mark.parametrize(("per_kw", "usd"), [(600, GRID_USD - 2 * TEN_MW_USD + 7_000_000), (800, GRID_USD)])
def test_all_or_none(per_kw: float, usd: float) -> None:
    # a earns 3.38 M$; b loses 1.62 M$ at 600 US$/kW (both pay) or 3.62 M$ at 800 US$/kW (none does)
    case = toy(*pair(capex_usd_per_kw=per_kw), option_rules=rules("all_or_none", "a", "b"))
    assert solved(case).objective_usd == pytest.approx(usd)


def test_none_where_one_of_all_cannot_come_in_time() -> None:
    case = toy(*pair(lead_time_years=5), option_rules=rules("all_or_none", "a", "b"))
    assert solved(case).objective_usd == pytest.approx(GRID_USD)


@pytest.mark.parametrize(("life", "usd"), [(1, 2 * GRID_USD - TEN_MW_USD + 1_000_000), (2, 2 * GRID_USD)])
def test_requires_in_every_year_of_service(life: int, usd: float) -> None:
    # The pad costs 1 M$, is too dear to run, and is there in 2026 only. A gas block of one year comes with it; one
    # that lives two years would stand without its pad in 2027.
    pad = plant("pad", capex_usd_per_kw=100, variable_om_usd_per_mwh=99, life_years=1, last_year=2026)
    gas = plant("gas", life_years=life)
    rule = [{"rule": "requires", "group": "pad", "option": "gas", "requires_option": "pad"}]
    assert solved(toy(pad, gas, years=[2026, 2027], option_rules=rule)).objective_usd == pytest.approx(usd)


# -- spending and budgets ---------------------------------------------------------------------------------

HALVES = [
    {"spend_curve": "halves", "years_before_service": 0, "share": 0.5},
    {"spend_curve": "halves", "years_before_service": 1, "share": 0.5},
]


def late_plant(**values: Any) -> tuple[str, Row, Row]:
    """10 M$ of plant for 2028, half of it paid in 2027; it saves 10 MW at 200 US$/MWh, 17.52 M$."""
    usual = {"capex_usd_per_kw": 1000, "life_years": 1, "first_year": 2028, "integer": False, "spend_curve": "halves"}
    return plant("gas", **(usual | values))


def budgeted(
    *budgets: Row, years: tuple[int, ...] = (2026, 2027, 2028), gas: Row | None = None, **finance: float
) -> float:
    """Cost on top of buying 10 MW at 200 US$/MWh in every year."""
    case = toy(
        late_plant(**(gas or {})),
        years=years,
        it_mw=10,
        price=200,
        spend_curves=HALVES,
        budgets=list(budgets),
        finance=finance,
    )
    discounted = sum((1 + finance.get("discount_rate", 0.0)) ** (2026 - year) for year in years)
    return solved(case).objective_usd - 17_520_000 * discounted


def test_without_a_budget_all_of_it_is_built() -> None:
    assert budgeted() == pytest.approx(10_000_000 - 17_520_000)


def test_capital_is_discounted_from_when_it_is_spent() -> None:
    # 5 M$ * 0.8 + 5 M$ * 0.64, for a saving of 17.52 M$ * 0.64
    assert budgeted(discount_rate=0.25) == pytest.approx(7_200_000 - 17_520_000 * 0.64)


@pytest.mark.parametrize("scope", ["portfolio", "campus"])
def test_budget_of_a_year(scope: str) -> None:
    # 4 M$ in 2027 pay for 0.8 of the plant's first half
    share = budgeted({"scope": scope, "year": 2027, "max_capex_usd": 4e6}) / (10_000_000 - 17_520_000)
    assert share == pytest.approx(0.8)


def test_cumulative_budget() -> None:
    # 6 M$ up to the end of 2028 pay for 0.6 of it, 2027 alone would allow 0.8
    yearly = {"scope": "portfolio", "year": 2027, "max_capex_usd": 4e6}
    total = {"scope": "portfolio", "year": 2028, "max_cumulative_capex_usd": 6e6}
    assert budgeted(yearly, total) / (10_000_000 - 17_520_000) == pytest.approx(0.6)


def test_money_due_before_the_base_year_falls_in_the_first_budget() -> None:
    # service in 2026: both halves are due in 2026
    first = {"scope": "portfolio", "year": 2026, "max_capex_usd": 5e6}
    share = budgeted(first, years=(2026,), gas={"first_year": 2026}) / (10_000_000 - 17_520_000)
    assert share == pytest.approx(0.5)


def test_a_planning_year_has_the_money_of_the_years_it_represents() -> None:
    # 2026 stands for 2027 too, and 2027 pays half of the plant: 2 M$ are 0.4 of that half
    first = {"scope": "portfolio", "year": 2026, "max_capex_usd": 2e6}
    case = toy(late_plant(), years=[2026, 2028], it_mw=10, price=200, spend_curves=HALVES, budgets=[first])
    # bought: 17.52 M$ in 2026, 2027, 2028
    assert solved(case).objective_usd == pytest.approx(3 * 17_520_000 + 0.4 * (10_000_000 - 17_520_000))


def test_contributions_and_their_gross_up_count_in_the_budget() -> None:
    # a POI of 10 MW costs 1 M$ and 0.25 M$ of tax, and saves 10 MW * 8760 * (100 - 50): 0.8 of it is 1 M$
    poi = plant(
        "poi",
        kind="wires",
        capex_usd_per_kw=100,
        integer=False,
        funding_modes="contribution",
        utility="town",
        life_years=1,
    )
    gas = plant("gas", variable_om_usd_per_mwh=100)
    case = toy(
        poi,
        gas,
        it_mw=10,
        site=ISLAND,
        utility={"regime": "market", "contribution_tax_gross_up": 0.25},
        budgets=[{"scope": "portfolio", "year": 2026, "max_capex_usd": 1e6}],
    )
    assert solved(case).objective_usd == pytest.approx(8_760_000 + 0.8 * (1_250_000 - 4_380_000))


# -- what capital costs the sponsor -----------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "usd"), [("own", 100_000), ("contribution", 1_250_000), ("utility", 200_000)])
def test_funding_modes(mode: str, usd: float) -> None:
    # A POI of 1 M$ with a life of ten years, one year in the horizon. Own: a tenth of it (the rest is salvage).
    # Contribution: all of it and a quarter of tax. Utility: depreciation 0.1 and interest 0.1, made whole.
    poi = plant("poi", kind="wires", capex_usd_per_kw=100, funding_modes=mode, utility="town", cost_pool="transmission")
    utility = {"debt_rate_nominal": 0.1, "contribution_tax_gross_up": 0.25}
    plan = solved(toy(poi, it_mw=10, price=0, site=ISLAND, utility=utility))
    assert plan.objective_usd == pytest.approx(usd)
    assert blocks(plan) == pytest.approx({("poi", mode, 2026): 1})


def test_the_cheapest_funding_mode_is_chosen() -> None:
    modes = "contribution;utility"
    poi = plant(
        "poi", kind="wires", capex_usd_per_kw=100, funding_modes=modes, utility="town", cost_pool="transmission"
    )
    # 100 % interest: 1.1 M$ to make locals whole; a contribution costs 1 M$ without gross-up
    plan = solved(toy(poi, it_mw=10, price=0, site=ISLAND, utility={"debt_rate_nominal": 0.49}))
    assert plan.objective_usd == pytest.approx(590_000)
    plan = solved(toy(poi, years=[2026, 2027], it_mw=10, price=0, site=ISLAND, utility={"debt_rate_nominal": 0.49}))
    # two years: 0.1 + 0.49 + 0.1 + 0.9 * 0.49 = 1.131 M$
    assert plan.objective_usd == pytest.approx(1_000_000)


@pytest.mark.parametrize(("view", "usd"), [("cash", 7_120_000), ("annuity", 4_500_000)])
def test_capital_views(view: str, usd: float) -> None:
    # 10 M$, life 4, own cost of capital 0: four annuities of 2.5 M$ in 2026 to 2029, discounted at 25 %.
    # Annuity: 2.5 * (1 + 0.8). Cash: 10 - 2.5 * (0.64 + 0.512) of the two after the horizon.
    gas = plant("gas", capex_usd_per_kw=1000, life_years=4, wacc=0.0)
    finance = {"discount_rate": 0.25, "capital_view": view}
    plan = solved(toy(gas, years=[2026, 2027], it_mw=10, site=ISLAND, finance=finance))
    assert plan.objective_usd == pytest.approx(usd)


def test_both_views_agree_on_a_life_that_ends_with_the_horizon() -> None:
    # without interest, two years of life are two annuities of half
    gas = plant("gas", capex_usd_per_kw=1000, life_years=2)
    for view in ("cash", "annuity"):
        plan = solved(toy(gas, years=[2026, 2027], it_mw=10, site=ISLAND, finance={"capital_view": view}))
        assert plan.objective_usd == pytest.approx(10_000_000)


@pytest.mark.parametrize("view", ["cash", "annuity"])
def test_contribution_by_view(view: str) -> None:
    # 1 M$, life 4, wacc 0, and a quarter of tax. Cash: all of it, no salvage. Annuity: 0.25 * (1 + 0.8).
    poi = plant(
        "poi", kind="wires", capex_usd_per_kw=100, life_years=4, wacc=0.0, funding_modes="contribution", utility="town"
    )
    finance = {"discount_rate": 0.25, "capital_view": view}
    utility = {"contribution_tax_gross_up": 0.25}
    plan = solved(toy(poi, years=[2026, 2027], it_mw=10, price=0, site=ISLAND, utility=utility, finance=finance))
    assert plan.objective_usd == pytest.approx(1.25 * {"cash": 1_000_000, "annuity": 450_000}[view])


TAX = {"discount_rate": 0.25, "tax_view": True, "tax_rate": 0.25}


@pytest.mark.parametrize(("credit_until", "factor"), [(2026, 0.35 / 0.75), (2025, 0.8 / 0.75)])
def test_effective_cost_after_credit_and_depreciation(credit_until: int, factor: float) -> None:
    # Written off one year from now: 0.8 in present value. With a credit of a half, the basis falls by a quarter:
    # 1 - 0.5 - 0.25 * 0.75 * 0.8 = 0.35; without one: 1 - 0.25 * 0.8 = 0.8; both before tax, / 0.75.
    gas = plant("gas", capex_usd_per_kw=1000, life_years=1, bonus_depreciation_share=1.0)
    credit = {"technology": "gas", "first_year": 2000, "last_year": credit_until, "itc_share": 0.5}
    plan = solved(toy(gas, it_mw=10, site=ISLAND, finance=TAX, tax_credits=[credit]))
    assert plan.objective_usd == pytest.approx(factor * 10_000_000)
    assert cost(plan, "own_capital") == pytest.approx(10_000_000)


def test_salvage_carries_the_effective_cost() -> None:
    # half of the life is left, a year later: factor 0.35 / 0.75 on 10 M$ - 5 M$ * 0.8
    gas = plant("gas", capex_usd_per_kw=1000, life_years=2, wacc=0.0, bonus_depreciation_share=1.0)
    credit = {"technology": "gas", "first_year": 2000, "last_year": 2030, "itc_share": 0.5}
    plan = solved(toy(gas, it_mw=10, site=ISLAND, finance=TAX, tax_credits=[credit]))
    assert plan.objective_usd == pytest.approx(0.35 / 0.75 * 6_000_000)


def production_credit(**values: Any) -> list[Row]:
    return [{"technology": "wind", "first_year": 2026, "last_year": 2030, "ptc_usd_per_mwh": 15.0, **values}]


UNTAXED = {"tax_view": True, "tax_rate": 0.25}


def test_production_credit_over_its_years() -> None:
    # 15 US$/MWh after tax are 20 before it, on 10 MW for two of the three years
    plan = solved(
        toy(
            plant("wind"),
            years=[2026, 2027, 2028],
            it_mw=10,
            site=ISLAND,
            finance=UNTAXED,
            tax_credits=production_credit(ptc_years=2),
        )
    )
    assert plan.objective_usd == pytest.approx(-2 * 20 * 87_600)


def test_production_credit_on_what_is_produced() -> None:
    # 5 MW of load: the rest of the output has nowhere to go
    plan = solved(toy(plant("wind"), it_mw=5, site=ISLAND, finance=UNTAXED, tax_credits=production_credit()))
    assert plan.objective_usd == pytest.approx(-20 * 43_800)


def test_production_credit_only_for_vintages_that_qualify() -> None:
    # the block of 2026 comes too early; in 2027 both blocks run and one earns the credit
    wind = plant("wind", max_blocks=2)
    case = toy(
        wind,
        years=[2026, 2027],
        it_mw=[10, 20],
        site=ISLAND,
        finance=UNTAXED,
        tax_credits=production_credit(first_year=2027),
    )
    assert solved(case).objective_usd == pytest.approx(-20 * 87_600)
