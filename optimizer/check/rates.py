"""The pledge: what the project does to the rate of every customer class, in every year.

With sigma the class's share of a pool, kappa its share of the sites' bills, W its make-whole payment:

    local cost change LC = sum over pools of sigma * revenue requirement - kappa * bills
        + energy and capacity the class buys unhedged at prices that the project raised
        - sigma(transmission) * shared network charge - W
    with-project rate = without + LC / sales
    pledge, where enforced: LC <= tolerance * rate * sales;  W >= 0, and 0 where make-whole is not allowed
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from optimizer.check.books import Books
from optimizer.check.capacity_market import capacity_price_change
from optimizer.check.report import ONE, USD, Array, Comparison, at_least, at_most, equal
from optimizer.check.tariffs import bills
from optimizer.check.utilities import network_charge, requirement
from optimizer.check.zones import price_change
from optimizer.schema import POOLS

#: Headroom, as a share of the without-project rate, above which a cap cannot be called binding.
BINDING = 1e-4
#: A cap is met when this much or less is left under it, by a class that the project touches with at least so much, US$.
MET_USD, TOUCHED_USD = 1e-3, 10.0
CLASS = ("utility", "customer_class")

Classes = dict[tuple[str, str], Array]


def check_rates(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    keys = [(*name, year) for name in books.classes for year in books.years]
    bridge = {name: _flat(values) for name, values in local_bridge(books).items()}
    for name, values in bridge.items():
        yield equal(
            "class_bridge",
            _found(books, name),
            values,
            [(*key, name) for key in keys],
            scale=np.fmax(USD, np.abs(values)),
        )
    change = np.sum(list(bridge.values()), axis=0)
    yield equal("local_cost_change", _found(books, "local_cost_change_usd"), change, keys, scale=_scale(bridge))
    touched = np.max([np.abs(values) for values in bridge.values()], axis=0) > TOUCHED_USD
    yield from _rates(books, keys, change, touched)
    yield from _make_whole(books, keys)


def _flat(values: Classes) -> Array:
    return np.concatenate([*values.values(), np.zeros(0)])


def _found(books: Books, column: str, table: str = "rates") -> Array:
    """A column by class and year, in the order of the instance; 0 where there is no row."""
    return books.array(table, column, (CLASS, books.classes), ("year", books.years)).ravel()


def _scale(bridge: dict[str, Array]) -> Array:
    """A change is the small difference of large sums: they set its scale."""
    return np.fmax(sum((np.abs(values) for values in bridge.values()), np.zeros(1)), USD)


def _class_years(books: Books, column: str) -> Array:
    rows = {
        (row.utility, row.customer_class, row.year): float(getattr(row, column)) for row in books.instance.class_years
    }
    return np.array([rows[(*name, year)] for name in books.classes for year in books.years])


def _rates(
    books: Books, keys: list[tuple[str, str, int]], change: Array, touched: NDArray[np.bool_]
) -> Iterator[Comparison]:
    """Rates without and with the project, the cap, the headroom under it, a typical bill; and the pledge."""
    sales, without = _class_years(books, "sales_mwh"), _class_years(books, "rate_usd_per_mwh")
    tolerance = _per_class(books, "rate_tolerance_share")
    cents, cap = change / sales / 10, tolerance * without / 10
    kwh = _per_class(books, "typical_monthly_kwh")
    expected = {
        "sales_mwh": (sales, sales),
        "without_project_usd_per_mwh": (without, without),
        "with_project_usd_per_mwh": (without + change / sales, without),
        "change_cents_per_kwh": (cents, without / 10),
        "cap_cents_per_kwh": (cap, without / 10),
        "headroom_cents_per_kwh": (cap - cents, without / 10),
        "typical_bill_change_usd_per_month": (cents / 100 * kwh, np.fmax(ONE, without * kwh / 1000)),
    }
    for name, (values, scale) in expected.items():
        yield equal("class_rates", _found(books, name), values, [(*key, name) for key in keys], scale=scale)
    binding = np.clip(_found(books, "binding"), 0, 1)
    yield at_most("binding", binding * (cap - cents), BINDING * without / 10, keys)
    met = touched & (np.abs(cap - cents) * sales * 10 < MET_USD)
    yield at_least("binding", binding, met, keys)
    if books.instance.manifest.rates.enforce:
        yield at_most("pledge", change, tolerance * without * sales, keys, scale=np.fmax(USD, without * sales))


def _per_class(books: Books, column: str) -> Array:
    """A column of the customer classes, for every class and year."""
    return np.repeat([float(getattr(row, column)) for row in books.classes.values()], len(books.years))


def _make_whole(books: Books, keys: list[tuple[str, str, int]]) -> Iterator[Comparison]:
    """Payments only where allowed, and never from a class to the sponsor."""
    paid = _found(books, "usd", "make_whole")
    allowed = [np.inf if books.utilities[utility].make_whole_allowed else 0.0 for utility, _, _ in keys]
    yield at_least("make_whole", paid, 0, keys, scale=USD)
    yield at_most("make_whole", paid, allowed, keys, scale=USD)


def local_bridge(books: Books) -> dict[str, Classes]:
    """Parts of each class's cost change, by column of the rates table; shape (Y,) each."""
    pools = {f"{pool}_usd": _pool(books, pool) for pool in POOLS}
    paid = books.array("make_whole", "usd", (CLASS, books.classes), ("year", books.years))
    return {
        **pools,
        "market_energy_usd": market_energy(books),
        "market_capacity_usd": market_capacity(books),
        "bill_credit_usd": _bill_credit(books),
        "network_credit_usd": _network_credit(books),
        "make_whole_usd": dict(zip(books.classes, -paid, strict=True)),
    }


