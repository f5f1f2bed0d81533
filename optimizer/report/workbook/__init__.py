"""A run as an Excel workbook: figures as live formulas with their values cached, tables, native charts.

Text is always written as text, so that no name from the data can become a formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from optimizer.plan import Plan
from optimizer.report.parties import paid_to
from optimizer.report.workbook import plan_sheets, rate_sheets
from optimizer.report.workbook.book import Book, SheetTable
from optimizer.report.workbook.cash import cash_flow
from optimizer.report.workbook.ledger import payers_and_recipients
from optimizer.report.workbook.return_sheet import returns
from optimizer.report.workbook.scenarios import scenario_comparison
from optimizer.report.workbook.sensitivity_sheet import sensitivity
from optimizer.report.workbook.summary import Findings, checks, headline_note, manifest, summary
from optimizer.report.workbook.tax_sheet import after_tax

__all__ = ["write_workbook"]


def write_workbook(
    plan: Plan,
    path: str | Path,
    *,
    charge_usd_per_mwh: float | None = None,
    others: Mapping[str, Plan] | None = None,
    name: str = "this run",
) -> None:
    """Write a run as an Excel workbook.

    Parameters
    ----------
    charge_usd_per_mwh
        Charge on every MWh delivered whose return is worked out, real US$; the levelised cost if left out.
    others
        Runs to compare with, by name.
    name
        Name of this run in the comparison.
    """
    book = Book(Path(path))
    title = plan.instance.manifest.title or plan.instance.manifest.name
    front = book.sheet("Summary", title, headline_note(plan))
    funded = plan_sheets.investment_plan(book, plan)
    costs = plan_sheets.costs(book, plan, paid_to(plan))
    funds = plan_sheets.sources_and_uses(book, plan, funded, costs)
    plan_sheets.capital_places(book, plan, funded)
    flow = cash_flow(book, plan)
    cash = after_tax(book, plan, flow)
    returned = returns(book, plan, flow, cash, charge_usd_per_mwh)
    sensitivity(book, plan, costs, flow)
    rate_sheets.rates(book, plan)
    rate_sheets.bridge(book, plan)
    _payments(book, plan)
    plan_sheets.stranding(book, plan)
    firm = "Margin: firm less required. n minus 1: what is left without the largest unit, less the peak."
    adequacy = plan_sheets.without_noise(plan.tables["adequacy"])
    plan_sheets.plain(book, "Adequacy", "Firm capacity against the peak of every site", firm, adequacy)
    plan_sheets.emissions(book, plan)
    ledger = payers_and_recipients(book)
    if others:
        scenario_comparison(book, {name: plan, **others}, flow)
    failed = checks(book, plan, flow, funds, ledger, cash)
    manifest(book, plan)
    summary(book, front, plan, Findings(flow, funds, cash, returned, failed))
    book.book.close()


def _payments(book: Book, plan: Plan) -> SheetTable:
    """Sheets of what campuses pay utilities and their customers, and of what the project adds to utilities' costs."""
    plan_sheets.bills(book, plan)
    networks = "What campuses pay for networks that all load shares, by their demand in the peak hour."
    plan_sheets.plain(book, "Shared networks", "Shared network charges", networks, plan.tables["network_charges"])
    outright = "Paid to local customers outright, US$ a year."
    plan_sheets.plain(book, "Make-whole", "Make-whole payments", outright, plan.tables["make_whole"])
    added = "What the project adds to what utilities must recover, US$ a year, by cost pool and component."
    return plan_sheets.plain(
        book, "Utility costs", "Added costs of utilities", added, plan.tables["revenue_requirement"]
    )
