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

What a search funds is then run at least cost, which is what the tables show.
"""

from __future__ import annotations

import dataclasses
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
class _Found:
    """A plan, what it funds by group, and the search that led to it."""

    x: np.ndarray
    plan: Plan
    by: str = ""
    status: str = ""
    distance: float = np.nan
    distance_bound: float = np.nan


@dataclass(frozen=True)
class _Search:
    """What all searches share: the near-optimal plans, the limits of their cost in M$, what is asked of the solver."""

    base: Space
    near: Space
    least: float
    bound: float
    options: highs.Options
    progress: Progress | None

    def plan(self, x: np.ndarray) -> tuple[np.ndarray, Plan]:
        """What a search funds, run at least cost: column values and the checked plan."""
        best = settled(self.near, x[: self.base.matrix.a.shape[1]], self.options, fixed=FUNDING)
        asked = highs.relative_gap(self.base.cost.of(best), self.bound)
        return best, read(self.base, self.base.instance, best, self.bound, asked, self.options.threads)

    def groups(self, group: str) -> dict[str, tuple[Figure, float]]:
        """MW funded of every member of a group, and the most that data allow."""
        members: dict[str, list[str]] = {}
        for name in dict.fromkeys(name for name, _ in self.base.matrix.keys.get("build", [])):
            members.setdefault(GROUPS[group](self.base.data.resources[name]), []).append(name)
        return {member: (self.base.funded_mw(names), self._most(names)) for member, names in members.items() if member}

    def _most(self, names: Sequence[str]) -> float:
        """Most MW of resources: blocks of an option count once for all its funding modes."""
        resources = [self.base.data.resources[name] for name in names]
        return sum({r.option.option: r.max_blocks * r.block_mw for r in resources if r.option}.values())


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
    search, first = _least(case, within, highs.Options(gap, time_limit, threads), progress)
    search = dataclasses.replace(search, options=highs.Options(search_gap, search_time_limit, threads))
    found = {LEAST_COST: first}
    for group in by:
        found |= _alternatives(search, group, first, [known.x for known in found.values()], count)
    return NearOptimal(
        pd.DataFrame([_row(search, name, one, folder) for name, one in found.items()]),
        _funding(search, found),
        _ranges(search, ranges, [one.x for one in found.values()]),
    )


def _least(case: Instance, within: float, options: highs.Options, progress: Progress | None) -> tuple[_Search, _Found]:
    """The plan of least cost, and the plans near it."""
    space = Space.of(case)
    answer = least_cost(space, options, progress)
    assert answer.x is not None
    x = settled(space, answer.x, options)
    cost = space.cost.of(x)
    near = space.within(space.cost, above(cost, max(within, 1e-7)), "near_optimal")
    plan = read(space, case, x, answer.bound, options.gap, options.threads, answer.status)
    return _Search(space, near, cost, answer.bound, options, progress), _Found(x, plan, status=plan.status)


# Alternatives


def _alternatives(
    search: _Search, group: str, first: _Found, starts: list[np.ndarray], count: int
) -> dict[str, _Found]:
    """Plans one by one, each the furthest from the plan of least cost and from those before it."""
    figures = list(search.groups(group).values())
    known, found = [first.x], {}
    for number in range(1, count + 1):
        called = dataclasses.replace(search, progress=named(search.progress, f"{group} {number}"))
        one = _furthest(called, group, figures, known, [*starts, *known])
        known.append(one.x)
        found[f"{group} {number}"] = one
    return found


def _furthest(
    search: _Search,
    group: str,
    figures: list[tuple[Figure, float]],
    known: list[np.ndarray],
    starts: list[np.ndarray],
) -> _Found:
    """The near-optimal plan furthest from all known ones."""
    at = np.array([[figure.of(x) for figure, _ in figures] for x in known])
    most = np.array([most for _, most in figures])
    space, aim = _apart(search.near, [figure for figure, _ in figures], at, most)
    start = max((_with_distances(x, figures, at) for x in starts), key=lambda x: float(x[-1]))
    answer = least(space, aim.negative(), search.options, start, search.progress)
    assert answer.x is not None
    x, plan = search.plan(answer.x)
    here = np.array([figure.of(x) for figure, _ in figures])
    distance = float(np.abs(here - at).sum(axis=1).min())
    return _Found(x, plan, group, answer.status, distance, max(distance, -answer.bound))


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


def _with_distances(x: np.ndarray, figures: list[tuple[Figure, float]], at: np.ndarray) -> np.ndarray:
    """Column values of a known plan in the space with distances."""
    here = np.array([figure.of(x) for figure, _ in figures])
    distances = np.abs(here - at)
    return np.concatenate([x, distances.ravel(), (here >= at).ravel(), [distances.sum(axis=1).min()]])


# Ranges


def _ranges(search: _Search, groups: Sequence[str], pool: list[np.ndarray]) -> pd.DataFrame:
    rows = [row for group in groups for row in _of_group(search, group, pool)]
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS))


def _of_group(search: _Search, group: str, pool: list[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Least and most MW of every member; plans found on the way are added to the pool."""
    for name, (figure, most) in search.groups(group).items():
        low, low_bound, low_status = _extreme(search, figure, 0.0, pool, f"least of {name}")
        high, high_bound, high_status = _extreme(search, figure.negative(), -most, pool, f"most of {name}")
        yield {
            "group": group,
            "name": name,
            "best_mw": figure.of(pool[0]),
            "least_mw": low,
            "least_bound_mw": low_bound,
            "least_status": low_status,
            "most_mw": 0.0 - high,
            "most_bound_mw": 0.0 - high_bound,
            "most_status": high_status,
        }


def _extreme(
    search: _Search, figure: Figure, floor: float, pool: list[np.ndarray], stage: str
) -> tuple[float, float, str]:
    """Least of a figure over near-optimal plans: value of a checked plan, bound, status; ``floor`` is the least by
    data."""
    start = min(pool, key=figure.of)
    if figure.of(start) <= floor + SAME_MW:
        return floor, floor, "optimal"
    answer = least(search.near, figure, search.options, start, named(search.progress, stage))
    assert answer.x is not None
    x, _ = search.plan(answer.x)
    pool.append(x)
    value = min(figure.of(x), figure.of(start))
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
        {"group": group, "name": member} | {name: figure.of(one.x) for name, one in found.items()}
        for group in GROUPS
        for member, (figure, _) in search.groups(group).items()
    ]
    return pd.DataFrame(rows, columns=["group", "name", *found])
