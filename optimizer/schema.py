"""The tables of an instance: one source of truth that both validates and documents.

Every column states its unit, bounds, default and meaning. ``instance.py`` validates rows against these
classes, ``optimizer schema`` prints them, and nothing else in the project repeats a column's rule.

Conventions
-----------
* Money is real US$ of the instance's ``price_year`` unless a column says otherwise; rates are real
  (net of inflation) unless the name says ``nominal``.
* A blank cell takes the documented default. A column without a default must be filled.
* Every table may carry a ``source`` column: free text naming where the row's figures come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1

#: Largest absolute value accepted per unit: beyond it a figure is a unit mistake, and the matrix it
#: would make is out of the solver's numerical range.
SANE_MAXIMUM = {
    "MW": 1e6,
    "MWh": 1e10,
    "MWh/year": 1e10,
    "US$": 1e13,
    "US$/year": 1e12,
    "US$/month": 1e9,
    "US$/kW": 1e6,
    "US$/kWh": 1e5,
    "US$/kW-year": 1e5,
    "US$/kW-month": 1e4,
    "US$/MWh": 1e5,
    "US$/MW": 1e7,
    "US$/MMBtu": 1e4,
    "US$/t": 1e5,
    "MMBtu/MWh": 1e3,
    "t/MWh": 10,
    "t/MMBtu": 1,
    "t": 1e10,
    "kWh/month": 1e7,
    "hours": 8784,
    "years": 200,
    "blocks": 1e6,
    "1/year": 1,
    "degrees": 180,
}

Key = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=80, pattern=r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
    ),
]
Text = Annotated[str, StringConstraints(max_length=2000)]
Pool = Literal["generation", "transmission", "distribution", "fuel"]
FundingMode = Literal["own", "contribution", "utility"]
POOLS: tuple[Pool, ...] = ("generation", "transmission", "distribution", "fuel")
FUNDING_MODES: tuple[FundingMode, ...] = ("own", "contribution", "utility")


def column(description: str, unit: str = "", default: Any = ..., *, refers: str | None = None, **limits: Any) -> Any:
    """Declare one column: its meaning, unit, default, bounds and the table column it refers to."""
    if unit in SANE_MAXIMUM and "le" not in limits and "lt" not in limits:
        limits["le"] = SANE_MAXIMUM[unit]
    if unit in SANE_MAXIMUM and "ge" not in limits and "gt" not in limits:
        limits["ge"] = -SANE_MAXIMUM[unit]
    extra: dict[str, Any] = {"unit": unit} | ({"refers_to": refers} if refers else {})
    if default is ...:
        return Field(description=description, json_schema_extra=extra, allow_inf_nan=_finite(unit), **limits)
    return Field(default, description=description, json_schema_extra=extra, allow_inf_nan=_finite(unit), **limits)


def _finite(unit: str) -> bool | None:
    """Numbers (all that carry a unit) must be finite; text columns take no such rule."""
    return False if unit else None


def share(description: str, default: Any = ..., **limits: Any) -> Any:
    """Declare a share between 0 and 1 (bounds can be narrowed)."""
    lower = {} if "gt" in limits else {"ge": 0}
    upper = {} if "lt" in limits else {"le": 1}
    limits = lower | upper | limits
    return column(description, "share", default, **limits)


class Row(BaseModel):
    """One row of a table; frozen, no column beyond the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)

    source: Text = column("where this row's figures come from; free text", default="")


