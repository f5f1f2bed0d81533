"""The search: cuts from inner points until the relaxation is closed, then from whole decisions until the gap is.

Where a coarser problem was closed first, the first inner points are those that its cuts allow with the new ones. Whole
decisions come from groups of the master where there are many, else from rounding, and then from the whole master.
All phases use the same cuts. The bound is that of the master over all cuts so far; the plan is the cheapest decisions
at which every block could operate, with the operation that its LP found.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.block import BlockError, Cut
from optimizer.benders.blocks import Blocks, Evaluate, LocalBlocks
from optimizer.benders.groups import Groups
from optimizer.benders.master import Master
from optimizer.benders.memory import POINTS, Anchor, Memory, Record
from optimizer.benders.rounding import rounded
from optimizer.model.matrix import Matrix

#: Where between the bound and the best cost known the level of inner points lies.
LEVEL = 0.5
#: Part of the gap asked for to which the relaxation is closed first, and to which the master is solved once there is a
#: plan.
RELAXED_PART, MASTER_PART = 0.25, 0.8
#: Rounds for continuous decisions with the same whole numbers.
SETTLING = 20
#: Part of the gap to which a plan's continuous decisions are settled in the end.
POLISHED = 0.05
#: Rows may be missed by this, relative to their size: what HiGHS itself tolerates.
KEPT = 1e-6
#: Times that the relaxation is rounded.
TRIES = 5
#: Rounds with the cuts of a coarser problem as a guide.
GUIDED = 12
#: So many groups and more are solved on their own,
GROUPS = 8
#: together to this part of the gap,
GROUPS_PART = 0.15
#: and again as long as that closes another such part.
WORTH_ANOTHER = 0.1
#: So many gaps above the bound decisions are poor: rounding does not settle them, even without a plan, and a plan that
#: was recalled is rounded for.
FAR = 4
#: More rounds than this help no more: the search says so and stops.
ROUNDS = 400

Progress = Callable[[dict[str, Any]], None]
#: Decisions as they stand once the blocks' costs are known.
Settle = Callable[[np.ndarray], np.ndarray]


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
class Found:
    """What a search came to.

    Attributes
    ----------
    status
        In the words of `highs.Answer`.
    cost, bound
        Of the decisions, and what no decisions cost less than, M$.
    decisions
        Columns of the master; None if there are none at which every block can operate.
    operation
        The blocks at these decisions.
    cuts
        All that were found.
    """

    status: str
    cost: float
    bound: float
    decisions: np.ndarray | None
    operation: list[Cut]
    cuts: list[Cut]


@dataclass(frozen=True)
class Guide:
    """What a much alike problem came to: the columns of its master, the floors of its blocks, and its cuts.

    They tell where good decisions are. What these cost, and the bound, are found anew.
    """

    keys: dict[str, Sequence[tuple[Any, ...]]]
    floors: np.ndarray
    cuts: Sequence[Cut]


@dataclass(frozen=True)
class Known:
    """What is known before a search: floors of the blocks, cuts, decisions to begin with, limits of rows that the
    master's completions keep a margin to (see `Master`), and a guide to the first decisions."""

    floors: np.ndarray
    cuts: Sequence[Cut] = ()
    start: np.ndarray | None = None
    margin: np.ndarray | None = None
    guide: Guide | None = None


