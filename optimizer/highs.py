"""HiGHS, spoken to in arrays: hand-off, options, progress, interruption, and what its status words mean.

Statuses are kept apart: ``optimal`` (gap closed), ``within gap``, ``feasible at time limit``, ``interrupted``,
``infeasible``, ``no incumbent`` (time limit without a solution) and ``failed``.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import highspy
import numpy as np
from scipy import sparse

from optimizer.model.matrix import Matrix

Progress = Callable[[dict[str, object]], None]

#: A gap this small is a closed gap: it is what HiGHS' own tolerances can tell.
CLOSED_GAP = 1e-6


@dataclass(frozen=True)
class Options:
    """Solver options that a user may set."""

    gap: float = 0.005
    time_limit: float | None = None
    threads: int | None = None
    seed: int = 0
    parallel: bool = True

    def after(self, seconds: float) -> Options:
        """What is left of the time limit once so many seconds are spent.

        >>> Options(time_limit=60).after(15).time_limit
        45
        """
        left = None if self.time_limit is None else max(self.time_limit - seconds, 0.0)
        return dataclasses.replace(self, time_limit=left)


@dataclass(frozen=True)
class Answer:
    """What HiGHS returned: status in our words, column values, bound row duals where they exist, method."""

    status: str
    x: np.ndarray | None
    objective: float
    bound: float
    row_dual: np.ndarray | None = None
    method: str = "monolithic"


@dataclass
class Interrupt:
    """Set when the user asks to stop (Ctrl-C); HiGHS looks at it in its callbacks."""

    asked: bool = field(default=False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn SIGINT into a request to stop, while in the main thread; see `ending_all`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, lambda *_: setattr(self, "asked", True))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        if self.asked and _many.get():
            raise KeyboardInterrupt


_many = ContextVar("_many", default=False)


@contextmanager
def ending_all() -> Iterator[None]:
    """Let Ctrl-C end all searches of a question; else it ends the one under way, which keeps what it found."""
    before = _many.set(True)
    try:
        yield
    finally:
        _many.reset(before)


@dataclass(frozen=True)
class Program:
    """min cost @ x + offset subject to row_lower <= a @ x <= row_upper, lower <= x <= upper."""

    a: sparse.csc_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    offset: float = 0.0

    @staticmethod
    def of(matrix: Matrix) -> Program:
        """The matrix without its whole numbers."""
        offset = float(matrix.cost_offset.sum())
        return Program(
            matrix.a, matrix.row_lower, matrix.row_upper, matrix.objective, matrix.lower, matrix.upper, offset
        )


def hand_off(matrix: Matrix, options: Options) -> highspy.Highs:
    """Pass the matrix to HiGHS."""
    return hand_off_program(Program.of(matrix), options, matrix.integer)


def hand_off_program(program: Program, options: Options, integer: np.ndarray | None = None) -> highspy.Highs:
    """Pass an LP to HiGHS, or a MILP if some columns are whole."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", True)  # HiGHS reports progress only when it logs,
    solver.setOptionValue("log_to_console", False)  # but nothing of it belongs on our output
    solver.setOptionValue("mip_rel_gap", options.gap)
    solver.setOptionValue("random_seed", options.seed)
    if options.time_limit is not None:
        solver.setOptionValue("time_limit", float(options.time_limit))
    if not options.parallel:
        solver.setOptionValue("parallel", "off")
    if options.threads is not None:
        highspy.Highs.resetGlobalScheduler(
            True
        )  # the number of threads is otherwise fixed by the process's first solve
        solver.setOptionValue("threads", options.threads)
    a = program.a
    whole = np.zeros(a.shape[1], np.int32) if integer is None else integer.astype(np.int32)
    sizes = [
        len(side) for side in (program.row_lower, program.row_upper, program.cost, program.lower, program.upper, whole)
    ]
    assert sizes == [a.shape[0]] * 2 + [a.shape[1]] * 4, sizes  # HiGHS would read on behind the end
    status = solver.passModel(  # the fields of a HighsLp would be filled number by number
        a.shape[1], a.shape[0], a.nnz, int(highspy.MatrixFormat.kColwise), int(highspy.ObjSense.kMinimize),
        program.offset, program.cost, program.lower, program.upper, program.row_lower, program.row_upper,
        a.indptr, a.indices, a.data, whole,
    )  # fmt: skip
    if status == highspy.HighsStatus.kError:
        raise RuntimeError("HiGHS did not accept the model")
    return solver


def set_start(solver: highspy.Highs, x: np.ndarray) -> None:
    """Give HiGHS a feasible plan to start from (it accepts an infeasible one silently: pass none of those)."""
    solution = highspy.HighsSolution()
    solution.col_value = list(x)
    solution.value_valid = True
    solver.setSolution(solution)


