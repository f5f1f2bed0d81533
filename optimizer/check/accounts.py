"""Accounts that reconcile table against table, and what the solver says of itself.

own + contribution + utility-financed = capital cost
bills, make-whole, network charges and contributions: what the sponsor pays is what utilities and classes receive
every dollar of a pool is borne by a class
gap = (objective - bound) / |objective|;  bound <= objective
optimal: the gap is closed;  within gap: it is at most the one asked for
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from optimizer.check.books import Books
from optimizer.check.report import USD, Comparison, Figures, at_most, equal, same
from optimizer.schema import FUNDING_MODES, POOLS

#: Largest relative gap by status; that of ``within gap`` is the one asked for.
LARGEST_GAP = {
    "optimal": 1e-6,
    "within gap": math.nan,
    "feasible at time limit": math.inf,
    "interrupted": math.inf,
    "replayed": math.inf,
}
#: How far the gap may move when a solution is polished after the search.
SOLVER_NOISE = 1e-5


def check_accounts(books: Books) -> Iterator[Comparison]:
    """Tables against each other."""
    yield from _funding(books)
    yield from _payers(books)
    yield from _pools(books)


def check_answer(status: str, objective_usd: float, bound_usd: float, gap: float, asked: float) -> Iterator[Comparison]:
    """The bound does not exceed the objective of a minimisation, the gap is what they make, and the status fits it."""
    scale = max(USD, abs(objective_usd))
    finite = [float(not math.isfinite(value)) for value in (objective_usd, bound_usd, gap)]
    yield equal("gap", finite, 0, ["objective", "bound", "gap"])
    yield at_most("bound", bound_usd, objective_usd, scale=scale)
    yield equal("gap", gap * abs(objective_usd), objective_usd - bound_usd, scale=scale)
    yield equal("status", float(status not in LARGEST_GAP), 0, ["known word"])
    largest = asked if status == "within gap" else LARGEST_GAP.get(status, math.inf)
    yield at_most("status", gap, largest + SOLVER_NOISE, ["gap of its word"])


def _cost(books: Books, name: str, *keys: str) -> dict[Any, float]:
    """A cost by its keys."""
    return _of(name, books.money("costs", "usd", "name", *keys))


def _of(first: str, figures: Figures) -> dict[Any, float]:
    """Figures whose key begins with a name, by the rest of it."""
    return {key[1:]: figure for key, figure in figures.items() if key[0] == first}


def _negative(figures: Figures) -> dict[Any, float]:
    return {key: -figure for key, figure in figures.items()}


def _funding(books: Books) -> Iterator[Comparison]:
    """Capital by funding mode in the allocation is what the sponsor's costs carry and what utilities finance."""
    spent = books.money("allocation", "capex_usd", "funding_mode", "year")
    of_mode: dict[str, dict[Any, float]] = {mode: _of(mode, spent) for mode in FUNDING_MODES}
    for mode, name in (("own", "own_capital"), ("contribution", "contribution")):
        yield same("sum_of_funding_modes", _cost(books, name, "year"), of_mode[mode], USD)
    plant = sum(build.capex_usd for build in books.builds if build.resource.mode == "utility")
    total = sum(build.capex_usd for build in books.builds)
    found = sum(sum(figures.values()) for figures in of_mode.values())
    financed = sum(of_mode["utility"].values())
    yield equal("sum_of_funding_modes", financed, plant, ["utility"], scale=max(USD, plant))
    yield equal("sum_of_funding_modes", found, total, ["all modes"], scale=max(USD, total))


def _payers(books: Books) -> Iterator[Comparison]:
    """Payments of the sponsor against receipts of utilities and classes."""
    name, by_site, by_utility = "payers_and_recipients", ("site", "year"), ("utility", "year")
    billed = books.money("bills", "total_usd", *by_site)
    yield same(name, _cost(books, "tariff_bills", "place", "year"), billed, USD)
    demand = books.money("tariff_bills", "demand_charge_usd", *by_site)
    yield same(name, books.money("bills", "demand_usd", *by_site), demand, USD)
    received = {
        column: _negative(books.money("rates", f"{column}_usd", *by_utility))
        for column in ("make_whole", "network_credit", "bill_credit")
    }
    yield same(name, _cost(books, "make_whole", "place", "year"), received["make_whole"], USD)
    network = books.money("network_charges", "charge_usd", *by_utility)
    yield same(name, _cost(books, "shared_network_charges", "place", "year"), network, USD)
    yield same(name, received["network_credit"], network, USD)
    yield same(name, received["bill_credit"], _credited(books), USD)


def _credited(books: Books) -> dict[Any, float]:
    """Share of the bills that the classes of each utility are due together."""
    share = dict.fromkeys(books.utilities, 0.0)
    for row in books.classes.values():
        share[row.utility] += row.bill_credit_share
    bills = books.money("bills", "total_usd", "utility", "year")
    return {(utility, year): share.get(utility, 0.0) * usd for (utility, year), usd in bills.items()}


def _pools(books: Books) -> Iterator[Comparison]:
    """The classes of a utility bear its pools in full."""
    required = books.money("revenue_requirement", "usd", "pool", "utility", "year")
    for pool in POOLS:
        borne = books.money("rates", f"{pool}_usd", "utility", "year")
        yield same("pools_are_borne", borne, _of(pool, required), USD)
