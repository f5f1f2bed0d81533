"""Decomposition: the same optimum as the matrix as a whole, block by block, and honest where there is none."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from small_instance import small_instance_folder
from toy import plant, toy

from optimizer import apply_overrides, benders, highs, read_instance, solve
from optimizer.benders import rounds
from optimizer.benders.block import BlockError, BlockSolver
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.master import Master
from optimizer.benders.rounds import POLISHED
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.solve import Infeasible
from optimizer.synthetic import synthetic

TIGHT = highs.Options(gap=1e-6, threads=1)
CLOSE = dataclasses.replace(TIGHT, gap=5e-4)
CASES = {
    "one region": lambda: synthetic(3, 2, 4),
    "two regions": lambda: synthetic(5, 2, 6, periods=1),
    "three years": lambda: synthetic(4, 3, 6, periods=1, seed=3),
}


@cache
def matrix_of(name: str, *change: str) -> Matrix:
    """The matrix of a case, changed; many tests ask for the same one."""
    return compile_matrix(build(apply_overrides(CASES[name](), list(change))))


def by_blocks(matrix: Matrix, options: highs.Options = TIGHT, workers: int = 2) -> highs.Answer:
    return benders.search_matrix(matrix, benders.split(matrix, small=0), options, highs.Interrupt(), workers=workers)


def whole(matrix: Matrix, options: highs.Options = TIGHT) -> highs.Answer:
    return highs.run(highs.hand_off(matrix, options), matrix, highs.Interrupt())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return read_instance(small_instance_folder(tmp_path_factory.mktemp("small")))


@cache
def alone(name: str, *change: str) -> highs.Answer:
    """What a search by blocks finds that nothing was left to."""
    return by_blocks(matrix_of(name, *change), CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_the_optimum_is_that_of_the_whole_matrix(name: str) -> None:
    apart, together = alone(name), whole(matrix_of(name), CLOSE)
    assert apart.status in ("optimal", "within gap")
    assert apart.bound <= together.objective * (1 + 1e-6)
    assert together.bound <= apart.objective * (1 + 1e-6)
    assert apart.objective == pytest.approx(together.objective, rel=1e-3)


def test_a_plan_by_blocks_passes_the_checker_and_says_how_it_was_found(small: Instance) -> None:
    apart, together = (solve(small, gap=1e-3, method=method) for method in ("benders", "monolithic"))
    assert apart.manifest["method"] == "benders"
    assert together.manifest["method"] == "monolithic"
    assert apart.objective_usd == pytest.approx(together.objective_usd, rel=2e-3)


def test_columns_and_rows_are_divided_without_loss() -> None:
    matrix = compile_matrix(build(synthetic(6, 2, 12, periods=1)))
    parts = benders.split(matrix)
    own = np.concatenate([parts.columns, *(block.own for block in parts.blocks)])
    assert sorted(own) == list(range(matrix.a.shape[1]))
    cost = parts.master.objective[: len(parts.columns)].sum() + sum(b.program.cost.sum() for b in parts.blocks)
    assert cost == pytest.approx(matrix.objective.sum())
    assert len(parts.blocks) >= 2 * 2  # two regions, two years


def test_the_slope_of_a_cut_is_the_change_of_the_cost() -> None:
    """A block's cost between two decisions lies above the cuts at both ends, and meets them there."""
    matrix = compile_matrix(build(synthetic(3, 2, 12, periods=1)))
    parts = benders.split(matrix)
    block = max(parts.blocks, key=lambda block: len(block.own))
    solver = BlockSolver(0, block)
    most = np.where(np.isfinite(parts.master.upper), parts.master.upper, 1e3)
    least = np.where(np.isfinite(parts.master.lower), parts.master.lower, 0.0)
    rng = np.random.default_rng(0)
    points = [least + rng.uniform(0, 1, len(most)) * (most - least) for _ in range(6)]
    cuts = [solver.cut(point) for point in points]
    assert any(cut.possible for cut in cuts)
    for cut in cuts:
        for other, point in zip(cuts, points, strict=True):
            said = cut.constant + cut.slope @ point[cut.decisions]
            if cut.possible and other.possible:
                assert said <= other.value + 1e-6 * max(1.0, abs(other.value))
            elif not cut.possible and other.possible:
                assert said <= 1e-5


