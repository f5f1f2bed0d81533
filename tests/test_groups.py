"""Groups of decisions on their own: a bound between those of the LP and of the MILP, and plans as good as any."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from optimizer import apply_overrides, benders, highs
from optimizer.benders import rounds
from optimizer.benders.block import Cut, cut_rows
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.groups import Groups
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


def milp(matrix: Matrix, cuts: list[Cut], floors: np.ndarray, costs: np.ndarray) -> tuple[float, float]:
    """Least cost of the master over the cuts as an LP, and the bound of it as a MILP."""
    lower = matrix.lower.copy()
    lower[costs] = floors
    program = Program(
        sparse.csc_array(sparse.vstack([matrix.a, cut_rows(cuts, matrix.a.shape[1])])),
        np.concatenate([matrix.row_lower, np.full(len(cuts), -np.inf)]),
        np.concatenate([matrix.row_upper, [-cut.constant for cut in cuts]]),
        matrix.objective, lower, matrix.upper, float(matrix.cost_offset.sum()),
    )  # fmt: skip
    solvers = [highs.hand_off_program(program, CLOSE, integer) for integer in (None, matrix.integer)]
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


def test_few_groups_are_left_to_the_whole_master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Groups, "solve", None)
    matrix = matrix_of({}, [])
    answer = benders.search_matrix(matrix, benders.split(matrix), OPTIONS, highs.Interrupt())
    assert answer.status in ("optimal", "within gap")
