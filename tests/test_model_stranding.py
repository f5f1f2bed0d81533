"""Stranding: exit fees and collateral cover what locals would be left with, in every exit year."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, blocks, cost, plant, solved, toy

from optimizer.instance import Instance
from optimizer.solve import Infeasible

#: 10 MW of demand and of contract at 5 US$/kW-month, half of it as minimum take: a bill of 0.6 M$, a minimum of 0.3 M$.
TARIFF = {"demand_usd_per_kw_month": 5.0, "minimum_demand_share": 0.5, "exit_fee_years": 2.0}
BILL = 600_000


def substation(
    *,
    modes: str = "utility",
    poi: Row | None = None,
    utility: Row | None = None,
    tariff: Row | None = None,
    **case: Any,
) -> Instance:
    """A POI of 1 M$ with a life of ten years: 0.8 M$ would be stranded at first, a fifth can be sold.

    Its cost of 0.1 M$ a year is covered by the bill.
    """
    wires = {"kind": "wires", "capex_usd_per_kw": 100, "funding_modes": modes, "utility": "town", **(poi or {})}
    owner = {
        "stranding_limit": True,
        "salvage_share": 0.2,
        "max_collateral_usd": 1e6,
        "collateral_carry_share": 0.1,
        "contribution_tax_gross_up": 0.25,
        **(utility or {}),
    }
    site = {"existing_poi_mw": 0.0, "contract_end_year": 2040, **case.pop("site", {})}
    return toy(
        plant("poi", **wires),
        it_mw=10,
        price=0,
        site=site,
        site_year={"contract_mw": 10.0},
        utility=owner,
        tariff=TARIFF | (tariff or {}),
        classes={"homes": {"bill_credit_share": 1.0}},
        **case,
    )


@pytest.mark.parametrize(
    ("years", "end", "collateral"),
    [
        (2.0, 2040, 200_000),  # two years of 0.3 M$
        (2.0, 2026, 500_000),  # the contract ends with the year: one of them
        (2.0, 2025, 800_000),  # it has ended
        (3.0, 2040, 0),
        (0.5, 2040, 650_000),
    ],
)
def test_collateral_covers_what_exit_fees_do_not(years: float, end: int, collateral: float) -> None:
    plan = solved(substation(tariff={"exit_fee_years": years}, site={"contract_end_year": end}))
    assert plan.objective_usd == pytest.approx(BILL + 0.1 * collateral)
    assert cost(plan, "collateral_carry") == pytest.approx(0.1 * collateral)


def test_every_exit_year() -> None:
    # A charge that rises by a tenth a year: fees of 0.6 and 0.66 M$. Stranded: 0.8 M$, a year later 0.72 M$ less
    # inflation of 25 %, 0.576 M$. Collateral 0.2 M$, then none.
    case = substation(years=[2026, 2027], tariff={"change_per_year": 0.1}, finance={"inflation": 0.25})
    plan = solved(case)
    assert plan.objective_usd == pytest.approx(BILL + 1.1 * BILL + 20_000)
    stranding = plan.tables["stranding"].set_index("exit_year")
    assert stranding["exposure_usd"].to_dict() == pytest.approx({2026: 800_000, 2027: 576_000})


def test_two_vintages() -> None:
    # 10 MW more in 2027: stranded then 0.8 * (0.9 + 1) = 1.52 M$, fees 0.6 M$ as before: collateral 0.2, then 0.92 M$
    case = substation(
        years=[2026, 2027],
        poi={"max_blocks": 2},
        site_years=[
            {"site": "campus", "year": y, "floor_mw": x, "ceiling_mw": x, "contract_mw": 10.0}
            for y, x in ((2026, 10.0), (2027, 20.0))
        ],
        compute_demand=[{"year": 2026, "it_mw": 10.0}, {"year": 2027, "it_mw": 20.0}],
    )
    assert solved(case).objective_usd == pytest.approx(3 * BILL + 0.1 * (200_000 + 920_000))


def test_a_contract_charge_is_part_of_the_exit_fee() -> None:
    # 0.1 M$ a year for the plant joins the bill and the minimum: 2 * (0.3 + 0.1) covers all of it
    plan = solved(substation(poi={"contract_site": "campus", "contract_share": 1.0}))
    assert plan.objective_usd == pytest.approx(BILL + 100_000)


def test_without_enough_collateral_there_is_no_utility_finance() -> None:
    short = {"max_collateral_usd": 199_000.0}
    with pytest.raises(Infeasible):
        solved(substation(utility=short))
    plan = solved(substation(modes="contribution;utility", utility=short))
    assert plan.objective_usd == pytest.approx(BILL + 1_250_000)
    assert blocks(plan) == pytest.approx({("poi", "contribution", 2026): 1})


def test_contributed_plant_strands_nothing() -> None:
    plan = solved(substation(modes="contribution", tariff={"exit_fee_years": 0.0}))
    assert plan.objective_usd == pytest.approx(BILL + 1_250_000)


def test_an_optional_site_owes_its_exit_fee_only_if_it_opens() -> None:
    # As in the first case when open. Closed, nothing is built, billed or posted: 10 MW of unmet compute at 1 US$/MWh.
    for usd_per_mwh, usd in ((1.0, 10 * 8760), (100.0, BILL + 20_000)):
        case = substation(site={"required": False}, compute={"max_unmet_share": 1.0, "unmet_usd_per_mwh": usd_per_mwh})
        assert solved(case).objective_usd == pytest.approx(usd)


@pytest.mark.parametrize("off", [{"utility": {"stranding_limit": False}}, {"rates": {"enforce": False}}])
def test_without_the_limit_nothing_is_posted(off: dict[str, Row]) -> None:
    assert solved(substation(**off)).objective_usd == pytest.approx(BILL)
