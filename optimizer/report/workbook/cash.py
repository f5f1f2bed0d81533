"""Sheet Cash flow: cash by name and calendar year, its present value, and the same in nominal dollars."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.finance import nominal_rate
from optimizer.periods import planning_years, years_represented
from optimizer.plan import Plan
from optimizer.report.words import cost_words
from optimizer.report.workbook.book import COLOURS, Book, Line, Timeline
from optimizer.report.workbook.figure import Figure

RATE = "0.00%"


@dataclass(frozen=True)
class Assumptions:
    """Cells that everything after them follows from."""

    discount_rate: Figure
    base_year: Figure
    price_year: Figure
    inflation: Figure
    tax_rate: Figure


@dataclass(frozen=True)
class CashFlow:
    """What other sheets need of the cash flow."""

    given: Assumptions
    years: tuple[int, ...]
    calendar: Line
    lines: dict[str, Line]
    cash: Line
    before_end: Line
    paid_so_far: Line
    level: Line
    factors: Line
    nominal_factors: Line
    mwh: Line
    npv: Figure
    nominal_npv: Figure
    discounted_mwh: Figure

    def at(self, name: str, position: int) -> Figure:
        """Cash of a name in a year; 0 where the plan has none."""
        return self.lines[name].at(position) if name in self.lines else Figure(0.0, "0")


def cash_flow(book: Book, plan: Plan) -> CashFlow:
    """Write the sheet Cash flow: cash by name and calendar year, its present value, the same in nominal dollars."""
    manifest = plan.instance.manifest
    note = (
        "Paid is positive, received negative. Sums, factors and present values are formulas; yellow cells may change."
    )
    sheet = book.sheet("Cash flow", "Cash of the sponsor, US$", note)
    given = _assumptions(book, plan, sheet)
    years = _calendar(plan)
    lines = Timeline(book, sheet, years, 9, f"real US$ of {manifest.price_year}")
    factors = lines.add(
        "discount factor, real",
        lambda j: _power(given.discount_rate, lines.calendar.at(j) - given.base_year, -1),
        number_format="0.0000",
    )
    table = plan.cash_flow.pivot_table(index="name", columns="calendar_year", values="usd", aggfunc="sum")
    table = table.reindex(columns=list(years)).fillna(0.0)
    paid: dict[str, Line] = {}
    for name in table.index:
        row = table.loc[name].tolist()
        paid[str(name)] = lines.add(cost_words(str(name)), lambda j, row=row: row[j], factors=factors)  # type: ignore[misc]
    cash = lines.add("cash", lambda j: _sum(list(paid.values()), j), bold=True, factors=factors)
    left = paid.get("salvage")
    before_end = lines.add("cash without value left in plant", lambda j: cash.at(j) - (left.at(j) if left else 0.0))
    paid_so_far = lines.add("the same, summed up", lambda j: _sum_to(before_end, j))
    lines.gap()
    level = lines.add(
        f"price level, {manifest.price_year} = 1",
        lambda j: _power(given.inflation, lines.calendar.at(j) - given.price_year),
        number_format="0.0000",
    )
    rate = nominal_rate(given.discount_rate.value, given.inflation.value)
    both = Figure(rate, f"(1+{given.discount_rate.formula})*(1+{given.inflation.formula})-1", whole=False)
    nominal_factors = lines.add(
        "discount factor, nominal",
        lambda j: _power(both, lines.calendar.at(j) - given.base_year, -1),
        number_format="0.0000",
    )
    nominal = lines.add("cash, nominal US$", lambda j: cash.at(j) * level.at(j), bold=True, factors=nominal_factors)
    lines.gap()
    energy = _delivered(plan, years)
    mwh = lines.add("energy delivered, MWh", lambda j: energy[j], factors=factors)
    _cash_chart(book, sheet, paid, lines)
    return CashFlow(
        given, years, lines.calendar, paid, cash, before_end, paid_so_far,
        level, factors, nominal_factors, mwh,
        npv=lines.present_value(cash, factors),
        nominal_npv=lines.present_value(nominal, nominal_factors),
        discounted_mwh=lines.present_value(mwh, factors),
    )  # fmt: skip


def _assumptions(book: Book, plan: Plan, sheet: object) -> Assumptions:
    manifest = plan.instance.manifest
    finance = manifest.finance
    tax = finance.tax_rate if finance.tax_view else 0.0
    rows = (
        ("discount rate, real", finance.discount_rate, RATE, True),
        ("base year of present values", manifest.base_year, "0", False),
        ("price year of real US$", manifest.price_year, "0", False),
        ("inflation", finance.inflation, RATE, True),
        ("income tax rate of the sponsor", tax, RATE, True),
    )
    cells = []
    for row, (name, value, style, given) in enumerate(rows, start=3):
        book.put(sheet, row, 0, name)
        cells.append(book.put(sheet, row, 1, value, book.number(style, given=given)))
    if not finance.tax_view:
        book.put(sheet, 7, 2, "this instance has no tax view: no tax and no credits, unless you type a rate", book.note)
    return Assumptions(*cells)


def _calendar(plan: Plan) -> tuple[int, ...]:
    """Calendar years from the base year to the one after the horizon, none left out."""
    manifest = plan.instance.manifest
    years = planning_years(manifest)
    end = years[-1] + years_represented(years, manifest.last_year_represents)[years[-1]]
    return tuple(range(manifest.base_year, end + 1))


def _power(rate: Figure, exponent: Figure, sign: int = 1) -> Figure:
    """(1 + rate) to the power of the exponent."""
    minus = "-" if sign < 0 else ""
    base = Figure(1 + rate.value, f"(1+{rate.formula})")
    return Figure(base.value ** (sign * exponent.value), f"{base.formula}^({minus}({exponent.formula}))", whole=False)


def _sum(lines: list[Line], position: int) -> Figure:
    """Sum of neighbouring lines in a year."""
    if not lines:
        return Figure(0.0, "0")
    first, last = lines[0].at(position), lines[-1].at(position)
    value = sum(line.values[position] for line in lines)
    return Figure(value, f"SUM({first.formula}:{last.formula.split('!')[1]})")


def _sum_to(line: Line, position: int) -> Figure:
    """Sum of a line up to a year."""
    first, last = line.at(0).formula, line.at(position).formula.split("!")[1]
    return Figure(sum(line.values[: position + 1]), f"SUM({first}:{last})")


def cash_by_year(plan: Plan, years: tuple[int, ...]) -> list[float]:
    """Cash of the sponsor in each calendar year, real US$."""
    by_year = plan.cash_flow.groupby("calendar_year")["usd"].sum()
    return [float(by_year.get(year, 0.0)) for year in years]


def _delivered(plan: Plan, years: tuple[int, ...]) -> list[float]:
    """Load served in each calendar year, MWh."""
    sites, manifest = plan.tables["sites"], plan.instance.manifest
    served = (sites["load_mwh"] - sites["unserved_mwh"] - sites["curtailed_mwh"]).groupby(sites["year"]).sum()
    represented = years_represented(planning_years(manifest), manifest.last_year_represents)
    by_year = {year + j: float(served.get(year, 0.0)) for year, count in represented.items() for j in range(count)}
    return [by_year.get(year, 0.0) for year in years]


def _cash_chart(book: Book, sheet: object, paid: dict[str, Line], lines: Timeline) -> None:
    """The largest cash flows, year by year."""
    largest = sorted(paid, key=lambda name: -sum(map(abs, paid[name].values)))[: len(COLOURS)]
    chart = book.chart("column", "Largest cash flows: paid up, received down", "real US$ a year", subtype="stacked")
    for colour, name in zip(COLOURS, largest, strict=False):
        chart.add_series(
            {"name": [paid[name].sheet, paid[name].row, 0], "categories": f"={lines.calendar.cells}", "gap": 40,
             "values": f"={paid[name].cells}", "fill": {"color": colour}}
        )  # fmt: skip
    chart.set_y_axis({"name": "million US$ a year", "num_format": "#,##0,,;-#,##0,,"})
    chart.set_size({"width": 1000, "height": 460})
    sheet.insert_chart(lines.row + 2, 0, chart)  # type: ignore[attr-defined]
