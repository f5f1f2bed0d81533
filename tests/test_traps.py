"""Three ways to claim flat rates that are not flat; each must be caught.

1. Over the plant's lifetime locals come out even, in the first years they pay more.
2. On average locals pay less, one class pays more.
3. A contribution looks cheaper than utility finance until the tax on it is counted.
"""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, blocks, cost, plant, solved, toy

from optimizer.instance import Instance
from optimizer.plan import Plan

#: A substation of 10 M$ with a life of two years: 5 M$ of depreciation a year, interest of 20 % on what is left of it.
REQUIREMENT = {2026: 5_000_000 + 2_000_000, 2027: 5_000_000 + 1_000_000}


def substation(bill_usd: float, modes: str = "utility", **case: Any) -> Instance:
    """A campus of 100 MW behind that substation, with a demand charge of ``bill_usd`` a year and no other cost."""
    poi = plant(
        "poi",
        kind="wires",
        block_mw=100,
        capex_usd_per_kw=100,
        life_years=2,
        funding_modes=modes,
        utility="town",
        cost_pool="distribution",
    )
    utility: Row = {"regime": "market", "debt_rate_nominal": 0.2, **case.pop("utility", {})}
    return toy(
        poi,
        price=0,
        years=case.pop("years", [2026, 2027]),
        site={"existing_poi_mw": 0.0},
        utility=utility,
        tariff={"demand_usd_per_kw_month": bill_usd / (12 * 100_000)},
        **case,
    )


def losses(plan: Plan) -> dict[tuple[str, int], float]:
    """What each class pays more in a year before make-whole payments, US$."""
    rates = plan.rates
    usd = rates["local_cost_change_usd"] - rates["make_whole_usd"]
    return {(c, int(y)): float(x) for c, y, x in zip(rates["customer_class"], rates["year"], usd, strict=True)}


# -- 1. even over the lifetime, not in the first year -----------------------------------------------------

HOMES = {"homes": {"bill_credit_share": 1.0}}
#: Discounted at 25 %, 7 + 6 * 0.8 = 11.8 M$ of cost: a level bill of 11.8 / 1.8 M$ recovers it over the lifetime.
DISCOUNTED = {"discount_rate": 0.25}
LEVEL = 11_800_000 / 1.8


def test_a_level_bill_is_even_over_the_lifetime_and_short_in_the_first_year() -> None:
    plan = solved(substation(LEVEL, classes=HOMES, finance=DISCOUNTED, rates={"enforce": False}))
    assert plan.objective_usd == pytest.approx(11_800_000)
    first, second = (losses(plan)["homes", year] for year in (2026, 2027))
    assert first + 0.8 * second == pytest.approx(0, abs=1)
    assert first == pytest.approx(7_000_000 - LEVEL)
    # the rate of 100 US$/MWh on 1000 MWh a year is not flat
    with_project = plan.rates.set_index("year")["with_project_usd_per_mwh"]
    assert with_project[2026] == pytest.approx(100 + (7_000_000 - LEVEL) / 1000)
    assert with_project[2027] < 100


def test_the_pledge_asks_for_make_whole_in_the_first_year() -> None:
    # 0.444 M$ in 2026; the 0.556 M$ too much of 2027 are not paid back
    plan = solved(substation(LEVEL, classes=HOMES, finance=DISCOUNTED))
    assert plan.objective_usd == pytest.approx(11_800_000 + 7_000_000 - LEVEL)
    paid = plan.tables["make_whole"].set_index("year")["usd"]
    assert paid[2026] == pytest.approx(7_000_000 - LEVEL)
    assert paid.get(2027, 0.0) == pytest.approx(0, abs=1)


def test_or_for_another_plan() -> None:
    # without make-whole the sponsor contributes the substation: 10 M$ on top of the bills
    plan = solved(
        substation(
            LEVEL,
            modes="contribution;utility",
            classes=HOMES,
            finance=DISCOUNTED,
            utility={"make_whole_allowed": False},
        )
    )
    assert plan.objective_usd == pytest.approx(11_800_000 + 10_000_000)
    assert blocks(plan) == pytest.approx({("poi", "contribution", 2026): 1})