def test_decisions_that_are_the_same_for_a_block_are_not_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = benders.split(compile_matrix(build(synthetic(5, 2, 6, periods=1))))
    block = parts.blocks[0]
    solver = BlockSolver(0, block)
    decisions = np.where(np.isfinite(parts.master.upper), parts.master.upper, 1e3)
    first = solver.cut(decisions)
    elsewhere = np.setdiff1d(np.arange(len(decisions)), block.decisions)
    decisions[elsewhere] += 1.0
    with monkeypatch.context() as patch:
        patch.setattr(BlockSolver, "_cost", None)
        assert solver.cut(decisions) is first
    decisions[block.decisions] *= 0.9
    assert solver.cut(decisions) is not first


def small_master() -> Master:
    """Of x, y (whole) and z with x - 2 y + z <= 2, at a cost of 2, 3 and 1."""
    matrix = Matrix(
        a=sparse.csc_array(np.array([[1.0, -2.0, 1.0]])),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([2.0]),
        row_names=[("a", 0)],
        cost_rows=sparse.csr_array(np.array([[2.0, 3.0, 1.0]])),
        cost_offset=np.zeros(1),
        cost_keys=[("all", "", 0)],
        lower=np.zeros(3),
        upper=np.array([6.0, 4.0, 6.0]),
        integer=np.array([False, True, False]),
        names={},
        keys={},
    )
    return Master(matrix, np.zeros(0, int), np.zeros(0), TIGHT, highs.Interrupt())


def test_the_centre_of_what_a_vertex_leaves() -> None:
    """A vertex with y = 2 and a cost of at most 10: x is between 0 and 2, not at an end, and z, which it has none of,
    stays out."""
    master = small_master()
    vertex = np.array([1.0, 2.0, 0.0])
    inner = master.centre(10.0, vertex)
    assert inner is not None
    assert inner[1:] == pytest.approx([2.0, 0.0])
    assert 0.1 < inner[0] < 1.9
    assert master.centre(5.0, vertex) is None
    free = master.centre(10.0)
    assert free is not None
    assert abs(free[1] - 2.0) > 0.1 and free[2] > 0.1


def test_inner_points_are_found_the_same_way_whatever_else_is_installed() -> None:
    assert small_master()._inner.getOptionValue("solver")[1] == "ipx"


def test_any_solution_is_looked_for_only_without_one() -> None:
    master = small_master()
    for start, jump in ((None, True), (np.array([1.0, 2.0, 0.0]), False), (None, True)):
        assert master.whole(0.0, np.inf, start, None)[0] == 0.0
        assert master._mip.getOptionValue("mip_heuristic_run_feasibility_jump")[1] == jump


def test_a_plan_funds_what_its_whole_numbers_need_and_not_a_little_of_everything() -> None:
    """Beside the best continuous decisions with the same whole numbers, which one LP of the whole matrix finds."""
    matrix, options = compile_matrix(build(synthetic(8, 3, 24))), highs.Options(gap=5e-3, threads=1)
    answer = by_blocks(matrix, options)
    best = highs.fix_and_polish(matrix, answer, options)
    assert answer.x is not None and best.x is not None
    assert answer.objective <= best.objective * (1 + POLISHED * options.gap + 1e-6)
    funded = np.concatenate([matrix.names["build"], matrix.names["build_energy"]])
    assert np.sum(answer.x[funded] > 1e-6) <= 1.2 * np.sum(best.x[funded] > 1e-6)


def test_what_a_block_has_no_answer_to_in_the_end_costs_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    polish = rounds._polish

    def no_answer(*_: object) -> bool:
        raise BlockError(0, proven=False)

    def without_answers(search: rounds._Search, state: rounds.State) -> None:
        monkeypatch.setattr(rounds._Search, "tried", no_answer)
        polish(search, state)

    monkeypatch.setattr(rounds, "_polish", without_answers)
    answer = by_blocks(matrix_of("two regions"), highs.Options(gap=5e-2, threads=1))
    assert answer.x is not None and answer.status == "within gap"


