"""The first plan: whole, feasible, and between the relaxation and the gap asked of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy import plant, toy

from optimizer import highs, solve
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.start import first_plan
from optimizer.synthetic import synthetic


def rounded(matrix: Matrix) -> highs.Answer | None:
    return first_plan(matrix, highs.Options(threads=1), highs.Interrupt())


@pytest.mark.parametrize("seed", range(3))
def test_a_first_plan_is_whole_and_feasible_and_close_to_the_best(seed: int) -> None:
    matrix = compile_matrix(build(synthetic(sites=4, years=3, hours=6, periods=1, seed=seed)))
    plan = rounded(matrix)
    assert plan is not None
    assert plan.x is not None
    assert np.abs(plan.x - np.round(plan.x))[matrix.integer].max() < 1e-5
    activity = matrix.a @ plan.x
    assert (activity > matrix.row_lower - 1e-5).all()
    assert (activity < matrix.row_upper + 1e-5).all()
    assert matrix.objective @ plan.x + matrix.cost_offset.sum() == pytest.approx(plan.objective, rel=1e-6)
    best = highs.run(highs.hand_off(matrix, highs.Options(gap=1e-3, threads=1)), matrix, highs.Interrupt())
    assert plan.bound <= best.objective * (1 + 1e-6)
    assert best.bound * (1 - 1e-6) <= plan.objective <= 1.02 * best.objective


def lumpy(need: float, blocks: int) -> Instance:
    """An island of so many MW, and blocks of 30 MW."""
    engine = plant("engine", block_mw=30, max_blocks=blocks, capex_usd_per_kw=500)
    return toy(engine, it_mw=[need], site={"existing_poi_mw": 0.0, "utility": None, "tariff": None})


def test_where_only_rounding_up_can_be_operated_it_is_rounded_up() -> None:
    matrix = compile_matrix(build(lumpy(need=65, blocks=4)))
    plan = rounded(matrix)
    assert plan is not None
    assert plan.x is not None
    assert plan.x[matrix.names["build"]].sum() == pytest.approx(3)


def test_no_first_plan_where_there_is_none() -> None:
    matrix = compile_matrix(build(lumpy(need=65, blocks=4)))
    build_columns = matrix.names["build"]
    upper = matrix.upper.copy()
    upper[build_columns] = 2.5  # enough for the relaxation, not for whole blocks
    assert rounded(dataclasses.replace(matrix, upper=upper)) is None


def test_no_branching_where_the_first_plan_is_within_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "set_start", lambda *_: pytest.fail("branched"))
    instance = synthetic(sites=4, years=3, hours=6, periods=1)
    plan = solve(instance, gap=0.2, method="monolithic")
    assert plan.status == "within gap"
    assert plan.bound_usd < plan.objective_usd
