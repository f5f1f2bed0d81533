r"""Two-stage plans: solved, read future by future, and set against knowing better and against looking at averages.

With measure(c) = (1 - beta) sum_w p_w c_w + beta CVaR_alpha(c) of the costs c_w of the futures, and

    RP   the least measure of plans with common orders
    WS   the measure when every future is planned for alone: as if it were known
    EEV  the least measure with the orders of the plan for the mean of the futures

the value of perfect information is RP - WS and the value of the stochastic solution EEV - RP (Birge and Louveaux,
Introduction to Stochastic Programming, 2011, section 4). Each is known within the limits that the gaps leave.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.cluster import Scheduler, standing
from optimizer.decisions import investments
from optimizer.instance import Instance, read_instance
from optimizer.model.data import MILLION, Data
from optimizer.overrides import apply_overrides
from optimizer.plan import Plan
from optimizer.problems import InstanceError
from optimizer.results import rows_of
from optimizer.solve import Infeasible, Method, SolverFailure, refuse_one_matrix_on_cluster, solve
from optimizer.sweep import SweepError, Variant
from optimizer.uncertainty.mean import mean_instance
from optimizer.uncertainty.problem import Asked, Least, Problem, problem
from optimizer.uncertainty.stack import service_year
from optimizer.whatif.regret import commitment_year
from optimizer.whatif.space import Space, usd

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


@highs.ending_all()
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
    workers: int | None = None,
    scheduler: str | Scheduler | None = None,
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
        From the base year (None) to the last planning year. Where a future's lead time is longer, an order enters
        service, and is paid for, that much later; one that would come after the last year is not made.
    beta, alpha
        Part of the aim that is CVaR, 0 to 1, and its level, 0 to below 1.
    rates_probability
        Probability with which rates hold in all classes and years; 1 for in every future. The futures in which they
        need not are chosen to cost least: every largest set that the probability allows is tried.
    gap, time_limit, threads, method, workers, scheduler
        As in `solve`, for every search; by blocks, every future adds its own to those solved side by side.

    Raises
    ------
    SweepError
        If scenarios, weights, shares or the year cannot be used.
    InstanceError
        If a scenario cannot be applied.
    SolveError
        If there is no plan, of a future alone or of all.
    """
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    weights = _weights(scenarios)
    refuse_one_matrix_on_cluster(method, scheduler)
    _refuse_shares(beta, alpha, rates_probability)
    year = commitment_year(case, committed_by)
    options = highs.Options(gap, time_limit, threads)
    asked = Asked(options, method, scheduler, workers, beta, alpha, year)
    futures = {scenario.name: _future(case, scenario) for scenario in scenarios}
    bound = np.inf
    with standing(asked.side_by_side, scheduler) as address, _Best() as best:
        asked = dataclasses.replace(asked, scheduler=address)
        for lifted in _sets(list(futures), weights, rates_probability):
            instances = [apply_overrides(f, [LIFTED]) if name in lifted else f for name, f in futures.items()]
            try:
                bound = min(bound, best.offered(problem(instances, weights, case, asked)))
            except Infeasible:
                raise _infeasible(dict(zip(futures, instances, strict=True)), asked) from None
        return _read(case, list(futures), weights, best, bound, asked)


class _Best:
    """Of the problems offered, the one with the least; the others are closed."""

    problem: Problem
    least: Least

    def __enter__(self) -> _Best:
        self._open = contextlib.ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def offered(self, offer: contextlib.AbstractContextManager[Problem]) -> float:
        """Bound of the problem offered, M$."""
        with contextlib.ExitStack() as opened:
            found = opened.enter_context(offer)
            least = found.least(found.stack.matrix)
            if not hasattr(self, "least") or least.answer.objective < self.least.answer.objective:
                self._open.close()
                self.problem, self.least, self._open = found, least, opened.pop_all()
        return least.answer.bound


def _future(case: Instance, scenario: Variant) -> Instance:
    """The instance of a scenario; what is wrong with it is told by its name."""
    try:
        return apply_overrides(case, list(scenario.overrides))
    except InstanceError as error:
        where = f"scenario {scenario.name}"
        raise InstanceError([dataclasses.replace(p, file=f"{where}, {p.file}") for p in error.problems]) from None


