"""A replay as tables for people."""

from __future__ import annotations

import math

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.replay.run import Replay
from optimizer.results import rows_of
from optimizer.show import table_of, titled


def render(found: Replay, outages: pd.DataFrame | None = None) -> Group:
    """Lay a replay out for reading: what it missed, every year, the worst week, rates, outages."""
    parts = [_verdict(found), _years(found), _worst_week(found), _rates(found)]
    if outages is not None:
        parts.append(_outages(outages))
    return Group(*(spaced for part in parts for spaced in (part, Text())))


def _verdict(found: Replay) -> RenderableType:
    cost = f"{found.replayed.objective_usd / 1e6:,.1f} M$ replayed, {found.plan.objective_usd / 1e6:,.1f} M$ planned"
    errors = ", ".join(f"{name.replace('_', ' ')} {value * 100:+.2f} %" for name, value in found.errors.items())
    lines = [f"Cost: {cost}", f"Error of the representative periods: {errors}"]
    if not found.misses:
        return Text("\n".join(["The plan holds on every hour of its years.", *lines]))
    missed = [f"  {miss}" for miss in found.misses]
    advice = "Solve with --until-replay-holds, or fund more where it misses."
    return Text("\n".join(["The plan misses limits (at most five of a kind are listed):", *missed, advice, *lines]))


def _years(found: Replay) -> RenderableType:
    grid = table_of(
        "year", "load, GWh", "unserved, MWh", "planned", "served, %", "peak import, MW", "planned", "cost, M$",
        "planned", "make-whole, M$", "planned",
    )  # fmt: skip
    for row in rows_of(found.years):
        grid.add_row(
            str(row.year),
            f"{row.load_mwh / 1e3:,.0f}",
            f"{row.unserved_mwh:,.0f}",
            f"{row.planned_unserved_mwh:,.0f}",
            f"{row.availability * 100:.4f}",
            f"{row.peak_import_mw:,.0f}",
            f"{row.planned_peak_import_mw:,.0f}",
            f"{row.operating_usd / 1e6:,.1f}",
            f"{row.planned_operating_usd / 1e6:,.1f}",
            f"{row.make_whole_usd / 1e6:,.2f}",
            f"{row.planned_make_whole_usd / 1e6:,.2f}",
        )
    return titled("Every hour of every year (cost: of running, US$ of the year)", grid)


def _worst_week(found: Replay) -> RenderableType:
    week = found.weeks.iloc[0]
    first = int(week["first_hour"])
    frame = found.replayed.operation
    steps = frame[(frame["year"] == week["year"]) & frame["step"].between(first, first + 167)]
    names = ["load", "generation", "discharge", "import", "curtailed", "unserved"]
    grid = table_of("day", *(f"{name}, MWh" for name in names), "most unserved, MW")
    for day, rows in steps.groupby((steps["step"] - first) // 24):
        most = rows.groupby("step")["unserved_mw"].sum().max()
        grid.add_row(
            str(int(first / 24) + int(str(day)) + 1),
            *(f"{rows[f'{name}_mw'].sum():,.0f}" for name in names),
            f"{most:,.1f}",
        )
    return titled(f"Worst week: {int(week['year'])}, from hour {first} (days of the year)", grid)


def _rates(found: Replay) -> RenderableType:
    rates = found.rates
    grid = table_of("utility", "class", "largest rise, c/kWh", "limit", "in", "make-whole, M$", "planned, M$")
    for (utility, customer_class), rows in rates.groupby(["utility", "customer_class"], sort=False):
        worst = rows.iloc[(rows["change_cents_per_kwh"] - rows["cap_cents_per_kwh"]).argmax()]
        grid.add_row(
            str(utility),
            str(customer_class),
            f"{worst['change_cents_per_kwh'] + 0.0:.4f}",
            f"{worst['cap_cents_per_kwh']:.4f}",
            str(int(worst["year"])),
            f"{-rows['make_whole_usd'].sum() / 1e6 + 0.0:,.2f}",
            f"{-rows['planned_make_whole_usd'].sum() / 1e6 + 0.0:,.2f}",
        )
    return titled("Local rates, recomputed from the replayed years (the year nearest to its limit)", grid)


def _outages(outages: pd.DataFrame) -> RenderableType:
    grid = table_of(
        "site", "worst year", "unserved, MWh/year", "±", "hours/year", "±", "served, %", "nines", "target, %"
    )
    for site, rows in outages.groupby("site", sort=False):
        worst = rows.iloc[rows["availability"].argmin()]
        grid.add_row(
            str(site),
            str(int(worst["year"])),
            f"{worst['eue_mwh']:,.1f}",
            f"{worst['eue_half_width_mwh']:,.1f}",
            f"{worst['lolh']:,.2f}",
            f"{worst['lolh_half_width']:,.2f}",
            f"{worst['availability'] * 100:.4f}",
            "none lost" if math.isinf(worst["nines"]) else f"{worst['nines']:.1f}",
            f"{worst['target'] * 100:.4f}",
        )
    return titled("Forced outages at random: expected values, ± half of the 95 % confidence interval", grid)
