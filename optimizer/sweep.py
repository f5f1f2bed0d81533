"""Many variants of one instance, solved on a Dask cluster, one table out.

What is sent to a worker is the instance's folder, its content hash and the overrides, never a model. Every variant is a
run folder of its own; a sweep that is started again skips runs that are complete. A variant that fails is a row that
says why, and the others go on.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.benders import Memory
from optimizer.check import CheckError
from optimizer.instance import Instance, read_instance, write_instance
from optimizer.overrides import apply_overrides, refusal
from optimizer.plan import PlanError, is_run, read_plan
from optimizer.problems import InstanceError
from optimizer.solve import SolveError, solve
from optimizer.variants import SweepError, Variant, changes, check_names, grid, latin_hypercube, read_scenarios

__all__ = [
    "Lost",
    "Progress",
    "Scheduler",
    "Settings",
    "SweepError",
    "Variant",
    "cluster",
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
#: Times that a variant is tried again after its worker was killed.
RETRIES = 2
#: Seconds to wait for the first worker of an existing cluster.
PATIENCE = 60
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
class Scheduler:
    """An existing Dask cluster: its address, and for ``tls://`` files of the authority, the certificate and its key."""

    address: str
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


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


def source_of(instance: str | Path | Instance, folder: Path) -> tuple[str, str]:
    """Folder and content hash of an instance; one in memory is written to a hidden folder in ``folder`` first."""
    if not isinstance(instance, Instance):
        return str(Path(instance).absolute()), read_instance(instance).content_hash
    written = folder / f".instance-{instance.content_hash[:12]}"
    if not written.exists():
        write_instance(instance, written)
    return str(written), instance.content_hash


@contextlib.contextmanager
def cluster(workers: int, scheduler: str | Scheduler | None) -> Iterator[Any]:
    """A client of a local cluster of processes that listens on the loopback only, or of the scheduler given.

    Raises
    ------
    SweepError
        If there is no scheduler at the address, or its certificate is not accepted.
    """
    import dask
    from distributed import Client, LocalCluster

    with dask.config.set({"distributed.scheduler.allowed-failures": RETRIES}):
        if scheduler is not None:
            with _client_of(scheduler) as client:
                _await_a_worker(client, scheduler)
                yield client
            return
        local = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        no_dashboard = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        with contextlib.ExitStack() as stack:
            with interrupts_held():
                made = stack.enter_context(LocalCluster(**local, scheduler_kwargs=no_dashboard, silence_logs=50))
            yield stack.enter_context(Client(made))


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: threads and processes begun meanwhile never see it, this one sees it afterwards.

    A terminal sends it to every process of a command. The workers are ended by the cluster; hearing it too, each would
    print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # begun later, it would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_a_worker(client: Any, scheduler: str | Scheduler) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        address = scheduler if isinstance(scheduler, str) else scheduler.address
        raise SweepError(
            f"the cluster at {address} has had no worker for {PATIENCE} s: start some with 'dask worker {address}'"
        ) from None


def _client_of(scheduler: str | Scheduler) -> Any:
    from distributed import Client
    from distributed.security import Security

    if isinstance(scheduler, str):
        scheduler = Scheduler(scheduler)
    files = {
        "tls_ca_file": scheduler.tls_ca,
        "tls_client_cert": scheduler.tls_cert,
        "tls_client_key": scheduler.tls_key,
    }
    given = {name: file for name, file in files.items() if file is not None}
    try:
        security = Security(**given, require_encryption=True) if given else None
        return Client(scheduler.address, security=security)
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SweepError(
            f"no Dask scheduler could be reached at {scheduler.address}: {said}; a tls:// address needs --tls-ca, "
            "--tls-cert and --tls-key"
        ) from None


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


@functools.lru_cache(maxsize=4)
def instance_at(source: str, content: str) -> Instance:
    """Read once by every worker; what was read must be what was asked for."""
    found = read_instance(source)
    if found.content_hash != content:
        raise PlanError(f"{source} was changed after the sweep began: start it again")
    return found


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
    except (SolveError, CheckError, PlanError, OSError) as error:
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
