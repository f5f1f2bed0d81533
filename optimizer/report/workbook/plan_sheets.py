"""Sheets of what is funded, who pays for it, what it costs, and how the sites are supplied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.periods import planning_years
from optimizer.plan import Plan
from optimizer.report.money import capital_by_place
from optimizer.report.words import PAYERS, cost_words
from optimizer.report.workbook.book import COLOURS, MONEY, TOP, Book, SheetTable, look
from optimizer.report.workbook.figure import Figure, total
from optimizer.schema import FUNDING_MODES
from optimizer.show import placed

#: Figures below this are rounding, MW.
NOISE = 1e-9
MODE_WORDS = {
    "own": "sponsor: own plant",
    "contribution": "sponsor: contributions to utilities",
    "utility": "utilities: financed by them, recovered in rates and bills",
}


def investment_plan(book: Book, plan: Plan) -> SheetTable:
    """What enters service, by site, year and option; MW by technology and year, with a chart."""
    rows = placed(plan).rename(columns={"capex_usd": "capital_usd", "funding_mode": "paid_as"})
    columns = ["place", "year", "option", "technology", "kind", "paid_as", "utility", "blocks", "mw", "mwh"]
    note = "Capital in real US$ of the price year, before credits. Paid as: own and contribution by the sponsor."
    sheet, table = book.table(
        "Investment plan", "What is funded: place, year, option", note, rows[[*columns, "capital_usd"]]
    )
    _by_technology(book, plan, sheet, table)
    return table


def _by_technology(book: Book, plan: Plan, sheet: Any, table: SheetTable) -> None:
    """MW entering service by technology and year, beside the table."""
    left, years, names = _beside(plan, table)
    book.heads(sheet, 3, left, ["MW by technology", *years])
    sheet.set_column(left, left, 30)
    for row, name in enumerate(names, start=4):
        cell = book.put(sheet, row, left, name)
        for column, year in enumerate(years, start=left + 1):
            mw = table.total_named("mw", "technology", name, cell.formula, year=year)
            book.put(sheet, row, column, mw, book.number("#,##0.0"))
    if names:
        sheet.insert_chart(5 + len(names), left, capacity_chart(book, plan, table))


def _beside(plan: Plan, table: SheetTable) -> tuple[int, tuple[int, ...], list[str]]:
    """First column, years and technologies of what stands beside the investment plan."""
    names = list(dict.fromkeys(table.frame["technology"]))
    return len(table.frame.columns) + 1, planning_years(plan.instance.manifest), names


def capacity_chart(book: Book, plan: Plan, table: SheetTable) -> Any:
    """Capacity entering service by technology and year."""
    left, years, names = _beside(plan, table)
    chart = book.chart("column", "Capacity entering service", "MW", subtype="stacked", height=400)
    for number, row in enumerate(range(4, 4 + len(names))):
        chart.add_series(
            {"name": [table.sheet, row, left], "categories": [table.sheet, 3, left + 1, 3, left + len(years)],
             "values": [table.sheet, row, left + 1, row, left + len(years)], "gap": 50,
             **look(number)}
        )  # fmt: skip
    return chart


def capital_places(book: Book, plan: Plan, funded: SheetTable) -> None:
    """Capital of every place by who pays it and by year of service, with a chart."""
    note = "Real US$, undiscounted, before credits. Places are sites, zones and lines; formulas over Investment plan."
    sheet = book.sheet("Capital by place", "Capital: where, who pays, when", note)
    places, years = capital_by_place(plan)["place"].tolist(), planning_years(plan.instance.manifest)
    book.heads(sheet, 3, 0, ["place", *(f"{PAYERS[mode]}, US$" for mode in FUNDING_MODES), "sum, US$", *years])
    cases: list[dict[str, str | int]] = [{"paid_as": mode} for mode in FUNDING_MODES]
    cases.append({})
    cases.extend({"year": year} for year in years)
    for row, place in enumerate(places, start=TOP):
        cell = book.put(sheet, row, 0, place).formula
        for column, case in enumerate(cases, start=1):
            usd = funded.total_named("capital_usd", "place", place, cell, **case)
            book.put(sheet, row, column, usd, book.number(MONEY))
    end = TOP + len(places)
    book.put(sheet, end, 0, "sum", book.bold)
    for column, case in enumerate(cases, start=1):
        book.put(sheet, end, column, funded.total("capital_usd", **case), book.number(MONEY, bold=True))
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, len(cases), 16)
    sheet.freeze_panes(TOP, 1)
    if places:
        sheet.insert_chart(end + 2, 0, _places_chart(book, end))


def _places_chart(book: Book, end: int) -> Any:
    """Stacked capital of the places by who pays."""
    chart = book.chart("column", "Capital by place, and who pays", "million US$, real", subtype="stacked", height=400)
    chart.set_y_axis({"name": "million US$, real", "num_format": "#,##0,,"})
    name = "Capital by place"
    for column, colour in zip(range(1, 1 + len(FUNDING_MODES)), COLOURS, strict=False):
        chart.add_series(
            {"name": [name, 3, column], "categories": [name, TOP, 0, end - 1, 0], "gap": 50,
             "values": [name, TOP, column, end - 1, column], "fill": {"color": colour}}
        )  # fmt: skip
    return chart


@dataclass(frozen=True)
class Funds:
    """Capital in real US$, undiscounted: the sponsor's, the utilities', both as sources, and as uses."""

    sponsor: Figure
    utilities: Figure
    sources: Figure
    uses: Figure


def sources_and_uses(book: Book, plan: Plan, funded: SheetTable, costs: SheetTable) -> Funds:
    """Capital by who pays and by what it buys."""
    sheet = book.sheet(
        "Sources and uses", "Capital: sources and uses, US$",
        "Undiscounted, real. Sources from the sponsor's costs, uses from the investment plan: equal, see Checks.",
    )  # fmt: skip
    own, paid, taxed = (
        costs.total("usd", name=name) for name in ("own_capital", "contribution", "contribution_gross_up")
    )
    utilities = funded.total("capital_usd", paid_as="utility")
    sources = [
        (MODE_WORDS["own"], own),
        (MODE_WORDS["contribution"], paid),
        ("sponsor: tax of utilities on contributions", taxed),
        (MODE_WORDS["utility"], utilities),
    ]
    names = list(dict.fromkeys(funded.frame["technology"]))
    ends = [_column_of_sums(book, sheet, 0, "source", sources)]
    cells = {name: book.put(sheet, row, 4, name).formula for row, name in enumerate(names, start=4)}
    uses = [(name, funded.total_named("capital_usd", "technology", name, cells[name])) for name in names]
    ends.append(_column_of_sums(book, sheet, 4, "use", [*uses, ("tax on contributions", taxed)]))
    _capital_by_year(book, plan, sheet, funded, max(len(names), 4) + 8)
    sheet.set_column(0, 0, 52)
    sheet.set_column(1, 3, 20)
    sheet.set_column(4, 4, 34)
    sheet.set_column(5, 5, 20)
    sheet.fit_to_pages(1, 1)
    sheet.print_area(0, 0, max(len(names), 4) + 8 + len(planning_years(plan.instance.manifest)) + 22, 5)
    return Funds(own + paid + taxed, utilities, *ends)


def _column_of_sums(book: Book, sheet: Any, left: int, head: str, rows: list[tuple[str, Figure]]) -> Figure:
    book.heads(sheet, 3, left, [head, "US$"])
    cells = []
    for row, (name, figure) in enumerate(rows, start=4):
        book.put(sheet, row, left, name)
        cells.append(book.put(sheet, row, left + 1, figure, book.number(MONEY)))
    book.put(sheet, 4 + len(rows), left, "sum", book.bold)
    return book.put(sheet, 4 + len(rows), left + 1, total(cells), book.number(MONEY, bold=True))


def _capital_by_year(book: Book, plan: Plan, sheet: Any, funded: SheetTable, top: int) -> None:
    """Capital by year of service and who pays, with a chart."""
    years = planning_years(plan.instance.manifest)
    book.heads(sheet, top, 0, ["capital by year of service, US$", *PAYERS.values()])
    for row, year in enumerate(years, start=top + 1):
        book.put(sheet, row, 0, year, book.format(align="left"))
        for column, mode in enumerate(FUNDING_MODES, start=1):
            book.put(sheet, row, column, funded.total("capital_usd", year=year, paid_as=mode), book.number(MONEY))
    chart = book.chart("column", "Capital by year of service, and whose it is", "million US$, real", subtype="stacked")
    chart.set_y_axis({"name": "million US$, real", "num_format": "#,##0,,"})
    end = top + len(years)
    for column, mode in enumerate(FUNDING_MODES, start=1):
        chart.add_series(
            {"name": PAYERS[mode], "categories": [sheet.get_name(), top + 1, 0, end, 0], "gap": 50,
             "values": [sheet.get_name(), top + 1, column, end, column], "fill": {"color": COLOURS[column - 1]}}
        )  # fmt: skip
    sheet.insert_chart(end + 2, 0, chart)


def costs(book: Book, plan: Plan, paid_to: list[str]) -> SheetTable:
    """Every cost of the sponsor, to whom it is paid, and present values by name with a chart."""
    frame = plan.costs.assign(paid_to=paid_to)
    note = "US$ of the year, real; present values add up to the cost of the plan. Received is negative."
    sheet, table = book.table("Costs", "Costs of the sponsor by name, place and year", note, frame)
    left = len(frame.columns) + 1
    values = frame.groupby("name")["present_value_usd"].sum().sort_values(ascending=False)
    book.heads(sheet, 3, left, ["cost", "present value, US$"])
    for row, name in enumerate(values.index, start=4):
        book.put(sheet, row, left, cost_words(str(name)))
        book.put(sheet, row, left + 1, table.total("present_value_usd", name=str(name)), book.number(MONEY))
    end = 4 + len(values)
    book.put(sheet, end, left, "sum", book.bold)
    amount = Figure(float(frame["present_value_usd"].sum()), f"SUM({table.column('present_value_usd')})")
    book.put(sheet, end, left + 1, amount, book.number(MONEY, bold=True))
    sheet.set_column(left, left + 1, 24)
    if len(values):
        chart = book.chart("bar", "What the plan costs", "present value, million US$", height=460)
        chart.set_x_axis(
            {"name": "present value, million US$", "num_format": "#,##0,,;-#,##0,,", "label_position": "high"}
        )
        chart.add_series(
            {"categories": ["Costs", 4, left, end - 1, left], "values": ["Costs", 4, left + 1, end - 1, left + 1],
             "fill": {"color": COLOURS[0]}, "invert_if_negative": False, "gap": 40}
        )  # fmt: skip
        chart.set_legend({"none": True})
        sheet.insert_chart(end + 2, left, chart)
    return table


def bills(book: Book, plan: Plan) -> SheetTable:
    """What campuses pay their utilities, and how much of it local customers are credited; a chart by year."""
    credited: dict[str, float] = {}
    for one in plan.instance.customer_classes:
        credited[one.utility] = credited.get(one.utility, 0.0) + one.bill_credit_share
    frame = plan.tables["bills"]
    share = [credited.get(str(utility), 0.0) for utility in frame["utility"]]
    frame = frame.assign(credited_share=share, credited_usd=frame["total_usd"].astype(float) * share)
    parts = ("demand_usd", "energy_usd", "fixed_usd", "contract_usd")
    formulas = {"total_usd": "+".join(f"{{{part}}}" for part in parts), "credited_usd": "{total_usd}*{credited_share}"}
    note = "US$ a year. Credited: the part that lowers the rates of local customers."
    sheet, table = book.table("Tariff bills", "What campuses pay their utilities", note, frame, formulas)
    left, years = len(frame.columns) + 1, planning_years(plan.instance.manifest)
    book.heads(sheet, 3, left, ["US$ by year", *(part.removesuffix("_usd") for part in parts)])
    chart = book.chart("column", "Tariff bills", "million US$ a year, real", subtype="stacked")
    chart.set_y_axis({"name": "million US$ a year, real", "num_format": "#,##0,,;-#,##0,,"})
    for row, year in enumerate(years, start=4):
        book.put(sheet, row, left, year)
        for column, part in enumerate(parts, start=left + 1):
            book.put(sheet, row, column, table.total(part, year=year), book.number(MONEY))
    end = 3 + len(years)
    for column, colour in zip(range(left + 1, left + 5), COLOURS, strict=False):
        chart.add_series(
            {"name": ["Tariff bills", 3, column], "categories": ["Tariff bills", 4, left, end, left], "gap": 50,
             "values": ["Tariff bills", 4, column, end, column], "fill": {"color": colour}}
        )  # fmt: skip
    sheet.set_column(left, left + 4, 15)
    sheet.insert_chart(end + 2, left, chart)
    return table


def stranding(book: Book, plan: Plan) -> None:
    """What utilities would be left with, and what covers it, by exit year; a chart a utility."""
    frame = plan.tables["stranding"]
    note = "If all campuses of a utility left at the start of the year: book value less salvage, exit fees, collateral."
    formulas = {"headroom_usd": "{exit_fee_usd}+{collateral_usd}-{exposure_usd}"}
    sheet, _ = book.table("Stranding", "Stranding exposure by exit year", note, frame, formulas)
    for number, (_, rows) in enumerate(frame.groupby("utility", sort=False)):
        first, last = 4 + int(rows.index[0]), 4 + int(rows.index[-1])
        chart = book.chart("column", "What covers the exposure", "million US$", subtype="stacked", height=300)
        chart.set_y_axis({"name": "million US$", "num_format": "#,##0,,"})
        chart.set_title({"name": ["Stranding", first, 0], "name_font": {"size": 12}})
        years = ["Stranding", first, 1, last, 1]
        for column, colour in ((3, COLOURS[0]), (4, COLOURS[1])):
            chart.add_series(
                {"name": ["Stranding", 3, column], "categories": years, "fill": {"color": colour}, "gap": 60,
                 "values": ["Stranding", first, column, last, column]}
            )  # fmt: skip
        line = book.book.add_chart({"type": "line"})
        line.add_series(
            {"name": ["Stranding", 3, 2], "categories": years, "values": ["Stranding", first, 2, last, 2],
             "line": {"color": COLOURS[5], "width": 2.5}}
        )  # fmt: skip
        chart.combine(line)
        sheet.insert_chart(3 + 16 * number, 8, chart)


def emissions(book: Book, plan: Plan) -> SheetTable:
    """Tonnes by place, year and source, and what they cost; a chart by source."""
    prices = {row.year: row.carbon_price_usd_per_t for row in plan.instance.policy}
    frame = plan.tables["emissions"]
    price = [prices.get(int(year), 0.0) for year in frame["year"]]
    frame = frame.assign(price_usd_per_t=price, carbon_usd=frame["t"].astype(float) * price)
    sheet, table = book.table(
        "Emissions", "CO2 by place, year and source",
        "Tonnes a year, and what the carbon price makes of them. Resource: plant of the plan; grid: what is bought.",
        frame, {"carbon_usd": "{t}*{price_usd_per_t}"},
    )  # fmt: skip
    sources, years = list(dict.fromkeys(frame["source"])), planning_years(plan.instance.manifest)
    book.heads(sheet, 3, 8, ["t CO2 by year", *sources])
    chart = book.chart("column", "Emissions", "million t CO2 a year", subtype="stacked")
    chart.set_y_axis({"name": "million t CO2 a year", "num_format": "#,##0.0,,"})
    for row, year in enumerate(years, start=4):
        book.put(sheet, row, 8, year)
        for column, source in enumerate(sources, start=9):
            book.put(sheet, row, column, table.total("t", year=year, source=source), book.number("#,##0"))
    end = 3 + len(years)
    for column, _ in enumerate(sources, start=9):
        chart.add_series(
            {"name": ["Emissions", 3, column], "categories": ["Emissions", 4, 8, end, 8], "gap": 50,
             "values": ["Emissions", 4, column, end, column], "fill": {"color": COLOURS[column - 9]}}
        )  # fmt: skip
    sheet.set_column(8, 9 + len(sources), 14)
    if sources:
        sheet.insert_chart(end + 2, 8, chart)
    return table


def without_noise(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose figures of nothing but rounding are 0, so that none shows as -0.0.

    Examples
    --------
    >>> without_noise(pd.DataFrame({"site": ["campus"], "margin_mw": [-1.1e-13], "firm_mw": [0.1]})).values.tolist()
    [['campus', 0.0, 0.1]]
    """
    numbers = frame.select_dtypes("float")
    return frame.assign(**{str(name): column.where(column.abs() >= NOISE, 0.0) for name, column in numbers.items()})


def plain(book: Book, name: str, title: str, note: str, frame: pd.DataFrame) -> SheetTable:
    """A table of the plan as it is."""
    return book.table(name, title, note, frame)[1]
