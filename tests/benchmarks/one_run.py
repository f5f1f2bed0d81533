"""One run of one side in a process of its own: ``one_run.py SIDE CASE [--until solve]``; prints JSON.

Sides: ``ours`` (method chosen by size), ``monolithic``, ``benders``, ``pypsa``. Cases: a folder with an instance, or an
instance and a resolution as ``FOLDER:RESOLUTION``. One thread each, the same gap. Imports come before the clock.

Stages, in seconds of the processor, so that other work on the machine hardly counts: read; build (ours: Pyomo, and the
matrices of parts; theirs: PyPSA network and linopy model); hand-off (until the first ``Highs.run()``); solve (inside
``Highs.run()``); between (from the first to the last of them, less what is inside: with a coarser problem first, the
build of the other's parts); results (after the last: our tables and check of the plan; their tables of the network).
``elapsed`` is by the wall. PyPSA stopped by the limit has a ``status`` in our words; ours without a plan by then fails.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import highspy

sys.path.insert(0, str(Path(__file__).parents[1]))
GAP = 0.005
#: A side that needs longer has not solved the problem.
TIME_LIMIT = 1800.0


class HandedOff(Exception):
    """The solver would start now, and the run was to end here."""


class Clock:
    """When each stage ended, and what was spent inside the solver."""

    def __init__(self, until_solve: bool) -> None:
        self.marks: dict[str, float] = {}
        self.wall = 0.0
        self.inside = 0.0
        self.until_solve = until_solve
        self._run = highspy.Highs.run
        highspy.Highs.run = lambda solver: self._timed(solver)

    def start(self) -> None:
        self.wall = time.perf_counter()
        self.mark("start")

    def mark(self, name: str) -> None:
        self.marks[name] = time.process_time()

    def _timed(self, solver: highspy.Highs) -> Any:
        started = time.process_time()
        self.marks.setdefault("first run", started)
        if self.until_solve:
            raise HandedOff
        try:
            return self._run(solver)
        finally:
            self.mark("last run")
            self.inside += self.marks["last run"] - started

    def stages(self) -> dict[str, float]:
        at = self.marks
        built = min(at["build"], at["first run"])  # a coarser problem is solved before the last part is built
        before = {"read": at["read"] - at["start"], "build": built - at["read"], "hand-off": at["first run"] - built}
        if self.until_solve:
            return before
        between = at["last run"] - at["first run"] - self.inside
        after = {"solve": self.inside, "between": between, "results": at["end"] - at["last run"]}
        return before | after | {"total": at["end"] - at["start"], "elapsed": time.perf_counter() - self.wall}


def read(case: str) -> Any:
    from optimizer import apply_overrides, read_instance

    folder, _, resolution = case.partition(":")
    instance = read_instance(folder)
    return apply_overrides(instance, [f"options.resolution={resolution}"]) if resolution else instance


def ours(case: str, clock: Clock, method: Any, limit: float) -> dict[str, Any]:
    from optimizer import solve

    clock.start()
    instance = read(case)
    clock.mark("read")

    def seen(event: dict[str, Any]) -> None:
        if event.get("stage") in ("hand-off", "solve") and "build" not in clock.marks:
            clock.mark("build")

    plan = solve(instance, gap=GAP, threads=1, time_limit=limit, method=method, progress=seen)
    clock.mark("end")
    manifest = plan.manifest
    return {
        "objective": plan.objective_usd, "bound": plan.bound_usd, "columns": manifest["columns"],
        "rows": manifest["rows"], "method": manifest["method"], "status": plan.status,
    }  # fmt: skip


def pypsa(case: str, clock: Clock, limit: float) -> dict[str, Any]:
    from equivalence.pypsa_model import Problem

    clock.start()
    instance = read(case)
    clock.mark("read")
    problem = Problem(instance)
    clock.mark("network")
    problem.state()
    clock.mark("build")
    objective = problem.optimise(GAP, threads=1, time_limit=limit)
    if objective < float("inf"):
        problem.read()
    clock.mark("end")
    solver = problem.model.solver_model
    stopped = solver.getModelStatus() == highspy.HighsModelStatus.kTimeLimit
    word = "feasible at time limit" if objective < float("inf") else "no incumbent"
    return {
        "objective": objective, "bound": float(solver.getInfo().mip_dual_bound), "columns": int(problem.model.nvars),
        "rows": int(problem.model.ncons), "method": "monolithic", "status": word if stopped else "",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side")
    parser.add_argument("case")
    parser.add_argument("--until", choices=["solve", "end"], default="end")
    parser.add_argument("--limit", type=float, default=TIME_LIMIT)
    given = parser.parse_args()
    import optimizer  # noqa: F401  # not timed

    clock, found = Clock(given.until == "solve"), {}
    try:
        if given.side == "pypsa":
            found = pypsa(given.case, clock, given.limit)
        else:
            found = ours(given.case, clock, "auto" if given.side == "ours" else given.side, given.limit)
    except HandedOff:
        pass
    if "network" in clock.marks:
        found["network"] = clock.marks["network"] - clock.marks["read"]
    found |= clock.stages()
    found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