def two_networks(limit: float) -> Matrix:
    """Whole y0, y1 <= 3 at 5 and 4 M$; block i pays 3 for each of its 4 units that y_i does not serve, and at least
    ``limit`` of x0 + x1 (served by y) over both is asked for by a row that is divided."""
    # columns y0 y1 x0 x1 (served) u0 u1 (bought)
    a = np.array(
        [
            [-2, 0, 1, 0, 0, 0],  # x0 <= 2 y0
            [0, -2, 0, 1, 0, 0],
            [0, 0, 1, 0, 1, 0],  # x0 + u0 = 4
            [0, 0, 0, 1, 0, 1],
            [0, 0, 1, 1, 0, 0],  # x0 + x1 >= limit
        ],
        float,
    )
    return Matrix(
        a=sparse.csc_array(a),
        row_lower=np.array([-np.inf, -np.inf, 4, 4, limit]),
        row_upper=np.array([0, 0, 4, 4, np.inf]),
        row_names=[("a", 0), ("a", 1), ("b", 0), ("b", 1), ("clean_energy_matches_load", 0)],
        cost_rows=sparse.csr_array(np.array([[5.0, 4.0, 0, 0, 3, 3]])),
        cost_offset=np.array([1.0]),
        cost_keys=[("all", "", 0)],
        lower=np.zeros(6),
        upper=np.array([3.0, 3.0, 10, 10, 10, 10]),
        integer=np.array([True, True, False, False, False, False]),
        names={"build": np.array([0, 1]), "x": np.array([2, 3]), "u": np.array([4, 5])},
        keys={"build": [(0,), (1,)], "x": [(0,), (1,)], "u": [(0,), (1,)]},
    )


@pytest.mark.parametrize(
    ("limit", "cost"),
    [
        (0, 1 + 2 * 5 + 2 * 4),  # a unit of y serves 2 at 6: both are worth it
        (8, 1 + 2 * 5 + 2 * 4),  # and then all 8 are served
    ],
)
def test_two_networks_by_hand(limit: float, cost: float) -> None:
    matrix = two_networks(limit)
    assert len(benders.split(matrix, small=0).blocks) == 2
    assert len(benders.split(matrix).blocks) == 1
    assert by_blocks(matrix).objective == pytest.approx(cost)


def test_a_divided_row_binds_both_networks() -> None:
    """Buying at 1 is cheaper than y, but 6 of the 8 units must be served: three y, of the cheaper kind as far as 4 go:
    2 x 4 + 5, and 2 bought at 1."""
    matrix = two_networks(6)
    cheap = dataclasses.replace(matrix, cost_rows=sparse.csr_array(np.array([[5.0, 4.0, 0, 0, 1, 1]])))
    assert by_blocks(cheap).objective == pytest.approx(1 + 2 * 4 + 5 + 2)


def test_blocks_that_cannot_operate_at_first() -> None:
    """Buying 1 at most: each network needs 3 served, so two y each, whatever they cost."""
    matrix = two_networks(0)
    upper = matrix.upper.copy()
    upper[4:] = 1.0
    dear = dataclasses.replace(matrix, upper=upper, cost_rows=sparse.csr_array(np.array([[50.0, 40.0, 0, 0, 3, 3]])))
    assert by_blocks(dear).objective == pytest.approx(1 + 2 * 50 + 2 * 40)


def test_no_plan_is_told_as_one() -> None:
    matrix = two_networks(9)
    assert by_blocks(matrix).status == "infeasible"
    upper = matrix.upper.copy()
    upper[2:] = 1.0
    with pytest.raises(benders.BlockError):
        by_blocks(dataclasses.replace(two_networks(0), upper=upper))
    with pytest.raises(Infeasible, match="explain"):
        solve(toy(plant("gas", max_blocks=9), site={"existing_poi_mw": 0.0}), method="benders")


CAPITAL, DEMAND = "technologies.*.capex_usd_per_kw*=1.1", "compute_demand.*.it_mw*=0.95"
INTEREST, UPKEEP = "finance.discount_rate+=0.01", "technologies.*.fixed_om_usd_per_kw_year*=1.3"
SERVED, RISE = "sites.*.availability_target=0.97", "customer_classes.*.*.rate_tolerance_share=0.01"
#: What is asked one after the other of each case, the case as it is before and after: each change of two cases or more.
CHANGES = {
    "one region": (CAPITAL, DEMAND, INTEREST, UPKEEP, SERVED, RISE),
    "two regions": (CAPITAL, DEMAND, UPKEEP, RISE),
    "three years": (DEMAND, INTEREST, SERVED),
}


@pytest.mark.parametrize("name", CASES)
def test_from_what_earlier_searches_left_the_optimum_is_the_same(name: str) -> None:
    memory = benders.Memory()
    for change in ((), *((text,) for text in CHANGES[name]), ()):
        matrix, cold = matrix_of(name, *change), alone(name, *change)
        parts = benders.split(matrix, small=0)
        warm = benders.search_matrix(matrix, parts, CLOSE, highs.Interrupt(), memory=memory)
        assert warm.status in ("optimal", "within gap"), change
        assert warm.bound <= cold.objective * (1 + 1e-6), change
        assert cold.bound <= warm.objective * (1 + 1e-6), change
        assert warm.objective == pytest.approx(cold.objective, rel=1e-3), change


