"""One decomposition on this machine: ``one_synthetic.py SITES YEARS HOURS PERIODS WORKERS [threads]``; prints JSON.

Workers are processes, or threads of this one. The clock runs from the instance in memory to the checked plan, start of
the processes included. ``processor`` is what all processes spent, ``memory_mb`` the peak of the largest.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from optimizer import solve
from optimizer.synthetic import synthetic

GAP = 0.005


def main(sites: int, years: int, hours: int, periods: int, workers: int, scheduler: str | None) -> None:
    instance = synthetic(sites, years, hours, periods)
    started = time.perf_counter()
    plan = solve(instance, gap=GAP, threads=1, method="benders", scheduler=scheduler, workers=workers)
    elapsed = time.perf_counter() - started
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found = {
        "columns": plan.manifest["columns"], "status": plan.status, "objective": plan.objective_usd,
        "bound": plan.bound_usd, "gap": plan.gap, "elapsed": elapsed,
        "processor": sum(one.ru_utime + one.ru_stime for one in used),
        "memory_mb": max(one.ru_maxrss for one in used) / 1024,
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:6]), scheduler=None if "threads" in sys.argv[6:] else "local")