@dataclass(frozen=True)
class _Search:
    """What all phases share."""

    matrix: Matrix
    master: Master
    evaluate: Evaluate
    settle: Settle
    options: highs.Options
    interrupt: highs.Interrupt
    report: Callable[[State, bool], None]
    started: float
    limits: _Limits
    record: Record = field(default_factory=Record)

    def left(self) -> float | None:
        """Seconds left; None without a limit."""
        return self.options.after(time.perf_counter() - self.started).time_limit

    def of_gap(self, part: float) -> highs.Options:
        """What is left of the time limit, and a part of the gap."""
        return dataclasses.replace(self.options, gap=part * self.options.gap, time_limit=self.left())

    def over(self) -> bool:
        """Is it time to stop."""
        left = self.left()
        return self.interrupt.asked or (left is not None and left <= 0)

    def add(self, cuts: Sequence[Cut]) -> None:
        """Give cuts to the master, and keep them; how blocks operate at most of them nobody will ask."""
        self.master.add(cuts)
        self.record.cuts.extend(dataclasses.replace(cut, x=None) for cut in cuts)

    def tried(self, state: State, decisions: np.ndarray) -> bool:
        """Could every block operate; the cuts are kept, and the decisions if they are the best so far."""
        cuts = self.evaluate(decisions)
        self.add(cuts)
        self.record.points.append(decisions)
        possible = all(cut.possible for cut in cuts)
        if possible:
            settled = decisions.copy()
            settled[[cut.cost for cut in cuts]] = [cut.value for cut in cuts]
            settled = self.settle(settled)
            possible = self.limits.kept(settled)
            cost = self.master.offset + float(self.matrix.objective @ settled)
            if possible and cost < state.cost:
                state.cost, state.decisions, state.operation = cost, settled, cuts
        return possible


class _Limits:
    """Rows that limit what blocks cost: cuts may promise that decisions keep them, which operation then does not."""

    def __init__(self, matrix: Matrix, costs: np.ndarray) -> None:
        weighed = np.zeros(matrix.a.shape[1])
        weighed[costs] = 1.0
        rows = np.flatnonzero(abs(matrix.a) @ weighed)
        self.costs = costs
        self._a = sparse.csr_array(matrix.a)[rows]
        self._lower, self._upper = matrix.row_lower[rows], matrix.row_upper[rows]

    def kept(self, x: np.ndarray) -> bool:
        """Are they kept, once the blocks' costs are what they are."""
        values = self._a @ x
        room = KEPT * np.maximum(1.0, np.abs(values))
        return bool(np.all((values >= self._lower - room) & (values <= self._upper + room)))


def search(
    matrix: Matrix,
    blocks: Blocks,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None = None,
    memory: Memory | None = None,
    settle: Settle = lambda decisions: decisions,
    known: Known | None = None,
) -> Found:
    """Solve a problem by decomposition.

    Parameters
    ----------
    matrix
        The master: decisions, and columns for the costs of the blocks.
    blocks
        At work.
    options
        Gap, time limit, and threads of the master.
    interrupt
        Looked at between rounds.
    progress
        Called with events as in `solve`.
    memory
        What an earlier search left; this one is kept in it if none was. Only with local blocks.
    settle
        What other columns of the master become when the blocks' costs are what they are: those of the risk, say.
    known
        What an earlier search with the same blocks found: its cuts hold whatever the aim is. With a guide the floors
        may be -inf; they are found where the master has no bound without them.

    Raises
    ------
    BlockError
        If a block cannot operate whatever is decided, or its LP cannot be solved.
    """
    started = time.perf_counter()
    local = blocks if isinstance(blocks, LocalBlocks) else None
    anchor = None if memory is None or local is None else memory.fitting(matrix, local.blocks)
    new = None if anchor is None or local is None else _begun(local, anchor)
    if known is None and anchor is not None and local is not None and new is not None:
        known = Known(_floors(local, anchor, new))
    known = known or Known(blocks.floors())
    search = _prepared(matrix, blocks, options, interrupt, known, started, progress, settle)
    state, inside = State(), State()
    search.add(known.cuts)
    if known.start is not None:
        search.tried(state, known.start)
    if anchor is not None and local is not None and new is not None:
        _recall(search, anchor, local, new)
        _complete(search, state, anchor.decisions[search.master.integer])
        if anchor.record.inner is not None:
            search.tried(inside, anchor.record.inner)
    if known.guide is not None:
        known = dataclasses.replace(known, guide=_guided(search, inside, known.guide))
        known = _with_a_bound(search, known, blocks)
    if known.start is None:
        state.bound = _relaxation(search, inside, state.cost)
    else:
        state.bound = _between(search, state)
    near = anchor is not None and state.gap() <= FAR * options.gap  # rounding then seldom gives anything better
    if state.bound != np.inf and not _by_groups(search, state, known, blocks) and not near:
        _rounded(search, state, known)
    word = "infeasible" if state.bound == np.inf else _whole(search, state)
    if memory is not None and local is not None and state.decisions is not None:
        memory.keep(Anchor(matrix.keys, local.blocks, local.bases, known.floors, search.record, state.decisions))
    bound = min(state.bound, state.cost)
    return Found(word, state.cost, bound, state.decisions, state.operation, search.record.cuts)


