"""Many variants of one instance, solved on a Dask cluster, one table out.

What is sent to a worker is the instance's folder, its content hash and the overrides, never a model. Every variant is a
run folder of its own; a sweep that is started again skips runs that are complete. A variant that fails is a row that
says why, and the others go on.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.benders import Memory
from optimizer.check import CheckError
from optimizer.instance import Instance, read_instance, write_instance
from optimizer.overrides import apply_overrides
from optimizer.plan import PlanError, is_run, read_plan
from optimizer.problems import InstanceError
from optimizer.solve import SolveError, solve

#: Variants under way for every worker: enough to keep it busy, few enough for ten thousand not to sit in memory.
AHEAD = 2
#: Fewer variants than this are solved each on its own: solving the instance first would not pay.
FEW = 8
#: Times that a variant is tried again after its worker was killed.
RETRIES = 2
RESULTS = "results.csv"

Progress = Callable[[int, int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Variant:
    """A name, what it changes, and its probability where one was given."""

    name: str
    overrides: tuple[str, ...]
    weight: float | None = None


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


class SweepError(ValueError):
    """Scenarios, grids or ranges that cannot be read; the message says what to write."""


def read_scenarios(file: str | Path) -> list[Variant]:
    """Named scenarios: ``[scenarios.NAME]`` with ``set = [...]`` and, to build on others, ``extends = [...]``.

    A ``weight`` is the probability of the scenario in a two-stage plan; a sweep does not look at it.

    Raises
    ------
    SweepError
        If the file cannot be read, has other keys, or a scenario extends one that is unknown or itself.
    """
    try:
        content = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SweepError(f"{file} cannot be read: {error}") from None
    scenarios = content.get("scenarios")
    if not isinstance(scenarios, dict) or not scenarios or set(content) != {"scenarios"}:
        raise SweepError(f'{file} must hold [scenarios.NAME] tables and nothing else, each with set = ["PATH=VALUE"]')
    for name, scenario in scenarios.items():
        if not isinstance(scenario, dict) or not set(scenario) <= {"set", "extends", "weight"}:
            raise SweepError(f"{file}, scenario {name}: only set, extends and weight are known")
        weight = scenario.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
            raise SweepError(f"{file}, scenario {name}: weight is a probability above 0, up to 1")
        texts = [*scenario.get("set", []), *scenario.get("extends", [])]
        if not all(isinstance(text, str) for text in texts):
            raise SweepError(f"{file}, scenario {name}: set and extends are lists of texts")
    return [
        Variant(name, tuple(_composed(scenarios, name, (), str(file))), scenario.get("weight"))
        for name, scenario in scenarios.items()
    ]


def _composed(scenarios: Mapping[str, Any], name: str, above: tuple[str, ...], file: str) -> Iterator[str]:
    if name not in scenarios:
        raise SweepError(f"{file}: scenario {above[-1]} extends {name}, which is not there")
    if name in above:
        raise SweepError(f"{file}: scenario {name} extends itself")
    for other in scenarios[name].get("extends", []):
        yield from _composed(scenarios, other, (*above, name), file)
    yield from scenarios[name].get("set", [])


def grid(axes: Sequence[str]) -> list[Variant]:
    """Every combination of values: axes like ``finance.discount_rate=0.04,0.06`` or ``PATH*=0.9,1.1``.

    >>> [variant.overrides for variant in grid(["a=1,2", "b*=3"])]
    [('a=1', 'b*=3'), ('a=2', 'b*=3')]
    """
    choices = []
    for axis in axes:
        path, sign, values = _split(axis)
        choices.append([f"{path}{sign}{value}" for value in values.split(",")])
    return [Variant(_name(chosen), chosen) for chosen in itertools.product(*choices)]


def latin_hypercube(ranges: Sequence[str], count: int, seed: int = 0) -> list[Variant]:
    """Latin hypercube sample from ranges like ``PATH*=0.8..1.2``."""
    from scipy.stats import qmc

    paths, lows, highs = [], [], []
    for text in ranges:
        path, sign, values = _split(text)
        match = re.fullmatch(r"\s*([-+.\deE]+?)\s*\.\.\s*([-+.\deE]+)\s*", values)
        if match is None or not float(match[1]) < float(match[2]):
            raise SweepError(f"{text}: a range reads PATH=LOW..HIGH, PATH*=LOW..HIGH or PATH+=LOW..HIGH, LOW < HIGH")
        paths.append(f"{path}{sign}")
        lows.append(float(match[1]))
        highs.append(float(match[2]))
    points = qmc.scale(qmc.LatinHypercube(len(paths), rng=seed).random(count), lows, highs)
    sample = [tuple(f"{path}{value:.6g}" for path, value in zip(paths, point, strict=True)) for point in points]
    return [Variant(f"sample-{number:04d}", overrides) for number, overrides in enumerate(sample)]


def _split(text: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"([^=]+?)([*+-]?=)(.+)", text)
    if match is None:
        raise SweepError(f"{text}: must read PATH=VALUES, PATH*=VALUES or PATH+=VALUES")
    return match[1], match[2], match[3]


def _name(overrides: Iterable[str]) -> str:
    return re.sub(r"[^\w.=*+-]+", "-", "_".join(overrides))


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
        capex_usd, seconds, run_dir, message. Also written to ``folder/results.csv``.
    """
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise SweepError("two variants have the same name")
    target = Path(folder).absolute()
    target.mkdir(parents=True, exist_ok=True)
    source, content = source_of(instance, target)
    chosen = settings or Settings()
    chosen = replace(chosen, cold=chosen.cold or len(variants) < FEW)
    jobs = [(source, content, variant, str(target), chosen) for variant in variants]
    rows: dict[str, Mapping[str, Any]] = {}
    with cluster(workers, scheduler) as client:
        for job, found in results(client, solve_variant, jobs, workers):
            row = found if isinstance(found, dict) else _row(job[2], "worker lost", message=found)
            rows[row["name"]] = row
            if progress:
                progress(len(rows), len(jobs), row)
            _write(rows, names, target)
    return _write(rows, names, target)


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
                yield client
            return
        local = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        with LocalCluster(**local, dashboard_address=None, silence_logs=50) as made, Client(made) as client:
            yield client


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
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any] | str]]:
    """Each job and what came of it, as they come: what ``work`` returned, or why its worker was lost.

    At most ``AHEAD`` jobs a worker are submitted at a time.
    """
    from distributed import as_completed

    waiting = iter(jobs)
    width = AHEAD * max(workers, len(client.scheduler_info().get("workers", {})))
    first = {client.submit(work, *job, pure=False): job for job in itertools.islice(waiting, width)}
    under_way = dict(first)
    done = as_completed(list(first))
    for future in done:
        job = under_way.pop(future)
        error = future.exception()
        yield job, future.result() if error is None else str(error).splitlines()[0]
        for following in itertools.islice(waiting, 1):
            another = client.submit(work, *following, pure=False)
            under_way[another] = following
            done.add(another)


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


def _write(rows: Mapping[str, Mapping[str, Any]], names: Sequence[str], folder: Path) -> pd.DataFrame:
    """The table so far, whole or not at all."""
    table = pd.DataFrame([rows[name] for name in names if name in rows], columns=list(COLUMNS))
    draft = folder / f".{RESULTS}.draft"
    table.to_csv(draft, index=False, lineterminator="\n")
    draft.replace(folder / RESULTS)
    return table
