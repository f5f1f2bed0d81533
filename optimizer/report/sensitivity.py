"""What the plan as it stands would cost if one figure were another: sums over its tables, nothing solved again.

Exact for this plan and its own costs. Local rates are taken as they are; where a change moves them, make-whole comes on
top. A plan made for the change may cost less: `optimizer tornado` solves every driver again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from optimizer.finance import discount_factor
from optimizer.plan import Plan

NOTE = (
    "Present value, the plan unchanged, one figure at a time; local rates taken as they are. "
    "A plan made for the change may cost less: optimizer tornado solves again."
)


@dataclass(frozen=True)
class Change:
    """A change of costs by name: ``factor`` times their present value is added to the cost of the plan."""

    words: str
    names: tuple[str, ...]
    factor: float


CAPITAL = ("own_capital", "tax_effects", "contribution", "contribution_gross_up")
MARKET = ("market_purchases", "market_price_rise", "capacity_purchases")
CHANGES = (
    Change("plant worth nothing at the end", ("salvage",), -1.0),
    Change("plant worth half as much at the end", ("salvage",), -0.5),
    Change("capital 10 % dearer, worth no more at the end", CAPITAL, 0.1),
    Change("production tax credits not paid", ("production_tax_credits",), -1.0),
    Change("bills of utilities 10 % higher", ("tariff_bills",), 0.1),
    Change("market energy and capacity 10 % dearer to buy", MARKET, 0.1),
    Change("market revenue 10 % lower", ("market_revenue",), -0.1),
    Change("fuel 10 % dearer", ("fuel",), 0.1),
    Change("operation and maintenance 10 % dearer", ("fixed_om", "variable_om"), 0.1),
)
#: Change of the discount rate, a share a year, up and down.
POINT = 0.01


def sensitivities(plan: Plan) -> pd.DataFrame:
    """Change of the plan's cost by each change, US$ of present value, those that matter most first.

    Returns
    -------
    pandas.DataFrame
        change, change_of_cost_usd; without those that change nothing.
    """
    present = plan.costs.groupby("name")["present_value_usd"].sum()
    rows = [(one.words, one.factor * sum(present.get(name, 0.0) for name in one.names)) for one in CHANGES]
    rows += [(words, at_rate(plan, change)) for words, change in discounting(plan)]
    found = pd.DataFrame([row for row in rows if abs(row[1]) >= 1.0], columns=["change", "change_of_cost_usd"])
    order = found["change_of_cost_usd"].abs().sort_values(ascending=False, kind="stable").index
    return found.loc[order].reset_index(drop=True)


def discounting(plan: Plan) -> list[tuple[str, float]]:
    """Changes of the discount rate in words; none in the annuity view, whose annuities depend on it."""
    if plan.instance.manifest.finance.capital_view != "cash":
        return []
    return [
        (f"cash discounted at one point {word} a year, value left as it is", sign * POINT)
        for word, sign in (("more", 1), ("less", -1))
    ]


def at_rate(plan: Plan, change: float) -> float:
    """Change of the present value of the cash flow when the real discount rate changes, US$."""
    manifest, rows = plan.instance.manifest, plan.cash_flow
    rate, base = manifest.finance.discount_rate, manifest.base_year
    pairs = zip(rows["calendar_year"].astype(int), rows["usd"].astype(float), strict=True)
    return sum(
        usd * (discount_factor(year, base, rate + change) - discount_factor(year, base, rate)) for year, usd in pairs
    )
