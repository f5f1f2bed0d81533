"""Groups of decisions on their own: a bound between those of the LP and of the MILP, and plans as good as any."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from optimizer import apply_overrides, benders, highs
from optimizer.benders import rounds
from optimizer.benders.block import Cut, cut_rows
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.groups import PORTFOLIO, Groups
from optimizer.highs import Program
from optimizer.instance import make_instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.schema import TABLES
from optimizer.synthetic import synthetic

OPTIONS = highs.Options(gap=5e-3, threads=1)
CLOSE = dataclasses.replace(OPTIONS, gap=1e-6)
CASES: dict[str, tuple[dict[str, float], list[str]]] = {
    "as it is": ({}, []),
    "a clean share and a cap": ({"clean_share_annual": 0.1, "co2_cap_t": 2e7}, []),
    "a small budget": ({}, ["budgets.portfolio.*.max_capex_usd*=0.3"]),
}


def two(own_need: float = 5.0, name: str = "compute_demand_met") -> Matrix:
    """Whole y0 at 7 and y1 at 8 M$, 10 MW each: 12 MW together, ``own_need`` of them by y1; 1 M$ in any case."""
    return Matrix(
        a=sparse.csc_array(np.array([[10.0, 10.0], [0.0, 10.0]])),
        row_lower=np.array([12.0, own_need]),
        row_upper=np.array([np.inf, own_need if own_need == 15.0 else np.inf]),
        row_names=[(name, 0), ("a", 0)],
        cost_rows=sparse.csr_array(np.array([[7.0, 8.0]])),
        cost_offset=np.ones(1),
        cost_keys=[("all", "", 0)],
        lower=np.zeros(2),
        upper=np.array([3.0, 3.0]),
        integer=np.array([True, True]),
        names={"build": np.arange(2)},
        keys={"build": [(0,), (1,)]},
    )


def solved(groups: Groups, workers: int = 2) -> tuple[float, np.ndarray | None]:
    return groups.solve(np.zeros(0), CLOSE, highs.Interrupt(), workers)


def test_two_groups_by_hand() -> None:
    """The LP builds 0.7 and 0.5, so a MW costs 0.7 M$: it pays for 8.4, y1 costs 1 more than it is paid and must be
    built, y0 just what it is paid. The LP itself is at 1 + 0.7 x 7 + 0.5 x 8."""
    groups = Groups(two(), np.zeros(0, int), [])
    bound, decisions = solved(groups)
    assert len(groups) == 2
    assert bound == pytest.approx(1 + 8.4 + 1)
    assert bound > 1 + 0.7 * 7 + 0.5 * 8 + 0.4
    assert decisions is not None and decisions[1] == pytest.approx(1)


def test_what_is_not_of_the_portfolio_joins_groups() -> None:
    groups = Groups(two(name="another"), np.zeros(0, int), [])
    bound, decisions = solved(groups)
    assert len(groups) == 1
    assert bound == pytest.approx(1 + 7 + 8)
    assert decisions == pytest.approx([1, 1])


def test_whole_numbers_that_a_group_does_not_have_are_told() -> None:
    """One and a half of y1: the LP has that, the group has not."""
    assert solved(Groups(two(own_need=15.0), np.zeros(0, int), [])) == (np.inf, None)


def test_a_stored_zero_is_no_entry() -> None:
    stored = sparse.csc_array((np.array([10.0, 0.0, 10.0, 10.0]), np.array([0, 1, 0, 1]), np.array([0, 2, 4])))
    assert stored.nnz == 4
    groups = Groups(dataclasses.replace(two(), a=stored), np.zeros(0, int), [])
    assert len(groups) == 2
    assert solved(groups)[0] == pytest.approx(1 + 8.4 + 1)


def hard(count: int = 12, size: int = 60) -> Matrix:
    """Groups that each take a MILP long."""
    rng = np.random.default_rng(1)
    own = sparse.block_diag([rng.integers(1, 100, (20, size)) for _ in range(count)])
    width = count * size
    return Matrix(
        a=sparse.csc_array(sparse.vstack([own, sparse.csr_array(np.ones((1, width)))])),
        row_lower=np.append(np.full(20 * count, 1500.0), 0.55 * width),
        row_upper=np.full(20 * count + 1, np.inf),
        row_names=[*(("own", row) for row in range(20 * count)), ("compute_demand_met", 0)],
        cost_rows=sparse.csr_array(rng.integers(50, 100, (1, width)).astype(float)),
        cost_offset=np.zeros(1),
        cost_keys=[("all", "", 0)],
        lower=np.zeros(width),
        upper=np.ones(width),
        integer=np.ones(width, bool),
        names={"build": np.arange(width)},
        keys={"build": [(column,) for column in range(width)]},
    )


def test_the_time_limit_is_that_of_all_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    hand_off = highs.hand_off_program

    def told(program: Program, options: highs.Options, *rest: Any) -> Any:
        given.append(options.time_limit or 0.0)
        return hand_off(program, options, *rest)

    monkeypatch.setattr(highs, "hand_off_program", told)
    groups = Groups(hard(), np.zeros(0, int), [])
    groups.solve(np.zeros(0), dataclasses.replace(CLOSE, time_limit=1.0), highs.Interrupt(), 2)
    assert len(given) == 1 + 12
    assert given[0] == 1.0
    assert given[-1] < 0.5  # ten were before it, two at a time


def test_what_a_group_was_stopped_at_is_its_bound_and_not_what_its_best_decisions_cost() -> None:
    matrix = hard(count=2)
    options = dataclasses.replace(CLOSE, time_limit=3.0)
    bound, decisions = Groups(matrix, np.zeros(0, int), []).solve(np.zeros(0), options, highs.Interrupt(), 2)
    assert decisions is not None
    relaxed, _ = milp(matrix, [], np.zeros(0), np.zeros(0, int), time_limit=1.0)
    assert relaxed <= bound < matrix.objective @ decisions - 1


def test_a_request_to_stop_leaves_no_bound() -> None:
    stopped = highs.Interrupt(asked=True)
    assert Groups(hard(), np.zeros(0, int), []).solve(np.zeros(0), CLOSE, stopped, 2) == (-np.inf, None)


def drawn(seed: int) -> Matrix:
    """Up to three groups, rows of every kind that a known point keeps, some of the portfolio and some not."""
    rng = np.random.default_rng(seed)
    width, names = 9, [*sorted(PORTFOLIO), "own"]
    known = rng.integers(0, 4, width)
    rows, lower, upper, row_names = [], [], [], []
    for _ in range(8):
        name = str(rng.choice(names, p=[0.08] * len(PORTFOLIO) + [1 - 0.08 * len(PORTFOLIO)]))
        group = 3 * rng.integers(0, 3)
        columns = np.arange(group, group + 3) if name == "own" else np.flatnonzero(rng.random(width) < 0.7)
        row = np.zeros(width)
        row[columns] = rng.integers(-6, 7, len(columns))
        at, room = row @ known, rng.integers(0, 3, 2)
        kind = rng.integers(0, 3)
        rows.append(row)
        lower.append(-np.inf if kind == 1 else at - room[0])
        upper.append(np.inf if kind == 2 else at + room[1])
        row_names.append((name, len(rows)))
    return Matrix(
        a=sparse.csc_array(np.array(rows)),
        row_lower=np.array(lower, float),
        row_upper=np.array(upper, float),
        row_names=row_names,
        cost_rows=sparse.csr_array(rng.integers(-3, 10, (1, width)).astype(float)),
        cost_offset=np.array([2.0]),
        cost_keys=[("all", "", 0)],
        lower=np.zeros(width),
        upper=np.full(width, 4.0),
        integer=rng.random(width) < 0.6,
        names={"build": np.arange(width)},
        keys={"build": [(column,) for column in range(width)]},
    )


def test_the_bound_of_any_groups_is_between_those_of_the_lp_and_of_the_milp() -> None:
    counts = set()
    for seed in range(100):
        matrix = drawn(seed)
        groups = Groups(matrix, np.zeros(0, int), [])
        relaxed, whole = milp(matrix, [], np.zeros(0), np.zeros(0, int))
        bound, _ = solved(groups)
        assert relaxed - 1e-5 <= bound <= whole + 1e-5, seed
        counts.add(len(groups))
    assert max(counts) >= 3


def test_a_cut_joins_the_decisions_that_it_names_unless_they_are_noise() -> None:
    cut = Cut(0, np.array([0, 1]), 0, np.zeros(2), -1.0, np.array([1e-12, 1e-3]), False, None)
    assert len(Groups(two(), np.zeros(0, int), [cut])) == 2
    joining = dataclasses.replace(cut, slope=np.array([1e-3, 1e-3]))
    assert len(Groups(two(), np.zeros(0, int), [joining])) == 1


def matrix_of(policy: dict[str, float], changes: list[str]) -> Matrix:
    instance = synthetic(9, 2, 6, periods=1)
    tables = {name: instance.rows(name) for name in TABLES}
    last = {"year": instance.manifest.planning_years[-1]}  # sun and wind take a year to build
    instance = make_instance(instance.manifest, tables | {"policy": [last | policy] if policy else []}, instance.hourly)
    return compile_matrix(build(apply_overrides(instance, changes)))


def milp(
    matrix: Matrix, cuts: list[Cut], floors: np.ndarray, costs: np.ndarray, time_limit: float | None = None
) -> tuple[float, float]:
    """Least cost of the master over the cuts as an LP, and as a MILP."""
    lower = matrix.lower.copy()
    lower[costs] = floors
    program = Program(
        sparse.csc_array(sparse.vstack([matrix.a, cut_rows(cuts, matrix.a.shape[1])])),
        np.concatenate([matrix.row_lower, np.full(len(cuts), -np.inf)]),
        np.concatenate([matrix.row_upper, [-cut.constant for cut in cuts]]),
        matrix.objective, lower, matrix.upper, float(matrix.cost_offset.sum()),
    )  # fmt: skip
    solvers = [
        highs.hand_off_program(program, dataclasses.replace(CLOSE, time_limit=time_limit), integer)
        for integer in (None, matrix.integer)
    ]
    for solver in solvers:
        solver.run()
    return solvers[0].getInfo().objective_function_value, solvers[1].getInfo().objective_function_value


@pytest.mark.parametrize("name", CASES)
def test_the_bound_is_between_those_of_the_lp_and_of_the_milp(name: str) -> None:
    parts = benders.split(matrix_of(*CASES[name]), small=0)
    with LocalBlocks(parts.blocks, 2).at_work() as blocks:
        known = rounds.close_relaxation(parts.master, blocks, OPTIONS, highs.Interrupt())
    assert known is not None
    groups = Groups(parts.master, blocks.costs, known.cuts)
    bound, decisions = groups.solve(known.floors, CLOSE, highs.Interrupt(), 2)
    relaxed, whole = milp(parts.master, list(known.cuts), known.floors, blocks.costs)
    assert len(groups) >= 3  # three regions; a circuit that no cut of one names is one more
    assert relaxed * (1 - 1e-6) <= bound <= whole * (1 + 1e-6)
    assert bound > relaxed * (1 + 1e-5)
    assert decisions is not None
    integer = decisions[parts.master.integer]
    assert np.abs(integer - np.round(integer)).max() < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_by_groups_the_plan_is_as_good_as_that_of_the_whole_matrix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    solve = Groups.solve

    def told(self: Groups, *given: object) -> tuple[float, np.ndarray | None]:
        found = solve(self, *given)  # type: ignore[arg-type]
        looked.append(found[0])
        return found

    monkeypatch.setattr(Groups, "solve", told)
    monkeypatch.setattr(rounds, "GROUPS", 2)
    matrix = matrix_of(*CASES[name])
    apart = benders.search_matrix(matrix, benders.split(matrix), OPTIONS, highs.Interrupt(), workers=2)
    together = highs.run(highs.hand_off(matrix, OPTIONS), matrix, highs.Interrupt())
    assert apart.status in ("optimal", "within gap")
    assert apart.bound <= together.objective * (1 + 1e-6)
    assert together.bound <= apart.objective * (1 + 1e-6)
    assert looked and max(looked) <= together.objective * (1 + 1e-6)


def test_no_plan_is_told_as_one_by_groups_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "GROUPS", 2)
    matrix = matrix_of({}, ["budgets.portfolio.*.max_capex_usd*=0.01"])
    answer = benders.search_matrix(matrix, benders.split(matrix), OPTIONS, highs.Interrupt())
    assert answer.status == "infeasible"


def by_groups(changes: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[rounds.State, list[float]]:
    """What is known once groups were solved, and the bounds before and after."""
    monkeypatch.setattr(rounds, "GROUPS", 2)
    seen: list[rounds.State] = []
    bounds: list[float] = []
    found = rounds._by_groups

    def told(search: Any, state: rounds.State, *given: Any) -> bool:
        bounds.append(state.bound)
        answer = found(search, state, *given)
        bounds.append(state.bound)
        seen.append(dataclasses.replace(state))
        return answer

    monkeypatch.setattr(rounds, "_by_groups", told)
    matrix = matrix_of({}, changes)
    benders.search_matrix(matrix, benders.split(matrix), OPTIONS, highs.Interrupt())
    return seen[0], bounds


def test_groups_alone_raise_the_bound_and_find_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    state, (before, after) = by_groups(CASES["a small budget"][1], monkeypatch)
    assert after > before * (1 + 1e-4)
    assert state.decisions is not None


def test_without_a_plan_of_groups_the_relaxation_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rounded: list[bool] = []
    monkeypatch.setattr(rounds, "_complete", lambda *_: None)
    monkeypatch.setattr(rounds, "_rounded", lambda *_: rounded.append(True))
    state, _ = by_groups([], monkeypatch)
    assert state.decisions is None
    assert rounded == [True]


def test_few_groups_are_left_to_the_whole_master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Groups, "solve", None)
    matrix = matrix_of({}, [])
    answer = benders.search_matrix(matrix, benders.split(matrix), OPTIONS, highs.Interrupt())
    assert answer.status in ("optimal", "within gap")
