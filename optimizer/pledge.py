"""What the pledge costs, and who would pay without it: the same instance solved again with rates not enforced.

Both answers are known within their gaps, so the price is known within limits:

    least = max(0, bound with the pledge - cost without it);  most = cost with it - bound without it
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.overrides import apply_overrides
from optimizer.plan import Plan
from optimizer.solve import solve

#: Rises of a class's cost smaller than this, in a year, are the solver's noise, US$.
NOISE_USD = 1.0


@dataclass(frozen=True)
class PledgePrice:
    """The price of keeping local rates flat, present value in US$.

    Attributes
    ----------
    usd
        Cost of the plan less that of the plan without the pledge.
    least_usd, most_usd
        Limits within which the price of the two optima lies.
    without
        The plan without the pledge.
    payers
        Who would pay without the pledge: utility, customer_class, year, usd (rise of the class's cost in that year,
        real US$), change_cents_per_kwh. Only classes and years whose cost would rise above the limit.
    """

    usd: float
    least_usd: float
    most_usd: float
    without: Plan
    payers: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """For the manifest of a run."""
        figures = {"usd": self.usd, "least_usd": self.least_usd, "most_usd": self.most_usd}
        return {
            **figures,
            "cost_without_usd": self.without.objective_usd,
            "bound_without_usd": self.without.bound_usd,
            "status_without": self.without.status,
            "payers": self.payers.to_dict(orient="records"),
        }


def price_of_pledge(
    plan: Plan,
    *,
    gap: float | None = None,
    time_limit: float | None = None,
    threads: int | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> PledgePrice:
    """Solve the plan's instance without the pledge and compare.

    Parameters
    ----------
    plan
        A plan with rates enforced.
    gap
        Relative gap of the second solve; None for that of the plan.
    time_limit, threads, progress
        As in `solve`.

    Raises
    ------
    ValueError
        If the plan's instance does not enforce rates.
    SolveError
        If the second solve gives no plan.
    """
    if not plan.instance.manifest.rates.enforce:
        raise ValueError("the plan was solved with rates.enforce=false: price the plan that keeps the pledge")
    asked = plan.manifest["options"]["gap"] if gap is None else gap
    relaxed = apply_overrides(plan.instance, ["rates.enforce=false"])
    without = solve(relaxed, gap=asked, time_limit=time_limit, threads=threads, progress=progress)
    # the plan itself keeps every limit of the relaxed instance, so that the optimum without pledge costs no more
    cheapest = min(without.objective_usd, plan.objective_usd)
    return PledgePrice(
        usd=plan.objective_usd - cheapest,
        least_usd=max(0.0, plan.bound_usd - cheapest),
        most_usd=plan.objective_usd - min(without.bound_usd, plan.objective_usd),
        without=without,
        payers=payers(without),
    )


def payers(plan: Plan) -> pd.DataFrame:
    """Classes that pay more than their limit in a plan: utility, customer_class, year, usd, change_cents_per_kwh."""
    rates = plan.rates
    above_limit = -rates["headroom_cents_per_kwh"] * 10 * rates["sales_mwh"]
    rows = rates.assign(usd=rates["local_cost_change_usd"])[above_limit > NOISE_USD]
    return rows[["utility", "customer_class", "year", "usd", "change_cents_per_kwh"]].reset_index(drop=True)


def with_price(plan: Plan, price: PledgePrice) -> Plan:
    """The plan with the price in its manifest, where ``show`` and reports look for it."""
    return dataclasses.replace(plan, manifest={**plan.manifest, "price_of_pledge": price.as_dict()})
