"""One run of one side in a process of its own: ``one_run.py SIDE CAMPUSES HOURS``; prints JSON with seconds and memory.

Sides: ``ours`` (method chosen by size), ``monolithic``, ``benders``, ``pypsa``. One thread each.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
GAP = 0.005
#: A side that needs longer has not solved the problem.
TIME_LIMIT = 1800.0


def ours(campuses: int, hours: int, method: Any) -> dict[str, object]:
    from benchmarks.cases import campuses as case

    instance = case(campuses, hours)
    started = time.perf_counter()
    from optimizer import solve

    plan = solve(instance, gap=GAP, threads=1, time_limit=TIME_LIMIT, method=method)
    seconds = time.perf_counter() - started
    solver = plan.manifest["seconds"]["solve"]
    return {
        "seconds": seconds, "solver": solver, "around": seconds - solver, "objective": plan.objective_usd,
        "bound": plan.bound_usd, "columns": plan.manifest["columns"], "rows": plan.manifest["rows"],
        "method": plan.manifest["method"],
    }  # fmt: skip


def pypsa(campuses: int, hours: int) -> dict[str, object]:
    from benchmarks.cases import campuses as case

    instance = case(campuses, hours)
    started = time.perf_counter()
    from equivalence.pypsa_model import Problem

    problem = Problem(instance)
    objective = problem.solve(GAP, threads=1, time_limit=TIME_LIMIT)
    seconds = time.perf_counter() - started
    solver = float(problem.model.solver_model.getRunTime())
    bound = float(problem.model.solver_model.getInfo().mip_dual_bound) + problem.constant
    return {
        "seconds": seconds, "solver": solver, "around": seconds - solver, "objective": objective, "bound": bound,
        "columns": int(problem.model.nvars), "rows": int(problem.model.ncons), "method": "monolithic",
    }  # fmt: skip


if __name__ == "__main__":
    side, sites, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    method = "auto" if side == "ours" else side
    found = pypsa(sites, length) if side == "pypsa" else ours(sites, length, method)
    found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))
