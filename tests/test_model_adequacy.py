"""Adequacy: firm capacity with a margin, with the largest unit out, and storage that smooths the load."""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, asset, plant, solved, toy

from optimizer.instance import Instance


def units(name: str = "units", **values: Any) -> tuple[str, Row, Row]:
    """Free energy in units of 30 MW at 1 US$/kW, 27 MW of each firm; written off in the year."""
    usual = {"block_mw": 30, "max_blocks": 20, "capex_usd_per_kw": 1, "life_years": 1, "firm_credit_share": 0.9}
    return plant(name, **(usual | values))


def island(*plants: tuple[str, Row, Row], **site: Any) -> Instance:
    return toy(*plants, site={"existing_poi_mw": 0.0, **site})


@pytest.mark.parametrize(
    ("rule", "built"),
    [
        ({}, 4),  # 4 * 30 MW serve 100 MW
        ({"adequacy_margin": 0.0}, 4),  # 4 * 27 = 108
        ({"adequacy_margin": 0.2}, 5),  # 5 * 27 = 135 for 120
        ({"adequacy_margin": 0.0, "n_minus_1": True}, 5),  # 135 less 27 for 100
        ({"adequacy_margin": 0.5, "n_minus_1": True}, 6),  # 162 for 150; the margin and the outage do not add up
    ],
)
def test_firm_capacity(rule: Row, built: int) -> None:
    assert solved(island(units(), **rule)).objective_usd == pytest.approx(30_000 * built)


def test_the_peak_includes_cooling_at_its_worst() -> None:
    # 100 MW of IT with a PUE of 1.5 in the hour that no period sees: 6 * 27 = 162 for 150
    case = toy(
        units(),
        site={"existing_poi_mw": 0.0, "adequacy_margin": 0.0, "pue_series": "pue"},
        series={"pue": ("pue", [1.0, 1.0, 1.0, 1.5])},
        periods=[{"resolution": "all", "period": "p", "start_hour": 0, "hours": 2, "occurrences_per_year": 4380.0}],
    )
    assert solved(case).objective_usd == pytest.approx(30_000 * 6)


def test_the_firm_share_of_the_poi() -> None:
    # half of 100 MW: 3 * 27 = 81 for the other 70; energy from the units is free
    case = toy(units(), site={"adequacy_margin": 0.2, "firm_poi_share": 0.5}, price=0)
    assert solved(case).objective_usd == pytest.approx(30_000 * 3)


def test_a_funded_poi_is_firm_too() -> None:
    # 120 MW of POI at 0.9: 108 for 100; 90 MW would not do
    poi = plant("poi", kind="wires", block_mw=30, max_blocks=20, capex_usd_per_kw=1, life_years=1)
    case = toy(poi, price=0, site={"existing_poi_mw": 0.0, "adequacy_margin": 0.0, "firm_poi_share": 0.9})
    assert solved(case).objective_usd == pytest.approx(30_000 * 4)


def test_storage_and_existing_plant_count_by_their_credit() -> None:
    # 20 MW of the old plant at 0.5 and a free store of 10 MW at 0.4: 14 of 100, so 4 * 27 = 108 for the other 86
    old = asset("old", unit_mw=20, firm_credit_share=0.5)
    store = plant("store", kind="storage", min_duration_hours=1, max_duration_hours=1, firm_credit_share=0.4)
    small = units(firm_credit_share=0.45, block_mw=60)
    assert solved(island(units(), old, store, adequacy_margin=0.22)).objective_usd == pytest.approx(30_000 * 4)
    # 122 - 14 = 108 is just met; 60 MW at 0.45 are as firm as 30 at 0.9 and twice as dear
    assert solved(island(small, old, store, adequacy_margin=0.22)).objective_usd == pytest.approx(60_000 * 4)


def big_and_small(*, big_usd: float) -> list[tuple[str, Row, Row]]:
    big = units("big", block_mw=60, capex_usd_per_kw=big_usd, firm_credit_share=1.0)
    small = units("small", block_mw=20, capex_usd_per_kw=120, firm_credit_share=1.0)
    return [big, small]


