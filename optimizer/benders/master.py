r"""The master: funding decisions, and for each block a variable theta_b for its cost, held up by the cuts (y: both).

bound:   min  c y                        over the cuts: no plan costs less
centre:  any inner point with  c y <= level, from an interior-point method that stops before it
         reaches a vertex: decisions there are balanced, where a vertex is extreme (level-set regularisation as in
         Pecci and Jenkins, IEEE Transactions on Power Systems, 2025)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.block import Cut, cut_rows
from optimizer.highs import Program
from optimizer.model.matrix import Matrix

#: An inner point takes some 30 iterations; where there is none, the method may go on without end.
INNER_ITERATIONS = 200
#: Decisions up to this are none, MW.
NOTHING = 1e-7


class Master:
    """Decisions and cuts: as an LP for its bound, as an LP for inner points, and as a MILP.

    Parameters
    ----------
    matrix
        Decisions and, as columns that cost what the blocks cost, their operation.
    costs
        Columns of the blocks' costs.
    floors
        What each block costs at the least, M$; -inf if that is not known.
    options
        Gap, threads and time limit.
    interrupt
        Ends the search.
    margin
        Upper limits of the rows that completions keep, where these are tighter than the matrix's own: cuts promise
        costs that operation does not quite reach.
    """

    def __init__(
        self,
        matrix: Matrix,
        costs: np.ndarray,
        floors: np.ndarray,
        options: highs.Options,
        interrupt: highs.Interrupt,
        margin: np.ndarray | None = None,
    ) -> None:
        self.offset = float(matrix.cost_offset.sum())
        self.integer = np.flatnonzero(matrix.integer).astype(np.int32)
        self._costs = costs.astype(np.int32)
        self._lower, self._upper = matrix.lower, matrix.upper
        self._fundable = np.setdiff1d(np.flatnonzero(~matrix.integer & (matrix.lower == 0)), costs).astype(np.int32)
        self._row_lower, self._row_upper = matrix.row_lower, matrix.row_upper
        self._margin = matrix.row_upper if margin is None else margin
        self._whole_cost, self._width = matrix.a.shape
        program = _with_whole_cost(matrix, costs, floors)
        self._lp = highs.hand_off_program(program, highs.Options(threads=options.threads))
        self._inner = highs.hand_off_program(_aimless(program), highs.Options(threads=options.threads))
        # not "ipm", which is HiPO where highspy-extras is there: three times as slow on masters
        self._inner.setOptionValue("solver", "ipx")
        self._inner.setOptionValue("run_crossover", "off")
        self._inner.setOptionValue("ipm_iteration_limit", INNER_ITERATIONS)
        self._inner.setOptionValue("presolve", "off")  # it puts on their bounds columns that nothing holds there
        self._mip = highs.hand_off_program(program, options, matrix.integer)
        self._enough = np.inf
        highs.watch(self._mip, interrupt)
        self._mip.cbMipInterrupt.subscribe(self._stop_at_enough)

    def add(self, cuts: Sequence[Cut]) -> None:
        """Hold the costs of blocks up, or forbid decisions that leave one without operation."""
        if not cuts:
            return
        rows = cut_rows(cuts, self._width)
        lower, upper = np.full(len(cuts), -np.inf), np.array([-cut.constant for cut in cuts])
        entries = rows.nnz, rows.indptr.astype(np.int32), rows.indices.astype(np.int32), rows.data
        for solver in (self._lp, self._inner, self._mip):
            solver.addRows(len(cuts), lower, upper, *entries)

    def hold_up(self, floors: np.ndarray) -> None:
        """Set floors of the blocks' costs that were not known at first."""
        for solver in (self._lp, self._inner, self._mip):
            solver.changeColsBounds(len(floors), self._costs, floors, np.full(len(floors), np.inf))

    def relaxed(self) -> tuple[float, np.ndarray | None]:
        """Bound and decisions of the LP: infinite where it has no solution, no decisions where it has no bound."""
        self._lp.run()
        model = self._lp.getModelStatus()
        if model == highspy.HighsModelStatus.kOptimal:
            return float(self._lp.getInfo().objective_function_value), self._decisions(self._lp)
        if model == highspy.HighsModelStatus.kInfeasible:
            return np.inf, None
        self._lp.clearSolver()
        return -np.inf, None

    def completed(self, whole: np.ndarray) -> tuple[float, np.ndarray | None]:
        """Bound and decisions of the LP with these whole numbers: infinite and none if the master allows none."""
        with self._held(self._lp, self.integer, whole):
            self._limit_rows(self._margin)
            self._lp.run()
            optimal = self._lp.getModelStatus() == highspy.HighsModelStatus.kOptimal
            found = (float(self._lp.getInfo().objective_function_value), self._decisions(self._lp))
            self._limit_rows(self._row_upper)
        return found if optimal else (np.inf, None)

    @contextmanager
    def _held(self, solver: highspy.Highs, index: np.ndarray, values: np.ndarray) -> Iterator[None]:
        """While columns are fixed at values in a solver."""
        lower, upper = self._lower[index], self._upper[index]
        fixed = np.clip(values, lower, upper)
        solver.changeColsBounds(len(index), index, fixed, fixed)
        try:
            yield
        finally:
            solver.changeColsBounds(len(index), index, lower, upper)

    def _limit_rows(self, upper: np.ndarray) -> None:
        """Rows with a margin up to these limits."""
        for row in np.flatnonzero(self._margin < self._row_upper):
            self._lp.changeRowBounds(int(row), self._row_lower[row], upper[row])

    def centre(self, level: float, vertex: np.ndarray | None = None, sparing: bool = True) -> np.ndarray | None:
        """Decisions inside the set of those that the cuts allow to cost at most ``level``; None if none were found.

        Parameters
        ----------
        level
            M$.
        vertex
            Decisions whose whole numbers to keep, if any.
        sparing
            Keep their zeros too: an inner point funds a little of everything, a vertex only what it needs.
        """
        held, values = np.zeros(0, np.int32), np.zeros(0)
        if vertex is not None:
            nothing = self._fundable[(np.abs(vertex[self._fundable]) <= NOTHING) & sparing]
            held = np.concatenate([self.integer, nothing])
            values = np.concatenate([vertex[self.integer], np.zeros(len(nothing))])
        self._inner.changeRowBounds(self._whole_cost, -np.inf, level)
        with self._held(self._inner, held, values):
            self._inner.run()
            found = self._inner.getModelStatus() == highspy.HighsModelStatus.kOptimal
            return self._decisions(self._inner) if found else None

    def whole(
        self, gap: float, enough: float, start: np.ndarray | None, time_limit: float | None
    ) -> tuple[float, np.ndarray | None]:
        """Bound and decisions of the MILP: infinite where it has no solution, no decisions where none were found.

        Parameters
        ----------
        gap
            Relative gap to stop at.
        enough
            Bound to stop at, which proves the plan that is known.
        start
            Decisions and costs of blocks to begin with.
        time_limit
            Seconds; None for no limit.
        """
        if not len(self.integer):
            return self.relaxed()
        self._enough = enough
        self._mip.setOptionValue("mip_rel_gap", gap)
        if time_limit is not None:
            self._mip.setOptionValue("time_limit", self._mip.getRunTime() + time_limit)
        # it looks for any solution, which a start is already: a tenth of the time of MILPs of a small portfolio
        self._mip.setOptionValue("mip_heuristic_run_feasibility_jump", start is None)
        if start is not None:
            highs.set_start(self._mip, start)
        self._mip.run()
        if self._mip.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
            return np.inf, None
        info = self._mip.getInfo()
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        return float(info.mip_dual_bound), self._decisions(self._mip) if found else None

    def _stop_at_enough(self, event: highspy.HighsCallbackEvent) -> None:
        if event.data_out.mip_dual_bound >= self._enough:
            event.interrupt()

    def _decisions(self, solver: highspy.Highs) -> np.ndarray:
        return np.asarray(solver.getSolution().col_value)


