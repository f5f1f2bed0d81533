"""The year as the model sees it: planning years, representative periods, time steps, billing months.

A resolution cuts the hourly series into representative periods; a step is ``step_hours`` consecutive hours of one.
The weight of a step is its duration times the occurrences of its period in a year; all weights sum to 8760 hours.
Steps of a period form a ring: the last is followed by the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimizer.schema import Manifest, Period

if TYPE_CHECKING:
    from optimizer.instance import Instance

HOURS_PER_YEAR = 8760
MONTHS = range(1, 13)
DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LONGEST_MONTH = 24 * max(DAYS_OF_MONTH)
_END_OF_MONTH = tuple(24 * days for days in accumulate(DAYS_OF_MONTH))


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """Planning years, steps and billing months of a resolution.

    Attributes
    ----------
    years
        Planning years.
    years_represented
        Calendar years y..y+n-1 that planning year y stands for.
    steps
        Index ``step`` 0..n-1; columns ``period``, ``step_in_period``, ``start_hour`` (of the hourly series),
        ``duration_hours``, ``occurrences`` (per year), ``weight_hours`` (their product), ``next_step`` (cyclic
        within the period).
    billing
        Columns ``billing_month`` (1..12), ``part``, ``months``: the parts of the year that a month's metered peak is
        taken over, and how many months of the year it stands for (the same in all of its rows; 12 in all).
    parts
        Steps of each part: a period, or a month of a period that is longer than one.
    slots
        Periods in calendar order; empty without a calendar.
    """

    years: tuple[int, ...]
    years_represented: dict[int, int]
    steps: pd.DataFrame
    billing: pd.DataFrame
    parts: dict[str, np.ndarray]
    slots: tuple[str, ...]

    def average(self, values: np.ndarray) -> np.ndarray:
        """Mean of an hourly series over the hours of each step.

        Parameters
        ----------
        values
            One value per hour of the series, shape (series_hours,).

        Returns
        -------
        numpy.ndarray
            One value per step, shape (steps,).
        """
        hours = np.arange(int(self.steps["duration_hours"].iloc[0]))
        first = self.steps["start_hour"].to_numpy(dtype=int)
        needed = int(first.max()) + len(hours)
        if values.ndim != 1 or len(values) < needed:
            raise ValueError(f"series of shape {values.shape}: must be one-dimensional with at least {needed} hours")
        means: np.ndarray = values[first[:, None] + hours].mean(axis=1)
        return means

    def period_hours(self) -> dict[str, int]:
        """Length of each period in hours."""
        lengths = self.steps.groupby("period", sort=False)["duration_hours"].sum()
        return {str(period): round(hours) for period, hours in lengths.items()}


def time_grid(instance: Instance) -> TimeGrid:
    """Time grid of the instance for the resolution in its options.

    Raises
    ------
    ValueError
        When the resolution is unknown, has no periods, or its step does not divide a period.
    """
    manifest = instance.manifest
    name = manifest.options.resolution
    if name not in manifest.resolutions:
        raise ValueError(f"options.resolution = {name}: must be one of {', '.join(manifest.resolutions)}")
    periods = [row for row in instance.periods if row.resolution == name]
    if not periods:
        raise ValueError(f"resolution {name}: must have at least one row in periods.csv")
    ordered = sorted((row.slot, row.period) for row in instance.calendar if row.resolution == name)
    slots = tuple(period for _, period in ordered)
    years = planning_years(manifest)
    steps = _steps(periods, manifest.resolutions[name].step_hours, manifest.series_hours)
    split = _split(periods, slots)
    return TimeGrid(
        years=years,
        years_represented=years_represented(years, manifest.last_year_represents),
        steps=steps,
        billing=_billing(periods, slots, split, steps, manifest.series_hours),
        parts=_parts(steps, split, manifest.series_hours),
        slots=slots,
    )


def planning_years(manifest: Manifest) -> tuple[int, ...]:
    """Planning years of the chosen resolution, ascending."""
    kept = manifest.resolutions[manifest.options.resolution].planning_years
    years = tuple(sorted(manifest.planning_years if kept is None else kept))
    if not years or len(set(years)) < len(years):
        raise ValueError(f"planning years {years}: must be at least one, each named once")
    return years


def years_represented(years: Sequence[int], last: int) -> dict[int, int]:
    """Calendar years that each planning year stands for: those up to the next one; for the last, as given.

    Examples
    --------
    >>> years_represented((2026, 2027, 2030), 5)
    {2026: 1, 2027: 3, 2030: 5}
    """
    gaps = [later - earlier for earlier, later in pairwise(years)]
    return dict(zip(years, [*gaps, last], strict=True))


def month_of_hour(hour: int, series_hours: int) -> int:
    """Month (1..12) of an hour of the series.

    A series of 8760 hours follows the 365-day calendar; any other is cut into 12 equal parts.

    Examples
    --------
    >>> month_of_hour(743, 8760), month_of_hour(744, 8760)  # January has 31 * 24 = 744 hours
    (1, 2)
    >>> month_of_hour(3, 8)  # 3/8 of the year has passed: 4.5 months
    5
    """
    if not 0 <= hour < series_hours:
        raise ValueError(f"hour = {hour}: must be >= 0 and < {series_hours}, the length of the series")
    if series_hours == HOURS_PER_YEAR:
        return 1 + sum(hour >= end for end in _END_OF_MONTH)
    return 12 * hour // series_hours + 1


def _steps(periods: Sequence[Period], step_hours: int, series_hours: int) -> pd.DataFrame:
    rows: list[tuple[str, int, int, float, float, float, int]] = []
    for row in periods:
        if step_hours < 1 or row.hours % step_hours:
            raise ValueError(
                f"period {row.period}, hours = {row.hours}: must be a multiple of step_hours = {step_hours}"
            )
        if row.start_hour + row.hours > series_hours:
            raise ValueError(f"period {row.period} ends after the series, which has {series_hours} hours")
        first, count = len(rows), row.hours // step_hours
        occurrences = row.occurrences_per_year
        for k in range(count):
            start, following = row.start_hour + k * step_hours, first + (k + 1) % count
            weight = step_hours * occurrences
            rows.append((row.period, k, start, float(step_hours), occurrences, weight, following))
    columns = ["period", "step_in_period", "start_hour", "duration_hours", "occurrences", "weight_hours", "next_step"]
    return pd.DataFrame(rows, columns=columns, index=pd.RangeIndex(len(rows), name="step"))


def _split(periods: Sequence[Period], slots: Sequence[str]) -> frozenset[str]:
    """Periods that are billed month by month: those longer than a month, where no calendar says what they stand for."""
    return frozenset(row.period for row in periods if row.hours > LONGEST_MONTH and not slots)


def _parts(steps: pd.DataFrame, split: frozenset[str], series_hours: int) -> dict[str, np.ndarray]:
    names = [
        _part(str(period), month_of_hour(int(start), series_hours)) if period in split else str(period)
        for period, start in zip(steps["period"], steps["start_hour"], strict=True)
    ]
    members = pd.Series(steps.index, index=names).groupby(level=0, sort=False)
    return {str(name): rows.to_numpy(int) for name, rows in members}


def _part(period: str, month: int) -> str:
    return f"{period}, month {month}"


def _billing(
    periods: Sequence[Period], slots: Sequence[str], split: frozenset[str], steps: pd.DataFrame, series_hours: int
) -> pd.DataFrame:
    rows = _billing_by_calendar(periods, slots) if slots else _billing_by_start(steps, split, series_hours)
    return pd.DataFrame(rows, columns=["billing_month", "part", "months"])


def _billing_by_start(steps: pd.DataFrame, split: frozenset[str], series_hours: int) -> list[tuple[int, str, float]]:
    """A period belongs to the month of its first hour (a long one to all of its months).

    A month weighs as much as the hours of its parts; where the periods are the whole year, each month counts once.
    """
    whole_year = sorted(steps["start_hour"]) == list(range(0, series_hours, int(steps["duration_hours"].iloc[0])))
    opening = steps.groupby("period")["start_hour"].transform("min")
    start = steps["start_hour"].where(steps["period"].isin(split), opening)
    months = pd.Series([month_of_hour(int(hour), series_hours) for hour in start], steps.index)
    hours = steps["weight_hours"].groupby(months).sum()
    rows: dict[tuple[int, str], float] = {}
    for month, period in zip(months, steps["period"], strict=True):
        part = _part(period, month) if period in split else period
        rows[month, part] = 1.0 if whole_year and len(hours) == len(MONTHS) else 12 * hours[month] / HOURS_PER_YEAR
    return [(month, part, weight) for (month, part), weight in sorted(rows.items(), key=lambda row: row[0][0])]


def _billing_by_calendar(periods: Sequence[Period], slots: Sequence[str]) -> list[tuple[int, str, float]]:
    """A slot belongs to the month of its first hour; a month in which no slot begins has the one still running."""
    hours = {row.period: row.hours for row in periods}
    unknown = [period for period in slots if period not in hours]
    if unknown:
        raise ValueError(f"calendar names period {unknown[0]}, which is not in the resolution")
    ends = list(accumulate(hours[period] for period in slots))
    begun = [month_of_hour(end - hours[period], ends[-1]) for period, end in zip(slots, ends, strict=True)]
    rows: list[tuple[int, str, float]] = []
    for month in MONTHS:
        starting = [period for period, first in zip(slots, begun, strict=True) if first == month]
        running = [period for period, first in zip(slots, begun, strict=True) if first < month][-1:]
        rows.extend((month, period, 1.0) for period in dict.fromkeys(starting or running))
    return rows
