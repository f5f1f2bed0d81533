"""Sheets of money over time: cash flow real and nominal, after tax, and what a charge on every MWh would return."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.finance import nominal_rate
from optimizer.periods import planning_years, years_represented
from optimizer.plan import Plan
from optimizer.report.after_tax import tax_items
from optimizer.report.workbook.book import COLOURS, MONEY, SMALL, Book, Line, Timeline
from optimizer.report.workbook.figure import Figure, total
from optimizer.returns import in_words, irrs, levelised_charge
from optimizer.show import NOT_CASH

#: Cash of capital and tax, by name: all other cash is deducted from taxable income when it is paid.
CAPITAL = ("own_capital", "salvage", "tax_effects", "production_tax_credits")
#: Real returns for which the charge is shown.
RETURNS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.15, 0.20)
RATE = "0.00%"


@dataclass(frozen=True)
class Assumptions:
    """Figures that may be changed in the workbook: everything below follows."""

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
    level: Line
    factors: Line
    nominal_factors: Line
    mwh: Line
    npv: Figure
    cash_npv: Figure
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
    names = [*(n for n in table.index if n not in NOT_CASH), *(n for n in table.index if n in NOT_CASH)]
    paid: dict[str, Line] = {}
    for name in names:
        row = table.loc[name].tolist()
        label = f"{name} (not cash)" if name in NOT_CASH else str(name)
        paid[str(name)] = lines.add(label, lambda j, row=row: row[j], factors=factors)  # type: ignore[misc]
    money = [line for name, line in paid.items() if name not in NOT_CASH]
    cash = lines.add("cash", lambda j: _sum(money, j), bold=True, factors=factors)
    counted = lines.add("cash and penalties: NPV", lambda j: _sum(list(paid.values()), j), bold=True, factors=factors)
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
        given, years, lines.calendar, paid, cash, level, factors, nominal_factors, mwh,
        npv=lines.present_value(counted, factors),
        cash_npv=lines.present_value(cash, factors),
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


def cash_by_year(plan: Plan, years: tuple[int, ...]) -> list[float]:
    """Cash of the sponsor in each calendar year, penalties left out, real US$."""
    rows = plan.cash_flow[~plan.cash_flow["name"].isin(NOT_CASH)]
    by_year = rows.groupby("calendar_year")["usd"].sum()
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


@dataclass(frozen=True)
class BeforeAndAfter:
    """Real cash before taxes and credits, and after them, with present values."""

    before: Line
    after: Line
    before_npv: Figure
    after_npv: Figure


def after_tax(book: Book, plan: Plan, flow: CashFlow) -> BeforeAndAfter | None:
    """Write the sheet After tax; None in the annuity view, which has no dates of spending."""
    title, note = "Cash after tax, nominal US$", "Paid is positive. Every dollar of tax and credit in its own year."
    if plan.instance.manifest.finance.capital_view != "cash":
        _not_in_annuity_view(book, "After tax", title)
        return None
    sheet = book.sheet("After tax", title, note)
    lines = Timeline(book, sheet, flow.years, 3, "nominal US$")
    factors, items = flow.nominal_factors, tax_items(plan)
    other = [name for name in flow.lines if name not in (*CAPITAL, *NOT_CASH)]

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
    counted = flow.cash_npv * (Figure(1.0, "1") - flow.given.tax_rate)
    lines.row += 1
    book.put(sheet, lines.row, 0, "for comparison: (1 - tax rate) x NPV as the plan counts it", book.note)
    book.put(sheet, lines.row, 1, counted, book.number(MONEY))
    return BeforeAndAfter(
        before, after, lines.present_value(before, flow.factors), lines.present_value(after, flow.factors)
    )


def _not_in_annuity_view(book: Book, name: str, title: str) -> None:
    why = "Not worked out: this instance counts capital as annuities, without dates of spending."
    fix = "Solve with --set finance.capital_view=cash."
    book.sheet(name, title, f"{why} {fix}")


@dataclass(frozen=True)
class Return:
    """A charge for energy, and what it returns: real IRR, or in words where there are none or several."""

    charge: Figure
    before: Figure | str
    after: Figure | str
    nothing_left: Figure | str


def returns(book: Book, plan: Plan, flow: CashFlow, cash: BeforeAndAfter | None, charge: float | None) -> Return | None:
    """Write the sheet Return: what a charge on every MWh delivered returns, and the charge that each return needs.

    A plan of costs has no return of its own. Charged for, it has: that is what a lender or a tenant asks about.
    """
    title = "What a charge for energy returns"
    if cash is None:
        _not_in_annuity_view(book, "Return", title)
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
) -> list[Figure | str]:
    """NPV and IRR of lines of net cash, real and nominal; every IRR there is, in words. The real IRRs."""
    answers: list[Figure | str] = []
    book.heads(sheet, 5, 0, ["", "before tax", "after tax", "after tax, nothing left"])
    labels = ("NPV, real US$", "IRR, real", "IRR, nominal", "every IRR, real, as first written", "every IRR, nominal")
    for row, label in enumerate(labels, start=6):
        book.put(sheet, row, 0, label)
    for column, line in enumerate(nets, start=1):
        book.put(sheet, 6, column, lines.present_value(line, flow.factors).rounded(2), book.number(MONEY))
        found = irrs(line.values)
        answers.append(in_words(found))
        inflation = flow.given.inflation
        if len(found) == 1:
            answers[-1] = cell = book.put(sheet, 7, column, Figure(found[0], f"IRR({line.cells})"), book.number(RATE))
            both = Figure(
                nominal_rate(found[0], inflation.value), f"(1+{cell.formula})*(1+{inflation.formula})-1", whole=False
            )
            book.put(sheet, 8, column, both, book.number(RATE))
        right = book.format(align="right")
        book.put(sheet, 9, column, in_words(found), right)
        book.put(sheet, 10, column, in_words([nominal_rate(rate, inflation.value) for rate in found]), right)
    text = "IRRs in words are those of the charge first written; where there are none or several, the NPV decides."
    book.put(sheet, 11, 0, text, book.note)
    return answers


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
