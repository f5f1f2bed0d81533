"""Time grids against small years counted by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from optimizer.instance import Instance
from optimizer.periods import TimeGrid, month_of_hour, time_grid, years_represented
from optimizer.schema import CalendarSlot, Manifest, Period


@dataclass(frozen=True)
class Case:
    """The part of an instance that a time grid reads."""

    manifest: Manifest
    periods: tuple[Period, ...]
    calendar: tuple[CalendarSlot, ...] = ()


def grid_of(case: Case) -> TimeGrid:
    return time_grid(cast(Instance, case))


def manifest(series_hours: int = 12, step_hours: int = 2, **changes: Any) -> Manifest:
    content: dict[str, Any] = {
        "schema_version": 1,
        "name": "case",
        "currency": "USD",
        "price_year": 2026,
        "base_year": 2026,
        "planning_years": [2027, 2029, 2030],
        "last_year_represents": 4,
        "series_hours": series_hours,
        "finance": {"discount_rate": 0.05},
        "options": {"resolution": "small"},
        "resolutions": {"small": {"step_hours": step_hours}, "other": {}},
        "files": {},
    }
    return Manifest.model_validate(content | changes)


def period(name: str, start: int, hours: int, occurrences: float, resolution: str = "small") -> Period:
    return Period(resolution=resolution, period=name, start_hour=start, hours=hours, occurrences_per_year=occurrences)


def slots(*periods: str) -> tuple[CalendarSlot, ...]:
    return tuple(CalendarSlot(resolution="small", slot=k, period=name) for k, name in enumerate(periods))


def billing(grid: TimeGrid) -> list[tuple[int, str, float]]:
    return [tuple(row) for row in grid.billing.itertuples(index=False)]


#: Hours 0-3 for 1095 times and hours 6-11 for 730 times: 4380 hours each.
TWO = (period("cold", 0, 4, 1095), period("hot", 6, 6, 730), period("noise", 0, 12, 730, "other"))


def test_steps_of_two_periods() -> None:
    grid = grid_of(Case(manifest(), TWO))
    assert list(grid.steps["period"]) == ["cold"] * 2 + ["hot"] * 3
    assert list(grid.steps["step_in_period"]) == [0, 1, 0, 1, 2]
    assert list(grid.steps["start_hour"]) == [0, 2, 6, 8, 10]
    assert list(grid.steps["duration_hours"]) == [2] * 5
    assert list(grid.steps["weight_hours"]) == [2190, 2190, 1460, 1460, 1460]
    assert grid.steps["weight_hours"].sum() == 8760
    assert list(grid.steps["next_step"]) == [1, 0, 3, 4, 2]
    assert list(grid.steps.index) == [0, 1, 2, 3, 4]
    assert grid.steps.index.name == "step"
    assert grid.period_hours() == {"cold": 4, "hot": 6}


def test_average_over_the_hours_of_each_step() -> None:
    grid = grid_of(Case(manifest(), TWO))
    values = np.array([1.0, 3, 5, 7, 100, 100, 2, 4, 6, 10, 0, 1])
    assert grid.average(values).tolist() == [2, 6, 3, 8, 0.5]
    for wrong in (values[:11], values.reshape(2, 6)):
        with pytest.raises(ValueError, match="must be one-dimensional with at least 12 hours"):
            grid.average(wrong)


def test_planning_years_and_the_years_they_stand_for() -> None:
    grid = grid_of(Case(manifest(), TWO))
    assert grid.years == (2027, 2029, 2030)
    assert grid.years_represented == {2027: 2, 2029: 1, 2030: 4}
    assert years_represented((2030,), 7) == {2030: 7}


def test_resolution_may_keep_fewer_years() -> None:
    fewer = {"small": {"step_hours": 2, "planning_years": [2027, 2030]}}
    grid = grid_of(Case(manifest(resolutions=fewer), TWO))
    assert grid.years_represented == {2027: 3, 2030: 4}


def test_month_of_hour_follows_the_calendar_or_equal_parts() -> None:
    assert [month_of_hour(hour, 8760) for hour in (0, 743, 744, 1415, 1416, 8015, 8016, 8759)] == [
        *(1, 1, 2, 2, 3, 11, 12, 12)
    ]
    assert [month_of_hour(hour, 24) for hour in (0, 1, 2, 23)] == [1, 1, 2, 12]
    assert [month_of_hour(hour, 4) for hour in range(4)] == [1, 4, 7, 10]
    for hour in (-1, 24):
        with pytest.raises(ValueError, match="must be >= 0 and < 24"):
            month_of_hour(hour, 24)


def test_billing_months_without_a_calendar() -> None:
    # cold begins in month 1, hot at hour 6 of 12, month 7; each holds half of the year
    assert billing(grid_of(Case(manifest(), TWO))) == [(1, "cold", 6), (7, "hot", 6)]


def test_periods_of_one_month_share_its_weight() -> None:
    # a and b begin in the first twelfth of 48 hours, c in the second quarter: 2190 + 4380 and 2190 hours
    periods = (period("a", 0, 2, 1095), period("b", 2, 2, 2190), period("c", 12, 2, 1095))
    grid = grid_of(Case(manifest(series_hours=48), periods))
    assert billing(grid) == [(1, "a", 9), (1, "b", 9), (4, "c", 3)]
    assert grid.billing.drop_duplicates("billing_month")["months"].sum() == 12


def test_billing_months_with_a_calendar() -> None:
    # 24 slots of 4 hours: two in each month
    periods = (period("low", 0, 4, 1460), period("high", 4, 4, 730))
    names = ["low", "low"] * 8 + ["low", "high"] + ["high", "high"] * 3
    grid = grid_of(Case(manifest(), periods, slots(*names)))
    assert grid.slots == tuple(names)
    expected = [(month, "low", 1) for month in range(1, 9)]
    expected += [(9, "low", 1), (9, "high", 1)]
    expected += [(month, "high", 1) for month in range(10, 13)]
    assert billing(grid) == expected


def test_a_year_of_days_follows_the_months() -> None:
    days = (period("winter", 0, 24, 90), period("rest", 2160, 24, 275))
    names = ["winter"] * 59 + ["rest"] * 275 + ["winter"] * 31
    grid = grid_of(Case(manifest(series_hours=8760, step_hours=24), days, slots(*names)))
    assert billing(grid) == [
        *((month, "winter", 1) for month in (1, 2)),
        *((month, "rest", 1) for month in range(3, 12)),
        (12, "winter", 1),
    ]


def test_months_inside_a_long_slot_belong_to_it() -> None:
    periods = (period("early", 0, 4, 1095), period("late", 4, 4, 1095))
    grid = grid_of(Case(manifest(), periods, slots("early", "late")))
    assert billing(grid) == [(month, "early" if month <= 6 else "late", 1) for month in range(1, 13)]


def test_calendar_rows_count_in_the_order_of_their_slots() -> None:
    calendar = (*slots("cold", "hot")[::-1], CalendarSlot(resolution="other", slot=0, period="noise"))
    assert grid_of(Case(manifest(), TWO, calendar)).slots == ("cold", "hot")
    assert grid_of(Case(manifest(), TWO)).slots == ()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (Case(manifest(options={"resolution": "none"}), TWO), "options.resolution = none: must be one of small, other"),
        (Case(manifest(), TWO[2:]), "resolution small: must have at least one row"),
        (Case(manifest(step_hours=4), TWO), "period hot, hours = 6: must be a multiple of step_hours = 4"),
        (Case(manifest(series_hours=11), TWO), "period hot ends after the series, which has 11 hours"),
        (Case(manifest(), TWO, slots("cold", "warm")), "calendar names period warm"),
        (Case(manifest(planning_years=[2027, 2027]), TWO), "each named once"),
    ],
)
def test_what_cannot_be_a_grid_is_refused(case: Case, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        grid_of(case)
