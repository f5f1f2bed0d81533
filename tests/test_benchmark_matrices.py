"""The loosened matrices that benchmarks compare allow the same plans at the same cost as the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks import loosened
from small_instance import small_instance_folder

from optimizer import apply_overrides, highs, read_instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix

CLOSED = highs.Options(gap=1e-6, threads=1)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder: Path = small_instance_folder(tmp_path_factory.mktemp("small"))
    return compile_matrix(build(apply_overrides(read_instance(folder), ["options.resolution=coarse"])))


@pytest.fixture(scope="module")
def best(matrix: Matrix) -> highs.Answer:
    return solved(matrix)


def solved(matrix: Matrix) -> highs.Answer:
    answer = highs.run(highs.hand_off(matrix, CLOSED), matrix, highs.Interrupt())
    assert answer.x is not None
    return answer


@pytest.mark.parametrize("step", loosened.STEPS)
def test_a_step_taken_back_leaves_the_optimum(matrix: Matrix, best: highs.Answer, step: str) -> None:
    assert solved(loosened.STEPS[step](matrix)).objective == pytest.approx(best.objective, rel=1e-5)


@pytest.mark.parametrize("step", loosened.STEPS)
def test_a_step_taken_back_changes_the_matrix(matrix: Matrix, step: str) -> None:
    other = loosened.STEPS[step](matrix)
    same = other.a.shape == matrix.a.shape and np.array_equal(other.upper, matrix.upper)
    assert not same or np.abs(other.a - matrix.a).sum() > 0


def test_a_plan_block_by_block_is_the_same_plan(matrix: Matrix, best: highs.Answer) -> None:
    assert best.x is not None
    other, plan = loosened.block_by_block(matrix), loosened.plan_block_by_block(matrix, best.x)
    np.testing.assert_allclose(other.a @ plan, matrix.a @ best.x, atol=1e-9)
    assert other.objective @ plan == pytest.approx(matrix.objective @ best.x)
    assert (plan >= other.lower - 1e-6).all()
    assert (plan <= other.upper + 1e-6).all()
