"""What each choice of the solver is worth, case by case.

lp       the relaxation by algorithm
root     gap of the relaxation, and of the root after HiGHS' cuts, with steps of the formulation taken back; one turn
loosened the same matrices: time to a gap of 0.5 % decomposed and, from the first plan of the matrix as built, whole;
         that of the relaxation
start    time to a gap of 0.5 % from a first plan, without it, and by decomposition
options  time to 0.5 % of a small whole matrix by HiGHS option, another seed every turn
blocks   LPs of the decomposition by algorithm: the first of each block, and a second at other decisions

Seconds are of the processor, one thread, so that other work on the machine hardly counts; what is compared takes turns,
and ratios are to the first line of its kind, in turns that both finished. Nothing is tested. HiPO needs
``highspy-extras``; without it its lines say so.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import highspy
import numpy as np
from benchmarks import loosened
from benchmarks.cases import STARGATE
from benchmarks.pairs import spread, table

from optimizer import apply_overrides, benders, highs, read_instance
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.start import first_plan
from optimizer.synthetic import synthetic

CASES: dict[str, Callable[[], Instance]] = {
    "synthetic 5k": lambda: synthetic(sites=4, years=5, hours=24, periods=1),
    "synthetic 25k": lambda: synthetic(sites=4, years=4, hours=24, periods=6),
    "stargate-us coarse": lambda: apply_overrides(read_instance(STARGATE), ["options.resolution=coarse"]),
    "synthetic 100k": lambda: synthetic(sites=8, years=6, hours=24, periods=8),
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "simplex": {"solver": "simplex"},
    "IPX": {"solver": "ipx"},
    "IPX, no crossover": {"solver": "ipx", "run_crossover": "off"},
    "HiPO": {"solver": "hipo"},
    "HiPO, no crossover": {"solver": "hipo", "run_crossover": "off"},
    "PDLP": {"solver": "pdlp", "run_crossover": "off", "time_limit": 20.0},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "as set": {},
    "heuristic effort 0.2": {"mip_heuristic_effort": 0.2},
    "heuristic effort 0.01": {"mip_heuristic_effort": 0.01},
    "no feasibility jump": {"mip_heuristic_run_feasibility_jump": False},
    "no RENS": {"mip_heuristic_run_rens": False},
    "no symmetry": {"mip_detect_symmetry": False},
    "root presolve only": {"mip_root_presolve_only": True},
    "no restart": {"mip_allow_restart": False},
}
#: Columns up to which a matrix is branched on often enough to compare options, and up to which one comes to the gap.
SMALL, SOLVED = 10_000, 50_000
GAP, LIMIT = 0.005, 60.0
#: What bounds of the same LP may differ by.
SLACK = 1e-6
UNLIMITED = highs.Options(gap=GAP, threads=1, parallel=False)
ONE_THREAD = dataclasses.replace(UNLIMITED, time_limit=LIMIT)


class Case:
    """A matrix, and what is known of it before anything is timed, each found when it is first asked for."""

    def __init__(self, instance: Instance) -> None:
        self.matrix = compile_matrix(build(instance))
        self.parts = benders.split(self.matrix)

    @cached_property
    def best(self) -> float:
        """Cost of a plan within 0.1 % of the cheapest."""
        tight = highs.Options(gap=0.001, threads=1)
        answer = benders.search_matrix(self.matrix, self.parts, tight, highs.Interrupt())
        assert answer.x is not None, answer.status
        return answer.objective

    @cached_property
    def loosened(self) -> dict[str, Matrix]:
        """The matrix as it is, and with those steps of its formulation taken back that it has."""
        others = {title: step(self.matrix) for title, step in loosened.STEPS.items()}
        changed = {title: other for title, other in others.items() if not loosened.same(self.matrix, other)}
        return {"as built": self.matrix} | changed

    @cached_property
    def first(self) -> np.ndarray:
        """A first plan."""
        first = first_plan(self.matrix, UNLIMITED, highs.Interrupt())
        assert first is not None
        assert first.x is not None
        return first.x

    @cached_property
    def decisions(self) -> dict[str, np.ndarray]:
        """Two points at which blocks operate: of the relaxation, and of a first plan."""
        solver = relaxed(self.matrix, {})
        assert solver is not None
        return {"first LP of a block": np.asarray(solver.getSolution().col_value), "second LP": self.first}


class Step(NamedTuple):
    """A choice: what it is compared with, seconds, what was found, and whether that is all that was asked for."""

    kind: str
    title: str
    seconds: float
    found: str
    finished: bool


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def accepts(solver: highspy.Highs, settings: dict[str, Any]) -> bool:
    """Whether this HiGHS has all these options with these values, which are set then."""
    return all(solver.setOptionValue(name, value) == highspy.HighsStatus.kOk for name, value in settings.items())


def relaxed(matrix: Matrix, algorithm: dict[str, Any], limits: highs.Options = UNLIMITED) -> highspy.Highs | None:
    """The solved relaxation; None if this HiGHS does not have the algorithm, or it took too long."""
    solver = highs.hand_off(dataclasses.replace(matrix, integer=np.zeros(len(matrix.integer), bool)), limits)
    if not accepts(solver, algorithm):
        return None
    solver.run()
    return solver if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal else None


def lp(case: Case, _: int) -> Iterator[Step]:
    for algorithm, options in ALGORITHMS.items():
        solver, seconds = timed(lambda options=options: relaxed(case.matrix, options, ONE_THREAD))
        if solver is None:
            yield Step("lp", algorithm, seconds, "not there, or not within the limit", False)
            continue
        info = solver.getInfo()
        steps = max(info.simplex_iteration_count, info.ipm_iteration_count, info.pdlp_iteration_count)
        yield Step("lp", algorithm, seconds, f"{info.objective_function_value:.2f} M$ in {steps} steps", True)


def root(case: Case, seed: int) -> Iterator[Step]:
    """The cuts may stop at the limit: what they have reached by then counts."""
    for title, tried in case.loosened.items():
        solver, seconds = timed(lambda tried=tried: relaxed(tried, {}))
        assert solver is not None
        bound = solver.getInfo().objective_function_value
        cut = highs.hand_off(tried, dataclasses.replace(ONE_THREAD, gap=0.0, seed=seed))
        assert accepts(cut, {"mip_max_nodes": 1, "mip_heuristic_effort": 0.0})
        _, cutting = timed(cut.run)
        raised = cut.getInfo().mip_dual_bound
        after = f"{highs.relative_gap(case.best, raised):.2%}" if raised >= bound - SLACK * abs(bound) else "not begun"
        relaxation = f"relaxation {highs.relative_gap(case.best, bound):.2%}"
        found = f"{relaxation}, after cuts {after}; {tried.integer.sum()} whole"
        yield Step("root", title, seconds + cutting, found, True)


def without_steps(case: Case, seed: int) -> Iterator[Step]:
    for title, tried in case.loosened.items():
        if tried.names:  # that tell what is decided
            answer = timed(lambda tried=tried: decomposed(tried, benders.split(tried), seed))
            yield _closed("loosened, decomposed", title, *answer)
    if case.matrix.a.shape[1] > SOLVED:
        return
    for title, tried in case.loosened.items():
        solver, seconds = timed(lambda tried=tried: relaxed(tried, {}))
        assert solver is not None
        yield Step("loosened relaxation", title, seconds, f"{solver.getInfo().objective_function_value:.2f} M$", True)
    for title, tried in case.loosened.items():
        split = tried.a.shape[1] > len(case.first)
        plan = loosened.plan_block_by_block(case.matrix, case.first) if split else case.first
        yield _closed("loosened", title, *timed(lambda tried=tried, plan=plan: branched(tried, {}, seed, plan)))


def decomposed(matrix: Matrix, parts: benders.Split, seed: int = 0) -> highs.Answer:
    return benders.search_matrix(matrix, parts, dataclasses.replace(ONE_THREAD, seed=seed), highs.Interrupt())


def start(case: Case, seed: int) -> Iterator[Step]:
    matrix = case.matrix
    first, seconds = timed(lambda: first_plan(matrix, UNLIMITED, highs.Interrupt()))
    plan, gap = (None, np.inf) if first is None else (first.x, highs.relative_gap(first.objective, first.bound))
    whole, branching = (first, 0.0) if gap <= GAP else timed(lambda: branched(matrix, {}, seed, plan))
    more = f"; the first plan {gap:.2%} in {seconds:.1f} s"
    yield _closed("start", "from a first plan", whole, seconds + branching, more)
    yield _closed("start", "without", *timed(lambda: branched(matrix, {}, seed)))
    yield _closed("start", "decomposed", *timed(lambda: decomposed(matrix, case.parts)))


def _closed(kind: str, title: str, answer: highs.Answer, seconds: float, more: str = "") -> Step:
    if answer.x is None:
        return Step(kind, title, seconds, f"no plan{more}", False)
    gap = highs.relative_gap(answer.objective, answer.bound)
    return Step(kind, title, seconds, f"{gap:.2%}{more}", gap <= GAP)


def branched(matrix: Matrix, setting: dict[str, Any], seed: int, first: np.ndarray | None = None) -> highs.Answer:
    solver = highs.hand_off(matrix, dataclasses.replace(ONE_THREAD, seed=seed))
    assert accepts(solver, setting), setting
    if first is not None:
        highs.set_start(solver, first)
    return highs.run(solver, matrix, highs.Interrupt())


def options(case: Case, seed: int) -> Iterator[Step]:
    if case.matrix.a.shape[1] > SMALL:
        return
    for title, setting in SETTINGS.items():
        yield _closed("options", title, *timed(lambda setting=setting: branched(case.matrix, setting, seed)))


def blocks(case: Case, _: int) -> Iterator[Step]:
    for algorithm in ("simplex", "IPX", "HiPO"):
        spent, found, there = dict.fromkeys(case.decisions, 0.0), dict.fromkeys(case.decisions, 0), True
        for block in case.parts.blocks:
            lp_of_block = highs.hand_off_program(block.program, highs.Options(parallel=False))
            there = accepts(lp_of_block, ALGORITHMS[algorithm])
            if not there:
                break
            links = np.arange(len(block.own), block.program.a.shape[1], dtype=np.int32)
            known = block.decisions < len(case.parts.columns)
            for kind, x in case.decisions.items():
                at = x[case.parts.columns[block.decisions[known]]]
                lp_of_block.changeColsBounds(len(at), links[known], at, at)
                spent[kind] += timed(lp_of_block.run)[1]
                found[kind] += lp_of_block.getModelStatus() == highspy.HighsModelStatus.kOptimal
        for kind, seconds in spent.items():
            said = f"{found[kind]} of {len(case.parts.blocks)} blocks can operate" if there else "not there"
            yield Step(kind, algorithm, seconds, said, there)


PARTS = {"lp": lp, "root": root, "loosened": without_steps, "start": start, "options": options, "blocks": blocks}
#: What the next turn would only tell again, but for HiGHS' cuts with another seed.
ONCE = ("root",)


def main(turns: int, parts: Sequence[str] = tuple(PARTS), names: Sequence[str] = tuple(CASES)) -> list[str]:
    """Lines of the section."""
    lines = []
    for name in names:
        case = Case(CASES[name]())
        columns, whole = case.matrix.a.shape[1], case.matrix.integer.sum()
        lines += [f"{name}: {columns:,} columns, {whole} of them whole.", ""]
        rows = [row for part in parts for row in _rows(case, part, 1 if part in ONCE else turns)]
        lines += [*table(["", "choice", "finished", "s", "ratio", "found in the first turn"], rows), ""]
    return lines


def _rows(case: Case, part: str, turns: int) -> list[list[str]]:
    taken = [list(PARTS[part](case, seed)) for seed in range(turns)]
    return [_row(list(steps), taken) for steps in zip(*taken, strict=True)]


def _row(steps: list[Step], taken: list[list[Step]]) -> list[str]:
    first = [next(step for step in turn if step.kind == steps[0].kind) for turn in taken]
    pairs = [(mine, of) for mine, of in zip(steps, first, strict=True) if mine.finished and of.finished]
    seconds = statistics.median(step.seconds for step in steps)
    ratio = spread([mine.seconds / of.seconds for mine, of in pairs]) if pairs and len(taken) > 1 else ""
    finished = f"{sum(step.finished for step in steps)} of {len(steps)}"
    return [steps[0].kind, steps[0].title, finished, f"{seconds:.2f}", ratio, steps[0].found]
