"""Regret: what each scenario's plan would cost if another scenario came true, its first-stage funding made already.

First-stage funding is what has to be ordered by the commitment year: blocks whose year of service less the lead time
is no later. It is fixed as the plan has it, what it does not fund included; all else is decided anew once the
scenario is known.

    regret(plan, scenario) = least cost in the scenario with the plan's first stage - least cost in the scenario

Both costs are known within their gaps, so a regret is known within limits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.check import CheckError
from optimizer.cluster import LOCAL, ClusterError, Scheduler, cluster, instance_at, source_of, standing
from optimizer.instance import Instance, read_instance
from optimizer.model.data import Data
from optimizer.overrides import apply_overrides
from optimizer.periods import planning_years
from optimizer.plan import Plan, PlanError, is_run, read_plan
from optimizer.problems import InstanceError
from optimizer.results import rows_of
from optimizer.solve import Infeasible, SolveError
from optimizer.sweep import (
    WORDS,
    Progress,
    Settings,
    SweepError,
    Variant,
    refuse_hopeless,
    results,
    sweep,
)
from optimizer.variants import check_names
from optimizer.whatif.space import Space, least, read, settled, usd

#: A resource and a year of service that belong to the first stage.
Stage = tuple[tuple[str, int], ...]

COLUMNS = (
    "plan", "scenario", "status", "cost_usd", "bound_usd", "gap", "best_usd", "best_bound_usd", "regret_usd",
    "regret_least_usd", "regret_most_usd", "run_dir", "message",
)  # fmt: skip
RESULTS = "regret.csv"
RECORD = "first_stage"


def regret_table(
    instance: str | Path | Instance,
    scenarios: Sequence[Variant],
    folder: str | Path,
    *,
    committed_by: int | None = None,
    settings: Settings | None = None,
    workers: int = 2,
    scheduler: str | Scheduler | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Cost and regret of each scenario's plan under each scenario.

    Parameters
    ----------
    instance
        Folder of the instance, or an instance in memory.
    scenarios
        From `read_scenarios`; at least two.
    folder
        Where the runs are kept: ``PLAN`` solved for its own scenario, ``PLAN-under-SCENARIO``. Started again, complete
        ones are not solved anew.
    committed_by
        Calendar year by which the first stage is ordered, from the base year (None) to the last planning year. Lead
        times are the instance's.
    settings, workers, scheduler, progress
        As in `sweep`.

    Returns
    -------
    DataFrame
        One row by plan and scenario: plan, scenario, status; cost_usd in the scenario with the plan's first stage,
        bound_usd (it cannot be met for less), gap; best_usd, the least cost known in the scenario, and
        best_bound_usd, below which none can be; regret_usd = cost - best, and its limits regret_least_usd and
        regret_most_usd; run_dir, message. Also written to ``folder/regret.csv``. `regret_matrix` sets it out by plan.

    Raises
    ------
    SweepError
        If there are fewer than two scenarios, two of one name, or no orders are made in the year.
    """
    if len(scenarios) < 2:
        raise SweepError("regret needs at least two scenarios")
    names = {scenario.name for scenario in scenarios}
    twice = sorted(names & {f"{plan}-under-{scenario}" for plan in names for scenario in names})
    if twice:
        raise SweepError(f"scenario {twice[0]} has the name of another's run: call it something else")
    target, chosen = Path(folder).absolute(), settings or Settings()
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    stage = first_stage(case, commitment_year(case, committed_by))
    check_names(scenarios)
    refuse_hopeless(case, scenarios)  # before a cluster is started for nothing
    with standing(workers, scheduler or LOCAL) as address:
        own = sweep(
            instance, scenarios, target, settings=chosen, workers=workers, scheduler=address, progress=progress
        ).set_index("name")
        source, content = source_of(instance, target)
        jobs = [
            (source, content, plan, scenario, own.loc[scenario.name].to_dict(), stage, str(target), chosen)
            for plan in scenarios
            for scenario in scenarios
            if plan is not scenario and _has_plan(own, plan.name) and _has_plan(own, scenario.name)
        ]
        rows = {(name, name): _own_row(name, own.loc[name].to_dict()) for name in own.index}
        with cluster(workers, address) as client:
            for job, found in results(client, solve_under, jobs, workers):
                key = job[2].name, job[3].name
                rows[key] = found if isinstance(found, dict) else _row(*key, found.status, message=found.message)
                if progress:
                    progress(len(rows) - len(own), len(jobs), {"name": " under ".join(key), **_told(rows[key])})
    table = _with_regret(rows, [scenario.name for scenario in scenarios], own)
    table.to_csv(target / RESULTS, index=False, lineterminator="\n")
    return table