class Site(Row):
    """A data-centre campus behind one point of interconnection (POI)."""

    site: Key = column("name of the campus")
    zone: Key = column("zone it lies in (fuel prices, market price, emissions)", refers="zones.zone")
    utility: Key | None = column(
        "utility that serves it; blank for an islanded site", default=None, refers="utilities.utility"
    )
    tariff: Key | None = column(
        "tariff it is billed on; needed when it has a utility", default=None, refers="tariffs.tariff"
    )
    existing_poi_mw: float = column(
        "firm import capacity of the POI before any funded upgrade; 0 for an island", "MW", 0.0, ge=0
    )
    export_allowed: bool = column("may it send power to the grid through the POI", default=False)
    utilisation_series: Key | None = column(
        "hourly IT load as a share of energised IT; blank means 1", default=None, refers="series.series"
    )
    pue_series: Key | None = column(
        "hourly facility load per IT load (power usage effectiveness); blank means 1",
        default=None,
        refers="series.series",
    )
    required: bool = column("must it open (true), or may the model leave it out (false)", default=True)
    opening_cost_usd: float = column("one-off cost of opening the site, spent in its first year", "US$", 0.0, ge=0)
    curtailable_share: float = share("largest share of the load that may be curtailed in any hour", 0.0)
    curtailable_energy_share: float = share("largest share of a year's energy that may be curtailed", 0.0)
    curtailment_cost_usd_per_mwh: float = column("value of compute lost per MWh curtailed", "US$/MWh", 0.0, ge=0)
    deferrable_share: float = share("largest share of the load that may be deferred in any hour", 0.0)
    deferral_window_hours: float = column("deferred energy is recovered within this time", "hours", 0.0, ge=0)
    availability_target: float = share("least share of a year's load energy that must be served", 0.999, gt=0)
    adequacy_margin: float | None = share(
        "firm capacity above peak load that the site must hold; blank: no such rule", None, le=2
    )
    n_minus_1: bool = column(
        "must firm capacity cover peak load (without the margin) with the largest unit or POI circuit out",
        default=False,
    )
    firm_poi_share: float = share("share of POI capacity that counts as firm", 1.0)
    poi_circuit_mw: float = column(
        "size of the largest existing POI circuit, lost in the N-1 test; 0 if none", "MW", 0.0, ge=0
    )
    smoothing_storage_share: float = share(
        "storage power required per MW of energised IT, for load swings below a second", 0.0
    )
    contract_end_year: int | None = column(
        "last calendar year of the large-load contract; needed for exit fees", default=None, ge=1900, le=2200
    )
    latitude: float | None = column("for maps and solar shapes", "degrees", None, ge=-90, le=90)
    longitude: float | None = column("for maps and solar shapes", "degrees", None, ge=-180, le=180)


class SiteYear(Row):
    """Ramp of a site: IT that must and may be energised in a planning year."""

    site: Key = column("site", refers="sites.site")
    year: int = column("planning year", refers="planning_years")
    floor_mw: float = column("least energised IT (signed commitments), if the site is open", "MW", 0.0, ge=0)
    ceiling_mw: float = column("most energised IT (halls ready)", "MW", ge=0)
    contract_mw: float = column("contract demand that minimum bills and exit fees rest on", "MW", 0.0, ge=0)


class Zone(Row):
    """A market or balancing area."""

    zone: Key = column("name of the zone")
    supply: Literal["price", "stack", "none"] = column(
        "price: buy and sell at an hourly price; stack: supply blocks serve local load and sites; none: no grid (islands only)"
    )
    utility: Key | None = column(
        "stack zones: the utility that owns the stack and buys for it", default=None, refers="utilities.utility"
    )
    price_series: Key | None = column("price zones: hourly price", default=None, refers="series.series")
    local_load_series: Key | None = column("hourly load of the local customers", default=None, refers="series.series")
    grid_co2_t_per_mwh: float = column("emissions per MWh of net purchase in a price zone", "t/MWh", 0.0, ge=0)
    max_net_purchase_mw: float | None = column(
        "most the project may draw from the price zone in any hour; blank for no limit", "MW", None, ge=0
    )
    max_net_sale_mw: float | None = column(
        "most the project may send to the price zone in any hour; blank for no limit", "MW", None, ge=0
    )
    capacity_obligation: bool = column(
        "must the project bring accredited capacity for its grid-connected load", default=False
    )
    reserve_margin: float = share("accredited capacity above peak load owed to the zone", 0.0, le=1)
    buyback_usd_per_mwh: float = column(
        "stack zones: what the utility pays for energy of sponsor-owned zone resources", "US$/MWh", 0.0, ge=0
    )