def test_cuts_are_kept_of_blocks_that_stay_as_they_are() -> None:
    matrix, memory = matrix_of("one region"), benders.Memory()
    parts = benders.split(matrix, small=0)
    benders.search_matrix(matrix, parts, TIGHT, highs.Interrupt(), memory=memory)
    anchor = memory.fitting(parts.master, parts.blocks)
    assert anchor is not None and anchor.record.cuts
    assert not anchor.changed(parts.blocks)
    dearer = dataclasses.replace(parts.blocks[0].program, cost=parts.blocks[0].program.cost + 1.0)
    changed = dataclasses.replace(parts.blocks[0], program=dearer)
    assert anchor.changed((changed, *parts.blocks[1:])) == [0]
    other = benders.split(matrix_of("three years"), small=0)
    assert memory.fitting(other.master, other.blocks) is None


def test_an_answer_does_not_depend_on_those_in_between() -> None:
    answers = []
    for between in ((), ("compute_demand.*.it_mw*=0.9",), ("finance.discount_rate+=0.02",)):
        memory = benders.Memory()
        for change in ((), between, (CAPITAL,)):
            matrix = matrix_of("one region", *change)
            parts = benders.split(matrix, small=0)
            answer = benders.search_matrix(matrix, parts, TIGHT, highs.Interrupt(), memory=memory)
        answers.append(answer.x)
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])


def test_a_recalled_plan_is_rounded_for_only_where_it_is_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    rounded = rounds.rounded

    def seen(*given: Any) -> np.ndarray | None:
        asked.append(True)
        return rounded(*given)

    monkeypatch.setattr(rounds, "rounded", seen)
    memory, options = benders.Memory(), dataclasses.replace(TIGHT, gap=2e-3)
    for change, needed in (((), True), ((UPKEEP,), False), (("compute_demand.*.it_mw*=0.7",), True)):
        asked.clear()
        matrix = matrix_of("one region", *change)
        benders.search_matrix(matrix, benders.split(matrix, small=0), options, highs.Interrupt(), memory=memory)
        assert bool(asked) == needed, change
    parts = benders.split(matrix_of("one region"), small=0)
    with LocalBlocks(parts.blocks, 1).at_work() as blocks:
        first = rounds.search(parts.master, blocks, options, highs.Interrupt())
        asked.clear()
        known = rounds.Known(blocks.floors(), start=first.decisions)
        rounds.search(parts.master, blocks, options, highs.Interrupt(), known=known)
    assert asked  # what another aim began with is not recalled


def test_memory_of_another_problem_does_no_harm(small: Instance) -> None:
    memory, regions = benders.Memory(), CASES["two regions"]()
    least = [solve(instance, gap=1e-3).objective_usd for instance in (regions, small)]
    for instance, cost in ((regions, least[0]), (small, least[1]), (regions, least[0])):
        plan = solve(instance, gap=1e-3, memory=memory, method="benders")
        assert plan.objective_usd == pytest.approx(cost, rel=2e-3)


def test_no_plan_in_between_is_told_and_forgotten(small: Instance) -> None:
    memory = benders.Memory()
    before = solve(small, gap=1e-3, memory=memory, method="benders")
    impossible = apply_overrides(small, ["compute_demand.*.it_mw*=50"])
    with pytest.raises(Infeasible):
        solve(impossible, gap=1e-3, memory=memory, method="benders")
    after = solve(small, gap=1e-3, memory=memory, method="benders")
    assert after.objective_usd == pytest.approx(before.objective_usd, rel=2e-3)


def test_workers_and_repetition_change_nothing() -> None:
    matrix = compile_matrix(build(synthetic(4, 2, 12, periods=1)))
    options = highs.Options(gap=1e-3, threads=1)
    first, again, alone = (by_blocks(matrix, options, workers) for workers in (2, 2, 1))
    assert first.x is not None and again.x is not None and alone.x is not None
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.x, alone.x)


def test_a_time_limit_ends_the_search() -> None:
    matrix = compile_matrix(build(synthetic(8, 3, 24)))
    answer = by_blocks(matrix, highs.Options(gap=0.0, threads=1, time_limit=1.0))
    assert answer.status in ("feasible at time limit", "no incumbent")
