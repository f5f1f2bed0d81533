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

import numpy as np
import pandas as pd

from optimizer import schema
from optimizer.check.books import Books, Build
from optimizer.check.compute import site_years
from optimizer.check.operating import fixed_om
from optimizer.check.report import MW, USD, Array, Comparison, same
from optimizer.finance import escalate, revenue_requirement

PARTS = ("demand", "energy", "fixed", "contract")


def check_tariffs(books: Books) -> Iterator[Comparison]:
    """Billing demand is exactly what was metered or owed, and the bills follow from it."""
    key = ("site", "year", "billing_month")
    expected = billing(books)
    for column, floor in (("months", 1.0), ("metered_peak_mw", MW), ("minimum_mw", MW), ("billing_demand_mw", MW)):
        found = books.money("tariff_bills", column, *key)
        used = expected[column][
            [name in found.index or value > 0 for name, value in expected["billing_demand_mw"].items()]
        ]
        yield same("billing_demand", found, used, floor)
    yield same(
        "demand_charges", books.money("tariff_bills", "demand_charge_usd", *key), expected["demand_charge_usd"], USD
    )
    parts = bills(books)
    for part in (*PARTS, "total"):
        amount = parts[part] if part in parts else sum(parts.values())
        found = books.money("bills", f"{part}_usd", "site", "year")
        yield same(f"bills_{part}", found, by_site_year(books, np.asarray(amount)), USD)
    for table in ("bills", "tariff_bills"):
        frame = books.tables[table]
        wrong = [
            float(books.sites[site].utility != utility)
            for site, utility in zip(frame["site"], frame["utility"], strict=True)
        ]
        yield same("bill_of_utility", pd.Series(wrong), pd.Series(0.0, frame.index), 1.0)


def by_site_year(books: Books, values: Array) -> pd.Series[float]:
    return pd.Series(values.ravel(), index=pd.MultiIndex.from_product([list(books.sites), books.years]))


def charge(tariff: schema.Tariff, books: Books, column: str) -> Array:
    """A charge of the tariff in each planning year; shape (Y,)."""
    value = float(getattr(tariff, column))
    return np.array([escalate(value, tariff.change_per_year, year, books.base_year) for year in books.years])


def billing(books: Books) -> pd.DataFrame:
    """Billing demand and demand charge by site, year and billing month."""
    months = books.grid.billing.drop_duplicates("billing_month").set_index("billing_month")["months"]
    served = [site for site in books.sites if books.tariff(site) is not None]
    index = pd.MultiIndex.from_tuples(
        list(product(served, books.years, months.index)), names=["site", "year", "billing_month"]
    )
    rows = [np.stack(_site_billing(books, site, months), axis=-1).reshape(-1, 5) for site in served]
    names = ["months", "metered_peak_mw", "minimum_mw", "billing_demand_mw", "demand_charge_usd"]
    return pd.DataFrame(np.concatenate([*rows, np.zeros((0, 5))]), index=index, columns=names)


def _site_billing(books: Books, site: str, months: pd.Series[float]) -> tuple[Array, ...]:
    """Columns of `billing` for a site; shape (Y, months) each."""
    tariff, row = books.tariff(site), list(books.sites).index(site)
    assert tariff is not None
    peak = _metered_peaks(books, row, list(months.index))
    least = tariff.minimum_demand_share * site_years(books, "contract_mw")[row] * books.by_site("open")[row]
    ratchet = tariff.ratchet_share * peak.max(axis=1)
    demand = np.maximum(peak, np.maximum(ratchet, least)[:, None])
    weight: Array = np.broadcast_to(months.to_numpy(float), peak.shape)
    usd = weight * 1000 * charge(tariff, books, "demand_usd_per_kw_month")[:, None] * demand
    return weight, peak, np.broadcast_to(least[:, None], peak.shape), demand, usd


def _metered_peaks(books: Books, row: int, months: list[int]) -> Array:
    """Highest import over the periods of each billing month; shape (Y, months)."""
    imports, table = books.site_flow["import_mw"][row], books.grid.billing
    members = [table.loc[table["billing_month"] == month, "part"] for month in months]
    steps = [np.concatenate([books.grid.parts[part] for part in parts]) for parts in members]
    return np.stack([imports[:, chosen].max(axis=1) for chosen in steps], axis=1)


def bills(books: Books) -> dict[str, Array]:
    """Parts of the yearly bill; shape (S, Y) each."""
    total = {part: np.zeros((len(books.sites), len(books.years))) for part in PARTS}
    demand = billing(books)["demand_charge_usd"].groupby(level=["site", "year"]).sum()
    for row, site in enumerate(books.sites):
        tariff = books.tariff(site)
        if tariff is None:
            continue
        total["demand"][row] = [demand[site, year] for year in books.years]
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
