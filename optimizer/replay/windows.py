r"""Dispatch of a fixed plan through a year, window by window, as an operator would: with little foresight.

A window is the planning model on a week of consecutive hours and two days ahead of it, with all investments and
energised IT fixed; its hours stand for the whole year, so that yearly costs keep their scale. What a window cannot
know of the year it takes from the plan, or from the windows before:

* limits on a year (rates, emissions, clean energy, unserved and curtailed energy) act through the plan's own marginal
  values: the row leaves the model and its dual times its activity joins the objective (Lagrangian relaxation);
* of unserved and curtailed energy a window may use what is left of the year's allowance; more only as a last resort;
* a billing demand is paid for up to the plan's, or to the highest one of the month so far; more costs a month's charge;
* shared network charges act in the window that holds the hour they are measured in;
* stored energy, ramps, starts and deferred load continue from the window before; energy left at the end of a window in
  storage linked over the calendar is worth what the plan says.

Storage without a calendar starts the year half full, and ends it as it began.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.decisions import Values, hold
from optimizer.instance import Instance
from optimizer.model.build import build, hourly_variables
from optimizer.model.data import MILLION, Data
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.model.shared_network import highest_load_step
from optimizer.periods import month_of_hour
from optimizer.replay.hours import window

#: Hours that a window decides, and hours it looks ahead.
CORE_HOURS, AHEAD_HOURS = 168, 48
#: A last window shorter than this joins the one before it, hours.
SHORTEST_HOURS = 72
#: Limits on a year, replaced by their marginal value in the plan.
PRICED = (
    "class_rate_stays_flat",
    "emissions_within_cap",
    "clean_energy_matches_load",
    "clean_energy_matches_load_hourly",
    "unserved_within_target",
    "curtailed_within_energy",
)
#: Limits on a year that are allowances, by the hourly variable that uses them.
ALLOWANCES = {"unserved_within_target": "unserved", "curtailed_within_energy": "curtailed"}
#: Price of unserved or curtailed energy beyond the allowance: above any market price, so it is the last resort.
LAST_RESORT_USD_PER_MWH = 20_000.0
#: Limits that investments have met already.
MET_BY_PLAN = (
    "capital_within_budget",
    "capital_within_cumulative_budget",
    "compute_demand_met",
    "energised_it_stays",
    "firm_capacity_covers_peak",
    "firm_capacity_covers_peak_with_largest_out",
    "stranded_value_covered",
)
#: Rows that join the last step of a period to its first.
RING = ("ramp_up_limited", "ramp_down_limited", "started_when_more_online", "storage_carried", "backlog_carried")
DEFERRAL = "backlog_within_window"

#: Hourly values by variable and index without the hour, one per hour of the series.
Hourly = dict[tuple[str, tuple[Any, ...]], np.ndarray]


class ReplayError(RuntimeError):
    """A year that could not be replayed."""


@dataclass(frozen=True)
class Outlook:
    """What a year's windows take from the plan.

    Attributes
    ----------
    values
        Variables held fixed.
    prices
        Marginal value of the rows of the plan's model, M$ per unit of the row.
    paid_mw
        Billing demand by site, year and calendar month.
    annual_peak_mw
        Highest metered import by site and year.
    start_mwh
        Stored energy at the start of the year by resource and year.
    slot_ends
        Hour of the series at which each calendar slot of the plan ends; empty without a calendar.
    """

    values: Values
    prices: Mapping[tuple[str, Any], float]
    paid_mw: Mapping[tuple[str, int, int], float]
    annual_peak_mw: Mapping[tuple[str, int], float]
    start_mwh: Mapping[tuple[str, int], float]
    slot_ends: Sequence[int] = ()


def spans(hours: int) -> list[tuple[int, int, int]]:
    """Windows of a series: first hour, hours decided, hours modelled.

    >>> spans(400)
    [(0, 168, 216), (168, 232, 232)]
    """
    starts = [start for start in range(0, hours, CORE_HOURS) if start == 0 or hours - start >= SHORTEST_HOURS]
    ends = [*starts[1:], hours]
    return [
        (start, end - start, min(end + AHEAD_HOURS, hours) - start) for start, end in zip(starts, ends, strict=True)
    ]


def dispatch(instance: Instance, year: int, outlook: Outlook, threads: int | None = None) -> Hourly:
    """Hourly values of a planning year, dispatched window by window.

    Raises
    ------
    ReplayError
        If a window has no solution.
    """
    state = _Year(instance, year, outlook)
    for start, core, hours in spans(state.hours):
        found = _Window(state, start, hours).solve(threads)
        state.record(found, start, core)
    return state.values


@dataclass
class _Year:
    """What is known of a year so far."""

    instance: Instance
    year: int
    outlook: Outlook
    values: Hourly = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hours = self.instance.manifest.series_hours
        self.data = Data.of(self.instance, (self.year,))
        self.paid_mw = dict(self.outlook.paid_mw)
        self.annual_peak_mw = dict(self.outlook.annual_peak_mw)

    @cached_property
    def network_hours(self) -> dict[str, int]:
        """Hour of the year at which each utility's shared network charge is measured."""
        return {u: highest_load_step(self.data, u) for u in {row.utility for row in self.instance.shared_network_costs}}

    def left_mwh(self, variable: str, site: str) -> float:
        """What is left of the year's allowance of unserved or curtailed energy."""
        row = self.data.sites[site]
        share = row.curtailable_energy_share if variable == "curtailed" else 1 - row.availability_target
        load = self.data.facility_load_per_it(row).sum() * self.outlook.values["it_mw"].get((site, self.year), 0.0)
        used = self.values.get((variable, (site, self.year)), np.zeros(1)).sum()
        return max(0.0, 8760 / self.hours * float(share * load - used))

    def record(self, found: Hourly, start: int, core: int) -> None:
        """Keep the decided hours of a window."""
        for key, values in found.items():
            self.values.setdefault(key, np.zeros(self.hours))[start : start + core] = values[:core]
        for (name, key), values in found.items():
            if name == "import_mw":
                self._meter(key[0], start, values[:core])

    def _meter(self, site: str, start: int, imports: np.ndarray) -> None:
        for hour, mw in enumerate(imports.tolist(), start):
            month = (site, self.year, month_of_hour(hour, self.hours))
            self.paid_mw[month] = max(self.paid_mw.get(month, 0.0), mw)
        peak = self.annual_peak_mw.get((site, self.year), 0.0)
        self.annual_peak_mw[site, self.year] = max(peak, float(imports.max()))


