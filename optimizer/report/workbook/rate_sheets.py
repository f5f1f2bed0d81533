"""Sheets of local rates: without and with the project, and what makes the difference."""

from __future__ import annotations

from typing import Any

import pandas as pd
from xlsxwriter.utility import xl_rowcol_to_cell

from optimizer.plan import Plan
from optimizer.report.bridge import STEPS, rate_bridge
from optimizer.report.workbook.book import COLOURS, SMALL, Book, SheetTable
from optimizer.report.workbook.figure import Figure

#: A change of a class's cost below this is the solver's rounding, US$ a year.
NOISE_USD = 0.01
#: What the colours of the bridge's chart mean.
UP, DOWN, WHOLE = COLOURS[5], COLOURS[2], COLOURS[0]


def rates(book: Book, plan: Plan) -> SheetTable:
    """Every class and year: rate without, with, change, cap, typical monthly bill; a chart a utility."""
    kwh = {(row.utility, row.customer_class): row.typical_monthly_kwh for row in plan.instance.customer_classes}
    found = plan.rates
    use = [kwh[key] for key in zip(found["utility"], found["customer_class"], strict=True)]
    without, local = found["without_project_usd_per_mwh"] / 10, found["local_cost_change_usd"]
    local = local.where(local.abs() >= NOISE_USD, 0.0)
    change = local / found["sales_mwh"] / 10
    with_project = without + change
    frame = pd.DataFrame(
        {
            "utility": found["utility"],
            "customer_class": found["customer_class"],
            "year": found["year"].astype(int),
            "without_project_cents_per_kwh": without,
            "with_project_cents_per_kwh": with_project,
            "change_cents_per_kwh": change,
            "cap_on_change_cents_per_kwh": found["cap_cents_per_kwh"],
            "headroom_cents_per_kwh": found["cap_cents_per_kwh"] - change,
            "at_the_cap": ["yes" if binding else "" for binding in found["binding"].astype(bool)],
            "typical_use_kwh": use,
            "typical_bill_without_usd_per_month": without * use / 100,
            "typical_bill_with_usd_per_month": with_project * use / 100,
            "change_of_bill_usd_per_month": change * use / 100,
            "sales_mwh": found["sales_mwh"],
            "local_cost_change_usd": local,
        }
    )
    formulas = {
        "with_project_cents_per_kwh": "{without_project_cents_per_kwh}+{change_cents_per_kwh}",
        "headroom_cents_per_kwh": "{cap_on_change_cents_per_kwh}-{change_cents_per_kwh}",
        "typical_bill_without_usd_per_month": "{without_project_cents_per_kwh}*{typical_use_kwh}/100",
        "typical_bill_with_usd_per_month": "{with_project_cents_per_kwh}*{typical_use_kwh}/100",
        "change_of_bill_usd_per_month": "{change_cents_per_kwh}*{typical_use_kwh}/100",
        "change_cents_per_kwh": "{local_cost_change_usd}/{sales_mwh}/10",
    }
    note = "Real cents of the price year, the same year without and with the project. Use: kWh a month."
    sheet, table = book.table("Rates", "Local rates by class and year", note, frame, formulas)
    for number, (_, rows) in enumerate(frame.groupby("utility", sort=False)):
        sheet.insert_chart(3 + 17 * number, len(frame.columns) + 1, _change_by_class(book, rows))
    return table


def _change_by_class(book: Book, rows: pd.DataFrame) -> Any:
    """Change of the rate of each class of a utility by year, and the lowest cap."""
    chart = book.chart("line", "", "change, cents/kWh")
    chart.set_title({"name": ["Rates", 4 + int(rows.index[0]), 0], "name_font": {"size": 12}})
    for number, (_, one) in enumerate(rows.groupby("customer_class", sort=False)):
        first, last = 4 + int(one.index[0]), 4 + int(one.index[-1])
        colour = COLOURS[number % len(COLOURS)]
        chart.add_series(
            {"name": ["Rates", first, 1], "categories": ["Rates", first, 2, last, 2],
             "values": ["Rates", first, 5, last, 5], "line": {"color": colour, "width": 2},
             "marker": {"type": "circle", "size": 4, "fill": {"color": colour}, "border": {"color": colour}}}
        )  # fmt: skip
    first, last = 4 + int(one.index[0]), 4 + int(one.index[-1])
    chart.add_series(
        {"name": "cap (last class)", "categories": ["Rates", first, 2, last, 2],
         "values": ["Rates", first, 6, last, 6], "line": {"color": "#404040", "dash_type": "dash"}}
    )  # fmt: skip
    chart.set_y_axis({"name": "change, cents/kWh", "num_format": "0.000"})
    return chart


def bridge(book: Book, plan: Plan) -> SheetTable:
    """From the rate without the project to the rate with it, cause by cause; a chart of the class and year chosen."""
    frame = rate_bridge(plan)
    steps = [f"{step}_usd" for step in STEPS]
    terms = "+".join(f"{{{step}}}" for step in steps)
    formulas = {
        "all_causes_usd": f"ROUND({terms},2)",
        "with_project_cents_per_kwh": "{without_project_cents_per_kwh}+{all_causes_usd}/{sales_mwh}/10",
    }
    note = (
        "US$ a year by cause, paid positive. Local sales are those of the same year without the project: "
        "they do not change, so no cause is a change of sales."
    )
    sheet, table = book.table("Rate bridge", "What changes local rates", note, frame, formulas)
    if len(frame):
        _waterfall(book, sheet, table, steps)
    return table


