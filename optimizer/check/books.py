"""A plan's tables as arrays beside the instance: what every check reads.

Axes: resources R (plant and wires, one per option and funding mode, one per existing asset), sites S, zones Z,
corridors C, supply blocks B, utilities U, planning years Y, time steps T. A row that a table lacks counts as 0.
What is in service is derived from the builds and retirements, never read from the capacity table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from optimizer import schema
from optimizer.check.reading import Key, Table
from optimizer.check.report import Array
from optimizer.finance import discount_factor, escalate, year_weight
from optimizer.instance import Instance
from optimizer.periods import TimeGrid
from optimizer.plan import TEXT

EXISTING = "existing"


@dataclass(frozen=True)
class Resource:
    """An option in one funding mode, or an existing asset."""

    name: str
    mode: str
    technology: schema.Technology
    plant: schema.FundingOption | schema.ExistingAsset

    @property
    def option(self) -> schema.FundingOption | None:
        return self.plant if isinstance(self.plant, schema.FundingOption) else None

    @property
    def asset(self) -> schema.ExistingAsset | None:
        return self.plant if isinstance(self.plant, schema.ExistingAsset) else None

    @property
    def corridor(self) -> str | None:
        return self.plant.corridor if isinstance(self.plant, schema.FundingOption) else None

    @property
    def utility(self) -> str | None:
        return self.plant.utility if isinstance(self.plant, schema.FundingOption) else None

    @property
    def place(self) -> str:
        return self.plant.site or self.plant.zone or self.corridor or ""

    @property
    def block_mw(self) -> float:
        return self.plant.block_mw if isinstance(self.plant, schema.FundingOption) else self.plant.unit_mw

    @property
    def kind(self) -> str:
        return self.technology.kind

    @property
    def sponsored(self) -> bool:
        """Does the sponsor own it."""
        return self.mode in ("own", EXISTING)

    @property
    def additional(self) -> bool:
        """Is it not planned without the project."""
        return self.option is None or not self.option.planned_without_project


@dataclass(frozen=True)
class Build:
    """Blocks of a resource that enter service in a year."""

    resource: Resource
    year: int
    blocks: float
    energy_blocks: float
    base_year: int

    @property
    def option(self) -> schema.FundingOption:
        option = self.resource.option
        assert option is not None
        return option

    @property
    def mw(self) -> float:
        return self.blocks * self.option.block_mw

    @property
    def mwh(self) -> float:
        """Energy capacity: its energy blocks, or the power times the fixed duration."""
        technology = self.resource.technology
        if technology.kind != "storage":
            return 0.0
        if self.option.energy_block_mwh is None:
            return technology.min_duration_hours * self.mw
        return self.energy_blocks * self.option.energy_block_mwh

    @property
    def capex_usd(self) -> float:
        """Price of the year of service times the local factor, plus interconnection."""
        technology, option = self.resource.technology, self.option
        price = 1000 * (technology.capex_usd_per_kw * self.mw + technology.capex_usd_per_kwh * self.mwh)
        change = technology.capex_change_per_year
        equipment = escalate(price, change, self.year, self.base_year) * option.capex_factor
        return equipment + 1000 * option.interconnection_usd_per_kw * self.mw

    def in_service(self, year: int) -> bool:
        return self.year <= year < self.year + self.resource.technology.life_years


@dataclass(frozen=True, eq=False)
class Books:
    """Instance, time grid and tables, and what follows from them at once."""

    instance: Instance
    grid: TimeGrid
    tables: Mapping[str, Table]

    # The instance by name

    @cached_property
    def sites(self) -> dict[str, schema.Site]:
        return {row.site: row for row in self.instance.sites}

    @cached_property
    def zones(self) -> dict[str, schema.Zone]:
        return {row.zone: row for row in self.instance.zones}

    @cached_property
    def corridors(self) -> dict[str, schema.Corridor]:
        return {row.corridor: row for row in self.instance.corridors}

    @cached_property
    def utilities(self) -> dict[str, schema.Utility]:
        return {row.utility: row for row in self.instance.utilities}

    @cached_property
    def tariffs(self) -> dict[str, schema.Tariff]:
        return {row.tariff: row for row in self.instance.tariffs}

    @cached_property
    def technologies(self) -> dict[str, schema.Technology]:
        return {row.technology: row for row in self.instance.technologies}

    @cached_property
    def classes(self) -> dict[tuple[str, str], schema.CustomerClass]:
        return {(row.utility, row.customer_class): row for row in self.instance.customer_classes}

    @cached_property
    def blocks(self) -> dict[tuple[str, str], schema.SupplyBlock]:
        return {(row.zone, row.block): row for row in self.instance.supply_blocks}

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """Everything that can be in service, by name."""
        options = (
            Resource(f"{row.option} [{mode}]", mode, self.technologies[row.technology], row)
            for row in self.instance.funding_options
            for mode in row.funding_modes.split(";")
        )
        assets = (
            Resource(row.asset, EXISTING, self.technologies[row.technology], row)
            for row in self.instance.existing_assets
        )
        return {resource.name: resource for resource in (*options, *assets)}

    @cached_property
    def plants(self) -> tuple[Resource, ...]:
        return tuple(self.resources.values())

    def select(self, rule: Callable[[Resource], bool]) -> Array:
        """1 for the resources that fit, 0 for others; shape (R,)."""
        return np.array([float(rule(resource)) for resource in self.plants])

    def members(self, place: Callable[[Resource], str | None], names: Iterable[str]) -> Array:
        """1 where a resource belongs to a place; shape (places, R)."""
        rows = [[float(place(resource) == name) for resource in self.plants] for name in names]
        return np.array(rows).reshape(len(rows), len(self.plants))

    def zone_of(self, resource: Resource) -> str | None:
        """Zone of a resource's place; None on a corridor."""
        return self.sites[resource.plant.site].zone if resource.plant.site else resource.plant.zone

    def connected(self, site: str) -> bool:
        """Has the site a connection to the grid, or an option for one."""
        wires = (r for r in self.plants if r.kind == "wires" and r.plant.site == site)
        return self.sites[site].existing_poi_mw > 0 or any(wires)

    def utilities_of(self, zone: str) -> list[schema.Utility]:
        return [row for row in self.instance.utilities if row.zone == zone]

    def buyer(self, zone: str) -> str | None:
        """The cost-of-service utility that buys for a zone; None where buyers are the sponsor and the locals."""
        bound = [row.utility for row in self.utilities_of(zone) if row.regime == "cost_of_service"]
        return bound[0] if bound else None

    def regulated(self, site: str) -> bool:
        """Does a cost-of-service utility serve the site."""
        utility = self.sites[site].utility
        return utility is not None and self.utilities[utility].regime == "cost_of_service"

    def tariff(self, site: str) -> schema.Tariff | None:
        name = self.sites[site].tariff
        return None if name is None or self.sites[site].utility is None else self.tariffs[name]

    # Time

    @property
    def years(self) -> tuple[int, ...]:
        return self.grid.years

    @property
    def steps(self) -> range:
        return range(len(self.grid.steps))

    @cached_property
    def weights(self) -> Array:
        """Hours a year that a step stands for; shape (T,)."""
        return self.grid.steps["weight_hours"].to_numpy(float)

    @cached_property
    def hours(self) -> Array:
        """Duration of a step; shape (T,)."""
        return self.grid.steps["duration_hours"].to_numpy(float)

    @cached_property
    def occurrences(self) -> Array:
        return self.grid.steps["occurrences"].to_numpy(float)

    @cached_property
    def following(self) -> np.ndarray:
        """Step after each step, in the ring of its period; shape (T,)."""
        return self.grid.steps["next_step"].to_numpy(int)

    @cached_property
    def periods(self) -> dict[str, np.ndarray]:
        """Steps of each period, in order."""
        groups = self.grid.steps.groupby("period", sort=False).indices
        return {str(period): np.sort(steps) for period, steps in groups.items()}

    @cached_property
    def months(self) -> dict[int, float]:
        """Months of the year that each billing month stands for."""
        billing = self.grid.billing
        return dict(zip(billing["billing_month"].tolist(), billing["months"].tolist(), strict=True))

    @cached_property
    def metered_steps(self) -> dict[int, np.ndarray]:
        """Steps over which the peak of each billing month is metered."""
        parts: dict[int, list[np.ndarray]] = {}
        for month, part in zip(self.grid.billing["billing_month"].tolist(), self.grid.billing["part"], strict=True):
            parts.setdefault(month, []).append(self.grid.parts[part])
        return {month: np.concatenate(steps) for month, steps in parts.items()}

    @property
    def horizon_end(self) -> int:
        """First calendar year after the horizon."""
        return self.years[-1] + self.grid.years_represented[self.years[-1]]

    @property
    def discount_rate(self) -> float:
        return self.instance.manifest.finance.discount_rate

    @property
    def base_year(self) -> int:
        return self.instance.manifest.base_year

    def discount(self, year: int) -> float:
        return discount_factor(year, self.base_year, self.discount_rate)

    @cached_property
    def year_weights(self) -> Array:
        """Present value of one dollar a year over the years a planning year stands for; shape (Y,)."""
        represented = self.grid.years_represented
        return np.array([year_weight(y, represented[y], self.base_year, self.discount_rate) for y in self.years])

    def per_year(self, flow: Array) -> Array:
        """Sum over the steps of a year of MW times hours: (..., T) to (...)."""
        return flow @ self.weights

    # Series

    def hourly(self, series: str | None, default: float) -> Array:
        """Hourly values of a series; a constant where there is none."""
        if series is None:
            return np.full(len(self.instance.hourly), default)
        return self.instance.hourly[series].to_numpy(float)

    @cached_property
    def use(self) -> Array:
        """Facility load per MW of energised IT; shape (S, T)."""
        return np.array([self.grid.average(self._use(site)) for site in self.instance.sites])

    @cached_property
    def peak_use(self) -> Array:
        """Highest facility load of any hour per MW of energised IT; shape (S,)."""
        return np.array([self._use(site).max() for site in self.instance.sites])

    @cached_property
    def pue(self) -> Array:
        return np.array([self.grid.average(self.hourly(site.pue_series, 1.0)) for site in self.instance.sites])

    def _use(self, site: schema.Site) -> Array:
        return self.hourly(site.utilisation_series, 1.0) * self.hourly(site.pue_series, 1.0)

    @cached_property
    def availability(self) -> Array:
        """Output available per MW in service; shape (R, T)."""
        rows = ((r.plant.availability_series, 1 - r.technology.forced_outage_rate) for r in self.plants)
        return self._table([self.grid.average(self.hourly(series, default)) for series, default in rows])

    @cached_property
    def price(self) -> Array:
        """Market price without the project, 0 where there is none; shape (Z, Y, T)."""
        return self._zone_series(lambda zone: zone.price_series, "price_factor")

    @cached_property
    def local_load(self) -> Array:
        """Load of the local customers; shape (Z, Y, T)."""
        return self._zone_series(lambda zone: zone.local_load_series, "local_load_factor")

    def _zone_series(self, series: Callable[[schema.Zone], str | None], factor: str) -> Array:
        factors = {(row.zone, row.year): float(getattr(row, factor)) for row in self.instance.zone_years}
        means = [self.grid.average(self.hourly(series(zone), 0.0)) for zone in self.instance.zones]
        scale = [[factors.get((zone.zone, year), 1.0) for year in self.years] for zone in self.instance.zones]
        values: Array = np.array(means)[:, None, :] * np.array(scale)[:, :, None]
        return values

    def _table(self, rows: Sequence[Array]) -> Array:
        return np.array(rows).reshape(len(rows), len(self.grid.steps))

    # Tables as arrays

    def array(self, table: str, column: str, *axes: tuple[Key, Collection[object]]) -> Array:
        """A column as an array over the values of its keys; 0 where there is no row."""
        return self.tables[table].array(column, *axes)

    def by_site(self, column: str, table: str = "sites") -> Array:
        return self.array(table, column, ("site", self.sites), ("year", self.years))

    @cached_property
    def site_flow(self) -> dict[str, Array]:
        """Columns of the operation table; shape (S, Y, T)."""
        return self._flows("operation", "site", self.sites)

    @cached_property
    def resource_flow(self) -> dict[str, Array]:
        """Columns of the resource_operation table; shape (R, Y, T)."""
        return self._flows("resource_operation", "resource", self.resources)

    @cached_property
    def zone_flow(self) -> dict[str, Array]:
        return self._flows("zone_operation", "zone", self.zones)

    @cached_property
    def corridor_flow(self) -> dict[str, Array]:
        return self._flows("corridor_operation", "corridor", self.corridors)

    @cached_property
    def supply(self) -> Array:
        """Output of the supply blocks; shape (B, Y, T)."""
        return self._flows("supply_operation", ("zone", "block"), self.blocks)["mw"]

    def _flows(self, name: str, key: Key, names: Collection[object]) -> dict[str, Array]:
        table = self.tables[name]
        flows = [column for column in table.columns if column not in ("year", "step") and column not in TEXT]
        return table.arrays(flows, (key, names), ("year", self.years), ("step", self.steps))

    def money(self, table: str, column: str, *keys: str) -> dict[Any, float]:
        """Sum of a column by keys."""
        total: dict[Any, float] = {}
        for key, value in zip(self.tables[table].rows(*keys), self.tables[table][column].tolist(), strict=True):
            total[key] = total.get(key, 0.0) + value
        return total

    # What is in service

    @cached_property
    def builds(self) -> tuple[Build, ...]:
        """Rows of the allocation that name an option in one of its modes."""
        rows = zip(self.funded, self.tables["allocation"].rows("year", "blocks", "energy_blocks"), strict=True)
        return tuple(
            Build(self.resources[name], year, blocks, energy_blocks, self.base_year)
            for name, (year, blocks, energy_blocks) in rows
            if name in self.resources
        )

    @cached_property
    def funded(self) -> list[str]:
        """Resource that every row of the allocation names."""
        return [f"{option} [{mode}]" for option, mode in self.tables["allocation"].rows("option", "funding_mode")]

    @cached_property
    def retired(self) -> dict[str, Array]:
        """Units of each existing asset retired up to each planning year; shape (Y,)."""
        assets = [row.asset for row in self.instance.existing_assets]
        units = self.array("retirements", "units", ("asset", assets), ("year", self.years))
        return dict(zip(assets, units.cumsum(axis=1), strict=True))

    @cached_property
    def units(self) -> Array:
        """Blocks or units in service; shape (R, Y)."""
        return self._in_service(lambda build: build.blocks, lambda asset: 1.0)

    @cached_property
    def mw(self) -> Array:
        return self._in_service(lambda build: build.mw, lambda asset: asset.unit_mw)

    @cached_property
    def mwh(self) -> Array:
        """Energy capacity of storage in service; shape (R, Y)."""
        return self._in_service(lambda build: build.mwh, lambda asset: asset.energy_mwh / asset.units)

    def _in_service(self, size: Callable[[Build], float], unit_size: Callable[[schema.ExistingAsset], float]) -> Array:
        total = np.zeros((len(self.plants), len(self.years)))
        position = {name: row for row, name in enumerate(self.resources)}
        for build in self.builds:
            served = [build.in_service(year) for year in self.years]
            total[position[build.resource.name]] += size(build) * np.array(served)
        for asset in self.instance.existing_assets:
            served = [asset.first_year <= year <= asset.last_year for year in self.years]
            total[position[asset.asset]] = unit_size(asset) * (asset.units - self.retired[asset.asset]) * served
        return total

    @cached_property
    def site_capacity(self) -> Array:
        """Import capacity of each site; shape (S, Y)."""
        existing = np.array([[site.existing_poi_mw] for site in self.instance.sites])
        return existing + self.at_sites @ (self.select(lambda r: r.kind == "wires")[:, None] * self.mw)

    @cached_property
    def at_sites(self) -> Array:
        """1 where a resource stands at a site; shape (S, R)."""
        return self.members(lambda r: r.plant.site, self.sites)

    @cached_property
    def in_zones(self) -> Array:
        """1 where a resource stands in a zone, in front of the meter; shape (Z, R)."""
        return self.members(lambda r: r.plant.zone, self.zones)

    @cached_property
    def sites_in_zones(self) -> Array:
        """1 where a site lies in a zone; shape (Z, S)."""
        return np.array([[float(site.zone == zone) for site in self.instance.sites] for zone in self.zones])

    # What follows from operation

    @cached_property
    def net_output(self) -> Array:
        """Generation and discharge less charge of each resource; shape (R, Y, T)."""
        flow = self.resource_flow
        return flow["generation_mw"] + flow["discharge_mw"] - flow["charge_mw"]

    @cached_property
    def net_purchase(self) -> Array:
        """What each zone draws for the project: imports less exports, less zone plant, and corridors; (Z, Y, T)."""
        sites = self.site_flow["import_mw"] - self.site_flow["export_mw"]
        purchase = gather(self.sites_in_zones, sites) - gather(self.in_zones, self.net_output)
        zones = {name: position for position, name in enumerate(self.zones)}
        for row, corridor in enumerate(self.instance.corridors):
            start, end, kept = zones[corridor.from_zone], zones[corridor.to_zone], 1 - corridor.loss_share
            forward, backward = self.corridor_flow["forward_mw"][row], self.corridor_flow["backward_mw"][row]
            purchase[start] += forward - kept * backward
            purchase[end] += backward - kept * forward
        return purchase

    def curve(self, zone: str) -> tuple[Array, Array] | None:
        """Points of a zone's price response: net purchase and price change."""
        points = [
            (r.net_purchase_mw, r.price_change_usd_per_mwh) for r in self.instance.price_response if r.zone == zone
        ]
        return _points(points)

    def capacity_curve(self, zone: str) -> tuple[Array, Array] | None:
        """Points of a zone's capacity price curve: shortfall and price change."""
        rows = [r for r in self.instance.capacity_price_curve if r.zone == zone]
        return _points([(r.shortfall_mw, r.price_change_usd_per_kw_year) for r in rows])


Figure = TypeVar("Figure")


def once(work_out: Callable[[Books], Figure]) -> Callable[[Books], Figure]:
    """Keep what follows from books as long as they are there: several checks use it."""
    known: WeakKeyDictionary[Books, Figure] = WeakKeyDictionary()

    @wraps(work_out)
    def figure(books: Books) -> Figure:
        if books not in known:
            known[books] = work_out(books)
        return known[books]

    return figure


def _points(points: list[tuple[float, float]]) -> tuple[Array, Array] | None:
    if not points:
        return None
    quantity, change = np.array(points, dtype=float).T
    return quantity, change


def gather(members: Array, flow: Array) -> Array:
    """Sum of the flows of the members: (A, B) and (B, ...) to (A, ...)."""
    return np.tensordot(members, flow, axes=1)


def whole_ceiling(value: float) -> int:
    """Smallest whole number not below a value, but for rounding noise."""
    return math.ceil(value - 1e-9)