class ZoneYear(Row):
    """How a zone changes over the planning years."""

    zone: Key = column("zone", refers="zones.zone")
    year: int = column("planning year", refers="planning_years")
    price_factor: float = column("multiplies the zone's price series", "factor", 1.0, ge=0, le=100)
    local_load_factor: float = column("multiplies the zone's local load series", "factor", 1.0, ge=0, le=100)
    capacity_headroom_mw: float = column("accredited capacity already free for new load", "MW", 0.0, ge=0)
    capacity_price_usd_per_kw_year: float = column("capacity price without the project", "US$/kW-year", 0.0, ge=0)


class SupplyBlock(Row):
    """One block of a stack zone's own supply."""

    zone: Key = column("zone", refers="zones.zone")
    block: Key = column("name of the block")
    capacity_mw: float = column("capacity available in every hour", "MW", ge=0)
    marginal_cost_usd_per_mwh: float = column("cost of one more MWh", "US$/MWh", ge=0)
    co2_t_per_mwh: float = column("emissions per MWh", "t/MWh", 0.0, ge=0)


class Corridor(Row):
    """A transmission path between two zones, in both directions."""

    corridor: Key = column("name of the path")
    from_zone: Key = column("zone at one end", refers="zones.zone")
    to_zone: Key = column("zone at the other end", refers="zones.zone")
    existing_mw: float = column("capacity open to the project before any funded circuit", "MW", 0.0, ge=0)
    loss_share: float = share("share of the energy sent that does not arrive", 0.0, lt=1)


class Utility(Row):
    """A rate area whose local customers must not pay more."""

    utility: Key = column("name of the utility")
    zone: Key = column("zone it lies in", refers="zones.zone")
    regime: Literal["cost_of_service", "market"] = column(
        "cost_of_service: the utility buys or makes the energy; market: sites and locals buy at the market price, the utility owns the wires"
    )
    equity_share: float = share("equity in the allowed capital structure", 0.5)
    return_on_equity_nominal: float = share("allowed return on equity, nominal", 0.099, lt=0.5)
    debt_rate_nominal: float = share("cost of debt, nominal", 0.05, lt=0.5)
    tax_rate: float = share("income tax rate", 0.2574, lt=0.9)
    property_tax_and_insurance_share: float = share(
        "yearly property tax and insurance per dollar of gross plant", 0.015, lt=0.2
    )
    contribution_tax_gross_up: float = column(
        "tax gross-up per dollar of contribution in aid of construction", "factor", 0.0, ge=0, le=1
    )
    salvage_share: float = share("share of net book value recoverable if the load leaves", 0.0)
    stranding_limit: bool = column(
        "must exit fees and collateral cover stranded book value in every exit year", default=True
    )
    max_collateral_usd: float = column("most collateral the sponsor can post here", "US$", 0.0, ge=0)
    collateral_carry_share: float = share("yearly cost of collateral per dollar posted", 0.0, lt=0.5)
    make_whole_allowed: bool = column("may the sponsor pay classes directly to keep their rates flat", default=True)


class CustomerClass(Row):
    """A customer class of a utility."""

    utility: Key = column("utility", refers="utilities.utility")
    customer_class: Key = column("name of the class")
    rate_tolerance_share: float = share("permitted rise over the without-project rate", 0.0, lt=1)
    bill_credit_share: float = share("share of the sites' tariff bills that reduces this class's rates (kappa)", 0.0)
    hedged_share: float = share("share of the class's energy and capacity not exposed to market price changes", 1.0)
    local_load_share: float = share("share of the zone's hourly local load", 0.0)
    capacity_obligation_mw: float = column("capacity the class buys at the zone's capacity price", "MW", 0.0, ge=0)
    typical_monthly_kwh: float = column("a typical customer's use, for bill examples", "kWh/month", 0.0, ge=0)


class ClassYear(Row):
    """The frozen without-project case of a class."""

    utility: Key = column("utility", refers="utilities.utility")
    customer_class: Key = column("class", refers="customer_classes.customer_class")
    year: int = column("planning year", refers="planning_years")
    sales_mwh: float = column("local sales without the project", "MWh/year", gt=0)
    rate_usd_per_mwh: float = column("average rate without the project", "US$/MWh", gt=0)


