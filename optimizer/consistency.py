"""Rules that join several rows or tables of an instance.

Each rule is a function from the content to the problems it finds. Rules about one row look other rows up and say
nothing when those cannot be read; rules about what is missing, or about sums, run only on tables read completely.
So one run reports everything that is certainly wrong, and nothing that only follows from another problem.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pandas as pd

from optimizer.problems import LISTED_ALIKE, Problem, number, shown, suggestion
from optimizer.schema import (
    FUNDING_MODES,
    HOURLY_FILE,
    MANIFEST_FILE,
    POOLS,
    SERIES_BOUNDS,
    TABLES,
    Budget,
    CalendarSlot,
    CapacityPoint,
    ClassYear,
    ComputeDemand,
    Corridor,
    CostAllocator,
    CustomerClass,
    Driver,
    ExistingAsset,
    FuelPrice,
    FundingOption,
    Manifest,
    OptionRule,
    Period,
    PricePoint,
    Row,
    Series,
    SharedNetworkCost,
    Site,
    SiteYear,
    SpendShare,
    SupplyBlock,
    Tariff,
    TaxCredit,
    Technology,
    Utility,
    Zone,
    ZoneYear,
)
from optimizer.tables import TableRows

HOURS_PER_YEAR = 8760
#: Shares that must sum to 1, and hours to a year, may miss it by this.
SUM_TOLERANCE = 1e-6

#: Kind of series that each column may name.
SERIES_KINDS: dict[tuple[type[Row], str], str] = {
    (Site, "utilisation_series"): "utilisation",
    (Site, "pue_series"): "pue",
    (Zone, "price_series"): "price",
    (Zone, "local_load_series"): "local_load",
    (FundingOption, "availability_series"): "availability",
    (ExistingAsset, "availability_series"): "availability",
}

R = TypeVar("R", bound=Row)
TABLE_OF = {table.row: table for table in TABLES.values()}


@dataclass(frozen=True)
class Origin:
    """Where a changed cell comes from."""

    file: str
    column: str
    value: str


class Origins(dict[tuple[str, int | None, str], Origin]):
    """Origin of changed cells by file, position of the row (None: manifest and series) and column."""

    def problem(self, file: str, position: int | None, column: str, value: str | None, rule: str, fix: str) -> Problem:
        """Problem with a cell, at its origin where it has one."""
        origin = self.get((file, position, column))
        if origin is not None:
            return Problem(origin.file, None, origin.column, origin.value, rule, fix)
        return Problem(file, None if position is None else position + 2, column, value, rule, fix)


@dataclass
class Content:
    """What was read, whether or not it holds together.

    Attributes
    ----------
    manifest
        None when it could not be read at all.
    unknown
        Entries of the manifest that could not be read and carry a stand-in.
    tables
        Rows of every table.
    hourly
        None when it could not be read.
    hourly_complete
        False when some of its cells could not be read and are NaN.
    origins
        Where changed cells come from.
    """

    manifest: Manifest | None
    unknown: frozenset[str]
    tables: Mapping[str, TableRows]
    hourly: pd.DataFrame | None
    hourly_complete: bool
    origins: Origins = field(default_factory=Origins)

    def __post_init__(self) -> None:
        self._positions = {
            id(row): (line, position)
            for table in self.tables.values()
            for row, line, position in zip(table.rows, table.lines, table.positions, strict=True)
        }
        self._indices: dict[type[Row], dict[str, Row]] = {}

    @property
    def planning_years(self) -> tuple[int, ...]:
        """Planning years, empty when they could not be read."""
        return self.manifest.planning_years if self.manifest and "planning_years" not in self.unknown else ()

    @property
    def series_hours(self) -> int | None:
        """Length of the hourly series, None when it could not be read."""
        return self.manifest.series_hours if self.manifest and "series_hours" not in self.unknown else None

    @property
    def resolutions(self) -> list[str]:
        """Names of the resolutions, empty when they could not be read."""
        return list(self.manifest.resolutions) if self.manifest and "resolutions" not in self.unknown else []

    def rows(self, model: type[R]) -> list[R]:
        """Rows of a table that could be read."""
        return self.tables[TABLE_OF[model].name].rows  # type: ignore[return-value]

    def complete(self, *models: type[Row]) -> bool:
        """Could every row of these tables be read?"""
        return all(self.tables[TABLE_OF[model].name].complete for model in models)

    def find(self, model: type[R], name: str | None) -> R | None:
        """Row of a table with a one-column key, None when there is none (or it could not be read)."""
        if name is None:
            return None
        if model not in self._indices:
            key = TABLE_OF[model].key[0]
            self._indices[model] = {getattr(row, key): row for row in self.rows(model)}
        return self._indices[model].get(name)  # type: ignore[return-value]

    def known(self, table: str, column: str) -> set[str]:
        """Words of a key column, those of broken rows included."""
        return {cells[column] for cells in self.tables[table].cells if cells.get(column)}

    def problem(self, row: Row, column: str | None, rule: str, fix: str = "") -> Problem:
        """Problem with a cell of a row (or with the whole row)."""
        line, position = self._positions[id(row)]
        file = TABLE_OF[type(row)].file
        if column is None:
            return Problem(file, line, None, None, rule, fix)
        if (file, position, column) in self.origins:
            return self.origins.problem(file, position, column, None, rule, fix)
        return Problem(file, line, column, shown(getattr(row, column)), rule, fix)

    def table_problem(self, model: type[Row], rule: str, fix: str = "") -> Problem:
        """Problem with a table as a whole."""
        return Problem(TABLE_OF[model].file, None, None, None, rule, fix)

    def manifest_problem(self, path: str, value: object, rule: str, fix: str = "") -> Problem:
        """Problem with an entry of the manifest."""
        text = None if value is None else shown(value)
        return self.origins.problem(MANIFEST_FILE, None, path, text, rule, fix)


def find_problems(content: Content) -> Iterator[Problem]:
    """Everything that the joint rules find."""
    for rule in RULES:
        yield from rule(content)


# Keys and references


def duplicate_keys(content: Content) -> Iterator[Problem]:
    """No two rows of a table have the same key."""
    for model, table in TABLE_OF.items():
        first: dict[tuple[object, ...], Row] = {}
        for row in content.rows(model):
            key = tuple(getattr(row, column) for column in table.key)
            if key not in first:
                first[key] = row
                continue
            line = content.problem(first[key], None, "").row
            named = ", ".join(f"{column} {shown(part)}" for column, part in zip(table.key, key, strict=True))
            rule = f"stands already in row {line}: {named}"
            yield content.problem(row, table.key[0], rule, "Delete one of the two rows, or rename it.")


def unknown_references(content: Content) -> Iterator[Problem]:
    """Every name that refers to another table stands there."""
    for model in TABLE_OF:
        for column, info in model.model_fields.items():
            extra = info.json_schema_extra
            target = extra.get("refers_to") if isinstance(extra, dict) else None
            if target == "planning_years":
                yield from _unknown_years(content, model, column)
            elif target:
                yield from _unknown_names(content, model, column, *str(target).split("."))


def _unknown_years(content: Content, model: type[Row], column: str) -> Iterator[Problem]:
    years = content.planning_years
    for row in content.rows(model):
        if years and getattr(row, column) not in years:
            fix = f"Planning years in {MANIFEST_FILE}: {', '.join(map(str, years))}."
            yield content.problem(row, column, "must be a planning year", fix)


def _unknown_names(content: Content, model: type[Row], column: str, table: str, target: str) -> Iterator[Problem]:
    """Names unknown in the target table; where its key has more columns that the row has too, all must agree."""
    if not content.tables[table].present:
        return
    key = [name for name in TABLES[table].key if name in model.model_fields or name == target]
    outer = [name for name in key if name != target]
    known: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for cells in content.tables[table].cells:
        known[tuple(cells.get(name, "") for name in outer)].add(cells.get(target, ""))
    for row in content.rows(model):
        name = getattr(row, column)
        group = tuple(getattr(row, part) for part in outer)
        if name is None or (outer and group not in known) or name in known.get(group, ()):
            continue
        within = "".join(f" of {part} {value}" for part, value in zip(outer, group, strict=True))
        yield content.problem(
            row, column, f"must be a {target}{within} in {TABLES[table].file}", suggestion(name, known[group])
        )


def unknown_resolutions(content: Content) -> Iterator[Problem]:
    """Periods and calendar slots belong to a resolution of the manifest."""
    if not content.resolutions:
        return
    rows: list[Period | CalendarSlot] = [*content.rows(Period), *content.rows(CalendarSlot)]
    for row in rows:
        if row.resolution not in content.resolutions:
            fix = suggestion(row.resolution, content.resolutions)
            yield content.problem(row, "resolution", f"must be a resolution of {MANIFEST_FILE}", fix)


def budget_scopes(content: Content) -> Iterator[Problem]:
    """A budget is for the portfolio or a site; no site is called portfolio."""
    sites = content.known("sites", "site")
    for row in content.rows(Budget):
        if row.scope not in sites | {"portfolio"} and content.tables["sites"].present:
            fix = suggestion(row.scope, sites | {"portfolio"})
            yield content.problem(row, "scope", "must be 'portfolio' or a site of sites.csv", fix)
    for site in content.rows(Site):
        if site.site == "portfolio":
            yield content.problem(site, "site", "is reserved for the portfolio as a whole", "Rename the site.")


def asset_names(content: Content) -> Iterator[Problem]:
    """An existing asset is not called like the resource that an option makes."""
    resources = {f"{row.option} [{mode}]" for row in content.rows(FundingOption) for mode in FUNDING_MODES}
    for row in content.rows(ExistingAsset):
        if row.asset in resources:
            yield content.problem(row, "asset", "is the name of a funding option with its mode", "Rename the asset.")


# Manifest


def manifest_years(content: Content) -> Iterator[Problem]:
    """Planning years ascend, none before the base year; resolutions keep some of them."""
    if content.manifest is None:
        return
    years = content.planning_years
    if not _ascending(years):
        fix = f"Write {sorted(set(years))}."
        yield content.manifest_problem("planning_years", list(years), "must ascend, each year once", fix)
    base_year = content.manifest.base_year
    if years and "base_year" not in content.unknown and min(years) < base_year:
        rule = f"must not begin before base_year {base_year}"
        yield content.manifest_problem(
            "planning_years", list(years), rule, "Drop the earlier years, or lower base_year."
        )
    for name in content.resolutions:
        kept = content.manifest.resolutions[name].planning_years
        path = f"resolutions.{name}.planning_years"
        if kept is None or not years:
            continue
        if not kept or not _ascending(kept):
            yield content.manifest_problem(path, list(kept), "must name at least one year, ascending, each once", "")
        elif not set(kept) <= set(years):
            wrong = ", ".join(str(year) for year in kept if year not in years)
            fix = f"Planning years: {', '.join(map(str, years))}."
            yield content.manifest_problem(path, list(kept), f"must be planning years; {wrong} is not", fix)


def active_resolution(content: Content) -> Iterator[Problem]:
    """The resolution to solve exists."""
    if content.manifest is None or not content.resolutions or "options" in content.unknown:
        return
    name = content.manifest.options.resolution
    if name not in content.resolutions:
        rule = "must be one of the resolutions"
        yield content.manifest_problem("options.resolution", name, rule, suggestion(name, content.resolutions))


# Years that must be there


def missing_years(content: Content) -> Iterator[Problem]:
    """Sites, compute demand, classes and shared network costs have a row for every planning year."""
    yield from _missing(content, ComputeDemand, [()])
    yield from _missing(content, SiteYear, [(site.site,) for site in content.rows(Site)])
    classes = [(row.utility, row.customer_class) for row in content.rows(CustomerClass)]
    yield from _missing(content, ClassYear, classes)
    yield from _missing(content, SharedNetworkCost, sorted({(row.utility,) for row in content.rows(SharedNetworkCost)}))


def missing_fuel_prices(content: Content) -> Iterator[Problem]:
    """Every fuel that plant burns in a zone has a price there in every planning year."""
    burnt: dict[tuple[str, str], str] = {}
    for row in _plant(content):
        technology = content.find(Technology, row.technology)
        zone = _zone_of(content, row)
        if technology is not None and technology.fuel is not None and zone is not None:
            burnt.setdefault((technology.fuel, zone), row.option if isinstance(row, FundingOption) else row.asset)
    yield from _missing(content, FuelPrice, list(burnt), lambda key: f", burnt by {burnt[key[0], key[1]]}")


def _missing(
    content: Content,
    model: type[Row],
    keys: Iterable[tuple[str, ...]],
    why: Callable[[tuple[str, ...]], str] = lambda _: "",
) -> Iterator[Problem]:
    """Rows that a table lacks: its key is one of ``keys`` followed by the year."""
    if not content.complete(model):
        return
    columns = TABLE_OF[model].key
    present = {tuple(getattr(row, column) for column in columns) for row in content.rows(model)}
    for key in keys:
        years = [year for year in content.planning_years if (*key, year) not in present]
        if years:
            named = ", ".join(f"{column} {part}" for column, part in zip(columns, key, strict=False))
            rule = f"must have a row for {named}{' in ' if named else ''}{', '.join(map(str, years))}{why(key)}"
            yield content.table_problem(model, rule, "Add the row of every planning year.")


# Sites


def site_tariffs(content: Content) -> Iterator[Problem]:
    """A site with a utility has a tariff of it, lies in its zone, and has an end of contract where exit costs money."""
    for site in content.rows(Site):
        if site.utility is None:
            if site.tariff is not None:
                yield content.problem(
                    site, "tariff", "needs a utility", "Name the site's utility, or clear the tariff."
                )
            continue
        utility = content.find(Utility, site.utility)
        if utility is not None and utility.zone != site.zone:
            rule = f"must lie in the site's zone {site.zone}, lies in {utility.zone}"
            yield content.problem(site, "utility", rule, "Correct the site's zone or its utility.")
        if site.tariff is None:
            offered = [row.tariff for row in content.rows(Tariff) if row.utility == site.utility]
            fix = f"Tariffs of {site.utility}: {', '.join(offered) or 'none; add one to tariffs.csv'}."
            yield content.problem(site, "tariff", "must be filled for a site with a utility", fix)
            continue
        tariff = content.find(Tariff, site.tariff)
        if tariff is not None and tariff.utility != site.utility:
            rule = f"must be a tariff of {site.utility}, is one of {tariff.utility}"
            yield content.problem(site, "tariff", rule, "Name a tariff of the site's utility.")
        if tariff is not None and tariff.exit_fee_years > 0 and site.contract_end_year is None:
            rule = "must be filled, because the tariff has an exit fee"
            yield content.problem(site, "contract_end_year", rule, "Write the last year of the contract.")


def site_years(content: Content) -> Iterator[Problem]:
    """Floors stay below ceilings."""
    for row in content.rows(SiteYear):
        if row.floor_mw > row.ceiling_mw:
            rule = f"must be <= ceiling_mw {number(row.ceiling_mw)} MW"
            yield content.problem(row, "floor_mw", rule, "Lower the floor or raise the ceiling.")


def deferral_windows(content: Content) -> Iterator[Problem]:
    """Load that may be deferred has a time to recover in."""
    for site in content.rows(Site):
        if site.deferrable_share > 0 and site.deferral_window_hours <= 0:
            rule = "must be > 0 hours where deferrable_share > 0"
            yield content.problem(
                site, "deferral_window_hours", rule, "Write the window, or set deferrable_share to 0."
            )


def grid_sites_of_stack_zones(content: Content) -> Iterator[Problem]:
    """In a stack zone, a site with a POI is served by the utility whose stack it is."""
    with_poi_option = {option.site for option in content.rows(FundingOption) if _kind(content, option) == "wires"}
    for site in content.rows(Site):
        zone = content.find(Zone, site.zone)
        connected = site.existing_poi_mw > 0 or site.site in with_poi_option
        if zone is None or zone.supply != "stack" or zone.utility is None or not connected:
            continue
        if site.utility != zone.utility:
            rule = f"must be {zone.utility}, which owns the stack of zone {zone.zone}, for a site with a POI"
            yield content.problem(site, "utility", rule, "Name it, or leave the site without POI.")


# Zones and corridors


def zone_supply(content: Content) -> Iterator[Problem]:
    """Price zones have a price; stack zones have blocks, a local load and a cost-of-service utility."""
    blocks = content.known("supply_blocks", "zone")
    for zone in content.rows(Zone):
        if zone.supply == "price" and zone.price_series is None:
            yield content.problem(
                zone, "price_series", "must be filled for a price zone", "Name a series of kind price."
            )
        if zone.supply == "stack":
            yield from _stack_zone(content, zone, blocks)
    for block in content.rows(SupplyBlock):
        of = content.find(Zone, block.zone)
        if of is not None and of.supply != "stack":
            rule = f"must be a stack zone; its supply is {of.supply}"
            yield content.problem(block, "zone", rule, "Delete the block, or make the zone's supply stack.")


def _stack_zone(content: Content, zone: Zone, blocks: set[str]) -> Iterator[Problem]:
    if zone.local_load_series is None:
        rule = "must be filled for a stack zone"
        yield content.problem(zone, "local_load_series", rule, "Name a series of kind local_load.")
    if zone.utility is None:
        yield content.problem(
            zone, "utility", "must be filled for a stack zone", "Name the utility that owns the stack."
        )
    if zone.zone not in blocks and content.complete(SupplyBlock):
        rule = f"must have blocks for stack zone {zone.zone}"
        yield content.table_problem(SupplyBlock, rule, "Add the blocks of its supply.")
    utility = content.find(Utility, zone.utility)
    if utility is not None and utility.regime != "cost_of_service":
        rule = "must be a cost_of_service utility, because it buys for the stack"
        yield content.problem(zone, "utility", rule, "Correct its regime, or make the zone's supply price.")
    if utility is not None and utility.zone != zone.zone:
        rule = f"must lie in zone {zone.zone}, lies in {utility.zone}"
        yield content.problem(zone, "utility", rule, "Name a utility of this zone.")


def stack_covers_local_load(content: Content) -> Iterator[Problem]:
    """Without the project, the blocks of a stack zone cover the local load in every hour."""
    if not content.complete(SupplyBlock, ZoneYear) or content.hourly is None:
        return
    factors = {(row.zone, row.year): row.local_load_factor for row in content.rows(ZoneYear)}
    for zone in content.rows(Zone):
        blocks = [row.capacity_mw for row in content.rows(SupplyBlock) if row.zone == zone.zone]
        if zone.supply != "stack" or not blocks or zone.local_load_series not in content.hourly.columns:
            continue
        load = content.hourly[zone.local_load_series].to_numpy()
        peak = float(np.nanmax(load, initial=0.0))
        for year in content.planning_years:
            needed = peak * factors.get((zone.zone, year), 1.0)
            if math.fsum(blocks) < needed * (1 - 1e-9):
                supply = f"blocks of zone {zone.zone} sum to {number(math.fsum(blocks))} MW"
                rule = f"{supply}, its local load peaks at {number(needed)} MW in {year}"
                yield content.table_problem(SupplyBlock, rule, "Add supply, or lower the local load.")


def corridors(content: Content) -> Iterator[Problem]:
    """A corridor joins two zones; two stacks only where one utility owns both."""
    for row in content.rows(Corridor):
        if row.from_zone == row.to_zone:
            yield content.problem(row, "to_zone", "must differ from from_zone", "Name the zone at the other end.")
        ends = [content.find(Zone, name) for name in (row.from_zone, row.to_zone)]
        owners = [zone.utility for zone in ends if zone is not None and zone.supply == "stack"]
        if len(owners) == 2 and owners[0] != owners[1]:
            rule = f"joins two stack zones of different utilities ({owners[0]}, {owners[1]})"
            yield content.problem(
                row, "to_zone", rule, "Trade between two utilities needs a price: join each to a price zone."
            )


def curves(content: Content) -> Iterator[Problem]:
    """Price curves start at (0, 0) and ascend in both columns."""
    price = [(row.zone, row.net_purchase_mw, row.price_change_usd_per_mwh, row) for row in content.rows(PricePoint)]
    yield from _curves(content, PricePoint, price, "net_purchase_mw", "price_change_usd_per_mwh")
    capacity = [
        (row.zone, row.shortfall_mw, row.price_change_usd_per_kw_year, row) for row in content.rows(CapacityPoint)
    ]
    yield from _curves(content, CapacityPoint, capacity, "shortfall_mw", "price_change_usd_per_kw_year")
    for row in content.rows(PricePoint):
        zone = content.find(Zone, row.zone)
        if zone is not None and zone.supply != "price":
            rule = f"must be a price zone; its supply is {zone.supply}"
            yield content.problem(row, "zone", rule, "Delete the point, or make the zone's supply price.")


def _curves(
    content: Content, model: type[R], points: list[tuple[str, float, float, R]], quantity: str, change: str
) -> Iterator[Problem]:
    if not content.complete(model):
        return
    by_zone: dict[str, list[tuple[float, float, R]]] = defaultdict(list)
    for zone, mw, rise, row in points:
        by_zone[zone].append((mw, rise, row))
    for zone, curve in by_zone.items():
        mw, rise, row = curve[0]
        if mw != 0:
            yield content.problem(
                row, quantity, f"must be 0 MW at the first point of zone {zone}", "Add the point (0, 0)."
            )
        if rise != 0:
            yield content.problem(row, change, f"must be 0 at the first point of zone {zone}", "Add the point (0, 0).")
        if len(curve) < 2:
            yield content.problem(
                row, None, f"curve of zone {zone} has one point", "Add points up to the largest quantity."
            )
        for before, (mw, rise, row) in pairwise(curve):
            if mw <= before[0]:
                rule = f"must be above the point before, {number(before[0])} MW"
                yield content.problem(row, quantity, rule, "Order the points of the zone.")
            if rise < before[1]:
                rule = f"must not be below the point before, {number(before[1])}"
                yield content.problem(row, change, rule, "More purchases cannot lower the price.")


def curve_regimes(content: Content) -> Iterator[Problem]:
    """The utilities of a zone with a price curve have one regime; a cost-of-service utility is alone."""
    for zone in content.rows(Zone):
        if zone.zone not in content.known("price_response", "zone") | content.known("capacity_price_curve", "zone"):
            continue
        utilities = [row for row in content.rows(Utility) if row.zone == zone.zone]
        regimes = {row.regime for row in utilities}
        if len(regimes) > 1:
            rule = f"must be the same for all utilities of zone {zone.zone}, which has a price curve"
            yield content.problem(utilities[-1], "regime", rule, "Split the zone, or drop its curve.")
        elif regimes == {"cost_of_service"} and len(utilities) > 1:
            rule = f"zone {zone.zone} has a price curve: it can have one cost_of_service utility, has {len(utilities)}"
            yield content.problem(utilities[-1], "regime", rule, "Split the zone, or drop its curve.")


# Utilities, classes, tariffs


def classes_and_pools(content: Content) -> Iterator[Problem]:
    """Every utility has classes, and they pay every cost pool in full."""
    if not content.complete(CustomerClass):
        return
    with_classes = {row.utility for row in content.rows(CustomerClass)}
    for utility in content.rows(Utility):
        if utility.utility not in with_classes:
            rule = f"must have a class for utility {utility.utility}"
            yield content.table_problem(CustomerClass, rule, "Without classes, no one would pay its costs.")
        elif content.complete(CostAllocator):
            yield from _pool_sums(content, utility.utility)
    for name, rows in _by(content.rows(CustomerClass), "utility").items():
        credit = math.fsum(row.bill_credit_share for row in rows)
        if credit > 1 + SUM_TOLERANCE:
            rule = f"bill_credit_share of utility {name} sums to {number(credit)}, must be <= 1"
            yield content.table_problem(CustomerClass, rule, "A bill can be credited once.")


def _pool_sums(content: Content, utility: str) -> Iterator[Problem]:
    for pool in POOLS:
        shares = [row.share for row in content.rows(CostAllocator) if row.utility == utility and row.pool == pool]
        if abs(math.fsum(shares) - 1) > SUM_TOLERANCE:
            total = f"sum to {number(math.fsum(shares))}, must sum to 1" if shares else "are missing"
            rule = f"shares of utility {utility}, pool {pool} {total}"
            yield content.table_problem(
                CostAllocator, rule, "Give each class its share; a class left out pays nothing."
            )


def local_load_shares(content: Content) -> Iterator[Problem]:
    """Local load is shared out once, and known where classes feel its price."""
    if not content.complete(CustomerClass, Utility):
        return
    of_zone: dict[str, list[CustomerClass]] = defaultdict(list)
    for row in content.rows(CustomerClass):
        utility = content.find(Utility, row.utility)
        if utility is not None:
            of_zone[utility.zone].append(row)
    for name, rows in of_zone.items():
        total = math.fsum(row.local_load_share for row in rows)
        if total > 1 + SUM_TOLERANCE:
            rule = f"local_load_share of the classes in zone {name} sums to {number(total)}, must be <= 1"
            yield content.table_problem(CustomerClass, rule, "Shares are of the zone's local load.")
        if name in content.known("price_response", "zone"):
            yield from _exposed_classes(content, content.find(Zone, name), rows)


def _exposed_classes(content: Content, zone: Zone | None, rows: list[CustomerClass]) -> Iterator[Problem]:
    exposed = [row for row in rows if row.hedged_share < 1]
    if exposed and zone is not None and zone.local_load_series is None:
        rule = "must be filled where the zone has a price response and classes that are not fully hedged"
        yield content.problem(zone, "local_load_series", rule, "Name a series of kind local_load.")
    for row in exposed:
        if row.local_load_share <= 0:
            rule = "must be > 0 for a class that is not fully hedged in a zone with a price response"
            yield content.problem(
                row, "local_load_share", rule, "Write its share of the zone's load, or hedged_share 1."
            )


def shared_networks(content: Content) -> Iterator[Problem]:
    """A shared network cost needs the hours of highest local load."""
    for name in sorted({row.utility for row in content.rows(SharedNetworkCost)}):
        utility = content.find(Utility, name)
        zone = content.find(Zone, utility.zone) if utility else None
        if zone is not None and zone.local_load_series is None:
            rule = f"must be filled, because utility {name} has shared network costs"
            yield content.problem(zone, "local_load_series", rule, "Name a series of kind local_load.")


def tariffs(content: Content) -> Iterator[Problem]:
    """Market prices are passed through only where there is one."""
    for row in content.rows(Tariff):
        utility = content.find(Utility, row.utility)
        zone = content.find(Zone, utility.zone) if utility else None
        if zone is not None and zone.supply != "price" and row.market_energy_share > 0:
            rule = f"must be 0: zone {zone.zone} of {row.utility} has no market price (supply {zone.supply})"
            yield content.problem(row, "market_energy_share", rule, "Use energy_usd_per_mwh.")


# Technologies


def technologies(content: Content) -> Iterator[Problem]:
    """Fuel needs a heat rate; storage durations are in order; spend curves and credits are whole."""
    for row in content.rows(Technology):
        if row.fuel is not None and row.heat_rate_mmbtu_per_mwh <= 0:
            rule = "must be > 0 MMBtu/MWh for a technology with a fuel"
            yield content.problem(row, "heat_rate_mmbtu_per_mwh", rule, "Write its heat rate, or clear the fuel.")
        if row.kind == "storage" and row.max_duration_hours <= 0:
            yield content.problem(row, "max_duration_hours", "must be > 0 hours for storage", "Write its durations.")
        elif row.kind == "storage" and row.min_duration_hours > row.max_duration_hours:
            rule = f"must be <= max_duration_hours {number(row.max_duration_hours)}"
            yield content.problem(row, "min_duration_hours", rule, "Exchange or correct them.")
    if content.complete(SpendShare):
        for name, rows in _by(content.rows(SpendShare), "spend_curve").items():
            total = math.fsum(row.share for row in rows)
            if abs(total - 1) > SUM_TOLERANCE:
                rule = f"shares of {name} sum to {number(total)}, must sum to 1"
                yield content.table_problem(SpendShare, rule, "All capital is spent once.")


def tax_credits(content: Content) -> Iterator[Problem]:
    """First year before last; one credit row per technology and year."""
    yield from _first_before_last(content, content.rows(TaxCredit))
    for rows in _by(content.rows(TaxCredit), "technology").values():
        ordered = sorted(rows, key=lambda row: row.first_year)
        for before, row in pairwise(ordered):
            if before.first_year < row.first_year <= before.last_year:
                rule = f"overlaps the credit of {before.technology} for {before.first_year} to {before.last_year}"
                yield content.problem(row, "first_year", rule, "One row per technology and year of service.")


def calendar_storage(content: Content) -> Iterator[Problem]:
    """Storage carried through the calendar needs a calendar for the resolution to solve."""
    if content.manifest is None or "options" in content.unknown or not content.complete(CalendarSlot):
        return
    resolution = content.manifest.options.resolution
    if resolution not in content.resolutions or resolution in content.known("calendar", "resolution"):
        return
    used = {row.technology for row in content.rows(FundingOption) if row.max_blocks > 0}
    used |= {row.technology for row in content.rows(ExistingAsset)}
    for row in content.rows(Technology):
        if row.kind == "storage" and row.storage_linking == "calendar" and row.technology in used:
            rule = f"calendar needs rows in calendar.csv for resolution {resolution}, which is to be solved"
            yield content.problem(row, "storage_linking", rule, "Add the calendar, or link by period.")


# Funding options and existing assets


def places(content: Content) -> Iterator[Problem]:
    """Options and assets stand at one place that suits their kind."""
    allowed = {"wires": ("site", "corridor"), "generator": ("site", "zone"), "storage": ("site", "zone")}
    for row in _plant(content):
        columns = ("site", "zone", "corridor") if isinstance(row, FundingOption) else ("site", "zone")
        filled = [column for column in columns if getattr(row, column) is not None]
        kind = _kind(content, row)
        if len(filled) != 1:
            found = " and ".join(filled) or "none"
            yield content.problem(row, None, f"must fill exactly one of {', '.join(columns)}; {found} filled", "")
        elif kind == "wires" and isinstance(row, ExistingAsset):
            rule = "must be a generator or storage"
            fix = "Existing wires are existing_poi_mw of the site and existing_mw of the corridor."
            yield content.problem(row, "technology", rule, fix)
        elif kind is not None and filled[0] not in allowed[kind]:
            rule = f"must be blank for {kind}: it stands at a {' or '.join(allowed[kind])}"
            yield content.problem(row, filled[0], rule, "Correct the place or the technology.")


def funding_modes(content: Content) -> Iterator[Problem]:
    """Modes suit the place and the utility."""
    for row in content.rows(FundingOption):
        modes = row.funding_modes.split(";")
        kind = _kind(content, row)
        shared = [mode for mode in modes if mode != "own"]
        if len(set(modes)) < len(modes):
            yield content.problem(row, "funding_modes", "must name each mode once", "Delete the repeated mode.")
        if not shared:
            continue
        if kind in {"generator", "storage"} and row.site is not None:
            rule = f"must be own for {kind} at a site, behind the meter"
            yield content.problem(row, "funding_modes", rule, "Write own, or place it in the zone.")
        corridor = content.find(Corridor, row.corridor)
        ends = [content.find(Zone, name) for name in (corridor.from_zone, corridor.to_zone)] if corridor else []
        if ends and all(zone is not None and zone.supply == "price" for zone in ends):
            rule = "must be own for a corridor between two price zones"
            yield content.problem(row, "funding_modes", rule, "Its rent goes to the sponsor: write own.")
        if row.planned_without_project:
            rule = "must be own for an option that is planned without the project"
            yield content.problem(row, "funding_modes", rule, "Write own, or planned_without_project false.")
        utility = content.find(Utility, row.utility)
        if row.utility is None:
            rule = f"must be filled for the modes {', '.join(shared)}"
            yield content.problem(row, "utility", rule, "Name the utility that owns or finances it.")
        elif utility is not None and utility.regime != "cost_of_service" and kind in {"generator", "storage"}:
            rule = f"must be a cost_of_service utility to hold a {kind} ({', '.join(shared)})"
            yield content.problem(row, "utility", rule, "A market utility owns wires only: write own.")


def option_sizes(content: Content) -> Iterator[Problem]:
    """Energy blocks are for storage; without them the duration fixes the energy."""
    for row in content.rows(FundingOption):
        technology = content.find(Technology, row.technology)
        if row.max_energy_blocks is not None and row.energy_block_mwh is None:
            rule = "must be blank where energy_block_mwh is blank"
            yield content.problem(row, "max_energy_blocks", rule, "Fill energy_block_mwh, or clear this cell.")
        if technology is None:
            continue
        if technology.kind != "storage":
            if row.energy_block_mwh is not None:
                rule = f"must be blank for {technology.kind}"
                yield content.problem(row, "energy_block_mwh", rule, "Only storage has energy blocks.")
        elif row.energy_block_mwh is None and not 0 < technology.min_duration_hours == technology.max_duration_hours:
            rule = (
                f"must be filled, because {row.technology} has no fixed duration "
                f"({number(technology.min_duration_hours)} to {number(technology.max_duration_hours)} hours)"
            )
            fix = "Write the size of an energy block, or make min_duration_hours equal max_duration_hours."
            yield content.problem(row, "energy_block_mwh", rule, fix)
    for asset in content.rows(ExistingAsset):
        kind = _kind(content, asset)
        if kind == "storage" and asset.energy_mwh <= 0:
            yield content.problem(asset, "energy_mwh", "must be > 0 MWh for storage", "Write the energy of all units.")
        elif kind == "generator" and asset.energy_mwh > 0:
            yield content.problem(asset, "energy_mwh", "must be 0 MWh for a generator", "Clear it.")


def service_years(content: Content) -> Iterator[Problem]:
    """First year of service not after the last."""
    yield from _first_before_last(content, content.rows(FundingOption))
    yield from _first_before_last(content, content.rows(ExistingAsset))


def contract_charges(content: Content) -> Iterator[Problem]:
    """A contract share names a site, served by the utility that finances the option."""
    for row in content.rows(FundingOption):
        if row.contract_share <= 0:
            continue
        if row.contract_site is None:
            yield content.problem(
                row, "contract_site", "must be filled where contract_share > 0", "Name the site that pays."
            )
        site = content.find(Site, row.contract_site)
        if site is None or row.utility is None:
            continue
        if site.utility != row.utility:
            rule = f"must be a site served by {row.utility}, is served by {site.utility or 'no utility'}"
            yield content.problem(row, "contract_site", rule, "The charge stands on the bill of the financing utility.")


def option_rules(content: Content) -> Iterator[Problem]:
    """The rule requires, and no other, names another option."""
    for row in content.rows(OptionRule):
        if row.rule == "requires" and row.requires_option is None:
            rule = "must be filled for the rule requires"
            yield content.problem(row, "requires_option", rule, "Name the option that must be in service.")
        elif row.rule != "requires" and row.requires_option is not None:
            yield content.problem(row, "requires_option", f"must be blank for the rule {row.rule}", "Clear the cell.")
        elif row.requires_option == row.option:
            yield content.problem(row, "requires_option", "must be another option", "Name the option it depends on.")


# Series, periods, calendar


def series_columns(content: Content) -> Iterator[Problem]:
    """Series and hourly columns are the same, and as long as the manifest says."""
    if content.hourly is None:
        return
    names = list(content.hourly.columns)
    for row in content.rows(Series):
        if row.series == "hour":
            yield content.problem(row, "series", "is the name of the counting column", "Rename the series.")
        elif row.series not in names:
            yield content.problem(row, "series", f"must be a column of {HOURLY_FILE}", suggestion(row.series, names))
    known = content.known("series", "series")
    for name in names:
        if name not in known and content.tables["series"].present:
            fix = f"Add it to series.csv with its kind, or delete the column. {suggestion(name, known)}"
            yield Problem(HOURLY_FILE, 1, name, None, "must be a series of series.csv", fix)
    if content.series_hours is not None and len(content.hourly) != content.series_hours:
        rule = f"must have {content.series_hours} hours (series_hours in {MANIFEST_FILE}), has {len(content.hourly)}"
        yield Problem(HOURLY_FILE, None, None, None, rule, "Complete the hours, or correct series_hours.")


def series_values(content: Content) -> Iterator[Problem]:
    """Hourly values are finite and within the bounds of their kind."""
    if content.hourly is None:
        return
    for row in content.rows(Series):
        if row.series not in content.hourly.columns:
            continue
        low, high = SERIES_BOUNDS[row.kind]
        values = content.hourly[row.series].to_numpy()
        broken = ~((values >= low) & (values <= high))
        if not content.hourly_complete:
            broken &= ~np.isnan(values)
        hours = np.flatnonzero(broken)
        if not len(hours):
            continue
        rule = f"must be a finite number between {number(low)} and {number(high)} (kind {row.kind})"
        origin = content.origins.get((HOURLY_FILE, None, row.series))
        if origin is not None:
            becomes = f"{len(hours)} hours are not, hour {hours[0]} becomes {number(float(values[hours[0]]))}"
            yield Problem(origin.file, None, origin.column, origin.value, f"{rule}; {becomes}")
            continue
        fix = "Correct the value, or the series' kind in series.csv."
        for hour in hours[:LISTED_ALIKE]:
            yield Problem(HOURLY_FILE, int(hour) + 2, row.series, shown(float(values[hour])), rule, fix)
        if len(hours) > LISTED_ALIKE:
            yield Problem(HOURLY_FILE, None, row.series, None, rule, count=len(hours) - LISTED_ALIKE)


def series_kinds(content: Content) -> Iterator[Problem]:
    """A series is used for what it is."""
    for (model, column), kind in SERIES_KINDS.items():
        rows: list[Row] = content.rows(model)
        for row in rows:
            series = content.find(Series, getattr(row, column))
            if series is not None and series.kind != kind:
                fitting = [other.series for other in content.rows(Series) if other.kind == kind]
                rule = f"must be a series of kind {kind}, is of kind {series.kind}"
                yield content.problem(row, column, rule, f"Series of this kind: {', '.join(fitting) or 'none'}.")


def periods(content: Content) -> Iterator[Problem]:
    """Periods lie in the series without overlap, hold whole steps, and weigh a year together."""
    by_resolution = _by(content.rows(Period), "resolution")
    for rows in by_resolution.values():
        ordered = sorted(rows, key=lambda row: row.start_hour)
        before = ordered[0]
        for row in ordered[1:]:
            last = before.start_hour + before.hours - 1
            if row.start_hour <= last:
                rule = f"overlaps period {before.period} of the same resolution (hours {before.start_hour} to {last})"
                yield content.problem(row, "start_hour", rule, "Periods of a resolution must not share hours.")
            if row.start_hour + row.hours - 1 > last:
                before = row
    if content.series_hours is not None:
        for row in content.rows(Period):
            if row.start_hour + row.hours > content.series_hours:
                rule = f"ends at hour {row.start_hour + row.hours}, beyond the series of {content.series_hours} hours"
                yield content.problem(row, "hours", rule, "Shorten it or start it earlier.")
    for name in content.resolutions:
        yield from _resolution_periods(content, name, by_resolution.get(name, []))


def _resolution_periods(content: Content, name: str, rows: list[Period]) -> Iterator[Problem]:
    assert content.manifest is not None
    step = content.manifest.resolutions[name].step_hours
    for row in rows:
        if row.hours % step:
            rule = f"must be a multiple of step_hours {step} of resolution {name}"
            yield content.problem(row, "hours", rule, "Change the period or the step.")
    if not content.complete(Period):
        return
    total = math.fsum(row.hours * row.occurrences_per_year for row in rows)
    if not rows:
        path = f"resolutions.{name}"
        yield content.manifest_problem(
            path, None, "has no periods in periods.csv", "Add them, or delete the resolution."
        )
    elif abs(total - HOURS_PER_YEAR) > SUM_TOLERANCE * HOURS_PER_YEAR:
        sums = f"hours times occurrences_per_year of resolution {name} sum to {number(total)}"
        rule = f"{sums}, must sum to {HOURS_PER_YEAR}"
        yield content.table_problem(Period, rule, f"Multiply the occurrences by {HOURS_PER_YEAR / total:.8g}.")


def calendars(content: Content) -> Iterator[Problem]:
    """A calendar fills the series slot by slot, each period as often as it occurs."""
    if not content.complete(CalendarSlot, Period) or content.series_hours is None:
        return
    for name, slots in _by(content.rows(CalendarSlot), "resolution").items():
        rows = {row.period: row for row in content.rows(Period) if row.resolution == name}
        if not rows or not all(slot.period in rows for slot in slots):
            continue
        numbers = sorted(slot.slot for slot in slots)
        if numbers != list(range(len(numbers))):
            rule = f"slots of resolution {name} must count 0 to {len(numbers) - 1} without gap"
            yield content.table_problem(CalendarSlot, rule, "Number them anew.")
        hours = sum(rows[slot.period].hours for slot in slots)
        if hours != content.series_hours:
            rule = f"periods of resolution {name} last {hours} hours together, the series has {content.series_hours}"
            yield content.table_problem(CalendarSlot, rule, "Add or delete slots.")
            continue
        for period in rows.values():
            count = sum(slot.period == period.period for slot in slots)
            yearly = count * HOURS_PER_YEAR / content.series_hours
            if abs(yearly - period.occurrences_per_year) > SUM_TOLERANCE * max(1.0, yearly):
                rule = f"must be {number(yearly)}: the period stands {count} times in the calendar"
                yield content.problem(period, "occurrences_per_year", rule, "Correct it or the calendar.")


# Helpers


def _ascending(values: Iterable[int]) -> bool:
    ordered = list(values)
    return all(a < b for a, b in pairwise(ordered))


def _by(rows: Iterable[R], column: str) -> dict[str, list[R]]:
    groups: dict[str, list[R]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, column)].append(row)
    return groups


def _plant(content: Content) -> list[FundingOption | ExistingAsset]:
    return [*content.rows(FundingOption), *content.rows(ExistingAsset)]


def _kind(content: Content, row: FundingOption | ExistingAsset) -> str | None:
    technology = content.find(Technology, row.technology)
    return technology.kind if technology else None


def _zone_of(content: Content, row: FundingOption | ExistingAsset) -> str | None:
    """Zone whose fuel price a plant pays."""
    if row.zone is not None:
        return row.zone
    site = content.find(Site, row.site)
    return site.zone if site else None


def _first_before_last(
    content: Content, rows: Iterable[TaxCredit] | Iterable[FundingOption] | Iterable[ExistingAsset]
) -> Iterator[Problem]:
    for row in rows:
        if row.first_year is not None and row.last_year is not None and row.first_year > row.last_year:
            rule = f"must be <= last_year {row.last_year}"
            yield content.problem(row, "first_year", rule, "Exchange or correct them.")


# What-if


def drivers(content: Content) -> Iterator[Problem]:
    """The low value of a driver lies below the high one."""
    for row in content.rows(Driver):
        if row.low >= row.high:
            yield content.problem(row, "low", f"must lie below high {number(row.high)}", "Swap them, or correct one.")


RULES: tuple[Callable[[Content], Iterator[Problem]], ...] = (
    duplicate_keys,
    unknown_references,
    unknown_resolutions,
    budget_scopes,
    asset_names,
    manifest_years,
    active_resolution,
    missing_years,
    missing_fuel_prices,
    site_tariffs,
    site_years,
    deferral_windows,
    grid_sites_of_stack_zones,
    zone_supply,
    stack_covers_local_load,
    corridors,
    curves,
    curve_regimes,
    classes_and_pools,
    local_load_shares,
    shared_networks,
    tariffs,
    technologies,
    tax_credits,
    calendar_storage,
    places,
    funding_modes,
    option_sizes,
    service_years,
    contract_charges,
    option_rules,
    series_columns,
    series_values,
    series_kinds,
    periods,
    calendars,
    drivers,
)
