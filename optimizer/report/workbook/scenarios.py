"""Sheet Scenario comparison: plans side by side, and what choosing the first instead of another returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from optimizer.compare import compare
from optimizer.plan import Plan
from optimizer.report.words import PAYERS, cost_words
from optimizer.report.workbook.book import COLOURS, MONEY, SMALL, Book, Line, Timeline
from optimizer.report.workbook.cash import CashFlow, cash_by_year
from optimizer.report.workbook.figure import Figure
from optimizer.report.workbook.return_sheet import irr
from optimizer.returns import in_words, irrs
from optimizer.schema import FUNDING_MODES

SHEET = "Scenario comparison"
#: Inputs that differ, as many as are read on a page.
MOST_INPUTS = 30


def scenario_comparison(book: Book, plans: Mapping[str, Plan], flow: CashFlow) -> None:
    """Write the sheet; the first plan is the workbook's own.

    Parameters
    ----------
    plans
        At least two plans by the name of their run.
    flow
        Cash flow of the first.
    """
    note = "Real US$, present values. The first run is the one of this workbook; the others stand as they were saved."
    sheet = book.sheet(SHEET, "Runs side by side", note)
    book.heads(sheet, 3, 0, ["", *plans])
    row = _headline(book, sheet, plans)
    first = row + 2
    last = _costs(book, sheet, plans, first)
    row = _inputs(book, sheet, plans, _chart(book, sheet, plans, first, last))
    _choice(book, sheet, plans, flow, row)
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, len(plans), 22)


def _headline(book: Book, sheet: object, plans: Mapping[str, Plan]) -> int:
    """What each plan comes to; the last row written."""
    rows: list[tuple[str, str, Sequence[object]]] = [
        ("status", "General", [plan.status for plan in plans.values()]),
        ("cost, present value, US$", MONEY, [plan.objective_usd for plan in plans.values()]),
        ("no plan costs less than, US$", MONEY, [plan.bound_usd for plan in plans.values()]),
        ("value left in plant at the end, US$", MONEY, [-_present(plan, "salvage") for plan in plans.values()]),
        ("make-whole, sum over planning years, US$", MONEY, [_sum(p, "make_whole", "usd") for p in plans.values()]),
        ("highest change of a local rate, cents/kWh", SMALL, [_highest(plan) for plan in plans.values()]),
        *(
            (f"capital, {PAYERS[mode]}, real US$", MONEY, [_capital(plan, mode) for plan in plans.values()])
            for mode in FUNDING_MODES
        ),
        ("capacity funded, MW", "#,##0.0", [_sum(plan, "allocation", "mw") for plan in plans.values()]),
        ("emissions, sum over planning years, t CO2", MONEY, [_sum(p, "emissions", "t") for p in plans.values()]),
    ]  # fmt: skip
    for row, (name, style, values) in enumerate(rows, start=4):
        book.put(sheet, row, 0, name)
        for column, value in enumerate(values, start=1):
            book.put(sheet, row, column, value, book.number(style))
    return 3 + len(rows)


def _sum(plan: Plan, table: str, column: str) -> float:
    return float(plan.tables[table][column].sum())


def _present(plan: Plan, name: str) -> float:
    return float(plan.costs.loc[plan.costs["name"] == name, "present_value_usd"].sum())


def _highest(plan: Plan) -> float:
    return round(float(plan.rates["change_cents_per_kwh"].max()), 6) if len(plan.rates) else float("nan")


def _capital(plan: Plan, mode: str) -> float:
    rows = plan.allocation
    return float(rows[rows["funding_mode"] == mode]["capex_usd"].sum())


def _costs(book: Book, sheet: object, plans: Mapping[str, Plan], top: int) -> int:
    """Present value by cost name; the row of the sum."""
    table = pd.DataFrame({name: plan.costs.groupby("name")["present_value_usd"].sum() for name, plan in plans.items()})
    table = table.fillna(0.0).loc[lambda frame: frame.abs().max(axis=1).sort_values(ascending=False).index]
    book.heads(sheet, top, 0, ["present value by cost, US$", *plans])
    for row, name in enumerate(table.index, start=top + 1):
        book.put(sheet, row, 0, cost_words(str(name)))
        for column, value in enumerate(table.loc[name].tolist(), start=1):
            book.put(sheet, row, column, value, book.number(MONEY))
    end = top + 1 + len(table)
    book.put(sheet, end, 0, "sum", book.bold)
    for column, name in enumerate(plans, start=1):
        letters = Line(SHEET, 0, column, (0.0,)).at(0).formula.split("!")[1].rstrip("1")
        amount = Figure(float(table[name].sum()), f"SUM({letters}{top + 2}:{letters}{end})")
        book.put(sheet, end, column, amount, book.number(MONEY, bold=True))
    return end


def _chart(book: Book, sheet: object, plans: Mapping[str, Plan], first: int, end: int) -> int:
    """Stacked costs of the runs; the row below the chart."""
    chart = book.chart("column", "Cost by run", "present value, million US$", subtype="stacked", height=420)
    chart.set_y_axis({"name": "present value, million US$", "num_format": "#,##0,,;-#,##0,,"})
    for number, row in enumerate(range(first + 1, min(end, first + 1 + len(COLOURS)))):
        chart.add_series(
            {"name": [SHEET, row, 0], "categories": [SHEET, first, 1, first, len(plans)], "gap": 60,
             "values": [SHEET, row, 1, row, len(plans)], "fill": {"color": COLOURS[number]}}
        )  # fmt: skip
    sheet.insert_chart(end + 2, 0, chart)  # type: ignore[attr-defined]
    return end + 25


def _inputs(book: Book, sheet: object, plans: Mapping[str, Plan], top: int) -> int:
    """Figures of the instances that are not the same in all runs; the row below them."""
    found = _over_years(compare(plans).inputs)
    book.heads(sheet, top, 0, ["inputs that differ", *plans])
    shown = found[:MOST_INPUTS]
    for row, (name, values) in enumerate(shown, start=top + 1):
        book.put(sheet, row, 0, name)
        for place, value in enumerate(values, start=1):
            book.put(sheet, row, place, value, book.format(align="right"))
    row = top + 1 + len(shown)
    more = len(found) - len(shown)
    none = "" if found else "none: the same instance"
    book.put(sheet, row, 0, f"{more} more: optimizer compare lists them" if more else none, book.note)
    return row + 2


def _over_years(inputs: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Name of each input and its text in every run; years of one input are one row, first and last value."""
    rows: dict[str, list[list[str]]] = {}
    for table, key, column, *values in inputs.itertuples(index=False):
        place, _, last = str(key).rpartition(", ")
        name = ", ".join(part for part in (table, place if last.isdigit() else key, column) if part)
        rows.setdefault(name, []).append([_short(value) for value in values])
    return [
        (name, [one[0] if one[0] == one[-1] else f"{one[0]} to {one[-1]}" for one in zip(*texts, strict=True)])
        for name, texts in rows.items()
    ]


