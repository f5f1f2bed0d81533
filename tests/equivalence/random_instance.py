"""Random small instances of what both models can state, by seed."""

from __future__ import annotations

import random
from typing import Any

from toy import Row, asset, plant, toy

from optimizer.instance import Instance


def random_instance(seed: int) -> Instance:
    """One or two campuses for one to three years, with features switched on and off by the seed."""
    chance = random.Random(seed)
    on = lambda share: chance.random() < share  # noqa: E731
    years = tuple(range(2026, 2026 + chance.choice([1, 2, 3])))
    hours = chance.choice([4, 6])
    whole = on(0.5)
    demand = sorted(chance.choice([40.0, 80.0, 100.0, 120.0]) for _ in years)
    served = on(0.5)
    case: dict[str, Any] = {
        "years": years,
        "hours": hours,
        "it_mw": demand,
        "price": [float(chance.randint(5, 120)) for _ in range(hours)],
        "series": {"sun": ("availability", [round(chance.random(), 2) for _ in range(hours)])},
        "site": {
            "existing_poi_mw": float(chance.choice([30, 60, 100])),
            "availability_target": chance.choice([0.9, 1.0]),
        },
        "finance": {"discount_rate": chance.choice([0.0, 0.05, 0.08])},
        "compute": {"unserved_usd_per_mwh": float(chance.choice([800, 3000]))},
        "manifest": {"last_year_represents": chance.choice([1, 4])},
        "zone": {"grid_co2_t_per_mwh": 0.4},
        "site_year": {"contract_mw": demand[-1]},
    }
    plants = _plants(chance, years, whole, served)
    if on(0.4):
        top = 8760 * demand[-1] * 0.4
        case["policy"] = [{"year": y, "co2_cap_t": round(top * chance.uniform(0.5, 1.1))} for y in years]
    if on(0.3):
        case["budgets"] = [
            {"scope": "portfolio", "year": years[0], "max_capex_usd": float(chance.choice([20e6, 60e6]))}
        ]
    if served:
        case |= _utility(chance)
    elif on(0.6):
        plants += _second_zone(chance, case, hours, whole)
    if len(years) > 1 and on(0.5):
        case["zone_years"] = [
            {"zone": "valley", "year": y, "price_factor": round(chance.uniform(0.8, 1.3), 2)} for y in years
        ]
    return toy(*plants, **case)


def _plants(chance: random.Random, years: tuple[int, ...], whole: bool, served: bool) -> list[tuple[str, Row, Row]]:
    engine = plant(
        "engine", block_mw=20, max_blocks=10, capex_usd_per_kw=chance.choice([300, 900]), integer=whole,
        variable_om_usd_per_mwh=float(chance.randint(20, 80)), life_years=chance.choice([2, 20]),
        forced_outage_rate=chance.choice([0.0, 0.1]),
    )  # fmt: skip
    sun = plant(
        "sun", block_mw=25, max_blocks=6, capex_usd_per_kw=chance.choice([200, 700]), integer=whole,
        availability_series="sun", life_years=25,
    )  # fmt: skip
    store = plant(
        "store", kind="storage", block_mw=10, max_blocks=8, capex_usd_per_kw=chance.choice([50, 200]), integer=whole,
        min_duration_hours=2, max_duration_hours=2, charge_efficiency=0.9, discharge_efficiency=0.95, life_years=15,
        variable_om_usd_per_mwh=1.0,
    )  # fmt: skip
    modes = {"funding_modes": "own;contribution;utility", "utility": "town"} if served else {}
    poi = plant(
        "poi", kind="wires", block_mw=30, max_blocks=4, capex_usd_per_kw=chance.choice([20, 150]), integer=whole,
        life_years=30, **modes,
    )  # fmt: skip
    old = asset("old", units=chance.choice([1, 3]), variable_om_usd_per_mwh=40.0)
    return [engine, *(p for p in (sun, store, poi, old) if chance.random() < 0.7)]


def _utility(chance: random.Random) -> dict[str, Any]:
    rating: Row = {
        "equity_share": 0.5, "return_on_equity_nominal": 0.1, "debt_rate_nominal": 0.05, "tax_rate": 0.25,
        "property_tax_and_insurance_share": 0.01, "contribution_tax_gross_up": 0.2,
        "make_whole_allowed": chance.random() < 0.8,
    }  # fmt: skip
    split = round(chance.uniform(0.2, 0.8), 2)
    classes = {
        "homes": {"bill_credit_share": split, "pools": split, "rate_tolerance_share": chance.choice([0.0, 0.02])},
        "trade": {"bill_credit_share": round(1 - split, 2), "pools": round(1 - split, 2)},
    }
    tariff = {
        "demand_usd_per_kw_month": float(chance.choice([0, 5, 12])),
        "energy_usd_per_mwh": float(chance.randint(20, 90)),
        "minimum_demand_share": chance.choice([0.0, 0.6]),
        "change_per_year": chance.choice([0.0, 0.02]),
    }
    return {"utility": rating, "classes": classes, "tariff": tariff, "rates": {"enforce": chance.random() < 0.85}}


def _second_zone(chance: random.Random, case: dict[str, Any], hours: int, whole: bool) -> list[tuple[str, Row, Row]]:
    """A zone with its own prices beyond a corridor with losses, which may be widened."""
    case["series"] |= {"hill price": ("price", [float(chance.randint(5, 120)) for _ in range(hours)])}
    case["zones"] = [{"zone": "hill", "supply": "price", "price_series": "hill price"}]
    case["corridors"] = [
        {
            "corridor": "path",
            "from_zone": "hill",
            "to_zone": "valley",
            "existing_mw": float(chance.choice([0, 40])),
            "loss_share": 0.04,
        }
    ]
    return [
        plant(
            "circuit", kind="wires", corridor="path", block_mw=50, max_blocks=2, integer=whole, life_years=40,
            capex_usd_per_kw=chance.choice([100, 600]),
        )
    ]  # fmt: skip
