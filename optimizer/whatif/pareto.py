"""Pareto fronts: the least cost at every level of something else that matters.

Epsilon-constraint: the ends are exact, so that no part of the front is missed, and the levels between them are
equally far apart. Where a limit is a figure of the instance, the least cost at it is searched as `solve` does, by
blocks, which is faster than one matrix.

    tight end:   min value, then min cost at that value
    loose end:   min cost, then min value at that cost
    between:     min cost subject to value <= limit, from the tight end to the loose one

A plan that keeps a limit keeps every looser one, so each search begins with the plan of the one before. For the same
reason a bound on the cost at a limit holds at every tighter one: each limit gets the highest bound that is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.instance import Instance, read_instance
from optimizer.model.data import MILLION
from optimizer.overrides import apply_overrides
from optimizer.periods import HOURS_PER_YEAR, planning_years, years_represented
from optimizer.plan import Plan
from optimizer.schema import SANE_MAXIMUM, Policy
from optimizer.solve import Infeasible
from optimizer.whatif.space import Figure, Progress, Space, above, least, least_cost, named, read, settled, usd

#: Costs or values closer than this, relative to the largest, are the same.
SAME = 1e-6
#: Rate tolerance in per cent that is none: the schema allows less than 100.
LOOSEST = 99.9


@dataclass(frozen=True)
class Measure:
    """What cost is traded off against.

    Attributes
    ----------
    unit
        Unit of the value and the limit in the table.
    scale
        Units of the table per unit of the search.
    prepare
        The instance whose plans are searched.
    figure
        The value as a figure of the plans of a space (of the prepared instance) for a case, and the space with what
        it needs.
    value
        The value of a plan, from its tables.
    at
        The instance of which a plan found at a limit is a plan: where the limit can be said in it, it is.
    stated
        Is the limit part of that instance; the bound at the limit then holds for the instance.
    """

    unit: str
    scale: float
    prepare: Callable[[Instance], Instance]
    figure: Callable[[Space, Instance], tuple[Space, Figure]]
    value: Callable[[Plan], float]
    at: Callable[[Instance, float], Instance]
    stated: bool = False


# Measures


def _columns(space: Space, name: str) -> list[tuple[int, tuple[Any, ...]]]:
    """Columns of a variable and their index."""
    matrix = space.matrix
    return list(zip(matrix.names.get(name, np.zeros(0, int)).tolist(), matrix.keys.get(name, []), strict=True))


def _years(plan: Plan) -> dict[int, int]:
    """Calendar years that each planning year stands for."""
    manifest = plan.instance.manifest
    return years_represented(planning_years(manifest), manifest.last_year_represents)


def _tolerance(space: Space, _: Instance) -> tuple[Space, Figure]:
    """One tolerance for all classes, in per cent of the without-project rate, as a column of its own."""
    case = {(row.utility, row.customer_class, row.year): row for row in space.instance.class_years}
    entries = np.zeros((space.matrix.a.shape[0], 1))
    for at, (name, key) in enumerate(space.matrix.row_names):
        if name == "class_rate_stays_flat":
            revenue = case[key].rate_usd_per_mwh * case[key].sales_mwh / MILLION
            entries[at] = (-1 if np.isfinite(space.matrix.row_upper[at]) else 1) * revenue / 100
    weights = np.zeros(space.matrix.a.shape[1] + 1)
    weights[-1] = 1.0 if entries.any() else 0.0
    return space.with_columns("rate_tolerance", np.array([LOOSEST]), entries=entries), Figure(weights)


def _worst_rise(plan: Plan) -> float:
    """Highest rise of a class's rate in a year, as a share of its rate without the project; 0 if none rises."""
    rises = plan.rates["change_cents_per_kwh"] * 10 / plan.rates["without_project_usd_per_mwh"]
    return max(0.0, float(rises.max())) if len(rises) else 0.0


def _pledged(instance: Instance, share: float = 0.0) -> Instance:
    tolerance = f"customer_classes.*.*.rate_tolerance_share={min(share, 0.999)!r}"
    return apply_overrides(instance, ["rates.enforce=true", tolerance])


def _watched(instance: Instance) -> Instance:
    """The instance with a cap on emissions in every year, too high to act: emissions are then counted in all years."""
    known = {row.year: row for row in instance.policy}
    none = SANE_MAXIMUM["t"]
    rows = [known.get(year, Policy(year=year)) for year in instance.manifest.planning_years]
    policy = [row if row.co2_cap_t is not None else row.model_copy(update={"co2_cap_t": none}) for row in rows]
    return dataclasses.replace(instance, policy=tuple(policy))


