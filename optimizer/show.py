"""A plan as tables for people, most important first: cost, what is funded, what it does to rates, what it rests on.

Every function reads the tables of a plan and nothing else; none of them changes a figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from optimizer.finance import year_weight
from optimizer.periods import planning_years, years_represented
from optimizer.plan import NOT_CASH, Plan

#: Planning years side by side in one table.
YEARS_ACROSS = 10
#: Widest line of running text.
TEXT_WIDTH = 100
#: Decimals of a rate, cents per kWh, beyond which differences are rounding.
ROUNDING = 6


def render(plan: Plan, *, all_rates: bool = False) -> Group:
    """Lay a plan out for reading.

    Parameters
    ----------
    all_rates
        Every class in every year, instead of its worst year.
    """
    rates = every_rate(plan) if all_rates else worst_rates(plan)
    parts = [headline(plan), funded(plan), *yearly_mw(plan), costs(plan), rates, *make_whole(plan), notes(plan)]
    return Group(*(spaced for part in parts for spaced in (part, Text())))


def summary(plan: Plan) -> dict[str, Any]:
    """Plain data of a plan for other programs: money in US$, power in MW, tables as lists of rows."""
    totals = plan.costs.groupby("name", sort=False)["present_value_usd"].sum()
    return {
        "status": plan.status,
        "objective_usd": finite(plan.objective_usd),
        "bound_usd": finite(plan.bound_usd),
        "gap": finite(plan.gap),
        "instance": plan.instance.manifest.name,
        "instance_hash": plan.instance.content_hash,
        "resolution": plan.instance.manifest.options.resolution,
        "costs": {str(name): finite(value) for name, value in totals.items()},
        "allocation": records(plan.allocation),
        "rates": records(plan.rates),
        "checks": {name: finite(value) for name, value in plan.manifest.get("checks", {}).items()},
        "price_of_pledge": plan.manifest.get("price_of_pledge"),
    }


# -- sections ---------------------------------------------------------------------------------------------


def headline(plan: Plan) -> RenderableType:
    """Status, cost with its bound and basis, and cost per unit."""
    manifest = plan.instance.manifest
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column()
    title = f", {manifest.title}" if manifest.title else ""
    lines.add_row("Instance", f"{manifest.name}{title}")
    lines.add_row("Resolution", manifest.options.resolution)
    lines.add_row("Status", f"{plan.status}: {status_meaning(plan)}")
    lines.add_row("Cost", f"{billions(plan.objective_usd)}, what the sponsor pays less what it earns and salvage")
    lines.add_row("Gap", f"{percent(plan.gap)}: no plan costs less than {billions(plan.bound_usd)}")
    view = "cash when spent" if manifest.finance.capital_view == "cash" else "annuities"
    lines.add_row(
        "Basis",
        f"present value of {manifest.base_year} at {percent(manifest.finance.discount_rate)} a year real, "
        f"real US$ of {manifest.price_year}, capital as {view}",
    )
    for label, text in unit_costs(plan):
        lines.add_row(label, text)
    return Constrain(lines, TEXT_WIDTH)


def status_meaning(plan: Plan) -> str:
    """Say in words what a status proves."""
    meanings = {
        "optimal": "no cheaper plan exists for this instance and resolution",
        "within gap": f"keeps every limit, and proven within {percent(plan.gap)} of the cheapest",
        "feasible at time limit": "keeps every limit; time ran out before it was proven as good as asked for",
        "interrupted": "keeps every limit; the search was stopped before it was proven as good as asked for",
    }
    return meanings.get(plan.status, "")


def unit_costs(plan: Plan) -> Iterable[tuple[str, str]]:
    """Cost per MWh delivered (levelised) and per kW of IT."""
    spent = plan.costs[~plan.costs["name"].isin(NOT_CASH)]["present_value_usd"].sum()
    served = present_mwh(plan)
    if served > 0:
        yield "Per MWh", f"{spent / served:,.2f} US$ per MWh delivered, levelised, penalties left out"
    most_mw = max(by_year(plan.tables["sites"], "it_mw").values(), default=0.0)
    if most_mw > 0:
        yield "Per kW", f"{spent / most_mw / 1000:,.0f} US$ per kW of IT at the most energised ({most_mw:,.0f} MW)"


def present_mwh(plan: Plan) -> float:
    """Load served, MWh discounted like money: the divisor of a levelised cost."""
    manifest = plan.instance.manifest
    represented = years_represented(planning_years(manifest), manifest.last_year_represents)
    sites = plan.tables["sites"]
    served = sites.assign(mwh=sites["load_mwh"] - sites["unserved_mwh"] - sites["curtailed_mwh"])
    base, rate = manifest.base_year, manifest.finance.discount_rate
    weight = {year: year_weight(year, count, base, rate) for year, count in represented.items()}
    return sum(weight[year] * mwh for year, mwh in by_year(served, "mwh").items())


def funded(plan: Plan) -> RenderableType:
    """MW and US$ by place, technology and funding mode, with the years of service."""
    rows = placed(plan)
    if rows.empty:
        return Text("Nothing is funded.")
    grid = table_of("place", "technology", "paid as", "MW", "MWh", "capital, M$", "in service")
    for keys, group in rows.groupby(["place", "technology", "funding_mode"], sort=False):
        storage = (group["kind"] == "storage").any()
        money = [f"{group['mw'].sum():,.1f}", f"{group['mwh'].sum():,.1f}" if storage else ""]
        grid.add_row(*map(str, keys), *money, millions(group["capex_usd"].sum()), first_to_last(group["year"]))
    grid.add_section()
    grid.add_row("total", "", "", "", "", millions(rows["capex_usd"].sum()), "")
    return titled("Funded", grid)


def yearly_mw(plan: Plan) -> Iterable[RenderableType]:
    """MW entering service by place, kind and year."""
    rows = placed(plan)
    if rows.empty:
        return []
    cells: Cells = {
        (str(place), str(kind)): {year: f"{mw:,.0f}" for year, mw in by_year(group, "mw").items()}
        for (place, kind), group in rows.groupby(["place", "kind"], sort=False)
    }
    return _years_across("MW entering service", ("place", "kind"), cells, planning_years(plan.instance.manifest))


def placed(plan: Plan) -> pd.DataFrame:
    """Allocation with a column ``place``: the site, zone or corridor of each row."""
    rows = plan.allocation
    place = rows["site"].where(rows["site"] != "", rows["zone"].where(rows["zone"] != "", rows["corridor"]))
    return rows.assign(place=place).sort_values(["place", "year"], kind="stable")


def costs(plan: Plan) -> RenderableType:
    """Present value by cost name."""
    totals = plan.costs.groupby("name")["present_value_usd"].sum().sort_values(ascending=False, kind="stable")
    grid = table_of("cost", "present value, M$")
    for name, value in totals.items():
        if abs(value) >= 1:
            grid.add_row(f"{name} (not cash)" if name in NOT_CASH else str(name), millions(value))
    grid.add_section()
    grid.add_row("total", millions(totals.sum()))
    return titled("Cost to the sponsor", grid)


RATE_COLUMNS = ("utility", "class", "year", "without", "with", "change", "limit")
RATES_TITLE = "Local rates, cents per kWh, real"


def worst_rates(plan: Plan) -> RenderableType:
    """Every class in the year in which its rate comes nearest to the limit, or passes it furthest."""
    if plan.rates.empty:
        return Text("No local customers in this instance: there are no rates to hold flat.")
    years = planning_years(plan.instance.manifest)
    grid = table_of(*RATE_COLUMNS, "at the limit in")
    for _, group in plan.rates.groupby(["utility", "customer_class"], sort=False):
        worst = group.iloc[int(group["headroom_cents_per_kwh"].round(ROUNDING).to_numpy().argmin())]
        binding = group.loc[group["binding"].astype(bool), "year"]
        grid.add_row(*_rate_cells(worst), spans(binding, years) or "no year")
    return titled(f"{RATES_TITLE}: each class in its worst year", grid)


def every_rate(plan: Plan) -> RenderableType:
    """Every class in every year."""
    if plan.rates.empty:
        return worst_rates(plan)
    grid = table_of(*RATE_COLUMNS, "at the limit")
    for _, group in plan.rates.groupby(["utility", "customer_class"], sort=False):
        for _, row in group.iterrows():
            grid.add_row(*_rate_cells(row), "yes" if row["binding"] else "")
        grid.add_section()
    return titled(RATES_TITLE, grid)


def _rate_cells(row: pd.Series[Any]) -> list[str]:
    without, with_project = row["without_project_usd_per_mwh"] / 10, row["with_project_usd_per_mwh"] / 10
    figures = [f"{without:.3f}", f"{with_project:.3f}"]
    changes = [signed(row["change_cents_per_kwh"]), signed(row["cap_cents_per_kwh"])]
    return [str(row["utility"]), str(row["customer_class"]), str(int(row["year"])), *figures, *changes]


def make_whole(plan: Plan) -> Iterable[RenderableType]:
    """What the sponsor pays to local customers beyond its bills, by utility and year."""
    paid = plan.tables["make_whole"]
    paid = paid[paid["usd"].abs() >= 1]
    if paid.empty:
        return [Text("No make-whole payments.")] if len(plan.rates) else []
    cells: Cells = {
        (str(utility),): {year: millions(usd) for year, usd in by_year(group, "usd").items()}
        for utility, group in paid.groupby("utility", sort=False)
    }
    title = "Make-whole payments to local customers, M$ a year"
    return _years_across(title, ("utility",), cells, planning_years(plan.instance.manifest))


def notes(plan: Plan) -> RenderableType:
    """The pledge, its price, and the checks."""
    texts = [pledge(plan), price_of_pledge(plan), checks(plan)] if len(plan.rates) else [checks(plan)]
    return Constrain(Group(*map(Text, texts)), TEXT_WIDTH)


def pledge(plan: Plan) -> str:
    """Say whether any class pays more than it may, from the rates alone."""
    over = plan.rates[plan.rates["headroom_cents_per_kwh"].round(ROUNDING) < 0]
    if over.empty:
        return "Pledge: kept. In no year does any class pay more than its limit over that year without the project."
    why = "" if plan.instance.manifest.rates.enforce else " It was not enforced in this run."
    return f"Pledge: broken in {len(over)} of {len(plan.rates)} class-years.{why}"


def price_of_pledge(plan: Plan) -> str:
    """What the pledge costs and who would pay without it, if the run knows; else how to find out."""
    price = plan.manifest.get("price_of_pledge")
    if price is not None:
        limits = f"between {billions(price['least_usd'])} and {billions(price['most_usd'])}, as far as the gaps tell"
        return f"Price of the pledge: {billions(price['usd'])} of present value ({limits}). {_who_would_pay(price)}"
    if not plan.instance.manifest.rates.enforce:
        return "Price of the pledge: the cost of a run with rates.enforce=true, less the cost of this one."
    return "Price of the pledge: to know it, solve again with --price-pledge."


def _who_would_pay(price: Mapping[str, Any]) -> str:
    """Sums by utility over the planning years, as the years are in the table."""
    sums: dict[str, float] = {}
    for row in price["payers"]:
        sums[row["utility"]] = sums.get(row["utility"], 0.0) + row["usd"]
    if not sums:
        return "Without it no class would pay more either."
    named = ", ".join(f"{utility} {usd / 1e6:,.1f} M$" for utility, usd in sorted(sums.items(), key=lambda x: -x[1]))
    return f"Without it local customers would pay more, summed over the planning years: {named}."


def checks(plan: Plan) -> str:
    """How many independent checks were made, and the largest relative error among them."""
    found: Mapping[str, float] = plan.manifest.get("checks", {})
    if not found:
        return "Checks: none are on record for this run."
    worst = max(found, key=lambda name: abs(found[name]))
    return (
        f"Checks: {len(found)} passed, recomputed from the tables; largest relative error {found[worst]:.1e} ({worst})."
    )


# -- figures and words ------------------------------------------------------------------------------------


def billions(usd: float) -> str:
    """US$ in words of a board paper.

    >>> billions(61_234_567_890.0), billions(-2.5e8), billions(132_408_400.0)
    ('61.235 billion US$', '-250.000 million US$', '132.408 million US$')
    """
    return f"{usd / 1e9:,.3f} billion US$" if abs(usd) >= 1e9 else f"{usd / 1e6:,.3f} million US$"


def millions(usd: float) -> str:
    """M$ with one decimal; what rounds to zero has no sign.

    >>> millions(1_234_567_890.0), millions(-1000.0)
    ('1,234.6', '0.0')
    """
    return f"{round(usd / 1e6, 1) + 0.0:,.1f}"


def signed(cents: float) -> str:
    """Cents per kWh with a sign; what rounds to zero has none.

    >>> signed(0.1234), signed(-0.015), signed(-1e-9)
    ('+0.123', '-0.015', '0.000')
    """
    rounded = round(cents, 3) + 0.0
    return f"{rounded:+.3f}" if rounded else "0.000"


def percent(share: float) -> str:
    """Share as a percentage.

    >>> percent(0.054), percent(0.00431), percent(0.0), percent(float("inf"))
    ('5.4 %', '0.43 %', '0 %', 'unknown')
    """
    return f"{share * 100:.2g} %" if math.isfinite(share) else "unknown"


def first_to_last(years: Iterable[int]) -> str:
    """First and last year.

    >>> first_to_last([2028, 2026, 2026]), first_to_last([2030])
    ('2026-2028', '2030')
    """
    found = sorted({int(year) for year in years})
    return str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def spans(years: Iterable[int], planning: Sequence[int]) -> str:
    """Years as runs of neighbouring planning years.

    >>> spans([2026, 2028, 2030, 2035], (2026, 2028, 2030, 2032, 2035))
    '2026-2030, 2035'
    """
    runs: list[list[int]] = []
    for position in sorted(planning.index(int(year)) for year in years):
        if runs and runs[-1][-1] == position - 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return ", ".join(first_to_last([planning[position] for position in run]) for run in runs)


def finite(value: float) -> float | None:
    """A number, or None for what JSON cannot hold."""
    return float(value) if math.isfinite(value) else None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain values; blanks and non-finite numbers are None."""
    rows: list[dict[str, Any]] = table.to_dict(orient="records")  # type: ignore[assignment]
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return finite(value)
    return None if value is None or value == "" else value


