"""The search: cuts from inner points until the relaxation is closed, then from whole decisions until the gap is.

Both phases use the same cuts. The bound is that of the master over all cuts so far; the plan is the cheapest decisions
at which every block could operate, with the operation that its LP found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optimizer import highs
from optimizer.benders.block import BlockSolver, Cut
from optimizer.benders.master import Master
from optimizer.benders.memory import POINTS, Anchor, Memory, Record
from optimizer.benders.split import Split
from optimizer.model.matrix import Matrix

#: Where between the bound and the best cost known the level of inner points lies.
LEVEL = 0.5
#: Part of the gap asked for to which the relaxation is closed first, and to which the master is solved.
RELAXED_PART, MASTER_PART = 0.25, 0.5
#: Rounds for continuous decisions with the same whole numbers.
SETTLING = 20
#: More rounds than this help no more: the search says so and stops.
ROUNDS = 400

Progress = Callable[[dict[str, Any]], None]
Evaluate = Callable[[np.ndarray], list[Cut]]


@dataclass
class State:
    """What is known: the bound, and the best decisions with the operation of every block."""

    bound: float = -np.inf
    cost: float = np.inf
    decisions: np.ndarray | None = None
    operation: list[Cut] = field(default_factory=list)

    def gap(self) -> float:
        """Relative gap; infinite as long as one side is unknown."""
        return highs.relative_gap(self.cost, self.bound) if np.isfinite(self.cost) else np.inf


@dataclass(frozen=True)
class _Search:
    """What both phases share."""

    parts: Split
    master: Master
    evaluate: Evaluate
    options: highs.Options
    interrupt: highs.Interrupt
    report: Callable[[State, bool], None]
    started: float
    record: Record = field(default_factory=Record)

    def left(self) -> float | None:
        """Seconds left; None without a limit."""
        limit = self.options.time_limit
        return None if limit is None else limit - (time.perf_counter() - self.started)

    def over(self) -> bool:
        """Is it time to stop."""
        left = self.left()
        return self.interrupt.asked or (left is not None and left <= 0)

    def add(self, cuts: Iterable[Cut]) -> None:
        """Give cuts to the master, and keep them."""
        self.master.add(cuts)
        self.record.cuts.extend(cuts)

    def tried(self, state: State, decisions: np.ndarray) -> bool:
        """Could every block operate; the cuts are kept, and the decisions if they are the best so far."""
        cuts = self.evaluate(decisions)
        self.add(cuts)
        self.record.points.append(decisions)
        possible = all(cut.possible for cut in cuts)
        cost = self.parts.offset + float(self.parts.master.cost @ decisions) + sum(cut.value for cut in cuts)
        if possible and cost < state.cost:
            state.cost, state.decisions, state.operation = cost, decisions, cuts
        return possible


def search(
    matrix: Matrix,
    parts: Split,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None = None,
    workers: int = 1,
    memory: Memory | None = None,
) -> highs.Answer:
    """Solve a matrix by decomposition.

    Parameters
    ----------
    matrix
        A compiled model.
    parts
        The same, taken apart.
    options
        Gap, time limit, and threads of the master; every block has one thread.
    interrupt
        Looked at between rounds.
    progress
        Called with events as in `solve`.
    workers
        Blocks solved side by side.
    memory
        What an earlier search left; this one is kept in it if none was.

    Returns
    -------
    Answer
        Columns of the whole matrix, as a solve of it would give, within the same gap.

    Raises
    ------
    BlockError
        If a block cannot operate whatever is decided, or its LP cannot be solved.
    """
    started = time.perf_counter()
    anchor = None if memory is None else memory.fitting(parts)
    solvers = [BlockSolver(number, block) for number, block in enumerate(parts.blocks)]
    new = solvers if anchor is None else _begun(solvers, anchor, parts)
    with ThreadPoolExecutor(workers) as pool, interrupt.listening():
        floors = np.empty(len(solvers)) if anchor is None else anchor.floors.copy()
        floors[[solver.number for solver in new]] = list(pool.map(BlockSolver.floor, new))
        master = Master(parts, floors, options, interrupt)
        evaluate, report = _in_threads(pool, solvers), _reporter(progress, started)
        search = _Search(parts, master, evaluate, options, interrupt, report, started)
        state = State()
        if anchor is not None:
            _recall(search, anchor, new, _in_threads(pool, new))
            _settle(search, state, anchor.decisions[parts.integer])
        state.bound = _relaxation(search, state.cost, None if anchor is None else anchor.record.inner)
        word = "infeasible" if state.bound == np.inf else _whole(search, state)
    if memory is not None and state.decisions is not None:
        bases = [solver.basis for solver in solvers]
        memory.keep(Anchor(parts.columns, parts.blocks, bases, floors, search.record, state.decisions))
    return _answer(matrix, parts, state, word)


def _begun(solvers: list[BlockSolver], anchor: Anchor, parts: Split) -> list[BlockSolver]:
    """Begin all blocks from the bases of the first search; those that have changed since."""
    for solver, basis in zip(solvers, anchor.bases, strict=True):
        solver.begin_from(basis)
    changed = anchor.changed(parts)
    return [solver for solver in solvers if solver.number in changed]


def _recall(search: _Search, anchor: Anchor, new: list[BlockSolver], evaluate_new: Evaluate) -> None:
    """Give the master the cuts of blocks as they were, and look at the others where the first search looked."""
    changed = {solver.number for solver in new}
    search.add([cut for cut in anchor.record.cuts if cut.block not in changed])
    for point in anchor.record.points[-POINTS:]:
        search.add(evaluate_new(point))


def _settle(search: _Search, state: State, whole: np.ndarray) -> None:
    """Cuts at the best continuous decisions with given whole numbers, until they can be no cheaper than what is known.

    A round costs an LP, where another look at all whole numbers costs a MILP.
    """
    for _ in range(SETTLING):
        bound, decisions = search.master.completed(whole)
        cheapest = bound + search.parts.offset
        settled = highs.relative_gap(state.cost, cheapest) <= RELAXED_PART * search.options.gap
        if decisions is None or settled or search.over():
            return
        search.tried(state, decisions)


def _relaxation(search: _Search, known: float, inner: np.ndarray | None) -> float:
    """Cuts at inner points until the relaxation is closed or proves a known plan; its bound, infinite without any."""
    state, possible = State(), True
    if inner is not None:
        search.tried(state, inner)
    for _ in range(ROUNDS):
        bound, vertex = search.master.relaxed()
        if bound == np.inf:
            return bound
        state.bound = max(state.bound, bound + search.parts.offset)
        search.report(state, False)
        if highs.relative_gap(known, state.bound) <= search.options.gap:
            break
        if state.gap() <= RELAXED_PART * search.options.gap or search.over():
            break
        point = _inner(search, state)
        decisions = vertex if point is None else point
        if decisions is None:
            break
        if not possible and state.decisions is not None:
            decisions = (decisions + state.decisions) / 2
        possible = search.tried(state, decisions)
    search.record.inner = state.decisions
    return state.bound


def _inner(search: _Search, state: State) -> np.ndarray | None:
    """Decisions half way between what the cuts allow and what is known to be possible."""
    if not np.isfinite(state.gap()):
        return search.master.centre(np.inf)
    return search.master.centre(state.bound + LEVEL * (state.cost - state.bound) - search.parts.offset)


def _whole(search: _Search, state: State) -> str:
    """Cuts at whole decisions until the gap is closed; the status in our words."""
    for _ in range(ROUNDS):
        if state.gap() <= search.options.gap:
            return "optimal" if state.gap() <= highs.CLOSED_GAP else "within gap"
        if search.over():
            break
        start = None
        if state.decisions is not None:
            start = np.concatenate([state.decisions, [cut.value for cut in state.operation]])
        part = MASTER_PART * search.options.gap
        enough = state.cost - search.options.gap * abs(state.cost) - search.parts.offset
        bound, decisions = search.master.whole(part, enough, start, search.left())
        if bound == np.inf:
            return "infeasible"
        state.bound = max(state.bound, bound + search.parts.offset)
        if decisions is None:
            break
        search.tried(state, decisions)
        _settle(search, state, decisions[search.parts.integer])
        search.report(state, True)
    if search.interrupt.asked:
        return "interrupted"
    if not search.over():
        return "failed: the master gives no further decisions"
    return "no incumbent" if state.decisions is None else "feasible at time limit"


def _in_threads(pool: ThreadPoolExecutor, solvers: list[BlockSolver]) -> Evaluate:
    """Evaluates decisions in blocks side by side, the largest first: HiGHS frees Python's lock."""
    largest_first = sorted(solvers, key=lambda solver: -solver.own)
    return lambda decisions: _in_order(pool.map(lambda solver: solver.cut(decisions), largest_first))


def _in_order(cuts: Iterable[Cut]) -> list[Cut]:
    return sorted(cuts, key=lambda cut: cut.block)


def _reporter(progress: Progress | None, started: float) -> Callable[[State, bool], None]:
    def report(state: State, whole: bool) -> None:
        if progress is None:
            return
        found = whole and bool(np.isfinite(state.cost))
        progress(
            {
                "stage": "solve",
                "elapsed": time.perf_counter() - started,
                "objective_usd": state.cost * 1e6 if found else None,
                "bound_usd": state.bound * 1e6 if np.isfinite(state.bound) else None,
                "gap": state.gap() if found else None,
            }
        )

    return report


def _answer(matrix: Matrix, parts: Split, state: State, word: str) -> highs.Answer:
    """The best decisions and their operation as columns of the whole matrix."""
    if state.decisions is None:
        return highs.Answer(word, None, np.nan, state.bound)
    x = np.empty(matrix.a.shape[1])
    x[parts.columns] = state.decisions[: len(parts.columns)]
    for cut in state.operation:
        assert cut.x is not None
        x[parts.blocks[cut.block].own] = cut.x
    return highs.Answer(word, x, state.cost, min(state.bound, state.cost), method="benders")