def with_cuts(matrix: Matrix, costs: np.ndarray, floors: np.ndarray, cuts: Sequence[Cut]) -> Matrix:
    """The master with the floors of the blocks' costs, and cuts as its last rows, which have no names."""
    lower = matrix.lower.copy()
    lower[costs] = floors
    return dataclasses.replace(
        matrix,
        a=sparse.csc_array(sparse.vstack([matrix.a, cut_rows(cuts, matrix.a.shape[1])])),
        row_lower=np.concatenate([matrix.row_lower, np.full(len(cuts), -np.inf)]),
        row_upper=np.concatenate([matrix.row_upper, [-cut.constant for cut in cuts]]),
        lower=lower,
    )


def _with_whole_cost(matrix: Matrix, costs: np.ndarray, floors: np.ndarray) -> Program:
    """The master with the floors of the blocks' costs, and a last row for the whole cost, without a limit yet.

    The constant of the cost is left out.
    """
    cost, lower = matrix.objective, matrix.lower.copy()
    lower[costs] = floors
    return Program(
        sparse.csc_array(sparse.vstack([matrix.a, cost[None, :]])),
        np.append(matrix.row_lower, -np.inf),
        np.append(matrix.row_upper, np.inf),
        cost,
        lower,
        matrix.upper,
    )


def _aimless(program: Program) -> Program:
    return Program(
        program.a, program.row_lower, program.row_upper, np.zeros(len(program.cost)), program.lower, program.upper
    )
