"""Which columns of an instance a PyPSA network can hold, and the list of those it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optimizer.instance import Instance
from optimizer.pypsa_io.losses import Loss
from optimizer.schema import TABLES, Row, Table

#: Columns that export writes and import reads back.
CARRIED: dict[str, frozenset[str]] = {
    name: frozenset(columns.split())
    for name, columns in {
        "sites": "site zone existing_poi_mw export_allowed utilisation_series availability_target latitude longitude",
        "site_years": "site year floor_mw ceiling_mw",
        "zones": "zone supply price_series grid_co2_t_per_mwh max_net_purchase_mw max_net_sale_mw",
        "zone_years": "zone year price_factor",
        "corridors": "corridor from_zone to_zone existing_mw loss_share",
        "technologies": "technology kind capex_usd_per_kw capex_change_per_year fixed_om_usd_per_kw_year "
        "variable_om_usd_per_mwh fuel heat_rate_mmbtu_per_mwh life_years wacc forced_outage_rate ramp_share_per_hour "
        "charge_efficiency discharge_efficiency self_discharge_per_hour min_duration_hours max_duration_hours",
        "funding_options": "option technology site zone corridor block_mw integer max_blocks max_blocks_per_year "
        "first_year last_year availability_series",
        "existing_assets": "asset technology site zone unit_mw units energy_mwh first_year last_year "
        "availability_series",
        "fuels": "fuel co2_t_per_mmbtu",
        "fuel_prices": "fuel zone year usd_per_mmbtu",
        "policy": "year co2_cap_t",
        "compute_demand": "year it_mw",
        "series": "series kind",
        "periods": "resolution period start_hour hours occurrences_per_year",
        "supply_blocks": "zone block capacity_mw marginal_cost_usd_per_mwh",
    }.items()
}

#: Why a whole table is left behind.
TABLE_REASONS = {
    "utilities": "PyPSA has no utilities: cost is the system's, not the sponsor's",
    "customer_classes": "PyPSA has no customer classes or rates",
    "class_years": "PyPSA has no customer classes or rates",
    "cost_allocators": "PyPSA has no customer classes or rates",
    "tariffs": "PyPSA has no tariffs: energy costs what it costs the system",
    "shared_network_costs": "PyPSA has no cost sharing",
    "price_response": "the market's price does not move with what is bought",
    "capacity_price_curve": "PyPSA has no capacity market",
    "tax_credits": "PyPSA has no taxes",
    "spend_curves": "PyPSA pays capital in annuities from the year of service",
    "option_rules": "PyPSA has no rules that join investments",
    "budgets": "PyPSA has no budgets on capital",
    "calendar": "snapshots have no calendar of representative periods",
    "drivers": "a network holds one value of each figure, no ranges",
}

#: Why a column is left behind, or what it becomes.
REASONS = {
    ("sites", "utility"): TABLE_REASONS["utilities"],
    ("sites", "tariff"): TABLE_REASONS["tariffs"],
    ("sites", "pue_series"): "in the facility load; IT load and PUE cannot be told apart afterwards",
    ("sites", "required"): "a load is there or not: written as open",
    ("site_years", "contract_mw"): TABLE_REASONS["tariffs"],
    ("sites", "contract_end_year"): TABLE_REASONS["tariffs"],
    ("zones", "utility"): TABLE_REASONS["utilities"],
    ("zones", "local_load_series"): "at a market price local load changes nothing; in a stack zone it is a Load",
    ("technologies", "capex_usd_per_kwh"): "in the cost per MW: a storage unit has one capital cost",
    ("technologies", "lead_time_years"): "in the years of service that are written",
    ("technologies", "spend_curve"): TABLE_REASONS["spend_curves"],
    ("technologies", "commitment"): "PyPSA commits a component as a whole, not its blocks",
    ("funding_options", "funding_modes"): "PyPSA does not know who pays: written once, at its cost",
    ("funding_options", "utility"): TABLE_REASONS["utilities"],
    ("funding_options", "lead_time_years"): "in the years of service that are written",
    ("funding_options", "capex_factor"): "in the capital cost",
    ("funding_options", "interconnection_usd_per_kw"): "in the capital cost",
    ("existing_assets", "can_retire"): "PyPSA does not retire plant early",
}
NO_COUNTERPART = "PyPSA has no counterpart"


def table_losses(instance: Instance) -> Iterator[Loss]:
    """Rows and cells of an instance that a network cannot hold; cells at their default say nothing."""
    for table in TABLES.values():
        rows = instance.rows(table.name)
        if table.name in CARRIED:
            yield from (loss for row in rows for loss in _row_losses(table, row))
        elif rows:
            count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
            yield Loss(table.name, "", "", count, TABLE_REASONS[table.name])


def _row_losses(table: Table, row: Row) -> Iterator[Loss]:
    name = ", ".join(str(getattr(row, column)) for column in table.key)
    for column, info in type(row).model_fields.items():
        value: Any = getattr(row, column)
        usual = info.is_required() or value == info.default
        kept = column in CARRIED[table.name] or column == "source"
        if not kept and (table.name, column) != ("series", "synthetic") and not usual:
            yield Loss.of(table.name, name, column, value, REASONS.get((table.name, column), NO_COUNTERPART))
