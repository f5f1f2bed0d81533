"""Years, steps and representative periods of a network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from optimizer import finance
from optimizer.periods import HOURS_PER_YEAR
from optimizer.problems import Problem, shown
from optimizer.pypsa_io.losses import Loss
from optimizer.pypsa_io.settings import OPTIONS, MissingSettings
from optimizer.pypsa_io.source import Source

RESOLUTION = "network"


@dataclass(frozen=True)
class Time:
    """The time of a network in the terms of an instance.

    Attributes
    ----------
    years, last_represents
        Planning years, and calendar years that the last one stands for.
    step_hours
        Hours of a step.
    weights
        Hours a year that each step stands for.
    periods
        Rows of the table ``periods``.
    """

    years: tuple[int, ...]
    last_represents: int
    step_hours: int
    weights: np.ndarray
    periods: list[dict[str, Any]]

    @property
    def series_hours(self) -> int:
        return len(self.weights) * self.step_hours

    def hourly(self, values: np.ndarray) -> np.ndarray:
        """Values of the steps repeated for each hour."""
        return np.repeat(values, self.step_hours)


def read_time(source: Source) -> Time | None:
    """Read the time of a network and tell ``source``; None when it cannot be read."""
    network = source.network
    if not len(network.snapshots):
        _problem(source, "snapshots", "", "must have at least one", "Set the snapshots.")
        return None
    source.years, last = _years(source)
    count = len(network.snapshots)
    if count % len(source.years):
        _problem(source, "snapshots", count, "must be as many in each investment period", "Use one set of snapshots.")
        return None
    source.shape = (len(source.years), count // len(source.years))
    weights, hours = _weight(source, "objective"), _weight(source, "stores")
    if weights is None or hours is None:
        return None
    if not np.allclose(hours, hours[0]) or hours[0] < 1 or hours[0] != round(hours[0]):
        _problem(source, "snapshot_weightings.stores", hours[0], "must be one whole number of hours", "Resample it.")
        return None
    total = float(weights.sum())
    if abs(total - HOURS_PER_YEAR) > 1e-6 * HOURS_PER_YEAR:
        fix = f"Weigh them to a year: multiply by {HOURS_PER_YEAR / total:.8g}, if capital costs are yearly."
        _problem(source, "snapshot_weightings.objective", total, f"must sum to {HOURS_PER_YEAR} hours", fix)
        return None
    return Time(source.years, last, round(hours[0]), weights, _periods(source, weights, round(hours[0])))


def _problem(source: Source, attribute: str, value: object, rule: str, fix: str) -> None:
    source.problems.append(Problem("network", None, attribute, shown(value) or None, rule, fix))


def _years(source: Source) -> tuple[tuple[int, ...], int]:
    network, given = source.network, source.settings.year
    if source.flat:
        if given is None:
            raise MissingSettings(f"the network has no investment periods: say which year it is, {OPTIONS['year']}")
        return (given,), 1
    years = tuple(int(year) for year in network.investment_periods)
    weights = network.investment_period_weightings
    for year, later in pairwise(years):
        if weights.at[year, "years"] != later - year:
            why = "a planning year stands for the years up to the next"
            source.losses.append(
                Loss.of("investment_periods", str(year), "years", float(weights.at[year, "years"]), why)
            )
    last = float(weights.at[years[-1], "years"])
    if last < 1 or last != round(last):
        _problem(source, "investment_period_weightings.years", last, "must be a whole number of years", "Correct it.")
    _discounting(source, years, max(1, round(last)))
    return years, max(1, round(last))


def _discounting(source: Source, years: tuple[int, ...], last: int) -> None:
    """Objective weights of the periods that are not those of the discount rate."""
    settings = source.settings
    ends = [*years[1:], years[-1] + last]
    for year, end in zip(years, ends, strict=True):
        expected = finance.year_weight(year, end - year, settings.base_year, settings.discount_rate)
        found = float(source.network.investment_period_weightings.at[year, "objective"])
        if abs(found - expected) > 1e-9 * expected:
            why = f"money is discounted at {settings.discount_rate:g} to {settings.base_year}: {expected:.6g}"
            source.losses.append(Loss.of("investment_periods", str(year), "objective", found, why))


def _weight(source: Source, column: str) -> np.ndarray | None:
    table = source.network.snapshot_weightings
    values: np.ndarray = table[column].to_numpy(float).reshape(source.shape)
    if not np.allclose(values, values[0], rtol=1e-9):
        _problem(source, f"snapshot_weightings.{column}", "", "must be the same in every investment period", "")
        return None
    if column == "objective" and not np.allclose(table["generators"].to_numpy(float).reshape(source.shape), values):
        why = "energy is weighted like money (the objective weighting)"
        source.losses.append(Loss("snapshot_weightings", "", "generators", "", why))
    first: np.ndarray = values[0]
    return first


def _periods(source: Source, weights: np.ndarray, hours: int) -> list[dict[str, Any]]:
    """Representative periods as the meta names them; else runs of snapshots of one weight."""
    named = list(source.settings.periods)
    if sum(length for _, length in named) != len(weights):
        runs = [len(list(group)) for _, group in groupby(weights.tolist())]
        named = [(f"part {number}" if len(runs) > 1 else "year", length) for number, length in enumerate(runs, 1)]
        if len(runs) > 1 and len(source.network.components["StorageUnit"].static):
            why = f"storage returns to its level in each of the {len(runs)} runs of snapshots of one weight"
            source.losses.append(Loss("snapshot_weightings", "", "objective", "", why))
    rows, start = [], 0
    for name, length in named:
        rows.append(
            {
                "resolution": RESOLUTION,
                "period": name,
                "start_hour": start * hours,
                "hours": length * hours,
                "occurrences_per_year": float(weights[start]) / hours,
            }
        )
        start += length
    return rows
