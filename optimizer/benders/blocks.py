"""All blocks of a problem, wherever they are solved: what they cost at the least, and the cuts at given decisions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import highspy
import numpy as np

from optimizer.benders.block import BlockSolver, Cut, bases_of, begin_from
from optimizer.benders.split import Block

Evaluate = Callable[[np.ndarray], list[Cut]]


class Blocks(Protocol):
    """Blocks of a problem; ``costs`` are the columns of the master for what each costs, ``workers`` how many are solved
    side by side."""

    @property
    def costs(self) -> np.ndarray: ...

    @property
    def workers(self) -> int: ...

    def floors(self) -> np.ndarray:
        """What no decisions make each block cost less than, M$; -inf where that has no limit."""
        ...

    def cuts(self, decisions: np.ndarray) -> list[Cut]:
        """Cuts of all blocks at decisions (columns of the master), in the order of the blocks.

        Raises
        ------
        BlockError
            If a block cannot operate whatever is decided, or its LP cannot be solved.
        """
        ...


class LocalBlocks:
    """Blocks solved in this process, each by one thread; HiGHS frees Python's lock.

    Parameters
    ----------
    blocks
        In any order; their numbers are their positions.
    workers
        How many are solved side by side.
    """

    def __init__(self, blocks: Sequence[Block], workers: int) -> None:
        self.blocks = tuple(blocks)
        self.costs = np.array([block.cost for block in blocks], int)
        self._solvers = [BlockSolver(number, block) for number, block in enumerate(blocks)]
        self.workers = workers
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def at_work(self) -> Iterator[LocalBlocks]:
        """While the search goes on."""
        with ThreadPoolExecutor(self.workers) as self._pool:
            yield self

    @property
    def bases(self) -> list[highspy.HighsBasis]:
        """Bases that the blocks' last LPs ended at."""
        return bases_of(self._solvers)

    def begin_from(self, bases: Sequence[highspy.HighsBasis]) -> None:
        """Begin the next LPs from the bases of blocks like these."""
        begin_from(self._solvers, bases)

    def floors(self) -> np.ndarray:
        return self.floors_of(range(len(self.blocks)))

    def floors_of(self, numbers: Collection[int]) -> np.ndarray:
        """Floors of some blocks."""
        assert self._pool is not None
        return np.array(list(self._pool.map(lambda number: self._solvers[number].floor(), numbers)))

    def cuts(self, decisions: np.ndarray) -> list[Cut]:
        return self.cuts_of(range(len(self.blocks)), decisions)

    def cuts_of(self, numbers: Collection[int], decisions: np.ndarray) -> list[Cut]:
        """Cuts of some blocks; the largest are solved first, so that none is left when the others are done."""
        assert self._pool is not None
        largest_first = sorted(numbers, key=lambda number: -len(self.blocks[number].own))
        cuts = self._pool.map(lambda number: self._solvers[number].cut(decisions), largest_first)
        return sorted(cuts, key=lambda cut: cut.block)
