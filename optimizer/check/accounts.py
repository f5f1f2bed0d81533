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

import numpy as np
import pandas as pd

from optimizer.check.books import Books
from optimizer.check.report import USD, Comparison, at_most, equal, same
from optimizer.schema import POOLS

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


def _by(books: Books, table: str, column: str, *keys: str) -> pd.Series[float]:
    """Sums of a column by its keys."""
    return books.money(table, column, *keys).groupby(level=list(range(len(keys)))).sum()


def _cost(books: Books, name: str, *keys: str) -> pd.Series[float]:
    found = books.money("costs", "usd", "name", *keys)
    chosen = found[found.index.get_level_values(0) == name].droplevel(0)
    return chosen.groupby(level=list(range(len(keys)))).sum()


def _funding(books: Books) -> Iterator[Comparison]:
    """Capital by funding mode in the allocation is what the sponsor's costs carry and what utilities finance."""
    spent = books.money("allocation", "capex_usd", "funding_mode", "year").groupby(level=[0, 1]).sum()
    for mode, name in (("own", "own_capital"), ("contribution", "contribution")):
        of_mode = spent[spent.index.get_level_values(0) == mode].droplevel(0)
        yield same("sum_of_funding_modes", _cost(books, name, "year"), of_mode, USD)
    financed = spent[spent.index.get_level_values(0) == "utility"]
    plant = sum(build.capex_usd for build in books.builds if build.resource.mode == "utility")
    total = sum(build.capex_usd for build in books.builds)
    modes = float(spent.reindex(["own", "contribution"], level=0).sum())
    yield equal("sum_of_funding_modes", financed.sum(), plant, ["utility"], scale=max(USD, plant))
    yield equal("sum_of_funding_modes", modes + financed.sum(), total, ["all modes"], scale=max(USD, total))


def _payers(books: Books) -> Iterator[Comparison]:
    """Payments of the sponsor against receipts of utilities and classes."""
    name = "payers_and_recipients"
    yield same(
        name, _cost(books, "tariff_bills", "place", "year"), _by(books, "bills", "total_usd", "site", "year"), USD
    )
    billed = _by(books, "tariff_bills", "demand_charge_usd", "site", "year")
    yield same(name, _by(books, "bills", "demand_usd", "site", "year"), billed, USD)
    yield same(
        name,
        _cost(books, "make_whole", "place", "year"),
        -_by(books, "rates", "make_whole_usd", "utility", "year"),
        USD,
    )
    network = _by(books, "network_charges", "charge_usd", "utility", "year")
    yield same(name, _cost(books, "shared_network_charges", "place", "year"), network, USD)
    yield same(name, -_by(books, "rates", "network_credit_usd", "utility", "year"), network, USD)
    credited = {
        key: sum(r.bill_credit_share for r in books.classes.values() if r.utility == key) for key in books.utilities
    }
    bills = _by(books, "bills", "total_usd", "utility", "year")
    due = bills * np.array([credited.get(utility, 0.0) for utility in bills.index.get_level_values(0)], dtype=float)
    yield same(name, -_by(books, "rates", "bill_credit_usd", "utility", "year"), due, USD)


def _pools(books: Books) -> Iterator[Comparison]:
    """The classes of a utility bear its pools in full."""
    required = _by(books, "revenue_requirement", "usd", "pool", "utility", "year")
    for pool in POOLS:
        owed = required[required.index.get_level_values(0) == pool].droplevel(0)
        yield same("pools_are_borne", _by(books, "rates", f"{pool}_usd", "utility", "year"), owed, USD)
