"""Solve until the replay holds: what a plan misses in a replayed year joins the representative periods, and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from optimizer.instance import Instance, make_instance
from optimizer.plan import Plan
from optimizer.replay.run import Replay, replay
from optimizer.schema import TABLES
from optimizer.solve import solve

Progress = Callable[[dict[str, Any]], None]

#: Checks of a site's load, by the column of ``operation`` that breaks them.
ON_LOAD = ("unserved", "curtailed")
#: Most stretches added for one limit in one round.
AT_ONCE = 12


def solve_until_replay_holds(
    instance: Instance,
    *,
    rounds: int = 3,
    workers: int = 1,
    progress: Progress | None = None,
    solver: Callable[..., Plan] = solve,
    **options: Any,
) -> list[Replay]:
    """Solve, replay, add the worst periods to the resolution where limits are missed, and solve again.

    Parameters
    ----------
    rounds
        Most times that periods are added.
    workers
        Processes of a replay.
    solver
        What solves an instance; ``options`` are passed to it.

    Returns
    -------
    list of Replay
        One per round; the plan of the last is the answer. It may still miss limits (``misses``) when the rounds are
        used up or no hour is left to add.
    """
    history: list[Replay] = []
    for _ in range(rounds + 1):
        found = replay(solver(instance, progress=progress, **options), workers=workers, progress=progress)
        history.append(found)
        starts = worst_periods(found)
        if not starts:
            break
        for start in starts:
            instance = with_extreme_period(instance, start)
    return history


def period_hours(instance: Instance) -> int:
    """The usual length of the periods of the chosen resolution."""
    name = instance.manifest.options.resolution
    return Counter(row.hours for row in instance.periods if row.resolution == name).most_common(1)[0][0]


def worst_periods(found: Replay) -> list[int]:
    """First hours of the worst stretches that are not periods yet, one or more for every limit that is missed.

    For a site that misses a limit on its load: the stretches with most unserved (or curtailed) energy of its worst
    year, as many as hold more of it than the limit permits, so that the plan cannot keep the limit without change.
    For all other limits: the stretch that is dearest for local customers and the sponsor. Empty if no hour is left.
    """
    instance = found.plan.instance
    length, name = period_hours(instance), instance.manifest.options.resolution
    count = instance.manifest.series_hours // length
    taken = [(row.start_hour, row.start_hour + row.hours) for row in instance.periods if row.resolution == name]
    starts: list[int] = []
    for harm, permitted in _harms(found, length, count):
        held, added = 0.0, 0
        for stretch in np.argsort(-harm, kind="stable").tolist():
            if added and (held > permitted or added == AT_ONCE):
                break
            held += float(harm[stretch])
            start = int(stretch) * length
            if all(end <= start or start + length <= begin for begin, end in taken):
                added += 1
                starts.append(start)
                taken.append((start, start + length))
    return starts


def _harms(found: Replay, length: int, count: int) -> Iterator[tuple[np.ndarray, float]]:
    """Harm by stretch of hours and how much of it is permitted, for every site that misses a limit on its load; harm of
    which one stretch is enough for all other limits."""
    operation = found.replayed.operation
    worst: dict[tuple[str, str], tuple[float, float, int]] = {}
    for finding in found.report.findings:
        if finding.name in ON_LOAD:
            site, in_year = finding.where.rsplit(", ", 1)
            case = (finding.found, finding.limit, int(in_year))
            worst[finding.name, site] = max(case, worst.get((finding.name, site), case))
    for (limit, site), (_, permitted, year) in sorted(worst.items()):
        rows = operation[(operation["site"] == site) & (operation["year"] == year)]
        yield _by_stretch(rows, [f"{limit}_mw"], length, count), permitted
    if any(finding.name not in ON_LOAD for finding in found.report.findings):
        yield _dearness(found, length, count), 0.0


def _by_stretch(frame: pd.DataFrame, columns: list[str], length: int, count: int) -> np.ndarray:
    """Sum over places and years of columns by stretch of hours, a rest shorter than a period left out."""
    sums = frame[columns].sum(axis=1).groupby(frame["step"] // length).sum()
    return np.asarray(sums.reindex(range(count), fill_value=0.0), float)


def _dearness(found: Replay, length: int, count: int) -> np.ndarray:
    """What the price rise costs locals and sponsor, and what the project buys, US$ by stretch."""
    zones = found.replayed.tables["zone_operation"]
    usd = (
        zones["price_change_usd_per_mwh"] * zones["local_load_mw"]
        + zones["price_rise_payment_usd_per_hour"]
        + zones["price_usd_per_mwh"] * zones["net_purchase_mw"].clip(lower=0)
    )
    return _by_stretch(zones.assign(usd=usd), ["usd"], length, count)


def with_extreme_period(instance: Instance, start: int) -> Instance:
    """The instance with the hours from ``start`` on as one more period of its resolution, once a year.

    It takes the place of the period that stood for these hours in the calendar; without a calendar all others occur
    a little less often.
    """
    name, length = instance.manifest.options.resolution, period_hours(instance)
    once = 8760 / instance.manifest.series_hours
    period = {
        "resolution": name,
        "period": f"replayed_{start:04d}",
        "start_hour": start,
        "hours": length,
        "occurrences_per_year": once,
        "kind": "extreme",
        "source": "added after a replay missed a limit",
    }
    slots = {row.slot: row.period for row in instance.calendar if row.resolution == name}
    if slots:
        slots, less = _replaced(instance, slots, start, str(period["period"]))
    else:
        kept = 1 - length * once / 8760
        less = {row.period: row.occurrences_per_year * (1 - kept) for row in instance.periods if row.resolution == name}
    periods = [
        row
        if row.resolution != name
        else row.model_copy(update={"occurrences_per_year": row.occurrences_per_year - less.get(row.period, 0.0)})
        for row in instance.periods
    ]
    calendar = [row for row in instance.calendar if row.resolution != name]
    calendar += [{"resolution": name, "slot": slot, "period": stands} for slot, stands in sorted(slots.items())]  # type: ignore[misc]
    tables = {table: instance.rows(table) for table in TABLES}
    remaining = [row for row in periods if row.occurrences_per_year > 1e-9]
    return make_instance(
        instance.manifest, {**tables, "periods": [*remaining, period], "calendar": calendar}, instance.hourly
    )


def _replaced(
    instance: Instance, slots: dict[int, str], start: int, new: str
) -> tuple[dict[int, str], dict[str, float]]:
    """The calendar with one slot replaced, and how much less often its period occurs."""
    name = instance.manifest.options.resolution
    lengths = {row.period: row.hours for row in instance.periods if row.resolution == name}
    hour = 0
    for slot, stands in sorted(slots.items()):
        if hour <= start < hour + lengths[stands]:
            return {**slots, slot: new}, {stands: 8760 / instance.manifest.series_hours}
        hour += lengths[stands]
    raise ValueError(f"hour {start} is beyond the calendar")