class _Window:
    """The LP of a window, as arrays that are edited before it is solved."""

    def __init__(self, year: _Year, start: int, hours: int) -> None:
        self.year, self.start, self.hours = year, start, hours
        model = build(window(year.instance, start, hours), operated=(year.year,))
        matrix = hold(compile_matrix(model), year.outlook.values)
        self.matrix = matrix
        self.a = sparse.csr_array(matrix.a)
        self.cost = matrix.objective.copy()
        self.lower, self.upper = matrix.lower.copy(), matrix.upper.copy()
        self.row_lower, self.row_upper = matrix.row_lower.copy(), matrix.row_upper.copy()
        self.rows = {name: at for at, name in enumerate(matrix.row_names)}
        self.hourly = hourly_variables(model)
        self.at_hour = {
            int(column): (name, key[:-1], key[-1])
            for name in self.hourly
            for column, key in zip(matrix.names.get(name, ()), matrix.keys.get(name, ()), strict=True)
        }
        self.closing: list[tuple[dict[int, float], float, float]] = []
        self.last_resort: list[int] = []

    def solve(self, threads: int | None) -> Hourly:
        self._fix("make_whole", 0.0)
        if self.hours < self.year.hours:
            self._bills()
            self._network()
            self._join()
            self._stored_energy()
        self._prices()
        matrix = self._edited()
        solver = highs.hand_off(matrix, highs.Options(threads=threads))
        solver.setOptionValue("primal_feasibility_tolerance", 1e-6)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            status = solver.modelStatusToString(solver.getModelStatus())
            raise ReplayError(
                f"hours {self.start} to {self.start + self.hours - 1} of {self.year.year} have no dispatch "
                f"({status}): was the run changed since it was solved?"
            )
        return self._found(np.asarray(solver.getSolution().col_value))

    def _found(self, x: np.ndarray) -> Hourly:
        values: Hourly = {}
        for column, (name, key, hour) in self.at_hour.items():
            values.setdefault((name, key), np.zeros(self.hours))[hour] = x[column]
        return values

    def _edited(self) -> Matrix:
        height, width = self.a.shape
        extra = sparse.lil_array((len(self.closing), width))
        for at, (terms, _, _) in enumerate(self.closing):
            for column, value in terms.items():
                extra[at, column] = value
        count = len(self.last_resort)
        beyond = sparse.coo_array(
            (-np.ones(count), (self.last_resort, range(count))), shape=(height + len(self.closing), count)
        )
        dear = self.year.data.discount[self.year.year] * LAST_RESORT_USD_PER_MWH / MILLION
        return dataclasses.replace(
            self.matrix,
            a=sparse.csc_array(sparse.hstack([sparse.vstack([self.a, extra]), beyond])),
            cost_rows=sparse.csr_array(np.concatenate([self.cost, np.full(count, dear)])[None, :]),
            cost_offset=np.zeros(1),
            lower=np.concatenate([self.lower, np.zeros(count)]),
            upper=np.concatenate([self.upper, np.full(count, np.inf)]),
            row_lower=np.concatenate([self.row_lower, [least for _, least, _ in self.closing]]),
            row_upper=np.concatenate([self.row_upper, [most for _, _, most in self.closing]]),
            integer=np.zeros(width + count, bool),
        )

    # -- looking up ---------------------------------------------------------------------------------------
    def _members(self, name: str) -> Iterator[tuple[int, Any]]:
        for column, key in zip(self.matrix.names.get(name, ()), self.matrix.keys.get(name, ()), strict=True):
            yield int(column), key

    def _rows_of(self, *names: str) -> Iterator[tuple[int, str, Any]]:
        for (name, key), at in self.rows.items():
            if name in names:
                yield at, name, key

    def _row(self, at: int) -> tuple[slice, np.ndarray]:
        span = slice(self.a.indptr[at], self.a.indptr[at + 1])
        return span, self.a.indices[span]

    def _fix(self, name: str, value: float) -> None:
        for column, _ in self._members(name):
            self.lower[column] = self.upper[column] = value

    def _free(self, at: int) -> None:
        self.row_lower[at], self.row_upper[at] = -np.inf, np.inf

    # -- the year outside the window ----------------------------------------------------------------------
    def _bills(self) -> None:
        """One month's charge on what exceeds the billing demand paid for so far; see the module."""
        of_a_year = self.year.hours / self.hours
        for at, _, _ in self._rows_of("demand_billed"):
            span, columns = self._row(at)
            bill = np.isin(columns, self.matrix.names["demand_bill"])
            self.a.data[span] = np.where(bill, self.a.data[span], self.a.data[span] * of_a_year / 12)
        month = month_of_hour(self.start, self.year.hours)
        for column, (site, year, _) in self._members("billing_mw"):
            self.lower[column] = max(self.lower[column], self.year.paid_mw.get((site, year, month), 0.0))
        for column, key in self._members("annual_peak"):
            self.lower[column] = max(self.lower[column], self.year.annual_peak_mw.get(key, 0.0))

    def _network(self) -> None:
        of_a_year = self.year.hours / self.hours
        for at, _, (utility, _) in self._rows_of("network_charged"):
            here = self.start <= self.year.network_hours[utility] < self.start + self.hours
            span, columns = self._row(at)
            charge = np.isin(columns, self.matrix.names["network_charge"])
            scale = of_a_year if here else 0.0
            self.a.data[span] = np.where(charge, self.a.data[span], self.a.data[span] * scale)

    def _prices(self) -> None:
        for at, name, key in self._rows_of(*PRICED, *MET_BY_PLAN):
            price = self.year.outlook.prices.get((name, key), 0.0) if name in PRICED else 0.0
            span, columns = self._row(at)
            self.cost[columns] -= price * self.a.data[span]
            self._free(at)
            if name in ALLOWANCES:
                self._allow(at, ALLOWANCES[name], key[0])
        for name in ("demand_bill", "fixed_bill"):  # more of a bill is never worth having for itself
            for column, _ in self._members(name):
                self.cost[column] = max(self.cost[column], 0.0)

    def _allow(self, at: int, variable: str, site: str) -> None:
        """Hold the row to what is left of the year, in place of the share of the window's own load."""
        span, columns = self._row(at)
        known = ~np.isin(columns, list(self.at_hour))
        share_of_load = float(self.a.data[span][known] @ self.lower[columns[known]])
        self.row_upper[at] = share_of_load + self.year.left_mwh(variable, site) * self.year.hours / self.hours
        self.last_resort.append(at)

    # -- the hours before and after -----------------------------------------------------------------------
    def _join(self) -> None:
        """Let the window follow the hour before it, and the last window lead to the first hour of the year."""
        last = self.hours - 1
        closes = self.start + self.hours == self.year.hours
        for at, name, key in list(self._rows_of(*RING, DEFERRAL)):
            if name == DEFERRAL or key[-1] == last:
                if closes and name in RING and self.start:
                    self._close(at)
                self._follow(at, name, -1 if key[-1] == last else key[-1])
        if self.start == 0:
            self._open()

    def _follow(self, at: int, name: str, hour: int) -> None:
        """Replace what the ring takes from the window's end by what happened before the window."""
        span, columns = self._row(at)
        before = [
            (position, column)
            for position, column in enumerate(columns.tolist(), span.start)
            if column in self.at_hour and self.at_hour[column][2] > hour + 1
        ]
        if before and self.start == 0 and name in RING:
            self._free(at)
            return
        for position, column in before:
            variable, key, q = self.at_hour[column]
            past = self.year.values[variable, key][self.start + q - self.hours] if self.start else 0.0
            self.row_lower[at] -= self.a.data[position] * past
            self.row_upper[at] -= self.a.data[position] * past
            self.a.data[position] = 0.0

    def _close(self, at: int) -> None:
        """The year is a ring too: its last hour leads to its first."""
        span, columns = self._row(at)
        least, most, terms = self.row_lower[at], self.row_upper[at], {}
        for position, column in enumerate(columns.tolist(), span.start):
            if column in self.at_hour and self.at_hour[column][2] == 0:
                variable, key, _ = self.at_hour[column]
                first = self.a.data[position] * self.year.values[variable, key][0]
                least, most = least - first, most - first
            else:
                terms[column] = float(self.a.data[position])
        self.closing.append((terms, least, most))

    def _open(self) -> None:
        for column, key in self._members("state"):
            if key[-1] == 0:
                self.lower[column] = self.upper[column] = self.year.outlook.start_mwh.get(key[:2], 0.0)
        for column, key in self._members("backlog"):
            if key[-1] == 0:
                self.upper[column] = 0.0

    def _stored_energy(self) -> None:
        """Worth of what calendar-linked storage holds at the end of the window."""
        end = self.start + self.hours
        slot = next((k for k, until in enumerate(self.year.outlook.slot_ends) if until >= end), None)
        if slot is None or end == self.year.hours:
            return
        for column, (resource, year, hour) in self._members("state"):
            if hour == self.hours - 1:
                price = self.year.outlook.prices.get(("level_carried", (resource, year, slot)), 0.0)
                self.cost[column] += min(price, 0.0) * self.year.hours / self.hours
