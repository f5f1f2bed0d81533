"""A sweep of stargate-us on processes of this machine, and some of its variants one by one in this process, in turn.

Each turn has a sample of its own. One by one is the mean of those solved times the number of all. No cost of one side
may lie below the bound that the other has proven.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd
from benchmarks.pairs import spread, table

from optimizer import apply_overrides, read_instance, solve
from optimizer.instance import Instance
from optimizer.sweep import Variant, latin_hypercube, sweep

INSTANCE = Path(__file__).parents[2] / "instances" / "stargate-us"
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
    instance = apply_overrides(read_instance(INSTANCE), SMALL)
    found = [_turn(instance, latin_hypercube(RANGES, VARIANTS, seed), workers) for seed in range(turns)]
    rows = [[str(turn), f"{one:.1f}", f"{other:.1f}", f"{one / other:.2f}"] for turn, (one, other) in enumerate(found)]
    rows.append(["all", "", "", spread([one / other for one, other in found])])
    head = f"{VARIANTS} variants a turn, {workers} processes; seconds elapsed, one by one from {ALONE} of them."
    return [head, "", *table(["turn", "sweep, s", "one by one, s", "ratio"], rows)]


def _turn(instance: Instance, variants: list[Variant], workers: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        swept = sweep(instance, variants, folder, workers=workers)
        together = time.perf_counter() - started
    started = time.perf_counter()
    for variant, (_, row) in zip(variants[:ALONE], swept.iterrows(), strict=False):
        _agree(instance, variant, row)
    return together, (time.perf_counter() - started) * VARIANTS / ALONE


def _agree(instance: Instance, variant: Variant, row: pd.Series) -> None:
    plan = solve(apply_overrides(instance, list(variant.overrides)), threads=1)
    assert plan.bound_usd <= row["objective_usd"] * (1 + 1e-9), variant
    assert row["bound_usd"] <= plan.objective_usd * (1 + 1e-9), variant
