"""A coarser problem as a guide: it saves rounds and decides nothing."""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optimizer import benders, highs, solve
from optimizer.benders import by_parts, coarser, rounds
from optimizer.benders import parts as parts_module
from optimizer.benders.block import BlockError
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.rounds import Guide, Known
from optimizer.instance import Instance, make_instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.schema import TABLES
from optimizer.solve import Interrupted, Plan
from optimizer.synthetic import synthetic

GAP = 5e-3
solving = importlib.import_module("optimizer.solve")
OPTIONS = highs.Options(gap=GAP, threads=1)


@pytest.fixture
def guided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solve by parts, and a coarser problem first, what would otherwise be too small for that."""
    monkeypatch.setattr(parts_module.divide, "__defaults__", (400,))
    monkeypatch.setattr(coarser, "COLUMNS", 0)


def agree(one: Plan, other: Plan) -> None:
    for mine, theirs in ((one, other), (other, one)):
        assert mine.status in ("optimal", "within gap")
        assert mine.bound_usd <= theirs.objective_usd * (1 + 1e-6)


def small() -> Instance:
    return synthetic(3, 2, 6, periods=1)


def case() -> Instance:
    return synthetic(4, 2, 24, periods=3)


def with_periods(step: int, hours: list[int]) -> Instance:
    instance = synthetic(1, 1, 24, periods=2)
    manifest = instance.manifest.model_dump(exclude_none=True)
    manifest["resolutions"]["all"]["step_hours"] = step
    rows = [row.model_copy(update={"hours": n}) for row, n in zip(instance.periods, hours, strict=True)]
    share = sum(row.hours * row.occurrences_per_year for row in rows) / 8760
    rows = [row.model_copy(update={"occurrences_per_year": row.occurrences_per_year / share}) for row in rows]
    tables = {name: instance.rows(name) for name in TABLES} | {"periods": rows}
    return make_instance(manifest, tables, instance.hourly)


@pytest.mark.parametrize(
    ("step", "hours", "longer"),
    [
        (1, [24, 24], 4),
        (2, [24, 24], 8),
        (1, [24, 12], 4),
        (1, [24, 6], 3),
        (1, [24, 10], None),
        (4, [24, 24], None),
    ],
)
def test_steps_become_longer_where_they_divide_every_period(
    step: int, hours: list[int], longer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarser, "COLUMNS", 0)
    instance = with_periods(step, hours)
    found = coarser.coarser(instance)
    assert (found and found.manifest.resolutions["all"].step_hours) == longer
    assert instance.manifest.resolutions["all"].step_hours == step


@pytest.mark.usefixtures("guided")
def test_with_a_guide_the_plan_is_as_good_in_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = case()
    counted: list[int] = []
    relaxation = rounds._relaxation

    def counting(search: rounds._Search, *rest: Any) -> float:
        bound = relaxation(search, *rest)
        counted.append(len(search.record.points))
        return bound

    monkeypatch.setattr(rounds, "_relaxation", counting)
    found = solve(instance, gap=GAP, method="benders")
    assert "coarser" in found.manifest["seconds"]
    _, with_guide = counted
    monkeypatch.setattr(coarser, "COLUMNS", np.inf)
    alone = solve(instance, gap=GAP, method="benders")
    assert "coarser" not in alone.manifest["seconds"]
    assert with_guide < 0.5 * counted[2]
    agree(found, alone)


def changed(guide: Guide, change: Callable[[benders.block.Cut], dict[str, Any]]) -> Guide:
    return dataclasses.replace(guide, cuts=[dataclasses.replace(cut, **change(cut)) for cut in guide.cuts])


WRONG: dict[str, Callable[[Guide], Guide]] = {
    "nothing": lambda guide: dataclasses.replace(guide, cuts=[]),
    "no bound": lambda guide: dataclasses.replace(guide, cuts=[], floors=np.full(len(guide.floors), -np.inf)),
    "dear": lambda guide: changed(guide, lambda cut: {"value": cut.value + 1e3}),
    "cheap": lambda guide: changed(guide, lambda cut: {"value": cut.value - 1e3}),
    "the other way": lambda guide: changed(guide, lambda cut: {"slope": -cut.slope}),
    "of other blocks": lambda guide: changed(guide, lambda cut: {"block": len(guide.floors) - 1 - cut.block}),
    "impossible": lambda guide: changed(
        guide, lambda cut: {"possible": False, "slope": 0 * cut.slope, "value": 1.0, "x": None}
    ),
}


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return compile_matrix(build(small()))


@pytest.mark.parametrize(
    ("name", "groups"), [*((name, 8) for name in WRONG), ("dear", 1), ("cheap", 1), ("the other way", 1)]
)
def test_a_wrong_guide_costs_rounds_and_changes_no_answer(
    name: str, groups: int, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither bound nor plan, also where groups are solved on their own: the whole matrix has them too."""
    monkeypatch.setattr(rounds, "GROUPS", groups)
    parts = benders.split(matrix, small=0)
    with LocalBlocks(parts.blocks, 1).at_work() as blocks:
        right = rounds.close_relaxation(parts.master, blocks, OPTIONS, highs.Interrupt())
        assert right is not None
        known = Known(np.full(len(blocks.costs), -np.inf), guide=WRONG[name](right))
        found = benders.search(parts.master, blocks, OPTIONS, highs.Interrupt(), known=known)
    together = highs.run(highs.hand_off(matrix, OPTIONS), matrix, highs.Interrupt())
    assert found.status in ("optimal", "within gap")
    assert found.bound <= together.objective * (1 + 1e-6)
    assert together.bound <= found.cost * (1 + 1e-6)


