"""Capital of the sponsor: present values, cash by calendar year, budgets.

With PV the present value of the spending of a dollar, ECF the effective cost factor (1 without the tax view):

    cash view      own_capital capex * PV;  tax_effects (ECF - 1) * capex * PV
                   salvage -ECF * capex * annuities, due as a year begins, that remain after the horizon
    annuity view   own_capital capex * CRF * sum of the weights of the planning years in service;
                   tax_effects (ECF - 1) times that;  no salvage
    contribution   as own_capital, contribution_gross_up the gross-up times it;  no tax effects, no salvage
    budget         own capex + contribution * (1 + gross-up) by calendar year, those before the first planning year
                   belonging to it
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimizer import schema
from optimizer.check.books import Books, Build
from optimizer.check.report import USD, Comparison, at_most
from optimizer.finance import (
    capital_recovery_factor,
    depreciation_present_value,
    effective_cost_factor,
    nominal_rate,
    remaining_annuities,
    spend_by_year,
)


@dataclass(frozen=True)
class Entry:
    """A cost of a build: amount, present value, and when it is paid."""

    name: str
    build: Build
    usd: float
    present_value_usd: float
    cash: dict[int, float]


def check_budgets(books: Books) -> Iterator[Comparison]:
    """Capital cash of the sponsor within each budget, of the year and up to it."""
    for budget in (row for row in books.instance.budgets if row.year in books.years):
        spent = _spending(books, budget.scope)
        end = budget.year + books.grid.years_represented[budget.year]
        first = -np.inf if budget.year == books.years[0] else budget.year
        in_year = sum(usd for year, usd in spent.items() if first <= year < end)
        so_far = sum(usd for year, usd in spent.items() if year < end)
        limits = ((in_year, budget.max_capex_usd), (so_far, budget.max_cumulative_capex_usd))
        for amount, most in limits:
            if most is not None:
                yield at_most("budgets", amount, most, [f"{budget.scope} {budget.year}"], scale=max(USD, most))


def _spending(books: Books, scope: str) -> dict[int, float]:
    total: defaultdict[int, float] = defaultdict(float)
    for build in books.builds:
        if scope in ("portfolio", build.option.site):
            for year, share in spend(books, build).items():
                total[year] += share * build.capex_usd * _sponsor_share(books, build)
    return dict(total)


def _sponsor_share(books: Books, build: Build) -> float:
    """Cash of the sponsor per dollar of capital cost."""
    if build.resource.mode == "contribution":
        return 1 + gross_up(books, build)
    return float(build.resource.mode == "own")


def gross_up(books: Books, build: Build) -> float:
    """Tax on a contribution, per dollar of it."""
    return books.utilities[build.option.utility or ""].contribution_tax_gross_up


def spend(books: Books, build: Build) -> dict[int, float]:
    """Share of the capital cost paid in each calendar year."""
    name = build.resource.technology.spend_curve
    rows = [row for row in books.instance.spend_curves if row.spend_curve == name]
    curve = {row.years_before_service: row.share for row in rows} or {0: 1.0}
    return spend_by_year(build.year, curve, books.base_year)


def capital_entries(books: Books) -> Iterator[Entry]:
    """Capital costs of the sponsor, build by build."""
    for build in books.builds:
        if build.resource.mode == "own":
            factor = cost_factor(books, build)
            yield _payment(books, "own_capital", build, 1.0)
            yield _payment(books, "tax_effects", build, factor - 1)
            if books.instance.manifest.finance.capital_view == "cash":
                yield _salvage(books, build, factor)
        elif build.resource.mode == "contribution":
            yield _payment(books, "contribution", build, 1.0)
            yield _payment(books, "contribution_gross_up", build, gross_up(books, build))


def _payment(books: Books, name: str, build: Build, factor: float) -> Entry:
    """Capital cost times a factor, paid as the capital is: spent, or by annuities."""
    if books.instance.manifest.finance.capital_view == "cash":
        cash = {year: factor * build.capex_usd * share for year, share in spend(books, build).items()}
    else:
        annuity = (
            factor * build.capex_usd * capital_recovery_factor(wacc(books, build), build.resource.technology.life_years)
        )
        served = [year for year in books.years if build.in_service(year)]
        cash = {year + j: annuity for year in served for j in range(books.grid.years_represented[year])}
    value = sum(usd * books.discount(year) for year, usd in cash.items())
    return Entry(name, build, factor * build.capex_usd, value, cash)


def _salvage(books: Books, build: Build, factor: float) -> Entry:
    """What is left in the plant after the horizon, paid out at its end."""
    life, end = build.resource.technology.life_years, books.horizon_end
    left = remaining_annuities(build.year, life, end, wacc(books, build), books.base_year, books.discount_rate)
    value = -factor * build.capex_usd * left
    usd = value / books.discount(end)
    return Entry("salvage", build, usd, value, {end: usd})


def wacc(books: Books, build: Build) -> float:
    own = build.resource.technology.wacc
    return books.discount_rate if own is None else own


def credit(books: Books, technology: str, year: int) -> schema.TaxCredit | None:
    """Credit of a plant by its year of service."""
    rows = (row for row in books.instance.tax_credits if row.technology == technology)
    return next((row for row in rows if row.first_year <= year <= row.last_year), None)


def cost_factor(books: Books, build: Build) -> float:
    """Effective cost after tax per dollar of capital cost; 1 without the tax view."""
    finance, technology = books.instance.manifest.finance, build.resource.technology
    if not finance.tax_view:
        return 1.0
    row = credit(books, technology.technology, build.year)
    rate = nominal_rate(finance.discount_rate, finance.inflation)
    depreciation = depreciation_present_value(technology.macrs_years, technology.bonus_depreciation_share, rate)
    return effective_cost_factor(0.0 if row is None else row.itc_share, finance.tax_rate, depreciation)
