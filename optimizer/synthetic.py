"""Made-up instances of any size, for tests and for measuring how time grows with sites, years and hours.

Every figure is invented, in the range of public cost studies, and stated below or in the tables of this file.

Four sites make a region with zones of its own, so that size grows in proportion to the sites:

===========  =============  ===============================  ========
site         zone           served by                        opens
===========  =============  ===============================  ========
1st          market         wires utility; buys at market    always
2nd          plains         cost-of-service utility          always
3rd          plains         nobody: an island                always
4th          plains         cost-of-service utility          optional
===========  =============  ===============================  ========

Both zones buy at one hourly price (28 US$/MWh with a daily swing of 14) that rises with the project's net purchase;
``plains`` asks for accredited capacity. A site ramps in equal steps to 200..600 MW of IT. It may build gas engines
(50 MW each), solar and batteries sized apart, a POI upgrade (contribution or utility-financed), and wind in its zone
(utility-financed too where a utility may own plant); a circuit may join the zones of a region. Local load swings
around 5 GW, sales are 40 TWh, homes pay 150 and trade 90 US$/MWh. Sun, wind and prices carry seeded noise.

Batteries begin and end every period alike. Periods shorter than a day cut nights in parts and let a battery cover each
part with a charge of its own, which is not enough for the whole night that a replay finds: at the island of
``synthetic(4, 2, hours=12, periods=2)`` 54 MWh are then missing. Ask for 24 hours where a plan is to be replayed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from optimizer.instance import Instance, make_instance
from optimizer.schema import POOLS, TABLES

Row = dict[str, Any]

FIRST_YEAR = 2026
YEAR_HOURS = 8760
CLASSES = {"homes": 0.6, "trade": 0.4}
TECHNOLOGIES: tuple[Row, ...] = (
    {"technology": "engine", "kind": "generator", "capex_usd_per_kw": 1500.0, "fixed_om_usd_per_kw_year": 20.0,
     "variable_om_usd_per_mwh": 6.0, "fuel": "gas", "heat_rate_mmbtu_per_mwh": 8.5, "life_years": 20,
     "forced_outage_rate": 0.04, "firm_credit_share": 0.95},
    {"technology": "sun", "kind": "generator", "capex_usd_per_kw": 1300.0, "fixed_om_usd_per_kw_year": 18.0,
     "life_years": 30, "lead_time_years": 1.0, "firm_credit_share": 0.3, "clean": True},
    {"technology": "wind", "kind": "generator", "capex_usd_per_kw": 1500.0, "fixed_om_usd_per_kw_year": 30.0,
     "life_years": 30, "lead_time_years": 1.0, "firm_credit_share": 0.15, "clean": True},
    {"technology": "battery", "kind": "storage", "capex_usd_per_kw": 300.0, "capex_usd_per_kwh": 220.0,
     "fixed_om_usd_per_kw_year": 10.0, "life_years": 15, "charge_efficiency": 0.92, "discharge_efficiency": 0.92,
     "min_duration_hours": 1.0, "max_duration_hours": 8.0, "firm_credit_share": 0.6},
    {"technology": "poi", "kind": "wires", "capex_usd_per_kw": 300.0, "life_years": 40, "cost_pool": "transmission"},
    {"technology": "line", "kind": "wires", "capex_usd_per_kw": 500.0, "life_years": 40, "cost_pool": "transmission"},
)  # fmt: skip


def synthetic(sites: int = 3, years: int = 3, hours: int = 24, periods: int = 2, seed: int = 0) -> Instance:
    """Make an instance.

    It is feasible by construction. Engines need no lead time, and twice a site's IT may be built of them, where its
    load (PUE 1.2), reserve margins (1.1) and outages (0.95) ask for 1.4 times: so every site can carry any load alone,
    within its adequacy rule, the zone's capacity obligation and a budget of 5 M$ a year per MW of IT. Compute demand
    is 0.9 of the ceilings, and make-whole payments, which have no limit, keep every class's rate flat.

    Parameters
    ----------
    sites
        Number of campuses; every four get zones and utilities of their own.
    years
        Planning years, from 2026 on.
    hours
        Hours of each representative period.
    periods
        Representative periods, each standing for an equal part of the year.
    seed
        Seed of sizes and of the noise in the series; the same arguments give the same instance.

    Returns
    -------
    Instance
        In memory; ``write_instance`` makes a folder of it.

    Raises
    ------
    ValueError
        If a number is below 1.

    Examples
    --------
    >>> instance = synthetic(sites=4, years=2, hours=6, periods=1)
    >>> [site.site for site in instance.sites if site.existing_poi_mw == 0]
    ['site 2']
    """
    if min(sites, years, hours, periods) < 1:
        raise ValueError("sites, years, hours and periods must be at least 1")
    rng = np.random.default_rng(seed)
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    series: dict[str, np.ndarray] = {}
    calendar = [FIRST_YEAR + i for i in range(years)]
    tables["technologies"] = [dict(row) for row in TECHNOLOGIES]
    tables["fuels"] = [{"fuel": "gas", "co2_t_per_mmbtu": 0.053}]
    for region in range((sites + 3) // 4):
        _add_region(tables, series, region, calendar, hours * periods, rng)
    ceilings = [_add_site(tables, i, calendar, rng) for i in range(sites)]
    total = sum(ceilings)
    tables["compute_demand"] = [
        {"year": y, "it_mw": round(0.9 * total * (i + 1) / years, 1)} for i, y in enumerate(calendar)
    ]
    tables["budgets"] = [{"scope": "portfolio", "year": y, "max_capex_usd": 5e6 * total} for y in calendar]
    tables["series"] = [{"series": name, "kind": name.split(" ")[0], "synthetic": True} for name in series]
    tables["periods"] = [
        {"resolution": "all", "period": f"p{i}", "start_hour": i * hours, "hours": hours,
         "occurrences_per_year": YEAR_HOURS / (hours * periods)}
        for i in range(periods)
    ]  # fmt: skip
    return make_instance(_manifest(calendar, hours * periods, seed), tables, pd.DataFrame(series))


def _manifest(years: list[int], hours: int, seed: int) -> Row:
    note = {"source": "optimizer.synthetic", "licence": "CC0-1.0"}
    return {
        "schema_version": 1,
        "name": "synthetic",
        "title": f"Invented figures, seed {seed}",
        "currency": "USD",
        "price_year": 2024,
        "base_year": FIRST_YEAR,
        "planning_years": years,
        "series_hours": hours,
        "finance": {"discount_rate": 0.06, "inflation": 0.02},
        "options": {"resolution": "all"},
        "resolutions": {"all": {"step_hours": 1}},
        "files": dict.fromkeys([*(table.file for table in TABLES.values()), "hourly.csv"], note),
    }


def _add_region(
    tables: dict[str, list[Row]],
    series: dict[str, np.ndarray],
    region: int,
    years: list[int],
    hours: int,
    rng: np.random.Generator,
) -> None:
    """A market zone and a cost-of-service zone, their utilities, and a corridor between them."""
    _add_series(series, region, hours, rng)
    for kind, regime in (("market", "market"), ("plains", "cost_of_service")):
        zone, utility = f"{kind} {region}", f"{kind} power {region}"
        tables["zones"].append(
            {"zone": zone, "supply": "price", "price_series": f"price {region}",
             "local_load_series": f"local_load {region}", "grid_co2_t_per_mwh": 0.4, "capacity_obligation": kind == "plains", "reserve_margin": 0.1,  # noqa: E501
             "max_net_sale_mw": 200.0}
        )  # fmt: skip
        tables["fuel_prices"] += [
            {"fuel": "gas", "zone": zone, "year": y, "usd_per_mmbtu": round(3 + 0.05 * i + 0.2 * region, 3)}
            for i, y in enumerate(years)
        ]
        tables["price_response"] += [
            {"zone": zone, "net_purchase_mw": mw, "price_change_usd_per_mwh": rise}
            for mw, rise in ((0.0, 0.0), (500.0, 0.5), (2000.0, 4.0), (20_000.0, 90.0))
        ]
        _add_utility(tables, utility, zone, regime, years)
    tables["corridors"].append(
        {
            "corridor": f"tie {region}",
            "from_zone": f"market {region}",
            "to_zone": f"plains {region}",
            "loss_share": 0.03,
        }
    )
    tables["funding_options"].append(
        {
            "option": f"tie circuit {region}",
            "technology": "line",
            "corridor": f"tie {region}",
            "block_mw": 250.0,
            "max_blocks": 2,
        }
    )


def _add_series(series: dict[str, np.ndarray], region: int, hours: int, rng: np.random.Generator) -> None:
    hour = np.arange(hours) % 24
    day = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    noise = rng.uniform(0.8, 1.0, hours)
    series[f"availability sun {region}"] = np.round(0.85 * day * noise, 4)
    series[f"availability wind {region}"] = np.round(rng.beta(2, 3, hours), 4)
    series[f"price {region}"] = np.round(28 + 14 * np.sin((hour - 13) / 24 * 2 * np.pi) + rng.normal(0, 4, hours), 2)
    series[f"local_load {region}"] = np.round(
        5000 + 1500 * np.sin((hour - 11) / 24 * 2 * np.pi) + rng.normal(0, 150, hours), 1
    )
    series[f"pue {region}"] = np.round(1.15 + 0.05 * day, 4)


def _add_utility(tables: dict[str, list[Row]], utility: str, zone: str, regime: str, years: list[int]) -> None:
    market = regime == "market"
    tables["utilities"].append(
        {"utility": utility, "zone": zone, "regime": regime, "contribution_tax_gross_up": 0.16, "salvage_share": 0.1,
         "max_collateral_usd": 5e8, "collateral_carry_share": 0.02}
    )  # fmt: skip
    tables["tariffs"].append(
        {"tariff": f"large load {utility}", "utility": utility, "demand_usd_per_kw_month": 5.0 if market else 12.0,
         "energy_usd_per_mwh": 1.0, "market_energy_share": 0.0 if market else 1.0, "minimum_demand_share": 0.8,
         "ratchet_share": 0.6, "exit_fee_years": 4.0}
    )  # fmt: skip
    for name, share in CLASSES.items():
        key = {"utility": utility, "customer_class": name}
        tables["customer_classes"].append(
            {
                **key,
                "bill_credit_share": share,
                "hedged_share": 0.8,
                "local_load_share": share,
                "typical_monthly_kwh": 800.0,
            }
        )
        tables["class_years"] += [
            {**key, "year": y, "sales_mwh": 4e7 * share, "rate_usd_per_mwh": 150.0 if name == "homes" else 90.0}
            for y in years
        ]
        tables["cost_allocators"] += [{**key, "pool": pool, "share": share} for pool in POOLS]


def _add_site(tables: dict[str, list[Row]], number: int, years: list[int], rng: np.random.Generator) -> float:
    """A campus with its ramp and its options; returns the IT it can energise in the end, MW."""
    region, turn = divmod(number, 4)
    site = f"site {number}"
    kind = "market" if turn == 0 else "plains"
    island = turn == 2
    final = float(rng.integers(4, 13) * 50)
    row: Row = {"site": site, "zone": f"{kind} {region}", "pue_series": f"pue {region}", "availability_target": 0.999,
                "adequacy_margin": 0.05, "required": turn != 3}  # fmt: skip
    if not island:
        utility = f"{kind} power {region}"
        row |= {
            "utility": utility,
            "tariff": f"large load {utility}",
            "existing_poi_mw": 100.0,
            "contract_end_year": FIRST_YEAR + 19,
        }
    if turn == 3:
        row |= {"opening_cost_usd": 2e7, "curtailable_share": 0.1, "curtailable_energy_share": 0.01,
                "curtailment_cost_usd_per_mwh": 500.0}  # fmt: skip
    tables["sites"].append(row)
    for i, year in enumerate(years):
        ceiling = final * (i + 1) / len(years)
        tables["site_years"].append(
            {"site": site, "year": year, "floor_mw": round(0.3 * ceiling, 1), "ceiling_mw": round(ceiling, 1),
             "contract_mw": 0.0 if island else round(ceiling, 1)}
        )  # fmt: skip
    _add_options(tables, site, region, island, kind, final)
    return final


def _add_options(tables: dict[str, list[Row]], site: str, region: int, island: bool, kind: str, final: float) -> None:
    def add(name: str, **values: Any) -> None:
        tables["funding_options"].append({"option": f"{site} {name}", "technology": name, "site": site, **values})

    blocks = int(np.ceil(2 * final / 50))
    add("engine", block_mw=50.0, max_blocks=blocks)
    add("sun", block_mw=50.0, max_blocks=blocks, integer=False, availability_series=f"availability sun {region}")
    add("battery", block_mw=50.0, max_blocks=blocks, integer=False, energy_block_mwh=100.0)
    if island:
        return
    utility = f"{kind} power {region}"
    add(
        "poi",
        block_mw=250.0,
        max_blocks=int(np.ceil(1.3 * final / 250)),
        utility=utility,
        funding_modes="contribution;utility",
    )
    modes = "own" if kind == "market" else "own;utility"
    tables["funding_options"].append(
        {"option": f"{site} wind", "technology": "wind", "zone": f"{kind} {region}", "utility": utility,
         "funding_modes": modes, "block_mw": 100.0, "max_blocks": 4, "availability_series": f"availability wind {region}"}  # noqa: E501
    )  # fmt: skip
