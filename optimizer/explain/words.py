"""A relaxation in the words and figures of those who can grant it."""

from __future__ import annotations

import math

from optimizer.explain.elastic import PORTFOLIO, Slack
from optimizer.instance import Instance
from optimizer.schema import FundingOption


def in_words(instance: Instance, slack: Slack, amount: float) -> str:
    """One sentence: what is short, by how much, and what would help."""
    where = slack.place if slack.year is None else f"{slack.place} {slack.year}"
    if slack.family == "compute" and slack.place != PORTFOLIO:
        return f"{where}: {_compute(instance, slack, amount)}"
    return f"{where}: {SENTENCES[slack.family].format(amount=_figure(amount), unit=slack.unit)}"


#: By family; {amount} and {unit} are those of the relaxation.
SENTENCES = {
    "compute": "{amount} {unit} of the portfolio's demand find no site: raise a site's ceiling, or lower the demand",
    "POI": "{amount} {unit} of grid connection are missing: fund another POI block, or have it earlier",
    "build limits": "{amount} {unit} more than blocks and lead time allow: raise max_blocks, or start earlier",
    "budget": "{amount} {unit} more to spend are needed: raise the budget, or move spending to another year",
    "rates": "{amount} {unit} of cost stay with this class: allow make-whole payments, or a tolerance",
    "stranding": "{amount} {unit} would be stranded: ask for collateral, a longer exit fee, or a contribution",
    "adequacy": "{amount} {unit} are missing: fund firm plant, or lower the margin",
    "capacity obligation": "{amount} {unit} of accredited capacity are missing: fund it, or let the zone buy it",
    "carbon": "{amount} {unit} above the cap: raise it, or fund clean plant",
    "clean energy": "{amount} {unit} of clean energy are missing: lower the share, or fund clean plant",
    "availability": "{amount} {unit} unserved above what the availability target allows: lower it, or fund plant",
    "option rules": "{amount} {unit} more of the group must be built: drop the rule",
}  # fmt: skip


def _figure(value: float) -> str:
    """Three significant digits at least, thousands apart.

    >>> _figure(1234.5), _figure(3.14159), _figure(0.00123)
    ('1,234', '3.14', '0.00123')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _compute(instance: Instance, slack: Slack, amount: float) -> str:
    """What can be there by the year, and what would help."""
    year = slack.year or instance.manifest.base_year
    site = next(row for row in instance.sites if row.site == slack.place)
    here = [option for option in instance.funding_options if option.site == site.site]
    kinds = {row.technology: row.kind for row in instance.technologies}
    wires = _buildable(instance, [option for option in here if kinds[option.technology] == "wires"], year)
    plant = _buildable(instance, [option for option in here if kinds[option.technology] == "generator"], year)
    plant += sum(
        row.unit_mw * row.units
        for row in instance.existing_assets
        if row.site == site.site and kinds[row.technology] == "generator" and row.first_year <= year <= row.last_year
    )
    return (
        f"{_figure(amount)} MW of IT cannot be served: POI {_figure(site.existing_poi_mw)} MW"
        f" + {_figure(wires)} MW that can be added by then, plant behind the meter {_figure(plant)} MW;"
        " fund more of either, lower the floor, or move the date"
    )


def _buildable(instance: Instance, options: list[FundingOption], year: int) -> float:
    """MW that options can have in service by a year: their blocks, lead times and yearly limits."""
    total = 0.0
    for option in options:
        lead = option.lead_time_years
        if lead is None:
            lead = next(t.lead_time_years for t in instance.technologies if t.technology == option.technology)
        ready = max(math.ceil(instance.manifest.base_year + lead - 1e-9), option.first_year or 0)
        years = [y for y in instance.manifest.planning_years if ready <= y <= year]
        most = math.inf if option.max_blocks_per_year is None else option.max_blocks_per_year * len(years)
        total += option.block_mw * min(option.max_blocks, most) if years else 0.0
    return total