def close_relaxation(
    matrix: Matrix,
    blocks: Blocks,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None = None,
) -> Guide | None:
    """Close the relaxation of a problem that another is much like, see `search`; None if it has no solution."""
    started = time.perf_counter()
    known = Known(blocks.floors())
    search = _prepared(matrix, blocks, options, interrupt, known, started, progress)
    if _relaxation(search, State()) == np.inf:
        return None
    return Guide(matrix.keys, known.floors, search.record.cuts)


def _prepared(
    matrix: Matrix,
    blocks: Blocks,
    options: highs.Options,
    interrupt: highs.Interrupt,
    known: Known,
    started: float,
    progress: Progress | None = None,
    settle: Settle = lambda decisions: decisions,
) -> _Search:
    master = Master(matrix, blocks.costs, known.floors, options, interrupt, known.margin)
    report, limits = _reporter(progress, started), _Limits(matrix, blocks.costs)
    return _Search(matrix, master, blocks.cuts, settle, options, interrupt, report, started, limits)


def _begun(blocks: LocalBlocks, anchor: Anchor) -> list[int]:
    """Begin all blocks from the bases of the first search; those that have changed since."""
    blocks.begin_from(anchor.bases)
    return anchor.changed(blocks.blocks)


def _floors(blocks: LocalBlocks, anchor: Anchor, new: list[int]) -> np.ndarray:
    floors = anchor.floors.copy()
    floors[new] = blocks.floors_of(new)
    return floors


def _recall(search: _Search, anchor: Anchor, blocks: LocalBlocks, new: list[int]) -> None:
    """Give the master the cuts of blocks as they were, and look at the others where the first search looked."""
    changed = set(new)
    search.add([cut for cut in anchor.record.cuts if cut.block not in changed])
    for point in anchor.record.points[-POINTS:]:
        search.add(blocks.cuts_of(new, point))


def _complete(search: _Search, state: State, whole: np.ndarray, worth: float = np.inf) -> None:
    """Settle whole numbers until it is known whether they are worth it: another look at all of them costs a MILP.

    It ends where a plan is within the gap, where these whole numbers can give none that is much cheaper, and where they
    are known to cost more than ``worth``.
    """
    gap = search.options.gap

    def enough(cheapest: float) -> bool:
        near = highs.relative_gap(state.cost, cheapest) <= RELAXED_PART * gap
        return near or state.gap() <= gap or cheapest > worth

    _settle(search, state, whole, enough)


def _polish(search: _Search, state: State) -> None:
    """The plan's whole numbers settled further: within the gap there may be a cheaper plan to the same ones."""
    assert state.decisions is not None
    near = POLISHED * search.options.gap
    whole = state.decisions[search.master.integer]
    with contextlib.suppress(BlockError):  # the plan is there, whatever a block has no answer to now
        _settle(search, state, whole, lambda cheapest: highs.relative_gap(state.cost, cheapest) <= near)
    search.report(state, True)


def _settle(search: _Search, state: State, whole: np.ndarray, enough: Callable[[float], bool]) -> None:
    """Cuts at good continuous decisions with given whole numbers, until ``enough`` is told what no decisions with these
    can cost less than.

    A vertex of the master is a little beyond what blocks can operate, so inner points are tried, and the vertex itself
    where there is none. Once there is a plan they fund nothing that the vertex does not; before, that leaves too little
    to operate with.
    """
    for _ in range(SETTLING):
        bound, vertex = search.master.completed(whole)
        cheapest = bound + search.master.offset
        if vertex is None or enough(cheapest) or search.over():
            return
        inner = search.master.centre(_level(search, state, cheapest), vertex, state.decisions is not None)
        search.tried(state, vertex if inner is None else inner)


