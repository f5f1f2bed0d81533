r"""Groups of decisions that meet only in rows of the portfolio: once these have prices, each is a MILP of its own.

With b <= A y <= B the rows of the portfolio, p their prices, and Y_g what the other rows and the cuts allow group g:

    min c y  >=  sum_i p_i (b_i where p_i > 0, B_i where p_i < 0)  +  sum_g min { (c - p A)_g y_g : y_g in Y_g }

whatever the prices are (Lagrangian relaxation; Geoffrion, Mathematical Programming Study 2, 1974). They are the duals
of the LP over the same cuts: then the right side is no less than that LP, and more by what whole numbers cost within
the groups. One MILP of all sites grows out of reach where one of each network stays small.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.block import Cut, cut_rows
from optimizer.benders.master import with_cuts
from optimizer.benders.split import DIVIDED, components
from optimizer.highs import Program
from optimizer.model.matrix import Matrix

#: Constraints that sum over networks.
PORTFOLIO = frozenset({
    "compute_demand_met", "open_sites_carry_demand", "capital_cash_spent", "capital_within_budget",
    "emissions_within_cap", *DIVIDED,
})  # fmt: skip
#: What is left of a cost once prices are paid is nothing up to this, M$: HiGHS' own tolerance of duals.
NOTHING = 1e-7


class Groups:
    """The groups of a master.

    Parameters
    ----------
    matrix
        The master.
    costs
        Columns of the blocks' costs.
    cuts
        All to use; they also tell which decisions belong together.
    """

    def __init__(self, matrix: Matrix, costs: np.ndarray, cuts: Sequence[Cut]) -> None:
        self._matrix, self._costs, self._offset = matrix, costs, float(matrix.cost_offset.sum())
        self._cuts = cuts
        shared, label = _groups(matrix, cut_rows(cuts, matrix.a.shape[1]))
        self._shared = np.flatnonzero(shared)
        whole = np.unique(label[matrix.integer])
        rest = np.flatnonzero(~np.isin(label, whole))
        self._count = len(whole)
        self._columns = [*(np.flatnonzero(label == group) for group in whole), *([rest] if len(rest) else [])]

    def __len__(self) -> int:
        """How many have whole numbers to decide; columns that join none of these are not counted."""
        return self._count

    def solve(
        self, floors: np.ndarray, options: highs.Options, interrupt: highs.Interrupt, workers: int
    ) -> tuple[float, np.ndarray | None]:
        """Bound, and decisions of all groups at the prices of the LP: they keep the portfolio's rows only by chance.

        Parameters
        ----------
        floors
            What each block costs at the least, M$; -inf if that is not known.
        options
            The gap that all MILPs may leave open together, and the time limit of all.
        interrupt
            Ends the MILPs.
        workers
            MILPs solved side by side, each by one thread.

        Returns
        -------
        float
            M$, with the constant of the cost, and as true as the cuts are; infinite if there are no decisions, -inf if
            there is no bound, as where a group was stopped at once.
        ndarray or None
            Columns of the master; None if some group was left without decisions.
        """
        started, options = time.perf_counter(), dataclasses.replace(options, threads=None, parallel=False)
        program = Program.of(with_cuts(self._matrix, self._costs, floors, self._cuts))
        relaxed = _run(highs.hand_off_program(program, options), interrupt)
        if relaxed.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return _best(relaxed, False)
        x, duals = np.asarray(relaxed.getSolution().col_value), np.asarray(relaxed.getSolution().row_dual)
        paid, priced = self._priced(program, duals)
        open_each = options.gap * abs(relaxed.getInfo().objective_function_value) / max(len(self), 1)

        def best(columns: np.ndarray) -> tuple[float, np.ndarray | None]:
            part, integer = _part(priced, columns), self._matrix.integer[columns]
            left = options.after(time.perf_counter() - started)
            solver = highs.hand_off_program(part, left, integer if integer.any() else None)
            solver.setOptionValue("mip_rel_gap", 0.0)
            solver.setOptionValue("mip_abs_gap", open_each)
            return _best(_run(solver, interrupt), bool(integer.any()))

        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(best, self._columns))
        bounds = [bound for bound, _ in found]
        bound = np.inf if np.inf in bounds else self._offset + paid + sum(bounds)
        for columns, (_, decisions) in zip(self._columns, found, strict=True):
            if decisions is None:
                return bound, None
            x[columns] = decisions
        return bound, x

    def _priced(self, program: Program, duals: np.ndarray) -> tuple[float, Program]:
        """What the shared rows' prices pay for, M$, and the program with these prices in place of the rows."""
        rows, kept = self._shared, np.setdiff1d(np.arange(len(duals)), self._shared)
        limits = np.where(duals[rows] > 0, program.row_lower[rows], program.row_upper[rows])
        prices = np.where(np.isfinite(limits), duals[rows], 0.0)
        a = sparse.csr_array(program.a)
        paid = prices @ a[rows]
        cost = program.cost - paid
        cost[(np.abs(cost) <= NOTHING) & (paid != 0)] = 0.0
        own = Program(
            sparse.csc_array(a[kept]), program.row_lower[kept], program.row_upper[kept],
            cost, program.lower, program.upper,
        )  # fmt: skip
        return float(prices @ np.where(prices == 0, 0.0, limits)), own


def _part(program: Program, columns: np.ndarray) -> Program:
    """Some columns of a program, and the rows that have any of them."""
    a = sparse.csr_array(program.a[:, columns])
    a.eliminate_zeros()
    rows = np.flatnonzero(np.diff(a.indptr))
    return Program(
        sparse.csc_array(a[rows]), program.row_lower[rows], program.row_upper[rows],
        program.cost[columns], program.lower[columns], program.upper[columns],
    )  # fmt: skip


def _run(solver: highspy.Highs, interrupt: highs.Interrupt) -> highspy.Highs:
    highs.watch(solver, interrupt)
    solver.run()
    return solver


def _best(solver: highspy.Highs, whole: bool) -> tuple[float, np.ndarray | None]:
    """Bound and decisions that a solver came to."""
    model, info = solver.getModelStatus(), solver.getInfo()
    if model == highspy.HighsModelStatus.kInfeasible:
        return np.inf, None
    optimal = model == highspy.HighsModelStatus.kOptimal
    bound = info.mip_dual_bound if whole else (info.objective_function_value if optimal else -np.inf)
    found = optimal or (whole and info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)
    return float(bound), np.asarray(solver.getSolution().col_value) if found else None


def _groups(matrix: Matrix, held: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Which rows several groups with whole numbers share, and the group of every column."""
    rows = sparse.csr_array(matrix.a)
    named = matrix.rows_named(*PORTFOLIO)
    label = components(sparse.csr_array(sparse.vstack([rows[~named], held])))
    of_whole = np.flatnonzero(np.isin(label, label[matrix.integer]))
    group = sparse.csr_array((np.ones(len(of_whole)), (of_whole, label[of_whole])), shape=(len(label), max(label) + 1))
    shared = named & (np.diff(sparse.csr_array((rows != 0) @ group).indptr) > 1)
    return shared, components(sparse.csr_array(sparse.vstack([rows[~shared], held])))
