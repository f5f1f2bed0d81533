"""An instance solved part by part: in this process, or on the workers of a Dask cluster.

The matrix of the whole is never there. What comes out is the solution by variable name, as that of the matrix would be.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Protocol

import numpy as np

from optimizer import highs
from optimizer.benders.blocks import Blocks, LocalBlocks
from optimizer.benders.join import join
from optimizer.benders.memory import Memory
from optimizer.benders.parts import BuiltPart, Part, columns_of, moved
from optimizer.benders.remote import Crew, Job, RemoteBlocks, masters
from optimizer.benders.rounds import Found, Guide, Known, Progress, close_relaxation, search
from optimizer.benders.split import OPERATING_COST, SHARE
from optimizer.cluster import Scheduler, cluster, source_of
from optimizer.instance import Instance
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix, Size
from optimizer.model.solution import Assembled, Operation, Solution

#: Decisions that there are as many of as steps: whole numbers, and shares of rows of an hour.
BY_STEP = frozenset({"online", "peak_at", "rise_full", "clean_energy_matches_load_hourly"})
#: Told how many parts are built, and of how many.
Told = Callable[[int, int], None]


class Work(Protocol):
    """Parts that were built, here or elsewhere."""

    masters: list[Matrix]
    sizes: list[Size]

    def blocks(self, at: Sequence[np.ndarray]) -> contextlib.AbstractContextManager[Blocks]:
        """Their blocks, where ``at`` tells for each part where the columns of its master are in that of the whole."""
        ...

    def operations(self, found: Found, at: Sequence[np.ndarray]) -> list[Operation]:
        """How every part operates."""
        ...


class LocalWork:
    """Parts built one after the other in this process."""

    def __init__(self, jobs: Sequence[tuple[Instance, Part]], workers: int, told: Told) -> None:
        self._parts: list[BuiltPart] = []
        self._workers = workers
        for number, (instance, part) in enumerate(jobs):
            self._parts.append(BuiltPart(instance, part, number))
            told(number + 1, len(jobs))
        self.masters = [part.master for part in self._parts]
        self.sizes = [part.size for part in self._parts]

    @contextlib.contextmanager
    def blocks(self, at: Sequence[np.ndarray]) -> Iterator[Blocks]:
        all_blocks = [moved(block, to) for part, to in zip(self._parts, at, strict=True) for block in part.blocks]
        with LocalBlocks(all_blocks, self._workers).at_work() as blocks:
            yield blocks

    def operations(self, found: Found, at: Sequence[np.ndarray]) -> list[Operation]:
        values = iter([cut.x for cut in found.operation if cut.x is not None])
        return [part.operation([next(values) for _ in part.blocks]) for part in self._parts]


class RemoteWork:
    """Parts built and kept on the workers of a cluster."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        built = crew.ask(masters)
        self.masters = [master for master, _ in built]
        self.sizes = [size for _, size in built]
        self._costs = [master.names.get(OPERATING_COST, np.zeros(0, int)) for master in self.masters]

    @contextlib.contextmanager
    def blocks(self, at: Sequence[np.ndarray]) -> Iterator[Blocks]:
        yield RemoteBlocks(self._crew, at, self._costs)

    def operations(self, found: Found, at: Sequence[np.ndarray]) -> list[Operation]:
        assert found.decisions is not None
        return RemoteBlocks(self._crew, at, self._costs).operations(found.decisions)


@contextlib.contextmanager
def work_on(
    cases: Sequence[tuple[Instance, Sequence[Part]]],
    workers: int,
    scheduler: str | Scheduler | None,
    told: Told,
) -> Iterator[Work]:
    """Build the parts of cases, in this process or, with a scheduler, on its workers.

    Parameters
    ----------
    cases
        Instances and their parts.
    workers
        Blocks solved side by side in this process, or processes of a local cluster.
    scheduler
        ``local`` for a local cluster, or that of an existing one, whose workers see this machine's temporary folder.
    told
        Of progress.
    """
    jobs = [(instance, part) for instance, parts in cases for part in parts]
    if scheduler is None:
        yield LocalWork(jobs, workers, told)
        return
    with tempfile.TemporaryDirectory(prefix="optimizer-") as folder, cluster(workers, scheduler) as client:
        name = uuid.uuid4().hex
        sources = {id(instance): source_of(instance, Path(folder)) for instance, _ in cases}
        named = [Job(name, *sources[id(instance)], part, at) for at, (instance, part) in enumerate(jobs)]
        crew = Crew(client, named, [columns_of(instance, part) for instance, part in jobs])
        try:
            yield RemoteWork(crew)
        finally:
            crew.dismiss()


@dataclass(frozen=True)
class Joined:
    """Parts as one problem: its master, and where the columns of each part's master are in it."""

    master: Matrix
    at: list[np.ndarray]

    @staticmethod
    def of(masters: Sequence[Matrix]) -> Joined:
        return Joined(*join(masters))


def search_parts(
    work: Work,
    joined: Joined,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None = None,
    memory: Memory | None = None,
    guide: Guide | None = None,
) -> Found:
    """Solve parts as one problem; see `search`. A guide whose decisions are others is left aside."""
    with work.blocks(joined.at) as blocks, interrupt.listening():
        fits = guide is not None and guide.keys == joined.master.keys
        known = Known(np.full(len(blocks.costs), -np.inf), guide=guide) if fits else None
        return search(joined.master, blocks, options, interrupt, progress, memory, known=known)


def guide_of(
    work: Work, options: highs.Options, interrupt: highs.Interrupt, progress: Progress | None = None
) -> Guide | None:
    """Close the relaxation of parts as one problem, as a guide for another with longer or shorter steps.

    None if it has no solution, or if something is decided step by step, so that the other's decisions are not these.
    """
    joined = Joined.of(work.masters)
    shares = joined.master.keys.get(SHARE, ())
    if not joined.master.names.keys().isdisjoint(BY_STEP) or any(key[0] in BY_STEP for key in shares):
        return None
    with work.blocks(joined.at) as blocks, interrupt.listening():
        return close_relaxation(joined.master, blocks, options, interrupt, progress)


def solution_of(instance: Instance, joined: Joined, decisions: np.ndarray, operations: Sequence[Operation]) -> Solution:
    """Values of all variables by name, from the columns of the master and how the parts operate."""
    data = Data.of(instance)
    return Assembled(data, Solution.of(data, _decided(joined.master), decisions), tuple(operations))


def _decided(master: Matrix) -> Matrix:
    """The master without the costs of blocks, which their operations tell one by one."""
    kept = [row for row, key in enumerate(master.cost_keys) if key[0] != OPERATING_COST]
    return dataclasses.replace(
        master,
        cost_rows=master.cost_rows[kept],
        cost_offset=master.cost_offset[kept],
        cost_keys=[master.cost_keys[row] for row in kept],
    )


def size_of(joined: Joined, sizes: Sequence[Size]) -> Size:
    """Size of the matrix that parts of these sizes are together."""
    master = joined.master
    more = sum(len(master.names.get(name, ())) for name in (SHARE, OPERATING_COST))
    decided = dataclasses.replace(Size.of(master), columns=master.a.shape[1] - more)
    return reduce(add, sizes, decided)
