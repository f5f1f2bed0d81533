"""What the first of many like searches leaves to the others: cuts, bases, and decisions worth trying.

A cut is kept only for a block that is the same in every figure, so that it is as valid as before. Decisions are no more
than places to look at: every cost and bound is found anew for the problem at hand. Later searches leave nothing, so
that an answer depends on the first problem and its own, and not on those in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

from optimizer.benders.block import Cut
from optimizer.benders.split import Block
from optimizer.highs import Program
from optimizer.model.matrix import Matrix

#: Of the points of the first search, the last so many are looked at again in blocks that have changed.
POINTS = 20


@dataclass
class Record:
    """Points that a search tried, the cuts found there, and its best inner point."""

    points: list[np.ndarray] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    inner: np.ndarray | None = None


@dataclass(frozen=True)
class Anchor:
    """A search that came to a plan: its blocks, the bases they ended at and their floors, its record, its decisions."""

    keys: dict[str, Sequence[tuple[Any, ...]]]
    blocks: tuple[Block, ...]
    bases: list[highspy.HighsBasis]
    floors: np.ndarray
    record: Record
    decisions: np.ndarray

    def fits(self, master: Matrix, blocks: Sequence[Block]) -> bool:
        """Has another problem the same decisions and as many blocks."""
        return len(self.blocks) == len(blocks) and self.keys == master.keys

    def changed(self, blocks: Sequence[Block]) -> list[int]:
        """Numbers of the blocks in which another problem differs."""
        pairs = zip(self.blocks, blocks, strict=True)
        return [number for number, (mine, other) in enumerate(pairs) if not same_block(mine, other)]


class Memory:
    """Empty until a search comes to a plan; what that one leaves serves all later ones."""

    def __init__(self) -> None:
        self._anchor: Anchor | None = None

    def fitting(self, master: Matrix, blocks: Sequence[Block]) -> Anchor | None:
        """What is known of a problem like this one."""
        return self._anchor if self._anchor is not None and self._anchor.fits(master, blocks) else None

    def keep(self, anchor: Anchor) -> None:
        """Keep a search, if it is the first."""
        if self._anchor is None:
            self._anchor = anchor


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
