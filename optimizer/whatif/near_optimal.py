r"""Near-optimal plans: what else costs hardly more than the least, as different as possible, and how far each option
can vary.

With c* the cost of the best plan found and a share x, all plans of cost <= c* + x |c*| are near-optimal.

Alternatives (modelling to generate alternatives). MW funded of group g (the plant of a place, or a technology), q[g];
its value in each plan p found so far, Q[p,g]; the most that data allow, M[g]. A new plan has the largest distance to
the nearest of them:

    max t   subject to   t <= sum_g d[p,g]  for every p,   d[p,g] <= |q[g] - Q[p,g]|

The absolute value needs one binary z (is q above Q) by plan and group; the factors are the smallest that leave the
other side free:

    d <= (q - Q) + 2 Q (1 - z) ,   d <= (Q - q) + 2 (M - Q) z ,   0 <= q <= M

Ranges: min and max q[g] over all near-optimal plans, for every option, technology or place.

What a search funds is then run at least cost, which is what the tables show. Large instances are searched by blocks:
what is learnt of their costs in one search holds for all others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from optimizer import highs
from optimizer.instance import Instance, read_instance
from optimizer.model.data import Resource
from optimizer.plan import Plan
from optimizer.solve import parts_of_matrix
from optimizer.whatif.decomposed import Decomposed
from optimizer.whatif.space import FUNDING, Figure, Progress, Space, above, least, least_cost, named, read, settled

#: What plans may differ by, and ranges be found of: name -> group that a funding option's resource belongs to; "" for
#: none.
GROUPS: Mapping[str, Callable[[Resource], str]] = {
    "site": lambda resource: "" if resource.kind == "wires" else resource.place,
    "technology": lambda resource: resource.technology.technology,
    "option": lambda resource: resource.option.option if resource.option else "",
}
#: MW below which two figures are the same.
SAME_MW = 1e-4
LEAST_COST = "least cost"
#: Name of the row that limits the cost.
NEAR = "near_optimal"
#: Part of the room above the least cost that searches by blocks keep free: cuts promise a little too low a cost.
MARGIN = 0.02
RANGE_COLUMNS = (
    "group", "name", "best_mw", "least_mw", "least_bound_mw", "least_status", "most_mw", "most_bound_mw", "most_status",
)  # fmt: skip


@dataclass(frozen=True)
class NearOptimal:
    """Plans that cost hardly more than the least.

    Attributes
    ----------
    plans
        One row a plan, that of least cost first: plan; by (what it was made to differ in); cost_usd; above_least
        (share above the cheapest plan found); above_bound (share above what no plan costs less than); distance_mw to
        the nearest plan before it; distance_bound_mw, no near-optimal plan is further away; status of the search;
        mw, capex_usd, make_whole_usd, run_dir.
    funding
        MW that enter service over all years: group (``site``, ``technology``, ``option``), name, one column a plan.
        Under ``site`` plant and storage by site or zone, without wires.
    ranges
        One row a name: group, name, best_mw (in the plan of least cost), least_mw and most_mw (the extremes that
        checked plans have), least_bound_mw and most_bound_mw (beyond which no near-optimal plan goes), least_status and
        most_status.
    """

    plans: pd.DataFrame
    funding: pd.DataFrame
    ranges: pd.DataFrame


@dataclass(frozen=True)
class _Point:
    """Column values of a plan in the base space, and those that a search can begin from in the space of searches."""

    x: np.ndarray
    start: np.ndarray


@dataclass(frozen=True)
class _Found(_Point):
    """A plan, what it funds by group, and the search that led to it."""

    plan: Plan
    by: str = ""
    status: str = ""
    distance: float = np.nan
    distance_bound: float = np.nan


@dataclass(frozen=True)
class _Member:
    """A member of a group: MW funded as a figure of the base space and of that of searches, and the most by data."""

    figure: Figure
    searched: Figure
    most: float


@dataclass(frozen=True)
class _Search:
    """What all searches share.

    ``near`` are the near-optimal plans of ``base``; ``searched`` the same as decisions, if ``decomposed``. Limits of
    the cost are in M$.
    """

    base: Space
    near: Space
    searched: Space
    decomposed: Decomposed | None
    within: float
    least: float
    bound: float
    options: highs.Options
    progress: Progress | None

    def least_of(self, space: Space, figure: Figure, start: np.ndarray) -> tuple[highs.Answer, np.ndarray]:
        """The near-optimal plan with the least of a figure: answer in ``space``, column values in the base space."""
        if self.decomposed is None:
            answer = least(space, figure, self.options, start, self.progress)
            assert answer.x is not None
            return answer, answer.x[: self.base.matrix.a.shape[1]]
        return self.decomposed.least(space, figure, self.options, start, self.progress, self._margin(space))

    def start(self, answer: highs.Answer, x: np.ndarray) -> np.ndarray:
        """Column values that a later search can begin from: of an answer and the plan settled from it."""
        if self.decomposed is None:
            return x
        assert answer.x is not None
        return answer.x[: self.searched.matrix.a.shape[1]]

    def _margin(self, space: Space) -> np.ndarray:
        """Limits a little short of that of the cost."""
        upper = space.matrix.row_upper.copy()
        upper[space.matrix.rows_named(NEAR)] -= MARGIN * (above(self.least, self.within) - self.least)
        return upper

    def plan(self, x: np.ndarray) -> tuple[np.ndarray, Plan]:
        """What a search funds, run at least cost: column values and the checked plan."""
        best = x if self.decomposed else settled(self.near, x, self.options, fixed=FUNDING)
        asked = highs.relative_gap(self.base.cost.of(best), self.bound)
        return best, read(self.base, self.base.instance, best, self.bound, asked, self.options.threads)

    def groups(self, group: str) -> dict[str, _Member]:
        """Members of a group by name."""
        members: dict[str, list[str]] = {}
        for name in dict.fromkeys(name for name, _ in self.base.matrix.keys.get("build", [])):
            members.setdefault(GROUPS[group](self.base.data.resources[name]), []).append(name)
        return {
            member: _Member(self.base.funded_mw(names), self.searched.funded_mw(names), self._most(names))
            for member, names in members.items()
            if member
        }

    def _most(self, names: Sequence[str]) -> float:
        """Most MW of resources: blocks of an option count once for all its funding modes."""
        resources = [self.base.data.resources[name] for name in names]
        return sum({r.option.option: r.max_blocks * r.block_mw for r in resources if r.option}.values())


@highs.ending_all()
def near_optimal(
    instance: str | Path | Instance,
    within: float = 0.02,
    *,
    by: Sequence[str] = ("site", "technology"),
    count: int = 2,
    ranges: Sequence[str] = (),
    gap: float = 0.005,
    time_limit: float | None = None,
    search_gap: float = 0.05,
    search_time_limit: float | None = None,
    threads: int | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> NearOptimal:
    """Plans within a share of the least cost that fund as differently as possible, and ranges of what they fund.

    Parameters
    ----------
    instance
        An instance or its folder.
    within
        Share above the cost of the cheapest plan found that a plan may cost.
    by
        What plans are to differ in: ``site``, ``technology`` or ``option``.
    count
        Plans for each of these.
    ranges
        Groups whose members' least and most MW are to be found: ``option``, ``technology``, ``site``. Two searches for
        each member, fewer where plans found before go as far as data allow.
    gap, time_limit
        Of the search for the least cost: relative gap, and seconds or None for no limit.
    search_gap, search_time_limit
        Of each search after it, on the distance or the MW.
    threads
        Threads of the solver.
    folder
        Where the plans are saved as runs; None saves none.
    progress
        Called with events as in `solve`.

    Raises
    ------
    ValueError
        If a group is unknown or ``within`` is negative.
    SolveError
        If there is no plan.
    """
    unknown = sorted({*by, *ranges} - set(GROUPS))
    if unknown or within < 0:
        raise ValueError(f"groups are {', '.join(GROUPS)}, not {unknown[0]}" if unknown else "within must be 0 or more")
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    space, options = Space.of(case), highs.Options(gap, time_limit, threads)
    with contextlib.ExitStack() as at_work:
        parts = parts_of_matrix(space.matrix, "auto", gap, False)
        apart = None
        if parts is not None:
            apart = at_work.enter_context(Decomposed(space, parts, threads or os.cpu_count() or 1).at_work())
        search, first = _least(space, apart, max(within, 1e-7), options, progress)
        search = dataclasses.replace(search, options=highs.Options(search_gap, search_time_limit, threads))
        found = {LEAST_COST: first}
        for group in by:
            found |= _alternatives(search, group, first, list(found.values()), count)
        return NearOptimal(
            pd.DataFrame([_row(search, name, one, folder) for name, one in found.items()]),
            _funding(search, found),
            _ranges(search, ranges, list(found.values())),
        )


def _least(
    space: Space, apart: Decomposed | None, within: float, options: highs.Options, progress: Progress | None
) -> tuple[_Search, _Found]:
    """The plan of least cost, and the plans near it."""
    if apart is None:
        answer = least_cost(space, options, progress)
        assert answer.x is not None
        x, searched = answer.x, space
    else:
        searched = apart.space
        answer, x = apart.least(searched, searched.cost, options, progress=progress)
    x = settled(space, x, options)
    cost = space.cost.of(x)
    limit = above(cost, within)
    near, searched = space.within(space.cost, limit, NEAR), searched.within(searched.cost, limit, NEAR)
    plan = read(space, space.instance, x, answer.bound, options.gap, options.threads, answer.status)
    search = _Search(space, near, searched, apart, within, cost, answer.bound, options, progress)
    return search, _Found(x, search.start(answer, x), plan, status=plan.status)


# Alternatives


def _alternatives(search: _Search, group: str, first: _Found, starts: list[_Found], count: int) -> dict[str, _Found]:
    """Plans one by one, each the furthest from the plan of least cost and from those before it."""
    members = list(search.groups(group).values())
    known, found = [first], dict[str, _Found]()
    for number in range(1, count + 1):
        called = dataclasses.replace(search, progress=named(search.progress, f"{group} {number}"))
        one = _furthest(called, group, members, known, [*starts, *known])
        known.append(one)
        found[f"{group} {number}"] = one
    return found


def _furthest(search: _Search, group: str, members: list[_Member], known: list[_Found], starts: list[_Found]) -> _Found:
    """The near-optimal plan furthest from all known ones."""
    at = np.array([[member.figure.of(one.x) for member in members] for one in known])
    most = np.array([member.most for member in members])
    figures = [member.searched for member in members]
    space, aim = _apart(search.searched, figures, at, most)
    start = max((_with_distances(one.start, figures, at) for one in starts), key=lambda x: float(x[-1]))
    answer, values = search.least_of(space, aim.negative(), start)
    x, plan = search.plan(values)
    here = np.array([member.figure.of(x) for member in members])
    distance = float(np.abs(here - at).sum(axis=1).min())
    return _Found(x, search.start(answer, x), plan, group, answer.status, distance, max(distance, -answer.bound))


def _apart(near: Space, figures: list[Figure], at: np.ndarray, most: np.ndarray) -> tuple[Space, Figure]:
    """The plans with their distances to known ones, and the distance to the nearest as what to maximise."""
    plans, count = at.shape
    size = plans * count
    space = near.with_columns("distance", np.maximum(at, most - at).ravel())
    space = space.with_columns("more_than", np.ones(size), whole=True)
    space = space.with_columns("nearest", np.array([float(most.sum())]))
    funded = sparse.csr_array(np.tile(np.array([figure.weights for figure in figures]), (plans, 1)))
    below, beyond = at.ravel(), (most - at).ravel()
    one, sums = sparse.eye_array(size), sparse.csr_array(np.kron(np.eye(plans), np.ones(count)))
    rows = sparse.block_array(
        [
            [-funded, one, sparse.diags_array(2 * below), None],
            [funded, one, sparse.diags_array(-2 * beyond), None],
            [None, -sums, None, np.ones((plans, 1))],
        ]
    )
    weights = np.zeros(space.matrix.a.shape[1])
    weights[-1] = 1.0
    return space.with_rows(rows, np.concatenate([below, below, np.zeros(plans)]), "apart"), Figure(weights)


def _with_distances(x: np.ndarray, figures: list[Figure], at: np.ndarray) -> np.ndarray:
    """Column values of a known plan in the space with distances."""
    here = np.array([figure.of(x) for figure in figures])
    distances = np.abs(here - at)
    return np.concatenate([x, distances.ravel(), (here >= at).ravel(), [distances.sum(axis=1).min()]])


# Ranges


def _ranges(search: _Search, groups: Sequence[str], pool: Sequence[_Point]) -> pd.DataFrame:
    known = list(pool)
    rows = [row for group in groups for row in _of_group(search, group, known)]
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS))


def _of_group(search: _Search, group: str, pool: list[_Point]) -> Iterator[dict[str, Any]]:
    """Least and most MW of every member; plans found on the way are added to the pool."""
    for name, member in search.groups(group).items():
        low, low_bound, low_status = _extreme(search, member, 1.0, pool, f"least of {name}")
        high, high_bound, high_status = _extreme(search, member, -1.0, pool, f"most of {name}")
        yield {
            "group": group,
            "name": name,
            "best_mw": member.figure.of(pool[0].x),
            "least_mw": low,
            "least_bound_mw": low_bound,
            "least_status": low_status,
            "most_mw": 0.0 - high,
            "most_bound_mw": 0.0 - high_bound,
            "most_status": high_status,
        }


def _extreme(search: _Search, member: _Member, sign: float, pool: list[_Point], stage: str) -> tuple[float, float, str]:
    """Least of the MW times a sign over near-optimal plans: value of a checked plan, bound, status."""
    floor = 0.0 if sign > 0 else -member.most
    start = min(pool, key=lambda point: sign * member.figure.of(point.x))
    if sign * member.figure.of(start.x) <= floor + SAME_MW:
        return floor, floor, "optimal"
    called = dataclasses.replace(search, progress=named(search.progress, stage))
    figure = member.searched if sign > 0 else member.searched.negative()
    answer, values = called.least_of(search.searched, figure, start.start)
    x, _ = search.plan(values)
    pool.append(_Point(x, search.start(answer, x)))
    value = min(sign * member.figure.of(x), sign * member.figure.of(start.x))
    return value, min(max(answer.bound, floor), value), answer.status


# Tables


def _row(search: _Search, name: str, found: _Found, folder: str | Path | None) -> dict[str, Any]:
    plan = found.plan
    saved = None if folder is None else plan.save(Path(folder) / name.replace(" ", "-"))
    scale = max(abs(search.least), 1e-9)
    return {
        "plan": name,
        "by": found.by,
        "cost_usd": plan.objective_usd,
        "above_least": (search.base.cost.of(found.x) - search.least) / scale,
        "above_bound": (search.base.cost.of(found.x) - search.bound) / max(abs(search.bound), 1e-9),
        "distance_mw": found.distance,
        "distance_bound_mw": found.distance_bound,
        "status": found.status,
        "mw": float(plan.allocation["mw"].sum()),
        "capex_usd": float(plan.allocation["capex_usd"].sum()),
        "make_whole_usd": float(plan.costs.query("name == 'make_whole'")["present_value_usd"].sum()),
        "run_dir": None if saved is None else str(saved),
    }


def _funding(search: _Search, found: Mapping[str, _Found]) -> pd.DataFrame:
    rows = [
        {"group": group, "name": name} | {plan: member.figure.of(one.x) for plan, one in found.items()}
        for group in GROUPS
        for name, member in search.groups(group).items()
    ]
    return pd.DataFrame(rows, columns=["group", "name", *found])
