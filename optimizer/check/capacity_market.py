"""Capacity that zones ask of the project, and firm capacity at the sites.

shortfall = (1 + reserve margin) * peak load of grid-connected sites - sum of firm credit * MW - headroom
without a price curve: shortfall <= 0
with one: bought = max(0, shortfall) within the curve; paid: 1000 * price * bought, and for the rise of the
    price a payment linear between the points (q, 1000 * q * price change)
site: firm = sum of credit * MW + firm share * POI >= (1 + margin) * peak load
N-1: firm - largest unit or circuit >= peak load;  smoothing: storage MW >= share * energised IT
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer import schema
from optimizer.check.books import Books, gather
from optimizer.check.report import MW, PER_MWH, Array, Comparison, at_least, at_most, equal


def check_capacity(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    yield from _obligations(books)
    yield from _adequacy(books)


def _obligations(books: Books) -> Iterator[Comparison]:
    """Obligation, accredited capacity, and what is bought; prices of it."""
    for zone in (zone for zone in books.instance.zones if zone.capacity_obligation):
        keys = [(zone.zone, year) for year in books.years]
        axes = ("zone", [zone.zone]), ("year", books.years)
        expected = {
            "obligation_mw": obligation(books, zone),
            "accredited_mw": accredited(books, zone.zone),
            "headroom_mw": zone_years(books, zone.zone, "capacity_headroom_mw"),
            "bought_mw": bought(books, zone),
        }
        scale = np.fmax(MW, expected["obligation_mw"])
        for column, values in expected.items():
            yield equal(
                "capacity_obligation", books.array("capacity_obligation", column, *axes)[0], values, keys, scale=scale
            )
        curve = books.capacity_curve(zone.zone)
        most = 0.0 if curve is None else curve[0][-1]
        yield at_most("capacity_shortfall", shortfall(books, zone), most, keys, scale=scale)
        price = zone_years(books, zone.zone, "capacity_price_usd_per_kw_year")
        prices = {"price_usd_per_kw_year": price, "price_change_usd_per_kw_year": capacity_price_change(books, zone)}
        for column, values in prices.items():
            yield equal(
                "capacity_price",
                books.array("capacity_obligation", column, *axes)[0],
                values,
                keys,
                scale=np.fmax(PER_MWH, values),
            )


def zone_years(books: Books, zone: str, column: str) -> Array:
    """A column of the zone_years table, its default where there is no row; shape (Y,)."""
    rows = {row.year: row for row in books.instance.zone_years if row.zone == zone}
    default = schema.ZoneYear.model_fields[column].default
    return np.array([float(getattr(rows[y], column)) if y in rows else float(default) for y in books.years])


def obligation(books: Books, zone: schema.Zone) -> Array:
    """Capacity owed for the grid-connected load of a zone; shape (Y,)."""
    members = np.array([float(s.zone == zone.zone and books.connected(s.site)) for s in books.instance.sites])
    return (1 + zone.reserve_margin) * (members * books.peak_use) @ books.by_site("it_mw")


def accredited(books: Books, zone: str) -> Array:
    """Firm capacity in a zone that is additional; shape (Y,)."""
    credit = books.select(lambda r: r.kind != "wires" and r.additional and books.zone_of(r) == zone)
    return (credit * _credits(books)) @ books.mw


def _credits(books: Books) -> Array:
    return np.array([r.technology.firm_credit_share for r in books.plants])


def shortfall(books: Books, zone: schema.Zone) -> Array:
    return obligation(books, zone) - accredited(books, zone.zone) - zone_years(books, zone.zone, "capacity_headroom_mw")


def bought(books: Books, zone: schema.Zone) -> Array:
    """Capacity bought where it has a price; shape (Y,)."""
    return np.maximum(shortfall(books, zone), 0) * (books.capacity_curve(zone.zone) is not None)


def capacity_price_change(books: Books, zone: schema.Zone) -> Array:
    """Rise of the capacity price; shape (Y,)."""
    curve = books.capacity_curve(zone.zone)
    if curve is None or not zone.capacity_obligation:
        return np.zeros(len(books.years))
    return np.interp(bought(books, zone), *curve)


def capacity_payment(books: Books) -> dict[str, Array]:
    """What bought capacity costs, by zone with a price curve; shape (Y,)."""
    total = {}
    for zone in (zone for zone in books.instance.zones if zone.capacity_obligation):
        curve = books.capacity_curve(zone.zone)
        if curve is not None:
            quantity = bought(books, zone)
            price = 1000 * zone_years(books, zone.zone, "capacity_price_usd_per_kw_year")
            total[zone.zone] = price * quantity + np.interp(quantity, curve[0], 1000 * curve[0] * curve[1])
    return total


# Adequacy of sites


def _adequacy(books: Books) -> Iterator[Comparison]:
    """Firm capacity with and without the largest unit, and storage for swings below a second."""
    peak, firm, largest = books.by_site("it_mw") * books.peak_use[:, None], _firm(books), _largest(books)
    stores = gather(books.at_sites, books.select(lambda r: r.kind == "storage")[:, None] * books.mw)
    energised = books.by_site("it_mw")
    for row, site in enumerate(books.instance.sites):
        keys = [(site.site, year) for year in books.years]
        scale = np.fmax(MW, peak[row])
        least = site.smoothing_storage_share * energised[row]
        yield at_least("smoothing", stores[row], least, keys, scale=scale)
        if site.adequacy_margin is None and not site.n_minus_1:
            continue
        required = (1 + (site.adequacy_margin or 0.0)) * peak[row]
        expected = {
            "peak_load_mw": peak[row],
            "required_mw": required,
            "firm_mw": firm[row],
            "largest_mw": largest[row],
            "margin_mw": firm[row] - required,
            "n_minus_1_margin_mw": firm[row] - largest[row] - peak[row],
        }
        for column, values in expected.items():
            found = books.by_site(column, "adequacy")[row]
            yield equal("adequacy_figures", found, values, keys, scale=scale)
        if site.adequacy_margin is not None:
            yield at_least("adequacy", firm[row], required, keys, scale=scale)
        if site.n_minus_1:
            yield at_least("n_minus_1", firm[row] - largest[row], peak[row], keys, scale=scale)


def _firm(books: Books) -> Array:
    """Firm capacity of plant and POI; shape (S, Y)."""
    plant = books.select(lambda r: r.kind != "wires") * _credits(books)
    share = np.array([[site.firm_poi_share] for site in books.instance.sites])
    return gather(books.at_sites, plant[:, None] * books.mw) + share * books.site_capacity


def _largest(books: Books) -> Array:
    """Largest firm unit or circuit in service; shape (S, Y)."""
    present = books.units > 1e-6
    result = np.zeros((len(books.sites), len(books.years)))
    for row, site in enumerate(books.instance.sites):
        result[row] = site.firm_poi_share * site.poi_circuit_mw
        for position, resource in enumerate(books.plants):
            if resource.plant.site == site.site:
                wires = resource.kind == "wires"
                credit = site.firm_poi_share if wires else resource.technology.firm_credit_share
                result[row] = np.maximum(result[row], credit * resource.block_mw * present[position])
    return result
