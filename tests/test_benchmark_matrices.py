"""The loosened matrices that benchmarks compare allow the same plans at the same cost as the model's own."""

from __future__ import annotations

import dataclasses

import highspy
import numpy as np
import pytest
from benchmarks import loosened
from small_instance import small_instance_folder

from optimizer import apply_overrides, highs, read_instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix

CLOSED = highs.Options(gap=1e-6, threads=1)
#: Every row and column that a step is about.
RICH = [
    "options.resolution=coarse",
    "sites.Lima.export_allowed=true",
    "sites.Lima.adequacy_margin=0.1",
    "sites.Lima.n_minus_1=true",
    "technologies.turbine.commitment=integer",
    "funding_options.home solar.max_blocks_per_year=3",
    "funding_options.saline poi.lead_time_years=30",
    "utilities.Home Power.make_whole_allowed=false",
    "zone_years.pool.*.capacity_headroom_mw=10",
]
CONCAVE = {
    "capacity_price_curve": "zone,shortfall_mw,price_change_usd_per_kw_year\n"
    "pool,0,0\npool,200,25\npool,500,30\npool,900,32\n",
    "price_response": "zone,net_purchase_mw,price_change_usd_per_mwh\npool,0,0\npool,300,4\npool,900,6\n",
}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = small_instance_folder(tmp_path_factory.mktemp("rich"), **CONCAVE)
    return compile_matrix(build(apply_overrides(read_instance(folder), RICH)))


@pytest.fixture(scope="module")
def best(matrix: Matrix) -> highs.Answer:
    return solved(matrix)


def solved(matrix: Matrix) -> highs.Answer:
    answer = highs.run(highs.hand_off(matrix, CLOSED), matrix, highs.Interrupt())
    assert answer.x is not None
    return answer


def test_steps_speak_of_names_that_the_matrix_has(matrix: Matrix) -> None:
    switched = loosened.SWITCHED_ON | loosened.SWITCHED_OFF
    bounded = loosened.DERIVED | loosened.BUILDS
    of_bounds = {row for several in bounded.values() for row in several}
    assert {*loosened.TIGHTENING, *switched, *of_bounds} <= {name for name, _ in matrix.row_names}
    assert {*switched.values(), *bounded} <= {name for name, columns in matrix.names.items() if len(columns)}


@pytest.mark.parametrize("step", loosened.STEPS)
def test_a_step_taken_back_leaves_the_optimum(matrix: Matrix, best: highs.Answer, step: str) -> None:
    other = loosened.STEPS[step](matrix)
    assert not loosened.same(matrix, other)
    assert solved(other).objective == pytest.approx(best.objective, rel=1e-5)


def test_big_m_alone_is_larger(matrix: Matrix) -> None:
    switched = loosened.SWITCHED_ON | loosened.SWITCHED_OFF
    other = loosened.large_big_m(matrix)
    for name, binary in switched.items():
        part = np.ix_(matrix.rows_named(name), matrix.names[binary])
        before, after = matrix.a.tocsr()[part].toarray(), other.a.tocsr()[part].toarray()
        assert np.abs(before).sum() > 0, name
        np.testing.assert_allclose(after, 10 * before, err_msg=name)
    changed = {matrix.row_names[row][0] for row in (other.a - matrix.a).tocoo().row}
    assert changed == set(switched)


def test_bounds_that_are_taken_away_follow_from_rows(matrix: Matrix) -> None:
    """The most that each column can be by the rows alone, without any of those bounds."""
    names = [row for several in (*loosened.DERIVED.values(), *loosened.BUILDS.values()) for row in several]
    kept = np.isin([row for row, _ in matrix.row_names], names)
    other = loosened.unbounded(matrix)
    aimless = dataclasses.replace(
        other,
        a=other.a.tocsr()[kept].tocsc(),
        row_lower=other.row_lower[kept],
        row_upper=other.row_upper[kept],
        cost_rows=0 * other.cost_rows,
        integer=np.zeros(len(other.integer), bool),
    )
    solver = highs.hand_off(aimless, CLOSED)
    solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
    for column in np.flatnonzero(other.upper != matrix.upper):
        solver.changeColCost(int(column), 1.0)
        solver.run()
        assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        assert solver.getInfo().objective_function_value <= matrix.upper[column] + 1e-6
        solver.changeColCost(int(column), 0.0)


def test_redundant_rows_say_what_bounds_say(matrix: Matrix) -> None:
    other = loosened.with_redundant_rows(matrix)
    first = len(matrix.row_upper)
    more = other.a.tocsr()[first:].tocoo()
    assert {name for name, at in matrix.names.items() if np.isin(more.col, at).any()} == {"build", "import_mw"}
    np.testing.assert_array_equal(more.data, 1.0)
    np.testing.assert_array_equal(other.row_upper[first:][more.row], matrix.upper[more.col])


def test_a_plan_block_by_block_is_the_same_plan(matrix: Matrix, best: highs.Answer) -> None:
    assert best.x is not None
    other, plan = loosened.block_by_block(matrix), loosened.plan_block_by_block(matrix, best.x)
    assert other.upper[other.integer].max() == 1
    np.testing.assert_allclose(other.a @ plan, matrix.a @ best.x, atol=1e-9)
    assert other.objective @ plan == pytest.approx(matrix.objective @ best.x)
    assert (plan >= other.lower - 1e-6).all()
    assert (plan <= other.upper + 1e-6).all()


def test_bounds_a_hair_below_a_whole_number_are_whole_blocks(matrix: Matrix) -> None:
    hair = dataclasses.replace(matrix, upper=np.where(matrix.integer, matrix.upper - 1e-9, matrix.upper))
    assert loosened.block_by_block(hair).a.shape == loosened.block_by_block(matrix).a.shape