def _emissions(space: Space, _: Instance) -> tuple[Space, Figure]:
    """Emissions of all years, kt; caps that are there for counting only are taken out."""
    matrix, weights = space.matrix, np.zeros(space.matrix.a.shape[1])
    represented = space.data.grid.years_represented
    for column, (_, year) in _columns(space, "emissions_kt"):
        weights[column] = represented[year]
    upper = matrix.row_upper.copy()
    caps = {row.year for row in space.instance.policy if row.co2_cap_t == SANE_MAXIMUM["t"]}
    for at, (name, key) in enumerate(matrix.row_names):
        if name == "emissions_within_cap" and key in caps:
            upper[at] = np.inf
    return dataclasses.replace(space, matrix=dataclasses.replace(matrix, row_upper=upper)), Figure(weights)


def _emitted(plan: Plan) -> float:
    """Emissions over all calendar years, t."""
    rows, years = plan.tables["emissions"], _years(plan)
    return float((rows["t"] * rows["year"].map(years)).sum())


def _enforced(instance: Instance) -> Instance:
    return apply_overrides(instance, ["rates.enforce=true"])


def _exactly_billed(instance: Instance) -> Instance:
    """Where make-whole is limited, a billing demand above the tariff's would stand in for it.

    The model keeps it exact with whole numbers only where make-whole is not allowed; ``_make_whole`` allows it again.
    """
    forbidden = ["utilities.*.make_whole_allowed=false"] if instance.utilities else []
    return apply_overrides(instance, ["rates.enforce=true", *forbidden])


def _make_whole(space: Space, case: Instance) -> tuple[Space, Figure]:
    """Present value of make-whole payments, M$."""
    allowed = {row.utility for row in case.utilities if row.make_whole_allowed}
    upper = space.matrix.upper.copy()
    for column, (utility, _, _) in _columns(space, "make_whole"):
        upper[column] = np.inf if utility in allowed else 0.0
    wider = dataclasses.replace(space, matrix=dataclasses.replace(space.matrix, upper=upper))
    return wider, wider.cost_named("make_whole")


def _made_whole(plan: Plan) -> float:
    """Present value of make-whole payments, US$."""
    return float(plan.costs.query("name == 'make_whole'")["present_value_usd"].sum())


def _unserved(space: Space, _: Instance) -> tuple[Space, Figure]:
    """Load not served, and compute without a site around the clock, over all years, GWh."""
    weights, data = np.zeros(space.matrix.a.shape[1]), space.data
    represented = data.grid.years_represented
    for column, (_, year, step) in _columns(space, "unserved"):
        weights[column] = represented[year] * data.weight_hours[step] / 1000
    for column, (year,) in _columns(space, "unmet_mw"):
        weights[column] = represented[year] * HOURS_PER_YEAR / 1000
    return space, Figure(weights)


def _not_served(plan: Plan) -> float:
    years = _years(plan)
    load, compute = plan.tables["sites"], plan.tables["compute"]
    unserved = float((load["unserved_mwh"] * load["year"].map(years)).sum())
    return unserved + float((compute["unmet_mw"] * HOURS_PER_YEAR * compute["year"].map(years)).sum())


def _unpenalised(instance: Instance) -> Instance:
    return apply_overrides(instance, ["compute.unserved_usd_per_mwh=0", "compute.unmet_usd_per_mwh=0"])


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "rate tolerance": Measure(
            "share of the without-project rate", 0.01, _pledged, _tolerance, _worst_rise, _pledged, stated=True
        ),
        "emissions": Measure("t", 1000.0, _watched, _emissions, _emitted, lambda instance, _: instance),
        "make-whole": Measure(
            "US$ of present value",
            MILLION,
            _exactly_billed,
            _make_whole,
            _made_whole,
            lambda instance, _: _enforced(instance),
        ),
        "unserved compute": Measure(
            "MWh", 1000.0, _unpenalised, _unserved, _not_served, lambda instance, _: _unpenalised(instance)
        ),
    }
)


# The front


@dataclass(frozen=True)
class _Point:
    """What a search found at a limit: limit, column values, bound on the cost there (M$), word, bound on the value."""

    limit: float
    x: np.ndarray
    bound: float
    word: str
    end: str = ""
    least: float = np.nan