def without_engines(instance: Instance) -> Instance:
    """No plan carries the load."""
    tables: dict[str, Any] = {name: instance.rows(name) for name in TABLES}
    tables["funding_options"] = [
        row.model_copy(update={"max_blocks": 0}) if row.technology == "engine" else row
        for row in instance.funding_options
    ]
    return make_instance(instance.manifest, tables, instance.hourly)


@pytest.mark.usefixtures("guided")
@pytest.mark.parametrize("other", [without_engines, lambda _: synthetic(4, 2, 6, periods=1)])
def test_a_guide_without_an_answer_or_of_another_problem_is_none(
    other: Callable[[Instance], Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = small()
    whole = solve(instance, gap=GAP, method="monolithic")
    monkeypatch.setattr(solving, "coarser", other)
    agree(solve(instance, gap=GAP, method="benders"), whole)


@pytest.mark.usefixtures("guided")
def test_a_request_to_stop_while_the_coarser_problem_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    close = by_parts.close_relaxation

    def stopped(matrix: Any, blocks: Any, options: Any, interrupt: highs.Interrupt, *rest: Any) -> Guide | None:
        interrupt.asked = True
        return close(matrix, blocks, options, interrupt, *rest)

    monkeypatch.setattr(by_parts, "close_relaxation", stopped)
    with pytest.raises(Interrupted, match="before the first plan"):
        solve(small(), gap=GAP, method="benders")


@pytest.mark.usefixtures("guided")
def test_the_coarser_problem_has_a_part_of_the_time_and_tells_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    for name in ("close_relaxation", "search"):
        found = getattr(by_parts, name)
        monkeypatch.setattr(
            by_parts, name, lambda *all, to=found, **more: given.append(all[2].time_limit) or to(*all, **more)
        )
    told: list[dict[str, Any]] = []
    plan = solve(small(), gap=GAP, method="benders", time_limit=400, progress=told.append)
    assert plan.manifest["options"]["time_limit"] == 400
    assert given[0] == 100
    assert given[1] == pytest.approx(400 - plan.manifest["seconds"]["coarser"])
    assert all(event.keys() <= {"stage", "elapsed"} for event in told if event["stage"] == "coarser")
    stages = list(dict.fromkeys(event["stage"] for event in told))
    assert stages == ["build", "coarser", "solve", "results", "check"]


@pytest.mark.usefixtures("guided")
def test_a_coarser_problem_that_fails_costs_its_time_and_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    search = by_parts.search

    def failing(*_: Any) -> Guide:
        time.sleep(0.5)
        raise BlockError(0, proven=True)

    monkeypatch.setattr(by_parts, "close_relaxation", failing)
    monkeypatch.setattr(
        by_parts, "search", lambda *all, **more: given.append(all[2].time_limit) or search(*all, **more)
    )
    assert solve(small(), gap=GAP, method="benders", time_limit=400).status in ("optimal", "within gap")
    assert given[0] is not None and given[0] <= 399.5


@pytest.mark.usefixtures("guided")
def test_no_coarser_problem_is_solved_where_something_is_decided_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = small()
    tables: dict[str, Any] = {name: instance.rows(name) for name in TABLES}
    tables["technologies"] = [
        row.model_copy(update={"commitment": "integer"}) if row.technology == "engine" else row
        for row in instance.technologies
    ]
    monkeypatch.setattr(by_parts, "close_relaxation", None)
    found = solve(make_instance(instance.manifest, tables, instance.hourly), gap=0.05, method="benders")
    assert "coarser" in found.manifest["seconds"]
