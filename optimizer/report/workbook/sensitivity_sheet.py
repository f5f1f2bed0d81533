"""Sheet Sensitivities: what the plan as it stands would cost if one figure were another."""

from __future__ import annotations

from optimizer.plan import Plan
from optimizer.report.sensitivity import CHANGES, NOTE, at_rate, discounting
from optimizer.report.workbook.book import COLOURS, MONEY, TOP, Book, SheetTable
from optimizer.report.workbook.cash import RATE, CashFlow
from optimizer.report.workbook.figure import Figure, total


def sensitivity(book: Book, plan: Plan, costs: SheetTable, flow: CashFlow) -> None:
    """Write the sheet: a change, its size to type over, and what it adds to the cost; a chart."""
    sheet = book.sheet("Sensitivities", "The plan unchanged, one figure another", f"{NOTE} Yellow cells may change.")
    book.heads(sheet, 3, 0, ["change", "size", "change of the cost, present value, US$"])
    money, share = book.number(MONEY), book.number(RATE, given=True)
    for row, one in enumerate(CHANGES, start=TOP):
        book.put(sheet, row, 0, one.words)
        size = book.put(sheet, row, 1, one.factor, share)
        present = total([costs.total("present_value_usd", name=name) for name in one.names])
        book.put(sheet, row, 2, size * present, money)
    end = TOP + len(CHANGES)
    for row, (words, change) in enumerate(discounting(plan), start=end):
        book.put(sheet, row, 0, words)
        point = book.put(sheet, row, 1, change, share)
        book.put(sheet, row, 2, _at_rate(flow, point, at_rate(plan, change)), money)
        end = row + 1
    sheet.set_column(0, 0, 52)
    sheet.set_column(1, 1, 12)
    sheet.set_column(2, 2, 28)
    chart = book.chart("bar", "Change of the cost", "present value, million US$", height=420)
    chart.set_x_axis({"name": "present value, million US$", "num_format": "#,##0,,;-#,##0,,", "label_position": "high"})
    name = sheet.get_name()
    chart.add_series(
        {"categories": [name, TOP, 0, end - 1, 0], "values": [name, TOP, 2, end - 1, 2], "gap": 40,
         "fill": {"color": COLOURS[0]}, "invert_if_negative": False}
    )  # fmt: skip
    chart.set_legend({"none": True})
    sheet.insert_chart(end + 1, 0, chart)


def _at_rate(flow: CashFlow, point: Figure, usd: float) -> Figure:
    """The cash flow's present value at another rate, less that at its own."""
    rate, base = flow.given.discount_rate.formula, flow.given.base_year.formula
    factors = f"(1+{rate}+{point.formula})^({base}-{flow.calendar.cells})"
    return Figure(usd, f"SUMPRODUCT({flow.cash.cells}*{factors})-{flow.npv.formula}")
