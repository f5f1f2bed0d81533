"""Sheets Summary, Checks and Manifest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from optimizer.plan import NOT_CASH, Plan
from optimizer.report.money import not_served
from optimizer.report.workbook.book import COLOURS, MONEY, SMALL, Book, SheetTable
from optimizer.report.workbook.cash import CashFlow
from optimizer.report.workbook.figure import Figure, total
from optimizer.report.workbook.ledger import Ledger
from optimizer.report.workbook.plan_sheets import Funds, capacity_chart
from optimizer.report.workbook.return_sheet import Return
from optimizer.report.workbook.tax_sheet import BeforeAndAfter
from optimizer.show import pledge, status_meaning

#: Where the cost of the plan stands.
COST = "'Summary'!$B$5"
#: Rows that a chart takes.
CHART_ROWS = 22


def headline_note(plan: Plan) -> str:
    """In what money and detail the plan is."""
    manifest = plan.instance.manifest
    return (
        f"Real US$ of {manifest.price_year}; present values of {manifest.base_year}"
        f" at {manifest.finance.discount_rate:.2%} a year real; resolution {manifest.options.resolution}"
    )


@dataclass(frozen=True)
class Findings:
    """What other sheets found: cash, capital, cash before and after tax, returns, and how many checks are not 0."""

    flow: CashFlow
    funds: Funds
    cash: BeforeAndAfter | None
    returned: Return | None
    failed: Figure


#: Name of a row, its figure, how it is shown (None: as it is), and what it means.
Row = tuple[str, Any, Any, str]


def summary(book: Book, sheet: Any, plan: Plan, found: Findings) -> None:
    """What a reader looks for first, and two charts."""
    money = book.number(MONEY)
    gap = plan.gap if math.isfinite(plan.gap) else "unknown"
    proven: list[Row] = [
        ("status", plan.status, None, status_meaning(plan)),
        ("cost, present value, US$", plan.objective_usd, money, "what the sponsor pays less what it earns and salvage"),
        ("no plan costs less than, US$", plan.bound_usd, money, "proven by the solver"),
        ("gap", gap, book.number("0.00%"), "(cost - bound) / cost"),
    ]
    last = ("checks that are not 0", found.failed, book.number("0"), "see the sheet Checks")
    row = _rows(book, sheet, 3, proven)
    for name, rows in {
        "What payers must find": _asked_rows(book, plan, found),
        "Worth and return": [*_value_rows(book, found), *_return_rows(book, found.returned)],
        "Local customers": _local_rows(book, plan),
        "What could go wrong": [*_risk_rows(book, plan), last],
    }.items():
        book.put(sheet, row + 1, 0, name, book.bold)
        row = _rows(book, sheet, row + 2, rows)
    sheet.set_column(0, 0, 50)
    sheet.set_column(1, 1, 24)
    sheet.set_column(2, 2, 82)
    _charts(book, sheet, plan, found.flow, row + 1)
    sheet.set_portrait()
    sheet.fit_to_pages(1, 1)
    sheet.print_area(0, 0, row + 1 + 2 * CHART_ROWS, 2)


def _rows(book: Book, sheet: Any, top: int, rows: list[Row]) -> int:
    """Write rows one below the other; the row after them."""
    for row, (name, value, style, note) in enumerate(rows, start=top):
        book.put(sheet, row, 0, name)
        book.put(sheet, row, 1, value, style or book.format(align="right"))
        book.put(sheet, row, 2, note, book.format(italic=True, font_color="#595959", indent=1))
    return top + len(rows)


def _asked_rows(book: Book, plan: Plan, found: Findings) -> list[Row]:
    """What payers must find before discounting, and how much of the answer is value left in plant."""
    money, flow, costs = book.number(MONEY), found.flow, book.tables["Costs"]
    so_far, cost = flow.paid_so_far, Figure(plan.objective_usd, COST)
    most = Figure(max(so_far.values), f"MAX({so_far.cells})")
    left = Figure(0.0, "0") - costs.total("present_value_usd", name="salvage")
    return [
        ("capital of the sponsor, real US$", found.funds.sponsor, money, "undiscounted: see Sources and uses"),
        ("capital of utilities, real US$", found.funds.utilities, money, "undiscounted; see Capital by place"),
        ("most that the sponsor has paid out, real US$", most, money, "sum since the base year, net of what it earned"),
        ("value left in plant at the end, present value, US$", left, money, "counted in the cost; no cash unless sold"),
        ("cost if that is worth nothing, present value, US$", cost + left, money, "and more: see Sensitivities"),
    ]  # fmt: skip


def _value_rows(book: Book, found: Findings) -> list[Row]:
    """Present values of the cash, as the plan counts them and after tax, and per MWh."""
    flow, cash, money, rate = found.flow, found.cash, book.number(MONEY), book.number("#,##0.00")
    rows: list[Row] = [
        ("NPV of the cash flow, real, US$", flow.npv, money, "formula; the cost less what is not cash"),
        ("penalties and tie-break, present value, US$", not_cash(book.tables), money, "in the cost, but not cash"),
        ("NPV of cash, nominal, US$", flow.nominal_npv, money, "US$ of the base year"),
        ("cost per MWh delivered, US$/MWh", _per_mwh(flow, flow.npv), rate,
         "levelised, as the plan counts it, no penalties"),
    ]  # fmt: skip
    if cash is None:
        return rows
    return [
        *rows,
        ("NPV of cash before taxes and credits, real, US$", cash.before_npv, money, "see After tax"),
        ("NPV of cash after tax, real, US$", cash.after_npv, money, "taxes and credits in their own years"),
        ("cost per MWh before taxes and credits, US$/MWh", _per_mwh(flow, cash.before_npv), rate,
         "levelised; see Return"),
    ]  # fmt: skip


def _local_rows(book: Book, plan: Plan) -> list[Row]:
    """What the project does to local customers."""
    rows: list[Row] = [("pledge", *_pledge(plan)), ("price of the pledge, US$", *_price_of_pledge(book, plan))]
    rates, whole = book.tables["Rates"], book.tables["Make-whole"]
    if rates.frame.empty:
        return rows
    for words, column, style in (
        ("highest change of a local rate, cents/kWh", "change_cents_per_kwh", SMALL),
        ("highest change of a typical bill, US$ a month", "change_of_bill_usd_per_month", "#,##0.00"),
    ):
        most = Figure(float(rates.frame[column].max()), f"MAX({rates.column(column)})").rounded(6)
        rows.append((words, most, book.number(style), "of all classes and years, against the year without the project"))
    paid = whole.total("usd")
    return [*rows, ("make-whole, sum, real US$", paid, book.number(MONEY), "paid outright to local customers")]


def _risk_rows(book: Book, plan: Plan) -> list[Row]:
    """Load that is not served, what utilities might be left with, and whether every hour was tried."""
    mwh, share = not_served(plan)
    rows: list[Row] = [
        ("load not served or curtailed, sum, MWh", mwh, book.number("#,##0"), f"{share:.3%} of the load"),
        ("replay of every hour", *_replay(plan)),
    ]
    exits = book.tables["Stranding"]
    if exits.frame.empty:
        return rows
    least = float(exits.frame["headroom_usd"].min())
    open_ = Figure(max(0.0, -least), f"MAX(0,-MIN({exits.column('headroom_usd')}))")
    most = Figure(float(exits.frame["exposure_usd"].max()), f"MAX({exits.column('exposure_usd')})")
    money = book.number(MONEY)
    return [
        *rows,
        ("largest exposure of a utility, US$", most, money, "if its campuses left: see Stranding"),
        ("exposure not covered, US$", open_, money, "0: exit fees and collateral cover it in every year"),
    ]  # fmt: skip


def _replay(plan: Plan) -> tuple[str, Any, str]:
    """What a replay found, if there was one."""
    entry = plan.manifest.get("replay")
    if not entry:
        return "not done", None, "representative periods hide the worst weeks: optimizer replay RUN"
    misses = entry["misses"]
    return (
        ("misses limits", None, "; ".join(misses))
        if misses
        else ("keeps every limit", None, "all hours of all years, without forced outages: see the HTML report")
    )


def _per_mwh(flow: CashFlow, usd: Figure) -> Figure | None:
    """Levelised; None where nothing is delivered."""
    return usd / flow.discounted_mwh if flow.discounted_mwh.value > 0 else None


def _return_rows(book: Book, returned: Return | None) -> list[Row]:
    """What a charge returns."""
    if returned is None:
        return []
    style = book.format(num_format="0.00%", align="right")
    note = "in the sheet Return type another charge, or write with --charge"
    return [
        ("charge to the campuses, US$/MWh", returned.charge, book.number("#,##0.00"), note),
        ("IRR at this charge, real, before tax", returned.before, style, "a plan of costs alone has no return"),
        ("IRR at this charge, real, after tax", returned.after, style, "every IRR there is: see Return"),
        ("the same, plant worth nothing at the end", returned.nothing_left, style, "how much rests on salvage"),
    ]


def _pledge(plan: Plan) -> tuple[str, Any, str]:
    if plan.rates.empty:
        return "", None, "no local customers in this instance"
    verdict, why = pledge(plan).removeprefix("Pledge: ").split(".", 1)
    return verdict, None, why.strip()


def _price_of_pledge(book: Book, plan: Plan) -> tuple[Any, Any, str]:
    price = plan.manifest.get("price_of_pledge")
    if not price:
        return "not known", None, "solve with --price-pledge"
    limits = f"between {price['least_usd']:,.0f} and {price['most_usd']:,.0f}, as far as the gaps tell"
    return price["usd"], book.number(MONEY), limits


def _charts(book: Book, sheet: Any, plan: Plan, flow: CashFlow, top: int) -> None:
    """Cash by year and value left at the end, and what enters service."""
    chart = book.chart("column", "Cash of the sponsor by year, and value left in plant", "", subtype="stacked")
    chart.set_y_axis({"name": "million US$, real", "num_format": "#,##0,,;-#,##0,,"})
    shown = {"cash": flow.before_end} | (
        {"value left in plant": flow.lines["salvage"]} if "salvage" in flow.lines else {}
    )
    for (name, line), colour in zip(shown.items(), COLOURS, strict=False):
        chart.add_series(
            {"name": name, "categories": f"={flow.calendar.cells}", "values": f"={line.cells}", "gap": 40,
             "fill": {"color": colour}, "invert_if_negative": False}
        )  # fmt: skip
    sheet.insert_chart(top, 0, chart)
    if len(plan.allocation):
        sheet.insert_chart(top + CHART_ROWS, 0, capacity_chart(book, plan, book.tables["Investment plan"]))


def checks(book: Book, plan: Plan, flow: CashFlow, funds: Funds, ledger: Ledger, cash: BeforeAndAfter | None) -> Figure:
    """Write the sheet Checks; how many are not 0."""
    note = "Live formulas over the sheets of this workbook, money rounded to 1 US$."
    sheet = book.sheet("Checks", "Checks: each must be 0", note)
    book.heads(sheet, 3, 0, ["check", "difference"])
    rows = [
        *_money_checks(book.tables, plan, flow, funds, cash),
        *_ledger_checks(ledger),
        *_rate_checks(book.tables, plan),
    ]
    for row, (name, figure, digits) in enumerate(rows, start=4):
        book.put(sheet, row, 0, name)
        book.put(sheet, row, 1, figure.rounded(digits), book.number("General"))
    sheet.set_column(0, 0, 76)
    sheet.set_column(1, 1, 16)
    failed = sum(figure.rounded(digits).value != 0 for _, figure, digits in rows)
    return Figure(float(failed), f"SUMPRODUCT(--('Checks'!$B$5:$B${4 + len(rows)}<>0))")


Check = tuple[str, Figure, int]


def _money_checks(
    tables: dict[str, SheetTable],
    plan: Plan,
    flow: CashFlow,
    funds: Funds,
    cash: BeforeAndAfter | None,
) -> list[Check]:
    costs, cost = tables["Costs"], Figure(plan.objective_usd, COST)
    finance, manifest = plan.instance.manifest.finance, plan.instance.manifest
    level = (1 + finance.inflation) ** (manifest.base_year - manifest.price_year)
    given, taxed = flow.given, costs.total("usd", name="contribution_gross_up")
    growth = f"(1+{given.inflation.formula})^({given.base_year.formula}-{given.price_year.formula})"
    found: list[Check] = [
        ("costs add up to the cost of the plan", costs.total("present_value_usd") - cost, 0),
        ("NPV of the cash flow, and what is not cash, are the cost of the plan", flow.npv + not_cash(tables) - cost, 0),
        ("nominal NPV is the real one at the price level of the base year",
         flow.nominal_npv - flow.npv * Figure(level, growth), 0),
        ("sources are uses", funds.sources - funds.uses, 0),
        ("investment plan is the sum of sources, less the tax on contributions",
         tables["Investment plan"].total("capital_usd") + taxed - funds.sources, 0),
    ]  # fmt: skip
    if cash is not None and not finance.tax_view:
        found.append(("without a tax view, cash before tax is the plan's", cash.before_npv - flow.npv, 0))
    return found


def not_cash(tables: dict[str, SheetTable]) -> Figure:
    """Present value of costs that are no cash: penalties and the tie-break."""
    return total([tables["Costs"].total("present_value_usd", name=name) for name in NOT_CASH])


def _ledger_checks(ledger: Ledger) -> list[Check]:
    return [
        ("what payers' books say is what recipients' books say, payment by payment", ledger.differences, 0),
        ("all that is paid is received", ledger.paid_less_received, 0),
        ("the sponsor pays its costs, net of what it receives", ledger.sponsor, 0),
        ("utilities keep nothing but bills that no class is credited", ledger.utilities, 0),
        ("local customers pay, net, the change of their costs", ledger.local_customers, 0),
    ]


def _rate_checks(tables: dict[str, SheetTable], plan: Plan) -> list[Check]:
    rates, bridge = tables["Rates"], tables["Rate bridge"]
    if rates.frame.empty:
        return []
    column = "with_project_cents_per_kwh"
    off = (rates.frame[column].astype(float) - bridge.frame[column].astype(float)).abs().sum()
    found = [
        ("rates with the project are those of the bridge, class by class, cents/kWh",
         Figure(float(off), f"SUMPRODUCT(ABS({rates.column(column)}-{bridge.column(column)}))"), 6),
        ("make-whole of the classes is what is paid",
         bridge.total("make_whole_usd") + tables["Make-whole"].total("usd"), 0),
    ]  # fmt: skip
    if plan.instance.manifest.rates.enforce:
        worst = min(0.0, float(rates.frame["headroom_cents_per_kwh"].min()))
        figure = Figure(worst, f"MIN(0,MIN({rates.column('headroom_cents_per_kwh')}))")
        found.append(("no class pays more than its limit, cents/kWh", figure, 6))
    return found


def manifest(book: Book, plan: Plan) -> None:
    """Write the sheet Manifest."""
    note = "Versions, options, sizes, and every check of the run."
    sheet = book.sheet("Manifest", "What this run was made with", note)
    row = 3
    for name, value in plan.manifest.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for key, entry in pairs:
            for column, text in enumerate((str(name), str(key), str(entry)[:1000])):
                book.put(sheet, row, column, text)
            row += 1
    sheet.set_column(0, 1, 32)
    sheet.set_column(2, 2, 70)
