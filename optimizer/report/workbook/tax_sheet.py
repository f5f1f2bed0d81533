"""Sheet After tax: the sponsor's cash with every dollar of tax and credit in its own year."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.plan import Plan
from optimizer.report.after_tax import tax_items
from optimizer.report.workbook.book import MONEY, Book, Line, Timeline
from optimizer.report.workbook.cash import CashFlow
from optimizer.report.workbook.figure import Figure, total

#: Cash of capital and tax, by name: all other cash is deducted from taxable income when it is paid.
CAPITAL = ("own_capital", "salvage", "tax_effects", "production_tax_credits")


@dataclass(frozen=True)
class BeforeAndAfter:
    """Real cash before taxes and credits, and after them, with present values."""

    before: Line
    after: Line
    before_npv: Figure
    after_npv: Figure


def after_tax(book: Book, plan: Plan, flow: CashFlow) -> BeforeAndAfter | None:
    """Write the sheet After tax; None in the annuity view, which has no dates of spending."""
    title = "Cash after tax, nominal US$"
    note = (
        "Paid is positive. Credits and depreciation are figures, worked out with the instance's inflation and tax rate."
    )
    if plan.instance.manifest.finance.capital_view != "cash":
        not_in_annuity_view(book, "After tax", title)
        return None
    sheet = book.sheet("After tax", title, note)
    lines = Timeline(book, sheet, flow.years, 3, "nominal US$")
    factors, items = flow.nominal_factors, tax_items(plan)
    other = [name for name in flow.lines if name not in CAPITAL]

    def amounts(by_year: dict[int, float], sign: float = 1.0) -> list[float]:
        return [sign * by_year.get(year, 0.0) + 0.0 for year in flow.years]

    running = lines.add(
        "operating costs, bills and contributions, less revenue",
        lambda j: total([flow.lines[name].at(j) for name in other]) * flow.level.at(j),
        factors=factors,
    )
    own = lines.add("own plant", lambda j: flow.at("own_capital", j) * flow.level.at(j), factors=factors)
    value_left = lines.add(
        "value left in own plant", lambda j: flow.at("salvage", j) * flow.level.at(j), factors=factors
    )
    credited, written_off = amounts(items.credits, -1), amounts(items.depreciation)
    from_credits = lines.add("investment and production credits", lambda j: credited[j], factors=factors)
    depreciation = lines.add("depreciation and basis left (not cash)", lambda j: written_off[j], factors=factors)
    deducted = lines.add(
        "deductions less value left (not cash)",
        lambda j: running.at(j) + value_left.at(j) + depreciation.at(j),
        factors=factors,
    )
    saved = lines.add(
        "income tax saved", lambda j: Figure(-1.0, "-1") * flow.given.tax_rate * deducted.at(j), factors=factors
    )
    cash = [running, own, value_left, from_credits, saved]
    nominal = lines.add("cash after tax", lambda j: total([line.at(j) for line in cash]), bold=True, factors=factors)
    lines.gap()
    after = lines.add("after tax, real US$", lambda j: nominal.at(j) / flow.level.at(j), factors=flow.factors)
    left = amounts(items.value_left, -1)
    before = lines.add(
        "before taxes and credits, real US$",
        lambda j: (running.at(j) + own.at(j)) / flow.level.at(j) + left[j],
        factors=flow.factors,
    )
    lines.gap()
    counted = flow.npv * (Figure(1.0, "1") - flow.given.tax_rate)
    lines.remark("for comparison: (1 - tax rate) x NPV as the plan counts it", counted, book.number(MONEY))
    return BeforeAndAfter(
        before, after, lines.present_value(before, flow.factors), lines.present_value(after, flow.factors)
    )


def not_in_annuity_view(book: Book, name: str, title: str) -> None:
    """A sheet that says why it is empty."""
    why = "Not worked out: this instance counts capital as annuities, without dates of spending."
    fix = "Solve with --set finance.capital_view=cash."
    book.sheet(name, title, f"{why} {fix}")