def _level(search: _Search, state: State, cheapest: float) -> float:
    """Cost up to which inner points are looked for, as the master counts it: within the gap of the cheapest, and not
    above half way to what is known to be possible."""
    level = cheapest + min(search.options.gap * abs(cheapest), LEVEL * (state.cost - cheapest))
    return level - search.master.offset


def _guided(search: _Search, state: State, guide: Guide) -> Guide | None:
    """Cuts at inner points that a guide's cuts allow together with the new ones, until they tell nothing new.

    Returns the guide; None if its blocks turn out to be others.
    """
    master = Master(search.matrix, search.limits.costs, guide.floors, search.options, search.interrupt)
    master.add(guide.cuts)
    for _ in range(GUIDED):
        bound, vertex = master.relaxed()
        state_of_guide = dataclasses.replace(state, bound=bound + master.offset)
        if vertex is None or state_of_guide.gap() <= RELAXED_PART * search.options.gap or search.over():
            break
        search.report(state, False)
        inner = master.centre(_level(search, state, bound + master.offset))
        before = len(search.record.cuts)
        search.tried(state, vertex if inner is None else inner)
        new = search.record.cuts[before:]
        if not _same_blocks(guide.cuts, new):
            return None
        master.add(new)
    return guide


def _same_blocks(cuts: Sequence[Cut], others: Sequence[Cut]) -> bool:
    """Have blocks of the same number the same decisions."""
    decisions = {cut.block: cut.decisions for cut in cuts}
    return all(np.array_equal(decisions.get(cut.block, cut.decisions), cut.decisions) for cut in others)


def _with_a_bound(search: _Search, known: Known, blocks: Blocks) -> Known:
    """Floors of the blocks, if the cuts so far give no bound without them."""
    if search.over() or search.master.relaxed()[0] != -np.inf:
        return known
    floors = blocks.floors()
    search.master.hold_up(floors)
    return dataclasses.replace(known, floors=floors)


def _relaxation(search: _Search, state: State, known: float = np.inf) -> float:
    """Cuts at inner points until the relaxation is closed or proves a known plan; its bound, infinite without any."""
    possible = True
    for _ in range(ROUNDS):
        bound, vertex = search.master.relaxed()
        if bound == np.inf:
            return bound
        state.bound = max(state.bound, bound + search.master.offset)
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


def _between(search: _Search, state: State) -> float:
    """Cuts half way between the relaxation's optimum and what is possible, and at the optimum itself, in turn.

    For one aim after another: a vertex costs less than an inner point, and the cuts of earlier aims are there.
    """
    inside = State(cost=state.cost, decisions=state.decisions)
    for turn in range(ROUNDS):
        bound, vertex = search.master.relaxed()
        inside.bound = max(inside.bound, bound + search.master.offset)
        search.report(inside, False)
        closed = inside.gap() <= RELAXED_PART * search.options.gap
        if vertex is None or inside.decisions is None or closed or search.over():
            break
        search.tried(inside, vertex if turn % 2 else (vertex + inside.decisions) / 2)
    return inside.bound


def _by_groups(search: _Search, state: State, known: Known, blocks: Blocks) -> bool:
    """A bound and whole decisions of each group on its own, as long as these close the gap.

    What they decide is settled as the decisions of the whole master are. A guide's cuts tell where it is good to be,
    the others alone what it costs at the least. Returns false where rounding may do better: there are few groups, or
    what they decided gave no plan.
    """
    if known.margin is not None:
        return False
    for _ in range(TRIES):
        gap, looked = state.gap(), len(search.record.cuts)
        groups = Groups(search.matrix, search.limits.costs, search.record.cuts)
        if len(groups) < GROUPS:
            return False
        decisions = _of_groups(search, state, known, groups, min(blocks.workers, os.cpu_count() or 1))
        if decisions is None or state.gap() <= search.options.gap or search.over():
            break
        search.report(state, True)
        worth = np.inf if state.decisions is None else _within(state, search.options.gap)
        _complete(search, state, decisions[search.master.integer], worth)
        search.report(state, True)
        closer = state.gap() < gap - WORTH_ANOTHER * search.options.gap
        if state.gap() <= search.options.gap or not closer or len(search.record.cuts) == looked:
            break
    return state.decisions is not None or state.bound == np.inf


