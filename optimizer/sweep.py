"""Many variants of one instance, solved on a Dask cluster, one table out.

What is sent to a worker is the instance's folder, its content hash and the overrides, never a model. Every variant is a
run folder of its own; a sweep that is started again skips runs that are complete. A variant that fails is a row that
says why, and the others go on.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.benders import Memory
from optimizer.check import CheckError
from optimizer.cluster import RETRIES, ClusterError, Scheduler, cluster, instance_at, source_of
from optimizer.instance import Instance, read_instance
from optimizer.overrides import apply_overrides, refusal
from optimizer.plan import PlanError, is_run, read_plan
from optimizer.problems import InstanceError
from optimizer.solve import SolveError, solve
from optimizer.variants import SweepError, Variant, changes, check_names, grid, latin_hypercube, read_scenarios

__all__ = [
    "Lost",
    "Progress",
    "Settings",
    "SweepError",
    "Variant",
    "grid",
    "latin_hypercube",
    "read_scenarios",
    "results",
    "solve_variant",
    "sweep",
]

#: Variants under way for every worker: enough to keep it busy, few enough for ten thousand not to sit in memory.
AHEAD = 2
#: Fewer variants than this are solved each on its own: solving the instance first would not pay.
FEW = 8
#: Part of the time of a sweep that may go into writing its table again and again.
WRITING = 0.05
RESULTS = "results.csv"

Progress = Callable[[int, int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Settings:
    """Solver options of every variant.

    Unless ``cold``, each worker solves the instance itself first and begins every variant from what that left.
    """

    gap: float = 0.005
    time_limit: float | None = None
    cold: bool = False


@dataclass(frozen=True)
class Lost:
    """A job that gave no answer: status and message of its row."""

    status: str
    message: str


def sweep(
    instance: str | Path | Instance,
    variants: Sequence[Variant],
    folder: str | Path,
    *,
    settings: Settings | None = None,
    workers: int = 2,
    scheduler: str | Scheduler | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Solve variants of an instance, each to a run folder in ``folder``.

    Parameters
    ----------
    instance
        Folder of the instance (on a cluster of several machines, one that all of them see), or an instance in memory,
        which is written beside the runs first.
    variants
        From `read_scenarios`, `grid` or `latin_hypercube`.
    settings
        Gap and time limit of every variant, and whether it is solved as if it were alone.
    workers
        Processes of the local cluster, one solver thread each; it listens on the loopback only.
    scheduler
        An existing Dask cluster to use instead.
    progress
        Called after every variant: number done, number in all, its row.

    Returns
    -------
    DataFrame
        One row a variant, in their order: name, overrides, status, objective_usd, bound_usd, gap, make_whole_usd, mw,
        capex_usd, seconds, run_dir, message; then a column for every path that a variant changes, with its operator
        (``PATH*=``), and the value there. Also written to ``folder/results.csv``, now and then while it goes on.

    Raises
    ------
    SweepError
        If a name cannot be that of a folder, two are the same, or a cluster cannot be reached.
    InstanceError
        If the instance cannot be read, or what every variant changes is not in it.

    Notes
    -----
    In a script, call it under ``if __name__ == "__main__":``: each worker is a new Python that imports the script.
    """
    check_names(variants)
    refuse_hopeless(instance if isinstance(instance, Instance) else read_instance(instance), variants)
    target = Path(folder).absolute()
    target.mkdir(parents=True, exist_ok=True)
    source, content = source_of(instance, target)
    chosen = settings or Settings()
    chosen = replace(chosen, cold=chosen.cold or len(variants) < FEW)
    jobs = [(source, content, variant, str(target), chosen) for variant in variants]
    ledger = Ledger(target, variants)
    try:
        with cluster(workers, scheduler) as client:
            for job, found in results(client, solve_variant, jobs, workers):
                row = found if isinstance(found, dict) else _row(job[2], found.status, message=found.message)
                ledger.add(row)
                if progress:
                    progress(len(ledger.rows), len(jobs), row)
    finally:
        table = ledger.write()
    return table


def refuse_hopeless(instance: Instance, variants: Sequence[Variant]) -> None:
    """See that what every variant changes is there to be changed, before a cluster is started for nothing.

    Raises
    ------
    InstanceError
        With each path that no variant can change.
    """
    values: dict[str, dict[str, str]] = {}
    users: Counter[str] = Counter()
    for variant in variants:
        for target, text in changes(variant.overrides).items():
            values.setdefault(target, {}).setdefault(text, variant.name)
            users[target] += 1
    problems = []
    for target, texts in values.items():
        if users[target] == len(variants):
            refused = [refusal(instance, text, "every variant") for text in texts]
            problems += [refused[0]] if refused[0] is not None and None not in refused else []
    if problems:
        raise InstanceError([problem for problem in problems if problem is not None])


