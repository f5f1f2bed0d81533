"""Solve an instance: build, hand off to HiGHS, read the answer back, check it, and say exactly what it is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from optimizer import benders, highs
from optimizer.accounts import Accounts
from optimizer.benders.by_parts import Joined, guide_of, search_parts, size_of, solution_of, work_on
from optimizer.benders.coarser import coarser
from optimizer.benders.parts import Part, columns_of_all, divide
from optimizer.check import CheckError, check
from optimizer.cluster import ClusterError, Scheduler, standing
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.data import MILLION, Data
from optimizer.model.matrix import Contradiction, Matrix, ScalingError, Size, compile_matrix
from optimizer.model.solution import Solution
from optimizer.plan import TABLES, Plan
from optimizer.results import Reading, operating_tables
from optimizer.start import first_plan

Progress = Callable[[dict[str, Any]], None]
Method = Literal["auto", "benders", "monolithic"]
#: By default a matrix is decomposed from so many columns on, or with a memory from so many blocks on, unless the gap
#: asked for is smaller than this: a small one is soon solved whole, and the last hundredth of a per cent needs too
#: many cuts.
COLUMNS, BLOCKS, GAP = 5_000, 8, 1e-3
#: On a cluster every worker has several parts, so that none waits long for another, of at most so many columns.
PARTS_PER_WORKER, LARGEST_PART = 8, 50_000
#: The stage in which longer steps tell where to look, and the most of the time limit that it may take.
COARSER, COARSER_PART = "coarser", 0.25
#: What a search that ended early, without a plan of its own, means for a plan that was known before.
ENDED_EARLY = {"interrupted": "interrupted", "no incumbent": "feasible at time limit"}


class SolveError(RuntimeError):
    """No plan came out; the message says why and what to do."""


class Infeasible(SolveError):
    """No plan meets all limits of the instance."""


class NoIncumbent(SolveError):
    """The time limit came before the first plan."""


class SolverFailure(SolveError):
    """The solver failed, or its answer did not stand up."""


class Interrupted(SolveError):
    """Stopped by the user before the first plan."""


class Stopwatch:
    """Seconds spent in each stage, and a word about each to whoever listens."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._started = time.perf_counter()

    def told(self, done: int, of: int) -> None:
        """Say how many parts are built."""
        if self._progress:
            elapsed = time.perf_counter() - self._started
            self._progress({"stage": "build", "elapsed": elapsed, "done": done, "of": of})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self._progress:
            self._progress({"stage": name, "elapsed": time.perf_counter() - self._started})
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def solve(
    instance: Instance,
    *,
    gap: float = 0.005,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    method: Method = "auto",
    workers: int | None = None,
    memory: benders.Memory | None = None,
    scheduler: str | Scheduler | None = None,
    templates: bool = True,
) -> Plan:
    """Solve an instance at its chosen resolution.

    Parameters
    ----------
    instance
        A validated instance.
    gap
        Relative gap at which to stop, (objective - bound) / |objective|.
    time_limit
        Seconds of solving; None for no limit.
    threads
        Threads of the solver; None leaves it to HiGHS.
    method
        ``benders`` decides on funding and lets every network run each year on its own; ``monolithic`` solves one
        matrix; ``auto`` takes what is faster at the instance's size.
    workers
        Blocks of a decomposition solved side by side; None for one by processor, or ``threads`` if given.
    scheduler
        Solve the blocks on a Dask cluster: ``local`` for one of ``workers`` processes of this machine, or that of an
        existing one, whose workers must see this machine's temporary folder (``TMPDIR``).
    memory
        Empty, or what a solve of much the same instance left: with ``auto`` every matrix of many blocks is then
        decomposed, and begins from the cuts, bases and plan of the first. Bounds are proven anew. Which of the plans
        within the gap is found depends on that first solve, not on those in between.
    progress
        Called with events: ``stage``, ``elapsed`` (s) and, while solving, ``objective_usd``, ``bound_usd``, ``gap``.
    templates
        Build through Pyomo's templates (fast) or row by row.

    Raises
    ------
    Infeasible, NoIncumbent, SolverFailure, Interrupted
        When there is no plan.
    CheckError
        When the plan breaks a limit or its figures do not add up.
    ClusterError
        If a cluster cannot be reached, or is given one matrix.
    """
    refuse_one_matrix_on_cluster(method, scheduler)
    watch = Stopwatch(progress)
    options = highs.Options(gap=gap, time_limit=time_limit, threads=threads)
    side_by_side = workers or threads or os.cpu_count() or 1
    whole = method == "monolithic" or (method == "auto" and scheduler is None and gap < GAP)
    parts = [] if whole else parts_of(instance, scheduler, side_by_side)
    if len(parts) > 1 or scheduler is not None:
        return _by_parts(instance, parts, options, watch, side_by_side, progress, memory, scheduler)
    matrix, data = _compiled(instance, watch, templates)
    interrupt = highs.Interrupt()
    # to its tables and checks: a request to stop must not cost the plan that it comes after
    with interrupt.listening():
        with watch.stage("solve"):
            answer = find(instance, matrix, options, method, side_by_side, progress, memory, interrupt)
            refuse_no_answer(answer)
        assert answer.x is not None
        return checked_plan(instance, Solution.of(data, matrix, answer.x), Size.of(matrix), answer, options, watch)