def _of_groups(search: _Search, state: State, known: Known, groups: Groups, workers: int) -> np.ndarray | None:
    """Whole decisions of the groups, with a guide's cuts if there are; the bound without these."""
    bound, decisions = groups.solve(known.floors, search.of_gap(GROUPS_PART), search.interrupt, workers)
    if bound < np.inf or state.decisions is None:
        state.bound = max(state.bound, bound)
    if known.guide is None or state.gap() <= search.options.gap or search.over():
        return decisions
    groups = Groups(search.matrix, search.limits.costs, [*search.record.cuts, *known.guide.cuts])
    guided = groups.solve(known.floors, search.of_gap(GROUPS_PART), search.interrupt, workers)[1]
    return decisions if guided is None else guided


def _within(state: State, gap: float) -> float:
    """Cost that is within a gap of the bound."""
    return state.bound + gap * abs(state.bound)


def _rounded(search: _Search, state: State, known: Known) -> None:
    """Whole decisions by rounding the relaxation, with a margin to limits, as long as they get better.

    Where they come within the gap, no MILP is needed; where they cannot, rounding again costs less than settling them.
    """
    margin = search.matrix.row_upper if known.margin is None else known.margin
    for _ in range(TRIES):
        before = state.cost
        if search.over() or state.gap() <= search.options.gap:
            return
        options = dataclasses.replace(search.options, time_limit=search.left())
        best = np.zeros(search.matrix.a.shape[1]) if state.decisions is None else state.decisions
        hoped = max(state.cost - state.bound, 0.0) if np.isfinite(state.gap()) else 0.0
        costs, cuts = search.limits.costs, search.record.cuts
        if known.guide is not None:
            cuts = [*cuts, *known.guide.cuts]
        decisions = rounded(search.matrix, known.floors, costs, cuts, margin, best, hoped, options, search.interrupt)
        if decisions is None:
            return
        search.tried(state, decisions)
        worth = _within(state, search.options.gap * (FAR if state.decisions is None else 1))
        _complete(search, state, decisions[search.master.integer], worth)
        search.report(state, True)
        if state.cost >= before:
            return


def _inner(search: _Search, state: State) -> np.ndarray | None:
    """Decisions half way between what the cuts allow and what is known to be possible."""
    if not np.isfinite(state.gap()):
        return search.master.centre(np.inf)
    return search.master.centre(state.bound + LEVEL * (state.cost - state.bound) - search.master.offset)


def _whole(search: _Search, state: State) -> str:
    """Cuts at whole decisions until the gap is closed; the status in our words."""
    for _ in range(ROUNDS):
        if state.gap() <= search.options.gap:
            _polish(search, state)
            return "optimal" if state.gap() <= highs.CLOSED_GAP else "within gap"
        if search.over():
            break
        # without a plan any good decisions will do: what they cost is not known before they are settled
        part = search.options.gap * (1.0 if state.decisions is None else MASTER_PART)
        enough = state.cost - search.options.gap * abs(state.cost) - search.master.offset
        bound, decisions = search.master.whole(part, enough, state.decisions, search.left())
        if bound == np.inf:
            return "infeasible"
        state.bound = max(state.bound, bound + search.master.offset)
        if decisions is None:
            if state.gap() <= search.options.gap:
                continue
            break
        search.tried(state, decisions)
        _complete(search, state, decisions[search.master.integer])
        search.report(state, True)
    if search.interrupt.asked:
        return "interrupted"
    if not search.over():
        return "failed: the master gives no further decisions"
    return "no incumbent" if state.decisions is None else "feasible at time limit"


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
