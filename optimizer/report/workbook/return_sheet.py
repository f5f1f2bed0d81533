"""Sheet Return: what a charge on every MWh delivered returns, and the charge that each return needs.

A plan of costs has no return of its own. Charged for, it has: that is what a lender or a tenant asks about.
"""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.finance import nominal_rate
from optimizer.plan import Plan
from optimizer.report.workbook.book import COLOURS, MONEY, SMALL, Book, Line, Timeline
from optimizer.report.workbook.cash import RATE, CashFlow
from optimizer.report.workbook.figure import Answer, Figure
from optimizer.report.workbook.tax_sheet import BeforeAndAfter, not_in_annuity_view
from optimizer.returns import in_words, irrs, levelised_charge

#: Real returns for which the charge is shown.
RETURNS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.15, 0.20)


@dataclass(frozen=True)
class Return:
    """A charge for energy, and what it returns: real IRRs, in words where there are none or several."""

    charge: Figure
    before: Answer
    after: Answer
    nothing_left: Answer


def returns(book: Book, plan: Plan, flow: CashFlow, cash: BeforeAndAfter | None, charge: float | None) -> Return | None:
    """Write the sheet; None where there is no return to work out."""
    title = "What a charge for energy returns"
    if cash is None:
        not_in_annuity_view(book, "Return", title)
        return None
    if flow.discounted_mwh.value <= 0:
        book.sheet("Return", title, "Not worked out: no energy is delivered, so there is nothing to charge for.")
        return None
    note = "The campuses pay the sponsor a charge on every MWh delivered, constant in real US$. Received is positive."
    sheet = book.sheet("Return", title, note)
    real = f"real US$ of {plan.instance.manifest.price_year}"
    least = _needed(cash.before, flow, flow.given.discount_rate.value)
    book.put(sheet, 3, 0, f"charge, US$/MWh, {real}: type any", book.bold)
    asked = book.put(sheet, 3, 1, least if charge is None else charge, book.number("#,##0.00", given=True))
    if charge is None:
        book.put(sheet, 3, 2, "as written: covers the cost before tax, so it returns the discount rate", book.note)
    lines = Timeline(book, sheet, flow.years, 13, real)
    revenue = lines.add("revenue of the charge", lambda j: asked * flow.mwh.at(j), factors=flow.factors)
    before = lines.add(
        "net cash before tax", lambda j: revenue.at(j) - cash.before.at(j), bold=True, factors=flow.factors
    )
    after = lines.add(
        "net cash after tax",
        lambda j: revenue.at(j) * (Figure(1.0, "1") - flow.given.tax_rate) - cash.after.at(j),
        bold=True,
        factors=flow.factors,
    )
    nothing_left = lines.add(
        "net cash after tax, plant worth nothing at the end",
        lambda j: after.at(j) + flow.at("salvage", j) * (Figure(1.0, "1") - flow.given.tax_rate),
        bold=True,
        factors=flow.factors,
    )
    found = _rates_of_return(book, sheet, flow, lines, (before, after, nothing_left))
    _charges(book, sheet, flow, cash, lines.row + 3)
    return Return(asked, *found)


def _needed(cost: Line, flow: CashFlow, rate: float) -> float:
    by_year = [dict(zip(flow.years, line.values, strict=True)) for line in (cost, flow.mwh)]
    return levelised_charge(by_year[0], by_year[1], int(flow.given.base_year.value), rate)


def _rates_of_return(
    book: Book, sheet: object, flow: CashFlow, lines: Timeline, nets: tuple[Line, ...]
) -> list[Answer]:
    """NPV and IRR of lines of net cash, real and nominal; every IRR there is, in words. The real IRRs."""
    answers = []
    book.heads(sheet, 5, 0, ["", "before tax", "after tax", "after tax, nothing left"])
    labels = ("NPV, real US$", "IRR, real", "IRR, nominal", "every IRR, real, as first written", "every IRR, nominal")
    for row, label in enumerate(labels, start=6):
        book.put(sheet, row, 0, label)
    for column, line in enumerate(nets, start=1):
        book.put(sheet, 6, column, lines.present_value(line, flow.factors).rounded(2), book.number(MONEY))
        found = irrs(line.values)
        inflation, real, right = flow.given.inflation, irr(line, found), book.format(num_format=RATE, align="right")
        cell = book.put(sheet, 7, column, real, right).formula
        both = nominal_rate(real.value, inflation.value) if isinstance(real.value, float) else real.value
        book.put(sheet, 8, column, Answer(both, f"IFERROR((1+{cell})*(1+{inflation.formula})-1,{cell})"), right)
        answers.append(Answer(real.value, cell))
        book.put(sheet, 9, column, in_words(found), right)
        book.put(sheet, 10, column, in_words([nominal_rate(rate, inflation.value) for rate in found]), right)
    text = "Every IRR is listed for the charge first written; for another a cell shows one IRR. The NPV decides."
    book.put(sheet, 11, 0, text, book.note)
    return answers


def irr(line: Line, found: tuple[float, ...]) -> Answer:
    """The IRR of a line by Excel's function, started from the rate that was found; words where there are several."""
    if len(found) > 1:
        return Answer("several", '"several"')
    start = f"{found[0]:.4f}" if found else "0.1"
    return Answer(found[0] if found else "none found", f'IFERROR(IRR({line.cells},{start}),"none found")')


def _charges(book: Book, sheet: object, flow: CashFlow, cash: BeforeAndAfter, top: int) -> None:
    """Charge that each return needs, before and after tax."""
    book.put(sheet, top, 0, "Charge that returns", book.bold)
    heads = ["real return", "nominal return", "charge before tax, US$/MWh", "charge after tax, US$/MWh"]
    book.heads(sheet, top + 1, 0, heads)
    inflation, tax = flow.given.inflation, flow.given.tax_rate
    for row, rate in enumerate(RETURNS, start=top + 2):
        real = book.put(sheet, row, 0, rate, book.number(RATE, given=True))
        nominal = Figure(nominal_rate(rate, inflation.value), f"(1+{real.formula})*(1+{inflation.formula})-1")
        book.put(sheet, row, 1, nominal, book.number(RATE))
        book.put(sheet, row, 2, _charge(cash.before, flow, real), book.number(SMALL))
        book.put(sheet, row, 3, _charge(cash.after, flow, real) / (Figure(1.0, "1") - tax), book.number(SMALL))
    end = top + 1 + len(RETURNS)
    chart = book.chart("line", "Charge that a return needs", "US$/MWh, real")
    for column, colour in ((2, COLOURS[0]), (3, COLOURS[1])):
        chart.add_series(
            {"name": ["Return", top + 1, column], "categories": ["Return", top + 2, 0, end, 0],
             "values": ["Return", top + 2, column, end, column],
             "line": {"color": colour}, "marker": {"type": "circle", "fill": {"color": colour}}}
        )  # fmt: skip
    chart.set_x_axis({"name": "real return", "num_format": "0%"})
    sheet.insert_chart(end + 2, 0, chart)  # type: ignore[attr-defined]


def _charge(cost: Line, flow: CashFlow, rate: Figure) -> Figure:
    """Levelised charge as a formula of its own: not from the lines of discount factors, whose rate is another."""
    weights = f"(1+{rate.formula})^({flow.calendar.cells}-{flow.given.base_year.formula})"
    formula = f"SUMPRODUCT({cost.cells}/{weights})/SUMPRODUCT({flow.mwh.cells}/{weights})"
    return Figure(_needed(cost, flow, rate.value), formula)