class CostAllocator(Row):
    """Share of a cost pool that a class pays; over the classes of a utility the shares of a pool sum to 1."""

    utility: Key = column("utility", refers="utilities.utility")
    customer_class: Key = column("class", refers="customer_classes.customer_class")
    pool: Pool = column("cost pool")
    share: float = share("share of the pool's cost")


class Technology(Row):
    """What can be built: cost, life, performance."""

    technology: Key = column("name of the technology")
    kind: Literal["generator", "storage", "wires"] = column("generator, storage, or wires (POI and corridor upgrades)")
    capex_usd_per_kw: float = column("overnight capital cost per kW", "US$/kW", ge=0)
    capex_usd_per_kwh: float = column(
        "storage: overnight capital cost per kWh of energy capacity", "US$/kWh", 0.0, ge=0
    )
    capex_change_per_year: float = column(
        "real yearly change of capital cost after the base year", "1/year", 0.0, ge=-0.5, le=0.5
    )
    fixed_om_usd_per_kw_year: float = column("fixed operation and maintenance", "US$/kW-year", 0.0, ge=0)
    variable_om_usd_per_mwh: float = column(
        "variable operation and maintenance per MWh generated or discharged", "US$/MWh", 0.0, ge=0
    )
    fuel: Key | None = column("fuel burnt; blank for none", default=None, refers="fuels.fuel")
    heat_rate_mmbtu_per_mwh: float = column("fuel per MWh", "MMBtu/MWh", 0.0, ge=0)
    life_years: int = column("economic and book life", "years", ge=1, le=100)
    lead_time_years: float = column("order to operation", "years", 0.0, ge=0, le=30)
    spend_curve: Key | None = column(
        "how capital is spent; blank: all in the year of service", default=None, refers="spend_curves.spend_curve"
    )
    wacc: float | None = column(
        "real cost of capital for the annuity view and for salvage; blank: the discount rate",
        "1/year",
        None,
        ge=0,
        lt=0.5,
    )
    forced_outage_rate: float = share("share of time out of service, unplanned", 0.0, lt=1)
    firm_credit_share: float = share("accredited (firm) share of capacity", 0.0)
    clean: bool = column("counts as clean energy", default=False)
    cost_pool: Pool = column("cost pool that utility-financed plant enters", default="generation")
    commitment: Literal["none", "relaxed", "integer"] = column(
        "on-line units: not modelled, continuous, or whole", default="none"
    )
    min_stable_share: float = share("least output of an on-line unit", 0.0, lt=1)
    startup_cost_usd_per_mw: float = column("cost per MW started", "US$/MW", 0.0, ge=0)
    ramp_share_per_hour: float = share(
        "largest change of output per hour as a share of capacity; 1: no limit", 1.0, gt=0
    )
    charge_efficiency: float = share("storage: stored per charged", 1.0, gt=0)
    discharge_efficiency: float = share("storage: delivered per drawn", 1.0, gt=0)
    self_discharge_per_hour: float = share("storage: share of the stored energy lost per hour", 0.0, lt=1)
    min_duration_hours: float = column("storage: least energy per power", "hours", 0.0, ge=0)
    max_duration_hours: float = column("storage: most energy per power; equal to the least: tied", "hours", 0.0, ge=0)
    storage_linking: Literal["period", "calendar"] = column(
        "storage: cyclic in each representative period, or carried through the calendar", default="period"
    )
    macrs_years: Literal[3, 5, 7, 10, 15, 20] = column("tax depreciation class", "years", 15, ge=3, le=20)
    bonus_depreciation_share: float = share("share of the tax basis written off in the first year", 0.0)


class SpendShare(Row):
    """When capital is spent, relative to the year of service."""

    spend_curve: Key = column("name of the curve")
    years_before_service: int = column("0: in the year of service", "years", ge=0, le=30)
    share: float = share("share of the capital cost")


