"""Parts of an instance on the workers of a Dask cluster: built there, kept alive there, and asked for cuts.

A task names the instance (folder and content hash), its parts and the decisions; a worker that does not have a part
yet, be it new or in the place of one that was lost, builds it first. So nothing is lost with a worker but its time.
Parts that there is no room for are built anew for every question, and their LPs go on from the basis they ended at.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np

from optimizer.benders.block import BlockError, BlockSolver, Cut, bases_of, begin_from
from optimizer.benders.parts import BuiltPart, Part
from optimizer.cluster import RETRIES, ClusterError, await_a_worker, instance_at
from optimizer.model.matrix import Matrix, Size
from optimizer.model.solution import Operation

#: Parts that nobody has asked for in so many seconds are dropped: their search was killed.
IDLE = 3600.0
#: Seconds after which it is looked whether there still are workers.
LOOK = 5.0
#: Columns of operation that a worker keeps alive if it does not know how much memory it has.
ALIVE = 1_000_000
#: Else they may take this part of its memory, at so many bytes a column with what the solver keeps of it.
PART_OF_MEMORY, BYTES = 0.6, 2_200


@dataclass(frozen=True)
class Job:
    """A part of an instance: where that is, what it contains, and the search that asks."""

    search: str
    source: str
    content: str
    part: Part
    number: int


class _Kept:
    """A part on a worker: built, with the LPs of its blocks."""

    def __init__(self, job: Job) -> None:
        self.built = BuiltPart(instance_at(job.source, job.content), job.part, job.number)
        self.solvers = [BlockSolver(number, block) for number, block in enumerate(self.built.blocks)]


@dataclass
class _Search:
    """What a worker has of a search: parts, where the LPs of those without room ended, and when it was asked."""

    parts: dict[Job, _Kept] = field(default_factory=dict)
    bases: dict[Job, list[highspy.HighsBasis]] = field(default_factory=dict)
    asked: float = 0.0


_searches: dict[str, _Search] = {}
#: One thread at a time: neither Pyomo nor a HiGHS object stands two.
_alone = threading.Lock()


@contextlib.contextmanager
def _part(job: Job) -> Iterator[_Kept]:
    """A part, built if it is not there, and kept if there is room."""
    search = _searches.setdefault(job.search, _Search())
    search.asked = time.monotonic()
    for name in [name for name, other in _searches.items() if search.asked - other.asked > IDLE]:
        _drop(name)
    kept = search.parts.get(job)
    if kept is not None:
        yield kept
        return
    kept = _Kept(job)
    if job in search.bases:
        begin_from(kept.solvers, search.bases[job])
    yield kept
    alive = sum(part.built.size.columns for other in _searches.values() for part in other.parts.values())
    if alive + kept.built.size.columns <= _room():
        search.parts[job] = kept
    else:
        search.bases[job] = bases_of(kept.solvers)


def _room() -> float:
    """Columns of operation that this worker keeps alive."""
    from distributed import get_worker

    try:
        limit = get_worker().memory_manager.memory_limit
    except ValueError:  # not on a worker
        limit = None
    return PART_OF_MEMORY * limit / BYTES if limit else ALIVE


def _drop(search: str) -> None:
    _searches.pop(search, None)


def masters(jobs: Sequence[Job]) -> list[tuple[Matrix, Size]]:
    """Build parts; their masters and sizes."""
    return _each(jobs, lambda kept: (kept.built.master, kept.built.size))


def floors(jobs: Sequence[Job]) -> list[list[float]]:
    """What each block of each part costs at the least, M$."""
    return _each(jobs, lambda kept: [solver.floor() for solver in kept.solvers])


def cuts(jobs: Sequence[Job], decisions: Sequence[np.ndarray]) -> list[list[Cut] | BlockError]:
    """Cuts of each block of each part, in the columns of its own master; the error, if a block has none."""
    return _each(jobs, _cuts, decisions)


def _cuts(kept: _Kept, decisions: np.ndarray) -> list[Cut] | BlockError:
    try:
        return [replace(solver.cut(decisions), x=None) for solver in kept.solvers]
    except BlockError as error:
        return error


def operations(jobs: Sequence[Job], decisions: Sequence[np.ndarray]) -> list[Operation]:
    """How each part operates at decisions at which it can."""
    return _each(jobs, _operation, decisions)


def _operation(kept: _Kept, decisions: np.ndarray) -> Operation:
    values = [solver.cut(decisions).x for solver in kept.solvers]
    if any(x is None for x in values):
        raise RuntimeError("a block cannot operate at decisions at which it could before")
    return kept.built.operation([x for x in values if x is not None])


def _each(jobs: Sequence[Job], work: Callable[..., Any], *inputs: Sequence[Any]) -> list[Any]:
    """What ``work`` finds for each part, one after the other; ``inputs`` are lists of one entry a part."""
    found = []
    with _alone:
        for job, *given in zip(jobs, *inputs, strict=True):
            with _part(job) as kept:
                found.append(work(kept, *given))
    return found


def forget(search: str) -> None:
    """Drop the parts of a search that is over."""
    with _alone:
        _drop(search)


def _over(future: Any) -> bool:
    """Is a task over, now or a moment later."""
    from distributed import wait

    try:
        wait([future], timeout=LOOK)
    except TimeoutError:
        return False
    return True


class Crew:
    """Workers of a cluster and the parts that each has.

    Parameters
    ----------
    client
        Of Dask.
    jobs
        All parts.
    sizes
        About how much work each is: the largest are given out first, each to whoever has least.
    """

    def __init__(self, client: Any, jobs: Sequence[Job], sizes: Sequence[float]) -> None:
        self._client, self._jobs, self._sizes = client, list(jobs), list(sizes)
        self._shared: dict[str, list[int]] = {}

    def ask(self, work: Callable[..., Any], *inputs: Sequence[Any]) -> list[Any]:
        """What ``work`` finds for each part; ``inputs`` are lists of one entry a part.

        Raises
        ------
        ClusterError
            If all workers are lost again and again, or none comes in their place.
        """
        for _ in range(RETRIES + 1):
            found = self._found(work, *inputs)
            if found is not None:
                return found
        raise ClusterError(f"all workers of the cluster were lost {RETRIES + 1} times in a row: give them more memory")

    def _found(self, work: Callable[..., Any], *inputs: Sequence[Any]) -> list[Any] | None:
        """None where all workers were lost: what was meant for them waits for ever, whoever comes in their place."""
        shares = self._shares()
        under_way = [
            (numbers, self._client.submit(
                work, [self._jobs[n] for n in numbers], *([values[n] for n in numbers] for values in inputs),
                workers=[worker], allow_other_workers=True, pure=False,
            ))
            for worker, numbers in shares.items()
        ]  # fmt: skip
        found: list[Any] = [None] * len(self._jobs)
        for numbers, future in under_way:
            while not _over(future):
                if shares.keys().isdisjoint(self._at_hand()):
                    return None
            for number, one in zip(numbers, future.result(), strict=True):
                found[number] = one
        return found

    @property
    def workers(self) -> int:
        """How many have parts."""
        return len(self._shares())

    def _shares(self) -> dict[str, list[int]]:
        """Parts of every worker; as before while the workers are the same."""
        workers = self._at_hand()
        if not workers:  # all were lost at once, as where the machine slept: they are begun again
            await_a_worker(self._client, self._client.scheduler.address)
            workers = self._at_hand()
        if sorted(self._shared) != workers:
            kept = {worker: self._shared.get(worker, []) for worker in workers}
            placed = {number for numbers in kept.values() for number in numbers}
            last = None
            for number in sorted(set(range(len(self._jobs))) - placed, key=lambda n: -self._sizes[n]):
                # there and back among those with as much, or one has all late years, whose work is more
                load = {worker: sum(self._sizes[n] for n in kept[worker]) for worker in workers}
                last = min(workers, key=lambda worker: (load[worker], worker != last))
                kept[last].append(number)
            self._shared = kept
        return {worker: numbers for worker, numbers in self._shared.items() if numbers}

    def _at_hand(self) -> list[str]:
        return sorted(self._client.scheduler_info(n_workers=-1)["workers"])

    def dismiss(self) -> None:
        """Let the workers forget the parts."""
        for search in {job.search for job in self._jobs}:
            self._client.run(forget, search)


class RemoteBlocks:
    """Blocks on a cluster.

    Parameters
    ----------
    crew
        Who has the parts.
    at
        For each part, where the columns of its master are in that of the whole.
    costs
        For each part, the columns of its blocks' costs in its own master.
    """

    def __init__(self, crew: Crew, at: Sequence[np.ndarray], costs: Sequence[np.ndarray]) -> None:
        self._crew, self._at = crew, at
        self.costs = np.concatenate([to[columns] for to, columns in zip(at, costs, strict=True)])
        self._first = np.cumsum([0, *map(len, costs)])

    @property
    def workers(self) -> int:
        return self._crew.workers

    def floors(self) -> np.ndarray:
        return np.array([floor for part in self._crew.ask(floors) for floor in part])

    def cuts(self, decisions: np.ndarray) -> list[Cut]:
        found = self._crew.ask(cuts, [decisions[to] for to in self._at])
        for first, part in zip(self._first, found, strict=False):
            if isinstance(part, BlockError):
                raise BlockError(int(first) + part.block, part.proven)
        return [
            replace(cut, block=int(first + cut.block), decisions=to[cut.decisions], cost=int(to[cut.cost]))
            for first, to, part in zip(self._first, self._at, found, strict=False)
            for cut in part
        ]

    def operations(self, decisions: np.ndarray) -> list[Operation]:
        """How every part operates."""
        return self._crew.ask(operations, [decisions[to] for to in self._at])
