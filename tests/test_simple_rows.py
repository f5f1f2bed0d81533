"""Rows that are bounds once decisions are known: by hand, and against the LP that has them as rows."""

from __future__ import annotations

import highspy
import numpy as np
import pytest
from scipy import sparse

from optimizer import benders, highs
from optimizer.benders.block import BlockError, BlockSolver
from optimizer.benders.simple_rows import SimpleRows
from optimizer.benders.split import Block
from optimizer.highs import Program
from optimizer.model.build import build
from optimizer.model.matrix import compile_matrix
from optimizer.synthetic import synthetic

ONE = highs.Options(parallel=False)
FREE = np.inf


def program(cost: tuple[float, float] = (2.0, 3.0)) -> Program:
    """Own columns x0 in [0, 5] and x1 >= 0, decisions y0 in [0, 8] and y1 in [0, 4].

    x0 <= y0 / 2 ;  -2 x0 >= -10 - y0 ;  x1 >= y1 - 1 ;  x0 + x1 >= 3 ;  y0 + y1 <= 11
    """
    a = np.array(
        [
            [1.0, 0.0, -0.5, 0.0],
            [-2.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.0, -1.0],
            [1.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 1.0],
        ]
    )
    return Program(
        sparse.csc_array(a),
        np.array([-FREE, -10.0, -1.0, 3.0, -FREE]),
        np.array([0.0, FREE, FREE, FREE, 11.0]),
        np.array([*cost, 0.0, 0.0]),
        np.zeros(4),
        np.array([5.0, FREE, 8.0, 4.0]),
    )


def block(given: Program) -> Block:
    return Block(given, np.arange(2), np.arange(2), 2)


def test_bounds_by_hand() -> None:
    rows = SimpleRows(program(), 2)
    assert rows.rest.a.shape == (2, 4)
    bounds = rows.at(np.array([4.0, 3.0]))
    assert bounds.upper == pytest.approx([2.0, FREE])
    assert bounds.lower == pytest.approx([0.0, 2.0])
    assert bounds.slope(np.array([0.0, 7.0]), np.array([10.0, 0.0])) == pytest.approx([5.0, 7.0])
    assert bounds.crossing is None


def test_of_several_bounds_the_tightest_counts_and_an_own_one_does_not_move() -> None:
    wide = SimpleRows(program(), 2).at(np.array([12.0, 0.5]))
    assert wide.upper[0] == pytest.approx(5.0)
    assert wide.lower[1] == pytest.approx(0.0)
    assert wide.slope(np.ones(2), np.ones(2)) == pytest.approx([0.0, 0.0])


def test_cost_and_slope_by_hand() -> None:
    """At y = (4, 2): x0 = 2, x1 = 1 cost 7; a unit of y0 puts half a unit of x0 in the place of x1, saving 0.5."""
    cut = BlockSolver(0, block(program())).cut(np.array([4.0, 1.0]))
    assert cut.possible and cut.value == pytest.approx(7.0)
    assert cut.x == pytest.approx([2.0, 1.0])
    assert cut.slope == pytest.approx([-0.5, 0.0])
    above = BlockSolver(0, block(program())).cut(np.array([4.0, 3.0]))
    assert above.value == pytest.approx(2 * 1.0 + 3 * 2.0)
    assert above.slope == pytest.approx([0.0, 3.0 - 2.0])


def test_bounds_that_the_solver_refused_are_set_the_next_time() -> None:
    solver = BlockSolver(0, block(program()))
    solver.cut(np.array([8.0, 1.0]))
    solver.cut(np.array([4.0, np.nan]))
    assert solver.cut(np.array([4.0, 1.0])).value == pytest.approx(7.0)


def test_bounds_that_cross_forbid_decisions() -> None:
    """x1 is at most 1 besides: y1 - 1 <= 1."""
    given = program()
    given.upper[1] = 1.0
    cut = BlockSolver(0, block(given)).cut(np.array([8.0, 4.0]))
    assert not cut.possible
    assert cut.value == pytest.approx(2.0)
    assert cut.slope == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_bounds_that_cross_by_a_hair_are_no_reason_to_refuse_what_was_possible(unit: float) -> None:
    """x is at least 100 y0 and at most 100 y1."""
    given = Program(
        sparse.csc_array(unit * np.array([[1.0, -100.0, 0.0], [1.0, 0.0, -100.0]])),
        np.array([0.0, -FREE]),
        np.array([FREE, 0.0]),
        np.array([1.0, 0.0, 0.0]),
        np.zeros(3),
        np.array([FREE, 20.0, 20.0]),
    )
    solver = BlockSolver(0, Block(given, np.arange(1), np.arange(2), 2))
    hair, inside = np.array([10.0 + 5e-8, 10.0]), np.array([5.0, 10.0])
    assert [solver.cut(y).possible for y in (hair, hair, inside, hair)] == [True] * 4
    assert not solver.cut(np.array([11.0, 10.0])).possible


def test_bounds_that_cross_whatever_is_decided_are_told() -> None:
    given = program()
    given.lower[0], given.row_upper[0] = 6.0, FREE
    with pytest.raises(BlockError, match="whatever is decided"):
        BlockSolver(0, block(given)).cut(np.array([8.0, 0.0]))


def needs(*least: float) -> Block:
    """x0 >= least[0], x1 >= least[1] and so on, each at most the decision of its number."""
    count = len(least)
    given = Program(
        sparse.csc_array(np.hstack([np.eye(count), -np.eye(count)])),
        np.full(count, -FREE),
        np.zeros(count),
        np.zeros(2 * count),
        np.array([*least, *np.zeros(count)]),
        np.full(2 * count, 30.0),
    )
    return Block(given, np.arange(count), np.arange(count), count)