class TaxCredit(Row):
    """Federal credits by the year a plant enters service."""

    technology: Key = column("technology", refers="technologies.technology")
    first_year: int = column("first year of service that qualifies", "year", ge=1900, le=2200)
    last_year: int = column("last year of service that qualifies", "year", ge=1900, le=2200)
    itc_share: float = share("investment tax credit", 0.0)
    ptc_usd_per_mwh: float = column("production tax credit", "US$/MWh", 0.0, ge=0)
    ptc_years: int = column("years of service over which the production credit is paid", "years", 10, ge=1, le=40)


class FundingOption(Row):
    """One thing the project can pay for, at one place: fill exactly one of site, zone, corridor."""

    option: Key = column("name of the option")
    technology: Key = column("technology", refers="technologies.technology")
    site: Key | None = column("at a site (behind the meter; wires: POI upgrade)", default=None, refers="sites.site")
    zone: Key | None = column("in a zone (in front of the meter)", default=None, refers="zones.zone")
    corridor: Key | None = column("on a corridor (wires)", default=None, refers="corridors.corridor")
    utility: Key | None = column(
        "utility that owns or finances it; needed for contribution and utility modes",
        default=None,
        refers="utilities.utility",
    )
    funding_modes: str = column(
        "modes allowed, separated by ';': own, contribution, utility",
        default="own",
        pattern=r"^(own|contribution|utility)(;(own|contribution|utility))*$",
    )
    block_mw: float = column("size of one block", "MW", gt=0)
    integer: bool = column("whole blocks (true) or any size (false)", default=True)
    max_blocks: float = column("most blocks over the horizon", "blocks", ge=0)
    max_blocks_per_year: float | None = column(
        "most blocks entering service in one planning year; blank: no limit", "blocks", None, ge=0
    )
    energy_block_mwh: float | None = column(
        "storage sized apart: one energy block; blank: tied to power by the duration", "MWh", None, gt=0
    )
    max_energy_blocks: float | None = column(
        "most energy blocks; blank: what the duration allows", "blocks", None, ge=0
    )
    first_year: int | None = column(
        "earliest year of service; blank: base year plus lead time", "year", None, ge=1900, le=2200
    )
    last_year: int | None = column("latest year of service; blank: no limit", "year", None, ge=1900, le=2200)
    lead_time_years: float | None = column(
        "order to operation here; blank: the technology's", "years", None, ge=0, le=30
    )
    capex_factor: float = column("multiplies the technology's capital cost here", "factor", 1.0, gt=0, le=100)
    interconnection_usd_per_kw: float = column(
        "added capital cost of connecting, if the technology's excludes it", "US$/kW", 0.0, ge=0
    )
    availability_series: Key | None = column(
        "hourly output available per MW; blank: 1 less the forced outage rate", default=None, refers="series.series"
    )
    contract_site: Key | None = column(
        "site that pays a contract charge for utility-financed plant", default=None, refers="sites.site"
    )
    contract_share: float = share("share of its yearly revenue requirement billed to the contract site", 0.0)
    planned_without_project: bool = column(
        "already planned without the project: not additional, so not accredited to it", default=False
    )


class OptionRule(Row):
    """Rules that join options."""

    rule: Literal["at_most_one", "all_or_none", "requires"] = column(
        "at_most_one, all_or_none: over the options of a group; requires: option only with requires_option"
    )
    group: Key = column("name of the group (or of the rule)")
    option: Key = column("option", refers="funding_options.option")
    requires_option: Key | None = column(
        "requires: the option that must be in service no later", default=None, refers="funding_options.option"
    )


class ExistingAsset(Row):
    """Plant that the sponsor already owns or has under construction: fill exactly one of site, zone."""

    asset: Key = column("name of the asset")
    technology: Key = column("technology", refers="technologies.technology")
    site: Key | None = column("at a site", default=None, refers="sites.site")
    zone: Key | None = column("in a zone", default=None, refers="zones.zone")
    unit_mw: float = column("size of one unit", "MW", gt=0)
    units: int = column("number of units", "blocks", ge=1)
    energy_mwh: float = column("storage: energy capacity of all units together", "MWh", 0.0, ge=0)
    first_year: int = column("first year in service", "year", ge=1900, le=2200)
    last_year: int = column("last year in service", "year", ge=1900, le=2200)
    can_retire: bool = column("may units be retired early", default=False)
    availability_series: Key | None = column(
        "hourly output available per MW; blank: 1 less the forced outage rate", default=None, refers="series.series"
    )


