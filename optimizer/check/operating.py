"""Yearly operating costs and emissions of resources; shape (R, Y). Nothing is checked here.

fixed O&M = rate * 1000 * MW;  variable O&M = rate * (generation or discharge)
fuel = generation * heat rate * fuel price of the zone;  CO2 = generation * heat rate * t/MMBtu
startup = started blocks * block_mw * cost per MW, each occurrence of the period
"""

from __future__ import annotations

import numpy as np

from optimizer.check.books import Books, Resource
from optimizer.check.report import Array


def fixed_om(books: Books) -> Array:
    rate = np.array([r.technology.fixed_om_usd_per_kw_year for r in books.plants])
    return 1000 * rate[:, None] * books.mw


def generated(books: Books) -> Array:
    """MWh generated in a year."""
    return books.per_year(books.resource_flow["generation_mw"])


def variable_om(books: Books) -> Array:
    rate = np.array([r.technology.variable_om_usd_per_mwh for r in books.plants])
    return rate[:, None] * (generated(books) + books.per_year(books.resource_flow["discharge_mw"]))


def heat(books: Books) -> Array:
    """MMBtu burnt in a year."""
    rate = np.array([r.technology.heat_rate_mmbtu_per_mwh if r.technology.fuel else 0.0 for r in books.plants])
    return rate[:, None] * generated(books)


def fuel_cost(books: Books) -> Array:
    prices = {(row.fuel, row.zone, row.year): row.usd_per_mmbtu for row in books.instance.fuel_prices}
    price = [[_price(books, prices, resource, year) for year in books.years] for resource in books.plants]
    cost: Array = heat(books) * np.array(price).reshape(len(books.plants), len(books.years))
    return cost


def _price(books: Books, prices: dict[tuple[str, str, int], float], resource: Resource, year: int) -> float:
    fuel, zone = resource.technology.fuel, books.zone_of(resource)
    return 0.0 if fuel is None or zone is None else prices[fuel, zone, year]


def emitted(books: Books) -> Array:
    """Tonnes of CO2 in a year."""
    content = {row.fuel: row.co2_t_per_mmbtu for row in books.instance.fuels}
    rate = np.array([content[r.technology.fuel] if r.technology.fuel else 0.0 for r in books.plants])
    return rate[:, None] * heat(books)


def startup_cost(books: Books) -> Array:
    """Zero for plant without commitment."""
    rate = np.array([_startup_rate(r) for r in books.plants])
    return rate[:, None] * (books.resource_flow["started_blocks"] @ books.occurrences)


def _startup_rate(resource: Resource) -> float:
    technology = resource.technology
    committed = technology.kind == "generator" and technology.commitment != "none"
    return technology.startup_cost_usd_per_mw * resource.block_mw if committed else 0.0