#: Columns that hold words; the others are figures, aligned right and never broken.
WORDS = frozenset(
    {"place", "technology", "paid as", "kind", "cost", "utility", "class", "at the limit in", "at the limit"}
)


def titled(title: str, grid: Table) -> RenderableType:
    """A table under its title."""
    return Group(Text(title, style="bold"), grid)


def table_of(*columns: str) -> Table:
    """An empty table; columns of words to the left, figures to the right."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        words = column in WORDS
        grid.add_column(column, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return grid


def by_year(rows: pd.DataFrame, column: str) -> dict[int, float]:
    """Sum of a column by year."""
    totals: dict[int, float] = {}
    for year, value in zip(rows["year"].tolist(), rows[column].tolist(), strict=True):
        totals[int(year)] = totals.get(int(year), 0.0) + value
    return totals


#: Labels of a row -> year -> text.
Cells = Mapping[tuple[str, ...], Mapping[int, str]]


def _years_across(title: str, labels: Sequence[str], cells: Cells, years: Sequence[int]) -> Iterable[RenderableType]:
    """Tables with planning years across, as many as are needed to keep them narrow."""
    for start in range(0, len(years), YEARS_ACROSS):
        across = years[start : start + YEARS_ACROSS]
        grid = table_of(*labels, *map(str, across))
        for names, values in cells.items():
            if any(year in values for year in across):
                grid.add_row(*names, *(values.get(year, "") for year in across))
        if grid.row_count:
            yield titled(title, grid)