def test_a_regulated_plant_of_thirty_years_is_dearest_in_its_first() -> None:
    # Half equity at 9.9 % before a tax of 25.74 %, half debt at 5 %: 0.0917 of the rate base; 1/30 depreciation, 1.5 %
    # property tax and insurance. First year 0.14 of capex, last 0.0514. Discounted at 9.17 % the level payment is
    # 0.1138: it leaves a first-year gap of 2.6 % of capex.
    allowed = 0.5 * 0.099 / (1 - 0.2574) + 0.5 * 0.05
    requirement = [(1 - age / 30) * allowed + 1 / 30 + 0.015 for age in range(30)]
    factors = [(1 + allowed) ** -age for age in range(30)]
    level = sum(x * f for x, f in zip(requirement, factors, strict=True)) / sum(factors)
    assert requirement[0] == pytest.approx(0.14, abs=5e-5)
    assert requirement[-1] == pytest.approx(0.0514, abs=5e-5)
    assert level == pytest.approx(0.1138, abs=5e-5)
    poi = plant(
        "poi", kind="wires", block_mw=100, capex_usd_per_kw=100, life_years=30, funding_modes="utility", utility="town"
    )
    regulated: Row = {
        "regime": "market",
        "equity_share": 0.5,
        "return_on_equity_nominal": 0.099,
        "debt_rate_nominal": 0.05,
        "tax_rate": 0.2574,
        "property_tax_and_insurance_share": 0.015,
    }
    plan = solved(
        toy(
            poi,
            hours=1,
            years=list(range(2026, 2056)),
            price=0,
            site={"existing_poi_mw": 0.0},
            utility=regulated,
            tariff={"demand_usd_per_kw_month": level * 10e6 / 1.2e6},
            classes=HOMES,
            finance={"discount_rate": allowed},
        )
    )
    even = sum(losses(plan)["homes", 2026 + age] * f for age, f in enumerate(factors))
    assert even == pytest.approx(0, abs=1)
    assert losses(plan)["homes", 2026] == pytest.approx((requirement[0] - level) * 10e6)
    short = [max(x - level, 0) * f for x, f in zip(requirement, factors, strict=True)]
    assert cost(plan, "make_whole") == pytest.approx(sum(short) * 10e6)


# -- 2. less on average, more for one class ---------------------------------------------------------------

#: Residential pays 0.6 of the 7 M$ and is credited half of a bill of 7.5 M$: 4.2 - 3.75 = 0.45 M$ more. Industry pays
#: 2.8 - 3.75 = 0.95 M$ less; together locals pay 0.5 M$ less.
CLASSES = {
    "residential": {"pools": 0.6, "bill_credit_share": 0.5},
    "industrial": {"pools": 0.4, "bill_credit_share": 0.5},
}
BILL = 7_500_000


def test_the_average_falls_while_residential_rises() -> None:
    plan = solved(substation(BILL, classes=CLASSES, years=[2026], rates={"enforce": False}))
    assert plan.objective_usd == pytest.approx(BILL)
    assert losses(plan) == pytest.approx({("residential", 2026): 450_000, ("industrial", 2026): -950_000})
    assert sum(losses(plan).values()) < 0


def test_the_constraint_of_the_class_binds() -> None:
    plan = solved(substation(BILL, classes=CLASSES, years=[2026]))
    assert plan.objective_usd == pytest.approx(BILL + 450_000)
    rates = plan.rates.set_index("customer_class")
    assert rates["with_project_usd_per_mwh"].to_dict() == pytest.approx(
        {"residential": 100, "industrial": 100 - 950_000 / 1000}
    )
    assert rates["binding"].astype(bool).to_dict() == {"residential": True, "industrial": False}


def test_what_industry_gains_cannot_be_given_to_residential() -> None:
    # with make-whole forbidden the surplus of 0.5 M$ does not save the plan: the sponsor contributes 10 M$
    plan = solved(
        substation(
            BILL,
            modes="contribution;utility",
            classes=CLASSES,
            years=[2026],
            utility={"make_whole_allowed": False},
        )
    )
    assert plan.objective_usd == pytest.approx(BILL + 10_000_000)


# -- 3. a contribution before and after its tax -----------------------------------------------------------


@pytest.mark.parametrize(
    ("gross_up", "mode", "usd"),
    [
        (0.0, "contribution", 10_000_000),
        (0.29, "contribution", 12_900_000),
        (0.2574 / 0.7426, "utility", sum(REQUIREMENT.values())),  # 13.47 M$ with the tax at 25.74 %
    ],
)
def test_a_contribution_beats_utility_finance_only_before_the_tax_gross_up(
    gross_up: float, mode: str, usd: float
) -> None:
    # utility finance is made whole with 7 + 6 = 13 M$; a contribution costs 10 M$ and the tax on it
    utility = {"contribution_tax_gross_up": gross_up}
    plan = solved(substation(0.0, modes="contribution;utility", utility=utility))
    assert plan.objective_usd == pytest.approx(usd)
    assert blocks(plan) == pytest.approx({("poi", mode, 2026): 1})
    assert cost(plan, "contribution_gross_up") == pytest.approx(10_000_000 * gross_up if mode == "contribution" else 0)
