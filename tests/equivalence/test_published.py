"""Published cases with known optima.

Garver's six-bus system, transport model. Data: L. L. Garver, "Transmission Network Estimation Using Linear
Programming", IEEE Trans. PAS-89 (1970) 1688-1697; limits, costs (thousand US$ of the paper) and optima as tabulated in
R. Romero, A. Monticelli, A. Garcia, S. Haffner, "Test systems and mathematical models for transmission network
expansion planning", IEE Proc.-Gener. Transm. Distrib. 149 (2002) 27-36: 200 with the generation of the table, 110 when
generation may be rescheduled.

Screening curves: with load levels that last d hours a year, a technology of fixed cost f (US$/MW-year) and running cost
c (US$/MWh) serves a MW at f + c d, and the cheapest mix takes for each slice of load the technology with the lowest
line (S. Stoft, "Power System Economics", IEEE Press 2002, part 2; D. Kirschen, G. Strbac, "Fundamentals of Power System
Economics", Wiley 2004, chapter 7). The optimum is known in closed form; the figures here are round ones of our own.

Long-term equilibrium of coal, gas and load shedding on the load duration curve 1000 - 1000 z: data and optimum (the
screening curves meet at 0.01 and 0.5) as published with PyPSA, examples/generation-investment-screening-curve.py.

LandS: F. V. Louveaux, Y. Smeers, "Optimal Investments for Electricity Generation: A Stochastic Model and a Test
Problem", in Ermoliev, Wets (eds), Numerical Techniques for Stochastic Optimization Problems, Springer 1988, 445-452;
data and optimum (381.85, capacities 8/3, 4, 10/3, 2) as in J. R. Birge, F. Louveaux, "Introduction to Stochastic
Programming", Springer, section 1.3. Its layers of the load duration curve are hours here, its three demands weights.
"""

from __future__ import annotations

from typing import Any

import pytest
from toy import Row, asset, blocks, plant, solved, toy

from optimizer.instance import Instance

#: Bus -> load, generation of the table, largest generation, MW.
BUSES = {
    1: (80, 50, 150),
    2: (240, 0, 0),
    3: (40, 165, 360),
    4: (160, 0, 0),
    5: (240, 0, 0),
    6: (0, 545, 600),
}
#: Right of way -> circuits there, capacity of a circuit (MW), cost of a circuit.
RIGHTS_OF_WAY = {
    (1, 2): (1, 100, 40), (1, 3): (0, 100, 38), (1, 4): (1, 80, 60), (1, 5): (1, 100, 20), (1, 6): (0, 70, 68),
    (2, 3): (1, 100, 20), (2, 4): (1, 100, 40), (2, 5): (0, 100, 31), (2, 6): (0, 100, 30), (3, 4): (0, 82, 59),
    (3, 5): (1, 100, 20), (3, 6): (0, 100, 48), (4, 5): (0, 75, 63), (4, 6): (0, 100, 30), (5, 6): (0, 78, 61),
}  # fmt: skip


def garver(*, rescheduled: bool) -> Instance:
    """Buses as zones without supply, each with a campus of its load behind an ample POI; running costs nothing."""
    plants: list[tuple[str, Row, Row]] = []
    corridors: list[Row] = []
    for (start, end), (there, mw, cost) in RIGHTS_OF_WAY.items():
        name = f"{start}-{end}"
        corridors.append(
            {"corridor": name, "from_zone": f"bus {start}", "to_zone": f"bus {end}", "existing_mw": there * mw}
        )
        # a thousand of the paper is 1 M$; written off within the year, so that cost is capital spent
        usd_per_kw = 1e6 * cost / (1000 * mw)
        circuit = {"block_mw": mw, "max_blocks": 5, "capex_usd_per_kw": usd_per_kw, "life_years": 1}
        plants.append(plant(f"circuit {name}", kind="wires", corridor=name, **circuit))
    for bus, (_, fixed, most) in BUSES.items():
        mw = most if rescheduled else fixed
        if mw:
            plants.append(asset(f"units {bus}", zone=f"bus {bus}", unit_mw=mw))
    loads = {bus: load for bus, (load, *_) in BUSES.items() if load}
    site = {"existing_poi_mw": 1000.0, "availability_target": 1.0}
    total = float(sum(loads.values()))
    zones = [{"zone": f"bus {bus}", "supply": "none"} for bus in BUSES]
    instance: dict[str, Any] = {
        "zones": zones,
        "sites": [{"site": f"load {bus}", "zone": f"bus {bus}", **site} for bus in loads],
        "site_years": [
            {"site": f"load {bus}", "year": 2026, "floor_mw": mw, "ceiling_mw": mw} for bus, mw in loads.items()
        ],
        "corridors": corridors,
        "compute_demand": [{"year": 2026, "it_mw": total + 1.0}],
    }
    # the base campus of the toy stands apart, at a market of its own
    return toy(*plants, it_mw=1.0, price=0, **instance)


@pytest.mark.parametrize(("rescheduled", "cost"), [(False, 200), (True, 110)])
def test_garver_six_bus_transport_model(rescheduled: bool, cost: float) -> None:
    plan = solved(garver(rescheduled=rescheduled))
    assert plan.objective_usd == pytest.approx(cost * 1e6)


#: Load by hours of the year: each quarter of the year one level, MW.
LEVELS = [100.0, 200.0, 300.0, 400.0]
#: Fixed cost (US$/MW-year), running cost (US$/MWh).
TWO = {"gas turbine": (40_000.0, 45.0), "coal": (110_000.0, 18.0)}
#: A third technology between two takes the middle of the curve.
THREE = {"peaker": (30_000.0, 80.0), "combined cycle": (60_000.0, 40.0), "nuclear": (180_000.0, 8.0)}


