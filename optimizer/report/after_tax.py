"""What tax does to the sponsor's cash, year by year, in nominal dollars.

The plan itself counts capital after tax by one factor (`finance.effective_cost_factor`). Here every dollar stands in
its year:

credit         investment credit on own plant in its year of service; production credits when they are earned
depreciation   of own plant by MACRS with bonus, on its nominal cost less half the investment credit
basis left     what is not written off when the horizon ends, deducted then
value left     in own plant when the horizon ends, as the plan counts it (net of what credits and depreciation take off
               the cost of new plant), taxed as income

Operating costs, contributions and their gross-up are deducted when paid, as the plan assumes. Deductions are used in
the year in which they arise; there is no recapture of credits, no state tax and no limit on losses.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from optimizer.check.books import Books, Build
from optimizer.check.capital import credit, spend, wacc
from optimizer.check.reading import clean_tables
from optimizer.finance import depreciation_by_year, discount_factor, price_level, remaining_annuities
from optimizer.periods import time_grid
from optimizer.plan import Plan

Cash = dict[int, float]


@dataclass(frozen=True)
class TaxItems:
    """Amounts by calendar year; nominal US$ but for ``value_left``.

    Attributes
    ----------
    value_left
        Of own plant at the end of the horizon before taxes and credits, real US$.
    credits
        Investment and production credits.
    depreciation
        Deducted in the year, and in the year after the horizon what is left of the basis.
    """

    value_left: Cash
    credits: Cash
    depreciation: Cash


def tax_items(plan: Plan) -> TaxItems:
    """Work out credits and depreciation of a plan in the cash view of capital."""
    books = Books(plan.instance, time_grid(plan.instance), clean_tables(plan.tables))
    value_left, earned, depreciation = _zero(), _production_credits(plan), _zero()
    for build in (build for build in books.builds if build.resource.mode == "own"):
        value_left[books.horizon_end] += build.capex_usd * _share_left(books, build)
        share, nominal = _investment_credit(books, build), _nominal_cost(plan, books, build)
        earned[build.year] += share * nominal
        technology = build.resource.technology
        written_off = depreciation_by_year(build.year, technology.macrs_years, technology.bonus_depreciation_share)
        for year, part in written_off.items():
            depreciation[min(year, books.horizon_end)] += part * nominal * (1 - share / 2)
    return TaxItems(dict(value_left), dict(earned), dict(depreciation))


def _zero() -> defaultdict[int, float]:
    return defaultdict(float)


def _production_credits(plan: Plan) -> defaultdict[int, float]:
    """Credits as paid: the plan counts them in dollars before tax."""
    manifest, earned = plan.instance.manifest, _zero()
    rows = plan.cash_flow[plan.cash_flow["name"] == "production_tax_credits"]
    for year, usd in zip(rows["calendar_year"].astype(int), rows["usd"].astype(float), strict=True):
        level = price_level(year, manifest.price_year, manifest.finance.inflation)
        earned[year] -= usd * (1 - manifest.finance.tax_rate) * level
    return earned


def _investment_credit(books: Books, build: Build) -> float:
    row = credit(books, build.resource.technology.technology, build.year)
    return row.itc_share if row is not None and books.instance.manifest.finance.tax_view else 0.0


def _nominal_cost(plan: Plan, books: Books, build: Build) -> float:
    manifest = plan.instance.manifest
    level = {year: price_level(year, manifest.price_year, manifest.finance.inflation) for year in spend(books, build)}
    return sum(build.capex_usd * share * level[year] for year, share in spend(books, build).items())


def _share_left(books: Books, build: Build) -> float:
    """Value at the end of the horizon per dollar of capital cost: the annuities still to come."""
    life, end, rate = build.resource.technology.life_years, books.horizon_end, books.discount_rate
    left = remaining_annuities(build.year, life, end, wacc(books, build), books.base_year, rate)
    return left / discount_factor(end, books.base_year, rate)
