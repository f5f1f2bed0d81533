"""What sites pay their utility under the tariff, to the dollar.

With charges c(y) of the tariff escalated from the base year, B the billing demand of a month:

    B = max(metered peak of the month, ratchet * highest metered peak of the year, minimum share * contract MW)
    demand charge = months * c_demand * 1000 * B, summed over billing months
    energy charge = c_energy * import + (cost of service, price zone) market share * sum of price * import
    fixed charge = 12 * c_fixed;  minimum and fixed charge only once the site is open
    contract charge = share * (revenue requirement + fixed O&M) of utility-financed options with this contract site
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from optimizer import schema
from optimizer.check.books import Books, Build, once
from optimizer.check.compute import site_years
from optimizer.check.operating import fixed_om
from optimizer.check.report import MW, USD, Array, Comparison, equal, same
from optimizer.finance import escalate, revenue_requirement

PARTS = ("demand", "energy", "fixed", "contract")


def check_tariffs(books: Books) -> Iterator[Comparison]:
    """Billing demand is exactly what was metered or owed, and the bills follow from it."""
    key = ("site", "year", "billing_month")
    expected = {column: _by_month(books, values) for column, values in billing(books).items()}
    for column, floor in (("months", 1.0), ("metered_peak_mw", MW), ("minimum_mw", MW), ("billing_demand_mw", MW)):
        found, due = books.money("tariff_bills", column, *key), expected["billing_demand_mw"]
        used = {name: value for name, value in expected[column].items() if name in found or due[name] > 0}
        yield same("billing_demand", found, used, floor)
    charged = books.money("tariff_bills", "demand_charge_usd", *key)
    yield same("demand_charges", charged, expected["demand_charge_usd"], USD)
    parts = bills(books)
    for part, usd in {**parts, "total": np.sum(list(parts.values()), axis=0)}.items():
        found = books.money("bills", f"{part}_usd", "site", "year")
        yield same(f"bills_{part}", found, by_site_year(books, usd), USD)
    for table in ("bills", "tariff_bills"):
        rows = list(books.tables[table].rows("site", "utility", "year"))
        wrong = [books.sites[site].utility != utility for site, utility, _ in rows]
        yield equal("bill_of_utility", wrong, 0, rows)


def by_site_year(books: Books, values: Array) -> dict[Any, float]:
    """Values of shape (S, Y) by site and year."""
    return dict(zip(product(books.sites, books.years), values.ravel().tolist(), strict=True))


def _by_month(books: Books, values: Array) -> dict[Any, float]:
    """Values of shape (S, Y, M) by site, year and billing month."""
    return dict(zip(product(books.sites, books.years, books.months), values.ravel().tolist(), strict=True))


def charge(tariff: schema.Tariff, books: Books, column: str) -> Array:
    """A charge of the tariff in each planning year; shape (Y,)."""
    value = float(getattr(tariff, column))
    return np.array([escalate(value, tariff.change_per_year, year, books.base_year) for year in books.years])


@once
def billing(books: Books) -> dict[str, Array]:
    """Columns of the tariff bills, shape (S, Y, M) each; 0 at a site without tariff."""
    months = np.array(list(books.months.values()))
    peak = _metered_peaks(books)
    shares = {name: _of_tariffs(books, f"{name}_share") for name in ("minimum_demand", "ratchet")}
    least = shares["minimum_demand"] * site_years(books, "contract_mw") * books.by_site("open")
    owed = np.maximum(least, shares["ratchet"] * peak.max(axis=2))
    demand = np.maximum(peak, owed[:, :, None])
    tariffs = [books.tariff(site) for site in books.sites]
    none = np.zeros(len(books.years))
    price = np.array([none if t is None else charge(t, books, "demand_usd_per_kw_month") for t in tariffs])
    columns = {
        "months": months,
        "metered_peak_mw": peak,
        "minimum_mw": least[:, :, None],
        "billing_demand_mw": demand,
        "demand_charge_usd": months * 1000 * price[:, :, None] * demand,
    }
    served = np.array([tariff is not None for tariff in tariffs])[:, None, None]
    return {name: np.where(served, values, np.zeros_like(peak)) for name, values in columns.items()}


def _of_tariffs(books: Books, column: str) -> Array:
    """A column of each site's tariff, 0 where there is none; shape (S, 1)."""
    tariffs = (books.tariff(site) for site in books.sites)
    return np.array([[0.0 if tariff is None else float(getattr(tariff, column))] for tariff in tariffs])


def _metered_peaks(books: Books) -> Array:
    """Highest import over the periods of each billing month; shape (S, Y, M)."""
    imports = books.site_flow["import_mw"]
    return np.stack([imports[:, :, steps].max(axis=2) for steps in books.metered_steps.values()], axis=2)


@once
def bills(books: Books) -> dict[str, Array]:
    """Parts of the yearly bill; shape (S, Y) each."""
    total = {part: np.zeros((len(books.sites), len(books.years))) for part in PARTS}
    total["demand"] = billing(books)["demand_charge_usd"].sum(axis=2)
    for row, site in enumerate(books.sites):
        tariff = books.tariff(site)
        if tariff is None:
            continue
        total["energy"][row] = _energy_charge(books, site, row, tariff)
        total["fixed"][row] = 12 * charge(tariff, books, "fixed_usd_per_month") * books.by_site("open")[row]
        total["contract"][row] = contract_charge(books, site)
    return total


def _energy_charge(books: Books, site: str, row: int, tariff: schema.Tariff) -> Array:
    imports, zone = books.site_flow["import_mw"][row], books.sites[site].zone
    amount = charge(tariff, books, "energy_usd_per_mwh") * books.per_year(imports)
    if books.regulated(site) and books.zones[zone].supply == "price":
        price = books.price[list(books.zones).index(zone)]
        amount = amount + tariff.market_energy_share * books.per_year(price * imports)
    return amount


def contract_charge(books: Books, site: str) -> Array:
    """Share of the yearly cost of utility-financed plant that the site pays; shape (Y,)."""
    financed = [
        r for r in books.plants if r.mode == "utility" and r.option is not None and r.option.contract_site == site
    ]
    total = np.zeros(len(books.years))
    upkeep = dict(zip(books.resources, fixed_om(books), strict=True))
    for resource in financed:
        assert resource.option is not None
        plant = sum((plant_requirement(books, b) for b in books.builds if b.resource == resource), np.zeros(len(total)))
        total += resource.option.contract_share * (plant + upkeep[resource.name])
    return total


def plant_requirement(books: Books, build: Build) -> Array:
    """Yearly revenue requirement of a utility-financed build, without O&M; shape (Y,)."""
    utility = books.utilities[build.option.utility or ""]
    life = build.resource.technology.life_years
    per_dollar = [
        revenue_requirement(
            year - build.year,
            life,
            utility.equity_share,
            utility.return_on_equity_nominal,
            utility.debt_rate_nominal,
            utility.tax_rate,
            utility.property_tax_and_insurance_share,
            books.instance.manifest.finance.inflation,
        )
        for year in books.years
    ]
    return build.capex_usd * np.array(per_dollar)
