"""Check a plan by recomputing it: every balance, limit, cost, bill and rate, from its tables and the instance alone.

Nothing here knows the model or the solver: the equations are written a second time, concern by concern, from what
they are to mean. A status says what a solver believes; this says whether the plan holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from optimizer.check.accounts import check_accounts, check_answer
from optimizer.check.books import Books
from optimizer.check.capacity_market import check_capacity
from optimizer.check.capital import check_budgets
from optimizer.check.compute import check_compute
from optimizer.check.costs import check_costs
from optimizer.check.dispatch import check_dispatch
from optimizer.check.flexibility import check_flexibility
from optimizer.check.investment import check_investment
from optimizer.check.policy import check_policy
from optimizer.check.rates import check_rates
from optimizer.check.reading import clean_tables
from optimizer.check.report import CheckError, Comparison, Finding, Report, judge
from optimizer.check.storage import check_storage
from optimizer.check.tables import check_columns, check_content
from optimizer.check.tariffs import check_tariffs
from optimizer.check.utilities import check_utilities
from optimizer.check.zones import check_zones
from optimizer.periods import time_grid
from optimizer.plan import Plan

__all__ = ["CONCERNS", "CheckError", "Finding", "Report", "check"]

#: Checks of one concern each, in the order of the report.
CONCERNS = (
    check_investment,
    check_budgets,
    check_compute,
    check_flexibility,
    check_dispatch,
    check_storage,
    check_zones,
    check_capacity,
    check_policy,
    check_tariffs,
    check_utilities,
    check_rates,
    check_accounts,
)


def check(plan: Plan, tolerance: float = 1e-6) -> Report:
    """Recompute a plan from its tables.

    Parameters
    ----------
    plan
        Anything with the attributes of a `Plan`.
    tolerance
        Largest violation that passes, relative to the natural scale of the figure.

    Returns
    -------
    Report
        Worst violation of every check and the findings above the tolerance. When the tables themselves are not
        whole, only the checks of the tables are made.
    """
    tables, grid = clean_tables(plan.tables), time_grid(plan.instance)
    report = judge(check_columns(tables), tolerance)
    if not report.ok:
        return report
    content = judge(check_content(tables, plan.instance, grid), tolerance)
    residuals = report.residuals | content.residuals
    if not content.ok:
        return Report(residuals, content.findings, tolerance)
    figures = judge(_figures(plan, Books(plan.instance, grid, tables)), tolerance)
    return Report(residuals | figures.residuals, figures.findings, tolerance)


def _figures(plan: Plan, books: Books) -> Iterator[Comparison]:
    for concern in CONCERNS:
        yield from concern(books)
    yield from check_costs(books, plan.objective_usd)
    asked = plan.manifest.get("options", {}).get("gap", math.inf)
    yield from check_answer(plan.status, plan.objective_usd, plan.bound_usd, plan.gap, asked)
