"""Network: points of interconnection, corridors with losses, limits of a zone, and stacks of supply.

Costs are compared per hour of the year, US$/h, because all of these cases are the same in every hour.
"""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, plant, solved, toy

from optimizer.instance import Instance
from optimizer.solve import Infeasible


def per_hour(instance: Instance) -> float:
    return solved(instance).objective_usd / 8760


#: Reserve behind the meter for what the grid cannot bring, 100 MW at 100 US$/MWh.
GAS = plant("gas", block_mw=100, variable_om_usd_per_mwh=100)


# -- points of interconnection ----------------------------------------------------------------------------


@pytest.mark.parametrize(("capex", "built"), [(109, 3), (110, 2)])
def test_a_poi_grows_by_whole_circuits(capex: float, built: int) -> None:
    # 10 MW and circuits of 40 MW: the third is used for 10 MW, worth 10,000 kW * 50 US$ * 8.76 = 4.38 M$, and costs
    # 4.36 or 4.4 M$
    poi = plant("poi", kind="wires", block_mw=40, max_blocks=3, capex_usd_per_kw=capex, life_years=1)
    plan = solved(toy(poi, GAS, site={"existing_poi_mw": 10.0}))
    bought = min(100, 10 + 40 * built)
    operation = (bought * 50 + (100 - bought) * 100) * 8760
    assert plan.objective_usd == pytest.approx(operation + built * 40_000 * capex)


def test_upkeep_of_own_wires() -> None:
    poi = plant("poi", kind="wires", block_mw=100, fixed_om_usd_per_kw_year=10)
    assert solved(toy(poi, site={"existing_poi_mw": 0.0})).objective_usd == pytest.approx(43_800_000 + 1_000_000)


@pytest.mark.parametrize(("allowed", "exported"), [(True, 15), (False, 0)])
def test_export_within_the_poi(allowed: bool, exported: float) -> None:
    # 30 MW at 20 US$/MWh for a load of 10 MW; the POI takes 15 MW of the rest
    own = plant("own", block_mw=30, variable_om_usd_per_mwh=20)
    case = toy(own, it_mw=10, site={"existing_poi_mw": 15.0, "export_allowed": allowed})
    assert per_hour(case) == pytest.approx(10 * 20 - exported * (50 - 20))


def test_export_through_a_funded_poi() -> None:
    own = plant("own", block_mw=30, variable_om_usd_per_mwh=20)
    poi = plant("poi", kind="wires", block_mw=5)
    case = toy(own, poi, it_mw=10, site={"existing_poi_mw": 10.0, "export_allowed": True})
    assert per_hour(case) == pytest.approx(10 * 20 - 15 * (50 - 20))


# -- corridors --------------------------------------------------------------------------------------------


def market(price: float) -> dict[str, Any]:
    """Another price zone."""
    return {
        "series": {"market price": ("price", [price] * 4)},
        "zones": [{"zone": "market", "supply": "price", "price_series": "market price", "grid_co2_t_per_mwh": 0.5}],
    }


def corridor(*, reverse: bool = False, **values: Any) -> dict[str, Any]:
    ends = ("valley", "market") if reverse else ("market", "valley")
    return {"corridors": [{"corridor": "path", "from_zone": ends[0], "to_zone": ends[1], **values}]}


@pytest.mark.parametrize("reverse", [False, True])
def test_rent_between_two_price_zones(reverse: bool) -> None:
    # sent at 20, a tenth lost, sold at 50: 0.9 * 50 - 20 = 25 US$ per MWh sent
    case = toy(**market(20), **corridor(reverse=reverse, existing_mw=40.0, loss_share=0.1))
    assert per_hour(case) == pytest.approx(100 * 50 - 40 * 25)


def test_no_rent_where_losses_eat_it() -> None:
    case = toy(**market(46), **corridor(existing_mw=40.0, loss_share=0.1))
    assert per_hour(case) == pytest.approx(100 * 50)


def test_a_funded_circuit_earns_the_rent_in_both_directions() -> None:
    # the market is 30 US$/MWh cheaper for two hours, 30 dearer for two; 10 MW at 1 M$ for the year
    path = plant("circuit", kind="wires", corridor="path", capex_usd_per_kw=100, life_years=1)
    other = market(0) | {"series": {"market price": ("price", [20.0, 20, 80, 80])}}
    plan = solved(toy(path, **other, **corridor()))
    assert plan.objective_usd == pytest.approx((100 * 50 - 10 * 30) * 8760 + 1_000_000)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_zone_without_supply_buys_over_its_corridor(reverse: bool) -> None:
    # 125 MW sent at 20 US$/MWh leave 100; 100 MW of them are there, the circuit of 50 MW costs 5 M$
    path = plant("circuit", kind="wires", corridor="path", block_mw=50, capex_usd_per_kw=100, life_years=1)
    far: Row = {"supply": "none", "price_series": None}
    case = toy(path, zone=far, **market(20), **corridor(reverse=reverse, existing_mw=100.0, loss_share=0.2))
    assert solved(case).objective_usd == pytest.approx(125 * 20 * 8760 + 5_000_000)


def test_a_zone_without_supply_balances_sites_and_zone_plant() -> None:
    # plant in the zone at 15 US$/MWh serves the campus, and sends 20 MW to the market: 0.8 * 20 = 16 US$/MWh
    far: Row = {"supply": "none", "price_series": None}
    wind = plant("wind", zone="valley", block_mw=120, variable_om_usd_per_mwh=15)
    case = toy(wind, zone=far, **market(20), **corridor(existing_mw=100.0, loss_share=0.2))
    assert per_hour(case) == pytest.approx(120 * 15 - 20 * 16)


# -- limits of a price zone -------------------------------------------------------------------------------


