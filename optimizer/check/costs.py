"""Every cost of the sponsor by name, place and year, its present value and its cash; and the objective.

Present value of a yearly cost: times the weight of its planning year. Cash: repeated in each year represented.
The objective is the sum of all present values. Penalties and the tie-break are not cash: the cash flow's present value
is the objective less theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from optimizer.check.books import Books, once
from optimizer.check.capacity_market import capacity_payment
from optimizer.check.capital import capital_entries, credit
from optimizer.check.operating import fixed_om, fuel_cost, startup_cost, variable_om
from optimizer.check.policy import emissions
from optimizer.check.rates import local_market_cost
from optimizer.check.report import MWH_PER_YEAR, USD, Array, Comparison, Figures, at_least, at_most, equal, same
from optimizer.check.tables import COST_NAMES, PORTFOLIO
from optimizer.check.tariffs import bills
from optimizer.check.utilities import (
    corridor_buyer,
    corridor_cost,
    corridor_cost_name,
    export_rate,
    network_charge,
    requirement,
    zone_plant_value,
)
from optimizer.check.zones import price_rise_payment
from optimizer.periods import HOURS_PER_YEAR

#: Costs that nobody pays: weights on what is not served, and on ties.
NOT_PAID = ("unserved_penalty", "curtailment_penalty", "unmet_compute_penalty", "tie_break")

#: (name, place) -> US$ by planning year.
Yearly = defaultdict[tuple[str, str], Array]
#: (name, place, year) -> US$.
Costs = defaultdict[tuple[str, str, int], float]


def check_costs(books: Books, objective_usd: float) -> Iterator[Comparison]:
    """Costs one by one, their sum, and the cash flow."""
    usd, present = ledger(books)
    for column, expected in (("usd", usd), ("present_value_usd", present)):
        found, worked_out = _by_name(books.money("costs", column, "name", "place", "year")), _by_name(expected)
        for name in COST_NAMES:
            yield same(f"cost_{name}", found[name], worked_out[name], USD)
    total, listed = sum(present.values()), float(books.tables["costs"]["present_value_usd"].sum())
    scale = max(USD, abs(objective_usd))
    yield equal("objective", [total, listed], objective_usd, ["recomputed", "costs table"], scale=scale)
    unpaid = sum(sum(_by_name(present)[name].values()) for name in NOT_PAID)
    yield from _cash(books, unpaid, objective_usd)
    yield from _credited(books)


def _by_name(costs: Figures) -> defaultdict[str, dict[Any, float]]:
    """Costs of each name, by their keys."""
    of_name: defaultdict[str, dict[Any, float]] = defaultdict(dict)
    for key, usd in costs.items():
        of_name[key[0]][key] = usd
    return of_name


def ledger(books: Books) -> tuple[Costs, Costs]:
    """All costs by (name, place, year): US$ of the year, and present values."""
    usd: Costs = defaultdict(float)
    present: Costs = defaultdict(float)

    def add(name: str, place: str, year: int, amount: float, value: float) -> None:
        usd[name, place, year] += amount
        present[name, place, year] += value

    for (name, place), values in yearly_costs(books).items():
        worth = zip(books.years, values.tolist(), (values * books.year_weights).tolist(), strict=True)
        for year, amount, value in worth:
            add(name, place, year, amount, value)
    for entry in capital_entries(books):
        add(entry.name, entry.build.resource.place, entry.build.year, entry.usd, entry.present_value_usd)
    for place, year, amount in openings(books):
        add("site_opening", place, year, amount, amount * books.discount(year))
    return usd, present


def openings(books: Books) -> Iterator[tuple[str, int, float]]:
    """One-off cost of opening a site, in its first open year."""
    for site, opened in zip(books.instance.sites, books.by_site("open"), strict=True):
        years = [year for year, value in zip(books.years, opened, strict=True) if value > 0.5]
        if years and site.opening_cost_usd > 0:
            yield site.site, years[0], site.opening_cost_usd


@once
def yearly_costs(books: Books) -> Yearly:
    """Costs that recur every year, and the tie-break."""
    total: Yearly = defaultdict(lambda: np.zeros(len(books.years)))
    _add_plant(books, total)
    _add_sites(books, total)
    _add_market(books, total)
    _add_payments(books, total)
    _add_penalties(books, total)
    change = np.sum([local_market_cost(books), *requirement(books).values()], axis=0)
    total["tie_break", PORTFOLIO] += books.instance.manifest.rates.tie_break * change
    return total


def _add_plant(books: Books, total: Yearly) -> None:
    """Operating costs of what the sponsor owns, and credits for what it produces."""
    parts = {
        "fixed_om": fixed_om(books),
        "variable_om": variable_om(books),
        "fuel": fuel_cost(books),
        "startup": startup_cost(books),
    }
    for row, resource in enumerate(books.plants):
        if resource.sponsored:
            for name, values in parts.items():
                total[name, resource.place] += values[row]
    for name, _, _, usd in _credits(books):
        total["production_tax_credits", books.resources[name].place] -= usd


def _add_sites(books: Books, total: Yearly) -> None:
    """Tariff bills, and energy bought and sold by the sites."""
    billed = np.sum(list(bills(books).values()), axis=0)
    zones = list(books.zones)
    for row, site in enumerate(books.instance.sites):
        total["tariff_bills", site.site] += billed[row]
        imports, exports = books.site_flow["import_mw"][row], books.site_flow["export_mw"][row]
        tariff, price = books.tariff(site.site), books.price[zones.index(site.zone)]
        if tariff is not None and books.regulated(site.site):
            total["market_revenue", site.site] -= export_rate(books, tariff) * books.per_year(exports)
        elif books.zones[site.zone].supply == "price":
            total["market_purchases", site.site] += books.per_year(price * imports)
            total["market_revenue", site.site] -= books.per_year(price * exports)


def _add_market(books: Books, total: Yearly) -> None:
    """Zone plant, corridors, the price rise and capacity, where no cost-of-service utility buys."""
    for resource, value in zip(books.plants, zone_plant_value(books), strict=True):
        if resource.sponsored and resource.plant.zone is not None:
            total["market_revenue", resource.place] -= value
    for corridor, cost in zip(books.instance.corridors, corridor_cost(books), strict=True):
        if corridor_buyer(books, corridor) is None:
            total[corridor_cost_name(books, corridor), corridor.corridor] += cost
    capacity, rise = capacity_payment(books), books.per_year(price_rise_payment(books))
    for row, zone in enumerate(books.zones):
        if books.buyer(zone) is None:
            total["market_price_rise", zone] += rise[row]
            total["capacity_purchases", zone] += capacity.get(zone, 0.0)


def _add_payments(books: Books, total: Yearly) -> None:
    """What is paid to utilities and their classes beside the bills."""
    for utility, usd in network_charge(books).items():
        total["shared_network_charges", utility] += usd
    paid = books.money("make_whole", "usd", "utility", "year")
    posted = books.money("stranding", "collateral_usd", "utility", "exit_year")
    for name, row in books.utilities.items():
        total["make_whole", name] += _by_year(books, paid, name)
        total["collateral_carry", name] += row.collateral_carry_share * _by_year(books, posted, name)


def _by_year(books: Books, values: Figures, name: str) -> Array:
    return np.array([values.get((name, year), 0.0) for year in books.years])


def _add_penalties(books: Books, total: Yearly) -> None:
    """Load not served, compute without a site, emissions."""
    compute = books.instance.manifest.compute
    for row, site in enumerate(books.instance.sites):
        flow = {name: books.per_year(books.site_flow[f"{name}_mw"][row]) for name in ("unserved", "curtailed")}
        total["unserved_penalty", site.site] += compute.unserved_usd_per_mwh * flow["unserved"]
        total["curtailment_penalty", site.site] += site.curtailment_cost_usd_per_mwh * flow["curtailed"]
    unmet = books.array("compute", "unmet_mw", ("year", books.years))
    total["unmet_compute_penalty", PORTFOLIO] += compute.unmet_usd_per_mwh * HOURS_PER_YEAR * unmet
    prices = {row.year: row.carbon_price_usd_per_t for row in books.instance.policy}
    price = np.array([prices.get(year, 0.0) for year in books.years])
    for (place, _), tonnes in emissions(books).items():
        total["carbon", place] += price * tonnes


# Production credits


def _credits(books: Books) -> Iterator[tuple[str, Array, Array, Array]]:
    """Resources with production credits: name, credited MWh, most that may be credited, US$; shape (Y,) each."""
    finance = books.instance.manifest.finance
    credited = books.array("credited_energy", "mwh", ("resource", books.resources), ("year", books.years))
    hours, produced = books.availability @ books.weights, books.per_year(books.resource_flow["generation_mw"])
    for row, (name, resource) in enumerate(books.resources.items()):
        capacity, rate = np.zeros(len(books.years)), 0.0
        for build in (b for b in books.builds if b.resource.name == name):
            offer = credit(books, resource.technology.technology, build.year)
            if finance.tax_view and resource.mode == "own" and offer is not None and offer.ptc_usd_per_mwh > 0:
                paid = [build.in_service(y) and y < build.year + offer.ptc_years for y in books.years]
                capacity += build.mw * np.array(paid)
                rate = max(rate, offer.ptc_usd_per_mwh)
        most = np.minimum(capacity * hours[row], produced[row])
        yield name, credited[row], most, rate / (1 - finance.tax_rate) * credited[row]


def _credited(books: Books) -> Iterator[Comparison]:
    """Credited energy was produced, by plant within its credit years."""
    for name, energy, most, _ in _credits(books):
        keys = [(name, year) for year in books.years]
        yield at_most("credited_energy", energy, most, keys, scale=np.fmax(MWH_PER_YEAR, most))
        yield at_least("credited_energy", energy, 0, keys, scale=MWH_PER_YEAR)


# Cash


def _cash(books: Books, unpaid: float, objective_usd: float) -> Iterator[Comparison]:
    """Cash by name and calendar year; its present value and that of what nobody pays are the objective."""
    found = books.money("cash_flow", "usd", "name", "calendar_year")
    yield same("cash_flow", found, cash(books), USD)
    value = sum(usd * books.discount(year) for (_, year), usd in found.items())
    scale = max(USD, abs(objective_usd))
    yield equal("cash_flow_value", value + unpaid, objective_usd, scale=scale)


def cash(books: Books) -> dict[tuple[str, int], float]:
    """Cash of the sponsor by (name, calendar year)."""
    total: defaultdict[tuple[str, int], float] = defaultdict(float)
    for (name, _), values in yearly_costs(books).items():
        if name in NOT_PAID:
            continue
        for year, usd in zip(books.years, values.tolist(), strict=True):
            for later in range(year, year + books.grid.years_represented[year]):
                total[name, later] += usd
    for entry in capital_entries(books):
        for year, usd in entry.cash.items():
            total[entry.name, year] += usd
    for _, year, usd in openings(books):
        total["site_opening", year] += usd
    return total
