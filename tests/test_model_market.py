"""Markets: the price the project pays and moves, and the capacity it owes the zone.

Costs are compared per hour of the year (US$/h) or per year (US$), all hours being alike.
"""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, cost, plant, solved, toy

from optimizer.instance import Instance
from optimizer.solve import Infeasible


def per_hour(instance: Instance) -> float:
    return solved(instance).objective_usd / 8760


def gas(usd_per_mwh: float) -> tuple[str, Row, Row]:
    """100 MW behind the meter."""
    return plant("gas", block_mw=100, variable_om_usd_per_mwh=usd_per_mwh)


def response(*points: tuple[float, float]) -> list[Row]:
    return [
        {"zone": "valley", "net_purchase_mw": mw, "price_change_usd_per_mwh": rise}
        for mw, rise in ((0.0, 0.0), *points)
    ]


#: 50 MW raise the price by 10 US$/MWh, 100 MW by 30: payments of 500 and 3000 US$/h, so 10 and 50 US$ per MWh more.
CONVEX = response((50, 10), (100, 30))
#: Payments of 1000, 2400 and 4100 US$/h: 20, 140 and 42.5 US$ per MWh more.
NOT_CONVEX = response((50, 20), (60, 40), (100, 41))


# -- energy -----------------------------------------------------------------------------------------------


def test_the_price_of_the_year() -> None:
    factors = [{"zone": "valley", "year": y, "price_factor": f} for y, f in ((2026, 1.0), (2027, 1.2))]
    plan = solved(toy(years=[2026, 2027], price=[20, 40, 60, 80], zone_years=factors))
    assert plan.objective_usd == pytest.approx(100 * 8760 * (50 + 60))


@pytest.mark.parametrize(
    ("gas_price", "usd"),
    [(90, 50 * 50 + 500 + 50 * 90), (110, 100 * 50 + 3000), (55, 100 * 55)],
)
def test_the_sponsor_pays_for_a_convex_price_rise(gas_price: float, usd: float) -> None:
    # the first 50 MW cost 60 US$/MWh, the others 100
    assert per_hour(toy(gas(gas_price), price_response=CONVEX)) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("gas_price", "usd"),
    [(100, 50 * 50 + 1000 + 50 * 100), (115, 100 * 50 + 4100)],
)
def test_a_price_rise_that_is_not_convex_fills_its_segments_in_order(gas_price: float, usd: float) -> None:
    # at 115 US$/MWh: half and half costs 9250 US$/h; without the dear middle segment it would cost 8350
    assert per_hour(toy(gas(gas_price), price_response=NOT_CONVEX)) == pytest.approx(usd)


def test_no_purchase_beyond_the_last_point() -> None:
    case = toy(gas(1000), it_mw=120, site={"existing_poi_mw": 120.0}, price_response=CONVEX)
    assert per_hour(case) == pytest.approx(100 * 50 + 3000 + 20 * 1000)


def test_own_plant_in_the_zone_lowers_the_rise() -> None:
    # 50 MW at 60 US$/MWh lose 10 each at the market, and spare 2500 US$/h of the rise
    wind = plant("wind", zone="valley", block_mw=50, variable_om_usd_per_mwh=60)
    assert per_hour(toy(wind, price_response=CONVEX)) == pytest.approx(100 * 50 + 500 + 50 * 10)


def test_net_sales_do_not_lower_the_price() -> None:
    # 200 MW at 40 US$/MWh sell 100 MW net at the unchanged price
    wind = plant("wind", zone="valley", block_mw=200, variable_om_usd_per_mwh=40)
    assert per_hour(toy(wind, price_response=CONVEX)) == pytest.approx(100 * 50 - 200 * 10)


def town(*plants: tuple[str, Row, Row], hedged: float, **case: Any) -> Instance:
    """Locals with 200 MW of load who buy at the market price but for a hedged share."""
    homes = {"hedged_share": hedged, "local_load_share": 1.0}
    return toy(
        *plants,
        zone={"local_load_series": "locals"},
        series={"locals": ("local_load", [200.0] * 4)},
        utility={"regime": "market"},
        classes={"homes": homes},
        price_response=CONVEX,
        **case,
    )


