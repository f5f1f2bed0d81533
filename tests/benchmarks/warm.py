"""Variants of stargate-us solved cold and warm in turn: seconds of the solver, and of everything to the checked plan.

Cold: each variant on its own. Warm: each from what the instance itself left. No cost of one side may lie below the
bound that the other has proven.
"""

from __future__ import annotations

import time

from benchmarks.cases import STARGATE
from benchmarks.pairs import agree, of_plan, spread, table

from optimizer import Memory, Plan, apply_overrides, read_instance, solve

CHANGES = (
    "fuel_prices.gas.*.*.usd_per_mmbtu*=1.05", "fuel_prices.gas.*.*.usd_per_mmbtu*=1.3",
    "fuel_prices.gas.*.*.usd_per_mmbtu*=0.8", "technologies.solar_pv.capex_usd_per_kw*=1.1",
    "technologies.solar_pv.capex_usd_per_kw*=0.85", "technologies.wind_onshore.capex_usd_per_kw*=1.2",
    "technologies.battery_4h.capex_usd_per_kw*=0.7", "technologies.battery_4h.capex_usd_per_kw*=1.2",
    "technologies.fuel_cell_sofc.capex_usd_per_kw*=0.8", "technologies.gas_ccgt.capex_usd_per_kw*=1.2",
    "technologies.*.capex_usd_per_kw*=1.1", "zone_years.*.*.price_factor*=1.1", "zone_years.*.*.price_factor*=0.9",
    "finance.discount_rate+=0.01", "finance.discount_rate+=-0.01", "compute_demand.*.it_mw*=0.98",
    "compute_demand.*.it_mw*=0.95", "compute_demand.*.it_mw*=1.01", "customer_classes.*.*.rate_tolerance_share=0.002",
    "customer_classes.*.*.rate_tolerance_share=0.01", "technologies.gas_ccgt.fixed_om_usd_per_kw_year*=1.5",
    "technologies.solar_pv.life_years=25", "technologies.wind_onshore.life_years=30",
    "technologies.battery_4h.charge_efficiency=0.95",
)  # fmt: skip


def timed(change: str, resolution: str, memory: Memory | None) -> tuple[Plan, float]:
    instance = apply_overrides(read_instance(STARGATE), [f"options.resolution={resolution}", *filter(None, [change])])
    started = time.perf_counter()
    plan = solve(instance, memory=memory)
    return plan, time.perf_counter() - started


def main(resolution: str = "coarse", rounds: int = 1) -> list[str]:
    """Lines of the section."""
    ratios: dict[str, list[float]] = {"solver": [], "total": []}
    rows = []
    for _ in range(rounds):
        memory = Memory()
        timed("", resolution, memory)
        for change in CHANGES:
            (cold, cold_seconds), (warm, warm_seconds) = (timed(change, resolution, kept) for kept in (None, memory))
            assert agree(of_plan(cold), of_plan(warm), slack=1e-9), change
            ratios["solver"].append(warm.manifest["seconds"]["solve"] / cold.manifest["seconds"]["solve"])
            ratios["total"].append(warm_seconds / cold_seconds)
            last = [f"{found[-1]:.2f}" for found in ratios.values()]
            rows.append([f"`{change}`", f"{cold_seconds:.1f}", f"{warm_seconds:.1f}", *last])
    rows.append(["all", "", "", *map(spread, ratios.values())])
    return [
        f"stargate-us, {resolution}.",
        "",
        *table(["change", "cold, s", "warm, s", "of the solver", "of all"], rows),
    ]