def _waterfall(book: Book, sheet: Any, table: SheetTable, steps: list[str]) -> None:
    """Steps of the row chosen in a cell, in cents per kWh, as a waterfall."""
    frame, left = table.frame, len(table.frame.columns) + 1
    cents = frame[steps].astype(float).div(frame["sales_mwh"].astype(float), axis=0) / 10
    chosen = int(cents.abs().max(axis=1).to_numpy().argmax())
    book.put(sheet, 3, left, f"row to show, 1 to {len(frame)}", book.bold)
    pick = book.put(sheet, 3, left + 1, chosen + 1, book.number("0", given=True))
    limits = {"validate": "integer", "criteria": "between", "minimum": 1, "maximum": len(frame)}
    sheet.data_validation(3, left + 1, 3, left + 1, limits)
    for column, name in enumerate(("utility", "customer_class", "year")):
        cell = f"INDEX({table.column(name)},{pick.formula})"
        sheet.write_formula(4, left + column, f"={cell}", book.bold, frame[name].tolist()[chosen])
    parts = ["from", "to", "floor", "up", "down", "below", "up <0", "down <0"]
    book.heads(sheet, 6, left, ["cause", "cents/kWh", *parts], height=15)
    sales = Figure(float(frame["sales_mwh"].iloc[chosen]), f"INDEX({table.column('sales_mwh')},{pick.formula})")
    reached = Figure(0.0, "0")
    for row, step in enumerate(steps, start=7):
        book.put(sheet, row, left, step.removesuffix("_usd").replace("_", " "))
        usd = Figure(float(frame[step].iloc[chosen]), f"INDEX({table.column(step)},{pick.formula})")
        change = book.put(sheet, row, left + 1, usd / sales / 10.0, book.number(SMALL))
        start = book.put(sheet, row, left + 2, reached, book.number(SMALL))
        reached = book.put(sheet, row, left + 3, start + change, book.number(SMALL))
        _bar(book, sheet, row, left + 4, start, reached)
    last = 7 + len(steps)
    book.put(sheet, last, left, "change of the rate", book.bold)
    whole = book.put(sheet, last, left + 1, reached, book.number(SMALL, bold=True))
    _bar(book, sheet, last, left + 4, Figure(0.0, "0"), whole)
    sheet.set_column(left, left, 40)
    sheet.set_column(left + 1, left + 9, 11)
    _waterfall_chart(book, sheet, left, last)


def _bar(book: Book, sheet: Any, row: int, left: int, start: Figure, end: Figure) -> None:
    """Parts of a floating bar from start to end: what is empty, rises and falls, above zero and below it."""
    low = Figure(min(start.value, end.value), f"MIN({start.formula},{end.formula})")
    high = Figure(max(start.value, end.value), f"MAX({start.formula},{end.formula})")
    above = [_clip(low, "MAX"), _clip(high, "MAX") - _clip(low, "MAX")]
    below = [_clip(high, "MIN"), _clip(low, "MIN") - _clip(high, "MIN")]
    rises = f"{end.formula}>={start.formula}"
    up = end.value >= start.value
    parts = (above[0], _if(rises, up, above[1]), _if(rises, not up, above[1], other=True),
             below[0], _if(rises, up, below[1]), _if(rises, not up, below[1], other=True))  # fmt: skip
    for column, part in enumerate(parts, start=left):
        book.put(sheet, row, column, part, book.number(SMALL))


def _clip(figure: Figure, function: str) -> Figure:
    value = max(0.0, figure.value) if function == "MAX" else min(0.0, figure.value)
    return Figure(value, f"{function}(0,{figure.formula})")


def _if(test: str, holds: bool, figure: Figure, *, other: bool = False) -> Figure:
    """The figure where the test holds (``other``: does not hold), else 0."""
    formula = f"IF({test},0,{figure.formula})" if other else f"IF({test},{figure.formula},0)"
    return Figure(figure.value if holds else 0.0, formula)


def _waterfall_chart(book: Book, sheet: Any, left: int, last: int) -> None:
    chart = book.chart("column", "What changes the rate", "cents/kWh", subtype="stacked", height=440)
    name = sheet.get_name()
    looks = (None, UP, DOWN, None, UP, DOWN)
    for column, colour in enumerate(looks, start=left + 4):
        fill = {"color": colour} if colour else {"none": True}
        chart.add_series(
            {"name": [name, 6, column], "categories": [name, 7, left, last, left], "gap": 30, "fill": fill,
             "border": {"none": True}, "values": [name, 7, column, last, column],
             "points": [*([None] * (last - 7)), {"fill": {"color": WHOLE}}] if colour else None}
        )  # fmt: skip
    chart.set_legend({"none": True})
    chart.set_y_axis({"name": "cents/kWh", "num_format": "0.000"})
    row = xl_rowcol_to_cell(last + 2, left)
    sheet.insert_chart(row, chart)
