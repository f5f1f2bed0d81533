"""What each choice of the solver is worth, case by case.

lp       the relaxation by algorithm
root     gap of the relaxation, and of the root after HiGHS' cuts, without each tightening row and with all of them
start    gap and time of the first plan, then the time to a gap of 0.5 % from it, without it, and by decomposition
options  time to 0.5 % of the whole matrix by HiGHS option, as a geometric mean of ratios over seeds
blocks   LPs of the decomposition by algorithm: the first of each block, and a second at other decisions

Seconds are of the processor, one thread, so that other work on the machine hardly counts; what is compared takes turns.
Nothing is tested. HiPO needs ``highspy-extras``; without it its lines say so.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import highspy
import numpy as np

from optimizer import apply_overrides, benders, highs, read_instance
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.start import first_plan
from optimizer.synthetic import synthetic

STARGATE = Path(__file__).parents[2] / "instances" / "stargate-us"
CASES: dict[str, Callable[[], Instance]] = {
    "stargate-us coarse": lambda: apply_overrides(read_instance(STARGATE), ["options.resolution=coarse"]),
    "synthetic 5k": lambda: synthetic(sites=4, years=5, hours=24, periods=1),
    "synthetic 25k": lambda: synthetic(sites=4, years=4, hours=24, periods=6),
    "synthetic 100k": lambda: synthetic(sites=8, years=6, hours=24, periods=8),
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "simplex": {"solver": "simplex"},
    "IPX": {"solver": "ipx"},
    "IPX, no crossover": {"solver": "ipx", "run_crossover": "off"},
    "HiPO": {"solver": "hipo"},
    "HiPO, no crossover": {"solver": "hipo", "run_crossover": "off"},
    "PDLP": {"solver": "pdlp", "run_crossover": "off"},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "heuristic effort 0.2": {"mip_heuristic_effort": 0.2},
    "heuristic effort 0.01": {"mip_heuristic_effort": 0.01},
    "no feasibility jump": {"mip_heuristic_run_feasibility_jump": False},
    "no RENS": {"mip_heuristic_run_rens": False},
    "no symmetry": {"mip_detect_symmetry": False},
    "root presolve only": {"mip_root_presolve_only": True},
    "no restart": {"mip_allow_restart": False},
}
#: Rows that follow from others and only tighten the relaxation.
TIGHTENING = ("open_sites_carry_demand",)
GAP, LIMIT, SEEDS = 0.005, 120.0, (0, 1)
UNLIMITED = highs.Options(gap=GAP, threads=1, parallel=False)
ONE_THREAD = dataclasses.replace(UNLIMITED, time_limit=LIMIT)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def without(matrix: Matrix, names: tuple[str, ...]) -> Matrix:
    """The matrix without the constraints of these names."""
    kept = np.array([name not in names for name, _ in matrix.row_names], bool)
    return dataclasses.replace(
        matrix,
        a=matrix.a.tocsr()[kept].tocsc(),
        row_lower=matrix.row_lower[kept],
        row_upper=matrix.row_upper[kept],
        row_names=[row for row, keep in zip(matrix.row_names, kept, strict=True) if keep],
    )


def accepts(solver: highspy.Highs, settings: dict[str, Any]) -> bool:
    """Whether this HiGHS has all these options with these values, which are set then."""
    return all(solver.setOptionValue(name, value) == highspy.HighsStatus.kOk for name, value in settings.items())


def relaxed(matrix: Matrix, algorithm: dict[str, Any]) -> highspy.Highs | None:
    """The solved relaxation; None if this HiGHS does not have the algorithm."""
    solver = highs.hand_off(dataclasses.replace(matrix, integer=np.zeros(len(matrix.integer), bool)), ONE_THREAD)
    if not accepts(solver, algorithm):
        return None
    solver.run()
    return solver if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal else None


def lp(name: str, matrix: Matrix) -> Iterator[str]:
    for algorithm, options in ALGORITHMS.items():
        solver, seconds = timed(lambda options=options: relaxed(matrix, options))
        found = "none: not there, or not within the limit"
        if solver is not None:
            info = solver.getInfo()
            steps = max(info.simplex_iteration_count, info.ipm_iteration_count, info.pdlp_iteration_count)
            found = f"{info.objective_function_value:12.2f} M$ in {steps} steps"
        yield f"{name:>20} {algorithm:>20} {seconds:8.1f} s  {found}"


def root(name: str, matrix: Matrix) -> Iterator[str]:
    best = benders.search_matrix(matrix, benders.split(matrix), highs.Options(gap=0.001, threads=1), highs.Interrupt())
    for title, tried in (
        ("all", matrix),
        *((f"no {row}", without(matrix, (row,))) for row in TIGHTENING),
    ):
        solver, seconds = timed(lambda tried=tried: relaxed(tried, {}))
        assert solver is not None
        bound = solver.getInfo().objective_function_value
        cut = highs.hand_off(tried, dataclasses.replace(ONE_THREAD, gap=0.0))
        for option, value in {"mip_max_nodes": 1, "mip_heuristic_effort": 0.0}.items():
            cut.setOptionValue(option, value)
        _, cutting = timed(cut.run)
        gaps = [highs.relative_gap(best.objective, b) for b in (bound, cut.getInfo().mip_dual_bound)]
        found = f"relaxation {gaps[0]:.3%} ({seconds:.1f} s), cuts {gaps[1]:.3%} ({cutting:.1f} s)"
        yield f"{name:>20} {title:>30}: {found}"


def start(name: str, matrix: Matrix) -> Iterator[str]:
    first, seconds = timed(lambda: first_plan(matrix, UNLIMITED, highs.Interrupt()))
    gap = np.inf if first is None else highs.relative_gap(first.objective, first.bound)
    yield f"{name:>20}: first plan {gap:.3%} above the relaxation, {seconds:.1f} s"
    whole, branching = (first, 0.0) if gap <= GAP else timed(lambda: branched(matrix, {}, 0, first))
    alone, plain = timed(lambda: branched(matrix, {}, 0))
    split, blocks = timed(lambda: benders.search_matrix(matrix, benders.split(matrix), ONE_THREAD, highs.Interrupt()))
    for title, answer, spent in (
        ("from the first plan", whole, seconds + branching), ("without", alone, plain), ("decomposed", split, blocks),
    ):  # fmt: skip
        yield f"{name:>20} {title:>22}: {highs.relative_gap(answer.objective, answer.bound):.3%} in {spent:.1f} s"


def branched(matrix: Matrix, setting: dict[str, Any], seed: int, first: highs.Answer | None = None) -> highs.Answer:
    solver = highs.hand_off(matrix, dataclasses.replace(ONE_THREAD, seed=seed))
    for option, value in setting.items():
        solver.setOptionValue(option, value)
    if first is not None and first.x is not None:
        highs.set_start(solver, first.x)
    return highs.run(solver, matrix, highs.Interrupt())


def options(name: str, matrix: Matrix) -> Iterator[str]:
    usual = {seed: timed(lambda seed=seed: branched(matrix, {}, seed))[1] for seed in SEEDS}
    for title, setting in SETTINGS.items():
        ratios = [timed(lambda s=setting, seed=seed: branched(matrix, s, seed))[1] / usual[seed] for seed in SEEDS]
        yield f"{name:>20} {title:>22}: {statistics.geometric_mean(ratios):.2f} of the usual time"


def blocks(name: str, matrix: Matrix) -> Iterator[str]:
    """Decisions are those of the relaxation, then those of a first plan."""
    parts = benders.split(matrix)
    first = first_plan(matrix, UNLIMITED, highs.Interrupt())
    solver = relaxed(matrix, {})
    assert solver is not None
    assert first is not None
    assert first.x is not None
    points = [np.asarray(solver.getSolution().col_value), first.x]
    for algorithm in ("simplex", "IPX", "HiPO"):
        spent = [0.0, 0.0]
        for block in parts.blocks:
            lp_of_block = highs.hand_off_program(block.program, highs.Options(parallel=False))
            if not accepts(lp_of_block, ALGORITHMS[algorithm]):
                break
            links = np.arange(len(block.own), block.program.a.shape[1], dtype=np.int32)
            known = block.decisions < len(parts.columns)
            for turn, x in enumerate(points):
                at = x[parts.columns[block.decisions[known]]]
                lp_of_block.changeColsBounds(len(at), links[known], at, at)
                spent[turn] += timed(lp_of_block.run)[1]
        else:
            yield f"{name:>20} {algorithm:>10}: {len(parts.blocks)} blocks, {spent[0]:.2f} s, then {spent[1]:.2f} s"


PARTS = {"lp": lp, "root": root, "start": start, "options": options, "blocks": blocks}


def main(parts: Sequence[str] = tuple(PARTS), names: Sequence[str] = tuple(CASES)) -> list[str]:
    """Lines of the section."""
    lines = []
    for name in names:
        matrix = compile_matrix(build(CASES[name]()))
        lines.append(f"{name}: {matrix.a.shape[1]:,} columns, {matrix.integer.sum()} of them whole")
        for part in parts:
            lines += PARTS[part](name, matrix)
    return ["```", *lines, "```"]
