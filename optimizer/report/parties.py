"""Who is paid: the other side of every cost of the sponsor and of its utilities."""

from __future__ import annotations

from optimizer.plan import NOT_CASH, Plan

SPONSOR, UTILITIES, LOCALS = "Sponsor", "Utilities", "Local customers"
MARKETS, SUPPLIERS, GOVERNMENTS, LENDERS = "Markets", "Suppliers", "Governments", "Investors and lenders"
PARTIES = (SPONSOR, UTILITIES, LOCALS, MARKETS, SUPPLIERS, GOVERNMENTS, LENDERS)
#: Costs that nobody is paid: weights of the model, and value that stays in the sponsor's plant.
NOBODY = "nobody"
NOT_PAID = (*NOT_CASH, "salvage")

#: Cost of the sponsor -> who is paid (where negative: who pays).
PAID_TO = {
    "own_capital": SUPPLIERS,
    "fixed_om": SUPPLIERS,
    "variable_om": SUPPLIERS,
    "startup": SUPPLIERS,
    "fuel": SUPPLIERS,
    "site_opening": SUPPLIERS,
    "contribution": UTILITIES,
    "contribution_gross_up": UTILITIES,
    "tariff_bills": UTILITIES,
    "shared_network_charges": UTILITIES,
    "make_whole": LOCALS,
    "market_purchases": MARKETS,
    "market_price_rise": MARKETS,
    "market_revenue": MARKETS,
    "capacity_purchases": MARKETS,
    "tax_effects": GOVERNMENTS,
    "production_tax_credits": GOVERNMENTS,
    "carbon": GOVERNMENTS,
    "collateral_carry": LENDERS,
    **dict.fromkeys(NOT_PAID, NOBODY),
}
#: Component of a utility's added cost -> who is paid. Plant: return, depreciation and taxes of those who financed it.
COMPONENT_PAID_TO = {
    "plant": LENDERS,
    "fixed_om": SUPPLIERS,
    "variable": SUPPLIERS,
    "supply": SUPPLIERS,
    "purchases": MARKETS,
    "capacity": MARKETS,
}


def paid_to(plan: Plan) -> list[str]:
    """Who is paid each row of the plan's costs: energy that a utility takes from the sponsor, the utility pays."""
    instance = plan.instance
    regulated = {row.utility for row in instance.utilities if row.regime == "cost_of_service"}
    buys = {site.site for site in instance.sites if site.utility in regulated}
    buys |= {zone.zone for zone in instance.zones if zone.supply == "stack"}
    rows = zip(plan.costs["name"], plan.costs["place"], strict=True)
    return [UTILITIES if name == "market_revenue" and place in buys else PAID_TO[name] for name, place in rows]
