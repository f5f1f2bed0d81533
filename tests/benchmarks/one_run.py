"""One run of one side in a process of its own: ``one_run.py ours|pypsa HOURS``; prints JSON with seconds and memory."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
GAP = 1e-4


def instance(hours: int):  # type: ignore[no-untyped-def]
    """A campus for three years of hourly operation: engine, sun, battery, POI, a second zone behind a corridor."""
    import numpy as np
    from toy import asset, plant, toy

    hour = np.arange(hours)
    day = 2 * np.pi * hour / 24
    price = np.round(50 + 30 * np.sin(day) + 10 * np.sin(hour / 97.0), 3)
    sun = np.round(np.clip(np.sin(day - 1.5), 0, None), 3)
    return toy(
        plant("engine", block_mw=20, max_blocks=10, capex_usd_per_kw=700, variable_om_usd_per_mwh=55.0, life_years=20),
        plant("sun", block_mw=25, max_blocks=12, capex_usd_per_kw=600, availability_series="sun", life_years=25),
        plant(
            "store", kind="storage", block_mw=10, max_blocks=10, capex_usd_per_kw=300, min_duration_hours=4,
            max_duration_hours=4, charge_efficiency=0.92, discharge_efficiency=0.92, life_years=15,
        ),
        plant("poi", kind="wires", block_mw=50, max_blocks=4, capex_usd_per_kw=100, life_years=30),
        plant("circuit", kind="wires", corridor="path", block_mw=50, max_blocks=3, capex_usd_per_kw=300, life_years=40),
        asset("old", units=2, variable_om_usd_per_mwh=40.0),
        years=(2026, 2027, 2028), hours=hours, it_mw=[60.0, 120.0, 180.0], price=list(price),
        series={"sun": ("availability", list(sun)), "hill price": ("price", list(np.round(price[::-1], 3)))},
        site={"existing_poi_mw": 60.0, "availability_target": 0.99}, finance={"discount_rate": 0.05},
        manifest={"last_year_represents": 5}, zones=[{"zone": "hill", "supply": "price", "price_series": "hill price"}],
        corridors=[
            {"corridor": "path", "from_zone": "hill", "to_zone": "valley", "existing_mw": 40.0, "loss_share": 0.04}
        ],
    )  # fmt: skip


def ours(hours: int) -> dict[str, object]:
    case = instance(hours)
    started = time.perf_counter()
    from optimizer import solve

    plan = solve(case, gap=GAP, threads=1)
    seconds = time.perf_counter() - started
    parts = plan.manifest["seconds"]
    solver = parts["solve"]
    return {
        "seconds": seconds, "solver": solver, "around": seconds - solver, "build": parts["build"] + parts["hand-off"],
        "objective": plan.objective_usd, "columns": plan.manifest["columns"], "rows": plan.manifest["rows"],
    }  # fmt: skip


def pypsa(hours: int) -> dict[str, object]:
    case = instance(hours)
    started = time.perf_counter()
    from equivalence.pypsa_model import Problem

    problem = Problem(case)
    objective = problem.solve(GAP)
    seconds = time.perf_counter() - started
    solver = float(problem.model.solver_model.getRunTime()) if problem.model.solver_model is not None else float("nan")
    return {
        "seconds": seconds, "solver": solver, "around": seconds - solver, "build": seconds - solver,
        "objective": objective, "columns": int(problem.model.nvars), "rows": int(problem.model.ncons),
    }  # fmt: skip


if __name__ == "__main__":
    side, size = sys.argv[1], int(sys.argv[2])
    found = {"ours": ours, "pypsa": pypsa}[side](size)
    found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))
