"""Replay a plan on every hour of every planning year, and say how it fared."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from optimizer.accounts import cash_table, running_cash
from optimizer.check import CheckError, Report, check
from optimizer.cluster import obey_parent
from optimizer.decisions import commitments
from optimizer.explain.marginal import prices
from optimizer.instance import Instance
from optimizer.model.data import Data
from optimizer.model.matrix import CAPITAL_COSTS
from optimizer.periods import MONTHS
from optimizer.plan import TABLES, Plan
from optimizer.replay.hours import every_hour
from optimizer.replay.settle import settle
from optimizer.replay.windows import PRICED, Outlook, dispatch
from optimizer.results import rows_of

Progress = Callable[[dict[str, Any]], None]

#: Tables that investments alone decide: taken from the plan.
INVESTMENT = ("allocation", "retirements")
#: Limits that a year can miss although the plan was made to keep them, by check.
LIMITS = {
    "unserved": "load served",
    "curtailed": "curtailed energy",
    "pledge": "rate cap",
    "emissions_cap": "carbon cap",
    "clean_annual": "clean energy over the year",
    "clean_hourly": "clean energy hour by hour",
}
WEEK = 168


@dataclass(frozen=True)
class Replay:
    """A plan on every hour of its planning years.

    Attributes
    ----------
    plan
        The plan that was replayed.
    replayed
        The same investments on every hour: a plan with status ``replayed``, its tables recomputed.
    report
        What the checker says of it; findings are the limits that it misses.
    """

    plan: Plan
    replayed: Plan
    report: Report

    @cached_property
    def years(self) -> pd.DataFrame:
        """By year: load_mwh, unserved_mwh, availability, curtailed_mwh, import_mwh, peak_import_mw, operating cost and
        make-whole (US$) of the replay, and the same of the plan in columns that begin with ``planned_``."""
        found, planned = _by_year(self.replayed), _by_year(self.plan)
        return found.join(planned.add_prefix("planned_")).reset_index()

    @cached_property
    def weeks(self) -> pd.DataFrame:
        """By year and week (from 0): load_mwh, unserved_mwh, curtailed_mwh, import_mwh, first_hour; worst first."""
        frame = self.replayed.operation
        keys = [frame["year"], (frame["step"] // WEEK).rename("week")]
        names = {f"{name}_mw": f"{name}_mwh" for name in ("load", "unserved", "curtailed", "import")}
        weeks = frame[list(names)].rename(columns=names).groupby(keys).sum().reset_index()
        weeks["first_hour"] = weeks["week"] * WEEK
        return weeks.sort_values(
            ["unserved_mwh", "curtailed_mwh", "import_mwh"], ascending=False, ignore_index=True, kind="stable"
        )

    @cached_property
    def rates(self) -> pd.DataFrame:
        """By class and year: change and limit (cents/kWh), and make-whole (US$), of the replay and of the plan."""
        key = ["utility", "customer_class", "year"]
        columns = ["change_cents_per_kwh", "cap_cents_per_kwh", "make_whole_usd"]
        found, planned = (plan.rates.set_index(key)[columns] for plan in (self.replayed, self.plan))
        return found.join(planned.drop(columns="cap_cents_per_kwh").add_prefix("planned_")).reset_index()

    @cached_property
    def errors(self) -> dict[str, float]:
        """What the representative periods leave out, relative to the replay: cost, energy, peak.

        ``objective``: the plan's cost less the replayed one's; ``load``: energy of all sites and years;
        ``peak_import``: the sum over years of the highest joint import.
        """
        found, planned = _by_year(self.replayed), _by_year(self.plan)
        pairs = {
            "objective": (self.plan.objective_usd, self.replayed.objective_usd),
            "load": (float(planned["load_mwh"].sum()), float(found["load_mwh"].sum())),
            "peak_import": (float(planned["peak_import_mw"].sum()), float(found["peak_import_mw"].sum())),
        }
        return {name: (left - right) / abs(right) if right else 0.0 for name, (left, right) in pairs.items()}

    @property
    def misses(self) -> tuple[str, ...]:
        """Limits that the replayed years miss, in words; empty if the plan holds."""
        return tuple(
            f"{LIMITS[finding.name]}, {finding.where}: {finding.found:,.6g}, against {finding.limit:,.6g}"
            for finding in self.report.findings
        )

    def as_dict(self) -> dict[str, Any]:
        """For the manifest of the run."""
        return {
            "errors": self.errors,
            "objective_usd": self.replayed.objective_usd,
            "misses": list(self.misses),
            "years": self.years.to_dict(orient="records"),
            "checks": self.report.as_dict(),
        }


def replay(plan: Plan, *, workers: int = 1, progress: Progress | None = None) -> Replay:
    """Dispatch a plan over all hours of each planning year, its investments fixed.

    Parameters
    ----------
    plan
        A solved plan.
    workers
        Processes; years are replayed side by side.
    progress
        Called with ``stage`` and, after every year, ``done`` and ``total``.

    Raises
    ------
    ReplayError
        If the plan cannot be run on its own instance.
    CheckError
        If the replayed years break anything but a limit on a year.
    """
    full = every_hour(plan.instance)
    years = Data.of(full).years
    tell = progress or (lambda event: None)
    tell({"stage": "prices", "done": 0, "total": len(years)})
    outlook = _outlook(plan)
    tables: dict[int, dict[str, pd.DataFrame]] = {}
    for year, found in _years(full, years, outlook, workers):
        tables[year] = found
        tell({"stage": "replay", "done": len(tables), "total": len(years)})
    tell({"stage": "check", "done": len(years), "total": len(years)})
    replayed = _merged(plan, full, [tables[year] for year in years])
    report = check(replayed)
    if any(finding.name not in LIMITS for finding in report.findings):
        raise CheckError(report)
    return Replay(plan, replayed, report)


def _years(
    full: Instance, years: tuple[int, ...], outlook: Outlook, workers: int
) -> Iterator[tuple[int, dict[str, pd.DataFrame]]]:
    if workers == 1 or len(years) == 1:
        yield from ((year, _replay_year(full, year, outlook)) for year in years)
        return
    context, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    with ProcessPoolExecutor(min(workers, len(years)), mp_context=context, initializer=obey_parent) as pool:
        jobs = {pool.submit(_replay_year, full, year, outlook): year for year in years}
        try:
            yield from ((jobs[job], job.result()) for job in as_completed(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - set(others):
                worker.terminate()
            raise


def _replay_year(full: Instance, year: int, outlook: Outlook) -> dict[str, pd.DataFrame]:
    return settle(full, year, outlook.values, dispatch(full, year, outlook, threads=1))


def _outlook(plan: Plan) -> Outlook:
    data = Data.of(plan.instance)
    matrix, dual, _ = prices(plan)
    priced = (*PRICED, "level_carried")
    bills = plan.tables["tariff_bills"]
    peaks: dict[tuple[str, int], float] = {}
    for row in rows_of(bills):
        peaks[row.site, row.year] = max(peaks.get((row.site, row.year), 0.0), row.metered_peak_mw)
    lengths = data.grid.period_hours()
    levels = plan.tables["slot_levels"]
    half = {(row.resource, row.year): row.mwh / 2 for row in rows_of(plan.tables["capacity"])}
    opening = levels[levels["slot"] == 0]
    level = {(row.resource, row.year): row.level_mwh for row in rows_of(opening)}
    return Outlook(
        values=commitments(plan),
        prices={row: float(value) for row, value in zip(matrix.row_names, dual, strict=False) if row[0] in priced},
        paid_mw=_by_month(bills),
        annual_peak_mw=peaks,
        start_mwh=half | level,
        slot_ends=tuple(accumulate(lengths[period] for period in data.grid.slots)),
    )


def _by_month(bills: pd.DataFrame) -> dict[tuple[str, int, int], float]:
    """Billing demand by calendar month: that of the plan's month, or of the last one before it."""
    known: dict[tuple[str, int], dict[int, float]] = {}
    for row in rows_of(bills):
        known.setdefault((row.site, row.year), {})[int(row.billing_month)] = row.billing_demand_mw
    return {
        (site, year, month): months[max((b for b in months if b <= month), default=min(months))]
        for (site, year), months in known.items()
        for month in MONTHS
    }


