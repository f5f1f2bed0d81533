r"""One block's LP, kept alive: its cost at given decisions, and a cut that says what it would be at others.

With v(y) the least cost of a block at decisions y, convex and piecewise linear, and r the reduced costs of the
decisions at the optimum for y0:

    v(y) >= v(y0) + r (y - y0)     for every y

Where no operation is possible at y0, the simplex method leaves weights r of the rows A x + T y in [l, u] (a dual ray,
Farkas' proof). Whatever x within its bounds, operation needs

    r T y  >=  sum_i r_i (l_i where r_i > 0, u_i where r_i < 0)  -  max_x r A x

which y0 does not keep. A block that cannot operate twice in a row, but could before, is asked for more proofs on the
way from y0 to decisions at which it could, each where the one before ends; the last is the cut. Where there is none, or
that did not help either, or the weights prove nothing beyond the solver's tolerance, the least distance from y0 to
decisions that allow operation is found, which is convex too; its slope g gives the cut
distance(y0) + g (y - y0) <= 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.simple_rows import Bounds, SimpleRows, basis_of
from optimizer.benders.split import Block
from optimizer.highs import Program

#: Distances below this, in MW and M$, are the solver's own tolerance.
NO_DISTANCE = 1e-6
#: Weights of columns without a limit that are this small a part of the largest are the solver's own tolerance.
NO_WEIGHT = 1e-9
#: Smaller coefficients of cuts are noise.
NEGLIGIBLE = 1e-9
#: Proofs at most on the way to decisions at which a block could operate.
STEPS = 10
#: From the last basis no more than this part of the rows in iterations: presolve and a new start are faster then.
WARM_ITERATIONS = 0.3
UNLIMITED = 2**31 - 1
#: Pricing of the dual simplex in HiGHS' numbers: a little worse than steepest edge, much cheaper after a change.
DEVEX = 1
#: Blocks are solved side by side, each by one thread.
SERIAL = highs.Options(parallel=False)


class BlockError(RuntimeError):
    """A block has no answer.

    Attributes
    ----------
    block
        Its number.
    proven
        True: it cannot operate, whatever is decided. False: its LP could not be solved.
    """

    def __init__(self, block: int, proven: bool) -> None:
        self.block, self.proven = block, proven
        super().__init__(
            f"block {block} cannot operate, whatever is decided" if proven else f"the LP of block {block} has no answer"
        )

    def __reduce__(self) -> tuple[type[BlockError], tuple[int, bool]]:
        return BlockError, (self.block, self.proven)


@dataclass(frozen=True)
class Cut:
    """value + slope @ (y[decisions] - at) is at most y[cost], the cost of the block; at most 0 if not ``possible``.

    Attributes
    ----------
    block
        Number of the block.
    decisions, cost
        Columns of the master.
    at
        Decisions where it was found: those asked for, or some on the way to others at which the block could operate.
    possible
        Can the block operate at the decisions asked for.
    x
        Values of the block's own columns; None if it cannot operate, or if they stayed where they were found.
    """

    block: int
    decisions: np.ndarray
    cost: int
    at: np.ndarray
    value: float
    slope: np.ndarray
    possible: bool
    x: np.ndarray | None

    def at_decisions(self, y: np.ndarray) -> float:
        """Value of the cut at decisions of the block."""
        return self.value + float(self.slope @ (y - self.at))

    @property
    def constant(self) -> float:
        """Value of the cut at decisions of zero."""
        return self.value - float(self.slope @ self.at)


def cut_rows(cuts: Sequence[Cut], width: int) -> sparse.csr_array:
    """Cuts as rows of a master of so many columns; each is at most minus its constant, and noise is left out."""
    columns = [np.append(cut.decisions, cut.cost) if cut.possible else cut.decisions for cut in cuts]
    values = [np.append(cut.slope, -1.0) if cut.possible else cut.slope for cut in cuts]
    first = np.cumsum([0, *map(len, columns)])
    none = np.zeros(0)
    entries = np.concatenate([none, *values]), np.concatenate([none, *columns]).astype(np.int32), first
    rows = sparse.csr_array(entries, shape=(len(cuts), width))
    rows.data[np.abs(rows.data) <= NEGLIGIBLE] = 0.0
    rows.eliminate_zeros()
    return rows


class BlockSolver:
    """The LP of a block, and, once it is needed, the LP of its distance from decisions that allow operation."""

    def __init__(self, number: int, block: Block) -> None:
        self.number, self.block = number, block
        self.own = len(block.own)
        self._rows = SimpleRows(block.program, self.own)
        self._most = max(1000, int(WARM_ITERATIONS * block.program.a.shape[0]))
        self._lower, self._upper = block.program.lower[self.own :], block.program.upper[self.own :]
        self._solver = _handed(self._rows.rest)
        self._bounds = self._rows.rest.lower, self._rows.rest.upper
        self._distance: highspy.Highs | None = None
        self._misses = 0
        self._inside: np.ndarray | None = None
        self._last: Cut | None = None
        self._begun = False

    @property
    def basis(self) -> highspy.HighsBasis:
        """Basis that the last LP ended at."""
        return self._solver.getBasis()

    def begin_from(self, basis: highspy.HighsBasis) -> None:
        """Begin the next LP from the basis of a block like this one; HiGHS refuses one of another size."""
        self._begun = self._solver.setBasis(basis) == highspy.HighsStatus.kOk

    def floor(self) -> float:
        """No decisions within their bounds make the block cost less, M$; -inf if that has no limit."""
        solver = _handed(self.block.program)
        if self._begun:
            some = np.clip(np.zeros(len(self._lower)), self._lower, self._upper)
            solver.setBasis(self._rows.basis_with_rows(self.basis, self._rows.at(some)))
        solver.run()
        optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return float(solver.getInfo().objective_function_value) if optimal else -np.inf

    def cut(self, y: np.ndarray) -> Cut:
        """What decisions (of the master) mean for the block; the last cut once more where they are the same for it.

        Not where it cannot operate: a proof that did not help is followed by other cuts.
        """
        at = np.clip(y[self.block.decisions], self._lower, self._upper)
        if self._last is None or not self._last.possible or not np.array_equal(at, self._last.at):
            self._last = self._found(at)
        return self._last

    def _found(self, at: np.ndarray) -> Cut:
        bounds = self._rows.at(at)
        found = self._operated(at, bounds) or self._refused(at, bounds)
        if found.possible:
            self._inside, self._misses = found.at, 0
        return found

    def _operated(self, at: np.ndarray, bounds: Bounds) -> Cut | None:
        """Least cost and its slope; None where bounds cross, or else if the LP gives none."""
        return None if bounds.crossing is not None else self._cost(at, bounds)

    def _refused(self, at: np.ndarray, bounds: Bounds) -> Cut:
        """A proof costs nothing more, some on the way inside a little, the distance much; that cuts deepest."""
        self._misses += 1
        inside = self._inside if self._misses == 2 else None
        proof = self._proof(at, bounds) if self._misses == 1 or inside is not None else None
        if proof is None:
            return self._impossible(at, bounds)
        return proof if inside is None else self._nearer(proof, inside)

    def _nearer(self, proof: Cut, inside: np.ndarray) -> Cut:
        """The last proof on the way from where the block cannot operate to decisions at which it could.

        Each step goes to where the proof so far ends; what it finds must still refuse the decisions asked for.
        """
        asked = proof.at
        for _ in range(STEPS):
            here, there = proof.at_decisions(asked), proof.at_decisions(inside)
            if there >= -NO_DISTANCE:
                break
            point = asked + here / (here - there) * (inside - asked)
            bounds = self._rows.at(point)
            further = self._proof(point, bounds) if self._operated(point, bounds) is None else None
            if further is None or further.at_decisions(asked) <= NO_DISTANCE:
                break
            proof = further
        return proof

    def _cost(self, at: np.ndarray, bounds: Bounds) -> Cut | None:
        """Least cost and its slope; None if the LP gives none. Bounds that cross by a hair are one."""
        if not self._begun:
            self._solver.clearSolver()  # impossible decisions end far from those given next: presolve is faster
        self._set_bounds(np.append(bounds.lower, at), np.append(np.maximum(bounds.lower, bounds.upper), at))
        if _run(self._solver, self._most if self._begun else UNLIMITED) != highspy.HighsModelStatus.kOptimal:
            return None
        self._begun = True
        solution = self._solver.getSolution()
        duals = np.asarray(solution.col_dual)
        of_own = duals[: self.own]
        slope = duals[self.own :] + bounds.slope(np.maximum(of_own, 0.0), np.minimum(of_own, 0.0))
        value = float(self._solver.getInfo().objective_function_value)
        x = np.asarray(solution.col_value)[: self.own]
        return Cut(self.number, self.block.decisions, self.block.cost, at, value, slope, True, x)

    def _set_bounds(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Of all columns; HiGHS takes as long for one that stays as for one that moves."""
        had, self._bounds = self._bounds, (np.full(len(lower), np.nan), upper)  # nothing is known until HiGHS has them
        moved = np.flatnonzero((lower != had[0]) | (upper != had[1])).astype(np.int32)
        if self._solver.changeColsBounds(len(moved), moved, lower[moved], upper[moved]) == highspy.HighsStatus.kOk:
            self._bounds = lower, upper

    def _proof(self, at: np.ndarray, bounds: Bounds) -> Cut | None:
        """The cut that bounds which cross give, or the solver's own proof; None if it proves too little.

        Raises
        ------
        BlockError
            If it proves that no decisions allow operation.
        """
        column = bounds.crossing
        if column is not None:
            one = np.zeros(self.own)
            one[column] = 1.0
            return self._refusal(at, float(bounds.lower[column] - bounds.upper[column]), bounds.slope(one, -one))
        _, known, ray = self._solver.getDualRay()  # type: ignore[attr-defined]
        if not known:
            return None
        rest = self._rows.rest
        weights = np.asarray(ray) / np.abs(ray).max()
        for signed in (weights, -weights):
            columns = rest.a.T @ signed
            own = np.where(np.abs(columns[: self.own]) > NO_WEIGHT, columns[: self.own], 0.0)
            least = _weighted(signed, rest.row_lower, rest.row_upper)
            most = _weighted(own, bounds.upper, bounds.lower)
            value = least - most - float(columns[self.own :] @ at)
            slope = -columns[self.own :] - bounds.slope(np.minimum(own, 0.0), np.maximum(own, 0.0))
            refusal = self._refusal(at, value, slope)
            if refusal is not None:
                return refusal
        return None

    def _refusal(self, at: np.ndarray, value: float, slope: np.ndarray) -> Cut | None:
        """The cut that a proof gives: value + slope @ (y - at) is at most 0 where the block can operate; None if it
        proves no more than the solver's own tolerance."""
        size = np.abs(slope).max(initial=0.0)
        if not np.isfinite(value) or value <= NO_DISTANCE * max(1.0, size):
            return None
        if size <= NO_WEIGHT:
            if self._inside is None:
                raise BlockError(self.number, proven=True)
            return None  # where it could operate before, this is noise
        return Cut(self.number, self.block.decisions, self.block.cost, at, value / size, slope / size, False, None)

    def _impossible(self, at: np.ndarray, bounds: Bounds) -> Cut:
        """The distance from decisions that allow operation; the cost there if it is none."""
        if self._distance is None:
            self._distance = _handed(_distance(self.block.program, self.own))
            if self.basis.valid:
                basis = self._rows.basis_with_rows(self.basis, bounds)
                self._distance.setBasis(_basis_of_distance(basis, self.own))
        height = self.block.program.a.shape[0]
        rows = np.arange(height, height + len(at), dtype=np.int32)
        self._distance.changeRowsBounds(len(at), rows, at, at)  # type: ignore[attr-defined]
        status = _run(self._distance, self._most)
        if status != highspy.HighsModelStatus.kOptimal:
            raise BlockError(self.number, proven=status == highspy.HighsModelStatus.kInfeasible)
        solution = self._distance.getSolution()
        value = float(self._distance.getInfo().objective_function_value)
        if value <= NO_DISTANCE:
            links = np.asarray(solution.col_value)[self.own : self.own + len(at)]
            near = np.clip(links, self._lower, self._upper)
            found = self._cost(near, self._rows.at(near))
            if found is not None:
                return found
        slope = np.asarray(solution.row_dual)[height:]
        return Cut(self.number, self.block.decisions, self.block.cost, at, value, slope, False, None)