@pytest.mark.parametrize(
    ("n_minus_1", "big_usd", "usd"),
    [
        # any mix of 100 MW: 60 + 2 * 20 MW
        (False, 100, 60_000 * 100 + 40_000 * 120),
        # a big unit is lost, so five small ones beside it, or three big ones: 18 M$; six small ones: 14.4 M$
        (True, 100, 120_000 * 120),
        # three big ones for 180 MW at 70 US$/kW
        (True, 70, 180_000 * 70),
    ],
)
def test_the_largest_unit_depends_on_what_is_built(n_minus_1: bool, big_usd: float, usd: float) -> None:
    plan = solved(island(*big_and_small(big_usd=big_usd), adequacy_margin=0.0, n_minus_1=n_minus_1))
    assert plan.objective_usd == pytest.approx(usd)


@pytest.mark.parametrize(("circuit", "built"), [(0, 0), (20, 1), (50, 2), (100, 4)])
def test_the_largest_circuit_of_the_existing_poi(circuit: float, built: int) -> None:
    # 100 MW of POI for 100 MW: units of 27 MW make up for the circuit, or for one of them where the circuit is smaller
    site = {"adequacy_margin": 0.0, "n_minus_1": True, "poi_circuit_mw": float(circuit)}
    assert solved(toy(units(), price=0, site=site)).objective_usd == pytest.approx(30_000 * built)


def test_a_circuit_counts_with_its_firm_share() -> None:
    # 0.8 * 100 MW of POI, of which a circuit of 50 MW is 40: 60 MW are missing
    site = {"adequacy_margin": 0.0, "n_minus_1": True, "poi_circuit_mw": 50.0, "firm_poi_share": 0.8}
    assert solved(toy(units(), price=0, site=site)).objective_usd == pytest.approx(30_000 * 3)


def test_the_largest_unit_may_be_a_funded_circuit() -> None:
    # circuits of 60 MW: two serve 100 MW, three stand the loss of one
    poi = plant("poi", kind="wires", block_mw=60, max_blocks=20, capex_usd_per_kw=1, life_years=1)
    site = {"existing_poi_mw": 0.0, "adequacy_margin": 0.0, "n_minus_1": True}
    assert solved(toy(poi, price=0, site=site)).objective_usd == pytest.approx(60_000 * 3)


def test_the_rule_holds_every_year() -> None:
    # units live a year: 4 for 100 MW, 8 for 200 MW
    case = toy(
        units(),
        years=[2026, 2027],
        it_mw=[100, 200],
        site={"existing_poi_mw": 0.0, "adequacy_margin": 0.0},
    )
    assert solved(case).objective_usd == pytest.approx(30_000 * (4 + 8))


def test_storage_that_smooths_the_load() -> None:
    # 0.3 MW per MW of IT, whatever the PUE: 30 MW at 1 US$/kW
    store = plant(
        "store",
        kind="storage",
        min_duration_hours=1,
        max_duration_hours=1,
        max_blocks=20,
        capex_usd_per_kw=1,
        life_years=1,
    )
    case = toy(
        store,
        price=0,
        site={"smoothing_storage_share": 0.3, "existing_poi_mw": 150.0, "pue_series": "pue"},
        series={"pue": ("pue", [1.5] * 4)},
    )
    assert solved(case).objective_usd == pytest.approx(30_000)


def test_a_speck_of_a_block_is_no_unit() -> None:
    # 15 W short: half a millionth of a block is funded, which the checker does not take for a unit of 30 MW
    site = {"existing_poi_mw": 99.999985, "adequacy_margin": 0.0}
    plan = solved(toy(units(integer=False), price=0, site=site))
    assert 0 < plan.allocation["blocks"].sum() < 1e-6
    assert plan.tables["adequacy"]["largest_mw"].tolist() == [0.0]