def allocators(books: Books) -> dict[tuple[str, str, str], float]:
    """Share of each (utility, class, pool)."""
    return {(row.utility, row.customer_class, row.pool): row.share for row in books.instance.cost_allocators}


def _pool(books: Books, pool: str) -> Classes:
    """The class's share of a pool of its utility."""
    none = np.zeros(len(books.years))
    totals = dict.fromkeys(books.utilities, none)
    for (utility, of, _), usd in requirement(books).items():
        if of == pool:
            totals[utility] = totals[utility] + usd
    shares = allocators(books)
    return {name: shares.get((*name, pool), 0.0) * totals[name[0]] for name in books.classes}


def market_energy(books: Books) -> Classes:
    """Unhedged local load at the rise of the market price."""
    zones, rise = list(books.zones), price_change(books)
    rows = {name: zones.index(books.utilities[name[0]].zone) for name in books.classes}
    exposed = {name: (1 - row.hedged_share) * row.local_load_share for name, row in books.classes.items()}
    return {name: exposed[name] * books.per_year(books.local_load[row] * rise[row]) for name, row in rows.items()}


def market_capacity(books: Books) -> Classes:
    """Unhedged capacity of the class at the rise of the capacity price."""
    rise = {zone.zone: capacity_price_change(books, zone) for zone in books.instance.zones}
    zone = {name: books.utilities[name[0]].zone for name in books.classes}
    exposed = {name: 1000 * row.capacity_obligation_mw * (1 - row.hedged_share) for name, row in books.classes.items()}
    return {name: exposed[name] * rise[zone[name]] for name in books.classes}


def _bill_credit(books: Books) -> Classes:
    """Share of the tariff bills of the utility's sites."""
    totals = np.sum(list(bills(books).values()), axis=0)
    served = {u: [row for row, site in enumerate(books.instance.sites) if site.utility == u] for u in books.utilities}
    return {name: -row.bill_credit_share * totals[served[name[0]]].sum(axis=0) for name, row in books.classes.items()}


def _network_credit(books: Books) -> Classes:
    """Share of what the sites pay for the shared network."""
    charges, shares, none = network_charge(books), allocators(books), np.zeros(len(books.years))
    return {name: -shares.get((*name, "transmission"), 0.0) * charges.get(name[0], none) for name in books.classes}


def local_market_cost(books: Books) -> Array:
    """Market terms of all classes together; shape (Y,)."""
    terms = [*market_energy(books).values(), *market_capacity(books).values()]
    return sum(terms, np.zeros(len(books.years)))