def bases_of(solvers: Sequence[BlockSolver]) -> list[highspy.HighsBasis]:
    """Bases that the blocks' last LPs ended at."""
    return [solver.basis for solver in solvers]


def begin_from(solvers: Sequence[BlockSolver], bases: Sequence[highspy.HighsBasis]) -> None:
    """Begin the next LPs from the bases of blocks like these."""
    for solver, basis in zip(solvers, bases, strict=True):
        solver.begin_from(basis)


def _weighted(weights: np.ndarray, where_positive: np.ndarray, where_negative: np.ndarray) -> float:
    """Sum of weights times limits; infinite if a limit that counts is."""
    counts = np.abs(weights) > NO_WEIGHT
    limits = np.where(weights > 0, where_positive, where_negative)
    return float(weights[counts] @ limits[counts])


def _handed(program: Program) -> highspy.Highs:
    """An LP for one thread that is solved again and again."""
    solver = highs.hand_off_program(program, SERIAL)
    solver.setOptionValue("simplex_dual_edge_weight_strategy", DEVEX)
    return solver


def _run(solver: highspy.Highs, most: int) -> highspy.HighsModelStatus:
    """Solve from the last basis; from scratch if that takes more iterations than ``most`` or leads nowhere."""
    for iterations in (most, UNLIMITED):
        solver.setOptionValue("simplex_iteration_limit", iterations)
        solver.run()
        status = solver.getModelStatus()
        if status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible):
            return status
        solver.clearSolver()
    return status


