"""From a class's rate without the project to its rate with it, cause by cause.

A class pays its allocator's share of what the project adds to its utility's costs. The pools of the rates table are
taken apart into what makes them, so that the causes add up to the same change:

    plant        revenue requirement of new utility-financed plant     upkeep      its O&M, and that of contributions
    purchases    energy the utility buys or makes for the campuses     capacity    capacity it buys for them
    then market prices on unhedged use, tariff revenue of the campuses, shared network paid by them, make-whole
"""

from __future__ import annotations

import pandas as pd

from optimizer.plan import Plan
from optimizer.results import rows_of

#: Cause -> components of the revenue requirement.
COMPONENTS = {
    "new_plant_of_the_utility": ("plant",),
    "upkeep_of_new_plant": ("fixed_om", "variable"),
    "energy_for_the_campuses": ("purchases", "supply"),
    "capacity_for_the_campuses": ("capacity",),
}
#: Cause -> column of the rates table.
DIRECT = {
    "market_energy_price": "market_energy_usd",
    "market_capacity_price": "market_capacity_usd",
    "tariff_revenue_of_the_campuses": "bill_credit_usd",
    "shared_network_paid_by_the_campuses": "network_credit_usd",
    "make_whole": "make_whole_usd",
}
#: All causes, in order.
STEPS = (*COMPONENTS, *DIRECT)


def rate_bridge(plan: Plan) -> pd.DataFrame:
    """Causes of every class's change of cost, US$ a year.

    Returns
    -------
    pandas.DataFrame
        One row a class and year: utility, customer_class, year, sales_mwh, without_project_cents_per_kwh, a column
        ``<cause>_usd`` for each of ``STEPS``, all_causes_usd (to the cent), with_project_cents_per_kwh.
    """
    found = plan.rates.reset_index(drop=True)
    share = {(a.utility, a.customer_class, str(a.pool)): a.share for a in plan.instance.cost_allocators}
    added: dict[tuple[str, int], list[tuple[str, str, float]]] = {}
    for row in rows_of(plan.tables["revenue_requirement"]):
        added.setdefault((row.utility, int(row.year)), []).append((row.pool, row.component, float(row.usd)))
    causes: dict[str, list[float]] = {f"{step}_usd": [] for step in COMPONENTS}
    for row in rows_of(found):
        costs = added.get((row.utility, int(row.year)), [])
        paid = [(part, share.get((row.utility, row.customer_class, pool), 0.0) * usd) for pool, part, usd in costs]
        for step, components in COMPONENTS.items():
            causes[f"{step}_usd"].append(sum((usd for part, usd in paid if part in components), 0.0))
    frame = found[["utility", "customer_class", "year", "sales_mwh"]].assign(
        without_project_cents_per_kwh=found["without_project_usd_per_mwh"] / 10,
        **causes,
        **{f"{step}_usd": found[column] for step, column in DIRECT.items()},
    )
    total = frame[[f"{step}_usd" for step in STEPS]].sum(axis=1).round(2) + 0.0
    rate = frame["without_project_cents_per_kwh"] + total / frame["sales_mwh"] / 10
    return frame.assign(all_causes_usd=total, with_project_cents_per_kwh=rate)