class Ledger:
    """The table of a sweep: on disk it is whole at any time, and writing it takes a small part of the sweep's time."""

    def __init__(self, folder: Path, variants: Sequence[Variant]) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}
        self._folder = folder
        self._changes = {variant.name: changes(variant.overrides) for variant in variants}
        self._due = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row; the file follows when it is due."""
        self.rows[row["name"]] = row
        if time.perf_counter() >= self._due:
            self.write()

    def write(self) -> pd.DataFrame:
        """The table so far, written whole or not at all."""
        started = time.perf_counter()
        table = self._table()
        draft = self._folder / f".{RESULTS}.draft"
        table.to_csv(draft, index=False, lineterminator="\n")
        draft.replace(self._folder / RESULTS)
        ended = time.perf_counter()
        self._due = ended + (ended - started) / WRITING
        return table

    def _table(self) -> pd.DataFrame:
        names = [name for name in self._changes if name in self.rows]
        table = pd.DataFrame([self.rows[name] for name in names], columns=list(COLUMNS))
        targets = dict.fromkeys(target for changed in self._changes.values() for target in changed)
        for target in targets:
            column = pd.Series([_value(self._changes[name].get(target), target) for name in names], dtype=object)
            numbers = pd.to_numeric(column, errors="coerce")
            table[target] = numbers if numbers.notna().eq(column.notna()).all() else column
        return table


def _value(override: str | None, target: str) -> str | None:
    """What an override sets its target to."""
    return None if override is None else override.removeprefix(target)


def results(
    client: Any, work: Callable[..., dict[str, Any]], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any] | Lost]]:
    """Each job and what came of it, as they come: what ``work`` returned, or why there is nothing.

    At most ``AHEAD`` jobs a worker are submitted at a time.
    """
    from distributed import as_completed

    waiting = iter(jobs)
    width = AHEAD * max(workers, len(client.scheduler_info().get("workers", {})))
    under_way = {client.submit(work, *job, pure=False): job for job in itertools.islice(waiting, width)}
    done = as_completed(list(under_way))
    for future in done:
        job = under_way.pop(future)
        error = future.exception()
        yield job, future.result() if error is None else _lost(error)
        for following in itertools.islice(waiting, 1):
            another = client.submit(work, *following, pure=False)
            under_way[another] = following
            done.add(another)


def _lost(error: BaseException) -> Lost:
    """What ended a job that returned nothing.

    >>> _lost(AssertionError())
    Lost(status='failed', message='unexpected AssertionError')
    """
    if type(error).__name__ == "KilledWorker":
        fix = "out of memory, perhaps: fewer workers leave more to each"
        return Lost("worker lost", f"{RETRIES + 1} workers ended while they solved it ({fix})")
    said = str(error).splitlines()
    return Lost("failed", f"unexpected {type(error).__name__}{': ' + said[0] if said else ''}")


@functools.lru_cache(maxsize=1)
def _memory_of(source: str, content: str, settings: Settings) -> Memory:
    """What the instance itself leaves to its variants; nothing if it has no plan."""
    memory = Memory()
    with contextlib.suppress(SolveError, CheckError):
        solve(instance_at(source, content), gap=settings.gap, time_limit=settings.time_limit, threads=1, memory=memory)
    return memory


def solve_variant(source: str, content: str, variant: Variant, folder: str, settings: Settings) -> dict[str, Any]:
    """Solve one variant, or read it where it is complete already; a failure is a row, not an error."""
    target = Path(folder) / variant.name
    try:
        instance = apply_overrides(instance_at(source, content), list(variant.overrides))
        if is_run(target):
            known = read_plan(target)
            if known.instance.content_hash == instance.content_hash and _same_settings(known.manifest, settings):
                return _solved_row(variant, known, target)
        memory = None if settings.cold else _memory_of(source, content, settings)
        plan = solve(instance, gap=settings.gap, time_limit=settings.time_limit, threads=1, memory=memory)
        plan.save(target, overwrite=True)
        return _solved_row(variant, plan, target)
    except InstanceError as error:
        return _row(variant, "bad data", message=str(error))
    except (SolveError, CheckError, PlanError, ClusterError, OSError) as error:
        return _row(variant, WORDS.get(type(error).__name__, "failed"), message=str(error))


#: Status of a variant by the error that ended it.
WORDS = {"Infeasible": "infeasible", "NoIncumbent": "time limit without a plan", "CheckError": "failed check"}


def _same_settings(manifest: Mapping[str, Any], settings: Settings) -> bool:
    options = manifest.get("options", {})
    return bool(options.get("gap") == settings.gap and options.get("time_limit") == settings.time_limit)


def _solved_row(variant: Variant, plan: Any, target: Path) -> dict[str, Any]:
    return _row(
        variant,
        plan.status,
        objective_usd=plan.objective_usd,
        bound_usd=plan.bound_usd,
        gap=plan.gap,
        make_whole_usd=float(plan.tables["make_whole"]["usd"].sum()),
        mw=float(plan.allocation["mw"].sum()),
        capex_usd=float(plan.allocation["capex_usd"].sum()),
        seconds=float(sum(plan.manifest["seconds"].values())),
        run_dir=str(target),
    )


COLUMNS = (
    "name", "overrides", "status", "objective_usd", "bound_usd", "gap", "make_whole_usd", "mw", "capex_usd", "seconds",
    "run_dir", "message",
)  # fmt: skip


def _row(variant: Variant, status: str, **values: Any) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS) | {"message": ""} | values
    return row | {"name": variant.name, "overrides": " ".join(variant.overrides), "status": status}