class Tariff(Row):
    """A large-load tariff or contract."""

    tariff: Key = column("name of the tariff")
    utility: Key = column("utility", refers="utilities.utility")
    demand_usd_per_kw_month: float = column("demand charge on the billing demand", "US$/kW-month", 0.0, ge=0)
    energy_usd_per_mwh: float = column("energy charge on metered import", "US$/MWh", 0.0, ge=0)
    market_energy_share: float = share(
        "cost_of_service: share of the hourly market price passed through on metered import", 0.0
    )
    export_usd_per_mwh: float = column(
        "cost_of_service: what the utility pays for metered export", "US$/MWh", 0.0, ge=0
    )
    fixed_usd_per_month: float = column("fixed charge per site once it is open", "US$/month", 0.0, ge=0)
    minimum_demand_share: float = share("minimum take: least billing demand per contract MW", 0.0)
    ratchet_share: float = share("least billing demand per MW of the year's highest metered peak", 0.0)
    change_per_year: float = column(
        "real yearly change of all charges after the base year", "1/year", 0.0, ge=-0.5, le=0.5
    )
    exit_fee_years: float = column("years of minimum bills due on leaving", "years", 0.0, ge=0, le=40)


class Fuel(Row):
    """A fuel."""

    fuel: Key = column("name of the fuel")
    co2_t_per_mmbtu: float = column("emissions per unit of heat", "t/MMBtu", 0.0, ge=0)


class FuelPrice(Row):
    """Delivered fuel price."""

    fuel: Key = column("fuel", refers="fuels.fuel")
    zone: Key = column("zone", refers="zones.zone")
    year: int = column("planning year", refers="planning_years")
    usd_per_mmbtu: float = column("delivered price", "US$/MMBtu", ge=0)


class Budget(Row):
    """Limit on the sponsor's capital cash (own plant and contributions with their gross-up)."""

    scope: Key = column("'portfolio' or a site")
    year: int = column(
        "planning year; with all calendar years it represents, and years before the first", refers="planning_years"
    )
    max_capex_usd: float | None = column("most capital spent in it; blank: no limit", "US$", None, ge=0)
    max_cumulative_capex_usd: float | None = column(
        "most capital spent up to its end; blank: no limit", "US$", None, ge=0
    )


class ComputeDemand(Row):
    """Portfolio compute to energise."""

    year: int = column("planning year", refers="planning_years")
    it_mw: float = column("IT load to be energised over all sites", "MW", ge=0)


class Policy(Row):
    """Carbon and clean-energy rules of a year."""

    year: int = column("planning year", refers="planning_years")
    carbon_price_usd_per_t: float = column("price on emissions", "US$/t", 0.0, ge=0)
    co2_cap_t: float | None = column("portfolio emissions cap; blank: none", "t", None, ge=0)
    clean_share_annual: float = share("least clean energy per load energy, over the year", 0.0)
    clean_share_hourly: float = share(
        "least clean energy matched to load hour by hour within each zone, per load energy", 0.0
    )


class PricePoint(Row):
    """A point of a zone's price response: price change against the project's net purchase."""

    zone: Key = column("zone", refers="zones.zone")
    net_purchase_mw: float = column("project's net purchase in an hour; the first point is 0", "MW", ge=0)
    price_change_usd_per_mwh: float = column("rise of the market price; 0 at the first point", "US$/MWh", ge=0)


class CapacityPoint(Row):
    """A point of a zone's capacity-price curve: price change against the project's capacity shortfall."""

    zone: Key = column("zone", refers="zones.zone")
    shortfall_mw: float = column("project's obligation less its accredited capacity; the first point is 0", "MW", ge=0)
    price_change_usd_per_kw_year: float = column(
        "rise of the capacity price; 0 at the first point", "US$/kW-year", ge=0
    )