def test_a_block_that_cannot_operate_again_is_refused_nearer_to_where_it_could() -> None:
    """From (0, 0) to (20, 1.25): first y0 >= 4 is proven, on the way, at (4, 0.25), y1 >= 1, then the distance 5."""
    solver, inside, none = BlockSolver(0, needs(4.0, 1.0)), np.array([20.0, 1.25]), np.zeros(2)
    assert solver.cut(inside).possible
    first, nearer, deepest = (solver.cut(none) for _ in range(3))
    assert [first.value, *first.slope] == pytest.approx([4.0, -1.0, 0.0])
    assert [nearer.constant, *nearer.slope] == pytest.approx([1.0, 0.0, -1.0])
    assert nearer.at == pytest.approx([4.0, 0.25])
    assert [deepest.value, *deepest.slope] == pytest.approx([5.0, -1.0, -1.0])


def test_the_way_goes_on_while_something_is_refused_and_to_where_the_block_operated_last() -> None:
    """To (20, 1.25, 0.31): y0 >= 4, y1 >= 1, then y2 >= 0.3. To (5, 5, 5), operated later: y0 >= 4 is all there is."""
    solver, none = BlockSolver(0, needs(4.0, 1.0, 0.3)), np.zeros(3)
    for inside, slope in (((20.0, 1.25, 0.31), [0.0, 0.0, -1.0]), ((5.0, 5.0, 5.0), [-1.0, 0.0, 0.0])):
        assert solver.cut(np.array(inside)).possible
        assert solver.cut(none).slope == pytest.approx([-1.0, 0.0, 0.0])
        assert solver.cut(none).slope == pytest.approx(slope)


def test_where_a_block_never_operated_the_distance_follows_the_first_proof() -> None:
    solver = BlockSolver(0, needs(4.0, 1.0))
    assert [solver.cut(np.zeros(2)).value for _ in range(3)] == pytest.approx([4.0, 5.0, 5.0])


def test_what_refuses_everything_is_noise_where_a_block_could_operate() -> None:
    solver, nothing = BlockSolver(0, needs(4.0, 1.0)), np.zeros(2)
    with pytest.raises(BlockError, match="whatever is decided"):
        solver._refusal(nothing, 1.0, nothing)
    assert solver.cut(np.array([20.0, 1.25])).possible
    assert solver._refusal(nothing, 1.0, nothing) is None


@pytest.fixture(scope="module")
def blocks() -> tuple[Block, ...]:
    matrix = compile_matrix(build(synthetic(5, 2, 6, periods=1)))
    return benders.split(matrix, small=0).blocks


def whole(given: Block, at: np.ndarray) -> highspy.Highs:
    """The LP of a block with all its rows at decisions."""
    solver = highs.hand_off_program(given.program, ONE)
    own, width = len(given.own), given.program.a.shape[1]
    solver.changeColsBounds(len(at), np.arange(own, width, dtype=np.int32), at, at)
    return solver


def decisions(given: Block, rng: np.random.Generator) -> np.ndarray:
    own = len(given.own)
    lower, upper = given.program.lower[own:], np.minimum(given.program.upper[own:], 2000.0)
    return np.asarray(np.maximum(lower, 0.0) + rng.random(len(lower)) * np.maximum(upper - np.maximum(lower, 0.0), 0.0))


def test_cuts_are_those_of_the_lp_with_all_rows(blocks: tuple[Block, ...]) -> None:
    """Values agree, possible or not; no cut is above the cost elsewhere, and none forbids what is possible."""
    rng = np.random.default_rng(1)
    kinds = set()
    for given in blocks:
        solver = BlockSolver(0, given)
        at = [decisions(given, rng) for _ in range(6)]
        lps = [whole(given, y) for y in at]
        for lp in lps:
            lp.run()
        costs = [
            lp.getInfo().objective_function_value if lp.getModelStatus() == highspy.HighsModelStatus.kOptimal else None
            for lp in lps
        ]
        y = np.zeros(1 + max(given.decisions.max(initial=0), given.cost))
        for here, cost in zip(at, costs, strict=True):
            y[given.decisions] = here
            for _ in range(3):  # a proof, one nearer to where it could operate, and the distance
                cut = solver.cut(y)
                kinds.add((cut.possible, np.array_equal(cut.at, here)))
                assert cut.possible == (cost is not None)
                if cost is not None:
                    assert cut.value == pytest.approx(cost, rel=1e-7, abs=1e-6)
                else:
                    assert cut.value + cut.slope @ (here - cut.at) > 0
                for there, other in zip(at, costs, strict=True):
                    if other is not None:
                        most = other if cut.possible else 0.0
                        assert cut.value + cut.slope @ (there - cut.at) <= most + 1e-5 * max(1.0, abs(most))
    assert kinds == {(True, True), (False, True), (False, False)}


def test_a_basis_with_all_rows_needs_no_further_step(blocks: tuple[Block, ...]) -> None:
    rng, seen = np.random.default_rng(2), 0
    for given in blocks:
        own = len(given.own)
        rows, at = SimpleRows(given.program, own), decisions(given, rng)
        bounds, rest = rows.at(at), highs.hand_off_program(rows.rest, ONE)
        columns = np.arange(given.program.a.shape[1], dtype=np.int32)
        rest.changeColsBounds(len(columns), columns, np.append(bounds.lower, at), np.append(bounds.upper, at))
        rest.run()
        if rest.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            continue
        seen += 1
        lp = whole(given, at)
        assert lp.setBasis(rows.basis_with_rows(rest.getBasis(), bounds)) == highspy.HighsStatus.kOk
        lp.run()
        assert lp.getInfo().simplex_iteration_count == 0
        assert lp.getInfo().objective_function_value == pytest.approx(rest.getInfo().objective_function_value)
    assert seen