def _merged(plan: Plan, full: Instance, years: list[dict[str, pd.DataFrame]]) -> Plan:
    """The replayed years as one plan: capital from the plan, everything else from the years."""
    tables = {name: _stacked(name, [tables[name] for tables in years]) for name in TABLES}
    for name in INVESTMENT:
        tables[name] = plan.tables[name]
    running = tables["costs"][~tables["costs"]["name"].isin(CAPITAL_COSTS)]
    tables["costs"] = pd.concat([_capital(plan.costs), running], ignore_index=True)
    yearly = zip(running["name"], running["year"].tolist(), running["usd"].tolist(), strict=True)
    capital = {(row.calendar_year, row.name): row.usd for row in rows_of(_capital(plan.cash_flow))}
    tables["cash_flow"] = cash_table(capital | running_cash(yearly, Data.of(full).grid.years_represented))
    objective = float(tables["costs"]["present_value_usd"].sum())
    bound = min(objective, 0.0)
    gap = (objective - bound) / max(abs(objective), 1e-9)
    return Plan(full, "replayed", objective, bound, gap, tables, {"replay_of": plan.instance.content_hash})


def _capital(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["name"].isin(CAPITAL_COSTS)]


def _stacked(name: str, frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(TABLES[name]))


def _by_year(plan: Plan) -> pd.DataFrame:
    sites = plan.tables["sites"].groupby("year")[["load_mwh", "unserved_mwh", "curtailed_mwh", "import_mwh"]].sum()
    joint = plan.operation.groupby(["year", "step"])["import_mw"].sum().groupby(level=0).max()
    costs = plan.costs[~plan.costs["name"].isin(CAPITAL_COSTS)]
    paid = plan.tables["make_whole"].groupby("year")["usd"].sum()
    served = 1 - sites["unserved_mwh"] / sites["load_mwh"].where(sites["load_mwh"] > 0, np.nan)
    return sites.assign(
        availability=served.fillna(1.0),
        peak_import_mw=joint,
        operating_usd=costs.groupby("year")["usd"].sum(),
        make_whole_usd=paid,
    ).fillna(0.0)
