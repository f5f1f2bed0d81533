r"""The master: funding decisions y, and for each block a variable theta_b for its cost, held up by the cuts.

bound:   min  c y + sum_b theta_b                       over the cuts: no plan costs less
centre:  any inner point with  c y + sum_b theta_b <= level, from an interior-point method that stops before it
         reaches a vertex: decisions there are balanced, where a vertex is extreme (level-set regularisation as in
         Pecci and Jenkins, IEEE Transactions on Power Systems, 2025)
"""

from __future__ import annotations

from collections.abc import Iterable

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.block import Cut
from optimizer.benders.split import Split
from optimizer.highs import Program


class Master:
    """Decisions and cuts: as an LP for its bound, as an LP for inner points, and as a MILP."""

    def __init__(self, parts: Split, floors: np.ndarray, options: highs.Options, interrupt: highs.Interrupt) -> None:
        self.parts, self.width = parts, len(parts.master.cost)
        program = _with_costs_of_blocks(parts.master, floors)
        self._lp = highs.hand_off_program(program, highs.Options(threads=options.threads))
        self._inner = highs.hand_off_program(_aimless(program), highs.Options(threads=options.threads))
        self._inner.setOptionValue("solver", "ipm")
        self._inner.setOptionValue("run_crossover", "off")
        integer = np.append(parts.integer, np.zeros(len(floors), bool))
        self._mip = highs.hand_off_program(program, options, integer)
        self._enough = np.inf
        highs.watch(self._mip, interrupt)
        self._mip.cbMipInterrupt.subscribe(self._stop_at_enough)

    def add(self, cuts: Iterable[Cut]) -> None:
        """Hold the costs of blocks up, or forbid decisions that leave one without operation."""
        for cut in cuts:
            index = np.append(cut.decisions, self.width + cut.block) if cut.possible else cut.decisions
            value = np.append(cut.slope, -1.0) if cut.possible else cut.slope
            kept = np.abs(value) > 1e-9
            index, value = index[kept].astype(np.int32), value[kept]
            for solver in (self._lp, self._inner, self._mip):
                solver.addRow(-np.inf, -cut.constant, len(index), index, value)

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
        index = np.flatnonzero(self.parts.integer).astype(np.int32)
        lower, upper = self.parts.master.lower[index], self.parts.master.upper[index]
        fixed = np.clip(whole, lower, upper)
        self._lp.changeColsBounds(len(index), index, fixed, fixed)
        self._lp.run()
        optimal = self._lp.getModelStatus() == highspy.HighsModelStatus.kOptimal
        found = (float(self._lp.getInfo().objective_function_value), self._decisions(self._lp))
        self._lp.changeColsBounds(len(index), index, lower, upper)
        return found if optimal else (np.inf, None)

    def centre(self, level: float) -> np.ndarray | None:
        """Decisions inside the set of those that the cuts allow to cost at most ``level``; None if none were found."""
        self._inner.changeRowBounds(self.parts.master.a.shape[0], -np.inf, level)
        self._inner.run()
        if self._inner.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return self._decisions(self._inner)

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
        self._enough = enough
        self._mip.setOptionValue("mip_rel_gap", gap)
        if time_limit is not None:
            self._mip.setOptionValue("time_limit", self._mip.getRunTime() + time_limit)
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
        return np.asarray(solver.getSolution().col_value)[: self.width]


def _with_costs_of_blocks(master: Program, floors: np.ndarray) -> Program:
    """The master with a column for each block's cost, and a last row for the whole cost, without a limit yet."""
    count, height = len(floors), master.a.shape[0]
    cost = np.concatenate([master.cost, np.ones(count)])
    rows = sparse.hstack([master.a, sparse.csc_array((height, count))])
    return Program(
        sparse.csc_array(sparse.vstack([rows, cost[None, :]])),
        np.append(master.row_lower, -np.inf),
        np.append(master.row_upper, np.inf),
        cost,
        np.concatenate([master.lower, floors]),
        np.concatenate([master.upper, np.full(count, np.inf)]),
    )


def _aimless(program: Program) -> Program:
    return Program(
        program.a, program.row_lower, program.row_upper, np.zeros(len(program.cost)), program.lower, program.upper
    )
