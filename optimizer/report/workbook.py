"""A run as an Excel workbook: tables by sheet, cash flow and checks as live formulas with their values cached.

Text is always written as text, so that no name from the data can become a formula.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from optimizer.finance import discount_factor, year_weight
from optimizer.periods import planning_years, years_represented
from optimizer.plan import Plan
from optimizer.show import NOT_CASH

#: Sheet -> (table of the plan, what it holds). Written as they are.
TABLES = {
    "Investment plan": ("allocation", "What enters service: MW, MWh, capital in real US$, and who pays"),
    "Rates": ("rates", "Every class and year: rate without and with the project, cap, and what makes the change, US$"),
    "Tariff bills": ("bills", "What campuses pay their utilities, US$ a year"),
    "Make-whole": ("make_whole", "What is paid to local customers outright, US$ a year"),
    "Stranding": ("stranding", "What a utility would be left with by exit year, and what covers it, US$"),
    "Costs": ("costs", "Costs of the sponsor by name, place and year: US$ of the year, and present value"),
    "Adequacy": ("adequacy", "Firm capacity against the peak of every site, MW"),
    "Emissions": ("emissions", "Tonnes of CO2 by place, year and source"),
}


class _Book:
    """A workbook with the formats that all sheets share."""

    def __init__(self, path: Path) -> None:
        # constant_memory is off: formulas and charts are written out of order
        self.book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
        self.head = self.book.add_format({"bold": True, "bg_color": "#DCE6F1", "border": 1, "text_wrap": True})
        self.title = self.book.add_format({"bold": True, "font_size": 14})
        self.note = self.book.add_format({"italic": True, "font_color": "#555555"})
        self.money = self.book.add_format({"num_format": "#,##0;[Red]-#,##0"})
        self.rate = self.book.add_format({"num_format": "#,##0.000;[Red]-#,##0.000"})
        self.bold = self.book.add_format({"bold": True, "num_format": "#,##0;[Red]-#,##0", "top": 1})

    def sheet(self, name: str, title: str, note: str) -> Any:
        sheet = self.book.add_worksheet(name)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)  # printed as wide as a page, as long as it needs
        sheet.write_string(0, 0, title, self.title)
        sheet.write_string(1, 0, note, self.note)
        return sheet


def write_workbook(plan: Plan, path: str | Path) -> None:
    """Write a run as an Excel workbook.

    Sheets: Summary, Cash flow (live formulas: totals, present values, NPV), Energy, Sources and uses, the plan's
    tables, Checks (live formulas, each 0) and Manifest.
    """
    book = _Book(Path(path))
    summary = book.sheet("Summary", plan.instance.manifest.title or plan.instance.manifest.name, _note(plan))
    npv = _cash_flow(book, plan)
    energy = _energy(book, plan)
    funds = _sources_and_uses(book, plan)
    for name, (table, note) in TABLES.items():
        _table(book, name, note, plan.tables[table])
    _summary(book, summary, plan, npv, energy)
    _checks(book, plan, npv, funds)
    _manifest(book, plan)
    book.book.close()


def _note(plan: Plan) -> str:
    manifest = plan.instance.manifest
    return (
        f"Real US$ of {manifest.price_year}; present values of {manifest.base_year}"
        f" at {manifest.finance.discount_rate:.2%} a year real; resolution {manifest.options.resolution}"
    )


def _cell(sheet: str, row: int, column: int) -> str:
    return f"'{sheet}'!{xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True)}"


def _cash_flow(book: _Book, plan: Plan) -> tuple[str, float]:
    """Cash by name and calendar year; where its NPV stands, and its value."""
    finance, base = plan.instance.manifest.finance, plan.instance.manifest.base_year
    table = plan.cash_flow.pivot_table(
        index="name", columns="calendar_year", values="usd", aggfunc="sum", fill_value=0.0
    )
    years, last = [int(year) for year in table.columns.to_list()], len(table.columns)
    sheet = book.sheet(
        "Cash flow", "Cash of the sponsor, US$", "Paid is positive, received negative. Bold rows are formulas."
    )
    sheet.write_string(2, 0, "discount rate, real")
    sheet.write_number(2, 1, finance.discount_rate)
    sheet.write_string(3, 0, "base year")
    sheet.write_number(3, 1, base)
    top = 6
    sheet.write_row(top - 1, 0, ["name", *years], book.head)
    for number, (name, values) in enumerate(table.iterrows()):
        sheet.write_string(top + number, 0, str(name))
        sheet.write_row(top + number, 1, values.tolist(), book.money)
    total, factor, value = top + len(table), top + len(table) + 1, top + len(table) + 2
    for row, name in ((total, "total"), (factor, "discount factor"), (value, "present value")):
        sheet.write_string(row, 0, name, book.bold)
    for column, year in enumerate(years, start=1):
        letter = xl_col_to_name(column)
        cash, weight = float(table[year].sum()), discount_factor(year, base, finance.discount_rate)
        sheet.write_formula(total, column, f"=SUM({letter}{top + 1}:{letter}{total})", book.bold, cash)
        sheet.write_formula(factor, column, f"=1/(1+$B$3)^({letter}${top}-$B$4)", book.rate, weight)
        sheet.write_formula(value, column, f"={letter}{total + 1}*{letter}{factor + 1}", book.bold, cash * weight)
    npv = float(sum(table[year].sum() * discount_factor(year, base, finance.discount_rate) for year in years))
    end = xl_col_to_name(last)
    sheet.write_string(value + 1, 0, "NPV", book.bold)
    sheet.write_formula(value + 1, 1, f"=SUM(B{value + 1}:{end}{value + 1})", book.bold, npv)
    chart = book.book.add_chart({"type": "column", "subtype": "stacked"})
    for number, name in enumerate(table.abs().sum(axis=1).sort_values(ascending=False).index[:8]):
        row = top + list(table.index).index(name)
        chart.add_series(
            {"name": ["Cash flow", row, 0], "categories": ["Cash flow", top - 1, 1, top - 1, last], "gap": 40,
             "values": ["Cash flow", row, 1, row, last], "fill": {"color": COLOURS[number % len(COLOURS)]}}
        )  # fmt: skip
    chart.set_title({"name": "Largest cash flows, US$ a year"})
    chart.set_size({"width": 900, "height": 380})
    sheet.insert_chart(value + 4, 0, chart)
    sheet.freeze_panes(top, 1)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, last, 15)
    return _cell("Cash flow", value + 1, 1), npv


#: Colours that colour-blind readers can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F")


def _energy(book: _Book, plan: Plan) -> tuple[str, float]:
    """Energy delivered by planning year, and discounted; where the sum stands, and its value, MWh."""
    manifest = plan.instance.manifest
    sites = plan.tables["sites"]
    delivered = (sites["load_mwh"] - sites["unserved_mwh"] - sites["curtailed_mwh"]).groupby(sites["year"]).sum()
    years = years_represented(planning_years(manifest), manifest.last_year_represents)
    sheet = book.sheet(
        "Energy", "Energy delivered, MWh", "Discounted like money, over the years that a planning year stands for."
    )
    sheet.write_row(3, 0, ["planning year", "MWh a year", "sum of discount factors", "discounted MWh"], book.head)
    total = 0.0
    for row, (year, count) in enumerate(years.items(), start=4):
        mwh = float(delivered.get(year, 0.0))
        weight = year_weight(year, count, manifest.base_year, manifest.finance.discount_rate)
        sheet.write_row(row, 0, [year, mwh, weight])
        sheet.write_formula(row, 3, f"=B{row + 1}*C{row + 1}", book.money, mwh * weight)
        total += mwh * weight
    end = 4 + len(years)
    sheet.write_string(end, 0, "sum", book.bold)
    sheet.write_formula(end, 3, f"=SUM(D5:D{end})", book.bold, total)
    sheet.set_column(0, 3, 22)
    return _cell("Energy", end, 3), total


def _sources_and_uses(book: _Book, plan: Plan) -> tuple[tuple[str, float], tuple[str, float]]:
    """Capital by who pays and by what it buys; where both sums stand, and what they are."""
    sheet = book.sheet(
        "Sources and uses", "Capital, US$, gross and undiscounted", "Sources and uses are equal: see Checks."
    )
    ends = []
    for column, (heading, key) in enumerate((("source", "funding_mode"), ("use", "technology"))):
        left = 3 * column
        sheet.write_row(3, left, [heading, "US$"], book.head)
        sums = plan.allocation.groupby(key)["capex_usd"].sum().sort_values(ascending=False)
        for row, (name, usd) in enumerate(sums.items(), start=4):
            sheet.write_string(row, left, str(name))
            sheet.write_number(row, left + 1, float(usd), book.money)
        end, letter = 4 + len(sums), xl_col_to_name(left + 1)
        sheet.write_string(end, left, "sum", book.bold)
        formula = f"=SUM({letter}5:{letter}{end})" if len(sums) else "=0"
        sheet.write_formula(end, left + 1, formula, book.bold, float(sums.sum()))
        ends.append((_cell("Sources and uses", end, left + 1), float(sums.sum())))
    sheet.set_column(0, 4, 24)
    return ends[0], ends[1]


def _table(book: _Book, name: str, note: str, frame: pd.DataFrame) -> None:
    """A table of the plan as an Excel table."""
    sheet = book.sheet(name, name, note)
    values = frame.astype(object).where(frame.notna(), None)
    for column, heading in enumerate(frame.columns):
        sheet.write_string(3, column, heading, book.head)
        for row, value in enumerate(values[heading], start=4):
            if isinstance(value, str):
                sheet.write_string(row, column, value)
            elif value is not None:
                style = book.rate if "per_" in heading else book.money
                sheet.write(row, column, value, None if heading.endswith("year") else style)
        sheet.set_column(column, column, max(12, min(28, len(heading) + 2)))
    if len(frame):
        columns = [{"header": heading} for heading in frame.columns]
        sheet.add_table(3, 0, 3 + len(frame), len(frame.columns) - 1, {"columns": columns, "name": _identifier(name)})
    sheet.freeze_panes(4, 0)


def _identifier(name: str) -> str:
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _summary(book: _Book, sheet: Any, plan: Plan, npv: tuple[str, float], energy: tuple[str, float]) -> None:
    penalties = float(plan.costs[plan.costs["name"].isin(NOT_CASH)]["present_value_usd"].sum())
    levelised = (plan.objective_usd - penalties) / energy[1] if energy[1] else 0.0
    rows: list[tuple[str, Any, str]] = [
        ("status", plan.status, "optimal, within gap, feasible at time limit or interrupted"),
        ("cost, present value, US$", plan.objective_usd, "what the sponsor pays less what it earns and salvage"),
        ("no plan costs less than, US$", plan.bound_usd, "proven by the solver"),
        ("gap", plan.gap, "(cost - bound) / cost"),
        ("penalties and tie-break in the cost, US$", penalties, "not cash"),
    ]
    for row, (name, value, note) in enumerate(rows, start=3):
        sheet.write_string(row, 0, name)
        sheet.write(row, 1, value, book.money if isinstance(value, float) and abs(value) > 1 else book.rate)
        sheet.write_string(row, 2, note, book.note)
    sheet.write_string(8, 0, "cost per MWh delivered, US$", book.bold)
    sheet.write_formula(8, 1, f"=(B5-B8)/{energy[0]}", book.rate, levelised)
    sheet.write_string(8, 2, "levelised, penalties left out; formula", book.note)
    sheet.write_string(9, 0, "NPV of the cash flow, US$", book.bold)
    sheet.write_formula(9, 1, f"={npv[0]}", book.money, npv[1])
    price = plan.manifest.get("price_of_pledge")
    sheet.write_string(10, 0, "price of the pledge, US$")
    if price:
        sheet.write_number(10, 1, price["usd"], book.money)
        limits = f"between {price['least_usd']:,.0f} and {price['most_usd']:,.0f}, as far as the gaps tell"
        sheet.write_string(10, 2, limits, book.note)
    else:
        sheet.write_string(10, 1, "not known: solve with --price-pledge")
    sheet.set_column(0, 0, 42)
    sheet.set_column(1, 1, 22)


def _checks(
    book: _Book, plan: Plan, npv: tuple[str, float], funds: tuple[tuple[str, float], tuple[str, float]]
) -> None:
    sheet = book.sheet(
        "Checks", "Checks: each must be 0", "Live formulas over the sheets of this workbook, rounded to 1 US$."
    )
    sheet.write_row(3, 0, ["check", "difference"], book.head)
    in_cash = set(plan.cash_flow["name"])
    not_cash = float(plan.costs[~plan.costs["name"].isin(in_cash)]["present_value_usd"].sum())
    (sources, source_usd), (uses, use_usd) = funds
    cost, bought = plan.costs["present_value_usd"].sum(), plan.allocation["capex_usd"].sum()
    paid = plan.rates["make_whole_usd"].sum() + plan.tables["make_whole"]["usd"].sum()
    last, capital = 4 + len(plan.costs), _column(plan, "allocation", "capex_usd")
    rows = [
        ("costs add up to the objective", f"ROUND(SUM('Costs'!E5:E{last})-Summary!B5,0)", cost - plan.objective_usd),
        (
            "NPV of the cash flow is the objective less the tie-break",
            f"ROUND({npv[0]}-Summary!B5+{not_cash!r},0)",
            npv[1] - plan.objective_usd + not_cash,
        ),
        ("sources are uses", f"ROUND({sources}-{uses},0)", source_usd - use_usd),
        (
            "investment plan is the sum of sources",
            f"ROUND(SUM('Investment plan'!{capital})-{sources},0)",
            bought - source_usd,
        ),
        ("make-whole of the classes is what is paid", _made_whole(plan), paid),
    ]
    if plan.instance.manifest.rates.enforce and len(plan.rates):
        headroom = _column(plan, "rates", "headroom_cents_per_kwh")
        worst = min(0.0, plan.rates["headroom_cents_per_kwh"].min())
        rows.append(("no class pays more than its limit", f"ROUND(MIN(0,MIN('Rates'!{headroom})),6)", worst))
    for row, (name, formula, value) in enumerate(rows, start=4):
        sheet.write_string(row, 0, name)
        sheet.write_formula(row, 1, f"={formula}", book.money, round(float(value), 3))
    sheet.set_column(0, 0, 60)


def _made_whole(plan: Plan) -> str:
    if not len(plan.tables["make_whole"]):
        return "0"
    shown, paid = _column(plan, "rates", "make_whole_usd"), _column(plan, "make_whole", "usd")
    return f"ROUND(SUM('Rates'!{shown})+SUM('Make-whole'!{paid}),0)"


def _column(plan: Plan, table: str, column: str) -> str:
    """Cells of a column of a table's sheet."""
    frame = plan.tables[table]
    letter = xl_col_to_name(list(frame.columns).index(column))
    return f"{letter}5:{letter}{max(5, 4 + len(frame))}"


def _manifest(book: _Book, plan: Plan) -> None:
    sheet = book.sheet(
        "Manifest", "What this run was made with", "Versions, options, sizes, and every check of the run."
    )
    row = 3
    for name, value in plan.manifest.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for key, entry in pairs:
            sheet.write_string(row, 0, str(name))
            sheet.write_string(row, 1, str(key))
            sheet.write_string(row, 2, str(entry)[:1000])
            row += 1
    sheet.set_column(0, 2, 36)