class SharedNetworkCost(Row):
    """An existing network cost that all load shares by its coincident peak (postage stamp)."""

    utility: Key = column("utility", refers="utilities.utility")
    year: int = column("planning year", refers="planning_years")
    cost_usd: float = column("cost of the pool in the year", "US$/year", ge=0)
    local_coincident_peak_mw: float = column("coincident peak of the local customers", "MW", gt=0)


class Series(Row):
    """An hourly series; its values are the column of the same name in hourly.csv."""

    series: Key = column("name, equal to a column of hourly.csv")
    kind: Literal["availability", "utilisation", "pue", "price", "local_load"] = column(
        "what it is: availability and utilisation in 0..1, pue in 1..3, price in US$/MWh, local_load in MW"
    )
    synthetic: bool = column("made by a script (true) or measured (false)")


class Period(Row):
    """A representative period of a resolution: consecutive hours of the hourly series."""

    resolution: Key = column("resolution it belongs to")
    period: Key = column("name of the period")
    start_hour: int = column("first hour of the series", "hours", ge=0)
    hours: int = column("length", "hours", ge=1)
    occurrences_per_year: float = column(
        "how often the year contains it; hours times occurrences sum to 8760", "factor", gt=0, le=8784
    )
    kind: Literal["typical", "extreme"] = column("typical, or an extreme kept on purpose", default="typical")


class CalendarSlot(Row):
    """Which representative period stands for each stretch of the year, in order."""

    resolution: Key = column("resolution")
    slot: int = column("position in the year, from 0", "blocks", ge=0)
    period: Key = column("period that stands for it", refers="periods.period")


class Driver(Row):
    """An uncertain figure and how far it may lie from the instance's own, for a tornado chart."""

    driver: Key = column("name of the driver")
    path: Text = column(
        "figure it changes, as --set writes it: an entry of the manifest, a cell by its key, * for all", min_length=1
    )
    change: Literal["=", "*=", "+="] = column("low and high replace the figure, multiply it or are added", default="*=")
    low: float = column("lower value, factor or amount", "as the path", ge=-1e13, le=1e13)
    high: float = column("higher value, factor or amount; above low", "as the path", ge=-1e13, le=1e13)
    unit: Text = column("what low and high are in, for reading", default="")


class Resolution(BaseModel):
    """A choice of time detail: which periods, how long a step, which planning years."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    step_hours: int = column("hours per time step; divides every period", "hours", 1, ge=1)
    planning_years: tuple[int, ...] | None = Field(
        None, strict=False, description="planning years kept; left out: all of them"
    )
    description: str = Field("", description="what it is for")


class Finance(BaseModel):
    """How money over time is treated."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    discount_rate: float = share("sponsor's real discount rate", lt=0.5)
    inflation: float = share("yearly inflation, to turn nominal rate-making into real dollars", 0.02, lt=0.5)
    capital_view: Literal["cash", "annuity"] = column(
        "cash: overnight spend by year less salvage at the horizon; annuity: yearly annuities", default="cash"
    )
    tax_view: bool = column("apply investment and production credits and tax depreciation", default=False)
    tax_rate: float = share("sponsor's income tax rate", 0.2574, lt=0.9)


class ComputeOptions(BaseModel):
    """How compute demand is met."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    unserved_usd_per_mwh: float = column("penalty on load not served", "US$/MWh", 1200.0, ge=0)
    max_unmet_share: float = share("largest share of a year's compute demand that may stay without a site", 0.0)
    unmet_usd_per_mwh: float = column("penalty on compute demand without a site", "US$/MWh", 1200.0, ge=0)
    energised_it_stays: bool = column("IT once energised at a site is never taken away", default=True)


class RateOptions(BaseModel):
    """The pledge."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enforce: bool = column("hold every class, year by year, to its without-project rate", default=True)
    tie_break: float = share(
        "weight on cost caused to locals, so that dispatch stays economic where the cap is slack", 0.001, le=0.1
    )


class Options(BaseModel):
    """How to run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    resolution: Key = column("resolution to solve")


class FileNote(BaseModel):
    """Where a file comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: Text = column("origin of the file's figures", min_length=1)
    licence: Text = column("licence of the file's content", min_length=1)


