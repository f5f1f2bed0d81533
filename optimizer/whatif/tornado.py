"""Tornado: how far each driver alone moves the cost, from its low to its high value.

Drivers are the rows of ``drivers.csv``. Every case is solved anew: its funding adapts. Costs are known within their
gaps, so a change is known within limits:

    least = bound of the case - cost of the base;   most = cost of the case - bound of the base
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.cluster import Scheduler
from optimizer.instance import Instance, read_instance
from optimizer.overrides import apply_overrides
from optimizer.problems import InstanceError, Problem, number
from optimizer.schema import TABLES, Driver
from optimizer.sweep import Progress, Settings, Variant, sweep

BASE = "base"
ENDS = ("low", "high")


def tornado_table(
    instance: str | Path | Instance,
    folder: str | Path | None = None,
    *,
    settings: Settings | None = None,
    workers: int = 2,
    scheduler: str | Scheduler | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Cost at the low and the high value of each driver of an instance, the widest swing first.

    Parameters
    ----------
    instance
        Folder of an instance with ``drivers.csv``, or an instance in memory.
    folder
        Where the runs are kept, so that an interrupted table goes on where it stopped; None keeps none.
    settings, workers, scheduler, progress
        As in `sweep`.

    Returns
    -------
    DataFrame
        One row a driver: driver, unit, change, low, high, base_usd; for both ends END_usd, END_change_usd (cost less
        the base's), END_least_usd and END_most_usd (limits of that change), END_status, END_gap; swing_usd, the
        difference between the highest and the lowest cost of base, low and high. Costs are present values in US$; NaN
        where a case has no plan, and its status says why.

    Raises
    ------
    InstanceError
        If there are no drivers, or one cannot be applied: with file, row and column.
    """
    case = instance if isinstance(instance, Instance) else read_instance(instance)
    variants = driver_variants(case)
    with tempfile.TemporaryDirectory() as temporary:
        cases = sweep(
            instance,
            [Variant(BASE, ()), *variants],
            folder or temporary,
            settings=settings,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
    found = cases.astype({"objective_usd": float, "bound_usd": float, "gap": float}).set_index("name")
    rows = [_row(driver, found) for driver in case.drivers]
    return pd.DataFrame(rows).sort_values("swing_usd", ascending=False, ignore_index=True)


def driver_variants(instance: Instance) -> list[Variant]:
    """The cases of an instance's drivers: each alone at its low and at its high value.

    Raises
    ------
    InstanceError
        With every driver that cannot be applied.
    """
    if not instance.drivers:
        columns = ", ".join(TABLES["drivers"].columns())
        fix = f"Add it with the columns {columns}; 'optimizer schema' says what they mean."
        raise InstanceError([Problem("drivers.csv", None, None, None, "holds no drivers", fix)])
    problems = [problem for at, row in enumerate(instance.drivers) for problem in _problems(instance, row, at + 2)]
    if problems:
        raise InstanceError(problems)
    return [Variant(_name(row, end), (_override(row, end),)) for row in instance.drivers for end in ENDS]


def _override(row: Driver, end: str) -> str:
    value: float = getattr(row, end)
    return f"{row.path}{row.change}{int(value) if value.is_integer() else value!r}"


def _name(row: Driver, end: str) -> str:
    """Name of a case and of its folder."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in row.driver) + f"-{end}"


def _problems(instance: Instance, row: Driver, line: int) -> Iterator[Problem]:
    """What is wrong with a driver; once, at its path, if both ends fail in the same way."""
    found = {end: _problem(instance, _override(row, end)) for end in ENDS}
    low, high = found["low"], found["high"]
    if low is not None and high is not None and low.rule == high.rule:
        yield Problem("drivers.csv", line, "path", row.path, low.rule, low.fix)
        return
    for end, problem in found.items():
        if problem is not None:
            yield Problem("drivers.csv", line, end, number(getattr(row, end)), problem.rule, problem.fix)


def _problem(instance: Instance, override: str) -> Problem | None:
    try:
        apply_overrides(instance, [override])
    except InstanceError as error:
        return error.problems[0]
    return None


def _row(driver: Driver, cases: pd.DataFrame) -> dict[str, Any]:
    base = cases.loc[BASE]
    row: dict[str, Any] = {
        "driver": driver.driver,
        "unit": driver.unit,
        "change": driver.change,
        "low": driver.low,
        "high": driver.high,
        "base_usd": base["objective_usd"],
    }
    costs = [base["objective_usd"]]
    for end in ENDS:
        case = cases.loc[_name(driver, end)]
        costs.append(case["objective_usd"])
        row |= {
            f"{end}_usd": case["objective_usd"],
            f"{end}_change_usd": case["objective_usd"] - base["objective_usd"],
            f"{end}_least_usd": case["bound_usd"] - base["objective_usd"],
            f"{end}_most_usd": case["objective_usd"] - base["bound_usd"],
            f"{end}_status": case["status"],
            f"{end}_gap": case["gap"],
        }
    known = pd.Series(costs).dropna()
    return row | {"swing_usd": float(known.max() - known.min()) if len(known) > 1 else float("nan")}
