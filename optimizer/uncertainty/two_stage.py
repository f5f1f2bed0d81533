r"""Two-stage plans: solved, read future by future, and set against knowing better and against looking at averages.

With measure(c) = (1 - beta) sum_w p_w c_w + beta CVaR_alpha(c) of the costs c_w of the futures, and

    RP   the least measure of plans with common orders
    WS   the measure when every future is planned for alone: as if it were known
    EEV  the least measure with the orders of the plan for the mean of the futures

the value of perfect information is RP - WS and the value of the stochastic solution EEV - RP (Birge and Louveaux,
Introduction to Stochastic Programming, 2011, section 4). Each is known within the limits that the gaps leave.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer import benders, highs
from optimizer.instance import Instance, read_instance
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix
from optimizer.overrides import apply_overrides
from optimizer.plan import Plan
from optimizer.results import rows_of
from optimizer.solve import COLUMNS, GAP, Infeasible, Method, SolverFailure, refuse_no_answer
from optimizer.sweep import SweepError, Variant
from optimizer.uncertainty.mean import mean_instance
from optimizer.uncertainty.stack import Order, Stack, service_year, stack
from optimizer.whatif.space import FUNDING, Space, least_cost, read, usd

#: More sets of futures than this are not tried when rates may fail in some.
SETS = 64
LIFTED = "rates.enforce=false"


@dataclass(frozen=True)
class TwoStage:
    """A two-stage plan.

    Attributes
    ----------
    summary
        figure, usd and the limits least_usd and most_usd (present values): ``objective``, ``expected cost``, ``CVaR``,
        ``value of perfect information``, ``value of the stochastic solution``.
    scenarios
        Each future: scenario, weight, cost_usd, alone_usd and alone_bound_usd (planned for alone, and what no plan of
        it is below), rates_held.
    orders
        What is ordered in common: option, funding_mode, year (of service where nothing slips), blocks, energy_blocks.
    funding
        What each future has: scenario, and the columns of the allocation.
    plans
        The checked plan of each future.
    gap
        Relative gap of the objective.
    """

    summary: pd.DataFrame
    scenarios: pd.DataFrame
    orders: pd.DataFrame
    funding: pd.DataFrame
    plans: Mapping[str, Plan]
    gap: float

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write each future's run to ``folder/SCENARIO`` and the tables beside them."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, plan in self.plans.items():
            plan.save(target / name, overwrite=overwrite)
        for name in ("summary", "scenarios", "orders", "funding"):
            draft = target / f".{name}.csv.draft"
            getattr(self, name).to_csv(draft, index=False, lineterminator="\n")
            draft.replace(target / f"{name}.csv")


@dataclass(frozen=True)
class _Asked:
    """What every solve is told."""

    options: highs.Options
    method: Method
    beta: float
    alpha: float
    committed_by: int


def two_stage(
    instance: str | Path | Instance,
    scenarios: Sequence[Variant],
    *,
    committed_by: int | None = None,
    beta: float = 0.0,
    alpha: float = 0.9,
    rates_probability: float = 1.0,
    gap: float = 0.005,
    time_limit: float | None = None,
    threads: int | None = None,
    method: Method = "auto",
) -> TwoStage:
    """Plan for several futures at once.

    Parameters
    ----------
    instance
        An instance or its folder.
    scenarios
        From `read_scenarios`: at least two, their weights probabilities that sum to 1, or none has a weight and all
        are equally likely.
    committed_by
        Calendar year by which common orders are made: those whose year of service less the lead time is no later.
        None for the base year. Where a future's lead time is longer, an order enters service, and is paid for, that
        much later; one that would come after the last year is not made.
    beta, alpha
        Part of the aim that is CVaR, 0 to 1, and its level, 0 to below 1.
    rates_probability
        Probability with which rates hold in all classes and years; 1 for in every future. The futures in which they
        need not are chosen to cost least: every largest set that the probability allows is tried.
    gap, time_limit, threads, method
        As in `solve`, for every search.

    Raises
    ------
    SweepError
        If scenarios, weights or shares cannot be used.
    InstanceError
        If a scenario cannot be applied.
    SolveError
        If there is no plan, of a future alone or of all.
    """
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    weights = _weights(scenarios)
    _refuse_shares(beta, alpha, rates_probability)
    year = case.manifest.base_year if committed_by is None else committed_by
    asked = _Asked(highs.Options(gap, time_limit, threads), method, beta, alpha, year)
    futures = {scenario.name: apply_overrides(case, list(scenario.overrides)) for scenario in scenarios}
    best: tuple[_Found, list[Space]] | None = None
    bound, known = np.inf, dict[tuple[str, bool], Space]()
    for lifted in _sets(list(futures), weights, rates_probability):
        spaces = [_space(futures[name], name in lifted, known) for name in futures]
        found = _least(spaces, weights, Data.of(case), asked)
        bound = min(bound, found.answer.bound)
        if best is None or found.answer.objective < best[0].answer.objective:
            best = found, spaces
    assert best is not None
    return _read(case, list(futures), weights, best[1], best[0], bound, asked)


def _weights(scenarios: Sequence[Variant]) -> np.ndarray:
    if len(scenarios) < 2:
        raise SweepError("a plan for several futures needs at least two scenarios")
    names = [scenario.name for scenario in scenarios]
    if len(set(names)) < len(names):
        raise SweepError("two scenarios have the same name")
    given = [scenario.weight for scenario in scenarios]
    if all(weight is None for weight in given):
        return np.full(len(given), 1 / len(given))
    if any(weight is None for weight in given):
        missing = ", ".join(s.name for s in scenarios if s.weight is None)
        raise SweepError(f"say weight = ... for every scenario or for none: {missing} has none")
    total = sum(weight for weight in given if weight is not None)
    if abs(total - 1) > 1e-6:
        raise SweepError(f"the weights of the scenarios are probabilities and must sum to 1: they sum to {total:g}")
    return np.array(given, float)


def _refuse_shares(beta: float, alpha: float, probability: float) -> None:
    if not 0 <= beta <= 1:
        raise SweepError(f"beta is a share from 0 to 1, not {beta:g}")
    if not 0 <= alpha < 1:
        raise SweepError(f"alpha is a level from 0 to below 1, not {alpha:g}")
    if not 0 <= probability <= 1:
        raise SweepError(f"the probability that rates hold is from 0 to 1, not {probability:g}")


def _sets(names: Sequence[str], weights: np.ndarray, probability: float) -> list[frozenset[str]]:
    """The largest sets of futures whose rates need not hold."""
    weight = dict(zip(names, weights, strict=True))
    allowed = [
        frozenset(chosen)
        for count in range(len(names) + 1)
        for chosen in itertools.islice(itertools.combinations(names, count), 10 * SETS)
        if sum(weight[name] for name in chosen) <= 1 - probability + 1e-9
    ]
    largest = [one for one in allowed if not any(one < other for other in allowed)]
    if len(largest) > SETS:
        raise SweepError(f"more than {SETS} sets of futures could be left out of the rates: use fewer scenarios")
    return largest


def _space(future: Instance, lifted: bool, known: dict[tuple[str, bool], Space]) -> Space:
    key = future.content_hash, lifted
    if key not in known:
        known[key] = Space.of(apply_overrides(future, [LIFTED]) if lifted else future)
    return known[key]


# The search


@dataclass(frozen=True)
class _Found:
    stack: Stack
    answer: highs.Answer
    x: np.ndarray


def _least(spaces: Sequence[Space], weights: np.ndarray, base: Data, asked: _Asked) -> _Found:
    joined = stack(spaces, weights, base, asked.committed_by, asked.beta, asked.alpha)
    answer = _answer(joined.matrix, asked)
    assert answer.x is not None
    return _Found(joined, answer, answer.x)


def _answer(matrix: Matrix, asked: _Asked) -> highs.Answer:
    """The least of a matrix, by blocks where that pays."""
    large = matrix.a.shape[1] >= COLUMNS and asked.options.gap >= GAP
    interrupt = highs.Interrupt()
    if matrix.integer.any() and (asked.method == "benders" or (asked.method == "auto" and large)):
        try:
            workers = asked.options.threads or os.cpu_count() or 1
            answer = benders.search(matrix, benders.split(matrix), asked.options, interrupt, workers=workers)
        except benders.BlockError:
            answer = None
        if answer is not None and answer.x is not None:
            return answer
    answer = highs.run(highs.hand_off(matrix, asked.options), matrix, interrupt)
    refuse_no_answer(answer)
    return highs.fix_and_polish(matrix, answer, asked.options)


def measure(costs: np.ndarray, weights: np.ndarray, beta: float, alpha: float) -> float:
    """(1 - beta) expected cost + beta CVaR_alpha.

    >>> measure(np.array([100.0, 200.0]), np.array([0.9, 0.1]), 0.5, 0.9)
    155.0
    """
    return float((1 - beta) * weights @ costs + beta * conditional_value_at_risk(costs, weights, alpha))


def conditional_value_at_risk(costs: np.ndarray, weights: np.ndarray, alpha: float) -> float:
    """Mean of the worst 1 - alpha of costs; a future at the edge counts in part.

    >>> conditional_value_at_risk(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25]), 0.5)
    3.0
    """
    order = np.argsort(-costs)
    counted = np.diff(np.minimum(np.cumsum(weights[order]), 1 - alpha), prepend=0.0)
    return float(counted @ costs[order] / (1 - alpha))


# What came of it


def _read(
    case: Instance,
    names: Sequence[str],
    weights: np.ndarray,
    spaces: Sequence[Space],
    found: _Found,
    bound: float,
    asked: _Asked,
) -> TwoStage:
    alone = [least_cost(space, asked.options) for space in spaces]
    plans = {}
    for at, (name, space) in enumerate(zip(names, spaces, strict=True)):
        x = found.stack.part(found.x, at)
        options = asked.options
        plans[name] = read(space, space.instance, x, alone[at].bound, options.gap, options.threads, found.answer.status)
    costs = np.array([plan.objective_usd for plan in plans.values()])
    scenarios = pd.DataFrame(
        {
            "scenario": list(names),
            "weight": weights,
            "cost_usd": costs,
            "alone_usd": [min(usd(answer.objective), cost) for answer, cost in zip(alone, costs, strict=True)],
            "alone_bound_usd": [usd(answer.bound) for answer in alone],
            "rates_held": [space.instance.manifest.rates.enforce for space in spaces],
        }
    )
    total = measure(costs, weights, asked.beta, asked.alpha)
    limits = min(usd(bound), total), total
    return TwoStage(
        summary=_summary(scenarios, limits, _averaged(case, spaces, weights, found, asked), asked),
        scenarios=scenarios,
        orders=_orders(found),
        funding=pd.concat(
            [plan.allocation.assign(scenario=name) for name, plan in plans.items()], ignore_index=True
        ).pipe(lambda table: table[["scenario", *(c for c in table.columns if c != "scenario")]]),
        plans=_agreeing(plans, found, spaces, Data.of(case)),
        gap=highs.relative_gap(limits[1], limits[0]),
    )


def _averaged(
    case: Instance, spaces: Sequence[Space], weights: np.ndarray, found: _Found, asked: _Asked
) -> tuple[float, float]:
    """Bound and cost, US$, of the futures with the orders of the plan for their mean; infinite if one cannot go on."""
    mean = Space.of(mean_instance([space.instance for space in spaces], weights))
    x = least_cost(mean, asked.options).x
    assert x is not None
    values: dict[Order, float] = {}
    for part in FUNDING:
        columns = zip(mean.matrix.keys.get(part, []), mean.matrix.names.get(part, ()), strict=True)
        values |= {(part, *key): float(x[column]) for key, column in columns}
    whole = found.stack.matrix.integer[found.stack.starts[-1] :]
    ordered = {
        order: float(np.round(values.get(order, 0.0))) if whole[at] else values.get(order, 0.0)
        for at, order in enumerate(found.stack.orders)
    }
    try:
        answer = _answer(found.stack.with_orders(ordered), asked)
    except Infeasible:
        return np.inf, np.inf
    return usd(answer.bound), usd(answer.objective)


def _summary(
    scenarios: pd.DataFrame, limits: tuple[float, float], averaged: tuple[float, float], asked: _Asked
) -> pd.DataFrame:
    least, most = limits
    weights = scenarios["weight"].to_numpy()

    def of(column: str) -> float:
        return measure(scenarios[column].to_numpy(), weights, asked.beta, asked.alpha)

    expected = float(weights @ scenarios["cost_usd"])
    tail = conditional_value_at_risk(scenarios["cost_usd"].to_numpy(), weights, asked.alpha)
    rows = [
        ("objective", most, least, most),
        ("expected cost", expected, np.nan, np.nan),
        ("CVaR", tail, np.nan, np.nan),
        ("value of perfect information", most - of("alone_usd"), least - of("alone_usd"), most - of("alone_bound_usd")),
        ("value of the stochastic solution", averaged[1] - most, averaged[0] - most, averaged[1] - least),
    ]
    table = pd.DataFrame(rows, columns=["figure", "usd", "least_usd", "most_usd"])
    values = table["figure"].str.startswith("value")
    table.loc[values, ["usd", "least_usd"]] = table.loc[values, ["usd", "least_usd"]].clip(lower=0.0)
    return table


def _orders(found: _Found) -> pd.DataFrame:
    """Common orders that are made, both parts of one beside each other."""
    blocks = found.stack.ordered(found.x)
    keys = dict.fromkeys(order[1:] for order, count in blocks.items() if abs(count) > 1e-6)
    rows = [
        (*_named(name), year, blocks.get(("build", name, year), 0.0), blocks.get(("build_energy", name, year), 0.0))
        for name, year in keys
    ]
    return pd.DataFrame(rows, columns=["option", "funding_mode", "year", "blocks", "energy_blocks"])


def _named(resource: str) -> tuple[str, str]:
    option, mode = resource.removesuffix("]").rsplit(" [", 1)
    return option, mode


def _agreeing(plans: dict[str, Plan], found: _Found, spaces: Sequence[Space], base: Data) -> dict[str, Plan]:
    """The plans, after their tables were seen to hold all that is ordered in common.

    Raises
    ------
    SolverFailure
        If one has fewer blocks in service than were ordered for it.
    """
    for (name, plan), space in zip(plans.items(), spaces, strict=True):
        has = {
            (f"{row.option} [{row.funding_mode}]", int(row.year)): float(row.blocks) for row in rows_of(plan.allocation)
        }
        for resource, year, blocks in _due(found, space, base):
            if has.get((resource, year), 0.0) < blocks - 1e-4 * max(1.0, blocks):
                raise SolverFailure(f"scenario {name}: {resource}, {year}: fewer blocks than ordered in common")
    return plans


def _due(found: _Found, space: Space, base: Data) -> Iterator[tuple[str, int, float]]:
    """Blocks that are ordered in common, by the year of a future in which they enter service."""
    due: dict[tuple[str, int], float] = {}
    for order, blocks in found.stack.ordered(found.x).items():
        year = service_year(space, base, order)
        if order[0] == "build" and year is not None:
            due[order[1], year] = due.get((order[1], year), 0.0) + blocks
    yield from ((resource, year, blocks) for (resource, year), blocks in due.items())