class Manifest(BaseModel):
    """instance.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = column("version of this schema")
    name: Key = column("short name")
    title: Text = column("one line", default="")
    description: Text = column("what it represents and what it does not", default="")
    currency: Literal["USD"] = column("currency of all money")
    price_year: int = column("year of the real dollars", ge=1990, le=2100)
    base_year: int = column("year that decisions are made and money is discounted to", ge=1990, le=2200)
    planning_years: tuple[Annotated[int, Field(ge=1990, le=2200)], ...] = Field(
        strict=False, min_length=1, description="years modelled, ascending, none before base_year"
    )
    last_year_represents: int = column(
        "calendar years that the last planning year stands for (the others stand for the years up to the next)",
        "years",
        1,
        ge=1,
        le=50,
    )
    series_hours: int = column("length of the hourly series", "hours", 8760, ge=1)
    finance: Finance = Field(description="money over time")
    compute: ComputeOptions = Field(default_factory=ComputeOptions, description="compute demand")
    rates: RateOptions = Field(default_factory=RateOptions, description="the pledge")
    options: Options = Field(description="how to run")
    resolutions: dict[Key, Resolution] = Field(min_length=1, description="named time details")
    files: dict[str, FileNote] = Field(description="source and licence of every file of the instance, by file name")


@dataclass(frozen=True)
class Table:
    """A table of the instance: file ``<name>.csv``, row class, key columns, and whether it must exist."""

    name: str
    row: type[Row]
    key: tuple[str, ...]
    required: bool = False

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    def columns(self) -> Iterator[str]:
        """Column names, in order, ``source`` last."""
        yield from (name for name in self.row.model_fields if name != "source")
        yield "source"


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("sites", Site, ("site",), required=True),
        Table("site_years", SiteYear, ("site", "year"), required=True),
        Table("zones", Zone, ("zone",), required=True),
        Table("zone_years", ZoneYear, ("zone", "year")),
        Table("supply_blocks", SupplyBlock, ("zone", "block")),
        Table("corridors", Corridor, ("corridor",)),
        Table("utilities", Utility, ("utility",)),
        Table("customer_classes", CustomerClass, ("utility", "customer_class")),
        Table("class_years", ClassYear, ("utility", "customer_class", "year")),
        Table("cost_allocators", CostAllocator, ("utility", "customer_class", "pool")),
        Table("technologies", Technology, ("technology",), required=True),
        Table("spend_curves", SpendShare, ("spend_curve", "years_before_service")),
        Table("tax_credits", TaxCredit, ("technology", "first_year")),
        Table("funding_options", FundingOption, ("option",), required=True),
        Table("option_rules", OptionRule, ("rule", "group", "option", "requires_option")),
        Table("existing_assets", ExistingAsset, ("asset",)),
        Table("tariffs", Tariff, ("tariff",)),
        Table("fuels", Fuel, ("fuel",)),
        Table("fuel_prices", FuelPrice, ("fuel", "zone", "year")),
        Table("budgets", Budget, ("scope", "year")),
        Table("compute_demand", ComputeDemand, ("year",), required=True),
        Table("policy", Policy, ("year",)),
        Table("price_response", PricePoint, ("zone", "net_purchase_mw")),
        Table("capacity_price_curve", CapacityPoint, ("zone", "shortfall_mw")),
        Table("shared_network_costs", SharedNetworkCost, ("utility", "year")),
        Table("series", Series, ("series",)),
        Table("periods", Period, ("resolution", "period"), required=True),
        Table("calendar", CalendarSlot, ("resolution", "slot")),
        Table("drivers", Driver, ("driver",)),
    )
}

#: Values an hourly series of each kind may take.
SERIES_BOUNDS = {
    "availability": (0.0, 1.0),
    "utilisation": (0.0, 1.0),
    "pue": (1.0, 3.0),
    "price": (-1000.0, 10_000.0),
    "local_load": (0.0, 1e6),
}
HOURLY_FILE = "hourly.csv"
MANIFEST_FILE = "instance.toml"