@pytest.mark.parametrize(
    ("gas_price", "hedged", "usd"),
    [
        # locals lose 200 * 10 for the first 50 MW and 200 * 20 for the others: 40 and 80 US$ per MWh bought
        (150, 0.0, 50 * 50 + 500 + 2000 + 50 * 150),
        (200, 0.0, 100 * 50 + 3000 + 6000),
        (90, 0.0, 100 * 90),
        # half hedged: 20 and 40 US$ per MWh bought
        (150, 0.5, 100 * 50 + 3000 + 3000),
    ],
)
def test_locals_are_made_whole_for_the_price_rise(gas_price: float, hedged: float, usd: float) -> None:
    assert per_hour(town(gas(gas_price), hedged=hedged)) == pytest.approx(usd)


def test_without_the_pledge_locals_bear_the_price_rise() -> None:
    plan = solved(town(gas(150), hedged=0.0, rates={"enforce": False}))
    assert plan.objective_usd / 8760 == pytest.approx(100 * 50 + 3000)
    # 30 US$/MWh on 200 MW, on sales of 1000 MWh
    assert plan.rates["market_energy_usd"].tolist() == pytest.approx([6000 * 8760])
    assert plan.rates["with_project_usd_per_mwh"].tolist() == pytest.approx([100 + 6000 * 8760 / 1000])


def test_a_cost_of_service_utility_pays_for_the_price_rise() -> None:
    # it buys at 100 * 50 + 3000 = 8000 US$/h and is paid 7000: the sponsor adds 1000; a bill of 8500 is enough
    for energy, usd in ((70, 8000), (85, 8500)):
        case = toy(
            utility={},
            tariff={"energy_usd_per_mwh": energy},
            classes={"homes": {"bill_credit_share": 1.0}},
            price_response=CONVEX,
        )
        plan = solved(case)
        assert plan.objective_usd / 8760 == pytest.approx(usd)
        assert cost(plan, "market_price_rise") == 0


# -- capacity ---------------------------------------------------------------------------------------------

GRID_USD = 100 * 8760 * 50


def obliged(*plants: tuple[str, Row, Row], headroom: float = 10.0, price: float = 0.0, **case: Any) -> Instance:
    """100 MW of peak load owe 110 MW of capacity less the headroom."""
    year = {"zone": "valley", "year": 2026, "capacity_headroom_mw": headroom, "capacity_price_usd_per_kw_year": price}
    zone = {"capacity_obligation": True, "reserve_margin": 0.1}
    return toy(*plants, zone=zone, zone_years=[year], **case)


def firm(usd_per_kw: float, **values: Any) -> tuple[str, Row, Row]:
    """Capacity of any size for a year, too dear to run."""
    usual = {
        "block_mw": 10,
        "max_blocks": 20,
        "integer": False,
        "life_years": 1,
        "firm_credit_share": 1.0,
        "variable_om_usd_per_mwh": 1000,
        "capex_usd_per_kw": usd_per_kw,
    }
    return plant("firm", **(usual | values))


@pytest.mark.parametrize("place", [{"site": "campus"}, {"zone": "valley"}])
def test_the_project_brings_the_capacity_it_owes(place: Row) -> None:
    # 80 MW of credit at 0.8 are 100 MW at 100 US$/kW
    plan = solved(obliged(firm(100, firm_credit_share=0.8, **place), headroom=30))
    assert plan.objective_usd == pytest.approx(GRID_USD + 10_000_000)


def test_capacity_planned_anyway_is_not_accredited() -> None:
    with pytest.raises(Infeasible):
        solved(obliged(firm(100, planned_without_project=True)))


def test_without_a_curve_no_capacity_can_be_bought() -> None:
    with pytest.raises(Infeasible):
        solved(obliged(firm(100, max_blocks=9), price=60))


