"""A sweep of stargate-us on processes of this machine, and some of its variants one by one in this process, in turn.

Each turn has a sample of its own, and begins with the other side. The sweep's time has the start of its processes, the
first solve in each, which all others begin from, and writing the runs; one by one is the time of those solved times
the number of all. No cost of one side may lie below the bound that the other has proven.
"""

from __future__ import annotations

import tempfile
import time

import pandas as pd
from benchmarks.cases import STARGATE
from benchmarks.pairs import agree, of_plan, spread, table

from optimizer import Plan, apply_overrides, read_instance, solve
from optimizer.check import CheckError
from optimizer.instance import Instance
from optimizer.solve import SolveError
from optimizer.sweep import Variant, latin_hypercube, sweep

SMALL = ["options.resolution=coarse", "resolutions.coarse.planning_years=2026,2028,2030,2033"]
RANGES = [
    "fuel_prices.gas.*.*.usd_per_mmbtu*=0.7..1.4", "zone_years.*.*.price_factor*=0.8..1.2",
    "technologies.*.capex_usd_per_kw*=0.85..1.15", "compute_demand.*.it_mw*=0.9..1.0",
    "finance.discount_rate=0.05..0.09",
]  # fmt: skip
#: Variants of a turn, and how many of them are solved one by one too.
VARIANTS, ALONE = 40, 10


def main(workers: int, turns: int) -> list[str]:
    """Lines of the section."""
    instance = apply_overrides(read_instance(STARGATE), SMALL)
    found = [_turn(instance, latin_hypercube(RANGES, VARIANTS, seed), workers, seed % 2 == 0) for seed in range(turns)]
    rows = [_row(turn, *seconds) for turn, seconds in enumerate(found)]
    ratios = [one / other for one, other in found if one]
    rows += [["all", "", "", spread(ratios)]] if ratios else []
    head = f"{VARIANTS} variants a turn, {workers} processes; seconds elapsed, one by one from {ALONE} of them."
    return [head, "", *table(["turn", "sweep, s", "one by one, s", "ratio"], rows)]


def _row(turn: int, together: float, alone: float) -> list[str]:
    if not together:
        return [str(turn), "did not finish", "", ""]
    return [str(turn), f"{together:.1f}", f"{alone:.1f}", f"{together / alone:.2f}"]


def _turn(instance: Instance, variants: list[Variant], workers: int, sweep_first: bool) -> tuple[float, float]:
    """Seconds of the sweep and of all one by one; none where a variant has no plan."""
    if sweep_first:
        (swept, together), (alone, each) = _swept(instance, variants, workers), _alone(instance, variants[:ALONE])
    else:
        (alone, each), (swept, together) = _alone(instance, variants[:ALONE]), _swept(instance, variants, workers)
    if alone is None or swept["objective_usd"].isna().any():
        return 0.0, 0.0
    for plan, (_, row) in zip(alone, swept.iterrows(), strict=False):
        told = {"objective": row["objective_usd"], "bound": row["bound_usd"]}
        assert agree(of_plan(plan), told, slack=1e-9), row["name"]
    return together, each * VARIANTS / ALONE


def _swept(instance: Instance, variants: list[Variant], workers: int) -> tuple[pd.DataFrame, float]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        swept = sweep(instance, variants, folder, workers=workers)
    return swept, time.perf_counter() - started


def _alone(instance: Instance, variants: list[Variant]) -> tuple[list[Plan] | None, float]:
    started = time.perf_counter()
    try:
        plans = [solve(apply_overrides(instance, list(variant.overrides)), threads=1) for variant in variants]
    except (SolveError, CheckError):
        return None, 0.0
    return plans, time.perf_counter() - started
