"""Searches for any aim over funding by blocks: what one search learns of the blocks holds for every other aim.

The space of a search is that of the master: decisions, and a column for what each block costs. A limit on the cost is
a row of it as any other; cuts tell it what decisions cost.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import numpy as np

from optimizer import benders, highs
from optimizer.whatif.space import Figure, Progress, Space, aimed_at, taken, told_of

#: Cuts of the first search are kept, and of all later ones so many of the last: the master stays small.
LATEST = 4000


class Decomposed:
    """A space taken apart.

    Attributes
    ----------
    space
        Of its decisions: what is searched.
    """

    def __init__(self, space: Space, parts: benders.Split, workers: int) -> None:
        self._matrix, self._parts = space.matrix, parts
        self._blocks = benders.LocalBlocks(parts.blocks, workers)
        self.space = dataclasses.replace(space, matrix=parts.master)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Decomposed]:
        """While searches go on."""
        with self._blocks.at_work():
            self._known, self._first = benders.Known(self._blocks.floors()), 0
            yield self

    def least(
        self,
        space: Space,
        figure: Figure,
        options: highs.Options,
        start: np.ndarray | None = None,
        progress: Progress | None = None,
        margin: np.ndarray | None = None,
    ) -> tuple[highs.Answer, np.ndarray]:
        """The decisions with the least of a figure.

        Parameters
        ----------
        space
            That of the decisions, or one with more rows and columns.
        start
            Column values of known decisions, whose blocks can operate within the limits.
        margin
            Upper limits of rows that cuts may miss by a little: a part short of the rows' own.

        Returns
        -------
        Answer
            Its values are columns of ``space``.
        ndarray
            Columns of the space that was taken apart.

        Raises
        ------
        SolveError
            If there are none.
        """
        interrupt, aimed = highs.Interrupt(), aimed_at(space.matrix, figure)
        known = dataclasses.replace(self._known, start=start, margin=margin)
        told = told_of(progress, space, figure)
        with interrupt.listening():
            found = benders.search(aimed, self._blocks, options, interrupt, told, known=known)
        self._known = dataclasses.replace(
            self._known, cuts=[*found.cuts[: self._first], *found.cuts[self._first :][-LATEST:]]
        )
        self._first = self._first or len(found.cuts)
        answer = taken(highs.Answer(found.status, found.decisions, found.cost, found.bound, method="benders"))
        return answer, benders.columns_of(self._matrix, self._parts, found)
