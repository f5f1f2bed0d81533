"""One community's page in plain words: what is built, by when, who pays, what it does to bills, what protects."""

from __future__ import annotations

from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from optimizer.plan import Plan
from optimizer.report import figures
from optimizer.report.html import environment
from optimizer.show import ROUNDING

WHO = {
    "own": "the project owns and pays for it",
    "contribution": "the project pays for it, the utility owns it",
    "utility": "the utility pays for it and bills the project; the table below shows that local customers do not",
}
#: Monthly bill below which changes are shown in cents, US$.
CENTS_BELOW = 10_000
KINDS = {"generator": "power plant", "storage": "battery", "wires": "grid connection"}


def community_html(plan: Plan, site: str) -> str:
    """The page of one site.

    Raises
    ------
    KeyError
        If the plan has no such site; the message names those it has.
    """
    sites = {row.site: row for row in plan.instance.sites}
    if site not in sites:
        raise KeyError(f"{site} is not a site of this run: it has {', '.join(sites)}")
    row = sites[site]
    local = plan.rates[plan.rates["utility"] == row.utility] if row.utility else plan.rates.iloc[:0]
    chart = figures.as_html([figures.rates(plan, str(row.utility))]) if len(local) else []
    return environment().get_template("community.html").render(
        site=row,
        instance=plan.instance.manifest,
        compute=_compute(plan, site),
        funded=_funded(plan, site),
        nearby=_nearby(plan, row.zone),
        classes=_classes(plan, local),
        cents=CENTS_BELOW,
        years=sorted(set(local["year"])),
        worst=round(float(local["change_cents_per_kwh"].max()), ROUNDING) if len(local) else 0.0,
        paid=_paid(plan, site, row.utility),
        exits=_exits(plan, row.utility),
        tariff=next((tariff for tariff in plan.instance.tariffs if tariff.tariff == row.tariff), None),
        chart=chart,
        plotly=get_plotlyjs() if chart else "",
    )  # fmt: skip


def _compute(plan: Plan, site: str) -> list[tuple[int, float, float]]:
    rows = plan.tables["sites"].query("site == @site")
    return list(zip(rows["year"].tolist(), rows["it_mw"].tolist(), rows["poi_mw"].tolist(), strict=True))


def _funded(plan: Plan, site: str) -> list[dict[str, Any]]:
    rows = plan.allocation[plan.allocation["site"] == site]
    found = []
    for key, group in rows.groupby(["technology", "kind", "funding_mode"], sort=False):
        technology, kind, mode = map(str, key)
        years = sorted(group["year"])
        found.append(
            {
                "what": f"{KINDS[kind]} ({technology.replace('_', ' ')})",
                "mw": float(group["mw"].sum()),
                "usd": float(group["capex_usd"].sum()),
                "years": f"{years[0]}" if years[0] == years[-1] else f"{years[0]} to {years[-1]}",
                "who": WHO[mode],
            }
        )
    return found


def _nearby(plan: Plan, zone: str) -> tuple[float, str]:
    """Capital of what the project funds in the market zone of a site, US$, and MW by technology in words."""
    rows = plan.allocation[plan.allocation["zone"] == zone]
    mw = rows.groupby("technology", sort=False)["mw"].sum()
    words = [f"{str(name).replace('_', ' ')} {value:,.0f} MW" for name, value in mw.items()]
    return float(rows["capex_usd"].sum()), ", ".join(words)


def _classes(plan: Plan, local: pd.DataFrame) -> list[tuple[str, float, float, dict[int, float]]]:
    """Class, its typical use in kWh a month, the bill of that in the first year without the project, and by how much
    it changes by year, US$ a month."""
    use = {(one.utility, one.customer_class): one.typical_monthly_kwh for one in plan.instance.customer_classes}
    found = []
    for (utility, name), rows in local.groupby(["utility", "customer_class"], sort=False):
        kwh = use[str(utility), str(name)]
        bill = kwh * float(rows["without_project_usd_per_mwh"].iloc[0]) / 1000
        changes = dict(zip(rows["year"], rows["typical_bill_change_usd_per_month"], strict=True))
        found.append((str(name).replace("_", " "), kwh, bill, changes))
    return found


def _paid(plan: Plan, site: str, utility: str | None) -> dict[str, float]:
    """Sums over the planning years, US$: what the campus pays the utility, what is paid to customers."""
    bills = plan.tables["bills"].query("site == @site")["total_usd"].sum()
    whole = plan.tables["make_whole"].query("utility == @utility")["usd"].sum() if utility else 0.0
    return {"bills": float(bills), "make_whole": float(whole)}


def _exits(plan: Plan, utility: str | None) -> list[tuple[int, float, float]]:
    """(year, what the utility would be left with, what covers it), US$."""
    rows = plan.tables["stranding"].query("utility == @utility") if utility else plan.tables["stranding"].iloc[:0]
    cover = rows["exit_fee_usd"] + rows["collateral_usd"]
    return list(
        zip(rows["exit_year"].astype(int), rows["exposure_usd"].astype(float), cover.astype(float), strict=True)
    )