def run(solver: highspy.Highs, matrix: Matrix, interrupt: Interrupt, progress: Progress | None = None) -> Answer:
    """Solve, reporting progress and obeying an interrupt."""
    watch(solver, interrupt, progress)
    with interrupt.listening():
        solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
        return _told_apart(solver, matrix)
    return _answer(solver, matrix, interrupt)


def _told_apart(solver: highspy.Highs, matrix: Matrix) -> Answer:
    """Infeasible or unbounded: without an objective only the first can be."""
    columns = np.arange(matrix.a.shape[1], dtype=np.int32)
    solver.changeColsCost(len(columns), columns, np.zeros(len(columns)))
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return Answer("infeasible", None, np.nan, np.nan)
    return Answer("failed: the cost has no lower bound", None, np.nan, np.nan)


def watch(solver: highspy.Highs, interrupt: Interrupt, progress: Progress | None = None) -> None:
    """Let HiGHS obey an interrupt and report progress."""

    def stop(event: highspy.HighsCallbackEvent) -> None:
        if interrupt.asked:
            event.interrupt()

    for callback in (solver.cbMipInterrupt, solver.cbSimplexInterrupt, solver.cbIpmInterrupt):
        callback.subscribe(stop)
    if progress is None:
        return
    started = time.perf_counter()

    def report(event: highspy.HighsCallbackEvent) -> None:
        data = event.data_out
        found = np.isfinite(data.mip_primal_bound) and abs(data.mip_primal_bound) < 1e20
        progress(
            {
                "stage": "solve",
                "elapsed": time.perf_counter() - started,
                "objective_usd": data.mip_primal_bound * 1e6 if found else None,
                "bound_usd": data.mip_dual_bound * 1e6 if np.isfinite(data.mip_dual_bound) else None,
                "gap": data.mip_gap if found else None,
            }
        )

    solver.cbMipLogging.subscribe(report)


def _answer(solver: highspy.Highs, matrix: Matrix, interrupt: Interrupt) -> Answer:
    model, info = solver.getModelStatus(), solver.getInfo()
    kinds = highspy.HighsModelStatus
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    x = np.asarray(solver.getSolution().col_value) if feasible else None
    whole = bool(matrix.integer.any())
    objective = info.objective_function_value if feasible else np.nan
    bound = info.mip_dual_bound if whole else (objective if model == kinds.kOptimal else -np.inf)
    if model == kinds.kOptimal:
        gap = relative_gap(objective, bound)
        return Answer("optimal" if gap <= CLOSED_GAP else "within gap", x, objective, bound)
    if model == kinds.kInfeasible:
        return Answer("infeasible", None, np.nan, np.nan)
    if interrupt.asked or model == kinds.kInterrupt:
        return Answer("interrupted", x, objective, bound)
    if model in (kinds.kTimeLimit, kinds.kIterationLimit, kinds.kSolutionLimit):
        return Answer("no incumbent" if x is None else "feasible at time limit", x, objective, bound)
    return Answer("failed: " + solver.modelStatusToString(model), None, np.nan, np.nan)


def relative_gap(objective: float, bound: float) -> float:
    """(objective - bound) / |objective|, 0 where they meet.

    >>> relative_gap(100.0, 99.0)
    0.01
    """
    if not np.isfinite(bound):
        return float("inf")
    return max(0.0, objective - bound) / max(abs(objective), 1e-9)


def fix_and_polish(matrix: Matrix, answer: Answer, options: Options) -> Answer:
    """Round the whole numbers, fix them and solve the LP that is left: a clean solution with marginal values.

    Returns the given answer unchanged if the LP cannot be solved (the checker decides then).
    """
    if answer.x is None or not matrix.integer.any():
        return answer
    solver = fixed_lp(matrix, answer.x, options)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return answer
    solution = solver.getSolution()
    objective = solver.getInfo().objective_function_value
    return Answer(answer.status, np.asarray(solution.col_value), objective, answer.bound, np.asarray(solution.row_dual))


def fixed_lp(matrix: Matrix, x: np.ndarray, options: Options) -> highspy.Highs:
    """The LP that is left when the whole numbers are those of ``x``, handed off and not yet solved."""
    solver = hand_off(matrix, Options(threads=options.threads, seed=options.seed))
    index = np.flatnonzero(matrix.integer).astype(np.int32)
    fixed = np.round(x[matrix.integer])
    continuous = np.full(len(index), highspy.HighsVarType.kContinuous.value, np.uint8)
    solver.changeColsIntegrality(len(index), index, continuous)
    solver.changeColsBounds(len(index), index, fixed, fixed)
    return solver