def commitment_year(instance: Instance, asked: int | None) -> int:
    """Calendar year by which the first stage is ordered; the base year if none is asked for.

    Raises
    ------
    SweepError
        If it is before the base year, when nothing is ordered yet, or after the last planning year, when all is.
    """
    first, last = instance.manifest.base_year, planning_years(instance.manifest)[-1]
    if asked is not None and not first <= asked <= last:
        years = f"{first} (the base year) to {last} (the last planning year)"
        raise SweepError(f"committed by {asked}: {instance.manifest.name} orders from {years}; say a year among these")
    return first if asked is None else asked


def first_stage(instance: Instance, committed_by: int) -> Stage:
    """Resources and years of service that have to be ordered by a calendar year."""
    chosen = []
    for resource in Data.of(instance).resources.values():
        if resource.option is None:
            continue
        lead = resource.option.lead_time_years
        lead = resource.technology.lead_time_years if lead is None else lead
        chosen += [(resource.name, year) for year in resource.service_years if year - lead <= committed_by]
    return tuple(chosen)


def regret_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Regret by plan (rows) and scenario (columns), US$; ``largest_usd`` and ``mean_usd`` over scenarios, least first.

    A plan that cannot go on in a scenario has no regret there (NaN) and an infinite largest and mean. Scenarios
    without a plan of their own are left out: nothing could be regretted there.
    """
    own = table[(table["plan"] == table["scenario"]) & table["cost_usd"].notna()]["plan"].tolist()
    matrix = table.pivot(index="plan", columns="scenario", values="regret_usd").reindex(index=own, columns=own)
    known = matrix.fillna(np.inf)
    matrix = matrix.assign(largest_usd=known.max(axis=1), mean_usd=known.mean(axis=1))
    return matrix.sort_values("largest_usd").rename_axis(columns=None).reset_index()


# One plan under one scenario


def solve_under(
    source: str,
    content: str,
    plan: Variant,
    scenario: Variant,
    own: Mapping[str, Any],
    stage: Stage,
    folder: str,
    settings: Settings,
) -> dict[str, Any]:
    """Solve a scenario with the first stage of another's plan; a failure is a row, not an error."""
    key, target = (plan.name, scenario.name), Path(folder) / f"{plan.name}-under-{scenario.name}"
    try:
        first = read_plan(Path(folder) / plan.name)
        instance = apply_overrides(instance_at(source, content), list(scenario.overrides))
        asked = _asked(first, stage, settings)
        known = _known(target, instance, asked)
        if known is None:
            known = _solved(first, instance, stage, float(own["bound_usd"]), settings, asked)
            known.save(target, overwrite=True)
        record = known.manifest[RECORD]
        return _row(
            *key,
            record["status"],
            cost_usd=known.objective_usd,
            bound_usd=record["bound_usd"],
            gap=highs.relative_gap(known.objective_usd, record["bound_usd"]),
            run_dir=str(target),
        )
    except InstanceError as error:
        return _row(*key, "bad data", message=str(error))
    except (SolveError, CheckError, PlanError, ClusterError, OSError) as error:
        return _row(*key, WORDS.get(type(error).__name__, "failed"), message=str(error))


def _asked(first: Plan, stage: Stage, settings: Settings) -> dict[str, Any]:
    """What makes a run the one that is wanted."""
    return {
        "allocation": first.manifest["table_hashes"]["allocation.csv"],
        "stage": [list(key) for key in stage],
        "gap": settings.gap,
        "time_limit": settings.time_limit,
    }


def _known(target: Path, instance: Instance, asked: Mapping[str, Any]) -> Plan | None:
    """The run that is complete already; None if there is none for just this."""
    if not is_run(target):
        return None
    known = read_plan(target)
    record = known.manifest.get(RECORD, {})
    same = known.instance.content_hash == instance.content_hash
    return known if same and all(record.get(name) == value for name, value in asked.items()) else None


