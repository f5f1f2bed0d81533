"""Compute energised at the sites, and the load it makes.

With x[s,y] the IT energised at a site and u[t] utilisation times PUE (mean over the hours of a step):

    sum of x + unmet >= demand;  0 <= unmet <= max_unmet_share * demand
    floor * open <= x <= ceiling * open;  x never falls where energised IT stays
    load = x * u[t];  peak load = x * highest hourly u
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.check.books import Books
from optimizer.check.report import MW, MWH_PER_YEAR, Array, Comparison, at_least, at_most, equal


def check_compute(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    yield from _demand(books)
    yield from _ramp(books)
    yield from _opening(books)
    yield from _totals(books)


def _demand(books: Books) -> Iterator[Comparison]:
    """Demand is energised or, up to a share, unmet."""
    asked = {row.year: row.it_mw for row in books.instance.compute_demand}
    demand = np.array([asked[year] for year in books.years])
    scale = np.fmax(MW, demand)
    table = {
        name: books.array("compute", name, ("year", books.years)) for name in ("demand_mw", "energised_mw", "unmet_mw")
    }
    yield equal("compute_demand", table["demand_mw"], demand, books.years, scale=scale)
    yield equal(
        "energised_compute", table["energised_mw"], books.by_site("it_mw").sum(axis=0), books.years, scale=scale
    )
    yield at_least("compute_demand", table["energised_mw"] + table["unmet_mw"], demand, books.years, scale=scale)
    most = books.instance.manifest.compute.max_unmet_share * demand
    yield at_least("unmet_compute", table["unmet_mw"], 0, books.years, scale=scale)
    yield at_most("unmet_compute", table["unmet_mw"], most, books.years, scale=scale)


def _ramp(books: Books) -> Iterator[Comparison]:
    """Energised IT stays between floor and ceiling of an open site, and never falls where it stays."""
    energised, opened = books.by_site("it_mw"), books.by_site("open")
    axes = list(books.sites), books.years
    ceiling = site_years(books, "ceiling_mw") * opened
    scale = np.fmax(MW, ceiling)
    yield at_least("energised_within_ramp", energised, site_years(books, "floor_mw") * opened, *axes, scale=scale)
    yield at_most("energised_within_ramp", energised, ceiling, *axes, scale=scale)
    if books.instance.manifest.compute.energised_it_stays:
        later = energised[:, 1:]
        yield at_least("energised_it_stays", later, energised[:, :-1], axes[0], books.years[1:], scale=scale[:, 1:])


def site_years(books: Books, column: str) -> Array:
    """A column of the site_years table; shape (S, Y)."""
    values = {(row.site, row.year): float(getattr(row, column)) for row in books.instance.site_years}
    return np.array([[values[site, year] for year in books.years] for site in books.sites])


def _opening(books: Books) -> Iterator[Comparison]:
    """A required site is open from its first year with a ceiling; others open for good or not at all."""
    opened, axes = books.by_site("open"), (list(books.sites), books.years)
    yield equal("opening", opened, np.round(np.clip(opened, 0, 1)), *axes)
    yield at_least("opening", opened[:, 1:], opened[:, :-1], axes[0], books.years[1:])
    ready = np.maximum.accumulate(site_years(books, "ceiling_mw") > 0, axis=1)
    required = np.array([[site.required] for site in books.instance.sites])
    yield equal("opening", opened, np.where(required, ready, opened), *axes)


def _totals(books: Books) -> Iterator[Comparison]:
    """Load of every step, and the yearly totals of the sites table."""
    flow, energised = books.site_flow, books.by_site("it_mw")
    axes = list(books.sites), books.years
    load = energised[:, :, None] * books.use[:, None, :]
    yield equal("load", flow["load_mw"], load, *axes, books.steps, scale=np.fmax(MW, load))
    peak = energised * books.peak_use[:, None]
    yield equal("peak_load", books.by_site("peak_load_mw"), peak, *axes, scale=np.fmax(MW, peak))
    capacity = books.site_capacity
    yield equal("poi_capacity", books.by_site("poi_mw"), capacity, *axes, scale=np.fmax(MW, capacity))
    names = ("load", "unserved", "curtailed", "import", "export")
    energy = np.stack([books.per_year(flow[f"{name}_mw"]) for name in names], axis=-1)
    found = np.stack([books.by_site(f"{name}_mwh") for name in names], axis=-1)
    yield equal("site_energy", found, energy, *axes, names, scale=np.fmax(MWH_PER_YEAR, energy))