def test_the_peak_is_that_of_the_whole_series() -> None:
    # the periods see 50 MW, the series knows an hour of 80 MW, and the obligation is 1.1 * 80 MW
    plan = solved(
        obliged(
            firm(100),
            headroom=0,
            site={"utilisation_series": "use"},
            series={"use": ("utilisation", [0.5, 0.5, 0.5, 0.8])},
            periods=[
                {"resolution": "all", "period": "p", "start_hour": 0, "hours": 2, "occurrences_per_year": 4380.0},
            ],
        )
    )
    assert plan.objective_usd == pytest.approx(50 * 50 * 8760 + 88_000 * 100)


def test_an_island_owes_no_capacity() -> None:
    island = plant("island", block_mw=100, variable_om_usd_per_mwh=20)
    assert per_hour(obliged(island, headroom=0, site={"existing_poi_mw": 0.0})) == pytest.approx(100 * 20)


def curve(*points: tuple[float, float]) -> list[Row]:
    return [
        {"zone": "valley", "shortfall_mw": mw, "price_change_usd_per_kw_year": rise}
        for mw, rise in ((0.0, 0.0), *points)
    ]


#: 60 US$/kW-year, 20 more at 50 MW and 100 more at 100 MW: 80 for each of the first 50 MW, and for the others
#: 60 + (100 * 100 - 50 * 20) / 50 = 240.
CAPACITY = curve((50, 20), (100, 100))


@pytest.mark.parametrize(
    ("per_kw", "usd"), [(70, 100_000 * 70), (100, 50_000 * 80 + 50_000 * 100), (250, 50_000 * 80 + 50_000 * 240)]
)
def test_capacity_bought_along_a_curve(per_kw: float, usd: float) -> None:
    plan = solved(obliged(firm(per_kw), price=60, capacity_price_curve=CAPACITY))
    assert plan.objective_usd == pytest.approx(GRID_USD + usd)


@pytest.mark.parametrize(("per_kw", "usd"), [(400, 50_000 * 100 + 50_000 * 400), (450, 100_000 * 60 + 20_100_000)])
def test_a_capped_capacity_price_fills_its_segments_in_order(per_kw: float, usd: float) -> None:
    # payments of 2, 12 and 20.1 M$ at 50, 60 and 100 MW: the middle segment costs 1000 US$/kW, the last 202.5;
    # at 450 US$/kW half and half would cost 27.5 M$, all of it 26.1 M$
    capped = curve((50, 40), (60, 200), (100, 201))
    plan = solved(obliged(firm(per_kw), price=60, capacity_price_curve=capped))
    assert plan.objective_usd == pytest.approx(GRID_USD + usd)


@pytest.mark.parametrize(("per_kw", "usd"), [(250, 100_000 * 250), (300, 50_000 * 280 + 50_000 * 300)])
def test_locals_are_made_whole_for_the_capacity_price(per_kw: float, usd: float) -> None:
    # 1000 MW of locals, half hedged: 0.4 US$/kW-year for each of the first 50 MW is 500,000 * 0.4 = 200,000 US$ per MW,
    # on top of 80 US$/kW
    homes = {"hedged_share": 0.5, "capacity_obligation_mw": 1000.0}
    case = obliged(
        firm(per_kw),
        price=60,
        capacity_price_curve=CAPACITY,
        utility={"regime": "market"},
        classes={"homes": homes},
    )
    assert solved(case).objective_usd == pytest.approx(GRID_USD + usd)


def test_a_cost_of_service_utility_buys_the_capacity() -> None:
    # 100 MW cost it 16 M$ and energy 43.8; at 60 US$/MWh the bill is 52.56 M$, 7.24 M$ short
    case = obliged(
        price=60,
        capacity_price_curve=CAPACITY,
        utility={},
        tariff={"energy_usd_per_mwh": 60.0},
        classes={"homes": {"bill_credit_share": 1.0}},
    )
    plan = solved(case)
    assert plan.objective_usd == pytest.approx(GRID_USD + 16_000_000)
    assert cost(plan, "capacity_purchases") == 0
    assert cost(plan, "make_whole") == pytest.approx(7_240_000)