def _solved(
    first: Plan, instance: Instance, stage: Stage, bound_usd: float, settings: Settings, asked: Mapping[str, Any]
) -> Plan:
    space = _committed(Space.of(instance), first, set(stage))
    options = highs.Options(settings.gap, settings.time_limit, threads=1)
    answer = least(space, space.cost, options)
    assert answer.x is not None
    x = settled(space, answer.x, options)
    plan = read(space, instance, x, min(bound_usd / 1e6, answer.bound), settings.gap, 1, answer.status)
    bound = min(usd(answer.bound), plan.objective_usd)
    gap = highs.relative_gap(plan.objective_usd, bound)
    status = "within gap" if answer.status == "optimal" and gap > highs.CLOSED_GAP else answer.status
    record = {**asked, "bound_usd": bound, "status": status}
    return dataclasses.replace(plan, manifest={**plan.manifest, RECORD: record})


def _committed(space: Space, first: Plan, stage: set[tuple[str, int]]) -> Space:
    """The scenario's plans that have the first stage of another plan.

    Raises
    ------
    Infeasible
        If the scenario does not allow what that plan funds.
    """
    funded = {
        (f"{row.option} [{row.funding_mode}]", int(row.year)): (float(row.blocks), float(row.energy_blocks))
        for row in rows_of(first.allocation)
    }
    matrix = space.matrix
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    for part, name in enumerate(("build", "build_energy")):
        columns = dict(zip(matrix.keys.get(name, []), matrix.names.get(name, ()), strict=True))
        for key in stage:
            blocks = funded.get(key, (0.0, 0.0))[part]
            if key not in columns and (blocks == 0 or part == 1):
                continue
            if key not in columns or blocks > upper[columns[key]] * (1 + 1e-9):
                what = f"{blocks:g} blocks of {key[0]} for {key[1]}"
                raise Infeasible(f"the plan funds {what}: the scenario allows fewer")
            lower[columns[key]] = upper[columns[key]] = blocks
    return dataclasses.replace(space, matrix=dataclasses.replace(matrix, lower=lower, upper=upper))


# The table


def _row(plan: str, scenario: str, status: str, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {"message": ""} | values | {"plan": plan, "scenario": scenario, "status": status}


def _own_row(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A plan under its own scenario is the plan as it was solved."""
    kept = {column: own[column] for column in ("bound_usd", "gap", "run_dir", "message")}
    return _row(name, name, str(own["status"]), cost_usd=own["objective_usd"], **kept)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the progress of a sweep looks at."""
    return {"objective_usd": row["cost_usd"], "status": row["status"], "message": row["message"]}


def _with_regret(
    rows: Mapping[tuple[str, str], Mapping[str, Any]], names: Sequence[str], own: pd.DataFrame
) -> pd.DataFrame:
    """All pairs in order; those that could not be tried say why."""
    missing = "no plan for one of the two scenarios"
    table = pd.DataFrame(
        [rows.get((p, s)) or _row(p, s, str(_without_plan(own, p, s)), message=missing) for p in names for s in names],
        columns=list(COLUMNS),
    )
    figures = [name for name in COLUMNS if name.endswith("_usd")]
    table = table.astype(dict.fromkeys([*figures, "gap"], float))
    best = table.groupby("scenario")["cost_usd"].transform("min")
    floor = table["scenario"].map(own["bound_usd"].astype(float))
    return table.assign(
        best_usd=best,
        best_bound_usd=floor,
        regret_usd=table["cost_usd"] - best,
        regret_least_usd=(table["bound_usd"] - best).clip(lower=0.0),
        regret_most_usd=(table["cost_usd"] - floor).clip(lower=0.0),
    )


def _has_plan(own: pd.DataFrame, name: str) -> bool:
    return own["run_dir"].notna().to_dict().get(name, False)


def _without_plan(own: pd.DataFrame, plan: str, scenario: str) -> object:
    """Status of the one of two scenarios that has no plan."""
    return own.loc[scenario if _has_plan(own, plan) else plan, "status"]