def _infeasible(futures: Mapping[str, Instance], asked: Asked) -> Infeasible:
    """Which future has no plan even alone; if none is such, it is the common orders that leave one without."""
    for name, future in futures.items():
        try:
            _alone(future, dataclasses.replace(asked, options=dataclasses.replace(asked.options, gap=1.0)))
        except Infeasible:
            fix = f"'optimizer explain INSTANCE --scenarios FILE --scenario {name}' says why"
            return Infeasible(f"scenario {name} has no plan that meets all its limits, even alone: {fix}")
    fix = "commit by an earlier year, or leave room in the limits of the scenarios"
    return Infeasible(f"every scenario has a plan, but not with the same orders by {asked.committed_by}: {fix}")


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
    case: Instance, names: Sequence[str], weights: np.ndarray, best: _Best, bound: float, asked: Asked
) -> TwoStage:
    spaces = best.problem.spaces
    alone = [_alone(space.instance, asked) for space in spaces]
    found = best.problem.plans(best.least, [plan.bound_usd / MILLION for plan in alone])
    plans = dict(zip(names, found, strict=True))
    costs = np.array([plan.objective_usd for plan in found])
    scenarios = pd.DataFrame(
        {
            "scenario": list(names),
            "weight": weights,
            "cost_usd": costs,
            "alone_usd": [min(plan.objective_usd, cost) for plan, cost in zip(alone, costs, strict=True)],
            "alone_bound_usd": [plan.bound_usd for plan in alone],
            "rates_held": [space.instance.manifest.rates.enforce for space in spaces],
        }
    )
    total = measure(costs, weights, asked.beta, asked.alpha)
    limits = min(usd(bound), total), total
    return TwoStage(
        summary=_summary(scenarios, limits, _averaged(best, weights, asked), asked),
        scenarios=scenarios,
        orders=_orders(best),
        funding=pd.concat(
            [plan.allocation.assign(scenario=name) for name, plan in plans.items()], ignore_index=True
        ).pipe(lambda table: table[["scenario", *(c for c in table.columns if c != "scenario")]]),
        plans=_agreeing(plans, best, Data.of(case)),
        gap=highs.relative_gap(limits[1], limits[0]),
    )


def _alone(instance: Instance, asked: Asked) -> Plan:
    """The plan of a future, or of the mean of all, as if it were known."""
    options = asked.options
    return solve(
        instance, gap=options.gap, time_limit=options.time_limit, threads=options.threads, method=asked.method,
        workers=asked.workers, scheduler=asked.scheduler,
    )  # fmt: skip


def _averaged(best: _Best, weights: np.ndarray, asked: Asked) -> tuple[float, float]:
    """Bound and cost, US$, of the futures with the orders of the plan for their mean; infinite if one cannot go on."""
    values = investments(_alone(mean_instance([space.instance for space in best.problem.spaces], weights), asked))
    stacked = best.problem.stack
    ordered = {order: float(values[order[0]].get(order[1:], 0.0)) for order in stacked.orders}
    try:
        answer = best.problem.least(stacked.with_orders(ordered)).answer
    except Infeasible:
        return np.inf, np.inf
    return usd(answer.bound), usd(answer.objective)


def _summary(
    scenarios: pd.DataFrame, limits: tuple[float, float], averaged: tuple[float, float], asked: Asked
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


def _orders(best: _Best) -> pd.DataFrame:
    """Common orders that are made, both parts of one beside each other."""
    blocks = best.problem.stack.ordered(best.least.x)
    keys = dict.fromkeys(order[1:] for order, count in blocks.items() if abs(count) > 1e-6)
    rows = [
        (*_named(name), year, blocks.get(("build", name, year), 0.0), blocks.get(("build_energy", name, year), 0.0))
        for name, year in keys
    ]
    return pd.DataFrame(rows, columns=["option", "funding_mode", "year", "blocks", "energy_blocks"])


def _named(resource: str) -> tuple[str, str]:
    option, mode = resource.removesuffix("]").rsplit(" [", 1)
    return option, mode


def _agreeing(plans: dict[str, Plan], best: _Best, base: Data) -> dict[str, Plan]:
    """The plans, after their tables were seen to hold all that is ordered in common.

    Raises
    ------
    SolverFailure
        If one has fewer blocks in service than were ordered for it.
    """
    for (name, plan), space in zip(plans.items(), best.problem.spaces, strict=True):
        has = {
            (f"{row.option} [{row.funding_mode}]", int(row.year)): float(row.blocks) for row in rows_of(plan.allocation)
        }
        for resource, year, blocks in _due(best, space, base):
            if has.get((resource, year), 0.0) < blocks - 1e-4 * max(1.0, blocks):
                raise SolverFailure(f"scenario {name}: {resource}, {year}: fewer blocks than ordered in common")
    return plans


def _due(best: _Best, space: Space, base: Data) -> Iterator[tuple[str, int, float]]:
    """Blocks that are ordered in common, by the year of a future in which they enter service."""
    due: dict[tuple[str, int], float] = {}
    for order, blocks in best.problem.stack.ordered(best.least.x).items():
        year = service_year(space, base, order)
        if order[0] == "build" and year is not None:
            due[order[1], year] = due.get((order[1], year), 0.0) + blocks
    yield from ((resource, year, blocks) for (resource, year), blocks in due.items())