def test_the_most_a_zone_can_sell_to_the_project() -> None:
    assert per_hour(toy(GAS, zone={"max_net_purchase_mw": 60.0})) == pytest.approx(60 * 50 + 40 * 100)


def test_the_most_a_zone_can_buy_from_the_project() -> None:
    # 300 MW of plant in the zone at 20 US$/MWh: 100 for the campus and 50 for the zone
    wind = plant("wind", zone="valley", block_mw=300, variable_om_usd_per_mwh=20)
    case = toy(wind, zone={"max_net_sale_mw": 50.0})
    assert per_hour(case) == pytest.approx(100 * 50 - 150 * (50 - 20))


def test_plant_in_the_zone_lets_the_site_draw_more() -> None:
    # 60 MW net of 30 MW of wind that loses 10 US$/MWh at the market, less than the 50 US$/MWh that gas costs more
    wind = plant("wind", zone="valley", block_mw=30, variable_om_usd_per_mwh=60)
    case = toy(GAS, wind, zone={"max_net_purchase_mw": 60.0})
    assert per_hour(case) == pytest.approx(90 * 50 + 10 * 100 + 30 * (60 - 50))


# -- stacks -----------------------------------------------------------------------------------------------


def stack(*plants: tuple[str, Row, Row], energy: float, it_mw: float = 80.0, **case: Any) -> Instance:
    """60 MW of local load, supply of 100 MW at 10 and 100 MW at 40 US$/MWh; the campus pays ``energy`` US$/MWh."""
    zone = {"supply": "stack", "utility": "town", "local_load_series": "locals", "price_series": None}
    series = {"locals": ("local_load", [60.0] * 4), **case.pop("series", {})}
    return toy(
        *plants,
        it_mw=it_mw,
        zone=zone | case.pop("zone", {}),
        series=series,
        utility={},
        tariff={"energy_usd_per_mwh": energy},
        classes={"homes": {"bill_credit_share": 1.0}},
        supply_blocks=[
            {"zone": "valley", "block": "hydro", "capacity_mw": 100.0, "marginal_cost_usd_per_mwh": 10.0},
            {"zone": "valley", "block": "peaker", "capacity_mw": 100.0, "marginal_cost_usd_per_mwh": 40.0},
        ],
        **case,
    )


@pytest.mark.parametrize(("energy", "usd"), [(20, 2000), (30, 2400)])
def test_a_stack_serves_locals_and_sites(energy: float, usd: float) -> None:
    # With the project 100 * 10 + 40 * 40, without 60 * 10: 2000 US$/h more. The campus pays 1600 or 2400 US$/h; what
    # is missing makes locals whole.
    plan = solved(stack(energy=energy))
    assert plan.objective_usd / 8760 == pytest.approx(usd)


def test_a_stack_that_is_too_small() -> None:
    with pytest.raises(Infeasible):
        solved(stack(energy=20, it_mw=141, site={"existing_poi_mw": 200.0}))


def test_own_plant_in_a_stack_zone_is_paid_the_buyback_rate() -> None:
    # 30 MW at 15, paid 20 US$/MWh: supply costs 100 * 10 + 10 * 40 - 600 = 800 more, buyback 600; the bill of 1600 is
    # enough, and the plant earns 150
    wind = plant("wind", zone="valley", block_mw=30, variable_om_usd_per_mwh=15)
    assert per_hour(stack(wind, energy=20, zone={"buyback_usd_per_mwh": 20.0})) == pytest.approx(1600 - 150)


def test_contributed_plant_in_a_stack_zone_displaces_supply() -> None:
    # 3 M$ for 30 MW that the utility runs at 15 US$/MWh: 800 + 450 = 1250 US$/h of cost, covered by the bill of 1600;
    # without it the campus would pay 400 * 8760 = 3.504 M$ to make locals whole
    values: Row = {"zone": "valley", "utility": "town", "funding_modes": "contribution", "block_mw": 30}
    wind = plant("wind", capex_usd_per_kw=100, variable_om_usd_per_mwh=15, **values)
    plan = solved(stack(wind, energy=20))
    assert plan.objective_usd == pytest.approx(1600 * 8760 + 3_000_000)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_utility_buys_for_its_stack_over_a_corridor(reverse: bool) -> None:
    # 30 MW sent at 25 US$/MWh, 27 arrive: 100 * 10 + 13 * 40 - 600 + 750 = 1670 US$/h instead of 2000
    case = stack(energy=20, **market(25), **corridor(reverse=reverse, existing_mw=30.0, loss_share=0.1))
    assert per_hour(case) == pytest.approx(1670)


@pytest.mark.parametrize(("pays", "usd"), [(18, 37.5), (14, 150)])
def test_export_to_a_stack_is_paid_by_the_utility(pays: float, usd: float) -> None:
    # 50 MW at 15 US$/MWh serve the campus' 10 MW and may go to the utility at 18 US$/MWh. The first 10 MW spare it
    # peakers at 40: 220 US$/h of gain. Further export spares hydro at 10 and costs it 8 US$/MWh, so 27.5 MW use the
    # gain up; beyond, 18 - 15 - 8 < 0. In all 47.5 * 15 - 37.5 * 18. At 14 US$/MWh there is no export.
    wind = plant("wind", block_mw=50, variable_om_usd_per_mwh=15)
    case = stack(
        wind,
        energy=20,
        it_mw=10,
        site={"existing_poi_mw": 40.0, "export_allowed": True},
        series={"locals": ("local_load", [110.0] * 4)},
        tariffs=[
            {"tariff": "large", "utility": "town", "energy_usd_per_mwh": 20.0, "export_usd_per_mwh": pays},
        ],
    )
    assert per_hour(case) == pytest.approx(usd)