def _basis_of_distance(basis: highspy.HighsBasis, own: int) -> highspy.HighsBasis:
    """A basis of the block's LP as one of its distance: decisions are where the last rows put them, at no distance.

    Nothing else costs anything there, so it is dual feasible, and the dual simplex mends what the block misses.
    """
    basic, nothing = highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kLower
    links = len(basis.col_status) - own
    columns = [*basis.col_status[:own], *[basic] * links, *[nothing] * 2 * links]
    return basis_of(columns, [*basis.row_status, *[nothing] * links])


def _distance(program: Program, own: int) -> Program:
    """min sum |y - y0| over decisions y that allow operation; y0 are the bounds of the last rows."""
    width = program.a.shape[1]
    links = width - own
    one = sparse.eye_array(links)
    pick = sparse.hstack([sparse.csc_array((links, own)), one])
    return Program(
        sparse.csc_array(sparse.block_array([[program.a, None, None], [pick, one, -one]])),
        np.concatenate([program.row_lower, np.zeros(links)]),
        np.concatenate([program.row_upper, np.zeros(links)]),
        np.concatenate([np.zeros(width), np.ones(2 * links)]),
        np.concatenate([program.lower, np.zeros(2 * links)]),
        np.concatenate([program.upper, np.full(2 * links, np.inf)]),
    )