def refuse_one_matrix_on_cluster(method: Method, scheduler: str | Scheduler | None) -> None:
    """See that there are blocks for a cluster to solve."""
    if method == "monolithic" and scheduler is not None:
        raise ClusterError(
            "method monolithic solves one matrix, in one process: leave the scheduler out or say benders"
        )


def parts_of(instance: Instance, scheduler: str | Scheduler | None, workers: int) -> list[Part]:
    """Parts to build and solve one by one; one, if the instance is small."""
    found = divide(instance)
    if scheduler is None:
        return found
    return divide(instance, min(LARGEST_PART, max(1, columns_of_all(instance) // (PARTS_PER_WORKER * workers))))


def _by_parts(
    instance: Instance,
    parts: list[Part],
    options: highs.Options,
    watch: Stopwatch,
    workers: int,
    progress: Progress | None,
    memory: benders.Memory | None,
    scheduler: str | Scheduler | None,
) -> Plan:
    """A plan whose matrix is never there as a whole."""
    coarse = coarser(instance) if memory is None else None
    interrupt = highs.Interrupt()
    # listening ends last: a request to stop while the workers are dismissed must not cost the plan either
    with contextlib.ExitStack() as listening, contextlib.ExitStack() as at_work:
        guide = None
        if coarse is not None:
            with watch.stage("build"):
                scheduler = at_work.enter_context(standing(workers, scheduler))
            guide = _guide(coarse, parts, options, watch, workers, progress, scheduler, interrupt)
        left = options.after(watch.seconds.get(COARSER, 0.0))
        with refusals(), watch.stage("build"):
            work = at_work.enter_context(work_on([(instance, parts)], workers, scheduler, watch.told))
            joined = Joined.of(work.masters)
        listening.enter_context(interrupt.listening())
        with watch.stage("solve"):
            with refusals():
                found = search_parts(work, joined, left, interrupt, progress, memory, guide)
            answer = highs.Answer(found.status, found.decisions, found.cost, found.bound, method="benders")
            refuse_no_answer(answer)
        assert found.decisions is not None
        with watch.stage("results"):
            solution = solution_of(instance, joined, found.decisions, work.operations(found, joined.at))
        size = size_of(joined, work.sizes)
        return checked_plan(instance, solution, size, answer, options, watch)


def _guide(
    coarse: Instance,
    parts: list[Part],
    options: highs.Options,
    watch: Stopwatch,
    workers: int,
    progress: Progress | None,
    scheduler: str | Scheduler | None,
    interrupt: highs.Interrupt,
) -> benders.Guide | None:
    """What the instance with longer steps tells; None where it has no answer, which says nothing of the real one."""

    def told(event: dict[str, Any]) -> None:
        if progress is not None:
            progress({"stage": COARSER, "elapsed": event["elapsed"]})

    if options.time_limit is not None:
        options = dataclasses.replace(options, time_limit=COARSER_PART * options.time_limit)
    guide = None
    with contextlib.suppress(Contradiction, ScalingError, benders.BlockError), contextlib.ExitStack() as at_work:
        with watch.stage("build"):
            work = at_work.enter_context(work_on([(coarse, parts)], workers, scheduler, watch.told))
        with watch.stage(COARSER):
            guide = guide_of(work, options, interrupt, told)
    if interrupt.asked:
        refuse_no_answer(highs.Answer("interrupted", None, np.nan, -np.inf))
    return guide


def _no_operation(error: benders.BlockError) -> SolveError:
    if error.proven:
        return Infeasible(
            "no plan meets all limits of the instance: in some year a network cannot operate whatever is funded; "
            "'optimizer explain' says which limits contradict each other and what would have to give way"
        )
    return SolverFailure(f"{error}: try --method monolithic, or a coarser resolution")


def checked_plan(
    instance: Instance, solution: Solution, size: Size, answer: highs.Answer, options: highs.Options, watch: Stopwatch
) -> Plan:
    """The tables of a solution, checked.

    Parameters
    ----------
    instance
        What the plan is checked against; the solution's own, or one with other limits that it keeps too.
    solution
        Values of all variables.
    size
        Of the matrix, for the manifest.
    answer
        Its status, and the bound (M$) on the cost of any plan of ``instance``.
    options
        What was asked for; the status ``within gap`` is checked against its gap.
    watch
        Seconds so far.

    Raises
    ------
    CheckError
        When the plan breaks a limit or its figures do not add up.
    """
    with watch.stage("results"):
        reading = Reading(solution)
        tables = operating_tables(reading) | Accounts(reading).tables()
        manifest = _manifest(size, answer, options, watch)
        plan = _plan(instance, answer, {name: tables[name] for name in TABLES}, manifest)
    return _checked(plan, watch)


@contextmanager
def refusals() -> Iterator[None]:
    """Say in the words of a solve what is wrong with a matrix, or with a block of it."""
    try:
        yield
    except Contradiction as error:
        raise Infeasible(f"no plan meets all limits: {error}") from None
    except ScalingError as error:
        raise SolverFailure(str(error)) from None
    except benders.BlockError as error:
        raise _no_operation(error) from None


def _compiled(instance: Instance, watch: Stopwatch, templates: bool) -> tuple[Matrix, Data]:
    """The model of an instance as a matrix, and its data."""
    with refusals():
        with watch.stage("build"):
            model = build(instance, templates=templates)
        with watch.stage("hand-off"):
            matrix = compile_matrix(model)
            return matrix, model.data


def find(
    instance: Instance,
    matrix: Matrix,
    options: highs.Options,
    method: Method = "auto",
    workers: int = 1,
    progress: Progress | None = None,
    memory: benders.Memory | None = None,
    interrupt: highs.Interrupt | None = None,
) -> highs.Answer:
    """Search for the plan of least cost.

    Parameters
    ----------
    instance
        What the matrix was compiled from.
    method, workers, memory
        As in `solve`.
    interrupt
        The caller's, which ends the search.

    Returns
    -------
    Answer
        Its status says whether there is a plan.
    """
    interrupt = interrupt or highs.Interrupt()
    parts = parts_of_matrix(matrix, method, options.gap, memory is not None)
    answer = None if parts is None else _decomposed(matrix, parts, options, interrupt, progress, workers, memory)
    return _whole(matrix, options, interrupt, progress) if answer is None else answer


def parts_of_matrix(matrix: Matrix, method: Method, gap: float, remembering: bool) -> benders.Split | None:
    """The blocks to solve by; None to solve the matrix whole."""
    large = matrix.a.shape[1] >= COLUMNS
    whole = gap < GAP or not (large or remembering)
    if method == "monolithic" or (method == "auto" and whole) or not matrix.integer.any():
        return None
    parts = benders.split(matrix)
    return parts if method == "benders" or large or len(parts.blocks) >= BLOCKS else None


def _decomposed(
    matrix: Matrix,
    parts: benders.Split,
    options: highs.Options,
    interrupt: highs.Interrupt,
    progress: Progress | None,
    workers: int,
    memory: benders.Memory | None,
) -> highs.Answer | None:
    """The answer by blocks; None where it found no plan, so that the matrix as a whole says why."""
    try:
        answer = benders.search_matrix(matrix, parts, options, interrupt, progress, workers, memory)
    except benders.BlockError:
        return None
    return None if answer.status == "infeasible" or answer.status.startswith("failed") else answer


def _whole(
    matrix: Matrix, options: highs.Options, interrupt: highs.Interrupt, progress: Progress | None
) -> highs.Answer:
    """A first plan, and branch and bound from it if it is not within the gap of the relaxation."""
    with interrupt.listening():
        started = time.perf_counter()
        answer = first_plan(matrix, options, interrupt, progress)
        if answer is None or highs.relative_gap(answer.objective, answer.bound) > options.gap:
            answer = _branched(matrix, answer, options, started, interrupt, progress)
        return highs.fix_and_polish(matrix, answer, options)


def _branched(
    matrix: Matrix,
    first: highs.Answer | None,
    options: highs.Options,
    started: float,
    interrupt: highs.Interrupt,
    progress: Progress | None,
) -> highs.Answer:
    """Branch and bound from a first plan, which stands where the search ends before it took it up."""
    solver = highs.hand_off(matrix, options)
    if first is not None and first.x is not None:
        highs.set_start(solver, first.x)
    left = options.after(time.perf_counter() - started).time_limit
    if left is not None:
        solver.setOptionValue("time_limit", float(left))
    answer = highs.run(solver, matrix, interrupt, progress)
    if first is None or answer.x is not None or answer.status not in ENDED_EARLY:
        return answer
    bound = np.fmax(first.bound, answer.bound)
    return dataclasses.replace(first, status=ENDED_EARLY[answer.status], bound=float(bound))


def refuse_no_answer(answer: highs.Answer) -> None:
    """Raise what it means that there is no plan."""
    if answer.status == "infeasible":
        raise Infeasible(
            "no plan meets all limits of the instance: 'optimizer explain' says which contradict each other "
            "and what would have to give way"
        )
    if answer.status == "no incumbent":
        raise NoIncumbent(
            "the time limit came before the first plan: allow more time, or solve a coarser resolution first"
        )
    if answer.x is None and answer.status == "interrupted":
        raise Interrupted("stopped before the first plan was found; nothing was written")
    if answer.x is None:
        raise SolverFailure(
            f"the solver {answer.status}: try a coarser resolution and report the instance if it persists"
        )


def _plan(instance: Instance, answer: highs.Answer, tables: dict[str, Any], manifest: dict[str, Any]) -> Plan:
    objective = float(tables["costs"]["present_value_usd"].sum())
    bound = float(answer.bound * MILLION) if np.isfinite(answer.bound) else min(objective, 0.0)
    gap = highs.relative_gap(objective, bound)
    status = answer.status
    if status == "optimal" and gap > highs.CLOSED_GAP:
        status = "within gap"
    return Plan(instance, status, objective, bound, gap, tables, manifest)


def _checked(plan: Plan, watch: Stopwatch) -> Plan:
    """The plan with its checks in the manifest; a violation is an error."""
    with watch.stage("check"):
        report = check(plan)
    if not report.ok:
        raise CheckError(report)
    manifest = {
        **plan.manifest,
        "checks": report.as_dict(),
        "seconds": watch.seconds,
        "peak_memory_mb": _peak_memory_mb(),
    }
    return Plan(plan.instance, plan.status, plan.objective_usd, plan.bound_usd, plan.gap, plan.tables, manifest)


def _peak_memory_mb() -> float | None:
    """Largest memory of the process so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if platform.system() == "Darwin" else 1024)


def _manifest(size: Size, answer: highs.Answer, options: highs.Options, watch: Stopwatch) -> dict[str, Any]:
    packages = ("community-plan-optimizer", "pyomo", "highspy", "numpy", "pandas", "pydantic")
    return {
        "rows": size.rows,
        "columns": size.columns,
        "integers": size.integers,
        "nonzeros": size.nonzeros,
        "coefficient_range": list(size.coefficient_range),
        "options": {
            "gap": options.gap,
            "time_limit": options.time_limit,
            "threads": options.threads,
            "seed": options.seed,
        },
        "method": answer.method,
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
        "seconds": watch.seconds,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return "not installed"
