"""What one search leaves to the next of much the same problem: cuts, bases, and decisions worth trying.

A cut is kept only if the block it came from has not changed in any figure, so that it is as valid as before. Decisions
are no more than places to look at: every cost and bound is found anew for the problem at hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from optimizer.benders.block import BlockSolver, Cut
from optimizer.benders.split import Block, Split
from optimizer.highs import Program

#: Cuts kept of every block, points that changed blocks are looked at again, plans whose whole numbers are tried.
CUTS, POINTS, PLANS = 60, 20, 4


class Memory:
    """Kept from search to search; empty at first."""

    def __init__(self) -> None:
        self.inner: np.ndarray | None = None
        self.points: deque[np.ndarray] = deque(maxlen=POINTS)
        self.plans: deque[np.ndarray] = deque(maxlen=PLANS)
        self._solvers: list[BlockSolver] = []
        self._columns = np.array([], int)
        self._cuts: list[deque[Cut]] = []

    def solvers(self, parts: Split) -> tuple[list[BlockSolver], list[BlockSolver]]:
        """Solvers of all blocks, and those among them that are new; what no longer fits is forgotten."""
        if not np.array_equal(self._columns, parts.columns) or len(self._solvers) != len(parts.blocks):
            self.__init__()  # type: ignore[misc]
        before: Sequence[BlockSolver | None] = self._solvers or [None] * len(parts.blocks)
        cuts = self._cuts or [deque(maxlen=CUTS) for _ in parts.blocks]
        found: list[BlockSolver] = []
        new = []
        for number, (block, known) in enumerate(zip(parts.blocks, before, strict=True)):
            if known is not None and same_block(known.block, block):
                found.append(known)
                continue
            found.append(BlockSolver(number, block, known))
            new.append(found[-1])
            cuts[number].clear()
        self._columns, self._solvers, self._cuts = parts.columns, found, cuts
        return found, new

    def cuts(self) -> list[Cut]:
        """Cuts of the blocks that have not changed."""
        return [cut for kept in self._cuts for cut in kept]

    def keep(self, point: np.ndarray, cuts: list[Cut]) -> None:
        """Remember decisions and what the blocks said of them."""
        self.points.append(point)
        for cut in cuts:
            self._cuts[cut.block].append(cut)


def same_block(one: Block, other: Block) -> bool:
    """Are two blocks the same in every figure, and joined to the same decisions."""
    return np.array_equal(one.decisions, other.decisions) and _same_program(one.program, other.program)


def _same_program(one: Program, other: Program) -> bool:
    vectors = ("row_lower", "row_upper", "cost", "lower", "upper")
    if one.a.shape != other.a.shape or one.offset != other.offset:
        return False
    if any(not np.array_equal(getattr(one, name), getattr(other, name)) for name in vectors):
        return False
    parts = ("indptr", "indices", "data")
    return all(np.array_equal(getattr(one.a, part), getattr(other.a, part)) for part in parts)
