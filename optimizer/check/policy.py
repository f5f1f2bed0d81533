"""Emissions and clean energy.

resource: generation * heat rate * CO2 of the fuel, at its place
grid: CO2 of the price zone * (imports of its sites, and what corridors carry from it to a zone without price)
supply: CO2 of a stack with the project less without it
cap: total <= cap;  annual: clean generation >= share * load
hourly: in each zone matched <= clean generation, <= load;  matched over the year >= share * load
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from optimizer.check.books import Books, gather, once
from optimizer.check.operating import emitted
from optimizer.check.report import MW, MWH_PER_YEAR, TONNES, Array, Comparison, at_least, at_most, same
from optimizer.check.utilities import supply_change

Emissions = dict[tuple[str, str], Array]


def check_policy(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    total = emissions(books)
    expected = {
        (place, year, source): v[i] for (place, source), v in total.items() for i, year in enumerate(books.years)
    }
    yield same("emissions", books.money("emissions", "t", "place", "year", "source"), expected, TONNES)
    rules = {row.year: row for row in books.instance.policy}
    caps = np.array([_cap(rules[year].co2_cap_t) if year in rules else np.inf for year in books.years])
    tonnes = sum(total.values(), np.zeros(len(books.years)))
    yield at_most("emissions_cap", tonnes, caps, books.years, scale=np.fmax(TONNES, np.abs(tonnes)))
    shares = {
        column: np.array([getattr(rules[y], column) if y in rules else 0.0 for y in books.years])
        for column in ("clean_share_annual", "clean_share_hourly")
    }
    yield from _clean(books, shares["clean_share_annual"], shares["clean_share_hourly"])


def _cap(value: float | None) -> float:
    return np.inf if value is None else value


@once
def emissions(books: Books) -> Emissions:
    """Tonnes by place and source; shape (Y,) each."""
    total: Emissions = defaultdict(lambda: np.zeros(len(books.years)))
    for resource, tonnes in zip(books.plants, emitted(books), strict=True):
        total[resource.place, "resource"] += tonnes
    rates = {zone.zone: zone.grid_co2_t_per_mwh * (zone.supply == "price") for zone in books.instance.zones}
    for row, site in enumerate(books.instance.sites):
        total[site.site, "grid"] += rates[site.zone] * books.per_year(books.site_flow["import_mw"][row])
    for row, corridor in enumerate(books.instance.corridors):
        for flow, start, end in (
            ("forward_mw", corridor.from_zone, corridor.to_zone),
            ("backward_mw", corridor.to_zone, corridor.from_zone),
        ):
            if books.zones[end].supply != "price":
                total[corridor.corridor, "grid"] += rates[start] * books.per_year(books.corridor_flow[flow][row])
    for zone, tonnes in supply_change(books, "co2_t_per_mwh").items():
        total[zone, "supply"] += tonnes
    return dict(total)


def _clean(books: Books, annual: Array, hourly: Array) -> Iterator[Comparison]:
    """Clean shares of the portfolio's load over the year, and matched step by step in each zone."""
    chosen = books.select(lambda r: r.kind == "generator" and r.technology.clean and r.additional)
    output, load = chosen[:, None, None] * books.resource_flow["generation_mw"], books.site_flow["load_mw"]
    energy = books.per_year(load.sum(axis=0))
    scale = np.fmax(MWH_PER_YEAR, energy)
    yield at_least("clean_annual", books.per_year(output.sum(axis=0)), annual * energy, books.years, scale=scale)
    matched = books.zone_flow["matched_clean_mw"]
    yield at_least("clean_hourly", books.per_year(matched.sum(axis=0)), hourly * energy, books.years, scale=scale)
    members = books.members(books.zone_of, books.zones)
    axes = list(books.zones), books.years, books.steps
    demand = gather(books.sites_in_zones, load)
    yield at_least("matched_clean", matched, 0, *axes, scale=np.fmax(MW, demand))
    yield at_most("matched_clean", matched, gather(members, output), *axes, scale=np.fmax(MW, demand))
    yield at_most("matched_clean", matched, demand, *axes, scale=np.fmax(MW, demand))