def screening_cost(technologies: dict[str, tuple[float, float]]) -> tuple[float, dict[str, float]]:
    """Least cost and mix in closed form: slice by slice of the load duration curve."""
    total, mix = 0.0, dict.fromkeys(technologies, 0.0)
    for position, level in enumerate(LEVELS):
        height = level - (LEVELS[position - 1] if position else 0.0)
        hours = 8760 * (len(LEVELS) - position) / len(LEVELS)
        lines = {name: fixed + running * hours for name, (fixed, running) in technologies.items()}
        best = min(lines, key=lambda name: lines[name])
        total += height * lines[best]
        mix[best] += height
    return total, mix


@pytest.mark.parametrize("technologies", [TWO, THREE], ids=["two technologies", "three technologies"])
def test_screening_curves(technologies: dict[str, tuple[float, float]]) -> None:
    plants = [
        plant(
            name, block_mw=1.0, max_blocks=1000, integer=False, life_years=1, capex_usd_per_kw=fixed / 1000,
            variable_om_usd_per_mwh=running,
        )
        for name, (fixed, running) in technologies.items()
    ]  # fmt: skip
    use = [level / max(LEVELS) for level in LEVELS]
    case = toy(
        *plants,
        it_mw=max(LEVELS),
        series={"use": ("utilisation", use)},
        site={"existing_poi_mw": 0.0, "utilisation_series": "use"},
    )
    plan = solved(case)
    cost, mix = screening_cost(technologies)
    assert plan.objective_usd == pytest.approx(cost)
    built = {name: blocks(plan).get((name, "own", 2026), 0.0) for name in technologies}
    assert built == pytest.approx(mix)


def test_pypsa_screening_curve_example() -> None:
    """Fixed costs per MW and hour 15, 10, 0, running costs 2, 12, 1012: coal 500, gas 490, shedding 10 MW."""
    levels = 1001
    published = {"coal": (15.0, 2.0, 500.0), "gas": (10.0, 12.0, 490.0), "shedding": (0.0, 1012.0, 10.0)}
    plants = [
        plant(
            name, block_mw=1.0, max_blocks=2000, integer=False, life_years=1, capex_usd_per_kw=fixed * 8760 / 1000,
            variable_om_usd_per_mwh=running,
        )
        for name, (fixed, running, _) in published.items()
    ]  # fmt: skip
    case = toy(
        *plants,
        hours=levels,
        it_mw=1000.0,
        series={"use": ("utilisation", [1 - z / (levels - 1) for z in range(levels)])},
        site={"existing_poi_mw": 0.0, "utilisation_series": "use"},
    )
    plan = solved(case)
    used = plan.tables["resource_operation"].groupby("resource")["generation_mw"].max()
    for name, (*_, mw) in published.items():
        assert used[f"{name} [own]"] == pytest.approx(mw, abs=1.0)  # the curve comes in steps of 1 MW
    built = blocks(plan)
    assert built["coal", "own", 2026] == pytest.approx(500, abs=1.0)
    assert built["gas", "own", 2026] == pytest.approx(490, abs=1.0)


#: Hours of the year for one unit of the paper's time.
HOURS_PER_TENTH = 876.0
#: Investment cost, and operating cost in the mode that lasts ten units of time.
LANDS = {"plant 1": (10.0, 40.0), "plant 2": (7.0, 45.0), "plant 3": (16.0, 32.0), "plant 4": (6.0, 55.0)}
#: Demand of each mode, and of the first mode by probability; the modes last 10, 6 and 1.
LANDS_BASE, LANDS_LAYERS = {3.0: 0.3, 5.0: 0.4, 7.0: 0.3}, (3.0, 2.0)


def test_louveaux_and_smeers_two_stage_investment() -> None:
    """Capacities before demand is known; at least 12 in all, no more than 120 to spend; M$ for money, MW for units."""
    first, second = LANDS_LAYERS
    loads, weights = [], []
    for base, probability in LANDS_BASE.items():
        for load, lasts in ((base, 4.0), (base + first, 5.0), (base + first + second, 1.0)):
            loads.append(load)
            weights.append(probability * lasts * HOURS_PER_TENTH)
    plants = [
        plant(
            name, block_mw=1.0, max_blocks=100, integer=False, life_years=1, capex_usd_per_kw=1000 * cost,
            variable_om_usd_per_mwh=1e6 * running / 10 / HOURS_PER_TENTH, firm_credit_share=1.0,
        )
        for name, (cost, running) in LANDS.items()
    ]  # fmt: skip
    case = toy(
        *plants,
        hours=len(loads),
        it_mw=12.0,
        series={"use": ("utilisation", [load / 12 for load in loads])},
        site={"existing_poi_mw": 0.0, "utilisation_series": "use", "adequacy_margin": 0.0},
        periods=[
            {"resolution": "all", "period": f"h{k}", "start_hour": k, "hours": 1, "occurrences_per_year": weight}
            for k, weight in enumerate(weights)
        ],
        budgets=[{"scope": "portfolio", "year": 2026, "max_capex_usd": 120e6}],
    )
    plan = solved(case)
    assert plan.objective_usd / 1e6 == pytest.approx(381.8533, abs=1e-4)
    built = [blocks(plan)[name, "own", 2026] for name in LANDS]
    assert built == pytest.approx([8 / 3, 4, 10 / 3, 2], abs=1e-4)