@highs.ending_all()
def pareto_front(
    instance: str | Path | Instance,
    against: str,
    *,
    points: int = 6,
    gap: float = 0.005,
    time_limit: float | None = None,
    threads: int | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Least cost at each level of a measure, dominated plans left out.

    Parameters
    ----------
    instance
        An instance or its folder.
    against
        ``rate tolerance``: rise permitted to every class in every year, in place of the instance's own tolerances,
        as a share of the rate without the project; from 0 to where the pledge costs nothing.
        ``emissions``: t of CO2 over all years. ``make-whole``: present value of the payments, US$.
        ``unserved compute``: MWh over all years of load not served and of compute demand without a site; the cost is
        then without the penalties on them.
    points
        Levels searched, both ends included; at least 2.
    gap
        Relative gap of every search.
    time_limit
        Seconds of every search; None for no limit.
    threads
        Threads of the solver.
    folder
        Where the plans are saved as runs; None saves none.
    progress
        Called with events as in `solve`; while the least of the measure is searched, with ``aim``, ``unit``, ``value``
        and ``value_bound`` instead of US$.

    Returns
    -------
    DataFrame
        One row a plan that no other plan of the table beats in both, the lowest limit first: against, unit; limit,
        what the search was held to; value, what the plan has; least_value, below which no plan is known to go (at the
        tight end: of any cost; at the loose end: of the least cost found); cost_usd, the plan's present value;
        bound_usd, no plan within the limit costs less; gap, status (of the cost at the limit); end (``tight``,
        ``loose`` or blank); mw, capex_usd, make_whole_usd, run_dir.

    Raises
    ------
    ValueError
        If the measure is unknown or nothing in the instance bears on it, or fewer than 2 points are asked for.
    SolveError
        If there is no plan.
    """
    measure = _measure(against, points)
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    space, figure = measure.figure(Space.of(measure.prepare(case)), case)
    if not figure.weights.any():
        raise ValueError(f"nothing in {case.manifest.name} bears on {against}: there is no front")
    options = highs.Options(gap=gap, time_limit=time_limit, threads=threads)
    search = _Search(case, against, measure, space, figure, options, progress)
    found = _tightened(search.front(points))
    loosest = max(found, key=lambda point: point.limit).bound
    rows = []
    for number, point in enumerate(found):
        plan = _plan(case, measure, space, point, loosest, options)
        saved = None if folder is None else plan.save(Path(folder) / f"{number:02d}-{point.end or 'between'}")
        rows.append(_row(against, measure, point, plan) | {"run_dir": None if saved is None else str(saved)})
    return not_dominated(pd.DataFrame(rows))


def _measure(against: str, points: int) -> Measure:
    if against not in MEASURES:
        raise ValueError(f"'{against}' is no measure of a front: write {', '.join(MEASURES)}")
    if points < 2:
        raise ValueError("a front has at least 2 points, its ends")
    return MEASURES[against]


@dataclass(frozen=True)
class _Search:
    """What all searches of a front share."""

    case: Instance
    against: str
    measure: Measure
    space: Space
    figure: Figure
    options: highs.Options
    progress: Progress | None

    def front(self, points: int) -> list[_Point]:
        """All points, the tightest limit first."""
        tight = self._tight_end()
        loose = self._loose_end(tight)
        between = points - 2 if loose.limit > tight.limit else 0
        found = [tight]
        for number, limit in enumerate(np.linspace(tight.limit, loose.limit, between + 2)[1:-1].tolist(), 2):
            found.append(self._at_limit(limit, found[-1].x, f"point {number} of {points}"))
        return [*found, loose]

    def _tight_end(self) -> _Point:
        """The least value, then the least cost at it."""
        try:
            found, lowest = (self._at_limit(0.0, None, "tight end"), 0.0) if self.measure.stated else (None, np.nan)
        except Infeasible:
            found = None
        if found is None:
            answer = self._least(self.space, self.figure, None, "tight end")
            lowest = answer.bound
            found = self._at_limit(self.figure.of(_x(answer)), _x(answer), "tight end")
        return dataclasses.replace(found, end="tight", least=lowest)

    def _loose_end(self, tight: _Point) -> _Point:
        """The least cost, then the least value at it."""
        cheapest = self._cheapest(LOOSEST if self.measure.stated else None, tight.x, "loose end")
        at_cost = self.space.within(self.space.cost, above(self.space.cost.of(_x(cheapest))), "cost")
        start = settled(self.space, _x(cheapest), self.options, then=self.figure)
        lowest = self._least(at_cost, self.figure, start, "loose end")
        within = self.space.within(self.figure, above(self.figure.of(_x(lowest))), "value")
        x = settled(within, _x(lowest), self.options, then=self.figure)
        return _Point(self.figure.of(x), x, cheapest.bound, cheapest.status, "loose", lowest.bound)

    def _at_limit(self, limit: float, start: np.ndarray | None, stage: str) -> _Point:
        """The least cost within a limit, and of the ways to run it the one with the least value."""
        within = self.space.within(self.figure, above(limit), "value")
        if self.measure.stated:
            answer = self._cheapest(limit, start, stage)
        else:
            answer = self._least(within, self.space.cost, start, stage)
        x = settled(within, _x(answer), self.options, then=self.figure)
        return _Point(limit, x, answer.bound, answer.status)

    def _cheapest(self, limit: float | None, known: np.ndarray | None, stage: str) -> highs.Answer:
        """The least cost as `solve` finds it, at a limit that is stated in the instance or at none."""
        told, width = named(self.progress, stage), self.space.matrix.a.shape[1]
        if limit is None:
            return least_cost(self.space, self.options, told, known)
        space = Space.of(self.measure.at(self.case, above(limit) * self.measure.scale))
        known = None if known is None else known[: space.matrix.a.shape[1]]
        answer = least_cost(space, self.options, told, known)
        limits = np.full(width - len(_x(answer)), limit)
        return dataclasses.replace(answer, x=np.concatenate([_x(answer), limits]))

    def _least(self, space: Space, figure: Figure, start: np.ndarray | None, stage: str) -> highs.Answer:
        return least(space, figure, self.options, start, self._valued(named(self.progress, stage)))

    def _valued(self, progress: Progress | None) -> Progress | None:
        """Progress with values in the unit of the table. Their gap is left out: where none may be needed, the bound is
        0 and the gap 100 % until the search is over."""
        if progress is None:
            return None

        def told(event: dict[str, Any]) -> None:
            found = {name: event[name] * self.measure.scale for name in ("value", "value_bound") if name in event}
            progress(event | found | {"aim": self.against, "unit": self.measure.unit, "gap": None} if found else event)

        return told


def _x(answer: highs.Answer) -> np.ndarray:
    """Column values of an answer that has some."""
    assert answer.x is not None
    return answer.x


def _tightened(points: list[_Point]) -> list[_Point]:
    """Bounds at looser limits hold at tighter ones; plans within tighter limits keep looser ones."""
    bounds = np.maximum.accumulate([point.bound for point in reversed(points)])[::-1]
    return [dataclasses.replace(point, bound=float(bound)) for point, bound in zip(points, bounds, strict=True)]


def _plan(
    case: Instance, measure: Measure, space: Space, point: _Point, loosest: float, options: highs.Options
) -> Plan:
    """The checked plan of a point."""
    limit = max(point.limit, 0.0) if measure.stated else point.limit
    instance = measure.at(case, above(limit) * measure.scale)
    return read(
        space, instance, point.x, point.bound if measure.stated else loosest, options.gap, options.threads, point.word
    )


def _row(against: str, measure: Measure, point: _Point, plan: Plan) -> dict[str, Any]:
    bound = min(usd(point.bound), plan.objective_usd)
    gap = highs.relative_gap(plan.objective_usd, bound)
    word = "within gap" if point.word == "optimal" and gap > highs.CLOSED_GAP else point.word
    return {
        "against": against,
        "unit": measure.unit,
        "limit": point.limit * measure.scale,
        "value": measure.value(plan),
        "least_value": point.least * measure.scale,
        "cost_usd": plan.objective_usd,
        "bound_usd": bound,
        "gap": gap,
        "status": word,
        "end": point.end,
        "mw": float(plan.allocation["mw"].sum()),
        "capex_usd": float(plan.allocation["capex_usd"].sum()),
        "make_whole_usd": _made_whole(plan),
    }


def not_dominated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that no other row beats in ``cost_usd`` and ``value`` (equal within rounding counts as no worse).

    Of rows that are the same in both, the first is kept.

    >>> rows = pd.DataFrame({"value": [0.0, 1.0, 2.0, 3.0], "cost_usd": [9.0, 5.0, 5.0, 4.0]})
    >>> not_dominated(rows)["value"].tolist()
    [0.0, 1.0, 3.0]
    """
    cost, value = (table[name].to_numpy(float) for name in ("cost_usd", "value"))
    near_cost, near_value = (SAME * max(float(np.abs(values).max()), 1e-9) for values in (cost, value))
    kept = []
    for at in range(len(table)):
        no_worse = (cost <= cost[at] + near_cost) & (value <= value[at] + near_value)
        better = (cost < cost[at] - near_cost) | (value < value[at] - near_value)
        same = no_worse & ~better & (np.arange(len(table)) < at)
        kept.append(not (no_worse & better).any() and not same.any())
    return table[kept].reset_index(drop=True)