def _short(value: object) -> str:
    """A figure without the noise of its last digits; other text as it is."""
    try:
        return f"{float(str(value)):.9g}"
    except ValueError:
        return str(value)


def _choice(book: Book, sheet: object, plans: Mapping[str, Plan], flow: CashFlow, top: int) -> None:
    """Cash saved by the first plan against each other, its NPV and IRR."""
    (own, plan), *others = plans.items()
    book.put(sheet, top, 0, "Choosing the first run instead of another: cash saved, real US$", book.bold)
    note = "A return where the runs differ by a choice; where they differ by an assumption, a difference of costs."
    book.put(sheet, top + 1, 0, note, book.note)
    top += 1
    comparable = {name: other for name, other in others if _same_money(plan, other)}
    for name in (name for name, _ in others if name not in comparable):
        top += 1
        book.put(sheet, top, 0, f"{name}: other money, years or discount rate than {own}, so not compared", book.note)
    lines = Timeline(book, sheet, flow.years, top + 2, "saved: positive")
    found: list[tuple[str, Line]] = []
    for name, other in comparable.items():
        cash = cash_by_year(other, flow.years)
        theirs = lines.add(f"cash of {name}", lambda j, cash=cash: cash[j], factors=flow.factors)  # type: ignore[misc]
        saved = lines.add(
            f"saved against {name}",
            lambda j, theirs=theirs: theirs.at(j) - flow.cash.at(j),  # type: ignore[misc]
            bold=True, factors=flow.factors,
        )  # fmt: skip
        found.append((name, saved))
    book.heads(sheet, lines.row + 2, 0, ["first run instead of", "NPV, real US$", "IRR, real", "every IRR, real"])
    for number, (name, saved) in enumerate(found, start=1):
        row, rates = lines.row + 2 + number, irrs(saved.values)
        book.put(sheet, row, 0, name)
        book.put(sheet, row, 1, saved.times(flow.factors), book.number(MONEY))
        book.put(sheet, row, 2, irr(saved, rates), book.format(num_format="0.00%", align="right"))
        book.put(sheet, row, 3, in_words(rates))


def _same_money(plan: Plan, other: Plan) -> bool:
    def money(of: Plan) -> tuple[object, ...]:
        m = of.instance.manifest
        return m.price_year, m.base_year, m.finance.discount_rate, m.planning_years, m.last_year_represents

    return money(plan) == money(other)
