"""Capital of a component: overnight cost, cost of capital, and how the cost changes over the vintages."""

from __future__ import annotations

import math
from typing import Any

from scipy.optimize import brentq

from optimizer import finance
from optimizer.pypsa_io.import_figures import Plant, clean, delivered_per_mw, life_of
from optimizer.pypsa_io.source import Part

#: Two costs are the same within this share.
SAME = 1e-9
#: Yearly changes of a cost that an instance can hold.
CHANGES = (-0.5, 0.5)


def capital_of(plant: Plant, parts: list[Part], years: list[int], row: dict[str, Any]) -> dict[str, Any]:
    """Columns of the technology for capital, life and fixed cost; a part that does not change goes to the option."""
    first, per_mw = parts[0], delivered_per_mw(plant, parts[0])
    life = life_of(plant, first) or 1
    rate = first.number("discount_rate")
    costs = [_overnight(plant, part, life) / per_mw / 1000 for part in parts]
    wacc = None if math.isnan(rate) or rate == plant.source.settings.discount_rate else rate
    base = plant.source.settings.base_year
    path = cost_path(years, costs, base)
    if path is None:
        rule = "must change by one share a year over the vintages, but for a fixed part"
        first.problem("overnight_cost", "", rule, "Give each vintage its own carrier: they become options apart.")
    cost, change, fixed = path or (costs[0], 0.0, 0.0)
    if fixed > 0:
        row["interconnection_usd_per_kw"] = fixed
    return {
        "capex_usd_per_kw": cost,
        "capex_change_per_year": change,
        "fixed_om_usd_per_kw_year": clean(first.number("fom_cost") / per_mw / 1000),
        "life_years": life,
        "wacc": wacc,
    }


def _overnight(plant: Plant, part: Part, life: int) -> float:
    """Overnight cost, US$/MW; worked back from a yearly cost where only that is known."""
    cost, yearly = part.number("overnight_cost"), part.number("capital_cost")
    rate = part.number("discount_rate")
    if not math.isnan(cost):
        return cost
    if yearly == 0:
        return 0.0
    used = plant.source.settings.discount_rate if math.isnan(rate) else rate
    part.lose("capital_cost", yearly, f"overnight cost of this annuity at {used:g} over {life} years, fixed O&M in it")
    return yearly / finance.capital_recovery_factor(used, life)


def cost_path(years: list[int], costs: list[float], base: int) -> tuple[float, float, float] | None:
    """Costs of vintages as ``cost * (1 + change)**(year - base) + fixed``.

    Returns
    -------
    tuple or None
        (cost, US$/kW; change, 1/year; fixed, US$/kW), or None where the costs do not follow it.

    Parameters
    ----------
    years, costs
        Years of service, ascending, and the overnight cost in each, US$/kW.

    Examples
    --------
    >>> cost_path([2026, 2027], [100.0, 90.0], 2026)
    (100.0, -0.1, 0.0)
    >>> cost_path([2026, 2027, 2028], [110.0, 100.0, 91.0], 2026)  # 100 * 0.9**t + 10
    (100.0, -0.1, 10.0)
    """
    if len(years) < 2 or max(costs) - min(costs) <= SAME * max(costs):
        return clean(costs[0]), 0.0, 0.0
    for change in _changes(years, costs):
        power = [(1 + change) ** (year - base) for year in years]
        cost = (costs[-1] - costs[0]) / (power[-1] - power[0])
        fixed = costs[0] - cost * power[0]
        fixed = 0.0 if abs(fixed) <= SAME * costs[0] else fixed
        fits = all(math.isclose(cost * p + fixed, c, rel_tol=SAME) for p, c in zip(power, costs, strict=True))
        if fits and cost >= 0 and fixed >= 0:
            return _short(cost), _short(change), _short(fixed)
    return None


def _changes(years: list[int], costs: list[float]) -> list[float]:
    """Yearly changes that may explain the costs: without a fixed part, and with one."""
    found = []
    if min(costs) > 0:
        found.append((costs[-1] / costs[0]) ** (1 / (years[-1] - years[0])) - 1)
    middle = len(years) // 2
    first, last = years[0] - years[middle], years[-1] - years[middle]
    before, after = costs[middle] - costs[0], costs[-1] - costs[middle]
    if len(years) > 2 and before:

        def miss(change: float) -> float:
            """Growth after the middle vintage per growth before it, less what the costs show."""
            if abs(change) < 1e-9:
                return last / -first - after / before
            return math.expm1(last * math.log1p(change)) / -math.expm1(first * math.log1p(change)) - after / before

        if miss(CHANGES[0]) * miss(CHANGES[1]) < 0:
            found.append(float(brentq(miss, *CHANGES, xtol=1e-15, rtol=1e-14)))
    return found


def _short(value: float) -> float:
    """A figure that was worked back, without the digits that rounding made."""
    return float(f"{value:.10g}")
