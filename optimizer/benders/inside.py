"""Inner points of the master: decisions inside the set of those that the cuts allow to cost at most a level.

They come from an interior-point method that has no aim and so stops before it reaches a vertex. Its time grows with the
cuts, of which the LP of the master soon needs few: those that it has not needed for some rounds are left out, and a
point that breaks one of them is found anew with it.
"""

from __future__ import annotations

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.highs import Program

#: An inner point takes some 30 iterations; where there is none, the method may go on without end.
ITERATIONS = 200
#: Cuts that so many LPs of the master in a row did not need are left out.
IDLE = 10
#: Duals up to this are none.
NO_DUAL = 1e-9
#: Cuts may be broken by this, relative to their limits.
BROKEN = 1e-6
#: Points looked for, before one that breaks a cut is taken: it costs a round that tells little.
TRIES = 3


class Inside:
    """Inner points of a program whose last row is its whole cost, and of the cuts that are added.

    Attributes
    ----------
    solver
        To change bounds of columns in.
    """

    def __init__(self, program: Program, threads: int | None) -> None:
        self.solver = highs.hand_off_program(_aimless(program), highs.Options(threads=threads))
        # not "ipm", which is HiPO where highspy-extras is there: three times as slow on masters
        self.solver.setOptionValue("solver", "ipx")
        self.solver.setOptionValue("run_crossover", "off")
        self.solver.setOptionValue("ipm_iteration_limit", ITERATIONS)
        self.solver.setOptionValue("presolve", "off")  # it puts on their bounds columns that nothing holds there
        self._own, width = program.a.shape
        self._rows, self._upper = sparse.csr_array((0, width)), np.zeros(0)
        self._idle = np.zeros(0, int)
        self._taken = np.zeros(0, bool)

    def add(self, rows: sparse.csr_array, upper: np.ndarray) -> None:
        """Add cuts."""
        self._rows = sparse.csr_array(sparse.vstack([self._rows, rows]))
        self._upper = np.concatenate([self._upper, upper])
        self._idle = np.concatenate([self._idle, np.zeros(len(upper), int)])

    def learn(self, lp: highspy.Highs) -> None:
        """Which cuts the LP of the master needed; it was solved, and has the same rows and all cuts."""
        duals = np.asarray(lp.getSolution().row_dual)[self._own :]
        self._idle = np.where(np.abs(duals) > NO_DUAL, 0, self._idle + 1)

    def point(self, level: float) -> np.ndarray | None:
        """Columns that the cuts allow to cost at most ``level``, M$; None if none were found."""
        self.solver.changeRowBounds(self._own - 1, -np.inf, level)
        for _ in range(TRIES):
            self._take(self._idle < IDLE)
            self.solver.run()
            if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return None
            x = np.asarray(self.solver.getSolution().col_value)
            broken = self._rows @ x > self._upper + BROKEN * np.maximum(1.0, np.abs(self._upper))
            if not np.any(broken & ~self._taken):
                break
            self._idle[broken] = 0
        return x

    def _take(self, wanted: np.ndarray) -> None:
        """Have these cuts in the solver, and no others."""
        if np.array_equal(wanted, self._taken):
            return
        last = np.arange(self._own, self.solver.getNumRow(), dtype=np.int32)
        self.solver.deleteRows(len(last), last)
        add_rows(self.solver, self._rows[wanted], self._upper[wanted])
        self._taken = wanted


def add_rows(solver: highspy.Highs, rows: sparse.csr_array, upper: np.ndarray) -> None:
    """Add rows with upper limits only."""
    entries = rows.nnz, rows.indptr.astype(np.int32), rows.indices.astype(np.int32), rows.data
    solver.addRows(len(upper), np.full(len(upper), -np.inf), upper, *entries)


def _aimless(program: Program) -> Program:
    return Program(
        program.a, program.row_lower, program.row_upper, np.zeros(len(program.cost)), program.lower, program.upper
    )
