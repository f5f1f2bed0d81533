"""What a plan asks of its payers before discounting: capital by place, year and payer, and the sponsor's cash."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from optimizer.periods import planning_years
from optimizer.plan import Plan
from optimizer.schema import FUNDING_MODES
from optimizer.show import placed


@dataclass(frozen=True)
class Asked:
    """Real US$, undiscounted but for the last.

    Attributes
    ----------
    sponsor, utilities
        Capital by who pays it; the sponsor's with contributions and the tax of utilities on them.
    most_paid, most_paid_year
        The highest sum of the sponsor's cash since the base year, value left in plant not counted, and its year.
    value_left
        Present value of what own plant is worth after the horizon; no cash unless it is sold.
    """

    sponsor: float
    utilities: float
    most_paid: float
    most_paid_year: int
    value_left: float


def asked(plan: Plan) -> Asked:
    """Sums over the plan's tables."""
    costs, cash, manifest = plan.costs.groupby("name"), plan.cash_flow, plan.instance.manifest
    usd, present = costs["usd"].sum(), costs["present_value_usd"].sum()
    utilities = plan.allocation.loc[plan.allocation["funding_mode"] == "utility", "capex_usd"].sum()
    paid = cash[cash["name"] != "salvage"].groupby("calendar_year")["usd"].sum().cumsum()
    years, sums = [*paid.index.astype(int), manifest.base_year], [*paid.tolist(), 0.0]
    most = max(range(len(years)), key=sums.__getitem__)
    return Asked(
        sponsor=float(sum(usd.get(name, 0.0) for name in ("own_capital", "contribution", "contribution_gross_up"))),
        utilities=float(utilities),
        most_paid=sums[most],
        most_paid_year=years[most],
        value_left=-float(present.get("salvage", 0.0)),
    )


def capital_by_place(plan: Plan) -> pd.DataFrame:
    """Capital of every site, zone and corridor, undiscounted US$: by funding mode, in all, and by year of service.

    Returns
    -------
    pandas.DataFrame
        One row a place, the dearest first: place, own, contribution, utility, total, then a column a planning year.
    """
    rows = placed(plan)
    by_mode = rows.pivot_table(index="place", columns="funding_mode", values="capex_usd", aggfunc="sum")
    by_year = rows.pivot_table(index="place", columns="year", values="capex_usd", aggfunc="sum")
    by_mode = by_mode.reindex(columns=list(FUNDING_MODES)).fillna(0.0)
    by_year = by_year.reindex(columns=list(planning_years(plan.instance.manifest))).fillna(0.0)
    by_year.columns = [str(year) for year in by_year.columns]
    found = by_mode.assign(total=by_mode.sum(axis=1)).join(by_year)
    return found.sort_values("total", ascending=False, kind="stable").rename_axis("place").reset_index()


def not_served(plan: Plan) -> tuple[float, float]:
    """Load unserved or curtailed over the planning years, MWh, and its share of the load."""
    sites = plan.tables["sites"]
    mwh, load = float((sites["unserved_mwh"] + sites["curtailed_mwh"]).sum()), float(sites["load_mwh"].sum())
    return mwh, mwh / load if load > 0 else 0.0
